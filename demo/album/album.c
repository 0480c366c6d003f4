#include "../common/posix.h"

#include "album.h"

#include <string.h>

/* >>names ----------------------------------------------------------------- */

static int is_hex(crdt_bytes text, size_t len)
{
    size_t i;
    for (i = 0; i < text.len; i++)
        if (!text.ptr[i] || !strchr("0123456789abcdef", text.ptr[i]))
            return 0;
    return text.len == len;
}

int album_good_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(name);
    return len > 0 && len <= ALBUM_USER_MAX && !strchr("-.", *name) &&
           strspn(name, letters) == len;
}

int album_good_file(crdt_bytes name)
{
    size_t i;
    for (i = 0; i < name.len; i++)
        if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f || name.ptr[i] == '/')
            return 0;
    return name.len > 0 && name.len <= ALBUM_FILE_MAX &&
           !(name.ptr[0] == '.' &&
             (name.len == 1 || (name.len == 2 && name.ptr[1] == '.')));
}

/* >>commits --------------------------------------------------------------- */

/* The first error of a change; whole or, when its parts failed, what there is
 * of it: a rest without a name. */
static crdt_err finish(crdt_doc *doc, crdt_err err)
{
    crdt_err late = crdt_doc_error(doc), committed = crdt_commit(doc);
    return err ? err : late ? late : committed;
}

static crdt_obj part(crdt_doc *doc, const char *key, crdt_type type)
{
    return crdt_map_object(crdt_root(doc), crdt_str(key), type);
}

static crdt_obj find(crdt_doc *doc, const char *key, crdt_type type)
{
    return crdt_map_find(crdt_root(doc), crdt_str(key), type);
}

/* >>people ---------------------------------------------------------------- */

crdt_err album_set_name(crdt_doc *doc, const char *name)
{
    return finish(doc, crdt_map_put_str(crdt_root(doc), CRDT_STR("name"),
                                        crdt_str(name)));
}

crdt_err album_add_member(crdt_doc *doc, const char *user)
{
    return finish(doc, crdt_set_add(part(doc, "members", CRDT_RW_SET),
                                    crdt_string(crdt_str(user))));
}

crdt_err album_remove_member(crdt_doc *doc, const char *user)
{
    return finish(doc, crdt_set_remove(part(doc, "members", CRDT_RW_SET),
                                       crdt_string(crdt_str(user))));
}

crdt_err album_next_member(crdt_doc *doc, crdt_cursor *cursor,
                           crdt_bytes *user)
{
    crdt_obj members = find(doc, "members", CRDT_RW_SET);
    crdt_err err;
    if (crdt_is_null(members))
        return CRDT_ERR_NOT_FOUND;
    do {
        err = crdt_set_next(members, cursor);
    } while (!err && cursor->value.kind != CRDT_STRING);
    if (!err)
        *user = cursor->value.as.bytes;
    return err;
}

crdt_err album_sign(crdt_doc *doc, const char *user)
{
    crdt_id id = crdt_doc_replica(doc);
    char key[33];
    if (crdt_bytes_equal(album_author(doc, &id), crdt_str(user)))
        return CRDT_OK;
    crdt_id_text(&id, key);
    return finish(doc, crdt_map_put_str(part(doc, "devices", CRDT_MAP),
                                        crdt_str(key), crdt_str(user)));
}

crdt_bytes album_author(crdt_doc *doc, const crdt_id *replica)
{
    crdt_obj devices = find(doc, "devices", CRDT_MAP);
    crdt_bytes user = { NULL, 0 };
    char key[33];
    crdt_id_text(replica, key);
    if (!crdt_is_null(devices))
        (void)crdt_map_get_str(devices, crdt_str(key), &user);
    return user;
}

/* >>files ----------------------------------------------------------------- */

crdt_err album_add_file(crdt_doc *doc, const album_file *file)
{
    crdt_obj record;
    crdt_err err;
    if (!is_hex(crdt_str(file->id), ALBUM_ID_LEN) || file->size < 0 ||
        !is_hex(crdt_str(file->hash), ALBUM_HASH_LEN) ||
        !album_good_file(file->name))
        return CRDT_ERR_ARG;
    record = crdt_map_map(part(doc, "files", CRDT_MAP), crdt_str(file->id));
    err = crdt_map_put_str(record, CRDT_STR("hash"), crdt_str(file->hash));
    if (!err)
        err = crdt_map_put_int(record, CRDT_STR("size"), file->size);
    if (!err)
        err = crdt_map_put_str(record, CRDT_STR("author"), file->author);
    if (!err)
        err =
            crdt_map_put(record, CRDT_STR("added"), crdt_time(file->added_ms));
    if (!err)
        err = crdt_map_put_str(record, CRDT_STR("name"), file->name);
    return finish(doc, err);
}

crdt_err album_remove_file(crdt_doc *doc, const char *id)
{
    album_file file;
    crdt_err err = album_get_file(doc, id, &file);
    if (err)
        return err;
    return finish(doc,
                  crdt_map_remove(find(doc, "files", CRDT_MAP), crdt_str(id)));
}

static int is_vote(const crdt_value *value)
{
    return value->kind == CRDT_INT && value->as.integer >= 0 &&
           value->as.integer <= ALBUM_STARS_MAX;
}

static crdt_err next_vote(crdt_obj record, crdt_cursor *cursor)
{
    crdt_obj ratings = crdt_map_find(record, CRDT_STR("ratings"), CRDT_MAP);
    crdt_err err;
    if (crdt_is_null(ratings))
        return CRDT_ERR_NOT_FOUND;
    do {
        err = crdt_map_next(ratings, cursor);
    } while (!err && !is_vote(&cursor->value));
    return err;
}

