/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory channel: the session of one backend with the daemon.
 *
 * Theory of operation
 *
 * QEMU greets; once the daemon has greeted back, it is sent the backend's
 * settings and its memory, with the descriptors to track it by. From then on
 * both sides speak when they have something to say. QEMU waits for nothing, so
 * a daemon that is slow, gone or mad costs the guest nothing.
 *
 *   closed --opened--> greeting --HELLO answered--> connected --lost--> closed
 *
 * The daemon is believed as little as it believes us: sizes and flags are
 * checked in tier-wire.c, texts and values here, and what does not fit ends the
 * connection, which the chardev makes again after its reconnect time.
 *
 * Each connection has its own userfaultfd: what one daemon did with it can't
 * be undone for the next. With our copy closed and the daemon's gone, the
 * kernel ends all tracking.
 */
#include "qemu/osdep.h"

#include "memory-tier.h"
#include "migration/misc.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "system/system.h"
#include "tier-chardev.h"

/* A daemon that owes more answers than this does not answer. */
#define MAX_PENDING       64
/* Events are not sent more often. */
#define EVENT_INTERVAL_MS 100

#define REGION_ID 0             /* a backend has but one */

struct TierChannel {
    MemoryBackendTier *tier;
    char *chardev;
    TierWire *wire;
    TierFreeze *freeze;
    QEMUTimer *event_timer;
    int64_t next_event_ms;

    /* Of the connection */
    uint64_t offered;           /* TIER_F_* */
    int pagemap;                /* -1: none */
    int uffd;                   /* -1: none */
    bool untracked;             /* the range was taken out of it */
    GQueue pending;             /* requests to be answered, in order */

    TierDaemonStatus daemon;
};

/* What users are told */

static void event_now(void *opaque)
{
    TierChannel *channel = opaque;

    tier_qmp_state_changed(channel->tier, &channel->daemon);
    channel->next_event_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                             EVENT_INTERVAL_MS;
}

/* Tell of a change, but not faster than anybody wants to know. */
static void event_soon(TierChannel *channel)
{
    timer_mod(channel->event_timer,
              MAX(channel->next_event_ms,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME)));
}

static void set_problem(TierChannel *channel, const char *text)
{
    g_autofree char *who =
        g_strdup_printf("memory-backend-tier '%s': memory channel '%s'",
                        memory_backend_tier_id(channel->tier),
                        channel->chardev);

    tier_problem_set(&channel->daemon.problem, who, text);
}

/* Text */

static bool text_ok(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    if (len == size || !g_utf8_validate(text, len, NULL)) {
        return false;
    }
    for (const char *c = text; *c; c = g_utf8_next_char(c)) {
        if (g_unichar_iscntrl(g_utf8_get_char(c))) {
            return false;
        }
    }
    return true;
}

static bool check_text(const char *what, const char *text, size_t size,
                       Error **errp)
{
    if (!text_ok(text, size)) {
        error_setg(errp, "%s that it sent is no text", what);
        return false;
    }
    return true;
}

/* Fill a field of TIER_NAME_LEN with what of @name is sure to be accepted. */
static void put_name(char *field, const char *name)
{
    const char *end;

    memset(field, 0, TIER_NAME_LEN);
    g_strlcpy(field, name ?: "", TIER_NAME_LEN);
    if (!g_utf8_validate(field, -1, &end)) {
        memset(field + (end - field), 0, TIER_NAME_LEN - (end - field));
    }
    if (!text_ok(field, TIER_NAME_LEN)) {
        memset(field, 0, TIER_NAME_LEN);
    }
}

/* Requests */

static void send_request(TierChannel *channel, TierRequest request,
                         const void *payload, size_t size,
                         const int *fds, unsigned n_fds)
{
    if (channel->pending.length == MAX_PENDING) {
        tier_wire_fail(channel->wire, "it does not answer");
    } else if (tier_wire_send(channel->wire, request, payload, size, fds,
                              n_fds)) {
        g_queue_push_tail(&channel->pending, GUINT_TO_POINTER(request));
    }
}

static void send_hello(TierChannel *channel)
{
    TierMsgHello hello = {
        .version = TIER_CHANNEL_VERSION,
        .features = channel->offered,
    };

    put_name(hello.vm, qemu_get_vm_name());
    put_name(hello.backend, memory_backend_tier_id(channel->tier));
    send_request(channel, TIER_MSG_HELLO, &hello, sizeof(hello), NULL, 0);
}

