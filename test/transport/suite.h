/*
 * What every transport must do, as one list of tests, by hand; sites_suite.h
 * is the same with the engine, and suite_main.h runs both.
 */
#ifndef SUITE_H
#define SUITE_H

#include "../failing_alloc.h"
#include "ends.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>

static inline int is_reliable(void)
{
    return (kit->properties & CRDT_RELIABLE) != 0;
}

/* >>alone ----------------------------------------------------------------- */

TEST(the_table_is_whole)
{
    const crdt_transport *t = &ends[0].t;
    BEGIN();
    CHECK(t->version >= 1 && t->start && t->send && t->poll && t->drop);
    CHECK_INT(t->properties, kit->properties);
    CHECK(t->message_max >= 512);
    CHECK_INT(t->start(t->ctx, &ends[0].up), CRDT_ERR_ARG); /* again */
    CHECK_INT(t->send(t->ctx, 7, CRDT_STR("12345678")), CRDT_ERR_CLOSED);
    t->drop(t->ctx, 7, "never there");
    ends_poll();
    CHECK_INT(ends[0].upcalls, 0);
    ends_close();
}

TEST(closed_before_anything_happened)
{
    crdt_transport t[2];
    REQUIRE(kit->make(&t[0], 0, NULL) == CRDT_OK);
    REQUIRE(kit->make(&t[1], 1, NULL) == CRDT_OK);
    CHECK_INT(t[0].poll(t[0].ctx, 0), CRDT_ERR_ARG); /* not started */
    CHECK_INT(t[0].start(t[0].ctx, NULL), CRDT_ERR_ARG);
    t[0].close(t[0].ctx);
    t[1].close(t[1].ctx);
    if (kit->finish)
        kit->finish();
}

TEST(poll_waits_as_it_was_told)
{
    uint64_t from_ms;
    struct seen *s;
    int i;
    BEGIN();
    LINK(s, 1);
    from_ms = now_ms();
    while (now_ms() - from_ms < 30) /* until nothing happens any more */
        ends_poll();
    from_ms = now_ms();
    for (i = 0; i < 100; i++)
        end_poll(0, 0);
    CHECK(now_ms() - from_ms < DEADLINE_MS / 2);
    if (kit->waits) {
        uint64_t upcalls = ends[0].upcalls;
        from_ms = now_ms(); /* what it says to itself may wake it, too */
        for (i = 0; i < 10 && now_ms() - from_ms < 30; i++)
            end_poll(0, 50);
        CHECK(now_ms() - from_ms >= 30 || ends[0].upcalls > upcalls);
        CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
        for (from_ms = now_ms(); now_ms() - from_ms < 30;)
            end_poll(1, 1); /* it is on its way */
        while (!s->got && now_ms() - from_ms < DEADLINE_MS)
            end_poll(0, DEADLINE_MS);
        CHECK(s->got && now_ms() - from_ms < DEADLINE_MS / 2);
    }
    ends_close();
}

/* >>talking --------------------------------------------------------------- */

TEST(both_hear_of_each_other_and_talk)
{
    struct seen *at_0, *at_1;
    uint64_t upcalls;
    BEGIN();
    LINK(at_0, 1);
    at_1 = last(1);
    CHECK(at_0->name[0] && at_1->name[0]);
    upcalls = ends[0].upcalls + ends[1].upcalls;
    CHECK_INT(send_message(&ends[0], at_0, 100), CRDT_OK);
    CHECK_INT(send_message(&ends[1], at_1, 200), CRDT_OK);
    CHECK_INT(ends[0].upcalls + ends[1].upcalls, upcalls); /* only in poll */
    UNTIL(at_0->got == 1 && at_1->got == 1);
    CHECK(is_sound(at_0) && is_sound(at_1));
    ends_close();
}

