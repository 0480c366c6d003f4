/*
 * Full syncs: all members agree on a cut that each of them has, compare their
 * documents there, and begin a new epoch.
 *
 *     WORK -> SYNC    answered: here is what I have
 *          -> READY   I have all of the cut; the digest there is this
 *          -> WORK    all have: the epoch is committed. Or the lease is over
 *
 * Nobody sends requests. What a member says stands in its record (roster.h),
 * which is gossiped, so it gets through in any topology and over any loss; and
 * each member steps by what it sees in the records of the others:
 *
 *     ballot    (number, proposer). The highest that anyone is in draws all
 *     cut       told by the proposer in its record, when all active members
 *               have answered it: the join of what they have; or the cut that
 *               one of them has accepted already, of the highest ballot
 *     accept    having applied the cut, which then is never disowned
 *     commit    all active members have accepted that ballot, and all name
 *               the same view of who is active; whoever sees that knows it,
 *               and who sees only that another knows it takes its word
 *
 * That is Paxos with every active member as quorum (Lamport 1998): two cuts
 * can be committed for one epoch only by two groups without a common member,
 * each of which has evicted the other. Even then nothing is lost: a commit
 * only permits to forget what everyone who took part has. Of two such cuts the
 * one of the higher ballot becomes that of all.
 *
 * Digests are those of members that were just at the cut when they accepted
 * it; who had written meanwhile has none to show. In the strict form nobody
 * writes meanwhile (CRDT_ERR_FROZEN), until commit, abort, or the lease ends.
 */
#ifndef CRDTI_EPOCH_H
#define CRDTI_EPOCH_H

#include "audit.h"
#include "message.h"
#include "roster.h"
#include "sequence.h"
#include "truncate.h"

#define CRDTI_LEASE_MS 10000u

CRDTI_FN int crdti_ballot_equal(const crdti_ballot *a, const crdti_ballot *b)
{
    return crdti_ballot_order(a, b) == 0;
}

/* What is typed goes the long way then, where that is asked. */
CRDTI_FN void crdti_doc_freeze(crdt_doc *doc)
{
    if (doc->typing)
        crdti_typing_end(doc);
    doc->is_frozen = 1;
}

/* >>our steps ------------------------------------------------------------- */

CRDTI_FN void crdti_epoch_enter(crdti_roster *r, crdt_doc *doc,
                                const crdti_ballot *ballot, int is_strict,
                                uint32_t lease_ms, uint64_t now)
{
    crdti_pact *pact = &crdti_roster_self(r)->pact;
    if (pact->phase == CRDT_PHASE_WORK)
        r->lease_until = now + lease_ms;
    pact->ballot = *ballot;
    pact->is_strict = is_strict != 0;
    pact->lease_ms = lease_ms;
    pact->phase = CRDT_PHASE_SYNC;
    r->is_adopted = 0;
    if (is_strict && CRDTI_RULE(STRICT_FREEZES))
        crdti_doc_freeze(doc);
    crdti_roster_renew(r, 1);
}

CRDTI_FN void crdti_epoch_thaw(crdti_roster *r, crdt_doc *doc)
{
    crdti_roster_self(r)->pact.phase = CRDT_PHASE_WORK;
    doc->is_frozen = 0;
    crdti_roster_renew(r, 1);
}

CRDTI_FN void crdti_epoch_propose(crdti_roster *r, crdt_doc *doc,
                                  int is_strict, uint64_t until, uint64_t now)
{
    crdti_ballot ballot;
    size_t i;
    ballot.proposer = crdti_roster_self(r)->replica;
    ballot.number = 0;
    for (i = 0; i < r->members.len; i++)
        ballot.number =
            crdti_max(ballot.number, r->members.ptr[i].pact.ballot.number);
    if (ballot.number++ < CRDTSYNC_MAX_SEQ)
        crdti_epoch_enter(r, doc, &ballot, is_strict,
                          (uint32_t)crdti_min(until - now, UINT32_MAX), now);
}

