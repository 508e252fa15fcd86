/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the runs of the comparison came to; see report.h.
 */
#include "report.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>

#define MIB 1048576.0

static void print_side(const char *name, const RunResult *r, const RunResult *none)
{
    char ratio[16] = "-";

    if (none->accesses_after > 0) {
        g_snprintf(ratio, sizeof(ratio), "%.2fx", r->accesses_after / none->accesses_after);
    }
    printf("%-18s %9.3f %9.3f %12.2f %12.2f %9s %10.2f %10.2f\n", name, r->hit_before, r->hit_after,
           r->accesses_before / 1e6, r->accesses_after / 1e6, ratio, (double)r->fast_bytes / MIB,
           (double)r->moved_bytes / MIB);
}

void report_print(const RunParams *params, const Report *report)
{
    const RunResult *r = &report->vhost_tier;
    const struct {
        ReportRun run;
        const char *name;
        const RunResult *result;
    } sides[] = {
        {REPORT_NONE, "nobody", &report->none},
        {REPORT_NUMA_BALANCING, "numa_balancing=2", &report->numa_balancing},
        {REPORT_DAMON, "DAMON's schemes", &report->damon},
        {REPORT_ACCESS_BITS, "access bits alone", &report->access_bits},
        {REPORT_VHOST_TIER, "vhost-tier", r},
    };

    printf("\nThe same guest (%s, %.0f MiB), at most %.2f MiB of DRAM:\n", params->pattern,
           (double)params->footprint_bytes / MIB, (double)run_budget(params) / MIB);
    printf("%-18s %19s %25s %9s %10s %10s\n", "", "true hit ratio", "M accesses/s", "to none", "DRAM MiB",
           "moved MiB");
    printf("%-18s %9s %9s %12s %12s\n", "", "before", "after", "before", "after");
    for (size_t i = 0; i < G_N_ELEMENTS(sides); i++) {
        if (report->made & sides[i].run) {
            print_side(sides[i].name, sides[i].result, &report->none);
        }
    }
    if (!(report->made & REPORT_VHOST_TIER)) {
        return;
    }
    printf("\nhit ratio %.3f -> %.3f (oracle %.3f, estimated %.3f), accesses/s %.2f M -> %.2f M, ",
           r->hit_before, r->hit_after, r->oracle, r->estimated, r->accesses_before / 1e6,
           r->accesses_after / 1e6);
    if (isnan(r->seconds_to_90)) {
        printf("no way was made, ");
    } else {
        printf("90 %% of the way in %.0f s, ", r->seconds_to_90);
    }
    printf("%.1f MiB moved (%.1f %% undone), daemon %.1f %% of a CPU\n", (double)r->moved_bytes / MIB,
           isnan(r->undone_share) ? 0 : r->undone_share * 100, r->cpu_share * 100);
    fflush(stdout);
}

static void add_number(JsonBuilder *json, const char *key, double value)
{
    json_builder_set_member_name(json, key);
    if (isnan(value)) {
        json_builder_add_null_value(json);
    } else {
        json_builder_add_double_value(json, value);
    }
}

static void add_bytes(JsonBuilder *json, const char *key, uint64_t bytes)
{
    json_builder_set_member_name(json, key);
    json_builder_add_int_value(json, (gint64)bytes);
}

static void begin(JsonBuilder *json, const char *key)
{
    if (key) {
        json_builder_set_member_name(json, key);
    }
    json_builder_begin_object(json);
}

static void add_baseline(JsonBuilder *json, const char *key, const Report *report, ReportRun run,
                         const RunResult *r)
{
    if (!(report->made & run)) {
        json_builder_set_member_name(json, key);
        json_builder_add_null_value(json);
        return;
    }
    begin(json, key);
    add_number(json, "hit_ratio", r->hit_after);
    add_number(json, "accesses_per_s", r->accesses_after);
    add_bytes(json, "fast_bytes", r->fast_bytes);
    json_builder_end_object(json);
}

bool report_write(const RunParams *params, const Report *report, const char *path, GError **errp)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;
    const RunResult *r = &report->vhost_tier;

    begin(json, NULL);
    json_builder_set_member_name(json, "pattern");
    json_builder_add_string_value(json, params->pattern);
    begin(json, "hit_ratio");
    add_number(json, "before", r->hit_before);
    add_number(json, "after", r->hit_after);
    add_number(json, "oracle", r->oracle);
    add_number(json, "estimated", r->estimated);
    json_builder_end_object(json);
    begin(json, "accesses_per_s");
    add_number(json, "before", r->accesses_before);
    add_number(json, "after", r->accesses_after);
    json_builder_end_object(json);
    add_number(json, "seconds_to_90", r->seconds_to_90);
    add_bytes(json, "bytes_moved", r->moved_bytes);
    add_number(json, "undone_share", r->undone_share);
    add_number(json, "daemon_cpu_share", r->cpu_share);
    add_bytes(json, "fast_bytes", r->fast_bytes);
    add_bytes(json, "budget_bytes", run_budget(params));
    add_bytes(json, "footprint_bytes", params->footprint_bytes);
    begin(json, "baselines");
    add_baseline(json, "none", report, REPORT_NONE, &report->none);
    add_baseline(json, "numa_balancing", report, REPORT_NUMA_BALANCING, &report->numa_balancing);
    add_baseline(json, "damon", report, REPORT_DAMON, &report->damon);
    add_baseline(json, "access_bits", report, REPORT_ACCESS_BITS, &report->access_bits);
    json_builder_end_object(json);
    json_builder_end_object(json);
    root = json_builder_get_root(json);
    text = json_to_string(root, TRUE);
    return g_file_set_contents(path, text, -1, errp);
}
