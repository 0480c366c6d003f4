/*
 * crdtsync_socket - what crdtsync_tcp.h, _udp.h and _zmq.h share of POSIX
 * sockets: addresses, names, waking, silence. They include it; there is nothing
 * in it for programs.
 */
#ifndef CRDTSYNC_SOCKET_H
#define CRDTSYNC_SOCKET_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_socket.h"
#endif

#endif /* CRDTSYNC_SOCKET_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_SOCKET_IMPLEMENTED)
#define CRDTSYNC_SOCKET_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif
#ifdef _WIN32
#error "crdtsync_tcp.h, _udp.h and _zmq.h need a POSIX system"
#endif
#ifdef CRDTSYNC_FREESTANDING
#error "crdtsync_tcp.h, _udp.h and _zmq.h need a system to run on"
#endif

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

/* >>posix -----------------------------------------------------------------
 * With -std=c99 (not gnu99) and without _POSIX_C_SOURCE, glibc hides exactly
 * getaddrinfo and its kin of all that is used here; and defining the macro now
 * is too late when a system header has come before. What is hidden is part of
 * its binary interface and cannot change, so it is declared here. In C++, in
 * musl and in the BSDs nothing is hidden. */

#if defined(__GLIBC__) && !defined(AI_PASSIVE)
#ifdef __cplusplus
extern "C" {
#endif
struct addrinfo {
    int ai_flags, ai_family, ai_socktype, ai_protocol;
    socklen_t ai_addrlen;
    struct sockaddr *ai_addr;
    char *ai_canonname;
    struct addrinfo *ai_next;
};
extern int getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out);
extern void freeaddrinfo(struct addrinfo *list);
extern const char *gai_strerror(int code);
#ifdef __cplusplus
}
#endif
#define AI_PASSIVE 0x0001
#define AI_NUMERICHOST 0x0004
#define AI_NUMERICSERV 0x0400
#endif

#if !defined(AI_PASSIVE) || !defined(POLLIN) || !defined(O_NONBLOCK)
#error "define _POSIX_C_SOURCE 200809L before the first include of this file"
#endif
#ifndef AI_NUMERICSERV
#define AI_NUMERICSERV 0
#endif

/* >>addresses ------------------------------------------------------------- */

#define CRDTI_SOCK_NAME_MAX 272    /* "tcp:[255 bytes of host]:65535" */
#define CRDTI_SOCK_ADDRESSES_MAX 8 /* of one name */

typedef struct crdti_sock_address {
    struct sockaddr_storage of;
    socklen_t len;
} crdti_sock_address;

CRDTI_FN void crdti_sock_text(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);
    if (len >= size)
        len = size - 1;
    crdti_copy(out, text, len);
    out[len] = 0;
}

/* "host:port" or "[host]:port" into its parts; whether it was that. */
CRDTI_FN int crdti_sock_split(const char *address, char host[256],
                              char port[6])
{
    const char *colon = strrchr(address, ':'), *digit;
    size_t len = colon ? (size_t)(colon - address) : 0;
    unsigned long number = 0;
    if (!colon || !colon[1])
        return 0;
    for (digit = colon + 1; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || digit - colon > 5)
            return 0;
        number = number * 10 + (unsigned long)(*digit - '0');
    }
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
        if (!len)
            return 0;
    } else if (memchr(address, ':', len)) {
        return 0; /* an IPv6 address needs its brackets */
    }
    if (number > 65535 || len > 255)
        return 0;
    crdti_copy(host, address, len);
    host[len] = 0;
    crdti_sock_text(port, 6, colon + 1);
    return 1;
}

CRDTI_FN unsigned crdti_sock_port(const crdti_sock_address *address)
{
    const void *of = &address->of;
    if (address->of.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)of)->sin_port);
    if (address->of.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)of)->sin6_port);
    return 0;
}

/* The path of "unix:PATH", or NULL when it is another kind of address. */
CRDTI_FN const char *crdti_sock_unix_path(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
}

/* Whether the path is one, and fits. */
CRDTI_FN int crdti_sock_unix_address(const char *path, crdti_sock_address *out)
{
    void *of = &out->of;
    struct sockaddr_un *local = (struct sockaddr_un *)of;
    size_t len = strlen(path);
    crdti_zero(out, sizeof *out);
    if (!len || len >= sizeof local->sun_path)
        return 0;
    local->sun_family = AF_UNIX;
    crdti_copy(local->sun_path, path, len);
    out->len = sizeof *local;
    return 1;
}

