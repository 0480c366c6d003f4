/*
 * Messages between two nodes: the payload of a frame, one kind each.
 *
 *     HELLO    who I am, what I speak, how much I take
 *     DOCS     which documents I share, and a print of each
 *     STATE    my version vector and digest of a document; `asks`: and yours?
 *     DIGEST   my print of a document: silence means yours is the same
 *     UPDATE   a delta
 *     STROKES  a delta that goes on where the last one ended, in short
 *     ANSWER   your delta is joined, or why not
 *     HAVE     what I have got and do not send, as others will
 *     PIECE    a part of a message that is too long for one frame
 *     GOT      which parts of it have come
 *     PRESENCE a value of a node that lives for a while
 *     ROSTER   what has changed in my table of members: gossip.h
 *     ALIVE    nothing; so that silence means death
 *     BYE      why I hang up
 *
 * Documents go by their number in the list of the sender, which only grows.
 * What stands behind the known fields of a HELLO, and kinds that are not
 * known, come from a newer version and are skipped.
 */
#ifndef CRDTI_MESSAGE_H
#define CRDTI_MESSAGE_H

#include "bytes.h"
#include "frame.h"
#include "ivset.h"
#include "vv.h"

#define CRDTI_PROTOCOL_MIN 1u
#define CRDTI_PROTOCOL_MAX 1u
#define CRDTI_FRAME_MIN 1024u /* payload that everyone takes */

/* The numbers are part of the wire format, and go on from frame.h. */
enum {
    CRDTI_HELLO = 2,
    CRDTI_STATE = 3,
    CRDTI_DIGEST = 4,
    CRDTI_UPDATE = 5,
    CRDTI_ANSWER = 6,
    CRDTI_ALIVE = 7,
    CRDTI_BYE = 8,
    CRDTI_STROKES = 9,
    CRDTI_DOCS = 10,
    CRDTI_PIECE = 11,
    CRDTI_ROSTER = 12,
    CRDTI_GOT = 16,
    CRDTI_HAVE = 17,
    CRDTI_PRESENCE = 18
};

/* What a node can do beyond what every one can. Both use what both can. */
enum {
    CRDTI_CAN_STROKES = 1,
    CRDTI_CAN_HAVE = 2,
    CRDTI_CAN_PRESENCE = 4,
    CRDTI_CAN_ROSTER = 8,
    CRDTI_CAN = 15
};

typedef struct crdti_hello {
    uint64_t oldest, newest; /* protocol versions spoken */
    crdt_id node;
    uint64_t nonce;      /* of this link, drawn by the sender */
    uint64_t heard;      /* the nonce of the other side, or 0 */
    uint64_t can;        /* bits; those that we do not know are cleared */
    uint64_t frame_max;  /* bytes of payload the sender takes at once, */
    uint64_t window;     /* and unanswered */
    uint64_t docs;       /* how many it shares, */
    uint64_t docs_heard; /* and has heard that the other side does */
    crdt_bytes name;
} crdti_hello;

CRDTI_FN void crdti_put_hello(crdti_writer *w, const crdti_hello *hello)
{
    crdti_put_varint(w, hello->oldest);
    crdti_put_varint(w, hello->newest);
    crdti_put_raw(w, crdt_bytes_of(hello->node.b, sizeof hello->node.b));
    crdti_put_u64le(w, hello->nonce);
    crdti_put_u64le(w, hello->heard);
    crdti_put_varint(w, hello->can);
    crdti_put_varint(w, hello->frame_max);
    crdti_put_varint(w, hello->window);
    crdti_put_varint(w, hello->docs);
    crdti_put_varint(w, hello->docs_heard);
    crdti_put_bytes(w, hello->name);
}

CRDTI_FN crdt_id crdti_get_id(crdti_reader *r)
{
    crdt_id id;
    crdt_bytes raw = crdti_get_raw(r, sizeof id.b);
    crdti_zero(&id, sizeof id);
    if (raw.len)
        crdti_copy(id.b, raw.ptr, raw.len);
    return id;
}

CRDTI_FN void crdti_get_hello(crdti_reader *r, crdti_hello *hello)
{
    crdti_zero(hello, sizeof *hello);
    hello->oldest = crdti_get_varint(r);
    hello->newest = crdti_get_varint(r);
    if (!r->err && (hello->oldest > CRDTI_PROTOCOL_MAX ||
                    hello->newest < CRDTI_PROTOCOL_MIN))
        crdti_reader_fail(r, CRDT_ERR_VERSION);
    hello->node = crdti_get_id(r);
    hello->nonce = crdti_get_u64le(r);
    hello->heard = crdti_get_u64le(r);
    hello->can = crdti_get_varint(r) & CRDTI_CAN;
    hello->frame_max = crdti_get_varint(r);
    hello->window = crdti_get_varint(r);
    hello->docs = crdti_get_count(r, CRDTSYNC_MAX_SHARED, 0);
    hello->docs_heard = crdti_get_varint(r);
    hello->name = crdti_get_bytes(r, CRDTSYNC_MAX_NAME);
}

