/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two devices of a host and those who share them: who hears what of whose list.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/policy-internal.h"
#include "fake-chmu.h"
#include "source-run.h"
#include "sources/chmu.h"
#include "tree.h"

#define MS 1000000ull
#define MIB (1ull << 20)
#define DEVICES 2u
#define DPA 0x20000000ull               /* of each device, 256 MiB from there on are a region */
#define HPA(device) (0x300000000ull + (device) * 0x10000000ull) /* there; devices are numbered from 1 */
#define HVA 0x10000000ull
#define PAGES (1u << 20)                /* of a large region, of which hardly any are there */

typedef struct Bed {
    char *root;
    FakeChmu fakes[DEVICES + 1];
    ChmuHost *host;
    uint64_t now_ns;
    GThread *newcomer;
    int came;
} Bed;

static Bed *current;

static void write_file(const char *folder, const char *file, const void *bytes, gssize len)
{
    g_autofree char *path = g_build_filename(current->root, folder, NULL);
    g_autofree char *name = g_build_filename(path, file, NULL);

    g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
    g_assert_true(g_file_set_contents(name, bytes, len, NULL));
}

G_GNUC_PRINTF(3, 4)
static void write_text(const char *folder, const char *file, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    write_file(folder, file, text, -1);
}

static char *device_name(unsigned device)
{
    return g_strdup_printf("0000:0%x:00.0", 0xc + device);
}

/* Its decoder and its region. */
static void write_region(unsigned device)
{
    g_autofree char *name = device_name(device);
    g_autofree char *endpoint = g_strdup_printf("bus/cxl/devices/endpoint%u", device);
    g_autofree char *decoder = g_strdup_printf("bus/cxl/devices/decoder%u.0", device);
    g_autofree char *region = g_strdup_printf("bus/cxl/devices/region%u", device);
    g_autofree char *target = g_strdup_printf("../../pci0000:0c/0000:0c:00.0/%s/mem0", name);
    g_autofree char *link = g_build_filename(current->root, endpoint, "uport", NULL);

    write_text(endpoint, "devtype", "cxl_port\n");
    g_assert_cmpint(symlink(target, link), ==, 0);
    write_text(decoder, "region", "region%u\n", device);
    write_text(decoder, "dpa_resource", "0x%" G_GINT64_MODIFIER "x\n", (uint64_t)DPA);
    write_text(decoder, "dpa_size", "0x10000000\n");
    write_text(region, "resource", "0x%" G_GINT64_MODIFIER "x\n", (uint64_t)HPA(device));
    write_text(region, "size", "0x10000000\n");
    write_text(region, "interleave_ways", "1\n");
    write_text(region, "interleave_granularity", "256\n");
    write_text(region, "target0", "decoder%u.0\n", device);
}

static void write_device(unsigned device)
{
    static const uint8_t locator[] = {0x23, 0, 1, 0, 0x98, 0x1e, 0x40, 1, 8, 0, 0, 0, 5, 5, 0, 0, 0, 0, 0, 0};
    g_autofree char *name = device_name(device);
    g_autofree char *folder = g_strdup_printf("bus/pci/devices/%s", name);
    uint8_t config[4096] = {[4] = 7};

    memcpy(config + 0x100, locator, sizeof(locator));
    write_text(folder, "class", "0x050210");
    write_file(folder, "config", config, sizeof(config));
    write_text(folder, "resource",
               "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n0xfe4%u0000 0xfe4%uffff 0x40200\n",
               device, device);
}

static ChmuRegs *map_fake(const char *sysfs, const ChmuPlace *place, GError **errp)
{
    for (unsigned device = 1; device <= DEVICES; device++) {
        g_autofree char *name = device_name(device);

        if (!strcmp(name, place->device)) {
            return fake_chmu_regs(&current->fakes[device]);
        }
    }
    g_assert_not_reached();
}

