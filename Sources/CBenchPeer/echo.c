#define _GNU_SOURCE
#include "bench_peer.h"
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The floor: a server that does nothing but wait, receive and send. Each call says in its second word how many bytes its
 * answer has (where RPC has the message's direction, which needs no telling here); the answer is an accepted reply of
 * zeros. What has come together is answered in one send, as a good server does.
 */

enum { BUFFER_SIZE = 64 * 1024, EVENTS = 256 };

struct connection {
    int socket;
    size_t received;
    uint8_t input[BUFFER_SIZE];
};

static bool send_all(int socket, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = send(socket, bytes, size, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

/* False when the connection is over. */
static bool serve(struct connection *connection)
{
    static uint8_t output[4 * BUFFER_SIZE];
    ssize_t count = recv(connection->socket, connection->input + connection->received,
        BUFFER_SIZE - connection->received, MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    if (count == 0)
        return false;
    size_t end = connection->received + (size_t)count;
    size_t start = 0;
    size_t written = 0;
    while (end - start >= 12) {
        const uint8_t *call = connection->input + start;
        size_t size = get_word(call) & 0x7fffffff;
        size_t answer = get_word(call + 8);
        if (size < 8 || size > BUFFER_SIZE - 4 || answer < 24 || answer > BUFFER_SIZE - 4)
            return false;
        if (end - start < 4 + size)
            break;
        if (written + 4 + answer > sizeof(output)) {
            if (!send_all(connection->socket, output, written))
                return false;
            written = 0;
        }
        memset(output + written, 0, 4 + answer);
        put_word(output + written, (uint32_t)answer | 0x80000000u);
        memcpy(output + written + 4, call + 4, 4);
        put_word(output + written + 8, 1);
        written += 4 + answer;
        start += 4 + size;
    }
    memmove(connection->input, connection->input + start, end - start);
    connection->received = end - start;
    return send_all(connection->socket, output, written);
}

static int accept_one(int epoll, int listener)
{
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0)
        return errno == ECONNABORTED || errno == EINTR ? 0 : -errno;
    bench_peer_no_delay(socket);
    struct connection *connection = malloc(sizeof(*connection));
    if (connection == NULL) {
        close(socket);
        return -ENOMEM;
    }
    connection->socket = socket;
    connection->received = 0;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) < 0 ? -errno : 0;
}

int bench_echo_serve(int listener)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        return -errno;
    while (true) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            return -errno;
        for (int index = 0; index < count; index++) {
            struct connection *connection = events[index].data.ptr;
            int error = connection == NULL ? accept_one(epoll, listener) : 0;
            if (error != 0)
                return error;
            if (connection != NULL && !serve(connection)) {
                close(connection->socket);
                free(connection);
            }
        }
    }
}
