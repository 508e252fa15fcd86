// SPDX-License-Identifier: GPL-2.0
/*
 * One request to the device, and its answer.
 *
 * Theory of operation: a request has two owners, the queue from vtier_send() on
 * until the device gives it back (or is reset), and whoever made it. A maker
 * that tires of waiting lets go; the buffers, which the device may still
 * write, stay until the queue lets go, too. So a device that never answers
 * costs at most a full ring of requests, and after that nothing but timeouts.
 *
 * Nothing that a device says is believed: the answer's size, cookie, status and
 * count are checked against what was asked, and what it may change while we
 * look is read once.
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "vtier.h"

static unsigned int timeout_ms = 2000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "How long a caller waits for the device, in ms (2000)");

struct vtier_out {
	struct virtio_tier_req head;
	struct virtio_tier_range ranges[];
};

struct vtier_in {
	struct virtio_tier_resp head;
	union {
		DECLARE_FLEX_ARRAY(__le32, statuses);
		DECLARE_FLEX_ARRAY(struct virtio_tier_result, results);
	};
};

struct vtier_request {
	refcount_t refs;
	struct completion done;
	void (*callback)(struct vtier *vt);
	int error;		/* valid once done: 0, or why there is no answer */
	u32 status;		/* of the whole request, where there is an answer */
	u16 type;
	u32 n_ranges, capacity;
	struct vtier_out *out;
	struct vtier_in *in;
};

static size_t vtier_in_size(unsigned int type, u32 n_ranges)
{
	size_t entry = type == VIRTIO_TIER_T_QUERY ? sizeof(struct virtio_tier_result)
						   : sizeof(__le32);

	return sizeof(struct virtio_tier_resp) + n_ranges * entry;
}

/*
 * vtier_request_new - an empty request; NULL without memory. Its owner puts it.
 */
struct vtier_request *vtier_request_new(struct vtier *vt, unsigned int type, gfp_t gfp)
{
	unsigned int n = type == VIRTIO_TIER_T_QUERY ? VTIER_QUERY_BATCH : VTIER_BATCH;
	struct vtier_request *req = kzalloc(sizeof(*req), gfp);
	struct vtier_config config;

	vtier_get_config(vt, &config);
	n = min(n, config.max_ranges);
	if (!req)
		return NULL;
	req->out = kzalloc(struct_size(req->out, ranges, n), gfp);
	req->in = kzalloc(vtier_in_size(type, n), gfp);
	if (!req->out || !req->in) {
		kfree(req->out);
		kfree(req->in);
		kfree(req);
		return NULL;
	}
	refcount_set(&req->refs, 1);
	init_completion(&req->done);
	req->type = type;
	req->capacity = n;
	return req;
}

void vtier_request_put(struct vtier_request *req)
{
	if (req && refcount_dec_and_test(&req->refs)) {
		kfree(req->out);
		kfree(req->in);
		kfree(req);
	}
}

/* vtier_request_add - one more range, in bytes. Return: false: the request is full. */
bool vtier_request_add(struct vtier_request *req, u64 addr, u64 len)
{
	struct virtio_tier_range *range = &req->out->ranges[req->n_ranges];

	if (req->n_ranges == req->capacity)
		return false;
	range->addr = cpu_to_le64(addr);
	range->len = cpu_to_le64(len);
	req->n_ranges++;
	return true;
}

/* vtier_request_room - how many more ranges it takes; a new one at least one. */
unsigned int vtier_request_room(const struct vtier_request *req)
{
	return req->capacity - req->n_ranges;
}

unsigned int vtier_request_ranges(const struct vtier_request *req)
{
	return req->n_ranges;
}

u64 vtier_request_bytes(const struct vtier_request *req, unsigned int i)
{
	return le64_to_cpu(req->out->ranges[i].len);
}

