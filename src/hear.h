/*
 * Hearing: what a session makes of what its peer says. Bytes may come cut
 * anyhow; each whole frame is one message, or a piece of one.
 */
#ifndef CRDTI_HEAR_H
#define CRDTI_HEAR_H

#include "session.h"

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

/* They have heard our HELLO. When it was the first one, that was a round
 * trip. */
CRDTI_FN void crdti_session_heard(crdti_session *s, uint64_t now)
{
    if (!s->is_ordered && !s->is_heard && !s->is_repeated)
        crdti_pace_hear(&s->pace, now - s->born_at, 0);
    s->is_heard = 1;
}

/* Where HELLOs get lost: whether they have heard ours, and our list. That we
 * have heard theirs, our list tells, unless they say that they lack ours, or
 * there is none. */
CRDTI_FN void crdti_hear_echo(crdti_session *s, const crdti_hello *hello,
                              int is_first, uint64_t now)
{
    if (hello->heard == s->nonce)
        crdti_session_heard(s, now);
    else if (!is_first || s->docs_told == s->shares->len)
        s->wants_hello = 1;
    if (hello->docs_heard < s->docs_told &&
        now - s->docs_told_at >= crdti_pace_patience(&s->pace))
        s->docs_told = (size_t)hello->docs_heard;
}

CRDTI_FN void crdti_hear_hello(crdti_session *s, crdti_reader *r, uint64_t now)
{
    crdti_hello hello;
    int is_first = !s->is_greeted;
    crdti_get_hello(r, &hello);
    if (r->err)
        return;
    if (s->is_greeted && s->their_nonce != hello.nonce) {
        s->complaint = "has begun anew";
        crdti_reader_fail(r, CRDT_ERR_CLOSED);
        return;
    }
    if (is_first)
        s->docs_first = (size_t)hello.docs;
    s->docs_theirs = (size_t)hello.docs;
    s->node = hello.node;
    s->their_nonce = hello.nonce;
    s->can = hello.can & CRDTI_CAN;
    s->frame_max = (size_t)crdti_max(
        CRDTI_FRAME_MIN, crdti_min(hello.frame_max, CRDTSYNC_MAX_FRAME));
    s->window = (size_t)crdti_max(
        CRDTI_FRAME_MIN, crdti_min(hello.window, CRDTSYNC_MAX_WINDOW));
    s->name_len = hello.name.len;
    crdti_copy(s->name, hello.name.ptr, hello.name.len);
    s->is_greeted = 1;
    if (!s->is_ordered)
        crdti_hear_echo(s, &hello, is_first, now);
}

/* Of what is under way they may have some; and when we were in doubt, they
 * lack the rest. */
CRDTI_FN crdt_err crdti_track_settle(crdti_session *s, crdti_track *track)
{
    crdt_err err = CRDT_OK;
    size_t i = track->flights_len;
    while (i-- > 0) {
        const crdti_flight *flight = &track->flights[i];
        if (flight->dot.seq ? crdt_vv_covers(&track->known, &flight->dot)
                            : crdti_vv_is_in(&flight->vv, &track->known))
            s->in_flight -= crdti_track_drop(track, i);
    }
    if (track->is_doubted && track->flights_len)
        s->in_flight -= crdti_track_rewind(track, &err);
    track->is_doubted = 0;
    return err;
}

/* Where nothing gets lost, this is all there is when nothing is under way,
 * even if it is less than we thought. Else it may be old. */
CRDTI_FN crdt_err crdti_track_hear(crdti_session *s, size_t number,
                                   const crdt_vv *vv, crdt_digest digest)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err = crdti_share_look(share);
    if (!err && !track->flights_len && (s->is_ordered || !track->is_known)) {
        err = crdt_vv_copy(&track->known, vv);
        if (!err)
            err = crdt_vv_copy(&track->sent, vv);
    }
    if (!err)
        err = crdti_track_learn(share, track, vv);
    if (!err && !s->is_ordered)
        err = crdti_track_settle(s, track);
    if (err)
        return err;
    crdti_share_compare(share, vv, digest);
    track->is_known = 1;
    track->pushed = 0;
    if (share->asked == s && crdti_vv_is_in(&track->known, &share->vv))
        share->asked = NULL;
    return CRDT_OK;
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
        track->wants_state |= asks & 1;
        err = crdti_track_hear(s, number, &vv, digest);
        if (err)
            crdti_reader_fail(r, err);
    }
    crdt_vv_free(&vv);
}