TEST(messages_of_all_lengths)
{
    struct seen *at_0, *at_1;
    size_t len, most;
    uint32_t count = 0;
    BEGIN();
    LINK(at_0, 1);
    at_1 = last(1);
    most = message_max(&ends[0]);
    for (len = HEAD; len <= most; len = len < most ? len * 3 / 2 : most + 1) {
        len = len * 3 / 2 > most && len < most ? most : len;
        CHECK_INT(send_message(&ends[0], at_0, len), CRDT_OK);
        CHECK_INT(send_message(&ends[1], at_1, len), CRDT_OK);
        count++;
        UNTIL(at_0->got == count && at_1->got == count);
    }
    CHECK(count > 8 && is_sound(at_0) && is_sound(at_1));
    ends_close();
}

TEST(what_is_too_long_is_refused)
{
    struct seen *s;
    uint8_t *bytes;
    size_t len;
    BEGIN();
    LINK(s, 1);
    len = ends[0].t.message_max + 1;
    bytes = (uint8_t *)calloc(1, len);
    REQUIRE(bytes);
    CHECK_INT(
        ends[0].t.send(ends[0].t.ctx, s->peer, crdt_bytes_of(bytes, len)),
        CRDT_ERR_LIMIT);
    free(bytes);
    CHECK_INT(send_message(&ends[0], s, 100), CRDT_OK); /* no harm done */
    UNTIL(last(1)->got == 1);
    CHECK(!last(1)->wrong);
    ends_close();
}

TEST(peer_0_is_everyone_or_nobody)
{
    struct seen *s;
    struct seen everyone;
    crdt_err err;
    BEGIN();
    LINK(s, 1);
    LINK(s, 2);
    memset(&everyone, 0, sizeof everyone);
    err = send_message(&ends[0], &everyone, 100);
    if (kit->properties & CRDT_BROADCAST) {
        CHECK_INT(err, CRDT_OK);
        UNTIL(last(1)->got == 1 && last(2)->got == 1);
        CHECK(is_sound(last(1)) && is_sound(last(2)));
    } else {
        CHECK_INT(err, CRDT_ERR_CLOSED);
    }
    ends_close();
}

/* A mebibyte in as few messages as the transport allows. */
TEST(a_mebibyte_each_way)
{
    struct seen *at_0, *at_1;
    uint32_t count;
    size_t len;
    BEGIN();
    LINK(at_0, 1);
    at_1 = last(1);
    len = message_max(&ends[0]);
    for (count = 0; count * len < MIB; count++) {
        CHECK_INT(send_message(&ends[0], at_0, len), CRDT_OK);
        CHECK_INT(send_message(&ends[1], at_1, len), CRDT_OK);
        UNTIL(at_0->got > count && at_1->got > count);
    }
    CHECK(is_sound(at_0) && is_sound(at_1));
    ends_close();
}

/* Small ones, as many as it takes, at its own pace. */
TEST(many_messages_and_their_echo)
{
    struct seen *at_0, *at_1;
    uint64_t dice = 1, until_ms = now_ms() + DEADLINE_MS;
    const uint32_t all = 20000;
    BEGIN();
    LINK(at_0, 1);
    at_1 = last(1);
    ends[0].echo = 1;
    while (at_1->sent < all && now_ms() < until_ms) {
        crdt_err err =
            send_message(&ends[1], at_1, HEAD + test_below(&dice, 100));
        CHECK(err == CRDT_OK || err == CRDT_ERR_AGAIN);
        if (err || at_1->sent % 50 == 0) {
            end_poll(1, 0);
            end_poll(0, 0);
        }
    }
    CHECK_INT(at_1->sent, all);
    if (is_reliable())
        UNTIL(at_1->got == all);
    CHECK(at_1->got > all / 2); /* nothing on the way loses on purpose */
    CHECK(is_sound(at_0) && is_sound(at_1));
    ends_close();
}

/* >>many ------------------------------------------------------------------ */