/* Who dials has no path of its own. */
CRDTI_FN void crdti_sock_unix_name(char out[CRDTI_SOCK_NAME_MAX],
                                   const crdti_sock_address *address)
{
    const void *of = &address->of;
    const struct sockaddr_un *local = (const struct sockaddr_un *)of;
    size_t head = (size_t)((const char *)local->sun_path - (const char *)of);
    int len = address->len > head ? (int)(address->len - head) : 0;
    snprintf(out, CRDTI_SOCK_NAME_MAX, "unix:%.*s", len, local->sun_path);
}

/* "tcp:10.0.0.7:4711"; an IPv4 address that came through an IPv6 socket shows
 * as what it is. */
CRDTI_FN void crdti_sock_name(char out[CRDTI_SOCK_NAME_MAX],
                              const char *scheme,
                              const crdti_sock_address *address)
{
    const void *of = &address->of;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)of)->sin6_addr;
    const char *form = "%s:%s:%u";
    char host[64] = "?";
    if (address->of.ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)of)->sin_addr, host,
                  sizeof host);
    } else if (address->of.ss_family == AF_UNIX) {
        crdti_sock_unix_name(out, address);
        return;
    } else if (IN6_IS_ADDR_V4MAPPED(v6)) {
        inet_ntop(AF_INET, v6->s6_addr + 12, host, sizeof host);
    } else {
        inet_ntop(AF_INET6, v6, host, sizeof host);
        form = "%s:[%s]:%u";
    }
    snprintf(out, CRDTI_SOCK_NAME_MAX, form, scheme, host,
             crdti_sock_port(address));
}

/* >>sockets --------------------------------------------------------------- */

CRDTI_FN int crdti_sock_would_block(int error)
{
#if EAGAIN != EWOULDBLOCK
    if (error == EWOULDBLOCK)
        return 1;
#endif
    return error == EAGAIN || error == ENOBUFS;
}

CRDTI_FN void crdti_sock_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* Non-blocking and not inherited by programs that ours starts. */
CRDTI_FN int crdti_sock_prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return 0;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) >= 0;
}

/* close() leaves errno as it was: what failed before counts. */
CRDTI_FN void crdti_sock_shut(int fd)
{
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = error;
}

/* A prepared socket, or -1 and errno. */
CRDTI_FN int crdti_sock_open(int family, int type)
{
    int fd = socket(family, type, 0);
    if (fd < 0)
        return -1;
    if (crdti_sock_prepare(fd))
        return fd;
    crdti_sock_shut(fd);
    return -1;
}

CRDTI_FN const struct sockaddr *crdti_sock_generic(const crdti_sock_address *a)
{
    const void *of = &a->of;
    return (const struct sockaddr *)of;
}

/* Who is at this end, or at the other; family 0 when that is not known. */
CRDTI_FN void crdti_sock_end(int fd, int other, crdti_sock_address *out)
{
    void *of = &out->of;
    struct sockaddr *generic = (struct sockaddr *)of;
    int failed;
    crdti_zero(out, sizeof *out);
    out->len = sizeof out->of;
    if (other)
        failed = getpeername(fd, generic, &out->len);
    else
        failed = getsockname(fd, generic, &out->len);
    if (failed)
        crdti_zero(out, sizeof *out);
}

/* Looks `address` up, for a socket of that type: into `out` go at most `max`.
 * NULL, or what is wrong. A name blocks, digits do not. */
CRDTI_FN const char *crdti_sock_resolve(const char *address, int type,
                                        int passive, crdti_sock_address *out,
                                        size_t max, size_t *count)
{
    struct addrinfo hints, *list = NULL, *at;
    char host[256], port[6];
    int code;
    *count = 0;
    if (crdti_sock_unix_path(address)) {
        *count = 1;
        return crdti_sock_unix_address(address + 5, out) ? NULL
                                                         : "no such path";
    }
    if (!crdti_sock_split(address, host, port))
        return "not of the form host:port";
    crdti_zero(&hints, sizeof hints);
    hints.ai_socktype = type;
    hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
    code = getaddrinfo(host[0] && strcmp(host, "*") != 0 ? host : NULL, port,
                       &hints, &list);
    if (code)
        return gai_strerror(code);
    for (at = list; at && *count < max; at = at->ai_next) {
        if (at->ai_addrlen > sizeof out->of)
            continue;
        crdti_zero(&out[*count], sizeof *out);
        crdti_copy(&out[*count].of, at->ai_addr, at->ai_addrlen);
        out[*count].len = at->ai_addrlen;
        ++*count;
    }
    freeaddrinfo(list);
    return *count ? NULL : "the name has no address";
}

/* Full jitter: any time between nothing and the bound is as likely, so that
 * all who lost one server at once do not come back at once.
 * (Brooker 2015, "Exponential Backoff And Jitter") */
