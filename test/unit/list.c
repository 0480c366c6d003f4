/* Lists through the public face: what each call does and refuses, and what
 * becomes of things done at once. */
#define CRDTSYNC_MAX_COMMIT_OPS 8000u
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../build_delta.h"
#include "../replicas.h"

static crdt_obj list_of(crdt_doc *doc)
{
    return at_root(doc, CRDT_LIST);
}

static void insert(crdt_doc *doc, size_t at, const char *letter)
{
    CHECK_INT(
        crdt_list_insert(list_of(doc), at, crdt_string(crdt_str(letter))),
        CRDT_OK);
}

/* Each letter is an element. */
static void append(crdt_doc *doc, const char *letters)
{
    char letter[2] = { 0, 0 };
    for (; *letters; letters++) {
        letter[0] = *letters;
        insert(doc, crdt_list_len(list_of(doc)), letter);
    }
}

static void set(crdt_doc *doc, size_t at, const char *letter)
{
    CHECK_INT(crdt_list_set(list_of(doc), at, crdt_string(crdt_str(letter))),
              CRDT_OK);
}

static void move(crdt_doc *doc, size_t from, size_t to)
{
    CHECK_INT(crdt_list_move(list_of(doc), from, to), CRDT_OK);
}

static void delete_at(crdt_doc *doc, size_t at)
{
    CHECK_INT(crdt_list_delete(list_of(doc), at, 1), CRDT_OK);
}

static char letter_of(crdt_value value)
{
    if (value.kind == CRDT_OBJECT)
        return '#';
    return value.kind == CRDT_STRING && value.as.bytes.len
               ? (char)value.as.bytes.ptr[0]
               : '?';
}

/* The list as letters; "#" for containers. Read by index and by a walk. */
static const char *letters_in(crdt_doc *doc)
{
    static char out[2][256];
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    crdt_obj list = list_of(doc);
    size_t i, len = crdt_list_len(list);
    crdt_value value;
    for (i = 0; i < len; i++) {
        CHECK_INT(crdt_list_get(list, i, &value), CRDT_OK);
        out[0][i] = letter_of(value);
    }
    out[0][i] = 0;
    for (i = 0; !crdt_list_next(list, &cursor); i++) {
        CHECK_INT(cursor.at, i);
        out[1][i] = letter_of(cursor.value);
    }
    out[1][i] = 0;
    CHECK_STR(out[1], out[0]);
    CHECK_INT(crdt_list_get(list, len, &value), CRDT_ERR_RANGE);
    return out[0];
}

/* Two replicas that both have the letters. */
static void pair(crdt_doc **a, crdt_doc **b, const char *letters)
{
    *a = replica(1);
    *b = replica(2);
    append(*a, letters);
    meet(*a, *b);
    CHECK_STR(letters_in(*b), letters);
    later();
}

/* What both read when they have met, and a third that had nothing. */
static void both_read(crdt_doc *a, crdt_doc *b, const char *letters)
{
    crdt_doc *c = replica(9);
    meet(a, b);
    CHECK_STR(letters_in(a), letters);
    CHECK_STR(letters_in(b), letters);
    pull(c, a);
    CHECK_STR(letters_in(c), letters);
    CHECK(same(a, c));
    done(c);
    done(a);
    done(b);
}

/* >>alone ------------------------------------------------------------------ */

TEST(a_new_list_is_empty)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    crdt_doc *doc = replica(1);
    crdt_obj list = crdt_map_list(crdt_root(doc), CRDT_STR("list"));
    crdt_value value;
    CHECK_INT(crdt_type_of(list), CRDT_LIST);
    CHECK_STR(crdt_type_name(CRDT_LIST), "list");
    CHECK_INT(crdt_list_len(list), 0);
    CHECK_INT(crdt_list_get(list, 0, &value), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_next(list, &cursor), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_list_delete(list, 0, 0), CRDT_OK);
    done(doc);
}

TEST(elements_stand_where_they_are_put)
{
    crdt_doc *doc = replica(1);
    append(doc, "bd");
    insert(doc, 0, "a");
    insert(doc, 2, "c");
    insert(doc, 4, "e");
    CHECK_STR(letters_in(doc), "abcde");
    set(doc, 2, "C");
    CHECK_STR(letters_in(doc), "abCde");
    delete_at(doc, 1);
    CHECK_STR(letters_in(doc), "aCde");
    CHECK_INT(crdt_list_delete(list_of(doc), 1, 2), CRDT_OK);
    CHECK_STR(letters_in(doc), "ae");
    CHECK_INT(crdt_list_delete(list_of(doc), 0, 2), CRDT_OK);
    CHECK_STR(letters_in(doc), "");
    append(doc, "x");
    CHECK_STR(letters_in(doc), "x");
    done(doc);
}

