/* Flags: enable wins, and disable wins. */
#include "../replicas.h"

static const crdt_type flags[] = { CRDT_EW_FLAG, CRDT_DW_FLAG };

static int get(crdt_doc *doc, crdt_type type)
{
    int on = 7;
    CHECK_INT(crdt_flag_get(at_root(doc, type), &on), CRDT_OK);
    return on;
}

static void set(crdt_doc *doc, crdt_type type, int on)
{
    CHECK_INT(crdt_flag_set(at_root(doc, type), on), CRDT_OK);
    CHECK_INT(get(doc, type), on != 0);
}

TEST(a_flag_is_false_at_first)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdt_doc *doc = replica(1);
        CHECK_INT(crdt_type_of(at_root(doc, flags[i])), flags[i]);
        CHECK_INT(get(doc, flags[i]), 0);
        set(doc, flags[i], 0);
        done(doc);
    }
}

TEST(it_is_what_was_set_last)
{
    int i, round;
    for (i = 0; i < 2; i++) {
        crdt_doc *doc = replica(1);
        for (round = 0; round < 3; round++) {
            set(doc, flags[i], 1);
            set(doc, flags[i], 99); /* anything but 0 is true */
            set(doc, flags[i], 0);
            set(doc, flags[i], 0);
        }
        done(doc);
    }
}

/* A flag takes no more room for being written often. */
TEST(one_live_change_is_left)
{
    int i, round;
    for (i = 0; i < 2; i++) {
        crdt_doc *doc = replica(1);
        crdt_stats stats;
        for (round = 0; round < 1000; round++)
            set(doc, flags[i], round % 2 == 0);
        set(doc, flags[i], 1);
        crdt_doc_stats(doc, &stats);
        CHECK_INT(stats.ops, 2); /* the container and the flag */
        CHECK(stats.kills <= 2);
        done(doc);
    }
}

/* To clear an enable-wins flag that nobody set takes nothing. */
TEST(clearing_what_was_never_set)
{
    crdt_doc *doc = replica(1);
    crdt_obj flag = at_root(doc, CRDT_EW_FLAG);
    CHECK(!crdt_commit(doc));
    CHECK(!crdt_flag_set(flag, 0));
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK(!crdt_flag_set(flag, 1) && !crdt_flag_set(flag, 0));
    CHECK(!crdt_commit(doc));
    CHECK(!crdt_flag_set(flag, 0));
    CHECK(!crdt_doc_uncommitted(doc));
    done(doc);
}

/* What a flag shows that was `before`, then set here and cleared there. */
static int set_and_cleared(crdt_type type, int before)
{
    crdt_doc *a = replica(1), *b = replica(2);
    int on;
    set(a, type, before);
    meet(a, b);
    set(a, type, 1);
    set(b, type, 0);
    meet(a, b);
    on = get(a, type);
    CHECK_INT(get(b, type), on);
    /* The next write replaces all it has seen. */
    set(b, type, !on);
    meet(a, b);
    CHECK_INT(get(a, type), !on);
    set(a, type, on);
    meet(a, b);
    CHECK_INT(get(b, type), on);
    done(a);
    done(b);
    return on;
}

TEST(enable_wins)
{
    CHECK(set_and_cleared(CRDT_EW_FLAG, 1));
    CHECK(set_and_cleared(CRDT_EW_FLAG, 0));
}

TEST(disable_wins)
{
    CHECK(!set_and_cleared(CRDT_DW_FLAG, 1));
    CHECK(!set_and_cleared(CRDT_DW_FLAG, 0));
}

TEST(both_set_and_one_clears_both)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdt_doc *a = replica(1), *b = replica(2);
        set(a, flags[i], 1);
        set(b, flags[i], 1);
        meet(a, b);
        CHECK(get(a, flags[i]) && get(b, flags[i]));
        set(b, flags[i], 0);
        meet(a, b);
        CHECK(!get(a, flags[i]));
        done(a);
        done(b);
    }
}

/* A third replica, that sees only one of the two writes, agrees in the end. */
TEST(the_order_of_arrival_has_no_say)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
        set(a, flags[i], 1);
        set(b, flags[i], 0);
        pull(c, a);
        CHECK(get(c, flags[i]));
        meet(c, b);
        CHECK_INT(get(c, flags[i]), flags[i] == CRDT_EW_FLAG || i == 0);
        meet(a, b);
        CHECK(same(b, c) || get(b, flags[i]) == get(c, flags[i]));
        done(a);
        done(b);
        done(c);
    }
}

TEST(handles_of_no_flag)
{
    crdt_doc *doc = replica(1);
    crdt_obj none = { NULL, 0 };
    int on = 7;
    CHECK_INT(crdt_flag_set(crdt_root(doc), 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_flag_get(crdt_root(doc), &on), CRDT_ERR_TYPE);
    CHECK_INT(crdt_flag_set(nowhere(doc), 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_flag_get(nowhere(doc), &on), CRDT_ERR_ARG);
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_ARG);
    CHECK_INT(crdt_flag_set(none, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_flag_get(none, &on), CRDT_ERR_ARG);
    CHECK_INT(on, 7);
    done(doc);
}

TEST_MAIN(CASE(a_flag_is_false_at_first), CASE(it_is_what_was_set_last),
          CASE(one_live_change_is_left), CASE(clearing_what_was_never_set),
          CASE(enable_wins), CASE(disable_wins),
          CASE(both_set_and_one_clears_both),
          CASE(the_order_of_arrival_has_no_say), CASE(handles_of_no_flag))
