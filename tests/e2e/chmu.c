/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CXL hotness unit on a host with CXL memory: its counts against the workload guest's own, the daemon's way
 * with a unit that is free or somebody else's, and what counts are worth where all pages are touched all the time.
 * (topology cxl with a hotness unit, newest kernel)
 */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "bed.h"
#include "chmu-decode.h"
#include "chmu-find.h"
#include "chmu-regs.h"
#include "chmu-unit.h"
#include "client/fields.h"
#include "core/chmu-long.h"
#include "observer/placement.h"

#define PAGE          GUEST_PAGE_BYTES
#define AREA_MIB      8u
#define RAM_BYTES     (((uint64_t)AREA_MIB << 20) + BED_RAM_BEYOND_AREA)
#define EPOCH_NS      6000000000ull
#define COUNTING_S    2.0
#define COUNTS_MIN    64u           /* what has fewer is not to be listed */
#define REPORT_EACH   32u           /* accesses, by an instance that is always on */
#define EPOCH_WAIT_NS 20000000000ull
#define RESULT        "/run/demo.json"
#define NODE_SLOW     1

/* --- the unit, without the daemon --- */

typedef struct Bare {
    GPtrArray *places;
    ChmuRegs *regs;
    ChmuUnit *unit;
    GArray *windows;
} Bare;

static void bare_clear(Bare *bare)
{
    g_clear_pointer(&bare->unit, chmu_unit_free);
    g_clear_pointer(&bare->regs, chmu_regs_unmap);
    g_clear_pointer(&bare->windows, g_array_unref);
    g_clear_pointer(&bare->places, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bare, bare_clear)

/* Find this host's one unit and map its registers. */
static bool bare_map(Bare *bare, GError **errp)
{
    const ChmuPlace *place;

    bare->places = chmu_find("/sys", "/proc", errp);
    if (!bare->places) {
        return false;
    }
    place = g_ptr_array_index(bare->places, 0);
    bare->regs = chmu_regs_map("/sys", place, errp);
    return bare->regs != NULL;
}

static bool bare_take(Bare *bare, GError **errp)
{
    const ChmuPlace *place;

    if (!bare_map(bare, errp)) {
        return false;
    }
    place = g_ptr_array_index(bare->places, 0);
    bare->windows = chmu_decode_read("/sys", place->device, errp);
    bare->unit = bare->windows ? chmu_unit_new(bare->regs, false, errp) : NULL;
    return bare->unit != NULL;
}

static uint64_t now_ns(void)
{
    return (uint64_t)g_get_monotonic_time() * 1000;
}

/* Begin an epoch of pages of 4 KiB, and wait until the unit counts. */
static bool count_begin(Bare *bare, GError **errp)
{
    const ChmuOrder order = {
        .setting = {.epoch_ns = EPOCH_NS, .threshold = COUNTS_MIN},
        .unit_bytes = PAGE,
        .windows = (const ChmuWindow *)(const void *)bare->windows->data,
        .n_windows = bare->windows->len,
    };
    const uint64_t until = now_ns() + EPOCH_WAIT_NS;
    ChmuList list;

    chmu_unit_begin(bare->unit, &order, now_ns());
    while (now_ns() < until) {
        uint64_t next = 0;

        if (chmu_unit_step(bare->unit, now_ns(), &next, &list, errp) != CHMU_UNIT_BUSY) {
            break;
        }
        if (next > now_ns() + EPOCH_NS / 2) {
            return true;
        }
        g_usleep(1000);
    }
    if (errp && !*errp) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "the unit did not begin to count");
    }
    return false;
}

/* Wait for the end of the epoch and its list. */
static bool count_end(Bare *bare, ChmuList *list, GError **errp)
{
    const uint64_t until = now_ns() + EPOCH_WAIT_NS;

    while (now_ns() < until) {
        uint64_t next = 0;
        const ChmuProgress progress = chmu_unit_step(bare->unit, now_ns(), &next, list, errp);

        if (progress != CHMU_UNIT_BUSY) {
            return progress == CHMU_UNIT_LISTED;
        }
        g_usleep(1000);
    }
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "the epoch did not end");
    return false;
}

/* --- the guest's own counts --- */

