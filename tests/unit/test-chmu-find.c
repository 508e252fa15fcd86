/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding CXL hotness units: configuration spaces and trees of /sys and /proc, good and bad.
 */
#include <string.h>
#include <unistd.h>

#include "sources/chmu-find.h"
#include "tree.h"

#define CONFIG 4096u
#define DEVICE "0000:0d:00.0"

static void put32(uint8_t *config, size_t at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        config[at + i] = (uint8_t)(value >> 8 * i);
    }
}

/* An extended capability at @at; @next is where the list goes on. */
static void put_capability(uint8_t *config, size_t at, uint16_t id, size_t next)
{
    put32(config, at, id | 1u << 16 | (uint32_t)next << 20);
}

/* A register locator of @n entries at @at, all of kind @kind, the first in BAR 5 at 0x10000. */
static void put_locator(uint8_t *config, size_t at, size_t next, unsigned n, unsigned kind)
{
    put_capability(config, at, 0x23, next);
    put32(config, at + 4, 0x1e98u | (12 + 8 * n) << 20);
    put32(config, at + 8, 8);
    for (unsigned i = 0; i < n; i++) {
        put32(config, at + 12 + 8 * i, 5 | kind << 8 | (i + 1) << 16);
        put32(config, at + 16 + 8 * i, i);
    }
}

/* As QEMU's cxl-type3 has it: a serial number, two other DVSECs, the locator, AER. */
static void put_usual(uint8_t *config)
{
    memset(config, 0, CONFIG);
    config[4] = 7;
    put_capability(config, 0x100, 0x03, 0x10c);
    put_capability(config, 0x10c, 0x23, 0x148);
    put32(config, 0x110, 0x03c01e98);
    put32(config, 0x114, 0);
    put_locator(config, 0x148, 0x190, 3, 1);
    put32(config, 0x148 + 12 + 16, 5 | 5 << 8 | 0x20000);       /* the third is a CHMU */
    put32(config, 0x148 + 16 + 16, 1);
    put_capability(config, 0x190, 0x01, 0);
}

static void a_unit_is_found_by_the_register_locator(void)
{
    g_autoptr(GArray) blocks = g_array_new(FALSE, FALSE, sizeof(ChmuBlock));
    g_autoptr(GError) err = NULL;
    uint8_t config[CONFIG];

    put_usual(config);
    g_assert_true(chmu_find_blocks(config, CONFIG, blocks, &err));
    g_assert_no_error(err);
    g_assert_cmpuint(blocks->len, ==, 1);
    g_assert_cmpuint(g_array_index(blocks, ChmuBlock, 0).bar, ==, 5);
    g_assert_cmphex(g_array_index(blocks, ChmuBlock, 0).offset, ==, 0x100020000);
}

static void several_units_are_found(void)
{
    g_autoptr(GArray) blocks = g_array_new(FALSE, FALSE, sizeof(ChmuBlock));
    uint8_t config[CONFIG] = {0};

    put_locator(config, 0x100, 0, 4, 5);
    g_assert_true(chmu_find_blocks(config, CONFIG, blocks, NULL));
    g_assert_cmpuint(blocks->len, ==, 4);
    g_assert_cmphex(g_array_index(blocks, ChmuBlock, 3).offset, ==, 0x300040000);
}

static void locators_of_others_and_empty_lists_hold_no_unit(void)
{
    g_autoptr(GArray) blocks = g_array_new(FALSE, FALSE, sizeof(ChmuBlock));
    uint8_t config[CONFIG] = {0};

    g_assert_true(chmu_find_blocks(config, CONFIG, blocks, NULL));
    put_locator(config, 0x100, 0, 3, 5);
    put32(config, 0x104, 0x8086u | 36u << 20);                  /* another vendor's */
    g_assert_true(chmu_find_blocks(config, CONFIG, blocks, NULL));
    put_locator(config, 0x100, 0, 3, 3);                        /* device registers */
    g_assert_true(chmu_find_blocks(config, CONFIG, blocks, NULL));
    put_locator(config, 0x100, 0, 3, 5);
    put32(config, 0x108, 7);                                    /* another DVSEC */
    g_assert_true(chmu_find_blocks(config, CONFIG, blocks, NULL));
    memset(config, 0xff, CONFIG);                               /* a device that is gone */
    g_assert_true(chmu_find_blocks(config, CONFIG, blocks, NULL));
    g_assert_cmpuint(blocks->len, ==, 0);
}

/* What is told of a configuration space that can't be followed. */
static void expect_refusal(const uint8_t *config, size_t len, const char *text)
{
    g_autoptr(GArray) blocks = g_array_new(FALSE, FALSE, sizeof(ChmuBlock));
    g_autoptr(GError) err = NULL;

    g_assert_false(chmu_find_blocks(config, len, blocks, &err));
    if (!strstr(err->message, text)) {
        g_test_message("'%s' is not in: %s", text, err->message);
        g_test_fail();
    }
}

