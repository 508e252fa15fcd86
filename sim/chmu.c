/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of a hotness monitoring unit; chmu.h says what it does.
 */
#include "chmu.h"

struct SimChmu {
    Machine *machine;
    ChmuLimits limits;
    ChmuSetting setting;
    uint64_t due_ns;
    GArray *hotlist;                /* SimChmuEntry */
};

SimChmu *sim_chmu_new(Machine *machine)
{
    const double scale = machine_config(machine)->scale;
    SimChmu *chmu = g_new0(SimChmu, 1);

    chmu->machine = machine;
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
static void clear_counts(Guest *guest)
{
    for (size_t page = 0; page < guest_pages(guest); page++) {
        guest_device_count(guest, page);
    }
}

void sim_chmu_begin(SimChmu *chmu, const ChmuSetting *setting)
{
    uint64_t now_ns = machine_now_ns(chmu->machine);

    /* An epoch that follows the one before without a gap begins with counters that were just read. */
    if (chmu->due_ns != now_ns) {
        for (size_t i = 0; i < machine_guests(chmu->machine); i++) {
            clear_counts(machine_guest(chmu->machine, i));
        }
    }
    chmu->setting = *setting;
    chmu->due_ns = now_ns + setting->epoch_ns;
}

uint64_t sim_chmu_due_ns(const SimChmu *chmu)
{
    return chmu->due_ns;
}

/* List the pages of one guest; false when the hotlist is full. */
static bool list_guest(SimChmu *chmu, Guest *guest)
{
    bool room = true;

    for (size_t page = 0; page < guest_pages(guest); page++) {
        uint8_t tier = guest_tier(guest, page);
        uint64_t count = guest_device_count(guest, page);
        SimChmuEntry entry = {.guest = guest, .page = (uint32_t)page};

        if (tier == 0 || tier == SIM_ABSENT || count < chmu->setting.threshold) {
            continue;
        }
        room &= chmu->hotlist->len < chmu->limits.hotlist_entries;
        if (room) {
            entry.count = (uint32_t)MIN(count, chmu->limits.counter_max);
            g_array_append_val(chmu->hotlist, entry);
        }
    }
    return room;
}

size_t sim_chmu_drain(SimChmu *chmu, const SimChmuEntry **entries, bool *overflowed)
{
    g_array_set_size(chmu->hotlist, 0);
    *overflowed = false;
    for (size_t i = 0; i < machine_guests(chmu->machine); i++) {
        *overflowed |= !list_guest(chmu, machine_guest(chmu->machine, i));
    }
    machine_charge_host(chmu->machine, (double)chmu->hotlist->len * SIM_CHMU_ENTRY_NS);
    *entries = (const SimChmuEntry *)(void *)chmu->hotlist->data;
    return chmu->hotlist->len;
}
