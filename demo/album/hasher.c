#include "../common/posix.h"

#include "hasher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPS = 2, MEMORY = 64 << 20 };

static int make_hash(const char *password, char out[HASH_MAX])
{
    return crypto_pwhash_str_alg(out, password, strlen(password), OPS, MEMORY,
                                 crypto_pwhash_ALG_ARGON2ID13) == 0;
}

int hasher_start(hasher *h)
{
    char password[65];
    uint8_t random[32];
    memset(h, 0, sizeof *h);
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(password, sizeof password, random, sizeof random);
    return make_hash(password, h->nobody);
}

static void forget(hasher_job *job)
{
    if (job->pid) {
        close(job->fd);
        waitpid(job->pid, NULL, 0);
    }
    sodium_memzero(job, sizeof *job);
}

void hasher_stop(hasher *h)
{
    size_t i;
    for (i = 0; i < HASHER_QUEUE_MAX; i++) {
        if (h->jobs[i].pid)
            kill(h->jobs[i].pid, SIGKILL);
        forget(&h->jobs[i]);
    }
}

/* >>working --------------------------------------------------------------- */

/* In the process of the job: one byte, fine or not, and the hash it made. */
static void work(const hasher_job *job, int fd)
{
    char answer[1 + HASH_MAX] = { 0 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (job->is_check)
        answer[0] = crypto_pwhash_str_verify(job->hash, job->password,
                                             strlen(job->password)) == 0;
    else
        answer[0] = (char)make_hash(job->password, answer + 1);
    _exit(write(fd, answer, sizeof answer) != sizeof answer);
}

static int begin(hasher_job *job)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return 0;
    fflush(NULL);
    job->pid = fork();
    if (job->pid == 0)
        work(job, ends[1]);
    close(ends[1]);
    if (job->pid < 0) {
        close(ends[0]);
        job->pid = 0;
        return 0;
    }
    job->fd = ends[0];
    return 1;
}

static hasher_job *oldest(hasher *h, size_t *running)
{
    hasher_job *next = NULL;
    size_t i;
    *running = 0;
    for (i = 0; i < HASHER_QUEUE_MAX; i++) {
        hasher_job *job = &h->jobs[i];
        *running += job->pid != 0;
        if (job->ticket && !job->pid && (!next || job->ticket < next->ticket))
            next = job;
    }
    return next;
}

/* Those that the limit allows. When there is no process now, the next step
 * tries again. */
static void begin_waiting(hasher *h)
{
    hasher_job *next;
    size_t running;
    while ((next = oldest(h, &running)) && running < HASHER_AT_ONCE)
        if (!begin(next))
            return;
}

/* >>asking ---------------------------------------------------------------- */

static int ask(hasher *h, uint64_t ticket, const char *password,
               const char *hash)
{
    size_t i;
    for (i = 0; i < HASHER_QUEUE_MAX; i++) {
        hasher_job *job = &h->jobs[i];
        if (job->ticket)
            continue;
        job->ticket = ticket;
        job->is_check = *hash != 0;
        snprintf(job->password, sizeof job->password, "%s", password);
        snprintf(job->hash, sizeof job->hash, "%s", hash);
        begin_waiting(h);
        return 1;
    }
    return 0;
}

int hasher_check(hasher *h, uint64_t ticket, const char *password,
                 const char *hash)
{
    return ask(h, ticket, password, hash ? hash : h->nobody);
}

int hasher_make(hasher *h, uint64_t ticket, const char *password)
{
    return ask(h, ticket, password, "");
}

/* >>done ------------------------------------------------------------------- */

static void finish(hasher_job *job, hasher_fn *fn, void *ctx)
{
    char answer[1 + HASH_MAX] = { 0 };
    uint64_t ticket = job->ticket;
    int fine = read(job->fd, answer, sizeof answer) == sizeof answer;
    int is_check = job->is_check;
    answer[HASH_MAX] = 0;
    forget(job);
    fn(ctx, ticket, fine && answer[0], is_check ? "" : answer + 1);
}

size_t hasher_fds(const hasher *h, struct pollfd *out, size_t max)
{
    size_t i, count = 0;
    for (i = 0; i < HASHER_QUEUE_MAX && count < max; i++)
        if (h->jobs[i].pid) {
            out[count].fd = h->jobs[i].fd;
            out[count].events = POLLIN;
            out[count++].revents = 0;
        }
    return count;
}

void hasher_step(hasher *h, hasher_fn *fn, void *ctx)
{
    struct pollfd ready;
    size_t i;
    for (i = 0; i < HASHER_QUEUE_MAX; i++) {
        ready.fd = h->jobs[i].fd;
        ready.events = POLLIN;
        if (h->jobs[i].pid && poll(&ready, 1, 0) > 0)
            finish(&h->jobs[i], fn, ctx);
    }
    begin_waiting(h);
}
