#include "posix.h"

#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Makes room for one more read, by moving what is left to the front. */
static int make_room(reader *r)
{
    if (r->start) {
        memmove(r->bytes, r->bytes + r->start, r->len - r->start);
        r->len -= r->start;
        r->start = 0;
    }
    if (!r->bytes) {
        /* One more for the zero behind a line that fills it all. */
        r->bytes = (char *)malloc(READER_LINE_MAX + 1);
        r->cap = r->bytes ? READER_LINE_MAX : 0;
    }
    return r->len < r->cap;
}

void reader_fill(reader *r)
{
    ssize_t got;
    if (r->ended || !make_room(r)) {
        r->ended = r->ended || !r->bytes;
        return;
    }
    got = read(r->fd, r->bytes + r->len, r->cap - r->len);
    if (got > 0)
        r->len += (size_t)got;
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        r->ended = 1;
}

/* Where the next line ends, or NULL. */
static char *line_end(const reader *r)
{
    char *from = r->bytes ? r->bytes + r->start : NULL;
    size_t left = r->len - r->start;
    char *newline = left ? (char *)memchr(from, '\n', left) : NULL;
    if (newline)
        return newline;
    if (left && (r->ended || left >= READER_LINE_MAX))
        return from + left;
    return NULL;
}

int reader_has_line(const reader *r)
{
    return line_end(r) != NULL;
}

char *reader_line(reader *r)
{
    char *line = r->bytes ? r->bytes + r->start : NULL;
    char *end = line_end(r);
    if (!end)
        return NULL;
    r->start = (size_t)(end - r->bytes) + (end < r->bytes + r->len);
    *end = 0;
    if (end > line && end[-1] == '\r')
        end[-1] = 0;
    return line;
}

void reader_close(reader *r)
{
    free(r->bytes);
    r->bytes = NULL;
    r->start = r->len = r->cap = 0;
    if (r->fd > STDIN_FILENO)
        close(r->fd);
    r->fd = -1;
    r->ended = 1;
}
