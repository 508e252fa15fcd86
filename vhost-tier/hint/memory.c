/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's memory as QEMU tells a hint device of it, and the log of pages that are written to.
 *
 * Theory of operation
 *
 * Guest memory is mapped where it is a file of shmem or hugetlbfs that is large enough: no other can be relied upon not
 * to block whoever touches it. An entry of the memory table that is anything else is remembered, so that addresses can
 * be told, and not mapped: a ring or a buffer there is an error of that queue. What is mapped is only touched where
 * rings and buffers are.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device-impl.h"

/* Of the daemon's address space, for all guests' memory together: a quarter of what there is. */
#define MAPPED_MAX_BYTES (UINT64_C(1) << 45)
#define ADDRESS_MAX      (UINT64_C(1) << 62)
#define PAGE_BYTES       4096u

/* Bytes mapped for all devices of the daemon; devices live in several threads. */
static uint64_t mapped_everywhere;

static bool entry_check(const HintDevice *device, const VhostUserMemoryRegion *entry, GError **errp)
{
    const uint64_t size = entry->memory_size;

    if (size == 0 || (size | entry->guest_phys_addr | entry->userspace_addr | entry->mmap_offset) % PAGE_BYTES ||
        size > ADDRESS_MAX || entry->guest_phys_addr > ADDRESS_MAX - size ||
        entry->userspace_addr > ADDRESS_MAX - size || entry->mmap_offset > ADDRESS_MAX - size) {
        return message_refuse(errp, "memory of 0x%" G_GINT64_MODIFIER "x bytes at guest address "
                              "0x%" G_GINT64_MODIFIER "x is empty, unaligned or beyond the end of addresses", size,
                              entry->guest_phys_addr);
    }
    for (guint i = 0; i < device->memory->len; i++) {
        const HintMemory *other = &g_array_index(device->memory, HintMemory, i);

        if (entry->guest_phys_addr < other->gpa + other->size && other->gpa < entry->guest_phys_addr + size) {
            return message_refuse(errp, "memory at guest address 0x%" G_GINT64_MODIFIER "x overlaps other memory",
                                  entry->guest_phys_addr);
        }
    }
    if (device->memory->len >= VHOST_USER_MAX_RAM_SLOTS) {
        return message_refuse(errp, "more than %d pieces of memory", VHOST_USER_MAX_RAM_SLOTS);
    }
    return true;
}

/* Whether @fd is a file of which @bytes can be mapped at @offset and touched without waiting for anybody. */
static bool mappable(int fd, uint64_t offset, uint64_t bytes)
{
    struct statfs fs;
    struct stat st;

    /* Only files of shmem and hugetlbfs have seals; asking does not block on any other. */
    if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0) {
        return false;
    }
    return st.st_size >= 0 && offset + bytes <= (uint64_t)st.st_size &&
           (fs.f_bsize <= PAGE_BYTES || (offset | bytes) % (uint64_t)fs.f_bsize == 0);
}

/* Account for a mapping to come; false where that would be too much. */
static bool mapping_reserve(HintDevice *device, uint64_t bytes)
{
    if (bytes > device->max_bytes - device->mapped_bytes) {
        return false;
    }
    if (__atomic_add_fetch(&mapped_everywhere, bytes, __ATOMIC_RELAXED) > MAPPED_MAX_BYTES) {
        __atomic_sub_fetch(&mapped_everywhere, bytes, __ATOMIC_RELAXED);
        return false;
    }
    device->mapped_bytes += bytes;
    return true;
}

static void mapping_release(HintDevice *device, uint64_t bytes)
{
    __atomic_sub_fetch(&mapped_everywhere, bytes, __ATOMIC_RELAXED);
    device->mapped_bytes -= bytes;
}

/* Remember an entry; returns whether libvhost-user is to map it, which then is accounted for. */
static bool entry_note(HintDevice *device, const VhostUserMemoryRegion *entry, int fd)
{
    const HintMemory memory = { entry->guest_phys_addr, entry->memory_size, entry->userspace_addr };
    const bool map = mappable(fd, entry->mmap_offset, memory.size) && mapping_reserve(device, memory.size);

    g_array_append_val(device->memory, memory);
    g_array_append_val(device->mapped, map);
    if (!map) {
        hint_device_log(device, G_LOG_LEVEL_WARNING, "memory at guest address 0x%" G_GINT64_MODIFIER "x "
                        "(0x%" G_GINT64_MODIFIER "x bytes) is not mapped: it is no file of shared memory of that "
                        "size, or more than may be mapped; requests in it can't be served", memory.gpa, memory.size);
    }
    return map;
}

static void entry_forget(HintDevice *device, guint i)
{
    if (g_array_index(device->mapped, bool, i)) {
        mapping_release(device, g_array_index(device->memory, HintMemory, i).size);
    }
    g_array_remove_index(device->memory, i);
    g_array_remove_index(device->mapped, i);
}

