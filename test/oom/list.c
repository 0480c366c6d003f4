/*
 * Memory that runs out under every call of lists. A call that was refused has
 * changed nothing; what elements show and hide needs none (span.h).
 */
#include "../mirror.h"
#include "refused.h"

#define LETTER(text) crdt_string(CRDT_STR(text))

static crdt_obj root_list(crdt_doc *of)
{
    return crdt_map_list(crdt_root(of), CRDT_STR("list"));
}

/* >>what others write ------------------------------------------------------ */

enum { DELTAS = 3 };
static crdt_buf deltas[DELTAS];
static crdt_digest digests[DELTAS]; /* of who has joined so many */

/* By three deltas: elements, moves and changes, and all that is gone. */
static void make_deltas(void)
{
    crdt_doc *one = NULL;
    crdt_vv vv = CRDT_VV_INIT;
    crdt_obj list, map, text;
    int i, round;
    if (deltas[0].len)
        return;
    CHECK(!doc_new(&one, NULL, 1));
    list = root_list(one);
    for (round = 0; round < DELTAS; round++) {
        if (round == 0) {
            for (i = 0; i < 40; i++)
                CHECK(!crdt_list_insert(list, (size_t)(i * 7 % (i + 1)),
                                        crdt_int(i)));
            map = crdt_list_insert_object(list, 5, CRDT_MAP);
            text = crdt_map_text(map, CRDT_STR("t"));
            CHECK(!crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("hello")));
        } else if (round == 1) {
            for (i = 0; i < 20; i++)
                CHECK(!crdt_list_move(list, (size_t)i, (size_t)(39 - i)));
            for (i = 0; i < 8; i++)
                CHECK(!crdt_list_delete(list, (size_t)(3 * i), 1));
            CHECK(!crdt_list_set(list, 2, LETTER("a rather long one")));
        } else {
            CHECK(!crdt_map_remove(crdt_root(one), CRDT_STR("list")));
            CHECK(!crdt_list_insert(list, 0, LETTER("z")));
        }
        CHECK(!crdt_commit(one));
        CHECK(!crdt_delta(one, &vv, &deltas[round]));
        CHECK(!crdt_doc_vv(one, &vv));
        digests[round] = crdt_doc_digest(one);
    }
    crdt_doc_free(one);
    crdt_vv_free(&vv);
}

/* >>scenarios -------------------------------------------------------------- */

static void write_all(void)
{
    crdt_obj list, map, text, inner, count;
    int i;
    if (!begin())
        return;
    TRY(doc, made(doc, &list, root_list(doc)));
    for (i = 0; i < 24; i++)
        TRY(doc, crdt_list_insert(list, (size_t)(i % 3), crdt_int(i)));
    TRY(doc, crdt_list_insert(list, 2, LETTER("more than fits inside")));
    TRY(doc, made(doc, &map, crdt_list_insert_object(list, 1, CRDT_MAP)));
    TRY(doc, made(doc, &inner, crdt_map_list(map, CRDT_STR("inner"))));
    TRY(doc, crdt_list_insert(inner, 0, crdt_int(1)));
    TRY(doc, made(doc, &text, crdt_list_insert_object(list, 7, CRDT_TEXT)));
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("hello")));
    for (i = 0; i < 12; i++)
        TRY(doc, crdt_list_move(list, (size_t)(2 * i), (size_t)(20 - i)));
    TRY(doc, crdt_list_set(list, 3, LETTER("another that is long")));
    for (i = 0; i < 6; i++)
        TRY(doc, crdt_list_delete(list, (size_t)(2 * i + 1), 1));
    TRY(doc,
        made(doc, &count, crdt_list_insert_object(list, 2, CRDT_COUNTER)));
    TRY(doc, crdt_counter_add(count, 3));
    TRY(doc, crdt_list_delete(list, 1, 6)); /* values, moves, a counter */
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("back")));
    TRY(doc, crdt_text_delete(text, CRDT_CHARS, 0,
                              crdt_text_len(text, CRDT_CHARS)));
    TRY(doc, crdt_map_put_null(crdt_root(doc), CRDT_STR("list")));
    TRY(doc, crdt_list_insert(list, 0, LETTER("z")));
}

static void join(void)
{
    int i;
    if (!begin())
        return;
    for (i = 0; i < DELTAS; i++) {
        TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[i])));
        CHECK(crdt_doc_digest(doc).lo == digests[i].lo || memory.failures);
    }
}

