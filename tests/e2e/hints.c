/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hints of a guest on a host with CXL memory: how soon what it asks for is fast, what the truth about a hot set that
 * moves is worth, and that lies are worth nothing. (topology cxl, newest kernel)
 *
 * The guest asks its daemon through vhost-user-tier-pci. A guest that says nothing is the measure of each, in a run of
 * its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "client/fields.h"
#include "observer/watch.h"

#define AREA_MIB      28u
#define FAST          "fast-size=6M,mode=on"
#define PERIOD_S      15u           /* of gups-move */
#define JUMPS         3u            /* of its hot set, that are timed */
#define SAMPLE_US     250000
#define LANDED_MS_MAX 200.0
#define PROBES_S      45.0
#define LIE_S         40u           /* from the start; what is judged is the last fifth */
#define LIE_THOROUGH_S 75u
#define LIE_LOSS_MAX  0.05

typedef struct Sample {
    double at_s;
    uint32_t phase;
    double hit_ratio;               /* since the sample before */
} Sample;

static bool start(Bed *bed, const char *pattern, GError **errp)
{
    return bed_start(bed, BED_TRACKING, pattern, AREA_MIB, FAST, errp);
}

/* Watch the guest for @seconds; the samples, or NULL with an error. */
static GArray *watch(const Bed *bed, unsigned seconds, GError **errp)
{
    g_autoptr(Watch) watch = watch_new(bed->guest, errp);
    g_autoptr(GArray) samples = g_array_new(false, false, sizeof(Sample));
    GuestHeader header;
    Sample sample = {0};

    while (watch && sample.at_s < seconds) {
        const TruthInterval *interval;

        g_usleep(SAMPLE_US);
        interval = watch_sample(watch, errp);
        if (!interval || !guest_read(bed->guest, GUEST_HEADER_ADDR, &header, sizeof(header), errp)) {
            return NULL;
        }
        sample = (Sample){interval->to_s, header.phase, truth_hit_ratio(interval)};
        g_array_append_val(samples, sample);
    }
    return watch ? g_steal_pointer(&samples) : NULL;
}

static double mean_hit_ratio(const GArray *samples, guint first, guint end)
{
    double sum = 0;

    for (guint i = first; i < end; i++) {
        sum += g_array_index(samples, Sample, i).hit_ratio;
    }
    return sum / (end - first);
}

/*
 * From samples first..end-1, of one phase: how long it took until 90 % of what the phase's last third comes to was
 * reached, in seconds; INFINITY: never.
 */
static double seconds_to_90(const GArray *samples, guint first, guint end)
{
    const double steady = mean_hit_ratio(samples, end - (end - first) / 3, end);
    const double began_s = g_array_index(samples, Sample, first).at_s - SAMPLE_US / 1e6;

    for (guint i = first; i < end; i++) {
        const Sample *s = &g_array_index(samples, Sample, i);

        if (s->hit_ratio >= 0.9 * steady) {
            return s->at_s - began_s;
        }
    }
    return INFINITY;
}

/* How long a guest of gups-move that gives @hints takes after a jump, on average over JUMPS of them; NaN with an error. */
static double seconds_after_jumps(const char *hints, GError **errp)
{
    g_auto(Bed) bed = {0};
    g_autofree char *pattern = g_strdup_printf("pattern=gups-move period=%u hints=%s", PERIOD_S, hints);
    g_autoptr(GArray) samples = NULL;
    double sum = 0;
    guint first = 0;

    if (!start(&bed, pattern, errp) || !(samples = watch(&bed, PERIOD_S * (JUMPS + 2), errp))) {
        return NAN;
    }
    for (uint32_t phase = 1; phase <= JUMPS; phase++) {
        guint end;
        double seconds;

        while (first < samples->len && g_array_index(samples, Sample, first).phase < phase) {
            first++;
        }
        for (end = first; end < samples->len && g_array_index(samples, Sample, end).phase == phase; end++) {
        }
        if (end - first < 3) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "phase %u was not seen", phase);
            return NAN;
        }
        seconds = seconds_to_90(samples, first, end);
        g_test_message("hints=%s, jump %u: %.3f, after %.2f s 90 %% of %.3f", hints, phase,
                       g_array_index(samples, Sample, first).hit_ratio, seconds,
                       mean_hit_ratio(samples, end - (end - first) / 3, end));
        sum += seconds;
    }
    return sum / JUMPS;
}