void tier_channel_send_config(TierChannel *channel)
{
    const MemoryBackendTier *tier = channel->tier;
    const TierSettings *settings = &tier->settings;
    TierMsgConfig config = {
        .fast_size = settings->fast_size,
        .fast_min = settings->fast_min,
        .weight = settings->weight,
        .slowdown_ppm = (uint32_t)(settings->slowdown * TIER_PPM_ONE + 0.5),
        .mode = (TierMode)settings->mode,
        .hugepages = (TierHugepages)tier->hugepages,
        .n_tiers = tier->topology->n_tiers,
    };

    if (!channel->daemon.connected) {
        return;
    }
    for (unsigned i = 0; i < tier->topology->n_tiers; i++) {
        memcpy(config.tier_nodes[i], tier->topology->tiers[i].nodes,
               sizeof(config.tier_nodes[i]));
    }
    send_request(channel, TIER_MSG_CONFIG, &config, sizeof(config), NULL, 0);
}

static void send_region(TierChannel *channel)
{
    MemoryRegion *mr = &MEMORY_BACKEND(channel->tier)->mr;
    int fds[TIER_MSG_MAX_FDS] = {
        memory_region_get_fd(mr), channel->pagemap, channel->uffd
    };
    TierMsgRegionAdd region = {
        .id = REGION_ID,
        .flags = channel->uffd >= 0 ? TIER_REGION_UFFD : 0,
        .hva = (uintptr_t)memory_region_get_ram_ptr(mr),
        .size = memory_region_size(mr),
        .page_size = memory_backend_tier_page_size(channel->tier),
    };

    put_name(region.name, memory_backend_tier_id(channel->tier));
    send_request(channel, TIER_MSG_REGION_ADD, &region, sizeof(region), fds,
                 channel->uffd >= 0 ? 3 : 2);
}

static void send_freeze(TierChannel *channel)
{
    TierMsgFreeze freeze = { .flags = TIER_FREEZE_DISARM };
    MemoryRegion *mr = &MEMORY_BACKEND(channel->tier)->mr;

    if (channel->daemon.features & TIER_F_FREEZE) {
        send_request(channel, TIER_MSG_FREEZE, &freeze, sizeof(freeze), NULL,
                     0);
    }
    if (channel->uffd >= 0 && migration_in_bg_snapshot()) {
        /* This can't wait for the daemon: the snapshot's own comes next */
        tier_uffd_unregister(channel->uffd, memory_region_get_ram_ptr(mr),
                             memory_region_size(mr));
        channel->untracked = true;
    }
}

static void send_thaw(TierChannel *channel)
{
    TierMsgFreeze thaw = {};

    if (channel->daemon.features & TIER_F_FREEZE) {
        send_request(channel, TIER_MSG_THAW, &thaw, sizeof(thaw), NULL, 0);
    }
}

static void freeze_changed(void *opaque)
{
    TierChannel *channel = opaque;

    if (!channel->daemon.connected) {
        return;
    }
    if (tier_freeze_active(channel->freeze)) {
        send_freeze(channel);
    } else if (channel->untracked) {
        tier_wire_fail(channel->wire, "a background snapshot ended its "
                       "tracking, which begins anew");
    } else {
        send_thaw(channel);
    }
}

/* Answers */

static bool on_hello(TierChannel *channel, const TierMsgHello *hello,
                     Error **errp)
{
    if (hello->version != TIER_CHANNEL_VERSION) {
        error_setg(errp, "it greets in version %u of the memory channel, not "
                   "%u: use QEMU and daemon of one release", hello->version,
                   TIER_CHANNEL_VERSION);
        return false;
    }
    if (hello->reserved || hello->features & ~channel->offered) {
        error_setg(errp, "it greets with features that were not offered "
                   "(0x%" PRIx64 " of 0x%" PRIx64 ")", hello->features,
                   channel->offered);
        return false;
    }
    if (!check_text("the VM's name", hello->vm, sizeof(hello->vm), errp) ||
        !check_text("the version", hello->backend, sizeof(hello->backend),
                    errp)) {
        return false;
    }
    channel->daemon.features = hello->features;
    channel->daemon.vm = g_strdup(hello->vm);
    channel->daemon.version = g_strdup(hello->backend);
    channel->daemon.connected = true;
    tier_problem_clear(&channel->daemon.problem);
    if (channel->daemon.features & (TIER_F_RWP | TIER_F_WP)) {
        channel->uffd = tier_uffd_open();
    }
    tier_channel_send_config(channel);
    if (tier_freeze_active(channel->freeze)) {
        send_freeze(channel);
    }
    send_region(channel);
    event_soon(channel);
    return true;
}

