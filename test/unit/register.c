/* Registers through the public face. */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"

static crdt_doc *doc_new(void)
{
    crdt_doc *doc = NULL;
    CHECK(crdt_doc_new(&doc, NULL) == CRDT_OK);
    return doc;
}

static crdt_obj reg_of(crdt_doc *doc)
{
    return crdt_map_register(crdt_root(doc), CRDT_STR("r"));
}

/* `a` joins all that `b` has. */
static void pull(crdt_doc *a, crdt_doc *b)
{
    crdt_buf all = CRDT_BUF_INIT;
    CHECK(!crdt_commit(b) && !crdt_delta(b, NULL, &all));
    CHECK(!crdt_join(a, crdt_buf_bytes(&all)));
    crdt_buf_free(&all);
}

static void count_version(void *ctx, const crdt_version *version)
{
    (void)version;
    ++*(int *)ctx;
}

static int versions(crdt_obj reg)
{
    int count = 0;
    crdt_err err = crdt_register_versions(reg, count_version, &count);
    return err ? -(int)err : count;
}

static int64_t get_int(crdt_obj reg)
{
    crdt_value value = crdt_int(-1);
    CHECK(!crdt_register_get(reg, &value));
    CHECK_INT(value.kind, CRDT_INT);
    return value.as.integer;
}

TEST(a_new_register_holds_nothing)
{
    crdt_doc *doc = doc_new();
    crdt_obj reg = reg_of(doc);
    crdt_value value = crdt_null();
    CHECK_INT(crdt_type_of(reg), CRDT_REGISTER);
    CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("r")));
    CHECK_INT(crdt_register_get(reg, &value), CRDT_ERR_NOT_FOUND);
    CHECK_INT(crdt_register_clear(reg), CRDT_ERR_NOT_FOUND);
    CHECK_INT(versions(reg), -(int)CRDT_ERR_NOT_FOUND);
    crdt_doc_free(doc);
}

TEST(set_get_clear)
{
    crdt_doc *doc = doc_new();
    crdt_obj reg = reg_of(doc);
    crdt_value value = crdt_null();
    CHECK(!crdt_register_set(reg, crdt_int(1)));
    CHECK_INT(get_int(reg), 1);
    CHECK(!crdt_register_set(reg, crdt_string(CRDT_STR("a longer text"))));
    CHECK(!crdt_register_get(reg, &value));
    CHECK(value.kind == CRDT_STRING &&
          crdt_bytes_equal(value.as.bytes, CRDT_STR("a longer text")));
    CHECK(!crdt_register_set(reg, crdt_bool(1)));
    CHECK(!crdt_register_get(reg, &value));
    CHECK(value.kind == CRDT_BOOL && value.as.boolean == 1);
    CHECK(!crdt_register_set(reg, crdt_double(2.5)));
    CHECK(!crdt_register_get(reg, &value));
    CHECK(value.kind == CRDT_DOUBLE && value.as.number > 2.4);
    CHECK(!crdt_register_set(reg, crdt_null()));
    CHECK(!crdt_register_get(reg, &value));
    CHECK_INT(value.kind, CRDT_NULL);
    CHECK_INT(versions(reg), 1);
    CHECK(!crdt_register_clear(reg));
    CHECK_INT(crdt_register_get(reg, &value), CRDT_ERR_NOT_FOUND);
    CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("r"))); /* still created */
    crdt_doc_free(doc);
}

TEST(concurrent_sets_are_all_kept_until_the_next)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_obj reg = reg_of(a), other;
    CHECK(!crdt_register_set(reg, crdt_int(0)));
    pull(b, a);
    other = reg_of(b);
    CHECK_INT(get_int(other), 0);
    CHECK(!crdt_register_set(reg, crdt_int(1)));
    CHECK(!crdt_register_set(other, crdt_int(2)));
    pull(a, b);
    pull(b, a);
    CHECK_INT(versions(reg), 2);
    CHECK_INT(versions(other), 2);
    CHECK_INT(get_int(reg), get_int(other));
    CHECK(!crdt_register_set(other, crdt_int(3)));
    pull(a, b);
    CHECK_INT(versions(reg), 1);
    CHECK_INT(get_int(reg), 3);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_clear_takes_what_it_saw)
{
    crdt_doc *a = doc_new(), *b = doc_new();
    crdt_obj reg = reg_of(a);
    CHECK(!crdt_register_set(reg, crdt_int(1)));
    pull(b, a);
    CHECK(!crdt_register_clear(reg));
    CHECK(!crdt_register_set(reg_of(b), crdt_int(2)));
    pull(a, b);
    pull(b, a);
    CHECK_INT(get_int(reg), 2);
    CHECK_INT(versions(reg), 1);
    CHECK_INT(get_int(reg_of(b)), 2);
    crdt_doc_free(a);
    crdt_doc_free(b);
}

