/*
 * Memory that runs out while characters are swept, while somebody writes beside
 * those that are old, and while what was swept comes back. What is kept of the
 * deleted may be less or more then, and nothing else.
 */
#define REFUSED_CANONICAL
#include "../../src/sweep.h"
#include "refused.h"

/* >>the others -------------------------------------------------------------
 * One that deletes, and one that has not forgotten what is deleted and writes
 * behind it: since what both had, and all there is. */

enum { STATE, NEWS, ALL, LETTERS };
static crdt_buf letters[LETTERS];

static crdt_obj text_of(crdt_doc *of)
{
    return crdt_map_text(crdt_root(of), CRDT_STR("text"));
}

static crdt_obj list_of(crdt_doc *of)
{
    return crdt_map_list(crdt_root(of), CRDT_STR("list"));
}

static void write_and_delete(crdt_doc *one)
{
    crdt_obj text = text_of(one), list = list_of(one);
    size_t i;
    CHECK(!crdt_text_insert(text, CRDT_CHARS, 0,
                            CRDT_STR("of all this only some is to be left "
                                     "\xc3\xa9 and the rest goes")));
    for (i = 0; i < 12; i++) {
        CHECK(!crdt_text_insert(text, CRDT_CHARS, 3 * i, CRDT_STR("more")));
        CHECK(!crdt_text_delete(text, CRDT_CHARS, 3 * i + 1, 3));
        CHECK(!crdt_list_insert(list, i / 2, crdt_int((int64_t)i)));
    }
    for (i = 0; i < 4; i++)
        CHECK(!crdt_list_delete(list, i, 1));
    CHECK(!crdt_list_move(list, 0, 3));
    CHECK(!crdt_list_move(list, 2, 1));
    CHECK(!crdt_text_delete(text, CRDT_CHARS, 30, 12));
    CHECK(!crdt_commit(one));
}

static void make_letters(void)
{
    crdt_doc *one = NULL, *late = NULL;
    crdt_vv vv = CRDT_VV_INIT;
    size_t i;
    if (letters[0].len)
        return;
    CHECK(!doc_new(&one, NULL, 1) && !doc_new(&late, NULL, 2));
    write_and_delete(one);
    CHECK(!crdt_delta(one, NULL, &letters[STATE]));
    CHECK(!crdt_join(late, crdt_buf_bytes(&letters[STATE])));
    CHECK(!crdt_doc_vv(one, &vv));
    for (i = 10; i > 0; i--) /* right before "ore", which is deleted */
        CHECK(!crdt_text_insert(text_of(late), CRDT_CHARS, 3 * i + 1,
                                CRDT_STR("late")));
    CHECK(!crdt_list_insert(list_of(late), 0, crdt_int(100)));
    CHECK(!crdt_list_insert(list_of(late), 3, crdt_int(101)));
    CHECK(!crdt_commit(late));
    CHECK(!crdt_delta(late, &vv, &letters[NEWS]));
    CHECK(!crdt_delta(late, NULL, &letters[ALL]));
    crdt_vv_free(&vv);
    crdt_doc_free(one);
    crdt_doc_free(late);
}

/* >>scenarios -------------------------------------------------------------- */

static void forget(void)
{
    STEP(doc, crdt_doc_vv(doc, &vector));
    STEP(doc, crdt_truncate(doc, &vector));
}

/* Beside old ones, which are passed over; without memory to find them quickly,
 * slowly. */
static void write_beside(void)
{
    size_t i;
    for (i = 0; i < 6; i++) {
        TRY(doc, crdt_text_insert(text_of(doc), CRDT_CHARS, 5 * i,
                                  CRDT_STR("new")));
        TRY(doc, crdt_list_insert(list_of(doc), i, crdt_int(200)));
    }
    STEP(doc, crdt_commit(doc));
}

/* Text and list read as they did the first time, when all was granted. */
static void ends_as_ever(void)
{
    static crdt_buf wanted;
    struct pause pause = pause_refusing();
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    crdt_buf is = CRDT_BUF_INIT;
    crdti_writer w;
    CHECK_INT(crdt_text_get(text_of(doc), &is), CRDT_OK);
    crdti_writer_init(&w, &is);
    while (!crdt_list_next(list_of(doc), &cursor))
        crdti_put_u8(&w, (uint8_t)cursor.value.as.integer);
    CHECK(!w.err);
    crdti_writer_init(&w, &wanted);
    if (!wanted.len)
        crdti_put_raw(&w, crdt_buf_bytes(&is));
    CHECK(crdt_bytes_equal(crdt_buf_bytes(&is), crdt_buf_bytes(&wanted)));
    crdt_buf_free(&is);
    go_on_refusing(pause);
}

/* They name what is swept. */
static void refuse_news(void)
{
    struct pause pause = pause_refusing();
    CHECK_INT(crdt_join(doc, crdt_buf_bytes(&letters[NEWS])),
              CRDT_ERR_FORGOTTEN);
    go_on_refusing(pause);
}

static void sweep_and_restore(void)
{
    if (!begin())
        return;
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&letters[STATE])));
    forget();
    write_beside();
    STEP(doc, crdt_sweep(doc, &vector));
    refuse_news();
    TRY(doc, crdt_join(doc, crdt_buf_bytes(&letters[ALL])));
    forget();
    STEP(doc, crdt_sweep(doc, &vector));
    write_beside();
    STEP(doc, crdt_sweep(doc, &vector));
    ends_as_ever();
}

TEST(every_request_of_a_sweep_and_of_what_comes_back_is_refused)
{
    make_letters();
    run_out(sweep_and_restore);
}

TEST_MAIN(CASE(every_request_of_a_sweep_and_of_what_comes_back_is_refused))
