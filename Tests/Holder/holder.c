// A holder of a layout that keeps no rule: it maps what it is given and stores into it until somebody ends it.
//
// usage: test-holder SOCKET TOKEN OFFSET LENGTH PROCESSES
//
// Shows the token (32 hexadecimal digits) at the server's descriptor socket; if SOCKET is "-" descriptor 3 is the file.
// The bytes are pages whose first word names them. Process i of PROCESSES (the first forks the others) stores into word
// 1 + i of each page, over and over, a stamp: the page's name, as it was when the file was mapped, in the upper half,
// and a count in the lower. So a stamp that lands in another page tells on itself, whenever that happens.
//
// Prints "ready" and the processes' numbers once each of them has stored everywhere. Ends when nobody listens to its
// output any more, so that it never outlives its test.
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES_MAX = 1024, PROCESSES_MAX = 8 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// Sixteen bytes from hexadecimal digits.
static void parse_token(const char *digits, unsigned char token[16]) {
    for (int i = 0; i < 16; i++) {
        unsigned byte;
        if (sscanf(digits + 2 * i, "%2x", &byte) != 1) {
            fprintf(stderr, "'%s' is no token\n", digits);
            exit(2);
        }
        token[i] = (unsigned char)byte;
    }
}

// Exchanges the token for a descriptor.
static int redeem(const char *path, const char *digits) {
    unsigned char token[16];
    parse_token(digits, token);
    int peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (peer < 0 || connect(peer, (struct sockaddr *)&address, sizeof address) != 0) fail(path);
    if (send(peer, token, sizeof token, 0) != sizeof token) fail("send");
    char status = 1;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {&status, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(peer, &message, MSG_CMSG_CLOEXEC) != 1 || status != 0) fail("the server refused the token");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) fail("no descriptor came");
    int file;
    memcpy(&file, CMSG_DATA(header), sizeof file);
    close(peer);
    return file;
}

static int is_abandoned(void) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) == 1 && (output.revents & (POLLHUP | POLLERR)) != 0;
}

// Stores until the end. `passes` counts what this process has done, for the one that says that all are ready.
static _Noreturn void store(char *memory, const uint64_t *names, int pages, int process, volatile uint32_t *passes) {
    for (uint32_t count = 1;; count++) {
        for (int page = 0; page < pages; page++) {
            volatile uint64_t *words = (volatile uint64_t *)(memory + (size_t)page * PAGE);
            words[1 + process] = names[page] << 32 | count;
        }
        *passes = count;
        usleep(200);
        if (count % 64 == 0 && is_abandoned()) exit(0);
    }
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: %s SOCKET TOKEN OFFSET LENGTH PROCESSES\n", argv[0]);
        return 2;
    }
    off_t offset = atoll(argv[3]);
    int pages = (int)(atoll(argv[4]) / PAGE), processes = atoi(argv[5]);
    if (pages < 1 || pages > PAGES_MAX || processes < 1 || processes > PROCESSES_MAX) return 2;
    int file = strcmp(argv[1], "-") == 0 ? 3 : redeem(argv[1], argv[2]);
    char *memory = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
    if (memory == MAP_FAILED) fail("mmap");
    // The mapping alone is what holds on to the file from here on.
    close(file);
    static uint64_t names[PAGES_MAX];
    for (int page = 0; page < pages; page++) names[page] = *(volatile uint64_t *)(memory + (size_t)page * PAGE);
    volatile uint32_t *passes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (passes == MAP_FAILED) fail("mmap");
    pid_t children[PROCESSES_MAX] = {0};
    for (int process = 1; process < processes; process++) {
        children[process] = fork();
        if (children[process] < 0) fail("fork");
        if (children[process] == 0) store(memory, names, pages, process, passes + process);
    }
    for (int process = 1; process < processes; process++) {
        while (passes[process] == 0) usleep(200);
    }
    for (int page = 0; page < pages; page++) {
        *(volatile uint64_t *)(memory + (size_t)page * PAGE + 8) = names[page] << 32 | 1;
    }
    printf("ready %d", getpid());
    for (int process = 1; process < processes; process++) printf(" %d", children[process]);
    printf("\n");
    fflush(stdout);
    store(memory, names, pages, 0, passes);
}
