/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which granules fail to move again and again. A page is busy now and then because something holds it for a
 * moment; one that stays busy over many tries and a long time is pinned, and it is no use to try it every
 * epoch.
 */
#ifndef VHOST_TIER_MOVERS_PINNED_H
#define VHOST_TIER_MOVERS_PINNED_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A granule is held to be pinned after this many failures in a row, the first of them at least this long ago.
 */
#define PINNED_TRIES 4
#define PINNED_AGE_NS (5ull * 1000 * 1000 * 1000)

/* At most so many granules are remembered; beyond that new ones stay merely busy. */
#define PINNED_MAX_GRANULES 65536

typedef struct Pinned Pinned;

Pinned *pinned_new(void);
void pinned_free(Pinned *pinned);

/*
 * A try failed because the granule was busy: true when it is now held to be pinned (it is then forgotten, to
 * be judged anew).
 */
bool pinned_busy(Pinned *pinned, uint32_t region, uint32_t granule, uint64_t now_ns);
/* The granule moved, or is gone. */
void pinned_forget(Pinned *pinned, uint32_t region, uint32_t granule);

#endif /* VHOST_TIER_MOVERS_PINNED_H */
