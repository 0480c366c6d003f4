/*
 * A delta put together by hand, right or wrong: what no honest document would
 * write. The fields are those of docs/wire-format.md; nothing is checked.
 *
 *     struct build_delta d = { 0 };
 *     d.replicas = replicas; d.replicas_len = 2; ...
 *     build_payload(&d, &buf);            // without a frame
 *     build_frame(&d, &buf);              // with one
 */
#ifndef BUILD_DELTA_H
#define BUILD_DELTA_H

#include "../src/codec.h"
#include "../src/frame.h"

struct build_replica {
    crdt_id id;
    uint64_t base, top, floor;
};

struct build_object {
    uint32_t parent; /* 0: the root */
    uint8_t type;
    crdt_bytes key;
};

/* Of a kill `a` is the last dead seq; of a void the pluses and minuses. */
struct build_pair {
    uint32_t replica;
    uint64_t a, b;
};

struct build_op {
    uint32_t replica; /* ascending */
    uint64_t seq;     /* ascending within the replica */
    uint32_t object;
    uint8_t kind;
    uint8_t form; /* VALUE: kind; CREATE: type; IN, OUT: 0 */
    crdt_bytes key;
    uint64_t stamp;
    int64_t integer;
    uint64_t plus, minus;
    crdt_bytes bytes; /* the content of VALUEs that hold bytes */
    const struct build_pair *voids, *kills;
    size_t voids_len, kills_len;
};

struct build_delta {
    uint8_t flags;
    const struct build_replica *replicas;
    const struct build_object *objects; /* without the root */
    const struct build_op *ops;
    size_t replicas_len, objects_len, ops_len;
};

static inline crdt_id build_id(uint32_t n)
{
    crdt_id id;
    memset(id.b, 0, sizeof id.b);
    id.b[0] = (uint8_t)(n >> 24);
    id.b[1] = (uint8_t)(n >> 16);
    id.b[2] = (uint8_t)(n >> 8);
    id.b[3] = (uint8_t)n;
    return id;
}

static inline uint8_t build_type(const struct build_delta *d, uint32_t object)
{
    return object && object <= d->objects_len ? d->objects[object - 1].type
                                              : (uint8_t)CRDT_MAP;
}

static inline void build_replicas(crdti_writer *w, const struct build_delta *d)
{
    size_t i;
    crdti_put_varint(w, d->replicas_len);
    for (i = 0; i < d->replicas_len; i++)
        crdti_put_raw(w, crdt_bytes_of(d->replicas[i].id.b, 16));
    for (i = 0; i < d->replicas_len && !(d->flags & CRDTI_DELTA_SNAPSHOT); i++)
        crdti_put_varint(w, d->replicas[i].base);
    for (i = 0; i < d->replicas_len; i++)
        crdti_put_varint(w, d->replicas[i].top - d->replicas[i].base);
    for (i = 0; i < d->replicas_len && d->flags & CRDTI_DELTA_FLOOR; i++)
        crdti_put_varint(w, d->replicas[i].floor);
}

static inline uint64_t build_cell(const struct build_delta *d, size_t i,
                                  int column)
{
    const struct build_op *op = &d->ops[i];
    if (column == 0)
        return op->replica;
    if (column == 2)
        return op->object;
    if (column == 3)
        return op->kind | (op->kills_len ? 0x80u : 0u);
    if (i && op[-1].replica == op->replica)
        return op->seq - op[-1].seq;
    return op->seq -
           (op->replica < d->replicas_len ? d->replicas[op->replica].base : 0);
}

static inline void build_columns(crdti_writer *w, const struct build_delta *d)
{
    int column;
    size_t i;
    for (column = 0; column < 4; column++) {
        crdti_column_run run = { 0, 0, NULL };
        for (i = 0; i < d->ops_len; i++)
            crdti_run_put(w, &run, build_cell(d, i, column));
        crdti_run_end(w, &run);
    }
}

