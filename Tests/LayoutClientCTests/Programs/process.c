// The library in a process that has its own ways: handlers for SIGSEGV before and after, forks, threads that race with
// recalls.
#define _GNU_SOURCE

#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 32 };

static const char *url;

static void punch(ll_file *file, unsigned number) {
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    CHECK(ll_fallocate(file, mode, (off_t)number * BLOCK, BLOCK) == 0);
}

// MARK: - Handlers of others

static sigjmp_buf back;
static volatile sig_atomic_t caught_before, caught_after, caught_polite;
static struct sigaction behind_polite;
static unsigned char *forbidden;

static void before(int signal, siginfo_t *info, void *context) {
    (void)context;
    if (signal != SIGSEGV || info->si_addr != forbidden) { _exit(90); }
    caught_before++;
    siglongjmp(back, 1);
}

// Knows its own fault only, and passes nothing on.
static void after(int signal) {
    (void)signal;
    caught_after++;
    siglongjmp(back, 1);
}

// Passes everything on.
static void polite(int signal, siginfo_t *info, void *context) {
    caught_polite++;
    behind_polite.sa_sigaction(signal, info, context);
}

static int faults(void) {
    if (sigsetjmp(back, 1) != 0) { return 1; }
    *(volatile unsigned char *)forbidden = 1;
    return 0;
}

static void handlers_of_others_are_called(ll_file *file, ll_file *other) {
    unsigned char *bytes = ll_mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(bytes != MAP_FAILED);
    for (int turn = 0; turn < 3; turn++) {
        punch(other, 1);
        CHECK(bytes[BLOCK] == 0);
        CHECK(faults() == 1 && caught_before == turn + 1);
    }
    // One that is installed later, and knows nothing of the library, is put behind it by the next recall.
    struct sigaction action = {.sa_handler = after};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    for (int turn = 0; turn < 3; turn++) {
        punch(other, 2);
        CHECK(bytes[2 * BLOCK] == 0);
        CHECK(faults() == 1 && caught_after == turn + 1);
    }
    // One that passes on what it does not know reaches its predecessor, once.
    action = (struct sigaction){.sa_sigaction = polite, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, &behind_polite) == 0);
    for (int turn = 0; turn < 3; turn++) {
        punch(other, 3);
        CHECK(bytes[3 * BLOCK] == 0);
        CHECK(faults() == 1 && caught_polite == turn + 1 && caught_after == turn + 4);
    }
    CHECK(caught_before == 3);
    CHECK(ll_munmap(bytes, BLOCKS * BLOCK) == 0);
}

// MARK: - Forks

static void in_child(ll_client *client, ll_file *file, void *mapped) {
    unsigned char byte;
    struct stat status;
    struct ll_statistics statistics;
    FAILS(ll_pread(file, &byte, 1, 0), -1, ENOTCONN, "exec");
    FAILS(ll_pwrite(file, &byte, 1, 0), -1, ENOTCONN, "forked child");
    FAILS(ll_fstat(file, &status), -1, ENOTCONN, "exec");
    FAILS(ll_ftruncate(file, 0), -1, ENOTCONN, "exec");
    FAILS(ll_fallocate(file, 0, 0, 1), -1, ENOTCONN, "exec");
    FAILS(ll_fsync(file), -1, ENOTCONN, "exec");
    FAILS(ll_mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0), MAP_FAILED, ENOTCONN, "exec");
    FAILS(ll_munmap(mapped, BLOCKS * BLOCK), -1, ENOTCONN, "exec");
    FAILS(ll_msync(mapped, 1, MS_SYNC), -1, ENOTCONN, "exec");
    FAILS(ll_begin_access(mapped, 1, PROT_READ), NULL, ENOTCONN, "exec");
    FAILS(ll_end_access(NULL), -1, ENOTCONN, "exec");
    FAILS(ll_open(client, "a", O_RDONLY, 0), NULL, ENOTCONN, "exec");
    FAILS(ll_close(file), -1, ENOTCONN, "exec");
    FAILS(ll_get_statistics(client, &statistics, sizeof statistics), -1, ENOTCONN, "exec");
    FAILS(ll_on_recall(client, NULL, NULL), -1, ENOTCONN, "exec");
    FAILS(ll_disconnect(client), -1, ENOTCONN, "exec");
    FAILS(ll_connect(url, NULL), NULL, ENOTCONN, "exec");
    _exit(0);
}

static atomic_bool storming;

static void *storm(void *argument) {
    unsigned char block[BLOCK];
    while (atomic_load(&storming)) { CHECK(ll_pread(argument, block, BLOCK, 0) == BLOCK); }
    return NULL;
}

