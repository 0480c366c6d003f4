/*
 * Join: one function for op, delta and state.
 *
 *     look over    do we have the base? is anything new? is it credible?
 *     prepare      take all memory, make replicas, objects, entries, records
 *     apply        without a way to fail:
 *                    new live ops are filed
 *                    new killers kill, and their kills are remembered
 *                    own live ops that the delta covers and does not show die
 *                    VV := max, floor raised when kill records were missing
 *
 * What fails before `apply` is undone: nothing has changed.
 */
#ifndef CRDTI_JOIN_H
#define CRDTI_JOIN_H

#include "delta.h"
#include "event.h"
#include "graft.h"
#include "kill.h"
#include "state.h"
#include "truncate.h"

typedef struct crdti_join {
    crdt_doc *doc;
    crdti_delta *delta;
    uint64_t *have;      /* own seq by replica of the message */
    uint32_t *made;      /* record of each new op; 0: not new */
    uint8_t *new_object; /* made by this join, by number in the message */
    uint8_t *new_child;  /* the same for what CREATEs create, by op */
    uint8_t *widens;     /* records that it absorbed have widened, by op */
    uint8_t *doubtful;   /* whether it takes another's place, by op */
    int in_doubt;        /* one of them */
    int replaced;        /* something new was, before it could kill */
    crdti_graft graft;
    size_t replicas_before;
} crdti_join;

#define CRDTI_JOIN_STEP 8    /* ops between two steps of warming */
#define CRDTI_JOIN_COLD 4096 /* entries and rows of a document worth it */

/* >>look over ------------------------------------------------------------- */

/* The latest stamp of what is new: the others were believed once, and are not
 * in doubt again because our clock was set back. */
CRDTI_FN uint64_t crdti_join_last_stamp(const crdti_join *j)
{
    uint64_t last = 0;
    size_t i;
    for (i = 0; i < j->delta->ops_len; i++) {
        const crdti_op *op = &j->delta->ops[i].op;
        if (crdti_has_stamp(op->kind) && op->seq > j->have[op->replica])
            last = crdti_max(last, op->as.value.stamp);
    }
    return last;
}

CRDTI_FN crdt_err crdti_join_skew(const crdti_join *j)
{
    crdt_doc *doc = j->doc;
    uint64_t wall, ahead_ms;
    if (!j->delta->last_stamp || doc->is_loading)
        return CRDT_OK; /* nor need the clock be read */
    wall = doc->clock.wall_ms(doc->clock.ctx);
    ahead_ms = crdti_hlc_ahead_ms(j->delta->last_stamp, wall);
    if (ahead_ms > CRDTSYNC_MAX_SKEW_MS)
        ahead_ms = crdti_hlc_ahead_ms(crdti_join_last_stamp(j), wall);
    if (ahead_ms <= CRDTSYNC_MAX_SKEW_MS)
        return CRDT_OK;
    doc->ahead_ms = ahead_ms;
    return CRDT_ERR_SKEW;
}

/* Of a list all places come dead; those that are not have an op each. */
CRDTI_FN crdt_err crdti_join_dead(const crdti_join *j)
{
    const crdti_delta *d = j->delta;
    uint64_t dead = 0;
    size_t i;
    for (i = 0; i < d->sequences_len; i++)
        dead += d->sequences[i].chars - d->sequences[i].alive;
    return dead > (uint64_t)CRDTSYNC_MAX_DEAD + d->ops_len &&
                   !j->doc->is_loading
               ? CRDT_ERR_LIMIT
               : CRDT_OK;
}

CRDTI_FN void crdti_join_gain(crdti_gain *gain,
                              const crdti_delta_replica *replica,
                              uint64_t have)
{
    gain->dots += replica->top - replica->base;
    gain->news += replica->top - crdti_min(have, replica->top);
    if (replica->base <= have)
        return;
    gain->missing.replica = replica->id;
    gain->missing.seq = replica->base;
}

/* OK with *news 0: we have it all, and as the state is a function of the
 * version vector there is nothing to do. */
