/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'chmu' of one VM.
 *
 * Theory of operation
 *
 * A hotness unit lists memory of its device that was accessed often. Whose it is, the kernel tells by QEMU's
 * pagemap, so all of a VM's memory is looked through again and again, a part at a time, and at once where a page
 * was just moved; for each page the number of the device is kept that counts for it. What a list says of the VM's
 * pages becomes evidence as core/chmu-evidence.h has it, and the simulator: a rate for what is listed, a limit for
 * what is not. A count is of accesses that miss the caches, many of which stand behind one touch; the policy's
 * rates are of touches.
 *
 * While the VM is crowded out of a device's lists, the device's second instance tells of it period by period
 * (core/chmu-long.h), a part of its memory at a time.
 *
 * Tiers whose memory is watched in whole need no other source: policy_cover(). That is judged by where the pages
 * are, since only they tell which nodes of a tier are CXL memory with a unit that works.
 */
#include "chmu.h"

#include <string.h>
#include <unistd.h>

#include "core/chmu-evidence.h"
#include "core/chmu-long.h"
#include "core/slowdown.h"
#include "damon-pages.h"

#define MS 1000000ull
#define SCAN_PAGES 16384u           /* looked at at a time: about a millisecond */
#define SCAN_NS (100 * MS)          /* between two such times, */
#define SCAN_NEW_NS (10 * MS)       /* while there is memory that was not looked at yet, */
#define SCAN_ROUND_NS (1000 * MS)   /* and when all was looked at */
#define LIMIT_GRANULES (1u << 19)   /* spoken of at a time, of those not listed, or of pages: some milliseconds */
#define COVERED_SHARE 0.99          /* of a tier's pages: then it is watched in whole */

typedef struct Chmu Chmu;

/* What a device's second instance says. */
typedef struct Telling {
    ChmuBatch *batch;               /* of the last period, while not all of it was told; NULL: none */
    size_t next;                    /* the granule where the next part begins */
    bool told;                      /* a period was, in whole, and since then none that says nothing */
} Telling;

typedef struct Watched {
    Region region;
    int pagemap;                    /* as this process may see it: with the pages' places */
    ChmuWatch *watch;
    ChmuHistory *history;           /* of granules */
    uint8_t *device;                /* for each page of 4 KiB, the device that counts for it; 0: none */
    uint64_t on[CHMU_DEVICES_MAX + 1];      /* pages by device */
    size_t scanned;                 /* the page where the next part of a scan begins */
    bool known;                     /* it was looked through once */
    size_t limited[CHMU_DEVICES_MAX + 1];   /* for each device, the granule where its next limits begin */
    double sees_above[CHMU_DEVICES_MAX + 1];    /* each device, as of its last list: chmu_evidence_sees_above() */
    Telling telling[CHMU_DEVICES_MAX + 1];
    uint8_t speaking;               /* the device whose list is being reported */
} Watched;

struct Chmu {
    Source source;
    Policy *policy;
    ChmuHost *host;
    ChmuPagemap *pagemap;
    bool take;
    double accesses_per_touch;
    GPtrArray *regions;             /* of Watched */
    size_t turn;                    /* the region that is scanned now */
    uint64_t scan_due_ns;
    /* Of this round of scans: pages by tier, all and those that are watched; and the devices that they lie on. */
    uint64_t all[POLICY_MAX_TIERS], watched[POLICY_MAX_TIERS];
    bool uses[CHMU_DEVICES_MAX + 1];
    uint32_t covered;               /* tiers, as of the last round */
    bool relies[CHMU_DEVICES_MAX + 1];     /* on these devices */
    ChmuNews news;
    uint64_t unsettled_ns;          /* when the VM's heat moved last, or it idled or was stopped: of a period that had
                                       begun, nothing is believed */
    bool interrupted;               /* just now */
    uint64_t reports;
    char *problem;
};

static ChmuHost *this_host;         /* NULL before the probe, or without a unit */

static size_t pages_of(const Region *region)
{
    return (size_t)(region->size / CHMU_PAGE);
}

static size_t pages_per_granule(const Region *region)
{
    return region->granule_bytes / CHMU_PAGE;
}

/* --- where pages are --- */

static void put(Watched *watched, size_t page, unsigned device)
{
    const ChmuBatch *telling = watched->telling[device].batch;

    if (telling && watched->device[page] != device) {
        telling->reports[page] = CHMU_REPORTS_CAME;
    }
    watched->on[watched->device[page]]--;
    watched->device[page] = (uint8_t)device;
    watched->on[device]++;
}

