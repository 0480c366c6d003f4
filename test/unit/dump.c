/*
 * Documents as text for debugging (codecs/crdtsync_dump.h): exactly this text
 * for a few small documents, and that nothing is left out of others.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../codecs/crdtsync_dump.h"
#include "../failing_alloc.h"
#include "../test.h"

#define CHECK_ERR(got, want) CHECK_STR(crdt_err_name(got), #want)

/* >>documents ------------------------------------------------------------- */

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return UINT64_C(1700000000000);
}

static crdt_id id_of(int number)
{
    crdt_id id;
    memset(id.b, number, sizeof id.b);
    return id;
}

static crdt_doc *replica_in(const crdt_alloc *alloc, int number)
{
    static const crdt_clock clock = { 1, NULL, now_ms, now_ms };
    crdt_id id = id_of(number);
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.alloc = alloc;
    config.clock = &clock;
    config.replica = &id;
    CHECK_ERR(crdt_doc_new(&doc, &config), CRDT_OK);
    return doc;
}

static crdt_doc *replica(int number)
{
    return replica_in(NULL, number);
}

static void join(crdt_doc *to, crdt_doc *from)
{
    crdt_buf delta = CRDT_BUF_INIT;
    CHECK_ERR(crdt_commit(from), CRDT_OK);
    CHECK_ERR(crdt_commit(to), CRDT_OK);
    CHECK_ERR(crdt_delta(from, NULL, &delta), CRDT_OK);
    CHECK_ERR(crdt_join(to, crdt_buf_bytes(&delta)), CRDT_OK);
    crdt_buf_free(&delta);
}

static crdt_obj at_root(crdt_doc *doc, crdt_type type)
{
    return crdt_map_object(crdt_root(doc), CRDT_STR("it"), type);
}

/* >>exact text ------------------------------------------------------------ */

static crdt_buf dumped(crdt_doc *doc)
{
    crdt_buf text = CRDT_BUF_INIT;
    CHECK_ERR(crdt_dump(doc, &text), CRDT_OK);
    return text;
}

/* In `want` a "@" stands for the digest. */
static void check_text(crdt_doc *doc, const char *want)
{
    crdt_buf text = dumped(doc);
    crdt_digest digest = crdt_doc_digest(doc);
    char whole[4096];
    int head = (int)strcspn(want, "@");
    (void)snprintf(whole, sizeof whole, "%.*s%016llx%016llx%s", head, want,
                   (unsigned long long)digest.hi,
                   (unsigned long long)digest.lo, want + head + 1);
    if (!crdt_bytes_equal(crdt_buf_bytes(&text), crdt_str(whole))) {
        test_failures_in_case++;
        printf("it says:\n%.*s", (int)text.len, (const char *)text.ptr);
    }
    crdt_buf_free(&text);
}

TEST(an_empty_document)
{
    crdt_doc *doc = replica(1);
    check_text(doc,
               "r1 01010101010101010101010101010101, seq 0, floor 0, own, "
               "0 not committed\n"
               "digest @\n"
               "counts ops 0, removals 0, kills 0, objects 1, entries 0, "
               "replicas 1\n"
               "map #1 \"\", weight 0\n");
    crdt_doc_free(doc);
}

