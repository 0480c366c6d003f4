/*
 * A slow look at a whole document: everything that is kept twice must agree,
 * and everything that is counted is counted again.
 *
 *     const char *wrong = check_doc(doc);     // NULL: all is well
 */
#ifndef CHECK_DOC_H
#define CHECK_DOC_H

#include "check_sequence.h"

/* The given-back records are those that are not live. */
static inline const char *check_pool(const crdti_pool *p)
{
    uint32_t at = p->free_list, count = 0;
    while (at) {
        CHECK_DOC(at < p->used && count < p->used);
        count++;
        memcpy(&at, crdti_pool_at(p, at), 4);
    }
    CHECK_DOC(p->live + count + 1 == p->used);
    return NULL;
}

static inline const char *check_replicas(const crdt_doc *doc)
{
    size_t i;
    CHECK_DOC(doc->by_id.len == doc->replicas.len);
    for (i = 0; i < doc->by_id.len; i++) {
        const crdti_replica *r = &doc->replicas.ptr[doc->by_id.ptr[i]];
        CHECK_DOC(doc->by_id.ptr[i] < doc->replicas.len);
        CHECK_DOC(i == 0 ||
                  crdti_id_order(&doc->replicas.ptr[doc->by_id.ptr[i - 1]].id,
                                 &r->id) < 0);
        CHECK_DOC(r->floor <= r->seq);
        CHECK_DOC(r->mark == 0);
        CHECK_DOC(r->name == crdti_hash(r->id.b, sizeof r->id.b, 0));
    }
    CHECK_DOC(doc->written >= doc->replicas.ptr[doc->self].seq);
    return NULL;
}

/* Whether the entry's list holds the op. */
static inline int check_is_filed(const crdt_doc *doc, uint32_t index)
{
    uint32_t at = crdti_entry_at(doc, crdti_op_at(doc, index)->entry)->ops;
    while (at && at != index)
        at = crdti_op_at(doc, at)->next;
    return at == index;
}

/* The blocks of a replica: in the order of their last rows, each row in the
 * table, by the seqs that it may have. Adds up their digest. */
static inline const char *check_blocks(const crdt_doc *doc, size_t number,
                                       uint32_t *blocks, size_t *rows,
                                       crdt_digest *digest)
{
    const crdti_replica *r = &doc->replicas.ptr[number];
    uint64_t last = 0, top = number == doc->self ? doc->written : r->seq;
    uint32_t at, older = 0;
    for (at = r->oldest_block; at;
         older = at, at = crdti_block_at(doc, at)->newer) {
        const crdti_block *block = crdti_block_at(doc, at);
        unsigned i, used = 0;
        CHECK_DOC(block->replica == number && block->is_listed);
        CHECK_DOC(block->older == older && block->used > 0);
        CHECK_DOC(block->len <= CRDTI_BLOCK_ROWS);
        CHECK_DOC(crdti_block_last(block) > last);
        last = crdti_block_last(block);
        CHECK_DOC(last <= top);
        for (i = 0; i < block->len; i++) {
            uint32_t row = crdti_row_name(at, i), found;
            uint8_t room[CRDTI_ROW_KEY];
            crdti_row_walk walk;
            crdt_bytes key;
            CHECK_DOC(i == 0 || block->steps[i] > block->steps[i - 1]);
            CHECK_DOC(block->leads[i] != CRDTI_ROW_UNMADE);
            if (!crdti_row_is_alive(block, i))
                continue;
            used++;
            key = crdti_row_key(doc, row, room);
            CHECK_DOC(crdti_element_is_key(key));
            CHECK_DOC(crdti_row_fits(doc, block->object, key));
            found = crdti_row_first(doc, block->object, key, &walk);
            while (found && found != row)
                found = crdti_row_next(doc, &walk);
            CHECK_DOC(found == row);
            crdti_digest_add(digest, crdti_row_digest(doc, row, key));
        }
        CHECK_DOC(used == block->used);
        *rows += used;
        ++*blocks;
    }
    CHECK_DOC(r->newest_block == older);
    return NULL;
}

