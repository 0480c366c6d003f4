/*
 * Pushing: what a session says by itself. It puts as much into `out` as is to
 * be said now and as the peer takes; more only when that has gone.
 */
#ifndef CRDTI_PUSH_H
#define CRDTI_PUSH_H

#include "hear.h"
#include "session.h"

/* >>pushing --------------------------------------------------------------- */

/* A delta has gone out, or become the parcel (of 0 bytes here). */
CRDTI_FN void crdti_track_depart(crdti_session *s, size_t number, uint64_t id,
                                 size_t size, int is_late, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *flight = &track->flights[track->flights_len++];
    flight->id = id;
    flight->size = size;
    flight->said_at = size ? now : UINT64_MAX;
    flight->is_late = is_late;
    s->in_flight += size;
    track->is_chained = s->is_ordered;
    track->pushed = s->shares->ptr[number].doc->changes;
    track->hold_until = 0;
    s->sent_deltas++;
}

/* Says that dot and what is before it as strokes, where that is all there is
 * to say and it can be. Whether it was. */
CRDTI_FN int crdti_track_say_strokes(crdti_session *s, size_t number,
                                     const crdt_dot *dot, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    size_t start = s->out.len;
    size_t place = crdti_vv_place(&track->sent, &dot->replica);
    crdt_doc *doc = s->shares->ptr[number].doc;
    crdti_writer w;
    if (!(s->can & CRDTI_CAN_STROKES) || !track->is_chained ||
        !track->told.text || track->is_lazy ||
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
    crdti_track_depart(s, number, ++track->last_id, s->out.len - start, 0,
                       now);
    return 1;
}

/* The same, for what was just written here: as all before was sent, one change
 * since, and one of ours, is all there is. */
CRDTI_FN int crdti_track_type(crdti_session *s, size_t number, uint64_t now)
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
    return crdti_track_say_strokes(s, number, &dot, now);
}

/* The draft := an UPDATE with what the peer lacks, which has `certain`. */
CRDTI_FN crdt_err crdti_track_draft(crdti_session *s, size_t number,
                                    uint64_t id, int is_late,
                                    const crdt_vv *certain)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    int is_state = share->shipping == CRDT_SHIP_STATE || track->needs_all;
    int follows = track->is_chained && track->flights_len && !is_state;
    crdti_writer w;
    s->draft.len = 0;
    crdti_writer_init(&w, &s->draft);
    crdti_put_varint(&w, number);
    crdti_put_varint(&w, id);
    crdti_put_u8(&w, (uint8_t)((follows ? CRDTI_FOLLOWS : 0) |
                               (is_late ? CRDTI_LATE : 0)));
    if (!w.err)
        w.err = crdti_delta_put(share->doc, is_state ? NULL : &track->sent,
                                CRDTI_FOR_FOLLOWER, follows ? NULL : certain,
                                &s->draft);
    return w.err;
}

/* What is in the draft goes out, or becomes the parcel; and if it cannot now,
 * it is made anew later. */
CRDTI_FN crdt_err crdti_track_ship(crdti_session *s, size_t number,
                                   int is_late, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    size_t len = s->draft.len, start = s->out.len;
    size_t most = crdti_min_size(s->room, crdti_session_credit(s));
    int is_long = len > most;
    crdt_err err;
    if (is_long &&
        (s->parcel.bytes.len || (!s->is_ordered && track->flights_len))) {
        track->retry_at = now + crdti_pace_patience(&s->pace) / 2;
        return CRDT_ERR_AGAIN;
    }
    err = crdti_say_draft(s, CRDTI_UPDATE, most);
    if (err)
        return err;
    if (is_long) {
        s->parcel.number = number;
        s->parcel.update = track->last_id + 1;
    }
    crdti_track_depart(s, number, ++track->last_id,
                       is_long ? 0 : s->out.len - start, is_late, now);
    return CRDT_OK;
}

/* A link broke when a delta of this document was under way, in pieces: goes on
 * with that, if it can be the first parcel of this one, as its id is lower than
 * others. *resumes: it does. */
