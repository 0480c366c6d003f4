#include "posix.h"

#include "loop.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "crdtsync_tcp.h"

enum { FDS_MAX = 1100, WAIT_MS_MAX = 1000 };

static volatile sig_atomic_t pending[LOOP_SIGNALS];
static sigset_t open_mask; /* signals come through only while waiting */

static void note(int number)
{
    if (number == SIGWINCH)
        pending[LOOP_RESIZED] = 1;
    else if (number == SIGCONT)
        pending[LOOP_CONTINUED] = 1;
    else
        pending[LOOP_INTERRUPTED] = 1;
}

void loop_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH,
                                   SIGCONT };
    struct sigaction action;
    sigset_t block;
    size_t i;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&block);
    sigemptyset(&action.sa_mask);
    action.sa_handler = note;
    action.sa_flags = 0;
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sigaddset(&block, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &block, &open_mask);
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigdelset(&open_mask, numbers[i]);
}

int loop_signalled(loop_signal which)
{
    int was = pending[which] != 0;
    pending[which] = 0;
    return was;
}

/* A wait that finds something to read at once lets no signal in: under heavy
 * traffic Ctrl-C would never come through. */
static void let_signals_in(void)
{
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, &open_mask, &blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static int least(int a, int b)
{
    return b >= 0 && b < a ? b : a;
}

int loop_poll(crdt_node *node, const crdt_transport *tcp, int fd,
              int timeout_ms)
{
    static struct pollfd fds[FDS_MAX];
    struct timespec wait;
    int patience = -1, ready;
    size_t count;
    crdt_node_flush(node);
    count = crdt_tcp_fds(tcp, fds + 1, FDS_MAX - 1, &patience);
    patience = least(least(WAIT_MS_MAX, timeout_ms), patience);
    fds[0].fd = fd; /* poll passes over a negative one */
    fds[0].events = POLLIN;
    fds[0].revents = 0;
    wait.tv_sec = patience / 1000;
    wait.tv_nsec = patience % 1000 * 1000000L;
    ready = ppoll(fds, count + 1, &wait, &open_mask);
    let_signals_in();
    crdt_node_poll(node, 0);
    return ready > 0 ? fds[0].revents : 0;
}
