#include "posix.h"

#include "edit.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <editline/readline.h>

enum { HISTORY_MAX = 1000 };

/* libedit's callbacks carry no context. */
static struct {
    edit_config config;
    int started, shown, at_end;
    size_t next; /* word to offer */
} edit;

/* >>lines ----------------------------------------------------------------- */

static void remember(const char *line)
{
    HIST_ENTRY *last = history_get(history_base + history_length - 1);
    if (!*line || (last && strcmp(last->line, line) == 0))
        return;
    add_history(line);
}

/* Completion leaves a blank behind the word. */
static void trim(char *line)
{
    size_t len = strlen(line);
    while (len > 0 && line[len - 1] == ' ')
        line[--len] = 0;
}

static void take(char *line)
{
    edit_pause();
    if (line) {
        trim(line);
        remember(line);
    }
    edit.at_end = !line;
    edit.config.line(edit.config.ctx, line);
    free(line);
}

void edit_read(void)
{
    if (edit.shown)
        rl_callback_read_char();
}

void edit_pause(void)
{
    if (edit.shown)
        rl_callback_handler_remove();
    edit.shown = 0;
}

void edit_resume(void)
{
    if (!edit.started || edit.shown)
        return;
    rl_callback_handler_install(edit.config.prompt, take);
    edit.shown = 1;
}

void edit_hide(void)
{
    if (edit.shown)
        fputs("\r\033[K", stdout);
}

void edit_show(void)
{
    fflush(stdout);
    if (edit.shown)
        rl_forced_update_display();
}

void edit_resize(void)
{
    if (edit.started)
        rl_resize_terminal();
}

void edit_again(void)
{
    if (!edit.shown)
        return;
    edit_pause();
    edit_resume();
}

void edit_prompt(const char *prompt)
{
    edit.config.prompt = prompt;
    if (!edit.shown)
        return;
    edit_hide();
    rl_set_prompt(prompt);
    edit_show();
}

/* >>completion ------------------------------------------------------------ */

static char *offer(const char *typed, int state)
{
    char line[512];
    const char *word;
    size_t len = strlen(typed);
    snprintf(line, sizeof line, "%.*s", rl_point - (int)len, rl_line_buffer);
    if (state == 0)
        edit.next = 0;
    while ((word = edit.config.word(edit.config.ctx, line, edit.next++)))
        if (strncmp(word, typed, len) == 0)
            return text_copy(word);
    return NULL;
}

static char **complete(const char *typed, int start, int end)
{
    (void)start;
    (void)end;
    rl_attempted_completion_over = 1; /* no file names instead */
    return rl_completion_matches(typed, offer);
}

/* >>start and stop -------------------------------------------------------- */

void edit_start(const edit_config *config)
{
    edit.config = *config;
    edit.started = 1;
    rl_readline_name = "crdtsync";
    rl_catch_signals = 0; /* the program has handlers of its own */
    rl_basic_word_break_characters = " \t";
    rl_attempted_completion_function = complete;
    rl_initialize();
    using_history();
    stifle_history(HISTORY_MAX);
    if (config->history)
        read_history(config->history);
    atexit(edit_stop);
    edit_resume();
}

void edit_stop(void)
{
    if (!edit.started)
        return;
    if (edit.shown || edit.at_end)
        putchar('\n'); /* the cursor is behind the prompt */
    edit_pause();
    edit.started = 0;
    if (edit.config.history)
        write_history(edit.config.history);
}
