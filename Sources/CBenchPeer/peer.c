#include "bench_peer.h"

#include "layout.h"

#include <errno.h>
#include <netconfig.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <rpc/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *address)
{
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return 0;
}

/* ---- The server ---------------------------------------------------------------------------------------------- */

/* Decodes the arguments and answers with results that are always the same: the least that libtirpc does for a call. */
static void serve_call(
    struct svc_req *request, SVCXPRT *transport, xdrproc_t decode, void *arguments, xdrproc_t encode, void *results)
{
    (void)request;
    if (!svc_getargs(transport, decode, arguments)) {
        svcerr_decode(transport);
        return;
    }
    svc_sendreply(transport, encode, results);
    svc_freeargs(transport, decode, arguments);
}

static void dispatch(struct svc_req *request, SVCXPRT *transport)
{
    switch (request->rq_proc) {
    case LL_NULL:
        svc_sendreply(transport, (xdrproc_t)xdr_void, NULL);
        break;
    case LL_SEQUENCE: {
        LL_SEQUENCEargs arguments = { 0 };
        LL_VOIDres results = { 0 };
        serve_call(request, transport, (xdrproc_t)xdr_LL_SEQUENCEargs, &arguments, (xdrproc_t)xdr_LL_VOIDres, &results);
        break;
    }
    case LL_GETATTR: {
        LL_GETATTRargs arguments = { 0 };
        LL_OBJECTres results = { 0 };
        serve_call(request, transport, (xdrproc_t)xdr_LL_GETATTRargs, &arguments, (xdrproc_t)xdr_LL_OBJECTres, &results);
        break;
    }
    case LL_LAYOUTGET: {
        LL_LAYOUTGETargs arguments = { 0 };
        LL_LAYOUTGETres results = { 0 };
        ll_extent extent = { 0 };
        results.result.ll_layoutget_result_u.resok.extents.extents_len = 1;
        results.result.ll_layoutget_result_u.resok.extents.extents_val = &extent;
        serve_call(
            request, transport, (xdrproc_t)xdr_LL_LAYOUTGETargs, &arguments, (xdrproc_t)xdr_LL_LAYOUTGETres, &results);
        break;
    }
    default:
        svcerr_noproc(transport);
    }
}

static int serve_with_libtirpc(int listener)
{
    SVCXPRT *transport = svc_vc_create(listener, 0, 0);
    if (transport == NULL)
        return -EIO;
    /* Without a netconfig nothing is told to rpcbind. */
    if (!svc_reg(transport, LAYOUT_PROGRAM, LAYOUT_V1, dispatch, NULL))
        return -EIO;
    svc_run();
    return -EIO;
}

void bench_peer_no_delay(int socket)
{
    int on = 1;
    /* Not for Unix sockets, which do not wait anyway. */
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int listen_unix(const char *path)
{
    struct sockaddr_un address;
    int error = address_of(path, &address);
    if (error != 0)
        return error;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return -errno;
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 1024) == 0)
        return listener;
    error = -errno;
    close(listener);
    return error;
}

static int listen_tcp(uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return -errno;
    if (bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1024) == 0
        && getsockname(listener, (struct sockaddr *)&address, &size) == 0) {
        *port = ntohs(address.sin_port);
        return listener;
    }
    int error = -errno;
    close(listener);
    return error;
}

int bench_peer_serve(bool is_echo, const char *path, int ready_descriptor)
{
    uint16_t port = 0;
    int listener = path != NULL ? listen_unix(path) : listen_tcp(&port);
    if (listener < 0)
        return listener;
    int error = -EPIPE;
    if (dprintf(ready_descriptor, "ready %u\n", port) > 0)
        error = is_echo ? bench_echo_serve(listener) : serve_with_libtirpc(listener);
    close(listener);
    return error;
}

/* ---- The client ---------------------------------------------------------------------------------------------- */

struct bench_peer_client {
    CLIENT *handle;
    int socket;
};

static CLIENT *handle_on(int descriptor, struct sockaddr_un *address)
{
    struct netbuf peer = { .maxlen = sizeof(*address), .len = sizeof(*address), .buf = address };
    return clnt_vc_create(descriptor, &peer, LAYOUT_PROGRAM, LAYOUT_V1, 0, 0);
}

struct bench_peer_client *bench_peer_connect(const char *path)
{
    struct sockaddr_un address;
    int error = address_of(path, &address);
    if (error != 0) {
        errno = -error;
        return NULL;
    }
    struct bench_peer_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return NULL;
    client->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->socket >= 0 && connect(client->socket, (struct sockaddr *)&address, sizeof(address)) == 0) {
        client->handle = handle_on(client->socket, &address);
        if (client->handle != NULL)
            return client;
        errno = EIO;
    }
    error = errno;
    if (client->socket >= 0)
        close(client->socket);
    free(client);
    errno = error;
    return NULL;
}

bool bench_peer_null(struct bench_peer_client *client)
{
    const struct timeval patience = { .tv_sec = 10 };
    return clnt_call(client->handle, NULLPROC, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void, NULL, patience)
        == RPC_SUCCESS;
}

void bench_peer_close(struct bench_peer_client *client)
{
    clnt_destroy(client->handle);
    close(client->socket);
    free(client);
}
