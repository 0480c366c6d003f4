#include "../common/posix.h"

#include "wire.h"
#include "../common/ticks.h"

#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum {
    VERSION = 1,
    HELLO_SIZE = 3 + 1 + 8 + PASS_SERIAL_SIZE + WIRE_NONCE_SIZE,
    WELCOME_SIZE = 1 + WIRE_NONCE_SIZE,
    LENGTH_SIZE = 4,
    TAG_SIZE = crypto_aead_chacha20poly1305_ietf_ABYTES,
    SEALED_MAX = 1 + WIRE_BODY_MAX + TAG_SIZE
};

const char *wire_reply_text(wire_reply reply)
{
    static const char *const texts[] = {
#define X(name, text) text,
        WIRE_REPLIES(X)
#undef X
    };
    return reply < WIRE_REPLIES_COUNT ? texts[reply] : "?";
}

void wire_put_number(uint8_t *out, uint64_t number, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++)
        out[i] = (uint8_t)(number >> (8 * i));
}

uint64_t wire_get_number(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;
    while (size--)
        number = number << 8 | bytes[size];
    return number;
}

void wire_put_item(uint8_t out[WIRE_ITEM_SIZE], const chunk_hash *name,
                   uint32_t age_s)
{
    memcpy(out, name->bytes, sizeof name->bytes);
    wire_put_number(out + sizeof name->bytes, age_s, 4);
}

uint32_t wire_get_item(const uint8_t in[WIRE_ITEM_SIZE], chunk_hash *name)
{
    memcpy(name->bytes, in, sizeof name->bytes);
    return (uint32_t)wire_get_number(in + sizeof name->bytes, 4);
}

/* >>opening --------------------------------------------------------------- */

static void begin(wire *w, int is_dialled)
{
    static const stream none = STREAM_INIT;
    memset(w, 0, sizeof *w);
    w->s = none;
    w->is_dialled = is_dialled;
    w->moved_ms = w->heard_ms = ticks_ms();
    randombytes_buf(w->nonce, sizeof w->nonce);
}

static void write_hello(uint8_t out[HELLO_SIZE], const pass *bearer,
                        const uint8_t nonce[WIRE_NONCE_SIZE])
{
    out[0] = 'a';
    out[1] = 'd';
    out[2] = VERSION;
    out[3] = bearer->rights;
    wire_put_number(out + 4, bearer->until, 8);
    memcpy(out + 12, bearer->serial, PASS_SERIAL_SIZE);
    memcpy(out + 12 + PASS_SERIAL_SIZE, nonce, WIRE_NONCE_SIZE);
}

int wire_dial(wire *w, const char *address, const pass *bearer)
{
    uint8_t hello[HELLO_SIZE];
    begin(w, 1);
    w->bearer = *bearer;
    write_hello(hello, bearer, w->nonce);
    if (stream_connect(&w->s, address, 0) &&
        stream_put(&w->s, hello, sizeof hello))
        return 1;
    w->state = WIRE_OVER;
    return 0;
}

int wire_accept(wire *w, int listener)
{
    begin(w, 0);
    return stream_accept(&w->s, listener);
}

void wire_close(wire *w)
{
    stream_close(&w->s);
    sodium_memzero(w, sizeof *w);
    w->s.fd = -1;
    w->state = WIRE_OVER;
}

/* >>messages -------------------------------------------------------------- */

