/*
 * The roster: who takes part in a document, and what each of them has.
 *
 *     members   we     a    counter 7   active    applied  floor  pact
 *               b      b    counter 12  active    applied  floor  pact
 *               c      c    counter 3   evicted by a
 *
 * A member is one incarnation of one replica. Its record is written by itself
 * alone and numbered by a counter that only it raises, so the newest record
 * wins, whichever way it came. Others may say one thing of it, that it is
 * evicted, under the counter it had; when it hears that, it raises the counter
 * and is back. So joining two rosters is commutative, associative and
 * idempotent, like everything here. (Das et al. 2002, SWIM)
 *
 * What every active member has applied is *stable*: no one will ask for less.
 * Each record also names the *view*, the set of active members its writer
 * knew. When all name the same view, nobody knows of a member that another
 * does not; only then do their floors mean all floors.
 *
 * A node with a store keeps the table in it (keep.h): whoever is told that we
 * are a member, or what we have accepted, must find us so after a crash. Then
 * we are another incarnation; the one before has left, and what it promised is
 * ours. Numbers leap then, beyond all that may have been said and not stored.
 *
 * With more active members than CRDTSYNC_MAX_MEMBERS the table is given up,
 * here and by everyone who hears of it: then nothing is forgotten by itself.
 */
#ifndef CRDTI_ROSTER_H
#define CRDTI_ROSTER_H

#include "array.h"
#include "doc.h"
#include "truncate.h"
#include "vv.h"

/* Two that go by one id say so no oftener, or they would all the time. */
#define CRDTI_TWIN_MS 1000u
#define CRDTI_ROSTER_LEAP ((uint64_t)1 << 32) /* of numbers, in a restart */

/* An attempt at a full sync: the higher one wins. Number 0: none. */
typedef struct crdti_ballot {
    uint64_t number;
    crdt_id proposer;
} crdti_ballot;

/* What a member has said about full syncs: epoch.h. */
typedef struct crdti_pact {
    uint64_t epoch;      /* how many were committed */
    crdti_ballot ballot; /* the highest it takes part in, or did */
    uint8_t phase;       /* crdt_phase */
    uint8_t is_strict;
    uint32_t lease_ms;
    crdti_ballot accepted; /* in which it last accepted a cut: */
    crdt_vv cut;
    crdt_digest digest; /* of the document at the cut, if */
    uint8_t is_exact;   /* it was just there, */
    uint8_t is_done;    /* and whether this is the cut of `epoch` */
} crdti_pact;

typedef struct crdti_member {
    crdt_id replica, node;
    uint64_t counter;
    uint8_t status; /* crdt_member_status */
    crdt_id by;     /* who evicted it */
    uint64_t view;
    crdt_vv applied, floor;
    crdti_pact pact;
    /* Not told to others: */
    uint64_t stamp;    /* `changes` of the roster when this record came */
    uint64_t from;     /* the link that it came through */
    uint64_t heard_ms; /* `awake_ms` of the roster when it came */
} crdti_member;

typedef struct crdti_roster {
    const crdt_alloc *alloc;
    CRDTI_ARRAY(crdti_member) members; /* none, or we first */
    uint64_t changes;                  /* of records, ours included */
    uint64_t urgent;   /* up to this one they are to be told at once */
    uint64_t promises; /* changes that a crash must not undo */
    uint64_t view;
    int is_off;       /* given up */
    uint64_t twin_ms; /* when we had to say again that we are we */
    /* tend.h: */
    uint64_t awake_ms; /* of the node */
    uint64_t renewed_at, renew_at;
    uint64_t said; /* sum of the seqs in our record when it was renewed */
    uint64_t stable, stable_at; /* sum of seqs, and since when */
    uint64_t swept;             /* the same, of the floors */
    uint64_t led_at;            /* when we truncated as the first */
    /* epoch.h: */
    uint64_t lease_until;
    uint64_t wanted_until; /* the program's wish; 0: none */
    uint64_t wanted_seq;   /* our changes when it was made */
    int wants_strict;
    int is_adopted;       /* the cut that we propose is an older one */
    uint64_t stepped;     /* `changes` when last looked at */
    uint64_t compared;    /* digests, at the last commit */
    uint64_t alarms;      /* that they differed, */
    crdti_ballot alarmed; /* the last time there; */
    crdti_ballot judged;  /* and all had said what they have; */
    crdt_digest model;    /* what most had then (crdti_epoch_model) */
} crdti_roster;

