/*
 * Merges that others got wrong, and mistakes of systems like ours. What can be
 * there or not, an element of a set, a key of a map, a flag that is on, is
 * called Z here.
 */
#include "../failing_alloc.h"
#include "../replicas.h"

/* >>what can be there or not ---------------------------------------------- */

/* What ends the same in all of them. */
static const crdt_type removable[] = { CRDT_AW_SET,     CRDT_RW_SET,
                                       CRDT_2PSET,      CRDT_LWW_SET,
                                       CRDT_LWW_SET_RM, CRDT_EW_FLAG,
                                       CRDT_DW_FLAG,    CRDT_MAP };
enum { REMOVABLE = sizeof removable / sizeof *removable };

/* Those in which a concurrent add survives a remove. */
static const crdt_type add_wins[] = { CRDT_AW_SET, CRDT_EW_FLAG, CRDT_MAP };
enum { ADD_WINS = sizeof add_wins / sizeof *add_wins };

static crdt_err add(crdt_doc *doc, crdt_type type, const char *element)
{
    crdt_obj obj = at_root(doc, type);
    if (type == CRDT_MAP)
        return crdt_map_put_null(obj, crdt_str(element));
    if (type == CRDT_EW_FLAG || type == CRDT_DW_FLAG)
        return crdt_flag_set(obj, 1);
    if (type == CRDT_TEXT)
        return crdt_text_insert(obj, CRDT_CHARS,
                                crdt_text_len(obj, CRDT_CHARS),
                                crdt_str(element));
    return crdt_set_add(obj, crdt_string(crdt_str(element)));
}

static crdt_err take(crdt_doc *doc, crdt_type type, const char *element)
{
    crdt_obj obj = at_root(doc, type);
    if (type == CRDT_MAP)
        return crdt_map_remove(obj, crdt_str(element));
    if (type == CRDT_EW_FLAG || type == CRDT_DW_FLAG)
        return crdt_flag_set(obj, 0);
    return crdt_set_remove(obj, crdt_string(crdt_str(element)));
}

static int has(crdt_doc *doc, crdt_type type, const char *element)
{
    crdt_obj obj = crdt_map_find(crdt_root(doc), CRDT_STR("it"), type);
    int on = 0;
    if (crdt_is_null(obj))
        return 0;
    if (type == CRDT_MAP)
        return crdt_map_has(obj, crdt_str(element));
    if (type != CRDT_EW_FLAG && type != CRDT_DW_FLAG)
        return crdt_set_has(obj, crdt_string(crdt_str(element)));
    CHECK(!crdt_flag_get(obj, &on));
    return on;
}

/* >>merging --------------------------------------------------------------- */

/* All that a document is. */
static crdt_buf whole(crdt_doc *doc)
{
    crdt_buf out = CRDT_BUF_INIT;
    CHECK(!crdt_commit(doc));
    CHECK(!crdt_delta(doc, NULL, &out));
    return out;
}

static crdt_err join(crdt_doc *doc, const crdt_buf *delta)
{
    return crdt_join(doc, crdt_buf_bytes(delta));
}

/* What pull answers when it cannot. */
static crdt_err try_pull(crdt_doc *to, crdt_doc *from)
{
    crdt_buf delta = news(from, to);
    crdt_err err = join(to, &delta);
    crdt_buf_free(&delta);
    return err;
}

static void merge(crdt_doc *to, crdt_doc *from, int by_state)
{
    crdt_buf state;
    if (!by_state) {
        pull(to, from);
        return;
    }
    state = whole(from);
    CHECK_INT(join(to, &state), CRDT_OK);
    crdt_buf_free(&state);
}

/* Merges three in this order, by what each lacks or by whole documents: into
 * a new one, or the first two, and the third hears of them from there. None of
 * the results has Z, and all are as the first. */
static void check_order(crdt_doc *const *docs, crdt_type type,
                        const uint8_t *order, int by_state, crdt_doc *first)
{
    crdt_doc *all = replica(10), *third = replica(11);
    merge(all, docs[order[0]], by_state);
    merge(all, docs[order[1]], by_state);
    merge(third, docs[order[2]], 1);
    merge(third, all, by_state);
    merge(all, docs[order[2]], by_state);
    CHECK(!has(all, type, "Z"));
    CHECK(same(all, first));
    CHECK(same(third, first));
    done(all), done(third);
}

static void check_orders(crdt_doc *const *docs, crdt_type type,
                         crdt_doc *first)
{
    static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 },
                                          { 1, 0, 2 }, { 1, 2, 0 },
                                          { 2, 0, 1 }, { 2, 1, 0 } };
    int i;
    for (i = 0; i < 6; i++) {
        check_order(docs, type, orders[i], 0, first);
        check_order(docs, type, orders[i], 1, first);
    }
}

