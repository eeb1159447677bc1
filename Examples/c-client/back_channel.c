/*
 * Calls from the server, served by libtirpc's service side on a connection of our own making [R4.3, R4.6].
 *
 * The connection is made, and bound, with the call side (a CLIENT); then the CLIENT goes and leaves the socket, which
 * svc_fd_create() takes over. The dispatcher is rpcgen's.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* rpcgen's, in layout_dispatch.c; it calls the cb_..._1_svc functions below. */
void layout_callback_program_1(struct svc_req *request, SVCXPRT *transport);

/* libtirpc's dispatcher has no room for a context, so there is one back channel per process. */
static struct {
    pthread_t thread;
    SVCXPRT *transport;
    int connection; /* the transport's */
    int stop; /* an eventfd */
    ll_sessionid sessionid;

    pthread_mutex_t lock;
    pthread_cond_t arrived;
    /* Each slot has at most one call under way: never more recalls than that wait to be picked up between two calls of
     * the application, but several may over time. */
    CB_LAYOUTRECALLargs recalls[64];
    size_t first, count;
    struct {
        bool_t used;
        u_int sequenceid; /* of the last call; it wraps, so 0 is a number like others */
        ll_stat answer;   /* to it, for a copy that comes again */
    } slots[LC_BACK_SLOTS];
} back = {.connection = -1, .stop = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- What the server calls --------------------------------------------------------------------------------------- */

/*
 * Looks at the numbers of a call [R4.6-1]. FALSE: *answer is all there is to say, since this is a copy of the last call
 * or out of order.
 */
static bool_t is_new(const CB_sequence_args *sequence, ll_stat *answer)
{
    if (memcmp(sequence->sessionid, back.sessionid, sizeof back.sessionid) != 0) {
        *answer = LL_BADSESSION;
        return FALSE;
    }
    if (sequence->slotid >= LC_BACK_SLOTS) {
        *answer = LL_BADSLOT;
        return FALSE;
    }
    u_int last = back.slots[sequence->slotid].sequenceid;
    if (back.slots[sequence->slotid].used && sequence->sequenceid == last) {
        *answer = back.slots[sequence->slotid].answer;
        return FALSE;
    }
    if (sequence->sequenceid != last + 1) {
        *answer = LL_SEQ_MISORDERED;
        return FALSE;
    }
    return TRUE;
}

static void keep_answer(const CB_sequence_args *sequence, ll_stat answer)
{
    back.slots[sequence->slotid].used = TRUE;
    back.slots[sequence->slotid].sequenceid = sequence->sequenceid;
    back.slots[sequence->slotid].answer = answer;
}

bool_t cb_null_1_svc(void *arguments, void *result, struct svc_req *request)
{
    (void)arguments, (void)result, (void)request;
    return TRUE;
}

/* Is answered at once: OK says that the range will be given back, not that it has been [R6.3-3]. */
bool_t cb_layoutrecall_1_svc(CB_LAYOUTRECALLargs *arguments, CB_STATUSres *result, struct svc_req *request)
{
    (void)request;
    pthread_mutex_lock(&back.lock);
    if (is_new(&arguments->sequence, &result->status)) {
        size_t limit = sizeof back.recalls / sizeof back.recalls[0];
        if (back.count == limit) {
            result->status = LL_DELAY; /* the server asks again [R6.3-7] */
        } else {
            CB_LAYOUTRECALLargs *copy = &back.recalls[(back.first + back.count) % limit];
            *copy = *arguments;
            /* The bytes of the name belong to the request. */
            copy->requester_command.ll_name_val = NULL;
            copy->requester_command.ll_name_len = 0;
            back.count++;
            result->status = LL_OK;
            pthread_cond_signal(&back.arrived);
        }
        keep_answer(&arguments->sequence, result->status);
    }
    pthread_mutex_unlock(&back.lock);
    return TRUE;
}

/* Asks for layouts of our choice within a lease period; this client holds few and keeps them [R6.3-18: SHOULD]. */
bool_t cb_recall_any_1_svc(CB_RECALL_ANYargs *arguments, CB_STATUSres *result, struct svc_req *request)
{
    (void)request;
    pthread_mutex_lock(&back.lock);
    if (is_new(&arguments->sequence, &result->status)) {
        result->status = LL_OK;
        keep_answer(&arguments->sequence, result->status);
    }
    pthread_mutex_unlock(&back.lock);
    return TRUE;
}

bool_t cb_notify_deviceid_1_svc(CB_NOTIFY_DEVICEIDargs *arguments, CB_STATUSres *result, struct svc_req *request)
{
    (void)request;
    pthread_mutex_lock(&back.lock);
    if (is_new(&arguments->sequence, &result->status)) {
        result->status = LL_NOTSUPP; /* [R6.3-20] */
        keep_answer(&arguments->sequence, result->status);
    }
    pthread_mutex_unlock(&back.lock);
    return TRUE;
}

int layout_callback_program_1_freeresult(SVCXPRT *transport, xdrproc_t type, caddr_t result)
{
    (void)transport;
    xdr_free(type, result);
    return 1;
}

/* ---- The connection ---------------------------------------------------------------------------------------------- */

static void *serve(void *unused)
{
    (void)unused;
    /* Not svc_run(): it cannot be told to end while it waits. */
    for (;;) {
        struct pollfd watched[] = {
            {.fd = back.connection, .events = POLLIN},
            {.fd = back.stop, .events = POLLIN},
        };
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            lc_fail("poll: %s", strerror(errno));
        if (watched[1].revents != 0)
            return NULL;
        if (watched[0].revents == 0)
            continue;
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(back.connection, &ready);
        svc_getreqset(&ready);
        /* A connection that ended is gone from the set, and closed. A program that goes on would bind another one. */
        if (!FD_ISSET(back.connection, &svc_fdset))
            lc_fail("the server closed the back channel");
    }
}

void lc_open_back_channel(struct lc_session *session)
{
    CLIENT *client = lc_connect(session->address);
    LL_BIND_CONNargs arguments = {.dir = LL_DIR_BACK};
    memcpy(arguments.sessionid, session->sessionid, sizeof arguments.sessionid);
    LL_BIND_CONNres result = {0};
    lc_expect_answer(client, ll_bind_conn_to_session_1(&arguments, &result, client), "BIND_CONN_TO_SESSION");
    lc_expect_ok(result.status, &result.LL_BIND_CONNres_u.error, "BIND_CONN_TO_SESSION");
    if (result.LL_BIND_CONNres_u.resok.dir != LL_DIR_BACK)
        lc_fail("BIND_CONN_TO_SESSION: asked for the back channel, got %d", result.LL_BIND_CONNres_u.resok.dir);

    memcpy(back.sessionid, session->sessionid, sizeof back.sessionid);
    clnt_control(client, CLGET_FD, (char *)&back.connection);
    clnt_control(client, CLSET_FD_NCLOSE, NULL);
    auth_destroy(client->cl_auth);
    clnt_destroy(client);

    back.transport = svc_fd_create(back.connection, 0, 0);
    if (back.transport == NULL)
        lc_fail("svc_fd_create does not take the connection over");
    /* Without a netconfig entry: nothing is told to rpcbind. */
    if (!svc_reg(back.transport, LAYOUT_CALLBACK_PROGRAM, LAYOUT_CALLBACK_V1, layout_callback_program_1, NULL))
        lc_fail("svc_reg does not take the callback program");

    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&back.arrived, &attributes);
    pthread_condattr_destroy(&attributes);
    back.stop = eventfd(0, EFD_CLOEXEC);
    if (back.stop < 0)
        lc_fail("eventfd: %s", strerror(errno));
    int error = pthread_create(&back.thread, NULL, serve, NULL);
    if (error != 0)
        lc_fail("pthread_create: %s", strerror(error));
}

bool_t lc_wait_for_recall(CB_LAYOUTRECALLargs *recall, int timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&back.lock);
    while (back.count == 0) {
        if (pthread_cond_timedwait(&back.arrived, &back.lock, &end) == ETIMEDOUT)
            break;
    }
    bool_t found = back.count > 0;
    if (found) {
        *recall = back.recalls[back.first];
        back.first = (back.first + 1) % (sizeof back.recalls / sizeof back.recalls[0]);
        back.count--;
    }
    pthread_mutex_unlock(&back.lock);
    return found;
}

void lc_close_back_channel(void)
{
    if (eventfd_write(back.stop, 1) < 0)
        lc_fail("eventfd_write: %s", strerror(errno));
    pthread_join(back.thread, NULL);
    close(back.stop);
    SVC_DESTROY(back.transport);
    back.transport = NULL;
    back.connection = -1;
}
