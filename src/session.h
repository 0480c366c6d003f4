/*
 * A session: one peer, several documents, bytes in (hear.h) and bytes out
 * (push.h). It knows no transport and no clock; a node (node.h) gives it both.
 *
 *     HELLO, DOCS ->   <- HELLO, DOCS      who, which documents, how they are
 *     STATE ->            <- STATE         of those that differ: what we have
 *     UPDATE ->           <- UPDATE        each sends what the other lacks
 *     ANSWER ->           <- ANSWER        joined: both know that both have it
 *     UPDATE -> ...                        live: whatever is committed
 *
 * At most CRDTSYNC_MAX_IN_FLIGHT deltas of a document are unanswered, and at
 * most as many bytes as the peer grants; what is committed meanwhile gathers
 * in the next delta.
 *
 * A delta whose predecessor was joined, or is under way, says only what has
 * changed: that it *follows* stands for all the rest of its base. It is joined
 * right after its predecessor or not at all. Where nothing gets lost or out of
 * order, keystrokes are told in the short form (stroke.h).
 *
 * A delta that cannot be joined is refused, the refuser says what it has, and
 * the sender starts again from there. Where things get lost, one that came too
 * early waits, and one that is not answered in time is made anew from what the
 * peer is known to have: no case needs a memory of what was lost.
 */
#ifndef CRDTI_SESSION_H
#define CRDTI_SESSION_H

#include "array.h"
#include "doc.h"
#include "gossip.h"
#include "message.h"
#include "pace.h"
#include "parcel.h"
#include "park.h"
#include "presence.h"
#include "relay.h"
#include "track.h"
#include "wire.h"

#define CRDTI_PIECE_MAX 65536u   /* longer messages go in pieces */
#define CRDTI_PIECES_UNASKED 24u /* then what has come is asked for */
#define CRDTI_ASK_MS 2000u       /* what a peer has that does not say it */
#define CRDTI_PRESENCE_MS 250u   /* to the next time that it is told, */
#define CRDTI_PRESENCE_AGAIN 2   /* and how often, where it may be lost */
#define CRDTI_HELLO_MS 250u      /* to the next HELLO, where one may be lost */

typedef struct crdti_session {
    const crdt_alloc *alloc;
    crdti_shares *shares;
    crdti_presences *presences; /* or NULL */
    crdti_parking *parking;     /* or NULL */
    crdt_id self, node;
    crdt_bytes self_name; /* borrowed */
    uint64_t nonce, their_nonce;
    uint64_t can;     /* what both can */
    size_t frame_max; /* payload that the peer takes at once, */
    size_t window;    /* and unanswered */
    size_t room;      /* payload that we send at once */
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    int is_greeted;     /* their HELLO came, */
    int is_heard;       /* and ours did, there */
    int wants_hello;    /* ours is to be said again */
    int is_spare;       /* another link to the same node is used */
    int is_ordered;     /* nothing gets lost or out of order */
    uint32_t roster_ms; /* how often rosters are told */
    uint64_t born_at, hello_at;
    int is_repeated;  /* our HELLO was said again */
    size_t docs_told; /* of ours, */
    uint64_t docs_told_at;
    size_t docs_heard, docs_theirs; /* of theirs; how many there are, */
    size_t docs_first;              /* and were when they greeted */
    crdt_buf in;                    /* the beginning of a frame */
    crdt_buf out;                   /* whole frames, to be sent */
    size_t out_at;
    crdt_buf draft; /* a payload, before it is clear how it goes */
    crdti_pace pace;
    size_t in_flight; /* bytes of deltas unanswered, parcels apart */
    crdti_parcel parcel;
    int has_parcels; /* was there one? */
    crdti_staging staging;
    CRDTI_ARRAY(crdti_track) tracks; /* by number of the share */
    uint64_t presence_told;          /* up to that one of the node's, */
    uint64_t presence_sure;          /* and need not be told again; */
    uint64_t presence_at;            /* when it is, and how often yet */
    int presence_left;
    uint64_t due; /* when there may be something to do, at the latest */
    uint64_t dice;
    uint64_t sent_deltas, sent_frames, waiting;
    uint64_t delta_bytes, news_bytes; /* received; of them, what was new */
    size_t held;                      /* bytes of deltas that wait */
    const char *complaint; /* why a receive failed, when bytes do not say */
} crdti_session;

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN void crdti_session_init(crdti_session *s, const crdt_alloc *alloc,
                                 crdti_shares *shares)
{
    crdti_zero(s, sizeof *s);
    s->alloc = alloc;
    s->shares = shares;
    s->frame_max = CRDTI_FRAME_MIN;
    crdti_pace_init(&s->pace);
    crdti_buf_start(&s->in, alloc);
    crdti_buf_start(&s->out, alloc);
    crdti_buf_start(&s->draft, alloc);
    crdti_buf_start(&s->parcel.bytes, alloc);
    crdti_buf_start(&s->staging.bytes, alloc);
}