CRDTI_FN void crdti_hear_digest(crdti_session *s, crdti_reader *r)
{
    size_t number;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    uint64_t theirs = crdti_get_u64le(r), print;
    crdt_err err;
    crdti_get_end(r);
    if (r->err || !track)
        return;
    err = crdti_share_print(&s->shares->ptr[number], &print);
    if (!err && print != theirs)
        track->wants_state = track->state_asks = 1;
    else if (!err && !crdt_doc_uncommitted(s->shares->ptr[number].doc))
        err = crdti_track_equal(&s->shares->ptr[number], track);
    if (err)
        crdti_reader_fail(r, err);
}

CRDTI_FN void crdti_hear_have(crdti_session *s, crdti_reader *r)
{
    size_t number;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    crdt_err err = CRDT_OK;
    crdt_vv vv;
    crdti_vv_start(&vv, s->alloc);
    crdti_get_vv(r, &vv);
    crdti_get_end(r);
    if (!r->err && track)
        err = crdti_track_learn(&s->shares->ptr[number], track, &vv);
    if (err)
        crdti_reader_fail(r, err);
    crdt_vv_free(&vv);
}

CRDTI_FN void crdti_hear_presence(crdti_session *s, crdti_reader *r,
                                  uint64_t now)
{
    crdti_told_presence told;
    size_t number;
    crdt_err err;
    crdti_get_presence(r, &told);
    if (r->err || !s->presences || !crdti_track_find(s, told.doc, &number) ||
        crdti_id_equal(&told.origin, &s->self))
        return;
    err = crdti_presences_take(s->alloc, s->presences, number, &told, s->nonce,
                               now);
    if (err && err != CRDT_ERR_LIMIT) /* one that is not kept */
        crdti_reader_fail(r, err);
}

/* >>hearing: deltas ------------------------------------------------------- */

/* Refusals that the peer is not to blame for; others end the session. */
CRDTI_FN int crdti_is_forgivable(crdt_err err)
{
    return err == CRDT_ERR_CAUSAL || err == CRDT_ERR_SKEW ||
           err == CRDT_ERR_NOMEM || err == CRDT_ERR_FORK ||
           err == CRDT_ERR_LIMIT || err == CRDT_ERR_AGAIN ||
           err == CRDT_ERR_FORGOTTEN;
}

/* Answers a delta. An error ends the session. */
CRDTI_FN crdt_err crdti_track_answer(crdti_session *s, size_t number,
                                     uint64_t id, crdt_err result, int knew)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdt_err err = CRDT_OK;
    if (result) {
        share->refused++;
        share->alarms += result == CRDT_ERR_FORK;
        track->wants_state |= result == CRDT_ERR_CAUSAL;
    } else {
        share->joined++;
        if (id < CRDTI_CAST_ID)
            track->joined_id = id;
    }
    if (knew)
        err = crdti_track_prune(track);
    if (!err)
        err = crdti_say_answer(s, number, id,
                               knew ? CRDTI_KNEW : (uint64_t)result);
    return !result || crdti_is_forgivable(result) ? err : result;
}

/* Something came from whom we asked: there may be more. Or it was all. */
CRDTI_FN void crdti_share_hear(crdti_share *share, const crdti_session *s,
                               const crdti_track *track, uint64_t now)
{
    if (share->asked != s)
        return;
    share->asked_until = now + CRDTI_ASK_MS;
    if (track->is_known && !crdti_share_look(share) &&
        crdti_vv_is_in(&track->known, &share->vv))
        share->asked = NULL;
}

/* The delta was joined, which brought us so far: learns what that tells of the
 * peer, and answers. It was in vain when we had it all, and not from them. */
