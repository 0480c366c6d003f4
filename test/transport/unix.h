/* The kit of Unix sockets. */
#ifndef UNIX_KIT_H
#define UNIX_KIT_H

#include "stranger.h"

#include <unistd.h>

static char unix_path[64];

static crdt_err unix_make(crdt_transport *out, size_t number,
                          const crdt_alloc *alloc)
{
    crdt_tcp_config config;
    const char *peer = unix_path;
    memset(&config, 0, sizeof config);
    if (!unix_path[0])
        snprintf(unix_path, sizeof unix_path,
                 "unix:/tmp/crdtsync-suite-%ld.sock", (long)getpid());
    config.alloc = alloc;
    config.backoff_min_ms = 1;
    config.backoff_max_ms = 20;
    config.linger_ms = 200;
    if (number == 0)
        config.listen = unix_path;
    config.peers = &peer;
    config.peers_count = number > 0;
    return crdt_tcp_new(out, &config);
}

static void unix_stranger(crdt_bytes bytes)
{
    stranger_says(unix_path, SOCK_STREAM, bytes);
}

static const struct kit unix_kit = { .name = "unix: ",
                                     .properties = CRDT_RELIABLE |
                                                   CRDT_ORDERED | CRDT_STREAM,
                                     .make = unix_make,
                                     .stranger = unix_stranger,
                                     .queue_max = 4 * MIB,
                                     .forks = 1,
                                     .waits = 1,
                                     .address = unix_path,
                                     .add_peer = crdt_tcp_add_peer,
                                     .remove_peer = crdt_tcp_remove_peer,
                                     .fds = crdt_tcp_fds,
                                     .wake = crdt_tcp_wake };

#endif
