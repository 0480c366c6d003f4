/*
 * Events of lists: three documents that are watched insert, set, move and
 * delete in lists that hold values, maps, texts, counters and lists, and pull
 * from each other; each keeps a mirror from nothing but what it is told. A
 * list is told before what is in it, and by steps that are all needed. Paths
 * lead back.
 */
#include "../mirror.h"
#include "../replicas.h"

enum { REPLICAS = 3, ROUNDS = 60, MAX_DEEP = 4 };

static crdt_doc *docs[REPLICAS];
static mirror mirrors[REPLICAS];
static crdt_obj gone[REPLICAS]; /* a container whose element was deleted */
static uint64_t randoms;
static uint64_t kinds[CRDT_PATCH_LIST + 1], steps[CRDT_STEP_SET + 1];

static uint32_t below(size_t bound)
{
    return test_below(&randoms, (uint32_t)bound);
}

/* >>the watcher ----------------------------------------------------------- */

static void check_path(crdt_doc *doc, const crdt_patch *p)
{
    crdt_buf path = CRDT_BUF_INIT;
    crdt_value value;
    CHECK(!crdt_path(p->object, &path));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&path), p->path));
    CHECK(!crdt_at(doc, p->path, &value) && value.kind == CRDT_OBJECT &&
          value.as.object.index == p->object.index);
    crdt_buf_free(&path);
}

static void told(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                 size_t len)
{
    crdt_id self = crdt_doc_replica(doc);
    size_t i, k;
    for (i = 0; i < len; i++) {
        const crdt_patch *p = &patches[i];
        check_path(doc, p);
        kinds[p->kind]++;
        CHECK(p->kind != CRDT_PATCH_LIST || i == 0 ||
              p[-1].kind == CRDT_PATCH_LIST);
        CHECK((p->kind == CRDT_PATCH_LIST) ==
              (crdt_type_of(p->object) == CRDT_LIST));
        CHECK(p->is_local == !crdt_id_compare(&p->author, &self));
        for (k = 0; k < p->steps_len; k++)
            steps[p->steps[k].kind]++;
    }
    mirror_told(ctx, doc, patches, len);
}

/* >>writing --------------------------------------------------------------- */

static void write_in(crdt_obj obj, int deep);

static int number_of(const crdt_doc *doc)
{
    int i = 0;
    while (docs[i] != doc)
        i++;
    return i;
}

static void write_list(crdt_obj list, int deep)
{
    static const crdt_type types[] = { CRDT_MAP, CRDT_LIST, CRDT_TEXT,
                                       CRDT_COUNTER };
    size_t len = crdt_list_len(list), at = below(len + 1);
    uint32_t dice = below(100);
    crdt_obj inner;
    if (dice < 30 || !len) {
        CHECK(!crdt_list_insert(list, at, crdt_int((int64_t)below(10))));
        return;
    }
    if (dice < 40) {
        inner = crdt_list_insert_object(list, at, types[below(4)]);
        CHECK(!crdt_is_null(inner));
        if (below(2))
            write_in(inner, deep + 1);
        return;
    }
    at = below(len);
    if (dice < 52)
        CHECK(!crdt_list_set(list, at, crdt_int((int64_t)below(10))));
    else if (dice < 67)
        CHECK(!crdt_list_move(list, at, below(len)));
    else if (dice < 80) {
        inner = crdt_list_object(list, at);
        if (!crdt_is_null(inner))
            gone[number_of(list.doc)] = inner;
        CHECK(!crdt_list_delete(list, at,
                                1 + below(crdti_min_size(len - at, 3))));
    } else {
        inner = crdt_list_object(list, at);
        if (!crdt_is_null(inner))
            write_in(inner, deep + 1);
    }
}

static void write_text(crdt_obj text)
{
    size_t len = crdt_text_len(text, CRDT_CHARS), at = below(len + 1);
    if (below(2) && len < 30)
        CHECK(!crdt_text_insert(text, CRDT_CHARS, at, CRDT_STR("hey")));
    else
        CHECK(!crdt_text_delete(text, CRDT_CHARS, at,
                                below(crdti_min_size(len - at, 5) + 1)));
}

