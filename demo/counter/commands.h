/*
 * What one can type: `help` lists it.
 */
#ifndef COUNTER_COMMANDS_H
#define COUNTER_COMMANDS_H

#include "app.h"

/* Does one line and answers. Blank lines and # comments are nothing. */
void commands_do(app *a, source *from, char *line);
/* For completion; see edit_config. */
const char *commands_word(void *ctx, const char *line, size_t index);

#endif
