/*
 * What a runner tells: lines with the time since it began, checks that fail,
 * the end when it cannot go on.
 */
#ifndef DEMO_TALE_H
#define DEMO_TALE_H

#include <stdint.h>

void tale_begin(void);
/* "[  0.12 s] ..." */
__attribute__((format(printf, 1, 2))) void tell(const char *form, ...);
/* Says what is wrong unless it holds, and counts it. */
__attribute__((format(printf, 2, 3))) void check(int holds, const char *form,
                                                 ...);
int check_failures(void);
/* Says why, and ends the program with status 1. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *form,
                                                         ...);

/* "1,234"; up to 8 at a time may be in use. */
const char *number(uint64_t value);

#endif
