/*
 * Steps of long texts: three documents that are watched write here and there,
 * much at a time, and pull from each other; each watcher keeps a copy from
 * nothing but steps. (events.c has short texts among all other types.)
 */
#include "../../src/diff.h"

#include "../replicas.h"

enum { REPLICAS = 3, WRITE_MAX = 60, ROUNDS = 60 };

typedef struct {
    crdt_doc *doc;
    crdt_buf copy;
    int is_shown;
} watcher;

static watcher watchers[REPLICAS];
static uint64_t randoms, steps;

static uint32_t below(size_t bound)
{
    return test_below(&randoms, (uint32_t)bound);
}

static crdt_obj text_of(crdt_doc *doc)
{
    return crdt_map_text(crdt_root(doc), CRDT_STR("text"));
}

/* >>the watcher ----------------------------------------------------------- */

static void put(crdt_buf *out, const uint8_t *from, size_t len)
{
    REQUIRE(!crdti_buf_reserve(out, len));
    if (len)
        memcpy(out->ptr + out->len, from, len);
    out->len += len;
}

static void read_anew(watcher *x)
{
    x->is_shown = crdt_map_has(crdt_root(x->doc), CRDT_STR("text"));
    x->copy.len = 0;
    if (x->is_shown)
        CHECK(!crdt_text_get(text_of(x->doc), &x->copy));
}

/* Whether so many bytes are as wide as the step says, in each unit. */
static int step_is(const crdt_step *step, const uint8_t *at)
{
    crdti_width width;
    return step->bytes > 0 &&
           crdti_utf8_measure(crdt_bytes_of(at, step->bytes), &width) &&
           width.chars == step->chars &&
           crdti_width_in(width, CRDT_UTF16) == step->utf16;
}

static void go(watcher *x, const crdt_patch *patch)
{
    crdt_buf now = CRDT_BUF_INIT;
    const uint8_t *from = x->copy.ptr ? x->copy.ptr : (const uint8_t *)"";
    const uint8_t *end = from + x->copy.len;
    size_t i;
    CHECK(x->is_shown && patch->steps_len > 0);
    for (i = 0; i < patch->steps_len; i++, steps++) {
        const crdt_step *step = &patch->steps[i];
        int is_new = step->kind == CRDT_STEP_INSERT;
        REQUIRE(is_new ? step->bytes == step->text.len
                       : step->bytes <= (size_t)(end - from));
        CHECK(step_is(step, is_new ? step->text.ptr : from));
        if (step->kind != CRDT_STEP_DELETE)
            put(&now, is_new ? step->text.ptr : from, step->bytes);
        if (!is_new)
            from += step->bytes;
    }
    put(&now, from, (size_t)(end - from));
    crdt_buf_free(&x->copy);
    x->copy = now;
}

static void check_copy(const watcher *x)
{
    watcher now;
    memset(&now, 0, sizeof now);
    now.doc = x->doc;
    read_anew(&now);
    CHECK_INT(x->is_shown, now.is_shown);
    CHECK(
        crdt_bytes_equal(crdt_buf_bytes(&x->copy), crdt_buf_bytes(&now.copy)));
    crdt_buf_free(&now.copy);
}

static void told(void *ctx, crdt_doc *doc, const crdt_patch *patches,
                 size_t len)
{
    watcher *x = (watcher *)ctx;
    (void)doc;
    CHECK_INT(len, 1);
    if (patches->kind == CRDT_PATCH_TEXT)
        go(x, patches);
    else
        read_anew(x);
    CHECK(patches->kind != CRDT_PATCH_LOST);
    check_copy(x);
}

/* >>writing --------------------------------------------------------------- */

/* Some characters, of all widths. */
static crdt_bytes some_characters(uint8_t *out)
{
    static const char *const all[] = { "a", "b", "\xc3\xa4", "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80" };
    size_t len = 0, count = 1 + below(WRITE_MAX), i;
    for (i = 0; i < count; i++) {
        const char *one = all[below(5)];
        memcpy(out + len, one, strlen(one));
        len += strlen(one);
    }
    return crdt_bytes_of(out, len);
}

static void edit(crdt_obj text)
{
    uint8_t bytes[4 * WRITE_MAX];
    size_t len = crdt_text_len(text, CRDT_CHARS), at = below(len + 1);
    size_t gone = below(crdti_min_size(len - at, WRITE_MAX) + 1);
    if (below(3))
        CHECK(!crdt_text_insert(text, CRDT_CHARS, at, some_characters(bytes)));
    else
        CHECK(!crdt_text_delete(text, CRDT_CHARS, at, gone));
}

/* Becomes what it was without a part in the middle. */
static void set(crdt_obj text)
{
    crdt_buf now = CRDT_BUF_INIT;
    size_t third = crdt_text_len(text, CRDT_CHARS) / 3;
    CHECK(!crdt_text_read(text, CRDT_CHARS, 0, third, &now));
    CHECK(!crdt_text_read(text, CRDT_CHARS, 2 * third, third, &now));
    CHECK(!crdt_text_set(text, crdt_buf_bytes(&now)));
    crdt_buf_free(&now);
}

static void write_some(crdt_doc *doc)
{
    uint32_t dice = below(100), count = 1 + below(30);
    if (dice < 4 && crdt_map_has(crdt_root(doc), CRDT_STR("text")))
        CHECK(!crdt_map_remove(crdt_root(doc), CRDT_STR("text")));
    else if (dice < 12)
        set(text_of(doc));
    else
        while (count-- > 0)
            edit(text_of(doc));
}

static void run(uint64_t seed)
{
    int i;
    randoms = 2 * seed + 1;
    for (i = 0; i < REPLICAS; i++) {
        memset(&watchers[i], 0, sizeof watchers[i]);
        watchers[i].doc = replica((uint8_t)(i + 1));
        CHECK(!crdt_doc_watch(watchers[i].doc, told, &watchers[i]));
    }
    for (i = 0; i < ROUNDS && !test_failures_in_case; i++) {
        watcher *x = &watchers[below(REPLICAS)];
        watcher *from = &watchers[below(REPLICAS)];
        write_some(x->doc);
        if (below(2))
            CHECK(!crdt_commit(x->doc));
        if (from != x && below(2))
            pull(x->doc, from->doc);
    }
    for (i = 0; i < REPLICAS; i++) {
        CHECK(!crdt_commit(watchers[i].doc));
        check_copy(&watchers[i]);
        done(watchers[i].doc);
        crdt_buf_free(&watchers[i].copy);
    }
}

TEST(steps_of_long_texts_lead_to_what_is_read)
{
    uint64_t first = test_env("CRDT_SEED", 0);
    uint64_t count = test_env("CRDT_SEEDS", first ? 1 : 60), i;
    for (i = 0; i < count && !test_failures_in_case; i++) {
        run(first + i);
        if (test_failures_in_case)
            printf("replay with CRDT_SEED=%llu\n",
                   (unsigned long long)(first + i));
    }
    printf("%llu steps\n", (unsigned long long)steps);
    CHECK(steps > count * 100);
}

TEST_MAIN(CASE(steps_of_long_texts_lead_to_what_is_read))
