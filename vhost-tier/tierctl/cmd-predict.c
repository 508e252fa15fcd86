/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl predict: what a VM would do with more or less fast memory.
 */
#include <math.h>
#include <stdlib.h>

#include "client/fields.h"
#include "plot/plot.h"
#include "tierctl/output.h"
#include "tierctl/tierctl.h"

#define MAX_POINTS 1024         /* of a curve that is drawn */

static char *option_output;
static gboolean option_verbose;

static const GOptionEntry options[] = {
    {"output", 'o', 0, G_OPTION_ARG_FILENAME, &option_output, "Draw the curve as well (*.png or *.svg)",
     "FILE"},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &option_verbose, "List the last predictions and what came of them",
     NULL},
    G_OPTION_ENTRY_NULL,
};

/* --- the table --- */

static gint by_size(gconstpointer a, gconstpointer b)
{
    const uint64_t x = field_uint(*(JsonObject *const *)a, "fast_size", 0);
    const uint64_t y = field_uint(*(JsonObject *const *)b, "fast_size", 0);

    return x < y ? -1 : x > y;
}

static GPtrArray *sorted_sizes(JsonArray *sizes)
{
    GPtrArray *list = g_ptr_array_new();

    for (guint i = 0; i < elements(sizes); i++) {
        if (element_object(sizes, i)) {
            g_ptr_array_add(list, element_object(sizes, i));
        }
    }
    g_ptr_array_sort(list, by_size);
    return list;
}

/* The names of size @i and of those after it that read the same; @i becomes the last of them. */
static char *names_of(const GPtrArray *sizes, guint *i)
{
    g_autofree char *text = text_size(field_uint(g_ptr_array_index(sizes, *i), "fast_size", 0));
    GString *names = g_string_new(NULL);

    for (guint first = *i; first < sizes->len; first++) {
        JsonObject *size = g_ptr_array_index(sizes, first);
        g_autofree char *name = text_clean(field_string(size, "name"));
        g_autofree char *same = text_size(field_uint(size, "fast_size", 0));

        if (!g_str_equal(text, same)) {
            break;
        }
        if (field_string(size, "name")) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
        }
        *i = first;
    }
    return g_string_free(names, FALSE);
}

static void append_sizes(GString *out, JsonObject *report)
{
    static const char *const headings[] = {">FAST", ">OF ALL", ">HIT", ">SLOWDOWN", "", NULL};
    const double present = field_number(report, "present_bytes");
    g_autoptr(GPtrArray) sizes = sorted_sizes(field_array(report, "sizes"));
    g_autoptr(Table) table = table_new(headings);
    g_autofree char *text = NULL;

    for (guint i = 0; i < sizes->len; i++) {
        JsonObject *size = g_ptr_array_index(sizes, i);
        const uint64_t bytes = field_uint(size, "fast_size", 0);
        g_autofree char *name = names_of(sizes, &i);

        table_take(table, text_size(bytes));
        table_take(table, text_share(present > 0 ? MIN((double)bytes / present, 1) : NAN));
        table_take(table, text_share(field_number(size, "hit_ratio")));
        table_take(table, text_share(field_number(size, "slowdown")));
        table_take(table, g_steal_pointer(&name));
    }
    text = table_format(table);
    g_string_append(out, text);
}

/* --- how well it went --- */

static void append_checked(GString *out, JsonObject *report)
{
    static const char *const headings[] = {"MADE", ">FAST", ">PREDICTED", ">THEN", "", NULL};
    JsonArray *checked = field_array(report, "checked");
    g_autoptr(Table) table = table_new(headings);
    g_autofree char *text = NULL;

    for (guint i = 0; i < elements(checked); i++) {
        JsonObject *one = element_object(checked, i);

        table_take(table, text_age(field_number(one, "made_s_ago")));
        table_take(table, text_size(field_uint(one, "fast_size", UINT64_MAX)));
        table_take(table, text_share(field_number(one, "predicted")));
        table_take(table, text_share(field_number(one, "measured")));
        table_take(table, g_strdup(field_bool(one, "placed") ? "measured where pages lay"
                                                             : "expected then; nothing was moved"));
    }
    text = table_format(table);
    g_string_append_printf(out, "\n%s", text);
}

/* 0.012 -> "1.2 points"; NaN -> "not known yet". */
static char *error_text(double error)
{
    return isnan(error) ? g_strdup("not known yet") : g_strdup_printf("%.2f points", error * 100);
}

