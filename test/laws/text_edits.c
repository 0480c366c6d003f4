/*
 * One writer's edits against a plain array of characters: each edit in each
 * unit at random, and crdt_text_set from any text to any other.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"
#include "text_model.h"

enum { MAX_LEN = 3000, MAX_EDIT = 40 };

typedef struct {
    uint32_t codes[MAX_LEN];
    size_t len;
} plain;

static uint64_t seed;

static size_t upto(size_t most)
{
    return test_below(&seed, (uint32_t)most + 1);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* >>plain texts ----------------------------------------------------------- */

/* Letters, and what is wider: combining marks, what joins emoji, emoji. */
static uint32_t any_code(void)
{
    static const uint32_t wide[] = { 0x301,   0x308,    0x200d,  0xfe0f,
                                     0x1f468, 0x1f469,  0x1f3fd, 0xe9,
                                     0x4e2d,  0x10ffff, 0xffff,  0 };
    return upto(2) ? 'a' + (uint32_t)upto(25) : wide[upto(11)];
}

static size_t units_of(uint32_t code, crdt_unit unit)
{
    uint8_t bytes[4];
    if (unit == CRDT_UTF8)
        return text_put(bytes, code);
    return unit == CRDT_UTF16 && code > 0xffff ? 2 : 1;
}

/* Where the at-th character begins. */
static size_t plain_at(const plain *p, crdt_unit unit, size_t at)
{
    size_t i, units = 0;
    for (i = 0; i < at; i++)
        units += units_of(p->codes[i], unit);
    return units;
}

static void plain_replace(plain *p, size_t at, size_t deleted,
                          const uint32_t *codes, size_t len)
{
    size_t behind = at + deleted;
    memmove(p->codes + at + len, p->codes + behind,
            (p->len - behind) * sizeof *p->codes);
    memcpy(p->codes + at, codes, len * sizeof *codes);
    p->len += len - deleted;
}

static crdt_buf bytes_of(const uint32_t *codes, size_t len)
{
    crdt_buf out = CRDT_BUF_INIT;
    size_t i;
    out.ptr = (uint8_t *)malloc(out.cap = 4 * len + 1);
    if (!out.ptr)
        abort();
    for (i = 0; i < len; i++)
        out.len += text_put(out.ptr + out.len, codes[i]);
    return out;
}

/* >>documents ------------------------------------------------------------- */

static crdt_doc *doc_new(uint8_t number)
{
    crdt_config config;
    crdt_doc *doc = NULL;
    crdt_id id;
    memset(&config, 0, sizeof config);
    memset(&id, number, sizeof id);
    config.replica = &id;
    if (crdt_doc_new(&doc, &config))
        abort();
    return doc;
}

static crdt_obj text_of(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("text"));
}

/* Takes what the other has; how many bytes that was. */
static size_t pull(crdt_doc *to, crdt_doc *from)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf delta = CRDT_BUF_INIT;
    size_t len;
    CHECK_INT(crdt_doc_vv(to, &vv), CRDT_OK);
    CHECK_INT(crdt_commit(from), CRDT_OK);
    CHECK_INT(crdt_delta(from, &vv, &delta), CRDT_OK);
    CHECK_INT(crdt_join(to, crdt_buf_bytes(&delta)), CRDT_OK);
    len = delta.len;
    crdt_vv_free(&vv);
    crdt_buf_free(&delta);
    return len;
}

static int reads(crdt_obj text, const plain *p)
{
    crdt_buf want = bytes_of(p->codes, p->len), got = CRDT_BUF_INIT;
    int equal = crdt_text_get(text, &got) == CRDT_OK &&
                crdt_bytes_equal(crdt_buf_bytes(&got), crdt_buf_bytes(&want));
    crdt_buf_free(&want);
    crdt_buf_free(&got);
    return equal;
}

/* >>edits ----------------------------------------------------------------- */

