/* Deleted characters that nothing can name any more: which go, that what is
 * inserted passes over them, and that they come back for whoever names them. */
#include "../../src/sweep.h"
#include "../replicas.h"

static void truncate_by(crdt_doc *doc, const crdt_doc *all)
{
    crdt_vv vv = CRDT_VV_INIT;
    CHECK_INT(crdt_doc_vv(all, &vv), CRDT_OK);
    CHECK_INT(crdt_truncate(doc, &vv), CRDT_OK);
    crdt_vv_free(&vv);
}

/* As if all had truncated as far as this one. */
static crdt_err sweep(crdt_doc *doc)
{
    crdt_vv floor = CRDT_VV_INIT;
    crdt_err err;
    CHECK_INT(crdt_doc_floor(doc, &floor), CRDT_OK);
    err = crdt_sweep(doc, &floor);
    CHECK(is_sound(doc));
    crdt_vv_free(&floor);
    return err;
}

/* How many characters there are, deleted ones too. */
static size_t kept(crdt_doc *doc, crdt_obj obj)
{
    const crdti_sequence *s = crdti_sequence_at(doc, obj.index);
    uint32_t at;
    size_t count = 0, insertions;
    for (at = s->authors; at; at = crdti_author_at(doc, at)->next)
        count += crdti_author_count(crdti_author_at(doc, at), 1, UINT64_MAX,
                                    &insertions);
    return count;
}

static int reads(crdt_obj text, const char *wanted)
{
    crdt_buf is = CRDT_BUF_INIT;
    int equal;
    CHECK_INT(crdt_text_get(text, &is), CRDT_OK);
    equal = crdt_bytes_equal(crdt_buf_bytes(&is), crdt_str(wanted));
    if (!equal)
        printf("reads \"%.*s\"\n", (int)is.len, (const char *)is.ptr);
    crdt_buf_free(&is);
    return equal;
}

static crdt_obj typed(crdt_doc *doc, const char *text)
{
    crdt_obj obj = at_root(doc, CRDT_TEXT);
    CHECK_INT(crdt_text_insert(obj, CRDT_CHARS, 0, crdt_str(text)), CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    return obj;
}

static void cut(crdt_obj text, size_t at, size_t len)
{
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, at, len), CRDT_OK);
    CHECK_INT(crdt_commit(text.doc), CRDT_OK);
}

static void put(crdt_obj text, size_t at, const char *what)
{
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, at, crdt_str(what)), CRDT_OK);
    CHECK_INT(crdt_commit(text.doc), CRDT_OK);
}

/* What stands before something that is left stays: that names it. */
TEST(the_end_of_what_was_typed_goes)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = typed(doc, "hello world");
    cut(text, 5, 6);
    cut(text, 0, 2);
    truncate_by(doc, doc);
    CHECK_INT(kept(doc, text), 11);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK_INT(kept(doc, text), 5);
    CHECK(reads(text, "llo"));
    put(text, 3, "!");
    cut(text, 0, 4);
    truncate_by(doc, doc);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK_INT(kept(doc, text), 0);
    CHECK(reads(text, ""));
    put(text, 0, "anew");
    CHECK(reads(text, "anew"));
    done(doc);
}

TEST(what_is_remembered_stays)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = typed(doc, "hello world");
    cut(text, 8, 3);
    truncate_by(doc, doc);
    cut(text, 5, 3);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK_INT(kept(doc, text), 8);
    CHECK(reads(text, "hello"));
    done(doc);
}

TEST(removals_above_are_remembered_too)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = typed(doc, "hello");
    CHECK_INT(crdt_map_remove(crdt_root(doc), CRDT_STR("it")), CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK_INT(kept(doc, text), 5);
    truncate_by(doc, doc);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK_INT(kept(doc, text), 0);
    done(doc);
}

TEST(not_before_all_have_truncated)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = typed(doc, "hello");
    crdt_vv none = CRDT_VV_INIT;
    cut(text, 1, 4);
    CHECK_INT(crdt_sweep(doc, &none), CRDT_OK); /* nor has this one */
    truncate_by(doc, doc);
    CHECK_INT(crdt_sweep(doc, &none), CRDT_ERR_AGAIN);
    CHECK_INT(kept(doc, text), 5);
    CHECK_INT(crdt_sweep(NULL, &none), CRDT_ERR_ARG);
    CHECK_INT(crdt_sweep(doc, NULL), CRDT_ERR_ARG);
    done(doc);
}

