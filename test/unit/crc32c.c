/* CRC-32C: known vectors, and the fast forms against the slow one. */
#include "../../src/crc32c.h"
#include "../test.h"

static crdt_bytes bytes_of(const void *ptr, size_t len)
{
    crdt_bytes bytes;
    bytes.ptr = (const uint8_t *)ptr;
    bytes.len = len;
    return bytes;
}

/* Bit by bit, as the standard says it. */
static uint32_t slow(uint32_t crc, const uint8_t *p, size_t len)
{
    int i;
    for (crc = ~crc; len > 0; len--)
        for (crc ^= *p++, i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    return ~crc;
}

static void check_vector(const uint8_t *p, size_t len, uint32_t want)
{
    CHECK(crdti_crc32c(0, bytes_of(p, len)) == want);
    CHECK(crdti_crc32c_portable(0, bytes_of(p, len)) == want);
    CHECK(slow(0, p, len) == want);
}

/* RFC 3720, appendix B.4, and the usual check value. */
TEST(known_vectors)
{
    uint8_t b[32];
    uint8_t i;
    check_vector((const uint8_t *)"123456789", 9, 0xe3069283u);
    check_vector(b, 0, 0);
    memset(b, 0, sizeof b);
    check_vector(b, 32, 0x8a9136aau);
    memset(b, 0xff, sizeof b);
    check_vector(b, 32, 0x62a8ab43u);
    for (i = 0; i < 32; i++)
        b[i] = i;
    check_vector(b, 32, 0x46dd794eu);
    for (i = 0; i < 32; i++)
        b[i] = (uint8_t)(31 - i);
    check_vector(b, 32, 0x113fdb5cu);
}

TEST(all_forms_agree_at_any_length_and_address)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    uint8_t b[600];
    int round;
    size_t i;
    for (i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)test_random(&seed);
    for (round = 0; round < 5000; round++) {
        size_t at = test_below(&seed, 64), len = test_below(&seed, 512);
        uint32_t before = (uint32_t)test_random(&seed);
        uint32_t want = slow(before, b + at, len);
        CHECK(crdti_crc32c(before, bytes_of(b + at, len)) == want);
        CHECK(crdti_crc32c_portable(before, bytes_of(b + at, len)) == want);
#ifdef CRDTI_CRC32C_TARGET
        if (CRDTI_CRC32C_HAS)
            CHECK(crdti_crc32c_hardware(before, bytes_of(b + at, len)) ==
                  want);
#endif
    }
}

TEST(parts_add_up)
{
    uint8_t b[100];
    uint32_t whole;
    size_t i;
    for (i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i * i);
    whole = crdti_crc32c(0, bytes_of(b, sizeof b));
    for (i = 0; i <= sizeof b; i++)
        CHECK(crdti_crc32c(crdti_crc32c(0, bytes_of(b, i)),
                           bytes_of(b + i, sizeof b - i)) == whole);
    CHECK(crdti_crc32c(whole, bytes_of(NULL, 0)) == whole);
}

TEST_MAIN(CASE(known_vectors), CASE(all_forms_agree_at_any_length_and_address),
          CASE(parts_add_up))
