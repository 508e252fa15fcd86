/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest in which 'tier-hint auto' runs: DAMON of the guest's own, and what tier-hint makes of what it sees, by the
 * very same code (guest/tier-hint/seen.h).
 */
#ifndef VHOST_TIER_SIM_SPEAKER_AUTO_H
#define VHOST_TIER_SIM_SPEAKER_AUTO_H

#include "machine.h"

typedef struct SpeakerAuto SpeakerAuto;

/* @order: the guest's pages in the order of its program's addresses, which DAMON goes by; NULL: the same. */
SpeakerAuto *speaker_auto_new(Guest *guest, const uint32_t *order);
void speaker_auto_free(SpeakerAuto *speaker);
/* Look, and speak, if it is time to; returns when it will be again. */
uint64_t speaker_auto_tick(SpeakerAuto *speaker, uint64_t now_ns);

#endif /* VHOST_TIER_SIM_SPEAKER_AUTO_H */
