/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest at the real daemon, for tests: this process plays its QEMU, with the memory channel and the hint device, and
 * its driver; and what the daemon says of its hints.
 */
#ifndef TEST_DAEMON_GUEST_H
#define TEST_DAEMON_GUEST_H

#include "daemon-process.h"
#include "fake-frontend.h"

#define RAM_BYTES  (32u << 20)
#define SPOT       (16u << 20)      /* memory that no test uses for its own */

/* Configurations of the daemon */
#define NO_LIMITS  "[hints]\npin-share=50%\n"
#define FEW_RANGES "[hints]\nmax-ranges-per-s=100\n"
#define HINTS_OFF  "[hints]\nenable=no\n"

/* A VM's QEMU: memory and hints. */
typedef struct Guest {
    FakeRam ram;
    int channel;                    /* -1: there is none */
    FakeFrontend *f;
} Guest;

/* The VM @name with both connections; freed with guest_free(). */
Guest *guest_new(Daemon *d, const char *name, const char *socket);
/* QEMU's process with RAM, connected to nothing yet. */
Guest *guest_alone(void);
void guest_connect_hints(Guest *guest, const char *socket);
void guest_connect_memory(Guest *guest, Daemon *d, const char *name, const char *socket);
void guest_free(Guest *guest);

/* Where the VM's hint device is listened for, as its memory channel is at @socket; freed by the caller. */
char *guest_hint_socket(const char *socket);
/* A connection to it; closed by the caller. */
int guest_hint_connect(const char *socket);
/* Wait for a budget: until there is one, nothing can be pinned. */
void guest_await_budget(Daemon *d, const char *vm);
/* Send a hint about one range; returns its status, or that of the request if that is not OK. */
uint32_t guest_hint(Guest *guest, uint16_t type, uint64_t offset, uint64_t len);

/* What the daemon says of a VM's hints: one figure, or how many ranges of a kind had that fate; and wait for it. */
uint64_t hints_figure(Daemon *d, const char *vm, const char *name);
uint64_t hints_ranges(Daemon *d, const char *vm, const char *kind, const char *fate);
void hints_await_figure(Daemon *d, const char *vm, const char *name, uint64_t expected);
void hints_await_ranges(Daemon *d, const char *vm, const char *kind, const char *fate, uint64_t expected);

#endif /* TEST_DAEMON_GUEST_H */
