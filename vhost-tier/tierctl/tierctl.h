/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the subcommands of tierctl share: what a subcommand is, the options that all have, and how the daemon
 * is asked.
 */
#ifndef VHOST_TIER_TIERCTL_TIERCTL_H
#define VHOST_TIER_TIERCTL_TIERCTL_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "client/client.h"

typedef struct Tierctl {
    char *socket;           /* NULL: the usual place */
    gboolean json;
} Tierctl;

/* A subcommand: one row of the tables at the end of each cmd-*.c. */
typedef struct Command {
    CliCommand head;
    /* Carry it out with the arguments given (as many as its head's 'arguments' has words); returns an exit code. */
    int (*run)(const Tierctl *ctl, char **args);
} Command;

/* Each ends with a row whose name is NULL. */
extern const Command query_commands[];      /* cmd-query.c: list, show, host */
extern const Command top_commands[];        /* cmd-top.c */
extern const Command change_commands[];     /* cmd-change.c: set, add, remove */
extern const Command trace_commands[];      /* cmd-trace.c: record, replay */
extern const Command explain_commands[];    /* cmd-explain.c */
extern const Command heatmap_commands[];    /* cmd-heatmap.c */
extern const Command predict_commands[];    /* cmd-predict.c */

/* Ask the daemon on a connection of its own; as client_call(). */
JsonNode *tierctl_call(const Tierctl *ctl, const char *command, JsonObject *arguments, GError **errp);

/* Arguments {"name": @vm}, for the commands that are about one VM; freed with json_object_unref(). */
JsonObject *tierctl_vm_arguments(const char *vm);

/* Tell @error (freed) on standard error; returns EXIT_FAILED. */
int tierctl_fail(GError *error);

#endif /* VHOST_TIER_TIERCTL_TIERCTL_H */
