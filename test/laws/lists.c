/*
 * Random histories of lists against a model: replicas insert, set, move and
 * delete, remove the whole list and make it anew, send each other what they
 * lack, or everything; removals are forgotten, and replicas begin again from
 * the bytes of others, or all of them from canonical bytes. Whatever happens,
 * they must read what the model says.
 *
 *     positions   text_model.h: one for each insertion and each move
 *     ops         VALUEs and MOVEs of elements, the CREATE of the list; who
 *                 has seen an op, and nothing that killed it, has it
 *     winner      of an element's VALUEs, and of its MOVEs: by stamp, then by
 *                 replica
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "../test.h"
#include "check_doc.h"
#include "origins.h"
#define TEXT_AUTHORS 20
#include "text_model.h"

enum { MEMBERS = 4, MAX_OPS = 4000, MAX_SHOWN = 400 };
enum { OP_VALUE, OP_MOVE, OP_CREATE };

typedef struct {
    int kind;
    text_life life;
    text_dot element;
    uint64_t stamp;
    int64_t value;
} model_op;

typedef struct {
    crdt_doc *doc;
    crdt_obj list;
    uint32_t author;    /* by replica id */
    text_vv seen, done; /* done: committed */
} member;

typedef struct {
    uint64_t random, now;
    member members[MEMBERS];
    int count;
    uint32_t authors;
    text_list positions;
    model_op ops[MAX_OPS];
    size_t ops_len;
    size_t shown[MAX_SHOWN]; /* places in `positions` */
    const model_op *values[MAX_SHOWN];
    size_t shown_len;
    int64_t next_value;
    int has_forgotten, has_swept; /* somebody */
    const char *wrong;
} world;

#define EXPECT(cond)                                                          \
    do {                                                                      \
        if (!(cond) && !w->wrong)                                             \
            w->wrong = #cond;                                                 \
    } while (0)

static uint32_t below(world *w, size_t bound)
{
    return test_below(&w->random, (uint32_t)bound);
}

static int percent(world *w, uint32_t n)
{
    return below(w, 100) < n;
}

/* >>model ------------------------------------------------------------------ */