/* Look where @n pages from @first on are; false when the process has ended. */
static bool look(Chmu *self, Watched *watched, size_t first, size_t n)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    g_autofree uint8_t *device = g_malloc(n);
    const uint64_t end = watched->region.hva + (first + n) * CHMU_PAGE;
    uint64_t at = watched->region.hva + first * CHMU_PAGE;
    size_t left = n;

    if (!damon_pages_read(watched->pagemap, 0, &at, end, SIZE_MAX, &left, runs)) {
        return false;
    }
    chmu_host_place(self->host, watched->watch, runs, first, n, device);
    for (size_t i = 0; i < n; i++) {
        put(watched, first + i, device[i]);
    }
    chmu_host_spread(self->host, watched->watch, watched->on);
    return true;
}

/* Count those pages for the round. */
static void tally(Chmu *self, const Watched *watched, size_t first, size_t n)
{
    const size_t per = pages_per_granule(&watched->region);
    const size_t granule = first / per, granules = (first + n - 1) / per - granule + 1;
    g_autofree uint8_t *tiers = g_malloc(granules);

    policy_where(self->policy, watched->region.id, granule, granules, tiers);
    for (size_t page = first; page < first + n; page++) {
        const uint8_t tier = tiers[page / per - granule];

        if (tier < POLICY_MAX_TIERS) {
            self->all[tier]++;
            self->watched[tier] += watched->device[page] != 0;
            self->uses[watched->device[page]] = true;
        }
    }
}

/* All devices that the covered tiers rely on work. */
static bool all_work(const Chmu *self)
{
    for (unsigned number = 1; number <= chmu_host_devices(self->host); number++) {
        if (self->relies[number] && !chmu_host_works(self->host, number)) {
            return false;
        }
    }
    return true;
}

/* What every device sees that the VM's pages lie on. */
static double sees_above(const Chmu *self)
{
    double above = 0;

    for (guint i = 0; i < self->regions->len; i++) {
        const Watched *watched = g_ptr_array_index(self->regions, i);

        for (unsigned number = 1; number <= chmu_host_devices(self->host); number++) {
            above = watched->on[number] > 0 ? MAX(above, watched->sees_above[number]) : above;
        }
    }
    return above;
}

static void cover(Chmu *self)
{
    policy_cover(self->policy, all_work(self) ? self->covered : 0);
    policy_cover_above(self->policy, sees_above(self));
}

static void begin_round(Chmu *self)
{
    for (guint i = 0; i < self->regions->len; i++) {
        ((Watched *)g_ptr_array_index(self->regions, i))->scanned = 0;
    }
    self->turn = 0;
    memset(self->uses, 0, sizeof(self->uses));
    memset(self->all, 0, sizeof(self->all));
    memset(self->watched, 0, sizeof(self->watched));
}

/* A round is over: which tiers are watched in whole? */
static void end_round(Chmu *self)
{
    self->covered = 0;
    for (unsigned tier = 1; tier < POLICY_MAX_TIERS; tier++) {
        if (self->watched[tier] > 0 && (double)self->watched[tier] >= COVERED_SHARE * (double)self->all[tier]) {
            self->covered |= 1u << tier;
        }
    }
    memcpy(self->relies, self->uses, sizeof(self->relies));
    begin_round(self);
}

/* Look at the next part of a VM's memory. */
static void scan(Chmu *self, uint64_t now_ns)
{
    size_t left = SCAN_PAGES;
    uint64_t pause_ns = SCAN_NS;

    while (left > 0 && self->turn < self->regions->len) {
        Watched *watched = g_ptr_array_index(self->regions, self->turn);
        const size_t n = MIN(left, pages_of(&watched->region) - watched->scanned);

        if (look(self, watched, watched->scanned, n)) {
            tally(self, watched, watched->scanned, n);
        }
        pause_ns = watched->known ? pause_ns : SCAN_NEW_NS;
        watched->scanned += n;
        left -= n;
        if (watched->scanned == pages_of(&watched->region)) {
            watched->known = true;
            self->turn++;
        }
    }
    if (self->turn >= self->regions->len) {
        end_round(self);
        pause_ns = SCAN_ROUND_NS;
    }
    self->scan_due_ns = now_ns + pause_ns;
}

