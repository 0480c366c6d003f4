/*
 * Frames: how a message stands in a stream, in a datagram or in a file.
 *
 *     +------+-------------+-----------+---------+-----------+
 *     | c7   | version<<5  | length    | payload | CRC32C of |
 *     |      |   | kind    | (varint)  |         | all before|
 *     +------+-------------+-----------+---------+-----------+
 *      1      1             1..10       length    4, little-endian
 *
 * 7 bytes around a short payload. A decoder says how much it still needs, so a
 * stream may be cut anywhere; a length is refused before anything is kept for
 * it.
 */
#ifndef CRDTI_FRAME_H
#define CRDTI_FRAME_H

#include "base.h"
#include "bytes.h"
#include "crc32c.h"
#include "limits.h"

#define CRDTI_FRAME_MAGIC 0xc7
#define CRDTI_FRAME_VERSION 1
#define CRDTI_FRAME_OVERHEAD (2 + CRDTI_VARINT_MAX + 4)

/* The numbers are part of the wire format. 1 is used in files and by programs
 * with a network of their own; the others between nodes (message.h). */
enum { CRDTI_FRAME_DELTA = 1 };

/* Writes what stands before the payload. Where that begins. */
CRDTI_INLINE uint8_t *crdti_frame_head(uint8_t *p, uint8_t kind, size_t len)
{
    p[0] = CRDTI_FRAME_MAGIC;
    p[1] = (uint8_t)(CRDTI_FRAME_VERSION << 5 | kind);
    return crdti_varint_store(p + 2, len);
}

/* Ends the frame that started at `start`. */
CRDTI_FN void crdti_frame_end(crdti_writer *w, size_t start)
{
    if (!w->err)
        crdti_put_u32le(w,
                        crdti_crc32c(0, crdt_bytes_of(w->buf->ptr + start,
                                                      w->buf->len - start)));
}

/* Puts a frame around the payload that stands from `start` on: for those
 * whose length is known only when they are written. */
CRDTI_FN void crdti_frame_wrap(crdti_writer *w, uint8_t kind, size_t start)
{
    size_t len, head;
    if (w->err)
        return;
    len = w->buf->len - start;
    head = 2 + crdti_varint_size(len);
    if (!crdti_put_room(w, head))
        return;
    crdti_move(w->buf->ptr + start + head, w->buf->ptr + start, len);
    crdti_frame_head(w->buf->ptr + start, kind, len);
    w->buf->len += head;
    crdti_frame_end(w, start);
}

typedef struct crdti_frame {
    uint8_t kind;
    crdt_bytes payload; /* borrowed */
    size_t size;        /* of the whole frame */
} crdti_frame;

/* Looks at the front of `bytes`. TRUNCATED: more must come. Others: CORRUPT,
 * VERSION, LIMIT (payload above `max`), CHECKSUM. `*offset` is where, when
 * not NULL. */
CRDTI_FN crdt_err crdti_frame_get(crdt_bytes bytes, size_t max,
                                  crdti_frame *out, size_t *offset)
{
    crdti_reader r;
    uint8_t magic, kind;
    uint64_t len;
    crdti_reader_init(&r, bytes);
    magic = crdti_get_u8(&r);
    if (!r.err && magic != CRDTI_FRAME_MAGIC)
        crdti_reader_fail_at(&r, r.start, CRDT_ERR_CORRUPT);
    kind = crdti_get_u8(&r);
    if (!r.err && kind >> 5 != CRDTI_FRAME_VERSION)
        crdti_reader_fail_at(&r, r.start + 1, CRDT_ERR_VERSION);
    len = crdti_get_varint(&r);
    if (len > max)
        crdti_reader_fail_at(&r, r.start + 2, CRDT_ERR_LIMIT);
    out->kind = kind & 31;
    out->payload = crdti_get_raw(&r, (size_t)len);
    out->size = (size_t)(r.ptr - r.start) + 4;
    if (!r.err && crdti_reader_left(&r) >= 4 && CRDTI_RULE(TORN_REFUSED) &&
        crdti_crc32c(0, crdt_bytes_of(r.start, out->size - 4)) !=
            crdti_load32(r.ptr))
        crdti_reader_fail(&r, CRDT_ERR_CHECKSUM);
    crdti_get_u32le(&r);
    if (offset)
        *offset = r.err_at;
    return r.err;
}

#endif
