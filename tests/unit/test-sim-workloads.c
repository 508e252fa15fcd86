/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The generators of workloads: what they promise of rates, hot sets, phases and times; and that each row of
 * the table can be run.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "run.h"
#include "workloads/common.h"

#define SECOND 1000000000ull
#define PAGES 8192u

/* A machine with one guest and its workload. */
typedef struct Bed {
    Machine *machine;
    Guest *guest;
    Workload *workload;
    uint64_t next_ns;
} Bed;

/* Two vCPUs at a scale of 1/64, and so on, so that a page's rate is the same for the same full-size guest. */
static Bed *bed_new_scaled(const char *workload, const char *params, uint64_t seed, size_t pages,
                           double scale)
{
    Bed *bed = g_new0(Bed, 1);
    MachineConfig machine = {.n_tiers = 2, .scale = scale, .seed = 1, .costs = sim_costs_default};
    GuestConfig guest = {.name = "vm", .pages = pages, .vcpus = 128 * scale, .compute_ns = 100,
                         .write_share = 0.5};
    g_autoptr(GError) err = NULL;

    machine.capacity_bytes[0] = machine.capacity_bytes[1] = (uint64_t)pages * SIM_PAGE;
    bed->machine = machine_new(&machine);
    bed->guest = machine_add_guest(bed->machine, &guest);
    bed->workload = workload_find(workload, NULL)->create(params, bed->guest, seed, &err);
    g_assert_no_error(err);
    return bed;
}

static Bed *bed_new(const char *workload, const char *params, uint64_t seed)
{
    return bed_new_scaled(workload, params, seed, PAGES, 1 / 64.0);
}

static void bed_free(Bed *bed)
{
    bed->workload->class->destroy(bed->workload);
    machine_free(bed->machine);
    g_free(bed);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bed, bed_free)

/* Let time pass up to @until_ns, or up to the workload's next change if that comes first. */
static void bed_step(Bed *bed, uint64_t until_ns)
{
    machine_advance(bed->machine, MIN(bed->next_ns, until_ns));
    bed->next_ns = bed->workload->class->tick(bed->workload, machine_now_ns(bed->machine));
    g_assert_cmpuint(bed->next_ns, >, machine_now_ns(bed->machine));
}

static void bed_run(Bed *bed, uint64_t until_ns)
{
    while (machine_now_ns(bed->machine) < until_ns) {
        bed_step(bed, until_ns);
    }
}

static double sum_of_rates(const Bed *bed)
{
    double sum = 0;

    for (size_t i = 0; i < guest_pages(bed->guest); i++) {
        sum += guest_rate(bed->guest, i);
    }
    return sum;
}

static float *rates_of(const Bed *bed)
{
    float *rates = g_new(float, guest_pages(bed->guest));

    for (size_t i = 0; i < guest_pages(bed->guest); i++) {
        rates[i] = guest_rate(bed->guest, i);
    }
    return rates;
}

/* Pages with a rate above @per_s, and what share of all accesses they have. */
static size_t hotter_than(const Bed *bed, double per_s, double *share)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < guest_pages(bed->guest); i++) {
        if (guest_rate(bed->guest, i) > per_s) {
            sum += guest_rate(bed->guest, i);
            n++;
        }
    }
    *share = sum / sum_of_rates(bed);
    return n;
}

static double mean_rate(const Bed *bed)
{
    return workload_full_rate(bed->guest) / guest_pages(bed->guest);
}

typedef struct Kind {
    const char *workload, *params;
} Kind;

static const Kind kinds[] = {
    {"gups", NULL},
    {"gups", "hot=0.25 extent_pages=512 move_s=7"},
    {"gups", "hot=1"},
    {"zipf", NULL},
    {"zipf", "exponent=1 used=0.5"},
    {"scan-hot", NULL},
    {"phases", "phase_s=20"},
    {"idle-burst", "busy_s=10 idle_s=5"},
    {"subpage-skew", "blocks=0.25"},
    {"memtierd", NULL},
    {"touch-all", NULL},
};

