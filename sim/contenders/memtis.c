/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baseline 'memtis': a histogram of sampled accesses sets the threshold at which the hot set fills tier 0.
 *
 * Source: T. Lee et al., "MEMTIS: Efficient Memory Tiering with Dynamic Page Classification and Page Size
 * Determination", SOSP 2023; github.com/cosmoss-jigu/memtis, linux/mm/htmm_{core,sampler,migrater}.c and the
 * settings of its memtis-userspace/scripts/run_bench.sh.
 *
 * One load that misses the caches in 199 is sampled, and one store in 100,003; each 15 s both periods go one
 * step up or down their tables when sampling takes more than 3.5 %, or less than 2.5 %, of a CPU. A sample
 * adds 512 to its page (MEMTIS counts as if pages were of 2 MiB), whose bin is log2 of that. Each 100,000
 * samples the hot threshold is set to the lowest bin down to which all fits into tier 0; it falls by one bin
 * at most, after cooling: each 2,000,000 samples all counts are halved. Where the hot pages fill less than
 * 75 % of tier 0, those one bin below are warm: they are not demoted. Each 500 ms pages of hot bins are
 * promoted, and others demoted to make room for them, so that 3 % of tier 0 (50 MB where that is less than
 * 100 MB) are left free.
 *
 * The machine's pages are 4 KiB: nothing is split. In its favour: the hottest are promoted first, the coldest
 * demoted first, and demotions take no more of the machine's limit of moves than promotions need; all guests
 * are one group, so that tier 0 goes to whoever is hottest.
 */
#include <math.h>
#include <string.h>

#include "../contender.h"
#include "../params.h"
#include "demote.h"
#include "per-guest.h"

#define TICK_NS 50000000ull
#define QUOTA_PERIOD_NS 15000000000ull
#define QUOTA_SLACK_PERMILLE 5
#define BINS 16
#define SAMPLE_WORTH 512u       /* HPAGE_PMD_NR */
#define ACCESSES_MAX (1u << 30) /* far above the last bin; keeps sums from wrapping */
#define SAMPLES_AT_ONCE 65536u  /* what the counters' buffers hold */
#define MB (1u << 20)

static const unsigned load_periods[] = {
    199,  293,  401,  499,  599,  701,  797,  907,  997,  1201,  1399,  1601,  1801,  1999,  2503,
    3001, 3499, 4001, 4507, 4999, 6007, 7001, 7993, 9001, 10007, 12007, 13999, 16001, 17989, 19997,
};
static const unsigned store_periods[] = {100003, 300007, 600011, 1000003, 1500003};

typedef struct MemtisGuest {
    Guest *guest;
    uint32_t pages;
    uint32_t *accesses; /* total_accesses */
} MemtisGuest;

typedef struct PageRef {
    MemtisGuest *g;
    uint32_t page;
} PageRef;

typedef struct Memtis {
    Contender contender;
    PerGuest guests; /* MemtisGuest */
    double cooling_samples, adaptation_samples, quota_permille, migration_ms, warm_percent;
    /* sampling */
    uint32_t *sampled;
    unsigned load_step, store_step;
    uint64_t samples, quota_from_ns, quota_from_samples;
    double next_cooling, next_adaptation; /* in samples */
    /* classes */
    uint64_t histogram[BINS]; /* pages */
    unsigned hot_bin, warm_bin;
    bool cooled;
    /* migration */
    uint64_t next_migration_ns;
    GArray *slow[BINS], *fast[BINS]; /* PageRef: what this period may promote, and demote */
} Memtis;

static unsigned bin_of(uint32_t accesses)
{
    return MIN((unsigned)g_bit_storage(accesses + 1) - 1, BINS - 1);
}

static void forget_moves(Memtis *memtis)
{
    for (unsigned bin = 0; bin < BINS; bin++) {
        g_array_set_size(memtis->slow[bin], 0);
        g_array_set_size(memtis->fast[bin], 0);
    }
}

static void *memtis_guest_new(void *opaque, Guest *guest)
{
    MemtisGuest *g = g_new0(MemtisGuest, 1);

    g->guest = guest;
    g->pages = (uint32_t)guest_pages(guest);
    g->accesses = g_new0(uint32_t, g->pages);
    return g;
}

