/*
 * Bugs to plant: three of each type, or more. Most are a type table with a wrong row,
 * some a rule of src/ that is left out.
 */
#ifndef PLANTED_H
#define PLANTED_H

#include "rule_names.h"

#include "../../src/wire.h"

/* >>wrong members of a row ------------------------------------------------ */

/* A removal above takes nothing of what is not in its scope. */
static crdt_err resets_nothing(crdt_doc *doc, uint32_t object, crdti_op *draft)
{
    (void)doc;
    (void)object;
    draft->kind = 0;
    return CRDT_OK;
}

static int latest_filed(const crdt_doc *doc, const crdti_entry *entry)
{
    const crdti_op *op;
    if (!entry->ops)
        return 0;
    op = crdti_op_at(doc, entry->ops);
    return op->kind == CRDTI_VALUE ? op->as.value.as.integer != 0
                                   : op->kind == CRDTI_IN;
}

static int any_in(const crdt_doc *doc, const crdti_entry *entry)
{
    (void)doc;
    return entry->shows != 0;
}

static int one_in(const crdt_doc *doc, const crdti_entry *entry)
{
    (void)doc;
    return entry->shows == 1;
}

static int own_in(const crdt_doc *doc, const crdti_entry *entry)
{
    uint32_t at = entry->ops;
    while (at && crdti_op_at(doc, at)->replica != doc->self)
        at = crdti_op_at(doc, at)->next;
    return at != 0;
}

/* Of LWW: whether the stamp that decides is the latest, and what decides where
 * it stands twice. */
static int by_stamp(const crdt_doc *doc, const crdti_entry *entry, int latest,
                    int bias)
{
    const crdti_op *best = NULL;
    uint32_t at;
    for (at = entry->ops; at; at = crdti_op_at(doc, at)->next) {
        const crdti_op *op = crdti_op_at(doc, at);
        uint64_t stamp = op->as.value.stamp;
        if (!best ||
            (latest ? stamp > best->as.value.stamp
                    : stamp < best->as.value.stamp) ||
            (stamp == best->as.value.stamp && op->as.value.as.integer == bias))
            best = op;
    }
    return best && best->as.value.as.integer;
}

static int earliest(const crdt_doc *doc, const crdti_entry *entry)
{
    int adds = crdti_object_at(doc, entry->object)->type == CRDT_LWW_SET;
    return by_stamp(doc, entry, 0, adds);
}

static int biased_wrongly(const crdt_doc *doc, const crdti_entry *entry)
{
    int adds = crdti_object_at(doc, entry->object)->type == CRDT_LWW_SET;
    return by_stamp(doc, entry, 1, !adds);
}

static void voids_nothing(crdt_doc *doc, uint32_t object, uint32_t op)
{
    if (crdti_op_at(doc, op)->kind != CRDTI_RESET)
        crdti_counter_born(doc, object, op);
}

/* A reset that is replaced by another is taken back, and the other too. */
static void forgets_voids(crdt_doc *doc, uint32_t object)
{
    crdti_counter *counter = crdti_counter_at(doc, object);
    uint32_t weight = crdti_object_at(doc, object)->weight;
    size_t i;
    for (i = 0; i < counter->parts.len; i++) {
        crdti_part *part = &counter->parts.ptr[i];
        crdti_part_count(doc, object, part, 0);
        part->void_plus = part->void_minus = 0;
        crdti_part_count(doc, object, part, 1);
    }
    crdti_counter_climb(doc, object, weight);
}

/* What was handed on stays the giver's too. */
static void hands_on_a_copy(crdt_doc *doc, uint32_t object, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    const crdt_id *author = &doc->replicas.ptr[op->replica].id;
    crdti_bounded_born(doc, object, index);
    if (crdti_entry_key(crdti_entry_at(doc, op->entry)).len)
        crdti_share_count(doc, object, author, op->as.add.plus, 1);
}

/* The remover takes one more than it owns. */
static crdt_err takes_too_much(crdt_doc *doc, uint32_t object, crdti_op *draft)
{
    crdt_err err = crdti_bounded_reset_draft(doc, object, draft);
    if (!err && draft->kind)
        draft->as.add.minus++;
    return err;
}

/* A removal above takes what it had not seen, too. */
static void takes_unseen(crdt_doc *doc, uint32_t object, uint32_t killer,
                         int how)
{
    size_t i;
    if (how == CRDTI_SCOPE_KILL_MARKED)
        for (i = 0; i < doc->replicas.len; i++)
            doc->replicas.ptr[i].mark = UINT64_MAX;
    crdti_sequence_scope(doc, object, killer, how);
}

