// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/virtio-tier: calls about the caller's own memory, and events.
 *
 * A call's ranges become physical extents, these fill requests, and each
 * request's answers are added up for the ranges that its extents are of. Where
 * a program's memory is scattered, one range can take many requests: they are
 * sent one after the other, and a signal ends the call between two.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vtier.h"

struct vtier_file {
	struct vtier *vt;
	u64 seen;		/* events, of all that there ever were */
};

struct vtier_user_call {
	struct vtier *vt;
	struct virtio_tier_call arg;
	struct virtio_tier_urange *ranges;
	struct virtio_tier_uresult *results;
	struct vtier_request *req;
	u32 range;				/* at work on this one */
	u32 owner[VTIER_BATCH];			/* the request's ranges are parts of these */
};

static bool vtier_type_is_there(const struct vtier *vt, unsigned int type)
{
	switch (type) {
	case VIRTIO_TIER_T_PIN:
	case VIRTIO_TIER_T_UNPIN:
		return vt->features & BIT_ULL(VIRTIO_TIER_F_PIN);
	case VIRTIO_TIER_T_QUERY:
		return vt->features & BIT_ULL(VIRTIO_TIER_F_QUERY);
	default:
		return true;
	}
}

static void vtier_result_add(struct virtio_tier_uresult *sum,
			     const struct virtio_tier_result *part)
{
	unsigned int i;

	for (i = 0; i < VIRTIO_TIER_MAX_TIERS; i++)
		sum->tier_bytes[i] += le64_to_cpu(part->tier_bytes[i]);
	sum->other_bytes += le64_to_cpu(part->other_bytes);
	sum->accesses_per_s += le64_to_cpu(part->accesses_per_s);
}

/* Send what has gathered and add the answers to the ranges that they belong to. */
static int vtier_user_flush(struct vtier_user_call *call)
{
	unsigned int i, n = vtier_request_ranges(call->req);
	int err;

	if (!n)
		return 0;
	err = vtier_call(call->vt, call->req, vtier_timeout());
	if (err)
		return err;
	for (i = 0; i < n; i++) {
		struct virtio_tier_uresult *result = &call->results[call->owner[i]];
		u64 bytes = vtier_request_bytes(call->req, i);
		u32 status = vtier_range_status(call->req, i);

		result->told_bytes += bytes;
		if (status == VIRTIO_TIER_S_OK) {
			result->taken_bytes += bytes;
			if (call->arg.type == VIRTIO_TIER_T_QUERY)
				vtier_result_add(result, vtier_range_result(call->req, i));
		} else if (result->status == VIRTIO_TIER_S_OK) {
			result->status = status;
		}
	}
	vtier_request_reuse(call->req);
	return 0;
}

/* One physical extent of the range at work. */
static int vtier_user_extent(void *opaque, u64 addr, u64 len)
{
	struct vtier_user_call *call = opaque;
	int err = 0;

	if (!vtier_request_room(call->req))
		err = vtier_user_flush(call);
	if (err)
		return err;
	call->owner[vtier_request_ranges(call->req)] = call->range;
	vtier_request_add(call->req, addr, len);
	return 0;
}

/* One range of the call; what is wrong with it is told in its result. */
static int vtier_user_range(struct vtier_user_call *call)
{
	const struct virtio_tier_urange *range = &call->ranges[call->range];
	struct virtio_tier_uresult *result = &call->results[call->range];
	bool narrow = call->arg.type == VIRTIO_TIER_T_FREE;
	u64 start = range->addr, end;

	result->status = VIRTIO_TIER_S_OK;
	if (!vtier_type_is_there(call->vt, call->arg.type)) {
		result->status = VIRTIO_TIER_S_UNSUPP;
		return 0;
	}
	if (!range->len || check_add_overflow(range->addr, range->len, &end)) {
		result->status = VIRTIO_TIER_S_INVAL;
		return 0;
	}
	if (call->arg.flags & VIRTIO_TIER_CALL_PHYSICAL) {
		if (!IS_ALIGNED(start | end, 4096))
			result->status = VIRTIO_TIER_S_INVAL;
		else
			return vtier_user_extent(call, start, end - start);
		return 0;
	}
	start = untagged_addr(start);
	end = start + range->len;
	if (end > TASK_SIZE || end < start) {
		result->status = VIRTIO_TIER_S_INVAL;
		return 0;
	}
	start = narrow ? PAGE_ALIGN(start) : PAGE_ALIGN_DOWN(start);
	end = narrow ? PAGE_ALIGN_DOWN(end) : PAGE_ALIGN(end);
	return vtier_walk(start, end, narrow, vtier_user_extent, call);
}

static int vtier_user_ranges(struct vtier_user_call *call)
{
	int err = 0;

	for (call->range = 0; !err && call->range < call->arg.count; call->range++) {
		err = vtier_user_range(call);
		if (!err && signal_pending(current))
			err = -EINTR;
	}
	return err ?: vtier_user_flush(call);
}

