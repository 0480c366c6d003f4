/* Documents as JSON and back. pkg-config: libcjson */
#define CRDTSYNC_JSON_MAX_BYTES 65536u
#define CRDTSYNC_JSON_MAX_NODES 1000u
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"
#include "crdtsync_json.h"

#include "../failing_alloc.h"
#include "../replicas.h"

#include <locale.h>

#define KEY(name) CRDT_STR(name)

/* The JSON of an object; it stays until the next call but one. */
static const char *json_by(crdt_obj object, int plain, unsigned indent)
{
    static char texts[2][8192];
    static int turn;
    crdt_buf out = CRDT_BUF_INIT;
    crdt_json_options options;
    char *text = texts[turn ^= 1];
    memset(&options, 0, sizeof options);
    options.plain = plain;
    options.indent = indent;
    CHECK_INT(crdt_json_write(object, &options, &out), CRDT_OK);
    CHECK(out.len < sizeof texts[0]);
    memcpy(text, out.ptr, out.len);
    text[out.len] = 0;
    crdt_buf_free(&out);
    return text;
}

static const char *json_of(crdt_doc *doc)
{
    return json_by(crdt_root(doc), 0, 0);
}

static const char *plain_of(crdt_doc *doc)
{
    return json_by(crdt_root(doc), 1, 0);
}

static crdt_err read_text(crdt_doc *doc, const char *text)
{
    return crdt_json_read(crdt_root(doc), crdt_str(text), NULL);
}

static crdt_doc *doc_of(const char *text)
{
    crdt_doc *doc = replica(9);
    size_t fault = SIZE_MAX;
    CHECK_INT(crdt_json_read(crdt_root(doc), crdt_str(text), &fault), CRDT_OK);
    CHECK_INT(fault, SIZE_MAX);
    CHECK(!crdt_commit(doc));
    return doc;
}

/* The document says this, and so does one that is made of it. */
static void goes_round(crdt_doc *doc, const char *text)
{
    crdt_doc *other;
    CHECK_STR(json_of(doc), text);
    other = doc_of(text);
    CHECK_STR(json_of(other), text);
    done(other);
}

/* And the plain form is that. */
static void reads_as(const char *text, const char *plain)
{
    crdt_doc *doc = doc_of(text);
    goes_round(doc, text);
    CHECK_STR(plain_of(doc), plain);
    done(doc);
}

/* >>values ---------------------------------------------------------------- */

TEST(values_of_every_kind_go_round)
{
    crdt_doc *doc = replica(1), *other;
    crdt_obj root = crdt_root(doc);
    crdt_value value;
    CHECK(!crdt_map_put_null(root, KEY("a")));
    CHECK(!crdt_map_put_bool(root, KEY("b"), 1));
    CHECK(!crdt_map_put_bool(root, KEY("c"), 0));
    CHECK(!crdt_map_put_int(root, KEY("d"), -5));
    CHECK(!crdt_map_put_double(root, KEY("e"), 0.1));
    CHECK(!crdt_map_put_double(root, KEY("f"), 2));
    CHECK(!crdt_map_put_str(root, KEY("g"), CRDT_STR("\"\\/\n\x1f\x7fä€😀")));
    CHECK(!crdt_map_put_bytes(root, KEY("h"), CRDT_STR("\0\xff")));
    CHECK(!crdt_map_put(root, KEY("i"), crdt_time(-1700000000000)));
    goes_round(doc, "{\"a\":null,\"b\":true,\"c\":false,\"d\":-5,\"e\":0.1,"
                    "\"f\":{\"$double\":2},"
                    "\"g\":\"\\\"\\\\/\\u000a\\u001f\x7fä€😀\","
                    "\"h\":{\"$bytes\":\"AP8=\"},"
                    "\"i\":{\"$time\":-1700000000000}}");
    CHECK_STR(plain_of(doc),
              "{\"a\":null,\"b\":true,\"c\":false,\"d\":-5,\"e\":0.1,"
              "\"f\":2,\"g\":\"\\\"\\\\/\\u000a\\u001f\x7fä€😀\","
              "\"h\":\"AP8=\",\"i\":-1700000000000}");
    other = doc_of(json_of(doc));
    root = crdt_root(other);
    CHECK(!crdt_map_get(root, KEY("a"), &value) && value.kind == CRDT_NULL);
    CHECK(!crdt_map_get(root, KEY("b"), &value) && value.kind == CRDT_BOOL);
    CHECK(value.as.boolean == 1);
    CHECK(!crdt_map_get(root, KEY("d"), &value) && value.kind == CRDT_INT);
    CHECK_INT(value.as.integer, -5);
    CHECK(!crdt_map_get(root, KEY("e"), &value) && value.kind == CRDT_DOUBLE);
    CHECK(value.as.number == 0.1);
    CHECK(!crdt_map_get(root, KEY("f"), &value) && value.kind == CRDT_DOUBLE);
    CHECK(value.as.number == 2);
    CHECK(!crdt_map_get(root, KEY("g"), &value) && value.kind == CRDT_STRING);
    CHECK(crdt_bytes_equal(value.as.bytes, CRDT_STR("\"\\/\n\x1f\x7fä€😀")));
    CHECK(!crdt_map_get(root, KEY("h"), &value) && value.kind == CRDT_BYTES);
    CHECK(crdt_bytes_equal(value.as.bytes, CRDT_STR("\0\xff")));
    CHECK(!crdt_map_get(root, KEY("i"), &value) && value.kind == CRDT_TIME);
    CHECK_INT(value.as.integer, -1700000000000);
    done(other);
    done(doc);
}

TEST(m9_integers_stay_what_they_are)
{
    static const int64_t ints[] = { INT64_MIN,         INT64_MIN + 1,
                                    -9007199254740993, -9007199254740992,
                                    -9007199254740991, 9007199254740991,
                                    9007199254740992,  9007199254740993,
                                    INT64_MAX };
    crdt_doc *doc = replica(1), *other;
    crdt_obj root = crdt_root(doc);
    size_t i, count = sizeof ints / sizeof *ints;
    char key[24];
    int64_t got = 0;
    /* As keys and as values, of maps and of sets. */
    for (i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%lld", (long long)ints[i]);
        CHECK(!crdt_map_put_int(root, crdt_str(key), ints[i]));
        CHECK(!crdt_set_add(at_root(doc, CRDT_GSET), crdt_int(ints[i])));
    }
    other = doc_of(json_of(doc));
    CHECK_STR(json_of(other), json_of(doc));
    root = crdt_root(other);
    CHECK_INT(crdt_map_size(root), count + 1);
    for (i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%lld", (long long)ints[i]);
        CHECK(!crdt_map_get_int(root, crdt_str(key), &got));
        CHECK_INT(got, ints[i]);
        CHECK(crdt_set_has(at_root(other, CRDT_GSET), crdt_int(ints[i])));
    }
    done(other);
    done(doc);
}

TEST(m9_beyond_2_to_53_they_are_digits_in_a_string)
{
    reads_as("{\"a\":9007199254740991,\"b\":{\"$int\":\"9007199254740992\"},"
             "\"c\":{\"$time\":\"-9223372036854775808\"},"
             "\"d\":{\"$counter\":\"-9223372036854775807\"}}",
             "{\"a\":9007199254740991,\"b\":\"9007199254740992\","
             "\"c\":\"-9223372036854775808\","
             "\"d\":\"-9223372036854775807\"}");
}

TEST(numbers_of_other_forms_are_read)
{
    crdt_doc *doc = doc_of("{\"a\":1e2,\"b\":{\"$int\":\"5\"},\"c\":1.0,"
                           "\"d\":{\"$double\":1e300},\"e\":-0.0,"
                           "\"f\":{\"$counter\":\"7\"},\"g\":1E-2}");
    goes_round(doc, "{\"a\":100,\"b\":5,\"c\":1,\"d\":{\"$double\":1e+300},"
                    "\"e\":{\"$double\":-0},\"f\":{\"$counter\":7},"
                    "\"g\":0.01}");
    done(doc);
}

