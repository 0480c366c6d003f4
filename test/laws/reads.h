/*
 * Whether a document shows what the model says: every container of a history,
 * by every call of the public face that reads it.
 */
#ifndef READS_H
#define READS_H

#include "world.h"

static inline void read_set(world *w, const view *v, int node, crdt_obj obj)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    int key;
    EXPECT_OF(node, crdt_set_size(obj) == v->weight[node]);
    for (key = 0; key < MODEL_KEYS; key++) {
        int in = model_in(v, node, key);
        EXPECT_OF(node, crdt_set_has(obj, w->values[key]) == in);
        if (!in)
            continue;
        EXPECT_OF(node, crdt_set_next(obj, &cursor) == CRDT_OK);
        EXPECT_OF(node, same_value(&cursor.value, &w->values[key]));
    }
    EXPECT_OF(node, crdt_set_next(obj, &cursor) == CRDT_ERR_NOT_FOUND);
}

static inline void read_counter(world *w, const view *v, int node,
                                crdt_obj obj)
{
    int64_t value = -1;
    EXPECT_OF(node, !crdt_counter_get(obj, &value));
    EXPECT_OF(node, value == model_total(v, node));
}

static inline void read_bounded(world *w, const view *v, int node,
                                crdt_obj obj)
{
    int64_t value = -1;
    int i;
    EXPECT_OF(node, !crdt_bounded_get(obj, &value) && value >= 0);
    EXPECT_OF(node, value == model_rights(v, node, -1));
    for (i = 0; i < w->m.authors; i++) {
        EXPECT_OF(node, !crdt_bounded_rights(obj, &w->m.ids[i], &value));
        EXPECT_OF(node, value == model_rights(v, node, i) && value >= 0);
    }
}

static inline void read_extreme(world *w, const view *v, int node,
                                crdt_obj obj)
{
    int64_t want = model_extreme(v, node);
    crdt_value value;
    crdt_err err = (model_is(v, node, CRDT_MAX) ? crdt_max_get
                                                : crdt_min_get)(obj, &value);
    EXPECT_OF(node, err == (want < 0 ? CRDT_ERR_NOT_FOUND : CRDT_OK));
    EXPECT_OF(node, err || number_of(w, &value) == want);
}

static inline void read_flag(world *w, const view *v, int node, crdt_obj obj)
{
    int on = -1;
    EXPECT_OF(node, !crdt_flag_get(obj, &on));
    EXPECT_OF(node, on == model_in(v, node, 0));
}

/* As a whole, piece by piece, and how long it is. */
static inline void read_text(world *w, const view *v, int node, crdt_obj obj)
{
    crdt_text_cursor cursor = CRDT_TEXT_CURSOR_INIT;
    uint8_t want[4 * MODEL_CHARS];
    size_t len = model_text(v, node, want), at = 0;
    crdt_err err = CRDT_OK;
    w->b.len = 0;
    EXPECT_OF(node, !crdt_text_get(obj, &w->b));
    EXPECT_OF(node, crdt_bytes_equal(crdt_buf_bytes(&w->b),
                                     crdt_bytes_of(want, len)));
    EXPECT_OF(node, crdt_text_len(obj, CRDT_UTF8) == len);
    EXPECT_OF(node, crdt_text_len(obj, CRDT_CHARS) == v->weight[node]);
    while (!w->wrong && !(err = crdt_text_next(obj, &cursor))) {
        EXPECT_OF(node,
                  cursor.piece.len <= len - at &&
                      !memcmp(cursor.piece.ptr, want + at, cursor.piece.len));
        at += cursor.piece.len;
    }
    EXPECT_OF(node, err == CRDT_ERR_NOT_FOUND && at == len);
}

/* >>registers and maps ---------------------------------------------------- */

/* What one callback of versions was told. */
typedef struct {
    world *w;
    const view *v;
    int node, key, calls, winner;
    bits versions;
    unsigned shown; /* values and, behind them, types: a bit each */
} told_versions;

