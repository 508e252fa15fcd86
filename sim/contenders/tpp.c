/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baselines 'tpp' and 'numa-balancing': hint faults promote, an approximation of LRU demotes.
 *
 * Source: H. Al Maruf et al., "TPP: Transparent Page Placement for CXL-Enabled Tiered-Memory", ASPLOS 2023,
 * as it is in Linux 6.x with kernel.numa_balancing=2 and demotion_enabled: kernel/sched/fair.c
 * (task_numa_work, should_numa_migrate_memory, numa_promotion_adjust_threshold), mm/vmscan.c
 * (shrink_active_list, folio_check_references, demotion in kswapd).
 *
 * Scanning: every scan period the next 256 MB of a guest's addresses are armed, of which only pages in slow
 * tiers fault; the period is 1 s divided by the guest's size in units of 256 MB, 100 ms at least
 * (MAX_SCAN_WINDOW), and so that a thread spends at most 1/33 of its time on it.
 *
 * Promotion: of pages whose fault came within 1 s of their being armed, in two scans running (TPP's active
 * list); while there is more free than 1 GiB and 1/16 of tier 0, of all that fault. The threshold of 1 s is
 * adapted each 60 s, by 1/8 of it, towards as many candidates as may be promoted.
 *
 * Demotion: when less than 2 % of tier 0 is free (TPP's demote_scale_factor) kswapd goes through the inactive
 * list from its old end; a page that was accessed goes round once more and then to the active list, others
 * are demoted.
 *
 * 'numa-balancing' is what Linux does by default: one such fault is enough; the period stays 1 s, since it is
 * set when a thread begins and the guest is small yet, and mode 2 does not adapt it (task_numa_fault()), so
 * that it sees less and costs the guest less; and promotions are limited, each second anew, to
 * kernel.numa_balancing_promote_rate_limit_MBps.
 *
 * In its favour: the rate limit, to which the threshold is adapted, is half of what the machine allows (the
 * other half is for demotions) rather than 64 GB/s; arming is paid by the host, not by the guest's threads; a
 * promoted page is active; each guest has lists of its own, as in a cgroup.
 */
#include <math.h>

#include "../contender.h"
#include "../params.h"
#include "demote.h"
#include "page-list.h"
#include "per-guest.h"

#define TICK_NS 10000000ull
#define SECOND_NS 1000000000ull
#define JIFFY_NS 4000000.0 /* a scan begins at some thread's next one: HZ=250 */
#define SCAN_TIME_PART 32  /* a thread runs so many times as long as it scans */
#define THRESHOLD_STEPS 16 /* NUMA_MIGRATION_ADJUST_STEPS */
#define BATCH 32u          /* SWAP_CLUSTER_MAX */
#define FAULTS_AT_ONCE 1024u

enum {
    TPP_LISTED = 1,     /* on one of the lists of tier 0 */
    TPP_ACTIVE = 2,     /* it is the active one */
    TPP_REFERENCED = 4, /* found accessed once at the inactive list's end */
    TPP_HOT = 8,        /* its last hint fault came soon */
};

typedef struct TppGuest {
    Guest *guest;
    uint32_t pages;
    PageLink *links;
    PageList active, inactive; /* of tier 0 */
    uint8_t *flags;
    uint32_t *armed_ms;
    uint32_t scan_at; /* the next page to be armed */
    uint64_t next_scan_ns;
    double reclaimed; /* pages that kswapd scanned, each as a share of the lists' length */
} TppGuest;

typedef struct TppFault {
    uint64_t touched_ns;
    TppGuest *g;
    uint32_t page;
} TppFault;

typedef struct Tpp {
    Contender contender;
    PerGuest guests; /* TppGuest */
    double scan_mb, scan_period_ms, scan_mb_per_s, hot_threshold_ms, adjust_period_ms;
    double free_percent, reclaim_page_ns;
    unsigned faults;
    double threshold_ms;
    uint64_t candidates; /* pages, in this period of adjustment */
    uint64_t adjust_from_ns;
    uint64_t limit_from_ns, limit_candidates; /* in this second */
    double scan_credit;                       /* pages that kswapd has had time for */
    bool limited;                             /* has a limit of its own: half of the machine's */
    GArray *pending;                          /* TppFault, of this tick */
} Tpp;

/* --- lists of tier 0 --- */

static void list_page(TppGuest *g, uint32_t page, bool active)
{
    page_list_add(active ? &g->active : &g->inactive, g->links, page);
    g->flags[page] =
        (uint8_t)((g->flags[page] & ~(TPP_ACTIVE | TPP_REFERENCED)) | TPP_LISTED | (active ? TPP_ACTIVE : 0));
}

static void unlist_page(TppGuest *g, uint32_t page)
{
    page_list_remove(g->flags[page] & TPP_ACTIVE ? &g->active : &g->inactive, g->links, page);
    g->flags[page] &= (uint8_t)~(TPP_LISTED | TPP_ACTIVE | TPP_REFERENCED);
}

static void *tpp_guest_new(void *opaque, Guest *guest)
{
    TppGuest *g = g_new0(TppGuest, 1);

    g->guest = guest;
    g->pages = (uint32_t)guest_pages(guest);
    g->links = g_new0(PageLink, g->pages);
    g->flags = g_new0(uint8_t, g->pages);
    g->armed_ms = g_new0(uint32_t, g->pages);
    g->active = g->inactive = PAGE_LIST_EMPTY;
    g->next_scan_ns = machine_now_ns(guest_machine(guest));
    guest_faults(guest, NULL, NULL, 0);
    for (uint32_t page = 0; page < g->pages; page++) {
        if (guest_tier(guest, page) == 0) {
            list_page(g, page, false);
        }
    }
    return g;
}

static void tpp_guest_free(gpointer data)
{
    TppGuest *g = data;

    g_free(g->links);
    g_free(g->flags);
    g_free(g->armed_ms);
    g_free(g);
}

/* --- kswapd --- */

static uint64_t tier0_bytes(const Tpp *tpp)
{
    return machine_config(tpp->contender.machine)->capacity_bytes[0];
}

/* inactive_is_low(): how many active pages an inactive one stands for grows with the list's real size. */
static bool inactive_is_low(const TppGuest *g)
{
    double scale = machine_config(guest_machine(g->guest))->scale;
    double gb = floor(((double)g->active.n + g->inactive.n) * SIM_PAGE / scale / (1u << 30));
    double ratio = gb > 0 ? floor(sqrt(10 * gb)) : 1;

    return g->inactive.n * ratio < g->active.n;
}

/* The page at the old end of a list, taken off it; PAGE_LIST_END: none. Pages that have gone are dropped. */
static uint32_t take_oldest(TppGuest *g, PageList *list)
{
    while (list->oldest != PAGE_LIST_END) {
        uint32_t page = list->oldest;

        page_list_remove(list, g->links, page);
        if (guest_tier(g->guest, page) == 0) {
            return page;
        }
        g->flags[page] &= (uint8_t)~(TPP_LISTED | TPP_ACTIVE | TPP_REFERENCED);
    }
    return PAGE_LIST_END;
}

/* shrink_active_list(): pages of anonymous memory go to the inactive list, accessed or not. */
static unsigned shrink_active(TppGuest *g)
{
    unsigned scanned = 0;
    uint32_t page;

    while (scanned < BATCH && (page = take_oldest(g, &g->active)) != PAGE_LIST_END) {
        guest_young(g->guest, page);
        list_page(g, page, false);
        scanned++;
    }
    return scanned;
}

/* What becomes of the inactive list's oldest page. MOVE_THERE: it is kept. */
static MoveResult reclaim_page(TppGuest *g, uint32_t page)
{
    bool referenced = g->flags[page] & TPP_REFERENCED;
    MoveResult result;

    if (guest_young(g->guest, page)) {
        list_page(g, page, referenced);
        g->flags[page] |= referenced ? 0 : TPP_REFERENCED;
        return MOVE_THERE;
    }
    result = demote_page(g->guest, page);
    if (result == MOVE_DONE) {
        g->flags[page] = 0;
    } else {
        list_page(g, page, false);
    }
    return result;
}

/* Scan a batch of each list that is due. Returns pages scanned. */
static unsigned shrink_guest(TppGuest *g, bool *stuck)
{
    double listed = (double)g->active.n + g->inactive.n;
    unsigned scanned = inactive_is_low(g) ? shrink_active(g) : 0;
    uint32_t page;

    for (unsigned i = 0; i < BATCH && !*stuck && (page = take_oldest(g, &g->inactive)) != PAGE_LIST_END;
         i++) {
        MoveResult result = reclaim_page(g, page);

        *stuck = result == MOVE_LIMITED || result == MOVE_NO_ROOM;
        scanned++;
    }
    g->reclaimed += scanned / MAX(listed, 1);
    return scanned;
}

/* The guest whose lists were scanned least for their length: all go in proportion. NULL: none has any. */
static TppGuest *next_to_shrink(const Tpp *tpp)
{
    TppGuest *next = NULL;

    for (guint i = 0; i < tpp->guests.items->len; i++) {
        TppGuest *g = g_ptr_array_index(tpp->guests.items, i);

        if (g->active.n + g->inactive.n > 0 && (!next || g->reclaimed < next->reclaimed)) {
            next = g;
        }
    }
    return next;
}

/* What it gets done in the time that has passed since it was last awake. */
static void kswapd(Tpp *tpp, uint64_t passed_ns)
{
    Machine *machine = tpp->contender.machine;
    double wanted = (double)tier0_bytes(tpp) * tpp->free_percent / 100;
    bool stuck = false;
    TppGuest *g;

    tpp->scan_credit += (double)passed_ns * machine_config(machine)->scale / tpp->reclaim_page_ns;
    while (tpp->scan_credit >= 1 && !stuck && (double)machine_free_bytes(machine, 0) < wanted &&
           (g = next_to_shrink(tpp))) {
        unsigned scanned = shrink_guest(g, &stuck);

        tpp->scan_credit -= scanned;
        machine_charge_host(machine, scanned * tpp->reclaim_page_ns);
    }
    tpp->scan_credit = MIN(tpp->scan_credit, 0); /* time that was not needed is gone */
}

/* --- hint faults --- */

/* Candidates that the machine's limit has room for, each with a demotion. Pages a second. */
static double rate_limit(const Tpp *tpp)
{
    uint64_t limit = machine_config(tpp->contender.machine)->move_bytes_per_s;

    return limit ? (double)limit / 2 / SIM_PAGE : INFINITY;
}

/* numa_promotion_adjust_threshold() */
static void adjust_threshold(Tpp *tpp, uint64_t now_ns)
{
    double wanted = rate_limit(tpp) * tpp->adjust_period_ms / 1000;
    double unit = tpp->hot_threshold_ms * 2 / THRESHOLD_STEPS;

    if ((double)(now_ns - tpp->adjust_from_ns) <= tpp->adjust_period_ms * 1e6) {
        return;
    }
    if ((double)tpp->candidates > wanted * 1.1) {
        tpp->threshold_ms = MAX(tpp->threshold_ms - unit, unit);
    } else if ((double)tpp->candidates < wanted * 0.9) {
        tpp->threshold_ms = MIN(tpp->threshold_ms + unit, tpp->hot_threshold_ms * 2);
    }
    tpp->candidates = 0;
    tpp->adjust_from_ns = now_ns;
}

/* pgdat_free_space_enough(): then all that is accessed may come. */
static bool free_space_enough(const Tpp *tpp)
{
    const MachineConfig *config = machine_config(tpp->contender.machine);
    double enough = MAX((1u << 30) * config->scale, (double)tier0_bytes(tpp) / 16);

    return (double)machine_free_bytes(tpp->contender.machine, 0) >
           enough + (double)tier0_bytes(tpp) * tpp->free_percent / 100;
}

/* should_numa_migrate_memory() */
static bool should_promote(Tpp *tpp, TppGuest *g, uint32_t page, double latency_ms, uint64_t now_ns)
{
    bool before = g->flags[page] & TPP_HOT, hot;

    if (free_space_enough(tpp)) {
        tpp->threshold_ms = tpp->hot_threshold_ms; /* the workload changed */
        return true;
    }
    adjust_threshold(tpp, now_ns);
    hot = latency_ms < tpp->threshold_ms;
    g->flags[page] = (uint8_t)(hot ? g->flags[page] | TPP_HOT : g->flags[page] & ~TPP_HOT);
    if (!hot || (tpp->faults > 1 && !before)) {
        return false;
    }
    tpp->candidates++;
    if (now_ns - tpp->limit_from_ns > SECOND_NS) { /* numa_promotion_rate_limit() */
        tpp->limit_from_ns = now_ns;
        tpp->limit_candidates = 0;
    }
    return !tpp->limited || (double)tpp->limit_candidates++ < rate_limit(tpp);
}

static void take_fault(Tpp *tpp, TppGuest *g, uint32_t page, uint64_t touched_ns, uint64_t now_ns)
{
    double latency_ms = (double)touched_ns / 1e6 - g->armed_ms[page];
    uint8_t tier = guest_tier(g->guest, page);

    if (tier == 0 || tier == SIM_ABSENT || !should_promote(tpp, g, page, latency_ms, now_ns)) {
        return;
    }
    if (guest_move(g->guest, page, 0) == MOVE_DONE) {
        if (g->flags[page] & TPP_LISTED) {
            unlist_page(g, page);
        }
        list_page(g, page, true);
    }
}

static int compare_soonest_first(const void *a, const void *b)
{
    const TppFault *x = a, *y = b;

    if (x->touched_ns != y->touched_ns) {
        return x->touched_ns < y->touched_ns ? -1 : 1;
    }
    return x->page < y->page ? -1 : x->page > y->page;
}

/* Faults of all guests since the last tick, as they came. */
static void take_faults(Tpp *tpp, uint64_t now_ns)
{
    uint32_t pages[FAULTS_AT_ONCE];
    uint64_t touched_ns[FAULTS_AT_ONCE];
    size_t n;

    g_array_set_size(tpp->pending, 0);
    for (guint i = 0; i < tpp->guests.items->len; i++) {
        TppGuest *g = g_ptr_array_index(tpp->guests.items, i);

        do {
            n = guest_faults(g->guest, pages, touched_ns, FAULTS_AT_ONCE);
            for (size_t j = 0; j < n; j++) {
                TppFault fault = {touched_ns[j], g, pages[j]};

                g_array_append_val(tpp->pending, fault);
            }
        } while (n == FAULTS_AT_ONCE);
    }
    g_array_sort(tpp->pending, compare_soonest_first);
    for (guint i = 0; i < tpp->pending->len; i++) {
        const TppFault *fault = &g_array_index(tpp->pending, TppFault, i);

        take_fault(tpp, fault->g, fault->page, fault->touched_ns, now_ns);
    }
}

/* --- scanning --- */

/* Arm the slow pages of the next window; those of tier 0 that are on no list (new ones) are listed. */
static uint32_t arm_window(TppGuest *g, uint32_t window, uint64_t now_ns)
{
    uint32_t armed = 0;

    for (uint32_t i = 0; i < MIN(window, g->pages); i++) {
        uint32_t page = g->scan_at;
        uint8_t tier = guest_tier(g->guest, page);

        g->scan_at = page + 1 < g->pages ? page + 1 : 0;
        if (tier == 0) {
            if (!(g->flags[page] & TPP_LISTED)) {
                list_page(g, page, false);
            }
        } else if (tier != SIM_ABSENT && !guest_armed(g->guest, page)) {
            guest_arm(g->guest, page);
            g->armed_ms[page] = (uint32_t)(now_ns / 1000000);
            armed++;
        }
    }
    return armed;
}

/* task_numa_work(): scan what is due, and say when the next is. */
static void scan(Tpp *tpp, TppGuest *g, uint64_t now_ns)
{
    const MachineConfig *config = machine_config(tpp->contender.machine);
    double window_bytes = tpp->scan_mb * (1u << 20);
    double windows = ceil((double)g->pages * SIM_PAGE / config->scale / window_bytes);
    double period_ms = MAX(tpp->scan_period_ms / windows, tpp->scan_mb / tpp->scan_mb_per_s * 1000);
    uint32_t window = (uint32_t)MAX(window_bytes * config->scale / SIM_PAGE, 1);

    while (g->next_scan_ns <= now_ns) {
        double spent_ns = (double)arm_window(g, window, now_ns) * config->costs.arm_ns;
        double rest_ns = spent_ns * SCAN_TIME_PART / guest_config(g->guest)->vcpus;

        double late_ns = machine_random(tpp->contender.machine) * JIFFY_NS;

        g->next_scan_ns += (uint64_t)(MAX(period_ms * 1e6, rest_ns) + late_ns);
    }
}

/* --- the contender --- */

static uint64_t tpp_tick(Contender *contender, uint64_t now_ns)
{
    Tpp *tpp = (Tpp *)contender;

    per_guest_follow(&tpp->guests);
    take_faults(tpp, now_ns);
    for (guint i = 0; i < tpp->guests.items->len; i++) {
        TppGuest *g = g_ptr_array_index(tpp->guests.items, i);

        if (guest_idle(g->guest)) {
            g->next_scan_ns = now_ns; /* threads that do not run do not scan */
        } else {
            scan(tpp, g, now_ns);
        }
    }
    kswapd(tpp, TICK_NS);
    return now_ns + TICK_NS;
}

static size_t tpp_metadata_bytes(const Contender *contender)
{
    const Tpp *tpp = (const Tpp *)contender;
    size_t bytes = 0;

    for (guint i = 0; i < tpp->guests.items->len; i++) {
        const TppGuest *g = g_ptr_array_index(tpp->guests.items, i);

        bytes += g->pages * (sizeof(*g->links) + sizeof(*g->flags) + sizeof(*g->armed_ms));
    }
    return bytes;
}

static void tpp_destroy(Contender *contender)
{
    Tpp *tpp = (Tpp *)contender;

    per_guest_clear(&tpp->guests);
    g_array_unref(tpp->pending);
    g_free(tpp);
}

static Contender *create(const char *text, Machine *machine, double faults, double scan_mb_per_s,
                         double limited, GError **errp)
{
    double scan_mb = 256, scan_period_ms = 1000, hot_threshold_ms = 1000, adjust_period_ms = 60000;
    double free_percent = 2, reclaim_page_ns = 500;
    const Param params[] = {
        {"scan-mb", &scan_mb, 1, 1e6},
        {"scan-period-ms", &scan_period_ms, 1, 1e6},
        {"scan-max-mb-per-s", &scan_mb_per_s, 1, 1e6},
        {"hot-threshold-ms", &hot_threshold_ms, 1, 1e6},
        {"adjust-period-ms", &adjust_period_ms, 1, 1e9},
        {"faults", &faults, 1, 2},
        {"rate-limited", &limited, 0, 1},
        {"demote-free-percent", &free_percent, 0.01, 50},
        {"reclaim-page-ns", &reclaim_page_ns, 1, 1e6},
        {NULL},
    };
    Tpp *tpp;

    if (!params_parse(text, params, errp)) {
        return NULL;
    }
    tpp = g_new0(Tpp, 1);
    tpp->contender.machine = machine;
    tpp->scan_mb = scan_mb;
    tpp->scan_period_ms = scan_period_ms;
    tpp->scan_mb_per_s = scan_mb_per_s;
    tpp->hot_threshold_ms = tpp->threshold_ms = hot_threshold_ms;
    tpp->adjust_period_ms = adjust_period_ms;
    tpp->faults = (unsigned)faults;
    tpp->limited = limited > 0;
    tpp->free_percent = free_percent;
    tpp->reclaim_page_ns = reclaim_page_ns;
    tpp->pending = g_array_new(false, false, sizeof(TppFault));
    per_guest_init(&tpp->guests, machine, tpp_guest_new, tpp_guest_free, tpp);
    return &tpp->contender;
}

static Contender *tpp_create(const char *text, Machine *machine, GError **errp)
{
    return create(text, machine, 2, 2560, 0, errp);
}

static Contender *numa_balancing_create(const char *text, Machine *machine, GError **errp)
{
    return create(text, machine, 1, 256, 1, errp);
}

#define DEFAULTS(faults, scan_mb_per_s, limited)                                                 \
    "scan-mb=256 scan-period-ms=1000 scan-max-mb-per-s=" scan_mb_per_s " hot-threshold-ms=1000 " \
    "adjust-period-ms=60000 faults=" faults " rate-limited=" limited                             \
    " demote-free-percent=2 reclaim-page-ns=500"

const ContenderClass tpp_contender = {
    .name = "tpp",
    .what = "two hint faults promote, LRU demotes (TPP, ASPLOS 2023)",
    .defaults = DEFAULTS("2", "2560", "0"),
    .create = tpp_create,
    .tick = tpp_tick,
    .metadata_bytes = tpp_metadata_bytes,
    .destroy = tpp_destroy,
};

const ContenderClass numa_balancing_contender = {
    .name = "numa-balancing",
    .what = "a hint fault promotes, LRU demotes (Linux 6.x, kernel.numa_balancing=2)",
    .defaults = DEFAULTS("1", "256", "1"),
    .create = numa_balancing_create,
    .tick = tpp_tick,
    .metadata_bytes = tpp_metadata_bytes,
    .destroy = tpp_destroy,
};
