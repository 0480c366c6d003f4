/*
 * Deltas that are well-formed and that no honest replica would write: the
 * input is a row of choices from which they are built. One document joins one
 * after the other, between changes of its own, and must stay sound.
 *
 *     clang -std=c99 -O2 -g -fsanitize=fuzzer,address,undefined \
 *         test/fuzz/hostile.c -o build/fuzz/hostile
 */
#include "../build_delta.h"
#include "doc.h"

#include "../../src/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct choices {
    const uint8_t *ptr, *end;
};

static uint32_t pick(struct choices *c, uint32_t below)
{
    return c->ptr < c->end ? *c->ptr++ % below : 0;
}

enum { OPS_MAX = 24, PAIRS_MAX = 3, OBJECTS = 7 };

static struct build_replica replicas[FUZZ_OTHERS];
static struct build_op ops[OPS_MAX];
static struct build_pair pairs[OPS_MAX][PAIRS_MAX * 2];
static struct build_object objects[OBJECTS];
static const char *const keys[] = { "k", "map", "n", "r",
                                    "a key too long to inline" };

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

static void choose_op(struct choices *c, const struct build_delta *d,
                      struct build_op *op, struct build_pair *space)
{
    uint32_t type, choice = pick(c, 4);
    memset(&op->object, 0, sizeof *op - offsetof(struct build_op, object));
    op->object = pick(c, OBJECTS + 1);
    type = build_type(d, op->object);
    if (type == CRDT_COUNTER)
        op->kind = choice < 2    ? CRDTI_ADD
                   : choice == 2 ? CRDTI_RESET
                                 : CRDTI_REMOVE;
    else
        op->kind = choice < 2         ? CRDTI_VALUE
                   : choice == 3      ? CRDTI_REMOVE
                   : type == CRDT_MAP ? CRDTI_CREATE
                                      : CRDTI_VALUE;
    if (type == CRDT_MAP)
        op->key = crdt_str(keys[pick(c, 5)]);
    else if (type == CRDT_COUNTER && op->kind == CRDTI_REMOVE)
        op->key = pick(c, 2) ? CRDT_STR("r") : crdt_str("");
    op->form =
        (uint8_t)(op->kind == CRDTI_CREATE ? 1 + pick(c, 3) : pick(c, 3));
    op->integer = op->form == CRDT_INT ? pick(c, 256) - INT64_C(100) : 1;
    op->stamp = (FUZZ_WALL_MS << 16) + pick(c, 4);
    op->plus = pick(c, 16);
    op->minus = pick(c, 4);
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

static void set_objects(void)
{
    static const uint32_t parents[OBJECTS] = { 0, 1, 1, 0, 1, 5, 6 };
    static const uint8_t types[OBJECTS] = { 1, 3, 2, 3, 1, 1, 3 };
    static const char *const names[OBJECTS] = { "map", "n",    "r", "k",
                                                "k",   "deep", "n" };
    size_t i;
    for (i = 0; i < OBJECTS; i++) {
        objects[i].parent = parents[i];
        objects[i].type = types[i];
        objects[i].key = crdt_str(names[i]);
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
    crdt_vv vv = CRDT_VV_INIT;
    c.ptr = data;
    c.end = data + size;
    set_objects();
    while (c.ptr < c.end) {
        uint32_t what = pick(&c, 8);
        if (what < 4) {
            join_one(&c, doc);
        } else if (what < 7) {
            fuzz_write(doc, pick(&c, 64));
            crdt_commit(doc);
        } else {
            FUZZ_CHECK(crdt_doc_vv(doc, &vv) == CRDT_OK);
            FUZZ_CHECK(crdt_truncate(doc, &vv) == CRDT_OK);
        }
        fuzz_sound(doc);
    }
    fuzz_reproduces(doc);
    crdt_vv_free(&vv);
    crdt_doc_free(doc);
    return 0;
}
