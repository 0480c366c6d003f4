/*
 * Every short history of every type, not some: three replicas, up to four
 * writes (CRDT_DEPTH) of a handful, and every past that a write may have.
 *
 *     step     a replica joins older or newer states of the other two, then
 *              writes and commits
 *     past     per replica, how many of its steps have been seen
 *
 *     0: add x     1: (0) remove x     0: remove the set above     2: (1, 1)..
 *
 * A replica can be sent any state that another was in after a step, so every
 * causal history of that many writes has such a word. It has several, that
 * differ in the order of steps which do not know each other; only that where
 * no replica follows a greater one that it has not seen is walked: whoever
 * sorts its neighbours gets there. Replicas are not taken for each other, as
 * equal stamps are decided by their ids.
 *
 * After a step its writer must show what the model says; then the three meet
 * in every way: each joins the other two in both orders, shows what the model
 * says after each, and in the end the same digest and canonical bytes.
 */
#define MODEL_EVENTS 64
#include "planted.h"

#include "reads.h"
#include "world.h"
#include "writes.h"

enum { REPLICAS = 3, DEPTH_MAX = 4, ROOM = 128 << 10, SAVES = 3 * DEPTH_MAX };

/* >>memory that can be put back ------------------------------------------- */

/* All that a document takes; the block that was taken last can be given back,
 * so that what an encoder borrows leaves nothing. */
typedef struct {
    size_t used;
    uint8_t bytes[ROOM];
} room;

static void *room_resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    room *r = (room *)ctx;
    size_t old = (old_size + 15) / 16 * 16, need = (size + 15) / 16 * 16;
    uint8_t *at = (uint8_t *)ptr, *top = r->bytes + r->used;
    if (at && at + old == top)
        r->used -= old;
    if (!size)
        return NULL;
    if (r->used + need > ROOM) {
        r->used = (size_t)(top - r->bytes);
        return NULL;
    }
    top = r->bytes + r->used;
    r->used += need;
    if (at && at != top)
        memcpy(top, at, old_size < size ? old_size : size);
    return top;
}

/* >>what a replica does --------------------------------------------------- */

typedef struct action {
    const char *name;
    void (*run)(world *w, writing *x, const struct action *action);
    int node; /* 0: the root; 1: what it is about; 2: a counter in it */
    int key;
    int64_t amount;
} action;

static void put(world *w, writing *x, const action *a)
{
    write_map_put(w, x, a->key, a->amount);
}

static void take_away(world *w, writing *x, const action *a)
{
    write_map_remove(w, x, a->key);
}

static void assign(world *w, writing *x, const action *a)
{
    write_register_set(w, x, a->amount);
}

static void unassign(world *w, writing *x, const action *a)
{
    (void)a;
    write_register_clear(w, x);
}

static void count(world *w, writing *x, const action *a)
{
    write_counter_add(w, x, a->amount);
}

static void reset(world *w, writing *x, const action *a)
{
    (void)a;
    write_counter_reset(w, x);
}

static void earn(world *w, writing *x, const action *a)
{
    write_bounded(w, x, DO_ADD, a->amount, 0);
}

static void spend(world *w, writing *x, const action *a)
{
    write_bounded(w, x, DO_TAKE, a->amount, 0);
}

static void hand_on(world *w, writing *x, const action *a)
{
    write_bounded(w, x, DO_HAND, a->amount, (x->m->author + 1) % REPLICAS);
}

static void raise_to(world *w, writing *x, const action *a)
{
    write_extreme(w, x, a->amount);
}

static void turn(world *w, writing *x, const action *a)
{
    write_flag(w, x, (int)a->amount);
}

static void insert(world *w, writing *x, const action *a)
{
    write_set_add(w, x, a->key);
}

static void withdraw(world *w, writing *x, const action *a)
{
    write_set_remove(w, x, a->key);
}

static void empty(world *w, writing *x, const action *a)
{
    (void)a;
    write_set_clear(w, x);
}

