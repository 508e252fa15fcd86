/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Occupying a NUMA node, so that a kernel that knows no budget per VM has just so much of it to give.
 */
#ifndef LAB_OBSERVER_HOG_H
#define LAB_OBSERVER_HOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Hog Hog;

/* A hog on node @node that holds nothing yet. */
Hog *hog_new(unsigned node);
/*
 * Hold so much of the node that a process which has @held_bytes of it can have @budget_bytes, and no more: what is free is taken but
 * for the rest of the budget, what it has beyond it the kernel must take from it to make room, and what is too much is given back. To
 * be called again and again, as the kernel frees memory by demoting other things. At most HOG_STEP_BYTES more in one call, so that
 * the kernel keeps up. False with an error when memory cannot be locked.
 */
#define HOG_STEP_BYTES (64u << 20)
bool hog_hold(Hog *hog, uint64_t held_bytes, uint64_t budget_bytes, GError **errp);
/* What it holds, in bytes. */
uint64_t hog_bytes(const Hog *hog);
/* Give all back. */
void hog_free(Hog *hog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hog, hog_free)

#endif /* LAB_OBSERVER_HOG_H */