static void nonce_of(uint8_t out[crypto_aead_chacha20poly1305_ietf_NPUBBYTES],
                     uint64_t number)
{
    memset(out, 0, crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
    wire_put_number(out, number, 8);
}

/* How many bytes the next message has, once enough of it is there to know. 0:
 * not yet; the length is checked before anything is made of it. */
static size_t next_size(wire *w)
{
    size_t max = w->state == WIRE_OPEN ? SEALED_MAX : 1 + TAG_SIZE, len;
    stream_fill(&w->s, LENGTH_SIZE);
    if (w->s.in_len < LENGTH_SIZE)
        return 0;
    len = (size_t)wire_get_number(w->s.in, LENGTH_SIZE);
    if (len > TAG_SIZE && len <= max)
        return LENGTH_SIZE + len;
    w->state = WIRE_OVER;
    return 0;
}

/* Whoever does not take answers gets no more of them. */
static int must_wait(const wire *w)
{
    return !w->is_dialled && stream_waiting(&w->s);
}

static void fill(wire *w)
{
    size_t size;
    if (w->heard || must_wait(w))
        return;
    size = next_size(w);
    if (size)
        stream_fill(&w->s, size);
}

static const uint8_t *open_sealed(wire *w, uint8_t *sealed, size_t size,
                                  size_t *len)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    unsigned long long opened;
    nonce_of(nonce, w->number_in++);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(
            sealed, &opened, NULL, sealed, size, NULL, 0, nonce, w->key_in)) {
        w->state = WIRE_OVER;
        return NULL;
    }
    *len = (size_t)opened;
    return sealed;
}

/* The next one whole and opened; NULL: it is not there, or was no such. */
static const uint8_t *next_message(wire *w, size_t *len)
{
    size_t size = next_size(w);
    if (!size || w->s.in_len < size)
        return NULL;
    w->heard = size;
    w->heard_ms = ticks_ms();
    return open_sealed(w, w->s.in + LENGTH_SIZE, size - LENGTH_SIZE, len);
}

/* In one process one message is sealed at a time. */
int wire_say(wire *w, wire_kind kind, const void *head, size_t head_len,
             const void *body, size_t len)
{
    static uint8_t frame[LENGTH_SIZE + SEALED_MAX];
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    uint8_t *at = frame + LENGTH_SIZE;
    unsigned long long sealed;
    if (w->state != WIRE_OPEN || head_len + len > WIRE_BODY_MAX)
        return 0;
    at[0] = (uint8_t)kind;
    if (head_len)
        memcpy(at + 1, head, head_len);
    if (len)
        memcpy(at + 1 + head_len, body, len);
    nonce_of(nonce, w->number_out++);
    crypto_aead_chacha20poly1305_ietf_encrypt(
        at, &sealed, at, 1 + head_len + len, NULL, 0, NULL, nonce, w->key_out);
    wire_put_number(frame, sealed, LENGTH_SIZE);
    if (!stream_put(&w->s, frame, LENGTH_SIZE + (size_t)sealed)) {
        w->state = WIRE_OVER;
        return 0;
    }
    w->moved_ms = ticks_ms();
    return 1;
}

int wire_answer(wire *w, wire_reply reply, const void *body, size_t len)
{
    uint8_t byte = (uint8_t)reply;
    return wire_say(w, WIRE_ANSWER, &byte, 1, body, len);
}

size_t wire_waiting(const wire *w)
{
    return stream_waiting(&w->s);
}

/* >>greeting -------------------------------------------------------------- */

/* Which way a key is for: that of HELLO comes first. */
static void make_keys(wire *w, const uint8_t hello[HELLO_SIZE],
                      const uint8_t welcome[WIRE_NONCE_SIZE])
{
    uint8_t text[HELLO_SIZE + WIRE_NONCE_SIZE], keys[2 * KEY_SIZE];
    memcpy(text, hello, HELLO_SIZE);
    memcpy(text + HELLO_SIZE, welcome, WIRE_NONCE_SIZE);
    crypto_generichash(keys, sizeof keys, text, sizeof text,
                       w->bearer.secret.bytes, sizeof w->bearer.secret.bytes);
    memcpy(w->is_dialled ? w->key_out : w->key_in, keys, KEY_SIZE);
    memcpy(w->is_dialled ? w->key_in : w->key_out, keys + KEY_SIZE, KEY_SIZE);
    sodium_memzero(keys, sizeof keys);
}

static void take_welcome(wire *w)
{
    uint8_t hello[HELLO_SIZE];
    w->refused = (wire_reply)w->s.in[0];
    if (w->refused != WIRE_OK) {
        w->state = WIRE_OVER;
        return;
    }
    write_hello(hello, &w->bearer, w->nonce);
    make_keys(w, hello, w->s.in + 1);
    stream_take(&w->s, WELCOME_SIZE);
    w->state = WIRE_OPEN;
    wire_say(w, WIRE_PROOF, NULL, 0, NULL, 0);
}

