/*
 * What is known of one document: everywhere (share), and at one peer (track).
 *
 *     known    a.7  b.3           the peer has said that it has this
 *     sent     a.9  b.3           it will, when all that is under way arrives
 *     flights  #5 -> a.8          deltas that are not answered yet
 *              #6 -> a.9
 *     held     #4, misses b.4     deltas of the peer that wait here
 *
 * What goes out is Delta(sent). What the peer sends raises both vectors, so
 * nothing goes back to where it came from, and nothing goes where it is.
 */
#ifndef CRDTI_TRACK_H
#define CRDTI_TRACK_H

#include "array.h"
#include "doc.h"
#include "gossip.h"
#include "message.h"
#include "wire.h"

#define CRDTI_NO_DOC UINT64_MAX
#define CRDTI_RETRY_MS 1000u    /* after a refusal that may soon be over */
#define CRDTI_REFUSED_MS 30000u /* after one that will last */
#define CRDTI_HELD_MAX 64u      /* deltas of one track */

/* A document that the node shares, and what is known of it everywhere. */
typedef struct crdti_share {
    crdt_doc *doc;
    uint8_t name[CRDTSYNC_MAX_NAME];
    size_t name_len;
    crdt_shipping shipping;
    crdt_vv vv;    /* of the document, as of `changes` */
    crdt_vv acked; /* confirmed by some peer at some time */
    uint64_t changes;
    uint64_t joined, refused; /* deltas, from all peers */
    uint64_t alarms;
    crdti_roster roster;
    /* Who is to tell what we lack, and until when the others need not. */
    const void *asked;
    uint64_t asked_until;
} crdti_share;

/* A delta under way: when it is answered the peer has `vv`, or, with what it
 * had before, `dot`. */
typedef struct crdti_flight {
    uint64_t id;
    crdt_dot dot; /* seq 0: `vv` */
    crdt_vv vv;
    size_t size;      /* bytes of the message */
    uint64_t said_at; /* UINT64_MAX: not all pieces have come */
    int is_late;
} crdti_flight;

/* A delta that cannot be joined yet. */
typedef struct crdti_held {
    uint64_t id;
    uint8_t how;
    crdt_dot missing; /* seq 0: it waits for our clock, or the one before */
    crdt_buf bytes;
} crdti_held;

/* One document of a session. What each keystroke needs comes first. */
typedef struct crdti_track {
    uint64_t theirs;         /* its number there, or CRDTI_NO_DOC */
    uint64_t last_id;        /* of deltas sent */
    uint64_t pushed;         /* `changes` of the share when last looked at */
    uint64_t retry_at;       /* not before: after a refusal */
    uint64_t heard_id;       /* the last of theirs that came */
    uint64_t joined_id;      /* the last of theirs that was joined */
    crdti_trail told, heard; /* where the last delta ended, each way */
    crdt_vv known, sent;     /* of the peer */
    size_t flights_len;
    int is_lazy;     /* relay.h */
    int needs_all;   /* what we named was swept there: it is to get it all */
    int is_told;     /* it is in the list that we told */
    int is_chained;  /* the next delta may follow the last */
    int is_doubted;  /* a large delta is not answered: what do they have? */
    int is_known;    /* the peer has said what it has */
    int wants_state; /* the peer is to be told what we have, */
    int state_asks;  /* and to be asked the same */
    CRDTI_ARRAY(crdti_held) held;
    crdti_flight flights[CRDTSYNC_MAX_IN_FLIGHT];
    uint64_t held_changes; /* of the document when they were last tried */
    uint64_t print;        /* that we told, when `is_told`, */
    uint64_t their_print;  /* and they */
    uint64_t ask_at;       /* what the peer has, again */
    /* Of a lazy link: */
    crdt_vv announced;                /* the peer knows that we have it */
    crdt_vv wanted;                   /* what it lacked when the hold began */
    uint64_t announce_at, hold_until; /* 0: not begun */
    crdti_gossip gossip;              /* of the roster */
} crdti_track;

typedef CRDTI_ARRAY(crdti_share) crdti_shares;

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

/* >>shares ---------------------------------------------------------------- */

CRDTI_FN void crdti_share_init(crdti_share *share, const crdt_alloc *alloc,
                               crdt_doc *doc, crdt_bytes name)
{
    crdti_zero(share, sizeof *share);
    crdti_vv_start(&share->vv, alloc);
    crdti_vv_start(&share->acked, alloc);
    share->roster.alloc = alloc;
    share->doc = doc;
    share->name_len = name.len;
    crdti_copy(share->name, name.ptr, name.len);
}

