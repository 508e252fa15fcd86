/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl set, add and remove: what changes.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "client/fields.h"
#include "client/size.h"
#include "tierctl/output.h"
#include "tierctl/tierctl.h"
#include "tierctl/vm-view.h"

static char *option_fast_size, *option_fast_min, *option_weight, *option_slowdown, *option_mode, *option_owner;
static char *option_hints, *option_pin_limit;

static const GOptionEntry set_options[] = {
    {"fast-size", 0, 0, G_OPTION_ARG_STRING, &option_fast_size, "At most this much of tier 0", "SIZE"},
    {"fast-min", 0, 0, G_OPTION_ARG_STRING, &option_fast_min, "At least this much of tier 0", "SIZE"},
    {"weight", 0, 0, G_OPTION_ARG_STRING, &option_weight, "Share of what VMs compete for, 1 to 1000", "N"},
    {"slowdown", 0, 0, G_OPTION_ARG_STRING, &option_slowdown,
     "Time that it may lose to slow memory: 5%, 0.05, or none", "SHARE"},
    {"mode", 0, 0, G_OPTION_ARG_STRING, &option_mode, "on; observe: all but the moves; off", "MODE"},
    {"hints", 0, 0, G_OPTION_ARG_STRING, &option_hints, "Whether its guest's hints are taken: on or off", "on|off"},
    {"pin-limit", 0, 0, G_OPTION_ARG_STRING, &option_pin_limit, "At most this much may its guest pin", "SIZE"},
    G_OPTION_ENTRY_NULL,
};

static const GOptionEntry add_options[] = {
    {"owner", 0, 0, G_OPTION_ARG_STRING, &option_owner,
     "Who may connect: QEMU's user (default: the daemon's)", "USER[:GROUP]"},
    G_OPTION_ENTRY_NULL,
};

static bool add_size(JsonObject *arguments, const char *key, const char *text, GError **errp)
{
    uint64_t bytes;

    if (!text) {
        return true;
    }
    if (!size_parse(text, &bytes, errp)) {
        g_prefix_error(errp, "--%s: ", key);
        return false;
    }
    if (bytes > G_MAXINT64) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: '%s' is more than 8 EiB", key,
                    text);
        return false;
    }
    json_object_set_int_member(arguments, key, (gint64)bytes);
    return true;
}

/* "5%" or "0.05"; "none" is no target, which is 0 to the daemon. */
static bool add_slowdown(JsonObject *arguments, const char *text, GError **errp)
{
    double share = 0;
    char *end;

    if (strcmp(text, "none") != 0) {
        share = g_ascii_strtod(text, &end);
        if (!strcmp(end, "%")) {
            share /= 100;
            end++;
        }
        if (end == text || *end || !(share > 0 && share <= 1)) {
            g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "--slowdown: '%s' is no share of the time above 0, up to all of it: 5%% or 0.05; or none", text);
            return false;
        }
    }
    json_object_set_double_member(arguments, "slowdown", share);
    return true;
}

static bool add_settings(JsonObject *arguments, GError **errp)
{
    guint64 weight;

    if (!add_size(arguments, "fast-size", option_fast_size, errp) ||
        !add_size(arguments, "fast-min", option_fast_min, errp) ||
        !add_size(arguments, "pin-limit", option_pin_limit, errp)) {
        return false;
    }
    if (option_weight) {
        if (!g_ascii_string_to_unsigned(option_weight, 10, 1, 1000, &weight, NULL)) {
            g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "--weight: '%s' is no number from 1 to 1000", option_weight);
            return false;
        }
        json_object_set_int_member(arguments, "weight", (gint64)weight);
    }
    if (option_slowdown && !add_slowdown(arguments, option_slowdown, errp)) {
        return false;
    }
    if (option_mode) {
        static const char *const modes[] = {"on", "observe", "off", NULL};

        if (!g_strv_contains(modes, option_mode)) {
            g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "--mode: '%s' is none of on, observe, off", option_mode);
            return false;
        }
        json_object_set_string_member(arguments, "mode", option_mode);
    }
    if (option_hints) {
        if (strcmp(option_hints, "on") != 0 && strcmp(option_hints, "off") != 0) {
            g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--hints: '%s' is none of on, off",
                        option_hints);
            return false;
        }
        json_object_set_string_member(arguments, "hints", option_hints);
    }
    if (json_object_get_size(arguments) == 1) {     /* the name alone */
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "nothing to set: give --fast-size, --fast-min, --weight, --slowdown, --mode, --hints or --pin-limit");
        return false;
    }
    return true;
}

