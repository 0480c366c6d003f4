/*
 * Random numbers that repeat: the same seed, the same numbers.
 */
#ifndef DEMO_DICE_H
#define DEMO_DICE_H

#include <stdint.h>

/* Steele, Lea & Flood 2014: splitmix64. */
uint64_t dice_next(uint64_t *state);
/* From -100 to 100, never 0. */
int dice_amount(uint64_t *state);

#endif
