/*
 * Documents with texts in them, the model of what they must read, and what is
 * on its way between them. A history has two texts, one below a map:
 *
 *     root --- "text"  text
 *          \-- "k"     map --- "t"  text
 *
 *     world    the model, and what is on its way
 *     member   a document, and which events it has seen
 *     mark     that a container was created, or a number put in its place:
 *              alive as characters are (text_model.h)
 *     letter   bytes, and which events they bring
 *     pin      an anchor, and the character that it is beside
 *
 * What can go wrong is told once, as w->wrong.
 */
#ifndef TEXT_WORLD_H
#define TEXT_WORLD_H

#include "crdtsync.h"

#include "../test.h"

#define TEXT_AUTHORS 10
#include "text_model.h"

enum {
    NODES = 4,
    MAX_MEMBERS = 5,
    MAX_LETTERS = 24,
    MAX_PINS = 24,
    MAX_MARKS = 200,
    MAX_CHARS = 1500 /* of a text, the dead too */
};

static const struct {
    crdt_type type;
    int up;
    const char *key;
} nodes[NODES] = { { CRDT_MAP, -1, "" },
                   { CRDT_TEXT, 0, "text" },
                   { CRDT_MAP, 0, "k" },
                   { CRDT_TEXT, 2, "t" } };

typedef struct {
    int node, is_put;
    text_life life;
} mark;

typedef struct {
    crdt_doc *doc;
    uint32_t author;
    text_vv seen, done;    /* done: committed */
    text_vv told;          /* what the others know of it */
    crdt_vv told_vv;       /* the same */
    crdt_obj held[NODES];  /* handles of old */
    size_t cursors[NODES]; /* where it wrote last */
} member;

typedef struct {
    int to;
    text_vv brings, base;
    crdt_buf bytes;
} letter;

typedef struct {
    int node;
    crdt_anchor anchor;
    text_dot dot; /* none: the beginning or the end */
} pin;

/* A text as it must be: at[unit][i] is where the i-th character begins. */
typedef struct {
    size_t len, at[3][MAX_CHARS + 1];
    uint32_t codes[MAX_CHARS];
    text_dot dots[MAX_CHARS];
    uint8_t bytes[4 * MAX_CHARS];
} shown_text;

typedef struct {
    uint64_t seed, random, ids, now;
    int slow, step, nested;
    int has_forgotten; /* somebody */
    int has_swept;     /* the same */
    const char *wrong;
    char text[240];
    text_list lists[NODES];
    mark marks[MAX_MARKS];
    int marks_len;
    uint32_t order[TEXT_AUTHORS]; /* in which authors come */
    int authors;
    member members[MAX_MEMBERS];
    int members_len;
    letter letters[MAX_LETTERS];
    int letters_len;
    pin pins[MAX_PINS];
    int pins_len;
    shown_text shown;
    crdt_buf a, b;
    crdt_vv vv;
} world;

static inline void say(world *w, const char *what, int line)
{
    if (w->wrong)
        return;
    snprintf(w->text, sizeof w->text, "seed %llu step %d, line %d: %s",
             (unsigned long long)w->seed, w->step, line, what);
    w->wrong = w->text;
}

