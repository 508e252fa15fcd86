/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handler of SIGBUS, and whom it asks.
 */
#include "sigbus.h"

#include <glib.h>
#include <signal.h>

#define TAKERS_MAX 4

static SigbusTaker *takers[TAKERS_MAX];     /* without gaps; each is written once */
static struct sigaction before;
static GMutex lock;                         /* of adding; the handler only looks */

static void pass_on(int number, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    } else {
        sigaction(SIGBUS, &before, NULL);
        raise(number);                      /* held back until the handler returns */
    }
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    SigbusTaker *taker;

    if (info->si_code == BUS_MCEERR_AO) {
        return;                             /* memory went bad, but nobody has accessed it yet */
    }
    for (unsigned i = 0; i < TAKERS_MAX && (taker = __atomic_load_n(&takers[i], __ATOMIC_ACQUIRE)); i++) {
        if (taker((uintptr_t)info->si_addr)) {
            return;
        }
    }
    pass_on(number, info, context);
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, NULL, &before) < 0 || sigaction(SIGBUS, &action, NULL) < 0) {
        g_warning("SIGBUS can't be handled: memory of others that goes away would end the daemon");
    }
}

void sigbus_add(SigbusTaker *taker)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    unsigned i = 0;

    while (takers[i] && takers[i] != taker) {
        g_assert(++i < TAKERS_MAX);
    }
    if (!takers[0]) {
        install();
    }
    __atomic_store_n(&takers[i], taker, __ATOMIC_RELEASE);
}
