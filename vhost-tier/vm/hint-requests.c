/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a guest's requests: within limits they go to the VM's policy.
 *
 * Theory of operation
 *
 * Requests of a connection count only while it belongs to the very process whose memory channels made the VM's regions,
 * since it is those that addresses are looked up in. The policy believes hints as far as they have proved right. What
 * this file adds:
 *   - a limit of ranges a second, all devices together: a bucket of tokens that a second fills. A range takes one, and
 *     one for each further CHARGE_BYTES of memory that it is found to span, as the policy's work grows with those; a
 *     range may overdraw the bucket, or a very large one would never be taken;
 *   - a query looks at so many granules only, spread over what is asked about, and is charged for those.
 */
#include "hints-impl.h"

#define CHARGE_BYTES    (UINT64_C(2) << 20)
#define QUERY_GRANULES  65536u          /* looked at for a request, over all its ranges */
#define QUERY_RUN       64u             /* granules looked at in one go */

G_STATIC_ASSERT((int)TIER_HINT__MAX == (int)POLICY_HINT__MAX);
G_STATIC_ASSERT((int)TIER_HINT_FATE__MAX == (int)POLICY_HINT_FATE__MAX);

static const PolicyHint hint_of_type[] = {
    [VIRTIO_TIER_T_HOT] = POLICY_HINT_HOT, [VIRTIO_TIER_T_COLD] = POLICY_HINT_COLD,
    [VIRTIO_TIER_T_WILLNEED] = POLICY_HINT_WILLNEED, [VIRTIO_TIER_T_FREE] = POLICY_HINT_FREE,
    [VIRTIO_TIER_T_PIN] = POLICY_HINT_PIN, [VIRTIO_TIER_T_UNPIN] = POLICY_HINT_UNPIN,
};

static const uint32_t status_of_fate[] = {
    [POLICY_HINT_TAKEN] = VIRTIO_TIER_S_OK, [POLICY_HINT_OFF] = VIRTIO_TIER_S_OFF,
    [POLICY_HINT_UNTRUSTED] = VIRTIO_TIER_S_UNTRUSTED, [POLICY_HINT_OVER_LIMIT] = VIRTIO_TIER_S_LIMIT,
    [POLICY_HINT_NOT_THERE] = VIRTIO_TIER_S_NOT_RAM,
};

/* --- whether and where --- */

bool link_is_strange(const Link *link)
{
    const Vm *vm = link->hints->vm;
    const Backend *first;

    if (vm->backends->len == 0) {
        return false;
    }
    first = g_ptr_array_index(vm->backends, 0);
    return first->peer.pid != link->peer.pid || !peer_alive(&link->peer);
}

bool link_counts(const Link *link)
{
    const Vm *vm = link->hints->vm;

    return vm->policy && vm->regions->len > 0 && vm->hints_on && vm->mode != TIER_MODE_OFF && !link_is_strange(link);
}

const HintMap *link_map(Link *link)
{
    const Vm *vm = link->hints->vm;

    if (!link->map) {
        const GArray *memory = hint_device_memory(link->device);
        g_autofree const Region **regions = g_new0(const Region *, vm->regions->len);

        for (guint i = 0; i < vm->regions->len; i++) {
            regions[i] = &((const VmRegion *)g_ptr_array_index(vm->regions, i))->region;
        }
        link->map = hint_map_new((const HintMemory *)memory->data, memory->len, regions, vm->regions->len);
    }
    return link->map;
}

/* --- requests --- */

bool hints_tokens_take(VmHints *hints, uint64_t now_ns)
{
    const double per_s = (double)hints->vm->facts->config->max_hint_ranges_per_s;

    hints->tokens = MIN(hints->tokens + per_s * (double)(now_ns - hints->tokens_ns) / 1e9, per_s);
    hints->tokens_ns = now_ns;
    if (per_s > 0 && hints->tokens <= 0) {
        return false;
    }
    hints->tokens--;
    return true;
}

/* A range for which a token was taken means work on so many bytes. */
static void tokens_charge(VmHints *hints, uint64_t bytes)
{
    hints->tokens -= (double)(bytes > 0 ? (bytes - 1) / CHARGE_BYTES : 0);
}

