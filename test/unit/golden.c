/*
 * The wire format does not change by accident: documents made with fixed ids,
 * clock and randomness write the bytes under test/golden, and those can be
 * joined. docs/wire-format.md explains example.hex, tags.hex, text.hex,
 * text-delta.hex, list.hex and list-delta.hex byte by byte.
 *
 *     CRDT_GOLDEN_WRITE=1 build/test/unit/golden    writes them anew
 */
#include "../../src/error.h"
#include "../fuzz/doc.h"
#include "../test.h"

#define CHECK_ERR(got, want) CHECK_STR(crdt_err_name(got), #want)

/* >>what is in them ------------------------------------------------------- */

/* One of everything that a key can hold. */
static void write_values(crdt_doc *doc)
{
    crdt_obj root = crdt_root(doc);
    crdt_map_put_null(root, CRDT_STR("null"));
    crdt_map_put_bool(root, CRDT_STR("no"), 0);
    crdt_map_put_bool(root, CRDT_STR("yes"), 1);
    crdt_map_put_int(root, CRDT_STR("int"), 48213);
    crdt_map_put_int(root, CRDT_STR("least"), INT64_MIN);
    crdt_map_put_int(root, CRDT_STR("most"), INT64_MAX);
    crdt_map_put_double(root, CRDT_STR("double"), 0.5);
    crdt_map_put_double(root, CRDT_STR("nan"),
                        crdti_double_from(UINT64_C(0xfff0000000000001)));
    crdt_map_put_str(root, CRDT_STR("string"), CRDT_STR("h\303\251llo"));
    crdt_map_put_str(root, CRDT_STR(""), CRDT_STR(""));
    crdt_map_put_bytes(root, CRDT_STR("\0\377"), CRDT_STR("\0\1\377"));
    crdt_map_put(root, CRDT_STR("time"), crdt_time(-1));
    crdt_commit(doc);
}

/* The example of the documentation: small, with a bit of everything. */
static void write_example(crdt_doc *doc)
{
    crdt_obj photo = crdt_map_map(crdt_root(doc), CRDT_STR("photo"));
    crdt_map_put_int(photo, CRDT_STR("size"), 48213);
    crdt_counter_add(crdt_map_counter(photo, CRDT_STR("views")), 1);
    crdt_map_put_int(photo, CRDT_STR("size"), 300);
    crdt_commit(doc);
}

static void write_objects(crdt_doc *doc)
{
    crdt_obj root = crdt_root(doc), map, reg, counter;
    map = crdt_map_map(root, CRDT_STR("map"));
    reg = crdt_map_register(map, CRDT_STR("register"));
    counter = crdt_map_counter(map, CRDT_STR("counter"));
    crdt_register_set(reg, crdt_string(CRDT_STR("blue")));
    crdt_counter_add(counter, 15);
    crdt_counter_add(counter, -3);
    crdt_commit(doc);
}

static void write_removals(crdt_doc *doc)
{
    crdt_obj map = crdt_map_map(crdt_root(doc), CRDT_STR("map"));
    crdt_counter_reset(crdt_map_counter(map, CRDT_STR("counter")));
    crdt_register_clear(crdt_map_register(map, CRDT_STR("register")));
    crdt_map_put_int(map, CRDT_STR("later"), 1);
    crdt_map_remove(map, CRDT_STR("later"));
    crdt_commit(doc);
}

static crdt_obj typed(crdt_doc *doc, crdt_type type)
{
    return crdt_map_object(crdt_root(doc), crdt_str(crdt_type_name(type)),
                           type);
}

/* Elements of every kind, and of ints those of the least and most bytes. */
enum { ELEMENTS = 16 };

static crdt_value element(int i)
{
    const crdt_value elements[ELEMENTS] = {
        crdt_int(300),
        crdt_null(),
        crdt_bool(0),
        crdt_bool(1),
        crdt_int(0),
        crdt_int(-1),
        crdt_int(INT64_MIN),
        crdt_int(INT64_MAX),
        crdt_double(-0.5),
        crdt_double(crdti_double_from(UINT64_C(0xfff0000000000001))),
        crdt_string(CRDT_STR("")),
        crdt_string(CRDT_STR("h\303\251llo")),
        crdt_string(CRDT_STR("a string too long for a record")),
        crdt_blob(CRDT_STR("\0\1\377")),
        crdt_time(-1),
        crdt_time(INT64_C(1700000000000)),
    };
    return elements[i];
}

static void write_sets(crdt_doc *doc)
{
    int type, i;
    for (type = CRDT_AW_SET; type <= CRDT_LWW_SET_RM; type++) {
        crdt_obj set = typed(doc, (crdt_type)type);
        for (i = 0; i < ELEMENTS; i++)
            crdt_set_add(set, element(i));
    }
}

