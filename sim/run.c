/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run: time goes from event to event. At each, in this order: what passed is measured, guests go and
 * come, workloads change, the contender acts.
 */
#include "run.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "measure.h"
#include "random.h"
#include "speaker.h"

#define SAMPLE_NS 250000000ull
#define LEAST_TICK_NS 1000u /* time goes on, whatever a contender or a workload says */

/* One of the scenario's guests. */
typedef struct RunningGuest {
    const ScenarioGuest *what;
    Guest *guest; /* NULL: not there, yet or any more */
    bool gone;
    Workload *workload;
    uint64_t tick_ns;       /* of the workload */
    uint64_t changed_ns;    /* its last change that was noted */
    GuestCounters counters; /* as of the last point, or when it went */
    GuestCounters steady;   /* when the steady state began, or when it came after that */
    double fast_bytes;      /* sum over the points in the steady state at which it was there */
    size_t points, points_below;
} RunningGuest;

typedef struct Run {
    const Scenario *scenario;
    const RunOptions *options;
    Machine *machine;
    RunningGuest *guests;
    Contender *contender;
    uint64_t contender_ns; /* its next tick */
    uint64_t said;         /* by guests, when it acted last */
    uint64_t cpu_ns;       /* that it took of this computer */
    bool steady;
    MachineCounters steady_counters, point_counters;
    GuestCounters point_sum;
    GArray *points;  /* RunPoint */
    GArray *changes; /* uint64_t: times of lasting changes */
} Run;

void run_options_default(RunOptions *options)
{
    *options = (RunOptions){
        .fast_share = 0.2,
        .n_tiers = 2,
        .scale = 1 / 64.0,
        .seed = 1,
        .move_bytes_per_s = 200u << 20,
        .sample_ns = SAMPLE_NS,
        .costs = sim_costs_default,
    };
}

static uint64_t until_ns(const Scenario *scenario, const ScenarioGuest *guest)
{
    return guest->until_ns ? MIN(guest->until_ns, scenario->duration_ns) : scenario->duration_ns;
}

static size_t scaled_pages(const ScenarioGuest *guest, double scale)
{
    return MAX((size_t)llround((double)guest->config.pages * scale), 1);
}

/* The most bytes that guests which are there at a time have together, scaled. */
static uint64_t footprint(const Scenario *scenario, double scale)
{
    uint64_t most = 0;

    for (size_t i = 0; i < scenario->n_guests; i++) { /* the most begins when some guest comes */
        uint64_t pages = 0;

        for (size_t k = 0; k < scenario->n_guests; k++) {
            const ScenarioGuest *guest = &scenario->guests[k];

            if (guest->from_ns <= scenario->guests[i].from_ns &&
                scenario->guests[i].from_ns < until_ns(scenario, guest)) {
                pages += scaled_pages(guest, scale);
            }
        }
        most = MAX(most, pages);
    }
    return most * SIM_PAGE;
}

static Machine *make_machine(const Scenario *scenario, const RunOptions *options)
{
    uint64_t all = footprint(scenario, options->scale);
    MachineConfig config = {
        .n_tiers = options->n_tiers ?: 2,
        .move_bytes_per_s = (uint64_t)((double)options->move_bytes_per_s * options->scale),
        .scale = options->scale,
        .interleave_share = options->interleave_share > 0 ? options->interleave_share : options->fast_share,
        .seed = options->seed,
        .costs = options->costs,
    };
    Machine *machine;

    for (unsigned tier = 1; tier < config.n_tiers; tier++) {
        config.capacity_bytes[tier] = tier + 1 < config.n_tiers ? all / 2 / SIM_PAGE * SIM_PAGE : all;
    }
    config.capacity_bytes[0] = (uint64_t)(options->fast_share * (double)all) / SIM_PAGE * SIM_PAGE;
    if (scenario->latency1_ns > 0) {
        config.costs.latency_ns[1] = (uint32_t)lround(scenario->latency1_ns);
    }
    machine = machine_new(&config);
    for (unsigned tier = 0; tier < 2; tier++) {
        machine_set_background(machine, tier, scenario->background[tier] * options->scale);
    }
    return machine;
}

/* --- guests --- */

