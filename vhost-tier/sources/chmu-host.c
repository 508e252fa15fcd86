/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's hotness units at work: orders, lists, and whose pages they speak of.
 */
#include "chmu-host-internal.h"

#include <string.h>

#define SECOND 1000000000ull
#define RETRY_NS_MIN SECOND
#define RETRY_NS_MAX (300 * SECOND)
#define WINDOWS_NS (10 * SECOND)        /* CXL regions may come and go: they are looked up so often */
#define LEAVING_NS 10000000ull          /* until a unit that is being given back is asked for again */
#define PENDING_MAX 8u                  /* batches for a region whose VM is stuck; further ones are dropped */

/* A unit to be given back, without the lock. */
typedef struct Leaving {
    ChmuDevice *device;
    ChmuUnit *unit;
} Leaving;

void chmu_batch_free(ChmuBatch *batch)
{
    if (batch) {
        g_clear_pointer(&batch->counts, g_array_unref);
        g_free(batch->reports);
        g_free(batch);
    }
}

/* --- devices --- */

static void device_free(gpointer data)
{
    ChmuDevice *device = data;

    chmu_second_clear(&device->second);
    chmu_unit_free(device->unit);
    chmu_regs_unmap(device->regs);
    g_clear_pointer(&device->windows, g_array_unref);
    g_free(device->name);
    g_free(device->problem);
    g_free(device);
}

void chmu_device_set_problem(const ChmuDevice *device, const char *what, char **problem, const char *now)
{
    if (now && g_strcmp0(*problem, now) != 0) {
        g_message("%s of %s: %s", what, device->name, now);
    }
    g_free(*problem);
    *problem = g_strdup(now);
}

static void set_problem(ChmuDevice *device, const char *problem)
{
    chmu_device_set_problem(device, "hotness unit", &device->problem, problem);
}

static ChmuDevice *device_new(const ChmuPlaces *where, const ChmuPlace *place)
{
    ChmuDevice *device = g_new0(ChmuDevice, 1);
    g_autoptr(GError) err = NULL;

    device->name = g_strdup(place->device);
    device->retry_ns = RETRY_NS_MIN;
    if (place->problem) {
        set_problem(device, place->problem);
        return device;
    }
    device->regs = where->map(where->sysfs, place, &err);
    set_problem(device, err ? err->message : NULL);
    return device;
}

const ChmuPlaces chmu_host_real = {.sysfs = "/sys", .proc = "/proc", .map = chmu_regs_map};

ChmuHost *chmu_host_new(const ChmuPlaces *where, GError **errp)
{
    g_autoptr(GPtrArray) places = chmu_find(where->sysfs, where->proc, errp);
    g_autoptr(ChmuHost) host = NULL;
    unsigned usable = 0;

    if (!places) {
        return NULL;
    }
    host = g_new0(ChmuHost, 1);
    g_mutex_init(&host->lock);
    host->where = where;
    host->devices = g_ptr_array_new_with_free_func(device_free);
    host->pages = chmu_pages_new();
    host->watches = g_hash_table_new(g_direct_hash, g_direct_equal);
    for (guint i = 0; i < MIN(places->len, CHMU_DEVICES_MAX); i++) {
        ChmuDevice *device = device_new(where, g_ptr_array_index(places, i));

        g_ptr_array_add(host->devices, device);
        usable += device->regs != NULL;
    }
    if (usable == 0) {
        g_autofree char *problem = chmu_host_problem(host);

        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NODEV, "%s", problem);
        return NULL;
    }
    return g_steal_pointer(&host);
}

void chmu_host_free(ChmuHost *host)
{
    if (!host) {
        return;
    }
    g_assert(g_hash_table_size(host->watches) == 0);
    g_hash_table_unref(host->watches);
    g_ptr_array_unref(host->devices);
    chmu_pages_free(host->pages);
    g_mutex_clear(&host->lock);
    g_free(host);
}

/* --- watches --- */

