/*
 * One write to a document, at random; the model is told what it must have
 * done, and what the call answers is what the model makes of its past.
 */
#ifndef WRITES_H
#define WRITES_H

#include "origins.h"
#include "world.h"

/* >>writing --------------------------------------------------------------- */

/* The stamp that the engine gave to the write of a moment ago: later than all
 * that stood at its place. */
static inline void tell_stamp(world *w, const member *m, const view *before,
                              crdt_obj obj, event *e)
{
    int moves = e->what == DO_MOVE, i;
    uint8_t bytes[CRDTI_MOVES_KEY];
    crdti_element element;
    crdt_bytes key = crdt_bytes_of(NULL, 0);
    uint32_t entry, op;
    bits over = moves ? model_moves(before, e->node, e->key)
                      : latest(before, e->node, e->key);
    if (model_is(before, e->node, CRDT_LIST))
        key = element_key(w, e->node, e->key, moves, bytes);
    else if (model_is(before, e->node, CRDT_MAP))
        key = key_at(e->key);
    else if (CRDTI_LWW_SETS >> w->m.nodes[e->node].type & 1) {
        EXPECT(!crdti_element_encode(&w->values[e->key], &element));
        key = crdti_element_key(&element);
    }
    entry = crdti_entry_find(m->doc, obj.index, key);
    op = entry ? crdti_own_op(m->doc, entry) : 0;
    EXPECT_OF(e->node, op != 0);
    if (!op)
        return;
    e->stamp = crdti_op_at(m->doc, op)->as.value.stamp;
    FOR_BITS(i, &over)
    EXPECT_OF(e->node, w->m.events[i].stamp < e->stamp);
}

/* Who removes what is above a bounded counter takes what it owns. */
static inline void tell_takes(world *w, member *m, const view *before,
                              int node, int key)
{
    int n;
    for (n = 1; n < w->m.nodes_len; n++) {
        int64_t own;
        if (!model_is(before, n, CRDT_BOUNDED) ||
            !(w->m.below[node][key] >> n & 1))
            continue;
        own = model_rights(before, n, m->author);
        if (!own)
            continue;
        bits_add(&m->seen, w->m.events_len);
        model_tell(&w->m, DO_TAKE, m->author, n, 0, &before->seen)->amount =
            own;
    }
}

static inline event *tell(world *w, member *m, const view *before, deed what,
                          int node, int key, int64_t amount)
{
    event *e;
    if (model_holds(before, node) && what != DO_MOVE)
        tell_takes(w, m, before, node, key);
    bits_add(&m->seen, w->m.events_len);
    e = model_tell(&w->m, what, m->author, node, key, &before->seen);
    e->amount = amount;
    return e;
}

/* Nothing else may have been written. */
static inline void tell_written(world *w, const member *m, int node,
                                uint64_t before, int something)
{
    EXPECT_OF(node, (m->doc->written != before) == (something != 0));
}

static inline void do_commit(world *w, member *m)
{
    EXPECT(crdt_commit(m->doc) == CRDT_OK);
    m->done = m->seen;
}

static inline crdt_obj null_obj(void)
{
    crdt_obj none;
    memset(&none, 0, sizeof none);
    return none;
}

/* The container in an element of a list, where it is shown. */
static inline crdt_obj get_from_list(world *w, member *m, crdt_obj up,
                                     int node)
{
    const model_node *n = &w->m.nodes[node];
    view before = model_look(&w->m, &m->seen);
    bits versions = model_versions(&before, n->parent, n->key);
    int at = model_index(&before, n->parent, n->key);
    int winner = model_winner(&before, &versions);
    int hidden = winner >= 0 && w->m.events[winner].what == DO_SET;
    crdt_obj got;
    if (at < 0)
        return null_obj();
    got = crdt_list_object(up, (size_t)at);
    EXPECT_OF(node, crdt_is_null(got) == hidden);
    EXPECT_OF(node,
              crdt_doc_error(m->doc) == (hidden ? CRDT_ERR_TYPE : CRDT_OK));
    EXPECT_OF(node, hidden || crdt_type_of(got) == n->type);
    m->held[node] = got;
    return got;
}

