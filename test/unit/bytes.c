/* Bytes, buffers, the writer and the reader. */
#include "../../src/bytes.h"
#include "../failing_alloc.h"
#include "../test.h"

static crdti_reader reader_of(const void *ptr, size_t len)
{
    crdti_reader r;
    crdti_reader_init(&r, crdt_bytes_of(ptr, len));
    return r;
}

TEST(borrowed_bytes)
{
    CHECK_INT(crdt_str("abc").len, 3);
    CHECK_INT(crdt_str("").len, 0);
    CHECK_INT(crdt_str(NULL).len, 0);
    CHECK_INT(CRDT_STR("a\0b").len, 3);
    CHECK(crdt_bytes_equal(CRDT_STR("abc"), crdt_str("abc")));
    CHECK(!crdt_bytes_equal(CRDT_STR("abc"), CRDT_STR("ab")));
    CHECK(!crdt_bytes_equal(CRDT_STR("abc"), CRDT_STR("abd")));
    CHECK(crdt_bytes_equal(crdt_bytes_of(NULL, 0), CRDT_STR("")));
}

TEST(a_buffer_grows_and_is_freed)
{
    struct failing_alloc memory;
    crdt_buf buf = CRDT_BUF_INIT;
    size_t i;
    failing_alloc_init(&memory);
    buf.alloc = &memory.table;
    for (i = 0; i < 100000; i++) {
        REQUIRE(crdti_buf_reserve(&buf, 1) == CRDT_OK);
        buf.ptr[buf.len++] = (uint8_t)i;
    }
    CHECK(memory.requests < 20);
    CHECK_INT(crdt_buf_bytes(&buf).len, 100000);
    CHECK_INT(crdt_buf_bytes(&buf).ptr[99999], 99999 & 255);
    CHECK_INT(crdti_buf_reserve(&buf, SIZE_MAX), CRDT_ERR_NOMEM);
    CHECK_INT(crdti_buf_reserve(&buf, SIZE_MAX / 2), CRDT_ERR_NOMEM);
    CHECK_INT(buf.len, 100000);
    crdt_buf_free(&buf);
    crdt_buf_free(&buf);
    crdt_buf_free(NULL);
    CHECK(buf.ptr == NULL && buf.len == 0 && buf.cap == 0);
    CHECK(failing_alloc_clean(&memory));
}

/* clang-format off */
static const uint64_t edges[] = {
    0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1fffff, 0x200000, 0xffffffffu,
    0x100000000u, ((uint64_t)1 << 35) - 1, (uint64_t)1 << 35,
    ((uint64_t)1 << 62) - 1, (uint64_t)1 << 62, ((uint64_t)1 << 63) - 1,
    (uint64_t)1 << 63, UINT64_MAX - 1, UINT64_MAX
};
/* clang-format on */
#define EDGES (sizeof edges / sizeof *edges)

TEST(what_is_put_is_got)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    crdti_reader r;
    size_t i;
    crdti_writer_init(&w, &buf);
    for (i = 0; i < EDGES; i++) {
        crdti_put_u8(&w, (uint8_t)edges[i]);
        crdti_put_u32le(&w, (uint32_t)edges[i]);
        crdti_put_u64le(&w, edges[i]);
        crdti_put_varint(&w, edges[i]);
        crdti_put_zigzag(&w, (int64_t)edges[i]);
        crdti_put_raw(&w, crdt_bytes_of("raw", i % 4));
        crdti_put_bytes(&w, crdt_bytes_of("bytes", i % 6));
    }
    CHECK_INT(w.err, CRDT_OK);
    crdti_reader_init(&r, crdt_buf_bytes(&buf));
    for (i = 0; i < EDGES; i++) {
        CHECK(crdti_get_u8(&r) == (uint8_t)edges[i]);
        CHECK(crdti_get_u32le(&r) == (uint32_t)edges[i]);
        CHECK(crdti_get_u64le(&r) == edges[i]);
        CHECK(crdti_get_varint(&r) == edges[i]);
        CHECK(crdti_get_zigzag(&r) == (int64_t)edges[i]);
        CHECK(crdt_bytes_equal(crdti_get_raw(&r, i % 4),
                               crdt_bytes_of("raw", i % 4)));
        CHECK(crdt_bytes_equal(crdti_get_bytes(&r, 5),
                               crdt_bytes_of("bytes", i % 6)));
    }
    CHECK_INT(r.err, CRDT_OK);
    CHECK_INT(crdti_reader_left(&r), 0);
    crdt_buf_free(&buf);
}

TEST(words_are_little_endian)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    crdti_writer_init(&w, &buf);
    crdti_put_u32le(&w, 0x01020304u);
    crdti_put_u64le(&w, 0x05060708090a0b0cu);
    crdti_put_varint(&w, 300);
    CHECK(crdt_bytes_equal(
        crdt_buf_bytes(&buf),
        CRDT_STR("\x04\x03\x02\x01\x0c\x0b\x0a\x09\x08\x07\x06\x05\xac\x02")));
    crdt_buf_free(&buf);
}

