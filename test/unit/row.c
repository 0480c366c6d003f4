/* Rows: which elements are, where they lie, and that they leave nothing. */
#include "../replicas.h"

static crdt_obj set_of(crdt_doc *doc, const char *key, crdt_type type)
{
    crdt_obj set = crdt_map_object(crdt_root(doc), crdt_str(key), type);
    CHECK(!crdt_is_null(set));
    return set;
}

static void add(crdt_obj set, int64_t element)
{
    CHECK_INT(crdt_set_add(set, crdt_int(element)), CRDT_OK);
}

static void take(crdt_obj set, int64_t element)
{
    CHECK_INT(crdt_set_remove(set, crdt_int(element)), CRDT_OK);
}

static size_t rows(const crdt_doc *doc)
{
    return doc->rows.len;
}

static uint32_t blocks(const crdt_doc *doc)
{
    return doc->blocks.live;
}

/* How many rows say that the element is in. */
static int rows_of(crdt_obj set, int64_t number)
{
    crdt_value value = crdt_int(number);
    crdti_element element;
    crdti_row_walk walk;
    uint32_t at;
    int count = 0;
    CHECK(!crdti_element_encode(&value, &element));
    for (at = crdti_row_first(set.doc, set.index, crdti_element_key(&element),
                              &walk);
         at; at = crdti_row_next(set.doc, &walk))
        count++;
    return count;
}

/* Changes of the document that are none of the set's. */
static void other_changes(crdt_obj counter, int count)
{
    int i, wrong = 0;
    for (i = 0; i < count; i++)
        wrong += crdt_counter_add(counter, 1) != CRDT_OK;
    CHECK_INT(wrong, 0);
}

/* >>what is a row --------------------------------------------------------- */

TEST(an_element_added_once_is_a_row)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = set_of(doc, "s", CRDT_AW_SET);
    crdt_stats before, stats;
    crdt_doc_stats(doc, &before);
    CHECK(!crdt_set_add(set, crdt_null()) && !crdt_set_add(set, crdt_bool(1)));
    CHECK(!crdt_set_add(set, crdt_int(INT64_MIN)));
    CHECK(!crdt_set_add(set, crdt_double(-0.5)));
    CHECK(!crdt_set_add(set, crdt_time(INT64_MAX)));
    CHECK_INT(rows(doc), 5);
    crdt_doc_stats(doc, &stats);
    CHECK_INT(stats.entries, before.entries);
    CHECK_INT(stats.ops, before.ops + 5); /* a change like any other */
    done(doc);
}

TEST(strings_and_bytes_are_no_rows)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = set_of(doc, "s", CRDT_AW_SET);
    CHECK(!crdt_set_add(set, crdt_string(CRDT_STR(""))));
    CHECK(!crdt_set_add(set, crdt_blob(CRDT_STR("x"))));
    CHECK_INT(rows(doc), 0);
    CHECK_INT(crdt_set_size(set), 2);
    done(doc);
}

TEST(of_these_types_only)
{
    static const crdt_type with[] = { CRDT_AW_SET, CRDT_GSET };
    static const crdt_type without[] = { CRDT_RW_SET, CRDT_2PSET, CRDT_LWW_SET,
                                         CRDT_LWW_SET_RM };
    crdt_doc *doc = replica(1);
    size_t i;
    for (i = 0; i < 4; i++)
        add(set_of(doc, crdt_type_name(without[i]), without[i]), 1);
    CHECK_INT(rows(doc), 0);
    for (i = 0; i < 2; i++)
        add(set_of(doc, crdt_type_name(with[i]), with[i]), 1);
    CHECK_INT(rows(doc), 2);
    done(doc);
}

/* An add that replaces one is remembered with what it killed. */
TEST(added_while_it_is_in_it_is_an_entry)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = set_of(doc, "s", CRDT_AW_SET);
    add(set, 7);
    CHECK_INT(rows(doc), 1);
    add(set, 7);
    CHECK_INT(rows(doc), 0);
    CHECK_INT(blocks(doc), 0);
    CHECK_INT(crdt_set_size(set), 1);
    add(set, 7);
    take(set, 7);
    CHECK_INT(crdt_set_size(set), 0);
    add(set, 7); /* which replaces nothing */
    CHECK_INT(rows(doc), 1);
    CHECK_INT(crdt_set_size(set), 1);
    done(doc);
}

/* >>blocks ---------------------------------------------------------------- */

TEST(a_block_is_full_at_its_limit)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = set_of(doc, "s", CRDT_AW_SET);
    int i;
    for (i = 0; i < CRDTI_BLOCK_ROWS - 1; i++)
        add(set, i);
    CHECK_INT(blocks(doc), 1);
    add(set, i++);
    CHECK_INT(blocks(doc), 1);
    add(set, i++);
    CHECK_INT(blocks(doc), 2);
    CHECK_INT(rows(doc), i);
    CHECK(is_sound(doc));
    /* Where one was removed the place stays empty, until the block is. */
    take(set, 3);
    add(set, 3);
    CHECK_INT(blocks(doc), 2);
    for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
        take(set, i);
    CHECK_INT(blocks(doc), 1);
    take(set, CRDTI_BLOCK_ROWS);
    CHECK_INT(blocks(doc), 0);
    CHECK_INT(rows(doc), 0);
    done(doc);
}

