/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test in the lab works with: the daemon, a guest whose RAM it tiers, and what the daemon says of it.
 * When a test has failed, clearing its bed prints what was seen: the daemon's log, its word on the VM, and
 * the guest's last lines.
 */
#ifndef E2E_BED_H
#define E2E_BED_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "observer/daemon.h"
#include "observer/guest.h"

#define BED_RAM_BEYOND_AREA (8u << 20) /* of the guest's RAM, below and above its working area */

/* Both nodes of the topology 'numa' are equally fast here; this tells the daemon what they stand for. */
#define BED_COSTS "[costs]\nlatency-ns=100;300\nmove-4k-ns=5000\n"
/*
 * What watching may cost a guest, and does, as lab/vhost-tier.conf has it: by what the daemon measures on itself it
 * would take a fault for far cheaper than a nested guest's is, and leave the guest little time.
 */
#define BED_TRACKING "[sources]\nfault-ns=200000\noverhead-share=0.25\n"

typedef struct Bed {
    char *folder;   /* for sockets, logs and traces; NULL before the first bed_... */
    Daemon *daemon; /* NULL: none */
    Guest *guest;   /* NULL: none */
    Guest *neighbour; /* of another VM; NULL: none */
    bool pinned;    /* the guest has a CPU for itself, and the daemon the other: where speed is measured */
} Bed;

/* Ends the test, as failed, when @condition does not hold; the rest is a format and tells what was seen. */
#define EXPECT(condition, ...)               \
    do {                                     \
        if (!(condition)) {                  \
            g_test_fail_printf(__VA_ARGS__); \
            return;                          \
        }                                    \
    } while (0)
/* The same for a call that sets @error. */
#define EXPECT_OK(call, error) EXPECT(call, "%s: %s", #call, (error)->message)

/* Start the daemon with the configuration @config, which need not name trace-dir: that is 'folder'. */
bool bed_daemon(Bed *bed, const char *config, GError **errp);
/* Kill it at once, or end it as an administrator does; returns its exit code as process_stop() does. */
int bed_daemon_end(Bed *bed, int signal);

/*
 * Start the workload guest with @pattern and @mib of working area on a memory-backend-tier with the options
 * @backend ("fast-size=8M,mode=on"), connected to the daemon's socket whether one is there or not; with a virtio-tier
 * device where @pattern has a 'hints='.
 */
bool bed_guest(Bed *bed, const char *pattern, unsigned mib, const char *backend, GError **errp);
/* The same as a guest of its own, with its logs in @subfolder of 'folder'; not ended by the bed. */
Guest *bed_other_guest(Bed *bed, const char *subfolder, const char *pattern, unsigned mib,
                       const char *backend, GError **errp);
/* Start the 'neighbour', which gives no hints, as a VM of its own of the bed's daemon. */
bool bed_neighbour(Bed *bed, const char *pattern, unsigned mib, const char *backend, GError **errp);
/* Both, and wait until the daemon knows the guest. */
bool bed_start(Bed *bed, const char *config, const char *pattern, unsigned mib, const char *backend,
               GError **errp);

/* Print what was seen, if the test has failed; then end and free all. */
void bed_clear(Bed *bed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bed, bed_clear)

/* What the daemon says of the VM. */
typedef struct VmView {
    bool connected;
    uint64_t pid;
    uint64_t asked, applied;            /* pages */
    uint64_t full, not_allowed, failed; /* pages; the last: for whatever reason */
    uint64_t fast_size;
    uint64_t resident[2]; /* bytes, by tier */
    double hit_ratio;     /* NaN: not known */
} VmView;

/* All zero when it does not answer. */
VmView bed_view(Bed *bed);

void bed_sleep(double seconds);

/* Print the last lines of what a program has said (NULL: nothing), each as a TAP diagnostic. */
void bed_print_output(const char *output);

/* Whether something holds now. */
typedef bool BedCondition(Bed *bed, void *opaque);
/* Look again and again until it does; false when it does not within @seconds. */
bool bed_wait(Bed *bed, double seconds, BedCondition *condition, void *opaque);

/* A BedCondition: more than *(uint64_t *)@opaque pages were moved. */
bool bed_has_moved(Bed *bed, void *opaque);

/*
 * Of the daemon's answer to query-host: the problem of source @name, "" when it is usable, NULL when there
 * is no such source.
 */
char *bed_source_problem(Bed *bed, const char *name);
/* Whether query-host names something that moves memory with @text in it. */
bool bed_interference(Bed *bed, const char *text);
/* Whether the daemon's log has a line with both texts. */
bool bed_logged(const Bed *bed, const char *text, const char *other);

#endif /* E2E_BED_H */