TEST(a_hundred_peers)
{
    size_t i, len;
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    size_t done = 0;
    BEGIN();
    len = ends[0].t.message_max < 1000 ? ends[0].t.message_max : 1000;
    ends[0].echo = 1;
    for (i = 1; i <= 100; i++)
        REQUIRE(end_open(i, NULL));
    while (done < 100 && now_ms() < until_ms) {
        ends_poll();
        for (i = 1, done = 0; i <= 100; i++) {
            struct seen *s = last(i);
            if (s && !s->sent)
                CHECK_INT(send_message(&ends[i], s, len), CRDT_OK);
            done += s && s->got == 1 && is_sound(s);
        }
    }
    CHECK_INT(done, 100);
    CHECK_INT(links(0), 100);
    for (i = 1; i <= 100; i++)
        end_close(i);
    UNTIL(links(0) == 0);
    ends_close();
}

/* One who reads nothing is sent to until no more is taken, or, where messages
 * may be lost, far beyond what may wait. Memory is bounded, and another peer
 * notices nothing. It says nothing either, so silence must be no reason. */
TEST(a_slow_reader_holds_up_nobody)
{
    struct failing_alloc memory;
    struct seen *slow, *other;
    uint64_t until_ms;
    crdt_err err = CRDT_OK;
    size_t before, len, i;
    failing_alloc_init(&memory);
    ends_forget();
    silence_ms = 10 * DEADLINE_MS;
    REQUIRE(end_open(0, &memory.table));
    LINK(other, 1);
    LINK(slow, 2);
    silence_ms = SILENCE_MS;
    before = memory.live_bytes;
    len = ends[0].t.message_max < 50000 ? ends[0].t.message_max : 50000;
    for (i = 0; i < 10 * kit->queue_max / len && !err; i++) {
        err = send_message(&ends[0], slow, len);
        if (i % 16 == 0) {
            end_poll(0, 0);
            end_poll(1, 0);
        }
    }
    CHECK(err == CRDT_ERR_AGAIN || (!err && !is_reliable()));
    CHECK(memory.live_bytes <= before + 2 * kit->queue_max + MIB);
    until_ms = now_ms() + DEADLINE_MS;
    for (i = 0; i < 20; i++) {
        CHECK_INT(send_message(&ends[0], other, len), CRDT_OK);
        while (last(1)->got <= i && now_ms() < until_ms) {
            end_poll(0, 0);
            end_poll(1, 1);
        }
    }
    CHECK(last(1)->got == 20 && is_sound(last(1)));
    if (err)
        UNTIL(slow->writable);
    if (is_reliable())
        UNTIL(last(2)->got == slow->sent);
    CHECK_INT(slow->writable, err != CRDT_OK); /* once for all refusals */
    CHECK_INT(send_message(&ends[0], slow, len), CRDT_OK);
    if (is_reliable())
        UNTIL(last(2)->got == slow->sent);
    CHECK(is_sound(last(2)));
    ends_close();
    CHECK(failing_alloc_clean(&memory));
}

/* >>coming and going ------------------------------------------------------ */

TEST(who_closes_is_missed)
{
    struct seen *gone, *stays;
    BEGIN();
    LINK(gone, 1);
    LINK(stays, 2);
    CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
    end_close(1);
    UNTIL(gone->down);
    CHECK(gone->why[0] && is_sound(gone));
    if (is_reliable())
        CHECK_INT(gone->got, 1); /* its last words */
    CHECK_INT(send_message(&ends[0], stays, 100), CRDT_OK);
    UNTIL(last(2)->got == 1);
    CHECK(!stays->down);
    ends_close();
}

/* It hears nothing meanwhile, and neither do the others hear of it. */
TEST(who_sleeps_misses_nobody)
{
    struct seen *s;
    if (!kit->waits)
        return;
    BEGIN();
    LINK(s, 1);
    ends_poll_for(50);
    poll(NULL, 0, 1500);
    ends_poll_for(50);
    CHECK(!s->down && !last(1)->down);
    CHECK_INT(send_message(&ends[0], s, 100), CRDT_OK);
    UNTIL(last(1)->got == 1);
    ends_close();
}

