/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docs/results.md. Each section states the aim, the figure, and whether it was reached.
 */
#include "results.h"

#include <math.h>
#include <string.h>

#include "costs.h"
#include "judge.h"

/* What is being written, of whom. */
typedef struct Page {
    const Experiment *experiment, *hostile;
    size_t ours;
    GString *text;
} Page;

static const char *row_name(const Page *page, size_t row)
{
    return experiment_row(page->experiment, row)->name;
}

static const char *contender_label(const Page *page, size_t contender)
{
    return contender < page->experiment->contenders->len
               ? experiment_contender(page->experiment, contender)->label
               : "none";
}

/* One line of a section's table of aims. */
G_GNUC_PRINTF(4, 5) static void aim(Page *page, const char *what, bool reached, const char *format, ...)
{
    va_list ap;

    g_string_append_printf(page->text, "| %s | ", what);
    va_start(ap, format);
    g_string_append_vprintf(page->text, format, ap);
    va_end(ap);
    g_string_append_printf(page->text, " | %s |\n", reached ? "yes" : "**no**");
}

static void aims_begin(Page *page, const char *title)
{
    g_string_append_printf(page->text, "\n## %s\n\n| aim | figure | reached |\n|---|---|---|\n", title);
}

/* A cell of a table: @value with two digits, or a dash. */
static void cell(Page *page, double value)
{
    if (isnan(value)) {
        g_string_append(page->text, " - |");
    } else {
        g_string_append_printf(page->text, " %.2f |", value);
    }
}

static void head_of_contenders(Page *page, const char *first)
{
    g_string_append_printf(page->text, "\n| %s |", first);
    for (size_t i = 0; i < page->experiment->contenders->len; i++) {
        g_string_append_printf(page->text, " %s |", contender_label(page, i));
    }
    g_string_append(page->text, "\n|---|");
    for (size_t i = 0; i < page->experiment->contenders->len; i++) {
        g_string_append(page->text, "---:|");
    }
    g_string_append_c(page->text, '\n');
}

/* --- sections --- */

/* The baseline with the least mean lag. */
static size_t best_on_average(const Page *page)
{
    size_t best = page->experiment->contenders->len;

    for (size_t i = 0; i < page->experiment->contenders->len; i++) {
        if (judge_is_baseline(page->experiment, i) &&
            (best == page->experiment->contenders->len ||
             judge_mean_lag(page->experiment, i) < judge_mean_lag(page->experiment, best))) {
            best = i;
        }
    }
    return best;
}

static void hit_ratio_aims(Page *page)
{
    const Experiment *experiment = page->experiment;
    double mean = judge_mean_lag(experiment, page->ours);
    JudgeWorst worst = judge_worst_lag(experiment, page->ours);
    JudgeWorst behind = judge_worst_behind(experiment, page->ours);
    size_t best = best_on_average(page);

    aims_begin(page, "Hit ratio in the steady state, all rows and shares");
    aim(page, "within 3 points of the oracle that pays, on average", mean <= 0.03, "%.2f points behind",
        100 * mean);
    aim(page, "never more than 8 points behind it", worst.value <= 0.08, "at most %.2f points (%s at %s)",
        100 * worst.value, row_name(page, worst.row), experiment_share(experiment, worst.share)->name);
    if (best < experiment->contenders->len) {
        aim(page, "ahead of every baseline, on average", mean < judge_mean_lag(experiment, best),
            "the best, %s, is %.2f points behind the oracle", contender_label(page, best),
            100 * judge_mean_lag(experiment, best));
        aim(page, "behind the best baseline by at most 1 point, on any row (mean over its shares)",
            behind.value <= 0.01, "at most %.2f points (%s, behind %s)", 100 * behind.value,
            row_name(page, behind.row), contender_label(page, judge_best_baseline(experiment, behind.row)));
    }
    g_string_append(page->text,
                    "\nPoints behind the oracle that pays, mean over the shares; negative: ahead of it.\n");
    head_of_contenders(page, "row");
    for (size_t row = 0; row < experiment->rows->len; row++) {
        g_string_append_printf(page->text, "| %s |", row_name(page, row));
        for (size_t i = 0; i < experiment->contenders->len; i++) {
            cell(page, 100 * judge_row_lag(experiment, row, i));
        }
        g_string_append_c(page->text, '\n');
    }
    g_string_append(page->text, "| **mean** |");
    for (size_t i = 0; i < experiment->contenders->len; i++) {
        cell(page, 100 * judge_mean_lag(experiment, i));
    }
    g_string_append_c(page->text, '\n');
}