static void rates_add_up_to_what_the_vcpus_can_do(const void *data)
{
    const Kind *kind = data;
    g_autoptr(Bed) bed = bed_new(kind->workload, kind->params, 7);

    /* Two vCPUs, each an access per 100 ns of compute and 100 ns of DRAM. */
    g_assert_cmpfloat_with_epsilon(workload_full_rate(bed->guest), 1e7, 1);
    while (machine_now_ns(bed->machine) < 70 * SECOND) {
        g_assert_cmpfloat_with_epsilon(sum_of_rates(bed) / 1e7, 1, 1e-4);
        bed_step(bed, MIN(machine_now_ns(bed->machine) + SECOND, 70 * SECOND));
    }
}

static void the_same_seed_gives_the_same_rates(const void *data)
{
    const Kind *kind = data;
    g_autoptr(Bed) bed = bed_new(kind->workload, kind->params, 7);
    g_autoptr(Bed) same = bed_new(kind->workload, kind->params, 7);

    for (uint64_t second = 1; second <= 45; second += 4) {
        g_autofree float *rates = rates_of(bed);
        g_autofree float *same_rates = rates_of(same);

        g_assert_cmpmem(rates, PAGES * sizeof(*rates), same_rates, PAGES * sizeof(*same_rates));
        bed_run(bed, second * SECOND);
        bed_run(same, second * SECOND);
    }
}

static size_t differences(const float *rates, const float *others)
{
    size_t n = 0;

    for (size_t i = 0; i < PAGES; i++) {
        n += rates[i] != others[i];
    }
    return n;
}

static void another_seed_gives_other_rates(void)
{
    static const char *const random[] = {"gups", "zipf", "scan-hot", "phases", "idle-burst", "subpage-skew"};

    for (size_t i = 0; i < G_N_ELEMENTS(random); i++) {
        g_autoptr(Bed) bed = bed_new(random[i], NULL, 7);
        g_autoptr(Bed) other = bed_new(random[i], NULL, 8);
        g_autofree float *rates = rates_of(bed);
        g_autofree float *other_rates = rates_of(other);

        g_assert_cmpuint(differences(rates, other_rates), >, 0);
    }
}

/* --- phases: what oracles are told, against what happens --- */

/*
 * In each phase in the first @until_ns, the mean over time of each page's rate is what the phase tells, to
 * @precision of the mean rate of all pages.
 */
static void check_phases(Bed *bed, uint64_t until_ns, double precision)
{
    while (machine_now_ns(bed->machine) < until_ns) {
        g_autofree double *sums = g_new0(double, PAGES);
        g_autofree float *means = g_memdup2(guest_phase_rates(bed->guest), PAGES * sizeof(*means));
        uint64_t phase = guest_phase(bed->guest), from_ns = machine_now_ns(bed->machine), now_ns = from_ns;
        uint64_t phase_until_ns = MIN(guest_phase_until_ns(bed->guest), until_ns);

        while (now_ns < phase_until_ns) {
            g_autofree float *rates = rates_of(bed);
            uint64_t then_ns = now_ns;

            g_assert_cmpuint(guest_phase(bed->guest), ==, phase);
            bed_step(bed, phase_until_ns);
            now_ns = machine_now_ns(bed->machine);
            for (size_t i = 0; i < PAGES; i++) {
                sums[i] += rates[i] * (now_ns - then_ns);
            }
        }
        g_assert_cmpuint(now_ns, ==, phase_until_ns);
        for (size_t i = 0; i < PAGES; i++) {
            g_assert_cmpfloat(fabs(sums[i] / (now_ns - from_ns) - means[i]), <=, precision * mean_rate(bed));
        }
    }
}

static void a_hot_set_that_stays_is_one_phase(void)
{
    g_autoptr(Bed) bed = bed_new("gups", NULL, 3);

    check_phases(bed, 100 * SECOND, 1e-5);
    g_assert_cmpuint(bed->workload->changed_ns, ==, 0);
}

