/*
 * What happened: a hash over it all, the same whenever the same seed is run;
 * and lines for people, with --trace.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    uint64_t hash;
    FILE *out; /* NULL: silent */
} trace;

static inline void trace_add(trace *t, uint64_t what)
{
    t->hash = (t->hash ^ what) * UINT64_C(0x9fb21c651e98df25);
    t->hash ^= t->hash >> 32;
}

static inline void trace_bytes(trace *t, const uint8_t *ptr, size_t len)
{
    trace_add(t, len);
    for (; len > 0; ptr++, len--) {
        uint64_t word = 0;
        if (len >= 8) {
            memcpy(&word, ptr, 8);
            ptr += 7;
            len -= 7;
        } else {
            word = *ptr;
        }
        trace_add(t, word);
    }
}

/* "   12.345 WHO  what" */
static inline void trace_line(const trace *t, uint64_t now, uint32_t who,
                              const char *form, ...)
{
    va_list args;
    if (!t->out)
        return;
    fprintf(t->out, "%5u.%03u %3u  ", (unsigned)(now / 1000),
            (unsigned)(now % 1000), who);
    va_start(args, form);
    vfprintf(t->out, form, args);
    va_end(args);
    fputc('\n', t->out);
}

#endif
