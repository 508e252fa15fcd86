// SPDX-License-Identifier: GPL-2.0
/*
 * Driver of virtio-tier: the guest tells its host which memory it uses, where
 * the host keeps that on several tiers.
 *
 * Theory of operation, of the device's life: the queues are there in state
 * VTIER_READY alone, and only looked at under the lock. Whatever ends that
 * state (unplugging, suspend, a device that asks to be reset) first says so
 * under the lock, then resets the device, which ends its interrupts, then ends
 * every request that the device still had. Nobody waits for a device that is
 * not there, and nothing of ours is written to after it has gone.
 *
 * A device that breaks is taken through suspend and resume, after a second and
 * then ever more seldom, under the device's lock, which the driver core holds
 * over probe and remove. A reset drops what was pinned, so those who listen for
 * events are told VIRTIO_TIER_E_PINS_DROPPED.
 */
#include <linux/idr.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "vtier.h"

#define VTIER_RECOVER_MAX	(64 * HZ)
#define VTIER_BUSY		(HZ / 20 + 1)	/* while the device comes or goes */

static DEFINE_IDA(vtier_numbers);

/* vtier_complain - of the device: a log line a minute, however often it misbehaves. */
void vtier_complain(struct vtier *vt, const char *format, ...)
{
	struct va_format vaf = { .fmt = format };
	va_list args;

	if (!__ratelimit(&vt->complaints))
		return;
	va_start(args, format);
	vaf.va = &args;
	dev_warn(&vt->vdev->dev, "%pV", &vaf);
	va_end(args);
}

/* vtier_get_config - what the device says of itself now. */
void vtier_get_config(struct vtier *vt, struct vtier_config *config)
{
	unsigned long flags;

	spin_lock_irqsave(&vt->lock, flags);
	*config = vt->config;
	spin_unlock_irqrestore(&vt->lock, flags);
}

/* Read the configuration space; -EINVAL, with a message: it can't be right, so do not use it. */
static int vtier_read_config(struct vtier *vt)
{
	struct virtio_device *vdev = vt->vdev;
	struct vtier_config c = { 0 };

	virtio_cread_le(vdev, struct virtio_tier_config, granule, &c.granule);
	virtio_cread_le(vdev, struct virtio_tier_config, fast_budget, &c.fast_budget);
	if (vt->features & BIT_ULL(VIRTIO_TIER_F_PIN))
		virtio_cread_le(vdev, struct virtio_tier_config, pin_limit, &c.pin_limit);
	virtio_cread_le(vdev, struct virtio_tier_config, max_ranges, &c.max_ranges);
	virtio_cread_le(vdev, struct virtio_tier_config, max_ranges_per_s, &c.max_ranges_per_s);
	virtio_cread_le(vdev, struct virtio_tier_config, n_tiers, &c.n_tiers);

	if (c.granule < 4096 || !is_power_of_2(c.granule) ||
	    c.max_ranges < 1 || c.max_ranges > VIRTIO_TIER_MAX_RANGES ||
	    c.n_tiers < 1 || c.n_tiers > VIRTIO_TIER_MAX_TIERS) {
		dev_err(&vdev->dev,
			"not used: bad configuration: granule %llu, max_ranges %u, n_tiers %u\n",
			c.granule, c.max_ranges, c.n_tiers);
		return -EINVAL;
	}
	spin_lock_irq(&vt->lock);
	vt->config = c;
	spin_unlock_irq(&vt->lock);
	return 0;
}

