/*
 * A member of a cluster that a runner drives: a child that takes commands as
 * lines and answers in JSON, one object a line, as our demos do with --json.
 *
 *     {"event":"peer_up",...}                    -> heard(m, event)
 *     {"command":"get x","ok":true,"value":"5"}  -> member_ask(m, "get x")
 */
#ifndef DEMO_MEMBER_H
#define DEMO_MEMBER_H

#include "child.h"
#include "json.h"

typedef struct member {
    child process;
    char name[32];
    char asked[256]; /* what it owes an answer to, or "" */
    cJSON *answer;
    void *ctx; /* the runner's */
    void (*heard)(struct member *m, const cJSON *event);
} member;

/* Listens to all members for at most so long, until something comes. */
void members_listen(member *members, size_t count, int timeout_ms);

/* Says the command and listens to all until m has answered it. NULL when it
 * has not in time, or has ended. The answer is valid until the next question
 * to m. */
const cJSON *member_ask(member *members, size_t count, member *m,
                        const char *command, double seconds_max);

/* The two halves of that, for questions to several at once. */
int member_say(member *m, const char *command);
const cJSON *member_answer(member *members, size_t count, member *m,
                           double seconds_max);

/* Ends it and frees what it holds. */
void member_end(member *m, double seconds_max);

#endif