static void test_the_truth_about_a_jump_halves_the_way_back(void)
{
    g_autoptr(GError) error = NULL;
    double without = seconds_after_jumps("off", &error), with = NAN;

    EXPECT(!error, "%s", error->message);
    with = seconds_after_jumps("honest", &error);
    EXPECT(!error, "%s", error->message);
    g_test_message("90 %% of the steady state after %.2f s with hints, %.2f s without: %.2f of it (wanted 0.5)", with,
                   without, with / without);
    EXPECT(with <= 0.5 * without, "%.2f s is not half of %.2f s", with, without);
}

/* The numbers that follow @key in the guest's lines, each as it first came. */
static GArray *guest_figures(const Bed *bed, const char *count, const char *key, GError **errp)
{
    g_autofree char *path = g_build_filename(bed->folder, "guest", "guest.serial", NULL), *text = NULL;
    g_autoptr(GArray) figures = g_array_new(false, false, sizeof(double));
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, errp)) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        const char *n = strstr(*l, count), *at = strstr(*l, key);
        double figure;

        if (n && at && strtoul(n + strlen(count), NULL, 10) > figures->len) {
            figure = g_ascii_strtod(at + strlen(key), NULL);
            g_array_append_val(figures, figure);
        }
    }
    return g_steal_pointer(&figures);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void test_what_is_asked_for_is_fast_within_200_ms(void)
{
    g_auto(Bed) bed = {0};
    g_autoptr(GArray) ms = NULL;
    g_autoptr(GError) error = NULL;

    EXPECT_OK(start(&bed, "pattern=gups-hot hints=probe", &error), error);
    bed_sleep(PROBES_S);
    ms = guest_figures(&bed, " landed=", " last_ms=", &error);
    EXPECT(ms, "%s", error->message);
    EXPECT(ms->len >= 4, "%u of the ranges that were asked for came to fast memory in %.0f s", ms->len, PROBES_S);
    g_array_sort(ms, by_size);
    g_test_message("64 pages, asked for %u times, were all in DRAM after %.0f to %.0f ms of the guest's time, %.0f in the "
                   "median (wanted %.0f)", ms->len, g_array_index(ms, double, 0),
                   g_array_index(ms, double, ms->len - 1), g_array_index(ms, double, ms->len / 2), LANDED_MS_MAX);
    EXPECT(g_array_index(ms, double, ms->len / 2) <= LANDED_MS_MAX, "that is too late");
}

/* What share of accesses a guest of gups-hot that gives @hints hits in the end; NaN with an error. */
static double hit_ratio_in_the_end(const char *hints, GError **errp)
{
    g_auto(Bed) bed = {0};
    g_autofree char *pattern = g_strdup_printf("pattern=gups-hot hints=%s", hints);
    g_autoptr(JsonNode) answer = NULL;
    g_autoptr(GArray) samples = NULL;
    JsonObject *told;
    double ratio;

    if (!start(&bed, pattern, errp) ||
        !(samples = watch(&bed, g_test_thorough() ? LIE_THOROUGH_S : LIE_S, errp)) ||
        !(answer = daemon_query(bed.daemon, errp))) {
        return NAN;
    }
    ratio = mean_hit_ratio(samples, samples->len * 4 / 5, samples->len);
    told = field_object(node_object(answer), "hints");
    g_test_message("hints=%s: hit ratio %.3f in the end; trust %.2f", hints, ratio, field_number(told, "trust"));
    return ratio;
}

static void test_lies_cost_the_liar_next_to_nothing(void)
{
    /* the first two always, the rest with -m thorough */
    static const char *const lies[] = {"all-hot", "swapped", "pin-all", "flood"};
    const size_t n = g_test_thorough() ? G_N_ELEMENTS(lies) : 2;
    g_autoptr(GError) error = NULL;
    double silent = hit_ratio_in_the_end("off", &error);

    EXPECT(!error, "%s", error->message);
    for (size_t i = 0; i < n; i++) {
        double ratio = hit_ratio_in_the_end(lies[i], &error);

        EXPECT(!error, "hints=%s: %s", lies[i], error->message);
        EXPECT(ratio >= (1 - LIE_LOSS_MAX) * silent, "hints=%s: hit ratio %.3f, %.3f of the %.3f without hints", lies[i],
               ratio, ratio / silent, silent);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hints/what_is_asked_for_is_fast_within_200_ms", test_what_is_asked_for_is_fast_within_200_ms);
    g_test_add_func("/hints/the_truth_about_a_jump_halves_the_way_back",
                    test_the_truth_about_a_jump_halves_the_way_back);
    g_test_add_func("/hints/lies_cost_the_liar_next_to_nothing", test_lies_cost_the_liar_next_to_nothing);
    return g_test_run();
}