/* The same again when each has forgotten what it had removed. */
static void check_all_orders(crdt_doc *const *docs, crdt_type type)
{
    crdt_doc *first = replica(10);
    crdt_vv vv = CRDT_VV_INIT;
    int i;
    for (i = 0; i < 3; i++)
        merge(first, docs[i], 0);
    check_orders(docs, type, first);
    for (i = 0; i < 3; i++) {
        CHECK(!crdt_doc_vv(docs[i], &vv));
        CHECK(!crdt_truncate(docs[i], &vv));
    }
    check_orders(docs, type, first);
    crdt_vv_free(&vv);
    done(first);
}

/* The keys of a map, one behind another. */
static const char *keys(crdt_obj map)
{
    static char text[256];
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    size_t len = 0;
    while (crdt_map_next(map, &cursor) == CRDT_OK) {
        if (len)
            text[len++] = ' ';
        memcpy(text + len, cursor.key.ptr, cursor.key.len);
        len += cursor.key.len;
    }
    text[len] = 0;
    return text;
}

static crdt_obj root_map(crdt_doc *doc, const char *key)
{
    return crdt_map_map(crdt_root(doc), crdt_str(key));
}

static int64_t get_int(crdt_obj map, const char *key)
{
    int64_t value = -1;
    CHECK(crdt_map_get_int(map, crdt_str(key), &value) == CRDT_OK);
    return value;
}

static int64_t count_of(crdt_doc *doc, const char *key)
{
    crdt_obj counter =
        crdt_map_find(crdt_root(doc), crdt_str(key), CRDT_COUNTER);
    int64_t value = 0;
    if (!crdt_is_null(counter))
        CHECK(crdt_counter_get(counter, &value) == CRDT_OK);
    return value;
}

static void count_version(void *ctx, const crdt_version *version)
{
    (void)version;
    ++*(int *)ctx;
}

/* The characters of a text, likewise. */
static const char *letters(crdt_obj obj)
{
    static char text[256];
    crdt_buf all = CRDT_BUF_INIT;
    size_t i;
    CHECK_INT(crdt_text_get(obj, &all), CRDT_OK);
    for (i = 0; i < all.len; i++) {
        text[2 * i] = (char)all.ptr[i];
        text[2 * i + 1] = ' ';
    }
    text[all.len ? 2 * all.len - 1 : 0] = 0;
    crdt_buf_free(&all);
    return text;
}

/* The elements of a set of strings, likewise. */
static const char *elements(crdt_obj set)
{
    static char text[256];
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    size_t len = 0;
    if (crdt_type_of(set) == CRDT_TEXT)
        return letters(set);
    text[0] = 0;
    while (crdt_set_next(set, &cursor) == CRDT_OK)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s",
                                len ? " " : "", (int)cursor.value.as.bytes.len,
                                (const char *)cursor.value.as.bytes.ptr);
    return text;
}

/* >>merge vectors --------------------------------------------------------- */

/* c has the first add, a has removed it; a and b have the second, b has
 * removed it. In V2 b has got the first add back from c. */
static void v1_or_v2(crdt_type type, int is_v2)
{
    crdt_doc *docs[3], *a, *b, *c;
    a = docs[0] = replica(1);
    b = docs[1] = replica(2);
    c = docs[2] = replica(3);
    CHECK_INT(add(a, type, "Z"), CRDT_OK);
    pull(c, a);
    CHECK_INT(take(a, type, "Z"), CRDT_OK);
    CHECK_INT(add(b, type, "Z"), CRDT_OK);
    pull(a, b);
    CHECK_INT(take(b, type, "Z"), CRDT_OK);
    if (is_v2)
        pull(b, c);
    check_all_orders(docs, type);
    done(a), done(b), done(c);
}

TEST(v1_removed_at_both_ends_is_gone_in_every_order)
{
    int i;
    for (i = 0; i < REMOVABLE; i++)
        v1_or_v2(removable[i], 0);
}

TEST(v2_an_old_add_comes_back_before_all_merge)
{
    int i;
    for (i = 0; i < REMOVABLE; i++)
        v1_or_v2(removable[i], 1);
}

TEST(v3_the_same_of_an_enable_wins_flag)
{
    v1_or_v2(CRDT_EW_FLAG, 0);
    v1_or_v2(CRDT_EW_FLAG, 1);
}

TEST(v4_writes_below_a_removed_key_survive_alone)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(!crdt_map_put_null(root_map(a, "X"), CRDT_STR("0")));
    pull(b, a);
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("X")));
    CHECK(!crdt_map_put_null(root_map(b, "X"), CRDT_STR("1")));
    pull(a, b);
    CHECK_STR(keys(root_map(a, "X")), "1");
    CHECK(!crdt_map_put_null(root_map(b, "X"), CRDT_STR("2")));
    pull(a, b);
    pull(a, b);
    CHECK_STR(keys(root_map(a, "X")), "1 2");
    meet(a, b);
    CHECK_STR(keys(root_map(b, "X")), "1 2");
    CHECK(same(a, b));
    done(a), done(b);
}

