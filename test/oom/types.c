/*
 * Memory that runs out under every call of every type: writes, reads, joins of
 * all there is, a document made again from its bytes, paths, and watching.
 */
#include "../fuzz/doc.h"
#include "../mirror.h"
#include "refused.h"

/* >>the others ------------------------------------------------------------
 * Made once, without failures: three that write all types. */

enum { SNAPSHOT = 2, CANONICAL = 3, DELTAS = 4 };
static crdt_buf deltas[DELTAS]; /* two that follow each other, and two whole */

/* What others write too, at the same places. */
static void write_conflicts(crdt_doc *one, crdt_bytes text)
{
    crdt_obj map = crdt_map_map(crdt_root(one), CRDT_STR("map"));
    crdt_obj reg = crdt_map_register(map, CRDT_STR("r"));
    FUZZ_CHECK(!crdt_register_set(reg, crdt_string(text)));
    FUZZ_CHECK(!crdt_map_put_str(crdt_root(one), CRDT_STR("k"), text));
    FUZZ_CHECK(!crdt_commit(one));
}

/* Rights for replica 20, which is ours, and has added nothing itself. */
static void give(crdt_doc *one, int64_t amount)
{
    crdt_obj bounded = fuzz_object(one, CRDT_BOUNDED);
    crdt_id id = fuzz_id(20);
    FUZZ_CHECK(!crdt_bounded_add(bounded, amount));
    FUZZ_CHECK(!crdt_bounded_transfer(bounded, &id, amount));
    FUZZ_CHECK(!crdt_commit(one));
}

static void make_deltas(void)
{
    crdt_doc *docs[3];
    crdt_vv vv = CRDT_VV_INIT;
    unsigned i;
    if (deltas[0].len)
        return;
    fuzz_history(docs, 40);
    write_conflicts(docs[0], CRDT_STR("a string of the others"));
    give(docs[0], 6);
    FUZZ_CHECK(!crdt_delta(docs[0], NULL, &deltas[0]));
    FUZZ_CHECK(!crdt_doc_vv(docs[0], &vv));
    for (i = 40; i < 80; i++) {
        fuzz_write(docs[i % 3], i * 7 + i / 16);
        crdt_commit(docs[i % 3]);
    }
    fuzz_pull(docs[0], docs[1]);
    fuzz_pull(docs[0], docs[2]);
    FUZZ_CHECK(!crdt_delta(docs[0], &vv, &deltas[1]));
    FUZZ_CHECK(!crdt_doc_vv(docs[0], &vv));
    FUZZ_CHECK(!crdt_truncate(docs[0], &vv));
    FUZZ_CHECK(!crdt_delta(docs[0], NULL, &deltas[SNAPSHOT]));
    FUZZ_CHECK(!crdt_canonical(docs[0], &deltas[CANONICAL]));
    for (i = 0; i < 3; i++)
        crdt_doc_free(docs[i]);
    crdt_vv_free(&vv);
}

/* >>writing --------------------------------------------------------------- */

/* Where the others have theirs. */
static crdt_obj types_map(void)
{
    crdt_obj map;
    STEP(doc,
         made(doc, &map, crdt_map_map(crdt_root(doc), CRDT_STR("types"))));
    return map;
}

static crdt_obj object(crdt_type type)
{
    crdt_obj map = types_map(), obj;
    crdt_bytes key = crdt_str(crdt_type_name(type));
    STEP(doc, made(doc, &obj, crdt_map_object(map, key, type)));
    return obj;
}

static void write_counters(void)
{
    crdt_obj counter = object(CRDT_GCOUNTER);
    crdt_obj bounded = object(CRDT_BOUNDED);
    crdt_id self = crdt_doc_replica(doc), other = fuzz_id(200);
    int64_t value = 0;
    STEP(doc, crdt_counter_add(counter, 5));
    STEP(doc, crdt_counter_add(counter, 5));
    STEP(doc, crdt_counter_get(counter, &value));
    STEP(doc, crdt_bounded_add(bounded, 10));
    STEP(doc, crdt_bounded_take(bounded, 3));
    STEP(doc, crdt_bounded_transfer(bounded, &other, 2));
    STEP(doc, crdt_bounded_transfer(bounded, &other, 1));
    STEP(doc, crdt_bounded_get(bounded, &value));
    STEP(doc, crdt_bounded_rights(bounded, &self, &value));
    STEP(doc, crdt_bounded_rights(bounded, &other, &value));
    CHECK(value >= 3);
}

