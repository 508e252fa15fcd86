/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's state on its way to and from QEMU, for migration: through a pipe, a piece whenever there is room or
 * something to read, so that a QEMU that is slow holds up nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-impl.h"

#define PIECE_BYTES 65536u

static void stop(HintTransfer *transfer)
{
    if (transfer->source) {
        g_source_destroy(transfer->source);
        g_clear_pointer(&transfer->source, g_source_unref);
    }
    if (transfer->fd >= 0) {
        close(g_steal_fd(&transfer->fd));
    }
}

void transfer_clear(HintDevice *device)
{
    stop(&device->transfer);
    g_clear_pointer(&device->transfer.bytes, g_byte_array_unref);
}

/* One read or write; true where there may be more to do at once. */
static bool step(HintTransfer *transfer)
{
    uint8_t piece[PIECE_BYTES];
    ssize_t n;

    if (transfer->loading) {
        n = read(transfer->fd, piece, sizeof(piece));
    } else {
        n = write(transfer->fd, transfer->bytes->data, MIN(transfer->bytes->len, PIECE_BYTES));
    }
    if (n < 0) {
        transfer->failed = errno != EAGAIN && errno != EINTR;
        return errno == EINTR;
    }
    if (!transfer->loading) {
        g_byte_array_remove_range(transfer->bytes, 0, (guint)n);
        return transfer->bytes->len > 0;
    }
    if (n == 0) {
        stop(transfer);
        return false;
    }
    transfer->failed = transfer->bytes->len + (size_t)n > HINT_STATE_MAX;
    if (!transfer->failed) {
        g_byte_array_append(transfer->bytes, piece, (guint)n);
    }
    return !transfer->failed;
}

static gboolean on_ready(int fd, GIOCondition condition, void *opaque)
{
    HintTransfer *transfer = &((HintDevice *)opaque)->transfer;

    step(transfer);
    /* A pipe's end that is closed tells QEMU that this is all. */
    if (transfer->failed || (!transfer->loading && transfer->bytes->len == 0)) {
        stop(transfer);
    }
    return transfer->fd >= 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

bool transfer_begin(HintDevice *device, bool loading, int fd, GError **errp)
{
    HintTransfer *transfer = &device->transfer;
    struct stat st;

    transfer_clear(device);
    if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
        close(fd);
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "the descriptor for the device's state is no pipe");
        return false;
    }
    *transfer = (HintTransfer) {
        .fd = fd, .loading = loading, .bytes = loading ? g_byte_array_new() : device->ops->save(device->opaque),
    };
    transfer->source = g_unix_fd_source_new(fd, loading ? G_IO_IN | G_IO_HUP : G_IO_OUT);
    g_source_set_callback(transfer->source, G_SOURCE_FUNC(on_ready), device, NULL);
    g_source_attach(transfer->source, device->context);
    return true;
}

bool transfer_end(HintDevice *device, GError **errp)
{
    HintTransfer *transfer = &device->transfer;
    bool ok = transfer->bytes != NULL;
    bool more = ok && transfer->loading && transfer->fd >= 0;

    /* What was written before QEMU closed its end may still be in the pipe. */
    while (more) {
        more = step(transfer);
    }
    ok = ok && !transfer->failed && transfer->fd < 0;
    if (!ok) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT,
                    "the device's state did not come through its pipe in whole, or there was none");
    } else if (transfer->loading) {
        ok = device->ops->load(device->opaque, transfer->bytes->data, transfer->bytes->len, errp);
    }
    transfer_clear(device);
    return ok;
}
