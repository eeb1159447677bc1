#include "bench_peer.h"

#include <errno.h>
#include <netconfig.h>
#include <rpc/rpc.h>
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

static void dispatch(struct svc_req *request, SVCXPRT *transport)
{
    if (request->rq_proc == NULLPROC)
        svc_sendreply(transport, (xdrproc_t)xdr_void, NULL);
    else
        svcerr_noproc(transport);
}

static int serve_on(int listener, int ready_descriptor)
{
    SVCXPRT *transport = svc_vc_create(listener, 0, 0);
    if (transport == NULL)
        return -EIO;
    /* Without a netconfig nothing is told to rpcbind. */
    if (!svc_reg(transport, BENCH_PEER_PROGRAM, BENCH_PEER_VERSION, dispatch, NULL))
        return -EIO;
    if (write(ready_descriptor, "ready\n", 6) != 6)
        return -EPIPE;
    svc_run();
    return -EIO;
}

int bench_peer_serve(const char *path, int ready_descriptor)
{
    struct sockaddr_un address;
    int error = address_of(path, &address);
    if (error != 0)
        return error;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return -errno;
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 8) < 0)
        error = -errno;
    else
        error = serve_on(listener, ready_descriptor);
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
    return clnt_vc_create(descriptor, &peer, BENCH_PEER_PROGRAM, BENCH_PEER_VERSION, 0, 0);
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
