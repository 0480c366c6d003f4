/*
 * The order of a sequence: spans of characters in a B-tree.
 *
 *     fork           [ 57 | 31 ]            how much of it is visible
 *                     /      \
 *     leaf   [ 5..9 | 40..99 | -10..12 ]  [ 0..4 | ... ]
 *
 * A span is characters whose names follow on each other, of one author, that
 * stand side by side; "-": hidden, which is deleted. So it is 8 bytes; what
 * else there is to know of characters (whose, after which, their bytes) is
 * with the authors (author.h), once for what was typed at a stretch.
 *
 * Visible spans do not cross insertions where they are *wide* (not ASCII), so
 * that the widest step to take in one is CRDTI_WIDE_MAX.
 *
 * Changes of width in one leaf are *open*: they are taken up into the forks
 * when another leaf changes, or the forks are asked. So typing climbs once for
 * many characters.
 */
#ifndef CRDTI_SPAN_H
#define CRDTI_SPAN_H

#include "author.h"
#include "bits.h"
#include "home.h"
#include "ivset.h"
#include "place.h"
#include "state.h"
#include "utf8.h"

#define CRDTI_LEAF_SPANS 29
#define CRDTI_FORK_SLOTS 30

#define CRDTI_HIDDEN 0x80000000u
#define CRDTI_WIDE 0x40000000u
#define CRDTI_SPAN_LEN 0x1fffffffu

typedef struct crdti_leaf {
    uint32_t parent, prev, next;
    uint16_t len;
    uint8_t is_hashed;
    uint64_t hash; /* of what is visible, when is_hashed */
    uint32_t names[CRDTI_LEAF_SPANS];
    uint32_t lens[CRDTI_LEAF_SPANS]; /* and flags */
} crdti_leaf;

typedef struct crdti_fork {
    uint32_t parent, len;
    uint32_t children[CRDTI_FORK_SLOTS];
    crdti_width widths[CRDTI_FORK_SLOTS];
} crdti_fork;

/* A place between characters: behind `off` characters of span `at`. */
typedef struct crdti_spot {
    uint32_t leaf, at, off;
} crdti_spot;

typedef struct crdti_sequence {
    uint32_t object;
    uint32_t authors; /* list */
    uint32_t own;     /* author of own changes, of that replica */
    uint32_t own_replica;
    crdti_extents extents;
    uint32_t names_used;
    uint32_t root, height; /* 0: the root is a leaf */
    uint32_t first;        /* leaf */
    crdti_width total;     /* visible */
    uint32_t open_leaf;    /* whose forks lack `open` */
    crdti_width open;
    crdti_homes homes;
    crdti_spot cursor;     /* where the last edit was */
    uint32_t cursor_chars; /* visible before it */
    uint8_t cursor_is_known;
    /* Keystrokes at the cursor that go on with the last insertion, or with the
     * last deletion backwards, are filed together, when something else is
     * asked (text.h): */
    uint32_t room;       /* how many more there may be, */
    uint32_t room_ahead; /* how many deletions forwards instead, */
    uint32_t ahead;      /* how many of these there were, */
    uint32_t type_at;    /* where the cursor is with them, in characters, */
    uint8_t *type_to; /* where the next goes in the content; NULL: deletions */
    uint64_t typed;   /* as long as the document has written that much */
    uint8_t is_met;   /* by the delta that is joined */
    uint8_t is_hashed;
    uint8_t is_list;
    uint8_t is_bare; /* a list that a join has laid out and not shown yet */
    uint32_t held;   /* of a list: positions that leaves are held for */
    uint64_t changes;
    crdti_ivset born, died; /* names, since the watcher was told */
    uint64_t *old;          /* a bit by name: see old.h; NULL: none */
    size_t old_words;
    uint32_t old_floors; /* doc->floors when they were found */
    uint32_t prev_sequence, next_sequence; /* of the document */
    crdt_digest digest; /* its share of the document's, when is_hashed */
} crdti_sequence;

CRDTI_INLINE crdti_leaf *crdti_leaf_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_leaf, &doc->leaves, index);
}

CRDTI_INLINE crdti_fork *crdti_fork_at(const crdt_doc *doc, uint32_t index)
{
    return CRDTI_POOL_AT(crdti_fork, &doc->forks, index);
}

CRDTI_INLINE uint32_t crdti_span_len(const crdti_leaf *leaf, uint32_t at)
{
    return leaf->lens[at] & CRDTI_SPAN_LEN;
}

/* How many characters of it are visible: all, or none. */
CRDTI_INLINE uint32_t crdti_span_shown(const crdti_leaf *leaf, uint32_t at)
{
    uint32_t len = leaf->lens[at];
    return len & CRDTI_HIDDEN ? 0 : len & CRDTI_SPAN_LEN;
}

/* >>widths ---------------------------------------------------------------- */