TEST(doubles_are_exact)
{
    static const double numbers[] = { 0.0,
                                      -0.0,
                                      1.0,
                                      0.1,
                                      1.0 / 3,
                                      5e-324,
                                      2.2250738585072014e-308,
                                      1e16,
                                      1e22,
                                      1e23,
                                      -1.5e300,
                                      1.7976931348623157e308,
                                      4503599627370495.5,
                                      9007199254740992.0,
                                      123456789.125 };
    size_t i;
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        crdt_doc *doc = replica(1), *other;
        double got = 7;
        CHECK(!crdt_map_put_double(crdt_root(doc), KEY("a"), numbers[i]));
        other = doc_of(json_of(doc));
        CHECK(!crdt_map_get_double(crdt_root(other), KEY("a"), &got));
        CHECK(crdti_double_bits(got) == crdti_double_bits(numbers[i]));
        done(other);
        done(doc);
    }
}

TEST(numbers_that_json_lacks_have_names)
{
    crdt_doc *doc =
        doc_of("{\"a\":{\"$double\":\"NaN\"},\"b\":{\"$double\":\"Infinity\"},"
               "\"c\":{\"$double\":\"-Infinity\"},"
               "\"d\":{\"$max\":{\"$double\":\"NaN\"}}}");
    double got = 0;
    CHECK(!crdt_map_get_double(crdt_root(doc), KEY("a"), &got));
    CHECK(got != got);
    CHECK(!crdt_map_get_double(crdt_root(doc), KEY("b"), &got));
    CHECK(got > 1e308 && got - got != 0);
    CHECK(!crdt_map_get_double(crdt_root(doc), KEY("c"), &got));
    CHECK(got < -1e308);
    goes_round(doc,
               "{\"a\":{\"$double\":\"NaN\"},\"b\":{\"$double\":\"Infinity\"},"
               "\"c\":{\"$double\":\"-Infinity\"},"
               "\"d\":{\"$max\":{\"$double\":\"NaN\"}}}");
    CHECK_STR(plain_of(doc), "{\"a\":\"NaN\",\"b\":\"Infinity\","
                             "\"c\":\"-Infinity\",\"d\":\"NaN\"}");
    done(doc);
}

/* Where there is no such locale, it tests nothing. */
TEST(the_locale_does_not_matter)
{
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        (void)setlocale(LC_NUMERIC, "fr_FR.UTF-8");
    reads_as("{\"a\":0.5,\"b\":{\"$double\":1e+300}}",
             "{\"a\":0.5,\"b\":1e+300}");
    (void)setlocale(LC_NUMERIC, "C");
}

TEST(bytes_are_exact)
{
    uint8_t bytes[256];
    size_t i, len;
    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (len = 0; len <= sizeof bytes; len += 1 + len / 5) {
        crdt_doc *doc = replica(1), *other;
        crdt_bytes got = { NULL, 0 };
        CHECK(!crdt_map_put_bytes(crdt_root(doc), KEY("a"),
                                  crdt_bytes_of(bytes, len)));
        CHECK(!crdt_map_put_str(crdt_root(doc), KEY("b"),
                                crdt_bytes_of(bytes, len)));
        other = doc_of(json_of(doc));
        CHECK(!crdt_map_get_bytes(crdt_root(other), KEY("a"), &got));
        CHECK(crdt_bytes_equal(got, crdt_bytes_of(bytes, len)));
        CHECK(!crdt_map_get_str(crdt_root(other), KEY("b"), &got));
        CHECK(crdt_bytes_equal(got, crdt_bytes_of(bytes, len)));
        done(other);
        done(doc);
    }
}

/* Zeros, and what is no UTF-8: a sequence cut, too long, a surrogate, behind
 * the last code point. */
TEST(strings_that_json_cannot_say)
{
    static const char *const plain[] = {
        "a\\u0000",
        "\xef\xbf\xbd",
        "a\xef\xbf\xbd\xef\xbf\xbd",
        "\xef\xbf\xbd\xef\xbf\xbd",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
    };
    crdt_bytes texts[6];
    size_t i;
    texts[0] = CRDT_STR("a\0");
    texts[1] = CRDT_STR("\x80");
    texts[2] = CRDT_STR("a\xe2\x82");
    texts[3] = CRDT_STR("\xc0\x80");
    texts[4] = CRDT_STR("\xed\xa0\x80");
    texts[5] = CRDT_STR("\xf4\x90\x80\x80");
    for (i = 0; i < 6; i++) {
        crdt_doc *doc = replica(1), *other;
        crdt_bytes got = { NULL, 0 };
        char want[64];
        CHECK(!crdt_map_put_str(crdt_root(doc), KEY("s"), texts[i]));
        snprintf(want, sizeof want, "{\"s\":\"%s\"}", plain[i]);
        CHECK_STR(plain_of(doc), want);
        CHECK(strstr(json_of(doc), "$string"));
        other = doc_of(json_of(doc));
        CHECK(!crdt_map_get_str(crdt_root(other), KEY("s"), &got));
        CHECK(crdt_bytes_equal(got, texts[i]));
        done(other);
        done(doc);
    }
}

TEST(escapes_are_read)
{
    crdt_doc *doc = doc_of("{\"\\u0061\":\"\\b\\f\\n\\r\\t\\/\\\"\\\\"
                           "\\u00e4\\uD83D\\ude00\"}");
    crdt_bytes got = { NULL, 0 };
    CHECK(!crdt_map_get_str(crdt_root(doc), KEY("a"), &got));
    CHECK(crdt_bytes_equal(got, CRDT_STR("\b\f\n\r\t/\"\\ä😀")));
    done(doc);
}

/* >>keys ------------------------------------------------------------------ */

TEST(keys_of_any_bytes_go_round)
{
    static const struct {
        const char *bytes, *json;
        size_t len;
    } keys[] = { { "", "\"\"", 0 },           { "$", "\"$$\"", 1 },
                 { "$int", "\"$$int\"", 4 },  { "$$", "\"$$$\"", 2 },
                 { "$=", "\"$$=\"", 2 },      { "a$", "\"a$\"", 2 },
                 { "\"", "\"\\\"\"", 1 },     { "\0", "\"$=AA==\"", 1 },
                 { "\xff", "\"$=/w==\"", 1 }, { "$\0", "\"$=JAA=\"", 2 } };
    size_t i;
    for (i = 0; i < sizeof keys / sizeof *keys; i++) {
        crdt_doc *doc = replica(1), *other;
        crdt_bytes key = crdt_bytes_of(keys[i].bytes, keys[i].len);
        char want[64];
        int64_t got = 0;
        CHECK(!crdt_map_put_int(crdt_root(doc), key, 5));
        snprintf(want, sizeof want, "{%s:5}", keys[i].json);
        goes_round(doc, want);
        CHECK_STR(plain_of(doc), want);
        other = doc_of(want);
        CHECK(!crdt_map_get_int(crdt_root(other), key, &got));
        CHECK_INT(got, 5);
        done(other);
        done(doc);
    }
}

/* >>containers ------------------------------------------------------------ */

TEST(containers_of_every_type_go_round)
{
    reads_as("{}", "{}");
    reads_as("{\"m\":{}}", "{\"m\":{}}");
    reads_as("{\"m\":{\"m\":{\"$$int\":{}}}}",
             "{\"m\":{\"m\":{\"$$int\":{}}}}");
    reads_as("{\"r\":{\"$register\":5},\"s\":{\"$register\":{}},"
             "\"t\":{\"$register\":null},\"u\":{\"$register\":{\"$time\":1}}}",
             "{\"r\":5,\"s\":null,\"t\":null,\"u\":1}");
    reads_as("{\"a\":{\"$max\":5},\"b\":{\"$max\":{}},\"c\":{\"$min\":\"a\"},"
             "\"d\":{\"$min\":{}}}",
             "{\"a\":5,\"b\":null,\"c\":\"a\",\"d\":null}");
    reads_as("{\"a\":{\"$counter\":-5},\"b\":{\"$counter\":0},"
             "\"c\":{\"$gcounter\":\"9223372036854775807\"},"
             "\"d\":{\"$gcounter\":0},\"e\":{\"$bounded\":7},"
             "\"f\":{\"$bounded\":0}}",
             "{\"a\":-5,\"b\":0,\"c\":\"9223372036854775807\",\"d\":0,\"e\":7,"
             "\"f\":0}");
    reads_as("{\"a\":{\"$ew-flag\":true},\"b\":{\"$ew-flag\":false},"
             "\"c\":{\"$dw-flag\":true},\"d\":{\"$dw-flag\":false}}",
             "{\"a\":true,\"b\":false,\"c\":true,\"d\":false}");
}

