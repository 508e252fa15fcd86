/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log: one line a message to standard error, with the priority in front where the journal
 * reads it.
 */
#include "log.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    GLogLevelFlags flag;
    int priority;                   /* of syslog(3) */
} levels[] = {
    { "error", G_LOG_LEVEL_CRITICAL, 3 },
    { "warning", G_LOG_LEVEL_WARNING, 4 },
    { "message", G_LOG_LEVEL_MESSAGE, 5 },
    { "info", G_LOG_LEVEL_INFO, 6 },
    { "debug", G_LOG_LEVEL_DEBUG, 7 },
};

static int max_priority = 5;
static bool to_journal;

static GLogWriterOutput write_line(GLogLevelFlags flags, const GLogField *fields, gsize n_fields,
                                   gpointer opaque)
{
    const char *text = NULL;
    int priority = 2;               /* G_LOG_LEVEL_ERROR: the process ends */
    const char *name = "fatal";

    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        if (flags & levels[i].flag) {
            priority = levels[i].priority;
            name = levels[i].name;
            break;
        }
    }
    for (gsize i = 0; i < n_fields; i++) {
        if (!strcmp(fields[i].key, "MESSAGE")) {
            text = fields[i].value;
        }
    }
    if (priority <= max_priority && text) {
        if (to_journal) {
            fprintf(stderr, "<%d>%s\n", priority, text);
        } else {
            fprintf(stderr, "vhost-tier: %s%s%s\n", priority < 5 ? name : "", priority < 5 ? ": " : "", text);
        }
    }
    return G_LOG_WRITER_HANDLED;
}

bool log_init(const char *level, GError **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        if (!strcmp(level, levels[i].name)) {
            max_priority = levels[i].priority;
            to_journal = g_getenv("JOURNAL_STREAM") != NULL;
            g_log_set_writer_func(write_line, NULL, NULL);
            return true;
        }
    }
    g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--log-level %s is none of error, warning, message, info, debug", level);
    return false;
}
