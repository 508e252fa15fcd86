/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces as workloads: what is read of sound ones, and that no unsound one is used.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "access-trace.h"
#include "core/trace.h"
#include "scenario-trace.h"
#include "workloads/series.h"

#define MS 1000000ull
#define SECOND 1000000000ull

/* Two regions: pages 0 and 1 (the second begun), and page 2. */
static const char sound[] =
    "tier-access-trace 1\n"
    "# a comment, and an empty line\n"
    "\n"
    "region ram 8000\n"
    "region rom 0x1000\r\n"
    "5000000000 ram 0x1f3f 7 r\n"
    "5000000000\tram 0  3 w\n"
    "5050000000 rom 4095 10 r\n"
    "end 3\n";

static AccessTrace *open_text(const char *text, size_t len, GError **errp)
{
    FILE *file = len > 0 ? fmemopen((char *)text, len, "r") : fopen("/dev/null", "r");

    g_assert_nonnull(file);
    return access_trace_new(file, "test.trace", errp);
}

/* Read all of it; NULL, or the error's message. */
static char *read_text(const char *text, size_t len)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(AccessTrace) trace = open_text(text, len, &err);
    AccessStep step = ACCESS_STEP_FAILED;
    AccessRecord record;

    if (trace) {
        do {
            step = access_trace_next(trace, &record, &err);
        } while (step == ACCESS_STEP_RECORD);
    }
    g_assert_true((err != NULL) == (step == ACCESS_STEP_FAILED));
    return err ? g_strdup(err->message) : NULL;
}

/* Write a file for the time of the test; its name, to be given to remove_file(). */
static char *write_file(const void *data, size_t len)
{
    g_autoptr(GError) err = NULL;
    char *path = NULL;
    int fd = g_file_open_tmp("tier-sim-XXXXXX", &path, &err);

    g_assert_no_error(err);
    g_close(fd, NULL);
    g_file_set_contents(path, data, (gssize)len, &err);
    g_assert_no_error(err);
    return path;
}

static void remove_file(char *path)
{
    g_unlink(path);
    g_free(path);
}

static void a_sound_trace_is_read_record_by_record(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(AccessTrace) trace = open_text(sound, strlen(sound), &err);
    AccessRecord record;

    g_assert_no_error(err);
    g_assert_cmpuint(access_trace_regions(trace), ==, 2);
    g_assert_cmpstr(access_trace_region(trace, 0)->name, ==, "ram");
    g_assert_cmpuint(access_trace_region(trace, 0)->bytes, ==, 8000);
    g_assert_cmpuint(access_trace_region(trace, 1)->bytes, ==, 4096);
    g_assert_cmpuint(access_trace_region(trace, 1)->first_page, ==, 2);
    g_assert_cmpuint(access_trace_pages(trace), ==, 3);
    g_assert_cmpint(access_trace_next(trace, &record, &err), ==, ACCESS_STEP_RECORD);
    g_assert_cmpuint(record.time_ns, ==, 5 * SECOND);
    g_assert_cmpuint(record.page, ==, 1);
    g_assert_cmpuint(record.count, ==, 7);
    g_assert_false(record.write);
    g_assert_cmpint(access_trace_next(trace, &record, &err), ==, ACCESS_STEP_RECORD);
    g_assert_cmpuint(record.page, ==, 0);
    g_assert_true(record.write);
    g_assert_cmpint(access_trace_next(trace, &record, &err), ==, ACCESS_STEP_RECORD);
    g_assert_cmpuint(record.page, ==, 2);
    g_assert_cmpint(access_trace_next(trace, &record, &err), ==, ACCESS_STEP_END);
    g_assert_no_error(err);
}

static void a_trace_cut_off_anywhere_is_refused(void)
{
    for (size_t len = 0; len < strlen(sound); len++) {
        g_autofree char *error = read_text(sound, len);

        g_test_message("%zu bytes: %s", len, error);
        g_assert_nonnull(error);
    }
}