/* Asks for the container, which creates it when it is not visible; null when
 * there is one of another type. */
static inline crdt_obj get_or_create(world *w, member *m, crdt_obj up,
                                     int node)
{
    const model_node *n = &w->m.nodes[node];
    view before = model_look(&w->m, &m->seen);
    uint64_t written = m->doc->written;
    int there = model_visible(&before, node);
    int other = !there && model_container(&before, n->parent, n->key) >= 0;
    crdt_obj got;
    if (model_is(&before, n->parent, CRDT_LIST))
        return get_from_list(w, m, up, node);
    got = crdt_map_object(up, key_at(n->key), n->type);
    tell_written(w, m, node, written, !there && !other);
    EXPECT_OF(node, crdt_is_null(got) == other);
    if (other) {
        EXPECT_OF(node, crdt_doc_error(m->doc) == CRDT_ERR_TYPE);
        return got;
    }
    EXPECT_OF(node, crdt_type_of(got) == n->type);
    if (!there && !w->wrong)
        tell_stamp(w, m, &before, up,
                   tell(w, m, &before, DO_CREATE, n->parent, n->key,
                        (int64_t)n->type));
    m->held[node] = got;
    return got;
}

/* A handle: one of old, of a container that may be gone; or a fresh one. */
static inline crdt_obj reach(world *w, member *m, int node)
{
    crdt_obj up;
    if (node == 0)
        return crdt_root(m->doc);
    if (!crdt_is_null(m->held[node]) && percent(w, 50))
        return m->held[node];
    up = reach(w, m, w->m.nodes[node].parent);
    return crdt_is_null(up) || w->wrong ? up : get_or_create(w, m, up, node);
}

/* What a write needs to know. */
typedef struct {
    member *m;
    crdt_obj obj;
    int node;
    view before;
    uint64_t written;
} writing;

static inline event *did(world *w, const writing *x, deed what, int key,
                         int64_t amount)
{
    return tell(w, x->m, &x->before, what, x->node, key, amount);
}

static inline void did_stamped(world *w, const writing *x, deed what, int key,
                               int64_t amount)
{
    tell_stamp(w, x->m, &x->before, x->obj, did(w, x, what, key, amount));
}

/* >>one write of each type ------------------------------------------------ */

static inline void write_map_put(world *w, writing *x, int key, int64_t value)
{
    EXPECT(!crdt_map_put(x->obj, key_at(key), w->values[value]));
    did_stamped(w, x, DO_SET, key, value);
}

static inline void write_map_remove(world *w, writing *x, int key)
{
    int there = model_key_visible(&x->before, x->node, key);
    EXPECT(crdt_map_remove(x->obj, key_at(key)) ==
           (there ? CRDT_OK : CRDT_ERR_NOT_FOUND));
    if (there)
        did(w, x, DO_REMOVE, key, 0);
    tell_written(w, x->m, x->node, x->written, there);
}

static inline void write_map_clear(world *w, writing *x)
{
    int i;
    EXPECT(!crdt_map_clear(x->obj));
    for (i = 0; i < MODEL_KEYS; i++)
        if (model_key_visible(&x->before, x->node, i))
            did(w, x, DO_REMOVE, i, 0);
}

static inline void write_map(world *w, writing *x)
{
    int key = (int)below(w, MODEL_KEYS);
    int64_t value = below(w, MODEL_KEYS);
    uint32_t dice = below(w, 100);
    if (dice < 35)
        write_map_put(w, x, key, value);
    else if (dice < 90)
        write_map_remove(w, x, key);
    else
        write_map_clear(w, x);
}

static inline void write_register_set(world *w, writing *x, int64_t value)
{
    EXPECT(!crdt_register_set(x->obj, w->values[value]));
    did_stamped(w, x, DO_SET, 0, value);
}

