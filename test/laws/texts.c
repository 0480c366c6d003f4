/*
 * Random histories of texts against the list of text_model.h: replicas type
 * and delete in all units, remove what is above their texts and make it anew,
 * send each other what they lack, what they lacked once, or everything, by way
 * of others too; letters are lost, repeated, late and out of order; removals
 * are forgotten, and documents replaced by copies of others. Whatever happens,
 * the replica that it happened to must read what the model says.
 */
#define CRDTSYNC_IMPLEMENTATION
#include "crdtsync.h"

#include "origins.h"
#include "text_world.h"

/* >>containers ------------------------------------------------------------ */

static void do_commit(world *w, member *m)
{
    EXPECT(crdt_commit(m->doc) == CRDT_OK);
    m->done = m->seen;
}

/* Asks for the container, which creates it when it is not visible. */
static crdt_obj get_or_create(world *w, member *m, crdt_obj up, int node)
{
    crdt_obj got = is_text(node) ? crdt_map_text(up, key_of(node))
                                 : crdt_map_map(up, key_of(node));
    EXPECT(crdt_type_of(got) == nodes[node].type);
    if (!is_visible(w, &m->seen, node)) {
        text_dot dot = text_vv_next(&m->seen, m->author);
        tell_taken(w, m, node, 1, dot);
        tell_mark(w, node, 0, dot);
    }
    m->held[node] = got;
    return got;
}

/* A handle: one of old, of a container that may be gone; or a fresh one. */
static crdt_obj reach(world *w, member *m, int node)
{
    if (node == 0 || (m->held[node].doc && percent(w, 50)))
        return m->held[node];
    return get_or_create(w, m, reach(w, m, nodes[node].up), node);
}

static void do_remove(world *w, member *m, int node)
{
    crdt_obj up = reach(w, m, nodes[node].up);
    int is_there =
        has_mark(w, &m->seen, node, 1) || is_visible(w, &m->seen, node);
    crdt_err err = crdt_map_remove(up, key_of(node));
    EXPECT(err == (is_there ? CRDT_OK : CRDT_ERR_NOT_FOUND));
    if (is_there)
        tell_taken(w, m, node, 0, text_vv_next(&m->seen, m->author));
}

static void do_put(world *w, member *m, int node)
{
    crdt_obj up = reach(w, m, nodes[node].up);
    text_dot dot = text_vv_next(&m->seen, m->author);
    EXPECT(crdt_map_put_int(up, key_of(node), w->step) == CRDT_OK);
    tell_taken(w, m, node, 0, dot);
    tell_mark(w, node, 1, dot);
}

static void do_structure(world *w, member *m)
{
    int node = percent(w, 15) ? 1 : percent(w, 50) ? 2 : 3;
    uint32_t dice = below(w, 100);
    if (w->marks_len + 4 > MAX_MARKS)
        return;
    if (dice < 50)
        do_remove(w, m, node);
    else if (dice < 70)
        do_put(w, m, node);
    else
        get_or_create(w, m, reach(w, m, nodes[node].up), node);
}

/* >>edits ----------------------------------------------------------------- */

static uint32_t any_code(world *w, const member *m)
{
    static const uint32_t odd[] = { 0,      0x7f,   0x80,    0x7ff,   0x800,
                                    0xd7ff, 0xe000, 0xffff,  0x10000, 0x10ffff,
                                    0x301,  0x200d, 0x1f469, 0x1f3fd, '\n' };
    static const uint32_t first[] = { 'a', 0xe0, 0x4e00, 0x1f600 };
    if (percent(w, 5))
        return odd[below(w, sizeof odd / sizeof *odd)];
    return first[percent(w, 70) ? 0 : below(w, 4)] + m->author;
}

/* Right of it stands what its document says, which is only to pass over what
 * is deleted. */
static void type_told(world *w, member *m, int node, size_t at, uint32_t code)
{
    crdt_dot right;
    text_dot told = { 0, 0 };
    if (right_of_own(m->doc, m->held[node], m->seen.of[m->author] + 1,
                     &right)) {
        told.author = right.replica.b[0];
        told.seq = (uint32_t)right.seq;
    }
    EXPECT(text_type_before(&w->lists[node], &m->seen, m->author, at, code,
                            w->has_forgotten ? &told : NULL));
}

