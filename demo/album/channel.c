#include "../common/posix.h"

#include "channel.h"
#include "../common/key.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "ALB1"

enum {
    MAGIC_LEN = 4,
    CLIENT_HELLO = MAGIC_LEN + CHANNEL_KEY,
    SERVER_HELLO = MAGIC_LEN + 2 * CHANNEL_KEY,
    HEAD = 4,
    TAG = crypto_aead_chacha20poly1305_ietf_ABYTES
};

/* >>keys ------------------------------------------------------------------ */

static void keys_of(channel_keys *out)
{
    crypto_scalarmult_base(out->open, out->secret);
}

int channel_keys_read(channel_keys *out, const char *path, char *why,
                      size_t size)
{
    int fine = access(path, F_OK) ? key_make(out->secret, path, why, size)
                                  : key_read(out->secret, path, why, size);
    if (fine)
        keys_of(out);
    return fine;
}

static void keys_make(channel_keys *out)
{
    randombytes_buf(out->secret, sizeof out->secret);
    keys_of(out);
}

/* >>opening and closing --------------------------------------------------- */

static void over(channel *c, const char *why)
{
    c->is_over = 1;
    if (!*c->why)
        snprintf(c->why, sizeof c->why, "%s", why);
}

int channel_connect(channel *c, const char *address)
{
    uint8_t hello[CLIENT_HELLO];
    memset(c, 0, sizeof *c);
    if (!stream_connect(&c->s, address, 1)) {
        over(c, c->s.why);
        return 0;
    }
    keys_make(&c->own);
    memcpy(hello, MAGIC, MAGIC_LEN);
    memcpy(hello + MAGIC_LEN, c->own.open, CHANNEL_KEY);
    if (!stream_put(&c->s, hello, sizeof hello))
        over(c, *c->s.why ? c->s.why : "no memory");
    return 1;
}

int channel_accept(channel *c, int listener, const channel_keys *keys)
{
    memset(c, 0, sizeof *c);
    if (!stream_accept(&c->s, listener))
        return 0;
    c->server = keys;
    keys_make(&c->own);
    return 1;
}

void channel_close(channel *c)
{
    if (c->s.fd >= 0)
        stream_flush(&c->s);
    stream_close(&c->s);
    sodium_memzero(c->own.secret, CHANNEL_KEY);
    sodium_memzero(c->to, CHANNEL_KEY);
    sodium_memzero(c->from, CHANNEL_KEY);
    c->is_ready = 0;
    c->is_over = 1;
}

/* >>agreeing -------------------------------------------------------------- */

/* Out of both secrets that they have in common, and all that was shown. */
static int agree(channel *c, const uint8_t *client, const uint8_t *key,
                 const uint8_t *ephemeral)
{
    static const char context[] = "album channel 1";
    uint8_t material[5 * CHANNEL_KEY], keys[2 * CHANNEL_KEY];
    int failed;
    if (c->server)
        failed = crypto_scalarmult(material, c->server->secret, client) |
                 crypto_scalarmult(material + 32, c->own.secret, client);
    else
        failed = crypto_scalarmult(material, c->own.secret, key) |
                 crypto_scalarmult(material + 32, c->own.secret, ephemeral);
    memcpy(material + 64, client, 32);
    memcpy(material + 96, key, 32);
    memcpy(material + 128, ephemeral, 32);
    crypto_generichash(keys, sizeof keys, material, sizeof material,
                       (const uint8_t *)context, sizeof context - 1);
    memcpy(c->server ? c->from : c->to, keys, 32);
    memcpy(c->server ? c->to : c->from, keys + 32, 32);
    memcpy(c->server_key, key, CHANNEL_KEY);
    sodium_memzero(material, sizeof material);
    sodium_memzero(keys, sizeof keys);
    c->is_ready = !failed;
    return !failed;
}

static int answer_hello(channel *c)
{
    uint8_t hello[SERVER_HELLO];
    memcpy(hello, MAGIC, MAGIC_LEN);
    memcpy(hello + MAGIC_LEN, c->server->open, CHANNEL_KEY);
    memcpy(hello + MAGIC_LEN + CHANNEL_KEY, c->own.open, CHANNEL_KEY);
    return stream_put(&c->s, hello, sizeof hello) &&
           agree(c, c->s.in + MAGIC_LEN, c->server->open, c->own.open);
}

