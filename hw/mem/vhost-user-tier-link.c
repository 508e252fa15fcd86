/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection of a virtio-tier device to the daemon, by vhost-user.
 *
 * Theory of operation
 *
 *   absent --opened--> connected --driver ready--> started
 *      ^                   |  <------stopped-----     |
 *      +------ closed -----+--------------------------+
 *
 * The device is there whether or not a daemon is. Requests that the guest makes
 * meanwhile wait in its queue, and the next daemon finds them: the daemon
 * answers in order, so what the used ring says is all that a new one must know.
 *
 * The connection may be lost inside any call into vhost, which believes that
 * its device stays as it is. So what is left of a connection is cleaned up from
 * a bottom half only, and 'connected' and 'started' say what there is to clean
 * up, not what the socket is like.
 *
 * While the machine is migrated, no daemon is connected anew. At the
 * destination it would find pages that have not come yet, and end postcopy;
 * what the device brought for it is handed over afterwards.
 *
 * The daemon is believed as little as the guest: a configuration that is none,
 * or features that fall short of what the guest was promised, end the
 * connection, which the chardev makes again after its reconnect time.
 */
#include "qemu/osdep.h"

#include "hw/virtio/virtio-bus.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qemu/host-utils.h"
#include "tier-chardev.h"
#include "vhost-user-tier.h"

#define GRANULE_MIN 4096

/* Problems */

static void set_problem(VHostUserTier *tier, const char *text)
{
    g_autofree char *path = object_get_canonical_path(OBJECT(tier));
    g_autofree char *who = g_strdup_printf("%s '%s': daemon at chardev '%s'",
                                           TYPE_VHOST_USER_TIER, path,
                                           tier->chardev.chr->label);

    tier_problem_set(&tier->problem, who, text);
}

void vhost_user_tier_refuse(VHostUserTier *tier, Error *reason)
{
    g_autofree char *text = g_strdup_printf("disconnecting: %s",
                                            error_get_pretty(reason));

    set_problem(tier, text);
    error_free(reason);
    tier_chardev_disconnect(&tier->chardev);
}

/* The configuration space */

void vhost_user_tier_default_config(VHostUserTier *tier)
{
    tier->config = (struct virtio_tier_config) {
        .granule = cpu_to_le64(GRANULE_MIN),
        .max_ranges = cpu_to_le32(VIRTIO_TIER_MAX_RANGES),
        .n_tiers = cpu_to_le32(1),
    };
}

static bool check_config(const struct virtio_tier_config *config, Error **errp)
{
    uint64_t granule = le64_to_cpu(config->granule);
    uint32_t max_ranges = le32_to_cpu(config->max_ranges);
    uint32_t n_tiers = le32_to_cpu(config->n_tiers);

    if (granule < GRANULE_MIN || !is_power_of_2(granule) ||
        max_ranges < 1 || max_ranges > VIRTIO_TIER_MAX_RANGES ||
        n_tiers < 1 || n_tiers > VIRTIO_TIER_MAX_TIERS || config->reserved) {
        error_setg(errp, "its configuration can't be right (granule %" PRIu64
                   ", max_ranges %" PRIu32 ", n_tiers %" PRIu32 ")", granule,
                   max_ranges, n_tiers);
        return false;
    }
    return true;
}

/* Take over the daemon's configuration, and tell the guest if it is new. */
static int adopt_config(VHostUserTier *tier)
{
    struct virtio_tier_config config;
    Error *err = NULL;

    if (vhost_dev_get_config(&tier->dev, (uint8_t *)&config, sizeof(config),
                             &err) < 0 ||
        !check_config(&config, &err)) {
        vhost_user_tier_refuse(tier, err);
        return -EPROTO;
    }
    if (memcmp(&config, &tier->config, sizeof(config))) {
        tier->config = config;
        virtio_notify_config(VIRTIO_DEVICE(tier));
    }
    return 0;
}

static int config_changed(struct vhost_dev *dev)
{
    return adopt_config(container_of(dev, VHostUserTier, dev));
}

static const VhostDevConfigOps config_ops = {
    .vhost_dev_config_notifier = config_changed,
};

/* Starting and stopping */

