#include "../common/posix.h"

#include "serve.h"
#include "../common/ticks.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 1000 }; /* how late a deadline may be noticed */

int serve_open(serve *s, const char *listen, const pass_key *key, char *why,
               size_t size)
{
    struct epoll_event event;
    memset(s, 0, sizeof *s);
    s->key = *key;
    s->listener = stream_listen(listen, why, size);
    if (s->listener < 0)
        return 0;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    s->epoll = sodium_init() < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll >= 0 &&
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event) == 0)
        return 1;
    snprintf(why, size, "no epoll descriptor");
    serve_close(s);
    return 0;
}

static void drop(serve *s, size_t at)
{
    wire_close(s->wires[at]);
    free(s->wires[at]);
    s->wires[at] = s->wires[--s->count];
}

void serve_close(serve *s)
{
    while (s->count)
        drop(s, s->count - 1);
    if (s->listener >= 0)
        close(s->listener);
    if (s->epoll >= 0)
        close(s->epoll);
    s->listener = s->epoll = -1;
}

unsigned serve_port(const serve *s)
{
    return stream_port(s->listener);
}

/* Who has proven nothing makes room for who comes: the longest of them. 0: all
 * have. */
static int make_room(serve *s)
{
    size_t worst = s->count, i;
    for (i = 0; i < s->count; i++)
        if (s->wires[i]->state != WIRE_OPEN &&
            (worst == s->count ||
             s->wires[i]->heard_ms < s->wires[worst]->heard_ms))
            worst = i;
    if (worst == s->count)
        return 0;
    drop(s, worst);
    return 1;
}

static void take_new(serve *s)
{
    for (;;) {
        wire fresh, *kept;
        if (!wire_accept(&fresh, s->listener))
            return;
        kept = s->count < SERVE_MAX || make_room(s)
                   ? (wire *)malloc(sizeof *kept)
                   : NULL;
        if (!kept) {
            wire_close(&fresh);
            continue;
        }
        *kept = fresh;
        s->wires[s->count++] = kept;
    }
}

static int is_late(const wire *w)
{
    uint64_t patience =
        w->state == WIRE_OPEN ? SERVE_MESSAGE_MS : SERVE_GREET_MS;
    return ticks_ms() - w->heard_ms > patience;
}

static void hear(serve *s, wire *w)
{
    wire_kind kind;
    size_t len;
    uint64_t before = w->number_out;
    const uint8_t *body = wire_hear(w, &kind, &len);
    if (!body)
        return;
    if (w->bearer.until <= (uint64_t)time(NULL))
        wire_answer(w, WIRE_EXPIRED, NULL, 0);
    else
        s->hear(s->ctx, w, kind, body, len);
    if (w->number_out == before)
        w->state = WIRE_OVER;
}

int serve_step(serve *s)
{
    size_t i;
    take_new(s);
    for (i = s->count; i-- > 0;) {
        wire *w = s->wires[i];
        wire_step(w, &s->key);
        hear(s, w);
        if (w->state == WIRE_OVER || is_late(w))
            drop(s, i);
        else
            wire_watch(w, s->epoll);
    }
    return s->count ? LOOK_MS : -1;
}
