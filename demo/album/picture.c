#include "../common/posix.h"

#include "picture.h"
#include "../common/dice.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 320,
    HEIGHT = 200,
    ROW = 1 + 3 * WIDTH, /* a filter, and red, green, blue */
    RAW = ROW * HEIGHT,
    STORED_MAX = 65535 /* of one block that is not compressed */
};

/* >>painting -------------------------------------------------------------- */

typedef struct scene {
    int sky[3], earth[3];
    int sun_x, sun_y, sun_r;
    int hill[3]; /* height, width, where it begins */
} scene;

static void choose(scene *s, unsigned number)
{
    uint64_t seed = number * 7919u + 1;
    int i;
    for (i = 0; i < 3; i++) {
        s->sky[i] = 90 + (int)(dice_next(&seed) % 140);
        s->earth[i] = 30 + (int)(dice_next(&seed) % 120);
    }
    s->sun_x = 40 + (int)(dice_next(&seed) % (WIDTH - 80));
    s->sun_y = 30 + (int)(dice_next(&seed) % 50);
    s->sun_r = 14 + (int)(dice_next(&seed) % 16);
    s->hill[0] = 20 + (int)(dice_next(&seed) % 40);
    s->hill[1] = 50 + (int)(dice_next(&seed) % 90);
    s->hill[2] = (int)(dice_next(&seed) % 200);
}

/* Where the earth begins: parabolas side by side. */
static int horizon(const scene *s, int x)
{
    int width = s->hill[1];
    int at = (x + s->hill[2]) % (2 * width) - width;
    return HEIGHT - 50 -
           s->hill[0] * (width * width - at * at) / (width * width);
}

static void paint(const scene *s, int x, int y, uint8_t out[3])
{
    int dx = x - s->sun_x, dy = y - s->sun_y, i;
    int is_earth = y >= horizon(s, x);
    int is_sun = dx * dx + dy * dy < s->sun_r * s->sun_r;
    for (i = 0; i < 3; i++) {
        int shade = is_earth ? s->earth[i] + (HEIGHT - y) / 4
                             : s->sky[i] - y / 3 + (i == 2 ? 20 : 0);
        if (is_sun && !is_earth)
            shade = i == 2 ? 150 : 245;
        out[i] = (uint8_t)(shade < 0 ? 0 : shade > 255 ? 255 : shade);
    }
}

/* >>PNG ------------------------------------------------------------------- */

static uint32_t crc(uint32_t sum, const uint8_t *bytes, size_t len)
{
    int bit;
    sum = ~sum;
    while (len--) {
        sum ^= *bytes++;
        for (bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
    }
    return ~sum;
}

static uint32_t adler(const uint8_t *bytes, size_t len)
{
    uint32_t a = 1, b = 0;
    while (len--) {
        a = (a + *bytes++) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static void put32(uint8_t *out, uint32_t number)
{
    int i;
    for (i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (24 - 8 * i));
}

static void put_chunk(FILE *file, const char *kind, const uint8_t *bytes,
                      size_t len)
{
    uint8_t word[4];
    uint32_t sum = crc(0, (const uint8_t *)kind, 4);
    put32(word, (uint32_t)len);
    fwrite(word, 1, 4, file);
    fwrite(kind, 1, 4, file);
    fwrite(bytes, 1, len, file);
    put32(word, crc(sum, bytes, len));
    fwrite(word, 1, 4, file);
}

/* As zlib has it, in blocks that are stored as they are (RFC 1950, 1951). */
static size_t store(const uint8_t *raw, uint8_t *out)
{
    size_t at = 0, len = 0;
    out[len++] = 0x78;
    out[len++] = 0x01;
    while (at < RAW) {
        size_t part = RAW - at < STORED_MAX ? RAW - at : STORED_MAX;
        out[len++] = at + part == RAW;
        out[len++] = (uint8_t)part;
        out[len++] = (uint8_t)(part >> 8);
        out[len++] = (uint8_t)~part;
        out[len++] = (uint8_t)(~part >> 8);
        memcpy(out + len, raw + at, part);
        len += part;
        at += part;
    }
    put32(out + len, adler(raw, RAW));
    return len + 4;
}

static void put_png(FILE *file, const uint8_t *raw, uint8_t *stored)
{
    static const uint8_t signature[8] = { 0x89, 'P',  'N',  'G',
                                          '\r', '\n', 0x1a, '\n' };
    uint8_t header[13] = { 0 };
    put32(header, WIDTH);
    put32(header + 4, HEIGHT);
    header[8] = 8; /* bits a colour */
    header[9] = 2; /* red, green, blue */
    fwrite(signature, 1, sizeof signature, file);
    put_chunk(file, "IHDR", header, sizeof header);
    put_chunk(file, "IDAT", stored, store(raw, stored));
    put_chunk(file, "IEND", NULL, 0);
}

int picture_write(const char *path, unsigned number)
{
    static uint8_t raw[RAW], stored[RAW + 64];
    FILE *file = fopen(path, "wb");
    scene s;
    int x, y, failed;
    if (!file)
        return 0;
    choose(&s, number);
    for (y = 0; y < HEIGHT; y++) {
        raw[y * ROW] = 0;
        for (x = 0; x < WIDTH; x++)
            paint(&s, x, y, raw + y * ROW + 1 + 3 * x);
    }
    put_png(file, raw, stored);
    failed = ferror(file);
    return fclose(file) == 0 && !failed;
}
