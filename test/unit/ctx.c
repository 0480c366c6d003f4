/* Causal contexts, against a bit for each dot. */
#include "../../src/ctx.h"
#include "../test.h"

#define REPLICAS 4
#define SPAN 60

static crdt_id id_of(uint32_t n)
{
    crdt_id id = { { 0 } };
    id.b[n % 2 ? 0 : 15] = (uint8_t)(n + 1);
    return id;
}

static int has(const crdt_ctx *ctx, uint32_t n, uint64_t seq)
{
    crdt_dot dot;
    dot.replica = id_of(n);
    dot.seq = seq;
    return crdt_ctx_has(ctx, &dot);
}

static void check_form(const crdt_ctx *ctx)
{
    size_t i;
    for (i = 0; i < ctx->clouds.len; i++) {
        const crdti_cloud *cloud = &ctx->clouds.ptr[i];
        CHECK(cloud->runs.len > 0);
        CHECK(cloud->runs.ptr[0].lo >
              crdt_vv_get(&ctx->vv, &cloud->replica) + 1);
        CHECK(i == 0 || crdt_id_compare(&ctx->clouds.ptr[i - 1].replica,
                                        &cloud->replica) < 0);
    }
}

TEST(it_does_what_the_model_does)
{
    uint64_t seed = test_env("TEST_SEED", 1);
    int round, step;
    for (round = 0; round < 200; round++) {
        static uint8_t model[REPLICAS][SPAN + 2];
        crdt_ctx *ctx;
        REQUIRE(crdt_ctx_new(&ctx, NULL) == CRDT_OK);
        memset(model, 0, sizeof model);
        for (step = 0; step < 60; step++) {
            uint32_t n = test_below(&seed, REPLICAS);
            uint32_t first = 1 + test_below(&seed, SPAN), last, seq, gap = 1;
            crdt_id id = id_of(n);
            last = first + test_below(&seed, 6);
            last = last > SPAN ? SPAN : last;
            CHECK_INT(crdt_ctx_add(ctx, &id, first, last), CRDT_OK);
            memset(&model[n][first], 1, last - first + 1);
            while (model[n][gap])
                gap++;
            CHECK_INT(crdt_ctx_missing(ctx, &id), gap);
            CHECK_INT(crdt_vv_get(crdt_ctx_vv(ctx), &id), gap - 1);
            for (seq = 1; seq <= SPAN + 1; seq++)
                CHECK_INT(has(ctx, n, seq), model[n][seq]);
            check_form(ctx);
        }
        crdt_ctx_free(ctx);
    }
}

TEST(the_drawing_in_the_head)
{
    crdt_ctx *ctx;
    crdt_id a = id_of(0), f = id_of(1);
    REQUIRE(crdt_ctx_new(&ctx, NULL) == CRDT_OK);
    CHECK(!crdt_ctx_add(ctx, &a, 1, 12));
    CHECK(!crdt_ctx_add(ctx, &a, 15, 17));
    CHECK(!crdt_ctx_add(ctx, &f, 7, 9));
    CHECK(!crdt_ctx_add(ctx, &f, 2, 2));
    CHECK_INT(ctx->clouds.len, 2);
    CHECK_INT(crdt_ctx_missing(ctx, &a), 13);
    CHECK_INT(crdt_ctx_missing(ctx, &f), 1);
    CHECK(!crdt_ctx_add(ctx, &a, 13, 14));
    CHECK_INT(crdt_ctx_missing(ctx, &a), 18);
    CHECK_INT(ctx->clouds.len, 1);
    CHECK(!crdt_ctx_add(ctx, &f, 1, 20)); /* swallows its cloud */
    CHECK_INT(crdt_ctx_missing(ctx, &f), 21);
    CHECK_INT(ctx->clouds.len, 0);
    crdt_ctx_free(ctx);
}

TEST(arguments_and_limits)
{
    crdt_ctx *ctx;
    crdt_id id = id_of(0);
    CHECK_INT(crdt_ctx_new(NULL, NULL), CRDT_ERR_ARG);
    REQUIRE(crdt_ctx_new(&ctx, NULL) == CRDT_OK);
    CHECK_INT(crdt_ctx_add(NULL, &id, 1, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_ctx_add(ctx, NULL, 1, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_ctx_add(ctx, &id, 0, 1), CRDT_ERR_ARG);
    CHECK_INT(crdt_ctx_add(ctx, &id, 3, 2), CRDT_ERR_ARG);
    CHECK_INT(crdt_ctx_add(ctx, &id, 1, CRDTSYNC_MAX_SEQ + 1), CRDT_ERR_LIMIT);
    CHECK_INT(crdt_ctx_missing(ctx, &id), 1);
    CHECK_INT(crdt_ctx_add(ctx, &id, 1, CRDTSYNC_MAX_SEQ), CRDT_OK);
    CHECK(has(ctx, 0, CRDTSYNC_MAX_SEQ) && !has(ctx, 0, CRDTSYNC_MAX_SEQ + 1));
    crdt_ctx_free(ctx);
    crdt_ctx_free(NULL);
}

TEST(too_many_replicas)
{
    crdt_ctx *ctx;
    crdt_id id = id_of(0);
    uint32_t i;
    REQUIRE(crdt_ctx_new(&ctx, NULL) == CRDT_OK);
    for (i = 0; i < CRDTSYNC_MAX_REPLICAS; i++) {
        crdti_store32(id.b, (i & 255) << 24 | i >> 8);
        REQUIRE(crdt_ctx_add(ctx, &id, 5, 5) == CRDT_OK);
    }
    crdti_store32(id.b + 4, 1);
    CHECK_INT(crdt_ctx_add(ctx, &id, 5, 5), CRDT_ERR_LIMIT);
    CHECK_INT(ctx->clouds.len, CRDTSYNC_MAX_REPLICAS);
    check_form(ctx);
    crdt_ctx_free(ctx);
}

TEST_MAIN(CASE(it_does_what_the_model_does), CASE(the_drawing_in_the_head),
          CASE(arguments_and_limits), CASE(too_many_replicas))
