/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal as a live screen: the alternate buffer, no cursor, keys read one by one; all given back at the
 * end.
 */
#ifndef VHOST_TIER_TIERCTL_SCREEN_H
#define VHOST_TIER_TIERCTL_SCREEN_H

#include <stdbool.h>

/* Take the terminal over; does nothing where standard output is none. screen_close() must follow. */
void screen_open(void);
void screen_close(void);
/*
 * Show @text, cut to the terminal's size, in place of what was shown; without a terminal, print it. False
 * when that fails.
 */
bool screen_show(const char *text);

#endif /* VHOST_TIER_TIERCTL_SCREEN_H */
