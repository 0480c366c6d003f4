/*
 * What a node does for a document between syncs: keeps its record in the
 * roster true, evicts who is silent, takes its part in full syncs, and forgets
 * what everyone has.
 *
 *     applied by all      stable: kill records and content up to there go
 *     floor of all        tombstones that were dead below it go (sweep.h)
 *
 * One sweeps when nobody's floor is below one's own. As all would leapfrog, who
 * has something to sweep only follows the others until it has.
 *
 * Silence is counted by the time that the node was awake (node.h): after a
 * long sleep the others have not been silent, we have been deaf.
 */
#ifndef CRDTI_TEND_H
#define CRDTI_TEND_H

#include "epoch.h"
#include "roster.h"
#include "sweep.h"
#include "truncate.h"

#define CRDTI_ROSTER_MS 10000u
#define CRDTI_FORGET_MIN 256u /* changes worth the walk over the document */
#define CRDTI_FORGET_QUIET 4u /* periods, after which any are */
#define CRDTI_FORGET_HOLD 16u /* periods that a sweep is waited for */

/* The settings of the node. */
typedef struct crdti_tend {
    uint32_t roster_ms, evict_ms;
    int forgets;
} crdti_tend;

/* >>forgetting ------------------------------------------------------------ */

/* Whether so much is stable that it is worth it, or it has been for long. */
CRDTI_FN int crdti_tend_is_worth(crdti_roster *r, const crdt_doc *doc,
                                 uint64_t stable, const crdti_tend *tend,
                                 uint64_t now)
{
    uint64_t known = crdti_vv_sum(&crdti_roster_self(r)->floor);
    uint64_t quiet = (uint64_t)tend->roster_ms * CRDTI_FORGET_QUIET;
    if (stable != r->stable) {
        r->stable = stable;
        r->stable_at = now;
    }
    if (stable <= known)
        return 0;
    return now - r->stable_at >= quiet ||
           stable - known >= crdti_max(CRDTI_FORGET_MIN,
                                       doc->ops.live / 4 + doc->rows.len / 4);
}

/* What died below the floor of everyone goes. AGAIN: not all are as far as we
 * are. LIMIT: a text has hardly any names left for that. */
CRDTI_FN crdt_err crdti_tend_sweep(crdti_roster *r, crdt_doc *doc,
                                   crdt_vv *cut)
{
    crdt_err err;
    if (!crdti_roster_has_floors(r))
        return CRDT_OK;
    err = crdti_roster_cut(r, 1, cut);
    if (err || crdti_vv_sum(cut) <= r->swept)
        return err;
    err = crdt_sweep(doc, cut);
    if (!err)
        r->swept = crdti_vv_sum(cut);
    return err == CRDT_ERR_AGAIN || err == CRDT_ERR_LIMIT ? CRDT_OK : err;
}

/* Whether the document may truncate further than any other has: if it is swept
 * up to where it is, or the others have not come there for long. */
CRDTI_FN int crdti_tend_may_lead(const crdti_roster *r, const crdt_doc *doc,
                                 const crdti_tend *tend, uint64_t now)
{
    return !doc->sequences ||
           r->swept >= crdti_vv_sum(&crdti_roster_self(r)->floor) ||
           now - r->led_at >= (uint64_t)tend->roster_ms * CRDTI_FORGET_HOLD;
}

/* Cuts down what is stable to what some member has truncated already. */
CRDTI_FN crdt_err crdti_tend_follow(const crdti_roster *r, crdt_vv *stable)
{
    crdt_vv ahead;
    size_t i;
    crdt_err err = CRDT_OK;
    crdti_zero(&ahead, sizeof ahead);
    ahead.alloc = r->alloc;
    for (i = 0; i < r->members.len && !err; i++)
        if (crdti_is_active(&r->members.ptr[i]))
            err = crdt_vv_merge(&ahead, &r->members.ptr[i].floor);
    crdti_vv_meet(stable, &ahead);
    crdt_vv_free(&ahead);
    return err;
}

/* Sweeps what is below all floors, and then forgets what is stable: on its own,
 * or as far as others have, so that all come to the same floor. */
