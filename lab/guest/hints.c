/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hints of the workload guest: see hints.h. */
#include "hints.h"

#include <linux/virtio_tier.h>
#include <stddef.h>

#include "clock.h"
#include "console.h"
#include "guest-abi.h"
#include "virtio.h"

#define RANGES VIRTIO_TIER_MAX_RANGES
#define PROBE_PAGES    64u      /* that are asked for at once */
#define PROBE_PERIOD_S 5u
#define PROBE_FROM_S   30u      /* by then the host knows what is hot, and has little else to move */
#define DIVERT_EVERY   4u

/* Of which pages something is said. */
typedef enum Set {
    SET_HOT,
    SET_COLD,
    SET_ALL,
    SET_WAS_HOT,                /* in the phase before */
} Set;

typedef enum When {
    NEVER,
    ON_CHANGE,                  /* as the hot set moves, and at the start */
    EACH_SECOND,
    ALWAYS,                     /* as fast as the device answers */
} When;

typedef struct Claim {
    uint16_t type;              /* VIRTIO_TIER_T_*; 0: none */
    Set set;
} Claim;

#define CLAIMS 2u

static const struct {
    When when;
    Claim claims[CLAIMS];
} stories[HINTS__MAX] = {
    [HINTS_HONEST] = {ON_CHANGE, {{VIRTIO_TIER_T_COLD, SET_WAS_HOT}, {VIRTIO_TIER_T_HOT, SET_HOT}}},
    [HINTS_ALL_HOT] = {EACH_SECOND, {{VIRTIO_TIER_T_HOT, SET_ALL}}},
    [HINTS_SWAPPED] = {EACH_SECOND, {{VIRTIO_TIER_T_COLD, SET_HOT}, {VIRTIO_TIER_T_HOT, SET_COLD}}},
    [HINTS_PIN_ALL] = {EACH_SECOND, {{VIRTIO_TIER_T_PIN, SET_ALL}}},
    [HINTS_FLOOD] = {ALWAYS, {{VIRTIO_TIER_T_HOT, SET_COLD}}},
};

static const char *const status_names[VIRTIO_TIER_S_COUNT] = {
    "taken", "unsupported", "invalid", "not_ram", "rate", "limit", "untrusted", "off", "failed",
};

/* hints=probe: a range that lies in slow memory is asked for, and asked after until it is in fast memory. */
typedef struct Probe {
    enum { PROBE_REST, PROBE_LEAVE, PROBE_LOOK, PROBE_ASK, PROBE_WAIT } state;
    bool due;                   /* the next one, once the device has answered */
    uint32_t first;             /* page */
    uint64_t asked_ms;
    uint32_t made, landed;
    uint32_t last_ms, worst_ms; /* from the hint to the last page's being there */
} Probe;

static struct {
    const Options *options;
    const Pattern *pattern;
    Virtio device;
    Random random;
    Permutation was;            /* where the hot set lay in the phase before */
    Permutation now;
    uint32_t phase;
    uint32_t claim, at;         /* what is being told: of claim number 'claim', from the set's member 'at' on */
    bool telling;
    uint32_t second;
    uint64_t told, by_status[VIRTIO_TIER_S_COUNT];
    Probe probe;
} h;

typedef struct Request {
    struct virtio_tier_req head;
    struct virtio_tier_range ranges[RANGES];
} Request;

typedef struct Response {
    struct virtio_tier_resp head;
    union {
        uint32_t status[RANGES];
        struct virtio_tier_result result;
    };
} Response;

/* Not variables: QEMU would fill them with zeros, and so make pages for guests that give no hints, too. */
static Request *const request = (Request *)GUEST_HINTS_ADDR;
static Response *const response = (Response *)(GUEST_HINTS_ADDR + sizeof(Request));

const char *hints_start(const Options *options, const Pattern *pattern)
{
    h.options = options;
    h.pattern = pattern;
    if (options->hints == HINTS_OFF) {
        return NULL;
    }
    random_seed(&h.random, options->seed + 1);
    h.now = pattern->place;
    h.was = h.now;
    h.telling = stories[options->hints].when != NEVER;
    request->head = (struct virtio_tier_req){0};
    return virtio_start(&h.device, VIRTIO_ID_TIER, 1u << VIRTIO_TIER_F_PIN | 1u << VIRTIO_TIER_F_QUERY);
}

void hints_second(void)
{
    When when = stories[h.options->hints].when;
    bool changed = h.pattern->phase != h.phase;

    h.second++;
    if (changed) {
        h.phase = h.pattern->phase;
        h.was = h.now;
        h.now = h.pattern->place;
    }
    if (when == EACH_SECOND || (when == ON_CHANGE && changed)) {
        h.claim = 0;
        h.at = 0;
        h.telling = true;
    }
    if (h.options->hints == HINTS_PROBE && h.second >= PROBE_FROM_S && h.second % PROBE_PERIOD_S == 0) {
        h.probe.due = true;
    }
}

static void set_range(uint32_t i, uint32_t page, uint32_t pages)
{
    request->ranges[i].addr = GUEST_BASE_ADDR + page * GUEST_PAGE_BYTES;
    request->ranges[i].len = pages * GUEST_PAGE_BYTES;
}

static void send(uint16_t type, uint32_t n)
{
    uint32_t answer = type == VIRTIO_TIER_T_QUERY ? sizeof(response->result) : sizeof(response->status[0]);

    request->head.type = type;
    request->head.n_ranges = n;
    request->head.cookie++;
    virtio_send(&h.device, request, sizeof(request->head) + n * sizeof(request->ranges[0]),
                response, sizeof(response->head) + n * answer);
}

