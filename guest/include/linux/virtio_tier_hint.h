/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module virtio_tier offers to others in the kernel.
 */
#ifndef _LINUX_VIRTIO_TIER_HINT_H
#define _LINUX_VIRTIO_TIER_HINT_H

#include <linux/virtio_tier_ioctl.h>

struct notifier_block;

/**
 * virtio_tier_hint - tell the host something about pages
 * @pfn: the first page's number
 * @nr_pages: how many
 * @type: VIRTIO_TIER_T_HOT, _COLD, _WILLNEED, _FREE, _PIN or _UNPIN
 *
 * Callable from any context, NMI included. The hint is queued, joined with
 * its neighbours and sent soon; it goes to the first device that there is, as
 * all devices speak for the same memory, and nobody hears what becomes of it
 * but the device's statistics. A reset of the device and a suspend end all pins:
 * virtio_tier_register_notifier() tells when to give them again.
 *
 * Return: 0: queued. -EAGAIN: too many are waiting, or an NMI met a lock that
 * is held: drop it or come again. -ENODEV: there is no device. -EOPNOTSUPP:
 * the device takes no pins. -EINVAL: no such type, or no such pages.
 */
int virtio_tier_hint(unsigned long pfn, unsigned long nr_pages, unsigned int type);

/**
 * virtio_tier_register_notifier - hear events of all devices
 * @nb: is called with VIRTIO_TIER_E_* and a struct virtio_tier_notice, with
 * interrupts off; it may call virtio_tier_hint()
 *
 * VIRTIO_TIER_E_PINS_DROPPED comes whenever pins may be gone, be it by a reset
 * or a suspend, with the device, or because the host ended them; the notice's
 * value is what is still pinned, in bytes.
 *
 * Return: 0, or -EEXIST.
 */
int virtio_tier_register_notifier(struct notifier_block *nb);

/* virtio_tier_unregister_notifier - waits for calls under way. Return: 0, or -ENOENT. */
int virtio_tier_unregister_notifier(struct notifier_block *nb);

#endif /* _LINUX_VIRTIO_TIER_HINT_H */
