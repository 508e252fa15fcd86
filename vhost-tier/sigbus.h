/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who mends accesses to memory that is not there: the process's one handler of SIGBUS, for all that map what others
 * can take away.
 */
#ifndef VHOST_TIER_SIGBUS_H
#define VHOST_TIER_SIGBUS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * An access of this thread to @address failed. True where that is the taker's, and it has put memory there: the
 * access is made again. Called in a signal handler.
 */
typedef bool SigbusTaker(uintptr_t address);

/*
 * Have @taker asked of each SIGBUS from now on; once per taker is enough, more do no harm. What nobody takes goes to
 * the handler that was there before the first one was added, which as a rule ends the process. Any thread.
 */
void sigbus_add(SigbusTaker *taker);

#endif /* VHOST_TIER_SIGBUS_H */
