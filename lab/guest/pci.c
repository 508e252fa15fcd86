/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI configuration space: see pci.h. */
#include "pci.h"

#define PCI_DEVICES       32u
#define PCI_COMMAND       0x04
#define PCI_COMMAND_ON    0x06u     /* memory space, bus master */
#define PCI_BAR           0x10
#define PCI_BAR_IO        0x01u
#define PCI_BAR_64        0x04u
#define PCI_CAPABILITIES  0x34
#define PCI_CAPABILITIES_MAX 48u

bool pci_find(uint16_t vendor, uint16_t id, PciDevice *device)
{
    for (*device = 0; *device < PCI_DEVICES; ++*device) {
        if (pci_read(*device, 0) == ((uint32_t)id << 16 | vendor)) {
            return true;
        }
    }
    return false;
}

void pci_enable(PciDevice device)
{
    uint32_t command = pci_read(device, PCI_COMMAND) & 0xffff;

    outl(PCI_DATA, command | PCI_COMMAND_ON);
}

uint32_t pci_bar(PciDevice device, uint32_t bar)
{
    uint32_t low = pci_read(device, PCI_BAR + 4 * bar);

    if (low & PCI_BAR_IO || (low & PCI_BAR_64 && pci_read(device, PCI_BAR + 4 * bar + 4))) {
        return 0;
    }
    return low & ~0xfu;
}

uint32_t pci_capability(PciDevice device, uint8_t id, uint32_t after)
{
    uint32_t at = pci_read(device, after ? after + 1 : PCI_CAPABILITIES) & 0xfc;

    for (uint32_t i = 0; at && i < PCI_CAPABILITIES_MAX; i++) {
        if ((pci_read(device, at) & 0xff) == id) {
            return at;
        }
        at = pci_read(device, at + 1) & 0xfc;
    }
    return 0;
}