static int vtier_user_check(const struct virtio_tier_call *arg)
{
	if (arg->type < VIRTIO_TIER_T_HOT || arg->type > VIRTIO_TIER_T_QUERY ||
	    arg->flags & ~VIRTIO_TIER_CALL_PHYSICAL || !arg->count ||
	    arg->result_size % sizeof(u64) ||
	    (arg->results && arg->result_size < VIRTIO_TIER_URESULT_SIZE_V0) ||
	    (arg->type == VIRTIO_TIER_T_QUERY && !arg->results))
		return -EINVAL;
	if (arg->count > VIRTIO_TIER_CALL_RANGES || arg->result_size > PAGE_SIZE)
		return -E2BIG;
	if (arg->flags & VIRTIO_TIER_CALL_PHYSICAL && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

/* The ranges, and results that say of all of them that they were not reached. */
static int vtier_user_fetch(struct vtier_user_call *call)
{
	u64 bytes = 0;
	u32 i;

	call->ranges = vmemdup_user(u64_to_user_ptr(call->arg.ranges),
				    call->arg.count * sizeof(*call->ranges));
	if (IS_ERR(call->ranges))
		return PTR_ERR(call->ranges);
	for (i = 0; i < call->arg.count; i++) {
		if (check_add_overflow(bytes, call->ranges[i].len, &bytes))
			bytes = U64_MAX;
	}
	/* Only what has to be looked up page by page takes time. */
	if (!(call->arg.flags & VIRTIO_TIER_CALL_PHYSICAL) && bytes > VIRTIO_TIER_CALL_BYTES)
		return -E2BIG;
	call->results = kvcalloc(call->arg.count, sizeof(*call->results), GFP_KERNEL);
	call->req = vtier_request_new(call->vt, call->arg.type, GFP_KERNEL);
	if (!call->results || !call->req)
		return -ENOMEM;
	for (i = 0; i < call->arg.count; i++)
		call->results[i].status = VIRTIO_TIER_S_IOERR;
	return 0;
}

/* Results as large as the caller knows them. */
static int vtier_user_store(const struct vtier_user_call *call)
{
	size_t known = min_t(size_t, call->arg.result_size, sizeof(*call->results));
	size_t more = call->arg.result_size - known;
	u8 __user *to = u64_to_user_ptr(call->arg.results);
	u32 i;

	if (!to)
		return 0;
	for (i = 0; i < call->arg.count; i++, to += call->arg.result_size) {
		if (copy_to_user(to, &call->results[i], known) || clear_user(to + known, more))
			return -EFAULT;
	}
	return 0;
}

static long vtier_user_call(struct vtier *vt, void __user *user)
{
	struct vtier_user_call *call;
	int err, store_err;
	u32 size;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < VIRTIO_TIER_CALL_SIZE_V0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	call = kzalloc(sizeof(*call), GFP_KERNEL);
	if (!call)
		return -ENOMEM;
	call->vt = vt;
	err = copy_struct_from_user(&call->arg, sizeof(call->arg), user, size);
	if (!err)
		err = vtier_user_check(&call->arg);
	if (!err)
		err = vtier_user_fetch(call);
	if (!err) {
		err = vtier_user_ranges(call);
		store_err = vtier_user_store(call);
		err = err ?: store_err;
	}
	if (!IS_ERR(call->ranges))
		kvfree(call->ranges);
	kvfree(call->results);
	vtier_request_put(call->req);
	kfree(call);
	return err;
}

static long vtier_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vtier_file *vf = file->private_data;

	if (cmd != VIRTIO_TIER_IOC_CALL)
		return -ENOTTY;
	return vtier_user_call(vf->vt, (void __user *)arg);
}

static ssize_t vtier_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct vtier_file *vf = file->private_data;

	return vtier_events_read(vf->vt, &vf->seen, to, size, !(file->f_flags & O_NONBLOCK));
}

static __poll_t vtier_poll(struct file *file, poll_table *wait)
{
	struct vtier_file *vf = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &vf->vt->readers, wait);
	if (vtier_events_pending(vf->vt, READ_ONCE(vf->seen)))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(vf->vt->state) == VTIER_GONE)
		mask |= EPOLLHUP;
	return mask;
}

/* The device can't go meanwhile: misc_deregister() waits for us. */
static int vtier_open(struct inode *inode, struct file *file)
{
	struct vtier *vt = container_of(file->private_data, struct vtier, misc);
	struct vtier_file *vf = kzalloc(sizeof(*vf), GFP_KERNEL);

	if (!vf)
		return -ENOMEM;
	kref_get(&vt->ref);
	vf->vt = vt;
	vf->seen = READ_ONCE(vt->n_events);
	file->private_data = vf;
	return nonseekable_open(inode, file);
}

static int vtier_release(struct inode *inode, struct file *file)
{
	struct vtier_file *vf = file->private_data;

	vtier_put(vf->vt);
	kfree(vf);
	return 0;
}

const struct file_operations vtier_fops = {
	.owner		= THIS_MODULE,
	.open		= vtier_open,
	.release	= vtier_release,
	.unlocked_ioctl	= vtier_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.read		= vtier_read,
	.poll		= vtier_poll,
};
