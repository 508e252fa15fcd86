/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of vhost-user-tier with the real daemon and a guest that asks for
 * nonsense: it is told so, or has to reset its device, and no other is harmed.
 */
#include "qemu/osdep.h"

#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "vhost-user-tier-daemon.h"

static void says_what_is_wrong_with_a_range(void)
{
    static const struct {
        uint64_t addr, len;
        uint32_t status;
    } wrong[] = {
        { BED_FREE, 0, VIRTIO_TIER_S_INVAL },
        { BED_FREE + 1, 4096, VIRTIO_TIER_S_INVAL },
        { BED_FREE, 4095, VIRTIO_TIER_S_INVAL },
        { UINT64_MAX - 4095, 8192, VIRTIO_TIER_S_INVAL },
        { 4096, UINT64_MAX - 4095, VIRTIO_TIER_S_INVAL },
        { BED_RAM_BYTES, 4096, VIRTIO_TIER_S_NOT_RAM },
        { BED_RAM_BYTES - 4096, 8192, VIRTIO_TIER_S_NOT_RAM },
        { 0, 1ull << 62, VIRTIO_TIER_S_NOT_RAM },
        { 0xfec00000, 4096, VIRTIO_TIER_S_NOT_RAM },
    };
    g_autoptr(Daemon) daemon = daemon_new();
    g_autoptr(Bed) bed = NULL;

    if (!daemon) {
        return;
    }
    bed = daemon_start_driven(daemon, "one");
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        for (uint16_t type = VIRTIO_TIER_T_HOT; type <= VIRTIO_TIER_T_QUERY;
             type++) {
            g_assert_cmpuint(bed_hint(bed, type, wrong[i].addr, wrong[i].len),
                             ==, wrong[i].status);
        }
    }
    g_assert_cmpuint(bed_hint(bed, 0, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_UNSUPP);
    g_assert_cmpuint(bed_hint(bed, 8, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_UNSUPP);
    bed_drive(bed, 1ull << VIRTIO_F_VERSION_1);
    for (uint16_t type = VIRTIO_TIER_T_PIN; type <= VIRTIO_TIER_T_QUERY;
         type++) {
        g_assert_cmpuint(bed_hint(bed, type, BED_FREE, 4096), ==,
                         VIRTIO_TIER_S_UNSUPP);
    }
}

/* A guest that misbehaves, and another one of the same daemon */
typedef struct Guests {
    Daemon *daemon;
    Bed *bed, *other;
} Guests;

/* NULL, and the test is skipped, where there is no daemon. */
static Guests *guests_new(void)
{
    Daemon *daemon = daemon_new();
    Guests *guests;

    if (!daemon) {
        return NULL;
    }
    guests = g_new0(Guests, 1);
    guests->daemon = daemon;
    guests->bed = daemon_start_driven(daemon, "one");
    guests->other = daemon_start_driven(daemon, "two");
    return guests;
}

static void guests_free(Guests *guests)
{
    bed_free(guests->bed);
    bed_free(guests->other);
    daemon_free(guests->daemon);
    g_free(guests);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Guests, guests_free)

/* Wait until the chain was given back or the queue is broken; then mend it. */
static void expect_no_harm(Guests *guests)
{
    Bed *bed = guests->bed;
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;

    while (!bed_has_used(bed, VIRTIO_TIER_Q_HINT) &&
           !bed_query_bool(bed, "needs-reset")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    g_assert_cmpuint(bed_hint(guests->other, VIRTIO_TIER_T_HOT, BED_FREE,
                              4096), ==, VIRTIO_TIER_S_OK);
    bed_drive_all(bed);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_HOT, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_OK);
}

static void add_raw(Bed *bed, BedDesc out, BedDesc in)
{
    BedDesc descs[] = { out, in };

    bed_add(bed, VIRTIO_TIER_Q_HINT, descs, in.len ? 2 : 1);
}

/* Chains that are too short or long, or point the wrong way */
static void bad_chains_do_no_harm(void)
{
    const BedDesc out = { BED_FREE, 32, 0 };
    const BedDesc in = { BED_FREE + 4096, 64, VRING_DESC_F_WRITE };
    const BedDesc none = {};
    const BedDesc chains[][2] = {
        { { BED_FREE, 1, 0 }, in },
        { { BED_FREE, 15, 0 }, in },
        { { BED_FREE, 31, 0 }, in },
        { { BED_FREE, 33, 0 }, in },
        { { BED_FREE, UINT32_MAX, 0 }, in },
        { { BED_RAM_BYTES, 32, 0 }, in },
        { { UINT64_MAX, 32, 0 }, in },
        { out, none },
        { out, { BED_FREE + 4096, 1, VRING_DESC_F_WRITE } },
        { out, { BED_FREE + 4096, 16, VRING_DESC_F_WRITE } },
        { out, { BED_RAM_BYTES, 64, VRING_DESC_F_WRITE } },
        { out, { BED_FREE + 4096, 64, 0 } },
        { in, none },
        { in, out },
        { { BED_FREE, 32, VRING_DESC_F_INDIRECT }, none },
        { { BED_FREE, 33, VRING_DESC_F_INDIRECT }, none },
    };
    g_autoptr(Guests) guests = guests_new();
    struct virtio_tier_req req = {
        .type = cpu_to_le16(VIRTIO_TIER_T_HOT),
        .n_ranges = cpu_to_le32(1),
    };
    Bed *bed;

    if (!guests) {
        return;
    }
    bed = guests->bed;
    for (unsigned i = 0; i < ARRAY_SIZE(chains); i++) {
        qtest_memwrite(bed->qts, BED_FREE, &req, sizeof(req));
        add_raw(bed, chains[i][0], chains[i][1]);
        expect_no_harm(guests);
    }
}

/* Write a table of descriptors to @at, each followed by the one behind it. */
static void write_table(Bed *bed, uint64_t at, const BedDesc *descs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qtest_writeq(bed->qts, at + 16 * i, descs[i].addr);
        qtest_writel(bed->qts, at + 16 * i + 8, descs[i].len);
        qtest_writew(bed->qts, at + 16 * i + 12, descs[i].flags);
        qtest_writew(bed->qts, at + 16 * i + 14, i + 1);
    }
}

