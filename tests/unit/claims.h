/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims of VMs for tests of the arbiter: how hard they work their memory, and what that makes them claim.
 */
#ifndef CLAIMS_H
#define CLAIMS_H

#include "core/arbiter.h"
#include "curves.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* A VM of one vCPU that makes 3 million accesses a second: it loses 45 % with all memory slow. */
static const SlowdownLoad busy = {3e6, 1, 1, 100, 250};
static const SlowdownLoad idle = {100, 0.001, 1, 100, 250};
/* One that does nothing but wait for memory: it loses 150 %, and no VM can lose more. */
static const SlowdownLoad waits = {1e7, 1, 1, 100, 250};

/* With 20 us for both copies of 4 KiB and a minute of life. */
#define MOVE_NS_PER_BYTE (20000 / 4096.0 / 60)

static inline ArbiterClaim claim_of(const PolicyCurve *curve, const SlowdownLoad *load)
{
    return (ArbiterClaim) {
        .ceiling_bytes = curve->present_bytes,
        .weight = 100,
        .curve = curve,
        .model = slowdown_model(curve, load),
        .move_ns_per_byte = MOVE_NS_PER_BYTE,
    };
}

static inline void set_target(ArbiterClaim *claim, double target)
{
    claim->has_target = true;
    claim->target_bytes = slowdown_size(claim->curve, &claim->model, target);
}

#endif /* CLAIMS_H */
