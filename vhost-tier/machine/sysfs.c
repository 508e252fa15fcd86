/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing the kernel's small text files.
 */
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char *vpath(const char *root, const char *format, va_list ap)
{
    g_autofree char *relative = g_strdup_vprintf(format, ap);

    return g_build_filename(root, relative, NULL);
}

static void set_file_error(GError **errp, int err, const char *verb, const char *path)
{
    g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(err), "can't %s %s: %s", verb, path,
                g_strerror(err));
}

/* Read all of @path: such files have no size that stat(2) knows. */
static char *read_all(const char *path, GError **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char chunk[4096];
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        set_file_error(errp, errno, "open", path);
        return NULL;
    }
    do {
        got = read(fd, chunk, sizeof(chunk));
        if (got > 0) {
            g_string_append_len(text, chunk, got);
        }
    } while ((got > 0 && text->len <= SYSFS_MAX_BYTES) || (got < 0 && errno == EINTR));
    if (got != 0) {
        set_file_error(errp, got < 0 ? errno : EFBIG, "read", path);
        close(fd);
        return NULL;
    }
    close(fd);
    return g_strstrip(g_string_free(g_steal_pointer(&text), FALSE));
}

char *sysfs_read(const char *root, GError **errp, const char *format, ...)
{
    g_autofree char *path = NULL;
    va_list ap;

    va_start(ap, format);
    path = vpath(root, format, ap);
    va_end(ap);
    return read_all(path, errp);
}

bool sysfs_read_u64(const char *root, uint64_t *value, GError **errp, const char *format, ...)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    path = vpath(root, format, ap);
    va_end(ap);
    text = read_all(path, errp);
    if (!text) {
        return false;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, value, NULL)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s holds '%.40s' where a number is expected",
                    path, text);
        return false;
    }
    return true;
}

bool sysfs_write(const char *root, const char *text, GError **errp, const char *format, ...)
{
    g_autofree char *path = NULL;
    ssize_t put;
    va_list ap;
    int fd, err;

    va_start(ap, format);
    path = vpath(root, format, ap);
    va_end(ap);
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0) {
        set_file_error(errp, errno, "open for writing", path);
        return false;
    }
    do {
        put = write(fd, text, strlen(text));
    } while (put < 0 && errno == EINTR);
    err = put < 0 ? errno : EIO;
    close(fd);
    if (put != (ssize_t)strlen(text)) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(err), "can't write '%s' to %s: %s", text,
                    path, g_strerror(err));
        return false;
    }
    return true;
}
