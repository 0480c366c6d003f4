/*
 * crdtsync_dump - a document as text, with all that it keeps: for debugging.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // codecs come behind it
 *     #include "crdtsync_dump.h"
 *
 * SYNOPSIS
 *
 *     crdt_buf text = CRDT_BUF_INIT;
 *     crdt_dump(doc, &text);
 *     fwrite(text.ptr, 1, text.len, stdout);
 *
 *     r1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, seq 5, floor 0, own, ...
 *     digest 3c0e1f...
 *     counts ops 4, removals 0, kills 1, objects 3, entries 4, replicas 1
 *     map #1 "", weight 1
 *       "photo" reads #2
 *         create map, r1.1 at 1700000000000.0
 *         map #2 "photo", weight 2
 *           "size" reads 300
 *             value 300, r1.5 at 1700000000000.3
 *             kills r1 up to 2, by r1.5
 *           "views" reads #3
 *             ...
 *
 * docs/readable.md reads one line by line.
 */
#ifndef CRDTSYNC_DUMP_H
#define CRDTSYNC_DUMP_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_dump.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Appends the text; the document stays as it is. Replicas have short names in
 * the order of their ids; keys, ops and kills are sorted. The text is for
 * people, and may change from version to version. ARG, NOMEM: `out` is as
 * before. O(n log n). It calls itself for what lies below a key. */
CRDT_API crdt_err crdt_dump(crdt_doc *doc, crdt_buf *out);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_DUMP_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_DUMP_IMPLEMENTED)
#define CRDTSYNC_DUMP_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#include <stdarg.h>
#include <stdio.h>

/* Characters of a text, or elements of a list, that are shown. */
#define CRDTI_DUMP_CHARS 64u

typedef struct crdti_dump {
    crdt_doc *doc;
    crdti_writer w;
    crdti_arena arena;
    uint32_t *ranks; /* of replicas by number: 1 is the least id */
    const crdti_counter *counter; /* whose parts are sorted */
    unsigned depth;
} crdti_dump;

/* >>pieces ---------------------------------------------------------------- */

/* As printf, at most 160 characters. */
CRDTI_FN void crdti_dump_put(crdti_dump *d, const char *format, ...)
{
    char text[160];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    crdti_put_raw(&d->w, crdt_str(text));
}

/* Begins a line. */
CRDTI_FN void crdti_dump_line(crdti_dump *d)
{
    unsigned i;
    crdti_dump_put(d, "\n");
    for (i = 0; i < d->depth; i++)
        crdti_dump_put(d, "  ");
}

/* Between quotes; all but plain ASCII in hex. */
CRDTI_FN void crdti_dump_text(crdti_dump *d, crdt_bytes text)
{
    size_t i;
    crdti_put_u8(&d->w, '"');
    for (i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c < 0x20 || c > 0x7e) {
            crdti_dump_put(d, "\\x%02x", (unsigned)c);
            continue;
        }
        if (c == '"' || c == '\\')
            crdti_put_u8(&d->w, '\\');
        crdti_put_u8(&d->w, c);
    }
    crdti_put_u8(&d->w, '"');
}

/* The decimal point of the locale may be another byte. */
CRDTI_FN void crdti_dump_double(crdti_dump *d, double number)
{
    char text[40];
    size_t i;
    (void)snprintf(text, sizeof text, "%.17g", number);
    for (i = 0; text[i]; i++)
        if (!strchr("0123456789+-einfa", text[i]))
            text[i] = '.';
    crdti_dump_put(d, "double %s", number != number ? "nan" : text);
}