static void write_extremes(void)
{
    static const char text[] = "a string that does not fit inside";
    crdt_obj max = object(CRDT_MAX), min = object(CRDT_MIN);
    crdt_value value;
    STEP(doc, crdt_max_set(max, crdt_int(7)));
    STEP(doc, crdt_max_set(max, crdt_string(crdt_str(text))));
    STEP(doc, crdt_max_set(max, crdt_int(8)));
    STEP(doc, crdt_max_get(max, &value));
    STEP(doc, crdt_min_set(min, crdt_string(crdt_str(text))));
    STEP(doc, crdt_min_set(min, crdt_int(7)));
    STEP(doc, crdt_min_get(min, &value));
}

static void write_flags(void)
{
    crdt_obj flags[2];
    int i, on = 0;
    flags[0] = object(CRDT_EW_FLAG);
    flags[1] = object(CRDT_DW_FLAG);
    for (i = 0; i < 2; i++) {
        STEP(doc, crdt_flag_set(flags[i], 1));
        STEP(doc, crdt_flag_set(flags[i], 0));
        STEP(doc, crdt_flag_set(flags[i], 1));
        STEP(doc, crdt_flag_get(flags[i], &on));
        CHECK(on);
    }
}

/* Nothing that another round would find removed for good. */
static void write_set(crdt_type type)
{
    crdt_obj set = object(type);
    crdt_value once = crdt_int(1000 + (int64_t)doc->written);
    int i;
    for (i = 0; i < 3; i++)
        STEP(doc, crdt_set_add(set, crdt_int(100 + i)));
    STEP(doc, crdt_set_add(set, crdt_string(CRDT_STR("longer than a row "
                                                     "or an entry takes"))));
    STEP(doc, crdt_set_add(set, once));
    CHECK(crdt_set_has(set, once));
    CHECK_INT(iterate(crdt_set_next, set), crdt_set_size(set));
    if (type == CRDT_GSET)
        return;
    STEP(doc, crdt_set_remove(set, once));
    CHECK(!crdt_set_has(set, once));
    if (type == CRDT_RW_SET || type >= CRDT_LWW_SET)
        STEP(doc, crdt_set_remove(set, crdt_int(2000)));
}

static void write_sets(void)
{
    int type;
    for (type = CRDT_AW_SET; type <= CRDT_LWW_SET_RM; type++)
        write_set((crdt_type)type);
}

static void write_all(void)
{
    write_counters();
    write_extremes();
    write_flags();
    write_sets();
}

/* >>scenarios ------------------------------------------------------------- */

static void clear_sets(void)
{
    int type;
    for (type = CRDT_AW_SET; type <= CRDT_LWW_SET_RM; type++)
        if (type != CRDT_GSET) {
            crdt_obj set = object((crdt_type)type);
            clear(crdt_set_clear, set);
            CHECK_INT(crdt_set_size(set), 0);
        }
}

/* Each with all in it; and a handle of old brings it back. */
static void remove_all(void)
{
    crdt_obj map = types_map(), counter = object(CRDT_GCOUNTER);
    int type;
    for (type = CRDT_GCOUNTER; type < CRDT_TYPE_COUNT; type++) {
        crdt_bytes key = crdt_str(crdt_type_name((crdt_type)type));
        if (crdt_map_has(map, key))
            STEP(doc, crdt_map_remove(map, key));
    }
    STEP(doc, crdt_counter_add(counter, 1));
    write_extremes();
    STEP(doc, crdt_map_remove(crdt_root(doc), CRDT_STR("types")));
}

