/*
 * The time since some moment, for time-outs and rates.
 */
#ifndef DEMO_TICKS_H
#define DEMO_TICKS_H

#include <stdint.h>

uint64_t ticks_us(void);
uint64_t ticks_ms(void);
/* Of two times to wait the shorter; -1 is for ever. */
int ticks_sooner(int a, int b);

#endif
