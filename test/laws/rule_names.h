/*
 * The rules of src/ that can be left out: to be included before src/, in a
 * program that then sets `left_out`.
 */
#ifndef RULE_NAMES_H
#define RULE_NAMES_H

enum {
    NO_RULE,
    KILLS_TRAVEL,         /* kills of dots outside the base travel */
    CONTEXT_KILLS,        /* own ops inside the context die */
    FLOOR_RAISED,         /* the joiner of a snapshot raises its floor */
    SNAPSHOT_BELOW_FLOOR, /* below the floor a snapshot goes out */
    KILLS_ALL_SEEN,       /* a write kills all that it has seen */
    LATEST_WINS,          /* of the writes of a key the latest is shown */
    EXTREME_IS_SHOWN,     /* of those of a max register the greatest */
    EXTREME_STAYS,        /* which what is less does not replace */
    RIGHT_ORIGINS,        /* the one whose right is further right is first */
    MOVES_GO,             /* who deletes an element takes its moves */
    GAPS_REFUSED,         /* a delta is refused when what it goes on from is
                             not there */
    CAUSES_FIRST,         /* and when what its writer had seen is not */
    STORED_FIRST,         /* what is sent is durable */
    TORN_REFUSED,         /* bytes that are not those written are not taken */
    RESTORED_IS_NEW,      /* who starts from what was saved has another id */
    ALL_HAVE_IT,          /* what is forgotten all members have */
    BALLOTS_EQUAL,        /* an epoch is committed by one ballot */
    CUT_IS_THERE,         /* who accepts a cut has all of it */
    CUT_IS_KEPT,          /* and proposes it again before another */
    LEASES_END,           /* a full sync that takes too long is given up */
    STRICT_FREEZES,       /* in a strict one nobody writes */
    EVICTED_RETURN,       /* who hears that it was evicted says it is there */
    RULES
};

static int left_out = NO_RULE;

#define CRDTI_RULE(name) (left_out != (name))

#endif
