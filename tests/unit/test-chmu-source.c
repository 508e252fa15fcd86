/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'chmu', from registers, decoders and pagemaps that tests make up to what the policy knows.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "fake-chmu.h"
#include "source-run.h"
#include "sources/chmu.h"
#include "tree.h"

#define MS 1000000ull
#define PAGES 64u                       /* of a region */
#define FAST 16u                        /* of them, the first, lie in tier 0, */
#define FAST_PFN 0x1000u                /* from there on; the others in CXL memory */
#define CXL_PFN (0x310000000ull >> 12)
#define HVA 0x10000000ull
#define DEVICE "0000:0d:00.0"

typedef struct Bed Bed;

typedef struct Vm {
    Bed *bed;
    Region region;
    Policy *policy;
    Source *source;
    uint64_t due_ns;
    unsigned ticks;
} Vm;

struct Bed {
    char *root;
    FakeChmu fake;
    ChmuHost *host;
    uint64_t now_ns;
    Vm vm;
};

/* What a test begins with. */
typedef struct Setting {
    unsigned ways, granularity;         /* of the region */
    uint64_t first;                     /* its page where the VM's pages in CXL memory begin */
    unsigned touch_accesses;
} Setting;

/* What ChmuPlaces and ChmuPagemap reach, of which there is one in a test. */
static Bed *current;

/* --- the host --- */

static void write_file(const Bed *bed, const char *folder, const char *file, const void *bytes, gssize len)
{
    g_autofree char *path = g_build_filename(bed->root, folder, NULL);
    g_autofree char *name = g_build_filename(path, file, NULL);

    g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
    g_assert_true(g_file_set_contents(name, bytes, len, NULL));
}

static void write_link(const Bed *bed, const char *folder, const char *file, const char *target)
{
    g_autofree char *path = g_build_filename(bed->root, folder, NULL);
    g_autofree char *name = g_build_filename(path, file, NULL);

    g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
    g_assert_cmpint(symlink(target, name), ==, 0);
}

/* The device is in a region by itself, or, with @ways above 1, is its second. */
static void write_region(const Bed *bed, unsigned ways, unsigned granularity)
{
    g_autofree char *size = g_strdup_printf("0x%x", 0x10000000 * ways);
    g_autofree char *text = g_strdup_printf("%u", ways);
    g_autofree char *granularity_text = g_strdup_printf("%u", granularity);

    write_link(bed, "bus/cxl/devices/endpoint2", "uport", "../../pci0000:0c/0000:0c:00.0/" DEVICE "/mem0");
    write_file(bed, "bus/cxl/devices/decoder2.0", "region", "region0\n", -1);
    write_file(bed, "bus/cxl/devices/decoder2.0", "dpa_resource", "0x20000000\n", -1);
    write_file(bed, "bus/cxl/devices/decoder2.0", "dpa_size", "0x10000000\n", -1);
    write_file(bed, "bus/cxl/devices/region0", "resource", "0x310000000\n", -1);
    write_file(bed, "bus/cxl/devices/region0", "size", size, -1);
    write_file(bed, "bus/cxl/devices/region0", "interleave_ways", text, -1);
    write_file(bed, "bus/cxl/devices/region0", "interleave_granularity", granularity_text, -1);
    write_file(bed, "bus/cxl/devices/region0", "target0", ways > 1 ? "decoder9.0" : "decoder2.0", -1);
    write_file(bed, "bus/cxl/devices/region0", "target1", "decoder2.0", -1);
}

static void write_device(const Bed *bed)
{
    static const uint8_t locator[] = {0x23, 0, 1, 0, 0x98, 0x1e, 0x40, 1, 8, 0, 0, 0, 5, 5, 0, 0, 0, 0, 0, 0};
    uint8_t config[4096] = {[4] = 7};

    memcpy(config + 0x100, locator, sizeof(locator));
    write_file(bed, "bus/pci/devices/" DEVICE, "class", "0x050210", -1);
    write_file(bed, "bus/pci/devices/" DEVICE, "config", config, sizeof(config));
    write_file(bed, "bus/pci/devices/" DEVICE, "resource",
               "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
               "0x00000000fe420000 0x00000000fe42ffff 0x0000000000040200\n", -1);
    write_file(bed, ".", "iomem", "fe420000-fe42ffff : " DEVICE "\n", -1);
}