/* vtier_request_reuse - empty an answered request for the next ranges. */
void vtier_request_reuse(struct vtier_request *req)
{
	req->n_ranges = 0;
	reinit_completion(&req->done);
}

/* vtier_range_status - VIRTIO_TIER_S_* of a range of an answered request. */
u32 vtier_range_status(const struct vtier_request *req, unsigned int i)
{
	u32 status = req->status;

	if (status == VIRTIO_TIER_S_OK) {
		if (req->type == VIRTIO_TIER_T_QUERY)
			status = le32_to_cpu(READ_ONCE(req->in->results[i].status));
		else
			status = le32_to_cpu(READ_ONCE(req->in->statuses[i]));
	}
	return status < VIRTIO_TIER_S_COUNT ? status : VIRTIO_TIER_S_IOERR;
}

/* vtier_range_result - what an answered QUERY says of a range with status OK. */
const struct virtio_tier_result *vtier_range_result(const struct vtier_request *req,
						    unsigned int i)
{
	return &req->in->results[i];
}

/* Take the answer, of which the device says that it has @used bytes, or refuse it. */
static int vtier_take_answer(struct vtier *vt, struct vtier_request *req, u32 used)
{
	const struct virtio_tier_resp *head = &req->in->head;
	u32 status = le32_to_cpu(READ_ONCE(head->status));
	size_t needed = status == VIRTIO_TIER_S_OK ? vtier_in_size(req->type, req->n_ranges)
						   : sizeof(*head);

	if (used < needed || used > vtier_in_size(req->type, req->n_ranges)) {
		vtier_complain(vt, "the device answered %u bytes where %zu are due\n", used,
			       needed);
		return -EIO;
	}
	if (head->cookie != req->out->head.cookie) {
		vtier_complain(vt, "the device answered another request than it was asked\n");
		return -EIO;
	}
	if (status >= VIRTIO_TIER_S_COUNT) {
		vtier_complain(vt, "the device answered with status %u, which does not exist\n",
			       status);
		return -EIO;
	}
	if (status == VIRTIO_TIER_S_OK && le32_to_cpu(head->n_ranges) != req->n_ranges) {
		vtier_complain(vt, "the device answered for %u ranges of %u\n",
			       le32_to_cpu(head->n_ranges), req->n_ranges);
		return -EIO;
	}
	req->status = status;
	return 0;
}

static void vtier_account(struct vtier *vt, const struct vtier_request *req)
{
	u32 counts[VIRTIO_TIER_S_COUNT] = { 0 };
	u32 status = VIRTIO_TIER_S_OK;
	unsigned int i;

	for (i = 0; i < req->n_ranges; i++) {
		status = vtier_range_status(req, i);
		counts[status]++;
	}
	for (i = 0; i < VIRTIO_TIER_S_COUNT; i++) {
		if (counts[i])
			atomic64_add(counts[i], &vt->stats.ranges[i]);
	}
	atomic64_inc(&vt->stats.requests);
	if (req->type != VIRTIO_TIER_T_QUERY)
		atomic64_set(&vt->stats.last_status, status);
}

/* The queue lets go of a request. */
static void vtier_finish(struct vtier *vt, struct vtier_request *req, int error)
{
	void (*callback)(struct vtier *) = req->callback;

	req->error = error;
	if (!error)
		vtier_account(vt, req);
	complete(&req->done);
	vtier_request_put(req);
	if (callback)
		callback(vt);
}

/**
 * vtier_send - give a request to the device; does not sleep
 * @vt: the device
 * @req: has at least one range; the queue takes a reference of its own
 * @done: called when the queue lets go of it, in any context; may be NULL
 *
 * Return: 0, or -ENOSPC: no room now; -EAGAIN: the device is being reset or
 * suspended; -ENODEV: it is gone; -EIO: it fails; -ENOMEM.
 */
