/*
 * Deltas and messages as JSON and back (codecs/crdtsync_readable.h): what was
 * written comes back byte for byte, whatever it is; what was not is refused,
 * and where.
 */
/* pkg-config: libcjson */
#define CRDTSYNC_IMPLEMENTATION
#include "../../crdtsync.h"
#include "../../codecs/crdtsync_readable.h"
#include "../failing_alloc.h"
#include "../test.h"

#define CHECK_ERR(got, want) CHECK_STR(crdt_err_name(got), #want)

/* >>documents ------------------------------------------------------------- */

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return UINT64_C(1700000000000);
}

static crdt_err fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, 7, len);
    return CRDT_OK;
}

static crdt_doc *replica_in(const crdt_alloc *alloc, int number)
{
    static const crdt_clock clock = { 1, NULL, now_ms, now_ms };
    static const crdt_random random = { 1, NULL, fill };
    crdt_config config;
    crdt_id id;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    memset(id.b, number, sizeof id.b);
    config.alloc = alloc;
    config.clock = &clock;
    config.random = &random;
    config.replica = &id;
    CHECK_ERR(crdt_doc_new(&doc, &config), CRDT_OK);
    return doc;
}

static crdt_doc *replica(int number)
{
    return replica_in(NULL, number);
}

static const struct {
    const char *ptr;
    size_t len;
} strings[] = { { "", 0 },
                { "plain", 5 },
                { "h\303\251llo \360\237\230\200", 11 },
                { "\"\\/\b\f\n\r\t\1\177", 10 },
                { "\0\1\377", 3 },
                { "\355\240\200", 3 },
                { "a\0b", 3 } };
enum { STRINGS = sizeof strings / sizeof *strings };

static crdt_value value_at(int i)
{
    static const double doubles[] = { 0.0, -0.0, 0.1, 1.0, 1e300, 5e-324 };
    static const int64_t ints[] = { 0,
                                    -1,
                                    INT64_C(9007199254740991),
                                    INT64_C(9007199254740992),
                                    -INT64_C(9007199254740993),
                                    INT64_MAX,
                                    INT64_MIN };
    if (i < 3)
        return i ? crdt_bool(i - 1) : crdt_null();
    if (i < 10)
        return crdt_int(ints[i - 3]);
    if (i < 16)
        return crdt_double(doubles[i - 10]);
    if (i < 19)
        return crdt_double(
            crdti_double_from(i == 16   ? UINT64_C(0x7ff8000000000000)
                              : i == 17 ? UINT64_C(0x7ff0000000000000)
                                        : UINT64_C(0xfff0000000000000)));
    if (i < 26)
        return crdt_time(ints[i - 19]);
    i -= 26;
    return i < STRINGS
               ? crdt_string(crdt_bytes_of(strings[i].ptr, strings[i].len))
               : crdt_blob(crdt_bytes_of(strings[i - STRINGS].ptr,
                                         strings[i - STRINGS].len));
}
enum { VALUES = 26 + 2 * STRINGS };

/* Types, rubs out, and goes back to where it was. */
static void scribble_text(crdt_obj text, int n)
{
    static const char *const words[] = { "plain", "h\303\251llo",
                                         "\360\237\230\200 " };
    size_t len = crdt_text_len(text, CRDT_CHARS), at = (size_t)n % (len + 1);
    int i;
    (void)crdt_text_insert(text, CRDT_CHARS, at, crdt_str(words[n % 3]));
    (void)crdt_text_insert(text, CRDT_CHARS, at + 2, CRDT_STR("\0"));
    (void)crdt_text_insert(text, CRDT_CHARS, len, CRDT_STR("end"));
    (void)crdt_text_delete(text, CRDT_CHARS, (size_t)n % (len + 2), 2);
    for (i = 0; i < n % 4; i++)
        (void)crdt_text_delete(text, CRDT_CHARS, len + 1 - (size_t)i, 1);
    (void)crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("first "));
}

/* Also in a map, a text and a list that are elements. */
static void scribble_list(crdt_obj list, int n)
{
    size_t len = crdt_list_len(list), at = (size_t)n % (len + 1);
    crdt_obj inner = crdt_list_insert_object(list, at,
                                             n % 2   ? CRDT_MAP
                                             : n % 4 ? CRDT_LIST
                                                     : CRDT_TEXT);
    (void)crdt_map_put(inner, CRDT_STR("in"), value_at(n % VALUES));
    (void)crdt_text_insert(inner, CRDT_CHARS, 0, CRDT_STR("typed"));
    (void)crdt_list_insert(inner, 0, crdt_int(n));
    (void)crdt_list_insert(list, 0, value_at(n % VALUES));
    (void)crdt_list_insert(list, 1, value_at((n + 5) % VALUES));
    (void)crdt_list_move(list, 1, len);
    (void)crdt_list_move(list, (size_t)n % (len + 2), 0);
    (void)crdt_list_set(list, at, crdt_int(-n));
    (void)crdt_list_delete(list, (size_t)n % (len + 2), 1);
}

/* Writes something into a container of any type; `n` varies it. */
static void scribble(crdt_obj obj, int n)
{
    crdt_id other;
    memset(other.b, n + 1, sizeof other.b);
    switch ((int)crdt_type_of(obj)) {
    case CRDT_MAP:
        (void)crdt_map_put(obj, CRDT_STR("in"), value_at(n % VALUES));
        break;
    case CRDT_REGISTER:
        (void)crdt_register_set(obj, value_at(n % VALUES));
        break;
    case CRDT_MAX:
        (void)crdt_max_set(obj, value_at(n % VALUES));
        break;
    case CRDT_MIN:
        (void)crdt_min_set(obj, value_at(n % VALUES));
        break;
    case CRDT_COUNTER:
    case CRDT_GCOUNTER:
        (void)crdt_counter_add(obj, n + 1);
        if (n % 3 == 2)
            (void)crdt_counter_reset(obj);
        break;
    case CRDT_BOUNDED:
        (void)crdt_bounded_add(obj, 3 * n + 1);
        (void)crdt_bounded_take(obj, n / 2);
        (void)crdt_bounded_transfer(obj, &other, n);
        break;
    case CRDT_EW_FLAG:
    case CRDT_DW_FLAG:
        (void)crdt_flag_set(obj, n & 1);
        break;
    case CRDT_TEXT:
        scribble_text(obj, n);
        break;
    case CRDT_LIST:
        scribble_list(obj, n);
        break;
    default:
        (void)crdt_set_add(obj, value_at(n % VALUES));
        (void)crdt_set_add(obj, value_at((n + 5) % VALUES));
        if (n % 3 == 2)
            (void)crdt_set_remove(obj, value_at(n % VALUES));
    }
}

/* Every type at a key of that name, and every value. */
static void write_all(crdt_doc *doc, int n)
{
    crdt_obj root = crdt_root(doc);
    int i;
    for (i = CRDT_MAP; i < CRDT_TYPE_COUNT; i++)
        scribble(crdt_map_object(root, crdt_str(crdt_type_name((crdt_type)i)),
                                 (crdt_type)i),
                 n + i);
    scribble_text(crdt_map_text(root, CRDT_STR("another text")), n);
    for (i = 0; i < VALUES; i++) {
        uint8_t key = (uint8_t)(i * 9);
        (void)crdt_map_put(root, crdt_bytes_of(&key, 1), value_at(i));
    }
    (void)crdt_commit(doc);
}

static void join(crdt_doc *to, crdt_doc *from)
{
    crdt_buf delta = CRDT_BUF_INIT;
    CHECK_ERR(crdt_delta(from, NULL, &delta), CRDT_OK);
    CHECK_ERR(crdt_join(to, crdt_buf_bytes(&delta)), CRDT_OK);
    crdt_buf_free(&delta);
}

/* >>there and back -------------------------------------------------------- */

static int comes_back(crdt_bytes binary)
{
    crdt_buf json = CRDT_BUF_INIT, again = CRDT_BUF_INIT;
    size_t fault = 0;
    int same;
    CHECK_ERR(crdt_readable_write(binary, &json), CRDT_OK);
    CHECK_ERR(crdt_readable_read(crdt_buf_bytes(&json), &again, &fault),
              CRDT_OK);
    same = crdt_bytes_equal(crdt_buf_bytes(&again), binary);
    if (!same)
        printf("at %d: %.*s\n", (int)fault, (int)json.len,
               (const char *)json.ptr);
    crdt_buf_free(&json);
    crdt_buf_free(&again);
    return same;
}

static int delta_comes_back(crdt_doc *doc, const crdt_vv *since)
{
    crdt_buf delta = CRDT_BUF_INIT;
    int same;
    CHECK_ERR(crdt_delta(doc, since, &delta), CRDT_OK);
    same = comes_back(crdt_buf_bytes(&delta));
    crdt_buf_free(&delta);
    return same;
}

TEST(deltas_come_back)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_vv since = CRDT_VV_INIT;
    crdt_buf canonical = CRDT_BUF_INIT;
    int round;
    CHECK(delta_comes_back(a, NULL));
    for (round = 0; round < 40; round++) {
        CHECK_ERR(crdt_doc_vv(a, &since), CRDT_OK);
        write_all(a, round);
        write_all(b, round + 7);
        if (round % 5 == 4)
            CHECK_ERR(crdt_map_remove(crdt_root(b), CRDT_STR("map")), CRDT_OK);
        CHECK_ERR(crdt_commit(b), CRDT_OK);
        join(a, b);
        CHECK(delta_comes_back(a, &since));
        CHECK(delta_comes_back(a, NULL));
        join(b, a);
        CHECK(delta_comes_back(b, NULL));
        if (round % 10 == 9)
            CHECK_ERR(crdt_truncate(a, &since), CRDT_OK);
    }
    CHECK(delta_comes_back(a, NULL));
    CHECK_ERR(crdt_canonical(a, &canonical), CRDT_OK);
    CHECK(comes_back(crdt_buf_bytes(&canonical)));
    crdt_buf_free(&canonical);
    crdt_vv_free(&since);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* >>exact text ------------------------------------------------------------ */

#define ONES "01010101010101010101010101010101"
#define TWOS "02020202020202020202020202020202"

static void check_text(crdt_bytes binary, const char *want)
{
    crdt_buf json = CRDT_BUF_INIT;
    CHECK_ERR(crdt_readable_write(binary, &json), CRDT_OK);
    if (!crdt_bytes_equal(crdt_buf_bytes(&json), crdt_str(want))) {
        test_failures_in_case++;
        printf("it says: %.*s", (int)json.len, (const char *)json.ptr);
    }
    crdt_buf_free(&json);
    CHECK(comes_back(binary));
}

static void check_delta(crdt_doc *doc, const crdt_vv *since, const char *want)
{
    crdt_buf delta = CRDT_BUF_INIT;
    CHECK_ERR(crdt_commit(doc), CRDT_OK);
    CHECK_ERR(crdt_delta(doc, since, &delta), CRDT_OK);
    check_text(crdt_buf_bytes(&delta), want);
    crdt_buf_free(&delta);
}

