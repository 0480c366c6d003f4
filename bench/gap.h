/*
 * A gap buffer: the floor for texts. UTF-8 with one gap, in front of which
 * `at` characters stand. While all are ASCII, characters need no counting.
 * Positions are not looked at: what they name must be there.
 */
#ifndef GAP_H
#define GAP_H

#include "bench.h"
#include "../test/trace.h"

struct gap {
    char *text;
    size_t from, to, cap; /* the gap */
    size_t at, chars;
};

static inline int is_ascii(const struct gap *g)
{
    return g->chars == g->from + g->cap - g->to;
}

static inline int is_lead(char c)
{
    return (c & 0xc0) != 0x80;
}

/* Bytes of so many characters behind the gap, or before it. */
static inline size_t gap_count_behind(const struct gap *g, size_t chars)
{
    size_t i = g->to;
    for (; chars > 0; chars--)
        for (i++; i < g->cap && !is_lead(g->text[i]); i++)
            ;
    return i - g->to;
}

static inline size_t gap_count_before(const struct gap *g, size_t chars)
{
    size_t i = g->from;
    for (; chars > 0; chars--)
        while (!is_lead(g->text[--i]))
            ;
    return g->from - i;
}

static inline size_t gap_bytes_behind(const struct gap *g, size_t chars)
{
    return is_ascii(g) ? chars : gap_count_behind(g, chars);
}

static inline size_t gap_bytes_before(const struct gap *g, size_t chars)
{
    return is_ascii(g) ? chars : gap_count_before(g, chars);
}

static inline void gap_move(struct gap *g, size_t at)
{
    size_t n;
    if (at < g->at) {
        n = gap_bytes_before(g, g->at - at);
        g->from -= n;
        g->to -= n;
        memmove(g->text + g->to, g->text + g->from, n);
    } else if (at > g->at) {
        n = gap_bytes_behind(g, at - g->at);
        memmove(g->text + g->from, g->text + g->to, n);
        g->from += n;
        g->to += n;
    }
    g->at = at;
}

static inline void gap_grow(struct gap *g, size_t len)
{
    size_t behind = g->cap - g->to, cap = 2 * (g->cap + len);
    g->text = (char *)trace_must(realloc(g->text, cap));
    memmove(g->text + cap - behind, g->text + g->to, behind);
    g->to = cap - behind;
    g->cap = cap;
}

static inline void gap_insert_long(struct gap *g, const char *text, size_t len)
{
    size_t i, chars = 0;
    for (i = 0; i < len; i++)
        chars += (size_t)is_lead(text[i]);
    memcpy(g->text + g->from, text, len);
    g->from += len;
    g->at += chars;
    g->chars += chars;
}

static inline void gap_insert(struct gap *g, const char *text, size_t len)
{
    if (g->to - g->from < len)
        gap_grow(g, len);
    if (len == 1) {
        g->text[g->from++] = *text;
        g->at++;
        g->chars++;
    } else {
        gap_insert_long(g, text, len);
    }
}

static inline void gap_backspace(struct gap *g, size_t chars)
{
    g->from -= gap_bytes_before(g, chars);
    g->at -= chars;
    g->chars -= chars;
}

static inline void gap_delete(struct gap *g, size_t chars)
{
    g->to += gap_bytes_behind(g, chars);
    g->chars -= chars;
}

static inline void gap_edit(struct gap *g, const struct trace *t,
                            const struct trace_edit *edit)
{
    if (edit->deleted > 0 && g->at == (size_t)edit->at + edit->deleted) {
        gap_backspace(g, edit->deleted);
    } else {
        if (edit->at != g->at)
            gap_move(g, edit->at);
        if (edit->deleted > 0)
            gap_delete(g, edit->deleted);
    }
    if (edit->inserted.count > 0)
        gap_insert(g, t->text + edit->inserted.from, edit->inserted.count);
}

/* All of it, in one piece. */
static inline crdt_bytes gap_text(struct gap *g)
{
    gap_move(g, g->chars);
    return crdt_bytes_of(g->text, g->from);
}

#endif
