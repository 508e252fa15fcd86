/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests say to their host: a queue each, as the device has one.
 */
#include "machine-impl.h"

#define SAID_MAX 65536u             /* in a queue; what is said besides is lost */

void guest_say(Guest *guest, unsigned hint, size_t first, size_t n)
{
    const GuestHint said = {.hint = hint, .first = (uint32_t)first, .n = (uint32_t)n};

    g_assert(n > 0 && first < guest->config.pages && n <= guest->config.pages - first);
    guest->machine->said++;
    if (!guest->said) {
        guest->said = g_queue_new();
    }
    if (g_queue_get_length(guest->said) < SAID_MAX) {
        g_queue_push_tail(guest->said, g_memdup2(&said, sizeof(said)));
    }
}

bool guest_hear(Guest *guest, GuestHint *hint)
{
    g_autofree GuestHint *said = guest->said ? g_queue_pop_head(guest->said) : NULL;

    if (said) {
        *hint = *said;
    }
    return said != NULL;
}

uint64_t machine_said(const Machine *machine)
{
    return machine->said;
}
