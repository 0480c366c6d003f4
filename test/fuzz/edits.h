/*
 * What the fuzz targets for sections of sequences share: edits that are
 * well-formed and that no honest replica would write. The input is a row of
 * choices, and bytes that are taken for edits as far as they make some.
 */
#ifndef FUZZ_EDITS_H
#define FUZZ_EDITS_H

#include "../../src/error.h"
#include "../build_delta.h"
#include "doc.h"

struct choices {
    const uint8_t *ptr, *end;
};

static inline uint32_t pick(struct choices *c, uint32_t below)
{
    return c->ptr < c->end ? *c->ptr++ % below : 0;
}

/* Replicas 1, 2 and 4 have written, by that function, all of which FUZZ_SELF
 * has. */
static inline crdt_doc *written_doc(void (*write)(struct choices *,
                                                  crdt_doc *))
{
    static uint8_t noise[400];
    static crdt_buf bytes = CRDT_BUF_INIT;
    static const int ids[3] = { 1, 2, 4 };
    struct choices c;
    crdt_doc *docs[3], *doc;
    uint32_t i;
    for (i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * i * 7 + i / 3);
    c.ptr = noise;
    c.end = noise + sizeof noise;
    for (i = 0; i < 3 && !bytes.len; i++)
        docs[i] = fuzz_doc_new(ids[i]);
    for (i = 0; i < 40 && !bytes.len; i++) {
        write(&c, docs[i % 3]);
        if (i % 4 == 3)
            fuzz_pull(docs[i / 4 % 3], docs[(i / 4 + 1) % 3]);
    }
    if (!bytes.len) {
        fuzz_pull(docs[0], docs[1]);
        fuzz_pull(docs[0], docs[2]);
        FUZZ_CHECK(crdt_delta(docs[0], NULL, &bytes) == CRDT_OK);
        for (i = 0; i < 3; i++)
            crdt_doc_free(docs[i]);
    }
    doc = fuzz_doc_new(FUZZ_SELF);
    FUZZ_CHECK(crdt_join(doc, crdt_buf_bytes(&bytes)) == CRDT_OK);
    return doc;
}

enum { EDITS_MAX = 200 };

static struct build_replica replicas[FUZZ_OTHERS];

/* What the text has of each replica, and somewhat more. */
static inline void choose_replicas(struct choices *c, crdt_doc *doc,
                                   struct build_delta *d)
{
    uint32_t i;
    crdt_vv vv = CRDT_VV_INIT;
    FUZZ_CHECK(crdt_doc_vv(doc, &vv) == CRDT_OK);
    d->flags = (uint8_t)(pick(c, 4) | CRDTI_DELTA_SEQUENCES);
    d->replicas = replicas;
    for (i = 0; i < FUZZ_OTHERS; i++) {
        struct build_replica *r = &replicas[d->replicas_len];
        uint32_t choice = pick(c, 255);
        crdt_id id = fuzz_id((int)i + 1);
        uint64_t have = crdt_vv_get(&vv, &id);
        r->id = id;
        r->top = have + (i + 1 == FUZZ_SELF ? 0 : choice % 16 * (choice % 16));
        r->base = have - crdti_min(have, choice / 16 % 4 * (choice / 16));
        if (choice == 254)
            r->top = CRDTSYNC_MAX_SEQ;
        if (d->flags & CRDTI_DELTA_SNAPSHOT)
            r->base = 0;
        r->floor = crdti_min(r->top, choice / 64 * (have / 2 + 1));
        d->replicas_len += r->top != 0;
    }
    crdt_vv_free(&vv);
}

/* The decoder's view of the edits that the bytes make: where they end. */
struct reading {
    crdti_reader r;
    crdti_arena arena;
    crdti_delta delta;
    crdti_delta_sequence d;
    crdti_edit_reader e;
    uint64_t next[FUZZ_OTHERS];
};

