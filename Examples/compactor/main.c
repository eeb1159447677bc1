/*
 * Removes the blocks of a file that hold nothing but zeros, and moves the rest down: what a database does when it
 * compacts its file. It has never heard of layoutd. On a file with layouts each of its calls waits until the holders
 * of the bytes behind it have given them back.
 *
 *   compactor FILE [BLOCK]        BLOCK: bytes of a record, a multiple of the filesystem's blocks; 4096 if not given
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int complain(const char *path, const char *what) {
    fprintf(stderr, "compactor: %s: %s: %s\n", path, what, strerror(errno));
    return 1;
}

static int is_empty(const char *block, size_t size) {
    return block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
}

/* Removes runs of empty blocks from the end to the beginning, so that what is still to be looked at does not move. */
static int compact(int file, const char *path, off_t block) {
    struct stat facts;
    if (fstat(file, &facts) < 0) return complain(path, "cannot be looked at");
    char *bytes = malloc((size_t)block);
    if (bytes == NULL) return complain(path, "no memory for a block");
    off_t removed = 0, run_end = -1;
    int status = 0;
    /* A last block that is not full stays: a collapse may not reach the end of the file. */
    for (off_t offset = (facts.st_size - 1) / block * block - block; status == 0 && offset >= -block; offset -= block) {
        int empty = 0;
        if (offset >= 0) {
            if (pread(file, bytes, (size_t)block, offset) != block) {
                status = complain(path, "cannot be read");
                break;
            }
            empty = is_empty(bytes, (size_t)block);
        }
        if (empty && run_end < 0) run_end = offset + block;
        if (!empty && run_end >= 0) {
            off_t start = offset + block;
            if (fallocate(file, FALLOC_FL_COLLAPSE_RANGE, start, run_end - start) < 0)
                status = complain(path, errno == ETXTBSY ? "in exclusive use" : "cannot be collapsed");
            else
                removed += run_end - start;
            run_end = -1;
        }
    }
    free(bytes);
    if (status == 0) printf("%s: %lld bytes removed\n", path, (long long)removed);
    return status;
}

int main(int count, char **words) {
    off_t block = count > 2 ? atoll(words[2]) : 4096;
    if (count < 2 || count > 3 || block <= 0) {
        fprintf(stderr, "usage: compactor FILE [BLOCK]\n");
        return 2;
    }
    int file = open(words[1], O_RDWR | O_CLOEXEC);
    if (file < 0) return complain(words[1], "cannot be opened");
    return compact(file, words[1], block);
}
