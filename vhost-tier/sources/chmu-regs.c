/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access to a block of hotness units (CXL 3.2, 8.2.8; include/cxl-chmu-regs.h).
 */
#include "chmu-regs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sigbus.h"

#define PAGE_BYTES 4096u
#define BLOCK_BYTES_MAX (16u << 20) /* more of a BAR is never mapped: 16 hotlists of full length */
#define MAPS_MAX 64                 /* blocks mapped at a time */
#define BITMAP_WORDS_MAX 65536u     /* 1 PiB */

struct ChmuRegs {
    const ChmuAccess *access;
    void *opaque;
    size_t bytes;
    int fd;                         /* of the BAR; holds the lock. -1: it is none */
    uint8_t *mapped;                /* NULL: neither */
    unsigned slot;                  /* in 'maps' */
};

/* --- when the mapping is taken away --- */

static struct {
    uintptr_t start;                /* 0: not in use; written last */
    size_t bytes;
} maps[MAPS_MAX];
static GMutex maps_lock;            /* of adding and removing; the handler only looks */

/* All ones in its place, as of a device that is gone. */
static bool take(uintptr_t at)
{
    for (size_t i = 0; i < MAPS_MAX; i++) {
        const uintptr_t start = __atomic_load_n(&maps[i].start, __ATOMIC_ACQUIRE);

        if (start && at >= start && at - start < maps[i].bytes) {
            void *page = (void *)(at & ~(uintptr_t)(PAGE_BYTES - 1));

            if (mmap(page, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
                page) {
                memset(page, 0xff, PAGE_BYTES);
                return true;
            }
        }
    }
    return false;
}

/* False when there are too many. */
static bool guard(ChmuRegs *regs)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&maps_lock);

    sigbus_add(take);
    for (regs->slot = 0; regs->slot < MAPS_MAX; regs->slot++) {
        if (maps[regs->slot].start == 0) {
            maps[regs->slot].bytes = regs->bytes;
            __atomic_store_n(&maps[regs->slot].start, (uintptr_t)regs->mapped, __ATOMIC_RELEASE);
            return true;
        }
    }
    return false;
}

/* --- registers --- */

static bool within(const ChmuRegs *regs, uint64_t at, size_t size)
{
    return at % size == 0 && at < regs->bytes && regs->bytes - at >= size;
}

static uint64_t mapped_read(void *opaque, uint64_t at)
{
    return GUINT64_FROM_LE(*(volatile uint64_t *)((uint8_t *)opaque + at));
}

static void mapped_write(void *opaque, uint64_t at, uint64_t value, unsigned size)
{
    uint8_t *reg = (uint8_t *)opaque + at;

    if (size == 2) {
        *(volatile uint16_t *)reg = GUINT16_TO_LE((uint16_t)value);
    } else {
        *(volatile uint64_t *)reg = GUINT64_TO_LE(value);
    }
}

static const ChmuAccess mapped_access = {.read = mapped_read, .write = mapped_write};

uint64_t chmu_regs_read(const ChmuRegs *regs, uint64_t at)
{
    return within(regs, at, 8) ? regs->access->read(regs->opaque, at) : CHMU_GONE;
}

void chmu_regs_write(const ChmuRegs *regs, uint64_t at, uint64_t value)
{
    if (within(regs, at, 8)) {
        regs->access->write(regs->opaque, at, value, 8);
    }
}

void chmu_regs_write16(const ChmuRegs *regs, uint64_t at, uint16_t value)
{
    if (within(regs, at, 2)) {
        regs->access->write(regs->opaque, at, value, 2);
    }
}

unsigned chmu_regs_instances(const ChmuRegs *regs)
{
    return (unsigned)chmu_get(chmu_regs_read(regs, CHMU_COMMON_CAP0), CHMU_COMMON_CAP0_INSTANCES);
}

/* --- what they can do --- */

/* Reads and writes count alike, so both are best; reads are what a program waits for. 0: neither. */
static uint8_t best_of(unsigned tracked)
{
    static const uint8_t order[] = {CHMU_WHAT_BOTH, CHMU_WHAT_NONTEE_BOTH, CHMU_WHAT_READS, CHMU_WHAT_NONTEE_READS};

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        if (tracked >> (order[i] - 1) & 1) {
            return order[i];
        }
    }
    return 0;
}