static inline void write_register_clear(world *w, writing *x)
{
    int there = x->before.weight[x->node] != 0;
    EXPECT(crdt_register_clear(x->obj) ==
           (there ? CRDT_OK : CRDT_ERR_NOT_FOUND));
    tell_written(w, x->m, x->node, x->written, there);
    if (there)
        did(w, x, DO_REMOVE, 0, 0);
}

static inline void write_register(world *w, writing *x)
{
    int64_t value = below(w, MODEL_KEYS);
    if (percent(w, 75))
        write_register_set(w, x, value);
    else
        write_register_clear(w, x);
}

static inline void write_extreme(world *w, writing *x, int64_t value)
{
    int64_t now = model_extreme(&x->before, x->node);
    int is_max = model_is(&x->before, x->node, CRDT_MAX);
    int changes = now < 0 || (is_max ? value > now : value < now);
    EXPECT(!(is_max ? crdt_max_set : crdt_min_set)(x->obj, w->values[value]));
    tell_written(w, x->m, x->node, x->written, changes);
    if (changes)
        did_stamped(w, x, DO_SET, 0, value);
}

static inline void write_counter_reset(world *w, writing *x)
{
    int grows = model_is(&x->before, x->node, CRDT_GCOUNTER);
    int there = x->before.weight[x->node] && !grows;
    EXPECT(crdt_counter_reset(x->obj) == (grows ? CRDT_ERR_TYPE : CRDT_OK));
    tell_written(w, x->m, x->node, x->written, there);
    if (there)
        did(w, x, DO_REMOVE, 0, 0);
}

static inline void write_counter_add(world *w, writing *x, int64_t amount)
{
    int grows = model_is(&x->before, x->node, CRDT_GCOUNTER);
    int refused = grows && amount < 0;
    EXPECT(crdt_counter_add(x->obj, amount) ==
           (refused ? CRDT_ERR_RANGE : CRDT_OK));
    tell_written(w, x->m, x->node, x->written, amount && !refused);
    if (amount && !refused)
        did(w, x, DO_ADD, 0, amount);
}

static inline void write_counter(world *w, writing *x)
{
    int64_t amount = (int64_t)below(w, 13) - 6;
    if (percent(w, 10))
        amount *= INT64_C(1) << 40;
    if (percent(w, 25))
        write_counter_reset(w, x);
    else
        write_counter_add(w, x, amount);
}

static inline void write_bounded(world *w, writing *x, deed what,
                                 int64_t amount, int to)
{
    int64_t own = model_rights(&x->before, x->node, x->m->author);
    crdt_err want = amount < 0                       ? CRDT_ERR_RANGE
                    : what != DO_ADD && amount > own ? CRDT_ERR_RIGHTS
                                                     : CRDT_OK;
    int does = !want && amount && (what != DO_HAND || to != x->m->author);
    if (what == DO_ADD)
        EXPECT(crdt_bounded_add(x->obj, amount) == want);
    else if (what == DO_TAKE)
        EXPECT(crdt_bounded_take(x->obj, amount) == want);
    else
        EXPECT(crdt_bounded_transfer(x->obj, &w->m.ids[to], amount) == want);
    tell_written(w, x->m, x->node, x->written, does);
    if (does)
        did(w, x, what, 0, amount)->to = to;
}

static inline void write_some_bounded(world *w, writing *x)
{
    int64_t amount = (int64_t)below(w, 9) - 1;
    int to = (int)below(w, (uint32_t)w->m.authors);
    uint32_t dice = below(w, 100);
    write_bounded(w, x,
                  dice < 40   ? DO_ADD
                  : dice < 70 ? DO_TAKE
                              : DO_HAND,
                  amount, to);
}

static inline void write_flag(world *w, writing *x, int on)
{
    int writes = on || model_is(&x->before, x->node, CRDT_DW_FLAG) ||
                 x->before.weight[x->node];
    EXPECT(!crdt_flag_set(x->obj, on));
    tell_written(w, x->m, x->node, x->written, writes);
    if (writes)
        did(w, x, on ? DO_ADD : DO_REMOVE, 0, 0);
}

