/*
 * The public face of deltas: one frame of bytes each, joinable anywhere.
 */
#ifndef CRDTI_WIRE_H
#define CRDTI_WIRE_H

#include "codec.h"
#include "doc.h"
#include "frame.h"
#include "join.h"
#include "stroke.h"

CRDTI_FN crdt_err crdti_delta_framed(crdt_doc *doc, const crdt_vv *since,
                                     int purpose, crdt_buf *out)
{
    crdti_writer w;
    size_t start;
    if (!doc || !out)
        return CRDT_ERR_ARG;
    start = out->len;
    crdti_writer_init(&w, out);
    w.err = crdti_delta_put(doc, since, purpose, NULL, out);
    crdti_frame_wrap(&w, CRDTI_FRAME_DELTA, start);
    if (w.err)
        out->len = start;
    return w.err;
}

CRDT_API crdt_err crdt_delta(crdt_doc *doc, const crdt_vv *since,
                             crdt_buf *out)
{
    return crdti_delta_framed(doc, since, CRDTI_FOR_ALL, out);
}

CRDT_API crdt_err crdt_canonical(crdt_doc *doc, crdt_buf *out)
{
    return crdti_delta_framed(doc, NULL, CRDTI_FOR_COMPARISON, out);
}

/* The payload of a frame that must hold just one delta. */
CRDTI_FN crdt_err crdti_delta_unframe(crdt_bytes bytes, crdt_bytes *payload,
                                      size_t *offset)
{
    crdti_frame frame;
    crdt_err err = crdti_frame_get(bytes, SIZE_MAX, &frame, offset);
    if (err)
        return err;
    if (frame.kind != CRDTI_FRAME_DELTA) {
        *offset = 1;
        return CRDT_ERR_VERSION;
    }
    if (frame.size != bytes.len) {
        *offset = frame.size;
        return CRDT_ERR_CORRUPT;
    }
    *payload = frame.payload;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_range_put(const crdti_delta *d, int top, crdt_vv *out)
{
    size_t i;
    crdt_err err = CRDT_OK;
    if (!out)
        return CRDT_OK;
    crdt_vv_clear(out);
    for (i = 0; i < d->replicas_len && !err; i++)
        err = crdt_vv_set(out, &d->replicas[i].id,
                          top ? d->replicas[i].top : d->replicas[i].base);
    return err;
}

/* Where a delta leaves the trail: at what the one replica wrote of which it
 * has anything new. */
CRDTI_FN void crdti_delta_trail(const crdt_doc *doc, const crdti_delta *d,
                                crdti_trail *trail)
{
    const crdti_delta_replica *grown = NULL;
    size_t i;
    trail->text = 0;
    for (i = 0; i < d->replicas_len; i++) {
        if (d->replicas[i].top == d->replicas[i].base)
            continue;
        if (grown)
            return;
        grown = &d->replicas[i];
    }
    if (grown)
        crdti_trail_start(doc, grown->number, grown->top, trail);
}

/* What a delta brings its joiner to. */
typedef struct crdti_reach {
    crdt_vv top;
    crdti_trail trail;
    crdti_gain gain;
} crdti_reach;

/* Decodes and joins a payload. `*offset` is where a decoder stopped; `reach`
 * may be NULL. */
CRDTI_FN crdt_err crdti_payload_join(crdt_doc *doc, crdt_bytes payload,
                                     size_t *offset, crdti_reach *reach)
{
    crdti_delta delta;
    crdti_reader r;
    crdti_arena_mark start;
    crdt_err err;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    /* The first block stays from join to join. */
    if (!doc->scratch.top && !crdti_arena_alloc(&doc->scratch, 1))
        return CRDT_ERR_NOMEM;
    start = crdti_arena_here(&doc->scratch);
    crdti_reader_init(&r, payload);
    crdti_get_delta(&r, &doc->scratch, &delta);
    *offset = r.err_at;
    err = r.err;
    if (!err)
        err = crdti_delta_join(doc, &delta);
    if (reach)
        reach->gain = delta.gain;
    if (!err && reach)
        err = crdti_range_put(&delta, 1, &reach->top);
    if (!err && reach)
        crdti_delta_trail(doc, &delta, &reach->trail);
    crdti_arena_reset(&doc->scratch, start);
    return err;
}

CRDT_API crdt_err crdt_join_at(crdt_doc *doc, crdt_bytes delta, size_t *offset)
{
    crdt_bytes payload;
    crdt_err err;
    *offset = 0;
    if (!doc || (!delta.ptr && delta.len))
        return CRDT_ERR_ARG;
    err = crdti_delta_unframe(delta, &payload, offset);
    if (err)
        return err;
    err = crdti_payload_join(doc, payload, offset, NULL);
    if (err)
        *offset += (size_t)(payload.ptr - delta.ptr);
    return err;
}

CRDT_API crdt_err crdt_join(crdt_doc *doc, crdt_bytes delta)
{
    size_t offset;
    return crdt_join_at(doc, delta, &offset);
}

/* What a payload is based on and brings to; reads no further than that. */
CRDTI_FN crdt_err crdti_payload_range(crdt_bytes payload,
                                      const crdt_alloc *alloc, crdt_vv *since,
                                      crdt_vv *top)
{
    crdti_reader r;
    crdti_arena arena;
    crdti_delta d;
    crdt_err err;
    crdti_zero(&d, sizeof d);
    crdti_reader_init(&r, payload);
    crdti_arena_init(&arena, alloc);
    crdti_get_replicas(&r, &arena, &d);
    err = r.err;
    if (!err)
        err = crdti_range_put(&d, 0, since);
    if (!err)
        err = crdti_range_put(&d, 1, top);
    crdti_arena_free(&arena);
    return err;
}

CRDT_API crdt_err crdt_delta_range(crdt_bytes delta, crdt_vv *since,
                                   crdt_vv *top)
{
    crdt_bytes payload;
    size_t offset;
    const crdt_alloc *alloc = since ? since->alloc : top ? top->alloc : NULL;
    crdt_err err = crdti_delta_unframe(delta, &payload, &offset);
    return err ? err : crdti_payload_range(payload, alloc, since, top);
}

#endif
