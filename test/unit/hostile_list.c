/*
 * Deltas of lists that are well-formed and that no honest replica writes, one
 * by one; test/fuzz/list.c makes them up by the thousand.
 */
#define CHECK_HONEST 0
#include "../../src/error.h"
#include "../build_delta.h"
#include "../fuzz/doc.h"
#include "../test.h"

#define CHECK_ERR(got, want) CHECK_STR(crdt_err_name(got), #want)

enum { LIST = 1, OTHER = 2, TEXT = 3, OBJECTS = 3, OPS_MAX = 4 };

static const struct build_object objects[OBJECTS] = {
    { 0, CRDT_LIST, { (const uint8_t *)"list", 4 } },
    { 0, CRDT_LIST, { (const uint8_t *)"other", 5 } },
    { 0, CRDT_TEXT, { (const uint8_t *)"text", 4 } },
};

/* Ops of one replica, from its first dot on, and the positions that it says
 * it inserted. */
struct hostile {
    int id;
    uint64_t base, top;
    struct build_op ops[OPS_MAX];
    size_t ops_len;
    uint8_t keys[OPS_MAX][CRDTI_MOVES_KEY];
    crdt_buf sections;
    size_t sections_len;
};

/* An element of that replica and dot. */
static void add_op(struct hostile *h, uint64_t seq, int kind, int id,
                   uint64_t element)
{
    struct build_op *op = &h->ops[h->ops_len];
    crdt_id replica = fuzz_id(id);
    int is_first = id == h->id && element == seq && kind != CRDTI_MOVE;
    crdti_element_put(&replica, element, h->keys[h->ops_len]);
    op->seq = seq;
    op->object = LIST;
    op->kind = (uint8_t)kind;
    op->form = kind == CRDTI_CREATE ? CRDT_LIST : CRDT_INT;
    op->integer = 7;
    op->stamp = FUZZ_WALL_MS << 16;
    if (!is_first)
        op->key = crdt_bytes_of(h->keys[h->ops_len], kind == CRDTI_MOVE
                                                         ? CRDTI_MOVES_KEY
                                                         : CRDTI_ELEMENT_KEY);
    h->ops_len++;
}

/* `len` positions, from that dot on, at the beginning. */
static void add_positions(struct hostile *h, uint32_t object, uint64_t seq,
                          unsigned len, int is_laid_out)
{
    crdti_writer w;
    crdti_writer_init(&w, &h->sections);
    crdti_put_varint(&w, object);
    crdti_put_u8(&w, (uint8_t)is_laid_out);
    crdti_put_varint(&w, 1);
    crdti_put_varint(&w, 0); /* nothing outside */
    crdti_put_u8(&w, CRDTI_EDIT_MORE | CRDTI_MORE_AUTHOR << 3);
    crdti_put_varint(&w, 0);
    crdti_put_zigzag(&w, (int64_t)(seq - h->base - 1));
    crdti_put_u8(&w, (uint8_t)(CRDTI_EDIT_INSERT | (len - 1) << 3));
    crdti_put_varint(&w, 0); /* nobody dead */
    crdti_put_bytes(&w, object == TEXT ? crdt_bytes_of("xxxx", len)
                                       : crdti_no_key());
    CHECK(!w.err);
    h->sections_len++;
}

static struct hostile hostile(int id, uint64_t base, uint64_t top)
{
    struct hostile h;
    memset(&h, 0, sizeof h);
    h.id = id;
    h.base = base;
    h.top = top;
    return h;
}

/* Joins it: refused without a trace, or the document is sound, and others can
 * have it. */
static crdt_err join(crdt_doc *doc, struct hostile *h)
{
    static struct fuzz_look before, after;
    struct build_replica replica;
    struct build_delta d;
    crdt_buf bytes = CRDT_BUF_INIT;
    crdti_writer w;
    size_t offset;
    crdt_err err;
    memset(&replica, 0, sizeof replica);
    memset(&d, 0, sizeof d);
    replica.id = fuzz_id(h->id);
    replica.base = h->base;
    replica.top = h->top;
    d.flags = h->sections_len ? CRDTI_DELTA_SEQUENCES : 0;
    d.replicas = &replica;
    d.objects = objects;
    d.ops = h->ops;
    d.replicas_len = 1;
    d.objects_len = OBJECTS;
    d.ops_len = h->ops_len;
    build_payload(&d, &bytes);
    crdti_writer_init(&w, &bytes);
    if (h->sections_len) {
        crdti_put_varint(&w, h->sections_len);
        crdti_put_raw(&w, crdt_buf_bytes(&h->sections));
    }
    fuzz_look(&before, doc, 1);
    err = crdti_payload_join(doc, crdt_buf_bytes(&bytes), &offset, NULL);
    fuzz_look(&after, doc, 1);
    if (err)
        CHECK(fuzz_same(&before, &after, 1));
    fuzz_sound(doc);
    fuzz_reproduces(doc);
    crdt_buf_free(&bytes);
    crdt_buf_free(&h->sections);
    return err;
}

