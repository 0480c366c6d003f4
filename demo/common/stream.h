/*
 * A TCP connection that never blocks: bytes gather in two buffers, and calls
 * move as many of them as go at once.
 *
 *     network -- stream_fill --> in   -- the program reads, stream_take
 *     network <-- stream_flush -- out <-- stream_put
 *
 *     stream s = STREAM_INIT;
 *     stream_connect(&s, "127.0.0.1:4700", 0);
 *     poll() for stream_events(&s): stream_flush(&s), stream_fill(&s, 4096)
 *     s.is_over: nothing more will come; s.why says why, "" for a plain end
 *
 * Addresses are "HOST:PORT", "[V6]:PORT" or ":PORT".
 */
#ifndef DEMO_STREAM_H
#define DEMO_STREAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct stream {
    int fd; /* -1: closed */
    int is_connecting;
    int is_over; /* in may still hold what came before */
    char why[96];
    uint8_t *in, *out;
    size_t in_len, in_cap;
    size_t out_start, out_len, out_cap; /* out[out_start .. out_len) waits */
} stream;

#define STREAM_INIT                                                           \
    {                                                                         \
        -1, 0, 0, { 0 }, NULL, NULL, 0, 0, 0, 0, 0                            \
    }

/* A socket that listens, or -1: `why` says it. Port 0 is any. */
int stream_listen(const char *address, char *why, size_t why_size);
/* Of a socket that listens or is connected: its own port, 0 on failure. */
unsigned stream_port(int fd);
/* Who is at the other end, as digits: "10.0.0.7:4700" or "". */
void stream_peer(const stream *s, char *out, size_t size);

/* Begins to connect. With `names`, HOST may be a name, and looking it up may
 * block. 0: it makes no sense, or there is no socket; s->why. */
int stream_connect(stream *s, const char *address, int names);
/* Takes one that waits at the listener. 0: there is none. */
int stream_accept(stream *s, int listener);
void stream_close(stream *s);

/* What to poll for: POLLIN and POLLOUT as there is something to do. */
short stream_events(const stream *s);

/* Copies the bytes behind those that wait, and sends what goes at once. 0: no
 * memory, or it is over. */
int stream_put(stream *s, const void *bytes, size_t len);
/* Sends what goes at once; also finishes connecting. */
void stream_flush(stream *s);
/* How many bytes wait to be sent. */
size_t stream_waiting(const stream *s);

/* Reads what is there until `in` holds `want` bytes. */
void stream_fill(stream *s, size_t want);
/* Drops the first bytes of `in`. */
void stream_take(stream *s, size_t len);

#endif