TEST(sets_of_every_type_go_round)
{
    int type;
    for (type = CRDT_AW_SET; type <= CRDT_LWW_SET_RM; type++) {
        const char *name = crdt_type_name((crdt_type)type);
        char text[256];
        snprintf(text, sizeof text, "{\"a\":{\"$%s\":[]}}", name);
        reads_as(text, "{\"a\":[]}");
        snprintf(text, sizeof text,
                 "{\"a\":{\"$%s\":[null,false,true,-1,5,{\"$double\":1},"
                 "{\"$double\":\"NaN\"},\"\",{\"$string\":\"AA==\"},\"b\","
                 "{\"$bytes\":\"Yg==\"},{\"$time\":0}]}}",
                 name);
        reads_as(text, "{\"a\":[null,false,true,-1,5,1,\"NaN\",\"\","
                       "\"\\u0000\",\"b\",\"Yg==\",0]}");
    }
}

TEST(texts_go_round)
{
    crdt_doc *doc = replica(1);
    crdt_obj text = at_root(doc, CRDT_TEXT);
    reads_as("{\"a\":{\"$text\":\"\"}}", "{\"a\":\"\"}");
    reads_as("{\"a\":{\"$text\":\"\\\"hé\\u000allo 😀\\\"\"}}",
             "{\"a\":\"\\\"hé\\u000allo 😀\\\"\"}");
    reads_as("{\"a\":{\"$text\":{\"$string\":\"YQBi\"}}}",
             "{\"a\":\"a\\u0000b\"}");
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("wrote")));
    CHECK(!crdt_text_delete(text, CRDT_CHARS, 0, 2));
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("n")));
    goes_round(doc, "{\"it\":{\"$text\":\"note\"}}");
    CHECK_STR(json_by(text, 0, 0), "{\"$text\":\"note\"}");
    CHECK_STR(json_by(text, 1, 0), "\"note\"");
    CHECK(!read_text(doc, "{\"it\":{\"$text\":\"other\"}}"));
    CHECK_STR(json_of(doc), "{\"it\":{\"$text\":\"other\"}}");
    done(doc);
}

/* Both ways round, with all else that there is in them. */
TEST(lists_go_round)
{
    crdt_doc *doc = replica(1);
    crdt_obj list = at_root(doc, CRDT_LIST);
    reads_as("{\"a\":[]}", "{\"a\":[]}");
    reads_as("{\"a\":[null,false,-1,{\"$double\":1},\"\",\"b\",1]}",
             "{\"a\":[null,false,-1,1,\"\",\"b\",1]}");
    reads_as("{\"a\":[[],[[1],{\"b\":[2,{\"c\":[]}]}],{}]}",
             "{\"a\":[[],[[1],{\"b\":[2,{\"c\":[]}]}],{}]}");
    reads_as("{\"a\":[{\"$counter\":-5},{\"$text\":\"hé\"},"
             "{\"$aw-set\":[1]},{\"$register\":{}},{\"$bounded\":3}]}",
             "{\"a\":[-5,\"hé\",[1],null,3]}");
    CHECK(!crdt_list_insert(list, 0, crdt_int(1)));
    CHECK(!crdt_list_insert(list, 1, crdt_int(2)));
    CHECK(!crdt_list_insert(list, 0, crdt_int(3)));
    CHECK(!crdt_list_delete(list, 1, 1));
    CHECK(!crdt_list_move(list, 1, 0));
    goes_round(doc, "{\"it\":[2,3]}");
    CHECK_STR(json_by(list, 0, 0), "[2,3]");
    CHECK(!read_text(doc, "{\"it\":[4,[5]]}"));
    CHECK_STR(json_of(doc), "{\"it\":[4,[5]]}");
    CHECK(!read_text(doc, "{\"it\":[]}"));
    CHECK_STR(json_of(doc), "{\"it\":[]}");
    CHECK(!read_text(doc, "{\"it\":{\"$aw-set\":[4]}}"));
    CHECK_STR(json_of(doc), "{\"it\":{\"$aw-set\":[4]}}");
    done(doc);
}

TEST(m9_elements_stay_what_they_are)
{
    reads_as("{\"a\":[9007199254740991,{\"$int\":\"9007199254740992\"},"
             "{\"$int\":\"-9223372036854775808\"},"
             "{\"$int\":\"9223372036854775807\"},"
             "{\"$time\":\"9007199254740993\"},{\"$bytes\":\"AP8=\"},"
             "{\"$string\":\"AA==\"},{\"$double\":\"NaN\"}]}",
             "{\"a\":[9007199254740991,\"9007199254740992\","
             "\"-9223372036854775808\",\"9223372036854775807\","
             "\"9007199254740993\",\"AP8=\",\"\\u0000\",\"NaN\"]}");
}

/* What another has inserted meanwhile stays, behind what is read or before. */
TEST(a_list_is_made_anew)
{
    crdt_doc *a = doc_of("{\"it\":[1,{\"x\":2}]}"), *b = replica(2);
    pull(b, a);
    CHECK(!crdt_list_insert(at_root(b, CRDT_LIST), 2, crdt_int(3)));
    CHECK(!read_text(a, "{\"it\":[4]}"));
    CHECK_STR(json_of(a), "{\"it\":[4]}");
    meet(a, b);
    CHECK_INT(crdt_list_len(at_root(a, CRDT_LIST)), 2);
    CHECK(!read_text(a, "{\"it\":[5]}"));
    meet(a, b);
    CHECK_STR(json_of(b), "{\"it\":[5]}");
    done(a);
    done(b);
}

/* Each type is what its name says, in both directions. */
TEST(types_are_kept)
{
    int type;
    for (type = CRDT_MAP; type < CRDT_TYPE_COUNT; type++) {
        crdt_doc *doc = replica(1), *other;
        at_root(doc, (crdt_type)type);
        other = doc_of(json_of(doc));
        CHECK(!crdt_is_null(
            crdt_map_find(crdt_root(other), KEY("it"), (crdt_type)type)));
        done(other);
        done(doc);
    }
}

TEST(any_object_can_be_written_alone)
{
    crdt_doc *doc = doc_of("{\"a\":{\"b\":{\"$counter\":5}}}");
    crdt_obj a = crdt_map_map(crdt_root(doc), KEY("a"));
    CHECK_STR(json_by(a, 0, 0), "{\"b\":{\"$counter\":5}}");
    CHECK_STR(json_by(crdt_map_counter(a, KEY("b")), 0, 0),
              "{\"$counter\":5}");
    CHECK_STR(json_by(crdt_map_counter(a, KEY("b")), 1, 0), "5");
    done(doc);
}

TEST(indented_a_key_has_a_line)
{
    crdt_doc *doc = doc_of("{\"a\":{\"b\":1,\"c\":{\"$aw-set\":[1,2]}},"
                           "\"d\":{},\"e\":{\"$int\":\"9007199254740993\"}}");
    CHECK_STR(json_by(crdt_root(doc), 0, 2),
              "{\n"
              "  \"a\": {\n"
              "    \"b\": 1,\n"
              "    \"c\": {\"$aw-set\": [1, 2]}\n"
              "  },\n"
              "  \"d\": {},\n"
              "  \"e\": {\"$int\": \"9007199254740993\"}\n"
              "}");
    goes_round(doc, "{\"a\":{\"b\":1,\"c\":{\"$aw-set\":[1,2]}},\"d\":{},"
                    "\"e\":{\"$int\":\"9007199254740993\"}}");
    CHECK(!read_text(doc, json_by(crdt_root(doc), 0, 3)));
    CHECK_STR(json_by(crdt_root(doc), 1, 1),
              "{\n \"a\": {\n  \"b\": 1,\n  \"c\": [1, 2]\n },\n \"d\": {},\n"
              " \"e\": \"9007199254740993\"\n}");
    done(doc);
}

TEST(indented_an_element_has_a_line)
{
    crdt_doc *doc = doc_of("{\"a\":[1,[],[{\"b\":2},{\"$aw-set\":[3,4]}]]}");
    CHECK_STR(json_by(crdt_root(doc), 0, 1),
              "{\n \"a\": [\n  1,\n  [],\n  [\n   {\n    \"b\": 2\n   },\n"
              "   {\"$aw-set\": [3, 4]}\n  ]\n ]\n}");
    CHECK(!read_text(doc, json_by(crdt_root(doc), 0, 3)));
    goes_round(doc, "{\"a\":[1,[],[{\"b\":2},{\"$aw-set\":[3,4]}]]}");
    done(doc);
}

