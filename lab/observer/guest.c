/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload guest under our QEMU; see guest.h.
 */
#include "guest.h"

#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client/fields.h"

#define READY_S 60      /* for the first touch of all pages, in slow memory of an emulated host */

static GStrv command_line(const GuestParams *params)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *ram =
        g_strdup_printf("%s,id=ram,size=%" G_GUINT64_FORMAT, params->backend, params->ram_bytes);
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT "B", params->ram_bytes);
    g_autofree char *serial = g_strdup_printf("file,id=serial,path=%s/guest.serial", params->folder);

    g_strv_builder_add_many(argv, params->qemu, "-accel", params->accel, "-cpu",
                            g_str_has_prefix(params->accel, "kvm") ? "host" : "max", "-nodefaults",
                            "-display", "none", "-no-reboot", "-machine",
                            "q35,hpet=off,smm=off,memory-backend=ram", "-smp", "1", "-m", size, NULL);
    if (params->chardev) {
        g_strv_builder_add_many(argv, "-chardev", params->chardev, NULL);
    }
    if (params->hint_socket) {
        g_autofree char *hint = g_strdup_printf("socket,id=hint,path=%s,reconnect-ms=200", params->hint_socket);

        g_strv_builder_add_many(argv, "-chardev", hint, "-device", "vhost-user-tier-pci,chardev=hint", NULL);
    }
    g_strv_builder_add_many(argv, "-object", ram, "-chardev", serial, "-serial", "chardev:serial", "-chardev",
                            "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control", "-kernel",
                            params->workload, "-append", params->pattern, NULL);
    return g_strv_builder_end(argv);
}

/* Where QEMU has its RAM: the one mapping of a memory backend's memfd that is as large. */
static bool find_ram(Guest *guest, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", guest->process->pid), *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, errp)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        char *dash;
        uint64_t begin = g_ascii_strtoull(*l, &dash, 16);

        if (strstr(*l, "/memfd:") && *dash == '-' &&
            g_ascii_strtoull(dash + 1, NULL, 16) - begin == guest->ram_bytes) {
            guest->hva = begin;
            return true;
        }
    }
    g_set_error(
        errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
        "QEMU (pid %d) has no mapping of a memfd that is as large as the guest's RAM (%" G_GUINT64_FORMAT
        " bytes)",
        guest->process->pid, guest->ram_bytes);
    return false;
}

static bool check_range(const Guest *guest, uint64_t gpa, size_t bytes, GError **errp)
{
    if (gpa > guest->ram_bytes || bytes > guest->ram_bytes - gpa) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "%zu bytes at 0x%" G_GINT64_MODIFIER "x are not in the "
                    "guest's RAM",
                    bytes, gpa);
        return false;
    }
    return true;
}

bool guest_read(const Guest *guest, uint64_t gpa, void *to, size_t bytes, GError **errp)
{
    struct iovec local = {to, bytes}, remote = {(void *)(uintptr_t)(guest->hva + gpa), bytes};

    if (!check_range(guest, gpa, bytes, errp)) {
        return false;
    }
    if (process_vm_readv(guest->process->pid, &local, 1, &remote, 1, 0) != (ssize_t)bytes) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "reading the guest's RAM from QEMU (pid %d): %s",
                    guest->process->pid, g_strerror(errno));
        return false;
    }
    return true;
}

bool guest_write(const Guest *guest, uint64_t gpa, const void *from, size_t bytes, GError **errp)
{
    struct iovec local = {(void *)from, bytes}, remote = {(void *)(uintptr_t)(guest->hva + gpa), bytes};

    if (!check_range(guest, gpa, bytes, errp)) {
        return false;
    }
    if (process_vm_writev(guest->process->pid, &local, 1, &remote, 1, 0) != (ssize_t)bytes) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "writing the guest's RAM in QEMU (pid %d): %s",
                    guest->process->pid, g_strerror(errno));
        return false;
    }
    return true;
}

bool guest_counts(const Guest *guest, uint32_t *counts, GError **errp)
{
    return guest_read(guest, GUEST_COUNTS_ADDR, counts, guest->header.pages * sizeof(*counts), errp);
}

static void tell_not_ready(const Guest *guest, const char *folder, GError **errp)
{
    g_autofree char *path = g_build_filename(folder, "guest.serial", NULL), *said = NULL;
    g_autoptr(JsonNode) status = qmp_call(guest->qmp, "query-status", NULL, NULL);
    const char *state = field_string(node_object(status), "status");

    if (!g_file_get_contents(path, &said, NULL, NULL)) {
        said = g_strdup("nothing");
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                "the guest was not at work %d s after its start: its header's magic is 0x%x, its state %u; QEMU says "
                "'%s' and has used %.1f s of CPU; the guest said: %s",
                READY_S, guest->header.magic, guest->header.state, state ? state : "nothing",
                (double)process_cpu_ns(guest->process->pid) / 1e9, said);
}

/* Wait until the guest says of itself that it is at work. */
static bool wait_ready(Guest *guest, const char *folder, GError **errp)
{
    gint64 until = g_get_monotonic_time() + READY_S * G_USEC_PER_SEC;
    GuestHeader *h = &guest->header;

    for (;;) {
        if (!process_check(guest->process, errp) ||
            !guest_read(guest, GUEST_HEADER_ADDR, h, sizeof(*h), errp)) {
            return false;
        }
        if (h->magic == GUEST_MAGIC && h->state != GUEST_STARTING) {
            break;
        }
        if (g_get_monotonic_time() > until) {
            tell_not_ready(guest, folder, errp);
            return false;
        }
        g_usleep(50 * 1000);
    }
    if (h->version != GUEST_VERSION || h->pages > GUEST_MAX_PAGES || h->burst == 0 ||
        GUEST_BASE_ADDR + (uint64_t)h->pages * GUEST_PAGE_BYTES > guest->ram_bytes) {
        g_set_error(
            errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
            "the guest's header is of version %u with %u pages and %u accesses a visit: built from another source?",
            h->version, h->pages, h->burst);
        return false;
    }
    return true;
}

Guest *guest_start(const GuestParams *params, GError **errp)
{
    g_autoptr(Guest) guest = g_new0(Guest, 1);
    g_auto(GStrv) argv = command_line(params);
    g_autofree char *log = g_build_filename(params->folder, "qemu.log", NULL);
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "socketpair: %s", g_strerror(errno));
        return NULL;
    }
    guest->ram_bytes = params->ram_bytes;
    guest->process = process_start("QEMU", argv, params->cpu, fds[1], log, errp);
    close(fds[1]);
    if (!guest->process) {
        close(fds[0]);
        return NULL;
    }
    guest->qmp = qmp_new(fds[0], errp);
    if (!guest->qmp) {
        g_autoptr(GError) why = NULL;

        g_usleep(100 * 1000);       /* it closes its end a moment before it has ended */
        if (errp && !process_check(guest->process, &why)) {
            g_clear_error(errp);
            g_propagate_error(errp, g_steal_pointer(&why));
        }
        return NULL;
    }
    if (!find_ram(guest, errp) || !wait_ready(guest, params->folder, errp)) {
        return NULL;
    }
    return g_steal_pointer(&guest);
}

void guest_free(Guest *guest)
{
    if (guest) {
        qmp_free(guest->qmp);
        process_free(guest->process);
        g_free(guest);
    }
}