/* What is wrong with it; NULL: nothing. */
static const char *flaw_of(const ChmuRegs *regs, const ChmuCaps *caps, uint64_t cap1)
{
    if (caps->entries < 2 || caps->hotlist < caps->base + CHMU_INSTANCE_REGISTERS ||
        !within(regs, caps->hotlist, 8) || (regs->bytes - caps->hotlist) / 8 < caps->entries) {
        return "its hotlist does not lie within its registers";
    }
    if (caps->bitmap < caps->base + CHMU_INSTANCE_REGISTERS || !within(regs, caps->bitmap, 8) ||
        caps->bitmap_words == 0) {
        return "its range bitmap does not lie within its registers";
    }
    if (caps->epoch_min_ns == 0 || caps->epoch_max_ns < caps->epoch_min_ns) {
        return "the shortest and longest of its epochs contradict each other";
    }
    if (caps->unit_sizes == 0 || chmu_get(cap1, CHMU_CAP1_DOWN_SAMPLING) == 0) {
        return "it offers no size of units, or no down-sampling factor, not even 1";
    }
    if (!(cap1 & CHMU_CAP1_EPOCH_MODE)) {
        return "it has no epochs (only the always-on mode), without which counts are no rates";
    }
    if (caps->what == 0) {
        return "it counts no reads";
    }
    return NULL;
}

bool chmu_regs_caps(const ChmuRegs *regs, unsigned instance, ChmuCaps *caps, GError **errp)
{
    const uint64_t stride = chmu_get(chmu_regs_read(regs, CHMU_COMMON_CAP1), CHMU_COMMON_CAP1_INSTLEN);
    const uint64_t base = CHMU_INSTANCES + instance * stride, room = regs->bytes - MIN(base, regs->bytes);
    const uint64_t cap0 = chmu_regs_read(regs, base + CHMU_CAP0), cap1 = chmu_regs_read(regs, base + CHMU_CAP1);
    const uint64_t bitmap = chmu_regs_read(regs, base + CHMU_BITMAP_OFFSET);
    const uint64_t hotlist = chmu_regs_read(regs, base + CHMU_HOTLIST_OFFSET);
    const uint64_t factors = chmu_get(cap1, CHMU_CAP1_DOWN_SAMPLING);
    const char *flaw;

    if (cap0 == CHMU_GONE || cap1 == CHMU_GONE || bitmap > room || hotlist > room ||
        (instance > 0 && stride < CHMU_INSTANCE_REGISTERS)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "instance %u does not lie within its registers", instance);
        return false;
    }
    *caps = (ChmuCaps){
        .base = base,
        .bitmap = base + bitmap,
        .hotlist = base + hotlist,
        .bitmap_words = (uint32_t)MIN(((hotlist > bitmap ? hotlist : room) - bitmap) / 8, BITMAP_WORDS_MAX),
        .entries = (uint32_t)chmu_get(cap0, CHMU_CAP0_ENTRIES),
        .what = best_of((unsigned)chmu_get(cap0, CHMU_CAP0_TRACKED)),
        .down_sampling = factors ? (uint8_t)__builtin_ctzll(factors) : 0,
        .unit_sizes = (uint32_t)chmu_get(cap1, CHMU_CAP1_UNIT_SIZES),
        .epoch_min_ns = chmu_epoch_ns((unsigned)chmu_get(cap0, CHMU_CAP0_EPOCH_MIN_SCALE),
                                      (unsigned)chmu_get(cap0, CHMU_CAP0_EPOCH_MIN_MULT)),
        .epoch_max_ns = chmu_epoch_ns((unsigned)chmu_get(cap0, CHMU_CAP0_EPOCH_MAX_SCALE),
                                      (unsigned)chmu_get(cap0, CHMU_CAP0_EPOCH_MAX_MULT)),
        .beside = cap1 & CHMU_CAP1_ALWAYS_ON_MODE && cap1 & CHMU_CAP1_OVERLAP,
    };
    flaw = flaw_of(regs, caps, cap1);
    if (flaw) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "instance %u can't be used: %s", instance, flaw);
        return false;
    }
    return true;
}