TEST(v5_remove_beside_a_write_below)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(!crdt_map_put_int(root_map(a, "101"), CRDT_STR("110"), 32));
    pull(b, a);
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("101")));
    CHECK(!crdt_map_put_int(root_map(b, "101"), CRDT_STR("220"), 5));
    meet(a, b);
    CHECK_STR(keys(crdt_root(a)), "101");
    CHECK_STR(keys(root_map(a, "101")), "220");
    CHECK_INT(get_int(root_map(b, "101"), "220"), 5);
    done(a), done(b);
}

/* The delta of c builds on b, which n3 has not: it must wait, and nothing may
 * count as seen that is not. */
TEST(v6_a_gap_is_not_taken_for_seen)
{
    static const crdt_type types[] = { CRDT_AW_SET, CRDT_GSET, CRDT_TEXT };
    int i;
    for (i = 0; i < 3; i++) {
        crdt_doc *n1 = replica(1), *n2 = replica(2), *n3 = replica(3);
        crdt_doc *full = replica(4);
        crdt_buf c, d;
        CHECK(!add(n1, types[i], "a"));
        pull(n2, n1);
        pull(n3, n1);
        CHECK(!add(n1, types[i], "b"));
        pull(full, n1);
        CHECK(!add(n1, types[i], "c"));
        c = news(n1, full);
        CHECK(!add(n2, types[i], "d"));
        d = news(n2, n3);
        CHECK_INT(join(n3, &d), CRDT_OK);
        CHECK_INT(join(n3, &c), CRDT_ERR_CAUSAL);
        CHECK_STR(elements(at_root(n3, types[i])), "a d");
        pull(full, n1);
        pull(full, n2);
        meet(n3, full);
        CHECK_STR(elements(at_root(n3, types[i])), "a b c d");
        crdt_buf_free(&c);
        crdt_buf_free(&d);
        done(n1), done(n2), done(n3), done(full);
    }
}

/* a adds Z, b sees and removes it, c adds Z on its own and hears of the
 * remove first. */
TEST(v7_a_remove_takes_the_adds_it_had_seen)
{
    int i;
    for (i = 0; i < ADD_WINS; i++) {
        crdt_type type = add_wins[i];
        crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
        crdt_buf added, removed, state;
        CHECK(!add(a, type, "Z"));
        added = whole(a);
        pull(b, a);
        CHECK(!take(b, type, "Z"));
        removed = news(b, a);
        state = whole(b);
        CHECK(!add(c, type, "Z"));
        CHECK(!crdt_commit(c));
        CHECK_INT(join(c, &removed), CRDT_ERR_CAUSAL);
        CHECK(has(c, type, "Z"));
        CHECK_INT(join(c, &added), CRDT_OK);
        CHECK_INT(join(c, &removed), CRDT_OK);
        CHECK(has(c, type, "Z")); /* its own */
        CHECK_INT(join(a, &removed), CRDT_OK);
        CHECK(!has(a, type, "Z"));
        CHECK_INT(join(a, &added), CRDT_OK); /* late, and again */
        CHECK(!has(a, type, "Z"));
        meet(a, c);
        CHECK(has(a, type, "Z"));
        /* Of both adds only its own was left: that gone, all is. */
        CHECK(!take(c, type, "Z"));
        CHECK_INT(join(c, &state), CRDT_OK);
        CHECK_INT(join(c, &added), CRDT_OK);
        CHECK(!has(c, type, "Z"));
        meet(a, c);
        CHECK(!has(a, type, "Z"));
        crdt_buf_free(&added);
        crdt_buf_free(&removed);
        crdt_buf_free(&state);
        done(a), done(b), done(c);
    }
}

/* The remove arrives with all before it, and only then the add alone. */
TEST(v7_an_add_that_comes_after_its_remove_is_stale)
{
    int i;
    for (i = 0; i < REMOVABLE; i++) {
        crdt_type type = removable[i];
        crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
        crdt_buf added;
        CHECK(!add(a, type, "Z"));
        added = whole(a);
        pull(b, a);
        CHECK(!take(b, type, "Z"));
        pull(c, b);
        CHECK_INT(join(c, &added), CRDT_OK);
        CHECK(!has(c, type, "Z"));
        CHECK(same(c, b));
        crdt_buf_free(&added);
        done(a), done(b), done(c);
    }
}

TEST(v8_one_id_on_two_copies)
{
    crdt_doc *a = replica(1), *b = replica(1);
    crdt_doc *c = replica(2);
    crdt_digest before;
    crdt_buf all;
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("x"), 1));
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("y"), 2));
    before = crdt_doc_digest(a);
    pull(c, a);
    /* The same vector and another state: nobody joins, the digests tell. */
    pull(c, b);
    CHECK(crdt_map_has(crdt_root(c), CRDT_STR("x")));
    CHECK(!same(b, c));
    /* One of them goes on: it has written more than the other knows of. */
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("z"), 3));
    CHECK_INT(try_pull(a, b), CRDT_ERR_FORK);
    CHECK(before.lo == crdt_doc_digest(a).lo);
    /* A third sees two changes of one name. */
    all = whole(b);
    CHECK_INT(join(c, &all), CRDT_ERR_FORK);
    crdt_buf_free(&all);
    CHECK(!crdt_map_has(crdt_root(c), CRDT_STR("z")));
    CHECK(same(a, c));
    done(a), done(b), done(c);
}