TEST(a_move_says_where_the_element_is_then)
{
    static const char letters[] = "abcde";
    size_t from, to, i;
    for (from = 0; from < 5; from++)
        for (to = 0; to < 5; to++) {
            crdt_doc *doc = replica(1);
            char want[6] = "";
            append(doc, letters);
            move(doc, from, to);
            for (i = 0; i < 5; i++)
                want[i] = letters[i < from ? i : i + 1];
            memmove(want + to + 1, want + to, 4 - to);
            want[to] = letters[from];
            want[5] = 0;
            CHECK_STR(letters_in(doc), want);
            done(doc);
        }
}

TEST(moving_back_and_forth_leaves_the_value)
{
    crdt_doc *doc = replica(1);
    int i;
    append(doc, "abc");
    for (i = 0; i < 40; i++) {
        move(doc, 0, 2);
        move(doc, 1, 0);
    }
    set(doc, 1, "x");
    move(doc, 1, 0);
    CHECK_INT(crdt_list_len(list_of(doc)), 3);
    CHECK_INT(letters_in(doc)[0], 'x');
    delete_at(doc, 0);
    delete_at(doc, 0);
    delete_at(doc, 0);
    CHECK_STR(letters_in(doc), "");
    done(doc);
}

TEST(errors)
{
    crdt_doc *doc = replica(1);
    crdt_obj list = list_of(doc), root = crdt_root(doc);
    crdt_value value = crdt_int(1);
    crdt_value object = crdt_int(1);
    crdt_anchor anchor;
    size_t at;
    object.kind = CRDT_OBJECT;
    append(doc, "ab");
    CHECK_INT(crdt_list_insert(list, 3, value), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_insert(list, 0, object), CRDT_ERR_ARG);
    CHECK_INT(crdt_list_set(list, 2, value), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_set(list, 1, object), CRDT_ERR_ARG);
    CHECK_INT(crdt_list_delete(list, 1, 2), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_delete(list, 2, 1), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_delete(list, 1, (size_t)-1), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_move(list, 2, 0), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_move(list, 0, 2), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_get(list, 2, &value), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_anchor(list, 3, CRDT_LEFT, &anchor), CRDT_ERR_RANGE);
    CHECK_INT(crdt_list_find(list, NULL, &at), CRDT_ERR_ARG);
    CHECK_INT(crdt_list_insert(root, 0, value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_list_set(root, 0, value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_list_delete(root, 0, 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_list_move(root, 0, 1), CRDT_ERR_TYPE);
    CHECK_INT(crdt_list_get(root, 0, &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_list_len(root), 0);
    CHECK_INT(crdt_map_put_null(list, CRDT_STR("k")), CRDT_ERR_TYPE);
    CHECK_INT(crdt_text_insert(list, CRDT_CHARS, 0, CRDT_STR("k")),
              CRDT_ERR_TYPE);
    CHECK_INT(crdt_list_insert(nowhere(doc), 0, value), CRDT_ERR_ARG);
    (void)crdt_doc_error(doc);
    CHECK(crdt_is_null(crdt_list_object(list, 0)));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_TYPE);
    CHECK(crdt_is_null(crdt_list_object(list, 2)));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_RANGE);
    CHECK(crdt_is_null(crdt_list_insert_object(list, 3, CRDT_MAP)));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_RANGE);
    CHECK(crdt_is_null(crdt_list_insert_object(list, 0, CRDT_TYPE_COUNT)));
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_ARG);
    CHECK_STR(letters_in(doc), "ab");
    done(doc);
}

TEST(a_walk_ends_when_the_list_changes)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    crdt_doc *doc = replica(1);
    append(doc, "abc");
    CHECK_INT(crdt_list_next(list_of(doc), &cursor), CRDT_OK);
    set(doc, 1, "x");
    CHECK_INT(crdt_list_next(list_of(doc), &cursor), CRDT_OK);
    CHECK_INT(letter_of(cursor.value), 'x');
    insert(doc, 0, "y");
    CHECK_INT(crdt_list_next(list_of(doc), &cursor), CRDT_ERR_AGAIN);
    done(doc);
}

