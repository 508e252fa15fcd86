/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of a hotness monitoring unit; chmu.h says what it does.
 */
#include "chmu.h"

#include "core/chmu-long.h"

struct SimChmu {
    Machine *machine;
    SimChmuMode mode;
    ChmuLimits limits;
    ChmuSetting setting;
    uint64_t due_ns;
    GArray *hotlist;                /* SimChmuEntry */
};

SimChmu *sim_chmu_new(Machine *machine, SimChmuMode mode)
{
    const double scale = machine_config(machine)->scale;
    SimChmu *chmu = g_new0(SimChmu, 1);

    chmu->machine = machine;
    chmu->mode = mode;
    chmu->limits = (ChmuLimits){
        .epoch_min_ns = 100000,     /* CXL 3.2: 100 us to 100 s */
        .epoch_max_ns = 100000000000,
        .hotlist_entries = (uint32_t)MAX(SIM_CHMU_HOTLIST * scale, 16),
        .counter_max = (1u << SIM_CHMU_COUNTER_BITS) - 1,
    };
    chmu->due_ns = UINT64_MAX;
    chmu->hotlist = g_array_new(false, false, sizeof(SimChmuEntry));
    return chmu;
}

void sim_chmu_free(SimChmu *chmu)
{
    if (chmu) {
        g_array_unref(chmu->hotlist);
        g_free(chmu);
    }
}

const ChmuLimits *sim_chmu_limits(const SimChmu *chmu)
{
    return &chmu->limits;
}

/* Forget what was counted so far. */
static void clear_counts(const SimChmu *chmu, Guest *guest)
{
    for (size_t page = 0; page < guest_pages(guest); page++) {
        guest_device_count(guest, page, chmu->mode);
    }
}

void sim_chmu_begin(SimChmu *chmu, const ChmuSetting *setting)
{
    uint64_t now_ns = machine_now_ns(chmu->machine);

    /* An epoch that follows the one before without a gap begins with counters that were just read. */
    if (chmu->due_ns != now_ns) {
        for (size_t i = 0; i < machine_guests(chmu->machine); i++) {
            clear_counts(chmu, machine_guest(chmu->machine, i));
        }
    }
    chmu->setting = *setting;
    chmu->due_ns = now_ns + setting->epoch_ns;
}

void sim_chmu_stop(SimChmu *chmu)
{
    chmu->due_ns = UINT64_MAX;
}

uint64_t sim_chmu_due_ns(const SimChmu *chmu)
{
    return chmu->due_ns;
}

/* List the pages of one guest, as many as there is @room for; returns how often they were to be listed. */
static uint64_t list_guest(SimChmu *chmu, Guest *guest, uint64_t room)
{
    uint64_t reports = 0;

    for (size_t page = 0; page < guest_pages(guest); page++) {
        uint8_t tier = guest_tier(guest, page);
        uint64_t count = guest_device_count(guest, page, chmu->mode);
        SimChmuEntry entry = {.guest = guest, .page = (uint32_t)page};

        if (tier == 0 || tier == SIM_ABSENT || count < chmu->setting.threshold) {
            continue;
        }
        if (reports < room) {
            entry.count = (uint32_t)(chmu->mode == SIM_CHMU_EPOCHS ? MIN(count, chmu->limits.counter_max)
                                                                  : count / chmu->setting.threshold);
            g_array_append_val(chmu->hotlist, entry);
        }
        reports += chmu->mode == SIM_CHMU_EPOCHS ? 1 : count / chmu->setting.threshold;
    }
    return reports;
}

size_t sim_chmu_drain(SimChmu *chmu, const SimChmuEntry **entries, bool *overflowed)
{
    const uint64_t lists = chmu->mode == SIM_CHMU_EPOCHS ? 1 : chmu->setting.epoch_ns / CHMU_LONG_EMPTY_NS;
    const uint64_t room = chmu->limits.hotlist_entries * lists;
    uint64_t reports = 0;

    g_array_set_size(chmu->hotlist, 0);
    for (size_t i = 0; i < machine_guests(chmu->machine); i++) {
        reports += list_guest(chmu, machine_guest(chmu->machine, i), room - MIN(room, reports));
    }
    *overflowed = reports > room;
    machine_charge_host(chmu->machine, (double)MIN(reports, room) * SIM_CHMU_ENTRY_NS);
    *entries = (const SimChmuEntry *)(void *)chmu->hotlist->data;
    return chmu->hotlist->len;
}
