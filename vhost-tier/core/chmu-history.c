/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The units that a hotness unit has listed lately; chmu-history.h says what for.
 */
#include "chmu-history.h"

typedef struct Listed {
    uint64_t unit;
    uint32_t first_ms;              /* since then it was listed again within CHMU_LASTING_NS each time */
    uint32_t last_ms;               /* of times only differences matter: that they wrap does not */
} Listed;

#define MS 1000000ull

struct ChmuHistory {
    GArray *listed, *next;          /* Listed, ascending by unit; the other is scratch */
    uint32_t burst;
};

ChmuHistory *chmu_history_new(void)
{
    ChmuHistory *history = g_new0(ChmuHistory, 1);

    history->listed = g_array_new(FALSE, FALSE, sizeof(Listed));
    history->next = g_array_new(FALSE, FALSE, sizeof(Listed));
    history->burst = CHMU_BURST;
    return history;
}

void chmu_history_set_burst(ChmuHistory *history, uint32_t burst)
{
    history->burst = burst;
}

void chmu_history_free(ChmuHistory *history)
{
    if (history) {
        g_array_unref(history->listed);
        g_array_unref(history->next);
        g_free(history);
    }
}

static bool is_old(const Listed *listed, uint32_t now_ms)
{
    return now_ms - listed->last_ms > CHMU_LASTING_NS / MS;
}

void chmu_history_add(ChmuHistory *history, const ChmuCount *counts, size_t n, uint64_t epoch_ns,
                      uint64_t now_ns, double *per_s)
{
    const Listed *before = (const Listed *)(void *)history->listed->data;
    const size_t n_before = history->listed->len;
    const uint32_t now_ms = (uint32_t)(now_ns / MS);
    GArray *next = history->next;
    size_t at = 0;                  /* in 'before' */

    g_array_set_size(next, 0);
    for (size_t i = 0; i < n; i++) {
        bool known;
        Listed listed;
        double lasting;

        for (; at < n_before && before[at].unit < counts[i].unit; at++) {
            if (!is_old(&before[at], now_ms)) {
                g_array_append_val(next, before[at]);
            }
        }
        known = at < n_before && before[at].unit == counts[i].unit;
        listed = (Listed){
            .unit = counts[i].unit,
            .first_ms = known && !is_old(&before[at], now_ms) ? before[at].first_ms : now_ms,
            .last_ms = now_ms,
        };
        at += known;
        g_array_append_val(next, listed);
        lasting = counts[i].count;
        if (now_ms - listed.first_ms <= (epoch_ns + epoch_ns / 2) / MS) {
            lasting -= MIN(lasting, history->burst);
        }
        per_s[i] = lasting * 1e9 / (double)MAX(epoch_ns, 1);
    }
    for (; at < n_before; at++) {
        if (!is_old(&before[at], now_ms)) {
            g_array_append_val(next, before[at]);
        }
    }
    history->next = history->listed;
    history->listed = next;
}

size_t chmu_history_bytes(const ChmuHistory *history)
{
    return (history->listed->len + history->next->len) * sizeof(Listed);
}
