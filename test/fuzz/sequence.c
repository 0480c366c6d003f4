/*
 * Sections of texts that are well-formed and that no honest replica would
 * write: the input is a row of choices, and bytes that are taken for edits as
 * far as they make some. What else a delta needs is put around them. One
 * document joins one after the other, between changes of its own, and must
 * stay sound, and so must one made from its bytes.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/sequence.c -o build/fuzz/sequence
 */
#define CHECK_HONEST 0
#include "../../src/error.h"
#include "../build_delta.h"
#include "doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct choices {
    const uint8_t *ptr, *end;
};

static uint32_t pick(struct choices *c, uint32_t below)
{
    return c->ptr < c->end ? *c->ptr++ % below : 0;
}

enum { OBJECTS = 4, SECTIONS_MAX = 3, EDITS_MAX = 200, OPS_MAX = 2 };

/* The last is the first once more, which no delta should say. */
static const struct build_object objects[OBJECTS] = {
    { 0, CRDT_TEXT, { (const uint8_t *)"text", 4 } },
    { 0, CRDT_MAP, { (const uint8_t *)"k", 1 } },
    { 2, CRDT_TEXT, { (const uint8_t *)"t", 1 } },
    { 0, CRDT_TEXT, { (const uint8_t *)"text", 4 } },
};
static const uint32_t texts[3] = { 1, 3, 4 };

static crdt_obj text_of(crdt_doc *doc, uint32_t n)
{
    if (n % 2 == 0)
        return crdt_map_text(crdt_root(doc), CRDT_STR("text"));
    return crdt_map_text(crdt_map_map(crdt_root(doc), CRDT_STR("k")),
                         CRDT_STR("t"));
}

/* >>honest ---------------------------------------------------------------- */

static const char *const words[] = { "a",
                                     "be",
                                     "\xc3\xa9",
                                     "\xf0\x9f\x98\x80x",
                                     "long enough to be",
                                     "\xe2\x82\xac\xe2\x82\xac" };

static void write_text(struct choices *c, crdt_doc *doc)
{
    uint32_t what = pick(c, 32), many = what / 8 == 3 ? 8 : 1;
    crdt_obj text = text_of(doc, what);
    for (; many > 0; many--) {
        size_t len = crdt_text_len(text, CRDT_CHARS);
        size_t at = pick(c, 256) * (len + 1) / 256;
        size_t gone = crdti_min_size(pick(c, 8), len - at);
        crdt_bytes word = crdt_str(words[pick(c, 6)]);
        (void)crdt_text_replace(text, CRDT_CHARS, at, what / 8 == 0 ? 0 : gone,
                                word);
    }
    if (what == 7)
        (void)crdt_map_remove(crdt_root(doc), CRDT_STR("k"));
    if (what == 6)
        (void)crdt_map_put_int(crdt_root(doc), CRDT_STR("text"), 1);
    (void)crdt_doc_error(doc);
    (void)crdt_commit(doc);
}

/* Replicas 1, 2 and 4 have written, all of which FUZZ_SELF has. */
static crdt_doc *text_doc(void)
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
        write_text(&c, docs[i % 3]);
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

/* >>hostile --------------------------------------------------------------- */

static struct build_replica replicas[FUZZ_OTHERS];
static struct build_op ops[OPS_MAX];
static struct build_pair kills[OPS_MAX];

