/* Counters through the public face. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"

static crdt_doc *doc_new(void)
{
    crdt_doc *doc = NULL;
    CHECK(crdt_doc_new(&doc, NULL) == CRDT_OK);
    return doc;
}

static crdt_obj counter_of(crdt_doc *doc)
{
    return crdt_map_counter(crdt_root(doc), CRDT_STR("c"));
}

static int64_t get(crdt_obj counter)
{
    int64_t value = 0;
    CHECK_INT(crdt_counter_get(counter, &value), CRDT_OK);
    return value;
}

static void pull(crdt_doc *a, crdt_doc *b)
{
    crdt_buf all = CRDT_BUF_INIT;
    CHECK(!crdt_commit(b) && !crdt_delta(b, NULL, &all));
    CHECK(!crdt_join(a, crdt_buf_bytes(&all)));
    crdt_buf_free(&all);
}

TEST(adding_and_taking)
{
    crdt_doc *doc = doc_new();
    crdt_obj counter = counter_of(doc);
    int i;
    CHECK_INT(crdt_type_of(counter), CRDT_COUNTER);
    CHECK_INT(get(counter), 0);
    CHECK(!crdt_counter_add(counter, 5));
    CHECK(!crdt_counter_add(counter, -7));
    CHECK_INT(get(counter), -2);
    for (i = 0; i < 1000; i++)
        CHECK(!crdt_counter_add(counter, i % 2 ? 1 : -1));
    CHECK_INT(get(counter), -2);
    crdt_doc_free(doc);
}

TEST(adding_nothing_does_nothing)
{
    crdt_doc *doc = doc_new();
    crdt_obj counter = counter_of(doc);
    crdt_commit(doc);
    CHECK(!crdt_counter_add(counter, 0));
    CHECK(!crdt_counter_reset(counter)); /* nothing to reset */
    CHECK(!crdt_doc_uncommitted(doc));
    crdt_doc_free(doc);
}

TEST(one_live_change_a_replica)
{
    crdt_doc *doc = doc_new();
    crdt_obj counter = counter_of(doc);
    crdt_stats stats;
    int i;
    for (i = 0; i < 1000; i++)
        CHECK(!crdt_counter_add(counter, 1));
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 2); /* the container and the total */
    CHECK_INT(stats.kills, 1);
    crdt_doc_free(doc);
}

TEST(a_reset_takes_what_it_saw)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_obj counter = counter_of(a);
    CHECK(!crdt_counter_add(counter, 10));
    pull(b, a);
    CHECK(!crdt_counter_add(counter_of(b), 5));
    CHECK(!crdt_counter_add(counter_of(b), -2));
    CHECK(!crdt_counter_reset(counter));
    CHECK_INT(get(counter), 0);
    pull(a, b);
    CHECK_INT(get(counter), 3);
    pull(b, a);
    CHECK_INT(get(counter_of(b)), 3);
    CHECK(!crdt_counter_add(counter, 4));
    CHECK_INT(get(counter), 7);
    CHECK(!crdt_counter_reset(counter));
    CHECK(!crdt_counter_reset(counter));
    CHECK_INT(get(counter), 0);
    pull(b, a);
    CHECK_INT(get(counter_of(b)), 0);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* A counter at zero that was counted with is there; one reset is as created. */
TEST(visible_while_anything_counts)
{
    crdt_doc *doc = doc_new();
    crdt_obj counter = counter_of(doc);
    CHECK(!crdt_map_remove(crdt_root(doc), CRDT_STR("c")));
    CHECK(!crdt_map_has(crdt_root(doc), CRDT_STR("c")));
    CHECK(!crdt_counter_add(counter, 3));
    CHECK(!crdt_counter_add(counter, -3));
    CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("c")));
    CHECK(!crdt_counter_reset(counter));
    CHECK(!crdt_map_has(crdt_root(doc), CRDT_STR("c")));
    CHECK_INT(crdt_map_size(crdt_root(doc)), 0);
    crdt_doc_free(doc);
}

TEST(a_handle_survives_removal)
{
    crdt_doc *doc = doc_new();
    crdt_obj counter = counter_of(doc);
    CHECK(!crdt_counter_add(counter, 8));
    CHECK(!crdt_map_remove(crdt_root(doc), CRDT_STR("c")));
    CHECK_INT(get(counter), 0);
    CHECK(!crdt_counter_add(counter, 2));
    CHECK_INT(get(counter), 2);
    CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("c")));
    CHECK(counter_of(doc).index == counter.index);
    crdt_doc_free(doc);
}

