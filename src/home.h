/*
 * Homes: in which leaf of the span tree (span.h) a character is, by its name.
 *
 *     names   0..511   leaf 3        [ 0:3 | 512:7 | 530:3 | ... ]   a block
 *             512..529 leaf 7        [ 900:4 | ...               ]   the next
 *             530..    leaf 3
 *
 * An entry goes up to the next one. Entries lie in blocks, and the blocks in
 * one list, all of it sorted: finding is two binary searches, a change moves
 * one block at most.
 *
 * It is kept only where somebody needs it: edits by position do not. And it is
 * only an acceleration: where there is no memory for it, it is dropped, and
 * leaves are searched one by one until there is.
 */
#ifndef CRDTI_HOME_H
#define CRDTI_HOME_H

#include "array.h"
#include "base.h"

#define CRDTI_HOMES 62

typedef struct crdti_home_block {
    uint32_t len;
    uint32_t names[CRDTI_HOMES], leaves[CRDTI_HOMES];
} crdti_home_block;

typedef struct crdti_homes {
    CRDTI_ARRAY(crdti_home_block *) blocks; /* none is empty */
    uint8_t is_known;
} crdti_homes;

typedef struct crdti_home_at {
    size_t block;
    uint32_t at;
} crdti_home_at;

CRDTI_FN void crdti_homes_drop(const crdt_alloc *alloc, crdti_homes *homes)
{
    size_t i;
    for (i = 0; i < homes->blocks.len; i++)
        crdti_free(alloc, homes->blocks.ptr[i], sizeof(crdti_home_block));
    crdti_array_free(alloc, &homes->blocks);
    homes->is_known = 0;
}

/* The entry that the name belongs to. */
CRDTI_FN crdti_home_at crdti_home_find(const crdti_homes *homes, uint32_t name)
{
    size_t low = 0, high = homes->blocks.len;
    const crdti_home_block *last = homes->blocks.ptr[high - 1];
    uint32_t from = 0, to;
    crdti_home_at found;
    if (last->names[last->len - 1] <= name) { /* as when one types */
        found.block = high - 1;
        found.at = last->len - 1;
        return found;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (homes->blocks.ptr[middle]->names[0] <= name)
            low = middle;
        else
            high = middle;
    }
    to = homes->blocks.ptr[low]->len;
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        if (homes->blocks.ptr[low]->names[middle] <= name)
            from = middle;
        else
            to = middle;
    }
    found.block = low;
    found.at = from;
    return found;
}

CRDTI_FN uint32_t crdti_home_of(const crdti_homes *homes, uint32_t name)
{
    crdti_home_at found = crdti_home_find(homes, name);
    return homes->blocks.ptr[found.block]->leaves[found.at];
}

/* An empty block behind the i-th, or as the first. */
CRDTI_FN crdti_home_block *crdti_home_block_add(const crdt_alloc *alloc,
                                                crdti_homes *homes, size_t i)
{
    crdti_home_block *block;
    if (crdti_array_reserve(alloc, &homes->blocks, 1))
        return NULL;
    block = (crdti_home_block *)crdti_alloc(alloc, sizeof *block);
    if (!block)
        return NULL;
    block->len = 0;
    crdti_move(homes->blocks.ptr + i + 1, homes->blocks.ptr + i,
               (homes->blocks.len - i) * sizeof *homes->blocks.ptr);
    homes->blocks.ptr[i] = block;
    homes->blocks.len++;
    return block;
}

/* Moves the upper half of a full block into a new one; at the very end, where
 * most is added, only the last entry. */
CRDTI_FN crdt_err crdti_home_split(const crdt_alloc *alloc, crdti_homes *homes,
                                   crdti_home_at *at)
{
    int is_end = at->block + 1 == homes->blocks.len && at->at == CRDTI_HOMES;
    uint32_t keep = is_end ? CRDTI_HOMES - 1 : CRDTI_HOMES / 2;
    crdti_home_block *low, *high;
    high = crdti_home_block_add(alloc, homes, at->block + 1);
    if (!high)
        return CRDT_ERR_NOMEM;
    low = homes->blocks.ptr[at->block];
    high->len = low->len - keep;
    low->len = keep;
    crdti_copy(high->names, low->names + keep, high->len * sizeof(uint32_t));
    crdti_copy(high->leaves, low->leaves + keep, high->len * sizeof(uint32_t));
    if (at->at >= keep) {
        at->block++;
        at->at -= keep;
    }
    return CRDT_OK;
}

/* Puts an entry before that at `at`, which may be behind the last of a block;
 * `at` is then its place. */
CRDTI_FN crdt_err crdti_home_insert(const crdt_alloc *alloc,
                                    crdti_homes *homes, crdti_home_at *at,
                                    uint32_t name, uint32_t leaf)
{
    crdti_home_block *block = homes->blocks.ptr[at->block];
    uint32_t behind;
    if (block->len == CRDTI_HOMES) {
        if (crdti_home_split(alloc, homes, at))
            return CRDT_ERR_NOMEM;
        block = homes->blocks.ptr[at->block];
    }
    behind = block->len - at->at;
    crdti_move(block->names + at->at + 1, block->names + at->at,
               behind * sizeof(uint32_t));
    crdti_move(block->leaves + at->at + 1, block->leaves + at->at,
               behind * sizeof(uint32_t));
    block->names[at->at] = name;
    block->leaves[at->at] = leaf;
    block->len++;
    return CRDT_OK;
}

