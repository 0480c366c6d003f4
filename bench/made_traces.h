/*
 * Traces that are made up, always the same: one of the character of those that
 * are recorded, and random edits of a large text. Each is one txn; its text is
 * LETTERS, what is pasted, and what it must end with.
 */
#ifndef MADE_TRACES_H
#define MADE_TRACES_H

#include "gap.h"

#define LETTERS "etaoin shrdlu cmfwyp vbgkjq xz, etaoin\nshrdlu. "
#define LETTER_COUNT (sizeof LETTERS - 1)
#define SYNTHETIC_EDITS 100000u
#define PASTED 10000000u
#define RANDOM_EDITS 1000000u

static inline struct trace *made(struct trace_file *file, size_t text)
{
    file->count = 1;
    file->traces = (struct trace *)bench_memory(sizeof *file->traces);
    file->text = (char *)bench_memory(text);
    memcpy(file->text, LETTERS, LETTER_COUNT);
    file->traces->text = file->text;
    file->traces->agent_count = 1;
    trace_begin_txn(file->traces, 0, 0);
    return file->traces;
}

static inline struct trace_edit typed(struct bench *b, size_t at)
{
    struct trace_edit edit = { 0, 0, { 0, 1 } };
    edit.at = (uint32_t)at;
    edit.inserted.from = (uint32_t)bench_below(b, LETTER_COUNT);
    return edit;
}

static inline struct trace_edit deleted(size_t at)
{
    struct trace_edit edit = { 0, 1, { 0, 0 } };
    edit.at = (uint32_t)at;
    return edit;
}

/* Up to 1, 2, 4, .. or 2 ^ bits, each as often. */
static inline size_t some(struct bench *b, unsigned bits)
{
    return 1 + bench_below(b, (size_t)1 << bench_below(b, bits + 1));
}

/* Where the next burst is: mostly here, often near, now and then anywhere. */
static inline size_t jump(struct bench *b, size_t at, size_t len)
{
    size_t how = bench_below(b, 20), by = some(b, 9);
    if (how == 0)
        return bench_below(b, len + 1);
    if (how < 5)
        return at > by ? at - by : 0;
    if (how < 9)
        return len - at > by ? at + by : len;
    return at;
}

/* Bursts of typing, of backspace and of the delete key. */
static inline void make_synthetic(struct trace_file *file)
{
    struct trace *t = made(file, LETTER_COUNT + SYNTHETIC_EDITS);
    struct gap gap = { NULL, 0, 0, 0, 0, 0 };
    struct bench b;
    size_t i, at = 0;
    b.random = BENCH_SEED;
    while (t->edit_count < SYNTHETIC_EDITS) {
        size_t how = bench_below(&b, 10), count = some(&b, how < 6 ? 7 : 4);
        at = jump(&b, at, gap.chars);
        for (i = 0; i < count && t->edit_count < SYNTHETIC_EDITS; i++) {
            if (how < 6)
                trace_add_edit(t, typed(&b, at++));
            else if (how < 8 && at > 0)
                trace_add_edit(t, deleted(--at));
            else if (how >= 8 && at < gap.chars)
                trace_add_edit(t, deleted(at));
            else
                break;
            gap_edit(&gap, t, &t->edits[t->edit_count - 1]);
        }
    }
    t->end.from = LETTER_COUNT;
    t->end.count = (uint32_t)gap.chars;
    memcpy(file->text + LETTER_COUNT, gap_text(&gap).ptr, gap.chars);
    free(gap.text);
}

/* >>pasting --------------------------------------------------------------- */

/* A text in pages, in groups, that is quick to edit anywhere: it says what
 * random edits lead to. */
#define PAGE_COUNT 4096u
#define GROUP_PAGES 64u
#define PAGE_ROOM 4096u

struct pages {
    size_t groups[PAGE_COUNT / GROUP_PAGES], lens[PAGE_COUNT];
    char text[PAGE_COUNT][PAGE_ROOM];
};

static inline void pages_fill(struct pages *pages, const char *text,
                              size_t len)
{
    size_t i, from = 0;
    for (i = 0; i < PAGE_COUNT; i++) {
        size_t end = len * (i + 1) / PAGE_COUNT;
        pages->lens[i] = end - from;
        pages->groups[i / GROUP_PAGES] += end - from;
        memcpy(pages->text[i], text + from, end - from);
        from = end;
    }
}

/* The page of the character at `*at`, which becomes its place there. */
static inline size_t pages_find(const struct pages *pages, size_t *at)
{
    size_t group = 0, i;
    for (; *at >= pages->groups[group]; group++)
        *at -= pages->groups[group];
    for (i = group * GROUP_PAGES; *at >= pages->lens[i]; i++)
        *at -= pages->lens[i];
    return i;
}

static inline void pages_edit(struct pages *pages, const struct trace *t,
                              const struct trace_edit *edit)
{
    size_t at = edit->at, i = pages_find(pages, &at);
    size_t added = edit->inserted.count, gone = edit->deleted;
    char *place = pages->text[i] + at;
    if (pages->lens[i] + added > PAGE_ROOM)
        bench_fail("a page is full");
    memmove(place + added, place + gone, pages->lens[i] - at - gone);
    memcpy(place, t->text + edit->inserted.from, added);
    pages->lens[i] += added - gone;
    pages->groups[i / GROUP_PAGES] += added - gone;
}

static inline size_t pages_text(const struct pages *pages, char *out)
{
    size_t i, len = 0;
    for (i = 0; i < PAGE_COUNT; i++) {
        memcpy(out + len, pages->text[i], pages->lens[i]);
        len += pages->lens[i];
    }
    return len;
}

/* One paste, then characters typed and deleted anywhere. */
static inline void make_random(struct trace_file *file)
{
    struct trace *t = made(file, LETTER_COUNT + 2 * PASTED + RANDOM_EDITS);
    struct pages *pages = (struct pages *)bench_memory(sizeof *pages);
    struct trace_edit paste = { 0, 0, { LETTER_COUNT, PASTED } };
    struct bench b;
    size_t i, len = PASTED;
    b.random = BENCH_SEED;
    for (i = 0; i < PASTED; i++)
        file->text[LETTER_COUNT + i] = LETTERS[bench_below(&b, LETTER_COUNT)];
    trace_add_edit(t, paste);
    pages_fill(pages, file->text + LETTER_COUNT, PASTED);
    for (i = 0; i < RANDOM_EDITS; i++) {
        size_t at = bench_below(&b, len);
        int grows = (int)bench_below(&b, 2);
        trace_add_edit(t, grows ? typed(&b, at) : deleted(at));
        pages_edit(pages, t, &t->edits[t->edit_count - 1]);
        len += grows ? 1 : (size_t)-1;
    }
    t->end.from = LETTER_COUNT + PASTED;
    t->end.count = (uint32_t)pages_text(pages, file->text + t->end.from);
    free(pages);
}

#endif
