/* The names and sentences of errors. */
#include "../../src/error.h"
#include "../test.h"

TEST(every_error_has_a_name_and_a_sentence)
{
    int i, j;
    for (i = 0; i < CRDT_ERR_COUNT; i++) {
        CHECK(strncmp(crdt_err_name((crdt_err)i), "CRDT_", 5) == 0);
        CHECK(strlen(crdt_err_text((crdt_err)i)) > 5);
        for (j = 0; j < i; j++)
            CHECK(strcmp(crdt_err_name((crdt_err)i),
                         crdt_err_name((crdt_err)j)) != 0);
    }
    CHECK_STR(crdt_err_name(CRDT_OK), "CRDT_OK");
    CHECK_STR(crdt_err_name(CRDT_ERR_NOMEM), "CRDT_ERR_NOMEM");
    CHECK_STR(crdt_err_text(CRDT_OK), "no error");
}

TEST(unknown_errors_have_one_too)
{
    CHECK_STR(crdt_err_name(CRDT_ERR_COUNT), "CRDT_ERR_?");
    CHECK(strlen(crdt_err_text(CRDT_ERR_COUNT)) > 5);
}

TEST(the_version_says_the_same_in_numbers_and_in_text)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", CRDTSYNC_VERSION_MAJOR,
             CRDTSYNC_VERSION_MINOR, CRDTSYNC_VERSION_PATCH);
    CHECK_STR(CRDTSYNC_VERSION, text);
    CHECK_STR(crdt_library_version(), text);
}

TEST_MAIN(CASE(every_error_has_a_name_and_a_sentence),
          CASE(unknown_errors_have_one_too),
          CASE(the_version_says_the_same_in_numbers_and_in_text))
