/*
 * Presence: a small value of each node for each document, such as where its
 * cursor is. It lives for a while, goes through any network, and is never
 * stored.
 *
 *     origin  document  counter  expires   value
 *     a       d         7        12:03:20  "line 4"
 *     b       d         2        12:03:05  ""         withdrawn
 *
 * The later counter of an origin wins and is passed on, once; whatever else
 * comes is known already. So it goes round no circle, also when its time is
 * over here and copies of it are still on their way: it is known for a while.
 */
#ifndef CRDTI_PRESENCE_H
#define CRDTI_PRESENCE_H

#include "array.h"
#include "message.h"

/* The longest that a copy may be on its way. */
#define CRDTI_PRESENCE_KNOWN_MS 60000u

typedef struct crdti_present {
    crdt_id origin;
    size_t number; /* of the share */
    uint64_t counter, expires_at;
    uint64_t serial; /* in the order of their coming, here */
    uint64_t from;   /* the nonce of the session that told it; 0: ours */
    size_t len;
    uint8_t value[CRDTSYNC_MAX_PRESENCE];
} crdti_present;

/* Of a node. */
typedef struct crdti_presences {
    CRDTI_ARRAY(crdti_present) all;
    uint64_t serial, counter; /* the last ones given */
} crdti_presences;

typedef struct crdti_told_presence {
    uint64_t doc;
    crdt_id origin;
    uint64_t counter, ttl_ms;
    crdt_bytes value;
} crdti_told_presence;

CRDTI_FN void crdti_put_presence(crdti_writer *w, uint64_t doc,
                                 const crdti_present *p, uint64_t now)
{
    crdti_put_varint(w, doc);
    crdti_put_raw(w, crdt_bytes_of(p->origin.b, sizeof p->origin.b));
    crdti_put_varint(w, p->counter);
    crdti_put_varint(w, p->expires_at - now);
    crdti_put_raw(w, crdt_bytes_of(p->value, p->len));
}

CRDTI_FN void crdti_get_presence(crdti_reader *r, crdti_told_presence *told)
{
    told->doc = crdti_get_varint(r);
    told->origin = crdti_get_id(r);
    told->counter = crdti_get_varint(r);
    told->ttl_ms = crdti_get_varint(r);
    if (crdti_reader_left(r) > CRDTSYNC_MAX_PRESENCE ||
        told->ttl_ms > CRDTSYNC_MAX_PRESENCE_MS)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    told->value = crdti_get_raw(r, crdti_reader_left(r));
}

/* Forgets what has expired, so long ago or longer. */
CRDTI_FN void crdti_presences_sweep(crdti_presences *p, uint64_t now,
                                    uint64_t ago_ms)
{
    size_t i = 0;
    while (i < p->all.len) {
        if (now < p->all.ptr[i].expires_at + ago_ms)
            i++;
        else
            p->all.ptr[i] = p->all.ptr[--p->all.len];
    }
}

CRDTI_FN crdti_present *crdti_presences_find(crdti_presences *p,
                                             const crdt_id *origin,
                                             size_t number)
{
    size_t i;
    for (i = 0; i < p->all.len; i++) {
        crdti_present *at = &p->all.ptr[i];
        if (at->number == number && crdti_id_equal(&at->origin, origin))
            return at;
    }
    return NULL;
}

/* LIMIT: there are as many as may be. OK also for what is known. */
CRDTI_FN crdt_err crdti_presences_take(const crdt_alloc *alloc,
                                       crdti_presences *p, size_t number,
                                       const crdti_told_presence *told,
                                       uint64_t from, uint64_t now)
{
    crdti_present *at;
    crdti_presences_sweep(p, now, CRDTI_PRESENCE_KNOWN_MS);
    at = crdti_presences_find(p, &told->origin, number);
    if (at && told->counter <= at->counter)
        return CRDT_OK;
    if (!at) {
        if (p->all.len >= CRDTSYNC_MAX_PRESENT)
            crdti_presences_sweep(p, now, 0);
        if (p->all.len >= CRDTSYNC_MAX_PRESENT)
            return CRDT_ERR_LIMIT;
        if (crdti_array_reserve(alloc, &p->all, 1))
            return CRDT_ERR_NOMEM;
        at = &p->all.ptr[p->all.len++];
    }
    at->origin = told->origin;
    at->number = number;
    at->counter = told->counter;
    at->expires_at = now + told->ttl_ms;
    at->serial = ++p->serial;
    at->from = from;
    at->len = told->value.len;
    if (at->len)
        crdti_copy(at->value, told->value.ptr, at->len);
    return CRDT_OK;
}

#endif
