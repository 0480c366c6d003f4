#include "posix.h"

#include "member.h"
#include "ticks.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { MEMBERS_MAX = 64 };

/* >>listening ------------------------------------------------------------- */

static int is_answer(const member *m, const cJSON *object)
{
    const char *command = json_get_text(object, "command");
    return command && *m->asked && strcmp(command, m->asked) == 0;
}

static void hear(member *m, const char *line)
{
    cJSON *object = json_parse(line, strlen(line));
    if (m->process.log)
        fprintf(m->process.log, "%s\n", line);
    if (object && is_answer(m, object)) {
        cJSON_Delete(m->answer);
        m->answer = object;
        *m->asked = 0;
        return;
    }
    if (object && json_get_text(object, "event") && m->heard)
        m->heard(m, object);
    cJSON_Delete(object);
}

static void read_member(member *m)
{
    const char *line;
    reader_fill(&m->process.out);
    while (m->process.pid && (line = reader_line(&m->process.out)))
        hear(m, line);
}

void members_listen(member *members, size_t count, int timeout_ms)
{
    struct pollfd fds[MEMBERS_MAX];
    size_t i;
    count = count < MEMBERS_MAX ? count : MEMBERS_MAX;
    for (i = 0; i < count; i++) {
        const reader *out = &members[i].process.out;
        fds[i].fd = members[i].process.pid && !out->ended ? out->fd : -1;
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    if (poll(fds, (nfds_t)count, timeout_ms) <= 0)
        return;
    for (i = 0; i < count; i++)
        if (fds[i].revents)
            read_member(&members[i]);
}

/* >>asking ---------------------------------------------------------------- */

int member_say(member *m, const char *command)
{
    cJSON_Delete(m->answer);
    m->answer = NULL;
    snprintf(m->asked, sizeof m->asked, "%s", command);
    return child_say(&m->process, command);
}

const cJSON *member_answer(member *members, size_t count, member *m,
                           double seconds_max)
{
    uint64_t until = ticks_ms() + (uint64_t)(seconds_max * 1000);
    while (!m->answer && !m->process.out.ended && ticks_ms() < until)
        members_listen(members, count, 100);
    *m->asked = 0;
    return m->answer;
}

const cJSON *member_ask(member *members, size_t count, member *m,
                        const char *command, double seconds_max)
{
    if (!member_say(m, command))
        return NULL;
    return member_answer(members, count, m, seconds_max);
}

void member_end(member *m, double seconds_max)
{
    child_wait(&m->process, seconds_max);
    cJSON_Delete(m->answer);
    m->answer = NULL;
    *m->asked = 0;
}
