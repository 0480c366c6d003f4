#include "posix.h"

#include "network.h"
#include "text.h"
#include "ticks.h"

#include <stdio.h>
#include <string.h>

#include "crdtsync_chaos.h"
#include "crdtsync_sealed.h"
#include "crdtsync_tcp.h"
#include "crdtsync_udp.h"
#include "crdtsync_zmq.h"

/* What there is to choose from. Addresses are what `address` makes of those
 * of the user. */
struct network_kind {
    const char *name;
    void (*address)(char out[NETWORK_ADDRESS_MAX], const char *given);
    crdt_err (*open)(crdt_transport *out, const network_wish *wish,
                     const char *listen, const crdt_log *log);
    unsigned (*port)(const crdt_transport *transport);
    crdt_err (*add_peer)(const crdt_transport *transport, const char *address);
    crdt_err (*remove_peer)(const crdt_transport *transport,
                            const char *address);
    size_t (*fds)(const crdt_transport *transport, struct pollfd *out,
                  size_t max, int *timeout_ms);
};

enum { BACKOFF_MAX_MS = 2000 }; /* a person is waiting */

/* >>kinds ----------------------------------------------------------------- */

static void as_given(char out[NETWORK_ADDRESS_MAX], const char *given)
{
    snprintf(out, NETWORK_ADDRESS_MAX, "%s", given);
}

static void as_path(char out[NETWORK_ADDRESS_MAX], const char *given)
{
    const char *scheme = strncmp(given, "unix:", 5) == 0 ? "" : "unix:";
    snprintf(out, NETWORK_ADDRESS_MAX, "%s%s", scheme, given);
}

/* HOST:PORT, :PORT and HOST:0 as ZeroMQ writes them. */
static void as_endpoint(char out[NETWORK_ADDRESS_MAX], const char *given)
{
    const char *colon = strrchr(given, ':');
    if (strstr(given, "://") || !colon)
        as_given(out, given);
    else
        snprintf(out, NETWORK_ADDRESS_MAX, "tcp://%.*s:%s",
                 colon == given ? 1 : (int)(colon - given),
                 colon == given ? "*" : given,
                 strcmp(colon, ":0") == 0 ? "*" : colon + 1);
}

static crdt_err open_tcp(crdt_transport *out, const network_wish *wish,
                         const char *listen, const crdt_log *log)
{
    crdt_tcp_config config;
    (void)wish;
    memset(&config, 0, sizeof config);
    config.listen = listen;
    config.backoff_max_ms = BACKOFF_MAX_MS;
    config.log = log;
    return crdt_tcp_new(out, &config);
}

static crdt_err open_udp(crdt_transport *out, const network_wish *wish,
                         const char *listen, const crdt_log *log)
{
    crdt_udp_config config;
    memset(&config, 0, sizeof config);
    config.listen = listen;
    config.discover = wish->discover;
    config.realm = wish->realm;
    config.backoff_max_ms = BACKOFF_MAX_MS;
    config.log = log;
    return crdt_udp_new(out, &config);
}

static crdt_err open_zmq(crdt_transport *out, const network_wish *wish,
                         const char *listen, const crdt_log *log)
{
    crdt_zmq_config config;
    (void)wish;
    memset(&config, 0, sizeof config);
    config.listen = listen;
    config.backoff_max_ms = BACKOFF_MAX_MS;
    config.log = log;
    return crdt_zmq_new(out, &config);
}

static unsigned zmq_port(const crdt_transport *transport)
{
    const char *colon = strrchr(crdt_zmq_endpoint(transport), ':');
    unsigned port = 0;
    return colon && sscanf(colon, ":%u", &port) == 1 ? port : 0;
}

static const struct network_kind kinds[] = {
    { "tcp", as_given, open_tcp, crdt_tcp_port, crdt_tcp_add_peer,
      crdt_tcp_remove_peer, crdt_tcp_fds },
    { "unix", as_path, open_tcp, crdt_tcp_port, crdt_tcp_add_peer,
      crdt_tcp_remove_peer, crdt_tcp_fds },
    { "udp", as_given, open_udp, crdt_udp_port, crdt_udp_add_peer,
      crdt_udp_remove_peer, crdt_udp_fds },
    { "zmq", as_endpoint, open_zmq, zmq_port, crdt_zmq_add_peer,
      crdt_zmq_remove_peer, crdt_zmq_fds },
};

