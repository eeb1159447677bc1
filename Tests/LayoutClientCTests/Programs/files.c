// Files through the C interface: reads, writes, attributes, changes, and what is said about bad input.
#define _GNU_SOURCE

#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

static void reads_and_writes(ll_client *client) {
    ll_file *file = ll_open(client, "io", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK(file != NULL);
    FAILS(ll_open(client, "io", O_RDWR | O_CREAT | O_EXCL, 0640), NULL, EEXIST, "io");

    unsigned char block[BLOCK], found[2 * BLOCK];
    for (unsigned number = 0; number < 16; number++) {
        stamp(block, number);
        CHECK(ll_pwrite(file, block, BLOCK, (off_t)number * BLOCK) == BLOCK);
    }
    struct stat status;
    CHECK(ll_fstat(file, &status) == 0);
    CHECK(status.st_size == 16 * BLOCK);
    CHECK(S_ISREG(status.st_mode) && (status.st_mode & 0777) == 0640);
    CHECK(status.st_nlink == 1 && status.st_ino != 0 && status.st_blocks > 0);
    for (unsigned number = 0; number < 16; number++) {
        CHECK(ll_pread(file, found, BLOCK, (off_t)number * BLOCK) == BLOCK);
        CHECK(is_stamped(found, number));
    }
    // Again, over a mapping that is there; and over the end.
    stamp(block, 99);
    CHECK(ll_pwrite(file, block, BLOCK, 3 * BLOCK) == BLOCK);
    CHECK(ll_pread(file, found, BLOCK, 3 * BLOCK) == BLOCK && is_stamped(found, 99));
    CHECK(ll_pread(file, found, sizeof found, 15 * BLOCK) == BLOCK && is_stamped(found, 15));
    CHECK(ll_pread(file, found, sizeof found, 16 * BLOCK) == 0);
    CHECK(ll_pread(file, NULL, 0, 0) == 0);
    CHECK(ll_fsync(file) == 0);

    struct ll_statistics statistics;
    CHECK(ll_get_statistics(client, &statistics, sizeof statistics) == 0);
    CHECK(statistics.reads_direct > 0 && statistics.writes_direct > 0 && statistics.grants > 0);

    // A second name for the same file, for writing only.
    ll_file *sink = ll_open(client, "io", O_WRONLY, 0);
    CHECK(sink != NULL);
    FAILS(ll_pread(sink, found, 1, 0), -1, EBADF, "O_RDWR");
    CHECK(ll_pwrite(sink, "x", 1, 0) == 1);
    CHECK(ll_pread(file, found, 1, 0) == 1 && found[0] == 'x');
    CHECK(ll_close(sink) == 0);
    ll_file *emptied = ll_open(client, "io", O_RDWR | O_TRUNC, 0);
    CHECK(emptied != NULL && ll_fstat(emptied, &status) == 0 && status.st_size == 0);
    CHECK(ll_close(emptied) == 0);
    CHECK(ll_close(file) == 0);
}

static void changes(ll_client *client) {
    ll_file *file = ll_open(client, "changes", O_RDWR | O_CREAT, 0600);
    CHECK(file != NULL);
    unsigned char block[BLOCK];
    for (unsigned number = 0; number < 8; number++) {
        stamp(block, number);
        CHECK(ll_pwrite(file, block, BLOCK, (off_t)number * BLOCK) == BLOCK);
    }
    CHECK(ll_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BLOCK, BLOCK) == 0);
    CHECK(ll_pread(file, block, BLOCK, BLOCK) == BLOCK && block[0] == 0 && block[BLOCK - 1] == 0);
    CHECK(ll_fallocate(file, FALLOC_FL_ZERO_RANGE, 2 * BLOCK, BLOCK) == 0);
    CHECK(ll_pread(file, block, BLOCK, 2 * BLOCK) == BLOCK && block[0] == 0 && block[BLOCK - 1] == 0);
    struct stat status;
    CHECK(ll_fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 64 * BLOCK) == 0);
    CHECK(ll_fstat(file, &status) == 0 && status.st_size == 8 * BLOCK);
    // Not every filesystem inserts and collapses; which is tested is said by the exit code of the other program.
    if (ll_fallocate(file, FALLOC_FL_INSERT_RANGE, 3 * BLOCK, BLOCK) == 0) {
        CHECK(ll_pread(file, block, BLOCK, 4 * BLOCK) == BLOCK && is_stamped(block, 3));
        CHECK(ll_fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 0, 4 * BLOCK) == 0);
        CHECK(ll_pread(file, block, BLOCK, 0) == BLOCK && is_stamped(block, 3));
        CHECK(ll_fstat(file, &status) == 0 && status.st_size == 5 * BLOCK);
    } else {
        CHECK(errno == EOPNOTSUPP);
    }
    CHECK(ll_fallocate(file, 0, 0, 32 * BLOCK) == 0);
    CHECK(ll_fstat(file, &status) == 0 && status.st_size == 32 * BLOCK);
    CHECK(ll_ftruncate(file, 5) == 0);
    CHECK(ll_fstat(file, &status) == 0 && status.st_size == 5);
    CHECK(ll_ftruncate(file, BLOCK) == 0);
    CHECK(ll_pread(file, block, BLOCK, 0) == BLOCK && block[5] == 0 && block[BLOCK - 1] == 0);
    FAILS(ll_fallocate(file, FALLOC_FL_PUNCH_HOLE, 0, BLOCK), -1, EOPNOTSUPP, "KEEP_SIZE");
    FAILS(ll_fallocate(file, FALLOC_FL_INSERT_RANGE, 1, 17), -1, EINVAL, "block");
    CHECK(ll_close(file) == 0);
}

