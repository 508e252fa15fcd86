/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running the built tierctl against a fake daemon; see tierctl-run.h.
 */
#include "tierctl-run.h"

#include <pty.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void run_clear(Run *run)
{
    g_free(run->out);
    g_free(run->err);
    g_free(run->asked);
}

static char **command_line(FakeControl *fake, const char *line)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = g_path_get_dirname(self);
    g_autofree char *program = g_canonicalize_filename("../../vhost-tier/tierctl/tierctl", folder);
    g_autofree char *command = g_strdup_printf("%s --socket %s %s", program, fake_control_socket(fake), line);

    return g_strsplit(command, " ", -1);
}

Run tierctl_run(const FakeReply *replies, const char *line)
{
    g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
    g_auto(GStrv) argv = command_line(fake, line);
    g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);
    g_autoptr(GError) error = NULL;
    Run run;

    g_assert_true(
        g_spawn_sync(NULL, argv, env, G_SPAWN_DEFAULT, NULL, NULL, &run.out, &run.err, &run.status, &error));
    g_assert_no_error(error);
    g_assert_true(WIFEXITED(run.status));
    run.status = WEXITSTATUS(run.status);
    run.asked = fake_control_requests(fake);
    return run;
}

Run tierctl_run_in_terminal(const FakeReply *replies, const char *line, unsigned short columns)
{
    const struct winsize size = { .ws_row = 50, .ws_col = columns };
    g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
    g_auto(GStrv) argv = command_line(fake, line);
    GString *out = g_string_new(NULL);
    Run run = { 0 };
    char bytes[4096];
    int terminal, status;
    ssize_t n;
    const pid_t pid = forkpty(&terminal, NULL, NULL, &size);

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        setenv("LC_ALL", "C.UTF-8", 1);
        execv(argv[0], argv);
        _exit(127);
    }
    /* When the last of those who have the terminal open ends, reading fails with EIO. */
    while ((n = read(terminal, bytes, sizeof(bytes))) > 0) {
        g_string_append_len(out, bytes, n);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    close(terminal);
    run.status = WEXITSTATUS(status);
    run.out = g_string_free(out, FALSE);
    run.asked = fake_control_requests(fake);
    return run;
}

void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        g_error("'%s' is not in: %s", part, text);
    }
}
