/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl list, show and host: what there is.
 */
#include <math.h>

#include "client/fields.h"
#include "tierctl/output.h"
#include "tierctl/tierctl.h"
#include "tierctl/vm-view.h"

/* Ask, and either print the answer as JSON or have @print make text of it. */
static int query(const Tierctl *ctl, const char *command, JsonObject *arguments, char *(*print)(JsonNode *))
{
    g_autoptr(JsonNode) answer = NULL;
    g_autofree char *text = NULL;
    GError *error = NULL;

    answer = tierctl_call(ctl, command, arguments, &error);
    if (!answer) {
        return tierctl_fail(error);
    }
    if (ctl->json) {
        return print_json(answer);
    }
    text = print(answer);
    return print_text(text);
}

static char *format_list(JsonNode *answer)
{
    static const char *const headings[] = {"NAME", "MODE",   ">FAST", ">SLOW", ">BUDGET",
                                           ">HIT", ">IDEAL", "STATE", NULL};
    g_autoptr(Table) table = table_new(headings);
    JsonArray *vms = node_array(answer);

    if (elements(vms) == 0) {
        return g_strdup("no VMs; 'tierctl add NAME' makes a socket for one\n");
    }
    for (guint i = 0; i < elements(vms); i++) {
        JsonObject *vm = element_object(vms, i);

        table_take(table, view_string(vm, "name"));
        table_take(table, view_string(vm, "mode"));
        table_take(table, text_size(vm_resident(vm, 0)));
        table_take(table, text_size(vm_resident_below(vm, 0)));
        table_take(table, text_size(field_uint(vm, "budget", UINT64_MAX)));
        table_take(table, text_share(field_number(vm, "hit_ratio")));
        table_take(table, text_share(field_number(vm, "ideal_hit_ratio")));
        table_take(table, vm_state(vm));
    }
    return table_format(table);
}

static int run_list(const Tierctl *ctl, char **args)
{
    return query(ctl, "query-vms", NULL, format_list);
}

/* One "key  value" line of 'show' and 'host'; @value is taken. */
static void line(GString *out, const char *key, char *value)
{
    g_string_append_printf(out, "%-14s %s\n", key, value);
    g_free(value);
}

static void append_table(GString *out, Table *table)
{
    g_autofree char *text = table_format(table);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **l = lines; *l; l++) {
        if (**l) {
            g_string_append_printf(out, "  %s\n", *l);
        }
    }
}

static void show_identity(GString *out, JsonObject *vm)
{
    g_autofree char *name = view_string(vm, "name");
    g_autofree char *state = vm_state(vm);
    uint64_t pid = field_uint(vm, "pid", 0);

    g_string_append_printf(out, "%s: %s\n", name, state);
    if (field_string(vm, "state_reason") && *field_string(vm, "state_reason")) {
        line(out, "because", view_string(vm, "state_reason"));
    }
    line(out, "socket", view_string(vm, "socket"));
    if (field_string(vm, "hint_socket")) {
        line(out, "hint socket", view_string(vm, "hint_socket"));
    }
    if (pid) {
        line(out, "QEMU's pid", g_strdup_printf("%" G_GUINT64_FORMAT, pid));
    }
    if (field_string(vm, "trace")) {
        line(out, "recording to", view_string(vm, "trace"));
    }
}

static void show_settings(GString *out, JsonObject *vm)
{
    g_autofree char *size = text_size(field_uint(vm, "fast_size", UINT64_MAX));
    g_autofree char *min = text_size(field_uint(vm, "fast_min", UINT64_MAX));
    g_autofree char *budget = text_size(field_uint(vm, "budget", UINT64_MAX));

    line(out, "mode", view_string(vm, "mode"));
    line(out, "fast memory",
         g_strdup_printf("%s now (at least %s, at most %s, weight %" G_GUINT64_FORMAT ")", budget, min, size,
                         field_uint(vm, "weight", 0)));
}

