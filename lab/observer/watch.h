/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking the samples of a running guest that truth.h makes sense of.
 */
#ifndef LAB_OBSERVER_WATCH_H
#define LAB_OBSERVER_WATCH_H

#include "guest.h"
#include "truth.h"

typedef struct Watch {
    const Guest *guest;
    Truth *truth;
    gint64 start_us;
} Watch;

/* Watch @guest (which must live on) from now. NULL with an error when it has ended. */
Watch *watch_new(const Guest *guest, GError **errp);
void watch_free(Watch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watch, watch_free)

/* Take a sample; returns the interval since the last one, as truth_add(), or NULL with an error. */
TruthInterval *watch_sample(Watch *watch, GError **errp);

#endif /* LAB_OBSERVER_WATCH_H */
