/*
 * Kills: how ops die, and how that is remembered.
 *
 * Death has one cause: a later op that had seen the victim. Every killer takes
 * *all* it has seen in one scope (its entry, with the maps and registers below
 * it), so what it killed there is, per replica, a prefix:
 *
 *     entry "title"     ops    c.7
 *                       kills  a <= 12 by c.7     "of a, up to 12 is dead,
 *                              b <=  3 by c.7      says c.7"
 *
 * One record a replica and entry, then, however often the entry was written:
 * a later killer just raises `last`, and takes the record over. That a record
 * is raised past one of another killer loses nothing: whoever has seen the
 * raising killer knows the deaths that both tell of, and whoever has not will
 * be sent it.
 *
 * Absorption: when an op that is itself a killer dies, its records become its
 * own killer's, who had seen all that it had; but they remember the dot that
 * said them first, and are not sent again to who has seen that. If they come
 * from further down, they widen to the killer's scope: all that it saw there is
 * dead.
 *
 * A killer that makes nothing live (REMOVE) keeps a record in the journal as
 * long as it has kill records. Records at or below the floor are dropped.
 */
#ifndef CRDTI_KILL_H
#define CRDTI_KILL_H

#include "life.h"
#include "state.h"

/* A join may still hold the number: kind 0 tells it. */
CRDTI_FN void crdti_op_release(crdt_doc *doc, uint32_t index)
{
    crdti_op_at(doc, index)->kind = 0;
    crdti_pool_give(&doc->ops, index);
}

/* Lets a killer go that is not alive and has no records left. */
CRDTI_FN void crdti_removal_tidy(crdt_doc *doc, uint32_t index)
{
    crdti_op *op = crdti_op_at(doc, index);
    if (crdti_op_is_alive(op) || op->kills)
        return;
    crdti_journal_remove(doc, op);
    crdti_op_release(doc, index);
    doc->removals--;
}

CRDTI_FN void crdti_kill_release(crdt_doc *doc, uint32_t index)
{
    crdti_kill_at(doc, index)->killer = 0; /* so a walk of the pool skips it */
    crdti_pool_give(&doc->kills, index);
}

/* One of the killer's records is gone or taken over. */
CRDTI_FN void crdti_kill_disown(crdt_doc *doc, uint32_t killer)
{
    crdti_op_at(doc, killer)->kills--;
    crdti_removal_tidy(doc, killer);
}

/* The entry's record for the replica, moved to the front; or 0. */
CRDTI_FN uint32_t crdti_kill_find(crdt_doc *doc, crdti_entry *entry,
                                  uint32_t replica)
{
    uint32_t *link = &entry->kills;
    while (*link) {
        uint32_t found = *link;
        crdti_kill *kill = crdti_kill_at(doc, found);
        if (kill->replica == replica) {
            *link = kill->next;
            kill->next = entry->kills;
            entry->kills = found;
            return found;
        }
        link = &kill->next;
    }
    return 0;
}

/* The killer says it, with its own dot. */
CRDTI_FN void crdti_kill_say(crdt_doc *doc, crdti_kill *kill, uint32_t killer,
                             uint64_t last)
{
    const crdti_op *op = crdti_op_at(doc, killer);
    kill->killer = killer;
    kill->said_replica = op->replica;
    kill->said_seq = op->seq;
    kill->last = last;
}

/* Makes a record where the entry has none for the replica yet. */
CRDTI_FN void crdti_kill_add(crdt_doc *doc, uint32_t killer, uint32_t replica,
                             uint64_t last)
{
    crdti_op *op = crdti_op_at(doc, killer);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    uint32_t index = crdti_pool_take(&doc->kills);
    crdti_kill *kill = crdti_kill_at(doc, index);
    kill->replica = replica;
    crdti_kill_say(doc, kill, killer, last);
    kill->next = entry->kills;
    entry->kills = index;
    op->kills++;
}

/* Notes that, of `replica`, what is up to `last` in the killer's entry is
 * dead. A record must be reserved. */
CRDTI_FN void crdti_kill_note(crdt_doc *doc, uint32_t killer, uint32_t replica,
                              uint64_t last)
{
    crdti_op *op = crdti_op_at(doc, killer);
    crdti_entry *entry = crdti_entry_at(doc, op->entry);
    uint32_t found = crdti_kill_find(doc, entry, replica);
    crdti_kill *kill;
    if (!found) {
        crdti_kill_add(doc, killer, replica, last);
        return;
    }
    kill = crdti_kill_at(doc, found);
    if (kill->last >= last)
        return;
    op->kills++;
    crdti_kill_disown(doc, kill->killer);
    crdti_kill_say(doc, kill, killer, last);
}

/* The entry's records that the replicas' marks raise become the killer's, and
 * those marks 0: one pass, where noting one by one would be a search each. */
