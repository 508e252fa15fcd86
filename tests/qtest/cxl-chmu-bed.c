/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with one CXL memory device, as firmware and a kernel would set it
 * up. No firmware runs in a qtest, so buses, bridge and BARs are given numbers
 * and addresses here.
 */
#include "qemu/osdep.h"

#include "cxl-chmu-bed.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qlist.h"

/* PCI configuration space, all of it: q35's memory-mapped window */
#define Q35_PCIEXBAR 0x60
#define ECAM 0xb0000000ull
#define HOST_BUS 52             /* of pxb-cxl; the device's comes after it */
#define DEVICE_BUS (HOST_BUS + 1)

/* BARs lie here, within the root port's window */
#define BARS 0xe0000000ull
#define BARS_END 0xe8000000ull

/* In RAM, which no program uses: four bytes for each MSI-X vector */
#define MAILBOXES 0x100000ull
#define INTERRUPT_MESSAGE 0x600dbe11u

/* Designated Vendor-Specific Extended Capabilities of CXL */
#define CXL_VENDOR 0x1e98
#define REGISTER_LOCATOR_DVSEC 8
#define REGISTER_LOCATOR_ENTRIES 0x0c
#define COMPONENT_REGISTERS 1

/* Component registers */
#define CACHE_MEM 0x1000        /* where the array of capabilities begins */
#define HDM_DECODERS 5          /* the capability's id */
#define HDM_GLOBAL_CONTROL 0x04
#define HDM_ENABLE (1u << 1)
#define HDM_BASE_LO 0x10        /* of decoder 0 */
#define HDM_BASE_HI 0x14
#define HDM_SIZE_LO 0x18
#define HDM_SIZE_HI 0x1c
#define HDM_CONTROL 0x20
#define HDM_COMMIT (1u << 9)
#define HDM_COMMITTED (1u << 10)

static uint64_t config_address(unsigned bus, unsigned offset)
{
    return ECAM + ((uint64_t)bus << 20) + offset;
}

uint32_t bed_config_read(ChmuBed *bed, unsigned offset)
{
    return qtest_readl(bed->qts, config_address(DEVICE_BUS, offset));
}

void bed_config_write(ChmuBed *bed, unsigned offset, uint32_t value)
{
    qtest_writel(bed->qts, config_address(DEVICE_BUS, offset), value);
}

ChmuBed *bed_new_bare(uint64_t memory_bytes, const char *properties,
                      const char *more)
{
    ChmuBed *bed = g_new0(ChmuBed, 1);

    bed->memory_bytes = memory_bytes;
    bed->qts = qtest_initf(
        "-nodefaults -m 64M "
        "-M q35,cxl=on,cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=4G "
        "-device pxb-cxl,id=cxl.0,bus=pcie.0,bus_nr=%d "
        "-device cxl-rp,id=rp0,bus=cxl.0,chassis=0,slot=0 "
        "-object memory-backend-ram,id=mem,size=%" PRIu64 ",reserve=off "
        "-device cxl-type3,bus=rp0,volatile-memdev=mem,id=mem0%s%s %s",
        HOST_BUS, memory_bytes, properties[0] ? "," : "", properties, more);
    return bed;
}

ChmuBed *bed_new_with(const char *properties, const char *more)
{
    g_autofree char *all = g_strdup_printf("chmu=on%s%s",
                                           properties[0] ? "," : "",
                                           properties);
    ChmuBed *bed = bed_new_bare(BED_MEMORY_BYTES, all, more);

    bed_map(bed);
    return bed;
}

ChmuBed *bed_new(const char *properties)
{
    return bed_new_with(properties, "");
}

void bed_free(ChmuBed *bed)
{
    qtest_quit(bed->qts);
    g_free(bed);
}

void bed_unplug(ChmuBed *bed)
{
    QTestState *qts = bed->qts;
    uint8_t cap = qtest_readb(qts, config_address(HOST_BUS,
                                                  PCI_CAPABILITY_LIST));

    while (qtest_readb(qts, config_address(HOST_BUS, cap)) != PCI_CAP_ID_EXP) {
        cap = qtest_readb(qts, config_address(HOST_BUS, cap + 1));
        g_assert_cmphex(cap, !=, 0);
    }
    qtest_qmp_device_del_send(qts, "mem0");
    qtest_writew(qts, config_address(HOST_BUS, cap + PCI_EXP_SLTCTL),
                 PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF);
    /* A cxl-type3 tells of no DEVICE_DELETED: something still refers to it. */
}