TEST(a_handle_survives_removal)
{
    crdt_doc *doc = doc_new();
    crdt_obj reg = reg_of(doc);
    crdt_value value = crdt_null();
    CHECK(!crdt_register_set(reg, crdt_int(1)));
    CHECK(!crdt_map_remove(crdt_root(doc), CRDT_STR("r")));
    CHECK_INT(crdt_register_get(reg, &value), CRDT_ERR_NOT_FOUND);
    CHECK(!crdt_register_set(reg, crdt_int(2)));
    CHECK(crdt_map_has(crdt_root(doc), CRDT_STR("r")));
    CHECK(!crdt_map_get(crdt_root(doc), CRDT_STR("r"), &value));
    CHECK(value.kind == CRDT_OBJECT && value.as.object.index == reg.index);
    CHECK(!crdt_register_clear(reg));
    CHECK(!crdt_map_has(crdt_root(doc), CRDT_STR("r")));
    crdt_doc_free(doc);
}

TEST(wrong_handles)
{
    crdt_doc *doc = doc_new();
    crdt_obj none = { NULL, 0 }, map = crdt_root(doc), null = map;
    crdt_value value = crdt_null();
    null.index = 0;
    CHECK_INT(crdt_register_set(none, crdt_int(1)), CRDT_ERR_ARG);
    CHECK_INT(crdt_register_set(null, crdt_int(1)), CRDT_ERR_ARG);
    CHECK_INT(crdt_doc_error(doc), CRDT_ERR_ARG);
    CHECK_INT(crdt_register_set(map, crdt_int(1)), CRDT_ERR_TYPE);
    CHECK_INT(crdt_register_get(map, &value), CRDT_ERR_TYPE);
    CHECK_INT(crdt_register_get(null, &value), CRDT_ERR_ARG);
    CHECK_INT(crdt_register_clear(map), CRDT_ERR_TYPE);
    CHECK_INT(crdt_register_clear(null), CRDT_ERR_ARG);
    CHECK_INT(versions(map), -(int)CRDT_ERR_TYPE);
    CHECK_INT(versions(null), -(int)CRDT_ERR_ARG);
    CHECK(!crdt_doc_uncommitted(doc));
    crdt_doc_free(doc);
}

TEST(bad_values_change_nothing)
{
    crdt_doc *doc = doc_new();
    crdt_obj reg = reg_of(doc);
    size_t max = CRDTSYNC_MAX_VALUE;
    uint8_t *bytes = (uint8_t *)calloc(1, max + 1);
    crdt_value value = crdt_null();
    CHECK(!crdt_register_set(reg, crdt_int(1)));
    value.kind = CRDT_OBJECT;
    CHECK_INT(crdt_register_set(reg, value), CRDT_ERR_ARG);
    CHECK_INT(crdt_register_set(reg, crdt_blob(crdt_bytes_of(NULL, 1))),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_register_set(reg, crdt_blob(crdt_bytes_of(bytes, max + 1))),
              CRDT_ERR_LIMIT);
    CHECK_INT(get_int(reg), 1);
    CHECK(!crdt_register_set(reg, crdt_blob(crdt_bytes_of(bytes, max))));
    CHECK(!crdt_register_get(reg, &value));
    CHECK_INT(value.as.bytes.len, max);
    free(bytes);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(a_new_register_holds_nothing), CASE(set_get_clear),
          CASE(concurrent_sets_are_all_kept_until_the_next),
          CASE(a_clear_takes_what_it_saw), CASE(a_handle_survives_removal),
          CASE(wrong_handles), CASE(bad_values_change_nothing))