static void show_slowdown(GString *out, JsonObject *vm)
{
    JsonObject *slowdown = field_object(vm, "slowdown");
    g_autofree char *now = text_share(field_number(slowdown, "now"));
    g_autofree char *target = text_share(field_number(slowdown, "target"));
    g_autofree char *needs = text_size(field_uint(slowdown, "target_size", UINT64_MAX));
    g_autofree char *predicted = text_share(field_number(slowdown, "predicted"));
    g_autofree char *error = text_share(field_number(slowdown, "error"));
    g_autofree char *accesses = text_number(field_number(slowdown, "accesses_per_s"));
    g_autofree char *busy = text_share(field_number(slowdown, "busy"));
    const char *origin = field_bool(slowdown, "counted") ? "counted" : "estimated";

    line(out, "slowdown",
         g_strdup_printf("%s now, %s predicted for the budget (predictions are off by %s on average)", now, predicted,
                         error));
    if (isfinite(field_number(slowdown, "target"))) {
        line(out, "target", g_strdup_printf("%s, which takes %s of fast memory", target, needs));
    }
    line(out, "load", g_strdup_printf("%s cache misses/s (%s), %s of a CPU", accesses, origin, busy));
    if (field_bool(slowdown, "counted_by_tier")) {
        line(out, "counted hits", text_share(field_number(slowdown, "counted_hit_ratio")));
    }
}

static void show_placement(GString *out, JsonObject *vm)
{
    JsonArray *tiers = field_array(vm, "tiers");

    for (guint i = 0; i < elements(tiers); i++) {
        g_autofree char *nodes = view_string(element_object(tiers, i), "nodes");
        g_autofree char *bytes = text_size(vm_resident(vm, i));
        g_autofree char *key = g_strdup_printf("in tier %u", i);

        line(out, key, g_strdup_printf("%s (node %s)", bytes, nodes));
    }
    line(out, "absent", text_size(field_uint(vm, "absent_bytes", UINT64_MAX)));
}

static void show_results(GString *out, JsonObject *vm)
{
    JsonObject *moves = field_object(vm, "moves"), *failed = field_object(moves, "failed");
    g_autofree char *hit = text_share(field_number(vm, "hit_ratio"));
    g_autofree char *ideal = text_share(field_number(vm, "ideal_hit_ratio"));
    g_autofree char *up = text_size(field_uint(moves, "promoted_bytes", UINT64_MAX));
    g_autofree char *down = text_size(field_uint(moves, "demoted_bytes", UINT64_MAX));
    g_autofree char *undone = text_size(field_uint(moves, "undone_bytes", UINT64_MAX));
    g_autofree char *undone_share = text_share(field_number(moves, "undone_share"));
    g_autofree char *rate = text_number(field_number(moves, "pages_per_s"));
    g_autofree char *threshold = text_number(field_number(vm, "threshold_per_s"));
    g_autoptr(GList) reasons = failed ? json_object_get_members(failed) : NULL;

    line(out, "hit ratio",
         g_strdup_printf("%s estimated, %s with the hottest pages in the budget", hit, ideal));
    line(out, "threshold", g_strdup_printf("%s accesses/s a granule", threshold));
    line(out, "margin", text_number(field_number(vm, "margin")));
    line(out, "moved",
         g_strdup_printf("%s up, %s down, %s pages/s now; %s undone within 10 s (%s lately)", up, down, rate,
                         undone, undone_share));
    line(out, "pages", g_strdup_printf("%" G_GUINT64_FORMAT " asked for, %" G_GUINT64_FORMAT " moved",
                                       field_uint(moves, "asked", 0), field_uint(moves, "applied", 0)));
    for (GList *l = reasons; l; l = l->next) {
        g_autofree char *reason = text_clean(l->data);

        if (field_uint(failed, l->data, 0) > 0) {
            line(out, "",
                 g_strdup_printf("%" G_GUINT64_FORMAT " not moved: %s", field_uint(failed, l->data, 0),
                                 reason));
        }
    }
}

static void show_sources(GString *out, JsonObject *vm)
{
    static const char *const headings[] = {"NAME", "ACTIVE", ">REPORTS", ">OVERHEAD", "PROBLEM", NULL};
    g_autoptr(Table) table = table_new(headings);
    JsonArray *sources = field_array(vm, "sources");

    for (guint i = 0; i < elements(sources); i++) {
        JsonObject *source = element_object(sources, i);

        table_take(table, view_string(source, "name"));
        table_take(table, g_strdup(field_bool(source, "active") ? "yes" : "no"));
        table_take(table, g_strdup_printf("%" G_GUINT64_FORMAT, field_uint(source, "reports", 0)));
        table_take(table, text_share(field_number(source, "overhead_share")));
        table_take(table, view_string(source, "problem"));
    }
    g_string_append(out, "sources\n");
    append_table(out, table);
}

