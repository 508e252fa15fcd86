/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The best place for each page of all guests, as somebody knows it who knows all rates of the phase.
 *
 * Pages fill the tiers in turn, the hottest first, within the guests' floors and ceilings of tier 0. Where
 * tier 0 is loaded less of it may be better (Colloid's regime): then the best of so many sizes is taken, by
 * the machine's own formula of latency under load.
 */
#ifndef VHOST_TIER_SIM_ORACLE_SET_H
#define VHOST_TIER_SIM_ORACLE_SET_H

#include "per-guest.h"

typedef struct OracleGuest {
    Guest *guest;
    uint32_t pages;
    uint8_t *target;  /* tier of each page; SIM_ABSENT: there is none */
    float rate_scale; /* 0 while the guest idles, else 1 */
    double speed;     /* seconds of work a second, with all pages where they belong */
    uint64_t phase;
    bool idle;
} OracleGuest;

typedef struct OracleSet {
    PerGuest guests;                  /* OracleGuest */
    double latency_ns[SIM_MAX_TIERS]; /* with all pages where they belong */
} OracleSet;

void oracle_set_init(OracleSet *set, Machine *machine);
void oracle_set_clear(OracleSet *set);
/* Find the targets anew if a phase began, or a guest came, went, idles or no longer does; true if so. */
bool oracle_set_follow(OracleSet *set);
size_t oracle_set_bytes(const OracleSet *set);

/* Accesses per second of work, now. */
static inline float oracle_rate(const OracleGuest *g, size_t page)
{
    return guest_phase_rates(g->guest)[page] * g->rate_scale;
}

#endif /* VHOST_TIER_SIM_ORACLE_SET_H */
