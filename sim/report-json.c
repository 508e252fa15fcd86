/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All runs as JSON. What is no number is null.
 */
#include "report.h"

#include <json-glib/json-glib.h>
#include <math.h>

static void add_number(JsonBuilder *json, const char *name, double value)
{
    json_builder_set_member_name(json, name);
    if (isfinite(value)) {
        json_builder_add_double_value(json, value);
    } else {
        json_builder_add_null_value(json);
    }
}

static void add_text(JsonBuilder *json, const char *name, const char *value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_string_value(json, value);
}

static void add_integer(JsonBuilder *json, const char *name, uint64_t value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, (gint64)value);
}

static void add_guests(JsonBuilder *json, const GArray *guests)
{
    json_builder_set_member_name(json, "guests");
    json_builder_begin_array(json);
    for (guint i = 0; i < guests->len; i++) {
        const RunGuest *guest = &g_array_index(guests, RunGuest, i);

        json_builder_begin_object(json);
        add_text(json, "name", guest->name);
        add_number(json, "hit-ratio", guest->hit_ratio);
        add_number(json, "slowdown", guest->slowdown);
        add_number(json, "fast-bytes", guest->fast_bytes);
        add_number(json, "floor-bytes", guest->floor_bytes);
        add_number(json, "below-floor-share", guest->below_floor_share);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void add_predictions(JsonBuilder *json, const GArray *predictions)
{
    json_builder_set_member_name(json, "predictions");
    json_builder_begin_array(json);
    for (guint i = 0; i < predictions->len; i++) {
        const RunPrediction *prediction = &g_array_index(predictions, RunPrediction, i);

        json_builder_begin_object(json);
        add_number(json, "fast-share", prediction->share);
        add_number(json, "hit-ratio", prediction->hit_ratio);
        add_number(json, "slowdown", prediction->slowdown);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void add_points(JsonBuilder *json, const GArray *points)
{
    json_builder_set_member_name(json, "points");
    json_builder_begin_array(json);
    for (guint i = 0; i < points->len; i++) {
        const RunPoint *point = &g_array_index(points, RunPoint, i);

        json_builder_begin_object(json);
        add_number(json, "time-s", (double)point->now_ns / 1e9);
        add_number(json, "hit-ratio", point->hit_ratio);
        add_number(json, "slowdown", point->slowdown);
        add_number(json, "moved-bytes-per-s", point->moved_bytes_per_s);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void add_run(JsonBuilder *json, const Experiment *experiment, size_t row, size_t share,
                    size_t contender, size_t seed, bool series, bool timing)
{
    const RunResult *result = experiment_result(experiment, row, share, contender, seed);

    json_builder_begin_object(json);
    add_text(json, "row", experiment_row(experiment, row)->name);
    add_text(json, "share", experiment_share(experiment, share)->name);
    add_number(json, "fast-share", experiment_share(experiment, share)->share);
    add_text(json, "contender", experiment_contender(experiment, contender)->label);
    add_integer(json, "seed", experiment->options.seed + seed);
    add_number(json, "hit-ratio", result->hit_ratio);
    add_number(json, "slowdown", result->slowdown);
    add_number(json, "time-to-90-s", result->time_to_90_s);
    add_number(json, "undone-share", result->undone_share);
    add_number(json, "moved-bytes-per-s", result->moved_bytes_per_s);
    add_number(json, "overhead-share", result->overhead_share);
    add_number(json, "host-cpu-share", result->host_cpu_share);
    add_number(json, "host-move-share", result->host_move_share);
    add_number(json, "metadata-bytes-per-page", result->metadata_per_granule);
    if (timing) {
        add_number(json, "planner-ns-per-page-s", result->planner_ns_per_granule);
    }
    add_guests(json, result->guests);
    add_predictions(json, result->predictions);
    if (series) {
        add_points(json, result->points);
    }
    json_builder_end_object(json);
}

char *report_json(const Experiment *experiment, bool series, bool timing)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    char *text, *whole;

    json_builder_begin_object(json);
    add_number(json, "scale", experiment->options.scale);
    add_integer(json, "move-bytes-per-s", experiment->options.move_bytes_per_s);
    json_builder_set_member_name(json, "runs");
    json_builder_begin_array(json);
    for (size_t row = 0; row < experiment->rows->len; row++) {
        for (size_t share = 0; share < experiment->shares->len; share++) {
            for (size_t contender = 0; contender < experiment->contenders->len; contender++) {
                for (size_t seed = 0; seed < experiment->n_seeds; seed++) {
                    add_run(json, experiment, row, share, contender, seed, series, timing);
                }
            }
        }
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    root = json_builder_get_root(json);
    text = json_to_string(root, true);
    whole = g_strconcat(text, "\n", NULL);
    g_free(text);
    return whole;
}
