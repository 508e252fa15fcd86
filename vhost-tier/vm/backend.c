/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One memory channel: the socket of one backend of a QEMU, and what its messages do.
 *
 * Reads are non-blocking and never take more than the message at hand; what can't be written at once
 * waits in a bounded queue, and a peer that does not read loses STATS and STATE first, then the
 * connection.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "impl.h"

#define QUEUE_SOFT_BYTES (16 * 1024)    /* above this what is sent unasked is left out */
#define QUEUE_HARD_BYTES (64 * 1024)    /* above this the peer does not read at all */
#define READS_PER_TURN   32             /* then others get their turn */

static GSource *watch(Backend *backend, int fd, GIOCondition condition, GUnixFDSourceFunc func)
{
    GSource *source = g_unix_fd_source_new(fd, condition);

    g_source_set_callback(source, G_SOURCE_FUNC(func), backend, NULL);
    g_source_attach(source, backend->vm->context);
    return source;
}

static void unwatch(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

/* @level: a warning, unless the end is QEMU's own wish. */
static void backend_close(Backend *backend, GLogLevelFlags level, const char *why)
{
    if (backend->closing) {
        return;
    }
    backend->closing = true;
    vm_log(backend->vm, level, "the channel to process %d ends: %s", (int)backend->peer.pid, why);
}

/*
 * The socket failed with @error (0: its end was read) in @call. QEMU closing it shows as one of several, by what was on
 * its way then; they are told apart, since where QEMU never meant to, that is the only trace of what came first.
 */
static void socket_failed(Backend *backend, const char *call, int error)
{
    g_autofree char *why = NULL;

    switch (error) {
    case 0:
        why = g_strdup("closed by QEMU (end of file)");
        break;
    case ECONNRESET:
        why = g_strdup_printf("closed by QEMU without reading all that was sent to it (%s: ECONNRESET)", call);
        break;
    case EPIPE:
        why = g_strdup_printf("closed by QEMU, as was found when more was sent to it (%s: EPIPE)", call);
        break;
    default:
        why = g_strdup_printf("%s: %s (errno %d)", call, g_strerror(error), error);
        backend_close(backend, G_LOG_LEVEL_WARNING, why);
        return;
    }
    backend_close(backend, G_LOG_LEVEL_MESSAGE, why);
}

/* Write what waits; true when the connection still lives. */
static bool flush(Backend *backend)
{
    while (backend->queue->len > 0) {
        ssize_t n =
            send(backend->sock, backend->queue->data, backend->queue->len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n < 0) {
            socket_failed(backend, "send", errno);
            return false;
        }
        g_byte_array_remove_range(backend->queue, 0, (guint)n);
    }
    return true;
}

static gboolean on_writable(int fd, GIOCondition condition, void *opaque)
{
    Backend *backend = opaque;

    if (!flush(backend)) {
        vm_backend_gone(backend->vm, backend);
        return G_SOURCE_REMOVE;
    }
    if (backend->queue->len > 0) {
        return G_SOURCE_CONTINUE;
    }
    g_clear_pointer(&backend->out, g_source_unref);
    return G_SOURCE_REMOVE;
}

/* Queue a message and write what can be. A connection that fails here is found ended by its reader. */
static void queue_message(Backend *backend, uint32_t request, uint32_t flags, const void *payload,
                          uint32_t size)
{
    const TierMsgHeader header = { .request = request, .flags = TIER_CHANNEL_VERSION | flags, .size = size };

    if (backend->closing) {
        return;
    }
    g_byte_array_append(backend->queue, (const uint8_t *)&header, sizeof(header));
    g_byte_array_append(backend->queue, payload, size);
    if (flush(backend) && backend->queue->len > QUEUE_HARD_BYTES) {
        backend_close(backend, G_LOG_LEVEL_WARNING, "QEMU does not read what is sent to it");
    }
    if (backend->closing) {
        /* Whoever called may be using the backend; the reader sees the end of the socket and cleans up. */
        shutdown(backend->sock, SHUT_RDWR);
        return;
    }
    if (backend->queue->len > 0 && !backend->out) {
        backend->out = watch(backend, backend->sock, G_IO_OUT, on_writable);
    }
}

static void queue_unasked(Backend *backend, uint32_t request, const void *payload, uint32_t size)
{
    if (backend->queue->len <= QUEUE_SOFT_BYTES) {
        queue_message(backend, request, 0, payload, size);
    }
}

static void queue_status(Backend *backend, uint32_t request, const GError *error)
{
    TierMsgStatus status = { .error = error ? channel_errno(error) : 0 };

    channel_text_copy(status.text, sizeof(status.text), error ? error->message : "");
    queue_message(backend, request, TIER_MSG_REPLY, &status, sizeof(status));
}

void backend_send_config(Backend *backend, const TierMsgConfig *config)
{
    if (memcmp(config, &backend->told, sizeof(*config)) != 0) {
        backend->told = *config;
        queue_unasked(backend, TIER_MSG_CONFIG, config, sizeof(*config));
    }
}

void backend_send_stats(Backend *backend, const TierMsgStats *stats)
{
    queue_unasked(backend, TIER_MSG_STATS, stats, sizeof(*stats));
}

void backend_send_hints(Backend *backend, const TierMsgHints *hints)
{
    if (backend->features & TIER_F_HINTS && memcmp(hints, &backend->told_hints, sizeof(*hints)) != 0) {
        backend->told_hints = *hints;
        queue_unasked(backend, TIER_MSG_HINTS, hints, sizeof(*hints));
    }
}

void backend_send_state(Backend *backend, uint32_t state, const char *text)
{
    TierMsgState msg = { .state = state };

    if (backend->told_state == state || backend->channel.state != CHANNEL_CONFIGURED) {
        return;
    }
    backend->told_state = state;
    channel_text_copy(msg.text, sizeof(msg.text), text ? text : "");
    queue_unasked(backend, TIER_MSG_STATE, &msg, sizeof(msg));
}

static bool on_hello(void *opaque, const TierMsgHello *msg, GError **errp)
{
    Backend *backend = opaque;
    TierMsgHello answer = { .version = TIER_CHANNEL_VERSION };

    backend->features = msg->features & (TIER_F_RWP | TIER_F_WP | TIER_F_FREEZE | TIER_F_HINTS);
    g_strlcpy(backend->name, msg->backend, sizeof(backend->name));
    answer.features = backend->features;
    channel_text_copy(answer.vm, sizeof(answer.vm), backend->vm->name);
    channel_text_copy(answer.backend, sizeof(answer.backend), VHOST_TIER_VERSION);
    queue_message(backend, TIER_MSG_HELLO, TIER_MSG_REPLY, &answer, sizeof(answer));
    vm_log(backend->vm, G_LOG_LEVEL_MESSAGE, "process %d connects: backend '%s' of '%s'",
           (int)backend->peer.pid, msg->backend, msg->vm);
    return true;
}

static bool on_config(void *opaque, const TierMsgConfig *msg, GError **errp)
{
    Backend *backend = opaque;
    Vm *vm = backend->vm;

    if (!vm_take_tiers(vm, msg, errp)) {
        return false;
    }
    if (!backend->mover) {
        backend->mover = mover_new(vm->topology);
    }
    /*
     * The last one to say something is right: a change made in QEMU undoes what the operator set
     * here before.
     */
    if (backend->configured) {
        vm_settings_overrule(&vm->settings);
    }
    backend->config = backend->told = *msg;
    backend->configured = true;
    vm_refresh(vm);
    return true;
}

static bool on_region_add(void *opaque, const TierMsgRegionAdd *msg, int fds[TIER_MSG_MAX_FDS], GError **errp)
{
    Backend *backend = opaque;
    const PeerClaim claim = { msg->hva, msg->size, msg->fd_offset, msg->page_size, fds[0], fds[1], fds[2] };
    VmRegion *region;

    if (!peer_verify(&backend->peer, &claim, errp)) {
        return false;
    }
    region = g_new0(VmRegion, 1);
    region->backend = backend;
    region->peer_id = msg->id;
    region->name = g_strdup(msg->name);
    region->region = (Region) {
        .granule_bytes = (uint32_t)msg->page_size,
        .hva = msg->hva,
        .size = msg->size,
        .page_size = msg->page_size,
        .pid = backend->peer.pid,
        .pidfd = backend->peer.pidfd,
        .memfd = -1,
        .pagemap = -1,
        .uffd = -1,
    };
    if (!vm_region_add(backend->vm, region, errp)) {
        vm_region_free(region);
        return false;
    }
    region->region.memfd = g_steal_fd(&fds[0]);
    region->region.pagemap = g_steal_fd(&fds[1]);
    region->region.uffd = g_steal_fd(&fds[2]);
    vm_refresh(backend->vm);
    return true;
}

static VmRegion *own_region(Backend *backend, uint32_t peer_id)
{
    for (guint i = 0; i < backend->vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(backend->vm->regions, i);

        if (region->backend == backend && region->peer_id == peer_id) {
            return region;
        }
    }
    return NULL;
}

static bool on_region_del(void *opaque, uint32_t id, GError **errp)
{
    Backend *backend = opaque;
    VmRegion *region = own_region(backend, id);

    if (!region) {
        g_set_error(errp, CHANNEL_ERROR, ENOENT, "there is no region %u to be removed", id);
        return false;
    }
    vm_region_del(backend->vm, region);
    vm_refresh(backend->vm);
    return true;
}

static bool on_freeze(void *opaque, uint32_t flags, GError **errp)
{
    Backend *backend = opaque;

    backend->frozen = true;
    backend->disarm = flags & TIER_FREEZE_DISARM;
    vm_refresh(backend->vm);
    return true;
}

static bool on_thaw(void *opaque, GError **errp)
{
    Backend *backend = opaque;

    backend->frozen = backend->disarm = false;
    vm_refresh(backend->vm);
    return true;
}

static const ChannelOps backend_ops = {
    .hello = on_hello,
    .config = on_config,
    .region_add = on_region_add,
    .region_del = on_region_del,
    .freeze = on_freeze,
    .thaw = on_thaw,
};

/* Descriptors of one control message buffer; those beyond what a message takes are closed by the caller. */
static size_t fds_of(struct msghdr *msg, int *fds, size_t max)
{
    size_t n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            const size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            g_assert(n + here <= max);
            memcpy(fds + n, CMSG_DATA(c), here * sizeof(int));
            n += here;
        }
    }
    return n;
}

