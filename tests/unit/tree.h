/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test's folder goes when the test has ended, with all that is in it.
 */
#ifndef VHOST_TIER_TESTS_TREE_H
#define VHOST_TIER_TESTS_TREE_H

#include <glib.h>
#include <glib/gstdio.h>

static inline void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_unlink(child) < 0) {
            remove_tree(child);
        }
    }
    g_rmdir(path);
}

#endif /* VHOST_TIER_TESTS_TREE_H */
