/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses in a guest's memory as users write them: [REGION:]OFFSET, hva:ADDRESS, and either with +LENGTH.
 */
#ifndef VHOST_TIER_TIERCTL_ADDRESS_H
#define VHOST_TIER_TIERCTL_ADDRESS_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Address {
    char *region;               /* name or number; NULL: not told */
    bool is_hva;                /* 'offset' is an address of QEMU's */
    bool whole;                 /* of the region: no offset was told */
    uint64_t offset, length;    /* length 0: not told */
} Address;

/*
 * Read @text. Numbers are in decimal, in hexadecimal after 0x, or sizes (4M). False, with an error that tells
 * what is allowed, when it is none. To be cleared with address_clear().
 */
bool address_parse(const char *text, Address *address, GError **errp);
void address_clear(Address *address);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Address, address_clear)

/*
 * Find @address in a VM as 'query-vm' tells it: returns the region (the VM's), and makes 'offset' one in
 * it and 'length' at least 1. NULL, with an error that says what there is, when it lies in none.
 */
JsonObject *address_resolve(Address *address, JsonObject *vm, GError **errp);

#endif /* VHOST_TIER_TIERCTL_ADDRESS_H */
