/* Sets of every type: what adds and removes do, alone and at once. */
#include "../replicas.h"

static const crdt_type sets[] = { CRDT_AW_SET, CRDT_RW_SET,  CRDT_GSET,
                                  CRDT_2PSET,  CRDT_LWW_SET, CRDT_LWW_SET_RM };

enum { SETS = sizeof sets / sizeof *sets, MANY = 10000 };

static crdt_value text(const char *of)
{
    return crdt_string(crdt_str(of));
}

/* An int is a row where the type has them; a string is an entry always. */
static crdt_value form(int as_entry)
{
    return as_entry ? text("an element") : crdt_int(7);
}

static int has(crdt_doc *doc, crdt_type type, int as_entry)
{
    crdt_obj set = at_root(doc, type);
    int is_in = crdt_set_has(set, form(as_entry));
    CHECK_INT(crdt_set_size(set), is_in);
    return is_in;
}

/* How many elements a walk meets; each of them is in, and in order. */
static size_t walk(crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT, before = CRDT_CURSOR_INIT;
    size_t count = 0;
    while (crdt_set_next(set, &cursor) == CRDT_OK) {
        CHECK(crdt_set_has(set, cursor.value));
        CHECK(!count ||
              crdti_bytes_order(crdt_bytes_of(before.key_copy, before.key.len),
                                cursor.key) < 0);
        before = cursor;
        count++;
    }
    return count;
}

/* >>one replica ----------------------------------------------------------- */

TEST(a_new_set_is_empty)
{
    int i;
    for (i = 0; i < SETS; i++) {
        crdt_cursor cursor = CRDT_CURSOR_INIT;
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, sets[i]);
        CHECK_INT(crdt_type_of(set), sets[i]);
        CHECK_INT(crdt_set_size(set), 0);
        CHECK(!crdt_set_has(set, crdt_null()));
        CHECK_INT(crdt_set_next(set, &cursor), CRDT_ERR_NOT_FOUND);
        CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("it")));
        done(doc);
    }
}

TEST(an_element_is_in_once)
{
    int i, as_entry;
    for (i = 0; i < SETS; i++) {
        for (as_entry = 0; as_entry < 2; as_entry++) {
            crdt_doc *doc = replica(1);
            crdt_obj set = at_root(doc, sets[i]);
            CHECK(!crdt_set_add(set, form(as_entry)));
            CHECK(has(doc, sets[i], as_entry));
            CHECK(!crdt_set_add(set, form(as_entry)));
            CHECK(has(doc, sets[i], as_entry));
            CHECK_INT(walk(set), 1);
            done(doc);
        }
    }
}

TEST(removed_and_added_again_it_is_in)
{
    int i, as_entry, round;
    for (i = 0; i < SETS; i++) {
        for (as_entry = 0; as_entry < 2; as_entry++) {
            crdt_doc *doc = replica(1);
            crdt_obj set = at_root(doc, sets[i]);
            if (sets[i] == CRDT_GSET || sets[i] == CRDT_2PSET) {
                done(doc);
                continue;
            }
            for (round = 0; round < 3; round++) {
                CHECK(!crdt_set_add(set, form(as_entry)));
                CHECK(has(doc, sets[i], as_entry));
                CHECK(!crdt_set_remove(set, form(as_entry)));
                CHECK(!has(doc, sets[i], as_entry));
                CHECK_INT(walk(set), 0);
                CHECK(is_sound(doc));
            }
            done(doc);
        }
    }
}

TEST(what_is_removed_from_a_2pset_is_gone)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = at_root(doc, CRDT_2PSET);
    CHECK(!crdt_set_add(set, crdt_int(1)));
    CHECK(!crdt_set_add(set, crdt_int(2)));
    CHECK(!crdt_set_remove(set, crdt_int(1)));
    CHECK(!crdt_commit(doc));
    CHECK_INT(crdt_set_add(set, crdt_int(1)), CRDT_ERR_GONE);
    CHECK_INT(crdt_set_remove(set, crdt_int(1)), CRDT_ERR_NOT_FOUND);
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK_INT(crdt_set_size(set), 1);
    /* One that was never in is not gone. */
    CHECK_INT(crdt_set_remove(set, crdt_int(3)), CRDT_ERR_NOT_FOUND);
    CHECK(!crdt_set_add(set, crdt_int(3)));
    done(doc);
}

