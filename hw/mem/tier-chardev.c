/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which chardevs can lead to the daemon.
 */
#include "qemu/osdep.h"

#include "chardev/char-socket.h"
#include "qapi/error.h"
#include "tier-chardev.h"

bool tier_chardev_check(Chardev *chr, const char *type, Error **errp)
{
    if (!object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_SOCKET) ||
        !qemu_chr_has_feature(chr, QEMU_CHAR_FEATURE_FD_PASS) ||
        SOCKET_CHARDEV(chr)->is_listen) {
        error_setg(errp, "Property '%s.chardev': chardev '%s' can't be used: "
                   "it must be a Unix socket that QEMU connects, as by "
                   "'-chardev socket,path=...,reconnect-ms=1000'",
                   type, chr->label);
        return false;
    }
    return true;
}
