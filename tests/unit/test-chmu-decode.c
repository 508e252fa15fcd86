/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From device addresses to the host's: the arithmetic against tables worked out by hand and against a walk through
 * the region, and what the kernel tells of decoders.
 */
#include <string.h>
#include <unistd.h>

#include "sources/chmu-cedt.h"
#include "sources/chmu-decode.h"
#include "tree.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define DEVICE "0000:0d:00.0"

static void a_byte_is_found_where_the_standard_puts_it(void)
{
    static const struct {
        uint32_t ways, granularity, position;
        uint64_t byte, place;           /* of the device's part, and of the region */
    } cases[] = {
        {1, 256, 0, 0, 0},
        {1, 256, 0, 0x12345678, 0x12345678},
        {2, 4096, 0, 4095, 4095},
        {2, 4096, 0, 4096, 8192},
        {2, 4096, 1, 0, 4096},
        {2, 4096, 1, 0x2345, 0x5345},
        {4, 256, 3, 0x1ff, 0x7ff},      /* its second chunk is the region's eighth */
        {8, 16384, 5, 3 * 16384 + 7, (3 * 8 + 5) * 16384 + 7},
        {3, 256, 2, 256, 5 * 256},      /* chunk 1 of the third device: 1 * 3 + 2 */
        {3, 1024, 1, 0x100000, (1024 * 3 + 1) * 1024},
        {6, 4096, 5, 2 * 4096, (2 * 6 + 5) * 4096},
        {12, 256, 11, 7, 11 * 256 + 7},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const ChmuWindow window = {
            .dpa = 512 * MIB,
            .dpa_bytes = 512 * MIB,
            .hpa = 64 * GIB,
            .hpa_bytes = 512 * MIB * cases[i].ways,
            .ways = cases[i].ways,
            .granularity = cases[i].granularity,
            .position = cases[i].position,
        };
        ChmuSpan span;

        g_assert_true(chmu_decode(&window, 1, 512 * MIB + cases[i].byte, 1, &span));
        g_assert_cmphex(span.hpa, ==, 64 * GIB + cases[i].place);
        g_assert_cmpuint(span.bytes, ==, 1);
        g_assert_true(chmu_decode_owns(&window, 1, span.hpa, 1));
    }
}

/* Walk through a region byte by byte (of chunks), as the standard deals it out, and expect each back. */
static void every_byte_of_a_region_is_one_devices(void)
{
    static const uint32_t all_ways[] = {1, 2, 3, 4, 6, 8, 12, 16};

    for (size_t w = 0; w < G_N_ELEMENTS(all_ways); w++) {
        const uint32_t ways = all_ways[w];
        ChmuWindow windows[16];
        uint64_t next[16] = {0};        /* byte of each device */

        for (uint32_t i = 0; i < ways; i++) {
            windows[i] = (ChmuWindow){.dpa = i * GIB, .dpa_bytes = MIB, .hpa = 8 * GIB, .hpa_bytes = MIB * ways,
                                      .ways = ways, .granularity = 512, .position = i};
        }
        for (uint64_t chunk = 0; chunk < MIB * ways / 512; chunk++) {
            const uint32_t device = ways == 1 ? 0 : (uint32_t)(chunk % ways);
            ChmuSpan span;

            g_assert_true(chmu_decode(windows, ways, device * GIB + next[device], 512, &span));
            g_assert_cmphex(span.hpa, ==, 8 * GIB + chunk * 512);
            g_assert_cmpuint(span.bytes, ==, 512);
            for (uint32_t i = 0; i < ways; i++) {
                g_assert_cmpint(chmu_decode_owns(&windows[i], 1, span.hpa, 512), ==, i == device);
            }
            next[device] += 512;
        }
    }
}

