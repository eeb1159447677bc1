/* Paths and descriptors. */
#include "internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

const int lf_open_path = O_PATH;
const int lf_open_temporary = O_TMPFILE;
const uint64_t lf_resolve_beneath = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;

const char *lf_error_name(int error) {
    const char *name = strerrorname_np(error);
    return name ? name : "errno";
}

const char *lf_error_text(int error) {
    const char *text = strerrordesc_np(error);
    return text ? text : "unknown error";
}

int64_t lf_openat2(int directory, const void *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    return lf_result(syscall(SYS_openat2, directory, path, &how, sizeof how));
}

int64_t lf_reopen(int descriptor, int flags) {
    char path[LF_PROC_PATH_SIZE];
    lf_proc_path(path, descriptor);
    return lf_result(open(path, flags | O_CLOEXEC));
}

int64_t lf_close(int descriptor) { return lf_result(close(descriptor)); }

int64_t lf_duplicate(int descriptor) { return lf_result(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)); }

int64_t lf_make_blocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return lf_result(flags);
    return lf_result(fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK));
}

int64_t lf_mkdirat(int directory, const void *name, uint32_t mode) {
    return lf_result(mkdirat(directory, name, mode));
}

int64_t lf_unlinkat(int directory, const void *name, int flags) { return lf_result(unlinkat(directory, name, flags)); }

int64_t lf_renameat2(int from_directory, const void *from, int to_directory, const void *to, uint32_t flags) {
    return lf_result(renameat2(from_directory, from, to_directory, to, flags));
}

int64_t lf_getdents(int directory, void *buffer, size_t size) {
    return lf_result(getdents64(directory, buffer, size));
}

int64_t lf_seek(int descriptor, int64_t offset, int whence) { return lf_result(lseek(descriptor, offset, whence)); }

int64_t lf_set_mode(int descriptor, uint32_t mode) {
    char path[LF_PROC_PATH_SIZE];
    lf_proc_path(path, descriptor);
    return lf_result(chmod(path, mode));
}

int64_t lf_set_owner(int descriptor, uint32_t uid, uint32_t gid) {
    return lf_result(fchownat(descriptor, "", uid, gid, AT_EMPTY_PATH));
}

static struct timespec timespec_of(struct lf_time time) {
    return (struct timespec){.tv_sec = time.seconds, .tv_nsec = time.omit ? UTIME_OMIT : (long)time.nanoseconds};
}

int64_t lf_set_times(int descriptor, struct lf_time accessed, struct lf_time modified) {
    char path[LF_PROC_PATH_SIZE];
    struct timespec times[2] = {timespec_of(accessed), timespec_of(modified)};
    lf_proc_path(path, descriptor);
    return lf_result(utimensat(AT_FDCWD, path, times, 0));
}