CRDTI_FN crdt_err crdti_track_resume(crdti_session *s, size_t number,
                                     int *resumes, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_parked *parked;
    crdti_flight *flight = &track->flights[0];
    size_t i = s->parking ? crdti_parking_find(s->parking, &s->node, 1) : 0;
    crdt_err err;
    *resumes = 0;
    if (!s->parking || i == s->parking->len || s->parcel.bytes.len ||
        track->flights_len || s->parking->all[i].out.number != number)
        return CRDT_OK;
    parked = &s->parking->all[i];
    if (parked->out.update <= track->last_id || s->has_parcels ||
        crdti_vv_is_in(&parked->vv, &track->known)) {
        crdti_parking_drop(s->alloc, s->parking, i);
        return CRDT_OK;
    }
    err = crdt_vv_copy(&flight->vv, &parked->vv);
    if (!err)
        err = crdt_vv_merge(&track->sent, &parked->vv);
    if (err)
        return err;
    crdt_buf_free(&s->parcel.bytes);
    s->parcel = parked->out;
    crdti_zero(&parked->out, sizeof parked->out);
    crdti_parking_drop(s->alloc, s->parking, i);
    crdti_ivset_free(s->alloc, &s->parcel.have);
    crdti_parcel_retry(&s->parcel);
    s->has_parcels = 1;
    track->last_id = s->parcel.update;
    flight->dot.seq = 0;
    crdti_track_depart(s, number, track->last_id, 0, 0, now);
    track->pushed = 0; /* there is more since */
    *resumes = 1;
    return CRDT_OK;
}

/* The flight of the parcel, when another link can go on with it: if it is a
 * delta, and one that stands by itself. */
CRDTI_FN crdti_flight *crdti_parcel_flight(crdti_session *s)
{
    crdti_track *track;
    crdti_update update;
    crdti_reader r;
    size_t i;
    if (!s->parcel.bytes.len || !s->parcel.update)
        return NULL;
    track = &s->tracks.ptr[s->parcel.number];
    crdti_reader_init(&r, crdt_buf_bytes(&s->parcel.bytes));
    crdti_get_update(&r, &update);
    for (i = 0; i < track->flights_len; i++)
        if (track->flights[i].id == s->parcel.update)
            return update.how & CRDTI_FOLLOWS ? NULL : &track->flights[i];
    return NULL;
}

/* The link is no more: keeps what another one can go on with. */
CRDTI_FN void crdti_session_park(crdti_session *s, uint64_t now)
{
    crdti_parked *parked;
    crdti_flight *flight;
    if (!s->is_greeted || !s->parking)
        return;
    flight = crdti_parcel_flight(s);
    if (flight) {
        parked = crdti_parking_add(s->alloc, s->parking, &s->node, 1, now);
        parked->out = s->parcel;
        parked->vv = flight->vv;
        crdti_zero(&s->parcel, sizeof s->parcel);
        crdti_zero(&flight->vv, sizeof flight->vv);
    }
    if (!s->staging.id)
        return;
    parked = crdti_parking_add(s->alloc, s->parking, &s->node, 0, now);
    parked->in = s->staging;
    crdti_zero(&s->staging, sizeof s->staging);
}

/* The first HELLO has come: is there anything of that node? */
CRDTI_FN void crdti_session_unpark(crdti_session *s)
{
    size_t i = crdti_parking_find(s->parking, &s->node, 0);
    crdti_parked parked;
    if (i == s->parking->len)
        return;
    parked = crdti_parking_take(s->parking, i);
    crdti_staging_clear(s->alloc, &s->staging);
    s->staging = parked.in;
    s->staging.done = 0;
    s->staging.is_old = 1;
    crdt_vv_free(&parked.vv);
}

/* Says what the peer lacks. */
CRDTI_FN crdt_err crdti_track_extract(crdti_session *s, size_t number,
                                      int is_late, uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *flight = &track->flights[track->flights_len];
    const crdt_dot *grown = crdti_vv_grown(&track->sent, &share->vv);
    crdti_trail told;
    crdt_err err;
    crdti_zero(&told, sizeof told);
    if (grown && crdti_track_say_strokes(s, number, grown, now))
        return CRDT_OK;
    if (grown)
        crdti_trail_start(share->doc,
                          crdti_replica_find(share->doc, &grown->replica),
                          grown->seq, &told);
    err = crdt_vv_copy(&flight->vv, &share->vv);
    if (!err)
        err = crdti_vv_reserve(&track->sent,
                               crdti_vv_fresh(&track->sent, &share->vv));
    if (!err)
        err = crdti_track_draft(s, number, track->last_id + 1, is_late,
                                &track->known);
    if (!err)
        err = crdti_track_ship(s, number, is_late, now);
    if (s->draft.cap > CRDTSYNC_MAX_FRAME)
        crdt_buf_free(&s->draft);
    if (err)
        return err == CRDT_ERR_AGAIN ? CRDT_OK : err;
    track->told = told;
    track->needs_all = 0;
    flight->dot.seq = 0;
    (void)crdt_vv_merge(&track->sent, &share->vv); /* there is room */
    return track->is_lazy ? crdt_vv_merge(&track->announced, &share->vv)
                          : CRDT_OK;
}

