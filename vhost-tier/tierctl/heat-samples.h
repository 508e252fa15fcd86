/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What 'query-heatmap' told, once or once a second: a matrix of addresses over time for heat and one for
 * tier.
 */
#ifndef VHOST_TIER_TIERCTL_HEAT_SAMPLES_H
#define VHOST_TIER_TIERCTL_HEAT_SAMPLES_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/* By sample, then by bucket: value[sample * rows + bucket]; NaN: not known. */
typedef struct HeatSamples {
    size_t rows, columns;       /* buckets; samples so far */
    uint64_t bytes, bucket_bytes;
    uint64_t stride;            /* one page in so many was looked at */
    GArray *per_s;              /* of double: accesses per second and 4 KiB page */
    GArray *fast;               /* of double: share of what is present that lies in tier 0 */
} HeatSamples;

HeatSamples heat_samples_new(void);
void heat_samples_clear(HeatSamples *samples);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HeatSamples, heat_samples_clear)

/*
 * Add one answer. False, with an error, when it makes no sense, or is of other memory than those before
 * (a region came or went).
 */
bool heat_samples_add(HeatSamples *samples, JsonObject *answer, GError **errp);
/* The least and most heat above 0 of all samples; false where there is none. */
bool heat_samples_range(const HeatSamples *samples, double *least, double *most);

#endif /* VHOST_TIER_TIERCTL_HEAT_SAMPLES_H */