/* Before vhost tries: what is missing is said once, with the remedy. */
static bool check_start(const VHostUserTier *tier, Error **errp)
{
    const VirtIODevice *vdev = VIRTIO_DEVICE(tier);
    uint64_t missing = vdev->guest_features & ~tier->dev.features &
                       ~BIT_ULL(VIRTIO_F_BAD_FEATURE);

    if (missing) {
        error_setg(errp, "it lacks features that the guest was promised (0x%"
                   PRIx64 "): use the daemon of QEMU's release, or switch them "
                   "off for the device and restart the guest", missing);
        return false;
    }
    if (!tier->dev.n_mem_sections) {
        error_setg(errp, "the guest's memory can't be shared with it: use "
                   "memory-backend-tier, or another backend with share=on");
        return false;
    }
    return true;
}

static int start(VHostUserTier *tier, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(tier);
    BusState *qbus = qdev_get_parent_bus(DEVICE(tier));
    VirtioBusClass *bus = VIRTIO_BUS_GET_CLASS(qbus);
    int ret;

    if (!check_start(tier, errp)) {
        return -ENOTSUP;
    }
    if (!bus->set_guest_notifiers) {
        error_setg(errp, "this bus has no guest notifiers");
        return -ENOSYS;
    }
    ret = vhost_dev_enable_notifiers(&tier->dev, vdev);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "host notifiers can't be enabled");
        return ret;
    }
    ret = bus->set_guest_notifiers(qbus->parent, tier->dev.nvqs, true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "guest notifiers can't be bound");
        goto fail_host;
    }
    for (int i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        vhost_virtqueue_mask(&tier->dev, vdev, i, false);
    }
    tier->dev.acked_features = vdev->guest_features;
    tier->dev.vq_index_end = tier->dev.nvqs;
    ret = vhost_dev_start(&tier->dev, vdev, true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "it can't be given the queues");
        goto fail_guest;
    }
    tier->started = true;

    /* What the guest asked for while nobody listened */
    for (int i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        event_notifier_set(virtio_queue_get_host_notifier(tier->vqs[i]));
    }
    return 0;

fail_guest:
    bus->set_guest_notifiers(qbus->parent, tier->dev.nvqs, false);
fail_host:
    vhost_dev_disable_notifiers(&tier->dev, vdev);
    return ret;
}

static void stop(VHostUserTier *tier)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(tier);
    BusState *qbus = qdev_get_parent_bus(DEVICE(tier));
    VirtioBusClass *bus = VIRTIO_BUS_GET_CLASS(qbus);

    tier->started = false;
    vhost_dev_stop(&tier->dev, vdev, true);
    if (bus->set_guest_notifiers(qbus->parent, tier->dev.nvqs, false) < 0) {
        set_problem(tier, "guest notifiers can't be released");
    }
    vhost_dev_disable_notifiers(&tier->dev, vdev);
}

void vhost_user_tier_serve(VHostUserTier *tier, bool serve)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(tier);
    Error *err = NULL;
    int ret;

    if (!tier->connected || tier->started == serve) {
        return;
    }
    if (!serve) {
        stop(tier);
        return;
    }
    if (vdev->broken) {         /* until the guest resets it */
        return;
    }
    ret = start(tier, &err);
    if (ret == -ENOMEM) {       /* vhost found no memory where a queue is */
        error_free(err);
        virtio_error(vdev, "virtio-tier: a queue is not in memory");
    } else if (ret < 0) {
        vhost_user_tier_refuse(tier, err);
    }
}

void vhost_user_tier_tell_reset(VHostUserTier *tier)
{
    /* One that is connected, and still there, was told by virtio_reset(). */
    tier->reset_owed = !tier->connected ||
                       !qemu_chr_fe_backend_open(&tier->chardev);
}

/* The daemon found a queue to be broken. */
static void vring_error(EventNotifier *notifier)
{
    struct vhost_virtqueue *vq = container_of(notifier, struct vhost_virtqueue,
                                              error_notifier);
    VHostUserTier *tier = container_of(vq->dev, VHostUserTier, dev);

    if (event_notifier_test_and_clear(notifier) && tier->started) {
        virtio_error(VIRTIO_DEVICE(tier), "virtio-tier: queue %d is broken",
                     (int)(vq - tier->vhost_vqs));
    }
}

/* Connecting and disconnecting */

