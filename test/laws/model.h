/*
 * What every type must show, computed from nothing but what has been seen.
 *
 * A history is a list of events, and an event knows its past: what its writer
 * had seen. A replica is a set of events, and what it shows is a function of
 * that set alone, said here as the definitions say it. A place is one key of
 * one container; an event is *taken* when a put, create or remove of a key
 * above its place had seen it. Among the events of a place that are not taken:
 *
 *     counters          the sum of the additions that no reset had seen
 *     bounded           all additions less all takes, taken or not; an owner's
 *                       rights: that of its own, and what was handed to it,
 *                       less what it handed on
 *     register, key     the writes that no other write had seen; shown is that
 *                       of the greatest (stamp, replica)
 *     max, min          the greatest, the least
 *     EW flag, AW set   in: there is an add that no remove had seen
 *     DW flag, RW set   in: of the writes that no other write had seen, one is
 *                       an add and none is a remove
 *     G-set             in: there is an add
 *     2P-set            in: there is an add, and no remove
 *     LWW sets          in: what the latest stamp says, or where latest stamps
 *                       are equal the bias
 *     text              the characters of its insertions that no deletion had
 *                       picked, where FugueMax puts them (text_model.h)
 *     list              each element is as a key, and stands where the greatest
 *                       (stamp, replica) of its moves has put it that no other
 *                       move, nor a deletion, had seen; or where it was
 *                       inserted. Those places are as characters of a text
 *
 * Slow it is, and nothing is kept between two questions.
 */
#ifndef MODEL_H
#define MODEL_H

#include "../../src/wire.h"

#define TEXT_AUTHORS 1 /* of vectors, which are sets of events here */
#include "text_model.h"

#include <string.h>

/* >>sets of events -------------------------------------------------------- */

/* A multiple of 64. */
#ifndef MODEL_EVENTS
#define MODEL_EVENTS 320
#endif
#ifndef MODEL_AUTHORS
#define MODEL_AUTHORS 16
#endif
enum { MODEL_WORDS = MODEL_EVENTS / 64 };

typedef struct {
    uint64_t w[MODEL_WORDS];
} bits;

static inline bits bits_none(void)
{
    bits none;
    memset(&none, 0, sizeof none);
    return none;
}

static inline int bits_has(const bits *s, int i)
{
    return (int)(s->w[i / 64] >> (i % 64) & 1);
}

