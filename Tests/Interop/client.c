/*
 * Speaks the layout lease protocol with stock rpcgen stubs and libtirpc, and checks every byte and every status.
 *
 *     interop-client hold ADDRESS FILE                   the test; starts the next as a second process
 *     interop-client punch ADDRESS FILE OFFSET LENGTH    punches a hole, waiting for the holder
 *
 * FILE must not exist; it is removed again. Ends with 0 only if everything was right. The parts that are not about
 * checking are those of Examples/c-client.
 */
#include "checks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Larger than any block of the filesystem, so that every shift is aligned. */
enum { UNIT = 64 << 10, UNITS = 4 };

extern char **environ;

static const char *own_program;

/* ---- The holder -------------------------------------------------------------------------------------------------- */

static void check_session(struct lc_session *session)
{
    void *nothing = NULL;
    char unused = 0;
    lc_expect_answer(session->calls, ll_null_1(&nothing, &unused, session->calls), "NULL");
    expect(session->slots >= 3, "%u slots", session->slots);
    expect(session->lease_ms >= 1000, "a lease of %u ms", session->lease_ms);

    lc_renew(session);
    expect(session->status_flags == LL_STATUS_CB_PATH_DOWN, "no back channel yet, flags %#x", session->status_flags);
}

static void check_open(struct lc_session *session, struct file *file)
{
    const u_int create = LL_OPEN_WRITE | LL_OPEN_CREATE | LL_OPEN_EXCLUSIVE;
    struct open_outcome first = open_file(session, file, LL_OPEN_READ | create);
    expect_status(first.status, LL_OK, "OPEN");
    expect(first.attributes.type == LL_REG && first.attributes.size == 0, "a new file");
    expect(UNIT % first.attributes.block_size == 0, "blocks of %u", first.attributes.block_size);
    struct open_outcome again = open_file(session, file, create);
    expect_status(again.status, LL_EXIST, "OPEN of what exists");
    expect(again.detail_length > 0, "an error has a detail");
}

static void check_grant(const struct grant *grant, uint64_t offset, uint64_t length)
{
    expect(grant->offset == offset && grant->length == length, "granted %" PRIu64 "+%" PRIu64 " instead of %" PRIu64
           "+%" PRIu64, grant->offset, grant->length, offset, length);
    u_int fences = grant->capabilities
        & (LL_CAP_FENCE_WAIT | LL_CAP_FENCE_KILL | LL_CAP_FENCE_HOOK | LL_CAP_FENCE_COOPERATIVE);
    expect(fences != 0 && (fences & (fences - 1)) == 0, "exactly one fence in %#x", grant->capabilities);
    expect(grant->extents_are_gapless, "extents cover the grant without gaps");
}

static void *map(int descriptor, uint64_t offset, uint64_t length, int protection)
{
    void *bytes = mmap(NULL, length, protection, MAP_SHARED, descriptor, (off_t)offset);
    expect(bytes != MAP_FAILED, "mmap of %" PRIu64 "+%" PRIu64, offset, length);
    expect(madvise(bytes, length, MADV_DONTFORK) == 0, "MADV_DONTFORK");
    return bytes;
}

static void *get_and_map(struct lc_session *session, struct file *file)
{
    struct grant grant = layout_get(session, file, LL_IOMODE_RW, 0, LC_TO_THE_END, 0);
    expect_status(grant.status, LL_OK, "LAYOUTGET");
    check_grant(&grant, 0, file->size);
    expect(grant.stateid.seqid == 1, "the first seqid is %u", grant.stateid.seqid);
    expect(!grant.has_hole, "read-write grants have no holes");
    expect(grant.file_size == file->size && grant.epoch >= 1, "size and epoch of a grant");
    expect(grant.shifts_known && grant.shift_count == 0, "nobody asked for shifts");

    char *path = lc_descriptor_socket(session, grant.deviceid);
    expect(lc_redeem(path, grant.token, &file->descriptor) == 0, "the token is good");
    int none = -1;
    expect(lc_redeem(path, grant.token, &none) == 1, "a token is good once");
    free(path);
    expect((fcntl(file->descriptor, F_GETFL) & O_ACCMODE) == O_RDWR, "a read-write descriptor");
    struct stat status;
    expect(fstat(file->descriptor, &status) == 0 && (uint64_t)status.st_size == file->size, "the descriptor's file");

    unsigned char *bytes = map(file->descriptor, 0, file->size, PROT_READ | PROT_WRITE);
    check_bytes(bytes, file, 0, file->size, "the new mapping");
    return bytes;
}

