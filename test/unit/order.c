/* Walks: in order, whatever changes under them. */
#include "../replicas.h"

#include <math.h>

static const crdt_type sets[] = { CRDT_AW_SET, CRDT_RW_SET,  CRDT_GSET,
                                  CRDT_2PSET,  CRDT_LWW_SET, CRDT_LWW_SET_RM };

enum { SETS = sizeof sets / sizeof *sets };

/* The two forms of elements: 0 to 25 as an int, which may be a row, and as a
 * letter, which never is. */
static int letters;

static crdt_value element(int n)
{
    static char name[2];
    name[0] = (char)('a' + n);
    return letters ? crdt_string(crdt_bytes_of(name, 1)) : crdt_int(n);
}

static int number(crdt_value value)
{
    return letters ? value.as.bytes.ptr[0] - 'a' : (int)value.as.integer;
}

static void add(crdt_obj set, int n)
{
    CHECK_INT(crdt_set_add(set, element(n)), CRDT_OK);
}

static void take(crdt_obj set, int n)
{
    CHECK_INT(crdt_set_remove(set, element(n)), CRDT_OK);
}

/* The next element of the walk, or -1 behind the last. */
static int next(crdt_obj set, crdt_cursor *cursor)
{
    crdt_err err = crdt_set_next(set, cursor);
    CHECK(!err || err == CRDT_ERR_NOT_FOUND);
    return err ? -1 : number(cursor->value);
}

/* Runs a test of a walk for either form. */
static void both_forms(void (*test)(crdt_obj set))
{
    for (letters = 0; letters < 2; letters++) {
        crdt_doc *doc = replica(1);
        test(at_root(doc, CRDT_AW_SET));
        done(doc);
    }
}

/* >>the order ------------------------------------------------------------- */

/* Section 12: each comes before the next. */
enum { LADDER = 20 };

static crdt_value ladder(int step)
{
    const double doubles[] = { -(double)INFINITY, -0.5,       0.0, 0.5,
                               (double)INFINITY,  (double)NAN };
    if (step == 0)
        return crdt_null();
    if (step < 3)
        return crdt_bool(step == 2);
    if (step < 7)
        return crdt_int(step == 3   ? INT64_MIN
                        : step == 6 ? INT64_MAX
                                    : step - 5);
    if (step < 13)
        return crdt_double(doubles[step - 7]);
    if (step < 16)
        return crdt_string(crdt_bytes_of("aa", (size_t)step - 13));
    if (step < 18)
        return crdt_blob(crdt_bytes_of("aa", (size_t)step - 16));
    return crdt_time(step - 19);
}

TEST(elements_of_all_kinds_come_in_order)
{
    int i, step;
    for (i = 0; i < SETS; i++) {
        crdt_cursor cursor = CRDT_CURSOR_INIT;
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, sets[i]);
        for (step = 0; step < LADDER; step++)
            CHECK(!crdt_set_add(set, ladder(step * 7 % LADDER)));
        CHECK(!crdt_set_add(set, crdt_double(-0.0))); /* is in already */
        CHECK_INT(crdt_set_size(set), LADDER);
        for (step = 0; step < LADDER; step++) {
            crdt_value want = ladder(step);
            CHECK(!crdt_set_next(set, &cursor));
            CHECK_INT(cursor.value.kind, want.kind);
            CHECK_INT(crdti_value_order(&cursor.value, &want), 0);
        }
        CHECK_INT(crdt_set_next(set, &cursor), CRDT_ERR_NOT_FOUND);
        done(doc);
    }
}

TEST(a_zero_is_walked_without_its_sign)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_doc *doc = replica(1);
    crdt_obj set = at_root(doc, CRDT_AW_SET);
    CHECK(!crdt_set_add(set, crdt_double(-0.0)));
    CHECK(!crdt_set_next(set, &cursor));
    CHECK(!signbit(cursor.value.as.number));
    done(doc);
}