static inline void bits_add(bits *s, int i)
{
    s->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void bits_remove(bits *s, int i)
{
    s->w[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static inline void bits_join(bits *a, const bits *b)
{
    size_t i;
    for (i = 0; i < MODEL_WORDS; i++)
        a->w[i] |= b->w[i];
}

static inline bits bits_both(const bits *a, const bits *b)
{
    bits both;
    size_t i;
    for (i = 0; i < MODEL_WORDS; i++)
        both.w[i] = a->w[i] & b->w[i];
    return both;
}

static inline bits bits_without(const bits *a, const bits *b)
{
    bits rest;
    size_t i;
    for (i = 0; i < MODEL_WORDS; i++)
        rest.w[i] = a->w[i] & ~b->w[i];
    return rest;
}

static inline int bits_equal(const bits *a, const bits *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline int bits_any(const bits *a)
{
    bits none = bits_none();
    return !bits_equal(a, &none);
}

static inline int bits_cover(const bits *a, const bits *b)
{
    bits rest = bits_without(b, a);
    return !bits_any(&rest);
}

/* The first at or behind i, or MODEL_EVENTS. */
static inline int bits_next(const bits *s, int i)
{
    for (; i < MODEL_EVENTS; i = (i / 64 + 1) * 64) {
        uint64_t word = s->w[i / 64] >> (i % 64);
        if (!word)
            continue;
        for (; !(word & 0xff); word >>= 8)
            i += 8;
        for (; !(word & 1); word >>= 1)
            i++;
        return i;
    }
    return MODEL_EVENTS;
}

#define FOR_BITS(i, s)                                                        \
    for (i = bits_next(s, 0); i < MODEL_EVENTS; i = bits_next(s, i + 1))

/* >>history --------------------------------------------------------------- */

enum {
    MODEL_NODES = 16,  /* containers; 0 is the root */
    MODEL_KEYS = 4,    /* keys, elements of sets, values of a history */
    MODEL_PLACES = 32, /* in a container: keys, or all elements of a list */
    MODEL_CHARS = 600  /* of all texts, ever typed; and places in lists */
};

typedef enum {
    DO_ADD,    /* of an element or an amount; to set a flag; to type */
    DO_REMOVE, /* of a key, element or characters; to clear or reset */
    DO_SET,    /* a plain value */
    DO_CREATE, /* a container */
    DO_TAKE,   /* of a bounded counter */
    DO_HAND,   /* the same, on to another */
    DO_MOVE    /* an element of a list */
} deed;

typedef struct {
    deed what;
    int author, node, key; /* key 0 where there are none */
    int64_t amount;        /* number of the value; type of the container */
    int to;                /* HAND: an author */
    uint64_t stamp;
    uint64_t seq; /* of the dot that inserted an element of a list */
    bits past;
} event;

typedef struct {
    crdt_type type;
    int parent, key; /* where it hangs; the parent has a smaller number */
    int since;       /* how many events there were when it was made */
} model_node;

/* What an engine says of a character that it has inserted: its dot there, and
 * what it stands before, of seq 0 the end. Old characters are passed over so,
 * and which are old the model does not know. */
typedef struct {
    crdt_dot dot, right;
} model_told;

/* A character, or where an element of a list was inserted or moved to; the seq
 * of its dot is its number, from 1. */
typedef struct {
    int event;
    crdt_dot dot;   /* in the engine */
    bits deletions; /* that picked it */
} model_char;

typedef struct {
    model_node nodes[MODEL_NODES];
    int nodes_len;
    unsigned below[MODEL_NODES][MODEL_PLACES]; /* nodes, a bit each */
    int elements[MODEL_NODES];                 /* of a list, ever inserted */
    event events[MODEL_EVENTS];
    int events_len;
    bits at[MODEL_NODES][MODEL_PLACES]; /* the events of a place */
    crdt_id ids[MODEL_AUTHORS];
    int authors;
    text_list texts[MODEL_NODES]; /* and lists; in document order */
    model_told told;              /* of the next character */
    model_char chars[MODEL_CHARS];
    int chars_len;
} model;

/* A history of which nothing has happened yet. */
static inline void model_begin(model *m)
{
    int n;
    memset(m->below, 0, sizeof m->below);
    memset(m->at, 0, sizeof m->at);
    memset(m->elements, 0, sizeof m->elements);
    for (n = 0; n < MODEL_NODES; n++)
        m->texts[n].len = 0;
    m->events_len = m->authors = m->chars_len = 0;
    m->nodes_len = 1;
    m->nodes[0].type = CRDT_MAP;
    m->nodes[0].parent = -1;
}

/* The container of that type at the key: its number, an old one when there is
 * one. */
static inline int model_node_get(model *m, int parent, int key, crdt_type type)
{
    int n, up;
    for (n = 1; n < m->nodes_len; n++)
        if (m->nodes[n].parent == parent && m->nodes[n].key == key &&
            m->nodes[n].type == type)
            return n;
    m->nodes[n].parent = parent;
    m->nodes[n].key = key;
    m->nodes[n].type = type;
    m->nodes[n].since = m->events_len;
    m->nodes_len++;
    for (up = n; up > 0; up = m->nodes[up].parent)
        m->below[m->nodes[up].parent][m->nodes[up].key] |= 1u << n;
    return n;
}

/* The last container has not been made. */
static inline void model_node_forget(model *m)
{
    int n = --m->nodes_len, up;
    for (up = n; up > 0; up = m->nodes[up].parent)
        m->below[m->nodes[up].parent][m->nodes[up].key] &= ~(1u << n);
}

static inline event *model_tell(model *m, deed what, int author, int node,
                                int key, const bits *past)
{
    int i = m->events_len++;
    event *e = &m->events[i];
    memset(e, 0, sizeof *e);
    e->what = what;
    e->author = author;
    e->node = node;
    e->key = key;
    e->past = *past;
    bits_add(&m->at[node][key], i);
    return e;
}

/* Nor have the characters of a text been typed, or deleted. */
static inline void model_forget_chars(model *m, text_list *text, int len)
{
    size_t i, left = 0;
    for (i = 0; i < text->len; i++) {
        model_char *c = &m->chars[text->items[i].life.dot.seq - 1];
        int n;
        if (c->event >= len)
            continue;
        for (n = len; n < m->events_len; n++)
            bits_remove(&c->deletions, n);
        text->items[left++] = text->items[i];
    }
    text->len = left;
}

/* What happened after the first `len` events has not happened. */
static inline void model_forget(model *m, int len)
{
    int n;
    for (n = 0; n < m->nodes_len; n++)
        model_forget_chars(m, &m->texts[n], len);
    while (m->chars_len && m->chars[m->chars_len - 1].event >= len)
        m->chars_len--;
    while (m->events_len > len) {
        const event *e = &m->events[--m->events_len];
        bits_remove(&m->at[e->node][e->key], m->events_len);
    }
    while (m->nodes_len && m->nodes[m->nodes_len - 1].since > len)
        model_node_forget(m);
    for (n = 0; n < m->nodes_len; n++)
        while (m->elements[n] && !bits_any(&m->at[n][m->elements[n] - 1]))
            m->elements[n]--;
}

/* How many events more, and characters. */
static inline int model_room(const model *m)
{
    int events = MODEL_EVENTS - m->events_len;
    int chars = MODEL_CHARS - m->chars_len;
    return events < chars ? events : chars;
}

static inline void model_free(model *m)
{
    int n;
    for (n = 0; n < MODEL_NODES; n++)
        text_free(&m->texts[n]);
}

/* >>what is there --------------------------------------------------------- */

typedef struct {
    const model *m;
    bits seen;
    bits taken[MODEL_NODES];
    size_t weight[MODEL_NODES]; /* how much of it there is to see */
} view;

static inline int model_is(const view *v, int node, crdt_type type)
{
    return v->m->nodes[node].type == type;
}

/* Whether there are values and containers in it, at its keys or elements. */
static inline int model_holds(const view *v, int node)
{
    return model_is(v, node, CRDT_MAP) || model_is(v, node, CRDT_LIST);
}

static inline int model_keys(const view *v, int node)
{
    return model_is(v, node, CRDT_LIST) ? v->m->elements[node] : MODEL_KEYS;
}

static inline bits seen_at(const view *v, int node, int key)
{
    return bits_both(&v->m->at[node][key], &v->seen);
}

static inline bits standing_at(const view *v, int node, int key)
{
    bits here = seen_at(v, node, key);
    return bits_without(&here, &v->taken[node]);
}

/* Those of some deeds, a bit each. */
static inline bits of_deeds(const view *v, const bits *from, unsigned deeds)
{
    bits found = bits_none();
    int i;
    FOR_BITS(i, from)
    if (deeds >> v->m->events[i].what & 1)
        bits_add(&found, i);
    return found;
}

/* Those of one deed. */
static inline bits of_deed(const view *v, const bits *from, deed what)
{
    return of_deeds(v, from, 1u << what);
}

/* All that they had seen. */
static inline bits past_of(const view *v, const bits *of)
{
    bits past = bits_none();
    int i;
    FOR_BITS(i, of) bits_join(&past, &v->m->events[i].past);
    return past;
}

/* The additions that no remove had seen. */
static inline bits unremoved(const view *v, int node, int key)
{
    bits here = seen_at(v, node, key);
    bits removes = of_deed(v, &here, DO_REMOVE);
    bits gone = past_of(v, &removes), left = standing_at(v, node, key);
    left = of_deed(v, &left, DO_ADD);
    return bits_without(&left, &gone);
}

/* The writes of those deeds that no other had seen. */
static inline bits latest_of(const view *v, int node, int key, unsigned deeds)
{
    bits here = seen_at(v, node, key), over, left;
    here = of_deeds(v, &here, deeds);
    over = past_of(v, &here);
    left = bits_without(&here, &v->taken[node]);
    return bits_without(&left, &over);
}

/* To move an element is another matter than to write it. */
static inline bits latest(const view *v, int node, int key)
{
    return latest_of(v, node, key, ~(1u << DO_MOVE));
}

/* An add, and no remove. */
static inline int add_and_no_remove(const view *v, const bits *of)
{
    bits adds = of_deed(v, of, DO_ADD), removes = of_deed(v, of, DO_REMOVE);
    return bits_any(&adds) && !bits_any(&removes);
}

static inline int latest_stamp_says(const view *v, const bits *of, int bias)
{
    uint64_t stamp = 0;
    int i, adds = 0, removes = 0;
    FOR_BITS(i, of) stamp = crdti_max(stamp, v->m->events[i].stamp);
    FOR_BITS(i, of)
    {
        const event *e = &v->m->events[i];
        adds |= e->stamp == stamp && e->what == DO_ADD;
        removes |= e->stamp == stamp && e->what == DO_REMOVE;
    }
    return adds && removes ? bias : adds;
}

/* Whether the element is in the set, or the flag set. */
static inline int model_in(const view *v, int node, int key)
{
    bits standing = standing_at(v, node, key), some;
    crdt_type type = v->m->nodes[node].type;
    if (type == CRDT_EW_FLAG || type == CRDT_AW_SET) {
        some = unremoved(v, node, key);
        return bits_any(&some);
    }
    if (type == CRDT_DW_FLAG || type == CRDT_RW_SET)
        some = latest(v, node, key);
    else
        some = standing;
    if (type == CRDT_LWW_SET || type == CRDT_LWW_SET_RM)
        return latest_stamp_says(v, &some, type == CRDT_LWW_SET);
    return add_and_no_remove(v, &some);
}

/* Removed from a 2P-set. */
static inline int model_gone(const view *v, int node, int key)
{
    bits standing = standing_at(v, node, key);
    standing = of_deed(v, &standing, DO_REMOVE);
    return bits_any(&standing);
}

static inline int64_t model_total(const view *v, int node)
{
    bits adds = unremoved(v, node, 0);
    int64_t total = 0;
    int i;
    FOR_BITS(i, &adds) total += v->m->events[i].amount;
    return total;
}

/* Of a bounded counter; of one owner, or of all for -1. */
static inline int64_t model_rights(const view *v, int node, int owner)
{
    bits here = seen_at(v, node, 0);
    int64_t rights = 0;
    int i;
    FOR_BITS(i, &here)
    {
        const event *e = &v->m->events[i];
        int own = owner < 0 || e->author == owner;
        int to = owner < 0 || e->to == owner;
        if (e->what == DO_ADD)
            rights += own ? e->amount : 0;
        else if (e->what == DO_TAKE)
            rights -= own ? e->amount : 0;
        else
            rights += (to ? e->amount : 0) - (own ? e->amount : 0);
    }
    return rights;
}

/* The number of the value of a max or min register, or -1. */
static inline int64_t model_extreme(const view *v, int node)
{
    bits sets = standing_at(v, node, 0);
    int64_t best = -1;
    int i;
    FOR_BITS(i, &sets)
    {
        int64_t value = v->m->events[i].amount;
        int further =
            model_is(v, node, CRDT_MAX) ? value > best : value < best;
        if (best < 0 || further)
            best = value;
    }
    return best;
}

/* The values and containers written to a key, or the values of a register. */
static inline bits model_versions(const view *v, int node, int key)
{
    bits some = latest(v, node, key), creates = of_deed(v, &some, DO_CREATE);
    some = of_deed(v, &some, DO_SET);
    bits_join(&some, &creates);
    return some;
}

/* The one that is shown, or -1. */
static inline int model_winner(const view *v, const bits *versions)
{
    int i, best = -1;
    FOR_BITS(i, versions)
    {
        const event *e = &v->m->events[i];
        const event *b = &v->m->events[best < 0 ? i : best];
        if (best < 0 || e->stamp > b->stamp ||
            (e->stamp == b->stamp &&
             crdt_id_compare(&v->m->ids[e->author], &v->m->ids[b->author]) >
                 0))
            best = i;
    }
    return best;
}

/* >>texts ----------------------------------------------------------------- */

static inline int model_shows(const view *v, int node, const text_item *item)
{
    const model_char *c = &v->m->chars[item->life.dot.seq - 1];
    bits deletions = bits_both(&c->deletions, &v->seen);
    return bits_has(&v->seen, c->event) &&
           !bits_has(&v->taken[node], c->event) && !bits_any(&deletions);
}

/* The index of the at-th character that is there, from 0; behind the last of
 * all when there are fewer. */
static inline size_t model_nth(const view *v, int node, size_t at)
{
    const text_list *text = &v->m->texts[node];
    size_t i = 0;
    while (i < text->len &&
           (!model_shows(v, node, &text->items[i]) || at-- > 0))
        i++;
    return i;
}

/* Writes what is read: UTF-8. There is room for 4 bytes a character. */
static inline size_t model_text(const view *v, int node, uint8_t *to)
{
    const text_list *text = &v->m->texts[node];
    size_t i, len = 0;
    for (i = 0; i < text->len; i++)
        if (model_shows(v, node, &text->items[i]))
            len += text_put(to + len, text->items[i].code);
    return len;
}

/* How long that is, in characters. */
static inline size_t model_text_len(const view *v, int node)
{
    const text_list *text = &v->m->texts[node];
    size_t i, len = 0;
    for (i = 0; i < text->len; i++)
        len += (size_t)model_shows(v, node, &text->items[i]);
    return len;
}

/* Ids in their order: the first bytes are all different. */
static inline uint32_t model_rank(const model *m, int author)
{
    const uint8_t *b = m->ids[author].b;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
           b[3];
}

static inline int model_is_told(const model *m, const text_item *item)
{
    const crdt_dot *dot = &m->chars[item->life.dot.seq - 1].dot;
    return m->told.right.seq == dot->seq &&
           !crdt_id_compare(&m->told.right.replica, &dot->replica);
}

/* The event's author puts a character behind the first `next`, and what else
 * it has not seen or passes over. */
static inline void model_insert(model *m, const view *v, int number,
                                size_t next, uint32_t code)
{
    text_list *text = &m->texts[m->events[number].node];
    text_item item;
    memset(&item, 0, sizeof item);
    if (next > 0)
        item.left = text->items[next - 1].life.dot;
    while (next < text->len &&
           !bits_has(&v->seen,
                     m->chars[text->items[next].life.dot.seq - 1].event))
        next++;
    while (next < text->len && !model_is_told(m, &text->items[next]))
        next++;
    if (next < text->len)
        item.right = text->items[next].life.dot;
    item.code = code;
    item.life.dot.author = model_rank(m, m->events[number].author);
    m->chars[m->chars_len].event = number;
    m->chars[m->chars_len].deletions = bits_none();
    m->chars[m->chars_len].dot = m->told.dot;
    item.life.dot.seq = (uint32_t)++m->chars_len;
    text_add(text, &item);
}

/* The event's author types a character where `at` are there before it; `v` has
 * seen the event. */
static inline void model_type(model *m, const view *v, int number, size_t at,
                              uint32_t code)
{
    size_t next = 0;
    if (at > 0)
        next = model_nth(v, m->events[number].node, at - 1) + 1;
    model_insert(m, v, number, next, code);
}

/* The event deletes `count` characters from the at-th on; `v` has not seen it
 * yet. */
static inline void model_erase(model *m, const view *v, int number, size_t at,
                               size_t count)
{
    int node = m->events[number].node;
    for (; count > 0; count--, at++) {
        size_t i = model_nth(v, node, at);
        bits_add(&m->chars[m->texts[node].items[i].life.dot.seq - 1].deletions,
                 number);
    }
}

/* >>what is visible ------------------------------------------------------- */

static inline int model_created(const view *v, int node)
{
    const model_node *n = &v->m->nodes[node];
    bits versions = model_versions(v, n->parent, n->key);
    int i;
    FOR_BITS(i, &versions)
    if (v->m->events[i].what == DO_CREATE &&
        v->m->events[i].amount == (int64_t)n->type)
        return 1;
    return 0;
}

/* A container: it was created, or somebody wrote into it. */
static inline int model_visible(const view *v, int node)
{
    return node == 0 || v->weight[node] || model_created(v, node);
}

/* The visible container at the key that comes first by type, or -1. */
static inline int model_container(const view *v, int map, int key)
{
    int n, best = -1;
    for (n = 1; n < v->m->nodes_len; n++)
        if (v->m->nodes[n].parent == map && v->m->nodes[n].key == key &&
            model_visible(v, n) &&
            (best < 0 || v->m->nodes[n].type < v->m->nodes[best].type))
            best = n;
    return best;
}

static inline int model_key_visible(const view *v, int map, int key)
{
    bits versions = model_versions(v, map, key);
    return bits_any(&versions) || model_container(v, map, key) >= 0;
}

static inline size_t model_weight(const view *v, int node)
{
    size_t weight = 0;
    bits some;
    int i;
    switch (v->m->nodes[node].type) {
    case CRDT_MAP:
    case CRDT_LIST:
        for (i = 0; i < model_keys(v, node); i++)
            weight += (size_t)model_key_visible(v, node, i);
        return weight;
    case CRDT_REGISTER:
        some = model_versions(v, node, 0);
        return (size_t)bits_any(&some);
    case CRDT_COUNTER:
    case CRDT_GCOUNTER:
        some = unremoved(v, node, 0);
        return (size_t)bits_any(&some);
    case CRDT_BOUNDED:
        for (i = 0; i < v->m->authors; i++)
            weight += model_rights(v, node, i) != 0;
        return weight;
    case CRDT_MAX:
    case CRDT_MIN:
        return model_extreme(v, node) >= 0;
    case CRDT_TEXT:
        return model_text_len(v, node);
    case CRDT_NONE:
    case CRDT_EW_FLAG:
    case CRDT_DW_FLAG:
    case CRDT_AW_SET:
    case CRDT_RW_SET:
    case CRDT_GSET:
    case CRDT_2PSET:
    case CRDT_LWW_SET:
    case CRDT_LWW_SET_RM:
    case CRDT_TYPE_COUNT:
    default:
        for (i = 0; i < MODEL_KEYS; i++)
            weight += (size_t)model_in(v, node, i);
        return weight;
    }
}

static inline view model_look(const model *m, const bits *seen)
{
    view v;
    int i, n;
    v.m = m;
    v.seen = *seen;
    memset(v.taken, 0, sizeof v.taken);
    memset(v.weight, 0, sizeof v.weight);
    FOR_BITS(i, seen)
    {
        const event *e = &m->events[i];
        for (n = 1; n < m->nodes_len; n++)
            if (model_holds(&v, e->node) && e->what != DO_MOVE &&
                (m->below[e->node][e->key] >> n & 1))
                bits_join(&v.taken[n], &e->past);
    }
    for (n = m->nodes_len - 1; n >= 0; n--)
        v.weight[n] = model_weight(&v, n);
    return v;
}

/* >>lists ----------------------------------------------------------------- */

/* An element that is there, and which of the list's places it stands at. */
typedef struct {
    int key;
    size_t item;
} model_element;

/* The event that inserted the element. */
static inline int model_insertion(const model *m, int list, int key)
{
    return bits_next(&m->at[list][key], 0);
}

/* The moves of the element that count. */
static inline bits model_moves(const view *v, int list, int key)
{
    bits some = latest_of(v, list, key, 1u << DO_MOVE | 1u << DO_REMOVE);
    return of_deed(v, &some, DO_MOVE);
}

/* The event that put the element where it stands, or would stand. */
static inline int model_stand(const view *v, int list, int key)
{
    bits moves = model_moves(v, list, key);
    int move = model_winner(v, &moves);
    return move < 0 ? model_insertion(v->m, list, key) : move;
}

/* The elements that are there, in order, with room for MODEL_PLACES. */
static inline size_t model_list(const view *v, int list, model_element *to)
{
    const text_list *places = &v->m->texts[list];
    int stands[MODEL_PLACES], key;
    size_t i, len = 0;
    for (key = 0; key < v->m->elements[list]; key++)
        stands[key] =
            model_key_visible(v, list, key) ? model_stand(v, list, key) : -1;
    for (i = 0; i < places->len; i++) {
        int number = v->m->chars[places->items[i].life.dot.seq - 1].event;
        key = v->m->events[number].key;
        if (stands[key] != number)
            continue;
        to[len].key = key;
        to[len++].item = i;
    }
    return len;
}

/* The index of the element, or -1. */
static inline int model_index(const view *v, int list, int key)
{
    model_element shown[MODEL_PLACES];
    int i = (int)model_list(v, list, shown) - 1;
    while (i >= 0 && shown[i].key != key)
        i--;
    return i;
}

/* The event's author puts its element where `at` others are there before it;
 * `v` has not seen it. */
static inline void model_put(model *m, const view *v, int number, size_t at)
{
    model_element shown[MODEL_PLACES];
    const event *e = &m->events[number];
    size_t len = model_list(v, e->node, shown), i, next = 0;
    for (i = 0; i < len && at > 0; i++)
        if (shown[i].key != e->key) {
            next = shown[i].item + 1;
            at--;
        }
    model_insert(m, v, number, next, 0);
}

#endif
