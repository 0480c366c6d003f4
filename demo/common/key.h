/*
 * A secret of 32 bytes in a file, as 64 hex digits: who has it belongs to the
 * group.
 */
#ifndef DEMO_KEY_H
#define DEMO_KEY_H

#include <stddef.h>
#include <stdint.h>

enum { KEY_SIZE = 32, KEY_TEXT = 2 * KEY_SIZE + 1 };

/* Of the file. 0: `why` says what is wrong. */
int key_read(uint8_t out[KEY_SIZE], const char *path, char *why, size_t size);
/* A new one into a file that is not there yet, which only its owner can read.
 * 0: `why` says what is wrong. */
int key_make(uint8_t out[KEY_SIZE], const char *path, char *why, size_t size);

/* And as text. 0: it is none. */
void key_text(char out[KEY_TEXT], const uint8_t key[KEY_SIZE]);
int key_from_text(uint8_t out[KEY_SIZE], const char *text);

#endif
