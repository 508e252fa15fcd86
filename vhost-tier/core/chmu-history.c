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
    GArray *listed;                 /* Listed, ascending by unit */
    uint32_t burst;
};

ChmuHistory *chmu_history_new(void)
{
    ChmuHistory *history = g_new0(ChmuHistory, 1);

    history->listed = g_array_new(FALSE, FALSE, sizeof(Listed));
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
        g_free(history);
    }
}

static Listed *listed_at(const ChmuHistory *history, size_t index)
{
    return &g_array_index(history->listed, Listed, index);
}

/* Forget what was not listed for CHMU_LASTING_NS. */
static void drop_old(ChmuHistory *history, uint32_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < history->listed->len; i++) {
        const Listed listed = *listed_at(history, i);

        if (now_ms - listed.last_ms <= CHMU_LASTING_NS / MS) {
            *listed_at(history, kept++) = listed;
        }
    }
    g_array_set_size(history->listed, kept);
}

/* How many of the units were not listed lately. */
static size_t count_new(const ChmuHistory *history, const ChmuCount *counts, size_t n)
{
    size_t at = 0, new = 0;

    for (size_t i = 0; i < n; i++) {
        while (at < history->listed->len && listed_at(history, at)->unit < counts[i].unit) {
            at++;
        }
        if (at < history->listed->len && listed_at(history, at)->unit == counts[i].unit) {
            at++;
        } else {
            new++;
        }
    }
    return new;
}

/* As much of a count as is believed to last. */
static double lasting(const ChmuHistory *history, const Listed *listed, uint32_t count, uint64_t epoch_ns)
{
    const bool lately = listed->last_ms - listed->first_ms <= (epoch_ns + epoch_ns / 2) / MS;

    return count - (lately ? MIN(count, history->burst) : 0);
}

void chmu_history_add(ChmuHistory *history, const ChmuCount *counts, size_t n, uint64_t epoch_ns,
                      uint64_t now_ns, double *per_s)
{
    const uint32_t now_ms = (uint32_t)(now_ns / MS);
    size_t before, to;              /* what is still to be moved up lies below 'before', and goes to below 'to' */

    drop_old(history, now_ms);
    before = history->listed->len;
    to = before + count_new(history, counts, n);
    g_array_set_size(history->listed, to);
    for (size_t i = n; i-- > 0;) {
        Listed listed = {.unit = counts[i].unit, .first_ms = now_ms, .last_ms = now_ms};

        while (before > 0 && listed_at(history, before - 1)->unit > listed.unit) {
            *listed_at(history, --to) = *listed_at(history, --before);
        }
        if (before > 0 && listed_at(history, before - 1)->unit == listed.unit) {
            listed.first_ms = listed_at(history, --before)->first_ms;
        }
        *listed_at(history, --to) = listed;
        per_s[i] = lasting(history, &listed, counts[i].count, epoch_ns) * 1e9 / (double)MAX(epoch_ns, 1);
    }
}

size_t chmu_history_bytes(const ChmuHistory *history)
{
    return history->listed->len * sizeof(Listed);
}