TEST(a_delta_reads_like_this)
{
    crdt_doc *doc = replica(1);
    crdt_obj photo = crdt_map_map(crdt_root(doc), CRDT_STR("photo"));
    CHECK_ERR(crdt_map_put_int(photo, CRDT_STR("size"), 48213), CRDT_OK);
    CHECK_ERR(crdt_counter_add(crdt_map_counter(photo, CRDT_STR("views")), 1),
              CRDT_OK);
    CHECK_ERR(crdt_map_put_int(photo, CRDT_STR("size"), 300), CRDT_OK);
    check_delta(
        doc, NULL,
        "{\"crdtsync\": 1, \"delta\": {\n"
        "  \"top\": {\n"
        "    \"" ONES "\": 5},\n"
        "  \"objects\": [\n"
        "    {\"id\": 1, \"parent\": 0, \"type\": \"map\", "
        "\"key\": \"photo\"},\n"
        "    {\"id\": 2, \"parent\": 1, \"type\": \"counter\", "
        "\"key\": \"views\"}],\n"
        "  \"ops\": [\n"
        "    {\"dot\": \"" ONES ".1\", \"object\": 0, \"kind\": \"create\", "
        "\"key\": \"photo\", \"stamp\": [1700000000000, 0], "
        "\"type\": \"map\"},\n"
        "    {\"dot\": \"" ONES ".3\", \"object\": 1, \"kind\": \"create\", "
        "\"key\": \"views\", \"stamp\": [1700000000000, 2], "
        "\"type\": \"counter\"},\n"
        "    {\"dot\": \"" ONES ".4\", \"object\": 2, \"kind\": \"add\", "
        "\"total\": [1, 0]},\n"
        "    {\"dot\": \"" ONES ".5\", \"object\": 1, \"kind\": \"value\", "
        "\"key\": \"size\", \"stamp\": [1700000000000, 3], "
        "\"value\": 300, \"kills\": {\"" ONES "\": 2}}]}}\n");
    crdt_doc_free(doc);
}

TEST(base_voids_and_elements_read_like_this)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_vv since = CRDT_VV_INIT;
    crdt_obj set, count;
    CHECK_ERR(crdt_counter_add(crdt_map_counter(crdt_root(a), CRDT_STR("n")),
                               INT64_MAX),
              CRDT_OK);
    CHECK_ERR(crdt_commit(a), CRDT_OK);
    join(b, a);
    CHECK_ERR(crdt_doc_vv(b, &since), CRDT_OK);
    set = crdt_map_object(crdt_root(b), CRDT_STR("s"), CRDT_AW_SET);
    CHECK_ERR(crdt_set_add(set, crdt_time(INT64_MIN)), CRDT_OK);
    CHECK_ERR(crdt_set_add(set, crdt_null()), CRDT_OK);
    CHECK_ERR(crdt_set_remove(set, crdt_null()), CRDT_OK);
    count = crdt_map_find(crdt_root(b), CRDT_STR("n"), CRDT_COUNTER);
    CHECK_ERR(crdt_counter_reset(count), CRDT_OK);
    check_delta(
        b, &since,
        "{\"crdtsync\": 1, \"delta\": {\n"
        "  \"top\": {\n"
        "    \"" ONES "\": 2,\n"
        "    \"" TWOS "\": 5},\n"
        "  \"base\": {\n"
        "    \"" ONES "\": 2},\n"
        "  \"objects\": [\n"
        "    {\"id\": 1, \"parent\": 0, \"type\": \"aw-set\", "
        "\"key\": \"s\"},\n"
        "    {\"id\": 2, \"parent\": 0, \"type\": \"counter\", "
        "\"key\": \"n\"}],\n"
        "  \"ops\": [\n"
        "    {\"dot\": \"" TWOS ".1\", \"object\": 0, \"kind\": \"create\", "
        "\"key\": \"s\", \"stamp\": [1700000000000, 1], "
        "\"type\": \"aw-set\"},\n"
        "    {\"dot\": \"" TWOS ".2\", \"object\": 1, \"kind\": \"in\", "
        "\"key\": {\"$time\": \"-9223372036854775808\"}},\n"
        "    {\"dot\": \"" TWOS ".4\", \"object\": 1, \"kind\": \"remove\", "
        "\"key\": null, \"kills\": {\"" TWOS "\": 3}},\n"
        "    {\"dot\": \"" TWOS ".5\", \"object\": 2, \"kind\": \"reset\", "
        "\"voids\": {\"" ONES "\": [\"9223372036854775807\", 0]}}]}}\n");
    crdt_vv_free(&since);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

static crdt_obj note(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("note"));
}

/* Of "hello" two make "help?" and "hello!" at once; then all of it goes, but
 * for a third. */
TEST(texts_read_like_this)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_vv since = CRDT_VV_INIT;
    CHECK_ERR(crdt_text_insert(note(a), CRDT_CHARS, 0, CRDT_STR("helo")),
              CRDT_OK);
    CHECK_ERR(crdt_text_insert(note(a), CRDT_CHARS, 2, CRDT_STR("l")),
              CRDT_OK);
    CHECK_ERR(crdt_commit(a), CRDT_OK);
    join(b, a);
    CHECK_ERR(crdt_doc_vv(a, &since), CRDT_OK);
    CHECK_ERR(crdt_text_insert(note(a), CRDT_CHARS, 5, CRDT_STR("!?")),
              CRDT_OK);
    CHECK_ERR(crdt_text_delete(note(a), CRDT_CHARS, 6, 1), CRDT_OK);
    CHECK_ERR(crdt_text_delete(note(b), CRDT_CHARS, 3, 2), CRDT_OK);
    CHECK_ERR(crdt_text_insert(note(b), CRDT_CHARS, 3, CRDT_STR("p?")),
              CRDT_OK);
    CHECK_ERR(crdt_commit(b), CRDT_OK);
    CHECK_ERR(crdt_map_remove(crdt_root(a), CRDT_STR("note")), CRDT_OK);
    CHECK_ERR(crdt_commit(a), CRDT_OK);
    join(b, a);
    check_delta(b, &since,
                "{\"crdtsync\": 1, \"delta\": {\n"
                "  \"top\": {\n"
                "    \"" ONES "\": 10,\n"
                "    \"" TWOS "\": 4},\n"
                "  \"base\": {\n"
                "    \"" ONES "\": 6},\n"
                "  \"objects\": [\n"
                "    {\"id\": 1, \"parent\": 0, \"type\": \"text\", "
                "\"key\": \"note\"}],\n"
                "  \"ops\": [\n"
                "    {\"dot\": \"" ONES ".10\", \"object\": 0, \"kind\": "
                "\"remove\", \"key\": \"note\", \"kills\": {\"" ONES
                "\": 7}}],\n"
                "  \"sequences\": [\n"
                "    {\"object\": 1, \"edits\": [\n"
                "      {\"dot\": \"" ONES ".7\", \"kind\": \"insert\", "
                "\"length\": 2, \"name\": 0, \"left\": \"" ONES ".5\", "
                "\"right\": null},\n"
                "      {\"dot\": \"" ONES ".9\", \"kind\": \"backspace\", "
                "\"length\": 1, \"target\": 1},\n"
                "      {\"dot\": \"" TWOS ".1\", \"kind\": \"delete\", "
                "\"length\": 2, \"target\": \"" ONES ".4\"},\n"
                "      {\"dot\": \"" TWOS ".3\", \"kind\": \"insert\", "
                "\"length\": 2, \"name\": 2, \"left\": \"" ONES ".6\", "
                "\"right\": \"" ONES ".4\", \"text\": \"p?\"}], "
                "\"dead\": [[0, 1]]}]}}\n");
    crdt_vv_free(&since);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* The canonical form: what is there, in the order of the text. */
TEST(a_layout_reads_like_this)
{
    crdt_doc *doc = replica(1);
    crdt_buf canonical = CRDT_BUF_INIT;
    CHECK_ERR(crdt_text_insert(note(doc), CRDT_CHARS, 0, CRDT_STR("helo")),
              CRDT_OK);
    CHECK_ERR(crdt_text_insert(note(doc), CRDT_CHARS, 2, CRDT_STR("l")),
              CRDT_OK);
    CHECK_ERR(crdt_commit(doc), CRDT_OK);
    CHECK_ERR(crdt_canonical(doc, &canonical), CRDT_OK);
    check_text(crdt_buf_bytes(&canonical),
               "{\"crdtsync\": 1, \"delta\": {\n"
               "  \"top\": {\n"
               "    \"" ONES "\": 6},\n"
               "  \"objects\": [\n"
               "    {\"id\": 1, \"parent\": 0, \"type\": \"text\", "
               "\"key\": \"note\"}],\n"
               "  \"ops\": [\n"
               "    {\"dot\": \"" ONES ".1\", \"object\": 0, \"kind\": "
               "\"create\", \"key\": \"note\", \"stamp\": "
               "[1700000000000, 0], \"type\": \"text\"}],\n"
               "  \"sequences\": [\n"
               "    {\"object\": 1, \"laid_out\": true, \"edits\": [\n"
               "      {\"dot\": \"" ONES ".2\", \"kind\": \"insert\", "
               "\"length\": 2, \"name\": 0, "
               "\"text\": \"he\"},\n"
               "      {\"dot\": \"" ONES ".6\", \"kind\": \"insert\", "
               "\"length\": 1, \"name\": 2, "
               "\"text\": \"l\"},\n"
               "      {\"dot\": \"" ONES ".4\", \"kind\": \"insert\", "
               "\"length\": 2, \"name\": 3, "
               "\"text\": \"lo\"}]}]}}\n");
    crdt_buf_free(&canonical);
    crdt_doc_free(doc);
}

static crdt_obj todo(crdt_doc *doc)
{
    return crdt_map_list(crdt_root(doc), CRDT_STR("todo"));
}

