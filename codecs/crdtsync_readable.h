/*
 * crdtsync_readable - deltas and messages as JSON that people can read, and
 * back: for looking at what is on a wire or in a file, for tests, and for
 * programs in other languages. It stands on crdtsync_json.h, which must lie
 * beside it, and needs cJSON as that does.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // codecs come behind it
 *     #include "crdtsync_readable.h"
 *
 * SYNOPSIS
 *
 *     crdt_buf news = CRDT_BUF_INIT, json = CRDT_BUF_INIT;
 *     crdt_delta(doc, seen_by_the_other, &news);
 *     crdt_readable_write(crdt_buf_bytes(&news), &json);
 *     fwrite(json.ptr, 1, json.len, stdout);
 *
 *     {"crdtsync": 1, "delta": {
 *       "top": {"aa..aa": 5},
 *       "objects": [
 *         {"id": 1, "parent": 0, "type": "map", "key": "photo"}],
 *       "ops": [
 *         {"dot": "aa..aa.1", "object": 0, "kind": "create", ...
 *
 * docs/readable.md explains all of it. What crdtsync wrote comes back byte for
 * byte. A message is a list of fields, each read in one form and written in
 * the other; a delta goes through the struct that the core decodes it into:
 *
 *     bytes --core--> crdti_delta --print--> JSON
 *     bytes <--put--- crdti_delta <--parse-- cJSON <-- scan (crdtsync_json.h)
 */
#ifndef CRDTSYNC_READABLE_H
#define CRDTSYNC_READABLE_H

#include "crdtsync_json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Appends the JSON of one whole frame: what crdt_delta or crdt_canonical
 * wrote, or one message between nodes. CORRUPT, TRUNCATED, CHECKSUM, VERSION,
 * LIMIT, ARG, NOMEM: `json` is as before. O(result). */
CRDT_API crdt_err crdt_readable_write(crdt_bytes binary, crdt_buf *json);

/* Appends the frame that the JSON tells of, or nothing. What it writes can be
 * decoded. When the text is at fault, `*fault` (NULL is allowed) is where in
 * it the value begins that is: the outermost, when only the whole makes no
 * sense.
 *
 * CORRUPT: no JSON, or none that crdt_readable_write writes. TRUNCATED: the
 * text ends too early. RANGE: a number that would not stay what it is.
 * VERSION: of another version. LIMIT: CRDTSYNC_JSON_MAX_BYTES,
 * CRDTSYNC_JSON_MAX_NODES, or one of limits.h. ARG, NOMEM. O(n log replicas).
 */
CRDT_API crdt_err crdt_readable_read(crdt_bytes json, crdt_buf *binary,
                                     size_t *fault);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_READABLE_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_READABLE_IMPLEMENTED)
#define CRDTSYNC_READABLE_IMPLEMENTED

/* >>messages --------------------------------------------------------------
 * What nodes say to each other, field by field in the order of the bytes. */

/* How a field stands in the bytes. */
enum {
    CRDTI_AS_NUMBER, /* varint */
    CRDTI_AS_WORD,   /* 8 bytes */
    CRDTI_AS_FLAG,   /* a byte */
    CRDTI_AS_ID,
    CRDTI_AS_DIGEST, /* as an id, the last byte first */
    CRDTI_AS_BYTES,
    CRDTI_AS_DOCS, /* until the end: bytes and 8 bytes each */
    CRDTI_AS_RUNS, /* until the end: varints */
    CRDTI_AS_VECTOR,
    CRDTI_AS_RESULT, /* varint: a crdt_err */
    CRDTI_AS_DELTA,  /* until the end */
    CRDTI_AS_BYTE,
    CRDTI_AS_STROKES, /* until the end */
    CRDTI_AS_MEMBERS, /* until the end; may be missing */
    CRDTI_AS_REST     /* the same */
};

typedef struct crdti_field {
    const char *name;
    int form;
} crdti_field;

enum {
    CRDTI_FIELDS_MAX = 12,
    CRDTI_MESSAGE_KINDS = 19,
    CRDTI_RAW_UPDATE = 19, /* an UPDATE that holds no delta */
    CRDTI_RAW_ROSTER = 20, /* a piece of a ROSTER, or none that we write */
    CRDTI_FORMS_COUNT
};

/* clang-format off */

/* By kind, and up to the first without a name. A delta has none. */
CRDTI_FN const crdti_field *crdti_message_fields(int kind)
{
    static const crdti_field
        fields[CRDTI_FORMS_COUNT][CRDTI_FIELDS_MAX + 1] = {
        { { NULL, 0 } },
        { { NULL, 0 } },
        { { "oldest", CRDTI_AS_NUMBER }, { "newest", CRDTI_AS_NUMBER },
          { "node", CRDTI_AS_ID }, { "nonce", CRDTI_AS_WORD },
          { "heard", CRDTI_AS_WORD }, { "can", CRDTI_AS_NUMBER },
          { "frame_max", CRDTI_AS_NUMBER }, { "window", CRDTI_AS_NUMBER },
          { "documents", CRDTI_AS_NUMBER },
          { "documents_heard", CRDTI_AS_NUMBER }, { "name", CRDTI_AS_BYTES },
          { "more", CRDTI_AS_REST } },
        { { "document", CRDTI_AS_NUMBER }, { "asks", CRDTI_AS_FLAG },
          { "digest", CRDTI_AS_DIGEST }, { "vector", CRDTI_AS_VECTOR } },
        { { "document", CRDTI_AS_NUMBER }, { "print", CRDTI_AS_WORD } },
        { { "document", CRDTI_AS_NUMBER }, { "id", CRDTI_AS_NUMBER },
          { "how", CRDTI_AS_BYTE }, { "delta", CRDTI_AS_DELTA } },
        { { "document", CRDTI_AS_NUMBER }, { "id", CRDTI_AS_NUMBER },
          { "result", CRDTI_AS_RESULT } },
        { { NULL, 0 } },
        { { "why", CRDTI_AS_BYTES } },
        { { "document", CRDTI_AS_NUMBER }, { "after", CRDTI_AS_BYTE },
          { "strokes", CRDTI_AS_STROKES } },
        { { "first", CRDTI_AS_NUMBER }, { "documents", CRDTI_AS_DOCS } },
        { { "id", CRDTI_AS_NUMBER }, { "asks", CRDTI_AS_FLAG },
          { "kind", CRDTI_AS_BYTE }, { "total", CRDTI_AS_NUMBER },
          { "offset", CRDTI_AS_NUMBER }, { "bytes", CRDTI_AS_REST } },
        { { "document", CRDTI_AS_NUMBER }, { "id", CRDTI_AS_NUMBER },
          { "flags", CRDTI_AS_BYTE }, { "from", CRDTI_AS_NUMBER },
          { "news", CRDTI_AS_NUMBER }, { "ack", CRDTI_AS_NUMBER },
          { "hash", CRDTI_AS_WORD }, { "members", CRDTI_AS_MEMBERS } },
        { { NULL, 0 } },
        { { NULL, 0 } },
        { { NULL, 0 } },
        { { "id", CRDTI_AS_NUMBER }, { "end", CRDTI_AS_NUMBER },
          { "runs", CRDTI_AS_RUNS } },
        { { "document", CRDTI_AS_NUMBER }, { "vector", CRDTI_AS_VECTOR } },
        { { "document", CRDTI_AS_NUMBER }, { "origin", CRDTI_AS_ID },
          { "counter", CRDTI_AS_NUMBER }, { "ttl_ms", CRDTI_AS_NUMBER },
          { "value", CRDTI_AS_REST } },
        { { "document", CRDTI_AS_NUMBER }, { "id", CRDTI_AS_NUMBER },
          { "how", CRDTI_AS_BYTE }, { "bytes", CRDTI_AS_REST } },
        { { "document", CRDTI_AS_NUMBER }, { "id", CRDTI_AS_NUMBER },
          { "bytes", CRDTI_AS_REST } }
    };
    return fields[kind];
}

/* The members of an op in JSON: what it is, then what goes with that. */
enum {
    CRDTI_OF_DOT, CRDTI_OF_OBJECT, CRDTI_OF_KIND, CRDTI_OF_KEY,
    CRDTI_OF_STAMP, CRDTI_OF_VALUE, CRDTI_OF_TYPE, CRDTI_OF_TOTAL,
    CRDTI_OF_VOIDS, CRDTI_OF_KILLS, CRDTI_OF_COUNT
};

CRDTI_FN const char *const *crdti_op_members(void)
{
    static const char *const names[] = {
        "dot", "object", "kind", "key", "stamp", "value", "type", "total",
        "voids", "kills", NULL
    };
    return names;
}

/* What ops of that kind have, a bit each. */
CRDTI_FN unsigned crdti_op_content(int kind)
{
    static const unsigned content[CRDTI_KIND_COUNT] = {
        0, 1u << CRDTI_OF_STAMP | 1u << CRDTI_OF_VALUE,
        1u << CRDTI_OF_STAMP | 1u << CRDTI_OF_TYPE, 1u << CRDTI_OF_TOTAL,
        1u << CRDTI_OF_VOIDS, 0, 0, 0, 1u << CRDTI_OF_STAMP
    };
    return content[kind];
}

/* clang-format on */

enum {
    CRDTI_MESSAGE_NAMES,
    CRDTI_OP_NAMES,
    CRDTI_EDIT_NAMES,
    CRDTI_STROKE_NAMES,
    CRDTI_STATUS_NAMES,
    CRDTI_PHASE_NAMES,
    CRDTI_TYPE_NAMES,
    CRDTI_ERR_NAMES
};

CRDTI_FN const char *crdti_name_of(int list, int number)
{
    static const char *const names[][CRDTI_MESSAGE_KINDS] = {
        { NULL, "delta", "hello", "state", "digest", "update", "answer",
          "alive", "bye", "strokes", "docs", "piece", "roster", NULL, NULL,
          NULL, "got", "have", "presence" },
        { NULL, "value", "create", "add", "reset", "remove", "in", "out",
          "move", NULL },
        { NULL, "insert", "delete", "backspace" },
        { NULL, "type", "insert", "back", "forth" },
        { NULL, "active", "evicted", "left" },
        { NULL, "work", "sync", "ready" }
    };
    if (list == CRDTI_TYPE_NAMES)
        return crdt_type_name((crdt_type)number);
    if (list == CRDTI_ERR_NAMES)
        return crdt_err_name((crdt_err)number);
    return names[list][number];
}

/* The number of the name, from `first` up to `end`; or `end`. */
CRDTI_FN int crdti_name_find(int list, int first, int end, const char *text)
{
    const char *name;
    while (first < end &&
           (!(name = crdti_name_of(list, first)) || strcmp(name, text) != 0))
        first++;
    return first;
}

/* >>both ways -------------------------------------------------------------
 * One function says a thing in JSON, or hears it from there, as in XDR (RFC
 * 1014): given `item` it sets what it would say. The sides that are not in use
 * have failed from the start, so what is done to them does nothing:
 *
 *     write   r: bytes      out: JSON    w: failed
 *     read    r: failed     out: failed  w: bytes
 */

typedef struct crdti_readable {
    int hears;
    crdti_reader r;
    crdti_writer w;
    crdti_json_out out;
    crdti_json_in in;
    crdti_arena arena;
    crdti_delta delta;
    crdt_bytes payload;  /* that it was read from */
    crdti_roster roster; /* the records of a ROSTER */
    int has_floor;
    const cJSON *at; /* what is at fault */
    crdt_err err;    /* of it */
} crdti_readable;

/* The first error stays. */
CRDTI_FN void crdti_hear_fail(crdti_readable *t, const cJSON *at, crdt_err err)
{
    if (t->err || !err)
        return;
    t->err = err;
    t->at = at;
}

CRDTI_FN void crdti_hear_wrong(crdti_readable *t, const cJSON *at)
{
    crdti_hear_fail(t, at, CRDT_ERR_CORRUPT);
}

/* An array of zeros, one more than asked for; NULL after an error. */
CRDTI_FN void *crdti_hear_array(crdti_readable *t, size_t len, size_t size)
{
    void *array = NULL;
    if (!t->err)
        array = crdti_arena_alloc(&t->arena, crdti_mul_size(len + 1, size));
    if (array)
        crdti_zero(array, (len + 1) * size);
    else
        crdti_hear_fail(t, NULL, CRDT_ERR_NOMEM);
    return array;
}

/* A copy that stays. */
CRDTI_FN crdt_bytes crdti_hear_keep(crdti_readable *t, crdt_bytes bytes)
{
    void *room = crdti_hear_array(t, bytes.len, 1);
    if (room)
        crdti_copy(room, bytes.ptr, bytes.len);
    return crdt_bytes_of(room, room ? bytes.len : 0);
}

