/*
 * Keeps a pointer to a record of a file while the file is changed underneath: by anybody else, here by a second client of
 * the same program.
 *
 *     c-abi layout+unix:///run/layoutd.sock FILE
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <layoutclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MIB ((off_t)1 << 20)
/* linux/falloc.h, which not every host has. */
#define INSERT_RANGE 0x20

static void fail(void) {
    fprintf(stderr, "%s\n", ll_error_detail());
    exit(1);
}

/* On a thread of the library's own; nothing waits for it. */
static void on_recall(const struct ll_recall *recall, void *user_data) {
    (void)user_data;
    printf("asked back: bytes from %llu of %s, for operation %u of %s\n", (unsigned long long)recall->offset,
           recall->path, (unsigned)recall->operation, recall->requester);
}

int main(int count, char **arguments) {
    ll_client *client, *another;
    ll_file *file, *same;
    char *record;
    char found[6];

    if (count != 3) {
        fprintf(stderr, "usage: %s ADDRESS FILE\n", arguments[0]);
        return 2;
    }
    client = ll_connect(arguments[1], NULL);
    another = ll_connect(arguments[1], NULL);
    if (client == NULL || another == NULL) { fail(); }
    file = ll_open(client, arguments[2], O_RDWR | O_CREAT, 0644);
    same = ll_open(another, arguments[2], O_RDWR, 0);
    if (file == NULL || same == NULL || ll_ftruncate(file, MIB) != 0) { fail(); }
    if (ll_on_recall(client, on_recall, NULL) != 0) { fail(); }

    /* A pointer to the content at byte 8192, wherever that will be. */
    record = ll_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | LL_MAP_FOLLOW_CONTENT, file, 8192);
    if (record == MAP_FAILED) { fail(); }
    strcpy(record, "hello");

    /* All bytes behind the first move up by 1 MiB. */
    if (ll_fallocate(same, INSERT_RANGE, 0, MIB) != 0) { fail(); }

    /* The same pointer, the same record; the touch asks for it again. */
    printf("still there: %s\n", record);
    if (ll_pread(same, found, sizeof found, MIB + 8192) != (ssize_t)sizeof found) { fail(); }
    printf("1 MiB further up: %s\n", found);

    if (ll_munmap(record, 4096) != 0 || ll_close(file) != 0 || ll_close(same) != 0) { fail(); }
    if (ll_disconnect(another) != 0 || ll_disconnect(client) != 0) { fail(); }
    return 0;
}
