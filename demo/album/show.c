/*
 * The show: a server, three data servers and three people with an album, in
 * one terminal. The server crashes, a data server too, somebody edits alone;
 * in the end all have the same, and there is a page to look at.
 *
 *     build/album-show [DIRECTORY]     for pictures and page; else .
 */
#include "../common/posix.h"

#include "../common/cluster.h"
#include "../common/tale.h"
#include "picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cluster all; /* large */
static const char *dir;
static char data_at[128], server_at[128];

static const char *const people[] = { "ana", "ben", "cleo" };
enum { PEOPLE = 3 };

/* >>steps ----------------------------------------------------------------- */

static void ask(const char *name, const char *command)
{
    tell("  %s> %s", name, command);
    cluster_ask(&all, name, "%s", command);
}

/* Asks again until it is so. */
static void until(const char *name, const char *command, const char *wanted)
{
    int left = 600;
    while (left-- > 0 &&
           !cluster_holds(cluster_try(&all, name, command), wanted))
        members_listen(all.members, all.count, 50);
    if (left < 0)
        die("%s: %s: it never was so that %s", name, command, wanted);
}

static void start_server(void)
{
    char command[512];
    snprintf(command, sizeof command,
             "album-server --listen %s --data-listen %s --dir %%/server",
             server_at, data_at);
    cluster_start(&all, "server", command);
}

/* And what a show before has fetched. */
static void make_pictures(void)
{
    static const char *const names[] = { "beach", "hills", "sunset" };
    char path[1200];
    unsigned i;
    for (i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s.png", dir, names[i]);
        if (!picture_write(path, i + 1))
            die("cannot write %s: %s", path, strerror(errno));
    }
    snprintf(path, sizeof path, "%s/again.png", dir);
    unlink(path);
}

/* >>scenes ---------------------------------------------------------------- */

static void begin(void)
{
    char command[512];
    int i;
    snprintf(server_at, sizeof server_at, "127.0.0.1:0");
    snprintf(data_at, sizeof data_at, "127.0.0.1:0");
    start_server();
    snprintf(data_at, sizeof data_at, "%s",
             cluster_at(cluster_ask(&all, "server", "status"), "data_listen"));
    for (i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "d%d", i);
        snprintf(command, sizeof command,
                 "album-data --server %s --dir %%/%s --key "
                 "%%/server/data.key",
                 data_at, name);
        cluster_start(&all, name, command);
    }
    for (i = 0; i < PEOPLE; i++) {
        snprintf(command, sizeof command, "album --server @server --dir %%/%s",
                 people[i]);
        cluster_start(&all, people[i], command);
        snprintf(command, sizeof command, "register %s secret-of-%s",
                 people[i], people[i]);
        ask(people[i], command);
        snprintf(command, sizeof command, "login %s secret-of-%s", people[i],
                 people[i]);
        ask(people[i], command);
    }
    snprintf(server_at, sizeof server_at, "%s",
             all.peers[0].listen); /* also when it comes back */
}

static void share(void)
{
    char command[1300];
    int i;
    ask("ana", "createAlbum trip");
    ask("ana", "addUser ben trip");
    ask("ana", "addUser cleo trip");
    for (i = 0; i < PEOPLE; i++) {
        ask(people[i], "enterAlbum trip");
        until(people[i], "status", "data_servers=3");
    }
    snprintf(command, sizeof command, "addFile %s/beach.png", dir);
    ask("ana", command);
    snprintf(command, sizeof command, "addFile %s/hills.png", dir);
    ask("ben", command);
    cluster_hear(&all, "cleo", "file_added", "file=beach.png");
    ask("cleo", "rateFile beach.png 5");
    ask("cleo", "say who was at the beach?");
    cluster_hear(&all, "ana", "chat", "user=cleo");
    ask("ana", "say I was; it rained the day after");
}

/* The server and a data server crash; people go on. */
static void crash(void)
{
    char command[1300];
    tell("the server and a data server crash: people go on among themselves");
    cluster_kill(&all, "server");
    cluster_kill(&all, "d2");
    snprintf(command, sizeof command, "addFile %s/sunset.png", dir);
    ask("cleo", command);
    cluster_hear(&all, "ben", "file_added", "file=sunset.png");
    ask("ben", "rateFile sunset.png 4");
    ask("ana", "rateFile beach.png 3");
    snprintf(command, sizeof command, "downloadFile beach.png %s/again.png",
             dir);
    ask("ben", command);
}

/* ben, on a train: alone. */
static void offline(void)
{
    tell("ben leaves, and edits alone, without anyone");
    cluster_end(&all, "ben");
    cluster_start(&all, "ben",
                  "album --server @server --dir %/ben --chaos partition");
    ask("ben", "enterAlbum trip");
    ask("ben", "rateFile hills.png 5");
    ask("ben", "say written in a tunnel");
    ask("ana", "removeFile hills.png");
    tell("  ben: %s changes of his are nowhere else",
         cluster_at(cluster_ask(&all, "ben", "status"), "unacked"));
}

/* >>the end --------------------------------------------------------------- */

static void meet(void)
{
    static char digest[40];
    int i;
    tell("the server is back; nobody has to do anything");
    start_server();
    cluster_ask(&all, "ben", "chaos heal");
    for (i = 0; i < PEOPLE; i++)
        until(people[i], "status", "synced=true online=true");
    for (i = 0; i < PEOPLE; i++)
        cluster_ask(&all, people[i], "wait");
    snprintf(digest, sizeof digest, "%s",
             cluster_at(cluster_ask(&all, "server", "digest trip"), "digest"));
    tell("  %-7s %s", "server", digest);
    for (i = 0; i < PEOPLE; i++) {
        const char *own =
            cluster_at(cluster_ask(&all, people[i], "digest"), "digest");
        tell("  %-7s %s", people[i], own);
        check(strcmp(own, digest) == 0, "%s has another album", people[i]);
    }
}

static void page(void)
{
    char command[1300];
    snprintf(command, sizeof command, "gallery %s/trip.html", dir);
    ask("cleo", command);
}

int main(int argc, char **argv)
{
    static char bin[1024];
    dir = argc > 1 ? argv[1] : ".";
    snprintf(bin, sizeof bin, "%s", argv[0]);
    if (!strrchr(bin, '/') || strlen(dir) > 900) {
        fputs("usage: PATH/album-show [DIRECTORY]\n", stderr);
        return 2;
    }
    *strrchr(bin, '/') = 0;
    if (mkdir(dir, 0777) && errno != EEXIST)
        die("cannot make %s: %s", dir, strerror(errno));
    tale_begin();
    cluster_open(&all, "album", 0);
    all.bin = bin;
    make_pictures();
    begin();
    share();
    crash();
    offline();
    meet();
    page();
    cluster_close(&all);
    if (check_failures() == 0)
        tell("all have the same album; look at it: %s/trip.html", dir);
    return check_failures() != 0;
}
