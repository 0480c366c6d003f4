/*
 * counter: integers that everyone may change at once, kept equal between peers
 * over TCP. docs/counter.md tells how to use it.
 */
#include "../common/posix.h"

#include "app.h"
#include "../common/edit.h"
#include "../common/loop.h"
#include "inputs.h"
#include "notices.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdtsync_tcp.h"

static int refuse(const app *a, const char *what, crdt_err err)
{
    const char *why = *a->log_line ? a->log_line : crdt_err_text(err);
    fprintf(stderr, "counter: %s: %s\n", what, why);
    return 0;
}

/* >>network --------------------------------------------------------------- */

static crdt_log logger(app *a)
{
    crdt_log log;
    log.version = 1;
    log.ctx = a;
    log.line = notices_log;
    return log;
}

static int open_tcp(app *a)
{
    crdt_tcp_config config;
    const char *peers[OPTION_LIST_MAX];
    crdt_log log = logger(a);
    crdt_err err;
    size_t i;
    memset(&config, 0, sizeof config);
    for (i = 0; i < a->set.peers.count; i++)
        peers[i] = a->set.peers.items[i];
    config.listen = a->set.listen;
    config.peers = peers;
    config.peers_count = a->set.peers.count;
    config.backoff_max_ms = 2000;
    config.log = &log;
    err = crdt_tcp_new(&a->tcp, &config);
    if (err)
        return refuse(a, "cannot open the network", err);
    err = crdt_node_attach(a->node, &a->tcp);
    if (!err)
        return 1;
    a->tcp.close(a->tcp.ctx);
    return refuse(a, "cannot use the network", err);
}

static int open_node(app *a)
{
    crdt_node_config config;
    crdt_log log = logger(a);
    crdt_err err;
    memset(&config, 0, sizeof config);
    config.name = crdt_str(a->set.name);
    config.log = &log;
    err = crdt_doc_new(&a->doc, NULL);
    if (err)
        return refuse(a, "cannot make a document", err);
    err = crdt_node_new(&a->node, &config);
    if (!err)
        err = crdt_node_share(a->node, CRDT_STR(DOCUMENT_NAME), a->doc);
    if (err)
        return refuse(a, "cannot make a node", err);
    a->replica = crdt_doc_replica(a->doc);
    return open_tcp(a);
}

/* >>start and stop -------------------------------------------------------- */

/* HOST of HOST:PORT, with the port that the system chose for 0. */
static void note_listening(app *a)
{
    const char *listen = a->set.listen;
    const char *colon = listen ? strrchr(listen, ':') : NULL;
    if (colon)
        snprintf(a->listening, sizeof a->listening, "%.*s:%u",
                 (int)(colon - listen), listen, crdt_tcp_port(&a->tcp));
}

static void greet(app *a)
{
    cJSON *event = say_event(&a->say, "ready");
    char id[33];
    crdt_id_text(&a->replica, id);
    json_text(event, "name", a->set.name);
    json_text(event, "replica", id);
    json_text(event, "listen", a->listening);
    json_number(event, "port", crdt_tcp_port(&a->tcp));
    json_text(event, "version", CRDTSYNC_VERSION);
    say_notice(&a->say, event,
               *a->listening ? "%s listens on %s; help lists the commands"
                             : "%s%s: help lists the commands",
               a->set.name, a->listening);
}

static int start(app *a)
{
    say_start(&a->say, a->set.json);
    if (!open_node(a))
        return 0;
    *a->log_line = 0;
    note_listening(a);
    if (a->set.json || a->set.listen)
        greet(a);
    inputs_start(a);
    if (!a->set.file || inputs_load(a, a->set.file, a->set.rate))
        return 1;
    edit_stop();
    fprintf(stderr, "counter: cannot read %s: %s\n", a->set.file,
            strerror(errno));
    return 0;
}

static void stop(app *a)
{
    inputs_stop(a);
    crdt_node_free(a->node); /* says goodbye to the peers */
    crdt_doc_free(a->doc);
    settings_free(&a->set);
}

static void heed_signals(app *a)
{
    if (loop_signalled(LOOP_RESIZED))
        edit_resize();
    if (loop_signalled(LOOP_CONTINUED))
        edit_again();
    if (loop_signalled(LOOP_INTERRUPTED) && !inputs_release(a))
        a->quits = 1;
}

static void go(app *a)
{
    for (;;) {
        int timeout_ms = inputs_step(a), ready;
        if (a->quits)
            return;
        ready = loop_poll(a->node, &a->tcp, inputs_fd(a), timeout_ms);
        if (ready)
            inputs_ready(a, ready);
        notices_update(a);
        heed_signals(a);
    }
}

int main(int argc, char **argv)
{
    static app a; /* all zero */
    int status;
    setlocale(LC_CTYPE, "");
    status = settings_read(&a.set, argc, argv);
    if (status >= 0) {
        settings_free(&a.set);
        return status;
    }
    loop_signals();
    status = 1;
    if (start(&a)) {
        go(&a);
        if (!a.keys.is_terminal)
            status = a.say.failures ? 1 : 0;
        else
            status = 0;
    }
    stop(&a);
    return status;
}
