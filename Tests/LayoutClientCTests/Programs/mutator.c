// Changes the mapping of a file that somebody else works on, all the time: punches, zeroes, inserts, collapses, truncates.
// Ends at the end of its standard input.
//
//     mutator URL PATH SEED
#define _GNU_SOURCE

#include "check.h"
#include "geometry.h"

#include <fcntl.h>
#include <poll.h>

static ll_file *file;
static uint64_t state;
static unsigned long done, refused;

static unsigned random_below(unsigned bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % bound);
}

// What was refused for the time being has not been done, and is asked for again.
static void change(int mode, unsigned block, unsigned blocks) {
    while (ll_fallocate(file, mode, (off_t)block * BLOCK_BYTES, (off_t)blocks * BLOCK_BYTES) != 0) {
        CHECK(errno == EAGAIN);
        refused++;
    }
    done++;
}

static void set_size(unsigned blocks) {
    while (ll_ftruncate(file, (off_t)blocks * BLOCK_BYTES) != 0) {
        CHECK(errno == EAGAIN);
        refused++;
    }
    done++;
}

static int is_over(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

int main(int count, char **arguments) {
    CHECK(count == 4);
    ll_client *client = ll_connect(arguments[1], NULL);
    CHECK(client != NULL);
    file = ll_open(client, arguments[2], O_RDWR, 0);
    CHECK(file != NULL);
    state = strtoull(arguments[3], NULL, 10) | 1;
    unsigned long kinds[6] = {0};
    unsigned shift = 0;  // blocks that are inserted now
    while (!is_over()) {
        const unsigned kind = random_below(6), blocks = 1 + random_below(8);
        kinds[kind]++;
        switch (kind) {
        case 0:
            change(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   PUNCHED_BEGIN + random_below(PUNCHED_END - PUNCHED_BEGIN - blocks), blocks);
            break;
        case 1:
            change(FALLOC_FL_ZERO_RANGE, PUNCHED_BEGIN + random_below(PUNCHED_END - PUNCHED_BEGIN - blocks), blocks);
            break;
        case 2:
            change(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   UNUSED_BEGIN + random_below(UNUSED_END - UNUSED_BEGIN - blocks), blocks);
            break;
        case 3:
        case 4:
            if (shift == 0) {
                shift = 1 + random_below(SHIFT_MAX);
                change(FALLOC_FL_INSERT_RANGE, SHIFTED_BEGIN, shift);
            } else {
                change(FALLOC_FL_COLLAPSE_RANGE, SHIFTED_BEGIN, shift);
                shift = 0;
            }
            break;
        default:
            set_size(CUT_BEGIN + shift + random_below(CUT_END - CUT_BEGIN));
            set_size(CUT_END + shift);
        }
    }
    if (shift != 0) { change(FALLOC_FL_COLLAPSE_RANGE, SHIFTED_BEGIN, shift); }
    CHECK(ll_close(file) == 0 && ll_disconnect(client) == 0);
    printf("changes=%lu punches=%lu zeroes=%lu unused=%lu shifts=%lu truncations=%lu refused=%lu\n", done, kinds[0],
           kinds[1], kinds[2], kinds[3] + kinds[4], 2 * kinds[5], refused);
    return 0;
}
