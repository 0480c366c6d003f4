/*
 * A session: one peer, several documents, bytes in and bytes out. It knows no
 * transport and no clock; a node (node.h) gives it both.
 *
 *     HELLO ->            <- HELLO         who, which documents
 *     STATE ->            <- STATE         both say what they have
 *     CHUNK ->            <- CHUNK         each sends what the other lacks
 *     ANSWER ->           <- ANSWER        joined: both know that both have it
 *     CHUNK -> ...                         live: whatever is committed
 *
 * Per document it tracks two vectors of the peer: `known`, what it has said it
 * has, and `sent`, what it will have when all that is under way arrives. What
 * goes out is Delta(sent). What the peer sends raises both, so nothing goes
 * back to where it came from. At most CRDTSYNC_MAX_IN_FLIGHT deltas are
 * unanswered; what is committed meanwhile gathers in the next one.
 *
 * A delta whose predecessor was joined, or is under way, says only what has
 * changed: that it *follows* stands for all the rest of its base. It is joined
 * right after its predecessor or not at all. Where nothing gets lost or out of
 * order, keystrokes are told in the short form (stroke.h).
 *
 * A delta that cannot be joined is refused, the refuser says what it has, and
 * the sender starts again from there: no case needs a memory of what was lost.
 */
#ifndef CRDTI_SESSION_H
#define CRDTI_SESSION_H

#include "array.h"
#include "doc.h"
#include "message.h"
#include "wire.h"

#define CRDTI_NO_DOC UINT64_MAX
#define CRDTI_RETRY_MS 1000u    /* after a refusal that may soon be over */
#define CRDTI_REFUSED_MS 30000u /* after one that will last */

/* A document that the node shares, and what is known of it everywhere. */
typedef struct crdti_share {
    crdt_doc *doc;
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    crdt_vv vv;    /* of the document, as of `changes` */
    crdt_vv acked; /* confirmed by some peer at some time */
    uint64_t changes;
    uint64_t joined, refused; /* deltas, from all peers */
    uint64_t alarms;
} crdti_share;

/* A delta under way: when it is answered the peer has `vv`, or, with what it
 * had before, `dot`. */
typedef struct crdti_flight {
    uint64_t id;
    crdt_dot dot; /* seq 0: `vv` */
    crdt_vv vv;
} crdti_flight;

/* One document of a session. */
typedef struct crdti_track {
    uint64_t theirs;     /* its number there, or CRDTI_NO_DOC */
    crdt_vv known, sent; /* of the peer */
    uint64_t last_id;    /* of deltas sent */
    uint64_t pushed;     /* `changes` of the share when last looked at */
    uint64_t retry_at;   /* not before: after a refusal */
    uint64_t flights_len;
    crdti_flight flights[CRDTSYNC_MAX_IN_FLIGHT];
    crdt_buf out; /* delta being cut into chunks */
    size_t out_at;
    crdt_buf in; /* delta being put together, or held back */
    uint64_t in_id, in_total;
    uint64_t heard_id;       /* the last of theirs that came */
    uint64_t joined_id;      /* the last of theirs that was joined */
    crdti_trail told, heard; /* where the last delta ended, each way */
    int is_chained;          /* the next delta may follow the last */
    int out_follows;         /* the one in `out` does */
    int is_held;             /* `in` is whole, and waits for our clock */
    int is_known;            /* the peer has said what it has */
    int wants_state;         /* the peer is to be told what we have */
    int state_asks;          /* and to be asked the same */
} crdti_track;

typedef CRDTI_ARRAY(crdti_share) crdti_shares;

typedef struct crdti_session {
    const crdt_alloc *alloc;
    crdti_shares *shares;
    crdt_id self, node;
    crdt_bytes self_name; /* borrowed */
    uint64_t nonce, their_nonce;
    size_t frame_max; /* payload that the peer takes */
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    int is_greeted;  /* their HELLO came */
    int wants_hello; /* ours is to be said again */
    int is_spare;    /* another link to the same node is used */
    int is_ordered;  /* nothing gets lost or out of order */
    crdt_buf in;     /* the beginning of a frame */
    crdt_buf out;    /* whole frames, to be sent */
    size_t out_at;
    CRDTI_ARRAY(crdti_track) tracks; /* by number of the share */
    uint64_t sent_deltas, sent_frames, waiting;
    size_t staged; /* bytes of deltas that are not whole, or held back */
    const char *complaint; /* why a receive failed, when bytes do not say */
} crdti_session;

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN void crdti_vv_start(crdt_vv *vv, const crdt_alloc *alloc)
{
    crdti_zero(vv, sizeof *vv);
    vv->alloc = alloc;
}

