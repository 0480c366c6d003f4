/*
 * A hash table from a 64-bit hash to a number that is not 0, mostly the index
 * of a record. It does not know keys: it offers the candidates, and the caller
 * looks whether one is meant.
 *
 *     slot    0       1       2       3       4       5       6       7
 *         [ tag,7 ][   0   ][ tag,9 ][ tag,4 ][ tag,2 ][   0   ] ...
 *                             home 2   home 2   home 4
 *
 * Open addressing with linear probing: a value lies in its home slot, or right
 * behind it without an empty slot (value 0) between. The tag is the upper half
 * of the hash, and its low bits are the home: so growing and removing need not
 * ask the caller for hashes, and slots are 8 bytes, 8 to a cache line. At most
 * 3/4 are filled: 1.5 probes for a hit that lies first, one cache miss mostly.
 *
 *     for (v = crdti_table_first(t, hash, &i); v;
 *          v = crdti_table_next(t, hash, &i))
 *         if (equal(records[v], key))
 *             break;
 *
 * A table of zeros is an empty one, without memory. (Knuth 1973, 6.4 R)
 */
#ifndef CRDTI_HASH_H
#define CRDTI_HASH_H

#include "alloc.h"
#include "base.h"

typedef struct crdti_hash_slot {
    uint32_t tag;
    uint32_t value;
} crdti_hash_slot;

typedef struct crdti_hash_table {
    crdti_hash_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t len;
} crdti_hash_table;

CRDTI_INLINE uint32_t crdti_table_tag(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The first value from slot `*at` on that has the tag, leaving `*at` behind
 * it; 0 when an empty slot comes first. There always is one. */
CRDTI_HOT uint32_t crdti_table_scan(const crdti_hash_table *t, uint32_t tag,
                                    size_t *at)
{
    size_t mask = t->cap - 1, i = *at;
    for (;; i++) {
        const crdti_hash_slot *slot = &t->slots[i & mask];
        if (!slot->value || slot->tag == tag) {
            *at = i + 1;
            return slot->value;
        }
    }
}

CRDTI_HOT uint32_t crdti_table_first(const crdti_hash_table *t, uint64_t hash,
                                     size_t *iter)
{
    uint32_t tag = crdti_table_tag(hash);
    *iter = tag & (t->cap - 1);
    return t->len ? crdti_table_scan(t, tag, iter) : 0;
}

/* Not to be called after a 0. The table must not have changed meanwhile. */
CRDTI_INLINE uint32_t crdti_table_next(const crdti_hash_table *t,
                                       uint64_t hash, size_t *iter)
{
    return crdti_table_scan(t, crdti_table_tag(hash), iter);
}

CRDTI_INLINE void crdti_table_place(crdti_hash_table *t, uint32_t tag,
                                    uint32_t value)
{
    size_t mask = t->cap - 1, i = tag & mask;
    while (t->slots[i].value)
        i = (i + 1) & mask;
    t->slots[i].tag = tag;
    t->slots[i].value = value;
}

CRDTI_FN crdt_err crdti_table_resize(const crdt_alloc *alloc,
                                     crdti_hash_table *t, size_t cap)
{
    size_t size = crdti_mul_size(cap, sizeof *t->slots), i;
    crdti_hash_table grown;
    grown.slots = (crdti_hash_slot *)crdti_alloc(alloc, size);
    if (!grown.slots)
        return CRDT_ERR_NOMEM;
    crdti_zero(grown.slots, size);
    grown.cap = cap;
    grown.len = t->len;
    for (i = 0; i < t->cap; i++)
        if (t->slots[i].value)
            crdti_table_place(&grown, t->slots[i].tag, t->slots[i].value);
    crdti_free(alloc, t->slots, t->cap * sizeof *t->slots);
    *t = grown;
    return CRDT_OK;
}

/* The next `extra` insertions will not fail. */
CRDTI_FN crdt_err crdti_table_reserve(const crdt_alloc *alloc,
                                      crdti_hash_table *t, size_t extra)
{
    size_t cap = t->cap ? t->cap : 8;
    if (CRDTI_LIKELY(extra <= t->cap - t->cap / 4 - t->len))
        return CRDT_OK;
    if (extra > SIZE_MAX / 4 - t->len)
        return CRDT_ERR_NOMEM;
    while (extra > cap - cap / 4 - t->len)
        cap *= 2;
    return crdti_table_resize(alloc, t, cap);
}

/* Room must have been reserved. The same hash may come with several values. */
CRDTI_FN void crdti_table_insert(crdti_hash_table *t, uint64_t hash,
                                 uint32_t value)
{
    CRDTI_ASSERT(value != 0 && t->len < t->cap - t->cap / 4);
    crdti_table_place(t, crdti_table_tag(hash), value);
    t->len++;
}

/* Empties a slot, and moves up those behind it that may lie there, until an
 * empty one: nobody is cut off from home, and no tombstone stays. */
CRDTI_FN void crdti_table_close_gap(crdti_hash_table *t, size_t gap)
{
    size_t mask = t->cap - 1, i = gap;
    for (;;) {
        crdti_hash_slot slot;
        i = (i + 1) & mask;
        slot = t->slots[i];
        if (!slot.value)
            break;
        if (((i - slot.tag) & mask) < ((i - gap) & mask))
            continue; /* its home lies behind the gap */
        t->slots[gap] = slot;
        gap = i;
    }
    t->slots[gap].tag = t->slots[gap].value = 0;
}

/* Whether it was there. */
CRDTI_FN int crdti_table_remove(crdti_hash_table *t, uint64_t hash,
                                uint32_t value)
{
    size_t i;
    uint32_t v = crdti_table_first(t, hash, &i);
    while (v && v != value)
        v = crdti_table_next(t, hash, &i);
    if (!v)
        return 0;
    crdti_table_close_gap(t, (i - 1) & (t->cap - 1));
    t->len--;
    return 1;
}

CRDTI_FN void crdti_table_free(const crdt_alloc *alloc, crdti_hash_table *t)
{
    crdti_free(alloc, t->slots, t->cap * sizeof *t->slots);
    t->slots = NULL;
    t->cap = t->len = 0;
}

#endif
