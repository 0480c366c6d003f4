/*
 * Two replicas of one document, in one process: both write while apart, then
 * tell each other what is new. Needs nothing but a C compiler:
 *
 *     cc -o hello demo/hello.c && ./hello
 */
#define CRDTSYNC_IMPLEMENTATION
#include "../crdtsync.h"

#include <inttypes.h>
#include <stdio.h>

static void edit(crdt_doc *doc, const char *title, int64_t views)
{
    crdt_obj photo = crdt_map_map(crdt_root(doc), CRDT_STR("beach.jpg"));
    crdt_map_put_str(photo, CRDT_STR("title"), crdt_str(title));
    crdt_counter_add(crdt_map_counter(photo, CRDT_STR("views")), views);
    crdt_commit(doc); /* from here on others may see it, all at once */
}

static void tell(crdt_doc *from, crdt_doc *to)
{
    crdt_vv seen = CRDT_VV_INIT; /* what the receiver has already */
    crdt_buf news = CRDT_BUF_INIT;
    crdt_doc_vv(to, &seen);
    crdt_err err = crdt_delta(from, &seen, &news);
    if (!err)
        err = crdt_join(to, crdt_buf_bytes(&news));
    printf("sent %zu bytes: %s\n", news.len, crdt_err_text(err));
    crdt_buf_free(&news);
    crdt_vv_free(&seen);
}

static void show(const char *name, crdt_doc *doc)
{
    crdt_obj photo = crdt_map_map(crdt_root(doc), CRDT_STR("beach.jpg"));
    crdt_bytes title = { NULL, 0 };
    int64_t views = 0;
    crdt_map_get_str(photo, CRDT_STR("title"), &title);
    crdt_counter_get(crdt_map_counter(photo, CRDT_STR("views")), &views);
    printf("%s: \"%.*s\", %" PRId64 " views, digest %016" PRIx64 "\n", name,
           (int)title.len, (const char *)title.ptr, views,
           crdt_doc_digest(doc).lo);
}

int main(void)
{
    crdt_doc *ana, *ben;
    if (crdt_doc_new(&ana, NULL) || crdt_doc_new(&ben, NULL))
        return 1;
    edit(ana, "Beach", 3); /* Ana and Ben are offline ... */
    edit(ben, "The beach, June", 4);
    tell(ana, ben); /* ... and meet again, in any order */
    tell(ben, ana);
    show("Ana", ana);
    show("Ben", ben);
    crdt_doc_free(ana);
    crdt_doc_free(ben);
    return 0;
}