static void write_types(crdt_doc *doc)
{
    crdt_id other = fuzz_id(2);
    crdt_counter_add(typed(doc, CRDT_GCOUNTER), 3);
    crdt_bounded_add(typed(doc, CRDT_BOUNDED), 9);
    crdt_bounded_take(typed(doc, CRDT_BOUNDED), 2);
    crdt_bounded_transfer(typed(doc, CRDT_BOUNDED), &other, 4);
    crdt_max_set(typed(doc, CRDT_MAX), crdt_int(7));
    crdt_min_set(typed(doc, CRDT_MIN), crdt_int(-7));
    crdt_flag_set(typed(doc, CRDT_EW_FLAG), 1);
    crdt_flag_set(typed(doc, CRDT_DW_FLAG), 1);
    write_sets(doc);
    crdt_commit(doc);
}

/* Removes an element, puts one back and adds one again, where that may be. */
static void change_sets(crdt_doc *doc, int first)
{
    int type;
    for (type = CRDT_AW_SET; type <= CRDT_LWW_SET_RM; type++) {
        crdt_obj set = typed(doc, (crdt_type)type);
        (void)crdt_set_remove(set, element(first));
        (void)crdt_set_remove(set, element(first + 8));
        (void)crdt_set_add(set, element(first));
        (void)crdt_set_add(set, element(first + 1));
    }
    (void)crdt_doc_error(doc); /* a grow-only set told */
}

static void change_types(crdt_doc *doc, int on)
{
    crdt_counter_add(typed(doc, CRDT_GCOUNTER), 4);
    crdt_bounded_add(typed(doc, CRDT_BOUNDED), 1);
    crdt_bounded_take(typed(doc, CRDT_BOUNDED), 3);
    crdt_max_set(typed(doc, CRDT_MAX), crdt_string(CRDT_STR("most")));
    crdt_min_set(typed(doc, CRDT_MIN), crdt_double(on));
    crdt_flag_set(typed(doc, CRDT_EW_FLAG), on);
    crdt_flag_set(typed(doc, CRDT_DW_FLAG), on);
    change_sets(doc, on ? 2 : 4);
    crdt_commit(doc);
}

static void sent(crdt_doc *doc, const crdt_vv *since, crdt_buf *out)
{
    if (crdt_delta(doc, since, out))
        abort();
}

/* And one of a set. */
static void write_tags(crdt_doc *doc)
{
    crdt_obj tags =
        crdt_map_object(crdt_root(doc), CRDT_STR("tags"), CRDT_AW_SET);
    crdt_set_add(tags, crdt_int(7));
    crdt_set_add(tags, crdt_string(CRDT_STR("red")));
    crdt_set_remove(tags, crdt_int(7));
    crdt_commit(doc);
}

static crdt_obj note(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("note"));
}

/* Typed, and a letter that was forgotten. */
static void write_note(crdt_doc *doc)
{
    crdt_text_insert(note(doc), CRDT_CHARS, 0, CRDT_STR("helo"));
    crdt_text_insert(note(doc), CRDT_CHARS, 2, CRDT_STR("l"));
    crdt_commit(doc);
}

static crdt_obj todo(crdt_doc *doc)
{
    return crdt_map_list(crdt_root(doc), CRDT_STR("todo"));
}

static crdt_err insert(crdt_obj list, size_t at, const char *value)
{
    return crdt_list_insert(list, at, crdt_string(crdt_str(value)));
}

static void write_todo(crdt_doc *doc)
{
    insert(todo(doc), 0, "tea");
    insert(todo(doc), 1, "jam");
    crdt_commit(doc);
}

