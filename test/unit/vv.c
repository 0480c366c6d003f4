/* Version vectors, against an array indexed by replica. */
#include "../../src/vv.h"
#include "../failing_alloc.h"
#include "../test.h"

#define REPLICAS 24

/* Some ids differ in the first byte only, some in the last. */
static crdt_id id_of(uint32_t n)
{
    crdt_id id;
    memset(id.b, (int)(n / 4 * 37 & 255), 16);
    id.b[15] = (uint8_t)n;
    return id;
}

static void check_form(const crdt_vv *vv)
{
    size_t i;
    for (i = 0; i < vv->len; i++) {
        CHECK(vv->entries[i].seq > 0);
        CHECK(i == 0 || crdt_id_compare(&vv->entries[i - 1].replica,
                                        &vv->entries[i].replica) < 0);
    }
}

static void check_same(const crdt_vv *vv, const uint64_t *model)
{
    uint32_t i;
    size_t len = 0;
    check_form(vv);
    for (i = 0; i < REPLICAS; i++) {
        crdt_dot dot;
        dot.replica = id_of(i);
        CHECK(crdt_vv_get(vv, &dot.replica) == model[i]);
        dot.seq = model[i];
        CHECK(crdt_vv_covers(vv, &dot));
        dot.seq = model[i] + 1;
        CHECK(!crdt_vv_covers(vv, &dot));
        len += model[i] > 0;
    }
    CHECK_INT(vv->len, len);
}

static void set(crdt_vv *vv, uint64_t *model, uint32_t n, uint64_t seq)
{
    crdt_id id = id_of(n);
    CHECK_INT(crdt_vv_set(vv, &id, seq), CRDT_OK);
    if (model)
        model[n] = seq;
}

static void randomise(crdt_vv *vv, uint64_t *model, uint64_t *seed)
{
    uint32_t n = test_below(seed, REPLICAS + 1);
    memset(model, 0, REPLICAS * sizeof *model);
    crdt_vv_clear(vv);
    for (; n > 0; n--)
        set(vv, model, test_below(seed, REPLICAS), test_below(seed, 4));
}

TEST(set_and_get_do_what_the_model_does)
{
    uint64_t seed = test_env("TEST_SEED", 1), model[REPLICAS] = { 0 };
    crdt_vv vv = CRDT_VV_INIT;
    int round;
    for (round = 0; round < 5000; round++) {
        set(&vv, model, test_below(&seed, REPLICAS),
            test_below(&seed, 3) ? test_random(&seed) >> 2 : 0);
        check_same(&vv, model);
    }
    crdt_vv_free(&vv);
    CHECK(vv.entries == NULL && vv.len == 0 && vv.cap == 0);
    crdt_vv_free(&vv);
    crdt_vv_free(NULL);
}

static crdt_order slow_compare(const uint64_t *a, const uint64_t *b)
{
    int i, more = 0, less = 0;
    for (i = 0; i < REPLICAS; i++) {
        more |= a[i] > b[i];
        less |= a[i] < b[i];
    }
    if (more)
        return less ? CRDT_CONCURRENT : CRDT_AFTER;
    return less ? CRDT_BEFORE : CRDT_EQUAL;
}

TEST(merge_and_compare_do_what_the_model_does)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    uint64_t ma[REPLICAS], mb[REPLICAS];
    crdt_vv a = CRDT_VV_INIT, b = CRDT_VV_INIT, c = CRDT_VV_INIT;
    int round, i, seen[4] = { 0 };
    for (round = 0; round < 5000; round++) {
        randomise(&a, ma, &seed);
        randomise(&b, mb, &seed);
        if (round % 4 == 0)
            CHECK(!crdt_vv_merge(&b, &a));
        for (i = 0; i < REPLICAS && round % 4 == 0; i++)
            mb[i] = crdti_max(ma[i], mb[i]);
        CHECK_INT(crdt_vv_compare(&a, &b), slow_compare(ma, mb));
        seen[crdt_vv_compare(&a, &b)]++;
        CHECK_INT(crdt_vv_copy(&c, &a), CRDT_OK);
        check_same(&c, ma);
        CHECK_INT(crdt_vv_compare(&a, &c), CRDT_EQUAL);
        CHECK_INT(crdt_vv_merge(&a, &b), CRDT_OK);
        for (i = 0; i < REPLICAS; i++)
            ma[i] = crdti_max(ma[i], mb[i]);
        check_same(&a, ma);
        check_same(&b, mb);
        CHECK_INT(crdt_vv_merge(&b, &c), CRDT_OK); /* commutes */
        CHECK_INT(crdt_vv_compare(&a, &b), CRDT_EQUAL);
    }
    CHECK(seen[CRDT_EQUAL] && seen[CRDT_BEFORE] && seen[CRDT_AFTER] &&
          seen[CRDT_CONCURRENT]);
    crdt_vv_free(&a);
    crdt_vv_free(&b);
    crdt_vv_free(&c);
}

