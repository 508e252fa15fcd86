/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMs that a daemon was told of, remembered: their QEMUs reconnect to the same sockets when the daemon is started
 * again, after an upgrade or a crash. A reboot clears the file, as it ends the QEMUs.
 */
#include "register.h"

#include "client/fields.h"

VmSpec *vm_spec_copy(const VmSpec *spec)
{
    VmSpec *copy = g_new(VmSpec, 1);

    *copy = *spec;
    copy->name = g_strdup(spec->name);
    copy->socket = g_strdup(spec->socket);
    copy->directory = g_strdup(spec->directory);
    return copy;
}

void vm_spec_free(VmSpec *spec)
{
    if (spec) {
        g_free(spec->name);
        g_free(spec->socket);
        g_free(spec->directory);
        g_free(spec);
    }
}

/* As one line of the register; freed by the caller. */
static char *spec_format(const VmSpec *spec)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", spec->name);
    if (spec->directory) {
        json_object_set_string_member(object, "directory", spec->directory);
    }
    if (spec->uid != (uid_t)-1) {
        json_object_set_int_member(object, "uid", spec->uid);
    }
    if (spec->gid != (gid_t)-1) {
        json_object_set_int_member(object, "gid", spec->gid);
    }
    vm_settings_to_json(&spec->limits, object);
    json_node_take_object(root, object);
    return json_to_string(root, FALSE);
}

/* A user's or group's number; where there is none -1, which means 'as it is' to chown(2). */
static bool read_owner(JsonObject *object, const char *name, uint32_t *id, GError **errp)
{
    const uint64_t number = field_uint(object, name, UINT64_MAX);

    *id = (uint32_t)-1;
    if (!object || !json_object_has_member(object, name)) {
        return true;
    }
    if (number >= UINT32_MAX) {
        g_set_error(errp, VM_SETTINGS_ERROR, VM_SETTINGS_ERROR_VALUE,
                    "%s %" G_GUINT64_FORMAT " is none: it must be below 4294967295", name, number);
        return false;
    }
    *id = (uint32_t)number;
    return true;
}

VmSpec *vm_spec_from_json(JsonObject *arguments, GError **errp)
{
    g_autoptr(VmSpec) spec = g_new0(VmSpec, 1);

    spec->name = g_strdup(field_string(arguments, "name"));
    spec->directory = g_strdup(field_string(arguments, "directory"));
    if (!spec->name) {
        g_set_error(errp, VM_SETTINGS_ERROR, VM_SETTINGS_ERROR_VALUE, "the VM has no name");
        return NULL;
    }
    if (!read_owner(arguments, "uid", &spec->uid, errp) || !read_owner(arguments, "gid", &spec->gid, errp) ||
        !vm_settings_from_json(arguments, &spec->limits, errp)) {
        return NULL;
    }
    return g_steal_pointer(&spec);
}

static VmSpec *spec_parse(const char *line, GError **errp)
{
    g_autoptr(JsonNode) root = json_from_string(line, errp);

    return root ? vm_spec_from_json(node_object(root), errp) : NULL;
}

bool register_save(const char *path, const GPtrArray *specs, GError **errp)
{
    g_autoptr(GString) text = g_string_new("# VMs to be served again. Written by vhost-tier.\n");

    for (guint i = 0; i < specs->len; i++) {
        g_autofree char *line = spec_format(g_ptr_array_index(specs, i));

        g_string_append_printf(text, "%s\n", line);
    }
    return g_file_set_contents_full(path, text->str, (gssize)text->len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, errp);
}

GPtrArray *register_load(const char *path, GError **errp)
{
    g_autoptr(GPtrArray) specs = g_ptr_array_new_with_free_func((GDestroyNotify)vm_spec_free);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) err = NULL;

    if (!g_file_get_contents(path, &text, NULL, &err)) {
        if (g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            return g_steal_pointer(&specs);
        }
        g_propagate_error(errp, g_steal_pointer(&err));
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autoptr(GError) line_err = NULL;
        VmSpec *spec;

        if (!**line || **line == '#') {
            continue;
        }
        spec = spec_parse(*line, &line_err);
        if (spec) {
            g_ptr_array_add(specs, spec);
        } else {
            g_warning("%s: a line makes no sense, and its VM is not served again: %s: %s", path, *line,
                      line_err->message);
        }
    }
    return g_steal_pointer(&specs);
}
