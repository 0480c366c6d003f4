/*
 * Texts through the public face: units, ranges, errors, walks, anchors; and
 * that what was typed or deleted at a stretch is one record, here and after a
 * join.
 */
#include "../replicas.h"

/* é is 2 bytes, 😀 4 bytes and two units of UTF-16, e + U+0301 two code
 * points. */
#define E_ACUTE "\xc3\xa9"
#define SMILE "\xf0\x9f\x98\x80"
#define COMBINED "e\xcc\x81"

static crdt_obj text_of(crdt_doc *doc)
{
    return at_root(doc, CRDT_TEXT);
}

/* Whether the text reads so; it is looked through as well. */
static int reads(crdt_obj text, const char *want)
{
    crdt_buf buf = CRDT_BUF_INIT;
    int is = crdt_text_get(text, &buf) == CRDT_OK &&
             crdt_bytes_equal(crdt_buf_bytes(&buf), crdt_str(want));
    if (!is)
        printf("reads \"%.*s\", not \"%s\"\n", (int)buf.len,
               buf.len ? (const char *)buf.ptr : "", want);
    crdt_buf_free(&buf);
    return is && is_sound(text.doc);
}

static void insert(crdt_obj text, size_t at, const char *utf8)
{
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, at, crdt_str(utf8)), CRDT_OK);
}

/* >>units and ranges ------------------------------------------------------ */

TEST(a_position_counts_in_each_unit)
{
    /*                      chars    bytes      UTF-16
     *   a                  0        0          0
     *   é                  1        1          1
     *   😀                 2        3          2
     *   e, U+0301          3, 4     7, 8       4, 5
     *   end                5        10         6       */
    static const size_t places[3][6] = { { 0, 1, 2, 3, 4, 5 },
                                         { 0, 1, 3, 7, 8, 10 },
                                         { 0, 1, 2, 4, 5, 6 } };
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    int from, to, i;
    insert(text, 0, "a" E_ACUTE SMILE COMBINED);
    for (from = CRDT_CHARS; from <= CRDT_UTF16; from++)
        for (to = CRDT_CHARS; to <= CRDT_UTF16; to++)
            for (i = 0; i < 6; i++) {
                size_t got = 99;
                CHECK_INT(crdt_text_convert(text, (crdt_unit)from,
                                            places[from][i], (crdt_unit)to,
                                            &got),
                          CRDT_OK);
                CHECK_INT(got, places[to][i]);
            }
    for (i = CRDT_CHARS; i <= CRDT_UTF16; i++)
        CHECK_INT(crdt_text_len(text, (crdt_unit)i), places[i][5]);
    done(doc);
}

/* In a short text and in one of many leaves, at a cursor and far from it. */
TEST(within_a_character_there_is_no_position)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    size_t i, k, out;
    for (i = 0; i < 2000; i++)
        insert(text, i * 7919 % (i + 1), i % 2 ? SMILE : E_ACUTE);
    for (k = 0; k < 2; k++) {
        crdt_unit unit = k ? CRDT_UTF16 : CRDT_UTF8;
        size_t len = crdt_text_len(text, unit), valid = 0;
        for (i = 0; i <= len; i++) {
            crdt_err err = crdt_text_convert(text, unit, i, CRDT_CHARS, &out);
            CHECK(err == CRDT_OK || err == CRDT_ERR_ARG);
            valid += err == CRDT_OK;
            if (err)
                CHECK_INT(crdt_text_insert(text, unit, i, CRDT_STR("x")),
                          CRDT_ERR_ARG);
            if (err && i < len) {
                CHECK_INT(crdt_text_delete(text, unit, i, 1), CRDT_ERR_ARG);
                CHECK_INT(crdt_text_delete(text, unit, 0, i), CRDT_ERR_ARG);
            }
        }
        CHECK_INT(valid, 2001);
    }
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), 2000);
    done(doc);
}