CRDTI_FN crdt_err crdti_track_joined(crdti_session *s, size_t number,
                                     const crdti_update *update,
                                     const crdti_reach *reach, uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    int knew = !reach->gain.news && (s->can & CRDTI_CAN_HAVE) &&
               !crdti_vv_is_in(&reach->top, &track->known);
    crdt_err err = crdti_track_learn(share, track, &reach->top);
    if (update->id < CRDTI_CAST_ID)
        track->heard = reach->trail;
    s->delta_bytes += update->delta.len;
    if (reach->gain.news)
        s->news_bytes +=
            update->delta.len * reach->gain.news / reach->gain.dots;
    if (reach->gain.news && update->how & CRDTI_LATE)
        crdti_track_graft(track);
    if (!err && track->is_lazy) /* the answer tells it */
        err = crdt_vv_merge(&track->announced, &reach->top);
    crdti_share_hear(share, s, track, now);
    return err ? err
               : crdti_track_answer(s, number, update->id, CRDT_OK, knew);
}

/* Whether the delta before this one is held back. */
CRDTI_FN int crdti_track_holds(const crdti_track *track, uint64_t id)
{
    size_t i;
    for (i = 0; i < track->held.len; i++)
        if (track->held.ptr[i].id == id)
            return 1;
    return 0;
}

/* Joins the delta and answers; *holds: it has to wait, and for what. An error
 * is one that ends the session. */
CRDTI_FN crdt_err crdti_track_join(crdti_session *s, size_t number,
                                   const crdti_update *update,
                                   crdt_dot *missing, int *holds, uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_share *share = &s->shares->ptr[number];
    crdti_reach reach;
    crdt_err result = CRDT_ERR_CAUSAL, err;
    size_t offset;
    crdti_zero(&reach, sizeof reach);
    crdti_vv_start(&reach.top, s->alloc);
    if (!(update->how & CRDTI_FOLLOWS) || track->joined_id == update->id - 1)
        result =
            crdti_payload_join(share->doc, update->delta, &offset, &reach);
    *missing = reach.gain.missing;
    *holds = result == CRDT_ERR_SKEW ||
             (result == CRDT_ERR_CAUSAL &&
              (!s->is_ordered || crdti_track_holds(track, update->id - 1)));
    if (!result)
        err = crdti_track_joined(s, number, update, &reach, now);
    else
        err = *holds ? CRDT_OK
                     : crdti_track_answer(s, number, update->id, result, 0);
    crdt_vv_free(&reach.top);
    return err;
}

/* Ends the wait of the i-th delta. */
CRDTI_FN void crdti_track_unhold(crdti_session *s, crdti_track *track,
                                 size_t i)
{
    s->held -= track->held.ptr[i].bytes.len;
    s->waiting--;
    crdt_buf_free(&track->held.ptr[i].bytes);
    for (track->held.len--; i < track->held.len; i++)
        track->held.ptr[i] = track->held.ptr[i + 1];
}

/* Has the delta wait. Over the limit one is dropped: it will be sent again. */
CRDTI_FN crdt_err crdti_track_hold(crdti_session *s, size_t number,
                                   const crdti_update *update,
                                   const crdt_dot *missing)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdti_held *held;
    crdti_writer w;
    crdt_err err = CRDT_OK;
    /* Where the order is kept, those behind it wait for it, and the peer for
     * an answer about them: then the latest goes. */
    while (!err && track->held.len && !s->is_ordered &&
           (track->held.len == CRDTI_HELD_MAX ||
            s->held + update->delta.len > CRDTSYNC_MAX_BUFFERED)) {
        uint64_t id = track->held.ptr[0].id;
        crdti_track_unhold(s, track, 0);
        err = crdti_track_answer(s, number, id, CRDT_ERR_AGAIN, 0);
    }
    if (err)
        return err;
    if (track->held.len == CRDTI_HELD_MAX ||
        s->held + update->delta.len > CRDTSYNC_MAX_BUFFERED)
        return crdti_track_answer(s, number, update->id, CRDT_ERR_AGAIN, 0);
    if (crdti_array_reserve(s->alloc, &track->held, 1))
        return CRDT_ERR_NOMEM;
    held = &track->held.ptr[track->held.len];
    crdti_zero(held, sizeof *held);
    crdti_buf_start(&held->bytes, s->alloc);
    crdti_writer_init(&w, &held->bytes);
    crdti_put_raw(&w, update->delta);
    if (w.err)
        return w.err;
    held->id = update->id;
    held->how = update->how;
    held->missing = *missing;
    track->held.len++;
    s->held += update->delta.len;
    s->waiting++;
    return CRDT_OK;
}

