/*
 * Members and full syncs as the program asks for them; what is done about it
 * is in roster.h and epoch.h.
 */
#ifndef CRDTI_MEMBER_H
#define CRDTI_MEMBER_H

#include "epoch.h"
#include "frame.h"
#include "gossip.h"
#include "node.h"
#include "roster.h"

/* The share, if it has a roster. NOT_FOUND, LIMIT. */
CRDTI_FN crdt_err crdti_member_share(const crdt_node *node, crdt_bytes name,
                                     crdti_share **out)
{
    if (!node)
        return CRDT_ERR_ARG;
    *out = crdti_node_find(node, name);
    if (!*out)
        return CRDT_ERR_NOT_FOUND;
    return (*out)->roster.members.len ? CRDT_OK : CRDT_ERR_LIMIT;
}

/* >>members --------------------------------------------------------------- */

/* How long ago anything showed that the member lives. */
CRDTI_FN uint64_t crdti_member_silence(const crdt_node *node,
                                       const crdti_roster *r,
                                       const crdti_member *member)
{
    uint64_t silence = r->awake_ms - member->heard_ms;
    size_t i;
    for (i = 0; i < node->links.len; i++) {
        const crdti_link *link = node->links.ptr[i];
        if (link->session.is_greeted && !link->is_doomed &&
            crdti_id_equal(&link->session.node, &member->node))
            silence =
                crdti_min(silence, crdti_node_awake(node) - link->heard_at);
    }
    return silence;
}

CRDT_API crdt_err crdt_node_member(const crdt_node *node, crdt_bytes name,
                                   size_t index, crdt_member_info *out)
{
    crdti_share *share = NULL;
    const crdti_member *member, *self;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err && !out)
        err = CRDT_ERR_ARG;
    if (!err)
        err = crdti_share_look(share);
    if (err)
        return err;
    if (index >= share->roster.members.len)
        return CRDT_ERR_NOT_FOUND;
    self = crdti_roster_self(&share->roster);
    member = self + index;
    crdti_zero(out, sizeof *out);
    out->replica = member->replica;
    out->node = member->node;
    out->status = (crdt_member_status)member->status;
    out->evicted_by = member->by;
    out->phase = (crdt_phase)member->pact.phase;
    out->is_self = member == self;
    out->is_odd = crdti_epoch_is_odd(&share->roster, member);
    if (out->is_self)
        return CRDT_OK;
    out->missing = crdti_vv_excess(&share->vv, &member->applied);
    out->lag = crdti_vv_excess(&member->applied, &share->vv);
    out->unacked = crdt_vv_get(&share->vv, &self->replica) -
                   crdti_min(crdt_vv_get(&share->vv, &self->replica),
                             crdt_vv_get(&member->applied, &self->replica));
    out->silent_ms = crdti_member_silence(node, &share->roster, member);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_node_stable(const crdt_node *node, crdt_bytes name,
                                   crdt_vv *out)
{
    crdti_share *share = NULL;
    crdt_err err = crdti_member_share(node, name, &share);
    return err ? err : crdti_roster_cut(&share->roster, 0, out);
}

CRDT_API crdt_err crdt_node_floors(const crdt_node *node, crdt_bytes name,
                                   crdt_vv *out)
{
    crdti_share *share = NULL;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err && !crdti_roster_has_floors(&share->roster))
        err = CRDT_ERR_AGAIN;
    return err ? err : crdti_roster_cut(&share->roster, 1, out);
}

CRDT_API crdt_err crdt_node_leave(crdt_node *node, crdt_bytes name)
{
    crdti_share *share = NULL;
    crdti_member *self;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err)
        err = crdti_roster_refresh(&share->roster, share->doc);
    if (err)
        return err;
    self = crdti_roster_self(&share->roster);
    self->pact.phase = CRDT_PHASE_WORK;
    self->status = CRDT_MEMBER_LEFT;
    share->doc->is_frozen = 0;
    share->roster.wanted_until = 0;
    crdti_roster_renew(&share->roster, 1);
    return CRDT_OK;
}

