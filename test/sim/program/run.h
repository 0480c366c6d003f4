/*
 * A seed from beginning to end:
 *
 *     safety     actions and faults, and every invariant as it goes
 *     heal       all faults end, who was killed starts again
 *     liveness   within so many seconds all are equal, and say so
 *     end        what was acknowledged is there; nothing is left to remember;
 *                all memory is given back
 */
#ifndef RUN_H
#define RUN_H

#include "actions.h"

/* Virtual milliseconds after the last fault. */
enum { LIVENESS_MS = 120000 };
/* Until all see what somebody shows; where it may be lost it is shown now and
 * then. */
enum { SHOWING_MS = 20000, SHOWINGS = 8 };
/* What may happen between two looks, of up to a minute. */
enum { MOMENTS_MAX = 100000 };

/* >>making and ending ----------------------------------------------------- */

static inline sim *sim_new(void)
{
    sim *s = (sim *)calloc(1, sizeof *s);
    if (!s)
        exit(1);
    s->w = world_new();
    s->states = (known_state *)calloc(STATES, sizeof *s->states);
    if (!s->states)
        exit(1);
    return s;
}

static inline void sim_free(sim *s)
{
    history_end(s);
    epochs_end(s);
    crdt_vv_free(&s->forgotten);
    world_free(s->w);
    free(s->states);
    free(s->epochs);
    free(s->sites);
    free(s->edges);
    free(s->q.ptr);
    free(s);
}

/* Types of the list alone, and maps. */
static inline int type_is_wanted(const sim *s, int type)
{
    return type == CRDT_MAP || (s->o.types >> type & 1);
}

static inline void sim_nodes(sim *s)
{
    model *m = &s->w->m;
    int i, count = 3 + (int)below(s->w, MODEL_NODES / 2), up, type;
    for (i = 1; i < count; i++) {
        do
            up = (int)below(s->w, (uint32_t)m->nodes_len);
        while (m->nodes[up].type != CRDT_MAP);
        do
            type = percent(s->w, 20) ? CRDT_MAP
                                     : 1 + (int)below(s->w, MODEL_TYPES);
        while (!type_is_wanted(s, type));
        model_node_get(m, up, (int)below(s->w, MODEL_KEYS), (crdt_type)type);
    }
}

static inline void sim_begin(sim *s)
{
    uint32_t i,
        cap = s->o.replicas + s->o.counts[ACT_join] + s->o.counts[ACT_upset];
    begin(s->w, s->o.seed, 0);
    s->w->now = 0;
    s->w->has_swept = 1; /* nodes do that by themselves */
    s->has_model = s->o.replicas <= MODEL_AUTHORS;
    s->runs++;
    s->now = s->t.hash = 0;
    s->is_healed = s->is_concluded = 0;
    s->q.order = 0;
    s->lost = bits_none();
    s->lease_ms = 0;
    s->is_lax = 0;
    epochs_end(s);
    memset(&s->n, 0, sizeof s->n);
    history_begin(s);
    if (cap > s->sites_cap)
        s->sites = (site *)realloc(s->sites, cap * sizeof *s->sites);
    if (!s->sites)
        exit(1);
    s->sites_cap = cap > s->sites_cap ? cap : s->sites_cap;
    s->sites_len = 0;
    if (s->has_model)
        sim_nodes(s);
    for (i = 0; i < s->o.replicas; i++)
        site_add(s);
    network_begin(s);
    actions_begin(s);
}

static inline void sim_end(sim *s)
{
    uint32_t i;
    for (i = 0; i < s->sites_len && !s->w->wrong; i++)
        site_close(s, &s->sites[i]);
    for (i = 0; i < s->sites_len; i++)
        site_free(&s->sites[i]);
    s->sites_len = 0;
    network_end(s);
}

/* >>time ------------------------------------------------------------------ */

static inline void moment_happens(sim *s, const moment *m)
{
    switch (m->kind) {
    case AN_ACTION:
        action_happens(s, m->who);
        break;
    case A_PACKET:
        packet_arrives(s, m);
        break;
    case A_LETTER:
        letter_arrives(s, m);
        break;
    case A_WAKE:
        site_woken(s, &s->sites[m->who], m->at);
        break;
    case A_DIAL:
        edge_dialled(s, s->edges[m->who]);
        break;
    case A_VERDICT:
        verdict_happens(s, m->who);
        break;
    case AN_UPSET:
        upset_happens(s, m->who);
        break;
    case A_ROOM:
        if (s->sites[m->who].disk)
            disk_mend(s->sites[m->who].disk);
        break;
    case A_START:
    default:
        site_start(s, &s->sites[m->who]);
        break;
    }
}

static inline void sim_until(sim *s, uint64_t until)
{
    uint64_t most = s->q.order + MOMENTS_MAX;
    while (!s->w->wrong && s->q.len && s->q.ptr[0].at <= until) {
        moment m = queue_take(&s->q);
        s->now = m.at;
        moment_happens(s, &m);
        if (s->q.order > most && s->has_model)
            sim_fail(s, "they talk without end");
    }
    s->now = until;
}

