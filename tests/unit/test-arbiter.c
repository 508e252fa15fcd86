/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter's split of tier 0: what each gets in cases worked out by hand, and what must hold in all cases.
 */
#include <glib.h>

#include "core/arbiter.h"
#include "rng.h"

#define MAX_CLAIMS 6
#define MIB (1ull << 20)

typedef struct Split {
    const char *name;
    uint64_t capacity_mib;
    size_t n;
    struct {
        uint64_t floor_mib, ceiling_mib;
        uint32_t weight;
        uint64_t budget_mib;
    } vms[MAX_CLAIMS];
} Split;

static const Split splits[] = {
    {"one_vm_gets_its_ceiling_where_there_is_enough", 1000, 1, {{0, 300, 100, 300}}},
    {"one_vm_gets_all_there_is", 200, 1, {{0, 300, 100, 200}}},
    {"equals_share_equally", 400, 2, {{0, 300, 100, 200}, {0, 300, 100, 200}}},
    {"weights_share_in_proportion", 400, 2, {{0, 400, 300, 300}, {0, 400, 100, 100}}},
    {"floors_come_before_weights", 400, 2, {{300, 400, 1, 304}, {0, 400, 24, 96}}},
    {"what_a_ceiling_leaves_goes_to_the_others",
     900,
     3,
     {{0, 100, 1, 100}, {0, 1000, 1, 400}, {0, 1000, 1, 400}}},
    {"nothing_is_held_back_nor_given_above_a_ceiling", 1000, 2, {{10, 200, 5, 200}, {0, 300, 1, 300}}},
    {"floors_beyond_the_capacity_are_cut_alike", 300, 2, {{400, 500, 1, 200}, {200, 500, 9, 100}}},
    {"a_floor_above_the_ceiling_is_the_ceiling", 1000, 2, {{500, 100, 1, 100}, {0, 900, 1, 900}}},
    {"weight_0_counts_as_1", 400, 2, {{0, 400, 0, 200}, {0, 400, 1, 200}}},
    {"no_capacity_no_budget", 0, 2, {{100, 400, 1, 0}, {0, 400, 1, 0}}},
    {"no_vms", 1000, 0, {{0}}},
};

static void splits_as_worked_out(const void *data)
{
    const Split *split = data;
    ArbiterClaim claims[MAX_CLAIMS] = {0};
    uint64_t budgets[MAX_CLAIMS] = {0};

    for (size_t i = 0; i < split->n; i++) {
        claims[i].floor_bytes = split->vms[i].floor_mib * MIB;
        claims[i].ceiling_bytes = split->vms[i].ceiling_mib * MIB;
        claims[i].weight = split->vms[i].weight;
    }
    arbiter_split(split->capacity_mib * MIB, claims, split->n, budgets);
    for (size_t i = 0; i < split->n; i++) {
        g_assert_cmpuint(budgets[i], <=, split->vms[i].budget_mib * MIB);
        g_assert_cmpuint(budgets[i] + 32ull * 4096, >=,
                         split->vms[i].budget_mib * MIB); /* a page a unit of weight */
    }
}

static uint64_t random_bytes(Rng *rng)
{
    return rng_next(rng) >> (rng_next(rng) % 64);
}

static void holds_its_promises_whatever_is_claimed(void)
{
    Rng rng = {.state = 42};

    for (int round = 0; round < 20000; round++) {
        ArbiterClaim claims[MAX_CLAIMS];
        uint64_t budgets[MAX_CLAIMS], capacity = random_bytes(&rng);
        size_t n = 1 + rng_next(&rng) % MAX_CLAIMS;
        unsigned __int128 floors = 0, ceilings = 0, given = 0;

        for (size_t i = 0; i < n; i++) {
            claims[i] = (ArbiterClaim){random_bytes(&rng), random_bytes(&rng), random_bytes(&rng)};
            floors += MIN(claims[i].floor_bytes, claims[i].ceiling_bytes);
            ceilings += claims[i].ceiling_bytes;
        }
        arbiter_split(capacity, claims, n, budgets);
        for (size_t i = 0; i < n; i++) {
            given += budgets[i];
            g_assert_cmpuint(budgets[i] % 4096, ==, 0);
            g_assert_cmpuint(budgets[i], <=, claims[i].ceiling_bytes);
            if (floors <= capacity) {
                uint64_t floor = MIN(claims[i].floor_bytes, claims[i].ceiling_bytes);

                g_assert_cmpuint(budgets[i], >=, floor / 4096 * 4096);
            }
        }
        g_assert_true(given <= capacity);
        if (ceilings <= capacity) {
            g_assert_true(given + (unsigned __int128)n * 4096 >= ceilings);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(splits); i++) {
        g_autofree char *path = g_strdup_printf("/arbiter/%s", splits[i].name);

        g_test_add_data_func(path, &splits[i], splits_as_worked_out);
    }
    g_test_add_func("/arbiter/holds_its_promises_whatever_is_claimed",
                    holds_its_promises_whatever_is_claimed);
    return g_test_run();
}
