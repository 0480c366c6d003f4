/*
 * Parcels: messages that are too long for one frame go in pieces, and are
 * heard when the last one has come. One at a time each way.
 *
 *     sender    [ said, got | said  | said, got | not yet   ]
 *                                               at
 *     receiver  [ ######### |       | ######### ]             have: two runs
 *
 * The receiver keeps what comes in any order and says what it has got when a
 * piece asks. The sender goes through the message from front to back, and then
 * again through what was not got; it asks at the end, and in between so often
 * that what is under way stays within the window. Where no answer comes in
 * time it tries one piece. So a piece that is lost costs a piece.
 */
#ifndef CRDTI_PARCEL_H
#define CRDTI_PARCEL_H

#include "message.h"
#include "pace.h"

#define CRDTI_RUNS_MAX 4096u /* gaps and all, at either end */

/* On its way out. */
typedef struct crdti_parcel {
    crdt_buf bytes; /* a payload; empty: there is none */
    uint8_t kind;
    uint64_t id;
    crdti_ivset have; /* of the receiver, by its own word */
    size_t at;        /* said, or had, up to here in this round */
    size_t loose;     /* bytes said and not yet heard of */
    size_t unasked;   /* of them, behind the piece that asked last */
    size_t asked;     /* the end of that piece; 0: it is answered */
    uint64_t asked_at;
    int is_probe; /* one piece, after silence */
    /* Of an UPDATE: whose it is. */
    size_t number;
    uint64_t update;
} crdti_parcel;

/* On its way in. */
typedef struct crdti_staging {
    crdt_buf bytes;
    uint8_t kind;
    uint64_t id, done; /* done: of the last one that was whole */
    int is_old;        /* what another link left: park.h */
    uint64_t total, got;
    crdti_ivset have;
} crdti_staging;

/* >>out ------------------------------------------------------------------- */

CRDTI_FN void crdti_parcel_clear(const crdt_alloc *alloc, crdti_parcel *p)
{
    crdt_buf_free(&p->bytes);
    crdti_ivset_free(alloc, &p->have);
    p->at = p->loose = p->unasked = p->asked = 0;
    p->is_probe = 0;
}

/* The next piece: where it begins; its length is 0 at the end of the round. */
CRDTI_FN size_t crdti_parcel_next(const crdti_parcel *p, size_t room,
                                  size_t *len)
{
    size_t at = (size_t)crdti_ivset_gap(&p->have, p->at);
    size_t place = crdti_ivset_place(&p->have, at);
    size_t end =
        place < p->have.len ? (size_t)p->have.ptr[place].lo : p->bytes.len;
    *len = at < p->bytes.len ? crdti_min_size(room, end - at) : 0;
    return at;
}

/* Whether another piece may be said now. */
CRDTI_FN int crdti_parcel_may(const crdti_parcel *p, size_t window)
{
    size_t len;
    if (!p->bytes.len || (p->is_probe && p->asked))
        return 0;
    crdti_parcel_next(p, 1, &len);
    return len && p->loose < window;
}

/* A piece has been said, and whether it asked. */
CRDTI_FN void crdti_parcel_said(crdti_parcel *p, size_t end, size_t len,
                                int asks, uint64_t now)
{
    p->at = end;
    p->loose += len;
    p->unasked += len;
    if (!asks)
        return;
    p->unasked = 0;
    p->asked = end;
    p->asked_at = now;
}

/* A word on what has come; whether all has. Behind what asked more may be
 * under way, all else has been answered or is lost. */
CRDTI_FN crdt_err crdti_parcel_hear(const crdt_alloc *alloc, crdti_parcel *p,
                                    crdti_reader *r, uint64_t end, int *whole)
{
    uint64_t at = 0;
    size_t len;
    while (crdti_reader_left(r)) {
        uint64_t lo = at + crdti_get_varint(r), more = crdti_get_varint(r);
        if (!r->err && (lo >= p->bytes.len || more >= p->bytes.len - lo))
            crdti_reader_fail(r, CRDT_ERR_CORRUPT);
        if (r->err)
            return r->err;
        at = lo + more + 1;
        if (p->have.len < CRDTI_RUNS_MAX &&
            crdti_ivset_add(alloc, &p->have, lo, lo + more))
            return CRDT_ERR_NOMEM;
    }
    *whole = crdti_ivset_gap(&p->have, 0) >= p->bytes.len;
    p->loose = p->unasked;
    if (end != p->asked)
        return CRDT_OK;
    p->asked = 0;
    p->is_probe = 0;
    crdti_parcel_next(p, 1, &len);
    if (!len) /* another round */
        p->at = p->loose = p->unasked = 0;
    return CRDT_OK;
}

/* Nothing came back in time. */
CRDTI_FN void crdti_parcel_retry(crdti_parcel *p)
{
    p->at = p->loose = p->unasked = p->asked = 0;
    p->is_probe = 1;
}

/* >>in -------------------------------------------------------------------- */

CRDTI_FN void crdti_staging_clear(const crdt_alloc *alloc, crdti_staging *in)
{
    crdt_buf_free(&in->bytes);
    crdti_ivset_free(alloc, &in->have);
    in->got = in->total = in->id = 0;
}

/* Puts the bytes where they belong. What is far ahead of all that has come is
 * passed over: memory is taken for what was really sent, and as much again. */
CRDTI_FN crdt_err crdti_staging_keep(const crdt_alloc *alloc,
                                     crdti_staging *in,
                                     const crdti_parcel_piece *piece)
{
    uint64_t end = piece->offset + piece->bytes.len;
    uint64_t before = crdti_ivset_count(&in->have);
    crdt_err err;
    if (piece->total != in->total || piece->kind != in->kind)
        return CRDT_ERR_CORRUPT;
    if (end > 2 * before + 2 * CRDTSYNC_MAX_WINDOW ||
        in->have.len >= CRDTI_RUNS_MAX)
        return CRDT_OK;
    if (end > in->bytes.len) {
        err = crdti_buf_reserve(&in->bytes, (size_t)end - in->bytes.len);
        if (err)
            return err;
        in->bytes.len = (size_t)end;
    }
    err = crdti_ivset_add(alloc, &in->have, piece->offset, end - 1);
    if (!err)
        crdti_copy(in->bytes.ptr + piece->offset, piece->bytes.ptr,
                   piece->bytes.len);
    return err;
}

/* A piece has come. *whole: it was the last one; *is_new: of a message that is
 * not known to be whole. */
CRDTI_FN crdt_err crdti_staging_take(const crdt_alloc *alloc,
                                     crdti_staging *in,
                                     const crdti_parcel_piece *piece,
                                     int *whole)
{
    crdt_err err;
    *whole = 0;
    if (piece->id <= in->done || (piece->id < in->id && !in->is_old))
        return CRDT_OK; /* said again, or given up */
    in->is_old = 0;
    if (piece->id != in->id) {
        crdti_staging_clear(alloc, in);
        in->id = piece->id;
        in->total = piece->total;
        in->kind = piece->kind;
    }
    err = crdti_staging_keep(alloc, in, piece);
    if (!err && crdti_ivset_gap(&in->have, 0) >= in->total) {
        in->done = in->id;
        *whole = 1;
    }
    return err;
}

#endif