TEST(merge_takes_memory_only_for_new_ids)
{
    struct failing_alloc memory;
    crdt_vv a = CRDT_VV_INIT, b = CRDT_VV_INIT;
    uint32_t i;
    failing_alloc_init(&memory);
    a.alloc = &memory.table;
    for (i = 0; i < 8; i++) {
        set(&a, NULL, i, 1);
        set(&b, NULL, i, 2);
    }
    CHECK_INT(a.cap, 8);
    memory.fail_at = memory.requests + 1;
    CHECK_INT(crdt_vv_merge(&a, &b), CRDT_OK);
    CHECK_INT(crdt_vv_compare(&a, &b), CRDT_EQUAL);
    set(&b, NULL, 20, 1);
    CHECK_INT(crdt_vv_merge(&a, &b), CRDT_ERR_NOMEM);
    CHECK_INT(a.len, 8);
    CHECK_INT(crdt_vv_merge(&a, &b), CRDT_OK);
    CHECK_INT(crdt_vv_compare(&a, &b), CRDT_EQUAL);
    crdt_vv_free(&a);
    crdt_vv_free(&b);
    CHECK(failing_alloc_clean(&memory));
}

TEST(with_itself)
{
    crdt_vv a = CRDT_VV_INIT;
    CHECK_INT(crdt_vv_merge(&a, &a), CRDT_OK);
    CHECK_INT(crdt_vv_copy(&a, &a), CRDT_OK);
    set(&a, NULL, 3, 5);
    set(&a, NULL, 9, 6);
    CHECK_INT(crdt_vv_merge(&a, &a), CRDT_OK);
    CHECK_INT(crdt_vv_copy(&a, &a), CRDT_OK);
    CHECK_INT(crdt_vv_compare(&a, &a), CRDT_EQUAL);
    CHECK_INT(a.len, 2);
    CHECK_INT(crdt_vv_set(&a, &a.entries[1].replica, 0), CRDT_OK);
    CHECK_INT(crdt_vv_set(&a, &a.entries[0].replica, 0), CRDT_OK);
    CHECK_INT(a.len, 0);
    crdt_vv_free(&a);
}

