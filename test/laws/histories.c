/* Random histories of all types against the model: histories.h. */
#include "histories.h"

#include "seeds.h"

TEST(documents_equal_the_model)
{
    CHECK(run_seeds(20000) == 0);
}

TEST_MAIN(CASE(documents_equal_the_model))
