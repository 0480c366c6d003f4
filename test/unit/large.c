/*
 * What only large documents or long walks go through: the warming of a join
 * (join.h), and the place that a map remembers for the next step (map.h).
 */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"

#include "../test.h"

enum { KEYS = 2 * CRDTI_JOIN_COLD, BATCH = 5 * CRDTI_JOIN_STEP };

static crdt_doc *doc_new(void)
{
    crdt_doc *doc = NULL;
    CHECK_INT(crdt_doc_new(&doc, NULL), CRDT_OK);
    return doc;
}

static crdt_bytes key_of(char out[16], uint32_t i)
{
    return crdt_bytes_of(out, (size_t)sprintf(out, "%06lu", (unsigned long)i));
}

static void put(crdt_doc *doc, uint32_t i, int64_t value)
{
    char key[16];
    CHECK_INT(crdt_map_put_int(crdt_root(doc), key_of(key, i), value),
              CRDT_OK);
}

static void sync(crdt_doc *from, crdt_doc *to)
{
    crdt_vv since = CRDT_VV_INIT;
    crdt_buf delta = CRDT_BUF_INIT;
    crdt_commit(from);
    crdt_commit(to);
    CHECK_INT(crdt_doc_vv(to, &since), CRDT_OK);
    CHECK_INT(crdt_delta(from, &since, &delta), CRDT_OK);
    CHECK_INT(crdt_join(to, crdt_buf_bytes(&delta)), CRDT_OK);
    crdt_vv_free(&since);
    crdt_buf_free(&delta);
}

static int same(crdt_doc *a, crdt_doc *b)
{
    crdt_digest x = crdt_doc_digest(a), y = crdt_doc_digest(b);
    return x.hi == y.hi && x.lo == y.lo;
}

/* Batches of every length around the steps, of keys that are there, that are
 * new, that were removed, and below a container. */
TEST(batches_join_a_large_document)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    uint64_t random = 1;
    uint32_t i, len;
    char key[16];
    for (i = 0; i < KEYS; i++)
        put(a, i, i);
    sync(a, b);
    CHECK(same(a, b));
    for (len = 1; len <= BATCH; len++) {
        crdt_obj below = crdt_map_map(crdt_root(a), CRDT_STR("below"));
        for (i = 0; i < len; i++) {
            put(a, test_below(&random, KEYS + KEYS / 8), i);
            crdt_map_remove(crdt_root(a),
                            key_of(key, test_below(&random, KEYS)));
            if (i % 4 == 0)
                crdt_map_put_int(below, key_of(key, i), len);
        }
        put(b, test_below(&random, KEYS), -1);
        sync(a, b);
        sync(b, a);
        CHECK(same(a, b));
    }
    crdt_doc_free(a);
    crdt_doc_free(b);
}

static int at_key(const crdt_cursor *cursor, uint32_t i)
{
    char key[16];
    return crdt_bytes_equal(cursor->key, key_of(key, i));
}

TEST(walks_do_not_disturb_each_other)
{
    crdt_doc *doc = doc_new();
    crdt_cursor slow = CRDT_CURSOR_INIT, fast = CRDT_CURSOR_INIT;
    crdt_obj root = crdt_root(doc);
    uint32_t i;
    for (i = 0; i < 100; i++)
        put(doc, i, i);
    for (i = 0; i < 50; i++) {
        CHECK_INT(crdt_map_next(root, &slow), CRDT_OK);
        CHECK(at_key(&slow, i));
        CHECK_INT(crdt_map_next(root, &fast), CRDT_OK);
        CHECK(at_key(&fast, 2 * i));
        CHECK_INT(crdt_map_next(root, &fast), CRDT_OK);
        CHECK(at_key(&fast, 2 * i + 1));
    }
    CHECK_INT(crdt_map_next(root, &fast), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_map_next(root, &slow), CRDT_OK);
    CHECK(at_key(&slow, 50));
    crdt_doc_free(doc);
}

TEST(a_walk_goes_on_when_the_map_changes)
{
    crdt_doc *doc = doc_new();
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_obj root = crdt_root(doc);
    uint32_t i;
    char key[16];
    for (i = 10; i < 20; i++)
        put(doc, i, i);
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_OK);
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_OK);
    CHECK(at_key(&cursor, 11));
    put(doc, 1, 1); /* before the cursor: what it remembers has moved */
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_OK);
    CHECK(at_key(&cursor, 12));
    CHECK_INT(crdt_map_remove(root, key_of(key, 12)), CRDT_OK);
    CHECK_INT(crdt_map_remove(root, key_of(key, 13)), CRDT_OK);
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_OK);
    CHECK(at_key(&cursor, 14));
    for (i = 1; i < 20; i++)
        crdt_map_remove(root, key_of(key, i));
    CHECK_INT(crdt_map_next(root, &cursor), CRDT_ERR_NOT_FOUND);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(batches_join_a_large_document),
          CASE(walks_do_not_disturb_each_other),
          CASE(a_walk_goes_on_when_the_map_changes))
