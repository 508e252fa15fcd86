/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'damon': access frequencies of address ranges, by Linux's DAMON on QEMU's address space.
 */
#ifndef VHOST_TIER_SOURCES_DAMON_H
#define VHOST_TIER_SOURCES_DAMON_H

#include "source.h"

extern const SourceClass damon_source_class;

#endif /* VHOST_TIER_SOURCES_DAMON_H */
