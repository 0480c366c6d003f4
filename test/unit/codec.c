/*
 * The delta codec: round trips, one form only, and errors that point at the
 * byte that is at fault.
 */
#include "../../src/error.h"
#include "../fuzz/doc.h"
#include "../test.h"

#define CHECK_ERR(got, want) CHECK_STR(crdt_err_name(got), #want)

/* >>what goes out comes in ------------------------------------------------ */

/* Every replica ends with the same canonical bytes, and writing what was read
 * changes nothing. */
TEST(round_trips)
{
    crdt_doc *docs[3], *all = fuzz_doc_new(9);
    crdt_buf a = CRDT_BUF_INIT, b = CRDT_BUF_INIT;
    unsigned rounds, i;
    for (rounds = 3; rounds < 120; rounds += 9) {
        crdt_doc *fresh = fuzz_doc_new(9);
        fuzz_history(docs, rounds);
        for (i = 0; i < 3; i++)
            fuzz_pull(fresh, docs[i]);
        fuzz_sound(fresh);
        fuzz_reproduces(fresh);
        for (i = 0; i < 3; i++) {
            fuzz_pull(docs[i], fresh);
            a.len = b.len = 0;
            CHECK_ERR(crdt_canonical(fresh, &a), CRDT_OK);
            CHECK_ERR(crdt_canonical(docs[i], &b), CRDT_OK);
            CHECK(crdt_bytes_equal(crdt_buf_bytes(&a), crdt_buf_bytes(&b)));
            crdt_doc_free(docs[i]);
        }
        crdt_doc_free(fresh);
    }
    crdt_doc_free(all);
    crdt_buf_free(&a);
    crdt_buf_free(&b);
}

/* What the fuzzers start from has something of each type to lose. */
TEST(the_document_of_the_fuzzers_has_all_types)
{
    crdt_doc *doc = fuzz_doc();
    crdt_obj types = fuzz_types(doc);
    int type;
    for (type = CRDT_GCOUNTER; type < CRDT_TYPE_COUNT; type++)
        CHECK(crdt_map_has(types, crdt_str(crdt_type_name((crdt_type)type))));
    CHECK(doc->rows.len > CRDTI_BLOCK_ROWS);
    crdt_doc_free(doc);
}

TEST(a_delta_is_appended)
{
    crdt_doc *doc = fuzz_doc();
    crdt_buf once = CRDT_BUF_INIT, twice = CRDT_BUF_INIT;
    CHECK_ERR(crdt_delta(doc, NULL, &once), CRDT_OK);
    CHECK_ERR(crdt_delta(doc, NULL, &twice), CRDT_OK);
    CHECK_ERR(crdt_delta(doc, NULL, &twice), CRDT_OK);
    CHECK(twice.len == 2 * once.len);
    CHECK(memcmp(twice.ptr, once.ptr, once.len) == 0);
    CHECK(memcmp(twice.ptr + once.len, once.ptr, once.len) == 0);
    /* Two frames are not one delta. */
    CHECK_ERR(crdt_join(doc, crdt_buf_bytes(&twice)), CRDT_ERR_CORRUPT);
    crdt_map_put_null(crdt_root(doc), CRDT_STR("open"));
    CHECK_ERR(crdt_delta(doc, NULL, &twice), CRDT_ERR_UNCOMMITTED);
    CHECK(twice.len == 2 * once.len);
    crdt_doc_free(doc);
    crdt_buf_free(&once);
    crdt_buf_free(&twice);
}

TEST(the_range_of_a_delta)
{
    crdt_doc *docs[3];
    crdt_vv want_since = CRDT_VV_INIT, want_top = CRDT_VV_INIT;
    crdt_vv since = CRDT_VV_INIT, top = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    unsigned i;
    fuzz_history(docs, 30);
    CHECK_ERR(crdt_doc_vv(docs[0], &want_since), CRDT_OK);
    fuzz_write(docs[0], 2);
    crdt_commit(docs[0]);
    CHECK_ERR(crdt_doc_vv(docs[0], &want_top), CRDT_OK);
    CHECK_ERR(crdt_delta(docs[0], &want_since, &buf), CRDT_OK);
    CHECK_ERR(crdt_delta_range(crdt_buf_bytes(&buf), &since, &top), CRDT_OK);
    CHECK_INT(crdt_vv_compare(&since, &want_since), CRDT_EQUAL);
    CHECK_INT(crdt_vv_compare(&top, &want_top), CRDT_EQUAL);
    CHECK_ERR(crdt_delta_range(crdt_buf_bytes(&buf), NULL, NULL), CRDT_OK);
    buf.len = 0;
    CHECK_ERR(crdt_delta(docs[0], NULL, &buf), CRDT_OK);
    CHECK_ERR(crdt_delta_range(crdt_buf_bytes(&buf), &since, &top), CRDT_OK);
    CHECK_INT(since.len, 0);
    CHECK_INT(crdt_vv_compare(&top, &want_top), CRDT_EQUAL);
    buf.ptr[4] ^= 1;
    CHECK_ERR(crdt_delta_range(crdt_buf_bytes(&buf), &since, &top),
              CRDT_ERR_CHECKSUM);
    CHECK_INT(crdt_vv_compare(&top, &want_top), CRDT_EQUAL);
    for (i = 0; i < 3; i++)
        crdt_doc_free(docs[i]);
    crdt_vv_free(&want_since);
    crdt_vv_free(&want_top);
    crdt_vv_free(&since);
    crdt_vv_free(&top);
    crdt_buf_free(&buf);
}

