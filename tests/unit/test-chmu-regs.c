/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block of hotness units mapped from a file, as /sys/bus/pci/devices/.../resourceN is: bounds, locks, and a
 * mapping that is taken away.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hint/guard.h"
#include "sources/chmu-regs.h"
#include "tree.h"

#define DEVICE "0000:0d:00.0"
#define OFFSET 0x20000u
#define BYTES 0x40000u

typedef struct Bed {
    char *root, *path;
    uint8_t *file;                  /* as the device sees it */
    ChmuPlace place;
} Bed;

static void put64(Bed *bed, size_t at, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    memcpy(bed->file + at, &value, sizeof(value));
}

static void bed_init(Bed *bed)
{
    g_autofree char *folder = NULL;
    int fd;

    *bed = (Bed){.place = {.device = (char *)DEVICE, .bar = 5, .offset = OFFSET}};
    bed->root = g_dir_make_tmp("chmu-regs-XXXXXX", NULL);
    g_assert_nonnull(bed->root);
    folder = g_build_filename(bed->root, "bus/pci/devices", DEVICE, NULL);
    bed->path = g_build_filename(folder, "resource5", NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    fd = open(bed->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(ftruncate(fd, BYTES), ==, 0);
    bed->file = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(bed->file != MAP_FAILED);
    close(fd);
    put64(bed, OFFSET + CHMU_COMMON_CAP0, 1 | chmu_put(CHMU_COMMON_CAP0_INSTANCES, 1));
}

static void bed_clear(Bed *bed)
{
    munmap(bed->file, BYTES);
    remove_tree(bed->root);
    g_free(bed->root);
    g_free(bed->path);
}

static void expect_refusal(const Bed *bed, const char *text)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(chmu_regs_map(bed->root, &bed->place, &err));
    if (!strstr(err->message, text)) {
        g_test_message("'%s' is not in: %s", text, err->message);
        g_test_fail();
    }
}

static void registers_are_those_of_the_file_at_the_blocks_place(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ChmuRegs) regs = NULL;
    uint16_t head;
    Bed bed;

    bed_init(&bed);
    put64(&bed, OFFSET + 0x70, 0x0123456789abcdef);
    regs = chmu_regs_map(bed.root, &bed.place, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(chmu_regs_instances(regs), ==, 1);
    g_assert_cmphex(chmu_regs_read(regs, 0x70), ==, 0x0123456789abcdef);
    chmu_regs_write(regs, 0x78, 0xfedcba9876543210);
    g_assert_cmphex(chmu_regs_read(regs, 0x78), ==, 0xfedcba9876543210);
    g_assert_cmphex(bed.file[OFFSET + 0x78], ==, 0x10);
    chmu_regs_write16(regs, 0x7a, 0x1234);
    memcpy(&head, bed.file + OFFSET + 0x7a, sizeof(head));
    g_assert_cmphex(GUINT16_FROM_LE(head), ==, 0x1234);
    bed_clear(&bed);
}

static void nothing_is_reached_outside(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ChmuRegs) regs = NULL;
    static const uint64_t outside[] = {
        BYTES - OFFSET, BYTES - OFFSET - 4, 1, 4, UINT64_MAX, UINT64_MAX - 7, 1ull << 40,
    };
    Bed bed;

    bed_init(&bed);
    regs = chmu_regs_map(bed.root, &bed.place, &err);
    g_assert_no_error(err);
    for (size_t i = 0; i < G_N_ELEMENTS(outside); i++) {
        g_assert_cmphex(chmu_regs_read(regs, outside[i]), ==, CHMU_GONE);
        chmu_regs_write(regs, outside[i], 0x5555555555555555);
        chmu_regs_write16(regs, outside[i] | 1, 0x5555);
    }
    for (size_t i = 8; i < BYTES - OFFSET; i++) {
        g_assert_cmphex(bed.file[OFFSET + i], ==, 0);
    }
    g_assert_cmphex(chmu_regs_read(regs, BYTES - OFFSET - 8), ==, 0);
    bed_clear(&bed);
}

