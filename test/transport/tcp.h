/* The kit of TCP, over the loopback interface. */
#ifndef TCP_KIT_H
#define TCP_KIT_H

#include "stranger.h"

static unsigned tcp_port;
static char tcp_address[40]; /* of end 0 */

static crdt_err tcp_make(crdt_transport *out, size_t number,
                         const crdt_alloc *alloc)
{
    crdt_tcp_config config;
    const char *peers[1];
    crdt_err err;
    memset(&config, 0, sizeof config);
    snprintf(tcp_address, sizeof tcp_address, "127.0.0.1:%u", tcp_port);
    peers[0] = tcp_address;
    config.alloc = alloc;
    config.backoff_min_ms = 1;
    config.backoff_max_ms = 20;
    config.linger_ms = 200;
    if (number == 0) {
        config.listen = tcp_address;
    } else {
        config.peers = peers;
        config.peers_count = 1;
    }
    err = crdt_tcp_new(out, &config);
    if (!err && number == 0)
        tcp_port = crdt_tcp_port(out);
    snprintf(tcp_address, sizeof tcp_address, "127.0.0.1:%u", tcp_port);
    return err;
}

static void tcp_stranger(crdt_bytes bytes)
{
    stranger_says(tcp_address, SOCK_STREAM, bytes);
}

static void tcp_finish(void)
{
    tcp_port = 0;
}

static const struct kit tcp_kit = { .name = "tcp: ",
                                    .properties = CRDT_RELIABLE |
                                                  CRDT_ORDERED | CRDT_STREAM,
                                    .make = tcp_make,
                                    .finish = tcp_finish,
                                    .stranger = tcp_stranger,
                                    .queue_max = 4 * MIB,
                                    .forks = 1,
                                    .waits = 1,
                                    .address = tcp_address,
                                    .add_peer = crdt_tcp_add_peer,
                                    .remove_peer = crdt_tcp_remove_peer,
                                    .fds = crdt_tcp_fds,
                                    .wake = crdt_tcp_wake };

#endif