/* Deletes and inserts in one call, here and in the model. */
static void edit(world *w, member *m, int node, size_t at, size_t deleted,
                 size_t inserted)
{
    crdt_obj text = m->held[node];
    crdt_unit unit = any_unit(w);
    uint32_t codes[64];
    uint8_t bytes[4 * 64];
    size_t i, from, to, len = 0;
    crdt_err err;
    look(w, &m->seen, node);
    from = w->shown.at[unit][at];
    to = w->shown.at[unit][at + deleted];
    for (i = 0; i < inserted; i++) {
        codes[i] = any_code(w, m);
        len += text_put(bytes + len, codes[i]);
    }
    if (!deleted && percent(w, 90))
        err = crdt_text_insert(text, unit, from, crdt_bytes_of(bytes, len));
    else if (!inserted && percent(w, 90))
        err = crdt_text_delete(text, unit, from, to - from);
    else
        err = crdt_text_replace(text, unit, from, to - from,
                                crdt_bytes_of(bytes, len));
    EXPECT(err == CRDT_OK);
    for (i = 0; i < deleted; i++)
        text_erase(&w->lists[node], &m->seen, m->author, at);
    for (i = 0; i < inserted && !w->wrong; i++)
        type_told(w, m, node, at + i, codes[i]);
    m->cursors[node] = at + inserted;
    if (percent(w, 10))
        do_commit(w, m);
}

/* What must be refused, and change nothing. */
static void edit_wrongly(world *w, const member *m, int node)
{
    static const char *const wrong[] = { "\xff",         "a\xc3",
                                         "\x80",         "\xc0\x80",
                                         "\xed\xa0\x80", "\xf4\x90\x80\x80" };
    crdt_obj text = m->held[node];
    crdt_unit unit = any_unit(w);
    const shown_text *s = &w->shown;
    size_t end, i;
    look(w, &m->seen, node);
    end = s->at[unit][s->len];
    EXPECT(crdt_text_insert(text, unit, end + 1, CRDT_STR("x")) ==
           CRDT_ERR_RANGE);
    EXPECT(crdt_text_delete(text, unit, end, 1) == CRDT_ERR_RANGE);
    EXPECT(crdt_text_delete(text, unit, 0, end + 1) == CRDT_ERR_RANGE);
    EXPECT(crdt_text_delete(text, unit, 1, (size_t)-1) == CRDT_ERR_RANGE);
    EXPECT(crdt_text_replace(text, unit, 0, end,
                             crdt_str(wrong[below(w, 6)])) == CRDT_ERR_ARG);
    for (i = 0; i < s->len; i++) {
        size_t inside = s->at[unit][i] + 1;
        if (inside == s->at[unit][i + 1])
            continue;
        EXPECT(crdt_text_insert(text, unit, inside, CRDT_STR("x")) ==
               CRDT_ERR_ARG);
        EXPECT(crdt_text_delete(text, unit, inside, end - inside) ==
               CRDT_ERR_ARG);
        EXPECT(crdt_text_delete(text, unit, 0, inside) == CRDT_ERR_ARG);
        return;
    }
}

/* Where it wrote last, where all like to write, or anywhere. */
static size_t any_place(world *w, const member *m, int node, size_t len)
{
    uint32_t dice = below(w, 100);
    if (dice < 40 && m->cursors[node] <= len)
        return m->cursors[node];
    return dice < 70 ? len / 2 : upto(w, len);
}

/* Runs of calls, as at a keyboard. */
static void type_run(world *w, member *m, int node, size_t at, size_t count)
{
    int backwards = percent(w, 30);
    while (count-- > 0) {
        size_t n = percent(w, 80) ? 1 : 2;
        edit(w, m, node, at, 0, n);
        at += backwards ? 0 : n;
    }
}

static void erase_run(world *w, member *m, int node, size_t at, size_t count,
                      size_t len)
{
    int back = percent(w, 50);
    count = least(count, back ? at : len - at);
    while (count-- > 0)
        edit(w, m, node, back ? --at : at, 1, 0);
}

