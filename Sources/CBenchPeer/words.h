/* Big-endian words in memory of any alignment, as XDR has them (RFC 4506 §4). */
#ifndef WORDS_H
#define WORDS_H

#include <stdint.h>

static inline uint32_t get_word(const uint8_t *place)
{
    return (uint32_t)place[0] << 24 | (uint32_t)place[1] << 16 | (uint32_t)place[2] << 8 | place[3];
}

static inline void put_word(uint8_t *place, uint32_t value)
{
    place[0] = (uint8_t)(value >> 24);
    place[1] = (uint8_t)(value >> 16);
    place[2] = (uint8_t)(value >> 8);
    place[3] = (uint8_t)value;
}

#endif