/* Of [1, {"x": 2}] one makes [{"x": 3}, 1, 4], another deletes the 1. */
TEST(lists_read_like_this)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_vv since = CRDT_VV_INIT;
    crdt_obj map;
    CHECK_ERR(crdt_list_insert(todo(a), 0, crdt_int(1)), CRDT_OK);
    map = crdt_list_insert_object(todo(a), 1, CRDT_MAP);
    CHECK_ERR(crdt_map_put_int(map, CRDT_STR("x"), 2), CRDT_OK);
    CHECK_ERR(crdt_commit(a), CRDT_OK);
    join(b, a);
    CHECK_ERR(crdt_doc_vv(a, &since), CRDT_OK);
    CHECK_ERR(crdt_list_move(todo(a), 1, 0), CRDT_OK);
    CHECK_ERR(crdt_list_insert(todo(a), 2, crdt_int(4)), CRDT_OK);
    CHECK_ERR(crdt_map_put_int(map, CRDT_STR("x"), 3), CRDT_OK);
    CHECK_ERR(crdt_commit(a), CRDT_OK);
    CHECK_ERR(crdt_list_delete(todo(b), 0, 1), CRDT_OK);
    CHECK_ERR(crdt_commit(b), CRDT_OK);
    join(a, b);
    check_delta(
        a, &since,
        "{\"crdtsync\": 1, \"delta\": {\n"
        "  \"top\": {\n"
        "    \"" ONES "\": 7,\n"
        "    \"" TWOS "\": 1},\n"
        "  \"base\": {\n"
        "    \"" ONES "\": 4},\n"
        "  \"objects\": [\n"
        "    {\"id\": 1, \"parent\": 0, \"type\": \"list\", "
        "\"key\": \"todo\"},\n"
        "    {\"id\": 2, \"parent\": 1, \"type\": \"map\", "
        "\"key\": \"" ONES ".3\"}],\n"
        "  \"ops\": [\n"
        "    {\"dot\": \"" ONES ".5\", \"object\": 1, \"kind\": \"move\", "
        "\"key\": {\"moves\": \"" ONES ".3\"}, "
        "\"stamp\": [1700000000000, 4]},\n"
        "    {\"dot\": \"" ONES ".6\", \"object\": 1, \"kind\": \"value\", "
        "\"stamp\": [1700000000000, 5], \"value\": 4},\n"
        "    {\"dot\": \"" ONES ".7\", \"object\": 2, \"kind\": \"value\", "
        "\"key\": \"x\", \"stamp\": [1700000000000, 6], \"value\": 3, "
        "\"kills\": {\"" ONES "\": 4}},\n"
        "    {\"dot\": \"" TWOS ".1\", \"object\": 1, \"kind\": \"remove\", "
        "\"key\": \"" ONES ".2\", \"kills\": {\"" ONES "\": 2}}],\n"
        "  \"sequences\": [\n"
        "    {\"object\": 1, \"edits\": [\n"
        "      {\"dot\": \"" ONES ".5\", \"kind\": \"insert\", "
        "\"length\": 1, \"name\": 0, \"left\": null, "
        "\"right\": \"" ONES ".2\"},\n"
        "      {\"dot\": \"" ONES ".6\", \"kind\": \"insert\", "
        "\"length\": 1, \"name\": 1, \"left\": \"" ONES ".2\", "
        "\"right\": \"" ONES ".3\"}]}]}}\n");
    crdt_vv_free(&since);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

/* What is told of a move that goes with its element. */
TEST(removed_moves_read_like_this)
{
    crdt_doc *doc = replica(1);
    crdt_vv since = CRDT_VV_INIT;
    int i;
    for (i = 0; i < 3; i++)
        CHECK_ERR(crdt_list_insert(todo(doc), (size_t)i, crdt_int(i)),
                  CRDT_OK);
    CHECK_ERR(crdt_list_move(todo(doc), 0, 2), CRDT_OK);
    CHECK_ERR(crdt_list_move(todo(doc), 0, 2), CRDT_OK);
    CHECK_ERR(crdt_commit(doc), CRDT_OK);
    CHECK_ERR(crdt_doc_vv(doc, &since), CRDT_OK);
    CHECK_ERR(crdt_list_delete(todo(doc), 2, 1), CRDT_OK);
    check_delta(
        doc, &since,
        "{\"crdtsync\": 1, \"delta\": {\n"
        "  \"top\": {\n"
        "    \"" ONES "\": 8},\n"
        "  \"base\": {\n"
        "    \"" ONES "\": 6},\n"
        "  \"objects\": [\n"
        "    {\"id\": 1, \"parent\": 0, \"type\": \"list\", "
        "\"key\": \"todo\"}],\n"
        "  \"ops\": [\n"
        "    {\"dot\": \"" ONES ".7\", \"object\": 1, \"kind\": \"remove\", "
        "\"key\": \"" ONES ".3\", \"kills\": {\"" ONES "\": 3}},\n"
        "    {\"dot\": \"" ONES ".8\", \"object\": 1, \"kind\": \"remove\", "
        "\"key\": {\"moves\": \"" ONES ".3\"}, "
        "\"kills\": {\"" ONES "\": 6}}]}}\n");
    crdt_vv_free(&since);
    crdt_doc_free(doc);
}

/* The canonical form: the places of what is there, in the order of the list. */
TEST(a_layout_of_a_list_reads_like_this)
{
    crdt_doc *doc = replica(1);
    crdt_buf canonical = CRDT_BUF_INIT;
    int i;
    for (i = 0; i < 3; i++)
        CHECK_ERR(crdt_list_insert(todo(doc), (size_t)i / 2, crdt_int(i)),
                  CRDT_OK);
    CHECK_ERR(crdt_list_delete(todo(doc), 0, 1), CRDT_OK);
    CHECK_ERR(crdt_commit(doc), CRDT_OK);
    CHECK_ERR(crdt_canonical(doc, &canonical), CRDT_OK);
    check_text(
        crdt_buf_bytes(&canonical),
        "{\"crdtsync\": 1, \"delta\": {\n"
        "  \"top\": {\n"
        "    \"" ONES "\": 5},\n"
        "  \"objects\": [\n"
        "    {\"id\": 1, \"parent\": 0, \"type\": \"list\", "
        "\"key\": \"todo\"}],\n"
        "  \"ops\": [\n"
        "    {\"dot\": \"" ONES ".1\", \"object\": 0, \"kind\": \"create\", "
        "\"key\": \"todo\", \"stamp\": [1700000000000, 0], "
        "\"type\": \"list\"},\n"
        "    {\"dot\": \"" ONES ".2\", \"object\": 1, \"kind\": \"value\", "
        "\"stamp\": [1700000000000, 1], \"value\": 0},\n"
        "    {\"dot\": \"" ONES ".4\", \"object\": 1, \"kind\": \"value\", "
        "\"stamp\": [1700000000000, 3], \"value\": 2}],\n"
        "  \"sequences\": [\n"
        "    {\"object\": 1, \"laid_out\": true, \"edits\": [\n"
        "      {\"dot\": \"" ONES ".4\", \"kind\": \"insert\", "
        "\"length\": 1, \"name\": 0},\n"
        "      {\"dot\": \"" ONES ".2\", \"kind\": \"insert\", "
        "\"length\": 1, \"name\": 1}]}]}}\n");
    crdt_buf_free(&canonical);
    crdt_doc_free(doc);
}

/* >>messages -------------------------------------------------------------- */

/* A frame under way: fields are put, then it is checked and emptied. */
struct message {
    crdt_buf buf;
    crdti_writer w;
};

static void message_init(struct message *m)
{
    memset(m, 0, sizeof *m);
    crdti_writer_init(&m->w, &m->buf);
}

static crdt_bytes message_end(struct message *m, int kind)
{
    crdti_frame_wrap(&m->w, (uint8_t)kind, 0);
    CHECK_ERR(m->w.err, CRDT_OK);
    return crdt_buf_bytes(&m->buf);
}

static void check_message(struct message *m, int kind, const char *want)
{
    check_text(message_end(m, kind), want);
    m->buf.len = 0;
}

static void put_hello(struct message *m)
{
    crdti_hello hello;
    memset(&hello, 0, sizeof hello);
    memset(hello.node.b, 2, 16);
    hello.oldest = 1;
    hello.newest = 3;
    hello.nonce = UINT64_MAX;
    hello.heard = 7;
    hello.can = 11;
    hello.frame_max = UINT64_C(9007199254740992);
    hello.window = 1200;
    hello.docs = 2;
    hello.docs_heard = 1;
    hello.name = CRDT_STR("kitchen");
    crdti_put_hello(&m->w, &hello);
}

TEST(a_hello_reads_like_this)
{
    struct message m;
    message_init(&m);
    put_hello(&m);
    check_message(&m, CRDTI_HELLO,
                  "{\"crdtsync\": 1, \"hello\": {\"oldest\": 1, "
                  "\"newest\": 3, \"node\": \"" TWOS "\", "
                  "\"nonce\": \"18446744073709551615\", \"heard\": 7, "
                  "\"can\": 11, \"frame_max\": \"9007199254740992\", "
                  "\"window\": 1200, \"documents\": 2, "
                  "\"documents_heard\": 1, \"name\": \"kitchen\"}}\n");
    put_hello(&m);
    crdti_put_raw(&m.w, CRDT_STR("more"));
    CHECK(comes_back(message_end(&m, CRDTI_HELLO)));
    m.buf.len = 0;
    crdti_put_varint(&m.w, 3);
    crdti_put_bytes(&m.w, CRDT_STR("photos"));
    crdti_put_u64le(&m.w, 5);
    crdti_put_bytes(&m.w, CRDT_STR("\377\0"));
    crdti_put_u64le(&m.w, UINT64_MAX);
    check_message(&m, CRDTI_DOCS,
                  "{\"crdtsync\": 1, \"docs\": {\"first\": 3, "
                  "\"documents\": [\n"
                  "    {\"name\": \"photos\", \"print\": 5},\n"
                  "    {\"name\": {\"$string\": \"/wA=\"}, "
                  "\"print\": \"18446744073709551615\"}]}}\n");
    crdt_buf_free(&m.buf);
}

TEST(states_and_digests_read_like_this)
{
    static const crdt_digest digest = { UINT64_C(0x0123456789abcdef),
                                        UINT64_C(0xf0e1d2c3b4a59687) };
    crdt_vv vv = CRDT_VV_INIT;
    struct message m;
    crdt_id id;
    message_init(&m);
    memset(id.b, 1, sizeof id.b);
    CHECK_ERR(crdt_vv_set(&vv, &id, 7), CRDT_OK);
    memset(id.b, 2, sizeof id.b);
    CHECK_ERR(crdt_vv_set(&vv, &id, CRDTSYNC_MAX_SEQ), CRDT_OK);
    crdti_put_varint(&m.w, 3);
    crdti_put_u8(&m.w, 1);
    crdti_put_digest(&m.w, digest);
    crdti_put_vv(&m.w, &vv);
    check_message(&m, CRDTI_STATE,
                  "{\"crdtsync\": 1, \"state\": {\"document\": 3, "
                  "\"asks\": true, "
                  "\"digest\": \"0123456789abcdeff0e1d2c3b4a59687\", "
                  "\"vector\": {\n    \"" ONES "\": 7,\n    \"" TWOS "\": "
                  "\"4611686018427387904\"}}}\n");
    crdti_put_varint(&m.w, 0);
    crdti_put_u64le(&m.w, 9);
    check_message(&m, CRDTI_DIGEST,
                  "{\"crdtsync\": 1, \"digest\": {\"document\": 0, "
                  "\"print\": 9}}\n");
    crdti_put_varint(&m.w, 0);
    crdti_put_vv(&m.w, &vv);
    check_message(&m, CRDTI_HAVE,
                  "{\"crdtsync\": 1, \"have\": {\"document\": 0, "
                  "\"vector\": {\n    \"" ONES "\": 7,\n    \"" TWOS "\": "
                  "\"4611686018427387904\"}}}\n");
    crdt_vv_free(&vv);
    crdt_buf_free(&m.buf);
}

/* An UPDATE of all that is in the document. */
static void put_update(struct message *m, crdt_doc *doc, uint64_t id,
                       uint8_t how)
{
    crdti_put_varint(&m->w, 0);
    crdti_put_varint(&m->w, id);
    crdti_put_u8(&m->w, how);
    CHECK_ERR(crdti_delta_put(doc, NULL, CRDTI_FOR_ALL, NULL, &m->buf),
              CRDT_OK);
}

