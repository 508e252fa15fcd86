/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of vhost-user-tier with daemons and guests that misbehave: QEMU lives,
 * and the next daemon, or the guest's next driver, finds a device that works.
 */
#include "qemu/osdep.h"

#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "vhost-user-tier-bed.h"

static void assert_serves(Bed *bed)
{
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_HOT, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_OK);
}

/* Daemons */

static void daemons_may_answer_nonsense(void)
{
    static const unsigned requests[] = {
        VU_GET_FEATURES, VU_SET_FEATURES, VU_SET_OWNER, VU_SET_MEM_TABLE,
        VU_SET_VRING_NUM, VU_SET_VRING_ADDR, VU_SET_VRING_BASE,
        VU_GET_VRING_BASE, VU_SET_VRING_KICK, VU_SET_VRING_CALL,
        VU_SET_VRING_ERR, VU_GET_PROTOCOL_FEATURES, VU_SET_PROTOCOL_FEATURES,
        VU_SET_VRING_ENABLE, VU_SET_BACKEND_REQ_FD, VU_GET_CONFIG,
        VU_RESET_DEVICE,
    };
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    bed_drive_all(bed);
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        for (PeerFault fault = FAULT_CLOSE; fault < FAULT__MAX; fault++) {
            if (fault == FAULT_SILENCE) {
                continue;
            }
            peer_misbehaves(peer, requests[i], fault);
            peer_listen(peer);
            g_usleep(60000);
            bed_drive_all(bed);         /* has it reset and start, too */
            peer_misbehaves(peer, requests[i], FAULT_NONE);
            peer_die(peer);
            peer_listen(peer);
            bed_reset(bed);
            bed_drive_all(bed);
            assert_serves(bed);
            peer_die(peer);
        }
    }
}

/* The watch ends the wait after 5 s. */
static void daemons_may_never_answer(void)
{
    static const unsigned requests[] = { VU_GET_FEATURES, VU_GET_CONFIG,
                                         VU_SET_MEM_TABLE };
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    bed_drive_all(bed);
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        unsigned seen = peer_seen(peer, requests[i]);

        peer_misbehaves(peer, requests[i], FAULT_SILENCE);
        peer_listen(peer);
        peer_wait(peer, requests[i], seen + 1);
        peer_misbehaves(peer, requests[i], FAULT_NONE);
        qtest_qmp_assert_success(bed->qts, "{'execute': 'query-status'}");
        assert_serves(bed);
        peer_die(peer);
        bed_wait_bool(bed, "connected", false);
    }
}

static void refuses_configurations_that_cannot_be(void)
{
    const struct virtio_tier_config right = {
        .granule = cpu_to_le64(4096),
        .max_ranges = cpu_to_le32(1),
        .n_tiers = cpu_to_le32(1),
    };
    struct virtio_tier_config wrong[9], seen;
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        wrong[i] = right;
    }
    wrong[0].granule = 0;
    wrong[1].granule = cpu_to_le64(2048);
    wrong[2].granule = cpu_to_le64(4097);
    wrong[3].granule = UINT64_MAX;
    wrong[4].max_ranges = 0;
    wrong[5].max_ranges = cpu_to_le32(1025);
    wrong[6].n_tiers = 0;
    wrong[7].n_tiers = cpu_to_le32(5);
    wrong[8].reserved = 1;
    bed_drive_all(bed);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        peer_set_config(peer, &wrong[i], false);
        peer_listen(peer);
        bed_wait_problem(bed, "configuration can't be right");
        bed_read_config(bed, &seen);
        g_assert_cmpuint(le32_to_cpu(seen.max_ranges), !=, 1025);
        peer_die(peer);
    }
    peer_set_config(peer, &right, false);
    peer_listen(peer);
    bed_wait_bool(bed, "serving", true);
    peer_set_config(peer, &wrong[0], true);     /* and later */
    bed_wait_problem(bed, "configuration can't be right");
}

static void refuses_a_daemon_that_lacks_what_was_promised(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    peer_lacks(peer, 1 << VIRTIO_TIER_F_PIN, 0);
    peer_listen(peer);
    bed_drive_all(bed);
    bed_wait_problem(bed, "lacks features that the guest was promised (0x1)");
    /* A guest that does not use it can be served. */
    bed_drive(bed, ~(1ull << VIRTIO_TIER_F_PIN |
                     1ull << VIRTIO_RING_F_EVENT_IDX |
                     1ull << VIRTIO_RING_F_INDIRECT_DESC));
    assert_serves(bed);
}

