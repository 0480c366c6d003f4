#include "../common/posix.h"

#include "commands.h"
#include "call.h"
#include "../common/graph.h"
#include "../common/text.h"
#include "inputs.h"
#include "mode.h"
#include "names.h"
#include "report.h"
#include "variables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_SECONDS = 30 };

typedef struct command {
    const char *name, *arguments, *what;
    int least, most; /* arguments */
    int changes;     /* the document: from a file its success is quiet */
    int completes;   /* the first argument is a variable */
    void (*run)(call *c);
} command;

static const command *command_at(size_t index);

/* >>telling --------------------------------------------------------------- */

static void run_peers(call *c)
{
    report_peers(c->a);
}

static void run_status(call *c)
{
    report_status(c->a);
}

static void run_digest(call *c)
{
    report_digest(c->a);
}

static void run_vv(call *c)
{
    report_vv(c->a);
}

static const char *graph_name(void *ctx, const crdt_id *replica)
{
    return names_replica((app *)ctx, replica);
}

static void run_graph(call *c)
{
    app *a = c->a;
    graph_subject subject;
    subject.node = a->node;
    subject.doc = a->doc;
    subject.document = DOCUMENT_NAME;
    subject.ctx = a;
    subject.name_of = graph_name;
    if (!graph_write(&subject, c->word[1])) {
        say_fail(&a->say, "as in: graph now.svg", "cannot write %s: %s",
                 c->word[1], strerror(errno));
        return;
    }
    json_text(a->say.answer, "file", c->word[1]);
    say_line(&a->say, "drawn in %s", c->word[1]);
}

/* >>waiting --------------------------------------------------------------- */

/* The answer comes when the hold ends. */
static void hold_for(call *c, hold_kind kind, double seconds)
{
    if (c->words > 1 && !text_number(c->word[1], &seconds)) {
        say_fail(&c->a->say, NULL,
                 "SECONDS is a number of at least 0, not \"%s\"", c->word[1]);
        return;
    }
    say_later(&c->a->say);
    inputs_hold(c->a, c->from, kind, seconds, c->line);
}

static void run_wait(call *c)
{
    hold_for(c, HOLD_WAIT, WAIT_SECONDS);
}

static void run_sleep(call *c)
{
    hold_for(c, HOLD_SLEEP, -1);
}

static void run_load(call *c)
{
    double rate = c->a->set.rate;
    if (c->words > 2 && !text_number(c->word[2], &rate))
        say_fail(&c->a->say, "as in: load operations.txt 1000",
                 "RATE is a number of at least 0, not \"%s\"", c->word[2]);
    else if (c->a->load.is_running)
        say_fail(&c->a->say, "`wait` waits for its end",
                 "%s is still being loaded", c->a->load.file);
    else if (!inputs_load(c->a, c->word[1], rate))
        say_fail(&c->a->say, NULL, "cannot read %s: %s", c->word[1],
                 strerror(errno));
    else {
        json_text(c->a->say.answer, "file", c->word[1]);
        say_line(&c->a->say, "loading %s; `wait` waits for its end",
                 c->word[1]);
    }
}

static void run_quit(call *c)
{
    c->a->quits = 1;
}

/* >>members --------------------------------------------------------------- */

static void run_sync(call *c)
{
    app *a = c->a;
    const char *word = c->words > 1 ? c->word[1] : "";
    int strict = *word ? strcmp(word, "strict") == 0 : a->set.strict;
    crdt_err err;
    if (*word && !strict && strcmp(word, "open") != 0) {
        say_fail(&a->say, "type: sync, sync open or sync strict",
                 "\"%s\" is no kind of full sync", word);
        return;
    }
    err = mode_ask(a, strict ? CRDT_SYNC_STRICT : CRDT_SYNC_OPEN);
    if (err) {
        say_fail(&a->say, NULL, "no full sync: %s", crdt_err_text(err));
        return;
    }
    say_later(&a->say);
    inputs_hold(a, c->from, HOLD_SYNC, a->set.lease + 1, c->line);
}

