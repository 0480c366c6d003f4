/*
 * Causal contexts: a version vector, and behind its gaps the dots that came
 * too early.
 *
 *     vv       a,12            c,3
 *     clouds   a: [15..17]     f: [2..2] [7..9]
 *
 *     add a.13 to a.14: the gap is closed, so vv a,17 and a's cloud is gone
 *
 * A cloud is never empty, and never touches what its vector covers.
 */
#ifndef CRDTI_CTX_H
#define CRDTI_CTX_H

#include "alloc.h"
#include "array.h"
#include "base.h"
#include "dot.h"
#include "ivset.h"
#include "limits.h"
#include "vv.h"

typedef struct crdti_cloud {
    crdt_id replica;
    crdti_ivset runs;
} crdti_cloud;

struct crdt_ctx {
    crdt_alloc alloc;
    crdt_vv vv;
    CRDTI_ARRAY(crdti_cloud) clouds; /* sorted by replica */
};

CRDT_API crdt_err crdt_ctx_new(crdt_ctx **out, const crdt_alloc *alloc)
{
    crdt_ctx *ctx;
    alloc = crdti_alloc_or_default(alloc);
    if (!out || !alloc)
        return CRDT_ERR_ARG;
    ctx = (crdt_ctx *)crdti_alloc(alloc, sizeof *ctx);
    if (!ctx)
        return CRDT_ERR_NOMEM;
    crdti_zero(ctx, sizeof *ctx);
    ctx->alloc = *alloc;
    ctx->vv.alloc = &ctx->alloc;
    *out = ctx;
    return CRDT_OK;
}

CRDT_API void crdt_ctx_free(crdt_ctx *ctx)
{
    crdt_alloc alloc;
    size_t i;
    if (!ctx)
        return;
    for (i = 0; i < ctx->clouds.len; i++)
        crdti_ivset_free(&ctx->alloc, &ctx->clouds.ptr[i].runs);
    crdti_array_free(&ctx->alloc, &ctx->clouds);
    crdt_vv_free(&ctx->vv);
    alloc = ctx->alloc; /* it lies in what it frees */
    crdti_free(&alloc, ctx, sizeof *ctx);
}

/* Where the cloud of the replica is, or would be. O(log n). */
CRDTI_FN size_t crdti_ctx_place(const crdt_ctx *ctx, const crdt_id *replica)
{
    size_t low = 0, high = ctx->clouds.len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (crdti_id_order(&ctx->clouds.ptr[mid].replica, replica) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

CRDTI_FN int crdti_ctx_is_at(const crdt_ctx *ctx, size_t place,
                             const crdt_id *replica)
{
    return place < ctx->clouds.len &&
           crdti_id_equal(&ctx->clouds.ptr[place].replica, replica);
}

CRDTI_FN crdt_err crdti_ctx_insert_cloud(crdt_ctx *ctx, size_t place,
                                         const crdt_id *replica,
                                         crdti_ivset runs)
{
    crdti_cloud *cloud;
    if (ctx->clouds.len >= CRDTSYNC_MAX_REPLICAS)
        return CRDT_ERR_LIMIT;
    if (crdti_array_reserve(&ctx->alloc, &ctx->clouds, 1))
        return CRDT_ERR_NOMEM;
    cloud = ctx->clouds.ptr + place;
    crdti_move(cloud + 1, cloud, (ctx->clouds.len - place) * sizeof *cloud);
    ctx->clouds.len++;
    cloud->replica = *replica;
    cloud->runs = runs;
    return CRDT_OK;
}

CRDTI_FN void crdti_ctx_remove_cloud(crdt_ctx *ctx, size_t place)
{
    crdti_cloud *cloud = ctx->clouds.ptr + place;
    crdti_ivset_free(&ctx->alloc, &cloud->runs);
    ctx->clouds.len--;
    crdti_move(cloud, cloud + 1, (ctx->clouds.len - place) * sizeof *cloud);
}

/* Dots behind a gap. */
CRDTI_FN crdt_err crdti_ctx_add_early(crdt_ctx *ctx, size_t place,
                                      const crdt_id *replica, uint64_t first,
                                      uint64_t last)
{
    crdti_ivset runs = { NULL, 0, 0 };
    crdt_err err;
    if (crdti_ctx_is_at(ctx, place, replica))
        return crdti_ivset_add(&ctx->alloc, &ctx->clouds.ptr[place].runs,
                               first, last);
    err = crdti_ivset_add(&ctx->alloc, &runs, first, last);
    if (!err)
        err = crdti_ctx_insert_cloud(ctx, place, replica, runs);
    if (err)
        crdti_ivset_free(&ctx->alloc, &runs);
    return err;
}

/* Dots that follow on the vector: it goes up to `last`, and on over what it
 * touches in the cloud. Only the vector may need memory, so it comes first. */
CRDTI_FN crdt_err crdti_ctx_add_next(crdt_ctx *ctx, size_t place,
                                     const crdt_id *replica, uint64_t last)
{
    crdti_ivset *runs = crdti_ctx_is_at(ctx, place, replica)
                            ? &ctx->clouds.ptr[place].runs
                            : NULL;
    uint64_t top = runs ? crdti_ivset_gap(runs, last + 1) - 1 : last;
    crdt_err err = crdt_vv_set(&ctx->vv, replica, top);
    if (err || !runs)
        return err;
    err = crdti_ivset_remove(&ctx->alloc, runs, 0, top);
    CRDTI_ASSERT(!err); /* from 0 on, nothing is split */
    if (runs->len == 0)
        crdti_ctx_remove_cloud(ctx, place);
    return err;
}

CRDT_API crdt_err crdt_ctx_add(crdt_ctx *ctx, const crdt_id *replica,
                               uint64_t first, uint64_t last)
{
    uint64_t top;
    size_t place;
    if (!ctx || !replica || first == 0 || first > last)
        return CRDT_ERR_ARG;
    if (last > CRDTSYNC_MAX_SEQ)
        return CRDT_ERR_LIMIT;
    top = crdt_vv_get(&ctx->vv, replica);
    if (last <= top)
        return CRDT_OK;
    place = crdti_ctx_place(ctx, replica);
    if (first > top + 1)
        return crdti_ctx_add_early(ctx, place, replica, first, last);
    return crdti_ctx_add_next(ctx, place, replica, last);
}

CRDT_API int crdt_ctx_has(const crdt_ctx *ctx, const crdt_dot *dot)
{
    size_t place;
    if (crdt_vv_covers(&ctx->vv, dot))
        return 1;
    place = crdti_ctx_place(ctx, &dot->replica);
    return crdti_ctx_is_at(ctx, place, &dot->replica) &&
           crdti_ivset_has(&ctx->clouds.ptr[place].runs, dot->seq);
}

CRDT_API const crdt_vv *crdt_ctx_vv(const crdt_ctx *ctx)
{
    return &ctx->vv;
}

CRDT_API uint64_t crdt_ctx_missing(const crdt_ctx *ctx, const crdt_id *replica)
{
    return crdt_vv_get(&ctx->vv, replica) + 1;
}

#endif
