/*
 * Sections of texts that nobody honest writes, with which a few bytes are to
 * cost much: counted is what they cost, not how long they take.
 */
#include "../../src/wire.h"
#include "../../src/error.h"
#include "../build_delta.h"
#include "../test.h"

enum { MANY = 4000, HALF = MANY / 2 };

static void must(int holds)
{
    if (!holds)
        abort();
}

static const struct build_object objects[1] = {
    { 0, CRDT_TEXT, { (const uint8_t *)"t", 1 } }
};

/* A section while it is written. */
struct section {
    struct build_replica replicas[MANY + 4];
    size_t replicas_len, edits, outside, chars, runs;
    uint32_t cursor, target;
    crdt_buf heads, dead, out;
    crdti_writer w, dead_w;
};

static struct section s;

static void section_begin(size_t replicas, uint64_t top)
{
    size_t i;
    crdt_buf_free(&s.heads);
    crdt_buf_free(&s.dead);
    crdt_buf_free(&s.out);
    memset(&s, 0, sizeof s);
    crdti_writer_init(&s.w, &s.heads);
    crdti_writer_init(&s.dead_w, &s.dead);
    s.replicas_len = replicas;
    s.cursor = s.target = CRDTI_NO_CHAR;
    for (i = 0; i < replicas; i++) {
        s.replicas[i].id = build_id((uint32_t)i + 1);
        s.replicas[i].top = top;
    }
}

static void more(unsigned what)
{
    crdti_put_u8(&s.w, (uint8_t)(CRDTI_EDIT_MORE | what << 3));
}

static void author(uint64_t replica, int64_t gap)
{
    more(CRDTI_MORE_AUTHOR);
    crdti_put_varint(&s.w, replica);
    crdti_put_zigzag(&s.w, gap);
}

static void head(unsigned what, uint64_t len)
{
    uint64_t field = crdti_min(len - 1, CRDTI_EDIT_LONG);
    crdti_put_u8(&s.w, (uint8_t)(what | field << 3));
    if (field == CRDTI_EDIT_LONG)
        crdti_put_varint(&s.w, len - 1 - CRDTI_EDIT_LONG);
    s.edits++;
}

/* Inserts behind character `left`. */
static void insert(int64_t left, uint64_t len)
{
    uint32_t told = (uint32_t)left;
    unsigned what = crdti_edit_choice(s.cursor, s.target, told,
                                      CRDTI_INSERTION_EDIT, (uint32_t)len);
    head(what, len);
    if (what != CRDTI_EDIT_INSERT) {
        crdti_put_zigzag(&s.w, left - (int32_t)(what == CRDTI_EDIT_INSERT_AGAIN
                                                    ? s.target
                                                    : s.cursor));
        s.target = told;
    }
    s.chars += len;
    s.cursor = (uint32_t)s.chars - 1;
}

/* The right origin of the next: the end, a character, or one outside. */
static void right(uint64_t what)
{
    more(CRDTI_MORE_RIGHT);
    crdti_put_varint(&s.w, what);
}

static void right_outside(uint64_t replica, uint64_t back)
{
    right(2 * replica + 2);
    crdti_put_varint(&s.w, back);
    s.outside++;
}

static void outside(uint64_t replica, uint64_t back)
{
    more(CRDTI_MORE_OUTSIDE);
    crdti_put_varint(&s.w, replica);
    crdti_put_varint(&s.w, back);
    s.outside++;
}

/* The payload; all that was inserted and is not dead are "a"s. */
static crdt_bytes section_end(size_t dead)
{
    static uint8_t as[2 * MANY];
    struct build_delta d;
    crdti_writer w;
    memset(&d, 0, sizeof d);
    memset(as, 'a', sizeof as);
    d.flags = CRDTI_DELTA_SEQUENCES;
    d.replicas = s.replicas;
    d.replicas_len = s.replicas_len;
    d.objects = objects;
    d.objects_len = 1;
    build_payload(&d, &s.out);
    crdti_writer_init(&w, &s.out);
    crdti_put_varint(&w, 1); /* a section */
    crdti_put_varint(&w, 1); /* of object 1 */
    crdti_put_u8(&w, 0);
    crdti_put_varint(&w, s.edits);
    crdti_put_varint(&w, s.outside);
    crdti_put_raw(&w, crdt_buf_bytes(&s.heads));
    crdti_put_varint(&w, s.runs);
    crdti_put_raw(&w, crdt_buf_bytes(&s.dead));
    crdti_put_bytes(&w, crdt_bytes_of(as, s.chars - dead));
    return crdt_buf_bytes(&s.out);
}

