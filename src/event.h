/*
 * Events: what is different since the watcher was told last, as patches.
 *
 *     touched places      read again      told
 *     "size"    7         9               PUT 7 -> 9
 *     "name"    "a"       "a"             -
 *     "photo"   -         map 3           PUT map 3
 *     (3, "x")  -         1               -  inside what has appeared
 *     (5, "y")  2         -               -  inside what is shown no longer
 *
 * Lists come first, the outer ones before those within: the indices in paths
 * are those of now.
 *
 * Telling is after commits and joins, when nothing is under way; while it goes
 * on, writes are refused.
 */
#ifndef CRDTI_EVENT_H
#define CRDTI_EVENT_H

#include "map.h"
#include "path.h"
#include "place.h"
#include "register.h"
#include "step.h"
#include "type.h"

/* Whether a reader sees no difference; of NaNs none does. */
CRDTI_FN int crdti_value_same(const crdt_value *a, const crdt_value *b)
{
    if (a->kind != b->kind)
        return 0;
    if (a->kind == CRDT_OBJECT)
        return a->as.object.index == b->as.object.index;
    if (a->kind == CRDT_DOUBLE)
        return crdti_double_bits(a->as.number) ==
               crdti_double_bits(b->as.number);
    return crdti_value_order(a, b) == 0;
}

/* >>which places are told ------------------------------------------------- */

CRDTI_FN void crdti_place_look(crdt_doc *doc, crdti_place *place)
{
    const crdti_type *type =
        crdti_type_at(doc, crdti_object_at(doc, place->object));
    place->has_now =
        (uint8_t)type->read(doc, place->object, place->key, &place->now);
    place->is_changed = place->has_now != place->had_before ||
                        (place->has_now && type->shape != CRDTI_BY_ELEMENT &&
                         !crdti_value_same(&place->now, &place->before));
}

/* Whether an element that is shown stands where it did. One that was moved is
 * an inserted one. */
CRDTI_FN int crdti_element_stayed(const crdt_doc *doc, uint32_t list,
                                  const uint8_t *key)
{
    const crdti_sequence *s = crdti_sequence_at(doc, list);
    uint32_t name = crdti_element_name(doc, list, key);
    return s && name != CRDTI_NO_CHAR && !crdti_ivset_has(&s->born, name);
}

/* Whether the keys above show the object, and did before. */
CRDTI_FN int crdti_object_was_shown(crdt_doc *doc, uint32_t object)
{
    while (object != CRDTI_ROOT) {
        uint32_t at = crdti_object_at(doc, object)->entry;
        const crdti_entry *entry = crdti_entry_at(doc, at);
        crdt_bytes key = crdti_entry_key(entry);
        const crdti_place *above =
            crdti_place_find(doc->watch, entry->object, key,
                             crdti_entry_hash(doc, entry->object, key));
        const crdti_type *type =
            crdti_type_at(doc, crdti_object_at(doc, entry->object));
        crdt_value shown;
        if (above && above->is_changed)
            return 0;
        if (!type->read(doc, entry->object, key, &shown) ||
            shown.kind != CRDT_OBJECT || shown.as.object.index != object)
            return 0;
        if (type->shape == CRDTI_BY_INDEX &&
            !crdti_element_stayed(doc, entry->object, key.ptr))
            return 0;
        object = entry->object;
    }
    return 1;
}

/* >>patches --------------------------------------------------------------- */

/* Who wrote what a key or register shows; otherwise who was there last, or
 * nobody. */
CRDTI_FN uint32_t crdti_place_author(const crdt_doc *doc,
                                     const crdti_place *place)
{
    uint32_t entry = crdti_entry_find(doc, place->object, place->key);
    uint8_t type = crdti_object_at(doc, place->object)->type;
    uint32_t winner = 0;
    if (entry && (type == CRDT_MAP || type == CRDT_REGISTER))
        winner = crdti_entry_winner(doc, entry);
    return winner ? crdti_op_at(doc, winner)->replica : place->actor;
}

CRDTI_FN crdt_err crdti_patch_path(crdt_doc *doc, uint32_t object,
                                   crdt_bytes *out)
{
    size_t len = crdti_path_len(doc, object);
    uint8_t *path = (uint8_t *)crdti_arena_alloc(&doc->watch->arena, len);
    if (!path)
        return CRDT_ERR_NOMEM;
    crdti_path_put(doc, object, path);
    *out = crdt_bytes_of(path, len);
    return CRDT_OK;
}

