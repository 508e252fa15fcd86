/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI registers of the ICH9 (Intel's I/O Controller Hub 9 datasheet, 13.8.3): the firmware has set their
 * base in PCI device 00:1f.0.
 */
#include "acpi.h"
#include "machine.h"
#include "pci.h"

#define LPC_DEVICE    31u
#define LPC_PMBASE    0x40
#define PMBASE_MASK   0xff80u
#define PM1_CONTROL   4
#define PM_TIMER      8
#define SLEEP_ENABLE  0x2000        /* sleep type 0, which is S5 on this machine */

static uint16_t pm_base(void)
{
    static uint16_t base;

    if (!base) {
        base = pci_read(LPC_DEVICE, LPC_PMBASE) & PMBASE_MASK;
    }
    return base;
}

uint32_t acpi_timer(void)
{
    return inl(pm_base() + PM_TIMER) & ACPI_TIMER_MASK;
}

void acpi_power_off(void)
{
    outw(pm_base() + PM1_CONTROL, SLEEP_ENABLE);
}
