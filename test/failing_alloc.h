/*
 * An allocator for tests: it counts what is live, checks that the size said on
 * resizing and freeing is the one asked for, moves every block that is
 * resized, poisons what it frees, and fails when told to.
 *
 *     struct failing_alloc memory;
 *     failing_alloc_init(&memory);
 *     memory.fail_at = 3;         // the third request fails
 *     memory.from_then_on = 1;    // and all after it; 0: only that one
 *     ... &memory.table ...
 *     CHECK(failing_alloc_clean(&memory));
 */
#ifndef FAILING_ALLOC_H
#define FAILING_ALLOC_H

#include "../src/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct failing_alloc {
    crdt_alloc table;
    size_t live_blocks, live_bytes;
    size_t requests;  /* to allocate or resize, so far */
    size_t fail_at;   /* counted from 1; 0: never */
    int from_then_on; /* not just that one */
    size_t failures;  /* requests refused */
    size_t misuses;   /* wrong sizes, strange pointers */
};

/* Right before each block; the caller's bytes stay aligned to 16. */
union failing_alloc_head {
    struct {
        size_t size, magic;
    } of;
    char align[16];
};

#define FAILING_ALLOC_MAGIC ((size_t)0x600dB10cu)

static inline void failing_alloc_misuse(struct failing_alloc *memory,
                                        const char *what)
{
    memory->misuses++;
    printf("failing_alloc: %s\n", what);
}

static inline int failing_alloc_refuses(struct failing_alloc *memory)
{
    size_t n = ++memory->requests;
    if (!memory->fail_at || n < memory->fail_at)
        return 0;
    if (n > memory->fail_at && !memory->from_then_on)
        return 0;
    memory->failures++;
    return 1;
}

static inline void *failing_alloc_take(struct failing_alloc *memory,
                                       size_t size)
{
    union failing_alloc_head *head =
        (union failing_alloc_head *)malloc(sizeof *head + size);
    if (!head)
        return NULL;
    head->of.size = size;
    head->of.magic = FAILING_ALLOC_MAGIC;
    memset(head + 1, 0xcd, size); /* nobody may count on zeros */
    memory->live_blocks++;
    memory->live_bytes += size;
    return head + 1;
}

static inline void failing_alloc_give(struct failing_alloc *memory, void *ptr)
{
    union failing_alloc_head *head = (union failing_alloc_head *)ptr - 1;
    memory->live_blocks--;
    memory->live_bytes -= head->of.size;
    memset(ptr, 0xdd, head->of.size);
    head->of.magic = 0;
    free(head);
}

static inline int failing_alloc_knows(struct failing_alloc *memory, void *ptr,
                                      size_t old_size)
{
    const union failing_alloc_head *head;
    if (!ptr && old_size == 0)
        return 1;
    head = (const union failing_alloc_head *)ptr - (ptr != NULL);
    if (!ptr || head->of.magic != FAILING_ALLOC_MAGIC)
        failing_alloc_misuse(memory, "a block that is not one");
    else if (head->of.size != old_size)
        failing_alloc_misuse(memory, "the old size is not that asked for");
    else
        return 1;
    return 0;
}

static inline void *failing_alloc_resize(void *ctx, void *ptr, size_t old_size,
                                         size_t size)
{
    struct failing_alloc *memory = (struct failing_alloc *)ctx;
    void *moved;
    if (!failing_alloc_knows(memory, ptr, old_size))
        return NULL;
    if (!ptr && size == 0)
        failing_alloc_misuse(memory, "nothing is asked for");
    moved = NULL;
    if (size) {
        moved = failing_alloc_refuses(memory)
                    ? NULL
                    : failing_alloc_take(memory, size);
        if (!moved)
            return NULL;
    }
    if (moved && ptr)
        memcpy(moved, ptr, old_size < size ? old_size : size);
    if (ptr)
        failing_alloc_give(memory, ptr);
    return moved;
}

static inline void failing_alloc_init(struct failing_alloc *memory)
{
    memset(memory, 0, sizeof *memory);
    memory->table.version = 1;
    memory->table.ctx = memory;
    memory->table.resize = failing_alloc_resize;
}

/* Nothing leaked and nothing was misused. */
static inline int failing_alloc_clean(const struct failing_alloc *memory)
{
    if (memory->live_blocks)
        printf("failing_alloc: %lu blocks leaked\n",
               (unsigned long)memory->live_blocks);
    return memory->live_blocks == 0 && memory->live_bytes == 0 &&
           memory->misuses == 0;
}

#endif
