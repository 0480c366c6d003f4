/*
 * What every store must do, whatever it is made of: one suite for all. A test
 * program says how its store is opened, and has CONFORMANCE_CASES among its
 * own:
 *
 *     static crdt_err opener(crdt_store *out);  // the one that was closed last
 *     static void wipe(void);                   // nothing is stored any more
 *     #include "conformance.h"
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "../../transports/crdtsync_loopback.h"

#include "../test.h"

static crdt_err opener(crdt_store *out);
static void wipe(void);

#define HEARD 64

/* What load or list has told. */
struct heard {
    char text[HEARD][96];
    size_t len[HEARD];
    int count;
    int refuse_at; /* that one is answered with... */
    crdt_err refusal;
};

static crdt_err hear(void *ctx, crdt_bytes bytes)
{
    struct heard *h = (struct heard *)ctx;
    size_t len = bytes.len < 95 ? bytes.len : 95;
    if (h->refusal && h->count == h->refuse_at)
        return h->refusal;
    if (h->count == HEARD)
        return CRDT_ERR_LIMIT;
    if (len)
        memcpy(h->text[h->count], bytes.ptr, len);
    h->text[h->count][len] = 0;
    h->len[h->count++] = bytes.len;
    return CRDT_OK;
}

static crdt_store store_open(void)
{
    crdt_store store;
    memset(&store, 0, sizeof store);
    CHECK_INT(opener(&store), CRDT_OK);
    return store;
}

static void append(crdt_store *s, const char *doc, const char *record)
{
    CHECK_INT(s->append(s->ctx, crdt_str(doc), crdt_str(record)), CRDT_OK);
}

static void snapshot(crdt_store *s, const char *doc, const char *record)
{
    CHECK_INT(s->snapshot(s->ctx, crdt_str(doc), crdt_str(record)), CRDT_OK);
}

/* All records of the document, with a stroke behind each. */
static const char *stored(crdt_store *s, const char *doc)
{
    static char text[HEARD * 97];
    struct heard heard;
    int i;
    memset(&heard, 0, sizeof heard);
    CHECK_INT(s->load(s->ctx, crdt_str(doc), hear, &heard), CRDT_OK);
    *text = 0;
    for (i = 0; i < heard.count; i++) {
        strcat(text, heard.text[i]);
        strcat(text, "|");
    }
    return text;
}

static int life_equal(crdt_id a, crdt_id b)
{
    return crdt_id_compare(&a, &b) == 0;
}

TEST(records_come_back_in_order)
{
    crdt_store s;
    wipe();
    s = store_open();
    CHECK_STR(stored(&s, "a"), "");
    append(&s, "a", "one");
    append(&s, "b", "uno");
    append(&s, "a", "two");
    CHECK_STR(stored(&s, "a"), "one|two|"); /* also what is not synced */
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    append(&s, "a", "three");
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_STR(stored(&s, "a"), "one|two|three|");
    CHECK_STR(stored(&s, "b"), "uno|");
    CHECK_STR(stored(&s, "c"), "");
    append(&s, "a", "four");
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_STR(stored(&s, "a"), "one|two|three|four|");
    s.close(s.ctx, 1);
}

TEST(a_snapshot_takes_the_place_of_all)
{
    crdt_store s;
    wipe();
    s = store_open();
    snapshot(&s, "new", "first");
    append(&s, "a", "one");
    append(&s, "a", "two");
    append(&s, "b", "uno");
    snapshot(&s, "a", "both");
    CHECK_STR(stored(&s, "a"), "both|");
    append(&s, "a", "three");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_STR(stored(&s, "a"), "both|three|");
    CHECK_STR(stored(&s, "b"), "uno|");
    CHECK_STR(stored(&s, "new"), "first|");
    snapshot(&s, "a", "all");
    snapshot(&s, "a", "all again");
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_STR(stored(&s, "a"), "all again|");
    append(&s, "a", "four");
    CHECK_STR(stored(&s, "a"), "all again|four|");
    s.close(s.ctx, 1);
}

TEST(documents_are_listed)
{
    crdt_store s;
    struct heard heard;
    wipe();
    memset(&heard, 0, sizeof heard);
    s = store_open();
    CHECK_INT(s.list(s.ctx, hear, &heard), CRDT_OK);
    CHECK_INT(heard.count, 0);
    append(&s, "a", "one");
    append(&s, "a", "two");
    append(&s, "", "the nameless");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    s.close(s.ctx, 1);
    s = store_open();
    snapshot(&s, "c", "three");
    CHECK_INT(s.list(s.ctx, hear, &heard), CRDT_OK);
    CHECK_INT(heard.count, 3);
    CHECK_STR(stored(&s, ""), "the nameless|");
    heard.refusal = CRDT_ERR_AGAIN;
    heard.refuse_at = heard.count;
    CHECK_INT(s.list(s.ctx, hear, &heard), CRDT_ERR_AGAIN);
    s.close(s.ctx, 1);
}

