/* Where a file's bytes are, and the calls that change it. */
#include "internal.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

int64_t lf_fiemap(
    int descriptor, uint64_t start, uint64_t length, uint32_t flags, struct lf_extent *extents, uint32_t capacity) {
    /* 7 KiB of stack: a bounded answer, however many extents the file has. */
    union {
        struct fiemap header;
        uint8_t bytes[sizeof(struct fiemap) + LF_EXTENTS_MAX * sizeof(struct fiemap_extent)];
    } request;
    memset(&request, 0, sizeof request);
    request.header.fm_start = start;
    request.header.fm_length = length;
    request.header.fm_flags = flags;
    request.header.fm_extent_count = capacity < LF_EXTENTS_MAX ? capacity : LF_EXTENTS_MAX;
    if (ioctl(descriptor, FS_IOC_FIEMAP, &request) < 0) return lf_result(-1);
    uint32_t count = request.header.fm_mapped_extents;
    if (count > request.header.fm_extent_count) return -EPROTO;
    for (uint32_t index = 0; index < count; index++) {
        const struct fiemap_extent *extent = &request.header.fm_extents[index];
        extents[index] = (struct lf_extent){
            .logical = extent->fe_logical,
            .physical = extent->fe_physical,
            .length = extent->fe_length,
            .flags = extent->fe_flags,
        };
    }
    return count;
}

int64_t lf_fallocate(int descriptor, int mode, int64_t offset, int64_t length) {
    return lf_result(fallocate(descriptor, mode, offset, length));
}

int64_t lf_ftruncate(int descriptor, int64_t size) { return lf_result(ftruncate(descriptor, size)); }

int64_t lf_clone_range(
    int source, uint64_t source_offset, uint64_t length, int destination, uint64_t destination_offset) {
    struct file_clone_range range = {
        .src_fd = source, .src_offset = source_offset, .src_length = length, .dest_offset = destination_offset};
    return lf_result(ioctl(destination, FICLONERANGE, &range));
}

int64_t lf_probe_synchronous(int descriptor) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, page, PROT_NONE, MAP_SHARED_VALIDATE | MAP_SYNC, descriptor, 0);
    if (memory == MAP_FAILED) return lf_result(-1);
    return lf_result(munmap(memory, page));
}

int64_t lf_set_extent_size_hint(int descriptor, uint32_t size) {
    struct fsxattr attributes = {0};
    if (ioctl(descriptor, FS_IOC_FSGETXATTR, &attributes) < 0) return lf_result(-1);
    if (attributes.fsx_xflags & FS_XFLAG_EXTSIZE) return 0;
    attributes.fsx_xflags |= FS_XFLAG_EXTSIZE;
    attributes.fsx_extsize = size;
    return lf_result(ioctl(descriptor, FS_IOC_FSSETXATTR, &attributes));
}

int64_t lf_fsync(int descriptor, int data_only) {
    return lf_result(data_only ? fdatasync(descriptor) : fsync(descriptor));
}

int64_t lf_syncfs(int descriptor) { return lf_result(syncfs(descriptor)); }

int64_t lf_pread(int descriptor, void *buffer, size_t size, int64_t offset) {
    return lf_result(pread(descriptor, buffer, size, offset));
}

int64_t lf_pwrite(int descriptor, const void *buffer, size_t size, int64_t offset) {
    return lf_result(pwrite(descriptor, buffer, size, offset));
}

uint64_t lf_file_size_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return limit.rlim_cur;
}
