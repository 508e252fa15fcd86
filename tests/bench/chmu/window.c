/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CXL memory device as a bare program reaches it: see window.h. */
#include "window.h"
#include "cxl-chmu-regs.h"

/* Configuration space, where q35's firmware puts it; 1 MiB for each of 256 buses */
#define ECAM       0xb0000000u
#define BUSES      256u
#define CXL_TYPE3  0x0d938086u      /* device and vendor */
#define PCI_BAR    0x10u
#define PCI_COMMAND 0x04u
#define PCI_COMMAND_MEMORY 2u
#define PCI_EXTENDED 0x100u         /* where the list of extended capabilities begins */
#define DVSEC      0x23u
#define REGISTER_LOCATOR 8u
#define COMPONENT_REGISTERS 1u

/* Component registers: the array of capabilities, and decoder 0 */
#define CACHE_MEM     0x1000u
#define HDM_DECODERS  5u
#define HDM_BASE_LO   0x10u
#define HDM_BASE_HI   0x14u
#define HDM_SIZE_LO   0x18u
#define HDM_SIZE_HI   0x1cu
#define HDM_CONTROL   0x20u
#define HDM_COMMIT    (1u << 9)
#define HDM_COMMITTED (1u << 10)

#define PAGE_PRESENT  1u
#define PAGE_WRITABLE 2u
#define PAGE_LARGE    0x80u         /* 2 MiB */
#define LARGE_SHIFT   21u

static uint64_t directories[4][512] __attribute__((aligned(4096)));
static uint64_t pointers[4] __attribute__((aligned(32)));

static volatile uint32_t *at(uint32_t address)
{
    return (volatile uint32_t *)(uintptr_t)address;
}

/* The device's configuration space; 0: there is no such device. */
static uint32_t find_device(void)
{
    for (uint32_t bus = 0; bus < BUSES; bus++) {
        if (*at(ECAM + (bus << 20)) == CXL_TYPE3) {
            return ECAM + (bus << 20);
        }
    }
    return 0;
}

/* Where the register block @id lies, by the device's Register Locator; 0: it has none, or not below 4 GiB. */
static uint32_t find_block(uint32_t config, uint32_t id)
{
    uint32_t cap = PCI_EXTENDED;

    while (cap && ((*at(config + cap) & 0xffff) != DVSEC || (*at(config + cap + 8) & 0xffff) != REGISTER_LOCATOR)) {
        cap = *at(config + cap) >> 20;
    }
    for (uint32_t entry = 0x0c; cap && entry < *at(config + cap + 4) >> 20; entry += 8) {
        uint32_t low = *at(config + cap + entry), bar = config + PCI_BAR + 4 * (low & 7);

        if ((low >> 8 & 0xff) == id && !*at(bar + 4)) {
            return (*at(bar) & ~15u) + (low & 0xffff0000);
        }
    }
    return 0;
}

static const char *commit_decoder(uint32_t component, uint64_t hpa)
{
    uint32_t array = component + CACHE_MEM, n = *at(array) >> 24, decoders = 0;

    for (uint32_t i = 1; i <= n; i++) {
        if ((*at(array + 4 * i) & 0xffff) == HDM_DECODERS) {
            decoders = array + (*at(array + 4 * i) >> 20);
        }
    }
    if (!decoders) {
        return "the CXL device has no decoders";
    }
    *at(decoders + HDM_BASE_LO) = (uint32_t)hpa;
    *at(decoders + HDM_BASE_HI) = (uint32_t)(hpa >> 32);
    *at(decoders + HDM_SIZE_LO) = WINDOW_BYTES;
    *at(decoders + HDM_SIZE_HI) = 0;
    *at(decoders + HDM_CONTROL) = HDM_COMMIT;
    return *at(decoders + HDM_CONTROL) & HDM_COMMITTED ? 0 : "the CXL device's decoder can't be committed";
}

static void turn_paging_on(uint64_t hpa)
{
    const uint32_t flags = PAGE_PRESENT | PAGE_WRITABLE | PAGE_LARGE;

    for (uint32_t i = 0; i < 4 * 512; i++) {
        uint32_t address = i << LARGE_SHIFT;
        uint64_t to = address - WINDOW_ADDR < WINDOW_BYTES ? hpa + (address - WINDOW_ADDR) : address;

        directories[i / 512][i % 512] = to | flags;
    }
    for (uint32_t i = 0; i < 4; i++) {
        pointers[i] = (uint32_t)(uintptr_t)directories[i] | PAGE_PRESENT;
    }
    __asm__ volatile("mov %%cr4, %%eax; or $0x30, %%eax; mov %%eax, %%cr4;"     /* PSE, PAE */
                     "mov %0, %%cr3;"
                     "mov %%cr0, %%eax; or $0x80000000, %%eax; mov %%eax, %%cr0"
                     : : "r"(pointers) : "eax", "memory");
}

const char *window_open(uint64_t hpa)
{
    uint32_t config = find_device(), component;
    const char *problem;

    if (!config) {
        return "there is no CXL memory device";
    }
    if (!(*at(config + PCI_COMMAND) & PCI_COMMAND_MEMORY)) {
        return "the firmware has not mapped the CXL device's registers";
    }
    component = find_block(config, COMPONENT_REGISTERS);
    if (!component) {
        return "the CXL device has no component registers below 4 GiB";
    }
    problem = commit_decoder(component, hpa);
    if (!problem) {
        turn_paging_on(hpa);
    }
    return problem;
}

uint32_t window_chmu(void)
{
    uint32_t config = find_device(), block = config ? find_block(config, CHMU_REGISTER_BLOCK_ID) : 0;

    return block ? block + CHMU_INSTANCES : 0;
}