/* Setting up */

static void open_bridge(ChmuBed *bed)
{
    QTestState *qts = bed->qts;

    qtest_outl(qts, 0xcf8, 0x80000000 | Q35_PCIEXBAR);
    qtest_outl(qts, 0xcfc, ECAM | 1);
    qtest_writel(qts, config_address(HOST_BUS, PCI_PRIMARY_BUS),
                 HOST_BUS | DEVICE_BUS << 8 | DEVICE_BUS << 16);
    qtest_writel(qts, config_address(HOST_BUS, PCI_MEMORY_BASE),
                 BARS >> 16 | ((BARS_END - 1) & 0xfff00000));
    qtest_writew(qts, config_address(HOST_BUS, PCI_COMMAND),
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* @places receives where the device's BARs are. */
static void map_bars(ChmuBed *bed, uint64_t *places)
{
    uint64_t place = BARS;
    bool is_64;

    for (unsigned i = 0; i < 6; i += 1 + is_64) {
        unsigned low = PCI_BASE_ADDRESS_0 + 4 * i;
        uint64_t mask = 0xffffffffull << 32;
        uint32_t type;

        bed_config_write(bed, low, UINT32_MAX);
        type = bed_config_read(bed, low);
        is_64 = type & PCI_BASE_ADDRESS_MEM_TYPE_64;
        if (is_64) {
            bed_config_write(bed, low + 4, UINT32_MAX);
            mask = (uint64_t)bed_config_read(bed, low + 4) << 32;
            bed_config_write(bed, low + 4, 0);
        }
        if (!type) {
            bed->bar_bytes[i] = 0;
            continue;
        }
        bed->bar_bytes[i] = -(mask | (type & ~15u));
        place = ROUND_UP(place, bed->bar_bytes[i]);
        places[i] = place;
        bed_config_write(bed, low, place);
        place += bed->bar_bytes[i];
    }
    g_assert_cmphex(place, <=, BARS_END);
    bed_config_write(bed, PCI_COMMAND,
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The place of the Register Locator; there is one in each CXL device. */
static unsigned find_register_locator(ChmuBed *bed)
{
    unsigned offset = PCI_CFG_SPACE_SIZE;

    while (offset) {
        uint32_t header = bed_config_read(bed, offset);

        if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DVSEC &&
            (bed_config_read(bed, offset + 4) & 0xffff) == CXL_VENDOR &&
            (bed_config_read(bed, offset + 8) & 0xffff) ==
            REGISTER_LOCATOR_DVSEC) {
            return offset;
        }
        offset = PCI_EXT_CAP_NEXT(header);
    }
    g_assert_not_reached();
}

static void find_blocks(ChmuBed *bed, const uint64_t *places)
{
    unsigned locator = find_register_locator(bed);
    unsigned length = bed_config_read(bed, locator + 4) >> 20;

    for (unsigned entry = REGISTER_LOCATOR_ENTRIES; entry + 8 <= length;
         entry += 8) {
        uint32_t low = bed_config_read(bed, locator + entry);
        uint64_t high = bed_config_read(bed, locator + entry + 4);
        uint64_t offset = high << 32 | (low & 0xffff0000);
        unsigned bar = low & 7, id = low >> 8 & 0xff;

        if (id == COMPONENT_REGISTERS) {
            bed->component = places[bar] + offset;
        } else if (id == CHMU_REGISTER_BLOCK_ID) {
            g_assert_cmpint(bar, <, 6);
            g_assert_cmphex(offset, <, bed->bar_bytes[bar]);
            g_assert_cmphex(bed->block, ==, 0);
            bed->block = places[bar] + offset;
            bed->block_bar = bar;
        }
    }
}

static void find_msix(ChmuBed *bed, const uint64_t *places)
{
    unsigned cap = bed_config_read(bed, PCI_CAPABILITY_LIST) & 0xff;
    uint32_t table;

    while ((bed_config_read(bed, cap) & 0xff) != PCI_CAP_ID_MSIX) {
        cap = bed_config_read(bed, cap) >> 8 & 0xff;
        g_assert_cmphex(cap, !=, 0);
    }
    bed->msix_vectors = (bed_config_read(bed, cap) >> 16 &
                         PCI_MSIX_FLAGS_QSIZE) + 1;
    table = bed_config_read(bed, cap + PCI_MSIX_TABLE);
    bed->msix = places[table & PCI_MSIX_FLAGS_BIRMASK] +
                (table & ~PCI_MSIX_FLAGS_BIRMASK);
    bed_config_write(bed, cap, PCI_MSIX_FLAGS_ENABLE << 16);
}

void bed_map(ChmuBed *bed)
{
    uint64_t places[6] = { 0 };

    bed->block = bed->component = 0;
    open_bridge(bed);
    map_bars(bed, places);
    find_blocks(bed, places);
    find_msix(bed, places);
    g_assert_cmphex(bed->component, !=, 0);
    if (bed->block) {
        uint64_t common = bed_block_read(bed, CHMU_COMMON_CAP0);
        uint64_t length = bed_block_read(bed, CHMU_COMMON_CAP1);

        bed->instances = common >> 8 & 0xff;
        bed->instance_bytes = length & 0xffff;
        for (unsigned i = 0; i < MIN(bed->instances, 8); i++) {
            bed->vectors[i] = chmu_get(bed_read(bed, i, CHMU_CAP0),
                                       CHMU_CAP0_MSI);
        }
    }
}

/* Registers */

uint64_t bed_block_read(ChmuBed *bed, uint64_t offset)
{
    return qtest_readq(bed->qts, bed->block + offset);
}

uint64_t bed_address(ChmuBed *bed, unsigned instance, uint64_t offset)
{
    g_assert_cmphex(bed->block, !=, 0);
    return bed->block + CHMU_INSTANCES + instance * bed->instance_bytes +
           offset;
}

uint64_t bed_read(ChmuBed *bed, unsigned instance, uint64_t offset)
{
    return qtest_readq(bed->qts, bed_address(bed, instance, offset));
}

void bed_write(ChmuBed *bed, unsigned instance, uint64_t offset,
               uint64_t value)
{
    qtest_writeq(bed->qts, bed_address(bed, instance, offset), value);
}

uint64_t bed_wait(ChmuBed *bed, unsigned instance)
{
    uint64_t status;

    for (unsigned us = 0; us < 1000; us++) {
        status = bed_read(bed, instance, CHMU_STATUS);
        if (chmu_get(status, CHMU_STATUS_OPERATION) == CHMU_OP_NONE) {
            return status;
        }
        bed_step(bed, NS_PER_US);
    }
    g_assert_not_reached();
}

uint64_t bed_configure(ChmuBed *bed, unsigned instance, const ChmuSetup *setup)
{
    uint64_t bitmap = bed_read(bed, instance, CHMU_BITMAP_OFFSET);

    bed_write(bed, instance, CHMU_CFG1,
              chmu_put(CHMU_CFG1_UNIT_SIZE, setup->unit_shift ?: 12) |
              chmu_put(CHMU_CFG1_DOWN_SAMPLING, setup->sampling) |
              chmu_put(CHMU_CFG1_MODE, setup->mode) |
              chmu_put(CHMU_CFG1_EPOCH_SCALE, setup->scale ?: CHMU_SCALE_1MS) |
              chmu_put(CHMU_CFG1_EPOCH_MULT, setup->mult ?: 1));
    bed_write(bed, instance, CHMU_CFG2, setup->notify);
    for (unsigned i = 0; i < bed->memory_bytes / CHMU_RANGE_BYTES; i += 64) {
        bed_write(bed, instance, bitmap + i / 8, ~setup->no_ranges);
    }
    return chmu_put(CHMU_CFG0_WHAT, setup->what ?: CHMU_WHAT_BOTH) |
           chmu_put(CHMU_CFG0_THRESHOLD, setup->threshold ?: 1) |
           setup->flags;
}

void bed_enable(ChmuBed *bed, unsigned instance, const ChmuSetup *setup)
{
    uint64_t cfg0 = bed_configure(bed, instance, setup);

    bed_write(bed, instance, CHMU_CFG0, cfg0 | CHMU_CFG0_ENABLE);
    g_assert_cmphex(bed_wait(bed, instance) & CHMU_STATUS_ENABLED, !=, 0);
}

void bed_disable(ChmuBed *bed, unsigned instance)
{
    uint64_t cfg0 = bed_read(bed, instance, CHMU_CFG0);

    bed_write(bed, instance, CHMU_CFG0, cfg0 & ~CHMU_CFG0_ENABLE);
    g_assert_cmphex(bed_wait(bed, instance) & CHMU_STATUS_ENABLED, ==, 0);
}

/* The hotlist */

static int by_unit(gconstpointer a, gconstpointer b)
{
    const ChmuEntry *x = a, *y = b;

    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

GArray *bed_drain(ChmuBed *bed, unsigned instance)
{
    GArray *entries = g_array_new(false, false, sizeof(ChmuEntry));
    uint64_t slots = chmu_get(bed_read(bed, instance, CHMU_CAP0),
                              CHMU_CAP0_ENTRIES);
    uint64_t hotlist = bed_read(bed, instance, CHMU_HOTLIST_OFFSET);
    uint64_t width = chmu_get(bed_read(bed, instance, CHMU_STATUS),
                              CHMU_STATUS_COUNTER_WIDTH);
    uint64_t ends = bed_read(bed, instance, CHMU_HEAD);
    uint64_t head = chmu_get(ends, CHMU_HEAD_TAIL_HEAD);
    uint64_t tail = chmu_get(ends, CHMU_HEAD_TAIL_TAIL);

    for (; head != tail; head = (head + 1) % slots) {
        uint64_t raw = bed_read(bed, instance, hotlist + head * 8);
        ChmuEntry entry = {
            .unit = raw >> width,
            .count = raw & ((1ull << width) - 1),
        };

        g_array_append_val(entries, entry);
    }
    qtest_writew(bed->qts, bed_address(bed, instance, CHMU_HEAD), tail);
    g_array_sort(entries, by_unit);
    return entries;
}

void bed_assert_listed(ChmuBed *bed, unsigned instance, unsigned n,
                       const ChmuEntry *entries)
{
    g_autoptr(GArray) expected = g_array_new(false, false, sizeof(ChmuEntry));
    g_autoptr(GArray) found = bed_drain(bed, instance);

    g_array_append_vals(expected, entries, n);
    g_array_sort(expected, by_unit);
    g_assert_cmpuint(found->len, ==, n);
    for (unsigned i = 0; i < n; i++) {
        const ChmuEntry *e = &g_array_index(expected, ChmuEntry, i);
        const ChmuEntry *f = &g_array_index(found, ChmuEntry, i);

        g_assert_cmphex(f->unit, ==, e->unit);
        g_assert_cmpuint(f->count, ==, e->count);
    }
}

/* Feeding and asking */

void bed_access_bytes(ChmuBed *bed, uint64_t dpa, unsigned length,
                      unsigned count, bool is_write)
{
    qtest_qmp_assert_success(
        bed->qts, "{'execute': 'cxl-chmu-access', 'arguments': {'path': %s,"
        "'address': %" PRIu64 ", 'length': %u, 'count': %u, 'write': %i}}",
        BED_DEVICE, dpa, length, count, is_write);
}

void bed_access(ChmuBed *bed, uint64_t dpa, unsigned count, bool is_write)
{
    bed_access_bytes(bed, dpa, 1, count, is_write);
}

/* What query-cxl-chmu says, in its response, which owns it */
static QDict *query(ChmuBed *bed, QDict **response)
{
    QList *list;

    *response = qtest_qmp(bed->qts, "{'execute': 'query-cxl-chmu',"
                          "'arguments': {'path': %s}}", BED_DEVICE);
    list = qdict_get_qlist(*response, "return");
    g_assert_nonnull(list);
    g_assert_cmpuint(qlist_size(list), ==, 1);
    return qobject_to(QDict, qlist_peek(list));
}

uint64_t bed_count(ChmuBed *bed, unsigned instance, const char *name)
{
    QDict *response, *unit = query(bed, &response), *counts;
    const QListEntry *entry = qlist_first(qdict_get_qlist(unit, "instances"));
    uint64_t count;

    while (instance--) {
        entry = qlist_next(entry);
    }
    counts = qdict_get_qdict(qobject_to(QDict, qlist_entry_obj(entry)),
                             "counts");
    g_assert_true(qdict_haskey(counts, name));
    count = qdict_get_int(counts, name);
    qobject_unref(response);
    return count;
}

uint64_t bed_bytes(ChmuBed *bed)
{
    QDict *response, *unit = query(bed, &response);
    uint64_t bytes = qdict_get_int(unit, "bytes");

    qobject_unref(response);
    return bytes;
}

void bed_step(ChmuBed *bed, uint64_t ns)
{
    if (ns) {
        qtest_clock_step(bed->qts, ns);
        bed->now_ns += ns;
    }
}

/* The memory itself */

static uint64_t window_base(ChmuBed *bed)
{
    g_autofree char *tree = qtest_hmp(bed->qts, "info mtree");
    char *name = strstr(tree, "cxl-fixed-memory-region");
    char *line = name;

    g_assert_nonnull(name);
    while (line > tree && line[-1] != '\n') {
        line--;
    }
    return g_ascii_strtoull(line + strspn(line, " "), NULL, 16);
}

static uint64_t find_decoders(ChmuBed *bed)
{
    uint64_t array = bed->component + CACHE_MEM;
    unsigned n = qtest_readl(bed->qts, array) >> 24;

    for (unsigned i = 1; i <= n; i++) {
        uint32_t header = qtest_readl(bed->qts, array + 4 * i);

        if ((header & 0xffff) == HDM_DECODERS) {
            return array + (header >> 20);
        }
    }
    g_assert_not_reached();
}

uint64_t bed_open_window(ChmuBed *bed)
{
    QTestState *qts = bed->qts;
    uint64_t base = window_base(bed), decoders = find_decoders(bed);

    qtest_writel(qts, decoders + HDM_BASE_LO, base);
    qtest_writel(qts, decoders + HDM_BASE_HI, base >> 32);
    qtest_writel(qts, decoders + HDM_SIZE_LO, bed->memory_bytes);
    qtest_writel(qts, decoders + HDM_SIZE_HI, bed->memory_bytes >> 32);
    qtest_writel(qts, decoders + HDM_CONTROL, HDM_COMMIT);
    g_assert_cmphex(qtest_readl(qts, decoders + HDM_CONTROL) & HDM_COMMITTED,
                    !=, 0);
    qtest_writel(qts, decoders + HDM_GLOBAL_CONTROL, HDM_ENABLE);
    return base;
}

/* Interrupts */

static uint64_t msix_entry(ChmuBed *bed, unsigned instance)
{
    return bed->msix + bed->vectors[instance] * PCI_MSIX_ENTRY_SIZE;
}

static uint64_t mailbox(ChmuBed *bed, unsigned instance)
{
    return MAILBOXES + 4 * bed->vectors[instance];
}

void bed_aim_interrupt(ChmuBed *bed, unsigned instance, uint64_t address)
{
    uint64_t entry = msix_entry(bed, instance);

    qtest_writel(bed->qts, entry + PCI_MSIX_ENTRY_LOWER_ADDR, address);
    qtest_writel(bed->qts, entry + PCI_MSIX_ENTRY_UPPER_ADDR, address >> 32);
    qtest_writel(bed->qts, entry + PCI_MSIX_ENTRY_DATA, INTERRUPT_MESSAGE);
    qtest_writel(bed->qts, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
}

void bed_arm_interrupt(ChmuBed *bed, unsigned instance)
{
    bed_aim_interrupt(bed, instance, mailbox(bed, instance));
    bed_take_interrupt(bed, instance);
}

void bed_mask_interrupt(ChmuBed *bed, unsigned instance, bool masked)
{
    qtest_writel(bed->qts,
                 msix_entry(bed, instance) + PCI_MSIX_ENTRY_VECTOR_CTRL,
                 masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

bool bed_take_interrupt(ChmuBed *bed, unsigned instance)
{
    uint32_t value = qtest_readl(bed->qts, mailbox(bed, instance));

    qtest_writel(bed->qts, mailbox(bed, instance), 0);
    return value == INTERRUPT_MESSAGE;
}
