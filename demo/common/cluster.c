#include "posix.h"

#include "cluster.h"
#include "tale.h"
#include "text.h"
#include "ticks.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_SECONDS = 10, AGAIN_MS = 20 };

static char doomed[128]; /* the directory to be removed, or "" */

/* >>the run --------------------------------------------------------------- */

/* May run in a signal handler: all it does is fork and exec. */
static void remove_files(void)
{
    pid_t pid;
    if (!*doomed)
        return;
    pid = fork();
    if (pid == 0) {
        execl("/bin/rm", "rm", "-rf", doomed, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    *doomed = 0;
}

void cluster_open(cluster *c, const char *name, int keeps)
{
    const char *place = getenv("TMPDIR");
    memset(c, 0, sizeof *c);
    c->keeps = keeps;
    snprintf(c->dir, sizeof c->dir, "%.60s/%.40s-XXXXXX",
             place ? place : "/tmp", name);
    if (!mkdtemp(c->dir))
        die("cannot make %s", c->dir);
    if (!keeps) {
        memcpy(doomed, c->dir, sizeof doomed);
        atexit(remove_files);
        children_on_signal(remove_files);
    }
}

const char *cluster_beside_me(void)
{
    static char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    path[len > 0 ? len : 0] = 0;
    if (strrchr(path, '/'))
        *strrchr(path, '/') = 0;
    return path;
}

static void forget(cluster_peer *peer)
{
    cJSON_Delete(peer->events);
    peer->events = NULL;
    peer->heard = 0;
    peer->is_running = 0;
}

void cluster_close(cluster *c)
{
    size_t i;
    for (i = 0; i < c->count; i++)
        if (c->peers[i].is_running)
            child_say(&c->members[i].process, "quit");
    for (i = 0; i < c->count; i++)
        if (c->peers[i].is_running)
            cluster_end(c, c->members[i].name);
    remove_files();
}

/* >>who ------------------------------------------------------------------- */

static size_t index_of(const cluster *c, const char *name)
{
    size_t i;
    for (i = 0; i < c->count; i++)
        if (strcmp(c->members[i].name, name) == 0)
            break;
    return i;
}

member *cluster_member(cluster *c, const char *name)
{
    size_t i = index_of(c, name);
    if (i == c->count)
        die("there is no \"%s\" in this cluster", name);
    return &c->members[i];
}

static cluster_peer *peer_of(cluster *c, const member *m)
{
    return &c->peers[m - c->members];
}

static member *running(cluster *c, const char *name)
{
    member *m = cluster_member(c, name);
    if (!peer_of(c, m)->is_running)
        die("%s does not run", name);
    return m;
}

/* Whether the name is one of the words; without words everybody is. */
static int is_among(const char *name, const char *words)
{
    size_t len = strlen(name);
    const char *at = words;
    if (!words)
        return 1;
    for (; (at = strstr(at, name)); at += len)
        if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' '))
            return 1;
    return 0;
}

/* >>starting -------------------------------------------------------------- */

static void heard(member *m, const cJSON *event)
{
    cluster *c = (cluster *)m->ctx;
    cluster_peer *peer = peer_of(c, m);
    cJSON_AddItemToArray(peer->events, cJSON_Duplicate(event, 1));
    if (cJSON_GetArraySize(peer->events) > CLUSTER_EVENTS_MAX) {
        cJSON_DeleteItemFromArray(peer->events, 0);
        peer->heard -= peer->heard > 0;
    }
    if (c->heard)
        c->heard(m, event);
}

/* What a word stands for: "@ana", and "%" before a slash. */
static char *expand(cluster *c, const char *word)
{
    char out[512], name[32];
    size_t used = 0;
    while (*word && used + 130 < sizeof out) {
        size_t len = strcspn(word + 1, ",:/ ");
        if (strncmp(word, "%/", 2) == 0) {
            used += (size_t)snprintf(out + used, 129, "%s", c->dir);
            word++;
        } else if (*word == '@' && len && len < sizeof name) {
            memcpy(name, word + 1, len);
            name[len] = 0;
            used +=
                (size_t)snprintf(out + used, 129, "%s",
                                 peer_of(c, cluster_member(c, name))->listen);
            word += 1 + len;
        } else {
            out[used++] = *word++;
        }
    }
    out[used] = 0;
    return text_copy(out);
}