static PolicyHintFate hint_pieces(const VmHints *hints, PolicyHint hint, uint64_t now_ns)
{
    PolicyHintFate fate = POLICY_HINT_TAKEN;

    for (guint i = 0; i < hints->pieces->len && fate == POLICY_HINT_TAKEN; i++) {
        const HintPiece *piece = &g_array_index(hints->pieces, HintPiece, i);

        fate = policy_hint(hints->vm->policy, hint, piece->region, piece->first, piece->n, now_ns);
    }
    return fate;
}

/* What would become of PIN of all pieces. */
static PolicyHintFate pin_fate(const VmHints *hints)
{
    PolicyHintFate fate = POLICY_HINT_TAKEN;
    uint64_t bytes = 0;

    for (guint i = 0; i < hints->pieces->len && fate == POLICY_HINT_TAKEN; i++) {
        const HintPiece *piece = &g_array_index(hints->pieces, HintPiece, i);

        fate = policy_pin_fate(hints->vm->policy, piece->region, piece->first, piece->n, &bytes);
    }
    return fate;
}

/* Have the pieces of a range found, and charged for. */
static bool find_pieces(Link *link, PolicyHint hint, uint64_t addr, uint64_t len)
{
    VmHints *hints = link->hints;
    uint64_t bytes = 0;

    /* What is said of a part of a granule says little of the rest; but that it is not needed must be true of all. */
    if (!hint_map_find(link_map(link), addr, len, hint == POLICY_HINT_FREE, hints->pieces)) {
        return false;
    }
    for (guint i = 0; i < hints->pieces->len; i++) {
        const HintPiece *piece = &g_array_index(hints->pieces, HintPiece, i);

        bytes += (uint64_t)piece->n * piece->granule_bytes;
    }
    tokens_charge(hints, bytes);
    return true;
}

bool link_pin_again(Link *link, uint64_t addr, uint64_t len, uint64_t now_ns)
{
    return find_pieces(link, POLICY_HINT_PIN, addr, len) && pin_fate(link->hints) == POLICY_HINT_TAKEN &&
           hint_pieces(link->hints, POLICY_HINT_PIN, now_ns) == POLICY_HINT_TAKEN;
}

/* Give one hint, of a range that is sound, to the policy, of which there must be one. */
static PolicyHintFate hint_range(Link *link, PolicyHint hint, uint64_t addr, uint64_t len, uint64_t now_ns)
{
    VmHints *hints = link->hints;
    PolicyHintFate fate = POLICY_HINT_TAKEN;

    if (!find_pieces(link, hint, addr, len)) {
        fate = POLICY_HINT_NOT_THERE;
    } else if (hint == POLICY_HINT_PIN && pin_fate(hints) == POLICY_HINT_OVER_LIMIT) {
        fate = POLICY_HINT_OVER_LIMIT;      /* in whole, though some of its pieces may fit */
    }
    if (fate != POLICY_HINT_TAKEN) {
        hints->ranges[hint][fate]++;
        return fate;
    }
    return hint_pieces(hints, hint, now_ns);
}

/*
 * Look at some granules of a piece and add what the whole comes to; at most @budget are looked at, but for one run.
 * Returns the bytes looked at.
 */
static uint64_t query_piece(const Vm *vm, const HintPiece *piece, size_t budget, HintRange *range)
{
    const size_t n_runs = (piece->n + QUERY_RUN - 1) / QUERY_RUN;
    const size_t looks = MIN(n_runs, MAX(budget / QUERY_RUN, 1));
    const uint64_t bytes = (uint64_t)piece->n * piece->granule_bytes;
    size_t found[VIRTIO_TIER_MAX_TIERS] = { 0 }, seen = 0;
    uint64_t known = 0;
    double per_s = 0;

    for (size_t i = 0; i < looks; i++) {
        const size_t first = n_runs * i / looks * QUERY_RUN, n = MIN(QUERY_RUN, piece->n - first);
        uint8_t tiers[QUERY_RUN];
        double rates[QUERY_RUN];

        policy_where(vm->policy, piece->region, piece->first + first, n, tiers);
        policy_rates(vm->policy, piece->region, piece->first + first, n, rates);
        for (size_t g = 0; g < n; g++) {
            if (tiers[g] < VIRTIO_TIER_MAX_TIERS) {
                found[tiers[g]]++;
            }
            per_s += MAX(rates[g], 0);
        }
        seen += n;
    }
    for (size_t t = 0; t < VIRTIO_TIER_MAX_TIERS; t++) {
        const uint64_t here = seen == piece->n ? (uint64_t)found[t] * piece->granule_bytes
                                               : (uint64_t)((double)bytes * ((double)found[t] / (double)seen));

        range->tier_bytes[t] += here;
        known += here;
    }
    range->other_bytes += bytes - MIN(known, bytes);
    range->accesses_per_s += (uint64_t)(per_s * ((double)piece->n / (double)seen));
    return (uint64_t)seen * piece->granule_bytes;
}