static void make_values(crdt_buf *out)
{
    crdt_doc *doc = fuzz_doc_new(1);
    write_values(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
}

static void make_example(crdt_buf *out)
{
    crdt_doc *doc = fuzz_doc_new(0xaa);
    write_example(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
}

static void make_tags(crdt_buf *out)
{
    crdt_doc *doc = fuzz_doc_new(0xbb);
    write_tags(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
}

/* Replica 1 makes objects, 2 removes some, and 1 adds meanwhile. */
static crdt_doc *make_removed(crdt_vv *base)
{
    crdt_doc *a = fuzz_doc_new(1), *b = fuzz_doc_new(2);
    crdt_obj map;
    write_objects(a);
    fuzz_pull(b, a);
    if (crdt_doc_vv(a, base))
        abort();
    write_removals(b);
    map = crdt_map_map(crdt_root(a), CRDT_STR("map"));
    crdt_counter_add(crdt_map_counter(map, CRDT_STR("counter")), 5);
    crdt_register_set(crdt_map_register(map, CRDT_STR("register")),
                      crdt_double(1.5));
    crdt_commit(a);
    fuzz_pull(a, b);
    crdt_doc_free(b);
    return a;
}

/* What of a document that two replicas made is kept. */
enum { WHOLE, SINCE_BASE, CANONICAL_FORM };

static void keep(crdt_doc *(*make)(crdt_vv *base), int what, crdt_buf *out)
{
    crdt_vv base = CRDT_VV_INIT;
    crdt_doc *doc = make(&base);
    if (what != CANONICAL_FORM)
        sent(doc, what == SINCE_BASE ? &base : NULL, out);
    else if (crdt_canonical(doc, out))
        abort();
    crdt_doc_free(doc);
    crdt_vv_free(&base);
}

static void make_removals(crdt_buf *out)
{
    keep(make_removed, WHOLE, out);
}

static void make_objects(crdt_buf *out)
{
    crdt_doc *doc = fuzz_doc_new(1);
    write_objects(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
}

/* What is behind objects.hex. */
static void make_delta(crdt_buf *out)
{
    keep(make_removed, SINCE_BASE, out);
}

static void make_floor(crdt_buf *out)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_doc *doc = make_removed(&vv);
    if (crdt_doc_vv(doc, &vv) || crdt_truncate(doc, &vv))
        abort();
    write_values(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
    crdt_vv_free(&vv);
}

static void make_canonical(crdt_buf *out)
{
    keep(make_removed, CANONICAL_FORM, out);
}

static void make_types(crdt_buf *out)
{
    crdt_doc *doc = fuzz_doc_new(1);
    write_types(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
}

/* Replica 1 makes one of each type, then both change all of them at once. */
static crdt_doc *make_changed(crdt_vv *base)
{
    crdt_doc *a = fuzz_doc_new(1), *b = fuzz_doc_new(2);
    write_types(a);
    fuzz_pull(b, a);
    if (crdt_doc_vv(a, base))
        abort();
    change_types(a, 1);
    change_types(b, 0);
    crdt_map_remove(crdt_root(b), CRDT_STR("2pset"));
    crdt_commit(b);
    fuzz_pull(a, b);
    crdt_doc_free(b);
    return a;
}

static void make_changes(crdt_buf *out)
{
    keep(make_changed, WHOLE, out);
}

/* What is behind types.hex. */
static void make_changes_delta(crdt_buf *out)
{
    keep(make_changed, SINCE_BASE, out);
}

static void make_changes_canonical(crdt_buf *out)
{
    keep(make_changed, CANONICAL_FORM, out);
}

static void make_text(crdt_buf *out)
{
    crdt_doc *doc = fuzz_doc_new(0xaa);
    write_note(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
}

/* To "hello" one puts "!", the other at once makes it "help?". */
static crdt_doc *make_edited(crdt_vv *base)
{
    crdt_doc *a = fuzz_doc_new(0xaa), *b = fuzz_doc_new(0xbb);
    write_note(a);
    fuzz_pull(b, a);
    if (crdt_doc_vv(a, base))
        abort();
    crdt_text_insert(note(a), CRDT_CHARS, 5, CRDT_STR("!"));
    crdt_commit(a);
    crdt_text_delete(note(b), CRDT_CHARS, 3, 2);
    crdt_text_insert(note(b), CRDT_CHARS, 3, CRDT_STR("p?"));
    crdt_commit(b);
    fuzz_pull(a, b);
    crdt_doc_free(b);
    return a;
}

/* What is behind text.hex. */
static void make_text_delta(crdt_buf *out)
{
    keep(make_edited, SINCE_BASE, out);
}

/* Two type words of all widths, and delete, here and there; one of two texts
 * is removed with what is in it, while it grows elsewhere. */
static void write_texts(crdt_doc *docs[2], size_t from, size_t to)
{
    static const char *const words[] = { "plain", "h\303\251llo",
                                         "\360\237\230\200", " " };
    size_t i, at;
    for (i = from; i < to; i++) {
        crdt_doc *doc = docs[i % 2];
        crdt_obj text = typed(doc, CRDT_TEXT);
        at = i * 7 % (crdt_text_len(text, CRDT_CHARS) + 1);
        crdt_text_insert(text, CRDT_CHARS, at, crdt_str(words[i / 2 % 4]));
        crdt_text_insert(text, CRDT_CHARS, at, CRDT_STR("\0back"));
        if (at > 3)
            crdt_text_delete(text, CRDT_CHARS, at - 3, 5);
        crdt_text_insert(note(doc), CRDT_UTF8, 0, CRDT_STR("it "));
        if (i % 16 == 8)
            crdt_map_remove(crdt_root(doc), CRDT_STR("note"));
        crdt_commit(doc);
        if (i % 8 == 7)
            fuzz_pull(docs[i / 8 % 2], docs[i / 8 % 2 ^ 1]);
    }
    fuzz_pull(docs[0], docs[1]);
}

static crdt_doc *make_written(crdt_vv *base)
{
    crdt_doc *docs[2] = { fuzz_doc_new(1), fuzz_doc_new(2) };
    write_texts(docs, 0, 32);
    if (crdt_doc_vv(docs[0], base))
        abort();
    crdt_doc_free(docs[1]);
    return docs[0];
}

static crdt_doc *make_rewritten(crdt_vv *base)
{
    crdt_doc *docs[2] = { fuzz_doc_new(1), fuzz_doc_new(2) };
    write_texts(docs, 0, 32);
    if (crdt_doc_vv(docs[0], base))
        abort();
    write_texts(docs, 32, 48);
    crdt_doc_free(docs[1]);
    return docs[0];
}

static void make_texts(crdt_buf *out)
{
    keep(make_written, WHOLE, out);
}

static void make_edits(crdt_buf *out)
{
    keep(make_rewritten, WHOLE, out);
}

/* What is behind texts.hex. */
static void make_edits_delta(crdt_buf *out)
{
    keep(make_rewritten, SINCE_BASE, out);
}

static void make_edits_canonical(crdt_buf *out)
{
    keep(make_rewritten, CANONICAL_FORM, out);
}

static void make_list(crdt_buf *out)
{
    crdt_doc *doc = fuzz_doc_new(0xaa);
    write_todo(doc);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
}

/* Of "tea", "jam" one moves the tea to the end and inserts "pie" in front; the
 * other at once makes "oat" of the tea, and deletes the jam. */
static crdt_doc *make_moved(crdt_vv *base)
{
    crdt_doc *a = fuzz_doc_new(0xaa), *b = fuzz_doc_new(0xbb);
    write_todo(a);
    fuzz_pull(b, a);
    if (crdt_doc_vv(a, base))
        abort();
    crdt_list_move(todo(a), 0, 1);
    insert(todo(a), 0, "pie");
    crdt_list_set(todo(b), 0, crdt_string(CRDT_STR("oat")));
    crdt_list_delete(todo(b), 1, 1);
    crdt_commit(a);
    crdt_commit(b);
    fuzz_pull(a, b);
    crdt_doc_free(b);
    return a;
}

/* What is behind list.hex. */
static void make_list_delta(crdt_buf *out)
{
    keep(make_moved, SINCE_BASE, out);
}

/* A container of any type in the list, with something in it. */
static void insert_container(crdt_obj list, size_t i)
{
    crdt_type type = (crdt_type)(1 + i % CRDT_LIST);
    crdt_obj it = crdt_list_insert_object(list, i % 3, type);
    (void)crdt_map_put_int(it, CRDT_STR("in"), (int64_t)i);
    (void)crdt_register_set(it, crdt_int((int64_t)i));
    (void)crdt_counter_add(it, (int64_t)i);
    (void)crdt_set_add(it, crdt_int((int64_t)i));
    (void)crdt_text_insert(it, CRDT_CHARS, 0, CRDT_STR("typed"));
    (void)crdt_list_insert(it, 0, crdt_int((int64_t)i));
}

/* Two insert, set, move and delete, here and there; one of two lists is
 * removed with what is in it, while it grows elsewhere. */
static void write_lists(crdt_doc *docs[2], size_t from, size_t to)
{
    size_t i, k, len;
    for (i = from; i < to; i++) {
        crdt_doc *doc = docs[i % 2];
        crdt_obj list = typed(doc, CRDT_LIST);
        for (k = 0; k < 3; k++)
            crdt_list_insert(list, i * 7 % (crdt_list_len(list) + 1),
                             element((int)((i + k) % ELEMENTS)));
        insert_container(list, i);
        len = crdt_list_len(list);
        crdt_list_move(list, i * 5 % len, i * 3 % len);
        crdt_list_set(list, i % len, crdt_int(-(int64_t)i));
        crdt_list_delete(list, i * 11 % (len - 1), i % 3);
        insert(todo(doc), 0, "anew");
        if (i % 16 == 8)
            crdt_map_remove(crdt_root(doc), CRDT_STR("todo"));
        crdt_commit(doc);
        if (i % 8 == 7)
            fuzz_pull(docs[i / 8 % 2], docs[i / 8 % 2 ^ 1]);
    }
    fuzz_pull(docs[0], docs[1]);
}

static crdt_doc *make_listed(crdt_vv *base)
{
    crdt_doc *docs[2] = { fuzz_doc_new(1), fuzz_doc_new(2) };
    write_lists(docs, 0, 16);
    if (crdt_doc_vv(docs[0], base))
        abort();
    crdt_doc_free(docs[1]);
    return docs[0];
}

static crdt_doc *make_relisted(crdt_vv *base)
{
    crdt_doc *docs[2] = { fuzz_doc_new(1), fuzz_doc_new(2) };
    write_lists(docs, 0, 16);
    if (crdt_doc_vv(docs[0], base))
        abort();
    write_lists(docs, 16, 32);
    crdt_doc_free(docs[1]);
    return docs[0];
}

static void make_lists(crdt_buf *out)
{
    keep(make_listed, WHOLE, out);
}

static void make_moves(crdt_buf *out)
{
    keep(make_relisted, WHOLE, out);
}

/* What is behind lists.hex. */
static void make_moves_delta(crdt_buf *out)
{
    keep(make_relisted, SINCE_BASE, out);
}

static void make_moves_canonical(crdt_buf *out)
{
    keep(make_relisted, CANONICAL_FORM, out);
}

static void make_vv(crdt_buf *out)
{
    static const uint64_t seqs[] = { 1, 127, 128, CRDTSYNC_MAX_SEQ };
    crdt_vv vv = CRDT_VV_INIT;
    int i;
    for (i = 0; i < 4; i++) {
        crdt_id id = fuzz_id(4 - i);
        if (crdt_vv_set(&vv, &id, seqs[i]))
            abort();
    }
    if (crdt_vv_encode(&vv, out))
        abort();
    crdt_vv_free(&vv);
}

enum {
    EXAMPLE,
    TAGS,
    VALUES,
    OBJECTS,
    REMOVALS,
    DELTA,
    FLOOR,
    CANONICAL,
    TYPES,
    CHANGES,
    CHANGES_DELTA,
    CHANGES_CANONICAL,
    TEXT,
    TEXT_DELTA,
    TEXTS,
    EDITS,
    EDITS_DELTA,
    EDITS_CANONICAL,
    LIST,
    LIST_DELTA,
    LISTS,
    MOVES,
    MOVES_DELTA,
    MOVES_CANONICAL,
    VV, /* the only one that is no delta */
    GOLDENS
};

static const struct golden {
    const char *name;
    void (*make)(crdt_buf *out);
    void (*base)(crdt_buf *out); /* what its joiner must have */
} goldens[GOLDENS] = {
    { "example", make_example, NULL },
    { "tags", make_tags, NULL },
    { "values", make_values, NULL },
    { "objects", make_objects, NULL },
    { "removals", make_removals, NULL },
    { "delta", make_delta, make_objects },
    { "floor", make_floor, NULL },
    { "canonical", make_canonical, NULL },
    { "types", make_types, NULL },
    { "changes", make_changes, NULL },
    { "changes-delta", make_changes_delta, make_types },
    { "changes-canonical", make_changes_canonical, NULL },
    { "text", make_text, NULL },
    { "text-delta", make_text_delta, make_text },
    { "texts", make_texts, NULL },
    { "edits", make_edits, NULL },
    { "edits-delta", make_edits_delta, make_texts },
    { "edits-canonical", make_edits_canonical, NULL },
    { "list", make_list, NULL },
    { "list-delta", make_list_delta, make_list },
    { "lists", make_lists, NULL },
    { "moves", make_moves, NULL },
    { "moves-delta", make_moves_delta, make_lists },
    { "moves-canonical", make_moves_canonical, NULL },
    { "vv", make_vv, NULL },
};

/* >>files: hex, 16 bytes a line ------------------------------------------- */

static FILE *open_golden(const struct golden *golden, const char *mode)
{
    char path[80];
    snprintf(path, sizeof path, "test/golden/%s.hex", golden->name);
    return fopen(path, mode);
}

static void write_golden(const struct golden *golden, const crdt_buf *bytes)
{
    FILE *file = open_golden(golden, "w");
    size_t i;
    if (!file)
        abort();
    for (i = 0; i < bytes->len; i++)
        fprintf(file, "%02x%c", bytes->ptr[i],
                i % 16 == 15 || i + 1 == bytes->len ? '\n' : ' ');
    fclose(file);
}

static void read_golden(const struct golden *golden, crdt_buf *out)
{
    FILE *file = open_golden(golden, "r");
    crdti_writer w;
    unsigned byte;
    crdti_writer_init(&w, out);
    while (file && fscanf(file, "%2x", &byte) == 1)
        crdti_put_u8(&w, (uint8_t)byte);
    if (file)
        fclose(file);
    CHECK(out->len > 0);
}

/* A document that has what the delta is based on. */
static crdt_doc *receiver(const struct golden *golden)
{
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_buf base = CRDT_BUF_INIT;
    if (!golden->base)
        return doc;
    golden->base(&base);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&base)), CRDT_OK);
    crdt_buf_free(&base);
    return doc;
}

static crdt_err join_golden(const struct golden *golden, crdt_bytes bytes)
{
    crdt_doc *doc = receiver(golden);
    crdt_err err = crdt_join(doc, bytes);
    fuzz_sound(doc);
    crdt_doc_free(doc);
    return err;
}

/* >>tests ----------------------------------------------------------------- */

TEST(the_same_documents_write_the_same_bytes)
{
    int i;
    for (i = 0; i < GOLDENS; i++) {
        crdt_buf made = CRDT_BUF_INIT, kept = CRDT_BUF_INIT;
        goldens[i].make(&made);
        if (test_env("CRDT_GOLDEN_WRITE", 0))
            write_golden(&goldens[i], &made);
        read_golden(&goldens[i], &kept);
        if (!crdt_bytes_equal(crdt_buf_bytes(&made), crdt_buf_bytes(&kept)))
            printf("%s.hex differs\n", goldens[i].name);
        CHECK(crdt_bytes_equal(crdt_buf_bytes(&made), crdt_buf_bytes(&kept)));
        crdt_buf_free(&made);
        crdt_buf_free(&kept);
    }
}

TEST(kept_bytes_are_joined)
{
    int i;
    for (i = 0; i < GOLDENS; i++) {
        crdt_buf kept = CRDT_BUF_INIT;
        crdt_doc *doc = receiver(&goldens[i]);
        read_golden(&goldens[i], &kept);
        if (i != VV) {
            CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&kept)), CRDT_OK);
            fuzz_sound(doc);
            fuzz_reproduces(doc);
        }
        crdt_doc_free(doc);
        crdt_buf_free(&kept);
    }
}

