/*
 * Truncation: what is forgotten when every member has it.
 *
 *     removals    the kill records of killers below the floor
 *     deletions   of texts and lists, the same: who deleted a character; that
 *                 it is dead is known by its span
 *     content     of what is deleted, whoever has seen that
 *
 * Deleted characters themselves stay, with their names and origins: another
 * may insert beside them until all members have truncated; then they may be
 * swept (sweep.h).
 */
#ifndef CRDTI_TRUNCATE_H
#define CRDTI_TRUNCATE_H

#include "edit.h"
#include "kill.h"

/* Bytes of content worth the two insertions more that leave them out. */
#define CRDTI_SHED_MIN 64u

/* >>deletions ------------------------------------------------------------- */

CRDTI_FN void crdti_deletions_truncate(crdt_doc *doc, crdti_author *author)
{
    uint64_t floor = doc->replicas.ptr[author->replica].floor;
    size_t first = crdti_deletion_place(author, floor + 1);
    if (!first)
        return;
    author->deletions.len -= first;
    crdti_move(author->deletions.ptr, author->deletions.ptr + first,
               author->deletions.len * sizeof *author->deletions.ptr);
    if (!author->deletions.len)
        crdti_array_free(&doc->alloc, &author->deletions);
}

/* >>content --------------------------------------------------------------- */

/* An author's insertions and content as they are to be; without memory for
 * them they are only counted. */
typedef struct crdti_shed {
    uint32_t author;
    const crdti_author *from; /* the same */
    const uint64_t *dead;     /* by name */
    crdti_insertion *insertions;
    uint8_t *content;
    size_t len, bytes;
    crdti_insertion last; /* not put yet, unless it is empty */
} crdti_shed;

CRDTI_FN void crdti_shed_flush(crdti_shed *shed)
{
    if (!shed->last.len)
        return;
    if (shed->insertions)
        shed->insertions[shed->len] = shed->last;
    shed->len++;
    shed->last.len = 0;
}

/* `len` characters of an insertion, from name `at` on, with their bytes or
 * without. */
CRDTI_FN void crdti_shed_put(crdti_shed *shed, const crdti_insertion *of,
                             uint32_t at, uint32_t len, int keeps)
{
    crdti_insertion *last = &shed->last;
    uint32_t left = at == of->name ? of->left : at - 1;
    crdti_width width = { 0, 0, 0 };
    size_t bytes = 0;
    if (!keeps && last->len && last->content == CRDTI_CONTENT_GONE &&
        last->name + last->len == at && left == at - 1 &&
        last->seq + last->len == of->seq + (at - of->name) &&
        last->right == of->right) {
        last->len += len;
        return;
    }
    crdti_shed_flush(shed);
    *last = *of;
    last->seq += at - of->name;
    last->name = at;
    last->len = len;
    last->left = left;
    last->content = CRDTI_CONTENT_GONE;
    if (keeps) {
        width = crdti_content_width(shed->from, of, at, len);
        bytes = crdti_width_in(width, CRDT_UTF8);
        last->content = (uint32_t)shed->bytes;
        if (shed->content)
            crdti_copy(shed->content + shed->bytes,
                       crdti_content_at(shed->from, of, at), bytes);
    }
    last->more_bytes = (uint16_t)width.more_bytes;
    last->more_units = (uint16_t)width.more_units;
    shed->bytes += bytes;
}

/* Whether the bytes of a stretch stay: they are shown, or too few. */
CRDTI_FN int crdti_shed_keeps(const crdti_shed *shed,
                              const crdti_insertion *of, uint32_t at,
                              uint32_t len)
{
    if (of->content == CRDTI_CONTENT_GONE)
        return 0;
    if (!(shed->dead[at / 64] >> at % 64 & 1))
        return 1;
    return len < of->len && len < CRDTI_SHED_MIN;
}

CRDTI_FN void crdti_shed_insertion(crdti_shed *shed, const crdti_insertion *of)
{
    uint32_t end = of->name + of->len, from = of->name, at = from, run;
    int keeps = -1;
    for (; at < end; at += run) {
        int now;
        run = crdti_bits_run(shed->dead, at, end - at);
        now = crdti_shed_keeps(shed, of, at, run);
        if (keeps >= 0 && now != keeps) {
            crdti_shed_put(shed, of, from, at - from, keeps);
            from = at;
        }
        keeps = now;
    }
    crdti_shed_put(shed, of, from, end - from, keeps);
}

CRDTI_FN void crdti_shed_all(crdti_shed *shed)
{
    size_t i;
    shed->len = shed->bytes = 0;
    shed->last.len = 0;
    for (i = 0; i < shed->from->insertions.len; i++)
        crdti_shed_insertion(shed, &shed->from->insertions.ptr[i]);
    crdti_shed_flush(shed);
}

typedef CRDTI_ARRAY(crdti_shed) crdti_sheds;