TEST(v9_a_restored_copy_takes_a_new_name)
{
    crdt_doc *a = replica(1), *peer = replica(2), *back;
    crdt_id id = crdt_doc_replica(a), fresh;
    crdt_buf backup;
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("old"), 1));
    backup = whole(a);
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("lost"), 2));
    pull(peer, a);
    done(a);
    /* Under the old id the backup is refused: it could go on to reuse dots. */
    back = replica(1);
    CHECK_INT(join(back, &backup), CRDT_ERR_FORK);
    CHECK(!crdt_doc_reincarnate(back));
    fresh = crdt_doc_replica(back);
    CHECK(crdt_id_compare(&fresh, &id) != 0);
    CHECK(!join(back, &backup));
    CHECK(!crdt_map_put_int(crdt_root(back), CRDT_STR("new"), 3));
    meet(back, peer);
    CHECK_STR(keys(crdt_root(back)), "lost new old");
    crdt_buf_free(&backup);
    done(back), done(peer);
}

/* The dots were used again before anybody noticed. */
TEST(v9_reused_dots_are_found)
{
    crdt_doc *a = replica(1), *b = replica(1), *peer = replica(2);
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("x"), 1));
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("y"), 1));
    pull(peer, a);
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("x"), 2));
    /* The peer's delta since what b says it has builds on b's own future. */
    CHECK(!crdt_commit(b));
    CHECK_INT(try_pull(b, peer), CRDT_ERR_FORK);
    CHECK_INT(get_int(crdt_root(b), "x"), 2);
    done(a), done(b), done(peer);
}

/* A peer that was told of our later dots bases its delta on them. */
TEST(v9_a_base_beyond_our_own_dots_is_a_fork)
{
    crdt_doc *a = replica(1), *b = replica(1), *peer = replica(2);
    crdt_buf delta;
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("x"), 1));
    pull(peer, a);
    CHECK(!crdt_map_put_int(crdt_root(peer), CRDT_STR("y"), 1));
    delta = news(peer, a);
    CHECK_INT(join(b, &delta), CRDT_ERR_FORK);
    crdt_buf_free(&delta);
    done(a), done(b), done(peer);
}

TEST(v10_erase_beside_an_addition)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(
        !crdt_counter_add(crdt_map_counter(crdt_root(a), CRDT_STR("n")), 10));
    pull(b, a);
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("n")));
    CHECK(!crdt_map_has(crdt_root(a), CRDT_STR("n")));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(b), CRDT_STR("n")), 5));
    CHECK_INT(count_of(b, "n"), 15);
    meet(a, b);
    CHECK_INT(count_of(a, "n"), 5);
    CHECK_INT(count_of(b, "n"), 5);
    done(a), done(b);
}

TEST(v10_two_resets_beside_an_addition)
{
    crdt_doc *d[3];
    int i;
    for (i = 0; i < 3; i++)
        d[i] = replica((uint8_t)(i + 1));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(d[0]), CRDT_STR("n")),
                            7));
    pull(d[1], d[0]);
    pull(d[2], d[0]);
    for (i = 0; i < 2; i++)
        CHECK(!crdt_counter_reset(
            crdt_map_counter(crdt_root(d[i]), CRDT_STR("n"))));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(d[2]), CRDT_STR("n")),
                            3));
    meet(d[0], d[1]);
    meet(d[1], d[2]);
    meet(d[2], d[0]);
    for (i = 0; i < 3; i++) {
        CHECK_INT(count_of(d[i], "n"), 3);
        CHECK(same(d[i], d[0]));
    }
    for (i = 0; i < 3; i++)
        done(d[i]);
}

/* The counter lies below what is erased. */
TEST(v10_erase_above_beside_an_addition)
{
    static const crdt_type types[] = { CRDT_COUNTER, CRDT_GCOUNTER };
    int i;
    for (i = 0; i < 2; i++) {
        crdt_doc *a = replica(1), *b = replica(2);
        crdt_obj n, m;
        int64_t value = -1;
        m = crdt_map_map(root_map(a, "X"), CRDT_STR("Y"));
        n = crdt_map_object(m, CRDT_STR("n"), types[i]);
        CHECK(!crdt_counter_add(n, 10));
        pull(b, a);
        CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("X")));
        m = crdt_map_map(root_map(b, "X"), CRDT_STR("Y"));
        CHECK(
            !crdt_counter_add(crdt_map_object(m, CRDT_STR("n"), types[i]), 5));
        meet(a, b);
        CHECK(!crdt_counter_get(n, &value)); /* the handle leads there again */
        CHECK_INT(value, 5);
        CHECK(!crdt_counter_get(crdt_map_find(m, CRDT_STR("n"), types[i]),
                                &value));
        CHECK_INT(value, 5);
        done(a), done(b);
    }
}

