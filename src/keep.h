/*
 * Keeping a document in a store: what is new since the last record becomes the
 * next one, and what is stored becomes a document again. The store itself
 * knows only bytes (crdt_store in api.h).
 *
 *     store   [ SELF r1, DELTA of all ] [ STROKES ] [ DELTA ] [ FLOOR, DELTA ]
 *              a snapshot                records behind it
 *
 * A record is one frame or more. A DELTA is one that follows: it is based on
 * all the records before it. STROKES are one in short (stroke.h). FLOOR says
 * what has been forgotten, before the delta behind it may count on that. SELF
 * says which replica id is the own one, and in which life of the store. MEMBERS
 * is the table of members (roster.h), whole, as soon as anybody may hear of it;
 * the last one counts.
 *
 * An id is used by one incarnation. As long as the store lives on (its life is
 * the one that SELF names) all that was ever written under the id is in it,
 * and nobody else writes under it: so the document may. After anything else, a
 * crash included, it goes on under a fresh id, and what was lost of the old
 * one and is at peers comes back by sync, as anybody's changes do.
 *
 * When the records behind the snapshot are half as long as it, there is a new
 * one. So a store holds 1.5 x of what is alive, and a constant. The store may
 * write it bit by bit, and lose it, so what is in it is in records, too; and as
 * who reads may find either, no strokes go on behind it.
 */
#ifndef CRDTI_KEEP_H
#define CRDTI_KEEP_H

#include "doc.h"
#include "session.h"

#define CRDTI_KEEP_SLACK                                                      \
    4096u /* bytes of records that are worth no snapshot */

/* Kinds of frames that are only in stores; numbers count down from the top. */
enum {
    CRDTI_RECORD_SELF = 31,
    CRDTI_RECORD_FLOOR = 30,
    CRDTI_RECORD_MEMBERS = 29
};

typedef struct crdti_keep {
    crdt_doc *doc;
    crdt_vv stored;     /* what is in the store */
    crdti_trail trail;  /* where the last record ended */
    crdt_id self, life; /* as the store was told; zero: not yet */
    uint64_t changes, floors, restored; /* of the document, when last seen */
    size_t base, behind;        /* bytes of the snapshot, and behind it */
    uint64_t alarms;            /* of the share, when last looked at */
    int is_damaged;             /* only a snapshot helps */
    const crdti_roster *roster; /* while something is added; NULL: nobody has
                                   heard of it */
    uint64_t promises;          /* of the roster, when last stored */
    crdt_buf table;             /* as it was read, until it is recalled */
} crdti_keep;

CRDTI_FN void crdti_keep_init(crdti_keep *keep, crdt_doc *doc,
                              const crdt_alloc *alloc)
{
    crdti_zero(keep, sizeof *keep);
    keep->doc = doc;
    crdti_vv_start(&keep->stored, alloc);
    crdti_buf_start(&keep->table, alloc);
}

CRDTI_FN void crdti_keep_free(crdti_keep *keep)
{
    crdt_vv_free(&keep->stored);
    crdt_buf_free(&keep->table);
}

/* Whether the table is not stored as it is. */
CRDTI_FN int crdti_keep_promised(const crdti_keep *keep)
{
    return keep->roster && keep->roster->promises != keep->promises;
}

/* Whether the replica id is known to anybody. */
CRDTI_FN int crdti_keep_is_named(const crdti_keep *keep)
{
    return keep->doc->written || keep->roster;
}

/* >>writing --------------------------------------------------------------- */

CRDTI_FN void crdti_put_self(crdti_writer *w, const crdt_id *self,
                             const crdt_id *life)
{
    size_t start = w->buf->len;
    crdti_put_raw(w, crdt_bytes_of(self->b, sizeof self->b));
    crdti_put_raw(w, crdt_bytes_of(life->b, sizeof life->b));
    crdti_frame_wrap(w, CRDTI_RECORD_SELF, start);
}

