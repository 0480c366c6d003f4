/*
 * A site: what a program is to the engine. It opens a document and a node, has
 * a clock that is off and is set, draws random bytes that follow from the
 * seed, saves now and then, is killed and starts again from what was saved,
 * under a new id.
 */
#ifndef SITE_H
#define SITE_H

#include "disk.h"
#include "invariants.h"
#include "network.h"
#include "presences.h"

/* >>tables ---------------------------------------------------------------- */

static inline uint64_t site_wall(void *ctx)
{
    const site *at = (const site *)ctx;
    return SITE_EPOCH_MS + at->s->now + (uint64_t)at->clock_off;
}

static inline uint64_t site_mono(void *ctx)
{
    const site *at = (const site *)ctx;
    return 1000000 + at->s->now;
}

static inline crdt_err site_fill(void *ctx, void *out, size_t len)
{
    site *at = (site *)ctx;
    uint64_t dice = dice_of(at->s->o.seed, at->number + 100, ++at->drawn);
    uint8_t *to = (uint8_t *)out;
    for (; len > 0; len--)
        *to++ = (uint8_t)test_random(&dice);
    return CRDT_OK;
}

static inline void site_line(void *ctx, const char *text)
{
    const site *at = (const site *)ctx;
    trace_line(&at->s->t, at->s->now, at->number, "says: %s", text);
}

/* >>waking ---------------------------------------------------------------- */

static inline void site_wake(sim *s, site *at, uint64_t when)
{
    if (at->state != SITE_UP || (at->wake_at && at->wake_at <= when))
        return;
    at->wake_at = when;
    queue_put(&s->q, when, A_WAKE, at->number, NULL);
}

/* What has become safe. */
static inline void site_stored(site *at)
{
    const crdt_node *node = at->node;
    if (!at->disk || node->is_dirty || crdt_doc_uncommitted(at->m.doc) ||
        node->keeps.ptr[at->number % 2].changes != at->m.doc->changes)
        return;
    at->stored = at->m.done;
    if (disk_is_durable(at->disk))
        at->durable = at->m.done;
}

static inline void site_breaks(sim *s, site *at);

/* What the disk answers goes through to the program. */
static inline int is_of_disk(const site *at, crdt_err err)
{
    return (err == CRDT_ERR_FULL || err == CRDT_ERR_IO) && at->disk &&
           at->disk->fails;
}

static inline void site_poll(sim *s, site *at)
{
    int fails = s->now < at->nomem_until, wait;
    crdt_err err;
    s->n.polls++;
    at->mem.fails = fails ? 100 : 0;
    err = crdt_node_poll(at->node, 0);
    at->mem.fails = 0;
    SIM_EXPECT(!err || (fails && err == CRDT_ERR_NOMEM) ||
               is_of_disk(at, err));
    site_look(s, at);
    site_stored(at);
    if (err == CRDT_ERR_IO) {
        site_breaks(s, at);
        return;
    }
    if (!err)
        check_lease(s, at);
    check_presences(s, at);
    wait = crdti_node_patience(at->node, (int)s->o.heartbeat / 2);
    site_wake(s, at, s->now + (fails ? 20 : wait > 0 ? (uint64_t)wait : 1));
}

static inline void site_woken(sim *s, site *at, uint64_t when)
{
    if (at->state != SITE_UP || at->wake_at != when)
        return;
    at->wake_at = 0;
    if (s->now < at->slow_until)
        site_wake(s, at, at->slow_until);
    else
        site_poll(s, at);
}

/* >>starting and ending --------------------------------------------------- */

static inline crdt_doc *site_doc(sim *s, site *at)
{
    crdt_config config;
    crdt_clock clock;
    crdt_random random;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    clock.version = random.version = 1;
    clock.ctx = random.ctx = at;
    clock.wall_ms = site_wall;
    clock.mono_ms = site_mono;
    random.fill = site_fill;
    config.clock = &clock;
    config.random = &random;
    config.alloc = &at->mem.table;
    SIM_EXPECT(!crdt_doc_new(&doc, &config));
    if (s->w->types)
        doc->types = s->w->types;
    return doc;
}

static inline crdt_shipping site_shipping(const sim *s, const site *at)
{
    return (crdt_shipping)(s->o.shipping < MIXED_SHIPPING
                               ? s->o.shipping
                               : dice_of(s->o.seed, 18, at->number) % 3);
}

