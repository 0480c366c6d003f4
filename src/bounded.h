/*
 * Bounded counters: never below 0, though nobody asks anybody. Each unit that
 * is in the counter belongs to a replica, which alone may take it, or hand it
 * on. Each replica says what it ever did in ADDs of its own:
 *
 *     entry ""       ADD a.9: +10 -3      a added 10 and took 3
 *     entry b's id   ADD a.7: +4          a handed 4 to b
 *
 *     rights   a: 10 - 3 - 4 = 3,  b: 4,  value 7
 *
 * Totals only grow, and only their owner writes them, so what a replica sees of
 * its own rights is exact or too little. A reset by others would void what the
 * owner is taking meanwhile; so a removal above takes the remover's rights and
 * no more. (Balegas et al. 2015)
 */
#ifndef CRDTI_BOUNDED_H
#define CRDTI_BOUNDED_H

#include "counter.h"
#include "register.h"
#include "state.h"
#include "write.h"

typedef struct crdti_share_of {
    crdt_id owner;
    crdti_wide rights;
} crdti_share_of;

typedef struct crdti_bounded {
    CRDTI_ARRAY(crdti_share_of) shares; /* by owner */
    crdti_wide value;
} crdti_bounded;

CRDTI_FN crdti_bounded *crdti_bounded_at(const crdt_doc *doc, uint32_t object)
{
    return (crdti_bounded *)crdti_object_at(doc, object)->state;
}

