/*
 * Deltas of lists that are well-formed and that no honest replica would write:
 * values without a position, and positions without a value; moves of what is
 * not there, and to where another element stands; elements named by dots of
 * replicas that nobody knows; containers in them; layouts. One document joins
 * one after the other, between changes of its own, and must stay sound, and so
 * must one made from its bytes.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/list.c -o build/fuzz/list
 */
#define CHECK_HONEST 0
#include "edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OBJECTS = 7, SECTIONS_MAX = 3, OPS_EACH = 4, KILLS_EACH = 2 };
enum { OPS_MAX = FUZZ_OTHERS * OPS_EACH };

/* 5: a container in an element of the first; 6: below that; 7: the first once
 * more. */
static struct build_object objects[OBJECTS] = {
    { 0, CRDT_LIST, { (const uint8_t *)"list", 4 } },
    { 0, CRDT_MAP, { (const uint8_t *)"k", 1 } },
    { 2, CRDT_LIST, { (const uint8_t *)"l", 1 } },
    { 0, CRDT_TEXT, { (const uint8_t *)"text", 4 } },
    { 1, CRDT_LIST, { NULL, 0 } },
    { 5, CRDT_LIST, { NULL, 0 } },
    { 0, CRDT_LIST, { (const uint8_t *)"list", 4 } },
};

static crdt_obj list_of(crdt_doc *doc, uint32_t n)
{
    crdt_obj list = crdt_map_list(crdt_root(doc), CRDT_STR("list"));
    if (n % 4 == 3) {
        crdt_obj inner = crdt_list_object(list, n / 4 % 4);
        if (crdt_type_of(inner) == CRDT_LIST)
            return inner;
    }
    if (n % 2 == 0)
        return list;
    return crdt_map_list(crdt_map_map(crdt_root(doc), CRDT_STR("k")),
                         CRDT_STR("l"));
}

/* >>honest ---------------------------------------------------------------- */

static void write_element(struct choices *c, crdt_obj list, uint32_t what)
{
    static const crdt_type types[] = { CRDT_MAP, CRDT_LIST, CRDT_TEXT,
                                       CRDT_COUNTER };
    size_t len = crdt_list_len(list), at = pick(c, 64) * (len + 1) / 64;
    if (what < 5)
        (void)crdt_list_insert(list, at, fuzz_element(what));
    else if (what < 7)
        (void)crdt_list_insert_object(list, at, types[pick(c, 4)]);
    else if (what < 8)
        (void)crdt_list_set(list, at, crdt_int(7));
    else if (what < 11)
        (void)crdt_list_move(list, at, pick(c, 64) * len / 64);
    else if (what < 13)
        (void)crdt_list_delete(list, at, 1 + pick(c, 2));
    else if (crdt_type_of(crdt_list_object(list, at)) == CRDT_MAP)
        (void)crdt_map_put_int(crdt_list_object(list, at), CRDT_STR("n"), 1);
}

static void write_list(struct choices *c, crdt_doc *doc)
{
    uint32_t what = pick(c, 64), many = what / 16 == 3 ? 8 : 1;
    crdt_obj list = list_of(doc, pick(c, 16));
    for (; many > 0; many--)
        write_element(c, list, (what + many) % 14);
    if (what == 14)
        (void)crdt_map_remove(crdt_root(doc), CRDT_STR("k"));
    if (what == 15)
        (void)crdt_map_put_int(crdt_root(doc), CRDT_STR("list"), 1);
    (void)crdt_doc_error(doc);
    (void)crdt_commit(doc);
}

/* >>hostile --------------------------------------------------------------- */

static struct build_op ops[OPS_MAX];
static struct build_pair kills[OPS_MAX][KILLS_EACH];
static uint8_t keys[OPS_MAX + 2][CRDTI_MOVES_KEY];

/* A key: the dot of something that a replica has written, or may have; or of
 * one that nobody knows. */
