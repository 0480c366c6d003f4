/*
 * Who committed what. The sets of events that the model reckons in are read
 * from version vectors here, and on the way it is seen that
 *
 *     no vector lies within a commit, or beyond what was committed
 *     who has a commit has all that its author had seen
 *     no dot is used twice
 */
#ifndef HISTORY_H
#define HISTORY_H

#include "sim.h"

static inline void history_begin(sim *s)
{
    size_t i;
    for (i = 0; i < MODEL_AUTHORS; i++) {
        s->writers[i].len = 0;
        s->writers[i].scanned = 0;
        s->writers[i].open = bits_none();
    }
}

static inline void history_end(sim *s)
{
    size_t i;
    for (i = 0; i < MODEL_AUTHORS; i++)
        free(s->writers[i].ptr);
}

static inline int author_of(const sim *s, const crdt_id *id)
{
    int i = s->w->m.authors;
    while (i-- > 0)
        if (!memcmp(&s->w->m.ids[i], id, sizeof *id))
            break;
    return i;
}

static inline commit *commit_add(writer *a)
{
    if (a->len == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 16;
        a->ptr = (commit *)realloc(a->ptr, a->cap * sizeof *a->ptr);
        if (!a->ptr)
            exit(1);
    }
    return &a->ptr[a->len++];
}

/* The events of the author since the last commit: those that are open, and
 * what it has written now. */
static inline bits history_own(sim *s, int number)
{
    writer *a = &s->writers[number];
    bits own = a->len ? a->ptr[a->len - 1].own : bits_none();
    bits_join(&own, &a->open);
    for (; a->scanned < s->w->m.events_len; a->scanned++)
        if (s->w->m.events[a->scanned].author == number)
            bits_add(&own, a->scanned);
    return own;
}

/* The document of the member has committed; `seq` is its last change. */
static inline void history_commit(sim *s, const member *m, uint64_t seq)
{
    writer *a = &s->writers[m->author];
    bits own = history_own(s, m->author);
    commit *c;
    if (a->len && a->ptr[a->len - 1].seq >= seq) {
        sim_fail(s, "a dot is used twice");
        return;
    }
    c = commit_add(a);
    c->seq = seq;
    c->own = bits_both(&own, &m->seen);
    c->seen = m->seen;
    a->open = bits_none();
    s->n.commits++;
}

/* The one with that last change, or NULL. */
static inline const commit *commit_find(const writer *a, uint64_t seq)
{
    size_t low = 0, high = a->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->ptr[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->len && a->ptr[low].seq == seq ? &a->ptr[low] : NULL;
}

/* What a vector stands for. */
static inline bits history_read(sim *s, const crdt_vv *vv)
{
    bits own = bits_none(), causes = own;
    size_t i;
    for (i = 0; i < vv->len; i++) {
        int number = author_of(s, &vv->entries[i].replica);
        const commit *c =
            number < 0 ? NULL
                       : commit_find(&s->writers[number], vv->entries[i].seq);
        if (!c) {
            sim_fail(s, "a vector ends where no commit does");
            return own;
        }
        bits_join(&own, &c->own);
        bits_join(&causes, &c->seen);
    }
    if (!bits_equal(&own, &causes))
        sim_fail(s, "an effect without its cause");
    return own;
}

#endif