TEST(a_row_says_its_dot_and_its_element)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = set_of(doc, "s", CRDT_AW_SET);
    crdt_obj counter = crdt_map_counter(crdt_root(doc), CRDT_STR("c"));
    uint32_t block = 0;
    int i;
    for (i = 0; i < 6; i++) {
        other_changes(counter, i * i);
        add(set, 1000 * i);
        block = crdti_object_at(doc, set.index)->blocks;
        CHECK(crdti_row_seq(doc, crdti_row_name(block, (unsigned)i)) ==
              doc->written);
    }
    for (i = 0; i < 6; i++) {
        uint8_t room[CRDTI_ROW_KEY];
        crdt_value value = crdti_element_decode(
            crdti_row_key(doc, crdti_row_name(block, (unsigned)i), room));
        CHECK_INT(value.kind, CRDT_INT);
        CHECK_INT(value.as.integer, 1000 * i);
    }
    done(doc);
}

/* Each set has blocks of its own, whatever the others do in between. */
TEST(sets_in_turn_share_no_block)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj one = set_of(a, "one", CRDT_AW_SET);
    crdt_obj two = set_of(a, "two", CRDT_GSET);
    int i;
    for (i = 0; i < 4 * CRDTI_BLOCK_ROWS; i++) {
        add(one, i);
        add(two, i);
    }
    CHECK_INT(blocks(a), 8);
    meet(a, b);
    CHECK_INT(blocks(b), 8);
    CHECK_INT(crdt_set_size(set_of(b, "one", CRDT_AW_SET)),
              4 * CRDTI_BLOCK_ROWS);
    CHECK(is_sound(b));
    done(a);
    done(b);
}

/* Dots within a block are told by steps of 16 bits. */
static void step_of(int distance, uint32_t want)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj set = set_of(a, "s", CRDT_AW_SET);
    crdt_obj counter = crdt_map_counter(crdt_root(a), CRDT_STR("c"));
    add(set, 1);
    other_changes(counter, distance - 1);
    add(set, 2);
    CHECK_INT(blocks(a), want);
    add(set, 3);
    CHECK_INT(blocks(a), distance == UINT16_MAX ? 2 : want);
    meet(a, b);
    CHECK_INT(blocks(b), blocks(a));
    set = set_of(b, "s", CRDT_AW_SET);
    CHECK(crdt_set_has(set, crdt_int(1)) && crdt_set_has(set, crdt_int(2)));
    take(set, 2);
    meet(a, b);
    CHECK_INT(crdt_set_size(set_of(a, "s", CRDT_AW_SET)), 2);
    done(a);
    done(b);
}

TEST(a_step_too_far_opens_a_block)
{
    step_of(1, 1);
    step_of(UINT16_MAX - 1, 1);
    step_of(UINT16_MAX, 1);
    step_of(UINT16_MAX + 1, 2);
    step_of(3 * UINT16_MAX, 2);
}

TEST(rows_taken_back_leave_nothing)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = set_of(doc, "s", CRDT_AW_SET);
    crdt_digest before, after;
    uint32_t made[2 * CRDTI_BLOCK_ROWS];
    int i, turn;
    for (i = 0; i < 5; i++)
        add(set, i);
    before = crdt_doc_digest(doc);
    for (turn = 0; turn < 2; turn++) {
        for (i = 0; i < 2 * CRDTI_BLOCK_ROWS; i++)
            CHECK(!crdti_row_make(doc, set.index, doc->self,
                                  doc->written + 1 + (uint64_t)i,
                                  CRDT_STR("\x51\x2a"), &made[i]));
        CHECK_INT(doc->unborn, 2 * CRDTI_BLOCK_ROWS);
        CHECK_INT(blocks(doc), 3);
        for (i = 0; i < 2 * CRDTI_BLOCK_ROWS; i++)
            crdti_row_unmake(doc,
                             made[turn ? 2 * CRDTI_BLOCK_ROWS - 1 - i : i]);
        CHECK_INT(doc->unborn, 0);
        CHECK_INT(blocks(doc), 1);
        CHECK(is_sound(doc));
    }
    after = crdt_doc_digest(doc);
    CHECK(before.hi == after.hi && before.lo == after.lo);
    add(set, 42);
    CHECK_INT(rows(doc), 6);
    done(doc);
}

