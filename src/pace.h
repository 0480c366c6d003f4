/*
 * How fast a link is: when an answer is overdue, and how much may be under way
 * where things get lost.
 *
 *     round trips   20  22  19  60        smoothed 27, deviation 14
 *     overdue after 27 + 4 x 14 = 83 ms, and twice that after each in vain
 *
 * (Jacobson & Karels 1988; RFC 6298)
 */
#ifndef CRDTI_PACE_H
#define CRDTI_PACE_H

#include "base.h"

#define CRDTI_OVERDUE_FIRST_MS 500u /* before anything has been measured */
#define CRDTI_OVERDUE_MIN_MS 50u
#define CRDTI_OVERDUE_MAX_MS 2000u
#define CRDTI_WINDOW_FIRST 32768u /* bytes, where things get lost */
#define CRDTI_WINDOW_MIN 16384u
#define CRDTI_VAIN_MAX 8u

typedef struct crdti_pace {
    uint64_t smooth8, deviation4; /* ms, times 8 and times 4; 0: unknown */
    unsigned vain;                /* times that all was lost, in a row */
    size_t window;                /* bytes unanswered */
} crdti_pace;

CRDTI_FN void crdti_pace_init(crdti_pace *pace)
{
    crdti_zero(pace, sizeof *pace);
    pace->window = CRDTI_WINDOW_FIRST;
}

/* An answer took so long, and confirms so many bytes. */
CRDTI_FN void crdti_pace_hear(crdti_pace *pace, uint64_t ms, size_t bytes)
{
    uint64_t smooth = pace->smooth8 / 8;
    uint64_t off = ms > smooth ? ms - smooth : smooth - ms;
    ms = crdti_min(ms, CRDTI_OVERDUE_MAX_MS);
    if (!pace->smooth8) {
        pace->smooth8 = 8 * ms + 1;
        pace->deviation4 = 2 * ms;
    } else {
        off = crdti_min(off, CRDTI_OVERDUE_MAX_MS);
        pace->smooth8 += ms - smooth;
        pace->deviation4 += off - pace->deviation4 / 4;
    }
    pace->vain = 0;
    if (pace->window < CRDTSYNC_MAX_WINDOW)
        pace->window += bytes;
}

CRDTI_FN void crdti_pace_lose(crdti_pace *pace)
{
    pace->vain += pace->vain < CRDTI_VAIN_MAX;
    pace->window = crdti_max_size(pace->window / 2, CRDTI_WINDOW_MIN);
}

/* How long to wait for an answer. */
CRDTI_FN uint64_t crdti_pace_patience(const crdti_pace *pace)
{
    uint64_t ms = pace->smooth8 ? pace->smooth8 / 8 + pace->deviation4
                                : CRDTI_OVERDUE_FIRST_MS;
    return crdti_min(crdti_max(ms, CRDTI_OVERDUE_MIN_MS) << pace->vain,
                     CRDTI_OVERDUE_MAX_MS);
}

#endif