static crdt_obj list_of(crdt_doc *doc)
{
    return crdt_map_list(crdt_root(doc), CRDT_STR("list"));
}

/* How many elements there are; each is read. */
static size_t count(crdt_doc *doc)
{
    size_t len = crdt_list_len(list_of(doc)), i, at;
    crdt_anchor anchor;
    crdt_value value;
    for (i = 0; i < len; i++) {
        CHECK(!crdt_list_get(list_of(doc), i, &value));
        CHECK(!crdt_list_anchor(list_of(doc), i, CRDT_RIGHT, &anchor));
        CHECK(!crdt_list_find(list_of(doc), &anchor, &at));
        CHECK_INT(at, i);
    }
    CHECK_ERR(crdt_list_get(list_of(doc), len, &value), CRDT_ERR_RANGE);
    return len;
}

/* A document with a list of two elements, 3.2 and 3.3, behind its CREATE. */
static crdt_doc *pair(void)
{
    crdt_doc *doc = fuzz_doc_new(FUZZ_SELF);
    CHECK(!crdt_list_insert(list_of(doc), 0, crdt_int(1)));
    CHECK(!crdt_list_insert(list_of(doc), 1, crdt_int(2)));
    CHECK(!crdt_commit(doc));
    CHECK_INT(doc->written, 3);
    return doc;
}

TEST(a_value_without_a_position_and_its_position_later)
{
    crdt_doc *doc = pair();
    struct hostile h = hostile(1, 0, 2);
    add_op(&h, 1, CRDTI_VALUE, 1, 1);
    add_op(&h, 2, CRDTI_VALUE, 1, 3);
    CHECK_ERR(join(doc, &h), CRDT_OK);
    CHECK_INT(count(doc), 2);
    h = hostile(1, 2, 3);
    add_positions(&h, LIST, 3, 1, 0);
    CHECK_ERR(join(doc, &h), CRDT_OK);
    CHECK_INT(count(doc), 3);
    crdt_doc_free(doc);
}

TEST(a_position_without_a_value_and_its_value_later)
{
    crdt_doc *doc = pair();
    struct hostile h = hostile(1, 0, 2);
    add_positions(&h, LIST, 1, 2, 0);
    CHECK_ERR(join(doc, &h), CRDT_OK);
    CHECK_INT(count(doc), 2);
    h = hostile(1, 2, 3);
    add_op(&h, 3, CRDTI_VALUE, 1, 2);
    CHECK_ERR(join(doc, &h), CRDT_OK);
    CHECK_INT(count(doc), 3);
    crdt_doc_free(doc);
}

TEST(a_move_to_a_position_of_another_list_or_of_a_text)
{
    uint32_t object;
    for (object = OTHER; object <= TEXT; object++) {
        crdt_doc *doc = pair();
        struct hostile h = hostile(1, 0, 1);
        add_op(&h, 1, CRDTI_MOVE, FUZZ_SELF, 2);
        add_positions(&h, object, 1, 1, 0);
        CHECK_ERR(join(doc, &h), CRDT_OK);
        CHECK_INT(count(doc), 1); /* the other stands nowhere */
        CHECK(!crdt_list_move(list_of(doc), 0, 0));
        CHECK(!crdt_list_insert(list_of(doc), 1, crdt_int(3)));
        CHECK(!crdt_list_delete(list_of(doc), 0, 2));
        CHECK_INT(count(doc), 0);
        fuzz_sound(doc);
        crdt_doc_free(doc);
    }
}

TEST(a_move_of_what_is_not_there)
{
    crdt_doc *doc = pair();
    struct hostile h = hostile(1, 0, 3);
    add_op(&h, 1, CRDTI_MOVE, 2, 9);  /* of a replica that has written 0 */
    add_op(&h, 2, CRDTI_MOVE, 77, 1); /* of one that nobody knows */
    add_op(&h, 3, CRDTI_MOVE, 3, 1);  /* of what inserted nothing */
    add_positions(&h, LIST, 1, 3, 0);
    CHECK_ERR(join(doc, &h), CRDT_OK);
    CHECK_INT(count(doc), 2);
    h = hostile(1, 3, 5); /* now they are there, where they were moved to */
    add_op(&h, 4, CRDTI_VALUE, 77, 1);
    add_op(&h, 5, CRDTI_VALUE, 3, 1);
    CHECK_ERR(join(doc, &h), CRDT_OK);
    CHECK_INT(count(doc), 4);
    crdt_doc_free(doc);
}