CRDTI_FN crdt_err crdti_join_look(crdti_join *j, int *news)
{
    crdt_doc *doc = j->doc;
    crdt_err err = CRDT_OK;
    size_t i;
    *news = 0;
    for (i = 0; i < j->delta->replicas_len; i++) {
        crdti_delta_replica *replica = &j->delta->replicas[i];
        replica->number = crdti_replica_find(doc, &replica->id);
        j->have[i] = replica->number == UINT32_MAX
                         ? 0
                         : doc->replicas.ptr[replica->number].seq;
        crdti_join_gain(&j->delta->gain, replica, j->have[i]);
        /* No waiting helps where others know more of us than we do. */
        if (replica->number == doc->self && replica->top > j->have[i])
            return CRDT_ERR_FORK;
        if (replica->base > j->have[i] &&
            (replica->top > replica->base ? CRDTI_RULE(GAPS_REFUSED)
                                          : CRDTI_RULE(CAUSES_FIRST)))
            err = CRDT_ERR_CAUSAL;
        *news |= replica->top > j->have[i];
    }
    return err || !*news ? err : crdti_join_skew(j);
}

/* Whether it is the key of an element that we are yet to insert. */
CRDTI_FN int crdti_join_is_foretold(const crdti_join *j, uint32_t object,
                                    crdt_bytes key)
{
    const crdti_replica *self = &j->doc->replicas.ptr[j->doc->self];
    return j->delta->objects[object].type == CRDT_LIST && key.len &&
           crdti_equal(key.ptr, self->id.b, sizeof self->id.b) &&
           crdti_element_dot(key.ptr).seq > self->seq;
}

/* Nobody can know of those. */
CRDTI_FN crdt_err crdti_join_elements(const crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    for (i = 1; i < d->objects_len; i++)
        if (crdti_join_is_foretold(j, d->objects[i].parent, d->objects[i].key))
            return CRDT_ERR_CORRUPT;
    for (i = 0; i < d->ops_len; i++)
        if (crdti_join_is_foretold(j, d->ops[i].object, d->ops[i].key))
            return CRDT_ERR_CORRUPT;
    return CRDT_OK;
}

/* The same dot in both: whether it says the same. Resets are told apart by
 * the digest, when the vectors are equal. */
CRDTI_FN int crdti_join_same(const crdti_join *j, const crdti_delta_op *theirs,
                             uint32_t item)
{
    uint32_t object = j->delta->objects[theirs->object].number;
    crdti_op row;
    const crdti_op *ours = crdti_item_op(j->doc, item, &row);
    uint8_t room[CRDTI_ROW_KEY];
    if (theirs->op.kind == CRDTI_REMOVE)
        return 1;
    if (theirs->op.kind != ours->kind || theirs->op.form != ours->form ||
        theirs->op.len != ours->len ||
        crdti_item_object(j->doc, item) != object ||
        !crdt_bytes_equal(crdti_item_key(j->doc, item, room), theirs->key))
        return 0;
    if (ours->kind == CRDTI_RESET)
        return 1;
    if (ours->kind == CRDTI_ADD)
        return theirs->op.as.add.plus == ours->as.add.plus &&
               theirs->op.as.add.minus == ours->as.add.minus;
    if (theirs->op.as.value.stamp != ours->as.value.stamp)
        return 0;
    if (crdti_op_has_bytes(ours))
        return crdt_bytes_equal(crdti_op_bytes(ours),
                                crdti_op_bytes(&theirs->op));
    return ours->kind == CRDTI_CREATE ||
           ours->as.value.as.integer == theirs->op.as.value.as.integer;
}

/* Walks own live ops that the context (base, top] covers, beside those that
 * the delta shows. Either looks for forks, or lets die what is not shown. */
CRDTI_FN crdt_err crdti_join_context(crdti_join *j, size_t place, size_t *at,
                                     int apply)
{
    crdt_doc *doc = j->doc;
    const crdti_delta *d = j->delta;
    const crdti_delta_replica *replica = &d->replicas[place];
    uint64_t last = crdti_min(replica->top, j->have[place]);
    uint32_t op =
        replica->base < j->have[place]
            ? crdti_journal_after(doc, replica->number, replica->base)
            : 0;
    while (op && crdti_op_at(doc, op)->seq <= last) {
        const crdti_op *ours = crdti_op_at(doc, op);
        uint32_t newer = ours->newer, entry = ours->entry;
        int alive = crdti_op_is_alive(ours), shown;
        while (*at < d->ops_len && d->ops[*at].op.replica == place &&
               d->ops[*at].op.seq < ours->seq)
            ++*at;
        shown = *at < d->ops_len && d->ops[*at].op.replica == place &&
                d->ops[*at].op.seq == ours->seq;
        if (!apply && alive && shown && !crdti_join_same(j, &d->ops[*at], op))
            return CRDT_ERR_FORK;
        if (apply && alive &&
            (!shown || !crdti_op_is_alive(&d->ops[*at].op))) {
            crdti_op_vanish(doc, op);
            crdti_entry_tidy(doc, entry);
        }
        op = newer;
    }
    return CRDT_OK;
}