/* An element that is moved is seen where it was, too. */
static void copies_element(crdt_doc *doc, uint32_t list, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    crdti_position at = crdti_op_position(doc, index);
    if (op->kind != CRDTI_MOVE)
        return;
    crdti_table_insert(&doc->moves, crdti_move_hash(doc, list, at), index);
    crdti_position_look(doc, list, at);
}

/* Where the last move is taken back, the element is not seen again. */
static void loses_element(crdt_doc *doc, uint32_t list, uint32_t index)
{
    crdti_position at = crdti_op_position(doc, index);
    if (crdti_op_at(doc, index)->kind != CRDTI_MOVE)
        return;
    crdti_table_remove(&doc->moves, crdti_move_hash(doc, list, at), index);
    crdti_position_look(doc, list, at);
}

/* It is there, and nobody sees it. */
static void looks_away(crdt_doc *doc, const crdti_entry *entry)
{
    (void)doc;
    (void)entry;
}

/* >>the table ------------------------------------------------------------- */

typedef struct {
    crdt_type type;
    const char *what;
    /* What is wrong, each where it is not NULL or 0. */
    int rule, out_of_scope;
    int (*visible)(const crdt_doc *doc, const crdti_entry *entry);
    void (*born)(crdt_doc *doc, uint32_t object, uint32_t op);
    crdt_err (*reset)(crdt_doc *doc, uint32_t object, crdti_op *draft);
    void (*settle)(crdt_doc *doc, uint32_t object);
    void (*scope)(crdt_doc *doc, uint32_t object, uint32_t killer, int how);
    void (*died)(crdt_doc *doc, uint32_t object, uint32_t op);
    void (*looked)(crdt_doc *doc, const crdti_entry *entry);
} bug;

#define RULE(type, what, rule)                                                \
    {                                                                         \
        type, what, rule, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL         \
    }
#define SCOPE(type)                                                           \
    {                                                                         \
        type, "a removal above does not reach it", 0, 1, NULL, NULL,          \
            resets_nothing, NULL, NULL, NULL, NULL                            \
    }
#define SEEN(type, what, visible)                                             \
    {                                                                         \
        type, what, 0, 0, visible, NULL, NULL, NULL, NULL, NULL, NULL         \
    }
#define BORN(type, what, born)                                                \
    {                                                                         \
        type, what, 0, 0, NULL, born, NULL, NULL, NULL, NULL, NULL            \
    }
#define RESET(type, what, reset)                                              \
    {                                                                         \
        type, what, 0, 0, NULL, NULL, reset, NULL, NULL, NULL, NULL           \
    }
#define SETTLE(type, what, settle)                                            \
    {                                                                         \
        type, what, 0, 0, NULL, NULL, NULL, settle, NULL, NULL, NULL          \
    }
#define REST(type, what, scope)                                               \
    {                                                                         \
        type, what, 0, 0, NULL, NULL, NULL, NULL, scope, NULL, NULL           \
    }

#define DIED(type, what, died)                                                \
    {                                                                         \
        type, what, 0, 0, NULL, NULL, NULL, NULL, NULL, died, NULL            \
    }
#define LOOKED(type, what, looked)                                            \
    {                                                                         \
        type, what, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, looked          \
    }

