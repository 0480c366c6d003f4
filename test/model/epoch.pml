/*
 * Full syncs (src/epoch.h) among three members, exhaustively: members that
 * crash, are evicted and return, leave, arrive; messages that are late, lost,
 * stale and out of order; leases that end whenever they like.
 *
 *     make model          all of what follows
 *
 * What a member has ever said in its record stays said: it may be heard by
 * anyone at any later time, or never. So there are no channels, but facts, by
 * member and ballot, and whoever steps does so by whichever of them it likes:
 * late, lost and stale messages are all in that. So is a crash that loses
 * nothing, and the end of a lease: from then on one does nothing for a while,
 * or for ever, as everyone may anyhow. Changes are bits; a cut is a set of
 * them; to join is to unite. Ballots are numbers that are taken in any order.
 *
 * Safety, asserted:
 *     - an epoch has one cut (commit)
 *     - nobody has forgotten what one lacks who is waited for (forget)
 * Liveness, asserted with -DLIVE: when nothing more can happen, all have
 * committed and are at work. All that happens is something gained, so nothing
 * goes on for ever: it is enough that whatever can happen does some day.
 *
 * What may happen, and how often: EVICT (also one that lives), LEAVE, WRITES,
 * BALLOTS; ARRIVE: the third member is new. Planted mistakes, each of
 * which must be found:
 *     COMPUTE_CUT     each computes the cut instead of the proposer telling it
 *     NO_ADOPT        the proposer disregards what was accepted before
 *     NO_VIEW         commits though members differ about who they are
 *     NO_GATE         changes are sent to one that is not known to take part
 *     ACCEPT_EARLY    accepts a cut before having it
 *     FORGET_EARLY    forgets when it has accepted, not when all have
 *     MOST            commits when two of three have accepted
 *     LOSE_PROMISE    crashes (CRASH) lose what was promised and accepted
 *     LOSE_MEMBERS    and these who the members are
 */
#ifndef BALLOTS
#define BALLOTS 2
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef CRASH
#define CRASH 0
#endif
#ifndef EVICT
#define EVICT 0
#endif
#ifndef LEAVE
#define LEAVE 0
#endif

#define N 3
#define WORK 0
#define SYNC 1
#define READY 2

#define HAS(all, some) (((all) & (some)) == (some))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* What a member is. */
byte phase[N], ballot[N], accepted[N] /* ballot */, epoch[N];
byte applied[N], forgotten[N];
bit up[N];

/* Who takes part: 0 unknown, then odd while active, even while evicted or
 * gone. `life` is what is true of a member, `heard` what a member holds. */
byte life[N];
typedef Hearing { byte about[N] }
Hearing heard[N];

/* What was said, by ballot, and by member in it. A view is a set of members,
 * `views` a set of views. */
typedef Said {
    bit answered, accepts;
    byte bound;    /* the ballot in which it had accepted a cut before */
    byte applied;
    byte views, accept_views;
    byte cut       /* COMPUTE_CUT: that it accepts */
}
typedef Ballot {
    bit is_taken;
    byte proposer, epoch;
    byte cut;      /* 0: not told yet */
    Said by[N]
}
Ballot at[BALLOTS + 1];

byte writes = 0, crashes = 0, evictions = 0, leaves = 0;

/* What only the model knows. */
bit is_waited_for[N], is_new[N];
byte cut_of[BALLOTS + 2]; /* by epoch; 0: none yet */

#define knows(i, j) (heard[i].about[j] & 1)
#define view(i) (knows(i, 0) | knows(i, 1) << 1 | knows(i, 2) << 2)
#define ours at[ballot[me]]
#define mine ours.by[me]
#define leads (ours.proposer == me)

#ifdef NO_VIEW
#define same(views) 1
#else
#define same(views) ((views) >> view(me) & 1)
#endif

/* Who knows nobody else, by now, is a group of its own, with its own epochs
 * until it meets others: not what is asked here. */
#define met (view(me) != 1 << me)

/* >>what one does --------------------------------------------------------- */

/* Our record says what is so now. */
#define renew() \
    if \
    :: phase[me] != WORK -> \
        mine.views = mine.views | 1 << view(me); \
        mine.applied = applied[me] \
    :: else \
    fi; \
    if \
    :: accepted[me] -> \
        at[accepted[me]].by[me].accept_views = \
            at[accepted[me]].by[me].accept_views | 1 << view(me) \
    :: else \
    fi

