/*
 * The network that the user has chosen: which transport, where, how bad, and
 * who may come in.
 *
 *     --transport tcp --listen ... --peer ... --chaos loss=10% --key FILE
 *
 *     node <--> outer: sealed, with a key <--> bad: chaos <--> inner: sockets
 */
#ifndef DEMO_NETWORK_H
#define DEMO_NETWORK_H

#include <stddef.h>

#include "crdtsync.h"

struct pollfd;

enum { NETWORK_ADDRESS_MAX = 272 };

typedef struct network_wish {
    const char *transport; /* of NETWORK_TRANSPORTS; NULL: tcp */
    const char *listen;    /* HOST:PORT, of unix a path; or NULL */
    const char *const *peers;
    size_t peers_count;
    const char *discover;     /* a group, of UDP; or NULL */
    const char *realm;        /* who has the same is discovered; NULL: "" */
    const char *chaos;        /* or NULL; "": none yet, see network_chaos */
    const uint8_t *group_key; /* 32 bytes: only who has it too comes in; NULL:
                                 whoever can connect is trusted */
} network_wish;

#define NETWORK_TRANSPORTS "tcp, unix, udp or zmq"

typedef struct network {
    crdt_transport inner, bad;
    crdt_transport outer; /* for the node */
    const struct network_kind *kind;
    char listening[NETWORK_ADDRESS_MAX]; /* as others may dial it; or "" */
} network;

/* What is wrong goes to the log. ARG for what makes no sense, and what the
 * transport answers. */
crdt_err network_open(network *net, const network_wish *wish,
                      const crdt_log *log);
/* While no node has it. */
void network_close(network *net);

unsigned network_port(const network *net);
/* One more to be kept connected, or not any more. */
crdt_err network_add_peer(network *net, const char *address);
crdt_err network_remove_peer(network *net, const char *address);
/* All links end; who has not the new key does not come in again. */
crdt_err network_rekey(network *net, const uint8_t group_key[32]);
/* Another spec from now on, where there was one. `why` when it is ARG. */
crdt_err network_chaos(network *net, const char *spec, char *why, size_t size);

/* For a loop of one's own: what to wait for, and how long (-1: whenever). */
size_t network_fds(const network *net, struct pollfd *out, size_t max,
                   int *timeout_ms);

#endif