TEST(keys_of_a_map_come_in_order)
{
    crdt_doc *doc = replica(1);
    crdt_cursor cursor = CRDT_CURSOR_INIT, before = CRDT_CURSOR_INIT;
    uint64_t chance = 1;
    size_t count = 0;
    int i;
    for (i = 0; i < 3000; i++) {
        uint8_t key[6];
        size_t len = test_below(&chance, 6), k;
        for (k = 0; k < len; k++)
            key[k] = (uint8_t)(test_below(&chance, 3) * 127);
        CHECK(!crdt_map_put_int(crdt_root(doc), crdt_bytes_of(key, len), i));
    }
    for (; crdt_map_next(crdt_root(doc), &cursor) == CRDT_OK; count++) {
        before.key.ptr = before.key_copy;
        CHECK(!count || crdti_bytes_order(before.key, cursor.key) < 0);
        before = cursor;
    }
    CHECK_INT(count, crdt_map_size(crdt_root(doc)));
    CHECK(count > 100);
    done(doc);
}

/* >>changes under a walk -------------------------------------------------- */

static void ahead_and_behind(crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    add(set, 2);
    add(set, 6);
    add(set, 10);
    CHECK_INT(next(set, &cursor), 2);
    add(set, 1); /* behind us: not seen */
    add(set, 4); /* ahead of us: seen */
    CHECK_INT(next(set, &cursor), 4);
    take(set, 6); /* ahead of us: not seen */
    take(set, 2); /* behind us */
    CHECK_INT(next(set, &cursor), 10);
    CHECK_INT(next(set, &cursor), -1);
    CHECK_INT(next(set, &cursor), -1);
    add(set, 12); /* the walk goes on where it ended */
    CHECK_INT(next(set, &cursor), 12);
    CHECK_INT(crdt_set_size(set), 4);
}

TEST(what_is_ahead_is_seen_and_what_is_behind_is_not)
{
    both_forms(ahead_and_behind);
}

static void own_element(crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    int n;
    for (n = 0; n < 6; n++)
        add(set, n);
    CHECK_INT(next(set, &cursor), 0);
    CHECK_INT(next(set, &cursor), 1);
    take(set, 1);
    CHECK_INT(number(cursor.value), 1); /* it stays readable */
    CHECK_INT(next(set, &cursor), 2);
    take(set, 2);
    take(set, 3);
    add(set, 2); /* where we stand: it is behind us */
    CHECK_INT(next(set, &cursor), 4);
    add(set, 4); /* again, in the other form */
    CHECK_INT(next(set, &cursor), 5);
    CHECK(!crdt_set_clear(set));
    CHECK_INT(next(set, &cursor), -1);
}

TEST(the_element_it_stands_on_may_go)
{
    both_forms(own_element);
}

static void remove_each(crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    int n, count = 0;
    for (n = 0; n < 26; n++)
        add(set, n * 7 % 26);
    while ((n = next(set, &cursor)) >= 0) {
        CHECK_INT(n, count++);
        take(set, n);
    }
    CHECK_INT(count, 26);
    CHECK_INT(crdt_set_size(set), 0);
}

TEST(each_may_be_removed_as_it_is_met)
{
    both_forms(remove_each);
}

static void two_walks(crdt_obj set)
{
    crdt_cursor slow = CRDT_CURSOR_INIT, fast = CRDT_CURSOR_INIT;
    int n;
    for (n = 0; n < 20; n++)
        add(set, n);
    for (n = 0; n < 20; n++) {
        if (n % 2 == 0)
            CHECK_INT(next(set, &slow), n / 2);
        CHECK_INT(next(set, &fast), n);
    }
    CHECK_INT(next(set, &fast), -1);
    for (n = 10; n < 20; n++)
        CHECK_INT(next(set, &slow), n);
    CHECK_INT(next(set, &slow), -1);
}

TEST(walks_do_not_mind_each_other)
{
    both_forms(two_walks);
}

static void joined_under(crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_doc *other = replica(2);
    crdt_obj theirs = at_root(other, CRDT_AW_SET);
    add(set, 3);
    add(set, 6);
    add(set, 9);
    pull(other, set.doc);
    CHECK_INT(next(set, &cursor), 3);
    add(theirs, 2);
    add(theirs, 4);
    take(theirs, 3);
    take(theirs, 6);
    add(theirs, 9);
    pull(set.doc, other);
    CHECK_INT(next(set, &cursor), 4);
    CHECK_INT(next(set, &cursor), 9);
    CHECK_INT(next(set, &cursor), -1);
    CHECK_INT(crdt_set_size(set), 3);
    done(other);
}

