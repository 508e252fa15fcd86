/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio-tier device: what the guest sees of it. Its queues are served by
 * the daemon; QEMU answers for its features and configuration, so that both
 * are there from the start and stay while daemons come and go.
 */
#include "qemu/osdep.h"

#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "vhost-user-tier.h"

#define QUEUE_SIZE VIRTQUEUE_MAX_SIZE

QEMU_BUILD_BUG_ON(sizeof(struct virtio_tier_config) != 40);

static void get_config(VirtIODevice *vdev, uint8_t *config)
{
    memcpy(config, &VHOST_USER_TIER(vdev)->config,
           sizeof(struct virtio_tier_config));
}

static uint64_t get_features(VirtIODevice *vdev, uint64_t features,
                             Error **errp)
{
    /* What no daemon of ours can do, whatever the bus would offer */
    static const unsigned not_ours[] = {
        VIRTIO_F_NOTIFY_ON_EMPTY,
        VIRTIO_F_IOMMU_PLATFORM,
        VIRTIO_F_RING_PACKED,
        VIRTIO_F_IN_ORDER,
        VIRTIO_F_NOTIFICATION_DATA,
        VIRTIO_F_RING_RESET,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(not_ours); i++) {
        virtio_clear_feature(&features, not_ours[i]);
    }
    return features;
}

static void set_status(VirtIODevice *vdev, uint8_t status)
{
    VHostUserTier *tier = VHOST_USER_TIER(vdev);
    bool serve = virtio_device_should_start(vdev, status);

    if (serve && tier->notify_config) {
        tier->notify_config = false;
        virtio_notify_config(vdev);
    }
    vhost_user_tier_serve(tier, serve);
}

static void reset(VirtIODevice *vdev)
{
    VHostUserTier *tier = VHOST_USER_TIER(vdev);

    vhost_user_tier_drop_state(tier);
    vhost_user_tier_tell_reset(tier);
}

/* Without a daemon the guest's requests wait. */
static void handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
}

static struct vhost_dev *get_vhost(VirtIODevice *vdev)
{
    return &VHOST_USER_TIER(vdev)->dev;
}

static void delete_queues(VHostUserTier *tier)
{
    for (int i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        virtio_delete_queue(tier->vqs[i]);
    }
    virtio_cleanup(VIRTIO_DEVICE(tier));
}

static void realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VHostUserTier *tier = VHOST_USER_TIER(dev);

    virtio_init(vdev, VIRTIO_ID_TIER, sizeof(struct virtio_tier_config));
    vhost_user_tier_default_config(tier);
    for (int i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        tier->vqs[i] = virtio_add_queue(vdev, QUEUE_SIZE, handle_output);
    }
    if (!vhost_user_tier_link_up(tier, errp)) {
        delete_queues(tier);
    }
}

static void unrealize(DeviceState *dev)
{
    VHostUserTier *tier = VHOST_USER_TIER(dev);

    virtio_set_status(VIRTIO_DEVICE(dev), 0);
    vhost_user_tier_link_down(tier);
    vhost_user_tier_drop_state(tier);
    delete_queues(tier);
}

static const Property properties[] = {
    DEFINE_PROP_CHR("chardev", VHostUserTier, chardev),
    DEFINE_PROP_BIT64("pin", VHostUserTier, parent_obj.host_features,
                      VIRTIO_TIER_F_PIN, true),
    DEFINE_PROP_BIT64("query", VHostUserTier, parent_obj.host_features,
                      VIRTIO_TIER_F_QUERY, true),
    DEFINE_PROP_BIT64("events", VHostUserTier, parent_obj.host_features,
                      VIRTIO_TIER_F_EVENTS, true),
};

static void class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);

    device_class_set_props(dc, properties);
    dc->desc = "virtio-tier: a guest's hints about its memory, for vhost-tier";
    dc->vmsd = &vmstate_vhost_user_tier;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    vdc->realize = realize;
    vdc->unrealize = unrealize;
    vdc->get_config = get_config;
    vdc->get_features = get_features;
    vdc->set_status = set_status;
    vdc->reset = reset;
    vdc->get_vhost = get_vhost;
}

static const TypeInfo vhost_user_tier_info = {
    .name = TYPE_VHOST_USER_TIER,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VHostUserTier),
    .class_init = class_init,
};

static void register_types(void)
{
    type_register_static(&vhost_user_tier_info);
}

type_init(register_types)
