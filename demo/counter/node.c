/*
 * The document, the node that keeps it equal with others, its store and its
 * network: opened together and closed together.
 */
#include "../common/posix.h"

#include "node.h"
#include "../common/key.h"
#include "../common/spell.h"
#include "notices.h"
#include "report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crdtsync_file.h"

enum { ROSTER_MS = 1000, FAREWELL_POLLS = 5, FAREWELL_MS = 10 };

static int refuse(const app *a, const char *what, crdt_err err)
{
    const char *why = *a->log_line ? a->log_line : crdt_err_text(err);
    fprintf(stderr, "counter: %s: %s\n", what, why);
    return 0;
}

/* >>network --------------------------------------------------------------- */

static crdt_log logger(app *a)
{
    crdt_log log;
    log.version = 1;
    log.ctx = a;
    log.line = notices_log;
    return log;
}

/* The secret of the group, made when there is none yet. */
static int find_key(const app *a, uint8_t key[KEY_SIZE])
{
    char why[300];
    if (access(a->set.key, F_OK) == 0
            ? key_read(key, a->set.key, why, sizeof why)
            : key_make(key, a->set.key, why, sizeof why))
        return 1;
    fprintf(stderr, "counter: %s\n", why);
    return 0;
}

/* With the readable codec around, when that is asked for. */
static int attach(app *a)
{
    crdt_transport transport = a->net.outer;
    crdt_err err = CRDT_OK;
    if (a->set.codec && strcmp(a->set.codec, "json") == 0)
        err = spell_new(&transport, &a->net.outer);
    if (!err)
        err = crdt_node_attach(a->node, &transport);
    if (!err)
        return 1;
    transport.close(transport.ctx);
    return refuse(a, "cannot use the network", err);
}

/* TCP and ZeroMQ are told by a beacon whom to dial; UDP finds by itself. */
static int open_beacon(app *a, const char *listens)
{
    char why[300];
    a->beacon = beacon_open(a->set.discover, a->set.realm ? a->set.realm : "-",
                            listens, why, sizeof why);
    if (!a->beacon)
        fprintf(stderr, "counter: %s\n", why);
    return a->beacon != NULL || a->set.looks_around;
}

static int open_network(app *a)
{
    network_wish wish;
    const char *peers[OPTION_LIST_MAX];
    char before[NETWORK_ADDRESS_MAX];
    crdt_log log = logger(a);
    uint8_t key[KEY_SIZE];
    crdt_err err;
    size_t i;
    int is_udp = a->set.transport && strcmp(a->set.transport, "udp") == 0;
    memset(&wish, 0, sizeof wish);
    for (i = 0; i < a->set.peers.count; i++)
        peers[i] = a->set.peers.items[i];
    if (a->set.key && !find_key(a, key))
        return 0;
    wish.transport = a->set.transport;
    strcpy(before, a->net.listening);
    wish.listen = *before ? before : a->set.listen;
    if (!wish.listen && a->set.discover && !is_udp)
        wish.listen = "0.0.0.0:0"; /* somewhere, for others to find */
    wish.peers = peers;
    wish.peers_count = a->set.peers.count;
    wish.discover = is_udp ? a->set.discover : NULL;
    wish.realm = a->set.realm;
    wish.chaos = a->set.chaos;
    wish.group_key = a->set.key ? key : NULL;
    err = network_open(&a->net, &wish, &log);
    if (err == CRDT_ERR_IO && wish.discover && a->set.looks_around) {
        wish.discover = NULL; /* a machine without a network */
        err = network_open(&a->net, &wish, &log);
    }
    if (err)
        return refuse(a, "cannot open the network", err);
    return attach(a) && (!a->set.discover || is_udp || a->beacon ||
                         open_beacon(a, a->net.listening));
}

/* >>store ----------------------------------------------------------------- */

static crdt_err open_store(app *a, crdt_store *store)
{
    crdt_file_config config;
    crdt_log log = logger(a);
    memset(&config, 0, sizeof config);
    config.dir = a->set.dir;
    config.log = &log;
    return crdt_file_new(store, &config);
}

static int refuse_store(const app *a, crdt_err err)
{
    fprintf(stderr, "counter: cannot open %s: %s%s\n", a->set.dir,
            crdt_err_text(err),
            err == CRDT_ERR_LOCKED
                ? "; give this one another --name, or --memory"
                : "");
    return 0;
}

/* How many changes the document has, by all. */
static uint64_t count_changes(const crdt_doc *doc)
{
    crdt_vv vv = CRDT_VV_INIT;
    uint64_t sum = 0;
    size_t i;
    if (crdt_doc_vv(doc, &vv))
        return 0;
    for (i = 0; i < vv.len; i++)
        sum += vv.entries[i].seq;
    crdt_vv_free(&vv);
    return sum;
}

static crdt_shipping shipping(const char *word)
{
    if (word && strcmp(word, "ops") == 0)
        return CRDT_SHIP_OPS;
    return word && strcmp(word, "state") == 0 ? CRDT_SHIP_STATE
                                              : CRDT_SHIP_DELTA;
}

int node_open(app *a)
{
    crdt_node_config config;
    crdt_store store;
    crdt_log log = logger(a);
    crdt_err err;
    memset(&config, 0, sizeof config);
    config.name = crdt_str(a->set.name);
    config.shipping = shipping(a->set.ship);
    config.roster_ms = ROSTER_MS;
    config.evict_ms = (uint32_t)(a->set.evict * 1000);
    config.log = &log;
    err = a->set.dir ? open_store(a, &store) : CRDT_OK;
    if (err)
        return refuse_store(a, err);
    config.store = a->set.dir ? &store : NULL;
    err = crdt_doc_new(&a->doc, NULL);
    if (!err)
        err = crdt_node_new(&a->node, &config);
    if (err && a->set.dir)
        store.close(store.ctx, 0);
    if (!err)
        err = crdt_node_share(a->node, CRDT_STR(DOCUMENT_NAME), a->doc);
    if (err)
        return refuse(a, "cannot make a node", err);
    a->replica = crdt_doc_replica(a->doc);
    a->stored = count_changes(a->doc);
    return open_network(a);
}

/* >>ending ---------------------------------------------------------------- */

void node_leave(app *a)
{
    int i;
    if (!a->node || crdt_node_leave(a->node, CRDT_STR(DOCUMENT_NAME)))
        return;
    for (i = 0; i < FAREWELL_POLLS && report_connected(a); i++)
        crdt_node_poll(a->node, FAREWELL_MS);
}

void node_close(app *a)
{
    crdt_node_free(a->node); /* says goodbye to the peers */
    crdt_doc_free(a->doc);
    a->node = NULL;
    a->doc = NULL;
}