CRDTI_FN void crdti_buf_start(crdt_buf *buf, const crdt_alloc *alloc)
{
    crdti_zero(buf, sizeof *buf);
    buf->alloc = alloc;
}

CRDTI_FN void crdti_session_init(crdti_session *s, const crdt_alloc *alloc,
                                 crdti_shares *shares)
{
    crdti_zero(s, sizeof *s);
    s->alloc = alloc;
    s->shares = shares;
    crdti_buf_start(&s->in, alloc);
    crdti_buf_start(&s->out, alloc);
}

CRDTI_FN void crdti_track_free(crdti_track *track)
{
    size_t i;
    crdt_vv_free(&track->known);
    crdt_vv_free(&track->sent);
    for (i = 0; i < CRDTSYNC_MAX_IN_FLIGHT; i++)
        crdt_vv_free(&track->flights[i].vv);
    crdt_buf_free(&track->out);
    crdt_buf_free(&track->in);
}

CRDTI_FN void crdti_session_free(crdti_session *s)
{
    size_t i;
    for (i = 0; i < s->tracks.len; i++)
        crdti_track_free(&s->tracks.ptr[i]);
    crdti_array_free(s->alloc, &s->tracks);
    crdt_buf_free(&s->in);
    crdt_buf_free(&s->out);
}

/* A track for each share. */
CRDTI_FN crdt_err crdti_session_cover(crdti_session *s)
{
    size_t i;
    if (crdti_array_reserve(s->alloc, &s->tracks,
                            s->shares->len - s->tracks.len))
        return CRDT_ERR_NOMEM;
    while (s->tracks.len < s->shares->len) {
        crdti_track *track = &s->tracks.ptr[s->tracks.len++];
        crdti_zero(track, sizeof *track);
        track->theirs = CRDTI_NO_DOC;
        crdti_vv_start(&track->known, s->alloc);
        crdti_vv_start(&track->sent, s->alloc);
        crdti_buf_start(&track->out, s->alloc);
        crdti_buf_start(&track->in, s->alloc);
        for (i = 0; i < CRDTSYNC_MAX_IN_FLIGHT; i++)
            crdti_vv_start(&track->flights[i].vv, s->alloc);
    }
    return CRDT_OK;
}

CRDTI_FN crdt_bytes crdti_share_name(const crdti_share *share)
{
    return crdt_bytes_of(share->name, share->name_len);
}

/* The share's vector, brought up to date. */
CRDTI_FN crdt_err crdti_share_look(crdti_share *share)
{
    crdt_err err;
    if (share->changes == share->doc->changes)
        return CRDT_OK;
    err = crdt_doc_vv(share->doc, &share->vv);
    if (!err)
        share->changes = share->doc->changes;
    return err;
}

/* >>saying ---------------------------------------------------------------- */

/* Ends a message whose payload starts at `start`; drops it on an error. */
CRDTI_FN crdt_err crdti_say(crdti_session *s, crdti_writer *w, uint8_t kind,
                            size_t start)
{
    crdti_frame_wrap(w, kind, start);
    if (w->err)
        s->out.len = start;
    else
        s->sent_frames++;
    return w->err;
}

CRDTI_FN crdt_err crdti_say_hello(crdti_session *s)
{
    crdti_writer w;
    crdti_hello hello;
    size_t i, start = s->out.len;
    crdti_writer_init(&w, &s->out);
    hello.oldest = CRDTI_PROTOCOL_MIN;
    hello.newest = CRDTI_PROTOCOL_MAX;
    hello.node = s->self;
    hello.nonce = s->nonce;
    hello.frame_max = CRDTSYNC_MAX_FRAME;
    hello.name = s->self_name;
    hello.docs = s->shares->len;
    crdti_put_hello(&w, &hello);
    for (i = 0; i < s->shares->len; i++)
        crdti_put_bytes(&w, crdti_share_name(&s->shares->ptr[i]));
    return crdti_say(s, &w, CRDTI_HELLO, start);
}

