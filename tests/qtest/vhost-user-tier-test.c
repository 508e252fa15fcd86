/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of vhost-user-tier, the device by which a guest gives hints: what a
 * guest and QMP see of it. (Daemons that come and go, migration:
 * vhost-user-tier-lifetime.c. Daemons and guests that misbehave:
 * -misbehaviour.c. The real daemon: -hints.c and -garbage.c)
 */
#include "qemu/osdep.h"

#include "qemu/bswap.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/virtio_config.h"
#include "vhost-user-tier-bed.h"

/* What a guest sees */

static void has_its_id_and_features(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    uint64_t features;

    bed_drive_all(bed);
    g_assert_cmpuint(bed->dev->vdev.device_type, ==, VIRTIO_ID_TIER);
    g_assert_cmphex(qpci_config_readw(bed->dev->pdev, 2), ==, 0x1040 + 63);
    features = qvirtio_get_features(&bed->dev->vdev);
    g_assert_cmphex(features & 0xffffff, ==, 1 << VIRTIO_TIER_F_PIN |
                                             1 << VIRTIO_TIER_F_QUERY |
                                             1 << VIRTIO_TIER_F_EVENTS);
    g_assert_true(features & 1ull << VIRTIO_F_VERSION_1);
    g_assert_false(features & (1ull << VIRTIO_F_RING_PACKED |
                               1ull << VIRTIO_F_IOMMU_PLATFORM |
                               1ull << VIRTIO_F_RING_RESET));
    bed_free(bed);
    peer_free(peer);
}

static void features_can_be_left_out(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "-global vhost-user-tier.pin=off "
                       "-global vhost-user-tier.events=off");

    peer_lacks(peer, 1 << VIRTIO_TIER_F_PIN | 1 << VIRTIO_TIER_F_EVENTS, 0);
    peer_listen(peer);
    bed_drive_all(bed);
    g_assert_cmphex(qvirtio_get_features(&bed->dev->vdev) & 0xffffff, ==,
                    1 << VIRTIO_TIER_F_QUERY);
    bed_wait_bool(bed, "serving", true);
    bed_free(bed);
    peer_free(peer);
}

static void shows_the_daemons_configuration(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    struct virtio_tier_config config;
    QDict *device, *info;

    bed_drive_all(bed);
    bed_read_config(bed, &config);      /* there is no daemon yet */
    g_assert_cmpuint(le64_to_cpu(config.granule), ==, 4096);
    g_assert_cmpuint(le64_to_cpu(config.fast_budget), ==, 0);
    g_assert_cmpuint(le32_to_cpu(config.max_ranges), ==, 1024);
    g_assert_cmpuint(le32_to_cpu(config.n_tiers), ==, 1);

    peer_listen(peer);
    bed_wait_bool(bed, "serving", true);
    bed_read_config(bed, &config);
    g_assert_cmpuint(le64_to_cpu(config.fast_budget), ==, 16 << 20);
    g_assert_cmpuint(le32_to_cpu(config.max_ranges), ==, 64);
    g_assert_cmpuint(le32_to_cpu(config.n_tiers), ==, 2);
    device = bed_query(bed);
    info = qdict_get_qdict(device, "config");
    g_assert_cmpint(qdict_get_int(info, "pin-limit"), ==, 1 << 20);
    g_assert_cmpint(qdict_get_int(info, "max-ranges-per-s"), ==, 1000);
    qobject_unref(device);

    peer_die(peer);                     /* it stays when the daemon goes */
    bed_wait_bool(bed, "connected", false);
    bed_read_config(bed, &config);
    g_assert_cmpuint(le32_to_cpu(config.max_ranges), ==, 64);
    bed_free(bed);
    peer_free(peer);
}

static void tells_of_a_new_configuration(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    struct virtio_tier_config config;

    peer_listen(peer);
    bed_drive_all(bed);
    bed_wait_bool(bed, "serving", true);
    bed_read_config(bed, &config);
    config.fast_budget = cpu_to_le64(5 << 20);
    peer_set_config(peer, &config, true);
    qvirtio_wait_config_isr(&bed->dev->vdev, BED_TIMEOUT_MS * 1000);
    bed_read_config(bed, &config);
    g_assert_cmpuint(le64_to_cpu(config.fast_budget), ==, 5 << 20);
    bed_free(bed);
    peer_free(peer);
}

