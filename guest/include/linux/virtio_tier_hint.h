/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module virtio_tier offers to others in the kernel.
 */
#ifndef _LINUX_VIRTIO_TIER_HINT_H
#define _LINUX_VIRTIO_TIER_HINT_H

#include <linux/virtio_tier.h>

/**
 * virtio_tier_hint - tell the host something about pages
 * @pfn: the first page's number
 * @nr_pages: how many
 * @type: VIRTIO_TIER_T_HOT, _COLD, _WILLNEED, _FREE, _PIN or _UNPIN
 *
 * Callable from any context, NMI included. The hint is queued, joined with
 * its neighbours and sent soon; it goes to the first device that there is, and
 * nobody hears what becomes of it but the device's statistics. A reset of the
 * device and a suspend end all pins, and nobody gives them again.
 *
 * Return: 0: queued. -EAGAIN: too many are waiting, or an NMI met a lock that
 * is held: drop it or come again. -ENODEV: there is no device. -EOPNOTSUPP:
 * the device takes no pins. -EINVAL: no such type, or no such pages.
 */
int virtio_tier_hint(unsigned long pfn, unsigned long nr_pages, unsigned int type);

#endif /* _LINUX_VIRTIO_TIER_HINT_H */
