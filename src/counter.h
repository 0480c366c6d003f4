/*
 * Counters. Each replica has at most one live ADD, which tells all it ever
 * added and took; a RESET tells up to where additions are void.
 *
 *     entry ""    ADD a.9: +15 -0    ADD b.4: +3 -1
 *     entry "r"   RESET c.2: a +10 -0, b +3 -1       "this is what I saw"
 *
 *     replica   plus  minus   void plus  void minus   counts
 *        a       15     0        10          0           5
 *        b        3     1         3          1           0
 *                                              value     5
 *
 * The totals only grow, so a RESET that saw a's 10 takes 10 from every later
 * total too, and a concurrent +5 leaves exactly 5. The table is kept per
 * counter, with its sum, so reading is one load. A G-counter is one whose
 * minus stays 0.
 */
#ifndef CRDTI_COUNTER_H
#define CRDTI_COUNTER_H

#include "register.h"
#include "state.h"
#include "write.h"

#define CRDTI_COUNT_MAX ((uint64_t)INT64_MAX) /* of each total */
#define CRDTI_COUNTERS                                                        \
    (UINT32_C(1) << CRDT_COUNTER | UINT32_C(1) << CRDT_GCOUNTER)

/* A sum that cannot overflow: 65,536 replicas of 2^63 are 2^79. */
typedef struct crdti_wide {
    uint64_t lo, hi; /* two's complement */
} crdti_wide;

typedef struct crdti_part {
    uint64_t plus, minus;           /* of the live ADD */
    uint64_t void_plus, void_minus; /* greatest of the live RESETs */
    uint32_t replica, op;           /* op 0: no ADD is alive */
} crdti_part;

typedef struct crdti_counter {
    CRDTI_ARRAY(crdti_part) parts; /* by replica number */
    crdti_wide value;
} crdti_counter;

CRDTI_FN crdti_counter *crdti_counter_at(const crdt_doc *doc, uint32_t object)
{
    return (crdti_counter *)crdti_object_at(doc, object)->state;
}

