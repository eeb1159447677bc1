#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

// The handler for SIGSEGV and SIGBUS. Async-signal-safe throughout: atomics, futex, write(2), getpid(2), signal calls.

// A fault in a granted window may be out of date (the grant came between the fault and the handler): retried this often
// in a row at the same address and state before it is taken for real.
#define RETRIES 64

static _Atomic pid_t owner;
// The default action was put in on purpose, to end the process: it stays.
static atomic_bool ending;

#define INITIAL_EXEC __attribute__((tls_model("initial-exec")))
static __thread bool waiting_forbidden INITIAL_EXEC;
static __thread struct {
    uintptr_t address;
    uint32_t word;
    uint32_t count;
} last_retry INITIAL_EXEC;

// The system call, not a cached value: a child made by clone or vfork must not be taken for its parent.
bool mw_is_owner(void) { return syscall(SYS_getpid) == atomic_load_explicit(&owner, memory_order_relaxed); }

int32_t mw_thread_id(void) { return (int32_t)syscall(SYS_gettid); }

void mw_forbid_waiting_on_this_thread(void) { waiting_forbidden = true; }

bool mw_waiting_is_forbidden(void) { return waiting_forbidden; }

// MARK: - Failing loudly

static char *append(char *at, const char *text) {
    while (*text != 0) { *at++ = *text++; }
    return at;
}

static char *append_number(char *at, uint64_t number, unsigned base) {
    char digits[20];
    int count = 0;
    do { digits[count++] = "0123456789abcdef"[number % base]; } while ((number /= base) != 0);
    while (count > 0) { *at++ = digits[--count]; }
    return at;
}

// Ends the process at this instruction with the default action of the signal: no handler, no waiting. Not inlined, like
// call_previous: their buffers would be on the alternate stack of every thread that parks.
__attribute__((noinline)) static void die(int signal, uintptr_t address, uint32_t window, bool store, const char *why) {
    char message[512], *at = message;
    at = append(at, "layout window: thread ");
    at = append_number(at, (uint64_t)mw_thread_id(), 10);
    at = append(at, store ? " stored to" : " loaded from");
    at = append(at, " 0x");
    at = append_number(at, address, 16);
    at = append(at, ", which is at byte ");
    at = append_number(at, address - atomic_load(&mw_windows[window].base), 10);
    at = append(at, " of a window that is not granted for that, ");
    at = append(at, why);
    at = append(at, "\n");
    const ssize_t written = write(STDERR_FILENO, message, (size_t)(at - message));
    (void)written;  // nothing more can be done about it
    atomic_store(&ending, true);
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    // Not by running the instruction again: the window may be granted by now, and the process would go on without the
    // handler.
    syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), signal);
}

static const char holds_pin[] =
    "while it holds a pin: it would wait for itself. Touch only the windows that are pinned, and pin all that is "
    "needed "
    "in one call. (A pinned window is revoked only when its lease ends before the pin does.)";
static const char serves_windows[] =
    "and it is the thread that serves the windows: it would wait for itself. Keep it away from window memory.";

// MARK: - Deciding

enum verdict { retry, pass_on };

static bool is_store(const void *context) {
    const ucontext_t *machine = context;
#if defined(__x86_64__)
    return (machine->uc_mcontext.gregs[REG_ERR] & 2) != 0;  // page fault error code, bit 1: W/R
#elif defined(__aarch64__)
    // The syndrome register comes as a record behind the registers (arch/arm64/include/uapi/asm/sigcontext.h).
    const uint8_t *record = machine->uc_mcontext.__reserved;
    const uint8_t *end = record + sizeof machine->uc_mcontext.__reserved;
    while (end - record >= 16) {
        uint32_t header[2];  // magic, size
        memcpy(header, record, sizeof header);
        if (header[0] == 0x45535201) {  // ESR_MAGIC
            uint64_t syndrome;
            memcpy(&syndrome, record + 8, sizeof syndrome);
            return (syndrome >> 6 & 1) != 0;  // data abort, WnR
        }
        if (header[0] == 0 || header[1] < 16) { break; }
        record += header[1];
    }
    return false;
#else
#error "say how a store is told from a load in a fault on this architecture"
#endif
}