static void ignores_what_a_guest_writes_to_its_configuration(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    QVirtioPCIDevice *dev;
    struct virtio_tier_config before, after;

    bed_drive_all(bed);
    dev = bed->dev;
    bed_read_config(bed, &before);
    for (unsigned off = 0; off < sizeof(before) + 16; off++) {
        uint64_t at = dev->device_cfg_offset + off;

        qpci_io_writeb(dev->pdev, dev->bar, at, 0xa5);
        qpci_io_writew(dev->pdev, dev->bar, at, 0xa5a5);
        qpci_io_writel(dev->pdev, dev->bar, at, 0xa5a5a5a5);
        qpci_io_writeq(dev->pdev, dev->bar, at, 0xa5a5a5a5a5a5a5a5);
    }
    bed_read_config(bed, &after);
    g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
    bed_free(bed);
    peer_free(peer);
}

static void carries_requests_and_answers(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    struct virtio_tier_range ranges[3] = {
        { cpu_to_le64(BED_FREE), cpu_to_le64(4096) },
        { cpu_to_le64(BED_FREE + (1 << 20)), cpu_to_le64(8192) },
        { cpu_to_le64(BED_FREE + (2 << 20)), cpu_to_le64(1 << 20) },
    };
    struct virtio_tier_result results[3];
    struct virtio_tier_resp resp;

    peer_listen(peer);
    bed_drive_all(bed);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_HOT, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_OK);
    bed_send(bed, VIRTIO_TIER_T_QUERY, ranges, 3, &resp, results,
             sizeof(results));
    g_assert_cmpuint(le32_to_cpu(resp.n_ranges), ==, 3);
    g_assert_cmpuint(le64_to_cpu(results[2].tier_bytes[0]), ==, 1 << 20);
    bed_free(bed);
    peer_free(peer);
}

static void carries_events(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    struct virtio_tier_event event = {
        .type = cpu_to_le32(VIRTIO_TIER_E_BUDGET),
        .reason = cpu_to_le32(VIRTIO_TIER_R_BUDGET),
        .value = cpu_to_le64(123456),
    }, got;
    BedDesc desc;

    peer_listen(peer);
    bed_drive_all(bed);
    bed_wait_bool(bed, "serving", true);
    g_assert_false(peer_event(peer, &event));
    desc = (BedDesc) { bed->queues[VIRTIO_TIER_Q_EVENT].buffers, sizeof(event),
                       VRING_DESC_F_WRITE };
    bed_add(bed, VIRTIO_TIER_Q_EVENT, &desc, 1);
    g_assert_true(peer_event(peer, &event));
    g_assert_cmpuint(bed_wait_used(bed, VIRTIO_TIER_Q_EVENT, 0), ==,
                     sizeof(event));
    qtest_memread(bed->qts, desc.addr, &got, sizeof(got));
    g_assert_cmpmem(&got, sizeof(got), &event, sizeof(event));
    bed_free(bed);
    peer_free(peer);
}

/* What QMP shows */

static void qmp_shows_the_device(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    QDict *device, *queue;

    device = bed_query(bed);
    g_assert_cmpstr(qdict_get_str(device, "id"), ==, "tier0");
    g_assert_cmpstr(qdict_get_str(device, "chardev"), ==, "hint0");
    g_assert_false(qdict_get_bool(device, "connected"));
    g_assert_false(qdict_get_bool(device, "driver"));
    g_assert_true(qlist_empty(qdict_get_qlist(device, "features")));
    qobject_unref(device);

    bed_drive_all(bed);
    bed_add(bed, VIRTIO_TIER_Q_HINT,
            bed_request(bed, VIRTIO_TIER_T_HOT, NULL, 0).descs, 2);
    device = bed_query(bed);
    queue = qdict_get_qdict(device, "hint-queue");
    g_assert_true(qdict_get_bool(device, "driver"));
    g_assert_cmpint(qlist_size(qdict_get_qlist(device, "features")), ==, 3);
    g_assert_cmpint(qdict_get_int(queue, "size"), ==, BED_QUEUE_SIZE);
    g_assert_true(qdict_get_bool(queue, "ready"));
    g_assert_cmpint(qdict_get_int(queue, "available"), ==, 1);
    g_assert_cmpint(qdict_get_int(queue, "used"), ==, 0);
    qobject_unref(device);

    peer_listen(peer);
    bed_wait_used(bed, VIRTIO_TIER_Q_HINT, 0);
    device = bed_query(bed);
    g_assert_true(qdict_get_bool(device, "serving"));
    g_assert_cmpint(qdict_get_int(device, "connects"), ==, 1);
    g_assert_false(qdict_haskey(device, "problem"));
    qobject_unref(device);
    bed_free(bed);
    peer_free(peer);
}

