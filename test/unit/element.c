/* Elements of sets as bytes: one key an element, in the order of values. */
#include "../../src/doc.h"

#include "../test.h"

#include <math.h>

/* Section 12: by kind, then by value. */
static crdt_value ladder(size_t step)
{
    static const int64_t ints[] = { INT64_MIN,
                                    INT64_MIN + 1,
                                    -(INT64_C(1) << 56) - 1,
                                    -(INT64_C(1) << 56),
                                    -65537,
                                    -65536,
                                    -257,
                                    -256,
                                    -255,
                                    -2,
                                    -1,
                                    0,
                                    1,
                                    127,
                                    128,
                                    255,
                                    256,
                                    65535,
                                    65536,
                                    (INT64_C(1) << 56) - 1,
                                    INT64_C(1) << 56,
                                    INT64_MAX };
    static const char *const texts[] = { "",  "\x01", "a",        "aa",
                                         "b", "\x7f", "\xc3\xa4", "\xff" };
    enum { INTS = sizeof ints / sizeof *ints, DOUBLES = 11, TEXTS = 8 };
    const double doubles[DOUBLES] = { -(double)INFINITY,
                                      -1e300,
                                      -1.5,
                                      -1e-300,
                                      -5e-324,
                                      0.0,
                                      5e-324,
                                      1.0,
                                      1e300,
                                      (double)INFINITY,
                                      (double)NAN };
    crdt_value end = crdt_null();
    end.kind = CRDT_OBJECT;
    if (step == 0)
        return crdt_null();
    if (step < 3)
        return crdt_bool(step == 2);
    step -= 3;
    if (step < INTS)
        return crdt_int(ints[step]);
    step -= INTS;
    if (step < DOUBLES)
        return crdt_double(doubles[step]);
    step -= DOUBLES;
    if (step < TEXTS)
        return crdt_string(crdt_str(texts[step]));
    step -= TEXTS;
    if (step < TEXTS)
        return crdt_blob(crdt_str(texts[step]));
    step -= TEXTS;
    return step < INTS ? crdt_time(ints[step]) : end;
}

static crdti_element encoded(crdt_value value)
{
    crdti_element element;
    memset(&element, 0xee, sizeof element);
    CHECK_INT(crdti_element_encode(&value, &element), CRDT_OK);
    return element;
}