static int vtier_find_vqs(struct vtier *vt)
{
	struct virtqueue *vqs[VIRTIO_TIER_Q_COUNT];
	int err;
#ifdef VTIER_HAVE_VIRTQUEUE_INFO
	struct virtqueue_info info[VIRTIO_TIER_Q_COUNT] = {
		[VIRTIO_TIER_Q_HINT] = { "hint", vtier_requests_done },
		[VIRTIO_TIER_Q_EVENT] = { "event", vtier_events_come },
	};

	err = virtio_find_vqs(vt->vdev, VIRTIO_TIER_Q_COUNT, vqs, info, NULL);
#else
	static const char * const names[VIRTIO_TIER_Q_COUNT] = {
		[VIRTIO_TIER_Q_HINT] = "hint",
		[VIRTIO_TIER_Q_EVENT] = "event",
	};
	vq_callback_t *callbacks[VIRTIO_TIER_Q_COUNT] = {
		[VIRTIO_TIER_Q_HINT] = vtier_requests_done,
		[VIRTIO_TIER_Q_EVENT] = vtier_events_come,
	};

	err = virtio_find_vqs(vt->vdev, VIRTIO_TIER_Q_COUNT, vqs, callbacks, names, NULL);
#endif
	if (err)
		return err;
	vt->hintq = vqs[VIRTIO_TIER_Q_HINT];
	vt->eventq = vqs[VIRTIO_TIER_Q_EVENT];
	return 0;
}

static void vtier_set_state(struct vtier *vt, enum vtier_state state)
{
	spin_lock_irq(&vt->lock);
	vt->state = state;
	spin_unlock_irq(&vt->lock);
}

/* Make the queues and let requests in. */
static int vtier_start(struct vtier *vt)
{
	bool events = vt->features & BIT_ULL(VIRTIO_TIER_F_EVENTS);
	int err;

	err = vtier_read_config(vt);
	if (!err)
		err = vtier_find_vqs(vt);
	if (err)
		return err;
	if (virtqueue_get_vring_size(vt->hintq) < VTIER_REQUEST_BUFFERS) {
		dev_err(&vt->vdev->dev, "not used: a request has no room in its hint queue\n");
		err = -EINVAL;
	} else if (events) {
		err = vtier_events_fill(vt);
	}
	if (err) {
		vt->vdev->config->del_vqs(vt->vdev);
		return err;
	}
	virtio_device_ready(vt->vdev);
	vtier_set_state(vt, VTIER_READY);
	if (events) {
		spin_lock_irq(&vt->lock);
		virtqueue_kick(vt->eventq);
		spin_unlock_irq(&vt->lock);
	}
	vtier_hints_kick(vt);
	return 0;
}

/* The end of state VTIER_READY: requests end with @error. */
static void vtier_stop(struct vtier *vt, enum vtier_state state, int error)
{
	bool was_ready;

	spin_lock_irq(&vt->lock);
	was_ready = vt->state == VTIER_READY;
	vt->state = state;
	spin_unlock_irq(&vt->lock);
	virtio_reset_device(vt->vdev);
	if (!was_ready)
		return;
	vtier_requests_drain(vt, error);
	while (virtqueue_detach_unused_buf(vt->eventq))
		;
	vt->vdev->config->del_vqs(vt->vdev);
}

#ifdef CONFIG_PM_SLEEP
static int vtier_freeze(struct virtio_device *vdev)
{
	vtier_stop(vdev->priv, VTIER_PAUSED, -EAGAIN);
	return 0;
}

static int vtier_restore(struct virtio_device *vdev)
{
	struct vtier *vt = vdev->priv;
	int err = vtier_start(vt);

	if (err) {
		vtier_set_state(vt, VTIER_FAILED);
		dev_err(&vdev->dev, "could not be started again: error %d\n", err);
		return err;
	}
	vtier_event_note(vt, VIRTIO_TIER_E_PINS_DROPPED, VIRTIO_TIER_R_RESTART, 0, 0);
	return 0;
}

/* Take a device that broke through a reset, as suspend and resume do. */
static void vtier_recover(struct vtier *vt)
{
	atomic64_inc(&vt->stats.resets);
	if (virtio_device_freeze(vt->vdev) || virtio_device_restore(vt->vdev))
		vtier_set_state(vt, VTIER_FAILED);
}
#else
static void vtier_recover(struct vtier *vt)
{
	vtier_stop(vt, VTIER_FAILED, -EIO);
}
#endif

