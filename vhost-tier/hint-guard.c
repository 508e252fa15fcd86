/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A handler of SIGBUS for accesses to guests' memory.
 *
 * Theory of operation
 *
 * The signal comes to the very thread that made the access, so each thread says for itself what it may stumble over.
 * The handler puts empty memory in the place of the mapping and returns; the access is made again and finds zeros,
 * and whoever made it goes on to its end as if the guest had written them. So nothing has to be unwound. What is not
 * a guest's memory goes to the handler that was there before, which ends the process.
 *
 * The mapping is replaced in whole: of one with huge pages a part can't be.
 */
#include "hint-guard.h"

#include <glib.h>
#include <signal.h>
#include <sys/mman.h>

static __thread HintGuard *current;
static struct sigaction before;

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    HintGuard *guard = current;
    uintptr_t start;
    size_t bytes;

    if (guard && guard->mapping(guard->opaque, (uintptr_t)info->si_addr, &start, &bytes) &&
        mmap((void *)start, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) != MAP_FAILED) {
        guard->tripped = true;
        return;
    }
    /* The access is made again on return, and then is no business of ours. */
    sigaction(SIGBUS, &before, NULL);
}

static void install(void)
{
    static gsize installed;

    if (g_once_init_enter(&installed)) {
        struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

        sigemptyset(&action.sa_mask);
        if (sigaction(SIGBUS, &action, &before) < 0) {
            g_warning("SIGBUS can't be handled: a guest whose memory goes away would end the daemon");
        }
        g_once_init_leave(&installed, 1);
    }
}

void hint_guard_enter(HintGuard *guard)
{
    install();
    g_assert(!current);
    current = guard;
}

void hint_guard_leave(void)
{
    current = NULL;
}
