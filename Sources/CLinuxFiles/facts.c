/* Facts about files and filesystems. */
#include "internal.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

_Static_assert(
    LF_ATTRIBUTE_COMPRESSED == STATX_ATTR_COMPRESSED && LF_ATTRIBUTE_IMMUTABLE == STATX_ATTR_IMMUTABLE
        && LF_ATTRIBUTE_APPEND == STATX_ATTR_APPEND && LF_ATTRIBUTE_ENCRYPTED == STATX_ATTR_ENCRYPTED
        && LF_ATTRIBUTE_DAX == STATX_ATTR_DAX && LF_INODE_EXTENTS == FS_EXTENT_FL
        && LF_XFLAG_REALTIME == FS_XFLAG_REALTIME,
    "the kernel's numbers");

static struct lf_time time_of(struct statx_timestamp time) {
    return (struct lf_time){.seconds = time.tv_sec, .nanoseconds = time.tv_nsec};
}

int64_t lf_statx(int directory, const void *path, struct lf_stat *result) {
    struct statx facts;
    memset(result, 0, sizeof *result);
    if (statx(directory, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME,
              &facts) < 0)
        return lf_result(-1);
    *result = (struct lf_stat){
        .inode = facts.stx_ino,
        .size = facts.stx_size,
        .blocks = facts.stx_blocks,
        .attributes = facts.stx_attributes & facts.stx_attributes_mask,
        .mode = facts.stx_mode,
        .nlink = facts.stx_nlink,
        .uid = facts.stx_uid,
        .gid = facts.stx_gid,
        .device_major = facts.stx_dev_major,
        .device_minor = facts.stx_dev_minor,
        .accessed = time_of(facts.stx_atime),
        .modified = time_of(facts.stx_mtime),
        .changed = time_of(facts.stx_ctime),
        .born = time_of(facts.stx_btime),
        .has_born = (facts.stx_mask & STATX_BTIME) != 0,
    };
    return 0;
}

int64_t lf_statfs(int descriptor, struct lf_filesystem *result) {
    struct statfs facts;
    memset(result, 0, sizeof *result);
    if (fstatfs(descriptor, &facts) < 0) return lf_result(-1);
    result->type = (uint64_t)facts.f_type & 0xffffffff;
    result->block_size = (uint64_t)facts.f_bsize;
    result->read_only = (facts.f_flags & 1 /* ST_RDONLY */) != 0;
    memcpy(&result->id, &facts.f_fsid, sizeof result->id);
    return 0;
}

/* Newer than the headers. */
struct lf_fsuuid {
    uint8_t length;
    uint8_t uuid[16];
};
#ifndef FS_IOC_GETFSUUID
#define FS_IOC_GETFSUUID _IOR(0x15, 0, struct lf_fsuuid)
#endif

int64_t lf_filesystem_uuid(int descriptor, void *uuid) {
    struct lf_fsuuid answer = {0};
    if (ioctl(descriptor, FS_IOC_GETFSUUID, &answer) < 0) return lf_result(-1);
    memcpy(uuid, answer.uuid, sizeof answer.uuid);
    return answer.length;
}

int64_t lf_inode_flags(int descriptor) {
    /* The macro says long; the kernel writes an int. */
    uint32_t flags[2] = {0, 0};
    int result = ioctl(descriptor, FS_IOC_GETFLAGS, flags);
    return result < 0 ? lf_result(result) : (int64_t)flags[0];
}

int64_t lf_inode_xflags(int descriptor) {
    struct fsxattr attributes = {0};
    int result = ioctl(descriptor, FS_IOC_FSGETXATTR, &attributes);
    return result < 0 ? lf_result(result) : (int64_t)attributes.fsx_xflags;
}

int64_t lf_generation(int descriptor) {
    uint32_t generation[2] = {0, 0};
    int result = ioctl(descriptor, FS_IOC_GETVERSION, generation);
    return result < 0 ? lf_result(result) : (int64_t)generation[0];
}

/* The first version of XFS's geometry (xfs_fs.h), which every kernel answers: only its size and two members matter. */
struct lf_xfs_geometry {
    uint32_t block_size;
    uint32_t realtime_extent_blocks;
    uint32_t rest[26];
};
_Static_assert(sizeof(struct lf_xfs_geometry) == 112, "the size is part of the request's number");

int64_t lf_xfs_realtime_extent(int descriptor) {
    struct lf_xfs_geometry geometry = {0};
    int result = ioctl(descriptor, _IOR('X', 100, struct lf_xfs_geometry), &geometry);
    return result < 0 ? lf_result(result) : (int64_t)geometry.block_size * geometry.realtime_extent_blocks;
}

/* A file_handle with room behind it for the largest handle. */
union lf_handle_buffer {
    struct file_handle handle;
    uint8_t bytes[sizeof(struct file_handle) + LF_KERNEL_HANDLE_MAX];
};
_Static_assert(LF_KERNEL_HANDLE_MAX >= MAX_HANDLE_SZ, "room for every handle");

int64_t lf_kernel_handle(int descriptor, struct lf_kernel_handle *result) {
    union lf_handle_buffer buffer = {0};
    int mount_id = 0;
    memset(result, 0, sizeof *result);
    buffer.handle.handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(descriptor, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) < 0) return lf_result(-1);
    if (buffer.handle.handle_bytes > LF_KERNEL_HANDLE_MAX) return -EOVERFLOW;
    result->type = buffer.handle.handle_type;
    result->length = buffer.handle.handle_bytes;
    memcpy(result->bytes, buffer.handle.f_handle, buffer.handle.handle_bytes);
    return 0;
}

int64_t lf_open_kernel_handle(int mount, const struct lf_kernel_handle *handle, int flags) {
    union lf_handle_buffer buffer = {0};
    if (handle->length > LF_KERNEL_HANDLE_MAX) return -EINVAL;
    buffer.handle.handle_type = handle->type;
    buffer.handle.handle_bytes = handle->length;
    memcpy(buffer.handle.f_handle, handle->bytes, handle->length);
    return lf_result(open_by_handle_at(mount, &buffer.handle, flags | O_CLOEXEC));
}
