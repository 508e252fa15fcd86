/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory channel's rules, apart from any socket.
 *
 * Theory of operation
 *
 * Bytes are gathered until the header is whole; it is judged at once against the rule of its request, so
 * that a length is never waited for that the rule does not allow. Then the payload is gathered. A reader
 * never gets space for more than the message at hand, so descriptors of the next message can't be taken
 * for this one's: the kernel never joins data across descriptors.
 *
 * Two ways to fail. Malformed: framing, version, sizes, reserved bits, descriptors are not what the
 * protocol says; nothing that follows can be trusted, the connection ends. Refused: the message is well
 * formed, but not now, or not with these values; the peer is told why.
 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES ((uint64_t)2 * 1024 * 1024)

typedef struct Rule {
    const char *name;
    uint32_t payload;               /* bytes, exactly */
    uint8_t min_fds, max_fds;
    bool from_peer;                 /* QEMU may send it */
    bool once;                      /* in state 'since' only, not later */
    ChannelState since;
    bool (*run)(Channel *channel, const void *payload, const ChannelOps *ops, void *opaque, GError **errp);
} Rule;

/* Sizes on the wire, so that a change of a struct does not go unseen. */
G_STATIC_ASSERT(sizeof(TierMsgHeader) == 16);
G_STATIC_ASSERT(sizeof(TierMsgHello) == 16 + (size_t)2 * TIER_NAME_LEN);
G_STATIC_ASSERT(sizeof(TierMsgConfig) == 40 + sizeof(uint64_t) * TIER_MAX_TIERS * TIER_NODE_WORDS);
G_STATIC_ASSERT(sizeof(TierMsgRegionAdd) == 40 + TIER_NAME_LEN);
G_STATIC_ASSERT(sizeof(TierMsgRegionDel) == 8);
G_STATIC_ASSERT(sizeof(TierMsgFreeze) == 8);
G_STATIC_ASSERT(sizeof(TierMsgStatus) == 8 + TIER_TEXT_LEN);
G_STATIC_ASSERT(sizeof(TierMsgStats) == sizeof(uint64_t) * (8 + TIER_MOVE_FAIL__MAX));
G_STATIC_ASSERT(sizeof(TierMsgState) == 8 + TIER_TEXT_LEN);
G_STATIC_ASSERT(sizeof(TierMsgHints) == sizeof(uint64_t) * (TIER_HINT__MAX * (TIER_HINT_FATE__MAX + 1) + 9));
G_STATIC_ASSERT(sizeof(TierMsgConfig) <= TIER_MSG_MAX_PAYLOAD);

GQuark channel_error_quark(void)
{
    return g_quark_from_static_string("vhost-tier-channel");
}

bool channel_text_ok(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    if (len == size || !g_utf8_validate(text, (gssize)len, NULL)) {
        return false;
    }
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        if (g_unichar_iscntrl(g_utf8_get_char(p))) {
            return false;
        }
    }
    return true;
}

void channel_text_copy(char *field, size_t size, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    const char *end;

    memset(field, 0, size);
    g_strlcpy(field, valid, size);
    if (!g_utf8_validate(field, -1, &end)) {
        memset(field + (end - field), 0, size - (size_t)(end - field));
    }
}

static bool refuse_text(const char *what, GError **errp)
{
    g_set_error(errp, CHANNEL_ERROR, EINVAL,
                "%s is no text: it must be UTF-8 without control characters, ended by a zero byte", what);
    return false;
}

static bool run_hello(Channel *channel, const void *payload, const ChannelOps *ops, void *opaque,
                      GError **errp)
{
    const TierMsgHello *msg = payload;

    if (msg->version != TIER_CHANNEL_VERSION) {
        g_set_error(
            errp, CHANNEL_ERROR, EPROTONOSUPPORT,
            "version %u of the memory channel is not understood, only %u is; use the QEMU and the daemon of "
            "one release",
            msg->version, TIER_CHANNEL_VERSION);
        return false;
    }
    if (!channel_text_ok(msg->vm, sizeof(msg->vm))) {
        return refuse_text("the VM's name in HELLO", errp);
    }
    if (!channel_text_ok(msg->backend, sizeof(msg->backend))) {
        return refuse_text("the backend's name in HELLO", errp);
    }
    if (!ops->hello(opaque, msg, errp)) {
        return false;
    }
    channel->state = CHANNEL_GREETED;
    return true;
}

