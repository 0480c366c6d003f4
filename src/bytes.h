/*
 * Bytes: borrowed (crdt_bytes), growing (crdt_buf), written (crdti_writer) and
 * read (crdti_reader). Writer and reader keep their first error and from then
 * on do nothing, so that code puts or gets field after field and looks at
 * `err` once, at the end.
 *
 *     crdt_buf      ptr [ written .......... | free ........ ]
 *                        0                    len            cap
 *
 *     crdti_reader  [ read ......... | left ......... ]
 *                   start             ptr             end
 *
 * Numbers are varints: 7 bits a byte, the low ones first, the top bit says
 * that more follow. Each number has one form, the shortest; others are
 * refused, or equal data could have unequal bytes.
 *
 *     300 = 1 0010 1100  ->  1.0101100  0.0000010  ->  ac 02
 *
 * Signed numbers are folded first (zigzag): 0, -1, 1, -2 become 0, 1, 2, 3.
 */
#ifndef CRDTI_BYTES_H
#define CRDTI_BYTES_H

#include "alloc.h"
#include "base.h"

#define CRDTI_VARINT_MAX 10 /* bytes of 64 bits, 7 at a time */

/* >>bytes ----------------------------------------------------------------- */

CRDT_API crdt_bytes crdt_bytes_of(const void *ptr, size_t len)
{
    crdt_bytes bytes;
    bytes.ptr = (const uint8_t *)ptr;
    bytes.len = len;
    return bytes;
}

CRDT_API crdt_bytes crdt_str(const char *zero_terminated)
{
    size_t len = 0;
    while (zero_terminated && zero_terminated[len])
        len++;
    return crdt_bytes_of(zero_terminated, len);
}

/* The empty key: of an object with one place. */
CRDTI_FN crdt_bytes crdti_no_key(void)
{
    return crdt_bytes_of(NULL, 0);
}

CRDT_API int crdt_bytes_equal(crdt_bytes a, crdt_bytes b)
{
    return a.len == b.len && crdti_equal(a.ptr, b.ptr, a.len);
}