static model_op *tell(world *w, member *m, int kind, text_dot dot)
{
    model_op *op = &w->ops[w->ops_len++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->life = text_born(dot);
    op->stamp = m->doc->hlc.last;
    return op;
}

/* All of that kind that is seen in the element dies. */
static void tell_killed(world *w, const text_vv *seen, int kind,
                        text_dot element, text_dot killer)
{
    size_t i;
    for (i = 0; i < w->ops_len; i++) {
        model_op *op = &w->ops[i];
        if (op->kind == kind && text_same(op->element, element) &&
            text_seen(seen, op->life.dot))
            text_kill(&op->life, killer);
    }
}

static void tell_all_killed(world *w, const text_vv *seen, text_dot killer)
{
    size_t i;
    for (i = 0; i < w->ops_len; i++)
        if (text_seen(seen, w->ops[i].life.dot))
            text_kill(&w->ops[i].life, killer);
}

static const model_op *winner(const world *w, const text_vv *seen, int kind,
                              text_dot element)
{
    const model_op *best = NULL;
    size_t i;
    for (i = 0; i < w->ops_len; i++) {
        const model_op *op = &w->ops[i];
        if (op->kind != kind || !text_same(op->element, element) ||
            !text_alive(&op->life, seen))
            continue;
        if (!best || op->stamp > best->stamp ||
            (op->stamp == best->stamp &&
             op->life.dot.author > best->life.dot.author))
            best = op;
    }
    return best;
}

static int is_alive(const world *w, const text_vv *seen, int kind,
                    text_dot dot)
{
    size_t i;
    for (i = 0; i < w->ops_len; i++)
        if (w->ops[i].kind == kind && text_same(w->ops[i].life.dot, dot))
            return text_alive(&w->ops[i].life, seen);
    return 0;
}

/* Of which element the position is. */
static text_dot element_at(const world *w, text_dot position)
{
    size_t i;
    for (i = 0; i < w->ops_len; i++)
        if (w->ops[i].kind == OP_MOVE &&
            text_same(w->ops[i].life.dot, position))
            return w->ops[i].element;
    return position;
}

/* What the replica reads. */
static void look(world *w, const text_vv *seen)
{
    size_t i;
    w->shown_len = 0;
    for (i = 0; i < w->positions.len; i++) {
        text_dot at = w->positions.items[i].life.dot;
        text_dot element = element_at(w, at);
        const model_op *value = winner(w, seen, OP_VALUE, element);
        const model_op *move = winner(w, seen, OP_MOVE, element);
        if (!value || !text_same(move ? move->life.dot : element, at))
            continue;
        w->values[w->shown_len] = value;
        w->shown[w->shown_len++] = i;
    }
}

static int is_shown(const world *w, size_t place)
{
    size_t i;
    for (i = 0; i < w->shown_len; i++)
        if (w->shown[i] == place)
            return 1;
    return 0;
}

/* The place of what the document says is right of it. */
static size_t right_told(world *w, const member *m, size_t next, text_dot dot)
{
    crdt_dot right;
    text_dot told;
    if (!right_of_own(m->doc, m->list, dot.seq, &right))
        return w->positions.len;
    told.author = right.replica.b[0] - 1u;
    told.seq = (uint32_t)right.seq;
    for (; next < w->positions.len &&
           !text_same(w->positions.items[next].life.dot, told);
         next++)
        EXPECT(!is_shown(w, next));
    return next;
}

/* A new position behind the first `at` that are shown, one left out. */
static void put_position(world *w, const member *m, size_t at, size_t except,
                         text_dot dot)
{
    const text_vv *seen = &m->seen;
    text_item item;
    size_t next = 0;
    memset(&item, 0, sizeof item);
    if (at > 0) {
        size_t left = at - 1 + (except < at);
        next = w->shown[left] + 1;
        item.left = w->positions.items[next - 1].life.dot;
    }
    while (next < w->positions.len &&
           (!text_seen(seen, w->positions.items[next].life.dot) ||
            text_same(w->positions.items[next].life.dot, dot)))
        next++;
    if (w->has_forgotten)
        next = right_told(w, m, next, dot);
    if (next < w->positions.len)
        item.right = w->positions.items[next].life.dot;
    item.life = text_born(dot);
    text_add(&w->positions, &item);
}

static int list_is_visible(world *w, const text_vv *seen)
{
    text_dot none = { 0, 0 };
    look(w, seen);
    return w->shown_len || winner(w, seen, OP_CREATE, none);
}

/* >>calls ------------------------------------------------------------------ */

static void do_insert(world *w, member *m)
{
    size_t at = below(w, w->shown_len + 1), n = 1 + below(w, 5);
    for (; n > 0 && w->shown_len < MAX_SHOWN - 1; n--) {
        model_op *op;
        text_dot dot;
        EXPECT(!crdt_list_insert(m->list, at, crdt_int(w->next_value)));
        dot = text_vv_next(&m->seen, m->author);
        put_position(w, m, at, SIZE_MAX, dot);
        op = tell(w, m, OP_VALUE, dot);
        op->element = dot;
        op->value = w->next_value++;
        look(w, &m->seen);
        at += percent(w, 80) ? 1 : 0;
    }
}

static void do_set(world *w, member *m, size_t at)
{
    text_dot element = w->values[at]->element, dot;
    model_op *op;
    EXPECT(!crdt_list_set(m->list, at, crdt_int(w->next_value)));
    dot = text_vv_next(&m->seen, m->author);
    tell_killed(w, &m->seen, OP_VALUE, element, dot);
    op = tell(w, m, OP_VALUE, dot);
    op->element = element;
    op->value = w->next_value++;
}

static void do_move(world *w, member *m, size_t from)
{
    text_dot element = w->values[from]->element, dot;
    size_t to =
        percent(w, 30) ? (from + 1) % w->shown_len : below(w, w->shown_len);
    EXPECT(!crdt_list_move(m->list, from, to));
    if (from == to)
        return;
    dot = text_vv_next(&m->seen, m->author);
    put_position(w, m, to, from, dot);
    tell_killed(w, &m->seen, OP_MOVE, element, dot);
    tell(w, m, OP_MOVE, dot)->element = element;
}

static void do_delete(world *w, member *m, size_t at)
{
    text_dot element = w->values[at]->element, dot;
    int is_moved = winner(w, &m->seen, OP_MOVE, element) != NULL;
    EXPECT(!crdt_list_delete(m->list, at, 1));
    dot = text_vv_next(&m->seen, m->author);
    tell_killed(w, &m->seen, OP_VALUE, element, dot);
    if (!is_moved)
        return;
    dot = text_vv_next(&m->seen, m->author);
    tell_killed(w, &m->seen, OP_MOVE, element, dot);
}

static void do_remove(world *w, member *m)
{
    int is_there = list_is_visible(w, &m->seen);
    crdt_err err = crdt_map_remove(crdt_root(m->doc), CRDT_STR("list"));
    EXPECT(err == (is_there ? CRDT_OK : CRDT_ERR_NOT_FOUND));
    if (is_there)
        tell_all_killed(w, &m->seen, text_vv_next(&m->seen, m->author));
}

/* A handle; it may be of a list that is gone, or make it anew. */
static void reach(world *w, member *m)
{
    text_dot dot;
    int is_there = list_is_visible(w, &m->seen);
    if (m->list.doc && percent(w, 50))
        return;
    m->list = crdt_map_list(crdt_root(m->doc), CRDT_STR("list"));
    EXPECT(!crdt_is_null(m->list));
    if (is_there)
        return;
    dot = text_vv_next(&m->seen, m->author);
    tell_all_killed(w, &m->seen, dot);
    tell(w, m, OP_CREATE, dot);
}

static void do_write(world *w, member *m)
{
    uint32_t dice = below(w, 100);
    size_t at;
    if (w->ops_len + 16 > MAX_OPS)
        return;
    if (dice < 2) {
        do_remove(w, m);
        return;
    }
    reach(w, m);
    look(w, &m->seen);
    if (dice < 35 || !w->shown_len) {
        do_insert(w, m);
        return;
    }
    at = percent(w, 30) ? w->shown_len / 2 : below(w, w->shown_len);
    if (dice < 50)
        do_set(w, m, at);
    else if (dice < 80)
        do_move(w, m, at);
    else
        do_delete(w, m, at);
}

/* >>reading ---------------------------------------------------------------- */

static void check_reads(world *w, const member *m)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    crdt_value found;
    crdt_obj list;
    size_t i;
    look(w, &m->seen);
    if (crdt_map_get(crdt_root(m->doc), CRDT_STR("list"), &found)) {
        EXPECT(!w->shown_len);
        return;
    }
    list = found.as.object;
    EXPECT(crdt_list_len(list) == w->shown_len);
    for (i = 0; i < w->shown_len; i++) {
        EXPECT(!crdt_list_next(list, &cursor));
        EXPECT(cursor.value.as.integer == w->values[i]->value);
    }
    EXPECT(crdt_list_next(list, &cursor) == CRDT_ERR_NOT_FOUND);
    for (i = 0; i < 3 && w->shown_len; i++) {
        size_t at = below(w, w->shown_len);
        EXPECT(!crdt_list_get(list, at, &found));
        EXPECT(found.as.integer == w->values[at]->value);
    }
}