static ChmuRegs *map_fake(const char *sysfs, const ChmuPlace *place, GError **errp)
{
    g_assert_cmpstr(sysfs, ==, current->root);
    g_assert_cmpstr(place->device, ==, DEVICE);
    g_assert_cmpuint(place->bar, ==, 5);
    return fake_chmu_regs(&current->fake);
}

static void bed_init(Bed *bed, const Setting *setting)
{
    static ChmuPlaces places;
    g_autoptr(GError) err = NULL;

    *bed = (Bed){.now_ns = 1000 * MS};
    current = bed;
    fake_chmu_init(&bed->fake);
    bed->root = g_dir_make_tmp("chmu-source-XXXXXX", NULL);
    g_assert_nonnull(bed->root);
    write_device(bed);
    write_region(bed, setting->ways, setting->granularity);
    places = (ChmuPlaces){.sysfs = bed->root, .proc = bed->root, .map = map_fake};
    bed->host = chmu_host_new(&places, &err);
    g_assert_no_error(err);
}

static void bed_clear(Bed *bed)
{
    chmu_host_free(bed->host);
    remove_tree(bed->root);
    g_free(bed->root);
}

/* The unit in use, enabled. */
static FakeUnit *unit(Bed *bed)
{
    g_assert_true(bed->fake.units[0].status & CHMU_STATUS_ENABLED);
    return &bed->fake.units[0];
}

/* It lists page @page of what the device gives to the region. */
static void list_page(Bed *bed, uint64_t page, uint32_t count)
{
    fake_chmu_list(unit(bed), (0x20000000 >> 12) + page, count);
}

/* --- a VM --- */

static char *pagemap_path(pid_t pid)
{
    return g_strdup_printf("%s/pagemap-%d", current->root, (int)pid);
}