/* The op of the delta with that dot, from place `low` on, or NULL. */
CRDTI_FN const crdti_delta_op *crdti_join_find(const crdti_join *j, size_t low,
                                               size_t replica, uint64_t seq)
{
    const crdti_delta_op *ops = j->delta->ops;
    size_t high = j->delta->ops_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const crdti_op *op = &ops[middle].op;
        if (op->replica < replica || (op->replica == replica && op->seq < seq))
            low = middle + 1;
        else
            high = middle;
    }
    return low < j->delta->ops_len && ops[low].op.replica == replica &&
                   ops[low].op.seq == seq
               ? &ops[low]
               : NULL;
}

/* The same for the rows of a block: in no order of their own. */
CRDTI_FN crdt_err crdti_join_context_block(crdti_join *j, size_t place,
                                           size_t from, uint32_t block,
                                           int apply)
{
    const crdti_delta_replica *replica = &j->delta->replicas[place];
    uint64_t last = crdti_min(replica->top, j->have[place]);
    unsigned i;
    for (i = 0; i < CRDTI_BLOCK_ROWS; i++) {
        const crdti_block *at = crdti_block_at(j->doc, block);
        uint64_t seq = at->base + at->steps[i];
        const crdti_delta_op *shown;
        if (!crdti_row_is_alive(at, i) || seq <= replica->base || seq > last)
            continue;
        shown = crdti_join_find(j, from, place, seq);
        if (!apply && shown &&
            !crdti_join_same(j, shown, crdti_row_name(block, i)))
            return CRDT_ERR_FORK;
        if (apply && (!shown || !crdti_op_is_alive(&shown->op)))
            crdti_row_die(j->doc, crdti_row_name(block, i));
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_join_context_rows(crdti_join *j, size_t place,
                                          size_t from, int apply)
{
    const crdti_delta_replica *replica = &j->delta->replicas[place];
    uint32_t block = 0, newer;
    crdt_err err = CRDT_OK;
    if (replica->base < j->have[place])
        block = crdti_block_after(j->doc, replica->number, replica->base);
    for (; block && !err; block = newer) {
        newer = crdti_block_at(j->doc, block)->newer; /* it may go */
        err = crdti_join_context_block(j, place, from, block, apply);
    }
    return err;
}

CRDTI_FN crdt_err crdti_join_contexts(crdti_join *j, int apply)
{
    size_t i, at = 0;
    crdt_err err = CRDT_OK;
    j->doc->actor = CRDTI_NOBODY; /* that is not told */
    for (i = 0; i < j->delta->replicas_len && !err; i++) {
        while (at < j->delta->ops_len && j->delta->ops[at].op.replica < i)
            at++;
        if (!apply || CRDTI_RULE(CONTEXT_KILLS)) {
            err = crdti_join_context_rows(j, i, at, apply);
            if (!err)
                err = crdti_join_context(j, i, &at, apply);
        }
        if (apply)
            crdti_graft_context(&j->graft, i);
    }
    return err;
}

/* >>prepare --------------------------------------------------------------- */

CRDTI_FN crdt_err crdti_join_replicas(crdti_join *j)
{
    size_t i;
    for (i = 0; i < j->delta->replicas_len; i++) {
        crdti_delta_replica *replica = &j->delta->replicas[i];
        crdt_err err;
        if (replica->number != UINT32_MAX)
            continue;
        err = crdti_replica_add(j->doc, &replica->id, &replica->number);
        if (err)
            return err;
    }
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_join_objects(crdti_join *j)
{
    crdti_delta_object *objects = j->delta->objects;
    size_t i;
    objects[0].number = CRDTI_ROOT;
    for (i = 1; i < j->delta->objects_len; i++) {
        uint32_t entry;
        size_t before = j->doc->objects.live;
        crdt_err err = crdti_entry_get(
            j->doc, objects[objects[i].parent].number, objects[i].key, &entry);
        if (err)
            return err;
        err = crdti_object_get(j->doc, entry, (crdt_type)objects[i].type,
                               &objects[i].number);
        if (err) {
            crdti_entry_tidy(j->doc, entry);
            return err;
        }
        j->new_object[i] = j->doc->objects.live > before;
    }
    return CRDT_OK;
}

/* Copies what the record must own. The caller frees it when this fails. */
CRDTI_FN crdt_err crdti_join_own(crdti_join *j, const crdti_delta_op *from,
                                 crdti_op *op)
{
    uint32_t i;
    if (crdti_op_has_bytes(op)) {
        op->as.value.as.bytes =
            op->len ? (uint8_t *)crdti_alloc(&j->doc->alloc, op->len) : NULL;
        if (op->len && !op->as.value.as.bytes)
            return CRDT_ERR_NOMEM;
        crdti_copy(op->as.value.as.bytes, from->op.as.value.as.bytes, op->len);
    }
    if (op->kind != CRDTI_RESET)
        return CRDT_OK;
    op->as.voids = (crdti_void *)crdti_alloc(&j->doc->alloc,
                                             op->len * sizeof(crdti_void));
    for (i = 0; op->as.voids && i < op->len; i++) {
        crdti_void *v = &op->as.voids[i];
        *v = from->op.as.voids[i];
        v->replica = j->delta->replicas[v->replica].number;
    }
    return op->as.voids ? CRDT_OK : CRDT_ERR_NOMEM;
}

/* The container that a CREATE creates, empty as it may be. */
CRDTI_FN crdt_err crdti_join_child(crdti_join *j, size_t i, const crdti_op *op)
{
    size_t before = j->doc->objects.live;
    uint32_t child;
    crdt_err err =
        crdti_object_get(j->doc, op->entry, (crdt_type)op->form, &child);
    j->new_child[i] = j->doc->objects.live > before;
    return err;
}

/* Whether the op is to be a row. */
CRDTI_FN int crdti_join_is_row(const crdti_join *j, const crdti_delta_op *from)
{
    return from->op.kind == CRDTI_IN && !from->kills_len &&
           crdti_row_fits(j->doc, j->delta->objects[from->object].number,
                          from->key);
}

/* Makes the record of a new op, not yet filed. */
CRDTI_FN crdt_err crdti_join_make(crdti_join *j, size_t i)
{
    crdt_doc *doc = j->doc;
    const crdti_delta_op *from = &j->delta->ops[i];
    uint32_t object = j->delta->objects[from->object].number;
    const crdti_type *type = crdti_type_at(doc, crdti_object_at(doc, object));
    crdti_op op = from->op;
    crdt_err err;
    if (crdti_join_is_row(j, from))
        return crdti_row_make(doc, object,
                              j->delta->replicas[op.replica].number, op.seq,
                              from->key, &j->made[i]);
    err = crdti_pool_reserve(&doc->alloc, &doc->ops, 1);
    if (!err)
        err = crdti_entry_get(doc, object, from->key, &op.entry);
    if (err)
        return err;
    op.replica = j->delta->replicas[op.replica].number;
    err = crdti_join_own(j, from, &op);
    if (err) {
        crdti_entry_tidy(doc, op.entry);
        return err;
    }
    j->made[i] = crdti_pool_take(&doc->ops);
    *crdti_op_at(doc, j->made[i]) = op;
    if (op.kind == CRDTI_CREATE)
        return crdti_join_child(j, i, &op);
    return crdti_op_is_alive(&op) && type->reserve
               ? type->reserve(doc, object, &op)
               : CRDT_OK;
}

CRDTI_FN uint64_t crdti_join_hash(const crdti_join *j,
                                  const crdti_delta_op *op)
{
    return crdti_entry_hash(j->doc, j->delta->objects[op->object].number,
                            op->key);
}

/* Has what op i will need fetched, and follows what was fetched for those
 * before it. What lies beyond either end of the delta is left alone: below 0
 * the numbers are very large. */
CRDTI_FN void crdti_join_warm(crdti_join *j, size_t i)
{
    crdti_delta_op *ops = j->delta->ops;
    size_t n = j->delta->ops_len;
    if (i < n && !crdti_join_is_row(j, &ops[i])) {
        ops[i].hash = crdti_join_hash(j, &ops[i]);
        crdti_warm_slot(&j->doc->names, ops[i].hash);
    }
    i -= CRDTI_JOIN_STEP;
    if (i < n && ops[i].hash)
        ops[i].op.entry = crdti_warm_entry(j->doc, ops[i].hash);
    i -= CRDTI_JOIN_STEP;
    if (i < n && ops[i].op.entry)
        crdti_warm_ops(j->doc, ops[i].op.entry);
}

/* Whether that pays: what is small is in the cache. */
CRDTI_FN int crdti_join_is_cold(const crdti_join *j)
{
    return j->delta->ops_len > CRDTI_JOIN_STEP &&
           j->doc->entries.live + j->doc->rows.len > CRDTI_JOIN_COLD;
}

/* How many ops there are of that kind: room for rows, or moves, is made once.
 */
CRDTI_FN size_t crdti_join_count(const crdti_join *j, uint8_t kind)
{
    size_t i, count = 0;
    for (i = 0; i < j->delta->ops_len; i++)
        count += j->delta->ops[i].op.kind == kind;
    return count;
}

CRDTI_FN crdt_err crdti_join_ops(crdti_join *j)
{
    crdt_doc *doc = j->doc;
    const crdti_delta *d = j->delta;
    size_t i, ahead = 3 * CRDTI_JOIN_STEP;
    int cold = crdti_join_is_cold(j);
    if (crdti_table_reserve(&doc->alloc, &doc->rows,
                            crdti_join_count(j, CRDTI_IN)) ||
        crdti_table_reserve(&doc->alloc, &doc->moves,
                            crdti_join_count(j, CRDTI_MOVE)) ||
        crdti_pool_reserve(&doc->alloc, &doc->kills, d->kills_len))
        return CRDT_ERR_NOMEM;
    for (i = 0; cold && i < ahead; i++)
        crdti_join_warm(j, i);
    for (i = 0; i < d->ops_len; i++) {
        crdt_err err;
        if (cold)
            crdti_join_warm(j, i + ahead);
        if (d->ops[i].op.seq <= j->have[d->ops[i].op.replica])
            continue;
        err = crdti_join_make(j, i);
        if (err)
            return err;
    }
    return CRDT_OK;
}

/* Whether the element of that key was swept with its place (sweep.h), and
 * nothing of the delta has brought it back. Moves of it may live on without. */
CRDTI_FN int crdti_join_is_swept(const crdti_join *j, uint32_t object,
                                 crdt_bytes key)
{
    const crdti_delta_object *in = &j->delta->objects[object];
    crdti_position at;
    return in->type == CRDT_LIST && key.len == CRDTI_ELEMENT_KEY &&
           crdti_element_get(j->doc, key.ptr, &at) &&
           at.seq <= j->doc->replicas.ptr[at.replica].floor &&
           crdti_position_name(j->doc, in->number, at) == CRDTI_NO_CHAR;
}

/* Whether the object is in such an element, however deep. */
CRDTI_FN int crdti_join_is_below_swept(const crdti_join *j, uint32_t object)
{
    const crdti_delta_object *objects = j->delta->objects;
    for (; object; object = objects[object].parent)
        if (crdti_join_is_swept(j, objects[object].parent,
                                objects[object].key))
            return 1;
    return 0;
}

/* What is new and lives has a place. */
CRDTI_FN crdt_err crdti_join_places(const crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    for (i = 0; i < d->ops_len && j->doc->floors; i++) {
        const crdti_delta_op *op = &d->ops[i];
        if (j->made[i] && crdti_op_is_alive(&op->op) &&
            (crdti_join_is_swept(j, op->object, op->key) ||
             crdti_join_is_below_swept(j, op->object)))
            return CRDT_ERR_FORGOTTEN;
    }
    for (i = 0; i < d->sequences_len && j->doc->floors; i++)
        if (crdti_join_is_below_swept(j, d->sequences[i].object))
            return CRDT_ERR_FORGOTTEN;
    return CRDT_OK;
}

CRDTI_FN void crdti_join_unmake(crdti_join *j, size_t i)
{
    crdt_doc *doc = j->doc;
    crdti_op *op;
    if (j->made[i] & CRDTI_ROW_BIT) {
        crdti_row_unmake(doc, j->made[i]);
        return;
    }
    op = crdti_op_at(doc, j->made[i]);
    if (j->new_child[i])
        crdti_object_undo(
            doc, crdti_object_find(doc, op->entry, (crdt_type)op->form));
    else
        crdti_entry_tidy(doc, op->entry);
    crdti_op_drop(&doc->alloc, op);
    crdti_pool_give(&doc->ops, j->made[i]);
}

CRDTI_FN void crdti_join_undo(crdti_join *j)
{
    crdt_doc *doc = j->doc;
    size_t i;
    crdti_graft_undo(&j->graft);
    for (i = 0; i < j->delta->ops_len; i++)
        if (j->made[i])
            crdti_join_unmake(j, i);
    for (i = j->delta->objects_len; i > 0; i--)
        if (j->new_object[i - 1])
            crdti_object_undo(doc, j->delta->objects[i - 1].number);
    crdti_replicas_trim(doc, j->replicas_before);
}

/* >>apply ----------------------------------------------------------------- */

/* Whether a new op has not been killed in this very join, as none of an honest
 * delta is. */
CRDTI_FN int crdti_join_has(const crdti_join *j, size_t i)
{
    return j->made[i] && crdti_op_at(j->doc, j->made[i])->kind;
}

/* >>one live op of each replica at each place ----------------------------- */

/* What is written takes the place of what its replica wrote there before,
 * whether it says so or not, as honest ones do. So what walks an entry has an
 * end, and bytes from outside cannot make it long. */

CRDTI_FN uint32_t crdti_join_row_before(const crdt_doc *doc, uint32_t object,
                                        crdt_bytes key, const crdti_op *own)
{
    crdti_row_walk walk;
    uint32_t at = 0;
    if (crdti_row_fits(doc, object, key))
        at = crdti_row_first(doc, object, key, &walk);
    while (at && (crdti_row_block(doc, at)->replica != own->replica ||
                  crdti_row_seq(doc, at) >= own->seq))
        at = crdti_row_next(doc, &walk);
    return at;
}

/* What the replica of the item wrote in its place before, and still lives; or
 * 0. Where there are several, the latest of those that are new. */
CRDTI_FN uint32_t crdti_join_before(const crdt_doc *doc, uint32_t item)
{
    uint8_t room[CRDTI_ROW_KEY];
    crdti_op row;
    const crdti_op *own = crdti_item_op(doc, item, &row);
    uint32_t object = crdti_item_object(doc, item), at;
    crdt_bytes key = crdti_item_key(doc, item, room);
    if (!own->entry) {
        at = crdti_join_row_before(doc, object, key, own);
        if (at)
            return at;
    }
    at = own->entry ? own->entry : crdti_entry_find(doc, object, key);
    at = at ? crdti_entry_at(doc, at)->ops : 0;
    while (at && (crdti_op_at(doc, at)->replica != own->replica ||
                  crdti_op_at(doc, at)->seq >= own->seq))
        at = crdti_op_at(doc, at)->next;
    return at || !own->entry ? at
                             : crdti_join_row_before(doc, object, key, own);
}

CRDTI_FN void crdti_join_replace(crdti_join *j, uint32_t item)
{
    crdti_op *op;
    uint32_t entry;
    if (item & CRDTI_ROW_BIT) {
        crdti_row_die(j->doc, item);
        return;
    }
    op = crdti_op_at(j->doc, item);
    entry = op->entry;
    if (!crdti_op_is_new(j->doc, op)) {
        crdti_op_vanish(j->doc, item);
        crdti_entry_tidy(j->doc, entry);
        return;
    }
    /* It may have to kill yet. */
    crdti_op_unfile(j->doc, item);
    op->kind = CRDTI_REMOVE;
    j->doc->removals++;
    j->replaced = 1;
}

/* Whether it is an op, and there is nothing beside it. */
CRDTI_FN int crdti_join_is_alone(const crdt_doc *doc, uint32_t item)
{
    const crdti_op *op;
    const crdti_entry *entry;
    if (item & CRDTI_ROW_BIT)
        return 0;
    op = crdti_op_at(doc, item);
    entry = crdti_entry_at(doc, op->entry);
    return !op->prev && !op->next &&
           !crdti_object_at(doc, entry->object)->blocks;
}

/* Old ones may yet die by this very join. But of two that are new one goes at
 * once, lest a long list of them be walked for each; what that one doubted is
 * in doubt still. A replica that has nothing is not looked for. */
CRDTI_FN void crdti_join_doubt(crdti_join *j, size_t i)
{
    const crdti_delta_op *from = &j->delta->ops[i];
    crdti_op row;
    uint32_t before;
    if (crdti_join_is_alone(j->doc, j->made[i]) ||
        (!j->have[from->op.replica] &&
         (i == 0 || from[-1].op.replica != from->op.replica)))
        return;
    before = crdti_join_before(j->doc, j->made[i]);
    if (!before)
        return;
    if (crdti_op_is_new(j->doc, crdti_item_op(j->doc, before, &row)))
        crdti_join_replace(j, before);
    j->in_doubt = j->doubtful[i] = 1;
}

CRDTI_FN int crdti_join_is_alive(const crdti_join *j, size_t i)
{
    uint32_t item = j->made[i];
    if (item & CRDTI_ROW_BIT)
        return crdti_row_is_alive(crdti_row_block(j->doc, item),
                                  crdti_row_place(item));
    return crdti_join_has(j, i) &&
           crdti_op_is_alive(crdti_op_at(j->doc, item));
}

/* When all that was to die has died. */
CRDTI_FN void crdti_join_decide(crdti_join *j)
{
    size_t i;
    for (i = 0; j->in_doubt && i < j->delta->ops_len; i++) {
        uint32_t before;
        while (j->doubtful[i] && crdti_join_is_alive(j, i) &&
               (before = crdti_join_before(j->doc, j->made[i])) != 0)
            crdti_join_replace(j, before);
    }
    for (i = 0; j->replaced && i < j->delta->ops_len; i++)
        if (!(j->made[i] & CRDTI_ROW_BIT) && crdti_join_has(j, i))
            crdti_removal_tidy(j->doc, j->made[i]);
}

/* >>kills ----------------------------------------------------------------- */

/* A new killer does its work, and what it killed is remembered. */
CRDTI_FN void crdti_join_kill(crdti_join *j, size_t i)
{
    crdt_doc *doc = j->doc;
    const crdti_delta_op *from = &j->delta->ops[i];
    uint32_t killer = j->made[i], entry = crdti_op_at(doc, killer)->entry, k;
    for (k = 0; k < from->kills_len; k++) {
        const crdti_delta_kill *kill = &from->kills[k];
        uint64_t *mark =
            &doc->replicas.ptr[j->delta->replicas[kill->replica].number].mark;
        *mark = crdti_max(*mark, kill->last);
    }
    j->widens[i] = (uint8_t)crdti_kill_marked(doc, killer);
    if (from->kills_len > 1)
        crdti_kill_note_marks(doc, killer);
    for (k = 0; k < from->kills_len; k++) {
        uint32_t replica = j->delta->replicas[from->kills[k].replica].number;
        uint64_t *mark = &doc->replicas.ptr[replica].mark;
        if (from->kills_len == 1)
            crdti_kill_note(doc, killer, replica, *mark);
        else if (*mark)
            crdti_kill_add(doc, killer, replica, *mark);
        *mark = 0;
    }
    if (crdti_op_is_alive(crdti_op_at(doc, killer)))
        crdti_join_doubt(j, i);
    /* A removal whose kills were all known already needs no record. */
    crdti_removal_tidy(doc, killer);
    crdti_entry_tidy(doc, entry);
}

/* Those deepest down come first. An entry in which a REMOVE has not noted its
 * kills yet looks empty, and a killer above would tidy it away under it. */
CRDTI_FN void crdti_join_kills(crdti_join *j)
{
    const crdti_delta *d = j->delta;
    int depth, deepest = -1;
    size_t i;
    for (i = 0; i < d->ops_len; i++) {
        depth = d->objects[d->ops[i].object].depth;
        if (d->ops[i].kills_len && depth > deepest)
            deepest = depth;
    }
    for (depth = deepest; depth >= 0; depth--)
        for (i = 0; i < d->ops_len; i++)
            if (d->ops[i].kills_len &&
                d->objects[d->ops[i].object].depth == depth &&
                crdti_join_has(j, i))
                crdti_join_kill(j, i);
}

/* One that kills is asked about others of its replica when it has killed;
 * unless that one is new, which is next to it then. */
CRDTI_FN void crdti_join_op_born(crdti_join *j, size_t i)
{
    const crdti_op *op = crdti_op_at(j->doc, j->made[i]), *next;
    crdti_op_born(j->doc, j->made[i]);
    next = op->next ? crdti_op_at(j->doc, op->next) : NULL;
    if (crdti_op_is_alive(op) && (!j->delta->ops[i].kills_len ||
                                  (next && next->replica == op->replica &&
                                   crdti_op_is_new(j->doc, next))))
        crdti_join_doubt(j, i);
}

/* Has the slot fetched where row i will be looked up. */
CRDTI_FN void crdti_join_warm_row(crdti_join *j, size_t i)
{
    if (i >= j->delta->ops_len || !(j->made[i] & CRDTI_ROW_BIT))
        return;
    j->delta->ops[i].hash = crdti_join_hash(j, &j->delta->ops[i]);
    crdti_warm_slot(&j->doc->rows, j->delta->ops[i].hash);
}

CRDTI_FN void crdti_join_row_born(crdti_join *j, size_t i)
{
    if (crdti_row_born(j->doc, j->made[i], j->delta->ops[i].hash))
        crdti_join_doubt(j, i);
}

CRDTI_FN void crdti_join_file(crdti_join *j)
{
    size_t i, ahead = crdti_min_size(2 * CRDTI_JOIN_STEP, j->delta->ops_len);
    crdti_graft_touch_lists(&j->graft);
    for (i = 0; i < ahead; i++)
        crdti_join_warm_row(j, i);
    for (i = 0; i < j->delta->ops_len; i++) {
        crdti_join_warm_row(j, i + ahead);
        if (j->made[i] & CRDTI_ROW_BIT)
            crdti_join_row_born(j, i);
        else if (j->made[i])
            crdti_join_op_born(j, i);
    }
    crdti_graft_apply(&j->graft); /* positions look for their elements */
    crdti_join_kills(j);
}

/* When all that dies is dead: whether what was absorbed holds. */
CRDTI_FN void crdti_join_settle(crdti_join *j)
{
    size_t i;
    for (i = 0; i < j->delta->ops_len; i++)
        if (j->widens[i] && crdti_join_has(j, i))
            crdti_kill_settle(j->doc, j->made[i]);
}

/* Kill records that the sender had dropped were not in the delta: whoever is
 * to have them must get a snapshot from us too. */
CRDTI_FN void crdti_join_floor(crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    int missing = d->is_snapshot, raised = 0;
    for (i = 0; i < d->replicas_len; i++)
        missing |= d->replicas[i].floor > d->replicas[i].base;
    if (!missing || !CRDTI_RULE(FLOOR_RAISED))
        return;
    for (i = 0; i < d->replicas_len; i++) {
        crdti_replica *own = &j->doc->replicas.ptr[d->replicas[i].number];
        raised |= d->replicas[i].floor > own->floor;
        own->floor = crdti_max(own->floor, d->replicas[i].floor);
    }
    if (raised)
        crdti_forget(j->doc);
}

CRDTI_FN void crdti_join_apply(crdti_join *j)
{
    const crdti_delta *d = j->delta;
    size_t i;
    crdti_join_file(j);
    crdti_join_contexts(j, 1);
    crdti_join_decide(j);
    crdti_settle(j->doc);
    for (i = 0; i < d->replicas_len; i++) {
        crdti_replica *own = &j->doc->replicas.ptr[d->replicas[i].number];
        own->seq = crdti_max(own->seq, d->replicas[i].top);
    }
    j->doc->changes++;
    crdti_join_settle(j);
    crdti_join_floor(j);
    crdti_hlc_see(&j->doc->hlc, d->last_stamp);
}

/* >>all of it ------------------------------------------------------------- */

/* Working arrays, zeroed; one block. */
CRDTI_FN crdt_err crdti_join_begin(crdti_join *j, crdt_doc *doc,
                                   crdti_delta *delta)
{
    size_t have = delta->replicas_len * sizeof *j->have;
    size_t made = delta->ops_len * sizeof *j->made;
    size_t needs = delta->sequences_len
                       ? delta->replicas_len * sizeof *j->graft.needs
                       : 0;
    size_t size =
        needs + have + made + delta->objects_len + 3 * delta->ops_len;
    uint8_t *block = (uint8_t *)crdti_arena_alloc(&doc->scratch, size);
    if (!block)
        return CRDT_ERR_NOMEM;
    crdti_zero(block, size);
    crdti_typing_file(doc);
    crdti_zero(&j->graft, sizeof j->graft);
    j->graft.doc = j->doc = doc;
    j->graft.delta = j->delta = delta;
    j->graft.needs = (crdti_graft_need *)(void *)block;
    block += needs;
    j->graft.have = j->have = (uint64_t *)(void *)block;
    j->made = (uint32_t *)(void *)(block + have);
    j->new_object = block + have + made;
    j->new_child = j->new_object + delta->objects_len;
    j->widens = j->new_child + delta->ops_len;
    j->doubtful = j->widens + delta->ops_len;
    j->in_doubt = j->replaced = 0;
    j->replicas_before = doc->replicas.len;
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_delta_join(crdt_doc *doc, crdti_delta *delta)
{
    crdti_join j;
    int news;
    crdt_err err = crdti_join_begin(&j, doc, delta);
    if (!err)
        err = crdti_join_look(&j, &news);
    if (err || !news)
        return err;
    err = crdti_join_elements(&j);
    if (!err)
        err = crdti_join_dead(&j);
    if (!err)
        err = crdti_join_replicas(&j);
    if (!err)
        err = crdti_join_objects(&j);
    if (!err)
        err = crdti_join_contexts(&j, 0);
    if (!err)
        err = crdti_join_ops(&j);
    if (!err)
        err = crdti_graft_prepare(&j.graft);
    if (!err)
        err = crdti_join_places(&j);
    if (err)
        crdti_join_undo(&j);
    else
        crdti_join_apply(&j);
    if (!err)
        crdti_tell(doc);
    return err;
}

#endif