/* Wide or not, in insertions that are full just there or a bit before. */
TEST(what_is_long_reads_as_it_was_written)
{
    static char utf8[1000];
    size_t wide, plain;
    for (wide = 0; wide < 300; wide++)
        for (plain = 0; plain < 40; plain += 13) {
            crdt_doc *doc = replica(1);
            size_t i;
            utf8[0] = 0;
            for (i = 0; i < wide; i++)
                strcat(utf8, E_ACUTE);
            for (i = 0; i < plain; i++)
                strcat(utf8, "x");
            strcat(utf8, SMILE);
            insert(text_of(doc), 0, utf8);
            CHECK(reads(text_of(doc), utf8));
            done(doc);
        }
}

TEST(what_lies_behind_the_end_answers_range)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_anchor anchor;
    size_t out, round;
    for (round = 0; round < 2; round++) { /* empty, and not */
        size_t len = crdt_text_len(text, CRDT_CHARS);
        CHECK_INT(crdt_text_insert(text, CRDT_CHARS, len + 1, CRDT_STR("x")),
                  CRDT_ERR_RANGE);
        CHECK_INT(crdt_text_insert(text, CRDT_UTF8, SIZE_MAX, CRDT_STR("x")),
                  CRDT_ERR_RANGE);
        CHECK_INT(crdt_text_delete(text, CRDT_CHARS, len, 1), CRDT_ERR_RANGE);
        CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 0, len + 1),
                  CRDT_ERR_RANGE);
        CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 1, SIZE_MAX),
                  CRDT_ERR_RANGE);
        CHECK_INT(
            crdt_text_replace(text, CRDT_CHARS, len, SIZE_MAX, CRDT_STR("x")),
            CRDT_ERR_RANGE);
        CHECK_INT(crdt_text_read(text, CRDT_UTF16, len, 1, &buf),
                  CRDT_ERR_RANGE);
        CHECK_INT(crdt_text_read(text, CRDT_UTF16, SIZE_MAX, 2, &buf),
                  CRDT_ERR_RANGE);
        CHECK_INT(
            crdt_text_convert(text, CRDT_CHARS, len + 1, CRDT_UTF8, &out),
            CRDT_ERR_RANGE);
        CHECK_INT(
            crdt_text_anchor(text, CRDT_CHARS, len + 1, CRDT_LEFT, &anchor),
            CRDT_ERR_RANGE);
        CHECK_INT(buf.len, 0);
        if (round == 0)
            insert(text, 0, "abc");
    }
    CHECK(reads(text, "abc"));
    crdt_buf_free(&buf);
    done(doc);
}

/* >>arguments ------------------------------------------------------------- */

TEST(what_is_no_utf8_answers_arg)
{
    static const char *const wrong[] = { "\x80",
                                         "\xc0\x80",
                                         "\xc1\xbf",
                                         "\xe0\x9f\xbf",
                                         "\xed\xa0\x80",
                                         "\xf0\x8f\xbf\xbf",
                                         "\xf4\x90\x80\x80",
                                         "\xf5",
                                         "\xff",
                                         "\xc3",
                                         "\xf0\x9f\x98",
                                         "ok\xe2\x82" };
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    size_t i, round;
    for (round = 0; round < 2; round++) { /* somewhere, and at the cursor */
        size_t len = crdt_text_len(text, CRDT_CHARS);
        for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            CHECK_INT(
                crdt_text_insert(text, CRDT_CHARS, len, crdt_str(wrong[i])),
                CRDT_ERR_ARG);
            CHECK_INT(crdt_text_replace(text, CRDT_CHARS, 0, len,
                                        crdt_str(wrong[i])),
                      CRDT_ERR_ARG);
        }
        if (round == 0)
            insert(text, 0, "x");
    }
    CHECK(reads(text, "x"));
    done(doc);
}