/* Whether there may be something new to say, and it may be said now. */
CRDTI_FN int crdti_track_may_send(const crdti_session *s, size_t number)
{
    const crdti_share *share = &s->shares->ptr[number];
    const crdti_track *track = &s->tracks.ptr[number];
    int is_state = share->shipping == CRDT_SHIP_STATE;
    return track->is_known && !crdt_doc_uncommitted(share->doc) &&
           track->pushed != share->doc->changes &&
           track->flights_len < (is_state ? 1 : CRDTSYNC_MAX_IN_FLIGHT) &&
           crdti_session_credit(s) &&
           !(s->parcel.bytes.len && s->parcel.update &&
             s->parcel.number == number);
}

/* Says what is new. */
CRDTI_FN crdt_err crdti_track_prepare(crdti_session *s, size_t number,
                                      uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    int is_state = share->shipping == CRDT_SHIP_STATE;
    uint64_t hold_ms;
    int resumes;
    crdt_err err;
    if (!crdti_track_may_send(s, number))
        return CRDT_OK;
    if (now < track->retry_at) {
        crdti_session_wake(s, track->retry_at);
        return CRDT_OK;
    }
    if (!is_state && crdti_track_type(s, number, now))
        return CRDT_OK;
    err = crdti_share_look(share);
    if (err)
        return err;
    if (crdti_vv_is_in(&share->vv, &track->sent)) {
        track->pushed = share->changes;
        track->hold_until = 0;
        return CRDT_OK;
    }
    hold_ms = CRDTI_HOLD_MS + 2 * crdti_pace_patience(&s->pace);
    if (track->is_lazy &&
        crdti_track_waits(share, track, now, crdti_session_jitter(s, hold_ms),
                          &err)) {
        crdti_session_wake(s, track->hold_until);
        return err;
    }
    err = crdti_track_resume(s, number, &resumes, now);
    return err || resumes
               ? err
               : crdti_track_extract(s, number, track->is_lazy, now);
}

/* Over a lazy link: says what has come, some time after the first of it. */
CRDTI_FN crdt_err crdti_track_announce(crdti_session *s, size_t number,
                                       uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_writer w;
    size_t start = s->out.len;
    crdt_err err = crdti_share_look(share);
    if (err || crdti_vv_is_in(&share->vv, &track->announced))
        return err;
    if (!track->announce_at)
        track->announce_at = now + crdti_session_jitter(s, CRDTI_ANNOUNCE_MS);
    if (now < track->announce_at) {
        crdti_session_wake(s, track->announce_at);
        return CRDT_OK;
    }
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    crdti_put_have(&w, &share->vv, &track->announced);
    if (s->out.len - start > s->room) { /* not what this is for */
        s->out.len = start;
        track->wants_state = 1;
    } else {
        err = crdti_say(s, &w, CRDTI_HAVE, start);
    }
    track->announce_at = 0;
    return err ? err : crdt_vv_copy(&track->announced, &share->vv);
}

/* Whether what we have is to be told now. A node that lacks much asks one peer
 * at a time, or all would send the same. */
CRDTI_FN int crdti_track_may_tell(crdti_session *s, size_t number,
                                  uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    const crdti_track *track = &s->tracks.ptr[number];
    if (crdt_doc_uncommitted(share->doc))
        return 0;
    if (track->is_known && !crdti_share_look(share) &&
        crdti_vv_is_in(&track->known, &share->vv))
        return 1; /* they have nothing for us */
    if (share->asked && share->asked != s && now < share->asked_until) {
        crdti_session_wake(s, share->asked_until);
        return 0;
    }
    share->asked = s;
    share->asked_until = now + CRDTI_ASK_MS / 2;
    return 1;
}

CRDTI_FN crdt_err crdti_track_state(crdti_session *s, size_t number,
                                    uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err;
    if (!track->is_known) {
        if (!track->ask_at)
            track->ask_at =
                now +
                (s->is_ordered ? CRDTI_ASK_MS : crdti_pace_patience(&s->pace));
        if (now >= track->ask_at) {
            track->wants_state = track->state_asks = 1;
            track->ask_at = 0;
        } else {
            crdti_session_wake(s, track->ask_at);
        }
    }
    if (!track->wants_state || !crdti_track_may_tell(s, number, now))
        return CRDT_OK;
    err = crdti_say_state(s, number, track->state_asks);
    if (err)
        return err == CRDT_ERR_AGAIN ? CRDT_OK : err;
    track->wants_state = track->state_asks = 0;
    return CRDT_OK;
}

