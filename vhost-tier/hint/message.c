/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vhost-user messages do to a hint device.
 *
 * Theory of operation
 *
 * One table says of each request how long its payload may be, how many descriptors come with it, and what carries it
 * out; what is not in it is refused. All numbers of a message are checked before anything uses them, and before
 * libvhost-user sees it, which gets only what concerns memory and rings. A request that is refused changes nothing.
 */
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "device-impl.h"

/* Requests and features that libvhost-user has no names for (docs/interop/vhost-user.rst in QEMU's tree). */
#define REQUEST_RESET_DEVICE        34
#define REQUEST_SET_STATUS          39
#define REQUEST_GET_STATUS          40
#define REQUEST_SET_DEVICE_STATE_FD 42
#define REQUEST_CHECK_DEVICE_STATE  43
#define PROTOCOL_F_RESET_DEVICE     13
#define PROTOCOL_F_STATUS           16
#define PROTOCOL_F_DEVICE_STATE     19

/* Payload of SET_DEVICE_STATE_FD. */
#define STATE_DIRECTION_LOAD 1u
typedef struct DeviceState {
    uint32_t direction;             /* 0: save */
    uint32_t phase;                 /* 0: the device is stopped */
} DeviceState;

#define RING_MAX VIRTQUEUE_MAX_SIZE

#define BIT64(n) (UINT64_C(1) << (n))

#define FEATURES \
    (BIT64(VIRTIO_TIER_F_PIN) | BIT64(VIRTIO_TIER_F_QUERY) | BIT64(VIRTIO_TIER_F_EVENTS) | \
     BIT64(VIRTIO_RING_F_INDIRECT_DESC) | BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_F_VERSION_1) | \
     BIT64(VHOST_F_LOG_ALL) | BIT64(VHOST_USER_F_PROTOCOL_FEATURES))
