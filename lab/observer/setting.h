/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A setting of the kernel's, a file in /proc or /sys, that holds another value for a while.
 */
#ifndef LAB_OBSERVER_SETTING_H
#define LAB_OBSERVER_SETTING_H

#include <glib.h>
#include <stdbool.h>

/*
 * Write @value to @path in one write, as these files want it, and make no new file, as g_file_set_contents() would;
 * false with an error.
 */
bool setting_write(const char *path, const char *value, GError **errp);

typedef struct Setting Setting;

/* Write @value to @path; NULL with an error. setting_free() writes back what was there. */
Setting *setting_new(const char *path, const char *value, GError **errp);
void setting_free(Setting *setting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Setting, setting_free)

#endif /* LAB_OBSERVER_SETTING_H */