static void bed_init(Bed *bed)
{
    static ChmuPlaces places;
    g_autoptr(GError) err = NULL;

    *bed = (Bed){.now_ns = 1000 * MS};
    current = bed;
    bed->root = g_dir_make_tmp("chmu-host-XXXXXX", NULL);
    g_assert_nonnull(bed->root);
    for (unsigned device = 1; device <= DEVICES; device++) {
        fake_chmu_init(&bed->fakes[device]);
        write_device(device);
        write_region(device);
    }
    write_text(".", "iomem", "fe410000-fe41ffff : 0000:0d:00.0\nfe420000-fe42ffff : 0000:0e:00.0\n");
    places = (ChmuPlaces){.sysfs = bed->root, .proc = bed->root, .map = map_fake};
    bed->host = chmu_host_new(&places, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(chmu_host_devices(bed->host), ==, DEVICES);
}

static void bed_clear(Bed *bed)
{
    chmu_host_free(bed->host);
    remove_tree(bed->root);
    g_free(bed->root);
}

/* Let time pass, up to @ms milliseconds. */
static void run(Bed *bed, unsigned ms)
{
    const uint64_t end_ns = bed->now_ns + ms * MS;
    uint64_t next_ns;

    while ((next_ns = chmu_host_poll(bed->host, bed->now_ns)) <= end_ns) {
        bed->now_ns = MAX(next_ns, bed->now_ns);
    }
    bed->now_ns = end_ns;
}

/* A region of small pages, or of @page_size. */
static ChmuWatch *watch_region(Bed *bed, uint64_t page_size)
{
    const Region region = {.id = 1, .granule_bytes = 4096, .hva = HVA, .size = 4 * MIB, .page_size = page_size};

    return chmu_host_watch(bed->host, &region, false);
}

#define DRAM (DEVICES + 1)

/* @n pages of the region's, from its first on, lie @page pages into the device's, or, for DRAM, on no device. */
static void lie(Bed *bed, ChmuWatch *watch, unsigned device, unsigned page, unsigned n)
{
    const DamonRun run = {.virtual = HVA, .physical = HPA(device) + page * 4096ull, .bytes = n * 4096ull};
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    uint64_t pages[CHMU_DEVICES_MAX + 1] = {0};
    g_autofree uint8_t *devices = g_malloc0(n);

    g_array_append_val(runs, run);
    chmu_host_place(bed->host, watch, runs, 0, n, devices);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpuint(devices[i], ==, device % DRAM);
    }
    pages[device % DRAM] = n;
    chmu_host_spread(bed->host, watch, pages);
}

static void list_pages(Bed *bed, unsigned device, unsigned page, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fake_chmu_list(&bed->fakes[device].units[0], (DPA >> 12) + page + i, 1000);
    }
}

/* Take all batches; the number of them from @device, the last of which was @crowded. */
static unsigned take(Bed *bed, ChmuWatch *watch, unsigned device, bool *crowded)
{
    unsigned n = 0;
    ChmuBatch *taken;

    *crowded = false;
    while ((taken = chmu_host_take(bed->host, watch))) {
        g_autoptr(ChmuBatch) batch = taken;

        n += batch->device == device;
        *crowded = batch->device == device ? batch->crowded : *crowded;
    }
    return n;
}

static void who_has_nothing_on_a_device_has_no_part_in_its_list(void)
{
    ChmuWatch *most, *few, *none;
    bool crowded;
    Bed bed;

    bed_init(&bed);
    most = watch_region(&bed, 4096);
    few = watch_region(&bed, 4096);
    none = watch_region(&bed, 4096);
    run(&bed, 100);
    lie(&bed, most, 1, 0, 20);
    lie(&bed, few, 1, 100, 20);
    lie(&bed, none, 2, 0, 20);
    list_pages(&bed, 1, 0, 10);                 /* of 12, half of its half is 3; of a third it would be 2 */
    list_pages(&bed, 1, 100, 2);
    run(&bed, 510);
    g_assert_cmpuint(take(&bed, most, 1, &crowded), ==, 1);
    g_assert_false(crowded);
    g_assert_cmpuint(take(&bed, few, 1, &crowded), ==, 1);
    g_assert_true(crowded);
    take(&bed, none, 1, &crowded);
    g_assert_false(crowded);

    list_pages(&bed, 1, 0, 10);
    run(&bed, 510);
    take(&bed, few, 1, &crowded);               /* not one of its pages was listed */
    g_assert_true(crowded);
    chmu_host_unwatch(bed.host, most);
    chmu_host_unwatch(bed.host, few);
    chmu_host_unwatch(bed.host, none);
    bed_clear(&bed);
}

/* What an epoch, in which page @page of device 1 was listed, says of the region's first page. */
static uint32_t counted(Bed *bed, ChmuWatch *watch, unsigned page)
{
    g_autoptr(ChmuBatch) batch = NULL;

    list_pages(bed, 1, page, 1);
    run(bed, 510);
    do {
        g_clear_pointer(&batch, chmu_batch_free);
        batch = chmu_host_take(bed->host, watch);
    } while (batch && batch->device != 1);
    g_assert_nonnull(batch);
    g_assert_cmpuint(batch->counts->len, ==, 1);
    while (take(bed, watch, 1, &(bool){false})) {
    }
    return g_array_index(batch->counts, ChmuCount, 0).count;
}

