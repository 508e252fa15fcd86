/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of a VM's hints: what hints.c and hint-requests.c share.
 */
#ifndef VHOST_TIER_VM_HINTS_IMPL_H
#define VHOST_TIER_VM_HINTS_IMPL_H

#include "hint/device.h"
#include "impl.h"

#define HINTS_EVENT_PAUSE_NS G_GUINT64_CONSTANT(1000000000)  /* between two notices of one kind */

/* Of ranges that were ignored for one reason. */
typedef struct Ignored {
    uint64_t ranges;                /* not told yet */
    uint64_t told_ns;
} Ignored;

typedef struct Link {
    VmHints *hints;
    HintDevice *device;
    Peer peer;
    HintMap *map;                   /* NULL: to be made */
    struct virtio_tier_config config;   /* as QEMU has last read it, or was told that it has changed */
    uint64_t config_ns;             /* when it was told */
    uint64_t budget;                /* as the guest was last told, or has read */
    uint64_t pin_limit;             /* and bytes of pins dropped, when last looked at */
    uint64_t dropped_bytes;
    Ignored ignored[VIRTIO_TIER_R_OFF + 1];
} Link;

struct VmHints {
    Vm *vm;
    int listen_fd;
    GSource *accept;
    GPtrArray *links;               /* of Link */
    GArray *pieces;                 /* of HintPiece; scratch */
    double tokens;                  /* ranges that may be taken now */
    uint64_t tokens_ns;
    uint64_t ranges[TIER_HINT__MAX][TIER_HINT_FATE__MAX];   /* that never came to the policy */
    uint64_t dropped_rate, refused;
    GArray *pins;                   /* of HintPin: to be pinned as soon as can be */
    guint pins_next;                /* of them, to be tried next */
    uint64_t pins_until_ns;         /* then those that are left are given up; 0: they have not been tried yet */
    double trust;                   /* for the policy to come; NaN: none is known */
    bool served;                    /* a device's queue was started before */
};

/* --- hint-requests.c --- */
/* HintOps.request */
void link_request(void *opaque, HintRequest *request);
/* Whether the VM's memory is of another process than this connection. Nobody can tell while there is none. */
bool link_is_strange(const Link *link);
/* Whether hints of this connection mean anything now. */
bool link_counts(const Link *link);
/* From the guest's addresses to granules, and back. */
const HintMap *link_map(Link *link);
/* Whether one more range is within the limit of ranges a second. */
bool hints_tokens_take(VmHints *hints, uint64_t now_ns);
/* Pin a range that is sound, if it can be pinned in whole; else nothing is done and counted. There must be a policy. */
bool link_pin_again(Link *link, uint64_t addr, uint64_t len, uint64_t now_ns);
/* Tell the guest how many of its ranges were ignored, unless that was done a moment ago. */
void link_tell_ignored(Link *link, uint64_t now_ns);

/* --- hint-pins.c --- */
/* HintOps.reset, .save and .load */
void link_reset(void *opaque);
GByteArray *link_save(void *opaque);
bool link_load(void *opaque, const uint8_t *bytes, size_t n, GError **errp);
/* Forget the pins that wait. */
void link_pins_give_up(VmHints *hints);
/* Have what is pinned, and the trust, wait for the policy's return. */
void link_pins_keep(Link *link);
/* Pin what waits, as far as it can be pinned now. */
void link_pins_try(Link *link, uint64_t now_ns);

#endif /* VHOST_TIER_VM_HINTS_IMPL_H */
