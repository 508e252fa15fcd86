/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A setting of the kernel's; see setting.h.
 */
#include "setting.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct Setting {
    char *path;
    char *before;
};

bool setting_write(const char *path, const char *value, GError **errp)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

    if (!done) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "writing '%s' to %s: %s", value, path,
                    g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

Setting *setting_new(const char *path, const char *value, GError **errp)
{
    g_autofree char *before = NULL;
    Setting *setting;

    if (!g_file_get_contents(path, &before, NULL, errp) || !setting_write(path, value, errp)) {
        return NULL;
    }
    setting = g_new0(Setting, 1);
    setting->path = g_strdup(path);
    setting->before = g_strdup(g_strchomp(before));
    return setting;
}

void setting_free(Setting *setting)
{
    g_autoptr(GError) error = NULL;

    if (!setting_write(setting->path, setting->before, &error)) {
        g_printerr("tier-observer: the setting could not be put back: %s\n", error->message);
    }
    g_free(setting->path);
    g_free(setting->before);
    g_free(setting);
}
