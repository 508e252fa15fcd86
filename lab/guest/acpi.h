/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI registers of the Q35 machine's ICH9 south bridge: a timer of known rate, and the power switch. */
#ifndef LAB_GUEST_ACPI_H
#define LAB_GUEST_ACPI_H

#include <stdint.h>

#define ACPI_TIMER_HZ   3579545u
#define ACPI_TIMER_MASK 0xffffffu   /* 24 bits */

/* The timer's count. */
uint32_t acpi_timer(void);
/* Switch off; returns where that did not work. */
void acpi_power_off(void);

#endif /* LAB_GUEST_ACPI_H */
