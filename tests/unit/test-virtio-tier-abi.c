/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ABI of virtio-tier: every offset, size and number that docs/virtio-tier.md states, as guests and hosts that were
 * built years apart have them. What fails here breaks them all: it is not to be mended by changing this test.
 */
#include <glib.h>
#include <stddef.h>

#include "uapi/linux/virtio_tier.h"

static void structures_are_laid_out_as_specified(void)
{
    static const struct {
        const char *name;
        size_t offset, bytes, specified_offset, specified_bytes;
    } fields[] = {
#define FIELD(type, field, at, size) \
    { #type "." #field, offsetof(struct type, field), sizeof(((struct type *)NULL)->field), at, size }
#define SIZE(type, size) { #type, 0, sizeof(struct type), 0, size }
        FIELD(virtio_tier_config, granule, 0, 8),
        FIELD(virtio_tier_config, fast_budget, 8, 8),
        FIELD(virtio_tier_config, pin_limit, 16, 8),
        FIELD(virtio_tier_config, max_ranges, 24, 4),
        FIELD(virtio_tier_config, max_ranges_per_s, 28, 4),
        FIELD(virtio_tier_config, n_tiers, 32, 4),
        FIELD(virtio_tier_config, reserved, 36, 4),
        SIZE(virtio_tier_config, 40),
        FIELD(virtio_tier_req, type, 0, 2),
        FIELD(virtio_tier_req, flags, 2, 2),
        FIELD(virtio_tier_req, n_ranges, 4, 4),
        FIELD(virtio_tier_req, cookie, 8, 8),
        SIZE(virtio_tier_req, 16),
        FIELD(virtio_tier_range, addr, 0, 8),
        FIELD(virtio_tier_range, len, 8, 8),
        SIZE(virtio_tier_range, 16),
        FIELD(virtio_tier_resp, status, 0, 4),
        FIELD(virtio_tier_resp, n_ranges, 4, 4),
        FIELD(virtio_tier_resp, cookie, 8, 8),
        SIZE(virtio_tier_resp, 16),
        FIELD(virtio_tier_result, status, 0, 4),
        FIELD(virtio_tier_result, reserved, 4, 4),
        FIELD(virtio_tier_result, tier_bytes, 8, 32),
        FIELD(virtio_tier_result, other_bytes, 40, 8),
        FIELD(virtio_tier_result, accesses_per_s, 48, 8),
        SIZE(virtio_tier_result, 56),
        FIELD(virtio_tier_event, type, 0, 4),
        FIELD(virtio_tier_event, reason, 4, 4),
        FIELD(virtio_tier_event, value, 8, 8),
        FIELD(virtio_tier_event, lost, 16, 8),
        SIZE(virtio_tier_event, 24),
#undef FIELD
#undef SIZE
    };

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (fields[i].offset != fields[i].specified_offset || fields[i].bytes != fields[i].specified_bytes) {
            g_test_message("%s has %zu bytes at %zu, not %zu at %zu", fields[i].name, fields[i].bytes, fields[i].offset,
                           fields[i].specified_bytes, fields[i].specified_offset);
            g_test_fail();
        }
    }
}

static void numbers_are_as_specified(void)
{
    static const struct {
        const char *name;
        unsigned is, specified;
    } numbers[] = {
#define N(name, value) { #name, VIRTIO_TIER_##name, value }
        { "ID", VIRTIO_ID_TIER, 63 },
        N(F_PIN, 0), N(F_QUERY, 1), N(F_EVENTS, 2),
        N(Q_HINT, 0), N(Q_EVENT, 1), N(Q_COUNT, 2),
        N(MAX_TIERS, 4), N(MAX_RANGES, 1024),
        N(T_HOT, 1), N(T_COLD, 2), N(T_WILLNEED, 3), N(T_FREE, 4), N(T_PIN, 5), N(T_UNPIN, 6), N(T_QUERY, 7),
        N(S_OK, 0), N(S_UNSUPP, 1), N(S_INVAL, 2), N(S_NOT_RAM, 3), N(S_RATE, 4), N(S_LIMIT, 5), N(S_UNTRUSTED, 6),
        N(S_OFF, 7), N(S_IOERR, 8), N(S_COUNT, 9),
        N(E_BUDGET, 1), N(E_PINS_DROPPED, 2), N(E_HINTS_IGNORED, 3),
        N(R_NONE, 0), N(R_BUDGET, 1), N(R_RATE, 2), N(R_TRUST, 3), N(R_OFF, 4), N(R_RESTART, 5),
#undef N
    };

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (numbers[i].is != numbers[i].specified) {
            g_test_message("%s is %u, not %u", numbers[i].name, numbers[i].is, numbers[i].specified);
            g_test_fail();
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/virtio-tier-abi/" #test, test)
    ADD(structures_are_laid_out_as_specified);
    ADD(numbers_are_as_specified);
#undef ADD
    return g_test_run();
}