/* One recvmsg(2) and what comes of it. False: nothing more now, or (then 'closing' is set) ever. */
static bool receive(Backend *backend)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * TIER_MSG_MAX_FDS)];
    } control;
    size_t space;
    struct iovec iov = { .iov_base = channel_space(&backend->channel, &space) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
    };
    /* CMSG_SPACE is rounded up: there can be room for one more than asked for. */
    int fds[sizeof(control) / sizeof(int)];
    g_autoptr(GError) err = NULL;
    ChannelVerdict verdict;
    size_t n_fds;
    ssize_t n;

    iov.iov_len = space;
    n = recvmsg(backend->sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n <= 0) {
        socket_failed(backend, "recvmsg", n == 0 ? 0 : errno);
        return false;
    }
    n_fds = fds_of(&msg, fds, G_N_ELEMENTS(fds));
    verdict = channel_received(&backend->channel, (size_t)n, fds, n_fds, &backend_ops, backend, &err);
    if (verdict != CHANNEL_MALFORMED && msg.msg_flags & MSG_CTRUNC) {
        backend_close(
            backend, G_LOG_LEVEL_WARNING,
            "malformed message: more descriptors than any message takes, or than this daemon can open");
        return false;
    }
    switch (verdict) {
    case CHANNEL_MORE:
        return true;
    case CHANNEL_DONE:
        if (backend->channel.request != TIER_MSG_HELLO) {
            queue_status(backend, backend->channel.request, NULL);
        }
        return true;
    case CHANNEL_REFUSED:
        vm_log(backend->vm, G_LOG_LEVEL_WARNING, "process %d: %s refused: %s", (int)backend->peer.pid,
               channel_request_name(backend->channel.request), err->message);
        queue_status(backend, backend->channel.request, err);
        return true;
    case CHANNEL_MALFORMED:
        queue_status(backend, backend->channel.request, err);
        backend_close(backend, G_LOG_LEVEL_WARNING, err->message);
        return false;
    }
    g_assert_not_reached();
}