static char *program(const cluster *c, const char *word)
{
    char path[600];
    snprintf(path, sizeof path, "%s%s%s", strchr(word, '/') ? "" : c->bin,
             strchr(word, '/') ? "" : "/", word);
    return text_copy(path);
}

/* `again`: where it listened before. The port stays its own: others dial it. */
static int words_of(cluster *c, char **words, int count, const char *text,
                    const char *again)
{
    char *copy = text_copy(text), *rest = NULL;
    const char *word;
    for (word = strtok_r(copy, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        if (count == CLUSTER_WORDS_MAX - 1)
            die("too many words: %s", text);
        if (*again && count && strcmp(words[count - 1], "--listen") == 0)
            word = again;
        words[count] = count ? expand(c, word) : program(c, word);
        count++;
    }
    free(copy);
    return count;
}

static void launch(cluster *c, member *m, const char *command)
{
    char *words[CLUSTER_WORDS_MAX], name[48];
    int count = words_of(c, words, 0, command, peer_of(c, m)->listen);
    snprintf(name, sizeof name, "--json --name %s", m->name);
    count = words_of(c, words, count, name, "");
    if (c->options)
        count = words_of(c, words, count, c->options, "");
    words[count] = NULL;
    if (!child_start(&m->process, (const char *const *)words))
        die("cannot start %s", words[0]);
    while (count > 0)
        free(words[--count]);
}

static member *meet(cluster *c, const char *name)
{
    size_t i = index_of(c, name);
    member *m = &c->members[i];
    if (i == CLUSTER_MAX)
        die("no more than %d in a cluster", CLUSTER_MAX);
    if (i == c->count)
        c->count++;
    snprintf(m->name, sizeof m->name, "%s", name);
    m->ctx = c;
    m->heard = heard;
    return m;
}

static void await_ready(cluster *c, member *m)
{
    cluster_peer *peer = peer_of(c, m);
    const cJSON *ready = cluster_hear(c, m->name, "ready", "");
    const char *listen = json_get_text(ready, "listen");
    snprintf(peer->listen, sizeof peer->listen, "%s", listen ? listen : "");
    if (!c->is_quiet)
        tell("%s runs: process %d%s%s", m->name, (int)m->process.pid,
             *peer->listen ? ", " : "", peer->listen);
}

void cluster_start(cluster *c, const char *name, const char *command)
{
    member *m = meet(c, name);
    cluster_peer *peer = peer_of(c, m);
    char log[200];
    if (peer->is_running)
        die("%s runs already", name);
    if (command) {
        snprintf(peer->command, sizeof peer->command, "%s", command);
        *peer->listen = 0;
    }
    forget(peer);
    peer->events = cJSON_CreateArray();
    launch(c, m, peer->command);
    peer->is_running = 1;
    snprintf(log, sizeof log, "%s/%s.log", c->dir, name);
    m->process.log = c->keeps ? fopen(log, "a") : NULL;
    if (m->process.log)
        setlinebuf(m->process.log);
    await_ready(c, m);
}

/* >>ending ---------------------------------------------------------------- */

static void finish(cluster *c, member *m)
{
    while (!m->process.out.ended && m->process.pid) /* its last words count */
        members_listen(c->members, c->count, 100);
    if (m->process.log)
        fclose(m->process.log);
    member_end(m, END_SECONDS);
    m->process.log = NULL;
    peer_of(c, m)->is_running = 0;
}

void cluster_kill(cluster *c, const char *name)
{
    member *m = running(c, name);
    child_signal(&m->process, SIGKILL);
    finish(c, m);
    if (!c->is_quiet)
        tell("%s is killed (SIGKILL)", name);
}

void cluster_end(cluster *c, const char *name)
{
    member *m = running(c, name);
    uint64_t until = ticks_ms() + END_SECONDS * 1000;
    child_say(&m->process, "quit");
    while (!m->process.out.ended && ticks_ms() < until)
        members_listen(c->members, c->count, 100);
    if (!m->process.out.ended)
        die("%s does not end", name);
    finish(c, m);
    /* 1: a command has failed, as it may have had to. */
    check(WIFEXITED(m->process.status) && WEXITSTATUS(m->process.status) <= 1,
          "%s ended with wait status %d", name, m->process.status);
}

void cluster_ended(cluster *c, const char *name)
{
    member *m = running(c, name);
    uint64_t until = ticks_ms() + (uint64_t)(CLUSTER_SECONDS * 1000);
    while (!m->process.out.ended && ticks_ms() < until)
        members_listen(c->members, c->count, 100);
    if (!m->process.out.ended)
        die("%s does not end by itself", name);
    finish(c, m);
    if (!c->is_quiet)
        tell("%s has ended", name);
}

void cluster_stop(cluster *c, const char *name)
{
    child_signal(&running(c, name)->process, SIGSTOP);
}

void cluster_continue(cluster *c, const char *name)
{
    member *m = running(c, name);
    uint64_t until = ticks_ms() + (uint64_t)(CLUSTER_SECONDS * 1000);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    while (!waitid(P_PID, (id_t)m->process.pid, &info,
                   WSTOPPED | WNOHANG | WNOWAIT) &&
           !info.si_pid && ticks_ms() < until)
        members_listen(c->members, c->count, 1);
    child_signal(&m->process, SIGCONT);
}

/* >>asking ---------------------------------------------------------------- */

void cluster_say(cluster *c, const char *name, const char *command)
{
    if (!member_say(running(c, name), command))
        die("%s takes no more commands", name);
}

const cJSON *cluster_answer(cluster *c, const char *name)
{
    member *m = running(c, name);
    const cJSON *answer =
        member_answer(c->members, c->count, m, CLUSTER_SECONDS);
    if (!answer)
        die("%s gave no answer", name);
    return answer;
}

const cJSON *cluster_try(cluster *c, const char *name, const char *command)
{
    cluster_say(c, name, command);
    return cluster_answer(c, name);
}

static void need_ok(const member *m, const char *command)
{
    if (!json_get_bool(m->answer, "ok"))
        die("%s to `%s`: %s", m->name, command,
            json_get_text(m->answer, "error"));
}

const cJSON *cluster_ask(cluster *c, const char *name, const char *form, ...)
{
    char command[512];
    va_list args;
    const cJSON *answer;
    va_start(args, form);
    vsnprintf(command, sizeof command, form, args);
    va_end(args);
    answer = cluster_try(c, name, command);
    need_ok(cluster_member(c, name), command);
    return answer;
}

void cluster_ask_all(cluster *c, const char *names, const char *command)
{
    size_t i;
    for (i = 0; i < c->count; i++)
        if (c->peers[i].is_running && is_among(c->members[i].name, names))
            member_say(&c->members[i], command);
    for (i = 0; i < c->count; i++) {
        member *m = &c->members[i];
        if (!c->peers[i].is_running || !is_among(m->name, names))
            continue;
        if (!member_answer(c->members, c->count, m, CLUSTER_SECONDS))
            die("%s gave no answer to `%s`", m->name, command);
        need_ok(m, command);
    }
}

/* >>hearing --------------------------------------------------------------- */

const char *cluster_at(const cJSON *object, const char *path)
{
    static char *text;
    char key[100];
    while (object && *path) {
        size_t len = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)len, path);
        path += len + (path[len] == '/');
        if (strcmp(key, "#") == 0) {
            snprintf(key, sizeof key, "%d", cJSON_GetArraySize(object));
            free(text);
            return text = text_copy(key);
        }
        object = cJSON_IsArray(object)
                     ? cJSON_GetArrayItem(object, atoi(key))
                     : cJSON_GetObjectItemCaseSensitive(object, key);
    }
    free(text);
    if (!object || cJSON_IsString(object))
        return text = text_copy(object ? object->valuestring : "");
    return text = cJSON_PrintUnformatted(object);
}

