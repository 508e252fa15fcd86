/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim replay: a trace of a daemon's policy, on this computer's copy of the core.
 */
#include <gio/gio.h>

#include "cli.h"
#include "core/trace.h"

#define MAX_GRANULES (1ull << 30) /* 4 TiB of 4 KiB granules */

int cli_replay(char **args)
{
    g_autoptr(GMappedFile) file = NULL;
    g_auto(TraceReplay) replay = {0};
    GError *error = NULL;

    file = g_mapped_file_new(args[0], false, &error);
    if (!file) {
        return sim_usage(error);
    }
    if (!trace_replay(g_mapped_file_get_contents(file), g_mapped_file_get_length(file), MAX_GRANULES, &replay,
                      &error)) {
        g_prefix_error(&error, "%s: ", args[0]);
        return sim_usage(error);
    }
    g_print("%s: %" G_GUINT64_FORMAT " records over %.1f s, %" G_GUINT64_FORMAT
            " plans with %" G_GUINT64_FORMAT " moves: %s%s\n",
            args[0], replay.records, (double)(replay.end_ns - replay.start_ns) / 1e9, replay.plans,
            replay.moves, replay.difference ? "NOT as recorded: " : "as recorded",
            replay.difference ? replay.difference : "");
    return replay.difference ? EXIT_FAILED : EXIT_OK;
}