CRDTI_FN void crdti_put_floor(crdti_writer *w, const crdt_doc *doc,
                              const crdt_alloc *alloc)
{
    size_t start = w->buf->len;
    crdt_vv floor;
    crdti_vv_start(&floor, alloc);
    if (!w->err)
        w->err = crdt_doc_floor(doc, &floor);
    crdti_put_vv(w, &floor);
    crdti_frame_wrap(w, CRDTI_RECORD_FLOOR, start);
    crdt_vv_free(&floor);
}

CRDTI_FN void crdti_put_members(crdti_writer *w, const crdti_roster *roster)
{
    size_t start = w->buf->len;
    crdti_put_table(w, roster);
    crdti_frame_wrap(w, CRDTI_RECORD_MEMBERS, start);
}

/* Whether what is new goes on with the trail, and is told so. */
CRDTI_FN int crdti_keep_strokes(const crdti_keep *keep, crdti_trail *trail,
                                const crdt_dot *grown, crdti_writer *w)
{
    size_t start = w->buf->len;
    if (!grown || !trail->text ||
        !crdti_id_equal(&keep->doc->replicas.ptr[trail->replica].id,
                        &grown->replica) ||
        crdt_vv_get(&keep->stored, &grown->replica) != trail->seq ||
        !crdti_strokes_put(keep->doc, trail, grown->seq, w))
        return 0;
    crdti_frame_wrap(w, CRDTI_STROKES, start);
    return 1;
}

/* The delta to `vv`; `trail` is where it leaves whoever reads it. */
CRDTI_FN void crdti_keep_delta(const crdti_keep *keep, const crdt_vv *vv,
                               int whole, crdti_trail *trail, crdti_writer *w)
{
    const crdt_dot *grown = whole ? NULL : crdti_vv_grown(&keep->stored, vv);
    size_t start = w->buf->len;
    if (w->err || crdti_keep_strokes(keep, trail, grown, w))
        return;
    trail->text = 0;
    w->err = crdti_delta_put(keep->doc, whole ? NULL : &keep->stored,
                             CRDTI_FOR_FOLLOWER, NULL, w->buf);
    if (w->err)
        return;
    if (grown && !(w->buf->ptr[start] & CRDTI_DELTA_SNAPSHOT))
        crdti_trail_start(keep->doc,
                          crdti_replica_find(keep->doc, &grown->replica),
                          grown->seq, trail);
    crdti_frame_wrap(w, CRDTI_FRAME_DELTA, start);
}

/* The next record of a document that is now at `vv`. Empty: nothing is new. */
CRDTI_FN crdt_err crdti_keep_write(const crdti_keep *keep,
                                   const crdt_store *store, const crdt_vv *vv,
                                   int whole, crdti_trail *trail,
                                   crdt_buf *out)
{
    crdt_doc *doc = keep->doc;
    crdt_id self = crdt_doc_replica(doc);
    int is_told = crdti_id_equal(&self, &keep->self) &&
                  crdti_id_equal(&store->life, &keep->life);
    int forgot = keep->floors != doc->floors;
    int grew = crdt_vv_compare(vv, &keep->stored) != CRDT_EQUAL;
    int promised = crdti_keep_promised(keep);
    crdti_writer w;
    crdti_writer_init(&w, out);
    if (!whole && !grew && !forgot && !promised)
        return CRDT_OK;
    if (crdti_keep_is_named(keep) && (whole || !is_told))
        crdti_put_self(&w, &self, &store->life);
    if (forgot && !whole)
        crdti_put_floor(&w, doc, keep->stored.alloc);
    if (whole || grew)
        crdti_keep_delta(keep, vv, whole, trail, &w);
    if (promised || (whole && keep->roster))
        crdti_put_members(&w, keep->roster);
    return w.err;
}