/* The epoch is over: what the cut covers need not be remembered. That may
 * fail, and is then done by and by (tend.h). */
CRDTI_FN void crdti_epoch_end(crdti_roster *r, crdt_doc *doc)
{
    crdti_member *self = crdti_roster_self(r);
    if (crdt_vv_get(&self->pact.cut, &self->replica) >= r->wanted_seq &&
        !r->is_adopted)
        r->wanted_until = 0;
    r->is_adopted = 0;
    if (self->pact.is_done && !crdt_truncate(doc, &self->pact.cut))
        (void)crdt_doc_floor(doc, &self->floor);
    crdti_epoch_thaw(r, doc);
}

/* >>what we see of others ------------------------------------------------- */

/* Another has seen a commit that we have not. NOMEM. */
CRDTI_FN crdt_err crdti_epoch_learn(crdti_roster *r, crdt_doc *doc,
                                    const crdti_member *from)
{
    crdti_pact *pact = &crdti_roster_self(r)->pact;
    crdt_err err = CRDT_OK;
    if (from->pact.is_done)
        err = crdt_vv_copy(&pact->cut, &from->pact.cut);
    if (err)
        return err;
    pact->epoch = from->pact.epoch;
    pact->is_exact = 0;
    pact->is_done = from->pact.is_done;
    pact->accepted = from->pact.accepted;
    if (!pact->is_done) {
        pact->accepted.number = 0;
        pact->cut.len = 0;
    }
    crdti_epoch_end(r, doc);
    return CRDT_OK;
}

/* Of an epoch that was committed more than once, by the same cut or in groups
 * that had evicted each other, the highest ballot counts. */
CRDTI_FN int crdti_epoch_is_news(const crdti_pact *own, const crdti_pact *pact)
{
    if (pact->epoch != own->epoch)
        return pact->epoch > own->epoch;
    return pact->is_done && !own->phase &&
           (own->is_done
                ? crdti_ballot_order(&pact->accepted, &own->accepted) > 0
                : !own->accepted.number);
}

CRDTI_FN crdt_err crdti_epoch_learn_all(crdti_roster *r, crdt_doc *doc)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    crdt_err err = CRDT_OK;
    for (i = 1; i < r->members.len && !err; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_epoch_is_news(own, pact))
            err = crdti_epoch_learn(r, doc, &r->members.ptr[i]);
    }
    return err;
}

/* Whether that ballot is over for someone: then it is for all. */
CRDTI_FN int crdti_epoch_is_over(const crdti_roster *r,
                                 const crdti_ballot *ballot)
{
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_is_active(&r->members.ptr[i]) &&
            pact->phase == CRDT_PHASE_WORK &&
            crdti_ballot_equal(&pact->ballot, ballot))
            return 1;
    }
    return 0;
}

/* Joins the highest ballot. */
CRDTI_FN void crdti_epoch_join(crdti_roster *r, crdt_doc *doc, uint64_t now)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact, *best = own;
    size_t i;
    for (i = 1; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_is_active(&r->members.ptr[i]) && pact->phase &&
            pact->epoch == own->epoch &&
            crdti_ballot_order(&pact->ballot, &best->ballot) > 0 &&
            !crdti_epoch_is_over(r, &pact->ballot))
            best = pact;
    }
    if (best != own && !(best->is_strict && crdt_doc_uncommitted(doc)))
        crdti_epoch_enter(r, doc, &best->ballot, best->is_strict,
                          best->lease_ms, now);
}

/* >>the cut --------------------------------------------------------------- */

/* Whether all active members are in our ballot, and agree who they are. */
CRDTI_FN int crdti_epoch_is_answered(const crdti_roster *r)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_is_active(&r->members.ptr[i]) &&
            (!pact->phase || pact->epoch != own->epoch ||
             !crdti_ballot_equal(&pact->ballot, &own->ballot)))
            return 0;
    }
    return crdti_roster_agrees(r);
}

