#include "internal.h"

#include <libpmem.h>
#include <setjmp.h>

// Flushing a window's bytes from the CPU's caches. Such a flush is an access like a load: it faults where the window
// was revoked, or where the file was cut off. A load has to wait then; a flush must not, because its caller has another
// way to bring the bytes to storage. So a fault inside ends it.

struct flush {
    uintptr_t begin, end;
    sigjmp_buf way_out;
};

static __thread struct flush *_Atomic current __attribute__((tls_model("initial-exec")));

bool mw_persist(uintptr_t address, size_t length) {
    struct flush flush = {.begin = address & ~(uintptr_t)63, .end = address + length};
    // Without the signal mask: the handler blocks nothing.
    if (sigsetjmp(flush.way_out, 0) != 0) { return false; }
    atomic_store_explicit(&current, &flush, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    pmem_persist((const void *)address, length);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&current, NULL, memory_order_relaxed);
    return true;
}

void mw_end_flush_at(uintptr_t address) {
    struct flush *flush = atomic_load_explicit(&current, memory_order_relaxed);
    if (flush == NULL || address < flush->begin || address >= flush->end) { return; }
    atomic_store_explicit(&current, NULL, memory_order_relaxed);
    siglongjmp(flush->way_out, 1);
}