static void each_jump_begins_a_phase(void)
{
    g_autoptr(Bed) bed = bed_new("gups", "move_s=9", 3);

    check_phases(bed, 45 * SECOND, 1e-5);
    g_assert_cmpuint(bed->workload->changed_ns, ==, 45 * SECOND);
}

static void a_scan_is_one_phase_of_its_means(void)
{
    /* 2 M accesses/s sweep 7373 pages of 64 lines in 0.24 s: over 50 s a part of a sweep is 0.5 %. */
    g_autoptr(Bed) bed = bed_new("scan-hot", NULL, 3);

    check_phases(bed, 50 * SECOND, 0.01);
    g_assert_cmpuint(bed->workload->changed_ns, ==, 0);
}

static void phases_are_as_long_as_told_and_have_their_means(void)
{
    g_autoptr(Bed) bed = bed_new("phases", "phase_s=15", 3);

    check_phases(bed, 60 * SECOND, 0.02);
    g_assert_cmpuint(bed->workload->changed_ns, ==, 60 * SECOND);
}

static void phases_are_hot_at_the_same_place_when_told_to(void)
{
    for (int same = 0; same <= 1; same++) {
        g_autoptr(Bed) bed = bed_new("phases", same ? "phase_s=15 same_place=1" : "phase_s=15", 3);
        g_autofree float *zipf = NULL;
        double all = 0, shared = 0;

        bed_run(bed, 16 * SECOND);
        zipf = rates_of(bed);
        bed_run(bed, 31 * SECOND);
        for (size_t i = 0; i < PAGES; i++) {
            all += zipf[i];
            shared += guest_phase_rates(bed->guest)[i] > mean_rate(bed) ? zipf[i] : 0;   /* the scan's hot tenth */
        }
        if (same) {
            g_assert_cmpfloat(shared / all, >, 0.6);
        } else {
            g_assert_cmpfloat(shared / all, <, 0.3);
        }
    }
}

static void phases_scan_beside_the_hot_set_that_they_are_told(void)
{
    g_autoptr(Bed) bed = bed_new("phases", "phase_s=15 scan_hot=0.25 scan_hot_share=0.7", 3);
    const float *rates;
    double all = 0, hot = 0;
    size_t n = 0;

    bed_run(bed, 31 * SECOND);
    rates = guest_phase_rates(bed->guest);
    for (size_t i = 0; i < PAGES; i++) {
        bool is_hot = rates[i] > mean_rate(bed);

        n += is_hot;
        hot += is_hot ? rates[i] : 0;
        all += rates[i];
    }
    g_assert_cmpuint(n, ==, PAGES / 4);
    g_assert_cmpfloat_with_epsilon(hot / all, 0.7, 1e-3);
}

/* --- one by one --- */

static void gups_has_its_share_in_its_hot_set(void)
{
    g_autoptr(Bed) bed = bed_new("gups", "hot=0.125 hot_share=0.8", 5);
    double share;

    g_assert_cmpuint(hotter_than(bed, mean_rate(bed), &share), ==, PAGES / 8);
    g_assert_cmpfloat_with_epsilon(share, 0.8, 1e-4);
}

static void gups_jumps_when_told_to_where_it_was_not(void)
{
    g_autoptr(Bed) bed = bed_new("gups", "hot=0.25 extent_pages=512 move_s=30", 5);
    g_autofree float *before = rates_of(bed);
    double share;

    bed_run(bed, 30 * SECOND - 1);
    g_assert_cmpuint(bed->workload->changed_ns, ==, 0);
    bed_run(bed, 30 * SECOND);
    g_assert_cmpuint(bed->workload->changed_ns, ==, 30 * SECOND);
    g_assert_cmpuint(hotter_than(bed, mean_rate(bed), &share), ==, PAGES / 4);
    g_assert_cmpfloat_with_epsilon(share, 0.9, 1e-4);
    for (size_t i = 0; i < PAGES; i++) {
        bool hot = guest_rate(bed->guest, i) > mean_rate(bed);

        g_assert_false(hot && before[i] > mean_rate(bed));
        /* Extents are whole and aligned. */
        g_assert_true(hot == (guest_rate(bed->guest, i & ~(size_t)511) > mean_rate(bed)));
    }
}