static inline int is_lww(const writing *x)
{
    return (int)(CRDTI_LWW_SETS >> x->before.m->nodes[x->node].type & 1);
}

static inline void did_mark(world *w, const writing *x, deed what, int key)
{
    if (is_lww(x))
        did_stamped(w, x, what, key, 0);
    else
        did(w, x, what, key, 0);
}

static inline void write_set_add(world *w, writing *x, int key)
{
    int in = model_in(&x->before, x->node, key);
    int is_2p = model_is(&x->before, x->node, CRDT_2PSET);
    int gone = is_2p && model_gone(&x->before, x->node, key);
    int same = in && (is_2p || model_is(&x->before, x->node, CRDT_GSET));
    EXPECT_OF(x->node, crdt_set_add(x->obj, w->values[key]) ==
                           (gone ? CRDT_ERR_GONE : CRDT_OK));
    tell_written(w, x->m, x->node, x->written, !gone && !same);
    if (!gone && !same)
        did_mark(w, x, DO_ADD, key);
}

static inline void write_set_remove(world *w, writing *x, int key)
{
    int in = model_in(&x->before, x->node, key);
    int needs = model_is(&x->before, x->node, CRDT_AW_SET) ||
                model_is(&x->before, x->node, CRDT_2PSET);
    crdt_err want = model_is(&x->before, x->node, CRDT_GSET) ? CRDT_ERR_TYPE
                    : needs && !in ? CRDT_ERR_NOT_FOUND
                                   : CRDT_OK;
    EXPECT_OF(x->node, crdt_set_remove(x->obj, w->values[key]) == want);
    tell_written(w, x->m, x->node, x->written, !want);
    if (!want)
        did_mark(w, x, DO_REMOVE, key);
}

static inline void write_set_clear(world *w, writing *x)
{
    int grows = model_is(&x->before, x->node, CRDT_GSET), key;
    EXPECT_OF(x->node,
              crdt_set_clear(x->obj) == (grows ? CRDT_ERR_TYPE : CRDT_OK));
    for (key = 0; key < MODEL_KEYS && !grows; key++)
        if (model_in(&x->before, x->node, key))
            did_mark(w, x, DO_REMOVE, key);
    EXPECT_OF(x->node, grows || crdt_set_size(x->obj) == 0);
}

static inline void write_set(world *w, writing *x)
{
    int key = (int)below(w, MODEL_KEYS);
    uint32_t dice = below(w, 100);
    if (dice < 50)
        write_set_add(w, x, key);
    else if (dice < 92)
        write_set_remove(w, x, key);
    else
        write_set_clear(w, x);
}

/* >>texts ----------------------------------------------------------------- */

enum { TYPED_MAX = 6, SCATTERED_MAX = 20 };

/* Of each size in UTF-8, and telling who typed it when. */
static inline uint32_t any_code(const world *w, int wide)
{
    static const uint32_t first[] = { 'a', 0xe0, 0x4e00, 0x1f600 };
    return first[wide] + (uint32_t)w->m.events_len % 26;
}

/* Where the at-th character begins. */
static inline size_t unit_at(const view *v, int node, crdt_unit unit,
                             size_t at)
{
    uint8_t bytes[4 * MODEL_CHARS];
    const uint8_t *next = bytes;
    size_t units = 0;
    (void)model_text(v, node, bytes);
    for (; at > 0; at--) {
        uint32_t code;
        size_t size = text_take(next, &code);
        next += size;
        units += unit == CRDT_CHARS  ? 1
                 : unit == CRDT_UTF8 ? size
                                     : 1u + (size == 4);
    }
    return units;
}