TEST(a_conflict_of_two_values)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK_ERR(crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 1), CRDT_OK);
    CHECK_ERR(crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 2), CRDT_OK);
    CHECK_ERR(crdt_map_put_str(crdt_root(b), CRDT_STR("k"),
                               CRDT_STR("\"\n\303\251\\")),
              CRDT_OK);
    join(a, b);
    CHECK_ERR(crdt_map_put_bool(crdt_root(a), CRDT_STR("a"), 1), CRDT_OK);
    check_text(a, "r1 01010101010101010101010101010101, seq 2, floor 0, own, "
                  "1 not committed\n"
                  "r2 02020202020202020202020202020202, seq 1, floor 0\n"
                  "digest @\n"
                  "counts ops 3, removals 0, kills 1, objects 1, entries 2, "
                  "replicas 2\n"
                  "map #1 \"\", weight 2\n"
                  "  \"a\" reads true\n"
                  "    value true, r1.3 (not committed) at 1700000000000.2\n"
                  "  \"k\" reads 2\n"
                  "    value 2, r1.2 at 1700000000000.1\n"
                  "    value \"\\\"\\x0a\\xc3\\xa9\\\\\", "
                  "r2.1 at 1700000000000.0\n"
                  "    kills r1 up to 1, by r1.2\n");
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_removed_map_that_lives_on)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj map = at_root(a, CRDT_MAP);
    CHECK_ERR(crdt_map_put_int(map, CRDT_STR("x"), 1), CRDT_OK);
    join(b, a);
    CHECK_ERR(crdt_map_remove(crdt_root(a), CRDT_STR("it")), CRDT_OK);
    CHECK_ERR(crdt_map_put_int(at_root(b, CRDT_MAP), CRDT_STR("y"), 2),
              CRDT_OK);
    join(a, b);
    check_text(a, "r1 01010101010101010101010101010101, seq 3, floor 0, own, "
                  "0 not committed\n"
                  "r2 02020202020202020202020202020202, seq 1, floor 0\n"
                  "digest @\n"
                  "counts ops 1, removals 1, kills 1, objects 2, entries 2, "
                  "replicas 2\n"
                  "map #1 \"\", weight 1\n"
                  "  \"it\" reads #2\n"
                  "    kills r1 up to 2, by removal r1.3\n"
                  "    map #2 \"it\", weight 1\n"
                  "      \"y\" reads 2\n"
                  "        value 2, r2.1 at 1700000000000.2\n");
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_counter_with_a_reset)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK_ERR(crdt_counter_add(at_root(a, CRDT_COUNTER), 10), CRDT_OK);
    join(b, a);
    CHECK_ERR(crdt_counter_reset(at_root(b, CRDT_COUNTER)), CRDT_OK);
    CHECK_ERR(crdt_counter_add(at_root(b, CRDT_COUNTER), -3), CRDT_OK);
    CHECK_ERR(crdt_counter_add(at_root(a, CRDT_COUNTER), 5), CRDT_OK);
    join(a, b);
    check_text(a, "r1 01010101010101010101010101010101, seq 3, floor 0, own, "
                  "0 not committed\n"
                  "r2 02020202020202020202020202020202, seq 2, floor 0\n"
                  "digest @\n"
                  "counts ops 4, removals 0, kills 1, objects 2, entries 3, "
                  "replicas 2\n"
                  "map #1 \"\", weight 1\n"
                  "  \"it\" reads #2\n"
                  "    create counter, r1.1 at 1700000000000.0\n"
                  "    counter #2 \"it\", weight 2, reads 2\n"
                  "      content\n"
                  "        add +15 -0, r1.3\n"
                  "        add +0 -3, r2.2\n"
                  "        kills r1 up to 2, by r1.3\n"
                  "      resets\n"
                  "        reset r1 +10 -0, r2.1\n"
                  "      part of r1 +15 -0, void +10 -0\n"
                  "      part of r2 +0 -3, void +0 -0\n");
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_set_with_rows)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj set = at_root(a, CRDT_AW_SET);
    CHECK_ERR(crdt_set_add(set, crdt_int(300)), CRDT_OK);
    CHECK_ERR(crdt_set_add(set, crdt_int(7)), CRDT_OK);
    CHECK_ERR(crdt_set_add(set, crdt_string(CRDT_STR("tea"))), CRDT_OK);
    CHECK_ERR(crdt_set_add(set, crdt_null()), CRDT_OK);
    CHECK_ERR(crdt_set_remove(set, crdt_null()), CRDT_OK);
    CHECK_ERR(crdt_set_add(at_root(b, CRDT_AW_SET), crdt_int(7)), CRDT_OK);
    join(a, b);
    check_text(a, "r1 01010101010101010101010101010101, seq 6, floor 0, own, "
                  "0 not committed\n"
                  "r2 02020202020202020202020202020202, seq 2, floor 0\n"
                  "digest @\n"
                  "counts ops 6, removals 1, kills 1, objects 2, entries 3, "
                  "replicas 2\n"
                  "map #1 \"\", weight 1\n"
                  "  \"it\" reads #2\n"
                  "    create aw-set, r1.1 at 1700000000000.0\n"
                  "    create aw-set, r2.1 at 1700000000000.0\n"
                  "    aw-set #2 \"it\", weight 3\n"
                  "      null reads out\n"
                  "        kills r1 up to 5, by removal r1.6\n"
                  "      \"tea\" reads in\n"
                  "        in, r1.4\n"
                  "      row 7, r1.3\n"
                  "      row 7, r2.2\n"
                  "      row 300, r1.2\n");
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_bounded_counter_with_shares)
{
    crdt_doc *a = replica(1);
    crdt_obj it = at_root(a, CRDT_BOUNDED);
    crdt_id b = id_of(2);
    CHECK_ERR(crdt_bounded_add(it, 10), CRDT_OK);
    CHECK_ERR(crdt_bounded_take(it, 3), CRDT_OK);
    CHECK_ERR(crdt_bounded_transfer(it, &b, 4), CRDT_OK);
    check_text(a,
               "r1 01010101010101010101010101010101, seq 0, floor 0, own, "
               "4 not committed\n"
               "digest @\n"
               "counts ops 3, removals 0, kills 1, objects 2, entries 3, "
               "replicas 1\n"
               "map #1 \"\", weight 1\n"
               "  \"it\" reads #2\n"
               "    create bounded, r1.1 (not committed) at 1700000000000.0\n"
               "    bounded #2 \"it\", weight 2, reads 7\n"
               "      content\n"
               "        add +10 -3, r1.3 (not committed)\n"
               "        kills r1 up to 2, by r1.3 (not committed)\n"
               "      handed to 02020202020202020202020202020202\n"
               "        add +4 -0, r1.4 (not committed)\n"
               "      share of 01010101010101010101010101010101 3\n"
               "      share of 02020202020202020202020202020202 4\n");
    crdt_doc_free(a);
}