static int compare_rates(const void *a, const void *b)
{
    const float *x = a, *y = b;

    return *x > *y ? -1 : *x < *y;
}

static void zipf_follows_its_law(void)
{
    g_autoptr(Bed) bed = bed_new_scaled("zipf", "exponent=0.99", 5, PAGES, 1);
    g_autofree float *rates = rates_of(bed);

    qsort(rates, PAGES, sizeof(*rates), compare_rates);
    for (size_t rank = 2; rank <= PAGES; rank *= 2) {
        g_assert_cmpfloat_with_epsilon(rates[rank - 1] / rates[0] * pow(rank, 0.99), 1, 1e-4);
    }
}

/* The share of accesses that the hottest eighth of pages has. */
static double top_eighth(const Bed *bed)
{
    size_t n = guest_pages(bed->guest);
    g_autofree float *rates = rates_of(bed);
    double sum = 0;

    qsort(rates, n, sizeof(*rates), compare_rates);
    for (size_t i = 0; i < n / 8; i++) {
        sum += rates[i];
    }
    return sum / sum_of_rates(bed);
}

static void zipf_is_the_same_at_any_scale(void)
{
    g_autoptr(Bed) whole = bed_new_scaled("zipf", NULL, 5, 64 * 1024, 1);
    g_autoptr(Bed) scaled = bed_new_scaled("zipf", NULL, 5, 1024, 1 / 64.0);

    g_assert_cmpfloat_with_epsilon(top_eighth(scaled), top_eighth(whole), 1e-4);
    g_assert_cmpfloat_with_epsilon(mean_rate(scaled), mean_rate(whole), 1e-4 * mean_rate(whole));
}

static void zipf_leaves_alone_what_is_not_used(void)
{
    g_autoptr(Bed) bed = bed_new("zipf", "used=0.25", 5);

    for (size_t i = 0; i < PAGES; i++) {
        g_assert_true((guest_rate(bed->guest, i) > 0) == (i >= PAGES / 4 * 3));
    }
}

static void a_scan_sweeps_all_that_is_not_hot_in_order(void)
{
    g_autoptr(Bed) bed = bed_new("scan-hot", "hot=0.1 hot_share=0.8", 5);
    g_autofree float *before = rates_of(bed);
    g_autofree float *after = NULL;
    size_t last_before = 0, first_after = PAGES, swept = 0;

    bed_run(bed, 1);                /* it tells when its first step is due */
    bed_step(bed, UINT64_MAX);
    g_assert_cmpuint(machine_now_ns(bed->machine), >=, 50 * SECOND / 1000);
    g_assert_cmpuint(machine_now_ns(bed->machine), <=, 150 * SECOND / 1000);
    after = rates_of(bed);
    for (size_t i = 0; i < PAGES; i++) {
        if (before[i] > 0 && after[i] == 0) {
            last_before = i;
            swept++;
        } else if (before[i] == 0 && after[i] > 0) {
            first_after = MIN(first_after, i);
        }
    }
    g_assert_cmpuint(last_before, <, first_after);
    /* Each page that it leaves had 64 accesses. */
    g_assert_cmpfloat_with_epsilon(swept * 64.0, 0.2 * 1e7 * machine_now_ns(bed->machine) / 1e9, 64);
}