TEST(updates_and_pieces_read_like_this)
{
    crdt_doc *doc = replica(1);
    crdti_parcel_piece piece;
    crdti_ivset have = { NULL, 0, 0 };
    struct message m;
    message_init(&m);
    CHECK_ERR(crdt_map_put_null(crdt_root(doc), CRDT_STR("")), CRDT_OK);
    CHECK_ERR(crdt_commit(doc), CRDT_OK);
    put_update(&m, doc, UINT64_MAX, CRDTI_LATE);
    check_message(&m, CRDTI_UPDATE,
                  "{\"crdtsync\": 1, \"update\": {\"document\": 0, "
                  "\"id\": \"18446744073709551615\", \"how\": 2, "
                  "\"delta\": {\n"
                  "  \"top\": {\n    \"" ONES "\": 1},\n"
                  "  \"objects\": [],\n  \"ops\": [\n"
                  "    {\"dot\": \"" ONES ".1\", \"object\": 0, "
                  "\"kind\": \"value\", \"key\": \"\", "
                  "\"stamp\": [1700000000000, 0], \"value\": null}]}}}\n");
    crdti_put_raw(&m.w, CRDT_STR("\0\1\1none"));
    check_message(&m, CRDTI_UPDATE,
                  "{\"crdtsync\": 1, \"update\": {\"document\": 0, "
                  "\"id\": 1, \"how\": 1, \"bytes\": \"none\"}}\n");
    memset(&piece, 0, sizeof piece);
    piece.id = 3;
    piece.kind = CRDTI_UPDATE;
    piece.asks = 1;
    piece.total = 40;
    piece.offset = 2;
    piece.bytes = CRDT_STR("\0abc");
    crdti_put_piece(&m.w, &piece);
    check_message(&m, CRDTI_PIECE,
                  "{\"crdtsync\": 1, \"piece\": {\"id\": 3, \"asks\": true, "
                  "\"kind\": 5, \"total\": 40, \"offset\": 2, "
                  "\"bytes\": {\"$string\": \"AGFiYw==\"}}}\n");
    CHECK(!crdti_ivset_add(NULL, &have, 0, 9));
    CHECK(!crdti_ivset_add(NULL, &have, 20, 20));
    crdti_put_got(&m.w, 3, 21, &have);
    check_message(&m, CRDTI_GOT,
                  "{\"crdtsync\": 1, \"got\": {\"id\": 3, \"end\": 21, "
                  "\"runs\": [0, 9, 10, 0]}}\n");
    crdti_ivset_free(NULL, &have);
    crdt_doc_free(doc);
    crdt_buf_free(&m.buf);
}

TEST(presence_reads_like_this)
{
    crdti_present present;
    struct message m;
    message_init(&m);
    memset(&present, 0, sizeof present);
    memset(present.origin.b, 1, 16);
    present.counter = 4;
    present.expires_at = 500;
    present.len = 2;
    memcpy(present.value, "hi", 2);
    crdti_put_presence(&m.w, 0, &present, 100);
    check_message(&m, CRDTI_PRESENCE,
                  "{\"crdtsync\": 1, \"presence\": {\"document\": 0, "
                  "\"origin\": \"" ONES "\", \"counter\": 4, "
                  "\"ttl_ms\": 400, \"value\": \"hi\"}}\n");
    present.len = 0;
    crdti_put_presence(&m.w, 0, &present, 100);
    CHECK(comes_back(message_end(&m, CRDTI_PRESENCE)));
    crdt_buf_free(&m.buf);
}

TEST(answers_and_the_others_read_like_this)
{
    struct message m;
    message_init(&m);
    crdti_put_varint(&m.w, 1);
    crdti_put_varint(&m.w, 9);
    crdti_put_varint(&m.w, CRDT_ERR_CAUSAL);
    check_message(&m, CRDTI_ANSWER,
                  "{\"crdtsync\": 1, \"answer\": {\"document\": 1, "
                  "\"id\": 9, \"result\": \"CRDT_ERR_CAUSAL\"}}\n");
    crdti_put_varint(&m.w, 1);
    crdti_put_varint(&m.w, 9);
    crdti_put_varint(&m.w, CRDT_ERR_COUNT);
    CHECK(comes_back(message_end(&m, CRDTI_ANSWER)));
    m.buf.len = 0;
    check_message(&m, CRDTI_ALIVE, "{\"crdtsync\": 1, \"alive\": {}}\n");
    crdti_put_bytes(&m.w, CRDT_STR("\"so\" \\long\n"));
    check_message(&m, CRDTI_BYE,
                  "{\"crdtsync\": 1, \"bye\": "
                  "{\"why\": \"\\\"so\\\" \\\\long\\u000a\"}}\n");
    crdt_buf_free(&m.buf);
}

static void put_strokes(struct message *m, const char *strokes, size_t len)
{
    m->buf.len = 0;
    crdti_put_varint(&m->w, 0);
    crdti_put_u8(&m->w, 200);
    crdti_put_raw(&m->w, crdt_bytes_of(strokes, len));
}

