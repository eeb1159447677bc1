// Mapped bytes through the C interface: pointers that survive recalls, accesses that hold recalls up, the callback.
#define _GNU_SOURCE

#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCKS = 64 };

static const char *url;
static ll_client *other_client;
static ll_file *other;

static void pointers_survive_recalls(ll_file *file) {
    unsigned char *bytes = ll_mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(bytes != MAP_FAILED);
    for (unsigned number = 0; number < BLOCKS; number++) { stamp(bytes + number * BLOCK, number); }
    // What the mapping stores is what others read, and the other way round.
    unsigned char block[BLOCK];
    CHECK(ll_pread(other, block, BLOCK, 7 * BLOCK) == BLOCK && is_stamped(block, 7));
    for (unsigned turn = 0; turn < 100; turn++) {
        const unsigned number = turn % BLOCKS;
        CHECK(ll_fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)number * BLOCK, BLOCK) == 0);
        CHECK(bytes[number * BLOCK] == 0 && bytes[number * BLOCK + BLOCK - 1] == 0);
        stamp(bytes + number * BLOCK, number);
        CHECK(is_stamped(bytes + (number + 1) % BLOCKS * BLOCK, (number + 1) % BLOCKS));
    }
    CHECK(ll_msync(bytes, BLOCKS * BLOCK, MS_SYNC) == 0);
    CHECK(ll_msync(bytes + BLOCK, 10, MS_ASYNC) == 0);

    // Reads and writes whose buffer is mapped itself: also while it is away, and from its own file.
    CHECK(ll_fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * BLOCK, BLOCK) == 0);
    CHECK(ll_pread(file, bytes + 5 * BLOCK, BLOCK, 9 * BLOCK) == BLOCK && is_stamped(bytes + 5 * BLOCK, 9));
    CHECK(ll_fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 6 * BLOCK, BLOCK) == 0);
    CHECK(ll_pwrite(file, bytes + 9 * BLOCK, BLOCK, 6 * BLOCK) == BLOCK && is_stamped(bytes + 6 * BLOCK, 9));
    stamp(bytes + 5 * BLOCK, 5);
    stamp(bytes + 6 * BLOCK, 6);

    FAILS(ll_munmap(bytes, BLOCK), -1, EINVAL, "same length");
    FAILS(ll_munmap(bytes + BLOCK, BLOCKS * BLOCK), -1, EINVAL, "ll_mmap");
    CHECK(ll_munmap(bytes, BLOCKS * BLOCK) == 0);
    FAILS(ll_munmap(bytes, BLOCKS * BLOCK), -1, EINVAL, "ll_mmap");
}

static void content_is_followed(ll_file *file) {
    unsigned char *bytes = ll_mmap(NULL, BLOCK, PROT_READ, MAP_SHARED | LL_MAP_FOLLOW_CONTENT, file, 8 * BLOCK);
    CHECK(bytes != MAP_FAILED && is_stamped(bytes, 8));
    if (ll_fallocate(other, FALLOC_FL_INSERT_RANGE, 2 * BLOCK, 3 * BLOCK) != 0) {
        CHECK(errno == EOPNOTSUPP);
        CHECK(ll_munmap(bytes, BLOCK) == 0);
        return;
    }
    CHECK(is_stamped(bytes, 8));
    unsigned char block[BLOCK];
    CHECK(ll_pread(file, block, BLOCK, 11 * BLOCK) == BLOCK && is_stamped(block, 8));
    CHECK(ll_fallocate(other, FALLOC_FL_COLLAPSE_RANGE, 2 * BLOCK, 3 * BLOCK) == 0);
    CHECK(is_stamped(bytes, 8));
    CHECK(ll_munmap(bytes, BLOCK) == 0);
}

// MARK: - Accesses

static atomic_int step;

static void *punch(void *unused) {
    (void)unused;
    atomic_store(&step, 1);
    CHECK(ll_fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * BLOCK, BLOCK) == 0);
    atomic_store(&step, 2);
    return NULL;
}

static ll_access *shared_access;

static void *end_for_another_thread(void *unused) {
    (void)unused;
    FAILS(ll_end_access(shared_access), -1, EPERM, "thread");
    return NULL;
}

