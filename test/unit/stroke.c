/*
 * Strokes: what they look like, what goes by them and what does not, and that
 * whatever else comes, from within a session or from a hostile peer, ends in
 * equal documents or in a refusal that changes nothing.
 */
/* What a hostile peer says, no typing may have: but sound it is. */
#define CHECK_HONEST 0
#include "../failing_alloc.h"
#include "../sessions.h"

#define E_ACUTE "\xc3\xa9"
#define SMILE "\xf0\x9f\x98\x80"

/* >>two that type --------------------------------------------------------- */

static struct side a, b;
static struct pair pair;

static crdt_obj text_of(const struct side *side)
{
    return at_root(side->doc, CRDT_TEXT);
}

/* An edit that is committed. */
static void edit(const struct side *side, size_t at, size_t gone,
                 const char *utf8)
{
    CHECK_INT(
        crdt_text_replace(text_of(side), CRDT_CHARS, at, gone, crdt_str(utf8)),
        CRDT_OK);
    CHECK_INT(crdt_commit(side->doc), CRDT_OK);
}

static void begin(const char *utf8)
{
    side_init(&a, replica(1));
    side_init(&b, replica(2));
    pair_up(&pair, &a, &b);
    settle(&pair, 1);
    edit(&a, 0, 0, utf8);
    settle(&pair, 1);
}

static void end(void)
{
    CHECK(is_settled(&pair));
    pair_down(&pair);
    side_free(&a);
    side_free(&b);
}

static void hex_of(crdt_bytes bytes, char *hex)
{
    size_t i;
    *hex = 0;
    for (i = 0; i < bytes.len; i++)
        hex += sprintf(hex, i ? " %02x" : "%02x", bytes.ptr[i]);
}

/* That end says just these strokes, and the other joins them. */
static void says_from(int from, const char *want)
{
    char hex[2000];
    crdti_frame frame;
    uint64_t answers = pair.answers[CRDT_OK];
    CHECK(push(&pair, from));
    frame = next_frame(&pair, from);
    CHECK_INT(frame.kind, CRDTI_STROKES);
    CHECK_INT(pair.ways[from].len, frame.size);
    hex_of(frame.payload, hex);
    CHECK_STR(hex, want);
    settle(&pair, 1);
    CHECK_INT(pair.answers[CRDT_OK], answers + 1);
    CHECK(same(a.doc, b.doc));
}

static void says(const char *want)
{
    says_from(0, want);
}

/* What was written goes as a delta; and what follows on it, as strokes. */
static void says_delta(void)
{
    CHECK(push(&pair, 0));
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_UPDATE);
    settle(&pair, 1);
    CHECK(same(a.doc, b.doc));
}

static int reads(const struct side *side, const char *want)
{
    crdt_buf buf = CRDT_BUF_INIT;
    int is = crdt_text_get(text_of(side), &buf) == CRDT_OK &&
             crdt_bytes_equal(crdt_buf_bytes(&buf), crdt_str(want));
    if (!is)
        printf("reads \"%.*s\", not \"%s\"\n", (int)buf.len,
               buf.len ? (const char *)buf.ptr : "", want);
    crdt_buf_free(&buf);
    return is;
}

/* As often as it takes. */
static const char *many(const char *utf8, size_t times)
{
    static char room[4000];
    *room = 0;
    while (times-- > 0)
        strcat(room, utf8);
    return room;
}

/* >>forms ----------------------------------------------------------------- */

/* Document 0, low byte of the latest seq, then strokes. */
TEST(each_kind_looks_like_this)
{
    begin("hello"); /* 1 makes the text, 2 to 6 are in it */
    CHECK_INT(pair.strokes[0], 0);
    edit(&a, 5, 0, "!");
    says("00 06 04 21"); /* TYPE 1 */
    edit(&a, 1, 0, "x");
    says("00 07 05 13 0f 78"); /* INSERT 1 between 7 - 5 and 7 - 4 */
    edit(&a, 2, 0, "y");
    says("00 08 04 79");
    edit(&a, 2, 1, "");
    says("00 09 06 01"); /* BACK 1 from the cursor */
    edit(&a, 1, 1, "");
    says("00 0a 06 03"); /* the one before: 9 - 1 */
    edit(&a, 1, 3, "");
    says("00 0b 0f 13"); /* FORTH 3 from 8 - 5 */
    edit(&a, 0, 0, "J");
    says("00 0e 05 00 0b 4a"); /* behind none, before 5 - 3 */
    edit(&a, 4, 0, "?");
    says("00 0f 05 1f 00 3f"); /* before none */
    CHECK(reads(&b, "Jho!?"));
    end();
}

/* The example of docs/wire-format.md, whole frames. */
TEST(the_example_is_right)
{
    static const char *const want[] = {
        "c7 29 04 00 06 04 21 47 92 68 8e",
        "c7 29 06 00 07 05 13 0f 78 33 34 6b f0",
        "c7 29 04 00 08 06 01 a5 e4 70 60", "c7 29 04 00 09 0f 13 8c 9a e2 ba"
    };
    char hex[200];
    size_t i;
    begin("hello");
    for (i = 0; i < 4; i++) {
        edit(&a, i ? 1 : 5,
             i == 2   ? 1
             : i == 3 ? 3
                      : 0,
             i == 0   ? "!"
             : i == 1 ? "x"
                      : "");
        CHECK(push(&pair, 0));
        hex_of(crdt_buf_bytes(&pair.ways[0]), hex);
        CHECK_STR(hex, want[i]);
        CHECK(is_settled(&pair));
    }
    CHECK(reads(&b, "ho!"));
    end();
}

