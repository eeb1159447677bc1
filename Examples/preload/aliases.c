// The other names under which programs call the same functions: with large files, which all are here, and with checked
// buffers (_FORTIFY_SOURCE).
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == sizeof(off64_t), "offsets have 64 bits under either name");

static mode_t mode_of(int flags, va_list arguments) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(arguments, int) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open(path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return openat(directory, path, flags, mode);
}

int creat64(const char *path, mode_t mode) { return creat(path, mode); }

ssize_t pread64(int descriptor, void *buffer, size_t count, off64_t offset) {
    return pread(descriptor, buffer, count, offset);
}

ssize_t pwrite64(int descriptor, const void *buffer, size_t count, off64_t offset) {
    return pwrite(descriptor, buffer, count, offset);
}

off64_t lseek64(int descriptor, off64_t offset, int whence) { return lseek(descriptor, offset, whence); }

int fstat64(int descriptor, struct stat64 *status) { return fstat(descriptor, (struct stat *)status); }

int ftruncate64(int descriptor, off64_t length) { return ftruncate(descriptor, length); }

int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    return fallocate(descriptor, mode, offset, length);
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
    return posix_fallocate(descriptor, offset, length);
}

void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off64_t offset) {
    return mmap(address, length, protection, flags, descriptor, offset);
}

// MARK: - _FORTIFY_SOURCE

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);
int __openat64_2(int directory, const char *path, int flags);
ssize_t __read_chk(int descriptor, void *buffer, size_t count, size_t size);
ssize_t __pread_chk(int descriptor, void *buffer, size_t count, off_t offset, size_t size);
ssize_t __pread64_chk(int descriptor, void *buffer, size_t count, off64_t offset, size_t size);

int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open(path, flags); }
int __openat_2(int directory, const char *path, int flags) { return openat(directory, path, flags); }
int __openat64_2(int directory, const char *path, int flags) { return openat(directory, path, flags); }

ssize_t __read_chk(int descriptor, void *buffer, size_t count, size_t size) {
    if (count > size) { abort(); }
    return read(descriptor, buffer, count);
}

ssize_t __pread_chk(int descriptor, void *buffer, size_t count, off_t offset, size_t size) {
    if (count > size) { abort(); }
    return pread(descriptor, buffer, count, offset);
}

ssize_t __pread64_chk(int descriptor, void *buffer, size_t count, off64_t offset, size_t size) {
    if (count > size) { abort(); }
    return pread(descriptor, buffer, count, offset);
}