TEST(a_peer_comes_back)
{
    struct seen *first, *second;
    BEGIN();
    LINK(first, 1);
    end_close(1);
    UNTIL(first->down);
    LINK(second, 1);
    CHECK(second->peer > first->peer);
    CHECK_INT(send_message(&ends[0], second, 100), CRDT_OK);
    CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
    UNTIL(second->got == 1 && last(1)->got == 1);
    ends_close();
}

/* End 0 is closed and made anew: the others come by themselves. */
TEST(the_middle_comes_back)
{
    struct seen *s;
    BEGIN();
    LINK(s, 1);
    LINK(s, 2);
    end_close(0);
    UNTIL(ends[1].downs == 1 && ends[2].downs == 1);
    REQUIRE(end_open(0, NULL));
    UNTIL(links(0) >= 2 && is_linked(1) && is_linked(2));
    CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK);
    CHECK_INT(send_message(&ends[2], last(2), 100), CRDT_OK);
    UNTIL(ends[0].seen[0].got + ends[0].seen[1].got >= 2);
    ends_close();
}

TEST(who_is_dropped_gets_what_was_queued)
{
    struct seen *s;
    size_t len;
    BEGIN();
    LINK(s, 1);
    len = message_max(&ends[0]);
    CHECK_INT(send_message(&ends[1], last(1), 100), CRDT_OK); /* unread */
    end_poll(1, 0);
    CHECK_INT(send_message(&ends[0], s, len), CRDT_OK);
    ends[0].t.drop(ends[0].t.ctx, s->peer, "enough");
    ends[0].t.drop(ends[0].t.ctx, s->peer, "twice");
    CHECK_INT(send_message(&ends[0], s, 100), CRDT_ERR_CLOSED);
    UNTIL(s->down && ends[1].seen[0].down);
    CHECK_STR(s->why, "enough");
    CHECK(!s->got);
    if (is_reliable())
        CHECK_INT(ends[1].seen[0].got, 1);
    CHECK(is_sound(&ends[1].seen[0]));
    ends_close();
}

TEST(dropped_from_within_peer_up)
{
    BEGIN();
    ends[0].drop_all = 1;
    REQUIRE(end_open(1, NULL));
    UNTIL(ends[0].downs >= 1 && ends[1].downs >= 1);
    CHECK_STR(ends[0].seen[0].why, "not wanted");
    ends_close();
}

/* Much is under way, and one end is closed; and again, later in the way. */
TEST(closed_while_sending)
{
    struct seen *at_0, *at_1;
    size_t len, i;
    int turn;
    for (turn = 0; turn < 6; turn++) {
        BEGIN();
        LINK(at_0, 1);
        at_1 = last(1);
        len = message_max(&ends[0]);
        for (i = 0; i * len < 3 * MIB; i++) {
            crdt_err one = send_message(&ends[0], at_0, len);
            crdt_err two = send_message(&ends[1], at_1, len);
            CHECK(!one || one == CRDT_ERR_AGAIN);
            CHECK(!two || two == CRDT_ERR_AGAIN);
        }
        for (i = 0; i < (size_t)turn / 2; i++)
            ends_poll();
        end_close((size_t)turn % 2);
        UNTIL((turn % 2 ? at_0 : at_1)->down);
        CHECK(is_sound(at_0) && is_sound(at_1));
        ends_close();
    }
}

/* In a process of its own, which gets no chance to say anything. */
static inline int child_begin(void)
{
    int pid = fork();
    if (pid)
        return pid;
    if (!end_open(1, NULL))
        _exit(1);
    ends[1].echo = 1;
    for (;;)
        (void)end_poll(1, 1000);
}

TEST(a_killed_process_is_missed_and_comes_back)
{
    struct seen *s;
    int pid, turn;
    if (!kit->forks) {
        printf("skipped: all ends are in one process\n");
        return;
    }
    BEGIN();
    for (turn = 0; turn < 2; turn++) {
        pid = child_begin();
        REQUIRE(pid > 0);
        UNTIL(links(0) == 1);
        s = last(0);
        CHECK_INT(send_message(&ends[0], s, 100), CRDT_OK);
        UNTIL(s->got == 1);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        UNTIL(s->down);
        CHECK(s->why[0]);
    }
    ends_close();
}

