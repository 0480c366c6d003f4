/*
 * The time since some moment, for time-outs and rates.
 */
#ifndef DEMO_TICKS_H
#define DEMO_TICKS_H

#include <stdint.h>

uint64_t ticks_us(void);
uint64_t ticks_ms(void);

#endif