/* --- mapping --- */

/* Why the kernel would not map it, and the remedy. */
static void set_map_error(GError **errp, const char *path, int err)
{
    const char *remedy = "";

    if (err == EINVAL) {
        remedy = ": a driver has claimed the BAR's first page, and so the kernel (CONFIG_IO_STRICT_DEVMEM) lets nobody "
                 "else have the rest; boot with iomem=relaxed";
    } else if (err == EPERM || err == EACCES) {
        remedy = ": it takes root, and a kernel that is not locked down (Secure Boot)";
    }
    g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(err), "can't map %s: %s%s", path, g_strerror(err), remedy);
}

static bool map(ChmuRegs *regs, const char *path, const ChmuPlace *place, GError **errp)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(place->offset & INT64_MAX), .l_len = 1};
    struct stat st;
    void *mapped;

    regs->fd = open(path, O_RDWR | O_CLOEXEC);
    if (regs->fd < 0 || fstat(regs->fd, &st) < 0) {
        set_map_error(errp, path, errno);
        return false;
    }
    if (place->offset % PAGE_BYTES || place->offset >= (uint64_t)st.st_size) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s has no block of registers at byte 0x%" G_GINT64_MODIFIER "x", path, place->offset);
        return false;
    }
    if (fcntl(regs->fd, F_OFD_SETLK, &lock) < 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_AGAIN, "another vhost-tier uses it (%s is locked)", path);
        return false;
    }
    regs->bytes = (size_t)MIN((uint64_t)st.st_size - place->offset, BLOCK_BYTES_MAX);
    mapped = mmap(NULL, regs->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, regs->fd, (off_t)place->offset);
    if (mapped == MAP_FAILED) {
        set_map_error(errp, path, errno);
        return false;
    }
    regs->access = &mapped_access;
    regs->opaque = regs->mapped = mapped;
    if (!guard(regs)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NFILE, "there are more than %d blocks of hotness units", MAPS_MAX);
        return false;
    }
    return true;
}

static bool is_block(const ChmuRegs *regs, GError **errp)
{
    const uint64_t cap0 = chmu_regs_read(regs, CHMU_COMMON_CAP0);

    if (cap0 == CHMU_GONE) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NODEV,
                    "its registers read as all ones: the device sleeps, or is gone");
        return false;
    }
    if (chmu_get(cap0, CHMU_COMMON_CAP0_VERSION) != 1 || chmu_regs_instances(regs) == 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "its registers are of version %u with %u instances; version 1 is known, with one or more",
                    (unsigned)chmu_get(cap0, CHMU_COMMON_CAP0_VERSION), chmu_regs_instances(regs));
        return false;
    }
    return true;
}

static ChmuRegs *regs_alloc(void)
{
    ChmuRegs *regs = g_new0(ChmuRegs, 1);

    regs->fd = -1;
    regs->slot = MAPS_MAX;
    return regs;
}

ChmuRegs *chmu_regs_new(const ChmuAccess *access, void *opaque, size_t bytes, GError **errp)
{
    g_autoptr(ChmuRegs) regs = regs_alloc();

    regs->access = access;
    regs->opaque = opaque;
    regs->bytes = bytes;
    return is_block(regs, errp) ? g_steal_pointer(&regs) : NULL;
}

ChmuRegs *chmu_regs_map(const char *sysfs, const ChmuPlace *place, GError **errp)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/devices/%s/resource%u", sysfs, place->device, place->bar);
    g_autoptr(ChmuRegs) regs = regs_alloc();

    return map(regs, path, place, errp) && is_block(regs, errp) ? g_steal_pointer(&regs) : NULL;
}

void chmu_regs_unmap(ChmuRegs *regs)
{
    if (!regs) {
        return;
    }
    if (regs->slot < MAPS_MAX) {
        __atomic_store_n(&maps[regs->slot].start, 0, __ATOMIC_RELEASE);
    }
    if (regs->mapped) {
        munmap(regs->mapped, regs->bytes);
    }
    if (regs->fd >= 0) {
        close(regs->fd);
    }
    g_free(regs);
}
