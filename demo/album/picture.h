/*
 * Pictures for the show: small landscapes, each of its own number, as PNG
 * files that any program opens.
 */
#ifndef ALBUM_PICTURE_H
#define ALBUM_PICTURE_H

/* 0: it cannot be written; errno says why. */
int picture_write(const char *path, unsigned number);

#endif
