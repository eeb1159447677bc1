/*
 * A client of the layout lease protocol with nothing but rpcgen's stubs and libtirpc around them.
 *
 * It shows the parts that the stubs do not do: numbering calls on slots, serving calls from the server on a second
 * connection, and fetching a file descriptor. Numbers in brackets are requirements of Protocol/Specification.md.
 *
 * A failure of the network, and any answer that the protocol does not allow, ends the program with a message: that
 * keeps an example short. One thread at a time makes calls; the back channel has a thread of its own.
 */
#ifndef C_CLIENT_H
#define C_CLIENT_H

#include "layout.h"

#define LC_SLOTS 4      /* asked for; calls that wait at the server may use all but two [R6.4-16] */
#define LC_BACK_SLOTS 2 /* for calls from the server */
#define LC_TO_THE_END UINT64_MAX

/* ---- connection.c */

/* Says what went wrong, as printf does, and ends the program. */
void lc_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/*
 * Connects to layout+unix:///PATH or layout+tcp://HOST:PORT and makes a CLIENT for calls, which owns the socket. The
 * credential is AUTH_SYS with this process's user; on a Unix socket the server asks the kernel instead [R3.4].
 */
CLIENT *lc_connect(const char *address);

/* Connects to a Unix socket of a type, such as SOCK_SEQPACKET. */
int lc_connect_unix(const char *path, int type);

/* Ends the program unless a call came back with an answer. */
void lc_expect_answer(CLIENT *client, enum clnt_stat outcome, const char *procedure);

/* ---- session.c */

struct lc_session {
    const char *address;
    CLIENT *calls;                /* the fore channel */
    ll_clientid clientid;
    ll_sessionid sessionid;
    u_int slots;                  /* in force: the server may allow fewer than were asked for */
    u_int sequenceids[LC_SLOTS];  /* of the last call on each slot */
    u_int lease_ms;               /* call more often than this, or lose the layouts */
    u_int status_flags;           /* of the last reply */
};

/* Makes the client known under a name, and a session without a back channel. */
void lc_open_session(struct lc_session *session, const char *address, const char *owner);

/* Ends the session and the client. All layouts have to be back. */
void lc_close_session(struct lc_session *session);

/*
 * What every call begins with: the next number of a slot. keep_reply is for calls that change something: sent again
 * with the same number, they get the same reply instead of a second execution [R4.4-8].
 */
ll_sequence_args lc_sequence(struct lc_session *session, u_int slot, bool_t keep_reply);

/*
 * What every reply begins with. Ends the program unless the call was executed; a result that is not LL_OK is for the
 * caller.
 */
void lc_expect_executed(struct lc_session *session, const ll_sequence_res *sequence, const char *procedure);

/* Renews the lease: SEQUENCE on slot 0. */
void lc_renew(struct lc_session *session);

/* Ends the program unless a status is LL_OK; the detail is the server's explanation. */
void lc_expect_ok(ll_stat status, const ll_error *error, const char *procedure);

/* ---- back_channel.c */

/*
 * Makes a second connection the session's back channel and serves it by a thread. Do it before the first LAYOUTGET:
 * without a back channel nothing is granted [R6.1-9], and with nothing granted no recall can follow the binding so
 * closely that libtirpc's call side reads it away from the service side.
 */
void lc_open_back_channel(struct lc_session *session);

/* Waits for the next recall; FALSE when the time is over. What it points to is the caller's. */
bool_t lc_wait_for_recall(CB_LAYOUTRECALLargs *recall, int timeout_ms);

/* Closes the second connection and ends the thread. */
void lc_close_back_channel(void);

/* ---- descriptor.c */

/* Asks where descriptors are fetched; ends the program if that is not this host. The path is for free(). */
char *lc_descriptor_socket(struct lc_session *session, const ll_deviceid device);

/*
 * Exchanges a token for a descriptor of a regular file. Returns the server's answer [R7.1-2]: 0, and then *descriptor
 * is open, or the reason why there is none.
 */
int lc_redeem(const char *socket_path, const ll_token token, int *descriptor);

#endif