static void chmu_moved(Source *source, const Region *region, size_t first, size_t n)
{
    Chmu *self = (Chmu *)source;
    const size_t per = pages_per_granule(region);

    for (guint i = 0; i < self->regions->len; i++) {
        Watched *watched = g_ptr_array_index(self->regions, i);

        if (watched->region.id == region->id) {
            look(self, watched, first * per, n * per);
        }
    }
}

/* --- what was listed --- */

static bool is_watched(void *opaque, size_t granule)
{
    const Watched *watched = opaque;

    return watched->device[granule * pages_per_granule(&watched->region)] == watched->speaking;
}

static int by_unit(const void *a, const void *b)
{
    const ChmuCount *x = a, *y = b;

    return (x->unit > y->unit) - (x->unit < y->unit);
}

/* From counts of pages, or parts of them, to those of granules: sorted, each once. */
static void sum_granules(const Watched *watched, GArray *counts)
{
    const size_t per = pages_per_granule(&watched->region);
    ChmuCount *all = (ChmuCount *)(void *)counts->data;
    guint kept = 0;

    g_array_sort(counts, by_unit);
    for (guint i = 0; i < counts->len; i++) {
        const uint64_t granule = all[i].unit / per;

        if (all[i].unit >= pages_of(&watched->region) || watched->device[all[i].unit] == 0) {
            continue;                   /* it was there, and is not any more */
        }
        if (kept > 0 && all[kept - 1].unit == granule) {
            all[kept - 1].count = (uint32_t)MIN((uint64_t)all[kept - 1].count + all[i].count, UINT32_MAX);
        } else {
            all[kept++] = (ChmuCount){.unit = granule, .count = all[i].count};
        }
    }
    g_array_set_size(counts, kept);
}

static void report(Chmu *self, Watched *watched, ChmuBatch *batch, uint64_t now_ns)
{
    const Region *region = &watched->region;
    const size_t granules = (size_t)(region->size / region->granule_bytes);
    size_t *limited = &watched->limited[batch->device];
    const size_t below_end = MIN(*limited + LIMIT_GRANULES, granules);
    const double units = MAX((double)region->granule_bytes / (double)batch->unit_bytes, 1);
    g_autofree double *per_s = NULL;
    ChmuListing listing;

    sum_granules(watched, batch->counts);
    if (watched->on[batch->device] == 0 && batch->counts->len == 0) {
        return;                         /* it has nothing there: what other devices said stays */
    }
    per_s = g_new(double, batch->counts->len);
    listing = (ChmuListing){
        .counts = (const ChmuCount *)(void *)batch->counts->data,
        .per_s = per_s,
        .n = batch->counts->len,
        .epoch_ns = batch->epoch_ns,
        .accesses_per_touch = self->accesses_per_touch,
        .limit_per_s = batch->threshold * units * 1e9 / (double)batch->epoch_ns,
        .below = *limited,
        .below_end = below_end,
        .crowded = batch->crowded,
    };
    watched->telling[batch->device].told &= batch->often;
    watched->sees_above[batch->device] =
        watched->telling[batch->device].told ? 0 : chmu_evidence_sees_above(&listing);
    chmu_history_add(watched->history, listing.counts, listing.n, batch->epoch_ns, now_ns, per_s);
    watched->speaking = (uint8_t)batch->device;
    self->reports += chmu_evidence_give(&self->news, self->policy, region->id, &listing, is_watched, watched, now_ns);
    if (batch->threshold > 0) {
        *limited = below_end == granules ? 0 : below_end;
    }
}

/* What a period has said is to be told; or it says nothing. Takes @batch over. */
static void begin_telling(const Chmu *self, Watched *watched, ChmuBatch *batch)
{
    Telling *telling = &watched->telling[batch->device];

    g_clear_pointer(&telling->batch, chmu_batch_free);
    if (batch->reports && batch->epoch_ns > 0 && self->unsettled_ns < batch->begun_ns) {
        telling->batch = batch;
        telling->next = 0;
    } else {
        telling->told = false;
        chmu_batch_free(batch);
    }
}

/* How often a granule's pages were listed in the period; CHMU_REPORTS_CAME: nothing can be said of it. */
static uint32_t reports_of(const Watched *watched, const ChmuBatch *batch, size_t granule)
{
    const size_t per = pages_per_granule(&watched->region);
    uint32_t sum = 0;

    for (size_t page = granule * per; page < (granule + 1) * per; page++) {
        if (batch->reports[page] == CHMU_REPORTS_CAME) {
            return CHMU_REPORTS_CAME;
        }
        sum += watched->device[page] ? batch->reports[page] : 0;
    }
    return MIN(sum, CHMU_REPORTS_CAME - 1u);
}

