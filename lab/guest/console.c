/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's ways out. Every access to a port leaves the guest, which under nested emulation costs as much
 * as hundreds of memory accesses: text is gathered into lines and sent by string instructions, sixteen
 * bytes at a time.
 */
#include "console.h"
#include "acpi.h"
#include "machine.h"

#define UART_PORT       0x3f8
#define UART_FIFO       (UART_PORT + 2)
#define UART_STATUS     (UART_PORT + 5)
#define UART_FIFO_ON    0x01
#define UART_SEND_EMPTY 0x20
#define UART_FIFO_BYTES 16u

#define DEBUG_PORT 0xe9
#define EXIT_PORT  0x501    /* isa-debug-exit's default; QEMU exits with (value << 1) | 1 */

static char line[240];
static uint32_t line_len;

void line_text(const char *text)
{
    while (*text && line_len < sizeof(line) - 1) {
        line[line_len++] = *text++;
    }
}

void line_number(uint64_t value)
{
    char digits[21];
    uint32_t i = sizeof(digits) - 1;

    digits[i] = '\0';
    do {
        uint32_t digit;

        value = divide(value, 10, &digit);
        digits[--i] = (char)('0' + digit);
    } while (value);
    line_text(&digits[i]);
}

void line_end(void)
{
    uint32_t sent = 0;

    line[line_len++] = '\n';
    outb(UART_FIFO, UART_FIFO_ON);
    while (sent < line_len) {
        uint32_t n = line_len - sent < UART_FIFO_BYTES ? line_len - sent : UART_FIFO_BYTES;

        while (!(inb(UART_STATUS) & UART_SEND_EMPTY)) {
            cpu_relax();
        }
        out_string(UART_PORT, line + sent, n);
        sent += n;
    }
    line_len = 0;
}

void debug_dump(const void *data, uint32_t len)
{
    out_string(DEBUG_PORT, data, len);
}

void power_off(int failed)
{
    if (failed) {
        outl(EXIT_PORT, 1);
    }
    acpi_power_off();
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
