/*
 * Relay without repetition: what a node learns goes on to its other peers at
 * once, but only over links that form a tree; the others are *lazy*.
 *
 *         a ===== b          a change of a goes to b and c, and from b to d.
 *         ||     ||          c and d tell each other that they have it, and
 *         c - - - d          neither sends it.
 *
 * A link becomes lazy, in both directions, when a delta comes over it that
 * holds nothing new and was not known to be there. Over a lazy link goes what
 * we have (HAVE), some changes at a time; a delta goes only when the peer still
 * lacks something after a while. If that is news to it, the tree was broken,
 * and the link is none of the lazy ones any more.
 *
 * (Plumtree: Leitao, Pereira, Rodrigues 2007)
 */
#ifndef CRDTI_RELAY_H
#define CRDTI_RELAY_H

#include "track.h"

#define CRDTI_HOLD_MS 150u    /* and the time that an answer may take, twice */
#define CRDTI_ANNOUNCE_MS 40u /* changes of so long are announced together */

/* Nothing can have been announced that the peer does not have or get. */
CRDTI_FN crdt_err crdti_track_prune(crdti_track *track)
{
    if (track->is_lazy)
        return CRDT_OK;
    track->is_lazy = 1;
    track->hold_until = track->announce_at = 0;
    return crdt_vv_copy(&track->announced, &track->sent);
}

CRDTI_FN void crdti_track_graft(crdti_track *track)
{
    track->is_lazy = 0;
}

/* Whether what the peer lacks is left to others for now: until it lacks
 * something that it lacked `hold_ms` before. */
CRDTI_FN int crdti_track_waits(const crdti_share *share, crdti_track *track,
                               uint64_t now, uint64_t hold_ms, crdt_err *err)
{
    *err = CRDT_OK;
    if (track->hold_until && now < track->hold_until)
        return 1;
    if (track->hold_until && !crdti_vv_is_in(&track->wanted, &track->sent)) {
        track->hold_until = 0;
        return 0;
    }
    *err = crdt_vv_copy(&track->wanted, &share->vv);
    track->hold_until = now + hold_ms;
    return 1;
}

/* Puts what is in `vv` and not in `told`, as a vector. */
CRDTI_FN void crdti_put_have(crdti_writer *w, const crdt_vv *vv,
                             const crdt_vv *told)
{
    size_t i, count = 0;
    for (i = 0; i < vv->len; i++)
        count += !crdt_vv_covers(told, &vv->entries[i]);
    crdti_put_varint(w, count);
    for (i = 0; i < vv->len; i++) {
        const crdt_dot *dot = &vv->entries[i];
        if (crdt_vv_covers(told, dot))
            continue;
        crdti_put_raw(w, crdt_bytes_of(dot->replica.b, 16));
        crdti_put_varint(w, dot->seq);
    }
}

#endif
