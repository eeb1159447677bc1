// liblayoutpreload.so: lets a program that knows only open, pread, pwrite, mmap and the like use files of a layout
// server, unchanged.
//
//     LAYOUT_PRELOAD=layout+unix:///run/layoutd.sock:/layout LD_PRELOAD=.../liblayoutpreload.so program
//
// Files whose path begins with the prefix behind the last colon are opened at the server; everything else goes on to the C
// library. Redirected are open, openat (with an absolute path), creat, close, dup, dup2, dup3, read, write, pread, pwrite, lseek, fstat,
// ftruncate, fallocate, posix_fallocate, fsync, fdatasync, mmap, munmap and msync. Whatever else is done with such a
// descriptor (readv, sendfile, F_DUPFD) fails with EBADF; calls that take a path (stat, unlink, fopen) see the local one.
// A call whose buffer is mapped redirected bytes may fail with EFAULT if it is not one of these.
//
// With LAYOUT_PRELOAD_STATISTICS=1 the counters of the client are written to standard error at the end.
#define _GNU_SOURCE
// What the headers turn into other names is defined here under all of them.
#undef _FORTIFY_SOURCE

#include "descriptors.h"
#include "real.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// MARK: - Which files

static struct {
    const char *prefix;
    size_t length;
    ll_client *client;
    int error;
} server;

static void write_statistics(void) {
    struct ll_statistics counted;
    if (ll_get_statistics(server.client, &counted, sizeof counted) != 0) { return; }
    fprintf(stderr,
            "layout: recalls=%llu grants=%llu faults=%llu direct=%llu/%llu through-server=%llu/%llu leases-lost=%llu\n",
            (unsigned long long)counted.recalls_received, (unsigned long long)counted.grants,
            (unsigned long long)counted.faults_parked, (unsigned long long)counted.reads_direct,
            (unsigned long long)counted.writes_direct, (unsigned long long)counted.reads_through_server,
            (unsigned long long)counted.writes_through_server, (unsigned long long)counted.leases_lost);
}

static void read_environment(void) {
    const char *value = getenv("LAYOUT_PRELOAD");
    const char *colon = value != NULL ? strrchr(value, ':') : NULL;
    if (colon == NULL) { return; }
    if (colon[1] != '/') {
        fprintf(stderr, "liblayoutpreload: '%s' has no absolute path behind its last colon: write "
                        "layout+unix:///run/layoutd.sock:/layout\n", value);
        return;
    }
    server.prefix = colon + 1;
    server.length = strlen(server.prefix);
    while (server.length > 1 && server.prefix[server.length - 1] == '/') { server.length--; }
}

static void connect_to_server(void) {
    const char *value = getenv("LAYOUT_PRELOAD");
    char *url = value != NULL ? strndup(value, (size_t)(server.prefix - 1 - value)) : NULL;
    server.client = url != NULL ? ll_connect(url, NULL) : NULL;
    if (server.client == NULL) {
        server.error = errno;
        fprintf(stderr, "liblayoutpreload: %s\n", ll_error_detail());
    } else if (getenv("LAYOUT_PRELOAD_STATISTICS") != NULL) {
        atexit(write_statistics);
    }
    free(url);
}

// The path at the server; NULL for a file of this host.
static const char *redirected(const char *path) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_environment);
    if (server.prefix == NULL || path == NULL || strncmp(path, server.prefix, server.length) != 0) { return NULL; }
    const char *rest = path + server.length;
    if (*rest != '/') { return NULL; }
    while (*rest == '/') { rest++; }
    return *rest != 0 ? rest : NULL;
}

static int open_at_server(const char *path, int flags, mode_t mode) {
    // At the first file, not when the program starts: most programs that inherit the environment open none.
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, connect_to_server);
    if (server.client == NULL) {
        errno = server.error;
        return -1;
    }
    const mode_t mask = umask(0);
    umask(mask);
    ll_file *file = ll_open(server.client, path, flags, mode & ~mask);
    return file != NULL ? redirect(file, flags) : -1;
}

// MARK: - Opening and closing

static mode_t mode_of(int flags, va_list arguments) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(arguments, int) : 0;
}

int open(const char *path, int flags, ...) {
    find_real();
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    const char *name = redirected(path);
    return name != NULL ? open_at_server(name, flags, mode) : real.open(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    find_real();
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    const char *name = redirected(path);
    return name != NULL ? open_at_server(name, flags, mode) : real.openat(directory, path, flags, mode);
}

int creat(const char *path, mode_t mode) { return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode); }

int close(int descriptor) {
    find_real();
    struct opened *opened = forget(descriptor);
    const int released = opened != NULL ? release(opened) : 0;
    const int error = errno;
    // Last: from here on the number can be another file's.
    const int closed = real.close(descriptor);
    if (released != 0) { errno = error; }
    return released != 0 ? released : closed;
}

static int enter_duplicate(struct opened *opened, int descriptor) {
    if (descriptor >= DESCRIPTORS_MAX) {
        real.close(descriptor);
        errno = EMFILE;
        descriptor = -1;
    } else if (descriptor >= 0) {
        share(opened, descriptor);
    }
    const int error = errno;
    release(opened);
    errno = error;
    return descriptor;
}