TEST(strange_arguments_answer_arg)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    crdt_bytes nothing = crdt_bytes_of(NULL, 1);
    crdt_unit none = (crdt_unit)3;
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_anchor anchor;
    size_t out;
    insert(text, 0, "x"); /* the cursor is behind it */
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 1, nothing), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 0, nothing), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_insert(text, none, 1, CRDT_STR("y")), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_insert(text, none, 0, CRDT_STR("y")), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_delete(text, none, 0, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_read(text, none, 0, 1, &buf), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_read(text, CRDT_CHARS, 0, 1, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_get(text, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_text_convert(text, none, 0, CRDT_CHARS, &out),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_text_convert(text, CRDT_CHARS, 0, none, &out),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_text_anchor(text, none, 0, CRDT_LEFT, &anchor),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_text_find(text, NULL, CRDT_CHARS, &out), CRDT_ERR_ARG);
    CHECK(reads(text, "x"));
    done(doc);
}

TEST(nothing_inserted_and_nothing_deleted_is_no_change)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    crdt_text_cursor cursor = CRDT_TEXT_CURSOR_INIT;
    uint64_t written;
    insert(text, 0, "x");
    written = doc->written;
    CHECK_INT(crdt_text_next(text, &cursor), CRDT_OK);
    insert(text, 1, "");
    insert(text, 0, "");
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 1, crdt_bytes_of(NULL, 0)),
              CRDT_OK);
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 1, 0), CRDT_OK);
    CHECK_INT(crdt_text_replace(text, CRDT_UTF8, 0, 0, CRDT_STR("")), CRDT_OK);
    CHECK_INT(doc->written, written);
    CHECK_INT(crdt_text_next(text, &cursor), CRDT_ERR_NOT_FOUND);
    CHECK(reads(text, "x"));
    done(doc);
}

TEST(what_is_no_text_answers_type)
{
    crdt_doc *doc = replica(1);
    crdt_obj map = crdt_root(doc), none = nowhere(doc);
    crdt_obj text = text_of(doc);
    crdt_text_cursor cursor = CRDT_TEXT_CURSOR_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_value value;
    size_t out;
    CHECK_INT(crdt_text_insert(map, CRDT_CHARS, 0, CRDT_STR("x")),
              CRDT_ERR_TYPE);
    CHECK_INT(crdt_text_delete(map, CRDT_CHARS, 0, 0), CRDT_ERR_TYPE);
    CHECK_INT(crdt_text_get(map, &buf), CRDT_ERR_TYPE);
    CHECK_INT(crdt_text_read(map, CRDT_CHARS, 0, 0, &buf), CRDT_ERR_TYPE);
    CHECK_INT(crdt_text_next(map, &cursor), CRDT_ERR_TYPE);
    CHECK_INT(crdt_text_convert(map, CRDT_CHARS, 0, CRDT_UTF8, &out),
              CRDT_ERR_TYPE);
    CHECK_INT(crdt_text_len(map, CRDT_CHARS), 0);
    CHECK_INT(crdt_text_len(none, CRDT_CHARS), 0);
    CHECK(crdt_text_insert(none, CRDT_CHARS, 0, CRDT_STR("x")) != CRDT_OK);
    CHECK_INT(crdt_map_get(text, CRDT_STR("k"), &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_register_set(text, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_set_add(text, crdt_int(1)), CRDT_ERR_TYPE);
    done(doc);
}

/* >>reading --------------------------------------------------------------- */

TEST(zero_bytes_are_characters)
{
    crdt_doc *doc = replica(1), *other = replica(2);
    crdt_obj text = text_of(doc);
    crdt_buf buf = CRDT_BUF_INIT;
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 0,
                               crdt_bytes_of("a\0\0b" E_ACUTE "\0", 7)),
              CRDT_OK);
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 1, 1), CRDT_OK);
    meet(doc, other);
    CHECK_INT(crdt_text_get(text_of(other), &buf), CRDT_OK);
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&buf),
                           crdt_bytes_of("a\0b" E_ACUTE "\0", 6)));
    crdt_buf_free(&buf);
    done(doc), done(other);
}

