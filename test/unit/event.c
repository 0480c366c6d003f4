/* Events: each telling as a text of one line a patch. */
#include "../failing_alloc.h"
#include "../replicas.h"

/* >>a watcher that writes down what it is told ---------------------------- */

static char told[4096];
static size_t told_len;

static void say(const char *text)
{
    told_len +=
        (size_t)snprintf(told + told_len, sizeof told - told_len, "%s", text);
}

static void say_value(const crdt_value *value)
{
    char text[64];
    if (value->kind == CRDT_STRING)
        snprintf(text, sizeof text, "'%.*s'", (int)value->as.bytes.len,
                 (const char *)value->as.bytes.ptr);
    else if (value->kind == CRDT_OBJECT)
        snprintf(text, sizeof text, "<%s>",
                 crdt_type_name(crdt_type_of(value->as.object)));
    else if (value->kind == CRDT_BOOL)
        snprintf(text, sizeof text, "%s",
                 value->as.boolean ? "true" : "false");
    else
        snprintf(text, sizeof text, "%lld", (long long)value->as.integer);
    say(text);
}

static void say_bytes(crdt_bytes bytes)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)bytes.len,
             bytes.len ? (const char *)bytes.ptr : "");
    say(text);
}

/* " =3 +1 -2 !1": retain, insert, delete, set. */
static void say_steps(const crdt_patch *p)
{
    char text[16];
    size_t i;
    for (i = 0; i < p->steps_len; i++) {
        snprintf(text, sizeof text, " %c%u", " =+-!"[p->steps[i].kind],
                 (unsigned)p -> steps[i].chars);
        say(text);
    }
}

/* "put it.size 1 -> 2 by 1", or of a set "add it 7 by 1". */
static void say_patch(const crdt_patch *p)
{
    static const char *const kinds[] = {
        "", "put ", "remove ", "add ", "drop ", "lost ", "text ", "list "
    };
    char author[24];
    say(kinds[p->kind]);
    say_bytes(p->path);
    if (p->key.len)
        say(".");
    say_bytes(p->key);
    if (p->had_before || p->kind == CRDT_PATCH_DROP) {
        say(" ");
        say_value(&p->before);
    }
    if (p->kind == CRDT_PATCH_PUT)
        say(" ->");
    if (p->kind == CRDT_PATCH_PUT || p->kind == CRDT_PATCH_ADD) {
        say(" ");
        say_value(&p->now);
    }
    say_steps(p);
    snprintf(author, sizeof author, " by %d%s\n", p->author.b[0],
             p->is_local ? "" : ", not us");
    say(author);
}

static void write_down(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                       size_t len)
{
    size_t i;
    (void)doc;
    ++*(int *)ctx;
    for (i = 0; i < len; i++)
        say_patch(&patches[i]);
}

static int calls;

static crdt_doc *watched(uint8_t number)
{
    crdt_doc *doc = replica(number);
    calls = 0;
    told[told_len = 0] = 0;
    CHECK(!crdt_doc_watch(doc, write_down, &calls));
    return doc;
}

/* What was told since the last look. */
static const char *news_of(int times)
{
    static char text[sizeof told];
    CHECK_INT(calls, times);
    memcpy(text, told, sizeof text);
    calls = 0;
    told[told_len = 0] = 0;
    return text;
}

#define KEY(name) CRDT_STR(name)

/* >>of each shape --------------------------------------------------------- */

TEST(a_commit_tells_keys)
{
    crdt_doc *doc = watched(1);
    crdt_obj root = crdt_root(doc);
    CHECK(!crdt_map_put_int(root, KEY("a"), 1));
    CHECK(!crdt_map_put_str(root, KEY("b"), CRDT_STR("x")));
    CHECK_STR(news_of(0), "");
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "put .a -> 1 by 1\nput .b -> 'x' by 1\n");
    CHECK(!crdt_map_put_int(root, KEY("a"), 2));
    CHECK(!crdt_map_remove(root, KEY("b")) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "put .a 1 -> 2 by 1\nremove .b 'x' by 1\n");
    done(doc);
}

