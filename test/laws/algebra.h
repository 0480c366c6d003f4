/*
 * model/algebra.py, driving real documents.
 *
 * Random replicas write, exchange deltas from arbitrary old cuts (as bytes;
 * lost, repeated, reordered), truncate at cuts agreed by a majority only, so
 * that some replica is always left behind, and come back under new ids. After
 * every step the one that changed must equal the oracle: an op is live iff it
 * has been seen and nothing seen has killed it.
 *
 * The history is the test's own: for each dot where it is, what it killed, and
 * whether it makes something live, found from what its writer could see. The
 * engine is asked only for what it did, never for why.
 *
 *     root   "a"                        plain keys
 *            "a rather long key"
 *            "m"   map       "x"
 *                            "n"  map   "y"
 *                            "c"  counter P
 *                  register  S          beside the map, at the same key
 *            "r"   register  R
 *                  counter   T          beside the register
 *            "c"   counter   Q
 */
#ifndef ALGEBRA_H
#define ALGEBRA_H

#include "../test.h"
#include "check_doc.h"

/* >>the document ---------------------------------------------------------- */

enum { /* entries */
       AT_A,
       AT_B,
       AT_M,
       AT_R,
       AT_C,
       AT_MX,
       AT_MN,
       AT_MC,
       AT_NY,
       AT_RV,
       AT_SV,
       AT_P, /* counters: additions, then resets */
       AT_PR,
       AT_Q,
       AT_QR,
       AT_T,
       AT_TR,
       ENTRIES
};

enum { /* objects; the children of an entry behind its object */
       ROOT,
       MAP_M,
       MAP_N,
       REG_R,
       REG_S,
       COUNT_P,
       COUNT_Q,
       COUNT_T,
       OBJECTS
};

typedef struct {
    int object;
    const char *key;
} place;

typedef struct {
    int entry;
    crdt_type type;
} thing;

static const place places[ENTRIES] = {
    { ROOT, "a" },    { ROOT, "a rather long key" },
    { ROOT, "m" },    { ROOT, "r" },
    { ROOT, "c" },    { MAP_M, "x" },
    { MAP_M, "n" },   { MAP_M, "c" },
    { MAP_N, "y" },   { REG_R, "" },
    { REG_S, "" },    { COUNT_P, "" },
    { COUNT_P, "r" }, { COUNT_Q, "" },
    { COUNT_Q, "r" }, { COUNT_T, "" },
    { COUNT_T, "r" },
};

static const thing things[OBJECTS] = {
    { -1, CRDT_MAP },        { AT_M, CRDT_MAP },      { AT_MN, CRDT_MAP },
    { AT_R, CRDT_REGISTER }, { AT_M, CRDT_REGISTER }, { AT_MC, CRDT_COUNTER },
    { AT_C, CRDT_COUNTER },  { AT_R, CRDT_COUNTER },
};

/* Masks, found once. */
static uint32_t scope_of[ENTRIES];    /* entries that die with it */
static uint32_t counters_of[ENTRIES]; /* objects that are reset with it */

static crdt_bytes key_of(int entry)
{
    return crdt_str(places[entry].key);
}

static int is_counter(int object)
{
    return things[object].type == CRDT_COUNTER;
}

/* The entry of a counter's additions; that of its resets is the next. */
static int additions_of(int object)
{
    int entry = AT_P;
    while (places[entry].object != object)
        entry++;
    return entry;
}

static void find_scopes(void)
{
    int e, o, up;
    for (e = 0; e < ENTRIES; e++) {
        scope_of[e] |= 1u << e;
        for (up = things[places[e].object].entry;
             up >= 0 && !is_counter(places[e].object);
             up = things[places[up].object].entry)
            scope_of[up] |= 1u << e;
    }
    for (o = 1; o < OBJECTS; o++)
        for (up = things[o].entry; is_counter(o) && up >= 0;
             up = things[places[up].object].entry)
            counters_of[up] |= 1u << o;
}

/* >>history --------------------------------------------------------------- */

enum {
    MAX_REPLICAS = 5,
    MAX_AUTHORS = 12,
    MAX_DOTS = 256,
    MAX_STEPS = 120,
    MAX_ENTRIES_LEFT = 16 /* dots that one write may take */
};

typedef struct {
    uint64_t w[MAX_DOTS / 64];
} set;

static int set_has(const set *s, int i)
{
    return (int)(s->w[i / 64] >> (i % 64) & 1);
}

