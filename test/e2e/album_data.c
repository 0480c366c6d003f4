/*
 * Data servers as real processes, killed, joining, leaving, lying; the album
 * server's registry and a client's transfers are in the test itself. More and
 * larger by CRDT_ALBUM_MIB (of the file that must not fit into memory) and
 * CRDT_ALBUM_SEEDS (of the random run).
 */
/* pkg-config: libedit libcjson libzmq libsodium sqlite3 */
#define _GNU_SOURCE

#include "../../demo/album/census.h"
#include "../../demo/album/registry.h"
#include "../../demo/album/serve.h"
#include "../../demo/album/server.h"
#include "../../demo/album/shelf.h"
#include "../../demo/album/transfer.h"
#include "../../demo/common/child.h"
#include "../../demo/common/member.h"
#include "../../demo/common/ticks.h"
#include "../test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERVERS_MAX = 6, PATIENCE_MS = 90000, LEASE_MS = 4000 };

/* >>world ----------------------------------------------------------------- */

/* What has become of a transfer. */
typedef struct outcome {
    transfer *which; /* NULL: it has ended */
    transfer_state state;
    uint64_t size, done, found;
    chunk_hash hash;
    char why[160];
    unsigned times;
    void (*at_progress)(struct outcome *o);
} outcome;

typedef struct world {
    char dir[64], key_path[96];
    registry *registry;
    registry_config config;
    transfers *client;
    int is_deaf; /* the client hears of no changes */
    /* What the album server says of chunks: as registry_config.named. */
    uint64_t patience_s;
    chunk_hash named[8];
    size_t named_count;
    int has_changed;
    member servers[SERVERS_MAX];
} world;

static world w;
static char program[256];

static void changed(void *ctx, const char *what)
{
    (void)ctx;
    (void)what;
    w.has_changed = 1;
}

static uint64_t named(void *ctx, const chunk_hash *names, size_t count,
                      uint8_t *is_named)
{
    size_t i, k;
    (void)ctx;
    memset(is_named, 0, count);
    for (i = 0; i < count; i++)
        for (k = 0; k < w.named_count; k++)
            if (chunk_equal(&names[i], &w.named[k]))
                is_named[i] = 1;
    return w.patience_s;
}

static const char *path_in(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", w.dir, name);
    return path;
}

static void open_registry(const char *listen)
{
    char why[200] = "";
    w.config.listen = listen;
    w.registry = registry_open(&w.config, why, sizeof why);
    if (!w.registry)
        puts(why);
    CHECK(w.registry != NULL);
}

static void begin_world(unsigned copies)
{
    char why[200] = "";
    memset(&w, 0, sizeof w);
    snprintf(w.dir, sizeof w.dir, "/tmp/album-data-XXXXXX");
    CHECK(mkdtemp(w.dir) != NULL);
    snprintf(w.key_path, sizeof w.key_path, "%s/key", w.dir);
    CHECK(pass_key_read(&w.config.key, w.key_path, 1, why, sizeof why));
    w.config.copies = copies;
    w.config.lease_ms = LEASE_MS;
    w.config.changed = changed;
    w.config.named = named;
    open_registry("127.0.0.1:0");
    w.client = transfers_new();
    CHECK(w.client != NULL);
}

static void end_world(void)
{
    char command[128];
    size_t i;
    for (i = 0; i < SERVERS_MAX; i++)
        if (w.servers[i].process.pid) {
            child_signal(&w.servers[i].process, SIGTERM);
            member_end(&w.servers[i], 60);
            /* One that has only just begun does not know the signal yet. */
            CHECK(w.servers[i].process.status == 0 ||
                  w.servers[i].process.status == SIGTERM);
        }
    transfers_free(w.client);
    registry_close(w.registry);
    snprintf(command, sizeof command, "rm -rf %s", w.dir);
    CHECK_INT(system(command), 0);
}

static void hear_list(void)
{
    char *text = registry_text(w.registry, 3600);
    w.has_changed = 0;
    CHECK(text && transfers_hear(w.client, text));
    free(text);
}

/* A little of everything. */
static void step(void)
{
    struct pollfd fds[2 + SERVERS_MAX];
    int wait = 20, ms;
    size_t i;
    ms = registry_step(w.registry);
    wait = ms >= 0 && ms < wait ? ms : wait;
    if (w.has_changed && !w.is_deaf)
        hear_list();
    ms = transfers_step(w.client);
    wait = ms >= 0 && ms < wait ? ms : wait;
    memset(fds, 0, sizeof fds);
    fds[0].fd = registry_fd(w.registry);
    fds[1].fd = transfers_fd(w.client);
    fds[0].events = fds[1].events = POLLIN;
    for (i = 0; i < SERVERS_MAX; i++) {
        fds[2 + i].fd = -1;
        if (w.servers[i].process.pid && !w.servers[i].process.out.ended)
            fds[2 + i].fd = w.servers[i].process.out.fd;
        fds[2 + i].events = POLLIN;
    }
    poll(fds, 2 + SERVERS_MAX, wait);
    members_listen(w.servers, SERVERS_MAX, 0);
}

/* Steps until it holds, which it need not do for long, or patience ends. */
#define UNTIL(cond)                                                           \
    do {                                                                      \
        uint64_t until_ms = ticks_ms() + PATIENCE_MS;                         \
        int in_time = 0;                                                      \
        while (!(in_time = (cond)) && ticks_ms() < until_ms)                  \
            step();                                                           \
        CHECK(in_time);                                                       \
    } while (0)

/* >>servers --------------------------------------------------------------- */

static int is_ready[SERVERS_MAX], has_left[SERVERS_MAX];

static void heard(member *m, const cJSON *event)
{
    const char *what = json_get_text(event, "event");
    if (strcmp(what, "ready") == 0)
        is_ready[m - w.servers] = 1;
    if (strcmp(what, "left") == 0)
        has_left[m - w.servers] = 1;
}