static crdt_digest digest_of(const struct golden *golden)
{
    crdt_doc *doc = receiver(golden);
    crdt_buf kept = CRDT_BUF_INIT;
    crdt_digest digest;
    read_golden(golden, &kept);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&kept)), CRDT_OK);
    digest = crdt_doc_digest(doc);
    crdt_doc_free(doc);
    crdt_buf_free(&kept);
    return digest;
}

/* Whoever has the snapshot, and whoever has the base and the delta, and
 * whoever has the canonical bytes, has the same. */
TEST(three_ways_to_one_state)
{
    static const int ways[4][3] = { { REMOVALS, DELTA, CANONICAL },
                                    { CHANGES, CHANGES_DELTA,
                                      CHANGES_CANONICAL },
                                    { EDITS, EDITS_DELTA, EDITS_CANONICAL },
                                    { MOVES, MOVES_DELTA, MOVES_CANONICAL } };
    int state, i;
    for (state = 0; state < 4; state++) {
        crdt_digest first = digest_of(&goldens[ways[state][0]]);
        for (i = 1; i < 3; i++) {
            crdt_digest digest = digest_of(&goldens[ways[state][i]]);
            CHECK(digest.hi == first.hi && digest.lo == first.lo);
        }
    }
}

static crdt_doc *join_kept(int number)
{
    crdt_buf kept = CRDT_BUF_INIT;
    crdt_doc *doc = receiver(&goldens[number]);
    read_golden(&goldens[number], &kept);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&kept)), CRDT_OK);
    crdt_buf_free(&kept);
    return doc;
}