static enum verdict retry_in_bounds(uintptr_t address, uint32_t word) {
    if (last_retry.address != address || last_retry.word != word) {
        last_retry.address = address;
        last_retry.word = word;
        last_retry.count = 0;
    }
    if (last_retry.count++ >= RETRIES) {
        last_retry.count = 0;
        return pass_on;
    }
    mw_count(&mw_spurious, 1);
    return retry;
}

static enum verdict wait_for(uint32_t window, uint32_t word, int signal, bool store, uintptr_t address) {
    mw_end_flush_at(address);
    if (mw_thread_has_pins()) { die(signal, address, window, store, holds_pin); }
    if (waiting_forbidden) { die(signal, address, window, store, serves_windows); }
    mw_count(&mw_faults_parked, 1);
    mw_park(window, word, store, address);
    return retry;
}

static enum verdict decide(int signal, int code, uintptr_t address, const void *context) {
    // Only "not mapped so" and "beyond the end of the file" are ours: not protection keys, tags, memory errors.
    if (signal == SIGSEGV ? code != SEGV_MAPERR && code != SEGV_ACCERR : code != BUS_ADRERR) { return pass_on; }
    const uint32_t window = mw_window_at(address);
    if (window == MW_NO_WINDOW || !mw_is_owner()) { return pass_on; }
    const bool store = is_store(context);
    const uint32_t word = mw_window_word(window);
    if (word & MW_FAILED) {
        // The empty file is mapped, so the kernel says SIGBUS, and that is the application's. A SIGSEGV is from before.
        return signal == SIGBUS ? pass_on : retry_in_bounds(address, word);
    }
    if (!(word & MW_GRANTED)) { return wait_for(window, word, signal, store, address); }
    if (signal == SIGSEGV && store && !(word & MW_WRITABLE)) {
        const bool on_demand = (atomic_load(&mw_windows[window].flags) & MW_WRITABLE_ON_DEMAND) != 0;
        return on_demand ? wait_for(window, word, signal, store, address) : pass_on;
    }
    // Allowed: raced with the grant. Or the bytes are beyond the end of a file that was cut off under the grant.
    return retry_in_bounds(address, word);
}

// MARK: - Passing on

__attribute__((noinline)) static void call_previous(const struct sigaction *previous, int signal, siginfo_t *info,
                                                    void *context) {
    // What the kernel would have blocked for the previous handler, we block.
    sigset_t mask = previous->sa_mask, old;
    if (!(previous->sa_flags & SA_NODEFER)) { sigaddset(&mask, signal); }
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(signal, info, context);
    } else {
        previous->sa_handler(signal);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

// Handlers that others install after ours are put behind ours again, each behind a function of its own: a handler that
// calls its predecessor then reaches the one that it found, and not itself.
#define LAYERS 8
static struct sigaction previous[2][LAYERS];  // of SIGSEGV and of SIGBUS; an entry is not written again
static int layers[2];
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

static void chain(int signal, const struct sigaction *next, siginfo_t *info, void *context, int saved_errno) {
    mw_count(&mw_chained, 1);
    const bool sent = info->si_code <= 0;  // by kill(2) and its like, not by a fault
    if ((next->sa_flags & SA_SIGINFO) || (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN)) {
        errno = saved_errno;
        call_previous(next, signal, info, context);
        return;
    }
    if (next->sa_handler == SIG_IGN && sent) { return; }
    // A fault runs its instruction again and dies at the right place; the kernel does not let faults be ignored either.
    atomic_store(&ending, true);
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL);
    if (sent) { syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), signal); }
}