int cluster_holds(const cJSON *object, const char *wanted)
{
    char *copy = text_copy(wanted), *rest = NULL, *word;
    int holds = 1;
    for (word = strtok_r(copy, " ", &rest); word && holds;
         word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        int differs = value > word && value[-1] == '!';
        if (!value)
            die("\"%s\" is no path=value", word);
        value[-differs] = 0;
        holds = (strcmp(cluster_at(object, word), value + 1) == 0) != differs;
    }
    free(copy);
    return holds;
}

const cJSON *cluster_hear(cluster *c, const char *name, const char *event,
                          const char *wanted)
{
    member *m = cluster_member(c, name);
    cluster_peer *peer = peer_of(c, m);
    uint64_t until = ticks_ms() + (uint64_t)(CLUSTER_SECONDS * 1000);
    for (;;) {
        const cJSON *next = cJSON_GetArrayItem(peer->events, peer->heard);
        if (next) {
            peer->heard++;
            if (strcmp(json_get_text(next, "event"), event) == 0 &&
                cluster_holds(next, wanted))
                return next;
        } else if (m->process.out.ended || ticks_ms() > until) {
            die("%s never told of %s %s", name, event, wanted);
        } else {
            members_listen(c->members, c->count, 100);
        }
    }
}

/* >>apart ----------------------------------------------------------------- */