CRDTI_FN crdt_err crdti_say_state(crdti_session *s, size_t number, int asks)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_writer w;
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_share_look(share);
    crdti_put_varint(&w, number);
    crdti_put_u8(&w, (uint8_t)asks);
    crdti_put_digest(&w, crdt_doc_digest(share->doc));
    crdti_put_vv(&w, &share->vv);
    return crdti_say(s, &w, CRDTI_STATE, start);
}

CRDTI_FN crdt_err crdti_say_digest(crdti_session *s, size_t number)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    crdti_put_digest(&w, crdt_doc_digest(s->shares->ptr[number].doc));
    return crdti_say(s, &w, CRDTI_DIGEST, start);
}

/* A peer that sends and never reads would have answers pile up. */
CRDTI_FN crdt_err crdti_say_answer(crdti_session *s, size_t number,
                                   uint64_t id, crdt_err result)
{
    crdti_writer w;
    size_t start = s->out.len;
    if (start - s->out_at > CRDTSYNC_MAX_FRAME + CRDTSYNC_MAX_BUFFERED) {
        s->complaint = "does not read what it is told";
        return CRDT_ERR_LIMIT;
    }
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    crdti_put_varint(&w, id);
    crdti_put_varint(&w, (uint64_t)result);
    return crdti_say(s, &w, CRDTI_ANSWER, start);
}

CRDTI_FN crdt_err crdti_say_alive(crdti_session *s)
{
    crdti_writer w;
    crdti_writer_init(&w, &s->out);
    return crdti_say(s, &w, CRDTI_ALIVE, s->out.len);
}

CRDTI_FN crdt_err crdti_say_bye(crdti_session *s, const char *why)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    crdti_put_bytes(&w, crdt_str(why));
    return crdti_say(s, &w, CRDTI_BYE, start);
}

/* >>hearing: what the peer says of itself --------------------------------- */

/* The track for the peer's number of a document, or NULL: not ours. */
CRDTI_FN crdti_track *crdti_track_find(crdti_session *s, uint64_t theirs,
                                       size_t *number)
{
    size_t i;
    if (theirs == CRDTI_NO_DOC)
        return NULL;
    /* Most often both have the same list. */
    if (theirs < s->tracks.len && s->tracks.ptr[theirs].theirs == theirs) {
        *number = (size_t)theirs;
        return &s->tracks.ptr[theirs];
    }
    for (i = 0; i < s->tracks.len; i++) {
        if (s->tracks.ptr[i].theirs == theirs) {
            *number = i;
            return &s->tracks.ptr[i];
        }
    }
    return NULL;
}

/* The peer's list: whether there are documents in it that are also ours, and
 * were not before. With each of these both begin by saying what they have. */
CRDTI_FN int crdti_hear_docs(crdti_session *s, crdti_reader *r, size_t count)
{
    size_t i, theirs;
    int found = 0;
    for (theirs = 0; theirs < count && !r->err; theirs++) {
        crdt_bytes name = crdti_get_bytes(r, CRDTSYNC_MAX_NAME);
        for (i = 0; i < s->tracks.len; i++) {
            crdti_share *share = &s->shares->ptr[i];
            crdti_track *track = &s->tracks.ptr[i];
            if (track->theirs != CRDTI_NO_DOC ||
                !crdt_bytes_equal(name, crdti_share_name(share)))
                continue;
            track->theirs = theirs;
            track->wants_state = found = 1;
        }
    }
    return found;
}

CRDTI_FN void crdti_hear_hello(crdti_session *s, crdti_reader *r)
{
    crdti_hello hello;
    crdti_get_hello(r, &hello);
    if (!r->err && crdti_session_cover(s))
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
    /* A list that has grown may be one that we got to know too early: then
     * they must hear ours again, after which both know both. */
    if (crdti_hear_docs(s, r, hello.docs) && s->is_greeted)
        s->wants_hello = 1;
    if (r->err)
        return;
    s->node = hello.node;
    s->their_nonce = hello.nonce;
    s->frame_max = (size_t)crdti_max(
        1024, crdti_min(hello.frame_max, CRDTSYNC_MAX_FRAME));
    s->name_len = hello.name.len;
    crdti_copy(s->name, hello.name.ptr, hello.name.len);
    s->is_greeted = 1;
}

