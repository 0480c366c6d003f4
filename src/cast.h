/*
 * Casting: what several peers lack alike goes to all of them as one message,
 * over a transport that reaches everyone at once (CRDT_BROADCAST).
 *
 *     b, c and d were sent a.1 to a.7; then a.8 is written:
 *
 *     a == UPDATE a.8 ==> b   ANSWER
 *                     ==> c            nothing came: it is sent anew, to c
 *                     ==> d   ANSWER
 *
 * In each track it is a flight as any other, so nothing has to be known of who
 * has heard it: who does not answer in time is told by himself. Its id is one
 * that no link uses, as all hear it, also those who were not meant: for these
 * it is no part of what they are told one after another.
 */
#ifndef CRDTI_CAST_H
#define CRDTI_CAST_H

#include "push.h"

#define CRDTI_CAST_TRIES 4

/* Whether the peer lacks something that could be cast: what it lacks since
 * `sent` (NULL: since anything). */
CRDTI_FN int crdti_cast_suits(const crdti_session *s, size_t number,
                              const crdt_vv *sent, uint64_t now)
{
    const crdti_track *track;
    if (!s->is_greeted || s->is_spare || s->out.len || number >= s->tracks.len)
        return 0;
    track = &s->tracks.ptr[number];
    return track->theirs != CRDTI_NO_DOC && !track->is_lazy &&
           !track->needs_all && now >= track->retry_at &&
           crdti_track_may_send(s, number) &&
           (!sent || crdt_vv_compare(&track->sent, sent) == CRDT_EQUAL);
}

/* The `out` of the session := one message, for all that suit. `certain`: what
 * each of them has. None, when it is longer than everyone takes at once. */
CRDTI_FN crdt_err crdti_cast_say(crdti_session *s, size_t number, uint64_t id,
                                 const crdt_vv *certain, size_t room)
{
    crdt_err err;
    s->tracks.ptr[number].is_chained = 0; /* it follows nothing, */
    err = crdti_track_draft(s, number, id, 0, certain);
    if (err || s->draft.len > crdti_min_size(CRDTI_FRAME_MIN, room))
        return err;
    return crdti_say_draft(s, CRDTI_UPDATE, CRDTI_FRAME_MIN);
}

/* It is under way to this peer too. On an error it is not: then it is sent
 * once more. */
CRDTI_FN void crdti_cast_depart(crdti_session *s, size_t number, uint64_t id,
                                size_t size, uint64_t now)
{
    crdti_share *share = &s->shares->ptr[number];
    crdti_track *track = &s->tracks.ptr[number];
    crdti_flight *flight = &track->flights[track->flights_len];
    if (crdt_vv_copy(&flight->vv, &share->vv) ||
        crdt_vv_merge(&track->sent, &share->vv))
        return;
    flight->dot.seq = 0;
    crdti_track_depart(s, number, id, size, 0, now);
    track->is_chained = 0; /* and nothing follows it */
}

#endif