static crdt_obj text_of(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("t"));
}

static crdt_doc *doc_new(void)
{
    crdt_config config;
    crdt_id id = build_id(1000000);
    crdt_doc *doc;
    memset(&config, 0, sizeof config);
    config.replica = &id;
    must(!crdt_doc_new(&doc, &config));
    return doc;
}

/* As crdti_delta_join; how many steps past other insertions it took. */
static size_t steps_of(crdt_doc *doc, crdt_bytes payload)
{
    crdti_reader r;
    crdti_delta delta;
    crdti_join j;
    int news;
    crdti_reader_init(&r, payload);
    must(crdti_arena_alloc(&doc->scratch, 1) != NULL);
    crdti_get_delta(&r, &doc->scratch, &delta);
    must(!r.err);
    must(!crdti_join_begin(&j, doc, &delta));
    must(!crdti_join_look(&j, &news) && news);
    must(!crdti_join_replicas(&j));
    must(!crdti_join_objects(&j));
    must(!crdti_join_contexts(&j, 0));
    must(!crdti_join_ops(&j));
    must(!crdti_graft_prepare(&j.graft));
    crdti_join_apply(&j);
    crdti_arena_free(&doc->scratch);
    return j.graft.steps;
}

/* Where nothing is yet, and where there is something. It may walk as far as
 * all that there is a few times, not for each edit. */
static void check_cost(crdt_doc *doc, size_t had)
{
    crdt_bytes payload = section_end(0);
    size_t steps = steps_of(doc, payload);
    CHECK(steps < 8 * (size_t)MANY);
    CHECK_INT(crdt_text_len(text_of(doc), CRDT_CHARS), had + s.chars);
}

static void check_both(void)
{
    crdt_doc *doc = doc_new();
    check_cost(doc, 0);
    crdt_doc_free(doc);
    crdt_buf_free(&s.out);
    doc = doc_new();
    crdt_text_insert(text_of(doc), CRDT_CHARS, 0, CRDT_STR("q"));
    REQUIRE(crdt_commit(doc) == CRDT_OK);
    check_cost(doc, 1);
    crdt_doc_free(doc);
}

TEST(all_at_the_beginning_by_one)
{
    int64_t i;
    section_begin(1, MANY + 10);
    author(0, 0);
    for (i = 0; i < MANY; i++) {
        if (i)
            right(0);
        insert(-1, 1);
    }
    check_both();
}

TEST(all_at_the_beginning_by_many)
{
    int64_t i;
    section_begin(MANY, 1);
    for (i = 0; i < MANY; i++) {
        author((uint64_t)(MANY - 1 - i), 0);
        if (i)
            right(0);
        insert(-1, 1);
    }
    check_both();
}

static int64_t some(int64_t i, int64_t below)
{
    return i * 7919 % below;
}

TEST(behind_any_and_before_the_end)
{
    int64_t i;
    section_begin(2, MANY);
    author(0, 0);
    insert(-1, HALF);
    author(1, 0);
    for (i = 0; i < HALF; i++) {
        int64_t left = some(i, HALF - 1);
        right(0);
        insert(left, 1);
    }
    check_both();
}

TEST(at_the_beginning_and_before_any)
{
    int64_t i;
    section_begin(2, MANY);
    author(0, 0);
    insert(-1, HALF);
    author(1, 0);
    for (i = 0; i < HALF; i++) {
        right((uint64_t)(2 * (1 + some(i, HALF - 1)) + 1));
        insert(-1, 1);
    }
    check_both();
}

/* >>beside what is there already ------------------------------------------ */

/* Two have typed by turns. */
static crdt_doc *pieces_doc(void)
{
    crdt_doc *doc = doc_new();
    int i;
    section_begin(2, MANY);
    for (i = 0; i < HALF; i++) {
        author((uint64_t)i % 2, 0);
        insert(i - 1, 1);
    }
    check_cost(doc, 0);
    return doc;
}

/* `count` more, who have all of the two. */
static void others_begin(size_t count, uint64_t top)
{
    section_begin(2 + count, top);
    s.replicas[0].base = s.replicas[0].top = MANY;
    s.replicas[1].base = s.replicas[1].top = MANY;
}