TEST(it_is_appended)
{
    crdt_doc *doc = doc_of("{\"a\":1}");
    crdt_buf out = CRDT_BUF_INIT;
    CHECK(!crdt_json_write(crdt_root(doc), NULL, &out));
    CHECK(!crdt_json_write(crdt_root(doc), NULL, &out));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&out),
                           CRDT_STR("{\"a\":1}{\"a\":1}")));
    CHECK_INT(crdt_json_write(nowhere(doc), NULL, &out), CRDT_ERR_ARG);
    CHECK_INT(crdt_json_write(crdt_root(doc), NULL, NULL), CRDT_ERR_ARG);
    CHECK_INT(out.len, 14);
    crdt_buf_free(&out);
    done(doc);
}

/* >>what is there already ------------------------------------------------- */

TEST(keys_that_are_not_named_stay)
{
    crdt_doc *doc = doc_of("{\"a\":1,\"b\":{\"x\":1},\"c\":{\"$counter\":5}}");
    CHECK(!read_text(doc, "{\"b\":{\"y\":2},\"c\":{\"$counter\":3}}"));
    CHECK(crdt_doc_uncommitted(doc));
    CHECK_STR(json_of(doc),
              "{\"a\":1,\"b\":{\"y\":2},\"c\":{\"$counter\":3}}");
    CHECK(!read_text(doc, "{\"b\":{\"$aw-set\":[]},\"c\":null}"));
    CHECK_STR(json_of(doc), "{\"a\":1,\"b\":{\"$aw-set\":[]},\"c\":null}");
    done(doc);
}

TEST(a_map_below_can_be_filled)
{
    crdt_doc *doc = doc_of("{\"a\":{\"x\":1}}");
    crdt_obj a = crdt_map_map(crdt_root(doc), KEY("a"));
    CHECK(!crdt_json_read(a, CRDT_STR("{\"y\":{\"z\":2}}"), NULL));
    CHECK_STR(json_of(doc), "{\"a\":{\"x\":1,\"y\":{\"z\":2}}}");
    done(doc);
}

/* What was removed from a 2P-set is gone for good, but not beyond the removal
 * of the set. */
TEST(a_2pset_is_made_anew)
{
    crdt_doc *a = doc_of("{\"it\":{\"$2pset\":[1,2]}}"), *b = replica(2);
    pull(b, a);
    CHECK(!crdt_set_remove(at_root(a, CRDT_2PSET), crdt_int(1)));
    CHECK(!read_text(a, "{\"it\":{\"$2pset\":[1]}}"));
    CHECK_STR(json_of(a), "{\"it\":{\"$2pset\":[1]}}");
    meet(a, b);
    /* One takes an element out while the other removes the set. */
    CHECK(!crdt_set_remove(at_root(b, CRDT_2PSET), crdt_int(1)));
    CHECK(!crdt_map_remove(crdt_root(a), KEY("it")));
    meet(a, b);
    CHECK_INT(read_text(a, "{\"it\":{\"$2pset\":[1]}}"), CRDT_OK);
    CHECK_STR(json_of(a), "{\"it\":{\"$2pset\":[1]}}");
    done(a);
    done(b);
}

TEST(what_is_shown_is_written)
{
    crdt_doc *a = replica(1), *b = replica(2);
    CHECK(!crdt_map_put_int(crdt_root(a), KEY("k"), 1));
    later();
    CHECK(!crdt_map_put_int(crdt_root(b), KEY("k"), 2));
    meet(a, b);
    CHECK_STR(json_of(a), "{\"k\":2}");
    CHECK(!read_text(a, "{\"k\":{\"$counter\":1}}"));
    meet(a, b);
    CHECK_STR(json_of(b), "{\"k\":{\"$counter\":1}}");
    done(a);
    done(b);
}

/* >>bounded counters of others -------------------------------------------- */

/* 3 of it belong to us and 2 to another. */
static crdt_doc *with_foreign_rights(const char *text)
{
    crdt_doc *doc = doc_of(text);
    crdt_obj up = crdt_root(doc),
             counter = crdt_map_find(up, KEY("n"), CRDT_BOUNDED);
    crdt_id other = replica_id(7);
    if (crdt_is_null(counter))
        up = crdt_map_map(up, KEY("m"));
    counter = crdt_map_find(up, KEY("n"), CRDT_BOUNDED);
    CHECK(!crdt_bounded_transfer(counter, &other, 2));
    CHECK(!crdt_commit(doc));
    return doc;
}

static void refuses(crdt_doc *doc, const char *text, crdt_err want,
                    size_t want_fault)
{
    crdt_digest before = crdt_doc_digest(doc), now;
    size_t fault = SIZE_MAX;
    crdt_err err = crdt_json_read(crdt_root(doc), crdt_str(text), &fault);
    if (err != want || fault != want_fault)
        printf("%s\n", text);
    CHECK_STR(crdt_err_name(err), crdt_err_name(want));
    CHECK_INT((long long)fault, (long long)want_fault);
    now = crdt_doc_digest(doc);
    CHECK(now.hi == before.hi && now.lo == before.lo);
    CHECK(!crdt_doc_uncommitted(doc));
}

TEST(what_others_own_stays)
{
    crdt_doc *doc = with_foreign_rights("{\"n\":{\"$bounded\":5}}");
    refuses(doc, "{\"n\":{\"$bounded\":1}}", CRDT_ERR_RIGHTS, 17);
    refuses(doc, "{\"n\":{\"$counter\":1}}", CRDT_ERR_TYPE, 5);
    refuses(doc, "{\"n\":{}}", CRDT_ERR_TYPE, 5);
    CHECK(!read_text(doc, "{\"n\":{\"$bounded\":2}}"));
    CHECK_STR(json_of(doc), "{\"n\":{\"$bounded\":2}}");
    CHECK(!read_text(doc, "{\"n\":{\"$bounded\":9}}"));
    CHECK_STR(json_of(doc), "{\"n\":{\"$bounded\":9}}");
    CHECK(!read_text(doc, "{\"n\":1}"));
    CHECK_STR(json_of(doc), "{\"n\":1}");
    done(doc);
}

TEST(what_others_own_stays_below)
{
    crdt_doc *doc = with_foreign_rights("{\"m\":{\"n\":{\"$bounded\":5}}}");
    refuses(doc, "{\"m\":{\"$counter\":1}}", CRDT_ERR_TYPE, 5);
    refuses(doc, "{\"m\":{\"n\":{\"$bounded\":1}}}", CRDT_ERR_RIGHTS, 22);
    refuses(doc, "{\"m\":{\"n\":{}}}", CRDT_ERR_TYPE, 10);
    CHECK(!read_text(doc, "{\"m\":{\"a\":1}}"));
    CHECK_STR(json_of(doc), "{\"m\":{\"a\":1,\"n\":{\"$bounded\":2}}}");
    done(doc);
}

/* In a list it would be among what is read. */
TEST(what_others_own_in_a_list_keeps_all_away)
{
    crdt_doc *doc = doc_of("{\"l\":[1,{\"n\":{\"$bounded\":5}}],\"m\":1}");
    crdt_obj list = crdt_map_find(crdt_root(doc), KEY("l"), CRDT_LIST);
    crdt_id other = replica_id(7);
    crdt_obj counter;
    CHECK(!read_text(doc, "{\"l\":[{\"n\":{\"$bounded\":5}}]}"));
    counter = crdt_map_find(crdt_list_object(list, 0), KEY("n"), CRDT_BOUNDED);
    CHECK(!crdt_bounded_transfer(counter, &other, 2) && !crdt_commit(doc));
    refuses(doc, "{\"l\":[]}", CRDT_ERR_TYPE, 5);
    refuses(doc, "{\"l\":{}}", CRDT_ERR_TYPE, 5);
    refuses(doc, "{\"m\":0,\"l\":[{\"n\":{\"$bounded\":9}}]}", CRDT_ERR_TYPE,
            11);
    CHECK(!read_text(doc, "{\"l\":1}"));
    CHECK_STR(json_of(doc), "{\"l\":1,\"m\":1}");
    done(doc);
}

