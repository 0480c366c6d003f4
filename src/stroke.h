/*
 * Strokes: the short form of a delta, for what goes on where the last one
 * ended. A keystroke is 4 bytes, where a delta has to say again whose it is,
 * in which text, and what stands beside it.
 *
 *     delta     a.1..2 of the text "t": "he"     (the trail: a, "t", after a.2)
 *     strokes   TYPE "l"                  a.3    behind the one before it
 *     strokes   BACK 1 from the cursor    a.4    a.3 goes; the cursor is there
 *     strokes   INSERT "y" left -1        a.5    behind a.2
 *
 * Both ends of a link keep the *trail*: the replica that wrote last, its text,
 * its latest seq, and the cursor: the character that it wrote or deleted last.
 * Both read it from the same change, so it is the same; and whoever has not
 * just what a stroke goes on with refuses it (CAUSAL), for a delta to follow.
 *
 *     strokes   low byte of the trail's seq, then until the end:
 *     stroke    n << 2 | kind   TYPE    n bytes of UTF-8
 *                               INSERT  left, right, n bytes
 *                               BACK    victim: n characters back from there
 *                               FORTH   victim: n characters from there on
 *     dot       0: none; else 1 + (distance << 1 | own), the distance in
 *               zigzag: from the cursor, or of an own one from the latest
 *
 * No dot is one of a stroke of the same frame.
 */
#ifndef CRDTI_STROKE_H
#define CRDTI_STROKE_H

#include "event.h"
#include "graft.h"

#define CRDTI_STROKES_MAX 16
#define CRDTI_STROKE_MAX 255 /* bytes, or characters deleted */

enum { CRDTI_TYPE, CRDTI_INSERT, CRDTI_BACK, CRDTI_FORTH };

/* `text` 0: there is nothing to go on with. */
typedef struct crdti_trail {
    uint32_t text, replica;
    uint64_t seq;
    crdti_position cursor;
} crdti_trail;

/* >>the trail ------------------------------------------------------------- */

/* The i-th character that the deletion takes. */
CRDTI_FN uint32_t crdti_deletion_name(const crdti_deletion *at, uint64_t i)
{
    return at->len & CRDTI_BACKWARDS ? at->name - (uint32_t)i
                                     : at->name + (uint32_t)i;
}

/* The character that the author's dot inserted or deleted. */
CRDTI_FN uint32_t crdti_edited_name(const crdti_author *author, uint64_t seq)
{
    uint32_t name = crdti_seq_name(author, seq);
    size_t place = crdti_deletion_place(author, seq);
    const crdti_deletion *at;
    if (name != CRDTI_NO_CHAR || place == author->deletions.len)
        return name;
    at = &author->deletions.ptr[place];
    return at->seq <= seq ? crdti_deletion_name(at, seq - at->seq) : name;
}

/* After a change that ended with that dot: where the trail is now. */
CRDTI_FN void crdti_trail_start(const crdt_doc *doc, uint32_t replica,
                                uint64_t seq, crdti_trail *trail)
{
    uint32_t at, name;
    const crdti_author *author;
    crdti_typing_file(doc);
    trail->text = 0;
    at = doc->replicas.ptr[replica].newest_author;
    if (!at)
        return;
    author = crdti_author_at(doc, at);
    name = crdti_edited_name(author, seq);
    if (name == CRDTI_NO_CHAR ||
        crdti_object_at(doc, author->object)->type != CRDT_TEXT)
        return;
    trail->text = author->object;
    trail->replica = replica;
    trail->seq = seq;
    trail->cursor =
        crdti_name_position(doc, crdti_sequence_at(doc, author->object), name);
}

/* After n dots more, the last of which was about that character. */
CRDTI_FN void crdti_trail_go(crdti_trail *trail, uint64_t n, uint32_t replica,
                             uint64_t seq)
{
    trail->seq += n;
    trail->cursor.replica = replica;
    trail->cursor.seq = seq;
}

/* >>writing --------------------------------------------------------------- */

typedef struct crdti_stroke_writer {
    const crdt_doc *doc;
    const crdti_sequence *s;
    const crdti_author *author;
    crdti_trail trail;
    uint64_t first; /* of the dots that are told */
    crdti_writer *w;
    size_t strokes;
    int fails; /* it cannot be told so */
} crdti_stroke_writer;