/* >>making and ending ----------------------------------------------------- */

CRDTI_FN void crdti_member_init(crdti_member *member, const crdt_alloc *alloc)
{
    crdti_zero(member, sizeof *member);
    member->applied.alloc = member->floor.alloc = alloc;
    member->pact.cut.alloc = alloc;
}

CRDTI_FN void crdti_member_free(crdti_member *member)
{
    crdt_vv_free(&member->applied);
    crdt_vv_free(&member->floor);
    crdt_vv_free(&member->pact.cut);
}

CRDTI_FN void crdti_roster_free(crdti_roster *r)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        crdti_member_free(&r->members.ptr[i]);
    crdti_array_free(r->alloc, &r->members);
}

CRDTI_FN void crdti_roster_give_up(crdti_roster *r)
{
    crdti_roster_free(r);
    r->is_off = 1;
    r->urgent = ++r->changes;
    r->promises++;
}

/* >>reading --------------------------------------------------------------- */

CRDTI_FN crdti_member *crdti_roster_self(const crdti_roster *r)
{
    return r->members.ptr;
}

CRDTI_FN crdti_member *crdti_roster_find(const crdti_roster *r,
                                         const crdt_id *replica)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        if (crdti_id_equal(&r->members.ptr[i].replica, replica))
            return &r->members.ptr[i];
    return NULL;
}

CRDTI_FN int crdti_is_active(const crdti_member *member)
{
    return member->status == CRDT_MEMBER_ACTIVE;
}

CRDTI_FN size_t crdti_roster_active(const crdti_roster *r)
{
    size_t i, active = 0;
    for (i = 0; i < r->members.len; i++)
        active += (size_t)crdti_is_active(&r->members.ptr[i]);
    return active;
}

/* The member at that node, or NULL: one that is active, or has left, which
 * goes on listening as long as it likes. */
CRDTI_FN const crdti_member *crdti_roster_at_node(const crdti_roster *r,
                                                  const crdt_id *node)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        if (r->members.ptr[i].status != CRDT_MEMBER_EVICTED &&
            crdti_id_equal(&r->members.ptr[i].node, node))
            return &r->members.ptr[i];
    return NULL;
}

/* A number for the whole table: equal ones, equal tables. */
CRDTI_FN uint64_t crdti_roster_hash(const crdti_roster *r)
{
    uint64_t hash = 0;
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        hash += crdti_hash(member->replica.b, 16,
                           crdti_mix(member->counter ^ CRDTI_HASH_1,
                                     member->status ^ CRDTI_HASH_2) ^
                               crdti_load64(member->node.b));
    }
    return hash;
}

CRDTI_FN void crdti_roster_look_around(crdti_roster *r)
{
    size_t i;
    r->view = 0;
    for (i = 0; i < r->members.len; i++)
        if (crdti_is_active(&r->members.ptr[i]))
            r->view += crdti_hash(r->members.ptr[i].replica.b, 16, 0);
}

/* Whether all active members know of the same ones. */
CRDTI_FN int crdti_roster_agrees(const crdti_roster *r)
{
    size_t i;
    for (i = 0; i < r->members.len; i++)
        if (crdti_is_active(&r->members.ptr[i]) &&
            r->members.ptr[i].view != r->view)
            return 0;
    return r->members.len > 0;
}

/* Whether we know nobody, and yet have what others wrote: who has lost the
 * table in a restart, say. Then we are not all there is. */
CRDTI_FN int crdti_roster_is_lost(const crdti_roster *r)
{
    const crdti_member *self = crdti_roster_self(r);
    return r->members.len == 1 && self->applied.len > 0 &&
           (self->applied.len > 1 ||
            !crdt_vv_get(&self->applied, &self->replica));
}

/* >>cuts ------------------------------------------------------------------ */

/* out := what all active members have applied, or, with `floor`, have as their
 * floor; of us that is as our record says. */
CRDTI_FN crdt_err crdti_roster_cut(const crdti_roster *r, int floor,
                                   crdt_vv *out)
{
    const crdti_member *self = crdti_roster_self(r);
    size_t i;
    crdt_err err;
    if (!self)
        return CRDT_ERR_LIMIT;
    err = crdt_vv_copy(out, floor ? &self->floor : &self->applied);
    for (i = 1; i < r->members.len && !err; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (crdti_is_active(member) && CRDTI_RULE(ALL_HAVE_IT))
            crdti_vv_meet(out, floor ? &member->floor : &member->applied);
    }
    return err;
}

