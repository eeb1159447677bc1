/* What /proc and a few calls tell of other threads. */
#define _GNU_SOURCE
#include "CMappingGuard.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

static int64_t result(int64_t value) { return value < 0 ? -(int64_t)errno : value; }

/* Reads a small file of /proc as text that ends with 0: its length. */
static int64_t read_text(const char *path, char *text, size_t size) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return result(descriptor);
    ssize_t length = read(descriptor, text, size - 1);
    int64_t value = result(length);
    close(descriptor);
    text[length < 0 ? 0 : length] = 0;
    return value;
}

int mg_is_own_thread(int thread) { return thread > 0 && syscall(SYS_tgkill, getpid(), thread, 0) == 0; }

int64_t mg_open_call(int thread) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/syscall", thread);
    return result(open(path, O_RDONLY | O_CLOEXEC));
}

/* The text of /proc/THREAD/syscall as numbers. */
static int64_t parse_call(char *text, struct mg_call *call) {
    memset(call, 0, sizeof *call);
    if (strncmp(text, "running", 7) == 0) {
        call->number = MG_CALL_RUNNING;
        return 0;
    }
    char *rest = text;
    call->number = strtoll(rest, &rest, 10);
    if (rest == text) return -EPROTO;
    uint64_t *fields[8];
    for (int i = 0; i < 6; i++) fields[i] = &call->arguments[i];
    fields[6] = &call->stack;
    fields[7] = &call->instruction;
    /* Outside a system call only the stack and the instruction are given. */
    for (int i = call->number == -1 ? 6 : 0; i < 8; i++) {
        char *from = rest;
        *fields[i] = strtoull(from, &rest, 16);
        if (rest == from) return -EPROTO;
    }
    return 0;
}

int64_t mg_read_call(int descriptor, int tries, struct mg_call *call) {
    for (;;) {
        char text[256];
        ssize_t length = pread(descriptor, text, sizeof text - 1, 0);
        if (length < 0) return result(length);
        text[length] = 0;
        int64_t value = parse_call(text, call);
        if (value < 0 || call->number != MG_CALL_RUNNING || --tries <= 0) return value;
        sched_yield();
    }
}

int64_t mg_thread(int thread, struct mg_thread *found) {
    enum { IO_WORKER = 0x10 }; /* PF_IO_WORKER */
    char path[40], text[4096];
    memset(found, 0, sizeof *found);
    snprintf(path, sizeof path, "/proc/%d/stat", thread);
    int64_t length = read_text(path, text, sizeof text);
    if (length < 0) return length;
    /* The name in parentheses may hold anything, parentheses too. proc(5): the state is field 3. */
    char *field = strrchr(text, ')');
    if (field == NULL || field[1] == 0) return -EPROTO;
    /* Dead, and only its parent has not asked yet. */
    if (field[2] == 'Z' || field[2] == 'X') return -ESRCH;
    for (int number = 2; number < 22; number++) {
        field = strchr(field + 1, ' ');
        if (field == NULL) return -EPROTO;
        if (number + 1 == 9) found->is_io_worker = (strtoul(field + 1, NULL, 10) & IO_WORKER) != 0;
    }
    found->start = strtoull(field + 1, NULL, 10);
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    length = read_text(path, text, sizeof text);
    if (length < 0) return length;
    const char *line = strstr(text, "\nTgid:");
    if (line == NULL) return -EPROTO;
    found->process = (int32_t)strtol(line + 6, NULL, 10);
    return 0;
}

int64_t mg_sleeps_in(int thread, void *text, size_t size) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/wchan", thread);
    return read_text(path, text, size);
}

int64_t mg_description(int thread, uint64_t descriptor, struct mg_description *found) {
    char path[64], text[1024];
    memset(found, 0, sizeof *found);
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", thread, (int)descriptor);
    int64_t length = read_text(path, text, sizeof text);
    if (length < 0) return length;
    const char *flags = strstr(text, "flags:"), *inode = strstr(text, "\nino:");
    if (flags == NULL || inode == NULL) return -EPROTO;
    found->flags = (uint32_t)strtoul(flags + 6, NULL, 8);
    found->inode = strtoull(inode + 5, NULL, 10);
    return 0;
}

int64_t mg_read_memory(int thread, uint64_t address, void *buffer, size_t size) {
    struct iovec local = {.iov_base = buffer, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return result(process_vm_readv(thread, &local, 1, &remote, 1, 0));
}

int64_t mg_file(int descriptor, uint64_t *device, uint64_t *inode, uint64_t *size) {
    struct stat found;
    if (fstat(descriptor, &found) < 0) return result(-1);
    *device = found.st_dev;
    *inode = found.st_ino;
    *size = (uint64_t)found.st_size;
    return 0;
}