static bool on_answer(TierChannel *channel, const TierMsgHeader *header,
                      const void *payload, Error **errp)
{
    static const char *const names[] = {
        [TIER_MSG_HELLO] = "the greeting",
        [TIER_MSG_CONFIG] = "the settings",
        [TIER_MSG_REGION_ADD] = "the memory",
        [TIER_MSG_REGION_DEL] = "the end of the memory",
        [TIER_MSG_FREEZE] = "to pause for migration",
        [TIER_MSG_THAW] = "to go on after migration",
    };
    unsigned expected = GPOINTER_TO_UINT(g_queue_pop_head(&channel->pending));
    const TierMsgStatus *status = payload;

    if (header->request != expected) {
        error_setg(errp, "it answered request %u where %u was due",
                   header->request, expected);
        return false;
    }
    if (header->request == TIER_MSG_HELLO &&
        header->size == sizeof(TierMsgHello)) {
        return on_hello(channel, payload, errp);
    }
    if (status->reserved) {
        error_setg(errp, "it sent an answer with reserved bits set");
        return false;
    }
    if (!check_text("the answer's text", status->text, sizeof(status->text),
                    errp)) {
        return false;
    }
    if (header->request == TIER_MSG_HELLO) {
        error_setg(errp, "it refused %s: %s", names[header->request],
                   status->text);
        return false;
    }
    if (status->error) {
        g_autofree char *text = g_strdup_printf("the daemon refused %s: %s",
                                                names[header->request],
                                                status->text);

        set_problem(channel, text);
    }
    return true;
}

/* What the daemon sends of its own accord */

/*
 * The operator changed settings ('tierctl set'): they are ours from now on. He
 * sets sizes for the VM, of which this may be but a part: they are fitted.
 */
static bool on_config(TierChannel *channel, const TierMsgConfig *config,
                      Error **errp)
{
    MemoryBackendTier *tier = channel->tier;
    uint64_t page_size = memory_backend_tier_page_size(tier);
    uint64_t fast_size = MIN(config->fast_size, MEMORY_BACKEND(tier)->size);
    uint64_t fast_min = MIN(config->fast_min, fast_size);
    TierSettings settings = {
        .fast_size = QEMU_ALIGN_DOWN(fast_size, page_size),
        .fast_min = QEMU_ALIGN_DOWN(fast_min, page_size),
        .weight = config->weight,
        .slowdown = (double)config->slowdown_ppm / TIER_PPM_ONE,
        .mode = (MemoryTierMode)config->mode,
    };

    if (config->mode > TIER_MODE_ON) {
        error_setg(errp, "it set mode %u, which is unknown", config->mode);
        return false;
    }
    if (config->reserved) {
        error_setg(errp, "it sent settings with reserved bits set (0x%x)",
                   config->reserved);
        return false;
    }
    if (tier->topology->n_tiers == 1 && config->mode == TIER_MODE_ON) {
        settings.mode = MEMORY_TIER_MODE_OBSERVE;
    }
    return memory_backend_tier_apply(tier, &settings, errp);
}

static bool on_stats(TierChannel *channel, const TierMsgStats *stats,
                     Error **errp)
{
    if ((stats->hit_ppm > 1000000 && stats->hit_ppm != TIER_PPM_UNKNOWN) ||
        stats->tracking_ppm > 1000000) {
        error_setg(errp, "it sent a share of more than 1");
        return false;
    }
    channel->daemon.stats = *stats;
    channel->daemon.has_stats = true;
    return true;
}

static bool on_hints(TierChannel *channel, const TierMsgHints *hints,
                     Error **errp)
{
    if (!(channel->daemon.features & TIER_F_HINTS)) {
        error_setg(errp, "it tells of hints, which was not agreed on");
        return false;
    }
    if (hints->trust_ppm > TIER_PPM_ONE) {
        error_setg(errp, "it sent a trust of more than 1");
        return false;
    }
    channel->daemon.hints = *hints;
    channel->daemon.has_hints = true;
    return true;
}

static bool on_state(TierChannel *channel, const TierMsgState *state,
                     Error **errp)
{
    const uint32_t known = TIER_STATE_THROTTLED | TIER_STATE_THRASHING |
                           TIER_STATE_FROZEN | TIER_STATE_BLIND;

    if (state->reserved || state->state & ~known) {
        error_setg(errp, "it sent a state that is unknown (0x%x)",
                   state->state);
        return false;
    }
    if (!check_text("the state's reason", state->text, sizeof(state->text),
                    errp)) {
        return false;
    }
    if (state->state != channel->daemon.state) {
        event_soon(channel);
    }
    channel->daemon.state = state->state;
    g_free(channel->daemon.reason);
    channel->daemon.reason = state->text[0] ? g_strdup(state->text) : NULL;
    return true;
}