/* One edit, here and there. Texts grow to some hundreds and shrink again. */
static crdt_err edit(crdt_obj text, plain *p, crdt_unit unit, size_t *cursor)
{
    uint32_t codes[MAX_EDIT];
    size_t i, at, deleted, inserted, from, to;
    crdt_buf bytes;
    crdt_err err;
    at = upto(1) ? least(*cursor, p->len) : upto(p->len);
    deleted = upto(2) ? 0 : upto(least(p->len - at, upto(80) ? 3 : 2000));
    inserted = upto(2) ? upto(upto(9) ? 2 : MAX_EDIT) : 0;
    if (p->len + inserted > MAX_LEN)
        inserted = 0;
    for (i = 0; i < inserted; i++)
        codes[i] = any_code();
    bytes = bytes_of(codes, inserted);
    from = plain_at(p, unit, at);
    to = plain_at(p, unit, at + deleted);
    err =
        crdt_text_replace(text, unit, from, to - from, crdt_buf_bytes(&bytes));
    crdt_buf_free(&bytes);
    plain_replace(p, at, deleted, codes, inserted);
    *cursor = at + inserted;
    return err;
}

static void check_lens(crdt_obj text, const plain *p)
{
    int unit;
    for (unit = 0; unit < 3; unit++)
        CHECK_INT(crdt_text_len(text, (crdt_unit)unit),
                  plain_at(p, (crdt_unit)unit, p->len));
}

static void edit_at_random(crdt_unit unit, size_t edits)
{
    crdt_doc *doc = doc_new(1), *other = doc_new(2);
    crdt_obj text = text_of(doc);
    plain p;
    size_t i, cursor = 0;
    p.len = 0;
    for (i = 0; i < edits && !test_failures_in_case; i++) {
        CHECK_INT(edit(text, &p, unit, &cursor), CRDT_OK);
        check_lens(text, &p);
        if (i % 10 == 0)
            CHECK(reads(text, &p));
        if (i % 100 == 0) {
            pull(other, doc);
            CHECK(reads(text_of(other), &p));
        }
    }
    CHECK(reads(text, &p));
    if (test_failures_in_case)
        printf("edit %u of %s\n", (unsigned)i,
               unit == CRDT_CHARS  ? "characters"
               : unit == CRDT_UTF8 ? "bytes"
                                   : "units");
    crdt_doc_free(doc);
    crdt_doc_free(other);
}

TEST(edits_in_all_units)
{
    seed = test_env("CRDT_SEED", 1);
    edit_at_random(CRDT_CHARS, 10000);
    edit_at_random(CRDT_UTF8, 10000);
    edit_at_random(CRDT_UTF16, 10000);
}

/* >>setting --------------------------------------------------------------- */

static void plain_fill(plain *p, size_t len)
{
    for (p->len = 0; p->len < len; p->len++)
        p->codes[p->len] = any_code();
}

/* A text like it, or any other. */
static void plain_change(plain *p)
{
    size_t edits = upto(4);
    if (edits == 0)
        plain_fill(p, upto(upto(9) ? 100 : 2000));
    while (edits-- > 0 && p->len < MAX_LEN - 10) {
        uint32_t codes[8];
        size_t at = upto(p->len), i, len = upto(8);
        for (i = 0; i < len; i++)
            codes[i] = any_code();
        plain_replace(p, at, upto(least(8, p->len - at)), codes, len);
    }
}

/* How much is equal at the beginning, and at the end behind that. */
static size_t equal_begin(const plain *a, const plain *b)
{
    size_t n = 0;
    while (n < a->len && n < b->len && a->codes[n] == b->codes[n])
        n++;
    return n;
}

static size_t equal_end(const plain *a, const plain *b)
{
    size_t n = 0;
    while (n < a->len && n < b->len &&
           a->codes[a->len - n - 1] == b->codes[b->len - n - 1])
        n++;
    return n;
}

static size_t found(crdt_obj text, const crdt_anchor *anchor)
{
    size_t at = (size_t)-1;
    CHECK_INT(crdt_text_find(text, anchor, CRDT_CHARS, &at), CRDT_OK);
    return at;
}

/* What is equal on both sides keeps its dots: anchors find it. Where the two
 * overlap it could be either that stays. */
