/*
 * Paths: keys from the root down, as text; of lists, indices.
 *
 *     images/beach.jpg/size      ~1 stands for a "/" in a key, ~0 for a "~"
 *     images/0/size              below the first element of a list
 *     /                          the empty key of the root
 *
 * With a "/" in front it is a JSON pointer (RFC 6901); without one it is the
 * same, and only a path whose first key is empty needs it.
 */
#ifndef CRDTI_PATH_H
#define CRDTI_PATH_H

#include "bytes.h"
#include "list.h"
#include "map.h"
#include "state.h"

/* >>from an object to its path -------------------------------------------- */

#define CRDTI_INDEX_DIGITS 10

/* The key as the path says it; of a list the index of the element, or "-"
 * when that is not there. */
CRDTI_FN crdt_bytes crdti_path_key(crdt_doc *doc, uint32_t entry,
                                   uint8_t room[CRDTI_INDEX_DIGITS])
{
    const crdti_entry *at = crdti_entry_at(doc, entry);
    crdt_bytes key = crdti_entry_key(at);
    size_t i = CRDTI_INDEX_DIGITS;
    uint32_t index;
    if (crdti_object_at(doc, at->object)->type != CRDT_LIST)
        return key;
    if (!crdti_element_index(doc, at->object, key.ptr, &index))
        return crdt_str("-");
    do
        room[--i] = (uint8_t)('0' + index % 10);
    while ((index /= 10) != 0);
    return crdt_bytes_of(room + i, CRDTI_INDEX_DIGITS - i);
}

/* How long the key is, escaped. */
CRDTI_FN size_t crdti_path_key_len(crdt_bytes key)
{
    size_t i, len = key.len;
    for (i = 0; i < key.len; i++)
        len += key.ptr[i] == '~' || key.ptr[i] == '/';
    return len;
}

/* Writes the escaped key so that it ends before `end`. */
CRDTI_FN uint8_t *crdti_path_put_key(uint8_t *end, crdt_bytes key)
{
    size_t i = key.len;
    while (i-- > 0) {
        int is_escaped = key.ptr[i] == '~' || key.ptr[i] == '/';
        *--end =
            is_escaped ? (uint8_t)('0' + (key.ptr[i] == '/')) : key.ptr[i];
        if (is_escaped)
            *--end = '~';
    }
    return end;
}

/* Whether it takes a "/" in front: where its first key is empty. */
CRDTI_FN int crdti_path_is_led(const crdt_doc *doc, uint32_t entry)
{
    const crdti_entry *at = crdti_entry_at(doc, entry);
    return at->object == CRDTI_ROOT && at->key_len == 0;
}

CRDTI_FN size_t crdti_path_len(crdt_doc *doc, uint32_t object)
{
    uint8_t room[CRDTI_INDEX_DIGITS];
    uint32_t entry = crdti_object_at(doc, object)->entry;
    size_t len = 0;
    while (entry) {
        const crdti_entry *at = crdti_entry_at(doc, entry);
        uint32_t above = crdti_object_at(doc, at->object)->entry;
        len += crdti_path_key_len(crdti_path_key(doc, entry, room)) +
               (above || crdti_path_is_led(doc, entry));
        entry = above;
    }
    return len;
}

/* Writes it to where there is just room for it. */
CRDTI_FN void crdti_path_put(crdt_doc *doc, uint32_t object, uint8_t *out)
{
    uint8_t room[CRDTI_INDEX_DIGITS];
    uint8_t *end = out + crdti_path_len(doc, object);
    uint32_t entry = crdti_object_at(doc, object)->entry;
    while (entry) {
        const crdti_entry *at = crdti_entry_at(doc, entry);
        end = crdti_path_put_key(end, crdti_path_key(doc, entry, room));
        if (end > out)
            *--end = '/';
        entry = crdti_object_at(doc, at->object)->entry;
    }
}

CRDT_API crdt_err crdt_path(crdt_obj obj, crdt_buf *out)
{
    size_t len;
    crdt_err err;
    if (crdt_is_null(obj) || !out)
        return CRDT_ERR_ARG;
    len = crdti_path_len(obj.doc, obj.index);
    err = crdti_buf_reserve(out, len);
    if (err || !len)
        return err;
    crdti_path_put(obj.doc, obj.index, out->ptr + out->len);
    out->len += len;
    return CRDT_OK;
}

/* >>from a path to what is there ------------------------------------------ */

/* Takes the first key off the path, unescaped, and says whether there are
 * more. ARG for a "~" that stands for nothing; LIMIT. */
CRDTI_FN crdt_err crdti_path_step(crdt_bytes *path, int *more, uint8_t *key,
                                  size_t *len)
{
    size_t i = 0;
    *len = 0;
    for (; i < path->len && path->ptr[i] != '/'; i++) {
        uint8_t c = path->ptr[i];
        if (*len == CRDTSYNC_MAX_KEY)
            return CRDT_ERR_LIMIT;
        if (c == '~') {
            if (++i == path->len || (path->ptr[i] | 1) != '1')
                return CRDT_ERR_ARG;
            c = path->ptr[i] == '0' ? '~' : '/';
        }
        key[(*len)++] = c;
    }
    *more = i < path->len;
    i += *more != 0;
    *path = crdt_bytes_of(path->ptr + i, path->len - i);
    return CRDT_OK;
}

/* The number that the key is, or SIZE_MAX: digits, and no 0 in front. */
CRDTI_FN size_t crdti_path_index(crdt_bytes key)
{
    size_t i, index = 0;
    if (!key.len || key.len > CRDTI_INDEX_DIGITS - 1 ||
        (key.ptr[0] == '0' && key.len > 1))
        return SIZE_MAX;
    for (i = 0; i < key.len; i++) {
        if (key.ptr[i] < '0' || key.ptr[i] > '9')
            return SIZE_MAX;
        index = index * 10 + (size_t)(key.ptr[i] - '0');
    }
    return index;
}

/* What is there in the object. NOT_FOUND, TYPE. */
CRDTI_FN crdt_err crdti_path_get(crdt_obj obj, crdt_bytes key, crdt_value *out)
{
    crdt_err err;
    if (crdt_type_of(obj) != CRDT_LIST)
        return crdt_map_get(obj, key, out);
    err = crdt_list_get(obj, crdti_path_index(key), out);
    return err == CRDT_ERR_RANGE ? CRDT_ERR_NOT_FOUND : err;
}

CRDT_API crdt_err crdt_at(crdt_doc *doc, crdt_bytes path, crdt_value *out)
{
    uint8_t key[CRDTSYNC_MAX_KEY];
    crdt_value value;
    crdt_err err = CRDT_OK;
    size_t len;
    int more;
    if (!doc || !out || (path.len && !path.ptr))
        return CRDT_ERR_ARG;
    value.kind = CRDT_OBJECT;
    value.as.object = crdt_root(doc);
    more = path.len != 0;
    if (more && path.ptr[0] == '/')
        path = crdt_bytes_of(path.ptr + 1, path.len - 1);
    while (more && !err) {
        err = crdti_path_step(&path, &more, key, &len);
        if (!err && value.kind != CRDT_OBJECT)
            err = CRDT_ERR_TYPE;
        if (!err)
            err = crdti_path_get(value.as.object, crdt_bytes_of(key, len),
                                 &value);
    }
    if (!err)
        *out = value;
    return err;
}

#endif
