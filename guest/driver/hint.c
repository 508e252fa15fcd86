// SPDX-License-Identifier: GPL-2.0
/*
 * Hints from within the kernel: virtio_tier_hint().
 *
 * Theory of operation: hints come from any context, so they are only put into a
 * ring, under a raw spinlock, and an irq_work (the one thing that an NMI may
 * start) starts the work that sends them. While earlier requests are with the
 * device, later hints gather and neighbours of one type are joined: the busier
 * the device, the larger the batches. When the ring is full, callers are told
 * -EAGAIN. The work keeps to the device's max_ranges_per_s. Pins are not joined:
 * the device takes a range whole or, beyond its limit, not at all.
 */
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <linux/virtio_tier_hint.h>

#include "vtier.h"

#define VTIER_HINTS		4096	/* that may wait; a power of two */
#define VTIER_HINTS_IN_FLIGHT	4	/* requests */
#define VTIER_BURST_NS		(100 * NSEC_PER_MSEC)	/* of the device's rate */
#define VTIER_UNHEARD_NS	(NSEC_PER_SEC + VTIER_BURST_NS)
#define VTIER_RATE_BYTES	SZ_2M		/* for each, a range may count once more */
#define VTIER_RETRY		(HZ / 50 + 1)		/* where others filled the queue */

struct vtier_hint {
	u64 addr;
	u64 len;
	unsigned int type;
};

/* Guards all devices' rings and which device hints go to: the one opened first. */
static DEFINE_RAW_SPINLOCK(vtier_hints_lock);
static LIST_HEAD(vtier_hints_devices);

static bool vtier_hint_is_valid(unsigned long pfn, unsigned long nr_pages, unsigned int type)
{
	const unsigned long end = ULONG_MAX >> PAGE_SHIFT;

	return nr_pages && nr_pages <= end && pfn <= end - nr_pages &&
	       type >= VIRTIO_TIER_T_HOT && type <= VIRTIO_TIER_T_UNPIN;
}

/* Put a hint into the ring; false: it is full. Under the lock. */
static bool vtier_hints_push(struct vtier_hints *hints, u64 addr, u64 len, unsigned int type)
{
	struct vtier_hint *hint;

	if (hints->head != hints->tail && type != VIRTIO_TIER_T_PIN) {
		hint = &hints->ring[(hints->head - 1) % VTIER_HINTS];
		if (hint->type == type && hint->addr + hint->len == addr) {
			hint->len += len;
			return true;
		}
	}
	if (hints->head - hints->tail == VTIER_HINTS)
		return false;
	hint = &hints->ring[hints->head++ % VTIER_HINTS];
	*hint = (struct vtier_hint){ .addr = addr, .len = len, .type = type };
	return true;
}

int virtio_tier_hint(unsigned long pfn, unsigned long nr_pages, unsigned int type)
{
	struct vtier *vt;
	unsigned long flags;
	int err = 0;

	if (!vtier_hint_is_valid(pfn, nr_pages, type))
		return -EINVAL;
	if (!in_nmi())
		raw_spin_lock_irqsave(&vtier_hints_lock, flags);
	else if (!raw_spin_trylock_irqsave(&vtier_hints_lock, flags))
		return -EAGAIN;

	vt = list_first_entry_or_null(&vtier_hints_devices, struct vtier, hints.link);
	if (!vt) {
		err = -ENODEV;
	} else if ((type == VIRTIO_TIER_T_PIN || type == VIRTIO_TIER_T_UNPIN) &&
		   !(vt->features & BIT_ULL(VIRTIO_TIER_F_PIN))) {
		err = -EOPNOTSUPP;
	} else if (vtier_hints_push(&vt->hints, PFN_PHYS(pfn), PFN_PHYS(nr_pages), type)) {
		irq_work_queue(&vt->hints.kick);
	} else {
		atomic64_inc(&vt->stats.queue_full);
		err = -EAGAIN;
	}
	raw_spin_unlock_irqrestore(&vtier_hints_lock, flags);
	return err;
}
EXPORT_SYMBOL_GPL(virtio_tier_hint);

/* Take the oldest hint if it is of @hint's type; type 0 stands for any. */
static bool vtier_hints_pop(struct vtier_hints *hints, struct vtier_hint *hint)
{
	const struct vtier_hint *oldest;
	bool taken = false;

	raw_spin_lock_irq(&vtier_hints_lock);
	oldest = &hints->ring[hints->tail % VTIER_HINTS];
	if (hints->head != hints->tail && (!hint->type || hint->type == oldest->type)) {
		*hint = *oldest;
		hints->tail++;
		taken = true;
	}
	raw_spin_unlock_irq(&vtier_hints_lock);
	return taken;
}

/* A request of the oldest hints, all of one type; NULL: none wait, or no memory. */
static struct vtier_request *vtier_hints_build(struct vtier *vt)
{
	struct vtier_request *req;
	struct vtier_hint hint = { 0 };
	unsigned int left;

