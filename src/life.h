/*
 * Births and deaths of live ops, and what they change: the entry's list, the
 * journal, the digest, and what is visible.
 *
 * What is *visible*: an entry with a live VALUE, CREATE or IN, or with a child
 * that has weight, unless the type says otherwise (an OUT may hide an IN); the
 * weight of an object is the number of its visible entries (a counter says for
 * itself). So the size of a map or set is its weight, and a change climbs only
 * as far as something appears or disappears.
 */
#ifndef CRDTI_LIFE_H
#define CRDTI_LIFE_H

#include "op.h"
#include "place.h"
#include "row.h"
#include "state.h"

/* >>visibility ------------------------------------------------------------ */

/* The entry's visibility anew. Whether its object appeared or disappeared. */
CRDTI_FN int crdti_entry_look(crdt_doc *doc, crdti_entry *entry)
{
    crdti_object *object = crdti_object_at(doc, entry->object);
    const crdti_type *type = crdti_type_at(doc, object);
    int now = type->visible ? type->visible(doc, entry) : entry->shows != 0;
    int had_weight = object->weight != 0;
    if (now == entry->is_visible)
        return 0;
    entry->is_visible = (uint8_t)now;
    object->keys_changed = 1;
    if (type->looked)
        type->looked(doc, entry);
    if (crdti_row_any(doc, entry->object, crdti_entry_key(entry)))
        return 0; /* it is in by that, before and after */
    object->weight += now ? 1u : UINT32_MAX;
    return had_weight != (object->weight != 0);
}

/* An object appears or disappears; its weight is already changed. */
CRDTI_FN void crdti_climb(crdt_doc *doc, uint32_t object, int appears)
{
    crdti_entry *entry;
    do {
        object = crdti_object_at(doc, object)->entry;
        if (!object)
            return;
        entry = crdti_entry_at(doc, object);
        entry->shows += appears ? 1u : UINT32_MAX;
        object = entry->object;
    } while (crdti_entry_look(doc, entry));
}

/* A live op of the entry came (1) or went (0). */
CRDTI_FN void crdti_show(crdt_doc *doc, const crdti_op *op, int came)
{
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    if (crdti_op_is_shown(op))
        entry->shows += came ? 1u : UINT32_MAX;
    if (crdti_entry_look(doc, entry))
        crdti_climb(doc, entry->object,
                    crdti_object_at(doc, entry->object)->weight != 0);
}

/* >>settling -------------------------------------------------------------- */

/* The object's state is to be worked out anew when all that dies is dead: many
 * deaths at once then cost one such work. */
CRDTI_FN void crdti_stale(crdt_doc *doc, uint32_t index)
{
    crdti_object *object = crdti_object_at(doc, index);
    if (object->is_stale)
        return;
    object->is_stale = 1;
    object->stale = doc->stale;
    doc->stale = index;
}

CRDTI_FN void crdti_settle(crdt_doc *doc)
{
    while (doc->stale) {
        uint32_t index = doc->stale;
        crdti_object *object = crdti_object_at(doc, index);
        doc->stale = object->stale;
        object->is_stale = 0;
        crdti_type_at(doc, object)->settle(doc, index);
    }
}

/* >>birth and death ------------------------------------------------------- */

/* Files a record whose dot, entry and content are set. Cannot fail. */
CRDTI_FN void crdti_op_born(crdt_doc *doc, uint32_t index)
{
    crdti_op *op = crdti_op_at(doc, index);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    const crdti_type *type;
    doc->actor = op->replica;
    crdti_touch_entry(doc, entry);
    crdti_journal_append(doc, index);
    if (!crdti_op_is_alive(op)) {
        doc->removals++;
        return;
    }
    op->prev = 0;
    op->next = entry->ops;
    if (op->next)
        crdti_op_at(doc, op->next)->prev = index;
    entry->ops = index;
    crdti_digest_add(&doc->digest, crdti_op_digest(doc, op));
    type = crdti_type_at(doc, crdti_object_at(doc, entry->object));
    if (type->born)
        type->born(doc, entry->object, index);
    if (op->kind != CRDTI_ADD && op->kind != CRDTI_RESET)
        crdti_show(doc, op, 1);
}