static gboolean on_readable(int fd, GIOCondition condition, void *opaque)
{
    Backend *backend = opaque;

    bool more = true;

    for (int i = 0; more && i < READS_PER_TURN && !backend->closing; i++) {
        more = receive(backend);
    }
    if (backend->closing) {
        vm_backend_gone(backend->vm, backend);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_process_ended(int fd, GIOCondition condition, void *opaque)
{
    Backend *backend = opaque;

    backend_close(backend, G_LOG_LEVEL_MESSAGE, "the process has ended");
    vm_backend_gone(backend->vm, backend);
    return G_SOURCE_REMOVE;
}

/* Whether one more connection is welcome: all of a VM's come from one process. */
static bool admit(Vm *vm, const Peer *peer, GError **errp)
{
    if (vm->backends->len > 0) {
        const Backend *first = g_ptr_array_index(vm->backends, 0);

        if (first->peer.pid != peer->pid) {
            g_set_error(
                errp, CHANNEL_ERROR, EBUSY,
                "process %d already has the socket of VM '%s'; process %d needs a VM and socket of its own "
                "(tierctl add)",
                (int)first->peer.pid, vm->name, (int)peer->pid);
            return false;
        }
    }
    if (vm->backends->len >= VM_MAX_BACKENDS) {
        g_set_error(errp, CHANNEL_ERROR, EMFILE, "VM '%s' has %d connections already", vm->name,
                    VM_MAX_BACKENDS);
        return false;
    }
    return true;
}

Backend *backend_new(Vm *vm, int sock)
{
    Backend *backend = g_new0(Backend, 1);
    g_autoptr(GError) err = NULL;

    backend->vm = vm;
    backend->sock = sock;
    backend->told_state = UINT32_MAX;
    backend->queue = g_byte_array_new();
    channel_init(&backend->channel);
    if (!peer_identify(sock, &backend->peer, &err) || !admit(vm, &backend->peer, &err)) {
        queue_status(backend, TIER_MSG_HELLO, err);
        vm_log(vm, G_LOG_LEVEL_WARNING, "connection refused: %s", err->message);
        backend_free(backend);
        return NULL;
    }
    backend->in = watch(backend, sock, G_IO_IN, on_readable);
    backend->gone = watch(backend, backend->peer.pidfd, G_IO_IN, on_process_ended);
    return backend;
}

void backend_free(Backend *backend)
{
    unwatch(&backend->in);
    unwatch(&backend->out);
    unwatch(&backend->gone);
    channel_clear(&backend->channel);
    g_byte_array_unref(backend->queue);
    g_clear_pointer(&backend->mover, mover_free);
    peer_clear(&backend->peer);
    close(backend->sock);
    g_free(backend);
}
