/* Paths: there and back. */
#include "../replicas.h"

static crdt_err kind_at(crdt_doc *doc, const char *path, crdt_kind *kind)
{
    crdt_value value;
    crdt_err err = crdt_at(doc, crdt_str(path), &value);
    if (!err)
        *kind = value.kind;
    return err;
}

static int64_t int_at(crdt_doc *doc, const char *path)
{
    crdt_value value = crdt_null();
    crdt_err err = crdt_at(doc, crdt_str(path), &value);
    return err ? -(int64_t)err : value.kind == CRDT_INT ? value.as.integer : 0;
}

/* The path of the object leads back to it. */
static void check_path(crdt_obj obj, const char *want)
{
    crdt_buf path = CRDT_BUF_INIT;
    crdt_value value;
    CHECK(!crdt_path(obj, &path));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&path), crdt_str(want)));
    REQUIRE(!crdt_at(obj.doc, crdt_buf_bytes(&path), &value));
    CHECK(value.kind == CRDT_OBJECT && value.as.object.index == obj.index);
    crdt_buf_free(&path);
}

TEST(a_path_leads_to_a_value)
{
    crdt_doc *doc = replica(1);
    crdt_obj images = crdt_map_map(crdt_root(doc), CRDT_STR("images"));
    crdt_obj photo = crdt_map_map(images, CRDT_STR("beach.jpg"));
    CHECK(!crdt_map_put_int(photo, CRDT_STR("size"), 48213));
    CHECK_INT(int_at(doc, "images/beach.jpg/size"), 48213);
    CHECK_INT(int_at(doc, "/images/beach.jpg/size"), 48213);
    check_path(photo, "images/beach.jpg");
    check_path(images, "images");
    check_path(crdt_root(doc), "");
    done(doc);
}

TEST(keys_may_hold_anything)
{
    static const char *const paths[] = { "a~1b",      "a~0b", "~01",
                                         "x/~1/~0~1", "/",    "//",
                                         "//x",       "a/",   "a//b",
                                         "a~1b/ / \n" };
    size_t i;
    for (i = 0; i < sizeof paths / sizeof *paths; i++) {
        crdt_doc *doc = replica(1);
        crdt_obj map = crdt_root(doc);
        crdt_bytes path = crdt_str(paths[i]);
        int more = 1;
        if (path.ptr[0] == '/')
            path = crdt_bytes_of(path.ptr + 1, path.len - 1);
        while (more) {
            uint8_t key[CRDTSYNC_MAX_KEY];
            size_t len;
            REQUIRE(!crdti_path_step(&path, &more, key, &len));
            map = crdt_map_map(map, crdt_bytes_of(key, len));
        }
        check_path(map, paths[i]);
        done(doc);
    }
}

TEST(a_path_that_leads_nowhere_says_why)
{
    crdt_doc *doc = replica(1);
    crdt_obj map = crdt_map_map(crdt_root(doc), CRDT_STR("m"));
    crdt_kind kind = CRDT_NULL;
    crdt_value value;
    CHECK(!crdt_map_put_int(map, CRDT_STR("n"), 1));
    CHECK(!crdt_counter_add(crdt_map_counter(map, CRDT_STR("c")), 1));
    CHECK_INT(kind_at(doc, "x", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "m/x", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "m/", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "m/n/x", &kind), CRDT_ERR_TYPE);
    CHECK_INT(kind_at(doc, "m/c/x", &kind), CRDT_ERR_TYPE);
    CHECK_INT(kind_at(doc, "m/~", &kind), CRDT_ERR_ARG);
    CHECK_INT(kind_at(doc, "~2", &kind), CRDT_ERR_ARG);
    CHECK_INT(kind_at(doc, "m/c", &kind), CRDT_OK);
    CHECK_INT(kind, CRDT_OBJECT);
    CHECK_INT(kind_at(doc, "", &kind), CRDT_OK);
    CHECK_INT(crdt_at(NULL, CRDT_STR("m"), &value), CRDT_ERR_ARG);
    CHECK_INT(crdt_at(doc, CRDT_STR("m"), NULL), CRDT_ERR_ARG);
    CHECK_INT(crdt_at(doc, crdt_bytes_of(NULL, 1), &value), CRDT_ERR_ARG);
    CHECK(!crdt_at(doc, crdt_bytes_of(NULL, 0), &value));
    done(doc);
}

TEST(a_key_may_be_as_long_as_keys_are)
{
    static uint8_t key[CRDTSYNC_MAX_KEY + 1];
    crdt_doc *doc = replica(1);
    crdt_value value;
    memset(key, 'k', sizeof key);
    CHECK(!crdt_map_put_int(crdt_root(doc),
                            crdt_bytes_of(key, CRDTSYNC_MAX_KEY), 7));
    CHECK(!crdt_at(doc, crdt_bytes_of(key, CRDTSYNC_MAX_KEY), &value));
    CHECK_INT(crdt_at(doc, crdt_bytes_of(key, CRDTSYNC_MAX_KEY + 1), &value),
              CRDT_ERR_LIMIT);
    done(doc);
}

TEST(no_object_has_no_path)
{
    crdt_doc *doc = replica(1);
    crdt_obj none = crdt_map_find(crdt_root(doc), CRDT_STR("x"), CRDT_MAP);
    crdt_buf path = CRDT_BUF_INIT;
    CHECK_INT(crdt_path(none, &path), CRDT_ERR_ARG);
    CHECK_INT(crdt_path(crdt_root(doc), NULL), CRDT_ERR_ARG);
    done(doc);
}

TEST_MAIN(CASE(a_path_leads_to_a_value), CASE(keys_may_hold_anything),
          CASE(a_path_that_leads_nowhere_says_why),
          CASE(a_key_may_be_as_long_as_keys_are), CASE(no_object_has_no_path))
