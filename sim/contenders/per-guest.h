/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a contender keeps for each guest, while guests come and go.
 */
#ifndef VHOST_TIER_SIM_PER_GUEST_H
#define VHOST_TIER_SIM_PER_GUEST_H

#include "../machine.h"

typedef struct PerGuest {
    Machine *machine;
    void *(*create)(void *opaque, Guest *guest);
    GDestroyNotify destroy;
    void *opaque;
    GPtrArray *items;               /* one for each guest, in the machine's order */
    GArray *ids;                    /* guest_id() of each; unlike a guest's address, never used again */
    uint64_t generation;
} PerGuest;

void per_guest_init(PerGuest *all, Machine *machine, void *(*create)(void *opaque, Guest *guest),
                    GDestroyNotify destroy, void *opaque);
void per_guest_clear(PerGuest *all);
/* Make an item for each guest that is new, free those whose guest has gone; true if there was any of either. */
bool per_guest_follow(PerGuest *all);

#endif /* VHOST_TIER_SIM_PER_GUEST_H */