CRDTI_FN crdti_width crdti_name_width(const crdt_doc *doc,
                                      const crdti_sequence *s, uint32_t name,
                                      uint32_t len)
{
    const crdti_author *author =
        crdti_author_at(doc, crdti_name_author(&s->extents, name));
    return crdti_content_width(author, crdti_insertion_of(author, name), name,
                               len);
}

/* Of `len` characters with those flags. */
CRDTI_INLINE crdti_width crdti_width_of(const crdt_doc *doc,
                                        const crdti_sequence *s, uint32_t name,
                                        uint32_t len, uint32_t flags)
{
    crdti_width width;
    if (CRDTI_UNLIKELY((flags & (CRDTI_WIDE | CRDTI_HIDDEN)) == CRDTI_WIDE))
        return crdti_name_width(doc, s, name, len);
    crdti_zero(&width, sizeof width);
    width.chars = flags & CRDTI_HIDDEN ? 0 : len;
    return width;
}

CRDTI_FN crdti_width crdti_span_width(const crdt_doc *doc,
                                      const crdti_sequence *s,
                                      const crdti_leaf *leaf, uint32_t at)
{
    return crdti_width_of(doc, s, leaf->names[at], crdti_span_len(leaf, at),
                          leaf->lens[at]);
}

CRDTI_FN crdti_width crdti_leaf_width(const crdt_doc *doc,
                                      const crdti_sequence *s,
                                      const crdti_leaf *leaf)
{
    crdti_width sum;
    uint32_t i;
    crdti_zero(&sum, sizeof sum);
    for (i = 0; i < leaf->len; i++)
        crdti_width_add(&sum, crdti_span_width(doc, s, leaf, i));
    return sum;
}

CRDTI_FN uint32_t crdti_fork_slot(const crdti_fork *fork, uint32_t child)
{
    uint32_t i = 0;
    while (fork->children[i] != child)
        i++;
    return i;
}

/* Takes up into the forks what is open. */
CRDTI_FN void crdti_widths_close(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t child = s->open_leaf, at;
    if (!child)
        return;
    s->open_leaf = 0;
    for (at = crdti_leaf_at(doc, child)->parent; at;
         child = at, at = crdti_fork_at(doc, at)->parent) {
        crdti_fork *fork = crdti_fork_at(doc, at);
        crdti_width_add(&fork->widths[crdti_fork_slot(fork, child)], s->open);
    }
    crdti_zero(&s->open, sizeof s->open);
}

/* The width of the leaf has changed by so much. */
CRDTI_INLINE void crdti_widths_open(crdt_doc *doc, crdti_sequence *s,
                                    uint32_t leaf)
{
    crdti_leaf_at(doc, leaf)->is_hashed = 0;
    s->is_hashed = 0;
    s->changes++;
    if (CRDTI_LIKELY(s->open_leaf == leaf))
        return;
    crdti_widths_close(doc, s);
    s->open_leaf = leaf;
}

CRDTI_INLINE void crdti_widths_grow(crdt_doc *doc, crdti_sequence *s,
                                    uint32_t leaf, crdti_width by)
{
    crdti_widths_open(doc, s, leaf);
    crdti_width_add(&s->open, by);
    crdti_width_add(&s->total, by);
}

CRDTI_INLINE void crdti_widths_shrink(crdt_doc *doc, crdti_sequence *s,
                                      uint32_t leaf, crdti_width by)
{
    crdti_widths_open(doc, s, leaf);
    crdti_width_subtract(&s->open, by);
    crdti_width_subtract(&s->total, by);
}

/* >>for the watcher ------------------------------------------------------- */

CRDTI_FN void crdti_news_add(crdt_doc *doc, crdti_ivset *news, uint32_t name,
                             uint32_t len)
{
    if (crdti_ivset_add(&doc->alloc, news, name, name + UINT64_C(0) + len - 1))
        doc->watch->is_lost = 1;
}

/* Characters appear, or disappear. In lists that may be again and again, one
 * at a time: `born` says that it was not there at first. */
CRDTI_INLINE void crdti_news_born(crdt_doc *doc, crdti_sequence *s,
                                  uint32_t name, uint32_t len)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL) && !crdti_ivset_has(&s->died, name))
        crdti_news_add(doc, &s->born, name, len);
}

CRDTI_INLINE void crdti_news_died(crdt_doc *doc, crdti_sequence *s,
                                  uint32_t name, uint32_t len)
{
    if (CRDTI_UNLIKELY(doc->watch != NULL))
        crdti_news_add(doc, &s->died, name, len);
}

CRDTI_FN void crdti_news_clear(const crdt_alloc *alloc, crdti_sequence *s)
{
    crdti_ivset_free(alloc, &s->born);
    crdti_ivset_free(alloc, &s->died);
}

/* >>holding ---------------------------------------------------------------
 * What a list shows changes with its elements, wherever and by whomever those
 * are written, and then nothing may fail. So a list holds memory for all the
 * leaves that it may ever be cut into: a leaf is split when it is full, and all
 * of them but the last then have CRDTI_LEAF_LEAST spans, which is as many
 * positions; and a position stays in its leaf. */