/* A guest whose working area lies in CXL memory, stopped. */
static Guest *guest_in_cxl(const char *pattern, GError **errp)
{
    g_autofree char *line = g_strdup_printf("%s mb=%u read=100", pattern, AREA_MIB), *folder = NULL;
    const size_t n = RAM_BYTES / PAGE, first = GUEST_BASE_ADDR / PAGE;
    g_autofree int8_t *wanted = g_new0(int8_t, n);
    g_autoptr(Guest) guest = NULL;
    g_autoptr(JsonNode) stopped = NULL;
    GuestParams params = {
        .qemu = "qemu-system-x86_64",
        .workload = "/lab/bin/workload.elf",
        .pattern = line,
        .accel = "kvm",
        .backend = "memory-backend-memfd,share=on",
        .ram_bytes = RAM_BYTES,
        .cpu = -1,
    };

    folder = g_dir_make_tmp("e2e-chmu-XXXXXX", errp);
    params.folder = folder;
    guest = folder ? guest_start(&params, errp) : NULL;
    if (!guest) {
        return NULL;
    }
    for (size_t i = 0; i < guest->header.pages; i++) {
        wanted[first + i] = NODE_SLOW;
    }
    stopped = qmp_call(guest->qmp, "stop", NULL, errp);
    if (!stopped || !placement_apply(guest->process->pid, guest->hva, n, wanted, errp)) {
        return NULL;
    }
    return g_steal_pointer(&guest);
}

/* The physical addresses of the working area's pages; 0: not there. */
static bool physical_pages(const Guest *guest, uint64_t *physical, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", (int)guest->process->pid);
    const size_t bytes = guest->header.pages * sizeof(uint64_t);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && pread(fd, physical, bytes,
                               (off_t)((guest->hva + GUEST_BASE_ADDR) / PAGE * sizeof(uint64_t))) == (ssize_t)bytes;

    if (fd >= 0) {
        close(fd);
    }
    for (size_t i = 0; ok && i < guest->header.pages; i++) {
        const uint64_t entry = physical[i];

        physical[i] = entry >> 63 ? (entry & ((1ull << 55) - 1)) * PAGE : 0;
    }
    if (!ok) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s could not be read", path);
    }
    return ok;
}

/* What the list says of the page at @physical; 0: it is not listed. */
static uint32_t listed(const Bare *bare, const ChmuList *list, uint64_t physical)
{
    for (size_t i = 0; i < list->n; i++) {
        ChmuSpan span;

        if (chmu_decode((const ChmuWindow *)(const void *)bare->windows->data, bare->windows->len,
                        list->counts[i].unit * list->unit_bytes, list->unit_bytes, &span) &&
            span.hpa == physical) {
            return list->counts[i].count;
        }
    }
    return 0;
}

typedef struct Comparison {
    unsigned over;              /* pages whose accesses reach the threshold, */
    unsigned exact;             /* and the list has just their number */
    unsigned under, unlisted;   /* pages with fewer, and those of them that are not listed */
    unsigned off_by_a_visit;    /* neither, but as if one visit, or a part of it, more or less were made */
} Comparison;

static Comparison compare(const Bare *bare, const ChmuList *list, const uint64_t *physical, const uint32_t *before,
                          const uint32_t *after, const GuestHeader *header)
{
    Comparison c = {0};

    for (uint32_t i = 0; i < header->pages; i++) {
        const uint32_t accesses = (after[i] - before[i]) * header->burst;
        const uint32_t count = listed(bare, list, physical[i]);
        const bool same = accesses >= COUNTS_MIN ? count == accesses : count == 0;

        c.over += accesses >= COUNTS_MIN;
        c.under += accesses < COUNTS_MIN;
        c.exact += same && accesses >= COUNTS_MIN;
        c.unlisted += same && accesses < COUNTS_MIN;
        c.off_by_a_visit += !same && count + header->burst >= accesses && count < accesses + 2 * header->burst;
        if (!same) {
            g_test_message("page %u: the guest made %u accesses, %u at a visit; %u are listed", i, accesses,
                           header->burst, count);
        }
    }
    return c;
}

/* Let the guest run while the unit counts; @wait says when it has run enough. */
static bool count_guest(Bare *bare, Guest *guest, bool (*run)(Guest *guest, GError **errp), Comparison *c,
                        GError **errp)
{
    const uint32_t pages = guest->header.pages;
    g_autofree uint32_t *before = g_new(uint32_t, pages), *after = g_new(uint32_t, pages);
    g_autofree uint64_t *physical = g_new(uint64_t, pages);
    ChmuList list;

    if (!physical_pages(guest, physical, errp) || !guest_counts(guest, before, errp) ||
        !count_begin(bare, errp) || !run(guest, errp) || !guest_counts(guest, after, errp) ||
        !count_end(bare, &list, errp)) {
        return false;
    }
    *c = compare(bare, &list, physical, before, after, &guest->header);
    g_test_message("%zu units of memory are listed; of the guest's pages %u have %u accesses or more, %u of them "
                   "listed with just their number; %u have fewer, %u of them not listed; %s",
                   list.n, c->over, COUNTS_MIN, c->exact, c->under, c->unlisted,
                   list.overflowed ? "the list overflowed" : "the list did not overflow");
    return true;
}