/* The peer has said that it has `vv`. */
CRDTI_FN crdt_err crdti_track_learn(crdti_share *share, crdti_track *track,
                                    const crdt_vv *vv)
{
    crdt_err err = crdt_vv_merge(&track->known, vv);
    if (!err)
        err = crdt_vv_merge(&track->sent, vv);
    if (!err)
        err = crdt_vv_merge(&share->acked, vv);
    return err;
}

/* The same of one dot more, with all before it of its replica. */
CRDTI_FN crdt_err crdti_track_learn_dot(crdti_share *share, crdti_track *track,
                                        const crdt_dot *dot)
{
    size_t place = 0;
    crdt_err err = crdti_vv_raise(&track->known, dot, &place);
    if (!err)
        err = crdti_vv_raise(&track->sent, dot, &place);
    if (!err)
        err = crdti_vv_raise(&share->acked, dot, &place);
    return err;
}

/* Equal vectors with unequal digests: the one thing that must not be. */
CRDTI_FN void crdti_share_compare(crdti_share *share, const crdt_vv *theirs,
                                  crdt_digest digest)
{
    if (!crdt_doc_uncommitted(share->doc) &&
        crdt_vv_compare(&share->vv, theirs) == CRDT_EQUAL &&
        !crdti_digest_equal(digest, crdt_doc_digest(share->doc)))
        share->alarms++;
}

CRDTI_FN void crdti_hear_state(crdti_session *s, crdti_reader *r)
{
    size_t number;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    uint8_t asks = crdti_get_u8(r);
    crdt_digest digest = crdti_get_digest(r);
    crdt_vv vv;
    crdt_err err;
    crdti_vv_start(&vv, s->alloc);
    crdti_get_vv(r, &vv);
    crdti_get_end(r);
    if (!r->err && track) {
        crdti_share *share = &s->shares->ptr[number];
        err = crdti_share_look(share);
        /* With nothing under way this is all there is, even if it is less
         * than we thought. */
        if (!err && !track->flights_len)
            err = crdt_vv_copy(&track->sent, &vv);
        if (!err)
            err = crdti_track_learn(share, track, &vv);
        if (err)
            crdti_reader_fail(r, err);
        crdti_share_compare(share, &vv, digest);
        track->is_known = 1;
        track->pushed = 0;
        track->wants_state |= asks & 1;
    }
    crdt_vv_free(&vv);
}

CRDTI_FN void crdti_hear_digest(crdti_session *s, crdti_reader *r)
{
    size_t number;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    crdt_digest digest = crdti_get_digest(r);
    crdti_get_end(r);
    if (r->err || !track ||
        crdti_digest_equal(digest,
                           crdt_doc_digest(s->shares->ptr[number].doc)))
        return;
    track->wants_state = track->state_asks = 1;
}

/* >>hearing: deltas ------------------------------------------------------- */

/* Refusals that the peer is not to blame for; others end the session. */
CRDTI_FN int crdti_is_forgivable(crdt_err err)
{
    return err == CRDT_ERR_CAUSAL || err == CRDT_ERR_SKEW ||
           err == CRDT_ERR_NOMEM || err == CRDT_ERR_FORK ||
           err == CRDT_ERR_LIMIT;
}

/* Answers the delta that has come whole. An error ends the session. */
CRDTI_FN crdt_err crdti_track_answer(crdti_session *s, size_t number,
                                     crdt_err result)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err;
    if (result) {
        share->refused++;
        share->alarms += result == CRDT_ERR_FORK;
        track->wants_state |= result == CRDT_ERR_CAUSAL;
    } else {
        share->joined++;
        track->joined_id = track->in_id;
    }
    err = crdti_say_answer(s, number, track->in_id, result);
    return !result || crdti_is_forgivable(result) ? err : result;
}

/* The delta in `payload` is whole: join it, answer, learn what it tells of the
 * peer. An error is one that ends the session. */
CRDTI_FN crdt_err crdti_track_join(crdti_session *s, size_t number,
                                   crdt_bytes payload)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    size_t offset;
    crdti_reach reach;
    crdt_err result, err = CRDT_OK;
    crdti_vv_start(&reach.top, s->alloc);
    result = crdti_payload_join(share->doc, payload, &offset, &reach);
    if (result == CRDT_ERR_SKEW && payload.len <= CRDTSYNC_MAX_BUFFERED) {
        s->waiting += !track->is_held;
        track->is_held = 1;
        return CRDT_OK;
    }
    s->waiting -= track->is_held != 0;
    track->is_held = 0;
    if (!result) {
        track->heard = reach.trail;
        err = crdti_track_learn(share, track, &reach.top);
    }
    crdt_vv_free(&reach.top);
    return err ? err : crdti_track_answer(s, number, result);
}