static void a_page_that_comes_back_to_its_frame_has_come(void)
{
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    uint8_t device = 1;
    ChmuWatch *watch;
    Bed bed;

    bed_init(&bed);
    watch = watch_region(&bed, 4096);
    run(&bed, 100);
    lie(&bed, watch, 1, 5, 1);
    g_assert_cmpuint(counted(&bed, watch, 5), >, 0);
    lie(&bed, watch, DRAM, 5, 1);
    lie(&bed, watch, 1, 5, 1);
    g_assert_cmpuint(counted(&bed, watch, 5), ==, 0);
    g_assert_cmpuint(counted(&bed, watch, 5), >, 0);
    chmu_host_place(bed.host, watch, none, 0, 1, &device);      /* swapped out */
    g_assert_cmpuint(device, ==, 0);
    lie(&bed, watch, 1, 5, 1);
    g_assert_cmpuint(counted(&bed, watch, 5), ==, 0);
    chmu_host_unwatch(bed.host, watch);
    bed_clear(&bed);
}

static void counts_of_more_than_a_page_are_not_for_who_came_meanwhile(void)
{
    ChmuWatch *large, *small;
    bool crowded;
    Bed bed;

    bed_init(&bed);
    large = watch_region(&bed, 2 * MIB);
    run(&bed, 100);
    g_assert_cmpuint(chmu_get(bed.fakes[1].units[0].cfg1, CHMU_CFG1_UNIT_SIZE), ==, 21);
    small = watch_region(&bed, 4096);
    lie(&bed, large, 1, 512, 512);
    lie(&bed, small, 1, 0, 20);
    fake_chmu_list(&bed.fakes[1].units[0], DPA >> 21, 1000);
    run(&bed, 510);
    g_assert_cmpuint(take(&bed, small, 1, &crowded), ==, 0);
    g_assert_cmpuint(take(&bed, large, 1, &crowded), ==, 1);
    g_assert_cmpuint(chmu_get(bed.fakes[1].units[0].cfg1, CHMU_CFG1_UNIT_SIZE), ==, 12);
    run(&bed, 510);
    g_assert_cmpuint(take(&bed, small, 1, &crowded), ==, 1);
    chmu_host_unwatch(bed.host, large);
    chmu_host_unwatch(bed.host, small);
    bed_clear(&bed);
}

/* Another VM comes while a device is waited for that is to be given back. */
static gpointer come(gpointer data)
{
    Bed *bed = data;
    ChmuWatch *watch = watch_region(bed, 4096);

    g_assert_cmpuint(chmu_host_poll(bed->host, bed->now_ns), >, bed->now_ns);
    g_atomic_int_set(&bed->came, 1);
    return watch;
}

static void have_another_come(void)
{
    if (!current->newcomer) {
        current->newcomer = g_thread_new("newcomer", come, current);
        for (unsigned ms = 0; ms < 5000 && !g_atomic_int_get(&current->came); ms++) {
            g_usleep(1000);
        }
        g_assert_true(g_atomic_int_get(&current->came));
    }
}

static void who_comes_while_a_stalled_device_is_given_back_is_not_held_up(void)
{
    ChmuWatch *watch;
    FakeChmu *fake;
    Bed bed;

    bed_init(&bed);
    fake = &bed.fakes[1];
    watch = watch_region(&bed, 4096);
    run(&bed, 100);
    g_assert_cmpuint(fake->units[0].enabled, ==, 1);
    fake->slowness = UINT_MAX;
    fake->waited_for = have_another_come;
    chmu_host_unwatch(bed.host, watch);
    g_assert_nonnull(bed.newcomer);
    fake->waited_for = NULL;
    fake->slowness = fake->units[0].busy = 0;           /* it works again */
    watch = g_thread_join(bed.newcomer);
    run(&bed, 1000);
    g_assert_true(chmu_host_works(bed.host, 1));
    chmu_host_unwatch(bed.host, watch);
    bed_clear(&bed);
}

/* --- the source --- */

