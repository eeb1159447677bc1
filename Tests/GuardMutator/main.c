/*
 * Changes files in ways for which no common program is at hand: by io_uring, by openat2, very often, or very fast.
 *
 *   guard-mutator ring (read|write|fallocate MODE) OFFSET LENGTH FILE [async]
 *   guard-mutator open FILE [truncate]            openat2(2)
 *   guard-mutator hold FILE                       opens, says so, waits for SIGUSR1, inserts a block
 *   guard-mutator storm FILE COUNT SEED           reads, writes, punches and allocates at random
 *   guard-mutator listen FILE                     lets every access through at once: what a guard costs at least
 *   guard-mutator pace FILE                       prints the nanoseconds that a pread of 64 bytes takes at best
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ACCESS_EVENT = 0x00100000 }; /* FAN_PRE_ACCESS */

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static void *map_ring(int ring, size_t size, off_t offset) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);
}

/* One operation through a ring of its own: its result. */
static int submit(struct io_uring_sqe entry) {
    struct io_uring_params parameters = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
    if (ring < 0) return -errno;
    size_t submissions = parameters.sq_off.array + parameters.sq_entries * sizeof(uint32_t);
    size_t completions = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
    char *queue = map_ring(ring, submissions, IORING_OFF_SQ_RING);
    char *done = map_ring(ring, completions, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entries = map_ring(ring, parameters.sq_entries * sizeof entry, IORING_OFF_SQES);
    if (queue == MAP_FAILED || done == MAP_FAILED || entries == MAP_FAILED) return -errno;
    entries[0] = entry;
    *(uint32_t *)(void *)(queue + parameters.sq_off.array) = 0;
    __atomic_store_n((uint32_t *)(void *)(queue + parameters.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -errno;
    return ((struct io_uring_cqe *)(void *)(done + parameters.cq_off.cqes))->res;
}

static int use_ring(int count, char **words) {
    static char buffer[65536];
    struct io_uring_sqe entry;
    memset(&entry, 0, sizeof entry);
    memset(buffer, 'r', sizeof buffer);
    int next = 0, is_fallocate = strcmp(words[0], "fallocate") == 0;
    int mode = is_fallocate ? atoi(words[++next]) : 0;
    if (count < next + 4) return 2;
    uint64_t offset = strtoull(words[next + 1], NULL, 10), length = strtoull(words[next + 2], NULL, 10);
    entry.opcode = is_fallocate                      ? IORING_OP_FALLOCATE
                   : strcmp(words[0], "write") == 0 ? IORING_OP_WRITE
                                                    : IORING_OP_READ;
    entry.fd = open(words[next + 3], entry.opcode == IORING_OP_READ ? O_RDONLY : O_RDWR);
    if (entry.fd < 0) return fail("open");
    entry.off = offset;
    entry.addr = is_fallocate ? length : (uint64_t)(uintptr_t)buffer;
    entry.len = is_fallocate ? (uint32_t)mode : (uint32_t)length;
    if (count > next + 4) entry.flags = IOSQE_ASYNC;
    int result = submit(entry);
    if (result < 0) {
        errno = -result;
        return fail("io_uring");
    }
    return 0;
}

static int open_by_struct(int count, char **words) {
    struct open_how how = {.flags = O_RDWR | (count > 1 ? O_TRUNC : 0)};
    return syscall(SYS_openat2, AT_FDCWD, words[0], &how, sizeof how) < 0 ? fail("openat2") : 0;
}

static int hold(const char *path) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int file = open(path, O_RDWR), received = 0;
    if (file < 0) return fail("open");
    puts("open");
    fflush(stdout);
    if (sigwait(&signals, &received) != 0) return 2;
    return fallocate(file, FALLOC_FL_INSERT_RANGE, 8192, 4096) < 0 ? fail("fallocate") : 0;
}

static int storm(const char *path, long count, unsigned seed) {
    enum { BLOCK = 4096, BLOCKS = 64 };
    char block[BLOCK];
    memset(block, 's', sizeof block);
    int file = open(path, O_RDWR);
    if (file < 0) return fail("open");
    for (long i = 0; i < count; i++) {
        off_t offset = (off_t)(rand_r(&seed) % BLOCKS) * BLOCK;
        long result = 0;
        switch (rand_r(&seed) % 8) {
        case 0:
            result = fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, BLOCK);
            break;
        case 1:
            result = fallocate(file, FALLOC_FL_KEEP_SIZE, offset, BLOCK);
            break;
        case 2:
        case 3:
            result = pwrite(file, block, sizeof block, offset);
            break;
        case 4: {
            int other = open(path, O_RDONLY);
            result = other;
            if (other >= 0) close(other);
            break;
        }
        default:
            result = pread(file, block, sizeof block, offset);
        }
        if (result < 0) return fail("storm");
    }
    return 0;
}

static int listen_to(const char *path) {
    int group = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, O_RDONLY | O_CLOEXEC);
    if (group < 0) return fail("fanotify_init");
    if (fanotify_mark(group, FAN_MARK_ADD, ACCESS_EVENT | FAN_OPEN_PERM, AT_FDCWD, path) < 0) return fail("mark");
    puts("listening");
    fflush(stdout);
    for (;;) {
        _Alignas(8) char buffer[4096];
        ssize_t length = read(group, buffer, sizeof buffer);
        const struct fanotify_event_metadata *event = (const void *)buffer;
        for (; FAN_EVENT_OK(event, length); event = FAN_EVENT_NEXT(event, length)) {
            struct fanotify_response response = {.fd = event->fd, .response = FAN_ALLOW};
            if (write(group, &response, sizeof response) < 0) return fail("response");
            close(event->fd);
        }
    }
}

static int pace(const char *path) {
    enum { BATCHES = 400, CALLS = 50 };
    char bytes[64];
    double best = 1e18;
    int file = open(path, O_RDONLY);
    if (file < 0) return fail("open");
    for (int batch = 0; batch < BATCHES; batch++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int i = 0; i < CALLS; i++)
            if (pread(file, bytes, sizeof bytes, 0) < 0) return fail("pread");
        clock_gettime(CLOCK_MONOTONIC, &end);
        double elapsed = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
        if (elapsed / CALLS < best) best = elapsed / CALLS;
    }
    printf("%.0f\n", best);
    return 0;
}

int main(int count, char **words) {
    if (count >= 5 && strcmp(words[1], "ring") == 0) return use_ring(count - 2, words + 2);
    if (count >= 3 && strcmp(words[1], "open") == 0) return open_by_struct(count - 2, words + 2);
    if (count == 3 && strcmp(words[1], "hold") == 0) return hold(words[2]);
    if (count == 5 && strcmp(words[1], "storm") == 0)
        return storm(words[2], atol(words[3]), (unsigned)strtoul(words[4], NULL, 10));
    if (count == 3 && strcmp(words[1], "listen") == 0) return listen_to(words[2]);
    if (count == 3 && strcmp(words[1], "pace") == 0) return pace(words[2]);
    fprintf(stderr, "usage: guard-mutator (ring|open|hold|storm|listen|pace) ...\n");
    return 2;
}