static void count_votes(crdt_obj record, album_file *out)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    double sum = 0;
    out->votes = 0;
    while (next_vote(record, &cursor) == CRDT_OK) {
        sum += (double)cursor.value.as.integer;
        out->votes++;
    }
    out->mean = out->votes ? sum / out->votes : 0;
}

/* Whether it is whole; what else is there is a rest, or nonsense. */
static int read_file(crdt_obj record, crdt_bytes id, album_file *out)
{
    crdt_bytes hash;
    crdt_value added;
    memset(out, 0, sizeof *out);
    if (crdt_is_null(record) || !is_hex(id, ALBUM_ID_LEN) ||
        crdt_map_get_str(record, CRDT_STR("name"), &out->name) ||
        crdt_map_get_str(record, CRDT_STR("hash"), &hash) ||
        crdt_map_get_str(record, CRDT_STR("author"), &out->author) ||
        crdt_map_get_int(record, CRDT_STR("size"), &out->size) ||
        crdt_map_get(record, CRDT_STR("added"), &added) ||
        added.kind != CRDT_TIME || !is_hex(hash, ALBUM_HASH_LEN) ||
        !album_good_file(out->name) || out->size < 0)
        return 0;
    memcpy(out->id, id.ptr, ALBUM_ID_LEN);
    memcpy(out->hash, hash.ptr, ALBUM_HASH_LEN);
    out->added_ms = added.as.integer;
    count_votes(record, out);
    return 1;
}

static crdt_obj record_of(crdt_doc *doc, const char *id)
{
    crdt_obj files = find(doc, "files", CRDT_MAP);
    return crdt_is_null(files) ? files
                               : crdt_map_find(files, crdt_str(id), CRDT_MAP);
}

crdt_err album_get_file(crdt_doc *doc, const char *id, album_file *out)
{
    return read_file(record_of(doc, id), crdt_str(id), out)
               ? CRDT_OK
               : CRDT_ERR_NOT_FOUND;
}

crdt_err album_next_file(crdt_doc *doc, crdt_cursor *cursor, album_file *out)
{
    crdt_obj files = find(doc, "files", CRDT_MAP);
    crdt_err err = CRDT_ERR_NOT_FOUND;
    while (!crdt_is_null(files) &&
           (err = crdt_map_next(files, cursor)) == CRDT_OK)
        if (cursor->value.kind == CRDT_OBJECT &&
            crdt_type_of(cursor->value.as.object) == CRDT_MAP &&
            read_file(cursor->value.as.object, cursor->key, out))
            return CRDT_OK;
    return err;
}

crdt_err album_rate(crdt_doc *doc, const char *id, const char *user,
                    int64_t stars)
{
    album_file file;
    crdt_obj ratings;
    crdt_err err = album_get_file(doc, id, &file);
    if (err || stars < 0 || stars > ALBUM_STARS_MAX)
        return err ? err : CRDT_ERR_ARG;
    ratings = crdt_map_map(record_of(doc, id), CRDT_STR("ratings"));
    return finish(doc, crdt_map_put_int(ratings, crdt_str(user), stars));
}

crdt_err album_next_vote(crdt_doc *doc, const char *id, crdt_cursor *cursor,
                         crdt_bytes *user, int64_t *stars)
{
    crdt_obj record = record_of(doc, id);
    crdt_err err =
        crdt_is_null(record) ? CRDT_ERR_NOT_FOUND : next_vote(record, cursor);
    if (err)
        return err;
    *user = cursor->key;
    *stars = cursor->value.as.integer;
    return CRDT_OK;
}

/* >>chat ------------------------------------------------------------------ */

/* At the end: so it comes behind all that its writer has seen. */
crdt_err album_say(crdt_doc *doc, const char *user, crdt_bytes text,
                   int64_t at_ms)
{
    crdt_obj chat = part(doc, "chat", CRDT_LIST), message;
    crdt_err err;
    if (!text.len || text.len > ALBUM_TEXT_MAX)
        return CRDT_ERR_LIMIT;
    message = crdt_list_insert_object(chat, crdt_list_len(chat), CRDT_MAP);
    err = crdt_map_put(message, CRDT_STR("at"), crdt_time(at_ms));
    if (!err)
        err = crdt_map_put_str(message, CRDT_STR("who"), crdt_str(user));
    if (!err)
        err = crdt_map_put_str(message, CRDT_STR("text"), text);
    return finish(doc, err);
}

size_t album_chat_len(crdt_doc *doc)
{
    crdt_obj chat = find(doc, "chat", CRDT_LIST);
    return crdt_is_null(chat) ? 0 : crdt_list_len(chat);
}

crdt_err album_chat_get(crdt_doc *doc, size_t index, album_message *out)
{
    crdt_obj chat = find(doc, "chat", CRDT_LIST);
    crdt_value at, value;
    memset(out, 0, sizeof *out);
    if (crdt_is_null(chat) || crdt_list_get(chat, index, &value) ||
        value.kind != CRDT_OBJECT ||
        crdt_type_of(value.as.object) != CRDT_MAP ||
        crdt_map_get_str(value.as.object, CRDT_STR("who"), &out->who) ||
        crdt_map_get_str(value.as.object, CRDT_STR("text"), &out->text) ||
        crdt_map_get(value.as.object, CRDT_STR("at"), &at) ||
        at.kind != CRDT_TIME || out->text.len > ALBUM_TEXT_MAX)
        return CRDT_ERR_NOT_FOUND;
    out->at_ms = at.as.integer;
    return CRDT_OK;
}
