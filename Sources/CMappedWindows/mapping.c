#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

// Windows begin at multiples of this, with a whole one in front as guard: it is the unit of the address lookup
// (table.c), and file offsets that are multiples of it can be mapped with huge pages.
#define GRANULE ((size_t)1 << 21)

static int result(bool succeeded) { return succeeded ? 0 : errno; }

int mw_reserve(size_t size, uintptr_t *base, uintptr_t *reservation, size_t *reserved) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size == 0 || size > SIZE_MAX / 4) { return EINVAL; }
    // [guard granule][window, rounded up][guard page or more]; nobody else's mapping can touch the window and merge
    // with it, so an mprotect of the whole window never has to split one.
    const size_t wanted = GRANULE + ((size + page + GRANULE - 1) & ~(GRANULE - 1));
    void *memory = mmap(NULL, wanted + GRANULE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) { return errno; }
    // Cut the alignment slack off; the kernel gave pages, we want granules.
    const uintptr_t start = (uintptr_t)memory;
    const uintptr_t aligned = (start + GRANULE - 1) & ~(uintptr_t)(GRANULE - 1);
    const size_t before = aligned - start, after = GRANULE - before;
    if ((before != 0 && munmap(memory, before) != 0)
        || (after != 0 && munmap((void *)(aligned + wanted), after) != 0)) {
        const int error = errno;
        munmap(memory, wanted + GRANULE);
        return error;
    }
    *reservation = aligned;
    *reserved = wanted;
    *base = aligned + GRANULE;
    return 0;
}

int mw_unreserve(uintptr_t reservation, size_t reserved) {
    return result(munmap((void *)reservation, reserved) == 0);
}

int mw_map_file(
    uintptr_t address, size_t length, int descriptor, int64_t offset, bool synchronous, bool set_apart) {
    const int flags = MAP_FIXED | (synchronous ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED);
    // Inaccessible first: a fork() by another thread between the two calls must not inherit a usable window, and no
    // thread may use it before the owner says so.
    void *memory = mmap((void *)address, length, PROT_NONE, flags, descriptor, offset);
    if (memory == MAP_FAILED) { return errno; }
    if (set_apart && madvise(memory, length, MADV_DONTDUMP) != 0) { return errno; }
    return result(madvise(memory, length, MADV_DONTFORK) == 0);
}

int mw_map_anonymous(uintptr_t address, size_t length) {
    const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return result(mmap((void *)address, length, PROT_NONE, flags, -1, 0) != MAP_FAILED);
}

int mw_map_failed(uintptr_t address, size_t length, bool accessible) {
    // A new one each time: a descriptor kept for later could have been closed by a program that closes all it does not
    // know. The seals keep the file empty whoever gets hold of it.
    const int descriptor = memfd_create("failed layout window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) { return errno; }
    int error = result(fcntl(descriptor, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
    if (error == 0) {
        const int protection = accessible ? PROT_READ | PROT_WRITE : PROT_NONE;
        error = result(mmap((void *)address, length, protection, MAP_FIXED | MAP_SHARED, descriptor, 0) != MAP_FAILED);
    }
    close(descriptor);
    return error;
}

int mw_protect(uintptr_t address, size_t length, bool readable, bool writable) {
    const int protection = (readable ? PROT_READ : PROT_NONE) | (writable ? PROT_WRITE : PROT_NONE);
    return result(mprotect((void *)address, length, protection) == 0);
}