static void memtis_guest_free(gpointer data)
{
    MemtisGuest *g = data;

    g_free(g->accesses);
    g_free(g);
}

/* --- thresholds --- */

static uint64_t tier0_pages(const Memtis *memtis)
{
    return machine_config(memtis->contender.machine)->capacity_bytes[0] / SIM_PAGE;
}

/*
 * get_memcg_promotion_watermark(), with @percent 3, and get_memcg_demotion_watermark(), with 2: pages to be
 * left free. The limits are of a real machine's size.
 */
static uint64_t watermark(const Memtis *memtis, unsigned percent, double least_mb, double most_mb)
{
    double scale = machine_config(memtis->contender.machine)->scale;
    double pages = (double)tier0_pages(memtis) * percent / 100, mb = pages * SIM_PAGE / scale / MB;

    if (mb < least_mb) {
        pages = 50 * scale * MB / SIM_PAGE;
    } else if (mb > most_mb) {
        pages = 1000 * scale * MB / SIM_PAGE;
    }
    return MIN((uint64_t)pages, tier0_pages(memtis) / 2);
}

static uint64_t promotion_watermark(const Memtis *memtis)
{
    return watermark(memtis, 3, 100, 1500);
}

static uint64_t demotion_watermark(const Memtis *memtis)
{
    return watermark(memtis, 2, 50, 1000);
}

/* Each page's place in the histogram; those that are absent have none. */
static void make_histogram(Memtis *memtis)
{
    memset(memtis->histogram, 0, sizeof(memtis->histogram));
    for (guint i = 0; i < memtis->guests.items->len; i++) {
        MemtisGuest *g = g_ptr_array_index(memtis->guests.items, i);

        for (uint32_t page = 0; page < g->pages; page++) {
            memtis->histogram[bin_of(g->accesses[page])] += guest_tier(g->guest, page) != SIM_ABSENT;
        }
    }
}

/* __adjust_active_threshold() */
static void adapt(Memtis *memtis)
{
    uint64_t room = tier0_pages(memtis) - promotion_watermark(memtis), hot = 0;
    unsigned bin = BINS;

    while (bin > 0 && hot + memtis->histogram[bin - 1] <= room) {
        hot += memtis->histogram[--bin];
    }
    bin = CLAMP(bin, 1, BINS - 1);
    if (memtis->cooled) {
        memtis->hot_bin -= bin < memtis->hot_bin && memtis->hot_bin > 1;
        memtis->cooled = false;
    } else {
        memtis->hot_bin = MAX(memtis->hot_bin, bin);
    }
    memtis->warm_bin = memtis->hot_bin - ((double)hot < (double)room * memtis->warm_percent / 100);
}

static void cool(Memtis *memtis)
{
    for (guint i = 0; i < memtis->guests.items->len; i++) {
        MemtisGuest *g = g_ptr_array_index(memtis->guests.items, i);

        for (uint32_t page = 0; page < g->pages; page++) {
            g->accesses[page] >>= 1;
        }
    }
    make_histogram(memtis);
    memtis->cooled = true;
}

/* --- sampling --- */

static void take_sample(Memtis *memtis, MemtisGuest *g, uint32_t page)
{
    const MachineConfig *config = machine_config(memtis->contender.machine);
    unsigned before = bin_of(g->accesses[page]);

    g->accesses[page] = MIN(g->accesses[page] + SAMPLE_WORTH, ACCESSES_MAX);
    memtis->histogram[before] -= memtis->histogram[before] > 0;
    memtis->histogram[bin_of(g->accesses[page])]++;
    memtis->samples++;
    if ((double)memtis->samples >= memtis->next_cooling) {
        memtis->next_cooling += memtis->cooling_samples * config->scale;
        cool(memtis);
    } else if ((double)memtis->samples >= memtis->next_adaptation) {
        memtis->next_adaptation += memtis->adaptation_samples * config->scale;
        adapt(memtis);
    }
}

/* Loads and stores are counted by counters of their own; their samples are treated alike. */
static double sample_period(const Memtis *memtis, const Guest *guest)
{
    double stores = guest_config(guest)->write_share;

    return 1 / ((1 - stores) / load_periods[memtis->load_step] + stores / store_periods[memtis->store_step]);
}

