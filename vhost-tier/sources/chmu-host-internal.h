/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host's hotness units consist of, for those who work on them: the first instances of devices (chmu-host.c),
 * and the second ones (chmu-second.c). All of it is under the host's lock.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_HOST_INTERNAL_H
#define VHOST_TIER_SOURCES_CHMU_HOST_INTERNAL_H

#include "chmu-unit.h"
#include "chmu-watch.h"

/* The instance that is always on. */
typedef struct ChmuSecond {
    bool wanted;                        /* some region is crowded out of the first one's lists */
    ChmuUnit *unit;                     /* NULL: not taken */
    ChmuSetting setting;                /* of this period */
    GArray *windows;                    /* of ChmuWindow: what it watches */
    bool begun;                         /* a period was, */
    uint64_t begun_ns;                  /* then */
    uint64_t reports;                   /* since */
    uint64_t due_ns;
    char *problem;
} ChmuSecond;

typedef struct ChmuDevice {
    char *name;                         /* its PCI address */
    ChmuRegs *regs;                     /* NULL: can't be used */
    ChmuUnit *unit;                     /* while something is watched */
    unsigned leaving;                   /* units that are being given back, without the lock */
    GArray *windows;                    /* of ChmuWindow */
    uint64_t windows_due_ns;
    ChmuSetting setting;                /* of this epoch */
    bool begun;                         /* an epoch was, */
    uint64_t epoch;                     /* this one, of all devices' */
    uint64_t due_ns;
    uint64_t retry_ns;                  /* to wait after the next failure */
    bool works;                         /* its last epoch gave a list that can be */
    char *problem;
    ChmuSecond second;
} ChmuDevice;

struct ChmuHost {
    const ChmuPlaces *where;
    GMutex lock;
    GPtrArray *devices;                 /* of ChmuDevice */
    ChmuPages *pages;
    GHashTable *watches;                /* owner in 'pages' -> ChmuWatch */
    uint32_t last_owner;
    uint64_t epochs;                    /* that were begun, on any device */
    bool take;
};

/* *@problem, of the device's part @what, is @now (copied; NULL: none); a new one is logged. */
void chmu_device_set_problem(const ChmuDevice *device, const char *what, char **problem, const char *now);

/* Whose a unit of memory is that was listed, and where. */
typedef struct ChmuOwned {
    ChmuWatch *watch;                   /* NULL: nobody's that is known */
    uint64_t number;                    /* of its page */
    uint32_t parts;                     /* on so many devices its granule lies: each counts its part */
} ChmuOwned;

/* Fill @owned; false where a device with @windows can't have counted that. */
bool chmu_host_whose(ChmuHost *host, const GArray *windows, uint64_t unit, uint64_t unit_bytes, ChmuOwned *owned);
/*
 * The size of units for @unit of @device to count by: each must lie within one page of whoever is watched, and within
 * what the device has in a row of it. False, with an error, where it has none so small.
 */
bool chmu_host_choose_size(ChmuHost *host, const ChmuDevice *device, const ChmuUnit *unit, uint64_t *bytes,
                           GError **errp);
/* Hand @batch (which is taken over) to @watch, unless that is stuck. */
void chmu_host_give(ChmuWatch *watch, ChmuBatch *batch);
/* Whether what is counted in units of that size can be told of the watch's pages. */
bool chmu_host_can_tell(const ChmuWatch *watch, uint64_t unit_bytes);

/*
 * Do what is due of device @number's second instance; returns when something is due next. *@gone becomes the unit that
 * is to be given back, without the lock, or else NULL.
 */
uint64_t chmu_second_poll(ChmuHost *host, unsigned number, uint64_t now_ns, ChmuUnit **gone);
/* No watch is left: let it be. *@gone as above. */
void chmu_second_stop(ChmuDevice *device, ChmuUnit **gone);
void chmu_second_clear(ChmuSecond *second);

#endif /* VHOST_TIER_SOURCES_CHMU_HOST_INTERNAL_H */