static inline void reading_init(struct reading *x, const struct build_delta *d,
                                crdt_bytes bytes)
{
    size_t i;
    memset(x, 0, sizeof *x);
    crdti_reader_init(&x->r, bytes);
    crdti_arena_init(&x->arena, crdti_alloc_or_default(NULL));
    x->delta.replicas_len = d->replicas_len;
    x->delta.replicas = (crdti_delta_replica *)crdti_get_array(
        &x->r, &x->arena, d->replicas_len, sizeof *x->delta.replicas);
    for (i = 0; i < d->replicas_len; i++) {
        x->delta.replicas[i].base = replicas[i].base;
        x->delta.replicas[i].top = replicas[i].top;
        x->next[i] = replicas[i].base + 1;
    }
    x->d.outside_cap = bytes.len;
    x->d.edits = (crdti_edit *)crdti_get_array(&x->r, &x->arena, EDITS_MAX + 1,
                                               sizeof *x->d.edits);
    x->d.inserts = (uint32_t *)crdti_get_array(&x->r, &x->arena, EDITS_MAX + 1,
                                               sizeof(uint32_t));
    x->d.outside = (crdti_outside *)crdti_get_array(
        &x->r, &x->arena, bytes.len, sizeof *x->d.outside);
    FUZZ_CHECK(!crdti_starts_init(&x->d.starts, &x->arena, EDITS_MAX + 1));
    FUZZ_CHECK(!crdti_children_init(&x->e.children, &x->arena, EDITS_MAX));
    x->e.r = &x->r;
    x->e.delta = &x->delta;
    x->e.d = &x->d;
    x->e.next = x->next;
    x->e.cursor = x->e.target = CRDTI_NO_CHAR;
}

/* How many of the bytes make edits. */
static inline size_t read_edits(struct reading *x, crdt_bytes bytes)
{
    size_t len = 0, outside = 0;
    uint32_t chars = 0, inserts = 0;
    while (!x->r.err && x->r.ptr < x->r.end && x->d.edits_len < EDITS_MAX) {
        crdti_get_edit(&x->e, &x->d.edits[x->d.edits_len],
                       (uint32_t)x->d.edits_len);
        if (x->r.err || x->d.chars > 4096)
            break;
        x->d.edits_len++;
        len = (size_t)(x->r.ptr - bytes.ptr);
        outside = x->d.outside_len;
        chars = x->d.chars;
        inserts = (uint32_t)x->d.inserts_len;
    }
    x->d.outside_len = outside;
    x->d.chars = chars;
    x->d.inserts_len = inserts;
    return len;
}

/* What is dead in them or by choice, and bytes for all that is not. */
static inline void build_content_of(struct choices *c, crdti_writer *w,
                                    const struct reading *x)
{
    static const char *const chars[] = { "a", "\xc3\xa9", "\xf0\x9f\x98\x80",
                                         "z" };
    uint8_t dead[4096 + 64];
    crdt_buf content = CRDT_BUF_INIT, told = CRDT_BUF_INIT;
    crdti_writer content_w, runs_w;
    uint32_t i, k, runs = pick(c, 4), at = 0, wide = pick(c, 4);
    memset(dead, 0, sizeof dead);
    for (i = 0; i < x->d.edits_len; i++) {
        const crdti_edit *edit = &x->d.edits[i];
        if (edit->kind == CRDTI_INSERTION_EDIT || edit->name & CRDTI_OUTSIDE)
            continue;
        for (k = 0; k < edit->len; k++)
            dead[edit->kind == CRDTI_FORWARDS_EDIT ? edit->name + k
                                                   : edit->name - k] = 1;
    }
    crdti_writer_init(&runs_w, &told);
    for (i = 0; i < runs; i++) {
        uint32_t gap = pick(c, 64) % (x->d.chars - at + 1);
        uint32_t len = 1 + pick(c, 64);
        if (len > x->d.chars - at - gap)
            break;
        crdti_put_varint(&runs_w, gap);
        crdti_put_varint(&runs_w, len);
        memset(dead + at + gap, 1, len);
        at += gap + len;
    }
    crdti_put_varint(w, i);
    crdti_put_raw(w, crdt_buf_bytes(&told));
    crdti_writer_init(&content_w, &content);
    for (i = 0; i < x->d.chars; i++)
        if (!dead[i])
            crdti_put_raw(
                &content_w,
                crdt_str(chars[wide ? i / 5 % 4 * (wide - 1) % 4 : 0]));
    crdti_put_bytes(w, crdt_buf_bytes(&content));
    crdt_buf_free(&content);
    crdt_buf_free(&told);
}

