/* Presence: who sees it, for how long, and what it may cost. */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../mesh.h"

static struct mesh *line_of(int nodes)
{
    struct mesh *m = mesh_new(1);
    int i;
    m->properties = CRDT_RELIABLE | CRDT_ORDERED;
    for (i = 0; i < nodes; i++)
        mesh_add(m);
    for (i = 1; i < nodes; i++)
        mesh_link(m, i - 1, i);
    mesh_run(m, 300);
    return m;
}

static void set(struct mesh *m, int node, const char *value, uint32_t ttl_ms)
{
    CHECK_INT(crdt_node_set_presence(m->nodes[node], CRDT_STR("d"),
                                     crdt_str(value), ttl_ms),
              CRDT_OK);
}

/* What the node sees of the first other one. */
static int sees(struct mesh *m, int node, const char *value)
{
    crdt_presence p;
    return !crdt_node_presence(m->nodes[node], CRDT_STR("d"), 0, &p) &&
           crdt_bytes_equal(p.value, crdt_str(value));
}

static int seen(const struct mesh *m, int node)
{
    crdt_presence p;
    int count = 0;
    while (
        !crdt_node_presence(m->nodes[node], CRDT_STR("d"), (size_t)count, &p))
        count++;
    return count;
}

TEST(it_goes_through_others_and_ends)
{
    struct mesh *m = line_of(4);
    set(m, 0, "line 4", 2000);
    mesh_run(m, 40);
    CHECK(sees(m, 3, "line 4"));
    CHECK(!seen(m, 0)); /* its own is none */
    mesh_run(m, 500);
    set(m, 0, "line 5", 2000);
    mesh_run(m, 40);
    CHECK(sees(m, 3, "line 5"));
    CHECK_INT(seen(m, 3), 1);
    mesh_run(m, 1900);
    CHECK(sees(m, 3, "line 5"));
    mesh_run(m, 100);
    CHECK(!seen(m, 3));
    set(m, 0, "line 6", 2000);
    mesh_run(m, 40);
    CHECK(sees(m, 1, "line 6"));
    set(m, 0, "", 2000); /* withdrawn */
    mesh_run(m, 40);
    CHECK(!seen(m, 1) && !seen(m, 3));
    mesh_free(m);
}

TEST(who_comes_later_sees_it_too)
{
    struct mesh *m = line_of(3);
    set(m, 0, "here", 60000);
    set(m, 1, "me too", 60000);
    mesh_run(m, 100);
    mesh_add(m);
    mesh_link(m, 2, 3);
    mesh_run(m, 200);
    CHECK_INT(seen(m, 3), 2);
    CHECK_INT(seen(m, 0), 1);
    mesh_free(m);
}

/* Round a ring it goes once: no more than each link twice. */
TEST(it_goes_round_no_circle)
{
    struct mesh *m = line_of(6);
    uint64_t before;
    mesh_link(m, 5, 0);
    mesh_run(m, 1000);
    before = mesh_sent(m);
    set(m, 0, "0123456789", 60000);
    mesh_run(m, 1000);
    CHECK_INT(seen(m, 3), 1);
    CHECK(mesh_sent(m) - before < 7 * 50);
    mesh_free(m);
}

/* Where a fifth is lost, hardly any of it is: three times is what it costs, and
 * no more, also when it changes all the time. */
TEST(it_is_told_again_where_it_may_be_lost)
{
    struct mesh *m = mesh_new(4);
    int i, missed = 0;
    uint64_t before;
    char value[8];
    m->properties = 0;
    mesh_add(m), mesh_add(m);
    mesh_link(m, 0, 1);
    mesh_run(m, 1000);
    before = mesh_sent(m);
    set(m, 0, "0123456789", 60000);
    mesh_run(m, 2000);
    CHECK(sees(m, 1, "0123456789"));
    CHECK(mesh_sent(m) - before < 3 * 50);
    before = mesh_sent(m);
    for (i = 0; i < 50; i++) {
        (void)snprintf(value, sizeof value, "%d", i);
        set(m, 0, value, 60000);
        mesh_run(m, 20);
    }
    mesh_run(m, 1000);
    CHECK(mesh_sent(m) - before < 57 * 50);
    m->loss = 20;
    for (i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof value, "%d.", i);
        set(m, 0, value, 60000);
        mesh_run(m, 800);
        missed += !sees(m, 1, value);
    }
    CHECK(missed < 5);
    set(m, 0, "", 60000); /* a farewell, too */
    m->loss = 0;
    mesh_run(m, 600);
    CHECK(!seen(m, 1));
    mesh_free(m);
}

