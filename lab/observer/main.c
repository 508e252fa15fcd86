/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-observer: runs the lab's guest and tells what is true of its placement, from outside of what places
 * it. To be run as root on a host with DRAM as node 0 and slow memory as node 1 (lab/run).
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "run.h"

static char *option_json, *option_qemu, *option_workload, *option_daemon, *option_pattern, *option_accel,
    *option_folder, *option_runs;
static int option_seconds = 40, option_before = 5, option_footprint = 28;

static const GOptionEntry options[] = {
    {"json", 0, 0, G_OPTION_ARG_FILENAME, &option_json, "Write the result there, too", "FILE"},
    {"seconds", 0, 0, G_OPTION_ARG_INT, &option_seconds,
     "Length of a run after tiering is on, 6 to 3600 (40)", "N"},
    {"before", 0, 0, G_OPTION_ARG_INT, &option_before, "and before, 1 to 600 (5)", "N"},
    {"pattern", 0, 0, G_OPTION_ARG_STRING, &option_pattern,
     "The guest's workload, lab/README.md (pattern=gups-hot)", "TEXT"},
    {"footprint", 0, 0, G_OPTION_ARG_INT, &option_footprint, "MiB that it works on, 1 to 512 (28)", "N"},
    {"runs", 0, 0, G_OPTION_ARG_STRING, &option_runs,
     "Which to make, of none, numa_balancing, damon, access-bits, vhost-tier (none,numa_balancing,vhost-tier)",
     "RUN,..."},
    {"qemu", 0, 0, G_OPTION_ARG_FILENAME, &option_qemu, "QEMU (qemu-system-x86_64)", "PROGRAM"},
    {"workload", 0, 0, G_OPTION_ARG_FILENAME, &option_workload, "The guest (/lab/bin/workload.elf)", "FILE"},
    {"daemon", 0, 0, G_OPTION_ARG_FILENAME, &option_daemon, "The daemon (vhost-tier)", "PROGRAM"},
    {"accel", 0, 0, G_OPTION_ARG_STRING, &option_accel, "kvm (the default) or tcg", "NAME"},
    {"folder", 0, 0, G_OPTION_ARG_FILENAME, &option_folder, "For sockets and logs (/run/tier-observer)",
     "DIR"},
    G_OPTION_ENTRY_NULL,
};

typedef bool RunFunc(const RunParams *params, RunResult *result, GError **errp);

static bool demo(const RunParams *params, GError **errp)
{
    Report report = {0};
    const struct {
        const char *name;
        ReportRun bit;
        RunFunc *run;
        RunResult *result;
    } runs[] = {
        {"none", REPORT_NONE, run_none, &report.none},
        {"numa_balancing", REPORT_NUMA_BALANCING, run_numa_balancing, &report.numa_balancing},
        {"damon", REPORT_DAMON, run_damon, &report.damon},
        {"access-bits", REPORT_ACCESS_BITS, run_access_bits, &report.access_bits},
        {"vhost-tier", REPORT_VHOST_TIER, run_vhost_tier, &report.vhost_tier},
    };
    const char *list = option_runs ? option_runs : "none,numa_balancing,vhost-tier";
    g_auto(GStrv) wanted = g_strsplit(list, ",", -1);
    unsigned known = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        known += g_strv_contains((const char *const *)wanted, runs[i].name);
    }
    if (known == 0 || known != g_strv_length(wanted)) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--runs '%s' is not a list of none, numa_balancing, damon, access-bits, vhost-tier", list);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        if (!g_strv_contains((const char *const *)wanted, runs[i].name)) {
            continue;
        }
        if (!runs[i].run(params, runs[i].result, errp)) {
            g_prefix_error(errp, "run '%s': ", runs[i].name);
            return false;
        }
        report.made |= runs[i].bit;
    }
    report_print(params, &report);
    return !option_json || report_write(params, &report, option_json, errp);
}

static bool check_options(int argc, char **argv, GError **errp)
{
    if (argc != 2 || !g_str_equal(argv[1], "demo")) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "what is to be done? 'demo' is all there is");
        return false;
    }
    if (option_seconds < 6 || option_seconds > 3600 || option_before < 1 || option_before > 600 ||
        option_footprint < 1 || option_footprint > 512) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "a number is out of range; --help tells what is allowed");
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("demo");
    g_autoptr(GError) error = NULL;
    RunParams params;

    setlocale(LC_ALL, "");
    g_option_context_set_summary(
        context, "Run a guest again and again - untiered, with the kernel's NUMA balancing, with vhost-tier -\n"
                 "and tell the true hit ratio of DRAM, from the guest's own counts and the kernel's word.");
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !check_options(argc, argv, &error)) {
        g_printerr("tier-observer: %s\n", error->message);
        return 2;
    }
    params = (RunParams){
        .qemu = option_qemu ? option_qemu : "qemu-system-x86_64",
        .workload = option_workload ? option_workload : "/lab/bin/workload.elf",
        .daemon = option_daemon ? option_daemon : "vhost-tier",
        .pattern = option_pattern ? option_pattern : "pattern=gups-hot",
        .accel = option_accel ? option_accel : "kvm",
        .folder = option_folder ? option_folder : "/run/tier-observer",
        .footprint_bytes = (uint64_t)option_footprint << 20,
        .before_s = (unsigned)option_before,
        .seconds = (unsigned)option_seconds,
    };
    if (g_mkdir_with_parents(params.folder, 0700) < 0) {
        g_printerr("tier-observer: cannot make the folder %s\n", params.folder);
        return 1;
    }
    if (!demo(&params, &error)) {
        g_printerr("tier-observer: %s\n", error->message);
        return 1;
    }
    return 0;
}
