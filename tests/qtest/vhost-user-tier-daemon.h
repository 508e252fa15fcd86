/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon for tests, where the variable VHOST_TIER_DAEMON names it, and
 * QEMUs whose memory and hints it serves.
 */
#ifndef QTEST_VHOST_USER_TIER_DAEMON_H
#define QTEST_VHOST_USER_TIER_DAEMON_H

#include "vhost-user-tier-bed.h"

#define MIB (1ull << 20)

/* A daemon with the VMs "one" and "two", in a folder of its own */
typedef struct Daemon {
    char *dir;
    GPid pid;
    unsigned max_ranges_per_s;  /* 0: no limit */
} Daemon;

/*
 * A daemon that runs; NULL, and the test is skipped, where there is none.
 * Without a limit to hints' rate, or with one.
 */
Daemon *daemon_new(void);
Daemon *daemon_new_limited(unsigned max_ranges_per_s);
void daemon_free(Daemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)
/* End it by @signal; returns its wait status. */
int daemon_end(Daemon *daemon, int signal);
/* Start it again. */
void daemon_start(Daemon *daemon);

/* The QEMU of the VM @name */
Bed *daemon_start_vm(Daemon *daemon, const char *name, const char *more);
/* The same, with much of its memory touched, and a driver whose hints count */
Bed *daemon_start_driven(Daemon *daemon, const char *name);
/* Ask until the daemon knows the VM's memory, and has given it a budget. */
void daemon_wait_on(Bed *bed);
/*
 * Ask query-memory-tiers until the figure @key of its hints, of those of one
 * @kind if that is not NULL, is @n.
 */
void daemon_wait_figure(Bed *bed, const char *kind, const char *key,
                        int64_t n);

#endif /* QTEST_VHOST_USER_TIER_DAEMON_H */