/* In the place of `key` characters, as far as they are there: at the end for
 * less than 0. */
static void type(world *w, writing *x, const action *a)
{
    size_t len = x->before.weight[x->node];
    size_t at = a->key < 0 ? len : 0, deleted;
    uint32_t codes[TYPED_MAX];
    int64_t i;
    deleted = a->key < 0 ? 0 : crdti_min_size((size_t)a->key, len);
    for (i = 0; i < a->amount; i++)
        codes[i] = any_code(w, (int)i);
    write_text(w, x, CRDT_UTF8, at, deleted, codes, (size_t)a->amount);
}

/* Two elements, so that one can be moved. */
static void put_two_in(world *w, writing *x, const action *a)
{
    write_list_insert(w, x, 0, a->amount);
    x->before = model_look(&w->m, &x->m->seen);
    write_list_insert(w, x, 1, a->amount + 1);
}

static void put_counter_in(world *w, writing *x, const action *a)
{
    (void)a;
    write_list_container(w, x, x->before.weight[x->node], CRDT_COUNTER);
}

/* What is done with the first, when there is one. */
static void assign_first(world *w, writing *x, const action *a)
{
    if (x->before.weight[x->node])
        write_list_set(w, x, 0, a->amount);
}

static void delete_first(world *w, writing *x, const action *a)
{
    (void)a;
    if (x->before.weight[x->node])
        write_list_delete(w, x, 0, 1);
}

/* So that the others do something to what was moved. */
static void move_last(world *w, writing *x, const action *a)
{
    size_t len = x->before.weight[x->node];
    (void)a;
    if (len > 1)
        write_list_move(w, x, len - 1, 0);
}

enum { PLACE = 1, SHORT = 1, LONG = 3, AT_END = -1, ALL = 1000 };

/* clang-format off */
#define ABOVE { "remove above", take_away, 0, PLACE, 0 }
#define END { NULL, NULL, 0, 0, 0 }
#define ADD_SHORT { "add", insert, 1, SHORT, 0 }
#define ADD_LONG { "add another", insert, 1, LONG, 0 }
#define REMOVE { "remove", withdraw, 1, SHORT, 0 }
#define CLEAR { "clear", empty, 1, 0, 0 }

static const action of_map[] = {
    { "put", put, 1, 0, 0 }, { "put another", put, 1, 0, 1 },
    { "count at the key", count, 2, 0, 5 }, { "remove", take_away, 1, 0, 0 },
    { "put above", put, 0, PLACE, 2 }, ABOVE, END };
static const action of_register[] = {
    { "set", assign, 1, 0, 0 }, { "set another", assign, 1, 0, 1 },
    { "clear", unassign, 1, 0, 0 }, ABOVE, END };
static const action of_counter[] = {
    { "add 5", count, 1, 0, 5 }, { "take 3", count, 1, 0, -3 },
    { "reset", reset, 1, 0, 0 }, ABOVE, END };
static const action of_gcounter[] = {
    { "add 5", count, 1, 0, 5 }, { "add 3", count, 1, 0, 3 },
    { "put above", put, 0, PLACE, 2 }, ABOVE, END };
static const action of_bounded[] = {
    { "add 5", earn, 1, 0, 5 }, { "take 3", spend, 1, 0, 3 },
    { "hand on 1", hand_on, 1, 0, 1 }, ABOVE, END };
static const action of_extreme[] = {
    { "set 0", raise_to, 1, 0, 0 }, { "set 1", raise_to, 1, 0, 1 },
    { "set 2", raise_to, 1, 0, 2 }, ABOVE, END };
static const action of_flag[] = {
    { "set", turn, 1, 0, 1 }, { "unset", turn, 1, 0, 0 }, ABOVE, END };
static const action of_set[] = {
    ADD_SHORT, ADD_LONG, REMOVE, CLEAR, ABOVE, END };
