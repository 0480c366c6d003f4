/*
 * What happens to a seed, one function each: what programs do, and what the
 * world does to them. Each is told its dice, and nothing else decides.
 */
#ifndef ACTIONS_H
#define ACTIONS_H

#include "letters.h"
#include "membership.h"

typedef struct {
    uint64_t at, dice;
    uint32_t who; /* a site */
} action_of;

/* The i-th of its kind. */
static inline action_of action_get(const options *o, uint32_t kind, uint32_t i)
{
    action_of a;
    a.dice = dice_of(kind_dice(o->seed, kind), 1, i);
    a.at = dice_of(a.dice, 1, 0) % (o->time * 1000);
    a.who = (uint32_t)(dice_of(a.dice, 2, 0) % 1000000);
    a.dice = dice_of(a.dice, 3, 0);
    return a;
}

static inline edge *any_edge(sim *s, uint64_t dice)
{
    return s->edges_len ? s->edges[dice % s->edges_len] : NULL;
}

/* Until when it lasts: mostly seconds. */
static inline uint64_t lasting(sim *s, uint64_t dice)
{
    return s->now + (dice_of(dice, 4, 0) % 4 ? 100 + dice_of(dice, 5, 0) % 5000
                                             : dice_of(dice, 5, 0) % 20000);
}

/* >>of programs ----------------------------------------------------------- */

/* What was written may have been committed. */
static inline void site_written(sim *s, site *at)
{
    const crdt_doc *doc = at->m.doc;
    uint64_t seq = doc->replicas.ptr[doc->self].seq;
    const writer *a = &s->writers[at->m.author];
    uint64_t last = a->len ? a->ptr[a->len - 1].seq : 0;
    if (!s->has_model)
        return;
    if (at->changes != doc->changes && seq && seq != last) {
        at->m.done = at->m.seen;
        history_commit(s, &at->m, seq);
    }
    site_look(s, at);
}

/* Says what is committed, and changes nothing. */
static inline void site_flush(sim *s, site *at)
{
    uint64_t before = at->m.doc->changes;
    crdt_err err = crdt_node_flush(at->node);
    SIM_EXPECT(!err || is_of_disk(at, err));
    SIM_EXPECT(at->m.doc->changes == before);
    site_stored(at);
    if (err)
        site_wake(s, at, s->now);
}

static inline void act_commit(sim *s, site *at, uint64_t dice)
{
    SIM_EXPECT(!crdt_commit(at->m.doc));
    site_written(s, at);
    if (dice & 1)
        site_flush(s, at);
    else
        site_wake(s, at, s->now + dice % (s->o.tick + 1));
}

static inline void act_write(sim *s, site *at, uint64_t dice)
{
    world *w = s->w;
    if (site_is_frozen(s, at))
        return;
    w->random = dice;
    w->step++;
    s->n.writes++;
    do_write(w, &at->m);
    if (!w->wrong)
        site_written(s, at);
    site_wake(s, at, s->now + dice % (s->o.tick + 1));
}

/* The i-th of those keystrokes: forwards from the middle, now and then back. */
static inline void type_one(sim *s, site *at, writing *x, uint32_t i)
{
    world *w = s->w;
    size_t len, to;
    uint32_t code = any_code(w, 0) + i % 3;
    x->before = model_look(&w->m, &at->m.seen);
    x->written = at->m.doc->written;
    len = x->before.weight[x->node];
    to = crdti_min_size(len, len / 2 + 2);
    if (len > 2 && i % 5 == 4)
        write_text(w, x, CRDT_CHARS, to - 1, 1, NULL, 0);
    else
        write_text(w, x, CRDT_CHARS, to, 0, &code, 1);
}

/* Somebody types, each keystroke a commit that is sent. */
static inline void act_type(sim *s, site *at, uint64_t dice)
{
    world *w = s->w;
    writing x;
    uint32_t i, count = 1 + (uint32_t)(dice >> 8) % 12;
    w->random = dice;
    x.m = &at->m;
    x.node = (int)(dice % (uint64_t)w->m.nodes_len);
    if (w->m.nodes[x.node].type != CRDT_TEXT || site_is_frozen(s, at))
        return;
    x.obj = reach(w, &at->m, x.node);
    for (i = 0; i < count && !w->wrong && !crdt_is_null(x.obj); i++) {
        if (model_room(&w->m) < ONE_WRITE_MAX)
            return;
        type_one(s, at, &x, i);
        act_commit(s, at, 1);
    }
}

