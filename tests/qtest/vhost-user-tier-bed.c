/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU with a virtio-tier device, and a guest's driver for it.
 */
#include "qemu/osdep.h"

#include <glib/gstdio.h>

#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "vhost-user-tier-bed.h"

#define SLOT        4
#define PAGE        4096ull
/* Where the queues are, and their buffers */
#define QUEUE_BASE  (16ull << 20)
#define QUEUE_STEP  (4ull << 20)

Bed *bed_new_with(const char *memory, const char *path, const char *more)
{
    Bed *bed = g_new0(Bed, 1);

    bed->qts = qtest_initf("-nodefaults -M pc,memory-backend=ram -m 64M %s "
                           "-chardev socket,id=hint0,path=%s,reconnect-ms=50 "
                           "-device vhost-user-tier-pci,chardev=hint0,"
                           "id=tier0,addr=%x %s", memory, path, SLOT, more);
    bed->bus = qpci_new_pc(bed->qts, NULL);
    return bed;
}

Bed *bed_new(const char *path, const char *more)
{
    return bed_new_with("-object memory-backend-memfd,id=ram,size=64M,share=on",
                        path, more);
}

void bed_undrive(Bed *bed)
{
    if (bed->dev) {
        qpci_iounmap(bed->dev->pdev, bed->dev->bar);
        g_free(bed->dev->pdev);
        g_clear_pointer(&bed->dev, g_free);
    }
}

void bed_free(Bed *bed)
{
    bed_undrive(bed);
    qpci_free_pc(bed->bus);
    qtest_quit(bed->qts);
    g_free(bed);
}

static void set_up_queue(Bed *bed, unsigned n)
{
    QVirtioDevice *vdev = &bed->dev->vdev;
    BedQueue *queue = &bed->queues[n];
    QVirtQueuePCI *vqpci = g_new0(QVirtQueuePCI, 1);

    *queue = (BedQueue) {
        .vq = {
            .vdev = vdev,
            .index = n,
            .size = BED_QUEUE_SIZE,
            .desc = QUEUE_BASE + n * QUEUE_STEP,
        },
    };
    queue->vq.avail = queue->vq.desc + PAGE;
    queue->vq.used = queue->vq.avail + PAGE;
    queue->buffers = queue->vq.used + PAGE;
    qtest_memset(bed->qts, queue->vq.desc, 0, 3 * PAGE);
    vqpci->vq = queue->vq;
    vdev->bus->queue_select(vdev, n);
    qpci_io_writew(bed->dev->pdev, bed->dev->bar,
                   bed->dev->common_cfg_offset +
                   offsetof(struct virtio_pci_common_cfg, queue_size),
                   BED_QUEUE_SIZE);
    vdev->bus->set_queue_address(vdev, &vqpci->vq);
    qpci_io_writew(bed->dev->pdev, bed->dev->bar,
                   bed->dev->common_cfg_offset +
                   offsetof(struct virtio_pci_common_cfg, queue_enable), 1);
    g_free(vqpci);
}

void bed_drive(Bed *bed, uint64_t features)
{
    QPCIAddress addr = { .devfn = QPCI_DEVFN(SLOT, 0) };
    QVirtioDevice *vdev;

    bed_undrive(bed);
    bed->dev = virtio_pci_new(bed->bus, &addr);
    g_assert_nonnull(bed->dev);
    vdev = &bed->dev->vdev;
    qvirtio_pci_device_enable(bed->dev);
    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    qvirtio_set_features(vdev, qvirtio_get_features(vdev) & features &
                               ~(QVIRTIO_F_BAD_FEATURE));
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        set_up_queue(bed, i);
    }
    qvirtio_set_driver_ok(vdev);
}

void bed_take_over(Bed *bed, const Bed *old)
{
    QPCIAddress addr = { .devfn = QPCI_DEVFN(SLOT, 0) };

    bed->dev = virtio_pci_new(bed->bus, &addr);
    g_assert_nonnull(bed->dev);
    qvirtio_pci_device_enable(bed->dev);
    bed->dev->vdev.features_negotiated = true;
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        bed->queues[i] = old->queues[i];
        bed->queues[i].vq.vdev = &bed->dev->vdev;
    }
}