static void do_edit(world *w, member *m)
{
    int node = w->nested && percent(w, 60) ? 3 : 1;
    uint32_t dice = below(w, 100);
    size_t len, at, count = 1 + below(w, 20), rest;
    if (w->marks_len + 4 > MAX_MARKS || w->lists[node].len + 64 > MAX_CHARS)
        return;
    reach(w, m, node);
    look(w, &m->seen, node);
    len = w->shown.len;
    at = any_place(w, m, node, len);
    rest = upto(w, least(len - at, percent(w, 10) ? 300 : 12));
    if (dice < 20)
        edit(w, m, node, at, 0, count);
    else if (dice < 50)
        type_run(w, m, node, at, count);
    else if (dice < 70)
        erase_run(w, m, node, at, count, len);
    else if (dice < 80)
        edit(w, m, node, at, rest, 0);
    else if (dice < 95)
        edit(w, m, node, at, rest, upto(w, count));
    else
        edit_wrongly(w, m, node);
}

/* >>reading --------------------------------------------------------------- */

static int reads(const crdt_buf *got, const uint8_t *bytes, size_t len)
{
    return crdt_bytes_equal(crdt_buf_bytes(got), crdt_bytes_of(bytes, len));
}

static void check_walk(world *w, crdt_obj text)
{
    crdt_text_cursor cursor = CRDT_TEXT_CURSOR_INIT;
    const shown_text *s = &w->shown;
    size_t at = 0, i = 0, end = s->at[CRDT_UTF8][s->len];
    crdt_err err;
    while (!(err = crdt_text_next(text, &cursor)) && !w->wrong) {
        EXPECT(cursor.piece.len > 0 && cursor.piece.len <= end - at);
        if (w->wrong)
            return;
        EXPECT(!memcmp(cursor.piece.ptr, s->bytes + at, cursor.piece.len));
        at += cursor.piece.len;
        while (s->at[CRDT_UTF8][i] < at)
            i++;
        EXPECT(s->at[CRDT_UTF8][i] == at);
    }
    EXPECT(err == CRDT_ERR_NOT_FOUND && at == end);
}

static void check_ranges(world *w, crdt_obj text)
{
    const shown_text *s = &w->shown;
    const size_t *bytes = s->at[CRDT_UTF8];
    crdt_unit unit = any_unit(w), other = any_unit(w);
    size_t from = upto(w, s->len), to = from + upto(w, s->len - from), place;
    w->a.len = 0;
    EXPECT(crdt_text_read(text, unit, s->at[unit][from],
                          s->at[unit][to] - s->at[unit][from],
                          &w->a) == CRDT_OK);
    EXPECT(reads(&w->a, s->bytes + bytes[from], bytes[to] - bytes[from]));
    EXPECT(crdt_text_convert(text, unit, s->at[unit][to], other, &place) ==
           CRDT_OK);
    EXPECT(w->wrong || place == s->at[other][to]);
    if (from < s->len && s->at[unit][from] + 1 < s->at[unit][from + 1]) {
        EXPECT(crdt_text_convert(text, unit, s->at[unit][from] + 1, other,
                                 &place) == CRDT_ERR_ARG);
        EXPECT(crdt_text_read(text, unit, s->at[unit][from] + 1, 0, &w->a) ==
               CRDT_ERR_ARG);
    }
    EXPECT(crdt_text_read(text, unit, s->at[unit][s->len], 1, &w->a) ==
           CRDT_ERR_RANGE);
    EXPECT(crdt_text_convert(text, unit, s->at[unit][s->len] + 1, other,
                             &place) == CRDT_ERR_RANGE);
}

/* Where the pin is, in characters. */
static size_t pin_at(const world *w, const text_vv *seen, const pin *p)
{
    const text_list *l = &w->lists[p->node];
    size_t i, at = 0;
    if (p->dot.seq == 0)
        return p->anchor.side == CRDT_RIGHT ? w->shown.len : 0;
    for (i = 0; !text_same(l->items[i].life.dot, p->dot); i++)
        at += (size_t)text_alive(&l->items[i].life, seen);
    return at + (p->anchor.side == CRDT_LEFT &&
                 text_alive(&l->items[i].life, seen));
}

