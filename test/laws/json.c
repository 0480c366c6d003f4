/*
 * JSON of random documents of all types: what is written is read to the same,
 * and the JSON Patch of each event, applied to the plain form of before, makes
 * the plain form of after, for commits and for joins. pkg-config: libcjson
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_json.h"

#include "histories.h"

enum { MAX_WATCHERS = 64 };

typedef struct {
    world *w;
    cJSON *now; /* the plain form, kept up to date by patches alone */
} watcher;

static watcher watchers[MAX_WATCHERS];
static size_t watchers_len;
static uint64_t patched, read_over, refused;
static crdt_buf said_last =
    CRDT_BUF_INIT; /* the typed form of some document */

/* >>applying a JSON Patch (RFC 6902) -------------------------------------- */

/* The name of the next step of a pointer, unescaped, and the rest. */
static const char *step(const char *at, char *name)
{
    for (at++; *at && *at != '/'; at++) {
        if (*at == '~')
            *name++ = *++at == '0' ? '~' : '/';
        else
            *name++ = *at;
    }
    *name = 0;
    return at;
}

/* The member or element of that name, or NULL. */
static cJSON *at_name(cJSON *up, const char *name)
{
    return cJSON_IsArray(up)
               ? cJSON_GetArrayItem(up, (int)strtol(name, NULL, 10))
               : cJSON_GetObjectItemCaseSensitive(up, name);
}

/* Whether the operation applies. Containers in lists are replaced in place;
 * elements come and go with all of their list. */
static int apply(cJSON **root, const cJSON *operation)
{
    const char *op = cJSON_GetObjectItem(operation, "op")->valuestring;
    const char *at = cJSON_GetObjectItem(operation, "path")->valuestring;
    const cJSON *value = cJSON_GetObjectItem(operation, "value");
    cJSON *up = *root, *old;
    char name[256];
    if (!*at) {
        cJSON_Delete(up);
        *root = cJSON_Duplicate(value, 1);
        return strcmp(op, "replace") == 0;
    }
    for (at = step(at, name); up && *at; at = step(at, name))
        up = at_name(up, name);
    if (cJSON_IsArray(up) && strcmp(op, "replace") == 0)
        return cJSON_ReplaceItemInArray(up, (int)strtol(name, NULL, 10),
                                        cJSON_Duplicate(value, 1));
    if (!cJSON_IsObject(up))
        return 0;
    old = cJSON_DetachItemFromObjectCaseSensitive(up, name);
    cJSON_Delete(old);
    if (value)
        cJSON_AddItemToObject(up, name, cJSON_Duplicate(value, 1));
    return (strcmp(op, "add") == 0 && !old && value) ||
           (strcmp(op, "replace") == 0 && old && value) ||
           (strcmp(op, "remove") == 0 && old && !value);
}

/* >>reading what was written ---------------------------------------------- */

static void goes_round(world *w, crdt_bytes text)
{
    crdt_buf again = CRDT_BUF_INIT;
    crdt_doc *other = NULL;
    EXPECT(!crdt_doc_new(&other, NULL));
    EXPECT(!crdt_json_read(crdt_root(other), text, NULL));
    EXPECT(!crdt_json_write(crdt_root(other), NULL, &again));
    EXPECT(crdt_bytes_equal(text, crdt_buf_bytes(&again)));
    crdt_buf_free(&again);
    crdt_doc_free(other);
}

static int is_map(const cJSON *item)
{
    return cJSON_IsObject(item) &&
           (!item->child || item->child->string[0] != '$');
}

/* Whether all keys of one are in the other, and what is there too. */
static int is_within(const cJSON *a, const cJSON *b)
{
    const cJSON *item;
    if (!is_map(a) || !is_map(b))
        return cJSON_Compare(a, b, 1);
    cJSON_ArrayForEach(item, a)
    {
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(b, item->string);
        if (!other || !is_within(item, other))
            return 0;
    }
    return 1;
}

