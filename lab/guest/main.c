/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload guest: a bare program under KVM that visits the pages of its memory by a known pattern and
 * says how fast it is. lab/README.md tells its command line, guest-abi.h what a host can read from its
 * memory.
 *
 * Lines on the serial port: what it is, 'ready', then one a second ('t=1 accesses_per_s=... visits=...
 * phase=...'), at last 'done' or 'error: ...'.
 */
#include <stddef.h>

#include "clock.h"
#include "console.h"
#include "guest-abi.h"
#include "hints.h"
#include "machine.h"
#include "options.h"
#include "pattern.h"
#include "pvh.h"
#include "visit.h"

#define VISITS_BETWEEN_CLOCKS 64

void guest_main(const PvhStartInfo *info);

static volatile GuestHeader *const header = (volatile GuestHeader *)GUEST_HEADER_ADDR;
static Options options;
static Pattern pattern;

static void fail(const char *text) __attribute__((noreturn));

static void fail(const char *text)
{
    line_text(text);
    line_end();
    power_off(1);
}

static void refuse_options(const OptionsError *error)
{
    line_text("error: ");
    line_text(error->token);
    line_text(": allowed: ");
    if (!error->keyword) {
        line_number(error->min);
        line_text("..");
        line_number(error->max);
    } else {
        const char *name;

        for (uint32_t i = 0; (name = options_allowed(error->keyword, i)); i++) {
            line_text(i ? ", " : "");
            line_text(name);
        }
    }
    fail("");
}

static void check_memory(const PvhStartInfo *info)
{
    uint32_t room = (pvh_ram_end(info, GUEST_BASE_ADDR) - GUEST_BASE_ADDR) >> 20;

    if (pvh_ram_end(info, GUEST_LOAD_ADDR) < GUEST_BASE_ADDR || room < options.mb) {
        line_text("error: mb=");
        line_number(options.mb);
        line_text(" does not fit into this machine's memory: allowed: at most ");
        line_number(room);
        line_text("; or give QEMU more with -m");
        fail("");
    }
}

static void header_init(void)
{
    const char *name = options_pattern_name(options.pattern);
    uint8_t *bytes = (uint8_t *)GUEST_HEADER_ADDR;

    for (uint32_t i = 0; i < sizeof(*header); i++) {
        ((volatile uint8_t *)bytes)[i] = 0;
    }
    header->version = GUEST_VERSION;
    header->pages = (options.mb << 20) / GUEST_PAGE_BYTES;
    header->burst = options.burst;
    for (uint32_t i = 0; name[i] && i < sizeof(header->pattern) - 1; i++) {
        header->pattern[i] = name[i];
    }
    __asm__ volatile("" : : : "memory");
    header->magic = GUEST_MAGIC;
}

static void introduce(void)
{
    line_text("vhost-tier workload: pattern=");
    line_text(options_pattern_name(options.pattern));
    line_text(" pages=");
    line_number(header->pages);
    line_text(" hot_pages=");
    line_number(pattern.hot_pages);
    line_text(" burst=");
    line_number(options.burst);
    line_text(" seed=");
    line_number(options.seed);
    line_end();
}

static void tell_second(uint32_t second, uint64_t visits, uint32_t elapsed_ms)
{
    line_text("t=");
    line_number(second);
    line_text(" accesses_per_s=");
    line_number(divide(visits * options.burst * 1000, elapsed_ms, NULL));
    line_text(" visits=");
    line_number(header->visits);
    line_text(" phase=");
    line_number(pattern.phase);
    hints_tell();
    line_end();
}

static void enter_second(uint32_t second)
{
    header->second = second;
    pattern_second(&pattern, second);
    hints_second();
    header->phase = pattern.phase;
    header->state = pattern.idle ? GUEST_IDLE : GUEST_BUSY;
}

/* Visit pages by the pattern until the time is over. */
static void run_pattern(void)
{
    uint64_t start = clock_ms(), told = start, visits = 0, told_visits = 0;

    enter_second(0);
    while (!options.seconds || header->second < options.seconds) {
        if (pattern.idle) {
            cpu_relax();
        } else {
            for (uint32_t i = 0; i < VISITS_BETWEEN_CLOCKS; i++) {
                visit_page(hints_divert(pattern_next(&pattern)), &options, &pattern.random);
            }
            visits += VISITS_BETWEEN_CLOCKS;
        }
        hints_poll();
        uint64_t now = clock_ms();
        uint32_t second = divide(now - start, 1000, NULL);

        if (second != header->second) {
            header->visits = visits;
            tell_second(second, visits - told_visits, (uint32_t)(now - told));
            enter_second(second);
            told = now;
            told_visits = visits;
        }
    }
}

/* pattern=list: visit each page of the list once, whenever the host rings. */
static void run_list(void)
{
    uint32_t end = options.end && options.end < header->pages ? options.end : header->pages;

    while (!options.passes || header->passes < options.passes) {
        header->state = GUEST_WAITING;
        while (header->doorbell == header->passes) {
            cpu_relax();
        }
        header->state = GUEST_BUSY;
        for (uint32_t page = options.offset; page < end; page += options.every) {
            visit_page(page, &options, &pattern.random);
            header->visits++;
        }
        header->passes++;
        line_text("pass=");
        line_number(header->passes);
        line_text(" visits=");
        line_number(header->visits);
        line_end();
    }
}

void guest_main(const PvhStartInfo *info)
{
    OptionsError error;
    const char *problem;

    if (!options_parse(&options, pvh_cmdline(info), &error)) {
        refuse_options(&error);
    }
    check_memory(info);
    if (!clock_init()) {
        fail("error: no ACPI timer at the ICH9's place: run this guest with -M q35");
    }
    header_init();
    pattern_init(&pattern, &options, header->pages);
    problem = hints_start(&options, &pattern);
    if (problem) {
        line_text("error: hints: ");
        fail(problem);
    }
    introduce();
    visit_populate(header->pages);
    line_text("ready");
    line_end();
    if (options.pattern == PATTERN_LIST) {
        run_list();
    } else {
        run_pattern();
    }
    header->state = GUEST_DONE;
    if (options.report) {
        debug_dump((const void *)GUEST_HEADER_ADDR, sizeof(*header));
        debug_dump((const void *)GUEST_COUNTS_ADDR, header->pages * sizeof(uint32_t));
    }
    line_text("done");
    line_end();
    power_off(0);
}