static int pin_is_dead(const world *w, const text_vv *seen, const pin *p)
{
    const text_list *l = &w->lists[p->node];
    size_t i = text_index(l, p->dot, l->len);
    return i < l->len && !text_alive(&l->items[i].life, seen);
}

static void check_pin(world *w, const member *m, crdt_obj text, const pin *p)
{
    crdt_unit unit = any_unit(w);
    size_t got = 0;
    crdt_err err = crdt_text_find(text, &p->anchor, unit, &got);
    if (!text_seen(&m->seen, p->dot)) {
        EXPECT(err == CRDT_ERR_NOT_FOUND);
        return;
    }
    if (err == CRDT_ERR_NOT_FOUND && w->has_forgotten &&
        pin_is_dead(w, &m->seen, p))
        return;
    EXPECT(err == CRDT_OK);
    EXPECT(err || got == w->shown.at[unit][pin_at(w, &m->seen, p)]);
}

static void check_text(world *w, const member *m, int node, crdt_obj text)
{
    const shown_text *s = &w->shown;
    int i;
    look(w, &m->seen, node);
    w->a.len = 0;
    EXPECT(crdt_text_get(text, &w->a) == CRDT_OK);
    EXPECT(reads(&w->a, s->bytes, s->at[CRDT_UTF8][s->len]));
    for (i = 0; i < 3; i++)
        EXPECT(crdt_text_len(text, (crdt_unit)i) == s->at[i][s->len]);
    if (w->wrong)
        return;
    check_walk(w, text);
    check_ranges(w, text);
    for (i = 0; i < w->pins_len; i++)
        if (w->pins[i].node == node)
            check_pin(w, m, text, &w->pins[i]);
}

/* What the key shows, where nothing but one thing is there. */
static void check_key(world *w, const member *m, crdt_obj up, int node)
{
    int put = has_mark(w, &m->seen, node, 1);
    int visible = is_visible(w, &m->seen, node);
    crdt_value value;
    EXPECT(crdt_map_has(up, key_of(node)) == (put || visible));
    EXPECT(crdt_is_null(crdt_map_find(up, key_of(node), nodes[node].type)) ==
           !visible);
    if (put == visible)
        return;
    EXPECT(crdt_map_get(up, key_of(node), &value) == CRDT_OK);
    EXPECT(value.kind == (put ? CRDT_INT : CRDT_OBJECT));
}

/* Also of texts that are not visible, by handles of old. */
static void check_reads(world *w, member *m)
{
    int node;
    for (node = 1; node < NODES && !w->wrong; node++) {
        int up = nodes[node].up;
        crdt_obj found;
        if (!m->held[up].doc)
            continue;
        check_key(w, m, m->held[up], node);
        found = crdt_map_find(m->held[up], key_of(node), nodes[node].type);
        if (!crdt_is_null(found))
            m->held[node] = found;
        if (is_text(node) && m->held[node].doc && !w->wrong)
            check_text(w, m, node, m->held[node]);
    }
}

static int same_digest(const crdt_doc *a, const crdt_doc *b)
{
    crdt_digest x = crdt_doc_digest(a), y = crdt_doc_digest(b);
    return x.hi == y.hi && x.lo == y.lo;
}

static void check_same(world *w, crdt_doc *a, crdt_doc *b)
{
    w->a.len = w->b.len = 0;
    EXPECT(crdt_canonical(a, &w->a) == CRDT_OK);
    EXPECT(crdt_canonical(b, &w->b) == CRDT_OK);
    EXPECT(crdt_bytes_equal(crdt_buf_bytes(&w->a), crdt_buf_bytes(&w->b)));
    EXPECT(same_digest(a, b));
}

/* Equal vectors mean equal documents. */
static void check_member(world *w, member *m)
{
    int i;
    check_reads(w, m);
    for (i = 0; i < w->members_len; i++) {
        const member *other = &w->members[i];
        if (other == m || !text_vv_equal(&other->seen, &m->seen))
            continue;
        EXPECT(same_digest(m->doc, other->doc));
        if (w->slow && text_vv_equal(&m->seen, &m->done) &&
            text_vv_equal(&other->seen, &other->done))
            check_same(w, m->doc, other->doc);
    }
}