CRDTI_FN void crdti_put_stroke_dot(crdti_stroke_writer *k, uint32_t name)
{
    crdti_position dot;
    uint64_t from, told;
    int is_own;
    if (name == CRDTI_NO_CHAR) {
        crdti_put_varint(k->w, 0);
        return;
    }
    dot = crdti_name_position(k->doc, k->s, name);
    is_own = dot.replica != k->trail.cursor.replica;
    k->fails |= dot.replica == k->trail.replica ? dot.seq >= k->first : is_own;
    from = is_own ? k->trail.seq : k->trail.cursor.seq;
    told = crdti_zigzag_fold((int64_t)(dot.seq - from));
    crdti_put_varint(k->w, 1 + (told << 1 | (unsigned)is_own));
}

CRDTI_FN void crdti_put_stroke_head(crdti_stroke_writer *k, size_t n,
                                    unsigned kind)
{
    k->fails |= ++k->strokes > CRDTI_STROKES_MAX || n > CRDTI_STROKE_MAX;
    crdti_put_varint(k->w, (uint64_t)n << 2 | kind);
}

/* Whether the insertion only goes on with the one before it, which could not
 * hold both. */
CRDTI_FN int crdti_insertion_follows(const crdti_author *author,
                                     const crdti_insertion *at)
{
    const crdti_insertion *before = at - 1;
    return at > author->insertions.ptr && at->left == at->name - 1 &&
           at->left == before->name + before->len - 1 &&
           at->seq == before->seq + before->len &&
           at->right == before->right &&
           at->content == before->content + before->len + before->more_bytes;
}

/* All that was inserted at a stretch, from that insertion on. */
CRDTI_FN void crdti_put_typed(crdti_stroke_writer *k,
                              const crdti_insertion *at)
{
    const crdti_insertion *end =
        k->author->insertions.ptr + k->author->insertions.len;
    uint32_t done = (uint32_t)(k->trail.seq + 1 - at->seq);
    uint32_t name = at->name + done, left = at->left, right = at->right;
    const uint8_t *from;
    uint64_t seq;
    int goes_on =
        done || (!k->strokes && crdti_insertion_follows(k->author, at));
    size_t len;
    if (at->content == CRDTI_CONTENT_GONE) {
        k->fails = 1;
        return;
    }
    from = crdti_content_at(k->author, at, name);
    while (at + 1 < end && crdti_insertion_follows(k->author, at + 1))
        at++;
    len = (size_t)(k->author->content.ptr + at->content + at->len +
                   at->more_bytes - from);
    crdti_put_stroke_head(k, len, goes_on ? CRDTI_TYPE : CRDTI_INSERT);
    if (!goes_on) {
        crdti_put_stroke_dot(k, left);
        crdti_put_stroke_dot(k, right);
    }
    if (k->fails)
        return;
    crdti_put_raw(k->w, crdt_bytes_of(from, len));
    seq = at->seq + at->len - 1;
    crdti_trail_go(&k->trail, seq - k->trail.seq, k->trail.replica, seq);
}

/* What was deleted of one insertion. */
CRDTI_FN void crdti_put_erased(crdti_stroke_writer *k,
                               const crdti_deletion *deletion)
{
    uint64_t done = k->trail.seq + 1 - deletion->seq;
    uint64_t n = crdti_deletion_len(deletion) - done, seq;
    uint32_t name = crdti_deletion_name(deletion, done);
    const crdti_author *author =
        crdti_author_at(k->doc, crdti_name_author(&k->s->extents, name));
    const crdti_insertion *at = crdti_insertion_of(author, name);
    int back = n == 1 || deletion->len & CRDTI_BACKWARDS;
    n = crdti_min(n, back ? name - at->name + 1 : at->name + at->len - name);
    crdti_put_stroke_head(k, (size_t)n, back ? CRDTI_BACK : CRDTI_FORTH);
    crdti_put_stroke_dot(k, name);
    seq = at->seq + (name - at->name);
    /* The last of them, too, must have been there before. */
    k->fails |=
        !back && author->replica == k->trail.replica && seq + n > k->first;
    crdti_trail_go(&k->trail, n, author->replica,
                   back ? seq - (n - 1) : seq + (n - 1));
}

