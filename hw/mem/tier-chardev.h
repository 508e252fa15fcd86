/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chardevs that lead to the daemon: which can, and how a connection ends.
 */
#ifndef HW_MEM_TIER_CHARDEV_H
#define HW_MEM_TIER_CHARDEV_H

#include "chardev/char-fe.h"

/*
 * Whether @chr can lead to the daemon: a Unix socket that QEMU connects. The
 * error names it as the property 'chardev' of @type.
 */
bool tier_chardev_check(Chardev *chr, const char *type, Error **errp);

/*
 * End the connection of @chr, if there is one. A connection that is only being
 * made must be left alone: QEMU's sockets abort when they are disconnected then.
 */
void tier_chardev_disconnect(CharBackend *chr);

#endif /* HW_MEM_TIER_CHARDEV_H */