CRDTI_FN size_t crdti_part_place(const crdti_counter *counter,
                                 uint32_t replica)
{
    size_t low = 0, high = counter->parts.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (counter->parts.ptr[middle].replica < replica)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The part of the replica, or NULL. */
CRDTI_FN crdti_part *crdti_part_find(const crdti_counter *counter,
                                     uint32_t replica)
{
    size_t place = crdti_part_place(counter, replica);
    if (place == counter->parts.len ||
        counter->parts.ptr[place].replica != replica)
        return NULL;
    return &counter->parts.ptr[place];
}

/* The part of the replica, made when missing; room is reserved. */
CRDTI_FN crdti_part *crdti_part_get(crdti_counter *counter, uint32_t replica)
{
    size_t place = crdti_part_place(counter, replica);
    crdti_part *part = counter->parts.ptr + place;
    if (place < counter->parts.len && part->replica == replica)
        return part;
    CRDTI_ASSERT(counter->parts.len < counter->parts.cap);
    crdti_move(part + 1, part, (counter->parts.len - place) * sizeof *part);
    crdti_zero(part, sizeof *part);
    part->replica = replica;
    counter->parts.len++;
    return part;
}

/* >>what a part counts ---------------------------------------------------- */

CRDTI_FN uint64_t crdti_less(uint64_t total, uint64_t voided)
{
    return total > voided ? total - voided : 0;
}

CRDTI_FN int crdti_part_is_visible(const crdti_part *part)
{
    return part->op &&
           (part->plus > part->void_plus || part->minus > part->void_minus);
}

CRDTI_FN void crdti_wide_add(crdti_wide *sum, uint64_t amount)
{
    sum->lo += amount;
    sum->hi += sum->lo < amount;
}

CRDTI_FN void crdti_wide_subtract(crdti_wide *sum, uint64_t amount)
{
    sum->hi -= sum->lo < amount;
    sum->lo -= amount;
}

/* Takes the part out of the sum, or puts it in. */
CRDTI_FN void crdti_part_count(crdt_doc *doc, uint32_t object,
                               const crdti_part *part, int in)
{
    crdti_counter *counter = crdti_counter_at(doc, object);
    crdti_object *at = crdti_object_at(doc, object);
    uint64_t up, down;
    if (!crdti_part_is_visible(part))
        return;
    up = crdti_less(part->plus, part->void_plus);
    down = crdti_less(part->minus, part->void_minus);
    crdti_wide_add(&counter->value, in ? up : down);
    crdti_wide_subtract(&counter->value, in ? down : up);
    at->weight += in ? 1u : UINT32_MAX;
}

/* Climbs when the counter appeared or disappeared since it had `weight`. */
CRDTI_FN void crdti_counter_climb(crdt_doc *doc, uint32_t object,
                                  uint32_t weight)
{
    uint32_t now = crdti_object_at(doc, object)->weight;
    if (!weight != !now)
        crdti_climb(doc, object, now != 0);
}

/* >>birth and death ------------------------------------------------------- */

/* Without the climb. O(voids x log parts). */
CRDTI_FN void crdti_voids_raise(crdt_doc *doc, uint32_t object,
                                const crdti_op *reset)
{
    uint32_t i;
    for (i = 0; i < reset->len; i++) {
        const crdti_void *v = &reset->as.voids[i];
        crdti_part *part =
            crdti_part_get(crdti_counter_at(doc, object), v->replica);
        crdti_part_count(doc, object, part, 0);
        part->void_plus = crdti_max(part->void_plus, v->plus);
        part->void_minus = crdti_max(part->void_minus, v->minus);
        crdti_part_count(doc, object, part, 1);
    }
}

CRDTI_FN void crdti_add_set(crdt_doc *doc, uint32_t object, uint32_t replica,
                            uint32_t op, uint64_t plus, uint64_t minus)
{
    uint32_t weight = crdti_object_at(doc, object)->weight;
    crdti_part *part = crdti_part_get(crdti_counter_at(doc, object), replica);
    crdti_part_count(doc, object, part, 0);
    part->op = op;
    part->plus = plus;
    part->minus = minus;
    crdti_part_count(doc, object, part, 1);
    crdti_counter_climb(doc, object, weight);
}

/* An ADD takes the place of the one before it of the same replica, whether it
 * says so or not: two of them would be counted by chance. */
CRDTI_FN void crdti_add_born(crdt_doc *doc, uint32_t object, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    uint32_t before =
        crdti_part_find(crdti_counter_at(doc, object), op->replica)->op;
    crdti_add_set(doc, object, op->replica, index, op->as.add.plus,
                  op->as.add.minus);
    if (before)
        crdti_op_die(doc, before, index);
}

CRDTI_FN void crdti_counter_born(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    uint32_t weight = crdti_object_at(doc, object)->weight;
    if (op->kind == CRDTI_ADD) {
        crdti_add_born(doc, object, index);
        return;
    }
    crdti_voids_raise(doc, object, op);
    crdti_counter_climb(doc, object, weight);
}

CRDTI_FN void crdti_counter_died(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    if (op->kind == CRDTI_RESET)
        crdti_stale(doc, object);
    else if (crdti_part_find(crdti_counter_at(doc, object), op->replica)->op ==
             index)
        crdti_add_set(doc, object, op->replica, 0, 0, 0);
}

CRDTI_FN crdt_bytes crdti_reset_key(void)
{
    return CRDT_STR("r");
}

CRDTI_FN int crdti_counter_has_key(crdt_bytes key)
{
    return key.len == 0 || crdt_bytes_equal(key, crdti_reset_key());
}

/* RESETs have died: what is void, anew from those that live. */
CRDTI_FN void crdti_counter_settle(crdt_doc *doc, uint32_t object)
{
    crdti_counter *counter = crdti_counter_at(doc, object);
    uint32_t weight = crdti_object_at(doc, object)->weight;
    uint32_t at = crdti_entry_find(doc, object, crdti_reset_key());
    size_t i;
    for (i = 0; i < counter->parts.len; i++) {
        crdti_part *part = &counter->parts.ptr[i];
        crdti_part_count(doc, object, part, 0);
        part->void_plus = part->void_minus = 0;
        crdti_part_count(doc, object, part, 1);
    }
    for (at = at ? crdti_entry_at(doc, at)->ops : 0; at;
         at = crdti_op_at(doc, at)->next)
        crdti_voids_raise(doc, object, crdti_op_at(doc, at));
    crdti_counter_climb(doc, object, weight);
}

/* The counter's table, made when missing. */
CRDTI_FN crdti_counter *crdti_counter_get(crdt_doc *doc, uint32_t object)
{
    crdti_object *at = crdti_object_at(doc, object);
    crdti_counter *counter = (crdti_counter *)at->state;
    if (counter)
        return counter;
    counter = (crdti_counter *)crdti_alloc(&doc->alloc, sizeof *counter);
    if (counter)
        crdti_zero(counter, sizeof *counter);
    at->state = counter;
    return counter;
}

/* Makes the parts that the op will fill: an empty one counts nothing. */
CRDTI_FN crdt_err crdti_counter_reserve(crdt_doc *doc, uint32_t object,
                                        const crdti_op *op)
{
    crdti_counter *counter = crdti_counter_get(doc, object);
    uint32_t i;
    if (!counter ||
        crdti_array_reserve(&doc->alloc, &counter->parts,
                            op->kind == CRDTI_RESET ? op->len : 1u))
        return CRDT_ERR_NOMEM;
    if (op->kind == CRDTI_ADD)
        crdti_part_get(counter, op->replica);
    for (i = 0; op->kind == CRDTI_RESET && i < op->len; i++)
        crdti_part_get(counter, op->as.voids[i].replica);
    return CRDT_OK;
}

CRDTI_FN void crdti_counter_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_counter *counter = (crdti_counter *)object->state;
    if (!counter)
        return;
    crdti_array_free(&doc->alloc, &counter->parts);
    crdti_free(&doc->alloc, counter, sizeof *counter);
    object->state = NULL;
}

