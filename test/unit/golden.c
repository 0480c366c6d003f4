/*
 * The wire format does not change by accident: documents made with fixed ids,
 * clock and randomness write the bytes under test/golden, and those can be
 * joined. docs/wire-format.md explains example.hex byte by byte.
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

static void sent(crdt_doc *doc, const crdt_vv *since, crdt_buf *out)
{
    if (crdt_delta(doc, since, out))
        abort();
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

static void make_removals(crdt_buf *out)
{
    crdt_vv base = CRDT_VV_INIT;
    crdt_doc *doc = make_removed(&base);
    sent(doc, NULL, out);
    crdt_doc_free(doc);
    crdt_vv_free(&base);
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
    crdt_vv base = CRDT_VV_INIT;
    crdt_doc *doc = make_removed(&base);
    sent(doc, &base, out);
    crdt_doc_free(doc);
    crdt_vv_free(&base);
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
    crdt_vv base = CRDT_VV_INIT;
    crdt_doc *doc = make_removed(&base);
    if (crdt_canonical(doc, out))
        abort();
    crdt_doc_free(doc);
    crdt_vv_free(&base);
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

static const struct golden {
    const char *name;
    void (*make)(crdt_buf *out);
    int is_frame;
} goldens[] = {
    { "example", make_example, 1 },     { "values", make_values, 1 },
    { "objects", make_objects, 1 },     { "removals", make_removals, 1 },
    { "delta", make_delta, 1 },         { "floor", make_floor, 1 },
    { "canonical", make_canonical, 1 }, { "vv", make_vv, 0 },
};

enum { GOLDENS = sizeof goldens / sizeof *goldens };

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
    if (golden->make != make_delta)
        return doc;
    make_objects(&base);
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
        if (goldens[i].is_frame) {
            CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&kept)), CRDT_OK);
            fuzz_sound(doc);
            fuzz_reproduces(doc);
        }
        crdt_doc_free(doc);
        crdt_buf_free(&kept);
    }
}

/* Whoever has the snapshot, and whoever has the base and the delta, and
 * whoever has the canonical bytes, has the same. */
TEST(three_ways_to_one_state)
{
    static const int ways[] = { 3, 4, 6 };
    crdt_digest first = { 0, 0 };
    int i;
    for (i = 0; i < 3; i++) {
        const struct golden *golden = &goldens[ways[i]];
        crdt_doc *doc = receiver(golden);
        crdt_buf kept = CRDT_BUF_INIT;
        crdt_digest digest;
        read_golden(golden, &kept);
        CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&kept)), CRDT_OK);
        digest = crdt_doc_digest(doc);
        if (i == 0)
            first = digest;
        CHECK(digest.hi == first.hi && digest.lo == first.lo);
        crdt_doc_free(doc);
        crdt_buf_free(&kept);
    }
}

TEST(the_values_are_what_was_put)
{
    crdt_buf kept = CRDT_BUF_INIT;
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_obj root = crdt_root(doc);
    crdt_value value = crdt_null();
    int64_t number = 0;
    int truth = 1;
    read_golden(&goldens[1], &kept);
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&kept)), CRDT_OK);
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
    crdt_buf_free(&kept);
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
        for (i = 0; i < kept.len && !goldens[k].is_frame; i++)
            CHECK_ERR(crdt_vv_decode(&vv, crdt_bytes_of(kept.ptr, i)),
                      CRDT_ERR_TRUNCATED);
        if (goldens[k].is_frame)
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
        for (i = 0; i < kept.len * 8 && goldens[k].is_frame; i++) {
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
    err = join_golden(&goldens[0], crdt_buf_bytes(kept));
    kept->ptr[at] = was;
    crdti_store32(kept->ptr + head.len, crdti_crc32c(0, head));
    return err;
}

TEST(what_a_newer_version_wrote_is_refused)
{
    crdt_buf kept = CRDT_BUF_INIT;
    unsigned i;
    read_golden(&goldens[0], &kept);
    REQUIRE(kept.len > 8 && kept.ptr[1] == 0x21 && kept.ptr[3] == 1);
    for (i = 0; i < 8; i++)
        if (i != CRDTI_FRAME_VERSION)
            CHECK_ERR(join_changed(&kept, 1, (uint8_t)(i << 5 | 1)),
                      CRDT_ERR_VERSION);
    for (i = 0; i < 32; i++)
        if (i != CRDTI_FRAME_DELTA)
            CHECK_ERR(join_changed(&kept, 1, (uint8_t)(1 << 5 | i)),
                      CRDT_ERR_VERSION);
    for (i = 4; i < 256; i++)
        CHECK_ERR(join_changed(&kept, 3, (uint8_t)i), CRDT_ERR_VERSION);
    CHECK_ERR(join_changed(&kept, 1, 0x21), CRDT_OK);
    crdt_buf_free(&kept);
}

TEST_MAIN(CASE(the_same_documents_write_the_same_bytes),
          CASE(kept_bytes_are_joined), CASE(three_ways_to_one_state),
          CASE(the_values_are_what_was_put),
          CASE(no_beginning_is_taken_for_the_whole),
          CASE(no_flipped_bit_is_taken),
          CASE(what_a_newer_version_wrote_is_refused))
