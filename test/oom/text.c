/*
 * Memory that runs out under every call of texts: writes of all sorts, reads,
 * anchors, and joins of deltas with several texts, with what is deleted, and
 * with what died by what is above it.
 */
#include "../fuzz/doc.h"
#include "refused.h"

#define SMILE "\xf0\x9f\x98\x80"

/* >>the others ------------------------------------------------------------
 * Made once, without failures: two that write in three texts, one of them
 * below a map that goes now and then. */

enum { STEPS = 4, DELTAS = STEPS + 1, TEXTS = 3 };
static crdt_buf deltas[DELTAS]; /* each follows the one before; and all */

static crdt_obj other_text(crdt_doc *one, int n)
{
    static const char *const keys[TEXTS] = { "text", "second", "t" };
    crdt_obj map = crdt_root(one);
    if (n % TEXTS == 2)
        map = crdt_map_map(map, CRDT_STR("map"));
    return crdt_map_text(map, crdt_str(keys[n % TEXTS]));
}

static void other_writes(crdt_doc *one, uint64_t *seed)
{
    static const char *const words[] = { "a", "some words", SMILE "b",
                                         "\xc3\xa9\xc3\xa9" };
    int i;
    for (i = 0; i < 30; i++) {
        crdt_obj text = other_text(one, (int)test_below(seed, TEXTS));
        uint32_t len = (uint32_t)crdt_text_len(text, CRDT_CHARS);
        uint32_t at = test_below(seed, len + 1);
        uint32_t gone =
            test_below(seed, 4) ? 0 : test_below(seed, len - at + 1);
        FUZZ_CHECK(!crdt_text_replace(text, CRDT_CHARS, at, gone,
                                      crdt_str(words[test_below(seed, 4)])));
    }
    FUZZ_CHECK(!crdt_commit(one));
}

static void make_deltas(void)
{
    crdt_doc *a, *b;
    crdt_vv vv = CRDT_VV_INIT;
    uint64_t seed = 1;
    int i;
    if (deltas[0].len)
        return;
    a = fuzz_doc_new(1);
    b = fuzz_doc_new(2);
    for (i = 0; i < STEPS; i++) {
        other_writes(a, &seed);
        other_writes(b, &seed);
        if (i == 2)
            FUZZ_CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("map")));
        FUZZ_CHECK(!crdt_commit(a));
        fuzz_pull(a, b);
        fuzz_pull(b, a);
        FUZZ_CHECK(!crdt_delta(a, &vv, &deltas[i]));
        FUZZ_CHECK(!crdt_doc_vv(a, &vv));
    }
    FUZZ_CHECK(!crdt_delta(b, NULL, &deltas[STEPS]));
    crdt_vv_free(&vv);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* >>scenarios ------------------------------------------------------------- */

/* Whatever was refused on the way, the text reads the same: as it did the
 * first time, when all was granted. */
static void ends_as_ever(int scenario)
{
    static crdt_buf wanted[4];
    struct pause pause = pause_refusing();
    crdt_obj text = crdt_map_text(crdt_root(doc), CRDT_STR("text"));
    crdt_buf is = CRDT_BUF_INIT;
    CHECK_INT(crdt_text_get(text, &is), CRDT_OK);
    if (!wanted[scenario].len)
        CHECK_INT(crdt_text_get(text, &wanted[scenario]), CRDT_OK);
    CHECK(is.len && crdt_bytes_equal(crdt_buf_bytes(&is),
                                     crdt_buf_bytes(&wanted[scenario])));
    crdt_buf_free(&is);
    go_on_refusing(pause);
}

static crdt_obj own_text(crdt_obj map, const char *key)
{
    crdt_obj text;
    STEP(doc, made(doc, &text, crdt_map_text(map, crdt_str(key))));
    return text;
}

static void write_text(crdt_obj text)
{
    static const char *const words[] = { "x", "yz", SMILE };
    size_t i, len;
    STEP(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("hello")));
    for (i = 5; i < 8; i++)
        STEP(doc, crdt_text_insert(text, CRDT_CHARS, i, CRDT_STR("!")));
    STEP(doc, crdt_text_delete(text, CRDT_CHARS, 7, 1));
    STEP(doc, crdt_text_insert(text, CRDT_UTF8, 2, CRDT_STR(SMILE "wide")));
    STEP(doc, crdt_text_replace(text, CRDT_UTF16, 1, 3, CRDT_STR("new")));
    for (i = 0; i < 35; i++) {
        len = crdt_text_len(text, CRDT_CHARS);
        STEP(doc, crdt_text_insert(text, CRDT_CHARS, i * 7919 % len,
                                   crdt_str(words[i % 3])));
    }
    STEP(doc, crdt_text_delete(text, CRDT_CHARS, 3, 12));
    STEP(doc, crdt_text_replace(text, CRDT_CHARS, 2, 9, CRDT_STR("")));
}

