/*
 * What was under way when a link broke: the rest of a parcel is sent, or heard,
 * when there is a link between the same two nodes again.
 *
 *     sender    [ got | got |     |     ]    waits for a link, and for a turn
 *     receiver  [ ### | ### |     |     ]    waits for the rest of it
 *
 * A node that has started anew has another id, and begins anew. What waits too
 * long is dropped, on either side: then all of it is sent again.
 */
#ifndef CRDTI_PARK_H
#define CRDTI_PARK_H

#include "array.h"
#include "parcel.h"

#define CRDTI_PARKED_MAX 4u
#define CRDTI_PARKED_MS 60000u

typedef struct crdti_parked {
    crdt_id node;
    uint64_t until;
    crdti_parcel out; /* or empty, and `in` is what waits */
    crdt_vv vv;       /* what the peer has when it has come */
    crdti_staging in;
} crdti_parked;

/* Of a node. */
typedef struct crdti_parking {
    crdti_parked all[CRDTI_PARKED_MAX];
    size_t len;
} crdti_parking;

/* Takes the i-th out, to be kept or freed by the caller. */
CRDTI_FN crdti_parked crdti_parking_take(crdti_parking *parking, size_t i)
{
    crdti_parked parked = parking->all[i];
    for (parking->len--; i < parking->len; i++)
        parking->all[i] = parking->all[i + 1];
    return parked;
}

CRDTI_FN void crdti_parking_drop(const crdt_alloc *alloc,
                                 crdti_parking *parking, size_t i)
{
    crdti_parked parked = crdti_parking_take(parking, i);
    crdti_parcel_clear(alloc, &parked.out);
    crdti_staging_clear(alloc, &parked.in);
    crdt_vv_free(&parked.vv);
}

CRDTI_FN void crdti_parking_sweep(const crdt_alloc *alloc,
                                  crdti_parking *parking, uint64_t now)
{
    size_t i = 0;
    while (i < parking->len)
        if (now >= parking->all[i].until)
            crdti_parking_drop(alloc, parking, i);
        else
            i++;
}

/* Which of that node waits, out or in; `len` when none does. */
CRDTI_FN size_t crdti_parking_find(const crdti_parking *parking,
                                   const crdt_id *node, int is_out)
{
    size_t i;
    for (i = 0; i < parking->len; i++)
        if (crdti_id_equal(&parking->all[i].node, node) &&
            (parking->all[i].out.bytes.len != 0) == is_out)
            break;
    return i;
}

/* A place for one more, of which there is one of each kind for each node; the
 * oldest goes when there is none. */
CRDTI_FN crdti_parked *crdti_parking_add(const crdt_alloc *alloc,
                                         crdti_parking *parking,
                                         const crdt_id *node, int is_out,
                                         uint64_t now)
{
    crdti_parked *parked;
    size_t i = crdti_parking_find(parking, node, is_out);
    if (i < parking->len)
        crdti_parking_drop(alloc, parking, i);
    if (parking->len == CRDTI_PARKED_MAX)
        crdti_parking_drop(alloc, parking, 0);
    parked = &parking->all[parking->len++];
    crdti_zero(parked, sizeof *parked);
    parked->node = *node;
    parked->until = now + CRDTI_PARKED_MS;
    return parked;
}

#endif
