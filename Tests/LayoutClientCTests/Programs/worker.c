// A program that has never heard of layouts: it reads, writes, maps and punches a file with the calls of POSIX, and checks
// every byte. It runs under the preloaded shim, while somebody else changes the mapping of the same file all the time.
//
//     worker run FILE SHADOW OPERATIONS SEED     works, then writes down what its own blocks hold
//     worker verify FILE SHADOW                  checks that, in another process
#define _GNU_SOURCE

#include "geometry.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3, MAPPED_BLOCKS = SHIFTED_END };

static int file;
// What was stored last in each block; written by the block's thread, read by all.
static _Atomic uint32_t numbers[CUT_END];
static _Atomic uint64_t zeros_seen, shifts_seen, short_reads, bytes_checked, refused, slowest_nanoseconds;

struct thread {
    pthread_t thread;
    unsigned index;
    uint64_t random;
    unsigned long operations;
    uint64_t *mapped;
};

__attribute__((noreturn)) static void fail(const char *what, unsigned block, unsigned word, uint64_t found) {
    struct stamp stamp = {0, 0, 0};
    const int is_stamp = read_stamp(found, &stamp);
    fprintf(stderr, "WRONG BYTES: %s: block %u word %u holds %016llx", what, block, word, (unsigned long long)found);
    if (is_stamp) { fprintf(stderr, ", the stamp of block %u word %u number %u", stamp.block, stamp.word, stamp.number); }
    fprintf(stderr, "; stored last was number %u\n", atomic_load(&numbers[block]));
    exit(1);
}

