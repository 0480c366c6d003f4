/*
 * Old characters: deleted, and never to be named again.
 *
 *     H e l l o          'o' is deleted below the floor, and no character has
 *     H e l [l o] p      it as an origin: it is old. The second 'l' is an
 *                        origin of 'o' only, so it is old with it.
 *
 * What is not old:
 *
 *     visible     also what may be so again: places of a list
 *     remembered  a deletion above the floor, or a removal above, took it
 *     an origin   of what is not old, at any remove
 *
 * What is inserted names no old characters (crdti_right_origin). So once every
 * member has truncated as far, and all that they had written until then has
 * come, nobody can name one, and they may be swept (sweep.h). As nothing but
 * old ones names them, those that stay are in the same order without them.
 */
#ifndef CRDTI_OLD_H
#define CRDTI_OLD_H

#include "bits.h"
#include "sequence.h"

typedef struct crdti_old {
    const crdt_doc *doc;
    const crdti_sequence *s;
    uint64_t *kept;  /* by name: those that are not old by themselves */
    uint32_t *reach; /* of each insertion: how many are not, from the first */
    uint32_t *stack; /* origins of kept ones, to be kept */
    size_t stack_len;
} crdti_old;

CRDTI_FN size_t crdti_names_words(const crdti_sequence *s)
{
    return (size_t)s->names_used / 64 + 1;
}

/* >>by themselves --------------------------------------------------------- */

/* What deletions say of which is remembered; those below the floor are not. */
CRDTI_FN void crdti_old_keep_deleted(crdti_old *o, const crdti_author *author)
{
    size_t i;
    for (i = 0; i < author->deletions.len; i++) {
        const crdti_deletion *at = &author->deletions.ptr[i];
        uint32_t len = crdti_deletion_len(at);
        uint32_t back = at->len & CRDTI_BACKWARDS ? len - 1 : 0;
        crdti_bits_set(o->kept, at->name - back, len);
    }
}

/* What may be shown again: elements of a list that are not forgotten. */
CRDTI_FN void crdti_old_keep_places(crdti_old *o, const crdti_author *author)
{
    const crdti_type *type =
        crdti_type_at(o->doc, crdti_object_at(o->doc, o->s->object));
    uint32_t k;
    size_t i;
    for (i = 0; type->keeps && i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        for (k = 0; k < at->len; k++)
            if (type->keeps(o->doc, o->s->object, author->replica,
                            at->seq + k))
                crdti_bits_set(o->kept, at->name + k, 1);
    }
}

/* What removals above may have taken, up to `dead`, and what is not below the
 * floor. */
CRDTI_FN void crdti_old_keep_recent(crdti_old *o, const crdti_author *author,
                                    uint64_t dead, uint64_t floor)
{
    size_t i;
    for (i = 0; i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        uint64_t last = at->seq + at->len - 1;
        if (at->seq <= dead)
            crdti_bits_set(o->kept, at->name,
                           (uint32_t)(crdti_min(last, dead) - at->seq + 1));
        if (last > floor)
            crdti_bits_set(o->kept, at->name, at->len);
    }
}

/* Marks how far removals have killed that are remembered: in what is above the
 * sequence, and of a list in what it holds. Or clears the marks. */
CRDTI_FN void crdti_old_mark(const crdt_doc *doc, uint32_t entry, int raise)
{
    uint32_t at = crdti_entry_at(doc, entry)->kills;
    for (; at; at = crdti_kill_at(doc, at)->next) {
        const crdti_kill *kill = crdti_kill_at(doc, at);
        uint64_t *mark = &doc->replicas.ptr[kill->replica].mark;
        *mark = raise ? crdti_max(*mark, kill->last) : 0;
    }
}

CRDTI_FN void crdti_old_marks(const crdti_old *o, int raise)
{
    const crdti_object *object = crdti_object_at(o->doc, o->s->object);
    uint32_t entry = object->entries;
    for (; entry; entry = crdti_entry_at(o->doc, entry)->next)
        crdti_old_mark(o->doc, entry, raise);
    while (object->entry) {
        crdti_old_mark(o->doc, object->entry, raise);
        object = crdti_object_at(
            o->doc, crdti_entry_at(o->doc, object->entry)->object);
    }
}

/* >>by what names them ---------------------------------------------------- */

/* Of an insertion, what is before one that is kept is kept: `len` of it. */
CRDTI_FN void crdti_old_keep(crdti_old *o, const crdti_author *author,
                             const crdti_insertion *at, uint32_t len)
{
    uint32_t *reach =
        &o->reach[author->party + (size_t)(at - author->insertions.ptr)];
    if (!*reach && len) {
        if (at->left != CRDTI_NO_CHAR)
            o->stack[o->stack_len++] = at->left;
        if (at->right != CRDTI_NO_CHAR)
            o->stack[o->stack_len++] = at->right;
    }
    if (*reach < len)
        *reach = len;
}