CRDTI_FN void crdti_kill_note_marks(crdt_doc *doc, uint32_t killer)
{
    crdti_op *op = crdti_op_at(doc, killer);
    uint32_t at = crdti_entry_at(doc, op->entry)->kills;
    for (; at; at = crdti_kill_at(doc, at)->next) {
        crdti_kill *kill = crdti_kill_at(doc, at);
        uint64_t *mark = &doc->replicas.ptr[kill->replica].mark;
        if (kill->last < *mark) {
            op->kills++;
            crdti_kill_disown(doc, kill->killer);
            crdti_kill_say(doc, kill, killer, *mark);
        }
        *mark = 0;
    }
}

/* Of its own replica a killer has seen what is before it; bytes from outside
 * may let it absorb more. */
CRDTI_FN uint64_t crdti_kill_seen(const crdti_op *killer, uint32_t replica,
                                  uint64_t last)
{
    return replica == killer->replica ? crdti_min(last, killer->seq - 1)
                                      : last;
}

/* Gives the dying op's records to its killer. */
CRDTI_FN void crdti_kill_absorb(crdt_doc *doc, uint32_t victim,
                                uint32_t killer)
{
    crdti_op *dying = crdti_op_at(doc, victim);
    crdti_op *heir = crdti_op_at(doc, killer);
    uint32_t *link = &crdti_entry_at(doc, dying->entry)->kills;
    while (dying->kills) {
        uint32_t index = *link, replica;
        crdti_kill *kill = crdti_kill_at(doc, index);
        uint64_t last;
        CRDTI_ASSERT(index);
        if (kill->killer != victim) {
            link = &kill->next;
            continue;
        }
        dying->kills--;
        replica = kill->replica;
        last = crdti_kill_seen(heir, replica, kill->last);
        if (last && dying->entry == heir->entry) {
            kill->killer = killer;
            kill->last = last;
            heir->kills++;
            link = &kill->next;
            continue;
        }
        /* The freed record is the one that the note may need. */
        *link = kill->next;
        crdti_kill_release(doc, index);
        if (last)
            crdti_kill_note(doc, killer, replica, last);
    }
}

/* A live op dies by the hand of `killer`. */
CRDTI_FN void crdti_op_die(crdt_doc *doc, uint32_t victim, uint32_t killer)
{
    crdti_op_unfile(doc, victim);
    crdti_kill_absorb(doc, victim, killer);
    crdti_journal_remove(doc, crdti_op_at(doc, victim));
    crdti_op_release(doc, victim);
}

/* A live op dies and its killer is no longer remembered by those who told us.
 * What it killed itself stays remembered. */
CRDTI_FN void crdti_op_vanish(crdt_doc *doc, uint32_t victim)
{
    crdti_op *op = crdti_op_at(doc, victim);
    crdti_op_unfile(doc, victim);
    op->kind = CRDTI_REMOVE;
    doc->removals++;
    crdti_removal_tidy(doc, victim);
}

/* >>scope: an entry, and the entries of maps and registers below it ------- */

/* The first entry of this container or of those beside it, or 0. */
CRDTI_FN uint32_t crdti_scope_enter(const crdt_doc *doc, uint32_t object)
{
    for (; object; object = crdti_object_at(doc, object)->sibling) {
        const crdti_object *at = crdti_object_at(doc, object);
        if (at->entries && crdti_type_at(doc, at)->is_scope)
            return at->entries;
    }
    return 0;
}

/* The entry behind `at` in a walk of the scope of `top`, or 0. */
CRDTI_FN uint32_t crdti_scope_next(const crdt_doc *doc, uint32_t top,
                                   uint32_t at)
{
    uint32_t next = crdti_scope_enter(doc, crdti_entry_at(doc, at)->child);
    while (!next && at != top) {
        const crdti_entry *entry = crdti_entry_at(doc, at);
        const crdti_object *object = crdti_object_at(doc, entry->object);
        next = entry->next;
        if (!next)
            next = crdti_scope_enter(doc, object->sibling);
        at = object->entry;
    }
    return next;
}

/* >>what is in the scope without an entry of its own ----------------------- */

CRDTI_FN int crdti_row_kill(crdt_doc *doc, uint32_t killer, uint32_t row)
{
    uint32_t replica = crdti_row_block(doc, row)->replica;
    crdti_kill_note(doc, killer, replica, crdti_row_seq(doc, row));
    crdti_row_die(doc, row);
    return 1;
}

CRDTI_FN int crdti_row_kill_marked(crdt_doc *doc, uint32_t killer,
                                   uint32_t row)
{
    uint32_t replica = crdti_row_block(doc, row)->replica;
    (void)killer;
    if (crdti_row_seq(doc, row) > doc->replicas.ptr[replica].mark)
        return 0;
    crdti_row_die(doc, row);
    return 1;
}