/* Has the model know where the engine put what it wrote last but `back`. */
static inline void tell_place(world *w, const writing *x, uint64_t back)
{
    model_told *told = &w->m.told;
    told->dot.replica = crdt_doc_replica(x->m->doc);
    told->dot.seq = x->m->doc->written - back;
    right_of_own(x->m->doc, x->obj, told->dot.seq, &told->right);
}

/* What a deletion and an insertion in its place must have done. */
static inline void did_edit(world *w, writing *x, size_t at, size_t deleted,
                            const uint32_t *codes, size_t len)
{
    size_t i;
    if (deleted) {
        int number = w->m.events_len;
        did(w, x, DO_REMOVE, 0, 0);
        model_erase(&w->m, &x->before, number, at, deleted);
        x->before = model_look(&w->m, &x->m->seen);
    }
    if (!len)
        return;
    did(w, x, DO_ADD, 0, 0);
    for (i = 0; i < len; i++) {
        view now = model_look(&w->m, &x->m->seen);
        tell_place(w, x, len - 1 - i);
        model_type(&w->m, &now, w->m.events_len - 1, at + i, codes[i]);
    }
}

/* In the place of `deleted` characters, `len` new ones. */
static inline void write_text(world *w, writing *x, crdt_unit unit, size_t at,
                              size_t deleted, const uint32_t *codes,
                              size_t len)
{
    size_t begin = unit_at(&x->before, x->node, unit, at), i, size = 0;
    size_t end = unit_at(&x->before, x->node, unit, at + deleted);
    uint8_t bytes[4 * TYPED_MAX];
    for (i = 0; i < len; i++)
        size += text_put(bytes + size, codes[i]);
    EXPECT_OF(x->node,
              !(deleted ? crdt_text_replace(x->obj, unit, begin, end - begin,
                                            crdt_bytes_of(bytes, size))
                        : crdt_text_insert(x->obj, unit, begin,
                                           crdt_bytes_of(bytes, size))));
    EXPECT_OF(x->node, x->m->doc->written == x->written + deleted + len);
    did_edit(w, x, at, deleted, codes, len);
}

/* Many edits that are seen together: more than one leaf of spans holds. */
static inline void write_text_scattered(world *w, writing *x)
{
    uint32_t count = 1 + below(w, SCATTERED_MAX);
    int number = w->m.events_len;
    did(w, x, DO_ADD, 0, 0);
    for (; count > 0; count--) {
        view now = model_look(&w->m, &x->m->seen);
        size_t len = now.weight[x->node], at = below(w, (uint32_t)len + 1);
        uint32_t code = any_code(w, (int)below(w, 2));
        uint8_t bytes[4];
        if (at < len && percent(w, 30)) {
            EXPECT_OF(x->node, !crdt_text_delete(x->obj, CRDT_CHARS, at, 1));
            model_erase(&w->m, &now, number, at, 1);
            continue;
        }
        EXPECT_OF(x->node, !crdt_text_insert(
                               x->obj, CRDT_CHARS, at,
                               crdt_bytes_of(bytes, text_put(bytes, code))));
        tell_place(w, x, 0);
        model_type(&w->m, &now, number, at, code);
    }
}

static inline void write_text_beyond(world *w, const writing *x,
                                     crdt_unit unit)
{
    size_t len = x->before.weight[x->node];
    size_t end = unit_at(&x->before, x->node, unit, len);
    EXPECT_OF(x->node, crdt_text_insert(x->obj, unit, end + 1,
                                        CRDT_STR("a")) == CRDT_ERR_RANGE);
    EXPECT_OF(x->node,
              crdt_text_delete(x->obj, unit, end, 1) == CRDT_ERR_RANGE);
    tell_written(w, x->m, x->node, x->written, 0);
}