/* A value lies over it meanwhile. */
TEST(what_others_own_comes_back)
{
    crdt_doc *doc = with_foreign_rights("{\"n\":{\"$bounded\":5}}");
    CHECK(!crdt_map_put_int(crdt_root(doc), KEY("n"), 1) && !crdt_commit(doc));
    CHECK_STR(json_of(doc), "{\"n\":1}");
    CHECK(!read_text(doc, "{\"n\":{\"$bounded\":4}}"));
    CHECK_STR(json_of(doc), "{\"n\":{\"$bounded\":4}}");
    done(doc);
}

/* >>what is refused ------------------------------------------------------- */

TEST(what_is_no_json_is_refused)
{
    static const struct {
        const char *text;
        crdt_err err;
        size_t fault;
    } cases[] = {
        { "", CRDT_ERR_TRUNCATED, 0 },
        { " ", CRDT_ERR_TRUNCATED, 1 },
        { "{", CRDT_ERR_TRUNCATED, 1 },
        { "{\"a", CRDT_ERR_TRUNCATED, 3 },
        { "{\"a\"", CRDT_ERR_TRUNCATED, 4 },
        { "{\"a\":", CRDT_ERR_TRUNCATED, 5 },
        { "{\"a\":tru", CRDT_ERR_TRUNCATED, 8 },
        { "{\"a\":1", CRDT_ERR_TRUNCATED, 6 },
        { "{\"a\":1,", CRDT_ERR_TRUNCATED, 7 },
        { "{\"a\":\"\\", CRDT_ERR_TRUNCATED, 7 },
        { "{\"a\":\"\\u00", CRDT_ERR_TRUNCATED, 10 },
        { "{\"a\":\"\xc3", CRDT_ERR_TRUNCATED, 7 },
        { "{\"a\":[1", CRDT_ERR_TRUNCATED, 7 },
        { "\xef\xbb\xbf{}", CRDT_ERR_CORRUPT, 0 },
        { "{} x", CRDT_ERR_CORRUPT, 3 },
        { "{}{}", CRDT_ERR_CORRUPT, 2 },
        { "{]", CRDT_ERR_CORRUPT, 1 },
        { "{\"a\":1]", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":[1}}", CRDT_ERR_CORRUPT, 7 },
        { "{a:1}", CRDT_ERR_CORRUPT, 1 },
        { "{\"a\" 1}", CRDT_ERR_CORRUPT, 5 },
        { "{\"a\":1,}", CRDT_ERR_CORRUPT, 7 },
        { "{\"a\":[1,]}", CRDT_ERR_CORRUPT, 8 },
        { "{\"a\":,}", CRDT_ERR_CORRUPT, 5 },
        { "{\"a\":01}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":+1}", CRDT_ERR_CORRUPT, 5 },
        { "{\"a\":-}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":.5}", CRDT_ERR_CORRUPT, 5 },
        { "{\"a\":1.}", CRDT_ERR_CORRUPT, 7 },
        { "{\"a\":1e}", CRDT_ERR_CORRUPT, 7 },
        { "{\"a\":1e+}", CRDT_ERR_CORRUPT, 8 },
        { "{\"a\":0x1}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":NaN}", CRDT_ERR_CORRUPT, 5 },
        { "{\"a\":nul}", CRDT_ERR_CORRUPT, 8 },
        { "{\"a\":True}", CRDT_ERR_CORRUPT, 5 },
        { "{\"a\":'b'}", CRDT_ERR_CORRUPT, 5 },
        { "{\"a\":1 /**/}", CRDT_ERR_CORRUPT, 7 },
        { "{\"a\":\"\t\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\\x\"}", CRDT_ERR_CORRUPT, 7 },
        { "{\"a\":\"\\u00g0\"}", CRDT_ERR_CORRUPT, 10 },
        { "{\"a\":\"b\\u0000\"}", CRDT_ERR_CORRUPT, 7 },
        { "{\"a\\u0000\":1}", CRDT_ERR_CORRUPT, 3 },
        { "{\"a\":\"\\ud800\"}", CRDT_ERR_CORRUPT, 12 },
        { "{\"a\":\"\\ud800\\u0041\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\\udc00\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\x80\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\xc0\x80\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\xed\xa0\x80\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\xe0\x9f\xbf\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\xf0\x8f\xbf\xbf\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":\"\xf4\x90\x80\x80\"}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\xff\":1}", CRDT_ERR_CORRUPT, 3 },
    };
    crdt_doc *doc = doc_of("{\"z\":1}");
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses(doc, cases[i].text, cases[i].err, cases[i].fault);
    done(doc);
}

