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
 * are demoted. Both ways the copying takes time: of the thread that faulted, so that its next faults wait, and of
 * kswapd, which is one thread.
 *
 * 'numa-balancing' is what Linux does by default: one such fault is enough; promotions are limited, each second
 * anew, to kernel.numa_balancing_promote_rate_limit_MBps; and the period is 1 s, set when a thread begins and the
 * guest is small yet, and adapted (update_task_scan_period()). Only promotions count for that, and as neither local
 * nor shared faults, for which scanning is slowed down: at the first one of each pass through the guest's addresses
 * the period doubles, until a pass takes 60 s.
 *
 * Since Linux 6.7 scanning takes its time elsewhere, too: from the third pass on, areas of the process that the
 * thread was not seen to use are scanned after those that it uses, one each period, before the next pass begins
 * (vma_is_accessed(), vma_pids_forced). QEMU has 16 or so behind the guest's memory, libraries and stacks; a small
 * guest is hardly scanned any more then. It is parameter 'other-areas'.
 *
 * In its favour: the rate limit, to which the threshold is adapted, is half of what the machine allows (the
 * other half is for demotions) rather than 64 GB/s; arming is paid by the host, not by the guest's threads; a
 * promoted page is active; each guest has lists of its own, as in a cgroup; a pass of 'numa-balancing' takes 60 s at
 * most from the first one on, in which nothing adapts the period; and there are no other areas unless a row says so.
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
#define FREE_PASSES 2      /* in which all areas are scanned at once, used or not: vma_is_accessed() */
#define BATCH 32u          /* SWAP_CLUSTER_MAX */
#define FAULTS_AT_ONCE 64u

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
    double handler_ns; /* time that its vCPUs have had for handling faults */
    double period_ms;
    unsigned sequence;         /* passes that ended, other areas included: mm->numa_scan_seq */
    unsigned adapted_sequence; /* when the period was adapted last */
    unsigned others_left;      /* areas to be scanned before this pass has ended */
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
    unsigned faults, other_areas;
    double threshold_ms;
    uint64_t candidates; /* pages, in this period of adjustment */
    uint64_t adjust_from_ns;
    uint64_t limit_from_ns, limit_candidates; /* in this second */
    double kswapd_ns;                         /* time that kswapd has had */
    bool limited;                             /* has a limit of its own: half of the machine's */
    bool adapts;                              /* the period of scans */
    GArray *pending;                          /* TppFault: being handled */
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

/* --- how often to scan --- */

/* Scans of scan_mb each that a guest takes: task_nr_scan_windows() */
static double scan_windows(const Tpp *tpp, const TppGuest *g)
{
    double scale = machine_config(guest_machine(g->guest))->scale;

    return ceil((double)g->pages * SIM_PAGE / scale / (tpp->scan_mb * (1u << 20)));
}

/* task_scan_min() */
static double least_period_ms(const Tpp *tpp, const TppGuest *g)
{
    return MAX(tpp->scan_period_ms / scan_windows(tpp, g), tpp->scan_mb / tpp->scan_mb_per_s * 1000);
}

/* task_scan_max(), by sysctl_numa_balancing_scan_period_max, which is the adjustment's period, too */
static double most_period_ms(const Tpp *tpp, const TppGuest *g)
{
    return MAX(tpp->adjust_period_ms / scan_windows(tpp, g), least_period_ms(tpp, g));
}