/* Under a cap of its memory, as the shell knows to set it. */
static void start_with(size_t at, const char *more)
{
    char command[1024], name[32];
    const char *argv[4];
    snprintf(name, sizeof name, "d%u", (unsigned)at);
    snprintf(command, sizeof command,
             "%s exec %s --dir %s/%s --name %s --server 127.0.0.1:%u "
             "--key %s --json --settle 0.2 --every 2 %s",
             getenv("CRDT_ALBUM_CAP") ? "ulimit -v 131072;" : "", program,
             w.dir, name, name, registry_port(w.registry), w.key_path, more);
    argv[0] = "/bin/sh";
    argv[1] = "-c";
    argv[2] = command;
    argv[3] = NULL;
    is_ready[at] = has_left[at] = 0;
    memset(&w.servers[at], 0, sizeof w.servers[at]);
    w.servers[at].heard = heard;
    CHECK(child_start(&w.servers[at].process, argv));
}

static void start(size_t at)
{
    start_with(at, "");
}

static void kill_server(size_t at)
{
    child_signal(&w.servers[at].process, SIGKILL);
    member_end(&w.servers[at], 10);
}

/* Of what `status` says. */
static double figure(size_t at, const char *key)
{
    const cJSON *answer = member_ask(w.servers, SERVERS_MAX, &w.servers[at],
                                     "status", PATIENCE_MS / 1000);
    return answer ? json_get_number(answer, key) : -1;
}

static int is_settled(size_t at)
{
    const cJSON *answer = member_ask(w.servers, SERVERS_MAX, &w.servers[at],
                                     "status", PATIENCE_MS / 1000);
    return answer && json_get_bool(answer, "settled");
}

static const char *state_of(size_t at)
{
    const cJSON *answer = member_ask(w.servers, SERVERS_MAX, &w.servers[at],
                                     "status", PATIENCE_MS / 1000);
    return answer ? json_get_text(answer, "state") : "";
}

/* All who run have found everything in its place. */
static int all_settled(void)
{
    size_t i;
    uint64_t since = ticks_ms();
    while (ticks_ms() - since < 100)
        step();
    for (i = 0; i < SERVERS_MAX; i++)
        if (w.servers[i].process.pid && !is_settled(i))
            return 0;
    return 1;
}

static void start_all_with(size_t count, const char *more)
{
    size_t i;
    for (i = 0; i < count; i++)
        start_with(i, more);
    UNTIL(transfers_servers(w.client) == count);
    for (i = 0; i < count; i++)
        UNTIL(figure(i, "servers") == (double)count);
}

static void start_all(size_t count)
{
    start_all_with(count, "");
}

/* Calls for each chunk on that server's disk. */
static size_t for_chunks(size_t at, void (*call)(const char *path))
{
    char dir[128];
    unsigned first;
    size_t count = 0;
    for (first = 0; first < 256; first++) {
        DIR *folder;
        const struct dirent *entry;
        snprintf(dir, sizeof dir, "%s/d%u/chunks/%02x", w.dir, (unsigned)at,
                 first);
        folder = opendir(dir);
        while (folder && (entry = readdir(folder))) {
            char path[400];
            if (*entry->d_name == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
            if (call)
                call(path);
            count++;
        }
        if (folder)
            closedir(folder);
    }
    return count;
}

static size_t chunks_on(size_t at)
{
    return for_chunks(at, NULL);
}

static size_t chunks_on_all(void)
{
    size_t count = 0, i;
    for (i = 0; i < SERVERS_MAX; i++)
        if (w.servers[i].process.pid)
            count += chunks_on(i);
    return count;
}

/* >>files ----------------------------------------------------------------- */

static void make_file(const char *path, size_t len, uint64_t seed)
{
    FILE *file = fopen(path, "wb");
    size_t i;
    for (i = 0; i < len; i++)
        putc((int)(test_random(&seed) & 0xff), file);
    CHECK_INT(fclose(file), 0);
}

/* So many MiB, each another, that take no place. */
static void make_large_file(const char *path, size_t mib)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    uint64_t i;
    for (i = 1; i <= mib; i++)
        CHECK_INT(pwrite(fd, &i, sizeof i, (off_t)((i - 1) << 20)), sizeof i);
    CHECK_INT(ftruncate(fd, (off_t)(mib << 20)), 0);
    close(fd);
}

/* A world, and a file to upload. */
static const char *begin_with(unsigned copies, size_t servers, size_t mib)
{
    const char *path;
    begin_world(copies);
    start_all(servers);
    path = path_in("file");
    make_large_file(path, mib);
    return path;
}

static int are_equal(const char *a, const char *b)
{
    char command[600];
    snprintf(command, sizeof command, "cmp -s %s %s", a, b);
    return system(command) == 0;
}

/* >>transfers ------------------------------------------------------------- */

static void told(void *ctx, const transfer_news *news)
{
    outcome *o = (outcome *)ctx;
    o->which = news->which;
    o->state = news->state;
    o->size = news->size;
    o->done = news->done;
    o->found = news->found;
    o->hash = news->hash;
    o->times++;
    snprintf(o->why, sizeof o->why, "%s", news->why);
    if (o->at_progress && news->done)
        o->at_progress(o);
    if (news->state == TRANSFER_DONE || news->state == TRANSFER_FAILED)
        o->which = NULL;
}

static void begin_upload(outcome *o, const char *path)
{
    memset(o, 0, sizeof *o);
    o->which = transfers_upload(w.client, path, told, o);
    CHECK(o->which != NULL);
}

static void begin_download(outcome *o, const outcome *of, const char *path)
{
    memset(o, 0, sizeof *o);
    o->which =
        transfers_download(w.client, &of->hash, of->size, path, told, o);
    CHECK(o->which != NULL);
}