CRDTI_FN crdt_err crdti_tend_forget(crdti_roster *r, crdt_doc *doc,
                                    const crdti_tend *tend, uint64_t now)
{
    crdt_vv cut;
    crdt_err err;
    int leads;
    crdti_zero(&cut, sizeof cut);
    cut.alloc = r->alloc;
    err = crdti_tend_sweep(r, doc, &cut);
    if (!err)
        err = crdti_roster_cut(r, 0, &cut);
    leads = !err &&
            crdti_tend_is_worth(r, doc, crdti_vv_sum(&cut), tend, now) &&
            crdti_tend_may_lead(r, doc, tend, now);
    if (leads)
        r->led_at = now;
    else if (!err)
        err = crdti_tend_follow(r, &cut);
    if (!err &&
        crdti_vv_sum(&cut) > crdti_vv_sum(&crdti_roster_self(r)->floor))
        err = crdt_truncate(doc, &cut);
    crdt_vv_free(&cut);
    return err == CRDT_ERR_AGAIN ? CRDT_OK : err;
}

/* >>members --------------------------------------------------------------- */

CRDTI_FN int crdti_tend_is_silent(const crdti_roster *r, size_t i, uint64_t ms)
{
    return i > 0 && crdti_is_active(&r->members.ptr[i]) &&
           r->awake_ms - r->members.ptr[i].heard_ms >= ms;
}

/* Evicts who has been silent, but only while we hear most of the members: of
 * two halves that do not hear each other at most one goes on without. Not all
 * fall silent at one moment, so half of the time is enough not to count. */
CRDTI_FN void crdti_tend_evict(crdti_roster *r, uint32_t evict_ms)
{
    size_t i, silent = 0;
    for (i = 1; i < r->members.len; i++)
        silent += (size_t)crdti_tend_is_silent(r, i, evict_ms / 2);
    if (!silent || 2 * silent >= crdti_roster_active(r))
        return;
    for (i = 1; i < r->members.len; i++)
        if (crdti_tend_is_silent(r, i, evict_ms))
            crdti_roster_evict(r, &r->members.ptr[i]);
}

/* Renews our record when it is no longer true, or to show that we live. */
CRDTI_FN crdt_err crdti_tend_renew(crdti_roster *r, const crdt_doc *doc,
                                   const crdti_tend *tend, uint64_t now)
{
    const crdti_member *self = crdti_roster_self(r);
    crdt_err err = crdti_roster_refresh(r, doc);
    if (!err &&
        (r->said !=
             crdti_vv_sum(&self->applied) + crdti_vv_sum(&self->floor) ||
         self->view != r->view ||
         (tend->evict_ms && now - r->renewed_at >= tend->evict_ms / 4))) {
        crdti_roster_renew(r, 0);
        r->renewed_at = now;
    }
    return err;
}

/* One that has left and writes again takes part again. */
CRDTI_FN int crdti_tend_is_in(crdti_roster *r, const crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    if (!crdti_is_active(self) &&
        doc->replicas.ptr[doc->self].seq >
            crdt_vv_get(&self->applied, &self->replica)) {
        self->status = CRDT_MEMBER_ACTIVE;
        crdti_roster_renew(r, 1);
    }
    return crdti_is_active(self);
}

/* >>all of it ------------------------------------------------------------- */

/* Every now and then, the oftener the better. `wait_ms` is until the next time
 * that our record may be renewed. NOMEM, FORK: the rest is done. */
CRDTI_FN crdt_err crdti_tend_roster(crdti_roster *r, crdt_doc *doc,
                                    const crdti_tend *tend, uint64_t wait_ms,
                                    uint64_t now)
{
    crdt_id id = crdt_doc_replica(doc);
    crdt_err err = CRDT_OK, other;
    if (!r->members.len)
        return CRDT_OK;
    if (!crdti_id_equal(&crdti_roster_self(r)->replica, &id))
        err = crdti_roster_reenter(r, doc);
    if (err || !crdti_tend_is_in(r, doc))
        return err;
    err = crdti_epoch_step(r, doc, now);
    if (now < r->renew_at)
        return err;
    r->renew_at = now + wait_ms;
    if (tend->evict_ms)
        crdti_tend_evict(r, tend->evict_ms);
    other = crdti_tend_renew(r, doc, tend, now);
    if (!other && tend->forgets && !crdti_roster_is_lost(r))
        other = crdti_tend_forget(r, doc, tend, now);
    return err ? err : other;
}

#endif