TEST(one_commit_may_be_several_strokes)
{
    begin("hello");
    CHECK(!crdt_text_insert(text_of(&a), CRDT_CHARS, 5, CRDT_STR("!!")));
    CHECK(!crdt_text_delete(text_of(&a), CRDT_CHARS, 1, 2));
    CHECK(!crdt_text_insert(text_of(&a), CRDT_CHARS, 1, CRDT_STR("uh")));
    CHECK(!crdt_commit(a.doc));
    says("00 06 08 21 21 0b 13 09 07 03 75 68");
    CHECK(reads(&b, "huhlo!!"));
    end();
}

/* Of what goes, the first character was there and the second is told here. */
TEST(a_deletion_that_ends_in_what_is_typed_is_no_stroke)
{
    begin("hello");
    CHECK_INT(crdt_text_insert(text_of(&a), CRDT_CHARS, 5, CRDT_STR("x")),
              CRDT_OK);
    CHECK_INT(crdt_text_delete(text_of(&a), CRDT_CHARS, 4, 2), CRDT_OK);
    CHECK_INT(crdt_commit(a.doc), CRDT_OK);
    says_delta();
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 0);
    CHECK(reads(&b, "hell"));
    end();
}

TEST(what_is_wide_goes_too)
{
    begin("h" E_ACUTE);
    edit(&a, 2, 0, E_ACUTE "a" SMILE);
    says("00 03 1c c3 a9 61 f0 9f 98 80");
    edit(&a, 5, 0, "b");
    says("00 06 04 62");
    edit(&a, 0, 0, SMILE);
    CHECK(push(&pair, 0));
    edit(&a, 1, 1, "");
    edit(&a, 3, 2, "");
    end();
    CHECK_INT(pair.strokes[0], 4);
    CHECK_INT(pair.deltas[0], 1);
}

static const crdti_author *author_of_a(void)
{
    return crdti_author_at(
        a.doc, crdti_author_find(a.doc, text_of(&a).index, a.doc->self));
}

/* Of 128 characters that are not ASCII an insertion is full. */
TEST(insertions_that_were_cut_go_in_one)
{
    begin("x");
    edit(&a, 1, 0, many(E_ACUTE, 100));
    settle(&pair, 1);
    edit(&a, 101, 0, many(E_ACUTE, 90));
    edit(&a, 191, 0, "ascii");
    CHECK_INT(author_of_a()->insertions.len, 3);
    settle(&pair, 1);
    edit(&a, 196, 0, many(SMILE "a", 51));
    settle(&pair, 1);
    CHECK_INT(pair.strokes[0], 3);
    edit(&a, 230, 60, "");
    edit(&a, 80, 130, ""); /* of three */
    settle(&pair, 1);
    CHECK_INT(pair.strokes[0], 4);
    end();
}

TEST(in_the_text_of_others_it_is_told_from_the_cursor)
{
    begin("mine");
    edit(&b, 4, 0, "yours");
    settle(&pair, 1);
    edit(&a, 8, 1, ""); /* the cursor was not there: a delta */
    says_delta();
    edit(&a, 7, 1, "");
    says("00 06 06 03"); /* BACK, from b.5 to b.4 */
    edit(&a, 4, 1, "");
    says("00 07 06 0b"); /* b.1 */
    edit(&a, 4, 0, "+");
    says("00 08 05 0c 01 2b"); /* a.5, own: 8 - 3; and b.1 */
    CHECK(reads(&b, "mine+ou"));
    edit(&a, 4, 3, "");
    CHECK(push(&pair, 0)); /* of both */
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_UPDATE);
    end();
}

TEST(a_deletion_across_insertions_is_a_stroke_each)
{
    begin("ac");
    edit(&a, 1, 0, "b");
    edit(&a, 0, 0, "0");
    edit(&a, 4, 0, "d");
    settle(&pair, 1);
    edit(&a, 1, 4, "");
    CHECK(push(&pair, 0));
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
    CHECK(is_settled(&pair) && reads(&b, "0"));
    end();
}

/* What is one insertion there may be several here, and the other way round. */
TEST(a_deletion_of_what_was_joined_in_pieces)
{
    size_t i;
    begin("");
    edit(&a, 0, 0, many(E_ACUTE, 300));
    settle(&pair, 1);
    edit(&b, 150, 0, "z");
    settle(&pair, 1);
    edit(&a, 299, 2, "");
    settle(&pair, 1);
    CHECK(track_of(&pair, 0)->told.text != 0);
    for (i = 0; i < 5; i++) {
        edit(&a, 260 - 40 * i, 30, "");
        settle(&pair, 1);
    }
    CHECK(pair.strokes[0] >= 3);
    end();
}

/* >>limits ---------------------------------------------------------------- */

static void jump(size_t times)
{
    size_t i;
    for (i = 0; i < times; i++)
        CHECK(
            !crdt_text_insert(text_of(&a), CRDT_CHARS, 2 * i, CRDT_STR("x")));
    CHECK(!crdt_commit(a.doc));
    CHECK(push(&pair, 0));
}

TEST(sixteen_strokes_go_at_once)
{
    begin(many("abcdefgh", 10));
    jump(16);
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
    CHECK(is_settled(&pair));
    jump(17);
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_UPDATE);
    end();
}

