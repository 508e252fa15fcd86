/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The userfaultfd that is handed to the daemon.
 *
 * Only a process itself can make a userfaultfd for its memory, so QEMU makes
 * it and the daemon uses it. The daemon tracks asynchronously: no fault is ever
 * delivered, so the guest does not wait for it. User-mode faults are enough for
 * that, which takes no privilege.
 */
#include "qemu/osdep.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "memory-tier.h"

/* <linux/userfaultfd.h> of Linux 6.7 and 7.3; build hosts have older ones. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_ASYNC  (1ull << 15)
#define FEATURE_RWP       (1ull << 17)
#define FEATURE_RWP_ASYNC (1ull << 18)

int tier_uffd_open(void)
{
    return syscall(SYS_userfaultfd,
                   O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
}

uint64_t tier_uffd_features(void)
{
    /* Asking for features settles a userfaultfd's: so ask one of its own. */
    struct uffdio_api api = { .api = UFFD_API };
    int uffd = tier_uffd_open();
    int rc;

    if (uffd < 0) {
        return 0;
    }
    rc = ioctl(uffd, UFFDIO_API, &api);
    close(uffd);
    if (rc) {
        return 0;
    }
    if ((api.features & FEATURE_RWP) && (api.features & FEATURE_RWP_ASYNC)) {
        return TIER_F_RWP;
    }
    return api.features & FEATURE_WP_ASYNC ? TIER_F_WP : 0;
}

void tier_uffd_unregister(int uffd, const void *hva, uint64_t size)
{
    struct uffdio_range range = { .start = (uintptr_t)hva, .len = size };

    /* It fails where the daemon did not do UFFDIO_API: nothing is there then */
    ioctl(uffd, UFFDIO_UNREGISTER, &range);
}