static void lists_that_lead_nowhere_are_refused(void)
{
    uint8_t config[CONFIG];

    put_usual(config);
    put_capability(config, 0x190, 0x01, 0x100);
    expect_refusal(config, CONFIG, "no end");
    put_capability(config, 0x190, 0x01, 0x190);
    expect_refusal(config, CONFIG, "no end");
    put_capability(config, 0x190, 0x01, 0x40);
    expect_refusal(config, CONFIG, "leads to byte 0x40");
}

static void a_space_that_is_cut_short_is_refused_with_the_remedy(void)
{
    uint8_t config[CONFIG];

    put_usual(config);
    expect_refusal(config, 64, "CAP_SYS_ADMIN");
    expect_refusal(config, 0, "CAP_SYS_ADMIN");
    expect_refusal(config, 256, "0x100");
    expect_refusal(config, 0x160, "0x160");
    put_capability(config, 0x190, 0x01, 0xff0);
    put_capability(config, 0xff0, 0x23, 0);                     /* a locator longer than the space */
    put32(config, 0xff4, 0x1e98u | 0xfffu << 20);
    put32(config, 0xff8, 8);
    expect_refusal(config, CONFIG, "0x1000");
}

static void a_bar_that_there_is_not_is_refused(void)
{
    uint8_t config[CONFIG];

    put_usual(config);
    put32(config, 0x148 + 12 + 16, 6 | 5 << 8);
    expect_refusal(config, CONFIG, "BAR 6");
}

static void any_bytes_are_survived(void)
{
    uint8_t config[CONFIG];

    for (unsigned run = 0; run < 3000; run++) {
        g_autoptr(GArray) blocks = g_array_new(FALSE, FALSE, sizeof(ChmuBlock));
        g_autoptr(GError) err = NULL;

        put_usual(config);
        for (unsigned i = 0; i < 8; i++) {
            config[0x100 + (unsigned)g_test_rand_int_range(0, 0xa0)] = (uint8_t)g_test_rand_int();
        }
        if (!chmu_find_blocks(config, (size_t)g_test_rand_int_range(0, CONFIG + 1), blocks, &err)) {
            g_assert_nonnull(err);
        }
    }
}

/* --- trees --- */

typedef struct Tree {
    char *root, *device;
} Tree;

static void write_file(const char *folder, const char *name, const void *bytes, gssize len)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, bytes, len, NULL));
}

static void tree_init(Tree *tree, const char *driver)
{
    g_autofree char *link = NULL;
    uint8_t config[CONFIG];

    tree->root = g_dir_make_tmp("chmu-find-XXXXXX", NULL);
    g_assert_nonnull(tree->root);
    tree->device = g_build_filename(tree->root, "bus/pci/devices", DEVICE, NULL);
    g_assert_cmpint(g_mkdir_with_parents(tree->device, 0700), ==, 0);
    put_usual(config);
    put32(config, 0x148 + 16 + 16, 0);                          /* at 0x20000 */
    write_file(tree->device, "class", "0x050210\n", -1);
    write_file(tree->device, "config", config, CONFIG);
    write_file(tree->device, "resource",
               "0x00000000fe400000 0x00000000fe40ffff 0x0000000000140204\n"
               "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
               "0x00000000fe410000 0x00000000fe410fff 0x0000000000140204\n"
               "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
               "0x00000000fe411000 0x00000000fe411fff 0x0000000000040200\n"
               "0x00000000fe420000 0x00000000fe45ffff 0x0000000000040200\n", -1);
    write_file(tree->root, "iomem",
               "fe400000-fe5fffff : PCI Bus 0000:0d\n"
               "  fe400000-fe40ffff : 0000:0d:00.0\n"
               "    fe401080-fe4010d7 : endpoint2\n"
               "  fe410000-fe410fff : 0000:0d:00.0\n"
               "    fe410080-fe410087 : 0000:0d:00.0\n"
               "  fe420000-fe45ffff : 0000:0d:00.0\n"
               "    fe420000-fe42ffff : cxl_other\n", -1);
    if (driver) {
        link = g_build_filename(tree->device, "driver", NULL);
        g_assert_cmpint(symlink(driver, link), ==, 0);
    }
}

static void tree_clear(Tree *tree)
{
    remove_tree(tree->root);
    g_free(tree->root);
    g_free(tree->device);
}

/* The one place that there is; its problem holds @text, or there is none. */
static void expect_place(const Tree *tree, const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GPtrArray) places = chmu_find(tree->root, tree->root, &err);
    const ChmuPlace *place;

    g_assert_no_error(err);
    g_assert_cmpuint(places->len, ==, 1);
    place = g_ptr_array_index(places, 0);
    g_assert_cmpstr(place->device, ==, DEVICE);
    if (text ? !place->problem || !strstr(place->problem, text) : place->problem != NULL) {
        g_test_message("'%s' is not in: %s", text ? text : "no problem", place->problem);
        g_test_fail();
    }
    if (!text) {
        g_assert_cmpuint(place->bar, ==, 5);
        g_assert_cmphex(place->offset, ==, 0x20000);
    }
}

