/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hint device in a thread of its own, with a fake front end at its other end, and nothing behind it: requests are
 * noted and answered.
 */
#ifndef HINT_BED_H
#define HINT_BED_H

#include <glib.h>

#include "fake-frontend.h"
#include "hint/device.h"

typedef struct HintBed {
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    HintDevice *device;             /* NULL once its connection has ended */
    FakeRam ram;
    FakeFrontend *frontend;
    unsigned work_us;               /* that a request takes */
    uint32_t status;                /* of its ranges */
    /* what operations have found, to be read with the thread at rest: after an answer */
    unsigned requests, malformed, resets, started, started_before, memory_changes;
    uint16_t type;                  /* of the last request */
    uint32_t n_ranges;
    GByteArray *loaded;
    int gone;                       /* atomic */
} HintBed;

/* For g_test_add(): a device with a connection on which nothing was said yet. */
void hint_bed_set_up(HintBed *bed, gconstpointer data);
void hint_bed_tear_down(HintBed *bed, gconstpointer data);
/* The same, with all features and started queues. */
void hint_bed_set_up_started(HintBed *bed, gconstpointer data);

/* Another connection, in the place of one that has ended. */
void hint_bed_connect(HintBed *bed);
/* Run @func in the device's thread, and wait for it. */
void hint_bed_call(HintBed *bed, void (*func)(HintBed *bed));
/* The connection ends within some seconds. */
void hint_bed_assert_gone(HintBed *bed);
/* Requests are served. */
void hint_bed_assert_works(HintBed *bed);

/* What save() gives out. */
#define HINT_BED_STATE "what a device knows"
/* What config() tells. */
#define HINT_BED_GRANULE     4096u
#define HINT_BED_FAST_BUDGET 0x123456789000u

#endif /* HINT_BED_H */
