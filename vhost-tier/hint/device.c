/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of QEMU's vhost-user-tier device: messages in and out, queues served, events sent.
 *
 * Theory of operation
 *
 * A message is received as far as it has come, and carried out once it is whole (message.c). One that is refused
 * is answered so, where an answer is asked for; where none is, QEMU believes that it was carried out, and the
 * connection ends. An answer that the socket has no room for ends it, too: QEMU reads its answers before it asks again.
 *
 * Queues are served from one GSource, for SLICE_NS at a time, and it rests for as long as that took, and the longer the
 * more of it was ignored (IGNORED_REST). It begins once CREDIT_NS are due, so that what comes now and then need not
 * wait. A guest that floods its device, or has it work hard for one request after the other, gets half of its VM's
 * thread at most, a ninth of it with what is of no use, and never another's. What is not served waits in the queue.
 *
 * A queue whose contents break the rules is served no more until it is started anew, which its error eventfd tells
 * QEMU. Guest memory that goes away (guard.h) ends the connection, as then nothing of it can be relied upon.
 */
#include "device.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "device-impl.h"

#define SLICE_NS         G_GUINT64_CONSTANT(2000000)
#define CREDIT_NS        SLICE_NS       /* of work and rest that may be behind */
#define IGNORED_REST     7              /* so many times as long as what was ignored took it rests besides */
#define MESSAGES_PER_TURN 32

/* The value of an answer that refuses: an error, and that no descriptor comes along. */
#define REFUSED_U64 (VHOST_USER_VRING_NOFD_MASK | 1u)

