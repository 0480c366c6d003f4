/*
 * A program that runs the whole suite over each of its kits:
 *
 *     SUITE_MAIN(&tcp_kit, &udp_kit)
 *
 * `prog PATTERN` runs those tests of which "KIT: TEST" holds PATTERN.
 */
#ifndef SUITE_MAIN_H
#define SUITE_MAIN_H

#include "suite.h"
#include "sites_suite.h"

static inline int suite_main(const struct kit *const *kits, size_t count,
                             const char *pattern)
{
    static const struct test_case by_hand[] = { SUITE };
    static const struct test_case with_nodes[] = { SITES_SUITE };
    size_t i;
    for (i = 0; i < count; i++) {
        kit = kits[i];
        if (!kit->loses)
            test_run(kit->name, by_hand, sizeof by_hand / sizeof *by_hand,
                     pattern);
        test_run(kit->name, with_nodes, sizeof with_nodes / sizeof *with_nodes,
                 pattern);
    }
    return test_end(pattern);
}

#define SUITE_MAIN(...)                                                       \
    int main(int argc, char **argv)                                           \
    {                                                                         \
        static const struct kit *const kits[] = { __VA_ARGS__ };              \
        return suite_main(kits, sizeof kits / sizeof *kits,                   \
                          argc > 1 ? argv[1] : "");                           \
    }

#endif
