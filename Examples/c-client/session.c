/* Clients, sessions and slots [section 4]. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void lc_expect_ok(ll_stat status, const ll_error *error, const char *procedure)
{
    if (status == LL_OK)
        return;
    lc_fail("%s: status %d: %.*s", procedure, status, (int)error->detail.ll_detail_len, error->detail.ll_detail_val);
}

static void exchange_id(struct lc_session *session, const char *owner, u_int *next_sequenceid)
{
    LL_EXCHANGE_IDargs arguments = {.ownerid = {(u_int)strlen(owner), (char *)owner}};
    /* New with every start, so that the server knows that whatever an earlier one held is gone. */
    if (getrandom(arguments.verifier, sizeof arguments.verifier, 0) != sizeof arguments.verifier)
        lc_fail("no random bytes");
    LL_EXCHANGE_IDres result = {0};
    lc_expect_answer(session->calls, ll_exchange_id_1(&arguments, &result, session->calls), "EXCHANGE_ID");
    lc_expect_ok(result.status, &result.LL_EXCHANGE_IDres_u.error, "EXCHANGE_ID");
    const ll_exchange_id_resok *ok = &result.LL_EXCHANGE_IDres_u.resok;
    session->clientid = ok->clientid;
    session->lease_ms = ok->lease_ms;
    *next_sequenceid = ok->sequenceid;
    clnt_freeres(session->calls, (xdrproc_t)xdr_LL_EXCHANGE_IDres, (caddr_t)&result);
}

static void create_session(struct lc_session *session, u_int sequenceid)
{
    LL_CREATE_SESSIONargs arguments = {
        .clientid = session->clientid,
        .sequenceid = sequenceid,
        /* Not LL_SESSION_BACK_CHANNEL: a CLIENT of libtirpc drops calls that come to it. */
        .flags = 0,
        .fore = {.max_request = 512 << 10, .max_response = 512 << 10, .max_response_cached = 64 << 10,
                 .max_slots = LC_SLOTS},
        .back = {.max_request = 4096, .max_response = 4096, .max_response_cached = 4096, .max_slots = LC_BACK_SLOTS},
        .callback_program = LAYOUT_CALLBACK_PROGRAM,
    };
    LL_CREATE_SESSIONres result = {0};
    lc_expect_answer(session->calls, ll_create_session_1(&arguments, &result, session->calls), "CREATE_SESSION");
    lc_expect_ok(result.status, &result.LL_CREATE_SESSIONres_u.error, "CREATE_SESSION");
    const ll_create_session_resok *ok = &result.LL_CREATE_SESSIONres_u.resok;
    memcpy(session->sessionid, ok->sessionid, sizeof session->sessionid);
    session->slots = ok->fore.max_slots;
    if (session->slots > LC_SLOTS || session->slots == 0)
        lc_fail("CREATE_SESSION: %d slots asked for, %u given", LC_SLOTS, session->slots);
}

void lc_open_session(struct lc_session *session, const char *address, const char *owner)
{
    memset(session, 0, sizeof *session);
    session->address = address;
    session->calls = lc_connect(address);
    u_int sequenceid = 0;
    exchange_id(session, owner, &sequenceid);
    create_session(session, sequenceid);
}

void lc_close_session(struct lc_session *session)
{
    LL_DESTROY_SESSIONargs session_arguments;
    memcpy(session_arguments.sessionid, session->sessionid, sizeof session->sessionid);
    LL_STATUSres result = {0};
    lc_expect_answer(
        session->calls, ll_destroy_session_1(&session_arguments, &result, session->calls), "DESTROY_SESSION");
    lc_expect_ok(result.status, &result.LL_STATUSres_u.error, "DESTROY_SESSION");
    LL_DESTROY_CLIENTIDargs client_arguments = {.clientid = session->clientid};
    memset(&result, 0, sizeof result);
    lc_expect_answer(
        session->calls, ll_destroy_clientid_1(&client_arguments, &result, session->calls), "DESTROY_CLIENTID");
    lc_expect_ok(result.status, &result.LL_STATUSres_u.error, "DESTROY_CLIENTID");
    auth_destroy(session->calls->cl_auth);
    clnt_destroy(session->calls);
    session->calls = NULL;
}

ll_sequence_args lc_sequence(struct lc_session *session, u_int slot, bool_t keep_reply)
{
    if (slot >= session->slots)
        lc_fail("slot %u of a session with %u", slot, session->slots);
    ll_sequence_args sequence = {
        .sequenceid = ++session->sequenceids[slot],
        .slotid = slot,
        .highest_slotid = session->slots - 1,
        .cachethis = keep_reply,
    };
    memcpy(sequence.sessionid, session->sessionid, sizeof sequence.sessionid);
    return sequence;
}

void lc_expect_executed(struct lc_session *session, const ll_sequence_res *sequence, const char *procedure)
{
    /* BADSESSION and the like would ask for a new session [section 8.1]: more than an example shows. */
    if (sequence->status != LL_OK)
        lc_fail("%s was not executed: status %d", procedure, sequence->status);
    session->status_flags = sequence->status_flags;
    /* Somebody lost patience with us: whatever we hold may be changing under our hands [R6.6-9]. */
    if (sequence->status_flags & (LL_STATUS_SOME_REVOKED | LL_STATUS_ALL_REVOKED))
        lc_fail("%s: layouts were revoked (flags %#x)", procedure, sequence->status_flags);
}

void lc_renew(struct lc_session *session)
{
    LL_SEQUENCEargs arguments = {.sequence = lc_sequence(session, 0, FALSE)};
    LL_VOIDres result = {0};
    lc_expect_answer(session->calls, ll_sequence_1(&arguments, &result, session->calls), "SEQUENCE");
    lc_expect_executed(session, &result.sequence, "SEQUENCE");
    lc_expect_ok(result.result.status, &result.result.ll_void_result_u.error, "SEQUENCE");
}
