/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which chardevs can lead to the daemon.
 */
#ifndef HW_MEM_TIER_CHARDEV_H
#define HW_MEM_TIER_CHARDEV_H

#include "chardev/char.h"

/*
 * Whether @chr can lead to the daemon: a Unix socket that QEMU connects. The
 * error names it as the property 'chardev' of @type.
 */
bool tier_chardev_check(Chardev *chr, const char *type, Error **errp);

#endif /* HW_MEM_TIER_CHARDEV_H */
