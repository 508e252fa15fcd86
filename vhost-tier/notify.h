/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notices to the service manager (sd_notify(3)), without its library.
 */
#ifndef VHOST_TIER_NOTIFY_H
#define VHOST_TIER_NOTIFY_H

#include <stdint.h>

/* Send @state ("READY=1") to the socket named by NOTIFY_SOCKET; nothing when there is none. */
void notify_send(const char *state);

/* How often WATCHDOG=1 is to be sent, in milliseconds: half of what the manager asks for. 0: not at all. */
unsigned notify_watchdog_ms(void);

#endif /* VHOST_TIER_NOTIFY_H */
