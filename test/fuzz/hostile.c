/*
 * Deltas that are well-formed and that no honest replica would write: the
 * input is a row of choices from which they are built. One document joins one
 * after the other, between changes of its own, and must stay sound.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/hostile.c -o build/fuzz/hostile
 */
#include "../../src/error.h"
#include "../build_delta.h"
#include "doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct choices {
    const uint8_t *ptr, *end;
};

static uint32_t pick(struct choices *c, uint32_t below)
{
    return c->ptr < c->end ? *c->ptr++ % below : 0;
}

enum { OPS_MAX = 24, PAIRS_MAX = 3, NAMED = 8 };
enum { OBJECTS = NAMED + CRDT_TYPE_COUNT - CRDT_GCOUNTER };

static struct build_replica replicas[FUZZ_OTHERS];
static struct build_op ops[OPS_MAX];
static struct build_pair pairs[OPS_MAX][PAIRS_MAX * 2];
static struct build_object objects[OBJECTS];
static const char *const keys[] = { "k", "map", "types",
                                    "n", "r",   "a key too long to inline" };

static void choose_pairs(struct choices *c, const struct build_delta *d,
                         struct build_pair *out, size_t len, int own)
{
    uint32_t at = 0;
    size_t i;
    for (i = 0; i < len; i++) {
        at = i ? at + 1 : pick(c, 3);
        out[i].replica = at % (uint32_t)d->replicas_len;
        if (own >= 0)
            out[i].replica = (uint32_t)own;
        out[i].a = d->replicas[out[i].replica].top;
        out[i].a -= crdti_min(pick(c, 8), out[i].a - 1);
        out[i].b = pick(c, 9);
    }
}

static uint8_t choose_kind(struct choices *c, uint8_t type)
{
    uint8_t kind = (uint8_t)pick(c, CRDTI_KIND_COUNT);
    while (!crdti_type_takes(type, kind))
        kind = (uint8_t)((kind + 1) % CRDTI_KIND_COUNT);
    return kind;
}

static crdt_bytes choose_element(struct choices *c)
{
    static crdti_element elements[8];
    crdti_element *element = &elements[pick(c, 8)];
    crdt_value value = fuzz_element((unsigned)(element - elements));
    FUZZ_CHECK(crdti_element_encode(&value, element) == CRDT_OK);
    return crdti_element_key(element);
}

static crdt_bytes choose_owner(struct choices *c)
{
    static crdt_id owners[FUZZ_OTHERS + 1];
    uint32_t owner = pick(c, FUZZ_OTHERS + 1);
    owners[owner] = fuzz_id((int)owner);
    return crdt_bytes_of(owners[owner].b, owner ? sizeof(crdt_id) : 0);
}

static crdt_bytes choose_key(struct choices *c, uint8_t type, uint8_t kind)
{
    if (type == CRDT_MAP)
        return crdt_str(keys[pick(c, 6)]);
    if (type >= CRDT_AW_SET)
        return choose_element(c);
    if (type == CRDT_BOUNDED)
        return choose_owner(c);
    if (CRDTI_COUNTERS >> type & 1 && kind == CRDTI_REMOVE && pick(c, 2))
        return CRDT_STR("r");
    return crdt_str("");
}

/* Of a container its type, of a value its kind, of a mark nothing. */
static uint8_t choose_form(struct choices *c, uint8_t kind)
{
    if (kind == CRDTI_CREATE)
        return (uint8_t)(1 + pick(c, CRDT_TYPE_COUNT - 1));
    return (uint8_t)(kind == CRDTI_VALUE ? pick(c, 3) : 0);
}

static void choose_op(struct choices *c, const struct build_delta *d,
                      struct build_op *op, struct build_pair *space)
{
    uint32_t type, choice, again;
    memset(&op->object, 0, sizeof *op - offsetof(struct build_op, object));
    again = d->ops_len ? pick(c, 4) : 0; /* where the one before is */
    op->object = again > 1 ? op[-1].object : pick(c, OBJECTS + 1);
    type = build_type(d, op->object);
    op->kind = choose_kind(c, (uint8_t)type);
    op->key = again > 2 ? op[-1].key : choose_key(c, (uint8_t)type, op->kind);
    op->form = choose_form(c, op->kind);
    op->integer = op->form == CRDT_INT ? pick(c, 256) - INT64_C(100) : 1;
    op->stamp = (FUZZ_WALL_MS << 16) + pick(c, 4);
    op->plus = pick(c, 16);
    op->minus = type == CRDT_GCOUNTER ? 0 : pick(c, 4);
    op->kills = space;
    op->voids = space + PAIRS_MAX;
    op->kills_len = op->kind == CRDTI_REMOVE ? 1 + pick(c, PAIRS_MAX)
                                             : pick(c, PAIRS_MAX + 1);
    op->voids_len = 1 + pick(c, PAIRS_MAX);
    op->kills_len = crdti_min_size(op->kills_len, d->replicas_len);
    op->voids_len = crdti_min_size(op->voids_len, d->replicas_len);
    if (op->kind == CRDTI_ADD)
        op->kills_len = op->kills_len && op->seq > 1;
    choose_pairs(c, d, space, op->kills_len,
                 op->kind == CRDTI_ADD ? (int)op->replica : -1);
    choose_pairs(c, d, space + PAIRS_MAX, op->voids_len, -1);
    /* Voids ascend; of its own replica a killer names what is before it. */
    for (choice = 1; choice < op->voids_len; choice++)
        if (space[PAIRS_MAX + choice].replica <
            space[PAIRS_MAX + choice - 1].replica)
            op->voids_len = choice;
    for (choice = 0; choice < op->kills_len; choice++)
        if (space[choice].replica == op->replica)
            space[choice].a = crdti_min(space[choice].a, op->seq - 1);
    if (op->kills_len && space[0].a == 0)
        op->kills_len = 0;
}

