/*
 * What a document with one counter takes from its allocator, after a thousand
 * commits. Fails when that is more than a small device has to spare. tools/size
 * runs it, as a 32-bit program too.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include <stdio.h>
#include <stdlib.h>

#define RAM_MAX 4096

static size_t live, most;

static void *counting_resize(void *ctx, void *ptr, size_t old_size,
                             size_t size)
{
    (void)ctx;
    live += size - old_size;
    most = live > most ? live : most;
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static crdt_err count_to_1000(crdt_doc *doc)
{
    crdt_obj hits = crdt_map_counter(crdt_root(doc), CRDT_STR("hits"));
    crdt_err err = CRDT_OK;
    int i;
    for (i = 0; i < 1000 && !err; i++) {
        err = crdt_counter_add(hits, 1);
        if (!err)
            err = crdt_commit(doc);
    }
    return err;
}

int main(void)
{
    static const crdt_alloc alloc = { 1, NULL, counting_resize };
    crdt_config config = { &alloc, NULL, NULL, NULL };
    crdt_doc *doc;
    if (crdt_doc_new(&doc, &config) || count_to_1000(doc))
        return 1;
    printf("RAM of a document with one counter, %u bits: %lu bytes of %d\n",
           (unsigned)sizeof(void *) * 8, (unsigned long)most, RAM_MAX);
    crdt_doc_free(doc);
    return live > 0 || most > RAM_MAX;
}