static cJSON *tree_of(crdt_doc *doc, int plain)
{
    crdt_json_options options = { 0, 0 };
    crdt_buf out = CRDT_BUF_INIT;
    cJSON *tree = NULL;
    options.plain = plain;
    if (!crdt_json_write(crdt_root(doc), &options, &out))
        tree = cJSON_ParseWithLength((const char *)out.ptr, out.len);
    crdt_buf_free(&out);
    return tree;
}

/* Over a copy of the document, in which all rights are foreign, goes what some
 * other one said: what it says is there then, or nothing has changed. */
static void goes_over(world *w, crdt_doc *doc, crdt_bytes text)
{
    crdt_buf all = CRDT_BUF_INIT;
    crdt_doc *copy = NULL;
    cJSON *said = cJSON_ParseWithLength((const char *)text.ptr, text.len);
    cJSON *now;
    crdt_err err;
    EXPECT(!crdt_doc_new(&copy, NULL));
    EXPECT(!crdt_delta(doc, NULL, &all));
    EXPECT(!crdt_join(copy, crdt_buf_bytes(&all)));
    err = crdt_json_read(crdt_root(copy), text, NULL);
    EXPECT(!err || err == CRDT_ERR_TYPE || err == CRDT_ERR_RIGHTS);
    now = tree_of(copy, 0);
    if (err)
        EXPECT(!crdt_doc_uncommitted(copy));
    else
        EXPECT(said && now && is_within(said, now));
    read_over += !err;
    refused += err != CRDT_OK;
    cJSON_Delete(said);
    cJSON_Delete(now);
    crdt_buf_free(&all);
    crdt_doc_free(copy);
}

/* >>watching -------------------------------------------------------------- */

static void told(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                 size_t len)
{
    watcher *x = (watcher *)ctx;
    world *w = x->w;
    crdt_buf out = CRDT_BUF_INIT;
    cJSON *after = tree_of(doc, 1), *list, *operation;
    EXPECT(!crdt_json_patch(patches, len, &out));
    list = cJSON_ParseWithLength((const char *)out.ptr, out.len);
    EXPECT(cJSON_IsArray(list) && cJSON_GetArraySize(list) > 0);
    cJSON_ArrayForEach(operation, list)
    {
        EXPECT(apply(&x->now, operation));
        patched++;
    }
    EXPECT(after && cJSON_Compare(x->now, after, 1));
    cJSON_Delete(list);
    cJSON_Delete(after);
    crdt_buf_free(&out);
    if (said_last.len && !crdt_doc_uncommitted(doc))
        goes_over(w, doc, crdt_buf_bytes(&said_last));
    said_last.len = 0;
    EXPECT(!crdt_json_write(crdt_root(doc), NULL, &said_last));
    goes_round(w, crdt_buf_bytes(&said_last));
}

static void watch(world *w, crdt_doc *doc)
{
    watcher *x = &watchers[watchers_len++];
    if (watchers_len == MAX_WATCHERS)
        exit(1);
    x->w = w;
    x->now = tree_of(doc, 1);
    if (!x->now || crdt_doc_watch(doc, told, x))
        exit(1);
}

TEST(json_says_what_documents_are)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : 1000), i;
    const char *wrong = NULL;
    world *w = world_new();
    w->made = watch;
    for (i = 0; i < count && !wrong; i++) {
        wrong = run_seed(w, first + i, 0);
        while (watchers_len > 0)
            cJSON_Delete(watchers[--watchers_len].now);
        if (wrong)
            printf("%s; replay with CRDT_SEED=%llu\n", wrong,
                   (unsigned long long)(first + i));
    }
    CHECK(!wrong);
    world_free(w);
    crdt_buf_free(&said_last);
    printf("%llu operations, read over %llu, refused %llu\n",
           (unsigned long long)patched, (unsigned long long)read_over,
           (unsigned long long)refused);
    CHECK(count < 100 ||
          (patched > count && read_over > count && refused > count / 10));
}

TEST_MAIN(CASE(json_says_what_documents_are))
