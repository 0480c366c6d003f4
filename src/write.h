/*
 * Local writes: one op, filed under the next dot of the own replica.
 *
 * A write is prepared (all memory taken, all limits checked) and then done
 * without a way to fail. The new op is filed before the old ones die, so a key
 * that is overwritten never disappears in between.
 *
 * Killing what is below a key is the same for all types but counters: a
 * concurrent addition must survive with just what the remover had not seen, so
 * each visible counter below gets a RESET of its own first; and of a bounded
 * one the remover takes what it owns.
 */
#ifndef CRDTI_WRITE_H
#define CRDTI_WRITE_H

#include "kill.h"
#include "state.h"

typedef CRDTI_ARRAY(crdti_op) crdti_op_array;

/* Whether `count` more ops fit into this commit. */
CRDTI_FN crdt_err crdti_write_check(const crdt_doc *doc, size_t count)
{
    uint64_t open =
        doc->written - doc->replicas.ptr[doc->self].seq - doc->unmetered;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (doc->is_frozen)
        return CRDT_ERR_FROZEN;
    if (count > CRDTSYNC_MAX_COMMIT_OPS - open ||
        count > CRDTSYNC_MAX_SEQ - doc->written)
        return CRDT_ERR_LIMIT;
    return CRDT_OK;
}

/* The stamp of the next local op. */
CRDTI_FN uint64_t crdti_write_stamp(crdt_doc *doc)
{
    return crdti_hlc_next(&doc->hlc, doc->clock.wall_ms(doc->clock.ctx));
}

/* Files `draft` (kind, content and entry set) as the next local op, taking
 * what it owns. A record is reserved. */
CRDTI_FN uint32_t crdti_write_file(crdt_doc *doc, const crdti_op *draft)
{
    uint32_t index = crdti_pool_take(&doc->ops);
    crdti_op *op = crdti_op_at(doc, index);
    *op = *draft;
    op->replica = doc->self;
    op->seq = ++doc->written;
    crdti_op_born(doc, index);
    return index;
}

/* The own live op of the entry, or 0: of ADDs there is one at most. */
CRDTI_FN uint32_t crdti_own_op(const crdt_doc *doc, uint32_t entry)
{
    uint32_t at = crdti_entry_at(doc, entry)->ops;
    while (at && crdti_op_at(doc, at)->replica != doc->self)
        at = crdti_op_at(doc, at)->next;
    return at;
}

/* Files the draft in place of the own op of the entry. */
CRDTI_FN void crdti_write_own(crdt_doc *doc, const crdti_op *draft)
{
    uint32_t before = crdti_own_op(doc, draft->entry);
    uint32_t index = crdti_write_file(doc, draft);
    if (!before)
        return;
    crdti_kill_note(doc, index, doc->self, crdti_op_at(doc, before)->seq);
    crdti_op_die(doc, before, index);
}

/* Files the draft and kills all that is in its scope. */
CRDTI_FN void crdti_write_over(crdt_doc *doc, const crdti_op *draft)
{
    uint32_t index = crdti_write_file(doc, draft);
    crdti_kill_all(doc, index);
    crdti_removal_tidy(doc, index);
    crdti_settle(doc);
}

/* Takes memory for one op that kills at most `victims`. */
CRDTI_FN crdt_err crdti_write_reserve(crdt_doc *doc, size_t ops,
                                      size_t victims)
{
    if (crdti_pool_reserve(&doc->alloc, &doc->ops, ops) ||
        crdti_pool_reserve(&doc->alloc, &doc->kills, victims))
        return CRDT_ERR_NOMEM;
    return CRDT_OK;
}

/* >>resets: drafts for the counters below an entry ------------------------ */

CRDTI_FN void crdti_drafts_drop(crdt_doc *doc, crdti_op_array *drafts)
{
    size_t i;
    for (i = 0; i < drafts->len; i++) {
        crdti_op_drop(&doc->alloc, &drafts->ptr[i]);
        crdti_entry_tidy(doc, drafts->ptr[i].entry);
    }
    crdti_array_free(&doc->alloc, drafts);
}

/* Adds a draft for each visible container at the entry that is no scope, and
 * has something to take. */
CRDTI_FN crdt_err crdti_drafts_at(crdt_doc *doc, uint32_t entry,
                                  crdti_op_array *drafts)
{
    uint32_t child = crdti_entry_at(doc, entry)->child;
    for (; child; child = crdti_object_at(doc, child)->sibling) {
        const crdti_object *object = crdti_object_at(doc, child);
        crdt_err err;
        if (!object->weight || crdti_type_at(doc, object)->is_scope)
            continue;
        if (crdti_array_reserve(&doc->alloc, drafts, 1))
            return CRDT_ERR_NOMEM;
        err = crdti_type_at(doc, object)
                  ->reset(doc, child, &drafts->ptr[drafts->len]);
        if (err)
            return err;
        drafts->len += drafts->ptr[drafts->len].kind != 0;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_drafts_below(crdt_doc *doc, uint32_t top,
                                     crdti_op_array *drafts)
{
    uint32_t at;
    for (at = top; at; at = crdti_scope_next(doc, top, at)) {
        crdt_err err = crdti_drafts_at(doc, at, drafts);
        if (err) {
            crdti_drafts_drop(doc, drafts);
            return err;
        }
    }
    return CRDT_OK;
}

/* Writes each draft over all that is in its scope, counters below included;
 * no scope is within another. LIMIT, NOMEM: nothing has happened, and the
 * drafts are still the caller's. */
CRDTI_FN crdt_err crdti_write_scopes(crdt_doc *doc, const crdti_op *drafts,
                                     size_t len)
{
    crdti_op_array resets = { NULL, 0, 0 };
    size_t i, victims = 0;
    crdt_err err = CRDT_OK;
    for (i = 0; i < len && !err; i++) {
        victims += crdti_scope_count(doc, drafts[i].entry);
        if (crdti_entry_at(doc, drafts[i].entry)->child)
            err = crdti_drafts_below(doc, drafts[i].entry, &resets);
    }
    if (err)
        return err;
    for (i = 0; i < resets.len; i++)
        victims += crdti_scope_count(doc, resets.ptr[i].entry);
    err = crdti_write_check(doc, resets.len + len);
    if (!err)
        err = crdti_write_reserve(doc, resets.len + len, victims);
    if (err) {
        crdti_drafts_drop(doc, &resets);
        return err;
    }
    for (i = 0; i < resets.len; i++)
        if (resets.ptr[i].kind == CRDTI_ADD)
            crdti_write_own(doc, &resets.ptr[i]);
        else
            crdti_write_over(doc, &resets.ptr[i]);
    crdti_array_free(&doc->alloc, &resets);
    for (i = 0; i < len; i++)
        crdti_write_over(doc, &drafts[i]);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_write_scope(crdt_doc *doc, const crdti_op *draft)
{
    return crdti_write_scopes(doc, draft, 1);
}

#endif