TEST(nothing_leaves_a_gset)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = at_root(doc, CRDT_GSET);
    CHECK(!crdt_set_add(set, crdt_int(1)));
    CHECK_INT(crdt_set_remove(set, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_set_remove(set, crdt_int(2)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_set_clear(set), CRDT_ERR_TYPE);
    CHECK_INT(crdt_set_size(set), 1);
    done(doc);
}

/* What a remove answers of an element that is not in, and whether it writes. */
TEST(a_remove_of_what_is_not_in)
{
    static const crdt_err answers[SETS] = {
        CRDT_ERR_NOT_FOUND, CRDT_OK, CRDT_ERR_TYPE,
        CRDT_ERR_NOT_FOUND, CRDT_OK, CRDT_OK
    };
    int i;
    for (i = 0; i < SETS; i++) {
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, sets[i]);
        CHECK(!crdt_commit(doc));
        CHECK_INT(crdt_set_remove(set, crdt_int(1)), answers[i]);
        CHECK_INT(crdt_doc_uncommitted(doc), !answers[i]);
        CHECK_INT(crdt_set_size(set), 0);
        done(doc);
    }
}

TEST(a_second_add_to_a_grow_only_set_writes_nothing)
{
    static const crdt_type grow[] = { CRDT_GSET, CRDT_2PSET };
    int i, as_entry;
    for (i = 0; i < 4; i++) {
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, grow[i / 2]);
        as_entry = i % 2;
        CHECK(!crdt_set_add(set, form(as_entry)));
        CHECK(!crdt_commit(doc));
        CHECK(!crdt_set_add(set, form(as_entry)));
        CHECK(!crdt_doc_uncommitted(doc));
        done(doc);
    }
}

TEST(elements_that_look_alike_are_several)
{
    int i;
    for (i = 0; i < SETS; i++) {
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, sets[i]);
        CHECK(!crdt_set_add(set, crdt_int(1)));
        CHECK(!crdt_set_has(set, crdt_double(1.0)));
        CHECK(!crdt_set_add(set, crdt_double(1.0)));
        CHECK(!crdt_set_add(set, crdt_bool(1)));
        CHECK(!crdt_set_add(set, crdt_time(1)));
        CHECK(!crdt_set_add(set, text("1")));
        CHECK(!crdt_set_has(set, crdt_blob(CRDT_STR("1"))));
        CHECK(!crdt_set_add(set, crdt_blob(CRDT_STR("1"))));
        CHECK(!crdt_set_add(set, text("")));
        CHECK(!crdt_set_add(set, crdt_blob(CRDT_STR(""))));
        CHECK(!crdt_set_add(set, crdt_null()));
        CHECK(!crdt_set_add(set, crdt_bool(0)));
        CHECK(!crdt_set_add(set, crdt_int(0)));
        CHECK_INT(crdt_set_size(set), 11);
        CHECK_INT(walk(set), 11);
        /* And these are not. */
        CHECK(!crdt_set_add(set, crdt_bool(17)));
        CHECK(!crdt_set_add(set, crdt_double(0.0)));
        CHECK(!crdt_set_add(set, crdt_double(-0.0)));
        CHECK_INT(crdt_set_size(set), 12);
        done(doc);
    }
}

TEST(a_clear_removes_every_element)
{
    int i, n;
    for (i = 0; i < SETS; i++) {
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, sets[i]);
        for (n = 0; n < 40 && sets[i] != CRDT_GSET; n++) {
            char name[20];
            snprintf(name, sizeof name, "%d", n);
            CHECK(!crdt_set_add(set, n % 2 ? text(name) : crdt_int(n)));
        }
        if (sets[i] != CRDT_GSET)
            CHECK(!crdt_set_clear(set));
        CHECK_INT(crdt_set_size(set), 0);
        CHECK_INT(walk(set), 0);
        CHECK(!crdt_commit(doc));
        /* Of nothing it writes nothing. */
        if (sets[i] != CRDT_GSET)
            CHECK(!crdt_set_clear(set));
        CHECK(!crdt_doc_uncommitted(doc));
        CHECK_INT(crdt_set_add(set, crdt_int(2)),
                  sets[i] == CRDT_2PSET ? CRDT_ERR_GONE : CRDT_OK);
        done(doc);
    }
}

/* >>errors ---------------------------------------------------------------- */