static void choose_replicas(struct choices *c, crdt_doc *doc,
                            struct build_delta *d)
{
    uint32_t i;
    crdt_vv vv = CRDT_VV_INIT;
    FUZZ_CHECK(crdt_doc_vv(doc, &vv) == CRDT_OK);
    d->flags = (uint8_t)pick(c, 4);
    d->replicas = replicas;
    for (i = 0; i < FUZZ_OTHERS; i++) {
        struct build_replica *r = &replicas[d->replicas_len];
        uint32_t choice = pick(c, 64);
        crdt_id id = fuzz_id((int)i + 1);
        uint64_t have = crdt_vv_get(&vv, &id);
        r->id = id;
        r->top = have + (i + 1 == FUZZ_SELF ? 0 : choice % 4);
        r->base = have - crdti_min(have, choice / 4 % 4);
        if (d->flags & CRDTI_DELTA_SNAPSHOT)
            r->base = 0;
        r->floor = crdti_min(r->top, choice / 16 * (have / 2 + 1));
        d->replicas_len += r->top != 0 && choice != 63;
    }
    crdt_vv_free(&vv);
}

static void choose_delta(struct choices *c, crdt_doc *doc,
                         struct build_delta *d)
{
    size_t i;
    memset(d, 0, sizeof *d);
    d->objects = objects;
    d->objects_len = OBJECTS;
    d->ops = ops;
    choose_replicas(c, doc, d);
    for (i = 0; i < d->replicas_len; i++) {
        const struct build_replica *r = &replicas[i];
        uint64_t seq = crdti_max(r->base, r->top - crdti_min(r->top, 3));
        for (seq++; seq <= r->top && d->ops_len < OPS_MAX; seq++) {
            if (pick(c, 4) == 0)
                continue;
            ops[d->ops_len].replica = (uint32_t)i;
            ops[d->ops_len].seq = seq;
            choose_op(c, d, &ops[d->ops_len], pairs[d->ops_len]);
            d->ops_len += ops[d->ops_len].kind != CRDTI_REMOVE ||
                          ops[d->ops_len].kills_len;
        }
    }
}

/* Those of fuzz_write: some that have a name, then one of each other type. */
static void set_objects(void)
{
    static const uint32_t parents[NAMED] = { 0, 1, 1, 0, 1, 5, 6, 0 };
    static const uint8_t types[NAMED] = { 1, 3, 2, 3, 1, 1, 3, 1 };
    static const char *const names[NAMED] = { "map", "n",    "r", "k",
                                              "k",   "deep", "n", "types" };
    size_t i;
    for (i = 0; i < OBJECTS; i++) {
        uint8_t type =
            (uint8_t)(i < NAMED ? types[i] : CRDT_GCOUNTER + i - NAMED);
        objects[i].parent = i < NAMED ? parents[i] : NAMED;
        objects[i].type = type;
        objects[i].key =
            crdt_str(i < NAMED ? names[i] : crdt_type_name((crdt_type)type));
    }
}

static void join_one(struct choices *c, crdt_doc *doc)
{
    static struct fuzz_look before, after;
    static crdt_buf payload = CRDT_BUF_INIT;
    struct build_delta d;
    size_t offset;
    crdt_err err;
    choose_delta(c, doc, &d);
    payload.len = 0;
    build_payload(&d, &payload);
    fuzz_look(&before, doc, 1);
    err = crdti_payload_join(doc, crdt_buf_bytes(&payload), &offset, NULL);
    if (getenv("FUZZ_TALK"))
        fprintf(stderr, "%s at %zu of %zu, %zu ops\n", crdt_err_name(err),
                offset, payload.len, d.ops_len);
    fuzz_look(&after, doc, 1);
    if (err)
        FUZZ_CHECK(fuzz_same(&before, &after, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choices c;
    crdt_doc *doc = fuzz_doc();
    c.ptr = data;
    c.end = data + size;
    set_objects();
    while (c.ptr < c.end) {
        uint32_t what = pick(&c, 8);
        if (what < 4) {
            join_one(&c, doc);
        } else if (what < 7) {
            fuzz_write(doc, pick(&c, 256));
            crdt_commit(doc);
        } else {
            fuzz_forget(doc, 1);
        }
        fuzz_sound(doc);
    }
    fuzz_reproduces(doc);
    crdt_doc_free(doc);
    return 0;
}