#define PROTOCOL_FEATURES \
    (BIT64(VHOST_USER_PROTOCOL_F_MQ) | BIT64(VHOST_USER_PROTOCOL_F_LOG_SHMFD) | \
     BIT64(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT64(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | \
     BIT64(VHOST_USER_PROTOCOL_F_CONFIG) | \
     BIT64(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | BIT64(PROTOCOL_F_RESET_DEVICE) | BIT64(PROTOCOL_F_STATUS) | \
     BIT64(PROTOCOL_F_DEVICE_STATE))

typedef struct Rule {
    const char *name;
    uint32_t min_payload, max_payload;  /* bytes */
    uint8_t min_fds, max_fds;
    bool answers;                   /* it has an answer of its own, whether or not one is asked for */
    bool (*run)(HintDevice *device, VhostUserMsg *msg, GError **errp);
} Rule;

bool message_refuse(GError **errp, const char *format, ...)
{
    va_list ap;
    g_autofree char *text = NULL;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error_literal(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, text);
    return false;
}

void message_answer(VhostUserMsg *msg, uint64_t value)
{
    msg->payload.u64 = value;
    msg->size = sizeof(msg->payload.u64);
}

/* Take the only descriptor out of a message. */
static int take_fd(VhostUserMsg *msg)
{
    msg->fd_num = 0;
    return msg->fds[0];
}

bool message_hand_over(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    g_clear_pointer(&device->panic, g_free);
    device->handed = msg;
    vu_dispatch(&device->dev);
    device->handed = NULL;
    if (device->panic) {
        /* It may have done half of it. */
        g_set_error_literal(errp, G_IO_ERROR, G_IO_ERROR_FAILED, device->panic);
        return false;
    }
    return true;
}

/* --- features --- */

static bool run_get_features(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    message_answer(msg, FEATURES);
    return true;
}

static bool run_set_features(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const uint64_t features = msg->payload.u64;

    if (features & ~FEATURES || !(features & BIT64(VIRTIO_F_VERSION_1))) {
        return message_refuse(errp, "features 0x%" G_GINT64_MODIFIER "x are not a part, with VERSION_1, of those "
                              "offered", features);
    }
    device->features = features;
    device->log.wanted = features & BIT64(VHOST_F_LOG_ALL);
    /* It logs by what the guest has in its descriptors by then, and ends the process where that is nonsense. */
    msg->payload.u64 = features & ~BIT64(VHOST_F_LOG_ALL);
    if (!message_hand_over(device, msg, errp)) {
        return false;
    }
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT && !(features & BIT64(VHOST_USER_F_PROTOCOL_FEATURES)); i++) {
        vu_get_queue(&device->dev, (int)i)->enable = 1;
    }
    return true;
}

static bool run_get_protocol_features(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    message_answer(msg, PROTOCOL_FEATURES);
    return true;
}

static bool run_set_protocol_features(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    if (msg->payload.u64 & ~PROTOCOL_FEATURES) {
        return message_refuse(errp, "protocol features 0x%" G_GINT64_MODIFIER "x were not offered", msg->payload.u64);
    }
    return message_hand_over(device, msg, errp);
}

static bool run_nothing(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    return true;
}

static bool run_get_queue_num(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    message_answer(msg, VIRTIO_TIER_Q_COUNT);
    return true;
}

static bool run_get_max_mem_slots(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    message_answer(msg, VHOST_USER_MAX_RAM_SLOTS);
    return true;
}

/* --- queues --- */

static VuVirtq *queue_of(HintDevice *device, uint64_t index, GError **errp)
{
    if (index >= VIRTIO_TIER_Q_COUNT) {
        message_refuse(errp, "there is no queue %" G_GUINT64_FORMAT, index);
        return NULL;
    }
    return vu_get_queue(&device->dev, (int)index);
}

/* The same where it does not run at the moment. */
static VuVirtq *stopped_queue_of(HintDevice *device, uint64_t index, GError **errp)
{
    VuVirtq *vq = queue_of(device, index, errp);

    if (vq && vu_queue_started(&device->dev, vq)) {
        message_refuse(errp, "queue %" G_GUINT64_FORMAT " runs", index);
        return NULL;
    }
    return vq;
}

static bool run_set_vring_num(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const unsigned num = msg->payload.state.num;
    VuVirtq *vq = stopped_queue_of(device, msg->payload.state.index, errp);

    if (!vq) {
        return false;
    }
    if (num == 0 || num > RING_MAX || num & (num - 1)) {
        return message_refuse(errp, "a queue of %u entries", num);
    }
    vq->vring.num = num;
    hint_queue_remap(&device->queues[msg->payload.state.index]);
    return true;
}

static bool run_set_vring_addr(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const struct vhost_vring_addr addr = msg->payload.addr;
    const VuVirtq *vq = queue_of(device, addr.index, errp);

    if (!vq) {
        return false;
    }
    if (!hint_queue_address_ok(&device->queues[addr.index], vq->vring.num, &addr)) {
        return message_refuse(errp, "queue %u, of %u entries, does not lie in mapped memory in whole, or is unaligned",
                              addr.index, vq->vring.num);
    }
    return message_hand_over(device, msg, errp);
}

static bool run_set_vring_base(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    VuVirtq *vq = stopped_queue_of(device, msg->payload.state.index, errp);

    return vq && message_hand_over(device, msg, errp);
}

static void queue_stop(HintDevice *device, unsigned index)
{
    VuVirtq *vq = vu_get_queue(&device->dev, (int)index);

    vq->started = false;
    if (vq->call_fd >= 0) {
        close(g_steal_fd(&vq->call_fd));
    }
    if (vq->kick_fd >= 0) {
        device->dev.remove_watch(&device->dev, vq->kick_fd);
        close(g_steal_fd(&vq->kick_fd));
    }
}

static bool run_get_vring_base(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const VuVirtq *vq = queue_of(device, msg->payload.state.index, errp);

    if (!vq) {
        return false;
    }
    queue_stop(device, msg->payload.state.index);
    msg->payload.state.num = vq->last_avail_idx;
    return true;
}

static bool run_set_vring_enable(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    if (!queue_of(device, msg->payload.state.index, errp) || !message_hand_over(device, msg, errp)) {
        return false;
    }
    hint_device_wake(device);
    return true;
}

/* Whether the message brings an eventfd for a queue of ours, or (@may_lack) says that there is none. */
static bool eventfd_check(HintDevice *device, VhostUserMsg *msg, bool may_lack, GError **errp)
{
    const bool lacks = msg->payload.u64 & VHOST_USER_VRING_NOFD_MASK;
    g_autofree char *path = NULL, *link = NULL;

    if (!queue_of(device, msg->payload.u64 & VHOST_USER_VRING_IDX_MASK, errp)) {
        return false;
    }
    if (lacks != (msg->fd_num == 0) || (lacks && !may_lack)) {
        return message_refuse(errp, "%d descriptors where an eventfd is due", msg->fd_num);
    }
    if (lacks) {
        return true;
    }
    path = g_strdup_printf("/proc/self/fd/%d", msg->fds[0]);
    link = g_file_read_link(path, NULL);
    /* It must not block: a full one would when it is written, an empty one when it is read. */
    if (g_strcmp0(link, "anon_inode:[eventfd]") || !g_unix_set_fd_nonblocking(msg->fds[0], TRUE, NULL)) {
        return message_refuse(errp, "the descriptor is '%s', no eventfd", link ? link : "unknown");
    }
    return true;
}

static bool run_set_vring_kick(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    const unsigned index = msg->payload.u64 & VHOST_USER_VRING_IDX_MASK;
    VuVirtq *vq;

    if (!eventfd_check(device, msg, false, errp)) {
        return false;
    }
    vq = vu_get_queue(&device->dev, (int)index);
    vq->inuse = 0;
    vq->signalled_used_valid = false;
    device->queues[index].broken = NULL;
    device->broken_told[index] = false;
    if (!message_hand_over(device, msg, errp)) {
        return false;
    }
    if (index == VIRTIO_TIER_Q_HINT) {
        device->ops->started(device->opaque, vq->last_avail_idx != 0);
    }
    hint_device_wake(device);
    return true;
}

static bool run_set_vring_call(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    return eventfd_check(device, msg, true, errp) && message_hand_over(device, msg, errp);
}

/* --- the device --- */

static bool config_bounds(const VhostUserMsg *msg, GError **errp)
{
    const uint32_t offset = msg->payload.config.offset, size = msg->payload.config.size;

    if (size > VHOST_USER_MAX_CONFIG_SIZE || offset > VHOST_USER_MAX_CONFIG_SIZE - size ||
        msg->size != VHOST_USER_CONFIG_HDR_SIZE + size) {
        return message_refuse(errp, "%u bytes of configuration at %u in a message of %u", size, offset, msg->size);
    }
    return true;
}

static bool run_get_config(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    uint8_t bytes[VHOST_USER_MAX_CONFIG_SIZE] = { 0 };
    struct virtio_tier_config now = { 0 };

    if (!config_bounds(msg, errp)) {
        return false;
    }
    device->ops->config(device->opaque, &now);
    now = (struct virtio_tier_config) {
        .granule = GUINT64_TO_LE(now.granule), .fast_budget = GUINT64_TO_LE(now.fast_budget),
        .pin_limit = GUINT64_TO_LE(now.pin_limit), .max_ranges = GUINT32_TO_LE(now.max_ranges),
        .max_ranges_per_s = GUINT32_TO_LE(now.max_ranges_per_s), .n_tiers = GUINT32_TO_LE(now.n_tiers),
    };
    memcpy(bytes, &now, sizeof(now));
    memcpy(msg->payload.config.region, bytes + msg->payload.config.offset, msg->payload.config.size);
    return true;
}

static bool run_set_config(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    return config_bounds(msg, errp) && message_refuse(errp, "the configuration is read only");
}

static bool run_set_backend_req_fd(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    if (device->backend_fd >= 0) {
        close(device->backend_fd);
    }
    device->backend_fd = take_fd(msg);
    return true;
}

static bool run_set_status(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    device->status = (uint8_t)msg->payload.u64;
    return true;
}

static bool run_get_status(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    message_answer(msg, device->status);
    return true;
}

static bool run_reset_device(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        queue_stop(device, i);
        vu_get_queue(&device->dev, (int)i)->enable = 0;
    }
    memset(device->events, 0, sizeof(device->events));
    device->lost = 0;
    device->features = 0;
    device->status = 0;
    device->ops->reset(device->opaque);
    return true;
}

static bool run_set_device_state_fd(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    DeviceState state;

    memcpy(&state, &msg->payload, sizeof(state));
    if (state.direction > STATE_DIRECTION_LOAD || state.phase != 0) {
        return message_refuse(errp, "no state can be transferred in direction %u, phase %u", state.direction,
                              state.phase);
    }
    if (!transfer_begin(device, state.direction == STATE_DIRECTION_LOAD, take_fd(msg), errp)) {
        return false;
    }
    /* No descriptor comes back: QEMU's own is used. */
    message_answer(msg, VHOST_USER_VRING_NOFD_MASK);
    return true;
}

static bool run_check_device_state(HintDevice *device, VhostUserMsg *msg, GError **errp)
{
    if (!transfer_end(device, errp)) {
        return false;
    }
    message_answer(msg, 0);
    return true;
}

#define STATE_BYTES  sizeof(struct vhost_vring_state)
#define CONFIG_BYTES VHOST_USER_CONFIG_HDR_SIZE

static const Rule rules[] = {
    [VHOST_USER_GET_FEATURES] = {"GET_FEATURES", 0, 0, 0, 0, true, run_get_features},
    [VHOST_USER_SET_FEATURES] = {"SET_FEATURES", 8, 8, 0, 0, false, run_set_features},
    [VHOST_USER_SET_OWNER] = {"SET_OWNER", 0, 0, 0, 0, false, run_nothing},
    [VHOST_USER_RESET_OWNER] = {"RESET_OWNER", 0, 0, 0, 0, false, run_nothing},
    [VHOST_USER_SET_MEM_TABLE] = {"SET_MEM_TABLE", 8, sizeof(VhostUserMemory), 0, 8, false, memory_set_mem_table},
    [VHOST_USER_SET_LOG_BASE] = {"SET_LOG_BASE", 16, 16, 1, 1, true, memory_set_log_base},
    [VHOST_USER_SET_LOG_FD] = {"SET_LOG_FD", 0, 8, 0, 1, false, run_nothing},
    [VHOST_USER_SET_VRING_NUM] = {"SET_VRING_NUM", STATE_BYTES, STATE_BYTES, 0, 0, false, run_set_vring_num},
    [VHOST_USER_SET_VRING_ADDR] = {"SET_VRING_ADDR", sizeof(struct vhost_vring_addr), sizeof(struct vhost_vring_addr),
                                   0, 0, false, run_set_vring_addr},
    [VHOST_USER_SET_VRING_BASE] = {"SET_VRING_BASE", STATE_BYTES, STATE_BYTES, 0, 0, false, run_set_vring_base},
    [VHOST_USER_GET_VRING_BASE] = {"GET_VRING_BASE", STATE_BYTES, STATE_BYTES, 0, 0, true, run_get_vring_base},
    [VHOST_USER_SET_VRING_KICK] = {"SET_VRING_KICK", 8, 8, 0, 1, false, run_set_vring_kick},
    [VHOST_USER_SET_VRING_CALL] = {"SET_VRING_CALL", 8, 8, 0, 1, false, run_set_vring_call},
    [VHOST_USER_SET_VRING_ERR] = {"SET_VRING_ERR", 8, 8, 0, 1, false, run_set_vring_call},
    [VHOST_USER_GET_PROTOCOL_FEATURES] = {"GET_PROTOCOL_FEATURES", 0, 0, 0, 0, true, run_get_protocol_features},
    [VHOST_USER_SET_PROTOCOL_FEATURES] = {"SET_PROTOCOL_FEATURES", 8, 8, 0, 0, false, run_set_protocol_features},
    [VHOST_USER_GET_QUEUE_NUM] = {"GET_QUEUE_NUM", 0, 0, 0, 0, true, run_get_queue_num},
    [VHOST_USER_SET_VRING_ENABLE] = {"SET_VRING_ENABLE", STATE_BYTES, STATE_BYTES, 0, 0, false, run_set_vring_enable},
    [VHOST_USER_SET_BACKEND_REQ_FD] = {"SET_BACKEND_REQ_FD", 0, 8, 1, 1, false, run_set_backend_req_fd},
    [VHOST_USER_GET_CONFIG] = {"GET_CONFIG", CONFIG_BYTES, sizeof(VhostUserConfig), 0, 0, true, run_get_config},
    [VHOST_USER_SET_CONFIG] = {"SET_CONFIG", CONFIG_BYTES, sizeof(VhostUserConfig), 0, 0, false, run_set_config},
    [REQUEST_RESET_DEVICE] = {"RESET_DEVICE", 0, 0, 0, 0, false, run_reset_device},
    [VHOST_USER_GET_MAX_MEM_SLOTS] = {"GET_MAX_MEM_SLOTS", 0, 0, 0, 0, true, run_get_max_mem_slots},
    [VHOST_USER_ADD_MEM_REG] = {"ADD_MEM_REG", sizeof(VhostUserMemRegMsg), sizeof(VhostUserMemRegMsg), 1, 1, false,
                                memory_add_mem_reg},
    [VHOST_USER_REM_MEM_REG] = {"REM_MEM_REG", sizeof(VhostUserMemRegMsg), sizeof(VhostUserMemRegMsg), 0, 1, false,
                                memory_rem_mem_reg},
    [REQUEST_SET_STATUS] = {"SET_STATUS", 8, 8, 0, 0, false, run_set_status},
    [REQUEST_GET_STATUS] = {"GET_STATUS", 0, 0, 0, 0, true, run_get_status},
    [REQUEST_SET_DEVICE_STATE_FD] = {"SET_DEVICE_STATE_FD", sizeof(DeviceState), sizeof(DeviceState), 1, 1, true,
                                     run_set_device_state_fd},
    [REQUEST_CHECK_DEVICE_STATE] = {"CHECK_DEVICE_STATE", 0, 0, 0, 0, true, run_check_device_state},
};

static const Rule *rule_of(const VhostUserMsg *msg)
{
    return msg->request >= 0 && (size_t)msg->request < G_N_ELEMENTS(rules) && rules[msg->request].name
               ? &rules[msg->request]
               : NULL;
}

bool message_header_check(const VhostUserMsg *msg, GError **errp)
{
    if ((msg->flags & VHOST_USER_VERSION_MASK) != 1 || msg->flags & VHOST_USER_REPLY_MASK) {
        return message_refuse(errp, "malformed message: flags 0x%x", msg->flags);
    }
    if (msg->size > sizeof(msg->payload)) {
        return message_refuse(errp, "malformed message: request %d with %u bytes of payload", msg->request, msg->size);
    }
    return true;
}

bool message_run(HintDevice *device, VhostUserMsg *msg, bool *answer, GError **errp)
{
    const Rule *rule = rule_of(msg);
    g_autoptr(GError) err = NULL;

    *answer = rule && rule->answers;
    if (!rule) {
        return message_refuse(errp, "request %d is not known here", msg->request);
    }
    if (msg->size < rule->min_payload || msg->size > rule->max_payload || msg->fd_num < rule->min_fds ||
        msg->fd_num > rule->max_fds) {
        return message_refuse(errp, "%s with %u bytes of payload and %d descriptors", rule->name, msg->size,
                              msg->fd_num);
    }
    if (!rule->run(device, msg, &err)) {
        g_propagate_prefixed_error(errp, g_steal_pointer(&err), "%s: ", rule->name);
        return false;
    }
    return true;
}