static inline crdt_node *site_node(sim *s, site *at)
{
    crdt_node_config config;
    crdt_transport transport = net_table(s, at);
    crdt_log log;
    crdt_store store;
    char name[8];
    crdt_node *node = NULL;
    memset(&config, 0, sizeof config);
    snprintf(name, sizeof name, "%u", at->number);
    log.version = 1;
    log.ctx = at;
    log.line = site_line;
    config.alloc = &at->mem.table;
    config.clock = &at->m.doc->clock;
    config.random = &at->m.doc->random;
    config.log = &log;
    config.name = crdt_str(name);
    config.heartbeat_ms = s->o.heartbeat;
    config.sync_ms = s->o.sync;
    config.shipping = site_shipping(s, at);
    config.store_ms = s->o.store_ms;
    config.roster_ms = s->o.roster;
    config.evict_ms = s->o.evict;
    config.keeps_history = (int)s->o.history;
    if (at->disk) {
        store = memory_store_open(at->disk);
        config.store = &store;
    }
    SIM_EXPECT(!crdt_node_new(&node, &config));
    if (at->number % 2)
        SIM_EXPECT(!crdt_node_share(node, CRDT_STR("bulk"), at->bulk));
    SIM_EXPECT(!crdt_node_share(node, CRDT_STR("d"), at->m.doc));
    if (at->number % 2 == 0)
        SIM_EXPECT(!crdt_node_share(node, CRDT_STR("bulk"), at->bulk));
    if (at->table.len)
        SIM_EXPECT(!crdt_node_members_load(node, CRDT_STR("d"),
                                           crdt_buf_bytes(&at->table)));
    SIM_EXPECT(!crdt_node_attach(node, &transport));
    return node;
}

/* Its next changes are by another author: a new one of the model. */
static inline void site_author(sim *s, site *at)
{
    model *m = &s->w->m;
    crdt_id id = crdt_doc_replica(at->m.doc);
    if (!s->has_model)
        return;
    at->m.author = author_of(s, &id);
    if (at->m.author >= 0)
        return;
    at->m.author = m->authors++;
    m->ids[at->m.author] = id;
}

/* Whether there may be one more. */
static inline int site_may_be_new(const sim *s)
{
    return !s->has_model || s->w->m.authors < MODEL_AUTHORS;
}

/* As if nothing had happened: what a restored copy must not do. */
static inline void site_keep_id(const crdt_doc *doc, const crdt_id *id)
{
    crdt_doc *own = (crdt_doc *)(uintptr_t)doc;
    uint32_t number = crdti_replica_find(doc, id);
    if (number == UINT32_MAX)
        return;
    own->self = number;
    own->written = doc->replicas.ptr[number].seq;
}

/* What the store brought back, when it is the one that has it. */
static inline void site_restored(sim *s, site *at)
{
    bits mine = bits_none();
    uint32_t i;
    SIM_EXPECT(!crdt_doc_vv(at->m.doc, &at->vv));
    at->m.done = history_read(s, &at->vv);
    SIM_EXPECT(bits_cover(&at->m.done, &at->saved_done));
    if (at->boots && s->writers[at->m.author].len)
        mine =
            s->writers[at->m.author].ptr[s->writers[at->m.author].len - 1].own;
    for (i = 0; at->was_safe && i < s->sites_len; i++) {
        bits sent = bits_both(&s->sites[i].m.done, &mine);
        if (i != at->number && !bits_cover(&at->m.done, &sent))
            sim_fail(s, "something was sent before it was safe");
    }
    at->stored = at->m.seen = at->m.done;
}

/* What was saved, if anything. AGAIN: the clock says that it is not yet. */
static inline crdt_err site_open(sim *s, site *at)
{
    crdt_err err = CRDT_OK;
    if (at->saved.len)
        err = crdt_join(at->m.doc, crdt_buf_bytes(&at->saved));
    if (err == CRDT_ERR_SKEW)
        return CRDT_ERR_AGAIN;
    SIM_EXPECT(!err);
    return CRDT_OK;
}

static inline void site_start(sim *s, site *at)
{
    crdt_id before;
    uint32_t i;
    if (at->state != SITE_DOWN || !site_may_be_new(s))
        return;
    memset(&before, 0, sizeof before);
    if (s->has_model && at->boots)
        before = s->w->m.ids[at->m.author];
    memory_begin(&at->mem, s->has_model ? SITE_MEMORY : SIZE_MAX,
                 dice_of(s->o.seed, 14, at->number));
    at->m.doc = site_doc(s, at);
    if (site_open(s, at)) {
        crdt_doc_free(at->m.doc);
        queue_put(&s->q, s->now + 1000, A_START, at->number, NULL);
        return;
    }
    if (!CRDTI_RULE(RESTORED_IS_NEW) && !at->disk)
        site_keep_id(at->m.doc, &before);
    at->state = SITE_UP;
    if (at->disk && at->disk->fails == CRDT_ERR_IO)
        disk_mend(at->disk);
    at->wake_at = at->changes = at->slow_until = at->tabled = 0;
    at->last_ready = &at->ready;
    at->ready = NULL;
    at->m.seen = at->m.done = at->saved_done;
    memset(at->m.held, 0, sizeof at->m.held);
    crdt_vv_clear(&at->vv);
    at->bulk = site_doc(s, at);
    at->node = site_node(s, at);
    if (at->disk)
        site_restored(s, at);
    at->boots++;
    at->floors = 0;
    at->epoch = site_roster(at)->members.len ? site_pact(at)->epoch : 0;
    site_author(s, at);
    site_wake(s, at, s->now);
    for (i = 0; i < s->edges_len; i++)
        if (s->edges[i]->sites[0] == at->number)
            edge_dial(s, s->edges[i]);
    trace_line(&s->t, s->now, at->number, "starts");
}