/* It is left alone then; and comes back when it is wanted again. */
TEST(a_peer_that_was_removed)
{
    const crdt_transport *t = &ends[1].t;
    struct seen *s;
    if (!kit->remove_peer)
        return;
    BEGIN();
    LINK(s, 1);
    CHECK_INT(kit->add_peer(t, kit->address), CRDT_OK); /* is one already */
    CHECK_INT(kit->remove_peer(t, kit->address), CRDT_OK);
    CHECK_INT(kit->remove_peer(t, kit->address), CRDT_ERR_NOT_FOUND);
    CHECK_INT(kit->remove_peer(t, NULL), CRDT_ERR_ARG);
    UNTIL(s->down && ends[1].downs == 1);
    ends_poll_for(60); /* three times what it waited to dial again */
    CHECK_INT(links(0) + links(1), 0);
    CHECK_INT(kit->add_peer(t, kit->address), CRDT_OK);
    UNTIL(is_linked(0) && is_linked(1));
    CHECK_INT(kit->remove_peer(t, kit->address), CRDT_OK);
    CHECK_INT(kit->add_peer(t, kit->address),
              CRDT_OK); /* the link has ended */
    UNTIL(ends[1].downs == 2 && is_linked(0) && is_linked(1));
    ends_close();
}

/* >>a loop of one's own --------------------------------------------------- */

/* Waits as the two transports say, and polls them without waiting. */
static inline void wait_for_both(void)
{
    struct pollfd fds[16];
    int first_ms = -1, second_ms = -1, ms;
    size_t count = kit->fds(&ends[0].t, fds, 16, &first_ms);
    count += kit->fds(&ends[1].t, fds + count, 16 - count, &second_ms);
    if (count > 16)
        abort();
    ms = first_ms < 0 || (second_ms >= 0 && second_ms < first_ms) ? second_ms
                                                                  : first_ms;
    poll(fds, (nfds_t)count, ms < 0 ? DEADLINE_MS : ms);
    CHECK_INT(end_poll(0, 0), CRDT_OK);
    CHECK_INT(end_poll(1, 0), CRDT_OK);
}

TEST(descriptors_for_a_loop_of_ones_own)
{
    uint64_t until_ms = now_ms() + DEADLINE_MS;
    uint32_t rounds = 0;
    if (!kit->fds)
        return;
    BEGIN();
    OPEN(1);
    ends[1].echo = 1;
    while (now_ms() < until_ms && !(is_linked(0) && is_linked(1)))
        wait_for_both();
    while (now_ms() < until_ms && is_linked(0) && last(0)->got < 500) {
        if (last(0)->sent == last(0)->got)
            CHECK_INT(send_message(&ends[0], last(0), 1000), CRDT_OK);
        wait_for_both();
        rounds++;
    }
    REQUIRE(is_linked(0));
    CHECK_INT(last(0)->got, 500);
    CHECK(rounds < 20000); /* it waits, it does not spin */
    CHECK_INT(kit->fds(&ends[2].t, NULL, 0, NULL), 0); /* not open */
    ends_close();
}

struct waker {
    const crdt_transport *t;
    int count;
};

static inline void *wake_now_and_then(void *ctx)
{
    const struct waker *waker = (const struct waker *)ctx;
    int i;
    for (i = 0; i < waker->count; i++)
        kit->wake(waker->t);
    return NULL;
}