CRDTI_FN void crdti_session_free(crdti_session *s)
{
    size_t i;
    for (i = 0; i < s->tracks.len; i++) {
        crdti_track_free(&s->tracks.ptr[i], s->alloc);
        if (s->shares->ptr[i].asked == s)
            s->shares->ptr[i].asked = NULL;
    }
    crdti_array_free(s->alloc, &s->tracks);
    crdti_parcel_clear(s->alloc, &s->parcel);
    crdti_staging_clear(s->alloc, &s->staging);
    crdt_buf_free(&s->draft);
    crdt_buf_free(&s->in);
    crdt_buf_free(&s->out);
}

/* A track for each share. */
CRDTI_FN crdt_err crdti_session_cover(crdti_session *s)
{
    if (crdti_array_reserve(s->alloc, &s->tracks,
                            s->shares->len - s->tracks.len))
        return CRDT_ERR_NOMEM;
    while (s->tracks.len < s->shares->len)
        crdti_track_init(&s->tracks.ptr[s->tracks.len++], s->alloc);
    return CRDT_OK;
}

/* Between three quarters and five quarters. */
CRDTI_FN uint64_t crdti_session_jitter(crdti_session *s, uint64_t ms)
{
    s->dice = crdti_mix(s->dice ^ s->nonce ^ CRDTI_HASH_1, CRDTI_HASH_2);
    return ms - ms / 4 + s->dice % (ms / 2 + 1);
}

CRDTI_FN void crdti_session_wake(crdti_session *s, uint64_t at)
{
    s->due = crdti_min(s->due, at);
}

/* How many bytes may be unanswered. */
CRDTI_FN size_t crdti_session_window(const crdti_session *s)
{
    return s->is_ordered ? s->window
                         : crdti_min_size(s->window, s->pace.window);
}

CRDTI_FN size_t crdti_session_credit(const crdti_session *s)
{
    size_t window = crdti_session_window(s);
    size_t used = s->in_flight + s->parcel.loose;
    return window - crdti_min_size(used, window);
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
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    hello.oldest = CRDTI_PROTOCOL_MIN;
    hello.newest = CRDTI_PROTOCOL_MAX;
    hello.node = s->self;
    hello.nonce = s->nonce;
    hello.heard = s->their_nonce;
    hello.can = CRDTI_CAN;
    hello.frame_max = CRDTSYNC_MAX_FRAME;
    hello.window = CRDTSYNC_MAX_WINDOW;
    hello.docs = s->shares->len;
    hello.docs_heard = s->docs_heard;
    hello.name = s->self_name;
    crdti_put_hello(&w, &hello);
    return crdti_say(s, &w, CRDTI_HELLO, start);
}

/* What is in the draft: as one message, or as a parcel, of which there is none
 * under way. */
CRDTI_FN crdt_err crdti_say_draft(crdti_session *s, uint8_t kind, size_t most)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdt_buf draft = s->draft;
    if (draft.len <= most) {
        crdti_writer_init(&w, &s->out);
        crdti_put_raw(&w, crdt_buf_bytes(&draft));
        s->draft.len = 0;
        return crdti_say(s, &w, kind, start);
    }
    s->draft = s->parcel.bytes;
    s->parcel.bytes = draft;
    s->parcel.kind = kind;
    s->parcel.id++;
    s->has_parcels = 1;
    s->parcel.update = 0;
    return CRDT_OK;
}

/* AGAIN: it has to wait for the parcel that is under way. */
CRDTI_FN crdt_err crdti_say_state(crdti_session *s, size_t number, int asks)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_writer w;
    s->draft.len = 0;
    crdti_writer_init(&w, &s->draft);
    w.err = crdti_share_look(share);
    if (!w.err && s->parcel.bytes.len &&
        share->vv.len > s->room / CRDTI_VV_ENTRY_MAX - 2)
        return CRDT_ERR_AGAIN;
    crdti_put_varint(&w, number);
    crdti_put_u8(&w, (uint8_t)asks);
    crdti_put_digest(&w, crdt_doc_digest(share->doc));
    crdti_put_vv(&w, &share->vv);
    return w.err ? w.err : crdti_say_draft(s, CRDTI_STATE, s->room);
}

CRDTI_FN crdt_err crdti_say_digest(crdti_session *s, size_t number)
{
    crdti_writer w;
    size_t start = s->out.len;
    uint64_t print;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_share_print(&s->shares->ptr[number], &print);
    crdti_put_varint(&w, number);
    crdti_put_u64le(&w, print);
    return crdti_say(s, &w, CRDTI_DIGEST, start);
}

/* A peer that sends and never reads would have answers pile up. */
CRDTI_FN crdt_err crdti_may_answer(crdti_session *s)
{
    if (s->out.len - s->out_at <= CRDTSYNC_MAX_FRAME + CRDTSYNC_MAX_BUFFERED)
        return CRDT_OK;
    s->complaint = "does not read what it is told";
    return CRDT_ERR_LIMIT;
}