#define REGION "tier-access-trace 1\nregion a 8192\n"

static void unsound_traces_are_refused_with_the_line_and_the_fault(void)
{
    static const struct {
        const char *text, *line, *fault;
    } cases[] = {
        {"", "line 1:", "empty"},
        {"hello\n", "line 1:", "no access trace"},
        {"VTTR\n", "line 1:", "no access trace"},
        {"tier-access-trace 2\n", "line 1:", "version 2"},
        {"tier-access-trace one\n", "line 1:", "version"},
        {"tier-access-trace 1\nend 0\n", "line 2:", "no region"},
        {"tier-access-trace 1\n1 a 0 1 r\n", "line 2:", "no region"},
        {"tier-access-trace 1\nregion a\n", "line 2:", "region NAME SIZE"},
        {"tier-access-trace 1\nregion a 1 2\n", "line 2:", "region NAME SIZE"},
        {"tier-access-trace 1\nregion a/b 4096\n", "line 2:", "a/b"},
        {"tier-access-trace 1\nregion a 0\n", "line 2:", "size"},
        {"tier-access-trace 1\nregion a -4096\n", "line 2:", "size"},
        {"tier-access-trace 1\nregion a 0x\n", "line 2:", "size"},
        {"tier-access-trace 1\nregion a 18446744073709551616\n", "line 2:", "size"},
        {"tier-access-trace 1\nregion a 17592186044417\n", "line 2:", "size"},
        {REGION "region a 1\n", "line 3:", "already"},
        {REGION "region b 0x100000000000\n", "line 3:", "16 TiB"},
        {REGION "1 a 0 1 r\nregion b 1\n", "line 4:", "TIME_NS"},
        {REGION "1 b 0 1 r\n", "line 3:", "no region 'b'"},
        {REGION "1 a 8192 1 r\n", "line 3:", "offset"},
        {REGION "1 a 0x10000000000000000 1 r\n", "line 3:", "offset"},
        {REGION "1 a -1 1 r\n", "line 3:", "offset"},
        {REGION "1 a 0 0 r\n", "line 3:", "count"},
        {REGION "1 a 0 nan r\n", "line 3:", "count"},
        {REGION "1 a 0 1e3 r\n", "line 3:", "count"},
        {REGION "1 a 0 1125899906842625 r\n", "line 3:", "count"},
        {REGION "1 a 0 1 x\n", "line 3:", "neither r nor w"},
        {REGION "1 a 0 1\n", "line 3:", "TIME_NS"},
        {REGION "1 a 0 1 r w\n", "line 3:", "TIME_NS"},
        {REGION "nan a 0 1 r\n", "line 3:", "time"},
        {REGION "-1 a 0 1 r\n", "line 3:", "time"},
        {REGION "1.5 a 0 1 r\n", "line 3:", "time"},
        {REGION "9223372036854775808 a 0 1 r\n", "line 3:", "time"},
        {REGION "2 a 0 1 r\n1 a 0 1 r\nend 2\n", "line 4:", "before the last"},
        {REGION "1 a 0 1 r\nend 2\n", "line 4:", "should be 2"},
        {REGION "1 a 0 1 r\nend\n", "line 4:", "end RECORDS"},
        {REGION "1 a 0 1 r\nend 1\n2 a 0 1 r\n", "line 5:", "more after"},
        {REGION "1 a 0 1 r\n", "line 4:", "truncated"},
        {REGION "1 \xff 0 1 r\n", "line 3:", "UTF-8"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *error = read_text(cases[i].text, strlen(cases[i].text));

        g_test_message("%s", error);
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error, "test.trace"));
        g_assert_nonnull(strstr(error, cases[i].line));
        g_assert_nonnull(strstr(error, cases[i].fault));
    }
}

