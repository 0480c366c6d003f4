/*
 * Memory that runs out while a text is watched. The watcher keeps a copy, from
 * nothing but steps, and reads anew when it is told that something was LOST.
 */
#include "../../src/diff.h"
#include "refused.h"

static crdt_buf copy;
static int is_shown;
static unsigned lost, steps;

/* >>the watcher ----------------------------------------------------------- */

static crdt_obj text_of(crdt_doc *of)
{
    return crdt_map_text(crdt_root(of), CRDT_STR("text"));
}

static void put(crdt_buf *out, const uint8_t *from, size_t len)
{
    if (crdti_buf_reserve(out, len))
        abort();
    if (len)
        memcpy(out->ptr + out->len, from, len);
    out->len += len;
}

static void read_anew(crdt_doc *of)
{
    is_shown = crdt_map_has(crdt_root(of), CRDT_STR("text"));
    copy.len = 0;
    if (is_shown && crdt_text_get(text_of(of), &copy))
        abort();
}

static void go(const crdt_patch *patch)
{
    crdt_buf now = CRDT_BUF_INIT;
    const uint8_t *from = copy.ptr ? copy.ptr : (const uint8_t *)"";
    const uint8_t *end = from + copy.len;
    size_t i;
    CHECK(is_shown);
    for (i = 0; i < patch->steps_len; i++, steps++) {
        const crdt_step *step = &patch->steps[i];
        if (step->kind == CRDT_STEP_RETAIN)
            put(&now, from, step->bytes);
        if (step->kind == CRDT_STEP_INSERT)
            put(&now, step->text.ptr, step->text.len);
        else
            from += step->bytes;
    }
    REQUIRE(from <= end);
    put(&now, from, (size_t)(end - from));
    crdt_buf_free(&copy);
    copy = now;
}

static int is_right(crdt_doc *of)
{
    crdt_buf now = CRDT_BUF_INIT;
    int shown = crdt_map_has(crdt_root(of), CRDT_STR("text")), equal;
    if (shown && crdt_text_get(text_of(of), &now))
        abort();
    equal = shown == is_shown &&
            crdt_bytes_equal(crdt_buf_bytes(&now), crdt_buf_bytes(&copy));
    crdt_buf_free(&now);
    return equal;
}

static void told(void *ctx, crdt_doc *of, const crdt_patch *patches,
                 size_t len)
{
    struct pause pause = pause_refusing();
    (void)ctx;
    CHECK_INT(len, 1);
    if (patches->kind == CRDT_PATCH_TEXT)
        go(patches);
    else
        read_anew(of);
    lost += patches->kind == CRDT_PATCH_LOST;
    CHECK(is_right(of));
    go_on_refusing(pause);
}

/* What has not been told yet is told with the next commit. */
static void end_watching(void)
{
    if (doc->watch) {
        CHECK_INT(crdt_commit(doc), CRDT_OK);
        CHECK(is_right(doc));
    }
    crdt_buf_free(&copy);
    is_shown = 0;
}

/* >>the other ------------------------------------------------------------- */

enum { FIRST, EDITS, REMOVAL, DELTAS };
static crdt_buf deltas[DELTAS];

static void send_what_is_new(crdt_doc *other, int i, crdt_vv *vv)
{
    if (crdt_commit(other) || crdt_delta(other, i ? vv : NULL, &deltas[i]) ||
        crdt_doc_vv(other, vv))
        abort();
}

static void make_deltas(void)
{
    crdt_doc *other;
    crdt_obj text;
    crdt_vv vv = CRDT_VV_INIT;
    size_t i;
    if (doc_new(&other, NULL, 30))
        abort();
    text = text_of(other);
    for (i = 0; i < 20; i++)
        if (crdt_text_insert(text, CRDT_CHARS, i, CRDT_STR("their \xc3\xa4")))
            abort();
    send_what_is_new(other, FIRST, &vv);
    for (i = 0; i < 10; i++)
        if (crdt_text_replace(text, CRDT_CHARS, 9 * i, 2, CRDT_STR("new")))
            abort();
    send_what_is_new(other, EDITS, &vv);
    if (crdt_map_remove(crdt_root(other), CRDT_STR("text")))
        abort();
    send_what_is_new(other, REMOVAL, &vv);
    crdt_doc_free(other);
    crdt_vv_free(&vv);
}

/* >>scenarios ------------------------------------------------------------- */

static void write_here_and_there(crdt_obj text)
{
    size_t i;
    for (i = 0; i < 6; i++) {
        TRY(doc, crdt_text_insert(text, CRDT_CHARS, i, CRDT_STR("abc")));
        TRY(doc, crdt_text_delete(text, CRDT_CHARS, 2 * i, 1));
    }
    TRY(doc, crdt_text_set(text, CRDT_STR("what it all becomes")));
    TRY(doc, crdt_commit(doc));
}

static void watched_writes(void)
{
    crdt_obj text;
    if (!begin())
        return;
    STEP(doc, made(doc, &text, text_of(doc)));
    STEP(doc, crdt_commit(doc));
    read_anew(doc);
    STEP(doc, crdt_doc_watch(doc, told, NULL));
    write_here_and_there(text);
    TRY(doc, crdt_map_remove(crdt_root(doc), CRDT_STR("text")));
    TRY(doc, crdt_commit(doc));
    write_here_and_there(text); /* it appears again */
}

static void watched_joins(void)
{
    crdt_obj text;
    if (!begin())
        return;
    STEP(doc, crdt_doc_watch(doc, told, NULL));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[FIRST])));
    TRY(doc, made(doc, &text, text_of(doc)));
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 30, CRDT_STR("ours")));
    TRY(doc, crdt_commit(doc));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[EDITS])));
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&deltas[REMOVAL])));
    CHECK_INT(crdt_text_len(text, CRDT_CHARS), 4);
    TRY(doc, crdt_map_remove(crdt_root(doc), CRDT_STR("text")));
    TRY(doc, crdt_commit(doc));
}

/* A watcher that goes, or comes anew, leaves nothing to be told later. */
static void watching_ends(void)
{
    crdt_obj text;
    if (!begin())
        return;
    STEP(doc, made(doc, &text, text_of(doc)));
    STEP(doc, crdt_commit(doc));
    read_anew(doc);
    STEP(doc, crdt_doc_watch(doc, told, NULL));
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 0, CRDT_STR("unseen")));
    STEP(doc, crdt_doc_watch(doc, NULL, NULL));
    TRY(doc, crdt_commit(doc));
    STEP(doc, crdt_doc_watch(doc, told, NULL));
    read_anew(doc);
    TRY(doc, crdt_text_insert(text, CRDT_CHARS, 6, CRDT_STR(", seen")));
    TRY(doc, crdt_commit(doc));
}

/* >>tests ----------------------------------------------------------------- */

static void run_out_watched(void (*scenario)(void), unsigned least)
{
    lost = steps = 0;
    at_end = end_watching;
    run_out(scenario);
    CHECK(lost * stride >= least);
    CHECK(steps * stride > least);
}

TEST(every_request_of_a_watched_text_is_refused)
{
    run_out_watched(watched_writes, 20);
}

TEST(every_request_of_watched_joins_is_refused)
{
    make_deltas();
    run_out_watched(watched_joins, 20);
}

TEST(every_request_when_watching_ends_is_refused)
{
    run_out_watched(watching_ends, 2);
}

TEST_MAIN(CASE(every_request_of_a_watched_text_is_refused),
          CASE(every_request_of_watched_joins_is_refused),
          CASE(every_request_when_watching_ends_is_refused))