TEST(v11_equal_values_show_once_and_die_together)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj reg = crdt_map_register(crdt_root(a), CRDT_STR("r"));
    crdt_value value;
    crdt_stats stats;
    int count = 0;
    pull(b, a);
    CHECK(!crdt_register_set(reg, crdt_string(CRDT_STR("same"))));
    CHECK(!crdt_register_set(crdt_map_register(crdt_root(b), CRDT_STR("r")),
                             crdt_string(CRDT_STR("same"))));
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 4));
    CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("k"), 4));
    meet(a, b);
    CHECK(!crdt_register_versions(reg, count_version, &count));
    CHECK_INT(count, 1);
    count = 0;
    CHECK(!crdt_map_versions(crdt_root(b), CRDT_STR("k"), count_version,
                             &count));
    CHECK_INT(count, 1);
    CHECK(!crdt_register_set(reg, crdt_int(2)));
    CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 5));
    meet(a, b);
    count = 0;
    reg = crdt_map_register(crdt_root(b), CRDT_STR("r"));
    CHECK(!crdt_register_versions(reg, count_version, &count));
    CHECK_INT(count, 1);
    CHECK(!crdt_register_get(reg, &value));
    CHECK(value.kind == CRDT_INT && value.as.integer == 2);
    CHECK_INT(get_int(crdt_root(b), "k"), 5);
    crdt_doc_stats(b, &stats);
    CHECK_INT(stats.ops, 3); /* the container and two values */
    done(a), done(b);
}

TEST(v13_one_container_made_twice)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(!crdt_map_put_int(root_map(a, "m"), CRDT_STR("a"), 1));
    CHECK(!crdt_map_put_int(root_map(b, "m"), CRDT_STR("b"), 2));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(a), CRDT_STR("n")), 1));
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(b), CRDT_STR("n")), 2));
    CHECK(!crdt_register_set(crdt_map_register(crdt_root(a), CRDT_STR("r")),
                             crdt_int(1)));
    CHECK(!crdt_register_set(crdt_map_register(crdt_root(b), CRDT_STR("r")),
                             crdt_int(2)));
    meet(a, b);
    CHECK_STR(keys(root_map(a, "m")), "a b");
    CHECK_INT(count_of(a, "n"), 3);
    CHECK_INT(crdt_map_size(crdt_root(a)), 3);
    {
        int count = 0;
        CHECK(!crdt_register_versions(
            crdt_map_register(crdt_root(b), CRDT_STR("r")), count_version,
            &count));
        CHECK_INT(count, 2);
        count = 0;
        CHECK(!crdt_map_versions(crdt_root(b), CRDT_STR("m"), count_version,
                                 &count));
        CHECK_INT(count, 1); /* one map, whoever created it */
    }
    /* Removed once, it is gone, though two had created it. */
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("m")));
    meet(a, b);
    CHECK(!crdt_map_has(crdt_root(b), CRDT_STR("m")));
    done(a), done(b);
}

TEST(v13_one_container_of_every_type)
{
    int type;
    for (type = CRDT_MAP; type < CRDT_TYPE_COUNT; type++) {
        crdt_doc *a = replica(1), *b = replica(2);
        int count = 0;
        at_root(a, (crdt_type)type);
        at_root(b, (crdt_type)type);
        meet(a, b);
        CHECK_INT(crdt_map_size(crdt_root(a)), 1);
        CHECK(!crdt_map_versions(crdt_root(a), CRDT_STR("it"), count_version,
                                 &count));
        CHECK_INT(count, 1);
        CHECK(!crdt_map_remove(crdt_root(b), CRDT_STR("it")));
        meet(a, b);
        CHECK_INT(crdt_map_size(crdt_root(a)), 0);
        done(a), done(b);
    }
}

/* >>known mistakes -------------------------------------------------------- */

TEST(m1_the_same_delta_twice_counts_once)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_buf delta;
    int i;
    CHECK(!crdt_counter_add(crdt_map_counter(crdt_root(a), CRDT_STR("n")), 5));
    delta = news(a, b);
    for (i = 0; i < 3; i++)
        CHECK(!join(b, &delta));
    CHECK_INT(count_of(b, "n"), 5);
    crdt_buf_free(&delta);
    done(a), done(b);
}

TEST(m2_removed_and_added_again_is_visible)
{
    crdt_doc *a = replica(1), *b = replica(2);
    int i;
    for (i = 0; i < 3; i++) {
        CHECK(!crdt_map_put_int(root_map(a, "m"), CRDT_STR("x"), i));
        meet(a, b);
        CHECK(crdt_map_has(crdt_root(b), CRDT_STR("m")));
        CHECK_INT(get_int(root_map(b, "m"), "x"), i);
        CHECK(!crdt_map_remove(crdt_root(b), CRDT_STR("m")));
        meet(a, b);
        CHECK(!crdt_map_has(crdt_root(a), CRDT_STR("m")));
        CHECK_INT(crdt_map_size(crdt_root(a)), 0);
    }
    CHECK(same(a, b));
    done(a), done(b);
}

