/*
 * A growable array of any type: reserve, then write behind `len` and count it.
 *
 *     CRDTI_ARRAY(uint32_t) list = { NULL, 0, 0 };
 *     err = crdti_array_reserve(alloc, &list, 1);
 *     if (!err)
 *         list.ptr[list.len++] = 7;
 *     crdti_array_free(alloc, &list);
 *
 *     ptr [ 7 |   |   |   |   |   |   |   ]   len 1, cap 8
 *
 * It doubles, so appending is O(1) amortised, and with room it costs one
 * comparison. Growing moves the elements: hold indices, not pointers.
 */
#ifndef CRDTI_ARRAY_H
#define CRDTI_ARRAY_H

#include "alloc.h"
#include "base.h"

#define CRDTI_ARRAY(T)                                                        \
    struct {                                                                  \
        T *ptr;                                                               \
        size_t len, cap;                                                      \
    }

/* `ptr_at` is the address of a pointer of whatever type: it is read and
 * written as bytes, since a T ** may not be taken for a void **. */
CRDTI_FN crdt_err crdti_array_grow(const crdt_alloc *alloc, void *ptr_at,
                                   size_t len, size_t *cap, size_t size,
                                   size_t extra)
{
    /* A cache line of small elements to begin with, one of large ones: most
     * arrays that belong to a record stay short. */
    size_t first = crdti_max_size(1, 64 / size);
    size_t want = crdti_max_size(first, crdti_mul_size(*cap, 2));
    void *ptr;
    if (extra > SIZE_MAX - len)
        return CRDT_ERR_NOMEM;
    want = crdti_max_size(want, len + extra);
    crdti_copy(&ptr, ptr_at, sizeof ptr);
    ptr = crdti_realloc(alloc, ptr, *cap * size, crdti_mul_size(want, size));
    if (!ptr)
        return CRDT_ERR_NOMEM;
    crdti_copy(ptr_at, &ptr, sizeof ptr);
    *cap = want;
    return CRDT_OK;
}

CRDTI_INLINE crdt_err crdti_array_room(const crdt_alloc *alloc, void *ptr_at,
                                       size_t len, size_t *cap, size_t size,
                                       size_t extra)
{
    if (CRDTI_LIKELY(extra <= *cap - len))
        return CRDT_OK;
    return crdti_array_grow(alloc, ptr_at, len, cap, size, extra);
}

CRDTI_FN void crdti_array_drop(const crdt_alloc *alloc, void *ptr_at,
                               size_t *len, size_t *cap, size_t size)
{
    void *ptr;
    crdti_copy(&ptr, ptr_at, sizeof ptr);
    crdti_free(alloc, ptr, *cap * size);
    ptr = NULL;
    crdti_copy(ptr_at, &ptr, sizeof ptr);
    *len = *cap = 0;
}

/* crdt_err: room for `extra` more elements. */
#define crdti_array_reserve(alloc, arr, extra)                                \
    crdti_array_room(alloc, &(arr)->ptr, (arr)->len, &(arr)->cap,             \
                     sizeof *(arr)->ptr, extra)

/* Frees the elements; the array is then empty and may be used again. */
#define crdti_array_free(alloc, arr)                                          \
    crdti_array_drop(alloc, &(arr)->ptr, &(arr)->len, &(arr)->cap,            \
                     sizeof *(arr)->ptr)

#endif
