/* The kit of ZeroMQ, over tcp:// on the loopback interface. */
#ifndef ZMQ_KIT_H
#define ZMQ_KIT_H

#include "ends.h"

#include <unistd.h>

static char zmq_endpoint[80];

static crdt_err zmq_make_with(crdt_transport *out, size_t number,
                              const char *publish, const crdt_alloc *alloc)
{
    crdt_zmq_config config;
    const char *peer = zmq_endpoint;
    crdt_err err;
    memset(&config, 0, sizeof config);
    config.alloc = alloc;
    config.hwm = 32;
    config.backoff_min_ms = 5;
    config.backoff_max_ms = 20;
    config.keepalive_ms = 200;
    config.silence_ms = silence_ms;
    if (number == 0)
        config.listen = zmq_endpoint[0] ? zmq_endpoint : "tcp://127.0.0.1:*";
    config.peers = &peer;
    config.peers_count = number > 0;
    config.publish = publish;
    config.subscribe = publish != NULL;
    err = crdt_zmq_new(out, &config);
    if (!err && number == 0)
        snprintf(zmq_endpoint, sizeof zmq_endpoint, "%s",
                 crdt_zmq_endpoint(out));
    return err;
}

static crdt_err zmq_make(crdt_transport *out, size_t number,
                         const crdt_alloc *alloc)
{
    return zmq_make_with(out, number, NULL, alloc);
}

static crdt_err zmq_pub_make(crdt_transport *out, size_t number,
                             const crdt_alloc *alloc)
{
    return zmq_make_with(out, number, "tcp://127.0.0.1:*", alloc);
}

/* One that speaks ZeroMQ, and nothing that we know. */
static void zmq_stranger(crdt_bytes bytes)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    int linger = 100;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_connect(socket, zmq_endpoint);
    zmq_send(socket, bytes.ptr, bytes.len, ZMQ_DONTWAIT);
    zmq_close(socket);
    zmq_ctx_term(context);
}

static void zmq_finish(void)
{
    zmq_endpoint[0] = 0;
}

#define ZMQ_KIT(name_is, properties_are, make_it)                             \
    {                                                                         \
        .name = name_is, .properties = properties_are, .make = make_it,       \
        .finish = zmq_finish, .stranger = zmq_stranger, .queue_max = 4 * MIB, \
        .forks = 1, .waits = 1, .address = zmq_endpoint,                      \
        .add_peer = crdt_zmq_add_peer, .remove_peer = crdt_zmq_remove_peer,   \
        .fds = crdt_zmq_fds, .wake = crdt_zmq_wake                            \
    }

static const struct kit zmq_kit =
    ZMQ_KIT("zmq: ", CRDT_RELIABLE | CRDT_ORDERED, zmq_make);

/* The same, where all publish what goes to all. */
static const struct kit zmq_pub_kit =
    ZMQ_KIT("zmq pub: ", CRDT_BROADCAST, zmq_pub_make);

#endif
