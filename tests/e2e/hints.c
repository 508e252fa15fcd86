/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hints of a guest on a host with CXL memory: how soon what it asks for is fast, what the truth about a hot set that
 * moves is worth, and that lies are worth nothing. (topology cxl, newest kernel)
 *
 * The guest asks its daemon through vhost-user-tier-pci. A guest that says nothing is the measure of each, in a run of
 * its own; lies are told beside a neighbour. Figures are printed with what is wanted of them; what is asserted leaves
 * room for an emulated host whose machine has other things to do.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "client/fields.h"
#include "inspect.h"
#include "observer/watch.h"

#define AREA_MIB      28u
#define FAST          "fast-size=6M,mode=on"
#define PERIOD_S      20u           /* of gups-move */
#define FIRST_JUMP    2u            /* of its hot set, that is timed: by then the host knows the guest */
#define JUMPS         2u            /* from that one on */
#define SAMPLE_US     250000
#define LANDED_MS     200.0         /* wanted, */
#define LANDED_MS_MAX 5000.0        /* and asserted */
#define JUMP_SHARE    0.5           /* of the time without hints */
#define JUMP_SHARE_MAX 1.0
#define PROBES_S      65.0      /* the guest asks from its 30th second on */
#define LIE_S         60.0          /* from the start; what is judged is the last third */
#define LIE_SHARED    "fast-capacity=10M\n" BED_TRACKING     /* less than both may have */
/*
 * Each is sure of its hot set (2 MiB, and what its code and counts take) and has a part of what else there is. Without
 * a floor budgets may come to rest at 2 MiB, a little too few, and 8, which costs whoever is short 3 % of its hits.
 */
#define LIE_FAST      "fast-min=4M,fast-size=8M,mode=on"
#define LIE_LOSS      0.05          /* the liar's own, */
#define LIE_LOSS_MAX  0.20
#define LIE_HARM      0.01          /* and its neighbour's */
#define LIE_HARM_MAX  0.10

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

/* How a guest fared after each jump that is timed: its samples from then on, but the first, in which it jumps. */
typedef struct Jumps {
    GArray *samples;
    guint first[JUMPS], end[JUMPS];
} Jumps;

static void jumps_clear(Jumps *jumps)
{
    g_clear_pointer(&jumps->samples, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Jumps, jumps_clear)

/* Watch a guest of gups-move that gives @hints until its last jump that is timed is over. */
static bool watch_jumps(const char *hints, Jumps *jumps, GError **errp)
{
    g_auto(Bed) bed = {.pinned = true};
    g_autofree char *pattern = g_strdup_printf("pattern=gups-move period=%u hints=%s", PERIOD_S, hints);
    guint at = 0;

    if (!start(&bed, pattern, errp) || !(jumps->samples = watch(&bed, PERIOD_S * (FIRST_JUMP + JUMPS), errp))) {
        return false;
    }
    for (uint32_t i = 0; i < JUMPS; i++) {
        const uint32_t phase = FIRST_JUMP + i;

        while (at < jumps->samples->len && g_array_index(jumps->samples, Sample, at).phase < phase) {
            at++;
        }
        jumps->first[i] = at + 1;
        while (at < jumps->samples->len && g_array_index(jumps->samples, Sample, at).phase == phase) {
            at++;
        }
        jumps->end[i] = at;
        if (at < jumps->first[i] + 4) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "hints=%s: phase %u was not seen", hints, phase);
            return false;
        }
    }
    return true;
}

/* The best that the last third of any phase came to. */
static double steady_hit_ratio(const Jumps *jumps)
{
    double best = 0;

    for (uint32_t i = 0; i < JUMPS; i++) {
        const guint first = jumps->first[i], end = jumps->end[i];

        best = MAX(best, mean_hit_ratio(jumps->samples, end - (end - first) / 3, end));
    }
    return best;
}

/* How long after a jump the hit ratio was @wanted, on average; a phase that never got there counts in full. */
static double seconds_to(const Jumps *jumps, double wanted, const char *hints)
{
    double sum = 0;

    for (uint32_t i = 0; i < JUMPS; i++) {
        const Sample *samples = &g_array_index(jumps->samples, Sample, 0);
        guint at = jumps->first[i];

        while (at < jumps->end[i] - 1 && samples[at].hit_ratio < wanted) {
            at++;
        }
        const double seconds = samples[at].at_s - samples[jumps->first[i] - 1].at_s;

        g_test_message("hints=%s, jump %u: from %.3f to %.3f in %.2f s", hints, FIRST_JUMP + i,
                       samples[jumps->first[i]].hit_ratio, samples[at].hit_ratio, seconds);
        sum += seconds;
    }
    return sum / JUMPS;
}