CRDTI_FN uint64_t crdti_sock_backoff_ms(const crdt_random *source,
                                        uint32_t min_ms, uint32_t max_ms,
                                        unsigned attempts)
{
    uint64_t bound = max_ms;
    uint32_t random;
    if (attempts < 32)
        bound = crdti_min(bound, (uint64_t)min_ms << attempts);
    if (source->fill(source->ctx, &random, sizeof random) != CRDT_OK)
        return bound;
    return (random * (bound + 1)) >> 32;
}

/* >>slots by number ------------------------------------------------------
 * Where the link with that number is: a hash table that never fills, probed one
 * by one. Numbers are given in turn, so each hashes to itself. */

typedef struct crdti_sock_entry {
    crdt_peer peer; /* 0: free */
    uint32_t slot;
} crdti_sock_entry;

typedef struct crdti_sock_index {
    crdti_sock_entry *ptr;
    size_t size; /* a power of two, at least twice the slots */
} crdti_sock_index;

CRDTI_FN crdt_err crdti_sock_index_new(crdti_sock_index *index,
                                       const crdt_alloc *alloc, size_t slots)
{
    for (index->size = 2; index->size < 2 * slots; index->size *= 2)
        continue;
    index->ptr = (crdti_sock_entry *)crdti_alloc(
        alloc, index->size * sizeof *index->ptr);
    if (!index->ptr)
        return CRDT_ERR_NOMEM;
    crdti_zero(index->ptr, index->size * sizeof *index->ptr);
    return CRDT_OK;
}

CRDTI_FN void crdti_sock_index_free(crdti_sock_index *index,
                                    const crdt_alloc *alloc)
{
    crdti_free(alloc, index->ptr, index->size * sizeof *index->ptr);
}

/* The place of the number, or the free one where it belongs. */
CRDTI_FN crdti_sock_entry *crdti_sock_index_at(const crdti_sock_index *index,
                                               crdt_peer peer)
{
    size_t i = peer & (index->size - 1);
    while (index->ptr[i].peer && index->ptr[i].peer != peer)
        i = (i + 1) & (index->size - 1);
    return &index->ptr[i];
}

CRDTI_FN void crdti_sock_index_add(crdti_sock_index *index, crdt_peer peer,
                                   uint32_t slot)
{
    crdti_sock_entry *entry = crdti_sock_index_at(index, peer);
    entry->peer = peer;
    entry->slot = slot;
}

/* Those behind it, up to a gap, are put in anew. */
CRDTI_FN void crdti_sock_index_remove(crdti_sock_index *index, crdt_peer peer)
{
    size_t last = index->size - 1;
    size_t i = (size_t)(crdti_sock_index_at(index, peer) - index->ptr);
    index->ptr[i].peer = 0;
    for (i = (i + 1) & last; index->ptr[i].peer; i = (i + 1) & last) {
        crdti_sock_entry moved = index->ptr[i];
        index->ptr[i].peer = 0;
        crdti_sock_index_add(index, moved.peer, moved.slot);
    }
}

/* >>waking ----------------------------------------------------------------
 * A pipe: a byte written to it by any thread, or by a signal handler, ends the
 * wait of the thread that polls. It holds one byte or a few, however often one
 * wakes: a full pipe takes no more and needs no more. */

typedef struct crdti_sock_wake {
    int reader, writer; /* -1: there is none */
} crdti_sock_wake;

CRDTI_FN int crdti_sock_wake_open(crdti_sock_wake *wake)
{
    int fds[2];
    wake->reader = wake->writer = -1;
    if (pipe(fds) < 0)
        return 0;
    wake->reader = fds[0];
    wake->writer = fds[1];
    return crdti_sock_prepare(fds[0]) && crdti_sock_prepare(fds[1]);
}

CRDTI_FN void crdti_sock_wake_close(crdti_sock_wake *wake)
{
    crdti_sock_shut(wake->reader);
    crdti_sock_shut(wake->writer);
    wake->reader = wake->writer = -1;
}

/* From any thread. Leaves errno as it was, as a signal handler must. */
CRDTI_FN void crdti_sock_wake_up(const crdti_sock_wake *wake)
{
    int error = errno;
    ssize_t len = write(wake->writer, "", 1);
    (void)len; /* full: it is awake */
    errno = error;
}

CRDTI_FN void crdti_sock_wake_clear(const crdti_sock_wake *wake)
{
    char bytes[64];
    while (read(wake->reader, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
}

/* >>silence --------------------------------------------------------------- */

/* For how long one has listened. While it did not nobody was silent: what is
 * longer than `most_ms` between two looks was sleep. */
typedef struct crdti_sock_listened {
    uint64_t ms, until_ms;
} crdti_sock_listened;

CRDTI_FN void crdti_sock_listen_on(crdti_sock_listened *listened,
                                   uint64_t now_ms, uint32_t most_ms)
{
    listened->ms += crdti_min(now_ms - listened->until_ms, most_ms);
    listened->until_ms = now_ms;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
