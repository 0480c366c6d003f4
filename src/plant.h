/*
 * Plants: a whole sequence laid out at once, where there is none of it yet:
 * opening, and the first join of a text. Nothing is searched; the order comes
 * from the tree that the origins make (Fugue; Weidner & Kleppmann 2023):
 *
 *     left child     of its right origin, if both stand behind the same
 *     right child    of its left origin, else
 *
 *     in order       left children, itself, right children; left ones by
 *                    replica id, right ones by how far right their right
 *                    origins are, the furthest first, then by replica id
 *
 * Insertions are cut into pieces where others have children between. The tree
 * is walked from the end of the text to its beginning: what right origins are
 * compared by is known then.
 *
 *     "hello", "y" behind "hell"     pieces  0 hell  1 o  2 y
 *                                    1: right child of 0   2: left child of 1
 */
#ifndef CRDTI_PLANT_H
#define CRDTI_PLANT_H

#include "delta.h"
#include "edit.h"
#include "sequence.h"

/* Spans of a leaf, and children of a fork. */
#define CRDTI_PLANT_FILL CRDTI_LEAF_ONLY
/* Dead characters between others keep a byte each, when they are as few: that
 * is less than two records more. */
#define CRDTI_FILLER_MAX 64u

typedef struct crdti_plant {
    crdt_doc *doc;
    const crdti_delta *delta; /* NULL: edits tell replicas of the document */
    crdti_delta_sequence *d;
    crdti_sequence *s;
    crdti_arena *arena;
    crdti_graft_need *needs; /* by replica of the message; zeros */
    int is_ascii;
    size_t leaves, forks; /* that the tree takes */
    int is_lost;          /* a right origin is where no honest one can be */
    uint32_t leaf;        /* the last one so far */
    uint64_t *starts;     /* a bit where a piece begins */
    uint32_t *counts;     /* pieces that begin before a word of them */
    uint32_t pieces_len;
    uint32_t *pieces;         /* first character of each; one more: the end */
    uint32_t *edits;          /* insertion of each piece */
    uint32_t *lefts, *rights; /* children of each piece: edit + 1, or 0 */
    uint32_t *next;           /* among the children of a piece, by edit */
    uint32_t *ranks;          /* of pieces from the end, from 1; 0: not yet */
    uint32_t *order;          /* pieces from the end */
    uint32_t order_len, stack_len;
    uint32_t *stack; /* pieces to visit, or to emit: EMIT */
} crdti_plant;

#define CRDTI_PLANT_EMIT 0x80000000u

/* >>pieces ---------------------------------------------------------------- */

/* The piece that the character is in. */
CRDTI_INLINE uint32_t crdti_piece_of(const crdti_plant *p, uint32_t name)
{
    uint64_t word = p->starts[name / 64] << (63 - name % 64);
    return p->counts[name / 64] + crdti_bits_count(word) - 1;
}

CRDTI_FN void *crdti_plant_array(crdti_plant *p, size_t count, int zeros)
{
    void *array = crdti_arena_alloc(p->arena, count * sizeof(uint32_t));
    if (array && zeros)
        crdti_zero(array, count * sizeof(uint32_t));
    return array;
}