static void type_bytes(size_t bytes, const char *utf8, int kind)
{
    size_t len = crdt_text_len(text_of(&a), CRDT_CHARS);
    edit(&a, len, 0, many(utf8, bytes / strlen(utf8)));
    CHECK(push(&pair, 0));
    CHECK_INT(next_frame(&pair, 0).kind, kind);
    CHECK(is_settled(&pair));
}

TEST(a_stroke_types_or_deletes_255)
{
    int i;
    begin(many("abcdefgh", 100));
    type_bytes(255, "x", CRDTI_STROKES);
    type_bytes(256, "x", CRDTI_UPDATE);
    type_bytes(252, SMILE, CRDTI_STROKES);
    type_bytes(256, SMILE, CRDTI_UPDATE);
    for (i = 0; i < 2; i++) {
        edit(&a, 0, (size_t)(255 + i), "");
        CHECK(push(&pair, 0));
        CHECK_INT(next_frame(&pair, 0).kind, i ? CRDTI_UPDATE : CRDTI_STROKES);
        CHECK(is_settled(&pair));
    }
    end();
}

/* >>what comes otherwise --------------------------------------------------
 * Known already, in part, or not to be had. */

TEST(strokes_that_are_known_are_joined)
{
    begin("hello");
    edit(&a, 5, 0, "!");
    CHECK(push(&pair, 0));
    pull(b.doc, a.doc);
    edit(&a, 6, 0, "?");
    CHECK(push(&pair, 0));
    settle(&pair, 1);
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 0);
    CHECK_INT(pair.strokes[0], 2);
    end();
}

TEST(strokes_that_are_known_in_part_are_refused)
{
    crdt_doc *c = replica(3);
    begin("hello");
    edit(&a, 5, 0, "!");
    pull(c, a.doc);
    edit(&a, 6, 0, "?");
    CHECK(push(&pair, 0));
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
    pull(b.doc, c);
    settle(&pair, 1);
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 1);
    CHECK(reads(&b, "hello!?"));
    edit(&a, 7, 0, "!"); /* in step again */
    CHECK(push(&pair, 0));
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
    end();
    done(c);
}

TEST(other_changes_go_between)
{
    crdt_obj other;
    begin("hello");
    edit(&a, 5, 0, "!");
    says("00 06 04 21");
    CHECK(!crdt_map_put_int(crdt_root(a.doc), CRDT_STR("n"), 1));
    edit(&a, 6, 0, "!");
    says_delta();
    edit(&a, 7, 0, "!");
    says("00 09 04 21");
    other = crdt_map_text(crdt_root(a.doc), CRDT_STR("other"));
    CHECK(!crdt_text_insert(other, CRDT_CHARS, 0, CRDT_STR("abc")));
    CHECK(!crdt_commit(a.doc));
    says_delta();
    CHECK(!crdt_text_insert(other, CRDT_CHARS, 3, CRDT_STR("d")));
    CHECK(!crdt_commit(a.doc));
    says("00 0e 04 64");
    edit(&a, 0, 1, ""); /* in the first text */
    says_delta();
    edit(&a, 0, 1, "");
    says("00 10 06 05");
    CHECK(!crdt_map_remove(crdt_root(a.doc), CRDT_STR("it")));
    CHECK(!crdt_commit(a.doc));
    says_delta();
    edit(&a, 0, 0, "new");
    says_delta();
    edit(&a, 3, 0, "er");
    CHECK(push(&pair, 0));
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
    end();
}

/* In a list the same is not said so. */
TEST(lists_have_no_strokes)
{
    crdt_obj list;
    size_t i;
    begin("hello");
    list = crdt_map_list(crdt_root(a.doc), CRDT_STR("list"));
    for (i = 0; i < 5; i++) {
        CHECK(!crdt_list_insert(list, i, crdt_int((int64_t)i)));
        CHECK(!crdt_commit(a.doc));
        CHECK(push(&pair, 0));
        CHECK_INT(next_frame(&pair, 0).kind, CRDTI_UPDATE);
        settle(&pair, 1);
    }
    end();
    CHECK_INT(pair.strokes[0], 0);
}

TEST(both_type_at_once)
{
    size_t i;
    begin("hello");
    edit(&b, 0, 0, "b");
    settle(&pair, 1);
    for (i = 0; i < 50; i++) {
        edit(&a, 6 + i / 2, 0, "a");
        edit(&b, 1 + i / 2, i % 5 == 4, "b");
        push(&pair, 0);
        push(&pair, 1);
        if (i % 7)
            continue;
        deliver(&pair, 0, SIZE_MAX);
        deliver(&pair, 1, SIZE_MAX);
    }
    end();
    CHECK(pair.strokes[0] > 10);
    CHECK(pair.strokes[1] > 10);
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 0);
}

TEST(both_type_in_turns)
{
    size_t i;
    begin("");
    for (i = 0; i < 40; i++) {
        const struct side *side = i % 2 ? &a : &b;
        edit(side, i, 0, i % 2 ? "a" : "b");
        CHECK(push(&pair, i % 2 ? 0 : 1));
        CHECK(is_settled(&pair));
    }
    end();
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 0);
}

