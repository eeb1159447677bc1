#include "bench_peer.h"

#include <time.h>

uint64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

__attribute__((noinline)) void bench_consume(uint64_t value)
{
    __asm__ volatile("" : : "r"(value));
}

/* xorshift64: as cheap as an order can be that no prefetcher follows. */
static inline uint64_t next(uint64_t state)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

__attribute__((noinline)) uint64_t bench_load_sequential(const void *base, size_t words, size_t passes)
{
    const volatile uint64_t *word = base;
    uint64_t sum = 0;
    for (size_t pass = 0; pass < passes; pass++)
        for (size_t index = 0; index < words; index++)
            sum += word[index];
    return sum;
}

__attribute__((noinline)) uint64_t bench_store_sequential(void *base, size_t words, size_t passes)
{
    volatile uint64_t *word = base;
    for (size_t pass = 0; pass < passes; pass++)
        for (size_t index = 0; index < words; index++)
            word[index] = index + pass;
    return word[words - 1];
}

__attribute__((noinline)) uint64_t bench_load_random(const void *base, size_t words, size_t accesses, uint64_t seed)
{
    const volatile uint64_t *word = base;
    uint64_t state = seed;
    uint64_t sum = 0;
    for (size_t access = 0; access < accesses; access++) {
        state = next(state);
        sum += word[state & (words - 1)];
    }
    return sum;
}

__attribute__((noinline)) uint64_t bench_store_random(void *base, size_t words, size_t accesses, uint64_t seed)
{
    volatile uint64_t *word = base;
    uint64_t state = seed;
    for (size_t access = 0; access < accesses; access++) {
        state = next(state);
        word[state & (words - 1)] = state;
    }
    return state;
}