/* Cuts the insertions. */
CRDTI_FN crdt_err crdti_plant_cut(crdti_plant *p)
{
    const crdti_delta_sequence *d = p->d;
    size_t words = d->chars / 64 + 1, i;
    uint32_t count = 0, at, edit;
    p->starts = (uint64_t *)crdti_plant_array(p, 2 * words, 1);
    p->counts = (uint32_t *)crdti_plant_array(p, words, 0);
    if (!p->starts || !p->counts)
        return CRDT_ERR_NOMEM;
    for (i = 0; i < d->inserts_len; i++) {
        const crdti_edit *insert = &d->edits[d->inserts[i]];
        uint32_t left = insert->left + 1; /* 0 for the beginning */
        p->starts[insert->name / 64] |= UINT64_C(1) << insert->name % 64;
        if (left < d->chars)
            p->starts[left / 64] |= UINT64_C(1) << left % 64;
    }
    for (i = 0; i < words; i++) {
        p->counts[i] = count;
        count += crdti_bits_count(p->starts[i]);
    }
    p->pieces_len = count;
    p->pieces = (uint32_t *)crdti_plant_array(p, count + 1, 0);
    p->edits = (uint32_t *)crdti_plant_array(p, count, 0);
    p->lefts = (uint32_t *)crdti_plant_array(p, count, 1);
    p->rights = (uint32_t *)crdti_plant_array(p, count, 1);
    p->ranks = (uint32_t *)crdti_plant_array(p, count, 1);
    p->order = (uint32_t *)crdti_plant_array(p, count, 0);
    p->next = (uint32_t *)crdti_plant_array(p, d->edits_len, 0);
    p->stack = (uint32_t *)crdti_plant_array(p, 2 * (size_t)count + 2, 0);
    if (!p->pieces || !p->edits || !p->lefts || !p->rights || !p->ranks ||
        !p->order || !p->next || !p->stack)
        return CRDT_ERR_NOMEM;
    for (i = 0, count = 0; i < words; i++) {
        uint64_t word = p->starts[i];
        for (; word; word &= word - 1)
            p->pieces[count++] = (uint32_t)i * 64 + crdti_bit_lowest(word);
    }
    p->pieces[count] = d->chars;
    for (at = 0, i = 0; i < d->inserts_len; i++) {
        edit = d->inserts[i];
        for (; p->pieces[at] < d->edits[edit].name + d->edits[edit].len; at++)
            p->edits[at] = edit;
    }
    return CRDT_OK;
}

/* The left origin of a character of the delta. */
CRDTI_INLINE uint32_t crdti_plant_left(const crdti_plant *p, uint32_t name)
{
    const crdti_edit *edit = &p->d->edits[p->edits[crdti_piece_of(p, name)]];
    return name == edit->name ? edit->left : name - 1;
}

/* Hangs the insertion below its origin; `*first` takes those behind the very
 * beginning. */
CRDTI_FN void crdti_plant_hang(crdti_plant *p, uint32_t edit, uint32_t *first)
{
    const crdti_edit *at = &p->d->edits[edit];
    uint32_t *list = first;
    if (at->right != CRDTI_NO_CHAR &&
        crdti_plant_left(p, at->right) == at->left)
        list = &p->lefts[crdti_piece_of(p, at->right)];
    else if (at->left != CRDTI_NO_CHAR)
        list = &p->rights[crdti_piece_of(p, at->left)];
    p->next[edit] = *list;
    *list = edit + 1;
}

/* >>order ----------------------------------------------------------------- */

/* How far from the end that is: 0 is the end. NO_CHAR: not known, which cannot
 * be in an honest delta. */
CRDTI_FN uint64_t crdti_plant_rank(const crdti_plant *p, uint32_t right)
{
    uint32_t piece, rank;
    if (right == CRDTI_NO_CHAR)
        return 0;
    piece = crdti_piece_of(p, right);
    rank = p->ranks[piece];
    if (!rank)
        return UINT64_MAX;
    return (uint64_t)rank << 32 | (p->pieces[piece + 1] - right);
}

CRDTI_INLINE uint32_t crdti_plant_replica(const crdti_plant *p,
                                          const crdti_edit *edit)
{
    return p->delta ? p->delta->replicas[edit->replica].number : edit->replica;
}

/* The order in the text of two pieces that are children of one, on the same
 * side. */
