/*
 * A hybrid logical clock: time stamps that are near the wall clock, yet later
 * than everything this replica has seen. They decide which of two concurrent
 * writes is shown, and nothing else.
 *
 *     stamp   [ milliseconds since 1970: 48 bits | logical: 16 bits ]
 *
 *     wall       1000    1000    998 (set back)    1001
 *     stamp      1000,0  1000,1  1000,2            1001,0
 *
 * As one number: the larger of `last + 1` and the wall clock. 65,536 stamps in
 * a millisecond carry into the next by themselves. (Kulkarni et al. 2014)
 */
#ifndef CRDTI_HLC_H
#define CRDTI_HLC_H

#include "base.h"

#define CRDTI_HLC_MAX_MS (((uint64_t)1 << 48) - 1) /* in the year 10889 */

typedef struct crdti_hlc {
    uint64_t last; /* no stamp given or seen is greater */
} crdti_hlc;

/* A stamp greater than all before. At the end of time it stays there. */
CRDTI_INLINE uint64_t crdti_hlc_next(crdti_hlc *h, uint64_t wall_ms)
{
    uint64_t wall = crdti_min(wall_ms, CRDTI_HLC_MAX_MS) << 16;
    uint64_t after = h->last == UINT64_MAX ? UINT64_MAX : h->last + 1;
    h->last = crdti_max(wall, after);
    return h->last;
}

/* A stamp of another replica, which must have been found credible. */
CRDTI_INLINE void crdti_hlc_see(crdti_hlc *h, uint64_t remote)
{
    h->last = crdti_max(h->last, remote);
}

/* How far the stamp is in the future of the wall clock, or 0. */
CRDTI_INLINE uint64_t crdti_hlc_ahead_ms(uint64_t stamp, uint64_t wall_ms)
{
    uint64_t ms = stamp >> 16;
    return ms > wall_ms ? ms - wall_ms : 0;
}

#endif