static inline const char *check_journals(const crdt_doc *doc)
{
    uint32_t count = 0, removals = 0, blocks = 0;
    size_t i, rows = 0;
    crdt_digest digest = { 0, 0 };
    const char *wrong = check_sequences(doc, &digest);
    if (wrong)
        return wrong;
    for (i = 0; i < doc->replicas.len; i++) {
        const crdti_replica *r = &doc->replicas.ptr[i];
        uint64_t seq = 0;
        uint32_t at, older = 0;
        wrong = check_blocks(doc, i, &blocks, &rows, &digest);
        if (wrong)
            return wrong;
        for (at = r->oldest; at;
             older = at, at = crdti_op_at(doc, at)->newer) {
            const crdti_op *op = crdti_op_at(doc, at);
            CHECK_DOC(op->kind > 0 && op->kind < CRDTI_KIND_COUNT);
            CHECK_DOC(op->replica == i && op->older == older);
            CHECK_DOC(op->seq > seq);
            CHECK_DOC(op->seq <= (i == doc->self ? doc->written : r->seq));
            CHECK_DOC(crdti_type_takes(
                crdti_object_at(doc, crdti_entry_at(doc, op->entry)->object)
                    ->type,
                op->kind));
            seq = op->seq;
            count++;
            removals += !crdti_op_is_alive(op);
            CHECK_DOC(crdti_op_is_alive(op) ? check_is_filed(doc, at)
                                            : op->kills > 0);
            if (crdti_op_is_alive(op))
                crdti_digest_add(&digest, crdti_op_digest(doc, op));
        }
        CHECK_DOC(r->newest == older);
    }
    CHECK_DOC(count == doc->ops.live);
    CHECK_DOC(rows == doc->rows.len && blocks == doc->blocks.live);
    CHECK_DOC(doc->unborn == 0);
    CHECK_DOC(removals == doc->removals);
    CHECK_DOC(digest.hi == doc->digest.hi && digest.lo == doc->digest.lo);
    return NULL;
}

/* Whether a row of the set, and of the element if one is named, has a dot that
 * the record says is dead. */
static inline int check_has_dead_row(const crdt_doc *doc, uint32_t object,
                                     const crdt_bytes *element,
                                     const crdti_kill *kill)
{
    uint32_t at;
    unsigned i;
    for (at = crdti_object_at(doc, object)->blocks; at;
         at = crdti_block_at(doc, at)->next)
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++) {
            const crdti_block *block = crdti_block_at(doc, at);
            uint8_t room[CRDTI_ROW_KEY];
            crdt_bytes key;
            if (!crdti_row_is_alive(block, i) ||
                block->replica != kill->replica ||
                block->base + block->steps[i] > kill->last)
                continue;
            key = crdti_row_key(doc, crdti_row_name(at, i), room);
            if (!element || crdt_bytes_equal(key, *element))
                return 1;
        }
    return 0;
}

static inline int check_is_text(const crdt_doc *doc, uint32_t object)
{
    return crdti_object_at(doc, object)->type == CRDT_TEXT;
}

/* What a record says is dead is not there. */
static inline const char *check_kill(const crdt_doc *doc, uint32_t entry,
                                     const crdti_kill *kill)
{
    const crdti_op *killer = crdti_op_at(doc, kill->killer);
    const crdti_replica *r = &doc->replicas.ptr[kill->replica];
    uint32_t at, other, count = 0;
    crdt_bytes key;
    CHECK_DOC(killer->entry == entry && killer->kills > 0);
    CHECK_DOC(kill->last > 0);
    CHECK_DOC(kill->last <=
              (kill->replica == doc->self ? doc->written : r->seq));
    CHECK_DOC(kill->replica != killer->replica || kill->last < killer->seq);
    CHECK_DOC(!crdti_is_below_floor(doc, killer));
    for (other = crdti_entry_at(doc, entry)->kills; other;
         other = crdti_kill_at(doc, other)->next) {
        CHECK_DOC(kill == crdti_kill_at(doc, other) ||
                  kill->replica != crdti_kill_at(doc, other)->replica);
        count += crdti_kill_at(doc, other)->killer == kill->killer;
    }
    CHECK_DOC(count == killer->kills);
    key = crdti_entry_key(crdti_entry_at(doc, entry));
    CHECK_DOC(!check_has_dead_row(doc, crdti_entry_at(doc, entry)->object,
                                  &key, kill));
    for (at = entry; at; at = crdti_scope_next(doc, entry, at))
        for (other = crdti_entry_at(doc, at)->child; other;
             other = crdti_object_at(doc, other)->sibling)
            CHECK_DOC(check_is_text(doc, other)
                          ? !check_has_dead_char(doc, other, kill)
                          : !check_has_dead_row(doc, other, NULL, kill));
    for (at = entry; at; at = crdti_scope_next(doc, entry, at))
        for (other = crdti_entry_at(doc, at)->ops; other;
             other = crdti_op_at(doc, other)->next)
            CHECK_DOC(crdti_op_at(doc, other)->replica != kill->replica ||
                      crdti_op_at(doc, other)->seq > kill->last);
    return NULL;
}