static void live(void)
{
    if (!begin())
        return;
    write_all();
    clear_sets();
    write_flags();
    remove_all();
    write_counters();
    STEP(doc, crdt_commit(doc));
}

static void join_all(void)
{
    if (!begin())
        return;
    write_all();
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[0])));
    write_flags();
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[1])));
    write_counters();
    remove_all();
    STEP(doc, crdt_commit(doc));
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[SNAPSHOT])));
    STEP(doc, crdt_delta(doc, NULL, &sent));
    STEP(doc, crdt_canonical(doc, &sent));
    STEP(doc, crdt_doc_vv(doc, &vector));
    STEP(doc, crdt_truncate(doc, &vector));
}

static void reopen_snapshot(void)
{
    if (!begin())
        return;
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[SNAPSHOT])));
    write_all();
}

static void reopen_canonical(void)
{
    size_t offset;
    if (!begin())
        return;
    STEP(doc, crdt_join_at(doc, crdt_buf_bytes(&deltas[CANONICAL]), &offset));
    write_all();
}

/* What was given goes when the key above goes. */
static void take_what_was_given(void)
{
    int64_t value = -1;
    crdt_id self;
    crdt_obj bounded;
    if (!begin())
        return;
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[0])));
    bounded = object(CRDT_BOUNDED);
    self = crdt_doc_replica(doc);
    STEP(doc, crdt_bounded_rights(bounded, &self, &value));
    CHECK_INT(value, 6);
    STEP(doc, crdt_map_remove(crdt_root(doc), CRDT_STR("types")));
    STEP(doc, crdt_bounded_rights(bounded, &self, &value));
    CHECK_INT(value, 0);
}

static void count_version(void *ctx, const crdt_version *version)
{
    (void)version;
    ++*(int *)ctx;
}

static void read_conflicts(void)
{
    crdt_obj map, reg;
    crdt_bytes text = CRDT_STR("a string of ours");
    crdt_value value;
    int versions = 0;
    if (!begin())
        return;
    STEP(doc, made(doc, &map, crdt_map_map(crdt_root(doc), CRDT_STR("map"))));
    STEP(doc, made(doc, &reg, crdt_map_register(map, CRDT_STR("r"))));
    STEP(doc, crdt_register_set(reg, crdt_string(text)));
    STEP(doc, crdt_map_put_str(crdt_root(doc), CRDT_STR("k"), text));
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[0])));
    STEP(doc, crdt_register_versions(reg, count_version, &versions));
    STEP(doc, crdt_register_get(reg, &value));
    CHECK(versions > 1);
    versions = 0;
    STEP(doc, crdt_map_versions(crdt_root(doc), CRDT_STR("k"), count_version,
                                &versions));
    CHECK(versions > 1);
    CHECK_INT(iterate(crdt_map_next, map), crdt_map_size(map));
}

static void follow_paths(void)
{
    crdt_obj map, deep, set;
    crdt_value value;
    if (!begin())
        return;
    STEP(doc, made(doc, &map, crdt_map_map(crdt_root(doc), CRDT_STR(""))));
    STEP(doc, made(doc, &deep, crdt_map_map(map, CRDT_STR("a long ~/ key"))));
    STEP(doc,
         made(doc, &set, crdt_map_object(deep, CRDT_STR("set"), CRDT_AW_SET)));
    STEP(doc, crdt_map_put_int(deep, CRDT_STR("x"), 1));
    STEP(doc, crdt_path(set, &sent));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&sent),
                           CRDT_STR("//a long ~0~1 key/set")));
    STEP(doc, crdt_at(doc, crdt_buf_bytes(&sent), &value));
    CHECK(value.kind == CRDT_OBJECT && value.as.object.index == set.index);
    STEP(doc, crdt_at(doc, CRDT_STR("//a long ~0~1 key/x"), &value));
}

/* >>texts ------------------------------------------------------------------
 * Without memory for what makes finding faster they go on without it. */

enum { FIRST_EDITS, LATER_EDITS, WHOLE_TEXT, CANONICAL_TEXT, TEXT_DELTAS };
static crdt_buf text_deltas[TEXT_DELTAS];

