/*
 * Presence: what a site shows is its number and how often it has shown
 * something, and nobody may see anything else.
 */
#ifndef PRESENCES_H
#define PRESENCES_H

#include "census.h"

static inline void site_show(sim *s, site *at, uint32_t ttl_ms)
{
    char text[32];
    snprintf(text, sizeof text, "%u %u", at->number, ++at->shown);
    SIM_EXPECT(!crdt_node_set_presence(at->node, CRDT_STR("d"), crdt_str(text),
                                       ttl_ms));
}

/* Who is seen there, and which of what it has shown: 0 when it is neither. */
static inline uint32_t presence_read(const crdt_presence *seen,
                                     uint32_t *number)
{
    char text[32];
    uint32_t shown = 0;
    size_t len = crdti_min_size(seen->value.len, sizeof text - 1);
    memcpy(text, seen->value.ptr, len);
    text[len] = 0;
    return sscanf(text, "%u %u", number, &shown) == 2 ? shown : 0;
}

static inline void check_presences(sim *s, const site *at)
{
    crdt_presence seen;
    uint32_t number, shown;
    size_t i;
    for (i = 0; !crdt_node_presence(at->node, CRDT_STR("d"), i, &seen); i++) {
        shown = presence_read(&seen, &number);
        SIM_EXPECT(shown && number < s->sites_len &&
                   shown <= s->sites[number].shown);
    }
}

/* Whether it sees what the other has shown last. */
static inline int is_seen(const site *at, const site *other)
{
    crdt_presence seen;
    uint32_t number;
    size_t i;
    for (i = 0; !crdt_node_presence(at->node, CRDT_STR("d"), i, &seen); i++) {
        if (presence_read(&seen, &number) == other->shown &&
            number == other->number)
            return 1;
    }
    return 0;
}

#endif