CRDT_API crdt_err crdt_node_evict(crdt_node *node, crdt_bytes name,
                                  const crdt_id *replica)
{
    crdti_share *share = NULL;
    crdti_member *member;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err || !replica)
        return err ? err : CRDT_ERR_ARG;
    member = crdti_roster_find(&share->roster, replica);
    if (member == crdti_roster_self(&share->roster))
        return CRDT_ERR_ARG;
    if (!member)
        return CRDT_ERR_NOT_FOUND;
    if (crdti_is_active(member))
        crdti_roster_evict(&share->roster, member);
    return CRDT_OK;
}

/* >>full syncs ------------------------------------------------------------ */

CRDT_API crdt_err crdt_node_full_sync(crdt_node *node, crdt_bytes name,
                                      crdt_sync_mode mode, uint32_t lease_ms)
{
    crdti_share *share = NULL;
    const crdti_member *self;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err)
        return err;
    if (mode != CRDT_SYNC_OPEN && mode != CRDT_SYNC_STRICT)
        return CRDT_ERR_ARG;
    self = crdti_roster_self(&share->roster);
    if (!crdti_is_active(self))
        return CRDT_ERR_UNSUPPORTED;
    if (self->pact.phase)
        return CRDT_OK;
    share->roster.wants_strict = mode == CRDT_SYNC_STRICT;
    share->roster.wanted_seq = share->doc->replicas.ptr[share->doc->self].seq;
    share->roster.wanted_until =
        crdti_node_now(node) + (lease_ms ? lease_ms : CRDTI_LEASE_MS);
    return CRDT_OK;
}

/* Who has yet to do what we wait for. */
CRDTI_FN void crdti_epoch_waits(const crdti_roster *r, crdt_epoch_info *out)
{
    const crdti_pact *own = &crdti_roster_self(r)->pact;
    size_t i;
    out->members = crdti_roster_active(r);
    for (i = r->members.len; i-- > 0 && own->phase;) {
        const crdti_member *member = &r->members.ptr[i];
        int is_done =
            own->phase == CRDT_PHASE_READY
                ? crdti_ballot_equal(&member->pact.accepted, &own->ballot)
                : crdti_ballot_equal(&member->pact.ballot, &own->ballot);
        if (!crdti_is_active(member) || is_done)
            continue;
        out->waiting++;
        out->waiting_for = member->replica;
    }
}

CRDT_API crdt_err crdt_node_epoch(const crdt_node *node, crdt_bytes name,
                                  crdt_epoch_info *out)
{
    crdti_share *share = NULL;
    const crdti_pact *own;
    uint64_t now;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err || !out)
        return err ? err : CRDT_ERR_ARG;
    own = &crdti_roster_self(&share->roster)->pact;
    now = crdti_node_now(node);
    crdti_zero(out, sizeof *out);
    out->phase = (crdt_phase)own->phase;
    out->is_strict = own->phase && own->is_strict;
    out->number = own->epoch;
    out->proposer = own->ballot.proposer;
    out->compared = share->roster.compared;
    out->alarms = share->roster.alarms;
    if (own->phase && share->roster.lease_until > now)
        out->left_ms = share->roster.lease_until - now;
    if (own->is_done)
        out->cut = &own->cut;
    crdti_epoch_waits(&share->roster, out);
    return CRDT_OK;
}

/* >>over a restart -------------------------------------------------------- */

CRDT_API crdt_err crdt_node_members_save(const crdt_node *node,
                                         crdt_bytes name, crdt_buf *out)
{
    crdti_share *share = NULL;
    crdti_writer w;
    size_t start = out ? out->len : 0;
    crdt_err err = crdti_member_share(node, name, &share);
    if (err || !out)
        return err ? err : CRDT_ERR_ARG;
    crdti_writer_init(&w, out);
    crdti_put_table(&w, &share->roster);
    crdti_frame_wrap(&w, CRDTI_ROSTER, start);
    if (w.err)
        out->len = start;
    return w.err;
}

CRDT_API crdt_err crdt_node_members_load(crdt_node *node, crdt_bytes name,
                                         crdt_bytes bytes)
{
    crdti_share *share = NULL;
    crdti_frame frame;
    crdt_err err = crdti_member_share(node, name, &share);
    if (!err)
        err = crdti_frame_get(bytes, CRDTSYNC_MAX_ROSTER, &frame, NULL);
    if (err)
        return err;
    if (frame.kind != CRDTI_ROSTER || frame.size != bytes.len)
        return CRDT_ERR_CORRUPT;
    return crdti_roster_load(&share->roster, frame.payload);
}

#endif
