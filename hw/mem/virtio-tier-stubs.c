/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP command about virtio-tier devices, where QEMU has none.
 */
#include "qemu/osdep.h"

#include "qapi/qapi-commands-virtio-tier.h"

VirtioTierDeviceList *qmp_query_virtio_tier(Error **errp)
{
    return NULL;
}
