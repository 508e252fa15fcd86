// SPDX-License-Identifier: GPL-2.0
/*
 * Events: what the device tells of its own accord.
 *
 * The last ones are kept; each reader has its own place among them. One that
 * reads too seldom is told how many it missed. Others in the kernel are notified.
 */
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/notifier.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <linux/virtio_tier_hint.h>

#include "vtier.h"

static ATOMIC_NOTIFIER_HEAD(vtier_notifiers);

int virtio_tier_register_notifier(struct notifier_block *nb)
{
	return atomic_notifier_chain_register(&vtier_notifiers, nb);
}
EXPORT_SYMBOL_GPL(virtio_tier_register_notifier);

int virtio_tier_unregister_notifier(struct notifier_block *nb)
{
	return atomic_notifier_chain_unregister(&vtier_notifiers, nb);
}
EXPORT_SYMBOL_GPL(virtio_tier_unregister_notifier);

/* vtier_event_note - keep an event for the readers, and notify; any context but NMI. */
void vtier_event_note(struct vtier *vt, u32 type, u32 reason, u64 value, u64 lost)
{
	struct virtio_tier_notice notice = {
		.type = type,
		.reason = reason,
		.value = value,
		.lost = lost,
		.time_ns = ktime_get_boottime_ns(),
	};
	unsigned long flags;

	spin_lock_irqsave(&vt->events_lock, flags);
	vt->events[vt->n_events % VTIER_EVENTS_KEPT] = notice;
	WRITE_ONCE(vt->n_events, vt->n_events + 1);
	spin_unlock_irqrestore(&vt->events_lock, flags);
	atomic64_inc(&vt->stats.events);
	wake_up_interruptible(&vt->readers);
	atomic_notifier_call_chain(&vtier_notifiers, type, &notice);
}

static int vtier_event_buffer_add(struct vtier *vt, struct virtio_tier_event *event)
{
	struct scatterlist sg;

	memset(event, 0, sizeof(*event));
	sg_init_one(&sg, event, sizeof(*event));
	return virtqueue_add_inbuf(vt->eventq, &sg, 1, event, GFP_ATOMIC);
}

/* vtier_events_fill - give the device its buffers; before it is ready. */
int vtier_events_fill(struct vtier *vt)
{
	unsigned int i, n = min_t(unsigned int, VTIER_EVENT_BUFFERS,
				  virtqueue_get_vring_size(vt->eventq));
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = vtier_event_buffer_add(vt, &vt->event_buffers[i]);
	return err;
}

/* Keep an event, if it is one; whether others were lost before it. */
static bool vtier_event_take(struct vtier *vt, const struct virtio_tier_event *event, u32 used)
{
	u32 type = le32_to_cpu(event->type);
	u64 lost = le64_to_cpu(event->lost);

	if (used < sizeof(*event)) {
		atomic64_inc(&vt->stats.device_errors);
		vtier_complain(vt, "the device wrote an event of %u bytes\n", used);
		return false;
	}
	if (type >= VIRTIO_TIER_E_BUDGET && type <= VIRTIO_TIER_E_HINTS_IGNORED)
		vtier_event_note(vt, type, le32_to_cpu(event->reason), le64_to_cpu(event->value),
				 lost);
	return lost;
}

/* vtier_events_come - eventq's callback: each buffer goes back after a look. */
void vtier_events_come(struct virtqueue *vq)
{
	struct vtier *vt = vq->vdev->priv;
	struct virtio_tier_event *event;
	unsigned int budget = VTIER_EVENTS_KEPT;
	bool broken, lost = false;
	unsigned long flags;
	u32 used;

	spin_lock_irqsave(&vt->lock, flags);
	do {
		virtqueue_disable_cb(vq);
		while (budget && (event = virtqueue_get_buf(vq, &used))) {
			lost |= vtier_event_take(vt, event, used);
			vtier_event_buffer_add(vt, event);
			budget--;
		}
		broken = virtqueue_is_broken(vq);
	} while (budget && !broken && !virtqueue_enable_cb(vq));
	if (budget)
		virtqueue_kick(vq);
	else
		vtier_complain(vt, "the device floods us with events: deaf until a reset\n");
	spin_unlock_irqrestore(&vt->lock, flags);
	if (broken)
		vtier_recover_soon(vt);
	else if (lost)
		vtier_config_soon(vt, 0);
}

bool vtier_events_pending(struct vtier *vt, u64 seen)
{
	return READ_ONCE(vt->n_events) != seen;
}

/* The next event that this reader has not seen; false: none. */
static bool vtier_events_next(struct vtier *vt, u64 *seen, struct virtio_tier_notice *notice)
{
	u64 missed = 0;
	bool found;

	spin_lock_irq(&vt->events_lock);
	if (vt->n_events - *seen > VTIER_EVENTS_KEPT) {
		missed = vt->n_events - *seen - VTIER_EVENTS_KEPT;
		*seen += missed;
	}
	found = vt->n_events != *seen;
	if (found)
		*notice = vt->events[(*seen)++ % VTIER_EVENTS_KEPT];
	spin_unlock_irq(&vt->events_lock);
	notice->lost += missed;
	return found;
}

/**
 * vtier_events_read - whole events for a reader
 * @vt: the device
 * @seen: how many of all events this reader has seen; brought up to date
 * @to: user memory
 * @size: of @to, in bytes
 * @may_wait: for the first event
 *
 * Return: bytes read, or -EINVAL: no room for an event; -EAGAIN: none, and
 * @may_wait is false; -ENODEV: none will come, the device was taken away;
 * -EFAULT; -ERESTARTSYS.
 */
ssize_t vtier_events_read(struct vtier *vt, u64 *seen, char __user *to, size_t size,
			  bool may_wait)
{
	struct virtio_tier_notice notice = { 0 };
	size_t done = 0;
	int err;

	if (size < sizeof(notice))
		return -EINVAL;
	if (may_wait) {
		err = wait_event_interruptible(vt->readers, vtier_events_pending(vt, *seen) ||
					       READ_ONCE(vt->state) == VTIER_GONE);
		if (err)
			return err;
	}
	while (done + sizeof(notice) <= size && vtier_events_next(vt, seen, &notice)) {
		if (copy_to_user(to + done, &notice, sizeof(notice)))
			return -EFAULT;
		done += sizeof(notice);
	}
	if (done)
		return done;
	return READ_ONCE(vt->state) == VTIER_GONE ? -ENODEV : -EAGAIN;
}