static bool add_guest(Run *run, RunningGuest *guest, GError **errp)
{
    const ScenarioGuest *what = guest->what;
    double scale = run->options->scale;
    GuestConfig config = what->config;
    const WorkloadClass *class = workload_find(what->workload, errp);
    SimRandom seeds;
    uint64_t seed;

    if (!class) {
        return false;
    }
    sim_random_init(&seeds, run->options->seed ^ (uint64_t)(guest - run->guests + 1) << 32);
    seed = sim_random_bits(&seeds);
    config.pages = scaled_pages(what, scale);
    config.vcpus *= scale;
    config.floor_bytes = (uint64_t)((double)config.floor_bytes * scale);
    config.ceiling_bytes = (uint64_t)((double)config.ceiling_bytes * scale) ?: config.pages * SIM_PAGE;
    if (what->tuned_fast) {
        config.ceiling_bytes = (uint64_t)(run->options->fast_share * (double)config.pages) * SIM_PAGE;
    }
    guest->guest = machine_add_guest(run->machine, &config);
    guest->workload = class->create(what->params, guest->guest, seed, errp);
    if (guest->workload && what->speaks) {
        guest->workload = speaker_new(guest->workload, what->speaks, seed + 1, errp);
    }
    if (!guest->workload) {
        g_prefix_error(errp, "row '%s', guest '%s', workload '%s': ", run->scenario->name, config.name,
                       class->name);
        return false;
    }
    guest->tick_ns = machine_now_ns(run->machine);
    return true;
}

static void remove_guest(Run *run, RunningGuest *guest)
{
    guest_counters(guest->guest, &guest->counters);
    if (guest->workload) {
        guest->workload->class->destroy(guest->workload);
        guest->workload = NULL;
    }
    machine_remove_guest(run->machine, guest->guest);
    guest->guest = NULL;
    guest->gone = true;
}

static bool guests_go_and_come(Run *run, uint64_t now_ns, GError **errp)
{
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        RunningGuest *guest = &run->guests[i];

        if (guest->guest && now_ns >= until_ns(run->scenario, guest->what)) {
            remove_guest(run, guest);
        }
    }
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        RunningGuest *guest = &run->guests[i];

        if (!guest->guest && !guest->gone && now_ns >= guest->what->from_ns && !add_guest(run, guest, errp)) {
            return false;
        }
    }
    machine_advance(run->machine, now_ns); /* places those that are new */
    return true;
}

static void workloads_change(Run *run, uint64_t now_ns)
{
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        RunningGuest *guest = &run->guests[i];

        if (!guest->guest) {
            continue;
        }
        if (now_ns >= guest->tick_ns) {
            guest->tick_ns =
                MAX(guest->workload->class->tick(guest->workload, now_ns), now_ns + LEAST_TICK_NS);
        }
        if (guest->workload->changed_ns != guest->changed_ns) {
            guest->changed_ns = guest->workload->changed_ns;
            if (!guest->what->hostile) {
                g_array_append_val(run->changes, guest->changed_ns);
            }
        }
    }
}

/* --- measuring --- */

/* Read all counters; returns their sums over the guests that are not hostile. */
static GuestCounters read_counters(Run *run)
{
    GuestCounters sum = {0};

    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        RunningGuest *guest = &run->guests[i];
        const GuestCounters *counters = &guest->counters;

        if (guest->guest) {
            guest_counters(guest->guest, &guest->counters);
        }
        if (guest->what->hostile) {
            continue;
        }
        sum.accesses += counters->accesses;
        sum.fast_accesses += counters->fast_accesses;
        sum.work_ns += counters->work_ns;
        sum.wall_ns += counters->wall_ns;
        sum.stolen_ns += counters->stolen_ns;
        sum.promoted_pages += counters->promoted_pages;
        sum.demoted_pages += counters->demoted_pages;
        sum.undone_pages += counters->undone_pages;
    }
    return sum;
}

static double hit_ratio(const GuestCounters *from, const GuestCounters *to)
{
    double accesses = to->accesses - from->accesses;

    return accesses > 0 ? (to->fast_accesses - from->fast_accesses) / accesses : NAN;
}

static double slowdown(const GuestCounters *from, const GuestCounters *to)
{
    double work_ns = to->work_ns - from->work_ns;

    return work_ns > 0 ? (to->wall_ns - from->wall_ns) / work_ns - 1 : NAN;
}

static void steady_begins(Run *run)
{
    run->steady = true;
    machine_counters(run->machine, &run->steady_counters);
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        run->guests[i].steady = run->guests[i].counters;
    }
}

static void look_at_guests(Run *run)
{
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        RunningGuest *guest = &run->guests[i];
        uint64_t fast, size = 0;

        if (!guest->guest) {
            continue;
        }
        for (unsigned tier = 0; tier < machine_config(run->machine)->n_tiers; tier++) {
            size += guest_resident_bytes(guest->guest, tier);
        }
        fast = guest_resident_bytes(guest->guest, 0);
        guest->fast_bytes += (double)fast / run->options->scale;
        guest->points++;
        guest->points_below +=
            (double)fast < 0.99 * (double)MIN(guest_config(guest->guest)->floor_bytes, size);
    }
}