/* >>nesting ---------------------------------------------------------------- */

TEST(containers_in_lists_and_lists_in_containers)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj list = list_of(a), map, inner, text;
    crdt_value value;
    int64_t count;
    map = crdt_list_insert_object(list, 0, CRDT_MAP);
    CHECK_INT(crdt_map_put_int(map, CRDT_STR("n"), 5), CRDT_OK);
    inner = crdt_map_list(map, CRDT_STR("inner"));
    CHECK_INT(crdt_list_insert(inner, 0, crdt_int(7)), CRDT_OK);
    text = crdt_list_insert_object(list, 1, CRDT_TEXT);
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("hello")),
              CRDT_OK);
    inner = crdt_list_insert_object(inner, 1, CRDT_LIST);
    CHECK_INT(crdt_list_insert(inner, 0, crdt_int(8)), CRDT_OK);
    CHECK_INT(
        crdt_counter_add(crdt_list_insert_object(list, 0, CRDT_COUNTER), 3),
        CRDT_OK);
    CHECK_STR(letters_in(a), "###");
    meet(a, b);
    CHECK_STR(letters_in(b), "###");
    list = list_of(b);
    CHECK_INT(crdt_counter_get(crdt_list_object(list, 0), &count), CRDT_OK);
    CHECK_INT(count, 3);
    map = crdt_list_object(list, 1);
    CHECK_INT(crdt_type_of(map), CRDT_MAP);
    CHECK_INT(crdt_map_get(map, CRDT_STR("inner"), &value), CRDT_OK);
    inner = value.as.object;
    CHECK_INT(crdt_list_len(inner), 2);
    inner = crdt_list_object(inner, 1);
    CHECK_INT(crdt_list_get(inner, 0, &value), CRDT_OK);
    CHECK_INT(value.as.integer, 8);
    CHECK_INT(crdt_text_len(crdt_list_object(list, 2), CRDT_CHARS), 5);
    /* What is above goes, and all of it with that. */
    CHECK_INT(crdt_list_delete(list, 1, 1), CRDT_OK);
    CHECK_INT(crdt_list_len(inner), 0);
    meet(a, b);
    CHECK_STR(letters_in(a), "##");
    CHECK_INT(crdt_map_remove(crdt_root(a), CRDT_STR("it")), CRDT_OK);
    meet(a, b);
    CHECK_INT(crdt_map_size(crdt_root(b)), 0);
    CHECK_INT(crdt_list_len(list), 0);
    done(a);
    done(b);
}

TEST(a_set_replaces_a_container)
{
    crdt_doc *a, *b;
    pair(&a, &b, "ab");
    crdt_list_insert_object(list_of(a), 1, CRDT_MAP);
    CHECK_STR(letters_in(a), "a#b");
    set(a, 1, "x");
    both_read(a, b, "axb");
}

TEST(an_element_lives_by_what_is_written_below_it)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj text;
    append(a, "ac");
    text = crdt_list_insert_object(list_of(a), 1, CRDT_TEXT);
    meet(a, b);
    CHECK_STR(letters_in(b), "a#c");
    delete_at(a, 1);
    text = crdt_list_object(list_of(b), 1);
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("hi")), CRDT_OK);
    meet(a, b);
    CHECK_STR(letters_in(a), "a#c");
    /* The last character goes, and with it the element. */
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 0, 2), CRDT_OK);
    CHECK_STR(letters_in(b), "ac");
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("x")), CRDT_OK);
    CHECK_STR(letters_in(b), "a#c");
    both_read(a, b, "a#c");
}

/* >>at once ---------------------------------------------------------------- */

TEST(runs_inserted_at_one_spot_do_not_mix)
{
    crdt_doc *a, *b;
    pair(&a, &b, "()");
    insert(a, 1, "a");
    insert(b, 1, "x");
    insert(a, 2, "b");
    insert(b, 2, "y");
    insert(a, 3, "c");
    insert(b, 3, "z");
    both_read(a, b, "(abcxyz)");
}

TEST(an_element_moved_twice_is_there_once)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abcd");
    move(a, 0, 3);
    later();
    move(b, 0, 1);
    both_read(a, b, "bacd");
}

