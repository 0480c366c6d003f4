#include "posix.h"

#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

static int refuse(char *why, size_t size, const char *path, const char *what)
{
    snprintf(why, size, "%s: %s", path, what);
    return 0;
}

void key_text(char out[KEY_TEXT], const uint8_t key[KEY_SIZE])
{
    (void)sodium_bin2hex(out, KEY_TEXT, key, KEY_SIZE);
}

int key_from_text(uint8_t out[KEY_SIZE], const char *text)
{
    size_t len = 0;
    return strlen(text) == KEY_TEXT - 1 &&
           sodium_hex2bin(out, KEY_SIZE, text, KEY_TEXT - 1, NULL, &len,
                          NULL) == 0 &&
           len == KEY_SIZE;
}

/* With or without an end of line. */
int key_read(uint8_t out[KEY_SIZE], const char *path, char *why, size_t size)
{
    char text[KEY_TEXT + 1] = "";
    FILE *file = fopen(path, "r");
    size_t len;
    if (!file)
        return refuse(why, size, path, strerror(errno));
    len = fread(text, 1, KEY_TEXT, file);
    fclose(file);
    text[len] = 0;
    text[strcspn(text, "\r\n")] = 0;
    return key_from_text(out, text) ||
           refuse(why, size, path, "is no key, which is 64 hex digits");
}

int key_make(uint8_t out[KEY_SIZE], const char *path, char *why, size_t size)
{
    char text[KEY_TEXT];
    int fd, fine;
    if (sodium_init() < 0)
        return refuse(why, size, path, "there is no randomness");
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return refuse(why, size, path, strerror(errno));
    randombytes_buf(out, KEY_SIZE);
    key_text(text, out);
    text[KEY_TEXT - 1] = '\n';
    fine = write(fd, text, sizeof text) == (ssize_t)sizeof text;
    fine = close(fd) == 0 && fine;
    return fine || refuse(why, size, path, strerror(errno));
}