ChmuWatch *chmu_host_watch(ChmuHost *host, const Region *region, bool take)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->lock);
    ChmuWatch *watch;

    /* A number that was another's would give this one the other's pages. */
    do {
        host->last_owner = host->last_owner % CHMU_OWNER_MAX + 1;
    } while (g_hash_table_contains(host->watches, GUINT_TO_POINTER(host->last_owner)));
    watch = chmu_watch_new(region, host->last_owner);
    g_hash_table_insert(host->watches, GUINT_TO_POINTER(watch->owner), watch);
    host->take = take;
    return watch;
}

/* A unit (NULL: none) is to leave. Under the lock. */
static void let_leave(GArray *leaving, ChmuDevice *device, ChmuUnit *unit)
{
    const Leaving one = {.device = device, .unit = unit};

    if (unit) {
        device->leaving++;
        g_array_append_val(leaving, one);
    }
}

/* No watch is left: all units are to be given back. Under the lock. */
static void begin_leaving(ChmuHost *host, GArray *leaving)
{
    for (guint i = 0; i < host->devices->len; i++) {
        ChmuDevice *device = g_ptr_array_index(host->devices, i);
        ChmuUnit *second;

        chmu_second_stop(device, &second);
        let_leave(leaving, device, second);
        let_leave(leaving, device, g_steal_pointer(&device->unit));
        device->begun = false;
        device->due_ns = 0;
        device->works = false;
    }
}

/* Give them back. A device that has stalled is waited for, so it is done without the lock. */
static void leave(ChmuHost *host, const GArray *leaving)
{
    for (guint i = 0; i < leaving->len; i++) {
        const Leaving *one = &g_array_index(leaving, Leaving, i);

        chmu_unit_free(one->unit);
        g_mutex_lock(&host->lock);
        one->device->leaving--;
        g_mutex_unlock(&host->lock);
    }
}

void chmu_host_unwatch(ChmuHost *host, ChmuWatch *watch)
{
    g_autoptr(GArray) leaving = g_array_new(FALSE, FALSE, sizeof(Leaving));

    g_mutex_lock(&host->lock);
    g_hash_table_remove(host->watches, GUINT_TO_POINTER(watch->owner));
    if (g_hash_table_size(host->watches) == 0) {
        begin_leaving(host, leaving);
    }
    g_mutex_unlock(&host->lock);
    chmu_watch_free(watch);
    leave(host, leaving);
}

/* The device that counts for the page at @physical; 0: none. */
static unsigned device_of(const ChmuHost *host, uint64_t physical)
{
    for (guint i = 0; i < host->devices->len; i++) {
        const ChmuDevice *device = g_ptr_array_index(host->devices, i);

        if (device->windows && chmu_decode_owns((const ChmuWindow *)(void *)device->windows->data,
                                                device->windows->len, physical, CHMU_PAGE)) {
            return i + 1;
        }
    }
    return 0;
}

void chmu_host_place(ChmuHost *host, ChmuWatch *watch, const GArray *runs, size_t first, size_t n, uint8_t *device)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->lock);
    uint64_t next = first;              /* the first page of which nothing was said */

    memset(device, 0, n);
    for (guint i = 0; i < runs->len; i++) {
        const DamonRun *run = &g_array_index(runs, DamonRun, i);
        const uint64_t number = (run->virtual - watch->region.hva) / CHMU_PAGE;

        chmu_watch_leave(watch, next, number - next);
        next = number + run->bytes / CHMU_PAGE;
        for (uint64_t page = number; page < next; page++) {
            const uint64_t physical = run->physical + (page - number) * CHMU_PAGE;

            if (chmu_watch_note(watch, host->pages, page, physical, host->epochs)) {
                device[page - first] = (uint8_t)device_of(host, physical);
            }
        }
    }
    chmu_watch_leave(watch, next, first + n - next);
}

void chmu_host_spread(ChmuHost *host, ChmuWatch *watch, const uint64_t *pages)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->lock);

    for (guint number = 1; number <= host->devices->len; number++) {
        watch->on[number] = pages[number] > 0;
    }
}

ChmuBatch *chmu_host_take(ChmuHost *host, ChmuWatch *watch)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->lock);

    return g_queue_pop_head(&watch->pending);
}