TEST(the_greater_replica_wins_where_stamps_are_equal)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abcd");
    move(a, 3, 0);
    move(b, 3, 1);
    both_read(a, b, "adbc");
}

TEST(neighbours_moved_crosswise)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abcd");
    move(a, 1, 2); /* b behind c */
    move(b, 2, 1); /* c before b */
    both_read(a, b, "acbd");
    pair(&a, &b, "abcd");
    move(a, 0, 3);
    move(b, 3, 0);
    both_read(a, b, "dbca");
}

TEST(a_moved_element_that_was_deleted_is_gone)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abc");
    move(a, 0, 2);
    delete_at(b, 0);
    both_read(a, b, "bc");
    pair(&a, &b, "abc");
    delete_at(a, 0);
    move(b, 0, 2);
    both_read(a, b, "bc");
}

TEST(what_is_set_moves_along)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abc");
    move(a, 0, 2);
    set(b, 0, "A");
    both_read(a, b, "bcA");
}

TEST(what_is_set_survives_a_delete)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abc");
    move(a, 0, 1);
    meet(a, b);
    set(a, 1, "A");
    delete_at(b, 1);
    meet(a, b);
    CHECK_INT(crdt_list_len(list_of(a)), 3);
    CHECK(strchr(letters_in(a), 'A') != NULL);
    both_read(a, b, "Abc"); /* the move has gone with what was deleted */
}

TEST(an_insertion_beside_a_moved_element_stays)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abc");
    move(a, 1, 0);
    insert(b, 2, "x");
    both_read(a, b, "baxc");
}

TEST(later_moves_take_those_they_saw)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abcd");
    move(a, 0, 1);
    move(b, 0, 2);
    meet(a, b);
    move(a, 2, 0);
    both_read(a, b, "abcd");
}

static void count_version(void *ctx, const crdt_version *version)
{
    (void)version;
    ++*(int *)ctx;
}

/* The later move takes the whole of it: nobody moves half a run. */
TEST(two_replicas_move_two_neighbours_apart)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abcdef");
    move(a, 2, 0); /* cabdef */
    move(a, 3, 1); /* cdabef */
    later();
    move(b, 2, 5); /* abdefc */
    move(b, 2, 5); /* abefcd */
    both_read(a, b, "abefcd");
}

/* Each is moved behind the other: both are there, once. */
TEST(moves_in_a_circle)
{
    crdt_doc *a, *b, *c;
    pair(&a, &b, "abc");
    c = replica(3);
    pull(c, a);
    move(a, 0, 1); /* a behind b: bac */
    move(b, 1, 2); /* b behind c: acb */
    move(c, 2, 0); /* c before a: cab */
    meet(a, b);
    meet(b, c);
    meet(a, c);
    CHECK_STR(letters_in(a), "cab");
    CHECK(same(a, b));
    done(c);
    both_read(a, b, "cab");
}

TEST(a_move_to_beside_what_was_deleted)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abcde");
    move(a, 0, 2);   /* bcade */
    delete_at(b, 2); /* c */
    delete_at(b, 2); /* d */
    both_read(a, b, "bae");
}

TEST(a_move_beside_a_move)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abcd");
    move(a, 0, 3); /* bcda */
    insert(a, 4, "x");
    move(b, 3, 0); /* dabc */
    insert(b, 1, "y");
    both_read(a, b, "dybcax");
}

TEST(set_and_move_and_delete)
{
    crdt_doc *a, *b, *c;
    pair(&a, &b, "abc");
    c = replica(3);
    pull(c, a);
    later();
    move(a, 0, 2);
    set(b, 0, "A");
    delete_at(c, 0);
    meet(a, c);
    CHECK_STR(letters_in(a), "bc");
    meet(a, b); /* the value survives, and so does the move */
    CHECK_STR(letters_in(a), "bcA");
    meet(b, c);
    CHECK_STR(letters_in(c), "bcA");
    done(c);
    both_read(a, b, "bcA");
}

/* Who has seen the move takes it with the element. */
TEST(a_deletion_takes_the_moves_that_it_saw)
{
    crdt_doc *a, *b;
    pair(&a, &b, "abc");
    move(a, 0, 2);
    meet(a, b);
    later();
    delete_at(a, 2);
    move(b, 2, 1); /* bac */
    set(b, 1, "A");
    both_read(a, b, "bAc");
}