static void take_point(Run *run, uint64_t now_ns)
{
    uint64_t sample_ns = run->options->sample_ns ?: SAMPLE_NS;
    GuestCounters sum = read_counters(run);
    MachineCounters counters;
    RunPoint point = {
        .now_ns = now_ns,
        .hit_ratio = hit_ratio(&run->point_sum, &sum),
        .slowdown = slowdown(&run->point_sum, &sum),
    };

    machine_counters(run->machine, &counters);
    point.moved_bytes_per_s = (double)(counters.moved_bytes - run->point_counters.moved_bytes) /
                              run->options->scale / ((double)sample_ns / 1e9);
    g_array_append_val(run->points, point);
    run->point_sum = sum;
    run->point_counters = counters;
    if (run->steady) {
        look_at_guests(run);
    } else if (now_ns >= run->scenario->steady_from_ns) {
        steady_begins(run);
    }
}

/* --- time --- */

static uint64_t next_event(const Run *run, uint64_t now_ns, uint64_t point_ns)
{
    uint64_t next = MIN(MIN(point_ns, run->contender_ns), run->scenario->duration_ns);

    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        const RunningGuest *guest = &run->guests[i];

        if (guest->guest) {
            next = MIN(next, MIN(guest->tick_ns, until_ns(run->scenario, guest->what)));
        } else if (!guest->gone) {
            next = MIN(next, guest->what->from_ns);
        }
    }
    return MAX(next, now_ns);
}

static uint64_t cpu_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void contender_acts(Run *run, uint64_t now_ns)
{
    uint64_t from_ns = run->options->timing ? cpu_now_ns() : 0;
    uint64_t next_ns = run->contender->class->tick(run->contender, now_ns);

    run->cpu_ns += run->options->timing ? cpu_now_ns() - from_ns : 0;
    run->contender_ns = MAX(next_ns, now_ns + LEAST_TICK_NS);
}

static bool run_through(Run *run, const ContenderClass *class, const char *params, GError **errp)
{
    uint64_t sample_ns = run->options->sample_ns ?: SAMPLE_NS, point_ns = sample_ns, now_ns = 0;

    if (!guests_go_and_come(run, 0, errp)) {
        return false;
    }
    run->contender = class->create(params, run->machine, errp);
    if (!run->contender) {
        g_prefix_error(errp, "contender '%s': ", class->name);
        return false;
    }
    run->contender->class = class;
    run->contender->machine = run->machine;
    run->contender_ns = run->scenario->tiering_from_ns;
    while (true) {
        workloads_change(run, now_ns);
        if (now_ns >= run->contender_ns || machine_said(run->machine) != run->said) {
            run->said = machine_said(run->machine);
            contender_acts(run, now_ns);
        }
        now_ns = next_event(run, now_ns, point_ns);
        machine_advance(run->machine, now_ns);
        if (now_ns >= point_ns) {
            take_point(run, now_ns);
            point_ns += sample_ns;
        }
        if (now_ns >= run->scenario->duration_ns) {
            return true;
        }
        if (!guests_go_and_come(run, now_ns, errp)) {
            return false;
        }
    }
}

/* --- what came of it --- */

static double mean_time_to_90(const Run *run)
{
    double sum = 0;
    size_t counted = 0;

    for (guint i = 0; i < run->changes->len; i++) {
        uint64_t from_ns = g_array_index(run->changes, uint64_t, i);
        uint64_t to_ns = i + 1 < run->changes->len ? g_array_index(run->changes, uint64_t, i + 1)
                                                   : run->scenario->duration_ns;
        double seconds =
            measure_time_to_90((const RunPoint *)(void *)run->points->data, run->points->len, from_ns, to_ns);

        if (!isnan(seconds)) {
            sum += seconds;
            counted++;
        }
    }
    return counted ? sum / (double)counted : NAN;
}

static void report_guests(const Run *run, GArray *guests)
{
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        const RunningGuest *guest = &run->guests[i];
        double points = (double)guest->points;
        RunGuest report = {
            .name = guest->what->config.name,
            .hit_ratio = hit_ratio(&guest->steady, &guest->counters),
            .slowdown = slowdown(&guest->steady, &guest->counters),
            .fast_bytes = guest->points ? guest->fast_bytes / points : NAN,
            .floor_bytes = (double)guest->what->config.floor_bytes,
            .below_floor_share = guest->points ? (double)guest->points_below / points : 0,
        };

        g_array_append_val(guests, report);
    }
}