void bed_drive_all(Bed *bed)
{
    bed_drive(bed, ~(1ull << VIRTIO_RING_F_EVENT_IDX |
                     1ull << VIRTIO_RING_F_INDIRECT_DESC));
}

uint8_t bed_status(Bed *bed)
{
    return bed->dev->vdev.bus->get_status(&bed->dev->vdev);
}

void bed_reset(Bed *bed)
{
    qvirtio_reset(&bed->dev->vdev);
}

void bed_read_config(Bed *bed, struct virtio_tier_config *config)
{
    uint8_t *bytes = (uint8_t *)config;

    for (unsigned i = 0; i < sizeof(*config); i++) {
        bytes[i] = qvirtio_config_readb(&bed->dev->vdev, i);
    }
}

/* The queues */

void bed_kick(Bed *bed, unsigned queue)
{
    QVirtQueue *vq = &bed->queues[queue].vq;
    QVirtioPCIDevice *dev = bed->dev;
    uint16_t off;

    vq->vdev->bus->queue_select(vq->vdev, queue);
    off = qpci_io_readw(dev->pdev, dev->bar, dev->common_cfg_offset +
                        offsetof(struct virtio_pci_common_cfg,
                                 queue_notify_off));
    qpci_io_writew(dev->pdev, dev->bar, dev->notify_cfg_offset +
                   off * dev->notify_off_multiplier, queue);
}

uint16_t bed_add(Bed *bed, unsigned n, const BedDesc *descs, unsigned n_descs)
{
    BedQueue *queue = &bed->queues[n];
    uint16_t head = queue->next_desc % BED_QUEUE_SIZE;

    for (unsigned i = 0; i < n_descs; i++) {
        uint16_t at = queue->next_desc++ % BED_QUEUE_SIZE;
        uint64_t desc = queue->vq.desc + 16 * at;

        qtest_writeq(bed->qts, desc, descs[i].addr);
        qtest_writel(bed->qts, desc + 8, descs[i].len);
        qtest_writew(bed->qts, desc + 12, descs[i].flags |
                     (i + 1 < n_descs ? VRING_DESC_F_NEXT : 0));
        qtest_writew(bed->qts, desc + 14, (at + 1) % BED_QUEUE_SIZE);
    }
    qtest_writew(bed->qts, queue->vq.avail + 4 +
                 2 * (queue->avail_idx++ % BED_QUEUE_SIZE), head);
    qtest_writew(bed->qts, queue->vq.avail + 2, queue->avail_idx);
    bed_kick(bed, n);
    return head;
}

bool bed_has_used(Bed *bed, unsigned n)
{
    BedQueue *queue = &bed->queues[n];

    return qtest_readw(bed->qts, queue->vq.used + 2) != queue->seen_used;
}