/* Into the other document: what takes several messages. */
static inline void act_bulk(sim *s, site *at, uint64_t dice)
{
    uint8_t value[6000];
    size_t len = dice % 4 ? 600 : sizeof value, i;
    char key[4];
    for (i = 0; i < len; i++)
        value[i] = (uint8_t)dice_of(dice, 9, i / 16);
    snprintf(key, sizeof key, "%u", (unsigned)(dice >> 8) % 8);
    SIM_EXPECT(!crdt_map_put_bytes(crdt_root(at->bulk), crdt_str(key),
                                   crdt_bytes_of(value, len)));
    SIM_EXPECT(!crdt_commit(at->bulk));
    site_wake(s, at, s->now + dice % (s->o.tick + 1));
}

static inline void act_letter(sim *s, site *at, uint64_t dice)
{
    site *to = &s->sites[dice_of(dice, 6, 0) % s->sites_len];
    act_commit(s, at, 1);
    if (at->disk && !bits_equal(&at->durable, &at->m.done))
        return; /* it is not safe to tell others */
    if (to != at && to->state == SITE_UP && !s->w->wrong)
        letter_post(s, at, to, dice);
}

static inline void act_save(sim *s, site *at, uint64_t dice)
{
    (void)dice;
    site_save(s, at);
}

static inline void act_reincarnate(sim *s, site *at, uint64_t dice)
{
    (void)dice;
    if (!site_may_be_new(s))
        return;
    act_commit(s, at, 0);
    SIM_EXPECT(!crdt_doc_reincarnate(at->m.doc));
    site_author(s, at);
}

/* Up to what all have; or only most, so that somebody is left behind. And
 * sweeps, or not. */
static inline void act_truncate(sim *s, site *at, uint64_t dice)
{
    crdt_vv cut = CRDT_VV_INIT;
    uint32_t i, k;
    s->is_lax = 1;
    SIM_EXPECT(!crdt_vv_copy(&cut, &at->vv));
    for (i = 0; i < s->sites_len; i++) {
        const site *other = &s->sites[i];
        if (dice & 1 && dice_of(dice, 7, i) % 4 == 0)
            continue;
        for (k = 0; k < cut.len && other->state != SITE_GONE; k++)
            cut.entries[k].seq =
                crdti_min(cut.entries[k].seq,
                          crdt_vv_get(&other->vv, &cut.entries[k].replica));
    }
    SIM_EXPECT(!crdt_truncate(at->m.doc, &cut));
    if (dice & 2) { /* though others may not have truncated as far */
        SIM_EXPECT(!crdt_doc_floor(at->m.doc, &cut));
        SIM_EXPECT(!crdt_sweep(at->m.doc, &cut));
    }
    crdt_vv_free(&cut);
    site_look(s, at);
}

/* Below what all have truncated; or only we, and some name it yet. */
static inline void act_sweep(sim *s, site *at, uint64_t dice)
{
    crdt_vv floor = CRDT_VV_INIT, other = CRDT_VV_INIT;
    uint32_t i, k;
    SIM_EXPECT(!crdt_doc_floor(at->m.doc, &floor));
    for (i = 0; dice & 1 && i < s->sites_len; i++) {
        if (s->sites[i].state == SITE_UP)
            SIM_EXPECT(!crdt_doc_floor(s->sites[i].m.doc, &other));
        for (k = 0; k < floor.len && s->sites[i].state == SITE_UP; k++)
            floor.entries[k].seq =
                crdti_min(floor.entries[k].seq,
                          crdt_vv_get(&other, &floor.entries[k].replica));
    }
    k = (uint32_t)crdt_sweep(at->m.doc, &floor);
    SIM_EXPECT(!k || (dice & 1 && k == CRDT_ERR_AGAIN));
    crdt_vv_free(&floor);
    crdt_vv_free(&other);
    site_look(s, at);
}

/* >>of machines ----------------------------------------------------------- */

/* What is left: all, what was saved last, or nothing. */
static inline void crash_saved(sim *s, site *at, uint32_t how)
{
    if (how < 5)
        site_save(s, at);
    if (how == 9) {
        at->saved.len = at->table.len = 0;
        at->saved_done = bits_none();
    }
}

