/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access bits, and armed pages.
 *
 * Theory of operation
 *
 * Access bits are drawn when somebody looks: whether there was an access since the bit was cleared follows
 * from how many were to be expected. A translation that is in a TLB when its bit is cleared (there is no
 * flush) does not set it before it was lost: by then unused for the TLB's characteristic time (tlb.c), or by
 * a flush of everything.
 *
 * The touch of an armed page is drawn ahead, when it is armed, since it costs the guest time when it happens:
 * work passes, and those that come due are taken from a heap. A change of the page's rate draws again; that
 * is right, for such a process has no memory. What was in the heap for it is out of date then, and ignored.
 */
#include "machine-impl.h"

#include <math.h>

/* --- access bits --- */

/* What happened to a page, or to a block, since its bit was cleared. */
typedef struct Since {
    double expected, ns; /* accesses; time in which the guest was busy */
} Since;

/* Clear the bit of a page; tells what happened since it was cleared the last time. */
static Since clear_bit(Guest *guest, AccessBits *bits, size_t page)
{
    double expected = guest_expected(guest, page);
    Since since;

    if (!bits->expected) {
        bits->expected = g_new0(double, guest->config.pages);
        bits->ns = g_new0(double, guest->config.pages);
    }
    since = (Since){expected - bits->expected[page], guest->counters.wall_ns - bits->ns[page]};
    bits->expected[page] = expected;
    bits->ns[page] = guest->counters.wall_ns;
    return since;
}

void access_bits_free(AccessBits *bits)
{
    g_free(bits->expected);
    g_free(bits->ns);
}

/*
 * The chance that there was no flush of the TLB or no access after the first one: with flushes and accesses at
 * random, @flushes and @expected of them on average.
 */
static double not_after_a_flush(double flushes, double expected)
{
    double apart = expected - flushes;

    if (fabs(apart) < 1e-6) {
        return exp(-flushes) * (1 + flushes);
    }
    return (expected * exp(-flushes) - flushes * exp(-expected)) / apart;
}

/* Whether the bit is set of what is accessed @rate times a second. */
static bool draw_bit(Guest *guest, double rate, Since since)
{
    const SimCosts *costs = &guest->machine->config.costs;
    double stay_s = tlb_stay_s(guest), lost, clear;

    if (!(since.expected > 0)) {
        return false;
    }
    /* Not in the TLB. What makes no difference to speak of is not worked out: this is the hottest place. */
    if (!(rate > 0) || rate * stay_s < 1e-4) {
        lost = 1;
    } else {
        lost = rate * stay_s > 40 ? 0 : exp(-rate * stay_s);
    }
    clear = lost > 0 ? lost * exp(-since.expected) : 0;
    if (lost < 1) {
        double flushes = costs->tlb_flush_ns ? since.ns / costs->tlb_flush_ns : 0;

        clear += (1 - lost) * exp(-since.expected * lost) * not_after_a_flush(flushes, since.expected);
    }
    return sim_random_uniform(&guest->machine->random) >= clear;
}

static bool young(Guest *guest, AccessBits *bits, size_t page)
{
    Since since = clear_bit(guest, bits, page);

    return guest->tier[page] != SIM_ABSENT && draw_bit(guest, guest->rate[page], since);
}

bool guest_young(Guest *guest, size_t page)
{
    machine_charge_host(guest->machine, guest->machine->config.costs.abit_ns);
    return young(guest, &guest->bits, page);
}

void guest_make_old(Guest *guest, size_t page)
{
    machine_charge_host(guest->machine, guest->machine->config.costs.abit_ns);
    clear_bit(guest, &guest->bits, page);
}

bool guest_own_young(Guest *guest, size_t page)
{
    guest_charge(guest, guest->machine->config.scale * guest->machine->config.costs.abit_ns);
    return young(guest, &guest->own_bits, page);
}

void guest_own_make_old(Guest *guest, size_t page)
{
    guest_charge(guest, guest->machine->config.scale * guest->machine->config.costs.abit_ns);
    clear_bit(guest, &guest->own_bits, page);
}

bool guest_young_block(Guest *guest, size_t block)
{
    size_t first = block * SIM_BLOCK_PAGES, end = MIN(first + SIM_BLOCK_PAGES, guest->config.pages);
    Since all = {0};
    double rate = 0;

    machine_charge_host(guest->machine, guest->machine->config.costs.abit_ns);
    for (size_t page = first; page < end; page++) {
        if (guest->tier[page] != SIM_ABSENT) {
            Since since = clear_bit(guest, &guest->bits, page);

            rate += guest->rate[page];
            all.expected += since.expected;
            all.ns = MAX(all.ns, since.ns);
        }
    }
    return draw_bit(guest, rate, all);
}

/* --- armed pages --- */