CRDTI_FN void crdti_track_unstage(crdti_session *s, crdti_track *track)
{
    s->staged -= track->in.len;
    crdt_buf_free(&track->in);
}

/* Keeps a piece until the others are there, or our clock is. */
CRDTI_FN crdt_err crdti_track_keep(crdti_session *s, crdti_track *track,
                                   crdt_bytes piece)
{
    crdti_writer w;
    if (piece.len > CRDTSYNC_MAX_TRANSFER - s->staged)
        return CRDT_ERR_LIMIT;
    crdti_writer_init(&w, &track->in);
    crdti_put_raw(&w, piece);
    if (!w.err)
        s->staged += piece.len;
    return w.err;
}

/* Joins what is staged, which is whole; it stays only when it is held. */
CRDTI_FN crdt_err crdti_track_join_staged(crdti_session *s, size_t number)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err = crdti_track_join(s, number, crdt_buf_bytes(&track->in));
    if (!track->is_held)
        crdti_track_unstage(s, track);
    return err;
}

/* Adds a piece to the delta that it belongs to; others are stale. */
CRDTI_FN crdt_err crdti_track_stage(crdti_session *s, size_t number,
                                    const crdti_chunk *chunk)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err;
    track->heard_id = chunk->id;
    if (track->is_held)
        return crdti_say_answer(s, number, chunk->id, CRDT_ERR_AGAIN);
    if (chunk->follows && track->joined_id != chunk->id - 1) {
        track->wants_state = 1;
        return crdti_say_answer(s, number, chunk->id, CRDT_ERR_CAUSAL);
    }
    if (chunk->offset == 0) {
        crdti_track_unstage(s, track);
        track->in_id = chunk->id;
        track->in_total = chunk->total;
    }
    if (chunk->id != track->in_id || chunk->offset != track->in.len ||
        chunk->total != track->in_total)
        return CRDT_OK;
    /* Most deltas are one piece: joined from where it lies. */
    if (chunk->bytes.len == chunk->total) {
        err = crdti_track_join(s, number, chunk->bytes);
        if (err || !track->is_held)
            return err;
    }
    err = crdti_track_keep(s, track, chunk->bytes);
    if (err || track->is_held || track->in.len < track->in_total)
        return err;
    return crdti_track_join_staged(s, number);
}

CRDTI_FN void crdti_hear_chunk(crdti_session *s, crdti_reader *r)
{
    crdti_chunk chunk;
    crdti_track *track;
    size_t number = 0;
    crdt_err err;
    crdti_get_chunk(r, &chunk);
    crdti_get_end(r);
    if (r->err)
        return;
    track = crdti_track_find(s, chunk.doc, &number);
    if (!track)
        return;
    err = crdti_track_stage(s, number, &chunk);
    if (err)
        crdti_reader_fail(r, err);
}

/* The delta that the strokes stand for is joined, or refused: that is no
 * failure of the message, so the reader is a copy. */
CRDTI_FN crdt_err crdti_track_stroke(crdti_session *s, size_t number,
                                     crdti_reader r)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err result = CRDT_ERR_CAUSAL, err = CRDT_OK;
    int is_idle = track->pushed == share->doc->changes;
    crdt_dot dot;
    if (track->joined_id == track->in_id - 1)
        result = crdti_strokes_join(share->doc, &track->heard, &r);
    if (!result) {
        dot.replica = share->doc->replicas.ptr[track->heard.replica].id;
        dot.seq = track->heard.seq;
        err = crdti_track_learn_dot(share, track, &dot);
        if (is_idle) /* this is nothing that the peer has not */
            track->pushed = share->doc->changes;
    }
    return err ? err : crdti_track_answer(s, number, result);
}

