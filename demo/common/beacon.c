#include "posix.h"

#include "beacon.h"
#include "ticks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_MS = 100, EVERY_MS = 5000, TEXT_MAX = 200, HEARD_MAX = 256 };

static const char mark[8] = { 'c', 'r', 'd', 't', 's', 'y', 'n', 'c' };

struct beacon {
    int in, out; /* what the group says; what we say to it */
    struct sockaddr_in group;
    uint64_t id; /* of this process: not to hear oneself */
    char realm[64], listens[128];
    uint64_t next_ms, pause_ms;
};

/* >>saying ---------------------------------------------------------------- */

static void say(beacon *b)
{
    char text[TEXT_MAX];
    int len;
    memcpy(text, mark, sizeof mark);
    memcpy(text + sizeof mark, &b->id, sizeof b->id);
    len = snprintf(text + 16, sizeof text - 16, "%s %s", b->realm, b->listens);
    sendto(b->out, text, 16 + (size_t)len, 0,
           (const struct sockaddr *)&b->group, sizeof b->group);
}

/* >>hearing --------------------------------------------------------------- */

/* A HOST of all interfaces is where it came from. */
static void tell(const struct sockaddr_in *from, const char *listens,
                 void (*hear)(void *ctx, const char *address), void *ctx)
{
    const char *colon = strrchr(listens, ':');
    char address[160], host[INET_ADDRSTRLEN];
    size_t len = colon ? (size_t)(colon - listens) : 0;
    if (!colon)
        return;
    snprintf(address, sizeof address, "%s", listens);
    if (!len || strncmp(listens, "0.0.0.0", len) == 0 ||
        strncmp(listens, "*", len) == 0 || strncmp(listens, "[::]", len) == 0)
        snprintf(address, sizeof address, "%s%s",
                 inet_ntop(AF_INET, &from->sin_addr, host, sizeof host),
                 colon);
    hear(ctx, address);
}

static int is_ours(const beacon *b, const char *text, size_t len)
{
    size_t realm = strlen(b->realm);
    return len > 17 + realm && memcmp(text, mark, sizeof mark) == 0 &&
           memcmp(text + sizeof mark, &b->id, sizeof b->id) != 0 &&
           memcmp(text + 16, b->realm, realm) == 0 && text[16 + realm] == ' ';
}

/* Printable and without blanks: it goes to a resolver and to a terminal. */
static int is_address(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                              "UVWXYZ0123456789.-:[]*%_");
    return len > 0 && !text[len];
}

static int listen_once(beacon *b, void (*hear)(void *ctx, const char *address),
                       void *ctx)
{
    char text[TEXT_MAX + 1];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t len = recvfrom(b->in, text, TEXT_MAX, MSG_DONTWAIT,
                           (struct sockaddr *)&from, &size);
    const char *address;
    if (len < 0)
        return 0;
    text[len] = 0;
    address = text + 17 + strlen(b->realm);
    if (is_ours(b, text, (size_t)len) && is_address(address))
        tell(&from, address, hear, ctx);
    return 1;
}

int beacon_step(beacon *b, void (*hear)(void *ctx, const char *address),
                void *ctx)
{
    uint64_t now = ticks_ms();
    int left = HEARD_MAX;
    while (left-- > 0 && listen_once(b, hear, ctx))
        continue;
    if (now >= b->next_ms) {
        if (*b->listens)
            say(b);
        b->pause_ms = b->pause_ms * 2 < EVERY_MS ? b->pause_ms * 2 : EVERY_MS;
        b->next_ms = now + b->pause_ms;
    }
    return (int)(b->next_ms - now);
}

int beacon_fd(const beacon *b)
{
    return b->in;
}

/* >>opening --------------------------------------------------------------- */

static int read_group(beacon *b, const char *group)
{
    char host[64];
    const char *colon = strrchr(group, ':');
    size_t len = colon ? (size_t)(colon - group) : 0;
    int port = colon ? atoi(colon + 1) : 0;
    if (!len || len >= sizeof host || port < 1 || port > 65535)
        return 0;
    memcpy(host, group, len);
    host[len] = 0;
    b->group.sin_family = AF_INET;
    b->group.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &b->group.sin_addr) == 1;
}

/* 0: errno says why. */
static int open_sockets(beacon *b)
{
    int yes = 1;
    unsigned char loop = 1;
    uint32_t address = ntohl(b->group.sin_addr.s_addr);
    struct ip_mreq join;
    b->in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    b->out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (b->in < 0 || b->out < 0 ||
        setsockopt(b->in, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        setsockopt(b->in, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) ||
        setsockopt(b->out, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) ||
        bind(b->in, (const struct sockaddr *)&b->group, sizeof b->group))
        return 0;
    if (!IN_MULTICAST(address))
        return 1;
    memset(&join, 0, sizeof join);
    join.imr_multiaddr = b->group.sin_addr;
    return !setsockopt(b->in, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join,
                       sizeof join) &&
           !setsockopt(b->out, IPPROTO_IP, IP_MULTICAST_LOOP, &loop,
                       sizeof loop);
}

beacon *beacon_open(const char *group, const char *realm, const char *listens,
                    char *why, unsigned long why_size)
{
    beacon *b = (beacon *)calloc(1, sizeof *b);
    if (!b) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    b->in = b->out = -1;
    snprintf(b->realm, sizeof b->realm, "%s", realm);
    snprintf(b->listens, sizeof b->listens, "%s", listens);
    b->pause_ms = FIRST_MS;
    if (getrandom(&b->id, sizeof b->id, 0) != (ssize_t)sizeof b->id ||
        !read_group(b, group)) {
        snprintf(why, why_size, "%s: is no ADDRESS:PORT of a group", group);
        beacon_close(b);
        return NULL;
    }
    if (!open_sockets(b)) {
        snprintf(why, why_size, "%s: cannot discover: %s", group,
                 strerror(errno));
        beacon_close(b);
        return NULL;
    }
    return b;
}

void beacon_close(beacon *b)
{
    if (!b)
        return;
    if (b->in >= 0)
        close(b->in);
    if (b->out >= 0)
        close(b->out);
    free(b);
}
