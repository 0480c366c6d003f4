/*
 * What a document reads, kept by its watcher from nothing but what it is
 * told: a sorted list of lines, a place and what is there.
 *
 *     /photos/beach.jpg       map           an object
 *     /photos/beach.jpg/size  213           a value, in hex
 *     /tags<tab>has 4661      there         an element of the set /tags
 *     /views<tab>is           212a          the value of a counter
 *
 *     mirror m;
 *     mirror_watch(&m, doc);
 *     ... commits and joins ...
 *     CHECK(mirror_is_right(&m));
 *     mirror_end(&m);
 */
#ifndef MIRROR_H
#define MIRROR_H

#include "../src/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIRROR_PLACE = 200, MIRROR_VALUE = 80 };

typedef struct {
    char place[MIRROR_PLACE], value[MIRROR_VALUE];
} mirror_line;

typedef struct {
    crdt_doc *doc;
    mirror_line *lines;
    size_t len, cap;
    unsigned told, lost;
    unsigned odd; /* patches that nobody needed */
} mirror;

/* >>lines ----------------------------------------------------------------- */

/* The first line at or behind the place. */
static inline size_t mirror_find(const mirror *m, const char *place)
{
    size_t first = 0, end = m->len;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (strcmp(m->lines[middle].place, place) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static inline int mirror_has(const mirror *m, const char *place)
{
    size_t at = mirror_find(m, place);
    return at < m->len && !strcmp(m->lines[at].place, place);
}

static inline void mirror_put(mirror *m, const char *place, const char *value)
{
    size_t at = mirror_find(m, place);
    if (!mirror_has(m, place)) {
        if (m->len == m->cap) {
            m->cap = 2 * m->cap + 64;
            m->lines =
                (mirror_line *)realloc(m->lines, m->cap * sizeof *m->lines);
            if (!m->lines)
                abort();
        }
        memmove(m->lines + at + 1, m->lines + at,
                (m->len - at) * sizeof *m->lines);
        m->len++;
        snprintf(m->lines[at].place, MIRROR_PLACE, "%s", place);
    }
    snprintf(m->lines[at].value, MIRROR_VALUE, "%s", value);
}

/* The place, and what is in the object there. (No key holds a tab.) */
static inline void mirror_remove(mirror *m, const char *place)
{
    size_t i, kept = 0, len = strlen(place);
    for (i = 0; i < m->len; i++) {
        const char *at = m->lines[i].place;
        if (strncmp(at, place, len) || !strchr("/\t", at[len]))
            m->lines[kept++] = m->lines[i];
    }
    m->len = kept;
}

/* >>what they hold -------------------------------------------------------- */

static inline void mirror_hex(char *out, const crdt_value *value)
{
    crdti_element element;
    size_t i;
    if (crdti_element_encode(value, &element) ||
        2 * element.len >= MIRROR_VALUE)
        abort();
    for (i = 0; i < element.len; i++)
        sprintf(out + 2 * i, "%02x", element.bytes[i]);
}

/* The place of a key of the object at `place`. */
static inline void mirror_below(char *out, const char *place, crdt_bytes key)
{
    size_t len = strlen(place), i;
    if (len + 2 * key.len + 2 > MIRROR_PLACE)
        abort();
    memcpy(out, place, len);
    out[len++] = '/';
    for (i = 0; i < key.len; i++)
        if (key.ptr[i] == '/' || key.ptr[i] == '~')
            len += (size_t)sprintf(out + len, "~%d", key.ptr[i] == '/');
        else
            out[len++] = (char)key.ptr[i];
    out[len] = 0;
}

static inline void mirror_put_element(mirror *m, const char *place,
                                      const crdt_value *element, int is_in)
{
    char at[MIRROR_PLACE], hex[MIRROR_VALUE];
    mirror_hex(hex, element);
    snprintf(at, sizeof at, "%.*s\thas %s", MIRROR_PLACE - 90, place, hex);
    m->odd += mirror_has(m, at) == is_in;
    if (is_in)
        mirror_put(m, at, "there");
    else
        mirror_remove(m, at);
}

/* The one value of an object; NULL: none. */
static inline void mirror_put_value(mirror *m, const char *place,
                                    const crdt_value *value)
{
    char at[MIRROR_PLACE], hex[MIRROR_VALUE];
    snprintf(at, sizeof at, "%.*s\tis", MIRROR_PLACE - 5, place);
    if (!value) {
        mirror_remove(m, at);
        return;
    }
    mirror_hex(hex, value);
    mirror_put(m, at, hex);
}

/* >>reading --------------------------------------------------------------- */

static inline int mirror_is_set(crdt_type type)
{
    return type >= CRDT_AW_SET && type <= CRDT_LWW_SET_RM;
}

/* What an object reads that is neither map nor set. */
static inline crdt_err mirror_read_value(crdt_obj obj, crdt_value *out)
{
    int on = 0;
    crdt_type type = crdt_type_of(obj);
    *out = crdt_int(0);
    if (type == CRDT_REGISTER)
        return crdt_register_get(obj, out);
    if (type == CRDT_MAX)
        return crdt_max_get(obj, out);
    if (type == CRDT_MIN)
        return crdt_min_get(obj, out);
    if (type == CRDT_BOUNDED)
        (void)crdt_bounded_get(obj, &out->as.integer);
    else if (type == CRDT_COUNTER || type == CRDT_GCOUNTER)
        (void)crdt_counter_get(obj, &out->as.integer);
    else {
        (void)crdt_flag_get(obj, &on);
        *out = crdt_bool(on);
    }
    return CRDT_OK;
}

static inline void mirror_read(mirror *m, const char *place, crdt_obj obj);

static inline void mirror_put_key(mirror *m, const char *place,
                                  const crdt_value *value)
{
    char hex[MIRROR_VALUE];
    mirror_remove(m, place);
    if (value->kind == CRDT_OBJECT) {
        mirror_read(m, place, value->as.object);
        return;
    }
    mirror_hex(hex, value);
    mirror_put(m, place, hex);
}

static inline void mirror_read_map(mirror *m, const char *place, crdt_obj map)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    char below[MIRROR_PLACE];
    crdt_err err;
    while (!(err = crdt_map_next(map, &cursor))) {
        mirror_below(below, place, cursor.key);
        mirror_put_key(m, below, &cursor.value);
    }
    if (err != CRDT_ERR_NOT_FOUND)
        abort();
}

static inline void mirror_read_set(mirror *m, const char *place, crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_err err;
    while (!(err = crdt_set_next(set, &cursor)))
        mirror_put_element(m, place, &cursor.value, 1);
    if (err != CRDT_ERR_NOT_FOUND)
        abort();
}

static inline void mirror_read(mirror *m, const char *place, crdt_obj obj)
{
    crdt_type type = crdt_type_of(obj);
    crdt_value value;
    mirror_put(m, place, crdt_type_name(type));
    if (type == CRDT_MAP)
        mirror_read_map(m, place, obj);
    else if (mirror_is_set(type))
        mirror_read_set(m, place, obj);
    else if (!mirror_read_value(obj, &value))
        mirror_put_value(m, place, &value);
}

static inline void mirror_read_all(mirror *m)
{
    m->len = 0;
    mirror_read(m, "", crdt_root(m->doc));
}

/* >>being told ------------------------------------------------------------ */

static inline void mirror_apply(mirror *m, const crdt_patch *p)
{
    char place[MIRROR_PLACE], below[MIRROR_PLACE];
    int is_led = !p->path.len || p->path.ptr[0] == '/';
    snprintf(place, sizeof place, "%s%.*s", is_led ? "" : "/",
             (int)p->path.len, p->path.len ? (const char *)p->path.ptr : "");
    m->odd += !mirror_has(m, place);
    if (p->kind == CRDT_PATCH_ADD || p->kind == CRDT_PATCH_DROP) {
        int is_in = p->kind == CRDT_PATCH_ADD;
        mirror_put_element(m, place, is_in ? &p->now : &p->before, is_in);
        return;
    }
    if (crdt_type_of(p->object) != CRDT_MAP) {
        mirror_put_value(m, place, p->kind == CRDT_PATCH_PUT ? &p->now : NULL);
        return;
    }
    mirror_below(below, place, p->key);
    m->odd += mirror_has(m, below) != p->had_before;
    if (p->kind == CRDT_PATCH_PUT)
        mirror_put_key(m, below, &p->now);
    else
        mirror_remove(m, below);
}

static inline void mirror_told(void *ctx, crdt_doc *doc,
                               const crdt_patch *patches, size_t len)
{
    mirror *m = (mirror *)ctx;
    size_t i;
    (void)doc;
    m->told++;
    for (i = 0; i < len; i++)
        if (patches[i].kind == CRDT_PATCH_LOST) {
            m->lost++;
            mirror_read_all(m);
        } else
            mirror_apply(m, &patches[i]);
}

/* Starts as what the document reads. */
static inline void mirror_init(mirror *m, crdt_doc *doc)
{
    memset(m, 0, sizeof *m);
    m->doc = doc;
    mirror_read_all(m);
}

static inline crdt_err mirror_watch(mirror *m, crdt_doc *doc)
{
    mirror_init(m, doc);
    return crdt_doc_watch(doc, mirror_told, m);
}

/* Whether it is what the document reads now. Says what is not. */
static inline int mirror_is_right(const mirror *m)
{
    mirror now;
    size_t i;
    int is_right;
    memset(&now, 0, sizeof now);
    now.doc = m->doc;
    mirror_read_all(&now);
    for (i = 0; i < m->len && i < now.len; i++)
        if (strcmp(m->lines[i].place, now.lines[i].place) ||
            strcmp(m->lines[i].value, now.lines[i].value))
            break;
    is_right = i == m->len && i == now.len && !m->odd;
    if (i < m->len || i < now.len)
        printf("told \"%s\" %s, but reads \"%s\" %s\n",
               i < m->len ? m->lines[i].place : "(end)",
               i < m->len ? m->lines[i].value : "",
               i < now.len ? now.lines[i].place : "(end)",
               i < now.len ? now.lines[i].value : "");
    if (m->odd)
        printf("told %u times of what has not changed\n", m->odd);
    free(now.lines);
    return is_right;
}

static inline void mirror_end(mirror *m)
{
    free(m->lines);
    m->lines = NULL;
    m->len = m->cap = 0;
}

#endif