static QDict *ask_virtio_status(Bed *bed)
{
    return qtest_qmp_assert_success_ref(
        bed->qts, "{'execute': 'x-query-virtio-status', 'arguments': "
        "{'path': '/machine/peripheral/tier0/virtio-backend'}}");
}

static void virtio_status_can_be_asked_for(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new(peer_path(peer), "");
    QDict *status;

    bed_drive_all(bed);
    status = ask_virtio_status(bed);
    g_assert_cmpstr(qdict_get_str(status, "name"), ==, "virtio-tier");
    g_assert_false(qdict_haskey(status, "vhost-dev"));
    qobject_unref(status);
    peer_listen(peer);
    bed_wait_bool(bed, "serving", true);
    status = ask_virtio_status(bed);
    g_assert_true(qdict_haskey(status, "vhost-dev"));
    qobject_unref(status);
    bed_free(bed);
    peer_free(peer);
}

static void many_devices_have_a_daemon_each(void)
{
    Peer *peer = peer_new(), *other = peer_new();
    g_autofree char *more = g_strdup_printf(
        "-chardev socket,id=hint1,path=%s,reconnect-ms=50 "
        "-device vhost-user-tier-pci,chardev=hint1,id=tier1",
        peer_path(other));
    Bed *bed = bed_new(peer_path(peer), more);
    QDict *response;

    peer_listen(peer);
    peer_listen(other);
    bed_drive_all(bed);
    peer_wait(peer, VU_SET_VRING_ENABLE, 2);
    peer_wait(other, VU_GET_CONFIG, 1);
    response = qtest_qmp(bed->qts, "{'execute': 'query-virtio-tier'}");
    g_assert_cmpint(qlist_size(qdict_get_qlist(response, "return")), ==, 2);
    qobject_unref(response);
    peer_die(other);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_HOT, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_OK);
    g_assert_cmpuint(peer_seen(other, VU_SET_VRING_ENABLE), ==, 0);
    bed_free(bed);
    peer_free(peer);
    peer_free(other);
}

static void refuses_chardevs_that_lead_nowhere(void)
{
    static const struct {
        const char *options;
        const char *error;
    } wrong[] = {
        { "vhost-user-tier-pci", "'vhost-user-tier.chardev' is needed" },
        { "vhost-user-tier-pci,chardev=none", "none" },
        { "vhost-user-tier-pci,chardev=null", "must be a Unix socket" },
    };
    QTestState *qts = qtest_init("-nodefaults -M pc -m 64M "
                                 "-chardev null,id=null");

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        g_auto(GStrv) parts = g_strsplit(wrong[i].options, ",chardev=", 2);
        QDict *arguments = qdict_new();
        QDict *response, *error;

        qdict_put_str(arguments, "driver", parts[0]);
        if (parts[1]) {
            qdict_put_str(arguments, "chardev", parts[1]);
        }
        response = qtest_qmp(qts, "{'execute': 'device_add', 'arguments': %p}",
                             arguments);
        error = qdict_get_qdict(response, "error");
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                                wrong[i].error));
        qobject_unref(response);
    }
    qtest_quit(qts);
}

static void says_that_memory_must_be_shared(void)
{
    Peer *peer = peer_new();
    Bed *bed = bed_new_with("-object memory-backend-ram,id=ram,size=64M",
                            peer_path(peer), "");

    peer_listen(peer);
    bed_drive_all(bed);
    bed_wait_problem(bed, "can't be shared with it: use memory-backend-tier");
    bed_free(bed);
    peer_free(peer);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);   /* QEMU may close what the peer writes to */
#define ADD(test) qtest_add_func("/vhost-user-tier/" #test, test)
    ADD(has_its_id_and_features);
    ADD(features_can_be_left_out);
    ADD(shows_the_daemons_configuration);
    ADD(tells_of_a_new_configuration);
    ADD(ignores_what_a_guest_writes_to_its_configuration);
    ADD(carries_requests_and_answers);
    ADD(carries_events);
    ADD(qmp_shows_the_device);
    ADD(virtio_status_can_be_asked_for);
    ADD(many_devices_have_a_daemon_each);
    ADD(refuses_chardevs_that_lead_nowhere);
    ADD(says_that_memory_must_be_shared);
#undef ADD
    add_lifetime_tests();
    add_misbehaviour_tests();
    add_hint_tests();
    add_garbage_tests();
    return g_test_run();
}