static const bug bugs[] = {
    SCOPE(CRDT_MAP),
    RULE(CRDT_MAP, "a put leaves what it saw", KILLS_ALL_SEEN),
    RULE(CRDT_MAP, "shows whichever value", LATEST_WINS),
    SCOPE(CRDT_REGISTER),
    RULE(CRDT_REGISTER, "a set leaves what it saw", KILLS_ALL_SEEN),
    RULE(CRDT_REGISTER, "shows whichever value", LATEST_WINS),
    BORN(CRDT_COUNTER, "a reset voids nothing", voids_nothing),
    RESET(CRDT_COUNTER, "a removal above resets nothing", resets_nothing),
    SETTLE(CRDT_COUNTER, "the second reset undoes the first", forgets_voids),
    BORN(CRDT_GCOUNTER, "a reset voids nothing", voids_nothing),
    RESET(CRDT_GCOUNTER, "a removal above resets nothing", resets_nothing),
    SETTLE(CRDT_GCOUNTER, "the second reset undoes the first", forgets_voids),
    BORN(CRDT_BOUNDED, "what was handed on stays", hands_on_a_copy),
    RESET(CRDT_BOUNDED, "a removal above takes nothing", resets_nothing),
    RESET(CRDT_BOUNDED, "a removal above takes too much", takes_too_much),
    SCOPE(CRDT_MAX),
    RULE(CRDT_MAX, "shows whichever value", EXTREME_IS_SHOWN),
    RULE(CRDT_MAX, "what is less replaces what is more", EXTREME_STAYS),
    SCOPE(CRDT_MIN),
    RULE(CRDT_MIN, "shows whichever value", EXTREME_IS_SHOWN),
    RULE(CRDT_MIN, "what is more replaces what is less", EXTREME_STAYS),
    SCOPE(CRDT_EW_FLAG),
    RULE(CRDT_EW_FLAG, "a disable kills one of many", KILLS_ALL_SEEN),
    SEEN(CRDT_EW_FLAG, "two enables show as none", one_in),
    SCOPE(CRDT_DW_FLAG),
    SEEN(CRDT_DW_FLAG, "enable wins", any_in),
    SEEN(CRDT_DW_FLAG, "the last to arrive wins", latest_filed),
    SCOPE(CRDT_AW_SET),
    RULE(CRDT_AW_SET, "a remove kills one of many", KILLS_ALL_SEEN),
    SEEN(CRDT_AW_SET, "two adds show as none", one_in),
    SCOPE(CRDT_RW_SET),
    SEEN(CRDT_RW_SET, "add wins", any_in),
    SEEN(CRDT_RW_SET, "the last to arrive wins", latest_filed),
    SCOPE(CRDT_GSET),
    SEEN(CRDT_GSET, "two adds show as none", one_in),
    SEEN(CRDT_GSET, "shows what it added itself", own_in),
    SCOPE(CRDT_2PSET),
    SEEN(CRDT_2PSET, "a remove forgets", any_in),
    SEEN(CRDT_2PSET, "the last to arrive wins", latest_filed),
    SEEN(CRDT_LWW_SET, "the bias is reversed", biased_wrongly),
    SEEN(CRDT_LWW_SET, "the earliest stamp wins", earliest),
    SEEN(CRDT_LWW_SET, "the last to arrive wins", latest_filed),
    SEEN(CRDT_LWW_SET_RM, "the bias is reversed", biased_wrongly),
    SEEN(CRDT_LWW_SET_RM, "the earliest stamp wins", earliest),
    SEEN(CRDT_LWW_SET_RM, "the last to arrive wins", latest_filed),
    SCOPE(CRDT_TEXT),
    REST(CRDT_TEXT, "a removal above takes too much", takes_unseen),
    RULE(CRDT_TEXT, "right origins have no say", RIGHT_ORIGINS),
    SCOPE(CRDT_LIST),
    RULE(CRDT_LIST, "a set or move leaves what it saw", KILLS_ALL_SEEN),
    RULE(CRDT_LIST, "whichever value or move counts", LATEST_WINS),
    RULE(CRDT_LIST, "a deletion leaves the moves", MOVES_GO),
    RULE(CRDT_LIST, "right origins have no say", RIGHT_ORIGINS),
    BORN(CRDT_LIST, "what is moved is there twice", copies_element),
    DIED(CRDT_LIST, "it is lost when its move goes", loses_element),
    LOOKED(CRDT_LIST, "appears and disappears unseen", looks_away),
    /* The rules of the algebra, wherever they matter first. */
    RULE(CRDT_NONE, "kills do not travel", KILLS_TRAVEL),
    RULE(CRDT_NONE, "what is not shown lives on", CONTEXT_KILLS),
    RULE(CRDT_NONE, "the floor stays low", FLOOR_RAISED),
    RULE(CRDT_NONE, "no snapshot below the floor", SNAPSHOT_BELOW_FLOOR),
};

enum { BUGS = sizeof bugs / sizeof *bugs };

/* The table with that row wrong. Elements with a wrong reading have entries,
 * not rows. */
static void plant(crdti_type *table, const bug *b)
{
    crdti_type *row = &table[b->type];
    memcpy(table, crdti_type_table(), CRDT_TYPE_COUNT * sizeof *table);
    left_out = b->rule;
    if (b->out_of_scope) {
        row->is_scope = 0;
        row->scope = NULL;
    }
    if (b->visible || b->rule)
        row->has_rows = 0;
    if (b->visible)
        row->visible = b->visible;
    if (b->born)
        row->born = b->born;
    if (b->reset)
        row->reset = b->reset;
    if (b->settle)
        row->settle = b->settle;
    if (b->scope)
        row->scope = b->scope;
    if (b->died)
        row->died = b->died;
    if (b->looked)
        row->looked = b->looked;
}

#endif
