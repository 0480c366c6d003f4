/*
 * Many clients edit one album while clients, data servers and the server are
 * killed at random; in the end all have the same, and every file that was
 * acknowledged is there, whole.
 *
 *     build/album-soak CLIENTS SECONDS [SEED]
 */
#include "../../../demo/common/posix.h"

#include "../../../demo/common/cluster.h"
#include "../../../demo/common/dice.h"
#include "../../../demo/common/tale.h"
#include "../../../demo/common/ticks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 30, FILES_MAX = 20000, DATA = 3 };

static cluster all;
static uint64_t dice;
static unsigned clients;
static char server_at[128], data_at[128];

/* A file that was acknowledged: its bytes are made of its number. */
static unsigned char is_there[FILES_MAX];
static unsigned files;
static struct {
    unsigned added, removed, rated, said, refused, kills;
} did;

static unsigned roll(unsigned below)
{
    return (unsigned)(dice_next(&dice) % below);
}

static const char *client_name(unsigned i)
{
    static char name[16];
    snprintf(name, sizeof name, "u%u", i);
    return name;
}

/* >>files ----------------------------------------------------------------- */

static void file_path(char out[256], const char *what, unsigned number)
{
    snprintf(out, 256, "%s/%s%u", all.dir, what, number);
}

static size_t content(unsigned number, uint64_t *out, size_t words_max)
{
    uint64_t seed = number + 1;
    size_t words = 1 + dice_next(&seed) % words_max, i;
    for (i = 0; i < words; i++)
        out[i] = dice_next(&seed);
    return words * sizeof *out;
}

enum { WORDS_MAX = 8192 };
static uint64_t bytes[WORDS_MAX];

static void make_file(const char *path, unsigned number)
{
    size_t len = content(number, bytes, WORDS_MAX);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, len, file) != len || fclose(file))
        die("cannot write %s: %s", path, strerror(errno));
}

static int is_whole(const char *path, unsigned number)
{
    static uint64_t got[WORDS_MAX + 1];
    size_t len = content(number, bytes, WORDS_MAX);
    FILE *file = fopen(path, "rb");
    size_t read = file ? fread(got, 1, sizeof got, file) : 0;
    if (file)
        fclose(file);
    return read == len && memcmp(got, bytes, len) == 0;
}

/* >>deeds ----------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int try(unsigned who,
                                                     const char *form, ...)
{
    char command[400];
    va_list args;
    int fine;
    va_start(args, form);
    vsnprintf(command, sizeof command, form, args);
    va_end(args);
    fine = json_get_bool(cluster_try(&all, client_name(who), command), "ok");
    did.refused += !fine;
    return fine;
}

static void add(unsigned who)
{
    char path[256];
    unsigned number = files;
    if (files == FILES_MAX)
        return;
    file_path(path, "f", files++);
    make_file(path, number);
    if (try(who, "addFile %s", path)) {
        is_there[number] = 1;
        did.added++;
    }
}

static void change(unsigned who)
{
    unsigned number = files ? roll(files) : 0;
    if (!is_there[number])
        return;
    if (roll(8)) {
        did.rated += (unsigned)try(who, "rateFile f%u %u", number, roll(6));
    } else if (try(who, "removeFile f%u", number)) {
        is_there[number] = 0;
        did.removed++;
    }
}

static void start_server(void)
{
    char command[400];
    snprintf(command, sizeof command,
             "album-server --listen %s --data-listen %s --dir %%/server",
             server_at, data_at);
    cluster_start(&all, "server", command);
}

static void kill_client(unsigned who)
{
    cluster_kill(&all, client_name(who));
    cluster_start(&all, client_name(who), NULL);
    (void)try(who, "enterAlbum trip");
}

/* One at a time is gone, and it comes back with what it had. */
static void kill_data(unsigned which)
{
    char name[8];
    snprintf(name, sizeof name, "d%u", which);
    cluster_kill(&all, name);
    cluster_start(&all, name, NULL);
}

static void kill_something(void)
{
    unsigned what = roll(10);
    did.kills++;
    if (what == 0) {
        cluster_kill(&all, "server");
        start_server();
    } else if (what < 3) {
        kill_data(roll(DATA));
    } else {
        kill_client(roll(clients));
    }
}