TEST(blocks_are_found_by_what_they_hold_behind_a_dot)
{
    crdt_doc *doc = replica(1);
    crdt_obj set = set_of(doc, "s", CRDT_AW_SET);
    uint64_t first = doc->written + 1;
    uint32_t at;
    int i;
    for (i = 0; i < 3 * CRDTI_BLOCK_ROWS; i++)
        add(set, i);
    at = crdti_block_after(doc, doc->self, 0);
    CHECK(crdti_block_at(doc, at)->base == first);
    at = crdti_block_after(doc, doc->self, first + CRDTI_BLOCK_ROWS - 2);
    CHECK(crdti_block_at(doc, at)->base == first);
    at = crdti_block_after(doc, doc->self, first + CRDTI_BLOCK_ROWS - 1);
    CHECK(crdti_block_at(doc, at)->base == first + CRDTI_BLOCK_ROWS);
    CHECK_INT(crdti_block_after(doc, doc->self, doc->written), 0);
    done(doc);
}

/* >>two replicas ---------------------------------------------------------- */

TEST(an_element_has_a_row_of_each_that_added_it)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj of_a = set_of(a, "s", CRDT_AW_SET);
    crdt_obj of_b = set_of(b, "s", CRDT_AW_SET);
    add(of_a, 7);
    add(of_b, 7);
    pull(a, b);
    CHECK_INT(rows_of(of_a, 7), 2);
    CHECK_INT(crdt_set_size(of_a), 1);
    take(of_b, 7); /* only its own */
    pull(a, b);
    CHECK_INT(rows_of(of_a, 7), 1);
    CHECK_INT(crdt_set_size(of_a), 1);
    CHECK(is_sound(a));
    pull(b, a);
    CHECK_INT(crdt_set_size(of_b), 1);
    take(of_b, 7);
    meet(a, b);
    CHECK_INT(rows(a) + rows(b), 0);
    CHECK_INT(crdt_set_size(of_a), 0);
    add(of_a, 7);
    add(of_b, 7);
    meet(a, b);
    CHECK_INT(rows_of(of_a, 7), 2);
    CHECK_INT(crdt_set_size(of_b), 1);
    done(a);
    done(b);
}

/* Two forms of one element; each leaves alone. */
TEST(an_element_is_in_by_a_row_and_an_entry)
{
    crdt_doc *a = replica(1), *b = replica(2), *c = replica(3);
    crdt_obj of_a = set_of(a, "s", CRDT_AW_SET);
    crdt_obj of_b = set_of(b, "s", CRDT_AW_SET);
    crdt_obj of_c = set_of(c, "s", CRDT_AW_SET);
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    add(of_a, 7);
    add(of_a, 7); /* an entry */
    add(of_b, 7); /* a row */
    meet(a, b);
    meet(b, c);
    CHECK_INT(rows_of(of_c, 7), 1);
    CHECK_INT(crdt_set_size(of_c), 1);
    CHECK(!crdt_set_next(of_c, &cursor));
    CHECK_INT(crdt_set_next(of_c, &cursor), CRDT_ERR_NOT_FOUND);
    CHECK(is_sound(c));
    take(of_c, 7);
    meet(b, c);
    CHECK_INT(rows(b), 0);
    CHECK_INT(crdt_set_size(of_b), 0);
    CHECK(is_sound(b));
    done(a);
    done(b);
    done(c);
}

/* Rows of a set whose key is removed above go, and new ones come back. */
TEST(rows_below_a_removed_key_go)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj of_a = set_of(a, "s", CRDT_AW_SET);
    int i;
    for (i = 0; i < 100; i++)
        add(of_a, i);
    meet(a, b);
    CHECK(!crdt_map_remove(crdt_root(a), CRDT_STR("s")));
    CHECK_INT(rows(a) + blocks(a), 0);
    add(set_of(b, "s", CRDT_AW_SET), 1000);
    meet(a, b);
    CHECK_INT(rows(a), 1);
    CHECK_INT(rows(b), 1);
    CHECK(crdt_set_has(of_a, crdt_int(1000)));
    done(a);
    done(b);
}

TEST(rows_of_old_ids_stay_after_a_reincarnation)
{
    crdt_doc *a = replica(1), *b = replica(2);
    crdt_obj set = set_of(a, "s", CRDT_AW_SET);
    add(set, 1);
    meet(a, b);
    CHECK(!crdt_doc_reincarnate(a));
    add(set, 2);
    CHECK_INT(blocks(a), 2);
    take(set, 1);
    meet(a, b);
    CHECK_INT(crdt_set_size(set_of(b, "s", CRDT_AW_SET)), 1);
    done(a);
    done(b);
}

TEST_MAIN(CASE(an_element_added_once_is_a_row),
          CASE(strings_and_bytes_are_no_rows), CASE(of_these_types_only),
          CASE(added_while_it_is_in_it_is_an_entry),
          CASE(a_block_is_full_at_its_limit),
          CASE(a_row_says_its_dot_and_its_element),
          CASE(sets_in_turn_share_no_block),
          CASE(a_step_too_far_opens_a_block),
          CASE(rows_taken_back_leave_nothing),
          CASE(blocks_are_found_by_what_they_hold_behind_a_dot),
          CASE(an_element_has_a_row_of_each_that_added_it),
          CASE(an_element_is_in_by_a_row_and_an_entry),
          CASE(rows_below_a_removed_key_go),
          CASE(rows_of_old_ids_stay_after_a_reincarnation))
