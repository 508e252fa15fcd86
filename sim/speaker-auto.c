/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 'tier-hint auto' in a simulated guest, of one program that has all of its memory. Blocks are of 2 MiB of the
 * full-size machine, which are few pages of a small one.
 */
#include "speaker-auto.h"

#include <math.h>

#include "auto.h"
#include "core/policy.h"
#include "damon.h"
#include "seen.h"

#define SECOND 1000000000ull
#define SAMPLE_NS (AUTO_SAMPLE_MS * (SECOND / 1000))
#define INTERVAL_NS (AUTO_INTERVAL_S * SECOND)

static const SeenRule rule = {
    .hot_percent = AUTO_HOT_PERCENT, .cold_after_s = AUTO_COLD_AFTER_S, .again_s = AUTO_AGAIN_S};

struct SpeakerAuto {
    Guest *guest;
    const uint32_t *order;
    SimDamon *damon;
    Seen *seen;
    double page_bytes;              /* of the full-size machine that a page stands for */
    uint64_t now_ns, speaks_ns;
};

static uint64_t address_of(const SpeakerAuto *speaker, size_t page)
{
    return (uint64_t)((double)page * speaker->page_bytes);
}

static void on_aggregated(void *opaque, SimDamonRegion *regions, size_t n)
{
    SpeakerAuto *speaker = opaque;

    for (size_t i = 0; i < n; i++) {
        const SeenRange range = {
            .start = address_of(speaker, regions[i].first),
            .end = address_of(speaker, regions[i].first + regions[i].pages),
        };

        seen_note(speaker->seen, &range, regions[i].nr_accesses, AUTO_LOOKS, speaker->now_ns / SECOND);
    }
}

SpeakerAuto *speaker_auto_new(Guest *guest, const uint32_t *order)
{
    const SimDamonAttrs attrs = {
        .sample_ns = SAMPLE_NS,
        .aggr_ns = SAMPLE_NS * AUTO_LOOKS,
        .min_regions = sim_damon_attrs_default.min_regions,
        .max_regions = AUTO_MAX_REGIONS,
        .in_guest = true,
        .order = order,
    };
    g_autoptr(GArray) memory = g_array_new(FALSE, FALSE, sizeof(SeenRange));
    SpeakerAuto *speaker = g_new0(SpeakerAuto, 1);
    SeenRange all = {0};

    speaker->guest = guest;
    speaker->order = order;
    speaker->page_bytes = SIM_PAGE / machine_config(guest_machine(guest))->scale;
    speaker->now_ns = machine_now_ns(guest_machine(guest));
    speaker->speaks_ns = speaker->now_ns + INTERVAL_NS;
    all.end = address_of(speaker, guest_pages(guest));
    g_array_append_val(memory, all);
    speaker->seen = seen_new(memory, NULL, speaker->now_ns / SECOND);
    speaker->damon = sim_damon_new(guest_machine(guest), guest, &attrs, on_aggregated, speaker);
    return speaker;
}

void speaker_auto_free(SpeakerAuto *speaker)
{
    if (speaker) {
        sim_damon_free(speaker->damon);
        seen_free(speaker->seen);
        g_free(speaker);
    }
}

/* Say it of the pages of @range, run by run as they lie in the guest's memory. */
static void say_range(SpeakerAuto *speaker, PolicyHint hint, const SeenRange *range)
{
    const size_t first = (size_t)((double)range->start / speaker->page_bytes);
    const size_t end = MIN((size_t)ceil((double)range->end / speaker->page_bytes), guest_pages(speaker->guest));
    size_t run_first = 0, run = 0;

    for (size_t i = first; i < end; i++) {
        const size_t page = speaker->order ? speaker->order[i] : i;

        if (run > 0 && page != run_first + run) {
            guest_say(speaker->guest, hint, run_first, run);
            run = 0;
        }
        run_first = run > 0 ? run_first : page;
        run++;
    }
    if (run > 0) {
        guest_say(speaker->guest, hint, run_first, run);
    }
}

static void say(SpeakerAuto *speaker, PolicyHint hint, const GArray *ranges)
{
    for (guint i = 0; i < ranges->len; i++) {
        say_range(speaker, hint, &g_array_index(ranges, SeenRange, i));
    }
}

static void speak(SpeakerAuto *speaker)
{
    g_autoptr(GArray) hot = g_array_new(FALSE, FALSE, sizeof(SeenRange));
    g_autoptr(GArray) cold = g_array_new(FALSE, FALSE, sizeof(SeenRange));

    const uint64_t bytes = address_of(speaker, guest_pages(speaker->guest));

    seen_tell(speaker->seen, &rule, bytes, speaker->now_ns / SECOND, hot, cold);
    say(speaker, POLICY_HINT_HOT, hot);
    say(speaker, POLICY_HINT_COLD, cold);
}

uint64_t speaker_auto_tick(SpeakerAuto *speaker, uint64_t now_ns)
{
    uint64_t due_ns;

    speaker->now_ns = now_ns;
    due_ns = sim_damon_tick(speaker->damon, now_ns);
    if (now_ns >= speaker->speaks_ns) {
        speak(speaker);
        speaker->speaks_ns = now_ns + INTERVAL_NS;
    }
    return MIN(due_ns, speaker->speaks_ns);
}
