/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine behind the sources 'rwp' and 'wp': sampler.h decides, uffd.h arms and looks, and what is seen
 * goes to the policy.
 */
#ifndef VHOST_TIER_SOURCES_ACCESS_BITS_H
#define VHOST_TIER_SOURCES_ACCESS_BITS_H

#include "source.h"

extern const SourceClass rwp_source_class;
extern const SourceClass wp_source_class;

#endif /* VHOST_TIER_SOURCES_ACCESS_BITS_H */
