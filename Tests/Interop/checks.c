/* See checks.h. */
#include "checks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned checks_made;

void check_condition(bool holds, const char *file, int line, const char *condition, const char *format, ...)
{
    checks_made++;
    if (holds)
        return;
    fprintf(stderr, "%s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (%s)\n", condition);
    exit(1);
}

void check_status(ll_stat status, ll_stat expected, const char *what, const char *file, int line,
                  const char *expression)
{
    check_condition(status == expected, file, line, expression, "%s: status %d instead of %d", what, (int)status,
                    (int)expected);
}

struct file new_file(const char *path)
{
    return (struct file){.path = path, .descriptor = -1};
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */

static ll_path path_of(const struct file *file)
{
    return (ll_path){.ll_path_len = (u_int)strlen(file->path), .ll_path_val = (char *)file->path};
}

struct open_outcome open_file(struct lc_session *session, struct file *file, u_int flags)
{
    LL_OPENargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE), .path = path_of(file), .flags = flags, .mode = 0600};
    LL_OBJECTres result = {0};
    lc_expect_answer(session->calls, ll_open_1(&arguments, &result, session->calls), "OPEN");
    lc_expect_executed(session, &result.sequence, "OPEN");
    struct open_outcome outcome = {.status = result.result.status};
    if (outcome.status == LL_OK) {
        outcome.attributes = result.result.ll_object_result_u.resok.attributes;
        memcpy(file->handle, result.result.ll_object_result_u.resok.fh, sizeof file->handle);
    } else {
        outcome.detail_length = result.result.ll_object_result_u.error.detail.ll_detail_len;
    }
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_OBJECTres, (caddr_t)&result);
    return outcome;
}

ll_stat remove_file(struct lc_session *session, struct file *file)
{
    LL_REMOVEargs arguments = {.sequence = lc_sequence(session, 0, TRUE), .path = path_of(file)};
    LL_VOIDres result = {0};
    lc_expect_answer(session->calls, ll_remove_1(&arguments, &result, session->calls), "REMOVE");
    lc_expect_executed(session, &result.sequence, "REMOVE");
    ll_stat status = result.result.status;
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_VOIDres, (caddr_t)&result);
    return status;
}

static void write_once(struct lc_session *session, struct file *file, uint64_t offset, size_t count)
{
    LL_WRITEargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE),
        .offset = offset,
        .stable = TRUE,
        .data = {.data_len = (u_int)count, .data_val = (char *)file->model + offset},
    };
    memcpy(arguments.fh, file->handle, sizeof arguments.fh);
    LL_WRITEres result = {0};
    lc_expect_answer(session->calls, ll_write_1(&arguments, &result, session->calls), "WRITE");
    lc_expect_executed(session, &result.sequence, "WRITE");
    expect_status(result.result.status, LL_OK, "WRITE");
    expect(result.result.ll_write_result_u.resok.count == count, "WRITE stores all");
    expect(result.result.ll_write_result_u.resok.size == offset + count, "WRITE extends the file");
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_WRITEres, (caddr_t)&result);
}

void write_units(struct lc_session *session, struct file *file, size_t unit, size_t count)
{
    file->size = unit * count;
    file->model = malloc(file->size);
    expect(file->model != NULL, "memory");
    /* Eight bytes that are never the same as eight others: what is moved by mistake shows. */
    for (uint64_t i = 0; i < file->size; i += 8) {
        uint64_t word = (i + 1) * 0x9e3779b97f4a7c15;
        memcpy(file->model + i, &word, sizeof word);
    }
    for (size_t i = 0; i < count; i++)
        write_once(session, file, i * unit, unit);
}

void check_bytes(const unsigned char *bytes, const struct file *file, uint64_t offset, uint64_t length,
                 const char *what)
{
    for (uint64_t i = 0; i < length; i++) {
        if (bytes[i] != file->model[offset + i]) {
            expect(false, "%s: byte %" PRIu64 " of %s is %#x instead of %#x", what, offset + i, file->path, bytes[i],
                   file->model[offset + i]);
        }
    }
    expect(true, "all bytes");
}

