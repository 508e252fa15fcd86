/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-tier: the daemon that keeps each guest's hot memory in the fast tier. Command line, start, end.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "conf.h"
#include "config.h"
#include "control.h"
#include "facts.h"
#include "host.h"
#include "log.h"
#include "notify.h"
#include "sandbox.h"
#include "socket.h"
#include "sources/damon-sysfs.h"

#define STOP_TIMEOUT_S 10
#define EXIT_USAGE     2

typedef struct Options {
    char *config;
    char *runtime_dir;
    char **vms;
    char *log_level;
    gboolean check_config;
    gboolean version;
} Options;

typedef struct Daemon {
    Host *host;
    bool ending;                /* VMs have been asked to end */
    bool ended;                 /* they have */
    bool late;                  /* some have not, in time */
} Daemon;

static bool options_parse(Options *options, int *argc, char ***argv, GError **errp)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config,
         "Configuration (default: " CONFIG_DEFAULT_FILE ", which need not exist)", "FILE"},
        {"runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->runtime_dir,
         "Where sockets lie (default: /run/vhost-tier)", "DIR"},
        {"vm", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->vms,
         "Serve a VM on a socket of your choice; may be repeated", "name=NAME,socket=PATH"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_config, "Check the configuration and exit",
         NULL},
        {"log-level", 0, 0, G_OPTION_ARG_STRING, &options->log_level,
         "error, warning, message (default), info, debug", "LEVEL"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Show the version and exit", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(
        context, "Keeps each guest's hot memory in the host's fast tier, the rest in the slow one.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, errp)) {
        return false;
    }
    if (*argc > 1) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "'%s' is no option; see --help", (*argv)[1]);
        return false;
    }
    return true;
}

static void options_clear(Options *options)
{
    g_free(options->config);
    g_free(options->runtime_dir);
    g_strfreev(options->vms);
    g_free(options->log_level);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* "name=NAME,socket=PATH"; a name has no comma, a path may. */
static bool vm_option_parse(const char *text, char **name, char **socket, GError **errp)
{
    const char *comma = strchr(text, ',');

    if (!g_str_has_prefix(text, "name=") || !comma || !g_str_has_prefix(comma, ",socket=") || !comma[8]) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--vm %s is not name=NAME,socket=PATH",
                    text);
        return false;
    }
    *name = g_strndup(text + 5, (gsize)(comma - text) - 5);
    *socket = g_strdup(comma + 8);
    return true;
}

static bool add_vms(Host *host, char **options, GError **errp)
{
    for (char **option = options; option && *option; option++) {
        g_autofree char *name = NULL;
        g_autofree char *socket = NULL;

        if (!vm_option_parse(*option, &name, &socket, errp) ||
            !host_vm_add(host, &(VmSpec) { name, socket, NULL, (uid_t)-1, (gid_t)-1, { 0 } }, errp)) {
            return false;
        }
    }
    return true;
}

static int control_listen(const char *path, const char *group, GError **errp)
{
    struct group *entry = NULL;

    if (group) {
        errno = 0;
        entry = getgrnam(group);
        if (!entry) {
            g_set_error(
                errp, CONFIG_ERROR, CONFIG_ERROR_VALUE,
                "[host] control-group=%s: there is no such group; make it with 'groupadd --system %s'", group,
                group);
            return -1;
        }
    }
    return socket_listen(path, (uid_t)-1, entry ? entry->gr_gid : (gid_t)-1, errp);
}

/* Each VM takes some descriptors per region, so take as many as the system allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            g_warning("cannot raise the limit of open files: %s", g_strerror(errno));
        }
    }
}

static void on_stopped(void *opaque)
{
    ((Daemon *)opaque)->ended = true;
}

static gboolean on_stop_timeout(gpointer opaque)
{
    Daemon *daemon = opaque;

    g_warning("%u VMs did not end within %d s: their threads are held up", host_ending(daemon->host),
              STOP_TIMEOUT_S);
    daemon->late = true;
    return G_SOURCE_REMOVE;
}

/* Have all VMs end; 'ended' or 'late' will be set. */
static void end(Daemon *daemon)
{
    if (!daemon->ending) {
        daemon->ending = true;
        notify_send("STOPPING=1");
        g_timeout_add_seconds(STOP_TIMEOUT_S, on_stop_timeout, daemon);
        host_stop(daemon->host, on_stopped, daemon);
    }
}

