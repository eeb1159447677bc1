#define _GNU_SOURCE
#include "bench_load.h"
#include "bench_peer.h"
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    INPUT_SIZE = 512 * 1024,
    EVENTS = 256,
    PATIENCE_MS = 10000,
    /* Places in a record and in an answer, RFC 5531 §9 and §11; an answer's are without its mark. */
    XID_AT = 4,
};

struct lane {
    uint8_t *record;
    size_t size;
    struct bench_numbers numbers;
    size_t connection;
    uint64_t sent_at;
    /* Calls of this run that are not sent yet. */
    uint64_t left;
    bool is_out;
};

struct connection {
    int socket;
    uint8_t *input;
    size_t received;
    uint8_t *output;
    size_t written;
    size_t capacity;
};

struct bench_load {
    struct lane *lanes;
    size_t lane_count;
    struct connection *connections;
    size_t connection_count;
    int epoll;
};

struct run {
    uint64_t answered;
    uint64_t *latencies;
};

struct bench_load *bench_load_create(void)
{
    struct bench_load *load = calloc(1, sizeof(*load));
    if (load == NULL)
        return NULL;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll >= 0)
        return load;
    free(load);
    return NULL;
}

void bench_load_destroy(struct bench_load *load)
{
    for (size_t index = 0; index < load->lane_count; index++)
        free(load->lanes[index].record);
    for (size_t index = 0; index < load->connection_count; index++) {
        free(load->connections[index].input);
        free(load->connections[index].output);
    }
    free(load->lanes);
    free(load->connections);
    close(load->epoll);
    free(load);
}

int bench_load_connect(struct bench_load *load, int socket)
{
    struct connection *all = realloc(load->connections, (load->connection_count + 1) * sizeof(*all));
    if (all == NULL)
        return -ENOMEM;
    load->connections = all;
    struct connection *connection = &all[load->connection_count];
    *connection = (struct connection) { .socket = socket, .input = malloc(INPUT_SIZE) };
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = load->connection_count };
    if (connection->input == NULL)
        return -ENOMEM;
    load->connection_count++;
    return epoll_ctl(load->epoll, EPOLL_CTL_ADD, socket, &event) < 0 ? -errno : 0;
}

int bench_load_add(struct bench_load *load, const uint8_t *record, size_t size, struct bench_numbers numbers)
{
    struct lane *all = realloc(load->lanes, (load->lane_count + 1) * sizeof(*all));
    if (all == NULL)
        return -ENOMEM;
    load->lanes = all;
    struct connection *connection = &load->connections[load->connection_count - 1];
    uint8_t *output = realloc(connection->output, connection->capacity + size);
    uint8_t *copy = malloc(size);
    if (output != NULL)
        connection->output = output;
    if (output == NULL || copy == NULL) {
        free(copy);
        return -ENOMEM;
    }
    connection->capacity += size;
    memcpy(copy, record, size);
    put_word(copy + XID_AT, (uint32_t)load->lane_count);
    load->lanes[load->lane_count++] = (struct lane) {
        .record = copy, .size = size, .numbers = numbers, .connection = load->connection_count - 1
    };
    return 0;
}

/* ---- One run ------------------------------------------------------------------------------------------------- */

static void queue_call(struct bench_load *load, struct lane *lane)
{
    struct connection *connection = &load->connections[lane->connection];
    memcpy(connection->output + connection->written, lane->record, lane->size);
    connection->written += lane->size;
    lane->is_out = true;
    lane->left--;
}