CRDTI_FN void crdti_dump_value(crdti_dump *d, const crdt_value *value)
{
    size_t i;
    switch (value->kind) {
    case CRDT_NULL:
        crdti_dump_put(d, "null");
        break;
    case CRDT_BOOL:
        crdti_dump_put(d, value->as.boolean ? "true" : "false");
        break;
    case CRDT_INT:
    case CRDT_TIME:
        crdti_dump_put(d, "%s%lld", value->kind == CRDT_TIME ? "time " : "",
                       (long long)value->as.integer);
        break;
    case CRDT_DOUBLE:
        crdti_dump_double(d, value->as.number);
        break;
    case CRDT_STRING:
        crdti_dump_text(d, value->as.bytes);
        break;
    case CRDT_BYTES:
        crdti_dump_put(d, "bytes ");
        for (i = 0; i < value->as.bytes.len; i++)
            crdti_dump_put(d, "%02x", (unsigned)value->as.bytes.ptr[i]);
        break;
    case CRDT_OBJECT:
    default:
        crdti_dump_put(d, "#%lu", (unsigned long)value->as.object.index);
    }
}

/* "r2": a replica by its number in the document. */
CRDTI_FN void crdti_dump_replica(crdti_dump *d, uint32_t replica)
{
    crdti_dump_put(d, "r%lu", (unsigned long)d->ranks[replica]);
}

CRDTI_FN void crdti_dump_dot(crdti_dump *d, uint32_t replica, uint64_t seq)
{
    crdti_dump_replica(d, replica);
    crdti_dump_put(d, ".%llu", (unsigned long long)seq);
    if (seq > d->doc->replicas.ptr[replica].seq)
        crdti_dump_put(d, " (not committed)");
}

CRDTI_FN void crdti_dump_id(crdti_dump *d, const crdt_id *id)
{
    char text[33];
    crdt_id_text(id, text);
    crdti_dump_put(d, "%s", text);
}

/* >>lists ----------------------------------------------------------------- */

typedef uint32_t crdti_dump_next(const crdt_doc *doc, uint32_t at);

/* Numbers of records, sorted; in the arena. */
typedef struct crdti_dump_list {
    uint32_t *ptr;
    size_t len;
} crdti_dump_list;

CRDTI_FN crdti_dump_list crdti_dump_room(crdti_dump *d, size_t len)
{
    crdti_dump_list list = { NULL, 0 };
    if (!d->w.err && len)
        list.ptr = (uint32_t *)crdti_arena_alloc(
            &d->arena, crdti_mul_size(len, sizeof *list.ptr));
    if (!d->w.err && len && !list.ptr)
        d->w.err = CRDT_ERR_NOMEM;
    return list;
}

CRDTI_FN crdti_dump_list crdti_dump_sorted(crdti_dump *d, uint32_t first,
                                           crdti_dump_next *next,
                                           crdti_order_fn *order)
{
    crdti_dump_list list;
    size_t len = 0;
    uint32_t at;
    for (at = first; at; at = next(d->doc, at))
        len++;
    list = crdti_dump_room(d, len);
    for (at = first; at && list.ptr; at = next(d->doc, at))
        list.ptr[list.len++] = at;
    crdti_sort(order, d, list.ptr, list.len);
    return list;
}

CRDTI_FN uint32_t crdti_dump_next_entry(const crdt_doc *doc, uint32_t at)
{
    return crdti_entry_at(doc, at)->next;
}

CRDTI_FN uint32_t crdti_dump_next_op(const crdt_doc *doc, uint32_t at)
{
    return crdti_op_at(doc, at)->next;
}

CRDTI_FN uint32_t crdti_dump_next_kill(const crdt_doc *doc, uint32_t at)
{
    return crdti_kill_at(doc, at)->next;
}

CRDTI_FN uint32_t crdti_dump_next_object(const crdt_doc *doc, uint32_t at)
{
    return crdti_object_at(doc, at)->sibling;
}

CRDTI_FN uint32_t crdti_dump_next_author(const crdt_doc *doc, uint32_t at)
{
    return crdti_author_at(doc, at)->next;
}

CRDTI_FN int crdti_dump_order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

CRDTI_FN int crdti_dump_entry_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = ((const crdti_dump *)ctx)->doc;
    return crdti_bytes_order(crdti_entry_key(crdti_entry_at(doc, a)),
                             crdti_entry_key(crdti_entry_at(doc, b)));
}