/* Stores are seen by those who read through the server, and are durable after a commit. */
static void check_store(struct lc_session *session, struct file *file, unsigned char *bytes)
{
    for (size_t i = 0; i < 1000; i++)
        bytes[UNIT + 17 + i] = file->model[UNIT + 17 + i] = (unsigned char)(i * 7 + 1);
    check_read(session, file, "READ after a store");
    expect_status(layout_commit(session, file, UNIT, UNIT), LL_OK, "LAYOUTCOMMIT");
    expect_status(layout_commit(session, file, 0, UNIT * (UNITS + 1)), LL_BADLAYOUT, "LAYOUTCOMMIT beyond the grant");
}

/* An insert of our own: our layouts behind it go back with the call, those before it stay [R6.4-8]. */
static void check_insert(struct lc_session *session, struct file *file, unsigned char *bytes)
{
    uint64_t epoch = file->epoch;
    munmap(bytes + UNIT, file->size - UNIT);
    LL_CHANGEargs arguments = change_arguments(session, file, UNIT, UNIT);
    struct change_outcome done = insert_range(session, &arguments);
    expect_status(done.status, LL_OK, "INSERT_RANGE");
    model_insert(file, UNIT, UNIT);
    expect(done.size == file->size && done.epoch == epoch + 1, "size %" PRIu64 ", epoch %" PRIu64, done.size,
           done.epoch);
    expect(done.recalled == 0, "nobody else held anything, %u recalled", done.recalled);
    expect(done.layout_present, "the first unit is still ours");
    file->stateid = done.stateid;
    check_bytes(bytes, file, 0, UNIT, "the mapping before the insert");
    check_read(session, file, "READ after the insert");

    /* The very same call again, as if its reply had been lost: the reply is, and the file is not inserted into. */
    struct change_outcome again = insert_range(session, &arguments);
    expect(same_outcome(&done, &again), "a retry gets the same reply");
    check_read(session, file, "READ after a retried insert");
    arguments.length *= 2;
    again = insert_range(session, &arguments);
    expect_status(again.sequence_status, LL_SEQ_FALSE_RETRY, "another call with the same number");
    check_read(session, file, "READ after a false retry");

    struct grant grant = layout_get(session, file, LL_IOMODE_RW, 0, LC_TO_THE_END, epoch);
    expect_status(grant.status, LL_OK, "LAYOUTGET after the insert");
    check_grant(&grant, 0, file->size);
    expect(grant.shifts_known && grant.shift_count == 1, "one shift since, %u are listed", grant.shift_count);
    expect(grant.first_shift.operation == LL_OPERATION_INSERT_RANGE && grant.first_shift.offset == UNIT
               && grant.first_shift.length == UNIT && grant.first_shift.epoch == epoch + 1, "the shift is the insert");
    expect(grant.token_is_zero, "the descriptor is still good");
    munmap(bytes, UNIT);
}

static pid_t start_puncher(const char *address, const struct file *file, uint64_t offset, uint64_t length)
{
    char offset_text[24], length_text[24];
    snprintf(offset_text, sizeof offset_text, "%" PRIu64, offset);
    snprintf(length_text, sizeof length_text, "%" PRIu64, length);
    char *arguments[] = {
        (char *)own_program, "punch", (char *)address, (char *)file->path, offset_text, length_text, NULL};
    pid_t child;
    expect(posix_spawn(&child, own_program, NULL, NULL, arguments, environ) == 0, "starting the second process");
    return child;
}