CRDTI_FN int crdti_plant_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_plant *p = (const crdti_plant *)ctx;
    const crdti_edit *x = &p->d->edits[p->edits[a]];
    const crdti_edit *y = &p->d->edits[p->edits[b]];
    uint64_t x_rank = crdti_plant_rank(p, x->right);
    uint64_t y_rank = crdti_plant_rank(p, y->right);
    const crdti_replica *replicas = p->doc->replicas.ptr;
    int order;
    if (x_rank != y_rank)
        return x_rank < y_rank ? -1 : 1;
    order = crdti_id_order(&replicas[crdti_plant_replica(p, x)].id,
                           &replicas[crdti_plant_replica(p, y)].id);
    return order ? order : (x->name > y->name) - (x->name < y->name);
}

/* Puts children on the stack, the last in the text on top; `more` is one of
 * them, or NO_CHAR. Hardly ever more than one. */
CRDTI_FN void crdti_plant_push(crdti_plant *p, uint32_t list, uint32_t more)
{
    uint32_t from = p->stack_len;
    for (; list; list = p->next[list - 1]) {
        const crdti_edit *edit = &p->d->edits[list - 1];
        p->stack[p->stack_len++] = crdti_piece_of(p, edit->name);
        p->is_lost |= crdti_plant_rank(p, edit->right) == UINT64_MAX;
    }
    if (more != CRDTI_NO_CHAR)
        p->stack[p->stack_len++] = more;
    if (p->stack_len - from > 1)
        crdti_sort(crdti_plant_order, p, p->stack + from, p->stack_len - from);
}

/* The piece that goes on with the insertion of piece `at`, or NO_CHAR. */
CRDTI_FN uint32_t crdti_plant_more(const crdti_plant *p, uint32_t at)
{
    return at + 1 < p->pieces_len && p->edits[at + 1] == p->edits[at]
               ? at + 1
               : CRDTI_NO_CHAR;
}

/* The order of all pieces, from the end. */
CRDTI_FN void crdti_plant_walk(crdti_plant *p)
{
    uint32_t first = 0, at;
    size_t i;
    for (i = 0; i < p->d->inserts_len; i++)
        crdti_plant_hang(p, p->d->inserts[i], &first);
    crdti_plant_push(p, first, CRDTI_NO_CHAR);
    while (p->stack_len) {
        at = p->stack[--p->stack_len];
        if (at & CRDTI_PLANT_EMIT) {
            at &= ~CRDTI_PLANT_EMIT;
            p->order[p->order_len++] = at;
            p->ranks[at] = p->order_len;
            crdti_plant_push(p, p->lefts[at], CRDTI_NO_CHAR);
            continue;
        }
        p->stack[p->stack_len++] = at | CRDTI_PLANT_EMIT;
        crdti_plant_push(p, p->rights[at], crdti_plant_more(p, at));
    }
}

/* >>authors --------------------------------------------------------------- */

/* What of an insertion goes into one record: alive characters, with short
 * stretches of dead ones between; or dead ones alone, without content. */
typedef struct crdti_plant_part {
    uint32_t len;
    size_t bytes;      /* of content, filler included */
    crdti_width width; /* how much more than ASCII */
} crdti_plant_part;

/* As many as are wide, and alive. */
CRDTI_FN crdti_plant_part crdti_plant_take_wide(uint32_t most,
                                                const uint8_t **content)
{
    crdti_plant_part part;
    crdti_zero(&part, sizeof part);
    if (most > CRDTI_WIDE_MAX)
        most = CRDTI_WIDE_MAX;
    for (; part.len < most; part.len++) {
        uint32_t size = crdti_utf8_size(**content);
        crdti_width_add(&part.width, crdti_utf8_width(**content));
        part.bytes += size;
        *content += size;
    }
    return part;
}