/* Often at one place, the middle; else anywhere. */
static inline void write_some_text(world *w, writing *x)
{
    crdt_unit unit = (crdt_unit)below(w, 3);
    size_t len = x->before.weight[x->node], i;
    size_t at = percent(w, 30) ? len / 2 : below(w, (uint32_t)len + 1);
    size_t rest = crdti_min_size(len - at, TYPED_MAX);
    size_t deleted = below(w, (uint32_t)rest + 1);
    uint32_t dice = below(w, 100), codes[TYPED_MAX];
    size_t typed = 1 + below(w, TYPED_MAX);
    for (i = 0; i < typed; i++)
        codes[i] = any_code(w, percent(w, 75) ? 0 : (int)below(w, 4));
    if (dice < 55)
        write_text(w, x, unit, at, 0, codes, typed);
    else if (dice < 80)
        write_text(w, x, unit, at, deleted, codes, 0);
    else if (dice < 90)
        write_text(w, x, unit, at, deleted, codes, typed);
    else if (dice < 96)
        write_text_scattered(w, x);
    else if (dice < 98)
        write_text(w, x, unit, 0, len, codes, 0);
    else
        write_text_beyond(w, x, unit);
}

/* >>lists ----------------------------------------------------------------- */

enum { INSERTED_MAX = 5 };

/* A new element: its number. */
static inline int did_insert(world *w, writing *x, deed what, size_t at,
                             int64_t amount)
{
    int key = w->m.elements[x->node]++;
    event *e = did(w, x, what, key, amount);
    EXPECT_OF(x->node, x->m->doc->written == x->written + 1);
    e->seq = ++x->written;
    tell_stamp(w, x->m, &x->before, x->obj, e);
    tell_place(w, x, 0);
    model_put(&w->m, &x->before, w->m.events_len - 1, at);
    return key;
}

static inline void write_list_insert(world *w, writing *x, size_t at,
                                     int64_t value)
{
    EXPECT_OF(x->node, !crdt_list_insert(x->obj, at, w->values[value]));
    did_insert(w, x, DO_SET, at, value);
}

static inline void write_list_container(world *w, writing *x, size_t at,
                                        crdt_type type)
{
    crdt_obj got = crdt_list_insert_object(x->obj, at, type);
    int key = did_insert(w, x, DO_CREATE, at, (int64_t)type);
    EXPECT_OF(x->node, crdt_type_of(got) == type);
    x->m->held[model_node_get(&w->m, x->node, key, type)] = got;
}

static inline int element_at(const writing *x, size_t at)
{
    model_element shown[MODEL_PLACES];
    (void)model_list(&x->before, x->node, shown);
    return shown[at].key;
}

static inline void write_list_set(world *w, writing *x, size_t at,
                                  int64_t value)
{
    EXPECT_OF(x->node, !crdt_list_set(x->obj, at, w->values[value]));
    did_stamped(w, x, DO_SET, element_at(x, at), value);
}

/* Some of them may stay: a bounded counter in which others have rights. */
static inline void write_list_delete(world *w, writing *x, size_t at,
                                     size_t len)
{
    model_element shown[MODEL_PLACES];
    (void)model_list(&x->before, x->node, shown);
    EXPECT_OF(x->node, !crdt_list_delete(x->obj, at, len));
    for (; len > 0; len--, at++) {
        did(w, x, DO_REMOVE, shown[at].key, 0);
        x->before = model_look(&w->m, &x->m->seen);
    }
}

static inline void write_list_move(world *w, writing *x, size_t from,
                                   size_t to)
{
    EXPECT_OF(x->node, !crdt_list_move(x->obj, from, to));
    tell_written(w, x->m, x->node, x->written, from != to);
    if (from == to)
        return;
    did_stamped(w, x, DO_MOVE, element_at(x, from), 0);
    tell_place(w, x, 0);
    model_put(&w->m, &x->before, w->m.events_len - 1, to);
}