/* What is there is read without any memory; only where names are looked up it
 * is slower. */
static void check_reads(void)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    struct hidden hidden = fill_pools(doc);
    crdt_anchor anchor;
    crdt_value value;
    crdt_obj list;
    size_t at;
    CHECK(!crdt_map_get(crdt_root(doc), CRDT_STR("list"), &value));
    list = value.as.object;
    CHECK_INT(crdt_list_len(list), 33);
    for (at = 0; !crdt_list_next(list, &cursor); at++)
        CHECK(!crdt_list_get(list, at, &value) &&
              value.kind == cursor.value.kind);
    CHECK_INT(at, 33);
    CHECK(!crdt_list_anchor(list, 7, CRDT_LEFT, &anchor));
    CHECK(!crdt_list_find(list, &anchor, &at));
    CHECK_INT(at, 7);
    CHECK(crdt_doc_digest(doc).lo == digests[1].lo);
    unhide(doc, &hidden);
}

static void read_all(void)
{
    size_t n = memory.fail_at;
    int is_lasting = memory.from_then_on;
    if (!begin())
        return;
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[0])));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[1])));
    memory.fail_at = 1;
    memory.from_then_on = 1;
    check_reads();
    memory.fail_at = n;
    memory.from_then_on = is_lasting;
    TRY(doc, crdt_canonical(doc, &sent));
}

/* >>watched --------------------------------------------------------------- */

static mirror seen;
static unsigned lost, lists_told;

static void told(void *ctx, crdt_doc *of, const crdt_patch *patches,
                 size_t len)
{
    struct pause pause = pause_refusing();
    size_t i;
    mirror_told(ctx, of, patches, len);
    for (i = 0; i < len; i++)
        lists_told += patches[i].kind == CRDT_PATCH_LIST;
    CHECK(mirror_is_right(&seen));
    go_on_refusing(pause);
}

/* What has not been told yet is told with the next commit. */
static void end_watching(void)
{
    if (doc->watch) {
        CHECK_INT(crdt_commit(doc), CRDT_OK);
        CHECK(mirror_is_right(&seen));
    }
    lost += seen.lost;
    mirror_end(&seen);
}

static crdt_err watch(void)
{
    struct pause pause = pause_refusing();
    mirror_end(&seen);
    mirror_init(&seen, doc);
    go_on_refusing(pause);
    return crdt_doc_watch(doc, told, &seen);
}

static void watched(void)
{
    crdt_obj list, map;
    int i;
    memset(&seen, 0, sizeof seen);
    if (!begin())
        return;
    STEP(doc, made(doc, &list, root_list(doc)));
    STEP(doc, crdt_commit(doc));
    STEP(doc, watch());
    for (i = 0; i < 12; i++)
        TRY(doc, crdt_list_insert(list, (size_t)(i / 2), crdt_int(i)));
    TRY(doc, crdt_commit(doc));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[0])));
    TRY(doc, made(doc, &map, crdt_list_insert_object(list, 1, CRDT_MAP)));
    TRY(doc, crdt_commit(doc));
    for (i = 0; i < 6; i++) {
        TRY(doc, crdt_list_move(list, (size_t)(3 * i), (size_t)(20 - i)));
        TRY(doc, crdt_list_set(list, (size_t)(2 * i), crdt_int(7)));
        TRY(doc, crdt_map_put_int(map, CRDT_STR("n"), i));
        TRY(doc, crdt_list_delete(list, (size_t)(4 * i), 2));
    }
    TRY(doc, crdt_commit(doc));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[1])));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[2])));
}

/* >>tests ------------------------------------------------------------------ */

TEST(every_request_of_writes_is_refused)
{
    run_out(write_all);
}

TEST(every_request_of_joins_is_refused)
{
    make_deltas();
    run_out(join);
}

TEST(every_request_of_reading_is_refused)
{
    make_deltas();
    run_out(read_all);
}

TEST(every_request_of_a_watched_list_is_refused)
{
    make_deltas();
    at_end = end_watching;
    run_out(watched);
    at_end = NULL;
    CHECK(lost * stride > 20);
    CHECK(lists_told * stride > 100);
}

TEST_MAIN(CASE(every_request_of_a_watched_list_is_refused),
          CASE(every_request_of_writes_is_refused),
          CASE(every_request_of_joins_is_refused),
          CASE(every_request_of_reading_is_refused))