/* Each of three types a run where the others do, forwards or backwards. */
TEST(runs_of_three_do_not_mix)
{
    static const char *const runs[] = { "abc", "klm", "xyz" };
    int backwards, r, i;
    for (backwards = 0; backwards < 2; backwards++) {
        crdt_doc *docs[3];
        char letter[2] = { 0, 0 };
        docs[0] = replica(1);
        append(docs[0], "()");
        for (r = 0; r < 3; r++) {
            if (r)
                docs[r] = replica((uint8_t)(r + 1));
            if (r)
                meet(docs[r], docs[0]);
        }
        for (i = 0; i < 3; i++)
            for (r = 0; r < 3; r++) {
                letter[0] = runs[r][backwards ? 2 - i : i];
                insert(docs[r], backwards ? 1 : (size_t)i + 1, letter);
            }
        meet(docs[0], docs[1]);
        meet(docs[1], docs[2]);
        meet(docs[0], docs[2]);
        CHECK_STR(letters_in(docs[0]), "(abcklmxyz)");
        done(docs[2]);
        both_read(docs[0], docs[1], "(abcklmxyz)");
    }
}

/* Moves go into a run as insertions do: not between what others insert. */
TEST(what_is_moved_into_a_run_does_not_part_it)
{
    crdt_doc *a, *b;
    pair(&a, &b, "()123");
    insert(a, 1, "a");
    insert(a, 2, "b");
    insert(a, 3, "c");
    move(b, 2, 1);
    move(b, 3, 2);
    both_read(a, b, "(abc12)3");
}

TEST(an_edited_container_survives_a_delete)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj map;
    int64_t count = 0;
    append(a, "ac");
    map = crdt_list_insert_object(list_of(a), 1, CRDT_MAP);
    CHECK_INT(crdt_map_put_int(map, CRDT_STR("n"), 5), CRDT_OK);
    CHECK_INT(crdt_counter_add(crdt_map_counter(map, CRDT_STR("c")), 3),
              CRDT_OK);
    move(a, 1, 0);
    meet(a, b);
    CHECK_STR(letters_in(b), "#ac");
    delete_at(a, 0);
    map = crdt_list_object(list_of(b), 0);
    CHECK_INT(crdt_counter_add(crdt_map_counter(map, CRDT_STR("c")), 4),
              CRDT_OK);
    meet(a, b);
    CHECK_STR(letters_in(a), "a#c"); /* where it was inserted */
    map = crdt_list_object(list_of(a), 1);
    CHECK_INT(crdt_map_size(map), 1);
    CHECK_INT(crdt_counter_get(crdt_map_counter(map, CRDT_STR("c")), &count),
              CRDT_OK);
    CHECK_INT(count, 4);
    both_read(a, b, "a#c");
}

TEST(a_list_in_a_list_moves_and_goes_as_a_whole)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj inner;
    append(a, "ab");
    inner = crdt_list_insert_object(list_of(a), 2, CRDT_LIST);
    CHECK_INT(crdt_list_insert(inner, 0, crdt_int(1)), CRDT_OK);
    meet(a, b);
    move(a, 2, 0);
    inner = crdt_list_object(list_of(b), 2);
    CHECK_INT(crdt_list_insert(inner, 1, crdt_int(2)), CRDT_OK);
    CHECK_INT(crdt_list_move(inner, 1, 0), CRDT_OK);
    meet(a, b);
    CHECK_STR(letters_in(a), "#ab");
    CHECK_INT(crdt_list_len(crdt_list_object(list_of(a), 0)), 2);
    delete_at(a, 0);
    CHECK_INT(crdt_list_move(inner, 0, 1), CRDT_OK);
    meet(a, b); /* a move is nothing to see */
    CHECK_INT(crdt_list_len(inner), 0);
    both_read(a, b, "ab");
}

/* Who was away long gets all of it, and its own moves still count. */
TEST(a_move_by_one_who_was_away)
{
    crdt_doc *a, *b, *c;
    crdt_vv all = CRDT_VV_INIT;
    pair(&a, &b, "abcd");
    c = replica(3);
    pull(c, a);
    move(a, 0, 2);
    delete_at(b, 3);
    meet(a, b);
    CHECK(!crdt_doc_vv(a, &all));
    CHECK(!crdt_truncate(a, &all));
    CHECK(!crdt_truncate(b, &all));
    crdt_vv_free(&all);
    later();
    move(c, 0, 1); /* bacd */
    meet(a, c);
    CHECK_STR(letters_in(c), "bac");
    meet(b, c);
    done(c);
    both_read(a, b, "bac");
}

