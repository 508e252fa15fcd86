/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's clock: the time-stamp counter, calibrated once against the ACPI timer, so that reading it
 * never leaves the guest.
 */
#ifndef LAB_GUEST_CLOCK_H
#define LAB_GUEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Calibrate; takes 50 ms. False when this machine's ACPI timer stands still or has no counter to compare
 * with.
 */
bool clock_init(void);
/* Milliseconds since clock_init(). */
uint64_t clock_ms(void);

#endif /* LAB_GUEST_CLOCK_H */
