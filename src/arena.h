/*
 * Memory for a piece of work that ends as a whole: taken in small parts, given
 * back all at once, or down to a mark.
 *
 *     top -> [ head | part | part | mark > part | free ]     8 KiB
 *              |
 *              v below
 *            [ head | part | part | ........... | rest ]     4 KiB
 *              |
 *              v NULL
 *
 * Taking is an addition and a comparison. Parts never move. Blocks double up
 * to 256 KiB; a part larger than that gets a block of its own size.
 */
#ifndef CRDTI_ARENA_H
#define CRDTI_ARENA_H

#include "alloc.h"
#include "base.h"

#define CRDTI_ARENA_ALIGN 16
#define CRDTI_ARENA_FIRST 4096u
#define CRDTI_ARENA_LAST 262144u

typedef struct crdti_arena_block {
    struct crdti_arena_block *below;
    size_t size; /* all of it, this head included */
    size_t used; /* likewise */
} crdti_arena_block;

typedef struct crdti_arena {
    const crdt_alloc *alloc;
    crdti_arena_block *top;
} crdti_arena;

typedef struct crdti_arena_mark {
    crdti_arena_block *top;
    size_t used;
} crdti_arena_mark;

CRDTI_INLINE void crdti_arena_init(crdti_arena *arena, const crdt_alloc *alloc)
{
    arena->alloc = alloc;
    arena->top = NULL;
}

CRDTI_INLINE size_t crdti_arena_round(size_t size)
{
    return (size + CRDTI_ARENA_ALIGN - 1) & ~(size_t)(CRDTI_ARENA_ALIGN - 1);
}

CRDTI_FN crdti_arena_block *crdti_arena_push(crdti_arena *arena, size_t size)
{
    size_t head = crdti_arena_round(sizeof(crdti_arena_block));
    size_t block_size =
        arena->top ? crdti_min_size(arena->top->size * 2, CRDTI_ARENA_LAST)
                   : CRDTI_ARENA_FIRST;
    crdti_arena_block *block;
    block_size = crdti_max_size(block_size, head + size);
    block = (crdti_arena_block *)crdti_alloc(arena->alloc, block_size);
    if (!block)
        return NULL;
    block->below = arena->top;
    block->size = block_size;
    block->used = head;
    arena->top = block;
    return block;
}

/* Memory aligned for any type, not cleared; NULL when there is none. */
CRDTI_INLINE void *crdti_arena_alloc(crdti_arena *arena, size_t size)
{
    crdti_arena_block *block = arena->top;
    uint8_t *part;
    if (size > SIZE_MAX / 4)
        return NULL;
    size = crdti_arena_round(size);
    if (CRDTI_UNLIKELY(!block || size > block->size - block->used))
        block = crdti_arena_push(arena, size);
    if (!block)
        return NULL;
    part = (uint8_t *)block + block->used;
    block->used += size;
    return part;
}

CRDTI_INLINE crdti_arena_mark crdti_arena_here(const crdti_arena *arena)
{
    crdti_arena_mark mark;
    mark.top = arena->top;
    mark.used = arena->top ? arena->top->used : 0;
    return mark;
}

/* Gives back all that was taken since the mark. */
CRDTI_FN void crdti_arena_reset(crdti_arena *arena, crdti_arena_mark mark)
{
    while (arena->top != mark.top) {
        crdti_arena_block *block = arena->top;
        arena->top = block->below;
        crdti_free(arena->alloc, block, block->size);
    }
    if (mark.top)
        mark.top->used = mark.used;
}

/* Gives back everything; the arena is then empty and may be used again. */
CRDTI_FN void crdti_arena_free(crdti_arena *arena)
{
    crdti_arena_mark bottom = { NULL, 0 };
    crdti_arena_reset(arena, bottom);
}

#endif