static const action of_gset[] = { ADD_SHORT, ADD_LONG, ABOVE, END };
static const action of_text[] = {
    { "type", type, 1, 0, 1 }, { "type at the end", type, 1, AT_END, 2 },
    { "delete the first", type, 1, 1, 0 },
    { "delete all", type, 1, ALL, 0 }, ABOVE, END };

static const action of_list[] = {
    { "insert two", put_two_in, 1, 0, 0 },
    { "insert a counter last", put_counter_in, 1, 0, 0 },
    { "count in it", count, 2, 0, 5 },
    { "set the first", assign_first, 1, 0, 2 },
    { "move the last before the first", move_last, 1, 0, 0 },
    { "delete the first", delete_first, 1, 0, 0 }, ABOVE, END };

/* By type. */
static const action *const all_actions[CRDT_TYPE_COUNT] = {
    NULL,       of_map,     of_register, of_counter, of_gcounter, of_bounded,
    of_extreme, of_extreme, of_flag,     of_flag,    of_set,      of_set,
    of_gset,    of_set,     of_set,      of_set,     of_text,
    of_list };
/* clang-format on */

/* >>the walk -------------------------------------------------------------- */

typedef struct {
    int writer;
    int past[REPLICAS]; /* how many steps of each, its own included */
    const action *what;
    bits seen;
    crdt_buf state, delta; /* all; and what this step did, for its past */
} step;

typedef struct {
    member m;
    room memory;
} saved;

/* How a walk goes. */
enum {
    BY_DELTA = 1,  /* joins what is missing, not whole states */
    BY_HANDLE = 2, /* writes by handles of old, the container gone or not */
    SKEWED = 4,    /* clocks are off */
    FORGETFUL = 8  /* replica 0 at once forgets removals, before any other */
};
static const int modes[] = { 0, BY_DELTA | BY_HANDLE | SKEWED,
                             BY_DELTA | FORGETFUL };
enum { MODES = sizeof modes / sizeof *modes };

typedef struct {
    world *w;
    const action *actions;
    int depth, mode;
    room rooms[REPLICAS];
    crdt_alloc allocs[REPLICAS];
    int known[REPLICAS][REPLICAS]; /* by whom, of whose steps, how many */
    step steps[DEPTH_MAX];
    int len;
    saved saves[SAVES];
    int saves_len;
    uint64_t histories;
    crdt_buf news;
} walk;

static void room_copy(room *to, const room *from)
{
    memcpy(to->bytes, from->bytes, from->used);
    to->used = from->used;
}

static void save(walk *k, int r)
{
    saved *s = &k->saves[k->saves_len++];
    s->m = k->w->members[r];
    room_copy(&s->memory, &k->rooms[r]);
}

static void put_back(walk *k, int r)
{
    const saved *s = &k->saves[k->saves_len - 1];
    k->w->members[r] = s->m;
    room_copy(&k->rooms[r], &s->memory);
}

/* >>joining --------------------------------------------------------------- */

/* The n-th step of the replica. */
static const step *step_of(const walk *k, int r, int n)
{
    const step *s = k->steps;
    while (s->writer != r || s->past[r] != n)
        s++;
    return s;
}

/* Who has seen these has seen what they had seen. */
static int is_closed(const walk *k, const int *past)
{
    int r, q;
    for (r = 0; r < REPLICAS; r++) {
        const step *s = past[r] ? step_of(k, r, past[r]) : NULL;
        for (q = 0; s && q < REPLICAS; q++)
            if (s->past[q] > past[q])
                return 0;
    }
    return 1;
}

static void join(walk *k, int r, const crdt_buf *bytes)
{
    world *w = k->w;
    EXPECT(!crdt_join(w->members[r].doc, crdt_buf_bytes(bytes)));
}

