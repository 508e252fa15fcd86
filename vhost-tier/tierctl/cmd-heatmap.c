/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl heatmap: a VM's memory as a picture, by heat and by tier; as it is now, or over time.
 */
#include <glib-unix.h>
#include <math.h>
#include <string.h>

#include "client/fields.h"
#include "plot/plot.h"
#include "tierctl/heat-samples.h"
#include "tierctl/output.h"
#include "tierctl/picture.h"
#include "tierctl/tierctl.h"

#define FILE_BUCKETS 400        /* about as many as an area has points */
#define SHOWN_ROWS   24         /* of a picture in the terminal; two in a line */
#define LABEL_WIDTH  9
#define MAX_SECONDS  3600
/* What colours span, as a factor: with less noise would look like heat, with more heat would look alike. */
#define LEAST_SPAN   64.0
#define MOST_SPAN    10000.0

static char *option_output;
static int option_seconds;

static const GOptionEntry options[] = {
    {"output", 'o', 0, G_OPTION_ARG_FILENAME, &option_output,
     "Write a picture (*.png or *.svg) in place of a rough one", "FILE"},
    {"seconds", 0, 0, G_OPTION_ARG_INT, &option_seconds, "Watch for so long, looking once a second", "N"},
    G_OPTION_ENTRY_NULL,
};

typedef struct Watch {
    const Tierctl *ctl;
    Client *client;
    JsonObject *arguments;
    HeatSamples *samples;
    GMainLoop *loop;
    int left;                   /* looks to come */
    int rc;
} Watch;

/* --- looking --- */

static bool look(Watch *watch)
{
    g_autoptr(JsonNode) answer = NULL;
    GError *error = NULL;

    answer = client_call(watch->client, "query-heatmap", watch->arguments, &error);
    if (!answer || !heat_samples_add(watch->samples, node_object(answer), &error)) {
        watch->rc = tierctl_fail(error);
    } else if (watch->ctl->json) {
        watch->rc = print_json(answer);
    }
    watch->left--;
    return watch->rc == EXIT_OK && watch->left > 0;
}

static gboolean on_tick(gpointer opaque)
{
    Watch *watch = opaque;

    if (look(watch)) {
        return G_SOURCE_CONTINUE;
    }
    g_main_loop_quit(watch->loop);
    return G_SOURCE_REMOVE;
}

static gboolean on_end(gpointer opaque)
{
    g_main_loop_quit(((Watch *)opaque)->loop);
    return G_SOURCE_CONTINUE;
}

static void look_on(Watch *watch)
{
    watch->loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGINT, on_end, watch);
    g_unix_signal_add(SIGTERM, on_end, watch);
    g_unix_signal_add(SIGHUP, on_end, watch);
    g_timeout_add(1000, on_tick, watch);
    g_main_loop_run(watch->loop);
    g_main_loop_unref(watch->loop);
}

/* --- the scale --- */

/* The range of heat that colours show. */
static void heat_range(const HeatSamples *samples, double *least, double *most)
{
    if (!heat_samples_range(samples, least, most)) {
        *least = 1;
        *most = LEAST_SPAN;
    }
    *least = CLAMP(*least, *most / MOST_SPAN, *most / LEAST_SPAN);
}

/* --- a file --- */