TEST(any_thread_may_wake_it)
{
    pthread_t thread;
    struct waker waker;
    uint64_t from_ms;
    int i;
    if (!kit->wake)
        return;
    BEGIN();
    waker.t = &ends[0].t;
    waker.count = 1;
    for (i = 0; i < 20; i++) {
        from_ms = now_ms();
        REQUIRE(!pthread_create(&thread, NULL, wake_now_and_then, &waker));
        end_poll(0, DEADLINE_MS);
        CHECK(now_ms() - from_ms < DEADLINE_MS / 2);
        pthread_join(thread, NULL);
    }
    waker.count = 100000; /* more than a pipe holds */
    REQUIRE(!pthread_create(&thread, NULL, wake_now_and_then, &waker));
    for (i = 0; i < 100; i++)
        end_poll(0, 1);
    pthread_join(thread, NULL);
    end_poll(0, 0);
    from_ms = now_ms();
    end_poll(0, 50);
    CHECK(now_ms() - from_ms >= 40); /* it does not stay awake for ever */
    ends_close();
}

/* >>what runs out --------------------------------------------------------- */

/* Two ends that live from one memory meet and talk; whether they did. When an
 * allocation has failed, they may not, and are not waited for so long. */
static int life(const struct failing_alloc *memory, uint64_t patience_ms)
{
    const crdt_alloc *alloc = memory ? &memory->table : NULL;
    uint64_t from_ms = now_ms(), wait_ms = DEADLINE_MS;
    int ok = 0, number;
    ends_forget();
    if (end_open(0, alloc) && end_open(1, alloc))
        while (!ok && now_ms() - from_ms < wait_ms) {
            if (memory && memory->failures)
                wait_ms = patience_ms;
            for (number = 0; number < 2; number++) {
                crdt_err err = end_poll((size_t)number, 1);
                CHECK(err == CRDT_OK || err == CRDT_ERR_NOMEM);
            }
            if (last(0) && !last(0)->down && last(0)->sent < 3)
                (void)send_message(&ends[0], last(0), 200);
            ok = last(1) && last(1)->got > 0;
        }
    ends_close();
    return ok;
}

TEST(every_allocation_fails_once_and_from_then_on)
{
    struct failing_alloc memory;
    size_t n;
    int on, ok, clean;
    for (on = 0; on < 2; on++) {
        for (n = 1, clean = 0; !clean && n < 300; n++) {
            failing_alloc_init(&memory);
            memory.fail_at = n;
            memory.from_then_on = on;
            ok = life(&memory, on ? 100 : 500);
            clean = memory.failures == 0;
            CHECK(ok || !clean);
            CHECK(failing_alloc_clean(&memory));
        }
        CHECK(clean && n > 3);
    }
}

static size_t open_fds(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

TEST(no_descriptor_leaks)
{
    size_t before;
    int i;
    CHECK(life(NULL, 0));
    before = open_fds();
    for (i = 0; i < 10; i++)
        CHECK(life(NULL, 0));
    CHECK_INT(open_fds(), before);
}

/* >>the list -------------------------------------------------------------- */

#define SUITE                                                                 \
    CASE(the_table_is_whole), CASE(closed_before_anything_happened),          \
        CASE(poll_waits_as_it_was_told),                                      \
        CASE(both_hear_of_each_other_and_talk),                               \
        CASE(messages_of_all_lengths), CASE(what_is_too_long_is_refused),     \
        CASE(peer_0_is_everyone_or_nobody), CASE(a_mebibyte_each_way),        \
        CASE(many_messages_and_their_echo), CASE(a_hundred_peers),            \
        CASE(a_slow_reader_holds_up_nobody), CASE(who_closes_is_missed),      \
        CASE(who_sleeps_misses_nobody), CASE(a_peer_comes_back),              \
        CASE(the_middle_comes_back),                                          \
        CASE(who_is_dropped_gets_what_was_queued),                            \
        CASE(dropped_from_within_peer_up), CASE(closed_while_sending),        \
        CASE(a_killed_process_is_missed_and_comes_back),                      \
        CASE(a_peer_that_was_removed),                                        \
        CASE(descriptors_for_a_loop_of_ones_own),                             \
        CASE(any_thread_may_wake_it),                                         \
        CASE(every_allocation_fails_once_and_from_then_on),                   \
        CASE(no_descriptor_leaks)

#endif