#define CRDTI_LEAF_LEAST 14u
#define CRDTI_LEAF_ONLY 26u /* positions that are one leaf for certain */

/* How many leaves besides the first, and how many forks. All but the last of
 * each level have half of their children at least. */
CRDTI_FN size_t crdti_leaves_most(uint32_t positions)
{
    return positions > CRDTI_LEAF_ONLY ? positions / CRDTI_LEAF_LEAST : 0;
}

CRDTI_FN size_t crdti_forks_most(size_t leaves)
{
    size_t most = 0;
    while (leaves) {
        leaves /= CRDTI_FORK_SLOTS / 2;
        most += leaves + 1;
    }
    return most;
}

/* What more is to be held for `count` positions more. */
CRDTI_FN size_t crdti_leaves_more(const crdti_sequence *s, uint32_t count)
{
    return crdti_leaves_most(s->held + count) - crdti_leaves_most(s->held);
}

CRDTI_FN size_t crdti_forks_more(const crdti_sequence *s, uint32_t count)
{
    return crdti_forks_most(crdti_leaves_most(s->held + count)) -
           crdti_forks_most(crdti_leaves_most(s->held));
}

/* Memory for so many beside what is held. */
CRDTI_FN crdt_err crdti_nodes_reserve(crdt_doc *doc, size_t leaves,
                                      size_t forks)
{
    crdt_err err = crdti_pool_reserve(&doc->alloc, &doc->leaves,
                                      doc->held_leaves + leaves);
    return err ? err
               : crdti_pool_reserve(&doc->alloc, &doc->forks,
                                    doc->held_forks + forks);
}

/* Memory for positions of a list, and to show and hide them ever after. */
CRDTI_FN crdt_err crdti_positions_reserve(crdt_doc *doc,
                                          const crdti_sequence *s,
                                          uint32_t count)
{
    return crdti_nodes_reserve(doc, crdti_leaves_more(s, count),
                               crdti_forks_more(s, count));
}

/* Positions come; that is reserved. */
CRDTI_FN void crdti_positions_hold(crdt_doc *doc, crdti_sequence *s,
                                   uint32_t count)
{
    doc->held_leaves += crdti_leaves_more(s, count);
    doc->held_forks += crdti_forks_more(s, count);
    s->held += count;
}

CRDTI_FN uint32_t crdti_leaf_take(crdt_doc *doc, const crdti_sequence *s)
{
    doc->held_leaves -= s->is_list;
    return crdti_pool_take(&doc->leaves);
}

CRDTI_FN uint32_t crdti_fork_take(crdt_doc *doc, const crdti_sequence *s)
{
    doc->held_forks -= s->is_list;
    return crdti_pool_take(&doc->forks);
}

CRDTI_FN void crdti_leaf_give(crdt_doc *doc, const crdti_sequence *s,
                              uint32_t leaf)
{
    doc->held_leaves += s->is_list;
    crdti_pool_give(&doc->leaves, leaf);
}

CRDTI_FN void crdti_fork_give(crdt_doc *doc, const crdti_sequence *s,
                              uint32_t fork)
{
    doc->held_forks += s->is_list;
    crdti_pool_give(&doc->forks, fork);
}

/* Nothing is held any more: all leaves are given back but the first, which is
 * not one of those. */
CRDTI_FN void crdti_positions_release(crdt_doc *doc, crdti_sequence *s)
{
    size_t leaves = crdti_leaves_most(s->held);
    doc->held_leaves -= leaves;
    doc->held_forks -= crdti_forks_most(leaves);
    s->held = 0;
}

/* >>splitting ------------------------------------------------------------- */

/* Memory for `count` calls, in that many trees of that height, of
 * crdti_span_put or crdti_span_hide; of the latter only those that cut a span
 * count. What splits is half full then, and takes half a dozen of them before
 * it splits again. */
CRDTI_FN crdt_err crdti_spans_reserve_at(crdt_doc *doc, uint32_t height,
                                         size_t trees, size_t count)
{
    size_t leaves = crdti_min_size(count, doc->leaves.live + count / 6 + 1);
    size_t forks = crdti_min_size(leaves * (height + 1),
                                  doc->forks.live + leaves / 14 + 1) +
                   crdti_min_size(trees, count) * 2;
    return crdti_nodes_reserve(doc, leaves + 1, forks + height + 1);
}

CRDTI_INLINE crdt_err crdti_spans_reserve(crdt_doc *doc,
                                          const crdti_sequence *s,
                                          size_t count)
{
    return crdti_spans_reserve_at(doc, s->height, 1, count);
}

CRDTI_FN void crdti_set_parent(crdt_doc *doc, uint32_t level, uint32_t child,
                               uint32_t parent)
{
    if (level)
        crdti_fork_at(doc, child)->parent = parent;
    else
        crdti_leaf_at(doc, child)->parent = parent;
}

CRDTI_FN uint32_t crdti_parent(const crdt_doc *doc, uint32_t level,
                               uint32_t child)
{
    return level ? crdti_fork_at(doc, child)->parent
                 : crdti_leaf_at(doc, child)->parent;
}