CRDTI_FN int crdti_row_lower_mark(crdt_doc *doc, uint32_t killer, uint32_t row)
{
    uint64_t *mark =
        &doc->replicas.ptr[crdti_row_block(doc, row)->replica].mark;
    (void)killer;
    *mark = crdti_min(*mark, crdti_row_seq(doc, row) - 1);
    return 0;
}

/* What to do with a row in the scope. Whether it has died. */
typedef int crdti_row_fn(crdt_doc *doc, uint32_t killer, uint32_t row);

CRDTI_FN void crdti_element_rows(crdt_doc *doc, uint32_t entry,
                                 uint32_t killer, crdti_row_fn *fn)
{
    const crdti_entry *at = crdti_entry_at(doc, entry);
    crdt_bytes key = crdti_entry_key(at);
    crdti_row_walk walk;
    uint32_t row = crdti_row_first(doc, at->object, key, &walk);
    while (row)
        row = fn(doc, killer, row)
                  ? crdti_row_first(doc, at->object, key, &walk)
                  : crdti_row_next(doc, &walk);
}

CRDTI_FN void crdti_set_rows(crdt_doc *doc, uint32_t set, uint32_t killer,
                             crdti_row_fn *fn)
{
    uint32_t block, next;
    unsigned i;
    for (block = crdti_object_at(doc, set)->blocks; block; block = next) {
        next = crdti_block_at(doc, block)->next; /* it goes with its rows */
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
            if (crdti_row_is_alive(crdti_block_at(doc, block), i))
                fn(doc, killer, crdti_row_name(block, i));
    }
}

/* What is in the scope and belongs to one of its entries: the rows of the
 * element, where it is the killer's own, and those of the sets at it; and the
 * sequences at it. */
CRDTI_FN void crdti_scope_rest(crdt_doc *doc, uint32_t at, uint32_t killer,
                               int how)
{
    static crdti_row_fn *const fns[] = { crdti_row_kill, crdti_row_kill_marked,
                                         crdti_row_lower_mark };
    uint32_t child = crdti_entry_at(doc, at)->child;
    if (crdti_op_at(doc, killer)->entry == at)
        crdti_element_rows(doc, at, killer, fns[how]);
    for (; child; child = crdti_object_at(doc, child)->sibling) {
        const crdti_type *type =
            crdti_type_at(doc, crdti_object_at(doc, child));
        crdti_set_rows(doc, child, killer, fns[how]);
        if (type->scope)
            type->scope(doc, child, killer, how);
    }
}

/* Whether the object holds what has no entries. */
CRDTI_FN int crdti_object_has_rest(const crdt_doc *doc,
                                   const crdti_object *object)
{
    return object->blocks ||
           (crdti_type_at(doc, object)->scope && object->weight);
}

/* How many records a kill of all in the scope needs at most. */
CRDTI_FN size_t crdti_scope_count(const crdt_doc *doc, uint32_t top)
{
    size_t count = 0, most = doc->replicas.len;
    uint32_t at, op, child;
    if (crdti_object_at(doc, crdti_entry_at(doc, top)->object)->blocks)
        return most;
    for (at = top; at && count < most; at = crdti_scope_next(doc, top, at)) {
        const crdti_entry *entry = crdti_entry_at(doc, at);
        for (op = entry->ops; op; op = crdti_op_at(doc, op)->next)
            count++;
        for (child = entry->child; child;
             child = crdti_object_at(doc, child)->sibling)
            if (crdti_object_has_rest(doc, crdti_object_at(doc, child)))
                return most;
    }
    return crdti_min_size(count, most);
}

/* A local op kills all in its scope but itself. Records are reserved. */
CRDTI_FN void crdti_kill_all(crdt_doc *doc, uint32_t killer)
{
    uint32_t top = crdti_op_at(doc, killer)->entry, at = top;
    doc->actor = crdti_op_at(doc, killer)->replica;
    while (at) {
        uint32_t op = crdti_entry_at(doc, at)->ops, next;
        for (; op; op = next) {
            const crdti_op *victim = crdti_op_at(doc, op);
            next = CRDTI_RULE(KILLS_ALL_SEEN) ? victim->next : 0;
            if (op == killer)
                continue;
            crdti_kill_note(doc, killer, victim->replica, victim->seq);
            crdti_op_die(doc, op, killer);
        }
        crdti_scope_rest(doc, at, killer, CRDTI_SCOPE_KILL);
        next = crdti_scope_next(doc, top, at);
        if (at != top)
            crdti_entry_tidy(doc, at);
        at = next;
    }
}

/* Whether the op came with the join that is under way. */
CRDTI_FN int crdti_op_is_new(const crdt_doc *doc, const crdti_op *op)
{
    return op->seq > doc->replicas.ptr[op->replica].seq;
}

