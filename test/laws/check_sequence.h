/*
 * A slow look at the sequences of a document (author.h, span.h): a part of
 * check_doc.h.
 *
 *     authors    what they wrote is in order, and where it says it is
 *     spans      each character that was inserted stands in one of them, and
 *                stands between its origins
 *     forks      how much is below them; parents and neighbours
 *     homes      each name is in the leaf that they say
 */
#ifndef CHECK_SEQUENCE_H
#define CHECK_SEQUENCE_H

#include "../../src/wire.h"

#include <stdlib.h>

/* Whether all that was joined is of honest replicas: targets of fuzzing say 0.
 * Others may use a dot twice, and name a right origin that is left. */
#ifndef CHECK_HONEST
#define CHECK_HONEST 1
#endif

#define CHECK_DOC(cond)                                                       \
    do {                                                                      \
        if (!(cond))                                                          \
            return #cond;                                                     \
    } while (0)

/* What is found on the way through a sequence. */
typedef struct {
    const crdt_doc *doc;
    const crdti_sequence *s;
    uint32_t *places; /* by name: the how-manieth of all, from 1 */
    uint32_t inserted, placed, leaf, leaves, forks, authors;
    size_t held_leaves, held_forks;
    uint64_t hash;
} check_walk;

static inline int check_same_width(crdti_width a, crdti_width b)
{
    return a.chars == b.chars && a.more_bytes == b.more_bytes &&
           a.more_units == b.more_units;
}

/* >>authors --------------------------------------------------------------- */

/* Whose the names are, from `name` up to `end`. */
static inline int check_owns(const check_walk *k, uint32_t author,
                             uint32_t name, uint32_t end)
{
    const crdti_extents *extents = &k->s->extents;
    return name < end && end <= k->s->names_used &&
           crdti_name_author(extents, name) == author &&
           crdti_name_author(extents, end - 1) == author;
}

/* An origin is none, or a character. */
static inline int check_is_char(const check_walk *k, uint32_t name)
{
    const crdti_author *author;
    const crdti_insertion *at;
    if (name == CRDTI_NO_CHAR)
        return 1;
    if (name >= k->s->names_used)
        return 0;
    author = crdti_author_at(k->doc, crdti_name_author(&k->s->extents, name));
    at = crdti_insertion_of(author, name);
    return at->name <= name && name - at->name < at->len;
}

/* What it holds is UTF-8, as wide as it says. */
static inline const char *check_content(const crdti_author *author,
                                        const crdti_insertion *at)
{
    size_t len = (size_t)at->len + at->more_bytes;
    crdti_width width;
    if (at->content == CRDTI_CONTENT_GONE) {
        CHECK_DOC(!at->more_bytes && !at->more_units);
        return NULL;
    }
    CHECK_DOC(at->content + len <= author->content.len);
    CHECK_DOC(crdti_utf8_measure(
        crdt_bytes_of(author->content.ptr + at->content, len), &width));
    CHECK_DOC(width.chars == at->len);
    CHECK_DOC(width.more_bytes == at->more_bytes);
    CHECK_DOC(width.more_units == at->more_units);
    CHECK_DOC(!width.more_bytes || width.chars <= CRDTI_WIDE_MAX);
    return NULL;
}

static inline const char *check_insertions(check_walk *k, uint32_t index)
{
    const crdti_author *author = crdti_author_at(k->doc, index);
    uint64_t seq = 0;
    uint32_t name = 0;
    size_t i;
    for (i = 0; i < author->insertions.len; i++) {
        const crdti_insertion *at = &author->insertions.ptr[i];
        const char *wrong = check_content(author, at);
        if (wrong)
            return wrong;
        CHECK_DOC(at->len > 0);
        CHECK_DOC(at->seq > seq && at->name >= name);
        CHECK_DOC(check_owns(k, index, at->name, at->name + at->len));
        CHECK_DOC(check_is_char(k, at->left) && check_is_char(k, at->right));
        seq = at->seq + at->len - 1;
        name = at->name + at->len;
        k->inserted += at->len;
    }
    CHECK_DOC(name <= author->free_name);
    CHECK_DOC(author->free_name <= author->end_name);
    CHECK_DOC(seq <= author->last);
    return NULL;
}

