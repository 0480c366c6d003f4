#include "posix.h"

#include "spell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "crdtsync_readable.h"

/* The most that a node gives to one send over a stream, and a line may have. */
enum { MESSAGE_MAX = 16384, LINE_MAX_BYTES = 1 << 20, FRAME_EXTRA = 40 };

typedef struct chars {
    char *ptr;
    size_t len, cap;
} chars;

/* What has come of a line. */
typedef struct spell_peer {
    crdt_peer peer;
    chars line;
} spell_peer;

typedef struct spell {
    crdt_transport inner;
    crdt_upcalls up, own;
    spell_peer *peers;
    size_t count;
    chars text; /* of the send under way */
} spell;

static crdt_err put(chars *out, const void *bytes, size_t len)
{
    size_t cap = out->cap ? out->cap : 256;
    char *more;
    while (cap < out->len + len)
        cap *= 2;
    more = cap > out->cap ? (char *)realloc(out->ptr, cap) : out->ptr;
    if (!more)
        return CRDT_ERR_NOMEM;
    out->ptr = more;
    out->cap = cap;
    if (len)
        memcpy(out->ptr + out->len, bytes, len);
    out->len += len;
    return CRDT_OK;
}

static crdt_bytes bytes_of(const chars *text)
{
    crdt_bytes bytes;
    bytes.ptr = (const uint8_t *)text->ptr;
    bytes.len = text->len;
    return bytes;
}

/* >>base64 ---------------------------------------------------------------- */

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* `out` has room for 4 characters for every 3 bytes begun. */
static size_t base64_write(char *out, crdt_bytes bytes)
{
    size_t i, used = 0;
    for (i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned word = (unsigned)bytes.ptr[i] << 16 |
                        (left > 1 ? (unsigned)bytes.ptr[i + 1] << 8 : 0) |
                        (left > 2 ? bytes.ptr[i + 2] : 0u);
        out[used++] = digits[word >> 18];
        out[used++] = digits[word >> 12 & 63];
        out[used++] = left > 1 ? digits[word >> 6 & 63] : '=';
        out[used++] = left > 2 ? digits[word & 63] : '=';
    }
    return used;
}

/* 0: it is none. */
static int base64_read(const char *text, chars *out)
{
    size_t len = strcspn(text, "="), i;
    unsigned word = 0, bits = 0;
    for (i = 0; i < len; i++) {
        const char *digit = strchr(digits, text[i]);
        uint8_t byte;
        if (!digit)
            return 0;
        word = word << 6 | (unsigned)(digit - digits);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        byte = (uint8_t)(word >> bits & 255);
        if (put(out, &byte, 1))
            return 0;
    }
    return 1;
}

/* >>sending --------------------------------------------------------------- */

/* How many bytes the first frame has: docs/wire-format.md. */
static size_t frame_size(crdt_bytes bytes)
{
    uint64_t len = 0;
    size_t at = 2, shift = 0;
    do {
        if (at >= bytes.len || shift > 56)
            return bytes.len;
        len |= (uint64_t)(bytes.ptr[at] & 127) << shift;
        shift += 7;
    } while (bytes.ptr[at++] & 128);
    len += at + 4;
    return len < bytes.len ? (size_t)len : bytes.len;
}

/* Line breaks of the codec are blanks between values. */
static crdt_err write_line(spell *s, crdt_bytes frame)
{
    crdt_buf json = CRDT_BUF_INIT;
    crdt_err err = crdt_readable_write(frame, &json);
    size_t i;
    for (i = 0; i < json.len; i++)
        if (json.ptr[i] == '\n')
            json.ptr[i] = ' ';
    if (!err)
        err = put(&s->text, json.ptr, json.len);
    crdt_buf_free(&json);
    return err ? err : put(&s->text, "\n", 1);
}

static crdt_err write_bytes(spell *s, crdt_bytes bytes)
{
    static const char head[] = "{\"crdtsync\": 1, \"frame\": \"";
    char *text = (char *)malloc(bytes.len / 3 * 4 + 4);
    crdt_err err;
    if (!text)
        return CRDT_ERR_NOMEM;
    s->text.len = 0;
    err = put(&s->text, head, sizeof head - 1);
    if (!err)
        err = put(&s->text, text, base64_write(text, bytes));
    free(text);
    return err ? err : put(&s->text, "\"}\n", 3);
}

static crdt_err spell_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    spell *s = (spell *)ctx;
    crdt_bytes rest = bytes;
    crdt_err err = CRDT_OK;
    s->text.len = 0;
    while (rest.len && !err) {
        crdt_bytes frame = rest;
        frame.len = frame_size(rest);
        err = write_line(s, frame);
        rest.ptr += frame.len;
        rest.len -= frame.len;
    }
    if (err || s->text.len > s->inner.message_max ||
        s->text.len > LINE_MAX_BYTES)
        err = write_bytes(s, bytes);
    return err ? err : s->inner.send(s->inner.ctx, peer, bytes_of(&s->text));
}

/* >>receiving ------------------------------------------------------------- */