static void ask_predictions(Run *run, GArray *predictions)
{
    const RunOptions *options = run->options;
    size_t n = options->n_predict;
    g_autofree uint64_t *bytes = g_new(uint64_t, n);
    g_autofree double *hit_ratios = g_new(double, n);
    g_autofree double *slowdowns = g_new(double, n);

    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint64_t)(options->predict_shares[i] * (double)footprint(run->scenario, options->scale));
    }
    if (!run->contender->class->predict ||
        !run->contender->class->predict(run->contender, bytes, n, hit_ratios, slowdowns)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        RunPrediction prediction = {options->predict_shares[i], hit_ratios[i], slowdowns[i]};

        g_array_append_val(predictions, prediction);
    }
}

static GuestCounters steady_sum(const Run *run, double *vcpu_ns)
{
    GuestCounters sum = {0};

    *vcpu_ns = 0;
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        const RunningGuest *guest = &run->guests[i];

        if (!guest->what->hostile) {
            sum.accesses += guest->counters.accesses - guest->steady.accesses;
            sum.fast_accesses += guest->counters.fast_accesses - guest->steady.fast_accesses;
            sum.work_ns += guest->counters.work_ns - guest->steady.work_ns;
            sum.wall_ns += guest->counters.wall_ns - guest->steady.wall_ns;
            sum.stolen_ns += guest->counters.stolen_ns - guest->steady.stolen_ns;
            *vcpu_ns += (guest->counters.wall_ns - guest->steady.wall_ns) * guest->what->config.vcpus *
                        run->options->scale;
        }
    }
    return sum;
}

static void report(Run *run, RunResult *result)
{
    const GuestCounters none = {0}, all = read_counters(run);
    double vcpu_ns, steady_ns = (double)(run->scenario->duration_ns - run->scenario->steady_from_ns);
    double scale = run->options->scale, pages = (double)footprint(run->scenario, scale) / SIM_PAGE;
    double moved = (double)(all.promoted_pages + all.demoted_pages);
    GuestCounters sum = steady_sum(run, &vcpu_ns);
    MachineCounters counters;

    machine_counters(run->machine, &counters);
    *result = (RunResult){
        .hit_ratio = hit_ratio(&none, &sum),
        .slowdown = slowdown(&none, &sum),
        .moved_bytes_per_s =
            (double)(counters.moved_bytes - run->steady_counters.moved_bytes) / scale / (steady_ns / 1e9),
        .overhead_share = vcpu_ns > 0 ? sum.stolen_ns / vcpu_ns : 0,
        .host_cpu_share = (counters.host_ns - run->steady_counters.host_ns) / scale / steady_ns,
        .host_move_share = (counters.move_ns - run->steady_counters.move_ns) / scale / steady_ns,
        .undone_share = moved > 0 ? (double)all.undone_pages / moved : 0,
        .time_to_90_s = mean_time_to_90(run),
        .metadata_per_granule = (double)run->contender->class->metadata_bytes(run->contender) / pages,
        .planner_ns_per_granule =
            run->options->timing ? (double)run->cpu_ns / pages / ((double)run->scenario->duration_ns / 1e9) : NAN,
        .points = g_array_ref(run->points),
        .guests = g_array_new(false, false, sizeof(RunGuest)),
        .predictions = g_array_new(false, false, sizeof(RunPrediction)),
    };
    report_guests(run, result->guests);
    ask_predictions(run, result->predictions);
}

static void run_clear(Run *run)
{
    if (run->contender) {
        run->contender->class->destroy(run->contender);
    }
    for (size_t i = 0; i < run->scenario->n_guests; i++) {
        if (run->guests[i].guest) {
            remove_guest(run, &run->guests[i]);
        }
    }
    machine_free(run->machine);
    g_array_unref(run->points);
    g_array_unref(run->changes);
    g_free(run->guests);
}

bool run_scenario(const Scenario *scenario, const char *contender, const char *contender_params,
                  const RunOptions *options, RunResult *result, GError **errp)
{
    const ContenderClass *class = contender_find(contender, errp);
    Run run = {.scenario = scenario, .options = options};
    bool done;

    if (!class) {
        return false;
    }
    run.machine = make_machine(scenario, options);
    run.guests = g_new0(RunningGuest, scenario->n_guests);
    run.points = g_array_new(false, false, sizeof(RunPoint));
    run.changes = g_array_new(false, false, sizeof(uint64_t));
    for (size_t i = 0; i < scenario->n_guests; i++) {
        run.guests[i].what = &scenario->guests[i];
    }
    done = run_through(&run, class, contender_params, errp);
    if (done) {
        report(&run, result);
    }
    run_clear(&run);
    return done;
}

void run_result_clear(RunResult *result)
{
    g_clear_pointer(&result->points, g_array_unref);
    g_clear_pointer(&result->guests, g_array_unref);
    g_clear_pointer(&result->predictions, g_array_unref);
}