static bool guest_command(Guest *guest, const char *command, GError **errp)
{
    g_autoptr(JsonNode) answer = qmp_call(guest->qmp, command, NULL, errp);

    return answer != NULL;
}

/* Have it make five passes over its list, to the end. */
static bool make_passes(Guest *guest, GError **errp)
{
    const uint32_t passes = 5;
    GuestHeader header = {0};

    if (!guest_write(guest, GUEST_HEADER_ADDR + offsetof(GuestHeader, doorbell), &passes, sizeof(passes), errp) ||
        !guest_command(guest, "cont", errp)) {
        return false;
    }
    for (unsigned looks = 0; header.passes < passes || header.state != GUEST_WAITING; looks++) {
        if (looks > 80 || !guest_read(guest, GUEST_HEADER_ADDR, &header, sizeof(header), errp)) {
            return false;
        }
        bed_sleep(0.05);
    }
    return guest_command(guest, "stop", errp);
}

static bool run_for_a_while(Guest *guest, GError **errp)
{
    if (!guest_command(guest, "cont", errp)) {
        return false;
    }
    bed_sleep(COUNTING_S);
    return guest_command(guest, "stop", errp);
}

static void counts_are_the_guests_own(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Guest) guest = NULL;
    g_auto(Bare) bare = {0};
    Comparison c;

    guest = guest_in_cxl("pattern=list every=3 offset=1", &error);
    EXPECT(guest, "%s", error->message);
    EXPECT_OK(bare_take(&bare, &error), error);
    EXPECT_OK(count_guest(&bare, guest, make_passes, &c, &error), error);
    EXPECT(c.over == (guest->header.pages + 1) / 3 && c.exact == c.over && c.unlisted == c.under,
           "counts are not the guest's own");
}

/* A guest that is stopped may be in the middle of a visit to one page, at the beginning and at the end. */
static void counts_tell_hot_from_hotter(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Guest) guest = NULL;
    g_auto(Bare) bare = {0};
    Comparison c;

    guest = guest_in_cxl("pattern=ycsb-zipf", &error);
    EXPECT(guest, "%s", error->message);
    EXPECT_OK(bare_take(&bare, &error), error);
    EXPECT_OK(count_guest(&bare, guest, run_for_a_while, &c, &error), error);
    EXPECT(c.over > 100 && c.exact + c.unlisted + c.off_by_a_visit == c.over + c.under && c.off_by_a_visit <= 2,
           "%u pages are not listed with the guest's own count", c.over + c.under - c.exact - c.unlisted);
}

/* --- the second instance, which is always on --- */

/* The page of the guest's that the unit of memory @unit is; 'pages' if it is none of them. */
static uint32_t page_of(const Bare *bare, uint64_t unit, const uint64_t *physical, uint32_t pages)
{
    uint32_t page = 0;
    ChmuSpan span;

    if (!chmu_decode((const ChmuWindow *)(const void *)bare->windows->data, bare->windows->len, unit * PAGE, PAGE,
                     &span)) {
        return pages;
    }
    while (page < pages && physical[page] != span.hpa) {
        page++;
    }
    return page;
}

/* Read on until @until_over, or until nothing is left for now; counts in @reports how often each page is listed. */
static bool read_reports(const Bare *bare, ChmuUnit *second, bool until_over, const uint64_t *physical, uint32_t pages,
                         uint32_t *reports, GError **errp)
{
    const uint64_t until = now_ns() + EPOCH_WAIT_NS;

    while (now_ns() < until) {
        uint64_t next = 0;
        ChmuList list = {0};

        switch (chmu_unit_step(second, now_ns(), &next, &list, errp)) {
        case CHMU_UNIT_FAILED:
            return false;
        case CHMU_UNIT_LISTED:
            for (size_t i = 0; i < list.n; i++) {
                reports[page_of(bare, list.counts[i].unit, physical, pages)]++;
            }
            if (list.over) {
                return !list.overflowed;
            }
            break;
        case CHMU_UNIT_BUSY:
            if (!until_over && next > now_ns() + CHMU_LONG_EMPTY_NS / 2) {
                return true;
            }
        }
        g_usleep(1000);
    }
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "the period did not begin, or end");
    return false;
}