/* Whether the floors are those of all, and nothing is under way that was
 * written before they were what they are. */
CRDTI_FN int crdti_roster_has_floors(const crdti_roster *r)
{
    const crdti_member *self = crdti_roster_self(r);
    size_t i;
    if (!crdti_roster_agrees(r))
        return 0;
    for (i = 1; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (crdti_is_active(member) &&
            crdt_vv_get(&self->applied, &member->replica) <
                crdt_vv_get(&member->applied, &member->replica))
            return 0;
    }
    return 1;
}

/* >>changing -------------------------------------------------------------- */

CRDTI_FN void crdti_roster_touch(crdti_roster *r, crdti_member *member,
                                 uint64_t from)
{
    member->stamp = ++r->changes;
    member->from = from;
    crdti_roster_look_around(r);
}

/* Our record as the document is now. NOMEM: it may be half so. */
CRDTI_FN crdt_err crdti_roster_refresh(crdti_roster *r, const crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    crdt_err err = crdt_doc_vv(doc, &self->applied);
    return err ? err : crdt_doc_floor(doc, &self->floor);
}

/* Our record says something new. */
CRDTI_FN void crdti_roster_renew(crdti_roster *r, int is_urgent)
{
    crdti_member *self = crdti_roster_self(r);
    self->counter++;
    crdti_roster_touch(r, self, 0);
    self->view = r->view;
    r->said = crdti_vv_sum(&self->applied) + crdti_vv_sum(&self->floor);
    if (!is_urgent)
        return;
    r->urgent = r->changes;
    r->promises++;
}

/* Room for one more. One that is gone makes place; when it comes back as if
 * nothing had been, it has to be evicted once more, and that is all. */
CRDTI_FN crdt_err crdti_roster_reserve(crdti_roster *r)
{
    size_t i;
    if (r->members.len < CRDTSYNC_MAX_MEMBERS)
        return crdti_array_reserve(r->alloc, &r->members, 1);
    for (i = 1; i < r->members.len; i++) {
        if (crdti_is_active(&r->members.ptr[i]))
            continue;
        crdti_member_free(&r->members.ptr[i]);
        r->members.ptr[i] = r->members.ptr[--r->members.len];
        return CRDT_OK;
    }
    return CRDT_ERR_LIMIT;
}

/* Of two records of one member, whether a is the newer. With equal counters
 * one of them was written before a restart without memory. */
CRDTI_FN int crdti_member_beats(const crdti_member *a, const crdti_member *b)
{
    int order;
    if (a->counter != b->counter)
        return a->counter > b->counter;
    if (a->status != b->status)
        return a->status > b->status;
    order = crdti_id_order(&a->node, &b->node);
    return order ? order > 0 : crdti_id_order(&a->by, &b->by) > 0;
}

CRDTI_FN int crdti_ballot_order(const crdti_ballot *a, const crdti_ballot *b)
{
    if (a->number != b->number)
        return a->number > b->number ? 1 : -1;
    return crdti_id_order(&a->proposer, &b->proposer);
}

/* Somebody has a record of ours. One that is newer is from before we lost our
 * memory: what we promised then still holds. */
CRDTI_FN void crdti_roster_hear_self(crdti_roster *r, crdti_member *heard)
{
    crdti_member *self = crdti_roster_self(r);
    int forgot = heard->counter > self->counter;
    if (!crdti_is_active(self) || !CRDTI_RULE(EVICTED_RETURN) ||
        (!crdti_member_beats(heard, self) &&
         (heard->counter < self->counter ||
          crdti_id_equal(&heard->node, &self->node))))
        return;
    self->counter = heard->counter;
    if (forgot &&
        (heard->pact.epoch > self->pact.epoch ||
         crdti_ballot_order(&heard->pact.ballot, &self->pact.ballot) > 0)) {
        crdti_pact pact = self->pact;
        self->pact = heard->pact;
        self->pact.phase = CRDT_PHASE_WORK;
        heard->pact = pact;
    }
    crdti_roster_renew(r, !r->twin_ms ||
                              r->awake_ms - r->twin_ms >= CRDTI_TWIN_MS);
    r->twin_ms = r->awake_ms + 1;
}