bool chmu_host_works(ChmuHost *host, unsigned number)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->lock);

    return number >= 1 && number <= host->devices->len &&
           ((const ChmuDevice *)g_ptr_array_index(host->devices, number - 1))->works;
}

unsigned chmu_host_devices(const ChmuHost *host)
{
    return host->devices->len;
}

char *chmu_host_problem(ChmuHost *host)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->lock);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < host->devices->len; i++) {
        const ChmuDevice *device = g_ptr_array_index(host->devices, i);

        if (device->problem) {
            g_string_append_printf(text, "%s%s: %s", text->len ? "; " : "", device->name, device->problem);
        }
    }
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* --- epochs --- */

/* What the device's windows are now, with a table of pages for each. */
static bool look_up_windows(ChmuHost *host, ChmuDevice *device, uint64_t now_ns, GError **errp)
{
    GArray *windows;

    if (device->windows && now_ns < device->windows_due_ns) {
        return true;
    }
    g_clear_pointer(&device->windows, g_array_unref);
    windows = chmu_decode_read(host->where->sysfs, device->name, errp);
    if (!windows) {
        return false;
    }
    for (guint i = 0; i < windows->len; i++) {
        const ChmuWindow *window = &g_array_index(windows, ChmuWindow, i);

        if (!chmu_pages_cover(host->pages, window->hpa, window->hpa_bytes, errp)) {
            g_array_unref(windows);
            return false;
        }
    }
    device->windows = windows;
    device->windows_due_ns = now_ns + WINDOWS_NS;
    return true;
}

bool chmu_host_choose_size(ChmuHost *host, const ChmuDevice *device, const ChmuUnit *unit, uint64_t *bytes,
                           GError **errp)
{
    uint64_t most = UINT64_MAX;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->watches);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        most = MIN(most, MAX(((const ChmuWatch *)value)->region.page_size, CHMU_PAGE));
    }
    for (guint i = 0; i < device->windows->len; i++) {
        const ChmuWindow *window = &g_array_index(device->windows, ChmuWindow, i);

        most = window->ways > 1 ? MIN(most, window->granularity) : most;
    }
    *bytes = chmu_unit_size(unit, most);
    if (*bytes > most) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "it counts in units of %" G_GINT64_MODIFIER "u bytes or more, and %" G_GINT64_MODIFIER
                    "u is what pages and interleaving allow here: whose a count is can't be told",
                    *bytes, most);
        return false;
    }
    return true;
}

static bool begin(ChmuHost *host, ChmuDevice *device, uint64_t now_ns, GError **errp)
{
    ChmuOrder order;

    if (!device->unit) {
        device->unit = chmu_unit_new(device->regs, host->take, errp);
        if (!device->unit) {
            return false;
        }
        device->setting = chmu_tuner_start(chmu_unit_limits(device->unit));
    }
    if (!look_up_windows(host, device, now_ns, errp) ||
        !chmu_host_choose_size(host, device, device->unit, &order.unit_bytes, errp)) {
        return false;
    }
    order.setting = device->setting;
    order.windows = (const ChmuWindow *)(void *)device->windows->data;
    order.n_windows = device->windows->len;
    chmu_unit_begin(device->unit, &order, now_ns);
    device->epoch = ++host->epochs;
    return true;
}

/* On how many devices a granule lies: each counts its part, and accesses are taken to be spread evenly. */
static uint32_t parts_of(const ChmuWindow *window, uint32_t granule_bytes)
{
    return CLAMP(granule_bytes / window->granularity, 1, window->ways);
}

bool chmu_host_whose(ChmuHost *host, const GArray *windows, uint64_t unit, uint64_t unit_bytes, ChmuOwned *owned)
{
    ChmuWatch *watch;
    ChmuSpan span;
    ChmuPage page;

    *owned = (ChmuOwned){0};
    if (unit > UINT64_MAX / unit_bytes || !chmu_decode((const ChmuWindow *)(void *)windows->data, windows->len,
                                                       unit * unit_bytes, unit_bytes, &span)) {
        return false;
    }
    if (!chmu_pages_get(host->pages, span.hpa, &page)) {
        return true;
    }
    watch = g_hash_table_lookup(host->watches, GUINT_TO_POINTER(page.owner));
    if (watch && chmu_watch_is_there(watch, &page)) {
        *owned = (ChmuOwned){
            .watch = watch, .number = page.number, .parts = parts_of(span.window, watch->region.granule_bytes)};
    }
    return true;
}

