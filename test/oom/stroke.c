/*
 * Memory that runs out under joins of strokes: typed, inserted, deleted in the
 * text of several; into a document that is watched, and one that is not.
 */
#include "../fuzz/doc.h"
#include "refused.h"

#define SMILE "\xf0\x9f\x98\x80"
#define WHAT "what there is to write in, in characters"

/* >>the other -------------------------------------------------------------
 * Made once, without failures: it writes behind a delta, and tells it. */

enum { STROKES = 40, OTHERS = 12 };
static crdt_buf base, strokes[STROKES];
static uint64_t base_seq, end_seq;
static crdt_buf end_text;

static crdt_obj text_of(crdt_doc *one)
{
    return crdt_map_text(crdt_root(one), CRDT_STR("text"));
}

/* First where the other wrote, and the cursor is; then elsewhere: the other's
 * text is the last. */
static void other_writes(crdt_obj text, int i)
{
    static const char *const words[] = { "a", SMILE, "words of this kind",
                                         "" };
    size_t len = crdt_text_len(text, CRDT_CHARS), end = len - OTHERS;
    size_t at = i < 2 ? len - 2 : (size_t)i * 7 % end;
    size_t gone = i == 0 ? 1 : i == 1 || i % 4 != 3 ? 0 : (end - at) / 2 + 1;
    FUZZ_CHECK(!crdt_text_replace(text, CRDT_CHARS, at, gone,
                                  crdt_str(words[i ? i % 4 : 3])));
}

static void tell(crdt_doc *one, crdti_trail *trail, crdt_buf *out)
{
    crdti_writer w;
    crdti_writer_init(&w, out);
    FUZZ_CHECK(!crdt_commit(one));
    FUZZ_CHECK(
        crdti_strokes_put(one, trail, one->replicas.ptr[one->self].seq, &w));
}

static void make_strokes(void)
{
    crdt_doc *one, *two;
    crdti_trail trail;
    int i;
    if (base.len)
        return;
    one = fuzz_doc_new(1);
    two = fuzz_doc_new(2);
    FUZZ_CHECK(!crdt_text_insert(text_of(one), CRDT_CHARS, 0, CRDT_STR(WHAT)));
    FUZZ_CHECK(!crdt_commit(one));
    fuzz_pull(two, one);
    FUZZ_CHECK(!crdt_text_insert(text_of(two), CRDT_CHARS, sizeof WHAT - 1,
                                 CRDT_STR("and of others")));
    FUZZ_CHECK(!crdt_commit(two));
    fuzz_pull(one, two);
    FUZZ_CHECK(
        !crdt_text_delete(text_of(one), CRDT_CHARS, sizeof WHAT - 1 + 12, 1));
    FUZZ_CHECK(!crdt_commit(one));
    FUZZ_CHECK(!crdt_delta(one, NULL, &base));
    base_seq = one->replicas.ptr[one->self].seq;
    crdti_trail_start(one, one->self, base_seq, &trail);
    for (i = 0; i < STROKES; i++) {
        other_writes(text_of(one), i);
        tell(one, &trail, &strokes[i]);
    }
    end_seq = trail.seq;
    FUZZ_CHECK(!crdt_text_get(text_of(one), &end_text));
    crdt_doc_free(one);
    crdt_doc_free(two);
}

/* >>scenarios ------------------------------------------------------------- */

static crdti_trail trail;

static crdt_err join_strokes(int i)
{
    crdti_trail was = trail;
    crdti_reader r;
    crdt_err err;
    crdti_reader_init(&r, crdt_buf_bytes(&strokes[i]));
    err = crdti_strokes_join(doc, &trail, &r);
    CHECK(!err || memcmp(&was, &trail, sizeof was) == 0);
    return err;
}

static void join_all(void)
{
    crdt_id id = fuzz_id(1);
    struct pause pause;
    crdt_buf is = CRDT_BUF_INIT;
    int i;
    STEP(doc, crdt_join(doc, crdt_buf_bytes(&base)));
    crdti_trail_start(doc, crdti_replica_find(doc, &id), base_seq, &trail);
    for (i = 0; i < STROKES; i++)
        TRY(doc, join_strokes(i)); /* without homes it is only slow */
    CHECK_INT(trail.seq, end_seq);
    pause = pause_refusing();
    CHECK_INT(crdt_text_get(text_of(doc), &is), CRDT_OK);
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&is), crdt_buf_bytes(&end_text)));
    crdt_buf_free(&is);
    go_on_refusing(pause);
}

static void unwatched(void)
{
    if (begin())
        join_all();
}

static void ignore(void *ctx, crdt_doc *of, const crdt_patch *patches,
                   size_t len)
{
    (void)ctx, (void)of, (void)patches, (void)len;
}

static void watched(void)
{
    if (!begin())
        return;
    STEP(doc, crdt_doc_watch(doc, ignore, NULL));
    join_all();
}

TEST(every_request_of_joins_of_strokes_is_refused)
{
    make_strokes();
    run_out(unwatched);
}

TEST(every_request_of_a_watched_document_is_refused)
{
    make_strokes();
    run_out(watched);
}

TEST_MAIN(CASE(every_request_of_joins_of_strokes_is_refused),
          CASE(every_request_of_a_watched_document_is_refused))
