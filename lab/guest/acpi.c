/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI registers of the ICH9 (Intel's I/O Controller Hub 9 datasheet, 13.8.3): the firmware has set their
 * base in PCI device 00:1f.0.
 */
#include "acpi.h"
#include "machine.h"

#define PCI_ADDRESS   0xcf8
#define PCI_DATA      0xcfc
#define LPC_PMBASE    0x8000f840u   /* bus 0, device 31, function 0, register 0x40 */
#define PMBASE_MASK   0xff80u
#define PM1_CONTROL   4
#define PM_TIMER      8
#define SLEEP_ENABLE  0x2000        /* sleep type 0, which is S5 on this machine */

static uint16_t pm_base(void)
{
    static uint16_t base;

    if (!base) {
        outl(PCI_ADDRESS, LPC_PMBASE);
        base = inl(PCI_DATA) & PMBASE_MASK;
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