/* What the other has now and this one lacks. */
static void join_news(walk *k, int r, int from)
{
    world *w = k->w;
    EXPECT(!crdt_doc_vv(w->members[r].doc, &w->vv));
    k->news.len = 0;
    save(k, from); /* an encoder may leave some of its room taken */
    EXPECT(!crdt_delta(w->members[from].doc, &w->vv, &k->news));
    put_back(k, from);
    k->saves_len--;
    join(k, r, &k->news);
}

/* Of those who have gone on since: each step that is missing, in order. */
static void join_deltas(walk *k, int r, const int *past)
{
    int i;
    for (i = 0; i < REPLICAS; i++)
        if (past[i] > k->known[r][i] && past[i] == k->known[i][i])
            join_news(k, r, i);
    for (i = 0; i < k->len; i++) {
        const step *s = &k->steps[i];
        int n = s->past[s->writer];
        if (n > k->known[r][s->writer] && n <= past[s->writer] &&
            past[s->writer] != k->known[s->writer][s->writer])
            join(k, r, &s->delta);
    }
}

static void join_states(walk *k, int r, const int *past)
{
    int q;
    for (q = 0; q < REPLICAS; q++)
        if (past[q] > k->known[r][q])
            join(k, r, &step_of(k, q, past[q])->state);
}

static void join_past(walk *k, int r, const int *past, int by_delta)
{
    member *m = &k->w->members[r];
    int q;
    k->w->skew = k->mode & SKEWED ? (uint64_t)(REPLICAS - r) : 0;
    if (by_delta)
        join_deltas(k, r, past);
    else
        join_states(k, r, past);
    for (q = 0; q < REPLICAS; q++)
        if (past[q])
            bits_join(&m->seen, &step_of(k, q, past[q])->seen);
    m->done = m->seen;
}

/* >>meeting --------------------------------------------------------------- */

static void read_member(walk *k, int r)
{
    const member *m = &k->w->members[r];
    read_document(k->w, m->doc, m->held, &m->seen);
}

/* The first of all says what the others must be. */
static void check_end(walk *k, int r, int is_first, crdt_digest *digest)
{
    world *w = k->w;
    crdt_doc *doc = w->members[r].doc;
    crdt_digest d = crdt_doc_digest(doc);
    crdt_buf *to = is_first ? &w->a : &w->b;
    to->len = 0;
    EXPECT(!crdt_canonical(doc, to));
    if (is_first)
        *digest = d;
    EXPECT(digest->hi == d.hi && digest->lo == d.lo);
    EXPECT(is_first ||
           crdt_bytes_equal(crdt_buf_bytes(&w->a), crdt_buf_bytes(&w->b)));
}

/* The replica joins one of the others, then the other; the way of it takes
 * turns. */
static void check_order(walk *k, int order, crdt_digest *digest)
{
    int r = order / 2, way = order % 2, i;
    int past[REPLICAS];
    save(k, r);
    memcpy(past, k->known[r], sizeof past);
    for (i = 1; i < REPLICAS && !k->w->wrong; i++) {
        int other = (r + (way ? REPLICAS - i : i)) % REPLICAS, q;
        for (q = 0; q < REPLICAS; q++)
            if (k->known[other][q] > past[q])
                past[q] = k->known[other][q];
        join_past(k, r, past, way ^ (k->mode & BY_DELTA));
        read_member(k, r);
    }
    if (!k->w->wrong)
        check_end(k, r, order == 0, digest);
    put_back(k, r);
    k->saves_len--;
}

static void check_meeting(walk *k)
{
    crdt_digest digest = { 0, 0 };
    int order;
    for (order = 0; order < 2 * REPLICAS && !k->w->wrong; order++)
        check_order(k, order, &digest);
}

/* >>stepping -------------------------------------------------------------- */

static crdt_obj walk_reach(walk *k, member *m, int node)
{
    crdt_obj up;
    if (node == 0)
        return crdt_root(m->doc);
    if (k->mode & BY_HANDLE && !crdt_is_null(m->held[node]))
        return m->held[node];
    up = walk_reach(k, m, k->w->m.nodes[node].parent);
    return crdt_is_null(up) || k->w->wrong ? up
                                           : get_or_create(k->w, m, up, node);
}

