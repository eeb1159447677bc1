/* How descriptors outlive this process: a child that holds them, and a socket to get them back. */
#define _GNU_SOURCE
#include "CMappingGuard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { DESCRIPTORS_MAX = 8 };

static int64_t result(int64_t value) { return value < 0 ? -(int64_t)errno : value; }

int64_t mg_memory_file(size_t size) {
    int descriptor = memfd_create("layoutd-guard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return result(descriptor);
    if (ftruncate(descriptor, (off_t)size) < 0 || fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        int64_t error = -(int64_t)errno;
        close(descriptor);
        return error;
    }
    return descriptor;
}

int64_t mg_map(int descriptor, size_t size, void **address) {
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped == MAP_FAILED) return result(-1);
    *address = mapped;
    return 0;
}

int64_t mg_socket_pair(int *first, int *second) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return result(-1);
    *first = ends[0];
    *second = ends[1];
    return 0;
}

int64_t mg_spawn(const void *path, const int *descriptors, size_t count, const void *argument) {
    if (count > DESCRIPTORS_MAX) return -EINVAL;
    /* Copies far away from where they go, so that no dup2 hits one that is still to be copied. */
    int copies[DESCRIPTORS_MAX];
    size_t made = 0;
    int64_t value = 0;
    for (; made < count; made++) {
        copies[made] = fcntl(descriptors[made], F_DUPFD_CLOEXEC, 3 + DESCRIPTORS_MAX);
        if (copies[made] < 0) {
            value = result(-1);
            break;
        }
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    /* Of its own session: what a terminal or an init script sends to the server's group does not reach it. Signals as
       a new program expects them. */
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    for (size_t i = 0; i < made; i++) posix_spawn_file_actions_adddup2(&actions, copies[i], 3 + (int)i);
    if (value == 0) {
        pid_t process = 0;
        char *const words[] = {(char *)path, (char *)argument, NULL};
        int error = posix_spawn(&process, path, &actions, &attributes, words, environ);
        value = error != 0 ? -error : process;
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (size_t i = 0; i < made; i++) close(copies[i]);
    return value;
}

int64_t mg_reap(int process) { return result(waitpid(process, NULL, WNOHANG)); }

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

int64_t mg_send(int socket, uint8_t byte, const int *descriptors, size_t count) {
    union control control;
    memset(&control, 0, sizeof control);
    if (count > DESCRIPTORS_MAX) return -EINVAL;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    }
    return result(sendmsg(socket, &message, MSG_NOSIGNAL));
}

int64_t mg_receive(int socket, uint8_t *byte, int *descriptors, size_t capacity) {
    union control control;
    memset(&control, 0, sizeof control);
    if (capacity > DESCRIPTORS_MAX) return -EINVAL;
    struct iovec vector = {.iov_base = byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length;
    do length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length < 0) return result(length);
    int received[DESCRIPTORS_MAX];
    size_t count = 0;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(received, CMSG_DATA(header), count * sizeof(int));
    }
    if (length == 0 || count > capacity) {
        for (size_t i = 0; i < count; i++) close(received[i]);
        return length == 0 ? -ECONNRESET : -EPROTO;
    }
    if (count > 0) memcpy(descriptors, received, count * sizeof(int));
    return (int64_t)count;
}

int64_t mg_reserve(int descriptor, int number) {
    int made = fcntl(descriptor, F_DUPFD_CLOEXEC, number);
    if (made < 0) return result(made);
    if (made == number) return made;
    close(made);
    return -EBUSY;
}

int64_t mg_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return result(-1);
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return result(-1);
    }
    return (int64_t)limit.rlim_cur;
}
