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
#include "edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OBJECTS = 4, SECTIONS_MAX = 3, OPS_MAX = 2 };

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

/* >>hostile --------------------------------------------------------------- */

static struct build_op ops[OPS_MAX];
static struct build_pair kills[OPS_MAX];

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

static void build_sections(struct choices *c, const struct build_delta *d,
                           crdt_buf *out)
{
    uint32_t i, count = pick(c, 8) ? 1 : 1 + pick(c, SECTIONS_MAX);
    crdti_writer w;
    crdti_writer_init(&w, out);
    crdti_put_varint(&w, count);
    for (i = 0; i < count; i++) {
        uint32_t what = pick(c, 16);
        build_section(c, d, &w, texts[what % 7 % 3], what / 14 != 0);
    }
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

/* >>all of it ------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static crdt_buf payload = CRDT_BUF_INIT;
    struct choices c;
    crdt_doc *doc = written_doc(write_text),
             *fresh = fuzz_doc_new(FUZZ_OTHERS + 1);
    c.ptr = data;
    c.end = data + size;
    while (c.ptr < c.end) {
        uint32_t what = pick(&c, 32);
        if (what % 4 == 3) {
            if (what / 16)
                fuzz_forget(doc, what / 8 & 1);
            else
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