CRDTI_FN crdt_err crdti_say_answer(crdti_session *s, size_t number,
                                   uint64_t id, uint64_t result)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_may_answer(s);
    crdti_put_varint(&w, number);
    crdti_put_varint(&w, id);
    crdti_put_varint(&w, result);
    return crdti_say(s, &w, CRDTI_ANSWER, start);
}

CRDTI_FN crdt_err crdti_say_got(crdti_session *s,
                                const crdti_parcel_piece *piece)
{
    crdti_writer w;
    size_t start = s->out.len;
    crdti_run all;
    crdti_ivset whole;
    int is_done = piece->id <= s->staging.done;
    all.lo = 0;
    all.hi = piece->total - 1;
    whole.ptr = &all;
    whole.len = whole.cap = 1;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_may_answer(s);
    crdti_put_got(&w, piece->id, piece->offset + piece->bytes.len,
                  is_done ? &whole : &s->staging.have);
    return crdti_say(s, &w, CRDTI_GOT, start);
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

/* >>lists of documents ---------------------------------------------------- */

/* Both have told a print of the document: equal ones end it, after unequal
 * ones both say what they have. */
CRDTI_FN crdt_err crdti_track_meet(crdti_share *share, crdti_track *track)
{
    crdt_err err;
    if (!track->is_told || track->theirs == CRDTI_NO_DOC || track->is_known)
        return CRDT_OK;
    if (!track->print || track->print != track->their_print) {
        track->wants_state = 1;
        return crdt_vv_copy(&track->sent, &track->known);
    }
    /* `sent` is the vector that was told. */
    err = crdt_vv_copy(&track->known, &track->sent);
    if (!err)
        err = crdti_share_confirm(share, &track->known);
    track->is_known = !err;
    return err;
}

/* Tells the print of a document, and notes it. 0 is none: there are changes
 * that are not committed. */
CRDTI_FN crdt_err crdti_track_tell(crdti_share *share, crdti_track *track,
                                   uint64_t *print)
{
    crdt_err err = crdti_share_print(share, print);
    if (crdt_doc_uncommitted(share->doc))
        *print = 0;
    if (err || track->is_known)
        return err;
    track->print = *print;
    track->is_told = 1;
    err = crdt_vv_copy(&track->sent, &share->vv);
    return err ? err : crdti_track_meet(share, track);
}

/* One message of documents that have not been told. */
CRDTI_FN crdt_err crdti_say_docs(crdti_session *s)
{
    crdti_writer w;
    size_t start = s->out.len, told = s->docs_told;
    uint64_t print;
    crdti_writer_init(&w, &s->out);
    w.err = crdti_session_cover(s);
    crdti_put_varint(&w, told);
    while (told < s->shares->len && !w.err) {
        crdti_share *share = &s->shares->ptr[told];
        if (s->out.len - start + share->name_len + 9 > s->room)
            break;
        w.err = crdti_track_tell(share, &s->tracks.ptr[told++], &print);
        crdti_put_bytes(&w, crdti_share_name(share));
        crdti_put_u64le(&w, print);
    }
    if (!w.err)
        s->docs_told = told;
    return crdti_say(s, &w, CRDTI_DOCS, start);
}

/* A document of the peer is also ours. Where we told ours before it was in
 * their list, they must hear it again. */
CRDTI_FN crdt_err crdti_track_match(crdti_session *s, size_t number,
                                    uint64_t theirs, uint64_t print)
{
    crdti_track *track = &s->tracks.ptr[number];
    if (track->theirs == CRDTI_NO_DOC && theirs >= s->docs_first &&
        track->is_told) {
        track->is_told = 0;
        s->docs_told = crdti_min_size(s->docs_told, number);
    }
    if (track->theirs == CRDTI_NO_DOC)
        s->presence_told = 0;
    track->theirs = theirs;
    track->their_print = print;
    return crdti_track_meet(&s->shares->ptr[number], track);
}

CRDTI_FN void crdti_hear_docs(crdti_session *s, crdti_reader *r)
{
    uint64_t first = crdti_get_varint(r), theirs = first;
    crdt_err err = crdti_session_cover(s);
    size_t i;
    if (theirs > CRDTSYNC_MAX_SHARED)
        err = CRDT_ERR_LIMIT;
    while (crdti_reader_left(r) && !err) {
        crdt_bytes name = crdti_get_bytes(r, CRDTSYNC_MAX_NAME);
        uint64_t print = crdti_get_u64le(r);
        if (theirs >= CRDTSYNC_MAX_SHARED)
            err = CRDT_ERR_LIMIT;
        for (i = 0; i < s->tracks.len && !r->err && !err; i++)
            if ((s->tracks.ptr[i].theirs == CRDTI_NO_DOC ||
                 s->tracks.ptr[i].theirs == theirs) &&
                crdt_bytes_equal(name, crdti_share_name(&s->shares->ptr[i])))
                err = crdti_track_match(s, i, theirs, print);
        theirs++;
    }
    if (err)
        crdti_reader_fail(r, err);
    if (!r->err && first <= s->docs_heard)
        s->docs_heard = crdti_max_size(s->docs_heard, (size_t)theirs);
}

#endif