/* What is typed here goes on, though strokes are told between. */
TEST(typing_goes_on_while_it_is_told)
{
    size_t i;
    begin("x");
    for (i = 0; i < 300; i++) {
        size_t at = 1 + i;
        CHECK(!crdt_text_insert(text_of(&a), CRDT_CHARS, at, CRDT_STR("k")));
        CHECK(!crdt_commit(a.doc));
        CHECK(push(&pair, 0));
        CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
        CHECK_INT(next_frame(&pair, 0).size, 11);
        deliver(&pair, 0, 1);
        CHECK(push(&pair, 1));
        deliver(&pair, 1, 1);
    }
    for (i = 0; i < 200; i++) {
        edit(&a, 300 - i, 1, "");
        CHECK(push(&pair, 0));
        CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
        deliver(&pair, 0, 1);
        CHECK(push(&pair, 1));
        deliver(&pair, 1, 1);
    }
    end();
    CHECK_INT(pair.strokes[0], 500);
}

/* Strokes come while one types without having committed. */
TEST(strokes_meet_what_is_not_committed)
{
    crdt_obj text;
    begin("hello");
    text = text_of(&b);
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 2, CRDT_STR("1")));
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 3, CRDT_STR("2")));
    edit(&a, 5, 0, "!");
    CHECK(push(&pair, 0));
    CHECK(deliver(&pair, 0, 1));
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 4, CRDT_STR("3")));
    edit(&a, 6, 0, "!");
    CHECK(push(&pair, 0));
    CHECK(deliver(&pair, 0, 1));
    CHECK(!crdt_commit(b.doc));
    CHECK(is_settled(&pair) && reads(&a, "he123llo!!"));
    CHECK_INT(pair.strokes[0], 2);
    end();
}

/* >>relays ---------------------------------------------------------------- */

TEST(strokes_are_passed_on_as_strokes)
{
    struct pair pairs[2];
    struct side c;
    size_t i;
    begin("hello");
    side_init(&c, replica(3));
    pairs[0] = pair;
    pair_up(&pairs[1], &b, &c);
    settle(pairs, 2);
    for (i = 0; i < 20; i++) {
        edit(&a, 5 + i, 0, "!");
        settle(pairs, 2);
    }
    CHECK_INT(pairs[0].strokes[0], 20);
    CHECK(pairs[1].strokes[0] >= 19);
    for (i = 0; i < 20; i++) {
        edit(&a, 0, 1, "");
        edit(&c, crdt_text_len(text_of(&c), CRDT_CHARS), 0, "c");
        settle(pairs, 2);
    }
    CHECK(same(a.doc, c.doc));
    pair = pairs[0];
    pair_down(&pairs[1]);
    side_free(&c);
    end();
}

/* In a ring everything comes twice. */
TEST(strokes_come_by_two_ways)
{
    struct pair pairs[3];
    struct side c;
    size_t i;
    begin("hello");
    side_init(&c, replica(3));
    pairs[0] = pair;
    pair_up(&pairs[1], &b, &c);
    pair_up(&pairs[2], &a, &c);
    settle(pairs, 3);
    for (i = 0; i < 30; i++) {
        edit(&a, 5 + i / 2, i % 4 == 3, "!");
        edit(i % 2 ? &b : &c, 0, 0, "?");
        push(&pairs[0], 0);
        push(&pairs[2], 0);
        deliver(&pairs[i % 2 ? 0 : 2], 0, 1);
        push(&pairs[1], 0);
        push(&pairs[1], 1);
        deliver(&pairs[1], i % 2, 1);
    }
    settle(pairs, 3);
    CHECK(same(a.doc, c.doc) && same(a.doc, b.doc));
    pair = pairs[0];
    pair_down(&pairs[1]);
    pair_down(&pairs[2]);
    side_free(&c);
    end();
}

/* >>refusals between ------------------------------------------------------ */

/* A delta that waits for our clock; strokes behind it do not wait. */
TEST(a_delta_is_held_back_before_strokes)
{
    begin("hello");
    replicas_now += 2 * CRDTSYNC_MAX_SKEW_MS;
    CHECK(!crdt_map_put_int(crdt_root(a.doc), CRDT_STR("n"), 1));
    edit(&a, 5, 0, "!");
    CHECK(push(&pair, 0));
    replicas_now -= 2 * CRDTSYNC_MAX_SKEW_MS;
    edit(&a, 6, 0, "!");
    CHECK(push(&pair, 0));
    CHECK(deliver(&pair, 0, 2));
    CHECK(track_of(&pair, 1)->held.len);
    CHECK_INT(pair.strokes[0], 1);
    CHECK(push(&pair, 1));
    CHECK(deliver(&pair, 1, SIZE_MAX));
    CHECK_INT(pair.answers[CRDT_ERR_AGAIN], 1);
    replicas_now += 2 * CRDTSYNC_MAX_SKEW_MS;
    CHECK(is_settled(&pair) && reads(&b, "hello!!"));
    edit(&a, 7, 0, "!");
    CHECK(push(&pair, 0));
    CHECK_INT(next_frame(&pair, 0).kind, CRDTI_STROKES);
    end();
}

/* Says to b what a session of a never would. */
static crdt_err hear(const void *payload, size_t len)
{
    crdti_frame frame;
    frame.kind = CRDTI_STROKES;
    frame.payload = crdt_bytes_of(payload, len);
    frame.size = 0;
    return crdti_session_hear(&pair.ends[1], &frame, sessions_now);
}

/* Then b says what it misses, and a begins anew. */
TEST(a_refusal_is_no_end)
{
    begin("hello");
    CHECK_INT(hear("\0\5\4!", 4), CRDT_OK); /* not behind 6 */
    CHECK(push(&pair, 1));
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 1);
    CHECK(reads(&b, "hello"));
    edit(&a, 5, 0, "!");
    settle(&pair, 1);
    CHECK(reads(&b, "hello!"));
    end();
}

