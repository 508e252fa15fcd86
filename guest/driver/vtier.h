/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio-tier: what the driver's files share.
 *
 * core.c      the device's life: probe, remove, suspend, recovery, config
 * request.c   one request to the device, and its answer or timeout
 * hint.c      hints from the kernel: queued anywhere, sent in batches
 * chardev.c   /dev/virtio-tier: calls about a program's memory
 * extent.c    a program's memory as physical extents
 * event.c     what the device tells: kept for readers
 * report.c    free page reporting
 * sysfs.c     configuration and statistics to look at
 *
 * Locks, the outer first: @lock guards the queues and what is said there to be
 * under it, and is taken in interrupts; @events_lock guards events, in
 * interrupts, too. hint.c's lock may be taken under @lock, as who is notified
 * of an event may give a hint, and nothing is taken under it.
 */
#ifndef _VTIER_H
#define _VTIER_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/page_reporting.h>
#include <linux/ratelimit.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/virtio_tier_ioctl.h>

#define VTIER_BATCH		256	/* ranges of a request, at most */
#define VTIER_QUERY_BATCH	64	/* of a QUERY, whose results are larger */
#define VTIER_REQUEST_BUFFERS	2	/* a request and its answer */
#define VTIER_EVENT_BUFFERS	16
#define VTIER_EVENTS_KEPT	64	/* a power of two */

enum vtier_state {
	VTIER_PAUSED,		/* the queues are not there: reset or suspended */
	VTIER_READY,
	VTIER_FAILED,		/* could not be started again */
	VTIER_GONE,		/* taken away */
};

/* What the device says of itself, within the bounds that the specification gives. */
struct vtier_config {
	u64 granule;
	u64 fast_budget;
	u64 pin_limit;
	u32 max_ranges;
	u32 max_ranges_per_s;
	u32 n_tiers;
};

struct vtier_stats {
	atomic64_t requests;				/* answered */
	atomic64_t ranges[VIRTIO_TIER_S_COUNT];		/* answered, by status */
	atomic64_t timeouts;
	atomic64_t device_errors;			/* answers that make no sense */
	atomic64_t resets;				/* recoveries */
	atomic64_t events;
	atomic64_t queue_full;				/* kernel hints turned away */
	atomic64_t last_status;				/* of a hint's range; -1: none yet */
};

/* Kernel hints that wait; hint.c */
struct vtier_hints {
	struct list_head link;		/* under hint.c's lock, as are the next two */
	struct vtier_hint *ring;
	unsigned int head, tail;	/* both count up */
	struct irq_work kick;
	struct delayed_work work;
	struct vtier_request *next;	/* built, not yet sent; the work's own */
	atomic_t in_flight;
	u64 paced_ns;			/* when the device's rate allows the next range */
};

struct vtier {
	struct virtio_device *vdev;	/* with a reference; its queues: while VTIER_READY */
	struct kref ref;		/* the driver's, and one of each open file */
	int number;
	char name[24];
	struct miscdevice misc;
	u64 features;			/* VIRTIO_TIER_F_* as bits */

	spinlock_t lock;		/* guards the queues, and: */
	enum vtier_state state;		/* under @lock */
	struct virtqueue *hintq;	/* under @lock */
	struct virtqueue *eventq;	/* under @lock */
	u64 cookie;			/* under @lock */
	struct vtier_config config;	/* under @lock */
	wait_queue_head_t room;		/* hintq has room again, or state changed */

	struct delayed_work config_work;
	unsigned int recover_delay;	/* jiffies */
	bool leaving;			/* under @lock: no more config_work */

	struct vtier_hints hints;

	spinlock_t events_lock;		/* guards events and n_events */
	struct virtio_tier_event *event_buffers;
	struct virtio_tier_notice events[VTIER_EVENTS_KEPT];
	u64 n_events;			/* ever; the last is events[(n_events - 1) % KEPT] */
	wait_queue_head_t readers;

	struct page_reporting_dev_info reporting;
	bool reporting_on;

	struct vtier_stats stats;
	struct ratelimit_state complaints;
};

/* core.c */
void vtier_get_config(struct vtier *vt, struct vtier_config *config);
__printf(2, 3) void vtier_complain(struct vtier *vt, const char *format, ...);
void vtier_config_soon(struct vtier *vt, unsigned long delay);
void vtier_recover_soon(struct vtier *vt);
void vtier_put(struct vtier *vt);

/* request.c */
struct vtier_request *vtier_request_new(struct vtier *vt, unsigned int type, gfp_t gfp);
void vtier_request_put(struct vtier_request *req);
bool vtier_request_add(struct vtier_request *req, u64 addr, u64 len);
unsigned int vtier_request_room(const struct vtier_request *req);
unsigned int vtier_request_ranges(const struct vtier_request *req);
u64 vtier_request_bytes(const struct vtier_request *req, unsigned int i);
void vtier_request_reuse(struct vtier_request *req);
u32 vtier_range_status(const struct vtier_request *req, unsigned int i);
const struct virtio_tier_result *vtier_range_result(const struct vtier_request *req,
						    unsigned int i);
int vtier_send(struct vtier *vt, struct vtier_request *req, void (*done)(struct vtier *vt));
int vtier_call(struct vtier *vt, struct vtier_request *req, unsigned long timeout);
unsigned long vtier_timeout(void);
void vtier_requests_done(struct virtqueue *vq);
void vtier_requests_drain(struct vtier *vt, int error);

/* hint.c */
int vtier_hints_init(struct vtier *vt);
void vtier_hints_open(struct vtier *vt);
void vtier_hints_close(struct vtier *vt);
void vtier_hints_kick(struct vtier *vt);
void vtier_hints_free(struct vtier *vt);

/* chardev.c */
extern const struct file_operations vtier_fops;

/* extent.c */
typedef int (*vtier_extent_fn)(void *opaque, u64 addr, u64 len);
int vtier_walk(unsigned long start, unsigned long end, bool write, vtier_extent_fn fn,
	       void *opaque);

/* event.c */
void vtier_event_note(struct vtier *vt, u32 type, u32 reason, u64 value, u64 lost);
int vtier_events_fill(struct vtier *vt);
void vtier_events_come(struct virtqueue *vq);
ssize_t vtier_events_read(struct vtier *vt, u64 *seen, char __user *to, size_t size,
			  bool may_wait);
bool vtier_events_pending(struct vtier *vt, u64 seen);

/* report.c */
void vtier_report_start(struct vtier *vt);
void vtier_report_stop(struct vtier *vt);

/* sysfs.c */
extern const struct attribute_group *vtier_groups[];

#endif /* _VTIER_H */