static int open_pagemap(pid_t pid, int pidfd, GError **errp)
{
    g_autofree char *path = g_build_filename(current->root, "pagemap", NULL);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void place(unsigned page, uint64_t physical)
{
    const uint64_t entry = 1ull << 63 | physical >> 12;
    const int fd = open_pagemap(0, -1, NULL);

    g_assert_cmpint(pwrite(fd, &entry, sizeof(entry), (off_t)((HVA / 4096 + page) * 8)), ==, sizeof(entry));
    close(fd);
}

/* Let time pass with the source, up to @ms milliseconds. */
static void run_source(Bed *bed, Source *source, unsigned ms)
{
    const uint64_t end_ns = bed->now_ns + ms * MS;
    uint64_t next_ns;

    while ((next_ns = chmu_source_class.tick(source, bed->now_ns)) <= end_ns) {
        bed->now_ns = MAX(next_ns, bed->now_ns);
    }
    bed->now_ns = end_ns;
}

/* Limits are given of a part of a region at a time, more than two of which it takes here. */
static void all_that_a_device_does_not_list_has_its_limit_in_turn(void)
{
    static const unsigned pages[] = {1, PAGES / 2 - 1, PAGES / 2, PAGES - 2};
    const Region region = {.id = 1, .granule_bytes = 4096, .hva = HVA, .size = PAGES * 4096ull, .page_size = 4096,
                           .pid = 1, .pidfd = -1};
    const SourceParams params = {.touch_accesses = 1};
    g_autofree uint8_t *tiers = g_malloc(PAGES);
    g_autoptr(GError) err = NULL;
    Policy *policy = source_run_policy(&region);
    Source *source;
    Bed bed;

    bed_init(&bed);
    place(PAGES - 1, 0x1000);                   /* the file's end */
    for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
        place(pages[i], HPA(1 + i % DEVICES) + i * 4096);
        place(pages[i] ^ 64, HPA(2 - i % DEVICES) + (i + 9) * 4096);
    }
    memset(tiers, 1, PAGES);
    policy_place(policy, region.id, 0, PAGES, tiers);
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, region.id, 0, PAGES, 20000, 500 * MS, bed.now_ns);
    source = chmu_start_with(bed.host, open_pagemap, &params, policy);
    g_assert_true(chmu_source_class.region_add(source, &region, &err));
    run_source(&bed, source, 20000);
    for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
        for (unsigned k = 0; k < 2; k++) {
            double per_s;

            policy_rates(policy, region.id, pages[i] ^ (k * 64), 1, &per_s);
            g_assert_cmpfloat(per_s, <, 1000);
        }
    }
    chmu_source_class.region_del(source, &region);
    chmu_source_class.stop(source);
    policy_free(policy);
    bed_clear(&bed);
}

static void what_one_device_misses_is_looked_for_elsewhere_whatever_others_see(void)
{
    const Region region = {.id = 1, .granule_bytes = 4096, .hva = HVA, .size = 4 * MIB, .page_size = 4096, .pid = 1,
                           .pidfd = -1};
    const SourceParams params = {.touch_accesses = 1};
    Policy *policy = source_run_policy(&region);
    ChmuWatch *other;
    Source *source;
    Bed bed;

    bed_init(&bed);
    place(4 * MIB / 4096 - 1, 0x1000);          /* the file's end */
    place(0, HPA(1));
    place(1, HPA(2));
    source = chmu_start_with(bed.host, open_pagemap, &params, policy);
    g_assert_true(chmu_source_class.region_add(source, &region, NULL));
    run_source(&bed, source, 100);
    g_assert_cmpint(policy->covered_above, ==, LOG2_ZERO);
    other = watch_region(&bed, 4096);
    lie(&bed, other, 1, 100, 12);
    list_pages(&bed, 1, 100, 12);
    run_source(&bed, source, 520);
    g_assert_cmpint(policy->covered_above, >, LOG2_ZERO);       /* though device 2 was heard last */
    place(0, 0x2000);                           /* it has nothing there any more */
    run_source(&bed, source, 1500);
    g_assert_cmpint(policy->covered_above, ==, LOG2_ZERO);
    chmu_host_unwatch(bed.host, other);
    chmu_source_class.region_del(source, &region);
    chmu_source_class.stop(source);
    policy_free(policy);
    bed_clear(&bed);
}

/* --- second instances --- */

/* A VM whose pages 0 to 7 lie on device 1, and a neighbour that fills the device's list. */
typedef struct Crowd {
    Bed bed;
    Region region;
    Policy *policy;
    Source *source;
    ChmuWatch *other;
} Crowd;

