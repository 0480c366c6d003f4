/*
 * Rows: live INs in little space. An IN that killed nothing needs no entry and
 * no links: its set, its dot and its element say all. So the elements of a set
 * that were added once, which is most of them, lie in blocks, in the order in
 * which their replica added them.
 *
 *     set      blocks of it
 *     replica  blocks of it, that with its latest row last
 *     block    base 40   step   0    1    3    7         seq 40, 41, 43, 47
 *                        lead   51   52   -    50        "-": no longer there
 *                        rest   7    300  .    0         elements 7, 300, 0
 *
 * A row is named by its block and its place there, and found in a table of its
 * own by (set, element): 14 to 17 bytes, and 11 to 21 in the table. It is not
 * the only form of an IN: one that kills has an entry and an op like any other
 * (op.h), and a set may hold both, even of one element.
 *
 * Strings and bytes do not fit, and are ops always.
 */
#ifndef CRDTI_ROW_H
#define CRDTI_ROW_H

#include "element.h"
#include "hash.h"
#include "pool.h"
#include "state.h"

#define CRDTI_ROW_BIT 0x80000000u /* tells the name of a row from an op's */
#define CRDTI_ROW_DEAD 255        /* as lead */
#define CRDTI_ROW_UNMADE 254

/* Whether an IN of that element that kills nothing is a row. */
CRDTI_FN int crdti_row_fits(const crdt_doc *doc, uint32_t object,
                            crdt_bytes key)
{
    unsigned kind = key.len ? key.ptr[0] >> 5 : CRDT_STRING;
    return crdti_type_at(doc, crdti_object_at(doc, object))->has_rows &&
           kind != CRDT_STRING && kind != CRDT_BYTES;
}