/* Of ops and rows: by dot. */
CRDTI_FN int crdti_dump_op_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_dump *d = (const crdti_dump *)ctx;
    crdti_op room_a, room_b;
    const crdti_op *x = crdti_item_op(d->doc, a, &room_a);
    const crdti_op *y = crdti_item_op(d->doc, b, &room_b);
    if (x->replica != y->replica)
        return crdti_dump_order(d->ranks[x->replica], d->ranks[y->replica]);
    return crdti_dump_order(x->seq, y->seq);
}

CRDTI_FN int crdti_dump_row_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = ((const crdti_dump *)ctx)->doc;
    uint8_t room_a[CRDTI_ROW_KEY], room_b[CRDTI_ROW_KEY];
    int order = crdti_bytes_order(crdti_row_key(doc, a, room_a),
                                  crdti_row_key(doc, b, room_b));
    return order ? order : crdti_dump_op_order(ctx, a, b);
}

CRDTI_FN int crdti_dump_kill_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_dump *d = (const crdti_dump *)ctx;
    return crdti_dump_order(d->ranks[crdti_kill_at(d->doc, a)->replica],
                            d->ranks[crdti_kill_at(d->doc, b)->replica]);
}

CRDTI_FN int crdti_dump_object_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_doc *doc = ((const crdti_dump *)ctx)->doc;
    return crdti_dump_order(crdti_object_at(doc, a)->type,
                            crdti_object_at(doc, b)->type);
}

CRDTI_FN int crdti_dump_author_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_dump *d = (const crdti_dump *)ctx;
    return crdti_dump_order(d->ranks[crdti_author_at(d->doc, a)->replica],
                            d->ranks[crdti_author_at(d->doc, b)->replica]);
}

/* >>ops and kills --------------------------------------------------------- */

CRDTI_FN void crdti_dump_content(crdti_dump *d, const crdti_op *op)
{
    static const char *const names[CRDTI_KIND_COUNT] = {
        "", "value ", "create ", "add ", "reset", "remove", "in", "out", "move"
    };
    crdt_value value;
    uint32_t i;
    crdti_dump_put(d, names[op->kind]);
    if (op->kind == CRDTI_VALUE) {
        value = crdti_op_value(op);
        crdti_dump_value(d, &value);
    } else if (op->kind == CRDTI_CREATE) {
        crdti_dump_put(d, "%s", crdt_type_name((crdt_type)op->form));
    } else if (op->kind == CRDTI_ADD) {
        crdti_dump_put(d, "+%llu -%llu", (unsigned long long)op->as.add.plus,
                       (unsigned long long)op->as.add.minus);
    } else if (op->kind == CRDTI_RESET) {
        for (i = 0; i < op->len; i++) {
            crdti_dump_put(d, i ? ", " : " ");
            crdti_dump_replica(d, op->as.voids[i].replica);
            crdti_dump_put(d, " +%llu -%llu",
                           (unsigned long long)op->as.voids[i].plus,
                           (unsigned long long)op->as.voids[i].minus);
        }
    }
}

CRDTI_FN void crdti_dump_op(crdti_dump *d, uint32_t item)
{
    crdti_op room;
    const crdti_op *op = crdti_item_op(d->doc, item, &room);
    uint64_t stamp = op->as.value.stamp;
    crdti_dump_line(d);
    crdti_dump_content(d, op);
    crdti_dump_put(d, ", ");
    crdti_dump_dot(d, op->replica, op->seq);
    if (crdti_has_stamp(op->kind))
        crdti_dump_put(d, " at %llu.%u", (unsigned long long)(stamp >> 16),
                       (unsigned)(stamp & 0xffff));
}