/* Each type has every element, some of them as rows. */
TEST(the_types_are_what_was_written)
{
    crdt_doc *doc = join_kept(TYPES);
    crdt_id id = fuzz_id(2);
    crdt_value value = crdt_null();
    int64_t number = 0;
    int type, i, on = 0;
    for (type = CRDT_AW_SET; type <= CRDT_LWW_SET_RM; type++) {
        crdt_obj set = typed(doc, (crdt_type)type);
        CHECK_INT(crdt_set_size(set), ELEMENTS);
        for (i = 0; i < ELEMENTS; i++)
            CHECK(crdt_set_has(set, element(i)));
    }
    CHECK(doc->rows.len > 0);
    CHECK_ERR(crdt_counter_get(typed(doc, CRDT_GCOUNTER), &number), CRDT_OK);
    CHECK_INT(number, 3);
    CHECK_ERR(crdt_bounded_get(typed(doc, CRDT_BOUNDED), &number), CRDT_OK);
    CHECK_INT(number, 7);
    CHECK_ERR(crdt_bounded_rights(typed(doc, CRDT_BOUNDED), &id, &number),
              CRDT_OK);
    CHECK_INT(number, 4);
    CHECK_ERR(crdt_max_get(typed(doc, CRDT_MAX), &value), CRDT_OK);
    CHECK(value.kind == CRDT_INT && value.as.integer == 7);
    CHECK_ERR(crdt_min_get(typed(doc, CRDT_MIN), &value), CRDT_OK);
    CHECK(value.kind == CRDT_INT && value.as.integer == -7);
    CHECK_ERR(crdt_flag_get(typed(doc, CRDT_EW_FLAG), &on), CRDT_OK);
    CHECK_INT(on, 1);
    crdt_doc_free(doc);
}