static inline void write_list_beyond(world *w, const writing *x)
{
    size_t len = x->before.weight[x->node];
    crdt_value value = w->values[0];
    EXPECT_OF(x->node,
              crdt_list_insert(x->obj, len + 1, value) == CRDT_ERR_RANGE);
    EXPECT_OF(x->node, crdt_list_set(x->obj, len, value) == CRDT_ERR_RANGE);
    EXPECT_OF(x->node, crdt_list_delete(x->obj, len, 1) == CRDT_ERR_RANGE);
    EXPECT_OF(x->node, crdt_list_move(x->obj, len, 0) == CRDT_ERR_RANGE);
    EXPECT_OF(x->node, crdt_list_move(x->obj, 0, len) == CRDT_ERR_RANGE);
    tell_written(w, x->m, x->node, x->written, 0);
}

/* Values one behind the other, forwards or backwards; or a container. */
static inline void write_list_some(world *w, writing *x, size_t at)
{
    uint32_t count = 1 + below(w, INSERTED_MAX), forwards = below(w, 2);
    if (w->m.elements[x->node] + INSERTED_MAX > MODEL_PLACES)
        return;
    if (percent(w, 30) && w->m.nodes_len < MODEL_NODES) {
        write_list_container(w, x, at, (crdt_type)(1 + below(w, CRDT_LIST)));
        return;
    }
    for (; count > 0 && !w->wrong; count--, at += forwards) {
        write_list_insert(w, x, at, below(w, MODEL_KEYS));
        x->before = model_look(&w->m, &x->m->seen);
    }
}

/* Often the one in the middle; else any. */
static inline void write_list(world *w, writing *x)
{
    size_t len = x->before.weight[x->node], at, most;
    uint32_t dice = below(w, 100);
    if (dice < 30 || !len) {
        write_list_some(w, x, below(w, (uint32_t)len + 1));
        return;
    }
    at = percent(w, 40) ? len / 2 : below(w, (uint32_t)len);
    most = crdti_min_size(len - at, 3);
    if (dice < 45)
        write_list_set(w, x, at, below(w, MODEL_KEYS));
    else if (dice < 75)
        write_list_move(w, x, at, below(w, (uint32_t)len));
    else if (dice < 97)
        write_list_delete(w, x, at, 1 + below(w, (uint32_t)most));
    else
        write_list_beyond(w, x);
}

/* >>whatever it is -------------------------------------------------------- */

static inline void write_into(world *w, writing *x)
{
    switch (crdt_type_of(x->obj)) {
    case CRDT_MAP:
        write_map(w, x);
        return;
    case CRDT_REGISTER:
        write_register(w, x);
        return;
    case CRDT_COUNTER:
    case CRDT_GCOUNTER:
        write_counter(w, x);
        return;
    case CRDT_BOUNDED:
        write_some_bounded(w, x);
        return;
    case CRDT_MAX:
    case CRDT_MIN:
        write_extreme(w, x, below(w, MODEL_KEYS));
        return;
    case CRDT_EW_FLAG:
    case CRDT_DW_FLAG:
        write_flag(w, x, percent(w, 50));
        return;
    case CRDT_TEXT:
        write_some_text(w, x);
        return;
    case CRDT_LIST:
        write_list(w, x);
        return;
    case CRDT_NONE:
    case CRDT_AW_SET:
    case CRDT_RW_SET:
    case CRDT_GSET:
    case CRDT_2PSET:
    case CRDT_LWW_SET:
    case CRDT_LWW_SET_RM:
    case CRDT_TYPE_COUNT:
    default:
        write_set(w, x);
        return;
    }
}

/* Half of the writes to maps would remove what the others are about. */
static inline void do_write(world *w, member *m)
{
    writing x;
    x.node = (int)below(w, (uint32_t)w->m.nodes_len);
    if (model_room(&w->m) < ONE_WRITE_MAX)
        return;
    if (w->m.nodes[x.node].type == CRDT_MAP && percent(w, 50))
        x.node = w->m.nodes_len - 1;
    x.m = m;
    x.obj = reach(w, m, x.node);
    if (crdt_is_null(x.obj) || w->wrong)
        return;
    x.before = model_look(&w->m, &m->seen);
    x.written = m->doc->written;
    write_into(w, &x);
    if (percent(w, 75))
        do_commit(w, m);
}

#endif
