/*
 * What a document reads, kept by its watcher from nothing but what it is
 * told: a sorted list of lines, a place and what is there.
 *
 *     /photos/beach.jpg       map           an object
 *     /photos/beach.jpg/size  213           a value, in hex
 *     /tags<tab>has 4661      there         an element of the set /tags
 *     /views<tab>is           212a          the value of a counter
 *     /note<tab>text          4869          a text, in hex
 *     /todo                   list          a list, and what is in it
 *     /todo/0                 213           by index
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

enum { MIRROR_PLACE = 360, MIRROR_VALUE = 240 };

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
    snprintf(at, sizeof at, "%.*s\thas %s", MIRROR_PLACE - MIRROR_VALUE - 6,
             place, hex);
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

/* >>texts ----------------------------------------------------------------- */

static inline void mirror_put_text(mirror *m, const char *place,
                                   crdt_bytes text)
{
    char at[MIRROR_PLACE], hex[MIRROR_VALUE] = "";
    size_t i;
    if (2 * text.len >= MIRROR_VALUE)
        abort();
    for (i = 0; i < text.len; i++)
        sprintf(hex + 2 * i, "%02x", text.ptr[i]);
    snprintf(at, sizeof at, "%.*s\ttext", MIRROR_PLACE - 7, place);
    mirror_put(m, at, hex);
}