static crdt_bytes choose_key(struct choices *c, uint8_t *key, int of_moves)
{
    uint32_t what = pick(c, 64);
    const struct build_replica *r = &replicas[what % FUZZ_OTHERS];
    crdt_id unknown = fuzz_id(77);
    uint64_t seq = r->base + 1 + pick(c, 16);
    seq -= crdti_min(seq - 1, pick(c, 16));
    crdti_element_put(what == 63 ? &unknown : &r->id, seq, key);
    return crdt_bytes_of(key, of_moves ? CRDTI_MOVES_KEY : CRDTI_ELEMENT_KEY);
}

static void choose_kills(struct choices *c, const struct build_delta *d,
                         struct build_op *op, struct build_pair *to)
{
    uint32_t i, count = 1 + pick(c, KILLS_EACH);
    op->kills = to;
    for (i = 0; i < count && i < d->replicas_len; i++) {
        uint32_t r = (pick(c, 8) + i) % (uint32_t)d->replicas_len;
        uint64_t most = r == op->replica ? op->seq - 1 : replicas[r].top;
        if ((i && r == to[0].replica) || !most)
            return;
        to[i].replica = r;
        to[i].a = most - crdti_min(pick(c, 32), most - 1);
        op->kills_len++;
    }
}

/* What stands in lists and above them; what is made up to be refused is made
 * up seldom. */
static void choose_op(struct choices *c, const struct build_delta *d,
                      struct build_op *op)
{
    static const uint8_t kinds[8] = { CRDTI_VALUE, CRDTI_MOVE,   CRDTI_VALUE,
                                      CRDTI_MOVE,  CRDTI_CREATE, CRDTI_REMOVE,
                                      CRDTI_MOVE,  CRDTI_REMOVE };
    static const uint8_t forms[4] = { CRDT_LIST, CRDT_MAP, CRDT_TEXT,
                                      CRDT_LIST };
    static const uint8_t wheres[8] = { 1, 1, 3, 1, 1, 3, 5, 0 };
    uint32_t what = pick(c, 64), at = (uint32_t)(op - ops);
    op->kind = kinds[what % 8];
    op->object = wheres[what / 8];
    op->form =
        op->kind == CRDTI_CREATE ? forms[pick(c, 4)] : (uint8_t)CRDT_NULL;
    op->stamp = ((FUZZ_WALL_MS - pick(c, 8)) << 16) + pick(c, 4);
    if (op->object == 0) {
        op->kind = op->kind == CRDTI_MOVE ? CRDTI_REMOVE : op->kind;
        op->key = objects[what / 2 % 2].key;
    } else if (op->kind == CRDTI_MOVE || pick(c, 4)) {
        int of_moves =
            op->kind == CRDTI_MOVE || (op->kind == CRDTI_REMOVE && pick(c, 2));
        op->key = choose_key(c, keys[at], of_moves != (pick(c, 64) == 63));
    }
    if (op->kind == CRDTI_REMOVE || pick(c, 4) == 3)
        choose_kills(c, d, op, kills[at]);
}

static void choose_ops(struct choices *c, struct build_delta *d)
{
    uint32_t i;
    d->ops = ops;
    for (i = 0; i < d->replicas_len; i++) {
        uint32_t count = pick(c, OPS_EACH + 1);
        uint64_t seq = replicas[i].base;
        for (; count > 0 && seq < replicas[i].top; count--) {
            struct build_op *op = &ops[d->ops_len++];
            memset(op, 0, sizeof *op);
            seq += 1 + pick(c, 16) / 12;
            op->seq = seq = crdti_min(seq, replicas[i].top);
            op->replica = i;
            choose_op(c, d, op);
            d->ops_len -= op->kind == CRDTI_REMOVE && !op->kills_len;
        }
    }
}

static void choose_objects(struct choices *c, struct build_delta *d)
{
    d->objects = objects;
    d->objects_len = OBJECTS;
    objects[4].key = choose_key(c, keys[OPS_MAX], 0);
    objects[5].key = choose_key(c, keys[OPS_MAX + 1], 0);
}

