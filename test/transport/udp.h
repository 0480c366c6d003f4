/* The kit of UDP, over the loopback interface. */
#ifndef UDP_KIT_H
#define UDP_KIT_H

#include "stranger.h"

static unsigned udp_port;
static char udp_address[40]; /* of end 0 */

static crdt_err udp_make(crdt_transport *out, size_t number,
                         const crdt_alloc *alloc)
{
    crdt_udp_config config;
    const char *peers[1];
    crdt_err err;
    memset(&config, 0, sizeof config);
    snprintf(udp_address, sizeof udp_address, "127.0.0.1:%u", udp_port);
    peers[0] = udp_address;
    config.alloc = alloc;
    config.backoff_min_ms = 1;
    config.backoff_max_ms = 20;
    config.keepalive_ms = 200;
    config.silence_ms = silence_ms;
    config.listen = number == 0 ? udp_address : "127.0.0.1:0";
    config.peers = peers;
    config.peers_count = number > 0;
    err = crdt_udp_new(out, &config);
    if (!err && number == 0)
        udp_port = crdt_udp_port(out);
    snprintf(udp_address, sizeof udp_address, "127.0.0.1:%u", udp_port);
    return err;
}

static void udp_stranger(crdt_bytes bytes)
{
    stranger_says(udp_address, SOCK_DGRAM, bytes);
}

static void udp_finish(void)
{
    udp_port = 0;
}

static const struct kit udp_kit = { .name = "udp: ",
                                    .make = udp_make,
                                    .finish = udp_finish,
                                    .stranger = udp_stranger,
                                    .queue_max = MIB / 4,
                                    .forks = 1,
                                    .waits = 1,
                                    .address = udp_address,
                                    .add_peer = crdt_udp_add_peer,
                                    .remove_peer = crdt_udp_remove_peer,
                                    .fds = crdt_udp_fds,
                                    .wake = crdt_udp_wake };

#endif