static void what_is_not_mapped_is_told(void)
{
    const ChmuWindow windows[] = {
        {.dpa = GIB, .dpa_bytes = GIB, .hpa = 16 * GIB, .hpa_bytes = GIB, .ways = 1, .granularity = 256},
        {.dpa = 4 * GIB, .dpa_bytes = GIB, .hpa = 32 * GIB, .hpa_bytes = 2 * GIB, .ways = 2, .granularity = 256},
    };
    ChmuSpan span;

    g_assert_false(chmu_decode(windows, 2, 0, 4096, &span));
    g_assert_false(chmu_decode(windows, 2, GIB - 4096, 8192, &span));
    g_assert_false(chmu_decode(windows, 2, 2 * GIB - 4096, 8192, &span));
    g_assert_false(chmu_decode(windows, 2, UINT64_MAX - 4095, 4096, &span));
    g_assert_false(chmu_decode(windows, 2, GIB, 0, &span));
    g_assert_false(chmu_decode(windows, 2, GIB, UINT64_MAX, &span));
    g_assert_true(chmu_decode(windows, 2, 2 * GIB - 4096, 4096, &span));
    g_assert_true(span.window == &windows[0]);
    g_assert_true(chmu_decode(windows, 2, 4 * GIB, 256, &span));
    g_assert_true(span.window == &windows[1]);
    g_assert_false(chmu_decode_owns(windows, 2, 15 * GIB, 1));
    g_assert_false(chmu_decode_owns(windows, 2, 17 * GIB, 1));
    g_assert_false(chmu_decode_owns(windows, 2, 32 * GIB + 256, 256));
    g_assert_true(chmu_decode_owns(windows, 2, 32 * GIB + 256, 257));
    g_assert_true(chmu_decode_owns(windows, 2, 32 * GIB + 4096, 4096));
}

static void a_unit_over_several_chunks_stretches_over_those_between(void)
{
    const ChmuWindow window = {.dpa_bytes = GIB, .hpa = 16 * GIB, .hpa_bytes = 2 * GIB, .ways = 2, .granularity = 256,
                               .position = 1};
    ChmuSpan span;

    g_assert_true(chmu_decode(&window, 1, 4096, 4096, &span));
    g_assert_cmphex(span.hpa, ==, 16 * GIB + 8192 + 256);
    g_assert_cmpuint(span.bytes, ==, 15 * 512 + 256);
}

/* --- what the kernel tells --- */

static void write_text(const char *root, const char *device, const char *file, const char *text)
{
    g_autofree char *folder = g_build_filename(root, "bus/cxl/devices", device, NULL);
    g_autofree char *path = g_build_filename(folder, file, NULL);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void write_uport(const char *root, const char *port, const char *device)
{
    g_autofree char *folder = g_build_filename(root, "bus/cxl/devices", port, NULL);
    g_autofree char *path = g_build_filename(folder, "uport", NULL);
    g_autofree char *target = g_strdup_printf("../../../../../pci0000:0c/0000:0c:00.0/%s/mem0", device);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_cmpint(symlink(target, path), ==, 0);
}

/* Two devices, endpoints 2 and 3, of which a region takes 512 MiB each; the second decoders are not in use. */
static char *make_tree(void)
{
    char *root = g_dir_make_tmp("chmu-decode-XXXXXX", NULL);

    g_assert_nonnull(root);
    write_uport(root, "endpoint2", DEVICE);
    write_uport(root, "endpoint3", "0000:0e:00.0");
    for (unsigned i = 2; i <= 3; i++) {
        g_autofree char *used = g_strdup_printf("decoder%u.0", i), *unused = g_strdup_printf("decoder%u.1", i);

        write_text(root, used, "region", "region0\n");
        write_text(root, used, "dpa_resource", "0x10000000\n");
        write_text(root, used, "dpa_size", "0x0000000020000000\n");
        write_text(root, unused, "region", "\n");
        write_text(root, unused, "dpa_resource", "0xffffffffffffffff\n");
        write_text(root, unused, "dpa_size", "0x0000000000000000\n");
    }
    write_text(root, "region0", "resource", "0x310000000\n");
    write_text(root, "region0", "size", "0x40000000\n");
    write_text(root, "region0", "interleave_ways", "2\n");
    write_text(root, "region0", "interleave_granularity", "4096\n");
    write_text(root, "region0", "target0", "decoder3.0\n");
    write_text(root, "region0", "target1", "decoder2.0\n");
    return root;
}

static void decoders_are_read_as_the_kernel_tells_them(void)
{
    g_autofree char *root = make_tree();
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) windows = chmu_decode_read(root, DEVICE, &err);
    const ChmuWindow *window;

    g_assert_no_error(err);
    g_assert_cmpuint(windows->len, ==, 1);
    window = &g_array_index(windows, ChmuWindow, 0);
    g_assert_cmphex(window->dpa, ==, 0x10000000);
    g_assert_cmphex(window->dpa_bytes, ==, 0x20000000);
    g_assert_cmphex(window->hpa, ==, 0x310000000);
    g_assert_cmphex(window->hpa_bytes, ==, 0x40000000);
    g_assert_cmpuint(window->ways, ==, 2);
    g_assert_cmpuint(window->granularity, ==, 4096);
    g_assert_cmpuint(window->position, ==, 1);
    remove_tree(root);
}

