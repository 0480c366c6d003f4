/*
 * What outlives the process besides the albums: DIR/local.json.
 *
 *     { "user", "token", "servers": { "HOST:PORT": key },
 *       "albums": { NAME: { "id", "key", "port", "listen", "peers": [...],
 *                           "user" } } }
 */
#include "../common/posix.h"

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_of(const client *c, char out[400], const char *name)
{
    snprintf(out, 400, "%.300s/%s", c->dir, name);
}

int local_read(client *c, char *why, size_t size)
{
    char path[400];
    if (mkdir(c->dir, 0700) && errno != EEXIST) {
        snprintf(why, size, "cannot make %.200s: %s", c->dir, strerror(errno));
        return 0;
    }
    path_of(c, path, "local.json");
    c->local = access(path, F_OK) ? cJSON_CreateObject()
                                  : json_read_file(path, why, size);
    return c->local != NULL;
}

/* Aside, and then in its place: never half of it. */
void local_write(client *c)
{
    char path[400], aside[400];
    char *text = cJSON_Print(c->local);
    int fd, fine = 0;
    path_of(c, path, "local.json");
    path_of(c, aside, "local.new");
    fd = text ? open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
              : -1;
    if (fd >= 0) {
        size_t len = strlen(text);
        fine = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
        fine = close(fd) == 0 && fine && rename(aside, path) == 0;
    }
    if (!fine)
        say_notice(&c->say, say_event(&c->say, "local"), "cannot write %s: %s",
                   path, strerror(errno));
    cJSON_free(text);
}

const char *local_text(const client *c, const char *key)
{
    const char *text = json_get_text(c->local, key);
    return text ? text : "";
}

void local_replace(cJSON *object, const char *key, const char *text)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, key);
    json_text(object, key, text);
}

void local_set(client *c, const char *key, const char *text)
{
    local_replace(c->local, key, text);
}

static cJSON *part(cJSON *object, const char *key, int make)
{
    cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!found && make)
        found = cJSON_AddObjectToObject(object, key);
    return found;
}

cJSON *local_album(client *c, const char *name, int make)
{
    cJSON *albums = part(c->local, "albums", make);
    return albums ? part(albums, name, make) : NULL;
}