static void on_peer(VHostUserTier *tier)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(tier);
    Error *err = NULL;

    tier->dev.nvqs = VIRTIO_TIER_Q_COUNT;
    tier->dev.vqs = tier->vhost_vqs;
    vhost_dev_set_config_notifier(&tier->dev, &config_ops);
    vhost_user_tier_watch(tier);
    if (vhost_dev_init(&tier->dev, &tier->vhost_user, VHOST_BACKEND_TYPE_USER,
                       0, &err) < 0) {
        vhost_user_tier_unwatch(tier);
        vhost_user_tier_refuse(tier, err);
        return;
    }
    tier->connected = true;
    for (int i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        event_notifier_set_handler(&tier->vhost_vqs[i].error_notifier,
                                   vring_error);
    }
    if (tier->reset_owed) {
        tier->reset_owed = vhost_reset_device(&tier->dev) < 0 &&
                           !qemu_chr_fe_backend_open(&tier->chardev);
    }
    if (adopt_config(tier) < 0) {
        return;
    }
    tier->connects++;
    tier_problem_clear(&tier->problem);
    vhost_user_tier_deliver_state(tier);
    vhost_user_tier_serve(tier,
                          virtio_device_should_start(vdev, vdev->status));
}

/* Let go of what a connection that is lost, or to be ended, has left. */
static void clean_up(VHostUserTier *tier)
{
    qemu_bh_cancel(tier->lost);
    if (!tier->connected) {
        return;
    }
    if (tier->started) {
        stop(tier);
    }
    tier->connected = false;
    vhost_user_tier_unwatch(tier);
    vhost_dev_cleanup(&tier->dev);
}

static void look_for_peer(void *opaque)
{
    VHostUserTier *tier = opaque;

    if (!tier->connected && !tier_freeze_active(tier->freeze) &&
        qemu_chr_fe_backend_open(&tier->chardev)) {
        on_peer(tier);
    }
}

static void on_lost(void *opaque)
{
    clean_up(opaque);
}

static void on_closed(VHostUserTier *tier)
{
    if (!tier->connected) {
        return;
    }
    if (!tier->problem.text) {
        set_problem(tier, "it has closed the connection; the guest runs on, "
                    "and its hints wait until it is back");
    }
    /* For vhost code that asks whether its failure was a disconnect */
    tier->dev.started = false;
    qemu_bh_schedule(tier->lost);
}

static void on_event(void *opaque, QEMUChrEvent event)
{
    VHostUserTier *tier = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        clean_up(tier);         /* the bottom half may not have run yet */
        look_for_peer(tier);
        break;
    case CHR_EVENT_CLOSED:
        on_closed(tier);
        break;
    case CHR_EVENT_BREAK:
    case CHR_EVENT_MUX_IN:
    case CHR_EVENT_MUX_OUT:
        break;
    }
}

bool vhost_user_tier_link_up(VHostUserTier *tier, Error **errp)
{
    Chardev *chr = tier->chardev.chr;

    if (!chr) {
        error_setg(errp, "Property '%s.chardev' is needed: the id of a Unix "
                   "socket that QEMU connects, as by '-chardev socket,path=...,"
                   "reconnect-ms=1000'", TYPE_VHOST_USER_TIER);
        return false;
    }
    if (!tier_chardev_check(chr, TYPE_VHOST_USER_TIER, errp) ||
        !vhost_user_init(&tier->vhost_user, &tier->chardev, errp)) {
        return false;
    }
    tier->vhost_user.supports_config = true;
    tier->lost = qemu_bh_new(on_lost, tier);
    tier->freeze = tier_freeze_new(look_for_peer, tier);
    qemu_chr_fe_set_handlers(&tier->chardev, NULL, NULL, on_event, NULL, tier,
                             NULL, true);
    return true;
}

void vhost_user_tier_link_down(VHostUserTier *tier)
{
    qemu_chr_fe_set_handlers(&tier->chardev, NULL, NULL, NULL, NULL, NULL, NULL,
                             false);
    if (tier->connected) {
        if (tier->started) {
            stop(tier);
        }
        vhost_reset_device(&tier->dev);
    }
    clean_up(tier);
    tier_freeze_free(tier->freeze);
    qemu_bh_delete(tier->lost);
    vhost_user_cleanup(&tier->vhost_user);
    /* The next device to use the chardev begins with a connection of its own */
    tier_chardev_disconnect(&tier->chardev);
    qemu_chr_fe_deinit(&tier->chardev, false);
    tier_problem_clear(&tier->problem);
}
