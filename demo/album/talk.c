#include "../common/posix.h"

#include "talk.h"
#include "../common/ticks.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 1000 };

void talk_init(talk *t, const roll_server *server)
{
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", server->name);
    snprintf(t->address, sizeof t->address, "%s", server->address);
}

/* >>answers --------------------------------------------------------------- */

/* The one that was asked first; it is asked no more when it is told. */
static void tell(talk *t, wire_reply reply, const uint8_t *body, size_t len)
{
    talk_asked asked = t->asked[t->first];
    t->first = (t->first + 1) % TALK_ASKED_MAX;
    t->count--;
    t->idle_ms = ticks_ms();
    if (asked.heard)
        asked.heard(asked.ctx, asked.tag, reply, body, len);
}

void talk_close(talk *t)
{
    if (t->is_up)
        wire_close(&t->wire);
    t->is_up = 0;
    while (t->count)
        tell(t, WIRE_LOST, NULL, 0);
}

void talk_forget(talk *t, const void *ctx)
{
    size_t i;
    for (i = 0; i < TALK_ASKED_MAX; i++)
        if (t->asked[i].ctx == ctx)
            t->asked[i].heard = NULL;
}

/* Longer from time to time, and not for all at once. */
static void back_off(talk *t, wire_reply why)
{
    uint64_t wait = TALK_BACKOFF_MAX_MS;
    if (t->failures < 5)
        wait = (uint64_t)TALK_BACKOFF_MIN_MS << t->failures;
    t->failures++;
    t->refused = why;
    t->retry_ms = ticks_ms() + wait / 2 + randombytes_uniform((uint32_t)wait);
    talk_close(t);
}

int talk_is_down(const talk *t)
{
    return !t->is_up && t->failures && ticks_ms() < t->retry_ms;
}

/* >>questions ------------------------------------------------------------- */

static void dial(talk *t, const pass *bearer, int epoll)
{
    t->is_up = 1;
    t->idle_ms = ticks_ms();
    if (wire_dial(&t->wire, t->address, bearer))
        wire_watch(&t->wire, epoll);
    else
        back_off(t, WIRE_LOST);
}

int talk_is_ready(talk *t, const pass *bearer, int epoll)
{
    if (!t->is_up && !talk_is_down(t))
        dial(t, bearer, epoll);
    return t->is_up && t->wire.state == WIRE_OPEN &&
           t->count < TALK_ASKED_MAX &&
           wire_waiting(&t->wire) <= TALK_WAITING_MAX;
}

int talk_ask(talk *t, const pass *bearer, int epoll, const talk_question *q)
{
    talk_asked *asked = &t->asked[(t->first + t->count) % TALK_ASKED_MAX];
    if (!talk_is_ready(t, bearer, epoll) ||
        !wire_say(&t->wire, q->kind, q->head, q->head_len, q->body,
                  q->body_len))
        return 0;
    asked->heard = q->heard;
    asked->ctx = q->ctx;
    asked->tag = q->tag;
    t->count++;
    wire_watch(&t->wire, epoll);
    return 1;
}

/* >>steps ----------------------------------------------------------------- */

/* What came is an answer to the first that is asked, or nonsense. */
static void hear_one(talk *t, wire_kind kind, const uint8_t *body, size_t len)
{
    wire_reply reply = len ? (wire_reply)body[0] : WIRE_NONSENSE;
    if (kind != WIRE_ANSWER || !len || !t->count ||
        reply >= WIRE_REPLIES_COUNT) {
        t->wire.state = WIRE_OVER;
    } else if (reply == WIRE_EXPIRED) {
        t->wire.refused = reply;
        t->wire.state = WIRE_OVER;
    } else {
        t->failures = 0;
        tell(t, reply, body + 1, len - 1);
    }
}

static void hear_all(talk *t)
{
    wire_kind kind;
    const uint8_t *body;
    size_t len;
    while (t->is_up && (body = wire_hear(&t->wire, &kind, &len)))
        hear_one(t, kind, body, len);
}

static int is_late(const talk *t)
{
    uint64_t silent = ticks_ms() - t->wire.moved_ms;
    if (t->wire.state == WIRE_GREETS)
        return silent > TALK_GREET_MS;
    return t->count && silent > TALK_SILENT_MS;
}

int talk_step(talk *t, int epoll)
{
    if (!t->is_up)
        return talk_is_down(t) ? (int)(t->retry_ms - ticks_ms()) + 1 : -1;
    wire_step(&t->wire, NULL);
    hear_all(t);
    if (t->wire.state == WIRE_OVER || is_late(t))
        back_off(t, t->wire.refused ? t->wire.refused : WIRE_LOST);
    else if (!t->count && ticks_ms() - t->idle_ms > TALK_IDLE_MS)
        talk_close(t);
    else
        wire_watch(&t->wire, epoll);
    return LOOK_MS;
}