CRDTI_FN size_t crdti_share_place(const crdti_bounded *counter,
                                  const crdt_id *owner)
{
    size_t low = 0, high = counter->shares.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdti_id_order(&counter->shares.ptr[middle].owner, owner) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The share of the owner, or NULL. */
CRDTI_FN crdti_share_of *crdti_share_find(const crdti_bounded *counter,
                                          const crdt_id *owner)
{
    size_t place = counter ? crdti_share_place(counter, owner) : 0;
    if (!counter || place == counter->shares.len ||
        crdti_id_order(&counter->shares.ptr[place].owner, owner))
        return NULL;
    return &counter->shares.ptr[place];
}

/* Makes one that is missing; room is reserved. */
CRDTI_FN void crdti_share_make(crdti_bounded *counter, const crdt_id *owner)
{
    size_t place = crdti_share_place(counter, owner);
    crdti_share_of *share = counter->shares.ptr + place;
    crdti_move(share + 1, share,
               (counter->shares.len - place) * sizeof *share);
    crdti_zero(share, sizeof *share);
    share->owner = *owner;
    counter->shares.len++;
}

/* >>birth and death ------------------------------------------------------- */

CRDTI_FN int crdti_wide_is_zero(const crdti_wide *sum)
{
    return !sum->lo && !sum->hi;
}

/* Counts rights in (or out) of the owner's share, which is there. The weight
 * is the number of owners that have any. */
CRDTI_FN void crdti_share_count(crdt_doc *doc, uint32_t object,
                                const crdt_id *owner, uint64_t amount, int in)
{
    crdti_wide *rights =
        &crdti_share_find(crdti_bounded_at(doc, object), owner)->rights;
    crdti_object *at = crdti_object_at(doc, object);
    at->weight -= !crdti_wide_is_zero(rights);
    if (in)
        crdti_wide_add(rights, amount);
    else
        crdti_wide_subtract(rights, amount);
    at->weight += !crdti_wide_is_zero(rights);
}

CRDTI_FN int crdti_bounded_has_key(crdt_bytes key)
{
    return key.len == 0 || key.len == sizeof(crdt_id);
}

/* The owner of the share that a handing-on is to. */
CRDTI_FN crdt_id crdti_share_owner(crdt_bytes key)
{
    crdt_id id;
    crdti_copy(id.b, key.ptr, sizeof id.b);
    return id;
}

/* Counts an op in or out. */
CRDTI_FN void crdti_bounded_count(crdt_doc *doc, uint32_t object,
                                  uint32_t index, int in)
{
    crdti_bounded *counter = crdti_bounded_at(doc, object);
    const crdti_op *op = crdti_op_at(doc, index);
    const crdt_id *author = &doc->replicas.ptr[op->replica].id;
    crdt_bytes key = crdti_entry_key(crdti_entry_at(doc, op->entry));
    uint32_t weight = crdti_object_at(doc, object)->weight;
    if (key.len) {
        crdt_id to = crdti_share_owner(key);
        crdti_share_count(doc, object, &to, op->as.add.plus, in);
        crdti_share_count(doc, object, author, op->as.add.plus, !in);
    } else {
        crdti_share_count(doc, object, author, op->as.add.plus, in);
        crdti_share_count(doc, object, author, op->as.add.minus, !in);
        crdti_wide_add(&counter->value,
                       in ? op->as.add.plus : op->as.add.minus);
        crdti_wide_subtract(&counter->value,
                            in ? op->as.add.minus : op->as.add.plus);
    }
    crdti_counter_climb(doc, object, weight);
}

CRDTI_FN void crdti_bounded_born(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    crdti_bounded_count(doc, object, index, 1);
}

CRDTI_FN void crdti_bounded_died(crdt_doc *doc, uint32_t object,
                                 uint32_t index)
{
    crdti_bounded_count(doc, object, index, 0);
}

/* Makes the owner's share when it is missing. Anybody may hand on to ids that
 * nobody has, so there is a limit. LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_share_get(crdt_doc *doc, crdti_bounded *counter,
                                  const crdt_id *owner)
{
    if (crdti_share_find(counter, owner))
        return CRDT_OK;
    if (counter->shares.len == CRDTSYNC_MAX_REPLICAS)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&doc->alloc, &counter->shares, 1))
        return CRDT_ERR_NOMEM;
    crdti_share_make(counter, owner);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_bounded_reserve(crdt_doc *doc, uint32_t object,
                                        const crdti_op *op)
{
    crdti_object *at = crdti_object_at(doc, object);
    crdti_bounded *counter = (crdti_bounded *)at->state;
    crdt_bytes key = crdti_entry_key(crdti_entry_at(doc, op->entry));
    crdt_id to;
    crdt_err err;
    if (!counter) {
        counter = (crdti_bounded *)crdti_alloc(&doc->alloc, sizeof *counter);
        if (!counter)
            return CRDT_ERR_NOMEM;
        crdti_zero(counter, sizeof *counter);
        at->state = counter;
    }
    err = crdti_share_get(doc, counter, &doc->replicas.ptr[op->replica].id);
    if (err || !key.len)
        return err;
    to = crdti_share_owner(key);
    return crdti_share_get(doc, counter, &to);
}

CRDTI_FN void crdti_bounded_drop(crdt_doc *doc, crdti_object *object)
{
    crdti_bounded *counter = (crdti_bounded *)object->state;
    if (!counter)
        return;
    crdti_array_free(&doc->alloc, &counter->shares);
    crdti_free(&doc->alloc, counter, sizeof *counter);
    object->state = NULL;
}

/* >>writing --------------------------------------------------------------- */

/* What the replica owns, as far as it fits. OVERFLOW, with the nearest. */
CRDTI_FN crdt_err crdti_bounded_own(const crdt_doc *doc, uint32_t object,
                                    const crdt_id *owner, int64_t *out)
{
    const crdti_share_of *share =
        crdti_share_find(crdti_bounded_at(doc, object), owner);
    *out = 0;
    return share ? crdti_wide_get(&share->rights, out) : CRDT_OK;
}

/* The draft of the own ADD in the entry of the key, with totals as they are.
 * LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_bounded_draft(crdt_doc *doc, uint32_t object,
                                      crdt_bytes key, crdti_op *draft)
{
    uint32_t at;
    crdt_err err;
    crdti_zero(draft, sizeof *draft);
    draft->kind = CRDTI_ADD;
    draft->replica = doc->self;
    err = crdti_entry_get(doc, object, key, &draft->entry);
    if (err)
        return err;
    at = crdti_own_op(doc, draft->entry);
    if (at)
        draft->as.add = crdti_op_at(doc, at)->as.add;
    return CRDT_OK;
}

/* Adds to the totals of the own ADD at the key, and writes it. */
CRDTI_FN crdt_err crdti_bounded_write(crdt_obj counter, crdt_bytes key,
                                      uint64_t plus, uint64_t minus)
{
    crdt_doc *doc = counter.doc;
    crdti_op draft;
    crdt_err err = crdti_bounded_draft(doc, counter.index, key, &draft);
    if (err)
        return err;
    if (plus > CRDTI_COUNT_MAX - draft.as.add.plus ||
        minus > CRDTI_COUNT_MAX - draft.as.add.minus)
        err = CRDT_ERR_OVERFLOW;
    draft.as.add.plus += plus;
    draft.as.add.minus += minus;
    if (!err)
        err = crdti_write_check(doc, 1);
    if (!err)
        err = crdti_bounded_reserve(doc, counter.index, &draft);
    if (!err)
        err = crdti_write_reserve(doc, 1, 1);
    if (err)
        crdti_entry_tidy(doc, draft.entry);
    else
        crdti_write_own(doc, &draft);
    return err;
}

/* What every call looks at first. TYPE, RANGE; RIGHTS when it needs them. */
CRDTI_FN crdt_err crdti_bounded_check(crdt_obj counter, int64_t amount,
                                      int needs_rights)
{
    crdt_err err = crdti_check(counter, CRDT_BOUNDED);
    crdt_id self;
    int64_t own;
    if (err)
        return err;
    if (amount < 0)
        return CRDT_ERR_RANGE;
    self = crdt_doc_replica(counter.doc);
    (void)crdti_bounded_own(counter.doc, counter.index, &self, &own);
    return needs_rights && amount > own ? CRDT_ERR_RIGHTS : CRDT_OK;
}

CRDT_API crdt_err crdt_bounded_add(crdt_obj counter, int64_t amount)
{
    int64_t value;
    crdt_err err = crdti_bounded_check(counter, amount, 0);
    if (!err)
        err = crdt_bounded_get(counter, &value);
    if (!err && value > 0 && amount > INT64_MAX - value)
        err = CRDT_ERR_OVERFLOW;
    if (err || amount == 0)
        return err;
    return crdti_bounded_write(counter, crdti_no_key(), (uint64_t)amount, 0);
}

CRDT_API crdt_err crdt_bounded_take(crdt_obj counter, int64_t amount)
{
    crdt_err err = crdti_bounded_check(counter, amount, 1);
    if (err || amount == 0)
        return err;
    return crdti_bounded_write(counter, crdti_no_key(), 0, (uint64_t)amount);
}

CRDT_API crdt_err crdt_bounded_transfer(crdt_obj counter, const crdt_id *to,
                                        int64_t amount)
{
    crdt_err err = crdti_bounded_check(counter, amount, 1);
    crdt_id self;
    if (!err && !to)
        err = CRDT_ERR_ARG;
    if (err || amount == 0)
        return err;
    self = crdt_doc_replica(counter.doc);
    if (!crdti_id_order(to, &self))
        return CRDT_OK;
    return crdti_bounded_write(counter, crdt_bytes_of(to->b, sizeof to->b),
                               (uint64_t)amount, 0);
}

CRDT_API crdt_err crdt_bounded_get(crdt_obj counter, int64_t *out)
{
    const crdti_bounded *at;
    crdt_err err = crdti_check(counter, CRDT_BOUNDED);
    if (err)
        return err;
    at = crdti_bounded_at(counter.doc, counter.index);
    *out = 0;
    return at ? crdti_wide_get(&at->value, out) : CRDT_OK;
}

/* For the type table: at the end of the range, the end. */
CRDTI_FN int crdti_bounded_read(crdt_doc *doc, uint32_t counter,
                                crdt_bytes key, crdt_value *out)
{
    (void)key;
    *out = crdt_int(0);
    (void)crdt_bounded_get(crdti_obj(doc, counter), &out->as.integer);
    return 1;
}

CRDT_API crdt_err crdt_bounded_rights(crdt_obj counter, const crdt_id *who,
                                      int64_t *out)
{
    crdt_err err = crdti_check(counter, CRDT_BOUNDED);
    return err ? err : crdti_bounded_own(counter.doc, counter.index, who, out);
}

/* >>removal above --------------------------------------------------------- */

/* A draft that takes what the remover owns; of kind 0 when that is nothing. Who
 * owns something has a share, so there is nothing to reserve. */
CRDTI_FN crdt_err crdti_bounded_reset_draft(crdt_doc *doc, uint32_t object,
                                            crdti_op *draft)
{
    crdt_id self = crdt_doc_replica(doc);
    uint64_t amount;
    int64_t own;
    crdt_err err;
    (void)crdti_bounded_own(doc, object, &self, &own);
    draft->kind = 0;
    if (own <= 0)
        return CRDT_OK;
    err = crdti_bounded_draft(doc, object, crdti_no_key(), draft);
    if (err)
        return err;
    amount = crdti_min((uint64_t)own, CRDTI_COUNT_MAX - draft->as.add.minus);
    draft->as.add.minus += amount;
    return CRDT_OK;
}

#endif
