/* Many small documents in one store: opened, listed, and loaded one by one, in
 * memory that has a bound. */
#define _POSIX_C_SOURCE 200809L
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../stores/crdtsync_file.h"

#include "../failing_alloc.h"
#include "../test.h"

#define MANY 100000
#define BYTES_EACH 256 /* of memory, an open store holds for a document */

static char dir[64];
static struct failing_alloc memory;

static crdt_store store_open(void)
{
    crdt_file_config config;
    crdt_store store;
    memset(&config, 0, sizeof config);
    memset(&store, 0, sizeof store);
    config.dir = dir;
    config.alloc = &memory.table;
    CHECK_INT(crdt_file_new(&store, &config), CRDT_OK);
    return store;
}

static crdt_bytes name_of(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "document %d", i);
    return crdt_str(name);
}

/* What a document with a few fields is stored as. */
static void delta_of(int i, crdt_buf *out)
{
    crdt_doc *doc;
    out->len = 0;
    CHECK_INT(crdt_doc_new(&doc, NULL), CRDT_OK);
    crdt_map_put_int(crdt_root(doc), CRDT_STR("number"), i);
    crdt_map_put_str(crdt_root(doc), CRDT_STR("title"), CRDT_STR("small"));
    crdt_commit(doc);
    CHECK_INT(crdt_delta(doc, NULL, out), CRDT_OK);
    crdt_doc_free(doc);
}

static crdt_err count(void *ctx, crdt_bytes bytes)
{
    ++*(int *)ctx;
    return bytes.len ? CRDT_OK : CRDT_ERR_CORRUPT;
}

static void check_some(crdt_store *store)
{
    crdt_node_config config;
    crdt_node *node;
    crdt_doc *docs[MANY / 997 + 1];
    size_t len = 0;
    int i;
    memset(&config, 0, sizeof config);
    config.store = store;
    CHECK_INT(crdt_node_new(&node, &config), CRDT_OK);
    for (i = 0; i < MANY; i += 997) {
        crdt_doc *doc;
        int64_t number = -1;
        CHECK_INT(crdt_doc_new(&doc, NULL), CRDT_OK);
        CHECK_INT(crdt_node_share(node, name_of(i), doc), CRDT_OK);
        crdt_map_get_int(crdt_root(doc), CRDT_STR("number"), &number);
        CHECK_INT(number, i);
        docs[len++] = doc;
    }
    crdt_node_free(node);
    while (len > 0)
        crdt_doc_free(docs[--len]);
}

TEST(a_hundred_thousand)
{
    crdt_store store;
    crdt_buf delta = CRDT_BUF_INIT;
    crdt_file_stats stats;
    int i, listed = 0;
    failing_alloc_init(&memory);
    store = store_open();
    for (i = 0; i < MANY; i++) {
        delta_of(i, &delta);
        CHECK_INT(store.append(store.ctx, name_of(i), crdt_buf_bytes(&delta)),
                  CRDT_OK);
    }
    CHECK_INT(store.sync(store.ctx, 1), CRDT_OK);
    store.close(store.ctx, 1);
    crdt_buf_free(&delta);
    store = store_open();
    CHECK(memory.live_bytes < (size_t)MANY * BYTES_EACH);
    crdt_file_get_stats(&store, &stats);
    CHECK_INT(stats.documents, MANY);
    CHECK(stats.files < 100);
    CHECK_INT(store.list(store.ctx, count, &listed), CRDT_OK);
    CHECK_INT(listed, MANY);
    check_some(&store);
    CHECK(failing_alloc_clean(&memory));
}

static void dir_remove(void)
{
    char path[400];
    const struct dirent *entry;
    DIR *d = opendir(dir);
    while (d && (entry = readdir(d)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = { CASE(a_hundred_thousand) };
    int failed;
    snprintf(dir, sizeof dir, "/tmp/crdt-many-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    failed = test_main(cases, 1, argc, argv);
    dir_remove();
    return failed;
}
