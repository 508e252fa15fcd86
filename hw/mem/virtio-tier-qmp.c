/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP command about virtio-tier devices.
 */
#include "qemu/osdep.h"

#include "qapi/qapi-commands-virtio-tier.h"
#include "qapi/util.h"
#include "qemu/bswap.h"
#include "exec/memory.h"
#include "vhost-user-tier.h"

/* A ring's index as it is in the guest's memory now; 0 where there is none. */
static uint16_t ring_index(VirtIODevice *vdev, hwaddr ring)
{
    MemTxResult result;
    uint16_t idx;

    if (!ring) {
        return 0;
    }
    idx = address_space_lduw_le(vdev->dma_as,
                                ring + offsetof(struct vring_avail, idx),
                                MEMTXATTRS_UNSPECIFIED, &result);
    return result == MEMTX_OK ? idx : 0;
}

static VirtioTierQueue *queue_info(VirtIODevice *vdev, int n)
{
    VirtioTierQueue *info = g_new0(VirtioTierQueue, 1);

    QEMU_BUILD_BUG_ON(offsetof(struct vring_avail, idx) !=
                      offsetof(struct vring_used, idx));
    info->size = virtio_queue_get_num(vdev, n);
    info->ready = virtio_queue_enabled(vdev, n);
    info->available = ring_index(vdev, virtio_queue_get_avail_addr(vdev, n));
    info->used = ring_index(vdev, virtio_queue_get_used_addr(vdev, n));
    return info;
}

static VirtioTierConfig *config_info(const struct virtio_tier_config *config)
{
    VirtioTierConfig *info = g_new0(VirtioTierConfig, 1);

    info->granule = le64_to_cpu(config->granule);
    info->fast_budget = le64_to_cpu(config->fast_budget);
    info->pin_limit = le64_to_cpu(config->pin_limit);
    info->max_ranges = le32_to_cpu(config->max_ranges);
    info->max_ranges_per_s = le32_to_cpu(config->max_ranges_per_s);
    info->tiers = le32_to_cpu(config->n_tiers);
    return info;
}

static VirtioTierFeatureList *features_info(uint64_t bits)
{
    static const unsigned bit_of[VIRTIO_TIER_FEATURE__MAX] = {
        [VIRTIO_TIER_FEATURE_PIN] = VIRTIO_TIER_F_PIN,
        [VIRTIO_TIER_FEATURE_QUERY] = VIRTIO_TIER_F_QUERY,
        [VIRTIO_TIER_FEATURE_EVENTS] = VIRTIO_TIER_F_EVENTS,
    };
    VirtioTierFeatureList *list = NULL, **tail = &list;

    for (unsigned i = 0; i < VIRTIO_TIER_FEATURE__MAX; i++) {
        if (virtio_has_feature(bits, bit_of[i])) {
            QAPI_LIST_APPEND(tail, i);
        }
    }
    return list;
}

static VirtioTierDevice *device_info(VHostUserTier *tier)
{
    VirtioTierDevice *info = g_new0(VirtioTierDevice, 1);
    VirtIODevice *vdev = VIRTIO_DEVICE(tier);
    BusState *bus = qdev_get_parent_bus(DEVICE(tier));

    info->path = object_get_canonical_path(OBJECT(tier));
    /* The user knows the device on whose virtio bus this one is. */
    info->id = g_strdup(bus && bus->parent ? bus->parent->id : NULL);
    info->chardev = g_strdup(tier->chardev.chr->label);
    info->connected = tier->connected;
    info->connects = tier->connects;
    info->problem = g_strdup(tier->problem.text);
    info->driver = vdev->status & VIRTIO_CONFIG_S_DRIVER_OK;
    info->serving = tier->started;
    info->needs_reset = vdev->broken;
    info->features = features_info(vdev->guest_features);
    info->config = config_info(&tier->config);
    info->hint_queue = queue_info(vdev, VIRTIO_TIER_Q_HINT);
    info->event_queue = queue_info(vdev, VIRTIO_TIER_Q_EVENT);
    return info;
}

static int collect(Object *obj, void *opaque)
{
    VirtioTierDeviceList ***tail = opaque;

    if (object_dynamic_cast(obj, TYPE_VHOST_USER_TIER) &&
        DEVICE(obj)->realized) {
        QAPI_LIST_APPEND(*tail, device_info(VHOST_USER_TIER(obj)));
    }
    return 0;
}

VirtioTierDeviceList *qmp_query_virtio_tier(Error **errp)
{
    VirtioTierDeviceList *list = NULL, **tail = &list;

    object_child_foreach_recursive(object_get_root(), collect, &tail);
    return list;
}