TEST(elements_up_to_the_limit)
{
    static uint8_t bytes[CRDTSYNC_MAX_KEY + 1];
    size_t len;
    int i;
    memset(bytes, 'x', sizeof bytes);
    for (i = 0; i < SETS; i++) {
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, sets[i]);
        size_t in = 0;
        /* An element's kind takes one byte of CRDTSYNC_MAX_KEY. */
        for (len = CRDTSYNC_MAX_KEY - 2; len <= CRDTSYNC_MAX_KEY + 1; len++) {
            crdt_value s = crdt_string(crdt_bytes_of(bytes, len));
            crdt_value b = crdt_blob(crdt_bytes_of(bytes, len));
            int fits = len < CRDTSYNC_MAX_KEY;
            CHECK_INT(crdt_set_add(set, s), fits ? CRDT_OK : CRDT_ERR_LIMIT);
            CHECK_INT(crdt_set_add(set, b), fits ? CRDT_OK : CRDT_ERR_LIMIT);
            CHECK_INT(crdt_set_has(set, s), fits);
            if (!fits)
                CHECK_INT(crdt_set_remove(set, s), CRDT_ERR_LIMIT);
            in += fits ? 2 : 0;
        }
        CHECK_INT(crdt_set_size(set), in);
        CHECK_INT(walk(set), in);
        done(doc);
    }
}

TEST(what_is_no_element_answers_arg)
{
    crdt_value object, strange = crdt_null();
    int i;
    for (i = 0; i < SETS; i++) {
        crdt_doc *doc = replica(1);
        crdt_obj set = at_root(doc, sets[i]);
        object.kind = CRDT_OBJECT;
        object.as.object = set;
        strange.kind = (crdt_kind)99;
        CHECK_INT(crdt_set_add(set, object), CRDT_ERR_ARG);
        CHECK_INT(crdt_set_add(set, strange), CRDT_ERR_ARG);
        CHECK_INT(crdt_set_add(set, crdt_string(crdt_bytes_of(NULL, 3))),
                  CRDT_ERR_ARG);
        CHECK_INT(crdt_set_remove(set, object), CRDT_ERR_ARG);
        CHECK(!crdt_set_has(set, object));
        CHECK(!crdt_set_add(set, crdt_string(crdt_bytes_of(NULL, 0))));
        CHECK_INT(crdt_set_size(set), 1);
        done(doc);
    }
}

TEST(handles_of_no_set)
{
    crdt_doc *doc = replica(1);
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_obj root = crdt_root(doc), null = nowhere(doc);
    crdt_obj none = { NULL, 0 };
    CHECK_INT(crdt_set_add(root, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_set_remove(root, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_set_clear(root), CRDT_ERR_TYPE);
    CHECK_INT(crdt_set_next(root, &cursor), CRDT_ERR_TYPE);
    CHECK(!crdt_set_has(root, crdt_int(1)));
    CHECK_INT(crdt_set_size(root), 0);
    CHECK_INT(crdt_set_add(null, crdt_int(1)), CRDT_ERR_ARG);
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_ARG);
    CHECK_INT(crdt_set_remove(null, crdt_int(1)), CRDT_ERR_ARG);
    CHECK_INT(crdt_set_clear(null), CRDT_ERR_ARG);
    CHECK_INT(crdt_set_next(null, &cursor), CRDT_ERR_ARG);
    CHECK(!crdt_set_has(null, crdt_int(1)));
    CHECK_INT(crdt_set_size(null), 0);
    CHECK_INT(crdt_set_add(none, crdt_int(1)), CRDT_ERR_ARG);
    done(doc);
}

/* >>two replicas ---------------------------------------------------------- */

/* Both have the element, or neither; then a adds it while b removes it. */
static int add_and_remove(crdt_type type, int as_entry, int was_in,
                          int remove_is_later)
{
    crdt_doc *a = replica(1), *b = replica(2);
    int is_in;
    at_root(a, type);
    if (was_in)
        CHECK(!crdt_set_add(at_root(a, type), form(as_entry)));
    meet(a, b);
    later();
    CHECK(!crdt_set_add(at_root(a, type), form(as_entry)));
    if (remove_is_later)
        later();
    CHECK(!crdt_set_remove(at_root(b, type), form(as_entry)));
    meet(a, b);
    is_in = has(a, type, as_entry);
    CHECK_INT(has(b, type, as_entry), is_in);
    done(a);
    done(b);
    return is_in;
}

TEST(an_add_wins_over_a_remove_at_once)
{
    CHECK(add_and_remove(CRDT_AW_SET, 0, 1, 1));
    CHECK(add_and_remove(CRDT_AW_SET, 1, 1, 1));
}

TEST(a_remove_wins_over_an_add_at_once)
{
    int way;
    for (way = 0; way < 4; way++)
        CHECK(!add_and_remove(CRDT_RW_SET, way % 2, way / 2, 0));
}

TEST(the_later_stamp_wins_and_of_equal_ones_the_bias)
{
    int way;
    for (way = 0; way < 4; way++) {
        int as_entry = way % 2, was_in = way / 2;
        CHECK(!add_and_remove(CRDT_LWW_SET, as_entry, was_in, 1));
        CHECK(!add_and_remove(CRDT_LWW_SET_RM, as_entry, was_in, 1));
        CHECK(add_and_remove(CRDT_LWW_SET, as_entry, was_in, 0));
        CHECK(!add_and_remove(CRDT_LWW_SET_RM, as_entry, was_in, 0));
    }
}

/* The same the other way round: the replica has no say in it. */
TEST(of_equal_stamps_the_replica_has_no_say)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdt_type type = i ? CRDT_LWW_SET_RM : CRDT_LWW_SET;
        crdt_doc *a = replica(9), *b = replica(3);
        at_root(a, type);
        meet(a, b);
        later();
        CHECK(!crdt_set_add(at_root(a, type), crdt_int(7)));
        CHECK(!crdt_set_remove(at_root(b, type), crdt_int(7)));
        meet(a, b);
        CHECK_INT(has(a, type, 0), !i);
        done(a);
        done(b);
    }
}

