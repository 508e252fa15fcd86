/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl record and replay: traces of what a VM's policy was told and what it planned.
 */
#include <glib-unix.h>
#include <math.h>

#include "core/trace.h"
#include "client/fields.h"
#include "client/size.h"
#include "tierctl/output.h"
#include "tierctl/tierctl.h"

#define MAX_GRANULES (1ull << 30) /* of a trace that is replayed: 4 TiB of 4 KiB granules, 8 GiB of maps */

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
        return cli_usage("tierctl", "record", "--seconds: %g is not between 0 and 30 days", option_seconds);
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

/* What a replay found as JSON, for programs. */
static JsonNode *replay_node(const TraceReplay *replay)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    json_builder_set_member_name(json, "identical");
    json_builder_add_boolean_value(json, replay->difference == NULL);
    json_builder_set_member_name(json, "difference");
    if (replay->difference) {
        json_builder_add_string_value(json, replay->difference);
    } else {
        json_builder_add_null_value(json);
    }
    json_builder_set_member_name(json, "records");
    json_builder_add_int_value(json, (gint64)replay->records);
    json_builder_set_member_name(json, "plans");
    json_builder_add_int_value(json, (gint64)replay->plans);
    json_builder_set_member_name(json, "moves");
    json_builder_add_int_value(json, (gint64)replay->moves);
    json_builder_set_member_name(json, "duration_ns");
    json_builder_add_int_value(json, (gint64)(replay->end_ns - replay->start_ns));
    json_builder_end_object(json);
    return json_builder_get_root(json);
}

static char *replay_text(const char *file, const TraceReplay *replay)
{
    g_autofree char *seconds = text_number((double)(replay->end_ns - replay->start_ns) / 1e9);

    return g_strdup_printf("%s: %" G_GUINT64_FORMAT " records over %s s, %" G_GUINT64_FORMAT
                           " plans with %" G_GUINT64_FORMAT " moves: %s%s\n",
                           file, replay->records, seconds, replay->plans, replay->moves,
                           replay->difference ? "NOT as recorded: " : "as recorded",
                           replay->difference ? replay->difference : "");
}

static int run_replay(const Tierctl *ctl, char **args)
{
    g_autoptr(GMappedFile) file = NULL;
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) node = NULL;
    g_auto(TraceReplay) replay = {0};
    GError *error = NULL;
    int rc;

    file = g_mapped_file_new(args[0], FALSE, &error);
    if (!file) {
        return tierctl_fail(error);
    }
    if (!trace_replay(g_mapped_file_get_contents(file), g_mapped_file_get_length(file), MAX_GRANULES, &replay,
                      &error)) {
        g_prefix_error(&error, "%s: ", args[0]);
        return tierctl_fail(error);
    }
    if (ctl->json) {
        node = replay_node(&replay);
        rc = print_json(node);
    } else {
        text = replay_text(args[0], &replay);
        rc = print_text(text);
    }
    return replay.difference ? EXIT_FAILED : rc;
}

const Command trace_commands[] = {
    {{"record", "VM FILE", "Record what a VM's policy is told and what it plans.",
      "The daemon makes FILE, new and readable for root only, in a folder that its configuration allows (trace-dir).\n"
      "'tierctl replay FILE' runs it again.",
      record_options},
     run_record},
    {{"replay", "FILE", "Run a recorded trace through the policy again; needs no daemon.",
      "Tells whether each plan is, byte for byte, the recorded one; if not, exits with code 1."},
     run_replay},
    {{0}},
};
