/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the subcommands of virt-tier share: what a subcommand is, the options, and how people are told.
 */
#ifndef VIRT_TIER_H
#define VIRT_TIER_H

#include <glib.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "libvirt-hooks/settings.h"

typedef struct VirtTier {
    char *uri;                      /* of libvirt; NULL: its default */
    char *socket;                   /* of the daemon; NULL: the usual place */
    gboolean dry_run;
    gboolean live, config;          /* of 'set': change only the running domain, or only its definition */
    char *settings[N_SETTINGS];     /* as given on the command line; NULL: not given */
} VirtTier;

/* Which options a subcommand takes beside those that all have. */
typedef enum CommandOptions {
    COMMAND_SETTINGS = 1 << 0,
    COMMAND_DRY_RUN = 1 << 1,
    COMMAND_WHERE = 1 << 2,         /* --live and --config */
} CommandOptions;

/* A subcommand: one row of the tables at the end of each cmd-*.c. */
typedef struct Command {
    CliCommand head; /* at most one argument */
    CommandOptions options;
    /*
     * Carry it out; @argument is NULL where none was given. Returns an exit code; 'check' fails where there are
     * problems.
     */
    int (*run)(const VirtTier *tool, const char *argument);
} Command;

/* Each ends with a row whose name is NULL. */
extern const Command change_commands[];     /* cmd-change.c: enable, set, disable */
extern const Command see_commands[];        /* cmd-see.c: show, status, list */
extern const Command check_commands[];      /* cmd-check.c: check */

/*
 * Put what was given on the command line into @settings; the word 'default' takes a setting back to its default.
 * False with DOMAIN_ERROR_SETTINGS.
 */
bool tool_settings(const VirtTier *tool, Settings *settings, GError **errp);

/* Tell @error (freed) on standard error, line by line; returns EXIT_FAILED. */
int tool_fail(GError *error);

/*
 * Print a line, with nothing in it that could steer the terminal; returns EXIT_OK, or EXIT_FAILED where it can't be
 * written.
 */
int tool_say(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Tell something on standard error that is no failure. */
void tool_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

#endif /* VIRT_TIER_H */
