/* From a grant to a file descriptor [section 7.1]. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_same_boot(const char *boot_id)
{
    char own[LL_BOOTID_SIZE];
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, own, sizeof own) != sizeof own)
        lc_fail("cannot read this host's boot ID: %s", strerror(errno));
    close(file);
    if (memcmp(own, boot_id, sizeof own) != 0)
        lc_fail("the server is on another host, or this one was restarted: no descriptor can come from there");
}

char *lc_descriptor_socket(struct lc_session *session, const ll_deviceid device)
{
    LL_GETDEVICEINFOargs arguments = {.sequence = lc_sequence(session, 0, FALSE)};
    memcpy(arguments.deviceid, device, sizeof arguments.deviceid);
    LL_GETDEVICEINFOres result = {0};
    lc_expect_answer(session->calls, ll_getdeviceinfo_1(&arguments, &result, session->calls), "GETDEVICEINFO");
    lc_expect_executed(session, &result.sequence, "GETDEVICEINFO");
    lc_expect_ok(result.result.status, &result.result.ll_getdeviceinfo_result_u.error, "GETDEVICEINFO");
    const ll_device *found = &result.result.ll_getdeviceinfo_result_u.device;
    if (found->addressing != LL_ADDRESSING_FILE)
        lc_fail("GETDEVICEINFO: addressing %d was not asked for", found->addressing);
    expect_same_boot(found->ll_device_u.file.boot_id);
    const ll_path *path = &found->ll_device_u.file.descriptor_socket;
    char *copy = strndup(path->ll_path_val, path->ll_path_len);
    if (copy == NULL)
        lc_fail("no memory");
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_GETDEVICEINFOres, (caddr_t)&result);
    return copy;
}

int lc_redeem(const char *socket_path, const ll_token token, int *descriptor)
{
    int connection = lc_connect_unix(socket_path, SOCK_SEQPACKET);
    if (send(connection, token, LL_TOKEN_SIZE, MSG_NOSIGNAL) != LL_TOKEN_SIZE)
        lc_fail("cannot send a token to %s: %s", socket_path, strerror(errno));

    unsigned char answer = 0;
    struct iovec part = {.iov_base = &answer, .iov_len = 1};
    /* Room for more descriptors than should come, to close those that should not have [R7.1-4]. */
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    if (length != 1)
        lc_fail("no answer from %s: %s", socket_path, length < 0 ? strerror(errno) : "the connection ended");
    close(connection);

    int received[4], count = 0;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each != NULL; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
            continue;
        count = (int)((each->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(received, CMSG_DATA(each), (size_t)count * sizeof(int));
    }
    if (count != (answer == 0 ? 1 : 0)) {
        for (int i = 0; i < count; i++)
            close(received[i]);
        lc_fail("%s answered %d with %d descriptors", socket_path, answer, count);
    }
    if (answer != 0)
        return answer;
    struct stat status;
    if (fstat(received[0], &status) < 0 || !S_ISREG(status.st_mode))
        lc_fail("%s passed a descriptor of something else than a file", socket_path);
    *descriptor = received[0];
    return 0;
}
