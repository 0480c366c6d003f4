/*
 * The test runner: one C file is one program, a test is a function, a check
 * that fails says where and goes on. It needs nothing but stdio, so that the
 * same tests run on bare metal under semihosting.
 *
 *     TEST(adds_up) { CHECK_INT(1 + 1, 2); }
 *     TEST_MAIN(CASE(adds_up))
 *
 * `prog` runs all, `prog PATTERN` those whose name holds PATTERN, `prog --list`
 * names them. A TEST missing from TEST_MAIN is an unused function: the
 * compiler complains. Optional knobs travel in the environment (test_env).
 */
#ifndef TEST_H
#define TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

static int test_failures_in_case;

#define TEST(name) static void name(void)
/* clang-format off */
#define CASE(name) { #name, name }
/* clang-format on */

#define CHECK(cond)                                                           \
    do {                                                                      \
        if (!(cond)) {                                                        \
            test_failures_in_case++;                                          \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);         \
        }                                                                     \
    } while (0)

/* Ends the running test when it fails: for what the rest depends on. */
#define REQUIRE(cond)                                                         \
    do {                                                                      \
        if (!(cond)) {                                                        \
            test_failures_in_case++;                                          \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);         \
            return;                                                           \
        }                                                                     \
    } while (0)

#define CHECK_INT(got, want)                                                  \
    do {                                                                      \
        long long test_got = (long long)(got);                                \
        long long test_want = (long long)(want);                              \
        if (test_got != test_want) {                                          \
            test_failures_in_case++;                                          \
            printf("%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, \
                   test_got, test_want);                                      \
        }                                                                     \
    } while (0)

#define CHECK_STR(got, want)                                                  \
    do {                                                                      \
        const char *test_got = (got);                                         \
        const char *test_want = (want);                                       \
        if (strcmp(test_got, test_want) != 0) {                               \
            test_failures_in_case++;                                          \
            printf("%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__,   \
                   #got, test_got, test_want);                                \
        }                                                                     \
    } while (0)

/* A number from the environment, or `otherwise`: seeds, counts. */
static inline uint64_t test_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* splitmix64: the random source of every test; the seed is the whole state. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint32_t test_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(((test_random(state) >> 32) * bound) >> 32);
}

static int test_passed, test_failed;

/* Runs those whose name, behind that of the group ("" or "tcp: "), holds the
 * pattern; or names them. */
static inline void test_run(const char *group, const struct test_case *cases,
                            size_t count, const char *pattern)
{
    char name[200];
    size_t i;
    for (i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%s", group, cases[i].name);
        if (strcmp(pattern, "--list") == 0) {
            puts(name);
            continue;
        }
        if (!strstr(name, pattern))
            continue;
        test_failures_in_case = 0;
        cases[i].run();
        if (test_failures_in_case) {
            printf("FAIL %s\n", name);
            test_failed++;
        } else {
            test_passed++;
        }
        fflush(stdout);
    }
}

/* What main answers. */
static inline int test_end(const char *pattern)
{
    if (strcmp(pattern, "--list") != 0)
        printf("%d passed, %d failed\n", test_passed, test_failed);
    return test_failed != 0;
}

static inline int test_main(const struct test_case *cases, size_t count,
                            int argc, char **argv)
{
    const char *pattern = argc > 1 ? argv[1] : "";
    test_run("", cases, count, pattern);
    return test_end(pattern);
}

#define TEST_MAIN(...)                                                        \
    int main(int argc, char **argv)                                           \
    {                                                                         \
        static const struct test_case cases[] = { __VA_ARGS__ };              \
        return test_main(cases, sizeof cases / sizeof *cases, argc, argv);    \
    }

#endif