/* Each is one of those that stand, each content comes once, and the winner
 * first. */
static inline void read_version(void *ctx, const crdt_version *version)
{
    told_versions *t = (told_versions *)ctx;
    world *w = t->w;
    int is_object = version->value.kind == CRDT_OBJECT;
    int content =
        is_object ? MODEL_KEYS + (int)crdt_type_of(version->value.as.object)
                  : number_of(w, &version->value);
    int i, found = 0;
    EXPECT_OF(t->node, content >= 0 && !(t->shown >> content & 1));
    if (content >= 0)
        t->shown |= 1u << content;
    FOR_BITS(i, &t->versions)
    {
        const event *e = &w->m.events[i];
        found |= version->stamp == e->stamp &&
                 !crdt_id_compare(&version->dot.replica, &w->m.ids[e->author]);
    }
    EXPECT_OF(t->node, found || (is_object && !version->stamp));
    if (t->calls++ == 0 && t->winner >= 0)
        EXPECT_OF(t->node, version->stamp == w->m.events[t->winner].stamp &&
                               !crdt_id_compare(
                                   &version->dot.replica,
                                   &w->m.ids[w->m.events[t->winner].author]));
}

/* The bits that `shown` must have in the end. */
static inline unsigned want_shown(const told_versions *t)
{
    const model *m = &t->w->m;
    unsigned want = 0;
    int i;
    FOR_BITS(i, &t->versions)
    want |= 1u << (m->events[i].amount +
                   (m->events[i].what == DO_CREATE ? MODEL_KEYS : 0));
    for (i = 1; i < m->nodes_len; i++)
        if (model_holds(t->v, t->node) && m->nodes[i].parent == t->node &&
            m->nodes[i].key == t->key && t->v->weight[i])
            want |= 1u << (MODEL_KEYS + m->nodes[i].type);
    return want;
}

static inline told_versions versions_of(world *w, const view *v, int node,
                                        int key)
{
    told_versions t;
    memset(&t, 0, sizeof t);
    t.w = w;
    t.v = v;
    t.node = node;
    t.key = key;
    t.versions = model_versions(v, node, key);
    t.winner = model_winner(v, &t.versions);
    return t;
}

static inline void read_register(world *w, const view *v, int node,
                                 crdt_obj obj)
{
    told_versions t = versions_of(w, v, node, 0);
    crdt_value value;
    crdt_err err = crdt_register_get(obj, &value);
    EXPECT_OF(node, err == (t.winner < 0 ? CRDT_ERR_NOT_FOUND : CRDT_OK));
    if (err || t.winner < 0)
        return;
    EXPECT_OF(node, number_of(w, &value) == w->m.events[t.winner].amount);
    EXPECT_OF(node, !crdt_register_versions(obj, read_version, &t));
    EXPECT_OF(node, t.shown == want_shown(&t));
}

/* What is shown at a key: the winner, or a container that outlived it. */
static inline void read_shown(world *w, const told_versions *t,
                              const crdt_value *value)
{
    const event *winner = t->winner < 0 ? NULL : &w->m.events[t->winner];
    int64_t type;
    if (winner && winner->what == DO_SET) {
        EXPECT_OF(t->node, number_of(w, value) == winner->amount);
        return;
    }
    type =
        winner
            ? winner->amount
            : (int64_t)w->m.nodes[model_container(t->v, t->node, t->key)].type;
    EXPECT_OF(t->node, value->kind == CRDT_OBJECT);
    EXPECT_OF(t->node,
              w->wrong || crdt_type_of(value->as.object) == (crdt_type)type);
}