/* What fits the trail, though it was said behind a delta that was refused. */
TEST(strokes_behind_what_was_refused_are_refused)
{
    crdt_doc *c = replica(3);
    crdt_vv since = CRDT_VV_INIT;
    crdt_buf payload = CRDT_BUF_INIT, message = CRDT_BUF_INIT;
    crdti_writer w;
    crdti_frame frame;
    begin("hello");
    CHECK(!crdt_map_put_int(crdt_root(c), CRDT_STR("n"), 1));
    CHECK(!crdt_commit(c));
    CHECK(!crdt_doc_vv(c, &since));
    CHECK(!crdt_map_put_int(crdt_root(c), CRDT_STR("n"), 2));
    CHECK(!crdt_commit(c));
    CHECK(!crdti_delta_put(c, &since, CRDTI_FOR_ALL, NULL, &payload));
    crdti_writer_init(&w, &message);
    crdti_put_varint(&w, 0);
    crdti_put_varint(&w, track_of(&pair, 1)->heard_id + 1);
    crdti_put_u8(&w, 0);
    crdti_put_raw(&w, crdt_buf_bytes(&payload));
    frame.kind = CRDTI_UPDATE;
    frame.payload = crdt_buf_bytes(&message);
    CHECK_INT(crdti_session_hear(&pair.ends[1], &frame, sessions_now),
              CRDT_OK);
    CHECK_INT(hear("\0\6\4!", 4), CRDT_OK);
    CHECK(push(&pair, 1));
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 2);
    CHECK(reads(&b, "hello"));
    crdt_buf_free(&payload);
    crdt_buf_free(&message);
    crdt_vv_free(&since);
    end();
    done(c);
}

TEST(strokes_without_a_delta_before_them_are_refused)
{
    begin("hello");
    pair_down(&pair);
    pair_up(&pair, &a, &b);
    settle(&pair, 1);
    CHECK_INT(hear("\0\6\4!", 4), CRDT_OK);
    CHECK(push(&pair, 1));
    CHECK_INT(pair.answers[CRDT_ERR_CAUSAL], 1);
    CHECK_INT(hear("\7\6\4!", 4), CRDT_OK); /* of no document */
    CHECK(!push(&pair, 1));
    edit(&a, 5, 0, "!");
    end();
}

/* >>what is no stroke -----------------------------------------------------
 * Strokes of replica 1 for a document that has all of `base`. */

enum { READER = 9 };
static crdt_buf base;
static uint64_t base_seq;

static crdt_obj other_text(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("other"));
}

/* a's document, with text of both, is what all begin with. */
static void base_make(void)
{
    begin("hello");
    edit(&b, 2, 0, E_ACUTE "BCD");
    settle(&pair, 1);
    CHECK(!crdt_text_insert(other_text(a.doc), CRDT_CHARS, 0, CRDT_STR("o")));
    edit(&a, 0, 0, SMILE);
    edit(&a, 5, 1, "");
    edit(&a, 0, 0, "xyz");
    CHECK(!crdt_delta(a.doc, NULL, &base));
    base_seq = a.doc->replicas.ptr[a.doc->self].seq;
}

static void base_free(void)
{
    crdt_buf_free(&base);
    memset(&base, 0, sizeof base);
    end();
}

struct reader {
    crdt_doc *doc;
    crdti_trail trail;
};

static struct reader reader_of(uint8_t number)
{
    struct reader x;
    crdt_id id = replica_id(1);
    x.doc = replica(number);
    CHECK(!crdt_join(x.doc, crdt_buf_bytes(&base)));
    crdti_trail_start(x.doc, crdti_replica_find(x.doc, &id), base_seq,
                      &x.trail);
    CHECK(x.trail.text != 0);
    return x;
}

static crdt_err join(struct reader *x, crdt_bytes strokes)
{
    crdti_reader r;
    crdti_reader_init(&r, strokes);
    return crdti_strokes_join(x->doc, &x->trail, &r);
}

/* All that the document says, and its digest behind it. */
static crdt_buf picture(crdt_doc *doc)
{
    crdt_buf out = CRDT_BUF_INIT;
    crdti_writer w;
    CHECK(!crdt_delta(doc, NULL, &out));
    CHECK(!crdt_canonical(doc, &out));
    crdti_writer_init(&w, &out);
    crdti_put_digest(&w, crdt_doc_digest(doc));
    return out;
}

/* Joined or not, the document can go on. */
static void check_outcome(struct reader *x, const crdt_buf *before,
                          const crdti_trail *trail, crdt_err err)
{
    crdt_doc *other = replica(READER + 1);
    crdt_buf after = picture(x->doc);
    CHECK(is_sound(x->doc));
    if (err) {
        CHECK(memcmp(&x->trail, trail, sizeof *trail) == 0);
        CHECK(
            crdt_bytes_equal(crdt_buf_bytes(before), crdt_buf_bytes(&after)));
    } else {
        pull(other, x->doc);
        CHECK(same(other, x->doc));
    }
    crdt_buf_free(&after);
    done(other);
}

static crdt_err attempt(crdt_bytes strokes)
{
    struct reader x = reader_of(READER);
    crdt_buf before = picture(x.doc);
    crdti_trail trail = x.trail;
    crdt_err err = join(&x, strokes);
    check_outcome(&x, &before, &trail, err);
    crdt_buf_free(&before);
    done(x.doc);
    return err;
}