/* A new root above the old one. */
CRDTI_FN void crdti_root_raise(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t index = crdti_fork_take(doc, s);
    crdti_fork *root = crdti_fork_at(doc, index);
    root->len = 1;
    root->children[0] = s->root;
    root->widths[0] = s->total;
    crdti_set_parent(doc, s->height, s->root, index);
    s->root = index;
    s->height++;
}

/* Moves the upper part of a full fork into a new one and returns it. */
CRDTI_FN uint32_t crdti_fork_split(crdt_doc *doc, const crdti_sequence *s,
                                   uint32_t level, uint32_t index,
                                   uint32_t keep, crdti_width *moved)
{
    uint32_t other = crdti_fork_take(doc, s), i;
    crdti_fork *low = crdti_fork_at(doc, index);
    crdti_fork *high = crdti_fork_at(doc, other);
    high->len = low->len - keep;
    low->len = keep;
    crdti_zero(moved, sizeof *moved);
    for (i = 0; i < high->len; i++) {
        high->children[i] = low->children[keep + i];
        high->widths[i] = low->widths[keep + i];
        crdti_width_add(moved, high->widths[i]);
        crdti_set_parent(doc, level - 1, high->children[i], other);
    }
    return other;
}

/* Files `other`, which has taken over `moved` of `child`, behind it. */
CRDTI_FN void crdti_fork_put(crdt_doc *doc, crdti_sequence *s, uint32_t level,
                             uint32_t child, uint32_t other, crdti_width moved,
                             int is_end)
{
    uint32_t parent, place;
    crdti_fork *fork;
    if (level == s->height)
        crdti_root_raise(doc, s);
    parent = crdti_parent(doc, level, child);
    fork = crdti_fork_at(doc, parent);
    place = crdti_fork_slot(fork, child);
    if (fork->len == CRDTI_FORK_SLOTS) {
        crdti_width up;
        /* At the very end, where documents grow, the rest stays full. */
        uint32_t keep = is_end ? fork->len - 1 : fork->len / 2;
        uint32_t high = crdti_fork_split(doc, s, level + 1, parent, keep, &up);
        crdti_fork_put(doc, s, level + 1, parent, high, up, is_end);
        if (place >= keep) {
            place -= keep;
            parent = high;
        }
        fork = crdti_fork_at(doc, parent);
    }
    crdti_move(fork->children + place + 2, fork->children + place + 1,
               (fork->len - place - 1) * sizeof *fork->children);
    crdti_move(fork->widths + place + 2, fork->widths + place + 1,
               (fork->len - place - 1) * sizeof *fork->widths);
    fork->len++;
    fork->children[place + 1] = other;
    fork->widths[place + 1] = moved;
    crdti_width_subtract(&fork->widths[place], moved);
    crdti_set_parent(doc, level, other, parent);
}

/* Makes room for two spans at the spot, which moves along. */
CRDTI_FN void crdti_leaf_split(crdt_doc *doc, crdti_sequence *s,
                               crdti_spot *spot)
{
    uint32_t other = crdti_leaf_take(doc, s), i;
    crdti_leaf *low = crdti_leaf_at(doc, spot->leaf);
    crdti_leaf *high = crdti_leaf_at(doc, other);
    uint32_t keep =
        !low->next && spot->at + 1 >= low->len ? low->len - 2u : low->len / 2u;
    high->len = (uint16_t)(low->len - keep);
    low->len = (uint16_t)keep;
    crdti_copy(high->names, low->names + keep, high->len * sizeof(uint32_t));
    crdti_copy(high->lens, low->lens + keep, high->len * sizeof(uint32_t));
    high->prev = spot->leaf;
    high->next = low->next;
    low->next = other;
    low->is_hashed = 0;
    if (high->next)
        crdti_leaf_at(doc, high->next)->prev = other;
    for (i = 0; s->homes.is_known && i < high->len; i++)
        crdti_home_set(&doc->alloc, &s->homes, high->names[i],
                       crdti_span_len(high, i), other);
    crdti_widths_close(doc, s);
    crdti_fork_put(doc, s, 0, spot->leaf, other,
                   crdti_leaf_width(doc, s, high), !high->next);
    if (spot->at >= keep) {
        spot->leaf = other;
        spot->at -= keep;
    }
}

CRDTI_INLINE void crdti_leaf_room(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot)
{
    if (crdti_leaf_at(doc, spot->leaf)->len > CRDTI_LEAF_SPANS - 2)
        crdti_leaf_split(doc, s, spot);
}

CRDTI_INLINE void crdti_leaf_shift(crdti_leaf *leaf, uint32_t from,
                                   uint32_t to)
{
    uint32_t behind = leaf->len - from;
    crdti_move(leaf->names + to, leaf->names + from,
               behind * sizeof(uint32_t));
    crdti_move(leaf->lens + to, leaf->lens + from, behind * sizeof(uint32_t));
    leaf->len = (uint16_t)(leaf->len + to - from);
}