/* What they deleted is hidden; their dots are no characters. */
static inline const char *check_deletions(const check_walk *k,
                                          const crdti_author *author)
{
    uint64_t seq = 0;
    size_t i;
    for (i = 0; i < author->deletions.len; i++) {
        const crdti_deletion *at = &author->deletions.ptr[i];
        uint32_t len = crdti_deletion_len(at), n;
        CHECK_DOC(len > 0 && at->seq > seq);
        seq = at->seq + len - 1;
        for (n = 0; n < len; n++) {
            uint32_t name =
                at->len & CRDTI_BACKWARDS ? at->name - n : at->name + n;
            crdti_spot spot;
            CHECK_DOC(name != CRDTI_NO_CHAR && check_is_char(k, name));
            CHECK_DOC(crdti_seq_name(author, at->seq + n) == CRDTI_NO_CHAR);
            spot = crdti_spot_of(k->doc, k->s, name);
            CHECK_DOC(crdti_leaf_at(k->doc, spot.leaf)->lens[spot.at] &
                      CRDTI_HIDDEN);
        }
    }
    CHECK_DOC(seq <= author->last);
    return NULL;
}

static inline const char *check_author(check_walk *k, uint32_t index)
{
    const crdti_author *author = crdti_author_at(k->doc, index);
    const crdti_replica *r = &k->doc->replicas.ptr[author->replica];
    const char *wrong;
    CHECK_DOC(author->object == k->s->object);
    CHECK_DOC(crdti_author_find(k->doc, author->object, author->replica) ==
              index);
    CHECK_DOC(author->last <=
              (author->replica == k->doc->self ? k->doc->written : r->seq));
    CHECK_DOC(!author->last || author->is_listed);
    wrong = check_insertions(k, index);
    return wrong ? wrong : check_deletions(k, author);
}

static inline const char *check_extents(const check_walk *k)
{
    const crdti_extents *extents = &k->s->extents;
    size_t i;
    for (i = 0; i < extents->len; i++) {
        CHECK_DOC(i == 0 || extents->ptr[i - 1].name < extents->ptr[i].name);
        CHECK_DOC(extents->ptr[i].name < k->s->names_used);
        CHECK_DOC(crdti_author_at(k->doc, extents->ptr[i].author)->object ==
                  k->s->object);
    }
    return NULL;
}

/* The authors of each replica, in the order of their latest seqs. */
static inline const char *check_author_journals(const crdt_doc *doc)
{
    uint32_t count = 0;
    size_t i;
    for (i = 0; i < doc->replicas.len; i++) {
        uint32_t at, newer = 0;
        uint64_t last = UINT64_MAX;
        for (at = doc->replicas.ptr[i].newest_author; at;
             newer = at, at = crdti_author_at(doc, at)->older) {
            const crdti_author *author = crdti_author_at(doc, at);
            CHECK_DOC(author->replica == i && author->is_listed);
            CHECK_DOC(author->newer == newer);
            CHECK_DOC(author->last < last ||
                      (!CHECK_HONEST && author->last == last));
            last = author->last;
        }
        count += doc->replicas.ptr[i].authors;
    }
    CHECK_DOC(count == doc->authors.live);
    CHECK_DOC(count == doc->author_table.len);
    return NULL;
}

/* >>spans ----------------------------------------------------------------- */

/* A visible character has bytes; more than one only where it is wide. Those of
 * a list have none: they are visible where an element stands. */