static void a_device_of_cxl_pci_can_be_used(void)
{
    Tree tree;

    tree_init(&tree, "../../../../bus/pci/drivers/cxl_pci");
    expect_place(&tree, NULL);
    tree_clear(&tree);
}

static void a_device_of_another_driver_is_refused(void)
{
    Tree tree;

    tree_init(&tree, "../../../../bus/pci/drivers/vfio-pci");
    expect_place(&tree, "vfio-pci");
    tree_clear(&tree);
}

static void registers_that_a_driver_has_claimed_are_refused(void)
{
    Tree tree;

    tree_init(&tree, "../../../../bus/pci/drivers/cxl_pci");
    write_file(tree.root, "iomem",
               "fe400000-fe5fffff : PCI Bus 0000:0d\n"
               "  fe420000-fe45ffff : 0000:0d:00.0\n"
               "    fe440000-fe44ffff : hmu_mem0.0\n", -1);
    expect_place(&tree, "hmu_mem0.0");
    write_file(tree.root, "iomem",                              /* all of the BAR, at the end of the list */
               "fe400000-fe5fffff : PCI Bus 0000:0d\n"
               "  fe420000-fe45ffff : 0000:0d:00.0\n"
               "    fe420000-fe45ffff : greedy", -1);
    expect_place(&tree, "greedy");
    write_file(tree.root, "iomem",                              /* another device's */
               "fe400000-fe5fffff : PCI Bus 0000:0d\n"
               "  fe420000-fe45ffff : 0000:0d:00.0\n"
               "  fe440000-fe44ffff : 0000:0e:00.0\n"
               "    fe440000-fe44ffff : other\n", -1);
    expect_place(&tree, NULL);
    tree_clear(&tree);
}

static void a_device_that_is_switched_off_is_refused(void)
{
    Tree tree;
    uint8_t config[CONFIG];

    tree_init(&tree, NULL);
    put_usual(config);
    config[4] = 0;
    write_file(tree.device, "config", config, CONFIG);
    expect_place(&tree, "load cxl_pci");
    tree_clear(&tree);
}

static void a_block_outside_of_its_bar_is_refused(void)
{
    Tree tree;
    uint8_t config[CONFIG];

    tree_init(&tree, NULL);
    put_usual(config);                                          /* beyond 4 GiB */
    write_file(tree.device, "config", config, CONFIG);
    expect_place(&tree, "ends before");
    write_file(tree.device, "resource", "0x0 0x0 0x0\n", -1);
    expect_place(&tree, "no place in physical memory");
    tree_clear(&tree);
}

static void hosts_without_a_unit_are_told_what_they_lack(void)
{
    g_autoptr(GError) none = NULL, other = NULL;
    Tree tree;

    tree_init(&tree, NULL);
    write_file(tree.device, "config", (const uint8_t[CONFIG]){0}, CONFIG);
    g_assert_null(chmu_find(tree.root, tree.root, &none));
    g_assert_nonnull(strstr(none->message, "(1)"));
    write_file(tree.device, "class", "0x020000\n", -1);
    g_assert_null(chmu_find(tree.root, tree.root, &other));
    g_assert_nonnull(strstr(other->message, "(0)"));
    tree_clear(&tree);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chmu/find/a_unit_is_found_by_the_register_locator", a_unit_is_found_by_the_register_locator);
    g_test_add_func("/chmu/find/several_units_are_found", several_units_are_found);
    g_test_add_func("/chmu/find/locators_of_others_and_empty_lists_hold_no_unit",
                    locators_of_others_and_empty_lists_hold_no_unit);
    g_test_add_func("/chmu/find/lists_that_lead_nowhere_are_refused", lists_that_lead_nowhere_are_refused);
    g_test_add_func("/chmu/find/a_space_that_is_cut_short_is_refused_with_the_remedy",
                    a_space_that_is_cut_short_is_refused_with_the_remedy);
    g_test_add_func("/chmu/find/a_bar_that_there_is_not_is_refused", a_bar_that_there_is_not_is_refused);
    g_test_add_func("/chmu/find/any_bytes_are_survived", any_bytes_are_survived);
    g_test_add_func("/chmu/find/a_device_of_cxl_pci_can_be_used", a_device_of_cxl_pci_can_be_used);
    g_test_add_func("/chmu/find/a_device_of_another_driver_is_refused", a_device_of_another_driver_is_refused);
    g_test_add_func("/chmu/find/registers_that_a_driver_has_claimed_are_refused",
                    registers_that_a_driver_has_claimed_are_refused);
    g_test_add_func("/chmu/find/a_device_that_is_switched_off_is_refused", a_device_that_is_switched_off_is_refused);
    g_test_add_func("/chmu/find/a_block_outside_of_its_bar_is_refused", a_block_outside_of_its_bar_is_refused);
    g_test_add_func("/chmu/find/hosts_without_a_unit_are_told_what_they_lack",
                    hosts_without_a_unit_are_told_what_they_lack);
    return g_test_run();
}