static int open_pagemap(pid_t pid, int pidfd, GError **errp)
{
    g_autofree char *path = pagemap_path(pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* The kernel shows page @page of the VM's at @pfn; 0: it is not there. */
static void place(const Vm *vm, unsigned page, uint64_t pfn)
{
    const uint64_t entry = pfn ? 1ull << 63 | pfn : 0;
    g_autofree char *path = pagemap_path(vm->region.pid);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(pwrite(fd, &entry, sizeof(entry), (off_t)((HVA / 4096 + page) * 8)), ==, sizeof(entry));
    close(fd);
}

/* What the policy is told of where pages are. */
static void tell_tiers(const Vm *vm)
{
    uint8_t tiers[PAGES];

    for (unsigned i = 0; i < PAGES; i++) {
        tiers[i] = i < FAST ? 0 : 1;
    }
    policy_place(vm->policy, vm->region.id, 0, PAGES, tiers);
}

/* VM @number, whose pages in CXL memory begin with the region's page @first. */
static void vm_init(Vm *vm, Bed *bed, unsigned number, uint64_t first, unsigned touch_accesses)
{
    const SourceParams params = {.touch_accesses = touch_accesses};
    g_autoptr(GError) err = NULL;

    *vm = (Vm){
        .bed = bed,
        .region = {.id = number, .granule_bytes = 4096, .hva = HVA, .size = PAGES * 4096, .page_size = 4096,
                   .pid = (pid_t)number, .pidfd = -1},
    };
    for (unsigned i = 0; i < PAGES; i++) {
        place(vm, i, i < FAST ? FAST_PFN + i : CXL_PFN + first + i - FAST);
    }
    vm->policy = source_run_policy(&vm->region);
    tell_tiers(vm);
    vm->source = chmu_start_with(bed->host, open_pagemap, &params, vm->policy);
    g_assert_true(chmu_source_class.region_add(vm->source, &vm->region, &err));
    g_assert_no_error(err);
}

static void vm_clear(Vm *vm)
{
    chmu_source_class.region_del(vm->source, &vm->region);
    chmu_source_class.stop(vm->source);
    policy_free(vm->policy);
}

/* Let time pass for @vms, up to @ms milliseconds. */
static void run(Vm *const *vms, unsigned n, unsigned ms)
{
    Bed *bed = vms[0]->bed;
    const uint64_t end_ns = bed->now_ns + ms * MS;

    for (;;) {
        uint64_t next_ns = UINT64_MAX;

        for (unsigned i = 0; i < n; i++) {
            if (vms[i]->due_ns <= bed->now_ns) {
                vms[i]->due_ns = chmu_source_class.tick(vms[i]->source, bed->now_ns);
                vms[i]->ticks++;
            }
            next_ns = MIN(next_ns, vms[i]->due_ns);
        }
        if (next_ns > end_ns) {
            bed->now_ns = end_ns;
            return;
        }
        bed->now_ns = MAX(next_ns, bed->now_ns);
    }
}

static void run_one(Vm *vm, unsigned ms)
{
    run(&vm, 1, ms);
}

static double rate(const Vm *vm, size_t page)
{
    double per_s;

    policy_rates(vm->policy, vm->region.id, page, 1, &per_s);
    return per_s;
}

/* Whether others are asked to look at page @page. */
static bool is_covered(const Vm *vm, size_t page)
{
    uint8_t score;

    policy_uncertainty(vm->policy, vm->region.id, page, 1, vm->bed->now_ns, &score);
    return score == 0;
}

static void expect_problem(const Vm *vm, const char *text)
{
    SourceHealth health;

    chmu_source_class.health(vm->source, &health);
    if (text ? !health.problem || !strstr(health.problem, text) : health.problem != NULL) {
        g_test_message("'%s' is not in: %s", text ? text : "no problem", health.problem);
        g_test_fail();
    }
}

static void set_up(Bed *bed, gconstpointer data)
{
    const Setting *setting = data;

    bed_init(bed, setting);
    vm_init(&bed->vm, bed, 1, setting->first, setting->touch_accesses);
}

static void tear_down(Bed *bed, gconstpointer setting)
{
    vm_clear(&bed->vm);
    bed_clear(bed);
}

/* --- tests --- */

static void counts_become_rates_of_the_pages_that_lie_there(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 100);
    for (unsigned i = 0; i < 10; i++) {
        list_page(bed, 100, 1000);             /* page 16 */
        list_page(bed, 103, 10000);
        list_page(bed, 99, 5000);              /* nobody's */
        list_page(bed, 148, 5000);
        run_one(vm, 510);
    }
    g_assert_cmpfloat_with_epsilon(rate(vm, 16), 2000, 250);
    g_assert_cmpfloat_with_epsilon(rate(vm, 19), 20000, 2500);
    g_assert_cmpfloat(rate(vm, 0), ==, -1);
    g_assert_cmpfloat(rate(vm, 17), <, 100);
    expect_problem(vm, NULL);
}

static void it_looks_in_when_there_is_something_to_do(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 20000);                        /* 40 epochs, 20 scans */
    g_assert_cmpuint(bed->fake.units[0].enabled, >=, 38);
    g_assert_cmpuint(vm->ticks, <, 200);
}

static void rates_are_of_touches(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 100);
    for (unsigned i = 0; i < 10; i++) {
        list_page(bed, 4, 16000);
        run_one(vm, 510);
    }
    g_assert_cmpfloat_with_epsilon(rate(vm, 20), 2000, 250);
}

static void hot_memory_that_is_listed_no_more_cools(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 100);
    for (unsigned i = 0; i < 10; i++) {
        list_page(bed, 4, 10000);
        run_one(vm, 510);
    }
    g_assert_cmpfloat(rate(vm, 20), >, 15000);
    run_one(vm, 10000);
    g_assert_cmpfloat(rate(vm, 20), <, 1000);
}