static void crowd_init(Crowd *crowd, uint64_t cap1)
{
    const SourceParams params = {.touch_accesses = 1};

    bed_init(&crowd->bed);
    crowd->bed.fakes[1].units[0].cap1 |= cap1;
    crowd->bed.fakes[1].units[1].cap1 |= cap1;
    crowd->region = (Region){.id = 1, .granule_bytes = 4096, .hva = HVA, .size = 4 * MIB, .page_size = 4096, .pid = 1,
                             .pidfd = -1};
    crowd->policy = source_run_policy(&crowd->region);
    place(4 * MIB / 4096 - 1, 0x1000);          /* the file's end */
    for (unsigned page = 0; page < 8; page++) {
        place(page, HPA(1) + page * 4096);
    }
    crowd->source = chmu_start_with(crowd->bed.host, open_pagemap, &params, crowd->policy);
    g_assert_true(chmu_source_class.region_add(crowd->source, &crowd->region, NULL));
    run_source(&crowd->bed, crowd->source, 100);
    crowd->other = watch_region(&crowd->bed, 4096);
    lie(&crowd->bed, crowd->other, 1, 100, 12);
}

static void crowd_clear(Crowd *crowd)
{
    chmu_host_unwatch(crowd->bed.host, crowd->other);
    chmu_source_class.region_del(crowd->source, &crowd->region);
    chmu_source_class.stop(crowd->source);
    policy_free(crowd->policy);
    bed_clear(&crowd->bed);
}

/* For @ms milliseconds the neighbour fills the lists; and page 0 is reported @reports times by the second instance. */
static void crowd_out(Crowd *crowd, unsigned ms, unsigned reports)
{
    const FakeUnit *first = &crowd->bed.fakes[1].units[0];

    for (unsigned at = 0; at < ms; at += 250) {
        if (first->head == first->tail) {       /* once an epoch, which is twice as long */
            list_pages(&crowd->bed, 1, 100, 12);
        }
        if (at / 250 < reports) {
            fake_chmu_list(&crowd->bed.fakes[1].units[1], DPA >> 12, 128);
        }
        run_source(&crowd->bed, crowd->source, 250);
        take(&crowd->bed, crowd->other, 1, &(bool){false});
    }
}

static const FakeUnit *second_of(const Crowd *crowd)
{
    return &crowd->bed.fakes[1].units[1];
}

static double rate_of(const Crowd *crowd, size_t page)
{
    double per_s;

    policy_rates(crowd->policy, 1, page, 1, &per_s);
    return per_s;
}

static bool sees_all(const Crowd *crowd)
{
    return crowd->policy->covered_above == LOG2_ZERO;
}

/* Until the second instance has begun. */
static void begin_second(Crowd *crowd)
{
    for (unsigned i = 0; i < 40 && !(second_of(crowd)->status & CHMU_STATUS_ENABLED); i++) {
        crowd_out(crowd, 500, 0);
    }
    g_assert_cmphex(second_of(crowd)->status & CHMU_STATUS_ENABLED, !=, 0);
    g_assert_cmpuint(chmu_get(second_of(crowd)->cfg1, CHMU_CFG1_MODE), ==, CHMU_MODE_ALWAYS_ON);
    g_assert_cmpuint(chmu_get(second_of(crowd)->cfg0, CHMU_CFG0_THRESHOLD), ==, 128);
    g_assert_false(sees_all(crowd));
}

static void who_is_crowded_out_is_told_by_the_second_instance(void)
{
    Crowd crowd;

    crowd_init(&crowd, CHMU_CAP1_OVERLAP);
    begin_second(&crowd);
    crowd_out(&crowd, 33000, 5);
    g_assert_cmpfloat_with_epsilon(rate_of(&crowd, 0), 5.5 * 4, 5);
    g_assert_true(sees_all(&crowd));
    g_assert_cmpuint(second_of(&crowd)->head, ==, second_of(&crowd)->tail);
    crowd_clear(&crowd);
    g_assert_cmphex(second_of(&crowd)->cfg0, ==, 0);
    g_assert_cmphex(second_of(&crowd)->cfg1, ==, 0);
}

static void a_second_instance_is_given_back_when_nobody_is_crowded(void)
{
    Crowd crowd;

    crowd_init(&crowd, CHMU_CAP1_OVERLAP);
    begin_second(&crowd);
    run_source(&crowd.bed, crowd.source, 40000);
    g_assert_cmphex(second_of(&crowd)->status & CHMU_STATUS_ENABLED, ==, 0);
    g_assert_cmphex(second_of(&crowd)->cfg2, ==, 0);
    crowd_clear(&crowd);
}