static bool config_check(const TierMsgConfig *msg, GError **errp)
{
    if (msg->fast_min > msg->fast_size) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL,
                    "fast-min %" G_GUINT64_FORMAT " is larger than fast-size %" G_GUINT64_FORMAT, msg->fast_min,
                    msg->fast_size);
        return false;
    }
    if (msg->weight < 1 || msg->weight > 1000) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "weight %u is not in 1 to 1000", msg->weight);
        return false;
    }
    if (msg->mode > TIER_MODE_ON) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "mode %u is none of 0 (off), 1 (observe), 2 (on)",
                    msg->mode);
        return false;
    }
    if (msg->hugepages > TIER_HUGEPAGES_HUGETLB) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "hugepages %u is none of 0 (off), 1 (collapse), 2 (hugetlb)",
                    msg->hugepages);
        return false;
    }
    if (msg->n_tiers < 1 || msg->n_tiers > TIER_MAX_TIERS) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "%u tiers: there must be 1 to %d", msg->n_tiers,
                    TIER_MAX_TIERS);
        return false;
    }
    if (msg->slowdown_ppm > TIER_PPM_ONE) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "slowdown: %u millionths are more than the whole time",
                    msg->slowdown_ppm);
        return false;
    }
    return true;
}

static bool run_config(Channel *channel, const void *payload, const ChannelOps *ops, void *opaque,
                       GError **errp)
{
    if (!config_check(payload, errp) || !ops->config(opaque, payload, errp)) {
        return false;
    }
    channel->state = CHANNEL_CONFIGURED;
    return true;
}

static bool region_check(const TierMsgRegionAdd *msg, GError **errp)
{
    const uint64_t page = msg->page_size;

    if (page != 4096 && page != HUGE_PAGE_BYTES) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL,
                    "region %u has pages of %" G_GUINT64_FORMAT
                    " bytes; only those of 4096 and 2097152 can be tiered",
                    msg->id, page);
        return false;
    }
    if (msg->size == 0 || (msg->hva | msg->size | msg->fd_offset) % page) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL,
                    "region %u (at 0x%" G_GINT64_MODIFIER "x, 0x%" G_GINT64_MODIFIER
                    "x bytes, offset 0x%" G_GINT64_MODIFIER
                    "x) is empty or not aligned to its pages of %" G_GUINT64_FORMAT " bytes",
                    msg->id, msg->hva, msg->size, msg->fd_offset, page);
        return false;
    }
    if (msg->hva > INT64_MAX - msg->size || msg->fd_offset > INT64_MAX - msg->size || msg->size > INT64_MAX) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "region %u reaches beyond the end of the address space",
                    msg->id);
        return false;
    }
    return channel_text_ok(msg->name, sizeof(msg->name)) || refuse_text("the region's name", errp);
}

static bool run_region_add(Channel *channel, const void *payload, const ChannelOps *ops, void *opaque,
                           GError **errp)
{
    return region_check(payload, errp) && ops->region_add(opaque, payload, channel->fds, errp);
}

static bool run_region_del(Channel *channel, const void *payload, const ChannelOps *ops, void *opaque,
                           GError **errp)
{
    const TierMsgRegionDel *msg = payload;

    return ops->region_del(opaque, msg->id, errp);
}

static bool run_freeze(Channel *channel, const void *payload, const ChannelOps *ops, void *opaque,
                       GError **errp)
{
    const TierMsgFreeze *msg = payload;

    return ops->freeze(opaque, msg->flags, errp);
}

static bool run_thaw(Channel *channel, const void *payload, const ChannelOps *ops, void *opaque,
                     GError **errp)
{
    return ops->thaw(opaque, errp);
}