/* >>heal and liveness ----------------------------------------------------- */

static inline void sim_heal(sim *s)
{
    uint32_t i;
    s->is_healed = 1;
    for (i = 0; i < s->edges_len; i++)
        s->edges[i]->blocked[0] = s->edges[i]->blocked[1] =
            s->edges[i]->clogged = 0;
    for (i = 0; i < s->sites_len && !s->w->wrong; i++) {
        site *at = &s->sites[i];
        at->clock_off = 0;
        at->slow_until = at->nomem_until = 0;
        if (at->disk)
            disk_mend(at->disk);
        site_start(s, at);
        if (at->state != SITE_UP)
            continue;
        act_commit(s, at, 1);
    }
}

static inline int sim_is_equal(const sim *s)
{
    const site *first = NULL;
    uint32_t i;
    for (i = 0; i < s->sites_len; i++) {
        const site *at = &s->sites[i];
        if (at->state == SITE_GONE ||
            (at->state == SITE_DOWN && !site_may_be_new(s)))
            continue;
        if (at->state == SITE_DOWN)
            return 0;
        if (!first)
            first = at;
        if (!same_digest(first->m.doc, at->m.doc) ||
            !same_digest(first->bulk, at->bulk) ||
            (s->has_model && !bits_equal(&first->m.done, &at->m.done)))
            return 0;
    }
    return 1;
}

/* Every peer that there is says that it has the same. */
static inline int sim_says_so(const sim *s)
{
    crdt_peer_info info;
    uint32_t i;
    size_t k;
    for (i = 0; i < s->sites_len; i++)
        for (k = 0; s->sites[i].state == SITE_UP &&
                    !crdt_node_peer(s->sites[i].node, k, &info);
             k++)
            if (info.state != CRDT_PEER_SYNCED || info.unacked || info.lag)
                return 0;
    return 1;
}

static inline void sim_settle(sim *s, int (*is_there)(const sim *s),
                              uint64_t within_ms, const char *otherwise)
{
    uint64_t last = s->now + within_ms;
    while (!s->w->wrong && s->now < last && !is_there(s))
        sim_until(s, s->now + 20);
    if (!s->w->wrong && !is_there(s))
        sim_fail(s, otherwise);
}

/* Everybody sees what the others showed in the end. */
static inline int sim_sees_all(const sim *s)
{
    uint32_t i, k;
    for (i = 0; i < s->sites_len; i++)
        for (k = 0; k < s->sites_len && s->sites[i].state == SITE_UP; k++)
            if (i != k && s->sites[k].state == SITE_UP &&
                !is_seen(&s->sites[i], &s->sites[k]))
                return 0;
    return 1;
}

static inline void sim_show(sim *s)
{
    int left = s->o.reliable ? 1 : SHOWINGS;
    uint64_t until;
    uint32_t i;
    for (; left > 0 && !s->w->wrong && !sim_sees_all(s); left--) {
        for (i = 0; i < s->sites_len; i++)
            if (s->sites[i].state == SITE_UP)
                act_present(s, &s->sites[i], SHOWING_MS);
        until = s->now + SHOWING_MS;
        while (!s->w->wrong && s->now < until && !sim_sees_all(s))
            sim_until(s, s->now + 20);
    }
    if (!s->w->wrong && !sim_sees_all(s))
        sim_fail(s, "not all are seen by all");
}

/* >>members, and the last full sync --------------------------------------- */

/* Whether it takes part. */
static inline int site_is_member(const site *at)
{
    return at->state == SITE_UP && site_roster(at)->members.len &&
           crdti_is_active(crdti_roster_self(site_roster(at)));
}

static inline int sim_is_at_work(const sim *s)
{
    uint32_t i;
    for (i = 0; i < s->sites_len; i++)
        if (site_is_member(&s->sites[i]) && site_pact(&s->sites[i])->phase)
            return 0;
    return 1;
}

/* Who is no more is given up, by whoever of the others knows of it, and again
 * when what was under way brings it back; then all know of all, and of nobody
 * else. */
static inline int sim_is_counted(const sim *s)
{
    sim *own = (sim *)(uintptr_t)s;
    uint32_t i, k;
    size_t members = 0;
    crdt_id gone;
    for (i = 0; i < s->sites_len; i++)
        members += (size_t)site_is_member(&s->sites[i]);
    for (i = 0; i < s->sites_len; i++) {
        site *at = &s->sites[i];
        if (!site_is_member(at))
            continue;
        while (find_member(s, at, 0, 1, &gone))
            site_evicts(own, at, &gone);
        if (crdti_roster_active(site_roster(at)) != members)
            return 0;
        for (k = 0; k < s->sites_len; k++)
            if (site_is_member(&s->sites[k]) && !is_counted(at, &s->sites[k]))
                return 0;
    }
    return 1;
}

