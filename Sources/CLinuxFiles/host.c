/* Sockets, the identity of threads, and the host. */
#include "internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int64_t unix_address(const char *path, struct sockaddr_un *address) {
    size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    if (length == 0 || length > LF_SOCKET_PATH_MAX) return -ENAMETOOLONG;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return 0;
}

/* Closes `socket` and keeps the errno of what went wrong before. */
static int64_t close_and_fail(int socket) {
    int64_t error = -(int64_t)errno;
    close(socket);
    return error;
}

int64_t lf_listen(const void *path, uint32_t mode, int backlog) {
    struct sockaddr_un address;
    int64_t error = unix_address(path, &address);
    if (error < 0) return error;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return lf_result(-1);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) < 0) return close_and_fail(listener);
    /* Before it listens nobody can connect, so nobody gets in under the mode that the umask gave it. */
    if (chmod(path, mode) < 0 || listen(listener, backlog) < 0) return close_and_fail(listener);
    return listener;
}

int64_t lf_set_timeout(int descriptor, int64_t timeout_ms) {
    /* All zero would mean for ever. */
    if (timeout_ms < 1) timeout_ms = 1;
    struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0) return lf_result(-1);
    return lf_result(setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout));
}

int64_t lf_connect(const void *path, int64_t timeout_ms) {
    struct sockaddr_un address;
    int64_t error = unix_address(path, &address);
    if (error < 0) return error;
    int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connection < 0) return lf_result(-1);
    error = lf_set_timeout(connection, timeout_ms);
    if (error < 0) {
        close(connection);
        return error;
    }
    if (connect(connection, (const struct sockaddr *)&address, sizeof address) < 0) return close_and_fail(connection);
    return connection;
}

int64_t lf_accept(int listener) { return lf_result(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)); }

int64_t lf_receive(int connection, void *buffer, size_t size, int *truncated) {
    struct iovec vector = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t result = recvmsg(connection, &message, MSG_DONTWAIT);
    *truncated = result >= 0 && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    return lf_result(result);
}

int64_t lf_send(int connection, const void *buffer, size_t size) {
    return lf_result(send(connection, buffer, size, MSG_NOSIGNAL));
}

int64_t lf_send_descriptor(int connection, uint8_t status, int descriptor) {
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = &status, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    return lf_result(sendmsg(connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int64_t lf_receive_descriptor(int connection, uint8_t *status, int *descriptor) {
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = status, .iov_len = 1};
    /* CMSG_LEN, not CMSG_SPACE: its padding would have room for a second descriptor. */
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))};
    memset(&control, 0, sizeof control);
    *descriptor = -1;
    ssize_t result = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    if (result < 0) return lf_result(result);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS
        && header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        if (*descriptor >= 0) close(*descriptor);
        *descriptor = -1;
        return -EPROTO;
    }
    return result;
}

int64_t lf_peer_credentials(int connection, struct lf_peer *peer) {
    struct ucred credentials = {0};
    socklen_t size = sizeof credentials;
    memset(peer, 0, sizeof *peer);
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return lf_result(-1);
    *peer = (struct lf_peer){.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
    return 0;
}

int64_t lf_peer_pidfd(int connection) {
    int pidfd = -1;
    socklen_t size = sizeof pidfd;
    /* The kernel makes it close-on-exec. */
    if (getsockopt(connection, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) return lf_result(-1);
    return pidfd;
}

int64_t lf_epoll_create(void) { return lf_result(epoll_create1(EPOLL_CLOEXEC)); }

int64_t lf_epoll_add(int epoll, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    return lf_result(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event));
}

int64_t lf_epoll_remove(int epoll, int descriptor) {
    return lf_result(epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL));
}

int64_t lf_epoll_wait(int epoll, int *ready, int capacity, int timeout_ms) {
    struct epoll_event events[64];
    if (capacity > 64) capacity = 64;
    int count = epoll_wait(epoll, events, capacity, timeout_ms);
    for (int index = 0; index < count; index++) ready[index] = events[index].data.fd;
    return lf_result(count);
}

int64_t lf_eventfd(void) { return lf_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int64_t lf_eventfd_signal(int descriptor) { return lf_result(eventfd_write(descriptor, 1)); }

uint32_t lf_set_fsuid(uint32_t uid) { return (uint32_t)syscall(SYS_setfsuid, uid); }

uint32_t lf_set_fsgid(uint32_t gid) { return (uint32_t)syscall(SYS_setfsgid, gid); }

int64_t lf_set_groups(const uint32_t *groups, size_t count) { return lf_result(syscall(SYS_setgroups, count, groups)); }

int64_t lf_get_groups(uint32_t *groups, size_t capacity) {
    return lf_result(syscall(SYS_getgroups, capacity, groups));
}

void lf_name_thread(const void *name) { prctl(PR_SET_NAME, name); }

uint64_t lf_boot_time_nanoseconds(void) {
    struct timespec now;
    /* CLOCK_BOOTTIME exists in every kernel that this runs on; a failure would mean that no deadline holds. */
    if (clock_gettime(CLOCK_BOOTTIME, &now) < 0) abort();
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t lf_random(void *buffer, size_t size) { return lf_result(getrandom(buffer, size, 0)); }

int64_t lf_read_small(const void *path, void *buffer, size_t size) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return lf_result(-1);
    size_t total = 0;
    while (total < size) {
        ssize_t count = read(descriptor, (uint8_t *)buffer + total, size - total);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return close_and_fail(descriptor);
        if (count == 0) break;
        total += (size_t)count;
    }
    close(descriptor);
    return (int64_t)total;
}
