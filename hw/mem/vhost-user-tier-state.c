/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live migration of a virtio-tier device: what the daemon knows of it (pins,
 * trust) travels from daemon to daemon, through QEMU, which does not look in.
 *
 * Hints are advice: that they can't be handed over, because a daemon is not
 * there or too old or fails, is warned of and ends no migration. At the
 * destination the state is kept until a daemon comes. No wait is for ever, and
 * no size unbounded.
 */
#include "qemu/osdep.h"

#include "hw/virtio/vhost.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "vhost-user-tier.h"

#define STATE_MAX_BYTES (1 * MiB)
#define TRANSFER_MS     2000

typedef ssize_t (*Transfer)(int fd, VHostUserTier *tier, size_t *done);

void vhost_user_tier_drop_state(VHostUserTier *tier)
{
    g_clear_pointer(&tier->state, g_free);
    tier->state_size = 0;
}

/* The next piece of the daemon's state, read: 0 at its end. */
static ssize_t read_piece(int fd, VHostUserTier *tier, size_t *done)
{
    ssize_t n;

    if (*done == tier->state_size) {
        tier->state_size += 64 * KiB;
        tier->state = g_realloc(tier->state, tier->state_size);
    }
    n = read(fd, tier->state + *done, tier->state_size - *done);
    if (n > 0 && *done + n > STATE_MAX_BYTES) {
        errno = EFBIG;
        return -1;
    }
    return n;
}

/* The next piece of what is to be handed on, written: 0 when all is. */
static ssize_t write_piece(int fd, VHostUserTier *tier, size_t *done)
{
    if (*done == tier->state_size) {
        return 0;
    }
    return write(fd, tier->state + *done, tier->state_size - *done);
}

/* Piece after piece through @fd, which is closed, within TRANSFER_MS. */
static bool transfer(VHostUserTier *tier, int fd, gushort event,
                     Transfer piece, size_t *done, Error **errp)
{
    int64_t end_ms = g_get_monotonic_time() / 1000 + TRANSFER_MS;
    GPollFD poll_fd = { .fd = fd, .events = event };
    bool ok = false;
    ssize_t n;

    *done = 0;
    g_unix_set_fd_nonblocking(fd, true, NULL);
    for (;;) {
        int64_t left_ms = end_ms - g_get_monotonic_time() / 1000;

        if (left_ms <= 0 || g_poll(&poll_fd, 1, left_ms) == 0) {
            error_setg(errp, "it took more than %d ms", TRANSFER_MS);
            break;
        }
        n = piece(fd, tier, done);
        if (n > 0) {
            *done += n;
        } else if (n == 0) {
            ok = true;
            break;
        } else if (errno != EAGAIN && errno != EINTR) {
            error_setg_errno(errp, errno, "it can't be transferred");
            break;
        }
    }
    close(fd);
    return ok;
}

/*
 * A pipe to the daemon, or from it: our end of it, or -1. The daemon may have
 * one of its own.
 */
static int open_pipe(VHostUserTier *tier, VhostDeviceStateDirection direction,
                     Error **errp)
{
    bool save = direction == VHOST_TRANSFER_STATE_DIRECTION_SAVE;
    int fds[2], ours, other = -1;
    g_autoptr(GError) gerr = NULL;

    if (!g_unix_open_pipe(fds, FD_CLOEXEC, &gerr)) {
        error_setg(errp, "no pipe for it: %s", gerr->message);
        return -1;
    }
    ours = save ? fds[0] : fds[1];
    if (vhost_set_device_state_fd(&tier->dev, direction,
                                  VHOST_TRANSFER_STATE_PHASE_STOPPED,
                                  save ? fds[1] : fds[0], &other, errp) < 0) {
        close(ours);
        return -1;
    }
    if (other >= 0) {
        close(ours);
        return other;
    }
    return ours;
}

static bool hand_over(VHostUserTier *tier, VhostDeviceStateDirection direction,
                      size_t *done, Error **errp)
{
    bool save = direction == VHOST_TRANSFER_STATE_DIRECTION_SAVE;
    int fd;

    if (!tier->connected) {
        error_setg(errp, "no daemon is connected");
        return false;
    }
    if (tier->dev.started) {
        error_setg(errp, "the device is running");
        return false;
    }
    if (!vhost_supports_device_state(&tier->dev)) {
        error_setg(errp, "the daemon is too old to hand it over");
        return false;
    }
    fd = open_pipe(tier, direction, errp);
    return fd >= 0 &&
           transfer(tier, fd, save ? G_IO_IN : G_IO_OUT,
                    save ? read_piece : write_piece, done, errp) &&
           vhost_check_device_state(&tier->dev, errp) == 0;
}

/* The guest's hints were lost on their way: @what could not be done. */
static void warn_lost(const char *what, Error *err)
{
    warn_reportf_err(err, "%s: what the daemon knows of the guest's hints is "
                     "not %s, pins among it: ", TYPE_VHOST_USER_TIER, what);
}

void vhost_user_tier_deliver_state(VHostUserTier *tier)
{
    Error *err = NULL;
    size_t done;

    if (!tier->state_size) {
        return;
    }
    if (!hand_over(tier, VHOST_TRANSFER_STATE_DIRECTION_LOAD, &done, &err)) {
        warn_lost("restored", err);
    }
    vhost_user_tier_drop_state(tier);
}

static int state_pre_save(void *opaque)
{
    VHostUserTier *tier = opaque;
    Error *err = NULL;
    size_t done = 0;

    if (tier->state_size) {     /* it still waits for a daemon: on it goes */
        return 0;
    }
    if (hand_over(tier, VHOST_TRANSFER_STATE_DIRECTION_SAVE, &done, &err)) {
        tier->state_size = done;
    } else {
        vhost_user_tier_drop_state(tier);
        warn_lost("saved", err);
    }
    return 0;
}

static int state_post_save(void *opaque)
{
    VHostUserTier *tier = opaque;

    if (tier->connected) {      /* its daemon knows it, if the guest stays */
        vhost_user_tier_drop_state(tier);
    }
    return 0;
}

static int state_pre_load(void *opaque)
{
    vhost_user_tier_drop_state(opaque);
    return 0;
}

static bool state_size_ok(void *opaque, int version_id)
{
    return VHOST_USER_TIER(opaque)->state_size <= STATE_MAX_BYTES;
}

static int state_post_load(void *opaque, int version_id)
{
    VHostUserTier *tier = opaque;

    tier->notify_config = true;     /* this host has another configuration */
    if (tier->connected) {          /* a snapshot is loaded */
        vhost_user_tier_deliver_state(tier);
    }
    return 0;
}

const VMStateDescription vmstate_vhost_user_tier = {
    .name = "vhost-user-tier",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = state_pre_save,
    .post_save = state_post_save,
    .pre_load = state_pre_load,
    .post_load = state_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_UINT32(state_size, VHostUserTier),
        VMSTATE_VALIDATE("the daemon's state is at most 1 MiB", state_size_ok),
        VMSTATE_VBUFFER_ALLOC_UINT32(state, VHostUserTier, 0, NULL, state_size),
        VMSTATE_END_OF_LIST()
    },
};
