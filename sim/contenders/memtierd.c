/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baseline 'memtierd': ages of pages, by intel/memtierd's policy 'age' with the tracker 'idlepage'.
 *
 * Source: github.com/intel/memtierd, pkg/memtier/policy_age.go, tracker_idlepage.go, mover.go, and the samples'
 * settings: each round (5 s) the tracker's counters are read; a region accessed in each of the last
 * active-duration / interval + 1 rounds is active and goes to the fast tier; one not accessed for idle-duration
 * is idle and goes to the slow one. New tasks are given to the mover only when it has none left, idle regions
 * first; it moves by address at its bandwidth.
 *
 * In its favour: regions of one page rather than the samples' 512, so that hot pages among cold ones can be told
 * apart at all.
 */
#include "../contender.h"
#include "../params.h"
#include "per-guest.h"

#define MOVER_INTERVAL_NS 20000000ull

typedef struct Tracked {
    Guest *guest;
    size_t n;                       /* regions */
    uint32_t *rounds;               /* bit i: was accessed i rounds ago */
    uint16_t *unchanged;            /* rounds since the last access */
} Tracked;

typedef struct Task {
    Guest *guest;
    uint32_t page;
    uint8_t tier;
} Task;

typedef struct Memtierd {
    Contender contender;
    uint64_t interval_ns, next_round_ns;
    unsigned active_rounds, idle_rounds;
    uint32_t region_pages;
    double bytes_per_tick, left_bytes;
    PerGuest tracked;               /* of Tracked */
    GArray *tasks;                  /* Task */
    guint task;                     /* the next one */
} Memtierd;

static void tracked_free(gpointer data)
{
    Tracked *tracked = data;

    g_free(tracked->rounds);
    g_free(tracked->unchanged);
    g_free(tracked);
}

static void *tracked_new(void *opaque, Guest *guest)
{
    const Memtierd *self = opaque;
    Tracked *tracked = g_new0(Tracked, 1);

    tracked->guest = guest;
    tracked->n = (guest_pages(guest) + self->region_pages - 1) / self->region_pages;
    tracked->rounds = g_new0(uint32_t, tracked->n);
    tracked->unchanged = g_new0(uint16_t, tracked->n);
    return tracked;
}

static size_t region_end(const Memtierd *self, const Tracked *tracked, size_t region)
{
    return MIN((region + 1) * self->region_pages, guest_pages(tracked->guest));
}

static void read_counters(const Memtierd *self, Tracked *tracked)
{
    for (size_t i = 0; i < tracked->n; i++) {
        bool accessed = false;

        for (size_t page = i * self->region_pages; page < region_end(self, tracked, i); page++) {
            accessed |= guest_young(tracked->guest, page);
        }
        tracked->rounds[i] = tracked->rounds[i] << 1 | accessed;
        tracked->unchanged[i] = accessed ? 0 : MIN(tracked->unchanged[i] + 1, UINT16_MAX);
    }
}

/* Give the mover what lies elsewhere of the regions that are active, or idle. */
static void add_tasks(Memtierd *self, const Tracked *tracked, bool active)
{
    const uint32_t mask = (uint32_t)((2ull << self->active_rounds) - 1);

    for (size_t i = 0; i < tracked->n; i++) {
        bool chosen = active ? (tracked->rounds[i] & mask) == mask : tracked->unchanged[i] > self->idle_rounds;

        for (size_t page = i * self->region_pages; chosen && page < region_end(self, tracked, i); page++) {
            uint8_t tier = guest_tier(tracked->guest, page);
            Task task = {.guest = tracked->guest, .page = (uint32_t)page, .tier = !active};

            if (tier != SIM_ABSENT && (tier == 0) != active) {
                g_array_append_val(self->tasks, task);
            }
        }
    }
}

static void round_of(Memtierd *self)
{
    bool idle_mover = self->task >= self->tasks->len;

    if (idle_mover) {
        g_array_set_size(self->tasks, 0);
        self->task = 0;
    }
    for (guint i = 0; i < self->tracked.items->len; i++) {
        read_counters(self, g_ptr_array_index(self->tracked.items, i));
    }
    for (int active = 0; idle_mover && active <= 1; active++) {
        for (guint i = 0; i < self->tracked.items->len; i++) {
            add_tasks(self, g_ptr_array_index(self->tracked.items, i), active);
        }
    }
}