TEST(concurrent_values_are_readable)
{
    crdt_doc *a, *b;
    int count = 0;
    pair(&a, &b, "abc");
    set(a, 1, "x");
    set(b, 1, "y");
    meet(a, b);
    CHECK_INT(crdt_list_versions(list_of(a), 1, count_version, &count),
              CRDT_OK);
    CHECK_INT(count, 2);
    CHECK_INT(crdt_list_versions(list_of(a), 3, count_version, &count),
              CRDT_ERR_RANGE);
    both_read(a, b, "ayc");
}

/* Of three that do different things at once. */
TEST(a_move_a_set_and_a_delete)
{
    crdt_doc *a, *b, *c = replica(4);
    pair(&a, &b, "abc");
    pull(c, a);
    move(a, 0, 2);
    set(b, 0, "A");
    delete_at(c, 0);
    meet(a, c);
    CHECK_STR(letters_in(c), "bc"); /* moved and deleted: gone */
    pull(c, b);
    CHECK_STR(letters_in(c), "bcA"); /* and set: there, where it was moved */
    pull(a, c);
    done(c);
    both_read(a, b, "bcA");
}

/* Nothing is left of what was moved, deleted, and known to be by all. */
TEST(a_deleted_element_takes_the_moves_it_saw)
{
    crdt_doc *a, *b;
    crdt_stats stats;
    pair(&a, &b, "abc");
    move(a, 0, 2);
    move(b, 0, 1);
    meet(a, b);
    CHECK_INT(crdt_list_delete(list_of(a), 0, 3), CRDT_OK);
    meet(a, b);
    crdt_doc_stats(b, &stats);
    CHECK_INT(stats.ops, 1); /* the list */
    both_read(a, b, "");
}

/* >>all or nothing --------------------------------------------------------- */

TEST(a_deletion_that_is_too_large_deletes_nothing)
{
    enum { MANY = 2000 };
    crdt_doc *doc = replica(1);
    crdt_obj list = list_of(doc);
    crdt_digest before, now;
    size_t i;
    for (i = 0; i < MANY; i++)
        CHECK(!crdt_counter_add(crdt_list_insert_object(list, i, CRDT_COUNTER),
                                1));
    CHECK(!crdt_commit(doc));
    for (i = 0; i < CRDTSYNC_MAX_COMMIT_OPS - 2 * MANY + 1; i++)
        CHECK(!crdt_map_put_null(crdt_root(doc), CRDT_STR("k")));
    before = crdt_doc_digest(doc);
    CHECK_INT(crdt_list_delete(list, 0, MANY), CRDT_ERR_LIMIT);
    now = crdt_doc_digest(doc);
    CHECK(before.hi == now.hi && before.lo == now.lo);
    CHECK_INT(crdt_list_len(list), MANY);
    CHECK(!crdt_list_delete(list, 1, MANY - 1));
    CHECK_INT(crdt_list_len(list), 1);
    done(doc);
}

/* >>bytes of no honest replica --------------------------------------------- */

/* That 2 has set what 1 will insert with its second change. */
static void join_value_before_position(crdt_doc *doc)
{
    uint8_t key[CRDTI_MOVES_KEY];
    crdt_id id = replica_id(1);
    struct build_replica replicas[1];
    struct build_object object;
    struct build_op op;
    struct build_delta d;
    crdt_buf bytes = CRDT_BUF_INIT;
    memset(&d, 0, sizeof d);
    memset(&op, 0, sizeof op);
    memset(replicas, 0, sizeof replicas);
    replicas[0].id = replica_id(2);
    replicas[0].top = 1;
    object.parent = 0;
    object.type = CRDT_LIST;
    object.key = CRDT_STR("it");
    crdti_element_put(&id, 2, key);
    op.seq = 1;
    op.object = 1;
    op.kind = CRDTI_VALUE;
    op.form = CRDT_STRING;
    op.bytes = CRDT_STR("y");
    op.key = crdt_bytes_of(key, CRDTI_ELEMENT_KEY);
    op.stamp = replicas_now << 16;
    d.replicas = replicas;
    d.objects = &object;
    d.ops = &op;
    d.replicas_len = d.objects_len = d.ops_len = 1;
    build_frame(&d, &bytes);
    CHECK_INT(crdt_join(doc, crdt_buf_bytes(&bytes)), CRDT_OK);
    crdt_buf_free(&bytes);
}