static outcome upload(const char *path)
{
    static outcome o;
    begin_upload(&o, path);
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_DONE);
    CHECK_STR(o.why, "");
    return o;
}

static outcome download(const outcome *of, const char *path)
{
    static outcome o;
    begin_download(&o, of, path);
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_DONE);
    CHECK_STR(o.why, "");
    return o;
}

/* Downloads it, looks at it, and removes it. */
static void check_whole(const outcome *of, const char *as)
{
    const char *path = path_in("copy");
    outcome o = download(of, path);
    CHECK_INT(o.done, of->size);
    CHECK(are_equal(path, as));
    unlink(path);
}

/* >>tests: up and down ---------------------------------------------------- */

TEST(files_go_up_and_come_down)
{
    static const size_t sizes[] = { 0, 1, 1 << 20, (1 << 20) + 1, 3500000 };
    size_t i, sum = 0;
    begin_world(2);
    start_all(3);
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *path = path_in("file");
        outcome up, again;
        make_file(path, sizes[i], i + 1);
        up = upload(path);
        CHECK_INT(up.size, sizes[i]);
        CHECK_INT(up.done, sizes[i]);
        CHECK_INT(up.found, 0);
        sum += sizes[i] > 1 << 20 ? (sizes[i] >> 20) + 2 : 1;
        UNTIL(chunks_on_all() == 2 * sum);
        check_whole(&up, path);
        again = upload(path); /* and nothing travels */
        CHECK_INT(again.found, sizes[i]);
        CHECK(chunk_equal(&again.hash, &up.hash));
        UNTIL(chunks_on_all() == 2 * sum);
    }
    end_world();
}

TEST(what_cannot_be_is_told)
{
    outcome o, up;
    const char *path = path_in("file"), *copy = path_in("there");
    begin_world(2);
    start_all(2);
    path = path_in("file");
    copy = path_in("there");
    make_file(path, 1000, 1);
    make_file(copy, 10, 2);
    begin_upload(&o, path_in("nothing"));
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_FAILED);
    begin_upload(&o, w.dir);
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_FAILED);
    up = upload(path);
    begin_download(&o, &up, copy); /* what is there stays */
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_FAILED);
    CHECK(strstr(o.why, "there already") != NULL);
    up.hash.bytes[0] ^= 1;
    begin_download(&o, &up, path_in("copy"));
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_FAILED);
    CHECK_STR(strrchr(o.why, ':'), ": it has no such chunk");
    up.hash.bytes[0] ^= 1;
    up.size--; /* somebody lied about the size */
    begin_download(&o, &up, path_in("copy"));
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_FAILED);
    end_world();
}

static void cancel_at_half(outcome *o)
{
    if (o->which && o->done * 2 >= o->size) {
        transfer_cancel(o->which);
        o->which = NULL;
    }
}

/* Cut off in the middle, also the bytes it had may be damaged meanwhile. */
TEST(a_download_goes_on_where_it_was)
{
    outcome up, o;
    char part[300];
    int fd;
    const char *path, *copy;
    path = begin_with(2, 3, 8);
    copy = path_in("copy");
    up = upload(path);
    begin_download(&o, &up, copy);
    o.at_progress = cancel_at_half;
    UNTIL(!o.which);
    CHECK(access(copy, F_OK) != 0);
    snprintf(part, sizeof part, "%s.%.16s.part", copy,
             chunk_hex(&up.hash).hex);
    fd = open(part, O_RDWR);
    CHECK(fd >= 0 && pwrite(fd, "damage", 6, 100) == 6);
    close(fd);
    o = download(&up, copy);
    CHECK(o.found >= 3 << 20 && o.found <= 7 << 20);
    CHECK(are_equal(copy, path));
    CHECK(access(part, F_OK) != 0);
    end_world();
}

static void kill_first(outcome *o)
{
    if (o->done >= 2 << 20 && w.servers[0].process.pid)
        kill_server(0);
}

TEST(a_server_is_killed_in_an_upload)
{
    outcome up;
    const char *path;
    path = begin_with(2, 3, 12);
    begin_upload(&up, path);
    up.at_progress = kill_first;
    UNTIL(!up.which);
    CHECK_INT(up.state, TRANSFER_DONE);
    CHECK(!w.servers[0].process.pid);
    check_whole(&up, path);
    UNTIL(registry_count(w.registry) == 2);
    UNTIL(all_settled()); /* the copies that died are made up for */
    UNTIL(chunks_on(1) == 13);
    UNTIL(chunks_on(2) == 13);
    start(0);
    UNTIL(registry_count(w.registry) == 3);
    UNTIL(all_settled());
    UNTIL(chunks_on_all() == 26);
    check_whole(&up, path);
    end_world();
}

TEST(a_server_is_killed_in_a_download)
{
    outcome up, o;
    const char *path, *copy;
    path = begin_with(2, 3, 12);
    copy = path_in("copy");
    up = upload(path);
    begin_download(&o, &up, copy);
    o.at_progress = kill_first;
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_DONE);
    CHECK(!w.servers[0].process.pid);
    CHECK(are_equal(copy, path));
    end_world();
}

/* It takes connections, as its system does for it, and says nothing. Nobody
 * tells the client that it is off the list. */
TEST(a_server_hangs)
{
    outcome up;
    const char *path;
    path = begin_with(2, 3, 3);
    w.is_deaf = 1;
    child_signal(&w.servers[0].process, SIGSTOP);
    up = upload(path);
    check_whole(&up, path);
    kill_server(0);
    end_world();
}

/* >>tests: come and go ---------------------------------------------------- */

/* Downloads go on all the time; only what the new one is to keep moves, each
 * chunk once; then one leaves and takes nothing with it. */