static void build_sections(struct choices *c, const struct build_delta *d,
                           crdt_buf *out)
{
    static const uint32_t sequences[16] = { 1, 1, 3, 1, 5, 1, 3, 1,
                                            1, 5, 1, 6, 1, 3, 4, 7 };
    uint32_t i, count = 1 + pick(c, 16) / 6 % SECTIONS_MAX;
    crdti_writer w;
    crdti_writer_init(&w, out);
    crdti_put_varint(&w, count);
    for (i = 0; i < count; i++) {
        uint32_t what = pick(c, 64);
        build_section(c, d, &w, sequences[(what + i * 2) % 16], what > 58);
    }
    FUZZ_CHECK(!w.err);
}

static void choose_delta(struct choices *c, crdt_doc *doc, crdt_buf *payload)
{
    struct build_delta d;
    uint32_t damage = pick(c, 64);
    memset(&d, 0, sizeof d);
    choose_replicas(c, doc, &d);
    if (damage < 16)
        d.flags = (uint8_t)(d.flags & ~CRDTI_DELTA_SEQUENCES);
    choose_objects(c, &d);
    choose_ops(c, &d);
    payload->len = 0;
    build_payload(&d, payload);
    if (d.flags & CRDTI_DELTA_SEQUENCES)
        build_sections(c, &d, payload);
    if (damage == 63)
        payload->ptr[payload->len - 1 - pick(c, 64) % payload->len] ^=
            (uint8_t)(1 + pick(c, 255));
}

/* >>all of it ------------------------------------------------------------- */

/* What can be read is what there is. */
static void read_list(crdt_obj list)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    crdt_value value;
    crdt_anchor anchor;
    size_t i, at, len = crdt_list_len(list);
    for (i = 0; i < len; i++) {
        FUZZ_CHECK(crdt_list_get(list, i, &value) == CRDT_OK);
        FUZZ_CHECK(crdt_list_next(list, &cursor) == CRDT_OK);
        FUZZ_CHECK(cursor.at == i && cursor.value.kind == value.kind);
        FUZZ_CHECK(crdt_list_anchor(list, i, CRDT_RIGHT, &anchor) == CRDT_OK);
        FUZZ_CHECK(crdt_list_find(list, &anchor, &at) == CRDT_OK && at == i);
        if (value.kind == CRDT_OBJECT &&
            crdt_type_of(value.as.object) == CRDT_LIST)
            read_list(value.as.object);
    }
    FUZZ_CHECK(crdt_list_get(list, len, &value) == CRDT_ERR_RANGE);
    FUZZ_CHECK(crdt_list_next(list, &cursor) == CRDT_ERR_NOT_FOUND);
}

static void read_all(crdt_doc *doc)
{
    crdt_obj list = crdt_map_find(crdt_root(doc), CRDT_STR("list"), CRDT_LIST);
    if (!crdt_is_null(list))
        read_list(list);
    fuzz_sound(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static crdt_buf payload = CRDT_BUF_INIT;
    struct choices c;
    crdt_doc *doc = written_doc(write_list),
             *fresh = fuzz_doc_new(FUZZ_OTHERS + 1);
    c.ptr = data;
    c.end = data + size;
    while (c.ptr < c.end) {
        uint32_t what = pick(&c, 32);
        if (what % 4 == 3) {
            if (what / 16)
                fuzz_forget(doc, what / 8 & 1);
            else
                write_list(&c, doc);
            continue;
        }
        choose_delta(&c, doc, &payload);
        (void)join_one(doc, crdt_buf_bytes(&payload));
        (void)join_one(fresh, crdt_buf_bytes(&payload));
    }
    read_all(doc);
    read_all(fresh);
    give_all(doc, 99);
    give_all(fresh, 98);
    crdt_doc_free(doc);
    crdt_doc_free(fresh);
    return 0;
}