static uint32_t member(Set set, uint32_t i)
{
    switch (set) {
    case SET_COLD:
        return permutation_at(&h.now, h.pattern->hot_pages + i);
    case SET_WAS_HOT:
        return permutation_at(&h.was, i);
    default:
        return permutation_at(&h.now, i);
    }
}

static uint32_t members(Set set)
{
    switch (set) {
    case SET_ALL:
        return h.pattern->pages;
    case SET_COLD:
        return h.pattern->pages - h.pattern->hot_pages;
    default:
        return h.pattern->hot_pages;
    }
}

/* Say the next of what there is to say, up to as many ranges as a request takes. */
static void tell_next(void)
{
    const Claim *claim = &stories[h.options->hints].claims[h.claim];
    uint32_t n = 0, end = members(claim->set);

    while (n < RANGES && h.at < end) {
        set_range(n++, member(claim->set, h.at++), 1);
    }
    send(claim->type, n);
    if (h.at < end) {
        return;
    }
    h.at = 0;
    h.claim++;
    if (h.claim == CLAIMS || !stories[h.options->hints].claims[h.claim].type) {
        h.claim = 0;
        h.telling = stories[h.options->hints].when == ALWAYS;
    }
}

static void probe_next(void)
{
    static const uint16_t types[] = {
        [PROBE_LEAVE] = VIRTIO_TIER_T_COLD, [PROBE_LOOK] = VIRTIO_TIER_T_QUERY,
        [PROBE_ASK] = VIRTIO_TIER_T_HOT, [PROBE_WAIT] = VIRTIO_TIER_T_QUERY,
    };
    Probe *p = &h.probe;

    if (p->due) {
        p->due = false;
        p->state = p->made ? PROBE_LEAVE : PROBE_LOOK;
    }
    if (p->state == PROBE_REST) {
        return;
    }
    if (p->state == PROBE_LOOK) {
        p->first = random_below(&h.random, h.pattern->pages / PROBE_PAGES) * PROBE_PAGES;
    } else if (p->state == PROBE_ASK) {
        p->made++;
        p->asked_ms = clock_ms();
    }
    set_range(0, p->first, PROBE_PAGES);
    send(types[p->state], 1);
}

static void probe_answered(void)
{
    Probe *p = &h.probe;
    uint64_t fast = response->result.tier_bytes[0];

    switch (p->state) {
    case PROBE_REST:
        break;
    case PROBE_LEAVE:
        p->state = PROBE_LOOK;
        break;
    case PROBE_LOOK:
        if (fast < PROBE_PAGES * GUEST_PAGE_BYTES / 2) {
            p->state = PROBE_ASK;
        }
        break;
    case PROBE_ASK:
        p->state = PROBE_WAIT;
        break;
    case PROBE_WAIT:
        if (fast == PROBE_PAGES * GUEST_PAGE_BYTES) {
            p->landed++;
            p->last_ms = (uint32_t)(clock_ms() - p->asked_ms);
            p->worst_ms = p->last_ms > p->worst_ms ? p->last_ms : p->worst_ms;
            p->state = PROBE_REST;
        }
        break;
    }
}

/* What the device made of a request, if it made sense of it; @written bytes of its answer are there. */
static void answered(uint32_t written)
{
    bool ok = written >= sizeof(response->head) && response->head.status == VIRTIO_TIER_S_OK &&
              response->head.n_ranges == request->head.n_ranges;

    if (request->head.type == VIRTIO_TIER_T_QUERY || h.options->hints == HINTS_PROBE) {
        if (ok) {
            probe_answered();
        } else {
            h.probe.state = PROBE_REST;
        }
        return;
    }
    for (uint32_t i = 0; i < request->head.n_ranges; i++) {
        uint32_t status = ok ? response->status[i] : response->head.status;

        h.told++;
        h.by_status[status < VIRTIO_TIER_S_COUNT ? status : VIRTIO_TIER_S_IOERR]++;
    }
}

void hints_poll(void)
{
    uint32_t written;

    if (virtio_done(&h.device, &written)) {
        answered(written);
    }
    if (h.options->hints == HINTS_OFF || h.device.busy) {
        return;
    }
    if (h.telling) {
        tell_next();
    } else if (h.options->hints == HINTS_PROBE) {
        probe_next();
    }
}

uint32_t hints_divert(uint32_t page)
{
    static uint32_t turn;
    const bool used = h.probe.made && h.probe.state != PROBE_LEAVE && h.probe.state != PROBE_LOOK;

    if (!used || ++turn % DIVERT_EVERY) {
        return page;
    }
    return h.probe.first + random_below(&h.random, PROBE_PAGES);
}

static void tell_figure(const char *name, uint64_t value)
{
    line_text(" ");
    line_text(name);
    line_text("=");
    line_number(value);
}

void hints_tell(void)
{
    if (h.options->hints == HINTS_PROBE) {
        tell_figure("probes", h.probe.made);
        tell_figure("landed", h.probe.landed);
        tell_figure("last_ms", h.probe.last_ms);
        tell_figure("worst_ms", h.probe.worst_ms);
    } else if (h.options->hints != HINTS_OFF) {
        tell_figure("hints", h.told);
        for (uint32_t i = 0; i < VIRTIO_TIER_S_COUNT; i++) {
            if (h.by_status[i]) {
                tell_figure(status_names[i], h.by_status[i]);
            }
        }
    }
}
