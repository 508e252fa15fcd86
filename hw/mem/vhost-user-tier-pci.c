/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio-tier device on a PCI bus.
 */
#include "qemu/osdep.h"

#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-pci.h"
#include "vhost-user-tier.h"

#define TYPE_VHOST_USER_TIER_PCI "vhost-user-tier-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VHostUserTierPCI, VHOST_USER_TIER_PCI)

struct VHostUserTierPCI {
    VirtIOPCIProxy parent_obj;
    VHostUserTier vdev;
};

static const Property properties[] = {
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
};

static void realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VHostUserTierPCI *pci = VHOST_USER_TIER_PCI(proxy);

    if (proxy->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        proxy->nvectors = VIRTIO_TIER_Q_COUNT + 1;  /* one for changes */
    }
    qdev_realize(DEVICE(&pci->vdev), BUS(&proxy->bus), errp);
}

static void class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    device_class_set_props(dc, properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    VIRTIO_PCI_CLASS(klass)->realize = realize;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET;
    pc->device_id = 0;          /* virtio-pci makes it of the virtio id */
    pc->class_id = PCI_CLASS_OTHERS;
}

static void instance_init(Object *obj)
{
    VHostUserTierPCI *pci = VHOST_USER_TIER_PCI(obj);

    virtio_instance_init_common(obj, &pci->vdev, sizeof(pci->vdev),
                                TYPE_VHOST_USER_TIER);
}

static const VirtioPCIDeviceTypeInfo vhost_user_tier_pci_info = {
    .base_name = TYPE_VHOST_USER_TIER_PCI,
    .non_transitional_name = "vhost-user-tier-pci",
    .instance_size = sizeof(VHostUserTierPCI),
    .instance_init = instance_init,
    .class_init = class_init,
};

static void register_types(void)
{
    virtio_pci_types_register(&vhost_user_tier_pci_info);
}

type_init(register_types)
