/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources 'rwp' and 'wp': access bits of single pages by userfaultfd, within a budget of guest time. What is
 * armed when is core/watcher.h's to decide; this is its host, the kernel.
 */
#include "access-bits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "core/watcher.h"
#include "uffd.h"

/* a guest's fault costs about twice a process's: it leaves and enters the guest */
#define KVM_EXIT_FACTOR 2
#define PAGE_BYTES 4096u

typedef struct AccessBits {
    Source source;
    UffdKind kind;
    Watcher *watcher;
    GPtrArray *regions; /* of Watched */
    char *problem;
} AccessBits;

typedef struct Watched {
    AccessBits *owner;
    Region region;
    bool ended;         /* its process has, as was seen */
} Watched;

static void watched_free(gpointer data)
{
    Watched *watched = data;

    uffd_leave(watched->region.uffd, watched->region.hva, watched->region.size);
    g_free(watched);
}

/*
 * An ioctl on the region failed: it is not tried again, and what it costs is said. What is armed is
 * unregistered, which disarms it.
 */
static WatchResult give_up(Watched *watched, const char *verb, int err)
{
    AccessBits *self = watched->owner;

    uffd_leave(watched->region.uffd, watched->region.hva, watched->region.size);
    if (err != ESRCH) {
        g_free(self->problem);
        self->problem = g_strdup_printf(
            "can't %s pages of region %u any more: %s; it is not watched until QEMU connects anew", verb,
            watched->region.id, g_strerror(err));
    }
    return WATCH_DEAD;
}

static uint64_t host_now_ns(void *opaque)
{
    return clock_ns();
}

static WatchResult host_look(void *opaque, size_t first, unsigned n, uint64_t *touched)
{
    Watched *watched = opaque;
    const Region *region = &watched->region;
    int err = uffd_look(region->pagemap, watched->owner->kind, region->hva + first * region->granule_bytes,
                        region->granule_bytes, n, touched);

    return err ? give_up(watched, "look at", err) : WATCH_OK;
}

static WatchResult host_arm(void *opaque, size_t first, size_t n, bool armed)
{
    Watched *watched = opaque;
    const Region *region = &watched->region;
    int err = uffd_arm(region->uffd, watched->owner->kind, region->hva + first * region->granule_bytes,
                       n * region->granule_bytes, armed);

    if (err == EAGAIN && armed) { /* its mappings change just now */
        return WATCH_BUSY;
    }
    return err ? give_up(watched, armed ? "arm" : "disarm", err) : WATCH_OK;
}

static const WatcherHost kernel = {.now_ns = host_now_ns, .look = host_look, .arm = host_arm};

/* Some kernels go on telling that nothing is touched when the process has ended. */
static void notice_end(Watched *watched)
{
    struct pollfd pidfd = {.fd = watched->region.pidfd, .events = POLLIN};

    if (!watched->ended && poll(&pidfd, 1, 0) > 0) {
        watched->ended = true;
        watcher_region_dead(watched->owner->watcher, watched->region.id);
    }
}

static uint64_t access_bits_tick(Source *source, uint64_t now_ns)
{
    AccessBits *self = (AccessBits *)source;

    for (guint i = 0; i < self->regions->len; i++) {
        notice_end(g_ptr_array_index(self->regions, i));
    }
    return watcher_tick(self->watcher, now_ns);
}

static bool access_bits_region_add(Source *source, const Region *region, GError **errp)
{
    AccessBits *self = (AccessBits *)source;
    unsigned faults = region->granule_bytes / CLAMP(region->page_size, PAGE_BYTES, region->granule_bytes);
    Watched *watched;

    if (region->uffd < 0 || region->pagemap < 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "region %u came without a userfaultfd: QEMU's kernel or seccomp "
                    "filter does not allow one",
                    region->id);
        return false;
    }
    if (!uffd_enter(region->uffd, self->kind, region->hva, region->size, errp)) {
        return false;
    }
    watched = g_new0(Watched, 1);
    watched->owner = self;
    watched->region = *region;
    g_ptr_array_add(self->regions, watched);
    watcher_region_add(self->watcher, region->id, region->size / region->granule_bytes, faults, watched);
    return true;
}

static void access_bits_region_del(Source *source, const Region *region)
{
    AccessBits *self = (AccessBits *)source;

    for (guint i = 0; i < self->regions->len; i++) {
        const Watched *watched = g_ptr_array_index(self->regions, i);

        if (watched->region.id == region->id) {
            watcher_region_del(self->watcher, region->id);
            g_ptr_array_remove_index(self->regions, i);
            return;
        }
    }
}

static void access_bits_set_cpus(Source *source, double cpus)
{
    watcher_set_cpus(((AccessBits *)source)->watcher, cpus);
}

static void access_bits_pause(Source *source, bool paused)
{
    watcher_pause(((AccessBits *)source)->watcher, paused);
}

static void access_bits_health(const Source *source, SourceHealth *health)
{
    const AccessBits *self = (const AccessBits *)source;

    *health = (SourceHealth){
        .reports = watcher_reports(self->watcher),
        .overhead_share = watcher_overhead_share(self->watcher),
        .problem = self->problem,
    };
}

static void access_bits_stop(Source *source)
{
    AccessBits *self = (AccessBits *)source;

    watcher_free(self->watcher);
    g_ptr_array_unref(self->regions);
    g_free(self->problem);
    g_free(self);
}

static Source *access_bits_start(const SourceClass *class, UffdKind kind, const SourceParams *params,
                                 Policy *policy, GError **errp)
{
    uint64_t fault_ns = params->fault_ns;
    AccessBits *self;

    if (!uffd_probe(kind, errp)) {
        return NULL;
    }
    if (fault_ns == 0) {
        fault_ns = uffd_measure_fault_ns(kind, errp) * KVM_EXIT_FACTOR;
        if (fault_ns == 0) {
            return NULL;
        }
    }
    self = g_new0(AccessBits, 1);
    self->source.class = class;
    self->kind = kind;
    self->regions = g_ptr_array_new_with_free_func(watched_free);
    self->watcher = watcher_new(&kernel, NULL, class->id, policy, params->overhead_share, fault_ns);
    return &self->source;
}

static bool rwp_probe(GError **errp)
{
    return uffd_probe(UFFD_RWP, errp);
}

static Source *rwp_start(const SourceParams *params, Policy *policy, GError **errp)
{
    return access_bits_start(&rwp_source_class, UFFD_RWP, params, policy, errp);
}

static bool wp_probe(GError **errp)
{
    return uffd_probe(UFFD_WP, errp);
}

static Source *wp_start(const SourceParams *params, Policy *policy, GError **errp)
{
    return access_bits_start(&wp_source_class, UFFD_WP, params, policy, errp);
}

/* What both sources do; they differ in what is armed, and in when that is possible. */
#define ACCESS_BITS_METHODS \
    .region_add = access_bits_region_add, \
    .region_del = access_bits_region_del, \
    .tick = access_bits_tick, \
    .set_cpus = access_bits_set_cpus, \
    .pause = access_bits_pause, \
    .health = access_bits_health, \
    .stop = access_bits_stop

const SourceClass rwp_source_class = {
    .name = "rwp",
    .id = POLICY_SOURCE_RWP,
    .probe = rwp_probe,
    .start = rwp_start,
    ACCESS_BITS_METHODS,
};

const SourceClass wp_source_class = {
    .name = "wp",
    .id = POLICY_SOURCE_WP,
    .probe = wp_probe,
    .start = wp_start,
    ACCESS_BITS_METHODS,
};
