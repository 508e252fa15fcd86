/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forecasts, held against cases worked out by hand.
 */
#include <glib.h>
#include <math.h>

#include "core/forecast.h"
#include "curves.h"

#define MIB (1ull << 20)
#define ALMOST 1e-9

/* A vCPU that computes 200 ns between two accesses of 100 or 250 ns, half of which are fast. */
static const Forecast half_fast = {
    .accesses_per_s = 1e9 / 375, .hit_ratio = 0.5, .busy = 1, .tiers = {{.now_ns = 100}, {.now_ns = 250}},
};

/* Two thirds of the accesses go to a quarter of 400 MiB. */
static PolicyCurve curve_of(void)
{
    return curve_hot(400 * MIB, 100 * MIB, 2.0 / 3, 3e6);
}

/* What load makes of latency; see forecast.h. */
static double law(double idle_ns, double used)
{
    return idle_ns * (1 + used * used / (1 - used) / 4);
}

static void slowdown_is_time_per_access_against_all_fast(void)
{
    const PolicyCurve curve = curve_of();
    const ForecastAt all = forecast_at(&half_fast, &curve, 400 * MIB), hot = forecast_at(&half_fast, &curve, 100 * MIB),
                     none = forecast_at(&half_fast, &curve, 0);

    g_assert_cmpfloat_with_epsilon(all.hit_ratio, 1, ALMOST);
    g_assert_cmpfloat_with_epsilon(all.slowdown, 0, ALMOST);
    g_assert_cmpfloat_with_epsilon(hot.hit_ratio, 2.0 / 3, ALMOST);
    g_assert_cmpfloat_with_epsilon(hot.slowdown, 50.0 / 300, ALMOST);
    g_assert_cmpfloat_with_epsilon(none.slowdown, 150.0 / 300, ALMOST);
}

static void what_tiering_takes_is_lost_too(void)
{
    const PolicyCurve curve = curve_of();
    Forecast now = half_fast;

    now.stolen = 0.02;
    now.stolen_usually = 0.01;
    now.accesses_per_s *= 1 - now.stolen;
    g_assert_cmpfloat_with_epsilon(forecast_at(&now, &curve, 400 * MIB).slowdown, 1 / 0.99 - 1, ALMOST);
    g_assert_cmpfloat_with_epsilon((1 + forecast_slowdown_now(&now)) * 0.98,
                                   1 + forecast_slowdown_now(&half_fast), ALMOST);
}

static void a_burst_passes(void)
{
    double usually = forecast_usually(NAN, 0.01, 1e9);

    g_assert_cmpfloat(usually, ==, 0.01);
    g_assert_cmpfloat(forecast_usually(usually, NAN, 1e9), ==, 0.01);
    usually = forecast_usually(usually, 0.05, 1e9);
    g_assert_cmpfloat(usually, >, 0.01);
    g_assert_cmpfloat(usually, <, 0.015);
    for (int i = 0; i < 600; i++) {
        usually = forecast_usually(usually, 0.05, 1e9);
    }
    g_assert_cmpfloat_with_epsilon(usually, 0.05, 1e-6);
}

static void latency_follows_the_load_that_goes_along(void)
{
    const PolicyCurve curve = curve_of();
    const double others = 0.6, bytes_per_s = 10e9;
    Forecast now = half_fast;
    double used, latency_ns;
    ForecastAt all;

    /* What it is now: others use 60 % of tier 0, this VM's half of 64 bytes for each access comes on top. */
    used = others + 32 * now.accesses_per_s / bytes_per_s;
    now.tiers[0] = (ForecastTier){.now_ns = law(100, used), .idle_ns = 100, .bytes_per_s = bytes_per_s};
    now.busy = now.accesses_per_s * (200 + now.tiers[0].now_ns / 2 + 125) / 1e9;
    all = forecast_at(&now, &curve, 400 * MIB);
    latency_ns = (all.slowdown + 1) * 300 - 200;
    used = others + 64 * now.busy * 1e9 / (200 + latency_ns) / bytes_per_s;
    g_assert_cmpfloat(latency_ns, >, now.tiers[0].now_ns);
    g_assert_cmpfloat_with_epsilon(latency_ns, law(100, used), 0.01);
}

static void what_makes_tier_0_the_slower_one_stays_out_of_it(void)
{
    const PolicyCurve curve = curve_of();
    Forecast now = half_fast;
    ForecastAt all;

    /* Others leave 8 % of tier 0, where both tiers are equally slow at about 86 %. */
    now.tiers[0] = (ForecastTier){.now_ns = 260, .idle_ns = 100, .bytes_per_s = 1e9};
    now.tiers[1] = (ForecastTier){.now_ns = 250, .idle_ns = 250, .bytes_per_s = 10e9};
    all = forecast_at(&now, &curve, 400 * MIB);
    g_assert_cmpfloat(all.hit_ratio, <, 0.5);
    g_assert_cmpfloat(all.hit_ratio, >, 0);
    now.accesses_per_s /= 1000;                     /* hardly anything of the load is its own */
    now.busy /= 1000;
    g_assert_cmpfloat(forecast_at(&now, &curve, 400 * MIB).hit_ratio, <, 1e-6);
}

static void tells_nothing_of_what_was_not_measured(void)
{
    const PolicyCurve curve = curve_of(), none = {0};
    Forecast now = half_fast;

    g_assert_true(isnan(forecast_at(&now, &none, MIB).hit_ratio));
    g_assert_true(isnan(forecast_at(&now, &none, MIB).slowdown));
    now.accesses_per_s = NAN;
    g_assert_true(isnan(forecast_at(&now, &curve, MIB).slowdown));
    g_assert_cmpfloat(forecast_at(&now, &curve, 100 * MIB).hit_ratio, >, 0.5);
    now = half_fast;
    now.stolen = 1;
    g_assert_true(isnan(forecast_at(&now, &curve, MIB).slowdown));
    now.stolen = 0;
    now.stolen_usually = NAN;
    g_assert_true(isnan(forecast_at(&now, &curve, MIB).slowdown));
}

#define ADD(test) g_test_add_func("/forecast/" #test, test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(slowdown_is_time_per_access_against_all_fast);
    ADD(what_tiering_takes_is_lost_too);
    ADD(a_burst_passes);
    ADD(latency_follows_the_load_that_goes_along);
    ADD(what_makes_tier_0_the_slower_one_stays_out_of_it);
    ADD(tells_nothing_of_what_was_not_measured);
    return g_test_run();
}