TEST(names_and_records_may_hold_any_bytes)
{
    crdt_store s;
    struct heard heard;
    uint8_t name[CRDTSYNC_MAX_NAME + 1];
    crdt_bytes id = crdt_bytes_of(name, CRDTSYNC_MAX_NAME);
    size_t i, size = 3000000;
    uint8_t *large = (uint8_t *)malloc(size);
    wipe();
    memset(&heard, 0, sizeof heard);
    for (i = 0; i < sizeof name; i++)
        name[i] = (uint8_t)(i * 7);
    for (i = 0; i < size; i++)
        large[i] = (uint8_t)(i >> 8 ^ i);
    s = store_open();
    CHECK_INT(s.append(s.ctx, id, crdt_bytes_of(large, 70)), CRDT_OK);
    CHECK_INT(s.append(s.ctx, id, crdt_bytes_of(NULL, 0)), CRDT_OK);
    CHECK_INT(s.append(s.ctx, id, crdt_bytes_of(large, size)), CRDT_OK);
    CHECK_INT(s.append(s.ctx, id, crdt_bytes_of(large + 256, 70)), CRDT_OK);
    CHECK_INT(s.append(s.ctx, crdt_bytes_of(name, sizeof name),
                       crdt_bytes_of(large, 1)),
              CRDT_ERR_LIMIT);
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_INT(s.load(s.ctx, id, hear, &heard), CRDT_OK);
    CHECK_INT(heard.count, 4);
    CHECK_INT(heard.len[1], 0);
    CHECK_INT(heard.len[2], size);
    CHECK(memcmp(heard.text[0], large, 70) == 0);
    CHECK(memcmp(heard.text[2], large, 70) == 0);
    CHECK(memcmp(heard.text[3], large + 256, 70) == 0);
    s.close(s.ctx, 1);
    free(large);
}

TEST(a_life_goes_on_only_over_a_clean_stop)
{
    crdt_store s;
    crdt_id life;
    wipe();
    s = store_open();
    append(&s, "a", "one");
    life = s.life;
    s.close(s.ctx, 1);
    s = store_open();
    CHECK(life_equal(s.life, life));
    append(&s, "a", "two");
    CHECK_INT(s.sync(s.ctx, 1), CRDT_OK);
    s.close(s.ctx, 0);
    s = store_open();
    CHECK(!life_equal(s.life, life));
    CHECK_STR(stored(&s, "a"), "one|two|");
    append(&s, "a", "three");
    life = s.life;
    s.close(s.ctx, 1);
    s = store_open();
    CHECK(life_equal(s.life, life));
    CHECK_STR(stored(&s, "a"), "one|two|three|");
    s.close(s.ctx, 1);
}

TEST(one_at_a_time) /* 24 */
{
    crdt_store s, other;
    wipe();
    s = store_open();
    append(&s, "a", "one");
    CHECK_INT(opener(&other), CRDT_ERR_LOCKED);
    append(&s, "a", "two");
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_STR(stored(&s, "a"), "one|two|");
    s.close(s.ctx, 1);
}

TEST(who_loads_may_stop_it)
{
    crdt_store s;
    struct heard heard;
    wipe();
    memset(&heard, 0, sizeof heard);
    heard.refuse_at = 1;
    s = store_open();
    append(&s, "a", "one");
    append(&s, "a", "two");
    append(&s, "a", "three");
    heard.refusal = CRDT_ERR_NOMEM;
    CHECK_INT(s.load(s.ctx, CRDT_STR("a"), hear, &heard), CRDT_ERR_NOMEM);
    CHECK_INT(heard.count, 1);
    CHECK_STR(stored(&s, "a"), "one|two|three|");
    s.close(s.ctx, 1);
}

TEST(what_its_reader_calls_damaged_is_set_aside)
{
    crdt_store s;
    struct heard heard;
    wipe();
    memset(&heard, 0, sizeof heard);
    heard.refuse_at = 1;
    heard.refusal = CRDT_ERR_CORRUPT;
    s = store_open();
    append(&s, "a", "one");
    append(&s, "a", "two");
    append(&s, "a", "three");
    append(&s, "b", "uno");
    CHECK_INT(s.load(s.ctx, CRDT_STR("a"), hear, &heard), CRDT_ERR_CORRUPT);
    CHECK_INT(s.append(s.ctx, CRDT_STR("a"), CRDT_STR("two")),
              CRDT_ERR_CORRUPT);
    snapshot(&s, "a", "anew");
    append(&s, "a", "two");
    s.close(s.ctx, 1);
    s = store_open();
    CHECK_STR(stored(&s, "a"), "anew|two|");
    CHECK_STR(stored(&s, "b"), "uno|");
    s.close(s.ctx, 1);
}