CRDTI_FN void crdti_dump_kill(crdti_dump *d, const crdti_kill *kill)
{
    const crdti_op *killer = crdti_op_at(d->doc, kill->killer);
    crdti_dump_line(d);
    crdti_dump_put(d, "kills ");
    crdti_dump_replica(d, kill->replica);
    crdti_dump_put(d, " up to %llu, by ", (unsigned long long)kill->last);
    if (!crdti_op_is_alive(killer))
        crdti_dump_put(d, "removal ");
    crdti_dump_dot(d, killer->replica, killer->seq);
    if (kill->said_replica == killer->replica && kill->said_seq == killer->seq)
        return;
    crdti_dump_put(d, ", first said by ");
    crdti_dump_dot(d, kill->said_replica, kill->said_seq);
}

/* >>entries and counters -------------------------------------------------- */

CRDTI_FN void crdti_dump_object(crdti_dump *d, uint32_t index);

/* The element of a list by its dot: "r2.5"; or what moved it. */
CRDTI_FN void crdti_dump_element(crdti_dump *d, crdt_bytes key)
{
    crdt_dot dot = crdti_element_dot(key.ptr);
    uint32_t replica = crdti_replica_find(d->doc, &dot.replica);
    crdti_dump_put(d, key.len == CRDTI_MOVES_KEY ? "moves of " : "");
    if (replica != UINT32_MAX) {
        crdti_dump_dot(d, replica, dot.seq);
        return;
    }
    crdti_dump_id(d, &dot.replica);
    crdti_dump_put(d, ".%llu", (unsigned long long)dot.seq);
}

/* What the key of an entry means there. */
CRDTI_FN void crdti_dump_key(crdti_dump *d, const crdti_object *object,
                             crdt_bytes key)
{
    crdt_value element;
    crdt_id owner;
    int shape = crdti_type_at(d->doc, object)->shape;
    if (object->type == CRDT_LIST) {
        crdti_dump_element(d, key);
    } else if (shape == CRDTI_BY_KEY) {
        crdti_dump_text(d, key);
    } else if (shape == CRDTI_BY_ELEMENT) {
        element = crdti_element_decode(key);
        crdti_dump_value(d, &element);
    } else if (object->type == CRDT_BOUNDED && key.len) {
        owner = crdti_share_owner(key);
        crdti_dump_put(d, "handed to ");
        crdti_dump_id(d, &owner);
    } else {
        crdti_dump_put(d, key.len ? "resets" : "content");
    }
}

CRDTI_FN void crdti_dump_reads(crdti_dump *d, uint32_t index, crdt_bytes key)
{
    const crdti_object *object = crdti_object_at(d->doc, index);
    const crdti_type *type = crdti_type_at(d->doc, object);
    crdt_value value = crdt_null();
    int there = type->read(d->doc, index, key, &value);
    crdti_dump_put(d, "reads ");
    if (type->shape == CRDTI_BY_ELEMENT)
        crdti_dump_put(d, there ? "in" : "out");
    else if (there)
        crdti_dump_value(d, &value);
    else
        crdti_dump_put(d, "nothing");
}

CRDTI_FN void crdti_dump_entry(crdti_dump *d, uint32_t index)
{
    const crdti_entry *entry = crdti_entry_at(d->doc, index);
    const crdti_object *object = crdti_object_at(d->doc, entry->object);
    crdti_arena_mark start = crdti_arena_here(&d->arena);
    crdti_dump_list list;
    size_t i;
    crdti_dump_line(d);
    crdti_dump_key(d, object, crdti_entry_key(entry));
    if (crdti_type_at(d->doc, object)->shape != CRDTI_ONE_VALUE &&
        !(object->type == CRDT_LIST && entry->key_len == CRDTI_MOVES_KEY)) {
        crdti_dump_put(d, " ");
        crdti_dump_reads(d, entry->object, crdti_entry_key(entry));
    }
    d->depth++;
    list = crdti_dump_sorted(d, entry->ops, crdti_dump_next_op,
                             crdti_dump_op_order);
    for (i = 0; i < list.len; i++)
        crdti_dump_op(d, list.ptr[i]);
    list = crdti_dump_sorted(d, entry->kills, crdti_dump_next_kill,
                             crdti_dump_kill_order);
    for (i = 0; i < list.len; i++)
        crdti_dump_kill(d, crdti_kill_at(d->doc, list.ptr[i]));
    list = crdti_dump_sorted(d, entry->child, crdti_dump_next_object,
                             crdti_dump_object_order);
    for (i = 0; i < list.len; i++)
        crdti_dump_object(d, list.ptr[i]);
    d->depth--;
    crdti_arena_reset(&d->arena, start);
}