static inline const char *check_entry(const crdt_doc *doc, uint32_t index,
                                      uint32_t *ops, uint32_t *kills)
{
    const crdti_entry *entry = crdti_entry_at(doc, index);
    const crdti_object *object = crdti_object_at(doc, entry->object);
    crdt_bytes key = crdti_entry_key(entry);
    uint32_t at, before = 0, visible = 0;
    CHECK_DOC(entry->ops || entry->kills || entry->child);
    CHECK_DOC(crdti_entry_find(doc, entry->object, key) == index);
    CHECK_DOC(entry->name == crdti_hash(key.ptr, key.len, object->name));
    for (at = entry->ops; at; before = at, at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        CHECK_DOC(op->entry == index && op->prev == before);
        CHECK_DOC(crdti_op_is_alive(op));
        visible += crdti_op_is_shown(op) != 0;
        ++*ops;
    }
    for (at = entry->kills; at; at = crdti_kill_at(doc, at)->next) {
        const char *wrong = check_kill(doc, index, crdti_kill_at(doc, at));
        if (wrong)
            return wrong;
        ++*kills;
    }
    for (at = entry->child; at; at = crdti_object_at(doc, at)->sibling) {
        CHECK_DOC(crdti_object_at(doc, at)->entry == index);
        visible += crdti_object_at(doc, at)->weight != 0;
    }
    CHECK_DOC(entry->shows == visible);
    CHECK_DOC(entry->is_visible ==
              (crdti_type_at(doc, object)->visible
                   ? crdti_type_at(doc, object)->visible(doc, entry)
                   : visible != 0));
    return NULL;
}

/* The counter's table, anew from the live ops. */
static inline const char *check_counter(const crdt_doc *doc, uint32_t object)
{
    const crdti_counter *counter = crdti_counter_at(doc, object);
    crdti_wide value = { 0, 0 };
    uint32_t weight = 0, reset, at;
    size_t i;
    reset = crdti_entry_find(doc, object, crdti_reset_key());
    for (i = 0; counter && i < counter->parts.len; i++) {
        const crdti_part *part = &counter->parts.ptr[i];
        uint64_t plus = 0, minus = 0;
        uint32_t k;
        CHECK_DOC(i == 0 || part[-1].replica < part->replica);
        for (at = reset ? crdti_entry_at(doc, reset)->ops : 0; at;
             at = crdti_op_at(doc, at)->next) {
            const crdti_op *op = crdti_op_at(doc, at);
            for (k = 0; k < op->len; k++) {
                if (op->as.voids[k].replica != part->replica)
                    continue;
                plus = crdti_max(plus, op->as.voids[k].plus);
                minus = crdti_max(minus, op->as.voids[k].minus);
            }
        }
        CHECK_DOC(part->void_plus == plus && part->void_minus == minus);
        if (!part->op) {
            CHECK_DOC(!part->plus && !part->minus);
            continue;
        }
        CHECK_DOC(crdti_op_at(doc, part->op)->kind == CRDTI_ADD);
        CHECK_DOC(crdti_op_at(doc, part->op)->replica == part->replica);
        CHECK_DOC(crdti_op_at(doc, part->op)->as.add.plus == part->plus);
        CHECK_DOC(crdti_op_at(doc, part->op)->as.add.minus == part->minus);
        weight += part->plus > plus || part->minus > minus;
        crdti_wide_add(&value, part->plus > plus ? part->plus - plus : 0);
        crdti_wide_subtract(&value,
                            part->minus > minus ? part->minus - minus : 0);
    }
    CHECK_DOC(weight == crdti_object_at(doc, object)->weight);
    CHECK_DOC(!counter || (value.lo == counter->value.lo &&
                           value.hi == counter->value.hi));
    return NULL;
}