/* However much is overtaken, what is kept is what counts. */
TEST(many_snapshots_of_many_documents)
{
    crdt_store s;
    char name[8], record[400];
    int i, round;
    wipe();
    s = store_open();
    for (round = 0; round < 30; round++) {
        for (i = 0; i < 50; i++) {
            snprintf(name, sizeof name, "d%d", i);
            memset(record, 'a' + round % 26, sizeof record);
            record[i + 200] = 0;
            if ((i + round) % 3)
                snapshot(&s, name, record);
        }
        CHECK_INT(s.sync(s.ctx, round % 4 != 0), CRDT_OK);
        if (round % 10 != 9)
            continue;
        s.close(s.ctx, round % 20 == 9);
        s = store_open();
    }
    for (i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "d%d", i);
        CHECK_INT((uint8_t)stored(&s, name)[0],
                  'a' + (i % 3 == 1 ? 28 : 29) % 26);
    }
    s.close(s.ctx, 1);
}

/* A node on the store, or one without. */
static crdt_node *member_start(int is_stored, crdt_doc **doc)
{
    crdt_node_config config;
    crdt_store s;
    crdt_node *node = NULL;
    memset(&config, 0, sizeof config);
    if (is_stored) {
        s = store_open();
        config.store = &s;
    }
    CHECK_INT(crdt_node_new(&node, &config), CRDT_OK);
    CHECK_INT(crdt_doc_new(doc, NULL), CRDT_OK);
    CHECK_INT(crdt_node_share(node, CRDT_STR("d"), *doc), CRDT_OK);
    return node;
}

/* What a node knows of a full sync and of members, without any peer. */
static void member_check(crdt_node *node, size_t known, size_t active)
{
    crdt_epoch_info epoch;
    crdt_member_info info;
    memset(&epoch, 0, sizeof epoch);
    CHECK_INT(crdt_node_epoch(node, CRDT_STR("d"), &epoch), CRDT_OK);
    CHECK_INT(epoch.number, 1);
    CHECK(epoch.cut && epoch.cut->len == 2);
    CHECK_INT(epoch.members, active);
    CHECK_INT(crdt_node_member(node, CRDT_STR("d"), known - 1, &info),
              CRDT_OK);
    CHECK_INT(crdt_node_member(node, CRDT_STR("d"), known, &info),
              CRDT_ERR_NOT_FOUND);
}

TEST(members_come_back)
{
    crdt_loopback_hub *hub = NULL;
    crdt_node *nodes[2];
    crdt_doc *docs[2];
    crdt_id id;
    int i;
    wipe();
    CHECK_INT(crdt_loopback_hub_new(&hub, NULL), CRDT_OK);
    for (i = 0; i < 2; i++) {
        crdt_transport end;
        nodes[i] = member_start(i == 0, &docs[i]);
        crdt_map_put_int(crdt_root(docs[i]), CRDT_STR("x"), i);
        crdt_commit(docs[i]);
        CHECK_INT(crdt_loopback_new(&end, hub), CRDT_OK);
        CHECK_INT(crdt_node_attach(nodes[i], &end), CRDT_OK);
    }
    for (i = 0; i < 60; i++) {
        CHECK_INT(crdt_node_poll(nodes[i % 2], 0), CRDT_OK);
        if (i == 30)
            crdt_node_full_sync(nodes[1], CRDT_STR("d"), CRDT_SYNC_OPEN, 0);
    }
    id = crdt_doc_replica(docs[0]);
    for (i = 0; i < 2; i++) {
        crdt_node_free(nodes[i]);
        crdt_doc_free(docs[i]);
    }
    for (i = 0; i < 2; i++) {
        nodes[0] = member_start(1, &docs[0]);
        CHECK(life_equal(crdt_doc_replica(docs[0]), id));
        member_check(nodes[0], 2, 2);
        if (i == 1) /* not a clean stop: something is open */
            crdt_map_put_int(crdt_root(docs[0]), CRDT_STR("y"), 1);
        crdt_node_free(nodes[0]);
        crdt_doc_free(docs[0]);
    }
    nodes[0] = member_start(1, &docs[0]);
    CHECK(!life_equal(crdt_doc_replica(docs[0]), id));
    member_check(nodes[0], 3, 2);
    crdt_node_free(nodes[0]);
    crdt_doc_free(docs[0]);
    crdt_loopback_hub_free(hub);
}

#define CONFORMANCE_CASES                                                     \
    CASE(records_come_back_in_order),                                         \
        CASE(a_snapshot_takes_the_place_of_all), CASE(documents_are_listed),  \
        CASE(names_and_records_may_hold_any_bytes),                           \
        CASE(a_life_goes_on_only_over_a_clean_stop), CASE(one_at_a_time),     \
        CASE(who_loads_may_stop_it),                                          \
        CASE(what_its_reader_calls_damaged_is_set_aside),                     \
        CASE(many_snapshots_of_many_documents), CASE(members_come_back)

#endif
