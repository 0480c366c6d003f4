/*
 * Starts: in which of many pieces that lie one behind the other a number is,
 * in a few steps, however many there are.
 *
 *     starts   0 4 5 6 | 9 | | 30 ...         pieces 0, 1, 2, 3, 4, 5
 *     blocks   [ 0 | 3 | 4 | 4 | 5 ]          of 8 numbers each
 *
 * A block says which piece its first number is in, so that a number is in that
 * one, in that of the next block, or between. There is room for as many blocks
 * as pieces: few pieces to a block. When numbers outgrow that, blocks double.
 */
#ifndef CRDTI_STARTS_H
#define CRDTI_STARTS_H

#include "arena.h"

typedef struct crdti_starts {
    uint32_t *starts, *blocks; /* numbers; pieces */
    uint32_t first;            /* number */
    uint32_t len, blocks_len, cap, shift;
} crdti_starts;

/* For up to `cap` pieces, at least 1. */
CRDTI_FN crdt_err crdti_starts_init(crdti_starts *s, crdti_arena *arena,
                                    size_t cap)
{
    crdti_zero(s, sizeof *s);
    s->starts = (uint32_t *)crdti_arena_alloc(
        arena, crdti_mul_size(cap, 2 * sizeof *s->starts));
    if (!s->starts)
        return CRDT_ERR_NOMEM;
    s->blocks = s->starts + cap;
    s->cap = (uint32_t)cap;
    return CRDT_OK;
}

/* Every other block goes: the ones before them take them in. */
CRDTI_FN void crdti_starts_widen(crdti_starts *s)
{
    uint32_t i;
    for (i = 0; i < s->blocks_len; i += 2)
        s->blocks[i / 2] = s->blocks[i];
    s->blocks_len = (s->blocks_len + 1) / 2;
    s->shift++;
}

/* The next piece begins at that number, above those before; below 2^30. */
CRDTI_INLINE void crdti_starts_add(crdti_starts *s, uint32_t start)
{
    uint32_t from;
    if (!s->len)
        s->first = start;
    from = start - s->first;
    while (CRDTI_UNLIKELY(from >> s->shift >= s->cap))
        crdti_starts_widen(s);
    while (s->blocks_len << s->shift < from)
        s->blocks[s->blocks_len++] = s->len - 1;
    if (s->blocks_len << s->shift == from)
        s->blocks[s->blocks_len++] = s->len;
    s->starts[s->len++] = start;
}

/* The piece that begins at or before that number; of those before the first,
 * any. There is one. */
CRDTI_INLINE uint32_t crdti_starts_find(const crdti_starts *s, uint32_t number)
{
    uint32_t block = (number - s->first) >> s->shift, low, high = s->len - 1;
    if (block < s->blocks_len - 1)
        high = s->blocks[block + 1];
    else
        block = s->blocks_len - 1;
    for (low = s->blocks[block]; low < high;) {
        uint32_t middle = high - (high - low) / 2;
        if (s->starts[middle] <= number)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

#endif