/* Its own dot is a position of two: that it moves, and that it would be. */
TEST(a_move_to_where_another_would_stand)
{
    crdt_doc *doc = pair();
    struct hostile h = hostile(1, 0, 2);
    add_op(&h, 1, CRDTI_MOVE, FUZZ_SELF, 2);
    add_op(&h, 2, CRDTI_VALUE, 1, 1);
    add_positions(&h, LIST, 1, 1, 0);
    CHECK_ERR(join(doc, &h), CRDT_OK);
    CHECK_INT(count(doc), 2);
    CHECK(!crdt_list_move(list_of(doc), 0, 1)); /* so that the place is free */
    CHECK(!crdt_commit(doc));
    CHECK_INT(count(doc), 3);
    fuzz_sound(doc);
    crdt_doc_free(doc);
}

/* It would be there, or not, before it is inserted. */
TEST(an_element_that_we_are_yet_to_insert)
{
    static const uint8_t kinds[] = { CRDTI_VALUE, CRDTI_MOVE, CRDTI_CREATE };
    size_t i;
    for (i = 0; i < sizeof kinds; i++) {
        crdt_doc *doc = pair();
        struct hostile h = hostile(1, 0, 1);
        add_op(&h, 1, kinds[i], FUZZ_SELF, 4);
        CHECK_ERR(join(doc, &h), CRDT_ERR_CORRUPT);
        h = hostile(1, 0, 1);
        add_op(&h, 1, kinds[i], FUZZ_SELF, 3);
        CHECK_ERR(join(doc, &h), CRDT_OK);
        CHECK(!crdt_list_insert(list_of(doc), 0, crdt_int(3)));
        CHECK(!crdt_commit(doc));
        fuzz_sound(doc);
        crdt_doc_free(doc);
    }
}

TEST(keys_that_are_not_of_their_kind)
{
    static const uint8_t kinds[] = { CRDTI_VALUE, CRDTI_CREATE, CRDTI_MOVE };
    static const size_t lens[] = { CRDTI_MOVES_KEY, CRDTI_MOVES_KEY,
                                   CRDTI_ELEMENT_KEY };
    crdt_doc *doc = pair();
    struct hostile h;
    size_t i;
    for (i = 0; i < sizeof kinds; i++) {
        h = hostile(1, 0, 1);
        add_op(&h, 1, kinds[i], FUZZ_SELF, 2);
        h.ops[0].key.len = lens[i];
        CHECK_ERR(join(doc, &h), CRDT_ERR_CORRUPT);
        h.ops[0].key.len = 23;
        CHECK_ERR(join(doc, &h), CRDT_ERR_CORRUPT);
        h.keys[0][CRDTI_ELEMENT_KEY] = 'q';
        h.ops[0].key.len = CRDTI_MOVES_KEY;
        CHECK_ERR(join(doc, &h), CRDT_ERR_CORRUPT);
    }
    h = hostile(1, 0, 1); /* the own dot is told by no bytes, and only so */
    add_op(&h, 1, CRDTI_VALUE, 1, 1);
    h.ops[0].key = crdt_bytes_of(h.keys[0], CRDTI_ELEMENT_KEY);
    CHECK_ERR(join(doc, &h), CRDT_ERR_CORRUPT);
    CHECK_INT(count(doc), 2);
    crdt_doc_free(doc);
}

TEST(layouts)
{
    crdt_doc *doc = pair(), *empty = fuzz_doc_new(9);
    struct hostile h = hostile(1, 0, 3);
    add_op(&h, 2, CRDTI_VALUE, 1, 2);
    add_positions(&h, LIST, 1, 3, 1);
    CHECK_ERR(join(doc, &h), CRDT_ERR_UNSUPPORTED); /* it has something */
    CHECK_INT(count(doc), 2);
    h = hostile(1, 0, 3);
    add_op(&h, 2, CRDTI_VALUE, 1, 2);
    add_positions(&h, LIST, 1, 3, 1);
    CHECK_ERR(join(empty, &h), CRDT_OK);
    CHECK_INT(count(empty), 1);
    crdt_doc_free(doc);
    crdt_doc_free(empty);
}

TEST(two_sections_of_one_list)
{
    crdt_doc *doc = pair();
    struct hostile h = hostile(1, 0, 2);
    add_positions(&h, LIST, 1, 1, 0);
    add_positions(&h, LIST, 2, 1, 0);
    CHECK_ERR(join(doc, &h), CRDT_ERR_CORRUPT);
    CHECK_INT(count(doc), 2);
    crdt_doc_free(doc);
}

TEST_MAIN(CASE(a_value_without_a_position_and_its_position_later),
          CASE(a_position_without_a_value_and_its_value_later),
          CASE(a_move_to_a_position_of_another_list_or_of_a_text),
          CASE(a_move_of_what_is_not_there),
          CASE(a_move_to_where_another_would_stand),
          CASE(an_element_that_we_are_yet_to_insert),
          CASE(keys_that_are_not_of_their_kind), CASE(layouts),
          CASE(two_sections_of_one_list))
