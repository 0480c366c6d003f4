/*
 * Bugs to plant, by name: those that scenarios of the design name, and rules
 * of the algebra. All those of a type are in planted.h; they go by number.
 */
#ifndef BUGS_H
#define BUGS_H

#include "sim.h"

#include "../../laws/planted.h"

/* What another replica counted is counted again on top of what it had. */
static void counts_twice(crdt_doc *doc, uint32_t object, uint32_t index)
{
    const crdti_op *op = crdti_op_at(doc, index);
    crdti_part before;
    if (op->kind != CRDTI_ADD || op->replica == doc->self) {
        crdti_counter_born(doc, object, index);
        return;
    }
    before = *crdti_part_find(crdti_counter_at(doc, object), op->replica);
    crdti_counter_born(doc, object, index);
    crdti_add_set(doc, object, op->replica, index,
                  op->as.add.plus + before.plus,
                  op->as.add.minus + before.minus);
}

typedef struct {
    const char *name;
    bug is;
} named_bug;

/* Where it is found soon, but for seeds as they are. */
static inline void bug_narrow(const bug *b, options *o)
{
    if (b->type)
        o->types = 1u << b->type;
    if (b->rule != STORED_FIRST)
        return;
    options_only(o, "crash");
    o->reliable = o->store = 1;
    o->store_ms = 200;
    often(o, ACT_crash, 8);
}

static const named_bug named_bugs[] = {
    { "applied-twice",
      BORN(CRDT_COUNTER, "a counter's delta is applied twice", counts_twice) },
    { "gap-accepted",
      RULE(CRDT_NONE, "a delta is joined though one before it is missing",
           GAPS_REFUSED) },
    { "causes-skipped",
      RULE(CRDT_NONE, "a delta is joined before its causes", CAUSES_FIRST) },
    { "kill-forgotten",
      RULE(CRDT_NONE, "extraction forgets kills", KILLS_TRAVEL) },
    { "id-kept", RULE(CRDT_NONE, "a restored copy keeps its replica id",
                      RESTORED_IS_NEW) },
    { "sent-unstored",
      RULE(CRDT_NONE, "what is not stored yet is sent", STORED_FIRST) },
    { "torn-accepted",
      RULE(CRDT_NONE, "a record is taken though it is torn", TORN_REFUSED) },
    { "context-kept",
      RULE(CRDT_NONE, "what is not shown lives on", CONTEXT_KILLS) },
    { "all-ignored",
      RULE(CRDT_NONE, "what a member lacks is forgotten", ALL_HAVE_IT) },
    { "ballots-ignored",
      RULE(CRDT_NONE, "an older ballot counts for a commit", BALLOTS_EQUAL) },
    { "cut-ahead",
      RULE(CRDT_NONE, "a cut is accepted that is not there", CUT_IS_THERE) },
    { "cut-disowned",
      RULE(CRDT_NONE, "another is proposed than was accepted", CUT_IS_KEPT) },
    { "lease-ignored", RULE(CRDT_NONE, "a full sync goes on", LEASES_END) },
    { "not-frozen",
      RULE(CRDT_NONE, "a strict full sync freezes nothing", STRICT_FREEZES) },
    { "not-back", RULE(CRDT_NONE, "who was evicted does not say it is there",
                       EVICTED_RETURN) },
    { "floor-kept", RULE(CRDT_NONE, "the floor stays low", FLOOR_RAISED) },
    { "no-snapshot",
      RULE(CRDT_NONE, "no snapshot below the floor", SNAPSHOT_BELOW_FLOOR) },
};

enum { NAMED_BUGS = sizeof named_bugs / sizeof *named_bugs };

/* By name, or by number in planted.h. */
static inline const bug *bug_find(const char *name)
{
    size_t i;
    for (i = 0; i < NAMED_BUGS; i++)
        if (!strcmp(named_bugs[i].name, name))
            return &named_bugs[i].is;
    i = strtoul(name, NULL, 10);
    return isdigit((unsigned char)*name) && i < BUGS ? &bugs[i] : NULL;
}

/* NULL: none. The table must stay as long as it is planted. */
static inline void bug_plant(sim *s, crdti_type *table, const bug *b)
{
    left_out = NO_RULE;
    s->w->types = NULL;
    if (!b)
        return;
    plant(table, b);
    s->w->types = table;
}

#endif
