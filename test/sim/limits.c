/* What guards a node: each limit one below, at it and one above; readers that
 * do not read, peers that do not greet, versions that do not fit. */
#define CRDTSYNC_MAX_LINKS 8u
#define CRDTSYNC_MAX_SHARED 4u
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../mesh.h"

static void put_big(struct mesh *m, int node, const char *key, size_t len)
{
    char *text = (char *)malloc(len);
    memset(text, 'x', len);
    CHECK_INT(crdt_map_put_str(crdt_root(m->docs[node]), crdt_str(key),
                               crdt_bytes_of(text, len)),
              CRDT_OK);
    CHECK_INT(crdt_commit(m->docs[node]), CRDT_OK);
    free(text);
}

/* Bytes that lie on their way to the node. */
static size_t queued(const struct mesh *m, int node)
{
    size_t i, sum = 0;
    for (i = 0; i < m->packets_len; i++)
        sum += m->packets[i].to == node ? m->packets[i].len : 0;
    return sum;
}

static crdti_session *session_of(struct mesh *m, int node, size_t link)
{
    return &m->nodes[node]->links.ptr[link]->session;
}

/* Node 2 sleeps while 0 writes eight megabytes: what lies about for it stays
 * below what it grants, and 1 has it all in time. */
TEST(network_7_a_slow_reader_holds_up_nobody)
{
    struct mesh *m = mesh_new(1);
    size_t most = 0, own = 0;
    int i, k;
    m->properties = CRDT_RELIABLE | CRDT_ORDERED;
    m->message_max = 65536;
    m->config.heartbeat_ms = 60000;
    mesh_add(m), mesh_add(m), mesh_add(m);
    mesh_link(m, 0, 1);
    mesh_link(m, 0, 2);
    mesh_run(m, 200);
    for (i = 0; i < 80; i++) {
        char key[8];
        snprintf(key, sizeof key, "%d", i);
        put_big(m, 0, key, 100000);
        for (k = 0; k < 50; k++, m->now_ms++) {
            CHECK_INT(crdt_node_poll(m->nodes[0], 0), CRDT_OK);
            CHECK_INT(crdt_node_poll(m->nodes[1], 0), CRDT_OK);
            most = queued(m, 2) > most ? queued(m, 2) : most;
            own = session_of(m, 0, 1)->out.cap > own
                      ? session_of(m, 0, 1)->out.cap
                      : own;
        }
        CHECK(crdt_map_has(crdt_root(m->docs[1]), crdt_str(key)));
    }
    CHECK(most > 100000 && most < CRDTSYNC_MAX_WINDOW + 65536);
    CHECK(own < 4 * CRDTSYNC_MAX_FRAME);
    CHECK(mesh_settle(m, 10000) < 10000); /* it wakes up */
    mesh_free(m);
}

TEST(no_more_links_than_may_be)
{
    struct mesh *m = mesh_new(2);
    crdt_peer_info info;
    unsigned i;
    for (i = 0; i < CRDTSYNC_MAX_LINKS + 2; i++)
        mesh_add(m);
    for (i = 1; i < CRDTSYNC_MAX_LINKS + 2; i++) {
        mesh_link(m, 0, (int)i)->redials = 0;
        m->links[i - 1].redials = 0;
        mesh_run(m, 100);
        CHECK_INT(crdt_node_peer(m->nodes[0], i - 1, &info),
                  i <= CRDTSYNC_MAX_LINKS ? CRDT_OK : CRDT_ERR_NOT_FOUND);
    }
    mesh_put(m, 0, "x", 1);
    mesh_run(m, 100);
    CHECK_INT(mesh_get(m, CRDTSYNC_MAX_LINKS, "x"), 1);
    CHECK_INT(mesh_get(m, CRDTSYNC_MAX_LINKS + 1, "x"), -1);
    mesh_free(m);
}

TEST(no_more_documents_and_no_longer_names_than_may_be)
{
    struct mesh *m = mesh_new(3);
    char name[CRDTSYNC_MAX_NAME + 1];
    crdt_node *node;
    unsigned i;
    memset(name, 'n', sizeof name);
    mesh_add(m);
    CHECK_INT(crdt_node_share(m->nodes[0],
                              crdt_bytes_of(name, CRDTSYNC_MAX_NAME + 1),
                              m->docs[0]),
              CRDT_ERR_LIMIT);
    for (i = 1; i < CRDTSYNC_MAX_SHARED; i++)
        CHECK_INT(crdt_node_share(m->nodes[0],
                                  crdt_bytes_of(name, CRDTSYNC_MAX_NAME - i),
                                  m->docs[0]),
                  CRDT_OK);
    CHECK_INT(crdt_node_share(m->nodes[0],
                              crdt_bytes_of(name, CRDTSYNC_MAX_NAME),
                              m->docs[0]),
              CRDT_ERR_LIMIT);
    m->config.name = crdt_bytes_of(name, CRDTSYNC_MAX_NAME);
    CHECK_INT(crdt_node_new(&node, &m->config), CRDT_OK);
    crdt_node_free(node);
    m->config.name = crdt_bytes_of(name, CRDTSYNC_MAX_NAME + 1);
    CHECK_INT(crdt_node_new(&node, &m->config), CRDT_ERR_LIMIT);
    mesh_free(m);
}

