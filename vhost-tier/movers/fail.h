/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a page did not move: what move_pages(2) said, and where the page is now, as one of the reasons that
 * users see.
 */
#ifndef VHOST_TIER_MOVERS_FAIL_H
#define VHOST_TIER_MOVERS_FAIL_H

#include <stdbool.h>

#include "tier-channel.h"
#include "machine/topology.h"

/* In a status array: the kernel wrote nothing for this page, as when the call ended early. */
#define FAIL_STATUS_UNWRITTEN INT32_MIN

/* The reason that a negative errno of move_pages(2) stands for, be it of a page or of the whole call. */
TierMoveFail fail_from_errno(int err);

/*
 * Whether a page is on tier @to after a move; otherwise *@why says why not. @call_errno is 0 where the call
 * did not fail as a whole; @status is what it wrote for the page (or FAIL_STATUS_UNWRITTEN); @found is the
 * page's node as a query tells it now, or a negative errno.
 */
bool fail_judge(const Topology *topology, unsigned from, unsigned to, int call_errno, int status, int found,
                TierMoveFail *why);

#endif /* VHOST_TIER_MOVERS_FAIL_H */
