/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in device.c's place where the daemon was built without libvhost-user: nothing but the reason. No socket
 * for hints is made then, so that no connection comes.
 */
#include "device.h"

const char *hint_device_unusable(void)
{
    return "the daemon was built without libvhost-user; build it with -Dlibvhost-user=QEMU/subprojects/libvhost-user, "
           "QEMU being the folder of QEMU's source";
}

HintDevice *hint_device_new(int sock, GMainContext *context, uint64_t max_bytes, const HintOps *ops, void *opaque)
{
    g_assert_not_reached();
}

void hint_device_free(HintDevice *device)
{
    g_assert_not_reached();
}

const GArray *hint_device_memory(const HintDevice *device)
{
    g_assert_not_reached();
}

uint64_t hint_device_features(const HintDevice *device)
{
    g_assert_not_reached();
}

void hint_device_event(HintDevice *device, uint32_t type, uint32_t reason, uint64_t value)
{
    g_assert_not_reached();
}

bool hint_device_config_changed(HintDevice *device)
{
    g_assert_not_reached();
}
