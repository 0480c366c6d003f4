/* Maps through the public face. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"

#include <math.h>

static crdt_doc *doc;
static crdt_obj root;

static void begin(void)
{
    CHECK(crdt_doc_new(&doc, NULL) == CRDT_OK);
    root = crdt_root(doc);
}

static void end(void)
{
    crdt_doc_free(doc);
}

static crdt_obj nobody(void)
{
    crdt_obj obj;
    obj.doc = doc;
    obj.index = 0;
    return obj;
}

#define KEY(text) CRDT_STR(text)

TEST(a_new_document_is_an_empty_map)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_value value = crdt_null();
    begin();
    CHECK_INT(crdt_type_of(root), CRDT_MAP);
    CHECK(!crdt_is_null(root));
    CHECK_INT(crdt_map_size(root), 0);
    CHECK(!crdt_map_has(root, KEY("a")));
    CHECK_INT(crdt_map_get(root, KEY("a"), &value), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_map_remove(root, KEY("a")), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_map_clear(root), CRDT_OK);
    CHECK(!crdt_doc_uncommitted(doc));
    end();
}

TEST(a_value_of_every_kind)
{
    int boolean = 7;
    int64_t integer = 0;
    double number = 0;
    crdt_bytes bytes = crdt_bytes_of(NULL, 0);
    crdt_value value = crdt_null();
    begin();
    CHECK(!crdt_map_put_null(root, KEY("null")));
    CHECK(!crdt_map_put_bool(root, KEY("bool"), 5));
    CHECK(!crdt_map_put_int(root, KEY("int"), INT64_MIN));
    CHECK(!crdt_map_put_double(root, KEY("double"), -0.5));
    CHECK(!crdt_map_put_str(root, KEY("str"), KEY("text")));
    CHECK(!crdt_map_put_bytes(root, KEY("bytes"), KEY("\0\1\2")));
    CHECK(!crdt_map_put(root, KEY("time"), crdt_time(-86400000)));
    CHECK_INT(crdt_map_size(root), 7);
    CHECK(!crdt_map_get(root, KEY("null"), &value));
    CHECK_INT(value.kind, CRDT_NULL);
    CHECK(!crdt_map_get_bool(root, KEY("bool"), &boolean));
    CHECK_INT(boolean, 1);
    CHECK(!crdt_map_get_int(root, KEY("int"), &integer));
    CHECK(integer == INT64_MIN);
    CHECK(!crdt_map_get_double(root, KEY("double"), &number));
    CHECK(number < -0.4 && number > -0.6);
    CHECK(!crdt_map_get_str(root, KEY("str"), &bytes));
    CHECK(crdt_bytes_equal(bytes, KEY("text")));
    CHECK(!crdt_map_get_bytes(root, KEY("bytes"), &bytes));
    CHECK(crdt_bytes_equal(bytes, KEY("\0\1\2")));
    CHECK(!crdt_map_get(root, KEY("time"), &value));
    CHECK(value.kind == CRDT_TIME && value.as.integer == -86400000);
    end();
}

TEST(nothing_is_coerced)
{
    int boolean = 7;
    int64_t integer = 7;
    double number = 7;
    crdt_bytes bytes = KEY("seven");
    begin();
    CHECK(!crdt_map_put_int(root, KEY("k"), 1));
    CHECK_INT(crdt_map_get_bool(root, KEY("k"), &boolean), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_get_double(root, KEY("k"), &number), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_get_str(root, KEY("k"), &bytes), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_get_bytes(root, KEY("k"), &bytes), CRDT_ERR_TYPE);
    CHECK(!crdt_map_put_str(root, KEY("k"), KEY("1")));
    CHECK_INT(crdt_map_get_int(root, KEY("k"), &integer), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_get_bytes(root, KEY("k"), &bytes), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_get_int(root, KEY("no"), &integer), CRDT_ERR_NOT_FOUND);
    CHECK(!crdt_map_put(root, KEY("t"), crdt_time(3)));
    CHECK_INT(crdt_map_get_int(root, KEY("t"), &integer), CRDT_ERR_TYPE);
    /* Nothing was written. */
    CHECK_INT(boolean, 7);
    CHECK_INT(integer, 7);
    CHECK(number > 6 && crdt_bytes_equal(bytes, KEY("seven")));
    end();
}

