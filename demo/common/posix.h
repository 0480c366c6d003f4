/*
 * Every file of the demos includes this first: with -std=c99 the C library
 * hides what is POSIX unless it is asked before its first header.
 */
#ifndef DEMO_POSIX_H
#define DEMO_POSIX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#endif
