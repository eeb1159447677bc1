#define _GNU_SOURCE

#include "real.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct real real;

static void find(void *place, const char *name) {
    void *const found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        fprintf(stderr, "liblayoutpreload: the C library has no %s: %s\n", name, dlerror());
        abort();
    }
    *(void **)place = found;
}

static void find_all(void) {
    find(&real.open, "open");
    find(&real.openat, "openat");
    find(&real.close, "close");
    find(&real.dup, "dup");
    find(&real.dup3, "dup3");
    find(&real.read, "read");
    find(&real.write, "write");
    find(&real.pread, "pread");
    find(&real.pwrite, "pwrite");
    find(&real.lseek, "lseek");
    find(&real.fstat, "fstat");
    find(&real.ftruncate, "ftruncate");
    find(&real.fallocate, "fallocate");
    find(&real.posix_fallocate, "posix_fallocate");
    find(&real.fsync, "fsync");
    find(&real.fdatasync, "fdatasync");
    find(&real.mmap, "mmap");
    find(&real.munmap, "munmap");
    find(&real.msync, "msync");
}

void find_real(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_all);
}