/* Puts new characters at the spot, which is behind them then. `goes_on`: they
 * go on with the span that ends there. Cannot fail. */
CRDTI_FN void crdti_span_put(crdt_doc *doc, crdti_sequence *s,
                             crdti_spot *spot, uint32_t name, uint32_t lens,
                             int goes_on)
{
    uint32_t len = lens & CRDTI_SPAN_LEN, whole;
    crdti_leaf *leaf;
    crdti_leaf_room(doc, s, spot);
    leaf = crdti_leaf_at(doc, spot->leaf);
    whole = leaf->len ? crdti_span_len(leaf, spot->at) : 0;
    if (goes_on) {
        leaf->lens[spot->at] += len;
        spot->off += len;
    } else {
        if (spot->off > 0 && spot->off < whole) {
            uint32_t flags = leaf->lens[spot->at] & ~CRDTI_SPAN_LEN;
            crdti_leaf_shift(leaf, spot->at, spot->at + 2);
            leaf->names[spot->at] = leaf->names[spot->at + 2];
            leaf->lens[spot->at] = spot->off | flags;
            leaf->names[spot->at + 2] += spot->off;
            leaf->lens[spot->at + 2] -= spot->off;
            spot->at++;
        } else {
            spot->at += spot->off > 0;
            crdti_leaf_shift(leaf, spot->at, spot->at + 1);
        }
        leaf->names[spot->at] = name;
        leaf->lens[spot->at] = lens;
        spot->off = len;
    }
    crdti_home_set(&doc->alloc, &s->homes, name, len, spot->leaf);
    crdti_widths_grow(doc, s, spot->leaf,
                      crdti_width_of(doc, s, name, len, lens));
    if (!(lens & CRDTI_HIDDEN))
        crdti_news_born(doc, s, name, len);
}

/* >>hiding ---------------------------------------------------------------- */

/* Whether span at + 1 is hidden too and goes on with span `at`. */
CRDTI_FN int crdti_hidden_goes_on(const crdti_leaf *leaf, uint32_t at)
{
    return at + 1u < leaf->len && leaf->lens[at] & CRDTI_HIDDEN &&
           leaf->lens[at + 1] & CRDTI_HIDDEN &&
           leaf->names[at] + crdti_span_len(leaf, at) == leaf->names[at + 1];
}

/* Merges a hidden span with the hidden one behind it where they go on. */
CRDTI_FN void crdti_hidden_merge(crdti_leaf *leaf, uint32_t at)
{
    if (!crdti_hidden_goes_on(leaf, at))
        return;
    leaf->lens[at] += crdti_span_len(leaf, at + 1);
    crdti_leaf_shift(leaf, at + 2, at + 1);
}

/* Cuts the span so that one begins `off` behind its beginning. */
CRDTI_FN void crdti_span_cut(crdti_leaf *leaf, uint32_t at, uint32_t off)
{
    uint32_t flags = leaf->lens[at] & ~CRDTI_SPAN_LEN;
    crdti_leaf_shift(leaf, at, at + 1);
    leaf->lens[at] = off | flags;
    leaf->names[at + 1] += off;
    leaf->lens[at + 1] -= off;
}

/* Hides up to `most` visible characters behind the spot, as far as the span
 * goes; the spot stays before them. How many. Cannot fail. */
CRDTI_FN uint32_t crdti_span_hide(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot, uint32_t most)
{
    crdti_leaf *leaf;
    uint32_t at, off = spot->off;
    uint32_t count =
        crdti_span_len(crdti_leaf_at(doc, spot->leaf), spot->at) - off;
    if (off > 0 || count > most) /* a whole span takes no room */
        crdti_leaf_room(doc, s, spot);
    leaf = crdti_leaf_at(doc, spot->leaf);
    at = spot->at;
    if (count > most)
        count = most;
    crdti_widths_shrink(
        doc, s, spot->leaf,
        crdti_width_of(doc, s, leaf->names[at] + off, count, leaf->lens[at]));
    crdti_news_died(doc, s, leaf->names[at] + off, count);
    if (off + count < crdti_span_len(leaf, at))
        crdti_span_cut(leaf, at, off + count);
    if (off > 0)
        crdti_span_cut(leaf, at++, off);
    leaf->lens[at] = count | CRDTI_HIDDEN;
    crdti_hidden_merge(leaf, at);
    if (off == 0 && at > 0 && crdti_hidden_goes_on(leaf, at - 1)) {
        spot->at = at - 1;
        spot->off = crdti_span_len(leaf, at - 1);
        crdti_hidden_merge(leaf, at - 1);
    }
    return count;
}

/* Merges a visible span with the visible one behind it where they go on, as
 * only those of lists may: none of them is wide. */
CRDTI_FN void crdti_shown_merge(crdti_leaf *leaf, uint32_t at)
{
    if (at + 1u >= leaf->len ||
        (leaf->lens[at] | leaf->lens[at + 1]) & ~CRDTI_SPAN_LEN ||
        leaf->names[at] + leaf->lens[at] != leaf->names[at + 1])
        return;
    leaf->lens[at] += leaf->lens[at + 1];
    crdti_leaf_shift(leaf, at + 2, at + 1);
}