/* What it said last. */
static inline size_t mirror_text(const mirror *m, const char *place,
                                 uint8_t *out)
{
    char at[MIRROR_PLACE];
    const char *hex;
    size_t i;
    unsigned byte;
    snprintf(at, sizeof at, "%.*s\ttext", MIRROR_PLACE - 7, place);
    if (!mirror_has(m, at))
        abort();
    hex = m->lines[mirror_find(m, at)].value;
    for (i = 0; sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
        out[i] = (uint8_t)byte;
    return i;
}

static inline void mirror_patch_text(mirror *m, const char *place,
                                     const crdt_patch *p)
{
    uint8_t old[MIRROR_VALUE], now[2 * MIRROR_VALUE];
    size_t left = mirror_text(m, place, old), from = 0, len = 0, i;
    for (i = 0; i < p->steps_len; i++) {
        const crdt_step *step = &p->steps[i];
        int is_new = step->kind == CRDT_STEP_INSERT;
        if ((!is_new && step->bytes > left - from) ||
            len + step->bytes > sizeof now)
            abort();
        if (step->kind != CRDT_STEP_DELETE)
            memcpy(now + len, is_new ? step->text.ptr : old + from,
                   step->bytes);
        len += step->kind != CRDT_STEP_DELETE ? step->bytes : 0;
        from += is_new ? 0 : step->bytes;
    }
    if (len + left - from > sizeof now)
        abort();
    memcpy(now + len, old + from, left - from);
    mirror_put_text(m, place, crdt_bytes_of(now, len + left - from));
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

/* The place of an element. */
static inline void mirror_at(char *out, const char *place, size_t index)
{
    snprintf(out, MIRROR_PLACE, "%.*s/%lu", MIRROR_PLACE - 22, place,
             (unsigned long)index);
}

static inline void mirror_read_element(mirror *m, const char *place,
                                       crdt_obj list, size_t index)
{
    char at[MIRROR_PLACE];
    crdt_value value;
    if (crdt_list_get(list, index, &value))
        abort();
    mirror_at(at, place, index);
    mirror_put_key(m, at, &value);
}

static inline void mirror_read_list(mirror *m, const char *place,
                                    crdt_obj list)
{
    size_t i, len = crdt_list_len(list);
    for (i = 0; i < len; i++)
        mirror_read_element(m, place, list, i);
}

static inline void mirror_read_text(mirror *m, const char *place,
                                    crdt_obj text)
{
    crdt_buf all = CRDT_BUF_INIT;
    if (crdt_text_get(text, &all))
        abort();
    mirror_put_text(m, place, crdt_buf_bytes(&all));
    crdt_buf_free(&all);
}

static inline void mirror_read(mirror *m, const char *place, crdt_obj obj)
{
    crdt_type type = crdt_type_of(obj);
    crdt_value value;
    mirror_put(m, place, crdt_type_name(type));
    if (type == CRDT_MAP)
        mirror_read_map(m, place, obj);
    else if (type == CRDT_LIST)
        mirror_read_list(m, place, obj);
    else if (type == CRDT_TEXT)
        mirror_read_text(m, place, obj);
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

/* >>lists ----------------------------------------------------------------- */

/* Where the element is now, or SIZE_MAX: it is gone, or to be read anew. */
static inline size_t mirror_moved(const crdt_patch *p, size_t index)
{
    size_t from = 0, to = 0, i;
    for (i = 0; i < p->steps_len; i++) {
        const crdt_step *step = &p->steps[i];
        int is_new = step->kind == CRDT_STEP_INSERT;
        if (!is_new && index - from < step->chars)
            return step->kind == CRDT_STEP_RETAIN ? to + (index - from)
                                                  : SIZE_MAX;
        from += is_new ? 0 : step->chars;
        to += step->kind == CRDT_STEP_DELETE ? 0 : step->chars;
    }
    return to + (index - from);
}

static inline int mirror_order(const void *a, const void *b)
{
    return strcmp(((const mirror_line *)a)->place,
                  ((const mirror_line *)b)->place);
}

/* Elements that stay get their new numbers, with all that is in them. How many
 * there were. */
static inline size_t mirror_renumber(mirror *m, const char *place,
                                     const crdt_patch *p)
{
    size_t i, kept = 0, count = 0, len = strlen(place);
    for (i = 0; i < m->len; i++) {
        mirror_line line = m->lines[i];
        char at[MIRROR_PLACE], *rest;
        if (!strncmp(line.place, place, len) && line.place[len] == '/') {
            size_t to =
                mirror_moved(p, strtoul(line.place + len + 1, &rest, 10));
            count += *rest == 0;
            if (to == SIZE_MAX)
                continue;
            mirror_at(at, place, to);
            if (strlen(at) + strlen(rest) >= MIRROR_PLACE)
                abort();
            strcat(at, rest);
            strcpy(line.place, at);
        }
        m->lines[kept++] = line;
    }
    m->len = kept;
    qsort(m->lines, m->len, sizeof *m->lines, mirror_order);
    return count;
}

/* Steps that are needed, and lead from so many elements to so many. */
static inline int mirror_is_odd(const crdt_patch *p, size_t before, size_t now)
{
    size_t i;
    for (i = 0; i < p->steps_len; i++) {
        const crdt_step *step = &p->steps[i];
        if (!step->chars || (i && step[-1].kind == step->kind) ||
            step->bytes != step->chars || step->utf16 != step->chars)
            return 1;
        if (step->kind != CRDT_STEP_INSERT)
            before -= step->chars;
        if (step->kind != CRDT_STEP_DELETE)
            now -= step->chars;
    }
    return !i || p->steps[i - 1].kind == CRDT_STEP_RETAIN || before != now;
}

static inline void mirror_patch_list(mirror *m, const char *place,
                                     const crdt_patch *p)
{
    size_t before = mirror_renumber(m, place, p), to = 0, i, n;
    m->odd += mirror_is_odd(p, before, crdt_list_len(p->object)) != 0;
    for (i = 0; i < p->steps_len; i++) {
        const crdt_step *step = &p->steps[i];
        if (step->kind == CRDT_STEP_DELETE)
            continue;
        for (n = 0; n < step->chars && step->kind != CRDT_STEP_RETAIN; n++)
            mirror_read_element(m, place, p->object, to + n);
        to += step->chars;
    }
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
    if (p->kind == CRDT_PATCH_LIST || p->kind == CRDT_PATCH_TEXT) {
        if (p->kind == CRDT_PATCH_LIST)
            mirror_patch_list(m, place, p);
        else
            mirror_patch_text(m, place, p);
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
