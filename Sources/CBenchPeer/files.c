#define _GNU_SOURCE
#include "bench_peer.h"

#include <errno.h>
#include <fcntl.h>

int bench_change(int file, enum bench_change change, uint64_t offset, uint64_t length)
{
    static const int modes[] = {
        [BENCH_ALLOCATE] = 0,
        [BENCH_PUNCH] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        [BENCH_INSERT] = FALLOC_FL_INSERT_RANGE,
        [BENCH_COLLAPSE] = FALLOC_FL_COLLAPSE_RANGE,
    };
    return fallocate(file, modes[change], (off_t)offset, (off_t)length) < 0 ? -errno : 0;
}