/* Shows up to `most` hidden characters behind the spot, as far as the span
 * goes: of a list, never of a text. The spot stays before them. How many.
 * Cannot fail. */
CRDTI_FN uint32_t crdti_span_show(crdt_doc *doc, crdti_sequence *s,
                                  crdti_spot *spot, uint32_t most)
{
    crdti_leaf *leaf;
    crdti_width width = { 0, 0, 0 };
    crdti_leaf_room(doc, s, spot);
    leaf = crdti_leaf_at(doc, spot->leaf);
    width.chars = crdti_span_len(leaf, spot->at) - spot->off;
    width.chars = (uint32_t)crdti_min(width.chars, most);
    crdti_news_born(doc, s, leaf->names[spot->at] + spot->off, width.chars);
    if (spot->off + width.chars < crdti_span_len(leaf, spot->at))
        crdti_span_cut(leaf, spot->at, spot->off + width.chars);
    if (spot->off > 0)
        crdti_span_cut(leaf, spot->at++, spot->off);
    spot->off = 0;
    leaf->lens[spot->at] = width.chars;
    crdti_shown_merge(leaf, spot->at);
    if (spot->at > 0) {
        uint32_t len = leaf->len, before = leaf->lens[spot->at - 1];
        crdti_shown_merge(leaf, spot->at - 1);
        if (leaf->len < len) {
            spot->at--;
            spot->off = before;
        }
    }
    crdti_widths_grow(doc, s, spot->leaf, width);
    return width.chars;
}

/* >>finding --------------------------------------------------------------- */

CRDTI_INLINE uint32_t crdti_width_of_unit(crdti_width width, crdt_unit unit)
{
    return (uint32_t)crdti_width_in(width, unit);
}

/* The span of the leaf with that character in it. */
CRDTI_INLINE int crdti_leaf_find(const crdti_leaf *leaf, uint32_t name,
                                 crdti_spot *spot)
{
    uint32_t i;
    for (i = 0; i < leaf->len; i++)
        if (name - leaf->names[i] < crdti_span_len(leaf, i)) {
            spot->at = i;
            spot->off = name - leaf->names[i];
            return 1;
        }
    return 0;
}

/* The spot before a character that is there. O(log n); without the homes
 * O(n). */
CRDTI_FN crdti_spot crdti_spot_of(const crdt_doc *doc, const crdti_sequence *s,
                                  uint32_t name)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->cursor.leaf; /* often near the last one */
    if (spot.leaf &&
        crdti_leaf_find(crdti_leaf_at(doc, spot.leaf), name, &spot))
        return spot;
    spot.leaf = s->homes.is_known ? crdti_home_of(&s->homes, name) : s->first;
    while (!crdti_leaf_find(crdti_leaf_at(doc, spot.leaf), name, &spot))
        spot.leaf = crdti_leaf_at(doc, spot.leaf)->next;
    return spot;
}

CRDTI_FN size_t crdti_spans_count(const crdt_doc *doc, const crdti_sequence *s)
{
    size_t count = 0;
    uint32_t leaf;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next)
        count += crdti_leaf_at(doc, leaf)->len;
    return count;
}

/* Homes for all spans, of which there are `count`; of `entries` there is room
 * for twice as many. */
CRDTI_FN crdt_err crdti_homes_fill(crdt_doc *doc, crdti_sequence *s,
                                   crdti_home_entry *entries, size_t count)
{
    size_t len = 0;
    uint32_t leaf, i;
    crdt_err err = CRDT_OK;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next)
        for (i = 0; i < crdti_leaf_at(doc, leaf)->len; i++) {
            entries[len].name = crdti_leaf_at(doc, leaf)->names[i];
            entries[len++].leaf = leaf;
        }
    entries = crdti_home_sort(entries, entries + count, count, s->names_used);
    if (!count || entries[0].name)
        err = crdti_home_push(&doc->alloc, &s->homes, 0, s->first);
    for (len = 0; len < count && !err; len++)
        err = crdti_home_push(&doc->alloc, &s->homes, entries[len].name,
                              entries[len].leaf);
    return err;
}

/* Has the homes known. NOMEM: they are not, and all is slower. */
CRDTI_FN void crdti_homes_make(crdt_doc *doc, crdti_sequence *s)
{
    crdti_home_entry *entries;
    size_t count, size;
    if (s->homes.is_known)
        return;
    count = crdti_spans_count(doc, s);
    size = crdti_mul_size(count + 1, 2 * sizeof *entries);
    entries = (crdti_home_entry *)crdti_alloc(&doc->alloc, size);
    s->homes.is_known = entries && !crdti_homes_fill(doc, s, entries, count);
    crdti_free(&doc->alloc, entries, size);
    if (!s->homes.is_known)
        crdti_homes_drop(&doc->alloc, &s->homes);
}

