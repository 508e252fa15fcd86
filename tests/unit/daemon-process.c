/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon as a test's fixture.
 */
#include "daemon-process.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake-qemu.h"
#include "tree.h"

/* --- the operator --- */

static char *control_line(int control)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char c;

    while (recv(control, &c, 1, 0) == 1 && c != '\n') {
        g_string_append_c(line, c);
    }
    return g_string_free(g_steal_pointer(&line), FALSE);
}

/* Send a request line; returns the answer. */
JsonObject *daemon_ask(int control, const char *request)
{
    g_autofree char *text = g_strconcat(request, "\n", NULL);
    g_autofree char *line = NULL;
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(send(control, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t)strlen(text));
    line = control_line(control);
    node = json_from_string(line, &err);
    g_assert_no_error(err);
    g_assert_nonnull(node);
    return json_object_ref(json_node_get_object(node));
}

JsonObject *daemon_query_vm(Daemon *f, const char *name)
{
    g_autofree char *request =
        g_strdup_printf("{\"execute\":\"query-vm\",\"arguments\":{\"name\":\"%s\"}}", name);
    g_autoptr(JsonObject) answer = daemon_ask(f->control, request);

    g_assert_true(json_object_has_member(answer, "return"));
    return json_object_ref(json_object_get_object_member(answer, "return"));
}

/* Wait until a VM's boolean @key is @value. */
void daemon_await_flag(Daemon *f, const char *name, const char *key, bool value)
{
    for (int i = 0; i < 100; i++) {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, name);

        if (json_object_get_boolean_member(vm, key) == value) {
            return;
        }
        g_usleep(50000);
    }
    g_error("VM '%s': '%s' did not become %d", name, key, value);
}

void daemon_assert_error(Daemon *f, const char *request, const char *class, const char *says)
{
    g_autoptr(JsonObject) answer = daemon_ask(f->control, request);
    JsonObject *error;

    g_assert_true(json_object_has_member(answer, "error"));
    error = json_object_get_object_member(answer, "error");
    g_assert_cmpstr(json_object_get_string_member(error, "class"), ==, class);
    if (!strstr(json_object_get_string_member(error, "desc"), says)) {
        g_error("'%s' does not say '%s'", json_object_get_string_member(error, "desc"), says);
    }
}

/* --- the daemon --- */

static char *log_text(Daemon *f)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(f->log, &text, NULL, NULL));
    return text;
}

void daemon_assert_log(Daemon *f, const char *text)
{
    for (int i = 0; i < 60; i++) {
        g_autofree char *log = log_text(f);

        if (strstr(log, text)) {
            return;
        }
        g_usleep(50000);
    }
    {
        g_autofree char *log = log_text(f);

        g_error("the log does not say '%s':\n%s", text, log);
    }
}

void daemon_start(Daemon *f)
{
    g_autofree char *vm_a = g_strdup_printf("--vm=name=a,socket=%s", f->socket_a);
    g_autofree char *vm_b = g_strdup_printf("--vm=name=b,socket=%s", f->socket_b);
    g_autofree char *control = g_build_filename(f->dir, "control.sock", NULL);
    g_autofree char *greeting = NULL;
    const char *program = g_getenv("VHOST_TIER_DAEMON");
    const char *argv[] = {
        program, "--runtime-dir", f->dir, "--config", f->config, "--log-level", "info", vm_a, vm_b, NULL,
    };

    g_assert_nonnull(program);
    f->pid = fork();
    if (f->pid == 0) {
        const int log = open(f->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        prctl(PR_SET_PDEATHSIG, SIGKILL);       /* a test that fails leaves no daemon behind */
        signal(SIGPIPE, SIG_DFL);               /* which tests may ignore */
        dup2(log, 2);
        execv(program, (char **)argv);
        _exit(127);
    }
    f->control = fake_qemu_connect(control);
    if (f->control < 0) {
        g_autofree char *log = log_text(f);

        g_error("the daemon does not serve:\n%s", log);
    }
    greeting = control_line(f->control);
    g_assert_nonnull(strstr(greeting, "\"vhost-tier\""));
}

int daemon_stop(Daemon *f, int signal)
{
    int status;

    if (f->pid == 0) {
        return 0;
    }
    close(f->control);
    kill(f->pid, signal);
    g_assert_cmpint(waitpid(f->pid, &status, 0), ==, f->pid);
    f->pid = 0;
    return status;
}

void daemon_set_up(Daemon *f, gconstpointer data)
{
    g_autofree char *config = NULL;

    f->dir = g_dir_make_tmp("vhost-tier-XXXXXX", NULL);
    f->log = g_build_filename(f->dir, "log", NULL);
    f->config = g_build_filename(f->dir, "conf", NULL);
    f->socket_a = g_build_filename(f->dir, "a.sock", NULL);
    f->socket_b = g_build_filename(f->dir, "b.sock", NULL);
    config = g_strdup_printf(
        "[host]\nepoch-ms=100\ntrace-dir=%s/traces\nmax-vm-size=64M\n[sources]\nenable=wp\n%s", f->dir,
        data ? (const char *)data : "");
    g_assert_true(g_file_set_contents(f->config, config, -1, NULL));
    daemon_start(f);
}

void daemon_tear_down(Daemon *f, gconstpointer data)
{
    const int status = daemon_stop(f, SIGTERM);

    if (status != 0) {
        g_autofree char *log = log_text(f);

        g_error("the daemon ended with status 0x%x:\n%s", (unsigned)status, log);
    }
    remove_tree(f->dir);
    g_free(f->dir);
    g_free(f->log);
    g_free(f->config);
    g_free(f->socket_a);
    g_free(f->socket_b);
}

/* Descriptors that the daemon has open. */
unsigned daemon_fds(Daemon *f)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)f->pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

void daemon_await_fds(Daemon *f, unsigned expected)
{
    for (int i = 0; i < 100 && daemon_fds(f) != expected; i++) {
        g_usleep(50000);
    }
    g_assert_cmpuint(daemon_fds(f), ==, expected);
}
