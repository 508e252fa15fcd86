/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's clock: see clock.h. */
#include <stddef.h>

#include "clock.h"
#include "acpi.h"
#include "machine.h"

#define CALIBRATION_MS 50u
#define MAX_READS      10000000u    /* a timer that has not come so far by then stands still */

static uint64_t tsc_start;
static uint32_t tsc_per_ms;

bool clock_init(void)
{
    const uint32_t wanted = ACPI_TIMER_HZ / 1000 * CALIBRATION_MS;
    uint32_t first = acpi_timer(), passed = 0, reads = 0;

    tsc_start = read_tsc();
    while (passed < wanted && reads++ < MAX_READS) {
        passed = (acpi_timer() - first) & ACPI_TIMER_MASK;
    }
    if (passed < wanted) {
        return false;
    }
    /* ticks per ms = tsc difference / (passed / (hz / 1000)) */
    tsc_per_ms = divide((read_tsc() - tsc_start) * (ACPI_TIMER_HZ / 1000), passed, NULL);
    return tsc_per_ms > 0;
}

uint64_t clock_ms(void)
{
    return divide(read_tsc() - tsc_start, tsc_per_ms, NULL);
}