/* The text of a string; "" after an error. */
CRDTI_FN const char *crdti_hear_text(crdti_readable *t, const cJSON *item)
{
    if (!t->err && !cJSON_IsString(item))
        crdti_hear_wrong(t, item);
    return t->err ? "" : item->valuestring;
}

CRDTI_FN void crdti_say_raw(crdti_readable *t, const char *text)
{
    crdti_json_put(&t->out.w, text);
}

/* A string that needs no escapes. */
CRDTI_FN void crdti_say_text(crdti_readable *t, const char *text)
{
    crdti_say_raw(t, "\"");
    crdti_say_raw(t, text);
    crdti_say_raw(t, "\"");
}

/* >>both ways: lists and records ------------------------------------------ */

/* The values of an array or object, one by one. */
typedef struct crdti_list {
    const cJSON *item, *at;
    size_t i, len;
    const char *line; /* what each begins with */
    int is_object;
} crdti_list;

CRDTI_FN crdti_list crdti_list_open(crdti_readable *t, const cJSON *item,
                                    int is_object, size_t len,
                                    const char *line)
{
    crdti_list list = { NULL, NULL, 0, 0, NULL, 0 };
    list.line = line;
    list.is_object = is_object;
    list.len = len;
    crdti_say_raw(t, is_object ? "{" : "[");
    if (!t->hears)
        return list;
    if (!t->err && !(is_object ? cJSON_IsObject(item) : cJSON_IsArray(item)))
        crdti_hear_wrong(t, item);
    list.item = item;
    list.len = t->err ? 0 : (size_t)cJSON_GetArraySize(item);
    return list;
}

/* Goes on to the next; after the last it closes the list. */
CRDTI_FN int crdti_list_next(crdti_readable *t, crdti_list *list)
{
    if (list->i == list->len || t->err) {
        crdti_say_raw(t, list->is_object ? "}" : "]");
        return 0;
    }
    if (t->hears) {
        const cJSON *before = list->i ? list->at : list->item;
        CRDTI_ASSERT(before); /* the length was counted */
        list->at = list->i ? before->next : before->child;
    }
    crdti_say_raw(t, !list->i ? "" : list->line[0] ? "," : ", ");
    crdti_say_raw(t, list->line);
    list->i++;
    return 1;
}

/* An object whose members are known. */
typedef struct crdti_record {
    const cJSON *item, *at, *found[CRDTI_FIELDS_MAX];
    const char *const *names;
    const char *line;
    int is_begun;
} crdti_record;

/* Hearing, it finds the members, each once and no others. */
CRDTI_FN void crdti_record_open(crdti_readable *t, crdti_record *record,
                                const cJSON *item, const char *const *names,
                                const char *line)
{
    crdti_list list;
    size_t i;
    crdti_zero(record, sizeof *record);
    record->item = item;
    record->names = names;
    record->line = line;
    crdti_say_raw(t, "{");
    if (!t->hears)
        return;
    list = crdti_list_open(t, item, 1, 0, "");
    while (crdti_list_next(t, &list)) {
        for (i = 0; names[i] && strcmp(names[i], list.at->string) != 0; i++)
            continue;
        if (!names[i] || record->found[i])
            crdti_hear_wrong(t, list.at);
        else
            record->found[i] = list.at;
    }
}

/* Whether the member is there; hearing it may be all the same. */
CRDTI_FN int crdti_record_has(crdti_readable *t, crdti_record *record, int i,
                              int must)
{
    record->at = record->found[i];
    if (t->hears && must && !record->at)
        crdti_hear_wrong(t, record->item);
    if (t->hears)
        return record->at && !t->err;
    if (!must)
        return 0;
    crdti_say_raw(t, !record->is_begun ? "" : record->line[0] ? "," : ", ");
    crdti_say_raw(t, record->line);
    crdti_say_text(t, record->names[i]);
    crdti_say_raw(t, ": ");
    record->is_begun = 1;
    return 1;
}

CRDTI_FN void crdti_record_close(crdti_readable *t)
{
    crdti_say_raw(t, "}");
}

/* >>both ways: numbers and names ------------------------------------------ */

CRDTI_FN void crdti_say_number(crdti_readable *t, const cJSON *item,
                               uint64_t *number)
{
    if (!t->hears) {
        crdti_json_put_unsigned(&t->out.w, *number);
        return;
    }
    *number = 0;
    if (!t->err)
        crdti_hear_fail(t, item, crdti_json_get_unsigned(item, number));
}

/* A number below `count`. */
CRDTI_FN void crdti_say_index(crdti_readable *t, const cJSON *item,
                              size_t count, uint32_t *index)
{
    uint64_t number = *index;
    crdti_say_number(t, item, &number);
    if (number >= count)
        crdti_hear_wrong(t, item);
    else
        *index = (uint32_t)number;
}

CRDTI_FN void crdti_say_flag(crdti_readable *t, const cJSON *item, int *flag)
{
    if (!t->hears)
        crdti_say_raw(t, *flag ? "true" : "false");
    else if (!t->err && !cJSON_IsBool(item))
        crdti_hear_wrong(t, item);
    else
        *flag = !t->err && cJSON_IsTrue(item);
}

CRDTI_FN void crdti_say_name(crdti_readable *t, const cJSON *item, int list,
                             int end, uint8_t *number)
{
    int found;
    if (!t->hears) {
        crdti_say_text(t, crdti_name_of(list, *number));
        return;
    }
    found = crdti_name_find(list, 1, end, crdti_hear_text(t, item));
    if (found == end)
        crdti_hear_wrong(t, item);
    *number = (uint8_t)found;
}

/* An error; one that is not known, by number. */
CRDTI_FN void crdti_say_result(crdti_readable *t, const cJSON *item,
                               uint64_t *result)
{
    int err = CRDT_ERR_COUNT;
    if (t->hears && !t->err && cJSON_IsString(item))
        err = crdti_name_find(CRDTI_ERR_NAMES, CRDT_OK, CRDT_ERR_COUNT,
                              item->valuestring);
    if (!t->hears && *result < CRDT_ERR_COUNT)
        crdti_say_text(t, crdti_name_of(CRDTI_ERR_NAMES, (int)*result));
    else if (err < CRDT_ERR_COUNT)
        *result = (uint64_t)err;
    else
        crdti_say_number(t, item, result);
}

/* [a, b] */
CRDTI_FN void crdti_say_pair(crdti_readable *t, const cJSON *item, uint64_t *a,
                             uint64_t *b)
{
    crdti_list list = crdti_list_open(t, item, 0, 2, "");
    if (list.len != 2)
        crdti_hear_wrong(t, item);
    while (crdti_list_next(t, &list))
        crdti_say_number(t, list.at, list.i == 1 ? a : b);
}

/* [milliseconds, count within] */
CRDTI_FN void crdti_say_stamp(crdti_readable *t, const cJSON *item,
                              uint64_t *stamp)
{
    uint64_t ms = *stamp >> 16, count = *stamp & 0xffff;
    crdti_say_pair(t, item, &ms, &count);
    if (t->hears && (ms >> 48 || count >> 16))
        crdti_hear_fail(t, item, CRDT_ERR_RANGE);
    *stamp = ms << 16 | count;
}

/* >>both ways: ids, bytes, values ----------------------------------------- */

/* 0 to 15; or 16: it is no digit that we write. */
CRDTI_FN unsigned crdti_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* An id at the front of the text; what is behind it. `item` is to blame. */
CRDTI_FN const char *crdti_hear_id(crdti_readable *t, const cJSON *item,
                                   const char *text, crdt_id *id)
{
    size_t i;
    crdti_zero(id, sizeof *id);
    for (i = 0; i < sizeof id->b && !t->err; i++, text += 2) {
        unsigned high = crdti_hex_digit(text[0]);
        unsigned low = high > 15 ? 16 : crdti_hex_digit(text[1]);
        if (low > 15)
            crdti_hear_wrong(t, item);
        id->b[i] = (uint8_t)(high << 4 | (low & 15));
    }
    return t->err ? "" : text;
}

/* As all of a string; or, with a colon, as the name of a member. */
CRDTI_FN void crdti_say_id(crdti_readable *t, const cJSON *item, int is_name,
                           crdt_id *id)
{
    char own[33];
    const char *text;
    if (!t->hears) {
        crdt_id_text(id, own);
        crdti_say_text(t, own);
        crdti_say_raw(t, is_name ? ": " : "");
        return;
    }
    text =
        is_name && !t->err && item ? item->string : crdti_hear_text(t, item);
    if (*crdti_hear_id(t, item, text, id))
        crdti_hear_wrong(t, item);
}

/* "id": seq, where ids ascend. */
CRDTI_FN void crdti_say_entry(crdti_readable *t, const cJSON *item,
                              const crdt_dot *before, crdt_dot *entry)
{
    crdti_say_id(t, item, 1, &entry->replica);
    crdti_say_number(t, item, &entry->seq);
    if (t->hears &&
        (!entry->seq ||
         (before && crdti_id_order(&before->replica, &entry->replica) >= 0)))
        crdti_hear_wrong(t, item);
    if (entry->seq > CRDTSYNC_MAX_SEQ)
        crdti_hear_fail(t, item, CRDT_ERR_LIMIT);
}

/* In the typed form of crdtsync_json.h. */
CRDTI_FN void crdti_say_value(crdti_readable *t, const cJSON *item, size_t max,
                              crdt_value *value)
{
    crdt_value heard = crdt_null();
    if (!t->hears) {
        crdti_json_value(&t->out, value);
        return;
    }
    if (!t->err)
        crdti_hear_fail(t, item,
                        crdti_json_get_value(&t->in, item, max, &heard));
    if (heard.kind == CRDT_STRING || heard.kind == CRDT_BYTES)
        heard.as.bytes = crdti_hear_keep(t, heard.as.bytes);
    *value = heard;
}

/* As a string, whatever they are. */
CRDTI_FN void crdti_say_bytes(crdti_readable *t, const cJSON *item, size_t max,
                              crdt_bytes *bytes)
{
    crdt_value value = crdt_string(*bytes);
    crdti_say_value(t, item, max, &value);
    if (value.kind != CRDT_STRING)
        crdti_hear_wrong(t, item);
    else
        *bytes = value.as.bytes;
}

/* >>a delta: replicas and objects ----------------------------------------- */

/* "id.seq" */
CRDTI_FN void crdti_say_name_of(crdti_readable *t, const cJSON *item,
                                crdt_dot *dot)
{
    char text[64];
    const char *end;
    int is_negative;
    if (!t->hears) {
        crdt_id_text(&dot->replica, text);
        (void)snprintf(text + 32, sizeof text - 32, ".%llu",
                       (unsigned long long)dot->seq);
        crdti_say_text(t, text);
        return;
    }
    dot->seq = 0;
    end = crdti_hear_id(t, item, crdti_hear_text(t, item), &dot->replica);
    if (*end != '.' ||
        crdti_json_parse_whole(end + 1, &is_negative, &dot->seq) ||
        is_negative)
        crdti_hear_wrong(t, item);
}