/* Hand out a count; false where the device can't have counted that. */
static bool hand_out(ChmuHost *host, const ChmuDevice *device, const ChmuCount *count, uint64_t unit_bytes,
                     GHashTable *batches)
{
    ChmuBatch *batch;
    ChmuOwned owned;

    if (!chmu_host_whose(host, device->windows, count->unit, unit_bytes, &owned)) {
        return false;
    }
    batch = owned.watch ? g_hash_table_lookup(batches, owned.watch) : NULL;
    if (batch) {
        const uint64_t counted = (uint64_t)count->count * owned.parts;
        const bool came = chmu_watch_came_since(owned.watch, owned.number, device->epoch);
        const ChmuCount found = {.unit = owned.number, .count = came ? 0 : (uint32_t)MIN(counted, UINT32_MAX)};

        g_array_append_val(batch->counts, found);
    }
    return true;
}

bool chmu_host_can_tell(const ChmuWatch *watch, uint64_t unit_bytes)
{
    return unit_bytes <= MAX(watch->region.page_size, CHMU_PAGE);
}

void chmu_host_give(ChmuWatch *watch, ChmuBatch *batch)
{
    if (g_queue_get_length(&watch->pending) < PENDING_MAX) {
        g_queue_push_tail(&watch->pending, batch);
    } else {
        chmu_batch_free(batch);
    }
}

/*
 * An empty batch for each region that has room for one; they go by their watches. To one that came while the unit
 * counted, in units larger than its pages, the list says nothing.
 */
static GHashTable *new_batches(ChmuHost *host, unsigned device, const ChmuList *list)
{
    GHashTable *batches = g_hash_table_new(g_direct_hash, g_direct_equal);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->watches);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ChmuWatch *watch = value;

        if (g_queue_get_length(&watch->pending) < PENDING_MAX && chmu_host_can_tell(watch, list->unit_bytes)) {
            ChmuBatch *batch = g_new0(ChmuBatch, 1);

            batch->device = device;
            batch->counts = g_array_new(FALSE, FALSE, sizeof(ChmuCount));
            batch->epoch_ns = list->epoch_ns;
            batch->unit_bytes = list->unit_bytes;
            g_queue_push_tail(&watch->pending, batch);
            g_hash_table_insert(batches, watch, batch);
        }
    }
    return batches;
}

/* Of a page that several devices share, only the first of them is known to have it: what is listed counts too. */
static bool takes_part(const ChmuWatch *watch, const ChmuBatch *batch)
{
    return watch->on[batch->device] || batch->counts->len > 0;
}

/*
 * All was handed out: what was not has fewer counts than @threshold; and who gets less than its part of the list?
 * Returns whether somebody does so lately.
 */
static bool complete(GHashTable *batches, uint32_t threshold)
{
    bool often = false;
    size_t handed_out = 0, sharers = 0;
    gpointer watch, value;
    GHashTableIter iter;

    g_hash_table_iter_init(&iter, batches);
    while (g_hash_table_iter_next(&iter, &watch, &value)) {
        const ChmuBatch *batch = value;

        handed_out += batch->counts->len;
        sharers += takes_part(watch, batch);
    }
    g_hash_table_iter_init(&iter, batches);
    while (g_hash_table_iter_next(&iter, &watch, &value)) {
        ChmuBatch *batch = value;

        batch->threshold = threshold;
        batch->crowded = takes_part(watch, batch) && chmu_crowded(batch->counts->len, handed_out, sharers);
        batch->often = chmu_crowd_add(&((ChmuWatch *)watch)->crowd[batch->device], batch->crowded);
        often |= batch->often;
    }
    return often;
}