/* On which side of the bars the name stands; -1: on none. */
static int side_of(const char *name, const char *sides)
{
    char *copy = text_copy(sides), *rest = NULL, *word;
    int side = 0, found = -1;
    for (word = strtok_r(copy, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        side += strcmp(word, "|") == 0;
        if (strcmp(word, name) == 0)
            found = side;
    }
    free(copy);
    return found;
}

/* "chaos partition=:4711|:4712": what the links to those are called. */
static void part_one(cluster *c, size_t who, const char *sides)
{
    char command[256] = "chaos partition=";
    size_t used = strlen(command), begin = used, i;
    int mine = side_of(c->members[who].name, sides), side;
    for (i = 0; i < c->count && mine >= 0; i++) {
        const char *listen = c->peers[i].listen;
        const char *port = strrchr(listen, ':');
        side = side_of(c->members[i].name, sides);
        if (side < 0 || side == mine || !port || used + 80 > sizeof command)
            continue;
        used += (size_t)snprintf(command + used, 80, "%s%.70s",
                                 used > begin ? "|" : "",
                                 strchr(port, '/') ? listen : port);
    }
    if (used > begin)
        cluster_ask(c, c->members[who].name, "%s", command);
}

void cluster_part(cluster *c, const char *sides)
{
    size_t i;
    for (i = 0; i < c->count; i++)
        if (c->peers[i].is_running)
            part_one(c, i, sides);
    if (!c->is_quiet)
        tell("apart: %s", sides);
}

void cluster_heal(cluster *c)
{
    cluster_ask_all(c, NULL, "chaos heal");
    if (!c->is_quiet)
        tell("together again");
}

/* >>the same everywhere --------------------------------------------------- */

static int are_equal(cluster *c, const char *key)
{
    char first[4096] = "";
    size_t i;
    int any = 0;
    for (i = 0; i < c->count; i++) {
        const char *value;
        if (!c->peers[i].is_running)
            continue;
        value = cluster_at(c->members[i].answer, key);
        if (any && strcmp(first, value) != 0)
            return 0;
        snprintf(first, sizeof first, "%s", value);
        any = 1;
    }
    return 1;
}

void cluster_agree(cluster *c, const char *command, const char *key)
{
    uint64_t until = ticks_ms() + (uint64_t)(CLUSTER_SECONDS * 1000);
    for (;;) {
        cluster_ask_all(c, NULL, command);
        if (are_equal(c, key))
            return;
        if (ticks_ms() > until)
            die("`%s` is not the same everywhere", command);
        members_listen(c->members, c->count, AGAIN_MS);
    }
}