/* Here and there, and more than one leaf holds. */
static void write_their_text(crdt_doc *one, unsigned rounds)
{
    crdt_obj text = fuzz_object(one, CRDT_TEXT);
    unsigned i;
    for (i = 0; i < rounds; i++) {
        size_t len = crdt_text_len(text, CRDT_CHARS);
        FUZZ_CHECK(!crdt_text_insert(text, CRDT_CHARS, i * 7 % (len + 1),
                                     crdt_str(i % 3 ? "ab" : "\xc3\xa4")));
        if (i % 4 == 3)
            FUZZ_CHECK(!crdt_text_delete(text, CRDT_CHARS, len / 2, 1));
    }
    FUZZ_CHECK(!crdt_commit(one));
}

static void make_text_deltas(void)
{
    crdt_doc *a = fuzz_doc_new(0), *b = fuzz_doc_new(1);
    crdt_vv vv = CRDT_VV_INIT;
    if (!text_deltas[0].len) {
        write_their_text(a, 60);
        FUZZ_CHECK(!crdt_doc_vv(a, &vv));
        FUZZ_CHECK(!crdt_delta(a, NULL, &text_deltas[FIRST_EDITS]));
        fuzz_pull(b, a);
        write_their_text(b, 20);
        write_their_text(a, 20);
        fuzz_pull(a, b);
        FUZZ_CHECK(!crdt_delta(a, &vv, &text_deltas[LATER_EDITS]));
        FUZZ_CHECK(!crdt_delta(a, NULL, &text_deltas[WHOLE_TEXT]));
        FUZZ_CHECK(!crdt_canonical(a, &text_deltas[CANONICAL_TEXT]));
    }
    crdt_doc_free(a);
    crdt_doc_free(b);
    crdt_vv_free(&vv);
}

/* Calls that go on at the cursor, and calls that do not. */
static void write_text(crdt_obj text)
{
    static const char wide[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    size_t i;
    TRY(doc, crdt_text_insert(text, CRDT_UTF8, 0, CRDT_STR("some words")));
    TRY(doc, crdt_text_insert(text, CRDT_UTF8, 10, CRDT_STR("s")));
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 4, crdt_str(wide)));
    TRY(doc, crdt_text_delete(text, CRDT_CHARS, 2, 3));
    TRY(doc, crdt_text_replace(text, CRDT_UTF16, 0, 1, crdt_str(wide)));
    for (i = 0; i < 12; i++) {
        TRY(doc,
            crdt_text_insert(text, CRDT_CHARS, 3 * i % 11, CRDT_STR("xyz")));
        TRY(doc, crdt_text_delete(text, CRDT_CHARS, 3 * i % 11 + 1, 1));
    }
}

static void read_text(crdt_obj text)
{
    size_t len = crdt_text_len(text, CRDT_CHARS), at;
    crdt_anchor anchor;
    TRY(doc, crdt_text_anchor(text, CRDT_CHARS, 3, CRDT_LEFT, &anchor));
    TRY(doc, crdt_text_delete(text, CRDT_CHARS, 1, 1));
    TRY(doc, crdt_text_find(text, &anchor, CRDT_CHARS, &at));
    CHECK_INT(at, 2);
    TRY(doc, crdt_text_convert(text, CRDT_CHARS, 2, CRDT_UTF16, &at));
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), len - 1);
    sent.len = 0;
    TRY(doc, crdt_text_get(text, &sent));
    CHECK_INT(sent.len, crdt_text_len(text, CRDT_UTF8));
    sent.len = 0;
    TRY(doc, crdt_text_read(text, CRDT_CHARS, 1, 5, &sent));
    CHECK(sent.len >= 5);
}

static void live_texts(void)
{
    crdt_obj text;
    if (!begin())
        return;
    text = object(CRDT_TEXT);
    write_text(text);
    read_text(text);
    TRY(doc, crdt_map_remove(crdt_root(doc), CRDT_STR("types")));
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), 0);
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("again")));
    TRY(doc, crdt_commit(doc));
    STEP(doc, crdt_delta(doc, NULL, &sent));
    STEP(doc, crdt_canonical(doc, &sent));
}

