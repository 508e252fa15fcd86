/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notices to the service manager: a datagram to the socket that it names, as sd_notify(3) describes it.
 */
#include "notify.h"

#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t len;
    int fd;

    if (!path || (*path != '/' && *path != '@')) {
        return;
    }
    len = strlen(path);
    if (len >= sizeof(addr.sun_path)) {
        g_warning("NOTIFY_SOCKET '%s' is too long for a socket's path", path);
        return;
    }
    memcpy(addr.sun_path, path, len);
    if (*path == '@') {
        addr.sun_path[0] = '\0';    /* in Linux's abstract name space */
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&addr,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
        g_warning("cannot tell the service manager at '%s': %s", path, g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

unsigned notify_watchdog_ms(void)
{
    const char *usec = g_getenv("WATCHDOG_USEC");
    const char *pid = g_getenv("WATCHDOG_PID");
    guint64 n;

    if (!usec || !g_ascii_string_to_unsigned(usec, 10, 2000, G_MAXUINT32, &n, NULL) ||
        (pid && g_ascii_strtoll(pid, NULL, 10) != getpid())) {
        return 0;
    }
    return (unsigned)(n / 2000);
}