/* Whether a cut for the next epoch was accepted there, maybe by all. */
CRDTI_FN int crdti_epoch_has_accepted(const crdti_roster *r,
                                      const crdti_member *member)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    return crdti_is_active(member) && member->pact.epoch == own->epoch &&
           member->pact.accepted.number && !member->pact.is_done;
}

/* Whether it has said what it has at the cut of that ballot. */
CRDTI_FN int crdti_epoch_is_witness(const crdti_member *member,
                                    const crdti_ballot *ballot)
{
    return crdti_is_active(member) && member->pact.is_exact &&
           crdti_ballot_equal(&member->pact.accepted, ballot);
}

/* How many had that document there. */
CRDTI_FN size_t crdti_epoch_alike(const crdti_roster *r,
                                  const crdti_ballot *ballot,
                                  crdt_digest digest)
{
    size_t i, alike = 0;
    for (i = 0; i < r->members.len; i++)
        alike += (size_t)(crdti_epoch_is_witness(&r->members.ptr[i], ballot) &&
                          crdti_digest_equal(r->members.ptr[i].pact.digest,
                                             digest));
    return alike;
}

/* Of those who accepted that ballot the one whose document most had; where as
 * many had another, the least replica. Or NULL. */
CRDTI_FN const crdti_member *crdti_epoch_model(const crdti_roster *r,
                                               const crdti_ballot *ballot)
{
    const crdti_member *best = NULL;
    size_t i, alike, most = 0;
    for (i = 0; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (!crdti_epoch_is_witness(member, ballot))
            continue;
        alike = crdti_epoch_alike(r, ballot, member->pact.digest);
        if (best && (alike < most ||
                     (alike == most &&
                      crdti_id_order(&member->replica, &best->replica) > 0)))
            continue;
        best = member;
        most = alike;
    }
    return best;
}

/* Whether its document was another than that, when we compared: who has left
 * since then does not make another one odd. */
CRDTI_FN int crdti_epoch_is_odd(const crdti_roster *r,
                                const crdti_member *member)
{
    const crdti_ballot *ballot = &crdti_roster_self(r)->pact.accepted;
    return ballot->number && crdti_ballot_equal(ballot, &r->judged) &&
           crdti_epoch_is_witness(member, ballot) &&
           !crdti_digest_equal(r->model, member->pact.digest);
}

/* Whether two who accepted that ballot had unequal documents there. */
CRDTI_FN int crdti_epoch_differs(const crdti_roster *r,
                                 const crdti_ballot *ballot)
{
    const crdti_pact *first = NULL;
    size_t i;
    for (i = 0; i < r->members.len; i++) {
        const crdti_member *member = &r->members.ptr[i];
        if (!crdti_epoch_is_witness(member, ballot))
            continue;
        if (first && !crdti_digest_equal(first->digest, member->pact.digest))
            return 1;
        first = &member->pact;
    }
    return 0;
}

/* The cut that we have to propose again, as it may have been committed
 * already; or NULL: then a new one. */
CRDTI_FN const crdti_pact *crdti_epoch_bound(const crdti_roster *r)
{
    const crdti_pact *best = NULL;
    size_t i;
    for (i = 0; i < r->members.len && CRDTI_RULE(CUT_IS_KEPT); i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (crdti_epoch_has_accepted(r, &r->members.ptr[i]) &&
            (!best ||
             crdti_ballot_order(&pact->accepted, &best->accepted) > 0) &&
            !crdti_epoch_differs(r, &pact->accepted))
            best = pact;
    }
    return best;
}

/* out := what all active members have, together. NOMEM. */
CRDTI_FN crdt_err crdti_epoch_cut(const crdti_roster *r, crdt_vv *out)
{
    const crdti_pact *bound = crdti_epoch_bound(r);
    size_t i;
    crdt_err err = CRDT_OK;
    if (bound)
        return crdt_vv_copy(out, &bound->cut);
    for (i = 0; i < r->members.len && !err; i++)
        if (crdti_is_active(&r->members.ptr[i]))
            err = crdt_vv_merge(out, &r->members.ptr[i].applied);
    return err;
}