/* Tries the deltas that wait, until none of them can be joined. */
CRDTI_FN crdt_err crdti_track_retry(crdti_session *s, size_t number,
                                    uint64_t now)
{
    crdti_track *track = &s->tracks.ptr[number];
    crdt_doc *doc = s->shares->ptr[number].doc;
    size_t i = 0;
    crdt_err err = CRDT_OK;
    while (i < track->held.len && !err) {
        crdti_held *held = &track->held.ptr[i];
        crdti_update update;
        int holds = 1;
        uint32_t replica =
            held->missing.seq ? crdti_replica_find(doc, &held->missing.replica)
                              : doc->self;
        update.id = held->id;
        update.how = held->how;
        update.delta = crdt_buf_bytes(&held->bytes);
        if (replica != UINT32_MAX &&
            (!held->missing.seq ||
             doc->replicas.ptr[replica].seq >= held->missing.seq))
            err = crdti_track_join(s, number, &update, &held->missing, &holds,
                                   now);
        if (!err && !holds) /* else it has not been answered */
            crdti_track_unhold(s, track, i);
        i = holds ? i + 1 : 0;
    }
    track->held_changes = doc->changes;
    return err;
}

CRDTI_FN void crdti_hear_update(crdti_session *s, crdti_reader *r,
                                uint64_t now)
{
    crdti_update update;
    crdti_track *track;
    crdt_dot missing;
    size_t number = 0;
    int holds;
    crdt_err err;
    crdti_get_update(r, &update);
    track = r->err ? NULL : crdti_track_find(s, update.doc, &number);
    if (!track || crdti_track_holds(track, update.id))
        return;
    if (update.id < CRDTI_CAST_ID)
        track->heard_id = update.id;
    err = crdti_track_join(s, number, &update, &missing, &holds, now);
    if (!err && holds)
        err = crdti_track_hold(s, number, &update, &missing);
    else if (!err && track->held.len)
        err = crdti_track_retry(s, number, now);
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
    uint64_t before = share->doc->changes;
    int is_idle = track->pushed == before, knew = 0;
    size_t len = crdti_reader_left(&r);
    crdt_dot dot;
    if (track->joined_id == track->heard_id - 1)
        result = crdti_strokes_join(share->doc, &track->heard, &r);
    if (!result) {
        dot.replica = share->doc->replicas.ptr[track->heard.replica].id;
        dot.seq = track->heard.seq;
        knew = before == share->doc->changes && (s->can & CRDTI_CAN_HAVE) &&
               !crdt_vv_covers(&track->known, &dot);
        s->delta_bytes += len;
        s->news_bytes += before == share->doc->changes ? 0 : len;
        err = crdti_track_learn_dot(share, track, &dot);
        if (is_idle) /* this is nothing that the peer has not */
            track->pushed = share->doc->changes;
    }
    return err ? err
               : crdti_track_answer(s, number, track->heard_id, result, knew);
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
    if (track->held.len)
        err =
            crdti_track_answer(s, number, track->heard_id, CRDT_ERR_AGAIN, 0);
    else
        err = crdti_track_stroke(s, number, *r);
    if (err)
        crdti_reader_fail(r, err);
}

/* A delta was refused: when it is to be sent anew. What was behind it, where
 * that waits for it, is given up too. */
CRDTI_FN void crdti_track_refused(crdti_session *s, crdti_track *track,
                                  uint64_t result, uint64_t now)
{
    track->pushed = 0;
    track->is_chained = 0;
    while (!s->is_ordered && track->flights_len)
        s->in_flight -= crdti_track_drop(track, track->flights_len - 1);
    if (result == CRDT_ERR_AGAIN || result == CRDT_ERR_NOMEM)
        track->retry_at = now + CRDTI_RETRY_MS;
    else if (result == CRDT_ERR_FORGOTTEN)
        track->needs_all = 1;
    else if (result != CRDT_ERR_CAUSAL)
        track->retry_at = now + CRDTI_REFUSED_MS;
}

