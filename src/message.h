/*
 * Messages between two nodes: the payload of a frame, one kind each.
 *
 *     HELLO   who I am, what I speak, which documents I share
 *     STATE   my version vector and digest of a document; `asks`: and yours?
 *     DIGEST  my digest of a document: silence means yours is the same
 *     CHUNK   a piece of a delta
 *     STROKES a delta that goes on where the last one ended, in short
 *     ANSWER  your delta is joined, or why not
 *     ALIVE   nothing; so that silence means death
 *     BYE     why I hang up
 *
 * Documents go by their number in the HELLO of the sender. A HELLO may be said
 * again when there are more. What stands behind the known fields of a HELLO,
 * and kinds that are not known, come from a newer version and are skipped.
 */
#ifndef CRDTI_MESSAGE_H
#define CRDTI_MESSAGE_H

#include "bytes.h"
#include "frame.h"
#include "vv.h"

#define CRDTI_PROTOCOL_MIN 1u
#define CRDTI_PROTOCOL_MAX 1u

/* The numbers are part of the wire format, and go on from frame.h. */
enum {
    CRDTI_HELLO = 2,
    CRDTI_STATE = 3,
    CRDTI_DIGEST = 4,
    CRDTI_CHUNK = 5,
    CRDTI_ANSWER = 6,
    CRDTI_ALIVE = 7,
    CRDTI_BYE = 8,
    CRDTI_STROKES = 9
};

typedef struct crdti_hello {
    uint64_t oldest, newest; /* protocol versions spoken */
    crdt_id node;
    uint64_t nonce;     /* of this link, drawn by the sender */
    uint64_t frame_max; /* bytes of payload the sender takes */
    crdt_bytes name;
    size_t docs;
} crdti_hello;

/* Followed by the names of the documents, by crdti_put_bytes. */
CRDTI_FN void crdti_put_hello(crdti_writer *w, const crdti_hello *hello)
{
    crdti_put_varint(w, hello->oldest);
    crdti_put_varint(w, hello->newest);
    crdti_put_raw(w, crdt_bytes_of(hello->node.b, sizeof hello->node.b));
    crdti_put_u64le(w, hello->nonce);
    crdti_put_varint(w, hello->frame_max);
    crdti_put_bytes(w, hello->name);
    crdti_put_varint(w, hello->docs);
}

CRDTI_FN void crdti_get_hello(crdti_reader *r, crdti_hello *hello)
{
    crdt_bytes node;
    crdti_zero(hello, sizeof *hello);
    hello->oldest = crdti_get_varint(r);
    hello->newest = crdti_get_varint(r);
    if (!r->err && (hello->oldest > CRDTI_PROTOCOL_MAX ||
                    hello->newest < CRDTI_PROTOCOL_MIN))
        crdti_reader_fail(r, CRDT_ERR_VERSION);
    node = crdti_get_raw(r, sizeof hello->node.b);
    if (node.len)
        crdti_copy(hello->node.b, node.ptr, node.len);
    hello->nonce = crdti_get_u64le(r);
    hello->frame_max = crdti_get_varint(r);
    hello->name = crdti_get_bytes(r, CRDTSYNC_MAX_NAME);
    hello->docs = crdti_get_count(r, CRDTSYNC_MAX_SHARED, 1);
}

typedef struct crdti_chunk {
    uint64_t doc;
    uint64_t id;            /* of the delta; from 1, one by one */
    int follows;            /* is to be joined right after the one before */
    uint64_t total, offset; /* bytes of the delta, and before this piece */
    crdt_bytes bytes;
} crdti_chunk;

#define CRDTI_CHUNK_OVERHEAD (5 * CRDTI_VARINT_MAX)

CRDTI_FN void crdti_put_chunk(crdti_writer *w, const crdti_chunk *chunk)
{
    crdti_put_varint(w, chunk->doc);
    crdti_put_varint(w, chunk->id << 1 | (chunk->follows ? 1u : 0u));
    crdti_put_varint(w, chunk->total);
    crdti_put_varint(w, chunk->offset);
    crdti_put_bytes(w, chunk->bytes);
}

CRDTI_FN void crdti_get_chunk(crdti_reader *r, crdti_chunk *chunk)
{
    chunk->doc = crdti_get_varint(r);
    chunk->id = crdti_get_varint(r);
    chunk->follows = (int)(chunk->id & 1);
    chunk->id >>= 1;
    chunk->total = crdti_get_varint(r);
    if (chunk->total > CRDTSYNC_MAX_TRANSFER)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    chunk->offset = crdti_get_varint(r);
    chunk->bytes = crdti_get_bytes(r, SIZE_MAX);
    if (!r->err && (chunk->bytes.len == 0 || chunk->offset > chunk->total ||
                    chunk->bytes.len > chunk->total - chunk->offset))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

CRDTI_FN void crdti_put_digest(crdti_writer *w, crdt_digest digest)
{
    crdti_put_u64le(w, digest.lo);
    crdti_put_u64le(w, digest.hi);
}

CRDTI_FN crdt_digest crdti_get_digest(crdti_reader *r)
{
    crdt_digest digest;
    digest.lo = crdti_get_u64le(r);
    digest.hi = crdti_get_u64le(r);
    return digest;
}

CRDTI_FN int crdti_digest_equal(crdt_digest a, crdt_digest b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

/* A message ends where its bytes end. */
CRDTI_FN void crdti_get_end(crdti_reader *r)
{
    if (!r->err && r->ptr != r->end)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

#endif