static char *format(JsonObject *report)
{
    g_autofree char *present = text_size(field_uint(report, "present_bytes", UINT64_MAX));
    g_autofree char *seen = text_size(field_uint(report, "seen_bytes", UINT64_MAX));
    g_autofree char *hit = text_share(field_number(report, "hit_ratio"));
    g_autofree char *slowdown = text_share(field_number(report, "slowdown"));
    g_autofree char *error = error_text(field_number(report, "error"));
    g_autofree char *slowdown_error = error_text(field_number(report, "slowdown_error"));
    GString *out = g_string_new(NULL);

    if (elements(field_array(report, "sizes")) == 0) {
        g_string_append(out, "nothing was seen of the VM's memory yet, so that nothing can be predicted; "
                             "'tierctl show VM' tells which sources of evidence work\n");
        return g_string_free(out, FALSE);
    }
    g_string_append_printf(out, "of %s, %s seen; now: hit ratio %s, slowdown %s\n\n", present, seen, hit,
                           slowdown);
    append_sizes(out, report);
    g_string_append_printf(out, "\nmean error lately: hit ratio %s, slowdown %s\n", error, slowdown_error);
    if (option_verbose) {
        append_checked(out, report);
    }
    return g_string_free(out, FALSE);
}

/* --- the picture --- */

static void add_marks(Plot *plot, JsonArray *sizes)
{
    for (guint i = 0; i < elements(sizes); i++) {
        JsonObject *size = element_object(sizes, i);

        if (field_string(size, "name") && field_uint(size, "fast_size", 0) > 0) {
            plot_mark(plot, field_string(size, "name"), field_number(size, "fast_size"));
        }
    }
}

static Plot *draw(JsonObject *report, const char *title, const char *key, const char *label,
                  const char *checked)
{
    JsonArray *curve = field_array(report, "curve"), *past = field_array(report, checked);
    const PlotAxis x = { .label = "fast memory", .unit = PLOT_BYTES,
                         .max = MAX(field_number(report, "present_bytes"), 1) };
    const PlotAxis y = { .label = label, .unit = PLOT_SHARE };
    const guint n = MIN(elements(curve), (guint)MAX_POINTS), m = MIN(elements(past), (guint)MAX_POINTS);
    g_autofree double *at = g_new(double, n + m + 1), *value = g_new(double, n + m + 1);
    Plot *plot = plot_new(title, &x, &y);

    for (guint i = 0; i < n; i++) {
        at[i] = field_number(element_object(curve, i), "fast_size");
        value[i] = field_number(element_object(curve, i), key);
    }
    plot_line(plot, "expected", at, value, n, PLOT_LINE);
    for (guint i = 0; i < m; i++) {
        at[i] = field_number(element_object(past, i), "fast_size");
        value[i] = field_number(element_object(past, i), "measured");
    }
    if (m > 0) {
        plot_line(plot, "measured", at, value, m, PLOT_POINTS);
    }
    add_marks(plot, field_array(report, "sizes"));
    return plot;
}

static bool write_file(JsonObject *report, const char *vm, GError **errp)
{
    g_autofree char *name = text_clean(vm);
    g_autofree char *hit_title = g_strdup_printf("%s: hit ratio by the size of fast memory", name);
    g_autofree char *slowdown_title = g_strdup_printf("%s: slowdown against all memory fast", name);
    g_autoptr(Plot) hit = draw(report, hit_title, "hit_ratio", "hit ratio", "checked");
    g_autoptr(Plot) slowdown = draw(report, slowdown_title, "slowdown", "slowdown", "");
    const Plot *const plots[] = { hit, slowdown };

    return plot_write_panels(plots, 2, option_output, errp);
}

static int run_predict(const Tierctl *ctl, char **args)
{
    g_autoptr(JsonObject) arguments = tierctl_vm_arguments(args[0]);
    g_autoptr(JsonNode) answer = NULL;
    g_autoptr(GError) usage = NULL;
    g_autofree char *text = NULL;
    GError *error = NULL;

    if (option_output && !plot_check_path(option_output, &usage)) {
        return cli_usage("tierctl", "predict", "--output: %s", usage->message);
    }
    answer = tierctl_call(ctl, "query-prediction", arguments, &error);
    if (!answer) {
        return tierctl_fail(error);
    }
    if (option_output && !write_file(node_object(answer), args[0], &error)) {
        return tierctl_fail(error);
    }
    if (ctl->json) {
        return print_json(answer);
    }
    text = format(node_object(answer));
    return print_text(text);
}

const Command predict_commands[] = {
    {{"predict", "VM", "Tell what hit ratio and slowdown to expect with more or less fast memory.",
      "FAST: a size of fast memory; OF ALL: its share of what the VM uses. HIT: the share of accesses that would hit it with\n"
      "the hottest pages there. SLOWDOWN: the time lost against all memory fast. Works in mode 'observe' as well: watch a\n"
      "VM before it is given a size. The error is that of earlier predictions against what came of them.",
      options},
     run_predict},
    {{0}},
};