CRDTI_FN void crdti_put_stroke(crdti_stroke_writer *k)
{
    uint64_t seq = k->trail.seq + 1;
    const crdti_author *author = k->author;
    size_t place = crdti_insertion_place(author, seq);
    if (place < author->insertions.len &&
        author->insertions.ptr[place].seq <= seq) {
        crdti_put_typed(k, &author->insertions.ptr[place]);
        return;
    }
    place = crdti_deletion_place(author, seq);
    if (place < author->deletions.len &&
        author->deletions.ptr[place].seq <= seq)
        crdti_put_erased(k, &author->deletions.ptr[place]);
    else
        k->fails = 1; /* something else was written */
}

/* Appends the strokes that lead from the trail to the replica's dot `top`; the
 * trail goes with them. 0: they cannot be told so; nothing has changed. */
CRDTI_FN int crdti_strokes_put(crdt_doc *doc, crdti_trail *trail, uint64_t top,
                               crdti_writer *w)
{
    crdti_stroke_writer k;
    size_t start = w->buf->len;
    uint32_t author;
    crdti_typing_write(doc);
    author =
        trail->text ? crdti_author_find(doc, trail->text, trail->replica) : 0;
    if (!author)
        return 0;
    k.doc = doc;
    k.s = (const crdti_sequence *)crdti_object_at(doc, trail->text)->state;
    k.author = crdti_author_at(doc, author);
    k.trail = *trail;
    k.first = trail->seq + 1;
    k.w = w;
    k.strokes = 0;
    k.fails = 0;
    crdti_put_u8(w, (uint8_t)trail->seq);
    while (!k.fails && k.trail.seq < top)
        crdti_put_stroke(&k);
    if (k.fails || w->err)
        w->buf->len = start;
    else
        *trail = k.trail;
    return !k.fails && !w->err;
}

/* >>reading --------------------------------------------------------------- */

typedef struct crdti_stroke {
    unsigned kind;
    uint32_t n;                 /* characters */
    crdti_position left, right; /* seq 0: none; or the first victim */
    crdti_origins origins;
    crdt_bytes bytes;
    crdti_width width;
} crdti_stroke;

typedef struct crdti_strokes {
    crdt_doc *doc;
    crdti_graft graft; /* for what it shares with one */
    crdti_trail trail; /* behind what was read */
    uint64_t first;
    uint32_t author;
    size_t len;
    crdti_stroke strokes[CRDTI_STROKES_MAX];
    size_t pieces, chars, bytes, parts; /* memory it takes */
} crdti_strokes;

CRDTI_FN crdti_position crdti_get_stroke_dot(crdti_reader *r,
                                             const crdti_strokes *k)
{
    const uint8_t *at = r->ptr;
    uint64_t told = crdti_get_varint(r) - 1;
    crdti_position dot = { 0, 0 };
    if (r->err || told == UINT64_MAX)
        return dot;
    dot.replica = told & 1 ? k->trail.replica : k->trail.cursor.replica;
    dot.seq = told & 1 ? k->trail.seq : k->trail.cursor.seq;
    dot.seq += (uint64_t)crdti_zigzag_unfold(told >> 1);
    if (!dot.seq || dot.seq > CRDTSYNC_MAX_SEQ ||
        (dot.replica == k->trail.replica && dot.seq >= k->first))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    return dot;
}

CRDTI_FN void crdti_get_typed(crdti_reader *r, crdti_strokes *k,
                              crdti_stroke *stroke, size_t n)
{
    const uint8_t *at = r->ptr;
    if (stroke->kind == CRDTI_INSERT) {
        stroke->left = crdti_get_stroke_dot(r, k);
        stroke->right = crdti_get_stroke_dot(r, k);
    }
    stroke->bytes = crdti_get_raw(r, n);
    if (!crdti_utf8_measure(stroke->bytes, &stroke->width) ||
        (stroke->kind == CRDTI_TYPE && k->len))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    stroke->n = stroke->width.chars;
    crdti_trail_go(&k->trail, stroke->n, k->trail.replica,
                   k->trail.seq + stroke->n);
    k->chars += stroke->n;
    k->bytes += n;
    if (!r->err)
        k->pieces += crdti_pieces_count(stroke->bytes, stroke->width);
}

/* The victim of the lowest seq. */
CRDTI_FN uint64_t crdti_stroke_low(const crdti_stroke *stroke)
{
    return stroke->kind == CRDTI_BACK ? stroke->left.seq - (stroke->n - 1)
                                      : stroke->left.seq;
}