/* Whether others wait for what is new in the record. */
CRDTI_FN int crdti_member_is_pressing(const crdti_member *now,
                                      const crdti_member *before)
{
    const crdti_pact *a = &now->pact, *b = &before->pact;
    return now->status != before->status || a->phase != b->phase ||
           a->epoch != b->epoch || (a->phase && now->view != before->view) ||
           crdti_ballot_order(&a->ballot, &b->ballot) ||
           crdti_ballot_order(&a->accepted, &b->accepted);
}

/* A record has come; what it holds is taken out of it, or freed with it.
 * NOMEM: nothing has changed. */
CRDTI_FN crdt_err crdti_roster_join(crdti_roster *r, crdti_member *heard,
                                    uint64_t from)
{
    crdti_member *member = crdti_roster_find(r, &heard->replica), old;
    crdt_err err;
    if (!r->members.len)
        return CRDT_OK;
    if (member && member == crdti_roster_self(r)) {
        crdti_roster_hear_self(r, heard);
        return CRDT_OK;
    }
    if (member && !crdti_member_beats(heard, member))
        return CRDT_OK;
    if (!member) {
        err = crdti_roster_reserve(r);
        if (err == CRDT_ERR_LIMIT)
            crdti_roster_give_up(r);
        if (err)
            return err == CRDT_ERR_LIMIT ? CRDT_OK : err;
        member = &r->members.ptr[r->members.len++];
        crdti_member_init(member, r->alloc);
    }
    old = *member;
    *member = *heard;
    *heard = old;
    member->heard_ms = r->awake_ms;
    crdti_roster_touch(r, member, from);
    if (crdti_member_is_pressing(member, &old))
        r->urgent = r->changes;
    r->promises += !old.counter || member->status != old.status;
    return CRDT_OK;
}

/* Evicts it. It may well come back. */
CRDTI_FN void crdti_roster_evict(crdti_roster *r, crdti_member *member)
{
    member->status = CRDT_MEMBER_EVICTED;
    member->by = crdti_roster_self(r)->replica;
    crdti_roster_touch(r, member, 0);
    r->urgent = r->changes;
    r->promises++;
}

/* We take part from now on, under the document's replica id. NOMEM, LIMIT:
 * nothing has changed. */
CRDTI_FN crdt_err crdti_roster_enter(crdti_roster *r, const crdt_doc *doc,
                                     const crdt_id *node)
{
    crdti_member self;
    crdt_err err = crdti_roster_reserve(r);
    crdti_member_init(&self, r->alloc);
    if (!err)
        err = crdt_doc_vv(doc, &self.applied);
    if (!err)
        err = crdt_doc_floor(doc, &self.floor);
    if (err) {
        crdti_member_free(&self);
        return err;
    }
    self.replica = crdt_doc_replica(doc);
    self.node = *node;
    crdti_move(r->members.ptr + 1, r->members.ptr,
               r->members.len++ * sizeof self);
    r->members.ptr[0] = self;
    crdti_roster_renew(r, 0);
    r->promises++;
    return CRDT_OK;
}

/* That incarnation of ours writes no more, and what it promised is ours now. */
CRDTI_FN void crdti_roster_inherit(crdti_roster *r, crdti_member *old)
{
    crdti_member *self = crdti_roster_self(r);
    crdti_pact pact = self->pact;
    self->pact = old->pact;
    old->pact = pact;
    old->status = CRDT_MEMBER_LEFT;
    crdt_vv_clear(&old->applied);
    crdt_vv_clear(&old->floor);
}

/* The first record of the table that we had before a restart: who we were. */
CRDTI_FN void crdti_roster_recall(crdti_roster *r, crdti_member *was)
{
    was->counter += CRDTI_ROSTER_LEAP;
    was->pact.phase = CRDT_PHASE_WORK;
    if (r->members.len &&
        !crdti_id_equal(&was->replica, &crdti_roster_self(r)->replica))
        crdti_roster_inherit(r, was);
}

/* The document has a new replica id: the old one writes no more. */
CRDTI_FN crdt_err crdti_roster_reenter(crdti_roster *r, const crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    crdt_id node = self->node, id = crdt_doc_replica(doc);
    crdti_member *known = crdti_roster_find(r, &id);
    crdt_err err = known ? CRDT_ERR_FORK : crdti_roster_enter(r, doc, &node);
    if (err)
        return err;
    crdti_roster_inherit(r, &r->members.ptr[1]);
    r->members.ptr[1].counter++;
    r->wanted_seq = 0; /* that of another */
    crdti_roster_touch(r, &r->members.ptr[1], 0);
    crdti_roster_renew(r, 1);
    return CRDT_OK;
}

#endif