/* They have the number behind that of the delta before them. */
CRDTI_FN void crdti_hear_strokes(crdti_session *s, crdti_reader *r)
{
    size_t number = 0;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    crdt_err err;
    if (r->err || !track)
        return;
    track->heard_id++;
    if (track->is_held) {
        err = crdti_say_answer(s, number, track->heard_id, CRDT_ERR_AGAIN);
    } else {
        track->in_id = track->heard_id;
        err = crdti_track_stroke(s, number, *r);
    }
    if (err)
        crdti_reader_fail(r, err);
}

/* The flight lands: what it carried is there, or all is to be sent anew. */
CRDTI_FN crdt_err crdti_track_land(crdti_session *s, size_t number,
                                   size_t flight, crdt_err result,
                                   uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight landed = track->flights[flight];
    crdt_err err = CRDT_OK;
    size_t i;
    track->flights_len--;
    for (i = flight; i < track->flights_len; i++)
        track->flights[i] = track->flights[i + 1];
    track->flights[i] = landed; /* keeps its memory for the next */
    if (result) {
        track->pushed = 0;
        track->is_chained = 0;
        if (result == CRDT_ERR_AGAIN || result == CRDT_ERR_NOMEM)
            track->retry_at = now + CRDTI_RETRY_MS;
        else if (result != CRDT_ERR_CAUSAL)
            track->retry_at = now + CRDTI_REFUSED_MS;
    } else if (landed.dot.seq) {
        err =
            crdti_track_learn_dot(&s->shares->ptr[number], track, &landed.dot);
    } else {
        err = crdti_track_learn(&s->shares->ptr[number], track, &landed.vv);
    }
    if (track->flights_len || track->is_chained)
        return err;
    /* One was refused, maybe before others landed. */
    track->pushed = 0;
    return err ? err : crdt_vv_copy(&track->sent, &track->known);
}

CRDTI_FN void crdti_hear_answer(crdti_session *s, crdti_reader *r,
                                uint64_t now)
{
    size_t number = 0, i;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    uint64_t id = crdti_get_varint(r);
    uint64_t result = crdti_min(crdti_get_varint(r), CRDT_ERR_COUNT);
    crdt_err err;
    crdti_get_end(r);
    if (r->err || !track)
        return;
    for (i = 0; i < track->flights_len; i++) {
        if (track->flights[i].id != id)
            continue;
        err = crdti_track_land(s, number, i, (crdt_err)result, now);
        if (err)
            crdti_reader_fail(r, err);
        return;
    }
}

/* >>receiving ------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_session_hear(crdti_session *s,
                                     const crdti_frame *frame, uint64_t now)
{
    crdti_reader r;
    crdti_reader_init(&r, frame->payload);
    if (!s->is_greeted && frame->kind != CRDTI_HELLO &&
        frame->kind != CRDTI_BYE) {
        s->complaint = "did not greet";
        return CRDT_ERR_CORRUPT;
    }
    switch (frame->kind) {
    case CRDTI_HELLO:
        crdti_hear_hello(s, &r);
        break;
    case CRDTI_STATE:
        crdti_hear_state(s, &r);
        break;
    case CRDTI_DIGEST:
        crdti_hear_digest(s, &r);
        break;
    case CRDTI_CHUNK:
        crdti_hear_chunk(s, &r);
        break;
    case CRDTI_STROKES:
        crdti_hear_strokes(s, &r);
        break;
    case CRDTI_ANSWER:
        crdti_hear_answer(s, &r, now);
        break;
    case CRDTI_BYE:
        s->complaint = "said goodbye";
        return CRDT_ERR_CLOSED;
    default: /* ALIVE, and what only newer versions know */
        break;
    }
    return r.err;
}

/* Hears all whole frames at the front; *used is how many bytes they were. */
CRDTI_FN crdt_err crdti_session_frames(crdti_session *s, crdt_bytes bytes,
                                       uint64_t now, size_t *used,
                                       uint64_t *frames)
{
    crdti_frame frame;
    crdt_err err;
    *used = 0;
    for (;;) {
        err = crdti_frame_get(
            crdt_bytes_of(bytes.ptr + *used, bytes.len - *used),
            CRDTSYNC_MAX_FRAME, &frame, NULL);
        if (err == CRDT_ERR_TRUNCATED)
            return CRDT_OK;
        if (!err)
            err = crdti_session_hear(s, &frame, now);
        if (err)
            return err;
        *used += frame.size;
        ++*frames;
    }
}

