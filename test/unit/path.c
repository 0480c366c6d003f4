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

TEST(a_path_leads_through_lists_by_index)
{
    crdt_doc *doc = replica(1);
    crdt_obj root = crdt_root(doc);
    crdt_obj list = crdt_map_list(root, CRDT_STR("l/"));
    crdt_obj map = crdt_list_insert_object(list, 0, CRDT_MAP), inner;
    crdt_kind kind;
    size_t i;
    CHECK(!crdt_map_put_int(map, CRDT_STR("n"), 7));
    inner = crdt_map_list(map, CRDT_STR(""));
    for (i = 0; i < 12; i++)
        CHECK(!crdt_list_insert(inner, i, crdt_int(100 + (int64_t)i)));
    CHECK_INT(int_at(doc, "l~1/0/n"), 7);
    CHECK_INT(int_at(doc, "l~1/0//11"), 111);
    check_path(list, "l~1");
    check_path(map, "l~1/0");
    check_path(inner, "l~1/0/");
    for (i = 0; i < 10; i++)
        CHECK(!crdt_list_insert(list, 0, crdt_null()));
    check_path(inner, "l~1/10/"); /* indices are of now */
    CHECK(!crdt_list_move(list, 10, 3));
    check_path(inner, "l~1/3/");
    check_path(crdt_list_insert_object(inner, 5, CRDT_TEXT), "l~1/3//5");
    CHECK_INT(kind_at(doc, "l~1/11", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "l~1/00", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "l~1/03", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "l~1/x", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "l~1/", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "l~1/-", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "l~1/4294967296", &kind), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kind_at(doc, "l~1/0/x", &kind), CRDT_ERR_TYPE);
    done(doc);
}

TEST(an_element_that_is_gone_has_no_index)
{
    crdt_doc *doc = replica(1);
    crdt_obj list = crdt_map_list(crdt_root(doc), CRDT_STR("l"));
    crdt_obj map = crdt_list_insert_object(list, 0, CRDT_MAP);
    crdt_obj inner = crdt_map_map(map, CRDT_STR("m"));
    crdt_buf path = CRDT_BUF_INIT;
    crdt_kind kind;
    CHECK(!crdt_list_delete(list, 0, 1));
    CHECK(!crdt_path(inner, &path));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&path), CRDT_STR("l/-/m")));
    CHECK_INT(kind_at(doc, "l/-/m", &kind), CRDT_ERR_NOT_FOUND);
    crdt_buf_free(&path);
    CHECK(!crdt_map_put_int(inner, CRDT_STR("n"), 1)); /* it is there again */
    check_path(inner, "l/0/m");
    done(doc);
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
          CASE(a_path_leads_through_lists_by_index),
          CASE(an_element_that_is_gone_has_no_index),
          CASE(a_path_that_leads_nowhere_says_why),
          CASE(a_key_may_be_as_long_as_keys_are), CASE(no_object_has_no_path))
