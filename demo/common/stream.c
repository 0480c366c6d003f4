#include "posix.h"

#include "stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* >>addresses ------------------------------------------------------------- */

/* NULL: `why` says it. To be freed. */
static struct addrinfo *resolve(const char *address, int flags, char *why,
                                size_t why_size)
{
    const char *colon = strrchr(address, ':');
    struct addrinfo hints, *found = NULL;
    char host[256];
    size_t len = colon ? (size_t)(colon - address) : 0;
    int bracket = len > 1 && *address == '[' && address[len - 1] == ']';
    int error;
    if (!colon || !colon[1] || len >= sizeof host ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        snprintf(why, why_size, "%.40s is not HOST:PORT", address);
        return NULL;
    }
    memcpy(host, address + bracket, len);
    host[len - (bracket ? 2 : 0)] = 0;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    error = getaddrinfo(len ? host : NULL, colon + 1, &hints, &found);
    if (error)
        snprintf(why, why_size, "%.40s: %s", address, gai_strerror(error));
    return error ? NULL : found;
}

static unsigned port_of(const struct sockaddr_storage *name)
{
    if (name->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)name)->sin_port);
    if (name->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)name)->sin6_port);
    return 0;
}

unsigned stream_port(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    memset(&name, 0, sizeof name);
    if (getsockname(fd, (struct sockaddr *)&name, &len))
        return 0;
    return port_of(&name);
}

void stream_peer(const stream *s, char *out, size_t size)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    char host[64];
    int is_v6;
    *out = 0;
    memset(&name, 0, sizeof name);
    if (getpeername(s->fd, (struct sockaddr *)&name, &len) ||
        getnameinfo((const struct sockaddr *)&name, len, host, sizeof host,
                    NULL, 0, NI_NUMERICHOST))
        return;
    is_v6 = strchr(host, ':') != NULL;
    snprintf(out, size, is_v6 ? "[%s]:%u" : "%s:%u", host, port_of(&name));
}

/* >>opening --------------------------------------------------------------- */

static int new_socket(const struct addrinfo *at)
{
    return socket(at->ai_family,
                  at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  at->ai_protocol);
}

int stream_listen(const char *address, char *why, size_t why_size)
{
    struct addrinfo *at = resolve(address, AI_PASSIVE, why, why_size);
    int fd, one = 1, error;
    if (!at)
        return -1;
    fd = new_socket(at);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd >= 0 && bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
        listen(fd, SOMAXCONN) == 0) {
        freeaddrinfo(at);
        return fd;
    }
    error = errno;
    snprintf(why, why_size, "cannot listen on %.40s: %s", address,
             strerror(error));
    freeaddrinfo(at);
    if (fd >= 0)
        close(fd);
    return -1;
}

static void begin(stream *s, int fd)
{
    static const stream fresh = STREAM_INIT;
    int one = 1;
    *s = fresh;
    s->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void fail(stream *s, int error)
{
    s->is_over = 1;
    s->is_connecting = 0;
    if (!*s->why)
        snprintf(s->why, sizeof s->why, "%s", strerror(error));
}

int stream_connect(stream *s, const char *address, int names)
{
    static const stream fresh = STREAM_INIT;
    struct addrinfo *at;
    int fd;
    *s = fresh;
    at = resolve(address, names ? 0 : AI_NUMERICHOST, s->why, sizeof s->why);
    if (!at)
        return 0;
    fd = new_socket(at);
    if (fd >= 0) {
        begin(s, fd);
        s->is_connecting = 1;
        if (connect(fd, at->ai_addr, at->ai_addrlen) && errno != EINPROGRESS)
            fail(s, errno);
    } else {
        snprintf(s->why, sizeof s->why, "%s", strerror(errno));
    }
    freeaddrinfo(at);
    return fd >= 0;
}

int stream_accept(stream *s, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return 0;
    begin(s, fd);
    return 1;
}

void stream_close(stream *s)
{
    static const stream fresh = STREAM_INIT;
    if (s->fd >= 0) {
        /* Also where a forked process still holds it. */
        shutdown(s->fd, SHUT_RDWR);
        close(s->fd);
    }
    free(s->in);
    free(s->out);
    *s = fresh;
}

/* >>moving bytes ---------------------------------------------------------- */

short stream_events(const stream *s)
{
    short events = POLLIN;
    if (s->is_over)
        return 0;
    if (s->is_connecting || stream_waiting(s))
        events |= POLLOUT;
    return events;
}

size_t stream_waiting(const stream *s)
{
    return s->out_len - s->out_start;
}

/* Room for `more` bytes behind `len`. 0: no memory. */
static int grow(uint8_t **bytes, size_t *cap, size_t len, size_t more)
{
    size_t want = *cap ? *cap : 1024;
    uint8_t *moved;
    if (more > SIZE_MAX / 2 - len)
        return 0;
    while (want < len + more)
        want *= 2;
    if (want == *cap)
        return 1;
    moved = (uint8_t *)realloc(*bytes, want);
    if (!moved)
        return 0;
    *bytes = moved;
    *cap = want;
    return 1;
}

int stream_put(stream *s, const void *bytes, size_t len)
{
    if (s->is_over || s->fd < 0)
        return 0;
    if (s->out_start) {
        memmove(s->out, s->out + s->out_start, stream_waiting(s));
        s->out_len -= s->out_start;
        s->out_start = 0;
    }
    if (!grow(&s->out, &s->out_cap, s->out_len, len))
        return 0;
    memcpy(s->out + s->out_len, bytes, len);
    s->out_len += len;
    stream_flush(s);
    return 1;
}

/* Whether it is up; what failed is told. */
static int is_connected(stream *s)
{
    struct pollfd ready;
    int error = 0;
    socklen_t len = sizeof error;
    if (!s->is_connecting)
        return 1;
    ready.fd = s->fd;
    ready.events = POLLOUT;
    if (poll(&ready, 1, 0) <= 0)
        return 0;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len))
        error = errno;
    s->is_connecting = 0;
    if (error)
        fail(s, error);
    return !error;
}

void stream_flush(stream *s)
{
    if (s->fd < 0 || s->is_over || !is_connected(s))
        return;
    while (stream_waiting(s)) {
        ssize_t sent = send(s->fd, s->out + s->out_start, stream_waiting(s),
                            MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR)
                fail(s, errno);
            return;
        }
        s->out_start += (size_t)sent;
    }
    s->out_start = s->out_len = 0;
}

void stream_fill(stream *s, size_t want)
{
    if (s->fd < 0 || s->is_over || !is_connected(s))
        return;
    while (s->in_len < want) {
        size_t room = want - s->in_len;
        ssize_t got;
        if (!grow(&s->in, &s->in_cap, s->in_len, room)) {
            fail(s, ENOMEM);
            return;
        }
        got = recv(s->fd, s->in + s->in_len, room, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            fail(s, errno);
            if (got == 0)
                *s->why = 0;
            return;
        }
        s->in_len += (size_t)got;
    }
}

void stream_take(stream *s, size_t len)
{
    if (!len) /* there may be no buffer yet */
        return;
    memmove(s->in, s->in + len, s->in_len - len);
    s->in_len -= len;
}