/* The record is in the store, and leaves it at `vv`, which goes to us. */
CRDTI_FN void crdti_keep_learn(crdti_keep *keep, const crdt_store *store,
                               crdt_vv *vv, int replaces, size_t len)
{
    crdt_doc *doc = keep->doc;
    crdt_vv before = keep->stored;
    keep->stored = *vv;
    *vv = before;
    keep->changes = doc->changes;
    keep->floors = doc->floors;
    keep->restored = doc->restored;
    keep->is_damaged = 0;
    keep->base = replaces ? len : keep->base;
    keep->behind = replaces ? 0 : keep->behind + len;
    if (keep->roster)
        keep->promises = keep->roster->promises;
    if (!crdti_keep_is_named(keep))
        return;
    keep->self = crdt_doc_replica(doc);
    keep->life = store->life;
}

/* Whether there is more in the document. */
CRDTI_FN int crdti_keep_is_behind(const crdti_keep *keep)
{
    const crdt_doc *doc = keep->doc;
    return keep->changes != doc->changes || keep->floors != doc->floors ||
           keep->restored != doc->restored || keep->is_damaged;
}

/* Puts one record into the store: what is new, or all; behind the others, or
 * instead of them. */
CRDTI_FN crdt_err crdti_keep_put(crdti_keep *keep, const crdt_store *store,
                                 crdt_bytes name, int replaces,
                                 crdt_buf *scratch)
{
    /* What was swept and came back is in no delta since. */
    int whole = replaces || keep->restored != keep->doc->restored;
    crdti_trail trail = keep->trail;
    crdt_vv vv;
    crdt_err err;
    crdti_vv_start(&vv, keep->stored.alloc);
    scratch->len = 0;
    /* What is not committed is not looked at. */
    err = crdti_keep_is_behind(keep) ? crdt_doc_vv(keep->doc, &vv)
                                     : crdt_vv_copy(&vv, &keep->stored);
    if (!err)
        err = crdti_keep_write(keep, store, &vv, whole, &trail, scratch);
    if (!err && scratch->len)
        err = (replaces ? store->snapshot : store->append)(
            store->ctx, name, crdt_buf_bytes(scratch));
    if (!err) {
        keep->trail = trail;
        crdti_keep_learn(keep, store, &vv, replaces, scratch->len);
    }
    crdt_vv_free(&vv);
    return err;
}

/* Adds to the store what the document has and the store has not; and all of it
 * in one, when that is due. `scratch` is for the bytes. *added is set when
 * there is something to sync. UNCOMMITTED: what is new cannot be told yet.
 * NOMEM, and what the store answers. */
CRDTI_FN crdt_err crdti_keep_add(crdti_keep *keep, const crdt_store *store,
                                 crdt_bytes name, crdt_buf *scratch,
                                 int *added)
{
    int is_behind = crdti_keep_is_behind(keep);
    crdt_err err;
    if (!is_behind && !crdti_keep_promised(keep))
        return CRDT_OK;
    if (is_behind && crdt_doc_uncommitted(keep->doc))
        return CRDT_ERR_UNCOMMITTED;
    err = crdti_keep_put(keep, store, name, keep->is_damaged, scratch);
    *added |= !err && scratch->len > 0;
    /* That one can wait for memory and room: it only saves some. */
    if (!err && keep->behind > keep->base / 2 + CRDTI_KEEP_SLACK &&
        !crdt_doc_uncommitted(keep->doc)) {
        err = crdti_keep_put(keep, store, name, 1, scratch);
        *added |= !err;
        err = err == CRDT_ERR_NOMEM || err == CRDT_ERR_FULL ? CRDT_OK : err;
    }
    if (scratch->cap > CRDTSYNC_MAX_FRAME)
        crdt_buf_free(scratch);
    return err;
}

/* >>reading --------------------------------------------------------------- */

typedef struct crdti_keep_reader {
    crdti_keep *keep;
    crdt_doc *doc; /* that the records are joined to */
} crdti_keep_reader;