CRDTI_FN void crdti_dump_rows(crdti_dump *d, const crdti_object *object)
{
    crdti_dump_list list;
    uint8_t room[CRDTI_ROW_KEY];
    size_t len = 0, i;
    uint32_t at;
    for (at = object->blocks; at; at = crdti_block_at(d->doc, at)->next)
        len += crdti_block_at(d->doc, at)->used;
    list = crdti_dump_room(d, len);
    for (at = object->blocks; at && list.ptr;
         at = crdti_block_at(d->doc, at)->next)
        for (i = 0; i < CRDTI_BLOCK_ROWS; i++)
            if (crdti_row_is_alive(crdti_block_at(d->doc, at), (unsigned)i))
                list.ptr[list.len++] = crdti_row_name(at, (unsigned)i);
    crdti_sort(crdti_dump_row_order, d, list.ptr, list.len);
    for (i = 0; i < list.len; i++) {
        crdti_dump_line(d);
        crdti_dump_put(d, "row ");
        crdti_dump_key(d, object, crdti_row_key(d->doc, list.ptr[i], room));
        crdti_dump_put(d, ", ");
        crdti_dump_dot(d, crdti_row_block(d->doc, list.ptr[i])->replica,
                       crdti_row_seq(d->doc, list.ptr[i]));
    }
}

CRDTI_FN int crdti_dump_part_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdti_dump *d = (const crdti_dump *)ctx;
    const crdti_part *parts = d->counter->parts.ptr;
    return crdti_dump_order(d->ranks[parts[a].replica],
                            d->ranks[parts[b].replica]);
}

/* What the table of a counter says of each replica. */
CRDTI_FN void crdti_dump_parts(crdti_dump *d, const crdti_counter *counter)
{
    crdti_dump_list list =
        crdti_dump_room(d, counter ? counter->parts.len : 0);
    size_t i;
    for (i = 0; list.ptr && i < counter->parts.len; i++)
        list.ptr[list.len++] = (uint32_t)i;
    d->counter = counter;
    crdti_sort(crdti_dump_part_order, d, list.ptr, list.len);
    for (i = 0; i < list.len; i++) {
        const crdti_part *part = &counter->parts.ptr[list.ptr[i]];
        crdti_dump_line(d);
        crdti_dump_put(d, "part of ");
        crdti_dump_replica(d, part->replica);
        crdti_dump_put(d, " +%llu -%llu, void +%llu -%llu",
                       (unsigned long long)part->plus,
                       (unsigned long long)part->minus,
                       (unsigned long long)part->void_plus,
                       (unsigned long long)part->void_minus);
    }
}

CRDTI_FN void crdti_dump_shares(crdti_dump *d, const crdti_bounded *counter)
{
    size_t i;
    for (i = 0; counter && i < counter->shares.len; i++) {
        const crdti_share_of *share = &counter->shares.ptr[i];
        crdti_dump_line(d);
        crdti_dump_put(d, "share of ");
        crdti_dump_id(d, &share->owner);
        crdti_dump_put(d, " %lld", (long long)share->rights.lo);
    }
}

/* >>texts and lists ------------------------------------------------------- */

/* How long it is and how it begins. */
CRDTI_FN void crdti_dump_beginning(crdti_dump *d, uint32_t index)
{
    crdt_obj text = crdti_obj(d->doc, index);
    size_t len = crdt_text_len(text, CRDT_CHARS);
    crdt_buf shown = CRDT_BUF_INIT;
    crdt_err err;
    shown.alloc = d->w.buf->alloc;
    err = crdt_text_read(text, CRDT_CHARS, 0,
                         crdti_min_size(len, CRDTI_DUMP_CHARS), &shown);
    if (!d->w.err)
        d->w.err = err;
    crdti_dump_put(d, "%llu characters, reads ", (unsigned long long)len);
    crdti_dump_text(d, crdt_buf_bytes(&shown));
    crdti_dump_put(d, len > CRDTI_DUMP_CHARS ? "..." : "");
    crdt_buf_free(&shown);
}

