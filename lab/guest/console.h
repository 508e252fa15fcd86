/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's ways out: lines on the serial port, raw bytes on the debug console, and switching itself off.
 */
#ifndef LAB_GUEST_CONSOLE_H
#define LAB_GUEST_CONSOLE_H

#include <stdint.h>

/* Text and numbers go into a line; line_end() sends it. A line that grows too long is cut. */
void line_text(const char *text);
void line_number(uint64_t value);
void line_end(void);

/* Send @len raw bytes to the debug console (port 0xe9); nothing happens where there is none. */
void debug_dump(const void *data, uint32_t len);

/*
 * Switch the machine off. After an error (@failed) QEMU exits with code 3 if it has -device isa-debug-exit;
 * else, and where that is missing, the machine is switched off by ACPI (exit code 0).
 */
void power_off(int failed) __attribute__((noreturn));

#endif /* LAB_GUEST_CONSOLE_H */
