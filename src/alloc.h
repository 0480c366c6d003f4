/*
 * Memory, always through a crdt_alloc table. The size of a block is known by
 * its holder, who says it again on resizing and freeing: an allocator need not
 * remember it.
 *
 *     crdti_alloc(a, 64) -> block        resize(ctx, NULL, 0, 64)
 *     crdti_realloc(a, block, 64, 128)   resize(ctx, block, 64, 128)
 *     crdti_free(a, block, 128)          resize(ctx, block, 128, 0)
 *
 * A NULL table is malloc; freestanding there is none, and nothing is granted.
 */
#ifndef CRDTI_ALLOC_H
#define CRDTI_ALLOC_H

#include "base.h"

#ifndef CRDTSYNC_FREESTANDING
#include <stdlib.h>

CRDTI_FN void *crdti_malloc_resize(void *ctx, void *ptr, size_t old_size,
                                   size_t size)
{
    (void)ctx;
    (void)old_size;
    if (size)
        return realloc(ptr, size);
    free(ptr); /* realloc to 0 may do this, or may not */
    return NULL;
}
#endif

/* The table, or malloc; NULL when freestanding and there is none. */
CRDTI_INLINE const crdt_alloc *crdti_alloc_or_default(const crdt_alloc *a)
{
#ifndef CRDTSYNC_FREESTANDING
    static const crdt_alloc crdti_malloc = { 1, NULL, crdti_malloc_resize };
    return a ? a : &crdti_malloc;
#else
    return a;
#endif
}

/* a * b, or SIZE_MAX when that does not fit, which is never granted. */
CRDTI_INLINE size_t crdti_mul_size(size_t a, size_t b)
{
    return b && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

/* NULL means no memory; the old block is then as it was. Half of the address
 * space is refused here, since differences of pointers could not span it. */
CRDTI_FN void *crdti_realloc(const crdt_alloc *a, void *ptr, size_t old_size,
                             size_t size)
{
    CRDTI_ASSERT(size > 0 && !ptr == !old_size);
    a = crdti_alloc_or_default(a);
    if (!a || size > SIZE_MAX / 2)
        return NULL;
    return a->resize(a->ctx, ptr, old_size, size);
}

CRDTI_FN void *crdti_alloc(const crdt_alloc *a, size_t size)
{
    return crdti_realloc(a, NULL, 0, size);
}

/* NULL is allowed. */
CRDTI_FN void crdti_free(const crdt_alloc *a, void *ptr, size_t size)
{
    if (!ptr)
        return;
    CRDTI_ASSERT(size > 0);
    a = crdti_alloc_or_default(a);
    a->resize(a->ctx, ptr, size, 0);
}

#endif
