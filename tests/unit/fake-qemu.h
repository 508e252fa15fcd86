/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer of the memory channel as QEMU is one: the test's own process, with guest RAM that it has mapped.
 */
#ifndef FAKE_QEMU_H
#define FAKE_QEMU_H

#include <stdbool.h>
#include <stddef.h>

#include "tier-channel.h"

typedef struct FakeRam {
    int memfd, pagemap;
    void *hva;
    size_t size;
} FakeRam;

/* Guest RAM of @size bytes, mapped shared, every page touched. */
FakeRam fake_ram_new(size_t size);
void fake_ram_free(FakeRam *ram);

/* Connect to @path; -1 when nobody listens within five seconds. Reads time out after ten. */
int fake_qemu_connect(const char *path);

/* Read until the daemon ends the connection. */
void fake_qemu_await_end(int sock);

/* Send one message with its descriptors. */
void fake_qemu_send(int sock, TierRequest request, const void *payload, size_t size, const int *fds,
                    size_t n_fds);

/*
 * Receive the next message that is an answer (@answer) or is not, passing over the others; its payload
 * goes to @payload of @size bytes. Returns the request's number, or 0 at the connection's end.
 */
uint32_t fake_qemu_receive(int sock, bool answer, void *payload, size_t size);

/*
 * The usual messages, with usual contents. Each returns the errno that the daemon answered; @text, of
 * TIER_TEXT_LEN, its reason.
 */
void fake_qemu_hello(int sock);
TierMsgConfig fake_qemu_config(void);
uint32_t fake_qemu_send_config(int sock, const TierMsgConfig *config, char *text);
TierMsgRegionAdd fake_qemu_region(const FakeRam *ram);
uint32_t fake_qemu_send_region(int sock, const TierMsgRegionAdd *region, const FakeRam *ram, char *text);
/* Connect a backend with its RAM, as far as it goes; fails the test when anything is refused. */
int fake_qemu_backend(const char *path, const FakeRam *ram);
uint32_t fake_qemu_status(int sock, TierRequest request, char *text);

#endif /* FAKE_QEMU_H */
