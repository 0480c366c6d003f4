/*
 * crdtsync_json - documents as JSON and back, and events as JSON Patch. It
 * reads with cJSON (pkg-config: libcjson), behind guards of its own.
 * docs/json.md explains all of it.
 *
 *     #define CRDTSYNC_IMPLEMENTATION     // in one file, that of crdtsync.h;
 *     #include "crdtsync.h"               // codecs come behind it
 *     #include "crdtsync_json.h"
 *
 * SYNOPSIS
 *
 *     crdt_buf text = CRDT_BUF_INIT;
 *     size_t fault;
 *     crdt_json_write(crdt_root(doc), NULL, &text);
 *     // {"name":"beach.jpg","size":48213,"views":{"$counter":7}}
 *     if (crdt_json_read(crdt_root(other), crdt_buf_bytes(&text), &fault))
 *         fprintf(stderr, "not read: look at byte %zu\n", fault);
 *     crdt_buf_free(&text);
 *
 * THE TYPED FORM says everything, so that it can be read again:
 *
 *     map                  {"key": ..., ...}
 *     list                 [..., ...]
 *     null, bool           null, true, false
 *     int                  5               beyond 2^53: {"$int": "..."}
 *     double               0.5             whole: {"$double": 1}
 *                                          {"$double": "NaN"}, "Infinity"
 *     string               "text"          what JSON cannot say:
 *                                          {"$string": "base64"}
 *     bytes, time          {"$bytes": "base64"}, {"$time": 1700000000000}
 *     register, max, min   {"$register": value}, {} when there is none
 *     counters             {"$counter": 5}, {"$gcounter": 5}, {"$bounded": 5}
 *     flags                {"$ew-flag": true}, {"$dw-flag": true}
 *     sets                 {"$aw-set": [value, ...]}, and so on; not a list
 *     text                 {"$text": "string"}
 *
 * A number behind a mark is a string where it lies beyond 2^53. A key that
 * begins with "$" gets a second one; one that JSON cannot say (no UTF-8, or a
 * zero in it) is "$=" and its base64.
 *
 * THE PLAIN FORM is for people and programs that only look: without marks,
 * registers are their values (or null), counters numbers, sets arrays, texts
 * strings, bytes base64. Ints beyond 2^53 are strings, other numbers that JSON
 * lacks too.
 *
 * Threads: as crdtsync.h; but cJSON notes in a global where it failed last, and
 * clears it each time: a race of threads that read, of which nothing depends.
 * Memory: the document's, and for the tree that of cJSON's hooks.
 */
#ifndef CRDTSYNC_JSON_H
#define CRDTSYNC_JSON_H

#ifndef CRDTSYNC_VERSION
#error "include crdtsync.h before crdtsync_json.h"
#endif

/* Bytes of a text to be read. */
#ifndef CRDTSYNC_JSON_MAX_BYTES
#define CRDTSYNC_JSON_MAX_BYTES 16777216u
#endif

/* Values in it, of all kinds, nested ones too: cJSON takes 64 bytes each. */
#ifndef CRDTSYNC_JSON_MAX_NODES
#define CRDTSYNC_JSON_MAX_NODES 262144u
#endif

/* Brackets in brackets: all containers, and a set with a marked element. */
#ifndef CRDTSYNC_JSON_MAX_DEPTH
#define CRDTSYNC_JSON_MAX_DEPTH (CRDTSYNC_MAX_DEPTH + 3u)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means default: typed, all in one line. */
typedef struct crdt_json_options {
    int plain;
    unsigned indent; /* blanks a level; each key, or element of a list, then
                        has a line */
} crdt_json_options;

/* Appends the object with all that is visible below it. Of concurrent values
 * it is the one that is shown. `options` may be NULL.
 * ARG; OVERFLOW: a counter has left the int64 range (plain: the nearest is
 * written); NOMEM. On an error `out` is as before. O(n log n). About 1.3 KiB
 * of stack for each level of nesting. */
CRDT_API crdt_err crdt_json_write(crdt_obj object,
                                  const crdt_json_options *options,
                                  crdt_buf *out);

/* Puts the members of a JSON object in typed form into a map, as changes that
 * are not committed. A key that is there is removed first, so that it holds
 * what the JSON says; other keys stay. The whole text is checked first, types
 * and limits included: on an error nothing has changed, but for those of the
 * last paragraph. When the text is at fault, `*fault` (NULL is allowed) is the
 * offset of what is wrong in it.
 *
 * CORRUPT: no JSON, a key twice, \u0000, a mark that says no such thing.
 * TRUNCATED: the text ends too early. VERSION: an unknown mark. RANGE: a number
 * that would not stay what it is. TYPE: a value where none can be; `map` is no
 * map; or the key holds a bounded counter that others own a part of, which no
 * removal takes, and the JSON wants another container there, or it is in a
 * list. RIGHTS: the same, and it wants less of it. AGAIN: within an event.
 * LIMIT, ARG, NOMEM.
 *
 * These can come while writing, when the members before the one at fault are
 * in already: NOMEM; LIMIT, when the commit has more than
 * CRDTSYNC_MAX_COMMIT_OPS changes; OVERFLOW, when this replica has added more
 * to a counter in all its life than int64 holds. What is in is not committed;
 * reading again, or another text with these keys, replaces it. */
CRDT_API crdt_err crdt_json_read(crdt_obj map, crdt_bytes json, size_t *fault);

/* Appends the patches of an event (crdt_doc_watch) as one JSON Patch, RFC
 * 6902, that brings the plain form of the document before to the one after. To
 * be called within the event. A set, text or list that has changed is replaced
 * whole, as is all below a key that got a container; CRDT_PATCH_LOST replaces
 * everything.
 * ARG, NOMEM: `out` is as before. O(patches x depth x log patches), and what
 * is written. */
CRDT_API crdt_err crdt_json_patch(const crdt_patch *patches, size_t len,
                                  crdt_buf *out);

#ifdef __cplusplus
}
#endif

#endif /* CRDTSYNC_JSON_H */

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_JSON_IMPLEMENTED)
#define CRDTSYNC_JSON_IMPLEMENTED

#ifndef CRDTSYNC_IMPLEMENTED
#error "define CRDTSYNC_IMPLEMENTATION before including crdtsync.h"
#endif

#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The greatest of the ints that a double says exactly, and no other with it. */
#define CRDTI_JSON_EXACT ((UINT64_C(1) << 53) - 1)
#define CRDTI_JSON_COUNTERS (CRDTI_COUNTERS | UINT32_C(1) << CRDT_BOUNDED)
/* cJSON cuts a number behind this many characters. */
#define CRDTI_JSON_NUMBER_MAX 63

/* >>text ------------------------------------------------------------------ */

/* How long the UTF-8 sequence is that begins here; it may be more than `left`,
 * when it is cut. 0: it is none. (Unicode 15, table 3-7) */