TEST(arguments_that_are_missing)
{
    crdt_vv a = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_id id = id_of(1);
    CHECK_INT(crdt_vv_set(NULL, &id, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_vv_set(&a, NULL, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_vv_merge(&a, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_vv_copy(NULL, &a), CRDT_ERR_ARG);
    CHECK_INT(crdt_vv_encode(NULL, &buf), CRDT_ERR_ARG);
    CHECK_INT(crdt_vv_encode(&a, NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_vv_decode(NULL, CRDT_STR("\0")), CRDT_ERR_ARG);
}

TEST(limits)
{
    crdt_vv a = CRDT_VV_INIT, b = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_id id = id_of(0);
    uint32_t i;
    CHECK_INT(crdt_vv_set(&a, &id, CRDTSYNC_MAX_SEQ), CRDT_OK);
    CHECK_INT(crdt_vv_set(&a, &id, CRDTSYNC_MAX_SEQ + 1), CRDT_ERR_LIMIT);
    CHECK(crdt_vv_get(&a, &id) == CRDTSYNC_MAX_SEQ);
    crdt_vv_clear(&a);
    for (i = 0; i < CRDTSYNC_MAX_REPLICAS; i++) {
        crdti_store32(id.b, (i & 255) << 24 | i >> 8);
        REQUIRE(crdt_vv_set(&a, &id, 1) == CRDT_OK);
    }
    check_form(&a);
    crdti_store32(id.b + 4, 1);
    CHECK_INT(crdt_vv_set(&a, &id, 1), CRDT_ERR_LIMIT);
    CHECK_INT(crdt_vv_set(&b, &id, 1), CRDT_OK);
    CHECK_INT(crdt_vv_merge(&a, &b), CRDT_ERR_LIMIT);
    CHECK_INT(crdt_vv_merge(&b, &a), CRDT_ERR_LIMIT);
    CHECK(a.len == CRDTSYNC_MAX_REPLICAS && b.len == 1);
    CHECK_INT(crdt_vv_encode(&a, &buf), CRDT_OK);
    CHECK_INT(crdt_vv_decode(&b, crdt_buf_bytes(&buf)), CRDT_OK);
    CHECK_INT(crdt_vv_compare(&a, &b), CRDT_EQUAL);
    crdt_buf_free(&buf);
    crdt_vv_free(&a);
    crdt_vv_free(&b);
}

/* >>as bytes */

#define ID_A "aaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbb"

TEST(the_bytes_are_these)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_buf buf = CRDT_BUF_INIT;
    crdt_id id;
    memset(id.b, 'b', 16);
    CHECK(!crdt_vv_set(&vv, &id, 300));
    memset(id.b, 'a', 16);
    CHECK(!crdt_vv_set(&vv, &id, 7));
    CHECK(!crdt_vv_encode(&vv, &buf));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&buf),
                           CRDT_STR("\x02" ID_A "\x07" ID_B "\xac\x02")));
    crdt_vv_clear(&vv);
    CHECK(!crdt_vv_encode(&vv, &buf)); /* appends */
    CHECK_INT(buf.len, 1 + 17 + 18 + 1);
    CHECK_INT(buf.ptr[36], 0);
    crdt_buf_free(&buf);
    crdt_vv_free(&vv);
}

static crdt_err decode_error(crdt_bytes bytes)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdt_id id = id_of(5);
    crdt_err err;
    CHECK(!crdt_vv_set(&vv, &id, 77));
    err = crdt_vv_decode(&vv, bytes);
    CHECK(!err || (vv.len == 1 && crdt_vv_get(&vv, &id) == 77));
    crdt_vv_free(&vv);
    return err;
}

TEST(nothing_but_the_canonical_bytes_is_taken)
{
    CHECK_INT(decode_error(CRDT_STR("\x00")), CRDT_OK);
    CHECK_INT(decode_error(CRDT_STR("\x00\x00")), CRDT_ERR_CORRUPT);
    CHECK_INT(decode_error(CRDT_STR("\x80\x00")), CRDT_ERR_CORRUPT);
    CHECK_INT(decode_error(CRDT_STR("\x01" ID_A "\x01")), CRDT_OK);
    CHECK_INT(decode_error(CRDT_STR("\x01" ID_A "\x00")), CRDT_ERR_CORRUPT);
    CHECK_INT(decode_error(CRDT_STR("\x01" ID_A "\x81\x00")),
              CRDT_ERR_CORRUPT);
    CHECK_INT(decode_error(CRDT_STR("\x02" ID_A "\x01" ID_B "\x01")), CRDT_OK);
    CHECK_INT(decode_error(CRDT_STR("\x02" ID_B "\x01" ID_A "\x01")),
              CRDT_ERR_CORRUPT);
    CHECK_INT(decode_error(CRDT_STR("\x02" ID_A "\x01" ID_A "\x01")),
              CRDT_ERR_CORRUPT);
    CHECK_INT(decode_error(CRDT_STR("\x01" ID_A "\x01x")), CRDT_ERR_CORRUPT);
    CHECK_INT(decode_error(crdt_bytes_of(NULL, 0)), CRDT_ERR_TRUNCATED);
    CHECK_INT(decode_error(crdt_bytes_of(NULL, 1)), CRDT_ERR_ARG);
}

TEST(numbers_too_large_are_refused)
{
    CHECK_INT(decode_error(CRDT_STR("\x01" ID_A
                                    "\x80\x80\x80\x80\x80\x80\x80\x80\x40")),
              CRDT_OK); /* 2^62 */
    CHECK_INT(decode_error(CRDT_STR("\x01" ID_A
                                    "\x81\x80\x80\x80\x80\x80\x80\x80\x40")),
              CRDT_ERR_LIMIT);
    CHECK_INT(decode_error(CRDT_STR("\x81\x80\x04")), CRDT_ERR_LIMIT);
    CHECK_INT(decode_error(CRDT_STR("\x80\x80\x04")), CRDT_ERR_TRUNCATED);
    CHECK_INT(decode_error(CRDT_STR("\x02" ID_A "\x01")), CRDT_ERR_TRUNCATED);
}

