/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hotness units of the host, which all VMs share.
 *
 * A unit counts for whole devices and knows nothing of VMs. So each region of a VM's says which of its pages lie
 * where (chmu_host_place()), and what the units list is handed out by that. Units are taken with the first region
 * that is watched and given back with the last. Whichever VM's thread looks in when a device is due does the work
 * for all. All functions may be called from any thread; one for a watch only by who has made it.
 *
 * Of a page that has moved, what the epoch says in which it came says nothing (chmu-watch.h).
 *
 * While some region is crowded out of a device's lists, a second instance of the device is always on, where there is
 * one that can be (core/chmu-long.h). A failure of it is no failure of the first.
 *
 * A device that fails is tried again, after a second at first and then ever later, up to five minutes; the others
 * go on.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_HOST_H
#define VHOST_TIER_SOURCES_CHMU_HOST_H

#include "chmu-pages.h"
#include "chmu-regs.h"
#include "core/chmu-evidence.h"
#include "damon-pages.h"
#include "vm/region.h"

#define CHMU_DEVICES_MAX 255u           /* those beyond are left alone */

typedef struct ChmuHost ChmuHost;
typedef struct ChmuWatch ChmuWatch;     /* a region that is watched */

#define CHMU_REPORTS_CAME UINT16_MAX    /* of a page: it has come to where it is within the period */

/* What one device has listed of one region in an epoch; or, of a period, what its second instance has reported. */
typedef struct ChmuBatch {
    unsigned device;                    /* 1 or more */
    GArray *counts;                     /* of ChmuCount; 'unit' is a page's number, 'count' 0: it has just come there;
                                           in any order, some twice */
    uint64_t epoch_ns;
    uint64_t unit_bytes;                /* of the units of memory that were counted; none reaches over a page */
    uint32_t threshold;                 /* one of them that was not listed had fewer counts; 0: not known */
    bool crowded;                       /* other regions had more than their part of the list, */
    bool often;                         /* and have it lately: chmu_crowd_add() */

    bool period;                        /* it is of a period of 'epoch_ns', which began at 'begun_ns': no 'counts' */
    uint64_t begun_ns;
    uint16_t *reports;                  /* for each page: how often it was listed; or CHMU_REPORTS_CAME. NULL: the
                                           period was interrupted, and says nothing */
} ChmuBatch;

void chmu_batch_free(ChmuBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChmuBatch, chmu_batch_free)

/* Where a host's units are looked for, and how they are mapped: chmu_host_real, or what a test makes up. */
typedef struct ChmuPlaces {
    const char *sysfs, *proc;
    ChmuRegs *(*map)(const char *sysfs, const ChmuPlace *place, GError **errp);
} ChmuPlaces;

extern const ChmuPlaces chmu_host_real;

/*
 * Find the units and map them, which takes capabilities; they are not changed yet. NULL, with an error, when
 * there is none that can be used. @where must outlive it.
 */
ChmuHost *chmu_host_new(const ChmuPlaces *where, GError **errp);
/* There must be no watch any more. */
void chmu_host_free(ChmuHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChmuHost, chmu_host_free)

/* Watch @region. With @take, units may be taken from others who have enabled them. */
ChmuWatch *chmu_host_watch(ChmuHost *host, const Region *region, bool take);
/* With the last one, waits for a moment while units are being disabled; others need not wait for that. */
void chmu_host_unwatch(ChmuHost *host, ChmuWatch *watch);

/*
 * Of the region's @n pages of 4 KiB from number @first on, those in @runs (of DamonRun, ascending, within that part)
 * lie there now, and no longer where they were; the others nowhere. @device[number - first] becomes the number of the
 * device that counts accesses to a page; 0: none does.
 */
void chmu_host_place(ChmuHost *host, ChmuWatch *watch, const GArray *runs, size_t first, size_t n, uint8_t *device);

/*
 * @pages[N] of the region's pages lie on device N, from 1 to chmu_host_devices(). Where it has none, it takes no part
 * in what the device lists.
 */
void chmu_host_spread(ChmuHost *host, ChmuWatch *watch, const uint64_t *pages);

/* Do what is due, for a bounded time; returns when something is due next. */
uint64_t chmu_host_poll(ChmuHost *host, uint64_t now_ns);

/* The oldest batch that was not taken yet, which is the caller's then; NULL: there is none. */
ChmuBatch *chmu_host_take(ChmuHost *host, ChmuWatch *watch);

/* Whether device @number counts, and its last list was as it should be. */
bool chmu_host_works(ChmuHost *host, unsigned number);
/* Devices are numbered from 1 to that, CHMU_DEVICES_MAX at most. */
unsigned chmu_host_devices(const ChmuHost *host);

/* Which devices don't give what they could, why, and the remedy; NULL: all do. To be freed. */
char *chmu_host_problem(ChmuHost *host);

#endif /* VHOST_TIER_SOURCES_CHMU_HOST_H */
