/* Locks of open file descriptions, and leases. */
#include "internal.h"

#include <fcntl.h>
#include <signal.h>

static int64_t set_lock(int descriptor, short type, int64_t start, int64_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return lf_result(fcntl(descriptor, F_OFD_SETLK, &lock));
}

int64_t lf_lock_for_reading(int descriptor, int64_t start, int64_t length) {
    return set_lock(descriptor, F_RDLCK, start, length);
}

int64_t lf_unlock(int descriptor, int64_t start, int64_t length) {
    return set_lock(descriptor, F_UNLCK, start, length);
}

int64_t lf_find_lock(int descriptor, int64_t start, int64_t length, struct lf_lock *found) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    memset(found, 0, sizeof *found);
    if (fcntl(descriptor, F_OFD_GETLK, &lock) < 0) return lf_result(-1);
    if (lock.l_type == F_UNLCK) return 0;
    *found = (struct lf_lock){.start = lock.l_start, .length = lock.l_len, .is_write = lock.l_type == F_WRLCK};
    return 1;
}

int64_t lf_probe_lease(int descriptor, int exclusive) {
    /*
     * A break in the moment that the lease exists sends a signal: SIGIO by default, which kills. SIGURG is ignored by
     * default, so that nobody's signal handling has to change for this.
     */
    if (fcntl(descriptor, F_SETSIG, SIGURG) < 0) return lf_result(-1);
    if (fcntl(descriptor, F_SETLEASE, exclusive ? F_WRLCK : F_RDLCK) < 0) return lf_result(-1);
    return lf_result(fcntl(descriptor, F_SETLEASE, F_UNLCK));
}
