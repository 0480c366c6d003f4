/* Replica ids and dots. */
#include "../../src/dot.h"
#include "../test.h"

TEST(ids_are_ordered_as_bytes)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    int round;
    for (round = 0; round < 20000; round++) {
        crdt_id a, b;
        int want;
        size_t i, same = test_below(&seed, 17);
        for (i = 0; i < 16; i++) {
            a.b[i] = (uint8_t)test_random(&seed);
            b.b[i] = i < same ? a.b[i] : (uint8_t)test_random(&seed);
        }
        want = memcmp(a.b, b.b, 16);
        want = (want > 0) - (want < 0);
        CHECK_INT(crdt_id_compare(&a, &b), want);
        CHECK_INT(crdt_id_compare(&b, &a), -want);
        CHECK_INT(crdti_id_equal(&a, &b), want == 0);
    }
}

TEST(every_byte_of_an_id_counts)
{
    size_t i;
    for (i = 0; i < 16; i++) {
        crdt_id a = { { 0 } }, b = { { 0 } };
        b.b[i] = 0x80;
        CHECK(crdt_id_compare(&a, &b) < 0 && crdt_id_compare(&b, &a) > 0);
        CHECK(!crdti_id_equal(&a, &b));
    }
}

TEST(ids_as_text)
{
    crdt_id id;
    char text[33];
    uint8_t i;
    for (i = 0; i < 16; i++)
        id.b[i] = (uint8_t)(i * 0x11);
    memset(text, 'x', sizeof text);
    crdt_id_text(&id, text);
    CHECK_STR(text, "00112233445566778899aabbccddeeff");
}

TEST_MAIN(CASE(ids_are_ordered_as_bytes), CASE(every_byte_of_an_id_counts),
          CASE(ids_as_text))