static void take_samples(Memtis *memtis)
{
    for (guint i = 0; i < memtis->guests.items->len; i++) {
        MemtisGuest *g = g_ptr_array_index(memtis->guests.items, i);
        size_t n =
            guest_samples(g->guest, sample_period(memtis, g->guest), -1, memtis->sampled, SAMPLES_AT_ONCE);

        for (size_t j = 0; j < n; j++) {
            take_sample(memtis, g, memtis->sampled[j]);
        }
    }
}

/* ksamplingd's look at its own CPU time. */
static void keep_quota(Memtis *memtis, uint64_t now_ns)
{
    const MachineConfig *config = machine_config(memtis->contender.machine);
    double spent_ns =
        (double)(memtis->samples - memtis->quota_from_samples) * config->costs.sample_ns / config->scale;
    double permille;

    if (now_ns - memtis->quota_from_ns < QUOTA_PERIOD_NS) {
        return;
    }
    permille = spent_ns * 1000 / (double)(now_ns - memtis->quota_from_ns);
    if (permille > memtis->quota_permille + QUOTA_SLACK_PERMILLE) {
        memtis->load_step = MIN(memtis->load_step + 1, G_N_ELEMENTS(load_periods) - 1);
        memtis->store_step = MIN(memtis->store_step + 1, G_N_ELEMENTS(store_periods) - 1);
    } else if (permille < memtis->quota_permille - QUOTA_SLACK_PERMILLE) {
        memtis->load_step -= memtis->load_step > 0;
        memtis->store_step -= memtis->store_step > 0;
    }
    memtis->quota_from_ns = now_ns;
    memtis->quota_from_samples = memtis->samples;
}

/* --- migration --- */

static uint64_t free_pages(const Memtis *memtis)
{
    return machine_free_bytes(memtis->contender.machine, 0) / SIM_PAGE;
}

static void sort_pages(Memtis *memtis)
{
    forget_moves(memtis);
    for (guint i = 0; i < memtis->guests.items->len; i++) {
        MemtisGuest *g = g_ptr_array_index(memtis->guests.items, i);

        for (uint32_t page = g->pages; page-- > 0;) {
            uint8_t tier = guest_tier(g->guest, page);
            unsigned bin = bin_of(g->accesses[page]);
            PageRef ref = {g, page};

            if (tier == 0 && bin < memtis->hot_bin) {
                g_array_append_val(memtis->fast[bin], ref);
            } else if (tier != 0 && tier != SIM_ABSENT && bin >= memtis->hot_bin) {
                g_array_append_val(memtis->slow[bin], ref);
            }
        }
    }
}

static size_t count_pages(GArray *const *bins, unsigned from, unsigned to)
{
    size_t n = 0;

    for (unsigned bin = from; bin < to; bin++) {
        n += bins[bin]->len;
    }
    return n;
}

/* What kmigrated of either tier finds to do. */
static void plan_moves(Memtis *memtis)
{
    size_t up, down;

    make_histogram(memtis);
    sort_pages(memtis);
    up = count_pages(memtis->slow, memtis->hot_bin, BINS);
    down = count_pages(memtis->fast, 0, memtis->warm_bin);
    if (up > free_pages(memtis) && down < up) {
        memtis->warm_bin = memtis->hot_bin; /* not enough is cold: the warm ones have to go, too */
    }
}

/* Move a page of the hottest bin up, or of the coldest down; MOVE_THERE: there is none. */
static MoveResult move_one(Memtis *memtis, bool up)
{
    for (unsigned i = 0; i < BINS; i++) {
        unsigned bin = up ? BINS - 1 - i : i;
        GArray *refs = up ? memtis->slow[bin] : memtis->fast[bin];

        if (refs->len > 0 && (up || bin < memtis->warm_bin)) {
            PageRef ref = g_array_index(refs, PageRef, refs->len - 1);
            MoveResult result =
                up ? guest_move(ref.g->guest, ref.page, 0) : demote_page(ref.g->guest, ref.page);

            if (result == MOVE_LIMITED || result == MOVE_NO_ROOM) {
                return result;
            }
            g_array_set_size(refs, refs->len - 1);
            return MOVE_DONE;
        }
    }
    return MOVE_THERE;
}

