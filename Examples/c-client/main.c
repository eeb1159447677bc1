/*
 * Maps a file through the layout lease protocol and prints a checksum of it, again each time that somebody has changed
 * where its bytes are.
 *
 *     c-client layout+unix:///run/layoutd.sock FILE [RECALLS]
 *
 * FILE is a path below the server's export. With RECALLS it ends after that many; else it goes on until interrupted.
 */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct mapped_file {
    ll_fh handle;
    ll_stateid stateid; /* what we hold; all zero: nothing */
    uint64_t epoch;     /* of the last grant */
    int descriptor;     /* -1: none. One per file and iomode, as long as anything is held [R7.1-6]. */
    void *bytes;
    size_t size;
};

static void look_up(struct lc_session *session, const char *path, struct mapped_file *file)
{
    LL_LOOKUPargs arguments = {.sequence = lc_sequence(session, 0, FALSE), .path = {(u_int)strlen(path), (char *)path}};
    LL_OBJECTres result = {0};
    lc_expect_answer(session->calls, ll_lookup_1(&arguments, &result, session->calls), "LOOKUP");
    lc_expect_executed(session, &result.sequence, "LOOKUP");
    lc_expect_ok(result.result.status, &result.result.ll_object_result_u.error, "LOOKUP");
    memcpy(file->handle, result.result.ll_object_result_u.resok.fh, sizeof file->handle);
}

/* Asks for the whole file for reading, waiting for whatever is being done to it, and maps it. */
static void get_layout(struct lc_session *session, struct mapped_file *file)
{
    LL_LAYOUTGETargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE),
        .stateid = file->stateid,
        .addressing = LL_ADDRESSING_FILE,
        .iomode = LL_IOMODE_READ,
        .length = LC_TO_THE_END,
        .minlength = LC_TO_THE_END,
        .maxcount = 64 << 10,
        .wait_ms = 20000,
        .known_epoch = file->epoch,
    };
    memcpy(arguments.fh, file->handle, sizeof arguments.fh);
    LL_LAYOUTGETres result = {0};
    lc_expect_answer(session->calls, ll_layoutget_1(&arguments, &result, session->calls), "LAYOUTGET");
    lc_expect_executed(session, &result.sequence, "LAYOUTGET");
    lc_expect_ok(result.result.status, &result.result.ll_layoutget_result_u.error, "LAYOUTGET");
    const ll_layout_resok *grant = &result.result.ll_layoutget_result_u.resok;

    for (u_int i = 0; i < grant->shifts.shifts_len; i++) {
        const ll_shift *shift = &grant->shifts.shifts_val[i];
        printf("meanwhile: %s of %" PRIu64 " bytes at %" PRIu64 "\n",
               shift->operation == LL_OPERATION_INSERT_RANGE ? "insert" : "collapse", shift->length, shift->offset);
    }
    if (file->descriptor < 0) {
        char *path = lc_descriptor_socket(session, grant->deviceid);
        int answer = lc_redeem(path, grant->token, &file->descriptor);
        if (answer != 0)
            lc_fail("%s refuses the token: %d", path, answer);
        free(path);
    }
    file->stateid = grant->stateid;
    file->epoch = grant->epoch;
    file->size = grant->file_size;
    /* Not beyond the end of the file: touching that would be SIGBUS. */
    file->bytes = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->descriptor, 0);
    if (file->bytes == MAP_FAILED)
        lc_fail("mmap: %s", strerror(errno));
    /* A child of ours would keep the file reachable after we gave it back [R7.1-10]. */
    madvise(file->bytes, file->size, MADV_DONTFORK);
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_LAYOUTGETres, (caddr_t)&result);
}

/* Ends access first, then says so [R6.2-1]. */
static void return_everything(struct lc_session *session, struct mapped_file *file)
{
    munmap(file->bytes, file->size);
    close(file->descriptor);
    file->descriptor = -1;
    LL_LAYOUTRETURNargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE),
        .type = LL_RETURN_FILE,
        .stateid = file->stateid,
        .iomode = LL_IOMODE_ANY,
        .length = LC_TO_THE_END,
    };
    memcpy(arguments.fh, file->handle, sizeof arguments.fh);
    LL_LAYOUTRETURNres result = {0};
    lc_expect_answer(session->calls, ll_layoutreturn_1(&arguments, &result, session->calls), "LAYOUTRETURN");
    lc_expect_executed(session, &result.sequence, "LAYOUTRETURN");
    lc_expect_ok(result.result.status, &result.result.ll_layoutreturn_result_u.error, "LAYOUTRETURN");
    memset(&file->stateid, 0, sizeof file->stateid);
}

/* FNV-1a, over plain memory: there is no call to a server in it. */
static uint64_t checksum(const unsigned char *bytes, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "Usage: %s layout+unix:///PATH|layout+tcp://HOST:PORT FILE [RECALLS]\n", argv[0]);
        return 2;
    }
    unsigned long recalls_left = argc == 4 ? strtoul(argv[3], NULL, 10) : ULONG_MAX;
    setvbuf(stdout, NULL, _IOLBF, 0);

    char owner[64];
    snprintf(owner, sizeof owner, "c-client %d", (int)getpid());
    struct lc_session session;
    lc_open_session(&session, argv[1], owner);
    lc_open_back_channel(&session);

    struct mapped_file file = {.descriptor = -1};
    look_up(&session, argv[2], &file);
    for (;;) {
        get_layout(&session, &file);
        printf("mapped %zu bytes, checksum %016" PRIx64 "\n", file.size, checksum(file.bytes, file.size));
        if (recalls_left == 0)
            break;
        CB_LAYOUTRECALLargs recall;
        /* Meanwhile the lease is renewed: a third of it is the pause that the protocol suggests [R4.4-14]. */
        while (!lc_wait_for_recall(&recall, (int)(session.lease_ms / 3)))
            lc_renew(&session);
        printf("recall: operation %d at %" PRIu64 " for %" PRIu64 " bytes, asked by process %u\n", recall.operation,
               recall.operation_offset, recall.operation_length, recall.requester_pid);
        /* More than was asked for is fine [R6.3-8]; a program that cares would return the range and keep the rest. */
        return_everything(&session, &file);
        recalls_left--;
    }
    return_everything(&session, &file);
    lc_close_back_channel();
    lc_close_session(&session);
    return 0;
}