/* Each page is listed whenever it had so many accesses more, and the first instance's list knows nothing of that. */
static void second_instance_reports_all_the_time(void)
{
    g_autofree uint32_t *before = NULL, *after = NULL, *reports = NULL;
    g_autofree uint64_t *physical = NULL;
    g_auto(Bare) bare = {0};
    g_autoptr(ChmuUnit) second = NULL;     /* given back before 'bare' is */
    g_autoptr(GError) error = NULL;
    g_autoptr(Guest) guest = NULL;
    unsigned listed_pages = 0, wrong = 0;
    ChmuOrder order;
    uint32_t pages;

    guest = guest_in_cxl("pattern=list every=3 offset=1", &error);
    EXPECT(guest, "%s", error->message);
    pages = guest->header.pages;
    before = g_new(uint32_t, pages);
    after = g_new(uint32_t, pages);
    reports = g_new0(uint32_t, pages + 1);
    physical = g_new(uint64_t, pages);
    EXPECT_OK(bare_take(&bare, &error), error);
    second = chmu_unit_new_beside(bare.regs, bare.unit);
    EXPECT(second, "the unit has no second instance that can be always on");
    order = (ChmuOrder){
        .setting = {.epoch_ns = EPOCH_NS, .threshold = REPORT_EACH},
        .unit_bytes = PAGE,
        .windows = (const ChmuWindow *)(const void *)bare.windows->data,
        .n_windows = bare.windows->len,
    };
    EXPECT_OK(physical_pages(guest, physical, &error) && guest_counts(guest, before, &error), error);
    chmu_unit_begin(second, &order, now_ns());
    EXPECT_OK(read_reports(&bare, second, false, physical, pages, reports, &error), error);
    EXPECT_OK(make_passes(guest, &error) && guest_counts(guest, after, &error), error);
    EXPECT(read_reports(&bare, second, true, physical, pages, reports, &error), "%s",
           error ? error->message : "reports were lost");
    for (uint32_t i = 0; i < pages; i++) {
        const uint32_t accesses = (after[i] - before[i]) * guest->header.burst;

        listed_pages += reports[i] > 0;
        wrong += reports[i] != accesses / REPORT_EACH;
    }
    g_test_message("%u of %u pages were listed, each %u accesses; %u reports were of other memory", listed_pages, pages,
                   REPORT_EACH, reports[pages]);
    EXPECT(listed_pages == (pages + 1) / 3 && wrong == 0, "%u pages were not listed as often as they should be", wrong);
}

/* --- the daemon and the unit --- */

/* The unit's configuration, which nobody else holds meanwhile. */
typedef struct Configured {
    uint64_t cfg0, cfg1, cfg2, status, bitmap;
} Configured;

static bool configured(Configured *is, GError **errp)
{
    g_auto(Bare) bare = {0};
    ChmuCaps caps;

    if (!bare_map(&bare, errp) || !chmu_regs_caps(bare.regs, 0, &caps, errp)) {
        return false;
    }
    *is = (Configured){
        .cfg0 = chmu_regs_read(bare.regs, caps.base + CHMU_CFG0),
        .cfg1 = chmu_regs_read(bare.regs, caps.base + CHMU_CFG1),
        .cfg2 = chmu_regs_read(bare.regs, caps.base + CHMU_CFG2),
        .status = chmu_regs_read(bare.regs, caps.base + CHMU_STATUS),
        .bitmap = chmu_regs_read(bare.regs, caps.bitmap),
    };
    return true;
}

static bool same(const Configured *a, const Configured *b)
{
    const uint64_t enabled = CHMU_STATUS_ENABLED;

    return a->cfg0 == b->cfg0 && a->cfg1 == b->cfg1 && a->cfg2 == b->cfg2 && a->bitmap == b->bitmap &&
           (a->status & enabled) == (b->status & enabled);
}

/* Of the daemon's answer on the VM: how much its source 'chmu' has reported. */
static uint64_t reports(Bed *bed)
{
    g_autoptr(JsonNode) answer = daemon_query(bed->daemon, NULL);
    JsonArray *sources = answer ? field_array(node_object(answer), "sources") : NULL;

    for (guint i = 0; i < elements(sources); i++) {
        JsonObject *source = element_object(sources, i);

        if (g_strcmp0(field_string(source, "name"), "chmu") == 0) {
            return field_uint(source, "reports", 0);
        }
    }
    return 0;
}