/* >>where the fault is -----------------------------------------------------
 * One payload, in which one byte is changed. */

/* clang-format off */
static const uint8_t good[] = {
    /*  0 */ 0x02,                          /* flags: floor */
    /*  1 */ 2,                             /* replicas */
    /*  2 */ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    /* 18 */ 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    /* 34 */ 0, 0,                          /* base */
    /* 36 */ 4, 3,                          /* top */
    /* 38 */ 1, 1,                          /* floor */
    /* 40 */ 1, 0, 3, 1, 'n',               /* objects: a counter */
    /* 45 */ 5,                             /* ops */
    /* 46 */ 0, 4, 1, 1,                    /* replica: four of 1, one of 2 */
    /* 50 */ 1, 4, 3, 1,                    /* step */
    /* 54 */ 0, 2, 1, 2, 0, 1,              /* object */
    /* 60 */ 1, 2, 3, 1, 4, 1, 0x81, 1, 1,  /* kind */
    /* 69 */ 0, 2, 0,                       /* stamps */
    /* 72 */ 1, 'k', 1, 'l', 1, 'm',        /* keys */
    /* 78 */ 3, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, /* a NaN */
    /* 87 */ 1, 1,                          /* true */
    /* 89 */ 5, 2,                          /* ADD +5 -2 */
    /* 91 */ 2, 0, 5, 2, 1, 1, 0,           /* RESET */
    /* 98 */ 4, 2, 'h', 'i',                /* a string */
    /*102 */ 2, 0, 3, 1, 1,                 /* kills: 1 up to 1, 2 up to 1 */
};

static const struct fault {
    size_t at; /* which byte is changed */
    uint8_t to;
    crdt_err want;
    size_t offset; /* where the field that is at fault begins */
} faults[] = {
    { 0, 8, CRDT_ERR_VERSION, 0 },
    { 1, 100, CRDT_ERR_TRUNCATED, 1 },
    { 1, 200, CRDT_ERR_TRUNCATED, 1 },  /* a number of two bytes */
    { 18, 1, CRDT_ERR_CORRUPT, 34 },    /* see below */
    { 18, 0, CRDT_ERR_CORRUPT, 18 },    /* not sorted */
    { 36, 0, CRDT_ERR_CORRUPT, 36 },    /* a replica that did nothing */
    { 39, 4, CRDT_ERR_CORRUPT, 39 },    /* a floor above the top */
    { 40, 100, CRDT_ERR_TRUNCATED, 40 },
    { 41, 1, CRDT_ERR_CORRUPT, 41 },    /* inside itself */
    { 42, 0, CRDT_ERR_CORRUPT, 41 },
    { 42, 99, CRDT_ERR_VERSION, 41 },
    { 43, 127, CRDT_ERR_TRUNCATED, 43 },
    { 45, 60, CRDT_ERR_TRUNCATED, 45 },
    { 46, 2, CRDT_ERR_CORRUPT, 46 },    /* no such replica */
    { 47, 0, CRDT_ERR_CORRUPT, 46 },    /* a run of nothing */
    { 47, 6, CRDT_ERR_CORRUPT, 46 },    /* a run longer than all */
    { 48, 0, CRDT_ERR_CORRUPT, 48 },    /* two runs for one */
    { 50, 0, CRDT_ERR_CORRUPT, 50 },    /* no step */
    { 50, 2, CRDT_ERR_CORRUPT, 50 },    /* beyond the top */
    { 54, 2, CRDT_ERR_CORRUPT, 54 },    /* no such object */
    { 60, 3, CRDT_ERR_CORRUPT, 60 },    /* an ADD in a map */
    { 60, 9, CRDT_ERR_VERSION, 60 },
    { 64, 5, CRDT_ERR_CORRUPT, 64 },    /* a REMOVE that kills nothing */
    { 67, 2, CRDT_ERR_VERSION, 66 },    /* no such kind */
    { 72, 127, CRDT_ERR_TRUNCATED, 72 },
    { 78, 7, CRDT_ERR_VERSION, 78 },
    { 79, 1, CRDT_ERR_CORRUPT, 78 },    /* another NaN */
    { 88, 2, CRDT_ERR_CORRUPT, 87 },    /* neither false nor true */
    { 91, 0, CRDT_ERR_CORRUPT, 91 },
    { 91, 3, CRDT_ERR_LIMIT, 91 },      /* more voids than replicas */
    { 92, 2, CRDT_ERR_CORRUPT, 92 },
    { 95, 0, CRDT_ERR_CORRUPT, 95 },    /* a replica twice */
    { 99, 127, CRDT_ERR_TRUNCATED, 99 },
    { 102, 0, CRDT_ERR_CORRUPT, 102 },
    { 102, 3, CRDT_ERR_LIMIT, 102 },
    { 103, 2, CRDT_ERR_CORRUPT, 103 },
    { 104, 4, CRDT_ERR_CORRUPT, 103 },  /* beyond the first */
    { 106, 0x80, CRDT_ERR_TRUNCATED, 106 },
};
/* clang-format on */