/* If we have all of the cut, we accept it, and say what we have there. */
CRDTI_FN crdt_err crdti_epoch_accept(crdti_roster *r, crdt_doc *doc,
                                     const crdt_vv *cut)
{
    crdti_member *self = crdti_roster_self(r);
    crdti_pact *pact = &self->pact;
    crdt_err err;
    if (!crdti_vv_is_in(cut, &self->applied) && CRDTI_RULE(CUT_IS_THERE))
        return CRDT_OK;
    err = crdt_vv_copy(&pact->cut, cut);
    if (err)
        return err;
    pact->accepted = pact->ballot;
    pact->is_done = 0;
    pact->is_exact = !crdt_doc_uncommitted(doc) &&
                     crdt_vv_compare(&self->applied, cut) == CRDT_EQUAL;
    pact->digest = crdti_audit(doc);
    pact->phase = CRDT_PHASE_READY;
    crdti_roster_renew(r, 1);
    return CRDT_OK;
}

/* The proposer's part of SYNC. */
CRDTI_FN crdt_err crdti_epoch_lead(crdti_roster *r, crdt_doc *doc)
{
    crdt_vv cut;
    crdt_err err;
    int is_bound = crdti_epoch_bound(r) != NULL;
    if (!crdti_epoch_is_answered(r))
        return CRDT_OK;
    crdti_zero(&cut, sizeof cut);
    cut.alloc = r->alloc;
    err = crdti_epoch_cut(r, &cut);
    if (!err)
        err = crdti_epoch_accept(r, doc, &cut);
    if (!err)
        r->is_adopted = is_bound;
    crdt_vv_free(&cut);
    return err;
}

/* The proposer is gone: the least of those who are there takes over. */
CRDTI_FN void crdti_epoch_succeed(crdti_roster *r, crdt_doc *doc, uint64_t now)
{
    const crdti_member *self = crdti_roster_self(r);
    size_t i;
    for (i = 1; i < r->members.len; i++)
        if (crdti_is_active(&r->members.ptr[i]) &&
            crdti_id_order(&r->members.ptr[i].replica, &self->replica) < 0)
            return;
    crdti_epoch_propose(r, doc, self->pact.is_strict, r->lease_until, now);
}

/* The part of the others. */
CRDTI_FN crdt_err crdti_epoch_follow(crdti_roster *r, crdt_doc *doc,
                                     uint64_t now)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    const crdti_member *leader = crdti_roster_find(r, &own->ballot.proposer);
    int is_told = leader && leader->pact.epoch == own->epoch &&
                  crdti_ballot_equal(&leader->pact.accepted, &own->ballot);
    if (leader && crdti_is_active(leader) &&
        leader->pact.phase == CRDT_PHASE_WORK &&
        crdti_ballot_order(&leader->pact.ballot, &own->ballot) >= 0)
        crdti_epoch_thaw(r, doc);
    else if (is_told && own->phase == CRDT_PHASE_SYNC)
        return crdti_epoch_accept(r, doc, &leader->pact.cut);
    else if (!is_told && leader && !crdti_is_active(leader))
        crdti_epoch_succeed(r, doc, now);
    return CRDT_OK;
}

/* >>commit ---------------------------------------------------------------- */

/* Whether all have accepted the ballot that we accepted last, and how many of
 * them with a digest. */
CRDTI_FN int crdti_epoch_is_accepted(const crdti_roster *r, uint64_t *exact)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    *exact = 0;
    for (i = 0; i < r->members.len; i++) {
        const crdti_pact *pact = &r->members.ptr[i].pact;
        if (!crdti_is_active(&r->members.ptr[i]))
            continue;
        if (pact->epoch != own->epoch || !pact->accepted.number ||
            (!crdti_ballot_equal(&pact->accepted, &own->accepted) &&
             CRDTI_RULE(BALLOTS_EQUAL)))
            return 0;
        *exact += pact->is_exact;
    }
    return crdti_roster_agrees(r);
}