static void join_texts(void)
{
    crdt_obj text;
    if (!begin())
        return;
    text = object(CRDT_TEXT);
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("ours")));
    TRY(doc, crdt_commit(doc));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&text_deltas[FIRST_EDITS])));
    write_text(text);
    TRY(doc, crdt_commit(doc));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&text_deltas[LATER_EDITS])));
    read_text(text);
    TRY(doc, crdt_map_remove(crdt_root(doc), CRDT_STR("types")));
    TRY(doc, crdt_commit(doc));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&text_deltas[WHOLE_TEXT])));
    STEP(doc, crdt_delta(doc, NULL, &sent));
    STEP(doc, crdt_doc_vv(doc, &vector));
    STEP(doc, crdt_truncate(doc, &vector));
}

static void reopen_text(void)
{
    if (!begin())
        return;
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&text_deltas[WHOLE_TEXT])));
    write_text(object(CRDT_TEXT));
}

static void reopen_canonical_text(void)
{
    if (!begin())
        return;
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&text_deltas[CANONICAL_TEXT])));
    read_text(object(CRDT_TEXT));
}

/* >>watching --------------------------------------------------------------
 * The watcher keeps a copy, and reads anew when it is told that something was
 * LOST. A refused request may lose something, but never tell what is not. */

static mirror copy;
static unsigned lost;

static void told(void *ctx, crdt_doc *of, const crdt_patch *patches,
                 size_t len)
{
    struct pause pause = pause_refusing();
    mirror_told(ctx, of, patches, len);
    if (!crdt_doc_uncommitted(of))
        CHECK(mirror_is_right(&copy));
    go_on_refusing(pause);
}

static void watched(void)
{
    struct pause pause;
    if (!begin())
        return;
    write_flags();
    STEP(doc, crdt_commit(doc));
    pause = pause_refusing();
    mirror_init(&copy, doc);
    go_on_refusing(pause);
    STEP(doc, crdt_doc_watch(doc, told, &copy));
    write_all();
    STEP(doc, crdt_commit(doc));
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[0])));
    write_flags();
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&deltas[1])));
    remove_all();
    write_counters();
    STEP(doc, crdt_commit(doc));
}

/* What has not been told yet is told with the next commit. */
static void end_watching(void)
{
    if (doc->watch) {
        CHECK_INT(crdt_commit(doc), CRDT_OK);
        CHECK(mirror_is_right(&copy));
        CHECK(!copy.lost || memory.failures);
        lost += copy.lost;
    }
    mirror_end(&copy);
}

/* >>tests ----------------------------------------------------------------- */

TEST(every_request_of_writes_is_refused)
{
    run_out(live);
}

TEST(every_request_of_joins_is_refused)
{
    make_deltas();
    run_out(join_all);
    run_out(take_what_was_given);
}

TEST(every_request_of_reopening_is_refused)
{
    make_deltas();
    run_out(reopen_snapshot);
    run_out(reopen_canonical);
}

TEST(every_request_of_reading_is_refused)
{
    make_deltas();
    run_out(read_conflicts);
    run_out(follow_paths);
}

TEST(every_request_of_texts_is_refused)
{
    make_text_deltas();
    run_out(live_texts);
    run_out(join_texts);
    run_out(reopen_text);
    run_out(reopen_canonical_text);
}

TEST(every_request_of_watching_is_refused)
{
    make_deltas();
    lost = 0;
    at_end = end_watching;
    run_out(watched);
    at_end = NULL;
    CHECK(lost * stride > 20);
}

TEST_MAIN(CASE(every_request_of_writes_is_refused),
          CASE(every_request_of_joins_is_refused),
          CASE(every_request_of_reopening_is_refused),
          CASE(every_request_of_reading_is_refused),
          CASE(every_request_of_texts_is_refused),
          CASE(every_request_of_watching_is_refused))
