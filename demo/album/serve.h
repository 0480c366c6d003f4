/*
 * Connections taken: as many as may be, each with its deadlines, their
 * messages handed over one by one.
 */
#ifndef ALBUM_SERVE_H
#define ALBUM_SERVE_H

#include "wire.h"

enum {
    SERVE_MAX = 128,              /* connections */
    SERVE_GREET_MS = 5000,        /* for HELLO and the first message */
    SERVE_MESSAGE_MS = 120 * 1000 /* for each that follows */
};

typedef struct serve {
    int listener, epoll;
    pass_key key;
    wire *wires[SERVE_MAX];
    size_t count;
    /* Is to answer by wire_answer, always; else the connection ends. */
    void (*hear)(void *ctx, wire *from, wire_kind kind, const uint8_t *body,
                 size_t len);
    void *ctx;
} serve;

/* 0: `why` says it. The epoll descriptor becomes readable when there is
 * something to do. */
int serve_open(serve *s, const char *listen, const pass_key *key, char *why,
               size_t size);
void serve_close(serve *s);
unsigned serve_port(const serve *s);

/* Does what can be done, one message of each connection; answers the ms until
 * it must be called again. */
int serve_step(serve *s);

#endif
