/* The suite of all transports, over those that are sealed with a group key.
 * pkg-config: libsodium */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_tcp.h"
#include "crdtsync_udp.h"
#include "crdtsync_sealed.h"
#include "tcp.h"
#include "udp.h"
#include "suite_main.h"

static crdt_err seal(crdt_transport *t, crdt_err err, const crdt_alloc *alloc)
{
    static const uint8_t group[32] = "thirty-two bytes that all know:";
    crdt_sealed_config config;
    crdt_transport inner = *t;
    if (err)
        return err;
    memset(&config, 0, sizeof config);
    config.alloc = alloc;
    config.group_key = group;
    config.rotate_every = 100;
    err = crdt_sealed_new(t, &inner, &config);
    if (err)
        inner.close(inner.ctx);
    return err;
}

static crdt_err sealed_tcp_make(crdt_transport *out, size_t number,
                                const crdt_alloc *alloc)
{
    return seal(out, tcp_make(out, number, alloc), alloc);
}

static crdt_err sealed_udp_make(crdt_transport *out, size_t number,
                                const crdt_alloc *alloc)
{
    return seal(out, udp_make(out, number, alloc), alloc);
}

static const struct kit sealed_tcp_kit = { .name = "sealed tcp: ",
                                           .properties = CRDT_RELIABLE |
                                                         CRDT_ORDERED |
                                                         CRDT_SEALED,
                                           .make = sealed_tcp_make,
                                           .finish = tcp_finish,
                                           .stranger = tcp_stranger,
                                           .queue_max = 8 * MIB,
                                           .forks = 1,
                                           .waits = 1 };
static const struct kit sealed_udp_kit = { .name = "sealed udp: ",
                                           .properties = CRDT_SEALED,
                                           .make = sealed_udp_make,
                                           .finish = udp_finish,
                                           .stranger = udp_stranger,
                                           .queue_max = 8 * MIB,
                                           .forks = 1,
                                           .waits = 1 };

SUITE_MAIN(&sealed_tcp_kit, &sealed_udp_kit)
