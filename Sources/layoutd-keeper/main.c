/*
 * Holds a guard's descriptors while there is no server: as long as somebody has them, the kernel keeps programs waiting
 * that reach for files with layouts, instead of letting them through. It reads no events and answers none. The next
 * server connects to the socket and gets them, and the journal of what the last one had in hand.
 *
 * Started by the server with the descriptors below, and the path of the socket as its argument. It ends when the server
 * says so, which removes the socket, and with SIGTERM: then the kernel lets everybody through.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/*
 * What it is started with, and in this order what it gives back from SENTINEL on.
 *
 * Closing the sentinel waits in the kernel until no program is held up on its filesystem, and the guard's end is what
 * lets them go. A process that is killed closes what it has in the opposite order of the numbers.
 */
enum { LISTENER = 3, LINK, SENTINEL, GUARD, JOURNAL, DESCRIPTORS_END };
enum { GIVEN = DESCRIPTORS_END - SENTINEL };

/* The bytes of the protocol: TAKE asks, HERE comes with the descriptors, BUSY while a server lives; END ends. */
enum { TAKE = 'T', HERE = 'H', BUSY = 'B', END = 'E' };

/* A descriptor that becomes readable when this is to end. */
static int set_up(void) {
    /* The terminal or the log of whoever started the server is not held open. */
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) dup2(null, i);
    close_range(DESCRIPTORS_END, ~0U, 0);
    if (chdir("/") < 0) _exit(1);
    /* Who frees memory by killing it would let every waiting program through. */
    int score = open("/proc/self/oom_score_adj", O_WRONLY);
    if (score >= 0) {
        /* Without the privilege it is as killable as everybody. */
        (void)!write(score, "-1000", 5);
        close(score);
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return signalfd(-1, &ends, SFD_CLOEXEC);
}

static int end(int count, char **words) {
    if (count > 1) unlink(words[1]);
    close(GUARD);
    return 0;
}

static int is_trusted(int connection) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return 0;
    return peer.uid == 0 || peer.uid == geteuid();
}

static int send_byte(int connection, uint8_t byte, int with_descriptors) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(GIVEN * sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (with_descriptors) {
        int given[GIVEN];
        for (int i = 0; i < GIVEN; i++) given[i] = SENTINEL + i;
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof given);
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof given), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), given, sizeof given);
    }
    return sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* The byte that came, 0 for nothing, -1 if the other end is gone. */
static int receive_byte(int connection, int flags) {
    uint8_t byte = 0;
    ssize_t length = recv(connection, &byte, 1, flags);
    if (length == 1) return byte;
    return length < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* A server asks for the descriptors: the new link, or -1. */
static int serve(int connection, int link) {
    /* A trusted peer that says nothing holds up other servers, of which there should be none; not for long. */
    struct timeval limit = {.tv_sec = 2};
    if (is_trusted(connection) && setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0
        && receive_byte(connection, 0) == TAKE) {
        if (link >= 0) {
            send_byte(connection, BUSY, 0);
        } else if (send_byte(connection, HERE, 1)) {
            return connection;
        }
    }
    close(connection);
    return -1;
}

int main(int count, char **words) {
    int link = LINK, signals = set_up();
    for (;;) {
        struct pollfd sources[] = {
            {.fd = LISTENER, .events = POLLIN}, {.fd = link, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        if (poll(sources, 3, -1) < 0) continue;
        if (sources[2].revents != 0) return end(count, words);
        if (sources[1].revents != 0) {
            int byte = receive_byte(link, MSG_DONTWAIT);
            if (byte == END) return end(count, words);
            if (byte < 0) {
                close(link);
                link = -1;
            }
        }
        if (sources[0].revents != 0) {
            int connection = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);
            int next = connection < 0 ? -1 : serve(connection, link);
            if (next >= 0) link = next;
        }
    }
}