TEST(what_ends_as_it_was_is_not_told)
{
    crdt_doc *doc = watched(1);
    crdt_obj root = crdt_root(doc);
    CHECK(!crdt_map_put_int(root, KEY("a"), 1) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "put .a -> 1 by 1\n");
    CHECK(!crdt_map_put_int(root, KEY("a"), 2));
    CHECK(!crdt_map_put_int(root, KEY("a"), 1));
    CHECK(!crdt_map_put_int(root, KEY("b"), 1));
    CHECK(!crdt_map_remove(root, KEY("b")) && !crdt_commit(doc));
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(0), "");
    done(doc);
}

TEST(sets_tell_elements)
{
    crdt_doc *doc = watched(1);
    crdt_obj set = at_root(doc, CRDT_AW_SET);
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "put .it -> <aw-set> by 1\n");
    CHECK(!crdt_set_add(set, crdt_int(7)));
    CHECK(!crdt_set_add(set, crdt_string(CRDT_STR("x"))));
    CHECK(!crdt_set_add(set, crdt_int(7)) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "add it 7 by 1\nadd it 'x' by 1\n");
    CHECK(!crdt_set_remove(set, crdt_int(7)));
    CHECK(!crdt_set_remove(set, crdt_string(CRDT_STR("x"))));
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "drop it 7 by 1\ndrop it 'x' by 1\n");
    done(doc);
}

/* One write of each type whose objects have one value. */
static crdt_err write_one(crdt_obj obj)
{
    crdt_id other = replica_id(9);
    switch ((int)crdt_type_of(obj)) {
    case CRDT_REGISTER:
        return crdt_register_set(obj, crdt_int(5));
    case CRDT_MAX:
        return crdt_max_set(obj, crdt_int(5));
    case CRDT_MIN:
        return crdt_min_set(obj, crdt_int(5));
    case CRDT_BOUNDED: /* two entries, one place */
        if (crdt_bounded_add(obj, 5))
            return CRDT_ERR_ARG;
        return crdt_bounded_transfer(obj, &other, 2);
    case CRDT_EW_FLAG:
    case CRDT_DW_FLAG:
        return crdt_flag_set(obj, 1);
    default:
        return crdt_counter_add(obj, 5);
    }
}

TEST(objects_of_one_value_tell_it)
{
    static const struct {
        crdt_type type;
        const char *told;
    } of[] = { { CRDT_REGISTER, "put it -> 5 by 1\n" },
               { CRDT_MAX, "put it -> 5 by 1\n" },
               { CRDT_MIN, "put it -> 5 by 1\n" },
               { CRDT_COUNTER, "put it 0 -> 5 by 1\n" },
               { CRDT_GCOUNTER, "put it 0 -> 5 by 1\n" },
               { CRDT_BOUNDED, "put it 0 -> 5 by 1\n" },
               { CRDT_EW_FLAG, "put it false -> true by 1\n" },
               { CRDT_DW_FLAG, "put it false -> true by 1\n" } };
    size_t i;
    for (i = 0; i < sizeof of / sizeof *of; i++) {
        crdt_doc *doc = watched(1);
        crdt_obj obj = at_root(doc, of[i].type);
        CHECK(!crdt_commit(doc));
        (void)news_of(1);
        CHECK(!write_one(obj) && !crdt_commit(doc));
        CHECK_STR(news_of(1), of[i].told);
        done(doc);
    }
}

TEST(a_register_that_is_cleared_is_told_as_removed)
{
    crdt_doc *doc = watched(1);
    crdt_obj reg = at_root(doc, CRDT_REGISTER);
    CHECK(!crdt_register_set(reg, crdt_int(5)) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "put .it -> <register> by 1\n");
    CHECK(!crdt_register_clear(reg) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "remove it 5 by 1\n");
    done(doc);
}

/* >>containers ------------------------------------------------------------ */

/* A list that was told to be there, of so many nulls. */
static crdt_obj list_of(crdt_doc *doc, size_t len)
{
    crdt_obj list = at_root(doc, CRDT_LIST);
    while (len-- > 0)
        CHECK(!crdt_list_insert(list, 0, crdt_null()));
    CHECK(!crdt_commit(doc));
    (void)news_of(calls);
    return list;
}