	if (!vtier_hints_pop(&vt->hints, &hint))
		return NULL;
	req = vtier_request_new(vt, hint.type, GFP_KERNEL);
	if (!req) {
		atomic64_inc(&vt->stats.queue_full);
		return NULL;
	}
	left = vtier_request_room(req);
	do {
		vtier_request_add(req, hint.addr, hint.len);
	} while (--left && vtier_hints_pop(&vt->hints, &hint));
	return req;
}

/* How long the device's rate wants the next request to wait, in jiffies. */
static unsigned long vtier_hints_pause(struct vtier *vt)
{
	u64 now = ktime_get_ns();

	if (vt->hints.paced_ns <= now + VTIER_BURST_NS)
		return 0;
	return nsecs_to_jiffies(vt->hints.paced_ns - now - VTIER_BURST_NS) + 1;
}

/*
 * Count a request that was sent against the device's rate. Where the device did
 * not want to hear the last hints, the next ones wait.
 */
static void vtier_hints_pace(struct vtier *vt, const struct vtier_request *req)
{
	u64 now = ktime_get_ns(), n_ranges = 0;
	struct vtier_config config;
	unsigned int i;

	for (i = 0; i < vtier_request_ranges(req); i++)
		n_ranges += 1 + vtier_request_bytes(req, i) / VTIER_RATE_BYTES;
	vtier_get_config(vt, &config);
	if (config.max_ranges_per_s)
		vt->hints.paced_ns = max(vt->hints.paced_ns, now) +
				     mul_u64_u32_div(n_ranges, NSEC_PER_SEC,
						     config.max_ranges_per_s);
	switch (atomic64_read(&vt->stats.last_status)) {
	case VIRTIO_TIER_S_RATE:
	case VIRTIO_TIER_S_UNTRUSTED:
	case VIRTIO_TIER_S_OFF:
		vt->hints.paced_ns = max(vt->hints.paced_ns, now + VTIER_UNHEARD_NS);
	}
}

static void vtier_hints_sent(struct vtier *vt)
{
	atomic_dec(&vt->hints.in_flight);
	irq_work_queue(&vt->hints.kick);
}

static void vtier_hints_work(struct work_struct *work)
{
	struct vtier_hints *hints = container_of(to_delayed_work(work), struct vtier_hints, work);
	struct vtier *vt = container_of(hints, struct vtier, hints);
	unsigned long pause;
	int err;

	while (atomic_read(&hints->in_flight) < VTIER_HINTS_IN_FLIGHT) {
		pause = vtier_hints_pause(vt);
		if (pause) {
			queue_delayed_work(system_freezable_wq, &hints->work, pause);
			return;
		}
		if (!hints->next)
			hints->next = vtier_hints_build(vt);
		if (!hints->next)
			return;
		atomic_inc(&hints->in_flight);
		err = vtier_send(vt, hints->next, vtier_hints_sent);
		if (err) {
			/* It is kept. The device's return starts us again. */
			atomic_dec(&hints->in_flight);
			if (err == -ENOSPC || err == -ENOMEM)
				queue_delayed_work(system_freezable_wq, &hints->work,
						   VTIER_RETRY);
			return;
		}
		vtier_hints_pace(vt, hints->next);
		vtier_request_put(hints->next);
		hints->next = NULL;
	}
}

static void vtier_hints_irq(struct irq_work *kick)
{
	struct vtier_hints *hints = container_of(kick, struct vtier_hints, kick);

	queue_delayed_work(system_freezable_wq, &hints->work, 0);
}

int vtier_hints_init(struct vtier *vt)
{
	struct vtier_hints *hints = &vt->hints;

	hints->ring = kvcalloc(VTIER_HINTS, sizeof(*hints->ring), GFP_KERNEL);
	if (!hints->ring)
		return -ENOMEM;
	INIT_LIST_HEAD(&hints->link);
	init_irq_work(&hints->kick, vtier_hints_irq);
	INIT_DELAYED_WORK(&hints->work, vtier_hints_work);
	return 0;
}

/* vtier_hints_open - from now on this device may be given hints. */
void vtier_hints_open(struct vtier *vt)
{
	raw_spin_lock_irq(&vtier_hints_lock);
	list_add_tail(&vt->hints.link, &vtier_hints_devices);
	raw_spin_unlock_irq(&vtier_hints_lock);
}

/*
 * vtier_hints_close - no more hints come, and the work has ended for good. The
 * device has been drained: no answer starts it again.
 */
void vtier_hints_close(struct vtier *vt)
{
	raw_spin_lock_irq(&vtier_hints_lock);
	list_del_init(&vt->hints.link);
	raw_spin_unlock_irq(&vtier_hints_lock);
	irq_work_sync(&vt->hints.kick);
	cancel_delayed_work_sync(&vt->hints.work);
}

/* vtier_hints_kick - the device takes requests again. */
void vtier_hints_kick(struct vtier *vt)
{
	irq_work_queue(&vt->hints.kick);
}

void vtier_hints_free(struct vtier *vt)
{
	vtier_request_put(vt->hints.next);
	kvfree(vt->hints.ring);
}