TEST(each_document_has_its_own)
{
    struct mesh *m = mesh_new(2);
    crdt_doc *docs[2];
    crdt_presence p;
    crdt_config config;
    int i;
    memset(&config, 0, sizeof config);
    config.clock = &m->clock;
    config.random = &m->random;
    mesh_add(m), mesh_add(m);
    for (i = 0; i < 2; i++) {
        CHECK_INT(crdt_doc_new(&docs[i], &config), CRDT_OK);
        CHECK_INT(crdt_node_share(m->nodes[i], CRDT_STR("e"), docs[i]),
                  CRDT_OK);
    }
    mesh_link(m, 0, 1);
    mesh_run(m, 500);
    CHECK_INT(crdt_node_set_presence(m->nodes[0], CRDT_STR("e"),
                                     CRDT_STR("in e"), 1000),
              CRDT_OK);
    mesh_run(m, 50);
    CHECK(!seen(m, 1));
    CHECK_INT(crdt_node_presence(m->nodes[1], CRDT_STR("e"), 0, &p), CRDT_OK);
    CHECK(p.ttl_ms > 900 && p.ttl_ms <= 1000);
    mesh_free(m);
    crdt_doc_free(docs[0]);
    crdt_doc_free(docs[1]);
}

TEST(its_limits_have_names)
{
    struct mesh *m = mesh_new(3);
    char big[CRDTSYNC_MAX_PRESENCE + 1];
    size_t len;
    memset(big, 'x', sizeof big);
    mesh_add(m);
    for (len = CRDTSYNC_MAX_PRESENCE - 1; len <= CRDTSYNC_MAX_PRESENCE; len++)
        CHECK_INT(crdt_node_set_presence(m->nodes[0], CRDT_STR("d"),
                                         crdt_bytes_of(big, len), 10),
                  CRDT_OK);
    CHECK_INT(crdt_node_set_presence(m->nodes[0], CRDT_STR("d"),
                                     crdt_bytes_of(big, len), 10),
              CRDT_ERR_LIMIT);
    CHECK_INT(crdt_node_set_presence(m->nodes[0], CRDT_STR("d"), CRDT_STR("x"),
                                     CRDTSYNC_MAX_PRESENCE_MS),
              CRDT_OK);
    CHECK_INT(crdt_node_set_presence(m->nodes[0], CRDT_STR("d"), CRDT_STR("x"),
                                     CRDTSYNC_MAX_PRESENCE_MS + 1),
              CRDT_ERR_LIMIT);
    CHECK_INT(
        crdt_node_set_presence(m->nodes[0], CRDT_STR("?"), CRDT_STR("x"), 10),
        CRDT_ERR_NOT_FOUND);
    mesh_free(m);
}

/* One that tells of more nodes than there may be: the first ones are kept, and
 * each goes when its time comes. */
TEST(no_more_are_kept_than_may_be)
{
    crdti_presences all;
    crdti_told_presence told;
    uint64_t i;
    memset(&all, 0, sizeof all);
    memset(&told, 0, sizeof told);
    told.counter = 1;
    told.ttl_ms = 100;
    for (i = 0; i < CRDTSYNC_MAX_PRESENT; i++) {
        memcpy(told.origin.b, &i, sizeof i);
        CHECK_INT(crdti_presences_take(NULL, &all, 0, &told, 0, 1), CRDT_OK);
    }
    memcpy(told.origin.b, &i, sizeof i);
    CHECK_INT(crdti_presences_take(NULL, &all, 0, &told, 0, 100),
              CRDT_ERR_LIMIT);
    CHECK_INT(crdti_presences_take(NULL, &all, 0, &told, 0, 101), CRDT_OK);
    CHECK_INT(all.all.len, 1);
    crdti_array_free(NULL, &all.all);
}

/* A copy that comes when the time is over here is not passed on again, or it
 * would go round for ever. */
TEST(a_late_copy_is_no_news)
{
    crdti_presences all;
    crdti_told_presence told;
    memset(&all, 0, sizeof all);
    memset(&told, 0, sizeof told);
    told.counter = 1;
    told.ttl_ms = 100;
    CHECK_INT(crdti_presences_take(NULL, &all, 0, &told, 1, 1), CRDT_OK);
    CHECK_INT(all.serial, 1);
    told.ttl_ms = 5;
    CHECK_INT(crdti_presences_take(NULL, &all, 0, &told, 2, 101), CRDT_OK);
    CHECK_INT(all.serial, 1);
    told.counter = 2;
    CHECK_INT(crdti_presences_take(NULL, &all, 0, &told, 2, 101), CRDT_OK);
    CHECK_INT(all.serial, 2);
    crdti_array_free(NULL, &all.all);
}

TEST_MAIN(CASE(it_goes_through_others_and_ends),
          CASE(who_comes_later_sees_it_too), CASE(it_goes_round_no_circle),
          CASE(it_is_told_again_where_it_may_be_lost),
          CASE(each_document_has_its_own), CASE(its_limits_have_names),
          CASE(no_more_are_kept_than_may_be), CASE(a_late_copy_is_no_news))