/* vtier_config_soon - look at configuration and status in @delay jiffies; any context. */
void vtier_config_soon(struct vtier *vt, unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&vt->lock, flags);
	if (!vt->leaving)
		queue_delayed_work(system_freezable_wq, &vt->config_work, delay);
	spin_unlock_irqrestore(&vt->lock, flags);
}

/* vtier_recover_soon - a queue is broken; any context. */
void vtier_recover_soon(struct vtier *vt)
{
	vtier_config_soon(vt, READ_ONCE(vt->recover_delay));
}

static bool vtier_is_broken(struct vtier *vt)
{
	bool broken;

	if (vt->vdev->config->get_status(vt->vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		return true;
	spin_lock_irq(&vt->lock);
	broken = vt->state == VTIER_READY &&
		 (virtqueue_is_broken(vt->hintq) || virtqueue_is_broken(vt->eventq));
	spin_unlock_irq(&vt->lock);
	return broken;
}

/* The device changed its configuration or its status, or broke a queue. */
static void vtier_look(struct vtier *vt)
{
	if (!vtier_is_broken(vt)) {
		if (vtier_read_config(vt))
			vtier_stop(vt, VTIER_FAILED, -EIO);
		return;
	}
	vtier_complain(vt, "the device is broken, and reset\n");
	vt->recover_delay = min(2 * vt->recover_delay, VTIER_RECOVER_MAX);
	vtier_recover(vt);
}

/*
 * The lock is tried, since whoever removes the device holds it and waits for us.
 * After probe the virtio core still looks at the status, and starts a device
 * that it finds reset: recovery must not come in between.
 */
static void vtier_config_work(struct work_struct *work)
{
	struct vtier *vt = container_of(to_delayed_work(work), struct vtier, config_work);

	if (!device_trylock(&vt->vdev->dev)) {
		vtier_config_soon(vt, VTIER_BUSY);
		return;
	}
	vtier_look(vt);
	device_unlock(&vt->vdev->dev);
}

static void vtier_config_changed(struct virtio_device *vdev)
{
	struct vtier *vt = vdev->priv;
	bool broken = vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET;

	vtier_config_soon(vt, broken ? READ_ONCE(vt->recover_delay) : 0);
}

static void vtier_release(struct kref *ref)
{
	struct vtier *vt = container_of(ref, struct vtier, ref);

	vtier_hints_free(vt);
	kfree(vt->event_buffers);
	put_device(&vt->vdev->dev);
	kfree(vt);
}

void vtier_put(struct vtier *vt)
{
	kref_put(&vt->ref, vtier_release);
}

static struct vtier *vtier_new(struct virtio_device *vdev)
{
	struct vtier *vt = kzalloc(sizeof(*vt), GFP_KERNEL);
	unsigned int bit;

	if (!vt)
		return NULL;
	vt->vdev = vdev;
	get_device(&vdev->dev);
	kref_init(&vt->ref);
	spin_lock_init(&vt->lock);
	spin_lock_init(&vt->events_lock);
	init_waitqueue_head(&vt->room);
	init_waitqueue_head(&vt->readers);
	INIT_DELAYED_WORK(&vt->config_work, vtier_config_work);
	ratelimit_state_init(&vt->complaints, 60 * HZ, 1);
	ratelimit_set_flags(&vt->complaints, RATELIMIT_MSG_ON_RELEASE);
	vt->recover_delay = HZ;
	atomic64_set(&vt->stats.last_status, -1);
	for (bit = VIRTIO_TIER_F_PIN; bit <= VIRTIO_TIER_F_EVENTS; bit++) {
		if (virtio_has_feature(vdev, bit))
			vt->features |= BIT_ULL(bit);
	}
	vt->event_buffers = kcalloc(VTIER_EVENT_BUFFERS, sizeof(*vt->event_buffers), GFP_KERNEL);
	if (!vt->event_buffers || vtier_hints_init(vt)) {
		vtier_put(vt);
		return NULL;
	}
	return vt;
}

/* The first device is /dev/virtio-tier, others are numbered; those that have gone leave theirs. */
static int vtier_register(struct vtier *vt)
{
	int err;

	vt->number = ida_alloc(&vtier_numbers, GFP_KERNEL);
	if (vt->number < 0)
		return vt->number;
	if (vt->number)
		snprintf(vt->name, sizeof(vt->name), "virtio-tier%d", vt->number);
	else
		strscpy(vt->name, "virtio-tier", sizeof(vt->name));
	vt->misc.minor = MISC_DYNAMIC_MINOR;
	vt->misc.name = vt->name;
	vt->misc.fops = &vtier_fops;
	vt->misc.parent = &vt->vdev->dev;
	vt->misc.mode = 0600;
	err = misc_register(&vt->misc);
	if (err)
		ida_free(&vtier_numbers, vt->number);
	return err;
}

static void vtier_unregister(struct vtier *vt)
{
	misc_deregister(&vt->misc);
	ida_free(&vtier_numbers, vt->number);
}

static void vtier_leave(struct vtier *vt)
{
	spin_lock_irq(&vt->lock);
	vt->leaving = true;
	spin_unlock_irq(&vt->lock);
	cancel_delayed_work_sync(&vt->config_work);
	vtier_stop(vt, VTIER_GONE, -ENODEV);
	vtier_report_stop(vt);
	vtier_hints_close(vt);
	/* Whoever had pins may give them again, to another device. */
	vtier_event_note(vt, VIRTIO_TIER_E_PINS_DROPPED, VIRTIO_TIER_R_RESTART, 0, 0);
	wake_up_all(&vt->readers);
}

static int vtier_probe(struct virtio_device *vdev)
{
	struct vtier *vt;
	int err;

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "the transport has no configuration space\n");
		return -EINVAL;
	}
	vt = vtier_new(vdev);
	if (!vt)
		return -ENOMEM;
	vdev->priv = vt;
	err = vtier_start(vt);
	if (!err)
		err = vtier_register(vt);
	if (err) {
		/* The device may have interrupted already, and started work. */
		vtier_leave(vt);
		vtier_put(vt);
		return err;
	}
	vtier_hints_open(vt);
	vtier_report_start(vt);
	return 0;
}