/* What a writes behind `base`, told in strokes. */
static crdt_buf strokes_of_a(void)
{
    crdt_buf out = CRDT_BUF_INIT;
    crdti_trail trail;
    crdti_writer w;
    crdti_trail_start(a.doc, a.doc->self, base_seq, &trail);
    crdti_writer_init(&w, &out);
    CHECK(crdti_strokes_put(a.doc, &trail,
                            a.doc->replicas.ptr[a.doc->self].seq, &w));
    CHECK(out.len > 0);
    return out;
}

/* Cut anywhere, and with any other byte anywhere. */
static void vary(crdt_buf *strokes)
{
    size_t i, joined = 0;
    int byte;
    crdt_bytes all = crdt_buf_bytes(strokes);
    CHECK_INT(attempt(all), CRDT_OK);
    for (i = 0; i < all.len; i++) {
        uint8_t was = strokes->ptr[i];
        uint8_t *copy = (uint8_t *)malloc(i + 1);
        memcpy(copy, all.ptr, i);
        (void)attempt(crdt_bytes_of(copy, i));
        free(copy);
        for (byte = 0; byte < 256; byte++) {
            strokes->ptr[i] = (uint8_t)byte;
            joined += attempt(all) == CRDT_OK;
        }
        strokes->ptr[i] = was;
    }
    CHECK(joined > all.len);
    CHECK_INT(attempt(crdt_bytes_of(NULL, 0)), CRDT_ERR_TRUNCATED);
}

TEST(whatever_is_changed_is_refused_or_joined)
{
    crdt_obj text;
    crdt_buf strokes;
    base_make();
    text = text_of(&a);
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 3, CRDT_STR("12" E_ACUTE)));
    CHECK(!crdt_text_delete(text, CRDT_CHARS, 0, 2));
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR(SMILE)));
    CHECK(!crdt_commit(a.doc));
    strokes = strokes_of_a();
    vary(&strokes);
    crdt_buf_free(&strokes);
    base_free();
}

TEST(those_in_the_text_of_others_may_be_changed_too)
{
    crdt_obj text;
    crdt_buf strokes;
    base_make();
    text = text_of(&a);
    CHECK(!crdt_text_delete(text, CRDT_CHARS, 7, 1)); /* C, as a delta */
    CHECK(!crdt_commit(a.doc));
    crdt_buf_free(&base);
    CHECK(!crdt_delta(a.doc, NULL, &base));
    base_seq = a.doc->replicas.ptr[a.doc->self].seq;
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 7, CRDT_STR("+")));
    CHECK(!crdt_text_delete(text, CRDT_CHARS, 1, 3));
    CHECK(!crdt_commit(a.doc));
    strokes = strokes_of_a();
    vary(&strokes);
    crdt_buf_free(&strokes);
    base_free();
}

/* What has no form. The low byte of the trail's seq goes before it. */
static crdt_err try_raw(const char *strokes, size_t len)
{
    char room[600];
    room[0] = (char)base_seq;
    memcpy(room + 1, strokes, len);
    return attempt(crdt_bytes_of(room, len + 1));
}

