/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was seen of a guest's memory, by blocks of 2 MiB: how hot each was lately and when it was last used. Pure: no
 * clock, no system call.
 */
#ifndef TIER_HINT_BLOCKS_H
#define TIER_HINT_BLOCKS_H

#include <glib.h>
#include <stdint.h>

#define BLOCK_BYTES (UINT64_C(2) << 20)

typedef struct Blocks Blocks;

/* Blocks of the RAM @ranges (of DamonRange, ascending), which are copied, all last used now. For the caller to free. */
Blocks *blocks_new(const GArray *ranges, uint64_t now_s);
void blocks_free(Blocks *blocks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Blocks, blocks_free)

/* Forget how hot each was: what is noted from now on counts. */
void blocks_begin(Blocks *blocks);

/*
 * Of the looks at [@start, @end) that were spread over some time, @percent found it used. The hottest that is noted of
 * any part of a block is the block's. Addresses beyond the RAM are passed over.
 */
void blocks_note(Blocks *blocks, uint64_t start, uint64_t end, unsigned percent, uint64_t now_s);

/* Append to @out (of struct virtio_tier_urange) the RAM that was found used by at least @percent (above 0). */
void blocks_hot(const Blocks *blocks, unsigned percent, GArray *out);

/* Likewise, the RAM that was not used for @seconds. */
void blocks_cold(const Blocks *blocks, uint64_t seconds, uint64_t now_s, GArray *out);

#endif /* TIER_HINT_BLOCKS_H */