static bool write_over_time(const HeatSamples *samples, const char *vm, GError **errp)
{
    double least, most;
    const PlotAxis x = { .label = "seconds", .max = (double)samples->columns };
    const PlotAxis y = { .label = "address", .unit = PLOT_BYTES,
                         .max = (double)samples->bucket_bytes * (double)samples->rows };
    g_autofree char *heat_title = g_strdup_printf("%s: heat", vm),
                    *tier_title = g_strdup_printf("%s: tier", vm);
    g_autoptr(Plot) heat = plot_new(heat_title, &x, &y);
    g_autoptr(Plot) tier = plot_new(tier_title, &x, &y);
    const Plot *const plots[] = { heat, tier };

    heat_range(samples, &least, &most);
    plot_heat(heat,
              &(PlotHeat){
                  .columns = samples->columns,
                  .rows = samples->rows,
                  .values = (const double *)(void *)samples->per_s->data,
                  .colours = PLOT_COLOURS_HEAT,
                  .scale = {.label = "accesses/s a page", .logarithmic = true, .min = least, .max = most},
              });
    plot_heat(tier, &(PlotHeat){
                        .columns = samples->columns,
                        .rows = samples->rows,
                        .values = (const double *)(void *)samples->fast->data,
                        .colours = PLOT_COLOURS_TWO,
                        .scale = {.label = "share in tier 0", .unit = PLOT_SHARE, .max = 1},
                    });
    return plot_write_panels(plots, 2, option_output, errp);
}

static bool write_snapshot(const HeatSamples *samples, const char *vm, GError **errp)
{
    const PlotAxis x = { .label = "address", .unit = PLOT_BYTES, .max = (double)samples->bytes };
    const PlotAxis heat_y = { .label = "accesses/s a page", .logarithmic = true };
    const PlotAxis tier_y = { .label = "share in tier 0", .unit = PLOT_SHARE, .max = 1 };
    g_autofree char *heat_title = g_strdup_printf("%s: heat", vm),
                    *tier_title = g_strdup_printf("%s: tier", vm);
    g_autoptr(Plot) heat = plot_new(heat_title, &x, &heat_y);
    g_autoptr(Plot) tier = plot_new(tier_title, &x, &tier_y);
    const Plot *const plots[] = { heat, tier };
    g_autofree double *at = g_new(double, samples->rows);

    for (size_t i = 0; i < samples->rows; i++) {
        at[i] = ((double)i + 0.5) * (double)samples->bucket_bytes;
    }
    plot_line(heat, NULL, at, (const double *)(void *)samples->per_s->data, samples->rows, PLOT_LINE);
    plot_line(tier, NULL, at, (const double *)(void *)samples->fast->data, samples->rows, PLOT_LINE);
    return plot_write_panels(plots, 2, option_output, errp);
}

static int write_file(const HeatSamples *samples, const char *vm)
{
    g_autofree char *name = text_clean(vm), *text = NULL;
    GError *error = NULL;

    if (!(option_seconds > 0 ? write_over_time : write_snapshot)(samples, name, &error)) {
        return tierctl_fail(error);
    }
    text = g_strdup_printf("%s: %zu samples of %zu pieces of memory\n", option_output, samples->columns,
                           samples->rows);
    return print_text(text);
}

/* --- the terminal --- */

/*
 * Where in the samples a cell of the picture lies. Over time: address upwards, time to the right. At one
 * time: address as one reads, from left to right and top to bottom.
 */
static size_t cell_of(const HeatSamples *samples, size_t rows, size_t columns, size_t row, size_t column)
{
    if (option_seconds > 0) {
        return column * samples->columns / columns * samples->rows + (rows - 1 - row) * samples->rows / rows;
    }
    return (row * columns + column) * samples->rows / (rows * columns);
}

static char **labels_of(const HeatSamples *samples, size_t rows, size_t columns)
{
    char **labels = g_new0(char *, rows / 2 + 1);

    for (size_t row = 0; row < rows; row += 2) {
        const size_t cell = cell_of(samples, rows, columns, option_seconds > 0 ? row + 1 : row, 0);

        labels[row / 2] = text_size(cell % samples->rows * samples->bucket_bytes);
    }
    return labels;
}

