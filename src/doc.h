/*
 * Documents: making and ending them, commits, and what they say of themselves.
 *
 * Local changes take dots at once and are seen by local reads; others are told
 * of them only when they are committed:
 *
 *     seq     1 2 3 | 4 5 | 6 7        written 7
 *             commit  commit  open     replicas[self].seq 5 until the commit
 *
 * So every version vector that leaves the document lies on a boundary of
 * commits, and so does every delta.
 */
#ifndef CRDTI_DOC_H
#define CRDTI_DOC_H

#include "event.h"
#include "kill.h"
#include "list.h"
#include "sequence.h"
#include "state.h"
#include "system.h"
#include "type.h"

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN crdt_err crdti_doc_tables(crdt_doc *doc, const crdt_config *config)
{
    const crdt_clock *clock =
        crdti_clock_or_default(config ? config->clock : NULL);
    const crdt_random *random =
        crdti_random_or_default(config ? config->random : NULL);
    if (!clock || !random)
        return CRDT_ERR_ARG;
    doc->clock = *clock;
    doc->random = *random;
    return doc->random.fill(doc->random.ctx, &doc->seed, sizeof doc->seed);
}

/* A replica id that no one else has, as the next own one. */
CRDTI_FN crdt_err crdti_doc_become(crdt_doc *doc, const crdt_id *given)
{
    crdt_id id;
    crdt_err err = CRDT_OK;
    if (given)
        id = *given;
    else
        err = doc->random.fill(doc->random.ctx, id.b, sizeof id.b);
    if (!err)
        err = crdti_replica_add(doc, &id, &doc->self);
    if (!err)
        doc->written = 0;
    return err;
}