/* An anchor, which is kept instead of any other. */
static void do_pin(world *w, member *m)
{
    int node = w->nested && percent(w, 60) ? 3 : 1;
    pin *p = &w->pins[w->pins_len < MAX_PINS ? w->pins_len++
                                             : (int)below(w, MAX_PINS)];
    crdt_unit unit = any_unit(w);
    crdt_side side = percent(w, 50) ? CRDT_LEFT : CRDT_RIGHT;
    const shown_text *s = &w->shown;
    size_t at;
    reach(w, m, node);
    look(w, &m->seen, node);
    at = upto(w, s->len);
    p->node = node;
    memset(&p->dot, 0, sizeof p->dot);
    if (side == CRDT_LEFT ? at > 0 : at < s->len)
        p->dot = s->dots[side == CRDT_LEFT ? at - 1 : at];
    EXPECT(crdt_text_anchor(m->held[node], unit, s->at[unit][at], side,
                            &p->anchor) == CRDT_OK);
    EXPECT((p->anchor.dot.seq != 0) == (p->dot.seq != 0));
}

/* >>exchanging ------------------------------------------------------------ */

/* What a document that has joined all of it would send: it hears of it by way
 * of another. */
static void forward(world *w, crdt_buf *bytes, const crdt_vv *since)
{
    crdt_doc *doc = doc_new(w, NULL);
    EXPECT(crdt_join(doc, crdt_buf_bytes(bytes)) == CRDT_OK);
    bytes->len = 0;
    EXPECT(crdt_delta(doc, since, bytes) == CRDT_OK);
    crdt_doc_free(doc);
}

/* A letter since what `since` names, of which the events are `known`. */
static letter *write_letter(world *w, member *m, int to, const crdt_vv *since,
                            const text_vv *known)
{
    letter *l = &w->letters[w->letters_len];
    crdt_vv from = CRDT_VV_INIT;
    int by_another = percent(w, 15);
    text_vv base = *known; /* they may be our own, before the commit */
    do_commit(w, m);
    l->to = to;
    l->bytes.len = 0;
    l->brings = m->done;
    EXPECT(!crdt_delta(m->doc, by_another ? NULL : since, &l->bytes));
    if (by_another)
        forward(w, &l->bytes, since);
    EXPECT(!crdt_delta_range(crdt_buf_bytes(&l->bytes), &from, NULL));
    l->base = from.len ? text_vv_both(&base, &m->done) : text_vv_none();
    crdt_vv_free(&from);
    return l;
}

/* What the other has now, what it had once, or nothing. */
static letter *letter_to(world *w, member *m, int to, uint32_t dice)
{
    member *other = &w->members[to];
    text_vv none = text_vv_none();
    if (dice < 15)
        return write_letter(w, m, to, NULL, &none);
    if (dice < 55)
        return write_letter(w, m, to, &other->told_vv, &other->told);
    EXPECT(!crdt_doc_vv(other->doc, &w->vv));
    return write_letter(w, m, to, &w->vv, &other->done);
}

static void do_send(world *w, member *m)
{
    int to = (int)below(w, (uint32_t)w->members_len);
    if (w->letters_len == MAX_LETTERS)
        return;
    letter_to(w, m, to, below(w, 100));
    w->letters_len++;
}

static void do_join(world *w, member *m, const letter *l)
{
    crdt_err err = crdt_join(m->doc, crdt_buf_bytes(&l->bytes));
    crdt_err want =
        text_vv_covers(&m->done, &l->base) ? CRDT_OK : CRDT_ERR_CAUSAL;
    text_vv none = text_vv_none();
    if (err == CRDT_ERR_FORGOTTEN && want == CRDT_OK && w->has_swept)
        want = text_vv_equal(&l->base, &none) ? CRDT_OK : err;
    if (err != want)
        say(w, crdt_err_name(err), __LINE__);
    if (err)
        return;
    text_vv_merge(&m->seen, &l->brings);
    text_vv_merge(&m->done, &l->brings);
}

/* Takes a letter away; its buffer is used again. */
static void drop_letter(world *w, int at)
{
    letter l = w->letters[at];
    w->letters[at] = w->letters[--w->letters_len];
    w->letters[w->letters_len] = l;
}

/* One arrives, whichever; it may come again, as one that came too early
 * must. */