static void what_is_no_block_is_refused(void)
{
    Bed bed;

    bed_init(&bed);
    put64(&bed, OFFSET, 2 | 1 << 8);
    expect_refusal(&bed, "version 2");
    put64(&bed, OFFSET, 1);
    expect_refusal(&bed, "0 instances");
    put64(&bed, OFFSET, UINT64_MAX);
    expect_refusal(&bed, "all ones");
    bed.place.offset = BYTES;
    expect_refusal(&bed, "no block");
    bed.place.offset = OFFSET + 1;
    expect_refusal(&bed, "no block");
    bed.place.offset = UINT64_MAX - 4095;
    expect_refusal(&bed, "no block");
    bed.place.bar = 4;
    expect_refusal(&bed, "resource4");
    bed_clear(&bed);
}

static void one_that_another_daemon_has_is_refused(void)
{
    g_autoptr(GError) err = NULL;
    ChmuPlace beside;
    ChmuRegs *regs, *other;
    Bed bed;

    bed_init(&bed);
    regs = chmu_regs_map(bed.root, &bed.place, &err);
    g_assert_no_error(err);
    expect_refusal(&bed, "another vhost-tier");
    beside = bed.place;                         /* a second block in the same BAR */
    beside.offset = 0x30000;
    put64(&bed, beside.offset, 1 | 1 << 8);
    other = chmu_regs_map(bed.root, &beside, &err);
    g_assert_no_error(err);
    chmu_regs_unmap(other);
    chmu_regs_unmap(regs);
    regs = chmu_regs_map(bed.root, &bed.place, &err);
    g_assert_no_error(err);
    chmu_regs_unmap(regs);
    bed_clear(&bed);
}

static void a_mapping_that_is_taken_away_reads_as_all_ones(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ChmuRegs) regs = NULL;
    Bed bed;

    bed_init(&bed);
    regs = chmu_regs_map(bed.root, &bed.place, &err);
    g_assert_no_error(err);
    g_assert_cmphex(chmu_regs_read(regs, 0x60), ==, 0);
    g_assert_cmpint(truncate(bed.path, OFFSET), ==, 0);
    g_assert_cmphex(chmu_regs_read(regs, 0x60), ==, CHMU_GONE);
    chmu_regs_write(regs, 0x40, 0);
    chmu_regs_write16(regs, 0x8068, 7);
    g_assert_cmphex(chmu_regs_read(regs, 0x9000), ==, CHMU_GONE);
    bed_clear(&bed);
}

/* A guest's memory, which is gone. */
static bool mapping_of(void *opaque, uintptr_t address, uintptr_t *start, size_t *bytes)
{
    *start = (uintptr_t)opaque;
    *bytes = BYTES;
    return address >= *start && address - *start < BYTES;
}

static void expect_trip(void)
{
    const int fd = memfd_create("guest", MFD_CLOEXEC);
    volatile uint8_t *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    HintGuard guest = {.mapping = mapping_of, .opaque = (void *)memory};

    g_assert_true(memory != MAP_FAILED);
    hint_guard_enter(&guest);
    g_assert_cmpuint(memory[0], ==, 0);
    hint_guard_leave();
    g_assert_true(guest.tripped);
    munmap((void *)memory, BYTES);
    close(fd);
}

/* Whether this is a process of the test's own, where nobody has handled a signal yet; else it has ended now. */
static bool in_child(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 10000000, 0);
        return false;
    }
    return true;
}

static void guests_memory_and_registers_may_go_by_turns(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ChmuRegs) regs = NULL;
    Bed bed;

    if (!in_child()) {
        g_test_trap_assert_passed();
        return;
    }
    bed_init(&bed);
    expect_trip();
    regs = chmu_regs_map(bed.root, &bed.place, &err);
    g_assert_no_error(err);
    expect_trip();
    g_assert_cmpint(truncate(bed.path, OFFSET), ==, 0);
    g_assert_cmphex(chmu_regs_read(regs, 0x60), ==, CHMU_GONE);
    expect_trip();
    g_assert_cmphex(chmu_regs_read(regs, 0x9000), ==, CHMU_GONE);
    bed_clear(&bed);
}

/* The kernel tells of memory that went bad before anybody accesses it. */
static void a_memory_error_that_nobody_ran_into_is_harmless(void)
{
    siginfo_t info = {.si_signo = SIGBUS, .si_code = BUS_MCEERR_AO};

    if (!in_child()) {
        g_test_trap_assert_passed();
        return;
    }
    expect_trip();
    g_assert_cmpint(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info), ==, 0);
    expect_trip();
}