/* In one epoch that is new to all, and of which the cut is all there is. */
static inline int sim_is_concluded(const sim *s)
{
    const crdti_pact *first = NULL, *pact;
    uint32_t i;
    for (i = 0; i < s->sites_len; i++) {
        if (!site_is_member(&s->sites[i]))
            continue;
        pact = site_pact(&s->sites[i]);
        first = first ? first : pact;
        if (pact->epoch != first->epoch || pact->epoch <= s->before ||
            !pact->is_done ||
            crdt_vv_compare(&pact->cut, &s->sites[i].vv) != CRDT_EQUAL)
            return 0;
    }
    return sim_is_at_work(s);
}

/* One that may ask: not the last there is, that has lost the table. */
static inline site *any_member(const sim *s)
{
    uint32_t i = s->sites_len;
    while (i-- > 0)
        if (site_is_member(&s->sites[i]) &&
            !crdti_roster_is_lost(site_roster(&s->sites[i])))
            return &s->sites[i];
    return NULL;
}

/* When all is well a full sync succeeds, and nothing is left to remember. It
 * is asked for again when it turned out to be one with an older one. */
static inline void sim_conclude(sim *s)
{
    site *at = any_member(s);
    uint64_t last;
    uint32_t i;
    s->before = 0;
    for (i = 0; i < s->sites_len; i++)
        if (site_is_member(&s->sites[i]))
            s->before = crdti_max(s->before, site_pact(&s->sites[i])->epoch);
    s->lease_ms = 10000 + 50 * s->o.delay; /* it goes round, four times */
    last = s->now + 2 * s->lease_ms;
    if (!at)
        return;
    while (!s->w->wrong && s->now < last && !sim_is_concluded(s)) {
        if (sim_is_counted(s) && sim_is_at_work(s))
            SIM_EXPECT(!crdt_node_full_sync(at->node, CRDT_STR("d"),
                                            CRDT_SYNC_OPEN, s->lease_ms));
        site_wake(s, at, s->now);
        sim_until(s, s->now + 100);
    }
    s->is_concluded = sim_is_concluded(s);
    if (!s->w->wrong && !s->is_concluded)
        sim_fail(s, "a full sync ends in no new epoch");
}

/* >>the end --------------------------------------------------------------- */

/* All that was committed, but what was lost with its last holder. */
static inline bits sim_expected(const sim *s)
{
    bits all = bits_none(), none = all;
    int i;
    for (i = 0; i < s->w->m.authors; i++) {
        const writer *a = &s->writers[i];
        bits_join(&all, a->len ? &a->ptr[a->len - 1].own : &none);
    }
    return bits_without(&all, &s->lost);
}

static inline void check_site(sim *s, site *at, const site *first)
{
    bits expected = sim_expected(s);
    crdt_stats stats;
    SIM_EXPECT(bits_cover(&at->m.done, &expected));
    check_same(s->w, at->bulk, first->bulk);
    if (at == first)
        check_state(s, at);
    check_inside(s->w, at->m.doc);
    check_same(s->w, at->m.doc, first->m.doc);
    crdt_doc_stats(at->m.doc, &stats);
    if (site_is_member(at) && s->is_concluded)
        SIM_EXPECT(!stats.kills && !stats.removals);
    SIM_EXPECT(!crdt_truncate(at->m.doc, &at->vv));
    crdt_doc_stats(at->m.doc, &stats);
    SIM_EXPECT(!stats.kills && !stats.removals);
    check_same(s->w, at->m.doc, first->m.doc);
}

static inline void sim_check_end(sim *s)
{
    site *first = NULL;
    uint32_t i;
    for (i = 0; i < s->sites_len && !s->w->wrong; i++) {
        site *at = &s->sites[i];
        if (at->state != SITE_UP)
            continue;
        first = first ? first : at;
        check_site(s, at, first);
    }
}

/* What must come about when faults have ended. */
static inline void sim_liveness(sim *s)
{
    uint64_t healed = s->now;
    sim_heal(s);
    sim_settle(s, sim_is_equal, LIVENESS_MS, "not all are equal in time");
    s->n.heal_ms = s->now - healed;
    sim_settle(s, sim_says_so, LIVENESS_MS,
               "a peer does not say that it has all");
    /* The lease of who hears of it last begins when that of others ends. */
    sim_settle(s, sim_is_at_work, 2 * s->lease_ms + 1000,
               "not all are at work within the lease");
    sim_settle(s, sim_is_counted, LIVENESS_MS, "not all know who takes part");
    if (!s->w->wrong)
        sim_conclude(s);
    if (!s->w->wrong)
        sim_show(s);
}

/* NULL, or what is wrong. */
static inline const char *sim_run(sim *s)
{
    sim_begin(s);
    sim_until(s, s->o.time * UINT64_C(1000));
    if (!s->w->wrong)
        sim_liveness(s);
    if (!s->w->wrong)
        sim_check_end(s);
    trace_add(&s->t, s->n.bytes);
    sim_end(s);
    return s->w->wrong;
}

#endif