static void a_broken_queue_needs_a_reset(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    peer_listen(peer);
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        bed_drive_all(bed);
        assert_serves(bed);
        peer_signal_broken(peer, i);
        bed_wait_bool(bed, "needs-reset", true);
        g_assert_true(bed_status(bed) & VIRTIO_CONFIG_S_NEEDS_RESET);
        g_assert_true(bed_query_bool(bed, "connected"));
    }
    bed_drive_all(bed);
    g_assert_false(bed_query_bool(bed, "needs-reset"));
    assert_serves(bed);
}

/* Guests */

static void queues_may_be_nowhere(void)
{
    static const uint64_t nowhere[] = {
        BED_RAM_BYTES, BED_RAM_BYTES - 4096, 0xfec00000, 0xfffffffffffff000,
        1ull << 46,
    };
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    peer_listen(peer);
    for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
        QVirtioDevice *vdev;
        QVirtQueuePCI queue = {};

        bed_drive_all(bed);
        bed_reset(bed);
        vdev = &bed->dev->vdev;
        qvirtio_set_acknowledge(vdev);
        qvirtio_set_driver(vdev);
        qvirtio_set_features(vdev, 1ull << VIRTIO_F_VERSION_1);
        vdev->bus->queue_select(vdev, VIRTIO_TIER_Q_HINT);
        queue.vq = (QVirtQueue) { .desc = nowhere[i], .avail = nowhere[i],
                                  .used = nowhere[i] };
        vdev->bus->set_queue_address(vdev, &queue.vq);
        qpci_io_writew(bed->dev->pdev, bed->dev->bar,
                       bed->dev->common_cfg_offset +
                       offsetof(struct virtio_pci_common_cfg, queue_enable),
                       1);
        vdev->bus->set_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE |
                                    VIRTIO_CONFIG_S_DRIVER |
                                    VIRTIO_CONFIG_S_FEATURES_OK |
                                    VIRTIO_CONFIG_S_DRIVER_OK);
        bed_kick(bed, VIRTIO_TIER_Q_HINT);
    }
    bed_drive_all(bed);
    assert_serves(bed);
}

/*
 * Any register of the device at any time, with a daemon that comes and goes.
 * The seed is fixed: what fails once fails again.
 */
static void survives_random_register_writes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(20261122);
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    peer_listen(peer);
    bed_drive_all(bed);
    for (unsigned i = 0; i < 3000; i++) {
        QVirtioPCIDevice *dev = bed->dev;
        uint64_t reg = dev->common_cfg_offset +
                       g_rand_int_range(rand, 0, 64);
        uint64_t value = g_rand_int(rand) >> g_rand_int_range(rand, 0, 32);

        switch (g_rand_int_range(rand, 0, 40)) {
        case 0:
            bed_drive_all(bed);
            break;
        case 1:
            qpci_io_writew(dev->pdev, dev->bar, dev->notify_cfg_offset +
                           g_rand_int_range(rand, 0, 64), value);
            break;
        case 2:
            qtest_writeq(bed->qts, 16 * 1024 * 1024 +
                         8 * g_rand_int_range(rand, 0, 2048), value);
            break;
        case 3:
            if (g_rand_int_range(rand, 0, 20) == 0) {
                peer_die(peer);
                peer_listen(peer);
            }
            break;
        default:
            qpci_io_writel(dev->pdev, dev->bar, reg & ~3, value);
        }
    }
    bed_drive_all(bed);
    assert_serves(bed);
}

void add_misbehaviour_tests(void)
{
#define ADD(test) qtest_add_func("/vhost-user-tier/misbehaviour/" #test, test)
    ADD(daemons_may_answer_nonsense);
    ADD(daemons_may_never_answer);
    ADD(refuses_configurations_that_cannot_be);
    ADD(refuses_a_daemon_that_lacks_what_was_promised);
    ADD(a_broken_queue_needs_a_reset);
    ADD(queues_may_be_nowhere);
    ADD(survives_random_register_writes);
#undef ADD
}
