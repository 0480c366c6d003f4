/*
 * Interval sets: numbers kept as runs, for what has arrived with gaps, and for
 * which dots a removal took.
 *
 *     runs    [3..5]  [9..9]  [12..40]          sorted, apart, not touching
 *
 *     add 6..8       [3..9]  [12..40]           3 and 9 were touching: merged
 *     remove 20..30  [3..9]  [12..19]  [31..40] one was split
 *
 * Finding is O(log n), at the end O(1); a change in the middle moves what is
 * behind it; subtract is one pass over both. A set of zeros is an
 * empty one. On CRDT_ERR_NOMEM, the only error, the set is as it was.
 */
#ifndef CRDTI_IVSET_H
#define CRDTI_IVSET_H

#include "array.h"
#include "base.h"

typedef struct crdti_run {
    uint64_t lo, hi; /* both are in it */
} crdti_run;

typedef struct crdti_ivset {
    crdti_run *ptr;
    size_t len, cap;
} crdti_ivset;

CRDTI_FN void crdti_ivset_free(const crdt_alloc *alloc, crdti_ivset *set)
{
    crdti_array_free(alloc, set);
}

/* >>reading --------------------------------------------------------------- */

/* The first run that does not end below n. */
CRDTI_FN size_t crdti_ivset_place(const crdti_ivset *set, uint64_t n)
{
    size_t low = 0, high = set->len;
    if (high && n >= set->ptr[high - 1].lo) /* mostly */
        return n > set->ptr[high - 1].hi ? high : high - 1;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (set->ptr[mid].hi < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The first run that begins above n. */
CRDTI_FN size_t crdti_ivset_behind(const crdti_ivset *set, uint64_t n)
{
    size_t place = crdti_ivset_place(set, n);
    return place + (place < set->len && set->ptr[place].lo <= n);
}

CRDTI_FN int crdti_ivset_has(const crdti_ivset *set, uint64_t n)
{
    size_t place = crdti_ivset_place(set, n);
    return place < set->len && set->ptr[place].lo <= n;
}

/* The first number from n on that is not in the set; 0 if all of them are. */
CRDTI_FN uint64_t crdti_ivset_gap(const crdti_ivset *set, uint64_t n)
{
    size_t place = crdti_ivset_place(set, n);
    if (place == set->len || set->ptr[place].lo > n)
        return n;
    return set->ptr[place].hi + 1; /* the next run does not touch this one */
}

/* How many numbers; UINT64_MAX also for all 2^64. O(n). */
CRDTI_FN uint64_t crdti_ivset_count(const crdti_ivset *set)
{
    uint64_t above_runs = 0;
    size_t i;
    for (i = 0; i < set->len; i++)
        above_runs += set->ptr[i].hi - set->ptr[i].lo;
    return set->len > UINT64_MAX - above_runs ? UINT64_MAX
                                              : above_runs + set->len;
}

/* >>adding and removing ---------------------------------------------------
 * Both put zero to two runs in the place of those they touch. */

CRDTI_FN crdt_err crdti_ivset_splice(const crdt_alloc *alloc, crdti_ivset *set,
                                     size_t from, size_t to,
                                     const crdti_run *with, size_t count)
{
    size_t gone = to - from;
    crdt_err err =
        count > gone ? crdti_array_reserve(alloc, set, count - gone) : CRDT_OK;
    if (err || count + gone == 0)
        return err;
    crdti_move(set->ptr + from + count, set->ptr + to,
               (set->len - to) * sizeof *with);
    crdti_copy(set->ptr + from, with, count * sizeof *with);
    set->len = set->len - gone + count;
    return CRDT_OK;
}

/* Adds lo..hi. Runs that end right before lo or begin right behind hi are
 * touched too; 0 and UINT64_MAX have no neighbour on one side. */
CRDTI_FN crdt_err crdti_ivset_add(const crdt_alloc *alloc, crdti_ivset *set,
                                  uint64_t lo, uint64_t hi)
{
    size_t from = crdti_ivset_place(set, lo - (lo > 0));
    size_t to = crdti_ivset_behind(set, hi + (hi < UINT64_MAX));
    crdti_run run;
    CRDTI_ASSERT(lo <= hi && from <= to && (from == to || set->ptr));
    run.lo = from < to ? crdti_min(lo, set->ptr[from].lo) : lo;
    run.hi = from < to ? crdti_max(hi, set->ptr[to - 1].hi) : hi;
    return crdti_ivset_splice(alloc, set, from, to, &run, 1);
}

/* Removes lo..hi. Takes memory only where it splits a run, so never when lo
 * is 0. */
CRDTI_FN crdt_err crdti_ivset_remove(const crdt_alloc *alloc, crdti_ivset *set,
                                     uint64_t lo, uint64_t hi)
{
    size_t from = crdti_ivset_place(set, lo);
    size_t to = crdti_ivset_behind(set, hi), count = 0;
    crdti_run rest[2];
    CRDTI_ASSERT(lo <= hi && from <= to);
    if (from < to && set->ptr[from].lo < lo) {
        rest[count].lo = set->ptr[from].lo;
        rest[count++].hi = lo - 1;
    }
    if (from < to && set->ptr[to - 1].hi > hi) {
        rest[count].lo = hi + 1;
        rest[count++].hi = set->ptr[to - 1].hi;
    }
    return crdti_ivset_splice(alloc, set, from, to, rest, count);
}

/* >>whole sets ------------------------------------------------------------
 * The runs of a first move up by as many places as b has runs. Then the
 * result is written from the front: it has at most as many runs as have been
 * read of both, so that it never reaches what is still unread.
 *
 *     a, b of 2     [ a0 | a1 | a2 |    |    ]
 *     moved up      [    |    | a0 | a1 | a2 ]
 *     written       [ r0 | r1 |  .   a1 | a2 ]   a0 and one of b are read
 */

/* Returns where the runs of a are now; their old places count as unwritten.
 * SIZE_MAX: no memory. */
CRDTI_FN size_t crdti_ivset_shift(const crdt_alloc *alloc, crdti_ivset *a,
                                  size_t by)
{
    if (crdti_array_reserve(alloc, a, by))
        return SIZE_MAX;
    crdti_move(a->ptr + by, a->ptr, a->len * sizeof *a->ptr);
    a->len = 0;
    return by;
}

/* Appends a run that does not begin before the last one. */
CRDTI_FN void crdti_ivset_push(crdti_ivset *set, uint64_t lo, uint64_t hi)
{
    crdti_run *last = set->len ? &set->ptr[set->len - 1] : NULL;
    if (last && (lo <= last->hi || lo - 1 == last->hi)) {
        last->hi = crdti_max(last->hi, hi);
        return;
    }
    set->ptr[set->len].lo = lo;
    set->ptr[set->len++].hi = hi;
}

/* Pushes what b leaves of the run; returns the first run of b that may reach
 * the next one. */
CRDTI_FN size_t crdti_ivset_push_rest(crdti_ivset *a, crdti_run run,
                                      const crdti_ivset *b, size_t j)
{
    while (j < b->len && b->ptr[j].hi < run.lo)
        j++;
    for (; j < b->len && b->ptr[j].lo <= run.hi; j++) {
        if (b->ptr[j].lo > run.lo)
            crdti_ivset_push(a, run.lo, b->ptr[j].lo - 1);
        if (b->ptr[j].hi >= run.hi)
            return j;
        run.lo = b->ptr[j].hi + 1;
    }
    crdti_ivset_push(a, run.lo, run.hi);
    return j;
}

/* a := a without b. */
CRDTI_FN crdt_err crdti_ivset_subtract(const crdt_alloc *alloc, crdti_ivset *a,
                                       const crdti_ivset *b)
{
    size_t i, end = a->len + b->len, j = 0;
    if (a == b)
        a->len = 0;
    if (a->len == 0 || b->len == 0)
        return CRDT_OK;
    i = crdti_ivset_shift(alloc, a, b->len);
    if (i == SIZE_MAX)
        return CRDT_ERR_NOMEM;
    while (i < end) {
        crdti_run run = a->ptr[i++];
        j = crdti_ivset_push_rest(a, run, b, j);
    }
    return CRDT_OK;
}

#endif