static void must(bool is_so, const char *what) {
    if (is_so) { return; }
    fprintf(stderr, "cannot %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t next_random(struct thread *thread) {
    thread->random ^= thread->random << 13;
    thread->random ^= thread->random >> 7;
    thread->random ^= thread->random << 17;
    return thread->random * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

// A block of a range that is this thread's.
static unsigned pick(struct thread *thread, unsigned begin, unsigned end) {
    const unsigned share = (end - begin) / THREADS;
    return begin + thread->index * share + (unsigned)(next_random(thread) % share);
}

static off_t offset_of(unsigned block) { return (off_t)block * BLOCK_BYTES; }

// MARK: - What may be there

static void check_own(const uint64_t *words, unsigned block, const char *how) {
    const uint32_t number = atomic_load(&numbers[block]);
    for (unsigned word = 0; word < WORDS; word++) {
        const uint64_t found = ((const volatile uint64_t *)words)[word];
        if (found != (number == 0 ? 0 : stamp_word(block, number, word))) { fail(how, block, word, found); }
    }
    atomic_fetch_add(&bytes_checked, BLOCK_BYTES);
}

static void check_punched(const uint64_t *words, unsigned block, const char *how) {
    const uint32_t number = atomic_load(&numbers[block]);
    bool has_zero = false;
    for (unsigned word = 0; word < WORDS; word++) {
        const uint64_t found = ((const volatile uint64_t *)words)[word];
        if (found == 0) {
            has_zero = true;
        } else if (number == 0 || found != stamp_word(block, number, word)) {
            fail(how, block, word, found);
        }
    }
    if (has_zero && number != 0) { atomic_fetch_add(&zeros_seen, 1); }
    atomic_fetch_add(&bytes_checked, BLOCK_BYTES);
}

// `is_whole`: read at one moment, so that all of it is from one state of the file.
static void check_shifted(const uint64_t *words, unsigned block, bool is_whole, const char *how) {
    unsigned from = 0;
    for (unsigned word = 0; word < WORDS; word++) {
        const uint64_t found = ((const volatile uint64_t *)words)[word];
        unsigned source = 0;  // nothing, inside the inserted blocks
        if (found == 0) {
            if (block >= SHIFTED_BEGIN + SHIFT_MAX) { fail(how, block, word, found); }
        } else {
            struct stamp stamp;
            if (!read_stamp(found, &stamp) || stamp.number != 1 || stamp.word != word || stamp.block < SHIFTED_BEGIN
                || stamp.block > block || block - stamp.block > SHIFT_MAX) {
                fail(how, block, word, found);
            }
            source = stamp.block;
        }
        if (word == 0) { from = source; }
        if (is_whole && from != source) { fail("two states in one read", block, word, found); }
    }
    if (from != block) { atomic_fetch_add(&shifts_seen, 1); }
    atomic_fetch_add(&bytes_checked, BLOCK_BYTES);
}

static void check_cut(const uint64_t *words, unsigned count, unsigned block, const char *how) {
    for (unsigned word = 0; word < count; word++) {
        const uint64_t found = words[word];
        if (found == 0) { continue; }
        struct stamp stamp;
        // Moved down where it was written while blocks were inserted, or up; or of the range before, moved up.
        const bool is_stamp = read_stamp(found, &stamp) && stamp.word == word && stamp.block < CUT_END
            && stamp.block >= SHIFTED_BEGIN && stamp.block + SHIFT_MAX >= block && stamp.block <= block + SHIFT_MAX;
        if (!is_stamp || stamp.number > atomic_load(&numbers[stamp.block])) { fail(how, block, word, found); }
    }
    atomic_fetch_add(&bytes_checked, count * 8);
}

// MARK: - Operations

static void make_stamps(uint64_t *words, unsigned block, uint32_t number) {
    for (unsigned word = 0; word < WORDS; word++) { words[word] = stamp_word(block, number, word); }
}

static void write_block(unsigned block) {
    uint64_t words[WORDS];
    const uint32_t number = atomic_load(&numbers[block]) + 1;
    make_stamps(words, block, number);
    // Before the write: another thread may see it at once.
    atomic_store(&numbers[block], number);
    must(pwrite(file, words, sizeof words, offset_of(block)) == sizeof words, "write");
}

static void store_block(struct thread *thread, unsigned block) {
    const uint32_t number = atomic_load(&numbers[block]) + 1;
    atomic_store(&numbers[block], number);
    volatile uint64_t *words = thread->mapped + (size_t)block * WORDS;
    for (unsigned word = 0; word < WORDS; word++) { words[word] = stamp_word(block, number, word); }
}

static void read_block(unsigned block, uint64_t *words) {
    must(pread(file, words, BLOCK_BYTES, offset_of(block)) == BLOCK_BYTES, "read");
}

// Some bytes from anywhere in the thread's own blocks, over the borders of blocks and words.
static void read_bytes(struct thread *thread) {
    enum { BYTES_MAX = 5 * BLOCK_BYTES };
    static _Thread_local unsigned char bytes[BYTES_MAX];
    const unsigned share = (OWN_END - OWN_BEGIN) / THREADS, first = OWN_BEGIN + thread->index * share;
    const uint64_t begin = (uint64_t)first * BLOCK_BYTES + next_random(thread) % ((uint64_t)(share - 5) * BLOCK_BYTES);
    const size_t count = next_random(thread) % BYTES_MAX + 1;
    must(pread(file, bytes, count, (off_t)begin) == (ssize_t)count, "read bytes");
    for (size_t index = 0; index < count; index++) {
        const uint64_t at = begin + index;
        const unsigned block = (unsigned)(at / BLOCK_BYTES), word = (unsigned)(at % BLOCK_BYTES / 8);
        const uint32_t number = atomic_load(&numbers[block]);
        const uint64_t wanted = number == 0 ? 0 : stamp_word(block, number, word);
        if (bytes[index] != (unsigned char)(wanted >> at % 8 * 8)) { fail("pread of bytes", block, word, bytes[index]); }
    }
    atomic_fetch_add(&bytes_checked, count);
}

static void read_cut(unsigned block) {
    uint64_t words[WORDS];
    const ssize_t count = pread(file, words, sizeof words, offset_of(block));
    must(count >= 0, "read where the file is cut");
    if (count < BLOCK_BYTES) { atomic_fetch_add(&short_reads, 1); }
    check_cut(words, (unsigned)count / 8, block, "pread of cut");
}

static void map(struct thread *thread) {
    void *mapped = mmap(NULL, offset_of(MAPPED_BLOCKS), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    must(mapped != MAP_FAILED, "map");
    thread->mapped = mapped;
}

static void operate(struct thread *thread) {
    uint64_t words[WORDS];
    const unsigned own = pick(thread, OWN_BEGIN, OWN_END), punched = pick(thread, PUNCHED_BEGIN, PUNCHED_END);
    const unsigned shifted = pick(thread, SHIFTED_BEGIN, SHIFTED_END);
    // What is written while blocks are inserted moves down with the collapse, but not out of the range.
    const unsigned cut = pick(thread, CUT_BEGIN + SHIFT_MAX, CUT_END);
    const unsigned choice = (unsigned)(next_random(thread) % 10000);
    if (choice < 2000) {
        read_block(own, words);
        check_own(words, own, "pread");
    } else if (choice < 3000) {
        read_bytes(thread);
    } else if (choice < 5000) {
        write_block(own);
    } else if (choice < 6500) {
        check_own(thread->mapped + (size_t)own * WORDS, own, "load");
    } else if (choice < 7500) {
        store_block(thread, own);
    } else if (choice < 7900) {
        write_block(punched);
    } else if (choice < 8200) {
        store_block(thread, punched);
    } else if (choice < 8600) {
        read_block(punched, words);
        check_punched(words, punched, "pread of punched");
    } else if (choice < 8800) {
        check_punched(thread->mapped + (size_t)punched * WORDS, punched, "load of punched");
    } else if (choice < 9200) {
        read_block(shifted, words);
        check_shifted(words, shifted, true, "pread of shifted");
    } else if (choice < 9400) {
        check_shifted(thread->mapped + (size_t)shifted * WORDS, shifted, false, "load of shifted");
    } else if (choice < 9700) {
        read_cut(cut);
    } else if (choice < 9970) {
        write_block(cut);
    } else if (choice < 9975) {
        // A change of its own. What is refused for the time being has not been done.
        while (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset_of(own), BLOCK_BYTES) != 0) {
            must(errno == EAGAIN, "punch");
            atomic_fetch_add(&refused, 1);
        }
        atomic_store(&numbers[own], 0);
    } else if (choice < 9980) {
        must(munmap(thread->mapped, offset_of(MAPPED_BLOCKS)) == 0, "unmap");
        map(thread);
    } else if (choice < 9985) {
        must(msync(thread->mapped + (size_t)own * WORDS, BLOCK_BYTES, MS_SYNC) == 0, "msync");
    } else {
        struct stat status;
        must(fstat(file, &status) == 0 && status.st_size >= offset_of(CUT_BEGIN), "fstat");
    }
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *work(void *argument) {
    struct thread *thread = argument;
    map(thread);
    for (unsigned long done = 0; done < thread->operations; done++) {
        const uint64_t begun = now();
        operate(thread);
        const uint64_t took = now() - begun;
        uint64_t slowest = atomic_load(&slowest_nanoseconds);
        while (took > slowest && !atomic_compare_exchange_weak(&slowest_nanoseconds, &slowest, took)) {}
    }
    must(munmap(thread->mapped, offset_of(MAPPED_BLOCKS)) == 0, "unmap");
    return NULL;
}

// MARK: - Runs

static void check_all_own(void) {
    uint64_t words[WORDS];
    for (unsigned block = OWN_BEGIN; block < OWN_END; block++) {
        read_block(block, words);
        check_own(words, block, "the end");
    }
}

static void run(const char *path, const char *shadow, unsigned long operations, uint64_t seed) {
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(file >= 0, "open the file");
    must(ftruncate(file, offset_of(CUT_END)) == 0, "ftruncate");
    for (unsigned block = 0; block < CUT_END; block++) { write_block(block); }
    must(fsync(file) == 0, "fsync");
    // Whoever changes the file may begin.
    puts("ready");
    fflush(stdout);
    struct thread threads[THREADS];
    for (unsigned index = 0; index < THREADS; index++) {
        threads[index] = (struct thread){.index = index, .random = seed * 2654435761u + index + 1};
        threads[index].operations = operations / THREADS + (index < operations % THREADS);
        must(pthread_create(&threads[index].thread, NULL, work, &threads[index]) == 0, "start a thread");
    }
    for (unsigned index = 0; index < THREADS; index++) { pthread_join(threads[index].thread, NULL); }
    check_all_own();
    must(fsync(file) == 0 && close(file) == 0, "close");
    FILE *record = fopen(shadow, "w");
    must(record != NULL && fwrite(numbers, sizeof numbers[0], OWN_END, record) == OWN_END && fclose(record) == 0,
         "write the shadow");
    printf("operations=%lu bytes-checked=%llu punched-blocks-seen=%llu shifted-blocks-seen=%llu short-reads=%llu ",
           operations, (unsigned long long)bytes_checked, (unsigned long long)zeros_seen,
           (unsigned long long)shifts_seen, (unsigned long long)short_reads);
    printf("refused=%llu slowest-milliseconds=%llu wrong=0\n", (unsigned long long)refused,
           (unsigned long long)(slowest_nanoseconds / 1000000));
}

static void verify(const char *path, const char *shadow) {
    FILE *record = fopen(shadow, "r");
    must(record != NULL && fread(numbers, sizeof numbers[0], OWN_END, record) == OWN_END, "read the shadow");
    fclose(record);
    file = open(path, O_RDONLY);
    must(file >= 0, "open the file");
    check_all_own();
    puts("verified");
}

int main(int count, char **arguments) {
    if (count == 6 && strcmp(arguments[1], "run") == 0) {
        run(arguments[2], arguments[3], strtoul(arguments[4], NULL, 10), strtoull(arguments[5], NULL, 10));
    } else if (count == 4 && strcmp(arguments[1], "verify") == 0) {
        verify(arguments[2], arguments[3]);
    } else {
        fputs("usage: worker run FILE SHADOW OPERATIONS SEED | worker verify FILE SHADOW\n", stderr);
        return 2;
    }
    return 0;
}
