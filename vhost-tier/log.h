/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log: GLib's messages, to standard error.
 */
#ifndef VHOST_TIER_LOG_H
#define VHOST_TIER_LOG_H

#include <glib.h>
#include <stdbool.h>

/*
 * From now on write messages of @level ("error", "warning", "message", "info", "debug") and graver;
 * false when it is none of these.
 */
bool log_init(const char *level, GError **errp);

#endif /* VHOST_TIER_LOG_H */
