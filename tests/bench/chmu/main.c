/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one access to a CXL device's memory takes, from within a machine that QEMU emulates: a bare program
 * that reads that memory, in two ways, with the hotness unit off and, where there is one, on, in turn.
 *
 * Command line: 'window=N rounds=N', N decimal: where the fixed memory window lies, and how often all is
 * measured. A line for each round, in TSC ticks for READS reads: 'page=N random=N', and with the unit on
 * ' page_on=N random_on=N' behind it; at last 'done ticks_per_ms=N', or 'error: ...'.
 *   page    8 bytes apart, page after page, as memory is copied
 *   random  each in another page than the one before, as a pointer is chased
 */
#include <stddef.h>

#include "clock.h"
#include "console.h"
#include "cxl-chmu-regs.h"
#include "machine.h"
#include "pvh.h"
#include "random.h"
#include "window.h"

#define READS      10000u
#define PAGE_SHIFT 12u
#define PAGES      4096u            /* that 'random' reads: as much as an emulated TLB holds */

void guest_main(const PvhStartInfo *info);

static void fail(const char *text) __attribute__((noreturn));

static void fail(const char *text)
{
    line_text("error: ");
    line_text(text);
    line_end();
    power_off(1);
}

/* The number behind @key, "rounds=" say; 0 where there is none. */
static uint64_t option(const char *line, const char *key)
{
    for (; *line; line++) {
        uint32_t n = 0;
        uint64_t value = 0;

        while (key[n] && line[n] == key[n]) {
            n++;
        }
        if (!key[n]) {
            for (; line[n] >= '0' && line[n] <= '9'; n++) {
                value = value * 10 + (uint32_t)(line[n] - '0');
            }
            return value;
        }
    }
    return 0;
}

static void line_field(const char *name, uint64_t value)
{
    line_text(name);
    line_number(value);
}

static uint64_t read_pages(void)
{
    uint64_t start = read_tsc();

    for (uint32_t i = 0; i < READS; i++) {
        *(volatile uint32_t *)(uintptr_t)(WINDOW_ADDR + 8 * i);
    }
    return read_tsc() - start;
}

static uint64_t read_random(Random *random)
{
    uint64_t start = read_tsc();

    for (uint32_t i = 0; i < READS; i++) {
        *(volatile uint32_t *)(uintptr_t)(WINDOW_ADDR + (random_below(random, PAGES) << PAGE_SHIFT));
    }
    return read_tsc() - start;
}

/* Count all reads by pages in epochs of a second; nothing gets as hot as to be listed. */
static void chmu_write(uint32_t chmu, uint32_t offset, uint64_t value)
{
    volatile uint32_t *reg = (volatile uint32_t *)(uintptr_t)(chmu + offset);

    reg[0] = (uint32_t)value;
    reg[1] = (uint32_t)(value >> 32);
}

static uint32_t chmu_read_low(uint32_t chmu, uint32_t offset)
{
    return *(volatile uint32_t *)(uintptr_t)(chmu + offset);
}

static void chmu_wait(uint32_t chmu)
{
    while (chmu_read_low(chmu, CHMU_STATUS) & CHMU_STATUS_OPERATION) {
        cpu_relax();
    }
}

static void chmu_enable(uint32_t chmu)
{
    chmu_write(chmu, CHMU_CFG1, chmu_put(CHMU_CFG1_UNIT_SIZE, PAGE_SHIFT) |
                                chmu_put(CHMU_CFG1_EPOCH_SCALE, CHMU_SCALE_1S) |
                                chmu_put(CHMU_CFG1_EPOCH_MULT, 1));
    chmu_write(chmu, chmu_read_low(chmu, CHMU_BITMAP_OFFSET), UINT64_MAX);
    /* The threshold first: the half that holds ENABLE is written last. */
    *(volatile uint32_t *)(uintptr_t)(chmu + CHMU_CFG0 + 4) = UINT32_MAX;
    *(volatile uint32_t *)(uintptr_t)(chmu + CHMU_CFG0) = CHMU_WHAT_BOTH | CHMU_CFG0_ENABLE;
    chmu_wait(chmu);
    if (!(chmu_read_low(chmu, CHMU_STATUS) & CHMU_STATUS_ENABLED)) {
        fail("the hotness unit can't be enabled");
    }
}

static void chmu_disable(uint32_t chmu)
{
    *(volatile uint32_t *)(uintptr_t)(chmu + CHMU_CFG0) = CHMU_WHAT_BOTH;
    chmu_wait(chmu);
}

void guest_main(const PvhStartInfo *info)
{
    const char *cmdline = pvh_cmdline(info), *problem;
    uint64_t rounds = option(cmdline, "rounds="), begin_tsc, begin_ms;
    uint32_t chmu;
    Random random;

    if (!clock_init()) {
        fail("this machine has no clock");
    }
    chmu = window_chmu();
    problem = window_open(option(cmdline, "window="));
    if (problem) {
        fail(problem);
    }
    random_seed(&random, 1);
    read_pages();               /* QEMU's first touch of its memory, and of this code, is not what is measured */
    read_random(&random);
    begin_tsc = read_tsc();
    begin_ms = clock_ms();
    while (rounds--) {
        line_field("page=", read_pages());
        line_field(" random=", read_random(&random));
        if (chmu) {
            chmu_enable(chmu);
            line_field(" page_on=", read_pages());
            line_field(" random_on=", read_random(&random));
            chmu_disable(chmu);
        }
        line_end();
    }
    line_field("done ticks_per_ms=", divide(read_tsc() - begin_tsc, (uint32_t)(clock_ms() - begin_ms) ?: 1, NULL));
    line_end();
    power_off(0);
}