/* The place of the id in `top`. O(log n). */
CRDTI_FN uint32_t crdti_hear_replica(crdti_readable *t, const cJSON *item,
                                     const crdt_id *id)
{
    const crdti_delta *d = &t->delta;
    size_t low = 0, high = d->replicas_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdti_id_order(&d->replicas[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == d->replicas_len || !crdti_id_equal(&d->replicas[low].id, id))
        crdti_hear_wrong(t, item);
    return t->err ? 0 : (uint32_t)low;
}

/* A replica as the name of a member. */
CRDTI_FN void crdti_say_replica(crdti_readable *t, const cJSON *item,
                                uint32_t *replica)
{
    crdt_id id;
    if (!t->hears)
        id = t->delta.replicas[*replica].id;
    crdti_say_id(t, item, 1, &id);
    if (t->hears)
        *replica = crdti_hear_replica(t, item, &id);
}

enum { CRDTI_SAY_BASE, CRDTI_SAY_TOP, CRDTI_SAY_FLOOR };

CRDTI_FN uint64_t *crdti_vector_seq(crdti_delta_replica *r, int which)
{
    return which == CRDTI_SAY_BASE  ? &r->base
           : which == CRDTI_SAY_TOP ? &r->top
                                    : &r->floor;
}

/* The top names the replicas. */
CRDTI_FN void crdti_hear_vector(crdti_readable *t, const cJSON *item,
                                int which)
{
    crdti_delta *d = &t->delta;
    crdti_list list = crdti_list_open(t, item, 1, 0, "");
    crdt_dot entry, before;
    if (list.len > CRDTSYNC_MAX_REPLICAS)
        crdti_hear_fail(t, item, CRDT_ERR_LIMIT);
    if (which == CRDTI_SAY_TOP)
        d->replicas = (crdti_delta_replica *)crdti_hear_array(
            t, list.len, sizeof *d->replicas);
    for (; crdti_list_next(t, &list); before = entry) {
        uint32_t place = (uint32_t)d->replicas_len;
        crdti_say_entry(t, list.at, list.i > 1 ? &before : NULL, &entry);
        if (which == CRDTI_SAY_TOP)
            d->replicas[d->replicas_len++].id = entry.replica;
        else
            place = crdti_hear_replica(t, list.at, &entry.replica);
        if (which != CRDTI_SAY_TOP && !t->err &&
            entry.seq > d->replicas[place].top)
            crdti_hear_wrong(t, list.at);
        *crdti_vector_seq(&d->replicas[place], which) = entry.seq;
    }
}

/* What is 0 is not in a vector. */
CRDTI_FN void crdti_say_vector(crdti_readable *t, const cJSON *item, int which)
{
    crdti_delta *d = &t->delta;
    const char *before = "{\n    ";
    size_t i;
    if (t->hears) {
        crdti_hear_vector(t, item, which);
        return;
    }
    for (i = 0; i < d->replicas_len; i++) {
        uint64_t *seq = crdti_vector_seq(&d->replicas[i], which);
        if (!*seq)
            continue;
        crdti_say_raw(t, before);
        crdti_say_id(t, NULL, 1, &d->replicas[i].id);
        crdti_say_number(t, NULL, seq);
        before = ",\n    ";
    }
    crdti_say_raw(t, before[0] == '{' ? "{}" : "}");
}

/* The dot of one of the replicas. */
CRDTI_FN void crdti_say_dot(crdti_readable *t, const cJSON *item,
                            uint32_t *replica, uint64_t *seq)
{
    crdt_dot dot;
    crdti_zero(&dot, sizeof dot);
    if (!t->hears) {
        dot.replica = t->delta.replicas[*replica].id;
        dot.seq = *seq;
    }
    crdti_say_name_of(t, item, &dot);
    if (!t->hears)
        return;
    *seq = dot.seq;
    *replica = crdti_hear_replica(t, item, &dot.replica);
}

/* The key of an element of a list is its dot; that of its moves is
 * {"moves": dot}. */
CRDTI_FN void crdti_say_element(crdti_readable *t, const cJSON *item,
                                crdt_bytes *key)
{
    static const char *const names[] = { "moves", NULL };
    int moves = t->hears ? cJSON_IsObject(item) : key->len == CRDTI_MOVES_KEY;
    uint8_t own[CRDTI_MOVES_KEY];
    crdti_record record;
    crdt_dot dot;
    if (!t->hears)
        dot = crdti_element_dot(key->ptr);
    if (!moves) {
        crdti_say_name_of(t, item, &dot);
    } else {
        crdti_record_open(t, &record, item, names, "");
        if (crdti_record_has(t, &record, 0, 1))
            crdti_say_name_of(t, record.at, &dot);
        crdti_record_close(t);
    }
    if (!t->hears || t->err)
        return;
    crdti_element_put(&dot.replica, dot.seq, own);
    *key = crdti_hear_keep(
        t, crdt_bytes_of(own, moves ? sizeof own : CRDTI_ELEMENT_KEY));
}

CRDTI_FN void crdti_say_object_key(crdti_readable *t, const cJSON *item,
                                   crdti_delta_object *object)
{
    if (t->delta.objects[object->parent].type == CRDT_LIST)
        crdti_say_element(t, item, &object->key);
    else
        crdti_say_bytes(t, item, CRDTSYNC_MAX_VALUE, &object->key);
}

CRDTI_FN void crdti_say_object(crdti_readable *t, const cJSON *item, size_t i)
{
    static const char *const names[] = { "id", "parent", "type", "key", NULL };
    crdti_delta_object *object = &t->delta.objects[i];
    crdti_record record;
    uint64_t number = i;
    crdti_record_open(t, &record, item, names, "");
    if (crdti_record_has(t, &record, 0, 1))
        crdti_say_number(t, record.at, &number);
    if (number != i)
        crdti_hear_wrong(t, record.at);
    if (crdti_record_has(t, &record, 1, 1))
        crdti_say_index(t, record.at, i, &object->parent);
    if (crdti_record_has(t, &record, 2, 1))
        crdti_say_name(t, record.at, CRDTI_TYPE_NAMES, CRDT_TYPE_COUNT,
                       &object->type);
    if (crdti_record_has(t, &record, 3, 1))
        crdti_say_object_key(t, record.at, object);
    crdti_record_close(t);
}

CRDTI_FN void crdti_say_objects(crdti_readable *t, const cJSON *item)
{
    crdti_delta *d = &t->delta;
    crdti_list list =
        crdti_list_open(t, item, 0, d->objects_len - 1, "\n    ");
    if (t->hears) {
        d->objects_len = list.len + 1;
        d->objects = (crdti_delta_object *)crdti_hear_array(
            t, d->objects_len, sizeof *d->objects);
    }
    if (d->objects)
        d->objects[0].type = CRDT_MAP;
    while (crdti_list_next(t, &list))
        crdti_say_object(t, list.at, list.i);
}

/* >>a delta: ops ---------------------------------------------------------- */

/* Whether an op may come behind those before it. */
CRDTI_FN int crdti_dot_is_next(const crdti_delta *d, const crdti_delta_op *op)
{
    const crdti_delta_replica *r = &d->replicas[op->op.replica];
    uint64_t before = r->base;
    if (op > d->ops && op[-1].op.replica > op->op.replica)
        return 0;
    if (op > d->ops && op[-1].op.replica == op->op.replica)
        before = op[-1].op.seq;
    return op->op.seq > before && op->op.seq <= r->top;
}

/* The element of a set; the one to whom a bounded counter has handed
 * something; or what it is. */
CRDTI_FN void crdti_say_key(crdti_readable *t, const cJSON *item, int type,
                            crdt_bytes *key)
{
    crdt_value value = crdt_null();
    crdti_element element;
    int is_element = crdti_type_table()[type].has_key == crdti_element_is_key;
    if (type == CRDT_LIST) {
        crdti_say_element(t, item, key);
        return;
    }
    if (!is_element && type != CRDT_BOUNDED) {
        crdti_say_bytes(t, item, CRDTSYNC_MAX_VALUE, key);
        return;
    }
    if (is_element) {
        if (!t->hears)
            value = crdti_element_decode(*key);
        crdti_say_value(t, item, CRDTSYNC_MAX_VALUE, &value);
        if (t->hears && !t->err)
            crdti_hear_fail(t, item, crdti_element_encode(&value, &element));
    } else {
        element.len = sizeof(crdt_id);
        if (!t->hears)
            crdti_copy(element.bytes, key->ptr, element.len);
        crdti_say_id(t, item, 0, (crdt_id *)element.bytes);
    }
    if (t->hears && !t->err)
        *key = crdti_hear_keep(t, crdti_element_key(&element));
}

/* Heard bytes stay where they are; they are only read. */
CRDTI_FN void crdti_say_plain(crdti_readable *t, const cJSON *item,
                              crdti_op *op)
{
    crdt_value value = crdt_null();
    if (!t->hears)
        value = crdti_op_value(op);
    crdti_say_value(t, item, CRDTSYNC_MAX_VALUE, &value);
    if (!t->hears)
        return;
    op->form = (uint8_t)value.kind;
    if (crdti_op_has_bytes(op)) {
        op->len = (uint32_t)value.as.bytes.len;
        op->as.value.as.bytes = (uint8_t *)(uintptr_t)value.as.bytes.ptr;
    } else if (value.kind == CRDT_DOUBLE) {
        op->as.value.as.number = value.as.number;
    } else {
        op->as.value.as.integer =
            value.kind == CRDT_BOOL ? value.as.boolean : value.as.integer;
    }
}

/* {"id": [plus, minus], ...} */
CRDTI_FN void crdti_say_voids(crdti_readable *t, const cJSON *item,
                              crdti_op *op)
{
    crdti_list list = crdti_list_open(t, item, 1, op->len, "");
    if (t->hears) {
        op->len = (uint32_t)list.len;
        op->as.voids =
            (crdti_void *)crdti_hear_array(t, list.len, sizeof *op->as.voids);
    }
    while (crdti_list_next(t, &list)) {
        crdti_void *v = &op->as.voids[list.i - 1];
        crdti_say_replica(t, list.at, &v->replica);
        if (t->hears && list.i > 1 && v->replica <= v[-1].replica)
            crdti_hear_wrong(t, list.at);
        crdti_say_pair(t, list.at, &v->plus, &v->minus);
    }
}

/* From where on backwards it is told what is dead of the replica. */
CRDTI_FN uint64_t crdti_kill_from(const crdti_delta *d, const crdti_op *killer,
                                  uint32_t replica)
{
    return replica == killer->replica ? killer->seq - 1
                                      : d->replicas[replica].top;
}

CRDTI_FN void crdti_say_kills(crdti_readable *t, const cJSON *item,
                              crdti_delta_op *op)
{
    crdti_list list = crdti_list_open(t, item, 1, op->kills_len, "");
    if (t->hears) {
        op->kills_len = (uint32_t)list.len;
        op->kills = (crdti_delta_kill *)crdti_hear_array(t, list.len,
                                                         sizeof *op->kills);
    }
    if (!list.len)
        crdti_hear_wrong(t, item);
    while (crdti_list_next(t, &list)) {
        crdti_delta_kill *kill = &op->kills[list.i - 1];
        crdti_say_replica(t, list.at, &kill->replica);
        crdti_say_number(t, list.at, &kill->last);
        if (t->hears && !t->err &&
            kill->last - 1 >=
                crdti_kill_from(&t->delta, &op->op, kill->replica))
            crdti_hear_wrong(t, list.at);
    }
}

/* What the kind of the op asks for. */
CRDTI_FN void crdti_say_content(crdti_readable *t, const cJSON *item,
                                int member, crdti_delta_op *op)
{
    switch (member) {
    case CRDTI_OF_STAMP:
        crdti_say_stamp(t, item, &op->op.as.value.stamp);
        break;
    case CRDTI_OF_VALUE:
        crdti_say_plain(t, item, &op->op);
        break;
    case CRDTI_OF_TYPE:
        crdti_say_name(t, item, CRDTI_TYPE_NAMES, CRDT_TYPE_COUNT,
                       &op->op.form);
        break;
    case CRDTI_OF_TOTAL:
        crdti_say_pair(t, item, &op->op.as.add.plus, &op->op.as.add.minus);
        break;
    default:
        crdti_say_voids(t, item, &op->op);
    }
}

/* Whether the op is the first of the element whose key it has. */
CRDTI_FN int crdti_is_own_key(const crdti_delta *d, const crdti_delta_op *op)
{
    uint8_t own[CRDTI_MOVES_KEY];
    crdti_element_put(&d->replicas[op->op.replica].id, op->op.seq, own);
    return crdt_bytes_equal(op->key, crdt_bytes_of(own, CRDTI_ELEMENT_KEY));
}

/* Whether the key goes without saying: an empty one does, but in maps, and in
 * lists that of the element that the op inserts. */
CRDTI_FN int crdti_key_is_silent(const crdti_readable *t,
                                 const crdti_delta_op *op)
{
    uint8_t type = t->delta.objects[op->object].type;
    if (type == CRDT_LIST)
        return !op->key.len || crdti_is_own_key(&t->delta, op);
    return type != CRDT_MAP && !op->key.len &&
           crdti_type_has_key(type, op->key);
}

CRDTI_FN void crdti_say_rest(crdti_readable *t, crdti_record *record,
                             crdti_delta_op *op)
{
    uint8_t type = t->delta.objects[op->object].type, kind = op->op.kind;
    int has_key = crdti_has_key(type, kind), i, has;
    if (record->found[CRDTI_OF_KEY] && !has_key)
        crdti_hear_wrong(t, record->found[CRDTI_OF_KEY]);
    if (crdti_record_has(t, record, CRDTI_OF_KEY,
                         has_key && !crdti_key_is_silent(t, op)))
        crdti_say_key(t, record->at, type, &op->key);
    if (t->hears && op->key.len && crdti_key_is_silent(t, op))
        crdti_hear_wrong(t, record->at);
    for (i = CRDTI_OF_STAMP; i < CRDTI_OF_KILLS; i++) {
        has = crdti_op_content(kind) >> i & 1;
        if (record->found[i] && !has)
            crdti_hear_wrong(t, record->found[i]);
        if (crdti_record_has(t, record, i, has))
            crdti_say_content(t, record->at, i, op);
    }
    has = t->hears ? kind == CRDTI_REMOVE : op->kills_len != 0;
    if (crdti_record_has(t, record, CRDTI_OF_KILLS, has))
        crdti_say_kills(t, record->at, op);
}

CRDTI_FN void crdti_say_op(crdti_readable *t, const cJSON *item,
                           crdti_delta_op *op)
{
    crdti_record record;
    crdti_record_open(t, &record, item, crdti_op_members(), "");
    if (crdti_record_has(t, &record, CRDTI_OF_DOT, 1))
        crdti_say_dot(t, record.at, &op->op.replica, &op->op.seq);
    if (t->hears && !t->err && !crdti_dot_is_next(&t->delta, op))
        crdti_hear_wrong(t, record.at);
    if (crdti_record_has(t, &record, CRDTI_OF_OBJECT, 1))
        crdti_say_index(t, record.at, t->delta.objects_len, &op->object);
    if (crdti_record_has(t, &record, CRDTI_OF_KIND, 1))
        crdti_say_name(t, record.at, CRDTI_OP_NAMES, CRDTI_KIND_COUNT,
                       &op->op.kind);
    if (!t->err &&
        !crdti_type_takes(t->delta.objects[op->object].type, op->op.kind))
        crdti_hear_wrong(t, record.at);
    if (!t->err)
        crdti_say_rest(t, &record, op);
    crdti_record_close(t);
}

CRDTI_FN void crdti_say_ops(crdti_readable *t, const cJSON *item)
{
    crdti_delta *d = &t->delta;
    crdti_list list = crdti_list_open(t, item, 0, d->ops_len, "\n    ");
    if (t->hears) {
        d->ops_len = list.len;
        d->ops =
            (crdti_delta_op *)crdti_hear_array(t, list.len, sizeof *d->ops);
    }
    while (crdti_list_next(t, &list))
        crdti_say_op(t, list.at, &d->ops[list.i - 1]);
}

/* >>a delta: sequences ----------------------------------------------------
 * Characters are numbered as the sequence inserts them. One that was there
 * before is named by its dot; null is the beginning, or the end. */

/* A sequence under way, in either direction. */
typedef struct crdti_told {
    crdti_delta_sequence *d;
    crdti_children children;
    crdt_bytes *texts; /* by edit: what is alive of the insertion */
} crdti_told;

CRDTI_FN void crdti_say_outside(crdti_readable *t, const cJSON *item,
                                crdti_delta_sequence *d, uint32_t *name)
{
    crdti_outside *outside;
    if (t->hears)
        *name = CRDTI_OUTSIDE | (uint32_t)d->outside_len++;
    outside = &d->outside[*name & ~CRDTI_OUTSIDE];
    crdti_say_dot(t, item, &outside->replica, &outside->seq);
    if (t->hears && !t->err &&
        outside->seq - 1 >= t->delta.replicas[outside->replica].base)
        crdti_hear_wrong(t, item);
}

CRDTI_FN void crdti_say_char(crdti_readable *t, const cJSON *item,
                             crdti_delta_sequence *d, uint32_t *name)
{
    if (t->hears ? cJSON_IsString(item) : crdti_is_outside(*name)) {
        crdti_say_outside(t, item, d, name);
    } else if (t->hears ? cJSON_IsNull(item) : *name == CRDTI_NO_CHAR) {
        crdti_say_raw(t, "null");
        *name = CRDTI_NO_CHAR;
    } else {
        crdti_say_index(t, item, d->chars, name);
    }
}

/* Whether it must be told where the insertion ends; else it is as expected.
 * To be asked of one insertion after the other. */
CRDTI_FN int crdti_right_is_told(crdti_told *s, uint32_t i, uint32_t *expected)
{
    const crdti_edit *edit = &s->d->edits[i];
    crdti_child *latest;
    *expected = CRDTI_OUTSIDE;
    if (crdti_is_outside(edit->left))
        return 1;
    latest = crdti_child_of(&s->children, edit->left);
    *expected = crdti_right_expected(latest, crdti_edit_at(s->d, edit->left),
                                     edit->left);
    crdti_child_set(latest, edit->left, edit->name);
    return edit->right != *expected;
}

/* The members of an edit. */
enum {
    CRDTI_EDIT_HAS_DOT,
    CRDTI_EDIT_HAS_KIND,
    CRDTI_EDIT_HAS_LENGTH,
    CRDTI_EDIT_HAS_NAME, /* of insertions, up to the text */
    CRDTI_EDIT_HAS_LEFT,
    CRDTI_EDIT_HAS_RIGHT,
    CRDTI_EDIT_HAS_TEXT,
    CRDTI_EDIT_HAS_TARGET /* of deletions */
};

CRDTI_FN void crdti_say_right(crdti_readable *t, crdti_record *record,
                              crdti_told *s, uint32_t i)
{
    crdti_edit *edit = &s->d->edits[i];
    const cJSON *item = record->found[CRDTI_EDIT_HAS_RIGHT];
    uint32_t expected;
    int is_told;
    if (item)
        crdti_say_char(t, item, s->d, &edit->right);
    if (t->err)
        return;
    is_told = crdti_right_is_told(s, i, &expected);
    if (!t->hears) {
        if (crdti_record_has(t, record, CRDTI_EDIT_HAS_RIGHT, is_told))
            crdti_say_char(t, NULL, s->d, &edit->right);
    } else if (item ? !is_told : crdti_is_outside(edit->left)) {
        crdti_hear_wrong(t, item ? item : record->item);
    } else if (!item) {
        edit->right = expected;
    }
}

CRDTI_FN void crdti_say_origins(crdti_readable *t, crdti_record *record,
                                crdti_told *s, uint32_t i)
{
    if (crdti_record_has(t, record, CRDTI_EDIT_HAS_LEFT, 1))
        crdti_say_char(t, record->at, s->d, &s->d->edits[i].left);
    crdti_say_right(t, record, s, i);
}

CRDTI_FN void crdti_say_insertion(crdti_readable *t, crdti_record *record,
                                  crdti_told *s, uint32_t i)
{
    crdti_delta_sequence *d = s->d;
    crdti_edit *edit = &d->edits[i];
    uint32_t name = t->hears ? d->chars : edit->name;
    edit->name = name;
    if (crdti_record_has(t, record, CRDTI_EDIT_HAS_NAME, 1))
        crdti_say_index(t, record->at, CRDTI_NAMES_MAX, &edit->name);
    if (edit->name != name)
        crdti_hear_wrong(t, record->at);
    if (!d->is_laid_out)
        crdti_say_origins(t, record, s, i);
    if (crdti_record_has(t, record, CRDTI_EDIT_HAS_TEXT, s->texts[i].len != 0))
        crdti_say_bytes(t, record->at, CRDTI_NAMES_MAX, &s->texts[i]);
    if (!t->hears || t->err)
        return;
    if (edit->len > CRDTI_NAMES_MAX - t->delta.chars - d->chars)
        crdti_hear_fail(t, record->item, CRDT_ERR_LIMIT);
    crdti_starts_add(&d->starts, d->chars);
    d->chars += edit->len;
    d->inserts[d->inserts_len++] = i;
}

CRDTI_FN void crdti_say_deletion(crdti_readable *t, crdti_record *record,
                                 crdti_told *s, crdti_edit *edit)
{
    if (!crdti_record_has(t, record, CRDTI_EDIT_HAS_TARGET, 1))
        return;
    crdti_say_char(t, record->at, s->d, &edit->name);
    if (t->hears && !t->err &&
        !crdti_edit_has_victims(&t->delta, s->d, edit,
                                crdti_edit_at(s->d, edit->name)))
        crdti_hear_wrong(t, record->at);
}

/* What all edits have: who, which, how many. */
CRDTI_FN void crdti_say_edit_head(crdti_readable *t, crdti_record *record,
                                  crdti_edit *edit)
{
    uint8_t kind = (uint8_t)(edit->kind + 1);
    if (crdti_record_has(t, record, CRDTI_EDIT_HAS_DOT, 1)) {
        const crdti_delta_replica *replica;
        crdti_say_dot(t, record->at, &edit->replica, &edit->seq);
        replica = &t->delta.replicas[edit->replica];
        if (edit->seq <= replica->base || edit->seq > replica->top)
            crdti_hear_wrong(t, record->at);
    }
    if (crdti_record_has(t, record, CRDTI_EDIT_HAS_KIND, 1))
        crdti_say_name(t, record->at, CRDTI_EDIT_NAMES,
                       CRDTI_BACKWARDS_EDIT + 2, &kind);
    edit->kind = (uint8_t)(kind - 1);
    if (crdti_record_has(t, record, CRDTI_EDIT_HAS_LENGTH, 1)) {
        crdti_say_index(t, record->at, CRDTI_NAMES_MAX + 1, &edit->len);
        if (!edit->len)
            crdti_hear_wrong(t, record->at);
    }
}

/* The members that such an edit may have, a bit each. */
CRDTI_FN unsigned crdti_edit_members(const crdti_delta_sequence *d, int kind)
{
    unsigned head = 1u << CRDTI_EDIT_HAS_DOT | 1u << CRDTI_EDIT_HAS_KIND |
                    1u << CRDTI_EDIT_HAS_LENGTH;
    if (kind != CRDTI_INSERTION_EDIT)
        return d->is_laid_out || d->is_list
                   ? 0
                   : head | 1u << CRDTI_EDIT_HAS_TARGET;
    head |= 1u << CRDTI_EDIT_HAS_NAME;
    if (!d->is_list)
        head |= 1u << CRDTI_EDIT_HAS_TEXT;
    if (!d->is_laid_out)
        head |= 1u << CRDTI_EDIT_HAS_LEFT | 1u << CRDTI_EDIT_HAS_RIGHT;
    return head;
}

CRDTI_FN void crdti_say_edit(crdti_readable *t, const cJSON *item,
                             crdti_told *s, uint32_t i)
{
    static const char *const names[] = { "dot",  "kind",   "length",
                                         "name", "left",   "right",
                                         "text", "target", NULL };
    crdti_edit *edit = &s->d->edits[i];
    crdti_record record;
    unsigned may, member;
    crdti_record_open(t, &record, item, names, "");
    crdti_say_edit_head(t, &record, edit);
    may = crdti_edit_members(s->d, edit->kind);
    for (member = 0; names[member]; member++)
        if (record.found[member] && !(may >> member & 1))
            crdti_hear_wrong(t, record.found[member]);
    if (edit->kind == CRDTI_INSERTION_EDIT)
        crdti_say_insertion(t, &record, s, i);
    else
        crdti_say_deletion(t, &record, s, edit);
    crdti_record_close(t);
}

CRDTI_FN void crdti_say_edits(crdti_readable *t, const cJSON *item,
                              crdti_told *s)
{
    crdti_delta_sequence *d = s->d;
    crdti_list list = crdti_list_open(t, item, 0, d->edits_len, "\n      ");
    if (t->hears) {
        d->edits_len = list.len;
        d->edits =
            (crdti_edit *)crdti_hear_array(t, list.len, sizeof *d->edits);
        d->inserts =
            (uint32_t *)crdti_hear_array(t, list.len, sizeof *d->inserts);
        d->outside = (crdti_outside *)crdti_hear_array(t, 2 * list.len,
                                                       sizeof *d->outside);
        s->texts =
            (crdt_bytes *)crdti_hear_array(t, list.len, sizeof *s->texts);
    }
    if (!t->err && ((t->hears &&
                     crdti_starts_init(&d->starts, &t->arena, list.len + 1)) ||
                    crdti_children_init(&s->children, &t->arena, list.len)))
        crdti_hear_fail(t, NULL, CRDT_ERR_NOMEM);
    while (crdti_list_next(t, &list))
        crdti_say_edit(t, list.at, s, (uint32_t)(list.i - 1));
}

/* Who is dead because an edit says so is set, or cleared. */
CRDTI_FN void crdti_mark_deleted(crdti_delta_sequence *d,
                                 void (*mark)(uint64_t *bits, uint32_t from,
                                              uint32_t len))
{
    size_t i;
    for (i = 0; i < d->edits_len; i++) {
        const crdti_edit *edit = &d->edits[i];
        if (edit->kind == CRDTI_INSERTION_EDIT || edit->name & CRDTI_OUTSIDE)
            continue;
        mark(d->dead,
             edit->kind == CRDTI_BACKWARDS_EDIT ? edit->name - (edit->len - 1)
                                                : edit->name,
             edit->len);
    }
}

/* How many from `at` on are all dead, or all alive. */
CRDTI_FN uint32_t crdti_dead_run(const crdti_delta_sequence *d, uint32_t at,
                                 uint32_t end, int *is_dead)
{
    *is_dead = (int)(d->dead[at / 64] >> at % 64 & 1);
    return crdti_bits_run(d->dead, at, end - at);
}

/* How many characters of the insertion the content has: of a list none. */
CRDTI_FN uint32_t crdti_alive_of(const crdti_delta_sequence *d,
                                 const crdti_edit *edit)
{
    uint32_t at = edit->name, end = at + edit->len, run, alive = 0;
    int is_dead;
    if (d->is_list)
        return 0;
    for (; at < end; at += run) {
        run = crdti_dead_run(d, at, end, &is_dead);
        alive += is_dead ? 0 : run;
    }
    return alive;
}

/* The content is cut into that of each insertion. */
CRDTI_FN void crdti_texts_cut(crdti_readable *t, crdti_told *s)
{
    const crdti_delta_sequence *d = s->d;
    const uint8_t *at = d->content.ptr;
    size_t i;
    s->texts =
        (crdt_bytes *)crdti_hear_array(t, d->edits_len, sizeof *s->texts);
    for (i = 0; i < d->inserts_len && !t->err; i++) {
        uint32_t edit = d->inserts[i];
        uint32_t alive = crdti_alive_of(d, &d->edits[edit]);
        const uint8_t *from = at;
        for (; alive > 0; alive--)
            at += crdti_utf8_size(*at);
        s->texts[edit] = crdt_bytes_of(from, (size_t)(at - from));
    }
}

/* And put together again; each has what of its insertion is alive. */
CRDTI_FN void crdti_texts_join(crdti_readable *t, const cJSON *edits,
                               crdti_told *s)
{
    crdti_delta_sequence *d = s->d;
    const cJSON *item = edits ? edits->child : NULL;
    size_t i, len = 0;
    uint8_t *to;
    for (i = 0; i < d->edits_len && !t->err; i++, item = item->next) {
        const crdti_edit *edit = &d->edits[i];
        crdti_width width;
        if (edit->kind == CRDTI_INSERTION_EDIT &&
            (!crdti_utf8_measure(s->texts[i], &width) ||
             width.chars != crdti_alive_of(d, edit)))
            crdti_hear_wrong(t, item);
        len += s->texts[i].len;
    }
    to = (uint8_t *)crdti_hear_array(t, len, 1);
    if (!to)
        return;
    d->content = crdt_bytes_of(to, len);
    for (i = 0; i < d->edits_len; to += s->texts[i++].len)
        crdti_copy(to, s->texts[i].ptr, s->texts[i].len);
}

/* [from, count]: characters that come dead, and no edit says of whom. */
CRDTI_FN void crdti_hear_dead(crdti_readable *t, const cJSON *item,
                              crdti_delta_sequence *d)
{
    crdti_list list = crdti_list_open(t, item, 0, 0, "");
    uint64_t from, count, end = 0;
    int is_dead = 0;
    if (!list.len)
        crdti_hear_wrong(t, item);
    for (; crdti_list_next(t, &list); end = from + count + 1) {
        crdti_say_pair(t, list.at, &from, &count);
        if (t->err)
            continue;
        if (from < end || from >= d->chars || !count ||
            count > d->chars - from ||
            crdti_dead_run(d, (uint32_t)from, (uint32_t)(from + count),
                           &is_dead) != count ||
            is_dead)
            crdti_hear_wrong(t, list.at);
        else
            crdti_bits_set(d->dead, (uint32_t)from, (uint32_t)count);
    }
}

CRDTI_FN void crdti_print_dead(crdti_readable *t,
                               const crdti_delta_sequence *d)
{
    const char *before = "[";
    uint64_t from, count;
    int is_dead;
    for (from = 0; from < d->chars; from += count) {
        count = crdti_dead_run(d, (uint32_t)from, d->chars, &is_dead);
        if (!is_dead)
            continue;
        crdti_say_raw(t, before);
        crdti_say_pair(t, NULL, &from, &count);
        before = ", ";
    }
    crdti_say_raw(t, "]");
}

/* Afterwards `dead` is of those that no edit says of. */
CRDTI_FN void crdti_say_dead(crdti_readable *t, crdti_record *record,
                             crdti_delta_sequence *d)
{
    int is_first = 0, has_any = 0;
    if (t->hears)
        d->dead = (uint64_t *)crdti_hear_array(t, d->chars / 64 + 1,
                                               sizeof *d->dead);
    if (t->err)
        return;
    crdti_mark_deleted(d, t->hears ? crdti_bits_set : crdti_bits_clear);
    if (!t->hears)
        has_any =
            crdti_dead_run(d, 0, d->chars, &is_first) < d->chars || is_first;
    if (!crdti_record_has(t, record, 3, has_any))
        return;
    if (d->is_list)
        crdti_hear_wrong(t, record->at);
    if (t->hears)
        crdti_hear_dead(t, record->at, d);
    else
        crdti_print_dead(t, d);
}

CRDTI_FN void crdti_say_sequence(crdti_readable *t, const cJSON *item,
                                 crdti_delta_sequence *d)
{
    static const char *const names[] = { "object", "laid_out", "edits", "dead",
                                         NULL };
    crdti_record record;
    crdti_told s;
    crdti_zero(&s, sizeof s);
    s.d = d;
    if (!t->hears)
        crdti_texts_cut(t, &s);
    if (!t->hears && d->is_list) /* the core takes them for hidden */
        crdti_bits_clear(d->dead, 0, d->chars);
    crdti_record_open(t, &record, item, names, "");
    if (crdti_record_has(t, &record, 0, 1))
        crdti_say_index(t, record.at, t->delta.objects_len, &d->object);
    d->is_list = t->delta.objects[d->object].type == CRDT_LIST;
    if (crdti_record_has(t, &record, 1, d->is_laid_out))
        crdti_say_flag(t, record.at, &d->is_laid_out);
    if (crdti_record_has(t, &record, 2, 1))
        crdti_say_edits(t, record.at, &s);
    crdti_say_dead(t, &record, d);
    if (t->hears && !t->err) {
        crdti_texts_join(t, record.found[2], &s);
        crdti_mark_deleted(d, crdti_bits_clear);
        t->delta.chars += d->chars;
    }
    crdti_record_close(t);
}

CRDTI_FN void crdti_say_sequences(crdti_readable *t, const cJSON *item)
{
    crdti_delta *d = &t->delta;
    crdti_list list = crdti_list_open(t, item, 0, d->sequences_len, "\n    ");
    if (t->hears) {
        d->sequences_len = list.len;
        d->sequences = (crdti_delta_sequence *)crdti_hear_array(
            t, list.len, sizeof *d->sequences);
    }
    while (crdti_list_next(t, &list))
        crdti_say_sequence(t, list.at, &d->sequences[list.i - 1]);
}

/* >>all of a delta -------------------------------------------------------- */

CRDTI_FN void crdti_readable_check(crdti_readable *t);

CRDTI_FN void crdti_say_delta(crdti_readable *t, const cJSON *item)
{
    static const char *const names[] = { "top",     "base", "floor",
                                         "objects", "ops",  "sequences",
                                         NULL };
    crdti_delta *d = &t->delta;
    crdti_record record;
    crdti_record_open(t, &record, item, names, "\n  ");
    if (t->hears) {
        d->is_snapshot = !record.found[1];
        t->has_floor = record.found[2] != NULL;
        d->has_sequences = record.found[5] != NULL;
    }
    if (crdti_record_has(t, &record, 0, 1))
        crdti_say_vector(t, record.at, CRDTI_SAY_TOP);
    if (crdti_record_has(t, &record, 1, !d->is_snapshot))
        crdti_say_vector(t, record.at, CRDTI_SAY_BASE);
    if (crdti_record_has(t, &record, 2, t->has_floor))
        crdti_say_vector(t, record.at, CRDTI_SAY_FLOOR);
    if (crdti_record_has(t, &record, 3, 1))
        crdti_say_objects(t, record.at);
    if (crdti_record_has(t, &record, 4, 1))
        crdti_say_ops(t, record.at);
    if (crdti_record_has(t, &record, 5, d->has_sequences))
        crdti_say_sequences(t, record.at);
    crdti_record_close(t);
    if (!t->hears && d->has_sequences)
        crdti_readable_check(t);
}

/* >>a delta as bytes ------------------------------------------------------ */

CRDTI_FN crdt_err crdti_readable_decode(crdti_readable *t, crdt_bytes payload)
{
    crdti_reader r;
    crdti_reader_init(&r, payload);
    crdti_get_delta(&r, &t->arena, &t->delta);
    t->payload = payload;
    t->has_floor = !r.err && payload.ptr[0] & CRDTI_DELTA_FLOOR;
    return r.err;
}

CRDTI_FN void crdti_readable_put_replicas(crdti_writer *w,
                                          const crdti_delta *d, int has_floor)
{
    size_t i, len = d->replicas_len;
    crdti_put_u8(w, (uint8_t)((d->is_snapshot ? CRDTI_DELTA_SNAPSHOT : 0) |
                              (has_floor ? CRDTI_DELTA_FLOOR : 0) |
                              (d->has_sequences ? CRDTI_DELTA_SEQUENCES : 0)));
    crdti_put_varint(w, len);
    for (i = 0; i < len; i++)
        crdti_put_raw(w, crdt_bytes_of(d->replicas[i].id.b, 16));
    for (i = 0; i < len && !d->is_snapshot; i++)
        crdti_put_varint(w, d->replicas[i].base);
    for (i = 0; i < len; i++)
        crdti_put_varint(w, d->replicas[i].top - d->replicas[i].base);
    for (i = 0; i < len && has_floor; i++)
        crdti_put_varint(w, d->replicas[i].floor);
}

CRDTI_FN void crdti_readable_put_objects(crdti_writer *w, const crdti_delta *d)
{
    size_t i;
    crdti_put_varint(w, d->objects_len - 1);
    for (i = 1; i < d->objects_len; i++) {
        crdti_put_varint(w, d->objects[i].parent);
        crdti_put_u8(w, d->objects[i].type);
        crdti_put_bytes(w, d->objects[i].key);
    }
}

/* What stands for the op in one of the columns that are runs. */
CRDTI_FN uint64_t crdti_readable_cell(const crdti_delta *d, size_t i,
                                      int column)
{
    const crdti_delta_op *op = &d->ops[i];
    switch (column) {
    case 0:
        return op->op.replica;
    case 1:
        if (i && op[-1].op.replica == op->op.replica)
            return op->op.seq - op[-1].op.seq;
        return op->op.seq - d->replicas[op->op.replica].base;
    case 2:
        return op->object;
    default:
        return op->op.kind | (op->kills_len ? (unsigned)CRDTI_KILLS_BIT : 0u);
    }
}

CRDTI_FN void crdti_readable_put_columns(crdti_writer *w, const crdti_delta *d)
{
    uint64_t before = 0;
    int column;
    size_t i;
    crdti_put_varint(w, d->ops_len);
    for (column = 0; column < 4; column++) {
        crdti_column_run run = { 0, 0, NULL };
        for (i = 0; i < d->ops_len; i++)
            crdti_run_put(w, &run, crdti_readable_cell(d, i, column));
        crdti_run_end(w, &run);
    }
    for (i = 0; i < d->ops_len; i++) {
        const crdti_op *op = &d->ops[i].op;
        if (!crdti_has_stamp(op->kind))
            continue;
        crdti_put_zigzag(w, (int64_t)(op->as.value.stamp - before));
        before = op->as.value.stamp;
    }
}

CRDTI_FN void crdti_readable_put_key(crdti_writer *w, const crdti_delta *d,
                                     const crdti_delta_op *op)
{
    uint8_t type = d->objects[op->object].type;
    if (type == CRDT_LIST && crdti_is_own_key(d, op))
        crdti_put_bytes(w, crdti_no_key());
    else if (crdti_has_key(type, op->op.kind))
        crdti_put_bytes(w, op->key);
}

CRDTI_FN void crdti_readable_put_content(crdti_writer *w, const crdti_op *op)
{
    uint32_t i;
    if (op->kind == CRDTI_VALUE) {
        crdti_put_value(w, op);
    } else if (op->kind == CRDTI_CREATE) {
        crdti_put_u8(w, op->form);
    } else if (op->kind == CRDTI_ADD) {
        crdti_put_varint(w, op->as.add.plus);
        crdti_put_varint(w, op->as.add.minus);
    } else if (op->kind == CRDTI_RESET) {
        crdti_put_varint(w, op->len);
        for (i = 0; i < op->len; i++) {
            crdti_put_varint(w, op->as.voids[i].replica);
            crdti_put_varint(w, op->as.voids[i].plus);
            crdti_put_varint(w, op->as.voids[i].minus);
        }
    } else if (op->kind == CRDTI_IN || op->kind == CRDTI_OUT) {
        crdti_put_u8(w, 0);
    }
}

CRDTI_FN void crdti_readable_put_kills(crdti_writer *w, const crdti_delta *d,
                                       const crdti_delta_op *op)
{
    uint32_t i;
    if (op->kills_len)
        crdti_put_varint(w, op->kills_len);
    for (i = 0; i < op->kills_len; i++) {
        const crdti_delta_kill *kill = &op->kills[i];
        crdti_put_varint(w, kill->replica);
        crdti_put_varint(w, crdti_kill_from(d, &op->op, kill->replica) -
                                kill->last);
    }
}

/* >>sequences as bytes ---------------------------------------------------- */

/* `step` and `plus` make one number of the replica and what else is told. */
CRDTI_FN void crdti_readable_put_outside(crdti_writer *w, const crdti_delta *d,
                                         const crdti_outside *outside,
                                         uint64_t step, uint64_t plus)
{
    crdti_put_varint(w, outside->replica * step + plus);
    crdti_put_varint(w, d->replicas[outside->replica].base - outside->seq);
}

CRDTI_FN void crdti_readable_put_right(crdti_edit_writer *e,
                                       const crdti_delta *d,
                                       const crdti_outside *outside,
                                       uint32_t right)
{
    crdti_put_more(e, CRDTI_MORE_RIGHT);
    if (right == CRDTI_NO_CHAR)
        crdti_put_varint(&e->w, 0);
    else if (right & CRDTI_OUTSIDE)
        crdti_readable_put_outside(&e->w, d, &outside[right & ~CRDTI_OUTSIDE],
                                   2, 2);
    else
        crdti_put_varint(&e->w, right * UINT64_C(2) + 1);
}

/* As crdti_put_target, which knows the dots of a document. */
CRDTI_FN void crdti_readable_put_target(crdti_edit_writer *e,
                                        const crdti_delta *d,
                                        const crdti_outside *outside,
                                        const crdti_edit *edit)
{
    int inserts = edit->kind == CRDTI_INSERTION_EDIT;
    uint32_t target = inserts ? edit->left : edit->name;
    if (!crdti_is_outside(target)) {
        crdti_put_target(e, target, target, edit->kind, edit->len);
        return;
    }
    crdti_put_more(e, CRDTI_MORE_OUTSIDE);
    crdti_readable_put_outside(&e->w, d, &outside[target & ~CRDTI_OUTSIDE], 1,
                               0);
    crdti_put_head(
        e,
        crdti_edit_choice(e->cursor, e->target, target, edit->kind, edit->len),
        edit->len);
}

CRDTI_FN void crdti_readable_put_edit(crdti_edit_writer *e,
                                      const crdti_delta *d, crdti_told *s,
                                      uint32_t i)
{
    const crdti_edit *edit = &s->d->edits[i];
    uint32_t first = edit->name, expected;
    crdti_put_author(e, &e->parties[edit->replica], edit->seq, edit->len);
    if (s->d->is_laid_out) {
        crdti_put_head(e, CRDTI_EDIT_INSERT, edit->len);
        return;
    }
    if (edit->kind == CRDTI_INSERTION_EDIT &&
        crdti_right_is_told(s, i, &expected))
        crdti_readable_put_right(e, d, s->d->outside, edit->right);
    crdti_readable_put_target(e, d, s->d->outside, edit);
    if (edit->kind == CRDTI_INSERTION_EDIT) {
        e->cursor = first + edit->len - 1;
        return;
    }
    if (edit->kind == CRDTI_BACKWARDS_EDIT)
        first -= edit->len - 1;
    e->cursor = crdti_cursor_before(crdti_edit_at(s->d, edit->name), first);
}

/* One section. The parties are those of all replicas, as they begin. */
CRDTI_FN void crdti_readable_put_sequence(crdti_writer *w, crdti_arena *arena,
                                          const crdti_delta *d,
                                          crdti_delta_sequence *sequence,
                                          crdti_party *parties)
{
    crdti_edit_writer e;
    crdti_told s;
    size_t i;
    crdti_zero(&e, sizeof e);
    crdti_zero(&s, sizeof s);
    s.d = sequence;
    e.parties = parties;
    e.cursor = e.target = CRDTI_NO_CHAR;
    crdti_put_varint(w, sequence->object);
    crdti_put_u8(w, (uint8_t)sequence->is_laid_out);
    crdti_put_varint(w, sequence->edits_len);
    crdti_put_varint(w, sequence->outside_len);
    e.w = *w;
    if (!e.w.err)
        e.w.err = crdti_children_init(&s.children, arena, sequence->edits_len);
    for (i = 0; i < sequence->edits_len && !e.w.err; i++)
        crdti_readable_put_edit(&e, d, &s, (uint32_t)i);
    *w = e.w;
    if (!w->err)
        crdti_put_dead(w, sequence);
    crdti_put_bytes(w, sequence->content);
    for (i = 0; i < sequence->edits_len; i++) {
        uint32_t replica = sequence->edits[i].replica;
        parties[replica].told = d->replicas[replica].base + 1;
    }
}

CRDTI_FN void crdti_readable_put_sequences(crdti_writer *w, crdti_readable *t)
{
    const crdti_delta *d = &t->delta;
    crdti_party *parties = (crdti_party *)crdti_arena_alloc(
        &t->arena, crdti_mul_size(d->replicas_len + 1, sizeof *parties));
    size_t i;
    if (!parties && !w->err)
        w->err = CRDT_ERR_NOMEM;
    if (w->err)
        return;
    crdti_zero(parties, d->replicas_len * sizeof *parties);
    for (i = 0; i < d->replicas_len; i++) {
        parties[i].wire = (uint32_t)i;
        parties[i].told = d->replicas[i].base + 1;
    }
    crdti_put_varint(w, d->sequences_len);
    for (i = 0; i < d->sequences_len; i++)
        crdti_readable_put_sequence(w, &t->arena, d, &d->sequences[i],
                                    parties);
}

CRDTI_FN void crdti_readable_put_delta(crdti_writer *w, crdti_readable *t)
{
    const crdti_delta *d = &t->delta;
    size_t i;
    crdti_readable_put_replicas(w, d, t->has_floor);
    crdti_readable_put_objects(w, d);
    crdti_readable_put_columns(w, d);
    for (i = 0; i < d->ops_len; i++)
        crdti_readable_put_key(w, d, &d->ops[i]);
    for (i = 0; i < d->ops_len; i++)
        crdti_readable_put_content(w, &d->ops[i].op);
    for (i = 0; i < d->ops_len; i++)
        crdti_readable_put_kills(w, d, &d->ops[i]);
    if (d->has_sequences)
        crdti_readable_put_sequences(w, t);
}

/* Edits can be written in more ways than one, and only that which crdtsync
 * writes has a JSON. */
CRDTI_FN void crdti_readable_check(crdti_readable *t)
{
    crdt_buf again = CRDT_BUF_INIT;
    crdti_writer w;
    if (t->err)
        return;
    again.alloc = t->arena.alloc;
    crdti_writer_init(&w, &again);
    crdti_readable_put_delta(&w, t);
    crdti_hear_fail(t, NULL, w.err);
    if (!crdt_bytes_equal(crdt_buf_bytes(&again), t->payload))
        crdti_hear_fail(t, NULL, CRDT_ERR_CORRUPT);
    crdt_buf_free(&again);
}

/* >>messages, both ways --------------------------------------------------- */

CRDTI_FN void crdti_carry_id(crdti_readable *t, const cJSON *item,
                             int is_reversed)
{
    crdt_bytes bytes = crdti_get_raw(&t->r, sizeof(crdt_id));
    size_t i, last = is_reversed ? sizeof(crdt_id) - 1 : 0;
    crdt_id id;
    crdti_zero(&id, sizeof id);
    for (i = 0; i < bytes.len; i++)
        id.b[i ^ last] = bytes.ptr[i];
    crdti_say_id(t, item, 0, &id);
    for (i = 0; i < sizeof id.b; i++)
        crdti_put_u8(&t->w, id.b[i ^ last]);
}

/* How many documents, or numbers, stand until the end. */
CRDTI_FN size_t crdti_told_until_end(crdti_reader r, int is_docs)
{
    size_t count = 0;
    while (crdti_reader_left(&r)) {
        if (is_docs) {
            (void)crdti_get_bytes(&r, CRDTSYNC_MAX_NAME);
            (void)crdti_get_u64le(&r);
        } else {
            (void)crdti_get_varint(&r);
        }
        count++;
    }
    return count;
}

CRDTI_FN void crdti_carry_docs(crdti_readable *t, const cJSON *item)
{
    static const char *const names[] = { "name", "print", NULL };
    crdti_list list = crdti_list_open(
        t, item, 0, t->hears ? 0 : crdti_told_until_end(t->r, 1), "\n    ");
    while (crdti_list_next(t, &list)) {
        crdt_bytes name = crdti_get_bytes(&t->r, CRDTSYNC_MAX_NAME);
        uint64_t print = crdti_get_u64le(&t->r);
        crdti_record record;
        crdti_record_open(t, &record, list.at, names, "");
        if (crdti_record_has(t, &record, 0, 1))
            crdti_say_bytes(t, record.at, CRDTSYNC_MAX_VALUE, &name);
        if (crdti_record_has(t, &record, 1, 1))
            crdti_say_number(t, record.at, &print);
        crdti_record_close(t);
        crdti_put_bytes(&t->w, name);
        crdti_put_u64le(&t->w, print);
    }
}

CRDTI_FN void crdti_carry_runs(crdti_readable *t, const cJSON *item)
{
    crdti_list list = crdti_list_open(
        t, item, 0, t->hears ? 0 : crdti_told_until_end(t->r, 0), "");
    while (crdti_list_next(t, &list)) {
        uint64_t number = crdti_get_varint(&t->r);
        crdti_say_number(t, list.at, &number);
        crdti_put_varint(&t->w, number);
    }
}

CRDTI_FN void crdti_carry_vector(crdti_readable *t, const cJSON *item)
{
    crdti_reader r = t->r;
    crdti_list list =
        crdti_list_open(t, item, 1, crdti_skip_vv(&t->r), "\n    ");
    crdt_dot entry, before;
    (void)crdti_get_varint(&r);
    crdti_put_varint(&t->w, list.len);
    for (; crdti_list_next(t, &list) && !(!t->hears && t->r.err);
         before = entry) {
        if (!t->hears)
            crdti_get_vv_entries(&r, &entry, 1);
        crdti_say_entry(t, list.at, list.i > 1 ? &before : NULL, &entry);
        crdti_put_raw(&t->w, crdt_bytes_of(entry.replica.b, 16));
        crdti_put_varint(&t->w, entry.seq);
    }
}

CRDTI_FN void crdti_carry_bytes(crdti_readable *t, const cJSON *item, int form)
{
    crdt_bytes bytes = form == CRDTI_AS_BYTES
                           ? crdti_get_bytes(&t->r, SIZE_MAX)
                           : crdti_get_raw(&t->r, crdti_reader_left(&t->r));
    crdti_say_bytes(t, item, CRDTSYNC_MAX_VALUE, &bytes);
    if (form == CRDTI_AS_BYTES)
        crdti_put_varint(&t->w, bytes.len);
    crdti_put_raw(&t->w, bytes);
}

CRDTI_FN void crdti_carry_delta(crdti_readable *t, const cJSON *item)
{
    /* t->delta already */
    (void)crdti_get_raw(&t->r, crdti_reader_left(&t->r));
    crdti_say_delta(t, item);
    if (t->hears && !t->err)
        crdti_readable_put_delta(&t->w, t);
}

CRDTI_FN void crdti_carry_flag(crdti_readable *t, const cJSON *item)
{
    int flag = crdti_get_u8(&t->r);
    if (flag > 1)
        crdti_reader_fail(&t->r, CRDT_ERR_CORRUPT);
    crdti_say_flag(t, item, &flag);
    crdti_put_u8(&t->w, (uint8_t)flag);
}

CRDTI_FN void crdti_carry_number(crdti_readable *t, const cJSON *item,
                                 int form)
{
    int is_word = form == CRDTI_AS_WORD;
    uint64_t number =
        is_word ? crdti_get_u64le(&t->r) : crdti_get_varint(&t->r);
    if (form == CRDTI_AS_RESULT)
        crdti_say_result(t, item, &number);
    else
        crdti_say_number(t, item, &number);
    if (is_word)
        crdti_put_u64le(&t->w, number);
    else
        crdti_put_varint(&t->w, number);
}

CRDTI_FN void crdti_carry_byte(crdti_readable *t, const cJSON *item)
{
    uint64_t byte = crdti_get_u8(&t->r);
    crdti_say_number(t, item, &byte);
    if (byte > 255)
        crdti_hear_fail(t, item, CRDT_ERR_RANGE);
    crdti_put_u8(&t->w, (uint8_t)byte);
}

/* >>strokes, both ways ---------------------------------------------------- */

/* Dots as they are told: of what is typed left and right, else the victim. */
typedef struct crdti_told_stroke {
    uint8_t kind;
    uint64_t n, dots[2]; /* n: characters deleted */
    crdt_bytes text;
} crdti_told_stroke;

CRDTI_FN void crdti_get_told_stroke(crdti_reader *r, crdti_told_stroke *s)
{
    const uint8_t *at = r->ptr;
    uint64_t head = crdti_get_varint(r);
    crdti_width width;
    crdti_zero(s, sizeof *s);
    s->kind = head & 3;
    s->n = head >> 2;
    if (!s->n || s->n > CRDTI_STROKE_MAX)
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
    if (s->kind != CRDTI_TYPE)
        s->dots[0] = crdti_get_varint(r);
    if (s->kind == CRDTI_INSERT)
        s->dots[1] = crdti_get_varint(r);
    if (s->kind <= CRDTI_INSERT)
        s->text = crdti_get_raw(r, (size_t)s->n);
    if (s->kind <= CRDTI_INSERT ? !crdti_utf8_measure(s->text, &width)
                                : !s->dots[0])
        crdti_reader_fail_at(r, at, CRDT_ERR_CORRUPT);
}

CRDTI_FN void crdti_put_told_stroke(crdti_writer *w,
                                    const crdti_told_stroke *s)
{
    crdti_put_varint(w, s->n << 2 | s->kind);
    if (s->kind != CRDTI_TYPE)
        crdti_put_varint(w, s->dots[0]);
    if (s->kind == CRDTI_INSERT)
        crdti_put_varint(w, s->dots[1]);
    if (s->kind <= CRDTI_INSERT)
        crdti_put_raw(w, s->text);
}

/* {"cursor": distance} or {"latest": distance}; null: none. */
CRDTI_FN void crdti_say_told_dot(crdti_readable *t, const cJSON *item,
                                 uint64_t *told)
{
    static const char *const names[] = { "cursor", "latest", NULL };
    uint64_t zigzag = (*told - 1) >> 1;
    int64_t distance = (int64_t)(zigzag >> 1);
    int which = (int)((*told - 1) & 1);
    crdti_record record;
    if (t->hears ? item && cJSON_IsNull(item) : !*told) {
        crdti_say_raw(t, "null");
        *told = 0;
        return;
    }
    distance = zigzag & 1 ? -1 - distance : distance;
    crdti_record_open(t, &record, item, names, "");
    which = t->hears ? record.found[1] != NULL : which;
    if (record.found[0] && record.found[1])
        crdti_hear_wrong(t, item);
    if (!crdti_record_has(t, &record, which, 1))
        return;
    if (!t->hears)
        crdti_json_put_integer(&t->out.w, distance);
    else
        crdti_hear_fail(t, record.at,
                        crdti_json_get_integer(record.at, &distance));
    crdti_record_close(t);
    zigzag = (uint64_t)distance << 1 ^ (distance < 0 ? UINT64_MAX : 0);
    if (zigzag >> 63)
        crdti_hear_fail(t, record.at, CRDT_ERR_RANGE);
    *told = 1 + (zigzag << 1 | (unsigned)which);
}

CRDTI_FN void crdti_say_told_stroke(crdti_readable *t, const cJSON *item,
                                    crdti_told_stroke *s)
{
    enum { KIND, LEFT, RIGHT, TEXT, COUNT, FROM };
    static const char *const names[] = { "kind",  "left", "right", "text",
                                         "count", "from", NULL };
    static const unsigned content[] = { 1u << TEXT,
                                        1u << LEFT | 1u << RIGHT | 1u << TEXT,
                                        1u << COUNT | 1u << FROM,
                                        1u << COUNT | 1u << FROM };
    uint8_t name = (uint8_t)(s->kind + 1);
    crdti_record record;
    int i;
    crdti_record_open(t, &record, item, names, "");
    if (crdti_record_has(t, &record, KIND, 1))
        crdti_say_name(t, record.at, CRDTI_STROKE_NAMES, 5, &name);
    s->kind = (uint8_t)((name - 1) & 3);
    for (i = LEFT; i <= FROM; i++) {
        int must = (int)(content[s->kind] >> i & 1);
        if (record.found[i] && !must)
            crdti_hear_wrong(t, record.found[i]);
        if (!crdti_record_has(t, &record, i, must))
            continue;
        if (i == TEXT)
            crdti_say_bytes(t, record.at, CRDTI_STROKE_MAX, &s->text);
        else if (i == COUNT)
            crdti_say_number(t, record.at, &s->n);
        else
            crdti_say_told_dot(t, record.at, &s->dots[i == RIGHT]);
    }
    crdti_record_close(t);
    if (s->kind <= CRDTI_INSERT)
        s->n = s->text.len;
    if (s->n > CRDTI_STROKE_MAX)
        crdti_hear_fail(t, item, CRDT_ERR_LIMIT);
}

/* How many follow. Only the first can be a TYPE. */
CRDTI_FN size_t crdti_told_strokes(crdti_reader r, crdt_err *err)
{
    crdti_told_stroke stroke;
    size_t count = 0;
    while (!r.err && crdti_reader_left(&r)) {
        crdti_get_told_stroke(&r, &stroke);
        if (count == CRDTI_STROKES_MAX || (count && stroke.kind == CRDTI_TYPE))
            crdti_reader_fail(&r, CRDT_ERR_CORRUPT);
        count++;
    }
    *err = r.err || count ? r.err : CRDT_ERR_TRUNCATED;
    return *err ? 0 : count;
}

CRDTI_FN void crdti_carry_strokes(crdti_readable *t, const cJSON *item)
{
    crdt_err err;
    crdti_list list =
        crdti_list_open(t, item, 0, crdti_told_strokes(t->r, &err), "\n    ");
    if (err)
        crdti_reader_fail(&t->r, err);
    while (crdti_list_next(t, &list)) {
        crdti_told_stroke stroke;
        crdti_get_told_stroke(&t->r, &stroke);
        crdti_say_told_stroke(t, list.at, &stroke);
        crdti_put_told_stroke(&t->w, &stroke);
    }
}

/* >>members, both ways ---------------------------------------------------- */

CRDTI_FN void crdti_say_vv(crdti_readable *t, const cJSON *item, crdt_vv *vv)
{
    crdti_list list = crdti_list_open(t, item, 1, vv->len, "");
    if (t->hears && crdti_vv_reserve(vv, list.len))
        crdti_hear_fail(t, item, CRDT_ERR_NOMEM);
    while (crdti_list_next(t, &list)) {
        crdt_dot *entry = &vv->entries[list.i - 1];
        crdti_say_entry(t, list.at, list.i > 1 ? entry - 1 : NULL, entry);
        vv->len = list.i;
    }
}

/* A name of one of the lists, from 0 up. */
CRDTI_FN void crdti_say_choice(crdti_readable *t, const cJSON *item, int list,
                               uint8_t *choice)
{
    uint8_t name = (uint8_t)(*choice + 1);
    crdti_say_name(t, item, list, 4, &name);
    *choice = (uint8_t)((name - 1) & 3);
}

CRDTI_FN void crdti_say_bit(crdti_readable *t, const cJSON *item, uint8_t *bit)
{
    int flag = *bit;
    crdti_say_flag(t, item, &flag);
    *bit = (uint8_t)flag;
}

/* Its number and its proposer, the first two of the record. */
CRDTI_FN void crdti_say_ballot_name(crdti_readable *t, const cJSON *item,
                                    crdti_record *record, crdti_ballot *ballot)
{
    if (crdti_record_has(t, record, 0, 1))
        crdti_say_number(t, record->at, &ballot->number);
    if (crdti_record_has(t, record, 1, 1))
        crdti_say_id(t, record->at, 0, &ballot->proposer);
    if (!ballot->number)
        crdti_hear_wrong(t, item);
}

CRDTI_FN void crdti_say_ballot(crdti_readable *t, const cJSON *item,
                               crdti_pact *pact)
{
    static const char *const names[] = { "number", "proposer", "lease_ms",
                                         "phase",  "strict",   NULL };
    uint64_t lease = pact->lease_ms;
    crdti_record record;
    crdti_record_open(t, &record, item, names, "");
    crdti_say_ballot_name(t, item, &record, &pact->ballot);
    if (crdti_record_has(t, &record, 2, 1))
        crdti_say_number(t, record.at, &lease);
    if (lease > UINT32_MAX)
        crdti_hear_fail(t, item, CRDT_ERR_LIMIT);
    pact->lease_ms = (uint32_t)lease;
    if (crdti_record_has(t, &record, 3, 1))
        crdti_say_choice(t, record.at, CRDTI_PHASE_NAMES, &pact->phase);
    if (crdti_record_has(t, &record, 4, 1))
        crdti_say_bit(t, record.at, &pact->is_strict);
    crdti_record_close(t);
}

CRDTI_FN void crdti_say_digest_of(crdti_readable *t, const cJSON *item,
                                  crdt_digest *digest)
{
    crdt_id id;
    int i;
    for (i = 0; i < 8; i++) {
        id.b[i] = (uint8_t)(digest->hi >> (56 - 8 * i));
        id.b[i + 8] = (uint8_t)(digest->lo >> (56 - 8 * i));
    }
    crdti_say_id(t, item, 0, &id);
    for (i = 0; i < 8; i++) {
        digest->hi = digest->hi << 8 | id.b[i];
        digest->lo = digest->lo << 8 | id.b[i + 8];
    }
}

CRDTI_FN void crdti_say_accepted(crdti_readable *t, const cJSON *item,
                                 crdti_pact *pact)
{
    static const char *const names[] = { "number", "proposer",  "cut",
                                         "digest", "committed", NULL };
    crdti_record record;
    crdti_record_open(t, &record, item, names, "");
    crdti_say_ballot_name(t, item, &record, &pact->accepted);
    if (crdti_record_has(t, &record, 2, 1))
        crdti_say_vv(t, record.at, &pact->cut);
    if (crdti_record_has(t, &record, 3, pact->is_exact)) {
        pact->is_exact = 1;
        crdti_say_digest_of(t, record.at, &pact->digest);
    }
    if (crdti_record_has(t, &record, 4, 1))
        crdti_say_bit(t, record.at, &pact->is_done);
    crdti_record_close(t);
}

CRDTI_FN void crdti_say_member(crdti_readable *t, const cJSON *item,
                               crdti_member *m)
{
    enum {
        MEMBER,
        NODE,
        COUNTER,
        STATUS,
        BY,
        VIEW,
        APPLIED,
        FLOOR,
        EPOCH,
        BALLOT,
        ACCEPTED
    };
    static const char *const names[] = { "member",  "node",     "counter",
                                         "status",  "by",       "view",
                                         "applied", "floor",    "epoch",
                                         "ballot",  "accepted", NULL };
    crdti_record record;
    crdti_record_open(t, &record, item, names, "");
    if (crdti_record_has(t, &record, MEMBER, 1))
        crdti_say_id(t, record.at, 0, &m->replica);
    if (crdti_record_has(t, &record, NODE, 1))
        crdti_say_id(t, record.at, 0, &m->node);
    if (crdti_record_has(t, &record, COUNTER, 1))
        crdti_say_number(t, record.at, &m->counter);
    if (crdti_record_has(t, &record, STATUS, 1))
        crdti_say_choice(t, record.at, CRDTI_STATUS_NAMES, &m->status);
    if (crdti_record_has(t, &record, BY, m->status == CRDT_MEMBER_EVICTED))
        crdti_say_id(t, record.at, 0, &m->by);
    if (record.found[BY] && m->status != CRDT_MEMBER_EVICTED)
        crdti_hear_wrong(t, record.found[BY]);
    if (crdti_record_has(t, &record, VIEW, 1))
        crdti_say_number(t, record.at, &m->view);
    if (crdti_record_has(t, &record, APPLIED, 1))
        crdti_say_vv(t, record.at, &m->applied);
    if (crdti_record_has(t, &record, FLOOR, 1))
        crdti_say_vv(t, record.at, &m->floor);
    if (crdti_record_has(t, &record, EPOCH, 1))
        crdti_say_number(t, record.at, &m->pact.epoch);
    if (crdti_record_has(t, &record, BALLOT, m->pact.ballot.number != 0))
        crdti_say_ballot(t, record.at, &m->pact);
    if (crdti_record_has(t, &record, ACCEPTED, m->pact.accepted.number != 0))
        crdti_say_accepted(t, record.at, &m->pact);
    crdti_record_close(t);
}

/* So many records, to be filled in. */
CRDTI_FN void crdti_members_start(crdti_readable *t, size_t count)
{
    crdti_roster *r = &t->roster;
    if (crdti_array_reserve(r->alloc, &r->members, count)) {
        crdti_hear_fail(t, NULL, CRDT_ERR_NOMEM);
        return;
    }
    while (r->members.len < count)
        crdti_member_init(&r->members.ptr[r->members.len++], r->alloc);
}

CRDTI_FN void crdti_put_told_members(crdti_writer *w, crdti_readable *t)
{
    size_t i;
    for (i = 0; i < t->roster.members.len; i++)
        t->roster.members.ptr[i].stamp = 1; /* all are news */
    crdti_put_table(w, &t->roster);
}

/* Whether the core takes them. */
CRDTI_FN crdt_err crdti_members_look(const crdti_readable *t,
                                     crdt_bytes records)
{
    crdti_roster none;
    crdti_zero(&none, sizeof none);
    none.alloc = t->roster.alloc;
    return crdti_roster_load(&none, records);
}

CRDTI_FN void crdti_carry_members(crdti_readable *t, const cJSON *item)
{
    crdti_list list =
        crdti_list_open(t, item, 0, t->roster.members.len, "\n    ");
    size_t start = t->hears ? t->w.buf->len : 0;
    /* t->members already */
    (void)crdti_get_raw(&t->r, crdti_reader_left(&t->r));
    if (list.len > CRDTSYNC_MAX_MEMBERS)
        crdti_hear_fail(t, item, CRDT_ERR_LIMIT);
    if (t->hears && !t->err)
        crdti_members_start(t, list.len);
    while (crdti_list_next(t, &list))
        crdti_say_member(t, list.at, &t->roster.members.ptr[list.i - 1]);
    if (!t->hears || t->err)
        return;
    crdti_put_told_members(&t->w, t);
    if (!t->w.err)
        crdti_hear_fail(
            t, item,
            crdti_members_look(t, crdt_bytes_of(t->w.buf->ptr + start,
                                                t->w.buf->len - start)));
}

/* Takes the records of a ROSTER, if they are as we would write them. */
CRDTI_FN int crdti_readable_members(crdti_readable *t, crdt_bytes records)
{
    crdt_buf again = CRDT_BUF_INIT;
    crdti_ids ids;
    crdti_reader r;
    crdti_writer w;
    crdt_err err;
    size_t i;
    int is_ours;
    err = crdti_members_look(t, records);
    if (err == CRDT_ERR_NOMEM)
        crdti_hear_fail(t, NULL, err);
    if (err)
        return 0;
    crdti_reader_init(&r, records);
    crdti_get_ids(&r, &ids);
    crdti_members_start(t, crdti_get_count(&r, CRDTSYNC_MAX_MEMBERS, 30));
    for (i = 0; i < t->roster.members.len; i++)
        crdti_get_member(&r, &ids, &t->roster.members.ptr[i]);
    again.alloc = t->arena.alloc;
    crdti_writer_init(&w, &again);
    crdti_put_told_members(&w, t);
    crdti_hear_fail(t, NULL, r.err ? r.err : w.err);
    is_ours = crdt_bytes_equal(crdt_buf_bytes(&again), records);
    crdt_buf_free(&again);
    return is_ours;
}

/* Whether it is whole, and as we would write it. */
CRDTI_FN int crdti_readable_roster(crdti_readable *t)
{
    crdti_reader r = t->r;
    crdti_gossip_head head;
    uint64_t id;
    (void)crdti_get_varint(&r);
    id = crdti_get_varint(&r);
    crdti_get_gossip_head(&r, &head);
    if (r.err || id & 1)
        return 0;
    if (!(head.flags & CRDTI_GOSSIP_TELLS))
        return !crdti_reader_left(&r);
    return crdti_readable_members(t, crdti_get_raw(&r, crdti_reader_left(&r)));
}

CRDTI_FN void crdti_carry(crdti_readable *t, const cJSON *item, int form)
{
    if (form == CRDTI_AS_ID || form == CRDTI_AS_DIGEST)
        crdti_carry_id(t, item, form == CRDTI_AS_DIGEST);
    else if (form == CRDTI_AS_FLAG)
        crdti_carry_flag(t, item);
    else if (form == CRDTI_AS_BYTES || form == CRDTI_AS_REST)
        crdti_carry_bytes(t, item, form);
    else if (form == CRDTI_AS_DOCS)
        crdti_carry_docs(t, item);
    else if (form == CRDTI_AS_RUNS)
        crdti_carry_runs(t, item);
    else if (form == CRDTI_AS_VECTOR)
        crdti_carry_vector(t, item);
    else if (form == CRDTI_AS_DELTA)
        crdti_carry_delta(t, item);
    else if (form == CRDTI_AS_BYTE)
        crdti_carry_byte(t, item);
    else if (form == CRDTI_AS_STROKES)
        crdti_carry_strokes(t, item);
    else if (form == CRDTI_AS_MEMBERS)
        crdti_carry_members(t, item);
    else
        crdti_carry_number(t, item, form);
}

CRDTI_FN void crdti_carry_fields(crdti_readable *t, const cJSON *item,
                                 int kind)
{
    const crdti_field *fields = crdti_message_fields(kind);
    const char *names[CRDTI_FIELDS_MAX + 1];
    crdti_record record;
    int i;
    for (i = 0; i <= CRDTI_FIELDS_MAX; i++)
        names[i] = fields[i].name;
    crdti_record_open(t, &record, item, names, "");
    for (i = 0; names[i]; i++)
        if (crdti_record_has(t, &record, i,
                             fields[i].form < CRDTI_AS_MEMBERS ||
                                 crdti_reader_left(&t->r)))
            crdti_carry(t, record.at, fields[i].form);
    crdti_record_close(t);
}

/* >>write ----------------------------------------------------------------- */

CRDTI_FN void crdti_readable_init(crdti_readable *t, crdt_buf *out, int hears)
{
    crdti_zero(t, sizeof *t);
    t->hears = hears;
    crdti_reader_init(&t->r, crdt_bytes_of(NULL, 0));
    crdti_writer_init(&t->w, out);
    crdti_json_init(&t->out, out, NULL);
    t->out.indent = 1; /* blanks behind colons */
    t->in.bytes.alloc = out->alloc;
    t->roster.alloc = out->alloc;
    crdti_arena_init(&t->arena, out->alloc);
    if (!hears) {
        t->w.err = CRDT_ERR_AGAIN;
        return;
    }
    t->out.w.err = CRDT_ERR_AGAIN;
    crdti_reader_fail(&t->r, CRDT_ERR_AGAIN);
}

CRDTI_FN void crdti_readable_end(crdti_readable *t)
{
    crdti_roster_free(&t->roster);
    crdti_arena_free(&t->arena);
    crdt_buf_free(&t->in.bytes);
}

/* What only the core knows of a message. The delta of an UPDATE is looked
 * into. */
CRDTI_FN int crdti_readable_kind(crdti_readable *t, int kind)
{
    crdti_reader r = t->r;
    crdti_hello hello;
    crdti_update update;
    crdti_parcel_piece piece;
    crdt_err err = CRDT_OK;
    if (kind == CRDTI_ROSTER)
        return crdti_readable_roster(t) ? kind : CRDTI_RAW_ROSTER;
    if (kind == CRDTI_HELLO)
        crdti_get_hello(&r, &hello);
    if (kind == CRDTI_PIECE)
        crdti_get_piece(&r, &piece);
    if (kind == CRDTI_UPDATE)
        crdti_get_update(&r, &update);
    err = r.err;
    if (!err && kind == CRDTI_UPDATE)
        err = crdti_readable_decode(t, update.delta);
    if (r.err || err == CRDT_ERR_NOMEM)
        crdti_reader_fail(&t->r, err);
    return err && kind == CRDTI_UPDATE ? CRDTI_RAW_UPDATE : kind;
}

CRDTI_FN void crdti_readable_print(crdti_readable *t, crdti_frame frame)
{
    crdti_reader_init(&t->r, frame.payload);
    crdti_say_raw(t, "{\"crdtsync\": 1, ");
    crdti_say_text(t, crdti_name_of(CRDTI_MESSAGE_NAMES, frame.kind));
    crdti_say_raw(t, ": ");
    if (frame.kind == CRDTI_FRAME_DELTA) {
        t->err = crdti_readable_decode(t, frame.payload);
        if (!t->err)
            crdti_say_delta(t, NULL);
    } else {
        crdti_carry_fields(t, NULL, crdti_readable_kind(t, frame.kind));
        crdti_get_end(&t->r);
        crdti_hear_fail(t, NULL, t->r.err);
    }
    crdti_say_raw(t, "}\n");
}

CRDT_API crdt_err crdt_readable_write(crdt_bytes binary, crdt_buf *json)
{
    crdti_readable t;
    crdti_frame frame;
    size_t start;
    crdt_err err;
    if (!json || (!binary.ptr && binary.len))
        return CRDT_ERR_ARG;
    err = crdti_frame_get(binary, SIZE_MAX, &frame, NULL);
    if (!err && frame.size != binary.len)
        err = CRDT_ERR_CORRUPT;
    if (!err && (!frame.kind || frame.kind >= CRDTI_MESSAGE_KINDS ||
                 !crdti_name_of(CRDTI_MESSAGE_NAMES, frame.kind)))
        err = CRDT_ERR_VERSION;
    if (err)
        return err;
    start = json->len;
    crdti_readable_init(&t, json, 0);
    crdti_readable_print(&t, frame);
    crdti_readable_end(&t);
    if (!t.err)
        t.err = t.out.w.err;
    if (t.err)
        json->len = start;
    return t.err;
}

/* >>read ------------------------------------------------------------------ */

/* Appends the payload; returns the kind of the frame. */
CRDTI_FN int crdti_hear_body(crdti_readable *t, const cJSON *body)
{
    int kind = crdti_name_find(CRDTI_MESSAGE_NAMES, 1, CRDTI_MESSAGE_KINDS,
                               body->string);
    if (kind == CRDTI_MESSAGE_KINDS) {
        crdti_hear_wrong(t, body);
    } else if (kind == CRDTI_FRAME_DELTA) {
        crdti_say_delta(t, body);
        if (!t->err)
            crdti_readable_put_delta(&t->w, t);
    } else if (kind == CRDTI_UPDATE &&
               !cJSON_GetObjectItemCaseSensitive(body, "delta")) {
        crdti_carry_fields(t, body, CRDTI_RAW_UPDATE);
    } else if (kind == CRDTI_ROSTER &&
               !cJSON_GetObjectItemCaseSensitive(body, "hash")) {
        crdti_carry_fields(t, body, CRDTI_RAW_ROSTER);
    } else {
        crdti_carry_fields(t, body, kind);
    }
    return kind;
}

/* {"crdtsync": 1, "kind": {...}} */
CRDTI_FN void crdti_hear_message(crdti_readable *t, const cJSON *root)
{
    size_t start = t->w.buf->len;
    const cJSON *version = root->child;
    uint64_t number;
    int kind;
    if (!cJSON_IsObject(root) || cJSON_GetArraySize(root) != 2) {
        crdti_hear_wrong(t, root);
        return;
    }
    if (strcmp(version->string, "crdtsync") != 0)
        crdti_hear_wrong(t, version);
    crdti_say_number(t, version, &number);
    if (number != 1)
        crdti_hear_fail(t, version, CRDT_ERR_VERSION);
    kind = t->err ? 0 : crdti_hear_body(t, version->next);
    crdti_frame_wrap(&t->w, (uint8_t)kind, start);
    crdti_hear_fail(t, NULL, t->w.err);
}

/* Appends the frame, which must be what the core takes. */
CRDTI_FN crdt_err crdti_hear_tree(const cJSON *root, crdt_buf *out,
                                  const cJSON **at)
{
    crdti_readable t;
    crdt_buf again = CRDT_BUF_INIT;
    size_t start = out->len;
    crdti_readable_init(&t, out, 1);
    crdti_hear_message(&t, root);
    crdti_readable_end(&t);
    again.alloc = out->alloc;
    if (!t.err)
        t.err = crdt_readable_write(
            crdt_bytes_of(out->ptr + start, out->len - start), &again);
    crdt_buf_free(&again);
    if (t.err)
        out->len = start;
    *at = t.at ? t.at : root;
    return t.err;
}

/* The number of a value in the order of the text, which is that of the tree.
 * The scan has seen to the depth. */
CRDTI_FN int crdti_hear_place(const cJSON *item, const cJSON *meant,
                              size_t *number)
{
    for (; item; item = item->next) {
        ++*number;
        if (item == meant || crdti_hear_place(item->child, meant, number))
            return 1;
    }
    return 0;
}

CRDT_API crdt_err crdt_readable_read(crdt_bytes json, crdt_buf *binary,
                                     size_t *fault)
{
    static const crdti_json_limits limits = { CRDTSYNC_JSON_MAX_BYTES,
                                              CRDTSYNC_JSON_MAX_NODES, 8 };
    const cJSON *at = NULL;
    cJSON *root;
    size_t number = 0, nowhere;
    crdt_err err;
    if (!binary || (!json.ptr && json.len))
        return CRDT_ERR_ARG;
    fault = fault ? fault : &nowhere;
    err = crdti_json_tree(json, &limits, fault, &root);
    if (err)
        return err;
    err = crdti_hear_tree(root, binary, &at);
    if (err && crdti_hear_place(root, at, &number))
        *fault = crdti_json_place(json, &limits, number, 0);
    cJSON_Delete(root);
    return err;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