static void take_hello(channel *c)
{
    size_t len = c->server ? CLIENT_HELLO : SERVER_HELLO;
    int fine;
    stream_fill(&c->s, len);
    if (c->s.in_len < len)
        return;
    fine = memcmp(c->s.in, MAGIC, MAGIC_LEN) == 0;
    if (fine && c->server)
        fine = answer_hello(c);
    else if (fine)
        fine = agree(c, c->own.open, c->s.in + MAGIC_LEN,
                     c->s.in + MAGIC_LEN + CHANNEL_KEY);
    stream_take(&c->s, len);
    if (!fine)
        over(c, c->server ? "no client of ours" : "no album server");
}

/* >>saying ---------------------------------------------------------------- */

static void put32(uint8_t out[4], size_t number)
{
    out[0] = (uint8_t)number;
    out[1] = (uint8_t)(number >> 8);
    out[2] = (uint8_t)(number >> 16);
    out[3] = (uint8_t)(number >> 24);
}

static size_t get32(const uint8_t *in)
{
    return (size_t)in[0] | (size_t)in[1] << 8 | (size_t)in[2] << 16 |
           (size_t)in[3] << 24;
}

static void nonce_of(uint8_t out[12], uint64_t number)
{
    size_t i;
    memset(out, 0, 12);
    for (i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(number >> 8 * i);
}

static int say_text(channel *c, const char *text)
{
    size_t len = strlen(text);
    uint8_t nonce[12], *frame;
    int fine;
    if (len > CHANNEL_SAID_MAX || stream_waiting(&c->s) > CHANNEL_QUEUE_MAX)
        return 0;
    frame = (uint8_t *)malloc(HEAD + len + TAG);
    if (!frame)
        return 0;
    put32(frame, len + TAG);
    nonce_of(nonce, c->said++);
    crypto_aead_chacha20poly1305_ietf_encrypt(frame + HEAD, NULL,
                                              (const uint8_t *)text, len,
                                              frame, HEAD, NULL, nonce, c->to);
    fine = stream_put(&c->s, frame, HEAD + len + TAG);
    free(frame);
    return fine;
}

int channel_say(channel *c, cJSON *object)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    int fine = text && c->is_ready && !c->is_over && say_text(c, text);
    if (!fine && c->is_ready)
        over(c, "it does not read what it is told");
    cJSON_free(text);
    cJSON_Delete(object);
    return fine;
}

/* >>hearing --------------------------------------------------------------- */

void channel_step(channel *c)
{
    if (c->is_over)
        return;
    stream_flush(&c->s);
    if (!c->is_ready)
        take_hello(c);
    if (c->is_ready)
        stream_fill(&c->s, HEAD);
}

/* The frame that `in` holds whole; *at is its text, in place. */
static size_t open_frame(channel *c, size_t len, uint8_t **at)
{
    uint8_t nonce[12];
    *at = c->s.in + HEAD;
    nonce_of(nonce, c->heard++);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(
            *at, NULL, NULL, *at, len, c->s.in, HEAD, nonce, c->from))
        return SIZE_MAX;
    return len - TAG;
}

static cJSON *take_frame(channel *c, size_t len)
{
    uint8_t *text;
    size_t text_len = open_frame(c, len, &text);
    cJSON *object = NULL;
    if (text_len != SIZE_MAX)
        object = json_parse((const char *)text, text_len);
    stream_take(&c->s, HEAD + len);
    if (!cJSON_IsObject(object)) {
        over(c, text_len == SIZE_MAX ? "what came is not genuine"
                                     : "what came is not JSON");
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

cJSON *channel_hear(channel *c)
{
    size_t max = c->server ? CHANNEL_HEARD_MAX : CHANNEL_SAID_MAX, len;
    if (c->is_over)
        return NULL;
    if (c->is_ready && c->s.in_len < HEAD)
        stream_fill(&c->s, HEAD);
    if (c->is_ready && c->s.in_len >= HEAD) {
        len = get32(c->s.in);
        if (len < TAG || len > max + TAG) {
            over(c, "what came is too long");
            return NULL;
        }
        stream_fill(&c->s, HEAD + len);
        if (c->s.in_len >= HEAD + len)
            return take_frame(c, len);
    }
    if (c->s.is_over)
        over(c, *c->s.why ? c->s.why : "the other side has ended it");
    return NULL;
}
