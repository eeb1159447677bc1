/*
 * A load generator that treats every server alike: it sends records that were encoded before, with other numbers in
 * them, and looks at nothing but the few words of an answer that say that it is one. Nothing is allocated while it runs.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

/* What changes from call to call. Places in a record count its mark, places in an answer do not; 0 means nowhere. */
struct bench_numbers {
    /* A word of the record that is one more in each call. */
    uint32_t sequence_at;
    /* Eight bytes of the record that grow by a step with each call. */
    uint32_t offset_at;
    uint64_t offset_step;
    /* Bytes of an answer that the next call carries. */
    uint32_t copy_from;
    uint32_t copy_to;
    uint32_t copy_size;
    /* Words of an answer that must be 0. */
    uint32_t status_at;
    uint32_t detail_at;
};

/* Connections, and calls on them. One thread at a time. */
struct bench_load;

/* NULL with errno set on failure. */
struct bench_load *_Nullable bench_load_create(void);
void bench_load_destroy(struct bench_load *_Nonnull load);

/* Adds a blocking stream socket, which stays the caller's; 0 or a negative errno. */
int bench_load_connect(struct bench_load *_Nonnull load, int socket);

/*
 * Adds a call that may be out on the socket added last, while others are; `record` is copied, and gets a transaction ID
 * of its own. 0 or a negative errno.
 */
int bench_load_add(
    struct bench_load *_Nonnull load, const uint8_t *_Nonnull record, size_t size, struct bench_numbers numbers);

/*
 * Makes `calls` calls, of each that was added as many as of any other, as soon as the last of its kind is answered, and
 * waits for all answers. `latencies`, unless
 * NULL, gets the nanoseconds of each; `elapsed` those of the whole. 0, -EBADMSG if an answer is none or refuses,
 * -ETIMEDOUT if there is none for 10 s, or another negative errno.
 */
int bench_load_run(
    struct bench_load *_Nonnull load, uint64_t calls, uint64_t *_Nullable latencies, uint64_t *_Nonnull elapsed);

#endif
