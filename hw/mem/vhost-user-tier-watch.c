/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No daemon makes QEMU wait for ever.
 *
 * Theory of operation
 *
 * vhost-user waits for its peer's answers in the main loop, or in a vCPU's
 * thread, under QEMU's big lock: a daemon that is stopped, or answers nothing,
 * stops the guest. So while a daemon is connected, a thread of its own looks
 * once a second whether the main loop still turns. Where it has stood still for
 * some seconds, whatever for, the daemon's socket is shut down: the wait ends,
 * the device goes on without a daemon, and the chardev connects anew. It costs
 * a few hints where something else was to blame.
 */
#include "qemu/osdep.h"

#include "chardev/char-socket.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "vhost-user-tier.h"

#define LOOK_INTERVAL_MS 1000
#define MAX_STILL        5      /* looks */

static struct {
    QemuMutex lock;
    QemuCond changed;
    GHashTable *sockets;        /* VHostUserTier -> our copy of its fd */
    uint64_t turns;             /* of the main loop */
    QEMUTimer *timer;
} watch;

static void turn(void *opaque)
{
    QEMU_LOCK_GUARD(&watch.lock);
    watch.turns++;
    if (g_hash_table_size(watch.sockets)) {
        timer_mod(watch.timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                               LOOK_INTERVAL_MS);
    }
}

static void shut_down(gpointer tier, gpointer fd, gpointer opaque)
{
    shutdown(GPOINTER_TO_INT(fd), SHUT_RDWR);
}

static void *watch_thread(void *opaque)
{
    unsigned still = 0;
    uint64_t seen = 0;

    QEMU_LOCK_GUARD(&watch.lock);
    for (;;) {
        if (!g_hash_table_size(watch.sockets)) {
            still = 0;
            qemu_cond_wait(&watch.changed, &watch.lock);
        } else if (!qemu_cond_timedwait(&watch.changed, &watch.lock,
                                        LOOK_INTERVAL_MS)) {
            still = watch.turns == seen ? still + 1 : 0;
            seen = watch.turns;
        }
        if (still == MAX_STILL) {
            warn_report("%s: QEMU has stood still for %d s: disconnecting the "
                        "daemon, for which it may be waiting",
                        TYPE_VHOST_USER_TIER,
                        MAX_STILL * LOOK_INTERVAL_MS / 1000);
            g_hash_table_foreach(watch.sockets, shut_down, NULL);
            still = 0;
        }
    }
    return NULL;
}

static void watch_init(void)
{
    QemuThread thread;

    qemu_mutex_init(&watch.lock);
    qemu_cond_init(&watch.changed);
    watch.sockets = g_hash_table_new(NULL, NULL);
    watch.timer = timer_new_ms(QEMU_CLOCK_REALTIME, turn, NULL);
    qemu_thread_create(&thread, "tier-watch", watch_thread, NULL,
                       QEMU_THREAD_DETACHED);
}

void vhost_user_tier_watch(VHostUserTier *tier)
{
    SocketChardev *chr = SOCKET_CHARDEV(tier->chardev.chr);
    int fd = qemu_dup(chr->sioc->fd);

    if (fd < 0) {
        warn_report("%s: the daemon can't be watched, and QEMU waits as long "
                    "as it does not answer: dup: %s", TYPE_VHOST_USER_TIER,
                    strerror(errno));
        return;
    }
    if (!watch.sockets) {
        watch_init();
    }
    WITH_QEMU_LOCK_GUARD(&watch.lock) {
        g_hash_table_insert(watch.sockets, tier, GINT_TO_POINTER(fd));
        timer_mod(watch.timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME));
        qemu_cond_signal(&watch.changed);
    }
}

void vhost_user_tier_unwatch(VHostUserTier *tier)
{
    gpointer fd;

    if (!watch.sockets) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&watch.lock) {
        if (g_hash_table_steal_extended(watch.sockets, tier, NULL, &fd)) {
            close(GPOINTER_TO_INT(fd));
        }
    }
}
