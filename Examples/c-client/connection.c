/* Sockets, and CLIENTs on them. */
#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void lc_fail(const char *format, ...)
{
    va_list arguments;
    fputs("c-client: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

int lc_connect_unix(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        lc_fail("the path of a socket may have %zu bytes: %s", sizeof address.sun_path - 1, path);
    strcpy(address.sun_path, path);
    int connection = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) < 0)
        lc_fail("cannot connect to %s: %s", path, strerror(errno));
    return connection;
}

static int connect_tcp(const char *place)
{
    const char *colon = strrchr(place, ':');
    char host[256];
    if (colon == NULL || (size_t)(colon - place) >= sizeof host)
        lc_fail("%s is not HOST:PORT", place);
    memcpy(host, place, (size_t)(colon - place));
    host[colon - place] = 0;

    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0)
        lc_fail("cannot find %s: %s", place, gai_strerror(error));
    int connection = -1;
    for (struct addrinfo *each = found; each != NULL && connection < 0; each = each->ai_next) {
        connection = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, each->ai_protocol);
        if (connection >= 0 && connect(connection, each->ai_addr, each->ai_addrlen) < 0) {
            close(connection);
            connection = -1;
        }
    }
    freeaddrinfo(found);
    if (connection < 0)
        lc_fail("cannot connect to %s: %s", place, strerror(errno));
    /* Calls are small and somebody waits for each. libtirpc sets this only on sockets that it makes itself. */
    int yes = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return connection;
}

CLIENT *lc_connect(const char *address)
{
    static const char unix_scheme[] = "layout+unix://", tcp_scheme[] = "layout+tcp://";
    int connection;
    if (strncmp(address, unix_scheme, strlen(unix_scheme)) == 0)
        connection = lc_connect_unix(address + strlen(unix_scheme), SOCK_STREAM);
    else if (strncmp(address, tcp_scheme, strlen(tcp_scheme)) == 0)
        connection = connect_tcp(address + strlen(tcp_scheme));
    else
        lc_fail("%s is neither layout+unix:///PATH nor layout+tcp://HOST:PORT", address);

    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    if (getpeername(connection, (struct sockaddr *)&peer, &length) < 0)
        lc_fail("%s went away: %s", address, strerror(errno));
    struct netbuf name = {.buf = &peer, .len = length, .maxlen = sizeof peer};
    CLIENT *client = clnt_vc_create(connection, &name, LAYOUT_PROGRAM, LAYOUT_V1, 0, 0);
    if (client == NULL)
        lc_fail("%s", clnt_spcreateerror(address));
    clnt_control(client, CLSET_FD_CLOSE, NULL);
    /* The stubs give up after 25 seconds. The server answers within 20, but not before them [R6.4-14]. */
    struct timeval patience = {.tv_sec = 30};
    clnt_control(client, CLSET_TIMEOUT, (char *)&patience);
    auth_destroy(client->cl_auth);
    client->cl_auth = authunix_create_default();
    if (client->cl_auth == NULL)
        lc_fail("no memory for a credential");
    return client;
}

void lc_expect_answer(CLIENT *client, enum clnt_stat outcome, const char *procedure)
{
    if (outcome != RPC_SUCCESS)
        lc_fail("%s", clnt_sperror(client, procedure));
}