/* Both have truncated; only one has swept. */
TEST(all_order_alike_what_is_written_beside_old_ones)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj at_a = typed(a, "one two three"), at_b;
    cut(at_a, 4, 4);
    put(at_a, 3, "-");
    cut(at_a, 3, 1);
    meet(a, b);
    at_b = at_root(b, CRDT_TEXT);
    truncate_by(a, a);
    truncate_by(b, a);
    CHECK_INT(sweep(a), CRDT_OK);
    put(at_a, 4, "A");
    put(at_b, 4, "B");
    put(at_a, 3, "x");
    put(at_b, 3, "y");
    meet(a, b);
    CHECK_INT(sweep(b), CRDT_OK);
    CHECK(same(a, b));
    put(at_b, 5, "z");
    meet(a, b);
    done(a), done(b);
}

/* One that has not truncated names what is swept. */
TEST(what_is_named_comes_back_with_all_there_is)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj at_a = typed(a, "one two"), at_b;
    crdt_buf all = CRDT_BUF_INIT, since;
    cut(at_a, 3, 4);
    meet(a, b);
    at_b = at_root(b, CRDT_TEXT);
    put(at_b, 3, " and three");
    truncate_by(a, a);
    CHECK_INT(sweep(a), CRDT_OK);
    CHECK_INT(kept(a, at_a), 3);
    since = news(b, a);
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&since)), CRDT_ERR_FORGOTTEN);
    CHECK_INT(kept(a, at_a), 3);
    CHECK_INT(crdt_delta(b, NULL, &all), CRDT_OK);
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&all)), CRDT_OK);
    CHECK(reads(at_a, "one and three"));
    CHECK(is_sound(a) && same(a, b));
    meet(a, b);
    crdt_buf_free(&all);
    crdt_buf_free(&since);
    done(a), done(b);
}

/* Above the floor nothing is swept: that a dot is not here then says that it
 * was used twice. */
TEST(what_was_never_here_is_a_fork_still)
{
    crdt_doc *a = replica(1), *b = replica(1), *c = replica(2);
    crdt_buf all = CRDT_BUF_INIT;
    CHECK_INT(crdt_map_put_int(crdt_root(a), CRDT_STR("k"), 1), CRDT_OK);
    meet(a, c);
    typed(b, "two");
    CHECK_INT(crdt_delta(b, NULL, &all), CRDT_OK);
    CHECK_INT(crdt_join(c, crdt_buf_bytes(&all)), CRDT_ERR_FORK);
    crdt_buf_free(&all);
    done(a), done(b), done(c);
}

TEST(anchors_to_what_is_swept_are_not_found)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = typed(doc, "hello");
    crdt_anchor left, right;
    size_t at = 0;
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, 2, CRDT_LEFT, &left),
              CRDT_OK);
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, 4, CRDT_RIGHT, &right),
              CRDT_OK);
    cut(text, 3, 2);
    truncate_by(doc, doc);
    CHECK_INT(crdt_text_find(text, &right, CRDT_CHARS, &at), CRDT_OK);
    CHECK_INT(at, 3);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK_INT(crdt_text_find(text, &right, CRDT_CHARS, &at),
              CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_text_find(text, &left, CRDT_CHARS, &at), CRDT_OK);
    CHECK_INT(at, 2);
    done(doc);
}

TEST(places_of_lists_go_with_their_elements)
{
    crdt_doc *doc = replica(1);
    crdt_obj list = at_root(doc, CRDT_LIST);
    size_t i;
    for (i = 0; i < 40; i++)
        CHECK_INT(crdt_list_insert(list, i, crdt_int((int64_t)i)), CRDT_OK);
    for (i = 0; i < 20; i++)
        CHECK_INT(crdt_list_move(list, i, 39), CRDT_OK);
    CHECK_INT(crdt_list_delete(list, 10, 30), CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    CHECK_INT(kept(doc, list), 60);
    truncate_by(doc, doc);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK(kept(doc, list) < 60 && crdt_list_len(list) == 10);
    CHECK_INT(crdt_list_delete(list, 0, 10), CRDT_OK);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    truncate_by(doc, doc);
    CHECK_INT(sweep(doc), CRDT_OK);
    CHECK_INT(kept(doc, list), 0);
    CHECK_INT(crdt_list_insert(list, 0, crdt_int(7)), CRDT_OK);
    done(doc);
}

/* An element that was deleted here, and set meanwhile by one that was away. */
TEST(an_element_comes_back_to_its_place)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj at_a = at_root(a, CRDT_LIST), at_b;
    crdt_buf all = CRDT_BUF_INIT, since;
    crdt_value value;
    size_t i;
    for (i = 0; i < 3; i++)
        CHECK_INT(crdt_list_insert(at_a, i, crdt_int((int64_t)i)), CRDT_OK);
    meet(a, b);
    at_b = at_root(b, CRDT_LIST);
    CHECK_INT(crdt_list_set(at_b, 2, crdt_int(20)), CRDT_OK);
    CHECK_INT(crdt_list_delete(at_a, 2, 1), CRDT_OK);
    CHECK_INT(crdt_commit(a), CRDT_OK);
    truncate_by(a, a);
    CHECK_INT(sweep(a), CRDT_OK);
    CHECK_INT(kept(a, at_a), 2);
    since = news(b, a);
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&since)), CRDT_ERR_FORGOTTEN);
    CHECK_INT(crdt_delta(b, NULL, &all), CRDT_OK);
    CHECK_INT(crdt_join(a, crdt_buf_bytes(&all)), CRDT_OK);
    CHECK_INT(crdt_list_get(at_a, 2, &value), CRDT_OK);
    CHECK_INT(value.as.integer, 20);
    meet(a, b);
    crdt_buf_free(&all);
    crdt_buf_free(&since);
    done(a), done(b);
}

