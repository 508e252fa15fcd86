/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the daemon must leave guest RAM alone: around live migration.
 */
#ifndef HW_MEM_TIER_FREEZE_H
#define HW_MEM_TIER_FREEZE_H

typedef struct TierFreeze TierFreeze;

/*
 * Watch for live migration: @changed is called whenever the answer of
 * tier_freeze_active() changes.
 */
TierFreeze *tier_freeze_new(void (*changed)(void *opaque), void *opaque);
void tier_freeze_free(TierFreeze *freeze);
/* Whether moves and tracking must pause now. */
bool tier_freeze_active(const TierFreeze *freeze);

#endif /* HW_MEM_TIER_FREEZE_H */