static void a_line_too_long_or_with_a_zero_byte_is_refused(void)
{
    static const char zero[] = "tier-access-trace 1\nregion a\0b 4096\nend 0\n";
    g_autofree char *many = g_strnfill(5000, 'x');
    g_autofree char *text = g_strdup_printf("tier-access-trace 1\n# %s\n", many);
    g_autofree char *long_error = read_text(text, strlen(text));
    g_autofree char *zero_error = read_text(zero, sizeof(zero) - 1);

    g_assert_nonnull(strstr(long_error, "line 2: it is longer"));
    g_assert_nonnull(strstr(zero_error, "line 2: it is longer"));
}

/* --- as workloads --- */

typedef struct Bed {
    Machine *machine;
    Guest *guest;
    Workload *workload;
} Bed;

static void bed_init(Bed *bed, size_t pages)
{
    MachineConfig machine = {.n_tiers = 2, .scale = 1, .seed = 1, .costs = sim_costs_default};
    GuestConfig guest = {.name = "vm", .pages = pages, .vcpus = 1, .compute_ns = 100};

    machine.capacity_bytes[0] = machine.capacity_bytes[1] = (uint64_t)pages * SIM_PAGE;
    bed->machine = machine_new(&machine);
    bed->guest = machine_add_guest(bed->machine, &guest);
    bed->workload = NULL;
}

static void bed_clear(Bed *bed)
{
    if (bed->workload) {
        bed->workload->class->destroy(bed->workload);
    }
    machine_free(bed->machine);
}

static void bed_play(Bed *bed, const char *workload, const char *path, GError **errp)
{
    g_autofree char *params = g_strdup_printf("file=%s phase_s=0.4", path);

    bed->workload = workload_find(workload, NULL)->create(params, bed->guest, 1, errp);
}

/* Let time pass until @now_ns; returns when the workload is due next. */
static uint64_t bed_at(Bed *bed, uint64_t now_ns)
{
    machine_advance(bed->machine, now_ns);
    return bed->workload->class->tick(bed->workload, now_ns);
}

/*
 * Page 0: 100 accesses in the first window of 100 ms, 50 in the third. Page 1: 10 in the first, and then,
 * after a long time, 20.
 */
static const char windows[] =
    "tier-access-trace 1\nregion a 8192\n"
    "1000 a 0 40 r\n1001 a 100 60 w\n1002 a 4096 10 r\n200001000 a 0 50 r\n1000001000 a 5000 20 r\nend 5\n";

static void bed_play_windows(Bed *bed, const char *path)
{
    g_autoptr(GError) err = NULL;

    bed_init(bed, 2);
    bed_play(bed, "trace", path, &err);
    g_assert_no_error(err);
}

static void accesses_become_rates_of_their_windows(void)
{
    char *path = write_file(windows, strlen(windows));
    Bed bed;

    bed_play_windows(&bed, path);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 1000);
    g_assert_cmpfloat(guest_rate(bed.guest, 1), ==, 100);
    g_assert_cmpuint(bed_at(&bed, 50 * MS), ==, 100 * MS);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 1000);
    bed_at(&bed, 100 * MS);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 0);
    g_assert_cmpfloat(guest_rate(bed.guest, 1), ==, 0);
    bed_at(&bed, 200 * MS);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 500);
    bed_at(&bed, 300 * MS);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 0);
    bed_at(&bed, 1000 * MS);
    g_assert_cmpfloat(guest_rate(bed.guest, 1), ==, 200);
    bed_at(&bed, 1100 * MS);
    g_assert_cmpfloat(guest_rate(bed.guest, 1), ==, 0);
    bed_clear(&bed);
    remove_file(path);
}