static crdt_err try_hex(const char *hex)
{
    char room[100];
    size_t len = 0;
    unsigned byte;
    int used;
    for (; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
        room[len++] = (char)byte;
    return try_raw(room, len);
}

TEST(what_has_no_form_is_refused)
{
    char room[600];
    size_t len = 0;
    int i;
    base_make();
    CHECK_INT(try_hex("04 2e"), CRDT_OK);
    CHECK_INT(try_hex(""), CRDT_ERR_TRUNCATED);
    CHECK_INT(try_hex("00"), CRDT_ERR_CORRUPT);       /* TYPE 0 */
    CHECK_INT(try_hex("02 01"), CRDT_ERR_CORRUPT);    /* BACK 0 */
    CHECK_INT(try_hex("08 2e"), CRDT_ERR_TRUNCATED);  /* one byte of two */
    CHECK_INT(try_hex("84 00 2e"), CRDT_ERR_CORRUPT); /* too long a varint */
    CHECK_INT(try_hex("04 80"), CRDT_ERR_CORRUPT);    /* no UTF-8 */
    CHECK_INT(try_hex("04 c3"), CRDT_ERR_CORRUPT);
    CHECK_INT(try_hex("04 2e 04 2e"), CRDT_ERR_CORRUPT); /* TYPE twice */
    CHECK_INT(try_hex("06 01 04 2e"), CRDT_ERR_CORRUPT); /* behind others */
    CHECK_INT(try_hex("06 00"), CRDT_ERR_CORRUPT);       /* deletes none */
    CHECK_INT(try_hex("07 00"), CRDT_ERR_CORRUPT);
    CHECK_INT(try_hex("06 05"), CRDT_ERR_CORRUPT); /* not yet written */
    CHECK_INT(try_hex("05 05 00 2e"), CRDT_ERR_CORRUPT);
    CHECK_INT(try_hex("0b 01"), CRDT_ERR_CAUSAL); /* beyond it */
    CHECK_INT(try_hex("06 ff ff ff ff ff ff ff ff ff 01"), CRDT_ERR_CORRUPT);
    CHECK_INT(try_hex("07 fe ff ff ff ff ff ff ff ff 01"), CRDT_ERR_CORRUPT);
    CHECK_INT(try_hex("fe 03 01"), CRDT_ERR_CORRUPT); /* before the first */
    CHECK_INT(try_hex("fe 07 01"), CRDT_ERR_CORRUPT); /* BACK 255 */
    CHECK_INT(try_hex("82 08 01"), CRDT_ERR_CORRUPT); /* 256 */
    CHECK_INT(try_hex("fe ff ff ff ff ff ff ff ff 01 01"), CRDT_ERR_CORRUPT);
    for (i = 0; i < 16; i++, len += 2)
        memcpy(room + len, "\6\1", 2);
    CHECK_INT(try_raw(room, len), CRDT_OK); /* the same one again and again */
    memcpy(room + len, "\6\1", 2);
    CHECK_INT(try_raw(room, len + 2), CRDT_ERR_CORRUPT);
    base_free();
}

/* Origins as no typing has them: joined, and what comes of it can be told. */
TEST(strange_origins_do_no_harm)
{
    char hex[60];
    int left, right;
    base_make();
    for (left = 0; left < 60; left++)
        for (right = 0; right < 60; right++) {
            crdt_err err;
            sprintf(hex, "05 %02x %02x 2e", left, right);
            err = try_hex(hex);
            CHECK(!err || err == CRDT_ERR_CORRUPT || err == CRDT_ERR_CAUSAL);
        }
    base_free();
}

TEST(they_go_on_with_the_trail_or_not_at_all)
{
    crdt_buf all = CRDT_BUF_INIT;
    crdt_bytes dot;
    char bytes[3];
    struct reader x;
    base_make();
    bytes[0] = (char)base_seq;
    bytes[1] = 4;
    bytes[2] = '.';
    dot = crdt_bytes_of(bytes, 3);
    x = reader_of(READER);
    x.trail.text = 0;
    CHECK_INT(join(&x, dot), CRDT_ERR_CAUSAL); /* none */
    done(x.doc);
    x = reader_of(READER); /* of another text */
    x.trail.text = other_text(x.doc).index;
    CHECK_INT(join(&x, dot), CRDT_ERR_CAUSAL);
    x.trail.text = 0;
    done(x.doc);
    x = reader_of(READER); /* behind what is not there yet */
    x.trail.seq += 256;
    CHECK_INT(join(&x, dot), CRDT_ERR_CAUSAL);
    done(x.doc);
    edit(&a, 0, 0, "more"); /* it has more than that already */
    x = reader_of(READER);
    CHECK(!crdt_delta(a.doc, NULL, &all));
    CHECK(!crdt_join(x.doc, crdt_buf_bytes(&all)));
    CHECK_INT(join(&x, dot), CRDT_OK);
    CHECK_INT(x.trail.seq, base_seq + 1);
    CHECK_INT(join(&x, dot), CRDT_ERR_CAUSAL); /* not behind that */
    done(x.doc);
    crdt_buf_free(&all);
    base_free();
}

/* The replica is ours, and we did not write that. */
TEST(a_fork_is_seen)
{
    crdti_trail trail;
    crdti_reader r;
    char bytes[3];
    base_make();
    bytes[0] = (char)base_seq;
    bytes[1] = 4;
    bytes[2] = '.';
    crdti_trail_start(a.doc, a.doc->self, base_seq, &trail);
    crdti_reader_init(&r, crdt_bytes_of(bytes, 3));
    CHECK_INT(crdti_strokes_join(a.doc, &trail, &r), CRDT_ERR_FORK);
    CHECK_INT(trail.seq, base_seq);
    base_free();
}

/* Up to the last seq that there is, and not beyond. */
TEST(seqs_end)
{
    crdt_doc *doc = replica(1);
    struct reader x;
    char bytes[3] = { '\0', '\4', '.' };
    doc->written = doc->replicas.ptr[doc->self].seq = CRDTSYNC_MAX_SEQ - 3;
    CHECK(!crdt_text_insert(at_root(doc, CRDT_TEXT), CRDT_CHARS, 0,
                            CRDT_STR("x")));
    CHECK(!crdt_commit(doc));
    base_seq = CRDTSYNC_MAX_SEQ - 1;
    CHECK(!crdt_delta(doc, NULL, &base));
    x = reader_of(READER);
    bytes[0] = (char)base_seq;
    CHECK_INT(join(&x, crdt_bytes_of(bytes, 3)), CRDT_OK);
    bytes[0]++;
    CHECK_INT(join(&x, crdt_bytes_of(bytes, 3)), CRDT_ERR_LIMIT);
    CHECK_INT(x.trail.seq, CRDTSYNC_MAX_SEQ);
    done(x.doc);
    crdt_buf_free(&base);
    done(doc);
}

/* >>memory ---------------------------------------------------------------- */

static struct failing_alloc memory;

static crdt_doc *replica_in_memory(uint8_t number)
{
    static const crdt_clock clock = { 1, NULL, replicas_clock,
                                      replicas_clock };
    crdt_id id = replica_id(number);
    crdt_config config;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    config.clock = &clock;
    config.replica = &id;
    CHECK(!crdt_doc_new(&doc, &config));
    return doc;
}

/* As a node does: after an error the link is gone, and comes again. */
static void exchange(void)
{
    int from;
    for (from = 0; from < 2; from++) {
        push(&pair, from);
        deliver(&pair, from, SIZE_MAX);
    }
    if (!pair.err)
        return;
    CHECK_INT(pair.err, CRDT_ERR_NOMEM);
    pair_down(&pair);
    pair_up(&pair, &a, &b);
}

static void try_edit(const struct side *side, size_t at, size_t gone,
                     const char *utf8)
{
    crdt_obj text = text_of(side);
    size_t len = crdt_text_len(text, CRDT_CHARS);
    crdt_err err = crdt_text_replace(text, CRDT_CHARS, at < len ? at : len,
                                     gone, crdt_str(utf8));
    CHECK(!err || err == CRDT_ERR_NOMEM);
    CHECK(!crdt_commit(side->doc));
}

static void write_with_little_memory(void)
{
    size_t i;
    for (i = 0; i < 12; i++) {
        try_edit(&a, 5 + i, 0, i % 3 ? "a" : many(E_ACUTE, 40));
        if (i % 4 == 3)
            try_edit(&a, 2, 3, "");
        if (i % 5 == 4)
            try_edit(&b, 1, 1, "b");
        exchange();
    }
}

/* The n-th request of one of the two is refused; until none is. */
static uint64_t run_out(int whose)
{
    uint64_t strokes = 0;
    size_t n;
    int more = 1;
    for (n = 1; more && !test_failures_in_case; n++) {
        failing_alloc_init(&memory);
        side_init(&a, whose ? replica(1) : replica_in_memory(1));
        side_init(&b, whose ? replica_in_memory(2) : replica(2));
        pair_up(&pair, &a, &b);
        CHECK(is_settled(&pair));
        edit(&a, 0, 0, "hello");
        CHECK(is_settled(&pair));
        memory.fail_at = memory.requests + n;
        write_with_little_memory();
        more = memory.failures > 0;
        memory.fail_at = 0;
        strokes = pair.strokes[0];
        end();
        CHECK(failing_alloc_clean(&memory));
    }
    CHECK(n > 10);
    return strokes;
}

TEST(memory_runs_out_where_they_are_written)
{
    CHECK(run_out(0) > 8);
}

TEST(memory_runs_out_where_they_are_joined)
{
    CHECK(run_out(1) > 8);
}

/* >>events ---------------------------------------------------------------- */

static char steps[600];

static void on_patches(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                       size_t len)
{
    char *to = steps + strlen(steps);
    size_t i;
    (void)ctx;
    CHECK_INT(len, 1);
    CHECK_INT(patches->kind, CRDT_PATCH_TEXT);
    CHECK(!patches->is_local);
    CHECK_INT(patches->author.b[0], 1);
    CHECK_INT(patches->object.doc == doc, 1);
    for (i = 0; i < patches->steps_len; i++) {
        const crdt_step *step = &patches->steps[i];
        to += sprintf(to,
                      step->kind == CRDT_STEP_INSERT   ? "+%.*s "
                      : step->kind == CRDT_STEP_DELETE ? "-%d "
                                                       : "=%d ",
                      step->kind == CRDT_STEP_INSERT ? (int)step->text.len
                                                     : (int)step->chars,
                      (const char *)step->text.ptr);
    }
    strcpy(to, "; ");
}

TEST(a_watcher_is_told)
{
    begin("hello");
    CHECK(!crdt_doc_watch(b.doc, on_patches, NULL));
    edit(&a, 5, 0, "!");
    settle(&pair, 1);
    edit(&a, 1, 3, "");
    settle(&pair, 1);
    edit(&a, 1, 0, E_ACUTE);
    settle(&pair, 1);
    CHECK(!crdt_text_insert(text_of(&a), CRDT_CHARS, 0, CRDT_STR("ab")));
    CHECK(!crdt_text_delete(text_of(&a), CRDT_CHARS, 4, 1));
    CHECK(!crdt_commit(a.doc));
    settle(&pair, 1);
    CHECK_INT(pair.strokes[0], 4);
    CHECK_STR(steps, "=5 +! ; =1 -3 ; =1 +" E_ACUTE " ; +ab =2 -1 ; ");
    CHECK(!crdt_doc_watch(b.doc, NULL, NULL));
    end();
}

TEST_MAIN(CASE(each_kind_looks_like_this), CASE(the_example_is_right),
          CASE(one_commit_may_be_several_strokes),
          CASE(a_deletion_that_ends_in_what_is_typed_is_no_stroke),
          CASE(what_is_wide_goes_too),
          CASE(insertions_that_were_cut_go_in_one),
          CASE(in_the_text_of_others_it_is_told_from_the_cursor),
          CASE(a_deletion_across_insertions_is_a_stroke_each),
          CASE(a_deletion_of_what_was_joined_in_pieces),
          CASE(sixteen_strokes_go_at_once),
          CASE(a_stroke_types_or_deletes_255),
          CASE(strokes_that_are_known_are_joined),
          CASE(strokes_that_are_known_in_part_are_refused),
          CASE(other_changes_go_between), CASE(lists_have_no_strokes),
          CASE(both_type_at_once), CASE(both_type_in_turns),
          CASE(typing_goes_on_while_it_is_told),
          CASE(strokes_meet_what_is_not_committed),
          CASE(strokes_are_passed_on_as_strokes),
          CASE(strokes_come_by_two_ways),
          CASE(a_delta_is_held_back_before_strokes), CASE(a_refusal_is_no_end),
          CASE(strokes_behind_what_was_refused_are_refused),
          CASE(strokes_without_a_delta_before_them_are_refused),
          CASE(whatever_is_changed_is_refused_or_joined),
          CASE(those_in_the_text_of_others_may_be_changed_too),
          CASE(what_has_no_form_is_refused), CASE(strange_origins_do_no_harm),
          CASE(they_go_on_with_the_trail_or_not_at_all), CASE(a_fork_is_seen),
          CASE(seqs_end), CASE(memory_runs_out_where_they_are_written),
          CASE(memory_runs_out_where_they_are_joined), CASE(a_watcher_is_told))
