// The functions of the C library that the shim stands in front of.
#ifndef REAL_H
#define REAL_H

#include <sys/stat.h>
#include <sys/types.h>

struct real {
    int (*open)(const char *path, int flags, ...);
    int (*openat)(int directory, const char *path, int flags, ...);
    int (*close)(int descriptor);
    int (*dup)(int descriptor);
    int (*dup3)(int descriptor, int target, int flags);
    ssize_t (*read)(int descriptor, void *buffer, size_t count);
    ssize_t (*write)(int descriptor, const void *buffer, size_t count);
    ssize_t (*pread)(int descriptor, void *buffer, size_t count, off_t offset);
    ssize_t (*pwrite)(int descriptor, const void *buffer, size_t count, off_t offset);
    off_t (*lseek)(int descriptor, off_t offset, int whence);
    int (*fstat)(int descriptor, struct stat *status);
    int (*ftruncate)(int descriptor, off_t length);
    int (*fallocate)(int descriptor, int mode, off_t offset, off_t length);
    int (*posix_fallocate)(int descriptor, off_t offset, off_t length);
    int (*fsync)(int descriptor);
    int (*fdatasync)(int descriptor);
    void *(*mmap)(void *address, size_t length, int protection, int flags, int descriptor, off_t offset);
    int (*munmap)(void *address, size_t length);
    int (*msync)(void *address, size_t length, int flags);
};

extern struct real real;

/* Finds them; called before each use, as other constructors may run first. */
void find_real(void);

#endif