static void check_recall_arguments(const CB_LAYOUTRECALLargs *recall, const struct lc_session *session,
                                   const struct file *file, uint64_t offset, uint64_t length, pid_t requester)
{
    expect(memcmp(recall->sequence.sessionid, session->sessionid, sizeof session->sessionid) == 0, "our session");
    expect(memcmp(recall->fh, file->handle, sizeof file->handle) == 0, "our file");
    expect(memcmp(recall->stateid.other, file->stateid.other, sizeof file->stateid.other) == 0, "our stateid");
    expect(recall->stateid.seqid == file->stateid.seqid + 1, "seqid %u after %u", recall->stateid.seqid,
           file->stateid.seqid);
    expect(recall->offset == offset && recall->length == length, "recalled %" PRIu64 "+%" PRIu64, recall->offset,
           recall->length);
    expect(recall->iomode == LL_IOMODE_ANY && recall->reason == LL_BREAK_UNMAP, "everything, before blocks go");
    expect(recall->operation == LL_OPERATION_PUNCH_HOLE && recall->operation_offset == offset
               && recall->operation_length == length, "operation %d", recall->operation);
    expect(recall->deadline_ms > 0, "a deadline");
    expect(recall->requester != 0 && recall->requester != session->clientid, "asked by another client");
    /* A server may keep the process from us, or not know it: over TCP it cannot [R6.3-15]. */
    expect(recall->requester_pid == 0 || recall->requester_pid == (u_int)requester, "process %u",
           recall->requester_pid);
}

/* Another process punches a hole under the mapping, and waits until we give the range back. */
static void check_recall(struct lc_session *session, struct file *file)
{
    const uint64_t offset = 2 * UNIT, length = UNIT;
    unsigned char *before = map(file->descriptor, 0, offset, PROT_READ);
    unsigned char *within = map(file->descriptor, offset, length, PROT_READ | PROT_WRITE);
    unsigned char *behind = map(file->descriptor, offset + length, file->size - offset - length, PROT_READ);

    pid_t child = start_puncher(session->address, file, offset, length);
    CB_LAYOUTRECALLargs recall;
    expect(lc_wait_for_recall(&recall, 10000), "a recall within ten seconds");
    check_recall_arguments(&recall, session, file, offset, length, child);

    /* As long as we have not returned, the hole is not there. That nothing happens takes some time to see. */
    poll(NULL, 0, 300);
    int status;
    expect(waitpid(child, &status, WNOHANG) == 0, "the change waits");
    check_bytes(within, file, offset, length, "the mapping under recall");
    struct grant early = layout_get(session, file, LL_IOMODE_READ, offset, length, 0);
    expect_status(early.status, LL_RETURNCONFLICT, "LAYOUTGET of what is under recall");

    munmap(within, length);
    file->stateid = recall.stateid;
    struct return_outcome given_back = layout_return(session, file, LL_IOMODE_ANY, offset, length);
    expect_status(given_back.status, LL_OK, "LAYOUTRETURN");
    expect(given_back.present, "the rest is still held");
    file->stateid = given_back.stateid;
    expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "the second process, status %#x", status);

    memset(file->model + offset, 0, length);
    check_read(session, file, "READ after the punch");
    check_bytes(before, file, 0, offset, "the mapping before the hole");
    check_bytes(behind, file, offset + length, file->size - offset - length, "the mapping behind the hole");
    munmap(before, offset);
    munmap(behind, file->size - offset - length);
}