/*
 * Carry out what was planned as far as the limit of moves allows. Tier 0 is kept free to the demotion
 * watermark, and, while there is something to promote, to the promotion watermark.
 */
static void move(Memtis *memtis)
{
    uint64_t keep_free = promotion_watermark(memtis);
    bool hot = count_pages(memtis->slow, memtis->hot_bin, BINS) > 0;
    MoveResult result = MOVE_DONE;

    if (!hot && free_pages(memtis) >= demotion_watermark(memtis)) {
        return;
    }
    while (result == MOVE_DONE) {
        bool full = free_pages(memtis) <= keep_free;

        result = full || hot ? move_one(memtis, !full) : MOVE_THERE;
    }
}

/* --- the contender --- */

static uint64_t memtis_tick(Contender *contender, uint64_t now_ns)
{
    Memtis *memtis = (Memtis *)contender;

    if (per_guest_follow(&memtis->guests)) {
        forget_moves(memtis);
        make_histogram(memtis);
    }
    take_samples(memtis);
    keep_quota(memtis, now_ns);
    if (now_ns >= memtis->next_migration_ns) {
        memtis->next_migration_ns = now_ns + (uint64_t)(memtis->migration_ms * 1e6);
        plan_moves(memtis);
    }
    move(memtis);
    return now_ns + TICK_NS;
}

static size_t memtis_metadata_bytes(const Contender *contender)
{
    const Memtis *memtis = (const Memtis *)contender;
    size_t bytes = 0;

    for (guint i = 0; i < memtis->guests.items->len; i++) {
        bytes += ((MemtisGuest *)g_ptr_array_index(memtis->guests.items, i))->pages * sizeof(uint32_t);
    }
    return bytes;
}

static void memtis_destroy(Contender *contender)
{
    Memtis *memtis = (Memtis *)contender;

    for (unsigned bin = 0; bin < BINS; bin++) {
        g_array_unref(memtis->slow[bin]);
        g_array_unref(memtis->fast[bin]);
    }
    g_free(memtis->sampled);
    per_guest_clear(&memtis->guests);
    g_free(memtis);
}

static Contender *memtis_create(const char *text, Machine *machine, GError **errp)
{
    double cooling = 2000000, adaptation = 100000, quota = 30, migration_ms = 500, warm = 75;
    const Param params[] = {
        {"cooling-samples", &cooling, 1, 1e12},
        {"adaptation-samples", &adaptation, 1, 1e12},
        {"cpu-quota-permille", &quota, 0, 1000},
        {"migration-ms", &migration_ms, 1, 1e6},
        {"warm-below-percent", &warm, 0, 100},
        {NULL},
    };
    Memtis *memtis;

    if (!params_parse(text, params, errp)) {
        return NULL;
    }
    memtis = g_new0(Memtis, 1);
    memtis->contender.machine = machine;
    memtis->cooling_samples = cooling;
    memtis->adaptation_samples = adaptation;
    memtis->quota_permille = quota;
    memtis->migration_ms = migration_ms;
    memtis->warm_percent = warm;
    memtis->next_cooling = cooling * machine_config(machine)->scale;
    memtis->next_adaptation = adaptation * machine_config(machine)->scale;
    memtis->hot_bin = memtis->warm_bin = 1;
    for (unsigned bin = 0; bin < BINS; bin++) {
        memtis->slow[bin] = g_array_new(false, false, sizeof(PageRef));
        memtis->fast[bin] = g_array_new(false, false, sizeof(PageRef));
    }
    memtis->sampled = g_new(uint32_t, SAMPLES_AT_ONCE);
    per_guest_init(&memtis->guests, machine, memtis_guest_new, memtis_guest_free, memtis);
    return &memtis->contender;
}

const ContenderClass memtis_contender = {
    .name = "memtis",
    .what = "a histogram of samples sets the hot threshold (MEMTIS, SOSP 2023)",
    .defaults = "cooling-samples=2000000 adaptation-samples=100000 cpu-quota-permille=30 migration-ms=500 "
                "warm-below-percent=75",
    .create = memtis_create,
    .tick = memtis_tick,
    .metadata_bytes = memtis_metadata_bytes,
    .destroy = memtis_destroy,
};