/* At once one said on and one off, and each took one element out, and another
 * out and in again. */
TEST(the_changes_are_what_they_mean)
{
    crdt_doc *doc = join_kept(CHANGES);
    int on = 0;
    CHECK_ERR(crdt_flag_get(typed(doc, CRDT_EW_FLAG), &on), CRDT_OK);
    CHECK_INT(on, 1);
    CHECK_ERR(crdt_flag_get(typed(doc, CRDT_DW_FLAG), &on), CRDT_OK);
    CHECK_INT(on, 0);
    CHECK_INT(crdt_set_size(typed(doc, CRDT_AW_SET)), ELEMENTS - 2);
    CHECK_INT(crdt_set_size(typed(doc, CRDT_RW_SET)), ELEMENTS - 2);
    CHECK_INT(crdt_set_size(typed(doc, CRDT_GSET)), ELEMENTS);
    CHECK_INT(crdt_set_size(typed(doc, CRDT_LWW_SET)), ELEMENTS - 2);
    CHECK_INT(crdt_set_size(typed(doc, CRDT_LWW_SET_RM)), ELEMENTS - 2);
    crdt_doc_free(doc);
}

TEST(the_values_are_what_was_put)
{
    crdt_doc *doc = join_kept(VALUES);
    crdt_obj root = crdt_root(doc);
    crdt_value value = crdt_null();
    int64_t number = 0;
    int truth = 1;
    CHECK_INT(crdt_map_size(root), 12);
    CHECK_ERR(crdt_map_get_int(root, CRDT_STR("least"), &number), CRDT_OK);
    CHECK(number == INT64_MIN);
    CHECK_ERR(crdt_map_get_bool(root, CRDT_STR("no"), &truth), CRDT_OK);
    CHECK_INT(truth, 0);
    CHECK_ERR(crdt_map_get(root, CRDT_STR("time"), &value), CRDT_OK);
    CHECK(value.kind == CRDT_TIME && value.as.integer == -1);
    CHECK_ERR(crdt_map_get(root, CRDT_STR("nan"), &value), CRDT_OK);
    CHECK(crdti_double_bits(value.as.number) == UINT64_C(0x7ff8000000000000));
    CHECK_ERR(crdt_map_get(root, CRDT_STR("string"), &value), CRDT_OK);
    CHECK(value.kind == CRDT_STRING && value.as.bytes.len == 6);
    crdt_doc_free(doc);
}