static inline site *site_add(sim *s)
{
    site *at = &s->sites[s->sites_len];
    memset(at, 0, sizeof *at);
    at->s = s;
    at->number = s->sites_len++;
    at->clock_off =
        (int64_t)(dice_of(s->o.seed, 15, at->number) % 2000) - 1000;
    if (s->o.store)
        at->disk = disk_new(dice_of(s->o.seed, 17, at->number));
    site_start(s, at);
    return at;
}

/* Beside the document, what is known of members; a store keeps that itself. */
static inline void site_save_table(sim *s, site *at)
{
    at->table.len = 0;
    if (s->o.table)
        SIM_EXPECT(
            !crdt_node_members_save(at->node, CRDT_STR("d"), &at->table));
}

static inline void site_save(sim *s, site *at)
{
    if (at->disk) {
        if (!at->backup)
            at->backup = disk_new(0);
        disk_copy(at->backup, at->disk);
        at->backup_done = at->stored;
        return;
    }
    if (crdt_doc_uncommitted(at->m.doc))
        return;
    at->saved.len = 0;
    SIM_EXPECT(!crdt_delta(at->m.doc, NULL, &at->saved));
    at->saved_done = at->m.done;
    site_save_table(s, at);
}

/* Nothing that another has said it has may be gone with a site; unless what
 * had it is gone too. */
static inline void check_acked(sim *s, const site *at)
{
    crdt_vv acked = CRDT_VV_INIT;
    crdt_id self = crdt_doc_replica(at->m.doc);
    uint64_t seq;
    bits there = s->lost;
    uint32_t i;
    const commit *c;
    SIM_EXPECT(!crdt_node_acked(at->node, CRDT_STR("d"), &acked));
    seq = crdt_vv_get(&acked, &self);
    crdt_vv_free(&acked);
    c = seq ? commit_find(&s->writers[at->m.author], seq) : NULL;
    if (!seq)
        return;
    SIM_EXPECT(c);
    for (i = 0; i < s->sites_len; i++)
        if (i != at->number)
            bits_join(&there, s->sites[i].state == SITE_UP
                                  ? &s->sites[i].m.done
                                  : &s->sites[i].saved_done);
    if (c)
        SIM_EXPECT(bits_cover(&there, &c->own));
}

/* What it had and what will not come back. */
static inline void site_loses(sim *s, const site *at, const bits *left)
{
    bits gone = bits_without(&at->m.done, left);
    bits_join(&s->lost, &gone);
}

/* kill -9: no goodbye, and the memory is gone. `resets`: the system lives on,
 * and says for it that it is no more. */
static inline void site_kill(sim *s, site *at, int resets)
{
    crdt_peer peer;
    if (s->has_model)
        check_acked(s, at);
    site_loses(s, at, &at->saved_done);
    for (peer = 1; peer <= at->ends_len; peer++)
        if (at->ends[peer]) {
            if (resets)
                end_hang_up(s, at->ends[peer]);
            end_die(at->ends[peer]);
        }
    memory_end(&at->mem);
    at->state = SITE_DOWN;
    at->is_in = 0;
    at->node = NULL;
    at->m.doc = NULL;
    at->m.done = at->m.seen = at->saved_done;
    s->n.crashes++;
    trace_line(&s->t, s->now, at->number, "is killed");
}

/* In peace: all memory is given back. */
static inline void site_close(sim *s, site *at)
{
    if (at->state != SITE_UP)
        return;
    crdt_node_free(at->node);
    crdt_doc_free(at->m.doc);
    crdt_doc_free(at->bulk);
    SIM_EXPECT(at->mem.used == 0);
    if (at->mem.most > s->n.memory)
        s->n.memory = at->mem.most;
    at->state = SITE_DOWN;
}

/* The disk has failed: what it has for sure is what was synced. The program
 * ends, and begins anew with that. */
static inline void site_breaks(sim *s, site *at)
{
    if (s->has_model)
        check_acked(s, at);
    at->was_safe = s->o.store_ms != CRDT_STORE_LAZY;
    at->saved_done = at->durable;
    site_loses(s, at, &at->saved_done);
    site_close(s, at);
    disk_power_fails(at->disk);
    at->is_in = 0;
    at->m.done = at->m.seen = at->saved_done;
    queue_put(&s->q, s->now + 500, A_START, at->number, NULL);
    trace_line(&s->t, s->now, at->number, "gives its disk up");
}

static inline void site_free(site *at)
{
    if (at->state == SITE_UP)
        memory_end(&at->mem);
    crdt_vv_free(&at->vv);
    crdt_vv_free(&at->posted);
    crdt_buf_free(&at->saved);
    crdt_buf_free(&at->table);
    disk_free(at->disk);
    disk_free(at->backup);
    free(at->ends);
}

#endif