/* One that never greets is dropped when its time is over, not before; and by
 * then it has cost nothing but a link. */
TEST(network_12_a_handshake_that_never_ends)
{
    int ordered;
    for (ordered = 0; ordered < 2; ordered++) {
        struct mesh *m = mesh_new(4);
        m->properties = ordered ? CRDT_RELIABLE | CRDT_ORDERED : 0;
        mesh_add(m), mesh_add(m);
        mesh_link(m, 0, 1);
        m->links[0].is_cut[1] = 1; /* 0 hears nothing */
        m->links[0].redials = 0;
        mesh_run(m, CRDTSYNC_HANDSHAKE_MS);
        CHECK(m->links[0].is_up);
        CHECK(!strstr(m->said, "did not greet"));
        mesh_run(m, 2);
        CHECK(!m->links[0].is_up);
        mesh_free(m);
    }
}

/* Says to node 1, as if node 0 had. */
static void inject(struct mesh *m, const crdti_hello *hello)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    crdti_writer_init(&w, &buf);
    crdti_put_hello(&w, hello);
    crdti_frame_wrap(&w, CRDTI_HELLO, 0);
    CHECK_INT(w.err, CRDT_OK);
    mesh_post(m, 0, 0, crdt_buf_bytes(&buf), 0);
    crdt_buf_free(&buf);
}

/* Whether a BYE that says so is under way. */
static int says_bye(const struct mesh *m, const char *why)
{
    size_t i, k, len = strlen(why);
    for (i = 0; i < m->packets_len; i++)
        for (k = 0; k + len <= m->packets[i].len; k++)
            if (!memcmp(m->packets[i].bytes + k, why, len))
                return 1;
    return 0;
}

TEST(network_10_a_version_that_does_not_fit_is_refused_by_name)
{
    int newer;
    for (newer = 0; newer < 2; newer++) {
        struct mesh *m = mesh_new(5);
        crdti_hello hello;
        m->properties = CRDT_RELIABLE | CRDT_ORDERED;
        mesh_add(m), mesh_add(m);
        mesh_link(m, 0, 1);
        m->links[0].is_cut[0] = 1;
        m->links[0].redials = 0;
        mesh_run(m, 2);
        crdti_zero(&hello, sizeof hello);
        hello.oldest = newer ? CRDTI_PROTOCOL_MAX + 1 : 0;
        hello.newest = newer ? CRDTI_PROTOCOL_MAX + 5 : CRDTI_PROTOCOL_MIN - 1;
        inject(m, &hello);
        CHECK_INT(crdt_node_poll(m->nodes[1], 0), CRDT_OK);
        CHECK(strstr(m->said, crdt_err_text(CRDT_ERR_VERSION)) != NULL);
        CHECK(says_bye(m, crdt_err_text(CRDT_ERR_VERSION)));
        CHECK(!m->links[0].is_up);
        mesh_free(m);
    }
}

/* >>shipping --------------------------------------------------------------- */

/* Three commits between two polls: one delta, or one each, or the state. */
TEST(ops_go_one_by_one)
{
    static const int wants[] = { 1, 3, 1 };
    int mode;
    for (mode = CRDT_SHIP_DELTA; mode <= CRDT_SHIP_STATE; mode++) {
        struct mesh *m = mesh_new(6);
        uint64_t before;
        m->properties = CRDT_RELIABLE | CRDT_ORDERED;
        m->config.shipping = (crdt_shipping)mode;
        mesh_add(m), mesh_add(m);
        mesh_link(m, 0, 1);
        mesh_run(m, 200);
        before = mesh_stats(m, 0).deltas_sent;
        mesh_put(m, 0, "x", 1);
        mesh_put(m, 0, "x", 2);
        mesh_put(m, 0, "x", 3);
        mesh_run(m, 200);
        CHECK_INT(mesh_stats(m, 0).deltas_sent - before, wants[mode]);
        CHECK_INT(mesh_get(m, 1, "x"), 3);
        crdt_node_free(m->nodes[0]); /* the document goes on without it */
        mesh_put(m, 0, "x", 4);
        CHECK_INT(crdt_node_new(&m->nodes[0], &m->config), CRDT_OK);
        mesh_free(m);
    }
}

TEST_MAIN(CASE(network_7_a_slow_reader_holds_up_nobody),
          CASE(no_more_links_than_may_be),
          CASE(no_more_documents_and_no_longer_names_than_may_be),
          CASE(network_12_a_handshake_that_never_ends),
          CASE(network_10_a_version_that_does_not_fit_is_refused_by_name),
          CASE(ops_go_one_by_one))