/* Which elements stand in the list, one behind the other. */
CRDTI_FN void crdti_dump_standing(crdti_dump *d, uint32_t index)
{
    crdt_obj list = crdti_obj(d->doc, index);
    size_t i, len = crdt_list_len(list);
    uint32_t entry = 0;
    crdti_dump_line(d);
    crdti_dump_put(d, "order");
    for (i = 0; i < crdti_min_size(len, CRDTI_DUMP_CHARS) && !d->w.err; i++) {
        d->w.err = crdti_list_entry(list, i, &entry);
        if (d->w.err)
            return;
        crdti_dump_put(d, " ");
        crdti_dump_element(d, crdti_entry_key(crdti_entry_at(d->doc, entry)));
    }
    crdti_dump_put(d, i < len ? " ..." : "");
}

/* Into how many records the text is cut. */
CRDTI_FN void crdti_dump_spans(crdti_dump *d, const crdti_sequence *s)
{
    unsigned long spans = 0, hidden = 0, leaves = 0;
    uint32_t at, i;
    for (at = s->first; at; at = crdti_leaf_at(d->doc, at)->next) {
        const crdti_leaf *leaf = crdti_leaf_at(d->doc, at);
        leaves++;
        spans += leaf->len;
        for (i = 0; i < leaf->len; i++)
            hidden += leaf->lens[i] & CRDTI_HIDDEN ? 1u : 0u;
    }
    crdti_dump_line(d);
    crdti_dump_put(d, "spans %lu, hidden %lu, leaves %lu, names %lu", spans,
                   hidden, leaves, (unsigned long)s->names_used);
}

CRDTI_FN void crdti_dump_sequence(crdti_dump *d, const crdti_sequence *s)
{
    crdti_dump_list list;
    size_t i;
    if (!s)
        return;
    crdti_dump_spans(d, s);
    list = crdti_dump_sorted(d, s->authors, crdti_dump_next_author,
                             crdti_dump_author_order);
    for (i = 0; i < list.len; i++) {
        const crdti_author *author = crdti_author_at(d->doc, list.ptr[i]);
        crdti_dump_line(d);
        crdti_dump_put(d, "author ");
        crdti_dump_replica(d, author->replica);
        crdti_dump_put(d, ", insertions %llu, deletions %llu, bytes %llu",
                       (unsigned long long)author->insertions.len,
                       (unsigned long long)author->deletions.len,
                       (unsigned long long)author->content.len);
    }
}

/* >>objects --------------------------------------------------------------- */

CRDTI_FN void crdti_dump_path(crdti_dump *d, uint32_t index)
{
    crdti_arena_mark start = crdti_arena_here(&d->arena);
    size_t len = crdti_path_len(d->doc, index);
    uint8_t *path = (uint8_t *)crdti_arena_alloc(&d->arena, len);
    if (!path && !d->w.err)
        d->w.err = CRDT_ERR_NOMEM;
    if (path)
        crdti_path_put(d->doc, index, path);
    crdti_dump_text(d, crdt_bytes_of(path, path ? len : 0));
    crdti_arena_reset(&d->arena, start);
}