/* >>replicas --------------------------------------------------------------- */

static uint64_t the_time(void *ctx)
{
    return *(const uint64_t *)ctx;
}

static crdt_doc *doc_new(world *w, uint32_t author)
{
    crdt_config config;
    crdt_clock clock;
    crdt_id id;
    crdt_doc *doc = NULL;
    memset(&config, 0, sizeof config);
    memset(&id, 0, sizeof id);
    id.b[0] = (uint8_t)(author + 1);
    clock.version = 1;
    clock.ctx = &w->now;
    clock.wall_ms = clock.mono_ms = the_time;
    config.clock = &clock;
    config.replica = &id;
    EXPECT(!crdt_doc_new(&doc, &config));
    return doc;
}

static void do_commit(world *w, member *m)
{
    EXPECT(!crdt_commit(m->doc));
    m->done = m->seen;
}

/* What names what is swept comes with all there is. */
static void send(world *w, member *from, member *to, int whole)
{
    crdt_buf delta = CRDT_BUF_INIT;
    crdt_vv since = CRDT_VV_INIT;
    crdt_err err;
    do_commit(w, from);
    if (!whole)
        EXPECT(!crdt_doc_vv(to->doc, &since));
    EXPECT(!crdt_delta(from->doc, &since, &delta));
    err = crdt_join(to->doc, crdt_buf_bytes(&delta));
    if (err == CRDT_ERR_FORGOTTEN && w->has_swept) {
        delta.len = 0;
        EXPECT(!crdt_delta(from->doc, NULL, &delta));
        err = crdt_join(to->doc, crdt_buf_bytes(&delta));
    }
    EXPECT(!err);
    text_vv_merge(&to->seen, &from->seen);
    crdt_vv_free(&since);
    crdt_buf_free(&delta);
}