static void phases_of_a_trace_have_the_means_of_what_comes(void)
{
    char *path = write_file(windows, strlen(windows));
    Bed bed;

    bed_play_windows(&bed, path);
    /* In the first 400 ms page 0 has 150 accesses, page 1 has 10. */
    g_assert_cmpuint(guest_phase_until_ns(bed.guest), ==, 400 * MS);
    g_assert_cmpfloat_with_epsilon(guest_phase_rates(bed.guest)[0], 150 / 0.4, 1e-3);
    g_assert_cmpfloat_with_epsilon(guest_phase_rates(bed.guest)[1], 10 / 0.4, 1e-3);
    for (uint64_t now_ns = 0; now_ns <= 800 * MS; now_ns += 50 * MS) {
        bed_at(&bed, now_ns);
    }
    g_assert_cmpuint(guest_phase_until_ns(bed.guest), ==, 1200 * MS);
    g_assert_cmpfloat_with_epsilon(guest_phase_rates(bed.guest)[0], 0, 1e-3);
    g_assert_cmpfloat_with_epsilon(guest_phase_rates(bed.guest)[1], 20 / 0.4, 1e-3);
    bed_clear(&bed);
    remove_file(path);
}

static void a_trace_of_another_size_than_the_guest_is_refused(void)
{
    char *path = write_file(windows, strlen(windows));

    for (size_t pages = 1; pages <= 3; pages += 2) {
        g_autoptr(GError) err = NULL;
        Bed bed;

        bed_init(&bed, pages);
        bed_play(&bed, "trace", path, &err);
        g_assert_null(bed.workload);
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, "2 pages"));
        bed_clear(&bed);
    }
    remove_file(path);
}

static void a_row_is_made_of_a_trace(void)
{
    char *path = write_file(windows, strlen(windows));
    g_autoptr(GError) err = NULL;
    g_autoptr(Scenario) scenario = scenario_of_trace(path, &err);

    g_assert_no_error(err);
    g_assert_cmpuint(scenario->n_guests, ==, 1);
    g_assert_cmpuint(scenario->guests[0].config.pages, ==, 2);
    g_assert_cmpuint(scenario->duration_ns, ==, 1100 * MS);
    g_assert_cmpuint(scenario->steady_from_ns, <, scenario->duration_ns);
    g_assert_cmpstr(scenario->guests[0].workload, ==, "trace");
    g_assert_cmpfloat_with_epsilon(scenario->guests[0].config.write_share, 60 / 180.0, 1e-9);
    /* One vCPU makes 180 accesses in 1.1 s. */
    g_assert_cmpfloat_with_epsilon(scenario->guests[0].config.compute_ns + 100, 1.1e9 / 180, 1);
    remove_file(path);
}

/* An access trace of 10 s: each 100 ms, 100 accesses to each tenth of 640 pages, and one to each of all. */
static char *write_hot_trace(void)
{
    g_autoptr(GString) text = g_string_new("tier-access-trace 1\nregion a 2621440\n");
    size_t records = 0;
    char *path;

    for (size_t window = 0; window < 100; window++) {
        for (size_t page = 0; page < 640; page++) {
            g_string_append_printf(text, "%zu a %zu %d %s\n", window * 100000000 + page, page * 4096,
                                   page % 10 ? 1 : 101, page % 2 ? "r" : "w");
            records++;
        }
    }
    g_string_append_printf(text, "end %zu\n", records);
    path = write_file(text->str, text->len);
    return path;
}

static void a_trace_is_run_under_contenders_like_any_row(void)
{
    char *path = write_hot_trace();
    g_autoptr(GError) err = NULL;
    g_autoptr(Scenario) scenario = scenario_of_trace(path, &err);
    g_auto(RunResult) best = {0}, interleaved = {0};
    RunOptions options;

    g_assert_no_error(err);
    run_options_default(&options);
    options.scale = 1;
    options.fast_share = 0.1;
    g_assert_true(run_scenario(scenario, "oracle-static", NULL, &options, &best, &err));
    g_assert_true(run_scenario(scenario, "interleave", NULL, &options, &interleaved, &err));
    g_assert_no_error(err);
    /* The tenth that is hot has 101 of 110 accesses; a tenth taken by address has a tenth. */
    g_assert_cmpfloat_with_epsilon(best.hit_ratio, 101 / 110.0, 0.01);
    g_assert_cmpfloat_with_epsilon(interleaved.hit_ratio, 0.1, 0.02);
    remove_file(path);
}

