/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-hint watch: events as they come. tier-hint stats: what the driver shows in sysfs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "machine/sysfs.h"

#define DRIVER "bus/virtio/drivers/virtio_tier"

static const char *word(const char *const *words, size_t n, uint32_t number)
{
    return number < n && words[number] ? words[number] : "unknown";
}

static void print_event(const struct virtio_tier_notice *event)
{
    static const char *const types[] = {
        [VIRTIO_TIER_E_BUDGET] = "fast budget changed; bytes:",
        [VIRTIO_TIER_E_PINS_DROPPED] = "pins dropped; bytes still pinned:",
        [VIRTIO_TIER_E_HINTS_IGNORED] = "hints ignored; ranges:",
    };
    static const char *const reasons[] = {
        [VIRTIO_TIER_R_NONE] = "no reason given",   [VIRTIO_TIER_R_BUDGET] = "budget or limit shrank",
        [VIRTIO_TIER_R_RATE] = "too many a second", [VIRTIO_TIER_R_TRUST] = "wrong too often",
        [VIRTIO_TIER_R_OFF] = "switched off",       [VIRTIO_TIER_R_RESTART] = "started anew",
    };

    printf("%" PRIu64 ".%03u %s %" PRIu64 " (%s)", (uint64_t)event->time_ns / 1000000000,
           (unsigned)(event->time_ns / 1000000 % 1000), word(types, G_N_ELEMENTS(types), event->type),
           (uint64_t)event->value, word(reasons, G_N_ELEMENTS(reasons), event->reason));
    if (event->lost) {
        printf(", %" PRIu64 " events lost before", (uint64_t)event->lost);
    }
    putchar('\n');
    fflush(stdout);
}

static int watch(const Command *command, char **args, GError **errp)
{
    struct virtio_tier_notice events[16];
    int code, fd = device_open(errp);
    ssize_t got;

    if (fd < 0) {
        return 1;
    }
    while ((got = read(fd, events, sizeof(events))) > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN))) {
        for (ssize_t i = 0; i < got / (ssize_t)sizeof(events[0]); i++) {
            print_event(&events[i]);
        }
    }
    code = got < 0 ? errno : ENODEV;
    close(fd);
    g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(code), "no more events: %s",
                code == ENODEV ? "the device was taken away" : g_strerror(code));
    return 1;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

/* The files of a folder, with their contents. */
static bool print_folder(const char *path, GError **errp)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, errp);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (!dir) {
        return false;
    }
    while ((name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *text = sysfs_read(path, errp, "%s", (const char *)names->pdata[i]);

        if (!text) {
            return false;
        }
        printf("  %-22s %s\n", (const char *)names->pdata[i], text);
    }
    return true;
}

static bool print_device(const char *name, GError **errp)
{
    g_autofree char *path = g_build_filename("/sys", DRIVER, name, NULL);
    g_autofree char *config = g_build_filename(path, "config", NULL);
    g_autofree char *stats = g_build_filename(path, "stats", NULL);
    g_autofree char *trust = sysfs_read(path, errp, "trust");

    if (!trust) {
        return false;
    }
    printf("%s\n  %-22s %s\n", name, "trust", trust);
    return print_folder(config, errp) && print_folder(stats, errp);
}

static int stats(const Command *command, char **args, GError **errp)
{
    g_autoptr(GDir) dir = g_dir_open("/sys/" DRIVER, 0, NULL);
    const char *name;
    bool any = false;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, "virtio")) {
            any = true;
            if (!print_device(name, errp)) {
                return 1;
            }
        }
    }
    if (!any) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                    "no device: is the module virtio_tier loaded, and does the VM have a vhost-user-tier-pci device?");
        return 1;
    }
    return 0;
}

const Command see_commands[] = {
    {{"watch", NULL, "print events of the device as they come"}, 0, 0, watch, 0},
    {{"stats", NULL, "print what the driver says of each device"}, 0, 0, stats, 0},
    {{0}},
};
