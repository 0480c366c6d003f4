/*
 * Version vectors: for each replica, up to which of its changes something
 * goes. They say what a document has applied, what a delta builds on, what a
 * peer lacks.
 *
 *     entries  [ a,12 | c,3 | f,40 ]     sorted by id, no seq is 0
 *
 *     bytes    03  aa..aa 0c  cc..cc 03  ff..ff 28
 *              count, then id (16 bytes) and seq (varint) of each
 *
 * A sorted array and no tree: 24 bytes an entry, found by halving, merged and
 * compared in one pass from memory that lies in a row. New ids are rare.
 */
#ifndef CRDTI_VV_H
#define CRDTI_VV_H

#include "alloc.h"
#include "array.h"
#include "base.h"
#include "bytes.h"
#include "dot.h"
#include "limits.h"

#define CRDTI_VV_ENTRY_MIN 17 /* bytes of an entry at least */
#define CRDTI_VV_ENTRY_MAX 26 /* and at most */

CRDT_API void crdt_vv_free(crdt_vv *vv)
{
    if (!vv)
        return;
    crdti_free(vv->alloc, vv->entries, vv->cap * sizeof *vv->entries);
    vv->entries = NULL;
    vv->len = vv->cap = 0;
}

CRDT_API void crdt_vv_clear(crdt_vv *vv)
{
    vv->len = 0;
}

CRDTI_FN crdt_err crdti_vv_reserve(crdt_vv *vv, size_t extra)
{
    if (extra > CRDTSYNC_MAX_REPLICAS ||
        vv->len > CRDTSYNC_MAX_REPLICAS - extra)
        return CRDT_ERR_LIMIT;
    if (extra <= vv->cap - vv->len)
        return CRDT_OK;
    return crdti_array_grow(vv->alloc, &vv->entries, vv->len, &vv->cap,
                            sizeof *vv->entries, extra);
}