/* Takes the next part; `*content` goes on behind its content. */
CRDTI_FN crdti_plant_part crdti_plant_take(const crdti_plant *p, uint32_t name,
                                           uint32_t most,
                                           const uint8_t **content)
{
    crdti_plant_part part;
    uint32_t alive = 0;
    crdti_zero(&part, sizeof part);
    while (part.len < most) {
        uint32_t at = name + part.len;
        uint32_t run = crdti_bits_run(p->d->dead, at, most - part.len);
        if (p->d->dead[at / 64] >> at % 64 & 1) {
            if (run > CRDTI_FILLER_MAX && part.len)
                break;
            part.len += run;
            if (run > CRDTI_FILLER_MAX)
                break;
            continue;
        }
        /* There are at least as many bytes as characters. */
        if (!p->is_ascii &&
            crdti_ascii_len(crdt_bytes_of(*content, run), 0) < run) {
            if (part.len)
                break;
            return crdti_plant_take_wide(run, content);
        }
        *content += run;
        alive += run;
        part.len += run;
    }
    part.bytes = alive ? part.len : 0;
    return part;
}

CRDTI_FN void crdti_plant_count(crdti_plant *p)
{
    const uint8_t *content = p->d->content.ptr;
    size_t i;
    for (i = 0; i < p->d->edits_len; i++) {
        const crdti_edit *edit = &p->d->edits[i];
        crdti_graft_need *need = &p->needs[edit->replica];
        uint32_t done = 0;
        if (edit->kind != CRDTI_INSERTION_EDIT) {
            need->deletions++; /* they are of one insertion */
            continue;
        }
        need->chars += edit->len;
        while (done < edit->len) {
            crdti_plant_part part = crdti_plant_take(
                p, edit->name + done, edit->len - done, &content);
            need->insertions++;
            need->bytes += part.bytes;
            done += part.len;
        }
    }
}

/* Copies the content of a part, with filler for the dead. */
CRDTI_FN void crdti_plant_copy(const crdti_plant *p, crdti_author *author,
                               uint32_t name, const crdti_plant_part *part,
                               const uint8_t *content)
{
    uint8_t *to = author->content.ptr + author->content.len;
    uint32_t done, run;
    author->content.len += part->bytes;
    if (part->width.more_bytes) {
        crdti_copy(to, content, part->bytes);
        return;
    }
    for (done = 0; done < part->len; done += run, to += run) {
        uint32_t at = name + done;
        run = crdti_bits_run(p->d->dead, at, part->len - done);
        if (p->d->dead[at / 64] >> at % 64 & 1) {
            crdti_zero(to, run);
            continue;
        }
        crdti_copy(to, content, run);
        content += run;
    }
}

/* The name in the document of a character of the delta. */
CRDTI_INLINE uint32_t crdti_plant_name(const crdti_plant *p, uint32_t told)
{
    const crdti_edit *edit;
    if (told == CRDTI_NO_CHAR)
        return told;
    edit = &p->d->edits[p->edits[crdti_piece_of(p, told)]];
    return edit->here + (told - edit->name);
}

CRDTI_FN void crdti_plant_insert(crdti_plant *p, crdti_author *author,
                                 crdti_edit *edit, const uint8_t **content)
{
    uint32_t left = crdti_plant_name(p, edit->left), done = 0;
    uint32_t right = crdti_plant_name(p, edit->right);
    edit->here = author->free_name;
    while (done < edit->len) {
        crdti_insertion *at =
            author->insertions.ptr + author->insertions.len++;
        const uint8_t *from = *content;
        uint32_t name = edit->name + done;
        crdti_plant_part part =
            crdti_plant_take(p, name, edit->len - done, content);
        at->seq = edit->seq + done;
        at->name = author->free_name;
        at->len = part.len;
        at->left = left;
        at->right = right;
        at->more_bytes = (uint16_t)part.width.more_bytes;
        at->more_units = (uint16_t)part.width.more_units;
        at->content =
            part.bytes ? (uint32_t)author->content.len : CRDTI_CONTENT_GONE;
        if (part.bytes)
            crdti_plant_copy(p, author, name, &part, from);
        author->free_name += part.len;
        left = author->free_name - 1;
        done += part.len;
    }
}