static void *tpp_guest_new(void *opaque, Guest *guest)
{
    const Tpp *tpp = opaque;
    TppGuest *g = g_new0(TppGuest, 1);

    g->guest = guest;
    g->pages = (uint32_t)guest_pages(guest);
    g->period_ms = MIN(tpp->scan_period_ms, most_period_ms(tpp, g));
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

/* Scan a batch of each list that is due. Returns pages scanned, and how many of these were demoted. */
static unsigned shrink_guest(TppGuest *g, unsigned *demoted, bool *stuck)
{
    double listed = (double)g->active.n + g->inactive.n;
    unsigned scanned = inactive_is_low(g) ? shrink_active(g) : 0;
    uint32_t page;

    *demoted = 0;
    for (unsigned i = 0; i < BATCH && !*stuck && (page = take_oldest(g, &g->inactive)) != PAGE_LIST_END;
         i++) {
        MoveResult result = reclaim_page(g, page);

        *stuck = result == MOVE_LIMITED || result == MOVE_NO_ROOM;
        *demoted += result == MOVE_DONE;
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

/* Pages on all lists. */
static double listed_pages(const Tpp *tpp)
{
    double pages = 0;

    for (guint i = 0; i < tpp->guests.items->len; i++) {
        const TppGuest *g = g_ptr_array_index(tpp->guests.items, i);

        pages += (double)g->active.n + g->inactive.n;
    }
    return pages;
}

/*
 * What it gets done in the time that has passed since it was last awake, demoting page by page; at most one turn
 * of the lists, as in balance_pgdat(), where each next priority takes twice the part of them and the last one half.
 */
static void kswapd(Tpp *tpp, uint64_t passed_ns)
{
    Machine *machine = tpp->contender.machine;
    const SimCosts *costs = &machine_config(machine)->costs;
    double wanted = (double)tier0_bytes(tpp) * tpp->free_percent / 100, left = listed_pages(tpp);
    bool stuck = false;
    TppGuest *g;

    tpp->kswapd_ns += (double)passed_ns * machine_config(machine)->scale;
    while (tpp->kswapd_ns > 0 && left > 0 && !stuck && (double)machine_free_bytes(machine, 0) < wanted &&
           (g = next_to_shrink(tpp))) {
        unsigned demoted, scanned = shrink_guest(g, &demoted, &stuck);

        left -= scanned;
        tpp->kswapd_ns -= scanned * (tpp->reclaim_page_ns + costs->abit_ns) + (double)demoted * costs->move_4k_ns;
        machine_charge_host(machine, scanned * tpp->reclaim_page_ns);
    }
    tpp->kswapd_ns = MIN(tpp->kswapd_ns, 0); /* time that was not needed is gone */
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

/* task_numa_placement(), of a page that has been promoted: adapt the period, if this is the pass's first. */
static void promoted(const Tpp *tpp, TppGuest *g, uint64_t now_ns)
{
    if (tpp->adapts && g->adapted_sequence != g->sequence) {
        g->adapted_sequence = g->sequence;
        g->period_ms = MIN(2 * g->period_ms, most_period_ms(tpp, g));
        g->next_scan_ns = now_ns + (uint64_t)(g->period_ms * 1e6);
    }
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
        promoted(tpp, g, now_ns);
        /* migrate_misplaced_folio(): the thread that faulted copies. */
        guest_charge(g->guest, machine_config(tpp->contender.machine)->costs.move_4k_ns);
        g->handler_ns -= machine_config(tpp->contender.machine)->costs.move_4k_ns;
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

/*
 * The next faults of a guest, as many as its vCPUs surely have time for, each handling one at a time; false when
 * there are no more now.
 */
static bool collect_faults(Tpp *tpp, TppGuest *g)
{
    const SimCosts *costs = &machine_config(tpp->contender.machine)->costs;
    uint32_t pages[FAULTS_AT_ONCE];
    uint64_t touched_ns[FAULTS_AT_ONCE];
    double most = ceil(MAX(g->handler_ns, 0) / ((double)costs->fault_ns + costs->move_4k_ns));
    size_t n = guest_faults(g->guest, pages, touched_ns, (size_t)MIN(most, FAULTS_AT_ONCE));

    for (size_t i = 0; i < n; i++) {
        TppFault fault = {touched_ns[i], g, pages[i]};

        g_array_append_val(tpp->pending, fault);
    }
    g->handler_ns -= (double)n * costs->fault_ns;
    return n > 0;
}

/* Take what all guests have to handle now, as it came. */
static bool take_some_faults(Tpp *tpp, uint64_t now_ns)
{
    bool more = false;

    g_array_set_size(tpp->pending, 0);
    for (guint i = 0; i < tpp->guests.items->len; i++) {
        more |= collect_faults(tpp, g_ptr_array_index(tpp->guests.items, i));
    }
    g_array_sort(tpp->pending, compare_soonest_first);
    for (guint i = 0; i < tpp->pending->len; i++) {
        const TppFault *fault = &g_array_index(tpp->pending, TppFault, i);

        take_fault(tpp, fault->g, fault->page, fault->touched_ns, now_ns);
    }
    return more;
}

static void take_faults(Tpp *tpp, uint64_t now_ns)
{
    for (guint i = 0; i < tpp->guests.items->len; i++) {
        TppGuest *g = g_ptr_array_index(tpp->guests.items, i);

        g->handler_ns = MIN(g->handler_ns, 0) + guest_config(g->guest)->vcpus * (double)TICK_NS;
    }
    while (take_some_faults(tpp, now_ns)) {
    }
}

/* --- scanning --- */

/* Arm the slow pages of the next window; those of tier 0 that are on no list (new ones) are listed. */
static uint32_t arm_window(TppGuest *g, uint32_t window, uint64_t now_ns)
{
    uint32_t armed = 0, end = (uint32_t)MIN((uint64_t)g->scan_at + window, g->pages);

    for (uint32_t page = g->scan_at; page < end; page++) {
        uint8_t tier = guest_tier(g->guest, page);

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
    g->scan_at = end;
    return armed;
}

/* All pages have been scanned: the other areas' turn. */
static void end_pages(const Tpp *tpp, TppGuest *g)
{
    g->scan_at = 0;
    g->others_left = g->sequence < FREE_PASSES ? 0 : tpp->other_areas;
    g->sequence += g->others_left == 0;
}

/* task_numa_work(): scan what is due, and say when the next is. */
static void scan(Tpp *tpp, TppGuest *g, uint64_t now_ns)
{
    const MachineConfig *config = machine_config(tpp->contender.machine);
    double period_ms = tpp->adapts ? g->period_ms : least_period_ms(tpp, g);
    uint32_t window = (uint32_t)MAX(tpp->scan_mb * (1u << 20) * config->scale / SIM_PAGE, 1);

    while (g->next_scan_ns <= now_ns) {
        double spent_ns = 0, rest_ns, late_ns;

        if (g->others_left > 0) {
            g->sequence += --g->others_left == 0;
        } else {
            spent_ns = (double)arm_window(g, window, now_ns) * config->costs.arm_ns;
            if (g->scan_at >= g->pages) {
                end_pages(tpp, g);
            }
        }
        rest_ns = spent_ns * SCAN_TIME_PART / guest_config(g->guest)->vcpus;
        late_ns = machine_random(tpp->contender.machine) * JIFFY_NS;
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

static Contender *create(const char *text, Machine *machine, double faults, double limited, double adapts,
                         GError **errp)
{
    double scan_mb = 256, scan_period_ms = 1000, hot_threshold_ms = 1000, adjust_period_ms = 60000;
    double scan_mb_per_s = 2560;
    double free_percent = 2, reclaim_page_ns = 500, other_areas = 0;
    const Param params[] = {
        {"scan-mb", &scan_mb, 1, 1e6},
        {"scan-period-ms", &scan_period_ms, 1, 1e6},
        {"scan-max-mb-per-s", &scan_mb_per_s, 1, 1e6},
        {"hot-threshold-ms", &hot_threshold_ms, 1, 1e6},
        {"adjust-period-ms", &adjust_period_ms, 1, 1e9},
        {"faults", &faults, 1, 2},
        {"rate-limited", &limited, 0, 1},
        {"period-adapted", &adapts, 0, 1},
        {"other-areas", &other_areas, 0, 1000},
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
    tpp->adapts = adapts > 0;
    tpp->other_areas = (unsigned)other_areas;
    tpp->free_percent = free_percent;
    tpp->reclaim_page_ns = reclaim_page_ns;
    tpp->pending = g_array_new(false, false, sizeof(TppFault));
    per_guest_init(&tpp->guests, machine, tpp_guest_new, tpp_guest_free, tpp);
    return &tpp->contender;
}

static Contender *tpp_create(const char *text, Machine *machine, GError **errp)
{
    return create(text, machine, 2, 0, 0, errp);
}

static Contender *numa_balancing_create(const char *text, Machine *machine, GError **errp)
{
    return create(text, machine, 1, 1, 1, errp);
}

#define DEFAULTS(faults, limited, adapts)                                                       \
    "scan-mb=256 scan-period-ms=1000 scan-max-mb-per-s=2560 hot-threshold-ms=1000 "             \
    "adjust-period-ms=60000 faults=" faults " rate-limited=" limited " period-adapted=" adapts  \
    " other-areas=0 demote-free-percent=2 reclaim-page-ns=500"

const ContenderClass tpp_contender = {
    .name = "tpp",
    .what = "two hint faults promote, LRU demotes (TPP, ASPLOS 2023)",
    .defaults = DEFAULTS("2", "0", "0"),
    .create = tpp_create,
    .tick = tpp_tick,
    .metadata_bytes = tpp_metadata_bytes,
    .destroy = tpp_destroy,
};

const ContenderClass numa_balancing_contender = {
    .name = "numa-balancing",
    .what = "a hint fault promotes, LRU demotes (Linux 6.x, kernel.numa_balancing=2)",
    .defaults = DEFAULTS("1", "1", "1"),
    .create = numa_balancing_create,
    .tick = tpp_tick,
    .metadata_bytes = tpp_metadata_bytes,
    .destroy = tpp_destroy,
};
