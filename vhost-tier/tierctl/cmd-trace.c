/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl record and replay: traces of what a VM's policy was told and what it planned.
 */
#include <glib-unix.h>
#include <math.h>

#include "client/fields.h"
#include "client/size.h"
#include "tierctl/output.h"
#include "tierctl/tierctl.h"

static double option_seconds;

static const GOptionEntry record_options[] = {
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &option_seconds, "End after this time (default: at Ctrl-C)", "N"},
    G_OPTION_ENTRY_NULL,
};

static gboolean on_end(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

/* Wait until the time is over or the user ends it. */
static void wait_for_end(void)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);

    g_unix_signal_add(SIGINT, on_end, loop);
    g_unix_signal_add(SIGTERM, on_end, loop);
    g_unix_signal_add(SIGHUP, on_end, loop);
    if (option_seconds > 0) {
        g_timeout_add((guint)lround(option_seconds * 1000), on_end, loop);
    }
    g_main_loop_run(loop);
}

static int run_record(const Tierctl *ctl, char **args)
{
    g_autofree char *file = g_canonicalize_filename(args[1], NULL), *size = NULL, *text = NULL;
    g_autoptr(JsonObject) vm = tierctl_vm_arguments(args[0]), start = tierctl_vm_arguments(args[0]);
    g_autoptr(JsonNode) started = NULL, answer = NULL;
    GError *error = NULL;

    if (!(option_seconds >= 0 && option_seconds <= 30 * 86400)) {
        return tierctl_usage("record", "--seconds: %g is not between 0 and 30 days", option_seconds);
    }
    json_object_set_string_member(start, "file", file);
    started = tierctl_call(ctl, "trace-start", start, &error);
    if (!started) {
        return tierctl_fail(error);
    }
    if (!ctl->json) {
        g_printerr("recording '%s' to %s; %s\n", args[0], file,
                   option_seconds > 0 ? "Ctrl-C ends it early" : "Ctrl-C ends it");
    }
    wait_for_end();
    answer = tierctl_call(ctl, "trace-stop", vm, &error);
    if (!answer) {
        return tierctl_fail(error);
    }
    if (ctl->json) {
        return print_json(answer);
    }
    size = text_size(field_uint(node_object(answer), "bytes", UINT64_MAX));
    text = g_strdup_printf("%s: %s, %" G_GUINT64_FORMAT " records\n", file, size,
                           field_uint(node_object(answer), "records", 0));
    return print_text(text);
}

const Command trace_commands[] = {
    {"record", "VM FILE", "Record what a VM's policy is told and what it plans.",
     "The daemon makes FILE, new and readable for root only, in a folder that its configuration allows (trace-dir).\n"
     "'tierctl replay FILE' runs it again.", record_options, run_record},
    {0},
};