TEST(overflow_is_answered_upwards)
{
    crdt_doc *doc = doc_new();
    crdt_obj counter = counter_of(doc);
    CHECK(!crdt_counter_add(counter, INT64_MAX - 1));
    CHECK_INT(crdt_counter_add(counter, 2), CRDT_ERR_OVERFLOW);
    CHECK_INT(get(counter), INT64_MAX - 1);
    CHECK(!crdt_counter_add(counter, 1));
    CHECK_INT(crdt_counter_add(counter, 1), CRDT_ERR_OVERFLOW);
    CHECK_INT(crdt_counter_add(counter, INT64_MAX), CRDT_ERR_OVERFLOW);
    CHECK_INT(get(counter), INT64_MAX);
    CHECK(!crdt_counter_add(counter, -1));
    /* Room in the value, but all that this replica ever added is full. */
    CHECK_INT(crdt_counter_add(counter, 1), CRDT_ERR_OVERFLOW);
    CHECK_INT(get(counter), INT64_MAX - 1);
    crdt_doc_free(doc);
}

TEST(overflow_is_answered_downwards)
{
    crdt_doc *doc = doc_new();
    crdt_obj counter = counter_of(doc);
    CHECK_INT(crdt_counter_add(counter, INT64_MIN), CRDT_ERR_OVERFLOW);
    CHECK(!crdt_counter_add(counter, -INT64_MAX));
    CHECK_INT(crdt_counter_add(counter, -1), CRDT_ERR_OVERFLOW);
    CHECK_INT(crdt_counter_add(counter, INT64_MIN), CRDT_ERR_OVERFLOW);
    CHECK_INT(get(counter), -INT64_MAX);
    CHECK(!crdt_counter_add(counter, INT64_MAX));
    CHECK_INT(get(counter), 0);
    crdt_doc_free(doc);
}

/* Each was within the range; together they are not. */
static void merged_overflow(int64_t amount, int64_t edge)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_obj counter = counter_of(a);
    int64_t value = 0;
    CHECK(!crdt_counter_add(counter, amount));
    CHECK(!crdt_counter_add(counter_of(b), amount));
    pull(a, b);
    CHECK_INT(crdt_counter_get(counter, &value), CRDT_ERR_OVERFLOW);
    CHECK(value == edge);
    /* Further out is refused, the way back is open. */
    CHECK_INT(crdt_counter_add(counter, amount > 0 ? 1 : -1),
              CRDT_ERR_OVERFLOW);
    CHECK(!crdt_counter_add(counter, -amount));
    CHECK_INT(crdt_counter_get(counter, &value), CRDT_OK);
    CHECK(value == amount);
    pull(b, a);
    CHECK(get(counter_of(b)) == amount);
    CHECK(!crdt_counter_reset(counter));
    CHECK_INT(get(counter), 0);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(merging_may_overflow)
{
    merged_overflow(INT64_MAX, INT64_MAX);
    merged_overflow(-INT64_MAX, INT64_MIN);
    merged_overflow(INT64_MAX / 2 + 2, INT64_MAX);
}

TEST(the_exact_edges_are_in_range)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_obj counter = counter_of(a);
    CHECK(!crdt_counter_add(counter, -INT64_MAX));
    CHECK(!crdt_counter_add(counter_of(b), -1));
    pull(a, b);
    CHECK(get(counter) == INT64_MIN);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(wrong_handles)
{
    crdt_doc *doc = doc_new();
    crdt_obj none = { NULL, 0 }, map = crdt_root(doc), null = map;
    int64_t value = 7;
    null.index = 0;
    CHECK_INT(crdt_counter_add(none, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_counter_add(null, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_ARG);
    CHECK_INT(crdt_counter_add(map, 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_counter_reset(null), CRDT_ERR_ARG);
    CHECK_INT(crdt_counter_reset(map), CRDT_ERR_TYPE);
    CHECK_INT(crdt_counter_get(null, &value), CRDT_ERR_ARG);
    CHECK_INT(crdt_counter_get(map, &value), CRDT_ERR_TYPE);
    CHECK_INT(value, 7);
    crdt_doc_free(doc);
}

/* Under a new id the additions of the old one still count. */
TEST(a_reincarnation_goes_on)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_obj counter = counter_of(a);
    CHECK(!crdt_counter_add(counter, 5));
    crdt_commit(a);
    CHECK(!crdt_doc_reincarnate(a));
    CHECK(!crdt_counter_add(counter, 6));
    CHECK_INT(get(counter), 11);
    pull(b, a);
    CHECK_INT(get(counter_of(b)), 11);
    CHECK(!crdt_counter_reset(counter));
    pull(b, a);
    CHECK_INT(get(counter_of(b)), 0);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST_MAIN(CASE(adding_and_taking), CASE(adding_nothing_does_nothing),
          CASE(one_live_change_a_replica), CASE(a_reset_takes_what_it_saw),
          CASE(visible_while_anything_counts), CASE(a_handle_survives_removal),
          CASE(overflow_is_answered_upwards),
          CASE(overflow_is_answered_downwards), CASE(merging_may_overflow),
          CASE(the_exact_edges_are_in_range), CASE(wrong_handles),
          CASE(a_reincarnation_goes_on))