/* All ranges of a text that is in many pieces, in all units. */
TEST(any_range_can_be_read)
{
    static const char whole[] = "ab" E_ACUTE SMILE "cd" COMBINED SMILE "z";
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    crdt_buf buf = CRDT_BUF_INIT;
    size_t from, to, bytes, ends;
    insert(text, 0, "az");
    insert(text, 1, SMILE SMILE "c");
    insert(text, 1, "b!" E_ACUTE);
    insert(text, 7, "d" COMBINED SMILE);
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 2, 1), CRDT_OK);
    CHECK_INT(crdt_text_delete(text, CRDT_UTF16, 3, 2), CRDT_OK);
    CHECK(reads(text, whole));
    for (from = 0; from <= crdt_text_len(text, CRDT_UTF16); from++)
        for (to = from; to <= crdt_text_len(text, CRDT_UTF16); to++) {
            crdt_err err =
                crdt_text_read(text, CRDT_UTF16, from, to - from, &buf);
            crdt_err want =
                crdt_text_convert(text, CRDT_UTF16, from, CRDT_UTF8, &bytes);
            if (!want)
                want =
                    crdt_text_convert(text, CRDT_UTF16, to, CRDT_UTF8, &ends);
            CHECK_INT(err, want);
            CHECK(want || crdt_bytes_equal(
                              crdt_buf_bytes(&buf),
                              crdt_bytes_of(whole + bytes, ends - bytes)));
            buf.len = 0;
        }
    CHECK_INT(crdt_text_read(text, CRDT_CHARS, 0, 1, &buf), CRDT_OK);
    CHECK_INT(crdt_text_get(text, &buf), CRDT_OK); /* appends */
    CHECK_INT(buf.len, sizeof whole);
    crdt_buf_free(&buf);
    done(doc);
}

TEST(a_walk_goes_over_all_pieces)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    crdt_text_cursor cursor = CRDT_TEXT_CURSOR_INIT;
    crdt_buf whole = CRDT_BUF_INIT;
    size_t i, at = 0;
    CHECK_INT(crdt_text_next(text, &cursor), CRDT_ERR_NOT_FOUND);
    for (i = 0; i < 300; i++) {
        size_t len = crdt_text_len(text, CRDT_CHARS);
        insert(text, i * 7919 % (len + 1), i % 5 ? "ab" : SMILE);
        if (i % 3 == 0)
            CHECK_INT(crdt_text_delete(text, CRDT_CHARS, len / 2, 1), CRDT_OK);
    }
    CHECK_INT(crdt_text_get(text, &whole), CRDT_OK);
    while (crdt_text_next(text, &cursor) == CRDT_OK) {
        REQUIRE(cursor.piece.len && at + cursor.piece.len <= whole.len);
        CHECK(memcmp(cursor.piece.ptr, whole.ptr + at, cursor.piece.len) == 0);
        at += cursor.piece.len;
    }
    CHECK_INT(at, whole.len);
    crdt_buf_free(&whole);
    done(doc);
}

TEST(a_walk_ends_when_the_text_changes)
{
    crdt_doc *doc = replica(1), *other = replica(2);
    crdt_obj text = text_of(doc);
    crdt_text_cursor first = CRDT_TEXT_CURSOR_INIT, second = first;
    insert(text, 0, "one");
    meet(doc, other);
    CHECK_INT(crdt_text_next(text, &first), CRDT_OK);
    second = first;
    CHECK_INT(crdt_map_put_int(crdt_root(doc), CRDT_STR("n"), 1), CRDT_OK);
    CHECK_INT(crdt_text_next(text, &second), CRDT_ERR_NOT_FOUND);
    second = first;
    insert(text, 3, "x"); /* by the short way */
    CHECK_INT(crdt_text_next(text, &second), CRDT_ERR_AGAIN);
    memset(&first, 0, sizeof first);
    CHECK_INT(crdt_text_next(text, &first), CRDT_OK);
    insert(text_of(other), 0, "y");
    pull(doc, other);
    CHECK_INT(crdt_text_next(text, &first), CRDT_ERR_AGAIN);
    memset(&first, 0, sizeof first);
    CHECK_INT(crdt_text_next(text, &first), CRDT_OK);
    CHECK_INT(crdt_text_delete(text_of(other), CRDT_CHARS, 0, 1), CRDT_OK);
    pull(doc, other);
    CHECK_INT(crdt_text_next(text, &first), CRDT_ERR_AGAIN);
    done(doc), done(other);
}