/* Tables that are right, first, and then those that are not */
static void indirect_chains_do_no_harm(void)
{
    const uint64_t table = BED_FREE + 8 * MIB;
    const BedDesc out = { BED_FREE, 32, VRING_DESC_F_NEXT };
    const BedDesc in = { BED_FREE + 4096, 64, VRING_DESC_F_WRITE };
    const struct {
        BedDesc head;
        BedDesc table[2];
    } cases[] = {
        { { table, 32, VRING_DESC_F_INDIRECT }, { out, in } },
        { { table, 0, VRING_DESC_F_INDIRECT }, { out, in } },
        { { table, 17, VRING_DESC_F_INDIRECT }, { out, in } },
        { { table, 16, VRING_DESC_F_INDIRECT }, { out, in } },
        { { table, 0xfffffff0, VRING_DESC_F_INDIRECT }, { out, in } },
        { { BED_RAM_BYTES - 16, 32, VRING_DESC_F_INDIRECT }, { out, in } },
        { { UINT64_MAX - 15, 32, VRING_DESC_F_INDIRECT }, { out, in } },
        { { table, 32, VRING_DESC_F_INDIRECT },
          { { table, 32, VRING_DESC_F_INDIRECT }, in } },
        { { table, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE },
          { out, in } },
        { { table, 32, VRING_DESC_F_INDIRECT },
          { out, { BED_FREE + 4096, 64,
                   VRING_DESC_F_WRITE | VRING_DESC_F_NEXT } } },
    };
    const struct virtio_tier_req req = {
        .type = cpu_to_le16(VIRTIO_TIER_T_HOT),
        .n_ranges = cpu_to_le32(1),
    };
    const struct virtio_tier_range range = { cpu_to_le64(BED_FREE),
                                             cpu_to_le64(4096) };
    g_autoptr(Guests) guests = guests_new();
    Bed *bed;

    if (!guests) {
        return;
    }
    bed = guests->bed;
    qtest_memwrite(bed->qts, BED_FREE, &req, sizeof(req));
    qtest_memwrite(bed->qts, BED_FREE + sizeof(req), &range, sizeof(range));
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        bed_drive(bed, ~(1ull << VIRTIO_RING_F_EVENT_IDX));
        write_table(bed, table, cases[i].table, 2);
        bed_add(bed, VIRTIO_TIER_Q_HINT, &cases[i].head, 1);
        if (i == 0) {
            g_assert_cmpuint(bed_wait_used(bed, VIRTIO_TIER_Q_HINT, 0), ==,
                             sizeof(struct virtio_tier_resp) + 4);
        } else {
            expect_no_harm(guests);
        }
    }
}