/* Where deltas get lost: those unanswered for too long are. A short one is
 * sent again; of a long one it is asked first whether it came. */
CRDTI_FN crdt_err crdti_track_overdue(crdti_session *s, size_t number,
                                      uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    uint64_t oldest = UINT64_MAX;
    crdt_err err = CRDT_OK;
    size_t i;
    int is_long = 0;
    if (s->is_ordered)
        return CRDT_OK;
    for (i = 0; i < track->flights_len; i++) {
        oldest = crdti_min(oldest, track->flights[i].said_at);
        is_long |= !track->flights[i].size;
    }
    if (oldest == UINT64_MAX)
        return CRDT_OK;
    oldest += crdti_pace_patience(&s->pace);
    if (now < oldest) {
        crdti_session_wake(s, oldest);
        return CRDT_OK;
    }
    crdti_pace_lose(&s->pace);
    if (!is_long) {
        s->in_flight -= crdti_track_rewind(track, &err);
        return err;
    }
    for (i = 0; i < track->flights_len; i++)
        track->flights[i].said_at = now;
    track->is_doubted = track->wants_state = track->state_asks = 1;
    return CRDT_OK;
}

/* Puts into `out` what is to be said of one document. */
CRDTI_FN crdt_err crdti_track_push(crdti_session *s, size_t number,
                                   uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err;
    if (track->theirs == CRDTI_NO_DOC)
        return CRDT_OK;
    err = crdti_say_roster(s, number, now);
    if (!err)
        err = crdti_track_overdue(s, number, now);
    if (!err)
        err = crdti_track_state(s, number, now);
    if (!err && track->is_lazy)
        err = crdti_track_announce(s, number, now);
    if (!err)
        err = crdti_track_prepare(s, number, now);
    return err;
}

/* Puts pieces of the parcel into `out`, as far as the peer's credit goes. */
CRDTI_FN crdt_err crdti_session_pieces(crdti_session *s, uint64_t now)
{
    crdti_parcel *p = &s->parcel;
    crdti_parcel_piece piece;
    crdti_writer w;
    size_t len, next, start, at;
    size_t window = crdti_session_window(s);
    window -= crdti_min_size(s->in_flight, window);
    if (!s->is_ordered && p->asked &&
        now >= p->asked_at + crdti_pace_patience(&s->pace)) {
        crdti_pace_lose(&s->pace);
        crdti_parcel_retry(p);
    }
    while (crdti_parcel_may(p, window) && s->out.len < CRDTSYNC_MAX_FRAME) {
        piece.offset = crdti_parcel_next(
            p, crdti_min_size(s->room - CRDTI_PIECE_HEAD, window - p->loose),
            &len);
        start = s->out.len;
        piece.id = p->id;
        piece.kind = p->kind;
        piece.total = p->bytes.len;
        piece.bytes = crdt_bytes_of(p->bytes.ptr + piece.offset, len);
        at = p->at;
        p->at = (size_t)piece.offset + len;
        crdti_parcel_next(p, 1, &next);
        piece.asks = p->is_probe || !next || p->loose + len >= window ||
                     p->unasked + len >= window / 2 ||
                     p->unasked + len >= CRDTI_PIECES_UNASKED * s->room;
        crdti_writer_init(&w, &s->out);
        crdti_put_piece(&w, &piece);
        if (crdti_say(s, &w, CRDTI_PIECE, start)) {
            p->at = at; /* it has not been said */
            return w.err;
        }
        crdti_parcel_said(p, p->at, len, piece.asks, now);
    }
    if (!s->is_ordered && p->asked)
        crdti_session_wake(s, p->asked_at + crdti_pace_patience(&s->pace));
    return CRDT_OK;
}

/* Tells what is present and came behind `first`. */
CRDTI_FN crdt_err crdti_say_presence(crdti_session *s, uint64_t first,
                                     uint64_t now)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->presences->all.len && !err; i++) {
        const crdti_present *p = &s->presences->all.ptr[i];
        crdti_writer w;
        size_t start = s->out.len;
        if (p->serial <= first || p->from == s->nonce ||
            now >= p->expires_at || p->number >= s->tracks.len ||
            s->tracks.ptr[p->number].theirs == CRDTI_NO_DOC ||
            !(s->can & CRDTI_CAN_PRESENCE))
            continue;
        crdti_writer_init(&w, &s->out);
        crdti_put_presence(&w, p->number, p, now);
        err = crdti_say(s, &w, CRDTI_PRESENCE, start);
    }
    return err;
}

/* Passes on the presence of others, and tells our own; where it may be lost,
 * the latest of it a few times. */