TEST(lists_tell_steps)
{
    crdt_doc *doc = watched(1);
    crdt_obj list = list_of(doc, 10);
    CHECK(!crdt_list_insert(list, 3, crdt_int(1)));
    CHECK(!crdt_list_insert(list, 4, crdt_int(2)) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it =3 +2 by 1\n");
    CHECK(!crdt_list_delete(list, 0, 2) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it -2 by 1\n");
    CHECK(!crdt_list_set(list, 1, crdt_int(3)));
    CHECK(!crdt_list_set(list, 2, crdt_int(3)));
    CHECK(!crdt_list_set(list, 9, crdt_int(3)) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it =1 !2 =6 !1 by 1\n");
    CHECK(!crdt_list_move(list, 8, 2) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it =2 +1 =6 -1 by 1\n");
    CHECK(!crdt_list_move(list, 3, 3) && !crdt_commit(doc));
    CHECK(!crdt_list_set(list, 0, crdt_null()) && !crdt_commit(doc));
    CHECK(!crdt_list_insert(list, 5, crdt_null()));
    CHECK(!crdt_list_delete(list, 5, 1) && !crdt_commit(doc));
    CHECK_STR(news_of(0), "");
    CHECK(!crdt_list_set(list, 0, crdt_int(7)));
    CHECK(!crdt_list_move(list, 0, 9) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it -1 =9 +1 by 1\n");
    CHECK(!crdt_map_remove(crdt_root(doc), KEY("it")) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "remove .it <list> by 1\n");
    done(doc);
}

TEST(what_is_in_elements_is_told_behind_the_list)
{
    crdt_doc *doc = watched(1);
    crdt_obj list = list_of(doc, 2), map, inner;
    map = crdt_list_insert_object(list, 1, CRDT_MAP);
    CHECK(!crdt_map_put_int(map, KEY("n"), 1));
    inner = crdt_map_list(map, KEY("l"));
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "list it =1 +1 by 1\n"); /* read what is in it */
    CHECK(!crdt_map_put_int(map, KEY("n"), 2));
    CHECK(!crdt_list_insert(inner, 0, crdt_int(5)));
    CHECK(!crdt_list_insert(list, 0, crdt_null()) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it +1 by 1\nlist it/2/l +1 by 1\n"
                          "put it/2.n 1 -> 2 by 1\n");
    CHECK(!crdt_map_put_int(map, KEY("n"), 3)); /* it is read anew, too */
    CHECK(!crdt_list_move(list, 2, 0) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it +1 =2 -1 by 1\n");
    CHECK(!crdt_list_delete(list, 0, 1) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it -1 by 1\n");
    CHECK(!crdt_map_put_int(map, KEY("n"), 4) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it =2 +1 by 1\n"); /* where it was inserted */
    CHECK(!crdt_list_delete(list, 2, 1));
    CHECK(!crdt_map_put_int(map, KEY("n"), 5) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "put it/2.n 4 -> 5 by 1\n");
    CHECK(!crdt_list_set(list, 2, crdt_int(1)) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "list it =2 !1 by 1\n");
    done(doc);
}

TEST(of_a_list_the_author_is_who_was_there_last)
{
    crdt_doc *a = watched(1), *b = replica(2), *c = replica(3);
    crdt_obj list = list_of(a, 3);
    crdt_buf delta;
    pull(b, a);
    CHECK(!crdt_list_insert(at_root(b, CRDT_LIST), 1, crdt_int(1)));
    pull(c, b);
    CHECK(!crdt_list_set(at_root(c, CRDT_LIST), 1, crdt_int(2)));
    CHECK(!crdt_list_set(list, 0, crdt_int(1)));
    delta = news(c, a);
    CHECK(!crdt_join(a, crdt_buf_bytes(&delta)));
    crdt_buf_free(&delta);
    CHECK_STR(news_of(1), "list it !1 +1 by 3, not us\n");
    CHECK(!crdt_list_set(list, 1, crdt_int(3)));
    pull(b, c);
    CHECK(!crdt_list_delete(at_root(b, CRDT_LIST), 1, 1));
    pull(a, b);
    CHECK_STR(news_of(1), "list it =1 !1 by 1\n");
    CHECK(!crdt_list_set(at_root(c, CRDT_LIST), 0, crdt_int(4)));
    CHECK(!crdt_list_set(list, 0, crdt_int(5)));
    delta = news(c, a);
    CHECK(!crdt_join(a, crdt_buf_bytes(&delta)));
    crdt_buf_free(&delta);
    CHECK_STR(news_of(1), "list it !1 by 3, not us\n");
    done(a);
    done(b);
    done(c);
}

TEST(what_is_in_a_new_container_is_not_told)
{
    crdt_doc *doc = watched(1);
    crdt_obj map = at_root(doc, CRDT_MAP);
    CHECK(!crdt_map_put_int(map, KEY("size"), 1));
    CHECK(!crdt_counter_add(crdt_map_counter(map, KEY("views")), 1));
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "put .it -> <map> by 1\n");
    CHECK(!crdt_map_put_int(map, KEY("size"), 2));
    CHECK(!crdt_counter_add(crdt_map_counter(map, KEY("views")), 1));
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "put it.size 1 -> 2 by 1\n"
                          "put it/views 1 -> 2 by 1\n");
    CHECK(!crdt_map_remove(crdt_root(doc), KEY("it")) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "remove .it <map> by 1\n");
    done(doc);
}

TEST(a_value_in_place_of_a_container_and_back)
{
    crdt_doc *doc = watched(1);
    crdt_obj map = at_root(doc, CRDT_MAP);
    CHECK(!crdt_map_put_int(map, KEY("size"), 1) && !crdt_commit(doc));
    (void)news_of(1);
    CHECK(!crdt_map_put_int(crdt_root(doc), KEY("it"), 3));
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "put .it <map> -> 3 by 1\n");
    CHECK(!crdt_map_remove(crdt_root(doc), KEY("it")));
    CHECK(!crdt_map_put_int(at_root(doc, CRDT_MAP), KEY("size"), 4));
    CHECK(!crdt_commit(doc));
    CHECK_STR(news_of(1), "put .it 3 -> <map> by 1\n");
    done(doc);
}

TEST(hidden_changes_are_not_told)
{
    crdt_doc *a = watched(1), *b = replica(2);
    crdt_obj map = at_root(a, CRDT_MAP);
    CHECK(!crdt_commit(a));
    meet(a, b);
    CHECK(!crdt_map_put_int(at_root(b, CRDT_MAP), KEY("x"), 1));
    later();
    CHECK(!crdt_map_put_int(crdt_root(a), KEY("it"), 3) && !crdt_commit(a));
    (void)news_of(2);
    pull(a, b); /* into the map that a's value hides */
    CHECK_STR(news_of(0), "");
    CHECK(!crdt_map_put_int(map, KEY("x"), 2) && !crdt_commit(a));
    CHECK_STR(news_of(0), "");
    done(a);
    done(b);
}

/* >>joins ----------------------------------------------------------------- */

TEST(a_join_tells_who_wrote_and_who_removed)
{
    crdt_doc *a = watched(1), *b = replica(2), *c = replica(3);
    crdt_obj root = crdt_root(a);
    CHECK(!crdt_map_put_int(root, KEY("k"), 1));
    CHECK(!crdt_map_put_int(root, KEY("l"), 1) && !crdt_commit(a));
    CHECK(!crdt_set_add(at_root(a, CRDT_AW_SET), crdt_int(7)));
    meet(a, b);
    (void)news_of(2);
    CHECK(!crdt_map_put_int(crdt_root(b), KEY("k"), 2));
    CHECK(!crdt_map_remove(crdt_root(b), KEY("l")) && !crdt_commit(b));
    CHECK(!crdt_set_remove(at_root(b, CRDT_AW_SET), crdt_int(7)));
    pull(c, b);
    CHECK(!crdt_set_add(at_root(c, CRDT_AW_SET), crdt_int(8)));
    pull(a, c);
    CHECK_STR(news_of(1), "put .k 1 -> 2 by 2, not us\n"
                          "remove .l 1 by 2, not us\n"
                          "drop it 7 by 2, not us\n"
                          "add it 8 by 3, not us\n");
    pull(a, c);
    CHECK_STR(news_of(0), "");
    done(a);
    done(b);
    done(c);
}

TEST(of_a_forgotten_removal_nobody_is_the_author)
{
    crdt_doc *a = watched(1), *b = replica(2);
    crdt_vv all = CRDT_VV_INIT;
    CHECK(!crdt_map_put_int(crdt_root(a), KEY("k"), 1));
    meet(a, b);
    (void)news_of(1);
    CHECK(!crdt_map_remove(crdt_root(b), KEY("k")) && !crdt_commit(b));
    CHECK(!crdt_doc_vv(b, &all) && !crdt_truncate(b, &all));
    pull(a, b);
    CHECK_STR(news_of(1), "remove .k 1 by 0, not us\n");
    crdt_vv_free(&all);
    done(a);
    done(b);
}

TEST(concurrent_writes_tell_the_one_that_is_shown)
{
    crdt_doc *a = watched(1), *b = replica(2);
    CHECK(!crdt_map_put_int(crdt_root(b), KEY("k"), 2) && !crdt_commit(b));
    later();
    CHECK(!crdt_map_put_int(crdt_root(a), KEY("k"), 1) && !crdt_commit(a));
    CHECK_STR(news_of(1), "put .k -> 1 by 1\n");
    pull(a, b); /* an earlier write */
    CHECK_STR(news_of(0), "");
    later();
    CHECK(!crdt_map_put_int(crdt_root(b), KEY("k"), 3));
    pull(a, b); /* not seen by it, but later */
    CHECK_STR(news_of(1), "put .k 1 -> 3 by 2, not us\n");
    done(a);
    done(b);
}

TEST(what_is_open_is_told_with_a_join)
{
    crdt_doc *a = watched(1), *b = replica(2);
    crdt_buf delta;
    CHECK(!crdt_map_put_int(crdt_root(b), KEY("k"), 2));
    delta = news(b, a);
    CHECK(!crdt_map_put_int(crdt_root(a), KEY("l"), 1));
    CHECK(!crdt_join(a, crdt_buf_bytes(&delta)));
    CHECK_STR(news_of(1), "put .l -> 1 by 1\nput .k -> 2 by 2, not us\n");
    CHECK(!crdt_commit(a));
    CHECK_STR(news_of(0), "");
    crdt_buf_free(&delta);
    done(a);
    done(b);
}

TEST(a_refused_delta_tells_nothing)
{
    crdt_doc *a = watched(1), *b = replica(2);
    crdt_buf delta;
    CHECK(!crdt_map_put_int(crdt_root(b), KEY("k"), 2));
    delta = news(b, a);
    delta.ptr[delta.len - 1] ^= 1;
    CHECK(crdt_join(a, crdt_buf_bytes(&delta)) != CRDT_OK);
    CHECK_STR(news_of(0), "");
    crdt_buf_free(&delta);
    done(a);
    done(b);
}

/* >>rules ----------------------------------------------------------------- */

static crdt_buf a_delta;

static void try_everything(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                           size_t len)
{
    crdt_obj root = crdt_root(doc), set;
    crdt_digest before = crdt_doc_digest(doc), after;
    crdt_vv vv = CRDT_VV_INIT;
    int64_t number = 0;
    CHECK(patches && len);
    set = crdt_map_find(root, KEY("s"), CRDT_AW_SET);
    CHECK_INT(crdt_map_put_int(root, KEY("k"), 9), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_map_remove(root, KEY("k")), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_set_add(set, crdt_int(1)), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_set_add(set, crdt_string(CRDT_STR("x"))), CRDT_ERR_AGAIN);
    CHECK(crdt_is_null(crdt_map_counter(root, KEY("new"))));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_commit(doc), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_join(doc, crdt_buf_bytes(&a_delta)), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_doc_watch(doc, NULL, NULL), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_doc_reincarnate(doc), CRDT_ERR_AGAIN);
    CHECK_INT(crdt_truncate(doc, &vv), CRDT_ERR_AGAIN);
    CHECK(!crdt_map_get_int(root, KEY("k"), &number));
    *(int64_t *)ctx += number;
    after = crdt_doc_digest(doc);
    CHECK(before.hi == after.hi && before.lo == after.lo);
}

TEST(a_watcher_reads_but_does_not_write)
{
    crdt_doc *a = replica(1), *b = replica(2);
    int64_t sum = 0;
    CHECK(!crdt_map_put_int(crdt_root(b), KEY("k"), 5));
    a_delta = news(b, a);
    CHECK(!crdt_is_null(crdt_map_object(crdt_root(a), KEY("s"), CRDT_AW_SET)));
    CHECK(!crdt_commit(a) && !crdt_doc_watch(a, try_everything, &sum));
    later();
    CHECK(!crdt_map_put_int(crdt_root(a), KEY("k"), 3) && !crdt_commit(a));
    CHECK_INT(sum, 3);
    CHECK(!crdt_map_remove(crdt_root(a), KEY("k")));
    CHECK(!crdt_join(a, crdt_buf_bytes(&a_delta)));
    CHECK_INT(sum, 8);
    crdt_buf_free(&a_delta);
    done(a);
    done(b);
}

TEST(watching_begins_and_ends)
{
    crdt_doc *doc = replica(1);
    crdt_obj root = crdt_root(doc);
    calls = 0;
    CHECK_INT(crdt_doc_watch(NULL, write_down, NULL), CRDT_ERR_ARG);
    CHECK(!crdt_doc_watch(doc, NULL, NULL));
    CHECK(!crdt_map_put_int(root, KEY("k"), 1));
    CHECK_INT(crdt_doc_watch(doc, write_down, &calls), CRDT_ERR_UNCOMMITTED);
    CHECK(!crdt_commit(doc) && !crdt_doc_watch(doc, write_down, &calls));
    CHECK(!crdt_map_put_int(root, KEY("k"), 2) && !crdt_commit(doc));
    CHECK_STR(news_of(1), "put .k 1 -> 2 by 1\n");
    CHECK(!crdt_map_put_int(root, KEY("k"), 3));
    CHECK(!crdt_doc_watch(doc, NULL, NULL) && !crdt_commit(doc));
    CHECK_STR(news_of(0), "");
    done(doc);
}

/* One change with the n-th request refused: by the change, or in telling of
 * it. Whether one was. */
static int change_without_memory(struct failing_alloc *memory, crdt_doc *doc,
                                 size_t n)
{
    crdt_err err;
    CHECK(!crdt_doc_watch(doc, NULL, NULL));
    CHECK(!crdt_map_put_int(crdt_root(doc), KEY("a"), 0));
    CHECK(!crdt_commit(doc) && !crdt_doc_watch(doc, write_down, &calls));
    memory->requests = memory->failures = 0;
    memory->fail_at = n;
    err = crdt_map_put_int(crdt_root(doc), KEY("a"), 1);
    CHECK(!crdt_commit(doc));
    memory->fail_at = 0;
    if (err)
        CHECK_STR(news_of(0), "");
    else if (memory->failures)
        CHECK_STR(news_of(1), "lost  by 0, not us\n");
    CHECK(!err || err == CRDT_ERR_NOMEM);
    return memory->failures != 0;
}

TEST(without_memory_all_is_to_be_read_anew)
{
    struct failing_alloc memory;
    crdt_config config;
    crdt_doc *doc = NULL;
    size_t n = 1;
    memset(&config, 0, sizeof config);
    failing_alloc_init(&memory);
    config.alloc = &memory.table;
    CHECK(!crdt_doc_new(&doc, &config));
    (void)news_of(calls);
    while (change_without_memory(&memory, doc, n))
        n++;
    CHECK(strncmp(news_of(1), "put .a 0 -> 1", 13) == 0);
    CHECK(n > 2);
    crdt_doc_free(doc);
    CHECK(failing_alloc_clean(&memory));
}

TEST_MAIN(CASE(a_commit_tells_keys), CASE(what_ends_as_it_was_is_not_told),
          CASE(sets_tell_elements), CASE(objects_of_one_value_tell_it),
          CASE(a_register_that_is_cleared_is_told_as_removed),
          CASE(lists_tell_steps),
          CASE(what_is_in_elements_is_told_behind_the_list),
          CASE(of_a_list_the_author_is_who_was_there_last),
          CASE(what_is_in_a_new_container_is_not_told),
          CASE(a_value_in_place_of_a_container_and_back),
          CASE(hidden_changes_are_not_told),
          CASE(a_join_tells_who_wrote_and_who_removed),
          CASE(of_a_forgotten_removal_nobody_is_the_author),
          CASE(concurrent_writes_tell_the_one_that_is_shown),
          CASE(what_is_open_is_told_with_a_join),
          CASE(a_refused_delta_tells_nothing),
          CASE(a_watcher_reads_but_does_not_write),
          CASE(watching_begins_and_ends),
          CASE(without_memory_all_is_to_be_read_anew))