static void on_fault(int layer, int signal, siginfo_t *info, void *context) {
    const int saved_errno = errno;
    const uintptr_t address = (uintptr_t)info->si_addr;
    const bool sent = info->si_code <= 0;  // by kill(2) and its like, not by a fault
    if (sent || decide(signal, info->si_code, address, context) == pass_on) {
        if (!sent) { mw_end_flush_at(address); }
        chain(signal, &previous[signal == SIGBUS][layer], info, context, saved_errno);
    }
    errno = saved_errno;
}

typedef void handler(int signal, siginfo_t *info, void *context);
#define LAYER(n) \
    static void on_fault_##n(int signal, siginfo_t *info, void *context) { on_fault(n, signal, info, context); }
LAYER(0) LAYER(1) LAYER(2) LAYER(3) LAYER(4) LAYER(5) LAYER(6) LAYER(7)
static handler *const handlers[LAYERS] = {on_fault_0, on_fault_1, on_fault_2, on_fault_3,
                                          on_fault_4, on_fault_5, on_fault_6, on_fault_7};

// MARK: - Installing

static bool is_ours(const struct sigaction *action) {
    if ((action->sa_flags & SA_SIGINFO) == 0) { return false; }
    for (int layer = 0; layer < LAYERS; layer++) {
        if (action->sa_sigaction == handlers[layer]) { return true; }
    }
    return false;
}

// sa_handler and sa_sigaction share their place.
static bool is_same(const struct sigaction *one, const struct sigaction *other) {
    return one->sa_handler == other->sa_handler && one->sa_flags == other->sa_flags;
}

// Puts a handler of ours before the one that is installed. Under the lock.
static int install(int signal) {
    struct sigaction(*const behind) = previous[signal == SIGBUS];
    int *const used = &layers[signal == SIGBUS];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    // SA_NODEFER: another handler may run on a parked thread and touch a window itself; with the signal blocked the
    // kernel would kill the process. SA_ONSTACK: also threads with small stacks touch windows.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    struct sigaction current, replaced;
    if (sigaction(signal, NULL, &current) != 0) { return errno; }
    while (!is_ours(&current)) {
        int layer = 0;
        while (layer < *used && !is_same(&behind[layer], &current)) { layer++; }
        if (layer == LAYERS) { return EAGAIN; }
        if (layer == *used) {
            // Known before ours is in force, so that a fault in between finds it.
            behind[layer] = current;
            *used = layer + 1;
        }
        action.sa_sigaction = handlers[layer];
        if (sigaction(signal, &action, &replaced) != 0) { return errno; }
        if (is_ours(&replaced) || is_same(&replaced, &current)) { return 0; }
        // Another one came in between, and is gone: it goes behind ours as well.
        current = replaced;
    }
    return 0;
}

int mw_install(void) {
    const int error = mw_membarrier_register();
    if (error != 0) { return error; }
    const int fork_error = pthread_atfork(NULL, NULL, mw_fail_all);
    if (fork_error != 0) { return fork_error; }
    atomic_store(&owner, (pid_t)syscall(SYS_getpid));
    pthread_mutex_lock(&installing);
    int result = install(SIGSEGV);
    if (result == 0) { result = install(SIGBUS); }
    pthread_mutex_unlock(&installing);
    return result;
}

bool mw_handlers_are_installed(void) {
    struct sigaction segv, bus;
    return sigaction(SIGSEGV, NULL, &segv) == 0 && sigaction(SIGBUS, NULL, &bus) == 0 && is_ours(&segv)
        && is_ours(&bus);
}

void mw_reinstall(void) {
    if (atomic_load(&ending) || mw_handlers_are_installed()) { return; }
    pthread_mutex_lock(&installing);
    // More than eight of others, one after the other: then theirs have to pass on what they do not know.
    install(SIGSEGV);
    install(SIGBUS);
    pthread_mutex_unlock(&installing);
}