TEST(a_text_with_what_was_deleted)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj it = at_root(a, CRDT_TEXT);
    CHECK_ERR(crdt_text_insert(it, CRDT_CHARS, 0, CRDT_STR("h\303\251llo")),
              CRDT_OK);
    CHECK_ERR(crdt_text_delete(it, CRDT_CHARS, 1, 3), CRDT_OK);
    join(b, a);
    CHECK_ERR(
        crdt_text_insert(at_root(b, CRDT_TEXT), CRDT_CHARS, 2, CRDT_STR("!")),
        CRDT_OK);
    join(a, b);
    check_text(a, "r1 01010101010101010101010101010101, seq 9, floor 0, own, "
                  "0 not committed\n"
                  "r2 02020202020202020202020202020202, seq 1, floor 0\n"
                  "digest @\n"
                  "counts ops 1, removals 0, kills 0, objects 2, entries 1, "
                  "replicas 2\n"
                  "map #1 \"\", weight 1\n"
                  "  \"it\" reads #2\n"
                  "    create text, r1.1 at 1700000000000.0\n"
                  "    text #2 \"it\", weight 1, 3 characters, "
                  "reads \"ho!\"\n"
                  "      spans 4, hidden 1, leaves 1, names 130\n"
                  "      author r1, insertions 1, deletions 1, bytes 6\n"
                  "      author r2, insertions 1, deletions 0, bytes 1\n");
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_list_with_what_was_moved)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj it = at_root(a, CRDT_LIST);
    CHECK_ERR(crdt_list_insert(it, 0, crdt_int(7)), CRDT_OK);
    CHECK_ERR(crdt_list_insert(it, 1, crdt_int(8)), CRDT_OK);
    join(b, a);
    CHECK_ERR(crdt_list_move(it, 0, 1), CRDT_OK);
    CHECK_ERR(crdt_list_delete(at_root(b, CRDT_LIST), 1, 1), CRDT_OK);
    CHECK_ERR(crdt_list_insert(at_root(b, CRDT_LIST), 1, crdt_int(9)),
              CRDT_OK);
    join(a, b);
    check_text(a, "r1 01010101010101010101010101010101, seq 4, floor 0, own, "
                  "0 not committed\n"
                  "r2 02020202020202020202020202020202, seq 2, floor 0\n"
                  "digest @\n"
                  "counts ops 4, removals 1, kills 1, objects 2, entries 5, "
                  "replicas 2\n"
                  "map #1 \"\", weight 1\n"
                  "  \"it\" reads #2\n"
                  "    create list, r1.1 at 1700000000000.0\n"
                  "    list #2 \"it\", weight 2\n"
                  "      r1.2 reads 7\n"
                  "        value 7, r1.2 at 1700000000000.1\n"
                  "      moves of r1.2\n"
                  "        move, r1.4 at 1700000000000.3\n"
                  "      r1.3 reads nothing\n"
                  "        kills r1 up to 3, by removal r2.1\n"
                  "      r2.2 reads 9\n"
                  "        value 9, r2.2 at 1700000000000.3\n"
                  "      order r2.2 r1.2\n"
                  "      spans 4, hidden 2, leaves 1, names 130\n"
                  "      author r1, insertions 1, deletions 0, bytes 0\n"
                  "      author r2, insertions 1, deletions 0, bytes 0\n");
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* >>nothing is left out --------------------------------------------------- */