static void write_map(crdt_obj map, int deep)
{
    static const char *const keys[] = { "a", "b~/", "" };
    crdt_bytes key = crdt_str(keys[below(3)]);
    uint32_t dice = below(100);
    crdt_obj inner = crdti_obj(NULL, 0);
    if (dice < 30)
        CHECK(!crdt_map_put_int(map, key, below(3)));
    else if (dice < 40)
        (void)crdt_map_remove(map, key);
    else if (dice < 80)
        inner = crdt_map_list(map, key);
    else
        inner = crdt_map_text(map, key);
    if (!crdt_is_null(inner))
        write_in(inner, deep + 1);
}

static void write_in(crdt_obj obj, int deep)
{
    crdt_type type = crdt_type_of(obj);
    if (deep > MAX_DEEP)
        return;
    if (type == CRDT_MAP)
        write_map(obj, deep);
    else if (type == CRDT_LIST)
        write_list(obj, deep);
    else if (type == CRDT_TEXT)
        write_text(obj);
    else if (type == CRDT_COUNTER)
        CHECK(!crdt_counter_add(obj, 1 + (int64_t)below(3)));
}

static void write_some(crdt_doc *doc)
{
    crdt_obj list = crdt_map_list(crdt_root(doc), CRDT_STR("list"));
    uint32_t count = 1 + below(10);
    if (below(30) == 0) {
        CHECK(!crdt_map_remove(crdt_root(doc), CRDT_STR("list")));
        return;
    }
    while (count-- > 0) {
        crdt_obj was = gone[number_of(doc)];
        write_in(below(8) ? list : crdt_root(doc), 0);
        if (!crdt_is_null(was) && below(4) == 0)
            write_in(was, 0); /* it may be there again */
    }
}

/* >>histories ------------------------------------------------------------- */

/* What is not committed is told with it; or later, when nothing is new. */
static void join_from(crdt_doc *to, crdt_doc *from)
{
    crdt_buf delta = news(from, to);
    CHECK(!crdt_join(to, crdt_buf_bytes(&delta)));
    CHECK(!crdt_commit(to));
    crdt_buf_free(&delta);
}

static void run(uint64_t seed)
{
    int i, k;
    randoms = 2 * seed + 1;
    for (i = 0; i < REPLICAS; i++) {
        docs[i] = replica((uint8_t)(i + 1));
        gone[i] = crdti_obj(NULL, 0);
        mirror_init(&mirrors[i], docs[i]);
        CHECK(!crdt_doc_watch(docs[i], told, &mirrors[i]));
    }
    for (i = 0; i < ROUNDS && !test_failures_in_case; i++) {
        uint32_t x = below(REPLICAS), from = below(REPLICAS);
        later();
        write_some(docs[x]);
        if (below(2)) {
            CHECK(!crdt_commit(docs[x]));
            CHECK(mirror_is_right(&mirrors[x]));
        }
        if (from != x && below(2)) {
            join_from(docs[x], docs[from]);
            CHECK(mirror_is_right(&mirrors[x]));
        }
    }
    for (i = 0; i < REPLICAS; i++) {
        CHECK(!crdt_commit(docs[i]));
        for (k = 0; k < REPLICAS; k++)
            if (k != i)
                pull(docs[i], docs[k]);
        CHECK(mirror_is_right(&mirrors[i]));
        CHECK_INT(mirrors[i].lost, 0);
        mirror_end(&mirrors[i]);
    }
    for (i = 0; i < REPLICAS; i++)
        done(docs[i]);
}

TEST(steps_of_lists_lead_to_what_is_read)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : 400), i;
    for (i = 0; i < count && !test_failures_in_case; i++) {
        run(first + i);
        if (test_failures_in_case)
            printf("replay with CRDT_SEED=%llu\n",
                   (unsigned long long)(first + i));
    }
    printf("%llu patches of lists, %llu of texts; steps: %llu retain, "
           "%llu insert, %llu delete, %llu set\n",
           (unsigned long long)kinds[CRDT_PATCH_LIST],
           (unsigned long long)kinds[CRDT_PATCH_TEXT],
           (unsigned long long)steps[CRDT_STEP_RETAIN],
           (unsigned long long)steps[CRDT_STEP_INSERT],
           (unsigned long long)steps[CRDT_STEP_DELETE],
           (unsigned long long)steps[CRDT_STEP_SET]);
    CHECK(kinds[CRDT_PATCH_LIST] > 10 * count &&
          kinds[CRDT_PATCH_TEXT] > count);
    CHECK(steps[CRDT_STEP_SET] > count);
}

TEST_MAIN(CASE(steps_of_lists_lead_to_what_is_read))