static bool on_message(void *opaque, const TierMsgHeader *header,
                       const void *payload, Error **errp)
{
    TierChannel *channel = opaque;

    if (header->flags & TIER_MSG_REPLY) {
        return on_answer(channel, header, payload, errp);
    }
    if (!channel->daemon.connected) {
        error_setg(errp, "it sent request %u before it greeted",
                   header->request);
        return false;
    }
    switch (header->request) {
    case TIER_MSG_CONFIG:
        return on_config(channel, payload, errp);
    case TIER_MSG_STATS:
        return on_stats(channel, payload, errp);
    case TIER_MSG_HINTS:
        return on_hints(channel, payload, errp);
    case TIER_MSG_STATE:
        return on_state(channel, payload, errp);
    default:
        g_assert_not_reached(); /* tier-wire.c lets no other pass */
    }
}

/* The connection */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void on_opened(void *opaque)
{
    TierChannel *channel = opaque;
    g_autoptr(Error) err = NULL;

    channel->pagemap = qemu_open("/proc/self/pagemap", O_RDONLY, &err);
    if (channel->pagemap < 0) {
        error_prepend(&err, "the daemon can't be given what it needs: ");
        set_problem(channel, error_get_pretty(err));
        return;
    }
    channel->offered = TIER_F_FREEZE | TIER_F_HINTS | tier_uffd_features();
    send_hello(channel);
}

static void on_broken(void *opaque, const Error *reason)
{
    TierChannel *channel = opaque;
    g_autofree char *text = g_strdup_printf("disconnecting the daemon: %s",
                                            error_get_pretty(reason));

    set_problem(channel, text);
}

static void connection_clear(TierChannel *channel)
{
    channel->daemon.connected = false;
    channel->daemon.features = 0;
    channel->untracked = false;
    channel->daemon.state = 0;
    close_fd(&channel->pagemap);
    close_fd(&channel->uffd);
    g_queue_clear(&channel->pending);
    g_clear_pointer(&channel->daemon.vm, g_free);
    g_clear_pointer(&channel->daemon.version, g_free);
    g_clear_pointer(&channel->daemon.reason, g_free);
}

static void on_closed(void *opaque)
{
    TierChannel *channel = opaque;

    if (channel->daemon.connected) {
        event_soon(channel);
        if (!channel->daemon.problem.text) {
            set_problem(channel, "the daemon has closed the connection; the "
                        "guest runs on, and nothing moves until it is back");
        }
    }
    connection_clear(channel);
}

static const TierWireOps wire_ops = {
    .opened = on_opened,
    .closed = on_closed,
    .message = on_message,
    .broken = on_broken,
};

/* The chardev of that id, if it can lead to the daemon. */
static Chardev *find_chardev(const char *id, Error **errp)
{
    Chardev *chr = qemu_chr_find(id);

    if (!chr) {
        error_setg(errp, "Property '%s.chardev': there is no chardev '%s'; it "
                   "must be the id of a '-chardev socket'",
                   TYPE_MEMORY_BACKEND_TIER, id);
        return NULL;
    }
    return tier_chardev_check(chr, TYPE_MEMORY_BACKEND_TIER, errp) ? chr : NULL;
}

TierChannel *tier_channel_new(MemoryBackendTier *tier, const char *id,
                              Error **errp)
{
    g_autofree TierChannel *channel = g_new0(TierChannel, 1);
    Chardev *chr = find_chardev(id, errp);

    if (!chr) {
        return NULL;
    }
    channel->wire = tier_wire_new(chr, &wire_ops, channel, errp);
    if (!channel->wire) {
        error_prepend(errp, "Property '%s.chardev': ",
                      TYPE_MEMORY_BACKEND_TIER);
        return NULL;
    }
    channel->tier = tier;
    channel->chardev = g_strdup(id);
    channel->pagemap = -1;
    channel->uffd = -1;
    g_queue_init(&channel->pending);
    channel->event_timer = timer_new_ms(QEMU_CLOCK_REALTIME, event_now,
                                        channel);
    channel->freeze = tier_freeze_new(freeze_changed, channel);
    return g_steal_pointer(&channel);
}

void tier_channel_start(TierChannel *channel)
{
    tier_wire_start(channel->wire);
}

void tier_channel_free(TierChannel *channel)
{
    TierMsgRegionDel region = { .id = REGION_ID };

    if (!channel) {
        return;
    }
    if (channel->daemon.connected) {
        send_request(channel, TIER_MSG_REGION_DEL, &region, sizeof(region),
                     NULL, 0);
    }
    tier_wire_free(channel->wire);
    connection_clear(channel);
    tier_freeze_free(channel->freeze);
    timer_free(channel->event_timer);
    tier_problem_clear(&channel->daemon.problem);
    g_free(channel->chardev);
    g_free(channel);
}

const TierDaemonStatus *tier_channel_daemon(const TierChannel *channel)
{
    return &channel->daemon;
}