/* The flight lands: what it carried is there, or all is to be sent anew. */
CRDTI_FN crdt_err crdti_track_land(crdti_session *s, size_t number,
                                   size_t flight, uint64_t result,
                                   uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *landed;
    size_t size = crdti_track_drop(track, flight);
    crdt_err err = CRDT_OK;
    landed = &track->flights[track->flights_len];
    s->in_flight -= size;
    if (landed->said_at <= now)
        crdti_pace_hear(&s->pace, now - landed->said_at, size);
    if (result && result != CRDTI_KNEW)
        crdti_track_refused(s, track, result, now);
    else if (landed->dot.seq)
        err = crdti_track_learn_dot(share, track, &landed->dot);
    else
        err = crdti_track_learn(share, track, &landed->vv);
    if (result == CRDTI_KNEW && s->can & CRDTI_CAN_HAVE && !err)
        err = crdti_track_prune(track);
    else if (!result && landed->is_late)
        crdti_track_graft(track);
    if (track->flights_len || track->is_chained || err)
        return err;
    /* One was refused, maybe before others landed; or deltas do not follow
     * each other here. */
    track->pushed = 0;
    return crdt_vv_copy(&track->sent, &track->known);
}

CRDTI_FN void crdti_hear_answer(crdti_session *s, crdti_reader *r,
                                uint64_t now)
{
    size_t number = 0, i;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    uint64_t id = crdti_get_varint(r);
    uint64_t result = crdti_get_varint(r);
    crdt_err err;
    if (result != CRDTI_KNEW)
        result = crdti_min(result, CRDT_ERR_COUNT);
    crdti_get_end(r);
    if (r->err || !track)
        return;
    for (i = 0; i < track->flights_len; i++) {
        if (track->flights[i].id != id)
            continue;
        err = crdti_track_land(s, number, i, result, now);
        if (err)
            crdti_reader_fail(r, err);
        return;
    }
}

/* >>members ---------------------------------------------------------------- */

CRDTI_FN crdti_way crdti_session_way(const crdti_session *s)
{
    crdti_way way;
    crdti_zero(&way, sizeof way);
    way.nonce = s->nonce;
    way.is_ordered = s->is_ordered;
    way.wait_ms = s->roster_ms;
    return way;
}

CRDTI_FN void crdti_hear_roster(crdti_session *s, crdti_reader *r)
{
    size_t number = 0;
    crdti_track *track = crdti_track_find(s, crdti_get_varint(r), &number);
    crdti_way way = crdti_session_way(s);
    const crdti_member *peer;
    crdti_share *share;
    if (r->err || !track)
        return;
    share = &s->shares->ptr[number];
    crdti_gossip_hear(&share->roster, &track->gossip, &way, r);
    peer = crdti_roster_at_node(&share->roster, &s->node);
    if (!r->err && peer && crdti_track_learn(share, track, &peer->applied))
        crdti_reader_fail(r, CRDT_ERR_NOMEM);
}

/* One who keeps no table of members: then nobody can. */
CRDTI_FN crdt_err crdti_say_roster(crdti_session *s, size_t number,
                                   uint64_t now)
{
    crdti_roster *roster = &s->shares->ptr[number].roster;
    crdti_gossip *gossip = &s->tracks.ptr[number].gossip;
    crdti_way way = crdti_session_way(s);
    const crdti_member *peer;
    size_t start = s->out.len, empty;
    crdti_writer w;
    if (!(s->can & CRDTI_CAN_ROSTER)) {
        if (roster->members.len)
            crdti_roster_give_up(roster);
        return CRDT_OK;
    }
    peer = crdti_roster_at_node(roster, &s->node);
    way.is_known = peer && peer->from != s->nonce;
    crdti_writer_init(&w, &s->out);
    crdti_put_varint(&w, number);
    empty = s->out.len;
    crdti_gossip_say(roster, gossip, &way, s->room - CRDTI_GOSSIP_OVERHEAD,
                     now, &w);
    crdti_session_wake(s, crdti_gossip_wakes(roster, gossip, &way));
    if (!w.err && s->out.len > empty)
        return crdti_say(s, &w, CRDTI_ROSTER, start);
    s->out.len = start;
    return w.err;
}

/* >>receiving ------------------------------------------------------------- */