TEST(a_value_waits_for_its_position)
{
    crdt_doc *a = replica(1), *b = replica(3);
    crdt_value value;
    insert(a, 0, "x"); /* the first change is the list */
    join_value_before_position(b);
    CHECK(!crdt_map_get(crdt_root(b), CRDT_STR("it"), &value));
    CHECK_INT(crdt_list_len(value.as.object), 0);
    CHECK_INT(crdt_list_delete(value.as.object, 0, 1), CRDT_ERR_RANGE);
    later();
    pull(b, a);
    CHECK_INT(crdt_list_len(value.as.object), 1);
    CHECK_INT(letters_in(b)[0], 'x'); /* later */
    CHECK_INT(crdt_list_delete(value.as.object, 0, 1), CRDT_OK);
    CHECK_STR(letters_in(b), "");
    done(a);
    done(b);
}

/* >>long lives ------------------------------------------------------------- */

static size_t canonical_len(crdt_doc *doc)
{
    crdt_buf bytes = CRDT_BUF_INIT;
    size_t len;
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    CHECK_INT(crdt_canonical(doc, &bytes), CRDT_OK);
    len = bytes.len;
    crdt_buf_free(&bytes);
    return len;
}

/* Another replica, that begins with what the canonical bytes say. */
static crdt_doc *reopened(uint8_t number, crdt_doc *from)
{
    crdt_doc *doc = replica(number);
    crdt_buf bytes = CRDT_BUF_INIT;
    CHECK_INT(crdt_commit(from), CRDT_OK);
    CHECK_INT(crdt_canonical(from, &bytes), CRDT_OK);
    CHECK_INT(crdt_join(doc, crdt_buf_bytes(&bytes)), CRDT_OK);
    CHECK(same(doc, from));
    crdt_buf_free(&bytes);
    return doc;
}

/* Seed 27 of test/laws/lists.c. */
TEST(canonical_bytes_know_where_a_moved_element_was)
{
    crdt_doc *a = replica(1), *b, *c;
    append(a, "abc");
    move(a, 0, 2);
    b = reopened(2, a);
    c = reopened(3, a);
    later();
    delete_at(b, 2);
    set(c, 2, "A");
    meet(b, c);
    CHECK_STR(letters_in(b), "Abc");
    CHECK_STR(letters_in(c), "Abc");
    done(a);
    done(b);
    done(c);
}

/* The loser of two moves is where the element stands when the winner goes. */
TEST(canonical_bytes_know_the_loser_of_two_moves)
{
    crdt_doc *a, *b, *c, *d;
    pair(&a, &b, "abcd");
    move(a, 0, 1); /* bacd */
    later();
    move(b, 0, 3); /* bcda */
    pull(b, a);
    c = reopened(3, b);
    d = reopened(4, b);
    later();
    set(c, 3, "A");
    move(d, 3, 0);
    meet(c, d);
    CHECK_STR(letters_in(c), "Abcd");
    done(a);
    done(b);
    done(c);
    done(d);
}

TEST(an_element_that_was_moved_a_thousand_times)
{
    enum { MOVES = 1000 };
    crdt_doc *a, *b;
    size_t before, i;
    pair(&a, &b, "abcdefgh");
    before = canonical_len(a);
    for (i = 0; i < MOVES; i++) {
        move(a, i % 8, (i + 1) % 8);
        later();
        if (i % 50 == 0)
            meet(a, b);
    }
    CHECK_INT(canonical_len(a) - before < 100, 1);
    CHECK_INT(a->moves.len, 1); /* as only one is alive */
    CHECK_STR(letters_in(a), "abcdefgh");
    both_read(a, b, "abcdefgh");
}

/* >>stable positions ------------------------------------------------------- */

