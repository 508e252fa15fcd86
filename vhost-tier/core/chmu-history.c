/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The units that a hotness unit has listed lately; chmu-history.h says what for.
 */
#include "chmu-history.h"

typedef struct Listed {
    uint64_t unit;
    uint64_t first_ns;              /* since then it was listed again within CHMU_LASTING_NS each time */
    uint64_t last_ns;
} Listed;

struct ChmuHistory {
    GArray *listed, *next;          /* Listed, ascending by unit; the other is scratch */
};

ChmuHistory *chmu_history_new(void)
{
    ChmuHistory *history = g_new0(ChmuHistory, 1);

    history->listed = g_array_new(FALSE, FALSE, sizeof(Listed));
    history->next = g_array_new(FALSE, FALSE, sizeof(Listed));
    return history;
}

void chmu_history_free(ChmuHistory *history)
{
    if (history) {
        g_array_unref(history->listed);
        g_array_unref(history->next);
        g_free(history);
    }
}

static bool is_old(const Listed *listed, uint64_t now_ns)
{
    return listed->last_ns + CHMU_LASTING_NS < now_ns;
}

void chmu_history_add(ChmuHistory *history, const ChmuCount *counts, size_t n, uint64_t epoch_ns,
                      uint64_t now_ns, double *per_s)
{
    const Listed *before = (const Listed *)(void *)history->listed->data;
    const Listed *end = before + history->listed->len;
    GArray *next = history->next;

    g_array_set_size(next, 0);
    for (size_t i = 0; i < n; i++) {
        bool known;
        Listed listed;
        double lasting;

        for (; before < end && before->unit < counts[i].unit; before++) {
            if (!is_old(before, now_ns)) {
                g_array_append_val(next, *before);
            }
        }
        known = before < end && before->unit == counts[i].unit;
        listed = (Listed){
            .unit = counts[i].unit,
            .first_ns = known && !is_old(before, now_ns) ? before->first_ns : now_ns,
            .last_ns = now_ns,
        };
        before += known;
        g_array_append_val(next, listed);
        lasting = counts[i].count;
        if (now_ns - listed.first_ns <= epoch_ns + epoch_ns / 2) {
            lasting -= MIN(lasting, CHMU_BURST);
        }
        per_s[i] = lasting * 1e9 / (double)MAX(epoch_ns, 1);
    }
    for (; before < end; before++) {
        if (!is_old(before, now_ns)) {
            g_array_append_val(next, *before);
        }
    }
    history->next = history->listed;
    history->listed = next;
}

size_t chmu_history_bytes(const ChmuHistory *history)
{
    return (history->listed->len + history->next->len) * sizeof(Listed);
}
