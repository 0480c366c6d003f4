/* The kit of the loopback transport: a hub, and links with end 0 alone. */
#ifndef LOOPBACK_KIT_H
#define LOOPBACK_KIT_H

#include "ends.h"

static crdt_loopback_hub *hub;
static crdt_transport joined[ENDS_MAX];
static uint64_t loopback_tear_seed;

/* What has been closed is still in `joined`: linking it answers ARG. */
static void loopback_links(size_t number)
{
    size_t i;
    for (i = 1; i < ENDS_MAX; i++)
        if ((number == 0 || i == number) && joined[i].close)
            (void)crdt_loopback_link(&joined[0], &joined[i]);
}

static void loopback_closed(void *ctx)
{
    size_t i;
    for (i = 0; i < ENDS_MAX; i++)
        if (joined[i].ctx == ctx)
            memset(&joined[i], 0, sizeof joined[i]);
    crdti_loop_close(ctx);
}

static crdt_err loopback_make(crdt_transport *out, size_t number,
                              const crdt_alloc *alloc)
{
    crdt_loopback_config config;
    crdt_err err = CRDT_OK;
    memset(&config, 0, sizeof config);
    config.alloc = alloc;
    config.manual = 1;
    config.tear_seed = loopback_tear_seed;
    if (!hub)
        err = crdt_loopback_hub_new(&hub, &config);
    if (!err)
        err = crdt_loopback_new(out, hub);
    if (err)
        return err;
    joined[number] = *out;
    loopback_links(number);
    out->close = loopback_closed;
    return CRDT_OK;
}

static void loopback_finish(void)
{
    crdt_loopback_hub_free(hub);
    hub = NULL;
    memset(joined, 0, sizeof joined);
}

static const struct kit loopback_kit = { .name = "loopback: ",
                                         .properties = CRDT_RELIABLE |
                                                       CRDT_ORDERED |
                                                       CRDT_SEALED,
                                         .make = loopback_make,
                                         .finish = loopback_finish,
                                         .queue_max = 4 * MIB };

/* As a stream that is torn at random: CRDT_SEED. */
static crdt_err torn_make(crdt_transport *out, size_t number,
                          const crdt_alloc *alloc)
{
    loopback_tear_seed = test_env("CRDT_SEED", 1);
    return loopback_make(out, number, alloc);
}

static void torn_finish(void)
{
    loopback_finish();
    loopback_tear_seed = 0;
}

static const struct kit torn_kit = { .name = "torn: ",
                                     .properties = CRDT_RELIABLE |
                                                   CRDT_ORDERED | CRDT_STREAM |
                                                   CRDT_SEALED,
                                     .make = torn_make,
                                     .finish = torn_finish,
                                     .queue_max = 4 * MIB };

#endif