/* What an owner of a bounded counter has, anew from the live ops. */
static inline crdti_wide check_share(const crdt_doc *doc, uint32_t object,
                                     const crdt_id *owner)
{
    crdti_wide rights = { 0, 0 };
    uint32_t at, op;
    for (at = crdti_object_at(doc, object)->entries; at;
         at = crdti_entry_at(doc, at)->next) {
        crdt_bytes key = crdti_entry_key(crdti_entry_at(doc, at));
        int is_to = key.len && crdti_equal(key.ptr, owner->b, key.len);
        for (op = crdti_entry_at(doc, at)->ops; op;
             op = crdti_op_at(doc, op)->next) {
            const crdti_op *add = crdti_op_at(doc, op);
            int is_by =
                !crdti_id_order(&doc->replicas.ptr[add->replica].id, owner);
            if (key.len ? is_to : is_by)
                crdti_wide_add(&rights, add->as.add.plus);
            if (is_by)
                crdti_wide_subtract(&rights, key.len ? add->as.add.plus
                                                     : add->as.add.minus);
        }
    }
    return rights;
}

static inline const char *check_bounded(const crdt_doc *doc, uint32_t object)
{
    const crdti_bounded *counter = crdti_bounded_at(doc, object);
    crdti_wide sum = { 0, 0 };
    uint32_t weight = 0;
    size_t i;
    for (i = 0; counter && i < counter->shares.len; i++) {
        const crdti_share_of *share = &counter->shares.ptr[i];
        crdti_wide rights = check_share(doc, object, &share->owner);
        CHECK_DOC(i == 0 ||
                  crdti_id_order(&share[-1].owner, &share->owner) < 0);
        CHECK_DOC(rights.lo == share->rights.lo &&
                  rights.hi == share->rights.hi);
        weight += !crdti_wide_is_zero(&rights);
        crdti_wide_add(&sum, rights.lo);
        sum.hi += rights.hi;
    }
    CHECK_DOC(weight == crdti_object_at(doc, object)->weight);
    CHECK_DOC(!counter ||
              (sum.lo == counter->value.lo && sum.hi == counter->value.hi));
    return NULL;
}

/* How many elements are in by rows alone. */
static inline uint32_t check_elements(const crdt_doc *doc, uint32_t index)
{
    uint32_t at, count = 0;
    unsigned i;
    for (at = crdti_object_at(doc, index)->blocks; at;
         at = crdti_block_at(doc, at)->next)
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++) {
            uint32_t row = crdti_row_name(at, i), entry;
            uint8_t room[CRDTI_ROW_KEY];
            crdti_row_walk walk;
            crdt_bytes key;
            if (!crdti_row_is_alive(crdti_block_at(doc, at), i))
                continue;
            key = crdti_row_key(doc, row, room);
            entry = crdti_entry_find(doc, index, key);
            count += crdti_row_first(doc, index, key, &walk) == row &&
                     !(entry && crdti_entry_at(doc, entry)->is_visible);
        }
    return count;
}

static inline const char *check_map(const crdt_doc *doc, uint32_t index,
                                    uint32_t visible)
{
    const crdti_object *object = crdti_object_at(doc, index);
    const crdti_order *order = (const crdti_order *)object->state;
    size_t i;
    CHECK_DOC(object->weight == visible);
    if (!order || object->keys_changed)
        return NULL;
    CHECK_DOC(order->slots.len == visible);
    for (i = 0; i < order->slots.len; i++) {
        uint32_t slot = order->slots.ptr[i];
        if (slot & CRDTI_ROW_BIT)
            CHECK_DOC(crdti_row_block(doc, slot)->object == index);
        else
            CHECK_DOC(crdti_entry_at(doc, slot)->object == index &&
                      crdti_entry_at(doc, slot)->is_visible);
        CHECK_DOC(i == 0 ||
                  crdti_slot_order(doc, order->slots.ptr[i - 1], slot) < 0);
    }
    return NULL;
}