TEST(numbers_at_the_edges)
{
    static const int64_t integers[] = { INT64_MIN, INT64_MIN + 1, -1,       0,
                                        1,         INT64_MAX - 1, INT64_MAX };
    double number = 0;
    int64_t integer = 0;
    size_t i;
    begin();
    for (i = 0; i < sizeof integers / sizeof *integers; i++) {
        CHECK(!crdt_map_put_int(root, KEY("i"), integers[i]));
        CHECK(!crdt_map_get_int(root, KEY("i"), &integer));
        CHECK(integer == integers[i]);
    }
    CHECK(!crdt_map_put_double(root, KEY("d"), (double)INFINITY));
    CHECK(!crdt_map_get_double(root, KEY("d"), &number));
    CHECK(isinf(number) && number > 0);
    CHECK(!crdt_map_put_double(root, KEY("d"), (double)NAN));
    CHECK(!crdt_map_get_double(root, KEY("d"), &number));
    CHECK(isnan(number));
    CHECK(!crdt_map_put_double(root, KEY("d"), -0.0));
    CHECK(!crdt_map_get_double(root, KEY("d"), &number));
    CHECK(signbit(number));
    end();
}

TEST(a_put_replaces_a_put)
{
    int64_t integer = 0;
    crdt_stats stats;
    int i;
    begin();
    for (i = 0; i < 1000; i++)
        CHECK(!crdt_map_put_int(root, KEY("k"), i));
    CHECK(!crdt_map_get_int(root, KEY("k"), &integer));
    CHECK_INT(integer, 999);
    CHECK_INT(crdt_map_size(root), 1);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 1);
    CHECK_INT(stats.kills, 1);
    CHECK_INT(stats.removals, 0);
    end();
}

TEST(removing)
{
    begin();
    CHECK(!crdt_map_put_int(root, KEY("a"), 1));
    CHECK(!crdt_map_put_int(root, KEY("b"), 2));
    CHECK(!crdt_map_remove(root, KEY("a")));
    CHECK(!crdt_map_has(root, KEY("a")) && crdt_map_has(root, KEY("b")));
    CHECK_INT(crdt_map_size(root), 1);
    CHECK_INT(crdt_map_remove(root, KEY("a")), CRDT_ERR_NOT_FOUND);
    CHECK(!crdt_map_clear(root));
    CHECK_INT(crdt_map_size(root), 0);
    CHECK(!crdt_map_put_int(root, KEY("a"), 3));
    CHECK(crdt_map_has(root, KEY("a")));
    end();
}

/* >>keys and limits ------------------------------------------------------- */

TEST(keys_of_every_length)
{
    static uint8_t bytes[CRDTSYNC_MAX_KEY + 1];
    static const size_t lens[] = {
        0, 1, 7, 8, 9, 16, 100, CRDTSYNC_MAX_KEY - 1, CRDTSYNC_MAX_KEY
    };
    size_t i, count = sizeof lens / sizeof *lens;
    crdt_obj made;
    begin();
    for (i = 0; i < count; i++)
        CHECK(!crdt_map_put_int(root, crdt_bytes_of(bytes, lens[i]),
                                (int64_t)i));
    for (i = 0; i < count; i++) {
        int64_t got = -1;
        CHECK(!crdt_map_get_int(root, crdt_bytes_of(bytes, lens[i]), &got));
        CHECK_INT(got, i);
    }
    CHECK_INT(crdt_map_put_int(root, crdt_bytes_of(bytes, sizeof bytes), 1),
              CRDT_ERR_LIMIT);
    made = crdt_map_map(root, crdt_bytes_of(bytes, sizeof bytes));
    CHECK(crdt_is_null(made));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_LIMIT);
    CHECK_INT(crdt_doc_error(doc), CRDT_OK);
    CHECK(!crdt_map_has(root, crdt_bytes_of(bytes, sizeof bytes)));
    CHECK_INT(crdt_map_size(root), count);
    for (i = 0; i < count; i++)
        CHECK(!crdt_map_remove(root, crdt_bytes_of(bytes, lens[i])));
    CHECK_INT(crdt_map_size(root), 0);
    end();
}