static void vtier_remove(struct virtio_device *vdev)
{
	struct vtier *vt = vdev->priv;

	vtier_unregister(vt);
	vtier_leave(vt);
	vtier_put(vt);
}

/* All fields are little-endian, as virtio 1 has them and legacy devices do not. */
static int vtier_validate(struct virtio_device *vdev)
{
	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "no virtio 1 device\n");
		return -ENODEV;
	}
	return 0;
}

static const struct virtio_device_id vtier_ids[] = {
	{ VIRTIO_ID_TIER, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, vtier_ids);

static const unsigned int vtier_features[] = {
	VIRTIO_TIER_F_PIN,
	VIRTIO_TIER_F_QUERY,
	VIRTIO_TIER_F_EVENTS,
};

static struct virtio_driver vtier_driver = {
	.driver.name = "virtio_tier",
	.driver.owner = THIS_MODULE,
	.driver.dev_groups = vtier_groups,
	.id_table = vtier_ids,
	.feature_table = vtier_features,
	.feature_table_size = ARRAY_SIZE(vtier_features),
	.validate = vtier_validate,
	.probe = vtier_probe,
	.remove = vtier_remove,
	.config_changed = vtier_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = vtier_freeze,
	.restore = vtier_restore,
#endif
};
module_virtio_driver(vtier_driver);

MODULE_DESCRIPTION("virtio-tier: hints about memory for the host");
MODULE_LICENSE("GPL");