/* What the guest has said, by kind, and what became of it. */
static void show_hint_kinds(GString *out, JsonObject *hints)
{
    static const char *const headings[] = {"KIND", ">TAKEN", ">BYTES", ">OFF", ">UNTRUSTED", ">OVER LIMIT", ">NO RAM",
                                           NULL};
    static const char *const kinds[] = {"hot", "cold", "willneed", "free", "pin", "unpin"};
    static const char *const fates[] = {"off", "untrusted", "over_limit", "not_there"};
    g_autoptr(Table) table = table_new(headings);

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        JsonObject *kind = field_object(field_object(hints, "ranges"), kinds[i]);

        table_take(table, g_strdup(kinds[i]));
        table_take(table, g_strdup_printf("%" G_GUINT64_FORMAT, field_uint(kind, "taken", 0)));
        table_take(table, text_size(field_uint(kind, "bytes", UINT64_MAX)));
        for (size_t f = 0; f < G_N_ELEMENTS(fates); f++) {
            table_take(table, g_strdup_printf("%" G_GUINT64_FORMAT, field_uint(kind, fates[f], 0)));
        }
    }
    append_table(out, table);
}

static void show_hints(GString *out, JsonObject *vm)
{
    JsonObject *hints = field_object(vm, "hints");
    g_autofree char *trust = text_share(field_number(hints, "trust"));
    g_autofree char *followed = text_size(field_uint(hints, "followed_bytes", UINT64_MAX));
    g_autofree char *pinned = text_size(field_uint(hints, "pinned_bytes", UINT64_MAX));
    g_autofree char *limit = text_size(field_uint(hints, "pin_limit", UINT64_MAX));
    g_autofree char *dropped = text_size(field_uint(hints, "pinned_dropped_bytes", UINT64_MAX));

    if (!hints) {
        return;
    }
    if (field_string(hints, "problem")) {
        g_autofree char *problem = view_string(hints, "problem");

        line(out, "hints", g_strdup_printf("none: %s", problem));
    }
    if (field_uint(hints, "devices", 0) == 0) {
        return;
    }
    line(out, "trust in hints",
         g_strdup_printf("%s: how much better they foretell than the host can without them", trust));
    line(out, "hints checked",
         g_strdup_printf("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " proved right; %s followed",
                         field_uint(hints, "right", 0), field_uint(hints, "checked", 0), followed));
    line(out, "pinned", g_strdup_printf("%s of at most %s; %s were unpinned by the host", pinned, limit, dropped));
    line(out, "hints dropped",
         g_strdup_printf("%" G_GUINT64_FORMAT " as too many a second, %" G_GUINT64_FORMAT " malformed",
                         field_uint(hints, "dropped_rate", 0), field_uint(hints, "refused", 0)));
    g_string_append(out, "hints\n");
    show_hint_kinds(out, hints);
}

static void show_regions(GString *out, JsonObject *vm)
{
    static const char *const headings[] = {">ID", "NAME", ">SIZE", ">GRANULE", "ADDRESS", NULL};
    g_autoptr(Table) table = table_new(headings);
    JsonArray *regions = field_array(vm, "regions");

    if (elements(regions) == 0) {
        return;
    }
    for (guint i = 0; i < elements(regions); i++) {
        JsonObject *region = element_object(regions, i);

        table_take(table, g_strdup_printf("%" G_GUINT64_FORMAT, field_uint(region, "id", 0)));
        table_take(table, view_string(region, "name"));
        table_take(table, text_size(field_uint(region, "size", UINT64_MAX)));
        table_take(table, text_size(field_uint(region, "granule", UINT64_MAX)));
        table_take(table, g_strdup_printf("0x%" G_GINT64_MODIFIER "x", field_uint(region, "hva", 0)));
    }
    g_string_append(out, "regions\n");
    append_table(out, table);
}

/* What else is at work on the memory, of the host or of a VM. */
static void show_interference(GString *out, JsonObject *object)
{
    JsonArray *others = field_array(object, "interference");

    for (guint i = 0; i < elements(others); i++) {
        g_autofree char *what = view_string(element_object(others, i), "what");
        g_autofree char *remedy = view_string(element_object(others, i), "remedy");

        g_string_append_printf(out, "warning: %s; %s\n", what, remedy);
    }
}

static char *format_vm(JsonNode *answer)
{
    JsonObject *vm = node_object(answer);
    GString *out = g_string_new(NULL);

    show_identity(out, vm);
    show_settings(out, vm);
    show_slowdown(out, vm);
    show_placement(out, vm);
    show_results(out, vm);
    show_sources(out, vm);
    show_hints(out, vm);
    show_regions(out, vm);
    show_interference(out, vm);
    return g_string_free(out, FALSE);
}