/* A descriptor for reading can only be read. */
static void check_read_layout(struct lc_session *session, struct file *file)
{
    struct grant grant = layout_get(session, file, LL_IOMODE_READ, 2 * UNIT, UNIT, 0);
    expect_status(grant.status, LL_OK, "LAYOUTGET for reading");
    check_grant(&grant, 2 * UNIT, UNIT);
    expect(!grant.token_is_zero, "a descriptor of its own for reading");
    char *path = lc_descriptor_socket(session, grant.deviceid);
    int descriptor = -1;
    expect(lc_redeem(path, grant.token, &descriptor) == 0, "the token for reading");
    free(path);
    expect((fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_RDONLY, "a read-only descriptor");
    unsigned char *bytes = map(descriptor, 2 * UNIT, UNIT, PROT_READ);
    check_bytes(bytes, file, 2 * UNIT, UNIT, "the mapped hole");
    expect(mprotect(bytes, UNIT, PROT_READ | PROT_WRITE) != 0, "it cannot be made writable");
    munmap(bytes, UNIT);
    close(descriptor);
}

static void check_end(struct lc_session *session, struct file *file)
{
    close(file->descriptor);
    struct return_outcome all = layout_return_all(session);
    expect(all.status == LL_OK && !all.present, "LAYOUTRETURN of everything");
    expect_status(layout_return(session, file, LL_IOMODE_ANY, 0, LC_TO_THE_END).status, LL_BAD_STATEID,
                  "LAYOUTRETURN with a dead stateid");
    expect_status(remove_file(session, file), LL_OK, "REMOVE");
    expect_status(open_file(session, file, LL_OPEN_READ).status, LL_NOENT, "OPEN of what was removed");
    lc_renew(session);
    expect(session->status_flags == 0, "flags %#x at the end", session->status_flags);
}

static void hold(const char *address, const char *path)
{
    char owner[64];
    snprintf(owner, sizeof owner, "interop holder %d", (int)getpid());
    struct lc_session session;
    lc_open_session(&session, address, owner);
    check_session(&session);
    struct file file = new_file(path);
    check_open(&session, &file);
    write_units(&session, &file, UNIT, UNITS);
    check_read(&session, &file, "READ after WRITE");

    struct grant early = layout_get(&session, &file, LL_IOMODE_RW, 0, LC_TO_THE_END, 0);
    expect_status(early.status, LL_LAYOUTTRYLATER, "LAYOUTGET without a back channel");
    lc_open_back_channel(&session);
    lc_renew(&session);
    expect(session.status_flags == 0, "flags %#x with a back channel", session.status_flags);

    unsigned char *bytes = get_and_map(&session, &file);
    check_store(&session, &file, bytes);
    check_insert(&session, &file, bytes);
    check_recall(&session, &file);
    check_read_layout(&session, &file);
    check_end(&session, &file);
    lc_close_back_channel();
    lc_close_session(&session);
    free(file.model);
}

/* ---- The other process ------------------------------------------------------------------------------------------- */

static void punch(const char *address, const char *path, uint64_t offset, uint64_t length)
{
    char owner[64];
    snprintf(owner, sizeof owner, "interop puncher %d", (int)getpid());
    struct lc_session session;
    lc_open_session(&session, address, owner);
    struct file file = new_file(path);
    expect_status(open_file(&session, &file, LL_OPEN_WRITE).status, LL_OK, "OPEN by the second process");
    LL_CHANGEargs arguments = change_arguments(&session, &file, offset, length);
    struct change_outcome done = punch_hole(&session, &arguments);
    expect_status(done.status, LL_OK, "PUNCH_HOLE");
    expect(done.recalled == 1, "one holder was recalled, not %u", done.recalled);
    expect(!done.layout_present, "this process holds nothing");
    lc_close_session(&session);
}

int main(int argc, char **argv)
{
    own_program = argv[0];
    if (argc == 4 && strcmp(argv[1], "hold") == 0) {
        hold(argv[2], argv[3]);
        printf("%s: %u checks\n", argv[2], checks_made);
        return 0;
    }
    if (argc == 6 && strcmp(argv[1], "punch") == 0) {
        punch(argv[2], argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
        return 0;
    }
    fprintf(stderr, "Usage: %s hold ADDRESS FILE | punch ADDRESS FILE OFFSET LENGTH\n", argv[0]);
    return 2;
}