CRDTI_INLINE crdti_block *crdti_row_block(const crdt_doc *doc, uint32_t row)
{
    return CRDTI_POOL_AT(crdti_block, &doc->blocks,
                         (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

CRDTI_INLINE unsigned crdti_row_place(uint32_t row)
{
    return row % CRDTI_BLOCK_ROWS;
}

CRDTI_INLINE uint32_t crdti_row_name(uint32_t block, unsigned place)
{
    return CRDTI_ROW_BIT | (block * CRDTI_BLOCK_ROWS + place);
}

CRDTI_FN uint64_t crdti_row_seq(const crdt_doc *doc, uint32_t row)
{
    const crdti_block *block = crdti_row_block(doc, row);
    return block->base + block->steps[crdti_row_place(row)];
}

CRDTI_FN uint64_t crdti_block_last(const crdti_block *block)
{
    return block->base + block->steps[block->len - 1];
}

CRDTI_INLINE int crdti_row_is_alive(const crdti_block *block, unsigned place)
{
    return place < block->len && block->leads[place] < CRDTI_ROW_UNMADE;
}

/* The element as a key, in `room`. */
CRDTI_FN crdt_bytes crdti_row_key(const crdt_doc *doc, uint32_t row,
                                  uint8_t room[CRDTI_ROW_KEY])
{
    const crdti_block *block = crdti_row_block(doc, row);
    unsigned place = crdti_row_place(row);
    uint8_t lead = block->leads[place];
    unsigned i, rest = crdti_element_rest(lead);
    room[0] = lead;
    for (i = 0; i < rest; i++)
        room[1 + i] = (uint8_t)(block->rests[place] >> 8 * (rest - 1 - i));
    return crdt_bytes_of(room, 1 + rest);
}

/* As an op, which has no entry. */
CRDTI_FN void crdti_row_op(const crdt_doc *doc, uint32_t row, crdti_op *op)
{
    crdti_zero(op, sizeof *op);
    op->kind = CRDTI_IN;
    op->replica = crdti_row_block(doc, row)->replica;
    op->seq = crdti_row_seq(doc, row);
}

/* >>finding --------------------------------------------------------------- */

/* A walk through the rows of one element: one of each replica at most that
 * added it concurrently. A row that goes ends the walk. */
typedef struct crdti_row_walk {
    uint64_t hash, rest;
    size_t iter;
    uint32_t object;
    uint8_t lead;
} crdti_row_walk;

/* The first that is meant, `at` or behind it. */
CRDTI_FN uint32_t crdti_row_meant(const crdt_doc *doc, crdti_row_walk *walk,
                                  uint32_t at)
{
    for (; at; at = crdti_table_next(&doc->rows, walk->hash, &walk->iter)) {
        const crdti_block *block = crdti_row_block(doc, at);
        unsigned place = crdti_row_place(at);
        if (block->rests[place] == walk->rest &&
            block->leads[place] == walk->lead && block->object == walk->object)
            return at;
    }
    return 0;
}

/* `hash` is crdti_entry_hash of set and element. */
CRDTI_FN uint32_t crdti_row_probe(const crdt_doc *doc, uint32_t object,
                                  crdt_bytes key, uint64_t hash,
                                  crdti_row_walk *walk)
{
    walk->hash = hash;
    walk->rest = crdti_element_read(key);
    walk->lead = key.ptr[0];
    walk->object = object;
    return crdti_row_meant(
        doc, walk, crdti_table_first(&doc->rows, walk->hash, &walk->iter));
}

CRDTI_FN uint32_t crdti_row_first(const crdt_doc *doc, uint32_t object,
                                  crdt_bytes key, crdti_row_walk *walk)
{
    if (!crdti_object_at(doc, object)->blocks || key.len == 0)
        return 0;
    return crdti_row_probe(doc, object, key,
                           crdti_entry_hash(doc, object, key), walk);
}

CRDTI_FN uint32_t crdti_row_next(const crdt_doc *doc, crdti_row_walk *walk)
{
    return crdti_row_meant(
        doc, walk, crdti_table_next(&doc->rows, walk->hash, &walk->iter));
}

CRDTI_FN int crdti_row_any(const crdt_doc *doc, uint32_t object,
                           crdt_bytes key)
{
    crdti_row_walk walk;
    return crdti_row_first(doc, object, key, &walk) != 0;
}

/* The first block with rows of the replica behind `seq`, or 0. */
CRDTI_FN uint32_t crdti_block_after(const crdt_doc *doc, uint32_t replica,
                                    uint64_t seq)
{
    uint32_t at = doc->replicas.ptr[replica].newest_block, found = 0;
    while (at && crdti_block_last(crdti_block_at(doc, at)) > seq) {
        found = at;
        at = crdti_block_at(doc, at)->older;
    }
    return found;
}

/* >>blocks ---------------------------------------------------------------- */

CRDTI_FN uint64_t crdti_block_hash(const crdt_doc *doc, uint32_t object,
                                   uint32_t replica)
{
    return crdti_mix(doc->seed ^ object, replica + UINT64_C(1));
}

CRDTI_FN int crdti_block_takes(const crdti_block *block, uint64_t seq)
{
    return block->len < CRDTI_BLOCK_ROWS && seq - block->base <= UINT16_MAX;
}

/* The block that rows of that set and replica go into, or 0. The next one is
 * `seq`. */
CRDTI_FN uint32_t crdti_block_open(const crdt_doc *doc, uint32_t object,
                                   uint32_t replica, uint64_t seq)
{
    uint32_t at = doc->replicas.ptr[replica].newest_block;
    uint64_t hash;
    size_t iter;
    if (at && crdti_block_at(doc, at)->object == object &&
        crdti_block_takes(crdti_block_at(doc, at), seq))
        return at; /* mostly */
    hash = crdti_block_hash(doc, object, replica);
    at = crdti_table_first(&doc->open_blocks, hash, &iter);
    while (at && (crdti_block_at(doc, at)->object != object ||
                  crdti_block_at(doc, at)->replica != replica))
        at = crdti_table_next(&doc->open_blocks, hash, &iter);
    return at;
}

/* Takes it out of the order of its replica. */
CRDTI_FN void crdti_block_unlist(crdt_doc *doc, uint32_t index)
{
    crdti_block *block = crdti_block_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[block->replica];
    if (!block->is_listed)
        return;
    if (block->older)
        crdti_block_at(doc, block->older)->newer = block->newer;
    else
        replica->oldest_block = block->newer;
    if (block->newer)
        crdti_block_at(doc, block->newer)->older = block->older;
    else
        replica->newest_block = block->older;
    block->is_listed = 0;
}

/* Its last row is the replica's latest. */
CRDTI_FN void crdti_block_list(crdt_doc *doc, uint32_t index)
{
    crdti_block *block = crdti_block_at(doc, index);
    crdti_replica *replica = &doc->replicas.ptr[block->replica];
    if (replica->newest_block == index)
        return;
    crdti_block_unlist(doc, index);
    block->older = replica->newest_block;
    block->newer = 0;
    if (block->older)
        crdti_block_at(doc, block->older)->newer = index;
    else
        replica->oldest_block = index;
    replica->newest_block = index;
    block->is_listed = 1;
}

/* An empty one in the place of `full`, if there is one. NOMEM. */
CRDTI_FN crdt_err crdti_block_new(crdt_doc *doc, uint32_t object,
                                  uint32_t replica, uint32_t full,
                                  uint32_t *out)
{
    uint64_t hash = crdti_block_hash(doc, object, replica);
    crdti_block *block;
    crdt_err err = crdti_pool_reserve(&doc->alloc, &doc->blocks, 1);
    if (!err)
        err = crdti_table_reserve(&doc->alloc, &doc->open_blocks, 1);
    if (err)
        return err;
    if (doc->blocks.cap > CRDTI_ROW_BIT / CRDTI_BLOCK_ROWS)
        return CRDT_ERR_LIMIT;
    *out = crdti_pool_take(&doc->blocks);
    block = crdti_block_at(doc, *out);
    block->object = object;
    block->replica = replica;
    block->next = crdti_object_at(doc, object)->blocks;
    if (block->next)
        crdti_block_at(doc, block->next)->prev = *out;
    crdti_object_at(doc, object)->blocks = *out;
    if (full)
        crdti_table_remove(&doc->open_blocks, hash, full);
    crdti_table_insert(&doc->open_blocks, hash, *out);
    return CRDT_OK;
}

CRDTI_FN void crdti_block_free(crdt_doc *doc, uint32_t index)
{
    crdti_block *block = crdti_block_at(doc, index);
    crdti_block_unlist(doc, index);
    if (block->prev)
        crdti_block_at(doc, block->prev)->next = block->next;
    else
        crdti_object_at(doc, block->object)->blocks = block->next;
    if (block->next)
        crdti_block_at(doc, block->next)->prev = block->prev;
    crdti_table_remove(&doc->open_blocks,
                       crdti_block_hash(doc, block->object, block->replica),
                       index);
    crdti_pool_give(&doc->blocks, index);
}

/* >>rows ------------------------------------------------------------------ */

/* A row that is not born yet: all memory is taken. The dot is later than any
 * row of its replica. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_row_make(crdt_doc *doc, uint32_t object,
                                 uint32_t replica, uint64_t seq,
                                 crdt_bytes key, uint32_t *out)
{
    uint32_t at = crdti_block_open(doc, object, replica, seq);
    crdti_block *block = at ? crdti_block_at(doc, at) : NULL;
    crdt_err err =
        crdti_table_reserve(&doc->alloc, &doc->rows, doc->unborn + 1);
    if (!err && (!block || !crdti_block_takes(block, seq)))
        err = crdti_block_new(doc, object, replica, at, &at);
    if (err)
        return err;
    block = crdti_block_at(doc, at);
    if (!block->len)
        block->base = seq;
    block->steps[block->len] = (uint16_t)(seq - block->base);
    block->leads[block->len] = key.ptr[0];
    block->rests[block->len] = crdti_element_read(key);
    *out = crdti_row_name(at, block->len++);
    doc->unborn++;
    return CRDT_OK;
}

/* Takes back rows that were not born. All of them are to be taken back, so
 * that what is left ends with a row that was. */
CRDTI_FN void crdti_row_unmake(crdt_doc *doc, uint32_t row)
{
    crdti_block *block = crdti_row_block(doc, row);
    block->leads[crdti_row_place(row)] = CRDTI_ROW_UNMADE;
    while (block->len && block->leads[block->len - 1] == CRDTI_ROW_UNMADE)
        block->len--;
    doc->unborn--;
    if (!block->len)
        crdti_block_free(doc, (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

/* Makes it one of the set's. */
CRDTI_FN void crdti_row_enter(crdt_doc *doc, uint32_t row, uint64_t hash)
{
    crdti_block *block = crdti_row_block(doc, row);
    crdti_table_insert(&doc->rows, hash, row);
    block->used++;
    doc->unborn--;
    crdti_block_list(doc, (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

/* Its place stays empty, until the block is. */
CRDTI_FN void crdti_row_leave(crdt_doc *doc, uint32_t row, uint64_t hash)
{
    crdti_block *block = crdti_row_block(doc, row);
    crdti_table_remove(&doc->rows, hash, row);
    block->leads[crdti_row_place(row)] = CRDTI_ROW_DEAD;
    if (--block->used == 0)
        crdti_block_free(doc, (row & ~CRDTI_ROW_BIT) / CRDTI_BLOCK_ROWS);
}

#endif
