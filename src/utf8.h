/*
 * UTF-8, and how long a text is in each of the units that programs count in.
 *
 *     "aé😀"       61   c3 a9   f0 9f 98 80
 *     chars        1    1       1              3
 *     bytes        1    2       4              7   = chars + more_bytes
 *     UTF-16       1    1       2              4   = chars + more_units
 *
 * Both "more" are 0 where all is ASCII, which is mostly so.
 */
#ifndef CRDTI_UTF8_H
#define CRDTI_UTF8_H

#include "base.h"

typedef struct crdti_width {
    uint32_t chars, more_bytes, more_units;
} crdti_width;

/* Sums and differences wrap: what is subtracted was added before. */
CRDTI_INLINE void crdti_width_add(crdti_width *sum, crdti_width more)
{
    sum->chars += more.chars;
    sum->more_bytes += more.more_bytes;
    sum->more_units += more.more_units;
}

CRDTI_INLINE void crdti_width_subtract(crdti_width *sum, crdti_width less)
{
    sum->chars -= less.chars;
    sum->more_bytes -= less.more_bytes;
    sum->more_units -= less.more_units;
}

CRDTI_INLINE size_t crdti_width_in(crdti_width width, crdt_unit unit)
{
    size_t more = unit == CRDT_UTF8    ? width.more_bytes
                  : unit == CRDT_UTF16 ? width.more_units
                                       : 0;
    return width.chars + more;
}

/* Bytes of the character that begins so, in bytes that were looked over. */
CRDTI_INLINE uint32_t crdti_utf8_size(uint8_t lead)
{
    return lead < 0x80 ? 1u : lead < 0xe0 ? 2u : lead < 0xf0 ? 3u : 4u;
}

CRDTI_INLINE crdti_width crdti_utf8_width(uint8_t lead)
{
    crdti_width width;
    width.chars = 1;
    width.more_bytes = crdti_utf8_size(lead) - 1;
    width.more_units = lead >= 0xf0;
    return width;
}

/* Whether byte `at` is one that goes on with a character, and in low..high. */
CRDTI_INLINE int crdti_utf8_goes_on(crdt_bytes text, size_t at, uint8_t low,
                                    uint8_t high)
{
    return at < text.len && text.ptr[at] >= low && text.ptr[at] <= high;
}

/* Bytes of the character at `at`, or 0: there is none. The second byte says
 * whether it is overlong, a surrogate or too large (RFC 3629). */
CRDTI_FN uint32_t crdti_utf8_look(crdt_bytes text, size_t at)
{
    uint8_t lead = text.ptr[at], low = 0x80, high = 0xbf;
    uint32_t size = crdti_utf8_size(lead), i;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    for (i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (!crdti_utf8_goes_on(text, at + i, low, high))
            return 0;
    return size;
}

/* How many bytes from `at` on are ASCII: eight at a time. */
CRDTI_FN size_t crdti_ascii_len(crdt_bytes text, size_t at)
{
    size_t from = at;
    while (text.len - at >= 8 &&
           !(crdti_load64(text.ptr + at) & UINT64_C(0x8080808080808080)))
        at += 8;
    while (at < text.len && text.ptr[at] < 0x80)
        at++;
    return at - from;
}

/* Looks the text over; 0 when it is none. Of more than 2^32 characters the
 * width is wrong; a text holds fewer (CRDTI_NAMES_MAX). */
CRDTI_FN int crdti_utf8_measure(crdt_bytes text, crdti_width *out)
{
    size_t at = 0;
    crdti_zero(out, sizeof *out);
    for (;;) {
        size_t plain = crdti_ascii_len(text, at);
        uint32_t size;
        out->chars += (uint32_t)plain;
        at += plain;
        if (at == text.len)
            return 1;
        size = crdti_utf8_look(text, at);
        if (!size)
            return 0;
        crdti_width_add(out, crdti_utf8_width(text.ptr[at]));
        at += size;
    }
}

/* How many bytes `chars` characters are, from byte `at` on, in bytes that were
 * looked over. */
CRDTI_FN size_t crdti_utf8_len(crdt_bytes text, size_t at, uint32_t chars)
{
    crdt_bytes first =
        crdt_bytes_of(text.ptr + at, crdti_min_size(chars, text.len - at));
    size_t len = crdti_ascii_len(first, 0);
    for (chars -= (uint32_t)len; chars > 0; chars--)
        len += crdti_utf8_size(text.ptr[at + len]);
    return len;
}

CRDTI_FN uint32_t crdti_utf8_decode(const uint8_t *at)
{
    uint32_t size = crdti_utf8_size(*at), i;
    uint32_t point = size == 1 ? *at : *at & (0x7fu >> size);
    for (i = 1; i < size; i++)
        point = point << 6 | (at[i] & 0x3fu);
    return point;
}

#endif
