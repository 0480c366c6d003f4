/*
 * A prompt with line editing, history and completion that never blocks: the
 * program keeps polling its network and calls edit_read when the terminal has
 * something. Over libedit, in its alternate (callback) form; libedit has one
 * terminal, so there is one prompt a process.
 *
 *     edit_start(&config);
 *     poll() says that stdin is readable: edit_read();   -> config.line(...)
 *     a notice in between: edit_hide(); puts(...); edit_show();
 *     edit_stop();
 */
#ifndef DEMO_EDIT_H
#define DEMO_EDIT_H

#include <stddef.h>

typedef struct edit_config {
    const char *prompt;
    const char *history; /* a file, or NULL */
    void *ctx;
    /* A whole line, or NULL at the end of input (Ctrl-D). */
    void (*line)(void *ctx, char *line);
    /* The index-th word that may stand there; `line` up to the word, NULL
     * behind the last. Those that do not begin with what is typed are left
     * out by the caller. */
    const char *(*word)(void *ctx, const char *line, size_t index);
} edit_config;

void edit_start(const edit_config *config);
void edit_read(void);
/* Another prompt from now on, also in front of what is being typed. */
void edit_prompt(const char *prompt);
/* Takes the prompt away while a command runs on, and brings it back. */
void edit_pause(void);
void edit_resume(void);
/* Clears the line being edited, and draws it again. */
void edit_hide(void);
void edit_show(void);
/* The terminal has another size. */
void edit_resize(void);
/* The program goes on after Ctrl-Z: takes the terminal anew. */
void edit_again(void);
/* Restores the terminal and writes the history; may be called twice. */
void edit_stop(void);

#endif