static void children_are_told(ll_client *client, ll_file *file, ll_file *other) {
    unsigned char *bytes = ll_mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(bytes != MAP_FAILED);
    // While another thread is inside the library, holding whatever it may hold.
    atomic_store(&storming, true);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, storm, file) == 0);
    for (int turn = 0; turn < 50; turn++) {
        stamp(bytes, (unsigned)turn);
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20);
            in_child(client, file, bytes);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        // The parent goes on as if nothing had happened.
        punch(other, 1);
        CHECK(bytes[BLOCK] == 0 && is_stamped(bytes, (unsigned)turn));
    }
    atomic_store(&storming, false);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(ll_munmap(bytes, BLOCKS * BLOCK) == 0);
}

// MARK: - Threads

enum { THREADS = 8, TURNS = 300, PUNCHES = 100 };

static atomic_bool punching;

struct worker {
    ll_file *file;
    unsigned char *bytes;
    unsigned number;
};

static void *work(void *argument) {
    const struct worker *worker = argument;
    unsigned char block[BLOCK];
    for (unsigned turn = 0; turn < TURNS || atomic_load(&punching); turn++) {
        const off_t offset = (off_t)worker->number * BLOCK;
        stamp(block, turn);
        CHECK(ll_pwrite(worker->file, block, BLOCK, offset) == BLOCK);
        memset(block, 0, sizeof block);
        CHECK(ll_pread(worker->file, block, BLOCK, offset) == BLOCK && is_stamped(block, turn));
        CHECK(is_stamped(worker->bytes + offset, turn));
        stamp(worker->bytes + offset, turn + 1);
        CHECK(ll_pread(worker->file, block, BLOCK, offset) == BLOCK && is_stamped(block, turn + 1));
    }
    return NULL;
}

static void *open_and_close(void *argument) {
    for (unsigned turn = 0; turn < TURNS / 10; turn++) {
        ll_file *file = ll_open(argument, "shared", O_RDWR, 0);
        CHECK(file != NULL);
        unsigned char *bytes = ll_mmap(NULL, BLOCK, PROT_READ, MAP_SHARED, file, 0);
        CHECK(bytes != MAP_FAILED);
        CHECK(ll_close(file) == 0 && ll_munmap(bytes, BLOCK) == 0);
    }
    return NULL;
}

static void threads_share_everything(ll_client *client, ll_file *file, ll_file *other) {
    unsigned char *bytes = ll_mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(bytes != MAP_FAILED);
    atomic_store(&punching, true);
    pthread_t threads[THREADS], opener;
    struct worker workers[THREADS];
    for (unsigned index = 0; index < THREADS; index++) {
        workers[index] = (struct worker){file, bytes, index};
        CHECK(pthread_create(&threads[index], NULL, work, &workers[index]) == 0);
    }
    CHECK(pthread_create(&opener, NULL, open_and_close, client) == 0);
    // Blocks that nobody works on, in the same windows.
    for (unsigned turn = 0; turn < PUNCHES; turn++) { punch(other, THREADS + turn % (BLOCKS - THREADS)); }
    atomic_store(&punching, false);
    for (unsigned index = 0; index < THREADS; index++) { CHECK(pthread_join(threads[index], NULL) == 0); }
    CHECK(pthread_join(opener, NULL) == 0);
    struct ll_statistics statistics;
    CHECK(ll_get_statistics(client, &statistics, sizeof statistics) == 0);
    // Where the threads have not come round to ask again, two punches need one recall.
    CHECK(statistics.recalls_received >= PUNCHES / 4 && statistics.leases_lost == 0);
    CHECK(ll_munmap(bytes, BLOCKS * BLOCK) == 0);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    url = arguments[1];
    forbidden = mmap(NULL, BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(forbidden != MAP_FAILED);
    // Before the library has its handlers.
    struct sigaction action = {.sa_sigaction = before, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    // A child of a process that has not used the library yet is a process like any other.
    const pid_t child = fork();
    CHECK(child >= 0);
    ll_client *client = ll_connect(url, NULL);
    CHECK(client != NULL);
    if (child == 0) { _exit(ll_disconnect(client) == 0 ? 0 : 1); }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);

    ll_client *other_client = ll_connect(url, NULL);
    CHECK(other_client != NULL);
    ll_file *file = ll_open(client, "shared", O_RDWR | O_CREAT, 0600);
    CHECK(file != NULL && ll_ftruncate(file, BLOCKS * BLOCK) == 0);
    ll_file *other = ll_open(other_client, "shared", O_RDWR, 0);
    CHECK(other != NULL);
    threads_share_everything(client, file, other);
    children_are_told(client, file, other);
    handlers_of_others_are_called(file, other);
    CHECK(ll_close(file) == 0 && ll_close(other) == 0);
    CHECK(ll_disconnect(client) == 0 && ll_disconnect(other_client) == 0);
    puts("all right");
    return 0;
}
