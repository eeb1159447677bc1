/*
 * libtirpc for Swift: its headers, and flat, allocation-free wrappers around its RPC message codec (RFC 5531).
 *
 * The wrappers decode from and encode into memory that the caller owns (xdrmem). libtirpc would allocate the opaque
 * parts of a message by itself; here it always finds a buffer of the protocol's own bound, so that a message decides
 * over no allocation. All functions may be called on any thread.
 */
#ifndef CTIRPC_SHIM_H
#define CTIRPC_SHIM_H

#include <errno.h>
#include <netconfig.h>
#include <rpc/rpc.h>
#include <rpc/rpcb_clnt.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* The layout of the kernel's struct ucred, which <sys/socket.h> shows to _GNU_SOURCE only: what SO_PEERCRED returns. */
struct ctirpc_peer_credentials {
    int32_t  pid;
    uint32_t uid;
    uint32_t gid;
};

/* What every RPC message starts with. */
struct ctirpc_prefix {
    uint32_t xid;
    uint32_t direction;   /* CALL, REPLY, or what the peer made up */
    uint32_t rpc_version; /* of a CALL of at least 12 bytes, else 0 */
};

/* The header of a call. Its credential starts at byte CTIRPC_CREDENTIAL_OFFSET of the message. */
struct ctirpc_call_header {
    uint32_t xid;
    uint32_t program;
    uint32_t version;
    uint32_t procedure;
    uint32_t credential_flavor;
    uint32_t credential_length;
    uint32_t verifier_flavor;
    uint32_t verifier_length;
    uint32_t body_offset;
};

/* xid, direction, RPC version, program, version, procedure, then flavor and length of the credential. */
#define CTIRPC_CREDENTIAL_OFFSET 32

/* The header of a reply. `denied` says which of the two status codes holds. */
struct ctirpc_reply_header {
    uint32_t xid;
    uint32_t denied;      /* 0: MSG_ACCEPTED, 1: MSG_DENIED */
    uint32_t status;      /* accept_stat or reject_stat */
    uint32_t auth_status; /* with AUTH_ERROR */
    uint32_t low;         /* with PROG_MISMATCH and RPC_MISMATCH */
    uint32_t high;
    uint32_t body_offset; /* of the results, with SUCCESS */
};

/* AUTH_SYS (RFC 5531 appendix A). `name` is not terminated within `name_length`. */
struct ctirpc_auth_sys {
    uint32_t stamp;
    uint32_t uid;
    uint32_t gid;
    uint32_t gid_count;
    uint32_t gids[NGRPS];
    uint32_t name_length;
    char     name[MAX_MACHINE_NAME + 1];
};

/* Reads the first words of a message. False if it is shorter than a transaction id and a direction. */
static inline bool_t ctirpc_decode_prefix(const void *bytes, size_t length, struct ctirpc_prefix *prefix)
{
    XDR xdrs;
    if (length > UINT32_MAX)
        return FALSE;
    xdrmem_create(&xdrs, (char *)bytes, (u_int)length, XDR_DECODE);
    prefix->rpc_version = 0;
    if (!xdr_u_int32_t(&xdrs, &prefix->xid) || !xdr_u_int32_t(&xdrs, &prefix->direction))
        return FALSE;
    if (prefix->direction == CALL)
        (void)xdr_u_int32_t(&xdrs, &prefix->rpc_version);
    return TRUE;
}

/* Decodes the header of a call of RPC version 2. False if it is cut off or an authenticator exceeds 400 bytes. */
static inline bool_t ctirpc_decode_call(const void *bytes, size_t length, struct ctirpc_call_header *header)
{
    char credential[MAX_AUTH_BYTES];
    char verifier[MAX_AUTH_BYTES];
    struct rpc_msg message;
    XDR xdrs;
    if (length > UINT32_MAX)
        return FALSE;
    memset(&message, 0, sizeof message);
    message.rm_call.cb_cred.oa_base = credential;
    message.rm_call.cb_verf.oa_base = verifier;
    xdrmem_create(&xdrs, (char *)bytes, (u_int)length, XDR_DECODE);
    if (!xdr_callmsg(&xdrs, &message))
        return FALSE;
    header->xid = message.rm_xid;
    header->program = message.rm_call.cb_prog;
    header->version = message.rm_call.cb_vers;
    header->procedure = message.rm_call.cb_proc;
    header->credential_flavor = (uint32_t)message.rm_call.cb_cred.oa_flavor;
    header->credential_length = message.rm_call.cb_cred.oa_length;
    header->verifier_flavor = (uint32_t)message.rm_call.cb_verf.oa_flavor;
    header->verifier_length = message.rm_call.cb_verf.oa_length;
    header->body_offset = xdr_getpos(&xdrs);
    return TRUE;
}

