/*
 * The journal of what the kernel is waiting for: plain memory in a memfd, which the keeper holds while there is no
 * server. A server that dies has written down whose calls it had in hand; the next one reads it there.
 *
 * One thread writes a record at a time (the guard's lock); `state` is stored last when a record is made and first when
 * it goes, so that a death between two stores leaves either the old state or the new one.
 */
#ifndef GUARD_JOURNAL_H
#define GUARD_JOURNAL_H

#include <stdint.h>

enum {
    GUARD_JOURNAL_VERSION = 1,
    GUARD_JOURNAL_HAND = 64,
    GUARD_JOURNAL_CALLS = 8192,
};

enum guard_call_state {
    GUARD_CALL_NONE,
    GUARD_CALL_WAITING, /* read from the kernel, not answered */
    GUARD_CALL_RUNNING, /* let through, or about to be; has not been seen to end */
    GUARD_CALL_REFUSED, /* about to be answered with `error` */
};

/* One event between read(2) and its record, its answer, or both. */
struct guard_hand {
    int32_t descriptor;
    int32_t thread;
    uint64_t kind; /* MG_EVENT_ACCESS or MG_EVENT_OPEN */
};

struct guard_call_record {
    uint32_t state; /* enum guard_call_state */
    int32_t descriptor; /* the number that the kernel knows the event by; the descriptor itself died with its server */
    int32_t thread;
    int32_t error;
    uint64_t thread_start;
    uint64_t device;
    uint64_t inode;
    uint64_t size; /* of the file */
    uint64_t offset; /* of the event */
    uint64_t length;
    uint64_t kind; /* MG_EVENT_ACCESS or MG_EVENT_OPEN */
    int64_t number;
    uint64_t arguments[6];
    uint64_t stack;
    uint64_t instruction;
    uint64_t arrived; /* CLOCK_BOOTTIME, nanoseconds */
};

struct guard_journal {
    uint32_t version;
    uint32_t hand_count;
    struct guard_hand hand[GUARD_JOURNAL_HAND];
    struct guard_call_record calls[GUARD_JOURNAL_CALLS];
};

enum { GUARD_JOURNAL_SIZE = sizeof(struct guard_journal) };

/* Swift sees no arrays of this length. */
static inline struct guard_call_record *_Nonnull guard_journal_call(struct guard_journal *_Nonnull journal, int slot) {
    return &journal->calls[slot];
}

static inline struct guard_hand *_Nonnull guard_journal_hand(struct guard_journal *_Nonnull journal, int index) {
    return &journal->hand[index];
}

static inline void guard_journal_set_state(struct guard_call_record *_Nonnull record, uint32_t state) {
    __atomic_store_n(&record->state, state, __ATOMIC_SEQ_CST);
}

static inline void guard_journal_put(
    struct guard_call_record *_Nonnull record, const struct guard_call_record *_Nonnull content) {
    struct guard_call_record unfinished = *content;
    unfinished.state = GUARD_CALL_NONE;
    *record = unfinished;
    guard_journal_set_state(record, content->state);
}

static inline void guard_journal_set_hand(struct guard_journal *_Nonnull journal, uint32_t count) {
    __atomic_store_n(&journal->hand_count, count, __ATOMIC_SEQ_CST);
}

#endif
