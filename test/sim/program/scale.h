/*
 * Many sites, no model: first all of them meet, then each writes once, and it
 * is told what it took until all have it all.
 */
#ifndef SCALE_H
#define SCALE_H

#include "run.h"

#include <time.h>

enum { SCALE_MS = 3600000 };

typedef struct {
    counts n;
    uint64_t at;
    clock_t cpu;
} stopwatch;

static inline stopwatch watch_start(const sim *s)
{
    stopwatch w;
    w.n = s->n;
    w.at = s->now;
    w.cpu = clock();
    return w;
}

static inline void watch_tell(const sim *s, const stopwatch *w,
                              const char *what)
{
    uint64_t bytes = s->n.bytes - w->n.bytes, sent = s->n.sent - w->n.sent;
    printf("%s: %llu ms, %llu messages, %llu bytes; %llu and %llu a site; "
           "%llu lost, %llu polls, %.1f s of CPU\n",
           what, (unsigned long long)(s->now - w->at),
           (unsigned long long)sent, (unsigned long long)bytes,
           (unsigned long long)(sent / s->sites_len),
           (unsigned long long)(bytes / s->sites_len),
           (unsigned long long)(s->n.lost - w->n.lost),
           (unsigned long long)(s->n.polls - w->n.polls),
           (double)(clock() - w->cpu) / CLOCKS_PER_SEC);
    fflush(stdout);
}

static inline void scale_options(options *o, uint32_t replicas, uint32_t kind,
                                 uint32_t loss)
{
    memset(o, 0, sizeof *o);
    o->replicas = replicas;
    o->topology = kind;
    o->loss = loss;
    o->reliable = o->stream = loss == 0;
    o->delay = 20;
    o->tick = 10;
    o->message = o->reliable ? 65536 : 1400;
    o->queue = 4 << 20;
    o->heartbeat = 2000;
    o->sync = 30000;
    o->check = 1;
}

static inline int everyone_is_linked(const sim *s)
{
    uint32_t i;
    crdt_peer_info info;
    for (i = 0; i < s->sites_len; i++)
        if (crdt_node_peer(s->sites[i].node, 0, &info))
            return 0;
    return sim_says_so(s);
}

static inline int has_all(const sim *s, const site *at)
{
    return crdt_map_size(crdt_root(at->m.doc)) == s->sites_len;
}

static inline int everyone_has_all(const sim *s)
{
    uint32_t i = s->sites_len;
    while (i-- > 0)
        if (!has_all(s, &s->sites[i]))
            return 0;
    return sim_is_equal(s);
}

static inline void scale_write(sim *s, site *at)
{
    char key[16];
    snprintf(key, sizeof key, "site %u", at->number);
    SIM_EXPECT(
        !crdt_map_put_int(crdt_root(at->m.doc), crdt_str(key), at->number));
    SIM_EXPECT(!crdt_commit(at->m.doc));
    site_wake(s, at, s->now + dice_of(at->number, 1, 0) % s->o.tick);
}

static inline void scale_settle(sim *s, int (*is_there)(const sim *s))
{
    uint64_t last = s->now + SCALE_MS;
    while (!s->w->wrong && s->now < last && !is_there(s))
        sim_until(s, s->now + 20);
    SIM_EXPECT(is_there(s));
}

/* NULL, or what is wrong. */
static inline const char *scale_run(sim *s)
{
    stopwatch w;
    uint32_t i;
    sim_begin(s);
    printf("%u sites, %s, %u %% lost\n", s->sites_len,
           topology_names[s->o.topology], s->o.loss);
    w = watch_start(s);
    scale_settle(s, everyone_is_linked);
    watch_tell(s, &w, "all have met");
    w = watch_start(s);
    for (i = 0; i < s->sites_len; i++)
        scale_write(s, &s->sites[i]);
    scale_settle(s, everyone_has_all);
    watch_tell(s, &w, "all have all");
    sim_end(s);
    return s->w->wrong;
}

#endif