CRDTI_FN void crdti_home_remove(const crdt_alloc *alloc, crdti_homes *homes,
                                crdti_home_at at)
{
    crdti_home_block *block = homes->blocks.ptr[at.block];
    uint32_t behind = --block->len - at.at;
    if (block->len) {
        crdti_move(block->names + at.at, block->names + at.at + 1,
                   behind * sizeof(uint32_t));
        crdti_move(block->leaves + at.at, block->leaves + at.at + 1,
                   behind * sizeof(uint32_t));
        return;
    }
    crdti_free(alloc, block, sizeof *block);
    homes->blocks.len--;
    crdti_move(homes->blocks.ptr + at.block, homes->blocks.ptr + at.block + 1,
               (homes->blocks.len - at.block) * sizeof *homes->blocks.ptr);
}

/* The entry behind `at`; whether there is one. */
CRDTI_FN int crdti_home_next(const crdti_homes *homes, crdti_home_at *at)
{
    if (at->at + 1 < homes->blocks.ptr[at->block]->len) {
        at->at++;
        return 1;
    }
    if (at->block + 1 == homes->blocks.len)
        return 0;
    at->block++;
    at->at = 0;
    return 1;
}

/* The names from `name` up to `end` are in that leaf now. */
CRDTI_FN crdt_err crdti_home_change(const crdt_alloc *alloc,
                                    crdti_homes *homes, uint32_t name,
                                    uint32_t end, uint32_t leaf)
{
    crdti_home_at at = crdti_home_find(homes, name), next = at;
    const crdti_home_block *block = homes->blocks.ptr[at.block];
    uint32_t behind = block->leaves[at.at];
    int has_end = 0;
    /* What begins in between goes; the last of it may go on behind the end. */
    while (crdti_home_next(homes, &next)) {
        block = homes->blocks.ptr[next.block];
        has_end = block->names[next.at] == end;
        if (block->names[next.at] >= end)
            break;
        behind = block->leaves[next.at];
        crdti_home_remove(alloc, homes, next);
        next = at;
    }
    block = homes->blocks.ptr[at.block];
    if (block->names[at.at] == name && at.at &&
        block->leaves[at.at - 1] == leaf) {
        /* The entry before goes on, as when one types. */
        if (has_end || behind == leaf) {
            crdti_home_remove(alloc, homes, at);
        } else {
            homes->blocks.ptr[at.block]->names[at.at] = end;
            homes->blocks.ptr[at.block]->leaves[at.at] = behind;
        }
        return CRDT_OK;
    }
    if (block->names[at.at] == name) {
        homes->blocks.ptr[at.block]->leaves[at.at] = leaf;
    } else if (block->leaves[at.at] != leaf) {
        at.at++;
        if (crdti_home_insert(alloc, homes, &at, name, leaf))
            return CRDT_ERR_NOMEM;
    }
    if (has_end || behind == leaf)
        return CRDT_OK;
    at.at++;
    return crdti_home_insert(alloc, homes, &at, end, behind);
}

/* Whether they go on with the last entry, as when one types. */
CRDTI_INLINE int crdti_home_goes_on(const crdti_homes *homes, uint32_t name,
                                    uint32_t leaf)
{
    const crdti_home_block *last = homes->blocks.ptr[homes->blocks.len - 1];
    uint32_t at = last->len - 1;
    return last->names[at] <= name && last->leaves[at] == leaf;
}

/* The same, for who can go on without. */
CRDTI_FN void crdti_home_set(const crdt_alloc *alloc, crdti_homes *homes,
                             uint32_t name, uint32_t len, uint32_t leaf)
{
    if (!homes->is_known || crdti_home_goes_on(homes, name, leaf))
        return;
    if (crdti_home_change(alloc, homes, name, name + len, leaf))
        crdti_homes_drop(alloc, homes);
}

/* Appends: names must come in order. */
CRDTI_FN crdt_err crdti_home_push(const crdt_alloc *alloc, crdti_homes *homes,
                                  uint32_t name, uint32_t leaf)
{
    size_t count = homes->blocks.len;
    crdti_home_block *block = count ? homes->blocks.ptr[count - 1] : NULL;
    if (block && block->leaves[block->len - 1] == leaf)
        return CRDT_OK;
    if (!block || block->len == CRDTI_HOMES)
        block = crdti_home_block_add(alloc, homes, count);
    if (!block)
        return CRDT_ERR_NOMEM;
    block->names[block->len] = name;
    block->leaves[block->len++] = leaf;
    return CRDT_OK;
}

/* >>all at once ----------------------------------------------------------- */

typedef struct crdti_home_entry {
    uint32_t name, leaf;
} crdti_home_entry;

enum { CRDTI_HOME_DIGIT = 8 };

/* By name, all of them up to `most`, through `spare`, which has as much room:
 * digit by digit, as comparing would take longer than all the rest. Where they
 * are then. */
CRDTI_FN crdti_home_entry *crdti_home_sort(crdti_home_entry *entries,
                                           crdti_home_entry *spare, size_t len,
                                           uint32_t most)
{
    uint32_t ends[1u << CRDTI_HOME_DIGIT], shift, digit, sum, count;
    size_t i;
    for (shift = 0; shift < 32 && most >> shift; shift += CRDTI_HOME_DIGIT) {
        crdti_home_entry *sorted = spare;
        const uint32_t mask = (1u << CRDTI_HOME_DIGIT) - 1;
        crdti_zero(ends, sizeof ends);
        for (i = 0; i < len; i++)
            ends[entries[i].name >> shift & mask]++;
        for (digit = sum = 0; digit <= mask; digit++) {
            count = ends[digit];
            ends[digit] = sum;
            sum += count;
        }
        for (i = 0; i < len; i++)
            sorted[ends[entries[i].name >> shift & mask]++] = entries[i];
        spare = entries;
        entries = sorted;
    }
    return entries;
}

#endif