TEST(values_of_every_length)
{
    size_t max = CRDTSYNC_MAX_VALUE, lens[3], i;
    uint8_t *bytes = (uint8_t *)calloc(1, max + 1);
    crdt_bytes got = crdt_bytes_of(NULL, 0);
    lens[0] = 0;
    lens[1] = max - 1;
    lens[2] = max;
    begin();
    for (i = 0; i < 3; i++) {
        CHECK(!crdt_map_put_bytes(root, KEY("k"),
                                  crdt_bytes_of(bytes, lens[i])));
        CHECK(!crdt_map_get_bytes(root, KEY("k"), &got));
        CHECK_INT(got.len, lens[i]);
    }
    CHECK_INT(
        crdt_map_put_bytes(root, KEY("k"), crdt_bytes_of(bytes, max + 1)),
        CRDT_ERR_LIMIT);
    CHECK_INT(crdt_map_put_str(root, KEY("n"), crdt_bytes_of(bytes, max + 1)),
              CRDT_ERR_LIMIT);
    CHECK(!crdt_map_has(root, KEY("n")));
    CHECK(!crdt_map_get_bytes(root, KEY("k"), &got));
    CHECK_INT(got.len, max);
    free(bytes);
    end();
}

TEST(containers_in_containers)
{
    crdt_obj map, last = root;
    unsigned depth;
    begin();
    map = root;
    for (depth = 1; depth <= CRDTSYNC_MAX_DEPTH; depth++) {
        last = map;
        map = crdt_map_map(map, KEY("in"));
        CHECK(!crdt_is_null(map));
    }
    CHECK(!crdt_map_put_int(map, KEY("k"), 1));
    CHECK(crdt_is_null(crdt_map_map(map, KEY("in"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_LIMIT);
    CHECK(crdt_is_null(crdt_map_counter(map, KEY("in"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_LIMIT);
    CHECK_INT(crdt_map_size(map), 1);
    CHECK(!crdt_is_null(crdt_map_counter(last, KEY("beside"))));
    /* All of it travels, and all of it goes at once. */
    {
        crdt_buf all = CRDT_BUF_INIT;
        crdt_doc *other;
        CHECK(!crdt_commit(doc) && !crdt_delta(doc, NULL, &all));
        CHECK(!crdt_doc_new(&other, NULL));
        CHECK(!crdt_join(other, crdt_buf_bytes(&all)));
        CHECK(crdt_doc_digest(other).lo == crdt_doc_digest(doc).lo);
        crdt_buf_free(&all);
        crdt_doc_free(other);
    }
    CHECK(!crdt_map_remove(root, KEY("in")));
    CHECK_INT(crdt_map_size(map), 0);
    CHECK_INT(crdt_map_size(root), 0);
    end();
}

/* >>wrong use ------------------------------------------------------------- */

TEST(null_handles_answer_arg)
{
    crdt_obj none = { NULL, 0 };
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_value value = crdt_null();
    begin();
    CHECK(crdt_is_null(none) && crdt_is_null(nobody()));
    CHECK_INT(crdt_type_of(nobody()), CRDT_NONE);
    CHECK_INT(crdt_map_put_int(none, KEY("k"), 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_map_put_int(nobody(), KEY("k"), 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_ARG);
    CHECK_INT(crdt_map_get(nobody(), KEY("k"), &value), CRDT_ERR_ARG);
    CHECK_INT(crdt_map_remove(nobody(), KEY("k")), CRDT_ERR_ARG);
    CHECK_INT(crdt_map_clear(nobody()), CRDT_ERR_ARG);
    CHECK_INT(crdt_map_next(nobody(), &cursor), CRDT_ERR_ARG);
    CHECK(crdt_is_null(crdt_map_map(nobody(), KEY("k"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_ARG);
    CHECK(crdt_is_null(crdt_map_map(none, KEY("k"))));
    CHECK(crdt_is_null(crdt_map_find(nobody(), KEY("k"), CRDT_MAP)));
    CHECK(!crdt_map_has(nobody(), KEY("k")));
    CHECK_INT(crdt_map_size(nobody()), 0);
    end();
}

/* A chain of helpers fails at its end with what went wrong at its start. */
TEST(errors_travel_through_helpers)
{
    crdt_obj deep;
    begin();
    CHECK(!crdt_is_null(crdt_map_counter(root, KEY("c"))));
    deep = crdt_map_map(crdt_map_map(root, KEY("c")), KEY("x"));
    CHECK(crdt_is_null(deep));
    CHECK_INT(crdt_map_put_int(deep, KEY("k"), 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_TYPE);
    CHECK_INT(crdt_doc_error(doc), CRDT_OK);
    end();
}

TEST(wrong_types_answer_type)
{
    crdt_obj counter, reg;
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_value value = crdt_null();
    begin();
    counter = crdt_map_counter(root, KEY("c"));
    reg = crdt_map_register(root, KEY("r"));
    CHECK_INT(crdt_map_put_int(counter, KEY("k"), 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_get(reg, KEY("k"), &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_remove(reg, KEY("k")), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_clear(reg), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_next(counter, &cursor), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_size(counter), 0);
    CHECK(!crdt_map_has(reg, KEY("")));
    CHECK(crdt_is_null(crdt_map_map(counter, KEY("k"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_TYPE);
    end();
}

TEST(bad_values_answer_arg)
{
    crdt_value value = crdt_null();
    begin();
    value.kind = CRDT_OBJECT;
    value.as.object = root;
    CHECK_INT(crdt_map_put(root, KEY("k"), value), CRDT_ERR_ARG);
    value.kind = (crdt_kind)99;
    CHECK_INT(crdt_map_put(root, KEY("k"), value), CRDT_ERR_ARG);
    CHECK_INT(crdt_map_put_str(root, KEY("k"), crdt_bytes_of(NULL, 3)),
              CRDT_ERR_ARG);
    CHECK(!crdt_map_put_str(root, KEY("e"), crdt_bytes_of(NULL, 0)));
    CHECK_INT(crdt_map_size(root), 1);
    CHECK(!crdt_map_has(root, KEY("k")));
    end();
}

/* >>containers and values at one key -------------------------------------- */

TEST(a_container_is_got_or_made)
{
    crdt_obj map, again;
    crdt_value value = crdt_null();
    uint64_t ops;
    crdt_stats stats;
    begin();
    map = crdt_map_map(root, KEY("m"));
    CHECK(!crdt_is_null(map) && crdt_type_of(map) == CRDT_MAP);
    CHECK(crdt_map_has(root, KEY("m"))); /* empty, and visible */
    CHECK_INT(crdt_map_size(root), 1);
    crdt_doc_stats(doc, &stats);
    ops = stats.ops;
    again = crdt_map_map(root, KEY("m"));
    CHECK(again.index == map.index);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, ops);
    CHECK(!crdt_map_get(root, KEY("m"), &value));
    CHECK(value.kind == CRDT_OBJECT && value.as.object.index == map.index);
    CHECK(crdt_map_find(root, KEY("m"), CRDT_MAP).index == map.index);
    CHECK(crdt_is_null(crdt_map_find(root, KEY("m"), CRDT_COUNTER)));
    CHECK(crdt_is_null(crdt_map_find(root, KEY("no"), CRDT_MAP)));
    CHECK_INT(crdt_doc_error(doc), CRDT_OK);
    end();
}

TEST(another_type_fails)
{
    begin();
    CHECK(!crdt_is_null(crdt_map_counter(root, KEY("k"))));
    CHECK(crdt_is_null(crdt_map_map(root, KEY("k"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_TYPE);
    CHECK(crdt_is_null(crdt_map_register(root, KEY("k"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_TYPE);
    CHECK(!crdt_map_remove(root, KEY("k")));
    CHECK(!crdt_is_null(crdt_map_map(root, KEY("k"))));
    end();
}

TEST(a_value_over_a_container_and_back)
{
    crdt_obj map, counter;
    int64_t got = 0;
    begin();
    map = crdt_map_map(root, KEY("k"));
    counter = crdt_map_counter(map, KEY("c"));
    CHECK(!crdt_counter_add(counter, 5));
    CHECK(!crdt_map_put_int(map, KEY("x"), 1));
    CHECK(!crdt_map_put_int(root, KEY("k"), 9));
    CHECK(!crdt_map_get_int(root, KEY("k"), &got));
    CHECK_INT(got, 9);
    CHECK(crdt_is_null(crdt_map_find(root, KEY("k"), CRDT_MAP)));
    CHECK_INT(crdt_map_size(map), 0);
    CHECK(!crdt_counter_get(counter, &got));
    CHECK_INT(got, 0);
    /* A container replaces the value, and is empty. */
    CHECK(crdt_map_map(root, KEY("k")).index == map.index);
    CHECK_INT(crdt_map_get_int(root, KEY("k"), &got), CRDT_ERR_TYPE);
    CHECK_INT(crdt_map_size(root), 1);
    CHECK_INT(crdt_map_size(map), 0);
    end();
}

TEST(handles_survive_removal)
{
    crdt_obj map, inner;
    int64_t got = 0;
    begin();
    map = crdt_map_map(root, KEY("m"));
    inner = crdt_map_map(map, KEY("i"));
    CHECK(!crdt_map_put_int(inner, KEY("x"), 1));
    CHECK(!crdt_map_remove(root, KEY("m")));
    CHECK(!crdt_map_has(root, KEY("m")));
    CHECK_INT(crdt_map_size(inner), 0);
    CHECK_INT(crdt_type_of(inner), CRDT_MAP);
    CHECK(!crdt_map_put_int(inner, KEY("y"), 2));
    CHECK(crdt_map_has(root, KEY("m")) && crdt_map_has(map, KEY("i")));
    CHECK_INT(crdt_map_size(root), 1);
    CHECK(crdt_map_find(root, KEY("m"), CRDT_MAP).index == map.index);
    CHECK(!crdt_map_get_int(inner, KEY("y"), &got));
    CHECK(!crdt_map_remove(inner, KEY("y")));
    /* Nobody has created them again. */
    CHECK(!crdt_map_has(root, KEY("m")));
    end();
}

/* >>versions -------------------------------------------------------------- */

struct seen {
    int count;
    crdt_version first;
};

static void see(void *ctx, const crdt_version *version)
{
    struct seen *seen = (struct seen *)ctx;
    if (seen->count++ == 0)
        seen->first = *version;
}

TEST(concurrent_values_are_all_readable)
{
    crdt_doc *other;
    crdt_buf delta = CRDT_BUF_INIT;
    struct seen seen;
    crdt_value value = crdt_null();
    crdt_id a, b;
    begin();
    CHECK(!crdt_doc_new(&other, NULL));
    CHECK(!crdt_map_put_int(root, KEY("k"), 1));
    CHECK(!crdt_map_put_int(crdt_root(other), KEY("k"), 2));
    CHECK(!crdt_is_null(crdt_map_counter(crdt_root(other), KEY("l"))));
    CHECK(!crdt_map_put_int(root, KEY("l"), 3));
    CHECK(!crdt_commit(other) && !crdt_delta(other, NULL, &delta));
    CHECK(!crdt_join(doc, crdt_buf_bytes(&delta)));
    memset(&seen, 0, sizeof seen);
    CHECK(!crdt_map_versions(root, KEY("k"), see, &seen));
    CHECK_INT(seen.count, 2);
    CHECK(!crdt_map_get(root, KEY("k"), &value));
    CHECK(value.as.integer == seen.first.value.as.integer);
    a = crdt_doc_replica(doc);
    b = crdt_doc_replica(other);
    CHECK(crdt_id_compare(&seen.first.dot.replica, &a) == 0 ||
          crdt_id_compare(&seen.first.dot.replica, &b) == 0);
    CHECK_INT(seen.first.dot.seq, 1);
    CHECK(seen.first.stamp >> 16 > 1600000000000);
    memset(&seen, 0, sizeof seen);
    CHECK(!crdt_map_versions(root, KEY("l"), see, &seen));
    CHECK_INT(seen.count, 2);
    CHECK(!crdt_is_null(crdt_map_find(root, KEY("l"), CRDT_COUNTER)));
    CHECK_INT(crdt_map_versions(root, KEY("no"), see, &seen),
              CRDT_ERR_NOT_FOUND);
    /* The next put replaces both. */
    CHECK(!crdt_map_put_int(root, KEY("k"), 4));
    memset(&seen, 0, sizeof seen);
    CHECK(!crdt_map_versions(root, KEY("k"), see, &seen));
    CHECK_INT(seen.count, 1);
    crdt_buf_free(&delta);
    crdt_doc_free(other);
    end();
}

/* Removed here while others wrote into it there: it is seen, though nothing is
 * left to say who made it. */
TEST(a_container_that_outlived_its_creation_is_readable)
{
    crdt_doc *other;
    crdt_buf delta = CRDT_BUF_INIT;
    struct seen seen;
    crdt_obj map;
    begin();
    CHECK(!crdt_doc_new(&other, NULL));
    CHECK(!crdt_is_null(crdt_map_map(crdt_root(other), KEY("k"))));
    CHECK(!crdt_commit(other) && !crdt_delta(other, NULL, &delta));
    CHECK(!crdt_join(doc, crdt_buf_bytes(&delta)));
    CHECK(!crdt_map_put_int(root, KEY("k"), 1)); /* takes the CREATE */
    map = crdt_map_map(crdt_root(other), KEY("k"));
    CHECK(!crdt_map_put_int(map, KEY("x"), 2));
    delta.len = 0;
    CHECK(!crdt_commit(other) && !crdt_delta(other, NULL, &delta));
    CHECK(!crdt_join(doc, crdt_buf_bytes(&delta)));
    memset(&seen, 0, sizeof seen);
    CHECK(!crdt_map_versions(root, KEY("k"), see, &seen));
    CHECK_INT(seen.count, 2);
    CHECK_INT(seen.first.value.kind, CRDT_INT);
    CHECK(!crdt_map_remove(crdt_map_find(root, KEY("k"), CRDT_MAP), KEY("x")));
    memset(&seen, 0, sizeof seen);
    CHECK(!crdt_map_versions(root, KEY("k"), see, &seen));
    CHECK_INT(seen.count, 1);
    crdt_buf_free(&delta);
    crdt_doc_free(other);
    end();
}

/* >>walking --------------------------------------------------------------- */

TEST(the_walk_is_in_the_order_of_bytes)
{
    static const char *const want[] = { "",   "\x01", "a",    "a\x01",
                                        "aa", "b",    "\xff", "\xff\xff" };
    size_t count = sizeof want / sizeof *want, i;
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    begin();
    for (i = 0; i < count; i++)
        CHECK(!crdt_map_put_int(root, crdt_str(want[(i * 3) % count]),
                                (int64_t)((i * 3) % count)));
    for (i = 0; i < count; i++) {
        CHECK(!crdt_map_next(root, &cursor));
        CHECK(crdt_bytes_equal(cursor.key, crdt_str(want[i])));
        CHECK_INT(cursor.value.as.integer, i);
    }
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_ERR_NOT_FOUND);
    /* A key behind the end goes on with the walk. */
    CHECK(!crdt_map_put_int(root, KEY("\xff\xff\xff"), 1));
    CHECK(!crdt_map_next(root, &cursor));
    CHECK(crdt_bytes_equal(cursor.key, KEY("\xff\xff\xff")));
    end();
}

TEST(the_map_may_change_under_the_walk)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    begin();
    CHECK(!crdt_map_put_int(root, KEY("b"), 1));
    CHECK(!crdt_map_put_int(root, KEY("d"), 2));
    CHECK(!crdt_map_put_int(root, KEY("f"), 3));
    CHECK(!crdt_map_next(root, &cursor));
    CHECK(crdt_bytes_equal(cursor.key, KEY("b")));
    CHECK(!crdt_map_remove(root, KEY("b")));     /* where we stand */
    CHECK(!crdt_map_put_int(root, KEY("a"), 4)); /* behind us: not seen */
    CHECK(!crdt_map_put_int(root, KEY("c"), 5)); /* ahead of us: seen */
    CHECK(crdt_bytes_equal(cursor.key, KEY("b")));
    CHECK(!crdt_map_next(root, &cursor));
    CHECK(crdt_bytes_equal(cursor.key, KEY("c")));
    CHECK(!crdt_map_remove(root, KEY("d")));
    CHECK(!crdt_map_next(root, &cursor));
    CHECK(crdt_bytes_equal(cursor.key, KEY("f")));
    CHECK(!crdt_map_clear(root));
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_ERR_NOT_FOUND);
    end();
}

TEST(removing_all_while_walking)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    char key[32];
    int i;
    begin();
    for (i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "some key %d", i);
        CHECK(!crdt_map_put_int(root, crdt_str(key), i));
    }
    for (i = 0; !crdt_map_next(root, &cursor); i++)
        CHECK(!crdt_map_remove(root, cursor.key));
    CHECK_INT(i, 500);
    CHECK_INT(crdt_map_size(root), 0);
    end();
}

/* The value of a cursor is that of the key, containers included. */
TEST(a_walk_shows_containers)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_obj map;
    begin();
    map = crdt_map_map(root, KEY("m"));
    CHECK(!crdt_map_next(root, &cursor));
    CHECK(cursor.value.kind == CRDT_OBJECT &&
          cursor.value.as.object.index == map.index);
    end();
}

TEST_MAIN(CASE(a_new_document_is_an_empty_map), CASE(a_value_of_every_kind),
          CASE(nothing_is_coerced), CASE(numbers_at_the_edges),
          CASE(a_put_replaces_a_put), CASE(removing),
          CASE(keys_of_every_length), CASE(values_of_every_length),
          CASE(containers_in_containers), CASE(null_handles_answer_arg),
          CASE(errors_travel_through_helpers), CASE(wrong_types_answer_type),
          CASE(bad_values_answer_arg), CASE(a_container_is_got_or_made),
          CASE(another_type_fails), CASE(a_value_over_a_container_and_back),
          CASE(handles_survive_removal),
          CASE(concurrent_values_are_all_readable),
          CASE(a_container_that_outlived_its_creation_is_readable),
          CASE(the_walk_is_in_the_order_of_bytes),
          CASE(the_map_may_change_under_the_walk),
          CASE(removing_all_while_walking), CASE(a_walk_shows_containers))