static void a_hotlist_that_overflowed_says_nothing_of_the_rest(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;
    uint64_t threshold;

    run_one(vm, 100);
    threshold = chmu_get(unit(bed)->cfg0, CHMU_CFG0_THRESHOLD);
    for (unsigned page = 0; page < FAKE_CHMU_ENTRIES; page++) {
        list_page(bed, page, 1000);
    }
    run_one(vm, 510);
    g_assert_cmpfloat(rate(vm, 16), >, 500);
    g_assert_cmpfloat(rate(vm, 60), ==, -1);
    g_assert_cmpuint(chmu_get(unit(bed)->cfg0, CHMU_CFG0_THRESHOLD), >, threshold);
}

static void a_tier_that_is_watched_in_whole_needs_no_other_source(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    g_assert_false(is_covered(vm, 16));
    run_one(vm, 2100);
    g_assert_true(is_covered(vm, 16));
    g_assert_false(is_covered(vm, 0));
    for (unsigned i = 40; i < PAGES; i++) {     /* on another node, with no such unit */
        place(vm, i, FAST_PFN + i);
    }
    run_one(vm, 2100);
    g_assert_false(is_covered(vm, 16));
}

static void a_page_that_moved_is_followed_at_once(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 1200);
    place(vm, 20, FAST_PFN + 100);             /* promoted, */
    place(vm, 3, CXL_PFN + 4);                 /* and another took its place */
    chmu_source_class.moved(vm->source, &vm->region, 20, 1);
    chmu_source_class.moved(vm->source, &vm->region, 3, 1);
    list_page(bed, 4, 10000);
    run_one(vm, 600);
    list_page(bed, 4, 10000);
    run_one(vm, 600);
    g_assert_cmpfloat(rate(vm, 3), >, 5000);
    g_assert_cmpfloat(rate(vm, 20), <, 100);
}

/* The copy is counted, and so is what the page that was there before got. */
static void what_is_counted_as_a_page_comes_says_nothing(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 1200);
    list_page(bed, 4, 10000);
    place(vm, 20, FAST_PFN + 100);
    place(vm, 3, CXL_PFN + 4);
    chmu_source_class.moved(vm->source, &vm->region, 20, 1);
    chmu_source_class.moved(vm->source, &vm->region, 3, 1);
    run_one(vm, 510);
    g_assert_cmpfloat(rate(vm, 3), ==, -1);
}

static void where_a_page_was_is_nobodys(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 1200);
    place(vm, 20, CXL_PFN + 1000);
    chmu_source_class.moved(vm->source, &vm->region, 20, 1);
    for (unsigned i = 0; i < 6; i++) {
        list_page(bed, 4, 10000);
        run_one(vm, 510);
    }
    g_assert_cmpfloat(rate(vm, 20), <, 100);
}

static void a_page_that_others_moved_is_found_again(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 1200);
    place(vm, 20, CXL_PFN + 1000);
    run_one(vm, 1600);
    for (unsigned i = 0; i < 4; i++) {
        list_page(bed, 1000, 10000);
        run_one(vm, 510);
    }
    g_assert_cmpfloat(rate(vm, 20), >, 5000);
}

static void vms_share_a_unit_and_each_hears_of_its_own(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;
    Vm two, *const both[] = {vm, &two};

    vm_init(&two, bed, 2, 500, 1);
    run(both, 2, 100);
    for (unsigned i = 0; i < 6; i++) {
        list_page(bed, 2, 10000);
        list_page(bed, 503, 10000);
        run(both, 2, 510);
    }
    g_assert_cmpfloat(rate(vm, 18), >, 10000);
    g_assert_cmpfloat(rate(vm, 19), <, 100);
    g_assert_cmpfloat(rate(&two, 19), >, 10000);
    g_assert_cmpfloat(rate(&two, 18), <, 100);

    vm_clear(&two);                             /* what was its is nobody's now */
    for (unsigned i = 0; i < 6; i++) {
        list_page(bed, 2, 10000);
        list_page(bed, 503, 10000);
        run_one(vm, 510);
    }
    g_assert_cmpfloat(rate(vm, 19), <, 100);
    expect_problem(vm, NULL);
}

