#include "posix.h"

#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* >>cleaning -------------------------------------------------------------- */

/* How many bytes the printable UTF-8 character at `at` has, or 0. Overlong
 * forms, surrogates and what lies beyond Unicode are refused. */
static size_t character(const unsigned char *at, size_t left)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t code = at[0];
    size_t len = 1, i;
    if (code < 0x80)
        return code >= 0x20 && code != 0x7f;
    len = code >= 0xf0 ? 4 : code >= 0xe0 ? 3 : 2;
    if (code < 0xc2 || code > 0xf4 || len > left)
        return 0;
    code &= 0xffu >> (len + 1);
    for (i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < least[len] || code > 0x10ffff || code < 0xa0 ||
        (code >= 0xd800 && code < 0xe000))
        return 0;
    return len;
}

char *text_clean(char *out, size_t size, const void *bytes, size_t len)
{
    const unsigned char *from = (const unsigned char *)bytes;
    size_t at = 0, used = 0;
    while (at < len) {
        size_t step = character(from + at, len - at);
        char escape[5];
        size_t need = step ? step : 4;
        if (used + need + 1 > size)
            break;
        snprintf(escape, sizeof escape, "\\x%02x", from[at]);
        memcpy(out + used, step ? (const char *)from + at : escape, need);
        used += need;
        at += step ? step : 1;
    }
    out[used] = 0;
    return out;
}

char *text_copy(const char *text)
{
    char *copy = strdup(text);
    if (!copy) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return copy;
}

/* >>numbers --------------------------------------------------------------- */

int text_int64(const char *text, int64_t *out)
{
    const char *digit = text + (*text == '-' || *text == '+');
    intmax_t number;
    if (!*digit || strspn(digit, "0123456789") != strlen(digit))
        return 0;
    errno = 0;
    number = strtoimax(text, NULL, 10);
    if (errno || number < INT64_MIN || number > INT64_MAX)
        return -1;
    *out = number;
    return 1;
}

int text_number(const char *text, double *out)
{
    char *end;
    double number;
    if (!isdigit((unsigned char)*text))
        return 0;
    number = strtod(text, &end);
    if (*end || !isfinite(number))
        return 0;
    *out = number;
    return 1;
}

char *text_thousands(char *out, uint64_t number)
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number);
    size_t i;
    char *to = out;
    for (i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return out;
}

char *text_size(char *out, uint64_t bytes)
{
    static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
    double size = (double)bytes / 1000;
    size_t unit = 0;
    if (bytes < 1000) {
        snprintf(out, 28, "%u B", (unsigned)bytes);
        return out;
    }
    while (size >= 999.95 && unit < 5) {
        size /= 1000;
        unit++;
    }
    snprintf(out, 28, "%.1f %s", size, units[unit]);
    return out;
}

/* >>near words ------------------------------------------------------------ */

enum { WORD_MAX = 31 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters to insert, drop, change or swap with the next:
 * Damerau 1964, Wagner & Fischer 1974. */
static unsigned distance(const char *a, const char *b)
{
    unsigned far[WORD_MAX + 1][WORD_MAX + 1], i, j;
    unsigned a_len = (unsigned)strlen(a), b_len = (unsigned)strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    for (i = 0; i <= a_len; i++)
        far[i][0] = i;
    for (j = 0; j <= b_len; j++)
        far[0][j] = j;
    for (i = 1; i <= a_len; i++)
        for (j = 1; j <= b_len; j++) {
            far[i][j] = least(far[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                              least(far[i - 1][j], far[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                far[i][j] = least(far[i][j], far[i - 2][j - 2] + 1);
        }
    return far[a_len][b_len];
}

const char *text_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    unsigned least_far = (unsigned)strlen(word) / 2 + 1;
    size_t len = strlen(word);
    for (; *words; words++) {
        unsigned far = distance(word, *words);
        if (len > 1 && strncmp(word, *words, len) == 0)
            far = least(far, 1);
        if (far < least_far) {
            least_far = far;
            best = *words;
        }
    }
    return best;
}

char *text_at_port(char *out, size_t size, const char *address, unsigned port)
{
    const char *colon = strrchr(address, ':');
    if (colon)
        snprintf(out, size, "%.*s:%u", (int)(colon - address), address, port);
    else
        snprintf(out, size, "%s", address);
    return out;
}

char *text_trim(char *line)
{
    size_t len;
    while (isspace((unsigned char)*line))
        line++;
    len = strlen(line);
    while (len > 0 && isspace((unsigned char)line[len - 1]))
        line[--len] = 0;
    return line;
}