static void read_text(crdt_obj text)
{
    crdt_anchor anchor;
    crdt_text_cursor cursor = CRDT_TEXT_CURSOR_INIT;
    size_t at = 0, len = crdt_text_len(text, CRDT_CHARS);
    crdt_err err = CRDT_OK;
    STEP(doc, crdt_text_read(text, CRDT_CHARS, len / 3, len / 3, &sent));
    STEP(doc, crdt_text_get(text, &sent));
    STEP(doc, crdt_text_convert(text, CRDT_CHARS, len / 2, CRDT_UTF8, &at));
    STEP(doc, crdt_text_anchor(text, CRDT_CHARS, len / 2, CRDT_LEFT, &anchor));
    TRY(doc, crdt_text_find(text, &anchor, CRDT_CHARS, &at));
    CHECK_INT(at, len / 2);
    while (!err)
        err = crdt_text_next(text, &cursor);
    CHECK_INT(err, CRDT_ERR_NOT_FOUND);
}

static void live(void)
{
    crdt_obj map, text;
    if (!begin())
        return;
    text = own_text(crdt_root(doc), "text");
    write_text(text);
    read_text(text);
    STEP(doc, crdt_commit(doc));
    STEP(doc, made(doc, &map, crdt_map_map(crdt_root(doc), CRDT_STR("map"))));
    text = own_text(map, "t");
    write_text(text);
    STEP(doc, crdt_map_remove(crdt_root(doc), CRDT_STR("map")));
    STEP(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("again")));
    STEP(doc, crdt_map_put_int(crdt_root(doc), CRDT_STR("text"), 1));
    text = own_text(crdt_root(doc), "text");
    STEP(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("once more")));
    STEP(doc, crdt_commit(doc));
    TRY(doc, crdt_delta(doc, NULL, &sent));
    STEP(doc, crdt_canonical(doc, &sent));
    CHECK_INT(iterate(crdt_map_next, crdt_root(doc)), 2);
    ends_as_ever(0);
    clear(crdt_map_clear, crdt_root(doc));
}

static void exchange(void)
{
    crdt_obj text;
    int i;
    if (!begin())
        return;
    text = own_text(crdt_root(doc), "text");
    STEP(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("mine")));
    STEP(doc, crdt_commit(doc));
    for (i = 0; i < STEPS; i++) {
        TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[i])));
        STEP(doc,
             crdt_text_replace(text, CRDT_CHARS, 1, 2, CRDT_STR("between")));
        STEP(doc, crdt_commit(doc));
    }
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[STEPS])));
    read_text(text);
    STEP(doc, crdt_doc_vv(doc, &vector));
    TRY(doc, crdt_delta(doc, NULL, &sent));
    STEP(doc, crdt_doc_reincarnate(doc));
    STEP(doc, crdt_text_insert(text, CRDT_CHARS, 1, CRDT_STR("reborn")));
    STEP(doc, crdt_commit(doc));
    TRY(doc, crdt_delta(doc, &vector, &sent));
    STEP(doc, crdt_truncate(doc, &vector));
    TRY(doc, crdt_delta(doc, NULL, &sent));
    ends_as_ever(1);
}

/* Straight into an empty document: all at once, and bit by bit. */
static void arrive(void)
{
    if (!begin())
        return;
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[STEPS])));
    ends_as_ever(2);
}

static void arrive_slowly(void)
{
    int i;
    if (!begin())
        return;
    for (i = 0; i < DELTAS; i++)
        TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[i])));
    ends_as_ever(3);
}

TEST(every_request_of_writes_and_reads_is_refused)
{
    run_out(live);
}

TEST(every_request_of_an_exchange_is_refused)
{
    make_deltas();
    run_out(exchange);
}

TEST(every_request_of_joins_into_an_empty_document_is_refused)
{
    make_deltas();
    run_out(arrive);
    run_out(arrive_slowly);
}

TEST_MAIN(CASE(every_request_of_writes_and_reads_is_refused),
          CASE(every_request_of_an_exchange_is_refused),
          CASE(every_request_of_joins_into_an_empty_document_is_refused))
