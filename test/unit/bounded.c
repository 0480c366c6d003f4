/* Counters that are never below 0: what is owned, taken and handed on. */
#include "../replicas.h"

static crdt_obj of(crdt_doc *doc)
{
    return at_root(doc, CRDT_BOUNDED);
}

static int64_t get(crdt_doc *doc)
{
    int64_t value = -1;
    CHECK_INT(crdt_bounded_get(of(doc), &value), CRDT_OK);
    return value;
}

/* What the replica of that number owns, as seen by doc. */
static int64_t rights(crdt_doc *doc, uint8_t who)
{
    crdt_id id = replica_id(who);
    int64_t own = -1;
    CHECK_INT(crdt_bounded_rights(of(doc), &id, &own), CRDT_OK);
    return own;
}

static crdt_err hand(crdt_doc *doc, uint8_t to, int64_t amount)
{
    crdt_id id = replica_id(to);
    return crdt_bounded_transfer(of(doc), &id, amount);
}

/* >>one replica ----------------------------------------------------------- */

TEST(what_is_added_may_be_taken_and_no_more)
{
    crdt_doc *doc = replica(1);
    CHECK_INT(crdt_type_of(of(doc)), CRDT_BOUNDED);
    CHECK_INT(get(doc), 0);
    CHECK_INT(crdt_bounded_take(of(doc), 1), CRDT_ERR_RIGHTS);
    CHECK(!crdt_bounded_add(of(doc), 5));
    CHECK_INT(rights(doc, 1), 5);
    CHECK_INT(crdt_bounded_take(of(doc), 6), CRDT_ERR_RIGHTS);
    CHECK_INT(get(doc), 5);
    CHECK(!crdt_bounded_take(of(doc), 4));
    CHECK(!crdt_bounded_take(of(doc), 1));
    CHECK_INT(get(doc), 0);
    CHECK_INT(rights(doc, 1), 0);
    CHECK_INT(crdt_bounded_take(of(doc), 1), CRDT_ERR_RIGHTS);
    CHECK(!crdt_bounded_add(of(doc), 2));
    CHECK_INT(get(doc), 2);
    done(doc);
}

TEST(amounts_below_0_are_out_of_range)
{
    crdt_doc *doc = replica(1);
    CHECK(!crdt_bounded_add(of(doc), 5));
    CHECK(!crdt_commit(doc));
    CHECK_INT(crdt_bounded_add(of(doc), -1), CRDT_ERR_RANGE);
    CHECK_INT(crdt_bounded_take(of(doc), -1), CRDT_ERR_RANGE);
    CHECK_INT(hand(doc, 2, -1), CRDT_ERR_RANGE);
    CHECK_INT(crdt_bounded_add(of(doc), INT64_MIN), CRDT_ERR_RANGE);
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK_INT(get(doc), 5);
    done(doc);
}

TEST(nothing_is_written_for_nothing)
{
    crdt_doc *doc = replica(1);
    CHECK(!crdt_bounded_add(of(doc), 0));
    CHECK(!crdt_bounded_take(of(doc), 0));
    CHECK(!hand(doc, 2, 0));
    CHECK(!crdt_bounded_add(of(doc), 3));
    CHECK(!crdt_commit(doc));
    CHECK(!crdt_bounded_add(of(doc), 0));
    CHECK(!crdt_bounded_take(of(doc), 0));
    CHECK(!hand(doc, 2, 0));
    CHECK(!hand(doc, 1, 2)); /* to ourselves */
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK_INT(rights(doc, 1), 3);
    done(doc);
}

TEST(overflow_of_the_value_is_answered)
{
    crdt_doc *doc = replica(1);
    CHECK(!crdt_bounded_add(of(doc), INT64_MAX - 1));
    CHECK_INT(crdt_bounded_add(of(doc), 2), CRDT_ERR_OVERFLOW);
    CHECK(!crdt_bounded_add(of(doc), 1));
    CHECK_INT(crdt_bounded_add(of(doc), 1), CRDT_ERR_OVERFLOW);
    CHECK(get(doc) == INT64_MAX);
    CHECK(!crdt_bounded_take(of(doc), INT64_MAX));
    CHECK_INT(get(doc), 0);
    /* Room in the value, but all that this replica ever added is full. */
    CHECK_INT(crdt_bounded_add(of(doc), 1), CRDT_ERR_OVERFLOW);
    CHECK_INT(get(doc), 0);
    done(doc);
}

