#include "posix.h"

#include "tale.h"
#include "text.h"
#include "ticks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t begun_us;
static int failures;

void tale_begin(void)
{
    begun_us = ticks_us();
}

void tell(const char *form, ...)
{
    va_list args;
    printf("[%6.2f s] ", (double)(ticks_us() - begun_us) / 1000000);
    va_start(args, form);
    vprintf(form, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void check(int holds, const char *form, ...)
{
    va_list args;
    if (holds)
        return;
    failures++;
    printf("WRONG: ");
    va_start(args, form);
    vprintf(form, args);
    va_end(args);
    putchar('\n');
}

int check_failures(void)
{
    return failures;
}

void die(const char *form, ...)
{
    va_list args;
    printf("FAILED: ");
    va_start(args, form);
    vprintf(form, args);
    va_end(args);
    putchar('\n');
    exit(1);
}

const char *number(uint64_t value)
{
    static char texts[8][28];
    static size_t next;
    return text_thousands(texts[next++ % 8], value);
}