/* Fills the patch but for its path. */
CRDTI_FN void crdti_patch_fill(crdt_doc *doc, const crdti_place *place,
                               crdt_patch *out)
{
    int shape = crdti_type_at(doc, crdti_object_at(doc, place->object))->shape;
    uint32_t author = crdti_place_author(doc, place);
    out->kind = place->has_now ? CRDT_PATCH_PUT : CRDT_PATCH_REMOVE;
    out->object = crdti_obj(doc, place->object);
    out->had_before = place->had_before;
    out->before = place->before;
    out->now = place->now;
    if (shape == CRDTI_BY_STEPS || shape == CRDTI_BY_INDEX) {
        out->kind =
            shape == CRDTI_BY_STEPS ? CRDT_PATCH_TEXT : CRDT_PATCH_LIST;
        out->had_before = 0;
        out->before = out->now = crdt_null();
    }
    if (shape == CRDTI_BY_KEY)
        out->key = place->key;
    if (shape == CRDTI_BY_ELEMENT) {
        out->kind = place->has_now ? CRDT_PATCH_ADD : CRDT_PATCH_DROP;
        *(place->has_now ? &out->now : &out->before) =
            crdti_element_decode(place->key);
    }
    if (author != CRDTI_NOBODY)
        out->author = doc->replicas.ptr[author].id;
    out->is_local = author == doc->self;
}

/* Adds the patch of the place, if there is one to tell. NOMEM. */
CRDTI_FN crdt_err crdti_patch_make(crdt_doc *doc, const crdti_place *place,
                                   crdt_patch *first, size_t *len)
{
    crdti_watch *watch = doc->watch;
    crdt_patch *patch = first + *len, *before = patch - (*len != 0);
    if (!crdti_object_was_shown(doc, place->object))
        return CRDT_OK;
    if (*len && before->object.index == place->object)
        patch->path = before->path;
    else if (crdti_patch_path(doc, place->object, &patch->path))
        return CRDT_ERR_NOMEM;
    crdti_patch_fill(doc, place, patch);
    if (patch->kind >= CRDT_PATCH_TEXT) {
        if (crdti_steps_make(doc, place, &watch->arena, &patch->steps,
                             &patch->steps_len))
            return CRDT_ERR_NOMEM;
        if (!patch->steps_len) {
            crdti_zero(patch, sizeof *patch);
            return CRDT_OK;
        }
    }
    ++*len;
    return CRDT_OK;
}

/* How deep the list is, when the place is one; or -1. */
CRDTI_FN int crdti_place_depth(const crdt_doc *doc, const crdti_place *place)
{
    const crdti_object *object = crdti_object_at(doc, place->object);
    int is_list = crdti_type_at(doc, object)->shape == CRDTI_BY_INDEX;
    return is_list && !place->key.len ? object->depth : -1;
}

/* The patches of lists, the outer ones first. */
CRDTI_FN crdt_err crdti_patches_lists(crdt_doc *doc, crdt_patch *first,
                                      size_t *len)
{
    const crdti_watch *watch = doc->watch;
    int depth, deepest = -1;
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < watch->places.len; i++) {
        depth = crdti_place_depth(doc, &watch->places.ptr[i]);
        deepest = depth > deepest ? depth : deepest;
    }
    for (depth = 0; depth <= deepest; depth++)
        for (i = 0; i < watch->places.len && !err; i++)
            if (crdti_place_depth(doc, &watch->places.ptr[i]) == depth)
                err = crdti_patch_make(doc, &watch->places.ptr[i], first, len);
    return err;
}

/* All of them: lists, then the others in the order in which places were
 * touched; in the arena. */