TEST(one_live_change_a_replica)
{
    crdt_doc *doc = replica(1);
    crdt_stats stats;
    int i;
    for (i = 0; i < 500; i++) {
        CHECK(!crdt_bounded_add(of(doc), 3));
        CHECK(!crdt_bounded_take(of(doc), 1));
        CHECK(!hand(doc, 2, 1));
    }
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.ops, 3); /* the container, the total, what b was given */
    CHECK_INT(get(doc), 1000);
    CHECK_INT(rights(doc, 1), 500);
    CHECK_INT(rights(doc, 2), 500);
    done(doc);
}

TEST(a_stranger_owns_nothing)
{
    crdt_doc *doc = replica(1);
    CHECK_INT(rights(doc, 7), 0);
    CHECK(!crdt_bounded_add(of(doc), 3));
    CHECK_INT(rights(doc, 7), 0);
    done(doc);
}

/* >>several --------------------------------------------------------------- */

TEST(nobody_takes_what_is_not_theirs)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(!crdt_bounded_add(of(a), 10));
    meet(a, b);
    CHECK_INT(get(b), 10);
    CHECK_INT(rights(b, 1), 10);
    CHECK_INT(crdt_bounded_take(of(b), 1), CRDT_ERR_RIGHTS);
    CHECK_INT(hand(b, 3, 1), CRDT_ERR_RIGHTS);
    CHECK(!hand(a, 2, 4));
    CHECK_INT(hand(a, 2, 7), CRDT_ERR_RIGHTS);
    CHECK_INT(get(a), 10); /* handing on changes no value */
    CHECK_INT(crdt_bounded_take(of(b), 1), CRDT_ERR_RIGHTS);
    meet(a, b);
    CHECK_INT(rights(b, 1), 6);
    CHECK_INT(rights(b, 2), 4);
    CHECK(!crdt_bounded_take(of(b), 4));
    CHECK_INT(crdt_bounded_take(of(b), 1), CRDT_ERR_RIGHTS);
    meet(a, b);
    CHECK_INT(get(a), 6);
    done(a);
    done(b);
}

/* All at once, all there is: the sum is 0 and not less. */
TEST(taken_by_all_at_once_it_stays_at_0)
{
    crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
    CHECK(!crdt_bounded_add(of(a), 9));
    CHECK(!hand(a, 2, 3) && !hand(a, 3, 3));
    meet(a, b);
    meet(a, c);
    CHECK(!crdt_bounded_take(of(a), 3));
    CHECK(!crdt_bounded_take(of(b), 3));
    CHECK(!crdt_bounded_take(of(c), 3));
    CHECK_INT(get(a), 6);
    meet(a, b);
    meet(b, c);
    meet(a, c);
    CHECK_INT(get(a), 0);
    CHECK_INT(get(b), 0);
    CHECK_INT(rights(a, 1) + rights(a, 2) + rights(a, 3), 0);
    done(a);
    done(b);
    done(c);
}

TEST(rights_go_from_hand_to_hand)
{
    crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
    int round;
    CHECK(!crdt_bounded_add(of(a), 6));
    for (round = 0; round < 4; round++) {
        CHECK(!hand(a, 2, 6));
        CHECK_INT(hand(a, 3, 1), CRDT_ERR_RIGHTS);
        meet(a, b);
        CHECK(!hand(b, 3, 6));
        CHECK_INT(rights(b, 3), 6);
        meet(b, c);
        CHECK(!hand(c, 1, 6));
        meet(c, a);
        CHECK_INT(rights(a, 1), 6);
        CHECK_INT(rights(a, 2), 0);
        CHECK_INT(rights(a, 3), 0);
        CHECK_INT(get(a), 6);
    }
    done(a);
    done(b);
    done(c);
}

/* A gift that arrives before the news of where it came from. */
TEST(rights_may_be_seen_below_0_and_nobody_gains)
{
    crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
    CHECK(!crdt_bounded_add(of(a), 6));
    meet(a, b);
    CHECK(!hand(a, 2, 6));
    meet(a, b);
    CHECK(!crdt_bounded_take(of(b), 6));
    meet(b, c);
    CHECK_INT(get(c), 0);
    CHECK_INT(crdt_bounded_take(of(c), 1), CRDT_ERR_RIGHTS);
    CHECK(!crdt_bounded_add(of(c), 2));
    meet(c, a);
    CHECK_INT(get(a), 2);
    CHECK_INT(crdt_bounded_take(of(a), 1), CRDT_ERR_RIGHTS);
    done(a);
    done(b);
    done(c);
}

