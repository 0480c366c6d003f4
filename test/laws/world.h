/*
 * What the tests that drive real documents against the model share: the world
 * of one seed, with its documents, its letters and its random numbers.
 *
 *     world    the model, and what is on its way
 *     member   a document, and which events it has seen
 *     letter   bytes, and which events they bring
 *
 * What goes wrong first is told, as w->wrong.
 */
#ifndef WORLD_H
#define WORLD_H

#include "../test.h"
#include "../../src/error.h"
#include "../../src/sweep.h"
#include "check_doc.h"
#include "model.h"

enum {
    MAX_MEMBERS = 5,
    MAX_LETTERS = 48,
    MAX_STEPS = 400,
    ONE_WRITE_MAX = 24, /* events */
    BLOCK = 8 << 20
};

typedef struct {
    crdt_doc *doc;
    int author;
    bits seen, done;            /* done: committed */
    bits told;                  /* what the others know of it */
    crdt_vv told_vv;            /* the same */
    crdt_obj held[MODEL_NODES]; /* handles of old */
} member;

typedef struct {
    int to;
    bits brings, base;
    crdt_buf bytes;
} letter;

typedef struct world world;
struct world {
    model m;
    uint64_t seed, random, ids, now, skew;
    int slow, step;
    int has_swept; /* somebody */
    const char *wrong;
    char text[240];
    crdt_value values[MODEL_KEYS]; /* in their order */
    member members[MAX_MEMBERS];
    int members_len;
    letter letters[MAX_LETTERS];
    int letters_len;
    crdt_buf a, b;
    crdt_vv vv;
    const crdti_type *types;               /* NULL: those of the engine */
    void (*made)(world *w, crdt_doc *doc); /* of each document; or NULL */
    crdt_alloc bump; /* one block for a whole seed: malloc takes time */
    uint8_t *block;
    size_t block_used;
};

static inline void say(world *w, const char *what)
{
    if (w->wrong)
        return;
    snprintf(w->text, sizeof w->text, "seed %llu step %d: %s",
             (unsigned long long)w->seed, w->step, what);
    w->wrong = w->text;
}

/* The same of a container. */
static inline void say_of(world *w, int node, const char *what)
{
    char text[200];
    snprintf(text, sizeof text, "%s %d: %s",
             crdt_type_name(w->m.nodes[node].type), node, what);
    say(w, text);
}

#define EXPECT(cond)                                                          \
    do {                                                                      \
        if (!(cond))                                                          \
            say(w, #cond);                                                    \
    } while (0)

#define EXPECT_OF(node, cond)                                                 \
    do {                                                                      \
        if (!(cond))                                                          \
            say_of(w, node, #cond);                                           \
    } while (0)

static inline uint32_t below(world *w, uint32_t bound)
{
    return test_below(&w->random, bound);
}

static inline int percent(world *w, uint32_t chance)
{
    return below(w, 100) < chance;
}

/* >>keys and values ------------------------------------------------------- */

enum { VALUES = 20 };

/* A value of every kind, in the order of section 12. */
static inline crdt_value value_at(int i)
{
    static const int64_t ints[] = { -70000, -1, 0, 1, 255, 9007199254740993 };
    static const double doubles[] = { -1.5, 0.0, 1.0 };
    static const char *const texts[] = { "", "a", "aa", "b" };
    double zero = 0.0;
    if (i == 0)
        return crdt_null();
    if (i < 3)
        return crdt_bool(i == 2);
    if (i < 9)
        return crdt_int(ints[i - 3]);
    if (i < 12)
        return crdt_double(doubles[i - 9]);
    if (i == 12)
        return crdt_double(zero / zero);
    if (i < 17)
        return crdt_string(crdt_str(texts[i - 13]));
    if (i == 17)
        return crdt_blob(CRDT_STR("a"));
    if (i == 18)
        return crdt_blob(CRDT_STR("a\0 more than eight"));
    return crdt_time(1);
}

/* Four of them, in order. */
static inline void choose_values(world *w)
{
    int i, at = 0;
    for (i = 0; i < MODEL_KEYS; i++) {
        int left = MODEL_KEYS - i;
        at += (int)below(w, (uint32_t)(VALUES - at - left + 1));
        w->values[i] = value_at(at++);
    }
}

static inline int same_value(const crdt_value *a, const crdt_value *b)
{
    crdti_element x, y;
    return !crdti_element_encode(a, &x) && !crdti_element_encode(b, &y) &&
           crdt_bytes_equal(crdti_element_key(&x), crdti_element_key(&y));
}

/* The number of the value, or -1. */
static inline int number_of(const world *w, const crdt_value *value)
{
    int i = MODEL_KEYS - 1;
    while (i >= 0 && !same_value(&w->values[i], value))
        i--;
    return i;
}

static inline crdt_bytes key_at(int key)
{
    static const char *const keys[MODEL_KEYS] = { "", "a", "b",
                                                  "key beyond eight" };
    return crdt_str(keys[key]);
}

/* The key of an element of a list, or of its moves. */
static inline crdt_bytes element_key(const world *w, int list, int key,
                                     int of_moves,
                                     uint8_t bytes[CRDTI_MOVES_KEY])
{
    const event *e = &w->m.events[model_insertion(&w->m, list, key)];
    crdti_element_put(&w->m.ids[e->author], e->seq, bytes);
    return crdt_bytes_of(bytes,
                         of_moves ? CRDTI_MOVES_KEY : CRDTI_ELEMENT_KEY);
}

/* >>documents ------------------------------------------------------------- */

static inline void *bump_resize(void *ctx, void *ptr, size_t old_size,
                                size_t size)
{
    world *w = (world *)ctx;
    void *to;
    if (!size || w->block_used + size + 15 > BLOCK)
        return NULL;
    to = w->block + w->block_used;
    w->block_used += (size + 15) / 16 * 16;
    if (ptr)
        memcpy(to, ptr, old_size < size ? old_size : size);
    return to;
}

/* Coarse, so that stamps are often equal; and each clock is off. */
static inline uint64_t world_wall(void *ctx)
{
    const world *w = (const world *)ctx;
    return 1000000000 + w->now / 8 + w->skew * 1000;
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

/* NULL: malloc, which tells the sanitizer. */
static inline crdt_doc *doc_new_in(world *w, const crdt_alloc *alloc)
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
    config.alloc = alloc;
    if (crdt_doc_new(&doc, &config))
        exit(1);
    if (w->types)
        doc->types = w->types;
    if (w->made)
        w->made(w, doc);
    return doc;
}

static inline crdt_doc *doc_new(world *w)
{
    w->bump.version = 1;
    w->bump.ctx = w;
    w->bump.resize = bump_resize;
    return doc_new_in(w, w->slow ? NULL : &w->bump);
}

static inline void doc_free(const world *w, crdt_doc *doc)
{
    if (w->slow)
        crdt_doc_free(doc);
}

/* >>worlds ---------------------------------------------------------------- */

static inline world *world_new(void)
{
    world *w = (world *)calloc(1, sizeof *w);
    if (w)
        w->block = (uint8_t *)malloc(BLOCK);
    if (!w || !w->block)
        exit(1);
    return w;
}

static inline void world_free(world *w)
{
    int i;
    for (i = 0; i < MAX_LETTERS; i++)
        crdt_buf_free(&w->letters[i].bytes);
    for (i = 0; i < MAX_MEMBERS; i++)
        crdt_vv_free(&w->members[i].told_vv);
    crdt_buf_free(&w->a);
    crdt_buf_free(&w->b);
    crdt_vv_free(&w->vv);
    model_free(&w->m);
    free(w->block);
    free(w);
}

#endif
