/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second instances of devices, always on for those who are crowded out of the first ones' lists; core/chmu-long.h
 * has the theory.
 */
#include "chmu-host-internal.h"

#define SECOND 1000000000ull
#define RETRY_NS (60 * SECOND)          /* after a failure, or where no instance is free that can be used */

static void set_problem(ChmuDevice *device, const char *problem)
{
    chmu_device_set_problem(device, "second hotness unit", &device->second.problem, problem);
}

/* Tell all for whom reports were counted what came of it: nothing, if @list is NULL. */
static void end_period(ChmuHost *host, unsigned number, const ChmuList *list, uint64_t now_ns)
{
    const ChmuDevice *device = g_ptr_array_index(host->devices, number - 1);
    GHashTableIter iter;
    gpointer watch;

    g_hash_table_iter_init(&iter, host->watches);
    while (g_hash_table_iter_next(&iter, NULL, &watch)) {
        g_autofree uint16_t *reports = chmu_watch_period_end(watch, number);
        ChmuBatch *batch;

        if (!reports) {
            continue;
        }
        batch = g_new0(ChmuBatch, 1);
        batch->device = number;
        batch->period = true;
        batch->begun_ns = device->second.begun_ns;
        if (list) {
            batch->epoch_ns = now_ns - batch->begun_ns;
            batch->threshold = list->threshold;
            batch->unit_bytes = list->unit_bytes;
            batch->reports = g_steal_pointer(&reports);
        }
        chmu_host_give(watch, batch);
    }
}

static bool begin(ChmuHost *host, unsigned number, uint64_t now_ns, GError **errp)
{
    ChmuDevice *device = g_ptr_array_index(host->devices, number - 1);
    ChmuSecond *second = &device->second;
    GHashTableIter iter;
    ChmuOrder order;
    gpointer watch;

    if (!chmu_host_choose_size(host, device, second->unit, &order.unit_bytes, errp)) {
        return false;
    }
    g_clear_pointer(&second->windows, g_array_unref);
    second->windows = g_array_copy(device->windows);
    order.setting = second->setting;
    order.windows = (const ChmuWindow *)(void *)second->windows->data;
    order.n_windows = second->windows->len;
    chmu_unit_begin(second->unit, &order, now_ns);
    second->begun_ns = now_ns;
    second->reports = 0;
    g_hash_table_iter_init(&iter, host->watches);
    while (g_hash_table_iter_next(&iter, NULL, &watch)) {
        if (((const ChmuWatch *)watch)->crowd[number].crowded && chmu_host_can_tell(watch, order.unit_bytes)) {
            chmu_watch_period_begin(watch, number);
        }
    }
    return true;
}

/* Count who was listed; false where that can't be. */
static bool count_reports(ChmuHost *host, unsigned number, const ChmuList *list)
{
    ChmuSecond *second = &((ChmuDevice *)g_ptr_array_index(host->devices, number - 1))->second;
    uint64_t nonsense = list->nonsense;

    for (size_t i = 0; i < list->n; i++) {
        ChmuOwned owned;

        if (!chmu_host_whose(host, second->windows, list->counts[i].unit, list->unit_bytes, &owned)) {
            nonsense++;
        } else if (owned.watch) {
            chmu_watch_report(owned.watch, number, owned.number, owned.parts);
        }
    }
    second->reports += list->n;
    return nonsense == 0;
}

/* Read on; false, with an error, when that fails. */
static bool go_on(ChmuHost *host, unsigned number, uint64_t now_ns, GError **errp)
{
    ChmuSecond *second = &((ChmuDevice *)g_ptr_array_index(host->devices, number - 1))->second;
    ChmuList list;

    switch (chmu_unit_step(second->unit, now_ns, &second->due_ns, &list, errp)) {
    case CHMU_UNIT_BUSY:
        return true;
    case CHMU_UNIT_FAILED:
        return false;
    case CHMU_UNIT_LISTED:
        break;
    }
    if (!count_reports(host, number, &list)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "entries of its hotlist were of no memory, or counts of 0: the device is broken; reset it");
        return false;
    }
    if (list.over) {
        end_period(host, number, list.overflowed ? NULL : &list, now_ns);
        second->setting =
            chmu_long_next(chmu_unit_limits(second->unit), &second->setting, second->reports, list.overflowed);
        second->begun = false;
        second->due_ns = now_ns;
    }
    return true;
}

uint64_t chmu_second_poll(ChmuHost *host, unsigned number, uint64_t now_ns, ChmuUnit **gone)
{
    ChmuDevice *device = g_ptr_array_index(host->devices, number - 1);
    ChmuSecond *second = &device->second;
    g_autoptr(GError) err = NULL;

    *gone = NULL;
    if (!second->begun && !second->wanted) {
        *gone = g_steal_pointer(&second->unit);
        return UINT64_MAX;
    }
    if (second->due_ns > now_ns) {
        return second->due_ns;
    }
    if (!second->unit && device->unit) {
        second->unit = chmu_unit_new_beside(device->regs, device->unit);
        if (second->unit) {
            second->setting = chmu_long_start(chmu_unit_limits(second->unit));
        }
    }
    if (!second->unit || !device->windows) {
        second->due_ns = now_ns + RETRY_NS;
        return second->due_ns;
    }
    second->begun = second->begun || begin(host, number, now_ns, &err);
    if (second->begun && go_on(host, number, now_ns, &err)) {
        set_problem(device, NULL);
        return second->due_ns;
    }
    set_problem(device, err->message);
    if (second->begun) {
        end_period(host, number, NULL, now_ns);
    }
    second->begun = false;
    second->due_ns = now_ns + RETRY_NS;
    return second->due_ns;
}

void chmu_second_stop(ChmuDevice *device, ChmuUnit **gone)
{
    ChmuSecond *second = &device->second;

    *gone = g_steal_pointer(&second->unit);
    second->begun = second->wanted = false;
    second->due_ns = 0;
}

void chmu_second_clear(ChmuSecond *second)
{
    chmu_unit_free(second->unit);
    g_clear_pointer(&second->windows, g_array_unref);
    g_free(second->problem);
}