static member *do_receive(world *w)
{
    int at = (int)below(w, (uint32_t)w->letters_len);
    const letter *l = &w->letters[at];
    member *m = &w->members[l->to];
    int again = !text_vv_covers(&m->done, &l->base) && percent(w, 80);
    do_join(w, m, l);
    m->told = m->done;
    EXPECT(!crdt_doc_vv(m->doc, &m->told_vv));
    if (!again && percent(w, 70))
        drop_letter(w, at);
    return m;
}

/* Forgets up to what all have; or only most of them, so that somebody is left
 * behind. */
static void do_truncate(world *w, member *m, uint32_t chance)
{
    crdt_vv other = CRDT_VV_INIT;
    size_t k;
    int i;
    EXPECT(!crdt_doc_vv(m->doc, &w->vv));
    for (i = 0; i < w->members_len; i++) {
        if (!percent(w, chance))
            continue;
        EXPECT(!crdt_doc_vv(w->members[i].doc, &other));
        for (k = 0; k < w->vv.len; k++)
            w->vv.entries[k].seq =
                least(w->vv.entries[k].seq,
                      crdt_vv_get(&other, &w->vv.entries[k].replica));
    }
    EXPECT(crdt_truncate(m->doc, &w->vv) == CRDT_OK);
    w->has_forgotten = 1;
    crdt_vv_free(&other);
}

/* Sweeps, though the others may not have truncated as far: those that name
 * what is gone have to send all they have. */
static void do_sweep(world *w, member *m)
{
    EXPECT(crdt_doc_floor(m->doc, &w->vv) == CRDT_OK);
    EXPECT(crdt_sweep(m->doc, &w->vv) == CRDT_OK);
    w->has_swept = 1;
}

/* The document is replaced by a copy of another's: a new one under an id of
 * its own that joins the state. What only the old one had is lost. */
static void do_copy(world *w, member *m, member *from)
{
    letter *l;
    text_vv none = text_vv_none();
    if (w->authors == TEXT_AUTHORS || w->letters_len == MAX_LETTERS ||
        m == from)
        return;
    l = write_letter(w, from, 0, NULL, &none);
    crdt_doc_free(m->doc);
    member_begin(w, m);
    do_join(w, m, l);
}

/* >>laws ------------------------------------------------------------------ */

/* A new document that joins states of members, in any order, and twice. */
static void check_joined(world *w)
{
    member joined;
    int i, n = 2 * w->members_len;
    text_vv none = text_vv_none();
    crdt_buf state = CRDT_BUF_INIT;
    memset(&joined, 0, sizeof joined);
    joined.doc = doc_new(w, NULL);
    joined.held[0] = crdt_root(joined.doc);
    w->letters_len = 0;
    for (i = 0; i < n && !w->wrong; i++) {
        member *from = &w->members[below(w, (uint32_t)w->members_len)];
        do_join(w, &joined, write_letter(w, from, 0, NULL, &none));
    }
    check_reads(w, &joined);
    EXPECT(crdt_delta(joined.doc, NULL, &state) == CRDT_OK);
    w->b.len = 0;
    EXPECT(crdt_canonical(joined.doc, &w->b) == CRDT_OK);
    EXPECT(crdt_join(joined.doc, crdt_buf_bytes(&state)) == CRDT_OK);
    w->a.len = 0;
    EXPECT(crdt_canonical(joined.doc, &w->a) == CRDT_OK);
    EXPECT(crdt_bytes_equal(crdt_buf_bytes(&w->a), crdt_buf_bytes(&w->b)));
    crdt_buf_free(&state);
    crdt_doc_free(joined.doc);
}

/* The canonical state, where nothing else is, reads the same. */
static void check_canonical(world *w, const member *m)
{
    member copy = *m;
    int node;
    copy.doc = doc_new(w, NULL);
    copy.held[0] = crdt_root(copy.doc);
    for (node = 1; node < NODES; node++)
        copy.held[node].doc = NULL;
    w->a.len = 0;
    EXPECT(crdt_canonical(m->doc, &w->a) == CRDT_OK);
    EXPECT(crdt_join(copy.doc, crdt_buf_bytes(&w->a)) == CRDT_OK);
    w->has_forgotten = 1;
    check_reads(w, &copy);
    EXPECT(same_digest(copy.doc, m->doc));
    crdt_doc_free(copy.doc);
}