/* By bytes; of two that begin alike the shorter first. */
CRDTI_FN int crdti_bytes_order(crdt_bytes a, crdt_bytes b)
{
    int order = crdti_compare(a.ptr, b.ptr, crdti_min_size(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* >>buf ------------------------------------------------------------------- */

CRDT_API crdt_bytes crdt_buf_bytes(const crdt_buf *buf)
{
    return crdt_bytes_of(buf->ptr, buf->len);
}

CRDT_API void crdt_buf_free(crdt_buf *buf)
{
    if (!buf)
        return;
    crdti_free(buf->alloc, buf->ptr, buf->cap);
    buf->ptr = NULL;
    buf->len = buf->cap = 0;
}

CRDTI_FN crdt_err crdti_buf_grow(crdt_buf *buf, size_t extra)
{
    size_t cap = crdti_max_size(64, crdti_mul_size(buf->cap, 2));
    void *ptr;
    if (extra > SIZE_MAX - buf->len)
        return CRDT_ERR_NOMEM;
    cap = crdti_max_size(cap, buf->len + extra);
    ptr = crdti_realloc(buf->alloc, buf->ptr, buf->cap, cap);
    if (!ptr)
        return CRDT_ERR_NOMEM;
    buf->ptr = (uint8_t *)ptr;
    buf->cap = cap;
    return CRDT_OK;
}

/* Room for `extra` bytes behind those written. Amortised O(1) a byte. */
CRDTI_INLINE crdt_err crdti_buf_reserve(crdt_buf *buf, size_t extra)
{
    if (CRDTI_LIKELY(extra <= buf->cap - buf->len))
        return CRDT_OK;
    return crdti_buf_grow(buf, extra);
}

/* >>writer ---------------------------------------------------------------- */

typedef struct crdti_writer {
    crdt_buf *buf;
    crdt_err err;
} crdti_writer;

CRDTI_INLINE void crdti_writer_init(crdti_writer *w, crdt_buf *buf)
{
    w->buf = buf;
    w->err = CRDT_OK;
}

/* Where the next `len` bytes go, or NULL, also for none; the caller adds to
 * buf->len. */
CRDTI_INLINE uint8_t *crdti_put_room(crdti_writer *w, size_t len)
{
    if (CRDTI_UNLIKELY(w->err || !len))
        return NULL;
    w->err = crdti_buf_reserve(w->buf, len);
    return w->err ? NULL : w->buf->ptr + w->buf->len;
}

CRDTI_HOT void crdti_put_u8(crdti_writer *w, uint8_t byte)
{
    uint8_t *p = crdti_put_room(w, 1);
    if (!p)
        return;
    *p = byte;
    w->buf->len += 1;
}

CRDTI_HOT void crdti_put_u32le(crdti_writer *w, uint32_t word)
{
    uint8_t *p = crdti_put_room(w, 4);
    if (!p)
        return;
    crdti_store32(p, word);
    w->buf->len += 4;
}

CRDTI_HOT void crdti_put_u64le(crdti_writer *w, uint64_t word)
{
    uint8_t *p = crdti_put_room(w, 8);
    if (!p)
        return;
    crdti_store64(p, word);
    w->buf->len += 8;
}

/* Behind its last byte. */
CRDTI_INLINE uint8_t *crdti_varint_store(uint8_t *p, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *p++ = (uint8_t)(number | 0x80);
    *p++ = (uint8_t)number;
    return p;
}

/* Room is checked once for the longest form, not for every byte. */
CRDTI_HOT void crdti_put_varint(crdti_writer *w, uint64_t number)
{
    uint8_t *p = crdti_put_room(w, CRDTI_VARINT_MAX);
    if (p)
        w->buf->len = (size_t)(crdti_varint_store(p, number) - w->buf->ptr);
}

CRDTI_INLINE uint64_t crdti_zigzag_fold(int64_t number)
{
    uint64_t twice = (uint64_t)number << 1;
    return number < 0 ? ~twice : twice;
}

CRDTI_INLINE int64_t crdti_zigzag_unfold(uint64_t number)
{
    int64_t half = (int64_t)(number >> 1);
    return number & 1 ? -half - 1 : half;
}

CRDTI_HOT void crdti_put_zigzag(crdti_writer *w, int64_t number)
{
    crdti_put_varint(w, crdti_zigzag_fold(number));
}

CRDTI_HOT void crdti_put_raw(crdti_writer *w, crdt_bytes bytes)
{
    uint8_t *p = crdti_put_room(w, bytes.len);
    if (!p)
        return;
    crdti_copy(p, bytes.ptr, bytes.len);
    w->buf->len += bytes.len;
}

/* The length, then the bytes. */
CRDTI_HOT void crdti_put_bytes(crdti_writer *w, crdt_bytes bytes)
{
    crdti_put_varint(w, bytes.len);
    crdti_put_raw(w, bytes);
}

CRDTI_FN size_t crdti_varint_size(uint64_t number)
{
    size_t size = 1;
    for (; number >= 0x80; number >>= 7)
        size++;
    return size;
}

/* >>reader ----------------------------------------------------------------
 * An error moves `ptr` to `end`: to the fast paths a failed reader is one that
 * has come to the end, and they need no second test. */

typedef struct crdti_reader {
    const uint8_t *start, *ptr, *end;
    crdt_err err;
    size_t err_at; /* where the field that is at fault begins */
} crdti_reader;

CRDTI_INLINE void crdti_reader_init(crdti_reader *r, crdt_bytes bytes)
{
    /* Not NULL, so that differences and sums with it are defined. */
    static const uint8_t crdti_nothing[1] = { 0 };
    r->start = bytes.len ? bytes.ptr : crdti_nothing;
    r->ptr = r->start;
    r->end = r->start + bytes.len;
    r->err = CRDT_OK;
    r->err_at = 0;
}

/* How many bytes are left; 0 after an error. */
CRDTI_INLINE size_t crdti_reader_left(const crdti_reader *r)
{
    return (size_t)(r->end - r->ptr);
}

/* The first error stays. */
CRDTI_FN void crdti_reader_fail_at(crdti_reader *r, const uint8_t *at,
                                   crdt_err err)
{
    if (r->err)
        return;
    r->err = err;
    r->err_at = (size_t)(at - r->start);
    r->ptr = r->end;
}

CRDTI_FN void crdti_reader_fail(crdti_reader *r, crdt_err err)
{
    crdti_reader_fail_at(r, r->ptr, err);
}

/* The next `len` bytes, borrowed; empty when they are not all there. */
CRDTI_HOT crdt_bytes crdti_get_raw(crdti_reader *r, size_t len)
{
    crdt_bytes bytes = { NULL, 0 };
    if (CRDTI_UNLIKELY(len > crdti_reader_left(r))) {
        crdti_reader_fail(r, CRDT_ERR_TRUNCATED);
        return bytes;
    }
    bytes.ptr = r->ptr;
    bytes.len = len;
    r->ptr += len;
    return bytes;
}

CRDTI_HOT uint8_t crdti_get_u8(crdti_reader *r)
{
    crdt_bytes b = crdti_get_raw(r, 1);
    return b.len ? b.ptr[0] : 0;
}

CRDTI_HOT uint32_t crdti_get_u32le(crdti_reader *r)
{
    crdt_bytes b = crdti_get_raw(r, 4);
    return b.len ? crdti_load32(b.ptr) : 0;
}

CRDTI_HOT uint64_t crdti_get_u64le(crdti_reader *r)
{
    crdt_bytes b = crdti_get_raw(r, 8);
    return b.len ? crdti_load64(b.ptr) : 0;
}

/* A varint of several bytes. Not canonical: a last byte of 0, which adds
 * nothing, and a tenth byte with more than the one bit that is left. */
CRDTI_FN uint64_t crdti_get_varint_long(crdti_reader *r)
{
    size_t i, left = crdti_reader_left(r);
    uint64_t number = 0;
    for (i = 0; i < CRDTI_VARINT_MAX && i < left; i++) {
        uint8_t byte = r->ptr[i];
        number |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte >= 0x80)
            continue;
        if ((byte == 0 && i > 0) || (byte > 1 && i == CRDTI_VARINT_MAX - 1))
            break;
        r->ptr += i + 1;
        return number;
    }
    crdti_reader_fail(r, i == left && i < CRDTI_VARINT_MAX ? CRDT_ERR_TRUNCATED
                                                           : CRDT_ERR_CORRUPT);
    return 0;
}

CRDTI_HOT uint64_t crdti_get_varint(crdti_reader *r)
{
    if (CRDTI_LIKELY(r->ptr < r->end && *r->ptr < 0x80))
        return *r->ptr++;
    return crdti_get_varint_long(r);
}

CRDTI_HOT int64_t crdti_get_zigzag(crdti_reader *r)
{
    return crdti_zigzag_unfold(crdti_get_varint(r));
}

/* A number of things that follow: LIMIT above `max`, TRUNCATED when the bytes
 * left cannot hold that many of `bytes_each`. So whoever allocates for them
 * takes no more than a fixed multiple of what was really sent. */
CRDTI_HOT size_t crdti_get_count(crdti_reader *r, size_t max,
                                 size_t bytes_each)
{
    const uint8_t *at = r->ptr;
    uint64_t count = crdti_get_varint(r);
    if (count > max)
        crdti_reader_fail_at(r, at, CRDT_ERR_LIMIT);
    else if (bytes_each && count > crdti_reader_left(r) / bytes_each)
        crdti_reader_fail_at(r, at, CRDT_ERR_TRUNCATED);
    return r->err ? 0 : (size_t)count;
}

/* A length, at most `max`, and that many bytes. */
CRDTI_HOT crdt_bytes crdti_get_bytes(crdti_reader *r, size_t max)
{
    return crdti_get_raw(r, crdti_get_count(r, max, 1));
}

#endif