CRDTI_FN crdt_err crdti_patches_make(crdt_doc *doc, crdt_patch **out,
                                     size_t *len)
{
    crdti_watch *watch = doc->watch;
    size_t i, size = watch->places.len * sizeof **out;
    crdt_err err;
    *len = 0;
    *out = (crdt_patch *)crdti_arena_alloc(&watch->arena, size);
    if (!*out)
        return CRDT_ERR_NOMEM;
    crdti_zero(*out, size);
    for (i = 0; i < watch->places.len; i++)
        crdti_place_look(doc, &watch->places.ptr[i]);
    err = crdti_patches_lists(doc, *out, len);
    for (i = 0; i < watch->places.len && !err; i++) {
        const crdti_place *place = &watch->places.ptr[i];
        const crdti_object *object = crdti_object_at(doc, place->object);
        if (place->is_changed &&
            crdti_type_at(doc, object)->shape != CRDTI_BY_INDEX)
            err = crdti_patch_make(doc, place, *out, len);
    }
    return err;
}

/* >>telling --------------------------------------------------------------- */

/* Forgets what is new in texts and lists. Where places are lost, any may be
 * new. */
CRDTI_FN void crdti_watch_clear_news(crdt_doc *doc)
{
    const crdti_watch *watch = doc->watch;
    uint32_t at = watch->is_lost ? doc->sequences : 0;
    size_t i;
    for (; at; at = crdti_sequence_at(doc, at)->next_sequence)
        crdti_news_clear(&doc->alloc, crdti_sequence_at(doc, at));
    for (i = 0; i < watch->places.len; i++) {
        const crdti_object *object =
            crdti_object_at(doc, watch->places.ptr[i].object);
        if (crdti_type_at(doc, object)->shape >= CRDTI_BY_STEPS &&
            object->state)
            crdti_news_clear(&doc->alloc, (crdti_sequence *)object->state);
    }
}

/* Forgets the touched places, and gives back memory that was much. */
CRDTI_FN void crdti_watch_clear(crdt_doc *doc)
{
    enum { MUCH = 1024 };
    crdti_watch *watch = doc->watch;
    const crdt_alloc *alloc = &doc->alloc;
    crdti_watch_clear_news(doc);
    crdti_arena_free(&watch->arena);
    if (watch->places.cap > MUCH)
        crdti_array_free(alloc, &watch->places);
    if (watch->index.cap > MUCH)
        crdti_table_free(alloc, &watch->index);
    crdti_zero(watch->index.slots,
               watch->index.cap * sizeof *watch->index.slots);
    watch->index.len = 0;
    watch->places.len = 0;
    watch->is_lost = 0;
}

/* Tells the watcher, when there is one and there is something to tell. */
CRDTI_FN void crdti_tell(crdt_doc *doc)
{
    crdti_watch *watch = doc->watch;
    crdt_patch lost, *patches = &lost;
    size_t len = 1;
    if (!watch || (!watch->places.len && !watch->is_lost))
        return;
    if (watch->is_lost || crdti_patches_make(doc, &patches, &len)) {
        crdti_zero(&lost, sizeof lost);
        lost.kind = CRDT_PATCH_LOST;
        lost.object = crdt_root(doc);
        patches = &lost;
        len = 1;
    }
    watch->is_telling = 1;
    if (len)
        watch->fn(watch->ctx, doc, patches, len);
    watch->is_telling = 0;
    crdti_watch_clear(doc);
}

/* >>watching -------------------------------------------------------------- */

CRDTI_FN void crdti_watch_end(crdt_doc *doc)
{
    crdti_watch *watch = doc->watch;
    if (!watch)
        return;
    crdti_watch_clear_news(doc);
    crdti_arena_free(&watch->arena);
    crdti_array_free(&doc->alloc, &watch->places);
    crdti_table_free(&doc->alloc, &watch->index);
    crdti_free(&doc->alloc, watch, sizeof *watch);
    doc->watch = NULL;
}

CRDT_API crdt_err crdt_doc_watch(crdt_doc *doc, crdt_patch_fn *fn, void *ctx)
{
    crdti_watch *watch;
    if (!doc)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (!fn) {
        crdti_watch_end(doc);
        return CRDT_OK;
    }
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    crdti_typing_file(doc);
    watch = doc->watch;
    if (!watch) {
        watch = (crdti_watch *)crdti_alloc(&doc->alloc, sizeof *watch);
        if (!watch)
            return CRDT_ERR_NOMEM;
        crdti_zero(watch, sizeof *watch);
        crdti_arena_init(&watch->arena, &doc->alloc);
        doc->watch = watch;
    }
    watch->fn = fn;
    watch->ctx = ctx;
    return CRDT_OK;
}

#endif
