/*
 * The memory of one site: counted, with a cap, refused at random when told to,
 * and all gone at once when the site is killed.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "../../../src/api.h"
#include "../../test.h"

/* Before each block, which stays aligned to 16. */
typedef struct memory_block {
    struct memory_block *next, *prev;
} memory_block;

typedef struct {
    crdt_alloc table;
    memory_block blocks; /* a ring */
    size_t used, most, cap;
    uint64_t dice;
    uint32_t fails; /* of a thousand requests */
    int is_over;    /* the cap was reached */
} memory;

static inline void memory_link(memory_block *block, memory_block *before)
{
    block->next = before->next;
    block->prev = before;
    block->next->prev = before->next = block;
}

static inline void memory_unlink(memory_block *block)
{
    block->prev->next = block->next;
    block->next->prev = block->prev;
}

static inline int memory_refuses(memory *m, size_t old_size, size_t size)
{
    m->is_over |= m->used - old_size + size > m->cap;
    return m->is_over || (m->fails && test_below(&m->dice, 1000) < m->fails);
}

static inline void *memory_resize(void *ctx, void *ptr, size_t old_size,
                                  size_t size)
{
    memory *m = (memory *)ctx;
    memory_block *block = ptr ? (memory_block *)ptr - 1 : NULL, *before;
    if (!size) {
        if (block)
            memory_unlink(block);
        m->used -= old_size;
        free(block);
        return NULL;
    }
    if (memory_refuses(m, old_size, size))
        return NULL;
    before = block ? block->prev : &m->blocks;
    if (block)
        memory_unlink(block);
    block = (memory_block *)realloc(block, sizeof *block + size);
    if (!block)
        exit(1);
    memory_link(block, before);
    m->used += size - old_size;
    m->most = m->used > m->most ? m->used : m->most;
    return block + 1;
}

static inline void memory_begin(memory *m, size_t cap, uint64_t dice)
{
    memset(m, 0, sizeof *m);
    m->table.version = 1;
    m->table.ctx = m;
    m->table.resize = memory_resize;
    m->blocks.next = m->blocks.prev = &m->blocks;
    m->cap = cap;
    m->dice = dice;
}

/* What was not given back is gone. */
static inline void memory_end(memory *m)
{
    while (m->blocks.next != &m->blocks) {
        memory_block *block = m->blocks.next;
        memory_unlink(block);
        free(block);
    }
    m->used = 0;
}

#endif
