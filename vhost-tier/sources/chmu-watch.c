/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the pages of a region that is watched lie, and since when.
 */
#include "chmu-watch.h"

#define AWAY 0x80                   /* in a stay: it is over, and the next one has not begun */
#define NUMBER_MAX 0x7f

typedef struct Period {
    unsigned device;
    uint16_t *reports;              /* by page; CHMU_REPORTS_CAME: nothing can be said of it */
} Period;

static size_t pages_of(const ChmuWatch *watch)
{
    return (size_t)(watch->region.size / CHMU_PAGE);
}

ChmuWatch *chmu_watch_new(const Region *region, uint32_t owner)
{
    ChmuWatch *watch = g_new0(ChmuWatch, 1);

    watch->region = *region;
    watch->owner = owner;
    watch->stays = g_malloc0(pages_of(watch));
    watch->came = g_hash_table_new(g_direct_hash, g_direct_equal);
    watch->periods = g_array_new(FALSE, FALSE, sizeof(Period));
    g_queue_init(&watch->pending);
    return watch;
}

void chmu_watch_free(ChmuWatch *watch)
{
    g_queue_clear_full(&watch->pending, (GDestroyNotify)chmu_batch_free);
    for (guint i = 0; i < watch->periods->len; i++) {
        g_free(g_array_index(watch->periods, Period, i).reports);
    }
    g_array_unref(watch->periods);
    g_hash_table_unref(watch->came);
    g_free(watch->stays);
    g_free(watch);
}

bool chmu_watch_is_there(const ChmuWatch *watch, const ChmuPage *page)
{
    return page->owner == watch->owner && page->number < pages_of(watch) && page->stay == watch->stays[page->number];
}

bool chmu_watch_note(ChmuWatch *watch, ChmuPages *pages, uint64_t number, uint64_t physical, uint64_t epoch)
{
    uint8_t *stay = &watch->stays[number];
    ChmuPage page;

    if (chmu_pages_get(pages, physical, &page) && chmu_watch_is_there(watch, &page) && page.number == number) {
        return true;
    }
    page = (ChmuPage){.owner = watch->owner, .stay = (*stay & NUMBER_MAX) % NUMBER_MAX + 1, .number = number};
    if (!chmu_pages_set(pages, physical, &page)) {
        chmu_watch_leave(watch, number, 1);
        return false;
    }
    if (*stay > 0) {
        g_hash_table_insert(watch->came, GSIZE_TO_POINTER(number), GSIZE_TO_POINTER(epoch));
        for (guint i = 0; i < watch->periods->len; i++) {
            g_array_index(watch->periods, Period, i).reports[number] = CHMU_REPORTS_CAME;
        }
    }
    *stay = page.stay;
    return true;
}

void chmu_watch_leave(ChmuWatch *watch, uint64_t first, uint64_t n)
{
    for (uint64_t i = first; i < first + n; i++) {
        watch->stays[i] |= AWAY;
    }
}

bool chmu_watch_came_since(const ChmuWatch *watch, uint64_t number, uint64_t epoch)
{
    gpointer came;

    return g_hash_table_lookup_extended(watch->came, GSIZE_TO_POINTER(number), NULL, &came) &&
           GPOINTER_TO_SIZE(came) >= epoch;
}

static gboolean is_before(gpointer number, gpointer came, gpointer epoch)
{
    return GPOINTER_TO_SIZE(came) < GPOINTER_TO_SIZE(epoch);
}

void chmu_watch_forget(ChmuWatch *watch, uint64_t epoch)
{
    g_hash_table_foreach_remove(watch->came, is_before, GSIZE_TO_POINTER(epoch));
}

static guint period_of(const ChmuWatch *watch, unsigned device)
{
    guint i = 0;

    while (i < watch->periods->len && g_array_index(watch->periods, Period, i).device != device) {
        i++;
    }
    return i;
}

void chmu_watch_period_begin(ChmuWatch *watch, unsigned device)
{
    const Period period = {.device = device, .reports = g_new0(uint16_t, pages_of(watch))};

    g_array_append_val(watch->periods, period);
}

void chmu_watch_report(ChmuWatch *watch, unsigned device, uint64_t number, uint32_t n)
{
    const guint i = period_of(watch, device);

    if (i < watch->periods->len) {
        uint16_t *reports = &g_array_index(watch->periods, Period, i).reports[number];

        *reports = *reports == CHMU_REPORTS_CAME ? *reports : (uint16_t)MIN(*reports + n, CHMU_REPORTS_CAME - 1u);
    }
}

uint16_t *chmu_watch_period_end(ChmuWatch *watch, unsigned device)
{
    const guint i = period_of(watch, device);
    uint16_t *reports;

    if (i == watch->periods->len) {
        return NULL;
    }
    reports = g_array_index(watch->periods, Period, i).reports;
    g_array_remove_index_fast(watch->periods, i);
    return reports;
}
