/*
 * Records of one size, named by a 32-bit index instead of a pointer: half the
 * size, and still right after the block has moved.
 *
 *     index    0        1        2        3        4        5
 *          [ none ][ record ][ next 4 ][ record ][ next 0 ][ fresh ]
 *                              ^                             ^
 *                              free_list                     used      cap 8
 *
 * Index 0 is nobody. Given-back records form a list through their first four
 * bytes and are taken again first; else the next fresh one is. So all records
 * lie in one block, and taking and giving cost a few instructions each.
 */
#ifndef CRDTI_POOL_H
#define CRDTI_POOL_H

#include "alloc.h"
#include "base.h"

typedef struct crdti_pool {
    uint8_t *base;
    uint32_t size;      /* of a record, in bytes */
    uint32_t used;      /* records below it have been taken once */
    uint32_t cap;       /* records in the block */
    uint32_t free_list; /* the first of the given-back ones, or 0 */
    uint32_t live;      /* records that are taken */
} crdti_pool;

/* `size` is the sizeof a struct of at least four bytes. */
CRDTI_FN void crdti_pool_init(crdti_pool *p, size_t size)
{
    CRDTI_ASSERT(size >= 4 && size < 65536);
    p->base = NULL;
    p->size = (uint32_t)size;
    p->used = 1;
    p->cap = 0;
    p->free_list = 0;
    p->live = 0;
}

CRDTI_INLINE void *crdti_pool_at_of(const crdti_pool *p, uint32_t index,
                                    size_t size)
{
    CRDTI_ASSERT(index > 0 && index < p->used && size == p->size);
    return p->base + index * size;
}

/* Valid until the pool grows. */
CRDTI_INLINE void *crdti_pool_at(const crdti_pool *p, uint32_t index)
{
    return crdti_pool_at_of(p, index, p->size);
}

/* The same where the type is known, and so how to multiply by its size. */
#define CRDTI_POOL_AT(T, p, index) ((T *)crdti_pool_at_of(p, index, sizeof(T)))

/* Doubles while small; a large block grows by a quarter: it is mostly mapped
 * anew, not copied, and half of it unused would weigh more. */
CRDTI_FN crdt_err crdti_pool_grow(const crdt_alloc *alloc, crdti_pool *p,
                                  uint64_t need)
{
    uint64_t cap = p->cap;
    size_t old_size = (size_t)p->cap * p->size;
    void *base;
    cap += old_size < 262144 ? cap : cap / 4;
    cap = crdti_min(crdti_max(cap, crdti_max(need, 8)), INT32_MAX);
    if (need > INT32_MAX)
        return CRDT_ERR_LIMIT;
    base = crdti_realloc(alloc, p->base, old_size,
                         crdti_mul_size((size_t)cap, p->size));
    if (!base)
        return CRDT_ERR_NOMEM;
    p->base = (uint8_t *)base;
    p->cap = (uint32_t)cap;
    return CRDT_OK;
}

/* The next `n` takes will not fail. LIMIT beyond 2^31 records. */
CRDTI_HOT crdt_err crdti_pool_reserve(const crdt_alloc *alloc, crdti_pool *p,
                                      size_t n)
{
    uint64_t need = (uint64_t)p->live + 1 + crdti_min(n, UINT32_MAX);
    if (CRDTI_LIKELY(need <= p->cap || n == 0))
        return CRDT_OK;
    return crdti_pool_grow(alloc, p, need);
}

/* A record of zeros. It must have been reserved. */
CRDTI_HOT uint32_t crdti_pool_take(crdti_pool *p)
{
    uint32_t index = p->free_list;
    if (index)
        crdti_copy(&p->free_list, crdti_pool_at(p, index), 4);
    else
        index = p->used++;
    CRDTI_ASSERT(p->used <= p->cap);
    p->live++;
    crdti_zero(crdti_pool_at(p, index), p->size);
    return index;
}

CRDTI_HOT void crdti_pool_give(crdti_pool *p, uint32_t index)
{
    CRDTI_ASSERT(p->live > 0);
    crdti_copy(crdti_pool_at(p, index), &p->free_list, 4);
    p->free_list = index;
    p->live--;
}

/* Frees all records; the pool is then empty and may be used again. */
CRDTI_FN void crdti_pool_free(const crdt_alloc *alloc, crdti_pool *p)
{
    crdti_free(alloc, p->base, (size_t)p->cap * p->size);
    crdti_pool_init(p, p->size);
}

#endif
