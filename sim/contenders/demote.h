/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Down from tier 0.
 */
#ifndef VHOST_TIER_SIM_DEMOTE_H
#define VHOST_TIER_SIM_DEMOTE_H

#include "../machine.h"

/* Move a page to tier 1 or, where that is full, to the next that has room. MOVE_NO_ROOM: none has. */
static inline MoveResult demote_page(Guest *guest, size_t page)
{
    uint32_t n_tiers = machine_config(guest_machine(guest))->n_tiers;
    MoveResult result = MOVE_NO_ROOM;

    for (unsigned tier = 1; tier < n_tiers && result == MOVE_NO_ROOM; tier++) {
        result = guest_move(guest, page, tier);
    }
    return result;
}

#endif /* VHOST_TIER_SIM_DEMOTE_H */