TEST(varint_sizes)
{
    unsigned bits;
    CHECK_INT(crdti_varint_size(0), 1);
    CHECK_INT(crdti_varint_size(UINT64_MAX), CRDTI_VARINT_MAX);
    for (bits = 1; bits < 64; bits++) {
        crdt_buf buf = CRDT_BUF_INIT;
        crdti_writer w;
        uint64_t number = (uint64_t)1 << bits;
        crdti_writer_init(&w, &buf);
        crdti_put_varint(&w, number);
        CHECK_INT(buf.len, bits / 7 + 1);
        CHECK_INT(crdti_varint_size(number), bits / 7 + 1);
        CHECK_INT(crdti_varint_size(number - 1), (bits + 6) / 7);
        crdt_buf_free(&buf);
    }
}

TEST(zigzag_makes_small_ones_small)
{
    static const int64_t numbers[] = { 0, -1, 1, -2, 2, -64, 63, -65, 64 };
    static const uint8_t first[] = { 0, 1, 2, 3, 4, 127, 126, 0x81, 0x80 };
    size_t i;
    for (i = 0; i < sizeof first; i++) {
        crdt_buf buf = CRDT_BUF_INIT;
        crdti_writer w;
        crdti_writer_init(&w, &buf);
        crdti_put_zigzag(&w, numbers[i]);
        CHECK_INT(buf.ptr[0], first[i]);
        CHECK_INT(buf.len, i < 7 ? 1 : 2);
        crdt_buf_free(&buf);
    }
}

static crdt_err varint_error(const void *ptr, size_t len)
{
    crdti_reader r = reader_of(ptr, len);
    CHECK(crdti_get_varint(&r) == 0 || !r.err);
    CHECK(!r.err || r.err_at == 0);
    return r.err;
}