static void accesses_hold_recalls_up(ll_client *client, ll_file *file) {
    unsigned char *bytes = ll_mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(bytes != MAP_FAILED);
    FAILS(ll_begin_access(bytes, BLOCKS * BLOCK + 1, PROT_READ), NULL, EINVAL, "mapping");
    FAILS(ll_begin_access(bytes, 0, PROT_READ), NULL, EINVAL, "mapping");
    FAILS(ll_begin_access(bytes, 1, PROT_NONE), NULL, EINVAL, "PROT_READ");
    ll_access *access = ll_begin_access(bytes + 3 * BLOCK, BLOCK, PROT_READ | PROT_WRITE);
    CHECK(access != NULL);

    // What would wait for the access is refused to its thread.
    FAILS(ll_ftruncate(file, 0), -1, EDEADLK, "ll_end_access");
    FAILS(ll_fallocate(file, 0, 0, 1), -1, EDEADLK, "ll_end_access");
    FAILS(ll_munmap(bytes, BLOCKS * BLOCK), -1, EDEADLK, "ll_end_access");
    FAILS(ll_disconnect(client), -1, EDEADLK, "ll_end_access");
    FAILS(ll_open(client, "mapped", O_RDWR | O_TRUNC, 0), NULL, EDEADLK, "ll_end_access");
    pthread_t thread;
    shared_access = access;
    CHECK(pthread_create(&thread, NULL, end_for_another_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);

    // A system call on the bytes while a punch waits for them.
    struct ll_statistics before, now;
    CHECK(ll_get_statistics(client, &before, sizeof before) == 0);
    CHECK(pthread_create(&thread, NULL, punch, NULL) == 0);
    do { CHECK(ll_get_statistics(client, &now, sizeof now) == 0); } while (now.recalls_received == before.recalls_received);
    int ends[2];
    CHECK(pipe(ends) == 0);
    stamp(bytes + 3 * BLOCK, 33);
    CHECK(write(ends[1], bytes + 3 * BLOCK, BLOCK) == BLOCK);
    unsigned char block[BLOCK];
    CHECK(read(ends[0], block, BLOCK) == BLOCK && is_stamped(block, 33));
    CHECK(atomic_load(&step) < 2);
    CHECK(ll_end_access(access) == 0);
    FAILS(ll_end_access(access), -1, EINVAL, "ended");
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(atomic_load(&step) == 2 && bytes[3 * BLOCK] == 0);
    stamp(bytes + 3 * BLOCK, 3);
    close(ends[0]);
    close(ends[1]);
    CHECK(ll_munmap(bytes, BLOCKS * BLOCK) == 0);

    ll_file *reader = ll_open(client, "mapped", O_RDONLY, 0);
    const unsigned char *shown = ll_mmap(NULL, BLOCK, PROT_READ, MAP_SHARED, reader, 0);
    CHECK(shown != MAP_FAILED);
    FAILS(ll_begin_access((void *)(uintptr_t)shown, 1, PROT_WRITE), NULL, EACCES, "reading");
    // Closed, but mapped.
    CHECK(ll_close(reader) == 0 && is_stamped(shown, 0));
    CHECK(ll_munmap((void *)(uintptr_t)shown, BLOCK) == 0);
}

// MARK: - The callback

struct seen {
    ll_client *client;
    ll_file *file;
    sem_t arrived;
    struct ll_recall recall;
    char path[64];
    pthread_t thread;
};

static void on_recall(const struct ll_recall *recall, void *user_data) {
    struct seen *seen = user_data;
    CHECK(recall->size >= sizeof *recall);
    seen->recall = *recall;
    snprintf(seen->path, sizeof seen->path, "%s", recall->path);
    seen->thread = pthread_self();
    // Any function but those that would wait for this one.
    struct stat status;
    CHECK(ll_fstat(seen->file, &status) == 0);
    FAILS(ll_disconnect(seen->client), -1, EDEADLK, "callback");
    FAILS(ll_on_recall(seen->client, NULL, NULL), -1, EDEADLK, "callback");
    sem_post(&seen->arrived);
}

static void the_callback_is_told(ll_client *client, ll_file *file) {
    struct seen seen = {.client = client, .file = file};
    CHECK(sem_init(&seen.arrived, 0, 0) == 0);
    CHECK(ll_on_recall(client, on_recall, &seen) == 0);
    unsigned char byte;
    CHECK(ll_pread(file, &byte, 1, 4 * BLOCK) == 1);
    CHECK(ll_fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * BLOCK, BLOCK) == 0);
    while (sem_wait(&seen.arrived) != 0) {}
    CHECK(strcmp(seen.path, "mapped") == 0);
    CHECK(seen.recall.operation == LL_OPERATION_PUNCH_HOLE);
    CHECK(seen.recall.argument_offset == 4 * BLOCK && seen.recall.argument_end == 5 * BLOCK);
    CHECK(seen.recall.offset <= 4 * BLOCK && seen.recall.end >= 5 * BLOCK);
    CHECK(seen.recall.milliseconds_left > 0);
    CHECK(!pthread_equal(seen.thread, pthread_self()));
    CHECK(ll_on_recall(client, NULL, NULL) == 0);
    // From here on nobody touches `seen`.
    memset(&seen, 0xff, sizeof seen);
    for (int turn = 0; turn < 20; turn++) {
        CHECK(ll_pread(file, &byte, 1, 4 * BLOCK) == 1);
        CHECK(ll_fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * BLOCK, BLOCK) == 0);
    }
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    url = arguments[1];
    ll_client *client = ll_connect(url, NULL);
    other_client = ll_connect(url, NULL);
    CHECK(client != NULL && other_client != NULL);
    ll_file *file = ll_open(client, "mapped", O_RDWR | O_CREAT, 0600);
    CHECK(file != NULL && ll_ftruncate(file, BLOCKS * BLOCK) == 0);
    other = ll_open(other_client, "mapped", O_RDWR, 0);
    CHECK(other != NULL);
    pointers_survive_recalls(file);
    content_is_followed(file);
    accesses_hold_recalls_up(client, file);
    the_callback_is_told(client, file);
    struct ll_statistics statistics;
    CHECK(ll_get_statistics(client, &statistics, sizeof statistics) == 0);
    CHECK(statistics.recalls_received > 0 && statistics.windows_revoked > 0 && statistics.leases_lost == 0);
    CHECK(ll_close(file) == 0 && ll_close(other) == 0);
    CHECK(ll_disconnect(other_client) == 0 && ll_disconnect(client) == 0);
    puts("all right");
    return 0;
}
