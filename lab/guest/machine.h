/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's instructions that C has no words for: ports, the time-stamp counter, 64-bit division
 * without libgcc.
 */
#ifndef LAB_GUEST_MACHINE_H
#define LAB_GUEST_MACHINE_H

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* Write @len bytes to a port in one instruction: a hypervisor takes them in one exit, not one each. */
static inline void out_string(uint16_t port, const void *data, uint32_t len)
{
    __asm__ volatile("rep outsb" : "+S"(data), "+c"(len) : "d"(port) : "memory");
}

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* @n / @d, and the rest to *@rest when that is not NULL. @d is not 0. */
static inline uint64_t divide(uint64_t n, uint32_t d, uint32_t *rest)
{
    uint32_t high = n >> 32, low = n, q_high = high / d, q_low, r = high % d;

    __asm__("divl %2" : "=a"(q_low), "+d"(r) : "rm"(d), "a"(low));
    if (rest) {
        *rest = r;
    }
    return (uint64_t)q_high << 32 | q_low;
}

#endif /* LAB_GUEST_MACHINE_H */