static void run_evict(call *c)
{
    crdt_id replica;
    crdt_err err;
    if (!names_find(c->a, c->word[1], &replica)) {
        say_fail(&c->a->say, "`peers` lists them",
                 "no other member goes by \"%s\"", c->word[1]);
        return;
    }
    err = crdt_node_evict(c->a->node, CRDT_STR(DOCUMENT_NAME), &replica);
    if (err)
        say_fail(&c->a->say, NULL, "cannot: %s", crdt_err_text(err));
    else
        say_line(&c->a->say, "nobody waits for %s any more", c->word[1]);
}

static void run_chaos(call *c)
{
    char why[200] = "";
    const char *spec = strchr(c->line, ' ');
    if (!c->a->set.chaos)
        say_fail(&c->a->say, "start with --chaos heal, for example",
                 "there is no chaos around the network to be changed");
    else if (network_chaos(&c->a->net, spec ? spec + 1 : "", why, sizeof why))
        say_fail(&c->a->say, "as in: chaos loss=10%,delay=50ms; chaos heal",
                 "%s", why);
    else
        say_line(&c->a->say, "so be it");
}

/* >>help ------------------------------------------------------------------ */

static const command *command_find(const char *name)
{
    const command *row;
    size_t i;
    for (i = 0; (row = command_at(i)); i++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static void help_row(app *a, const command *row, cJSON *list)
{
    char left[64];
    snprintf(left, sizeof left, "%s %s", row->name, row->arguments);
    say_line(&a->say, "  %-30s %s", left, row->what);
    if (list) {
        cJSON *object = cJSON_CreateObject();
        json_text(object, "name", row->name);
        json_text(object, "arguments", row->arguments);
        json_text(object, "what", row->what);
        cJSON_AddItemToArray(list, object);
    }
}

static void unknown(app *a, const char *name)
{
    const char *names[32], *near;
    char hint[100], clean[64];
    const command *row;
    size_t i;
    for (i = 0; (row = command_at(i)) && i < 31; i++)
        names[i] = row->name;
    names[i] = NULL;
    near = text_nearest(name, names);
    row = near ? command_find(near) : NULL;
    if (row)
        snprintf(hint, sizeof hint, "did you mean: %s%s%s", row->name,
                 *row->arguments ? " " : "", row->arguments);
    else
        snprintf(hint, sizeof hint, "help lists what there is");
    say_fail(&a->say, hint, "there is no command \"%s\"",
             text_clean(clean, sizeof clean, name, strlen(name)));
}

static void run_help(call *c)
{
    app *a = c->a;
    const command *only = NULL, *row;
    cJSON *list;
    size_t i;
    if (c->words > 1) {
        const char *name = c->word[1] + (*c->word[1] == '/');
        only = command_find(strchr("+-", *name) ? "+N" : name);
        if (!only) {
            unknown(a, name);
            return;
        }
    }
    list = a->say.answer ? cJSON_AddArrayToObject(a->say.answer, "commands")
                         : NULL;
    for (i = 0; (row = command_at(i)); i++)
        if (!only || row == only)
            help_row(a, row, list);
}

/* >>table ----------------------------------------------------------------- */

static const command *command_at(size_t index)
{
    static const command table[] = {
        { "create", "NAME", "a new variable, with value 0", 1, 1, 1, 0,
          run_create },
        { "variables", "", "every variable with its value", 0, 0, 0, 0,
          run_variables },
        { "get", "NAME", "the value of one", 1, 1, 0, 1, run_get },
        { "+N", "NAME", "add N to it; -N NAME takes N from it", 1, 1, 1, 1,
          run_sign },
        { "add", "NAME N", "the same as +N NAME; N may be negative", 2, 2, 1,
          1, run_add },
        { "populate", "NAME [COUNT [SEED]]",
          "many random changes (1,000), one by one", 1, 3, 0, 1,
          run_populate },
        { "history", "NAME [ROWS]",
          "what has been done to it since the last full sync", 1, 2, 0, 1,
          run_history },
        { "before", "NAME", "its value at the last full sync", 1, 1, 0, 1,
          run_before },
        { "sync", "[open|strict]",
          "a full sync: all compare, and history begins anew", 0, 1, 0, 0,
          run_sync },
        { "evict", "NAME", "wait no longer for a member that is gone", 1, 1, 0,
          0, run_evict },
        { "chaos", "SPEC", "spoil the network of --chaos in another way", 1,
          WORDS_MAX, 0, 0, run_chaos },
        { "graph", "FILE.svg|FILE.dot", "who has what, as a picture", 1, 1, 0,
          0, run_graph },
        { "peers", "", "who is connected, and what is not yet where", 0, 0, 0,
          0, run_peers },
        { "status", "", "all about this replica, its peers and the traffic", 0,
          0, 0, 0, run_status },
        { "wait", "[SECONDS]", "until synced with all connected peers (30 s)",
          0, 1, 0, 0, run_wait },
        { "sleep", "[SECONDS]",
          "do nothing but sync; for ever without a number", 0, 1, 0, 0,
          run_sleep },
        { "digest", "", "128 bits of all values: equal where all is equal", 0,
          0, 0, 0, run_digest },
        { "vv", "", "the version vector: what has been seen of whom", 0, 0, 0,
          0, run_vv },
        { "load", "FILE [RATE]", "do the commands of a file, RATE a second", 1,
          2, 0, 0, run_load },
        { "help", "[COMMAND]", "this", 0, 1, 0, 0, run_help },
        { "quit", "", "say goodbye and end", 0, 0, 0, 0, run_quit },
    };
    return index < sizeof table / sizeof *table ? &table[index] : NULL;
}

static void usage(app *a, const command *row)
{
    char hint[100];
    snprintf(hint, sizeof hint, "type: %s%s%s", row->name,
             *row->arguments ? " " : "", row->arguments);
    say_fail(&a->say, hint, "%s does not take that", row->name);
}

static void run(call *c, const command *row, const char *place)
{
    app *a = c->a;
    int is_sign = row && row->run == run_sign;
    int quiet = c->from->file && row && row->changes;
    if (row && row->changes && mode_is_frozen(a)) {
        inputs_hold(a, c->from, HOLD_FROZEN, -1, c->line);
        return;
    }
    say_begin(&a->say, c->line, place, quiet);
    if (!row)
        unknown(a, c->word[0]);
    else if (!is_sign &&
             (c->words - 1 < row->least || c->words - 1 > row->most))
        usage(a, row);
    else
        row->run(c);
    if (row && row->changes && !a->say.failed)
        c->from->applied++;
    say_end(&a->say);
}

/* >>lines ----------------------------------------------------------------- */

static int split(char *line, char **word)
{
    char *rest = NULL, *next = strtok_r(line, " \t", &rest);
    int words = 0;
    for (; next && words < WORDS_MAX; next = strtok_r(NULL, " \t", &rest))
        word[words++] = next;
    word[words] = NULL;
    return words;
}

static const command *choose(const char *word)
{
    if (*word == '+' || *word == '-')
        return command_find("+N");
    return command_find(word);
}

void commands_do(app *a, source *from, char *line)
{
    char place[300] = "", *copy;
    call c;
    line = text_trim(line);
    if (!*line || *line == '#')
        return;
    line += *line == '/';
    copy = text_copy(line);
    c.a = a;
    c.from = from;
    c.line = copy;
    c.words = split(line, c.word);
    if (from->file)
        snprintf(place, sizeof place, "%.250s:%" PRIu64 ": ", from->file,
                 from->line);
    if (c.words)
        run(&c, choose(c.word[0]), place);
    free(copy);
}

/* >>completion ------------------------------------------------------------ */

static const char *nth_variable(app *a, size_t index)
{
    static char name[CRDTSYNC_MAX_KEY + 1];
    crdt_cursor cursor = CRDT_CURSOR_INIT;
    crdt_obj counter;
    do {
        if (variable_next(a->doc, &cursor, &counter))
            return NULL;
    } while (index-- > 0);
    memcpy(name, cursor.key.ptr, cursor.key.len);
    name[cursor.key.len] = 0;
    return name;
}

const char *commands_word(void *ctx, const char *line, size_t index)
{
    char copy[256], *word[WORDS_MAX + 1];
    const command *row = command_at(index);
    int words;
    snprintf(copy, sizeof copy, "%s", line + (*line == '/'));
    words = split(copy, word);
    if (words == 0 || (words == 1 && strcmp(word[0], "help") == 0))
        return row ? row->name : NULL;
    row = choose(word[0]);
    if (words > 1 || !row || !row->completes)
        return NULL;
    return nth_variable((app *)ctx, index);
}