static void act(walk *k, member *m, const action *a)
{
    writing x;
    x.m = m;
    x.node = a->node;
    if (x.node >= k->w->m.nodes_len)
        return; /* it is made by another action */
    x.obj = walk_reach(k, m, a->node);
    if (crdt_is_null(x.obj) || k->w->wrong)
        return;
    x.before = model_look(&k->w->m, &m->seen);
    x.written = m->doc->written;
    a->run(k->w, &x, a);
}

static void forget(world *w, const member *m)
{
    EXPECT(!crdt_doc_vv(m->doc, &w->vv));
    EXPECT(!crdt_truncate(m->doc, &w->vv));
}

/* What others may join of it, now and later. */
static void write_down(walk *k, int r, const action *a)
{
    world *w = k->w;
    member *m = &w->members[r];
    step *s = &k->steps[k->len++];
    k->known[r][r]++;
    s->writer = r;
    memcpy(s->past, k->known[r], sizeof s->past);
    s->what = a;
    s->seen = m->seen;
    s->state.len = s->delta.len = 0;
    EXPECT(!crdt_delta(m->doc, &w->vv, &s->delta));
    if (k->mode & FORGETFUL && r == 0)
        forget(w, m);
    EXPECT(!crdt_delta(m->doc, NULL, &s->state));
}

static void walk_on(walk *k);

/* One that writes nothing is no step. */
static void try_action(walk *k, int r, const action *a)
{
    world *w = k->w;
    member *m = &w->members[r];
    uint64_t written = m->doc->written;
    EXPECT(!crdt_doc_vv(m->doc, &w->vv));
    act(k, m, a);
    if (w->wrong || m->doc->written == written)
        return;
    do_commit(w, m);
    write_down(k, r, a);
    k->histories++;
    read_member(k, r);
    check_meeting(k);
    if (k->len < k->depth && !w->wrong)
        walk_on(k);
    if (w->wrong)
        return; /* the steps say how it came to it */
    k->len--;
    k->known[r][r]--;
}

static void try_past(walk *k, int r, const int *past)
{
    world *w = k->w;
    int known[REPLICAS], events = w->m.events_len;
    const action *a;
    save(k, r);
    join_past(k, r, past, k->mode & BY_DELTA);
    memcpy(known, k->known[r], sizeof known);
    memcpy(k->known[r], past, sizeof known);
    save(k, r);
    for (a = k->actions; a->name && !w->wrong; a++) {
        w->step = k->len;
        try_action(k, r, a);
        model_forget(&w->m, events);
        put_back(k, r);
    }
    k->saves_len--;
    put_back(k, r);
    k->saves_len--;
    memcpy(k->known[r], known, sizeof known);
}

/* Steps that do not know each other are taken in one order. */
static int is_sorted(const walk *k, int r, const int *past)
{
    const step *last = k->len ? &k->steps[k->len - 1] : NULL;
    return !last || r >= last->writer ||
           past[last->writer] == last->past[last->writer];
}

static void walk_on(walk *k)
{
    int r, past[REPLICAS];
    for (r = 0; r < REPLICAS; r++) {
        int a = (r + 1) % REPLICAS, b = (r + 2) % REPLICAS;
        past[r] = k->known[r][r];
        for (past[a] = k->known[r][a]; past[a] <= k->known[a][a]; past[a]++)
            for (past[b] = k->known[r][b]; past[b] <= k->known[b][b];
                 past[b]++)
                if (!k->w->wrong && is_closed(k, past) &&
                    is_sorted(k, r, past))
                    try_past(k, r, past);
    }
}

/* >>one type -------------------------------------------------------------- */

