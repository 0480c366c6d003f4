/*
 * The sweep: old characters go (old.h), when every member has truncated as far
 * as this replica has.
 *
 * It is never wrong, only early: if somebody names one that is gone all the
 * same, the change is refused (FORGOTTEN) until it comes with the whole state,
 * in which what it names comes back (restore.h).
 */
#ifndef CRDTI_SWEEP_H
#define CRDTI_SWEEP_H

#include "old.h"
#include "remake.h"

CRDTI_FN crdt_err crdti_sweep_remake(crdt_doc *doc, crdti_sequence *s,
                                     const uint64_t *old)
{
    crdti_arena_mark mark = crdti_arena_here(&doc->scratch);
    crdti_remake r;
    crdt_err err;
    crdti_remake_begin(&r, doc, s);
    r.old = old;
    err = crdti_remake_prepare(&r);
    if (!err)
        crdti_remake_apply(&r);
    crdti_remake_end(&r);
    if (!err)
        crdti_remake_leave(&r);
    crdti_arena_reset(&doc->scratch, mark);
    return err;
}

/* But not while it is yet to be told what has changed, by name. */
CRDTI_FN crdt_err crdti_sequence_sweep(crdt_doc *doc, crdti_sequence *s)
{
    size_t words = crdti_names_words(s);
    uint64_t *old;
    crdt_err err;
    if (s->born.len || s->died.len)
        return CRDT_OK;
    err = crdti_old_find(doc, s, &old);
    if (!err && old)
        err = crdti_sweep_remake(doc, s, old);
    crdti_free(&doc->alloc, old, words * sizeof *old);
    return err;
}

CRDT_API crdt_err crdt_sweep(crdt_doc *doc, const crdt_vv *floor)
{
    size_t i;
    uint32_t at;
    crdt_err err = CRDT_OK;
    if (!doc || !floor)
        return CRDT_ERR_ARG;
    if (crdti_is_telling(doc))
        return CRDT_ERR_AGAIN;
    for (i = 0; i < doc->replicas.len; i++)
        if (doc->replicas.ptr[i].floor >
            crdt_vv_get(floor, &doc->replicas.ptr[i].id))
            return CRDT_ERR_AGAIN;
    for (at = doc->floors ? doc->sequences : 0; at && !err;
         at = crdti_sequence_at(doc, at)->next_sequence)
        err = crdti_sequence_sweep(doc, crdti_sequence_at(doc, at));
    return err;
}

#endif
