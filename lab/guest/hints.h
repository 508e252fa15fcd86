/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the workload guest tells its host about its pages through virtio-tier (docs/virtio-tier.md): the truth, or
 * lies. It knows its own hot set, so it is as good a teller as there can be.
 */
#ifndef LAB_GUEST_HINTS_H
#define LAB_GUEST_HINTS_H

#include "options.h"
#include "pattern.h"

/* Find the device; NULL, or what is wrong. Nothing to do for hints=off. */
const char *hints_start(const Options *options, const Pattern *pattern);
/* A second has begun, and with it, maybe, another phase of the pattern. */
void hints_second(void);
/* Take the device's answers and tell it more; called between visits. */
void hints_poll(void);
/* The page to visit instead of @page: hints=probe visits what it has asked for, every fourth time. */
uint32_t hints_divert(uint32_t page);
/* Add to the line of this second what was told, what became of it, and how fast. */
void hints_tell(void);

#endif /* LAB_GUEST_HINTS_H */
