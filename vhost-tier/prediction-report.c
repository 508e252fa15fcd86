/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Predictions for the control socket; see prediction-report.h.
 */
#include "prediction-report.h"

#include <math.h>

#include "core/slowdown.h"

/* The sizes of the table, in 16ths of the memory that is present: close together where most is to be had. */
static const unsigned sixteenths[] = { 1, 2, 3, 4, 6, 8, 10, 12, 14, 16 };

/* JSON knows no NaN: what is not known is null. */
static void set_number(JsonObject *object, const char *key, double number)
{
    if (isfinite(number)) {
        json_object_set_double_member(object, key, number);
    } else {
        json_object_set_null_member(object, key);
    }
}

static JsonObject *size_json(const Outlook *outlook, uint64_t bytes)
{
    const ForecastAt at = outlook_at(outlook, bytes);
    JsonObject *size = json_object_new();

    json_object_set_int_member(size, "fast_size", (gint64)MIN(bytes, (uint64_t)G_MAXINT64));
    set_number(size, "hit_ratio", at.hit_ratio);
    set_number(size, "slowdown", at.slowdown);
    return size;
}

/* The named sizes, and those in between, in no order. */
static JsonArray *sizes_json(const Snapshot *snapshot)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } named[] = {
        { "now", snapshot->stats.granule_bytes[0] },
        { "budget", snapshot->budget },
        { "fast-min", snapshot->fast_min },
        { "fast-size", snapshot->fast_size },
    };
    JsonArray *list = json_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(named); i++) {
        JsonObject *size = size_json(&snapshot->outlook, named[i].bytes);

        json_object_set_string_member(size, "name", named[i].name);
        json_array_add_object_element(list, size);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sixteenths); i++) {
        const uint64_t bytes = snapshot->outlook.curve.present_bytes / 16 * sixteenths[i];

        json_array_add_object_element(list, size_json(&snapshot->outlook, bytes));
    }
    return list;
}

/* The whole curve, from no fast memory to all of what was seen. */
static JsonArray *curve_json(const Outlook *outlook)
{
    const PolicyCurve *curve = &outlook->curve;
    JsonArray *list = json_array_new();

    json_array_add_object_element(list, size_json(outlook, 0));
    for (size_t i = 0; i < curve->n; i++) {
        json_array_add_object_element(list, size_json(outlook, curve->points[i].bytes));
    }
    return list;
}

static JsonArray *checked_json(const PredictionLog *log, uint64_t now_ns)
{
    JsonArray *list = json_array_new();

    for (uint64_t i = log->n - MIN(log->n, (uint64_t)PREDICTION_KEPT); i < log->n; i++) {
        const Prediction *one = &log->kept[i % PREDICTION_KEPT];
        JsonObject *entry = json_object_new();

        set_number(entry, "made_s_ago", (double)(now_ns - MIN(one->made_ns, now_ns)) / 1e9);
        set_number(entry, "checked_s_ago", (double)(now_ns - MIN(one->checked_ns, now_ns)) / 1e9);
        json_object_set_int_member(entry, "fast_size", (gint64)MIN(one->bytes, (uint64_t)G_MAXINT64));
        set_number(entry, "predicted", one->predicted);
        set_number(entry, "measured", one->measured);
        json_object_set_boolean_member(entry, "placed", one->placed);
        json_array_add_object_element(list, entry);
    }
    return list;
}

JsonObject *prediction_report(const Snapshot *snapshot, uint64_t now_ns)
{
    const PolicyCurve *curve = &snapshot->outlook.curve;
    JsonObject *report = json_object_new();
    const uint64_t seen = curve->n ? curve->points[curve->n - 1].bytes : 0;

    json_object_set_int_member(report, "present_bytes",
                               (gint64)MIN(curve->present_bytes, (uint64_t)G_MAXINT64));
    json_object_set_int_member(report, "seen_bytes", (gint64)MIN(seen, (uint64_t)G_MAXINT64));
    set_number(report, "accesses_per_s", curve->n ? slowdown_total(curve) : NAN);
    set_number(report, "hit_ratio", snapshot->planned ? snapshot->stats.hit_ratio : NAN);
    set_number(report, "slowdown", snapshot->slowdown);
    json_object_set_array_member(report, "sizes", curve->n ? sizes_json(snapshot) : json_array_new());
    json_object_set_array_member(report, "curve", curve->n ? curve_json(&snapshot->outlook) : json_array_new());
    json_object_set_array_member(report, "checked", checked_json(&snapshot->predictions, now_ns));
    set_number(report, "error", prediction_error(&snapshot->predictions));
    set_number(report, "slowdown_error", snapshot->track.checks ? snapshot->track.error : NAN);
    return report;
}
