/*
 * JSON by cJSON, with the guards that it lacks. Numbers of 64 bits travel as
 * strings: cJSON keeps numbers as double and would round them.
 */
#ifndef DEMO_JSON_H
#define DEMO_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <cJSON.h>

/* Adds a member; what is no valid UTF-8 is escaped. */
void json_text(cJSON *object, const char *key, const char *text);
void json_bytes(cJSON *object, const char *key, const void *bytes, size_t len);
/* Exact, as strings. */
void json_int64(cJSON *object, const char *key, int64_t value);
void json_uint64(cJSON *object, const char *key, uint64_t value);
/* As numbers: for what stays below 2^53. */
void json_number(cJSON *object, const char *key, double value);
void json_bool(cJSON *object, const char *key, int value);

/* Prints it as one line to standard output at once, and frees it. */
void json_print(cJSON *object);

/* Reads one value of at most JSON_BYTES_MAX bytes and JSON_DEPTH_MAX levels,
 * with nothing behind it; NULL when it is anything else. */
enum { JSON_BYTES_MAX = 1 << 20, JSON_DEPTH_MAX = 32 };
cJSON *json_parse(const char *bytes, size_t len);

/* Reads a file that holds one object. On failure NULL, and `why` says it. */
cJSON *json_read_file(const char *path, char *why, size_t why_size);

/* A member, by its exact name: NULL and 0 when it is not there. */
const char *json_get_text(const cJSON *object, const char *key);
int64_t json_get_int64(const cJSON *object, const char *key);
double json_get_number(const cJSON *object, const char *key);
int json_get_bool(const cJSON *object, const char *key);

#endif