/* Each behind one of the first, before the last of the second. */
static void check_lefts(size_t count)
{
    crdt_doc *doc = pieces_doc();
    int64_t i;
    others_begin(count, count == 1 ? MANY : 1);
    for (i = 0; i < HALF; i++) {
        if (count > 1 || !i)
            author(count == 1 ? 2 : (uint64_t)i + 2, 0);
        right_outside(1, MANY - HALF / 2);
        outside(0, (uint64_t)(MANY - 1 - some(i, HALF / 2)));
        head(CRDTI_EDIT_INSERT_NEAR, 1);
        s.chars++;
    }
    check_cost(doc, HALF);
    crdt_doc_free(doc);
}

/* Each at the beginning, before one of the first. */
static void check_rights(size_t count)
{
    crdt_doc *doc = pieces_doc();
    int64_t i;
    others_begin(count, count == 1 ? MANY : 1);
    for (i = 0; i < HALF; i++) {
        if (count > 1 || !i)
            author(count == 1 ? 2 : (uint64_t)i + 2, 0);
        right_outside(0, (uint64_t)(MANY - 1 - some(i, HALF / 2)));
        insert(-1, 1);
    }
    check_cost(doc, HALF);
    crdt_doc_free(doc);
}

TEST(behind_any_outside)
{
    check_lefts(1);
    check_lefts(HALF);
}

TEST(before_any_outside)
{
    check_rights(1);
    check_rights(HALF);
}

/* >>one thing has one form ------------------------------------------------ */

static void begin_ten(void)
{
    section_begin(2, 20);
    author(0, 0);
    insert(-1, 10);
}

static void dead(uint64_t gap, uint64_t len)
{
    crdti_put_varint(&s.dead_w, gap);
    crdti_put_varint(&s.dead_w, len);
    s.runs++;
}

static crdt_err end_of(size_t dead_chars)
{
    crdt_doc *doc = doc_new();
    size_t at;
    crdt_err err = crdti_payload_join(doc, section_end(dead_chars), &at, NULL);
    crdt_doc_free(doc);
    return err;
}

/* An edit behind ten characters: the head `what`, and a number. */
static crdt_err told(unsigned what, uint64_t len, int64_t by)
{
    head(what, len);
    if (what != CRDTI_EDIT_INSERT && what != CRDTI_EDIT_BACK)
        crdti_put_zigzag(&s.w, by);
    s.chars += what <= CRDTI_EDIT_INSERT_AGAIN ? len : 0;
    return end_of(what <= CRDTI_EDIT_INSERT_AGAIN ? 0 : len);
}

TEST(a_target_is_told_in_one_way)
{
    static const struct {
        unsigned what;
        int64_t by;
        crdt_err err;
    } cases[] = {
        { CRDTI_EDIT_INSERT_NEAR, -2, CRDT_OK },
        { CRDTI_EDIT_INSERT_NEAR, 0, CRDT_ERR_CORRUPT },
        { CRDTI_EDIT_INSERT_NEAR, -8, CRDT_ERR_CORRUPT },
        { CRDTI_EDIT_INSERT_AGAIN, 2, CRDT_OK },
        { CRDTI_EDIT_INSERT_AGAIN, 8, CRDT_ERR_CORRUPT },
        { CRDTI_EDIT_INSERT_AGAIN, 10, CRDT_ERR_CORRUPT },
        { CRDTI_EDIT_BACK, 0, CRDT_OK },
        { CRDTI_EDIT_DELETE_NEAR, 0, CRDT_ERR_CORRUPT },
        { CRDTI_EDIT_BACK_NEAR, 0, CRDT_ERR_CORRUPT },
        { CRDTI_EDIT_DELETE_NEAR, -2, CRDT_OK },
        { CRDTI_EDIT_DELETE_AGAIN, 8, CRDT_ERR_CORRUPT },
        { CRDTI_EDIT_DELETE_AGAIN, 2, CRDT_OK },
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin_ten();
        CHECK_INT(told(cases[i].what, 1, cases[i].by), cases[i].err);
    }
}

TEST(what_is_told_before_an_edit_says_something)
{
    begin_ten();
    author(1, 0);
    CHECK_INT(told(CRDTI_EDIT_INSERT, 1, 0), CRDT_OK);
    begin_ten();
    author(0, 0);
    CHECK_INT(told(CRDTI_EDIT_INSERT, 1, 0), CRDT_ERR_CORRUPT);
    begin_ten();
    author(1, 0);
    author(0, 1);
    CHECK_INT(told(CRDTI_EDIT_INSERT, 1, 0), CRDT_ERR_CORRUPT);
    begin_ten();
    right(1);
    author(1, 0);
    CHECK_INT(told(CRDTI_EDIT_INSERT, 1, 0), CRDT_ERR_CORRUPT);
    begin_ten();
    right(0); /* as expected */
    CHECK_INT(told(CRDTI_EDIT_INSERT, 1, 0), CRDT_ERR_CORRUPT);
    begin_ten();
    right(1);
    CHECK_INT(told(CRDTI_EDIT_BACK, 1, 0), CRDT_ERR_CORRUPT);
}

