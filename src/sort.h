/*
 * Sorting numbers of records by what the records say. Heap sort: in place, no
 * recursion, no bad case. (Williams 1964)
 */
#ifndef CRDTI_SORT_H
#define CRDTI_SORT_H

#include "base.h"

/* Less than 0, 0, or greater, as a comes before b, with it, or behind. */
typedef int crdti_order_fn(const void *ctx, uint32_t a, uint32_t b);

CRDTI_FN void crdti_sort_swap(uint32_t *items, size_t a, size_t b)
{
    uint32_t item = items[a];
    items[a] = items[b];
    items[b] = item;
}

CRDTI_FN void crdti_sort_sift(crdti_order_fn *order, const void *ctx,
                              uint32_t *heap, size_t root, size_t len)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= len)
            return;
        if (child + 1 < len && order(ctx, heap[child], heap[child + 1]) < 0)
            child++;
        if (order(ctx, heap[root], heap[child]) >= 0)
            return;
        crdti_sort_swap(heap, root, child);
        root = child;
    }
}

CRDTI_FN void crdti_sort(crdti_order_fn *order, const void *ctx,
                         uint32_t *items, size_t len)
{
    size_t i;
    for (i = 1; i < len && order(ctx, items[i - 1], items[i]) <= 0; i++)
        continue;
    if (i >= len)
        return; /* sorted already, as mostly */
    for (i = len / 2; i > 0; i--)
        crdti_sort_sift(order, ctx, items, i - 1, len);
    for (i = len; i > 1; i--) {
        crdti_sort_swap(items, 0, i - 1);
        crdti_sort_sift(order, ctx, items, 0, i - 1);
    }
}

#endif