static void check_note(int number, const char *want)
{
    crdt_doc *doc = join_kept(number);
    crdt_buf text = CRDT_BUF_INIT;
    CHECK_ERR(crdt_text_get(note(doc), &text), CRDT_OK);
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&text), crdt_str(want)));
    crdt_buf_free(&text);
    crdt_doc_free(doc);
}

TEST(the_texts_are_what_was_typed)
{
    crdt_doc *doc = join_kept(EDITS);
    crdt_obj text = typed(doc, CRDT_TEXT);
    check_note(TEXT, "hello");
    check_note(TEXT_DELTA, "help?!");
    CHECK(crdt_text_len(text, CRDT_CHARS) > 100);
    CHECK(crdt_text_len(text, CRDT_UTF8) > crdt_text_len(text, CRDT_CHARS));
    CHECK(crdt_text_len(note(doc), CRDT_CHARS) > 0);
    crdt_doc_free(doc);
}

static void check_element(crdt_obj list, size_t at, const char *want)
{
    crdt_value value = crdt_null();
    CHECK_ERR(crdt_list_get(list, at, &value), CRDT_OK);
    CHECK(value.kind == CRDT_STRING &&
          crdt_bytes_equal(value.as.bytes, crdt_str(want)));
}

TEST(the_lists_are_what_was_written)
{
    crdt_doc *small = join_kept(LIST_DELTA), *doc = join_kept(MOVES);
    crdt_obj list = typed(doc, CRDT_LIST);
    CHECK_INT(crdt_list_len(todo(small)), 2);
    check_element(todo(small), 0, "pie");
    check_element(todo(small), 1, "oat");
    CHECK(crdt_list_len(list) > 50);
    CHECK(crdt_list_len(todo(doc)) > 0);
    crdt_doc_free(small);
    crdt_doc_free(doc);
}

