// A file of blocks, and who does what with which of them.
#ifndef GEOMETRY_H
#define GEOMETRY_H

#include <stdint.h>

enum {
    BLOCK_BYTES = 4096,
    WORDS = BLOCK_BYTES / 8,

    // The worker's alone: every word is what it stored last.
    OWN_BEGIN = 0,
    OWN_END = 2048,
    // The worker's, but the mutator punches and zeroes it: every word is what was stored last, or zero.
    PUNCHED_BEGIN = OWN_END,
    PUNCHED_END = PUNCHED_BEGIN + 512,
    // Nobody's: the mutator changes it, and nobody looks.
    UNUSED_BEGIN = PUNCHED_END,
    UNUSED_END = UNUSED_BEGIN + 256,
    // Never written again. The mutator inserts up to SHIFT_MAX blocks at its beginning, and collapses them.
    SHIFTED_BEGIN = UNUSED_END,
    SHIFTED_END = SHIFTED_BEGIN + 256,
    // Shifted as well, and the mutator cuts it off and makes it long again.
    CUT_BEGIN = SHIFTED_END,
    CUT_END = CUT_BEGIN + 256,

    SHIFT_MAX = 4
};

/* What a word says: where it belongs, and the how manieth that was stored there. Never zero. */
struct stamp {
    unsigned word;    // below WORDS
    unsigned block;   // below 1 << 16
    uint32_t number;  // from 1
};

// Odd, so that it has an inverse; it makes every byte of a word depend on what the word says.
#define STAMP_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t stamp_word(unsigned block, uint32_t number, unsigned word) {
    return ((uint64_t)number << 32 | (uint64_t)block << 16 | (uint64_t)word << 4 | 0x9) * STAMP_FACTOR;
}

/* Reads a word; 0 if no stamp makes it. */
static inline int read_stamp(uint64_t value, struct stamp *stamp) {
    uint64_t inverse = STAMP_FACTOR;
    for (int round = 0; round < 5; round++) { inverse *= 2 - STAMP_FACTOR * inverse; }
    const uint64_t said = value * inverse;
    *stamp = (struct stamp){(unsigned)(said >> 4 & 0xfff), (unsigned)(said >> 16 & 0xffff), (uint32_t)(said >> 32)};
    return (said & 0xf) == 0x9 && stamp->word < WORDS && stamp->number != 0;
}

#endif