/* Forgets what all members have applied. */
static void do_truncate(world *w, member *m)
{
    crdt_vv cut = CRDT_VV_INIT;
    text_vv all = w->members[0].done;
    uint32_t i;
    for (i = 1; i < (uint32_t)w->count; i++)
        all = text_vv_both(&all, &w->members[i].done);
    for (i = 0; i < w->authors; i++) {
        crdt_id id;
        memset(&id, 0, sizeof id);
        id.b[0] = (uint8_t)(i + 1);
        EXPECT(!crdt_vv_set(&cut, &id, all.of[i]));
    }
    EXPECT(!crdt_truncate(m->doc, &cut));
    crdt_vv_free(&cut);
    w->has_forgotten = 1;
}

/* Sweeps, though the others may not have truncated as far. */
static void do_sweep(world *w, member *m)
{
    crdt_vv floor = CRDT_VV_INIT;
    EXPECT(!crdt_doc_floor(m->doc, &floor));
    EXPECT(!crdt_sweep(m->doc, &floor));
    crdt_vv_free(&floor);
    w->has_swept = 1;
}

/* Begins again, as another replica, with what somebody has. */
static void do_restart(world *w, member *m, member *from)
{
    if (w->authors == TEXT_AUTHORS || from == m)
        return;
    do_commit(w, m);
    send(w, m, from, 0);
    crdt_doc_free(m->doc);
    memset(m, 0, sizeof *m);
    m->author = w->authors++;
    m->doc = doc_new(w, m->author);
    send(w, from, m, 1);
}

/* All that anyone has, everyone has. */
static void meet_all(world *w)
{
    int i, k;
    for (k = 0; k < 2; k++)
        for (i = 1; i < w->count; i++) {
            send(w, &w->members[i], &w->members[0], 0);
            send(w, &w->members[0], &w->members[i], 0);
        }
}

/* Positions that canonical bytes hold: of elements that are there. In what
 * they say nothing is behind or before what they do not hold. */
static void forget_positions(world *w, const text_vv *seen)
{
    size_t i, left = 0;
    for (i = 0; i < w->positions.len; i++) {
        text_item *item = &w->positions.items[left];
        text_dot element = element_at(w, w->positions.items[i].life.dot);
        *item = w->positions.items[i];
        memset(&item->left, 0, sizeof item->left);
        memset(&item->right, 0, sizeof item->right);
        left += winner(w, seen, OP_VALUE, element) &&
                (text_same(element, item->life.dot) ||
                 is_alive(w, seen, OP_MOVE, item->life.dot));
    }
    w->positions.len = left;
}

/* All begin again, as other replicas, with the canonical bytes. */
static void do_fresh(world *w)
{
    crdt_buf bytes = CRDT_BUF_INIT;
    int i;
    if (w->authors + (uint32_t)w->count > TEXT_AUTHORS)
        return;
    meet_all(w);
    EXPECT(!crdt_canonical(w->members[0].doc, &bytes));
    forget_positions(w, &w->members[0].seen);
    for (i = 0; i < w->count; i++) {
        member *m = &w->members[i];
        crdt_doc_free(m->doc);
        m->author = w->authors++;
        m->doc = doc_new(w, m->author);
        memset(&m->list, 0, sizeof m->list);
        EXPECT(!crdt_join(m->doc, crdt_buf_bytes(&bytes)));
    }
    crdt_buf_free(&bytes);
}