TEST(servers_join_and_leave)
{
    outcome up, o;
    const char *path;
    double given = 0;
    size_t i;
    path = begin_with(2, 3, 16);
    up = upload(path);
    UNTIL(all_settled());
    UNTIL(chunks_on_all() == 34);
    for (i = 0; i < 3; i++) /* while it went up, they may have helped */
        given -= figure(i, "given");
    start(3);
    UNTIL(registry_count(w.registry) == 4);
    for (i = 0; i < 3; i++)
        check_whole(&up, path);
    for (i = 0; i < 4; i++)
        UNTIL(figure(i, "servers") == 4);
    UNTIL(all_settled());
    UNTIL(chunks_on_all() == 34);
    CHECK(chunks_on(3) > 0 && chunks_on(3) < 17);
    for (i = 0; i < 4; i++)
        given += figure(i, "given");
    CHECK_INT(given, chunks_on(3));
    w.is_deaf = 1; /* a client that is not told finds everything, too */
    CHECK(child_say(&w.servers[1].process, "leave"));
    begin_download(&o, &up, path_in("copy"));
    UNTIL(!o.which && has_left[1]);
    CHECK_INT(o.state, TRANSFER_DONE);
    UNTIL(chunks_on(1) == 0);
    member_end(&w.servers[1], 10);
    CHECK_INT(w.servers[1].process.status, 0);
    CHECK_INT(registry_count(w.registry), 3);
    unlink(path_in("copy"));
    check_whole(&up, path);
    UNTIL(all_settled());
    UNTIL(chunks_on_all() == 34);
    end_world();
}

/* The album server begins with an empty list: nothing is lost by that. */
TEST(the_album_server_starts_again)
{
    outcome up;
    const char *path;
    char listen[32];
    path = begin_with(1, 3, 6);
    up = upload(path);
    UNTIL(all_settled());
    snprintf(listen, sizeof listen, "127.0.0.1:%u", registry_port(w.registry));
    registry_close(w.registry);
    open_registry(listen);
    UNTIL(registry_count(w.registry) == 3);
    UNTIL(all_settled());
    UNTIL(chunks_on_all() == 7);
    check_whole(&up, path);
    end_world();
}

/* Who is alive keeps his name; who is silent is struck off the list. */
TEST(names_are_taken_once)
{
    begin_world(2);
    start_all(1);
    start_with(1, "--name d0");
    UNTIL(is_ready[1]);
    UNTIL(registry_count(w.registry) == 1);
    CHECK_STR(state_of(1), "not registered");
    CHECK_INT(registry_count(w.registry), 1);
    kill_server(0);
    UNTIL(strcmp(state_of(1), "registered") == 0);
    kill_server(1);
    UNTIL(registry_count(w.registry) == 0);
    end_world();
}

TEST(an_upload_waits_for_servers)
{
    outcome up;
    const char *path;
    begin_world(2);
    path = path_in("file");
    make_file(path, 100000, 5);
    begin_upload(&up, path);
    UNTIL(up.state == TRANSFER_WAITS);
    CHECK_STR(up.why, "no data server is known");
    start(0);
    start(1);
    UNTIL(!up.which);
    CHECK_INT(up.state, TRANSFER_DONE);
    check_whole(&up, path);
    end_world();
}

/* >>tests: damage and lies ------------------------------------------------ */

static void damage(const char *path)
{
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, "X", 1, 0) == 1);
    close(fd);
}

TEST(damaged_chunks_are_got_again)
{
    outcome up;
    const char *path;
    size_t damaged;
    path = begin_with(2, 2, 4);
    up = upload(path);
    damaged = for_chunks(0, damage);
    CHECK_INT(damaged, 5);
    check_whole(&up, path); /* some were asked of it: they come from d1 */
    CHECK(child_say(&w.servers[0].process, "scrub"));
    UNTIL(figure(0, "bad") == 5 && figure(0, "fetched") == 5 && all_settled());
    UNTIL(chunks_on(0) == 5);
    kill_server(1);
    w.is_deaf = 1;
    check_whole(&up, path);
    end_world();
}

/* A server in the test itself that gives something else for everything. */
static void lie(void *ctx, wire *from, wire_kind kind, const uint8_t *body,
                size_t len)
{
    unsigned *lies = (unsigned *)ctx;
    (void)body;
    (void)len;
    if (kind == WIRE_GET)
        ++*lies;
    wire_answer(from, kind == WIRE_GET ? WIRE_OK : WIRE_FULL, "nonsense", 8);
}

TEST(a_liar_is_found_out)
{
    serve liar;
    outcome up, o;
    unsigned lies = 0;
    const char *path, *copy;
    char why[200], text[512], *list;
    path = begin_with(1, 1, 6);
    copy = path_in("copy");
    up = upload(path);
    REQUIRE(serve_open(&liar, "127.0.0.1:0", &w.config.key, why, sizeof why));
    liar.hear = lie;
    liar.ctx = &lies;
    list = registry_text(w.registry, 3600);
    REQUIRE(list);
    snprintf(text, sizeof text,
             "{\"servers\":[{\"name\":\"liar\",\"address\":\"127.0.0.1:%u\"},"
             "%s",
             serve_port(&liar), strchr(list, '[') + 1);
    free(list);
    w.is_deaf = 1;
    REQUIRE(transfers_hear(w.client, text));
    begin_download(&o, &up, copy);
    UNTIL((serve_step(&liar), !o.which));
    CHECK_INT(o.state, TRANSFER_DONE);
    CHECK(lies > 0);
    CHECK(are_equal(copy, path));
    serve_close(&liar);
    end_world();
}

TEST(a_full_server_is_told_of)
{
    outcome o;
    const char *path;
    begin_world(1);
    start_with(0, "--space 2");
    UNTIL(transfers_servers(w.client) == 1);
    path = path_in("file");
    make_large_file(path, 4);
    begin_upload(&o, path);
    UNTIL(!o.which);
    CHECK_INT(o.state, TRANSFER_FAILED);
    CHECK(strstr(o.why, "it is full") != NULL);
    start(1); /* the next one makes up for it */
    UNTIL(transfers_servers(w.client) == 2);
    upload(path);
    end_world();
}