static int order(crdt_value a, crdt_value b)
{
    crdti_element x = encoded(a), y = encoded(b);
    return crdti_bytes_order(crdti_element_key(&x), crdti_element_key(&y));
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static size_t steps(void)
{
    size_t count = 0;
    while (ladder(count).kind != CRDT_OBJECT)
        count++;
    return count;
}

TEST(keys_have_the_order_of_values)
{
    size_t a, b, count = steps();
    CHECK_INT(count, 3 + 22 + 11 + 8 + 8 + 22);
    for (a = 0; a < count; a++)
        for (b = 0; b < count; b++) {
            crdt_value x = ladder(a), y = ladder(b);
            int want = (a > b) - (a < b);
            CHECK_INT(sign(order(x, y)), want);
            CHECK_INT(sign(crdti_value_order(&x, &y)), want);
        }
}

TEST(any_two_numbers_have_their_order)
{
    uint64_t chance = 1;
    int i;
    for (i = 0; i < 20000; i++) {
        int64_t a = (int64_t)test_random(&chance) >> test_below(&chance, 64);
        int64_t b = (int64_t)test_random(&chance) >> test_below(&chance, 64);
        double x = (double)a / 3, y = (double)b / 3;
        CHECK_INT(sign(order(crdt_int(a), crdt_int(b))), (a > b) - (a < b));
        CHECK_INT(sign(order(crdt_double(x), crdt_double(y))),
                  (x > y) - (x < y));
    }
}

TEST(what_is_written_is_read)
{
    size_t i, count = steps();
    for (i = 0; i < count; i++) {
        crdt_value value = ladder(i), again;
        crdti_element element = encoded(value);
        CHECK(crdti_element_is_key(crdti_element_key(&element)));
        again = crdti_element_decode(crdti_element_key(&element));
        CHECK_INT(again.kind, value.kind);
        CHECK_INT(crdti_value_order(&again, &value), 0);
        if (value.kind == CRDT_INT || value.kind == CRDT_TIME)
            CHECK(again.as.integer == value.as.integer);
        if (value.kind == CRDT_DOUBLE && !isnan(value.as.number))
            CHECK(!(again.as.number < value.as.number) &&
                  !(again.as.number > value.as.number));
        if (value.kind == CRDT_DOUBLE)
            CHECK_INT(isnan(again.as.number) != 0,
                      isnan(value.as.number) != 0);
    }
}

TEST(keys_are_short)
{
    CHECK_INT(encoded(crdt_null()).len, 1);
    CHECK_INT(encoded(crdt_bool(1)).len, 1);
    CHECK_INT(encoded(crdt_int(0)).len, 1);
    CHECK_INT(encoded(crdt_int(255)).len, 2);
    CHECK_INT(encoded(crdt_int(-1)).len, 2);
    CHECK_INT(encoded(crdt_int(-256)).len, 2);
    CHECK_INT(encoded(crdt_int(256)).len, 3);
    CHECK_INT(encoded(crdt_int(INT64_MIN)).len, 9);
    CHECK_INT(encoded(crdt_double(0.5)).len, 9);
    CHECK_INT(encoded(crdt_string(CRDT_STR("abc"))).len, 4);
}

TEST(equal_values_have_one_key)
{
    CHECK_INT(order(crdt_double(0.0), crdt_double(-0.0)), 0);
    CHECK_INT(order(crdt_double((double)NAN), crdt_double(-(double)NAN)), 0);
    CHECK_INT(order(crdt_bool(1), crdt_bool(-7)), 0);
    CHECK(order(crdt_int(1), crdt_double(1.0)) != 0);
    CHECK(order(crdt_string(CRDT_STR("a")), crdt_blob(CRDT_STR("a"))) != 0);
    CHECK(order(crdt_int(1), crdt_time(1)) != 0);
}

TEST(zeros_are_bytes_like_others)
{
    crdt_value a = crdt_string(CRDT_STR("a")), b = a, again;
    crdti_element element;
    b.as.bytes = CRDT_STR("a\0");
    CHECK(order(a, b) < 0);
    element = encoded(b);
    again = crdti_element_decode(crdti_element_key(&element));
    CHECK(crdt_bytes_equal(again.as.bytes, b.as.bytes));
}

TEST(up_to_the_limit)
{
    static uint8_t bytes[CRDTSYNC_MAX_KEY];
    crdt_value value = crdt_string(crdt_bytes_of(bytes, sizeof bytes - 1));
    crdti_element element = encoded(value);
    CHECK_INT(element.len, CRDTSYNC_MAX_KEY);
    CHECK(crdti_element_is_key(crdti_element_key(&element)));
    value.as.bytes.len++;
    CHECK_INT(crdti_element_encode(&value, &element), CRDT_ERR_LIMIT);
    CHECK(!crdti_element_is_key(value.as.bytes));
    CHECK(!crdti_element_is_key(crdt_bytes_of(bytes, CRDTSYNC_MAX_KEY + 1)));
}

TEST(what_is_no_element_answers_arg)
{
    crdt_value value = crdt_null();
    crdti_element element;
    value.kind = CRDT_OBJECT;
    CHECK_INT(crdti_element_encode(&value, &element), CRDT_ERR_ARG);
    value.kind = (crdt_kind)8;
    CHECK_INT(crdti_element_encode(&value, &element), CRDT_ERR_ARG);
    value = crdt_string(crdt_bytes_of(NULL, 1));
    CHECK_INT(crdti_element_encode(&value, &element), CRDT_ERR_ARG);
    value = crdt_blob(crdt_bytes_of(NULL, 0));
    CHECK_INT(crdti_element_encode(&value, &element), CRDT_OK);
}

/* >>keys from outside ----------------------------------------------------- */

#define IS_KEY(bytes) crdti_element_is_key(CRDT_STR(bytes))

TEST(other_bytes_are_no_key)
{
    CHECK(!IS_KEY(""));
    CHECK(IS_KEY("\x00") && !IS_KEY("\x01") && !IS_KEY("\x00\x00"));
    CHECK(IS_KEY("\x20") && IS_KEY("\x21") && !IS_KEY("\x22"));
    CHECK(IS_KEY("\x50") && !IS_KEY("\x50\x01"));     /* 0 */
    CHECK(IS_KEY("\x51\x01") && !IS_KEY("\x51\x00")); /* not the shortest */
    CHECK(!IS_KEY("\x51") && !IS_KEY("\x52\x01"));    /* too short */
    CHECK(IS_KEY("\x4f\xff") && IS_KEY("\x4f\x00"));  /* -1, -256 */
    CHECK(!IS_KEY("\x4e\xff\xff"));                   /* -1, too long */
    CHECK(!IS_KEY("\x58\x80\0\0\0\0\0\0\0"));         /* above INT64_MAX */
    CHECK(!IS_KEY("\x59\x01\0\0\0\0\0\0\0\0"));
    CHECK(IS_KEY("\x60\x80\0\0\0\0\0\0\0"));                /* 0.0 */
    CHECK(!IS_KEY("\x60\x7f\xff\xff\xff\xff\xff\xff\xff")); /* -0.0 */
    CHECK(!IS_KEY("\x60\xff\xff\xff\xff\xff\xff\xff\xff")); /* a NaN */
    CHECK(!IS_KEY("\x61\x80\0\0\0\0\0\0\0"));
    CHECK(!IS_KEY("\x60\x80"));
    CHECK(IS_KEY("\x80") && IS_KEY("\x80\xff\0") && !IS_KEY("\x81"));
    CHECK(IS_KEY("\xa0") && IS_KEY("\xd0") && !IS_KEY("\xe0"));
}

/* Whatever they are, they decode to something, and what is a key is what its
 * value is written as. */
TEST(any_bytes_are_read_without_harm)
{
    uint64_t chance = 1;
    int i, keys = 0;
    for (i = 0; i < 200000; i++) {
        uint8_t bytes[12];
        size_t len = 1 + test_below(&chance, 11), k;
        crdt_bytes key = crdt_bytes_of(bytes, len);
        for (k = 0; k < len; k++)
            bytes[k] = (uint8_t)test_random(&chance);
        if (crdti_element_is_key(key)) {
            crdti_element again = encoded(crdti_element_decode(key));
            CHECK(crdt_bytes_equal(crdti_element_key(&again), key));
            keys++;
        } else {
            (void)crdti_element_decode(key);
        }
    }
    CHECK(keys > 1000);
}

TEST(the_first_byte_says_how_many_follow)
{
    size_t i, count = steps();
    for (i = 0; i < count; i++) {
        crdt_value value = ladder(i);
        crdti_element element = encoded(value);
        if (value.kind != CRDT_STRING && value.kind != CRDT_BYTES)
            CHECK_INT(crdti_element_rest(element.bytes[0]), element.len - 1);
    }
}

TEST_MAIN(CASE(keys_have_the_order_of_values),
          CASE(any_two_numbers_have_their_order),
          CASE(what_is_written_is_read), CASE(keys_are_short),
          CASE(equal_values_have_one_key), CASE(zeros_are_bytes_like_others),
          CASE(up_to_the_limit), CASE(what_is_no_element_answers_arg),
          CASE(other_bytes_are_no_key), CASE(any_bytes_are_read_without_harm),
          CASE(the_first_byte_says_how_many_follow))
