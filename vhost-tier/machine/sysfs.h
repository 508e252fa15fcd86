/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files of the kernel's (/sys, /proc): read and written as one piece of text, under a root that tests
 * can choose.
 *
 * A path is given as a printf format, relative to @root. What the kernel writes is trusted to be text, not to
 * be of any form: numbers are checked.
 */
#ifndef VHOST_TIER_MACHINE_SYSFS_H
#define VHOST_TIER_MACHINE_SYSFS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* No such file is longer than this; what is, is refused. */
#define SYSFS_MAX_BYTES (1u << 20)

/* The text, without white space at its ends, to be freed; or NULL, with an error of domain G_FILE_ERROR. */
char *sysfs_read(const char *root, GError **errp, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The text as an unsigned decimal number; false, with an error, when it can't be read or is none. */
bool sysfs_read_u64(const char *root, uint64_t *value, GError **errp, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/*
 * Write @text with one write(2), as such files demand. An error names the file, the text and the kernel's
 * reason.
 */
bool sysfs_write(const char *root, const char *text, GError **errp, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

#endif /* VHOST_TIER_MACHINE_SYSFS_H */