/* >>tests: what no file names --------------------------------------------- */

enum { HOUR = 3600 };
#define OFTEN "--every 0.1"

/* As if it had been loose for two hours. */
static void set_old(const char *path)
{
    struct timespec times[2];
    memset(times, 0, sizeof times);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = time(NULL) - (time_t)2 * HOUR;
    CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}

static size_t old_count, held_count;

static void look_at_age(const char *path)
{
    struct stat about;
    if (stat(path, &about))
        return;
    held_count += about.st_mtime == 0;
    old_count += about.st_mtime && time(NULL) - about.st_mtime > HOUR;
}

static size_t old_on(size_t at)
{
    old_count = held_count = 0;
    for_chunks(at, look_at_age);
    return old_count;
}

static size_t held_on(size_t at)
{
    old_on(at);
    return held_count;
}

/* Each has gone through all its chunks, from first to last. */
static void let_pass(size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        double passes = figure(i, "passes");
        UNTIL(figure(i, "passes") >= passes + 2);
    }
}

/* All chunks on both, though one may just be telling how young they are. */
static void make_old(void)
{
    size_t count = 0;
    while (!count || old_on(0) + old_on(1) < count) {
        count = for_chunks(0, set_old) + for_chunks(1, set_old);
        let_pass(2);
    }
}

static outcome upload_new(const char *name, size_t len, uint64_t seed)
{
    make_file(path_in(name), len, seed);
    return upload(path_in(name));
}

static void name_only(const outcome *o)
{
    w.named[0] = o->hash;
    w.named_count = 1;
}

TEST(what_no_file_names_is_deleted_in_the_end)
{
    outcome kept;
    begin_world(2);
    start_all_with(2, OFTEN);
    kept = upload_new("kept", 1000, 1);
    upload_new("gone", 2000, 2);
    make_old(); /* the album server does not know: nothing happens */
    CHECK_INT(chunks_on_all(), 4);
    name_only(&kept);
    w.patience_s = HOUR;
    UNTIL(chunks_on_all() == 2);
    UNTIL(held_on(0) == 1 && held_on(1) == 1);
    CHECK(figure(0, "deleted") + figure(1, "deleted") >= 2);
    check_whole(&kept, path_in("kept"));
    /* Removed from the album just now: it has all the time again. */
    w.named_count = 0;
    UNTIL(held_on(0) + held_on(1) == 0);
    let_pass(2);
    CHECK_INT(chunks_on_all(), 2);
    end_world();
}

/* One that is uploaded again stays, though its bytes did not travel. */
TEST(an_upload_keeps_what_is_there)
{
    outcome again;
    begin_world(2);
    start_all_with(2, OFTEN);
    upload_new("again", 1000, 1);
    upload_new("gone", 2000, 2);
    make_old();
    again = upload_new("again", 1000, 1);
    CHECK_INT(again.found, 1000);
    w.patience_s = HOUR;
    UNTIL(chunks_on_all() == 2);
    let_pass(2);
    CHECK_INT(chunks_on_all(), 2);
    check_whole(&again, path_in("again"));
    end_world();
}

/* Albums that hold a file each, of which one may be unreadable. */
typedef struct shelf_of_albums {
    unsigned count, at, bad;
} shelf_of_albums;

static chunk_hash hash_of(unsigned album)
{
    return chunk_name(&album, sizeof album);
}

static int next_album(void *ctx, census *c)
{
    shelf_of_albums *a = (shelf_of_albums *)ctx;
    chunk_hash hash = hash_of(a->at);
    if (a->at == a->count || a->at == a->bad) {
        int answer = a->at == a->bad ? -1 : 0;
        a->at = 0;
        return answer;
    }
    a->at++;
    census_file_is(c, &hash, 10);
    return 1;
}

static int is_named(const census *c, unsigned album)
{
    chunk_hash hash = hash_of(album);
    uint8_t named = 2;
    if (!census_named(c, &hash, 1, &named))
        return -1;
    return named;
}

static void count_once(census *c)
{
    do
        census_step(c);
    while (c->phase != CENSUS_RESTS);
}

/* What cannot be read may name anything. */
TEST(albums_are_counted_wholly_or_not)
{
    shelf_of_albums albums = { 100, 0, 50 };
    census_config config;
    census c;
    unsigned i;
    memset(&config, 0, sizeof config);
    config.next_album = next_album;
    config.ctx = &albums;
    CHECK(census_open(&c, &config));
    count_once(&c);
    CHECK_INT(is_named(&c, 0), -1);
    albums.bad = 1000;
    count_once(&c);
    for (i = 0; i < 100; i++)
        CHECK_INT(is_named(&c, i), 1);
    CHECK_INT(is_named(&c, 100), 0);
    albums.count = 0;
    albums.bad = 0;
    count_once(&c); /* the one before holds */
    CHECK_INT(is_named(&c, 99), 1);
    albums.bad = 1000;
    count_once(&c);
    CHECK_INT(is_named(&c, 99), 0);
    census_close(&c);
}

static const char *album_path(const album_row *row)
{
    static char path[64];
    snprintf(path, sizeof path, "albums/%s", row->id);
    return path;
}

/* An album server that has three albums and nothing else. */
static void begin_albums(server *s, album_row rows[3])
{
    static const char *const names[] = { "a", "b", "c" };
    char why[200] = "";
    size_t i;
    memset(s, 0, sizeof *s);
    s->dir = w.dir;
    s->name = w.dir;
    s->people = accounts_open(path_in("accounts"), why, sizeof why);
    REQUIRE(s->people);
    CHECK_INT(accounts_add_user(s->people, "ada", "hash"), 1);
    for (i = 0; i < 3; i++)
        CHECK_INT(accounts_add_album(s->people, names[i], "ada", &rows[i]), 1);
}

