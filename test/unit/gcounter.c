/* Counters that only grow. */
#include "../replicas.h"

static crdt_obj of(crdt_doc *doc)
{
    return at_root(doc, CRDT_GCOUNTER);
}

static int64_t get(crdt_doc *doc)
{
    int64_t value = -1;
    CHECK_INT(crdt_counter_get(of(doc), &value), CRDT_OK);
    return value;
}

TEST(it_grows)
{
    crdt_doc *doc = replica(1);
    CHECK_INT(crdt_type_of(of(doc)), CRDT_GCOUNTER);
    CHECK_INT(get(doc), 0);
    CHECK(!crdt_counter_add(of(doc), 5));
    CHECK(!crdt_counter_add(of(doc), 7));
    CHECK_INT(get(doc), 12);
    CHECK(!crdt_commit(doc));
    CHECK(!crdt_counter_add(of(doc), 0));
    CHECK(!crdt_doc_uncommitted(doc));
    done(doc);
}

TEST(it_does_not_shrink)
{
    crdt_doc *doc = replica(1);
    CHECK(!crdt_counter_add(of(doc), 5));
    CHECK(!crdt_commit(doc));
    CHECK_INT(crdt_counter_add(of(doc), -1), CRDT_ERR_RANGE);
    CHECK_INT(crdt_counter_add(of(doc), INT64_MIN), CRDT_ERR_RANGE);
    CHECK_INT(crdt_counter_reset(of(doc)), CRDT_ERR_TYPE);
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK_INT(get(doc), 5);
    done(doc);
}

TEST(all_additions_count_once)
{
    crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
    int i;
    for (i = 1; i <= 10; i++) {
        CHECK(!crdt_counter_add(of(a), 1));
        CHECK(!crdt_counter_add(of(b), 10));
        CHECK(!crdt_counter_add(of(c), 100));
        meet(a, b);
        meet(b, c);
        meet(b, c);
        CHECK_INT(get(c), 111 * i);
    }
    meet(a, c);
    CHECK_INT(get(a), 1110);
    done(a);
    done(b);
    done(c);
}

TEST(one_live_change_a_replica)
{
    crdt_doc *doc = replica(1);
    crdt_stats stats;
    int i;
    for (i = 0; i < 1000; i++)
        CHECK(!crdt_counter_add(of(doc), 2));
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 2); /* the container and the total */
    CHECK_INT(get(doc), 2000);
    done(doc);
}

TEST(overflow_is_answered)
{
    crdt_doc *doc = replica(1);
    CHECK(!crdt_counter_add(of(doc), INT64_MAX - 1));
    CHECK_INT(crdt_counter_add(of(doc), 2), CRDT_ERR_OVERFLOW);
    CHECK(!crdt_counter_add(of(doc), 1));
    CHECK_INT(crdt_counter_add(of(doc), 1), CRDT_ERR_OVERFLOW);
    CHECK(get(doc) == INT64_MAX);
    done(doc);
}

TEST(merging_may_overflow)
{
    crdt_doc *a = replica(1), *b = replica(2);
    int64_t value = 0;
    CHECK(!crdt_counter_add(of(a), INT64_MAX));
    CHECK(!crdt_counter_add(of(b), 1));
    meet(a, b);
    CHECK_INT(crdt_counter_get(of(b), &value), CRDT_ERR_OVERFLOW);
    CHECK(value == INT64_MAX);
    CHECK_INT(crdt_counter_add(of(b), 1), CRDT_ERR_OVERFLOW);
    done(a);
    done(b);
}

/* It has no reset of its own, but the key above can be removed. */
TEST(a_removal_above_takes_what_it_saw)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj counter = of(a);
    int64_t value = 0;
    CHECK(!crdt_counter_add(counter, 10));
    meet(a, b);
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("it")));
    CHECK(!crdt_counter_get(counter, &value));
    CHECK_INT(value, 0);
    CHECK(!crdt_counter_add(of(b), 5));
    meet(a, b);
    CHECK_INT(get(a), 5);
    CHECK_INT(get(b), 5);
    done(a);
    done(b);
}

TEST(handles_of_no_counter)
{
    crdt_doc *doc = replica(1);
    int64_t value = 7;
    CHECK_INT(crdt_counter_add(crdt_root(doc), 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_bounded_add(of(doc), 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_bounded_get(of(doc), &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_counter_add(nowhere(doc), 1), CRDT_ERR_ARG);
    CHECK_INT(value, 7);
    done(doc);
}

TEST_MAIN(CASE(it_grows), CASE(it_does_not_shrink),
          CASE(all_additions_count_once), CASE(one_live_change_a_replica),
          CASE(overflow_is_answered), CASE(merging_may_overflow),
          CASE(a_removal_above_takes_what_it_saw), CASE(handles_of_no_counter))
