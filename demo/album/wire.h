/*
 * One connection between who has a pass and who has the key it came from:
 * messages of a kind, sealed, over a stream. Never blocks.
 *
 *     HELLO    'a' 'd' | version | rights | until: 8 | serial: 32 | nonce: 32
 *     WELCOME  reply | nonce: 32           anything but OK: and goodbye
 *     then     length: 4 | sealed: kind, body |      both ways, PROOF first
 *
 * Both sides hash the secret of the pass with both nonces and what HELLO said
 * (BLAKE2b) into a key for each way, and seal with ChaCha20-Poly1305, the
 * number of the message as nonce: nothing can be read, changed, left out,
 * repeated or played again by who has not the secret. Numbers are
 * little-endian.
 *
 * Who took the connection reads nothing more while an answer of its waits to
 * be sent: a slow reader costs one answer of memory, and waits for itself.
 */
#ifndef ALBUM_WIRE_H
#define ALBUM_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "../common/stream.h"
#include "chunk.h"
#include "pass.h"

/* A chunk with its name, and what is around it. */
enum { WIRE_BODY_MAX = CHUNK_MAX + 64, WIRE_NONCE_SIZE = 32 };

/* So many bytes, the least first. */
void wire_put_number(uint8_t *out, uint64_t number, size_t size);
uint64_t wire_get_number(const uint8_t *bytes, size_t size);

/* What is asked about a chunk: its name | age: 4. It has been loose for at
 * most so many seconds (chunk.h): who has it takes that for known. */
enum { WIRE_ITEM_SIZE = CHUNK_HASH_SIZE + 4 };
void wire_put_item(uint8_t out[WIRE_ITEM_SIZE], const chunk_hash *name,
                   uint32_t age_s);
uint32_t wire_get_item(const uint8_t in[WIRE_ITEM_SIZE], chunk_hash *name);

typedef enum wire_kind {
    WIRE_HAS = 1,  /* roll id or zeros: 16, items -> a byte each, 1: yes */
    WIRE_PUT,      /* item, bytes -> nothing */
    WIRE_GET,      /* name -> bytes */
    WIRE_REGISTER, /* JSON: name, address, leaving -> JSON: the roll */
    WIRE_ANSWER,   /* reply, body */
    WIRE_PROOF,    /* nothing: of who dialled, and not answered */
    WIRE_NAMED     /* names -> patience: 8, a byte each, 1: a file names it */
} wire_kind;

/* clang-format off */
#define WIRE_REPLIES(X)                                                       \
    X(OK, "fine")                                                             \
    X(MISSING, "it has no such chunk")                                        \
    X(BAD, "its chunk is damaged")                                            \
    X(FULL, "it is full")                                                     \
    X(IO, "its disk failed")                                                  \
    X(DENIED, "it does not accept the pass")                                  \
    X(EXPIRED, "the pass is no longer good")                                  \
    X(TAKEN, "another has that name")                                         \
    X(UNSURE, "it knows of other servers")                                    \
    X(NONSENSE, "it does not understand")                                     \
    X(LOST, "the connection broke")
/* clang-format on */

typedef enum wire_reply {
#define X(name, text) WIRE_##name,
    WIRE_REPLIES(X)
#undef X
        WIRE_REPLIES_COUNT
} wire_reply;

const char *wire_reply_text(wire_reply reply);

typedef enum wire_state {
    WIRE_GREETS, /* HELLO or WELCOME is yet to come */
    WIRE_PROVES, /* and then the first that is sealed */
    WIRE_OPEN,
    WIRE_OVER
} wire_state;

typedef struct wire {
    stream s;
    wire_state state;
    int is_dialled;
    wire_reply refused; /* what WELCOME said */
    pass bearer;        /* ours, or what was shown */
    uint8_t nonce[WIRE_NONCE_SIZE];
    uint8_t key_in[KEY_SIZE], key_out[KEY_SIZE];
    uint64_t number_in, number_out;
    size_t heard;      /* bytes of `s.in` that the last message took */
    uint64_t moved_ms; /* when bytes last moved */
    uint64_t heard_ms; /* when the last message had come whole */
    int watched;       /* events that the epoll descriptor knows */
} wire;

/* 0: no such address, or no socket; it is OVER. */
int wire_dial(wire *w, const char *address, const pass *bearer);
/* 0: none is there. */
int wire_accept(wire *w, int listener);
void wire_close(wire *w);

/* Moves bytes; who was dialled needs the key. */
void wire_step(wire *w, const pass_key *key);
/* Tells the epoll descriptor what it waits for. */
void wire_watch(wire *w, int epoll);

/* The next message, valid until the next call for this wire; NULL: not now. */
const uint8_t *wire_hear(wire *w, wire_kind *kind, size_t *len);
/* Says it, its body in two parts. 0: it is OVER, or there is no memory. */
int wire_say(wire *w, wire_kind kind, const void *head, size_t head_len,
             const void *body, size_t len);
/* 0, as above. */
int wire_answer(wire *w, wire_reply reply, const void *body, size_t len);
size_t wire_waiting(const wire *w);

#endif