TEST(an_error_says_where)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdti_reader r;
    crdti_reader_init(&r, CRDT_STR("\x02" ID_B "\x01" ID_A "\x01"));
    crdti_get_vv(&r, &vv);
    CHECK(r.err == CRDT_ERR_CORRUPT && r.err_at == 18);
    crdti_reader_init(&r, CRDT_STR("\x02" ID_A "\x01" ID_B "\x00"));
    crdti_get_vv(&r, &vv);
    CHECK(r.err == CRDT_ERR_CORRUPT && r.err_at == 34);
    CHECK(vv.entries == NULL);
}

TEST(a_failed_reader_leaves_the_vector_alone)
{
    crdt_vv vv = CRDT_VV_INIT;
    crdti_reader r;
    set(&vv, NULL, 3, 5);
    crdti_reader_init(&r, CRDT_STR("\x00"));
    crdti_reader_fail(&r, CRDT_ERR_SKEW);
    crdti_get_vv(&r, &vv);
    CHECK(r.err == CRDT_ERR_SKEW && vv.len == 1);
    crdt_vv_free(&vv);
}

TEST(every_truncation_is_noticed_and_every_vector_comes_back)
{
    uint64_t seed = test_env("TEST_SEED", 1), model[REPLICAS];
    crdt_vv a = CRDT_VV_INIT, b = CRDT_VV_INIT;
    int round;
    for (round = 0; round < 300; round++) {
        crdt_buf buf = CRDT_BUF_INIT;
        size_t len;
        randomise(&a, model, &seed);
        set(&a, model, 0, test_random(&seed) >> (2 + test_below(&seed, 60)));
        CHECK_INT(crdt_vv_encode(&a, &buf), CRDT_OK);
        for (len = 0; len < buf.len; len++) {
            uint8_t *cut = (uint8_t *)malloc(len + (len == 0));
            memcpy(cut, buf.ptr, len);
            CHECK_INT(decode_error(crdt_bytes_of(cut, len)),
                      CRDT_ERR_TRUNCATED);
            free(cut);
        }
        CHECK_INT(crdt_vv_decode(&b, crdt_buf_bytes(&buf)), CRDT_OK);
        check_same(&b, model);
        crdt_buf_free(&buf);
    }
    crdt_vv_free(&a);
    crdt_vv_free(&b);
}

/* Bytes that were changed are refused, or are those of another vector. */
TEST(what_is_taken_is_written_the_same)
{
    uint64_t seed = test_env("TEST_SEED", 1), model[REPLICAS];
    crdt_vv a = CRDT_VV_INIT;
    int round;
    for (round = 0; round < 20000; round++) {
        crdt_buf buf = CRDT_BUF_INIT, again = CRDT_BUF_INIT;
        randomise(&a, model, &seed);
        CHECK_INT(crdt_vv_encode(&a, &buf), CRDT_OK);
        buf.ptr[test_below(&seed, (uint32_t)buf.len)] ^=
            (uint8_t)(1u << test_below(&seed, 8));
        if (crdt_vv_decode(&a, crdt_buf_bytes(&buf)) == CRDT_OK) {
            check_form(&a);
            CHECK_INT(crdt_vv_encode(&a, &again), CRDT_OK);
            CHECK(crdt_bytes_equal(crdt_buf_bytes(&buf),
                                   crdt_buf_bytes(&again)));
        }
        crdt_buf_free(&buf);
        crdt_buf_free(&again);
    }
    crdt_vv_free(&a);
}

TEST_MAIN(CASE(set_and_get_do_what_the_model_does),
          CASE(merge_and_compare_do_what_the_model_does),
          CASE(merge_takes_memory_only_for_new_ids), CASE(with_itself),
          CASE(arguments_that_are_missing), CASE(limits),
          CASE(the_bytes_are_these),
          CASE(nothing_but_the_canonical_bytes_is_taken),
          CASE(numbers_too_large_are_refused), CASE(an_error_says_where),
          CASE(a_failed_reader_leaves_the_vector_alone),
          CASE(every_truncation_is_noticed_and_every_vector_comes_back),
          CASE(what_is_taken_is_written_the_same))