/* Also when the frame around the shorter payload is whole. */
static void check_truncated(const struct golden *golden, const crdt_buf *kept)
{
    crdt_doc *doc = receiver(golden);
    crdti_frame frame;
    size_t i, offset;
    for (i = 0; i < kept->len; i++)
        CHECK_ERR(crdt_join(doc, crdt_bytes_of(kept->ptr, i)),
                  CRDT_ERR_TRUNCATED);
    CHECK_ERR(crdti_frame_get(crdt_buf_bytes(kept), SIZE_MAX, &frame, NULL),
              CRDT_OK);
    for (i = 0; i < frame.payload.len; i++)
        CHECK(crdti_payload_join(doc, crdt_bytes_of(frame.payload.ptr, i),
                                 &offset, NULL) != CRDT_OK);
    fuzz_sound(doc);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(kept)), CRDT_OK);
    crdt_doc_free(doc);
}

TEST(no_beginning_is_taken_for_the_whole)
{
    int k;
    for (k = 0; k < GOLDENS; k++) {
        crdt_buf kept = CRDT_BUF_INIT;
        crdt_vv vv = CRDT_VV_INIT;
        size_t i;
        read_golden(&goldens[k], &kept);
        for (i = 0; k == VV && i < kept.len; i++)
            CHECK_ERR(crdt_vv_decode(&vv, crdt_bytes_of(kept.ptr, i)),
                      CRDT_ERR_TRUNCATED);
        if (k != VV)
            check_truncated(&goldens[k], &kept);
        crdt_vv_free(&vv);
        crdt_buf_free(&kept);
    }
}

TEST(no_flipped_bit_is_taken)
{
    int k;
    for (k = 0; k < GOLDENS; k++) {
        crdt_buf kept = CRDT_BUF_INIT;
        crdt_doc *doc = receiver(&goldens[k]);
        size_t i;
        read_golden(&goldens[k], &kept);
        for (i = 0; k != VV && i < kept.len * 8; i++) {
            kept.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
            CHECK(crdt_join(doc, crdt_buf_bytes(&kept)) != CRDT_OK);
            kept.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
        }
        fuzz_sound(doc);
        crdt_doc_free(doc);
        crdt_buf_free(&kept);
    }
}

/* Changes a byte and makes the checksum right again. */
static crdt_err join_changed(crdt_buf *kept, size_t at, uint8_t byte)
{
    uint8_t was = kept->ptr[at];
    crdt_bytes head = crdt_bytes_of(kept->ptr, kept->len - 4);
    crdt_err err;
    kept->ptr[at] = byte;
    crdti_store32(kept->ptr + head.len, crdti_crc32c(0, head));
    err = join_golden(&goldens[EXAMPLE], crdt_buf_bytes(kept));
    kept->ptr[at] = was;
    crdti_store32(kept->ptr + head.len, crdti_crc32c(0, head));
    return err;
}

TEST(what_a_newer_version_wrote_is_refused)
{
    crdt_buf kept = CRDT_BUF_INIT;
    unsigned i;
    read_golden(&goldens[EXAMPLE], &kept);
    REQUIRE(kept.len > 8 && kept.ptr[1] == 0x21 && kept.ptr[3] == 1);
    for (i = 0; i < 8; i++)
        if (i != CRDTI_FRAME_VERSION)
            CHECK_ERR(join_changed(&kept, 1, (uint8_t)(i << 5 | 1)),
                      CRDT_ERR_VERSION);
    for (i = 0; i < 32; i++)
        if (i != CRDTI_FRAME_DELTA)
            CHECK_ERR(join_changed(&kept, 1, (uint8_t)(1 << 5 | i)),
                      CRDT_ERR_VERSION);
    for (i = CRDTI_DELTA_FLAGS + 1u; i < 256; i++)
        CHECK_ERR(join_changed(&kept, 3, (uint8_t)i), CRDT_ERR_VERSION);
    CHECK_ERR(join_changed(&kept, 1, 0x21), CRDT_OK);
    crdt_buf_free(&kept);
}

TEST_MAIN(
    CASE(the_same_documents_write_the_same_bytes), CASE(kept_bytes_are_joined),
    CASE(three_ways_to_one_state), CASE(the_values_are_what_was_put),
    CASE(the_types_are_what_was_written), CASE(the_changes_are_what_they_mean),
    CASE(the_texts_are_what_was_typed), CASE(the_lists_are_what_was_written),
    CASE(no_beginning_is_taken_for_the_whole), CASE(no_flipped_bit_is_taken),
    CASE(what_a_newer_version_wrote_is_refused))