CRDTI_FN void crdti_old_keep_origins(crdti_old *o)
{
    uint32_t index;
    size_t i;
    for (index = o->s->authors; index;
         index = crdti_author_at(o->doc, index)->next) {
        const crdti_author *author = crdti_author_at(o->doc, index);
        for (i = 0; i < author->insertions.len; i++) {
            const crdti_insertion *at = &author->insertions.ptr[i];
            crdti_old_keep(o, author, at,
                           crdti_bits_reach(o->kept, at->name, at->len));
        }
    }
    while (o->stack_len) {
        uint32_t name = o->stack[--o->stack_len];
        const crdti_author *author =
            crdti_author_at(o->doc, crdti_name_author(&o->s->extents, name));
        const crdti_insertion *at = crdti_insertion_of(author, name);
        crdti_old_keep(o, author, at, name - at->name + 1);
    }
}

/* >>all of it ------------------------------------------------------------- */

/* Memory, and zeros, for all names and insertions. An author's `party` is
 * where its insertions are. */
CRDTI_FN crdt_err crdti_old_begin(crdti_old *o, crdt_doc *doc,
                                  const crdti_sequence *s)
{
    size_t words = crdti_names_words(s), insertions = 0, size;
    uint32_t at;
    for (at = s->authors; at; at = crdti_author_at(doc, at)->next) {
        crdti_author_at(doc, at)->party = (uint32_t)insertions;
        insertions += crdti_author_at(doc, at)->insertions.len;
    }
    size = crdti_mul_size(insertions + 1, sizeof(uint32_t));
    o->doc = doc;
    o->s = s;
    o->stack_len = 0;
    o->kept =
        (uint64_t *)crdti_arena_alloc(&doc->scratch, words * sizeof *o->kept);
    o->reach = (uint32_t *)crdti_arena_alloc(&doc->scratch, size);
    o->stack =
        (uint32_t *)crdti_arena_alloc(&doc->scratch, crdti_mul_size(size, 2));
    if (!o->kept || !o->reach || !o->stack)
        return CRDT_ERR_NOMEM;
    crdti_zero(o->kept, words * sizeof *o->kept);
    crdti_zero(o->reach, size);
    return CRDT_OK;
}

CRDTI_FN void crdti_old_end(const crdti_old *o)
{
    uint32_t at;
    for (at = o->s->authors; at; at = crdti_author_at(o->doc, at)->next)
        crdti_author_at(o->doc, at)->party = 0;
}

CRDTI_FN void crdti_old_keep_all(crdti_old *o)
{
    uint32_t at;
    crdti_names_shown(o->doc, o->s, o->kept);
    crdti_old_marks(o, 1);
    for (at = o->s->authors; at; at = crdti_author_at(o->doc, at)->next) {
        const crdti_author *author = crdti_author_at(o->doc, at);
        const crdti_replica *replica = &o->doc->replicas.ptr[author->replica];
        crdti_old_keep_deleted(o, author);
        crdti_old_keep_places(o, author);
        crdti_old_keep_recent(o, author, replica->mark, replica->floor);
    }
    crdti_old_marks(o, 0);
    crdti_old_keep_origins(o);
}

/* Sets the bits of those that are old, unless there are none to set. How many
 * there are. */
CRDTI_FN uint32_t crdti_old_tell(const crdti_old *o, uint64_t *old)
{
    uint32_t at, count = 0, reach;
    size_t i;
    for (at = o->s->authors; at; at = crdti_author_at(o->doc, at)->next) {
        const crdti_author *author = crdti_author_at(o->doc, at);
        for (i = 0; i < author->insertions.len; i++) {
            const crdti_insertion *of = &author->insertions.ptr[i];
            reach = o->reach[author->party + i];
            count += of->len - reach;
            if (old && reach < of->len)
                crdti_bits_set(old, of->name + reach, of->len - reach);
        }
    }
    return count;
}

/* Which are old, by name; NULL: none. The caller frees that many words.
 * O(n log n). */
CRDTI_FN crdt_err crdti_old_find(crdt_doc *doc, const crdti_sequence *s,
                                 uint64_t **out)
{
    crdti_arena_mark mark = crdti_arena_here(&doc->scratch);
    size_t size = crdti_names_words(s) * sizeof(uint64_t);
    crdti_old o;
    crdt_err err = crdti_old_begin(&o, doc, s);
    *out = NULL;
    if (!err)
        crdti_old_keep_all(&o);
    if (!err && crdti_old_tell(&o, NULL)) {
        *out = (uint64_t *)crdti_alloc(&doc->alloc, size);
        if (*out) {
            crdti_zero(*out, size);
            crdti_old_tell(&o, *out);
        } else {
            err = CRDT_ERR_NOMEM;
        }
    }
    crdti_old_end(&o);
    crdti_arena_reset(&doc->scratch, mark);
    return err;
}

/* Has them known, for what is to be inserted: that costs as much once after
 * the floor has risen, or another has named one that was old. */
CRDTI_FN crdt_err crdti_old_know(crdt_doc *doc, crdti_sequence *s)
{
    uint64_t *old;
    crdt_err err;
    if (CRDTI_LIKELY(s->old_floors == doc->floors))
        return CRDT_OK;
    err = crdti_old_find(doc, s, &old);
    if (err)
        return err;
    crdti_old_forget(doc, s);
    s->old = old;
    s->old_words = old ? crdti_names_words(s) : 0;
    s->old_floors = doc->floors;
    return CRDT_OK;
}

#endif