static void open_member(walk *k, int r)
{
    world *w = k->w;
    member *m = &w->members[r];
    memset(m, 0, sizeof *m);
    k->rooms[r].used = 0;
    k->allocs[r].version = 1;
    k->allocs[r].ctx = &k->rooms[r];
    k->allocs[r].resize = room_resize;
    m->doc = doc_new_in(w, &k->allocs[r]);
    m->author = w->m.authors++;
    w->m.ids[r] = crdt_doc_replica(m->doc);
}

static void open_world(walk *k, crdt_type type)
{
    static const int values[MODEL_KEYS] = { 4, 7, 14, 18 };
    world *w = k->w;
    int r, i;
    w->wrong = NULL;
    w->ids = 1;
    model_begin(&w->m);
    i = model_node_get(&w->m, 0, PLACE, type);
    if (type == CRDT_MAP)
        model_node_get(&w->m, i, 0, CRDT_COUNTER);
    for (i = 0; i < MODEL_KEYS; i++)
        w->values[i] = value_at(values[i]);
    for (r = 0; r < REPLICAS; r++)
        open_member(k, r);
}

static const char *run(walk *k, crdt_type type, int depth, int mode)
{
    k->actions = all_actions[type];
    k->depth = depth;
    k->mode = mode;
    k->len = k->saves_len = 0;
    memset(k->known, 0, sizeof k->known);
    open_world(k, type);
    walk_on(k);
    return k->w->wrong;
}

static void print_steps(const walk *k)
{
    int i;
    for (i = 0; i < k->len; i++) {
        const step *s = &k->steps[i];
        printf("    replica %d, past %d %d %d: %s\n", s->writer,
               s->past[0] - (s->writer == 0), s->past[1] - (s->writer == 1),
               s->past[2] - (s->writer == 2), s->what->name);
    }
}

static walk *walk_new(void)
{
    walk *k = (walk *)calloc(1, sizeof *k);
    if (!k)
        exit(1);
    k->w = world_new();
    return k;
}

static void walk_free(walk *k)
{
    int i;
    for (i = 0; i < DEPTH_MAX; i++) {
        crdt_buf_free(&k->steps[i].state);
        crdt_buf_free(&k->steps[i].delta);
    }
    crdt_buf_free(&k->news);
    world_free(k->w);
    free(k);
}

TEST(every_short_history_equals_the_model)
{
    int depth = (int)crdti_min(test_env("CRDT_DEPTH", 3), DEPTH_MAX);
    walk *k = walk_new();
    int type, i;
    for (type = 1; type < CRDT_TYPE_COUNT; type++)
        for (i = 0; i < MODES; i++) {
            const char *wrong = run(k, (crdt_type)type, depth, modes[i]);
            CHECK(!wrong);
            if (wrong) {
                printf("%s\n", wrong);
                print_steps(k);
            }
        }
    printf("%llu histories\n", (unsigned long long)k->histories);
    walk_free(k);
}

/* >>planted bugs ---------------------------------------------------------- */

/* What found it, or NULL. A rule of the algebra is looked for in sets. */
static const char *hunt(walk *k, const bug *b)
{
    crdti_type table[CRDT_TYPE_COUNT];
    crdt_type type = b->type ? b->type : CRDT_AW_SET;
    const char *found = NULL;
    int depth, i;
    plant(table, b);
    k->w->types = table;
    k->histories = 0;
    for (depth = 1; depth <= DEPTH_MAX && !found; depth++)
        for (i = 0; i < MODES && !found; i++)
            found = run(k, type, depth, modes[i]);
    k->w->types = NULL;
    left_out = NO_RULE;
    return found;
}

TEST(every_planted_bug_is_found)
{
    walk *k = walk_new();
    int i;
    for (i = 0; i < BUGS; i++) {
        const char *found = hunt(k, &bugs[i]);
        printf("%-10s %-34s %7d  %d steps\n", crdt_type_name(bugs[i].type),
               bugs[i].what, (int)k->histories, k->len);
        CHECK(found);
    }
    walk_free(k);
}

TEST_MAIN(CASE(every_short_history_equals_the_model),
          CASE(every_planted_bug_is_found))