/* Takes a live op out of its entry, out of the digest and out of sight. */
CRDTI_FN void crdti_op_unfile(crdt_doc *doc, uint32_t index)
{
    crdti_op *op = crdti_op_at(doc, index);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    const crdti_type *type =
        crdti_type_at(doc, crdti_object_at(doc, entry->object));
    crdti_touch_entry(doc, entry);
    crdti_digest_subtract(&doc->digest, crdti_op_digest(doc, op));
    if (op->prev)
        crdti_op_at(doc, op->prev)->next = op->next;
    else
        entry->ops = op->next;
    if (op->next)
        crdti_op_at(doc, op->next)->prev = op->prev;
    if (op->kind != CRDTI_ADD && op->kind != CRDTI_RESET)
        crdti_show(doc, op, 0);
    if (type->died)
        type->died(doc, entry->object, index);
    crdti_op_drop(&doc->alloc, op);
}

/* >>rows ------------------------------------------------------------------ */

CRDTI_FN crdt_digest crdti_row_digest(const crdt_doc *doc, uint32_t row,
                                      crdt_bytes key)
{
    const crdti_block *block = crdti_row_block(doc, row);
    uint64_t place = crdti_object_at(doc, block->object)->name;
    crdti_op op;
    crdti_row_op(doc, row, &op);
    return crdti_digest_of(doc, &op, crdti_hash(key.ptr, key.len, place));
}

/* Whether the element is in by anything that is filed. `hash` is
 * crdti_entry_hash of set and element. */
CRDTI_FN int crdti_element_is_in(const crdt_doc *doc, uint32_t set,
                                 crdt_bytes key, uint64_t hash)
{
    const crdti_object *object = crdti_object_at(doc, set);
    crdti_row_walk walk;
    uint32_t entry;
    if (object->blocks && crdti_row_probe(doc, set, key, hash, &walk))
        return 1;
    if (!object->entries)
        return 0;
    entry = crdti_entry_probe(doc, set, key, hash);
    return entry && crdti_entry_at(doc, entry)->is_visible;
}

/* A row came or went; was the element in without it? */
CRDTI_FN void crdti_set_weigh(crdt_doc *doc, uint32_t set, int is_in,
                              int appears)
{
    crdti_object *object = crdti_object_at(doc, set);
    int had_weight = object->weight != 0;
    object->keys_changed = 1;
    if (is_in)
        return;
    object->weight += appears ? 1u : UINT32_MAX;
    if (had_weight != (object->weight != 0))
        crdti_climb(doc, set, appears);
}

/* Files a row that was made, of an element that was in or not. */
CRDTI_FN void crdti_row_file(crdt_doc *doc, uint32_t row, crdt_bytes key,
                             crdt_digest digest, uint64_t hash, int was_in)
{
    const crdti_block *block = crdti_row_block(doc, row);
    doc->actor = block->replica;
    crdti_touch(doc, block->object, key);
    crdti_digest_add(&doc->digest, digest);
    crdti_row_enter(doc, row, hash);
    crdti_set_weigh(doc, block->object, was_in, 1);
}

/* `hash` is crdti_entry_hash of set and element. Whether that was in already.
 */
CRDTI_FN int crdti_row_born(crdt_doc *doc, uint32_t row, uint64_t hash)
{
    uint8_t room[CRDTI_ROW_KEY];
    crdt_bytes key = crdti_row_key(doc, row, room);
    uint32_t set = crdti_row_block(doc, row)->object;
    int was_in = crdti_element_is_in(doc, set, key, hash);
    crdti_row_file(doc, row, key, crdti_row_digest(doc, row, key), hash,
                   was_in);
    return was_in;
}

CRDTI_FN void crdti_row_die(crdt_doc *doc, uint32_t row)
{
    uint8_t room[CRDTI_ROW_KEY];
    crdt_bytes key = crdti_row_key(doc, row, room);
    uint32_t set = crdti_row_block(doc, row)->object;
    uint64_t hash = crdti_entry_hash(doc, set, key);
    crdti_touch(doc, set, key);
    crdti_digest_subtract(&doc->digest, crdti_row_digest(doc, row, key));
    crdti_row_leave(doc, row, hash);
    crdti_set_weigh(doc, set, crdti_element_is_in(doc, set, key, hash), 0);
}

#endif