/* A delta; its bytes go to the end of the message. */
typedef struct crdti_update {
    uint64_t doc;
    uint64_t id; /* of the delta; from 1, one by one */
    uint8_t how; /* CRDTI_FOLLOWS | CRDTI_LATE */
    crdt_bytes delta;
} crdti_update;

#define CRDTI_CAST_ID ((uint64_t)1 << 32) /* and above: said to all at once */

enum {
    CRDTI_FOLLOWS = 1, /* to be joined right after the one before */
    CRDTI_LATE = 2     /* held back in vain: nobody else brought it */
};

CRDTI_FN void crdti_get_update(crdti_reader *r, crdti_update *update)
{
    update->doc = crdti_get_varint(r);
    update->id = crdti_get_varint(r);
    update->how = crdti_get_u8(r);
    update->delta = crdti_get_raw(r, crdti_reader_left(r));
}

/* The result of a delta that was joined, and held nothing new. */
#define CRDTI_KNEW 64u

/* A part of the message whose payload has `total` bytes. */
typedef struct crdti_parcel_piece {
    uint64_t id;  /* of the message; from 1 */
    uint8_t asks; /* say what you have got of it */
    uint8_t kind; /* of the message: UPDATE or STATE */
    uint64_t total, offset;
    crdt_bytes bytes;
} crdti_parcel_piece;

#define CRDTI_PIECE_HEAD (3 * CRDTI_VARINT_MAX + 2)

CRDTI_FN void crdti_put_piece(crdti_writer *w, const crdti_parcel_piece *piece)
{
    crdti_put_varint(w, piece->id);
    crdti_put_u8(w, piece->asks);
    crdti_put_u8(w, piece->kind);
    crdti_put_varint(w, piece->total);
    crdti_put_varint(w, piece->offset);
    crdti_put_raw(w, piece->bytes);
}

CRDTI_FN void crdti_get_piece(crdti_reader *r, crdti_parcel_piece *piece)
{
    piece->id = crdti_get_varint(r);
    piece->asks = crdti_get_u8(r);
    piece->kind = crdti_get_u8(r);
    piece->total = crdti_get_varint(r);
    if (piece->total > CRDTSYNC_MAX_TRANSFER)
        crdti_reader_fail(r, CRDT_ERR_LIMIT);
    piece->offset = crdti_get_varint(r);
    piece->bytes = crdti_get_raw(r, crdti_reader_left(r));
    if (!r->err &&
        (!piece->id || !piece->bytes.len || piece->offset > piece->total ||
         piece->bytes.len > piece->total - piece->offset ||
         (piece->kind != CRDTI_UPDATE && piece->kind != CRDTI_STATE)))
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

/* What has come of the message, as runs of bytes; `end` is that of the piece
 * which asked. Where there are too many, those before it: the others have been
 * told, or will be. */
#define CRDTI_RUNS_TOLD 40u

CRDTI_FN void crdti_put_got(crdti_writer *w, uint64_t id, uint64_t end,
                            const crdti_ivset *have)
{
    size_t i, last = crdti_min_size(
                  have->len, crdti_max_size(crdti_ivset_behind(have, end),
                                            CRDTI_RUNS_TOLD));
    uint64_t at = 0;
    crdti_put_varint(w, id);
    crdti_put_varint(w, end);
    for (i = last - crdti_min_size(last, CRDTI_RUNS_TOLD); i < last; i++) {
        crdti_put_varint(w, have->ptr[i].lo - at);
        crdti_put_varint(w, have->ptr[i].hi - have->ptr[i].lo);
        at = have->ptr[i].hi + 1;
    }
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

/* One word for a vector and a digest. */
CRDTI_FN uint64_t crdti_print_of(const crdt_vv *vv, crdt_digest digest)
{
    uint64_t print =
        crdti_mix(digest.lo ^ CRDTI_HASH_1, digest.hi ^ CRDTI_HASH_2);
    size_t i;
    for (i = 0; i < vv->len; i++) {
        const crdt_dot *dot = &vv->entries[i];
        print = crdti_mix(print ^ crdti_load64(dot->replica.b),
                          CRDTI_HASH_1 ^ crdti_load64(dot->replica.b + 8));
        print = crdti_mix(print ^ dot->seq, CRDTI_HASH_2);
    }
    return print;
}

/* A message ends where its bytes end. */
CRDTI_FN void crdti_get_end(crdti_reader *r)
{
    if (!r->err && r->ptr != r->end)
        crdti_reader_fail(r, CRDT_ERR_CORRUPT);
}

#endif