static void what_comes_within_a_period_is_not_told_of(void)
{
    Crowd crowd;

    crowd_init(&crowd, CHMU_CAP1_OVERLAP);
    begin_second(&crowd);
    place(0, 0x2000);
    crowd_out(&crowd, 2000, 0);
    place(0, HPA(1));
    crowd_out(&crowd, 2000, 0);
    crowd_out(&crowd, 29000, 5);
    g_assert_true(sees_all(&crowd));
    g_assert_cmpfloat(rate_of(&crowd, 0), <, 15);
    crowd_out(&crowd, 32000, 5);                /* it was there all the time */
    g_assert_cmpfloat(rate_of(&crowd, 0), >, 15);
    crowd_clear(&crowd);
}

static void a_period_that_is_interrupted_says_nothing(void)
{
    Crowd crowd;

    crowd_init(&crowd, CHMU_CAP1_OVERLAP);
    begin_second(&crowd);
    crowd_out(&crowd, 10000, 5);
    chmu_source_class.pause(crowd.source, true);
    chmu_source_class.pause(crowd.source, false);
    crowd_out(&crowd, 24000, 0);
    g_assert_false(sees_all(&crowd));
    g_assert_cmpfloat(rate_of(&crowd, 0), <, 15);
    crowd_out(&crowd, 32000, 5);
    g_assert_true(sees_all(&crowd));
    crowd_clear(&crowd);
}

static void reports_that_are_lost_double_the_threshold(void)
{
    Crowd crowd;

    crowd_init(&crowd, CHMU_CAP1_OVERLAP);
    begin_second(&crowd);
    for (unsigned i = 0; i < FAKE_CHMU_ENTRIES; i++) {
        fake_chmu_list(&crowd.bed.fakes[1].units[1], DPA >> 12, 128);
    }
    crowd_out(&crowd, 500, 0);
    g_assert_cmpuint(second_of(&crowd)->enabled, ==, 2);
    g_assert_cmpuint(chmu_get(second_of(&crowd)->cfg0, CHMU_CFG0_THRESHOLD), ==, 256);
    g_assert_false(sees_all(&crowd));
    crowd_clear(&crowd);
}

static void a_device_without_a_second_instance_works_as_ever(void)
{
    Crowd crowd;

    crowd_init(&crowd, 0);
    crowd_out(&crowd, 20000, 0);
    g_assert_cmpuint(second_of(&crowd)->enabled, ==, 0);
    g_assert_false(sees_all(&crowd));
    g_assert_null(chmu_host_problem(crowd.bed.host));
    crowd_clear(&crowd);
}

static void a_second_instance_that_fails_does_not_harm_the_first(void)
{
    Crowd crowd;

    crowd_init(&crowd, CHMU_CAP1_OVERLAP);
    begin_second(&crowd);
    fake_chmu_list(&crowd.bed.fakes[1].units[1], 1ull << 40, 128);      /* beyond all memory */
    crowd_out(&crowd, 2000, 0);
    g_assert_false(sees_all(&crowd));
    g_assert_true(chmu_host_works(crowd.bed.host, 1));
    crowd.bed.fakes[1].units[1].status |= CHMU_STATUS_ENABLED;
    crowd_out(&crowd, 70000, 0);
    g_assert_true(chmu_host_works(crowd.bed.host, 1));
    g_assert_cmpuint(second_of(&crowd)->enabled, ==, 2);        /* it was tried again */
    crowd_clear(&crowd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/chmu/host/" #name, name)
    ADD(who_has_nothing_on_a_device_has_no_part_in_its_list);
    ADD(a_page_that_comes_back_to_its_frame_has_come);
    ADD(counts_of_more_than_a_page_are_not_for_who_came_meanwhile);
    ADD(who_comes_while_a_stalled_device_is_given_back_is_not_held_up);
    ADD(what_one_device_misses_is_looked_for_elsewhere_whatever_others_see);
    ADD(all_that_a_device_does_not_list_has_its_limit_in_turn);
    ADD(who_is_crowded_out_is_told_by_the_second_instance);
    ADD(a_second_instance_is_given_back_when_nobody_is_crowded);
    ADD(what_comes_within_a_period_is_not_told_of);
    ADD(a_period_that_is_interrupted_says_nothing);
    ADD(reports_that_are_lost_double_the_threshold);
    ADD(a_device_without_a_second_instance_works_as_ever);
    ADD(a_second_instance_that_fails_does_not_harm_the_first);
    return g_test_run();
}