CRDTI_FN size_t crdti_json_utf8(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t i, len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* below: a longer form than needed */
    else if (p[0] == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f; /* above: behind the last code point */
    for (i = 1; i < len && i < left; i++) {
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

/* Whether the bytes are a string that JSON can say and cJSON can read: UTF-8,
 * and no zero in it. */
CRDTI_FN int crdti_json_is_text(crdt_bytes bytes)
{
    size_t at = 0, len;
    while (at < bytes.len) {
        len = crdti_json_utf8(bytes.ptr + at, bytes.len - at);
        if (!len || len > bytes.len - at || !bytes.ptr[at])
            return 0;
        at += len;
    }
    return 1;
}

/* >>base64 ----------------------------------------------------------------
 * With padding, and bits that nobody needs 0: there is one way to write it.
 * (RFC 4648, section 4) */

CRDTI_FN void crdti_json_put_base64(crdti_writer *w, crdt_bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at, i;
    for (at = 0; at < bytes.len; at += 3) {
        uint32_t bits = 0;
        char four[] = "====";
        for (i = at; i < at + 3; i++)
            bits = bits << 8 | (i < bytes.len ? bytes.ptr[i] : 0u);
        for (i = 0; i < 4 && at + i <= bytes.len; i++)
            four[i] = digits[bits >> (18 - 6 * i) & 63];
        crdti_put_raw(w, crdt_bytes_of(four, 4));
    }
}

/* The 6 bits that the digit stands for; 64: it is none. */
CRDTI_FN unsigned crdti_json_sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Into `out`, which has room for three bytes of each four digits. Returns how
 * many it wrote; SIZE_MAX when that is not what is written above. */
CRDTI_FN size_t crdti_json_get_base64(crdt_bytes text, uint8_t *out)
{
    size_t at, i, len = 0, pads = 0;
    for (at = 0; at < text.len; at += 4) {
        uint32_t bits = 0;
        for (i = at; i < at + 4; i++) {
            uint8_t c = i < text.len ? text.ptr[i] : 0;
            unsigned sextet = crdti_json_sextet(c);
            int is_pad = c == '=' && i >= at + 2 && at + 4 == text.len;
            if (sextet > 63 ? !is_pad : pads > 0)
                return SIZE_MAX;
            pads += (size_t)is_pad;
            bits = bits << 6 | (sextet & 63);
        }
        if (bits & ((1u << 8 * pads) - 1))
            return SIZE_MAX;
        for (i = 0; i < 3 - pads; i++)
            out[len++] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return len;
}

/* >>writing pieces -------------------------------------------------------- */

CRDTI_FN void crdti_json_put(crdti_writer *w, const char *text)
{
    crdti_put_raw(w, crdt_str(text));
}

/* What comes between the quotes; in place of what is no UTF-8 stands U+FFFD. */
CRDTI_FN void crdti_json_put_text(crdti_writer *w, crdt_bytes text)
{
    static const char hex[] = "0123456789abcdef";
    size_t at, len;
    for (at = 0; at < text.len; at += len) {
        uint8_t c = text.ptr[at];
        char escape[] = "\\u00xx";
        len = crdti_json_utf8(text.ptr + at, text.len - at);
        escape[4] = hex[c >> 4];
        escape[5] = hex[c & 15];
        if (!len || len > text.len - at) {
            crdti_json_put(w, "\xef\xbf\xbd");
            len = 1;
        } else if (c < 0x20) {
            crdti_json_put(w, escape);
        } else {
            if (c == '"' || c == '\\')
                crdti_put_u8(w, '\\');
            crdti_put_raw(w, crdt_bytes_of(text.ptr + at, len));
        }
    }
}

CRDTI_FN void crdti_json_put_whole(crdti_writer *w, int is_negative,
                                   uint64_t size)
{
    const char *quote = size > CRDTI_JSON_EXACT ? "\"" : "";
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + size % 10);
    while (size /= 10);
    crdti_json_put(w, quote);
    crdti_json_put(w, is_negative ? "-" : "");
    crdti_put_raw(w, crdt_bytes_of(digits + at, sizeof digits - at));
    crdti_json_put(w, quote);
}

/* As numbers, or as strings where others would round them. */
CRDTI_FN void crdti_json_put_unsigned(crdti_writer *w, uint64_t number)
{
    crdti_json_put_whole(w, 0, number);
}

CRDTI_FN void crdti_json_put_integer(crdti_writer *w, int64_t number)
{
    uint64_t size = (uint64_t)number;
    crdti_json_put_whole(w, number < 0, number < 0 ? 0 - size : size);
}

/* In the fewest digits that read as the same number; or "NaN", "Infinity",
 * "-Infinity". The decimal point of the locale may be any bytes. */
CRDTI_FN void crdti_json_put_double(crdti_writer *w, double number)
{
    char text[40];
    size_t from, to = 0;
    int precision = 15;
    if (!(number - number == 0)) {
        crdti_json_put(w, number > 0   ? "\"Infinity\""
                          : number < 0 ? "\"-Infinity\""
                                       : "\"NaN\"");
        return;
    }
    do
        (void)snprintf(text, sizeof text, "%.*g", precision, number);
    while (strtod(text, NULL) != number && ++precision <= 17);
    for (from = 0; text[from]; from++) {
        if (strchr("0123456789+-e", text[from]))
            text[to++] = text[from];
        else if (to && text[to - 1] != '.')
            text[to++] = '.';
    }
    crdti_put_raw(w, crdt_bytes_of(text, to));
}

/* >>scanning --------------------------------------------------------------
 * The grammar of RFC 8259, and nothing beside it, before cJSON sees the text:
 * so cJSON can fail for want of memory only, and what it would pass over is
 * refused here. Values are numbered in the order in which they begin, as they
 * will be visited in the tree; to find a fault that the tree shows, the text
 * is scanned again up to that number.
 *
 *     {"a": [true, {}], "b": 2}
 *     1     2 3     4        5
 */

/* What a text may hold: bytes, values of all kinds, brackets in brackets. */
typedef struct crdti_json_limits {
    size_t bytes, values, depth;
} crdti_json_limits;

typedef struct crdti_json_scan {
    crdti_reader r;
    crdti_json_limits left;
    size_t until;               /* values to begin until it stops */
    const uint8_t *key, *value; /* where the latest began */
} crdti_json_scan;

/* The next byte, or 0. */
CRDTI_FN uint8_t crdti_json_peek(const crdti_json_scan *s)
{
    return s->r.ptr < s->r.end ? *s->r.ptr : 0;
}

CRDTI_FN void crdti_json_space(crdti_json_scan *s)
{
    uint8_t c = crdti_json_peek(s);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        s->r.ptr++;
        c = crdti_json_peek(s);
    }
}

/* What comes next is wrong, or missing. */
CRDTI_FN void crdti_json_wrong(crdti_json_scan *s)
{
    crdti_reader_fail(&s->r, crdti_reader_left(&s->r) ? CRDT_ERR_CORRUPT
                                                      : CRDT_ERR_TRUNCATED);
}

/* Whether that comes next; if so it is read. */
CRDTI_FN int crdti_json_take(crdti_json_scan *s, char c)
{
    int is_next = crdti_json_peek(s) == (uint8_t)c;
    s->r.ptr += is_next;
    return is_next;
}

CRDTI_FN void crdti_json_expect(crdti_json_scan *s, char c)
{
    if (!crdti_json_take(s, c))
        crdti_json_wrong(s);
}

CRDTI_FN void crdti_json_word(crdti_json_scan *s, const char *word)
{
    for (; *word && !s->r.err; word++)
        crdti_json_expect(s, *word);
}

CRDTI_FN void crdti_json_scan_digits(crdti_json_scan *s)
{
    const uint8_t *start = s->r.ptr;
    while (crdti_json_peek(s) >= '0' && crdti_json_peek(s) <= '9')
        s->r.ptr++;
    if (s->r.ptr == start)
        crdti_json_wrong(s);
}

CRDTI_FN void crdti_json_scan_number(crdti_json_scan *s)
{
    const uint8_t *start = s->r.ptr;
    (void)crdti_json_take(s, '-');
    if (!crdti_json_take(s, '0'))
        crdti_json_scan_digits(s);
    if (crdti_json_take(s, '.'))
        crdti_json_scan_digits(s);
    if (crdti_json_take(s, 'e') || crdti_json_take(s, 'E')) {
        if (!crdti_json_take(s, '+'))
            (void)crdti_json_take(s, '-');
        crdti_json_scan_digits(s);
    }
    if (s->r.ptr - start > CRDTI_JSON_NUMBER_MAX)
        crdti_reader_fail_at(&s->r, start, CRDT_ERR_LIMIT);
}

/* Four hex digits as a number. */
CRDTI_FN uint32_t crdti_json_scan_hex(crdti_json_scan *s)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    uint32_t number = 0;
    int i;
    for (i = 0; i < 4; i++) {
        const char *digit = strchr(digits, crdti_json_peek(s));
        if (!digit || !*digit) {
            crdti_json_wrong(s);
            return 0;
        }
        number = number << 4 | (uint32_t)((digit - digits) & 15);
        s->r.ptr++;
    }
    return number;
}

/* Behind a backslash. Refused: \u0000, at which cJSON would cut the string,
 * and half a pair of surrogates. */
CRDTI_FN void crdti_json_scan_escape(crdti_json_scan *s)
{
    const uint8_t *start = s->r.ptr - 1;
    uint8_t c = crdti_json_peek(s);
    uint32_t code, low;
    if (c != 'u') {
        if (c && strchr("\"\\/bfnrt", c))
            s->r.ptr++;
        else
            crdti_json_wrong(s);
        return;
    }
    s->r.ptr++;
    code = crdti_json_scan_hex(s);
    if (code >= 0xd800 && code < 0xdc00) {
        crdti_json_word(s, "\\u");
        low = crdti_json_scan_hex(s);
        if (low < 0xdc00 || low > 0xdfff)
            code = 0;
    } else if (code >= 0xdc00 && code < 0xe000) {
        code = 0;
    }
    if (!code)
        crdti_reader_fail_at(&s->r, start, CRDT_ERR_CORRUPT);
}

CRDTI_FN void crdti_json_scan_string(crdti_json_scan *s)
{
    crdti_json_expect(s, '"');
    while (!s->r.err && crdti_json_peek(s) != '"') {
        size_t left = crdti_reader_left(&s->r), len;
        uint8_t c = crdti_json_peek(s);
        if (c == '\\') {
            s->r.ptr++;
            crdti_json_scan_escape(s);
            continue;
        }
        len = left && c >= 0x20 ? crdti_json_utf8(s->r.ptr, left) : 0;
        if (len > left)
            crdti_reader_fail_at(&s->r, s->r.end, CRDT_ERR_TRUNCATED);
        else if (!len)
            crdti_json_wrong(s);
        else
            s->r.ptr += len;
    }
    crdti_json_expect(s, '"');
}

/* A key with its colon. */
CRDTI_FN void crdti_json_scan_key(crdti_json_scan *s)
{
    crdti_json_space(s);
    s->key = s->r.ptr;
    crdti_json_scan_string(s);
    crdti_json_space(s);
    crdti_json_expect(s, ':');
}

CRDTI_FN void crdti_json_scan_value(crdti_json_scan *s);

/* From bracket to bracket. */
CRDTI_FN void crdti_json_scan_inside(crdti_json_scan *s, char close)
{
    if (!s->left.depth)
        crdti_reader_fail(&s->r, CRDT_ERR_LIMIT);
    if (s->r.err)
        return;
    s->r.ptr++;
    crdti_json_space(s);
    if (crdti_json_take(s, close))
        return;
    s->left.depth--;
    do {
        if (close == '}')
            crdti_json_scan_key(s);
        crdti_json_scan_value(s);
        crdti_json_space(s);
    } while (crdti_json_take(s, ','));
    crdti_json_expect(s, close);
    s->left.depth++;
}

CRDTI_FN void crdti_json_scan_value(crdti_json_scan *s)
{
    uint8_t c;
    crdti_json_space(s);
    if (s->r.err)
        return;
    c = crdti_json_peek(s);
    s->value = s->r.ptr;
    if (!s->left.values--)
        crdti_reader_fail(&s->r, CRDT_ERR_LIMIT);
    else if (!--s->until)
        crdti_reader_fail(&s->r, CRDT_ERR_AGAIN);
    else if (c == '{')
        crdti_json_scan_inside(s, '}');
    else if (c == '[')
        crdti_json_scan_inside(s, ']');
    else if (c == '"')
        crdti_json_scan_string(s);
    else if (c == 't')
        crdti_json_word(s, "true");
    else if (c == 'f')
        crdti_json_word(s, "false");
    else if (c == 'n')
        crdti_json_word(s, "null");
    else
        crdti_json_scan_number(s);
}

/* Up to the value of that number, or (0) to the end. CORRUPT, TRUNCATED,
 * LIMIT: `s->r.err_at` is where. */
CRDTI_FN crdt_err crdti_json_scan_until(crdti_json_scan *s, crdt_bytes json,
                                        const crdti_json_limits *limits,
                                        size_t until)
{
    crdti_reader_init(&s->r, json);
    s->left = *limits;
    s->until = until;
    s->key = s->value = s->r.start;
    if (json.len > limits->bytes)
        crdti_reader_fail_at(&s->r, s->r.start + limits->bytes,
                             CRDT_ERR_LIMIT);
    crdti_json_scan_value(s);
    crdti_json_space(s);
    if (crdti_reader_left(&s->r))
        crdti_json_wrong(s);
    return s->r.err;
}

/* The tree of a text, for cJSON_Delete, when that is JSON within the limits
 * that cJSON reads as it is meant; where not, `*fault` is where. CORRUPT,
 * TRUNCATED, LIMIT, NOMEM. */
CRDTI_FN crdt_err crdti_json_tree(crdt_bytes json,
                                  const crdti_json_limits *limits,
                                  size_t *fault, cJSON **out)
{
    crdti_json_scan s;
    crdt_err err = crdti_json_scan_until(&s, json, limits, 0);
    if (err) {
        *fault = s.r.err_at;
        return err;
    }
    *out = cJSON_ParseWithLength((const char *)json.ptr, json.len);
    return *out ? CRDT_OK : CRDT_ERR_NOMEM;
}

/* Where the value of that number begins, or its key, in a text that has been
 * checked. */
CRDTI_FN size_t crdti_json_place(crdt_bytes json,
                                 const crdti_json_limits *limits,
                                 size_t number, int is_key)
{
    crdti_json_scan s;
    (void)crdti_json_scan_until(&s, json, limits, number);
    return (size_t)((is_key ? s.key : s.value) - s.r.start);
}

/* >>reading pieces -------------------------------------------------------- */

/* The digits of a whole number, as they are written and only so. CORRUPT;
 * RANGE: beyond 64 bits. */
CRDTI_FN crdt_err crdti_json_parse_whole(const char *text, int *is_negative,
                                         uint64_t *size)
{
    crdt_err err = CRDT_OK;
    *is_negative = *text == '-';
    text += *is_negative;
    *size = 0;
    if (!*text || (*text == '0' && (text[1] || *is_negative)))
        return CRDT_ERR_CORRUPT;
    for (; *text >= '0' && *text <= '9'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (*size > (UINT64_MAX - digit) / 10)
            err = CRDT_ERR_RANGE;
        *size = *size * 10 + digit;
    }
    return *text ? CRDT_ERR_CORRUPT : err;
}

/* Whether it says a whole number, and no other is rounded to it. */
CRDTI_FN int crdti_json_is_exact(double number)
{
    return number >= -(double)CRDTI_JSON_EXACT &&
           number <= (double)CRDTI_JSON_EXACT &&
           (double)(int64_t)number == number;
}

/* From a number that is exact, or from a string of digits. CORRUPT, RANGE. */
CRDTI_FN crdt_err crdti_json_get_whole(const cJSON *item, int *is_negative,
                                       uint64_t *size)
{
    double number = item->valuedouble;
    if (cJSON_IsString(item))
        return crdti_json_parse_whole(item->valuestring, is_negative, size);
    if (!cJSON_IsNumber(item))
        return CRDT_ERR_CORRUPT;
    if (!crdti_json_is_exact(number))
        return CRDT_ERR_RANGE;
    *is_negative = number < 0;
    *size = (uint64_t)(number < 0 ? -number : number);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_json_get_unsigned(const cJSON *item, uint64_t *out)
{
    int is_negative = 0;
    uint64_t size = 0;
    crdt_err err = crdti_json_get_whole(item, &is_negative, &size);
    if (!err && is_negative)
        err = CRDT_ERR_RANGE;
    if (!err)
        *out = size;
    return err;
}

CRDTI_FN crdt_err crdti_json_get_integer(const cJSON *item, int64_t *out)
{
    int is_negative = 0;
    uint64_t size = 0;
    crdt_err err = crdti_json_get_whole(item, &is_negative, &size);
    if (!err && size > (uint64_t)INT64_MAX + (uint64_t)is_negative)
        err = CRDT_ERR_RANGE;
    if (!err)
        *out = is_negative ? -(int64_t)(size - 1) - 1 : (int64_t)size;
    return err;
}

/* From a number, or from what stands for one that JSON lacks. CORRUPT; RANGE:
 * beyond the greatest double. */
CRDTI_FN crdt_err crdti_json_get_double(const cJSON *item, double *out)
{
    const char *name = cJSON_IsString(item) ? item->valuestring : "";
    if (cJSON_IsNumber(item)) {
        *out = item->valuedouble;
        return *out - *out == 0 ? CRDT_OK : CRDT_ERR_RANGE;
    }
    if (strcmp(name, "NaN") == 0)
        *out = (double)NAN;
    else if (strcmp(name, "Infinity") == 0)
        *out = (double)INFINITY;
    else if (strcmp(name, "-Infinity") == 0)
        *out = -(double)INFINITY;
    else
        return CRDT_ERR_CORRUPT;
    return CRDT_OK;
}

/* >>writing documents ----------------------------------------------------- */

typedef struct crdti_json_out {
    crdti_writer w;
    int plain;
    unsigned indent, depth;
} crdti_json_out;

CRDTI_FN void crdti_json_init(crdti_json_out *o, crdt_buf *buf,
                              const crdt_json_options *options)
{
    crdti_writer_init(&o->w, buf);
    o->plain = options && options->plain;
    o->indent = options ? options->indent : 0;
    o->depth = 0;
}

CRDTI_FN void crdti_json_fail(crdti_json_out *o, crdt_err err)
{
    if (!o->w.err)
        o->w.err = err;
}

/* After a colon, and a comma within a line. */
CRDTI_FN void crdti_json_blank(crdti_json_out *o)
{
    if (o->indent)
        crdti_json_put(&o->w, " ");
}

CRDTI_FN void crdti_json_line(crdti_json_out *o)
{
    size_t blanks = (size_t)o->indent * o->depth;
    if (!o->indent)
        return;
    crdti_json_put(&o->w, "\n");
    while (blanks-- > 0 && !o->w.err)
        crdti_json_put(&o->w, " ");
}

/* {"$name": without the value, which `unmark` comes behind. */
CRDTI_FN void crdti_json_mark(crdti_json_out *o, const char *name)
{
    if (o->plain)
        return;
    crdti_json_put(&o->w, "{\"$");
    crdti_json_put(&o->w, name);
    crdti_json_put(&o->w, "\":");
    crdti_json_blank(o);
}

CRDTI_FN void crdti_json_unmark(crdti_json_out *o)
{
    if (!o->plain)
        crdti_json_put(&o->w, "}");
}

CRDTI_FN void crdti_json_integer(crdti_json_out *o, const char *mark,
                                 int64_t number)
{
    crdti_json_mark(o, mark);
    crdti_json_put_integer(&o->w, number);
    crdti_json_unmark(o);
}

CRDTI_FN void crdti_json_base64(crdti_json_out *o, const char *mark,
                                crdt_bytes bytes)
{
    crdti_json_mark(o, mark);
    crdti_json_put(&o->w, "\"");
    crdti_json_put_base64(&o->w, bytes);
    crdti_json_put(&o->w, "\"");
    crdti_json_unmark(o);
}

/* Without a mark only what has a fraction reads as a double. */
CRDTI_FN void crdti_json_double(crdti_json_out *o, double number)
{
    int has_fraction = number > -(double)CRDTI_JSON_EXACT &&
                       number < (double)CRDTI_JSON_EXACT &&
                       !crdti_json_is_exact(number);
    if (!has_fraction)
        crdti_json_mark(o, "double");
    crdti_json_put_double(&o->w, number);
    if (!has_fraction)
        crdti_json_unmark(o);
}

CRDTI_FN void crdti_json_string(crdti_json_out *o, crdt_bytes text)
{
    if (!o->plain && !crdti_json_is_text(text)) {
        crdti_json_base64(o, "string", text);
        return;
    }
    crdti_json_put(&o->w, "\"");
    crdti_json_put_text(&o->w, text);
    crdti_json_put(&o->w, "\"");
}

CRDTI_FN void crdti_json_object(crdti_json_out *o, crdt_obj object);

CRDTI_FN void crdti_json_value(crdti_json_out *o, const crdt_value *value)
{
    switch (value->kind) {
    case CRDT_NULL:
        crdti_json_put(&o->w, "null");
        return;
    case CRDT_BOOL:
        crdti_json_put(&o->w, value->as.boolean ? "true" : "false");
        return;
    case CRDT_INT:
        if (crdti_json_is_exact((double)value->as.integer))
            crdti_json_put_integer(&o->w, value->as.integer);
        else
            crdti_json_integer(o, "int", value->as.integer);
        return;
    case CRDT_DOUBLE:
        crdti_json_double(o, value->as.number);
        return;
    case CRDT_STRING:
        crdti_json_string(o, value->as.bytes);
        return;
    case CRDT_BYTES:
        crdti_json_base64(o, "bytes", value->as.bytes);
        return;
    case CRDT_TIME:
        crdti_json_integer(o, "time", value->as.integer);
        return;
    case CRDT_OBJECT:
        crdti_json_object(o, value->as.object);
        return;
    default:
        crdti_json_fail(o, CRDT_ERR_ARG);
    }
}

/* >>writing containers ---------------------------------------------------- */

/* A key without its quotes. */
CRDTI_FN void crdti_json_key(crdti_json_out *o, crdt_bytes key)
{
    if (!crdti_json_is_text(key)) {
        crdti_json_put(&o->w, "$=");
        crdti_json_put_base64(&o->w, key);
        return;
    }
    if (key.len && key.ptr[0] == '$')
        crdti_json_put(&o->w, "$");
    crdti_json_put_text(&o->w, key);
}

/* Begins the line of a key or element. */
CRDTI_FN void crdti_json_member(crdti_json_out *o, int is_first)
{
    crdti_json_put(&o->w, is_first ? "" : ",");
    crdti_json_line(o);
}

CRDTI_FN void crdti_json_map(crdti_json_out *o, crdt_obj map)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_err err;
    crdti_json_put(&o->w, "{");
    o->depth++;
    while (!(err = crdt_map_next(map, &cursor)) && !o->w.err) {
        crdti_json_member(o, o->w.buf->ptr[o->w.buf->len - 1] == '{');
        crdti_json_put(&o->w, "\"");
        crdti_json_key(o, cursor.key);
        crdti_json_put(&o->w, "\":");
        crdti_json_blank(o);
        crdti_json_value(o, &cursor.value);
    }
    if (err != CRDT_ERR_NOT_FOUND)
        crdti_json_fail(o, err);
    o->depth--;
    if (cursor.started)
        crdti_json_line(o);
    crdti_json_put(&o->w, "}");
}

CRDTI_FN void crdti_json_list(crdti_json_out *o, crdt_obj list)
{
    crdt_list_cursor cursor = CRDT_LIST_CURSOR_INIT;
    crdt_err err;
    crdti_json_put(&o->w, "[");
    o->depth++;
    while (!(err = crdt_list_next(list, &cursor)) && !o->w.err) {
        crdti_json_member(o, !cursor.at);
        crdti_json_value(o, &cursor.value);
    }
    if (err != CRDT_ERR_NOT_FOUND)
        crdti_json_fail(o, err);
    o->depth--;
    if (cursor.started)
        crdti_json_line(o);
    crdti_json_put(&o->w, "]");
}

CRDTI_FN void crdti_json_set(crdti_json_out *o, crdt_obj set)
{
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_err err;
    crdti_json_put(&o->w, "[");
    while (!(err = crdt_set_next(set, &cursor)) && !o->w.err) {
        if (o->w.buf->ptr[o->w.buf->len - 1] != '[') {
            crdti_json_put(&o->w, ",");
            crdti_json_blank(o);
        }
        crdti_json_value(o, &cursor.value);
    }
    if (err != CRDT_ERR_NOT_FOUND)
        crdti_json_fail(o, err);
    crdti_json_put(&o->w, "]");
}

CRDTI_FN void crdti_json_count(crdti_json_out *o, crdt_obj counter)
{
    int64_t number = 0;
    crdt_err err = crdt_type_of(counter) == CRDT_BOUNDED
                       ? crdt_bounded_get(counter, &number)
                       : crdt_counter_get(counter, &number);
    if (err && !(err == CRDT_ERR_OVERFLOW && o->plain))
        crdti_json_fail(o, err);
    crdti_json_put_integer(&o->w, number);
}

/* A copy of it: what it holds decides how it is written. */
CRDTI_FN void crdti_json_text(crdti_json_out *o, crdt_obj text)
{
    crdt_buf copy = CRDT_BUF_INIT;
    crdt_err err;
    copy.alloc = o->w.buf->alloc;
    err = crdt_text_get(text, &copy);
    if (err)
        crdti_json_fail(o, err);
    crdti_json_string(o, crdt_buf_bytes(&copy));
    crdt_buf_free(&copy);
}

/* What stands behind the mark of the type. */
CRDTI_FN void crdti_json_content(crdti_json_out *o, crdt_obj object)
{
    crdt_type type = crdt_type_of(object);
    const crdti_type *row = &crdti_type_table()[type];
    crdt_bytes none = { NULL, 0 };
    crdt_value value;
    if (type == CRDT_TEXT)
        crdti_json_text(o, object);
    else if (CRDTI_SETS >> type & 1)
        crdti_json_set(o, object);
    else if (CRDTI_JSON_COUNTERS >> type & 1)
        crdti_json_count(o, object);
    else if (row->read && row->read(object.doc, object.index, none, &value))
        crdti_json_value(o, &value);
    else
        crdti_json_put(&o->w, o->plain ? "null" : "{}");
}

CRDTI_FN void crdti_json_object(crdti_json_out *o, crdt_obj object)
{
    crdt_type type = crdt_type_of(object);
    if (type == CRDT_MAP) {
        crdti_json_map(o, object);
        return;
    }
    if (type == CRDT_LIST) {
        crdti_json_list(o, object);
        return;
    }
    crdti_json_mark(o, crdt_type_name(type));
    crdti_json_content(o, object);
    crdti_json_unmark(o);
}

CRDT_API crdt_err crdt_json_write(crdt_obj object,
                                  const crdt_json_options *options,
                                  crdt_buf *out)
{
    crdti_json_out o;
    size_t len;
    if (crdt_is_null(object) || !out)
        return CRDT_ERR_ARG;
    len = out->len;
    crdti_json_init(&o, out, options);
    crdti_json_object(&o, object);
    if (o.w.err)
        out->len = len;
    return o.w.err;
}

/* >>reading values --------------------------------------------------------
 * The tree is walked twice: a rehearsal, which looks for every fault and
 * writes nothing, and the performance.
 */

typedef struct crdti_json_in {
    size_t node; /* number of the value that is looked at */
    int is_key;  /* the fault is in the key before it */
    int is_rehearsal;
    crdt_buf bytes; /* what base64 says */
    crdt_buf key;
} crdti_json_in;

/* The name of the mark when the object begins with one, or NULL. */
CRDTI_FN const char *crdti_json_mark_of(const cJSON *item)
{
    const char *key =
        cJSON_IsObject(item) && item->child ? item->child->string : "";
    return key[0] == '$' && key[1] != '$' && key[1] != '=' ? key + 1 : NULL;
}

/* The type of container that is meant; NONE: a plain value, well-formed or
 * not. */
CRDTI_FN crdt_type crdti_json_type_of(const cJSON *item)
{
    const char *mark = crdti_json_mark_of(item);
    int type = CRDT_MAP + 1;
    if (cJSON_IsArray(item))
        return CRDT_LIST;
    if (!mark)
        return cJSON_IsObject(item) ? CRDT_MAP : CRDT_NONE;
    while (type < CRDT_TYPE_COUNT &&
           strcmp(crdt_type_name((crdt_type)type), mark) != 0)
        type++;
    return type < CRDT_TYPE_COUNT && type != CRDT_LIST ? (crdt_type)type
                                                       : CRDT_NONE;
}

/* Steps from an object to what its mark marks. CORRUPT: there is more. */
CRDTI_FN crdt_err crdti_json_step(crdti_json_in *in, const cJSON **item)
{
    *item = (*item)->child;
    in->node++;
    if (!(*item)->next)
        return CRDT_OK;
    in->is_key = 1;
    return CRDT_ERR_CORRUPT;
}

/* Overwrites `out`; borrowed from it. CORRUPT, NOMEM. */
CRDTI_FN crdt_err crdti_json_decode(const char *text, crdt_buf *buf,
                                    crdt_bytes *out)
{
    crdt_bytes digits = crdt_str(text);
    size_t len;
    buf->len = 0;
    if (crdti_buf_reserve(buf, digits.len / 4 * 3))
        return CRDT_ERR_NOMEM;
    len = crdti_json_get_base64(digits, buf->ptr);
    *out = crdt_bytes_of(buf->ptr, len);
    return len == SIZE_MAX ? CRDT_ERR_CORRUPT : CRDT_OK;
}

CRDTI_FN crdt_err crdti_json_get_marked(crdti_json_in *in, const char *mark,
                                        const cJSON *item, crdt_value *out)
{
    int is_int = strcmp(mark, "int") == 0, is_string;
    if (is_int || strcmp(mark, "time") == 0) {
        out->kind = is_int ? CRDT_INT : CRDT_TIME;
        return crdti_json_get_integer(item, &out->as.integer);
    }
    if (strcmp(mark, "double") == 0) {
        out->kind = CRDT_DOUBLE;
        return crdti_json_get_double(item, &out->as.number);
    }
    is_string = strcmp(mark, "string") == 0;
    if (!is_string && strcmp(mark, "bytes") != 0)
        return CRDT_ERR_VERSION;
    out->kind = is_string ? CRDT_STRING : CRDT_BYTES;
    if (!cJSON_IsString(item))
        return CRDT_ERR_CORRUPT;
    return crdti_json_decode(item->valuestring, &in->bytes, &out->as.bytes);
}

/* Without a mark: whole numbers are ints; -0 is none, and neither is what
 * others may have been rounded to. */
CRDTI_FN crdt_err crdti_json_get_number(const cJSON *item, crdt_value *out)
{
    double number = item->valuedouble;
    *out = crdt_double(number);
    if (!crdti_json_is_exact(number))
        return number > -(double)CRDTI_JSON_EXACT &&
                       number < (double)CRDTI_JSON_EXACT
                   ? CRDT_OK
                   : CRDT_ERR_RANGE;
    if (crdti_double_bits(number) != UINT64_C(1) << 63)
        *out = crdt_int((int64_t)number);
    return CRDT_OK;
}

/* A plain value; bytes are borrowed. CORRUPT, RANGE, TYPE, VERSION, LIMIT,
 * NOMEM. */
CRDTI_FN crdt_err crdti_json_get_value(crdti_json_in *in, const cJSON *item,
                                       size_t max, crdt_value *out)
{
    const char *mark = crdti_json_mark_of(item);
    crdt_err err = CRDT_OK;
    *out = crdt_null();
    if (mark && !crdti_json_type_of(item)) {
        err = crdti_json_step(in, &item);
        if (!err)
            err = crdti_json_get_marked(in, mark, item, out);
        in->is_key |= err == CRDT_ERR_VERSION;
    } else if (cJSON_IsNumber(item)) {
        err = crdti_json_get_number(item, out);
    } else if (cJSON_IsString(item)) {
        *out = crdt_string(crdt_str(item->valuestring));
    } else if (cJSON_IsBool(item)) {
        *out = crdt_bool(cJSON_IsTrue(item));
    } else if (!cJSON_IsNull(item)) {
        err = CRDT_ERR_TYPE;
    }
    if (!err && (out->kind == CRDT_STRING || out->kind == CRDT_BYTES) &&
        out->as.bytes.len > max)
        err = CRDT_ERR_LIMIT;
    return err;
}

/* The key that is meant. Each has one way to be written. CORRUPT, LIMIT,
 * NOMEM. */
CRDTI_FN crdt_err crdti_json_get_key(crdti_json_in *in, const char *text,
                                     crdt_bytes *out)
{
    crdt_err err = CRDT_OK;
    *out = crdt_str(text);
    if (text[0] == '$' && text[1] == '=') {
        err = crdti_json_decode(text + 2, &in->key, out);
        if (!err && crdti_json_is_text(*out))
            err = CRDT_ERR_CORRUPT;
    } else if (text[0] == '$') {
        err = text[1] == '$' ? CRDT_OK : CRDT_ERR_CORRUPT;
        *out = crdt_str(text + 1);
    }
    if (!err && out->len > CRDTSYNC_MAX_KEY)
        err = CRDT_ERR_LIMIT;
    in->is_key = err != CRDT_OK;
    return err;
}

/* >>reading containers ---------------------------------------------------- */

/* What other replicas own of a bounded counter, which no removal takes. */
CRDTI_FN int64_t crdti_json_foreign(crdt_obj counter)
{
    int64_t all = 0, own = 0;
    crdt_id self;
    if (crdt_is_null(counter))
        return 0;
    self = crdt_doc_replica(counter.doc);
    (void)crdt_bounded_get(counter, &all);
    (void)crdt_bounded_rights(counter, &self, &own);
    return all - own;
}

/* Whether such a counter is in the container, or is it. */
CRDTI_FN int crdti_json_outlives(crdt_doc *doc, uint32_t index)
{
    uint32_t entry = crdti_object_at(doc, index)->entries, child;
    int stays = crdti_object_at(doc, index)->type == CRDT_BOUNDED &&
                crdti_json_foreign(crdti_obj(doc, index)) > 0;
    for (; entry && !stays; entry = crdti_entry_at(doc, entry)->next) {
        child = crdti_entry_at(doc, entry)->child;
        for (; child && !stays; child = crdti_object_at(doc, child)->sibling)
            stays = crdti_json_outlives(doc, child);
    }
    return stays;
}

/* Whether a container stays at the key when that is removed, because of such a
 * counter, where the JSON wants one of the type. Others may stay in a map; in
 * a list they would be in the way. */
CRDTI_FN int crdti_json_is_taken(crdt_obj map, crdt_bytes key, crdt_type type)
{
    uint32_t entry = crdti_entry_find(map.doc, map.index, key);
    uint32_t child = entry ? crdti_entry_at(map.doc, entry)->child : 0;
    for (; child; child = crdti_object_at(map.doc, child)->sibling) {
        uint8_t there = crdti_object_at(map.doc, child)->type;
        if ((there != (uint8_t)type || there == CRDT_LIST) &&
            crdti_json_outlives(map.doc, child))
            return 1;
    }
    return 0;
}

/* Into a register, a max or a min; {} is nothing. */
CRDTI_FN crdt_err crdti_json_fill_held(crdti_json_in *in, crdt_obj object,
                                       crdt_type type, const cJSON *item)
{
    crdt_value value;
    crdt_err err;
    if (cJSON_IsObject(item) && !item->child)
        return CRDT_OK;
    err = crdti_json_get_value(in, item, CRDTSYNC_MAX_VALUE, &value);
    if (err || in->is_rehearsal)
        return err;
    return type == CRDT_MAX   ? crdt_max_set(object, value)
           : type == CRDT_MIN ? crdt_min_set(object, value)
                              : crdt_register_set(object, value);
}

/* Of a new counter the lowest value is out of reach: nobody can take more
 * than INT64_MAX. A bounded one may hold already what others own. */
CRDTI_FN crdt_err crdti_json_fill_count(crdti_json_in *in, crdt_obj counter,
                                        crdt_type type, const cJSON *item)
{
    int64_t number = 0, held = 0;
    crdt_err err = crdti_json_get_integer(item, &number);
    if (err)
        return err;
    if (type == CRDT_COUNTER ? number == INT64_MIN : number < 0)
        return CRDT_ERR_RANGE;
    if (in->is_rehearsal)
        return type == CRDT_BOUNDED && number < crdti_json_foreign(counter)
                   ? CRDT_ERR_RIGHTS
                   : CRDT_OK;
    if (type != CRDT_BOUNDED)
        return crdt_counter_add(counter, number);
    err = crdt_bounded_get(counter, &held);
    return err ? err : crdt_bounded_add(counter, number - held);
}

CRDTI_FN crdt_err crdti_json_fill_flag(crdti_json_in *in, crdt_obj flag,
                                       const cJSON *item)
{
    if (!cJSON_IsBool(item))
        return CRDT_ERR_CORRUPT;
    if (in->is_rehearsal || cJSON_IsFalse(item))
        return CRDT_OK;
    return crdt_flag_set(flag, 1);
}

/* A byte of the key that an element becomes is its kind. */
CRDTI_FN crdt_err crdti_json_fill_set(crdti_json_in *in, crdt_obj set,
                                      const cJSON *item)
{
    crdt_err err = cJSON_IsArray(item) ? CRDT_OK : CRDT_ERR_CORRUPT;
    for (item = item->child; item && !err; item = item->next) {
        crdt_value value;
        in->node++;
        err = crdti_json_get_value(in, item, CRDTSYNC_MAX_KEY - 1, &value);
        if (!err && !in->is_rehearsal)
            err = crdt_set_add(set, value);
    }
    return err;
}

/* What base64 says need not be UTF-8. */
CRDTI_FN crdt_err crdti_json_fill_text(crdti_json_in *in, crdt_obj text,
                                       const cJSON *item)
{
    crdti_width width;
    crdt_value value;
    crdt_err err = crdti_json_get_value(in, item, CRDTI_NAMES_MAX, &value);
    if (err)
        return err;
    if (value.kind != CRDT_STRING ||
        !crdti_utf8_measure(value.as.bytes, &width))
        return CRDT_ERR_CORRUPT;
    return in->is_rehearsal
               ? CRDT_OK
               : crdt_text_insert(text, CRDT_UTF8, 0, value.as.bytes);
}

/* Fills a container, but a map, from what is behind its mark. */
CRDTI_FN crdt_err crdti_json_fill(crdti_json_in *in, crdt_obj object,
                                  crdt_type type, const cJSON *item)
{
    crdt_err err = crdti_json_step(in, &item);
    if (err)
        return err;
    if (CRDTI_SETS >> type & 1)
        return crdti_json_fill_set(in, object, item);
    if (CRDTI_JSON_COUNTERS >> type & 1)
        return crdti_json_fill_count(in, object, type, item);
    if (CRDTI_FLAGS >> type & 1)
        return crdti_json_fill_flag(in, object, item);
    if (type == CRDT_TEXT)
        return crdti_json_fill_text(in, object, item);
    return crdti_json_fill_held(in, object, type, item);
}

/* >>reading maps and lists ------------------------------------------------ */

CRDTI_FN crdt_err crdti_json_fill_map(crdti_json_in *in, crdt_obj map,
                                      unsigned depth, const cJSON *item);
CRDTI_FN crdt_err crdti_json_fill_list(crdti_json_in *in, crdt_obj list,
                                       unsigned depth, const cJSON *item);

/* Fills a container of any type. */
CRDTI_FN crdt_err crdti_json_fill_any(crdti_json_in *in, crdt_obj object,
                                      crdt_type type, unsigned depth,
                                      const cJSON *item)
{
    if (type == CRDT_MAP)
        return crdti_json_fill_map(in, object, depth, item);
    if (type == CRDT_LIST)
        return crdti_json_fill_list(in, object, depth, item);
    return crdti_json_fill(in, object, type, item);
}

CRDTI_FN crdt_err crdti_json_fill_key(crdti_json_in *in, crdt_obj map,
                                      crdt_bytes key, const cJSON *item)
{
    crdt_value value;
    crdt_err err = crdti_json_get_value(in, item, CRDTSYNC_MAX_VALUE, &value);
    return err || in->is_rehearsal ? err : crdt_map_put(map, key, value);
}

/* The container at the key: made; or in rehearsal what is there, or null.
 * TYPE when something stays there that keeps it away. */
CRDTI_FN crdt_err crdti_json_open(crdti_json_in *in, crdt_obj map,
                                  crdt_bytes key, crdt_type type,
                                  crdt_obj *out)
{
    if (!in->is_rehearsal) {
        *out = crdt_map_object(map, key, type);
        return crdt_is_null(*out) ? crdt_doc_error(map.doc) : CRDT_OK;
    }
    *out = map;
    if (crdt_is_null(map))
        return CRDT_OK;
    *out = crdt_map_find(map, key, type);
    return crdti_json_is_taken(map, key, type) ? CRDT_ERR_TYPE : CRDT_OK;
}

CRDTI_FN crdt_err crdti_json_fill_member(crdti_json_in *in, crdt_obj map,
                                         unsigned depth, const cJSON *item)
{
    crdt_type type = crdti_json_type_of(item);
    crdt_obj object;
    crdt_bytes key;
    crdt_err err;
    in->node++;
    err = crdti_json_get_key(in, item->string, &key);
    if (err)
        return err;
    if (type == CRDT_NONE)
        return crdti_json_fill_key(in, map, key, item);
    if (depth == CRDTSYNC_MAX_DEPTH)
        return CRDT_ERR_LIMIT;
    err = crdti_json_open(in, map, key, type, &object);
    return err ? err : crdti_json_fill_any(in, object, type, depth + 1, item);
}

/* Behind what is in the list already. */
CRDTI_FN crdt_err crdti_json_fill_element(crdti_json_in *in, crdt_obj list,
                                          unsigned depth, const cJSON *item)
{
    crdt_type type = crdti_json_type_of(item);
    crdt_obj object = crdti_obj(list.doc, 0);
    crdt_value value;
    crdt_err err;
    in->node++;
    if (type == CRDT_NONE) {
        err = crdti_json_get_value(in, item, CRDTSYNC_MAX_VALUE, &value);
        return err || in->is_rehearsal
                   ? err
                   : crdt_list_insert(list, crdt_list_len(list), value);
    }
    if (depth == CRDTSYNC_MAX_DEPTH)
        return CRDT_ERR_LIMIT;
    if (!in->is_rehearsal) {
        object = crdt_list_insert_object(list, crdt_list_len(list), type);
        if (crdt_is_null(object))
            return crdt_doc_error(list.doc);
    }
    return crdti_json_fill_any(in, object, type, depth + 1, item);
}

CRDTI_FN crdt_err crdti_json_fill_list(crdti_json_in *in, crdt_obj list,
                                       unsigned depth, const cJSON *item)
{
    crdt_err err = CRDT_OK;
    for (item = item->child; item && !err; item = item->next)
        err = crdti_json_fill_element(in, list, depth, item);
    return err;
}

CRDTI_FN int crdti_json_member_order(const void *ctx, uint32_t a, uint32_t b)
{
    const cJSON *const *items = (const cJSON *const *)ctx;
    int order = strcmp(items[a]->string, items[b]->string);
    return order ? order : (a > b) - (a < b);
}

/* The second member of a name, in the order of the text the first such; NULL
 * when there is none. NOMEM. */
CRDTI_FN crdt_err crdti_json_twin(const crdt_alloc *alloc, const cJSON *object,
                                  const cJSON **twin)
{
    const cJSON *item = object->child, **items;
    size_t i, len = (size_t)cJSON_GetArraySize(object), first = len;
    size_t size = len * (sizeof *items + sizeof(uint32_t));
    uint32_t *slots;
    *twin = NULL;
    if (len < 2)
        return CRDT_OK;
    items = (const cJSON **)crdti_alloc(alloc, size);
    if (!items)
        return CRDT_ERR_NOMEM;
    slots = (uint32_t *)(items + len);
    for (i = 0; i < len; i++, item = item->next) {
        items[i] = item;
        slots[i] = (uint32_t)i;
    }
    crdti_sort(crdti_json_member_order, items, slots, len);
    for (i = 1; i < len; i++)
        if (slots[i] < first &&
            strcmp(items[slots[i - 1]]->string, items[slots[i]]->string) == 0)
            first = slots[i];
    if (first < len)
        *twin = items[first];
    crdti_free(alloc, items, size);
    return CRDT_OK;
}

CRDTI_FN crdt_err crdti_json_fill_map(crdti_json_in *in, crdt_obj map,
                                      unsigned depth, const cJSON *item)
{
    const cJSON *twin = NULL;
    crdt_err err = CRDT_OK;
    if (in->is_rehearsal)
        err = crdti_json_twin(in->key.alloc, item, &twin);
    for (item = item->child; item && !err; item = item->next) {
        if (item == twin) {
            in->node++;
            in->is_key = 1;
            return CRDT_ERR_CORRUPT;
        }
        err = crdti_json_fill_member(in, map, depth, item);
    }
    return err;
}

/* >>reading documents ----------------------------------------------------- */

/* Frees the keys of the map that the JSON names. */
CRDTI_FN crdt_err crdti_json_make_room(crdti_json_in *in, crdt_obj map,
                                       const cJSON *root)
{
    const cJSON *item;
    crdt_bytes key;
    crdt_err err = CRDT_OK;
    for (item = root->child; item && !err; item = item->next) {
        err = crdti_json_get_key(in, item->string, &key);
        if (!err && crdt_map_has(map, key))
            err = crdt_map_remove(map, key);
    }
    return err;
}

CRDTI_FN crdt_err crdti_json_load(crdti_json_in *in, crdt_obj map,
                                  const cJSON *root)
{
    unsigned depth = crdti_object_at(map.doc, map.index)->depth;
    crdt_err err;
    in->node = 1;
    if (!cJSON_IsObject(root) || crdti_json_mark_of(root))
        return CRDT_ERR_TYPE;
    in->is_rehearsal = 1;
    err = crdti_json_fill_map(in, map, depth, root);
    if (err)
        return err;
    in->node = 1;
    in->is_rehearsal = 0;
    err = crdti_json_make_room(in, map, root);
    return err ? err : crdti_json_fill_map(in, map, depth, root);
}

CRDT_API crdt_err crdt_json_read(crdt_obj map, crdt_bytes json, size_t *fault)
{
    static const crdti_json_limits limits = { CRDTSYNC_JSON_MAX_BYTES,
                                              CRDTSYNC_JSON_MAX_NODES,
                                              CRDTSYNC_JSON_MAX_DEPTH };
    crdti_json_in in;
    cJSON *root;
    size_t nowhere;
    crdt_err err;
    if (crdt_is_null(map) || (json.len && !json.ptr))
        return CRDT_ERR_ARG;
    if (crdt_type_of(map) != CRDT_MAP)
        return CRDT_ERR_TYPE;
    if (!fault)
        fault = &nowhere;
    err = crdti_json_tree(json, &limits, fault, &root);
    if (err)
        return err;
    crdti_zero(&in, sizeof in);
    in.bytes.alloc = in.key.alloc = &map.doc->alloc;
    err = crdti_json_load(&in, map, root);
    if (err)
        *fault = crdti_json_place(json, &limits, in.node, in.is_key);
    crdt_buf_free(&in.bytes);
    crdt_buf_free(&in.key);
    cJSON_Delete(root);
    return err;
}

/* >>patches --------------------------------------------------------------- */

/* One more step of a JSON pointer (RFC 6901): the key as it is written, and
 * then its "~" and "/" escaped in place. */
CRDTI_FN void crdti_json_point(crdti_json_out *o, crdt_bytes key)
{
    crdt_buf *buf = o->w.buf;
    size_t start, more;
    crdti_json_put(&o->w, "/");
    start = buf->len;
    crdti_json_key(o, key);
    if (o->w.err)
        return;
    key = crdt_bytes_of(buf->ptr + start, buf->len - start);
    more = crdti_path_key_len(key) - key.len;
    (void)crdti_put_room(&o->w, more);
    if (o->w.err)
        return;
    buf->len += more;
    key.ptr = buf->ptr + start;
    (void)crdti_path_put_key(buf->ptr + buf->len, key);
}

/* The path of an object, whose keys are written as in JSON. */
CRDTI_FN void crdti_json_pointer(crdti_json_out *o, crdt_bytes path)
{
    uint8_t key[CRDTSYNC_MAX_KEY];
    size_t len = 0;
    int more = path.len != 0;
    if (more && path.ptr[0] == '/')
        path = crdt_bytes_of(path.ptr + 1, path.len - 1);
    while (more && !o->w.err) {
        crdt_err err = crdti_path_step(&path, &more, key, &len);
        if (err)
            crdti_json_fail(o, CRDT_ERR_ARG);
        else
            crdti_json_point(o, crdt_bytes_of(key, len));
    }
}

CRDTI_FN void crdti_json_operation(crdti_json_out *o, const crdt_patch *patch)
{
    int at_key = patch->kind != CRDT_PATCH_LOST &&
                 crdt_type_of(patch->object) == CRDT_MAP;
    int removes = at_key && patch->kind == CRDT_PATCH_REMOVE;
    crdti_json_put(&o->w, "{\"op\":\"");
    crdti_json_put(&o->w, removes                        ? "remove"
                          : at_key && !patch->had_before ? "add"
                                                         : "replace");
    crdti_json_put(&o->w, "\",\"path\":\"");
    crdti_json_pointer(o, patch->path);
    if (at_key)
        crdti_json_point(o, patch->key);
    crdti_json_put(&o->w, removes ? "\"" : "\",\"value\":");
    if (at_key && !removes)
        crdti_json_value(o, &patch->now);
    else if (!at_key)
        crdti_json_object(o, patch->object);
    crdti_json_put(&o->w, "}");
}

CRDTI_FN int crdti_json_patch_order(const void *ctx, uint32_t a, uint32_t b)
{
    const crdt_patch *patches = (const crdt_patch *)ctx;
    uint32_t x = patches[a].object.index, y = patches[b].object.index;
    return x != y ? (x > y) - (x < y) : (a > b) - (a < b);
}

/* Whether one of the patches, in the order of their objects, is of that one.
 */
CRDTI_FN int crdti_json_is_patched(const crdt_patch *patches,
                                   const uint32_t *slots, size_t len,
                                   uint32_t object)
{
    size_t low = 0, high = len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (patches[slots[middle]].object.index < object)
            low = middle + 1;
        else
            high = middle;
    }
    return low < len && patches[slots[low]].object.index == object;
}

