/*
 * counter: integers that everyone may change at once, kept equal between peers.
 * docs/counter.md tells how to use it.
 */
#include "../common/posix.h"

#include "app.h"
#include "../common/edit.h"
#include "../common/loop.h"
#include "inputs.h"
#include "mode.h"
#include "names.h"
#include "node.h"
#include "notices.h"
#include "repair.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FDS_MAX = 1100 };

/* Of two times to wait, of which a negative one is for ever. */
static int least(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Who was heard is dialled, and stays so while it is heard. */
static void found(void *ctx, const char *address)
{
    app *a = (app *)ctx;
    network_add_peer(&a->net, address);
}

/* >>start and stop -------------------------------------------------------- */

static void greet(app *a)
{
    cJSON *event = say_event(&a->say, "ready");
    char id[33];
    crdt_id_text(&a->replica, id);
    json_text(event, "name", a->set.name);
    json_text(event, "replica", id);
    json_uint64(event, "stored", a->stored);
    json_text(event, "listen", a->net.listening);
    json_number(event, "port", network_port(&a->net));
    json_text(event, "version", CRDTSYNC_VERSION);
    say_notice(&a->say, event,
               *a->net.listening ? "%s listens on %s; help lists the commands"
                                 : "%s%s: help lists the commands",
               a->set.name, a->net.listening);
}

static int start(app *a)
{
    say_start(&a->say, a->set.json);
    if (!node_open(a))
        return 0;
    *a->log_line = 0;
    mode_start(a);
    names_update(a);
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
    beacon_close(a->beacon);
    node_leave(a);
    history_free(&a->history);
    node_close(a);
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

/* One round: what is typed, what the network and the beacon have; answers what
 * poll(2) says of the first. */
static int wait_for_something(app *a, int timeout_ms)
{
    static struct pollfd fds[FDS_MAX];
    int due_ms = -1, beacon_ms = -1;
    size_t count;
    memset(fds, 0, 2 * sizeof *fds);
    fds[0].fd = inputs_fd(a); /* poll passes over a negative one */
    fds[0].events = fds[1].events = POLLIN;
    fds[1].fd = a->beacon ? beacon_fd(a->beacon) : -1;
    if (a->beacon)
        beacon_ms = beacon_step(a->beacon, found, a);
    crdt_node_flush(a->node);
    count = network_fds(&a->net, fds + 2, FDS_MAX - 2, &due_ms);
    timeout_ms = least(least(timeout_ms, due_ms), beacon_ms);
    if (loop_wait(fds, count + 2, timeout_ms) <= 0)
        fds[0].revents = 0;
    crdt_node_poll(a->node, 0);
    return fds[0].revents;
}

static void go(app *a)
{
    for (;;) {
        int timeout_ms = inputs_step(a), ready;
        if (a->quits)
            return;
        ready = wait_for_something(a, timeout_ms);
        if (ready)
            inputs_ready(a, ready);
        names_update(a);
        mode_update(a);
        if (!repair_step(a)) {
            a->say.failures++;
            return;
        }
        notices_update(a);
        if (notices_store(a) == CRDT_ERR_IO) {
            a->say.failures++;
            a->quits = 1;
        }
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