static void carry_out(Memtierd *self)
{
    self->left_bytes = MIN(self->left_bytes + self->bytes_per_tick, MAX(self->bytes_per_tick, SIM_PAGE));
    while (self->task < self->tasks->len && self->left_bytes >= SIM_PAGE) {
        const Task *task = &g_array_index(self->tasks, Task, self->task);
        MoveResult result = guest_move(task->guest, task->page, task->tier);

        if (result == MOVE_LIMITED) {
            return;
        }
        /* What can't be moved is passed over, as move_pages(2) tells of it page by page. */
        self->task++;
        self->left_bytes -= result == MOVE_DONE ? SIM_PAGE : 0;
    }
}

static uint64_t memtierd_tick(Contender *contender, uint64_t now_ns)
{
    Memtierd *self = (Memtierd *)contender;

    if (per_guest_follow(&self->tracked)) {
        g_array_set_size(self->tasks, 0);   /* they may speak of a guest that has gone */
        self->task = 0;
    }
    if (now_ns >= self->next_round_ns) {
        round_of(self);
        self->next_round_ns = now_ns + self->interval_ns;
    }
    carry_out(self);
    return self->task < self->tasks->len ? MIN(now_ns + MOVER_INTERVAL_NS, self->next_round_ns)
                                         : self->next_round_ns;
}

static size_t memtierd_metadata_bytes(const Contender *contender)
{
    const Memtierd *self = (const Memtierd *)contender;
    size_t bytes = 0;

    for (guint i = 0; i < self->tracked.items->len; i++) {
        const Tracked *tracked = g_ptr_array_index(self->tracked.items, i);

        bytes += tracked->n * (sizeof(*tracked->rounds) + sizeof(*tracked->unchanged));
    }
    return bytes;
}

static void memtierd_destroy(Contender *contender)
{
    Memtierd *self = (Memtierd *)contender;

    per_guest_clear(&self->tracked);
    g_array_unref(self->tasks);
    g_free(self);
}

static Contender *memtierd_create(const char *text, Machine *machine, GError **errp)
{
    double interval_ms = 5000, active_ms = 10000, idle_ms = 15000, pages = 1, bandwidth_mb = 200;
    const Param params[] = {
        {"interval-ms", &interval_ms, 10, 1e6},     {"active-duration-ms", &active_ms, 0, 1e7},
        {"idle-duration-ms", &idle_ms, 0, 1e7},     {"pages-in-region", &pages, 1, 1e6},
        {"bandwidth-mb-per-s", &bandwidth_mb, 0.001, 1e6}, {NULL},
    };
    Memtierd *self;

    if (!params_parse(text, params, errp)) {
        return NULL;
    }
    self = g_new0(Memtierd, 1);
    self->interval_ns = (uint64_t)(interval_ms * 1e6);
    self->active_rounds = (unsigned)MIN(active_ms / interval_ms, 30);
    self->idle_rounds = (unsigned)MIN(idle_ms / interval_ms, UINT16_MAX - 1);
    self->region_pages = (uint32_t)pages;
    self->bytes_per_tick = bandwidth_mb * 1e6 * machine_config(machine)->scale * MOVER_INTERVAL_NS / 1e9;
    self->contender.machine = machine;
    per_guest_init(&self->tracked, machine, tracked_new, tracked_free, self);
    self->tasks = g_array_new(false, false, sizeof(Task));
    return &self->contender;
}

const ContenderClass memtierd_contender = {
    .name = "memtierd",
    .what = "ages of pages: active goes up, idle goes down (intel/memtierd, policy 'age', tracker 'idlepage')",
    .defaults = "interval-ms=5000 active-duration-ms=10000 idle-duration-ms=15000 pages-in-region=1 "
                "bandwidth-mb-per-s=200",
    .create = memtierd_create,
    .tick = memtierd_tick,
    .metadata_bytes = memtierd_metadata_bytes,
    .destroy = memtierd_destroy,
};