static void bad_input(ll_client *client) {
    unsigned char byte[1];
    struct stat status;
    struct ll_statistics statistics;
    ll_client *const no_client = (ll_client *)(void *)byte;
    ll_file *const no_file = (ll_file *)(void *)byte;

    FAILS(ll_connect(NULL, NULL), NULL, EINVAL, "NULL");
    FAILS(ll_connect("nonsense", NULL), NULL, EINVAL, "layout+unix://");
    struct ll_options options = {.size = sizeof options, .connect_milliseconds = 200};
    FAILS(ll_connect("layout+unix:///nonexistent/socket", &options), NULL, EHOSTUNREACH, "check that the server");
    options.size = 3;
    FAILS(ll_connect("layout+unix:///nonexistent/socket", &options), NULL, EINVAL, "sizeof");
    options = (struct ll_options){.size = sizeof options, .flags = 8};
    FAILS(ll_connect("layout+unix:///nonexistent/socket", &options), NULL, EINVAL, "flags");

    FAILS(ll_disconnect(NULL), -1, ENOTCONN, "ll_connect");
    FAILS(ll_disconnect(no_client), -1, ENOTCONN, "ll_connect");
    FAILS(ll_on_recall(no_client, NULL, NULL), -1, ENOTCONN, "ll_connect");
    FAILS(ll_get_statistics(no_client, &statistics, sizeof statistics), -1, ENOTCONN, "ll_connect");
    FAILS(ll_get_statistics(client, NULL, sizeof statistics), -1, EINVAL, "room");
    FAILS(ll_open(no_client, "a", O_RDONLY, 0), NULL, ENOTCONN, "ll_connect");
    FAILS(ll_open(client, NULL, O_RDONLY, 0), NULL, EINVAL, "NULL");
    FAILS(ll_open(client, "not there", O_RDONLY, 0), NULL, ENOENT, "check the path");
    FAILS(ll_open(client, "a", O_RDWR | O_APPEND, 0), NULL, EINVAL, "O_APPEND");
    FAILS(ll_open(client, "a", O_ACCMODE, 0), NULL, EINVAL, "O_RDWR");
    FAILS(ll_open(client, "a", O_RDONLY | O_CREAT | O_TRUNC, 0600), NULL, EINVAL, "readWrite");

    ll_file *const files[] = {NULL, no_file, (ll_file *)(void *)client};
    for (size_t index = 0; index < sizeof files / sizeof files[0]; index++) {
        FAILS(ll_close(files[index]), -1, EBADF, "ll_open");
        FAILS(ll_pread(files[index], byte, 1, 0), -1, EBADF, "ll_open");
        FAILS(ll_pwrite(files[index], byte, 1, 0), -1, EBADF, "ll_open");
        FAILS(ll_fstat(files[index], &status), -1, EBADF, "ll_open");
        FAILS(ll_ftruncate(files[index], 0), -1, EBADF, "ll_open");
        FAILS(ll_fallocate(files[index], 0, 0, 1), -1, EBADF, "ll_open");
        FAILS(ll_fsync(files[index]), -1, EBADF, "ll_open");
        FAILS(ll_mmap(NULL, 1, PROT_READ, MAP_SHARED, files[index], 0), MAP_FAILED, EBADF, "ll_open");
    }
    ll_file *file = ll_open(client, "bad", O_RDWR | O_CREAT, 0600);
    CHECK(file != NULL && ll_pwrite(file, "abc", 3, 0) == 3);
    FAILS(ll_pread(file, byte, 1, -1), -1, EINVAL, "negative");
    FAILS(ll_pwrite(file, byte, 1, -1), -1, EINVAL, "negative");
    FAILS(ll_pread(file, byte, SIZE_MAX, 0), -1, EINVAL, "smaller count");
    FAILS(ll_pread(file, byte, 2, LLONG_MAX - 1), -1, EINVAL, "smaller count");
    FAILS(ll_pread(file, NULL, 1, 0), -1, EINVAL, "NULL");
    FAILS(ll_pwrite(file, NULL, 1, 0), -1, EINVAL, "NULL");
    FAILS(ll_fstat(file, NULL), -1, EINVAL, "room");
    FAILS(ll_ftruncate(file, -1), -1, EINVAL, "negative");
    FAILS(ll_fallocate(file, 0, -1, 1), -1, EINVAL, "offset of 0 or more");
    FAILS(ll_fallocate(file, 0, 0, 0), -1, EINVAL, "above 0");
    FAILS(ll_fallocate(file, 0, LLONG_MAX, 1), -1, EFBIG, "beyond");
    FAILS(ll_fallocate(file, 0x4000, 0, 1), -1, EOPNOTSUPP, "mode");
    FAILS(ll_mmap(byte, 1, PROT_READ, MAP_SHARED, file, 0), MAP_FAILED, EINVAL, "pass NULL");
    FAILS(ll_mmap(NULL, 0, PROT_READ, MAP_SHARED, file, 0), MAP_FAILED, EINVAL, "at least 1");
    FAILS(ll_mmap(NULL, SIZE_MAX, PROT_READ, MAP_SHARED, file, 0), MAP_FAILED, EINVAL, "length");
    FAILS(ll_mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 1), MAP_FAILED, EINVAL, "page size");
    FAILS(ll_mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, 0), MAP_FAILED, EINVAL, "MAP_SHARED");
    FAILS(ll_mmap(NULL, 1, PROT_EXEC, MAP_SHARED, file, 0), MAP_FAILED, EINVAL, "PROT_READ");
    FAILS(ll_munmap(byte, 1), -1, EINVAL, "ll_mmap");
    FAILS(ll_msync(byte, 1, MS_SYNC), -1, EINVAL, "ll_mmap");
    FAILS(ll_msync(byte, 1, MS_SYNC | MS_ASYNC), -1, EINVAL, "MS_SYNC");
    FAILS(ll_begin_access(byte, 1, PROT_READ), NULL, EINVAL, "ll_mmap");
    FAILS(ll_end_access(NULL), -1, EINVAL, "ll_begin_access");
    FAILS(ll_end_access((ll_access *)(void *)file), -1, EINVAL, "ll_begin_access");

    ll_file *reader = ll_open(client, "bad", O_RDONLY, 0);
    CHECK(reader != NULL);
    FAILS(ll_pwrite(reader, byte, 1, 0), -1, EBADF, "O_RDWR");
    FAILS(ll_ftruncate(reader, 0), -1, EBADF, "O_RDWR");
    FAILS(ll_mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0), MAP_FAILED, EACCES, "O_RDWR");
    CHECK(ll_fsync(reader) == 0);
    CHECK(ll_close(reader) == 0);
    // A handle that was closed never means something else later.
    for (int turn = 0; turn < 100; turn++) {
        ll_file *next = ll_open(client, "bad", O_RDONLY, 0);
        CHECK(next != NULL && next != reader);
        FAILS(ll_pread(reader, byte, 1, 0), -1, EBADF, "closed");
        CHECK(ll_pread(next, byte, 1, 0) == 1 && byte[0] == 'a');
        CHECK(ll_close(next) == 0);
    }
    CHECK(ll_close(file) == 0);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    CHECK(strcmp(ll_error_detail(), "") == 0);
    ll_client *client = ll_connect(arguments[1], NULL);
    CHECK(client != NULL);
    reads_and_writes(client);
    changes(client);
    bad_input(client);

    ll_file *file = ll_open(client, "io", O_RDWR, 0);
    CHECK(file != NULL);
    CHECK(ll_disconnect(client) == 0);
    FAILS(ll_disconnect(client), -1, ENOTCONN, "disconnected");
    struct stat status;
    FAILS(ll_fstat(file, &status), -1, ENOTCONN, "connect anew");
    CHECK(ll_close(file) == 0);
    FAILS(ll_close(file), -1, EBADF, "closed");
    puts("all right");
    return 0;
}
