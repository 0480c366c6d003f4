/*
 * Text for people: what came from outside made safe to print, numbers read
 * strictly, the word that was probably meant.
 */
#ifndef DEMO_TEXT_H
#define DEMO_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Writes the bytes as valid UTF-8 without control characters (those and bad
 * bytes become \xNN), cut to fit, with a zero; answers `out`. */
char *text_clean(char *out, size_t size, const void *bytes, size_t len);

/* A copy on the heap; ends the program when there is no memory. */
char *text_copy(const char *text);

/* Reads the whole text as a decimal number. 0: it is none; -1: out of range. */
int text_int64(const char *text, int64_t *out);
/* A number of at least 0, with a fraction; 0: it is none. */
int text_number(const char *text, double *out);

/* "1,234,567", in a buffer of at least 28. */
char *text_thousands(char *out, uint64_t number);
/* "1.2 MB", in a buffer of at least 28. */
char *text_size(char *out, uint64_t bytes);

/* Of the candidates the one that `word` is closest to, or NULL when it is
 * close to none. `words` ends with NULL. */
const char *text_nearest(const char *word, const char *const *words);

/* HOST of HOST:PORT, and that port instead; as it is when it has none. */
char *text_at_port(char *out, size_t size, const char *address, unsigned port);

/* The line without blanks at its ends; those behind it are cut off. */
char *text_trim(char *line);

#endif
