/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A visit to a page: a burst of accesses to it, and one more in its count. */
#ifndef LAB_GUEST_VISIT_H
#define LAB_GUEST_VISIT_H

#include "guest-abi.h"
#include "options.h"
#include "random.h"

/* Write to every page of the working area once, uncounted, so that all of them exist. */
void visit_populate(uint32_t pages);
/*
 * Visit @page: options->burst accesses of 8 bytes, each a read and, unless this visit is one of the
 * read-only share, a write.
 */
void visit_page(uint32_t page, const Options *options, Random *random);

#endif /* LAB_GUEST_VISIT_H */
