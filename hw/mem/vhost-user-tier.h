/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio-tier device, by which a guest gives hints about its memory to the
 * host's daemon vhost-tier, and what its files share.
 *
 *   vhost-user-tier.c        the device: what the guest sees of it
 *   vhost-user-tier-link.c   the connection to the daemon
 *   vhost-user-tier-state.c  what the daemon knows of it, for live migration
 *   vhost-user-tier-watch.c  no daemon makes QEMU wait for ever
 *   vhost-user-tier-pci.c    the same on a PCI bus
 *   virtio-tier-qmp.c        the QMP command
 *
 * Everything here runs under QEMU's big lock.
 */
#ifndef HW_MEM_VHOST_USER_TIER_H
#define HW_MEM_VHOST_USER_TIER_H

#include "chardev/char-fe.h"
#include "hw/virtio/vhost-user.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio.h"
#include "qom/object.h"
#include "standard-headers/linux/virtio_tier.h"
#include "tier-freeze.h"
#include "tier-problem.h"

#define TYPE_VHOST_USER_TIER "vhost-user-tier"
OBJECT_DECLARE_SIMPLE_TYPE(VHostUserTier, VHOST_USER_TIER)

struct VHostUserTier {
    VirtIODevice parent_obj;

    CharBackend chardev;        /* a property */

    VirtQueue *vqs[VIRTIO_TIER_Q_COUNT];
    struct virtio_tier_config config;   /* as the guest sees it */
    bool notify_config;         /* the guest is to look at it once it runs */

    /* The connection */
    struct vhost_virtqueue vhost_vqs[VIRTIO_TIER_Q_COUNT];
    struct vhost_dev dev;
    VhostUserState vhost_user;
    TierFreeze *freeze;         /* no daemon is given the memory meanwhile */
    QEMUBH *lost;               /* clean up after a connection */
    bool connected;             /* dev is initialised */
    bool started;               /* the daemon serves the queues */
    bool reset_owed;            /* a reset that no daemon has been told of */
    uint64_t connects;
    TierProblem problem;        /* what went wrong since it last connected */

    /* What a daemon told of this device, on its way to another */
    uint32_t state_size;        /* bytes */
    uint8_t *state;
};

/* vhost-user-tier-link.c */

/* Fill in what a guest sees before any daemon has been there. */
void vhost_user_tier_default_config(VHostUserTier *tier);
/*
 * Use the chardev from now on, whether or not there is a peer yet. The
 * queues exist. False when the chardev can't be used.
 */
bool vhost_user_tier_link_up(VHostUserTier *tier, Error **errp);
/* Let go of the daemon; it is told to forget what the guest said. */
void vhost_user_tier_link_down(VHostUserTier *tier);
/* Have the daemon serve the queues, or serve them no more, if it is there. */
void vhost_user_tier_serve(VHostUserTier *tier, bool serve);
/* Tell the daemon, this one or the next, that the guest has reset the device */
void vhost_user_tier_tell_reset(VHostUserTier *tier);
/* Note what is wrong with the daemon, and end the connection to it. */
void vhost_user_tier_refuse(VHostUserTier *tier, Error *reason);

/* vhost-user-tier-state.c */

extern const VMStateDescription vmstate_vhost_user_tier;

/*
 * Give the daemon the state that has come by migration, if any. What it does
 * not take is lost, with a warning: hints are advice.
 */
void vhost_user_tier_deliver_state(VHostUserTier *tier);
void vhost_user_tier_drop_state(VHostUserTier *tier);

/* vhost-user-tier-watch.c */

/* Guard QEMU against the peer of a connected chardev, and no longer. */
void vhost_user_tier_watch(VHostUserTier *tier);
void vhost_user_tier_unwatch(VHostUserTier *tier);

#endif /* HW_MEM_VHOST_USER_TIER_H */