TEST(m3_equal_stamps_end_in_one_value)
{
    uint8_t first;
    for (first = 1; first <= 2; first++) {
        crdt_doc *a = replica(first), *b = replica((uint8_t)(3 - first));
        CHECK(!crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 1));
        CHECK(!crdt_map_put_int(crdt_root(b), CRDT_STR("k"), 7));
        meet(a, b);
        CHECK_INT(get_int(crdt_root(a), "k"), get_int(crdt_root(b), "k"));
        done(a), done(b);
    }
}

static uint64_t dice = 5;

static void shuffle(uint8_t *numbers, uint32_t count)
{
    for (; count > 1; count--) {
        uint32_t i = test_below(&dice, count);
        uint8_t moved = numbers[i];
        numbers[i] = numbers[count - 1];
        numbers[count - 1] = moved;
    }
}

/* Five have added Z, all at once, and one has seen and removed it. Ids are
 * drawn, and so is the order in which the adds come to those who then hear of
 * the remove, or have heard of it first. */
static void m5_round(crdt_type type)
{
    enum { EDITORS = 5, REMOVER = 0, FIRST = 1, LAST = 2, OTHERS = 3 };
    uint8_t ids[200], order[EDITORS] = { 0, 1, 2, 3, 4 };
    crdt_doc *docs[OTHERS];
    crdt_buf adds[EDITORS];
    uint8_t i;
    for (i = 0; i < sizeof ids; i++)
        ids[i] = (uint8_t)(i + 1);
    shuffle(ids, sizeof ids);
    for (i = 0; i < OTHERS; i++)
        docs[i] = replica(ids[EDITORS + i]);
    for (i = 0; i < EDITORS; i++) {
        crdt_doc *doc = replica(ids[i]);
        CHECK(!add(doc, type, "Z"));
        adds[i] = whole(doc);
        CHECK(!join(docs[REMOVER], &adds[i]));
        done(doc);
    }
    CHECK(!take(docs[REMOVER], type, "Z"));
    pull(docs[FIRST], docs[REMOVER]);
    shuffle(order, EDITORS);
    for (i = 0; i < EDITORS; i++) {
        CHECK(!join(docs[FIRST], &adds[order[i]]));
        CHECK(!join(docs[LAST], &adds[order[i]]));
        CHECK(has(docs[LAST], type, "Z"));
    }
    pull(docs[LAST], docs[REMOVER]);
    for (i = 0; i < OTHERS; i++) {
        CHECK(!has(docs[i], type, "Z"));
        CHECK(same(docs[i], docs[0]));
    }
    for (i = 0; i < OTHERS; i++)
        done(docs[i]);
    for (i = 0; i < EDITORS; i++)
        crdt_buf_free(&adds[i]);
}

TEST(m5_a_remove_takes_all_its_dots_in_any_order)
{
    int i, round;
    for (i = 0; i < REMOVABLE; i++)
        for (round = 0; round < 60 && !test_failures_in_case; round++)
            m5_round(removable[i]);
}

TEST(m6_nothing_is_left_of_what_is_gone)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_buf all = CRDT_BUF_INIT;
    crdt_stats stats;
    crdt_vv vv = CRDT_VV_INIT;
    char key[32];
    int i;
    for (i = 0; i < 1000; i++) {
        crdt_doc *who = i % 2 ? a : b;
        snprintf(key, sizeof key, "a key that is long %d", i);
        CHECK(!crdt_map_put_int(crdt_root(who), crdt_str(key), i));
        if (i % 7 == 0)
            meet(a, b);
        CHECK(!crdt_map_remove(crdt_root(who), crdt_str(key)));
    }
    meet(a, b);
    CHECK_INT(crdt_map_size(crdt_root(a)), 0);
    CHECK(!crdt_doc_vv(a, &vv));
    CHECK(!crdt_truncate(a, &vv));
    crdt_doc_stats(a, &stats);
    CHECK_INT(stats.ops, 0);
    CHECK_INT(stats.removals, 0);
    CHECK_INT(stats.kills, 0);
    CHECK_INT(stats.entries, 0);
    CHECK_INT(stats.objects, 1);
    CHECK(!crdt_delta(a, NULL, &all));
    CHECK(all.len < 100);
    all.len = 0;
    CHECK(!crdt_canonical(a, &all));
    CHECK(all.len < 100);
    CHECK(same(a, b)); /* which still remembers */
    crdt_vv_free(&vv);
    crdt_buf_free(&all);
    done(a), done(b);
}

/* Editors who add and remove in one set, at once and in turns, and then have
 * and know the same. */
typedef struct {
    struct failing_alloc memory; /* of the first */
    crdt_doc *docs[5];
    int editors;
} team;