/* >>writing --------------------------------------------------------------- */

TEST(what_is_replaced_goes_and_the_new_takes_its_place)
{
    crdt_doc *doc = replica(1), *other = replica(2);
    crdt_obj text = text_of(doc);
    insert(text, 0, "the quick " SMILE " fox");
    CHECK_INT(crdt_text_replace(text, CRDT_UTF16, 10, 2, CRDT_STR("brown")),
              CRDT_OK);
    CHECK(reads(text, "the quick brown fox"));
    CHECK_INT(crdt_text_replace(text, CRDT_UTF8, 0, 3, CRDT_STR("th" E_ACUTE)),
              CRDT_OK);
    CHECK_INT(crdt_text_replace(text, CRDT_CHARS, 16, 3, CRDT_STR("")),
              CRDT_OK);
    CHECK(reads(text, "th" E_ACUTE " quick brown "));
    meet(doc, other);
    CHECK(reads(text_of(other), "th" E_ACUTE " quick brown "));
    CHECK_INT(crdt_text_replace(text, CRDT_CHARS, 0, 16, CRDT_STR("all")),
              CRDT_OK);
    CHECK(reads(text, "all"));
    meet(doc, other);
    CHECK(reads(text_of(other), "all"));
    done(doc), done(other);
}

/* Ten million bytes are one edit: a commit is limited in edits. */
TEST(a_huge_insert_is_one_edit)
{
    enum { HUGE = 10000000 };
    crdt_doc *doc = replica(1), *other = replica(2);
    crdt_obj text = text_of(doc);
    char *bytes = (char *)malloc(HUGE);
    REQUIRE(bytes);
    memset(bytes, 'x', HUGE);
    memcpy(bytes + HUGE / 2, SMILE SMILE SMILE, 12);
    CHECK_INT(
        crdt_text_insert(text, CRDT_CHARS, 0, crdt_bytes_of(bytes, HUGE)),
        CRDT_OK);
    CHECK_INT(crdt_text_len(text, CRDT_UTF8), HUGE);
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), HUGE - 9);
    CHECK_INT(crdt_map_put_int(crdt_root(doc), CRDT_STR("n"), 1), CRDT_OK);
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 1, HUGE - 11), CRDT_OK);
    meet(doc, other);
    CHECK(reads(text_of(other), "xx"));
    free(bytes);
    done(doc), done(other);
}

TEST(a_commit_takes_so_many_edits_and_no_more)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    size_t room = CRDTSYNC_MAX_COMMIT_OPS -
                  (size_t)(doc->written - doc->replicas.ptr[doc->self].seq);
    crdt_err err = CRDT_OK;
    size_t i;
    for (i = 0; i < room + 5 && !err; i++)
        err = i % 2 ? crdt_text_delete(text, CRDT_CHARS, 0, 2)
                    : crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("xy"));
    CHECK_INT(err, CRDT_ERR_LIMIT);
    CHECK_INT(i - 1, room);
    CHECK_INT(crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("z")),
              CRDT_ERR_LIMIT);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    insert(text, 0, "z");
    crdt_doc_free(doc);
}