CRDTI_FN void crdti_get_erased(crdti_reader *r, crdti_strokes *k,
                               crdti_stroke *stroke, size_t n)
{
    const uint8_t *at = r->ptr;
    uint64_t seq;
    stroke->n = (uint32_t)n;
    stroke->left = crdti_get_stroke_dot(r, k);
    seq = stroke->left.seq;
    if (!seq ||
        (stroke->kind == CRDTI_BACK ? n > seq : n > CRDTSYNC_MAX_SEQ - seq))
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    crdti_trail_go(&k->trail, n, stroke->left.replica,
                   stroke->kind == CRDTI_BACK ? seq - (n - 1) : seq + (n - 1));
}

CRDTI_FN void crdti_get_strokes(crdti_reader *r, crdti_strokes *k)
{
    const uint8_t *at = r->ptr;
    if (crdti_get_u8(r) != (uint8_t)k->trail.seq)
        crdti_reader_fail_at(r, at, CRDT_ERR_CAUSAL);
    while (!r->err && r->ptr < r->end) {
        crdti_stroke *stroke = &k->strokes[k->len];
        uint64_t head;
        at = r->ptr;
        head = crdti_get_varint(r);
        if (head < 4 || head >> 2 > CRDTI_STROKE_MAX ||
            k->len == CRDTI_STROKES_MAX) {
            crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
            return;
        }
        stroke->kind = head & 3;
        if (stroke->kind <= CRDTI_INSERT)
            crdti_get_typed(r, k, stroke, (size_t)(head >> 2));
        else
            crdti_get_erased(r, k, stroke, (size_t)(head >> 2));
        k->len++;
    }
    if (!r->err && !k->len)
        crdti_reader_fail(r, CRDT_ERR_TRUNCATED);
    if (k->trail.seq > CRDTSYNC_MAX_SEQ)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
}

/* >>joining --------------------------------------------------------------- */

/* Looks up what the stroke names. CAUSAL: we have not all of it. */
CRDTI_FN crdt_err crdti_stroke_look(crdti_strokes *k, crdti_stroke *stroke)
{
    const crdti_author *author = crdti_author_at(k->doc, k->author);
    crdti_origins *origins = &stroke->origins;
    size_t parts;
    uint32_t text = k->trail.text;
    if (stroke->kind == CRDTI_TYPE) {
        const crdti_insertion *last;
        if (!author->insertions.len)
            return CRDT_ERR_CAUSAL;
        last = author->insertions.ptr + author->insertions.len - 1;
        if (last->seq + last->len != k->first)
            return CRDT_ERR_CAUSAL;
        origins->left = last->name + last->len - 1;
        origins->right = last->right;
    } else if (stroke->kind == CRDTI_INSERT) {
        origins->left = crdti_position_name(k->doc, text, stroke->left);
        origins->right = crdti_position_name(k->doc, text, stroke->right);
        if ((stroke->left.seq && origins->left == CRDTI_NO_CHAR) ||
            (stroke->right.seq && origins->right == CRDTI_NO_CHAR))
            return CRDT_ERR_CAUSAL;
    } else {
        uint64_t low = crdti_stroke_low(stroke);
        uint32_t at = crdti_author_find(k->doc, text, stroke->left.replica);
        if (!at ||
            crdti_author_count(crdti_author_at(k->doc, at), low,
                               low + stroke->n - 1, &parts) != stroke->n)
            return CRDT_ERR_CAUSAL;
        k->parts += parts;
    }
    origins->replica = k->trail.replica;
    origins->end = 0;
    return CRDT_OK;
}

/* Whether the strokes go on with what we have: that they are of that text and
 * replica, and no others have come from elsewhere. */
CRDTI_FN crdt_err crdti_strokes_look(crdti_strokes *k)
{
    uint64_t have = k->doc->replicas.ptr[k->trail.replica].seq;
    k->author = crdti_author_find(k->doc, k->trail.text, k->trail.replica);
    if (have + 1 != k->first || !k->author ||
        crdti_author_at(k->doc, k->author)->last != have)
        return CRDT_ERR_CAUSAL;
    return k->trail.replica == k->doc->self ? CRDT_ERR_FORK : CRDT_OK;
}