CRDTI_FN void crdti_share_free(crdti_share *share)
{
    crdt_vv_free(&share->vv);
    crdt_vv_free(&share->acked);
    crdti_roster_free(&share->roster);
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

CRDTI_FN crdt_err crdti_share_print(crdti_share *share, uint64_t *print)
{
    crdt_err err = crdti_share_look(share);
    *print = crdti_print_of(&share->vv, crdt_doc_digest(share->doc));
    return err;
}

/* Some peer has the dot. Of replicas that we do not know that is hearsay. */
CRDTI_FN crdt_err crdti_share_confirm_dot(crdti_share *share,
                                          const crdt_dot *dot, size_t *place)
{
    if (!crdti_vv_is_at(&share->acked, *place, &dot->replica) &&
        crdti_replica_find(share->doc, &dot->replica) == UINT32_MAX)
        return CRDT_OK;
    return crdti_vv_raise(&share->acked, dot, place);
}

CRDTI_FN crdt_err crdti_share_confirm(crdti_share *share,
                                      const crdt_vv *theirs)
{
    size_t i, place = 0;
    crdt_err err = CRDT_OK;
    for (i = 0; i < theirs->len && !err; i++, place++)
        err = crdti_share_confirm_dot(share, &theirs->entries[i], &place);
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

/* >>tracks ---------------------------------------------------------------- */

CRDTI_FN void crdti_track_init(crdti_track *track, const crdt_alloc *alloc)
{
    size_t i;
    crdti_zero(track, sizeof *track);
    track->theirs = CRDTI_NO_DOC;
    crdti_vv_start(&track->known, alloc);
    crdti_vv_start(&track->sent, alloc);
    crdti_vv_start(&track->announced, alloc);
    crdti_vv_start(&track->wanted, alloc);
    crdti_buf_start(&track->gossip.out, alloc);
    crdti_buf_start(&track->gossip.in, alloc);
    for (i = 0; i < CRDTSYNC_MAX_IN_FLIGHT; i++)
        crdti_vv_start(&track->flights[i].vv, alloc);
}

CRDTI_FN void crdti_track_free(crdti_track *track, const crdt_alloc *alloc)
{
    size_t i;
    crdt_vv_free(&track->known);
    crdt_vv_free(&track->sent);
    crdt_vv_free(&track->announced);
    crdt_vv_free(&track->wanted);
    crdti_gossip_free(&track->gossip);
    for (i = 0; i < CRDTSYNC_MAX_IN_FLIGHT; i++)
        crdt_vv_free(&track->flights[i].vv);
    for (i = 0; i < track->held.len; i++)
        crdt_buf_free(&track->held.ptr[i].bytes);
    crdti_array_free(alloc, &track->held);
}

/* The peer has said that it has `vv`. */
CRDTI_FN crdt_err crdti_track_learn(crdti_share *share, crdti_track *track,
                                    const crdt_vv *vv)
{
    crdt_err err = crdt_vv_merge(&track->known, vv);
    if (!err)
        err = crdt_vv_merge(&track->sent, vv);
    return err ? err : crdti_share_confirm(share, vv);
}

/* The same of one dot more, with all before it of its replica. */
CRDTI_FN crdt_err crdti_track_learn_dot(crdti_share *share, crdti_track *track,
                                        const crdt_dot *dot)
{
    size_t place = 0;
    crdt_err err = crdti_vv_raise(&track->known, dot, &place);
    if (!err)
        err = crdti_vv_raise(&track->sent, dot, &place);
    return err ? err : crdti_share_confirm_dot(share, dot, &place);
}

/* The peer has all that we have. */
CRDTI_FN crdt_err crdti_track_equal(crdti_share *share, crdti_track *track)
{
    track->is_known = 1;
    return crdti_track_learn(share, track, &share->vv);
}

/* Takes the flight out, to behind the last; how many bytes are less under
 * way. */
CRDTI_FN size_t crdti_track_drop(crdti_track *track, size_t flight)
{
    crdti_flight landed;
    size_t i = flight;
    track->flights_len--;
    if (i == track->flights_len)
        return track->flights[i].size;
    landed = track->flights[flight];
    for (; i < track->flights_len; i++)
        track->flights[i] = track->flights[i + 1];
    track->flights[i] = landed; /* keeps its memory for the next */
    return landed.size;
}

/* Starts again from what the peer is known to have; how many bytes are less
 * under way. */
CRDTI_FN size_t crdti_track_rewind(crdti_track *track, crdt_err *err)
{
    size_t size = 0;
    while (track->flights_len)
        size += crdti_track_drop(track, track->flights_len - 1);
    track->pushed = 0;
    track->is_chained = track->is_doubted = 0;
    *err = crdt_vv_copy(&track->sent, &track->known);
    return size;
}

#endif