static void act(void)
{
    unsigned who = roll(clients), what = roll(100);
    if (what < 30)
        add(who);
    else if (what < 70)
        change(who);
    else if (what < 97)
        did.said += (unsigned)try(who, "say number %u", files);
    else
        kill_something();
}

/* >>begin and end --------------------------------------------------------- */

static void start_data(void)
{
    char name[8], command[400];
    unsigned i;
    snprintf(data_at, sizeof data_at, "%s",
             cluster_at(cluster_ask(&all, "server", "status"), "data_listen"));
    snprintf(server_at, sizeof server_at, "%s", all.peers[0].listen);
    for (i = 0; i < DATA; i++) {
        snprintf(name, sizeof name, "d%u", i);
        snprintf(command, sizeof command,
                 "album-data --server %s --listen 127.0.0.1:0 --dir %%/%s "
                 "--key %%/server/data.key",
                 data_at, name);
        cluster_start(&all, name, command);
    }
}

static void start_client(unsigned i)
{
    char command[400];
    const char *name = client_name(i);
    snprintf(command, sizeof command, "album --server @server --dir %%/%s",
             name);
    cluster_start(&all, name, command);
    cluster_ask(&all, name, "register %s secret", name);
    cluster_ask(&all, name, "login %s secret", name);
    if (i == 0)
        cluster_ask(&all, name, "createAlbum trip");
    else
        cluster_ask(&all, "u0", "addUser %s trip", name);
    cluster_ask(&all, client_name(i), "enterAlbum trip");
}

static void until(unsigned who, const char *command, const char *wanted)
{
    uint64_t late = ticks_ms() + 120 * 1000;
    while (
        !cluster_holds(cluster_try(&all, client_name(who), command), wanted)) {
        if (ticks_ms() > late)
            die("u%u: %s: it never was so that %s", who, command, wanted);
        members_listen(all.members, all.count, 50);
    }
}

static void compare(void)
{
    char wanted[64];
    unsigned i;
    for (i = 0; i < clients; i++)
        until(i, "status", "synced=true online=true");
    snprintf(wanted, sizeof wanted, "digest=%s",
             cluster_at(cluster_ask(&all, "u0", "digest"), "digest"));
    for (i = 0; i < clients; i++)
        until(i, "digest", wanted);
    check(cluster_holds(cluster_ask(&all, "server", "digest trip"), wanted),
          "the server has another album");
    tell("%u clients and the server have %s", clients, wanted);
}

static void download_all(void)
{
    char path[256];
    unsigned i, count = 0;
    until(0, "status", "data_servers=3");
    for (i = 0; i < files; i++) {
        if (!is_there[i])
            continue;
        file_path(path, "got", i);
        cluster_ask(&all, client_name(roll(clients)), "downloadFile f%u %s", i,
                    path);
        check(is_whole(path, i), "f%u is not whole", i);
        remove(path);
        count++;
    }
    tell("%u acknowledged files are there, and whole", count);
}

int main(int argc, char **argv)
{
    static char bin[1024];
    uint64_t late;
    unsigned i;
    clients = argc > 1 ? (unsigned)atoi(argv[1]) : 20;
    dice = argc > 3 ? strtoull(argv[3], NULL, 10) : ticks_us();
    if (clients < 1 || clients > CLIENTS_MAX || !strrchr(argv[0], '/'))
        die("usage: PATH/album-soak CLIENTS SECONDS [SEED]");
    snprintf(bin, sizeof bin, "%s", argv[0]);
    *strrchr(bin, '/') = 0;
    tale_begin();
    tell("%u clients, seed %llu", clients, (unsigned long long)dice);
    cluster_open(&all, "album", getenv("CRDT_CLUSTER_KEEP") != NULL);
    all.bin = bin;
    all.is_quiet = 1;
    snprintf(server_at, sizeof server_at, "127.0.0.1:0");
    snprintf(data_at, sizeof data_at, "127.0.0.1:0");
    start_server();
    start_data();
    for (i = 0; i < clients; i++)
        start_client(i);
    until(0, "status", "data_servers=3");
    late = ticks_ms() + (uint64_t)(argc > 2 ? atoi(argv[2]) : 300) * 1000;
    while (ticks_ms() < late)
        act();
    tell("%u files added, %u removed, %u votes, %u messages, %u refused, %u "
         "kills",
         did.added, did.removed, did.rated, did.said, did.refused, did.kills);
    compare();
    download_all();
    cluster_close(&all);
    return check_failures() != 0;
}