TEST(what_makes_no_sense_is_refused)
{
    static const struct {
        const char *text;
        crdt_err err;
        size_t fault;
    } cases[] = {
        { "5", CRDT_ERR_TYPE, 0 },
        { " []", CRDT_ERR_TYPE, 1 },
        { "{\"$counter\":1}", CRDT_ERR_TYPE, 0 },
        { "{\"a\":{\"$list\":[]}}", CRDT_ERR_VERSION, 6 },
        { "{\"a\":[1,{\"b\":[9007199254740992]}]}", CRDT_ERR_RANGE, 14 },
        { "{\"a\":[{\"b\":1,\"b\":2}]}", CRDT_ERR_CORRUPT, 13 },
        { "{\"a\":[0,{\"$counter\":[]}]}", CRDT_ERR_CORRUPT, 20 },
        { "{\"a\":[{\"$register\":[]}]}", CRDT_ERR_TYPE, 19 },
        { "{\"a\":{\"$aw-set\":[[]]}}", CRDT_ERR_TYPE, 17 },
        { "{\"a\":1,\"b\":2,\"a\":3}", CRDT_ERR_CORRUPT, 13 },
        { "{\"a\":1,\"\\u0061\":3}", CRDT_ERR_CORRUPT, 7 },
        { "{\"a\":1,\"a\":2,\"b\":3,\"b\":4}", CRDT_ERR_CORRUPT, 7 },
        { "{\"$$a\":1,\"$$a\":3}", CRDT_ERR_CORRUPT, 9 },
        { "{\"b\":{\"a\":1,\"a\":2}}", CRDT_ERR_CORRUPT, 12 },
        { "{\"b\":{\"a\":1,\"a\":2},\"b\":2}", CRDT_ERR_CORRUPT, 12 },
        { "{\"b\":1,\"$a\":2}", CRDT_ERR_CORRUPT, 7 },
        { "{\"$=YQ==\":2}", CRDT_ERR_CORRUPT, 1 },
        { "{\"$=/w=\":2}", CRDT_ERR_CORRUPT, 1 },
        { "{\"$=/x==\":2}", CRDT_ERR_CORRUPT, 1 },
        { "{\"a\":{\"$date\":1}}", CRDT_ERR_VERSION, 6 },
        { "{\"a\":{\"$\":1}}", CRDT_ERR_VERSION, 6 },
        { "{\"a\":{\"$map\":{}}}", CRDT_ERR_VERSION, 6 },
        { "{\"a\":{\"$int\":1,\"b\":2}}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":{\"$counter\":1,\"b\":2}}", CRDT_ERR_CORRUPT, 6 },
        { "{\"a\":{\"$int\":null}}", CRDT_ERR_CORRUPT, 13 },
        { "{\"a\":{\"$int\":\"\"}}", CRDT_ERR_CORRUPT, 13 },
        { "{\"a\":{\"$int\":\"05\"}}", CRDT_ERR_CORRUPT, 13 },
        { "{\"a\":{\"$int\":\"-0\"}}", CRDT_ERR_CORRUPT, 13 },
        { "{\"a\":{\"$int\":\"5 \"}}", CRDT_ERR_CORRUPT, 13 },
        { "{\"a\":{\"$int\":\"9223372036854775808\"}}", CRDT_ERR_RANGE, 13 },
        { "{\"a\":{\"$int\":\"-9223372036854775809\"}}", CRDT_ERR_RANGE, 13 },
        { "{\"a\":{\"$int\":\"99999999999999999999\"}}", CRDT_ERR_RANGE, 13 },
        { "{\"a\":{\"$int\":\"99999999999999999999x\"}}", CRDT_ERR_CORRUPT,
          13 },
        { "{\"a\":9007199254740992}", CRDT_ERR_RANGE, 5 },
        { "{\"a\":-9007199254740993}", CRDT_ERR_RANGE, 5 },
        { "{\"a\":1e300}", CRDT_ERR_RANGE, 5 },
        { "{\"a\":1e400}", CRDT_ERR_RANGE, 5 },
        { "{\"a\":{\"$double\":-1e400}}", CRDT_ERR_RANGE, 16 },
        { "{\"a\":{\"$int\":0.5}}", CRDT_ERR_RANGE, 13 },
        { "{\"a\":{\"$int\":9007199254740992}}", CRDT_ERR_RANGE, 13 },
        { "{\"a\":{\"$double\":\"inf\"}}", CRDT_ERR_CORRUPT, 16 },
        { "{\"a\":{\"$double\":true}}", CRDT_ERR_CORRUPT, 16 },
        { "{\"a\":{\"$bytes\":5}}", CRDT_ERR_CORRUPT, 15 },
        { "{\"a\":{\"$bytes\":\"A\"}}", CRDT_ERR_CORRUPT, 15 },
        { "{\"a\":{\"$bytes\":\"AB==\"}}", CRDT_ERR_CORRUPT, 15 },
        { "{\"a\":{\"$bytes\":\"A===\"}}", CRDT_ERR_CORRUPT, 15 },
        { "{\"a\":{\"$bytes\":\"AA==AA==\"}}", CRDT_ERR_CORRUPT, 15 },
        { "{\"a\":{\"$bytes\":\"AA-_\"}}", CRDT_ERR_CORRUPT, 15 },
        { "{\"a\":{\"$counter\":\"-9223372036854775808\"}}", CRDT_ERR_RANGE,
          17 },
        { "{\"a\":{\"$gcounter\":-1}}", CRDT_ERR_RANGE, 18 },
        { "{\"a\":{\"$bounded\":-1}}", CRDT_ERR_RANGE, 17 },
        { "{\"a\":{\"$ew-flag\":1}}", CRDT_ERR_CORRUPT, 17 },
        { "{\"a\":{\"$aw-set\":{}}}", CRDT_ERR_CORRUPT, 16 },
        { "{\"a\":{\"$aw-set\":[1,[]]}}", CRDT_ERR_TYPE, 19 },
        { "{\"a\":{\"$aw-set\":[1,{}]}}", CRDT_ERR_TYPE, 19 },
        { "{\"a\":{\"$aw-set\":[{\"$max\":1}]}}", CRDT_ERR_TYPE, 17 },
        { "{\"a\":{\"$aw-set\":[{\"$what\":1}]}}", CRDT_ERR_VERSION, 18 },
        { "{\"a\":{\"$register\":[]}}", CRDT_ERR_TYPE, 18 },
        { "{\"a\":{\"$register\":{\"b\":1}}}", CRDT_ERR_TYPE, 18 },
        { "{\"a\":{\"$max\":{\"$max\":1}}}", CRDT_ERR_TYPE, 13 },
        { "{\"a\":{\"$text\":5}}", CRDT_ERR_CORRUPT, 14 },
        { "{\"a\":{\"$text\":null}}", CRDT_ERR_CORRUPT, 14 },
        { "{\"a\":{\"$text\":{}}}", CRDT_ERR_TYPE, 14 },
        { "{\"a\":{\"$text\":[\"a\"]}}", CRDT_ERR_TYPE, 14 },
        { "{\"a\":{\"$text\":{\"$text\":\"a\"}}}", CRDT_ERR_TYPE, 14 },
        { "{\"a\":{\"$text\":{\"$bytes\":\"AA==\"}}}", CRDT_ERR_CORRUPT, 24 },
        { "{\"a\":{\"$text\":{\"$string\":\"/w==\"}}}", CRDT_ERR_CORRUPT, 25 },
        { "{\"a\":{\"$text\":\"a\",\"b\":1}}", CRDT_ERR_CORRUPT, 6 },
    };
    crdt_doc *doc = doc_of("{\"a\":1,\"z\":1}");
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses(doc, cases[i].text, cases[i].err, cases[i].fault);
    done(doc);
}

TEST(arguments)
{
    crdt_doc *doc = doc_of("{\"c\":{\"$counter\":1}}");
    crdt_obj counter = crdt_map_counter(crdt_root(doc), KEY("c"));
    CHECK_INT(crdt_json_read(nowhere(doc), CRDT_STR("{}"), NULL),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_json_read(crdt_root(doc), crdt_bytes_of(NULL, 2), NULL),
              CRDT_ERR_ARG);
    CHECK_INT(crdt_json_read(counter, CRDT_STR("{}"), NULL), CRDT_ERR_TYPE);
    CHECK_INT(crdt_json_read(crdt_root(doc), crdt_bytes_of(NULL, 0), NULL),
              CRDT_ERR_TRUNCATED);
    CHECK_INT(crdt_json_read(crdt_root(doc), CRDT_STR("{\"a\":\"\0\"}"), NULL),
              CRDT_ERR_CORRUPT);
    done(doc);
}

/* >>limits ---------------------------------------------------------------- */

/* `count` times `piece` between two others; to be freed. */
static char *text_of(const char *before, const char *piece, size_t count,
                     const char *after)
{
    size_t len = strlen(piece), at = strlen(before);
    char *text = (char *)malloc(at + len * count + strlen(after) + 1);
    if (!text)
        exit(1);
    strcpy(text, before);
    for (; count > 0; count--, at += len)
        memcpy(text + at, piece, len);
    strcpy(text + at, after);
    return text;
}

/* Whether it is read; LIMIT else. */
static int is_read(char *text, size_t *fault)
{
    crdt_doc *doc = replica(1);
    crdt_err err;
    *fault = SIZE_MAX;
    err = crdt_json_read(crdt_root(doc), crdt_str(text), fault);
    CHECK(err == CRDT_OK || err == CRDT_ERR_LIMIT);
    CHECK(!err ||
          (!crdt_doc_uncommitted(doc) && !crdt_map_size(crdt_root(doc))));
    done(doc);
    free(text);
    return !err;
}

TEST(a_text_is_so_long_and_no_longer)
{
    size_t fault, max = CRDTSYNC_JSON_MAX_BYTES;
    CHECK(is_read(text_of("{", " ", max - 3, "}"), &fault));
    CHECK(is_read(text_of("{", " ", max - 2, "}"), &fault));
    CHECK(!is_read(text_of("{", " ", max - 1, "}"), &fault));
    CHECK_INT(fault, max);
}

TEST(a_text_holds_so_many_values_and_no_more)
{
    size_t fault, max = CRDTSYNC_JSON_MAX_NODES;
    const char *before = "{\"a\":{\"$gset\":[1", *after = "]}}";
    CHECK(is_read(text_of(before, ",1", max - 5, after), &fault));
    CHECK(is_read(text_of(before, ",1", max - 4, after), &fault));
    CHECK(!is_read(text_of(before, ",1", max - 3, after), &fault));
    CHECK_INT(fault, strlen(before) + 2 * (max - 4) + 1);
}

/* `depth` maps in each other below the root, and in the last of them that. */
static char *nested(size_t depth, const char *inside)
{
    char *open = text_of("", "{\"a\":", depth, inside);
    char *text = text_of(open, "}", depth, "");
    free(open);
    return text;
}

TEST(containers_nest_so_deep_and_no_deeper)
{
    size_t fault, max = CRDTSYNC_MAX_DEPTH;
    CHECK(is_read(nested(max - 1, "{}"), &fault));
    CHECK(is_read(nested(max, "{}"), &fault));
    CHECK(!is_read(nested(max + 1, "{}"), &fault));
    CHECK_INT(fault, 5 * (max + 1));
    CHECK(is_read(nested(max, "{\"$counter\":1}"), &fault));
    CHECK(!is_read(nested(max + 1, "{\"$counter\":1}"), &fault));
    CHECK_INT(fault, 5 * (max + 1));
    CHECK(is_read(nested(max + 1, "5"), &fault));
}

TEST(brackets_nest_so_deep_and_no_deeper)
{
    size_t fault, max = CRDTSYNC_MAX_DEPTH;
    CHECK(is_read(nested(max, "{\"$gset\":[{\"$int\":1}]}"), &fault));
    CHECK(!is_read(nested(max, "{\"$gset\":[{\"$int\":[]}]}"), &fault));
    CHECK_INT(fault, 5 * max + 18);
}

/* The depth of a map that is filled counts. */
TEST(below_a_map_there_is_less_room)
{
    crdt_doc *doc = replica(1);
    crdt_obj map = crdt_root(doc);
    size_t i;
    for (i = 0; i < CRDTSYNC_MAX_DEPTH - 1; i++)
        map = crdt_map_map(map, KEY(""));
    CHECK(!crdt_commit(doc));
    CHECK_INT(crdt_json_read(map, CRDT_STR("{\"\":{\"\":{}}}"), NULL),
              CRDT_ERR_LIMIT);
    CHECK(!crdt_doc_uncommitted(doc));
    CHECK(!crdt_json_read(map, CRDT_STR("{\"\":{\"\":1}}"), NULL));
    done(doc);
}

TEST(keys_and_elements_have_limits)
{
    size_t fault, max = CRDTSYNC_MAX_KEY;
    CHECK(is_read(text_of("{\"", "k", max, "\":1}"), &fault));
    CHECK(!is_read(text_of("{\"", "k", max + 1, "\":1}"), &fault));
    CHECK_INT(fault, 1);
    CHECK(is_read(text_of("{\"$$", "k", max - 1, "\":1}"), &fault));
    CHECK(!is_read(text_of("{\"$$", "k", max, "\":1}"), &fault));
    CHECK(is_read(text_of("{\"a\":{\"$gset\":[\"", "k", max - 1, "\"]}}"),
                  &fault));
    CHECK(
        !is_read(text_of("{\"a\":{\"$gset\":[\"", "k", max, "\"]}}"), &fault));
    CHECK_INT(fault, 15);
}

TEST(numbers_have_a_length)
{
    size_t fault;
    CHECK(is_read(text_of("{\"a\":0.", "3", 61, "}"), &fault));
    CHECK(!is_read(text_of("{\"a\":0.", "3", 62, "}"), &fault));
    CHECK_INT(fault, 5);
}

/* >>counters that left the range ------------------------------------------ */

TEST(a_counter_beyond_the_range)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_buf out = CRDT_BUF_INIT;
    CHECK(!crdt_counter_add(at_root(a, CRDT_COUNTER), INT64_MAX));
    CHECK(!crdt_counter_add(at_root(b, CRDT_COUNTER), INT64_MAX));
    meet(a, b);
    CHECK_INT(crdt_json_write(crdt_root(a), NULL, &out), CRDT_ERR_OVERFLOW);
    CHECK_INT(out.len, 0);
    CHECK_STR(plain_of(a), "{\"it\":\"9223372036854775807\"}");
    crdt_buf_free(&out);
    done(a);
    done(b);
}

