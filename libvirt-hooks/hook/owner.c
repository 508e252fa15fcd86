/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As whom a domain's QEMU is about to run, and how its files are labelled: both stand in the <seclabel>s of the XML
 * that the hook gets at 'start', when libvirt has generated them.
 */
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "libvirt-hooks/hook/hook.h"

/* A number, with or without the '+' that says that it can be nothing else. */
static bool parse_id(const char *text, uint32_t *id)
{
    guint64 number;

    return g_ascii_string_to_unsigned(*text == '+' ? text + 1 : text, 10, 0, UINT32_MAX - 1, &number, NULL) &&
        ((*id = (uint32_t)number), true);
}

static bool parse_user(const char *text, uid_t *uid)
{
    const struct passwd *user = *text == '+' ? NULL : getpwnam(text);

    if (user) {
        *uid = user->pw_uid;
    }
    return user || parse_id(text, uid);
}

static bool parse_group(const char *text, gid_t *gid)
{
    const struct group *group = *text == '+' ? NULL : getgrnam(text);

    if (group) {
        *gid = group->gr_gid;
    }
    return group || parse_id(text, gid);
}

static char *label_of(const Domain *domain, const char *xpath)
{
    const xmlNode *node = domain_find_first(domain, xpath);

    return node ? node_text(node) : NULL;
}

bool owner_find(const Domain *domain, Owner *owner, GError **errp)
{
    g_autofree char *dac = label_of(domain, "/domain/seclabel[@model='dac']/label");
    g_auto(GStrv) parts = g_strsplit(dac ? dac : "", ":", 2);

    *owner = (Owner) { .uid = geteuid(), .gid = getegid() };
    if (dac &&
        (g_strv_length(parts) != 2 || !parse_user(parts[0], &owner->uid) || !parse_group(parts[1], &owner->gid))) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS,
                    "<seclabel model='dac'>: '%.80s' is no user and group of this host, so the sockets of its memory can't be "
                    "given to its QEMU; correct the label, or 'user' and 'group' in /etc/libvirt/qemu.conf", dac);
        return false;
    }
    owner->selinux = label_of(domain, "/domain/seclabel[@model='selinux']/imagelabel");
    return true;
}

void owner_clear(Owner *owner)
{
    g_clear_pointer(&owner->selinux, g_free);
}