TEST(merging_may_overflow)
{
    crdt_doc *a = replica(1), *b = replica(2);
    int64_t value = 0;
    CHECK(!crdt_bounded_add(of(a), INT64_MAX));
    CHECK(!crdt_bounded_add(of(b), 10));
    meet(a, b);
    CHECK_INT(crdt_bounded_get(of(a), &value), CRDT_ERR_OVERFLOW);
    CHECK(value == INT64_MAX);
    CHECK_INT(crdt_bounded_add(of(b), 1), CRDT_ERR_OVERFLOW);
    /* The way back is open. */
    CHECK(!crdt_bounded_take(of(b), 10));
    CHECK(get(b) == INT64_MAX);
    done(a);
    done(b);
}

TEST(rights_may_overflow_by_gifts)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_id id = replica_id(1);
    int64_t own = 0;
    CHECK(!crdt_bounded_add(of(a), INT64_MAX));
    CHECK(!crdt_bounded_add(of(b), 10));
    CHECK(!hand(b, 1, 10));
    meet(a, b);
    CHECK_INT(crdt_bounded_rights(of(a), &id, &own), CRDT_ERR_OVERFLOW);
    CHECK(own == INT64_MAX);
    CHECK(!crdt_bounded_take(of(a), INT64_MAX));
    CHECK_INT(get(a), 10);
    CHECK_INT(rights(a, 1), 10);
    meet(a, b);
    done(a);
    done(b);
}

/* >>removal above --------------------------------------------------------- */

TEST(a_removal_takes_what_the_remover_owns)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(!crdt_bounded_add(of(a), 10));
    CHECK(!hand(a, 2, 4));
    meet(a, b);
    CHECK(!crdt_bounded_take(of(b), 1));
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("it")));
    CHECK(crdt_map_has(crdt_root(a), CRDT_STR("it"))); /* b's share */
    CHECK_INT(get(a), 4);
    CHECK_INT(rights(a, 1), 0);
    meet(a, b);
    CHECK_INT(get(a), 3);
    CHECK_INT(rights(b, 2), 3);
    CHECK(!crdt_bounded_take(of(b), 3));
    meet(a, b);
    CHECK_INT(get(a), 0);
    CHECK(!crdt_bounded_add(of(a), 2));
    CHECK_INT(get(a), 2);
    done(a);
    done(b);
}

TEST(removed_by_its_only_owner_it_is_no_longer_there)
{
    crdt_doc *doc = replica(1);
    crdt_obj counter = of(doc);
    int64_t value = -1;
    CHECK(!crdt_bounded_add(counter, 10));
    CHECK(!crdt_map_remove(crdt_root(doc), CRDT_STR("it")));
    CHECK(!crdt_map_has(crdt_root(doc), CRDT_STR("it")));
    CHECK(!crdt_bounded_get(counter, &value));
    CHECK_INT(value, 0);
    CHECK(!crdt_bounded_add(counter, 1));
    CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("it")));
    done(doc);
}

/* >>errors ---------------------------------------------------------------- */

TEST(handles_of_no_bounded_counter)
{
    crdt_doc *doc = replica(1);
    crdt_obj root = crdt_root(doc), null = nowhere(doc);
    crdt_id id = replica_id(2);
    int64_t value = 7;
    CHECK_INT(crdt_bounded_add(root, 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_bounded_take(root, 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_bounded_transfer(root, &id, 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_bounded_get(root, &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_bounded_rights(root, &id, &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_bounded_add(null, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_bounded_take(null, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_bounded_transfer(null, &id, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_bounded_get(null, &value), CRDT_ERR_ARG);
    CHECK_INT(crdt_bounded_rights(null, &id, &value), CRDT_ERR_ARG);
    CHECK_INT(crdt_counter_add(of(doc), 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_counter_reset(of(doc)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_counter_get(of(doc), &value), CRDT_ERR_TYPE);
    CHECK(!crdt_bounded_add(of(doc), 1));
    CHECK_INT(crdt_bounded_transfer(of(doc), NULL, 1), CRDT_ERR_ARG);
    CHECK_INT(value, 7);
    done(doc);
}

TEST_MAIN(CASE(what_is_added_may_be_taken_and_no_more),
          CASE(amounts_below_0_are_out_of_range),
          CASE(nothing_is_written_for_nothing),
          CASE(overflow_of_the_value_is_answered),
          CASE(one_live_change_a_replica), CASE(a_stranger_owns_nothing),
          CASE(nobody_takes_what_is_not_theirs),
          CASE(taken_by_all_at_once_it_stays_at_0),
          CASE(rights_go_from_hand_to_hand),
          CASE(rights_may_be_seen_below_0_and_nobody_gains),
          CASE(merging_may_overflow), CASE(rights_may_overflow_by_gifts),
          CASE(a_removal_takes_what_the_remover_owns),
          CASE(removed_by_its_only_owner_it_is_no_longer_there),
          CASE(handles_of_no_bounded_counter))