static bool has_reported(Bed *bed, void *opaque)
{
    (void)opaque;
    return reports(bed) > 1000;
}

/* Interleaved from DRAM on, where the guest's code is to be: in CXL the emulator runs it 160 times slower. */
#define OBSERVED "fast-size=4M,mode=observe"

static void daemon_gives_the_unit_back(void)
{
    g_autoptr(GError) error = NULL;
    Configured before, after;
    g_auto(Bed) bed = {0};

    EXPECT_OK(configured(&before, &error), error);
    EXPECT_OK(bed_start(&bed, BED_TRACKING, "pattern=ycsb-zipf", AREA_MIB, OBSERVED, &error), error);
    EXPECT(bed_wait(&bed, 30, has_reported, NULL), "the daemon was told nothing by the unit: %s",
           bed_source_problem(&bed, "chmu"));
    g_test_message("%" G_GUINT64_FORMAT " reports", reports(&bed));
    bed_daemon_end(&bed, SIGTERM);
    EXPECT_OK(configured(&after, &error), error);
    EXPECT(same(&before, &after), "the unit was left as cfg0=%#" PRIx64 ", it was cfg0=%#" PRIx64, after.cfg0,
           before.cfg0);
}

/* What a daemon that was killed has left enabled, the next one takes and gives back. */
static void daemon_takes_up_what_a_killed_one_left(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    Configured left, after;

    EXPECT_OK(bed_start(&bed, BED_TRACKING, "pattern=ycsb-zipf", AREA_MIB, OBSERVED, &error), error);
    EXPECT(bed_wait(&bed, 30, has_reported, NULL), "the daemon was told nothing by the unit");
    bed_daemon_end(&bed, SIGKILL);
    EXPECT_OK(configured(&left, &error), error);
    EXPECT(left.status & CHMU_STATUS_ENABLED, "the killed daemon's unit does not count");
    EXPECT_OK(bed_daemon(&bed, BED_TRACKING, &error), error);
    EXPECT_OK(daemon_wait_vm(bed.daemon, &error), error);
    EXPECT(bed_wait(&bed, 30, has_reported, NULL), "the next daemon was told nothing by the unit: %s",
           bed_source_problem(&bed, "chmu"));
    bed_daemon_end(&bed, SIGTERM);
    EXPECT_OK(configured(&after, &error), error);
    EXPECT(!(after.status & CHMU_STATUS_ENABLED), "the unit was left enabled");
}

/* Enable all instances, or disable them, as another driver would. */
static bool somebody_else(bool enable, GError **errp)
{
    g_auto(Bare) bare = {0};
    ChmuCaps caps;

    if (!bare_map(&bare, errp)) {
        return false;
    }
    for (unsigned i = 0; i < chmu_regs_instances(bare.regs); i++) {
        if (!chmu_regs_caps(bare.regs, i, &caps, errp)) {
            return false;
        }
        chmu_regs_write(bare.regs, caps.base + CHMU_CFG1,
                        chmu_put(CHMU_CFG1_UNIT_SIZE, 12) | chmu_put(CHMU_CFG1_EPOCH_SCALE, CHMU_SCALE_1S) |
                            chmu_put(CHMU_CFG1_EPOCH_MULT, 1));
        chmu_regs_write(bare.regs, caps.base + CHMU_CFG0,
                        chmu_put(CHMU_CFG0_WHAT, caps.what) | chmu_put(CHMU_CFG0_THRESHOLD, 7) |
                            (enable ? CHMU_CFG0_ENABLE : 0));
        bed_sleep(0.2);
        if (!(chmu_regs_read(bare.regs, caps.base + CHMU_STATUS) & CHMU_STATUS_ENABLED) != !enable) {
            return false;
        }
    }
    return true;
}

static void nobody_else(gpointer unused)
{
    (void)unused;
    somebody_else(false, NULL);
}