static inline void read_key(world *w, const view *v, int node, int key,
                            crdt_obj obj, crdt_cursor *cursor)
{
    told_versions t = versions_of(w, v, node, key);
    int there = model_key_visible(v, node, key);
    crdt_err want = there ? CRDT_OK : CRDT_ERR_NOT_FOUND;
    crdt_value value;
    EXPECT_OF(node, crdt_map_has(obj, key_at(key)) == there);
    EXPECT_OF(node, crdt_map_get(obj, key_at(key), &value) == want);
    EXPECT_OF(node,
              crdt_map_versions(obj, key_at(key), read_version, &t) == want);
    EXPECT_OF(node, t.shown == want_shown(&t));
    if (!there || w->wrong)
        return;
    read_shown(w, &t, &value);
    EXPECT_OF(node, !crdt_map_next(obj, cursor));
    EXPECT_OF(node, crdt_bytes_equal(cursor->key, key_at(key)));
    EXPECT_OF(node, w->wrong || cursor->value.kind == value.kind);
}

static inline void read_map(world *w, const view *v, int node, crdt_obj obj)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    int key;
    EXPECT_OF(node, crdt_map_size(obj) == v->weight[node]);
    for (key = 0; key < MODEL_KEYS; key++)
        read_key(w, v, node, key, obj, &cursor);
    EXPECT_OF(node, crdt_map_next(obj, &cursor) == CRDT_ERR_NOT_FOUND);
}

/* >>lists ----------------------------------------------------------------- */

/* Where an anchor beside the element is: how many stand before where it stands
 * or would stand. */
static inline size_t element_rank(const view *v, int node, int key,
                                  const model_element *shown, size_t len)
{
    const text_list *places = &v->m->texts[node];
    int number = model_stand(v, node, key);
    size_t at = 0, i = 0;
    while (v->m->chars[places->items[i].life.dot.seq - 1].event != number)
        i++;
    while (at < len && shown[at].item < i)
        at++;
    return at;
}

static inline int is_shown(const model_element *shown, size_t len, int key)
{
    while (len > 0 && shown[len - 1].key != key)
        len--;
    return len > 0;
}

static inline void read_anchors(world *w, const view *v, int node,
                                crdt_obj obj, const model_element *shown,
                                size_t len)
{
    int key;
    for (key = 0; key < v->m->elements[node]; key++) {
        int number = model_insertion(v->m, node, key);
        int there = bits_has(&v->seen, number);
        size_t got = 0, want;
        crdt_anchor anchor;
        crdt_err err;
        memset(&anchor, 0, sizeof anchor);
        anchor.dot.replica = w->m.ids[w->m.events[number].author];
        anchor.dot.seq = w->m.events[number].seq;
        anchor.side = key % 2 ? CRDT_LEFT : CRDT_RIGHT;
        err = crdt_list_find(obj, &anchor, &got);
        if (err == CRDT_ERR_NOT_FOUND && w->has_swept &&
            !is_shown(shown, len, key))
            continue;
        EXPECT_OF(node, err == (there ? CRDT_OK : CRDT_ERR_NOT_FOUND));
        if (!there || w->wrong)
            continue;
        want = element_rank(v, node, key, shown, len);
        if (anchor.side == CRDT_LEFT && want < len && shown[want].key == key)
            want++;
        EXPECT_OF(node, got == want);
    }
}

static inline void read_element(world *w, const view *v, int node, int key,
                                crdt_obj obj, size_t at)
{
    told_versions t = versions_of(w, v, node, key);
    crdt_anchor anchor;
    crdt_value value;
    crdt_err err = crdt_list_get(obj, at, &value);
    EXPECT_OF(node, !err);
    if (err)
        return;
    read_shown(w, &t, &value);
    EXPECT_OF(node, !crdt_list_versions(obj, at, read_version, &t));
    EXPECT_OF(node, t.shown == want_shown(&t));
    EXPECT_OF(node, !crdt_list_anchor(obj, at, CRDT_RIGHT, &anchor));
    EXPECT_OF(node, anchor.dot.seq ==
                        w->m.events[model_insertion(v->m, node, key)].seq);
}

/* Each by its index, and all in a walk; no further than it is right: a planted
 * bug may show what is not there. */
