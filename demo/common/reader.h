/*
 * Lines out of a file descriptor that others write to when they please: a
 * pipe, a file, a socket. It reads only when asked and gives whole lines.
 *
 *     reader r = READER_INIT;
 *     r.fd = fd;
 *     if (reader_fill(&r) ...)             // poll() said that there is more
 *         while ((line = reader_line(&r))) // NULL: no whole line yet
 *
 * The last line may lack its newline. A line beyond READER_LINE_MAX is cut.
 */
#ifndef DEMO_READER_H
#define DEMO_READER_H

#include <stddef.h>

enum { READER_LINE_MAX = 65536 };

typedef struct reader {
    int fd;
    int ended; /* nothing more will come */
    char *bytes;
    size_t start, len, cap; /* bytes[start .. len) is not consumed */
} reader;

#define READER_INIT                                                           \
    {                                                                         \
        -1, 0, NULL, 0, 0, 0                                                  \
    }

/* Reads once; sets `ended` at the end or on an error. */
void reader_fill(reader *r);
/* The next line, zero-terminated, valid until the next call; or NULL. */
char *reader_line(reader *r);
/* Whether reader_line would give one. */
int reader_has_line(const reader *r);
/* Frees the memory and closes the descriptor, but for that of stdin. */
void reader_close(reader *r);

#endif
