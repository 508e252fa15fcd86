/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of memory-backend-tier share.
 */
#ifndef QTEST_MEMORY_TIER_TEST_H
#define QTEST_MEMORY_TIER_TEST_H

#include "libqtest.h"
#include "memory-tier-peer.h"
#include "qobject/qdict.h"

/* A QEMU whose RAM, 64 MiB, is the backend "ram" with @options. */
QTestState *start_ram(const char *options);
/* The same on a made-up host: node 0, and node 1 without CPUs. */
QTestState *start_two_tiers(const char *options);
/* Whether this host has a node 1; says that the test is skipped if not. */
bool has_two_nodes(void);

/* What query-memory-tiers says of the only backend; to be unreferenced. */
QDict *query_backend(QTestState *qts);
/* Of that, what it says of a tier. */
uint64_t tier_bytes(QDict *backend, int tier, const char *key);
/* What it says of the backend's memory channel. */
QDict *query_daemon(QTestState *qts);
/* Ask until the daemon's member @key has the boolean @value. */
void wait_daemon(QTestState *qts, const char *key, bool value);
/* A command that must fail, with @error somewhere in the description. */
void assert_refused(QTestState *qts, const char *command, const char *arguments,
                    const char *error);

/* memory-tier-commands.c */
void add_command_tests(void);

/* memory-tier-channel.c */

/* A QEMU whose backend "ram" looks for @peer; @more options, or "". */
QTestState *start_qemu(Peer *peer, const char *more);
/* A new peer that listens, and a QEMU that is connected to it. */
QTestState *start_connected(Peer **peer, const char *more);
void stop_qemu(QTestState *qts, Peer *peer);
/* Wait for the event that says so, and return its data. */
QDict *wait_event(QTestState *qts, bool connected);
/* The channel's problem has @text somewhere in it. */
void assert_problem(QTestState *qts, const char *text);
/* QEMU's open descriptors. */
int count_fds(QTestState *qts);
/* There are @n of them, as soon as what is freed later is freed. */
void assert_fds(QTestState *qts, int n);

void add_channel_tests(void);

/* memory-tier-lifetime.c */
void add_lifetime_tests(void);

/* memory-tier-misbehaviour.c */
void add_misbehaviour_tests(void);

#endif /* QTEST_MEMORY_TIER_TEST_H */