CRDTI_FN crdt_err crdti_session_presence(crdti_session *s, uint64_t now)
{
    uint64_t first = s->presence_told;
    int has_news, is_again;
    crdt_err err;
    if (!s->presences || s->docs_heard < s->docs_theirs)
        return CRDT_OK;
    has_news = s->presence_told != s->presences->serial;
    is_again = s->presence_left && now >= s->presence_at;
    s->presence_sure = crdti_min(s->presence_sure, first);
    if (s->presence_left && !is_again)
        crdti_session_wake(s, s->presence_at);
    if (!has_news && !is_again)
        return CRDT_OK;
    err = crdti_say_presence(s, is_again ? s->presence_sure : first, now);
    if (err)
        return err;
    if (is_again || !s->presence_left)
        s->presence_at = now + CRDTI_PRESENCE_MS;
    s->presence_left = s->is_ordered ? 0
                       : has_news    ? CRDTI_PRESENCE_AGAIN
                                     : s->presence_left - 1;
    s->presence_told = s->presences->serial;
    if (s->presence_left)
        crdti_session_wake(s, s->presence_at);
    else
        s->presence_sure = s->presence_told;
    return CRDT_OK;
}

/* Where HELLOs get lost they are repeated until both have heard, also the
 * lists. */
CRDTI_FN void crdti_session_greet(crdti_session *s, uint64_t now)
{
    if (s->is_ordered || (s->is_greeted && s->is_heard &&
                          (s->is_spare || s->docs_heard >= s->docs_theirs)))
        return;
    if (!s->hello_at) {
        s->born_at = now;
        s->hello_at = now + CRDTI_HELLO_MS;
    }
    if (now >= s->hello_at)
        s->wants_hello = 1;
    crdti_session_wake(s, s->hello_at);
}

CRDTI_FN crdt_err crdti_session_introduce(crdti_session *s, uint64_t now)
{
    crdt_err err = CRDT_OK;
    crdti_session_greet(s, now);
    if (s->wants_hello) {
        err = crdti_say_hello(s);
        s->wants_hello = err != CRDT_OK;
        s->is_repeated = 1;
        s->hello_at = now + CRDTI_HELLO_MS;
    }
    if (s->is_spare || (!s->is_ordered && !s->is_greeted))
        return err;
    while (!err && s->docs_told < s->shares->len) {
        s->docs_told_at = now;
        err = crdti_say_docs(s);
    }
    return err;
}

/* Puts into `out` what is to be said; more only when that has gone. */
CRDTI_FN crdt_err crdti_session_push(crdti_session *s, size_t message_max,
                                     uint64_t now)
{
    size_t i;
    crdt_err err;
    s->due = UINT64_MAX;
    s->room = crdti_min_size(crdti_min_size(s->frame_max, CRDTI_PIECE_MAX),
                             message_max - CRDTI_FRAME_OVERHEAD);
    err = s->is_ordered && !s->wants_hello && s->docs_told == s->shares->len
              ? CRDT_OK
              : crdti_session_introduce(s, now);
    if (!s->is_greeted || s->is_spare)
        return err;
    for (i = 0; i < s->tracks.len && !err; i++)
        err = crdti_track_push(s, i, now);
    if (!err && s->parcel.bytes.len)
        err = crdti_session_pieces(s, now);
    if (!err)
        err = crdti_session_presence(s, now);
    return err;
}

/* Tries what is held back once more: all of it, or only where something has
 * come since. */
CRDTI_FN crdt_err crdti_session_retry(crdti_session *s, int all, uint64_t now)
{
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 0; i < s->tracks.len && !err; i++) {
        const crdti_track *track = &s->tracks.ptr[i];
        if (track->held.len &&
            (all || track->held_changes != s->shares->ptr[i].doc->changes))
            err = crdti_track_retry(s, i, now);
    }
    return err;
}

/* Both have said what they have, and it is the same. What they share is known
 * when their list has come. */
CRDTI_FN int crdti_session_is_synced(crdti_session *s)
{
    size_t i;
    if (!s->is_greeted || s->docs_heard < s->docs_theirs)
        return 0;
    for (i = 0; i < s->tracks.len; i++) {
        crdti_share *share = &s->shares->ptr[i];
        if (s->tracks.ptr[i].theirs == CRDTI_NO_DOC)
            continue;
        if (!s->tracks.ptr[i].is_known || crdti_share_look(share) ||
            crdt_doc_uncommitted(share->doc) ||
            crdt_vv_compare(&share->vv, &s->tracks.ptr[i].known) != CRDT_EQUAL)
            return 0;
    }
    return 1;
}

#endif