static void expect_no_windows(const char *root, const char *device, const char *text)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(chmu_decode_read(root, device, &err));
    if (!strstr(err->message, text)) {
        g_test_message("'%s' is not in: %s", text, err->message);
        g_test_fail();
    }
}

static void a_device_without_a_region_is_told_so(void)
{
    g_autofree char *root = make_tree();

    expect_no_windows(root, "0000:0f:00.0", "no CXL region");
    write_text(root, "decoder2.0", "region", "\n");
    expect_no_windows(root, DEVICE, "no CXL region");
    remove_tree(root);
    expect_no_windows("/nowhere", DEVICE, "no CXL region");
}

/* One that is being made takes nothing from the device's others. */
static void a_region_without_an_address_is_not_mapped(void)
{
    g_autofree char *root = make_tree();
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) windows = NULL;

    write_text(root, "decoder2.1", "region", "region1\n");
    write_text(root, "region1", "resource", "0xffffffffffffffff\n");
    write_text(root, "region1", "size", "0x0\n");
    write_text(root, "region1", "interleave_ways", "0\n");
    write_text(root, "region1", "interleave_granularity", "0\n");
    windows = chmu_decode_read(root, DEVICE, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(windows->len, ==, 1);
    g_assert_cmphex(g_array_index(windows, ChmuWindow, 0).hpa, ==, 0x310000000);
    write_text(root, "region0", "resource", "0xffffffffffffffff\n");
    expect_no_windows(root, DEVICE, "no CXL region");
    remove_tree(root);
}

static void what_does_not_fit_together_is_refused(void)
{
    static const struct {
        const char *device, *file, *text, *refusal;
    } cases[] = {
        {"region0", "interleave_ways", "0", "do not fit"},
        {"region0", "interleave_ways", "17", "do not fit"},
        {"region0", "interleave_ways", "1", "do not fit"},
        {"region0", "interleave_granularity", "0", "do not fit"},
        {"region0", "interleave_granularity", "300", "do not fit"},
        {"region0", "interleave_granularity", "many", "a number is expected"},
        {"region0", "size", "0x10000000", "do not fit"},
        {"region0", "resource", "0xfffffffff0000000", "do not fit"},
        {"region0", "target1", "decoder9.0", "does not name"},
        {"decoder2.0", "dpa_size", "0", "do not fit"},
        {"decoder2.0", "dpa_size", "0xffffffffffffff00", "do not fit"},
        {"decoder2.0", "dpa_resource", "", "a number is expected"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *root = make_tree();

        write_text(root, cases[i].device, cases[i].file, cases[i].text);
        expect_no_windows(root, DEVICE, cases[i].refusal);
        remove_tree(root);
    }
}

/* --- CEDT --- */

#define CEDT_BYTES (36 + 32 + 40 + 40)

static void put64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

/* A host bridge, then two windows of 4 GiB, from 4 and 12 GiB on, the second by XOR over two bridges. */
static void make_cedt(uint8_t *table)
{
    memset(table, 0, CEDT_BYTES);
    table[36 + 2] = 32;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *window = table + 36 + 32 + 40 * i;

        window[0] = 1;
        window[2] = 40;
        put64(window + 8, (4 + 8 * i) * GIB);
        put64(window + 16, 4 * GIB);
        window[24] = 1;
        window[25] = (uint8_t)i;
    }
}