static void a_bus_error_elsewhere_still_kills(void)
{
    if (in_child()) {
        g_autoptr(ChmuRegs) regs = NULL;
        volatile uint8_t *other;
        Bed bed;

        bed_init(&bed);
        regs = chmu_regs_map(bed.root, &bed.place, NULL);
        g_assert_nonnull(regs);
        expect_trip();
        chmu_regs_unmap(regs);
        regs = chmu_regs_map(bed.root, &bed.place, NULL);
        g_assert_nonnull(regs);
        other = bed.file;                       /* a mapping of which neither knows */
        g_assert_cmpint(truncate(bed.path, 0), ==, 0);
        remove_tree(bed.root);
        g_assert_cmpuint(other[0], ==, 0);
        return;
    }
    g_test_trap_assert_failed();
    g_assert_false(g_test_trap_reached_timeout());
}

/* The bitmap may lie behind the hotlist: then it reaches to the end of the registers. */
static void a_bitmap_ends_with_the_registers(void)
{
    const size_t base = OFFSET + CHMU_INSTANCES, room = BYTES - base, bitmap = room - 64;
    g_autoptr(GError) err = NULL;
    g_autoptr(ChmuRegs) regs = NULL;
    ChmuCaps caps;
    Bed bed;

    bed_init(&bed);
    put64(&bed, base + CHMU_CAP0, chmu_put(CHMU_CAP0_TRACKED, 1 << (CHMU_WHAT_BOTH - 1)) |
                                      chmu_put(CHMU_CAP0_EPOCH_MAX_SCALE, CHMU_SCALE_1S) |
                                      chmu_put(CHMU_CAP0_EPOCH_MAX_MULT, 1) |
                                      chmu_put(CHMU_CAP0_EPOCH_MIN_SCALE, CHMU_SCALE_100US) |
                                      chmu_put(CHMU_CAP0_EPOCH_MIN_MULT, 1) | chmu_put(CHMU_CAP0_ENTRIES, 16));
    put64(&bed, base + CHMU_CAP1, chmu_put(CHMU_CAP1_UNIT_SIZES, 1 << 4) | chmu_put(CHMU_CAP1_DOWN_SAMPLING, 1) |
                                      CHMU_CAP1_EPOCH_MODE);
    put64(&bed, base + CHMU_HOTLIST_OFFSET, CHMU_INSTANCE_REGISTERS);
    put64(&bed, base + CHMU_BITMAP_OFFSET, bitmap);
    regs = chmu_regs_map(bed.root, &bed.place, &err);
    g_assert_no_error(err);
    g_assert_true(chmu_regs_caps(regs, 0, &caps, &err));
    g_assert_no_error(err);
    g_assert_cmpuint(caps.bitmap_words, ==, 8);
    put64(&bed, base + CHMU_BITMAP_OFFSET, room + 8);
    g_assert_false(chmu_regs_caps(regs, 0, &caps, &err));
    bed_clear(&bed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chmu/regs/registers_are_those_of_the_file_at_the_blocks_place",
                    registers_are_those_of_the_file_at_the_blocks_place);
    g_test_add_func("/chmu/regs/nothing_is_reached_outside", nothing_is_reached_outside);
    g_test_add_func("/chmu/regs/what_is_no_block_is_refused", what_is_no_block_is_refused);
    g_test_add_func("/chmu/regs/one_that_another_daemon_has_is_refused", one_that_another_daemon_has_is_refused);
    g_test_add_func("/chmu/regs/a_mapping_that_is_taken_away_reads_as_all_ones",
                    a_mapping_that_is_taken_away_reads_as_all_ones);
    g_test_add_func("/chmu/regs/guests_memory_and_registers_may_go_by_turns",
                    guests_memory_and_registers_may_go_by_turns);
    g_test_add_func("/chmu/regs/a_memory_error_that_nobody_ran_into_is_harmless",
                    a_memory_error_that_nobody_ran_into_is_harmless);
    g_test_add_func("/chmu/regs/a_bitmap_ends_with_the_registers", a_bitmap_ends_with_the_registers);
    g_test_add_func("/chmu/regs/a_bus_error_elsewhere_still_kills", a_bus_error_elsewhere_still_kills);
    return g_test_run();
}
