#include "posix.h"

#include "child.h"
#include "ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MAX = 64 };

/* For the signal handler, so plain and bounded. */
static volatile pid_t running[CHILDREN_MAX];
static void (*on_signal)(void);

/* >>never left behind ----------------------------------------------------- */

void children_end(void)
{
    size_t i;
    for (i = 0; i < CHILDREN_MAX; i++) {
        if (running[i])
            kill(running[i], SIGKILL);
        running[i] = 0;
    }
}

void children_on_signal(void (*call)(void))
{
    on_signal = call;
}

static void end_all(int number)
{
    children_end();
    if (on_signal)
        on_signal();
    signal(number, SIG_DFL);
    raise(number);
}

static void guard(void)
{
    static const int fatal[] = { SIGINT,  SIGTERM, SIGHUP, SIGQUIT,
                                 SIGABRT, SIGSEGV, SIGBUS, SIGFPE };
    static int is_guarded;
    size_t i;
    if (is_guarded)
        return;
    is_guarded = 1;
    atexit(children_end);
    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], end_all);
}

static int note(pid_t pid)
{
    size_t i;
    for (i = 0; i < CHILDREN_MAX; i++)
        if (!running[i]) {
            running[i] = pid;
            return 1;
        }
    return 0;
}

static void forget(pid_t pid)
{
    size_t i;
    for (i = 0; i < CHILDREN_MAX; i++)
        if (running[i] == pid)
            running[i] = 0;
}

/* >>starting -------------------------------------------------------------- */

/* What runs between fork and the program. */
static void become(const char *const argv[], int input, int output,
                   pid_t parent)
{
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before prctl */
        _exit(127);
    if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
        _exit(127);
    execv(argv[0], (char *const *)(uintptr_t)argv); /* which changes none */
    _exit(127);
}

static void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

int child_start(child *c, const char *const argv[])
{
    static const reader fresh = READER_INIT;
    int in[2], out[2];
    pid_t parent = getpid();
    guard();
    memset(c, 0, sizeof *c);
    c->input = -1;
    c->out = fresh;
    if (pipe2(in, O_CLOEXEC))
        return 0;
    if (pipe2(out, O_CLOEXEC)) {
        close_pair(in);
        return 0;
    }
    fflush(NULL);
    c->pid = fork();
    if (c->pid == 0)
        become(argv, in[0], out[1], parent);
    close(in[0]);
    close(out[1]);
    c->input = in[1];
    c->out.fd = out[0];
    if (c->pid > 0 && note(c->pid))
        return 1;
    child_wait(c, 0);
    return 0;
}

/* >>talking --------------------------------------------------------------- */

/* So little goes into a pipe as a whole, or not at all. */
static int write_line(int fd, const char *line, size_t len)
{
    ssize_t wrote;
    do
        wrote = write(fd, line, len);
    while (wrote < 0 && errno == EINTR);
    return wrote == (ssize_t)len;
}

int child_say(child *c, const char *line)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "%s\n", line);
    if (c->log)
        fprintf(c->log, "> %s\n", line);
    return c->input >= 0 && len < (int)sizeof text &&
           write_line(c->input, text, (size_t)len);
}

/* >>ending ---------------------------------------------------------------- */

void child_signal(const child *c, int number)
{
    if (c->pid > 0)
        kill(c->pid, number);
}

void child_wait(child *c, double seconds_max)
{
    uint64_t until = ticks_ms() + (uint64_t)(seconds_max * 1000);
    if (c->input >= 0)
        close(c->input);
    c->input = -1;
    while (c->pid > 0 && waitpid(c->pid, &c->status, WNOHANG) == 0) {
        if (ticks_ms() >= until)
            kill(c->pid, SIGKILL);
        usleep(2000);
    }
    forget(c->pid);
    c->pid = 0;
    reader_close(&c->out);
}