/* Each keystroke is an edit, on the short way too. */
TEST(typed_characters_count_as_edits)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = text_of(doc);
    crdt_err err = CRDT_OK;
    size_t i;
    for (i = 0; i <= CRDTSYNC_MAX_COMMIT_OPS && !err; i++)
        err = crdt_text_insert(text, CRDT_CHARS, i, CRDT_STR("x"));
    CHECK_INT(err, CRDT_ERR_LIMIT);
    CHECK(i > CRDTSYNC_MAX_COMMIT_OPS - 8);
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), i - 1);
    CHECK_INT(crdt_commit(doc), CRDT_OK);
    insert(text, i - 1, "z");
    crdt_doc_free(doc);
}

/* >>memory ---------------------------------------------------------------- */

struct made_of {
    size_t insertions, deletions, content, spans, authors;
};

static struct made_of made_of(crdt_doc *doc)
{
    const crdti_sequence *s = crdti_sequence_at(doc, text_of(doc).index);
    struct made_of count;
    uint32_t at;
    memset(&count, 0, sizeof count);
    for (at = s->authors; at; at = crdti_author_at(doc, at)->next) {
        count.insertions += crdti_author_at(doc, at)->insertions.len;
        count.deletions += crdti_author_at(doc, at)->deletions.len;
        count.content += crdti_author_at(doc, at)->content.len;
        count.authors++;
    }
    for (at = s->first; at; at = crdti_leaf_at(doc, at)->next)
        count.spans += crdti_leaf_at(doc, at)->len;
    return count;
}

#define CHECK_MADE_OF(doc, ins, del, of_spans)                                \
    do {                                                                      \
        struct made_of test_is = made_of(doc);                                \
        CHECK_INT(test_is.insertions, ins);                                   \
        CHECK_INT(test_is.deletions, del);                                    \
        CHECK_INT(test_is.spans, of_spans);                                   \
    } while (0)

TEST(what_is_typed_at_a_stretch_is_one_record)
{
    crdt_doc *doc = replica(1), *live = replica(2), *late = replica(3);
    crdt_obj text = text_of(doc);
    size_t i;
    for (i = 0; i < 1000; i++) {
        insert(text, i, "x");
        if (i % 7 == 0)
            pull(live, doc);
    }
    pull(live, doc);
    pull(late, doc);
    CHECK(same(live, doc) && same(late, doc));
    CHECK_MADE_OF(doc, 1, 0, 1);
    CHECK_MADE_OF(live, 1, 0, 1);
    CHECK_MADE_OF(late, 1, 0, 1);
    for (i = 1000; i > 0; i--) {
        CHECK_INT(crdt_text_delete(text, CRDT_CHARS, i - 1, 1), CRDT_OK);
        if (i % 7 == 0)
            pull(live, doc);
    }
    pull(live, doc);
    pull(late, doc);
    CHECK_MADE_OF(doc, 1, 1, 1);
    CHECK_MADE_OF(live, 1, 1, 1);
    CHECK_MADE_OF(late, 1, 1, 1);
    done(doc), done(live), done(late);
}

/* So deleted forwards too, and all at once. */
TEST(what_is_deleted_at_a_stretch_is_one_record)
{
    crdt_doc *doc = replica(1), *other = replica(2);
    crdt_obj text = text_of(doc);
    char bytes[1001];
    size_t i;
    memset(bytes, 'x', 1000);
    bytes[1000] = 0;
    insert(text, 0, bytes);
    pull(other, doc);
    for (i = 0; i < 500; i++)
        CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 100, 1), CRDT_OK);
    CHECK_MADE_OF(doc, 1, 1, 3);
    pull(other, doc);
    CHECK_MADE_OF(other, 1, 1, 3);
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 0, 500), CRDT_OK);
    CHECK_INT(made_of(doc).spans, 1);
    meet(other, doc);
    CHECK_INT(made_of(other).spans, 1);
    done(doc), done(other);
}

/* Two who type at once, and hear each keystroke of the other: names come in
 * extents that double, so that there are a few. */