TEST(a_join_may_change_the_set_under_a_walk)
{
    both_forms(joined_under);
}

/* An element that is in by a row of one and an entry of another shows once. */
TEST(elements_of_several_replicas_show_once)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj of_a = at_root(a, CRDT_AW_SET), of_b = at_root(b, CRDT_AW_SET);
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    int n;
    letters = 0;
    for (n = 0; n < 20; n++) {
        add(of_a, n);
        add(of_b, n);
        if (n % 3 == 0)
            add(of_a, n);
        if (n % 4 == 0)
            add(of_b, n);
    }
    meet(a, b);
    CHECK_INT(crdt_set_size(of_a), 20);
    for (n = 0; n < 20; n++)
        CHECK_INT(next(of_a, &cursor), n);
    CHECK_INT(next(of_a, &cursor), -1);
    done(a);
    done(b);
}

/* A map goes on too when keys of containers come and go. */
TEST(containers_come_and_go_under_a_walk)
{
    crdt_doc *doc = replica(1);
    crdt_obj root = crdt_root(doc);
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    CHECK(!crdt_is_null(crdt_map_object(root, CRDT_STR("b"), CRDT_AW_SET)));
    CHECK(!crdt_is_null(crdt_map_object(root, CRDT_STR("d"), CRDT_MAX)));
    CHECK(!crdt_map_next(root, &cursor));
    CHECK_INT(cursor.value.kind, CRDT_OBJECT);
    CHECK_INT(crdt_type_of(cursor.value.as.object), CRDT_AW_SET);
    CHECK(!crdt_set_add(cursor.value.as.object, crdt_int(1)));
    CHECK(!crdt_map_remove(root, cursor.key));
    CHECK(!crdt_is_null(crdt_map_object(root, CRDT_STR("c"), CRDT_EW_FLAG)));
    CHECK(!crdt_map_next(root, &cursor));
    CHECK_INT(crdt_type_of(cursor.value.as.object), CRDT_EW_FLAG);
    CHECK(!crdt_map_next(root, &cursor));
    CHECK_INT(crdt_type_of(cursor.value.as.object), CRDT_MAX);
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_ERR_NOT_FOUND);
    done(doc);
}

/* Sizes and walks agree after any changes. */
TEST(a_walk_meets_as_many_as_the_size_says)
{
    uint64_t chance = 1;
    crdt_doc *doc = replica(1);
    int i, n, count;
    letters = 0;
    for (i = 0; i < SETS; i++) {
        crdt_obj set = crdt_map_object(
            crdt_root(doc), crdt_str(crdt_type_name(sets[i])), sets[i]);
        for (n = 0; n < 400; n++) {
            crdt_cursor cursor = CRDT_CURSOR_INIT;
            crdt_value value = crdt_int(test_below(&chance, 30));
            if (test_below(&chance, 2))
                (void)crdt_set_remove(set, value);
            else
                (void)crdt_set_add(set, value);
            for (count = 0; crdt_set_next(set, &cursor) == CRDT_OK; count++)
                CHECK(crdt_set_has(set, cursor.value));
            CHECK_INT(crdt_set_size(set), count);
        }
    }
    done(doc);
}

TEST_MAIN(CASE(elements_of_all_kinds_come_in_order),
          CASE(a_zero_is_walked_without_its_sign),
          CASE(keys_of_a_map_come_in_order),
          CASE(what_is_ahead_is_seen_and_what_is_behind_is_not),
          CASE(the_element_it_stands_on_may_go),
          CASE(each_may_be_removed_as_it_is_met),
          CASE(walks_do_not_mind_each_other),
          CASE(a_join_may_change_the_set_under_a_walk),
          CASE(elements_of_several_replicas_show_once),
          CASE(containers_come_and_go_under_a_walk),
          CASE(a_walk_meets_as_many_as_the_size_says))