/* Tell the next part of what the device's second instance said. */
static void tell(Chmu *self, Watched *watched, unsigned device, uint64_t now_ns)
{
    const Region *region = &watched->region;
    const size_t granules = (size_t)(region->size / region->granule_bytes);
    const uint32_t burst = (uint32_t)(CHMU_BURST * pages_per_granule(region));
    Telling *telling = &watched->telling[device];
    const ChmuBatch *batch = telling->batch;
    const ChmuSetting setting = {.epoch_ns = batch->epoch_ns, .threshold = batch->threshold};
    const double units = MAX((double)region->granule_bytes / (double)batch->unit_bytes, 1);
    const size_t end = MIN(telling->next + LIMIT_GRANULES / pages_per_granule(region), granules);
    g_autoptr(GArray) counts = g_array_new(FALSE, FALSE, sizeof(ChmuCount));
    g_autoptr(GArray) per_s = g_array_new(FALSE, FALSE, sizeof(double));
    ChmuNews none = {0};                /* a period is too long to tell what is new */
    ChmuListing listing;

    for (size_t granule = telling->next; granule < end; granule++) {
        const uint32_t reports = reports_of(watched, batch, granule);
        const ChmuCount count = {.unit = granule, .count = reports};
        const double rate = reports == CHMU_REPORTS_CAME ? 0 : chmu_long_per_s(&setting, reports, burst);

        if (reports > 0) {
            g_array_append_val(counts, count);
            g_array_append_val(per_s, rate);
        }
    }
    listing = (ChmuListing){
        .counts = (const ChmuCount *)(void *)counts->data,
        .per_s = (const double *)(void *)per_s->data,
        .n = counts->len,
        .epoch_ns = batch->epoch_ns,
        .accesses_per_touch = self->accesses_per_touch,
        .limit_per_s = chmu_long_limit_per_s(&setting) * units,
        .below = telling->next,
        .below_end = end,
    };
    watched->speaking = (uint8_t)device;
    self->reports += chmu_evidence_give(&none, self->policy, region->id, &listing, is_watched, watched, now_ns);
    telling->next = end;
    if (end == granules) {
        g_clear_pointer(&telling->batch, chmu_batch_free);
        telling->told = true;
    }
}

/* Tell what second instances said, a part for each; returns whether there is more. */
static bool tell_periods(Chmu *self, uint64_t now_ns)
{
    bool more = false;

    for (guint i = 0; i < self->regions->len; i++) {
        Watched *watched = g_ptr_array_index(self->regions, i);

        for (unsigned device = 1; device <= chmu_host_devices(self->host); device++) {
            if (watched->telling[device].batch) {
                tell(self, watched, device, now_ns);
                more |= watched->telling[device].batch != NULL;
            }
        }
    }
    return more;
}

/* Take what the units have listed. */
static void take_lists(Chmu *self, uint64_t now_ns)
{
    uint64_t epoch_ns = 0;

    for (guint i = 0; i < self->regions->len; i++) {
        Watched *watched = g_ptr_array_index(self->regions, i);
        ChmuBatch *taken;

        while ((taken = chmu_host_take(self->host, watched->watch))) {
            g_autoptr(ChmuBatch) batch = taken;

            if (batch->period) {
                begin_telling(self, watched, g_steal_pointer(&batch));
            } else {
                report(self, watched, batch, now_ns);
                epoch_ns = MAX(epoch_ns, batch->epoch_ns);
            }
        }
    }
    if (epoch_ns > 0) {
        PolicyCurve curve;

        policy_curve(self->policy, &curve);
        if (chmu_evidence_news(&self->news, slowdown_total(&curve), epoch_ns)) {
            policy_heat_moved(self->policy, now_ns);
            self->unsettled_ns = now_ns;
        }
    }
}

