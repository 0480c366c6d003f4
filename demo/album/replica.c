#include "../common/posix.h"

#include "replica.h"
#include "../common/spell.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crdtsync_file.h"

/* Who is away for so long catches up by the whole state. */
enum { EVICT_MS = 24 * 3600 * 1000 };

static crdt_err open_store(crdt_store *store, const replica_wish *wish)
{
    crdt_file_config config;
    memset(&config, 0, sizeof config);
    config.dir = wish->dir;
    config.log = wish->log;
    return crdt_file_new(store, &config);
}

static crdt_err open_node(replica *r, const replica_wish *wish)
{
    crdt_node_config config;
    crdt_store store;
    crdt_err err = open_store(&store, wish);
    if (err)
        return err;
    memset(&config, 0, sizeof config);
    config.name = crdt_str(wish->user);
    config.log = wish->log;
    config.shipping = wish->shipping;
    config.store = &store;
    config.evict_ms = EVICT_MS;
    err = crdt_node_new(&r->node, &config);
    if (err)
        store.close(store.ctx, 0);
    return err;
}

static crdt_err open_network(replica *r, const replica_wish *wish)
{
    network_wish net;
    crdt_transport transport;
    crdt_err err;
    memset(&net, 0, sizeof net);
    net.transport = wish->transport;
    net.listen = wish->listen;
    net.chaos = wish->chaos;
    net.group_key = wish->key;
    err = network_open(&r->net, &net, wish->log);
    if (err)
        return err;
    transport = r->net.outer;
    if (wish->is_readable)
        err = spell_new(&transport, &r->net.outer);
    if (!err)
        err = crdt_node_attach(r->node, &transport);
    if (err)
        transport.close(transport.ctx);
    return err;
}

crdt_err replica_open(replica *r, const replica_wish *wish, char *why,
                      size_t size)
{
    const char *what = "no memory for the album";
    crdt_err err;
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "%s", wish->id);
    err = crdt_doc_new(&r->doc, NULL);
    if (!err) {
        what = "cannot open the store of the album";
        err = open_node(r, wish);
    }
    if (!err)
        err = crdt_node_share(r->node, crdt_str(r->name), r->doc);
    if (!err && wish->key) {
        what = "cannot open the network";
        err = open_network(r, wish);
    }
    if (!err) {
        r->id = crdt_doc_replica(r->doc);
        return CRDT_OK;
    }
    snprintf(why, size, "%s: %s", what, crdt_err_text(err));
    replica_close(r);
    return err;
}

void replica_close(replica *r)
{
    crdt_node_free(r->node);
    crdt_doc_free(r->doc);
    memset(r, 0, sizeof *r);
}

uint64_t replica_own(const replica *r)
{
    crdt_vv vv = CRDT_VV_INIT;
    uint64_t own = 0;
    if (crdt_doc_vv(r->doc, &vv) == CRDT_OK)
        own = crdt_vv_get(&vv, &r->id);
    crdt_vv_free(&vv);
    return own;
}

uint64_t replica_acked(const replica *r)
{
    crdt_vv vv = CRDT_VV_INIT;
    uint64_t acked = 0;
    if (crdt_node_acked(r->node, crdt_str(r->name), &vv) == CRDT_OK)
        acked = crdt_vv_get(&vv, &r->id);
    crdt_vv_free(&vv);
    return acked;
}

void replica_digest(const replica *r, char out[33])
{
    crdt_digest digest = crdt_doc_digest(r->doc);
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, digest.hi, digest.lo);
}