static void shares_table(Page *page)
{
    const Experiment *experiment = page->experiment;
    size_t paying = experiment_find(experiment, "oracle-paying");

    g_string_append_printf(page->text,
                           "\n### %s at each share\n\nHit ratio in per cent (that of the oracle that pays)."
                           "\n\n| row |",
                           contender_label(page, page->ours));
    for (size_t share = 0; share < experiment->shares->len; share++) {
        g_string_append_printf(page->text, " %s |", experiment_share(experiment, share)->name);
    }
    g_string_append(page->text, "\n|---|");
    for (size_t share = 0; share < experiment->shares->len; share++) {
        g_string_append(page->text, "---:|");
    }
    for (size_t row = 0; row < experiment->rows->len; row++) {
        g_string_append_printf(page->text, "\n| %s |", row_name(page, row));
        for (size_t share = 0; share < experiment->shares->len; share++) {
            g_string_append_printf(page->text, " %.1f (%.1f) |",
                                   100 * experiment_mean(experiment, row, share, page->ours).hit_ratio,
                                   100 * experiment_mean(experiment, row, share, paying).hit_ratio);
        }
    }
    g_string_append_c(page->text, '\n');
}

/*
 * The oracle's time where it is longer than @seconds: at this limit of moves only who has made room before can be as
 * quick.
 */
static char *oracle_is_slower(const Page *page, size_t row, double seconds)
{
    const Experiment *experiment = page->experiment;
    const size_t paying = experiment_find(experiment, "oracle-paying");
    const double oracle = paying < experiment->contenders->len ? judge_time_to_90(experiment, row, paying) : NAN;

    return oracle > seconds ? g_strdup_printf("; the oracle that pays takes %.1f s", oracle)
                            : g_strdup("");
}

static void change_section(Page *page)
{
    const Experiment *experiment = page->experiment;

    aims_begin(page, "After a change");
    for (size_t row = 0; row < experiment->rows->len; row++) {
        size_t quickest = judge_quickest_baseline(experiment, row);
        double seconds = judge_time_to_90(experiment, row, page->ours),
               undone = judge_undone(experiment, row, page->ours);
        g_autofree char *what = NULL;

        if (!experiment_row(experiment, row)->changes) {
            continue;
        }
        what = g_strdup_printf("%s: 90 %% of the new steady state in half the time of the quickest baseline",
                               row_name(page, row));
        if (quickest < experiment->contenders->len) {
            double other = judge_time_to_90(experiment, row, quickest);
            g_autofree char *bound = oracle_is_slower(page, row, other / 2);

            aim(page, what, seconds <= other / 2, "%.1f s; %s %.1f s%s", seconds, contender_label(page, quickest),
                other, bound);
        } else {
            aim(page, what, !isnan(seconds), "%.1f s; no baseline came near the oracle", seconds);
        }
        g_free(what);
        what = g_strdup_printf("%s: less than 3 %% of moves undone within 10 s", row_name(page, row));
        aim(page, what, undone < 0.03, "%.2f %%", 100 * undone);
    }
    g_string_append_printf(
        page->text,
        "\nSeconds, mean over changes and shares; of baselines where they come within %.0f points of "
        "the oracle.\n",
        100 * JUDGE_NEAR);
    head_of_contenders(page, "row");
    for (size_t row = 0; row < experiment->rows->len; row++) {
        if (experiment_row(experiment, row)->changes) {
            g_string_append_printf(page->text, "| %s |", row_name(page, row));
            for (size_t i = 0; i < experiment->contenders->len; i++) {
                cell(page, judge_time_to_90(experiment, row, i));
            }
            g_string_append_c(page->text, '\n');
        }
    }
}

/* The rows of the hostile VM and of the honest one; false where they are not both there. */
static bool hostile_rows(const Experiment *experiment, size_t *with, size_t *without)
{
    *with = experiment_find_row(experiment, RESULTS_HOSTILE);
    *without = experiment_find_row(experiment, RESULTS_HONEST);
    return *with < experiment->rows->len && *without < experiment->rows->len;
}

