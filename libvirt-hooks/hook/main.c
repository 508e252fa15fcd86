/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hook proper: libvirt-hook NAME OPERATION SUB-OPERATION EXTRA, with the domain's XML on standard input. The front
 * (front.c), which libvirt calls, has left alone what has no tier settings.
 *
 * Theory of operation
 *
 *   migrate, restore   fit the domain to this host; what goes to standard output takes the XML's place
 *   prepare            refuse what is not as its settings say
 *   start              register with the daemon: only now has libvirt chosen QEMU's user and labels
 *   reconnect          libvirt's daemon was started again: register where that is not so
 *   release            forget the domain, by its name and UUID alone
 *
 * libvirt refuses a start, with what stands on standard error, when 'prepare', 'start', 'migrate' or 'restore' exit
 * with another code than 0; after 'reconnect' it would kill the guest, so that exits with 0 whatever happens. A
 * daemon that is not there refuses a start only where the settings say required='yes'.
 *
 * The hook may not call libvirt, which waits for it. All that it waits for is bounded: the daemon by HOOK_DAEMON_MS,
 * the hook as a whole by LATE_S.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "libvirt-hooks/hook/hook.h"
#include "libvirt-hooks/rewrite.h"

#define LATE_S 5

typedef struct Operation {
    const char *name, *sub;
    /* Returns the exit code. */
    int (*run)(Domain *domain, const Settings *settings);
    int failed;                 /* exit code where the domain can't be understood, or this comes to no end */
    bool anyhow;                /* without settings, too: they may be gone since it started, or spoilt */
} Operation;

/* What the exit code is should the hook come to no end. */
static volatile sig_atomic_t late_status;

void hook_warn(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    fprintf(stderr, "vhost-tier: %s\n", text);
    syslog(LOG_WARNING, "%s", text);
}

/* What goes to standard error when the exit code is not 0 is shown to the user. */
static int refuse(const char *what, const GError *err)
{
    fprintf(stderr, "vhost-tier: %s%s\n", what, err->message);
    syslog(LOG_ERR, "%s%s", what, err->message);
    return EXIT_FAILURE;
}

/* --- operations --- */

static int on_prepare(Domain *domain, const Settings *settings)
{
    g_autoptr(GError) err = NULL;

    return check_domain(domain, settings, &err) ? EXIT_SUCCESS : refuse("", err);
}

static int on_start(Domain *domain, const Settings *settings)
{
    g_autoptr(GError) err = NULL;

    if (!rewrite_has_command_line(domain)) {
        return EXIT_SUCCESS;
    }
    late_status = settings->required ? EXIT_FAILURE : EXIT_SUCCESS;
    if (register_domain(domain, settings, true, &err)) {
        return EXIT_SUCCESS;
    }
    if (settings->required) {
        return refuse("<tier:memory required='yes'>, but the domain's memory can't be tiered: ", err);
    }
    hook_warn("'%s' starts, but its memory will not be tiered: %s", domain_name(domain), err->message);
    return EXIT_SUCCESS;
}

static int on_reconnect(Domain *domain, const Settings *settings)
{
    g_autoptr(GError) err = NULL;

    if (rewrite_has_command_line(domain) && !register_domain(domain, settings, false, &err)) {
        hook_warn("'%s' runs, but its memory is not tiered: %s", domain_name(domain), err->message);
    }
    return EXIT_SUCCESS;
}

static int on_release(Domain *domain, const Settings *settings)
{
    unregister_domain(domain);
    return EXIT_SUCCESS;
}

static int on_incoming(Domain *domain, const Settings *settings)
{
    g_autoptr(GError) err = NULL;
    bool changed;

    if (!incoming_fit(domain, settings, &changed, &err)) {
        return refuse("", err);
    }
    if (changed) {
        g_autofree char *xml = domain_format(domain);

        if (fputs(xml, stdout) == EOF || fflush(stdout) == EOF) {
            fprintf(stderr, "vhost-tier: cannot hand the domain's XML to libvirt: %s\n", g_strerror(errno));
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

static const Operation operations[] = {
    {"prepare", "begin", on_prepare, EXIT_FAILURE},
    {"start", "begin", on_start, EXIT_FAILURE},
    {"reconnect", "begin", on_reconnect, EXIT_SUCCESS},
    {"release", "end", on_release, EXIT_SUCCESS, .anyhow = true},
    {"migrate", "begin", on_incoming, EXIT_FAILURE},
    {"restore", "begin", on_incoming, EXIT_FAILURE},
};

static const Operation *operation_of(const char *name, const char *sub)
{
    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (!strcmp(operations[i].name, name) && !strcmp(operations[i].sub, sub)) {
            return &operations[i];
        }
    }
    return NULL;
}

/* --- input --- */

/* Standard input, of which no more is taken than a domain may have, and one byte to tell. */
static GString *read_input(void)
{
    GString *xml = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    while (xml->len <= DOMAIN_MAX_BYTES && (n = read(STDIN_FILENO, buffer, sizeof(buffer))) != 0) {
        if (n > 0) {
            g_string_append_len(xml, buffer, n);
        } else if (errno != EINTR) {
            break;
        }
    }
    return xml;
}

static void on_late(int signal)
{
    static const char text[] = "vhost-tier: the hook came to no end, and was stopped\n";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(late_status);
}

static int run(const Operation *operation, const GString *xml)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Domain) domain = domain_parse(xml->str, xml->len, &err);
    g_autoptr(Settings) settings = NULL;

    if (!domain || (!operation->anyhow && !rewrite_settings(domain, &settings, &err))) {
        refuse("", err);
        return operation->failed;
    }
    return settings || operation->anyhow ? operation->run(domain, settings) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const Operation *operation = argc < 4 ? NULL : operation_of(argv[2], argv[3]);
    g_autoptr(GString) xml = NULL;

    if (!operation) {
        return EXIT_SUCCESS;
    }
    late_status = operation->failed;
    signal(SIGALRM, on_late);
    alarm(LATE_S);
    openlog("vhost-tier-hook", LOG_PID, LOG_DAEMON);
    xml = read_input();
    return run(operation, xml);
}