TEST(removed_from_a_2pset_at_once_it_is_gone_everywhere)
{
    crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
    CHECK(!crdt_set_add(at_root(a, CRDT_2PSET), crdt_int(7)));
    meet(a, b);
    CHECK(!crdt_set_remove(at_root(a, CRDT_2PSET), crdt_int(7)));
    /* c has never heard of it. */
    CHECK(!crdt_set_add(at_root(c, CRDT_2PSET), crdt_int(7)));
    CHECK(has(b, CRDT_2PSET, 0) && has(c, CRDT_2PSET, 0));
    meet(b, c);
    CHECK(has(b, CRDT_2PSET, 0));
    meet(a, c);
    CHECK(!has(a, CRDT_2PSET, 0) && !has(c, CRDT_2PSET, 0));
    CHECK_INT(crdt_set_add(at_root(c, CRDT_2PSET), crdt_int(7)),
              CRDT_ERR_GONE);
    done(a);
    done(b);
    done(c);
}

TEST(an_element_is_in_while_one_add_of_it_is_unseen)
{
    int as_entry;
    for (as_entry = 0; as_entry < 2; as_entry++) {
        crdt_doc *a = replica(1), *b = replica(2);
        CHECK(!crdt_set_add(at_root(a, CRDT_AW_SET), form(as_entry)));
        CHECK(!crdt_set_add(at_root(b, CRDT_AW_SET), form(as_entry)));
        pull(a, b);
        CHECK(has(a, CRDT_AW_SET, as_entry)); /* once, by two adds */
        CHECK_INT(walk(at_root(a, CRDT_AW_SET)), 1);
        CHECK(!crdt_set_remove(at_root(a, CRDT_AW_SET), form(as_entry)));
        CHECK(!has(a, CRDT_AW_SET, as_entry)); /* it takes both */
        CHECK(!crdt_set_add(at_root(b, CRDT_AW_SET), form(as_entry)));
        meet(a, b);
        CHECK(has(a, CRDT_AW_SET, as_entry)); /* but not the third */
        CHECK(!crdt_set_remove(at_root(b, CRDT_AW_SET), form(as_entry)));
        meet(a, b);
        CHECK(!has(a, CRDT_AW_SET, as_entry));
        CHECK(!crdt_set_add(at_root(a, CRDT_AW_SET), form(as_entry)));
        meet(a, b);
        CHECK(has(b, CRDT_AW_SET, as_entry));
        done(a);
        done(b);
    }
}

/* On these types a remove is written though there is nothing to take. */
TEST(a_remove_of_what_has_not_arrived)
{
    static const crdt_type written[] = { CRDT_RW_SET, CRDT_LWW_SET,
                                         CRDT_LWW_SET_RM };
    int i;
    for (i = 0; i < 3; i++) {
        crdt_doc *a = replica(1), *b = replica(2);
        CHECK(!crdt_set_add(at_root(a, written[i]), crdt_int(7)));
        later();
        CHECK(!crdt_set_remove(at_root(b, written[i]), crdt_int(7)));
        meet(a, b);
        CHECK(!has(a, written[i], 0));
        later();
        CHECK(!crdt_set_add(at_root(b, written[i]), crdt_int(7)));
        meet(a, b);
        CHECK(has(a, written[i], 0)); /* an add that has seen the remove */
        done(a);
        done(b);
    }
}