/* A remote op kills in its scope what its replicas' marks cover. Whether there
 * were killers among that further down, whose records have widened; or new
 * ones, as none of an honest delta dies with it, whose records may have. */
CRDTI_FN int crdti_kill_marked(crdt_doc *doc, uint32_t killer)
{
    uint32_t top = crdti_op_at(doc, killer)->entry, at = top;
    int widened = 0;
    doc->actor = crdti_op_at(doc, killer)->replica;
    while (at) {
        uint32_t op = crdti_entry_at(doc, at)->ops, next;
        for (; op; op = next) {
            const crdti_op *victim = crdti_op_at(doc, op);
            next = victim->next;
            if (op == killer ||
                victim->seq > doc->replicas.ptr[victim->replica].mark)
                continue;
            widened |=
                victim->kills && (at != top || crdti_op_is_new(doc, victim));
            crdti_op_die(doc, op, killer);
        }
        crdti_scope_rest(doc, at, killer, CRDTI_SCOPE_KILL_MARKED);
        next = crdti_scope_next(doc, top, at);
        if (at != top)
            crdti_entry_tidy(doc, at);
        at = next;
    }
    return widened;
}

/* Lowers the marks to what is not alive in the scope of the killer. */
CRDTI_FN void crdti_kill_lower_marks(crdt_doc *doc, uint32_t killer)
{
    uint32_t top = crdti_op_at(doc, killer)->entry, at, op;
    for (at = top; at; at = crdti_scope_next(doc, top, at)) {
        for (op = crdti_entry_at(doc, at)->ops; op;
             op = crdti_op_at(doc, op)->next) {
            const crdti_op *alive = crdti_op_at(doc, op);
            uint64_t *mark = &doc->replicas.ptr[alive->replica].mark;
            if (op != killer)
                *mark = crdti_min(*mark, alive->seq - 1);
        }
        crdti_scope_rest(doc, at, killer, CRDTI_SCOPE_LOWER);
    }
}

/* What was absorbed from further down says that all it covers is dead in the
 * wider scope too. An honest killer saw what its victims had seen, so that is
 * true. Where it is not, the record must not say so. */
CRDTI_FN void crdti_kill_settle(crdt_doc *doc, uint32_t killer)
{
    crdti_op *op = crdti_op_at(doc, killer);
    uint32_t entry = op->entry, at;
    uint32_t *link = &crdti_entry_at(doc, entry)->kills;
    for (at = *link; at; at = crdti_kill_at(doc, at)->next) {
        const crdti_kill *kill = crdti_kill_at(doc, at);
        if (kill->killer == killer)
            doc->replicas.ptr[kill->replica].mark = kill->last;
    }
    crdti_kill_lower_marks(doc, killer);
    while (*link) {
        uint32_t index = *link;
        crdti_kill *kill = crdti_kill_at(doc, index);
        uint64_t *mark = &doc->replicas.ptr[kill->replica].mark;
        if (kill->killer == killer) {
            kill->last = *mark;
            *mark = 0;
        }
        if (kill->last) {
            link = &kill->next;
            continue;
        }
        *link = kill->next;
        crdti_kill_release(doc, index);
        op->kills--;
    }
    crdti_removal_tidy(doc, killer);
    crdti_entry_tidy(doc, entry);
}

/* >>floor ----------------------------------------------------------------- */

CRDTI_FN int crdti_is_below_floor(const crdt_doc *doc, const crdti_op *op)
{
    return op->seq <= doc->replicas.ptr[op->replica].floor;
}

/* Drops the records of one killer. */
CRDTI_FN void crdti_kill_forget(crdt_doc *doc, uint32_t killer)
{
    crdti_op *op = crdti_op_at(doc, killer);
    uint32_t entry = op->entry;
    uint32_t *link = &crdti_entry_at(doc, entry)->kills;
    while (op->kills) {
        uint32_t index = *link;
        crdti_kill *kill = crdti_kill_at(doc, index);
        CRDTI_ASSERT(index);
        if (kill->killer == killer) {
            *link = kill->next;
            crdti_kill_release(doc, index);
            op->kills--;
        } else {
            link = &kill->next;
        }
    }
    crdti_removal_tidy(doc, killer);
    crdti_entry_tidy(doc, entry);
}

/* Drops every record at or below the floors. O(records). */
CRDTI_FN void crdti_kills_truncate(crdt_doc *doc)
{
    uint32_t index, killer;
    for (index = 1; index < doc->kills.used; index++) {
        killer = crdti_kill_at(doc, index)->killer;
        if (killer && crdti_is_below_floor(doc, crdti_op_at(doc, killer)))
            crdti_kill_forget(doc, killer);
    }
}

#endif
