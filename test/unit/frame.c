/* Frames: torn at every byte, with lengths that lie, and with each byte of
 * head and tail changed. */
#include "../../src/error.h"
#include "../../src/frame.h"
#include "../test.h"

#define CHECK_ERR(got, want) CHECK_STR(crdt_err_name(got), #want)

enum { KIND = 5, MAX = 1000 };

static void put_frame(crdt_buf *buf, size_t len)
{
    crdti_writer w;
    size_t start = buf->len, i;
    crdti_writer_init(&w, buf);
    for (i = 0; i < len; i++)
        crdti_put_u8(&w, (uint8_t)i);
    crdti_frame_wrap(&w, KIND, start);
    CHECK_ERR(w.err, CRDT_OK);
}

static crdt_err get(const crdt_buf *buf, size_t len, crdti_frame *frame,
                    size_t *at)
{
    return crdti_frame_get(crdt_bytes_of(buf->ptr, len), MAX, frame, at);
}

TEST(what_is_put_is_got)
{
    static const size_t lens[] = { 0, 1, 127, 128, 999, 1000 };
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_frame frame;
    size_t i, k, at = 99;
    for (i = 0; i < sizeof lens / sizeof *lens; i++) {
        buf.len = 0;
        put_frame(&buf, lens[i]);
        CHECK_INT(buf.len, 2 + crdti_varint_size(lens[i]) + lens[i] + 4);
        CHECK(buf.len <= lens[i] + CRDTI_FRAME_OVERHEAD);
        put_frame(&buf, 3); /* what follows is not looked at */
        CHECK_ERR(get(&buf, buf.len, &frame, &at), CRDT_OK);
        CHECK_INT(frame.kind, KIND);
        CHECK_INT(frame.payload.len, lens[i]);
        CHECK_INT(frame.size, buf.len - 10);
        for (k = 0; k < lens[i]; k++)
            CHECK(frame.payload.ptr[k] == (uint8_t)k);
    }
    crdt_buf_free(&buf);
}

/* Putting the frame around a payload that is there already. */
TEST(wrapping_writes_the_same)
{
    crdt_buf a = CRDT_BUF_INIT, b = CRDT_BUF_INIT;
    crdti_writer w;
    size_t len, i;
    for (len = 0; len < 300; len += 13) {
        a.len = b.len = 0;
        crdti_writer_init(&w, &b);
        crdti_put_u32le(&w, 0x01020304); /* before it, untouched */
        for (i = 0; i < len; i++)
            crdti_put_u8(&w, (uint8_t)i);
        crdti_frame_wrap(&w, KIND, 4);
        CHECK_ERR(w.err, CRDT_OK);
        put_frame(&a, len);
        REQUIRE(b.len == a.len + 4);
        CHECK(memcmp(b.ptr + 4, a.ptr, a.len) == 0);
        CHECK(crdti_load32(b.ptr) == 0x01020304);
    }
    crdt_buf_free(&a);
    crdt_buf_free(&b);
}

/* Network 8: whatever has come so far, the answer is that more must come, and
 * then it is the same frame. */
TEST(torn_at_every_byte)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_frame frame;
    size_t i;
    put_frame(&buf, 200);
    for (i = 0; i < buf.len; i++)
        CHECK_ERR(get(&buf, i, &frame, NULL), CRDT_ERR_TRUNCATED);
    CHECK_ERR(get(&buf, buf.len, &frame, NULL), CRDT_OK);
    crdt_buf_free(&buf);
}

/* Network 9: refused from the head alone, before anything is kept for it. */
TEST(lengths_that_are_refused_at_once)
{
    static const struct {
        const char *bytes;
        size_t len;
        crdt_err want;
    } heads[] = {
        { "\xc7\x25\xe8\x07", 4, CRDT_ERR_TRUNCATED }, /* 1000 */
        { "\xc7\x25\xe9\x07", 4, CRDT_ERR_LIMIT },     /* 1001 */
        { "\xc7\x25\xff\xff\xff\xff\x0f", 7, CRDT_ERR_LIMIT },
        { "\xc7\x25\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12,
          CRDT_ERR_LIMIT }, /* 2^64 - 1 */
        { "\xc7\x25\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11,
          CRDT_ERR_LIMIT }, /* 2^63 - 1 */
        { "\xc7\x25\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 12,
          CRDT_ERR_CORRUPT },                        /* 2^64 and more */
        { "\xc7\x25\x80\x00", 4, CRDT_ERR_CORRUPT }, /* not the shortest */
    };
    crdti_frame frame;
    size_t i, at;
    for (i = 0; i < sizeof heads / sizeof *heads; i++) {
        crdt_err err = crdti_frame_get(
            crdt_bytes_of(heads[i].bytes, heads[i].len), MAX, &frame, &at);
        CHECK_STR(crdt_err_name(err), crdt_err_name(heads[i].want));
        if (err != CRDT_ERR_TRUNCATED)
            CHECK_INT(at, 2);
    }
}

/* With no limit of its own a length may still not wrap around. */
TEST(a_length_without_limit)
{
    crdt_bytes bytes = crdt_bytes_of(
        "\xc7\x25\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0", 16);
    crdti_frame frame;
    crdt_err err = crdti_frame_get(bytes, SIZE_MAX, &frame, NULL);
    if (SIZE_MAX < UINT64_MAX) /* then 2^64 - 1 is above the limit */
        CHECK_ERR(err, CRDT_ERR_LIMIT);
    else
        CHECK_ERR(err, CRDT_ERR_TRUNCATED);
}

TEST(every_byte_of_the_head_counts)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_frame frame;
    unsigned byte;
    size_t at;
    put_frame(&buf, 20);
    for (byte = 0; byte < 256; byte++) {
        buf.ptr[0] = (uint8_t)byte;
        if (byte == CRDTI_FRAME_MAGIC)
            continue;
        CHECK_ERR(get(&buf, buf.len, &frame, &at), CRDT_ERR_CORRUPT);
        CHECK_INT(at, 0);
        CHECK_ERR(get(&buf, 1, &frame, &at), CRDT_ERR_CORRUPT);
    }
    buf.ptr[0] = CRDTI_FRAME_MAGIC;
    for (byte = 0; byte < 256; byte++) {
        buf.ptr[1] = (uint8_t)byte;
        if (byte == (CRDTI_FRAME_VERSION << 5 | KIND))
            continue;
        if (byte >> 5 == CRDTI_FRAME_VERSION) {
            CHECK_ERR(get(&buf, buf.len, &frame, &at), CRDT_ERR_CHECKSUM);
            continue;
        }
        CHECK_ERR(get(&buf, 2, &frame, &at), CRDT_ERR_VERSION);
        CHECK_INT(at, 1);
    }
    crdt_buf_free(&buf);
}

TEST(every_bit_behind_the_head_is_in_the_checksum)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_frame frame;
    size_t i, at;
    put_frame(&buf, 20);
    for (i = 3 * 8; i < buf.len * 8; i++) {
        buf.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
        CHECK_ERR(get(&buf, buf.len, &frame, &at), CRDT_ERR_CHECKSUM);
        CHECK_INT(at, buf.len - 4);
        buf.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    CHECK_ERR(get(&buf, buf.len, &frame, &at), CRDT_OK);
    crdt_buf_free(&buf);
}

TEST_MAIN(CASE(what_is_put_is_got), CASE(wrapping_writes_the_same),
          CASE(torn_at_every_byte), CASE(lengths_that_are_refused_at_once),
          CASE(a_length_without_limit), CASE(every_byte_of_the_head_counts),
          CASE(every_bit_behind_the_head_is_in_the_checksum))