/* --- recorded traces --- */

static void put(GByteArray *bytes, const void *data, size_t len)
{
    g_byte_array_append(bytes, data, (guint)len);
}

static void put_region(GByteArray *bytes, uint32_t id, uint32_t granule_bytes, uint64_t size)
{
    const TraceRecord record = {TRACE_REGION_ADD, sizeof(TraceRegion)};
    const TraceRegion region = {id, granule_bytes, size};

    put(bytes, &record, sizeof(record));
    put(bytes, &region, sizeof(region));
}

/* Access bits of up to 64 granules. */
static void put_bits(GByteArray *bytes, uint32_t region, uint64_t first, uint64_t n, uint64_t bits,
                     uint64_t interval_ns, uint64_t now_ns)
{
    const TraceRecord record = {TRACE_BITS, sizeof(TraceRange) + sizeof(bits)};
    const TraceRange range = {.region = region, .first = first, .n = n, .interval_ns = interval_ns,
                              .now_ns = now_ns};

    put(bytes, &record, sizeof(record));
    put(bytes, &range, sizeof(range));
    put(bytes, &bits, sizeof(bits));
}

static void put_rate(GByteArray *bytes, uint32_t region, uint64_t first, uint64_t n, double per_s,
                     uint64_t exposure_ns, uint64_t now_ns)
{
    const TraceRecord record = {TRACE_RATE, sizeof(TraceRange)};
    const TraceRange range = {.region = region, .first = first, .n = n, .per_s = per_s,
                              .interval_ns = exposure_ns, .now_ns = now_ns};

    put(bytes, &record, sizeof(record));
    put(bytes, &range, sizeof(range));
}

static GByteArray *recording_new(void)
{
    const TraceHeader header = {TRACE_MAGIC, TRACE_VERSION};
    GByteArray *bytes = g_byte_array_new();

    put(bytes, &header, sizeof(header));
    return bytes;
}

/* Play @bytes on @bed, which has so many pages. */
static void play_recording(Bed *bed, size_t pages, const GByteArray *bytes, GError **errp)
{
    char *path = write_file(bytes->data, bytes->len);

    bed_init(bed, pages);
    bed_play(bed, "recorded", path, errp);
    remove_file(path);
}

static void the_likeliest_rate_is_found_from_access_bits(void)
{
    g_autoptr(GByteArray) bytes = recording_new();
    g_autoptr(GError) err = NULL;
    Bed bed;

    /* 100 looks of 10 ms: page 0 set in none, 1 in 10, 2 in 63, 3 in all. */
    put_region(bytes, 5, SIM_PAGE, 5 * SIM_PAGE);
    for (uint64_t i = 0; i < 100; i++) {
        put_bits(bytes, 5, 0, 4, (i < 10) << 1 | (i < 63) << 2 | 1 << 3, 10 * MS, SECOND + i * 5 * MS);
    }
    play_recording(&bed, 5, bytes, &err);
    g_assert_no_error(err);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 0);
    g_assert_cmpfloat_with_epsilon(guest_rate(bed.guest, 1), -log(0.9) / 0.01, 0.01);
    g_assert_cmpfloat_with_epsilon(guest_rate(bed.guest, 2), -log(0.37) / 0.01, 0.05);
    /* Saturated: a bound, above all that was told apart. */
    g_assert_cmpfloat(guest_rate(bed.guest, 3), >, 4 * guest_rate(bed.guest, 2));
    g_assert_cmpfloat(guest_rate(bed.guest, 4), ==, 0);     /* never looked at */
    bed_clear(&bed);
}