static gboolean on_signal(gpointer opaque)
{
    g_message("ending: sources are stopped, guests run on untiered");
    end(opaque);
    return G_SOURCE_REMOVE;
}

static gboolean on_watchdog(gpointer opaque)
{
    notify_send("WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

/* From here on all is set up: serve until a signal says that it is time to end. */
static void serve(Daemon *daemon, int control_fd, const char *control_path)
{
    Control *control = control_new(control_fd, commands, daemon->host);
    const unsigned watchdog_ms = notify_watchdog_ms();

    g_unix_signal_add(SIGTERM, on_signal, daemon);
    g_unix_signal_add(SIGINT, on_signal, daemon);
    if (watchdog_ms) {
        g_timeout_add(watchdog_ms, on_watchdog, NULL);
    }
    g_message("version %s serves %s", VHOST_TIER_VERSION, control_path);
    notify_send("READY=1");
    while (!daemon->ending) {
        g_main_context_iteration(NULL, TRUE);
    }
    control_free(control);
}

static int run(const Options *options, const Config *config, GError **errp)
{
    const char *runtime_dir = options->runtime_dir ? options->runtime_dir : "/run/vhost-tier";
    g_autofree char *control_path = g_build_filename(runtime_dir, "control.sock", NULL);
    g_autoptr(Facts) facts = NULL;
    Daemon daemon = { 0 };
    int control_fd;
    bool made;

    /* A QEMU that closes its end of a pipe makes a write(2) fail, and no more. */
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    facts = facts_find(config, errp);
    if (!facts) {
        return EXIT_FAILURE;
    }
    /* QEMUs of other users find their sockets in it. */
    umask(0022);
    made = g_mkdir_with_parents(runtime_dir, 0755) == 0;
    umask(0077);
    if (!made) {
        g_set_error(errp, G_FILE_ERROR, (gint)g_file_error_from_errno(errno),
                    "cannot make the folder %s: %s; choose another with --runtime-dir", runtime_dir,
                    g_strerror(errno));
        return EXIT_FAILURE;
    }
    control_fd = control_listen(control_path, config->control_group, errp);
    if (control_fd < 0) {
        return EXIT_FAILURE;
    }
    if (!sandbox_enter(facts, errp)) {
        g_unlink(control_path);
        return EXIT_FAILURE;
    }
    facts_watch_latencies(facts);
    daemon.host = host_new(facts, runtime_dir);
    if (add_vms(daemon.host, options->vms, errp)) {
        host_vm_recall(daemon.host);
        serve(&daemon, control_fd, control_path);
    } else {
        close(control_fd);
        end(&daemon);
    }
    g_unlink(control_path);
    while (!daemon.ended && !daemon.late) {
        g_main_context_iteration(NULL, TRUE);
    }
    if (!daemon.ended) {
        /* Threads that are held up still use what would be freed now; DAMON is not to run on without us. */
        damon_sysfs_stop("/sys", NULL);
        damon_sysfs_release("/sys");
        _exit(EXIT_FAILURE);
    }
    host_free(daemon.host);
    return *errp ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) err = NULL;
    const char *path;
    int status;

    setlocale(LC_ALL, "");
    umask(0077);
    if (!options_parse(&options, &argc, &argv, &err) ||
        !log_init(options.log_level ? options.log_level : "message", &err)) {
        fprintf(stderr, "vhost-tier: %s\n", err->message);
        return EXIT_USAGE;
    }
    if (options.version) {
        printf("vhost-tier %s\n", VHOST_TIER_VERSION);
        return EXIT_SUCCESS;
    }
    path = options.config ? options.config : CONFIG_DEFAULT_FILE;
    config = config_load(path, !options.config, &err);
    if (!config) {
        fprintf(stderr, "vhost-tier: %s\n", err->message);
        return EXIT_USAGE;
    }
    if (options.check_config) {
        printf("%s: ok\n", path);
        return EXIT_SUCCESS;
    }
    status = run(&options, config, &err);
    if (err) {
        fprintf(stderr, "vhost-tier: %s\n", err->message);
    }
    return status;
}
