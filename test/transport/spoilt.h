/* Chaos around what a kit makes, of which each end has its own: CRDT_SEED. */
#ifndef SPOILT_H
#define SPOILT_H

#include "ends.h"

static inline crdt_err spoil(crdt_transport *t, crdt_err err, const char *spec,
                             size_t number, const crdt_alloc *alloc)
{
    crdt_chaos_config config;
    crdt_transport inner = *t;
    char text[200];
    if (err || !spec)
        return err;
    memset(&config, 0, sizeof config);
    config.alloc = alloc;
    snprintf(text, sizeof text, "seed=%lu,%s",
             (unsigned long)(test_env("CRDT_SEED", 1) * 1000 + number), spec);
    err = crdt_chaos_new(t, &inner, text, &config);
    if (err)
        inner.close(inner.ctx);
    return err;
}

#endif