void check_read(struct lc_session *session, const struct file *file, const char *what)
{
    uint64_t offset = 0;
    bool at_end = false;
    while (!at_end) {
        LL_READargs arguments = {.sequence = lc_sequence(session, 0, FALSE), .offset = offset, .count = LL_IO_MAX};
        memcpy(arguments.fh, file->handle, sizeof arguments.fh);
        LL_READres result = {0};
        lc_expect_answer(session->calls, ll_read_1(&arguments, &result, session->calls), "READ");
        lc_expect_executed(session, &result.sequence, "READ");
        expect_status(result.result.status, LL_OK, what);
        const ll_read_resok *ok = &result.result.ll_read_result_u.resok;
        u_int count = ok->data.data_len;
        expect(offset + count <= file->size, "%s: the file has %" PRIu64 " bytes", what, file->size);
        check_bytes((const unsigned char *)ok->data.data_val, file, offset, count, what);
        at_end = ok->eof;
        expect(at_end || count > 0, "%s: READ goes on", what);
        offset += count;
        clnt_freeres(session->calls, (xdrproc_t)xdr_LL_READres, (caddr_t)&result);
    }
    expect(offset == file->size, "%s: READ ends at %" PRIu64 " of %" PRIu64, what, offset, file->size);
}

/* ---- Layouts ----------------------------------------------------------------------------------------------------- */

static void look_at_extents(const ll_layout_resok *ok, struct grant *grant)
{
    uint64_t end = ok->offset;
    grant->extents_are_gapless = true;
    for (u_int i = 0; i < ok->extents.extents_len; i++) {
        const ll_extent *extent = &ok->extents.extents_val[i];
        grant->extents_are_gapless &= extent->offset == end && extent->length > 0;
        grant->has_hole |= extent->state == LL_EXTENT_HOLE;
        end += extent->length;
    }
    grant->extents_are_gapless &= end == ok->offset + ok->length;
}

struct grant layout_get(struct lc_session *session, struct file *file, ll_iomode iomode, uint64_t offset,
                        uint64_t length, uint64_t known_epoch)
{
    LL_LAYOUTGETargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE),
        .stateid = file->stateid,
        .addressing = LL_ADDRESSING_FILE,
        .iomode = iomode,
        .offset = offset,
        .length = length,
        .maxcount = 64 << 10,
        .known_epoch = known_epoch,
    };
    memcpy(arguments.fh, file->handle, sizeof arguments.fh);
    LL_LAYOUTGETres result = {0};
    lc_expect_answer(session->calls, ll_layoutget_1(&arguments, &result, session->calls), "LAYOUTGET");
    lc_expect_executed(session, &result.sequence, "LAYOUTGET");
    struct grant grant = {.status = result.result.status};
    if (grant.status == LL_OK) {
        static const ll_token zero;
        const ll_layout_resok *ok = &result.result.ll_layoutget_result_u.resok;
        grant.stateid = ok->stateid;
        grant.offset = ok->offset;
        grant.length = ok->length;
        grant.file_size = ok->file_size;
        grant.epoch = ok->epoch;
        memcpy(grant.deviceid, ok->deviceid, sizeof grant.deviceid);
        memcpy(grant.token, ok->token, sizeof grant.token);
        grant.token_is_zero = memcmp(zero, ok->token, sizeof zero) == 0;
        grant.capabilities = ok->capabilities;
        grant.shifts_known = ok->shifts_known;
        grant.shift_count = ok->shifts.shifts_len;
        if (grant.shift_count > 0)
            grant.first_shift = ok->shifts.shifts_val[0];
        look_at_extents(ok, &grant);
        expect(ok->iomode == iomode, "the iomode that was asked for");
        file->stateid = ok->stateid;
        file->epoch = ok->epoch;
    }
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_LAYOUTGETres, (caddr_t)&result);
    return grant;
}

ll_stat layout_commit(struct lc_session *session, const struct file *file, uint64_t offset, uint64_t length)
{
    LL_LAYOUTCOMMITargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE), .stateid = file->stateid, .offset = offset, .length = length};
    memcpy(arguments.fh, file->handle, sizeof arguments.fh);
    LL_LAYOUTCOMMITres result = {0};
    lc_expect_answer(session->calls, ll_layoutcommit_1(&arguments, &result, session->calls), "LAYOUTCOMMIT");
    lc_expect_executed(session, &result.sequence, "LAYOUTCOMMIT");
    ll_stat status = result.result.status;
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_LAYOUTCOMMITres, (caddr_t)&result);
    return status;
}