/* What an oracle does to the neighbours; nothing where the experiment has none. */
static void tell_oracles_difference(Page *page)
{
    const Experiment *experiment = page->experiment;
    const size_t paying = experiment_find(experiment, "oracle-paying");
    size_t with, without;

    if (paying < experiment->contenders->len && hostile_rows(experiment, &with, &without)) {
        const JudgeDifference oracle = judge_difference(experiment, with, without, paying);

        g_string_append_printf(page->text, " With the oracle that pays, which places what is hottest whoever has it, "
                               "neighbours are slower beside the hostile VM by up to %.2f points.", 100 * oracle.worse);
    }
    g_string_append_c(page->text, '\n');
}

/*
 * A neighbour that is better off beside the hostile VM than beside an honest one has not been harmed: the honest one
 * has hot memory, and gets more of tier 0 for it.
 */
static void hostile_aim(Page *page)
{
    const Experiment *hostile = page->hostile;
    const char *name = experiment_contender(page->experiment, page->ours)->class->name;
    JudgeDifference ours;
    size_t with, without;

    if (!hostile_rows(hostile, &with, &without)) {
        return;
    }
    ours = judge_difference(hostile, with, without, experiment_find(hostile, name));
    aim(page, "a hostile VM slows no neighbour down by 1 point, against an honest VM in its place", ours.worse < 0.01,
        "by %.2f points at most (%s at %s)", 100 * ours.worse, ours.guest ?: "none",
        experiment_share(hostile, ours.share)->name);
    g_string_append_printf(page->text, "\nNeighbours' slowdowns beside the hostile VM and beside an honest one, means "
                           "over seeds from %" G_GUINT64_FORMAT " on (%zu), are %.2f points apart on average; some "
                           "neighbour is faster beside the hostile VM by %.2f: it has no memory that is hotter than "
                           "the rest, and gets less of tier 0 than an honest one.", hostile->options.seed,
                           hostile->n_seeds, 100 * ours.mean, 100 * ours.better);
    if (ours.guest && hostile->n_seeds > 1) {
        g_string_append_printf(page->text, " What %s is slower by at %s has a standard error of %.2f.", ours.guest,
                               experiment_share(hostile, ours.share)->name, 100 * ours.doubt);
    }
    tell_oracles_difference(page);
}

static void tenants_section(Page *page)
{
    const Experiment *experiment = page->experiment;
    size_t equal = experiment_find(experiment, "interleave");

    aims_begin(page, "Tenants");
    for (size_t row = 0; row < experiment->rows->len; row++) {
        double ours = judge_slowdown(experiment, row, page->ours);
        double below = judge_below_floor(experiment, row, page->ours);
        g_autofree char *what = NULL;

        if (experiment_row(experiment, row)->n_guests < 2) {
            continue;
        }
        what = g_strdup_printf("%s: no VM below its floor", row_name(page, row));
        aim(page, what, below == 0, "%.1f %% of the time at most", 100 * below);
        g_free(what);
        what = g_strdup_printf("%s: slowdown of all at least 20 %% lower than with equal shares",
                               row_name(page, row));
        if (equal < experiment->contenders->len) {
            double other = judge_slowdown(experiment, row, equal);

            aim(page, what, ours <= 0.8 * other, "%.1f %% against %.1f %%: %.0f %% lower", 100 * ours,
                100 * other, 100 * (1 - ours / other));
        }
    }
    hostile_aim(page);
}

static void prediction_section(Page *page)
{
    const Experiment *experiment = page->experiment;
    double sum = 0, hits = 0;
    size_t n = 0;
    g_autoptr(GString) lines =
        g_string_new("\n| row | slowdown, points | hit ratio, points |\n|---|---:|---:|\n");

    for (size_t row = 0; row < experiment->rows->len; row++) {
        double slowdown, hit_ratio;

        judge_predictions(experiment, row, page->ours, &slowdown, &hit_ratio);
        if (!isnan(slowdown)) {
            sum += slowdown;
            hits += hit_ratio;
            n++;
            g_string_append_printf(lines, "| %s | %.2f | %.2f |\n", row_name(page, row), 100 * slowdown,
                                   100 * hit_ratio);
        }
    }
    if (n > 0) {
        aims_begin(page, "Prediction");
        aim(page, "slowdown at other shares, foretold at each: mean error below 1 point",
            sum / (double)n < 0.01, "%.2f points; of the hit ratio %.2f", 100 * sum / (double)n,
            100 * hits / (double)n);
        g_string_append(page->text, lines->str);
    }
}

