/*
 * Sites: nodes with a document each, on the ends that the kit makes.
 */
#ifndef SITES_H
#define SITES_H

#include "ends.h"

enum { SITES_MAX = 24 };

struct site {
    crdt_node *node;
    crdt_doc *doc;
    crdt_transport t; /* the node's */
    char said[2048];
    crdt_log log;
};

static struct site sites[SITES_MAX];

/* Puts something between the node and its transport; NULL: nothing. */
static void (*site_wrap)(crdt_transport *t, size_t number);

static inline void site_line(void *ctx, const char *text)
{
    struct site *site = (struct site *)ctx;
    size_t len = strlen(site->said);
    snprintf(site->said + len, sizeof site->said - len, "%s\n", text);
}

/* The document outlives its node: a site that is opened again has it yet. */
static inline int site_open(size_t number)
{
    struct site *site = &sites[number];
    crdt_node_config config;
    memset(&config, 0, sizeof config);
    config.heartbeat_ms = 300;
    config.sync_ms = 1000;
    site->log.version = 1;
    site->log.ctx = site;
    site->log.line = site_line;
    site->said[0] = 0;
    config.log = &site->log;
    if ((!site->doc && crdt_doc_new(&site->doc, NULL)) ||
        crdt_node_new(&site->node, &config) ||
        crdt_node_share(site->node, CRDT_STR("d"), site->doc) ||
        make_end(&site->t, number, NULL))
        return 0;
    if (site_wrap)
        site_wrap(&site->t, number);
    site->t.properties |= CRDT_TRUSTED_PEERS;
    return crdt_node_attach(site->node, &site->t) == CRDT_OK;
}

static inline void site_close(size_t number)
{
    crdt_node_free(sites[number].node);
    sites[number].node = NULL;
}

static inline void sites_close(void)
{
    size_t i;
    for (i = SITES_MAX; i-- > 0;) {
        site_close(i);
        crdt_doc_free(sites[i].doc);
    }
    memset(sites, 0, sizeof sites);
    site_wrap = NULL;
    if (kit->finish)
        kit->finish();
}

static inline int sites_open(size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (!site_open(i))
            return 0;
    return 1;
}

static inline void sites_poll(void)
{
    size_t i;
    for (i = SITES_MAX; i-- > 0;)
        if (sites[i].node)
            CHECK_INT(crdt_node_poll(sites[i].node, i == 0), CRDT_OK);
}

static inline void site_put(size_t number, const char *key, int64_t value)
{
    crdt_doc *doc = sites[number].doc;
    CHECK_INT(crdt_map_put_int(crdt_root(doc), crdt_str(key), value), CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
}

static inline int64_t site_get(size_t number, const char *key)
{
    int64_t value = -1;
    crdt_map_get_int(crdt_root(sites[number].doc), crdt_str(key), &value);
    return value;
}

static inline int sites_are_equal(void)
{
    crdt_digest a = crdt_doc_digest(sites[0].doc), b;
    size_t i;
    for (i = 1; i < SITES_MAX; i++) {
        if (!sites[i].doc)
            continue;
        b = crdt_doc_digest(sites[i].doc);
        if (a.hi != b.hi || a.lo != b.lo)
            return 0;
    }
    return 1;
}

#define SITES_UNTIL(cond)                                                     \
    do {                                                                      \
        uint64_t give_up_ms = now_ms() + DEADLINE_MS;                         \
        while (!(cond) && now_ms() < give_up_ms)                              \
            sites_poll();                                                     \
        if (!(cond)) {                                                        \
            printf("site 0 said: %ssite 1 said: %s", sites[0].said,           \
                   sites[1].said);                                            \
            sites_close();                                                    \
            test_failures_in_case++;                                          \
            printf("%s:%d: not in time: %s\n", __FILE__, __LINE__, #cond);    \
            return;                                                           \
        }                                                                     \
    } while (0)

#define SITES_BEGIN(count)                                                    \
    do {                                                                      \
        int opened = sites_open(count);                                       \
        if (!opened)                                                          \
            sites_close();                                                    \
        REQUIRE(opened);                                                      \
    } while (0)

#endif