static crdt_err join_payload(const uint8_t *bytes, size_t len, size_t *offset)
{
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    size_t at = 99;
    crdt_err err, framed;
    err = crdti_payload_join(doc, crdt_bytes_of(bytes, len), offset, NULL);
    crdti_writer_init(&w, &buf);
    crdti_put_raw(&w, crdt_bytes_of(bytes, len));
    crdti_frame_wrap(&w, CRDTI_FRAME_DELTA, 0);
    framed = crdt_join_at(doc, crdt_buf_bytes(&buf), &at);
    CHECK_STR(crdt_err_name(framed), crdt_err_name(err));
    if (err)
        CHECK_INT(at, *offset + 3); /* head of the frame */
    crdt_buf_free(&buf);
    fuzz_sound(doc);
    crdt_doc_free(doc);
    return err;
}

TEST(offsets_point_at_the_fault)
{
    uint8_t bytes[sizeof good];
    size_t i, offset = 0;
    CHECK_ERR(join_payload(good, sizeof good, &offset), CRDT_OK);
    for (i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct fault *fault = &faults[i];
        crdt_err err;
        memcpy(bytes, good, sizeof good);
        bytes[fault->at] = fault->to;
        if (fault->at == 18 && fault->to == 1) /* the same id twice */
            memset(bytes + 18, 1, 16);
        err = join_payload(bytes, sizeof bytes, &offset);
        if (err != fault->want)
            printf("byte %d: ", (int)fault->at);
        CHECK_STR(crdt_err_name(err), crdt_err_name(fault->want));
        if (fault->at == 18 && fault->to == 1)
            CHECK_INT(offset, 18);
        else
            CHECK_INT(offset, fault->offset);
    }
}

/* Scenario 43: a valid prefix and a broken tail apply nothing. */
TEST(nothing_is_missing_and_nothing_follows)
{
    uint8_t bytes[sizeof good + 1];
    size_t i, offset;
    for (i = 0; i < sizeof good; i++)
        CHECK(join_payload(good, i, &offset) != CRDT_OK);
    memcpy(bytes, good, sizeof good);
    bytes[sizeof good] = 0;
    CHECK_ERR(join_payload(bytes, sizeof bytes, &offset), CRDT_ERR_CORRUPT);
    CHECK_INT(offset, sizeof good);
}

/* >>what surrounds the payload -------------------------------------------- */

TEST(what_is_no_delta)
{
    crdt_doc *doc = fuzz_doc();
    crdt_buf buf = CRDT_BUF_INIT;
    crdti_writer w;
    size_t offset = 9;
    crdti_writer_init(&w, &buf);
    crdti_put_raw(&w, crdt_bytes_of(good, sizeof good));
    crdti_frame_wrap(&w, 7, 0);
    CHECK_ERR(crdt_join_at(doc, crdt_buf_bytes(&buf), &offset),
              CRDT_ERR_VERSION);
    CHECK_INT(offset, 1);
    CHECK_ERR(crdt_join_at(doc, crdt_bytes_of(NULL, 0), &offset),
              CRDT_ERR_TRUNCATED);
    CHECK_INT(offset, 0);
    CHECK_ERR(crdt_join_at(doc, crdt_bytes_of(NULL, 5), &offset),
              CRDT_ERR_ARG);
    CHECK_ERR(crdt_join(NULL, crdt_buf_bytes(&buf)), CRDT_ERR_ARG);
    buf.len = 0;
    CHECK_ERR(crdt_delta(doc, NULL, &buf), CRDT_OK);
    crdti_writer_init(&w, &buf);
    offset = buf.len;
    crdti_put_u8(&w, 0);
    CHECK_ERR(crdt_join_at(doc, crdt_buf_bytes(&buf), &offset),
              CRDT_ERR_CORRUPT);
    CHECK_INT(offset, buf.len - 1);
    crdt_buf_free(&buf);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(round_trips), CASE(the_document_of_the_fuzzers_has_all_types),
          CASE(a_delta_is_appended), CASE(the_range_of_a_delta),
          CASE(offsets_point_at_the_fault),
          CASE(nothing_is_missing_and_nothing_follows), CASE(what_is_no_delta))