static void a_burst_follows_each_idle_time_with_the_same_hot_set(void)
{
    g_autoptr(Bed) bed = bed_new("idle-burst", "busy_s=30 idle_s=120 hot=0.1", 5);
    g_autofree float *first = rates_of(bed);
    g_autofree float *second = NULL;
    double share;

    g_assert_cmpuint(hotter_than(bed, mean_rate(bed), &share), ==, 819);
    bed_run(bed, 29 * SECOND);
    g_assert_false(guest_idle(bed->guest));
    bed_run(bed, 31 * SECOND);
    g_assert_true(guest_idle(bed->guest));
    bed_run(bed, 149 * SECOND);
    g_assert_true(guest_idle(bed->guest));
    bed_run(bed, 151 * SECOND);
    g_assert_false(guest_idle(bed->guest));
    second = rates_of(bed);
    g_assert_cmpmem(first, PAGES * sizeof(*first), second, PAGES * sizeof(*second));
}

static void subpage_skew_has_one_hot_page_in_so_many_blocks(void)
{
    static const struct {
        const char *params;
        size_t hot;
    } cases[] = {{"blocks=0.05", 1}, {"blocks=0.25", 4}, {"blocks=1", 16}};

    for (size_t c = 0; c < G_N_ELEMENTS(cases); c++) {
        g_autoptr(Bed) bed = bed_new("subpage-skew", cases[c].params, 5);
        size_t in_block[PAGES / SIM_BLOCK_PAGES] = {0};
        double share;

        g_assert_cmpuint(hotter_than(bed, mean_rate(bed), &share), ==, cases[c].hot);
        g_assert_cmpfloat_with_epsilon(share, 0.9, 1e-4);
        for (size_t i = 0; i < PAGES; i++) {
            in_block[i / SIM_BLOCK_PAGES] += guest_rate(bed->guest, i) > mean_rate(bed);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(in_block); i++) {
            g_assert_cmpuint(in_block[i], <=, 1);
        }
    }
}

static void memtierds_process_is_active_in_one_piece_and_stops(void)
{
    g_autoptr(Bed) bed = bed_new("memtierd", "active=0.26 run_s=40 stop_s=20", 5);

    for (size_t i = 0; i < PAGES; i++) {
        g_assert_true((guest_rate(bed->guest, i) > 0) == (i < 2130));
    }
    bed_run(bed, 41 * SECOND);
    g_assert_true(guest_idle(bed->guest));
    bed_run(bed, 61 * SECOND);
    g_assert_false(guest_idle(bed->guest));
}

/* --- bad input --- */

static void bad_parameters_are_refused_by_name(void)
{
    static const struct {
        const char *workload, *params, *names;
    } cases[] = {
        {"gups", "hot=2", "hot"},
        {"gups", "hot=nan", "hot"},
        {"gups", "hot_share=-0.1", "hot_share"},
        {"gups", "move_s=0", "move_s"},
        {"zipf", "exponent=inf", "exponent"},
        {"zipf", "colour=1", "colour"},
        {"scan-hot", "lines=0", "lines"},
        {"phases", "phase_s=x", "phase_s"},
        {"idle-burst", "busy_s=-3", "busy_s"},
        {"subpage-skew", "blocks=1.5", "blocks"},
        {"memtierd", "active", "active"},
        {"touch-all", "a=1", "a"},
        {"trace", NULL, "file"},
        {"recorded", NULL, "file"},
        {"trace", "file=/nonexistent/trace", "/nonexistent/trace"},
        {"recorded", "file=/nonexistent/trace", "/nonexistent/trace"},
    };
    g_autoptr(Bed) bed = bed_new("touch-all", NULL, 1);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const WorkloadClass *class = workload_find(cases[i].workload, NULL);
        g_autoptr(GError) err = NULL;

        g_assert_null(class->create(cases[i].params, bed->guest, 1, &err));
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, cases[i].names));
    }
}

static void a_workload_that_there_is_not_is_refused_with_those_that_there_are(void)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(workload_find("gusp", &err));
    g_assert_nonnull(strstr(err->message, "gusp"));
    g_assert_nonnull(strstr(err->message, "gups"));
}

/* --- the rows --- */