/* Of insertions in the order of the text: by replica and seq. */
CRDTI_FN int crdti_edit_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_delta_sequence *d = (const crdti_delta_sequence *)ctx;
    const crdti_edit *x = &d->edits[a], *y = &d->edits[b];
    if (x->replica != y->replica)
        return x->replica < y->replica ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* Whether no dot comes twice. Leaves the order by seq in `inserts`. */
CRDTI_FN int crdti_plant_sort_layout(crdti_plant *p)
{
    crdti_delta_sequence *d = p->d;
    size_t i;
    crdti_sort(crdti_edit_order, d, d->inserts, d->inserts_len);
    for (i = 1; i < d->inserts_len; i++) {
        const crdti_edit *a = &d->edits[d->inserts[i - 1]];
        const crdti_edit *b = &d->edits[d->inserts[i]];
        if (a->replica == b->replica && a->seq + a->len > b->seq)
            return 0;
    }
    return 1;
}

/* The same for insertions in the order of the text, where those of one author
 * have to be by seq: first all names, then the rest. */
CRDTI_FN void crdti_plant_write_layout(crdti_plant *p)
{
    crdti_delta_sequence *d = p->d;
    size_t i, at = 0;
    for (i = 0; i < d->edits_len; i++) { /* by place in the text */
        p->next[i] = (uint32_t)at;
        if (!d->is_list)
            at += crdti_utf8_len(d->content, at, d->edits[i].len);
    }
    for (i = 0; i < d->edits_len; i++) {
        crdti_edit *edit = &d->edits[d->inserts[i]];
        crdti_author *author =
            crdti_author_at(p->doc, p->needs[edit->replica].author);
        edit->here = author->free_name;
        author->free_name += edit->len;
    }
    for (i = 0; i < d->edits_len; i++) {
        crdti_edit *edit = &d->edits[d->inserts[i]];
        const uint8_t *content = d->content.ptr + p->next[d->inserts[i]];
        crdti_author *author =
            crdti_author_at(p->doc, p->needs[edit->replica].author);
        author->free_name = edit->here;
        author->last = edit->seq + edit->len - 1;
        crdti_plant_insert(p, author, edit, &content);
    }
}

/* Writes down who did what. */
CRDTI_FN void crdti_plant_write(crdti_plant *p)
{
    const uint8_t *content = p->d->content.ptr;
    size_t i;
    for (i = 0; i < p->d->edits_len; i++) {
        crdti_edit *edit = &p->d->edits[i];
        crdti_author *author =
            crdti_author_at(p->doc, p->needs[edit->replica].author);
        author->last = edit->seq + edit->len - 1;
        if (edit->kind == CRDTI_INSERTION_EDIT)
            crdti_plant_insert(p, author, edit, &content);
        else
            crdti_deletion_add(
                author, edit->seq, crdti_plant_name(p, edit->name), edit->len,
                edit->kind == CRDTI_BACKWARDS_EDIT ? CRDTI_BACKWARDS : 0);
    }
}

/* >>leaves and forks ------------------------------------------------------ */

/* Appends a span, in a new leaf when that at hand is full. */
CRDTI_FN void crdti_plant_span(crdti_plant *p, uint32_t name, uint32_t lens)
{
    crdt_doc *doc = p->doc;
    crdti_leaf *leaf = crdti_leaf_at(doc, p->leaf);
    uint32_t last = leaf->len - 1u;
    if (leaf->len && lens & leaf->lens[last] & CRDTI_HIDDEN &&
        leaf->names[last] + crdti_span_len(leaf, last) == name) {
        leaf->lens[last] += lens & CRDTI_SPAN_LEN;
        return;
    }
    if (leaf->len == CRDTI_PLANT_FILL) {
        uint32_t next = crdti_leaf_take(doc, p->s);
        leaf->next = next;
        crdti_leaf_at(doc, next)->prev = p->leaf;
        p->leaf = next;
        leaf = crdti_leaf_at(doc, next);
    }
    leaf->names[leaf->len] = name;
    leaf->lens[leaf->len++] = lens;
}