/* libvhost-user looks for rings by itself where it has some, and gives up where it finds none. */
static void rings_forget(HintDevice *device)
{
    for (int i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        VuRing *ring = &vu_get_queue(&device->dev, i)->vring;

        ring->desc = NULL;
        ring->avail = NULL;
        ring->used = NULL;
    }
}

static void memory_changed(HintDevice *device)
{
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        hint_queue_remap(&device->queues[i]);
    }
    device->ops->memory(device->opaque);
}

static void entries_forget(HintDevice *device)
{
    while (device->memory->len > 0) {
        entry_forget(device, device->memory->len - 1);
    }
}

/* Whether all entries of a new table are sound, beside each other. */
static bool table_check(HintDevice *device, const VhostUserMemory *table, GError **errp)
{
    GArray *memory = device->memory;
    bool ok = true;

    device->memory = g_array_new(FALSE, FALSE, sizeof(HintMemory));
    for (uint32_t i = 0; ok && i < table->nregions; i++) {
        const VhostUserMemoryRegion *entry = &table->regions[i];
        const HintMemory noted = { entry->guest_phys_addr, entry->memory_size, entry->userspace_addr };

        ok = entry_check(device, entry, errp);
        g_array_append_val(device->memory, noted);
    }
    g_array_unref(device->memory);
    device->memory = memory;
    return ok;
}

bool memory_set_mem_table(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const VhostUserMemory given = msg->payload.memory;
    int n_fds = 0;
    bool ok;

    if (given.nregions > VHOST_MEMORY_BASELINE_NREGIONS || (int)given.nregions != msg->fd_num ||
        msg->size != offsetof(VhostUserMemory, regions) + given.nregions * sizeof(given.regions[0])) {
        return message_refuse(errp, "a memory table of %u entries in %u bytes with %d descriptors", given.nregions,
                              msg->size, msg->fd_num);
    }
    if (!table_check(device, &given, errp)) {
        return false;
    }
    entries_forget(device);
    rings_forget(device);
    for (uint32_t i = 0; i < given.nregions; i++) {
        if (entry_note(device, &given.regions[i], msg->fds[i])) {
            msg->payload.memory.regions[n_fds] = given.regions[i];
            msg->fds[n_fds++] = msg->fds[i];
        } else {
            close(msg->fds[i]);
        }
    }
    msg->payload.memory.nregions = (uint32_t)n_fds;
    msg->fd_num = n_fds;
    ok = message_hand_over(device, msg, errp);
    memory_changed(device);
    return ok;
}

bool memory_add_mem_reg(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const VhostUserMemoryRegion entry = msg->payload.memreg.region;
    bool ok = true;

    if (!entry_check(device, &entry, errp)) {
        return false;
    }
    if (entry_note(device, &entry, msg->fds[0])) {
        ok = message_hand_over(device, msg, errp);
    }
    memory_changed(device);
    return ok;
}

bool memory_rem_mem_reg(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const VhostUserMemoryRegion entry = msg->payload.memreg.region;
    bool ok = true;

    for (guint i = 0; i < device->memory->len; i++) {
        const HintMemory *memory = &g_array_index(device->memory, HintMemory, i);

        if (memory->gpa == entry.guest_phys_addr && memory->size == entry.memory_size &&
            memory->hva == entry.userspace_addr) {
            rings_forget(device);
            ok = !g_array_index(device->mapped, bool, i) || message_hand_over(device, msg, errp);
            entry_forget(device, i);
            memory_changed(device);
            return ok;
        }
    }
    return message_refuse(errp, "there is no memory at guest address 0x%" G_GINT64_MODIFIER "x to be removed",
                          entry.guest_phys_addr);
}

/* --- the log of pages written --- */

static void log_forget(HintDevice *device)
{
    if (device->log.bits) {
        munmap(device->log.bits, device->log.bytes);
        mapping_release(device, device->log.bytes);
    }
    device->log.bits = NULL;
    device->log.bytes = 0;
}

bool memory_set_log_base(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const VhostUserLog log = msg->payload.log;
    void *bits;

    if (log.mmap_size == 0 || log.mmap_size > ADDRESS_MAX || log.mmap_offset > ADDRESS_MAX ||
        log.mmap_offset % PAGE_BYTES || !mappable(msg->fds[0], log.mmap_offset, log.mmap_size) ||
        !mapping_reserve(device, log.mmap_size)) {
        return message_refuse(errp, "the log of 0x%" G_GINT64_MODIFIER "x bytes can't be mapped: it is no file of "
                              "shared memory of that size", log.mmap_size);
    }
    bits = mmap(NULL, log.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, msg->fds[0],
                (off_t)log.mmap_offset);
    if (bits == MAP_FAILED) {
        mapping_release(device, log.mmap_size);
        return message_refuse(errp, "the log can't be mapped: %s", g_strerror(errno));
    }
    log_forget(device);
    device->log.bits = bits;
    device->log.bytes = log.mmap_size;
    message_answer(msg, 0);
    return true;
}

void memory_forget(HintDevice *device)
{
    log_forget(device);
    entries_forget(device);
}