static void team_meets(team *t)
{
    int i;
    CHECK(!crdt_commit(t->docs[0]));
    for (i = 1; i < t->editors; i++)
        pull(t->docs[0], t->docs[i]);
    for (i = 1; i < t->editors; i++)
        pull(t->docs[i], t->docs[0]);
}

static void team_new(team *t, int editors)
{
    static const crdt_clock clock = { 1, NULL, replicas_clock,
                                      replicas_clock };
    crdt_config config;
    crdt_id id = replica_id(1);
    int i;
    memset(&config, 0, sizeof config);
    failing_alloc_init(&t->memory);
    config.alloc = &t->memory.table;
    config.clock = &clock;
    config.replica = &id;
    t->editors = editors;
    CHECK(!crdt_doc_new(&t->docs[0], &config));
    for (i = 1; i < editors; i++)
        t->docs[i] = replica((uint8_t)(i + 1));
}

static void team_edits(team *t, int adds)
{
    char text[40];
    int i;
    for (i = 0; i < adds; i++) {
        crdt_doc *who = t->docs[i % t->editors];
        snprintf(text, sizeof text, "an element that is long %d", i);
        CHECK(!add(who, CRDT_AW_SET, text));
        if (i % 7 == 0)
            team_meets(t);
        CHECK(!take(who, CRDT_AW_SET, text));
    }
    team_meets(t);
}

static void team_forgets(team *t)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_stats stats;
    CHECK(!crdt_doc_vv(t->docs[0], &vv));
    CHECK(!crdt_truncate(t->docs[0], &vv));
    crdt_doc_stats(t->docs[0], &stats);
    CHECK(stats.ops <= (uint64_t)t->editors); /* who made the set */
    CHECK_INT(stats.removals + stats.kills, 0);
    CHECK_INT(crdt_set_size(at_root(t->docs[0], CRDT_AW_SET)), 0);
    crdt_vv_free(&vv);
}

static void team_free(team *t)
{
    int i;
    for (i = 0; i < t->editors; i++)
        done(t->docs[i]);
    CHECK(failing_alloc_clean(&t->memory));
}

/* The memory of a document opened from these bytes. */
static size_t opened_size(const crdt_buf *all)
{
    team t;
    size_t size;
    team_new(&t, 1);
    CHECK_INT(crdt_doc_reincarnate(t.docs[0]), CRDT_OK);
    CHECK_INT(join(t.docs[0], all), CRDT_OK);
    size = t.memory.live_bytes;
    team_free(&t);
    return size;
}

/* The bytes of the set that is left of so many adds and removes. What memory
 * they took serves for as many again, and is not there in a reopened one. */
static size_t m6_left(int editors, int adds, size_t *opened)
{
    crdt_buf all;
    size_t len, memory;
    team t;
    team_new(&t, editors);
    team_edits(&t, adds);
    team_forgets(&t);
    memory = t.memory.live_bytes;
    all = whole(t.docs[0]);
    len = all.len;
    *opened = opened_size(&all);
    crdt_buf_free(&all);
    team_edits(&t, adds);
    team_forgets(&t);
    CHECK(t.memory.live_bytes <= memory);
    team_free(&t);
    return len;
}

TEST(m6_an_empty_set_grows_with_its_editors_only)
{
    static const int editors[] = { 1, 2, 5 };
    int i;
    for (i = 0; i < 3; i++) {
        size_t few_opened, many_opened;
        size_t few = m6_left(editors[i], 50, &few_opened);
        size_t many = m6_left(editors[i], 1000, &many_opened);
        CHECK(many < 60 + 20 * (size_t)editors[i]);
        CHECK(many <= few + 2 * (size_t)editors[i]); /* longer numbers */
        CHECK_INT(many_opened, few_opened);
    }
}

/* Size, has, get and the walk tell the same at every moment. */
static void check_agrees(crdt_obj map, int universe)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    size_t walked = 0, had = 0;
    char key[16], last[16] = "";
    int i;
    while (crdt_map_next(map, &cursor) == CRDT_OK) {
        crdt_value value;
        memcpy(key, cursor.key.ptr, cursor.key.len);
        key[cursor.key.len] = 0;
        CHECK(strcmp(last, key) < 0);
        memcpy(last, key, sizeof key);
        CHECK(crdt_map_has(map, cursor.key));
        CHECK(crdt_map_get(map, cursor.key, &value) == CRDT_OK);
        CHECK(value.kind == cursor.value.kind);
        walked++;
    }
    for (i = 0; i < universe; i++) {
        snprintf(key, sizeof key, "%02d", i);
        had += crdt_map_has(map, crdt_str(key)) != 0;
    }
    CHECK_INT(walked, crdt_map_size(map));
    CHECK_INT(had, crdt_map_size(map));
}