CRDTI_FN crdt_err crdti_doc_root(crdt_doc *doc)
{
    crdti_object *root;
    if (crdti_pool_reserve(&doc->alloc, &doc->objects, 1))
        return CRDT_ERR_NOMEM;
    root = crdti_object_at(doc, crdti_pool_take(&doc->objects));
    root->type = CRDT_MAP;
    root->name = UINT64_C(0x9ae16a3b2f90404f);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_doc_new(crdt_doc **out, const crdt_config *config)
{
    const crdt_alloc *alloc =
        crdti_alloc_or_default(config ? config->alloc : NULL);
    crdt_doc *doc;
    crdt_err err;
    if (!out || !alloc)
        return CRDT_ERR_ARG;
    doc = (crdt_doc *)crdti_alloc(alloc, sizeof *doc);
    if (!doc)
        return CRDT_ERR_NOMEM;
    crdti_zero(doc, sizeof *doc);
    doc->alloc = *alloc;
    doc->changes = 1; /* 0 is for those who have not looked yet */
    doc->types = crdti_type_table();
    crdti_pool_init(&doc->objects, sizeof(crdti_object));
    crdti_pool_init(&doc->entries, sizeof(crdti_entry));
    crdti_pool_init(&doc->ops, sizeof(crdti_op));
    crdti_pool_init(&doc->kills, sizeof(crdti_kill));
    crdti_pool_init(&doc->blocks, sizeof(crdti_block));
    crdti_pool_init(&doc->leaves, sizeof(crdti_leaf));
    crdti_pool_init(&doc->forks, sizeof(crdti_fork));
    crdti_pool_init(&doc->authors, sizeof(crdti_author));
    crdti_arena_init(&doc->scratch, &doc->alloc);
    err = crdti_doc_tables(doc, config);
    if (!err)
        err = crdti_doc_root(doc);
    if (!err)
        err = crdti_doc_become(doc, config ? config->replica : NULL);
    if (err)
        crdt_doc_free(doc);
    else
        *out = doc;
    return err;
}

/* What the ops own: every live op is in the journal of its replica. */
CRDTI_FN void crdti_doc_free_ops(crdt_doc *doc)
{
    size_t i;
    for (i = 0; i < doc->replicas.len; i++) {
        uint32_t at = doc->replicas.ptr[i].oldest;
        for (; at; at = crdti_op_at(doc, at)->newer)
            crdti_op_drop(&doc->alloc, crdti_op_at(doc, at));
    }
}

CRDTI_FN void crdti_doc_free_entries(crdt_doc *doc, crdti_object *object)
{
    uint32_t at;
    for (at = object->entries; at; at = crdti_entry_at(doc, at)->next) {
        crdti_entry *entry = crdti_entry_at(doc, at);
        if (entry->key_len > CRDTI_INLINE_KEY)
            crdti_free(&doc->alloc, entry->key.outside, entry->key_len);
    }
    if (crdti_type_at(doc, object)->drop)
        crdti_type_at(doc, object)->drop(doc, object);
}

CRDT_API void crdt_doc_free(crdt_doc *doc)
{
    crdt_alloc alloc;
    uint32_t i;
    if (!doc)
        return;
    crdti_doc_free_ops(doc);
    for (i = 1; i < doc->objects.used; i++)
        if (crdti_object_at(doc, i)->type)
            crdti_doc_free_entries(doc, crdti_object_at(doc, i));
    crdti_watch_end(doc);
    alloc = doc->alloc;
    crdti_arena_free(&doc->scratch);
    crdti_array_free(&alloc, &doc->replicas);
    crdti_array_free(&alloc, &doc->by_id);
    crdti_pool_free(&alloc, &doc->objects);
    crdti_pool_free(&alloc, &doc->entries);
    crdti_pool_free(&alloc, &doc->ops);
    crdti_pool_free(&alloc, &doc->kills);
    crdti_pool_free(&alloc, &doc->blocks);
    crdti_pool_free(&alloc, &doc->leaves);
    crdti_pool_free(&alloc, &doc->forks);
    crdti_pool_free(&alloc, &doc->authors);
    crdti_table_free(&alloc, &doc->author_table);
    crdti_table_free(&alloc, &doc->moves);
    crdti_table_free(&alloc, &doc->names);
    crdti_table_free(&alloc, &doc->rows);
    crdti_table_free(&alloc, &doc->open_blocks);
    crdti_free(&alloc, doc, sizeof *doc);
}

CRDT_API crdt_err crdt_doc_reincarnate(crdt_doc *doc)
{
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    return crdti_doc_become(doc, NULL);
}

/* >>commits --------------------------------------------------------------- */

CRDT_API crdt_err crdt_commit(crdt_doc *doc)
{
    if (!doc)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (crdt_doc_uncommitted(doc))
        doc->changes++;
    doc->replicas.ptr[doc->self].seq = doc->written;
    doc->unmetered = 0;
    if (doc->committed)
        doc->committed(doc->committed_ctx);
    crdti_tell(doc);
    return CRDT_OK;
}

CRDT_API int crdt_doc_uncommitted(const crdt_doc *doc)
{
    return doc->written != doc->replicas.ptr[doc->self].seq;
}

/* >>what it says of itself ------------------------------------------------ */

CRDT_API crdt_obj crdt_root(crdt_doc *doc)
{
    return crdti_obj(doc, CRDTI_ROOT);
}

CRDT_API int crdt_is_null(crdt_obj obj)
{
    return !obj.doc || !obj.index;
}

CRDT_API crdt_type crdt_type_of(crdt_obj obj)
{
    if (crdt_is_null(obj))
        return CRDT_NONE;
    return (crdt_type)crdti_object_at(obj.doc, obj.index)->type;
}

CRDT_API crdt_err crdt_doc_error(crdt_doc *doc)
{
    crdt_err err = doc->error;
    doc->error = CRDT_OK;
    return err;
}

CRDT_API crdt_id crdt_doc_replica(const crdt_doc *doc)
{
    return doc->replicas.ptr[doc->self].id;
}

/* What changes in the document here is no state of it: only how far sums that
 * are made when asked for are made. */
CRDT_API crdt_digest crdt_doc_digest(const crdt_doc *doc)
{
    crdt_doc *own = (crdt_doc *)(uintptr_t)doc;
    crdti_sequences_digest(own);
    return doc->digest;
}

/* The vector of `seq` or of `floor`; they are sorted already. */
CRDTI_FN crdt_err crdti_doc_vector(const crdt_doc *doc, int floor,
                                   crdt_vv *out)
{
    size_t i;
    if (!doc || !out)
        return CRDT_ERR_ARG;
    if (doc->by_id.len > out->len &&
        crdti_vv_reserve(out, doc->by_id.len - out->len))
        return CRDT_ERR_NOMEM;
    out->len = 0;
    for (i = 0; i < doc->by_id.len; i++) {
        const crdti_replica *replica = &doc->replicas.ptr[doc->by_id.ptr[i]];
        crdt_dot *entry = &out->entries[out->len];
        uint64_t seq = floor ? replica->floor : replica->seq;
        if (!seq)
            continue;
        entry->replica = replica->id;
        entry->seq = seq;
        out->len++;
    }
    return CRDT_OK;
}

CRDT_API crdt_err crdt_doc_vv(const crdt_doc *doc, crdt_vv *out)
{
    return crdti_doc_vector(doc, 0, out);
}

CRDT_API crdt_err crdt_doc_floor(const crdt_doc *doc, crdt_vv *out)
{
    return crdti_doc_vector(doc, 1, out);
}

CRDT_API void crdt_doc_stats(const crdt_doc *doc, crdt_stats *out)
{
    out->ops = doc->ops.live - doc->removals + doc->rows.len;
    out->removals = doc->removals;
    out->kills = doc->kills.live;
    out->objects = doc->objects.live;
    out->entries = doc->entries.live;
    out->replicas = doc->replicas.len;
    out->held_back_ms = doc->ahead_ms;
}

/* >>values ---------------------------------------------------------------- */

CRDTI_FN crdt_value crdti_value_of(crdt_kind kind)
{
    crdt_value value;
    crdti_zero(&value, sizeof value);
    value.kind = kind;
    return value;
}

CRDT_API crdt_value crdt_null(void)
{
    return crdti_value_of(CRDT_NULL);
}

CRDT_API crdt_value crdt_bool(int truth)
{
    crdt_value value = crdti_value_of(CRDT_BOOL);
    value.as.boolean = truth != 0;
    return value;
}

CRDT_API crdt_value crdt_int(int64_t number)
{
    crdt_value value = crdti_value_of(CRDT_INT);
    value.as.integer = number;
    return value;
}

CRDT_API crdt_value crdt_double(double number)
{
    crdt_value value = crdti_value_of(CRDT_DOUBLE);
    value.as.number = number;
    return value;
}

CRDT_API crdt_value crdt_string(crdt_bytes bytes)
{
    crdt_value value = crdti_value_of(CRDT_STRING);
    value.as.bytes = bytes;
    return value;
}

CRDT_API crdt_value crdt_blob(crdt_bytes bytes)
{
    crdt_value value = crdti_value_of(CRDT_BYTES);
    value.as.bytes = bytes;
    return value;
}

CRDT_API crdt_value crdt_time(int64_t unix_ms)
{
    crdt_value value = crdti_value_of(CRDT_TIME);
    value.as.integer = unix_ms;
    return value;
}

#endif