static const Rule rules[] = {
    [TIER_MSG_HELLO] = {"HELLO", sizeof(TierMsgHello), 0, 0, true, true, CHANNEL_NEW, run_hello},
    [TIER_MSG_CONFIG] = {"CONFIG", sizeof(TierMsgConfig), 0, 0, true, false, CHANNEL_GREETED, run_config},
    [TIER_MSG_REGION_ADD] = {"REGION_ADD", sizeof(TierMsgRegionAdd), 2, 3, true, false, CHANNEL_CONFIGURED,
                             run_region_add},
    [TIER_MSG_REGION_DEL] = {"REGION_DEL", sizeof(TierMsgRegionDel), 0, 0, true, false, CHANNEL_CONFIGURED,
                             run_region_del},
    [TIER_MSG_FREEZE] = {"FREEZE", sizeof(TierMsgFreeze), 0, 0, true, false, CHANNEL_CONFIGURED, run_freeze},
    [TIER_MSG_THAW] = {"THAW", sizeof(TierMsgFreeze), 0, 0, true, false, CHANNEL_CONFIGURED, run_thaw},
    [TIER_MSG_STATS] = {"STATS", sizeof(TierMsgStats)},
    [TIER_MSG_STATE] = {"STATE", sizeof(TierMsgState)},
    [TIER_MSG_HINTS] = {"HINTS", sizeof(TierMsgHints)},
};
G_STATIC_ASSERT(G_N_ELEMENTS(rules) == TIER_MSG_HINTS + 1);

static const Rule *rule_of(uint32_t request)
{
    return request < G_N_ELEMENTS(rules) && rules[request].name ? &rules[request] : NULL;
}

const char *channel_request_name(uint32_t request)
{
    static __thread char unknown[32];
    const Rule *rule = rule_of(request);

    if (rule) {
        return rule->name;
    }
    g_snprintf(unknown, sizeof(unknown), "request %u", request);
    return unknown;
}

uint32_t channel_errno(const GError *error)
{
    return error->domain == CHANNEL_ERROR && error->code > 0 ? (uint32_t)error->code : EINVAL;
}

void channel_init(Channel *channel)
{
    memset(channel, 0, sizeof(*channel));
    memset(channel->fds, -1, sizeof(channel->fds));
}

static void drop_message(Channel *channel)
{
    for (size_t i = 0; i < channel->n_fds; i++) {
        if (channel->fds[i] >= 0) {
            close(g_steal_fd(&channel->fds[i]));
        }
    }
    channel->n_fds = 0;
    channel->have = 0;
}

void channel_clear(Channel *channel)
{
    drop_message(channel);
}

uint8_t *channel_space(Channel *channel, size_t *space)
{
    const size_t head = sizeof(TierMsgHeader);

    *space = (channel->have < head ? head : head + channel->buf.header.size) - channel->have;
    return channel->buf.bytes + channel->have;
}