static void unwatch(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

void hint_device_log(HintDevice *device, GLogLevelFlags level, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    device->ops->log(device->opaque, level, text);
}

static void device_close(HintDevice *device, GLogLevelFlags level, const char *why)
{
    if (!device->closing) {
        device->closing = true;
        hint_device_log(device, level, "the connection of its hint device ends: %s", why);
    }
}

void hint_device_wake(HintDevice *device)
{
    g_source_set_ready_time(device->serve, (gint64)(device->rest_until_ns / 1000));
}

/* --- queues --- */

/* Whether the queue was found broken just now; if so, tell QEMU. */
static void tell_broken(HintDevice *device, unsigned index)
{
    const VuVirtq *vq = vu_get_queue(&device->dev, (int)index);

    if (device->queues[index].broken && !device->broken_told[index]) {
        device->broken_told[index] = true;
        hint_device_log(device, G_LOG_LEVEL_WARNING, "queue %u of its hint device is stopped: %s (%s)", index,
                        device->queues[index].broken, device->panic ? device->panic : "its index");
        if (vq->err_fd >= 0) {
            eventfd_write(vq->err_fd, 1);
        }
    }
}

/* What was served in a slice of time: ranges, where a request without any counts for one. */
typedef struct Served {
    unsigned ranges;
    unsigned ignored;               /* of them: those that nothing came of, whatever the reason */
} Served;

static void count_served(Served *served, const HintRequest *request)
{
    served->ranges += MAX(request->n_ranges, 1);
    served->ignored += request->n_ranges == 0;
    for (uint32_t i = 0; i < request->n_ranges; i++) {
        served->ignored += request->ranges[i].status != VIRTIO_TIER_S_OK;
    }
}

static void serve_request(HintDevice *device, VuVirtqElement *element, Served *served)
{
    HintQueue *queue = &device->queues[VIRTIO_TIER_Q_HINT];
    HintRequest *request = device->request;
    const bool answer = hint_request_parse(request, device->features, element->out_sg, element->out_num, element->in_sg,
                                           element->in_num);

    device->ops->request(device->opaque, request);
    count_served(served, request);
    hint_queue_push(queue, element, answer ? hint_request_answer(request, element->in_sg, element->in_num) : 0);
}

/* Serve requests for a slice of time; true where there are more. */
static bool serve_requests(HintDevice *device, Served *served)
{
    HintQueue *queue = &device->queues[VIRTIO_TIER_Q_HINT];
    const uint64_t end_ns = clock_ns() + SLICE_NS;
    VuVirtqElement *element;

    g_clear_pointer(&device->panic, g_free);
    do {
        element = hint_queue_pop(queue);
        if (element) {
            serve_request(device, element, served);
        }
    } while (element && clock_ns() < end_ns);
    if (served->ranges > 0) {
        hint_queue_notify(queue);
    }
    return hint_queue_has_more(queue);
}

/* Write an event to a buffer of the guest's; false where that is too small. */
static bool put_event(HintDevice *device, const VuVirtqElement *element, uint32_t type, uint32_t reason)
{
    const struct virtio_tier_event wire = {
        .type = GUINT32_TO_LE(type),
        .reason = GUINT32_TO_LE(reason),
        .value = GUINT64_TO_LE(device->events[type][reason].value),
        .lost = GUINT64_TO_LE(device->lost),
    };
    const uint8_t *from = (const uint8_t *)&wire;
    size_t left = sizeof(wire);

    for (unsigned i = 0; i < element->in_num && left > 0; i++) {
        const size_t n = MIN(left, element->in_sg[i].iov_len);

        memcpy(element->in_sg[i].iov_base, from, n);
        from += n;
        left -= n;
    }
    return left == 0;
}

/* Send the event, where there is a buffer for it. */
static bool send_event(HintDevice *device, uint32_t type, uint32_t reason)
{
    HintQueue *queue = &device->queues[VIRTIO_TIER_Q_EVENT];
    VuVirtqElement *element = hint_queue_pop(queue);

    if (!element) {
        return false;
    }
    if (put_event(device, element, type, reason)) {
        hint_queue_push(queue, element, sizeof(struct virtio_tier_event));
        device->events[type][reason] = (HintEvent) { 0 };
        device->lost = 0;
    } else {
        hint_queue_push(queue, element, 0);
    }
    return true;
}

static void serve_events(HintDevice *device)
{
    bool sent = false;

    for (uint32_t type = 0; type < HINT_EVENT_TYPES; type++) {
        for (uint32_t reason = 0; reason < HINT_EVENT_REASONS; reason++) {
            if (device->events[type][reason].due) {
                sent = send_event(device, type, reason) || sent;
            }
        }
    }
    if (sent) {
        hint_queue_notify(&device->queues[VIRTIO_TIER_Q_EVENT]);
    }
}

static void end_if_closing(HintDevice *device)
{
    if (device->guard.tripped) {
        device_close(device, G_LOG_LEVEL_WARNING,
                     "some of the guest's memory is gone: its file was made shorter, or the "
                     "host's memory has an error");
    }
    if (device->closing) {
        device->ops->gone(device->opaque);
    }
}

/* How long to rest after work of @work_ns. What is ignored is no work, so where that took long the host was busy. */
static uint64_t rest_ns(uint64_t work_ns, const Served *served)
{
    return work_ns + IGNORED_REST * MIN(work_ns, 2 * SLICE_NS) * served->ignored / MAX(served->ranges, 1);
}

static gboolean on_serve(GSource *source, GSourceFunc callback, gpointer data)
{
    HintDevice *device = data;
    const uint64_t start_ns = clock_ns();
    Served served = { 0 };
    uint64_t work_ns;
    bool more;

    g_source_set_ready_time(source, -1);
    hint_guard_enter(&device->guard);
    more = serve_requests(device, &served);
    serve_events(device);
    hint_guard_leave();
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        tell_broken(device, i);
    }
    work_ns = clock_ns() - start_ns;
    device->rest_until_ns = MAX(device->rest_until_ns, start_ns - CREDIT_NS) + work_ns + rest_ns(work_ns, &served);
    if (more) {
        hint_device_wake(device);
    }
    end_if_closing(device);
    return G_SOURCE_CONTINUE;
}

void hint_device_event(HintDevice *device, uint32_t type, uint32_t reason, uint64_t value)
{
    HintEvent *event = &device->events[type][reason];

    if (!(device->features & 1u << VIRTIO_TIER_F_EVENTS)) {
        return;
    }
    device->lost += event->due;
    event->value = type == VIRTIO_TIER_E_HINTS_IGNORED && event->due ? event->value + value : value;
    event->due = true;
    hint_device_wake(device);
}

/* --- the socket --- */

static void close_fds(VhostUserMsg *msg)
{
    for (int i = 0; i < msg->fd_num; i++) {
        close(msg->fds[i]);
    }
    msg->fd_num = 0;
}

/* Send a message without descriptors; never waits. */
static bool send_message(int sock, const VhostUserMsg *msg)
{
    const size_t bytes = VHOST_USER_HDR_SIZE + msg->size;

    return send(sock, msg, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)bytes;
}

static void answer(HintDevice *device, VhostUserMsg *msg)
{
    msg->flags = 1 | VHOST_USER_REPLY_MASK;
    if (!send_message(device->sock, msg)) {
        device_close(device, G_LOG_LEVEL_WARNING, "QEMU does not read its answers");
    }
}