CRDTI_FN void crdti_get_self(crdti_reader *r, crdti_keep *keep)
{
    crdt_bytes self = crdti_get_raw(r, sizeof keep->self.b);
    crdt_bytes life = crdti_get_raw(r, sizeof keep->life.b);
    crdti_get_end(r);
    if (r->err)
        return;
    crdti_copy(keep->self.b, self.ptr, self.len);
    crdti_copy(keep->life.b, life.ptr, life.len);
}

CRDTI_FN void crdti_get_floor(crdti_reader *r, crdt_doc *doc)
{
    crdt_vv floor;
    crdti_vv_start(&floor, &doc->alloc);
    crdti_get_vv(r, &floor);
    crdti_get_end(r);
    if (!r->err)
        r->err = crdt_truncate(doc, &floor);
    crdt_vv_free(&floor);
}

/* Keeps the table, if it can be read. */
CRDTI_FN void crdti_get_table(crdti_reader *r, crdti_keep *keep)
{
    crdt_bytes table = crdti_get_raw(r, crdti_reader_left(r));
    crdti_roster none;
    crdti_writer w;
    crdti_zero(&none, sizeof none);
    none.alloc = keep->table.alloc;
    r->err = crdti_roster_load(&none, table);
    keep->table.len = 0;
    crdti_writer_init(&w, &keep->table);
    crdti_put_raw(&w, table);
    keep->promises = UINT64_MAX; /* it is to be stored anew */
    r->err = r->err ? r->err : w.err;
}

CRDTI_FN crdt_err crdti_keep_frame(crdti_keep_reader *k,
                                   const crdti_frame *frame)
{
    crdti_keep *keep = k->keep;
    size_t offset;
    crdti_reach reach;
    crdti_reader r;
    crdt_err err;
    crdti_reader_init(&r, frame->payload);
    switch (frame->kind) {
    case CRDTI_RECORD_SELF:
        crdti_get_self(&r, keep);
        return r.err;
    case CRDTI_RECORD_FLOOR:
        crdti_get_floor(&r, k->doc);
        return r.err;
    case CRDTI_RECORD_MEMBERS:
        crdti_get_table(&r, keep);
        return r.err;
    case CRDTI_STROKES:
        return crdti_strokes_join(k->doc, &keep->trail, &r);
    case CRDTI_FRAME_DELTA:
        crdti_vv_start(&reach.top, &k->doc->alloc);
        reach.trail.text = 0;
        err = crdti_payload_join(k->doc, frame->payload, &offset, &reach);
        keep->trail = reach.trail;
        crdt_vv_free(&reach.top);
        return err;
    default:
        return CRDT_ERR_VERSION;
    }
}

/* What of our own making can only be wrong when the bytes are. */
CRDTI_FN crdt_err crdti_keep_judge(crdt_err err)
{
    return err == CRDT_ERR_CHECKSUM || err == CRDT_ERR_TRUNCATED ||
                   err == CRDT_ERR_CAUSAL || err == CRDT_ERR_FORK
               ? CRDT_ERR_CORRUPT
               : err;
}

CRDTI_FN crdt_err crdti_keep_hear(void *ctx, crdt_bytes record)
{
    crdti_keep_reader *k = (crdti_keep_reader *)ctx;
    size_t at = 0, len = record.len;
    crdt_err err = CRDT_OK;
    while (at < len && !err) {
        crdti_frame frame;
        err = crdti_frame_get(crdt_bytes_of(record.ptr + at, len - at),
                              SIZE_MAX, &frame, NULL);
        if (!err)
            err = crdti_keep_frame(k, &frame);
        if (!err)
            at += frame.size;
    }
    k->keep->behind += len;
    if (!k->keep->base)
        k->keep->base = len;
    return crdti_keep_judge(err);
}

/* Nothing was ever written, joined or read. */
CRDTI_FN int crdti_doc_is_fresh(const crdt_doc *doc)
{
    return doc->changes == 1 && !doc->written && doc->replicas.len == 1;
}

/* The one replica of a fresh document gets another id: a random one for NULL,
 * else without a way to fail. */