static inline const char *check_object(const crdt_doc *doc, uint32_t index,
                                       uint32_t *entries, uint32_t *ops,
                                       uint32_t *kills)
{
    const crdti_object *object = crdti_object_at(doc, index);
    uint32_t at, before = 0, visible = 0;
    CHECK_DOC(object->type > CRDT_NONE && object->type < CRDT_TYPE_COUNT);
    CHECK_DOC(object->wire == 0);
    if (index != CRDTI_ROOT) {
        const crdti_entry *entry = crdti_entry_at(doc, object->entry);
        CHECK_DOC(object->depth ==
                  crdti_object_at(doc, entry->object)->depth + 1);
        CHECK_DOC(crdti_object_find(doc, object->entry,
                                    (crdt_type)object->type) == index);
    }
    for (at = object->entries; at;
         before = at, at = crdti_entry_at(doc, at)->next) {
        const char *wrong = check_entry(doc, at, ops, kills);
        if (wrong)
            return wrong;
        CHECK_DOC(crdti_entry_at(doc, at)->object == index);
        CHECK_DOC(crdti_entry_at(doc, at)->prev == before);
        visible += crdti_entry_at(doc, at)->is_visible != 0;
        ++*entries;
    }
    if (CRDTI_COUNTERS >> object->type & 1)
        return check_counter(doc, index);
    if (object->type == CRDT_BOUNDED)
        return check_bounded(doc, index);
    if (object->type == CRDT_TEXT) {
        CHECK_DOC(!object->entries && (object->state || !object->weight));
        return NULL; /* check_sequences did */
    }
    if (object->type == CRDT_LIST) {
        CHECK_DOC(object->weight == visible);
        return NULL;
    }
    return check_map(doc, index, visible + check_elements(doc, index));
}

/* How many MOVEs there are; each is found by where it leads. */
static inline size_t check_moves(const crdt_doc *doc)
{
    size_t count = 0, i;
    uint32_t at;
    for (i = 0; i < doc->replicas.len; i++)
        for (at = doc->replicas.ptr[i].oldest; at;
             at = crdti_op_at(doc, at)->newer) {
            uint32_t entry = crdti_op_at(doc, at)->entry;
            if (crdti_op_at(doc, at)->kind != CRDTI_MOVE)
                continue;
            if (crdti_move_find(doc, crdti_entry_at(doc, entry)->object,
                                crdti_op_position(doc, at)) != at)
                return SIZE_MAX;
            count++;
        }
    return count;
}

static inline const char *check_doc(const crdt_doc *doc)
{
    const char *wrong = check_replicas(doc);
    uint32_t i, objects = 0, entries = 0, ops = 0, kills = 0;
    if (!wrong)
        wrong = check_journals(doc);
    for (i = 1; i < doc->objects.used && !wrong; i++) {
        if (!crdti_object_at(doc, i)->type)
            continue;
        objects++;
        wrong = check_object(doc, i, &entries, &ops, &kills);
    }
    if (!wrong)
        wrong = check_pool(&doc->objects);
    if (!wrong)
        wrong = check_pool(&doc->entries);
    if (!wrong)
        wrong = check_pool(&doc->ops);
    if (!wrong)
        wrong = check_pool(&doc->kills);
    if (!wrong)
        wrong = check_pool(&doc->blocks);
    if (!wrong)
        wrong = check_pool(&doc->leaves);
    if (!wrong)
        wrong = check_pool(&doc->forks);
    if (!wrong)
        wrong = check_pool(&doc->authors);
    if (wrong)
        return wrong;
    CHECK_DOC(objects == doc->objects.live);
    CHECK_DOC(entries == doc->entries.live);
    CHECK_DOC(entries == doc->names.len);
    CHECK_DOC(ops + doc->removals == doc->ops.live);
    CHECK_DOC(check_moves(doc) == doc->moves.len);
    CHECK_DOC(kills == doc->kills.live);
    return NULL;
}

#endif
