/*
 * Many seeds: each is run, or run twice, and what fails is shrunk and told
 * with the command that shows it again.
 */
#ifndef BATCH_H
#define BATCH_H

#include "bugs.h"
#include "shrink.h"

typedef struct {
    uint64_t seeds, failed, heal_ms;
    counts sum;
} tally;

static inline void tally_add(tally *t, const counts *n)
{
    const uint64_t *from = (const uint64_t *)(const void *)n;
    uint64_t *to = (uint64_t *)(void *)&t->sum;
    size_t i;
    for (i = 0; i < sizeof *n / sizeof *to; i++)
        to[i] += from[i];
    t->seeds++;
    t->heal_ms = crdti_max(t->heal_ms, n->heal_ms);
}

/* What is wrong, or NULL. */
static inline const char *batch_try(sim *s, const options *o, int twice,
                                    tally *t)
{
    const char *wrong;
    uint64_t hash;
    s->o = *o;
    wrong = sim_run(s);
    hash = s->t.hash;
    tally_add(t, &s->n);
    if (wrong || !twice)
        return wrong;
    wrong = sim_run(s);
    return wrong || hash == s->t.hash ? wrong
                                      : "the same seed does something else";
}

/* The same, and what fails is told. */
static inline void batch_run(sim *s, options *o, int twice, const char *rule,
                             tally *t)
{
    const char *wrong = batch_try(s, o, twice, t);
    FILE *out = s->t.out;
    if (!wrong)
        return;
    t->failed++;
    printf("FAIL %s\n  ", wrong);
    options_print(stdout, o);
    puts("");
    fflush(stdout);
    s->t.out = NULL;
    shrink(s, o, rule);
    fflush(stdout);
    s->t.out = out;
}

static inline void tally_print(const tally *t, double seconds)
{
    const counts *sum = &t->sum;
    double n = (double)(t->seeds ? t->seeds : 1);
    printf("%llu seeds, %llu failed; %.0f a second\n",
           (unsigned long long)t->seeds, (unsigned long long)t->failed,
           seconds > 0 ? (double)t->seeds / seconds : 0.0);
    printf("of each: %.0f writes, %.0f commits, %.0f states, %.1f of them "
           "against the model; %.0f messages, %.0f bytes, %.0f lost; %.1f "
           "letters, %.2f crashes, %.0f lines, %.0f polls; %.1f full syncs "
           "asked for, %.1f epochs, %.1f evictions, %.0f times forgotten\n",
           (double)sum->writes / n, (double)sum->commits / n,
           (double)sum->states / n, (double)sum->models / n,
           (double)sum->sent / n, (double)sum->bytes / n,
           (double)sum->lost / n, (double)sum->letters / n,
           (double)sum->crashes / n, (double)sum->lines / n,
           (double)sum->polls / n, (double)sum->asked / n,
           (double)sum->epochs / n, (double)sum->evictions / n,
           (double)sum->forgotten / n);
    printf("equal again within %.1f s at most, %.2f s on average\n",
           (double)t->heal_ms / 1000, (double)sum->heal_ms / n / 1000);
}

#endif