static int run_show(const Tierctl *ctl, char **args)
{
    g_autoptr(JsonObject) arguments = tierctl_vm_arguments(args[0]);

    return query(ctl, "query-vm", arguments, format_vm);
}

/* 0 stands for what is not known. */
static char *latency(JsonObject *tier, const char *key)
{
    const uint64_t ns = field_uint(tier, key, 0);

    return text_time(ns ? ns : UINT64_MAX);
}

static void host_tiers(GString *out, JsonObject *host)
{
    static const char *const headings[] = {">TIER", "NODES",  ">IDLE",  ">NOW", ">HMAT",
                                           ">MB/S", ">TOTAL", ">FREE", NULL};
    g_autoptr(Table) table = table_new(headings);
    JsonArray *tiers = field_array(host, "tiers");
    g_autofree char *origin = view_string(host, "tiers_origin");

    for (guint i = 0; i < elements(tiers); i++) {
        JsonObject *tier = element_object(tiers, i);
        uint64_t bandwidth = field_uint(tier, "bandwidth_mbps", 0);

        table_take(table, g_strdup_printf("%u", i));
        table_take(table, view_string(tier, "nodes"));
        table_take(table, latency(tier, "idle_latency_ns"));
        table_take(table, latency(tier, "loaded_latency_ns"));
        table_take(table, latency(tier, "latency_ns"));
        table_take(table, text_number(bandwidth ? (double)bandwidth : NAN));
        table_take(table, text_size(field_uint(tier, "total_bytes", UINT64_MAX)));
        table_take(table, text_size(field_uint(tier, "free_bytes", UINT64_MAX)));
    }
    g_string_append_printf(out, "tiers (from: %s)\n", origin);
    append_table(out, table);
}

static void host_sources(GString *out, JsonObject *host)
{
    static const char *const headings[] = {"SOURCE", "USABLE", "PROBLEM", NULL};
    g_autoptr(Table) table = table_new(headings);
    JsonArray *sources = field_array(host, "sources");

    for (guint i = 0; i < elements(sources); i++) {
        JsonObject *source = element_object(sources, i);

        table_take(table, view_string(source, "name"));
        table_take(table, g_strdup(field_bool(source, "usable") ? "yes" : "no"));
        table_take(table, view_string(source, "problem"));
    }
    g_string_append(out, "sources of evidence\n");
    append_table(out, table);
}

static void host_costs(GString *out, JsonObject *host)
{
    JsonObject *costs = field_object(host, "costs");
    g_autofree char *small = text_time(field_uint(costs, "move_4k_ns", UINT64_MAX));
    g_autofree char *large = text_time(field_uint(costs, "move_2m_ns", UINT64_MAX));
    g_autofree char *not_watched = view_string(costs, "not_watched");

    line(out, "a move costs", g_strdup_printf("%s for 4 KiB, %s for 2 MiB (%s)", small, large,
                                              field_bool(costs, "measured") ? "measured" : "assumed"));
    if (field_bool(costs, "watched")) {
        line(out, "latencies", g_strdup("watched"));
    } else {
        line(out, "latencies", g_strdup_printf("not watched: %s", not_watched));
    }
}

static char *format_host(JsonNode *answer)
{
    JsonObject *host = node_object(answer);
    g_autofree char *uptime = text_number(field_number(host, "uptime_s"));
    g_autofree char *cpu = text_share(field_number(host, "cpu_share"));
    GString *out = g_string_new(NULL);

    line(out, "vhost-tier", view_string(host, "version"));
    line(out, "up for", g_strdup_printf("%s s", uptime));
    line(out, "CPU", g_strdup_printf("%s of one", cpu));
    host_costs(out, host);
    host_tiers(out, host);
    host_sources(out, host);
    show_interference(out, host);
    return g_string_free(out, FALSE);
}

static int run_host(const Tierctl *ctl, char **args)
{
    return query(ctl, "query-host", NULL, format_host);
}

const Command query_commands[] = {
    {{"list", NULL, "Show all VMs, one a line.",
      "FAST and SLOW: memory that lies in tier 0 and in the others. BUDGET: what the VM may hold of tier 0 now.\n"
      "HIT: estimated share of accesses that hit tier 0. IDEAL: the same if the hottest pages filled the budget."},
     run_list},
    {{"show", "VM", "Show all that is known of one VM."}, run_show},
    {{"host", NULL, "Show the host's tiers, its sources of evidence, costs, and what else moves memory."}, run_host},
    {{0}},
};