static void evidence_holds_until_there_is_other_and_from_the_beginning(void)
{
    g_autoptr(GByteArray) bytes = recording_new();
    g_autoptr(GError) err = NULL;
    Bed bed;

    put_region(bytes, 1, SIM_PAGE, 2 * SIM_PAGE);
    put_rate(bytes, 1, 0, 1, 100, SECOND, 10 * SECOND);
    put_rate(bytes, 1, 1, 1, 7, SECOND, 13 * SECOND);
    put_rate(bytes, 1, 0, 1, 300, SECOND, 15 * SECOND);
    play_recording(&bed, 2, bytes, &err);
    g_assert_no_error(err);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 100);
    g_assert_cmpfloat(guest_rate(bed.guest, 1), ==, 7);
    bed_at(&bed, 4900 * MS);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 100);
    bed_at(&bed, 5 * SECOND);
    g_assert_cmpfloat(guest_rate(bed.guest, 0), ==, 300);
    g_assert_cmpfloat(guest_rate(bed.guest, 1), ==, 7);
    bed_clear(&bed);
}

static void the_rate_of_a_large_granule_is_spread_over_its_pages(void)
{
    g_autoptr(GByteArray) bytes = recording_new();
    g_autoptr(GError) err = NULL;
    Bed bed;

    put_region(bytes, 1, SIM_PAGE, SIM_PAGE);
    put_region(bytes, 2, 2 << 20, 4 << 20);
    put_rate(bytes, 2, 1, 1, 5120, SECOND, 10 * SECOND);
    play_recording(&bed, 1 + 2 * SIM_BLOCK_PAGES, bytes, &err);
    g_assert_no_error(err);
    g_assert_cmpfloat(guest_rate(bed.guest, SIM_BLOCK_PAGES), ==, 0);
    g_assert_cmpfloat(guest_rate(bed.guest, 1 + SIM_BLOCK_PAGES), ==, 10);
    g_assert_cmpfloat(guest_rate(bed.guest, 2 * SIM_BLOCK_PAGES), ==, 10);
    bed_clear(&bed);
}

typedef void (*Break)(GByteArray *bytes);

static void nothing(GByteArray *bytes)
{
}

static void unknown_region(GByteArray *bytes)
{
    put_bits(bytes, 9, 0, 1, 1, MS, SECOND);
}

static void behind_the_end(GByteArray *bytes)
{
    put_bits(bytes, 1, 3, 2, 1, MS, SECOND);
}

static void range_that_wraps(GByteArray *bytes)
{
    put_rate(bytes, 1, 2, UINT64_MAX - 1, 1, MS, SECOND);
}

static void no_interval(GByteArray *bytes)
{
    put_bits(bytes, 1, 0, 1, 1, 0, SECOND);
}

static void rate_nan(GByteArray *bytes)
{
    put_rate(bytes, 1, 0, 1, NAN, MS, SECOND);
}

static void rate_negative(GByteArray *bytes)
{
    put_rate(bytes, 1, 0, 1, -1, MS, SECOND);
}

static void rate_endless(GByteArray *bytes)
{
    put_rate(bytes, 1, 0, 1, INFINITY, MS, SECOND);
}

static void time_leap(GByteArray *bytes)
{
    put_rate(bytes, 1, 0, 1, 1, MS, SECOND);
    put_rate(bytes, 1, 0, 1, 1, MS, UINT64_MAX);
}

static void odd_granules(GByteArray *bytes)
{
    put_region(bytes, 2, 8192, 8192);
}

static void two_granule_sizes(GByteArray *bytes)
{
    put_region(bytes, 1, 2 << 20, 2 << 20);
}

static void too_large(GByteArray *bytes)
{
    put_region(bytes, 2, SIM_PAGE, UINT64_MAX);
    put_region(bytes, 3, 2 << 20, UINT64_MAX);
}

static void truncated(GByteArray *bytes)
{
    put_bits(bytes, 1, 0, 1, 1, MS, SECOND);
    g_byte_array_set_size(bytes, bytes->len - 3);
}