CRDTI_FN void crdti_dump_object(crdti_dump *d, uint32_t index)
{
    const crdti_object *object = crdti_object_at(d->doc, index);
    const crdti_type *type = crdti_type_at(d->doc, object);
    crdti_dump_list list;
    size_t i;
    crdti_dump_line(d);
    crdti_dump_put(d, "%s #%lu ", type->name, (unsigned long)index);
    crdti_dump_path(d, index);
    crdti_dump_put(d, ", weight %lu", (unsigned long)object->weight);
    if (object->type == CRDT_TEXT) {
        crdti_dump_put(d, ", ");
        crdti_dump_beginning(d, index);
    } else if (type->shape == CRDTI_ONE_VALUE) {
        crdti_dump_put(d, ", ");
        crdti_dump_reads(d, index, crdt_bytes_of(NULL, 0));
    }
    d->depth++;
    list = crdti_dump_sorted(d, object->entries, crdti_dump_next_entry,
                             crdti_dump_entry_order);
    for (i = 0; i < list.len && !d->w.err; i++)
        crdti_dump_entry(d, list.ptr[i]);
    crdti_dump_rows(d, object);
    if (object->type == CRDT_COUNTER || object->type == CRDT_GCOUNTER)
        crdti_dump_parts(d, crdti_counter_at(d->doc, index));
    if (object->type == CRDT_BOUNDED)
        crdti_dump_shares(d, crdti_bounded_at(d->doc, index));
    if (object->type == CRDT_LIST)
        crdti_dump_standing(d, index);
    if (object->type == CRDT_TEXT || object->type == CRDT_LIST)
        crdti_dump_sequence(d, crdti_sequence_at(d->doc, index));
    d->depth--;
}

/* >>the document ---------------------------------------------------------- */

CRDTI_FN void crdti_dump_replicas(crdti_dump *d)
{
    const crdt_doc *doc = d->doc;
    size_t i;
    for (i = 0; i < doc->by_id.len; i++) {
        uint32_t number = doc->by_id.ptr[i];
        const crdti_replica *replica = &doc->replicas.ptr[number];
        crdti_dump_replica(d, number);
        crdti_dump_put(d, " ");
        crdti_dump_id(d, &replica->id);
        crdti_dump_put(d, ", seq %llu, floor %llu",
                       (unsigned long long)replica->seq,
                       (unsigned long long)replica->floor);
        if (number == doc->self)
            crdti_dump_put(d, ", own, %llu not committed",
                           (unsigned long long)(doc->written - replica->seq));
        crdti_dump_put(d, "\n");
    }
}

CRDTI_FN void crdti_dump_totals(crdti_dump *d)
{
    crdt_stats stats;
    crdt_digest digest = crdt_doc_digest(d->doc);
    crdt_doc_stats(d->doc, &stats);
    crdti_dump_put(d, "digest %016llx%016llx\n", (unsigned long long)digest.hi,
                   (unsigned long long)digest.lo);
    crdti_dump_put(d, "counts ops %llu, removals %llu, kills %llu",
                   (unsigned long long)stats.ops,
                   (unsigned long long)stats.removals,
                   (unsigned long long)stats.kills);
    crdti_dump_put(d, ", objects %llu, entries %llu, replicas %llu",
                   (unsigned long long)stats.objects,
                   (unsigned long long)stats.entries,
                   (unsigned long long)stats.replicas);
}

CRDTI_FN void crdti_dump_all(crdti_dump *d)
{
    size_t i;
    d->ranks = crdti_dump_room(d, d->doc->replicas.len).ptr;
    if (!d->ranks)
        return;
    for (i = 0; i < d->doc->by_id.len; i++)
        d->ranks[d->doc->by_id.ptr[i]] = (uint32_t)i + 1;
    crdti_dump_replicas(d);
    crdti_dump_totals(d);
    crdti_dump_object(d, CRDTI_ROOT);
    crdti_dump_put(d, "\n");
}

CRDT_API crdt_err crdt_dump(crdt_doc *doc, crdt_buf *out)
{
    crdti_dump d;
    size_t start;
    if (!doc || !out)
        return CRDT_ERR_ARG;
    crdti_zero(&d, sizeof d);
    start = out->len;
    d.doc = doc;
    crdti_writer_init(&d.w, out);
    crdti_arena_init(&d.arena, out->alloc);
    crdti_dump_all(&d);
    crdti_arena_free(&d.arena);
    if (d.w.err)
        out->len = start;
    return d.w.err;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