/* >>reset ----------------------------------------------------------------- */

/* What a RESET must say of the part; 0 when there is nothing to void. */
CRDTI_FN int crdti_part_void(const crdti_part *part, crdti_void *out)
{
    crdti_zero(out, sizeof *out);
    out->replica = part->replica;
    out->plus = crdti_max(part->plus, part->void_plus);
    out->minus = crdti_max(part->minus, part->void_minus);
    return out->plus || out->minus;
}

/* A draft that voids all that is seen, and all that is void already. */
CRDTI_FN crdt_err crdti_counter_reset_draft(crdt_doc *doc, uint32_t object,
                                            crdti_op *draft)
{
    const crdti_counter *counter = crdti_counter_at(doc, object);
    crdti_void v;
    size_t i;
    crdt_err err;
    crdti_zero(draft, sizeof *draft);
    draft->kind = CRDTI_RESET;
    for (i = 0; i < counter->parts.len; i++)
        draft->len += crdti_part_void(&counter->parts.ptr[i], &v) != 0;
    draft->as.voids = (crdti_void *)crdti_alloc(
        &doc->alloc, draft->len * sizeof(crdti_void));
    if (!draft->as.voids)
        return CRDT_ERR_NOMEM;
    draft->len = 0;
    for (i = 0; i < counter->parts.len; i++)
        if (crdti_part_void(&counter->parts.ptr[i], &v))
            draft->as.voids[draft->len++] = v;
    err = crdti_entry_get(doc, object, crdti_reset_key(), &draft->entry);
    if (err)
        crdti_op_drop(&doc->alloc, draft);
    return err;
}

CRDT_API crdt_err crdt_counter_reset(crdt_obj counter)
{
    crdti_op draft;
    crdt_err err = crdti_check(counter, CRDT_COUNTER);
    if (err || !crdti_object_at(counter.doc, counter.index)->weight)
        return err;
    err = crdti_counter_reset_draft(counter.doc, counter.index, &draft);
    if (err)
        return err;
    err = crdti_write_scope(counter.doc, &draft);
    if (!err)
        return CRDT_OK;
    crdti_op_drop(&counter.doc->alloc, &draft);
    crdti_entry_tidy(counter.doc, draft.entry);
    return err;
}

/* >>add and get ----------------------------------------------------------- */