TEST(m7_contains_and_list_of_maps_never_disagree)
{
    enum { UNIVERSE = 12 };
    uint64_t random = 7;
    crdt_doc *d[2];
    char key[16];
    int i;
    d[0] = replica(1);
    d[1] = replica(2);
    for (i = 0; i < 3000; i++) {
        crdt_doc *who = d[test_below(&random, 2)];
        crdt_obj map = crdt_root(who);
        snprintf(key, sizeof key, "%02d", (int)test_below(&random, UNIVERSE));
        switch (test_below(&random, 6)) {
        case 0:
            CHECK(!crdt_map_put_int(map, crdt_str(key), i));
            break;
        case 1:
            crdt_map_remove(map, crdt_str(key));
            break;
        case 2:
            crdt_map_map(map, crdt_str(key));
            break;
        case 3:
            map = crdt_map_map(map, crdt_str(key));
            if (!crdt_is_null(map))
                CHECK(!crdt_map_put_int(map, crdt_str(key), i));
            break;
        case 4:
            map = crdt_map_counter(map, crdt_str(key));
            if (!crdt_is_null(map))
                CHECK(!crdt_counter_add(map, 1));
            break;
        default:
            pull(who, who == d[0] ? d[1] : d[0]);
            break;
        }
        check_agrees(crdt_root(who), UNIVERSE);
    }
    done(d[0]), done(d[1]);
}

/* Of several kinds, and more than one row. */
static crdt_value element_at(int i)
{
    static const char *const texts[] = { "", "a", "an element that is long" };
    if (i < 3)
        return crdt_string(crdt_str(texts[i]));
    if (i < 5)
        return crdt_bool(i == 3);
    return i < 10 ? crdt_int(i * i * i) : crdt_double(i);
}

/* The same of a set. */
static void check_set_agrees(crdt_obj set, int universe)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    size_t walked = 0, had = 0;
    int i;
    while (crdt_set_next(set, &cursor) == CRDT_OK) {
        CHECK(crdt_set_has(set, cursor.value));
        walked++;
    }
    for (i = 0; i < universe; i++)
        had += crdt_set_has(set, element_at(i)) != 0;
    CHECK_INT(walked, crdt_set_size(set));
    CHECK_INT(had, crdt_set_size(set));
}

static void m7_history(crdt_type type)
{
    enum { UNIVERSE = 12 };
    crdt_doc *d[2];
    int i;
    d[0] = replica(1);
    d[1] = replica(2);
    for (i = 0; i < 1000 && !test_failures_in_case; i++) {
        uint32_t who = test_below(&dice, 2);
        crdt_obj set = at_root(d[who], type);
        crdt_value element = element_at((int)test_below(&dice, UNIVERSE));
        uint32_t what = test_below(&dice, 100);
        if (what < 50)
            (void)crdt_set_add(set, element);
        else if (what < 85)
            (void)crdt_set_remove(set, element);
        else if (what < 87)
            (void)crdt_set_clear(set);
        else if (what < 88)
            CHECK(!crdt_map_remove(crdt_root(d[who]), CRDT_STR("it")));
        else
            pull(d[who], d[!who]);
        check_set_agrees(set, UNIVERSE);
        later();
    }
    meet(d[0], d[1]);
    done(d[0]), done(d[1]);
}

TEST(m7_contains_and_list_of_sets_never_disagree)
{
    int type;
    for (type = CRDT_AW_SET; type <= CRDT_LWW_SET_RM; type++)
        m7_history((crdt_type)type);
}

TEST_MAIN(CASE(v1_removed_at_both_ends_is_gone_in_every_order),
          CASE(v2_an_old_add_comes_back_before_all_merge),
          CASE(v3_the_same_of_an_enable_wins_flag),
          CASE(v4_writes_below_a_removed_key_survive_alone),
          CASE(v5_remove_beside_a_write_below),
          CASE(v6_a_gap_is_not_taken_for_seen),
          CASE(v7_a_remove_takes_the_adds_it_had_seen),
          CASE(v7_an_add_that_comes_after_its_remove_is_stale),
          CASE(v8_one_id_on_two_copies),
          CASE(v9_a_restored_copy_takes_a_new_name),
          CASE(v9_reused_dots_are_found),
          CASE(v9_a_base_beyond_our_own_dots_is_a_fork),
          CASE(v10_erase_beside_an_addition),
          CASE(v10_two_resets_beside_an_addition),
          CASE(v10_erase_above_beside_an_addition),
          CASE(v11_equal_values_show_once_and_die_together),
          CASE(v13_one_container_made_twice),
          CASE(v13_one_container_of_every_type),
          CASE(m1_the_same_delta_twice_counts_once),
          CASE(m2_removed_and_added_again_is_visible),
          CASE(m3_equal_stamps_end_in_one_value),
          CASE(m5_a_remove_takes_all_its_dots_in_any_order),
          CASE(m6_nothing_is_left_of_what_is_gone),
          CASE(m6_an_empty_set_grows_with_its_editors_only),
          CASE(m7_contains_and_list_of_maps_never_disagree),
          CASE(m7_contains_and_list_of_sets_never_disagree))
