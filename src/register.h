/*
 * Registers: one value, the greatest (stamp, replica) of those written
 * concurrently. A map key is one; so is a register object, whose one entry has
 * the empty key. What the map and the register share is here.
 *
 *     entry   VALUE "blue" by b.4 at 17:01   <- shown
 *             VALUE "red"  by a.9 at 17:00      a concurrent version
 */
#ifndef CRDTI_REGISTER_H
#define CRDTI_REGISTER_H

#include "state.h"
#include "write.h"

/* Whether the handle is of one of the types (a bit each), or an error. In a
 * chain of calls the error that made the handle null is the one to tell. */
CRDTI_FN crdt_err crdti_check_among(crdt_obj obj, uint32_t types)
{
    if (!obj.doc)
        return CRDT_ERR_ARG;
    if (!obj.index) {
        if (!obj.doc->error)
            obj.doc->error = CRDT_ERR_ARG;
        return CRDT_ERR_ARG;
    }
    if (!(types >> crdti_object_at(obj.doc, obj.index)->type & 1))
        return CRDT_ERR_TYPE;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_check(crdt_obj obj, crdt_type type)
{
    return crdti_check_among(obj, UINT32_C(1) << type);
}

/* The op that wins among the entry's, `except` left out, or 0. */
CRDTI_FN uint32_t crdti_entry_latest(const crdt_doc *doc, uint32_t entry,
                                     uint32_t except)
{
    uint32_t best = 0, at = crdti_entry_at(doc, entry)->ops;
    for (; at; at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        const crdti_op *other;
        if (at == except)
            continue;
        if (!best) {
            best = at;
            continue;
        }
        other = crdti_op_at(doc, best);
        if (CRDTI_RULE(LATEST_WINS) &&
            crdti_op_is_later(op, &doc->replicas.ptr[op->replica].id, other,
                              &doc->replicas.ptr[other->replica].id))
            best = at;
    }
    return best;
}

/* The op that wins among the VALUEs and CREATEs of the entry, or among its
 * MOVEs; or 0. */
CRDTI_FN uint32_t crdti_entry_winner(const crdt_doc *doc, uint32_t entry)
{
    return crdti_entry_latest(doc, entry, 0);
}

/* Writes a value over all that is seen at the key. */
CRDTI_FN crdt_err crdti_value_write(crdt_doc *doc, uint32_t object,
                                    crdt_bytes key, const crdt_value *value)
{
    crdti_op draft;
    crdt_err err;
    crdti_zero(&draft, sizeof draft);
    err = crdti_op_set_value(&doc->alloc, &draft, value);
    if (err)
        return err;
    err = crdti_entry_get(doc, object, key, &draft.entry);
    if (!err) {
        draft.as.value.stamp = crdti_write_stamp(doc);
        err = crdti_write_scope(doc, &draft);
        if (err)
            crdti_entry_tidy(doc, draft.entry);
    }
    if (err)
        crdti_op_drop(&doc->alloc, &draft);
    return err;
}

/* Removes all that is seen in the entry and below. */
CRDTI_FN crdt_err crdti_value_remove(crdt_doc *doc, uint32_t entry)
{
    crdti_op draft;
    crdti_zero(&draft, sizeof draft);
    draft.kind = CRDTI_REMOVE;
    draft.entry = entry;
    return crdti_write_scope(doc, &draft);
}

/* The version as the reader sees it; a CREATE shows its container. */
CRDTI_FN crdt_version crdti_op_version(crdt_doc *doc, const crdti_op *op)
{
    crdt_version version;
    version.dot.replica = doc->replicas.ptr[op->replica].id;
    version.dot.seq = op->seq;
    version.stamp = op->as.value.stamp;
    if (op->kind == CRDTI_VALUE) {
        version.value = crdti_op_value(op);
        return version;
    }
    version.value.kind = CRDT_OBJECT;
    version.value.as.object.doc = doc;
    version.value.as.object.index =
        crdti_object_find(doc, op->entry, (crdt_type)op->form);
    return version;
}

CRDTI_FN int crdti_same_content(const crdti_op *a, const crdti_op *b)
{
    if (a->kind != b->kind || a->form != b->form)
        return 0;
    if (a->kind == CRDTI_CREATE)
        return 1;
    if (crdti_op_has_bytes(a))
        return crdt_bytes_equal(crdti_op_bytes(a), crdti_op_bytes(b));
    return a->as.value.as.integer == b->as.value.as.integer;
}

/* Equal values that were written concurrently show once. */
CRDTI_FN int crdti_version_is_repeated(const crdt_doc *doc, uint32_t winner,
                                       uint32_t at)
{
    const crdti_op *op = crdti_op_at(doc, at);
    uint32_t before = crdti_entry_at(doc, op->entry)->ops;
    if (at != winner && crdti_same_content(op, crdti_op_at(doc, winner)))
        return 1;
    for (; before != at; before = crdti_op_at(doc, before)->next)
        if (crdti_same_content(op, crdti_op_at(doc, before)))
            return 1;
    return 0;
}

/* Calls fn with the winner first, then with the others. */
CRDTI_FN void crdti_entry_versions(crdt_doc *doc, uint32_t entry,
                                   crdt_version_fn *fn, void *ctx)
{
    uint32_t winner = crdti_entry_winner(doc, entry), at;
    crdt_version version;
    if (!winner)
        return;
    version = crdti_op_version(doc, crdti_op_at(doc, winner));
    fn(ctx, &version);
    for (at = crdti_entry_at(doc, entry)->ops; at;
         at = crdti_op_at(doc, at)->next) {
        if (at == winner || crdti_version_is_repeated(doc, winner, at))
            continue;
        version = crdti_op_version(doc, crdti_op_at(doc, at));
        fn(ctx, &version);
    }
}

/* >>registers as objects -------------------------------------------------- */

CRDT_API crdt_err crdt_register_set(crdt_obj reg, crdt_value value)
{
    crdt_err err = crdti_check(reg, CRDT_REGISTER);
    if (err)
        return err;
    return crdti_value_write(reg.doc, reg.index, crdti_no_key(), &value);
}

/* The register's entry with something alive in it. */
CRDTI_FN crdt_err crdti_register_entry(crdt_obj reg, uint32_t *entry)
{
    crdt_err err = crdti_check(reg, CRDT_REGISTER);
    if (err)
        return err;
    *entry = crdti_entry_find(reg.doc, reg.index, crdti_no_key());
    if (!*entry || !crdti_entry_at(reg.doc, *entry)->ops)
        return CRDT_ERR_NOT_FOUND;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_register_clear(crdt_obj reg)
{
    uint32_t entry;
    crdt_err err = crdti_register_entry(reg, &entry);
    return err ? err : crdti_value_remove(reg.doc, entry);
}

CRDT_API crdt_err crdt_register_get(crdt_obj reg, crdt_value *out)
{
    uint32_t entry;
    crdt_err err = crdti_register_entry(reg, &entry);
    if (err)
        return err;
    *out = crdti_op_value(
        crdti_op_at(reg.doc, crdti_entry_winner(reg.doc, entry)));
    return CRDT_OK;
}

/* For the type table. */
CRDTI_FN int crdti_register_read(crdt_doc *doc, uint32_t reg, crdt_bytes key,
                                 crdt_value *out)
{
    (void)key;
    return !crdt_register_get(crdti_obj(doc, reg), out);
}

CRDT_API crdt_err crdt_register_versions(crdt_obj reg, crdt_version_fn *fn,
                                         void *ctx)
{
    uint32_t entry;
    crdt_err err = crdti_register_entry(reg, &entry);
    if (!err)
        crdti_entry_versions(reg.doc, entry, fn, ctx);
    return err;
}

#endif