/* >>a history ------------------------------------------------------------- */

static void begin(world *w, uint64_t seed, int slow)
{
    int i;
    w->seed = seed;
    w->random = seed * 2 + 1;
    w->ids = ~seed;
    w->slow = slow;
    w->step = w->letters_len = w->members_len = w->marks_len = 0;
    w->authors = w->pins_len = w->has_forgotten = w->has_swept = 0;
    w->now = 0;
    w->wrong = NULL;
    w->nested = percent(w, 50);
    for (i = 0; i < NODES; i++)
        w->lists[i].len = 0;
    for (i = 0; i < TEXT_AUTHORS; i++) {
        int at = (int)below(w, (uint32_t)i + 1);
        w->order[i] = w->order[at];
        w->order[at] = (uint32_t)i;
    }
}

static void end(world *w)
{
    int i;
    for (i = 0; i < w->members_len; i++)
        crdt_doc_free(w->members[i].doc);
}

static void one_step(world *w)
{
    member *m = &w->members[below(w, (uint32_t)w->members_len)];
    uint32_t dice = below(w, 1000);
    w->now++;
    if (dice < 400)
        do_edit(w, m);
    else if (dice < 450)
        do_pin(w, m);
    else if (dice < 500)
        w->nested ? do_structure(w, m) : do_edit(w, m);
    else if (dice < 680)
        do_send(w, m);
    else if (dice < 910 && w->letters_len)
        m = do_receive(w);
    else if (dice < 930 && w->letters_len)
        drop_letter(w, (int)below(w, (uint32_t)w->letters_len));
    else if (dice < 950)
        do_truncate(w, m, 100);
    else if (dice < 960)
        do_truncate(w, m, 75);
    else if (dice < 980)
        do_sweep(w, m);
    else if (dice < 990)
        do_copy(w, m, &w->members[below(w, (uint32_t)w->members_len)]);
    if (!w->wrong)
        check_member(w, m);
}

/* Everyone tells everyone, in any order, twice: all are equal. */
static void do_meet(world *w)
{
    int pairs[MAX_MEMBERS * MAX_MEMBERS], len = w->members_len, count = 0, i;
    w->letters_len = 0;
    for (i = 0; i < 2 * len * len; i++) {
        int at, pair;
        if (count == 0)
            for (; count < len * len; count++)
                pairs[count] = count;
        at = (int)below(w, (uint32_t)count);
        pair = pairs[at];
        pairs[at] = pairs[--count];
        if (pair / len == pair % len || w->wrong)
            continue;
        do_join(w, &w->members[pair % len],
                letter_to(w, &w->members[pair / len], pair % len,
                          w->has_swept ? 0 : 99));
    }
}

static void finish(world *w)
{
    int i;
    do_meet(w);
    for (i = 0; i < w->members_len && !w->wrong; i++) {
        member *m = &w->members[i];
        EXPECT(text_vv_equal(&m->seen, &w->members[0].seen));
        check_member(w, m);
        check_same(w, m->doc, w->members[0].doc);
        do_truncate(w, m, 100);
        do_sweep(w, m);
        check_same(w, m->doc, w->members[0].doc);
        check_reads(w, m);
    }
    if (!w->wrong)
        check_canonical(w, &w->members[0]);
}

/* NULL, or what is wrong. Mostly short, sometimes long. */
static const char *run_seed(world *w, uint64_t seed, int slow)
{
    int steps, count;
    begin(w, seed, slow);
    count = 2 + (int)below(w, MAX_MEMBERS - 1);
    for (; w->members_len < count; w->members_len++)
        member_begin(w, &w->members[w->members_len]);
    steps = 10 + (int)below(w, percent(w, 90) ? 60 : 400);
    for (; w->step < steps && !w->wrong; w->step++)
        one_step(w);
    if (!w->wrong)
        check_joined(w);
    if (!w->wrong)
        finish(w);
    end(w);
    return w->wrong;
}

#include "seeds.h"

TEST(texts_equal_the_model)
{
    CHECK(run_seeds(4000) == 0);
}

TEST_MAIN(CASE(texts_equal_the_model))