static inline void read_list(world *w, const view *v, int node, crdt_obj obj)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    model_element shown[MODEL_PLACES];
    size_t len = model_list(v, node, shown), i;
    crdt_value value;
    EXPECT_OF(node, crdt_list_len(obj) == len && len == v->weight[node]);
    for (i = 0; i < len && !w->wrong; i++) {
        told_versions t = versions_of(w, v, node, shown[i].key);
        read_element(w, v, node, shown[i].key, obj, i);
        if (w->wrong)
            return;
        EXPECT_OF(node, !crdt_list_next(obj, &cursor) && cursor.at == i);
        if (!w->wrong)
            read_shown(w, &t, &cursor.value);
    }
    if (w->wrong)
        return;
    EXPECT_OF(node, crdt_list_next(obj, &cursor) == CRDT_ERR_NOT_FOUND);
    EXPECT_OF(node, crdt_list_get(obj, len, &value) == CRDT_ERR_RANGE);
    read_anchors(w, v, node, obj, shown, len);
}

/* The container, when it is visible; shown or not. */
static inline crdt_obj find_in_list(const world *w, crdt_obj list, int node)
{
    const model_node *n = &w->m.nodes[node];
    uint8_t bytes[CRDTI_MOVES_KEY];
    crdt_obj found = list;
    uint32_t entry = crdti_entry_find(
        list.doc, list.index, element_key(w, n->parent, n->key, 0, bytes));
    found.index = entry ? crdti_object_find(list.doc, entry, n->type) : 0;
    if (found.index && !crdti_object_is_visible(list.doc, found.index))
        found.index = 0;
    return found;
}

static inline crdt_obj find_node(const world *w, crdt_obj up, int node)
{
    const model_node *n = &w->m.nodes[node];
    if (crdt_is_null(up))
        return up;
    return w->m.nodes[n->parent].type == CRDT_LIST
               ? find_in_list(w, up, node)
               : crdt_map_find(up, key_at(n->key), n->type);
}

/* >>all ------------------------------------------------------------------- */

static inline void read_node(world *w, const view *v, int node, crdt_obj obj)
{
    EXPECT_OF(node, crdt_type_of(obj) == w->m.nodes[node].type);
    switch (w->m.nodes[node].type) {
    case CRDT_MAP:
        read_map(w, v, node, obj);
        return;
    case CRDT_REGISTER:
        read_register(w, v, node, obj);
        return;
    case CRDT_COUNTER:
    case CRDT_GCOUNTER:
        read_counter(w, v, node, obj);
        return;
    case CRDT_BOUNDED:
        read_bounded(w, v, node, obj);
        return;
    case CRDT_MAX:
    case CRDT_MIN:
        read_extreme(w, v, node, obj);
        return;
    case CRDT_EW_FLAG:
    case CRDT_DW_FLAG:
        read_flag(w, v, node, obj);
        return;
    case CRDT_TEXT:
        read_text(w, v, node, obj);
        return;
    case CRDT_LIST:
        read_list(w, v, node, obj);
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
        read_set(w, v, node, obj);
        return;
    }
}

/* Every container: by its path, when it is visible; and by a handle of old,
 * which must be the same. */
static inline void read_document(world *w, crdt_doc *doc, const crdt_obj *held,
                                 const bits *seen)
{
    view v = model_look(&w->m, seen);
    crdt_obj at[MODEL_NODES];
    int n;
    at[0] = crdt_root(doc);
    read_map(w, &v, 0, at[0]);
    for (n = 1; n < w->m.nodes_len && !w->wrong; n++) {
        int visible = model_visible(&v, n);
        at[n] = find_node(w, at[w->m.nodes[n].parent], n);
        EXPECT_OF(n, crdt_is_null(at[n]) == !visible);
        if (held && !crdt_is_null(held[n])) {
            EXPECT_OF(n, crdt_is_null(at[n]) || at[n].index == held[n].index);
            at[n] = held[n];
        }
        if (!crdt_is_null(at[n]))
            read_node(w, &v, n, at[n]);
    }
}

#endif