static void the_unit_is_given_back_with_the_last_region(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    g_assert_cmpuint(bed->fake.units[0].enabled, ==, 0);
    run_one(vm, 100);
    g_assert_cmpuint(bed->fake.units[0].enabled, ==, 1);
    vm_clear(vm);
    g_assert_cmphex(bed->fake.units[0].status & CHMU_STATUS_ENABLED, ==, 0);
    g_assert_cmphex(bed->fake.units[0].cfg0, ==, 0);
    vm_init(vm, bed, 2, 0, 1);
    run_one(vm, 100);
    g_assert_true(unit(bed)->enabled == 2);
}

static void a_device_that_goes_is_named_and_others_look_again(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 2100);
    g_assert_true(is_covered(vm, 16));
    bed->fake.gone = true;
    run_one(vm, 1000);
    expect_problem(vm, DEVICE);
    expect_problem(vm, "all ones");
    g_assert_false(is_covered(vm, 16));
    run_one(vm, 20000);
    bed->fake.gone = false;                      /* it was asleep */
    run_one(vm, 40000);
    expect_problem(vm, NULL);
    g_assert_true(is_covered(vm, 16));
}

static void a_device_that_stalls_is_named(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 2100);
    bed->fake.slowness = UINT_MAX;
    run_one(vm, 3000);
    expect_problem(vm, "stalled");
    g_assert_false(is_covered(vm, 16));
    bed->fake.slowness = bed->fake.units[0].busy = 0;
    run_one(vm, 20000);
    expect_problem(vm, NULL);
}

static void nonsense_in_the_hotlist_is_left_out_and_named(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    run_one(vm, 100);
    for (unsigned i = 0; i < 4; i++) {
        list_page(bed, 4, 10000);
        list_page(bed, 5, 0);
        list_page(bed, 0x10000000 >> 12, 9);           /* the first byte behind the region */
        fake_chmu_list(unit(bed), (1ull << 48) - 1, 9);
        run_one(vm, 510);
    }
    expect_problem(vm, "3 of 4 entries");
    g_assert_cmpfloat(rate(vm, 20), >, 5000);
    g_assert_cmpfloat(rate(vm, 30), ==, -1);           /* such a list says nothing of the rest */
    g_assert_false(is_covered(vm, 16));
    run_one(vm, 1600);
    expect_problem(vm, NULL);
}

static void parts_of_pages_are_counted_where_devices_take_turns(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    /* a page lies on two devices, ours has each second line of 256 bytes */
    run_one(vm, 100);
    g_assert_cmpuint(chmu_get(unit(bed)->cfg1, CHMU_CFG1_UNIT_SIZE), ==, 8);
    for (unsigned i = 0; i < 8; i++) {
        const uint64_t first = 0x20000000 >> 8;

        fake_chmu_list(unit(bed), first + 4 * 8, 1000);        /* of page 20: 1500, and as many on the other */
        fake_chmu_list(unit(bed), first + 4 * 8 + 7, 500);
        fake_chmu_list(unit(bed), first + 5 * 8, 500);
        run_one(vm, 510);
    }
    g_assert_cmpfloat_with_epsilon(rate(vm, 20), 6000, 900);
    g_assert_cmpfloat_with_epsilon(rate(vm, 21), 2000, 300);
}

static void units_larger_than_a_page_are_refused(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    bed->fake.units[0].cap1 = (bed->fake.units[0].cap1 & ~CHMU_CAP1_UNIT_SIZES) | 1u << 8;        /* 64 KiB */
    run_one(vm, 100);
    expect_problem(vm, "65536");
    g_assert_cmpuint(bed->fake.units[0].enabled, ==, 0);
}

static void a_hot_set_that_appears_is_told_to_the_policy(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;
    uint64_t before_ns;

    policy_evidence_rate(vm->policy, POLICY_SOURCE_RWP, vm->region.id, 0, PAGES, 1, 100000 * MS, bed->now_ns);
    policy_plan(vm->policy, bed->now_ns);
    run_one(vm, 1600);
    before_ns = policy_changed_ns(vm->policy);
    for (unsigned i = 0; i < 2; i++) {
        list_page(bed, 7, 20000);
        run_one(vm, 510);
    }
    g_assert_cmpuint(policy_changed_ns(vm->policy), >, before_ns);
}