TEST(a_clear_takes_what_it_saw)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj set = at_root(a, CRDT_AW_SET);
    int n;
    for (n = 0; n < 50; n++)
        CHECK(!crdt_set_add(set, crdt_int(n)));
    meet(a, b);
    CHECK(!crdt_set_clear(set));
    CHECK(!crdt_set_add(at_root(b, CRDT_AW_SET), crdt_int(3)));
    CHECK(!crdt_set_add(at_root(b, CRDT_AW_SET), crdt_int(99)));
    meet(a, b);
    CHECK_INT(crdt_set_size(set), 2);
    CHECK(crdt_set_has(set, crdt_int(3)) && crdt_set_has(set, crdt_int(99)));
    done(a);
    done(b);
}

/* >>many ------------------------------------------------------------------ */

/* The numbers below MANY, each once, in an order of the seed. */
static void shuffle(int *numbers, uint64_t seed)
{
    int i;
    for (i = 0; i < MANY; i++)
        numbers[i] = i;
    for (i = MANY - 1; i > 0; i--) {
        int j = (int)test_below(&seed, (uint32_t)i + 1), kept = numbers[i];
        numbers[i] = numbers[j];
        numbers[j] = kept;
    }
}

/* Numbers of every length, below zero too, and some strings. */
static crdt_value element(int n)
{
    static char name[40];
    if (n % 10)
        return crdt_int(((int64_t)n - MANY / 2) * (1 + n % 3 * 1000003));
    snprintf(name, sizeof name, "the element %d of many", n);
    return text(name);
}

/* Adds those or removes them; a says whether they are to be in, after. */
static void change_all(crdt_obj set, const int *numbers, int add)
{
    int i, wrong = 0;
    for (i = 0; i < MANY; i++)
        wrong += add ? crdt_set_add(set, element(numbers[i])) != CRDT_OK
                     : crdt_set_remove(set, element(numbers[i])) != CRDT_OK;
    for (i = 0; i < MANY; i++)
        wrong += crdt_set_has(set, element(i)) != add;
    CHECK_INT(wrong, 0);
    CHECK_INT(crdt_set_size(set), add ? MANY : 0);
    CHECK_INT(walk(set), crdt_set_size(set));
}

static void many_of(crdt_type type)
{
    static int numbers[MANY];
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj set = at_root(a, type);
    int again = type != CRDT_GSET && type != CRDT_2PSET;
    shuffle(numbers, 1);
    change_all(set, numbers, 1);
    meet(a, b);
    CHECK_INT(walk(at_root(b, type)), MANY);
    if (type != CRDT_GSET) {
        shuffle(numbers, 2);
        change_all(at_root(b, type), numbers, 0);
        meet(a, b);
    }
    if (again) {
        shuffle(numbers, 3);
        change_all(set, numbers, 1);
        meet(a, b);
        CHECK(!crdt_set_clear(at_root(b, type)));
        meet(a, b);
        CHECK_INT(crdt_set_size(set), 0);
    }
    done(a);
    done(b);
}

TEST(ten_thousand_in_any_order)
{
    int i;
    for (i = 0; i < SETS; i++)
        many_of(sets[i]);
}

TEST_MAIN(CASE(a_new_set_is_empty), CASE(an_element_is_in_once),
          CASE(removed_and_added_again_it_is_in),
          CASE(what_is_removed_from_a_2pset_is_gone),
          CASE(nothing_leaves_a_gset), CASE(a_remove_of_what_is_not_in),
          CASE(a_second_add_to_a_grow_only_set_writes_nothing),
          CASE(elements_that_look_alike_are_several),
          CASE(a_clear_removes_every_element), CASE(elements_up_to_the_limit),
          CASE(what_is_no_element_answers_arg), CASE(handles_of_no_set),
          CASE(an_add_wins_over_a_remove_at_once),
          CASE(a_remove_wins_over_an_add_at_once),
          CASE(the_later_stamp_wins_and_of_equal_ones_the_bias),
          CASE(of_equal_stamps_the_replica_has_no_say),
          CASE(removed_from_a_2pset_at_once_it_is_gone_everywhere),
          CASE(an_element_is_in_while_one_add_of_it_is_unseen),
          CASE(a_remove_of_what_has_not_arrived),
          CASE(a_clear_takes_what_it_saw), CASE(ten_thousand_in_any_order))
