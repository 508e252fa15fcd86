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
 * Hold so much of the node that a process which has @held_bytes of it finds room for what is left of
 * @budget_bytes, and no more: take what is free beyond the level at which the kernel makes room by itself, or
 * give back. From a process that has more than its budget the kernel is made to take a little, by the hog's
 * asking for a little more than is free. To be called again and again, a few times a second. False with an
 * error when memory cannot be locked.
 */
bool hog_hold(Hog *hog, uint64_t held_bytes, uint64_t budget_bytes, GError **errp);
/* What it holds, in bytes. */
uint64_t hog_bytes(const Hog *hog);
/* Give all back. */
void hog_free(Hog *hog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hog, hog_free)

#endif /* LAB_OBSERVER_HOG_H */