static void append_picture(GString *out, const HeatSamples *samples, PictureColours colours, size_t rows,
                           size_t columns)
{
    g_autofree double *values = g_new(double, rows * columns);
    g_auto(GStrv) labels = labels_of(samples, rows, columns);
    const Picture picture = { rows, columns, values, colours, labels, LABEL_WIDTH };
    double least, most;

    heat_range(samples, &least, &most);
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            const size_t cell = cell_of(samples, rows, columns, row, column);
            const double heat = g_array_index(samples->per_s, double, cell);
            double *value = &values[row * columns + column];

            if (colours == PICTURE_TIER) {
                *value = g_array_index(samples->fast, double, cell);
            } else {
                *value = isnan(heat) ? NAN : heat > 0 ? log(heat / least) / log(most / least) : 0;
            }
        }
    }
    picture_append(out, &picture);
}

static int show(const HeatSamples *samples, size_t columns)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *low = NULL, *high = NULL, *piece = text_size(samples->bucket_bytes);
    double least, most;

    heat_range(samples, &least, &most);
    low = text_number(least);
    high = text_number(most);
    g_string_append_printf(out, "accesses/s a page, by address%s; a piece is %s",
                           option_seconds > 0 ? " (upwards) over time" : "", piece);
    if (samples->stride > 1) {
        g_string_append_printf(out, ", of which one page in %" G_GUINT64_FORMAT " was looked at",
                               samples->stride);
    }
    g_string_append_c(out, '\n');
    append_picture(out, samples, PICTURE_HEAT, SHOWN_ROWS, columns);
    picture_append_legend(out, PICTURE_HEAT, low, high);
    g_string_append(out, "\ntier\n");
    append_picture(out, samples, PICTURE_TIER, SHOWN_ROWS, columns);
    picture_append_legend(out, PICTURE_TIER, "slow", "fast");
    return print_text(out->str);
}

/* As many pieces as the picture has cells for. */
static size_t buckets_wanted(size_t columns)
{
    if (option_output) {
        return FILE_BUCKETS;
    }
    return option_seconds > 0 ? SHOWN_ROWS : MIN(SHOWN_ROWS * columns, 4096);
}

static int run_heatmap(const Tierctl *ctl, char **args)
{
    const size_t columns = picture_width(LABEL_WIDTH);
    g_autoptr(JsonObject) arguments = tierctl_vm_arguments(args[0]);
    g_autoptr(GError) usage = NULL;
    g_autoptr(Client) client = NULL;
    g_auto(HeatSamples) samples = heat_samples_new();
    Watch watch = {.ctl = ctl, .arguments = arguments, .samples = &samples, .left = MAX(option_seconds, 1)};
    GError *error = NULL;

    if (option_seconds < 0 || option_seconds > MAX_SECONDS) {
        return cli_usage("tierctl", "heatmap", "--seconds: %d is not from 1 to %d", option_seconds, MAX_SECONDS);
    }
    if (option_output && !plot_check_path(option_output, &usage)) {
        return cli_usage("tierctl", "heatmap", "--output: %s", usage->message);
    }
    json_object_set_int_member(arguments, "buckets", (gint64)buckets_wanted(columns));
    client = client_connect(ctl->socket, &error);
    if (!client) {
        return tierctl_fail(error);
    }
    watch.client = client;
    if (look(&watch)) {
        if (!ctl->json) {
            g_printerr("watching '%s' for %d s; Ctrl-C ends it early\n", args[0], option_seconds);
        }
        look_on(&watch);
    }
    if (watch.rc != EXIT_OK || ctl->json) {
        return watch.rc;
    }
    return option_output ? write_file(&samples, args[0]) : show(&samples, columns);
}

const Command heatmap_commands[] = {
    {{"heatmap", "VM", "Show a VM's memory as a picture: which is hot, and in which tier it lies.",
      "Without --seconds as it is now, else over time, once a second. In a terminal a rough picture, in letters where\n"
      "it has no colours; with --output a good one. Addresses are those of guest RAM, all regions one behind the other.\n"
      "Of more than 1 GiB a sample of the pages is looked at.",
      options},
     run_heatmap},
    {{0}},
};