/* >>memory ---------------------------------------------------------------- */

static struct failing_alloc memory;

static void *from_memory(size_t size)
{
    return failing_alloc_refuses(&memory) ? NULL : malloc(size);
}

/* cJSON's memory is refused too. */
static crdt_doc *doc_in_memory(void)
{
    crdt_config config;
    crdt_doc *doc = NULL;
    crdt_id id = replica_id(1);
    cJSON_Hooks hooks = { from_memory, free };
    failing_alloc_init(&memory);
    memset(&config, 0, sizeof config);
    config.alloc = &memory.table;
    config.replica = &id;
    CHECK(!crdt_doc_new(&doc, &config));
    cJSON_InitHooks(&hooks);
    return doc;
}

static const char everything[] =
    "{\"c\":{\"$counter\":5},\"l\":[1,{\"a\":[\"of an element in a list\"]},"
    "{\"$counter\":2}],\"m\":{\"a key that is long\":\"and its value\","
    "\"b\":{\"$bounded\":5}},\"r\":{\"$register\":{\"$string\":\"AA==\"}},"
    "\"s\":{\"$aw-set\":[1,{\"$double\":3},\"two\"]},"
    "\"t\":{\"$text\":\"h\303\251llo\"},"
    "\"u\":{\"$text\":{\"$string\":\"AA==\"}},"
    "\"$=/w==\":{\"$bytes\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=\"}}";

TEST(reading_without_memory)
{
    size_t n;
    int ended = 0;
    for (n = 1; !ended && n < 1000; n++) {
        crdt_doc *doc = doc_in_memory();
        crdt_err err;
        CHECK(!crdt_map_put_int(crdt_root(doc), KEY("m"), 1));
        CHECK(!crdt_commit(doc));
        memory.fail_at = memory.requests + n;
        err = read_text(doc, everything);
        ended = !memory.failures;
        CHECK_INT(err, ended ? CRDT_OK : CRDT_ERR_NOMEM);
        CHECK(is_sound(doc));
        memory.fail_at = 0;
        CHECK(!read_text(doc, everything));
        CHECK_STR(json_of(doc), everything);
        cJSON_InitHooks(NULL);
        done(doc);
        CHECK(failing_alloc_clean(&memory));
    }
    CHECK(ended && n > 40);
}

TEST(writing_without_memory)
{
    crdt_doc *doc = doc_in_memory();
    size_t n;
    int ended = 0;
    cJSON_InitHooks(NULL);
    for (n = 1; !ended && n < 100; n++) {
        crdt_buf out = CRDT_BUF_INIT;
        crdt_err err;
        out.alloc = &memory.table;
        /* The order of keys is made anew after each change. */
        CHECK(!read_text(doc, everything));
        memory.failures = 0;
        memory.fail_at = memory.requests + n;
        err = crdt_json_write(crdt_root(doc), NULL, &out);
        ended = !memory.failures;
        CHECK_INT(err, ended ? CRDT_OK : CRDT_ERR_NOMEM);
        CHECK_INT(out.len, ended ? strlen(everything) : 0);
        memory.fail_at = 0;
        crdt_buf_free(&out);
    }
    CHECK(ended && n > 4);
    done(doc);
    CHECK(failing_alloc_clean(&memory));
}

/* >>patches --------------------------------------------------------------- */

static crdt_buf patch_text = CRDT_BUF_INIT;

static void write_patch(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                        size_t len)
{
    (void)ctx;
    (void)doc;
    patch_text.len = 0;
    CHECK_INT(crdt_json_patch(patches, len, &patch_text), CRDT_OK);
}

/* What the commit is told as. */
static const char *patch_of(crdt_doc *doc)
{
    static char text[2048];
    CHECK(!crdt_commit(doc) && patch_text.len < sizeof text);
    memcpy(text, patch_text.ptr, patch_text.len);
    text[patch_text.len] = 0;
    patch_text.len = 0;
    return text;
}

TEST(patches_of_keys)
{
    crdt_doc *doc = doc_of("{\"a\":1,\"b\":{\"c\":2}}");
    crdt_obj root = crdt_root(doc);
    crdt_obj b = crdt_map_map(root, KEY("b"));
    CHECK(!crdt_doc_watch(doc, write_patch, NULL));
    CHECK(!crdt_map_put_str(root, KEY("a"), CRDT_STR("x")));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":\"x\"}]");
    CHECK(!crdt_map_remove(root, KEY("a")));
    CHECK(!crdt_map_put(b, KEY("d"), crdt_time(5)));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"remove\",\"path\":\"/a\"},"
              "{\"op\":\"add\",\"path\":\"/b/d\",\"value\":5}]");
    CHECK(!crdt_counter_add(crdt_map_counter(b, KEY("c")), 7));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"replace\",\"path\":\"/b/c\",\"value\":7}]");
    crdt_buf_free(&patch_text);
    done(doc);
}

TEST(patches_of_sets_are_one)
{
    crdt_doc *doc = doc_of("{\"s\":{\"$aw-set\":[1,2]}}");
    crdt_obj set = crdt_map_object(crdt_root(doc), KEY("s"), CRDT_AW_SET);
    CHECK(!crdt_doc_watch(doc, write_patch, NULL));
    CHECK(!crdt_set_add(set, crdt_int(3)));
    CHECK(!crdt_map_put_int(crdt_root(doc), KEY("a"), 1));
    CHECK(!crdt_set_remove(set, crdt_int(1)));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1},"
              "{\"op\":\"replace\",\"path\":\"/s\",\"value\":[2,3]}]");
    crdt_buf_free(&patch_text);
    done(doc);
}

