/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baseline 'interleave': pages stay where they were first put, as with weighted interleaving (mbind(2),
 * MPOL_WEIGHTED_INTERLEAVE, Linux 6.9) and no tiering. With several guests these are static equal shares of
 * tier 0.
 */
#include "../contender.h"
#include "../params.h"

static Contender *interleave_create(const char *params, Machine *machine, GError **errp)
{
    const Param none[] = {{NULL}};

    return params_parse(params, none, errp) ? g_new0(Contender, 1) : NULL;
}

static uint64_t interleave_tick(Contender *contender, uint64_t now_ns)
{
    return UINT64_MAX;
}

static size_t interleave_metadata_bytes(const Contender *contender)
{
    return 0;
}

static void interleave_destroy(Contender *contender)
{
    g_free(contender);
}

const ContenderClass interleave_contender = {
    .name = "interleave",
    .what = "pages stay where they were first put (weighted interleaving, no tiering)",
    .defaults = "",
    .create = interleave_create,
    .tick = interleave_tick,
    .metadata_bytes = interleave_metadata_bytes,
    .destroy = interleave_destroy,
};
