/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control group with a cpuset; see cpuset.h.
 */
#include "cpuset.h"

#include <glib/gstdio.h>
#include <sys/mount.h>

#define CGROUP "/run/cgroup"

static bool put(const char *path, const char *text, GError **errp)
{
    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, errp);
}

bool cpuset_allow(const char *mems)
{
    g_mkdir(CGROUP, 0755);
    if (!g_file_test(CGROUP "/cgroup.controllers", G_FILE_TEST_EXISTS) &&
        mount("cgroup", CGROUP, "cgroup2", 0, NULL) < 0) {
        return false;
    }
    g_mkdir(CGROUP "/vm", 0755);
    return put(CGROUP "/cgroup.subtree_control", "+cpuset", NULL) && put(CGROUP "/vm/cpuset.mems", mems, NULL);
}

bool cpuset_join(GPid pid, GError **errp)
{
    g_autofree char *text = g_strdup_printf("%d", (int)pid);

    return put(CGROUP "/vm/cgroup.procs", text, errp);
}