static int says(const crdt_buf *text, const char *words)
{
    size_t at, len = strlen(words);
    for (at = 0; at + len <= text->len; at++)
        if (memcmp(text->ptr + at, words, len) == 0)
            return 1;
    printf("nowhere: %s\n", words);
    return 0;
}

/* Every type, with something in it, below a map. */
static void write_all(crdt_doc *doc, int64_t n)
{
    crdt_obj map = crdt_map_map(crdt_root(doc), CRDT_STR("a/long/key"));
    int type;
    for (type = CRDT_MAP; type < CRDT_TYPE_COUNT; type++) {
        crdt_obj it = crdt_map_object(
            map, crdt_str(crdt_type_name((crdt_type)type)), (crdt_type)type);
        (void)crdt_map_put_int(it, CRDT_STR("deeper"), n);
        (void)crdt_register_set(it, crdt_double((double)n / 2));
        (void)crdt_max_set(it, crdt_time(n));
        (void)crdt_min_set(it, crdt_blob(CRDT_STR("\0\377")));
        (void)crdt_counter_add(it, n);
        (void)crdt_bounded_add(it, n);
        (void)crdt_flag_set(it, 1);
        (void)crdt_flag_set(it, 0);
        (void)crdt_set_add(it, crdt_int(n));
        (void)crdt_set_remove(it, crdt_int(n - 1));
        (void)crdt_text_insert(it, CRDT_CHARS, 0, CRDT_STR("typed"));
        (void)crdt_text_delete(it, CRDT_CHARS, 1, 2);
        (void)crdt_list_insert(it, 0, crdt_int(n));
        (void)crdt_list_insert(it, 1, crdt_int(n));
        (void)crdt_list_move(it, 0, 1);
    }
}

TEST(every_type_appears)
{
    crdt_doc *doc = replica(1);
    crdt_buf text;
    char words[64];
    int type;
    write_all(doc, 1);
    text = dumped(doc);
    for (type = CRDT_MAP; type < CRDT_TYPE_COUNT; type++) {
        const char *name = crdt_type_name((crdt_type)type);
        (void)snprintf(words, sizeof words, "%s #%d \"a~1long~1key/%s\"", name,
                       type + 2, name);
        CHECK(says(&text, words));
        (void)snprintf(words, sizeof words, "create %s, ", name);
        CHECK(says(&text, words));
    }
    CHECK(says(&text, "value double 0.5, "));
    CHECK(says(&text, "value time 1, "));
    CHECK(says(&text, "value bytes 00ff, "));
    CHECK(says(&text, "1 reads in\n"));
    CHECK(says(&text, "0 reads out\n"));
    CHECK(says(&text, "3 characters, reads \"ted\"\n"));
    crdt_buf_free(&text);
    crdt_doc_free(doc);
}