/* Hand out a list, and choose the next epoch's setting by it. */
static void take_list(ChmuHost *host, unsigned number, const ChmuList *list)
{
    ChmuDevice *device = g_ptr_array_index(host->devices, number - 1);
    g_autoptr(GHashTable) batches = new_batches(host, number, list);
    g_autofree uint32_t *only = g_new(uint32_t, list->n);
    uint64_t nonsense = list->nonsense;

    for (size_t i = 0; i < list->n; i++) {
        only[i] = list->counts[i].count;
        nonsense += !hand_out(host, device, &list->counts[i], list->unit_bytes, batches);
    }
    device->second.wanted = complete(batches, list->overflowed || nonsense > 0 ? 0 : list->threshold);
    if (nonsense > 0) {
        g_autofree char *text = g_strdup_printf(
            "%" G_GINT64_MODIFIER "u of %" G_GINT64_MODIFIER "u entries of its last hotlist were of no memory, or counts "
            "of 0, and left out: the device is broken; reset it", nonsense, (uint64_t)list->n + list->nonsense);

        set_problem(device, text);
    } else {
        set_problem(device, NULL);
    }
    device->works = nonsense == 0;
    device->retry_ns = RETRY_NS_MIN;
    device->setting = chmu_tuner_next(chmu_unit_limits(device->unit), &device->setting, only, list->n,
                                      list->overflowed);
}

/* Forget who came before all epochs that have not ended. */
static void forget_who_came(ChmuHost *host)
{
    uint64_t oldest = host->epochs + 1;
    GHashTableIter iter;
    gpointer watch;

    for (guint i = 0; i < host->devices->len; i++) {
        const ChmuDevice *device = g_ptr_array_index(host->devices, i);

        oldest = device->begun ? MIN(oldest, device->epoch) : oldest;
    }
    g_hash_table_iter_init(&iter, host->watches);
    while (g_hash_table_iter_next(&iter, NULL, &watch)) {
        chmu_watch_forget(watch, oldest);
    }
}

static void fail(ChmuDevice *device, const GError *err, uint64_t now_ns)
{
    set_problem(device, err->message);
    device->works = false;
    device->begun = false;
    device->due_ns = now_ns + device->retry_ns;
    device->retry_ns = MIN(device->retry_ns * 2, RETRY_NS_MAX);
}

/* What is due of one device. */
static void poll_device(ChmuHost *host, unsigned number, uint64_t now_ns)
{
    ChmuDevice *device = g_ptr_array_index(host->devices, number - 1);
    g_autoptr(GError) err = NULL;
    ChmuList list;

    if (!device->begun) {
        device->begun = begin(host, device, now_ns, &err);
    }
    if (device->begun) {
        switch (chmu_unit_step(device->unit, now_ns, &device->due_ns, &list, &err)) {
        case CHMU_UNIT_BUSY:
            return;
        case CHMU_UNIT_LISTED:
            take_list(host, number, &list);
            device->begun = false;
            device->due_ns = now_ns;
            forget_who_came(host);
            return;
        case CHMU_UNIT_FAILED:
            break;
        }
    }
    fail(device, err, now_ns);
    forget_who_came(host);
}

uint64_t chmu_host_poll(ChmuHost *host, uint64_t now_ns)
{
    g_autoptr(GArray) leaving = g_array_new(FALSE, FALSE, sizeof(Leaving));
    uint64_t next_ns = UINT64_MAX;

    g_mutex_lock(&host->lock);
    for (guint i = 0; i < host->devices->len && g_hash_table_size(host->watches) > 0; i++) {
        ChmuDevice *device = g_ptr_array_index(host->devices, i);
        ChmuUnit *gone = NULL;

        if (!device->regs) {
            continue;
        }
        if (device->leaving > 0) {
            device->due_ns = now_ns + LEAVING_NS;
        } else {
            if (device->due_ns <= now_ns) {
                poll_device(host, i + 1, now_ns);
            }
            next_ns = MIN(next_ns, chmu_second_poll(host, i + 1, now_ns, &gone));
            let_leave(leaving, device, gone);
        }
        next_ns = MIN(next_ns, device->due_ns);
    }
    g_mutex_unlock(&host->lock);
    leave(host, leaving);
    return next_ns;
}