/* What came of our parcel. */
CRDTI_FN void crdti_hear_got(crdti_session *s, crdti_reader *r, uint64_t now)
{
    crdti_parcel *p = &s->parcel;
    uint64_t id = crdti_get_varint(r), end = crdti_get_varint(r);
    uint64_t got = crdti_ivset_count(&p->have);
    int whole = 0, is_timed = end == p->asked && !p->is_probe;
    size_t i, number = p->number;
    crdt_err err;
    if (r->err || id != p->id || !p->bytes.len)
        return;
    err = crdti_parcel_hear(s->alloc, p, r, end, &whole);
    if (err) {
        crdti_reader_fail(r, err);
        return;
    }
    got = crdti_ivset_count(&p->have) - got;
    if (is_timed)
        crdti_pace_hear(&s->pace, now - p->asked_at, (size_t)got);
    else if (got)
        s->pace.vain = 0;
    if (!whole)
        return;
    for (i = 0; p->update && i < s->tracks.ptr[number].flights_len; i++)
        if (s->tracks.ptr[number].flights[i].id == p->update)
            s->tracks.ptr[number].flights[i].said_at = now;
    crdti_parcel_clear(s->alloc, p);
}

CRDTI_FN crdt_err crdti_session_hear(crdti_session *s,
                                     const crdti_frame *frame, uint64_t now);

/* A piece of a message; with the last one that is heard. */
CRDTI_FN void crdti_hear_piece(crdti_session *s, crdti_reader *r, uint64_t now)
{
    crdti_parcel_piece piece;
    crdti_frame frame;
    size_t i;
    int whole = 0;
    crdt_err err;
    crdti_get_piece(r, &piece);
    if (r->err)
        return;
    for (i = 0; i < s->tracks.len; i++)
        if (s->shares->ptr[i].asked == s)
            s->shares->ptr[i].asked_until = now + CRDTI_ASK_MS;
    err = crdti_staging_take(s->alloc, &s->staging, &piece, &whole);
    if (!err && (piece.asks || whole))
        err = crdti_say_got(s, &piece);
    if (!err && whole) {
        frame.kind = s->staging.kind;
        frame.payload = crdt_buf_bytes(&s->staging.bytes);
        frame.size = frame.payload.len;
        err = crdti_session_hear(s, &frame, now);
        crdti_staging_clear(s->alloc, &s->staging);
    }
    if (err)
        crdti_reader_fail(r, err);
}

/* HELLO comes first; where it may come late, others are passed over. */
CRDTI_FN int crdti_is_welcome(crdti_session *s, uint8_t kind, uint64_t now,
                              crdt_err *err)
{
    *err = CRDT_OK;
    if (kind == CRDTI_HELLO || kind == CRDTI_BYE)
        return 1;
    if (s->is_greeted) {
        crdti_session_heard(s, now);
        return 1;
    }
    if (!s->is_ordered)
        return 0;
    s->complaint = "did not greet";
    *err = CRDT_ERR_CORRUPT;
    return 0;
}

CRDTI_FN crdt_err crdti_session_hear(crdti_session *s,
                                     const crdti_frame *frame, uint64_t now)
{
    crdti_reader r;
    crdt_err err;
    crdti_reader_init(&r, frame->payload);
    if (!crdti_is_welcome(s, frame->kind, now, &err))
        return err;
    switch (frame->kind) {
    case CRDTI_HELLO:
        crdti_hear_hello(s, &r, now);
        break;
    case CRDTI_DOCS:
        crdti_hear_docs(s, &r);
        break;
    case CRDTI_STATE:
        crdti_hear_state(s, &r);
        break;
    case CRDTI_DIGEST:
        crdti_hear_digest(s, &r);
        break;
    case CRDTI_UPDATE:
        crdti_hear_update(s, &r, now);
        break;
    case CRDTI_STROKES:
        crdti_hear_strokes(s, &r);
        break;
    case CRDTI_ANSWER:
        crdti_hear_answer(s, &r, now);
        break;
    case CRDTI_ROSTER:
        crdti_hear_roster(s, &r);
        break;
    case CRDTI_HAVE:
        crdti_hear_have(s, &r);
        break;
    case CRDTI_PIECE:
        crdti_hear_piece(s, &r, now);
        break;
    case CRDTI_GOT:
        crdti_hear_got(s, &r, now);
        break;
    case CRDTI_PRESENCE:
        crdti_hear_presence(s, &r, now);
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
        if (err && !s->is_ordered) { /* one more that is lost */
            *used = bytes.len;
            return CRDT_OK;
        }
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

#endif