static void windows_of_xor_are_known_by_the_firmwares_table(void)
{
    uint8_t table[CEDT_BYTES];

    make_cedt(table);
    g_assert_false(chmu_cedt_uses_xor(table, sizeof(table), 5 * GIB));
    g_assert_true(chmu_cedt_uses_xor(table, sizeof(table), 12 * GIB));
    g_assert_true(chmu_cedt_uses_xor(table, sizeof(table), 16 * GIB - 1));
    g_assert_false(chmu_cedt_uses_xor(table, sizeof(table), 16 * GIB));
    g_assert_false(chmu_cedt_uses_xor(table, sizeof(table) - 1, 12 * GIB));
    table[36 + 32 + 40 + 24] = 0;               /* of one bridge there is nothing to spread */
    g_assert_false(chmu_cedt_uses_xor(table, sizeof(table), 12 * GIB));
    table[36 + 2] = 0;                          /* an entry without length would be read for ever */
    g_assert_false(chmu_cedt_uses_xor(table, sizeof(table), 12 * GIB));
    for (size_t len = 0; len < sizeof(table); len++) {
        make_cedt(table);
        chmu_cedt_uses_xor(table, len, 12 * GIB);
    }
}

static void a_region_of_xor_is_refused_with_the_remedy(void)
{
    g_autofree char *root = make_tree();
    g_autofree char *folder = g_build_filename(root, "firmware/acpi/tables", NULL);
    g_autofree char *path = g_build_filename(folder, "CEDT", NULL);
    uint8_t table[CEDT_BYTES];

    make_cedt(table);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, (const char *)table, sizeof(table), NULL));
    expect_no_windows(root, DEVICE, "XOR");
    put64(table + 36 + 32 + 40 + 8, 64 * GIB);
    g_assert_true(g_file_set_contents(path, (const char *)table, sizeof(table), NULL));
    g_array_unref(chmu_decode_read(root, DEVICE, NULL));
    remove_tree(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chmu/decode/a_byte_is_found_where_the_standard_puts_it",
                    a_byte_is_found_where_the_standard_puts_it);
    g_test_add_func("/chmu/decode/every_byte_of_a_region_is_one_devices", every_byte_of_a_region_is_one_devices);
    g_test_add_func("/chmu/decode/what_is_not_mapped_is_told", what_is_not_mapped_is_told);
    g_test_add_func("/chmu/decode/a_unit_over_several_chunks_stretches_over_those_between",
                    a_unit_over_several_chunks_stretches_over_those_between);
    g_test_add_func("/chmu/decode/decoders_are_read_as_the_kernel_tells_them",
                    decoders_are_read_as_the_kernel_tells_them);
    g_test_add_func("/chmu/decode/a_device_without_a_region_is_told_so", a_device_without_a_region_is_told_so);
    g_test_add_func("/chmu/decode/a_region_without_an_address_is_not_mapped",
                    a_region_without_an_address_is_not_mapped);
    g_test_add_func("/chmu/decode/what_does_not_fit_together_is_refused", what_does_not_fit_together_is_refused);
    g_test_add_func("/chmu/decode/windows_of_xor_are_known_by_the_firmwares_table",
                    windows_of_xor_are_known_by_the_firmwares_table);
    g_test_add_func("/chmu/decode/a_region_of_xor_is_refused_with_the_remedy",
                    a_region_of_xor_is_refused_with_the_remedy);
    return g_test_run();
}
