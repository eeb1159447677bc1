#ifndef CLINUXFILES_INTERNAL_H
#define CLINUXFILES_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "CLinuxFiles.h"

/* The convention of this module: the result, or the negative errno. */
static inline int64_t lf_result(int64_t result) { return result < 0 ? -(int64_t)errno : result; }

enum { LF_PROC_PATH_SIZE = 32 };
/* The magic link to an open descriptor. */
static inline void lf_proc_path(char path[LF_PROC_PATH_SIZE], int descriptor) {
    snprintf(path, LF_PROC_PATH_SIZE, "/proc/self/fd/%d", descriptor);
}

#endif