static void cost_section(Page *page)
{
    const Experiment *experiment = page->experiment;
    static const char *const columns[] = {
        "slowdown, %", "of it by tracking and moves, %", "host CPU for tracking and plans, % of a core",
        "for moves, % of a core", "moved, MB/s", "undone, %", "data, B/page"};

    g_string_append(page->text, "\n## What it costs\n\nMeans over all rows and shares.\n\n| contender |");
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
        g_string_append_printf(page->text, " %s |", columns[i]);
    }
    g_string_append(page->text, "\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < experiment->contenders->len; i++) {
        double sums[G_N_ELEMENTS(columns)] = {0};
        double cells = (double)experiment->rows->len * experiment->shares->len;

        for (size_t at = 0; at < (size_t)cells; at++) {
            RunResult mean =
                experiment_mean(experiment, at / experiment->shares->len, at % experiment->shares->len, i);
            const double values[] = {100 * mean.slowdown, 100 * mean.overhead_share,
                                     100 * (mean.host_cpu_share - mean.host_move_share), 100 * mean.host_move_share,
                                     mean.moved_bytes_per_s / 1e6, 100 * mean.undone_share,
                                     mean.metadata_per_granule};

            for (size_t k = 0; k < G_N_ELEMENTS(columns); k++) {
                sums[k] += isnan(values[k]) ? 0 : values[k] / cells;
            }
        }
        g_string_append_printf(page->text, "| %s |", contender_label(page, i));
        for (size_t k = 0; k < G_N_ELEMENTS(columns); k++) {
            cell(page, sums[k]);
        }
        g_string_append_c(page->text, '\n');
    }
}

static void lists_section(Page *page)
{
    const Experiment *experiment = page->experiment;
    g_autofree char *costs = sim_costs_list(&experiment->options.costs);

    g_string_append(page->text, "\n## Rows\n\n| row | what |\n|---|---|\n");
    for (size_t row = 0; row < experiment->rows->len; row++) {
        g_string_append_printf(page->text, "| %s | %s |\n", row_name(page, row),
                               experiment_row(experiment, row)->what);
    }
    g_string_append(page->text, "\n## Contenders\n\n| contender | what | defaults |\n|---|---|---|\n");
    for (size_t i = 0; i < experiment->contenders->len; i++) {
        const ContenderClass *class = experiment_contender(experiment, i)->class;

        g_string_append_printf(page->text, "| %s | %s | %s |\n", contender_label(page, i), class->what,
                               class->defaults ?: "");
    }
    g_string_append_printf(
        page->text,
        "\n## The cost model\n\nWhere each comes from: [simulator.md](simulator.md).\n\n```\n%s```\n", costs);
}

char *results_text(const Experiment *experiment, const Experiment *hostile, const char *ours,
                   const char *const *pictures)
{
    Page page = {
        .experiment = experiment,
        .hostile = hostile,
        .ours = experiment_find(experiment, ours),
        .text = g_string_new(NULL),
    };
    const RunOptions *options = &experiment->options;

    g_assert(page.ours < experiment->contenders->len);
    g_string_append_printf(
        page.text,
        "# What the simulator says\n\n"
        "Made by `scripts/results` (`tier-sim results`); [simulator.md](simulator.md) says what is "
        "simulated and how to read it. Scale 1/%.0f, seeds from %" G_GUINT64_FORMAT " on: %zu"
        "; at most %.0f MiB/s moved, the same for all. `%s` is judged, with its defaults on every "
        "row. Each run: [results/table.csv](results/table.csv).\n",
        1 / options->scale, options->seed, experiment->n_seeds,
        (double)options->move_bytes_per_s / (1 << 20), ours);
    hit_ratio_aims(&page);
    shares_table(&page);
    change_section(&page);
    tenants_section(&page);
    prediction_section(&page);
    cost_section(&page);
    if (pictures && *pictures) {
        g_string_append(page.text, "\n## Pictures\n\n");
        for (const char *const *picture = pictures; *picture; picture++) {
            g_string_append_printf(page.text, "![%s](results/%s)\n\n", *picture, *picture);
        }
    }
    lists_section(&page);
    return g_string_free(page.text, FALSE);
}