CRDTI_FN crdt_err crdti_doc_rename(crdt_doc *doc, const crdt_id *id)
{
    crdt_err err;
    crdti_replicas_trim(doc, 0);
    err = crdti_doc_become(doc, id);
    if (!err)
        return CRDT_OK;
    doc->replicas.len = doc->by_id.len = 1; /* which still lie there */
    doc->by_id.ptr[0] = 0;
    return err;
}

/* Goes on under an id that was ours. */
CRDTI_FN crdt_err crdti_doc_resume(crdt_doc *doc, const crdt_id *id)
{
    crdt_err err = CRDT_OK;
    uint32_t number = crdti_replica_find(doc, id);
    if (number == UINT32_MAX)
        err = crdti_replica_add(doc, id, &number);
    if (err)
        return err;
    doc->self = number;
    doc->written = doc->replicas.ptr[number].seq;
    return CRDT_OK;
}

/* Reads the records into a document that is empty. CORRUPT: what was whole has
 * been read. */
CRDTI_FN crdt_err crdti_keep_read(crdti_keep *keep, crdt_doc *doc,
                                  const crdt_store *store, crdt_bytes name)
{
    crdti_keep_reader k;
    crdt_err err;
    k.keep = keep;
    k.doc = doc;
    doc->is_loading = 1;
    err = store->load(store->ctx, name, crdti_keep_hear, &k);
    doc->is_loading = 0;
    keep->is_damaged = err == CRDT_ERR_CORRUPT;
    if (err && !keep->is_damaged)
        return err;
    keep->behind -= crdti_min_size(keep->base, keep->behind);
    keep->floors = doc->floors;
    keep->restored = doc->restored;
    err = crdt_doc_vv(doc, &keep->stored);
    return err;
}

/* A document that has something already gets what is stored by a join: records
 * are to be read one behind the other. */
CRDTI_FN crdt_err crdti_keep_merge(crdti_keep *keep, const crdt_store *store,
                                   crdt_bytes name)
{
    crdt_doc *doc = keep->doc, *stored;
    crdt_buf all = CRDT_BUF_INIT;
    crdt_config config;
    crdt_err err;
    if (crdt_doc_uncommitted(doc))
        return CRDT_ERR_UNCOMMITTED;
    crdti_zero(&config, sizeof config);
    config.alloc = all.alloc = &doc->alloc;
    config.clock = &doc->clock;
    config.random = &doc->random;
    err = crdt_doc_new(&stored, &config);
    if (err)
        return err;
    err = crdti_keep_read(keep, stored, store, name);
    if (!err)
        err = crdt_delta(stored, NULL, &all);
    doc->is_loading = 1;
    if (!err && keep->stored.len)
        err = crdt_join(doc, crdt_buf_bytes(&all));
    doc->is_loading = 0;
    keep->trail.text = 0; /* of another document */
    crdt_buf_free(&all);
    crdt_doc_free(stored);
    return err;
}

/* Reads what is stored of the document, which has it then and may have more.
 * An error: it may have a part. */
CRDTI_FN crdt_err crdti_keep_load(crdti_keep *keep, const crdt_store *store,
                                  crdt_bytes name)
{
    crdt_doc *doc = keep->doc;
    crdt_id given = crdt_doc_replica(doc);
    int lives;
    crdt_err err;
    if (!crdti_doc_is_fresh(doc))
        return crdti_keep_merge(keep, store, name);
    err = crdti_doc_rename(doc, NULL);
    if (!err)
        err = crdti_keep_read(keep, doc, store, name);
    if (err)
        return err;
    keep->changes = doc->changes;
    lives = (crdti_id_equal(&keep->life, &store->life) ||
             !CRDTI_RULE(RESTORED_IS_NEW)) &&
            !keep->is_damaged;
    if (lives)
        err = crdti_doc_resume(doc, &keep->self);
    else if (!keep->stored.len)
        err = crdti_doc_rename(doc, &given); /* nobody else can have it */
    return err;
}

#endif
