/*
 * What a document says an inserted character, or place of a list, stands
 * before: old characters are passed over, and which are old no model knows.
 */
#ifndef ORIGINS_H
#define ORIGINS_H

#include <string.h>

/* Of its own change of that seq: 0 where it stands before the end. */
static inline int right_of_own(const crdt_doc *doc, crdt_obj sequence,
                               uint64_t seq, crdt_dot *out)
{
    const crdti_sequence *s = crdti_sequence_at(doc, sequence.index);
    crdti_position at;
    crdti_origins origins;
    at.replica = doc->self;
    at.seq = seq;
    origins =
        crdti_origins_of(doc, s, crdti_position_name(doc, sequence.index, at));
    memset(out, 0, sizeof *out);
    if (origins.right == CRDTI_NO_CHAR)
        return 0;
    at = crdti_name_position(doc, s, origins.right);
    out->replica = doc->replicas.ptr[at.replica].id;
    out->seq = at.seq;
    return 1;
}

#endif
