/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TLB, by Che's approximation (Che, Tung and Wang, 'Hierarchical Web caching systems', IEEE JSAC 2002): a
 * cache that drops what was unused the longest behaves as if each entry stayed for one characteristic time T
 * without use. A page of rate r is found in it with probability 1 - e^-rT, so T is where these add up to the
 * entries.
 *
 * That is why hot pages do not set their access bits anew where only a few of them are hot: their
 * translations never leave. What takes them out all the same, on average once in tlb_flush_ns, are flushes of
 * everything: context switches, shootdowns, exits. (Measured with DAMON on a small, always hot set: a bit
 * that is cleared each 5 ms reads set 0.2 to 0.75 of the times; 10 ms give 0.4.)
 *
 * All vCPUs' TLBs are taken as one. Rates are put in classes an eighth of an octave wide, so T costs one pass
 * over the pages, at most every 100 ms.
 */
#include "machine-impl.h"

#include <math.h>
#include <string.h>

#define AGE_NS 100000000u
#define CLASSES 2048u /* sign 0, 8 bits of exponent and 3 of the mantissa of a float */
#define HALVINGS 40

typedef struct RateClass {
    double rate; /* sum; then mean */
    size_t pages;
} RateClass;

/* Sort the guest's pages into classes by rate; returns how many hold any. */
static size_t classify(const Guest *guest, RateClass *classes)
{
    size_t used = 0;

    memset(classes, 0, CLASSES * sizeof(*classes));
    for (size_t page = 0; page < guest->config.pages; page++) {
        uint32_t bits;

        if (guest->rate[page] > 0) {
            memcpy(&bits, &guest->rate[page], sizeof(bits));
            classes[bits >> 20].rate += guest->rate[page];
            classes[bits >> 20].pages++;
        }
    }
    for (size_t i = 0; i < CLASSES; i++) {
        if (classes[i].pages > 0) {
            classes[used++] = (RateClass){classes[i].rate / (double)classes[i].pages, classes[i].pages};
        }
    }
    return used;
}

/* Entries that are in use if each stays @stay_s without use. */
static double occupied(const RateClass *classes, size_t n, double stay_s)
{
    double entries = 0;

    for (size_t i = 0; i < n; i++) {
        entries -= expm1(-classes[i].rate * stay_s) * (double)classes[i].pages;
    }
    return entries;
}

static double solve(const Guest *guest)
{
    double entries = guest->machine->config.costs.tlb_entries * guest->config.vcpus;
    g_autofree RateClass *classes = g_new(RateClass, CLASSES);
    size_t n = classify(guest, classes), pages = 0;
    double low = -40, high = 40; /* log2 of seconds */

    for (size_t i = 0; i < n; i++) {
        pages += classes[i].pages;
    }
    if ((double)pages <= entries) {
        return INFINITY;
    }
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;

        if (occupied(classes, n, exp2(middle)) < entries) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return exp2(low);
}

double tlb_stay_s(Guest *guest)
{
    Tlb *tlb = &guest->tlb;
    uint64_t now_ns = guest->machine->now_ns;

    if (!tlb->made || (tlb->stale && now_ns - tlb->made_ns >= AGE_NS)) {
        *tlb = (Tlb){.stay_s = solve(guest), .made_ns = now_ns, .made = true};
    }
    return tlb->stay_s;
}