/* Who is odd at that ballot is known from now on. */
CRDTI_FN void crdti_epoch_judge(crdti_roster *r, const crdti_ballot *ballot)
{
    if (crdti_ballot_equal(ballot, &r->judged))
        return;
    r->judged = *ballot;
    r->model = crdti_epoch_model(r, ballot)->pact.digest;
}

/* An alarm, once for each ballot, when all have said what they have, so that
 * all see alike who is odd; or the lease is over, and nobody is yet. */
CRDTI_FN void crdti_epoch_compare(crdti_roster *r, int is_late)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    uint64_t exact;
    if (!crdti_epoch_differs(r, &own->accepted))
        return;
    if (crdti_epoch_is_accepted(r, &exact))
        crdti_epoch_judge(r, &own->accepted);
    else if (!is_late)
        return;
    if (crdti_ballot_equal(&own->accepted, &r->alarmed))
        return;
    r->alarmed = own->accepted;
    r->alarms++;
    r->wanted_until = 0;
}

CRDTI_FN void crdti_epoch_decide(crdti_roster *r, crdt_doc *doc)
{
    crdti_pact *own = &crdti_roster_self(r)->pact;
    uint64_t exact;
    if (!crdti_epoch_is_accepted(r, &exact))
        return;
    if (crdti_epoch_differs(r, &own->accepted)) {
        crdti_epoch_thaw(r, doc);
        return;
    }
    r->compared = exact;
    own->epoch++;
    own->is_done = 1;
    crdti_epoch_end(r, doc);
}

/* >>all of it ------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_epoch_step_once(crdti_roster *r, crdt_doc *doc,
                                        uint64_t now)
{
    crdti_member *self = crdti_roster_self(r);
    crdt_err err = crdti_epoch_learn_all(r, doc);
    if (err)
        return err;
    if (self->pact.phase && self->view != r->view)
        crdti_roster_renew(r, 1);
    crdti_epoch_join(r, doc, now);
    crdti_epoch_compare(r, self->pact.phase == CRDT_PHASE_READY &&
                               now >= r->lease_until);
    if (self->pact.phase && now >= r->lease_until && CRDTI_RULE(LEASES_END))
        crdti_epoch_thaw(r, doc);
    if (!self->pact.phase && now < r->wanted_until &&
        !(r->wants_strict && crdt_doc_uncommitted(doc)) &&
        !crdti_roster_is_lost(r))
        crdti_epoch_propose(r, doc, r->wants_strict, r->wanted_until, now);
    if (self->pact.phase &&
        !crdti_id_equal(&self->pact.ballot.proposer, &self->replica))
        err = crdti_epoch_follow(r, doc, now);
    else if (self->pact.phase == CRDT_PHASE_SYNC)
        err = crdti_epoch_lead(r, doc);
    if (!err && self->pact.phase == CRDT_PHASE_READY)
        crdti_epoch_decide(r, doc);
    return err;
}

/* Does what is to be done by what is known. NOMEM: later. */
CRDTI_FN crdt_err crdti_epoch_step(crdti_roster *r, crdt_doc *doc,
                                   uint64_t now)
{
    crdt_err err = CRDT_OK;
    int idle = !crdti_roster_self(r)->pact.phase && !r->wanted_until;
    if (idle && r->stepped == r->changes)
        return CRDT_OK;
    if (r->wanted_until && now >= r->wanted_until)
        r->wanted_until = 0;
    err = crdti_roster_refresh(r, doc);
    do {
        r->stepped = r->changes;
        if (!err)
            err = crdti_epoch_step_once(r, doc, now);
    } while (!err && r->stepped != r->changes);
    if (err)
        r->stepped = 0;
    return err;
}

#endif
