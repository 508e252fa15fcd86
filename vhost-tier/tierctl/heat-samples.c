/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What 'query-heatmap' told; see heat-samples.h.
 */
#include "tierctl/heat-samples.h"

#include <gio/gio.h>
#include <math.h>

#include "client/fields.h"

#define PAGE     4096.0
#define MAX_ROWS 4096           /* as the daemon has it */

HeatSamples heat_samples_new(void)
{
    return (HeatSamples) {
        .per_s = g_array_new(FALSE, FALSE, sizeof(double)),
        .fast = g_array_new(FALSE, FALSE, sizeof(double)),
    };
}

void heat_samples_clear(HeatSamples *samples)
{
    g_array_unref(samples->per_s);
    g_array_unref(samples->fast);
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

bool heat_samples_add(HeatSamples *samples, JsonObject *answer, GError **errp)
{
    JsonArray *per_s = field_array(answer, "per_s"), *seen = field_array(answer, "seen_bytes");
    JsonArray *tiers = field_array(answer, "tier_bytes");
    const uint64_t bytes = field_uint(answer, "bytes", 0), bucket = field_uint(answer, "bucket_bytes", 0);

    if (bytes == 0 || bucket == 0 || elements(per_s) == 0 || elements(per_s) > MAX_ROWS) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the daemon's answer to query-heatmap makes no sense: is it of another version?");
        return false;
    }
    if (samples->columns > 0 &&
        (samples->rows != elements(per_s) || samples->bytes != bytes || samples->bucket_bytes != bucket)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "the VM's memory changed while it was watched: a region came or went; try again");
        return false;
    }
    samples->rows = elements(per_s);
    samples->bytes = bytes;
    samples->bucket_bytes = bucket;
    samples->stride = field_uint(answer, "stride", 1);
    for (guint i = 0; i < samples->rows; i++) {
        const double heat = ratio(element_number(per_s, i) * PAGE, (double)element_uint(seen, i));
        double present = 0, fast;

        for (guint t = 0; t < elements(tiers); t++) {
            present += (double)element_uint(element_array(tiers, t), i);
        }
        fast = ratio((double)element_uint(element_array(tiers, 0), i), present);
        g_array_append_val(samples->per_s, heat);
        g_array_append_val(samples->fast, fast);
    }
    samples->columns++;
    return true;
}

bool heat_samples_range(const HeatSamples *samples, double *least, double *most)
{
    *least = INFINITY;
    *most = 0;
    for (guint i = 0; i < samples->per_s->len; i++) {
        const double heat = g_array_index(samples->per_s, double, i);

        if (heat > 0 && isfinite(heat)) {
            *least = MIN(*least, heat);
            *most = MAX(*most, heat);
        }
    }
    return *most > 0;
}