static wire_reply judge(const uint8_t hello[HELLO_SIZE], const pass *shown)
{
    if (hello[0] != 'a' || hello[1] != 'd' || hello[2] != VERSION)
        return WIRE_NONSENSE;
    return shown->until > (uint64_t)time(NULL) ? WIRE_OK : WIRE_EXPIRED;
}

static void take_hello(wire *w, const pass_key *key)
{
    const uint8_t *hello = w->s.in;
    uint8_t welcome[WELCOME_SIZE];
    wire_reply reply;
    w->bearer.rights = hello[3];
    w->bearer.until = wire_get_number(hello + 4, 8);
    memcpy(w->bearer.serial, hello + 12, PASS_SERIAL_SIZE);
    pass_derive(&w->bearer, key);
    reply = judge(hello, &w->bearer);
    welcome[0] = (uint8_t)reply;
    memcpy(welcome + 1, w->nonce, WIRE_NONCE_SIZE);
    make_keys(w, hello, w->nonce);
    stream_take(&w->s, HELLO_SIZE);
    w->state = WIRE_PROVES;
    if (!stream_put(&w->s, welcome, sizeof welcome) || reply != WIRE_OK)
        w->state = WIRE_OVER;
}

/* The first that is sealed, and nothing longer, before he may send much. */
static void take_proof(wire *w)
{
    const uint8_t *message;
    size_t len;
    int is_proof;
    fill(w);
    message = next_message(w, &len);
    if (!message)
        return;
    is_proof = *message == WIRE_PROOF;
    stream_take(&w->s, w->heard);
    w->heard = 0;
    w->state = is_proof ? WIRE_OPEN : WIRE_OVER;
}

static void greet(wire *w, const pass_key *key)
{
    size_t want = w->is_dialled ? WELCOME_SIZE : HELLO_SIZE;
    stream_fill(&w->s, want);
    if (w->s.in_len < want)
        return;
    if (w->is_dialled)
        take_welcome(w);
    else
        take_hello(w, key);
}

/* >>moving bytes ---------------------------------------------------------- */

void wire_step(wire *w, const pass_key *key)
{
    size_t in = w->s.in_len, out = stream_waiting(&w->s);
    if (w->state == WIRE_OVER)
        return;
    stream_flush(&w->s);
    if (w->state == WIRE_GREETS)
        greet(w, key);
    if (w->state == WIRE_PROVES)
        take_proof(w);
    if (w->state == WIRE_OPEN)
        fill(w);
    if (w->s.in_len != in || stream_waiting(&w->s) != out)
        w->moved_ms = ticks_ms();
    if (w->s.is_over && (w->state != WIRE_OPEN || stream_waiting(&w->s)))
        w->state = WIRE_OVER;
}

const uint8_t *wire_hear(wire *w, wire_kind *kind, size_t *len)
{
    const uint8_t *message;
    stream_take(&w->s, w->heard);
    w->heard = 0;
    if (w->state != WIRE_OPEN || must_wait(w))
        return NULL;
    message = next_message(w, len);
    if (!message) {
        if (w->s.is_over)
            w->state = WIRE_OVER;
        return NULL;
    }
    *kind = (wire_kind)message[0];
    --*len;
    return message + 1;
}

/* >>waiting --------------------------------------------------------------- */

/* What nobody will read must not end a wait. */
static int wanted(const wire *w)
{
    int events = 0;
    if (w->s.is_connecting || stream_waiting(&w->s))
        events |= EPOLLOUT;
    if (w->is_dialled || !stream_waiting(&w->s))
        events |= EPOLLIN;
    return events;
}

void wire_watch(wire *w, int epoll)
{
    struct epoll_event event;
    int events = wanted(w);
    if (w->s.fd < 0 || events == w->watched)
        return;
    memset(&event, 0, sizeof event);
    event.events = (uint32_t)events;
    event.data.fd = w->s.fd;
    if (epoll_ctl(epoll, w->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->s.fd,
                  &event) == 0)
        w->watched = events;
}
