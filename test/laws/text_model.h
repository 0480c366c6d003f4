/*
 * What a text must read, from a list of every character that was ever typed:
 * slow, and plain enough to be seen to be right.
 *
 *     items    [ a.1 H ][ b.1 e ][ a.2 i ][ a.3 ! ]    in document order
 *     left     (begin)   a.1      a.1      a.2         typed behind
 *     right    (end)     a.2      (end)    (end)       what stood there then
 *     killed   -         -        b: 2     -           by b.2: b deleted it
 *
 * Every event has a dot, an author and a number, and a replica is a version
 * vector: it has seen the first so many events of each author. A character is
 * there for whoever has seen it typed, and nothing that killed it.
 *
 * Items stay where FugueMax puts them (Weidner & Kleppmann 2023), whoever
 * looks; those that a replica has not seen stand between the others unnoticed.
 */
#ifndef TEXT_MODEL_H
#define TEXT_MODEL_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef TEXT_AUTHORS
#define TEXT_AUTHORS 48
#endif

/* The seq-th event of an author, from 1; of 0 there is none. Authors are
 * numbers in the order of their replica ids. */
typedef struct {
    uint32_t author, seq;
} text_dot;

typedef struct {
    uint32_t of[TEXT_AUTHORS];
} text_vv;

/* Something with a dot that can be killed: of each author the first event that
 * did. (Who has seen a later one has seen the first.) */
typedef struct {
    text_dot dot;
    text_vv killed;
} text_life;

typedef struct {
    text_life life;
    text_dot left, right; /* none: the beginning, the end */
    uint32_t code;
} text_item;

typedef struct {
    text_item *items;
    size_t len, cap;
} text_list;

/* >>version vectors ------------------------------------------------------- */

static inline text_vv text_vv_none(void)
{
    text_vv none;
    memset(&none, 0, sizeof none);
    return none;
}

static inline void text_vv_merge(text_vv *a, const text_vv *b)
{
    int i;
    for (i = 0; i < TEXT_AUTHORS; i++)
        if (a->of[i] < b->of[i])
            a->of[i] = b->of[i];
}

/* What both have seen. */
static inline text_vv text_vv_both(const text_vv *a, const text_vv *b)
{
    text_vv both = *a;
    int i;
    for (i = 0; i < TEXT_AUTHORS; i++)
        if (both.of[i] > b->of[i])
            both.of[i] = b->of[i];
    return both;
}

