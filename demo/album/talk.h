/*
 * A data server as its askers see it: a connection that is made when there is
 * something to ask, and again after a while when it broke.
 *
 *     talk_ask(...)  -> 1: the answer comes, by `heard`, out of talk_step
 *                       0: not now: it connects, has much to send, or is down
 */
#ifndef ALBUM_TALK_H
#define ALBUM_TALK_H

#include "roll.h"
#include "wire.h"

enum {
    TALK_ASKED_MAX = 32,        /* questions under way */
    TALK_WAITING_MAX = 1 << 18, /* bytes to send: more is not asked */
    TALK_GREET_MS = 5000,
    TALK_SILENT_MS = 15000, /* without a byte, while something is asked */
    TALK_IDLE_MS = 30000,   /* nothing asked: it is closed */
    TALK_BACKOFF_MIN_MS = 100,
    TALK_BACKOFF_MAX_MS = 3000
};

/* LOST when the connection broke first. May ask again. */
typedef void (*talk_heard)(void *ctx, size_t tag, wire_reply reply,
                           const uint8_t *body, size_t len);

typedef struct talk_asked {
    talk_heard heard; /* NULL: nobody wants to know any more */
    void *ctx;
    size_t tag;
} talk_asked;

typedef struct talk {
    char name[RING_NAME_MAX + 1];
    char address[ROLL_ADDRESS_MAX + 1];
    int is_up; /* there is a wire */
    wire wire;
    unsigned failures;  /* in a row */
    uint64_t retry_ms;  /* not before, after a failure */
    wire_reply refused; /* why it is down: DENIED, EXPIRED; LOST: no answer */
    uint64_t idle_ms;   /* since */
    talk_asked asked[TALK_ASKED_MAX];
    size_t first, count; /* asked[first], and those behind it, go round */
} talk;

void talk_init(talk *t, const roll_server *server);
/* All that is asked is LOST. */
void talk_close(talk *t);

typedef struct talk_question {
    wire_kind kind;
    const void *head, *body;
    size_t head_len, body_len;
    talk_heard heard;
    void *ctx;
    size_t tag;
} talk_question;

/* Whether it may be asked now; if it is not connected, it begins to. For who
 * has to read something first. */
int talk_is_ready(talk *t, const pass *bearer, int epoll);
int talk_ask(talk *t, const pass *bearer, int epoll, const talk_question *q);
/* Whether it has failed, and it is too early to try again. */
int talk_is_down(const talk *t);
/* Answers of these questions are not told. */
void talk_forget(talk *t, const void *ctx);

/* Moves bytes, tells what has come. Answers the ms until the next call. */
int talk_step(talk *t, int epoll);

#endif