static void nothing_of_a_pause_is_reported_after_it(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;
    Vm other, *const both[] = {vm, &other};

    vm_init(&other, bed, 2, 500, 1);
    run(both, 2, 100);
    chmu_source_class.pause(vm->source, true);   /* its tick() is not called */
    for (unsigned i = 0; i < 20; i++) {
        list_page(bed, 4, 10000);
        run_one(&other, 510);
    }
    chmu_source_class.pause(vm->source, false);
    chmu_source_class.tick(vm->source, bed->now_ns);
    g_assert_cmpfloat(rate(vm, 20), ==, -1);
    vm_clear(&other);
}

static void without_a_region_the_source_waits_for_one(Bed *bed, gconstpointer setting)
{
    Vm *vm = &bed->vm;

    write_file(bed, "bus/cxl/devices/decoder2.0", "region", "\n", -1);
    run_one(vm, 100);
    expect_problem(vm, "no CXL region");
    write_file(bed, "bus/cxl/devices/decoder2.0", "region", "region0\n", -1);
    run_one(vm, 5000);
    expect_problem(vm, NULL);
    g_assert_cmpuint(unit(bed)->enabled, >, 0);
}

static void a_host_whose_units_are_others_is_told_why(Bed *bed, gconstpointer setting)
{
    g_autoptr(GError) err = NULL;
    ChmuPlaces places;

    write_link(bed, "bus/pci/devices/" DEVICE, "driver", "../../../bus/pci/drivers/vfio-pci");
    places = (ChmuPlaces){.sysfs = bed->root, .proc = bed->root, .map = map_fake};
    g_assert_null(chmu_host_new(&places, &err));
    g_assert_nonnull(strstr(err->message, "vfio-pci"));
}

int main(int argc, char **argv)
{
    static const Setting plain = {.ways = 1, .granularity = 256, .touch_accesses = 1};
    static const Setting behind_others = {.ways = 1, .granularity = 256, .first = 100, .touch_accesses = 1};
    static const Setting cached = {.ways = 1, .granularity = 256, .touch_accesses = 16};
    static const Setting interleaved = {.ways = 2, .granularity = 256, .touch_accesses = 1};

    g_test_init(&argc, &argv, NULL);
#define ADD(name, setting) g_test_add("/chmu/source/" #name, Bed, &(setting), set_up, name, tear_down)
    ADD(counts_become_rates_of_the_pages_that_lie_there, behind_others);
    ADD(it_looks_in_when_there_is_something_to_do, plain);
    ADD(rates_are_of_touches, cached);
    ADD(hot_memory_that_is_listed_no_more_cools, plain);
    ADD(a_hotlist_that_overflowed_says_nothing_of_the_rest, plain);
    ADD(a_tier_that_is_watched_in_whole_needs_no_other_source, plain);
    ADD(a_page_that_moved_is_followed_at_once, plain);
    ADD(what_is_counted_as_a_page_comes_says_nothing, plain);
    ADD(where_a_page_was_is_nobodys, plain);
    ADD(a_page_that_others_moved_is_found_again, plain);
    ADD(vms_share_a_unit_and_each_hears_of_its_own, plain);
    ADD(the_unit_is_given_back_with_the_last_region, plain);
    ADD(a_device_that_goes_is_named_and_others_look_again, plain);
    ADD(a_device_that_stalls_is_named, plain);
    ADD(nonsense_in_the_hotlist_is_left_out_and_named, plain);
    ADD(parts_of_pages_are_counted_where_devices_take_turns, interleaved);
    ADD(units_larger_than_a_page_are_refused, plain);
    ADD(a_hot_set_that_appears_is_told_to_the_policy, plain);
    ADD(nothing_of_a_pause_is_reported_after_it, plain);
    ADD(without_a_region_the_source_waits_for_one, plain);
    ADD(a_host_whose_units_are_others_is_told_why, plain);
    return g_test_run();
}
