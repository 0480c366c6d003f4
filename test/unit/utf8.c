/*
 * UTF-8: what is a character, and how wide, against a slow reading of the
 * table of RFC 3629.
 */
#include "../../src/utf8.h"
#include "../../src/bytes.h"

#include "../test.h"

/* Bytes of the character at the front, or 0: by its code point. */
static uint32_t slow_look(const uint8_t *b, size_t len, uint32_t *point)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t size, i;
    *point = b[0];
    if (b[0] < 0x80)
        return 1;
    size = (b[0] & 0xe0) == 0xc0   ? 2u
           : (b[0] & 0xf0) == 0xe0 ? 3u
           : (b[0] & 0xf8) == 0xf0 ? 4u
                                   : 0u;
    if (!size || len < size)
        return 0;
    *point = b[0] & (0x7fu >> size);
    for (i = 1; i < size; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (b[i] & 0x3fu);
    }
    if (*point < least[size] || *point > 0x10ffff ||
        (*point >= 0xd800 && *point <= 0xdfff))
        return 0;
    return size;
}

/* One sequence of bytes: whether both see the same at its front. */
static void agree(const uint8_t *b, size_t len)
{
    uint32_t point, size = slow_look(b, len, &point);
    crdt_bytes text = crdt_bytes_of(b, len);
    crdti_width width;
    if (crdti_utf8_look(text, 0) != size) {
        printf("%02x %02x %02x %02x of %d\n", b[0], len > 1 ? b[1] : 0,
               len > 2 ? b[2] : 0, len > 3 ? b[3] : 0, (int)len);
        CHECK(crdti_utf8_look(text, 0) == size);
    }
    if (!size)
        CHECK(!crdti_utf8_measure(text, &width));
    if (!size)
        return;
    CHECK(crdti_utf8_decode(b) == point);
    width = crdti_utf8_width(b[0]);
    CHECK(width.chars == 1 && width.more_bytes == size - 1);
    CHECK(width.more_units == (point > 0xffff));
}

TEST(each_sequence_of_up_to_three_bytes)
{
    uint32_t n;
    for (n = 0; n < 0x1000000 && !test_failures_in_case; n++) {
        uint8_t b[3];
        b[0] = (uint8_t)(n >> 16);
        b[1] = (uint8_t)(n >> 8);
        b[2] = (uint8_t)n;
        agree(b, 3);
        if (b[2] == 0)
            agree(b, 2);
        if (b[2] == 0 && b[1] == 0)
            agree(b, 1);
    }
}

/* The last byte of four is seldom what matters. */
TEST(each_beginning_of_four_bytes_and_some_ends)
{
    static const uint8_t ends[] = { 0x00, 0x7f, 0x80, 0xa5, 0xbf, 0xc0, 0xff };
    uint32_t n, i;
    for (n = 0xe00000; n < 0x1000000 && !test_failures_in_case; n++)
        for (i = 0; i < sizeof ends; i++) {
            uint8_t b[4];
            b[0] = (uint8_t)(n >> 16);
            b[1] = (uint8_t)(n >> 8);
            b[2] = (uint8_t)n;
            b[3] = ends[i];
            agree(b, 4);
        }
}

static uint32_t put(uint8_t *out, uint32_t point)
{
    uint32_t size = point < 0x80      ? 1u
                    : point < 0x800   ? 2u
                    : point < 0x10000 ? 3u
                                      : 4u;
    uint32_t i;
    for (i = size; i > 1; i--, point >>= 6)
        out[i - 1] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)(size == 1 ? point : (0xf00u >> size | point));
    return size;
}

TEST(each_code_point_is_itself)
{
    uint32_t point;
    for (point = 0; point <= 0x110000 && !test_failures_in_case; point++) {
        uint8_t b[4];
        uint32_t size = put(b, point);
        int is = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        CHECK(crdti_utf8_look(crdt_bytes_of(b, size), 0) == (is ? size : 0));
        CHECK(!is || crdti_utf8_decode(b) == point);
        if (size > 1)
            CHECK(!crdti_utf8_look(crdt_bytes_of(b, size - 1), 0));
    }
}

/* Texts of all sorts, so that ASCII comes in runs of any length and place. */
TEST(a_text_is_as_wide_as_its_characters)
{
    uint64_t seed = 7;
    int round;
    for (round = 0; round < 3000; round++) {
        uint8_t text[300];
        size_t len = 0, at, plain;
        crdti_width want, got;
        memset(&want, 0, sizeof want);
        while (len < 200) {
            uint32_t run = test_below(&seed, 30), point;
            for (; run > 0; run--, len++, want.chars++)
                text[len] = (uint8_t)test_below(&seed, 0x80);
            point = 0x80 + test_below(&seed, 0xd800 - 0x80);
            if (test_below(&seed, 4) == 0)
                point = 0x10000 + test_below(&seed, 0x100000);
            want.more_units += point > 0xffff;
            len += put(text + len, point);
            want.chars++;
        }
        want.more_bytes = (uint32_t)len - want.chars;
        CHECK(crdti_utf8_measure(crdt_bytes_of(text, len), &got));
        CHECK(memcmp(&got, &want, sizeof got) == 0);
        CHECK_INT(crdti_width_in(got, CRDT_CHARS), want.chars);
        CHECK_INT(crdti_width_in(got, CRDT_UTF8), len);
        CHECK_INT(crdti_width_in(got, CRDT_UTF16),
                  want.chars + want.more_units);
        at = test_below(&seed, 200);
        plain = crdti_ascii_len(crdt_bytes_of(text, len), at);
        CHECK(at + plain < len && text[at + plain] >= 0x80);
        for (; plain > 0; plain--)
            CHECK(text[at + plain - 1] < 0x80);
        CHECK_INT(crdti_utf8_len(crdt_bytes_of(text, len), 0, got.chars), len);
        /* Cut within its last character, it is none. */
        CHECK(!crdti_utf8_measure(crdt_bytes_of(text, len - 1), &got));
    }
}

TEST(nothing_is_a_text)
{
    crdti_width width;
    CHECK(crdti_utf8_measure(crdt_bytes_of(NULL, 0), &width));
    CHECK_INT(width.chars, 0);
    CHECK_INT(crdti_ascii_len(crdt_bytes_of(NULL, 0), 0), 0);
}

TEST(widths_add_up_and_back)
{
    crdti_width sum = crdti_utf8_width(0xf0), one = crdti_utf8_width('a');
    crdti_width_add(&sum, one);
    crdti_width_add(&sum, crdti_utf8_width(0xc3));
    CHECK(sum.chars == 3 && sum.more_bytes == 4 && sum.more_units == 1);
    crdti_width_subtract(&sum, crdti_utf8_width(0xf4));
    crdti_width_subtract(&sum, crdti_utf8_width(0xc2));
    CHECK(memcmp(&sum, &one, sizeof sum) == 0);
}

TEST_MAIN(CASE(each_sequence_of_up_to_three_bytes),
          CASE(each_beginning_of_four_bytes_and_some_ends),
          CASE(each_code_point_is_itself),
          CASE(a_text_is_as_wide_as_its_characters), CASE(nothing_is_a_text),
          CASE(widths_add_up_and_back))