static void test_the_truth_about_a_jump_shortens_the_way_back(void)
{
    g_auto(Jumps) silent = {0}, honest = {0};
    g_autoptr(GError) error = NULL;
    double wanted, without, with;

    EXPECT_OK(watch_jumps("off", &silent, &error), error);
    EXPECT_OK(watch_jumps("honest", &honest, &error), error);
    wanted = 0.9 * MAX(steady_hit_ratio(&silent), steady_hit_ratio(&honest));
    without = seconds_to(&silent, wanted, "off");
    with = seconds_to(&honest, wanted, "honest");
    g_test_message("a hit ratio of %.3f after %.2f s with hints, %.2f s without: %.2f of it (wanted %.1f)", wanted,
                   with, without, with / without, JUMP_SHARE);
    EXPECT(with <= JUMP_SHARE_MAX * without, "%.2f s is not %.1f of %.2f s", with, JUMP_SHARE_MAX, without);
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

static void test_what_is_asked_for_is_fast_soon(void)
{
    g_auto(Bed) bed = {.pinned = true};
    g_autoptr(GArray) ms = NULL;
    g_autoptr(GString) each = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    EXPECT_OK(start(&bed, "pattern=gups-hot hints=probe", &error), error);
    bed_sleep(PROBES_S);
    ms = guest_figures(&bed, " landed=", " last_ms=", &error);
    EXPECT(ms, "%s", error->message);
    EXPECT(ms->len >= 4, "%u of the ranges that were asked for came to fast memory in %.0f s", ms->len, PROBES_S);
    for (guint i = 0; i < ms->len; i++) {
        g_string_append_printf(each, " %.0f", g_array_index(ms, double, i));
    }
    g_array_sort(ms, by_size);
    g_test_message("64 pages, asked for %u times, were all in DRAM after%s ms of the guest's time, %.0f in the median "
                   "(wanted %.0f)", ms->len, each->str, g_array_index(ms, double, ms->len / 2), LANDED_MS);
    EXPECT(g_array_index(ms, double, ms->len / 2) <= LANDED_MS_MAX, "that is too late");
}

/* How a guest and its neighbour fare in the end. */
typedef struct Fate {
    double own, neighbour;          /* what share of their accesses they hit, */
    double own_speed, neighbour_speed;  /* and how many they make in a second */
} Fate;

/* Whether the guest's code begins in DRAM. Out of CXL the emulated host runs it 160 times slower. */
static bool code_is_fast(const Guest *guest)
{
    g_autofree int8_t *nodes = inspect_nodes(guest, NULL);

    return nodes && nodes[GUEST_LOAD_ADDR / GUEST_PAGE_BYTES] == 0;
}

/* Watch both guests for @seconds and tell what becomes of the one that gives @hints. */
static bool watch_both(const Bed *bed, const char *hints, double seconds, Fate *fate, GError **errp)
{
    g_autoptr(Watch) own = watch_new(bed->guest, errp);
    g_autoptr(Watch) neighbour = own ? watch_new(bed->neighbour, errp) : NULL;
    const uint64_t cpu_ns = process_cpu_ns(bed->daemon->process->pid);
    g_autoptr(JsonNode) answer = NULL;
    const TruthInterval *mine, *its;

    if (!neighbour) {
        return false;
    }
    bed_sleep(seconds);
    if (!(mine = watch_sample(own, errp)) || !(its = watch_sample(neighbour, errp)) ||
        !(answer = daemon_query(bed->daemon, errp))) {
        return false;
    }
    *fate = (Fate){truth_hit_ratio(mine), truth_hit_ratio(its), truth_accesses_per_s(own->truth, mine),
                   truth_accesses_per_s(neighbour->truth, its)};
    g_test_message("hints=%s: hit ratio %.3f at %.1f M accesses/s, its neighbour's %.3f at %.1f M; code in %s and %s; "
                   "%.1f and %.1f MiB moved, %.1f and %.1f of it back; trust %.2f in the end; the daemon used %.0f %% "
                   "of a CPU", hints, fate->own, fate->own_speed / 1e6, fate->neighbour, fate->neighbour_speed / 1e6,
                   code_is_fast(bed->guest) ? "DRAM" : "CXL", code_is_fast(bed->neighbour) ? "DRAM" : "CXL",
                   (double)mine->moved_bytes / 0x1p20, (double)its->moved_bytes / 0x1p20,
                   (double)mine->undone_bytes / 0x1p20, (double)its->undone_bytes / 0x1p20,
                   field_number(field_object(node_object(answer), "hints"), "trust"),
                   (double)(process_cpu_ns(bed->daemon->process->pid) - cpu_ns) / 1e7 / mine->to_s);
    return true;
}

/* A guest of gups-hot that gives @hints and one that says nothing share fast memory. */
static bool live_together(const char *hints, Fate *fate, GError **errp)
{
    g_auto(Bed) bed = {.pinned = true};
    g_autofree char *pattern = g_strdup_printf("pattern=gups-hot hints=%s", hints);

    if (!bed_start(&bed, LIE_SHARED, pattern, AREA_MIB, LIE_FAST, errp) ||
        !bed_neighbour(&bed, "pattern=gups-hot seed=2", AREA_MIB, LIE_FAST, errp)) {
        return false;
    }
    bed_sleep(LIE_S * 2 / 3);
    return watch_both(&bed, hints, LIE_S / 3, fate, errp);
}

/* How a guest that says nothing fares, and its neighbour: found out once. */
static const Fate *silent_fate(GError **errp)
{
    static Fate silent;

    return silent.own > 0 || live_together("off", &silent, errp) ? &silent : NULL;
}

/* A liar fares no worse than a guest that says nothing, and neither does its neighbour. */
static void test_a_lie_costs_the_liar_next_to_nothing_and_its_neighbour_less(gconstpointer lie)
{
    const char *hints = lie;
    g_autoptr(GError) error = NULL;
    const Fate *silent = silent_fate(&error);
    Fate liar;

    EXPECT(silent, "%s", error->message);
    EXPECT_OK(live_together(hints, &liar, &error), error);
    g_test_message("hints=%s: %.3f of the hit ratio without hints (wanted %.2f), its neighbour's %.3f of that "
                   "beside a guest without (wanted %.2f)", hints, liar.own / silent->own, 1 - LIE_LOSS,
                   liar.neighbour / silent->neighbour, 1 - LIE_HARM);
    EXPECT(liar.own >= (1 - LIE_LOSS_MAX) * silent->own, "hints=%s: %.3f is not %.2f of %.3f", hints, liar.own,
           1 - LIE_LOSS_MAX, silent->own);
    EXPECT(liar.neighbour >= (1 - LIE_HARM_MAX) * silent->neighbour,
           "hints=%s: the neighbour's %.3f is not %.2f of %.3f", hints, liar.neighbour, 1 - LIE_HARM_MAX,
           silent->neighbour);
}

/* What all lies were held against comes out the same a second time, or their figures say nothing. */
static void test_a_guest_that_says_nothing_fares_as_it_did(void)
{
    g_autoptr(GError) error = NULL;
    const Fate *silent = silent_fate(&error);
    Fate again;

    EXPECT(silent, "%s", error->message);
    EXPECT_OK(live_together("off", &again, &error), error);
    g_test_message("hints=off: %.3f of the hit ratio of the first time, its neighbour's %.3f", again.own / silent->own,
                   again.neighbour / silent->neighbour);
    EXPECT(fabs(again.own - silent->own) <= LIE_LOSS_MAX * silent->own, "%.3f is not %.3f", again.own, silent->own);
}

/* All lies: with -m thorough alone. */
static void add_thorough(void)
{
    static const char *const lies[] = {"all-hot", "swapped", "pin-all", "flood"};

    for (size_t i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autofree char *path = g_strdup_printf("/hints-thorough/%s_costs_next_to_nothing", lies[i]);

        g_test_add_data_func(path, lies[i], test_a_lie_costs_the_liar_next_to_nothing_and_its_neighbour_less);
    }
    g_test_add_func("/hints-thorough/a_guest_that_says_nothing_fares_as_it_did",
                    test_a_guest_that_says_nothing_fares_as_it_did);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (g_test_thorough()) {
        add_thorough();
        return g_test_run();
    }
    g_test_add_func("/hints/what_is_asked_for_is_fast_soon", test_what_is_asked_for_is_fast_soon);
    g_test_add_func("/hints/the_truth_about_a_jump_shortens_the_way_back",
                    test_the_truth_about_a_jump_shortens_the_way_back);
    g_test_add_data_func("/hints/a_lie_costs_the_liar_next_to_nothing_and_its_neighbour_less", "all-hot",
                         test_a_lie_costs_the_liar_next_to_nothing_and_its_neighbour_less);
    return g_test_run();
}
