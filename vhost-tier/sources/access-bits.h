/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources 'rwp' and 'wp': core/watcher.h decides and reports, uffd.h arms and looks.
 */
#ifndef VHOST_TIER_SOURCES_ACCESS_BITS_H
#define VHOST_TIER_SOURCES_ACCESS_BITS_H

#include "source.h"

extern const SourceClass rwp_source_class;
extern const SourceClass wp_source_class;

#endif /* VHOST_TIER_SOURCES_ACCESS_BITS_H */