/* Rings that lie */
static void bad_rings_do_no_harm(void)
{
    g_autoptr(Guests) guests = guests_new();
    Bed *bed;

    if (!guests) {
        return;
    }
    bed = guests->bed;
    for (unsigned i = 0; i < 4; i++) {
        BedQueue *queue = &bed->queues[VIRTIO_TIER_Q_HINT];
        uint64_t slot = queue->vq.avail + 4 +
                        2 * (queue->avail_idx % BED_QUEUE_SIZE);
        uint64_t desc = queue->vq.desc + 16 * 10;

        /* Descriptor 10 is one that is followed by itself. */
        qtest_writeq(bed->qts, desc, BED_FREE);
        qtest_writel(bed->qts, desc + 8, 16);
        qtest_writew(bed->qts, desc + 12, VRING_DESC_F_NEXT);
        qtest_writew(bed->qts, desc + 14, i == 3 ? 0xffff : 10);
        qtest_writew(bed->qts, slot, i == 2 ? 0xffff : 10);
        qtest_writew(bed->qts, queue->vq.avail + 2,
                     queue->avail_idx + (i == 1 ? 0x8000 : 1));
        bed_kick(bed, VIRTIO_TIER_Q_HINT);
        expect_no_harm(guests);
    }
}

/* A descriptor that is right more often than not */
static BedDesc random_desc(GRand *rand)
{
    static const uint64_t places[] = { BED_FREE, BED_FREE + 4096,
                                       BED_RAM_BYTES - 16, BED_RAM_BYTES,
                                       UINT64_MAX - 8, 0xfee00000 };
    bool right = g_rand_int_range(rand, 0, 3);

    return (BedDesc) {
        right ? BED_FREE + 4096 * g_rand_int_range(rand, 0, 64)
              : places[g_rand_int_range(rand, 0, ARRAY_SIZE(places))],
        right ? g_rand_int_range(rand, 0, 128)
              : g_rand_int(rand) >> g_rand_int_range(rand, 0, 32),
        g_rand_int_range(rand, 0, 2) ? VRING_DESC_F_WRITE
        : g_rand_int_range(rand, 0, 8) ? 0 : VRING_DESC_F_INDIRECT,
    };
}

/* The seed is fixed: what fails once fails again. */
static void random_requests_do_no_harm(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(63);
    g_autoptr(Guests) guests = guests_new();
    Bed *bed;

    if (!guests) {
        return;
    }
    bed = guests->bed;
    for (unsigned i = 0; i < 2000; i++) {
        BedDesc descs[4];
        unsigned n = g_rand_int_range(rand, 1, ARRAY_SIZE(descs) + 1);
        struct virtio_tier_req req = {
            .type = cpu_to_le16(g_rand_int_range(rand, 0, 9)),
            .flags = g_rand_int_range(rand, 0, 10) == 0,
            .n_ranges = cpu_to_le32(g_rand_int_range(rand, 0, 5)),
        };

        for (unsigned d = 0; d < n; d++) {
            descs[d] = random_desc(rand);
        }
        if (descs[0].addr < BED_RAM_BYTES - sizeof(req)) {
            qtest_memwrite(bed->qts, descs[0].addr, &req, sizeof(req));
        }
        bed_add(bed, g_rand_int_range(rand, 0, 8) ? VIRTIO_TIER_Q_HINT
                                                  : VIRTIO_TIER_Q_EVENT,
                descs, n);
        if (i % 32 == 31) {
            bed_drive_all(bed);
        }
    }
    bed_drive_all(bed);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_HOT, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_OK);
    g_assert_cmpuint(bed_hint(guests->other, VIRTIO_TIER_T_HOT, BED_FREE,
                              4096), ==, VIRTIO_TIER_S_OK);
}

void add_garbage_tests(void)
{
#define ADD(test) qtest_add_func("/vhost-user-tier/garbage/" #test, test)
    ADD(says_what_is_wrong_with_a_range);
    ADD(bad_chains_do_no_harm);
    ADD(indirect_chains_do_no_harm);
    ADD(bad_rings_do_no_harm);
    ADD(random_requests_do_no_harm);
#undef ADD
}