static const struct network_kind *kind_of(const char *name)
{
    size_t i;
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name ? name : "tcp") == 0)
            return &kinds[i];
    return NULL;
}

/* >>opening --------------------------------------------------------------- */

static crdt_err complain(const crdt_log *log, const char *what,
                         const char *about)
{
    char line[300];
    snprintf(line, sizeof line, what, about);
    log->line(log->ctx, line);
    return CRDT_ERR_ARG;
}

/* Puts the layers around that are wished; each takes over what is inside. */
static crdt_err wrap(network *net, const network_wish *wish,
                     const crdt_log *log)
{
    crdt_chaos_config chaos;
    crdt_sealed_config sealed;
    crdt_err err;
    memset(&chaos, 0, sizeof chaos);
    memset(&sealed, 0, sizeof sealed);
    chaos.log = log;
    sealed.group_key = wish->group_key;
    net->outer = net->bad = net->inner;
    if (wish->chaos) {
        err = crdt_chaos_new(&net->bad, &net->inner, wish->chaos, &chaos);
        if (err)
            return err;
    }
    net->outer = net->bad;
    net->outer.properties |= CRDT_TRUSTED_PEERS;
    return wish->group_key ? crdt_sealed_new(&net->outer, &net->bad, &sealed)
                           : CRDT_OK;
}

/* HOST of HOST:PORT, with the port that the system chose for 0; or a path. */
static void note_listening(network *net, const char *listen)
{
    unsigned port = network_port(net);
    net->listening[0] = 0;
    if (listen && port)
        text_at_port(net->listening, sizeof net->listening, listen, port);
    else if (listen)
        as_given(net->listening, listen);
}

static crdt_err add_peers(network *net, const network_wish *wish,
                          const crdt_log *log)
{
    size_t i;
    for (i = 0; i < wish->peers_count; i++) {
        crdt_err err = network_add_peer(net, wish->peers[i]);
        if (err == CRDT_ERR_ARG)
            complain(log, "%s: is no address to connect to", wish->peers[i]);
        if (err)
            return err;
    }
    return CRDT_OK;
}

crdt_err network_open(network *net, const network_wish *wish,
                      const crdt_log *log)
{
    char listen[NETWORK_ADDRESS_MAX];
    crdt_err err;
    net->kind = kind_of(wish->transport);
    if (!net->kind)
        return complain(log,
                        "there is no transport \"%s\": " NETWORK_TRANSPORTS,
                        wish->transport);
    if (wish->discover && net->kind->open != open_udp)
        return complain(log, "%s: only UDP discovers: --transport udp",
                        wish->discover);
    if (wish->listen)
        net->kind->address(listen, wish->listen);
    err =
        net->kind->open(&net->inner, wish, wish->listen ? listen : NULL, log);
    if (err)
        return err;
    note_listening(net, wish->listen);
    err = wrap(net, wish, log);
    if (!err)
        err = add_peers(net, wish, log);
    if (err)
        network_close(net);
    return err;
}

void network_close(network *net)
{
    net->outer.close(net->outer.ctx);
}

/* >>while it runs --------------------------------------------------------- */

unsigned network_port(const network *net)
{
    return net->kind->port(&net->inner);
}

crdt_err network_add_peer(network *net, const char *address)
{
    char theirs[NETWORK_ADDRESS_MAX];
    net->kind->address(theirs, address);
    return net->kind->add_peer(&net->inner, theirs);
}

crdt_err network_remove_peer(network *net, const char *address)
{
    char theirs[NETWORK_ADDRESS_MAX];
    net->kind->address(theirs, address);
    return net->kind->remove_peer(&net->inner, theirs);
}

crdt_err network_rekey(network *net, const uint8_t group_key[32])
{
    return crdt_sealed_rekey(&net->outer, group_key);
}

crdt_err network_chaos(network *net, const char *spec, char *why, size_t size)
{
    return crdt_chaos_set(&net->bad, spec, why, size);
}

size_t network_fds(const network *net, struct pollfd *out, size_t max,
                   int *timeout_ms)
{
    size_t count = net->kind->fds(&net->inner, out, max, timeout_ms);
    *timeout_ms = ticks_sooner(*timeout_ms, crdt_chaos_due_ms(&net->bad));
    *timeout_ms = ticks_sooner(*timeout_ms, crdt_sealed_due_ms(&net->outer));
    return count;
}
