#include "posix.h"

#include "ticks.h"

#include <time.h>

uint64_t ticks_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t ticks_ms(void)
{
    return ticks_us() / 1000;
}

int ticks_sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}