TEST(live_typing_of_two_is_a_few_records_each)
{
    crdt_doc *a = replica(1), *b = replica(2), *late = replica(3);
    size_t i;
    crdt_anchor end;
    insert(text_of(a), 0, "|");
    meet(a, b);
    for (i = 0; i < 300; i++) {
        insert(text_of(a), i, "a");
        insert(text_of(b), crdt_text_len(text_of(b), CRDT_CHARS), "b");
        meet(a, b);
    }
    CHECK(made_of(a).insertions <= 12 && made_of(b).insertions <= 12);
    CHECK(made_of(a).spans <= 12 && made_of(b).spans <= 12);
    pull(late, a);
    CHECK(made_of(late).insertions <= 12);
    CHECK_INT(crdt_text_anchor(text_of(a), CRDT_CHARS, 300, CRDT_RIGHT, &end),
              CRDT_OK);
    CHECK_INT(end.dot.replica.b[0], 1);
    done(a), done(b), done(late);
}

/* >>anchors --------------------------------------------------------------- */

static size_t found(crdt_obj text, const crdt_anchor *anchor)
{
    size_t at = 999;
    CHECK_INT(crdt_text_find(text, anchor, CRDT_CHARS, &at), CRDT_OK);
    return at;
}

TEST(an_anchor_stays_with_its_character)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj text = text_of(a);
    crdt_anchor left, right, begin, end;
    insert(text, 0, "abcd");
    meet(a, b);
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, 2, CRDT_LEFT, &left), 0);
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, 2, CRDT_RIGHT, &right), 0);
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, 0, CRDT_LEFT, &begin), 0);
    CHECK_INT(crdt_text_anchor(text, CRDT_CHARS, 4, CRDT_RIGHT, &end), 0);
    CHECK(begin.dot.seq == 0 && end.dot.seq == 0);
    insert(text_of(b), 2, "xx");
    insert(text_of(b), 0, SMILE);
    insert(text_of(b), 7, "!");
    CHECK_INT(found(text_of(b), &left), 3);
    CHECK_INT(found(text_of(b), &right), 5);
    CHECK_INT(found(text_of(b), &begin), 0);
    CHECK_INT(found(text_of(b), &end), 8);
    pull(a, b);
    CHECK_INT(found(text, &left), 3);
    CHECK_INT(found(text, &right), 5);
    /* Where they were, when they are deleted. */
    CHECK_INT(crdt_text_delete(text, CRDT_CHARS, 2, 4), CRDT_OK);
    CHECK_INT(found(text, &left), 2);
    CHECK_INT(found(text, &right), 2);
    insert(text, 2, "new");
    CHECK(found(text, &left) == 2 || found(text, &left) == 5);
    CHECK(is_sound(a));
    done(a), done(b);
}

TEST(an_anchor_of_what_has_not_arrived_is_not_found)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_anchor anchor;
    size_t at;
    insert(text_of(a), 0, "abc");
    CHECK_INT(crdt_text_anchor(text_of(a), CRDT_CHARS, 1, CRDT_LEFT, &anchor),
              CRDT_OK);
    CHECK_INT(crdt_text_find(text_of(b), &anchor, CRDT_CHARS, &at),
              CRDT_ERR_NOT_FOUND);
    insert(text_of(b), 0, "b");
    CHECK_INT(crdt_text_find(text_of(b), &anchor, CRDT_CHARS, &at),
              CRDT_ERR_NOT_FOUND);
    meet(a, b);
    CHECK_INT(crdt_text_find(text_of(b), &anchor, CRDT_UTF8, &at), CRDT_OK);
    anchor.dot.seq = 1; /* no character: it made the text */
    CHECK_INT(crdt_text_find(text_of(b), &anchor, CRDT_CHARS, &at),
              CRDT_ERR_NOT_FOUND);
    anchor.dot.seq = UINT64_MAX;
    CHECK_INT(crdt_text_find(text_of(b), &anchor, CRDT_CHARS, &at),
              CRDT_ERR_NOT_FOUND);
    done(a), done(b);
}

/* >>several texts --------------------------------------------------------- */

