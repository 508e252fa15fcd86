/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon for tests.
 */
#include "qemu/osdep.h"

#include <glib/gstdio.h>
#include <sys/prctl.h>

#include "qobject/qlist.h"
#include "vhost-user-tier-daemon.h"

/* A test that fails leaves no daemon behind. */
static void end_with_parent(gpointer opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void daemon_start(Daemon *daemon)
{
    const char *binary = getenv("VHOST_TIER_DAEMON");
    g_autofree char *config = g_build_filename(daemon->dir, "conf", NULL);
    /* No DAMON: the host has only one, and it may be in use. */
    g_autofree char *text = g_strdup_printf(
        "[host]\nepoch-ms=100\n[sources]\nenable=rwp;wp\n"
        "[hints]\nmax-ranges-per-s=%u\n", daemon->max_ranges_per_s);
    g_autofree char *one = g_strdup_printf("name=one,socket=%s/one.sock",
                                           daemon->dir);
    g_autofree char *two = g_strdup_printf("name=two,socket=%s/two.sock",
                                           daemon->dir);
    const char *argv[] = { binary, "--runtime-dir", daemon->dir, "--config",
                           config, "--vm", one, "--vm", two, NULL };
    g_autoptr(GError) err = NULL;

    g_assert_true(g_file_set_contents(config, text, -1, NULL));
    g_spawn_async(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                  end_with_parent, NULL, &daemon->pid, &err);
    g_assert_no_error(err);
}

Daemon *daemon_new_limited(unsigned max_ranges_per_s)
{
    Daemon *daemon;

    if (!getenv("VHOST_TIER_DAEMON")) {
        g_test_skip("VHOST_TIER_DAEMON does not name the daemon's program");
        return NULL;
    }
    daemon = g_new0(Daemon, 1);
    daemon->max_ranges_per_s = max_ranges_per_s;
    daemon->dir = g_dir_make_tmp("vhost-user-tier-XXXXXX", NULL);
    g_assert_nonnull(daemon->dir);
    daemon_start(daemon);
    return daemon;
}

Daemon *daemon_new(void)
{
    return daemon_new_limited(0);
}

int daemon_end(Daemon *daemon, int signal)
{
    int status;

    g_assert_cmpint(kill(daemon->pid, signal), ==, 0);
    g_assert_cmpint(waitpid(daemon->pid, &status, 0), ==, daemon->pid);
    return status;
}

void daemon_free(Daemon *daemon)
{
    GDir *dir;
    const char *name;

    g_assert_cmpint(daemon_end(daemon, SIGTERM), ==, 0);
    dir = g_dir_open(daemon->dir, 0, NULL);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(daemon->dir, name, NULL);

        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(daemon->dir);
    g_free(daemon->dir);
    g_free(daemon);
}

void daemon_wait_on(Bed *bed)
{
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;
    struct virtio_tier_config config;

    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(20000);
        bed_read_config(bed, &config);
    } while (!config.pin_limit ||
             bed_hint(bed, VIRTIO_TIER_T_COLD, BED_FREE, 4096) !=
             VIRTIO_TIER_S_OK);
}

Bed *daemon_start_vm(Daemon *daemon, const char *name, const char *more)
{
    g_autofree char *memory = g_strdup_printf(
        "-chardev socket,id=tier,path=%s/%s.sock,reconnect-ms=50 "
        "-object memory-backend-tier,id=ram,size=64M,chardev=tier",
        daemon->dir, name);
    g_autofree char *path = g_strdup_printf("%s/%s.hint.sock", daemon->dir,
                                            name);

    return bed_new_with(memory, path, more);
}

Bed *daemon_start_driven(Daemon *daemon, const char *name)
{
    Bed *bed = daemon_start_vm(daemon, name, "");

    qtest_memset(bed->qts, BED_FREE, 0x5a, BED_RAM_BYTES - BED_FREE);
    bed_drive_all(bed);
    daemon_wait_on(bed);
    return bed;
}

/* What query-memory-tiers says of hints; NULL where the daemon has not yet. */
static QDict *query_hints(Bed *bed)
{
    QDict *response = qtest_qmp(bed->qts, "{'execute': 'query-memory-tiers'}");
    QDict *backend = qobject_to(QDict,
                                qlist_peek(qdict_get_qlist(response,
                                                           "return")));
    QDict *hints = qdict_get_qdict(qdict_get_qdict(backend, "daemon"),
                                   "hints");

    if (hints) {
        qobject_ref(hints);
    }
    qobject_unref(response);
    return hints;
}

void daemon_wait_figure(Bed *bed, const char *kind, const char *key, int64_t n)
{
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;

    for (;;) {
        QDict *hints = query_hints(bed);
        int64_t now = -1;

        if (hints) {
            now = qdict_get_int(kind ? qdict_get_qdict(hints, kind) : hints,
                                key);
            qobject_unref(hints);
        }
        if (now == n) {
            return;
        }
        if (g_get_monotonic_time() > end) {
            g_error("%s is %" PRId64 ", not %" PRId64, key, now, n);
        }
        g_usleep(20000);
    }
}