static int flush_calls(struct connection *connection)
{
    size_t sent = 0;
    while (sent < connection->written) {
        ssize_t count = send(connection->socket, connection->output + sent, connection->written - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        sent += (size_t)count;
    }
    connection->written = 0;
    return 0;
}

/* Counts the numbers of a call up, as the next one of its lane needs them. */
static void renew(struct lane *lane, const uint8_t *answer)
{
    const struct bench_numbers *numbers = &lane->numbers;
    if (numbers->sequence_at != 0)
        put_word(lane->record + numbers->sequence_at, get_word(lane->record + numbers->sequence_at) + 1);
    if (numbers->offset_at != 0) {
        uint8_t *place = lane->record + numbers->offset_at;
        uint64_t offset = ((uint64_t)get_word(place) << 32 | get_word(place + 4)) + numbers->offset_step;
        put_word(place, (uint32_t)(offset >> 32));
        put_word(place + 4, (uint32_t)offset);
    }
    if (numbers->copy_size != 0)
        memcpy(lane->record + numbers->copy_to, answer + numbers->copy_from, numbers->copy_size);
}

/* An accepted call's answer without a verifier, whose statuses are all zero. */
static bool is_good(const struct lane *lane, const uint8_t *answer, size_t size)
{
    const struct bench_numbers *numbers = &lane->numbers;
    static const uint8_t accepted[20] = { 0, 0, 0, 1 };
    return lane->is_out && size >= 24 && memcmp(answer + 4, accepted, sizeof(accepted)) == 0
        && size >= numbers->status_at + 4 && size >= numbers->detail_at + 4
        && size >= numbers->copy_from + numbers->copy_size
        && (numbers->status_at == 0 || get_word(answer + numbers->status_at) == 0)
        && (numbers->detail_at == 0 || get_word(answer + numbers->detail_at) == 0);
}

static int take_answer(struct bench_load *load, struct run *run, const uint8_t *answer, size_t size, uint64_t now)
{
    uint32_t xid = size >= 4 ? get_word(answer) : UINT32_MAX;
    if (xid >= load->lane_count || !is_good(&load->lanes[xid], answer, size))
        return -EBADMSG;
    struct lane *lane = &load->lanes[xid];
    lane->is_out = false;
    if (run->latencies != NULL)
        run->latencies[run->answered] = now - lane->sent_at;
    run->answered++;
    renew(lane, answer);
    if (lane->left > 0) {
        lane->sent_at = now;
        queue_call(load, lane);
    }
    return 0;
}

/* Receives once, takes the answers that are whole, and sends what follows them in one piece. */
static int serve(struct bench_load *load, struct run *run, struct connection *connection, int flags)
{
    ssize_t count = recv(connection->socket, connection->input + connection->received,
        INPUT_SIZE - connection->received, flags);
    if (count < 0 && (errno == EINTR || (errno == EAGAIN && flags != 0)))
        return 0;
    if (count <= 0)
        return count == 0 ? -ECONNRESET : errno == EAGAIN ? -ETIMEDOUT : -errno;
    uint64_t now = bench_now();
    size_t end = connection->received + (size_t)count;
    size_t start = 0;
    while (end - start >= 4) {
        uint32_t mark = get_word(connection->input + start);
        size_t size = mark & 0x7fffffff;
        if ((mark & 0x80000000) == 0 || size > INPUT_SIZE - 4)
            return -EBADMSG;
        if (end - start < 4 + size)
            break;
        int error = take_answer(load, run, connection->input + start + 4, size, now);
        if (error != 0)
            return error;
        start += 4 + size;
    }
    memmove(connection->input, connection->input + start, end - start);
    connection->received = end - start;
    return flush_calls(connection);
}

static int start_calls(struct bench_load *load, uint64_t calls)
{
    for (size_t index = 0; index < load->lane_count; index++) {
        struct lane *lane = &load->lanes[index];
        lane->left = calls / load->lane_count + (index < calls % load->lane_count ? 1 : 0);
        if (lane->left == 0)
            continue;
        lane->sent_at = bench_now();
        queue_call(load, lane);
    }
    for (size_t index = 0; index < load->connection_count; index++) {
        int error = flush_calls(&load->connections[index]);
        if (error != 0)
            return error;
    }
    return 0;
}

int bench_load_run(struct bench_load *load, uint64_t calls, uint64_t *latencies, uint64_t *elapsed)
{
    struct run run = { .latencies = latencies };
    uint64_t start = bench_now();
    int error = start_calls(load, calls);
    while (error == 0 && run.answered < calls) {
        /* One connection needs nobody to tell which: two system calls a call, as few as there can be. */
        if (load->connection_count == 1) {
            error = serve(load, &run, &load->connections[0], 0);
            continue;
        }
        struct epoll_event events[EVENTS];
        int count = epoll_wait(load->epoll, events, EVENTS, PATIENCE_MS);
        if (count < 0 && errno != EINTR)
            error = -errno;
        else if (count == 0)
            error = -ETIMEDOUT;
        for (int index = 0; index < count && error == 0; index++)
            error = serve(load, &run, &load->connections[events[index].data.u64], MSG_DONTWAIT);
    }
    *elapsed = bench_now() - start;
    return error;
}