TEST(only_the_shortest_varint_is_taken)
{
    CHECK_INT(varint_error("\x80\x00", 2), CRDT_ERR_CORRUPT);
    CHECK_INT(varint_error("\xff\x00", 2), CRDT_ERR_CORRUPT);
    CHECK_INT(varint_error("\x80\x80\x00", 3), CRDT_ERR_CORRUPT);
    CHECK_INT(varint_error("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10),
              CRDT_ERR_CORRUPT);
    CHECK_INT(varint_error("\x80\x01", 2), CRDT_OK);
    CHECK_INT(varint_error("\x00", 1), CRDT_OK);
}

TEST(varints_beyond_64_bits_are_refused)
{
    CHECK_INT(varint_error("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10),
              CRDT_OK);
    CHECK_INT(varint_error("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10),
              CRDT_ERR_CORRUPT);
    CHECK_INT(varint_error("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10),
              CRDT_ERR_CORRUPT);
    CHECK_INT(varint_error("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x01", 11),
              CRDT_ERR_CORRUPT);
    CHECK_INT(varint_error("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81", 10),
              CRDT_ERR_CORRUPT);
}

TEST(every_truncation_of_a_varint_is_noticed)
{
    size_t i, len;
    for (i = 0; i < EDGES; i++) {
        crdt_buf buf = CRDT_BUF_INIT;
        crdti_writer w;
        crdti_writer_init(&w, &buf);
        crdti_put_varint(&w, edges[i]);
        for (len = 0; len < buf.len; len++) {
            uint8_t *cut = (uint8_t *)malloc(len + (len == 0));
            memcpy(cut, buf.ptr, len); /* so that asan sees the end */
            CHECK_INT(varint_error(cut, len), CRDT_ERR_TRUNCATED);
            free(cut);
        }
        crdt_buf_free(&buf);
    }
}

TEST(every_getter_notices_the_end)
{
    static const uint8_t b[8] = { 0 };
    size_t len;
    for (len = 0; len < 8; len++) {
        crdti_reader r = reader_of(b, len);
        CHECK(crdti_get_u64le(&r) == 0 && r.err == CRDT_ERR_TRUNCATED);
        r = reader_of(b, len);
        CHECK(crdti_get_raw(&r, 8).len == 0 && r.err == CRDT_ERR_TRUNCATED);
        if (len >= 4)
            continue;
        r = reader_of(b, len);
        CHECK(crdti_get_u32le(&r) == 0 && r.err == CRDT_ERR_TRUNCATED);
    }
    {
        crdti_reader r = reader_of(NULL, 0);
        CHECK(crdti_get_u8(&r) == 0 && r.err == CRDT_ERR_TRUNCATED);
        r = reader_of("x", 1);
        CHECK(crdti_get_raw(&r, SIZE_MAX).len == 0 && r.err);
    }
}

TEST(lengths_are_checked_before_use)
{
    crdti_reader r = reader_of("\3abc", 4);
    CHECK(crdt_bytes_equal(crdti_get_bytes(&r, 3), CRDT_STR("abc")) && !r.err);
    r = reader_of("\3abc", 4);
    CHECK(crdti_get_bytes(&r, 2).len == 0 && r.err == CRDT_ERR_LIMIT);
    CHECK_INT(r.err_at, 0);
    r = reader_of("\4abc", 4);
    CHECK(crdti_get_bytes(&r, 9).len == 0 && r.err == CRDT_ERR_TRUNCATED);
    r = reader_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1abc", 13);
    CHECK(crdti_get_bytes(&r, SIZE_MAX).len == 0 && r.err);
    r = reader_of("\x00", 1);
    CHECK(crdti_get_bytes(&r, 0).len == 0 && !r.err);
}

TEST(counts_are_checked_against_what_is_left)
{
    crdti_reader r = reader_of("\2abcdef", 7);
    CHECK(crdti_get_count(&r, 2, 3) == 2 && !r.err);
    CHECK_INT(crdti_reader_left(&r), 6);
    r = reader_of("\2abcde", 6);
    CHECK(crdti_get_count(&r, 2, 3) == 0 && r.err == CRDT_ERR_TRUNCATED);
    r = reader_of("\2abcdef", 7);
    CHECK(crdti_get_count(&r, 1, 3) == 0 && r.err == CRDT_ERR_LIMIT);
    r = reader_of("\x02", 1);
    CHECK(crdti_get_count(&r, 2, 0) == 2 && !r.err);
    r = reader_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1abc", 13);
    CHECK(crdti_get_count(&r, SIZE_MAX, SIZE_MAX) == 0 && r.err);
}

TEST(the_first_error_of_a_reader_stays)
{
    crdti_reader r = reader_of("\5abcdefgh", 9);
    CHECK_INT(crdti_get_u8(&r), 5);
    crdti_reader_fail(&r, CRDT_ERR_SKEW);
    CHECK_INT(r.err_at, 1);
    CHECK_INT(crdti_reader_left(&r), 0);
    CHECK(crdti_get_u8(&r) == 0 && crdti_get_u32le(&r) == 0);
    CHECK(crdti_get_u64le(&r) == 0 && crdti_get_varint(&r) == 0);
    CHECK(crdti_get_zigzag(&r) == 0 && crdti_get_raw(&r, 1).len == 0);
    CHECK(crdti_get_bytes(&r, 9).len == 0 && crdti_get_count(&r, 9, 1) == 0);
    crdti_reader_fail(&r, CRDT_ERR_IO);
    CHECK(r.err == CRDT_ERR_SKEW && r.err_at == 1);
}

TEST(the_first_error_of_a_writer_stays)
{
    struct failing_alloc memory;
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    failing_alloc_init(&memory);
    buf.alloc = &memory.table;
    crdti_writer_init(&w, &buf);
    crdti_put_u8(&w, 1);
    memory.fail_at = memory.requests + 1;
    crdti_put_raw(&w, crdt_bytes_of(edges, sizeof edges));
    CHECK_INT(w.err, CRDT_ERR_NOMEM);
    crdti_put_u8(&w, 2); /* there is room, but not after an error */
    crdti_put_u32le(&w, 2);
    crdti_put_u64le(&w, 2);
    crdti_put_varint(&w, 2);
    crdti_put_zigzag(&w, 2);
    crdti_put_bytes(&w, CRDT_STR("x"));
    CHECK_INT(w.err, CRDT_ERR_NOMEM);
    CHECK(buf.len == 1 && buf.ptr[0] == 1);
    crdt_buf_free(&buf);
    CHECK(failing_alloc_clean(&memory));
}

/* Whatever the bytes: a varint that is taken is put back the same. */
TEST(random_varints_have_one_form)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    int round;
    for (round = 0; round < 100000; round++) {
        uint8_t b[12];
        crdt_buf buf = CRDT_BUF_INIT;
        crdti_reader r;
        crdti_writer w;
        uint64_t number;
        size_t i;
        for (i = 0; i < sizeof b; i++)
            b[i] = (uint8_t)(test_random(&seed) | 0x80);
        b[test_below(&seed, 12)] &= (uint8_t)test_random(&seed);
        r = reader_of(b, sizeof b);
        number = crdti_get_varint(&r);
        if (r.err)
            continue;
        crdti_writer_init(&w, &buf);
        crdti_put_varint(&w, number);
        CHECK_INT(buf.len, r.ptr - r.start);
        CHECK(memcmp(buf.ptr, b, buf.len) == 0);
        crdt_buf_free(&buf);
    }
}

TEST_MAIN(CASE(borrowed_bytes), CASE(a_buffer_grows_and_is_freed),
          CASE(what_is_put_is_got), CASE(words_are_little_endian),
          CASE(varint_sizes), CASE(zigzag_makes_small_ones_small),
          CASE(only_the_shortest_varint_is_taken),
          CASE(varints_beyond_64_bits_are_refused),
          CASE(every_truncation_of_a_varint_is_noticed),
          CASE(every_getter_notices_the_end),
          CASE(lengths_are_checked_before_use),
          CASE(counts_are_checked_against_what_is_left),
          CASE(the_first_error_of_a_reader_stays),
          CASE(the_first_error_of_a_writer_stays),
          CASE(random_varints_have_one_form))
