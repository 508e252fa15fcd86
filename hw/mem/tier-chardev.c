/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chardevs that lead to the daemon; see tier-chardev.h.
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

void tier_chardev_disconnect(CharBackend *chr)
{
    if (qemu_chr_fe_backend_open(chr)) {
        qemu_chr_fe_disconnect(chr);
    }
}
