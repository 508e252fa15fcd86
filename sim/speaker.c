/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How guests speak to their host. One is honest: it tells what is hot, and what is so no more, when its
 * workload moves on. One says what it sees of itself (speaker-auto.h). The others lie, each in its way, once a second.
 */
#include "speaker.h"

#include <string.h>

#include "core/policy.h"
#include "random.h"
#include "speaker-auto.h"
#include "workloads/common.h"

#define PERIOD_NS SECOND_NS
#define FLOOD_NS 50000000ull
#define FLOOD_RANGES_PER_S 2e6      /* of the full size: ten times as many as the host takes */
#define HOT_ABOVE 2                 /* hot is what is accessed so many times as often as the mean */

typedef struct Speaker Speaker;

typedef struct Manner {
    const char *name;
    void (*speak)(Speaker *speaker);    /* NULL: speaker-auto.h */
    uint64_t period_ns;             /* UINT64_MAX: when the workload moves on */
} Manner;

struct Speaker {
    Workload base;
    Workload *inner;
    const Manner *manner;
    SimRandom random;
    bool *said_hot;                 /* pages of which it said so last */
    SpeakerAuto *of_itself;
    uint64_t inner_due_ns, due_ns;
};

/* Whether a page is spoken of. */
typedef bool About(const Speaker *speaker, size_t page, double hot_above);

static bool is_hot(const Speaker *speaker, size_t page, double hot_above)
{
    return guest_rate(speaker->base.guest, page) > hot_above;
}

static bool is_cold(const Speaker *speaker, size_t page, double hot_above)
{
    return !is_hot(speaker, page, hot_above);
}

static bool cooled(const Speaker *speaker, size_t page, double hot_above)
{
    return speaker->said_hot[page] && !is_hot(speaker, page, hot_above);
}

static bool any(const Speaker *speaker, size_t page, double hot_above)
{
    return true;
}

static double hot_rate(const Speaker *speaker)
{
    const size_t n = guest_pages(speaker->base.guest);
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += guest_rate(speaker->base.guest, i);
    }
    return HOT_ABOVE * sum / (double)n;
}

/* Say @hint of all that it is about, run by run of at most @longest. */
static void say(Speaker *speaker, PolicyHint hint, About *about, size_t longest)
{
    const size_t n = guest_pages(speaker->base.guest);
    const double above = hot_rate(speaker);
    size_t run = 0;

    for (size_t i = 0; i <= n; i++) {
        const bool more = i < n && about(speaker, i, above);

        if (run > 0 && (!more || run == longest)) {
            guest_say(speaker->base.guest, hint, i - run, run);
            run = 0;
        }
        run += more;
    }
}

static void honest(Speaker *speaker)
{
    const double above = hot_rate(speaker);

    say(speaker, POLICY_HINT_HOT, is_hot, SIZE_MAX);
    say(speaker, POLICY_HINT_COLD, cooled, SIZE_MAX);
    for (size_t i = 0; i < guest_pages(speaker->base.guest); i++) {
        speaker->said_hot[i] = is_hot(speaker, i, above);
    }
}

static void all_hot(Speaker *speaker)
{
    say(speaker, POLICY_HINT_HOT, any, SIZE_MAX);
}

static void swapped(Speaker *speaker)
{
    say(speaker, POLICY_HINT_COLD, is_hot, SIZE_MAX);
    say(speaker, POLICY_HINT_HOT, is_cold, SIZE_MAX);
}

static void pins_all(Speaker *speaker)
{
    say(speaker, POLICY_HINT_PIN, is_cold, 16);
    say(speaker, POLICY_HINT_PIN, any, 1);
}

static void floods(Speaker *speaker)
{
    const size_t n = guest_pages(speaker->base.guest);
    const double scale = machine_config(guest_machine(speaker->base.guest))->scale;
    const size_t ranges = (size_t)(FLOOD_RANGES_PER_S * scale * (double)FLOOD_NS / (double)SECOND_NS);

    for (size_t i = 0; i < ranges; i++) {
        const size_t first = sim_random_below(&speaker->random, n), most = MIN(n - first, 512);

        guest_say(speaker->base.guest, (unsigned)sim_random_below(&speaker->random, POLICY_HINT__MAX), first,
                  1 + sim_random_below(&speaker->random, most));
    }
}

static const Manner manners[] = {
    {"honest", honest, UINT64_MAX},  {"all-hot", all_hot, PERIOD_NS}, {"swapped", swapped, PERIOD_NS},
    {"pins-all", pins_all, PERIOD_NS}, {"floods", floods, FLOOD_NS},    {"auto", NULL, 0}, {NULL},
};

static uint64_t speaker_tick(Workload *workload, uint64_t now_ns)
{
    Speaker *speaker = (Speaker *)workload;
    Workload *inner = speaker->inner;
    bool moved;

    if (now_ns >= speaker->inner_due_ns) {
        speaker->inner_due_ns = inner->class->tick(inner, now_ns);
    }
    moved = inner->changed_ns != workload->changed_ns;
    workload->changed_ns = inner->changed_ns;
    if (speaker->of_itself) {
        return MIN(speaker->inner_due_ns, speaker_auto_tick(speaker->of_itself, now_ns));
    }
    if (now_ns >= speaker->due_ns || (moved && speaker->manner->period_ns == UINT64_MAX)) {
        speaker->manner->speak(speaker);
        speaker->due_ns = speaker->manner->period_ns == UINT64_MAX ? UINT64_MAX : now_ns + speaker->manner->period_ns;
    }
    return MIN(speaker->inner_due_ns, speaker->due_ns);
}

static void speaker_destroy(Workload *workload)
{
    Speaker *speaker = (Speaker *)workload;

    speaker->inner->class->destroy(speaker->inner);
    g_free(speaker->said_hot);
    speaker_auto_free(speaker->of_itself);
    g_free(speaker);
}

static const WorkloadClass speaker_class = {.name = "speaker", .tick = speaker_tick, .destroy = speaker_destroy};

Workload *speaker_new(Workload *inner, const char *how, uint64_t seed, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (const Manner *manner = manners; manner->name; manner++) {
        if (g_str_equal(manner->name, how)) {
            Speaker *speaker = g_new0(Speaker, 1);

            speaker->base = (Workload){.class = &speaker_class, .guest = inner->guest};
            speaker->inner = inner;
            speaker->manner = manner;
            speaker->said_hot = g_new0(bool, guest_pages(inner->guest));
            speaker->due_ns = machine_now_ns(guest_machine(inner->guest)) + PERIOD_NS;
            sim_random_init(&speaker->random, seed);
            speaker->of_itself = manner->speak ? NULL : speaker_auto_new(inner->guest, inner->order);
            return &speaker->base;
        }
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", manner->name);
    }
    g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNKNOWN, "a guest can't speak in the manner '%s'; there are %s",
                how, known->str);
    inner->class->destroy(inner);
    return NULL;
}