int vtier_send(struct vtier *vt, struct vtier_request *req, void (*done)(struct vtier *vt))
{
	struct scatterlist out, in, *sgs[] = { &out, &in };
	size_t in_size = vtier_in_size(req->type, req->n_ranges);
	unsigned long flags;
	int err;

	memset(req->in, 0, in_size);
	sg_init_one(&out, req->out, struct_size(req->out, ranges, req->n_ranges));
	sg_init_one(&in, req->in, in_size);
	req->callback = done;
	req->out->head.type = cpu_to_le16(req->type);
	req->out->head.n_ranges = cpu_to_le32(req->n_ranges);

	spin_lock_irqsave(&vt->lock, flags);
	switch (vt->state) {
	case VTIER_READY:
		req->out->head.cookie = cpu_to_le64(vt->cookie++);
		err = virtqueue_add_sgs(vt->hintq, sgs, 1, 1, req, GFP_ATOMIC);
		if (!err) {
			refcount_inc(&req->refs);
			virtqueue_kick(vt->hintq);
		}
		break;
	case VTIER_PAUSED:
		err = -EAGAIN;
		break;
	case VTIER_FAILED:
		err = -EIO;
		break;
	default:
		err = -ENODEV;
	}
	spin_unlock_irqrestore(&vt->lock, flags);
	return err;
}

/* vtier_timeout - how long to wait for the device, in jiffies. */
unsigned long vtier_timeout(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(timeout_ms), 1U, 600000U));
}

/**
 * vtier_call - give a request to the device and wait for its answer
 * @vt: the device
 * @req: as for vtier_send()
 * @timeout: in jiffies
 *
 * Return: 0: there is an answer. -ETIMEDOUT and -EINTR: none yet; the request
 * must not be reused, and the caller's call not restarted, which would tell
 * twice what was sent. Else as vtier_send() says.
 */
int vtier_call(struct vtier *vt, struct vtier_request *req, unsigned long timeout)
{
	int err = -ENOSPC;
	long left;

	left = wait_event_interruptible_timeout(vt->room,
						(err = vtier_send(vt, req, NULL)) != -ENOSPC,
						timeout);
	if (left < 0)
		return -EINTR;
	if (err && err != -ENOSPC)
		return err;
	if (!err)
		left = wait_for_completion_interruptible_timeout(&req->done, left);
	if (left < 0)
		return -EINTR;
	if (left == 0) {
		atomic64_inc(&vt->stats.timeouts);
		vtier_complain(vt, "the device does not answer\n");
		return -ETIMEDOUT;
	}
	return req->error;
}

/* vtier_requests_done - the device has used buffers: hintq's callback. */
void vtier_requests_done(struct virtqueue *vq)
{
	struct vtier *vt = vq->vdev->priv;
	struct vtier_request *req;
	unsigned long flags;
	bool broken;
	u32 used;
	int err;

	spin_lock_irqsave(&vt->lock, flags);
	do {
		virtqueue_disable_cb(vq);
		while ((req = virtqueue_get_buf(vq, &used))) {
			err = vtier_take_answer(vt, req, used);
			if (err)
				atomic64_inc(&vt->stats.device_errors);
			else
				vt->recover_delay = HZ;
			spin_unlock_irqrestore(&vt->lock, flags);
			vtier_finish(vt, req, err);
			spin_lock_irqsave(&vt->lock, flags);
		}
		broken = virtqueue_is_broken(vq);
	} while (!broken && !virtqueue_enable_cb(vq));
	spin_unlock_irqrestore(&vt->lock, flags);
	wake_up_all(&vt->room);
	if (broken)
		vtier_recover_soon(vt);
}

/*
 * vtier_requests_drain - all requests that the device still has end with
 * @error. The device was reset and state says so.
 */
void vtier_requests_drain(struct vtier *vt, int error)
{
	struct vtier_request *req;

	while ((req = virtqueue_detach_unused_buf(vt->hintq)))
		vtier_finish(vt, req, error);
	wake_up_all(&vt->room);
}