TEST(strokes_read_like_this)
{
    struct message m;
    message_init(&m);
    put_strokes(&m, "\x0c\303\251!", 4);
    check_message(&m, CRDTI_STROKES,
                  "{\"crdtsync\": 1, \"strokes\": {\"document\": 0, "
                  "\"after\": 200, \"strokes\": [\n"
                  "    {\"kind\": \"type\", \"text\": \"\303\251!\"}]}}\n");
    put_strokes(&m, "\5\0\x13x\6\1\x0b\x0c\5\5\0y", 12);
    check_message(
        &m, CRDTI_STROKES,
        "{\"crdtsync\": 1, \"strokes\": {\"document\": 0, "
        "\"after\": 200, \"strokes\": [\n"
        "    {\"kind\": \"insert\", \"left\": null, "
        "\"right\": {\"cursor\": -5}, \"text\": \"x\"},\n"
        "    {\"kind\": \"back\", \"count\": 1, \"from\": {\"cursor\": 0}},\n"
        "    {\"kind\": \"forth\", \"count\": 2, \"from\": {\"latest\": "
        "-3}},\n"
        "    {\"kind\": \"insert\", \"left\": {\"cursor\": 1}, "
        "\"right\": null, \"text\": \"y\"}]}}\n");
    put_strokes(&m, "\6\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11);
    CHECK(comes_back(message_end(&m, CRDTI_STROKES)));
    put_strokes(&m, "\6\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1", 11);
    CHECK(comes_back(message_end(&m, CRDTI_STROKES)));
    crdt_buf_free(&m.buf);
}

/* A ROSTER of two: one that has accepted a cut, and one that was evicted. */
static void put_roster(struct message *m)
{
    crdti_gossip_head head;
    crdti_roster r;
    crdti_member *a, *b;
    memset(&r, 0, sizeof r);
    memset(&head, 0, sizeof head);
    CHECK(!crdti_array_reserve(NULL, &r.members, 2));
    a = &r.members.ptr[r.members.len++];
    b = &r.members.ptr[r.members.len++];
    crdti_member_init(a, NULL);
    crdti_member_init(b, NULL);
    memset(a->replica.b, 1, 16);
    memset(b->replica.b, 2, 16);
    memset(a->node.b, 1, 16);
    memset(b->node.b, 2, 16);
    a->counter = 5;
    b->counter = 1;
    a->stamp = b->stamp = 1;
    a->view = UINT64_MAX;
    b->status = CRDT_MEMBER_EVICTED;
    b->by = a->replica;
    CHECK_ERR(crdt_vv_set(&a->applied, &a->replica, 7), CRDT_OK);
    CHECK_ERR(crdt_vv_set(&a->applied, &b->replica, 3), CRDT_OK);
    CHECK_ERR(crdt_vv_set(&a->floor, &a->replica, 6), CRDT_OK);
    CHECK_ERR(crdt_vv_set(&a->pact.cut, &a->replica, 6), CRDT_OK);
    a->pact.epoch = 2;
    a->pact.ballot.number = a->pact.accepted.number = 4;
    a->pact.ballot.proposer = a->pact.accepted.proposer = b->replica;
    a->pact.lease_ms = 10000;
    a->pact.phase = CRDT_PHASE_READY;
    a->pact.is_strict = a->pact.is_exact = 1;
    a->pact.digest.lo = 1;
    a->pact.digest.hi = UINT64_C(0x0123456789abcdef);
    head.flags = CRDTI_GOSSIP_TELLS;
    head.from = 2;
    head.to = 4;
    head.ack = 9;
    head.hash = 17;
    crdti_put_varint(&m->w, 0);
    crdti_put_varint(&m->w, 6);
    crdti_put_gossip_head(&m->w, &head);
    crdti_put_table(&m->w, &r);
    crdti_roster_free(&r);
}

TEST(rosters_read_like_this)
{
    struct message m;
    message_init(&m);
    put_roster(&m);
    check_message(
        &m, CRDTI_ROSTER,
        "{\"crdtsync\": 1, \"roster\": {\"document\": 0, \"id\": 6, "
        "\"flags\": 4, \"from\": 2, \"news\": 2, \"ack\": 9, "
        "\"hash\": 17, \"members\": [\n"
        "    {\"member\": \"" ONES "\", \"node\": \"" ONES "\", "
        "\"counter\": 5, \"status\": \"active\", "
        "\"view\": \"18446744073709551615\", "
        "\"applied\": {\"" ONES "\": 7, \"" TWOS "\": 3}, "
        "\"floor\": {\"" ONES "\": 6}, \"epoch\": 2, "
        "\"ballot\": {\"number\": 4, \"proposer\": \"" TWOS "\", "
        "\"lease_ms\": 10000, \"phase\": \"ready\", \"strict\": true}, "
        "\"accepted\": {\"number\": 4, \"proposer\": \"" TWOS "\", "
        "\"cut\": {\"" ONES "\": 6}, "
        "\"digest\": \"0123456789abcdef0000000000000001\", "
        "\"committed\": false}},\n"
        "    {\"member\": \"" TWOS "\", \"node\": \"" TWOS "\", "
        "\"counter\": 1, \"status\": \"evicted\", "
        "\"by\": \"" ONES "\", \"view\": 0, \"applied\": {}, "
        "\"floor\": {}, \"epoch\": 0}]}}\n");
    /* Without records, a piece, and what is none: an id too many. */
    crdti_put_raw(&m.w, CRDT_STR("\0\4\3\0\0\1"));
    crdti_put_u64le(&m.w, 5);
    check_message(&m, CRDTI_ROSTER,
                  "{\"crdtsync\": 1, \"roster\": {\"document\": 0, "
                  "\"id\": 4, \"flags\": 3, \"from\": 0, \"news\": 0, "
                  "\"ack\": 1, \"hash\": 5}}\n");
    crdti_put_raw(&m.w, CRDT_STR("\0\3\7\1piece"));
    check_message(&m, CRDTI_ROSTER,
                  "{\"crdtsync\": 1, \"roster\": {\"document\": 0, "
                  "\"id\": 3, \"bytes\": \"\\u0007\\u0001piece\"}}\n");
    crdti_put_raw(&m.w, CRDT_STR("\0\2\4\0\0\0"));
    crdti_put_u64le(&m.w, 5);
    crdti_put_raw(&m.w, CRDT_STR("\1one id, and none.\0"));
    CHECK(comes_back(message_end(&m, CRDTI_ROSTER)));
    crdt_buf_free(&m.buf);
}

/* >>bytes that are refused ------------------------------------------------ */

static void refuse_bytes(crdt_bytes binary, const char *want)
{
    crdt_buf json = CRDT_BUF_INIT;
    CHECK_STR(crdt_err_name(crdt_readable_write(binary, &json)), want);
    CHECK_INT(json.len, 0);
    crdt_buf_free(&json);
}

TEST(bytes_that_are_no_frame_are_refused)
{
    struct message m;
    crdt_bytes whole;
    size_t len;
    message_init(&m);
    put_hello(&m);
    whole = message_end(&m, CRDTI_HELLO);
    for (len = 0; len < whole.len; len++)
        refuse_bytes(crdt_bytes_of(whole.ptr, len), "CRDT_ERR_TRUNCATED");
    crdti_put_u8(&m.w, 0);
    refuse_bytes(crdt_buf_bytes(&m.buf), "CRDT_ERR_CORRUPT");
    m.buf.ptr[9] ^= 1;
    refuse_bytes(crdt_bytes_of(m.buf.ptr, m.buf.len - 1), "CRDT_ERR_CHECKSUM");
    m.buf.len = 0;
    refuse_bytes(message_end(&m, 0), "CRDT_ERR_VERSION");
    m.buf.len = 0;
    refuse_bytes(message_end(&m, 13), "CRDT_ERR_VERSION");
    m.buf.len = 0;
    crdti_put_u8(&m.w, 0);
    refuse_bytes(message_end(&m, CRDTI_ALIVE), "CRDT_ERR_CORRUPT");
    m.buf.len = 0;
    crdti_put_varint(&m.w, 5); /* speaks 5 to 6 only */
    crdti_put_varint(&m.w, 6);
    refuse_bytes(message_end(&m, CRDTI_HELLO), "CRDT_ERR_VERSION");
    refuse_bytes(crdt_bytes_of(NULL, 1), "CRDT_ERR_ARG");
    CHECK_ERR(crdt_readable_write(whole, NULL), CRDT_ERR_ARG);
    crdt_buf_free(&m.buf);
}

/* A delta of a text whose section goes on so behind its edits' count, of which
 * there are two, and nothing outside: "ab" of `dot` 2 on, and another. */
static void refuse_strokes(const char *strokes, size_t len, const char *want)
{
    struct message m;
    message_init(&m);
    put_strokes(&m, strokes, len);
    refuse_bytes(message_end(&m, CRDTI_STROKES), want);
    crdt_buf_free(&m.buf);
}

TEST(strokes_that_nobody_writes_are_refused)
{
    char many[40];
    int i;
    refuse_strokes("", 0, "CRDT_ERR_TRUNCATED");
    refuse_strokes("\0", 1, "CRDT_ERR_CORRUPT");
    refuse_strokes("\x0cxy", 3, "CRDT_ERR_TRUNCATED");
    refuse_strokes("\4\x80", 2, "CRDT_ERR_CORRUPT");
    refuse_strokes("\4x\4x", 4, "CRDT_ERR_CORRUPT");
    refuse_strokes("\6\0", 2, "CRDT_ERR_CORRUPT");
    refuse_strokes("\7", 1, "CRDT_ERR_TRUNCATED");
    refuse_strokes("\x82\x08\1", 3, "CRDT_ERR_CORRUPT");
    for (i = 0; i < 34; i += 2)
        memcpy(many + i, "\6\1", 2);
    refuse_strokes(many, 34, "CRDT_ERR_CORRUPT");
}

static crdt_bytes put_section(struct message *m, const char *ptr, size_t len)
{
    static const char head[] = "\5\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\24"
                               "\1\0\20\1t"
                               "\0" /* ops */
                               "\1\1\0\2\0\7\0\2\10";
    m->buf.len = 0;
    crdti_put_raw(&m->w, crdt_bytes_of(head, sizeof head - 1));
    crdti_put_raw(&m->w, crdt_bytes_of(ptr, len));
    return message_end(m, CRDTI_FRAME_DELTA);
}

#define SECTION(bytes) bytes, sizeof bytes - 1

TEST(sections_that_no_writer_writes_are_refused)
{
    static const struct {
        const char *ptr;
        size_t len;
        int is_fine;
    } sections[] = {
        { SECTION("\0\0\3abc"), 1 },           /* c behind b */
        { SECTION("\1\1\0\3abc"), 1 },         /* behind a */
        { SECTION("\1\0\0\3abc"), 0 },         /* b as if near */
        { SECTION("\2\4\0\3abc"), 0 },         /* b counted from the target */
        { SECTION("\1\5\0\3abc"), 0 },         /* behind what is not there */
        { SECTION("\1\2\0\3abc"), 0 },         /* behind itself */
        { SECTION("\7\0\0\0\0\3abc"), 0 },     /* the author once more */
        { SECTION("\7\0\2\0\0\3abc"), 1 },     /* a seq is left out */
        { SECTION("\7\0\1\0\0\3abc"), 0 },     /* a seq comes again */
        { SECTION("\7\0\44\0\0\3abc"), 0 },    /* behind the top */
        { SECTION("\7\1\0\0\0\3abc"), 0 },     /* another author */
        { SECTION("\17\1\0\0\3abc"), 1 },      /* before a */
        { SECTION("\17\0\0\0\3abc"), 0 },      /* before the end, of course */
        { SECTION("\17\3\17\1\0\0\3abc"), 0 }, /* before b, or a */
        { SECTION("\17\1\3\0\1a"), 0 },        /* that of a deletion */
        { SECTION("\17\5\0\0\3abc"), 0 },      /* before itself */
        { SECTION("\3\0\1a"), 1 },             /* b goes */
        { SECTION("\4\0\0\1a"), 0 },           /* b as if near */
        { SECTION("\4\1\0\1b"), 1 },           /* a goes */
        { SECTION("\6\1\0\1b"), 1 },           /* and backwards */
        { SECTION("\13\0\0"), 1 },             /* both, backwards */
        { SECTION("\14\1\0\0"), 1 },           /* forwards */
        { SECTION("\14\0\0\0"), 0 },           /* b and the next */
        { SECTION("\4\1\1\1\1\0"), 1 },        /* b is dead */
        { SECTION("\4\1\1\0\1\1b"), 0 },       /* a is dead twice */
        { SECTION("\4\1\1\0\2\0"), 0 },
        { SECTION("\0\2\0\1\0\1\1c"), 0 }, /* a, and b: one range */
        { SECTION("\0\2\0\1\1\1\1b"), 1 },
        { SECTION("\0\1\0\3\0"), 1 },
        { SECTION("\0\1\0\4\0"), 0 }, /* one too many */
        { SECTION("\0\1\3\1\3abc"), 0 },
        { SECTION("\0\1\0\0\3abc"), 0 },
        { SECTION("\0\0\2ab"), 0 },
        { SECTION("\0\0\4abcd"), 0 },
        { SECTION("\0\0\4ab\303\251"), 1 },
        { SECTION("\0\0\3ab\303"), 0 },
        { SECTION("\27\0\0\1\0\3abc"), 0 }, /* nothing is outside */
        { SECTION("\37\0\0\3abc"), 0 },     /* told in a new way */
    };
    struct message m;
    size_t i;
    message_init(&m);
    for (i = 0; i < sizeof sections / sizeof *sections; i++) {
        crdt_buf json = CRDT_BUF_INIT;
        crdt_bytes delta = put_section(&m, sections[i].ptr, sections[i].len);
        crdt_err err = crdt_readable_write(delta, &json);
        if ((err == CRDT_OK) != sections[i].is_fine) {
            test_failures_in_case++;
            printf("section %d: %s\n", (int)i, crdt_err_name(err));
        }
        CHECK(err || comes_back(delta));
        CHECK(!err || !json.len);
        crdt_buf_free(&json);
    }
    crdt_buf_free(&m.buf);
}

/* >>text that is refused -------------------------------------------------- */

/* A "@" in the text stands where the fault is, and is not in it. */
static void refuse(const char *marked, const char *want)
{
    char text[2048];
    size_t at = strcspn(marked, "@"), fault = SIZE_MAX;
    crdt_buf binary = CRDT_BUF_INIT;
    crdt_err err;
    (void)snprintf(text, sizeof text, "%.*s%s", (int)at, marked,
                   marked + at + (marked[at] != 0));
    err = crdt_readable_read(crdt_str(text), &binary, &fault);
    if (strcmp(crdt_err_name(err), want) != 0 || fault != at) {
        test_failures_in_case++;
        printf("%s at %d, not %s at %d: %s\n", crdt_err_name(err), (int)fault,
               want, (int)at, text);
    }
    CHECK_INT(binary.len, 0);
    crdt_buf_free(&binary);
}

TEST(text_that_is_no_message_is_refused)
{
    static const char *const texts[] = {
        "@[]",
        "@5",
        "@{}",
        "@{\"crdtsync\": 1}",
        "@{\"crdtsync\": 1, \"alive\": {}, \"bye\": {}}",
        "{\"crdtsynk\": @1, \"alive\": {}}",
        "{\"alive\": @{}, \"crdtsync\": 1}",
        "{\"crdtsync\": @true, \"alive\": {}}",
        "{\"crdtsync\": 1, \"dead\": @{}}",
        "{\"crdtsync\": 1, \"alive\": @[]}",
        "{\"crdtsync\": 1, \"alive\": {\"x\": @1}}",
        "{\"crdtsync\": 1, \"alive\": {}} @{}",
        "{\"crdtsync\": 1, \"alive\": {@,}}",
        "{\"crdtsync\": 1, \"bye\": @{}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": \"\", \"why\": @\"\"}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": @1}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": \"@\\u0000\"}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": \"@\300\200\"}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": \"\\ud800@\"}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": @{\"$bytes\": \"AA==\"}}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": @{\"$string\": \"AB==\"}}}",
        "{\"crdtsync\": 1, \"bye\": {\"why\": @{\"$string\": 1}}}",
        "{\"crdtsync\": 1, \"state\": {\"document\": 1, \"asks\": true, "
        "\"digest\": @\"0123456789ABCDEF0123456789ABCDEF\", \"vector\": {}}}",
        "{\"crdtsync\": 1, \"state\": {\"document\": 1, \"asks\": true, "
        "\"digest\": @\"" ONES "0\", \"vector\": {}}}",
        "{\"crdtsync\": 1, \"digest\": {\"document\": @\"01\", \"print\": "
        "1}}",
        "{\"crdtsync\": 1, \"answer\": {\"document\": 1, \"id\": 2, "
        "\"result\": @\"CRDT_ERR_UNHEARD_OF\"}}",
        "{\"crdtsync\": 1, \"state\": {\"document\": 1, \"asks\": @1, "
        "\"digest\": \"" ONES "\", \"vector\": {}}}",
        "{\"crdtsync\": 1, \"state\": {\"document\": 1, \"asks\": true, "
        "\"digest\": \"" ONES "\", \"vector\": {\"" TWOS "\": 1, "
        "\"" ONES "\": @1}}}",
        "{\"crdtsync\": 1, \"state\": {\"document\": 1, \"asks\": true, "
        "\"digest\": \"" ONES "\", \"vector\": {\"" ONES "\": @0}}}",
        "{\"crdtsync\": 1, \"update\": @{\"document\": 1, \"id\": 1, "
        "\"bytes\": \"a\"}}",
        "@{\"crdtsync\": 1, \"piece\": {\"id\": 1, \"asks\": true, "
        "\"kind\": 5, \"total\": 1, \"offset\": 1, \"bytes\": \"a\"}}",
        "{\"crdtsync\": 1, \"docs\": {\"first\": 0, \"documents\": "
        "[@{\"name\": \"a\"}]}}"
    };
    size_t i;
    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        refuse(texts[i], "CRDT_ERR_CORRUPT");
    refuse("{\"crdtsync\": @2, \"alive\": {}}", "CRDT_ERR_VERSION");
    refuse("", "CRDT_ERR_TRUNCATED");
    refuse("{\"crdtsync\": 1, \"alive\": {}", "CRDT_ERR_TRUNCATED");
    refuse("{\"crdtsync\": 1, \"answer\": {\"document\": @0.5}}",
           "CRDT_ERR_RANGE");
}

#define MEMBER_OF(rest)                                                       \
    "{\"crdtsync\": 1, \"roster\": {\"document\": 0, \"id\": 2, "             \
    "\"flags\": 4, \"from\": 0, \"news\": 1, \"ack\": 0, \"hash\": 1, " rest  \
    "}}"

#define MEMBER_WITH(counter, rest)                                            \
    "{\"member\": \"" ONES "\", \"node\": \"" ONES                            \
    "\", \"counter\": " counter                                               \
    ", \"view\": 1, \"applied\": {}, \"floor\": {}, \"epoch\": 0, " rest "}"

#define BALLOT                                                                \
    "\"proposer\": \"" ONES "\", \"lease_ms\": 1, \"phase\": \"work\", "      \
    "\"strict\": false"

TEST(members_that_cannot_be_are_refused)
{
    static const char *const texts[] = {
        MEMBER_OF("\"members\": @{}"),
        MEMBER_OF("\"members\": [@{}]"),
        MEMBER_OF(
            "\"members\": [" MEMBER_WITH("1", "\"status\": @\"gone\"") "]"),
        MEMBER_OF(
            "\"members\": [@" MEMBER_WITH("1", "\"status\": \"evicted\"") "]"),
        MEMBER_OF("\"members\": [" MEMBER_WITH(
            "1", "\"status\": \"left\", \"by\": @\"" ONES "\"") "]"),
        MEMBER_OF(
            "\"members\": @[" MEMBER_WITH("0", "\"status\": \"active\"") "]"),
        MEMBER_OF("\"members\": [" MEMBER_WITH(
            "1", "\"status\": \"active\", "
                 "\"ballot\": @{\"number\": 0, " BALLOT "}") "]"),
        MEMBER_OF("\"members\": [" MEMBER_WITH(
            "1", "\"status\": \"active\", "
                 "\"accepted\": @{\"number\": 1}") "]"),
    };
    size_t i;
    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        refuse(texts[i], "CRDT_ERR_CORRUPT");
    refuse(MEMBER_OF("\"members\": @[" MEMBER_WITH(
               "\"2305843009213693953\"", "\"status\": \"active\"") "]"),
           "CRDT_ERR_LIMIT");
    refuse(MEMBER_OF("\"members\": [" MEMBER_WITH(
               "1", "\"status\": \"active\", \"ballot\": @{\"number\": 1, "
                    "\"proposer\": \"" ONES "\", \"lease_ms\": 4294967296, "
                    "\"phase\": \"work\", \"strict\": false}") "]"),
           "CRDT_ERR_LIMIT");
}

/* One op "@" in a delta with a map and every kind of key. */
static void refuse_op(const char *op, const char *want)
{
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "{\"crdtsync\": 1, \"delta\": {\"top\": {\"" ONES "\": 9, \"" TWOS
        "\": 4}, \"objects\": ["
        "{\"id\": 1, \"parent\": 0, \"type\": \"counter\", \"key\": \"c\"}, "
        "{\"id\": 2, \"parent\": 0, \"type\": \"aw-set\", \"key\": \"s\"}, "
        "{\"id\": 3, \"parent\": 0, \"type\": \"bounded\", \"key\": \"b\"}, "
        "{\"id\": 4, \"parent\": 0, \"type\": \"register\", \"key\": \"r\"}, "
        "{\"id\": 5, \"parent\": 0, \"type\": \"list\", \"key\": \"l\"}"
        "], \"ops\": [{\"dot\": \"" ONES ".3\", \"object\": 1, "
        "\"kind\": \"add\", \"total\": [1, 0]}, %s]}}",
        op);
    refuse(text, want);
}

#define OP "{\"dot\": \"" ONES ".5\", "
#define ELEMENT                                                               \
    "\"object\": 5, \"kind\": \"value\", \"stamp\": [1, 0], \"value\": 1, "

TEST(ops_that_cannot_be_are_refused)
{
    static const char *const ops[] = {
        "@5",
        "@{}",
        "@{\"object\": 1, \"kind\": \"add\", \"total\": [1, 0]}",
        "{\"dot\": @\"\"}",
        "{\"dot\": @5, \"object\": 1, \"kind\": \"add\", \"total\": [1, 0]}",
        "{\"dot\": @\"" ONES "\", \"object\": 1, \"kind\": \"add\"}",
        "{\"dot\": @\"" ONES ".\", \"object\": 1, \"kind\": \"add\"}",
        "{\"dot\": @\"" ONES ".-5\", \"object\": 1, \"kind\": \"add\"}",
        "{\"dot\": @\"" ONES ".5 \", \"object\": 1, \"kind\": \"add\"}",
        "{\"dot\": @\"" ONES ".3\", \"object\": 1, \"kind\": \"add\"}",
        "{\"dot\": @\"" ONES ".10\", \"object\": 1, \"kind\": \"add\"}",
        "{\"dot\": @\"03" ONES ".1\", \"object\": 1, \"kind\": \"add\"}",
        OP "\"object\": @6, \"kind\": \"add\", \"total\": [1, 0]}",
        OP "\"object\": 1, \"kind\": @\"none\", \"total\": [1, 0]}",
        OP "\"object\": 1, \"kind\": @\"value\", \"stamp\": [1, 0]}",
        OP "\"object\": 1, \"kind\": \"add\", \"total\": @[1]}",
        OP "\"object\": 1, \"kind\": \"add\", \"total\": @[1, 0, 0]}",
        OP "\"object\": 1, \"kind\": \"add\", \"total\": [1, @true]}",
        OP "\"object\": 1, \"kind\": \"add\", \"total\": [1, 0], "
           "\"stamp\": @[1, 0]}",
        OP "\"object\": 1, \"kind\": \"add\", \"total\": [1, 0], "
           "\"key\": @\"\"}",
        OP "\"object\": 1, \"kind\": \"reset\", \"voids\": "
           "{\"" TWOS "\": [1, 0], \"" ONES "\": @[1, 0]}}",
        OP "\"object\": 1, \"kind\": \"reset\", \"voids\": {\"x\": @[1, 0]}}",
        OP "\"object\": 2, \"kind\": \"in\", \"key\": @{\"x\": 1}, "
           "\"kills\": {}}",
        "@" OP "\"object\": 2, \"kind\": \"in\"}",
        OP "\"object\": 2, \"kind\": \"in\", \"key\": 1, \"kills\": @{}}",
        OP "\"object\": 2, \"kind\": \"in\", \"key\": 1, "
           "\"kills\": {\"" ONES "\": @0}}",
        OP "\"object\": 2, \"kind\": \"in\", \"key\": 1, "
           "\"kills\": {\"" ONES "\": @5}}",
        OP "\"object\": 2, \"kind\": \"in\", \"key\": 1, "
           "\"kills\": {\"" TWOS "\": @5}}",
        "@" OP "\"object\": 2, \"kind\": \"remove\", \"key\": 1}",
        OP "\"object\": 3, \"kind\": \"add\", \"key\": @\"c\", "
           "\"total\": [1, 0]}",
        OP "\"object\": 4, \"kind\": \"value\", \"stamp\": [1, 0], "
           "\"value\": 1, \"key\": @\"\"}",
        "@" OP "\"object\": 4, \"kind\": \"value\", \"stamp\": [1, 0]}",
        OP "\"object\": 0, \"kind\": \"create\", \"key\": \"\", "
           "\"stamp\": [1, 0], \"type\": @\"none\"}",
        OP ELEMENT "\"key\": @\"" ONES ".5\"}",
        OP ELEMENT "\"key\": @\"" ONES "\"}",
        OP ELEMENT "\"key\": @\"" ONES ".18446744073709551616\"}",
        OP ELEMENT "\"key\": @\"l\"}",
        OP ELEMENT "\"key\": @5}",
        OP ELEMENT "\"key\": @[]}",
        OP ELEMENT "\"key\": @{}}",
        OP ELEMENT "\"key\": {\"x\": @\"" ONES ".4\"}}",
        OP ELEMENT "\"key\": {\"moves\": @\"" ONES "\"}}",
        OP "\"object\": 5, \"kind\": @\"add\", \"total\": [1, 0]}",
        OP "\"object\": 5, \"kind\": \"move\", \"stamp\": [1, 0], "
           "\"value\": @1, \"key\": {\"moves\": \"" ONES ".4\"}}",
        OP "\"object\": 0, \"kind\": @\"move\", \"stamp\": [1, 0], "
           "\"key\": \"\"}",
    };
    size_t i;
    for (i = 0; i < sizeof ops / sizeof *ops; i++)
        refuse_op(ops[i], strcmp(ops[i], OP "\"object\": 2, \"kind\": \"in\", "
                                            "\"key\": @{\"x\": 1}, "
                                            "\"kills\": {}}") == 0
                              ? "CRDT_ERR_TYPE"
                              : "CRDT_ERR_CORRUPT");
    refuse_op(OP "\"object\": 1, \"kind\": \"add\", \"total\": [@-1, 0]}",
              "CRDT_ERR_RANGE");
    refuse_op(OP "\"object\": 1, \"kind\": \"add\", \"total\": [@1.5, 0]}",
              "CRDT_ERR_RANGE");
    refuse_op(OP "\"object\": 1, \"kind\": \"add\", "
                 "\"total\": [@9007199254740992, 0]}",
              "CRDT_ERR_RANGE");
    refuse_op(OP "\"object\": 4, \"kind\": \"value\", \"value\": 1, "
                 "\"stamp\": @[281474976710656, 0]}",
              "CRDT_ERR_RANGE");
    refuse_op(OP "\"object\": 4, \"kind\": \"value\", \"value\": 1, "
                 "\"stamp\": @[1, 65536]}",
              "CRDT_ERR_RANGE");
}

/* Edits of two texts; 1 had 5 changes, and wrote "ab". */
static void refuse_stroke(const char *stroke, const char *want)
{
    char text[600];
    snprintf(text, sizeof text,
             "{\"crdtsync\": 1, \"strokes\": {\"document\": 0, \"after\": 1, "
             "\"strokes\": [%s]}}",
             stroke);
    refuse(text, want);
}

TEST(strokes_that_cannot_be_are_refused)
{
    char much[400] = "";
    refuse_stroke("@7", "CRDT_ERR_CORRUPT");
    refuse_stroke("@{\"kind\": \"type\"}", "CRDT_ERR_CORRUPT");
    refuse_stroke("@{\"text\": \"x\"}", "CRDT_ERR_CORRUPT");
    refuse_stroke("{\"kind\": @\"typ\", \"text\": \"x\"}", "CRDT_ERR_CORRUPT");
    refuse_stroke("{\"kind\": \"type\", \"text\": \"x\", \"count\": @1}",
                  "CRDT_ERR_CORRUPT");
    refuse_stroke("{\"kind\": \"back\", \"count\": 1, \"left\": @null, "
                  "\"from\": {\"cursor\": 0}}",
                  "CRDT_ERR_CORRUPT");
    refuse_stroke("{\"kind\": \"back\", \"count\": 1, \"from\": @{}}",
                  "CRDT_ERR_CORRUPT");
    refuse_stroke("{\"kind\": \"back\", \"count\": 1, \"from\": "
                  "@{\"cursor\": 0, \"latest\": 0}}",
                  "CRDT_ERR_CORRUPT");
    refuse_stroke("{\"kind\": \"back\", \"count\": 1, \"from\": "
                  "{\"cursor\": @\"4611686018427387904\"}}",
                  "CRDT_ERR_RANGE");
    refuse_stroke("@{\"kind\": \"back\", \"count\": 256, \"from\": "
                  "{\"cursor\": 0}}",
                  "CRDT_ERR_LIMIT");
    strcpy(much, "{\"kind\": \"type\", \"text\": @\"");
    memset(much + strlen(much), 'x', 256);
    strcat(much, "\"}");
    refuse_stroke(much, "CRDT_ERR_LIMIT");
    refuse("{\"crdtsync\": 1, \"strokes\": {\"document\": 0, "
           "\"after\": @256, \"strokes\": []}}",
           "CRDT_ERR_RANGE");
}

static void refuse_edits(const char *section, const char *want)
{
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "{\"crdtsync\": 1, \"delta\": {\"top\": {\"" ONES "\": 9, \"" TWOS
        "\": 4}, \"base\": {\"" ONES "\": 5}, \"objects\": ["
        "{\"id\": 1, \"parent\": 0, \"type\": \"text\", \"key\": \"t\"}], "
        "\"ops\": [], \"sequences\": [{\"object\": 1, \"edits\": ["
        "{\"dot\": \"" ONES ".6\", \"kind\": \"insert\", \"length\": 2, "
        "\"name\": 0, \"left\": null, \"text\": \"ab\"}%s%s}]}}",
        section[0] == ']' ? "" : ", ", section);
    refuse(text, want);
}

