/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the daemon must leave guest RAM alone: around live migration.
 *
 * At the source, from the set-up of a migration to its end: while dirty pages
 * are logged, each move would only make more of them. At the destination,
 * until the guest runs and all its pages are there: postcopy needs a
 * userfaultfd of its own on that memory, and a range can have only one.
 */
#include "qemu/osdep.h"

#include "migration/misc.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "tier-freeze.h"

/* How often the end of an incoming postcopy is looked for */
#define POSTCOPY_POLL_MS 500

struct TierFreeze {
    void (*changed)(void *opaque);
    void *opaque;
    bool outgoing;
    bool incoming;
    NotifierWithReturn migration;
    VMChangeStateEntry *run_state;
    QEMUTimer *postcopy_poll;
};

bool tier_freeze_active(const TierFreeze *freeze)
{
    return freeze->outgoing || freeze->incoming;
}

static void freeze_set(TierFreeze *freeze, bool *why, bool value)
{
    bool before = tier_freeze_active(freeze);

    *why = value;
    if (tier_freeze_active(freeze) != before) {
        freeze->changed(freeze->opaque);
    }
}

static int on_migration(NotifierWithReturn *notifier, MigrationEvent *event,
                        Error **errp)
{
    TierFreeze *freeze = container_of(notifier, TierFreeze, migration);

    freeze_set(freeze, &freeze->outgoing,
               event->type == MIG_EVENT_PRECOPY_SETUP);
    return 0;
}

static void look_for_arrival(void *opaque)
{
    TierFreeze *freeze = opaque;

    if (migration_in_incoming_postcopy()) {
        timer_mod(freeze->postcopy_poll,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + POSTCOPY_POLL_MS);
    } else {
        freeze_set(freeze, &freeze->incoming, false);
    }
}

static void on_run_state(void *opaque, bool running, RunState state)
{
    TierFreeze *freeze = opaque;

    if (freeze->incoming && state != RUN_STATE_INMIGRATE) {
        look_for_arrival(freeze);
    }
}

TierFreeze *tier_freeze_new(void (*changed)(void *opaque), void *opaque)
{
    TierFreeze *freeze = g_new0(TierFreeze, 1);

    freeze->changed = changed;
    freeze->opaque = opaque;
    freeze->outgoing = migration_is_running();
    freeze->incoming = runstate_check(RUN_STATE_INMIGRATE);
    freeze->postcopy_poll = timer_new_ms(QEMU_CLOCK_REALTIME, look_for_arrival,
                                         freeze);
    freeze->run_state = qemu_add_vm_change_state_handler(on_run_state, freeze);
    migration_add_notifier(&freeze->migration, on_migration);
    return freeze;
}

void tier_freeze_free(TierFreeze *freeze)
{
    if (freeze) {
        migration_remove_notifier(&freeze->migration);
        qemu_del_vm_change_state_handler(freeze->run_state);
        timer_free(freeze->postcopy_poll);
        g_free(freeze);
    }
}
