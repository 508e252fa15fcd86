/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon as a test's fixture: a process of its own with a runtime directory and a configuration
 * of its own, two VMs ('a' and 'b'), and a connection to its control socket. VHOST_TIER_DAEMON names the
 * program.
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

typedef struct Daemon {
    char *dir, *config, *log;
    char *socket_a, *socket_b;      /* of the VMs */
    GPid pid;                       /* 0: it does not run */
    int control;                    /* connected to the control socket */
} Daemon;

/*
 * For g_test_add(): a running daemon, with @data, if any, at the end of its configuration; an end by SIGTERM that must
 * be clean, if it still runs.
 */
void daemon_set_up(Daemon *f, gconstpointer data);
void daemon_tear_down(Daemon *f, gconstpointer data);

void daemon_start(Daemon *f);
/* Returns the status that waitpid(2) gives. */
int daemon_stop(Daemon *f, int signal);

/* Send a request line; returns the answer, owned by the caller. */
JsonObject *daemon_ask(int control, const char *request);
JsonObject *daemon_query_vm(Daemon *f, const char *name);
/* Wait until a VM's boolean @key is @value. */
void daemon_await_flag(Daemon *f, const char *name, const char *key, bool value);
/* The request fails with an error of @class whose text has @says in it. */
void daemon_assert_error(Daemon *f, const char *request, const char *class, const char *says);
/* Wait until the log has @text in it. */
void daemon_assert_log(Daemon *f, const char *text);

/* Descriptors that the daemon has open; waiting until there are as many as @expected. */
unsigned daemon_fds(Daemon *f);
void daemon_await_fds(Daemon *f, unsigned expected);

#endif /* DAEMON_PROCESS_H */