/* Bytes have come, cut anyhow. An error ends the session. */
CRDTI_FN crdt_err crdti_session_receive(crdti_session *s, crdt_bytes bytes,
                                        uint64_t now, uint64_t *frames)
{
    size_t used = 0;
    crdti_writer w;
    crdt_err err = CRDT_OK;
    if (!s->in.len) {
        err = crdti_session_frames(s, bytes, now, &used, frames);
        if (err || used == bytes.len)
            return err;
        bytes = crdt_bytes_of(bytes.ptr + used, bytes.len - used);
    }
    crdti_writer_init(&w, &s->in);
    crdti_put_raw(&w, bytes);
    if (w.err)
        return w.err;
    err = crdti_session_frames(s, crdt_buf_bytes(&s->in), now, &used, frames);
    crdti_move(s->in.ptr, s->in.ptr + used, s->in.len - used);
    s->in.len -= used;
    return err;
}

/* >>pushing --------------------------------------------------------------- */

/* A delta has gone out, or into `out`. */
CRDTI_FN void crdti_track_depart(crdti_session *s, size_t number)
{
    crdti_track *track = &s->tracks.ptr[number];
    track->flights[track->flights_len++].id = ++track->last_id;
    track->is_chained = 1;
    track->pushed = s->shares->ptr[number].doc->changes;
    s->sent_deltas++;
}

/* Says that dot and what is before it as strokes, where that is all there is
 * to say and it can be. Whether it was. */
CRDTI_FN int crdti_track_say_strokes(crdti_session *s, size_t number,
                                     const crdt_dot *dot)
{
    crdti_track *track = &s->tracks.ptr[number];
    size_t start = s->out.len;
    size_t place = crdti_vv_place(&track->sent, &dot->replica);
    crdt_doc *doc = s->shares->ptr[number].doc;
    crdti_writer w;
    if (!s->is_ordered || !track->is_chained || !track->told.text ||
        !crdti_id_equal(&doc->replicas.ptr[track->told.replica].id,
                        &dot->replica) ||
        !crdti_vv_is_at(&track->sent, place, &dot->replica) ||
        track->sent.entries[place].seq != track->told.seq)
        return 0;
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    if (!crdti_strokes_put(doc, &track->told, dot->seq, &w) ||
        crdti_say(s, &w, CRDTI_STROKES, start)) {
        s->out.len = start;
        return 0;
    }
    track->flights[track->flights_len].dot = *dot;
    track->sent.entries[place].seq = dot->seq;
    crdti_track_depart(s, number);
    return 1;
}

/* The same, for what was just written here: as all before was sent, one change
 * since, and one of ours, is all there is. */
CRDTI_FN int crdti_track_type(crdti_session *s, size_t number)
{
    const crdti_track *track = &s->tracks.ptr[number];
    const crdt_doc *doc = s->shares->ptr[number].doc;
    const crdti_replica *own = &doc->replicas.ptr[doc->self];
    crdt_dot dot;
    if (track->told.replica != doc->self || own->seq == track->told.seq ||
        track->pushed + 1 != doc->changes)
        return 0;
    dot.replica = own->id;
    dot.seq = own->seq;
    return crdti_track_say_strokes(s, number, &dot);
}

/* Says what the peer lacks, or has `out` hold it. */
CRDTI_FN crdt_err crdti_track_extract(crdti_session *s, size_t number)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *flight = &track->flights[track->flights_len];
    const crdt_dot *grown = crdti_vv_grown(&track->sent, &share->vv);
    crdt_err err;
    if (grown && crdti_track_say_strokes(s, number, grown))
        return CRDT_OK;
    err = crdt_vv_copy(&flight->vv, &share->vv);
    if (!err)
        err = crdti_delta_put(share->doc, &track->sent,
                              track->is_chained ? CRDTI_FOR_FOLLOWER
                                                : CRDTI_FOR_ALL,
                              &track->out);
    track->told.text = 0;
    if (!err && grown)
        crdti_trail_start(share->doc,
                          crdti_replica_find(share->doc, &grown->replica),
                          grown->seq, &track->told);
    if (!err)
        err = crdt_vv_merge(&track->sent, &share->vv);
    if (err) {
        track->out.len = 0;
        return err;
    }
    flight->dot.seq = 0;
    track->out_follows = track->is_chained;
    track->out_at = 0;
    crdti_track_depart(s, number);
    return CRDT_OK;
}