/* Edits begin with an author; one at least there must be. */
static inline void choose_edits(struct choices *c, const struct build_delta *d,
                                crdt_buf *out)
{
    static const uint8_t one[] = { CRDTI_EDIT_INSERT_NEAR | 3 << 3, 0 };
    size_t len = crdti_min_size(pick(c, 256), (size_t)(c->end - c->ptr));
    uint32_t author = pick(c, (uint32_t)d->replicas_len), i;
    uint8_t head[3];
    crdti_writer w;
    for (i = 0;
         i < FUZZ_OTHERS && replicas[author].top <= replicas[author].base; i++)
        author = (author + 1) % (uint32_t)d->replicas_len;
    head[0] = CRDTI_EDIT_MORE;
    head[1] = (uint8_t)author;
    head[2] = (uint8_t)(pick(c, 64) / 8 * 2); /* zigzag */
    len = crdti_min_size(len, (size_t)(c->end - c->ptr));
    crdti_writer_init(&w, out);
    crdti_put_raw(&w, crdt_bytes_of(head, sizeof head));
    crdti_put_raw(&w, len ? crdt_bytes_of(c->ptr, len)
                          : crdt_bytes_of(one, sizeof one));
    FUZZ_CHECK(!w.err);
    c->ptr += len;
}

/* Edits of that object of the delta. */
static inline void build_section(struct choices *c,
                                 const struct build_delta *d, crdti_writer *w,
                                 uint32_t object, int is_laid_out)
{
    struct reading x;
    crdt_buf edits = CRDT_BUF_INIT;
    crdt_bytes bytes;
    choose_edits(c, d, &edits);
    bytes = crdt_buf_bytes(&edits);
    reading_init(&x, d, bytes);
    x.d.is_laid_out = is_laid_out;
    x.d.is_list = build_type(d, object) == CRDT_LIST;
    bytes.len = read_edits(&x, bytes);
    crdti_put_varint(w, object);
    crdti_put_u8(w, (uint8_t)x.d.is_laid_out);
    crdti_put_varint(w, x.d.edits_len);
    crdti_put_varint(w, x.d.outside_len);
    crdti_put_raw(w, bytes);
    if (x.d.is_list) {
        crdti_put_varint(w, 0); /* nobody says who is dead */
        crdti_put_varint(w, 0); /* no content */
    } else {
        build_content_of(c, w, &x);
    }
    crdti_arena_free(&x.arena);
    crdt_buf_free(&edits);
}

static inline crdt_err join_one(crdt_doc *doc, crdt_bytes payload)
{
    static struct fuzz_look before, after;
    static unsigned count;
    size_t offset;
    int whole = count++ % 32 == 0;
    crdt_err err;
    fuzz_look(&before, doc, whole);
    err = crdti_payload_join(doc, payload, &offset, NULL);
    if (getenv("FUZZ_TALK"))
        fprintf(stderr, "%s at %zu of %zu\n", crdt_err_name(err), offset,
                payload.len);
    fuzz_look(&after, doc, whole);
    if (err)
        FUZZ_CHECK(fuzz_same(&before, &after, whole));
    else if (whole)
        fuzz_sound(doc);
    return err;
}

/* How many characters and elements are visible. */
static inline uint64_t shown_by(const crdt_doc *doc)
{
    uint32_t at;
    uint64_t sum = 0;
    for (at = doc->sequences; at;
         at = crdti_sequence_at(doc, at)->next_sequence)
        sum += crdti_sequence_at(doc, at)->total.chars;
    return sum;
}

/* What the document has, another can be given; in the same order only when
 * nobody forged an origin that no replica can have seen there. */
static inline void give_all(crdt_doc *doc, int who)
{
    crdt_doc *fresh = fuzz_doc_new(who);
    crdt_vv a = CRDT_VV_INIT, b = CRDT_VV_INIT;
    fuzz_pull(fresh, doc);
    fuzz_sound(fresh);
    FUZZ_CHECK(!crdt_doc_vv(doc, &a) && !crdt_doc_vv(fresh, &b));
    FUZZ_CHECK(crdt_vv_compare(&a, &b) == CRDT_EQUAL);
    FUZZ_CHECK(shown_by(doc) == shown_by(fresh));
    crdt_vv_free(&a);
    crdt_vv_free(&b);
    crdt_doc_free(fresh);
}

#endif