TEST(what_is_dead_is_said_once)
{
    begin_ten();
    dead(2, 3);
    dead(1, 2);
    CHECK_INT(end_of(5), CRDT_OK);
    begin_ten();
    dead(2, 3);
    dead(0, 2);
    CHECK_INT(end_of(5), CRDT_ERR_CORRUPT);
    begin_ten();
    dead(7, 2);
    CHECK_INT(told(CRDTI_EDIT_BACK, 1, 0), CRDT_ERR_CORRUPT);
    begin_ten();
    head(CRDTI_EDIT_BACK, 2);
    dead(7, 1);
    CHECK_INT(end_of(3), CRDT_OK);
    begin_ten();
    head(CRDTI_EDIT_BACK, 2);
    dead(8, 1);
    CHECK_INT(end_of(2), CRDT_ERR_CORRUPT);
}

/* An allocator that knows the most there was at a time. */
static size_t live, most;

static void *count_resize(void *ctx, void *ptr, size_t old, size_t size)
{
    (void)ctx;
    live += size - old;
    most = live > most ? live : most;
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

/* A text, or no more than its head, of so many that are all dead. */
static crdt_err join_dead(uint64_t n)
{
    static const crdt_alloc counting = { 1, NULL, count_resize };
    crdt_config config;
    crdt_doc *doc;
    crdt_err err;
    size_t at;
    memset(&config, 0, sizeof config);
    config.alloc = &counting;
    must(!crdt_doc_new(&doc, &config));
    section_begin(1, n);
    author(0, 0);
    insert(-1, n);
    dead(0, n);
    err = crdti_payload_join(doc, section_end((size_t)n), &at, NULL);
    crdt_doc_free(doc);
    CHECK_INT(live, 0);
    return err;
}

TEST(fifty_bytes_cost_64_mib_and_no_more)
{
    CHECK_INT(join_dead(CRDTSYNC_MAX_DEAD - 1), CRDT_OK);
    CHECK_INT(join_dead(CRDTSYNC_MAX_DEAD), CRDT_OK);
    CHECK(most < (size_t)48 << 20);
    CHECK_INT(join_dead(CRDTSYNC_MAX_DEAD + 1), CRDT_ERR_LIMIT);
    CHECK_INT(join_dead(CRDTI_NAMES_MAX), CRDT_ERR_LIMIT);
    CHECK(most > (size_t)60 << 20 && most < (size_t)65 << 20);
    CHECK_INT(join_dead(CRDTI_NAMES_MAX + (uint64_t)1), CRDT_ERR_CORRUPT);
}

/* Of many such, each by another replica, a text takes what it has names for;
 * extents of an author's names are doubled, so the last ones may not fit. */
TEST(a_text_has_so_many_names_and_no_more)
{
    crdt_doc *doc = doc_new();
    crdt_err err = CRDT_OK;
    size_t at, joined = 0;
    while (!err && joined < 5) {
        section_begin(1, CRDTSYNC_MAX_DEAD);
        s.replicas[0].id = build_id((uint32_t)joined + 1);
        author(0, 0);
        insert(-1, CRDTSYNC_MAX_DEAD);
        dead(0, CRDTSYNC_MAX_DEAD);
        err =
            crdti_payload_join(doc, section_end(CRDTSYNC_MAX_DEAD), &at, NULL);
        joined += !err;
    }
    CHECK_INT(err, CRDT_ERR_LIMIT);
    CHECK_INT(joined, CRDTI_NAMES_MAX / CRDTSYNC_MAX_DEAD - 1);
    CHECK_INT(crdt_text_insert(text_of(doc), CRDT_CHARS, 0, CRDT_STR("q")),
              CRDT_OK);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(all_at_the_beginning_by_one),
          CASE(all_at_the_beginning_by_many),
          CASE(behind_any_and_before_the_end),
          CASE(at_the_beginning_and_before_any), CASE(behind_any_outside),
          CASE(before_any_outside), CASE(a_target_is_told_in_one_way),
          CASE(what_is_told_before_an_edit_says_something),
          CASE(what_is_dead_is_said_once),
          CASE(fifty_bytes_cost_64_mib_and_no_more),
          CASE(a_text_has_so_many_names_and_no_more))