static void unsound_recordings_are_refused_whole(void)
{
    static const struct {
        Break break_it;
        const char *fault;
    } cases[] = {
        {nothing, "no evidence"},
        {unknown_region, "region 9: there is evidence"},
        {behind_the_end, "behind its end"},
        {range_that_wraps, "behind its end"},
        {no_interval, "interval"},
        {rate_nan, "rate that can't be"},
        {rate_negative, "rate that can't be"},
        {rate_endless, "rate that can't be"},
        {time_leap, "30 days"},
        {odd_granules, "neither 4 KiB nor 2 MiB"},
        {two_granule_sizes, "two sizes"},
        {too_large, "which is more than"},
        {truncated, "offset"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) bytes = recording_new();
        g_autoptr(GError) err = NULL;
        Bed bed;

        put_region(bytes, 1, SIM_PAGE, 4 * SIM_PAGE);
        cases[i].break_it(bytes);
        play_recording(&bed, 4, bytes, &err);
        g_assert_null(bed.workload);
        g_assert_nonnull(err);
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, cases[i].fault));
        for (size_t page = 0; page < 4; page++) {
            g_assert_cmpfloat(guest_rate(bed.guest, page), ==, 0);
        }
        bed_clear(&bed);
    }
}

static void a_row_is_made_of_a_recording(void)
{
    g_autoptr(GByteArray) bytes = recording_new();
    g_autoptr(Scenario) scenario = NULL;
    g_autoptr(GError) err = NULL;
    char *path;

    /* 1000 a second for 2 s, then 3000 for 1 s. */
    put_region(bytes, 1, SIM_PAGE, 2 * SIM_PAGE);
    put_rate(bytes, 1, 0, 1, 1000, SECOND, 10 * SECOND);
    put_rate(bytes, 1, 0, 1, 3000, SECOND, 12 * SECOND);
    path = write_file(bytes->data, bytes->len);
    scenario = scenario_of_trace(path, &err);
    g_assert_no_error(err);
    g_assert_cmpstr(scenario->guests[0].workload, ==, "recorded");
    g_assert_cmpuint(scenario->guests[0].config.pages, ==, 2);
    g_assert_cmpuint(scenario->duration_ns, ==, 3 * SECOND);
    g_assert_cmpfloat_with_epsilon(scenario->guests[0].config.compute_ns + 100, 3e9 / 5000, 1e-3);
    remove_file(path);
}

static void no_row_is_made_of_a_trace_without_records(void)
{
    static const char text[] = "tier-access-trace 1\nregion a 4096\nend 0\n";
    char *path = write_file(text, strlen(text));
    g_autoptr(GError) err = NULL;

    g_assert_null(scenario_of_trace(path, &err));
    g_assert_nonnull(strstr(err->message, "no records"));
    remove_file(path);
}

static void no_row_is_made_of_what_is_no_trace(void)
{
    static const char *const bad[] = {"/nonexistent/trace", "a,b", "a b"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(scenario_of_trace(bad[i], &err));
        g_assert_nonnull(strstr(err->message, bad[i]));
    }
}

#define ADD(name) g_test_add_func("/sim-trace/" #name, name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(a_sound_trace_is_read_record_by_record);
    ADD(a_trace_cut_off_anywhere_is_refused);
    ADD(unsound_traces_are_refused_with_the_line_and_the_fault);
    ADD(a_line_too_long_or_with_a_zero_byte_is_refused);
    ADD(accesses_become_rates_of_their_windows);
    ADD(phases_of_a_trace_have_the_means_of_what_comes);
    ADD(a_trace_of_another_size_than_the_guest_is_refused);
    ADD(a_row_is_made_of_a_trace);
    ADD(a_trace_is_run_under_contenders_like_any_row);
    ADD(the_likeliest_rate_is_found_from_access_bits);
    ADD(evidence_holds_until_there_is_other_and_from_the_beginning);
    ADD(the_rate_of_a_large_granule_is_spread_over_its_pages);
    ADD(unsound_recordings_are_refused_whole);
    ADD(a_row_is_made_of_a_recording);
    ADD(no_row_is_made_of_a_trace_without_records);
    ADD(no_row_is_made_of_what_is_no_trace);
    return g_test_run();
}