#define safe(i) (!is_waited_for[i] || HAS(applied[i], forgotten[me]))
#define forget(cut) \
    forgotten[me] = forgotten[me] | ((cut) & applied[me]); \
    assert(safe(0) && safe(1) && safe(2))

/* Drawn by a member that one knows, which is in it. */
#define draws(i, b) (knows(me, i) && at[b].by[i].answered)
#define can_enter(b) \
    ((b) > ballot[me] && at[b].epoch == epoch[me] && \
     (draws(k1, b) || draws(k2, b)))
#define enter(b) \
    ballot[me] = b; \
    phase[me] = SYNC; \
    mine.answered = 1; \
    mine.bound = accepted[me]; \
    renew()

/* Two who propose at once differ by their ids: any number may be the less. */
#define can_propose(b) (!at[b].is_taken && (b) > ballot[me])
#define propose(b) \
    at[b].is_taken = 1; \
    at[b].proposer = me; \
    at[b].epoch = epoch[me]; \
    enter(b)

/* >>the cut --------------------------------------------------------------- */

#define answers(i) \
    (!knows(me, i) || (ours.by[i].answered && same(ours.by[i].views)))
#define is_answered (answers(0) && answers(1) && answers(2))

#ifdef NO_ADOPT
#define highest 0
#else
#define bound_by(i) (knows(me, i) -> ours.by[i].bound : 0)
#define highest MAX(bound_by(0), MAX(bound_by(1), bound_by(2)))
#endif
#define front(i) (knows(me, i) -> ours.by[i].applied : 0)
#define new_cut (front(0) | front(1) | front(2))

#ifdef COMPUTE_CUT
#define is_told is_answered
#define told new_cut
#define cut_in(b) at[b].by[me].cut
#else
#define told (leads && !ours.cut -> (highest -> at[highest].cut : new_cut) \
                                 : ours.cut)
#define is_told (leads && !ours.cut -> is_answered : ours.cut)
#define cut_in(b) at[b].cut
#endif

#ifdef ACCEPT_EARLY
#define has(cut) 1
#else
#define has(cut) HAS(applied[me], cut)
#endif
#define can_accept \
    (phase[me] == SYNC && heard[me].about[ours.proposer] && is_told && has(told))

#ifdef FORGET_EARLY
#define forget_early() forget(cut_in(ballot[me]))
#else
#define forget_early() skip
#endif

#define accept() \
    cut_in(ballot[me]) = told; \
    mine.accepts = 1; \
    accepted[me] = ballot[me]; \
    phase[me] = READY; \
    forget_early(); \
    renew()

/* >>commit ---------------------------------------------------------------- */

#define yes(i) (ours.by[i].accepts)
#define agrees(i) \
    (!knows(me, i) || (yes(i) && same(ours.by[i].accept_views)))
#ifdef MOST
#define can_commit (phase[me] == READY && yes(0) + yes(1) + yes(2) >= 2)
#else
#define can_commit \
    (phase[me] == READY && met && agrees(0) && agrees(1) && agrees(2))
#endif

#define end_epoch(cut) \
    epoch[me]++; \
    accepted[me] = 0; \
    phase[me] = WORK; \
    forget(cut)

#define commit() \
    assert(cut_of[epoch[me] + 1] == 0 || \
           cut_of[epoch[me] + 1] == cut_in(ballot[me])); \
    cut_of[epoch[me] + 1] = cut_in(ballot[me]); \
    end_epoch(cut_of[epoch[me]])

/* Another has committed, and its word is taken. */
#define can_learn(i) (epoch[i] > epoch[me])

/* >>members --------------------------------------------------------------- */

#ifdef NO_GATE
#define sends(i, j) 1
#else
#define sends(i, j) knows(i, j)
#endif
#define can_join(i) (up[i] && sends(i, me) && !HAS(applied[me], applied[i]))

/* Who has just come is waited for from then on. */
#define join(i) \
    applied[me] = applied[me] | applied[i]; \
    is_waited_for[me] = is_waited_for[me] | is_new[me]; \
    is_new[me] = 0

/* Something newer is heard of a member, from whomever; of ourselves, that we
 * are evicted: then we are back. */