/* Appends visible characters: one span, or one of each insertion where they
 * are wide. */
CRDTI_FN void crdti_plant_shown(crdti_plant *p, uint32_t name, uint32_t len)
{
    const crdti_author *author;
    if (p->is_ascii) {
        crdti_plant_span(p, name, len);
        return;
    }
    author = crdti_author_at(p->doc, crdti_name_author(&p->s->extents, name));
    while (len) {
        const crdti_insertion *at = crdti_insertion_of(author, name);
        uint32_t part = (uint32_t)crdti_min(len, at->name + at->len - name);
        crdti_plant_span(p, name, part | (at->more_bytes ? CRDTI_WIDE : 0));
        name += part;
        len -= part;
    }
}

/* How many characters of its insertion are in the piece. (Between insertions
 * of the document there may be names that nobody uses.) */
CRDTI_INLINE uint32_t crdti_piece_len(const crdti_plant *p, uint32_t piece)
{
    const crdti_edit *edit = &p->d->edits[p->edits[piece]];
    return (uint32_t)crdti_min(p->pieces[piece + 1], edit->name + edit->len) -
           p->pieces[piece];
}

CRDTI_FN void crdti_plant_leaves(crdti_plant *p)
{
    const uint64_t *dead = p->d->dead;
    uint32_t i, done, run;
    p->leaf = p->s->first;
    crdti_leaf_at(p->doc, p->leaf)->is_hashed = 0;
    for (i = p->order_len; i > 0; i--) {
        uint32_t piece = p->order[i - 1], told = p->pieces[piece];
        uint32_t len = crdti_piece_len(p, piece);
        const crdti_edit *edit = &p->d->edits[p->edits[piece]];
        uint32_t name = edit->here + (told - edit->name);
        for (done = 0; done < len; done += run) {
            uint32_t at = told + done;
            run = crdti_bits_run(dead, at, len - done);
            if (dead[at / 64] >> at % 64 & 1)
                crdti_plant_span(p, name + done, run | CRDTI_HIDDEN);
            else
                crdti_plant_shown(p, name + done, run);
        }
    }
}

/* Appends a child to the fork at hand, or to a new one; `*first` is the first
 * of its level. */
CRDTI_FN void crdti_plant_child(crdti_plant *p, uint32_t level, uint32_t child,
                                crdti_width width, uint32_t *fork)
{
    crdti_fork *at;
    if (!*fork || crdti_fork_at(p->doc, *fork)->len == CRDTI_PLANT_FILL) {
        *fork = crdti_fork_take(p->doc, p->s);
        p->stack[p->stack_len++] = *fork;
    }
    at = crdti_fork_at(p->doc, *fork);
    at->children[at->len] = child;
    at->widths[at->len++] = width;
    crdti_set_parent(p->doc, level, child, *fork);
}

CRDTI_FN crdti_width crdti_fork_width(const crdti_fork *fork)
{
    crdti_width sum;
    uint32_t i;
    crdti_zero(&sum, sizeof sum);
    for (i = 0; i < fork->len; i++)
        crdti_width_add(&sum, fork->widths[i]);
    return sum;
}

/* Builds level upon level, until there is one node. */
CRDTI_FN void crdti_plant_forks(crdti_plant *p)
{
    crdti_sequence *s = p->s;
    uint32_t fork = 0, from = 0, end, at, only = s->first;
    p->stack_len = 0;
    for (at = s->first; at; at = crdti_leaf_at(p->doc, at)->next) {
        crdti_width width =
            crdti_leaf_width(p->doc, s, crdti_leaf_at(p->doc, at));
        crdti_width_add(&s->total, width);
        if (s->first != p->leaf)
            crdti_plant_child(p, 0, at, width, &fork);
    }
    for (s->height = 0; from < p->stack_len; from = end) {
        end = p->stack_len;
        only = p->stack[from];
        s->height++;
        fork = 0;
        if (end - from == 1)
            break;
        for (at = from; at < end; at++)
            crdti_plant_child(
                p, s->height, p->stack[at],
                crdti_fork_width(crdti_fork_at(p->doc, p->stack[at])), &fork);
    }
    s->root = only;
}

