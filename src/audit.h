/*
 * An audit: the digest of what a document holds, added up anew.
 *
 *     digest    follows what is born and what dies
 *     audit     looks at all that is alive
 *
 * They differ where a value has changed by itself, as by bad memory or an
 * error here. Nothing else would see that before somebody reads it.
 */
#ifndef CRDTI_AUDIT_H
#define CRDTI_AUDIT_H

#include "life.h"
#include "sequence.h"

CRDTI_FN void crdti_audit_rows(const crdt_doc *doc, uint32_t at,
                               crdt_digest *sum)
{
    uint8_t room[CRDTI_ROW_KEY];
    unsigned i;
    for (; at; at = crdti_block_at(doc, at)->newer)
        for (i = 0; i < crdti_block_at(doc, at)->len; i++) {
            uint32_t row = crdti_row_name(at, i);
            if (crdti_row_is_alive(crdti_block_at(doc, at), i))
                crdti_digest_add(
                    sum,
                    crdti_row_digest(doc, row, crdti_row_key(doc, row, room)));
        }
}

CRDTI_FN void crdti_audit_ops(const crdt_doc *doc, uint32_t at,
                              crdt_digest *sum)
{
    for (; at; at = crdti_op_at(doc, at)->newer)
        if (crdti_op_is_alive(crdti_op_at(doc, at)))
            crdti_digest_add(sum, crdti_op_digest(doc, crdti_op_at(doc, at)));
}

/* What is said of it from now on is looked at. */
CRDTI_FN void crdti_audit_sequence(crdt_doc *doc, crdti_sequence *s)
{
    uint32_t leaf;
    for (leaf = s->first; leaf; leaf = crdti_leaf_at(doc, leaf)->next)
        crdti_leaf_at(doc, leaf)->is_hashed = 0;
    s->is_hashed = 0;
    crdti_zero(&s->digest, sizeof s->digest);
}

/* O(document). */
CRDTI_FN crdt_digest crdti_audit(crdt_doc *doc)
{
    crdt_digest sum = { 0, 0 };
    uint32_t at;
    size_t i;
    for (i = 0; i < doc->replicas.len; i++) {
        crdti_audit_ops(doc, doc->replicas.ptr[i].oldest, &sum);
        crdti_audit_rows(doc, doc->replicas.ptr[i].oldest_block, &sum);
    }
    doc->digest = sum;
    for (at = doc->sequences; at;
         at = crdti_sequence_at(doc, at)->next_sequence)
        crdti_audit_sequence(doc, crdti_sequence_at(doc, at));
    crdti_sequences_digest(doc);
    return doc->digest;
}

#endif