CRDTI_FN crdt_err crdti_strokes_reserve(crdti_strokes *k)
{
    crdt_doc *doc = k->doc;
    crdti_sequence *s = k->graft.s;
    crdt_err err = CRDT_OK;
    if (k->pieces)
        err = crdti_insertions_reserve(doc, s, k->author, k->pieces, k->chars,
                                       k->bytes);
    if (!err && k->parts)
        err = crdti_array_reserve(&doc->alloc,
                                  &crdti_author_at(doc, k->author)->deletions,
                                  k->parts);
    return err ? err : crdti_spans_reserve(doc, s, k->pieces + 2 * k->parts);
}

CRDTI_FN void crdti_stroke_insert(crdti_strokes *k, crdti_stroke *stroke,
                                  uint64_t *seq)
{
    crdti_spot spot = crdti_integrate(
        k->doc, k->graft.s, &stroke->origins,
        crdti_spot_behind(k->doc, k->graft.s, stroke->origins.left),
        &k->graft.steps); /* which are few: so are strokes */
    crdti_graft_put(&k->graft, k->author, seq, &stroke->origins, &spot,
                    stroke->n, stroke->bytes);
    k->graft.s->cursor = spot;
}

CRDTI_FN void crdti_stroke_delete(crdti_strokes *k, const crdti_stroke *stroke,
                                  uint64_t *seq)
{
    crdti_position at = stroke->left;
    int back = stroke->kind == CRDTI_BACK;
    uint32_t left = stroke->n, count;
    for (; left > 0; left -= count) {
        uint32_t name = crdti_position_name(k->doc, k->trail.text, at);
        const crdti_insertion *of = crdti_insertion_of(
            crdti_author_at(k->doc,
                            crdti_name_author(&k->graft.s->extents, name)),
            name);
        count = back ? name - of->name + 1 : of->name + of->len - name;
        count = count < left ? count : left;
        crdti_graft_hide(&k->graft, back ? name - (count - 1) : name, count);
        crdti_deletion_add(crdti_author_at(k->doc, k->author), *seq, name,
                           count, back ? CRDTI_BACKWARDS : 0);
        *seq += count;
        at.seq = back ? at.seq - count : at.seq + count;
    }
}

CRDTI_FN void crdti_strokes_apply(crdti_strokes *k)
{
    crdt_doc *doc = k->doc;
    crdti_sequence *s = k->graft.s;
    uint64_t seq = k->first;
    size_t i;
    doc->actor = k->trail.replica;
    crdti_touch(doc, k->trail.text, crdti_no_key());
    s->cursor_is_known = 0;
    for (i = 0; i < k->len; i++) {
        if (k->strokes[i].kind <= CRDTI_INSERT)
            crdti_stroke_insert(k, &k->strokes[i], &seq);
        else
            crdti_stroke_delete(k, &k->strokes[i], &seq);
    }
    crdti_author_list(doc, k->author);
    crdti_sequence_weigh(doc, s);
    doc->replicas.ptr[k->trail.replica].seq = k->trail.seq;
    doc->changes++;
    crdti_tell(doc);
}

/* Joins strokes that go on with the trail, which goes with them. CAUSAL, FORK,
 * LIMIT, NOMEM, or what a reader says: nothing has changed. */
CRDTI_FN crdt_err crdti_strokes_join(crdt_doc *doc, crdti_trail *trail,
                                     crdti_reader *r)
{
    crdti_strokes k;
    crdt_err err;
    size_t i;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    if (!trail->text)
        return CRDT_ERR_CAUSAL;
    k.doc = k.graft.doc = doc;
    k.trail = *trail;
    k.first = trail->seq + 1;
    k.graft.steps = 0;
    k.len = k.pieces = k.chars = k.bytes = k.parts = 0;
    crdti_get_strokes(r, &k);
    err = r->err;
    if (!err && k.trail.seq > doc->replicas.ptr[trail->replica].seq) {
        k.graft.s = NULL;
        err = crdti_strokes_look(&k);
        if (!err)
            k.graft.s = crdti_sequence_at(doc, trail->text);
        for (i = 0; i < k.len && !err; i++)
            err = crdti_stroke_look(&k, &k.strokes[i]);
        if (!err)
            err = crdti_strokes_reserve(&k);
        if (!err) {
            crdti_homes_make(doc, k.graft.s);
            crdti_strokes_apply(&k);
        }
    }
    if (!err)
        *trail = k.trail;
    return err;
}

#endif