/* It was old when something was inserted beside it; then it is shown again, and
 * is no more passed over than others (simulator, seed 10302272). */
TEST(what_is_shown_again_is_not_old)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj at_a = at_root(a, CRDT_LIST), at_b, old;
    crdt_value value;
    int64_t i;
    for (i = 0; i < 2; i++)
        CHECK_INT(crdt_list_insert(at_a, (size_t)i, crdt_int(i + 1)), CRDT_OK);
    old = crdt_list_insert_object(at_a, 0, CRDT_COUNTER);
    CHECK_INT(crdt_list_delete(at_a, 0, 1), CRDT_OK);
    meet(a, b);
    at_b = at_root(b, CRDT_LIST);
    truncate_by(b, a);
    CHECK_INT(crdt_list_insert(at_b, 2, crdt_int(3)), CRDT_OK);
    CHECK_INT(crdt_counter_add(old, 1), CRDT_OK);
    meet(a, b);
    CHECK_INT(crdt_list_insert(at_b, 0, crdt_int(0)), CRDT_OK);
    for (i = 0; i < 5; i++) {
        CHECK_INT(crdt_list_get(at_b, (size_t)i, &value), CRDT_OK);
        if (i == 1)
            CHECK_INT(value.kind, CRDT_OBJECT);
        else
            CHECK_INT(value.as.integer, i - (i > 1));
    }
    meet(a, b);
    done(a), done(b);
}

/* The move survives its element, unseen, and the place of that goes (simulator,
 * seed 2004928). */
TEST(a_move_lives_on_without_its_element)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj at_a = at_root(a, CRDT_LIST);
    size_t i;
    for (i = 0; i < 3; i++)
        CHECK_INT(crdt_list_insert(at_a, i, crdt_int((int64_t)i)), CRDT_OK);
    meet(a, b);
    CHECK_INT(crdt_list_move(at_root(b, CRDT_LIST), 2, 0), CRDT_OK);
    CHECK_INT(crdt_list_delete(at_a, 2, 1), CRDT_OK);
    CHECK_INT(crdt_commit(a), CRDT_OK);
    pull(b, a);
    truncate_by(a, a);
    truncate_by(b, b);
    CHECK_INT(sweep(a), CRDT_OK);
    CHECK_INT(sweep(b), CRDT_OK);
    CHECK_INT(kept(a, at_a), 2);
    meet(a, b);
    CHECK_INT(crdt_list_len(at_a), 2);
    done(a), done(b);
}

/* However much was written: what is left to remember is what is there. */
TEST(a_text_that_is_long_in_use_stays_small)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = typed(doc, "title");
    crdt_buf state = CRDT_BUF_INIT;
    size_t i;
    for (i = 0; i < 1000; i++) {
        put(text, 5, "something long that does not stay");
        cut(text, 5, 33);
        if (i % 100 == 99) {
            truncate_by(doc, doc);
            CHECK_INT(sweep(doc), CRDT_OK);
        }
    }
    CHECK_INT(kept(doc, text), 5);
    CHECK_INT(crdt_delta(doc, NULL, &state), CRDT_OK);
    CHECK(state.len < 100);
    CHECK(crdti_sequence_at(doc, text.index)->names_used < 64);
    crdt_buf_free(&state);
    done(doc);
}

TEST_MAIN(CASE(the_end_of_what_was_typed_goes), CASE(what_is_remembered_stays),
          CASE(removals_above_are_remembered_too),
          CASE(not_before_all_have_truncated),
          CASE(all_order_alike_what_is_written_beside_old_ones),
          CASE(what_is_named_comes_back_with_all_there_is),
          CASE(what_was_never_here_is_a_fork_still),
          CASE(anchors_to_what_is_swept_are_not_found),
          CASE(places_of_lists_go_with_their_elements),
          CASE(an_element_comes_back_to_its_place),
          CASE(what_is_shown_again_is_not_old),
          CASE(a_move_lives_on_without_its_element),
          CASE(a_text_that_is_long_in_use_stays_small))