/* >>seeking --------------------------------------------------------------- */

/* The child of the fork that unit `*left` ends in; what is before it goes off
 * `*left` and on `*before`. */
CRDTI_INLINE uint32_t crdti_fork_seek(const crdti_fork *fork, crdt_unit unit,
                                      uint32_t *left, uint32_t *before)
{
    uint32_t i = 0;
    if (unit == CRDT_CHARS) {
        uint32_t from = *left;
        while (i + 1 < fork->len && fork->widths[i].chars < *left)
            *left -= fork->widths[i++].chars;
        *before += from - *left;
        return fork->children[i];
    }
    for (; i + 1 < fork->len; i++) {
        uint32_t width = crdti_width_of_unit(fork->widths[i], unit);
        if (width >= *left)
            break;
        *left -= width;
        *before += fork->widths[i].chars;
    }
    return fork->children[i];
}

/* How many characters of the span make `units` of its units; *left is what
 * does not come out even. */
CRDTI_FN uint32_t crdti_span_seek(const crdt_doc *doc, const crdti_sequence *s,
                                  const crdti_leaf *leaf, uint32_t at,
                                  crdt_unit unit, uint32_t *left)
{
    uint32_t name = leaf->names[at], off = 0;
    const crdti_author *author;
    const uint8_t *bytes;
    if (unit == CRDT_CHARS || !(leaf->lens[at] & CRDTI_WIDE)) {
        off = *left;
        *left = 0;
        return off;
    }
    author = crdti_author_at(doc, crdti_name_author(&s->extents, name));
    bytes = crdti_content_at(author, crdti_insertion_of(author, name), name);
    for (; *left; off++, bytes += crdti_utf8_size(*bytes)) {
        uint32_t width = crdti_width_of_unit(crdti_utf8_width(*bytes), unit);
        if (width > *left)
            break;
        *left -= width;
    }
    return off;
}

/* In a leaf: the spot behind the character that ends at unit `left`, which is
 * not 0. ARG: that is within one. */
CRDTI_FN crdt_err crdti_leaf_seek(const crdt_doc *doc, const crdti_sequence *s,
                                  crdt_unit unit, uint32_t left,
                                  crdti_spot *spot, uint32_t *before)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    uint32_t i = 0;
    if (unit == CRDT_CHARS) {
        *before += left;
        while (crdti_span_shown(leaf, i) < left)
            left -= crdti_span_shown(leaf, i++);
        spot->at = i;
        spot->off = left;
        return CRDT_OK;
    }
    for (;; i++) {
        crdti_width width = crdti_span_width(doc, s, leaf, i);
        uint32_t units = crdti_width_of_unit(width, unit);
        if (units >= left)
            break;
        left -= units;
        *before += width.chars;
    }
    spot->at = i;
    spot->off = crdti_span_seek(doc, s, leaf, i, unit, &left);
    *before += spot->off;
    return left ? CRDT_ERR_ARG : CRDT_OK;
}

/* From the cursor, within its leaf. Whether it was found. */
CRDTI_FN int crdti_seek_near(const crdt_doc *doc, const crdti_sequence *s,
                             uint32_t chars, crdti_spot *spot)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, s->cursor.leaf);
    uint32_t i = s->cursor.at, start = s->cursor_chars;
    if (i < leaf->len && !(leaf->lens[i] & CRDTI_HIDDEN))
        start -= s->cursor.off;
    spot->leaf = s->cursor.leaf;
    for (; i < leaf->len && chars > start; i++) {
        uint32_t shown = crdti_span_shown(leaf, i);
        if (chars - start <= shown) {
            spot->at = i;
            spot->off = chars - start;
            return 1;
        }
        start += shown;
    }
    if (chars > start)
        return 0;
    while (i-- > 0) {
        start -= crdti_span_shown(leaf, i);
        if (chars > start) {
            spot->at = i;
            spot->off = chars - start;
            return 1;
        }
    }
    return 0;
}

/* The spot behind the visible character that ends at `at`; for 0 the very
 * beginning. `*chars` is how many characters are before it. RANGE, ARG. */
CRDTI_FN crdt_err crdti_seek(crdt_doc *doc, crdti_sequence *s, crdt_unit unit,
                             size_t at, crdti_spot *spot, uint32_t *chars)
{
    uint32_t level, left = (uint32_t)at, node;
    if (at > crdti_width_in(s->total, unit))
        return CRDT_ERR_RANGE;
    if (!s->total.more_bytes)
        unit = CRDT_CHARS;
    if (unit == CRDT_CHARS && s->cursor_is_known && at &&
        crdti_seek_near(doc, s, left, spot)) {
        *chars = left;
        return CRDT_OK;
    }
    *chars = 0;
    spot->leaf = s->first;
    spot->at = spot->off = 0;
    if (!at)
        return CRDT_OK;
    crdti_widths_close(doc, s);
    node = s->root;
    for (level = s->height; level; level--)
        node = crdti_fork_seek(crdti_fork_at(doc, node), unit, &left, chars);
    spot->leaf = node;
    return crdti_leaf_seek(doc, s, unit, left, spot, chars);
}