/* Answer a message that was refused, or was carried out and has no answer of its own. */
static void acknowledge(HintDevice *device, VhostUserMsg *msg, bool ok)
{
    msg->payload.u64 = ok ? 0 : REFUSED_U64;
    /* Of a configuration that can't be read, an answer without contents tells. */
    msg->size = !ok && msg->request == VHOST_USER_GET_CONFIG ? 0 : sizeof(msg->payload.u64);
    answer(device, msg);
}

static void on_message(HintDevice *device)
{
    VhostUserMsg *msg = &device->msg;
    const bool asked = msg->flags & VHOST_USER_NEED_REPLY_MASK;
    g_autoptr(GError) err = NULL;
    bool own, ok;

    hint_guard_enter(&device->guard);
    ok = message_run(device, msg, &own, &err);
    hint_guard_leave();
    close_fds(msg);
    if (!ok) {
        hint_device_log(device, G_LOG_LEVEL_WARNING, "its hint device is refused: %s", err->message);
        if ((!asked && !own) || g_error_matches(err, G_IO_ERROR, G_IO_ERROR_FAILED)) {
            device_close(device, G_LOG_LEVEL_WARNING, "what was refused can't be told, or was done in part");
        }
    }
    if (device->closing) {
        return;
    }
    if (ok && own) {
        answer(device, msg);
    } else if (asked || own) {
        acknowledge(device, msg, ok);
    }
}

/* Descriptors that came along belong to the message at hand. */
static void take_fds(HintDevice *device, struct msghdr *from)
{
    VhostUserMsg *msg = &device->msg;

    for (struct cmsghdr *head = CMSG_FIRSTHDR(from); head; head = CMSG_NXTHDR(from, head)) {
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
            const int *fds = (const int *)CMSG_DATA(head);

            for (size_t i = 0; i < (head->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                if (msg->fd_num < VHOST_MEMORY_BASELINE_NREGIONS) {
                    msg->fds[msg->fd_num++] = fds[i];
                } else {
                    close(fds[i]);
                }
            }
        }
    }
}

static size_t message_bytes(const HintDevice *device)
{
    return VHOST_USER_HDR_SIZE + (device->have < VHOST_USER_HDR_SIZE ? 0 : device->msg.size);
}

/* One recvmsg(2); false when there is nothing more now, or the connection ends. */
static bool receive(HintDevice *device)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * VHOST_MEMORY_BASELINE_NREGIONS)];
    } control;
    struct iovec iov = { (uint8_t *)&device->msg + device->have, message_bytes(device) - device->have };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
    };
    g_autoptr(GError) err = NULL;
    const ssize_t n = recvmsg(device->sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n <= 0) {
        device_close(device, G_LOG_LEVEL_MESSAGE, n == 0 || errno == ECONNRESET ? "closed by QEMU" : g_strerror(errno));
        return false;
    }
    take_fds(device, &msg);
    device->have += (size_t)n;
    if (device->have == VHOST_USER_HDR_SIZE && !message_header_check(&device->msg, &err)) {
        device_close(device, G_LOG_LEVEL_WARNING, err->message);
        return false;
    }
    if (device->have >= VHOST_USER_HDR_SIZE && device->have == message_bytes(device)) {
        on_message(device);
        device->have = 0;
    }
    return !device->closing;
}

static gboolean on_readable(int fd, GIOCondition condition, void *opaque)
{
    HintDevice *device = opaque;
    bool more = true;

    for (int i = 0; more && i < MESSAGES_PER_TURN; i++) {
        more = receive(device);
    }
    end_if_closing(device);
    return G_SOURCE_CONTINUE;
}

bool hint_device_config_changed(HintDevice *device)
{
    const VhostUserMsg msg = { .request = VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, .flags = 1 };

    return device->backend_fd >= 0 && send_message(device->backend_fd, &msg);
}

/* --- what libvhost-user asks for --- */

static void on_panic(VuDev *dev, const char *text)
{
    HintDevice *device = (HintDevice *)dev;

    g_free(device->panic);
    device->panic = g_strdup(text ? text : "out of memory");
    /* Whoever called it decides what ends: a queue, or the connection. */
    dev->broken = false;
}

static bool on_read(VuDev *dev, int sock, VhostUserMsg *msg)
{
    HintDevice *device = (HintDevice *)dev;

    *msg = *device->handed;
    msg->flags &= ~(uint32_t)VHOST_USER_NEED_REPLY_MASK;
    msg->data = NULL;
    device->handed->fd_num = 0;
    return true;
}