/* The next count does not begin behind the one that could not be read. */
TEST(an_album_that_cannot_be_opened_fails_each_count)
{
    static server s;
    census_config config;
    census c;
    album_row rows[3];
    FILE *file;
    unsigned i;
    begin_world(1);
    begin_albums(&s, rows);
    CHECK_INT(mkdir(path_in("albums"), 0700), 0);
    file = fopen(path_in(album_path(&rows[1])), "w"); /* no directory */
    REQUIRE(file);
    fclose(file);
    memset(&config, 0, sizeof config);
    config.next_album = hall_count_next;
    config.ctx = &s;
    CHECK(census_open(&c, &config));
    for (i = 0; i < 3; i++) {
        count_once(&c);
        CHECK_INT(is_named(&c, 0), -1);
    }
    CHECK_INT(unlink(path_in(album_path(&rows[1]))), 0);
    count_once(&c);
    CHECK_INT(is_named(&c, 0), 0);
    census_close(&c);
    accounts_close(s.people);
    end_world();
}

/* In a data server of the test's own; it says so when the chunk is read. */
static void put_damaged(shelf *s)
{
    chunk_hash name = chunk_name("apples", 6);
    char path[200];
    FILE *file;
    CHECK_INT(chunks_put(&s->store, &name, "apples", 6, 0), CHUNK_OK);
    snprintf(path, sizeof path, "%s/own/chunks/%02x/%s", w.dir, name.bytes[0],
             chunk_hex(&name).hex);
    file = fopen(path, "w");
    REQUIRE(file);
    fclose(file);
}

TEST(a_chunk_is_read_when_its_keeper_can_be_asked)
{
    shelf_config config;
    char why[200] = "", at[32];
    shelf s;
    size_t i;
    begin_world(2);
    start_all(1);
    snprintf(at, sizeof at, "127.0.0.1:%u", registry_port(w.registry));
    memset(&config, 0, sizeof config);
    config.dir = path_in("own");
    config.listen = "127.0.0.1:0";
    config.registry = at;
    config.name = "own";
    config.key = w.config.key;
    config.settle_ms = 100;
    REQUIRE(shelf_open(&s, &config, why, sizeof why));
    UNTIL((shelf_step(&s), s.fleet.roll.count == 2));
    UNTIL((shelf_step(&s), figure(0, "servers") == 2)); /* they agree */
    put_damaged(&s);
    tend_soon(&s.tend);
    UNTIL((shelf_step(&s), s.tend.phase == TEND_GIVES));
    for (i = 0; i < s.fleet.roll.count; i++)
        talk_close(s.fleet.talks[i]);
    shelf_step(&s); /* dials */
    CHECK_INT(s.store.bad, 0);
    UNTIL((shelf_step(&s), s.store.bad == 1));
    shelf_close(&s);
    end_world();
}

/* One album, of as many files that are all the same. */
typedef struct same_files {
    const outcome *file;
    unsigned left;
} same_files;

static int next_same(void *ctx, census *c)
{
    same_files *same = (same_files *)ctx;
    if (!same->left)
        return 0;
    for (; same->left; same->left--)
        census_file_is(c, &same->file->hash, same->file->size);
    return 1;
}

TEST(an_index_is_got_once_for_all_who_name_it)
{
    same_files same;
    census_config config;
    census c;
    outcome file;
    double gets;
    begin_world(1);
    start_all(1);
    file = upload_new("file", 3000000, 1);
    gets = figure(0, "gets");
    same.file = &file;
    same.left = 1000;
    memset(&config, 0, sizeof config);
    config.key = w.config.key;
    config.next_album = next_same;
    config.ctx = &same;
    CHECK(census_open(&c, &config));
    census_hear(&c, registry_roll(w.registry));
    UNTIL((census_step(&c), c.is_known));
    CHECK_INT(figure(0, "gets") - gets, 1);
    CHECK_INT(c.known.count, 4); /* the index, and three chunks */
    census_close(&c);
    end_world();
}

/* What one server knows of it the others come to know, so that none deletes
 * what another has promised to keep; and a copy of one who was away makes no
 * chunk young again. */
TEST(data_servers_agree_how_long_it_is_loose)
{
    begin_world(2);
    start_all_with(2, OFTEN);
    upload_new("file", 1000, 1);
    for_chunks(0, set_old); /* an upload found it at d1 only */
    UNTIL(old_on(0) == 0);
    CHECK_INT(chunks_on_all(), 2);
    make_old();
    kill_server(1);
    UNTIL(registry_count(w.registry) == 1);
    w.patience_s = HOUR;
    UNTIL(chunks_on(0) == 0);
    w.patience_s = 0;
    start_with(1, OFTEN); /* gives d0 what it lacks */
    UNTIL(chunks_on(0) == 1);
    CHECK_INT(old_on(0), 1);
    w.patience_s = HOUR;
    UNTIL(chunks_on_all() == 0);
    end_world();
}

/* >>tests: strangers ------------------------------------------------------ */

