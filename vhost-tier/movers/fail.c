/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reasons for pages that did not move, and their names.
 */
#include "fail.h"

#include <errno.h>

#include "numa.h"

static const struct {
    const char *name;
    const char *remedy;
} reasons[TIER_MOVE_FAIL__MAX] = {
    [TIER_MOVE_FAIL_BUSY] = {"busy", NULL},
    [TIER_MOVE_FAIL_FULL] = {"node full", "free memory on the target node, or lower the VMs' budgets"},
    [TIER_MOVE_FAIL_ELSEWHERE] = {"landed elsewhere",
                                  "free memory on the target node, and see that nothing else moves it"},
    [TIER_MOVE_FAIL_ABSENT] = {"absent", NULL},
    [TIER_MOVE_FAIL_PINNED] =
        {"pinned", "pages that a device (VFIO) or vhost holds can't move: expect no tiering of them"},
    [TIER_MOVE_FAIL_CPUSET] =
        {"not allowed",
         "let QEMU's cpuset contain the tiers' nodes (cpuset.mems, <numatune>), and the daemon have "
         "CAP_SYS_NICE and CAP_SYS_PTRACE"},
    [TIER_MOVE_FAIL_OTHER] = {"other", NULL},
};

const char *mover_fail_name(TierMoveFail reason)
{
    return reason < TIER_MOVE_FAIL__MAX ? reasons[reason].name : "unknown";
}

const char *mover_fail_remedy(TierMoveFail reason)
{
    return reason < TIER_MOVE_FAIL__MAX ? reasons[reason].remedy : NULL;
}

TierMoveFail fail_from_errno(int err)
{
    switch (err) {
    case -EBUSY:
    case -EAGAIN:
        return TIER_MOVE_FAIL_BUSY;
    case -ENOMEM:
        return TIER_MOVE_FAIL_FULL;
    case -ENOENT:
    case -EFAULT: /* no mapping, or the zero page */
    case -ESRCH:
        return TIER_MOVE_FAIL_ABSENT;
    case -EACCES:
    case -EPERM:
    case -ENODEV:
        return TIER_MOVE_FAIL_CPUSET;
    default:
        return TIER_MOVE_FAIL_OTHER;
    }
}

bool fail_judge(const Topology *topology, unsigned from, unsigned to, int call_errno, int status, int found,
                TierMoveFail *why)
{
    int tier = found < 0 ? -1 : topology_tier_of_node(topology, found);

    if (tier == (int)to) {
        return true;
    }
    if (found < 0) {
        *why = fail_from_errno(found);
    } else if (tier != (int)from) {
        *why = TIER_MOVE_FAIL_ELSEWHERE;
    } else if (status < 0 && status != FAIL_STATUS_UNWRITTEN) {
        *why = fail_from_errno(status);
    } else if (call_errno) {
        *why = fail_from_errno(-call_errno);
    } else {
        /* The kernel gave up on it without a word: there are references that it could not drop. */
        *why = TIER_MOVE_FAIL_BUSY;
    }
    return false;
}
