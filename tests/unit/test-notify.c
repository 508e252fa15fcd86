/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notices to the service manager, by a path and by an abstract name.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

/* A manager that listens at @name ("@" at its start: abstract). */
static int manager_new(const char *name)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    const int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_strlcpy(addr.sun_path, name, sizeof(addr.sun_path));
    if (*name == '@') {
        addr.sun_path[0] = '\0';
    }
    g_assert_cmpint(bind(sock, (struct sockaddr *)&addr,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), ==, 0);
    return sock;
}

static void assert_told(const char *name)
{
    const int manager = manager_new(name);
    char text[64] = "";

    g_setenv("NOTIFY_SOCKET", name, TRUE);
    notify_send("READY=1");
    g_assert_cmpint(recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT), ==, 7);
    g_assert_cmpstr(text, ==, "READY=1");
    close(manager);
}

static void a_manager_at_a_path_is_told(void)
{
    g_autofree char *dir = g_dir_make_tmp("vhost-tier-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "notify", NULL);

    assert_told(path);
    g_unlink(path);
    g_rmdir(dir);
}

static void a_manager_with_an_abstract_name_is_told(void)
{
    g_autofree char *name = g_strdup_printf("@vhost-tier-test-%d", (int)getpid());

    assert_told(name);
}

static void without_a_manager_nothing_is_sent(void)
{
    g_unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
}

static void a_manager_that_is_gone_is_a_warning(void)
{
    g_setenv("NOTIFY_SOCKET", "/nonexistent/notify", TRUE);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "cannot tell the service manager*No such file*");
    notify_send("READY=1");
    g_test_assert_expected_messages();
}

static void the_watchdog_is_fed_twice_as_often_as_asked(void)
{
    g_autofree char *other = g_strdup_printf("%d", (int)getpid() + 1);

    g_unsetenv("WATCHDOG_PID");
    g_unsetenv("WATCHDOG_USEC");
    g_assert_cmpuint(notify_watchdog_ms(), ==, 0);
    g_setenv("WATCHDOG_USEC", "30000000", TRUE);
    g_assert_cmpuint(notify_watchdog_ms(), ==, 15000);
    g_setenv("WATCHDOG_PID", other, TRUE);
    g_assert_cmpuint(notify_watchdog_ms(), ==, 0);
    g_unsetenv("WATCHDOG_PID");
    g_setenv("WATCHDOG_USEC", "soon", TRUE);
    g_assert_cmpuint(notify_watchdog_ms(), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/notify/a_manager_at_a_path_is_told", a_manager_at_a_path_is_told);
    g_test_add_func("/notify/a_manager_with_an_abstract_name_is_told",
                    a_manager_with_an_abstract_name_is_told);
    g_test_add_func("/notify/without_a_manager_nothing_is_sent", without_a_manager_nothing_is_sent);
    g_test_add_func("/notify/a_manager_that_is_gone_is_a_warning", a_manager_that_is_gone_is_a_warning);
    g_test_add_func("/notify/the_watchdog_is_fed_twice_as_often_as_asked",
                    the_watchdog_is_fed_twice_as_often_as_asked);
    return g_test_run();
}