static int dial(unsigned port)
{
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Says something to a data server over a wire, and answers its reply. */
static wire_reply converse(unsigned port, const pass *bearer, wire_kind kind,
                           const void *body, size_t len)
{
    static const uint8_t *answer;
    wire one;
    char address[32];
    wire_kind heard_kind;
    wire_reply reply = WIRE_LOST;
    size_t heard_len;
    int has_asked = 0;
    uint64_t until = ticks_ms() + PATIENCE_MS;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    CHECK(wire_dial(&one, address, bearer));
    while (one.state != WIRE_OVER && ticks_ms() < until) {
        wire_step(&one, NULL);
        if (one.state == WIRE_OPEN && !has_asked)
            has_asked = wire_say(&one, kind, NULL, 0, body, len);
        answer = wire_hear(&one, &heard_kind, &heard_len);
        if (answer && heard_len) {
            reply = (wire_reply)answer[0];
            break;
        }
        step();
    }
    if (one.refused)
        reply = one.refused;
    wire_close(&one);
    return reply;
}

static pass bearer_of(const pass_key *key, unsigned rights, int64_t seconds)
{
    pass p;
    pass_make(&p, key, rights, (uint64_t)((int64_t)time(NULL) + seconds));
    return p;
}

TEST(passes_are_looked_at)
{
    unsigned port;
    pass_key other;
    pass p;
    chunk_hash name = chunk_name("apples", 6);
    uint8_t put[WIRE_ITEM_SIZE + 6];
    begin_world(1);
    start_all(1);
    port = (unsigned)figure(0, "port");
    wire_put_item(put, &name, 0);
    memcpy(put + WIRE_ITEM_SIZE, "apples", 6);
    p = bearer_of(&w.config.key, PASS_READ, 100);
    CHECK_INT(converse(port, &p, WIRE_PUT, put, sizeof put), WIRE_DENIED);
    CHECK_INT(converse(port, &p, WIRE_GET, put, 32), WIRE_MISSING);
    p.rights |= PASS_WRITE; /* a better one of the same secret */
    CHECK_INT(converse(port, &p, WIRE_PUT, put, sizeof put), WIRE_LOST);
    p = bearer_of(&w.config.key, PASS_WRITE, 100);
    CHECK_INT(converse(port, &p, WIRE_GET, put, 32), WIRE_DENIED);
    CHECK_INT(converse(port, &p, WIRE_PUT, put, sizeof put), WIRE_OK);
    CHECK_INT(converse(port, &p, WIRE_PUT, put, sizeof put - 1), WIRE_BAD);
    CHECK_INT(converse(port, &p, WIRE_PUT, put, 35), WIRE_NONSENSE);
    CHECK_INT(converse(port, &p, WIRE_REGISTER, put, 31), WIRE_DENIED);
    CHECK_INT(converse(registry_port(w.registry), &p, WIRE_REGISTER, "{}", 2),
              WIRE_DENIED);
    p = bearer_of(&w.config.key, PASS_WRITE | PASS_READ, -1);
    CHECK_INT(converse(port, &p, WIRE_GET, put, 32), WIRE_EXPIRED);
    randombytes_buf(&other, sizeof other);
    p = bearer_of(&other, PASS_READ | PASS_WRITE | PASS_PEER, 100);
    CHECK_INT(converse(port, &p, WIRE_GET, put, 32), WIRE_LOST);
    CHECK_INT(converse(registry_port(w.registry), &p, WIRE_REGISTER, "{}", 2),
              WIRE_LOST);
    end_world();
}

/* Whoever has a pass may be mad all the same. */
TEST(nonsense_is_answered)
{
    uint64_t seed = test_env("CRDT_SEED", 1);
    unsigned port, i, j;
    uint8_t bytes[2000];
    pass p;
    begin_world(1);
    start_all(1);
    port = (unsigned)figure(0, "port");
    p = bearer_of(&w.config.key, PASS_READ | PASS_WRITE | PASS_PEER, 100);
    for (i = 0; i < 40; i++) {
        wire_kind kind = (wire_kind)test_below(&seed, 9);
        unsigned to = i % 4 ? port : registry_port(w.registry);
        size_t len = test_below(&seed, sizeof bytes);
        for (j = 0; j < len; j++)
            bytes[j] = (uint8_t)test_random(&seed);
        if (i % 3 == 0)
            len = len / WIRE_ITEM_SIZE * WIRE_ITEM_SIZE + ROLL_ID_SIZE;
        CHECK(converse(to, &p, kind, bytes, len) != WIRE_OK ||
              kind == WIRE_HAS);
    }
    CHECK_INT(figure(0, "chunks"), 0);
    CHECK_INT(registry_count(w.registry), 1);
    end_world();
}

enum { STRANGERS = 2 * SERVE_MAX };

/* One who says nothing, or nonsense of some kind. */
static int send_stranger(unsigned port, uint64_t *seed)
{
    static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0x7f };
    static const char text[] = "GET /../../etc/passwd HTTP/1.1\r\n\r\n";
    uint8_t bytes[400];
    uint32_t kind = test_below(seed, 4);
    size_t i;
    int fd = dial(port);
    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)test_random(seed);
    if (kind & 1)
        memcpy(bytes, "ad\1", 3);
    if (kind & 2)
        memcpy(bytes + 76, huge, sizeof huge);
    if (kind == 0)
        return fd;
    if (send(fd, bytes, test_below(seed, sizeof bytes) + 1, MSG_NOSIGNAL) > 0)
        (void)!send(fd, text, sizeof text, MSG_NOSIGNAL);
    return fd;
}

/* First nonsense, then more who say nothing than the server takes: who has a
 * pass is served at once. */
TEST(strangers_do_no_harm)
{
    uint64_t seed = test_env("CRDT_SEED", 1);
    int strangers[2 * STRANGERS];
    unsigned port, i;
    outcome up;
    pass p;
    begin_world(1);
    start_all(1);
    port = (unsigned)figure(0, "port");
    p = bearer_of(&w.config.key, PASS_READ, 100);
    for (i = 0; i < STRANGERS; i++)
        strangers[i] = send_stranger(port, &seed);
    for (; i < 2 * STRANGERS; i++)
        strangers[i] = dial(port);
    CHECK_INT(converse(port, &p, WIRE_GET, &p, 32), WIRE_MISSING);
    make_file(path_in("file"), 3000000, 9);
    up = upload(path_in("file"));
    UNTIL(figure(0, "connections") <= 2); /* those who waited are gone */
    for (i = 0; i < 2 * STRANGERS; i++)
        close(strangers[i]);
    check_whole(&up, path_in("file"));
    end_world();
}

