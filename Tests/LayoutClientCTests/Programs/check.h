// What the programs have in common: a check that ends the program, and bytes that say where they belong.
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <layoutclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition, errno,     \
                    ll_error_detail());                                                                      \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* The call fails with this errno, and its detail has this word in it. */
#define FAILS(call, failed, number, word)                                                                    \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        CHECK((call) == (failed));                                                                           \
        CHECK(errno == (number));                                                                            \
        CHECK(strstr(ll_error_detail(), word) != NULL);                                                      \
    } while (0)

enum { BLOCK = 4096 };

static inline void stamp(unsigned char *block, unsigned number) {
    for (int index = 0; index < BLOCK; index++) { block[index] = (unsigned char)(number * 31 + index % 251 + 1); }
}

static inline int is_stamped(const unsigned char *block, unsigned number) {
    unsigned char wanted[BLOCK];
    stamp(wanted, number);
    return memcmp(block, wanted, BLOCK) == 0;
}

#endif