/* Says what is new, or has `out` hold it. */
CRDTI_FN crdt_err crdti_track_prepare(crdti_session *s, size_t number,
                                      uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_order order;
    crdt_err err;
    if (!track->is_known || track->out.len ||
        crdt_doc_uncommitted(share->doc) ||
        track->pushed == share->doc->changes ||
        track->flights_len == CRDTSYNC_MAX_IN_FLIGHT || now < track->retry_at)
        return CRDT_OK;
    if (crdti_track_type(s, number))
        return CRDT_OK;
    err = crdti_share_look(share);
    if (err)
        return err;
    order = crdt_vv_compare(&share->vv, &track->sent);
    if (order != CRDT_EQUAL && order != CRDT_BEFORE)
        return crdti_track_extract(s, number);
    track->pushed = share->changes;
    return CRDT_OK;
}

/* Cuts the next piece off the delta under way. */
CRDTI_FN crdt_err crdti_track_cut(crdti_session *s, size_t number,
                                  size_t message_max)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_writer w;
    crdti_chunk chunk;
    size_t room = crdti_min_size(s->frame_max, message_max);
    size_t start = s->out.len;
    room -= CRDTI_CHUNK_OVERHEAD + CRDTI_FRAME_OVERHEAD;
    chunk.doc = number;
    chunk.id = track->last_id;
    chunk.follows = track->out_follows;
    chunk.total = track->out.len;
    chunk.offset = track->out_at;
    chunk.bytes =
        crdt_bytes_of(track->out.ptr + track->out_at,
                      crdti_min_size(room, track->out.len - track->out_at));
    crdti_writer_init(&w, &s->out);
    crdti_put_chunk(&w, &chunk);
    if (crdti_say(s, &w, CRDTI_CHUNK, start))
        return w.err;
    track->out_at += chunk.bytes.len;
    if (track->out_at < track->out.len)
        return CRDT_OK;
    track->out.len = 0;
    if (track->out.cap > CRDTSYNC_MAX_FRAME)
        crdt_buf_free(&track->out);
    return CRDT_OK;
}

/* Puts into `out` what is to be said of one document. */
CRDTI_FN crdt_err crdti_track_push(crdti_session *s, size_t number,
                                   size_t message_max, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err = CRDT_OK;
    if (track->theirs == CRDTI_NO_DOC)
        return CRDT_OK;
    if (track->wants_state &&
        !crdt_doc_uncommitted(s->shares->ptr[number].doc)) {
        err = crdti_say_state(s, number, track->state_asks);
        if (err)
            return err;
        track->wants_state = track->state_asks = 0;
    }
    err = crdti_track_prepare(s, number, now);
    if (!err && track->out.len)
        err = crdti_track_cut(s, number, message_max);
    return err;
}

/* Puts into `out` what is to be said; more only when that has gone. */
CRDTI_FN crdt_err crdti_session_push(crdti_session *s, size_t message_max,
                                     uint64_t now)
{
    size_t i;
    crdt_err err = CRDT_OK;
    if (!s->is_greeted || s->is_spare)
        return CRDT_OK;
    if (s->wants_hello)
        err = crdti_say_hello(s);
    if (!err)
        s->wants_hello = 0;
    for (i = 0; i < s->tracks.len && !err; i++)
        err = crdti_track_push(s, i, message_max, now);
    return err;
}

/* Tries what is held back once more. */
CRDTI_FN crdt_err crdti_session_retry(crdti_session *s)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->tracks.len && !err; i++) {
        crdti_track *track = &s->tracks.ptr[i];
        if (track->is_held)
            err = crdti_track_join_staged(s, i);
    }
    return err;
}

/* Both have said what they have, and it is the same. */
CRDTI_FN int crdti_session_is_synced(crdti_session *s)
{
    size_t i;
    for (i = 0; i < s->tracks.len; i++) {
        crdti_share *share = &s->shares->ptr[i];
        if (s->tracks.ptr[i].theirs == CRDTI_NO_DOC)
            continue;
        if (!s->tracks.ptr[i].is_known || crdti_share_look(share) ||
            crdt_doc_uncommitted(share->doc) ||
            crdt_vv_compare(&share->vv, &s->tracks.ptr[i].known) != CRDT_EQUAL)
            return 0;
    }
    return s->is_greeted;
}

#endif