/* The same of a site with a disk. */
static inline void crash_disk(const sim *s, site *at, uint32_t how)
{
    at->was_safe = how < 4 || (how < 7 && s->o.store_ms != CRDT_STORE_LAZY);
    at->saved_done = how < 4 ? at->stored : at->durable;
    if (how >= 4)
        disk_power_fails(at->disk);
    if (how == 7 || how == 8) {
        if (!at->backup)
            at->backup = disk_new(0);
        disk_copy(at->disk, at->backup);
        at->saved_done = at->backup_done;
    }
    if (how == 9) {
        memory_store_free(at->disk);
        at->saved_done = bits_none();
    }
    if (how >= 4)
        at->durable = at->saved_done;
}

static inline void act_crash(sim *s, site *at, uint64_t dice)
{
    if (at->disk)
        crash_disk(s, at, (uint32_t)(dice % 10));
    else
        crash_saved(s, at, (uint32_t)(dice % 10));
    site_kill(s, at, (int)(dice >> 8 & 1));
    queue_put(&s->q, lasting(s, dice), A_START, at->number, NULL);
}

/* In peace, for a while. */
static inline void act_stop(sim *s, site *at, uint64_t dice)
{
    if (dice & 1)
        act_commit(s, at, 0);
    site_save(s, at);
    at->was_safe = 1;
    if (at->disk)
        at->saved_done = at->stored;
    site_loses(s, at, &at->saved_done);
    site_close(s, at);
    at->is_in &= at->disk != NULL; /* without one it is another member */
    if (at->disk && disk_is_durable(at->disk))
        at->durable = at->stored;
    at->m.done = at->m.seen = at->saved_done;
    queue_put(&s->q, lasting(s, dice), A_START, at->number, NULL);
}

/* At once, or after some more records. */
static inline void disk_fails(site *at, crdt_err how, uint64_t dice)
{
    if (!at->disk)
        return;
    at->disk->dies_of = how;
    at->disk->dies_at = at->disk->calls + 1 + (dice >> 16) % 4;
}

static inline void act_eio(sim *s, site *at, uint64_t dice)
{
    (void)s;
    disk_fails(at, CRDT_ERR_IO, dice);
}

static inline void act_full(sim *s, site *at, uint64_t dice)
{
    disk_fails(at, CRDT_ERR_FULL, dice);
    queue_put(&s->q, lasting(s, dice), A_ROOM, at->number, NULL);
}

static inline void act_join(sim *s, site *at, uint64_t dice)
{
    site *fresh;
    if (s->sites_len == s->sites_cap || !site_may_be_new(s))
        return;
    fresh = site_add(s);
    edge_add(s, fresh->number, at->number);
    if (dice & 1)
        edge_add(s, fresh->number, (uint32_t)(dice >> 8) % fresh->number);
}

/* For good; those that were linked through it are linked with each other. */
static inline void act_leave(sim *s, site *at, uint64_t dice)
{
    uint32_t i, last = UINT32_MAX;
    bits none = bits_none();
    if (s->sites_len <= 2)
        return;
    act_commit(s, at, 0);
    if (dice & 2)
        act_retire(s, at, 0);
    if (dice & 4)
        site_poll(s, at);
    site_loses(s, at, &none);
    site_close(s, at);
    at->state = SITE_GONE;
    for (i = 0; i < s->edges_len; i++) {
        edge *e = s->edges[i];
        uint32_t other = e->sites[e->sites[0] == at->number];
        if (e->is_gone ||
            (e->sites[0] != at->number && e->sites[1] != at->number))
            continue;
        e->is_gone = 1;
        if (s->sites[other].state == SITE_GONE)
            continue;
        if (last != UINT32_MAX && other != last)
            edge_add(s, other, last);
        last = other;
    }
    trace_line(&s->t, s->now, at->number, "leaves");
}

/* By seconds mostly; now and then beyond what others take. */
static inline void act_clock(sim *s, site *at, uint64_t dice)
{
    int64_t far = CRDTSYNC_MAX_SKEW_MS + 20000;
    if (dice % 8)
        at->clock_off = (int64_t)(dice >> 8) % 5000;
    else
        at->clock_off = dice & 16 ? far : -far;
    trace_line(&s->t, s->now, at->number, "clock is off by %lld ms",
               (long long)at->clock_off);
}

static inline void act_slow(sim *s, site *at, uint64_t dice)
{
    at->slow_until = lasting(s, dice);
}