static int run_set(const Tierctl *ctl, char **args)
{
    g_autoptr(JsonObject) arguments = tierctl_vm_arguments(args[0]);
    g_autofree char *name = NULL, *mode = NULL, *min = NULL, *size = NULL, *target = NULL, *text = NULL;
    g_autoptr(JsonNode) answer = NULL;
    g_autoptr(GError) usage = NULL;
    GError *error = NULL;
    JsonObject *vm;

    if (!add_settings(arguments, &usage)) {
        return cli_usage("tierctl", "set", "%s", usage->message);
    }
    answer = tierctl_call(ctl, "vm-set", arguments, &error);
    if (!answer) {
        return tierctl_fail(error);
    }
    if (ctl->json) {
        return print_json(answer);
    }
    vm = node_object(answer);
    name = view_string(vm, "name");
    mode = view_string(vm, "mode");
    min = text_size(field_uint(vm, "fast_min", UINT64_MAX));
    size = text_size(field_uint(vm, "fast_size", UINT64_MAX));
    target = text_share(field_number(field_object(vm, "slowdown"), "target"));
    text = g_strdup_printf("%s: mode %s, fast memory at least %s, at most %s, weight %" G_GUINT64_FORMAT
                           ", slowdown target %s\n",
                           name, mode, min, size, field_uint(vm, "weight", 0), target);
    return print_text(text);
}

static bool find_user(const char *text, gint64 *uid, gint64 *gid, GError **errp)
{
    struct passwd *user;
    guint64 number;

    errno = 0;
    user = getpwnam(text);
    if (user) {
        *uid = user->pw_uid;
        *gid = user->pw_gid;
        return true;
    }
    if (g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32 - 1, &number, NULL)) {
        user = getpwuid((uid_t)number);
        *uid = (gint64)number;
        *gid = user ? (gint64)user->pw_gid : -1;
        return true;
    }
    g_set_error(
        errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--owner: there is no user '%s'; give a user's name or number (libvirt's QEMU runs as 'libvirt-qemu' on Debian, "
        "'qemu' on Fedora)",
        text);
    return false;
}

static bool find_group(const char *text, gint64 *gid, GError **errp)
{
    struct group *group = getgrnam(text);
    guint64 number;

    if (group) {
        *gid = group->gr_gid;
        return true;
    }
    if (g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32 - 1, &number, NULL)) {
        *gid = (gint64)number;
        return true;
    }
    g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--owner: there is no group '%s'", text);
    return false;
}

static bool add_owner(JsonObject *arguments, const char *owner, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(owner, ":", 2);
    gint64 uid, gid;

    if (!parts[0] || !find_user(parts[0], &uid, &gid, errp) ||
        (parts[1] && !find_group(parts[1], &gid, errp))) {
        if (errp && !*errp) {
            g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--owner: no user was given");
        }
        return false;
    }
    json_object_set_int_member(arguments, "uid", uid);
    if (gid >= 0) {
        json_object_set_int_member(arguments, "gid", gid);
    }
    return true;
}

static int run_add(const Tierctl *ctl, char **args)
{
    g_autoptr(JsonObject) arguments = tierctl_vm_arguments(args[0]);
    g_autofree char *socket = NULL, *text = NULL;
    g_autoptr(JsonNode) answer = NULL;
    g_autoptr(GError) usage = NULL;
    GError *error = NULL;

    if (option_owner && !add_owner(arguments, option_owner, &usage)) {
        return cli_usage("tierctl", "add", "%s", usage->message);
    }
    answer = tierctl_call(ctl, "vm-add", arguments, &error);
    if (!answer) {
        return tierctl_fail(error);
    }
    if (ctl->json) {
        return print_json(answer);
    }
    socket = view_string(node_object(answer), "socket");
    text = g_strdup_printf("%s\n", socket);
    return print_text(text);
}

static int run_remove(const Tierctl *ctl, char **args)
{
    g_autoptr(JsonObject) arguments = tierctl_vm_arguments(args[0]);
    g_autoptr(JsonNode) answer = NULL;
    GError *error = NULL;

    answer = tierctl_call(ctl, "vm-del", arguments, &error);
    if (!answer) {
        return tierctl_fail(error);
    }
    return ctl->json ? print_json(answer) : EXIT_OK;
}

const Command change_commands[] = {
    {{"set", "VM", "Change a VM's share of fast memory, or its mode, while it runs.",
      "SIZE is in bytes, or with K, M, G or T: 512M, 1.5G. What the daemon then holds is printed.", set_options},
     run_set},
    {{"add", "VM", "Register a VM and print the socket that its QEMU connects to.",
      "Then start QEMU with\n"
      "  -chardev socket,id=tier,path=SOCKET,reconnect-ms=1000\n"
      "  -object memory-backend-tier,id=ram,size=4G,fast-size=1G,chardev=tier -machine memory-backend=ram\n"
      "and, where its guest is to give hints, with the other socket that 'tierctl show VM' names:\n"
      "  -chardev socket,id=hint,path=HINT_SOCKET,reconnect-ms=1000 -device vhost-user-tier-pci,chardev=hint",
      add_options},
     run_add},
    {{"remove", "VM", "Forget a VM; it runs on, untiered."}, run_remove},
    {{0}},
};