static spell_peer *find(spell *s, crdt_peer peer)
{
    size_t i;
    for (i = 0; i < s->count; i++)
        if (s->peers[i].peer == peer)
            return &s->peers[i];
    return NULL;
}

static void on_up(void *ctx, crdt_peer peer, const char *name)
{
    spell *s = (spell *)ctx;
    spell_peer *more =
        (spell_peer *)realloc(s->peers, (s->count + 1) * sizeof *more);
    if (more) {
        s->peers = more;
        memset(&s->peers[s->count], 0, sizeof *more);
        s->peers[s->count++].peer = peer;
    }
    s->up.peer_up(s->up.ctx, peer, name);
}

static void on_down(void *ctx, crdt_peer peer, const char *why)
{
    spell *s = (spell *)ctx;
    spell_peer *gone = find(s, peer);
    if (gone) {
        free(gone->line.ptr);
        *gone = s->peers[--s->count];
    }
    s->up.peer_down(s->up.ctx, peer, why);
}

/* {"frame": "..."}. 0: it is none. */
static int read_bytes(crdt_bytes line, chars *out)
{
    cJSON *object = cJSON_ParseWithLength((const char *)line.ptr, line.len);
    const char *text = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(object, "frame"));
    int fine = text && base64_read(text, out);
    cJSON_Delete(object);
    return fine;
}

static void hear_line(spell *s, crdt_peer peer, crdt_bytes line)
{
    static const char mark[] = "{\"crdtsync\": 1, \"frame\": ";
    crdt_buf frame = CRDT_BUF_INIT;
    chars bytes = { NULL, 0, 0 };
    int is_frame =
        line.len > sizeof mark && memcmp(line.ptr, mark, sizeof mark - 1) == 0;
    int fine = is_frame ? read_bytes(line, &bytes)
                        : !crdt_readable_read(line, &frame, NULL);
    if (fine)
        s->up.received(s->up.ctx, peer,
                       is_frame ? bytes_of(&bytes) : crdt_buf_bytes(&frame));
    else
        s->inner.drop(s->inner.ctx, peer, "does not speak the JSON codec");
    crdt_buf_free(&frame);
    free(bytes.ptr);
}

static void on_received(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    spell *s = (spell *)ctx;
    while (bytes.len) {
        spell_peer *from = find(s, peer);
        const uint8_t *end =
            (const uint8_t *)memchr(bytes.ptr, '\n', bytes.len);
        size_t len = end ? (size_t)(end - bytes.ptr) : bytes.len;
        if (!from || from->line.len + len > LINE_MAX_BYTES ||
            put(&from->line, bytes.ptr, len)) {
            s->inner.drop(s->inner.ctx, peer, "that line is too long");
            return;
        }
        bytes.ptr += len + (end != NULL);
        bytes.len -= len + (end != NULL);
        if (end) {
            chars line = from->line;
            memset(&from->line, 0, sizeof from->line);
            hear_line(s, peer, bytes_of(&line));
            free(line.ptr);
        }
    }
}

static void on_writable(void *ctx, crdt_peer peer)
{
    spell *s = (spell *)ctx;
    s->up.writable(s->up.ctx, peer);
}

/* >>the table ------------------------------------------------------------- */

static crdt_err spell_start(void *ctx, const crdt_upcalls *up)
{
    spell *s = (spell *)ctx;
    s->up = *up;
    s->own.version = 1;
    s->own.ctx = s;
    s->own.peer_up = on_up;
    s->own.peer_down = on_down;
    s->own.received = on_received;
    s->own.writable = on_writable;
    return s->inner.start(s->inner.ctx, &s->own);
}

static crdt_err spell_poll(void *ctx, int timeout_ms)
{
    spell *s = (spell *)ctx;
    return s->inner.poll(s->inner.ctx, timeout_ms);
}

static void spell_drop(void *ctx, crdt_peer peer, const char *why)
{
    spell *s = (spell *)ctx;
    s->inner.drop(s->inner.ctx, peer, why);
}

static void spell_close(void *ctx)
{
    spell *s = (spell *)ctx;
    s->inner.close(s->inner.ctx);
    while (s->count)
        free(s->peers[--s->count].line.ptr);
    free(s->peers);
    free(s->text.ptr);
    free(s);
}

/* A stream becomes messages: each send is whole lines, and each line a frame.
 * In base64 a message fits in any case. */
crdt_err spell_new(crdt_transport *out, const crdt_transport *inner)
{
    spell *s = (spell *)calloc(1, sizeof *s);
    size_t fits = (inner->message_max - FRAME_EXTRA) / 4 * 3;
    if (!s)
        return CRDT_ERR_NOMEM;
    s->inner = *inner;
    *out = *inner;
    out->ctx = s;
    out->properties &= ~(unsigned)CRDT_STREAM;
    out->message_max = fits < MESSAGE_MAX ? fits : MESSAGE_MAX;
    out->start = spell_start;
    out->send = spell_send;
    out->poll = spell_poll;
    out->drop = spell_drop;
    out->close = spell_close;
    return CRDT_OK;
}