static void sift_up(GArray *heap, guint i)
{
    Touch *touches = (Touch *)(void *)heap->data, moving = touches[i];

    while (i > 0 && touches[(i - 1) / 2].work_s > moving.work_s) {
        touches[i] = touches[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    touches[i] = moving;
}

static void sift_down(GArray *heap, guint i)
{
    Touch *touches = (Touch *)(void *)heap->data, moving = touches[i];

    for (guint child = 2 * i + 1; child < heap->len; child = 2 * i + 1) {
        if (child + 1 < heap->len && touches[child + 1].work_s < touches[child].work_s) {
            child++;
        }
        if (touches[child].work_s >= moving.work_s) {
            break;
        }
        touches[i] = touches[child];
        i = child;
    }
    touches[i] = moving;
}

static bool up_to_date(const Guest *guest, const Touch *touch)
{
    return (guest->flags[touch->page] & PAGE_ARMED) && guest->arming.touch_s[touch->page] == touch->work_s;
}

/* Leave out what is out of date, once it is the larger part. */
static void tidy_heap(Guest *guest)
{
    GArray *heap = guest->arming.touches;
    guint kept = 0;

    if (heap->len < 2 * guest->arming.n_armed + 1024) {
        return;
    }
    for (guint i = 0; i < heap->len; i++) {
        if (up_to_date(guest, &g_array_index(heap, Touch, i))) {
            g_array_index(heap, Touch, kept++) = g_array_index(heap, Touch, i);
        }
    }
    g_array_set_size(heap, kept);
    for (guint i = kept / 2; i-- > 0;) {
        sift_down(heap, i);
    }
}

void arming_redraw(Guest *guest, size_t page)
{
    Arming *arming = &guest->arming;
    double rate = guest->rate[page];
    Touch touch;

    if (guest->flags[page] & PAGE_ARMED_WRITES) {
        rate *= guest->config.write_share;
    }
    arming->touch_s[page] = INFINITY;
    if (rate > 0) {
        touch.page = (uint32_t)page;
        touch.work_s = guest->work_s + sim_random_exponential(&guest->machine->random) / rate;
        arming->touch_s[page] = touch.work_s;
        tidy_heap(guest);
        g_array_append_val(arming->touches, touch);
        sift_up(arming->touches, arming->touches->len - 1);
    }
}

static void arm(Guest *guest, size_t page, uint8_t flags)
{
    Arming *arming = &guest->arming;

    machine_charge_host(guest->machine, guest->machine->config.costs.arm_ns);
    if (guest->tier[page] == SIM_ABSENT || (guest->flags[page] & PAGE_ARMED)) {
        return;
    }
    if (!arming->touch_s) {
        arming->touch_s = g_new0(double, guest->config.pages);
        arming->touched_ns = g_new0(uint64_t, guest->config.pages);
        arming->touches = g_array_new(false, false, sizeof(Touch));
    }
    guest->flags[page] = (uint8_t)((guest->flags[page] & PAGE_PINNED) | flags);
    arming->n_armed++;
    arming_redraw(guest, page);
}

void guest_arm(Guest *guest, size_t page)
{
    arm(guest, page, PAGE_ARMED);
}

void guest_arm_writes(Guest *guest, size_t page)
{
    arm(guest, page, PAGE_ARMED | PAGE_ARMED_WRITES);
}

bool guest_armed(const Guest *guest, size_t page)
{
    return guest->flags[page] & PAGE_ARMED;
}

bool guest_faulted(Guest *guest, size_t page, uint64_t *touched_ns)
{
    if (!(guest->flags[page] & PAGE_TOUCHED)) {
        return false;
    }
    if (touched_ns) {
        *touched_ns = guest->arming.touched_ns[page];
    }
    return true;
}

bool guest_touched(Guest *guest, size_t page, uint64_t *touched_ns)
{
    machine_charge_host(guest->machine, guest->machine->config.costs.look_ns);
    return guest_faulted(guest, page, touched_ns);
}

static void take_fault(Guest *guest, uint32_t page, uint64_t now_ns)
{
    Arming *arming = &guest->arming;

    guest->flags[page] = (uint8_t)((guest->flags[page] & PAGE_PINNED) | PAGE_TOUCHED);
    arming->touched_ns[page] = now_ns;
    arming->n_armed--;
    guest->counters.faults++;
    guest->debt_ns += guest->machine->config.costs.fault_ns;
    if (arming->faults) {
        Fault fault = {page, now_ns};

        g_array_append_val(arming->faults, fault);
    }
}

void arming_advance(Guest *guest, double until_s, uint64_t now_ns, double speed)
{
    GArray *heap = guest->arming.touches;

    while (heap && heap->len > 0 && g_array_index(heap, Touch, 0).work_s <= until_s) {
        Touch touch = g_array_index(heap, Touch, 0);

        g_array_index(heap, Touch, 0) = g_array_index(heap, Touch, heap->len - 1);
        g_array_set_size(heap, heap->len - 1);
        if (heap->len > 0) {
            sift_down(heap, 0);
        }
        if (up_to_date(guest, &touch)) {
            take_fault(guest, touch.page, now_ns + (uint64_t)((touch.work_s - guest->work_s) * 1e9 / speed));
        }
    }
}

size_t guest_faults(Guest *guest, uint32_t *pages, uint64_t *touched_ns, size_t max)
{
    GArray *faults = guest->arming.faults;
    size_t n;

    if (!faults) {
        guest->arming.faults = g_array_new(false, false, sizeof(Fault));
        return 0;
    }
    n = MIN(max, faults->len);
    for (size_t i = 0; i < n; i++) {
        pages[i] = g_array_index(faults, Fault, i).page;
        touched_ns[i] = g_array_index(faults, Fault, i).now_ns;
    }
    if (n > 0) {
        g_array_remove_range(faults, 0, (guint)n);
    }
    return n;
}

void arming_free(Arming *arming)
{
    g_free(arming->touch_s);
    g_free(arming->touched_ns);
    g_clear_pointer(&arming->touches, g_array_unref);
    g_clear_pointer(&arming->faults, g_array_unref);
}