uint32_t bed_wait_used(Bed *bed, unsigned n, uint16_t head)
{
    BedQueue *queue = &bed->queues[n];
    uint64_t elem = queue->vq.used + 4 +
                    8 * (queue->seen_used % BED_QUEUE_SIZE);
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;

    while (!bed_has_used(bed, n)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    queue->seen_used++;
    g_assert_cmpuint(qtest_readl(bed->qts, elem), ==, head);
    return qtest_readl(bed->qts, elem + 4);
}

/* Requests */

BedRequest bed_request(Bed *bed, uint16_t type,
                       const struct virtio_tier_range *ranges, uint32_t n)
{
    BedQueue *queue = &bed->queues[VIRTIO_TIER_Q_HINT];
    /* As much as is needed at most, one behind the other */
    uint64_t out = queue->buffers +
                   (queue->next_desc / 2) % 16 * (32 * PAGE);
    uint64_t in = out + 8 * PAGE;
    struct virtio_tier_req req = {
        .type = cpu_to_le16(type),
        .n_ranges = cpu_to_le32(n),
        .cookie = cpu_to_le64(0xc00c1e00 + type),
    };

    qtest_memwrite(bed->qts, out, &req, sizeof(req));
    if (n) {
        qtest_memwrite(bed->qts, out + sizeof(req), ranges,
                       n * sizeof(*ranges));
    }
    return (BedRequest) {
        .descs = {
            { out, sizeof(req) + n * sizeof(*ranges), 0 },
            { in, 24 * PAGE, VRING_DESC_F_WRITE },
        },
        .n = n,
    };
}

uint32_t bed_send(Bed *bed, uint16_t type,
                  const struct virtio_tier_range *ranges, uint32_t n,
                  struct virtio_tier_resp *resp, void *entries, size_t size)
{
    BedRequest request = bed_request(bed, type, ranges, n);
    uint16_t head = bed_add(bed, VIRTIO_TIER_Q_HINT, request.descs, 2);
    uint32_t used = bed_wait_used(bed, VIRTIO_TIER_Q_HINT, head);

    g_assert_cmpuint(used, >=, sizeof(*resp));
    qtest_memread(bed->qts, request.descs[1].addr, resp, sizeof(*resp));
    g_assert_cmphex(le64_to_cpu(resp->cookie), ==, 0xc00c1e00 + type);
    if (used > sizeof(*resp)) {
        g_assert_cmpuint(used - sizeof(*resp), <=, size);
        qtest_memread(bed->qts, request.descs[1].addr + sizeof(*resp), entries,
                      used - sizeof(*resp));
    }
    return used;
}

uint32_t bed_hint(Bed *bed, uint16_t type, uint64_t addr, uint64_t len)
{
    struct virtio_tier_range range = { cpu_to_le64(addr), cpu_to_le64(len) };
    struct virtio_tier_resp resp;
    struct virtio_tier_result result;
    uint32_t used = bed_send(bed, type, &range, 1, &resp, &result,
                             sizeof(result));

    if (resp.status) {
        g_assert_cmpuint(used, ==, sizeof(resp));
        return le32_to_cpu(resp.status);
    }
    g_assert_cmpuint(le32_to_cpu(resp.n_ranges), ==, 1);
    g_assert_cmpuint(used, ==, sizeof(resp) + (type == VIRTIO_TIER_T_QUERY
                     ? sizeof(result) : sizeof(result.status)));
    return le32_to_cpu(result.status);
}

/* QMP */

QDict *bed_query(Bed *bed)
{
    QDict *response = qtest_qmp(bed->qts, "{'execute': 'query-virtio-tier'}");
    QList *list = qdict_get_qlist(response, "return");
    QDict *device;

    g_assert_nonnull(list);
    g_assert_cmpint(qlist_size(list), ==, 1);
    device = qobject_to(QDict, qlist_peek(list));
    qobject_ref(device);
    qobject_unref(response);
    return device;
}

bool bed_query_bool(Bed *bed, const char *key)
{
    QDict *device = bed_query(bed);
    bool value = qdict_get_bool(device, key);

    qobject_unref(device);
    return value;
}

void bed_wait_bool(Bed *bed, const char *key, bool value)
{
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;

    while (bed_query_bool(bed, key) != value) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
}

void bed_wait_problem(Bed *bed, const char *text)
{
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;
    bool found = false;

    while (!found) {
        QDict *device = bed_query(bed);
        const char *problem = qdict_get_try_str(device, "problem");

        found = problem && strstr(problem, text);
        if (g_get_monotonic_time() > end) {
            g_error("the problem is '%s', not '%s'", problem ?: "none", text);
        }
        qobject_unref(device);
        g_usleep(10000);
    }
}

/* Files */

char *bed_make_file(const char *name)
{
    g_autofree char *dir = g_dir_make_tmp("vhost-user-tier-XXXXXX", NULL);

    g_assert_nonnull(dir);
    return g_build_filename(dir, name, NULL);
}

void bed_remove_file(char *file)
{
    g_autofree char *dir = g_path_get_dirname(file);

    g_unlink(file);
    g_rmdir(dir);
    g_free(file);
}