static void daemon_leaves_alone_what_is_somebody_elses(void)
{
    g_autoptr(GError) error = NULL;
    Configured before, after;
    g_auto(Bed) bed = {0};

    g_test_queue_destroy(nobody_else, NULL);    /* whatever becomes of this test, the next ones need the unit */
    EXPECT(somebody_else(true, &error), "the unit could not be enabled");
    EXPECT_OK(configured(&before, &error), error);
    EXPECT_OK(bed_start(&bed, BED_TRACKING, "pattern=ycsb-zipf", AREA_MIB, OBSERVED, &error), error);
    bed_sleep(3);
    EXPECT(reports(&bed) == 0, "the daemon has taken somebody else's unit");
    bed_daemon_end(&bed, SIGTERM);
    EXPECT_OK(configured(&after, &error), error);
    EXPECT(same(&before, &after), "somebody else's unit was changed");
    EXPECT(somebody_else(false, &error), "the unit could not be disabled");
}

/* --- what it is worth --- */

static bool run_tool(char **argv, char **output, GError **errp)
{
    int status;

    return g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, output, NULL, &status, errp) &&
           g_spawn_check_wait_status(status, errp);
}

/* Zipf's law over all pages: each is touched within any interval of a scan, some a thousand times as often. */
static void counts_place_better_than_access_bits(void)
{
    char *argv[] = {(char *)"tier-observer", (char *)"demo",      (char *)"--runs", (char *)"access-bits,vhost-tier",
                    (char *)"--pattern",     (char *)"pattern=ycsb-zipf", (char *)"--seconds", (char *)"40",
                    (char *)"--json",        (char *)RESULT,      NULL};
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *output = NULL;
    g_autoptr(GError) error = NULL;
    JsonObject *result, *ratio;
    double after, oracle, bits, undone;

    EXPECT_OK(run_tool(argv, &output, &error), error);
    bed_print_output(output);
    EXPECT_OK(json_parser_load_from_file(parser, RESULT, &error), error);
    result = node_object(json_parser_get_root(parser));
    ratio = field_object(result, "hit_ratio");
    after = field_number(ratio, "after");
    oracle = field_number(ratio, "oracle");
    bits = field_number(field_object(field_object(result, "baselines"), "access_bits"), "hit_ratio");
    undone = field_number(result, "undone_share");
    g_test_message("hit ratio %.3f with counts, %.3f of the oracle's %.3f; %.3f with access bits alone; %.1f %% undone",
                   after, after / oracle, oracle, bits, undone * 100);
    EXPECT(after >= 0.97 * oracle, "%.3f is not 0.97 of the oracle's %.3f", after, oracle);
    EXPECT(after > bits, "%.3f is not above the %.3f of access bits alone", after, bits);
    /* What is counted as a page is copied to CXL memory is not its heat. */
    EXPECT(undone < 0.15, "%.1f %% of what moved late was undone", undone * 100);
}

static void explain_names_the_source(void)
{
    g_autofree char *shown = NULL, *explained = NULL, *control = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};

    EXPECT_OK(bed_start(&bed, BED_TRACKING, "pattern=ycsb-zipf", AREA_MIB, OBSERVED, &error), error);
    EXPECT(bed_wait(&bed, 30, has_reported, NULL), "the daemon was told nothing by the unit");
    bed_sleep(3);
    control = g_build_filename(bed.folder, "control.sock", NULL);
    {
        char *show[] = {(char *)"tierctl", (char *)"--socket", control, (char *)"show", (char *)DAEMON_VM, NULL};
        char *explain[] = {(char *)"tierctl", (char *)"--socket", control, (char *)"explain", (char *)DAEMON_VM,
                           (char *)"4M", NULL};

        EXPECT_OK(run_tool(show, &shown, &error), error);
        EXPECT_OK(run_tool(explain, &explained, &error), error);
    }
    bed_print_output(shown);
    bed_print_output(explained);
    EXPECT(strstr(shown, "chmu"), "'tierctl show' does not name the source");
    EXPECT(strstr(explained, "chmu"), "'tierctl explain' does not name the source");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/counts_are_the_guests_own", counts_are_the_guests_own);
    g_test_add_func("/counts_tell_hot_from_hotter", counts_tell_hot_from_hotter);
    g_test_add_func("/second_instance_reports_all_the_time", second_instance_reports_all_the_time);
    g_test_add_func("/daemon_gives_the_unit_back", daemon_gives_the_unit_back);
    g_test_add_func("/daemon_takes_up_what_a_killed_one_left", daemon_takes_up_what_a_killed_one_left);
    g_test_add_func("/daemon_leaves_alone_what_is_somebody_elses", daemon_leaves_alone_what_is_somebody_elses);
    g_test_add_func("/explain_names_the_source", explain_names_the_source);
    g_test_add_func("/counts_place_better_than_access_bits", counts_place_better_than_access_bits);
    return g_test_run();
}
