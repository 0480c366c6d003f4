#include "posix.h"

#include "json.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* >>writing --------------------------------------------------------------- */

void json_bytes(cJSON *object, const char *key, const void *bytes, size_t len)
{
    char *clean = (char *)malloc(len * 4 + 1); /* \xNN is the longest */
    if (!clean)
        return;
    cJSON_AddStringToObject(object, key,
                            text_clean(clean, len * 4 + 1, bytes, len));
    free(clean);
}

void json_text(cJSON *object, const char *key, const char *text)
{
    json_bytes(object, key, text, strlen(text));
}

void json_int64(cJSON *object, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    cJSON_AddStringToObject(object, key, text);
}

void json_uint64(cJSON *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    cJSON_AddStringToObject(object, key, text);
}

void json_number(cJSON *object, const char *key, double value)
{
    cJSON_AddNumberToObject(object, key, value);
}

void json_bool(cJSON *object, const char *key, int value)
{
    cJSON_AddBoolToObject(object, key, value);
}

void json_print(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    if (text) {
        puts(text);
        fflush(stdout);
    } else {
        fputs("out of memory for an answer\n", stderr);
    }
    cJSON_free(text);
    cJSON_Delete(object);
}

/* >>reading --------------------------------------------------------------- */

/* Whether brackets nest no deeper than allowed, strings left aside. */
static int is_shallow(const char *bytes, size_t len)
{
    size_t i;
    int depth = 0, quoted = 0;
    for (i = 0; i < len; i++) {
        char c = bytes[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        if (depth > JSON_DEPTH_MAX)
            return 0;
    }
    return 1;
}

cJSON *json_parse(const char *bytes, size_t len)
{
    const char *end = NULL;
    cJSON *value;
    if (len > JSON_BYTES_MAX || memchr(bytes, 0, len) ||
        !is_shallow(bytes, len))
        return NULL;
    value = cJSON_ParseWithLengthOpts(bytes, len, &end, 0);
    while (value && end < bytes + len && strchr(" \t\r\n", *end))
        end++;
    if (!value || end == bytes + len)
        return value;
    cJSON_Delete(value);
    return NULL;
}

static char *read_all(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = file ? (char *)malloc(JSON_BYTES_MAX + 1) : NULL;
    int failed;
    if (!file)
        return NULL;
    if (bytes)
        *len = fread(bytes, 1, JSON_BYTES_MAX + 1, file);
    failed = ferror(file);
    fclose(file);
    if (!failed)
        return bytes;
    free(bytes);
    errno = EIO;
    return NULL;
}

cJSON *json_read_file(const char *path, char *why, size_t why_size)
{
    size_t len = 0;
    char *bytes = read_all(path, &len);
    cJSON *object;
    if (!bytes) {
        snprintf(why, why_size, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    object = json_parse(bytes, len);
    free(bytes);
    if (object && cJSON_IsObject(object))
        return object;
    snprintf(why, why_size, "%s is not one JSON object", path);
    cJSON_Delete(object);
    return NULL;
}

const char *json_get_text(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

int64_t json_get_int64(const cJSON *object, const char *key)
{
    const char *text = json_get_text(object, key);
    int64_t value = 0;
    if (text)
        text_int64(text, &value);
    return value;
}

double json_get_number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

int json_get_bool(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}
