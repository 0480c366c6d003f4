#include "posix.h"

#include "loop.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

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

void loop_begin(loop_set *set, int timeout_ms)
{
    set->count = 0;
    set->timeout_ms = timeout_ms;
}

void loop_patience(loop_set *set, int timeout_ms)
{
    if (timeout_ms >= 0 && timeout_ms < set->timeout_ms)
        set->timeout_ms = timeout_ms;
}

void loop_add(loop_set *set, int fd, short events)
{
    struct pollfd *out = &set->fds[set->count];
    if (set->count == LOOP_FDS_MAX)
        return;
    out->fd = fd; /* poll passes over a negative one */
    out->events = events;
    out->revents = 0;
    set->count++;
}

void loop_add_network(loop_set *set, const network *net)
{
    int timeout_ms = -1;
    set->count += network_fds(net, set->fds + set->count,
                              LOOP_FDS_MAX - set->count, &timeout_ms);
    loop_patience(set, timeout_ms);
}

int loop_wait(struct pollfd *fds, size_t count, int timeout_ms)
{
    struct timespec wait;
    int ready;
    wait.tv_sec = timeout_ms / 1000;
    wait.tv_nsec = timeout_ms % 1000 * 1000000L;
    ready = ppoll(fds, count, &wait, &open_mask);
    let_signals_in();
    return ready;
}

void loop_wait_for(loop_set *set)
{
    if (loop_wait(set->fds, set->count, set->timeout_ms) <= 0 && set->count)
        set->fds[0].revents = 0;
}