#define EXPECT(cond)                                                          \
    do {                                                                      \
        if (!(cond))                                                          \
            say(w, #cond, __LINE__);                                          \
    } while (0)

static inline uint32_t below(world *w, uint32_t bound)
{
    return test_below(&w->random, bound);
}

static inline int percent(world *w, uint32_t chance)
{
    return below(w, 100) < chance;
}

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* From 0 to `most`. */
static inline size_t upto(world *w, size_t most)
{
    return below(w, (uint32_t)most + 1);
}

static inline int is_text(int node)
{
    return nodes[node].type == CRDT_TEXT;
}

static inline crdt_bytes key_of(int node)
{
    return crdt_str(nodes[node].key);
}

/* >>what must be there ---------------------------------------------------- */

/* Whether the node is that, or below it. */
static inline int is_at_or_below(int node, int above)
{
    while (node > above)
        node = nodes[node].up;
    return node == above;
}

static inline int has_mark(const world *w, const text_vv *seen, int node,
                           int is_put)
{
    int i;
    for (i = 0; i < w->marks_len; i++)
        if (w->marks[i].node == node && w->marks[i].is_put == is_put &&
            text_alive(&w->marks[i].life, seen))
            return 1;
    return 0;
}

/* A container was created, or there is something in it. */
static inline int is_visible(const world *w, const text_vv *seen, int node)
{
    int below_it;
    if (node == 0 || has_mark(w, seen, node, 0))
        return 1;
    if (is_text(node))
        return text_len(&w->lists[node], seen) > 0;
    for (below_it = node + 1; below_it < NODES; below_it++)
        if (nodes[below_it].up == node &&
            (has_mark(w, seen, below_it, 1) || is_visible(w, seen, below_it)))
            return 1;
    return 0;
}

static inline void tell_mark(world *w, int node, int is_put, text_dot dot)
{
    mark *at = &w->marks[w->marks_len++];
    at->node = node;
    at->is_put = is_put;
    at->life = text_born(dot);
}

/* The event takes all that its author has seen there and below, or only what
 * was put there. */
static inline void tell_taken(world *w, const member *m, int node,
                              int only_puts, text_dot dot)
{
    int i;
    for (i = 0; i < w->marks_len; i++)
        if (text_seen(&m->seen, w->marks[i].life.dot) &&
            (only_puts ? w->marks[i].node == node && w->marks[i].is_put
                       : is_at_or_below(w->marks[i].node, node)))
            text_kill(&w->marks[i].life, dot);
    for (i = node; i < NODES && !only_puts; i++)
        if (is_at_or_below(i, node))
            text_erase_all(&w->lists[i], &m->seen, dot);
}

/* Fills w->shown. */
static inline void look(world *w, const text_vv *seen, int node)
{
    const text_list *l = &w->lists[node];
    shown_text *s = &w->shown;
    size_t i;
    s->len = s->at[0][0] = s->at[1][0] = s->at[2][0] = 0;
    for (i = 0; i < l->len; i++) {
        const text_item *item = &l->items[i];
        size_t n = s->len;
        if (!text_alive(&item->life, seen))
            continue;
        s->codes[n] = item->code;
        s->dots[n] = item->life.dot;
        s->at[CRDT_CHARS][n + 1] = n + 1;
        s->at[CRDT_UTF8][n + 1] =
            s->at[CRDT_UTF8][n] +
            text_put(s->bytes + s->at[CRDT_UTF8][n], item->code);
        s->at[CRDT_UTF16][n + 1] =
            s->at[CRDT_UTF16][n] + (item->code < 0x10000 ? 1 : 2);
        s->len++;
    }
}

static inline crdt_unit any_unit(world *w)
{
    return (crdt_unit)below(w, 3);
}

/* >>documents ------------------------------------------------------------- */

/* Coarse, so that stamps are often equal. */
static inline uint64_t world_wall(void *ctx)
{
    const world *w = (const world *)ctx;
    return 1000000000 + w->now / 8;
}

static inline crdt_err world_fill(void *ctx, void *out, size_t len)
{
    world *w = (world *)ctx;
    uint8_t *to = (uint8_t *)out;
    size_t i;
    for (i = 0; i < len; i++)
        to[i] = (uint8_t)test_random(&w->ids);
    return CRDT_OK;
}

/* NULL: an id that will write nothing. */
static inline crdt_doc *doc_new(world *w, const crdt_id *id)
{
    crdt_config config;
    crdt_clock clock;
    crdt_random random;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    clock.version = random.version = 1;
    clock.ctx = random.ctx = w;
    clock.wall_ms = clock.mono_ms = world_wall;
    random.fill = world_fill;
    config.clock = &clock;
    config.random = &random;
    config.replica = id;
    if (crdt_doc_new(&doc, &config))
        abort();
    return doc;
}

static inline void member_begin(world *w, member *m)
{
    crdt_id id;
    int node;
    m->author = w->order[w->authors++];
    world_fill(w, &id, sizeof id);
    id.b[0] = (uint8_t)m->author;
    m->doc = doc_new(w, &id);
    m->seen = m->done = m->told = text_vv_none();
    crdt_vv_clear(&m->told_vv);
    memset(m->cursors, 0, sizeof m->cursors);
    memset(m->held, 0, sizeof m->held);
    m->held[0] = crdt_root(m->doc);
    for (node = 1; node < NODES; node++)
        m->held[node].doc = NULL;
}

static inline world *world_new(void)
{
    world *w = (world *)calloc(1, sizeof *w);
    if (!w)
        abort();
    return w;
}

static inline void world_free(world *w)
{
    int i;
    for (i = 0; i < MAX_LETTERS; i++)
        crdt_buf_free(&w->letters[i].bytes);
    for (i = 0; i < MAX_MEMBERS; i++)
        crdt_vv_free(&w->members[i].told_vv);
    for (i = 0; i < NODES; i++)
        text_free(&w->lists[i]);
    crdt_buf_free(&w->a);
    crdt_buf_free(&w->b);
    crdt_vv_free(&w->vv);
    free(w);
}

#endif