static bool malformed(GError **errp, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool malformed(GError **errp, const char *format, ...)
{
    va_list ap;
    g_autofree char *text = NULL;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(errp, CHANNEL_ERROR, EPROTO, "malformed message: %s", text);
    return false;
}

static bool header_check(const Channel *channel, GError **errp)
{
    const TierMsgHeader *header = &channel->buf.header;
    const Rule *rule = rule_of(header->request);

    if ((header->flags & TIER_MSG_VERSION_MASK) != TIER_CHANNEL_VERSION) {
        return malformed(errp, "version %u in the header, not %u", header->flags & TIER_MSG_VERSION_MASK,
                         TIER_CHANNEL_VERSION);
    }
    if (header->flags & ~TIER_MSG_VERSION_MASK || header->reserved) {
        return malformed(errp, "reserved bits are set in the header (flags 0x%x, reserved 0x%x)",
                         header->flags, header->reserved);
    }
    if (!rule || !rule->from_peer) {
        return malformed(errp, "%s is nothing that QEMU may send", channel_request_name(header->request));
    }
    if (header->size != rule->payload) {
        return malformed(errp, "%s with %u bytes of payload, not %u", rule->name, header->size,
                         rule->payload);
    }
    if (channel->n_fds < rule->min_fds || channel->n_fds > rule->max_fds) {
        return malformed(errp, "%s with %zu descriptors; it takes %u to %u", rule->name, channel->n_fds,
                         rule->min_fds, rule->max_fds);
    }
    return true;
}

/* Reserved fields and descriptors that a flag promises: as much the protocol's framing as the header is. */
static bool payload_check(const Channel *channel, const void *payload, GError **errp)
{
    uint32_t reserved = 0;

    switch (channel->buf.header.request) {
    case TIER_MSG_HELLO:
        reserved = ((const TierMsgHello *)payload)->reserved;
        break;
    case TIER_MSG_CONFIG:
        reserved = ((const TierMsgConfig *)payload)->reserved;
        break;
    case TIER_MSG_REGION_ADD: {
        const TierMsgRegionAdd *msg = payload;
        const size_t n_fds = msg->flags & TIER_REGION_UFFD ? 3 : 2;

        reserved = msg->flags & ~TIER_REGION_UFFD;
        if (channel->n_fds != n_fds) {
            return malformed(errp, "REGION_ADD with %zu descriptors where its flags 0x%x promise %zu",
                             channel->n_fds, msg->flags, n_fds);
        }
        break;
    }
    case TIER_MSG_REGION_DEL:
        reserved = ((const TierMsgRegionDel *)payload)->reserved;
        break;
    case TIER_MSG_FREEZE:
        reserved = ((const TierMsgFreeze *)payload)->reserved |
                   (((const TierMsgFreeze *)payload)->flags & ~TIER_FREEZE_DISARM);
        break;
    case TIER_MSG_THAW:
        reserved = ((const TierMsgFreeze *)payload)->reserved | ((const TierMsgFreeze *)payload)->flags;
        break;
    default:
        break;
    }
    if (reserved) {
        return malformed(errp, "reserved bits 0x%x are set in %s", reserved,
                         channel_request_name(channel->buf.header.request));
    }
    return true;
}

static bool state_check(const Channel *channel, const Rule *rule, GError **errp)
{
    if (channel->state < rule->since || (rule->once && channel->state > rule->since)) {
        g_set_error(errp, CHANNEL_ERROR, EPROTO, "%s out of order: %s", rule->name,
                    channel->state == CHANNEL_NEW ? "HELLO comes first" :
                    rule->once ? "it comes once, at the start" : "CONFIG comes first");
        return false;
    }
    return true;
}

static ChannelVerdict message_run(Channel *channel, const ChannelOps *ops, void *opaque, GError **errp)
{
    const void *payload = channel->buf.bytes + sizeof(TierMsgHeader);
    const Rule *rule = rule_of(channel->buf.header.request);

    if (!payload_check(channel, payload, errp)) {
        return CHANNEL_MALFORMED;
    }
    return state_check(channel, rule, errp) && rule->run(channel, payload, ops, opaque, errp)
               ? CHANNEL_DONE
               : CHANNEL_REFUSED;
}

/*
 * Take over the descriptors that came with bytes that start at @at in the message; those that don't
 * belong are closed.
 */
static bool fds_take(Channel *channel, size_t at, const int *fds, size_t n_fds, GError **errp)
{
    const bool ok = n_fds == 0 || (at == 0 && n_fds <= TIER_MSG_MAX_FDS);

    for (size_t i = 0; i < n_fds; i++) {
        if (ok) {
            channel->fds[channel->n_fds++] = fds[i];
        } else {
            close(fds[i]);
        }
    }
    return ok || malformed(errp, "%zu descriptors %s", n_fds,
                           at ? "in the middle of a message" : "where 3 are the most that any takes");
}

ChannelVerdict channel_received(Channel *channel, size_t n, const int *fds, size_t n_fds,
                                const ChannelOps *ops, void *opaque, GError **errp)
{
    const size_t before = channel->have;
    ChannelVerdict verdict;
    size_t space;

    channel_space(channel, &space);
    g_assert(n > 0 && n <= space);
    channel->have += n;
    if (!fds_take(channel, before, fds, n_fds, errp)) {
        return CHANNEL_MALFORMED;
    }
    if (channel->have < sizeof(TierMsgHeader)) {
        return CHANNEL_MORE;
    }
    channel->request = channel->buf.header.request;
    if (before < sizeof(TierMsgHeader) && !header_check(channel, errp)) {
        return CHANNEL_MALFORMED;
    }
    if (channel->have < sizeof(TierMsgHeader) + channel->buf.header.size) {
        return CHANNEL_MORE;
    }
    verdict = message_run(channel, ops, opaque, errp);
    drop_message(channel);
    return verdict;
}