/* Whether the patch says nothing more: the one before replaces its set, say;
 * or it lies below a list that is replaced. */
CRDTI_FN int crdti_json_is_covered(const crdt_patch *patches,
                                   const uint32_t *slots, size_t len, size_t i)
{
    crdt_obj object = patches[slots[i]].object;
    uint32_t at = object.index, entry = crdti_object_at(object.doc, at)->entry;
    if (i && crdt_type_of(object) != CRDT_MAP &&
        at == patches[slots[i - 1]].object.index)
        return 1;
    for (; entry; entry = crdti_object_at(object.doc, at)->entry) {
        at = crdti_entry_at(object.doc, entry)->object;
        if (crdti_object_at(object.doc, at)->type == CRDT_LIST &&
            crdti_json_is_patched(patches, slots, len, at))
            return 1;
    }
    return 0;
}

/* In the order of their objects. */
CRDTI_FN void crdti_json_operations(crdti_json_out *o,
                                    const crdt_patch *patches, uint32_t *slots,
                                    size_t len)
{
    const char *comma = "";
    size_t i;
    for (i = 0; i < len; i++)
        slots[i] = (uint32_t)i;
    crdti_sort(crdti_json_patch_order, patches, slots, len);
    for (i = 0; i < len; i++) {
        if (crdti_json_is_covered(patches, slots, len, i))
            continue;
        crdti_json_put(&o->w, comma);
        crdti_json_operation(o, &patches[slots[i]]);
        comma = ",";
    }
}

CRDT_API crdt_err crdt_json_patch(const crdt_patch *patches, size_t len,
                                  crdt_buf *out)
{
    static const crdt_json_options plain = { 1, 0 };
    const crdt_alloc *alloc = out ? out->alloc : NULL;
    crdti_json_out o;
    uint32_t *slots;
    size_t start;
    if (!out || (len && !patches))
        return CRDT_ERR_ARG;
    start = out->len;
    slots = (uint32_t *)crdti_alloc(alloc, (len + 1) * sizeof *slots);
    if (!slots)
        return CRDT_ERR_NOMEM;
    crdti_json_init(&o, out, &plain);
    crdti_json_put(&o.w, "[");
    crdti_json_operations(&o, patches, slots, len);
    crdti_json_put(&o.w, "]");
    if (o.w.err)
        out->len = start;
    crdti_free(alloc, slots, (len + 1) * sizeof *slots);
    return o.w.err;
}

#endif /* CRDTSYNC_IMPLEMENTATION */