static uint64_t chmu_tick(Source *source, uint64_t now_ns)
{
    Chmu *self = (Chmu *)source;
    uint64_t due_ns = chmu_host_poll(self->host, now_ns);

    if (self->interrupted || policy_quiet(self->policy)) {
        self->unsettled_ns = now_ns;
        self->interrupted = false;
    }
    take_lists(self, now_ns);
    if (tell_periods(self, now_ns)) {
        due_ns = now_ns;
    }
    if (self->scan_due_ns <= now_ns) {
        scan(self, now_ns);
    }
    cover(self);
    g_free(self->problem);
    self->problem = chmu_host_problem(self->host);
    return MIN(due_ns, self->scan_due_ns);
}

/* --- life --- */

static void watched_free(gpointer data)
{
    Watched *watched = data;

    for (unsigned device = 1; device <= CHMU_DEVICES_MAX; device++) {
        chmu_batch_free(watched->telling[device].batch);
    }
    close(watched->pagemap);
    chmu_history_free(watched->history);
    g_free(watched->device);
    g_free(watched);
}

static bool chmu_region_add(Source *source, const Region *region, GError **errp)
{
    Chmu *self = (Chmu *)source;
    const int pagemap = self->pagemap(region->pid, region->pidfd, errp);
    Watched *watched;

    if (pagemap < 0) {
        return false;
    }
    watched = g_new0(Watched, 1);
    watched->region = *region;
    watched->pagemap = pagemap;
    watched->history = chmu_history_new();
    chmu_history_set_burst(watched->history, (uint32_t)(CHMU_BURST * pages_per_granule(region)));
    watched->device = g_malloc0(pages_of(region));
    watched->on[0] = pages_of(region);
    watched->watch = chmu_host_watch(self->host, region, self->take);
    g_ptr_array_add(self->regions, watched);
    begin_round(self);
    self->scan_due_ns = 0;
    return true;
}

static void chmu_region_del(Source *source, const Region *region)
{
    Chmu *self = (Chmu *)source;

    for (guint i = 0; i < self->regions->len; i++) {
        Watched *watched = g_ptr_array_index(self->regions, i);

        if (watched->region.id == region->id) {
            chmu_host_unwatch(self->host, watched->watch);
            g_ptr_array_remove_index(self->regions, i);
            begin_round(self);
            return;
        }
    }
}

static void chmu_pause(Source *source, bool paused)
{
    Chmu *self = (Chmu *)source;

    for (guint i = 0; i < self->regions->len && !paused; i++) {
        const Watched *watched = g_ptr_array_index(self->regions, i);
        ChmuBatch *old;

        while ((old = chmu_host_take(self->host, watched->watch))) {
            chmu_batch_free(old);       /* of before, and of the pause */
        }
    }
    self->interrupted = true;
}

static void chmu_health(const Source *source, SourceHealth *health)
{
    const Chmu *self = (const Chmu *)source;

    *health = (SourceHealth){.reports = self->reports, .problem = self->problem};
}

static void chmu_stop(Source *source)
{
    Chmu *self = (Chmu *)source;

    policy_cover(self->policy, 0);
    g_ptr_array_unref(self->regions);
    g_free(self->problem);
    g_free(self);
}

Source *chmu_start_with(ChmuHost *host, ChmuPagemap *pagemap, const SourceParams *params, Policy *policy)
{
    Chmu *self = g_new0(Chmu, 1);

    self->source.class = &chmu_source_class;
    self->policy = policy;
    self->host = host;
    self->pagemap = pagemap;
    self->take = params->chmu_take;
    self->accesses_per_touch = MAX(params->touch_accesses, 1);
    self->regions = g_ptr_array_new_with_free_func(watched_free);
    return &self->source;
}

static Source *chmu_start(const SourceParams *params, Policy *policy, GError **errp)
{
    return chmu_start_with(this_host, damon_pages_open, params, policy);
}

static bool chmu_probe(GError **errp)
{
    if (!this_host) {
        this_host = chmu_host_new(&chmu_host_real, errp);
    }
    if (this_host && !damon_pages_usable(NULL)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_PERM,
                    "where guests' pages lie in physical memory (/proc/PID/pagemap) is shown to CAP_SYS_ADMIN only: "
                    "run the daemon with it");
        return false;
    }
    return this_host != NULL;
}

const SourceClass chmu_source_class = {
    .name = "chmu",
    .id = POLICY_SOURCE_CHMU,
    .probe = chmu_probe,
    .start = chmu_start,
    .region_add = chmu_region_add,
    .region_del = chmu_region_del,
    .tick = chmu_tick,
    .moved = chmu_moved,
    .pause = chmu_pause,
    .health = chmu_health,
    .stop = chmu_stop,
};