static void refuse_layout(const char *edit)
{
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "{\"crdtsync\": 1, \"delta\": {\"top\": {\"" ONES "\": 9, \"" TWOS
        "\": 4}, \"base\": {\"" TWOS "\": 1}, \"objects\": ["
        "{\"id\": 1, \"parent\": 0, \"type\": \"text\", \"key\": \"t\"}], "
        "\"ops\": [], \"sequences\": [{\"object\": 1, \"laid_out\": true, "
        "\"edits\": [%s]}]}}",
        edit);
    refuse(text, "CRDT_ERR_CORRUPT");
}

#define EDIT "{\"dot\": \"" TWOS ".1\", "
#define INSERT EDIT "\"kind\": \"insert\", \"length\": 1, \"name\": 2, "
#define DELETE EDIT "\"kind\": \"delete\", \"length\": 1, "

/* Of a list, whose positions have no content, and never go. */
static void refuse_positions(const char *section)
{
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "{\"crdtsync\": 1, \"delta\": {\"top\": {\"" ONES "\": 9}, "
        "\"objects\": ["
        "{\"id\": 1, \"parent\": 0, \"type\": \"list\", \"key\": \"l\"}], "
        "\"ops\": [], \"sequences\": [{\"object\": 1, \"edits\": ["
        "{\"dot\": \"" ONES ".6\", \"kind\": \"insert\", \"length\": 2, "
        "\"name\": 0, \"left\": null%s}]}}",
        section);
    refuse(text, "CRDT_ERR_CORRUPT");
}

