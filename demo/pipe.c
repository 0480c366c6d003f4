/*
 * A transport of one's own, on a page: two processes that share a document
 * over two pipes. Needs nothing but a C compiler and a POSIX system:
 *
 *     cc -o pipe demo/pipe.c && ./pipe
 */
#define _POSIX_C_SOURCE 200809L

#define CRDTSYNC_IMPLEMENTATION
#include "../crdtsync.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>

/* >>the transport, in 40 lines: one peer, number 1 ------------------------ */

struct pipes {
    struct pollfd fds[2]; /* in; and out, with events while it is full */
    const crdt_upcalls *up;
    int was_up;
};

static crdt_err pipes_start(void *ctx, const crdt_upcalls *up)
{
    ((struct pipes *)ctx)->up = up;
    return CRDT_OK;
}

/* A pipe takes PIPE_BUF bytes all or not at all. */
static crdt_err pipes_send(void *ctx, crdt_peer peer, crdt_bytes bytes)
{
    struct pollfd *out = &((struct pipes *)ctx)->fds[1];
    if (write(peer == 1 ? out->fd : -1, bytes.ptr, bytes.len) >= 0)
        return CRDT_OK;
    out->events = POLLOUT;
    return errno == EAGAIN ? CRDT_ERR_AGAIN : CRDT_ERR_CLOSED;
}

/* The other end reads what is left and closes its own: then we are down. */
static void pipes_drop(void *ctx, crdt_peer peer, const char *why)
{
    struct pollfd *out = &((struct pipes *)ctx)->fds[1];
    (void)peer, (void)why; /* there is one, and he need not know */
    close(out->fd);
    out->fd = -1;
}

static crdt_err pipes_poll(void *ctx, int timeout_ms)
{
    struct pipes *p = ctx;
    char bytes[65536];
    ssize_t len;
    if (!p->was_up++)
        p->up->peer_up(p->up->ctx, 1, "pipe");
    poll(p->fds, 2, timeout_ms);
    if (p->fds[1].revents) {
        p->fds[1].events = 0;
        p->up->writable(p->up->ctx, 1);
    }
    len = read(p->fds[0].fd, bytes, sizeof bytes);
    if (len > 0)
        p->up->received(p->up->ctx, 1, crdt_bytes_of(bytes, (size_t)len));
    if (len == 0) {
        pipes_drop(p, 1, "");
        close(p->fds[0].fd);
        p->fds[0].fd = -1; /* poll(2) passes over it */
        p->up->peer_down(p->up->ctx, 1, "closed");
    }
    return CRDT_OK;
}

static void pipes_close(void *ctx)
{
    pipes_drop(ctx, 1, "");
    close(((struct pipes *)ctx)->fds[0].fd);
}

/* >>its use --------------------------------------------------------------- */

/* Adds `own` to a counter, and waits until the others' is in it too. */
static int run(const char *name, int64_t own, int in, int out)
{
    struct pipes pipes = { .fds = { { in, POLLIN, 0 }, { out, 0, 0 } } };
    crdt_transport transport = {
        .version = 1,
        .ctx = &pipes,
        .properties = CRDT_RELIABLE | CRDT_ORDERED | CRDT_STREAM,
        .message_max = PIPE_BUF,
        .start = pipes_start,
        .send = pipes_send,
        .poll = pipes_poll,
        .drop = pipes_drop,
        .close = pipes_close,
    };
    crdt_doc *doc;
    crdt_node *node;
    int64_t sum = 0;
    int i;
    transport.properties |= CRDT_TRUSTED_PEERS; /* parent and child */
    fcntl(in, F_SETFL, O_NONBLOCK);
    fcntl(out, F_SETFL, O_NONBLOCK);
    if (crdt_doc_new(&doc, NULL) || crdt_node_new(&node, NULL) ||
        crdt_node_share(node, CRDT_STR("sum"), doc) ||
        crdt_node_attach(node, &transport))
        return 1;
    crdt_counter_add(crdt_map_counter(crdt_root(doc), CRDT_STR("n")), own);
    crdt_commit(doc);
    for (i = 0; i < 100 && (sum != 42 || i < 5); i++) {
        crdt_node_poll(node, 20);
        crdt_counter_get(crdt_map_counter(crdt_root(doc), CRDT_STR("n")),
                         &sum);
    }
    printf("%s: %d\n", name, (int)sum);
    crdt_node_free(node); /* closes the transport */
    crdt_doc_free(doc);
    return sum != 42;
}

int main(void)
{
    int there[2], back[2], status = 1;
    signal(SIGPIPE, SIG_IGN);
    if (pipe(there) || pipe(back))
        return 1;
    if (fork() == 0) {
        close(there[1]);
        close(back[0]);
        return run("child", 40, there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    if (run("parent", 2, back[0], there[1]))
        return 1;
    wait(&status);
    return status != 0;
}