int dup(int descriptor) {
    find_real();
    struct opened *opened = acquire(descriptor);
    return opened != NULL ? enter_duplicate(opened, real.dup(descriptor)) : real.dup(descriptor);
}

int dup3(int descriptor, int target, int flags) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened != NULL) { return enter_duplicate(opened, real.dup3(descriptor, target, flags)); }
    const int result = real.dup3(descriptor, target, flags);
    struct opened *before = result >= 0 ? forget(target) : NULL;
    if (before != NULL) { release(before); }
    return result;
}

int dup2(int descriptor, int target) {
    // As dup3, but one and the same is no error if it is open.
    return descriptor != target ? dup3(descriptor, target, 0) : fcntl(descriptor, F_GETFD) < 0 ? -1 : target;
}

// MARK: - Reading and writing

ssize_t pread(int descriptor, void *buffer, size_t count, off_t offset) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.pread(descriptor, buffer, count, offset); }
    const ssize_t result = ll_pread(opened->file, buffer, count, offset);
    release(opened);
    return result;
}

ssize_t pwrite(int descriptor, const void *buffer, size_t count, off_t offset) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.pwrite(descriptor, buffer, count, offset); }
    const ssize_t result = ll_pwrite(opened->file, buffer, count, offset);
    release(opened);
    return result;
}

ssize_t read(int descriptor, void *buffer, size_t count) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.read(descriptor, buffer, count); }
    pthread_mutex_lock(&opened->moving);
    const ssize_t result = ll_pread(opened->file, buffer, count, opened->offset);
    if (result > 0) { opened->offset += result; }
    pthread_mutex_unlock(&opened->moving);
    release(opened);
    return result;
}

ssize_t write(int descriptor, const void *buffer, size_t count) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.write(descriptor, buffer, count); }
    pthread_mutex_lock(&opened->moving);
    const ssize_t result = ll_pwrite(opened->file, buffer, count, opened->offset);
    if (result > 0) { opened->offset += result; }
    pthread_mutex_unlock(&opened->moving);
    release(opened);
    return result;
}

off_t lseek(int descriptor, off_t offset, int whence) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.lseek(descriptor, offset, whence); }
    pthread_mutex_lock(&opened->moving);
    struct stat status = {.st_size = 0};
    off_t result = -1;
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) {
        errno = EINVAL;
    } else if (whence != SEEK_END || ll_fstat(opened->file, &status) == 0) {
        const off_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? opened->offset : status.st_size;
        if (__builtin_add_overflow(base, offset, &result) || result < 0) {
            errno = EINVAL;
            result = -1;
        } else {
            opened->offset = result;
        }
    }
    pthread_mutex_unlock(&opened->moving);
    release(opened);
    return result;
}

// MARK: - Attributes and changes

int fstat(int descriptor, struct stat *status) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.fstat(descriptor, status); }
    const int result = ll_fstat(opened->file, status);
    release(opened);
    return result;
}

int ftruncate(int descriptor, off_t length) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.ftruncate(descriptor, length); }
    const int result = ll_ftruncate(opened->file, length);
    release(opened);
    return result;
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.fallocate(descriptor, mode, offset, length); }
    const int result = ll_fallocate(opened->file, mode, offset, length);
    release(opened);
    return result;
}

int posix_fallocate(int descriptor, off_t offset, off_t length) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.posix_fallocate(descriptor, offset, length); }
    const int result = ll_fallocate(opened->file, 0, offset, length) == 0 ? 0 : errno;
    release(opened);
    return result;
}

int fsync(int descriptor) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.fsync(descriptor); }
    const int result = ll_fsync(opened->file);
    release(opened);
    return result;
}

int fdatasync(int descriptor) {
    find_real();
    struct opened *opened = acquire(descriptor);
    if (opened == NULL) { return real.fdatasync(descriptor); }
    const int result = ll_fsync(opened->file);
    release(opened);
    return result;
}

// MARK: - Mappings

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
    find_real();
    struct opened *opened = (flags & MAP_ANONYMOUS) == 0 ? acquire(descriptor) : NULL;
    if (opened == NULL) { return real.mmap(address, length, protection, flags, descriptor, offset); }
    // The address is a hint, which need not be taken, unless MAP_FIXED is in the flags: that is refused.
    void *mapped = ll_mmap(NULL, length, protection, flags, opened->file, offset);
    release(opened);
    if (mapped != MAP_FAILED && !remember_mapping(mapped, length)) {
        ll_munmap(mapped, length);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return mapped;
}

int munmap(void *address, size_t length) {
    find_real();
    if (!is_mapping(address)) { return real.munmap(address, length); }
    const int result = ll_munmap(address, length);
    if (result == 0) { forget_mapping(address); }
    return result;
}

int msync(void *address, size_t length, int flags) {
    find_real();
    return is_mapping(address) ? ll_msync(address, length, flags) : real.msync(address, length, flags);
}
