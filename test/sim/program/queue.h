/*
 * Virtual time: what will happen, and when. A binary heap by time, and what
 * is due at the same time happens in the order in which it was put in.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "../../test.h"

typedef enum {
    AN_ACTION,
    A_PACKET,
    A_LETTER,
    A_WAKE,
    A_DIAL,
    A_START,
    A_ROOM,    /* on a disk */
    A_VERDICT, /* one who is away is evicted */
    AN_UPSET   /* in the middle of a full sync */
} moment_kind;

typedef struct {
    uint64_t at, order;
    moment_kind kind;
    uint32_t who; /* the number of a site, an edge or an action; or two */
    void *what;   /* a packet */
} moment;

typedef struct {
    moment *ptr;
    size_t len, cap;
    uint64_t order;
} queue;

static inline int moment_before(const moment *a, const moment *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* As it is: with the order it has. */
static inline void queue_put_again(queue *q, const moment *what)
{
    size_t at = q->len++;
    if (q->len > q->cap) {
        q->cap = q->cap ? 2 * q->cap : 256;
        q->ptr = (moment *)realloc(q->ptr, q->cap * sizeof *q->ptr);
        if (!q->ptr)
            exit(1);
    }
    for (; at > 0 && moment_before(what, &q->ptr[(at - 1) / 2]);
         at = (at - 1) / 2)
        q->ptr[at] = q->ptr[(at - 1) / 2];
    q->ptr[at] = *what;
}

static inline void queue_put(queue *q, uint64_t at, moment_kind kind,
                             uint32_t who, void *what)
{
    moment m;
    m.at = at;
    m.order = ++q->order;
    m.kind = kind;
    m.who = who;
    m.what = what;
    queue_put_again(q, &m);
}

/* There is one. */
static inline moment queue_take(queue *q)
{
    moment first = q->ptr[0], last = q->ptr[--q->len];
    size_t at = 0, next;
    while ((next = 2 * at + 1) < q->len) {
        next += next + 1 < q->len &&
                moment_before(&q->ptr[next + 1], &q->ptr[next]);
        if (!moment_before(&q->ptr[next], &last))
            break;
        q->ptr[at] = q->ptr[next];
        at = next;
    }
    q->ptr[at] = last;
    return first;
}

#endif