static struct return_outcome send_return(struct lc_session *session, LL_LAYOUTRETURNargs *arguments)
{
    LL_LAYOUTRETURNres result = {0};
    lc_expect_answer(session->calls, ll_layoutreturn_1(arguments, &result, session->calls), "LAYOUTRETURN");
    lc_expect_executed(session, &result.sequence, "LAYOUTRETURN");
    struct return_outcome outcome = {.status = result.result.status};
    if (outcome.status == LL_OK) {
        outcome.present = result.result.ll_layoutreturn_result_u.resok.present;
        outcome.stateid = result.result.ll_layoutreturn_result_u.resok.stateid;
    }
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_LAYOUTRETURNres, (caddr_t)&result);
    return outcome;
}

struct return_outcome layout_return(struct lc_session *session, const struct file *file, ll_iomode iomode,
                                    uint64_t offset, uint64_t length)
{
    LL_LAYOUTRETURNargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE),
        .type = LL_RETURN_FILE,
        .stateid = file->stateid,
        .iomode = iomode,
        .offset = offset,
        .length = length,
    };
    memcpy(arguments.fh, file->handle, sizeof arguments.fh);
    return send_return(session, &arguments);
}

struct return_outcome layout_return_all(struct lc_session *session)
{
    LL_LAYOUTRETURNargs arguments = {
        .sequence = lc_sequence(session, 0, TRUE), .type = LL_RETURN_ALL, .iomode = LL_IOMODE_ANY};
    return send_return(session, &arguments);
}

/* ---- Changes ----------------------------------------------------------------------------------------------------- */

LL_CHANGEargs change_arguments(struct lc_session *session, const struct file *file, uint64_t offset, uint64_t length)
{
    LL_CHANGEargs arguments = {
        .sequence = lc_sequence(session, 1, TRUE), .offset = offset, .length = length, .wait_ms = 15000};
    memcpy(arguments.fh, file->handle, sizeof arguments.fh);
    return arguments;
}

static struct change_outcome outcome_of(const LL_CHANGEres *result)
{
    struct change_outcome outcome = {.sequence_status = result->sequence.status, .status = result->result.status};
    if (outcome.status == LL_OK) {
        const ll_change_resok *ok = &result->result.ll_change_result_u.resok;
        outcome.size = ok->size;
        outcome.change = ok->change;
        outcome.epoch = ok->epoch;
        outcome.layout_present = ok->layout_present;
        outcome.stateid = ok->stateid;
        outcome.recalled = ok->recalled;
    }
    return outcome;
}

struct change_outcome insert_range(struct lc_session *session, LL_CHANGEargs *arguments)
{
    LL_CHANGEres result = {0};
    lc_expect_answer(session->calls, ll_insert_range_1(arguments, &result, session->calls), "INSERT_RANGE");
    struct change_outcome outcome = outcome_of(&result);
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_CHANGEres, (caddr_t)&result);
    return outcome;
}

struct change_outcome punch_hole(struct lc_session *session, LL_CHANGEargs *arguments)
{
    LL_CHANGEres result = {0};
    lc_expect_answer(session->calls, ll_punch_hole_1(arguments, &result, session->calls), "PUNCH_HOLE");
    struct change_outcome outcome = outcome_of(&result);
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_CHANGEres, (caddr_t)&result);
    return outcome;
}

bool same_outcome(const struct change_outcome *one, const struct change_outcome *other)
{
    return one->sequence_status == other->sequence_status && one->status == other->status && one->size == other->size
        && one->change == other->change && one->epoch == other->epoch && one->layout_present == other->layout_present
        && one->stateid.seqid == other->stateid.seqid
        && memcmp(one->stateid.other, other->stateid.other, sizeof one->stateid.other) == 0
        && one->recalled == other->recalled;
}

void model_insert(struct file *file, uint64_t offset, uint64_t length)
{
    unsigned char *model = realloc(file->model, file->size + length);
    expect(model != NULL, "memory");
    memmove(model + offset + length, model + offset, file->size - offset);
    memset(model + offset, 0, length);
    file->model = model;
    file->size += length;
}