static inline void act_nomem(sim *s, site *at, uint64_t dice)
{
    at->nomem_until = lasting(s, dice);
}

/* >>of the network -------------------------------------------------------- */

static inline void act_cut(sim *s, site *at, uint64_t dice)
{
    (void)at;
    if (s->edges_len)
        edge_cut(s, any_edge(s, dice));
}

static inline void act_storm(sim *s, site *at, uint64_t dice)
{
    uint32_t i;
    (void)at;
    (void)dice;
    for (i = 0; i < s->edges_len; i++)
        edge_cut(s, s->edges[i]);
}

/* Two camps. */
static inline void act_partition(sim *s, site *at, uint64_t dice)
{
    uint64_t until = lasting(s, dice);
    uint32_t i;
    (void)at;
    for (i = 0; i < s->edges_len; i++) {
        edge *e = s->edges[i];
        if ((dice_of(dice, 8, e->sites[0]) & 1) ==
            (dice_of(dice, 8, e->sites[1]) & 1))
            continue;
        edge_block(e, 0, until);
        edge_block(e, 1, until);
    }
}

static inline void act_oneway(sim *s, site *at, uint64_t dice)
{
    (void)at;
    if (s->edges_len)
        edge_block(any_edge(s, dice), (int)(dice >> 40 & 1), lasting(s, dice));
}

static inline void act_clog(sim *s, site *at, uint64_t dice)
{
    (void)at;
    if (s->edges_len)
        any_edge(s, dice)->clogged = lasting(s, dice);
}

/* >>in the middle --------------------------------------------------------- */

typedef void act_fn(sim *s, site *at, uint64_t dice);

/* A full sync, and soon something happens to whoever. */
static inline void act_upset(sim *s, site *at, uint64_t dice)
{
    uint32_t who = (uint32_t)(dice >> 44) % s->sites_len;
    ask_for_sync(s, at, dice);
    queue_put(&s->q, s->now + dice_of(dice, 11, 0) % (8 * s->o.delay + 100),
              AN_UPSET, (uint32_t)(dice >> 24 & 0xffff) << 16 | who, NULL);
}

static inline void upset_happens(sim *s, uint32_t which)
{
    static act_fn *const acts[] = { act_crash, act_stop,   act_partition,
                                    act_cut,   act_storm,  act_evict,
                                    act_exile, act_retire, act_leave,
                                    act_join,  act_sync,   act_nomem };
    site *at = &s->sites[(which & 0xffff) % s->sites_len];
    uint64_t dice = dice_of(s->o.seed, 19, which);
    if (at->state == SITE_UP && !s->is_healed)
        acts[(which >> 16) % (sizeof acts / sizeof *acts)](s, at, dice);
}

/* Judge and victim. */
static inline void verdict_happens(sim *s, uint32_t who)
{
    site *judge = &s->sites[who >> 16], *victim = &s->sites[who & 0xffff];
    uint64_t dice = dice_of(s->o.seed, 20, who);
    if (s->is_healed)
        return;
    if (judge->state == SITE_UP && judge != victim)
        site_evicts(s, judge, &victim->member);
    if (victim->state == SITE_UP)
        act_write(s, victim, dice);
    if (victim->state == SITE_UP)
        act_commit(s, victim, dice);
}

/* >>all of them ----------------------------------------------------------- */

/* Who: its kind in the upper half. */
static inline void action_happens(sim *s, uint32_t which)
{
    static act_fn *const acts[] = {
#define X(name, most, chance) act_##name,
        ACTIONS(X)
#undef X
    };
    uint32_t kind = which / ACTIONS_MAX, i = which % ACTIONS_MAX;
    action_of a = action_get(&s->o, kind, i);
    site *at = &s->sites[a.who % s->sites_len];
    if (at->state != SITE_UP)
        return;
    trace_add(&s->t, which);
    trace_line(&s->t, s->now, at->number, "%s %u", action_names[kind], i);
    acts[kind](s, at, a.dice);
}

static inline void actions_begin(sim *s)
{
    uint32_t k, i;
    for (k = 0; k < ACTION_KINDS; k++)
        for (i = 0; i < s->o.counts[k]; i++)
            if (s->o.kept[k][i])
                queue_put(&s->q, action_get(&s->o, k, i).at, AN_ACTION,
                          k * ACTIONS_MAX + i, NULL);
}

#endif