/* One delta with many texts, whose authors wrote by turns: what a third does
 * not have yet is found, wherever the first stopped. */
TEST(texts_written_by_turns_arrive_whole)
{
    enum { TEXTS = 40, ROUNDS = 4 };
    crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
    uint64_t seed = 3;
    int round, i;
    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < TEXTS * 9; i++) {
            char key[8];
            crdt_obj text;
            snprintf(key, sizeof key, "t%d", (int)test_below(&seed, TEXTS));
            text = crdt_map_text(crdt_root(a), crdt_str(key));
            insert(text,
                   test_below(&seed,
                              1 + (uint32_t)crdt_text_len(text, CRDT_CHARS)),
                   "x");
            if (i % 50 == 0)
                pull(c, a);
        }
        pull(b, a);
        pull(c, b);
        CHECK(is_sound(b) && is_sound(c));
        CHECK(same(a, b) && same(b, c));
    }
    done(a), done(b), done(c);
}

/* >>truncation ------------------------------------------------------------ */

static void truncate_at_own(crdt_doc *doc)
{
    crdt_vv vv = CRDT_VV_INIT;
    REQUIRE(!crdt_doc_vv(doc, &vv) && !crdt_truncate(doc, &vv));
    crdt_vv_free(&vv);
}

TEST(what_all_have_deleted_leaves_no_bytes)
{
    enum { LONG = 10000 };
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj text = text_of(a);
    char many[LONG];
    struct made_of before, after;
    memset(many, 'x', LONG);
    insert(text, 0, "begin");
    REQUIRE(!crdt_text_insert(text, CRDT_CHARS, 5, crdt_bytes_of(many, LONG)));
    insert(text, 5 + LONG, "\xc3\xa9nd");
    meet(a, b);
    REQUIRE(!crdt_text_delete(text, CRDT_CHARS, 5, LONG));
    REQUIRE(!crdt_text_delete(text, CRDT_CHARS, 1, 3));
    meet(a, b);
    before = made_of(a);
    truncate_at_own(a);
    truncate_at_own(b);
    after = made_of(a);
    CHECK_INT(before.deletions, 2);
    CHECK_INT(after.deletions, 0);
    CHECK_INT(before.content, 5 + LONG + 4);
    CHECK_INT(after.content, 5 + 4); /* three are too few to cut out */
    /* All goes on, on both sides. */
    insert(text, 1, "!");
    insert(text_of(b), 2, "?");
    meet(a, b);
    CHECK(reads(text, "b!n?\xc3\xa9nd"));
    CHECK(reads(text_of(b), "b!n?\xc3\xa9nd"));
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST_MAIN(CASE(a_position_counts_in_each_unit),
          CASE(within_a_character_there_is_no_position),
          CASE(what_is_long_reads_as_it_was_written),
          CASE(what_lies_behind_the_end_answers_range),
          CASE(what_is_no_utf8_answers_arg),
          CASE(strange_arguments_answer_arg),
          CASE(nothing_inserted_and_nothing_deleted_is_no_change),
          CASE(what_is_no_text_answers_type), CASE(zero_bytes_are_characters),
          CASE(any_range_can_be_read), CASE(a_walk_goes_over_all_pieces),
          CASE(a_walk_ends_when_the_text_changes),
          CASE(what_is_replaced_goes_and_the_new_takes_its_place),
          CASE(a_huge_insert_is_one_edit),
          CASE(a_commit_takes_so_many_edits_and_no_more),
          CASE(typed_characters_count_as_edits),
          CASE(what_is_typed_at_a_stretch_is_one_record),
          CASE(what_is_deleted_at_a_stretch_is_one_record),
          CASE(live_typing_of_two_is_a_few_records_each),
          CASE(an_anchor_stays_with_its_character),
          CASE(an_anchor_of_what_has_not_arrived_is_not_found),
          CASE(texts_written_by_turns_arrive_whole),
          CASE(what_all_have_deleted_leaves_no_bytes))
