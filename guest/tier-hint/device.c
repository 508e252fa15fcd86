/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device, as the commands use it.
 */
#include <errno.h>

#include "command.h"

static const char *device_path; /* NULL: the first that there is */

static const char *device_name(void)
{
    return device_path ? device_path : TIER_HINT_DEVICE;
}

void device_choose(const char *path)
{
    device_path = path;
}

int device_open(GError **errp)
{
    int fd = device_path ? open(device_path, O_RDWR | O_CLOEXEC) : tier_hint_open();
    int code = errno;

    if (fd < 0) {
        g_set_error(
            errp, G_FILE_ERROR, g_file_error_from_errno(code), "can't open %s: %s; %s", device_name(), g_strerror(code),
            code == ENOENT ? "is the module virtio_tier loaded, and does the VM have a vhost-user-tier-pci device?"
                           : "root may, and whom root allows to");
    }
    return fd;
}

/* Add a portion's results to the sum of all; the first status that is not OK stays. */
static void add_up(struct virtio_tier_uresult *sum, const struct virtio_tier_uresult *results, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sum->status == VIRTIO_TIER_S_OK) {
            sum->status = results[i].status;
        }
        sum->told_bytes += results[i].told_bytes;
        sum->taken_bytes += results[i].taken_bytes;
        for (size_t tier = 0; tier < VIRTIO_TIER_MAX_TIERS; tier++) {
            sum->tier_bytes[tier] += results[i].tier_bytes[tier];
        }
        sum->other_bytes += results[i].other_bytes;
        sum->accesses_per_s += results[i].accesses_per_s;
    }
}

bool device_tell(int fd, unsigned type, unsigned flags, const struct virtio_tier_urange *ranges, size_t n,
                 struct virtio_tier_uresult *sum, GError **errp)
{
    struct virtio_tier_uresult results[VIRTIO_TIER_CALL_RANGES];

    *sum = (struct virtio_tier_uresult){.status = VIRTIO_TIER_S_OK};
    for (size_t done = 0; done < n;) {
        size_t portion = MIN(n - done, VIRTIO_TIER_CALL_RANGES);

        if (tier_hint_ranges(fd, type, flags, ranges + done, portion, results) < 0) {
            int code = errno;

            g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(code), "the call to %s failed: %s", device_name(),
                        code == ETIMEDOUT ? "the host does not answer (is its daemon there?)"
                        : code == EPERM   ? "CAP_SYS_ADMIN is needed to speak of physical memory"
                                          : g_strerror(code));
            return false;
        }
        add_up(sum, results, portion);
        done += portion;
    }
    return true;
}
