/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI configuration space of bus 0, by ports (PCI Local Bus 3.0, 3.2.2.3.2). The firmware has given each device its
 * addresses before the guest is entered.
 */
#ifndef LAB_GUEST_PCI_H
#define LAB_GUEST_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc

/* A device of bus 0: its number, function 0 only. */
typedef uint32_t PciDevice;

static inline uint32_t pci_read(PciDevice device, uint32_t reg)
{
    outl(PCI_ADDRESS, 0x80000000u | device << 11 | (reg & 0xfc));
    return inl(PCI_DATA) >> (reg & 3) * 8;
}

/* The device with this vendor and device id, into *@device; false when there is none. */
bool pci_find(uint16_t vendor, uint16_t id, PciDevice *device);
/* Let it answer at its memory addresses and read and write memory itself. */
void pci_enable(PciDevice device);
/* Where its base address register @bar points to; 0: nowhere that a 32-bit program can reach. */
uint32_t pci_bar(PciDevice device, uint32_t bar);
/*
 * The next of its capabilities with this id, after the one at @after (0: the first); 0 when there is none. Capabilities
 * that lead in a circle end after as many as there is room for.
 */
uint32_t pci_capability(PciDevice device, uint8_t id, uint32_t after);

#endif /* LAB_GUEST_PCI_H */