/* Encodes the header of a call. Returns its length, or 0 if it does not fit or the credential is too long. */
static inline size_t ctirpc_encode_call(void *bytes, size_t capacity, uint32_t xid, uint32_t program, uint32_t version,
                                        uint32_t procedure, uint32_t flavor, const void *credential,
                                        size_t credential_length)
{
    struct rpc_msg message;
    XDR xdrs;
    if (capacity > UINT32_MAX || credential_length > MAX_AUTH_BYTES)
        return 0;
    memset(&message, 0, sizeof message);
    message.rm_xid = xid;
    message.rm_direction = CALL;
    message.rm_call.cb_rpcvers = RPC_MSG_VERSION;
    message.rm_call.cb_prog = program;
    message.rm_call.cb_vers = version;
    message.rm_call.cb_proc = procedure;
    message.rm_call.cb_cred.oa_flavor = (enum_t)flavor;
    message.rm_call.cb_cred.oa_base = (char *)credential;
    message.rm_call.cb_cred.oa_length = (u_int)credential_length;
    message.rm_call.cb_verf.oa_flavor = AUTH_NONE;
    xdrmem_create(&xdrs, (char *)bytes, (u_int)capacity, XDR_ENCODE);
    return xdr_callmsg(&xdrs, &message) ? xdr_getpos(&xdrs) : 0;
}

/* Results are encoded behind the header by the caller. */
static inline bool_t ctirpc_no_results(XDR *xdrs, ...)
{
    (void)xdrs;
    return TRUE;
}

/* Decodes the header of a reply. False if it is cut off or a status is none of RFC 5531. */
static inline bool_t ctirpc_decode_reply(const void *bytes, size_t length, struct ctirpc_reply_header *header)
{
    char verifier[MAX_AUTH_BYTES];
    struct rpc_msg message;
    XDR xdrs;
    if (length > UINT32_MAX)
        return FALSE;
    memset(&message, 0, sizeof message);
    memset(header, 0, sizeof *header);
    message.acpted_rply.ar_verf.oa_base = verifier;
    message.acpted_rply.ar_results.where = NULL;
    message.acpted_rply.ar_results.proc = (xdrproc_t)ctirpc_no_results;
    xdrmem_create(&xdrs, (char *)bytes, (u_int)length, XDR_DECODE);
    if (!xdr_replymsg(&xdrs, &message))
        return FALSE;
    header->xid = message.rm_xid;
    header->body_offset = xdr_getpos(&xdrs);
    if (message.rm_reply.rp_stat == MSG_ACCEPTED) {
        header->status = (uint32_t)message.acpted_rply.ar_stat;
        if (header->status == PROG_MISMATCH) {
            header->low = message.acpted_rply.ar_vers.low;
            header->high = message.acpted_rply.ar_vers.high;
        }
        return header->status <= SYSTEM_ERR;
    }
    if (message.rm_reply.rp_stat != MSG_DENIED)
        return FALSE;
    header->denied = 1;
    header->status = (uint32_t)message.rjcted_rply.rj_stat;
    if (header->status == RPC_MISMATCH) {
        header->low = message.rjcted_rply.rj_vers.low;
        header->high = message.rjcted_rply.rj_vers.high;
    } else if (header->status == AUTH_ERROR) {
        header->auth_status = (uint32_t)message.rjcted_rply.rj_why;
    } else {
        return FALSE;
    }
    return TRUE;
}

/* Encodes the header of a reply (`body_offset` is ignored). Returns its length, or 0 if it does not fit. */
static inline size_t ctirpc_encode_reply(void *bytes, size_t capacity, const struct ctirpc_reply_header *header)
{
    struct rpc_msg message;
    XDR xdrs;
    if (capacity > UINT32_MAX)
        return 0;
    memset(&message, 0, sizeof message);
    message.rm_xid = header->xid;
    message.rm_direction = REPLY;
    if (header->denied) {
        message.rm_reply.rp_stat = MSG_DENIED;
        message.rjcted_rply.rj_stat = (enum reject_stat)header->status;
        if (header->status == RPC_MISMATCH) {
            message.rjcted_rply.rj_vers.low = header->low;
            message.rjcted_rply.rj_vers.high = header->high;
        } else {
            message.rjcted_rply.rj_why = (enum auth_stat)header->auth_status;
        }
    } else {
        message.rm_reply.rp_stat = MSG_ACCEPTED;
        message.acpted_rply.ar_verf.oa_flavor = AUTH_NONE;
        message.acpted_rply.ar_stat = (enum accept_stat)header->status;
        if (header->status == SUCCESS) {
            message.acpted_rply.ar_results.proc = (xdrproc_t)ctirpc_no_results;
        } else if (header->status == PROG_MISMATCH) {
            message.acpted_rply.ar_vers.low = header->low;
            message.acpted_rply.ar_vers.high = header->high;
        }
    }
    xdrmem_create(&xdrs, (char *)bytes, (u_int)capacity, XDR_ENCODE);
    return xdr_replymsg(&xdrs, &message) ? xdr_getpos(&xdrs) : 0;
}