static inline int text_vv_equal(const text_vv *a, const text_vv *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline int text_vv_covers(const text_vv *a, const text_vv *b)
{
    text_vv both = text_vv_both(a, b);
    return text_vv_equal(&both, b);
}

static inline text_dot text_vv_next(text_vv *vv, uint32_t author)
{
    text_dot dot;
    dot.author = author;
    dot.seq = ++vv->of[author];
    return dot;
}

static inline int text_seen(const text_vv *vv, text_dot dot)
{
    return dot.seq <= vv->of[dot.author];
}

/* >>life and death -------------------------------------------------------- */

static inline text_life text_born(text_dot dot)
{
    text_life life;
    life.dot = dot;
    life.killed = text_vv_none();
    return life;
}

static inline int text_alive(const text_life *life, const text_vv *vv)
{
    int i;
    if (!text_seen(vv, life->dot))
        return 0;
    for (i = 0; i < TEXT_AUTHORS; i++)
        if (life->killed.of[i] && life->killed.of[i] <= vv->of[i])
            return 0;
    return 1;
}

/* Events of an author come in their order. */
static inline void text_kill(text_life *life, text_dot killer)
{
    if (!life->killed.of[killer.author])
        life->killed.of[killer.author] = killer.seq;
}

/* >>order ----------------------------------------------------------------- */

static inline int text_same(text_dot a, text_dot b)
{
    return a.seq == b.seq && (a.seq == 0 || a.author == b.author);
}

/* Where the item is; `none` for no dot. */
static inline size_t text_index(const text_list *l, text_dot dot, size_t none)
{
    size_t i = 0;
    if (dot.seq == 0)
        return none;
    while (!text_same(l->items[i].life.dot, dot))
        i++;
    return i;
}

/* The same of origins; the beginning is 0, the first item 1, and so on. */
static inline size_t text_left(const text_list *l, const text_item *item)
{
    return text_index(l, item->left, (size_t)-1) + 1;
}

static inline size_t text_right(const text_list *l, const text_item *item)
{
    return text_index(l, item->right, l->len) + 1;
}

/* The index where a new item belongs: between its origins, and among what
 * others have put there. */
static inline size_t text_place(const text_list *l, const text_item *item)
{
    size_t left = text_left(l, item), right = text_right(l, item);
    size_t i, place = left;
    int passing = 0;
    for (i = left; i + 1 < right; i++) {
        const text_item *other = &l->items[i];
        size_t its_left = text_left(l, other), its_right;
        if (its_left < left)
            break;
        if (its_left == left) {
            its_right = text_right(l, other);
            if (its_right == right &&
                item->life.dot.author < other->life.dot.author)
                break;
            passing = its_right < right;
        }
        if (!passing)
            place = i + 1;
    }
    return place;
}

static inline void text_add(text_list *l, const text_item *item)
{
    size_t place = text_place(l, item);
    if (l->len == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->items = (text_item *)realloc(l->items, l->cap * sizeof *l->items);
        if (!l->items)
            abort();
    }
    memmove(l->items + place + 1, l->items + place,
            (l->len - place) * sizeof *l->items);
    l->items[place] = *item;
    l->len++;
}

static inline void text_free(text_list *l)
{
    free(l->items);
    memset(l, 0, sizeof *l);
}

/* >>reading and writing --------------------------------------------------- */

static inline size_t text_len(const text_list *l, const text_vv *vv)
{
    size_t i, len = 0;
    for (i = 0; i < l->len; i++)
        len += (size_t)text_alive(&l->items[i].life, vv);
    return len;
}

/* The index of the at-th character that is there, from 0; l->len behind the
 * last. */
static inline size_t text_nth(const text_list *l, const text_vv *vv, size_t at)
{
    size_t i;
    for (i = 0; i < l->len; i++)
        if (text_alive(&l->items[i].life, vv) && at-- == 0)
            break;
    return i;
}

/* The author types a character where `at` stand before it. `right`: instead
 * of what stands behind it, that is further on, or NULL; whether only deleted
 * ones are passed over so. */
static inline int text_type_before(text_list *l, text_vv *vv, uint32_t author,
                                   size_t at, uint32_t code,
                                   const text_dot *right)
{
    text_item item;
    size_t next = 0;
    memset(&item, 0, sizeof item);
    if (at > 0) {
        next = text_nth(l, vv, at - 1) + 1;
        item.left = l->items[next - 1].life.dot;
    }
    while (next < l->len && !text_seen(vv, l->items[next].life.dot))
        next++;
    while (right && next < l->len &&
           !text_same(l->items[next].life.dot, *right)) {
        if (text_alive(&l->items[next++].life, vv))
            return 0;
    }
    if (next < l->len)
        item.right = l->items[next].life.dot;
    item.code = code;
    item.life = text_born(text_vv_next(vv, author));
    text_add(l, &item);
    return 1;
}

static inline void text_type(text_list *l, text_vv *vv, uint32_t author,
                             size_t at, uint32_t code)
{
    text_type_before(l, vv, author, at, code, NULL);
}

/* The author deletes the at-th character. */
static inline void text_erase(text_list *l, text_vv *vv, uint32_t author,
                              size_t at)
{
    size_t i = text_nth(l, vv, at);
    text_kill(&l->items[i].life, text_vv_next(vv, author));
}

/* One event of somebody takes all that it has seen. */
static inline void text_erase_all(text_list *l, const text_vv *seen,
                                  text_dot killer)
{
    size_t i;
    for (i = 0; i < l->len; i++)
        if (text_seen(seen, l->items[i].life.dot))
            text_kill(&l->items[i].life, killer);
}

/* >>UTF-8 ----------------------------------------------------------------- */

/* Writes the character; how many bytes it takes. */
static inline size_t text_put(uint8_t *to, uint32_t code)
{
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    size_t i;
    for (i = size; i-- > 0; code >>= 6)
        to[i] = (uint8_t)(i ? 0x80 | (code & 0x3f) : lead[size] | code);
    return size;
}

/* Reads one; how many bytes it takes. They are right. */
static inline size_t text_take(const uint8_t *from, uint32_t *code)
{
    size_t size = *from < 0xc0 ? 1 : *from < 0xe0 ? 2 : *from < 0xf0 ? 3 : 4;
    size_t i;
    *code = *from & (size == 1 ? 0x7fu : 0x7fu >> size);
    for (i = 1; i < size; i++)
        *code = *code << 6 | (from[i] & 0x3fu);
    return size;
}

/* Writes what a replica reads; how many bytes. There is room for 4 a
 * character. */
static inline size_t text_read(const text_list *l, const text_vv *vv,
                               uint8_t *to)
{
    size_t i, len = 0;
    for (i = 0; i < l->len; i++)
        if (text_alive(&l->items[i].life, vv))
            len += text_put(to + len, l->items[i].code);
    return len;
}

#endif