static uint32_t query_range(Link *link, HintRange *range, size_t budget)
{
    const GArray *pieces = link->hints->pieces;
    uint64_t bytes = 0;

    if (!hint_map_find(link_map(link), range->addr, range->len, false, link->hints->pieces)) {
        return VIRTIO_TIER_S_NOT_RAM;
    }
    for (guint i = 0; i < pieces->len; i++) {
        bytes += query_piece(link->hints->vm, &g_array_index(pieces, HintPiece, i), budget / pieces->len, range);
    }
    tokens_charge(link->hints, bytes);
    return VIRTIO_TIER_S_OK;
}

/* What becomes of one range of a request. */
static uint32_t take_range(Link *link, const HintRequest *request, HintRange *range, bool on, uint64_t now_ns)
{
    VmHints *hints = link->hints;
    const bool query = request->type == VIRTIO_TIER_T_QUERY;

    if (range->status != VIRTIO_TIER_S_OK) {
        hints->refused++;
        return range->status;
    }
    if (!hints_tokens_take(hints, now_ns)) {
        hints->dropped_rate++;
        return VIRTIO_TIER_S_RATE;
    }
    if (!on) {
        if (!query) {
            hints->ranges[hint_of_type[request->type]][POLICY_HINT_OFF]++;
        }
        return VIRTIO_TIER_S_OFF;
    }
    return query ? query_range(link, range, QUERY_GRANULES / request->n_ranges)
                 : status_of_fate[hint_range(link, hint_of_type[request->type], range->addr, range->len, now_ns)];
}

void link_tell_ignored(Link *link, uint64_t now_ns)
{
    for (uint32_t reason = 0; reason < G_N_ELEMENTS(link->ignored); reason++) {
        Ignored *ignored = &link->ignored[reason];

        if (ignored->ranges > 0 && now_ns - ignored->told_ns >= HINTS_EVENT_PAUSE_NS) {
            hint_device_event(link->device, VIRTIO_TIER_E_HINTS_IGNORED, reason, ignored->ranges);
            *ignored = (Ignored) { .told_ns = now_ns };
        }
    }
}

void link_request(void *opaque, HintRequest *request)
{
    static const uint32_t reason_of_status[VIRTIO_TIER_S_COUNT] = {
        [VIRTIO_TIER_S_RATE] = VIRTIO_TIER_R_RATE, [VIRTIO_TIER_S_UNTRUSTED] = VIRTIO_TIER_R_TRUST,
        [VIRTIO_TIER_S_OFF] = VIRTIO_TIER_R_OFF,
    };
    Link *link = opaque;
    VmHints *hints = link->hints;
    const bool on = link_counts(link);
    const uint64_t now_ns = clock_ns();
    bool taken = false;

    if (request->status != VIRTIO_TIER_S_OK) {
        hints->refused++;
    }
    for (uint32_t i = 0; i < request->n_ranges; i++) {
        HintRange *range = &request->ranges[i];

        range->status = take_range(link, request, range, on, now_ns);
        taken = taken || range->status == VIRTIO_TIER_S_OK;
        if (reason_of_status[range->status]) {
            link->ignored[reason_of_status[range->status]].ranges++;
        }
    }
    link_tell_ignored(link, now_ns);
    if (taken && (request->type == VIRTIO_TIER_T_HOT || request->type == VIRTIO_TIER_T_WILLNEED ||
                  request->type == VIRTIO_TIER_T_PIN)) {
        epoch_kick_soon(hints->vm);
    }
}