/*
 * Decodes the body of an AUTH_SYS credential. False if a bound is exceeded (16 groups, 255 bytes of name), if it is cut
 * off, if bytes follow it, or if the name contains a NUL.
 */
static inline bool_t ctirpc_decode_auth_sys(const void *bytes, size_t length, struct ctirpc_auth_sys *credential)
{
    struct authunix_parms parameters;
    uint32_t announced;
    XDR xdrs;
    if (length > MAX_AUTH_BYTES || length < 8)
        return FALSE;
    memset(&parameters, 0, sizeof parameters);
    parameters.aup_machname = credential->name;
    parameters.aup_gids = credential->gids;
    xdrmem_create(&xdrs, (char *)bytes, (u_int)length, XDR_DECODE);
    if (!xdr_authunix_parms(&xdrs, &parameters) || xdr_getpos(&xdrs) != length)
        return FALSE;
    credential->stamp = (uint32_t)parameters.aup_time;
    credential->uid = parameters.aup_uid;
    credential->gid = parameters.aup_gid;
    credential->gid_count = parameters.aup_len;
    credential->name_length = (uint32_t)strlen(credential->name);
    /* The length word follows the stamp; strlen() differs from it if a NUL cuts the name. */
    memcpy(&announced, (const char *)bytes + 4, sizeof announced);
    return ntohl(announced) == credential->name_length;
}

/* Encodes the body of an AUTH_SYS credential. Returns its length, or 0 if it does not fit or a bound is exceeded. */
static inline size_t ctirpc_encode_auth_sys(void *bytes, size_t capacity, const struct ctirpc_auth_sys *credential)
{
    struct authunix_parms parameters;
    XDR xdrs;
    if (capacity > UINT32_MAX || credential->gid_count > NGRPS || credential->name_length > MAX_MACHINE_NAME
        || strnlen(credential->name, sizeof credential->name) != credential->name_length)
        return 0;
    memset(&parameters, 0, sizeof parameters);
    parameters.aup_time = credential->stamp;
    parameters.aup_machname = (char *)credential->name;
    parameters.aup_uid = credential->uid;
    parameters.aup_gid = credential->gid;
    parameters.aup_len = credential->gid_count;
    parameters.aup_gids = (gid_t *)credential->gids;
    xdrmem_create(&xdrs, (char *)bytes, (u_int)capacity, XDR_ENCODE);
    return xdr_authunix_parms(&xdrs, &parameters) ? xdr_getpos(&xdrs) : 0;
}

/* What came of asking rpcbind. */
enum ctirpc_rpcb_outcome {
    CTIRPC_RPCB_DONE,        /* rpcbind did it */
    CTIRPC_RPCB_REFUSED,     /* rpcbind answered no */
    CTIRPC_RPCB_UNREACHABLE, /* no connection to rpcbind; `status` and `error` say why */
    CTIRPC_RPCB_NO_NETID,    /* /etc/netconfig has no such transport */
};

/* A clnt_stat and an errno value, both 0 unless the outcome is CTIRPC_RPCB_UNREACHABLE. */
struct ctirpc_rpcb_result {
    enum ctirpc_rpcb_outcome outcome;
    int32_t status;
    int32_t error;
};

/* Tells rpcbind that (program, version) is served at `address` (NULL: no longer). Blocks, up to a minute. */
static inline struct ctirpc_rpcb_result ctirpc_rpcb_update(const char *netid, uint32_t program, uint32_t version,
                                                           const struct sockaddr *address, socklen_t address_length)
{
    struct ctirpc_rpcb_result result = {CTIRPC_RPCB_NO_NETID, 0, 0};
    struct netconfig *transport = getnetconfigent(netid);
    bool_t done;
    if (transport == NULL)
        return result;
    memset(&rpc_createerr, 0, sizeof rpc_createerr);
    if (address != NULL) {
        struct netbuf where = {address_length, address_length, (void *)address};
        done = rpcb_set(program, version, transport, &where);
    } else {
        done = rpcb_unset(program, version, transport);
    }
    freenetconfigent(transport);
    if (done) {
        result.outcome = CTIRPC_RPCB_DONE;
    } else if (rpc_createerr.cf_stat == RPC_SUCCESS) {
        result.outcome = CTIRPC_RPCB_REFUSED;
    } else {
        result.outcome = CTIRPC_RPCB_UNREACHABLE;
        result.status = (int32_t)rpc_createerr.cf_stat;
        result.error = rpc_createerr.cf_error.re_errno;
    }
    return result;
}

#endif