/* The sum as an int64, or the nearest and an error. */
CRDTI_FN crdt_err crdti_wide_get(const crdti_wide *sum, int64_t *out)
{
    int negative = sum->hi >> 63 != 0;
    int fits = negative ? sum->hi == UINT64_MAX && sum->lo >> 63
                        : sum->hi == 0 && !(sum->lo >> 63);
    if (!fits) {
        *out = negative ? INT64_MIN : INT64_MAX;
        return CRDT_ERR_OVERFLOW;
    }
    *out = negative ? -(int64_t)(~sum->lo) - 1 : (int64_t)sum->lo;
    return CRDT_OK;
}

CRDT_API crdt_err crdt_counter_get(crdt_obj counter, int64_t *out)
{
    const crdti_counter *at;
    crdt_err err = crdti_check_among(counter, CRDTI_COUNTERS);
    if (err)
        return err;
    at = crdti_counter_at(counter.doc, counter.index);
    *out = 0;
    return at ? crdti_wide_get(&at->value, out) : CRDT_OK;
}

/* For the type table: at the end of the range, the end. */
CRDTI_FN int crdti_counter_read(crdt_doc *doc, uint32_t counter,
                                crdt_bytes key, crdt_value *out)
{
    (void)key;
    *out = crdt_int(0);
    (void)crdt_counter_get(crdti_obj(doc, counter), &out->as.integer);
    return 1;
}

CRDTI_FN uint64_t crdti_magnitude(int64_t amount)
{
    return amount < 0 ? ~(uint64_t)amount + 1 : (uint64_t)amount;
}

/* The totals after the addition. OVERFLOW. */
CRDTI_FN crdt_err crdti_add_totals(const crdti_counter *counter, uint32_t self,
                                   int64_t amount, crdti_op *draft)
{
    const crdti_part *part = crdti_part_find(counter, self);
    crdti_wide value = counter->value;
    uint64_t size = crdti_magnitude(amount);
    uint64_t *total = amount < 0 ? &draft->as.add.minus : &draft->as.add.plus;
    crdti_void so_far;
    int64_t edge;
    if (part && crdti_part_void(part, &so_far)) {
        draft->as.add.plus = so_far.plus;
        draft->as.add.minus = so_far.minus;
    }
    if (amount < 0)
        crdti_wide_subtract(&value, size);
    else
        crdti_wide_add(&value, size);
    if (size > CRDTI_COUNT_MAX - *total)
        return CRDT_ERR_OVERFLOW;
    /* Concurrent additions may have left the range: the way back is open. */
    if (crdti_wide_get(&value, &edge) && (edge < 0) == (amount < 0))
        return CRDT_ERR_OVERFLOW;
    *total += size;
    return CRDT_OK;
}

/* Files the ADD in place of the own one before. Memory is reserved. */
CRDTI_FN void crdti_add_file(crdt_doc *doc, uint32_t object,
                             const crdti_op *draft)
{
    const crdti_part *part =
        crdti_part_find(crdti_counter_at(doc, object), doc->self);
    uint64_t before = part && part->op ? crdti_op_at(doc, part->op)->seq : 0;
    uint32_t index = crdti_write_file(doc, draft);
    if (before)
        crdti_kill_note(doc, index, doc->self, before);
}

CRDT_API crdt_err crdt_counter_add(crdt_obj counter, int64_t amount)
{
    crdt_doc *doc = counter.doc;
    crdti_op draft;
    crdt_err err = crdti_check_among(counter, CRDTI_COUNTERS);
    if (err || amount == 0)
        return err;
    if (amount < 0 && crdt_type_of(counter) == CRDT_GCOUNTER)
        return CRDT_ERR_RANGE;
    crdti_zero(&draft, sizeof draft);
    draft.kind = CRDTI_ADD;
    draft.replica = doc->self;
    err = crdti_write_check(doc, 1);
    if (!err)
        err = crdti_counter_reserve(doc, counter.index, &draft);
    if (!err)
        err = crdti_add_totals(crdti_counter_at(doc, counter.index), doc->self,
                               amount, &draft);
    if (!err)
        err = crdti_write_reserve(doc, 1, 1);
    if (!err)
        err =
            crdti_entry_get(doc, counter.index, crdti_no_key(), &draft.entry);
    if (!err)
        crdti_add_file(doc, counter.index, &draft);
    return err;
}

#endif