TEST(an_anchor_follows_its_element)
{
    crdt_doc *a, *b;
    crdt_anchor left, right, start, end;
    size_t at;
    pair(&a, &b, "abcd");
    CHECK(!crdt_list_anchor(list_of(a), 2, CRDT_LEFT, &left));
    CHECK(!crdt_list_anchor(list_of(a), 2, CRDT_RIGHT, &right));
    CHECK(!crdt_list_anchor(list_of(a), 0, CRDT_LEFT, &start));
    CHECK(!crdt_list_anchor(list_of(a), 4, CRDT_RIGHT, &end));
    insert(b, 2, "x"); /* abxcd */
    CHECK(!crdt_list_find(list_of(b), &left, &at));
    CHECK_INT(at, 2);
    CHECK(!crdt_list_find(list_of(b), &right, &at));
    CHECK_INT(at, 3);
    move(b, 1, 4); /* axcdb */
    CHECK(!crdt_list_find(list_of(b), &left, &at));
    CHECK_INT(at, 5);
    delete_at(b, 2); /* axdb */
    CHECK(!crdt_list_find(list_of(b), &right, &at));
    CHECK_INT(at, 2);
    CHECK(!crdt_list_find(list_of(b), &start, &at));
    CHECK_INT(at, 0);
    CHECK(!crdt_list_find(list_of(b), &end, &at));
    CHECK_INT(at, 4);
    CHECK(!crdt_list_anchor(list_of(b), 1, CRDT_RIGHT, &left));
    CHECK_INT(crdt_list_find(list_of(a), &left, &at), CRDT_ERR_NOT_FOUND);
    both_read(a, b, "axdb");
}

/* >>large ------------------------------------------------------------------ */

TEST(many_elements)
{
    enum { MANY = 3000 };
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj list = list_of(a);
    uint64_t seed = 1;
    crdt_value value = crdt_int(0);
    int64_t i;
    for (i = 0; i < MANY; i++)
        CHECK(!crdt_list_insert(list, test_below(&seed, (uint32_t)i + 1),
                                crdt_int(i)));
    for (i = 0; i < MANY / 4; i++) {
        CHECK(!crdt_list_move(list, test_below(&seed, MANY / 2),
                              test_below(&seed, MANY / 2)));
        CHECK(!crdt_list_delete(list, test_below(&seed, MANY / 2), 1));
    }
    meet(a, b);
    CHECK_INT(crdt_list_len(list_of(b)), MANY - MANY / 4);
    for (i = 0; i < MANY - MANY / 4; i++) {
        int64_t here;
        CHECK(!crdt_list_get(list, (size_t)i, &value));
        here = value.as.integer;
        CHECK(!crdt_list_get(list_of(b), (size_t)i, &value));
        CHECK(value.as.integer == here);
    }
    done(a);
    done(b);
}

TEST_MAIN(CASE(a_new_list_is_empty), CASE(elements_stand_where_they_are_put),
          CASE(a_move_says_where_the_element_is_then),
          CASE(moving_back_and_forth_leaves_the_value), CASE(errors),
          CASE(a_walk_ends_when_the_list_changes),
          CASE(containers_in_lists_and_lists_in_containers),
          CASE(a_set_replaces_a_container),
          CASE(an_element_lives_by_what_is_written_below_it),
          CASE(runs_inserted_at_one_spot_do_not_mix),
          CASE(an_element_moved_twice_is_there_once),
          CASE(the_greater_replica_wins_where_stamps_are_equal),
          CASE(neighbours_moved_crosswise),
          CASE(a_moved_element_that_was_deleted_is_gone),
          CASE(what_is_set_moves_along), CASE(what_is_set_survives_a_delete),
          CASE(an_insertion_beside_a_moved_element_stays),
          CASE(later_moves_take_those_they_saw),
          CASE(two_replicas_move_two_neighbours_apart),
          CASE(moves_in_a_circle), CASE(a_move_to_beside_what_was_deleted),
          CASE(a_move_beside_a_move), CASE(set_and_move_and_delete),
          CASE(a_deletion_takes_the_moves_that_it_saw),
          CASE(runs_of_three_do_not_mix),
          CASE(what_is_moved_into_a_run_does_not_part_it),
          CASE(an_edited_container_survives_a_delete),
          CASE(a_list_in_a_list_moves_and_goes_as_a_whole),
          CASE(a_move_by_one_who_was_away),
          CASE(concurrent_values_are_readable),
          CASE(a_move_a_set_and_a_delete),
          CASE(a_deleted_element_takes_the_moves_it_saw),
          CASE(a_deletion_that_is_too_large_deletes_nothing),
          CASE(a_value_waits_for_its_position),
          CASE(canonical_bytes_know_where_a_moved_element_was),
          CASE(canonical_bytes_know_the_loser_of_two_moves),
          CASE(an_element_that_was_moved_a_thousand_times),
          CASE(an_anchor_follows_its_element), CASE(many_elements))