#define can_hear(i) (heard[me].about[i] < life[i])
#define hear(i) \
    heard[me].about[i] = life[i]; \
    renew()
#define can_return (life[me] > 0 && !(life[me] & 1) && heard[me].about[me] & 1)
#define come_back() \
    life[me]++; \
    heard[me].about[me] = life[me]; \
    renew()

#define can_evict(i) \
    (evictions < EVICT && heard[me].about[i] == life[i] && knows(me, i))
#define evict(i) \
    evictions++; \
    is_waited_for[i] = 0; \
    life[i]++; \
    heard[me].about[i] = life[i]; \
    renew()

#define leave() \
    leaves++; \
    is_waited_for[me] = 0; \
    life[me]++; \
    heard[me].about[me] = life[me]; \
    up[me] = 0

#ifdef LOSE_MEMBERS
#define lose() heard[me].about[k1] = 0; heard[me].about[k2] = 0
#else
#define lose() ballot[me] = 0; accepted[me] = 0
#endif
#define crash() \
    crashes++; \
    phase[me] = WORK; \
    lose()

#define k1 ((me + 1) % N)
#define k2 ((me + 2) % N)

/* >>all of it ------------------------------------------------------------- */

proctype member(byte me)
{
end:
    do
    :: atomic { up[me] && can_enter(1) -> enter(1) }
    :: atomic { up[me] && can_accept -> accept() }
    :: atomic { up[me] && can_commit -> commit() }
    :: atomic { up[me] && can_learn(k1) -> end_epoch(cut_of[epoch[me]]) }
    :: atomic { up[me] && can_learn(k2) -> end_epoch(cut_of[epoch[me]]) }
    :: atomic { up[me] && can_join(k1) -> join(k1) }
    :: atomic { up[me] && can_join(k2) -> join(k2) }
    /* Proposes: as asked, or taking over. */
    :: atomic { up[me] && can_propose(1) && met ->
                propose(1) }
#if BALLOTS > 1
    :: atomic { up[me] && can_enter(2) -> enter(2) }
    :: atomic { up[me] && can_propose(2) && met ->
                propose(2) }
#endif
#if BALLOTS > 2
    :: atomic { up[me] && can_enter(3) -> enter(3) }
    :: atomic { up[me] && can_propose(3) && met ->
                propose(3) }
#endif
    :: atomic { up[me] && writes < WRITES ->
                writes++; applied[me] = applied[me] | 1 << writes }
    :: atomic { up[me] && phase[me] == SYNC && mine.applied != applied[me] ->
                renew() }
#if CRASH
    :: atomic { up[me] && crashes < CRASH -> crash() }
#endif
#if EVICT
    /* Whichever evicts whichever: before that all are alike. */
    :: atomic { me == 1 && up[me] && can_evict(0) -> evict(0) }
    :: atomic { up[me] && can_return -> come_back() }
#endif
#if LEAVE
    :: atomic { me == 0 && up[me] && leaves < LEAVE -> leave() }
#endif
#if EVICT || LEAVE || defined(ARRIVE) || defined(LOSE_MEMBERS)
    :: atomic { up[me] && can_hear(k1) -> hear(k1) }
    :: atomic { up[me] && can_hear(k2) -> hear(k2) }
#endif
    od
}

#define at_work(i) (epoch[i] > 0 && phase[i] == WORK)

#ifdef LIVE
/* When nothing more can happen. */
proctype last_of_all()
{
    timeout -> assert(at_work(0) && at_work(1) && at_work(2))
}
#endif

/* All know all, but, with ARRIVE, the third, and have the same. */
init
{
    byte i, j;
    atomic {
        for (i : 0 .. N - 1) {
            up[i] = 1;
            life[i] = 1;
            applied[i] = 1;
            is_waited_for[i] = 1;
            for (j : 0 .. N - 1) {
                heard[i].about[j] = 1
            }
        }
#ifdef ARRIVE
        is_waited_for[2] = 0;
        is_new[2] = 1;
        applied[2] = 0;
        heard[0].about[2] = 0;
        heard[1].about[2] = 0;
        heard[2].about[0] = 0;
        heard[2].about[1] = 0;
#endif
        i = 0;
        do
        :: i < N ->
            run member(i);
            i++
        :: else -> break
        od;
#ifdef LIVE
        run last_of_all();
#endif
        i = 0;
        j = 0
    }
}