/* What the text has of each replica, and somewhat more. */
static void choose_replicas(struct choices *c, crdt_doc *doc,
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

/* Now and then one that ends what is above a text. */
static void choose_ops(struct choices *c, struct build_delta *d)
{
    uint32_t what = pick(c, 8), i;
    d->ops = ops;
    for (i = 0; i < what / 4 * (what % 2 + 1) && i < d->replicas_len; i++) {
        struct build_op *op = &ops[d->ops_len];
        const struct build_replica *r = &replicas[i];
        memset(op, 0, sizeof *op);
        op->replica = i;
        op->seq = r->top;
        op->kind = CRDTI_REMOVE;
        op->key = objects[i % 2].key;
        op->kills = &kills[i];
        op->kills_len = 1;
        kills[i].replica = (uint32_t)d->replicas_len - 1;
        kills[i].a = replicas[kills[i].replica].top;
        kills[i].a -= crdti_min(pick(c, 32), kills[i].a - 1);
        if (kills[i].replica == i)
            kills[i].a = crdti_min(kills[i].a, op->seq - 1);
        d->ops_len += r->top > r->base && kills[i].a > 0;
    }
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

static void reading_init(struct reading *x, const struct build_delta *d,
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
    FUZZ_CHECK(!crdti_children_init(&x->e.children, &x->arena, EDITS_MAX));
    x->e.r = &x->r;
    x->e.delta = &x->delta;
    x->e.d = &x->d;
    x->e.next = x->next;
    x->e.cursor = x->e.target = CRDTI_NO_CHAR;
}

/* How many of the bytes make edits. */
static size_t read_edits(struct reading *x, crdt_bytes bytes)
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
static void build_content_of(struct choices *c, crdti_writer *w,
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
static void choose_edits(struct choices *c, const struct build_delta *d,
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

static void build_section(struct choices *c, const struct build_delta *d,
                          crdti_writer *w)
{
    struct reading x;
    crdt_buf edits = CRDT_BUF_INIT;
    crdt_bytes bytes;
    uint32_t what = pick(c, 16), object = texts[what % 7 % 3];
    choose_edits(c, d, &edits);
    bytes = crdt_buf_bytes(&edits);
    reading_init(&x, d, bytes);
    x.d.is_laid_out = what / 14 != 0;
    bytes.len = read_edits(&x, bytes);
    crdti_put_varint(w, object);
    crdti_put_u8(w, (uint8_t)x.d.is_laid_out);
    crdti_put_varint(w, x.d.edits_len);
    crdti_put_varint(w, x.d.outside_len);
    crdti_put_raw(w, bytes);
    build_content_of(c, w, &x);
    crdti_arena_free(&x.arena);
    crdt_buf_free(&edits);
}

static void build_sections(struct choices *c, const struct build_delta *d,
                           crdt_buf *out)
{
    uint32_t i, count = pick(c, 8) ? 1 : 1 + pick(c, SECTIONS_MAX);
    crdti_writer w;
    crdti_writer_init(&w, out);
    crdti_put_varint(&w, count);
    for (i = 0; i < count; i++)
        build_section(c, d, &w);
    FUZZ_CHECK(!w.err);
}

/* Whether it was taken. The bytes are left in `payload`. */
static void choose_delta(struct choices *c, crdt_doc *doc, crdt_buf *payload)
{
    struct build_delta d;
    uint32_t damage = pick(c, 64);
    memset(&d, 0, sizeof d);
    d.objects = objects;
    d.objects_len = OBJECTS;
    choose_replicas(c, doc, &d);
    choose_ops(c, &d);
    payload->len = 0;
    build_payload(&d, payload);
    build_sections(c, &d, payload);
    if (damage == 63)
        payload->ptr[payload->len - 1 - pick(c, 64) % payload->len] ^=
            (uint8_t)(1 + pick(c, 255));
}

static crdt_err join_one(crdt_doc *doc, crdt_bytes payload)
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

/* >>all of it ------------------------------------------------------------- */

/* What the document has, another can be given. */
static void give_all(crdt_doc *doc, int who)
{
    crdt_doc *fresh = fuzz_doc_new(who);
    crdt_digest a, b;
    fuzz_pull(fresh, doc);
    fuzz_sound(fresh);
    a = crdt_doc_digest(doc);
    b = crdt_doc_digest(fresh);
    FUZZ_CHECK(a.hi == b.hi && a.lo == b.lo);
    crdt_doc_free(fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static crdt_buf payload = CRDT_BUF_INIT;
    struct choices c;
    crdt_doc *doc = text_doc(), *fresh = fuzz_doc_new(FUZZ_OTHERS + 1);
    c.ptr = data;
    c.end = data + size;
    while (c.ptr < c.end) {
        if (pick(&c, 4) == 3) {
            write_text(&c, doc);
            continue;
        }
        choose_delta(&c, doc, &payload);
        (void)join_one(doc, crdt_buf_bytes(&payload));
        (void)join_one(fresh, crdt_buf_bytes(&payload));
    }
    fuzz_sound(doc);
    fuzz_sound(fresh);
    give_all(doc, 99);
    give_all(fresh, 98);
    crdt_doc_free(doc);
    crdt_doc_free(fresh);
    return 0;
}