/* The seeds of the hash tables differ. */
TEST(equal_histories_have_one_text)
{
    crdt_buf text[2];
    int i, j;
    for (i = 0; i < 2; i++) {
        crdt_doc *a = replica(1), *b = replica(2);
        for (j = 0; j < 3; j++) {
            write_all(a, j + 1);
            write_all(b, j + 4);
            join(a, b);
        }
        text[i] = dumped(a);
        crdt_doc_free(a);
        crdt_doc_free(b);
    }
    CHECK(
        crdt_bytes_equal(crdt_buf_bytes(&text[0]), crdt_buf_bytes(&text[1])));
    crdt_buf_free(&text[0]);
    crdt_buf_free(&text[1]);
}

TEST(long_texts_are_cut)
{
    crdt_doc *doc = replica(1);
    crdt_obj it = at_root(doc, CRDT_TEXT);
    crdt_buf text;
    int i;
    for (i = 0; i < 13; i++)
        CHECK_ERR(crdt_text_insert(it, CRDT_CHARS, 0, CRDT_STR("12345")),
                  CRDT_OK);
    text = dumped(doc);
    CHECK(says(&text, ", 65 characters, reads \"12345123451234512345123451234"
                      "51234512345123451234512345123451234\"...\n"));
    crdt_buf_free(&text);
    CHECK_ERR(crdt_text_delete(it, CRDT_CHARS, 0, 1), CRDT_OK);
    text = dumped(doc);
    CHECK(says(&text, ", 64 characters, reads \"23451234512345123451234512345"
                      "12345123451234512345123451234512345\"\n"));
    crdt_buf_free(&text);
    crdt_doc_free(doc);
}

TEST(who_said_it_first_is_told)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_buf text;
    CHECK_ERR(crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 1), CRDT_OK);
    join(b, a);
    CHECK_ERR(crdt_map_put_int(crdt_root(b), CRDT_STR("k"), 2), CRDT_OK);
    CHECK_ERR(crdt_map_put_int(crdt_root(b), CRDT_STR("k"), 3), CRDT_OK);
    text = dumped(b);
    CHECK(says(&text, "kills r1 up to 1, by r2.2 (not committed), "
                      "first said by r2.1 (not committed)\n"));
    crdt_buf_free(&text);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(it_takes_documents_and_buffers_only)
{
    crdt_doc *doc = replica(1);
    crdt_buf text = CRDT_BUF_INIT;
    CHECK_ERR(crdt_dump(NULL, &text), CRDT_ERR_ARG);
    CHECK_ERR(crdt_dump(doc, NULL), CRDT_ERR_ARG);
    crdt_doc_free(doc);
}

/* Whatever allocation fails, what was in the buffer stays, alone. */
TEST(no_memory)
{
    struct failing_alloc memory;
    crdt_doc *doc = replica(1);
    size_t fail_at;
    crdt_err err = CRDT_ERR_NOMEM;
    write_all(doc, 3);
    failing_alloc_init(&memory);
    for (fail_at = 1; err && fail_at < 1000; fail_at++) {
        crdt_buf text = CRDT_BUF_INIT;
        crdti_writer w;
        text.alloc = &memory.table;
        memory.fail_at = 0;
        crdti_writer_init(&w, &text);
        crdti_put_raw(&w, CRDT_STR("before"));
        memory.requests = 0;
        memory.fail_at = fail_at;
        err = crdt_dump(doc, &text);
        CHECK(!err || err == CRDT_ERR_NOMEM);
        CHECK(err ? text.len == 6 : text.len > 1000);
        CHECK(memcmp(text.ptr, "before", 6) == 0);
        crdt_buf_free(&text);
        CHECK(failing_alloc_clean(&memory));
    }
    CHECK_ERR(err, CRDT_OK);
    CHECK(fail_at > 5);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(an_empty_document), CASE(a_conflict_of_two_values),
          CASE(a_removed_map_that_lives_on), CASE(a_counter_with_a_reset),
          CASE(a_set_with_rows), CASE(a_bounded_counter_with_shares),
          CASE(a_text_with_what_was_deleted), CASE(a_list_with_what_was_moved),
          CASE(every_type_appears), CASE(equal_histories_have_one_text),
          CASE(long_texts_are_cut), CASE(who_said_it_first_is_told),
          CASE(it_takes_documents_and_buffers_only), CASE(no_memory))