static int same_state(world *w, crdt_doc *a, crdt_doc *b)
{
    crdt_buf x = CRDT_BUF_INIT, y = CRDT_BUF_INIT;
    crdt_digest p = crdt_doc_digest(a), q = crdt_doc_digest(b);
    int equal;
    EXPECT(!crdt_canonical(a, &x));
    EXPECT(!crdt_canonical(b, &y));
    equal = crdt_bytes_equal(crdt_buf_bytes(&x), crdt_buf_bytes(&y));
    EXPECT(p.hi == q.hi && p.lo == q.lo);
    crdt_buf_free(&x);
    crdt_buf_free(&y);
    return equal;
}

/* The bytes that are compared are a document too. */
static void check_canonical(world *w, const member *m)
{
    crdt_buf bytes = CRDT_BUF_INIT;
    member copy;
    memset(&copy, 0, sizeof copy);
    copy.seen = m->seen;
    copy.doc = doc_new(w, 100);
    EXPECT(!crdt_canonical(m->doc, &bytes));
    EXPECT(!crdt_join(copy.doc, crdt_buf_bytes(&bytes)));
    EXPECT(same_state(w, copy.doc, m->doc));
    check_reads(w, &copy);
    crdt_buf_free(&bytes);
    crdt_doc_free(copy.doc);
}

static void do_step(world *w, int slow)
{
    member *m = &w->members[below(w, (size_t)w->count)];
    member *other = &w->members[below(w, (size_t)w->count)];
    uint32_t dice = below(w, 100);
    w->now += below(w, 2);
    if (dice < 70)
        do_write(w, m);
    else if (dice < 75)
        do_commit(w, m);
    else if (dice < 96 && m != other)
        send(w, other, m, percent(w, 15));
    else if (dice < 97)
        do_truncate(w, m);
    else if (dice < 98)
        do_sweep(w, m);
    else if (dice == 98)
        do_restart(w, m, other);
    else if (percent(w, 30))
        do_fresh(w);
    check_reads(w, m);
    if (slow && !w->wrong)
        w->wrong = check_doc(m->doc);
}

static void finish(world *w)
{
    int i;
    meet_all(w);
    for (i = 0; i < w->count; i++) {
        check_reads(w, &w->members[i]);
        EXPECT(same_state(w, w->members[i].doc, w->members[0].doc));
        if (!w->wrong)
            w->wrong = check_doc(w->members[i].doc);
        do_truncate(w, &w->members[i]);
        do_sweep(w, &w->members[i]);
        check_reads(w, &w->members[i]);
        if (!w->wrong)
            w->wrong = check_doc(w->members[i].doc);
    }
    check_canonical(w, &w->members[0]);
}

/* >>seeds ------------------------------------------------------------------ */

static world *world_new(void)
{
    return (world *)calloc(1, sizeof(world));
}

static void world_free(world *w)
{
    free(w);
}

static const char *run_seed(world *w, uint64_t seed, int slow)
{
    int i, steps;
    memset(w, 0, sizeof *w);
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->now = UINT64_C(1700000000000);
    w->count = 2 + (int)below(w, MEMBERS - 1);
    steps = 20 + (int)below(w, percent(w, 20) ? 400 : 80);
    for (i = 0; i < w->count; i++) {
        w->members[i].author = w->authors++;
        w->members[i].doc = doc_new(w, w->members[i].author);
    }
    for (i = 0; i < steps && !w->wrong; i++)
        do_step(w, slow);
    if (!w->wrong)
        finish(w);
    for (i = 0; i < w->count; i++)
        crdt_doc_free(w->members[i].doc);
    text_free(&w->positions);
    return w->wrong;
}

#include "seeds.h"

TEST(random_histories)
{
    CHECK_INT(run_seeds(500), 0);
}

TEST_MAIN(CASE(random_histories))