/* How much of the text is visible before the spot. */
CRDTI_FN crdti_width crdti_spot_rank(crdt_doc *doc, crdti_sequence *s,
                                     crdti_spot spot)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
    uint32_t i, child = spot.leaf, at = leaf->parent;
    crdti_width sum;
    crdti_zero(&sum, sizeof sum);
    for (i = 0; i < spot.at; i++)
        crdti_width_add(&sum, crdti_span_width(doc, s, leaf, i));
    if (spot.off)
        crdti_width_add(&sum, crdti_width_of(doc, s, leaf->names[spot.at],
                                             spot.off, leaf->lens[spot.at]));
    crdti_widths_close(doc, s);
    for (; at; child = at, at = crdti_fork_at(doc, at)->parent) {
        const crdti_fork *fork = crdti_fork_at(doc, at);
        for (i = 0; fork->children[i] != child; i++)
            crdti_width_add(&sum, fork->widths[i]);
    }
    return sum;
}

/* The order of two spots: less than 0, 0 or greater. */
CRDTI_FN int crdti_spot_order(const crdt_doc *doc, crdti_spot a, crdti_spot b)
{
    uint32_t level = 0, x = a.leaf, y = b.leaf, up_x, up_y;
    if (x == y) {
        if (a.at != b.at)
            return a.at < b.at ? -1 : 1;
        return (a.off > b.off) - (a.off < b.off);
    }
    for (;; level++) {
        up_x = crdti_parent(doc, level, x);
        up_y = crdti_parent(doc, level, y);
        if (up_x == up_y)
            break;
        x = up_x;
        y = up_y;
    }
    return crdti_fork_slot(crdti_fork_at(doc, up_x), x) <
                   crdti_fork_slot(crdti_fork_at(doc, up_x), y)
               ? -1
               : 1;
}

/* Moves the spot to before the next character, hidden or not; 0: the end. */
CRDTI_FN int crdti_spot_next(const crdt_doc *doc, crdti_spot *spot)
{
    const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
    while (spot->at >= leaf->len ||
           spot->off >= crdti_span_len(leaf, spot->at)) {
        if (spot->at + 1 < leaf->len) {
            spot->at++;
        } else if (leaf->next) {
            spot->leaf = leaf->next;
            spot->at = 0;
            leaf = crdti_leaf_at(doc, spot->leaf);
        } else {
            return 0;
        }
        spot->off = 0;
    }
    return 1;
}

/* Moves it to before the next visible character; 0: there is none. */
CRDTI_FN int crdti_spot_next_shown(const crdt_doc *doc, crdti_spot *spot)
{
    while (crdti_spot_next(doc, spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot->leaf);
        if (!(leaf->lens[spot->at] & CRDTI_HIDDEN))
            return 1;
        spot->off = crdti_span_len(leaf, spot->at);
    }
    return 0;
}

/* Marks the names of what is shown. */
CRDTI_FN void crdti_names_shown(const crdt_doc *doc, const crdti_sequence *s,
                                uint64_t *shown)
{
    crdti_spot spot = { 0, 0, 0 };
    spot.leaf = s->first;
    while (crdti_spot_next_shown(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        spot.off = crdti_span_len(leaf, spot.at);
        crdti_bits_set(shown, leaf->names[spot.at], spot.off);
    }
}

/* >>old ones -------------------------------------------------------------- */

CRDTI_FN void crdti_old_forget(crdt_doc *doc, crdti_sequence *s)
{
    crdti_free(&doc->alloc, s->old, s->old_words * sizeof *s->old);
    s->old = NULL;
    s->old_words = 0;
    s->old_floors = 0;
}

CRDTI_INLINE int crdti_name_is_old(const crdti_sequence *s, uint32_t name)
{
    return name / 64 < s->old_words && crdti_bit_is_set(s->old, name);
}

/* Another names it: which are old is to be found anew. */
CRDTI_INLINE void crdti_old_named(crdti_sequence *s, uint32_t name)
{
    if (CRDTI_UNLIKELY(s->old != NULL) && crdti_name_is_old(s, name))
        s->old_floors = 0;
}

/* The right origin of what is inserted at the spot: old ones are passed over,
 * so that nothing new names them. Whether there were any. */
CRDTI_FN uint32_t crdti_right_origin(const crdt_doc *doc,
                                     const crdti_sequence *s, crdti_spot spot,
                                     int *passes)
{
    *passes = 0;
    while (crdti_spot_next(doc, &spot)) {
        const crdti_leaf *leaf = crdti_leaf_at(doc, spot.leaf);
        uint32_t name = leaf->names[spot.at] + spot.off;
        if (!crdti_name_is_old(s, name))
            return name;
        *passes = 1;
        spot.off += crdti_bits_run(s->old, name,
                                   crdti_span_len(leaf, spot.at) - spot.off);
    }
    return CRDTI_NO_CHAR;
}

#endif