/* Where the entry of the replica is, or would be. O(log n). */
CRDTI_FN size_t crdti_vv_place(const crdt_vv *vv, const crdt_id *replica)
{
    size_t low = 0, high = vv->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (crdti_id_order(&vv->entries[mid].replica, replica) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

CRDTI_INLINE int crdti_vv_is_at(const crdt_vv *vv, size_t place,
                                const crdt_id *replica)
{
    return place < vv->len &&
           crdti_id_equal(&vv->entries[place].replica, replica);
}

/* The seq of a replica, when all are asked for by id: *at goes along. */
CRDTI_INLINE uint64_t crdti_vv_next(const crdt_vv *vv, size_t *at,
                                    const crdt_id *replica)
{
    while (*at < vv->len &&
           crdti_id_order(&vv->entries[*at].replica, replica) < 0)
        ++*at;
    return crdti_vv_is_at(vv, *at, replica) ? vv->entries[*at].seq : 0;
}

CRDT_API uint64_t crdt_vv_get(const crdt_vv *vv, const crdt_id *replica)
{
    size_t place = crdti_vv_place(vv, replica);
    return crdti_vv_is_at(vv, place, replica) ? vv->entries[place].seq : 0;
}

CRDT_API int crdt_vv_covers(const crdt_vv *vv, const crdt_dot *dot)
{
    return dot->seq <= crdt_vv_get(vv, &dot->replica);
}

CRDTI_FN void crdti_vv_remove_at(crdt_vv *vv, size_t place)
{
    crdt_dot *entry = vv->entries + place;
    vv->len--;
    crdti_move(entry, entry + 1, (vv->len - place) * sizeof *entry);
}

CRDTI_FN crdt_err crdti_vv_insert_at(crdt_vv *vv, size_t place,
                                     const crdt_id *replica, uint64_t seq)
{
    crdt_err err = crdti_vv_reserve(vv, 1);
    crdt_dot *entry;
    if (err)
        return err;
    entry = vv->entries + place;
    crdti_move(entry + 1, entry, (vv->len - place) * sizeof *entry);
    entry->replica = *replica; /* not in what moved: it was not in there */
    entry->seq = seq;
    vv->len++;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_vv_set(crdt_vv *vv, const crdt_id *replica,
                              uint64_t seq)
{
    size_t place;
    if (!vv || !replica)
        return CRDT_ERR_ARG;
    if (seq > CRDTSYNC_MAX_SEQ)
        return CRDT_ERR_LIMIT;
    place = crdti_vv_place(vv, replica);
    if (!crdti_vv_is_at(vv, place, replica))
        return seq ? crdti_vv_insert_at(vv, place, replica, seq) : CRDT_OK;
    if (seq)
        vv->entries[place].seq = seq;
    else
        crdti_vv_remove_at(vv, place);
    return CRDT_OK;
}

/* The same, unless it has as much already. `*place` is where it may well be;
 * vectors of one document have their entries at the same places. */
CRDTI_FN crdt_err crdti_vv_raise(crdt_vv *vv, const crdt_dot *dot,
                                 size_t *place)
{
    if (!crdti_vv_is_at(vv, *place, &dot->replica))
        *place = crdti_vv_place(vv, &dot->replica);
    if (!crdti_vv_is_at(vv, *place, &dot->replica))
        return crdti_vv_insert_at(vv, *place, &dot->replica, dot->seq);
    if (vv->entries[*place].seq < dot->seq)
        vv->entries[*place].seq = dot->seq;
    return CRDT_OK;
}

/* The one replica of which `after` has more than `before`, or NULL. */
CRDTI_FN const crdt_dot *crdti_vv_grown(const crdt_vv *before,
                                        const crdt_vv *after)
{
    const crdt_dot *grown = NULL;
    size_t i, j = 0;
    for (i = 0; i < after->len; i++) {
        const crdt_dot *dot = &after->entries[i];
        if (crdti_vv_next(before, &j, &dot->replica) >= dot->seq)
            continue;
        if (grown)
            return NULL;
        grown = dot;
    }
    return grown;
}

/* How many replicas of b are not in a. */
CRDTI_FN size_t crdti_vv_fresh(const crdt_vv *a, const crdt_vv *b)
{
    size_t i = 0, j, fresh = 0;
    for (j = 0; j < b->len; j++) {
        int order = 1;
        while (i < a->len &&
               (order = crdti_id_order(&a->entries[i].replica,
                                       &b->entries[j].replica)) < 0)
            i++;
        fresh += i == a->len || order != 0;
    }
    return fresh;
}

/* From the end, so that it needs no second array: the write position is never
 * below the read position of a, and meets it when b has no more new ids. */
CRDTI_FN void crdti_vv_merge_reserved(crdt_vv *a, const crdt_vv *b,
                                      size_t fresh)
{
    size_t i = a->len, j = b->len, to = a->len + fresh;
    a->len = to;
    while (j > 0) {
        const crdt_dot *y = &b->entries[j - 1];
        int order =
            i ? crdti_id_order(&a->entries[i - 1].replica, &y->replica) : -1;
        crdt_dot *out = &a->entries[--to];
        uint64_t least = order == 0 ? y->seq : 0;
        *out = order < 0 ? *y : a->entries[i - 1];
        out->seq = crdti_max(out->seq, least);
        i -= order >= 0;
        j -= order <= 0;
    }
}

CRDT_API crdt_err crdt_vv_merge(crdt_vv *a, const crdt_vv *b)
{
    size_t fresh;
    crdt_err err;
    if (!a || !b)
        return CRDT_ERR_ARG;
    fresh = crdti_vv_fresh(a, b);
    err = crdti_vv_reserve(a, fresh);
    if (!err)
        crdti_vv_merge_reserved(a, b, fresh);
    return err;
}

/* a := pointwise minimum of a and b. */
CRDTI_FN void crdti_vv_meet(crdt_vv *a, const crdt_vv *b)
{
    size_t i, j = 0, len = 0;
    for (i = 0; i < a->len; i++) {
        crdt_dot dot = a->entries[i];
        dot.seq = crdti_min(dot.seq, crdti_vv_next(b, &j, &dot.replica));
        if (dot.seq)
            a->entries[len++] = dot;
    }
    a->len = len;
}

/* How many changes of `a` are not in `b`. */
CRDTI_FN uint64_t crdti_vv_excess(const crdt_vv *a, const crdt_vv *b)
{
    uint64_t excess = 0;
    size_t i, j = 0;
    for (i = 0; i < a->len; i++) {
        uint64_t seq = crdti_vv_next(b, &j, &a->entries[i].replica);
        if (a->entries[i].seq > seq)
            excess += a->entries[i].seq - seq;
    }
    return excess;
}

/* How many changes it covers. */
CRDTI_FN uint64_t crdti_vv_sum(const crdt_vv *vv)
{
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i < vv->len; i++)
        sum += vv->entries[i].seq;
    return sum;
}

/* Whether b covers all that a does. */
CRDTI_FN int crdti_vv_is_in(const crdt_vv *a, const crdt_vv *b)
{
    crdt_order order = crdt_vv_compare(a, b);
    return order == CRDT_EQUAL || order == CRDT_BEFORE;
}

CRDT_API crdt_err crdt_vv_copy(crdt_vv *a, const crdt_vv *b)
{
    crdt_err err;
    if (!a || !b)
        return CRDT_ERR_ARG;
    err = b->len > a->len ? crdti_vv_reserve(a, b->len - a->len) : CRDT_OK;
    if (err)
        return err;
    crdti_move(a->entries, b->entries, b->len * sizeof *b->entries);
    a->len = b->len;
    return CRDT_OK;
}

CRDT_API crdt_order crdt_vv_compare(const crdt_vv *a, const crdt_vv *b)
{
    size_t i = 0, j = 0;
    int a_more = 0, b_more = 0;
    while (i < a->len && j < b->len) {
        const crdt_dot *x = &a->entries[i], *y = &b->entries[j];
        int order = crdti_id_order(&x->replica, &y->replica);
        a_more |= order < 0 || (order == 0 && x->seq > y->seq);
        b_more |= order > 0 || (order == 0 && x->seq < y->seq);
        i += order <= 0;
        j += order >= 0;
    }
    a_more |= i < a->len;
    b_more |= j < b->len;
    if (a_more)
        return b_more ? CRDT_CONCURRENT : CRDT_AFTER;
    return b_more ? CRDT_BEFORE : CRDT_EQUAL;
}

/* >>as bytes -------------------------------------------------------------- */

CRDTI_FN void crdti_put_vv(crdti_writer *w, const crdt_vv *vv)
{
    size_t i;
    crdti_put_varint(w, vv->len);
    for (i = 0; i < vv->len; i++) {
        const crdt_dot *entry = &vv->entries[i];
        crdti_put_raw(w, crdt_bytes_of(entry->replica.b, 16));
        crdti_put_varint(w, entry->seq);
    }
}

/* Reads `count` entries into `out`, or only looks at them when that is NULL. */
CRDTI_FN void crdti_get_vv_entries(crdti_reader *r, crdt_dot *out,
                                   size_t count)
{
    const uint8_t *before = NULL;
    for (; count > 0; count--) {
        const uint8_t *at = r->ptr;
        const uint8_t *id = crdti_get_raw(r, 16).ptr;
        uint64_t seq = crdti_get_varint(r);
        if (r->err)
            return;
        if (before && crdti_compare(before, id, 16) >= 0)
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
        if (seq == 0 || seq > CRDTSYNC_MAX_SEQ)
            crdti_reader_fail_at(r, at + 16,
                                 seq ? CRDT_ERR_LIMIT : CRDT_ERR_CORRUPT);
        before = id;
        if (!out)
            continue;
        crdti_copy(out->replica.b, id, 16);
        out->seq = seq;
        out++;
    }
}

/* Reads past a vector, checking all of it; how many entries it has. */
CRDTI_FN size_t crdti_skip_vv(crdti_reader *r)
{
    size_t count =
        crdti_get_count(r, CRDTSYNC_MAX_REPLICAS, CRDTI_VV_ENTRY_MIN);
    crdti_get_vv_entries(r, NULL, count);
    return count;
}

/* vv := the vector at `from`, which has been checked. */
CRDTI_FN crdt_err crdti_vv_load(crdt_vv *vv, crdti_reader from, size_t count)
{
    crdt_err err =
        count > vv->len ? crdti_vv_reserve(vv, count - vv->len) : CRDT_OK;
    if (err)
        return err;
    (void)crdti_get_varint(&from);
    crdti_get_vv_entries(&from, vv->entries, count);
    CRDTI_ASSERT(!from.err);
    vv->len = count;
    return CRDT_OK;
}

/* Reads a vector into vv, which is as it was when the reader fails. */
CRDTI_FN void crdti_get_vv(crdti_reader *r, crdt_vv *vv)
{
    crdti_reader from = *r;
    size_t count = crdti_skip_vv(r);
    crdt_err err = r->err ? r->err : crdti_vv_load(vv, from, count);
    if (err)
        crdti_reader_fail_at(r, from.ptr, err);
}

CRDT_API crdt_err crdt_vv_encode(const crdt_vv *vv, crdt_buf *out)
{
    crdti_writer w;
    if (!vv || !out)
        return CRDT_ERR_ARG;
    crdti_writer_init(&w, out);
    w.err = crdti_buf_reserve(out,
                              CRDTI_VARINT_MAX + vv->len * CRDTI_VV_ENTRY_MAX);
    crdti_put_vv(&w, vv);
    return w.err;
}

CRDT_API crdt_err crdt_vv_decode(crdt_vv *vv, crdt_bytes bytes)
{
    crdti_reader r, from;
    size_t count;
    if (!vv || (!bytes.ptr && bytes.len))
        return CRDT_ERR_ARG;
    crdti_reader_init(&r, bytes);
    from = r;
    count = crdti_skip_vv(&r);
    if (crdti_reader_left(&r) > 0)
        crdti_reader_fail(&r, CRDT_ERR_CORRUPT);
    return r.err ? r.err : crdti_vv_load(vv, from, count);
}

#endif