TEST(patches_of_texts_are_whole)
{
    crdt_doc *doc = doc_of("{\"t\":{\"$text\":\"held\"}}");
    crdt_obj text = crdt_map_text(crdt_root(doc), KEY("t"));
    CHECK(!crdt_doc_watch(doc, write_patch, NULL));
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 3, CRDT_STR("lo wor")));
    CHECK(!crdt_text_delete(text, CRDT_CHARS, 0, 1));
    CHECK_STR(patch_of(doc), "[{\"op\":\"replace\",\"path\":\"/t\","
                             "\"value\":\"ello word\"}]");
    CHECK(!crdt_map_remove(crdt_root(doc), KEY("t")));
    CHECK_STR(patch_of(doc), "[{\"op\":\"remove\",\"path\":\"/t\"}]");
    crdt_buf_free(&patch_text);
    done(doc);
}

/* Escaped for the pointer what is escaped for JSON. */
TEST(patches_of_lists_are_whole)
{
    crdt_doc *doc = doc_of("{\"it\":[1,{\"x\":2}]}");
    crdt_obj list = at_root(doc, CRDT_LIST);
    CHECK(!crdt_commit(doc));
    CHECK(!crdt_doc_watch(doc, write_patch, NULL));
    CHECK(!crdt_list_insert(list, 0, crdt_int(0)));
    CHECK(!crdt_map_remove(crdt_list_object(list, 2), KEY("x")));
    CHECK(!crdt_list_move(list, 0, 1));
    CHECK_STR(patch_of(doc), "[{\"op\":\"replace\",\"path\":\"/it\","
                             "\"value\":[1,0,{}]}]");
    CHECK(!crdt_map_remove(crdt_root(doc), KEY("it")));
    CHECK_STR(patch_of(doc), "[{\"op\":\"remove\",\"path\":\"/it\"}]");
    crdt_buf_free(&patch_text);
    done(doc);
}

TEST(patches_of_any_key)
{
    crdt_doc *doc = replica(1);
    crdt_obj root = crdt_root(doc), map;
    CHECK(!crdt_doc_watch(doc, write_patch, NULL));
    map = crdt_map_map(root, KEY(""));
    CHECK_STR(patch_of(doc), "[{\"op\":\"add\",\"path\":\"/\",\"value\":{}}]");
    CHECK(!crdt_map_put_int(map, KEY(""), 1));
    CHECK_STR(patch_of(doc), "[{\"op\":\"add\",\"path\":\"//\",\"value\":1}]");
    CHECK(!crdt_map_put_int(map, KEY("~/\"$"), 1));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"add\",\"path\":\"//~0~1\\\"$\",\"value\":1}]");
    CHECK(!crdt_map_put_int(map, KEY("$\x01"), 1));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"add\",\"path\":\"//$$\\u0001\",\"value\":1}]");
    map = crdt_map_map(root, KEY("\xff"));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"add\",\"path\":\"/$=~1w==\",\"value\":{}}]");
    CHECK(!crdt_map_put_int(map, KEY("a"), 1));
    CHECK_STR(patch_of(doc),
              "[{\"op\":\"add\",\"path\":\"/$=~1w==/a\",\"value\":1}]");
    crdt_buf_free(&patch_text);
    done(doc);
}

static size_t patch_requests;

static void patch_in_memory(void *ctx, crdt_doc *doc,
                            const crdt_patch *patches, size_t len)
{
    crdt_buf out = CRDT_BUF_INIT;
    crdt_err err;
    size_t before = memory.requests;
    (void)ctx;
    (void)doc;
    out.alloc = &memory.table;
    memory.failures = 0;
    memory.fail_at = before + patch_requests;
    err = crdt_json_patch(patches, len, &out);
    CHECK_INT(err, memory.failures ? CRDT_ERR_NOMEM : CRDT_OK);
    CHECK(!err || out.len == 0);
    memory.fail_at = 0;
    crdt_buf_free(&out);
}

TEST(patches_without_memory)
{
    crdt_doc *doc = doc_in_memory();
    cJSON_InitHooks(NULL);
    CHECK(!crdt_doc_watch(doc, patch_in_memory, NULL));
    memory.failures = 1;
    for (patch_requests = 1; memory.failures; patch_requests++) {
        CHECK(!read_text(doc, everything) && !crdt_commit(doc));
        CHECK(!crdt_map_clear(crdt_root(doc)) && !crdt_commit(doc));
        CHECK(!read_text(doc, everything) && !crdt_commit(doc));
    }
    CHECK(patch_requests > 4);
    done(doc);
    CHECK(failing_alloc_clean(&memory));
}

static void read_within(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                        size_t len)
{
    (void)patches;
    *(size_t *)ctx += len;
    CHECK_INT(read_text(doc, "{\"b\":1}"), CRDT_ERR_AGAIN);
    CHECK_STR(json_of(doc), "{\"a\":1}");
}

TEST(within_an_event_nothing_is_read)
{
    crdt_doc *doc = replica(1);
    size_t told = 0;
    CHECK(!crdt_doc_watch(doc, read_within, &told));
    CHECK(!crdt_map_put_int(crdt_root(doc), KEY("a"), 1) && !crdt_commit(doc));
    CHECK_INT(told, 1);
    done(doc);
}

TEST(a_lost_event_replaces_all)
{
    crdt_doc *doc = doc_of("{\"a\":1}");
    crdt_buf out = CRDT_BUF_INIT;
    crdt_patch lost;
    memset(&lost, 0, sizeof lost);
    lost.kind = CRDT_PATCH_LOST;
    lost.object = crdt_root(doc);
    CHECK(!crdt_json_patch(&lost, 1, &out));
    CHECK(crdt_bytes_equal(
        crdt_buf_bytes(&out),
        CRDT_STR("[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"a\":1}}]")));
    out.len = 0;
    CHECK(!crdt_json_patch(NULL, 0, &out));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&out), CRDT_STR("[]")));
    CHECK_INT(crdt_json_patch(NULL, 1, &out), CRDT_ERR_ARG);
    CHECK_INT(crdt_json_patch(&lost, 1, NULL), CRDT_ERR_ARG);
    crdt_buf_free(&out);
    done(doc);
}

TEST_MAIN(
    CASE(values_of_every_kind_go_round), CASE(m9_integers_stay_what_they_are),
    CASE(m9_beyond_2_to_53_they_are_digits_in_a_string),
    CASE(numbers_of_other_forms_are_read), CASE(doubles_are_exact),
    CASE(numbers_that_json_lacks_have_names), CASE(the_locale_does_not_matter),
    CASE(bytes_are_exact), CASE(strings_that_json_cannot_say),
    CASE(escapes_are_read), CASE(keys_of_any_bytes_go_round),
    CASE(containers_of_every_type_go_round), CASE(sets_of_every_type_go_round),
    CASE(texts_go_round), CASE(lists_go_round),
    CASE(m9_elements_stay_what_they_are), CASE(a_list_is_made_anew),
    CASE(types_are_kept), CASE(any_object_can_be_written_alone),
    CASE(indented_a_key_has_a_line), CASE(indented_an_element_has_a_line),
    CASE(it_is_appended), CASE(keys_that_are_not_named_stay),
    CASE(a_map_below_can_be_filled), CASE(a_2pset_is_made_anew),
    CASE(what_is_shown_is_written), CASE(what_others_own_stays),
    CASE(what_others_own_stays_below),
    CASE(what_others_own_in_a_list_keeps_all_away),
    CASE(what_others_own_comes_back), CASE(what_is_no_json_is_refused),
    CASE(what_makes_no_sense_is_refused), CASE(arguments),
    CASE(a_text_is_so_long_and_no_longer),
    CASE(a_text_holds_so_many_values_and_no_more),
    CASE(containers_nest_so_deep_and_no_deeper),
    CASE(brackets_nest_so_deep_and_no_deeper),
    CASE(below_a_map_there_is_less_room), CASE(keys_and_elements_have_limits),
    CASE(numbers_have_a_length), CASE(a_counter_beyond_the_range),
    CASE(reading_without_memory), CASE(writing_without_memory),
    CASE(patches_of_keys), CASE(patches_of_sets_are_one),
    CASE(patches_of_texts_are_whole), CASE(patches_of_lists_are_whole),
    CASE(patches_of_any_key), CASE(within_an_event_nothing_is_read),
    CASE(patches_without_memory), CASE(a_lost_event_replaces_all))
