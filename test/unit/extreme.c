/* Max and min registers. */
#include "../replicas.h"

#include <math.h>

static crdt_err set(crdt_doc *doc, crdt_type type, crdt_value value)
{
    crdt_obj obj = at_root(doc, type);
    return type == CRDT_MAX ? crdt_max_set(obj, value)
                            : crdt_min_set(obj, value);
}

static crdt_err get(crdt_doc *doc, crdt_type type, crdt_value *out)
{
    crdt_obj obj = at_root(doc, type);
    return type == CRDT_MAX ? crdt_max_get(obj, out) : crdt_min_get(obj, out);
}

/* The int that it shows; 0 when it shows none. */
static int64_t number(crdt_doc *doc, crdt_type type)
{
    crdt_value value = crdt_null();
    CHECK_INT(get(doc, type, &value), CRDT_OK);
    CHECK_INT(value.kind, CRDT_INT);
    return value.kind == CRDT_INT ? value.as.integer : 0;
}

static int is_shown(crdt_doc *doc, crdt_type type, crdt_value want)
{
    crdt_value got = crdt_null();
    CHECK_INT(get(doc, type, &got), CRDT_OK);
    return crdti_value_order(&got, &want) == 0;
}

/* For each type, the one of two that it shows. */
static int64_t further(crdt_type type, int64_t a, int64_t b)
{
    return (type == CRDT_MAX) == (a > b) ? a : b;
}

static const crdt_type types[] = { CRDT_MAX, CRDT_MIN };

TEST(at_first_there_is_nothing)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdt_doc *doc = replica(1);
        crdt_value value = crdt_int(7);
        CHECK_INT(get(doc, types[i], &value), CRDT_ERR_NOT_FOUND);
        CHECK_INT(value.as.integer, 7);
        done(doc);
    }
}

TEST(the_furthest_ever_set_is_shown)
{
    static const int64_t all[] = { 5, 3, 9, 9, -4, INT64_MAX, INT64_MIN, 0 };
    int i;
    size_t n;
    for (i = 0; i < 2; i++) {
        crdt_doc *doc = replica(1);
        int64_t want = all[0];
        for (n = 0; n < sizeof all / sizeof *all; n++) {
            want = further(types[i], want, all[n]);
            CHECK(!set(doc, types[i], crdt_int(all[n])));
            CHECK(number(doc, types[i]) == want);
        }
        done(doc);
    }
}

TEST(what_would_not_change_the_value_writes_nothing)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdt_doc *doc = replica(1);
        int64_t less = types[i] == CRDT_MAX ? 4 : 6;
        CHECK(!set(doc, types[i], crdt_int(5)));
        CHECK(!crdt_commit(doc));
        CHECK(!set(doc, types[i], crdt_int(5)));
        CHECK(!set(doc, types[i], crdt_int(less)));
        CHECK(!crdt_doc_uncommitted(doc));
        CHECK(!set(doc, types[i], crdt_int(10 - less)));
        CHECK(crdt_doc_uncommitted(doc));
        done(doc);
    }
}

/* Section 12: by kind, then by value. Each is greater than the one before. */
static crdt_value ladder(size_t step)
{
    switch (step) {
    case 0:
        return crdt_null();
    case 1:
    case 2:
        return crdt_bool(step == 2);
    case 3:
        return crdt_int(INT64_MIN);
    case 4:
        return crdt_int(INT64_MAX);
    case 5:
        return crdt_double(-(double)INFINITY);
    case 6:
        return crdt_double(-0.0);
    case 7:
        return crdt_double((double)INFINITY);
    case 8:
        return crdt_double((double)NAN);
    case 9:
        return crdt_string(CRDT_STR(""));
    case 10:
        return crdt_string(CRDT_STR("a"));
    case 11:
        return crdt_string(CRDT_STR("ab"));
    case 12:
        return crdt_blob(CRDT_STR(""));
    case 13:
        return crdt_time(INT64_MIN);
    default:
        return crdt_time(0);
    }
}

enum { STEPS = 15 };

TEST(values_of_all_kinds_have_an_order)
{
    size_t i, up, down;
    for (i = 0; i < STEPS; i++) {
        crdt_doc *a = replica(1), *b = replica(2);
        for (up = 0; up <= i; up++)
            CHECK(!set(a, CRDT_MAX, ladder(up)));
        for (up = 0; up <= i; up++)
            CHECK(!set(a, CRDT_MAX, ladder(i - up)));
        CHECK(is_shown(a, CRDT_MAX, ladder(i)));
        for (down = STEPS; down > i; down--)
            CHECK(!set(b, CRDT_MIN, ladder(down - 1)));
        for (down = i; down < STEPS; down++)
            CHECK(!set(b, CRDT_MIN, ladder(down)));
        CHECK(is_shown(b, CRDT_MIN, ladder(i)));
        done(a);
        done(b);
    }
}