static gboolean on_kick(int fd, GIOCondition condition, void *opaque)
{
    eventfd_t count;

    eventfd_read(fd, &count);
    hint_device_wake(opaque);
    return G_SOURCE_CONTINUE;
}

static void on_set_watch(VuDev *dev, int fd, int condition, vu_watch_cb func, void *data)
{
    HintDevice *device = (HintDevice *)dev;
    GSource **kick = &device->kicks[(intptr_t)data];

    unwatch(kick);
    *kick = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(*kick, G_SOURCE_FUNC(on_kick), device, NULL);
    g_source_attach(*kick, device->context);
}

static void on_remove_watch(VuDev *dev, int fd)
{
    HintDevice *device = (HintDevice *)dev;

    for (int i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        if (vu_get_queue(dev, i)->kick_fd == fd) {
            unwatch(&device->kicks[i]);
        }
    }
}

/* Kicks are taken by on_kick(); libvhost-user watches for them only where there is a handler. */
static void on_queue(VuDev *dev, int index)
{
    hint_device_wake((HintDevice *)dev);
}

static bool in_order(VuDev *dev, int index)
{
    return true;
}

static const VuDevIface iface = { .queue_is_processed_in_order = in_order };

/* --- life --- */

static bool guest_mapping(void *opaque, uintptr_t address, uintptr_t *start, size_t *bytes)
{
    const HintDevice *device = opaque;

    if (device->log.bits && address - (uintptr_t)device->log.bits < device->log.bytes) {
        *start = (uintptr_t)device->log.bits;
        *bytes = device->log.bytes;
        return true;
    }
    for (uint32_t i = 0; i < device->dev.nregions; i++) {
        const VuDevRegion *region = &device->dev.regions[i];

        *start = (uintptr_t)region->mmap_addr;
        *bytes = region->size + region->mmap_offset;
        if (address - *start < *bytes) {
            return true;
        }
    }
    return false;
}

const char *hint_device_unusable(void)
{
    return NULL;
}

HintDevice *hint_device_new(int sock, GMainContext *context, uint64_t max_bytes, const HintOps *ops, void *opaque)
{
    static GSourceFuncs serve_funcs = { .dispatch = on_serve };
    HintDevice *device = g_new0(HintDevice, 1);
    bool ok;

    *device = (HintDevice) {
        .ops = ops, .opaque = opaque, .context = context, .sock = sock, .max_bytes = max_bytes, .backend_fd = -1,
        .guard = { .mapping = guest_mapping, .opaque = device }, .transfer = { .fd = -1 },
        .memory = g_array_new(FALSE, FALSE, sizeof(HintMemory)), .mapped = g_array_new(FALSE, FALSE, sizeof(bool)),
        .request = g_new0(HintRequest, 1),
    };
    ok = vu_init(&device->dev, VIRTIO_TIER_Q_COUNT, sock, on_panic, on_read, on_set_watch, on_remove_watch, &iface);
    g_assert(ok);
    /* Its writes would wait for a QEMU that does not read. */
    device->dev.sock = -1;
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        device->queues[i] = (HintQueue) { .dev = &device->dev, .index = i, .log = &device->log };
        vu_set_queue_handler(&device->dev, vu_get_queue(&device->dev, (int)i), on_queue);
    }
    device->serve = g_source_new(&serve_funcs, sizeof(GSource));
    g_source_set_callback(device->serve, NULL, device, NULL);
    g_source_attach(device->serve, context);
    device->in = g_unix_fd_source_new(sock, G_IO_IN);
    g_source_set_callback(device->in, G_SOURCE_FUNC(on_readable), device, NULL);
    g_source_attach(device->in, context);
    return device;
}

void hint_device_free(HintDevice *device)
{
    unwatch(&device->in);
    unwatch(&device->serve);
    transfer_clear(device);
    close_fds(&device->msg);
    vu_deinit(&device->dev);
    memory_forget(device);
    if (device->backend_fd >= 0) {
        close(device->backend_fd);
    }
    close(device->sock);
    g_array_unref(device->memory);
    g_array_unref(device->mapped);
    g_free(device->request);
    g_free(device->panic);
    g_free(device);
}

const GArray *hint_device_memory(const HintDevice *device)
{
    return device->memory;
}

uint64_t hint_device_features(const HintDevice *device)
{
    return device->features;
}