static void set_add(set *s, int i)
{
    s->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static void set_join(set *a, const set *b)
{
    size_t i;
    for (i = 0; i < MAX_DOTS / 64; i++)
        a->w[i] |= b->w[i];
}

static int set_equal(const set *a, const set *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static int set_covers(const set *a, const set *b)
{
    size_t i;
    for (i = 0; i < MAX_DOTS / 64; i++)
        if (b->w[i] & ~a->w[i])
            return 0;
    return 1;
}

static int set_is_empty(const set *a)
{
    size_t i;
    for (i = 0; i < MAX_DOTS / 64; i++)
        if (a->w[i])
            return 0;
    return 1;
}

typedef struct {
    int author, entry;
    uint64_t seq, stamp;
    uint8_t kind, form;
    int64_t value; /* VALUE, ADD */
    set killed;
    set voided; /* RESET: additions */
} event;

/* A replica and what it has seen, told without asking the engine. */
typedef struct {
    crdt_doc *doc;
    int author;
    set seen;                    /* uncommitted ones too */
    uint64_t vv[MAX_AUTHORS];    /* committed */
    uint64_t written;            /* by the author */
    uint64_t acked[MAX_AUTHORS]; /* what the others know of it */
    uint64_t wall;
} member;

typedef struct {
    int to;
    set seen, base;
    uint64_t vv[MAX_AUTHORS];
    crdt_buf bytes;
} letter;

typedef struct {
    uint64_t seed, random, ids;
    int slow, step;
    const char *wrong;
    char text[200];
    event events[MAX_DOTS];
    int events_len, authors;
    crdt_id ids_of[MAX_AUTHORS];
    uint16_t dots[MAX_AUTHORS][MAX_DOTS + 1];
    member members[MAX_REPLICAS];
    int members_len;
    letter letters[MAX_STEPS];
    int letters_len, letters_made;
    crdt_buf a, b;
    crdt_vv vv;
    uint64_t now;
    crdt_alloc bump; /* one block for a whole seed: malloc takes time */
    uint8_t *block;
    size_t block_used;
} world;

enum { BLOCK = 4 << 20 };

static void *bump_resize(void *ctx, void *ptr, size_t old_size, size_t size)
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

/* The first thing that is wrong is what is told. */
static void say(world *w, const char *what)
{
    if (w->wrong)
        return;
    snprintf(w->text, sizeof w->text, "seed %llu step %d: %s",
             (unsigned long long)w->seed, w->step, what);
    w->wrong = w->text;
}

#define EXPECT(cond)                                                          \
    do {                                                                      \
        if (!(cond))                                                          \
            say(w, #cond);                                                    \
    } while (0)

static uint32_t below(world *w, uint32_t bound)
{
    return test_below(&w->random, bound);
}

static int percent(world *w, uint32_t chance)
{
    return below(w, 100) < chance;
}

/* >>the oracle ------------------------------------------------------------ */

static int event_creates(const event *e)
{
    return e->kind != CRDTI_REMOVE;
}

#define FOR_SET(i, s)                                                         \
    for (i = 0; i < w->events_len; i++)                                       \
        if (set_has(s, i))

static set oracle(const world *w, const set *seen)
{
    set dead, live;
    int i;
    memset(&dead, 0, sizeof dead);
    memset(&live, 0, sizeof live);
    FOR_SET(i, seen)
    set_join(&dead, &w->events[i].killed);
    FOR_SET(i, seen)
    if (event_creates(&w->events[i]) && !set_has(&dead, i))
        set_add(&live, i);
    return live;
}

/* What can be seen, counted by hand. */
typedef struct {
    set live, voided;
    uint32_t values;         /* entries with a live VALUE or CREATE */
    uint32_t creates;        /* objects with a live CREATE */
    uint32_t weighty;        /* objects with something below */
    uint32_t shown;          /* entries with something in it or below */
    uint32_t sizes[OBJECTS]; /* of maps: visible keys */
    int64_t totals[OBJECTS]; /* of counters */
} view;

static int creates_what(const event *e)
{
    int o = 1;
    while (things[o].entry != e->entry || things[o].type != (crdt_type)e->form)
        o++;
    return o;
}

static void view_counters(const world *w, const set *seen, view *v)
{
    int i;
    FOR_SET(i, seen)
    if (w->events[i].kind == CRDTI_RESET)
        set_join(&v->voided, &w->events[i].voided);
    FOR_SET(i, seen)
    {
        const event *e = &w->events[i];
        int object = places[e->entry].object;
        if (e->kind != CRDTI_ADD || set_has(&v->voided, i))
            continue;
        v->totals[object] += e->value;
        v->weighty |= 1u << object;
    }
}

/* Up from the deepest entry: an entry is shown for what is in it, an object
 * weighs for the entries it shows. */
static void view_climb(view *v)
{
    int e, o;
    v->shown = v->values;
    for (e = ENTRIES - 1; e >= 0; e--) {
        for (o = 1; o < OBJECTS; o++)
            if (things[o].entry == e && (v->weighty >> o & 1))
                v->shown |= 1u << e;
        o = places[e].object;
        if (!(v->shown >> e & 1) || is_counter(o))
            continue;
        v->weighty |= 1u << o;
        v->sizes[o]++;
    }
}

static view look(const world *w, const set *seen)
{
    view v;
    int i;
    memset(&v, 0, sizeof v);
    v.live = oracle(w, seen);
    FOR_SET(i, &v.live)
    {
        const event *e = &w->events[i];
        if (e->kind == CRDTI_VALUE || e->kind == CRDTI_CREATE)
            v.values |= 1u << e->entry;
        if (e->kind == CRDTI_CREATE)
            v.creates |= 1u << creates_what(e);
    }
    view_counters(w, seen, &v);
    view_climb(&v);
    return v;
}

static int is_visible(const view *v, int object)
{
    return (int)((v->weighty | v->creates) >> object & 1);
}

/* Live ops in the scope of the entry. */
static set in_scope(const world *w, const set *live, uint32_t scope)
{
    set found;
    int i;
    memset(&found, 0, sizeof found);
    FOR_SET(i, live)
    if (scope >> w->events[i].entry & 1)
        set_add(&found, i);
    return found;
}

/* >>where things are in the engine ---------------------------------------- */

/* The object's number, or 0. */
static uint32_t find_object(crdt_doc *doc, int object)
{
    uint32_t parent, entry;
    if (object == ROOT)
        return CRDTI_ROOT;
    parent = find_object(doc, places[things[object].entry].object);
    entry = parent
                ? crdti_entry_find(doc, parent, key_of(things[object].entry))
                : 0;
    return entry ? crdti_object_find(doc, entry, things[object].type) : 0;
}

static uint32_t find_entry(crdt_doc *doc, int entry)
{
    uint32_t object = find_object(doc, places[entry].object);
    return object ? crdti_entry_find(doc, object, key_of(entry)) : 0;
}

static const crdti_op *find_own(const crdt_doc *doc, uint64_t seq)
{
    uint32_t at = doc->replicas.ptr[doc->self].newest;
    while (at && crdti_op_at(doc, at)->seq > seq)
        at = crdti_op_at(doc, at)->older;
    return at && crdti_op_at(doc, at)->seq == seq ? crdti_op_at(doc, at)
                                                  : NULL;
}

/* >>telling the history --------------------------------------------------- */

static event *new_event(world *w, member *m, uint8_t kind, int entry)
{
    int i = w->events_len++;
    event *e = &w->events[i];
    memset(e, 0, sizeof *e);
    e->author = m->author;
    e->seq = ++m->written;
    e->kind = kind;
    e->entry = entry;
    w->dots[m->author][e->seq] = (uint16_t)i;
    set_add(&m->seen, i);
    return e;
}

/* What a reset kills and voids. */
static void tell_reset(world *w, member *m, const view *before,
                       const set *seen, int object)
{
    int entry = additions_of(object), i;
    event *e = new_event(w, m, CRDTI_RESET, entry + 1);
    e->killed = in_scope(w, &before->live, 1u << (entry + 1));
    FOR_SET(i, seen)
    if (w->events[i].kind == CRDTI_ADD && w->events[i].entry == entry)
        set_add(&e->voided, i);
}

/* One op over a scope, and the resets before it. `keys`: where it may be, as
 * the order in which a map is cleared is the engine's own. */
static int tell_scope(world *w, member *m, const view *before, const set *seen,
                      uint8_t kind, uint32_t keys)
{
    uint32_t reset = 0;
    const crdti_op *op = NULL;
    int e, o, found = -1;
    event *told;
    for (;;) {
        op = find_own(m->doc, m->written + 1);
        if (!op || op->kind != CRDTI_RESET)
            break;
        for (o = 1; o < OBJECTS; o++)
            if (is_counter(o) && find_object(m->doc, o) ==
                                     crdti_entry_at(m->doc, op->entry)->object)
                break;
        if (o == OBJECTS || reset >> o & 1) {
            say(w, "a reset that nobody asked for");
            return -1;
        }
        reset |= 1u << o;
        tell_reset(w, m, before, seen, o);
    }
    for (e = 0; e < ENTRIES && found < 0; e++) {
        set killed = in_scope(w, &before->live, scope_of[e]);
        if (!(keys >> e & 1) || reset != (counters_of[e] & before->weighty))
            continue;
        if (op ? op->entry == find_entry(m->doc, e)
               : kind == CRDTI_REMOVE && set_is_empty(&killed))
            found = e;
    }
    if (found < 0 || (op && op->kind != kind)) {
        say(w, "a write is not where it should be");
        return -1;
    }
    told = new_event(w, m, kind, found);
    told->killed = in_scope(w, &before->live, scope_of[found]);
    if (kind == CRDTI_REMOVE && op && set_is_empty(&told->killed))
        say(w, "a removal of nothing is remembered");
    if (op && kind != CRDTI_REMOVE) {
        int i;
        told->stamp = op->as.value.stamp;
        told->form = op->form;
        FOR_SET(i, &before->live)
        EXPECT(w->events[i].stamp < told->stamp);
    }
    return found;
}

/* Nothing else has been written. */
static void tell_end(world *w, const member *m)
{
    EXPECT(m->doc->written == m->written);
}

/* >>writing --------------------------------------------------------------- */

static void do_commit(world *w, member *m)
{
    EXPECT(crdt_commit(m->doc) == CRDT_OK);
    m->vv[m->author] = m->written;
}

/* A handle: of a container that is there, visible or not, or by asking for
 * it, which creates it when it is not visible. Null when that must fail. */
static crdt_obj reach(world *w, member *m, int object)
{
    crdt_obj up, got = crdti_obj(m->doc, find_object(m->doc, object));
    int entry = things[object].entry, o;
    view before;
    set seen;
    if (got.index && (object == ROOT || percent(w, 50)))
        return got;
    up = reach(w, m, places[entry].object);
    if (crdt_is_null(up))
        return up;
    before = look(w, &m->seen);
    seen = m->seen;
    if (things[object].type == CRDT_MAP)
        got = crdt_map_map(up, key_of(entry));
    else if (things[object].type == CRDT_REGISTER)
        got = crdt_map_register(up, key_of(entry));
    else
        got = crdt_map_counter(up, key_of(entry));
    if (is_visible(&before, object)) {
        EXPECT(!crdt_is_null(got) && got.index == find_object(m->doc, object));
        return got;
    }
    for (o = 1; o < OBJECTS; o++) {
        if (things[o].entry != entry || !is_visible(&before, o))
            continue;
        EXPECT(crdt_is_null(got) && crdt_doc_error(m->doc) == CRDT_ERR_TYPE);
        return got;
    }
    EXPECT(!crdt_is_null(got) && crdt_type_of(got) == things[object].type);
    if (tell_scope(w, m, &before, &seen, CRDTI_CREATE, 1u << entry) >= 0)
        EXPECT(w->events[w->events_len - 1].form ==
               (uint8_t)things[object].type);
    return got;
}

static void do_put(world *w, member *m, int entry)
{
    crdt_obj object = reach(w, m, places[entry].object);
    int64_t value = below(w, 4); /* few, so that equal ones meet */
    view before = look(w, &m->seen);
    set seen = m->seen;
    if (crdt_is_null(object))
        return;
    if (crdt_type_of(object) == CRDT_REGISTER)
        EXPECT(crdt_register_set(object, crdt_int(value)) == CRDT_OK);
    else
        EXPECT(crdt_map_put_int(object, key_of(entry), value) == CRDT_OK);
    if (tell_scope(w, m, &before, &seen, CRDTI_VALUE, 1u << entry) >= 0)
        w->events[w->events_len - 1].value = value;
}

/* A value that kills nothing, beside those of others. */
static void do_put_beside(world *w, member *m, int entry)
{
    crdt_obj object = reach(w, m, places[entry].object);
    crdti_op draft;
    event *e;
    if (crdt_is_null(object))
        return;
    memset(&draft, 0, sizeof draft);
    EXPECT(!crdti_write_reserve(m->doc, 1, 0));
    EXPECT(
        !crdti_entry_get(m->doc, object.index, key_of(entry), &draft.entry));
    if (crdti_own_op(m->doc, draft.entry))
        return; /* that it would have to kill */
    draft.kind = CRDTI_VALUE;
    draft.form = CRDT_INT;
    draft.as.value.as.integer = below(w, 4);
    draft.as.value.stamp = crdti_write_stamp(m->doc);
    crdti_write_file(m->doc, &draft);
    e = new_event(w, m, CRDTI_VALUE, entry);
    e->stamp = draft.as.value.stamp;
    e->form = CRDT_INT;
    e->value = draft.as.value.as.integer;
}

static void do_remove(world *w, member *m, int entry)
{
    crdt_obj object = reach(w, m, places[entry].object);
    view before = look(w, &m->seen);
    set seen = m->seen;
    crdt_err err;
    if (crdt_is_null(object))
        return;
    err = crdt_type_of(object) == CRDT_REGISTER
              ? crdt_register_clear(object)
              : crdt_map_remove(object, key_of(entry));
    EXPECT(err == (before.shown >> entry & 1 ? CRDT_OK : CRDT_ERR_NOT_FOUND));
    if (!err)
        tell_scope(w, m, &before, &seen, CRDTI_REMOVE, 1u << entry);
}

static void do_clear(world *w, member *m)
{
    int object = percent(w, 60) ? ROOT : percent(w, 50) ? MAP_M : MAP_N, e;
    crdt_obj map = reach(w, m, object);
    view before = look(w, &m->seen);
    set seen = m->seen;
    uint32_t keys = 0;
    if (crdt_is_null(map))
        return;
    for (e = 0; e < ENTRIES; e++)
        if (places[e].object == object && (before.shown >> e & 1))
            keys |= 1u << e;
    EXPECT(crdt_map_clear(map) == CRDT_OK);
    while (keys && !w->wrong) {
        e = tell_scope(w, m, &before, &seen, CRDTI_REMOVE, keys);
        keys &= e < 0 ? 0 : ~(1u << e);
    }
    EXPECT(w->wrong || crdt_map_size(map) == 0);
}

static void do_count(world *w, member *m)
{
    static const int counters[] = { COUNT_P, COUNT_Q, COUNT_T };
    int object = counters[below(w, 3)], entry = additions_of(object), i;
    crdt_obj counter = reach(w, m, object);
    view before = look(w, &m->seen);
    set seen = m->seen;
    int64_t amount = (int64_t)below(w, 21) - 10;
    event *e;
    if (crdt_is_null(counter))
        return;
    if (percent(w, 25)) {
        EXPECT(crdt_counter_reset(counter) == CRDT_OK);
        if (before.weighty >> object & 1)
            tell_reset(w, m, &before, &seen, object);
        return;
    }
    if (percent(w, 10))
        amount *= INT64_C(1) << 40;
    EXPECT(crdt_counter_add(counter, amount) == CRDT_OK);
    if (!amount)
        return;
    e = new_event(w, m, CRDTI_ADD, entry);
    e->value = amount;
    FOR_SET(i, &before.live)
    if (w->events[i].kind == CRDTI_ADD && w->events[i].entry == entry &&
        w->events[i].author == m->author)
        set_add(&e->killed, i);
}

static void do_write(world *w, member *m)
{
    uint32_t dice = below(w, 100);
    int entry = (int)below(w, AT_P);
    if (w->events_len > MAX_DOTS - MAX_ENTRIES_LEFT)
        return;
    if (dice < 30)
        do_put(w, m, entry);
    else if (dice < 42)
        do_put_beside(w, m, entry);
    else if (dice < 62)
        do_remove(w, m, entry);
    else if (dice < 70)
        do_clear(w, m);
    else if (dice < 78)
        reach(w, m, 1 + (int)below(w, OBJECTS - 1));
    else
        do_count(w, m);
    tell_end(w, m);
    if (percent(w, 70))
        do_commit(w, m);
}

/* >>exchanging ------------------------------------------------------------ */

static void set_vector(world *w, const uint64_t *vv)
{
    int a;
    crdt_vv_clear(&w->vv);
    for (a = 0; a < w->authors; a++)
        if (vv[a])
            EXPECT(!crdt_vv_set(&w->vv, &w->ids_of[a], vv[a]));
}

/* The dots that a vector of the engine names. */
static set vector_dots(world *w, const crdt_vv *vv)
{
    set s;
    size_t i;
    uint64_t seq;
    memset(&s, 0, sizeof s);
    for (i = 0; i < vv->len; i++)
        for (seq = 1; seq <= vv->entries[i].seq; seq++)
            set_add(&s, w->dots[vv->entries[i].replica.b[15]][seq]);
    return s;
}

/* The base is what was asked for, as far as we have it, or nothing. */
static void check_range(world *w, const member *m, const uint64_t *since,
                        letter *l)
{
    crdt_vv from = CRDT_VV_INIT, to = CRDT_VV_INIT;
    uint64_t clipped[MAX_AUTHORS];
    int a;
    set want;
    for (a = 0; a < w->authors; a++)
        clipped[a] = crdti_min(since[a], m->vv[a]);
    set_vector(w, clipped);
    want = vector_dots(w, &w->vv);
    EXPECT(!crdt_delta_range(crdt_buf_bytes(&l->bytes), &from, &to));
    l->base = vector_dots(w, &from);
    EXPECT(from.len == 0 || set_equal(&l->base, &want));
    want = vector_dots(w, &to);
    EXPECT(set_equal(&want, &m->seen));
    crdt_vv_free(&from);
    crdt_vv_free(&to);
}

/* Writes a letter; `since` may hold what the writer does not have. */
static letter *write_letter(world *w, member *m, int to, const uint64_t *since)
{
    letter *l = &w->letters[w->letters_len];
    uint64_t asked[MAX_AUTHORS];
    memcpy(asked, since, sizeof asked); /* it may be our own */
    set_vector(w, asked);
    if (m->vv[m->author] != m->written) {
        EXPECT(crdt_delta(m->doc, &w->vv, &l->bytes) == CRDT_ERR_UNCOMMITTED);
        do_commit(w, m);
    }
    l->to = to;
    l->bytes.len = 0;
    l->seen = m->seen;
    memcpy(l->vv, m->vv, sizeof l->vv);
    EXPECT(crdt_delta(m->doc, &w->vv, &l->bytes) == CRDT_OK);
    check_range(w, m, asked, l);
    return l;
}

static void do_send(world *w, member *m)
{
    int to = (int)below(w, (uint32_t)w->members_len);
    if (w->letters_len == MAX_STEPS)
        return;
    write_letter(w, m, to,
                 percent(w, 50) ? w->members[to].vv : w->members[to].acked);
    w->letters_len++;
}

static void do_join(world *w, member *m, const letter *l)
{
    int a, open = m->written != m->vv[m->author];
    set committed = m->seen;
    uint64_t seq;
    crdt_err err = crdt_join(m->doc, crdt_buf_bytes(&l->bytes));
    for (seq = m->vv[m->author] + 1; open && seq <= m->written; seq++)
        committed.w[w->dots[m->author][seq] / 64] &=
            ~(UINT64_C(1) << w->dots[m->author][seq] % 64);
    EXPECT(err ==
           (set_covers(&committed, &l->base) ? CRDT_OK : CRDT_ERR_CAUSAL));
    if (err)
        return;
    set_join(&m->seen, &l->seen);
    for (a = 0; a < w->authors; a++)
        m->vv[a] = crdti_max(m->vv[a], l->vv[a]);
}

/* A letter arrives; it may be lost afterwards, or come again. */
static int do_receive(world *w)
{
    int at = (int)below(w, (uint32_t)w->letters_len);
    letter l = w->letters[at];
    member *m = &w->members[l.to];
    do_join(w, m, &l);
    memcpy(m->acked, m->vv, sizeof m->acked);
    if (percent(w, 70)) {
        w->letters[at] = w->letters[--w->letters_len];
        w->letters[w->letters_len] = l; /* its buffer is used again */
    }
    return l.to;
}

/* Forgets up to what a majority has: somebody is left behind. */
static void do_truncate(world *w, member *m)
{
    uint64_t cut[MAX_AUTHORS];
    int i, a;
    /* Ours is in it, whether the cut says so or not. */
    for (a = 0; a < MAX_AUTHORS; a++)
        cut[a] = w->step & 1 ? CRDTSYNC_MAX_SEQ : m->vv[a];
    for (i = 0; i < w->members_len; i++)
        for (a = 0; percent(w, 75) && a < w->authors; a++)
            cut[a] = crdti_min(cut[a], w->members[i].vv[a]);
    set_vector(w, cut);
    EXPECT(crdt_truncate(m->doc, &w->vv) == CRDT_OK);
}

static void do_reincarnate(world *w, member *m)
{
    crdt_id id;
    if (w->authors == MAX_AUTHORS)
        return;
    if (m->written != m->vv[m->author]) {
        EXPECT(crdt_doc_reincarnate(m->doc) == CRDT_ERR_UNCOMMITTED);
        do_commit(w, m);
    }
    EXPECT(crdt_doc_reincarnate(m->doc) == CRDT_OK);
    id = crdt_doc_replica(m->doc);
    m->author = id.b[15];
    m->written = 0;
}

/* >>checking -------------------------------------------------------------- */

/* Says which dots of `a` are not in `b`. */
static void say_difference(world *w, const member *m, const set *a,
                           const set *b, const char *what)
{
    char text[120];
    int i;
    FOR_SET(i, a)
    {
        const event *e = &w->events[i];
        if (set_has(b, i))
            continue;
        snprintf(text, sizeof text,
                 "replica %d: %s: %c.%llu, a %d at entry %d",
                 (int)(m - w->members), what, 'a' + e->author,
                 (unsigned long long)e->seq, e->kind, e->entry);
        say(w, text);
    }
}

static void check_live(world *w, const member *m, const set *want)
{
    set got;
    size_t i;
    memset(&got, 0, sizeof got);
    for (i = 0; i < m->doc->replicas.len; i++) {
        const crdti_replica *r = &m->doc->replicas.ptr[i];
        int author = r->id.b[15];
        uint32_t at;
        EXPECT(r->seq == m->vv[author]);
        for (at = r->oldest; at; at = crdti_op_at(m->doc, at)->newer) {
            const crdti_op *op = crdti_op_at(m->doc, at);
            if (crdti_op_is_alive(op))
                set_add(&got, w->dots[author][op->seq]);
        }
    }
    say_difference(w, m, &got, want, "a dead op is alive");
    say_difference(w, m, want, &got, "a live op is missing");
}

static void check_counters(world *w, const member *m, const view *v)
{
    int o;
    for (o = COUNT_P; o < OBJECTS; o++) {
        uint32_t object = find_object(m->doc, o);
        int64_t got = 0;
        if (object)
            EXPECT(!crdt_counter_get(crdti_obj(m->doc, object), &got));
        EXPECT(got == v->totals[o]);
    }
}

/* What is read at a key: the latest of the live, or a container. */
static void check_key(world *w, const member *m, const view *v, int entry)
{
    crdt_obj map =
        crdti_obj(m->doc, find_object(m->doc, places[entry].object));
    int shown = (int)(v->shown >> entry & 1), i, best = -1, o;
    crdt_value value;
    crdt_err err;
    if (!map.index) {
        EXPECT(!shown);
        return;
    }
    if (crdt_type_of(map) == CRDT_REGISTER) {
        err = crdt_register_get(map, &value);
    } else {
        err = crdt_map_get(map, key_of(entry), &value);
        EXPECT(crdt_map_has(map, key_of(entry)) == shown);
        for (o = 1; o < OBJECTS; o++)
            EXPECT(things[o].entry != entry ||
                   crdt_is_null(
                       crdt_map_find(map, key_of(entry), things[o].type)) !=
                       is_visible(v, o));
    }
    EXPECT(err == (shown ? CRDT_OK : CRDT_ERR_NOT_FOUND));
    FOR_SET(i, &v->live)
    {
        const event *e = &w->events[i];
        const event *b = best < 0 ? NULL : &w->events[best];
        if (e->entry != entry)
            continue;
        if (!b || e->stamp > b->stamp ||
            (e->stamp == b->stamp &&
             crdt_id_compare(&w->ids_of[e->author], &w->ids_of[b->author]) >
                 0))
            best = i;
    }
    if (!shown || w->wrong)
        return;
    if (best >= 0 && w->events[best].kind == CRDTI_VALUE)
        EXPECT(value.kind == CRDT_INT &&
               value.as.integer == w->events[best].value);
    else if (best >= 0)
        EXPECT(value.kind == CRDT_OBJECT &&
               value.as.object.index ==
                   find_object(m->doc, creates_what(&w->events[best])));
    else
        EXPECT(value.kind == CRDT_OBJECT && value.as.object.index);
}

/* Size, walk and "has" agree with each other and with the view. */
static void check_map_face(world *w, const member *m, const view *v,
                           int object)
{
    crdt_obj map = crdti_obj(m->doc, find_object(m->doc, object));
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    uint32_t count = 0;
    if (!map.index) {
        EXPECT(v->sizes[object] == 0);
        return;
    }
    EXPECT(crdt_map_size(map) == v->sizes[object]);
    while (!crdt_map_next(map, &cursor)) {
        EXPECT(crdt_map_has(map, cursor.key));
        count++;
    }
    EXPECT(count == v->sizes[object]);
}

static void check_slowly(world *w, const member *m, const view *v)
{
    const char *wrong = check_doc(m->doc);
    int i;
    if (wrong)
        say(w, wrong);
    for (i = 0; i < AT_P; i++)
        check_key(w, m, v, i);
    check_map_face(w, m, v, ROOT);
    check_map_face(w, m, v, MAP_M);
    check_map_face(w, m, v, MAP_N);
}

static void check_canonical(world *w, const member *m, const member *other)
{
    if (m->written != m->vv[m->author] ||
        other->written != other->vv[other->author])
        return;
    w->a.len = w->b.len = 0;
    EXPECT(crdt_canonical(m->doc, &w->a) == CRDT_OK);
    EXPECT(crdt_canonical(other->doc, &w->b) == CRDT_OK);
    EXPECT(crdt_bytes_equal(crdt_buf_bytes(&w->a), crdt_buf_bytes(&w->b)));
}

static void check_member(world *w, const member *m)
{
    view v;
    int i;
    crdt_digest a = crdt_doc_digest(m->doc), b;
    v = look(w, &m->seen);
    check_live(w, m, &v.live);
    check_counters(w, m, &v);
    if (w->slow)
        check_slowly(w, m, &v);
    for (i = 0; i < w->members_len; i++) {
        const member *other = &w->members[i];
        if (other == m || !set_equal(&other->seen, &m->seen))
            continue;
        b = crdt_doc_digest(other->doc);
        EXPECT(a.hi == b.hi && a.lo == b.lo);
        if (w->slow)
            check_canonical(w, m, other);
    }
}

/* >>a run ----------------------------------------------------------------- */

static uint64_t world_wall(void *ctx)
{
    world *w = (world *)ctx;
    /* Coarse, so that stamps are often equal; and each clock is off. */
    return 1000000000 + w->now / 4 + test_below(&w->ids, 3) * 1000;
}

static crdt_err world_fill(void *ctx, void *out, size_t len)
{
    world *w = (world *)ctx;
    uint8_t *bytes = (uint8_t *)out;
    size_t i;
    for (i = 0; i < len; i++)
        bytes[i] = (uint8_t)test_random(&w->ids);
    if (len != sizeof(crdt_id) || w->authors == MAX_AUTHORS)
        return CRDT_OK;
    bytes[15] = (uint8_t)w->authors;
    memcpy(w->ids_of[w->authors++].b, bytes, 16);
    return CRDT_OK;
}

static void begin(world *w, uint64_t seed, int slow)
{
    crdt_config config;
    crdt_clock clock;
    crdt_random random;
    int i;
    memset(&config, 0, sizeof config);
    w->seed = seed;
    w->random = seed * 2 + 1;
    w->ids = ~seed;
    w->slow = slow;
    w->step = w->events_len = w->authors = w->letters_len = 0;
    w->wrong = NULL;
    w->now = 0;
    w->block_used = 0;
    clock.version = random.version = w->bump.version = 1;
    clock.ctx = random.ctx = w->bump.ctx = w;
    w->bump.resize = bump_resize;
    clock.wall_ms = clock.mono_ms = world_wall;
    random.fill = world_fill;
    config.clock = &clock;
    config.random = &random;
    config.alloc = slow ? NULL : &w->bump; /* malloc tells the sanitizer */
    w->members_len = 2 + (int)below(w, MAX_REPLICAS - 1);
    memset(w->members, 0, sizeof w->members);
    for (i = 0; i < w->members_len; i++) {
        EXPECT(!crdt_doc_new(&w->members[i].doc, &config));
        w->members[i].author = i;
    }
}

static void one_step(world *w)
{
    member *m = &w->members[below(w, (uint32_t)w->members_len)];
    uint32_t dice = below(w, 100);
    w->now++;
    if (dice < 45)
        do_write(w, m);
    else if (dice < 70)
        do_send(w, m);
    else if (dice < 95 && w->letters_len)
        m = &w->members[do_receive(w)];
    else if (dice < 99)
        do_truncate(w, m);
    else
        do_reincarnate(w, m);
    if (!w->wrong)
        check_member(w, m);
}

/* When everyone has told everyone, all are equal, and when all know that,
 * there is nothing left to remember but what is live. */
static void finish(world *w)
{
    int round, i, k;
    crdt_stats stats;
    for (round = 0; round < 2; round++)
        for (i = 0; i < w->members_len && !w->wrong; i++)
            for (k = 0; k < w->members_len && !w->wrong; k++) {
                w->letters_len = 0;
                if (i == k)
                    continue;
                do_join(w, &w->members[k],
                        write_letter(w, &w->members[i], k, w->members[k].vv));
                if (!w->wrong)
                    check_member(w, &w->members[k]);
            }
    for (i = 0; i < w->members_len && !w->wrong; i++) {
        member *m = &w->members[i];
        set_vector(w, m->vv);
        EXPECT(set_equal(&m->seen, &w->members[0].seen));
        EXPECT(crdt_truncate(m->doc, &w->vv) == CRDT_OK);
        crdt_doc_stats(m->doc, &stats);
        EXPECT(stats.kills == 0 && stats.removals == 0);
        check_member(w, m);
        check_canonical(w, m, &w->members[0]);
    }
}

/* NULL, or what is wrong. */
static const char *run_seed(world *w, uint64_t seed, int slow)
{
    int i, steps;
    begin(w, seed, slow);
    steps = 10 + (int)below(w, MAX_STEPS - 9);
    for (w->step = 0; w->step < steps && !w->wrong; w->step++)
        one_step(w);
    if (!w->wrong)
        finish(w);
    for (i = 0; i < w->members_len && slow; i++)
        crdt_doc_free(w->members[i].doc);
    return w->wrong;
}

static world *world_new(void)
{
    world *w = (world *)calloc(1, sizeof *w);
    if (!w)
        exit(1);
    w->block = (uint8_t *)malloc(BLOCK);
    if (!w->block)
        exit(1);
    find_scopes();
    return w;
}

static void world_free(world *w)
{
    int i;
    for (i = 0; i < MAX_STEPS; i++)
        crdt_buf_free(&w->letters[i].bytes);
    crdt_buf_free(&w->a);
    crdt_buf_free(&w->b);
    crdt_vv_free(&w->vv);
    free(w->block);
    free(w);
}

#endif