TEST(zeros_and_nans_are_one_each)
{
    crdt_doc *doc = replica(1);
    CHECK(!set(doc, CRDT_MAX, crdt_double(-0.0)));
    CHECK(!crdt_commit(doc));
    CHECK(!set(doc, CRDT_MAX, crdt_double(0.0)));
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK(!set(doc, CRDT_MAX, crdt_double((double)NAN)));
    CHECK(!crdt_commit(doc));
    CHECK(!set(doc, CRDT_MAX, crdt_double(-(double)NAN)));
    CHECK(!set(doc, CRDT_MAX, crdt_double((double)INFINITY)));
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK(is_shown(doc, CRDT_MAX, crdt_double((double)NAN)));
    done(doc);
}

TEST(set_at_once_the_furthest_of_all_is_shown)
{
    int i;
    for (i = 0; i < 2; i++) {
        crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
        CHECK(!set(a, types[i], crdt_int(5)));
        CHECK(!set(b, types[i], crdt_int(12)));
        CHECK(!set(c, types[i], crdt_int(-1)));
        meet(a, b);
        CHECK_INT(number(a, types[i]), further(types[i], 5, 12));
        meet(b, c);
        meet(a, b);
        CHECK_INT(number(a, types[i]), types[i] == CRDT_MAX ? 12 : -1);
        /* One that is further replaces all that it has seen. */
        CHECK(!set(a, types[i], crdt_int(types[i] == CRDT_MAX ? 50 : -50)));
        meet(a, c);
        CHECK_INT(number(c, types[i]), types[i] == CRDT_MAX ? 50 : -50);
        done(a);
        done(b);
        done(c);
    }
}

/* The clock has no say, unlike in a register. */
TEST(a_later_stamp_does_not_win)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(!set(a, CRDT_MAX, crdt_int(12)));
    later();
    CHECK(!set(b, CRDT_MAX, crdt_int(3)));
    meet(a, b);
    CHECK_INT(number(a, CRDT_MAX), 12);
    done(a);
    done(b);
}

TEST(a_long_value_fits_up_to_the_limit)
{
    size_t size = CRDTSYNC_MAX_VALUE + 1;
    uint8_t *bytes = (uint8_t *)malloc(size);
    crdt_value value = crdt_null();
    crdt_doc *doc = replica(1);
    REQUIRE(bytes);
    memset(bytes, 'x', size);
    CHECK(!set(doc, CRDT_MAX, crdt_blob(crdt_bytes_of(bytes, size - 2))));
    CHECK(!set(doc, CRDT_MAX, crdt_blob(crdt_bytes_of(bytes, size - 1))));
    CHECK_INT(set(doc, CRDT_MAX, crdt_blob(crdt_bytes_of(bytes, size))),
              CRDT_ERR_LIMIT);
    CHECK(!get(doc, CRDT_MAX, &value));
    CHECK_INT(value.as.bytes.len, CRDTSYNC_MAX_VALUE);
    done(doc);
    free(bytes);
}

TEST(what_is_no_value_answers_arg)
{
    crdt_value object, strange = crdt_null();
    int i, again;
    for (i = 0; i < 2; i++) {
        crdt_doc *doc = replica(1);
        object.kind = CRDT_OBJECT;
        object.as.object = crdt_root(doc);
        strange.kind = (crdt_kind)99;
        for (again = 0; again < 2; again++) {
            CHECK_INT(set(doc, types[i], object), CRDT_ERR_ARG);
            CHECK_INT(set(doc, types[i], strange), CRDT_ERR_ARG);
            CHECK(!set(doc, types[i], crdt_null())); /* there is one now */
        }
        done(doc);
    }
}

TEST(handles_of_another_type)
{
    crdt_doc *doc = replica(1);
    crdt_obj max = at_root(doc, CRDT_MAX), null = nowhere(doc);
    crdt_obj min = crdt_map_object(crdt_root(doc), CRDT_STR("x"), CRDT_MIN);
    crdt_obj reg = crdt_map_register(crdt_root(doc), CRDT_STR("r"));
    crdt_value value = crdt_int(7);
    CHECK_INT(crdt_min_set(max, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_max_set(min, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_max_set(reg, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_register_set(max, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_register_get(max, &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_register_clear(max), CRDT_ERR_TYPE);
    CHECK_INT(crdt_max_get(min, &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_min_get(max, &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_max_set(null, crdt_int(1)), CRDT_ERR_ARG);
    CHECK_INT(crdt_min_get(null, &value), CRDT_ERR_ARG);
    CHECK_INT(value.as.integer, 7);
    done(doc);
}

TEST_MAIN(CASE(at_first_there_is_nothing),
          CASE(the_furthest_ever_set_is_shown),
          CASE(what_would_not_change_the_value_writes_nothing),
          CASE(values_of_all_kinds_have_an_order),
          CASE(zeros_and_nans_are_one_each),
          CASE(set_at_once_the_furthest_of_all_is_shown),
          CASE(a_later_stamp_does_not_win),
          CASE(a_long_value_fits_up_to_the_limit),
          CASE(what_is_no_value_answers_arg), CASE(handles_of_another_type))