/* >>all of it ------------------------------------------------------------- */

/* What the tree takes; each change from dead to alive makes a span, and where
 * they are wide each of the insertions. */
CRDTI_FN void crdti_plant_size(crdti_plant *p, size_t insertions)
{
    const uint64_t *dead = p->d->dead;
    size_t spans = p->pieces_len + (p->is_ascii ? 0 : insertions);
    size_t words = p->d->chars / 64 + 1, i;
    uint64_t before = 0;
    for (i = 0; i < words; i++) {
        spans += crdti_bits_count(dead[i] ^ (dead[i] << 1 | before));
        before = dead[i] >> 63;
    }
    p->leaves = spans / CRDTI_PLANT_FILL + 1;
    p->forks = p->leaves / (CRDTI_PLANT_FILL - 1) + 4;
}

/* Memory for that. */
CRDTI_FN crdt_err crdti_plant_reserve(crdti_plant *p, size_t insertions)
{
    crdt_err err;
    if (!p->s->is_list) {
        crdti_plant_size(p, insertions);
        return crdti_nodes_reserve(p->doc, p->leaves, p->forks);
    }
    err = crdti_positions_reserve(p->doc, p->s, p->d->chars);
    if (!err)
        crdti_positions_hold(p->doc, p->s, p->d->chars);
    return err;
}

CRDTI_FN crdt_err crdti_plant_authors(crdti_plant *p)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < p->delta->replicas_len && !err; i++) {
        crdti_graft_need *need = &p->needs[i];
        if (!need->insertions && !need->deletions)
            continue;
        err = crdti_author_get(p->doc, &p->s->authors, p->s->object,
                               p->delta->replicas[i].number, &need->author);
        if (!err)
            err = crdti_insertions_reserve(p->doc, p->s, need->author,
                                           need->insertions, need->chars,
                                           need->bytes);
        if (!err)
            err = crdti_array_reserve(
                &p->doc->alloc,
                &crdti_author_at(p->doc, need->author)->deletions,
                need->deletions);
    }
    return err;
}

/* Lays out the sequence, which has nothing yet. `*done` 0: it has to be
 * grafted, edit by edit. NOMEM, LIMIT: crdti_sequence_clear must follow. */
CRDTI_FN crdt_err crdti_plant_sequence(crdti_plant *p, int *done)
{
    crdt_err err;
    size_t insertions = 0, i;
    *done = 0;
    if (p->d->outside_len || !p->d->chars)
        return CRDT_OK;
    err = crdti_plant_cut(p);
    if (err)
        return err;
    crdti_plant_walk(p);
    if (p->is_lost)
        return CRDT_OK;
    p->is_ascii = p->d->content.len == p->d->alive;
    crdti_plant_count(p);
    if (p->d->is_laid_out && !crdti_plant_sort_layout(p))
        return CRDT_ERR_CORRUPT;
    for (i = 0; i < p->delta->replicas_len; i++)
        insertions += p->needs[i].insertions;
    err = crdti_plant_authors(p);
    if (!err)
        err = crdti_plant_reserve(p, insertions);
    if (!err) {
        if (p->d->is_laid_out)
            crdti_plant_write_layout(p);
        else
            crdti_plant_write(p);
        crdti_plant_leaves(p);
        crdti_plant_forks(p);
        *done = 1;
    }
    crdti_zero(p->needs, p->delta->replicas_len * sizeof *p->needs);
    return err;
}

#endif
