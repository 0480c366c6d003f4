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
    RULES
};

static int left_out = NO_RULE;

#define CRDTI_RULE(name) (left_out != (name))

#endif