static void set_and_check(crdt_obj text, plain *p)
{
    plain before = *p;
    crdt_anchor begin, end;
    crdt_buf bytes;
    size_t first, last;
    plain_change(p);
    first = equal_begin(&before, p);
    last = equal_end(&before, p);
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, first, CRDT_LEFT, &begin),
              CRDT_OK);
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, before.len - last, CRDT_RIGHT,
                               &end),
              CRDT_OK);
    bytes = bytes_of(p->codes, p->len);
    CHECK_INT(crdt_text_set(text, crdt_buf_bytes(&bytes)), CRDT_OK);
    crdt_buf_free(&bytes);
    CHECK(reads(text, p));
    if (first + last > before.len || first + last > p->len)
        return;
    CHECK_INT(found(text, &begin), first);
    CHECK_INT(found(text, &end), p->len - last);
}

TEST(set_from_any_to_any)
{
    crdt_doc *doc = doc_new(1), *other = doc_new(2);
    crdt_obj text = text_of(doc);
    plain p;
    int i;
    seed = test_env("CRDT_SEED", 2);
    p.len = 0;
    for (i = 0; i < 2000 && !test_failures_in_case; i++) {
        set_and_check(text, &p);
        if (i % 10 == 0) {
            pull(other, doc);
            CHECK(reads(text_of(other), &p));
        }
    }
    CHECK_INT(crdt_text_set(text, CRDT_STR("a\xff")), CRDT_ERR_ARG);
    CHECK(reads(text, &p));
    crdt_doc_free(doc);
    crdt_doc_free(other);
}

/* Few characters that differ, here and there, are few bytes to send; and to
 * set what stands there writes nothing. */
TEST(set_writes_what_differs)
{
    crdt_doc *doc = doc_new(1), *other = doc_new(2);
    plain p;
    crdt_buf bytes;
    size_t nothing;
    seed = 3;
    plain_fill(&p, MAX_LEN);
    bytes = bytes_of(p.codes, p.len);
    CHECK_INT(crdt_text_set(text_of(doc), crdt_buf_bytes(&bytes)), CRDT_OK);
    CHECK(pull(other, doc) > bytes.len);
    CHECK_INT(crdt_text_set(text_of(doc), crdt_buf_bytes(&bytes)), CRDT_OK);
    CHECK(!crdt_doc_uncommitted(doc));
    crdt_buf_free(&bytes);
    nothing = pull(other, doc);
    p.codes[10] = 'X';
    p.codes[MAX_LEN / 2] = 'Y';
    p.codes[MAX_LEN - 10] = 'Z';
    bytes = bytes_of(p.codes, p.len);
    CHECK_INT(crdt_text_set(text_of(doc), crdt_buf_bytes(&bytes)), CRDT_OK);
    CHECK(pull(other, doc) < nothing + 60);
    CHECK(reads(text_of(other), &p));
    crdt_buf_free(&bytes);
    crdt_doc_free(doc);
    crdt_doc_free(other);
}

/* What others write meanwhile stays where it was written. */
TEST(set_and_others_at_once)
{
    crdt_doc *a = doc_new(1), *b = doc_new(2);
    crdt_buf got = CRDT_BUF_INIT;
    CHECK_INT(crdt_text_set(text_of(a), CRDT_STR("the quick brown fox")),
              CRDT_OK);
    pull(b, a);
    CHECK_INT(crdt_text_set(text_of(a), CRDT_STR("a quick red fox")), CRDT_OK);
    CHECK_INT(crdt_text_set(text_of(b), CRDT_STR("the quick brown foxes run")),
              CRDT_OK);
    CHECK_INT(crdt_text_insert(text_of(b), CRDT_CHARS, 9, CRDT_STR("est")),
              CRDT_OK);
    pull(b, a);
    pull(a, b);
    CHECK_INT(crdt_text_get(text_of(a), &got), CRDT_OK);
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&got),
                           CRDT_STR("a quickest red foxes run")));
    got.len = 0;
    CHECK_INT(crdt_text_get(text_of(b), &got), CRDT_OK);
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&got),
                           CRDT_STR("a quickest red foxes run")));
    crdt_buf_free(&got);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST_MAIN(CASE(edits_in_all_units), CASE(set_from_any_to_any),
          CASE(set_writes_what_differs), CASE(set_and_others_at_once))
