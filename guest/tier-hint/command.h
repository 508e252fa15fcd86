/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-hint's commands: each has a table row in one of these lists, and a function that does it.
 */
#ifndef TIER_HINT_COMMAND_H
#define TIER_HINT_COMMAND_H

#include <glib.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "tier-hint.h"

typedef struct Command {
    CliCommand head;
    int min_args, max_args;
    /* Returns the exit code: 0 done, 1 it failed (with an error), 2 usage (likewise). @args ends with NULL. */
    int (*run)(const struct Command *command, char **args, GError **errp);
    unsigned type; /* VIRTIO_TIER_T_* of those that give hints */
} Command;

/* Each ends with a row without a name. */
extern const Command tell_commands[], see_commands[], auto_commands[];

/* What is wrong with a command line. */
#define USAGE_ERROR g_quark_from_static_string("tier-hint-usage")

/* Open the device, which the user may have named; -1 with an error that says what to do. The caller closes it. */
int device_open(GError **errp);
void device_choose(const char *path);

/* One call to the device about @n ranges, in portions that it takes; false with an error. */
bool device_tell(int fd, unsigned type, unsigned flags, const struct virtio_tier_urange *ranges, size_t n,
                 struct virtio_tier_uresult *sum, GError **errp);

#endif /* TIER_HINT_COMMAND_H */