/* The keys of others can be of any seq, and of replicas that the delta does
 * not name. */
TEST(keys_of_any_dot_come_back)
{
    static const char text[] =
        "{\"crdtsync\": 1, \"delta\": {\n"
        "  \"top\": {\n"
        "    \"" ONES "\": 2},\n"
        "  \"objects\": [\n"
        "    {\"id\": 1, \"parent\": 0, \"type\": \"list\", "
        "\"key\": \"l\"},\n"
        "    {\"id\": 2, \"parent\": 1, \"type\": \"max\", "
        "\"key\": \"" TWOS ".18446744073709551615\"}],\n"
        "  \"ops\": [\n"
        "    {\"dot\": \"" ONES ".1\", \"object\": 1, \"kind\": \"move\", "
        "\"key\": {\"moves\": \"" TWOS ".0\"}, \"stamp\": [5, 0]},\n"
        "    {\"dot\": \"" ONES ".2\", \"object\": 2, \"kind\": \"value\", "
        "\"stamp\": [5, 1], \"value\": 1}]}}\n";
    crdt_buf binary = CRDT_BUF_INIT;
    size_t fault = 0;
    CHECK_ERR(crdt_readable_read(crdt_str(text), &binary, &fault), CRDT_OK);
    check_text(crdt_buf_bytes(&binary), text);
    crdt_buf_free(&binary);
}

TEST(positions_that_cannot_be_are_refused)
{
    refuse_positions(", \"text\": @\"ab\"}]");
    refuse_positions(", \"text\": @\"\"}]");
    refuse_positions("}], \"dead\": @[[0, 1]]");
    refuse_positions("}, {\"dot\": @\"" ONES ".8\", \"kind\": \"delete\", "
                     "\"length\": 1, \"target\": 0}]");
}

TEST(edits_that_cannot_be_are_refused)
{
    static const char *const edits[] = {
        "@5]",
        "@{}]",
        "{\"dot\": @\"" ONES ".5\", \"kind\": \"insert\"}]",
        "{\"dot\": @\"" ONES ".10\", \"kind\": \"insert\"}]",
        "{\"dot\": @\"03" ONES ".1\", \"kind\": \"insert\"}]",
        EDIT "\"kind\": @\"in\", \"length\": 1}]",
        EDIT "\"kind\": \"insert\", \"length\": @0}]",
        EDIT "\"kind\": \"insert\", \"length\": @536870913}]",
        EDIT "\"kind\": \"insert\", \"length\": 1, \"name\": @1}]",
        "@" INSERT "\"text\": \"c\"}]",
        INSERT "\"left\": @2, \"text\": \"c\"}]",
        INSERT "\"left\": @true, \"text\": \"c\"}]",
        INSERT "\"left\": @\"" ONES "\", \"text\": \"c\"}]",
        INSERT "\"left\": @\"" ONES ".6\", \"text\": \"c\"}]",
        INSERT "\"left\": @\"" ONES ".0\", \"text\": \"c\"}]",
        INSERT "\"left\": @\"" TWOS ".1\", \"text\": \"c\"}]",
        "@" INSERT "\"left\": \"" ONES ".2\", \"text\": \"c\"}]",
        INSERT "\"left\": 1, \"right\": @null, \"text\": \"c\"}]",
        INSERT "\"left\": 0, \"right\": @1, \"text\": \"c\"}]",
        INSERT "\"left\": 0, \"right\": @3, \"text\": \"c\"}]",
        INSERT "\"left\": 0, \"target\": @0, \"text\": \"c\"}]",
        INSERT "\"left\": 0, \"text\": @1}]",
        "@" INSERT "\"left\": 0}]",
        "@" INSERT "\"left\": 0, \"text\": \"cd\"}]",
        "@" INSERT "\"left\": 0, \"text\": {\"$string\": \"/w==\"}}]",
        DELETE "\"dot\": @1}]",
        DELETE "\"target\": @2}]",
        DELETE "\"target\": @null}]",
        DELETE "\"target\": @\"" ONES ".6\"}]",
        DELETE "\"target\": 0, \"text\": @\"a\"}]",
        EDIT "\"kind\": \"delete\", \"length\": 2, \"target\": @1}]",
        EDIT "\"kind\": \"backspace\", \"length\": 2, \"target\": @0}]",
        EDIT "\"kind\": \"delete\", \"length\": 2, "
             "\"target\": @\"" ONES ".5\"}]",
        EDIT "\"kind\": \"backspace\", \"length\": 2, "
             "\"target\": @\"" ONES ".1\"}]",
        "], \"dead\": @[]",
        "], \"dead\": [@[0, 0]]",
        "], \"dead\": [@[0, 3]]",
        "], \"dead\": [@[2, 1]]",
        "], \"dead\": [@5]",
        "], \"dead\": [[0, 1], @[1, 1]]",
        DELETE "\"target\": 1}], \"dead\": [@[0, 2]]",
        DELETE "\"target\": 1}], \"dead\": [@[1, 1]]",
        "], \"laid_out\": @1",
        "], \"x\": @1"
    };
    size_t i;
    for (i = 0; i < sizeof edits / sizeof *edits; i++)
        refuse_edits(edits[i], "CRDT_ERR_CORRUPT");
    refuse_edits(EDIT "\"kind\": \"insert\", \"length\": 1, "
                      "\"name\": @0.5}]",
                 "CRDT_ERR_RANGE");
    refuse_layout("{\"dot\": \"" ONES ".1\", \"kind\": \"insert\", "
                  "\"length\": 1, \"name\": 0, \"left\": @null, "
                  "\"text\": \"a\"}");
    refuse_layout("{\"dot\": @\"" ONES ".1\", \"kind\": \"delete\", "
                  "\"length\": 1, \"target\": \"" TWOS ".1\"}");
    refuse_edits("@" EDIT "\"kind\": \"insert\", \"length\": 536870911, "
                 "\"name\": 2, \"left\": 1}]",
                 "CRDT_ERR_LIMIT");
    refuse_edits(INSERT "\"left\": @-1, \"text\": \"c\"}]", "CRDT_ERR_RANGE");
}

TEST(what_stands_twice_is_refused)
{
    crdt_buf binary = CRDT_BUF_INIT;
    size_t fault = 0;
    refuse("@{\"crdtsync\": 1, \"delta\": {\"top\": {\"" ONES "\": 9, \"" TWOS
           "\": 1}, "
           "\"objects\": [], \"ops\": [" OP "\"object\": 0, "
           "\"kind\": \"value\", \"key\": \"\", \"stamp\": [1, 0], "
           "\"value\": 1, \"kills\": {\"" ONES "\": 1, "
           "\"" ONES "\": 2}}]}}",
           "CRDT_ERR_CORRUPT");
    refuse("{\"crdtsync\": 1, \"delta\": {\"top\": {\"" ONES "\": 9, "
           "\"" ONES "\": @9}, \"objects\": [], \"ops\": []}}",
           "CRDT_ERR_CORRUPT");
    CHECK_ERR(crdt_readable_read(CRDT_STR("{\"\0\": 1}"), &binary, &fault),
              CRDT_ERR_CORRUPT);
    CHECK_INT(fault, 2);
}