static inline void build_value(crdti_writer *w, const struct build_op *op)
{
    if (op->form == CRDT_STRING || op->form == CRDT_BYTES)
        crdti_put_bytes(w, op->bytes);
    else if (op->form == CRDT_DOUBLE)
        crdti_put_u64le(w, (uint64_t)op->integer);
    else if (op->form == CRDT_BOOL)
        crdti_put_u8(w, (uint8_t)op->integer);
    else if (op->form != CRDT_NULL)
        crdti_put_zigzag(w, op->integer);
}

static inline void build_voids(crdti_writer *w, const struct build_op *op)
{
    size_t i;
    crdti_put_varint(w, op->voids_len);
    for (i = 0; i < op->voids_len; i++) {
        crdti_put_varint(w, op->voids[i].replica);
        crdti_put_varint(w, op->voids[i].a);
        crdti_put_varint(w, op->voids[i].b);
    }
}

/* The form comes first, where there is one. */
static inline void build_content(crdti_writer *w, const struct build_op *op)
{
    if (op->kind == CRDTI_VALUE || op->kind == CRDTI_CREATE ||
        op->kind == CRDTI_IN || op->kind == CRDTI_OUT)
        crdti_put_u8(w, op->form);
    if (op->kind == CRDTI_VALUE)
        build_value(w, op);
    if (op->kind == CRDTI_ADD) {
        crdti_put_varint(w, op->plus);
        crdti_put_varint(w, op->minus);
    }
    if (op->kind == CRDTI_RESET)
        build_voids(w, op);
}

static inline void build_kills(crdti_writer *w, const struct build_delta *d,
                               const struct build_op *op)
{
    size_t i;
    if (op->kills_len)
        crdti_put_varint(w, op->kills_len);
    for (i = 0; i < op->kills_len; i++) {
        const struct build_pair *kill = &op->kills[i];
        uint64_t from = kill->replica == op->replica ? op->seq - 1
                        : kill->replica < d->replicas_len
                            ? d->replicas[kill->replica].top
                            : 0;
        crdti_put_varint(w, kill->replica);
        crdti_put_varint(w, from - kill->a);
    }
}

static inline void build_objects(crdti_writer *w, const struct build_delta *d)
{
    size_t i;
    crdti_put_varint(w, d->objects_len);
    for (i = 0; i < d->objects_len; i++) {
        crdti_put_varint(w, d->objects[i].parent);
        crdti_put_u8(w, d->objects[i].type);
        crdti_put_bytes(w, d->objects[i].key);
    }
}

static inline void build_stamps(crdti_writer *w, const struct build_delta *d)
{
    uint64_t before = 0;
    size_t i;
    for (i = 0; i < d->ops_len; i++) {
        if (!crdti_has_stamp(d->ops[i].kind))
            continue;
        crdti_put_zigzag(w, (int64_t)(d->ops[i].stamp - before));
        before = d->ops[i].stamp;
    }
}

/* Whether the key of the op is told; of a type that there is not, never. */
static inline int build_tells_key(const struct build_delta *d,
                                  const struct build_op *op)
{
    uint8_t type = build_type(d, op->object);
    return crdti_has_key(type < CRDT_TYPE_COUNT ? type : (uint8_t)CRDT_NONE,
                         op->kind);
}

static inline void build_payload(const struct build_delta *d, crdt_buf *out)
{
    crdti_writer w;
    size_t i;
    crdti_writer_init(&w, out);
    crdti_put_u8(&w, d->flags);
    build_replicas(&w, d);
    build_objects(&w, d);
    crdti_put_varint(&w, d->ops_len);
    build_columns(&w, d);
    build_stamps(&w, d);
    for (i = 0; i < d->ops_len; i++)
        if (build_tells_key(d, &d->ops[i]))
            crdti_put_bytes(&w, d->ops[i].key);
    for (i = 0; i < d->ops_len; i++)
        build_content(&w, &d->ops[i]);
    for (i = 0; i < d->ops_len; i++)
        build_kills(&w, d, &d->ops[i]);
    if (w.err)
        abort();
}

static inline void build_frame(const struct build_delta *d, crdt_buf *out)
{
    size_t start = out->len;
    crdti_writer w;
    build_payload(d, out);
    crdti_writer_init(&w, out);
    crdti_frame_wrap(&w, CRDTI_FRAME_DELTA, start);
    if (w.err)
        abort();
}

#endif
