/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where this machine's RAM is: /proc/iomem.
 */
#ifndef TIER_HINT_IOMEM_H
#define TIER_HINT_IOMEM_H

#include <glib.h>

/* The ranges 'System RAM' of /proc/iomem's @text, of DamonRange, in whole pages, ascending; for the caller to free.
 * Empty: it tells none. */
GArray *iomem_ram(const char *text);

#endif /* TIER_HINT_IOMEM_H */
