/* The suite of all transports, over those that need no library, and with chaos
 * around them. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_loopback.h"
#include "crdtsync_tcp.h"
#include "crdtsync_udp.h"
#include "crdtsync_chaos.h"
#include "loopback.h"
#include "tcp.h"
#include "udp.h"
#include "unix.h"
#include "spoilt.h"
#include "suite_main.h"

/* Whole messages that come late, twice and in any order, but come. */
static crdt_err late_make(crdt_transport *out, size_t number,
                          const crdt_alloc *alloc)
{
    return spoil(out, loopback_make(out, number, alloc),
                 "delay=1ms,jitter=2ms,dup=10%,reorder=10%", number, alloc);
}

static crdt_err bad_tcp_make(crdt_transport *out, size_t number,
                             const crdt_alloc *alloc)
{
    return spoil(out, tcp_make(out, number, alloc),
                 "loss=5%,delay=1ms,jitter=1ms,tear=30%", number, alloc);
}

static crdt_err bad_udp_make(crdt_transport *out, size_t number,
                             const crdt_alloc *alloc)
{
    return spoil(out, udp_make(out, number, alloc),
                 "loss=10%,delay=1ms,jitter=2ms,dup=10%,reorder=10%", number,
                 alloc);
}

static const struct kit late_kit = { .name = "chaos loopback: ",
                                     .properties = CRDT_RELIABLE | CRDT_SEALED,
                                     .make = late_make,
                                     .finish = loopback_finish,
                                     .queue_max = 8 * MIB };
static const struct kit bad_tcp_kit = { .name = "chaos tcp: ",
                                        .properties = CRDT_RELIABLE |
                                                      CRDT_ORDERED |
                                                      CRDT_STREAM,
                                        .make = bad_tcp_make,
                                        .finish = tcp_finish,
                                        .stranger = tcp_stranger,
                                        .queue_max = 8 * MIB,
                                        .forks = 1,
                                        .waits = 1 };
static const struct kit bad_udp_kit = { .name = "chaos udp: ",
                                        .make = bad_udp_make,
                                        .finish = udp_finish,
                                        .stranger = udp_stranger,
                                        .forks = 1,
                                        .waits = 1,
                                        .loses = 1 };

SUITE_MAIN(&loopback_kit, &torn_kit, &tcp_kit, &unix_kit, &udp_kit, &late_kit,
           &bad_tcp_kit, &bad_udp_kit)