/* >>tests: memory --------------------------------------------------------- */

enum { CAP_MIB = 64 };

/* A sanitizer takes terabytes of addresses, and cannot be capped. */
static int may_be_capped(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages && pages * 4096 < (unsigned long)CAP_MIB << 20;
}

/* In a process of its own, under a cap that the file does not fit into. */
static int transfer_capped(const char *list, const char *path,
                           const char *copy)
{
    struct rlimit cap;
    outcome up, o;
    cap.rlim_cur = cap.rlim_max = (rlim_t)CAP_MIB << 20;
    if (setrlimit(RLIMIT_AS, &cap))
        return 1;
    if (malloc((size_t)CAP_MIB << 20))
        return 2; /* it holds */
    w.client = transfers_new();
    if (!w.client || !transfers_hear(w.client, list))
        return 3;
    begin_upload(&up, path);
    while (up.which)
        poll(NULL, 0, transfers_step(w.client) == 0 ? 0 : 1);
    begin_download(&o, &up, copy);
    while (o.which)
        poll(NULL, 0, transfers_step(w.client) == 0 ? 0 : 1);
    transfers_free(w.client);
    return o.state == TRANSFER_DONE ? 0 : 4;
}

TEST(a_file_larger_than_memory)
{
    size_t mib = (size_t)test_env("CRDT_ALBUM_MIB", 72);
    const char *path, *copy;
    char *list;
    pid_t capped;
    int status = -1;
    if (!may_be_capped()) {
        puts("not under a sanitizer");
        return;
    }
    setenv("CRDT_ALBUM_CAP", "1", 1);
    path = begin_with(1, 2, mib);
    copy = path_in("copy");
    list = registry_text(w.registry, 3600);
    fflush(stdout);
    capped = fork();
    if (capped == 0)
        _exit(transfer_capped(list, path, copy));
    while (waitpid(capped, &status, WNOHANG) == 0)
        step();
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    CHECK(are_equal(path, copy));
    free(list);
    unsetenv("CRDT_ALBUM_CAP");
    end_world();
}

/* >>tests: at random ------------------------------------------------------ */

/* Servers are killed, start again, leave and come while files go up; in the
 * end every file whose upload was DONE is there, whole. At most one is away at
 * a time, for of two copies no more may die before they are made up for. */
static void random_run(uint64_t seed)
{
    enum { FILES = 4 };
    outcome ups[FILES];
    size_t i, round;
    printf("seed %llu\n", (unsigned long long)seed);
    begin_world(2);
    start_all(4);
    for (i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%u", (unsigned)i);
        make_file(path_in(name), 200000 + test_below(&seed, 3000000),
                  test_random(&seed));
        begin_upload(&ups[i], path_in(name));
    }
    for (round = 0; round < 3; round++) {
        size_t victim = test_below(&seed, 4);
        uint64_t until = ticks_ms() + test_below(&seed, 400);
        while (ticks_ms() < until)
            step();
        if (test_below(&seed, 2)) {
            child_say(&w.servers[victim].process, "leave");
            UNTIL(has_left[victim]);
            member_end(&w.servers[victim], 10);
        } else {
            kill_server(victim);
            if (test_below(&seed, 2))
                UNTIL(registry_count(w.registry) == 3);
        }
        start(victim);
        UNTIL(registry_count(w.registry) == 4 && is_ready[victim]);
        UNTIL(all_settled());
    }
    for (i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%u", (unsigned)i);
        UNTIL(!ups[i].which);
        CHECK_INT(ups[i].state, TRANSFER_DONE);
        check_whole(&ups[i], path_in(name));
    }
    end_world();
}

TEST(at_random_nothing_is_lost)
{
    uint64_t seed = test_env("CRDT_SEED", 1), i;
    uint64_t seeds = test_env("CRDT_ALBUM_SEEDS", 1);
    for (i = 0; i < seeds; i++)
        random_run(seed + i);
}

/* The program is beside the directory of tests that this one is in. */
static int find_program(void)
{
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 32);
    int up;
    if (len < 0)
        return 0;
    program[len] = 0;
    for (up = 0; up < 3; up++)
        *strrchr(program, '/') = 0;
    strcat(program, "/album-data");
    return access(program, X_OK) == 0;
}

static const struct test_case cases[] = {
    CASE(files_go_up_and_come_down),
    CASE(what_cannot_be_is_told),
    CASE(a_download_goes_on_where_it_was),
    CASE(a_server_is_killed_in_an_upload),
    CASE(a_server_is_killed_in_a_download),
    CASE(a_server_hangs),
    CASE(servers_join_and_leave),
    CASE(the_album_server_starts_again),
    CASE(names_are_taken_once),
    CASE(an_upload_waits_for_servers),
    CASE(damaged_chunks_are_got_again),
    CASE(a_liar_is_found_out),
    CASE(a_full_server_is_told_of),
    CASE(what_no_file_names_is_deleted_in_the_end),
    CASE(an_upload_keeps_what_is_there),
    CASE(albums_are_counted_wholly_or_not),
    CASE(an_album_that_cannot_be_opened_fails_each_count),
    CASE(an_index_is_got_once_for_all_who_name_it),
    CASE(a_chunk_is_read_when_its_keeper_can_be_asked),
    CASE(data_servers_agree_how_long_it_is_loose),
    CASE(passes_are_looked_at),
    CASE(nonsense_is_answered),
    CASE(strangers_do_no_harm),
    CASE(a_file_larger_than_memory),
    CASE(at_random_nothing_is_lost)
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (find_program() && sodium_init() >= 0)
        return test_main(cases, sizeof cases / sizeof *cases, argc, argv);
    printf("%s is not there\n0 passed, 1 failed\n", program);
    return 1;
}
