/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hook does at each of libvirt's operations, as functions of a domain and its settings.
 */
#ifndef LIBVIRT_HOOKS_HOOK_H
#define LIBVIRT_HOOKS_HOOK_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/settings.h"

#define HOOK_DAEMON_MS 1000     /* what a daemon that hangs may cost a start */

/* Say something that the user does not see at once: in the system's log. */
void hook_warn(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* --- check.c --- */
/*
 * Whether a domain that is about to start is as its settings say. False, with DOMAIN_ERROR, where its start is to be
 * refused.
 */
bool check_domain(const Domain *domain, const Settings *settings, GError **errp);

/* --- owner.c --- */
typedef struct Owner {
    uid_t uid;                  /* as whom QEMU runs */
    gid_t gid;
    char *selinux;              /* label of its files; NULL: none */
} Owner;

/*
 * From the labels that libvirt has generated for this start; where there are none QEMU runs as libvirt's own user.
 * False, with an error, where a label names a user or group that there is not. The caller frees it with
 * owner_clear().
 */
bool owner_find(const Domain *domain, Owner *owner, GError **errp);
void owner_clear(Owner *owner);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Owner, owner_clear)

/* --- folder.c --- */
/*
 * Make the folder @path, and those above it that are missing, for sockets that only @owner's QEMU may reach: it can't
 * write there. A folder that is there already is made so.
 */
bool folder_make(const char *path, const Owner *owner, GError **errp);
/* Remove the folder with the sockets in it; what else is in it stays, and so does it then. */
void folder_remove(const char *path);

/* --- register.c --- */
/* Have the daemon serve the domain, anew (@anew) or if it does not yet, within HOOK_DAEMON_MS. */
bool register_domain(const Domain *domain, const Settings *settings, bool anew, GError **errp);
/* Have it forget the domain, and remove its sockets; warns where that can't be. */
void unregister_domain(const Domain *domain);

/* --- incoming.c --- */
/*
 * Fit a domain that comes from another host, or from a file, to this one: *@changed tells whether anything was to
 * change. False, with DOMAIN_ERROR, where it can't run here.
 */
bool incoming_fit(Domain *domain, const Settings *settings, bool *changed, GError **errp);

#endif /* LIBVIRT_HOOKS_HOOK_H */
