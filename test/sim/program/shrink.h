/*
 * From a seed that fails to the least that still does: fewer actions first, in
 * large parts and then one by one (ddmin: Zeller & Hildebrandt 2002), then
 * fewer faults and fewer sites.
 */
#ifndef SHRINK_H
#define SHRINK_H

#include "run.h"

typedef struct {
    sim *s;
    int left; /* how often it may be run */
} shrinker;

static inline int still_fails(shrinker *h, const options *o)
{
    h->s->o = *o;
    return h->left-- > 0 && sim_run(h->s) != NULL;
}

/* The places of all that happens, one behind the other. */
static inline size_t list_kept(const options *o, uint8_t **places)
{
    options *own = (options *)(uintptr_t)o;
    size_t len = 0;
    uint32_t k, i;
    for (k = 0; k < ACTION_KINDS; k++)
        for (i = 0; i < o->counts[k]; i++)
            if (o->kept[k][i])
                places[len++] = &own->kept[k][i];
    return len;
}

/* Goes through all parts of that size once. Whether one could go. */
static inline int shrink_parts(shrinker *h, options *o, size_t size)
{
    static uint8_t *all[ACTION_KINDS * ACTIONS_MAX];
    size_t len = list_kept(o, all), first, i;
    int any = 0;
    for (first = 0; first < len; first += size) {
        size_t last = crdti_min_size(first + size, len);
        for (i = first; i < last; i++)
            *all[i] = 0;
        if (still_fails(h, o)) {
            any = 1;
            continue;
        }
        for (i = first; i < last; i++)
            *all[i] = 1;
    }
    return any;
}

static inline int shrink_actions(shrinker *h, options *o)
{
    static uint8_t *all[ACTION_KINDS * ACTIONS_MAX];
    size_t size = (list_kept(o, all) + 1) / 2;
    int any = 0;
    for (; size > 0; size /= 2)
        any |= shrink_parts(h, o, size);
    return any;
}

/* Whether it fails with that setting as well; then it is so. */
static inline int shrink_setting(shrinker *h, options *o, uint32_t *setting,
                                 uint32_t to)
{
    uint32_t was = *setting;
    if (was == to)
        return 0;
    *setting = to;
    if (still_fails(h, o))
        return 1;
    *setting = was;
    return 0;
}

static inline int shrink_settings(shrinker *h, options *o)
{
    int any = 0;
    any |= shrink_setting(h, o, &o->loss, 0);
    any |= shrink_setting(h, o, &o->dup, 0);
    any |= shrink_setting(h, o, &o->reorder, 0);
    any |= shrink_setting(h, o, &o->corrupt, 0);
    any |= shrink_setting(h, o, &o->tear, 0);
    any |= shrink_setting(h, o, &o->reliable, 1);
    any |= shrink_setting(h, o, &o->stream, 0);
    any |= shrink_setting(h, o, &o->delay, 1);
    any |= shrink_setting(h, o, &o->tick, 1);
    any |= shrink_setting(h, o, &o->topology, CHAIN);
    while (o->replicas > 2 &&
           shrink_setting(h, o, &o->replicas, o->replicas - 1))
        any = 1;
    return any;
}

/* Leaves in `o` what fails, and prints it as a command. */
static inline void shrink(sim *s, options *o, const char *rule)
{
    shrinker h;
    h.s = s;
    h.left = 3000;
    while (shrink_actions(&h, o) | shrink_settings(&h, o) && h.left > 0)
        continue;
    s->o = *o;
    (void)sim_run(s);
    printf("  least: %s\n", s->w->wrong ? s->w->wrong : "(nothing)");
    printf("  replay: build/sim%s%s --trace --replay '",
           rule ? " --rule " : "", rule ? rule : "");
    options_print(stdout, o);
    printf("'\n");
}

#endif