static void check_guest(const Scenario *scenario, const ScenarioGuest *guest)
{
    const double scale = 1 / 1024.0;
    MachineConfig machine_config = {.n_tiers = 2, .scale = scale, .seed = 1, .costs = sim_costs_default};
    GuestConfig config = guest->config;
    const WorkloadClass *class = workload_find(guest->workload, NULL);
    g_autoptr(Machine) machine = NULL;
    g_autoptr(GError) err = NULL;
    Workload *workload;

    g_test_message("%s: %s", scenario->name, config.name);
    g_assert_nonnull(class);
    g_assert_cmpuint(config.weight, >, 0);
    g_assert_cmpuint(config.floor_bytes, <=, config.pages * (uint64_t)SIM_PAGE / 17);   /* fits at 1:16 */
    g_assert_cmpuint(guest->from_ns, <, scenario->duration_ns);
    g_assert_cmpuint(guest->until_ns, <, scenario->duration_ns);
    config.pages *= scale;
    config.vcpus *= scale;
    machine_config.capacity_bytes[0] = machine_config.capacity_bytes[1] = (uint64_t)config.pages * SIM_PAGE;
    machine = machine_new(&machine_config);
    workload = class->create(guest->params, machine_add_guest(machine, &config), 1, &err);
    g_assert_no_error(err);
    class->destroy(workload);
}

static void all_rows_can_be_run(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (const Scenario *scenario = scenarios; scenario->name; scenario++) {
        g_assert_true(g_hash_table_add(names, (gpointer)scenario->name));
        g_assert_true(scenario_find(scenario->name, NULL) == scenario);
        g_assert_cmpuint(scenario->steady_from_ns, <, scenario->duration_ns);
        g_assert_cmpuint(scenario->duration_ns, <=, 330 * SECOND);
        g_assert_cmpuint(scenario->n_guests, >, 0);
        for (size_t i = 0; i < scenario->n_guests; i++) {
            check_guest(scenario, &scenario->guests[i]);
        }
    }
    g_assert_cmpuint(g_hash_table_size(names), >=, 25);
}

static void a_row_that_there_is_not_is_refused_with_those_that_there_are(void)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(scenario_find("gups-hot", &err));
    g_assert_nonnull(strstr(err->message, "gups-hot-14"));
}

static void add_kinds(const char *name, GTestDataFunc func)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path = g_strdup_printf("/sim-workloads/%s/%s-%zu", name, kinds[i].workload, i);

        g_test_add_data_func(path, &kinds[i], func);
    }
}

#define ADD(name) g_test_add_func("/sim-workloads/" #name, name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_kinds("rates_add_up_to_what_the_vcpus_can_do", rates_add_up_to_what_the_vcpus_can_do);
    add_kinds("the_same_seed_gives_the_same_rates", the_same_seed_gives_the_same_rates);
    ADD(another_seed_gives_other_rates);
    ADD(a_hot_set_that_stays_is_one_phase);
    ADD(each_jump_begins_a_phase);
    ADD(a_scan_is_one_phase_of_its_means);
    ADD(phases_are_as_long_as_told_and_have_their_means);
    ADD(phases_are_hot_at_the_same_place_when_told_to);
    ADD(phases_scan_beside_the_hot_set_that_they_are_told);
    ADD(gups_has_its_share_in_its_hot_set);
    ADD(gups_jumps_when_told_to_where_it_was_not);
    ADD(zipf_follows_its_law);
    ADD(zipf_is_the_same_at_any_scale);
    ADD(zipf_leaves_alone_what_is_not_used);
    ADD(a_scan_sweeps_all_that_is_not_hot_in_order);
    ADD(a_burst_follows_each_idle_time_with_the_same_hot_set);
    ADD(subpage_skew_has_one_hot_page_in_so_many_blocks);
    ADD(memtierds_process_is_active_in_one_piece_and_stops);
    ADD(bad_parameters_are_refused_by_name);
    ADD(a_workload_that_there_is_not_is_refused_with_those_that_there_are);
    ADD(all_rows_can_be_run);
    ADD(a_row_that_there_is_not_is_refused_with_those_that_there_are);
    return g_test_run();
}