/* Makes the author anew without what is dead, where that saves memory. */
CRDTI_FN crdt_err crdti_author_shed(crdt_doc *doc, uint32_t index,
                                    const uint64_t *dead, crdti_sheds *sheds)
{
    const crdti_author *author = crdti_author_at(doc, index);
    crdti_shed *shed;
    size_t size, more;
    if (crdti_array_reserve(&doc->alloc, sheds, 1))
        return CRDT_ERR_NOMEM;
    shed = &sheds->ptr[sheds->len];
    crdti_zero(shed, sizeof *shed);
    shed->author = index;
    shed->from = author;
    shed->dead = dead;
    crdti_shed_all(shed);
    size = shed->len * sizeof *shed->insertions;
    more = shed->len - crdti_min_size(shed->len, author->insertions.len);
    if (author->content.cap <
        shed->bytes + CRDTI_SHED_MIN + more * sizeof *shed->insertions)
        return CRDT_OK;
    sheds->len++;
    shed->insertions = (crdti_insertion *)crdti_alloc(&doc->alloc, size);
    if (shed->bytes)
        shed->content = (uint8_t *)crdti_alloc(&doc->alloc, shed->bytes);
    if (!shed->insertions || (shed->bytes && !shed->content))
        return CRDT_ERR_NOMEM;
    crdti_shed_all(shed);
    return CRDT_OK;
}

/* The authors give what they have for what was made; or, when there is no
 * memory to do all of it, keep it. */
CRDTI_FN void crdti_sheds_end(crdt_doc *doc, crdti_sheds *sheds, int keep)
{
    size_t i;
    for (i = 0; i < sheds->len; i++) {
        crdti_shed *shed = &sheds->ptr[i];
        crdti_author *author = crdti_author_at(doc, shed->author);
        if (keep) {
            crdti_free(&doc->alloc, shed->insertions,
                       shed->len * sizeof *shed->insertions);
            crdti_free(&doc->alloc, shed->content, shed->bytes);
            continue;
        }
        crdti_array_free(&doc->alloc, &author->insertions);
        crdti_array_free(&doc->alloc, &author->content);
        author->insertions.ptr = shed->insertions;
        author->insertions.len = author->insertions.cap = shed->len;
        author->content.ptr = shed->content;
        author->content.len = author->content.cap = shed->bytes;
    }
    crdti_array_free(&doc->alloc, sheds);
}

/* But how wide that was which has died is yet to be told. */
CRDTI_FN crdt_err crdti_sequence_shed(crdt_doc *doc, crdti_sequence *s,
                                      crdti_sheds *sheds)
{
    size_t size = ((size_t)s->names_used / 64 + 1) * sizeof(uint64_t);
    uint64_t *dead;
    uint32_t at = s->authors;
    crdt_err err = CRDT_OK;
    if (s->is_list || s->died.len)
        return CRDT_OK;
    dead = (uint64_t *)crdti_alloc(&doc->alloc, size);
    if (!dead)
        return CRDT_ERR_NOMEM;
    crdti_zero(dead, size);
    crdti_names_dead(doc, s, dead);
    for (; at && !err; at = crdti_author_at(doc, at)->next)
        if (crdti_author_at(doc, at)->content.len)
            err = crdti_author_shed(doc, at, dead, sheds);
    crdti_free(&doc->alloc, dead, size);
    return err;
}

/* >>all of it ------------------------------------------------------------- */

/* Forgets what the floors allow. O(what there is). */
CRDTI_FN void crdti_forget(crdt_doc *doc)
{
    uint32_t at, author;
    doc->floors++;
    crdti_kills_truncate(doc);
    for (at = doc->sequences; at;
         at = crdti_sequence_at(doc, at)->next_sequence)
        for (author = crdti_sequence_at(doc, at)->authors; author;
             author = crdti_author_at(doc, author)->next)
            crdti_deletions_truncate(doc, crdti_author_at(doc, author));
}

CRDT_API crdt_err crdt_truncate(crdt_doc *doc, const crdt_vv *cut)
{
    crdti_sheds sheds;
    size_t i;
    uint32_t at;
    crdt_err err = CRDT_OK;
    if (!doc || !cut)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    crdti_zero(&sheds, sizeof sheds);
    for (at = doc->sequences; at && !err;
         at = crdti_sequence_at(doc, at)->next_sequence)
        err = crdti_sequence_shed(doc, crdti_sequence_at(doc, at), &sheds);
    crdti_sheds_end(doc, &sheds, err != CRDT_OK);
    if (err)
        return err;
    for (i = 0; i < cut->len; i++) {
        uint32_t number = crdti_replica_find(doc, &cut->entries[i].replica);
        crdti_replica *replica;
        if (number == UINT32_MAX)
            continue;
        replica = &doc->replicas.ptr[number];
        replica->floor = crdti_max(
            replica->floor, crdti_min(cut->entries[i].seq, replica->seq));
    }
    crdti_forget(doc);
    return CRDT_OK;
}

#endif