static inline int check_is_told(const check_walk *k, uint32_t name,
                                uint32_t flags)
{
    const crdti_author *author =
        crdti_author_at(k->doc, crdti_name_author(&k->s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    if (crdti_object_at(k->doc, k->s->object)->type == CRDT_LIST)
        return at->content == CRDTI_CONTENT_GONE && !(flags & CRDTI_WIDE) &&
               ((flags & CRDTI_HIDDEN) == 0) ==
                   crdti_position_shows(
                       k->doc, k->s->object,
                       crdti_name_position(k->doc, k->s, name));
    return flags & CRDTI_HIDDEN ||
           (at->content != CRDTI_CONTENT_GONE &&
            (flags & CRDTI_WIDE ||
             *crdti_content_at(author, at, name) < 0x80));
}

/* The characters of a span: each stands nowhere else, and behind its left
 * origin. */
static inline const char *check_span(check_walk *k, uint32_t index,
                                     uint32_t at)
{
    const crdti_leaf *leaf = crdti_leaf_at(k->doc, index);
    uint32_t name = leaf->names[at], len = crdti_span_len(leaf, at), i;
    uint32_t flags = leaf->lens[at] & ~CRDTI_SPAN_LEN;
    const crdti_author *author =
        crdti_author_at(k->doc, crdti_name_author(&k->s->extents, name));
    CHECK_DOC(len > 0 && name + len <= k->s->names_used);
    CHECK_DOC(check_is_char(k, name) && check_is_char(k, name + len - 1));
    CHECK_DOC(!(flags & CRDTI_WIDE) ||
              crdti_insertion_of(author, name) ==
                  crdti_insertion_of(author, name + len - 1));
    for (i = 0; i < len; i++, name++) {
        crdti_origins origins = crdti_origins_of(k->doc, k->s, name);
        CHECK_DOC(crdti_origins_of(k->doc, k->s, name).replica ==
                  author->replica);
        CHECK_DOC(!k->places[name]);
        CHECK_DOC(origins.left == CRDTI_NO_CHAR || k->places[origins.left]);
        CHECK_DOC(!CHECK_HONEST || origins.right == CRDTI_NO_CHAR ||
                  !k->places[origins.right]);
        CHECK_DOC(check_is_told(k, name, flags));
        CHECK_DOC(!k->s->homes.is_known ||
                  crdti_home_of(&k->s->homes, name) == index);
        k->places[name] = ++k->placed;
    }
    if (!(flags & CRDTI_HIDDEN))
        k->hash = crdti_span_hash(k->doc, k->s, leaf->names[at], len, k->hash);
    return NULL;
}

static inline const char *check_leaf(check_walk *k, uint32_t index,
                                     crdti_width *width)
{
    const crdti_leaf *leaf = crdti_leaf_at(k->doc, index);
    uint32_t i;
    CHECK_DOC(leaf->prev == k->leaf);
    CHECK_DOC((k->leaf ? crdti_leaf_at(k->doc, k->leaf)->next : k->s->first) ==
              index);
    CHECK_DOC(leaf->len <= CRDTI_LEAF_SPANS && (leaf->len || !k->s->height));
    k->leaf = index;
    k->leaves++;
    for (i = 0; i < leaf->len; i++) {
        const char *wrong = check_span(k, index, i);
        if (wrong)
            return wrong;
    }
    *width = crdti_leaf_width(k->doc, k->s, leaf);
    return NULL;
}

/* A leaf, or a fork with all below it; how wide it is. */
static inline const char *check_branch(check_walk *k, uint32_t level,
                                       uint32_t index, uint32_t parent,
                                       crdti_width *width)
{
    const crdti_fork *fork;
    const char *wrong;
    uint32_t i, open = k->s->open_leaf;
    CHECK_DOC(crdti_parent(k->doc, level, index) == parent);
    if (!level)
        return check_leaf(k, index, width);
    crdti_zero(width, sizeof *width);
    fork = crdti_fork_at(k->doc, index);
    k->forks++;
    CHECK_DOC(fork->len > 0 && fork->len <= CRDTI_FORK_SLOTS);
    for (i = 0; i < fork->len; i++) {
        crdti_width below, kept = fork->widths[i];
        uint32_t at = open, up = 0;
        wrong = check_branch(k, level - 1, fork->children[i], index, &below);
        if (wrong)
            return wrong;
        for (; at && up + 1 < level; up++)
            at = crdti_parent(k->doc, up, at);
        if (at && at == fork->children[i])
            crdti_width_add(&kept, k->s->open);
        CHECK_DOC(check_same_width(kept, below));
        crdti_width_add(width, below);
    }
    return NULL;
}

/* >>all ------------------------------------------------------------------- */

static inline const char *check_homes(const crdti_homes *homes)
{
    uint32_t last = 0;
    size_t i;
    for (i = 0; i < homes->blocks.len; i++) {
        const crdti_home_block *block = homes->blocks.ptr[i];
        uint32_t at;
        CHECK_DOC(homes->is_known);
        CHECK_DOC(block->len > 0 && block->len <= CRDTI_HOMES);
        for (at = 0; at < block->len; at++) {
            CHECK_DOC((i == 0 && at == 0) || block->names[at] > last);
            last = block->names[at];
        }
    }
    return NULL;
}

/* Where the last edit was. */
static inline const char *check_cursor(const check_walk *k)
{
    const crdti_spot *spot = &k->s->cursor;
    const crdti_leaf *leaf;
    uint32_t i, chars = 0, at;
    if (!k->s->cursor_is_known)
        return NULL;
    leaf = crdti_leaf_at(k->doc, spot->leaf);
    for (at = leaf->prev; at; at = crdti_leaf_at(k->doc, at)->prev)
        chars +=
            crdti_leaf_width(k->doc, k->s, crdti_leaf_at(k->doc, at)).chars;
    for (i = 0; i < spot->at && i < leaf->len; i++)
        chars += crdti_span_shown(leaf, i);
    if (spot->at < leaf->len && crdti_span_shown(leaf, spot->at))
        chars += spot->off;
    CHECK_DOC(chars == k->s->cursor_chars);
    return NULL;
}

static inline const char *check_walked(check_walk *k)
{
    const crdti_object *object = crdti_object_at(k->doc, k->s->object);
    crdti_width width;
    uint32_t at;
    const char *wrong = check_extents(k);
    for (at = k->s->authors; at && !wrong;
         at = crdti_author_at(k->doc, at)->next, k->authors++)
        wrong = check_author(k, at);
    if (!wrong)
        wrong = check_branch(k, k->s->height, k->s->root, 0, &width);
    if (!wrong)
        wrong = check_homes(&k->s->homes);
    if (!wrong)
        wrong = check_cursor(k);
    if (wrong)
        return wrong;
    CHECK_DOC(!crdti_leaf_at(k->doc, k->leaf)->next);
    CHECK_DOC(k->placed == k->inserted);
    CHECK_DOC(k->s->held == (k->s->is_list ? k->inserted : 0));
    CHECK_DOC(!k->s->is_list ||
              (k->leaves <= crdti_leaves_most(k->s->held) + 1 &&
               k->forks <= crdti_forks_most(crdti_leaves_most(k->s->held))));
    CHECK_DOC(check_same_width(width, k->s->total));
    if (object->type == CRDT_LIST)
        CHECK_DOC(object->weight == width.chars || !CHECK_HONEST);
    else
        CHECK_DOC(object->weight == (width.chars != 0));
    if (!k->s->is_hashed)
        return NULL;
    CHECK_DOC(
        k->s->digest.lo ==
        (width.chars ? crdti_mix(k->hash ^ object->name, width.chars) : 0));
    CHECK_DOC(k->s->digest.hi ==
              (width.chars ? crdti_mix(k->hash, object->name) : 0));
    return NULL;
}

/* One sequence; `counted` adds up what it is made of. */
static inline const char *check_sequence(const crdt_doc *doc, uint32_t object,
                                         check_walk *counted)
{
    const crdti_sequence *s = crdti_sequence_at(doc, object);
    const char *wrong;
    check_walk k;
    crdti_zero(&k, sizeof k);
    k.doc = doc;
    k.s = s;
    CHECK_DOC(s->object == object);
    k.places = (uint32_t *)calloc((size_t)s->names_used + 1, sizeof *k.places);
    wrong = k.places ? check_walked(&k) : "there is memory";
    free(k.places);
    counted->leaves += k.leaves;
    counted->forks += k.forks;
    counted->authors += k.authors;
    if (s->is_list) {
        size_t most = crdti_leaves_most(s->held);
        counted->held_leaves += most + 1 - k.leaves;
        counted->held_forks += crdti_forks_most(most) - k.forks;
    }
    return wrong;
}

/* Those of the document are in one list, with what they share of its digest;
 * and there are no more parts than theirs. */
static inline const char *check_sequences(const crdt_doc *doc,
                                          crdt_digest *digest)
{
    uint32_t at, before = 0;
    check_walk sum;
    crdti_zero(&sum, sizeof sum);
    for (at = doc->sequences; at;
         before = at, at = crdti_sequence_at(doc, at)->next_sequence) {
        const crdti_sequence *s = crdti_sequence_at(doc, at);
        const char *wrong = check_sequence(doc, at, &sum);
        if (wrong)
            return wrong;
        CHECK_DOC(s->prev_sequence == before);
        crdti_digest_add(digest, s->digest);
    }
    CHECK_DOC(sum.leaves == doc->leaves.live);
    CHECK_DOC(sum.forks == doc->forks.live);
    CHECK_DOC(sum.authors == doc->authors.live);
    CHECK_DOC(sum.held_leaves == doc->held_leaves);
    CHECK_DOC(sum.held_forks == doc->held_forks);
    CHECK_DOC(doc->leaves.live + 1 + doc->held_leaves <= doc->leaves.cap ||
              !doc->held_leaves);
    CHECK_DOC(doc->forks.live + 1 + doc->held_forks <= doc->forks.cap ||
              !doc->held_forks);
    return check_author_journals(doc);
}

/* Whether a character is visible that the record says is dead. */
static inline int check_has_dead_char(const crdt_doc *doc, uint32_t object,
                                      const crdti_kill *kill)
{
    const crdti_sequence *s = crdti_sequence_at(doc, object);
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s ? s->first : 0;
    while (s && crdti_spot_next_shown(doc, &spot)) {
        uint32_t name =
            crdti_leaf_at(doc, spot.leaf)->names[spot.at] + spot.off++;
        const crdti_author *author =
            crdti_author_at(doc, crdti_name_author(&s->extents, name));
        const crdti_insertion *at = crdti_insertion_of(author, name);
        if (author->replica == kill->replica &&
            at->seq + (name - at->name) <= kill->last)
            return 1;
    }
    return 0;
}

#endif