/* >>limits ---------------------------------------------------------------- */

TEST(limits_come_before_all_else)
{
    crdt_buf text = CRDT_BUF_INIT, binary = CRDT_BUF_INIT;
    crdti_writer w;
    size_t i, fault = 0;
    crdti_writer_init(&w, &text);
    for (i = 0; i <= CRDTSYNC_JSON_MAX_NODES; i++)
        crdti_put_raw(&w, i ? CRDT_STR(",1") : CRDT_STR("[1"));
    CHECK_ERR(crdt_readable_read(crdt_buf_bytes(&text), &binary, &fault),
              CRDT_ERR_LIMIT);
    CHECK_INT(fault, 2 * CRDTSYNC_JSON_MAX_NODES - 1);
    while (text.len <= CRDTSYNC_JSON_MAX_BYTES)
        crdti_put_raw(&w, CRDT_STR("                "));
    CHECK_ERR(crdt_readable_read(crdt_buf_bytes(&text), &binary, &fault),
              CRDT_ERR_LIMIT);
    CHECK_INT(fault, CRDTSYNC_JSON_MAX_BYTES);
    refuse("[[[[[[[[@[]]]]]]]]]", "CRDT_ERR_LIMIT");
    CHECK_ERR(crdt_readable_read(CRDT_STR("{}"), NULL, NULL), CRDT_ERR_ARG);
    CHECK_ERR(crdt_readable_read(crdt_bytes_of(NULL, 1), &binary, NULL),
              CRDT_ERR_ARG);
    CHECK_ERR(crdt_readable_read(CRDT_STR("{}"), &binary, NULL),
              CRDT_ERR_CORRUPT);
    CHECK_INT(binary.len, 0);
    crdt_buf_free(&text);
    crdt_buf_free(&binary);
}

/* >>mutations ------------------------------------------------------------- */

/* Any text is refused, or read as something that can be written. */
static int is_read(crdt_bytes json)
{
    crdt_buf binary = CRDT_BUF_INIT;
    size_t fault = SIZE_MAX;
    crdt_err err = crdt_readable_read(json, &binary, &fault);
    CHECK(err ? fault <= json.len && !binary.len
              : comes_back(crdt_buf_bytes(&binary)));
    crdt_buf_free(&binary);
    return !err;
}

static int is_read_tree(cJSON *root)
{
    char *text = cJSON_PrintUnformatted(root);
    int read = is_read(crdt_str(text));
    cJSON_free(text);
    return read;
}

/* Other values in the place of `item`. */
static void mutate(cJSON *root, cJSON *item, int *read, int *refused)
{
    static const char *const others[] = { "null", "true",   "-1", "0.5",
                                          "1",    "\"\"",   "[]", "{}",
                                          "1e99", "\"add\"" };
    cJSON saved = *item, *other;
    size_t i;
    for (i = 0; i < sizeof others / sizeof *others; i++) {
        other = cJSON_Parse(others[i]);
        item->type = other->type;
        item->child = other->child;
        item->valuestring = other->valuestring;
        item->valuedouble = other->valuedouble;
        *(is_read_tree(root) ? read : refused) += 1;
        item->type = saved.type;
        item->child = saved.child;
        item->valuestring = saved.valuestring;
        item->valuedouble = saved.valuedouble;
        cJSON_Delete(other);
    }
}

/* The text without what `link` leads to. */
static void without(cJSON *root, cJSON **link, int *read, int *refused)
{
    cJSON *item = *link;
    *link = item->next;
    *(is_read_tree(root) ? read : refused) += 1;
    *link = item;
}

static void mutate_all(cJSON *root, cJSON *item, int *read, int *refused)
{
    cJSON **link = &item->child;
    mutate(root, item, read, refused);
    for (; *link; link = &(*link)->next) {
        without(root, link, read, refused);
        mutate_all(root, *link, read, refused);
    }
}

static void mutate_text(crdt_bytes binary, int *read, int *refused)
{
    crdt_buf json = CRDT_BUF_INIT;
    cJSON *root;
    size_t len;
    CHECK_ERR(crdt_readable_write(binary, &json), CRDT_OK);
    root = cJSON_ParseWithLength((const char *)json.ptr, json.len);
    CHECK(is_read_tree(root));
    mutate_all(root, root, read, refused);
    CHECK(is_read_tree(root));
    cJSON_Delete(root);
    for (len = 0; len + 1 < json.len; len++)
        CHECK(!is_read(crdt_bytes_of(json.ptr, len)));
    crdt_buf_free(&json);
}

TEST(whatever_is_changed_is_refused_or_can_be_read)
{
    crdt_doc *doc = replica(1), *b = replica(2);
    crdt_buf delta = CRDT_BUF_INIT;
    struct message m;
    int read = 0, refused = 0, i;
    message_init(&m);
    put_hello(&m);
    mutate_text(message_end(&m, CRDTI_HELLO), &read, &refused);
    put_strokes(&m, "\5\0\x13x\6\1\x0b\x0c\5\5\0y", 12);
    mutate_text(message_end(&m, CRDTI_STROKES), &read, &refused);
    m.buf.len = 0;
    put_roster(&m);
    mutate_text(message_end(&m, CRDTI_ROSTER), &read, &refused);
    crdt_buf_free(&m.buf);
    for (i = CRDT_MAP; i < CRDT_TYPE_COUNT; i++) {
        crdt_obj it =
            crdt_map_object(crdt_root(doc), CRDT_STR("it"), (crdt_type)i);
        scribble(it, 2);
        (void)crdt_commit(doc);
        CHECK_ERR(crdt_delta(doc, NULL, &delta), CRDT_OK);
        mutate_text(crdt_buf_bytes(&delta), &read, &refused);
        delta.len = 0;
        crdt_doc_free(doc);
        doc = replica(1);
    }
    CHECK(read > 100);
    CHECK(refused > 1000);
    crdt_buf_free(&delta);
    crdt_doc_free(doc);
    crdt_doc_free(b);
}

/* >>memory ---------------------------------------------------------------- */

static struct failing_alloc memory;

/* cJSON says no sizes when it frees, so the size stands before the block. */
static void *hook_malloc(size_t size)
{
    size_t *block = (size_t *)memory.table.resize(&memory, NULL, 0, size + 16);
    if (!block)
        return NULL;
    *block = size + 16;
    return block + 16 / sizeof *block;
}

static void hook_free(void *ptr)
{
    size_t *block = (size_t *)ptr - (ptr ? 16 / sizeof *block : 0);
    if (ptr)
        (void)memory.table.resize(&memory, block, *block, 0);
}

/* A buffer with something in it, in that memory; the next but `fail_at`
 * allocations are granted. */
static crdt_buf filled(size_t fail_at)
{
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    failing_alloc_init(&memory);
    buf.alloc = &memory.table;
    crdti_writer_init(&w, &buf);
    crdti_put_raw(&w, CRDT_STR("before"));
    memory.requests = 0;
    memory.fail_at = fail_at;
    return buf;
}

static int is_kept(crdt_err err, crdt_buf *buf)
{
    int kept = memcmp(buf->ptr, "before", 6) == 0 &&
               (err ? buf->len == 6 : buf->len > 6) &&
               (!err || err == CRDT_ERR_NOMEM);
    crdt_buf_free(buf);
    return kept && failing_alloc_clean(&memory);
}

static void write_without_memory(crdt_bytes binary)
{
    crdt_err err = CRDT_ERR_NOMEM;
    size_t fail_at;
    for (fail_at = 1; err && fail_at < 10000; fail_at++) {
        crdt_buf out = filled(fail_at);
        err = crdt_readable_write(binary, &out);
        CHECK(err || !memory.failures);
        CHECK(is_kept(err, &out));
    }
    CHECK(!err && fail_at > 5);
}

/* After how many tries it was read. */
static size_t read_without_memory(crdt_bytes json)
{
    cJSON_Hooks hooks = { hook_malloc, hook_free };
    crdt_err err = CRDT_ERR_NOMEM;
    size_t fail_at, fault;
    cJSON_InitHooks(&hooks);
    for (fail_at = 1; err && fail_at < 10000; fail_at++) {
        crdt_buf out = filled(fail_at);
        err = crdt_readable_read(json, &out, &fault);
        CHECK(is_kept(err, &out));
    }
    cJSON_InitHooks(NULL);
    CHECK_ERR(err, CRDT_OK);
    return fail_at;
}

TEST(no_memory)
{
    struct message m;
    crdt_doc *doc = replica(1);
    crdt_buf delta = CRDT_BUF_INIT, json = CRDT_BUF_INIT;
    write_all(doc, 2);
    CHECK_ERR(crdt_delta(doc, NULL, &delta), CRDT_OK);
    CHECK_ERR(crdt_readable_write(crdt_buf_bytes(&delta), &json), CRDT_OK);
    write_without_memory(crdt_buf_bytes(&delta));
    message_init(&m);
    put_update(&m, doc, 1, 0);
    write_without_memory(message_end(&m, CRDTI_UPDATE));
    CHECK(read_without_memory(crdt_buf_bytes(&json)) > 1000);
    m.buf.len = json.len = 0;
    put_roster(&m);
    CHECK_ERR(crdt_readable_write(message_end(&m, CRDTI_ROSTER), &json),
              CRDT_OK);
    write_without_memory(crdt_buf_bytes(&m.buf));
    CHECK(read_without_memory(crdt_buf_bytes(&json)) > 100);
    crdt_buf_free(&m.buf);
    crdt_buf_free(&delta);
    crdt_buf_free(&json);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(deltas_come_back), CASE(a_delta_reads_like_this),
          CASE(base_voids_and_elements_read_like_this),
          CASE(texts_read_like_this), CASE(a_layout_reads_like_this),
          CASE(lists_read_like_this), CASE(removed_moves_read_like_this),
          CASE(a_layout_of_a_list_reads_like_this),
          CASE(a_hello_reads_like_this),
          CASE(states_and_digests_read_like_this),
          CASE(updates_and_pieces_read_like_this),
          CASE(presence_reads_like_this),
          CASE(answers_and_the_others_read_like_this),
          CASE(strokes_read_like_this), CASE(rosters_read_like_this),
          CASE(members_that_cannot_be_are_refused),
          CASE(strokes_that_nobody_writes_are_refused),
          CASE(strokes_that_cannot_be_are_refused),
          CASE(bytes_that_are_no_frame_are_refused),
          CASE(text_that_is_no_message_is_refused),
          CASE(sections_that_no_writer_writes_are_refused),
          CASE(ops_that_cannot_be_are_refused),
          CASE(edits_that_cannot_be_are_refused),
          CASE(positions_that_cannot_be_are_refused),
          CASE(keys_of_any_dot_come_back), CASE(what_stands_twice_is_refused),
          CASE(limits_come_before_all_else),
          CASE(whatever_is_changed_is_refused_or_can_be_read), CASE(no_memory))
