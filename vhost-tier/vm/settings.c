/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operator says of a VM; see settings.h. Each setting has one line in each function.
 */
#include "settings.h"

#include <math.h>
#include <string.h>

#include "client/fields.h"
#include "sources/source.h"

static const char *const modes[] = {
    [TIER_MODE_OFF] = "off", [TIER_MODE_OBSERVE] = "observe", [TIER_MODE_ON] = "on",
};

GQuark vm_settings_error_quark(void)
{
    return g_quark_from_static_string("vhost-tier-vm-settings");
}

static bool value_error(GError **errp, const char *what)
{
    g_set_error_literal(errp, VM_SETTINGS_ERROR, VM_SETTINGS_ERROR_VALUE, what);
    return false;
}

static bool read_bytes(JsonObject *object, const char *name, bool *has, uint64_t *bytes, GError **errp)
{
    g_autofree char *problem = NULL;

    *has = json_object_has_member(object, name);
    *bytes = field_uint(object, name, UINT64_MAX);
    if (*has && *bytes == UINT64_MAX) {
        problem = g_strdup_printf("%s is no number of bytes", name);
        return value_error(errp, problem);
    }
    return true;
}

static bool read_weight(JsonObject *object, VmSettings *settings, GError **errp)
{
    uint64_t weight;
    g_autofree char *problem = NULL;

    if (!read_bytes(object, "weight", &settings->has_weight, &weight, errp)) {
        return false;
    }
    if (settings->has_weight && (weight < 1 || weight > 1000)) {
        problem = g_strdup_printf("weight %" G_GUINT64_FORMAT " is not in 1 to 1000", weight);
        return value_error(errp, problem);
    }
    settings->weight = (uint32_t)weight;
    return true;
}

static bool read_slowdown(JsonObject *object, VmSettings *settings, GError **errp)
{
    settings->has_slowdown = json_object_has_member(object, "slowdown");
    settings->slowdown = field_number(object, "slowdown");
    if (settings->has_slowdown && !(settings->slowdown >= 0 && settings->slowdown <= 1)) {
        return value_error(errp, "slowdown is not in 0 to 1");
    }
    return true;
}

static bool read_mode(JsonObject *object, VmSettings *settings, GError **errp)
{
    const char *mode = field_string(object, "mode");
    g_autofree char *problem = NULL;

    settings->has_mode = json_object_has_member(object, "mode");
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (g_strcmp0(mode, modes[i]) == 0) {
            settings->mode = (TierMode)i;
            return true;
        }
    }
    if (settings->has_mode) {
        problem = g_strdup_printf("mode '%s' is none of on, observe, off", mode ? mode : "");
        return value_error(errp, problem);
    }
    return true;
}

static bool read_hints(JsonObject *object, VmSettings *settings, GError **errp)
{
    const char *hints = field_string(object, "hints");
    g_autofree char *problem = NULL;

    settings->has_hints = json_object_has_member(object, "hints");
    settings->hints = g_strcmp0(hints, "on") == 0;
    if (settings->has_hints && !settings->hints && g_strcmp0(hints, "off") != 0) {
        problem = g_strdup_printf("hints '%s' is none of on, off", hints ? hints : "");
        return value_error(errp, problem);
    }
    return true;
}

/* NULL: there is none of that name. */
static const SourceClass *source_by_name(const char *name)
{
    const SourceClass *const *class = source_classes;

    while (*class && strcmp((*class)->name, name) != 0) {
        class++;
    }
    return *class;
}

static bool read_sources(JsonObject *object, VmSettings *settings, GError **errp)
{
    const char *text = field_string(object, "sources");
    g_auto(GStrv) names = g_strsplit(text ? text : "", ",", -1);
    g_autofree char *problem = NULL;

    settings->has_sources = json_object_has_member(object, "sources");
    for (char **name = names; *name; name++) {
        const SourceClass *class = source_by_name(*name);

        if (!class) {
            problem = g_strdup_printf("sources '%s': there is no source '%s'; 'tierctl host' shows those there are",
                                      text, *name);
            return value_error(errp, problem);
        }
        settings->sources |= 1u << class->id;
    }
    return true;
}

bool vm_settings_from_json(JsonObject *object, VmSettings *settings, GError **errp)
{
    VmSettings read = { 0 };

    if (object && (!read_bytes(object, "fast-size", &read.has_fast_size, &read.fast_size, errp) ||
                   !read_bytes(object, "fast-min", &read.has_fast_min, &read.fast_min, errp) ||
                   !read_weight(object, &read, errp) || !read_slowdown(object, &read, errp) ||
                   !read_mode(object, &read, errp) || !read_hints(object, &read, errp) ||
                   !read_bytes(object, "pin-limit", &read.has_pin_limit, &read.pin_limit, errp) ||
                   !read_sources(object, &read, errp))) {
        return false;
    }
    *settings = read;
    return true;
}

static char *source_names(uint32_t sources)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (const SourceClass *const *class = source_classes; *class; class++) {
        if (sources & 1u << (*class)->id) {
            g_string_append_printf(names, "%s%s", names->len ? "," : "", (*class)->name);
        }
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

void vm_settings_to_json(const VmSettings *settings, JsonObject *object)
{
    if (settings->has_fast_size) {
        json_object_set_int_member(object, "fast-size", (gint64)settings->fast_size);
    }
    if (settings->has_fast_min) {
        json_object_set_int_member(object, "fast-min", (gint64)settings->fast_min);
    }
    if (settings->has_weight) {
        json_object_set_int_member(object, "weight", settings->weight);
    }
    if (settings->has_slowdown) {
        json_object_set_double_member(object, "slowdown", settings->slowdown);
    }
    if (settings->has_mode) {
        json_object_set_string_member(object, "mode", modes[settings->mode]);
    }
    if (settings->has_hints) {
        json_object_set_string_member(object, "hints", settings->hints ? "on" : "off");
    }
    if (settings->has_pin_limit) {
        json_object_set_int_member(object, "pin-limit", (gint64)settings->pin_limit);
    }
    if (settings->has_sources) {
        g_autofree char *names = source_names(settings->sources);

        json_object_set_string_member(object, "sources", names);
    }
}

bool vm_settings_empty(const VmSettings *settings)
{
    return !settings->has_fast_size && !settings->has_fast_min && !settings->has_weight && !settings->has_slowdown &&
        !settings->has_mode && !settings->has_hints && !settings->has_pin_limit && !settings->has_sources;
}

void vm_settings_overrule(VmSettings *settings)
{
    *settings = (VmSettings) {
        .has_hints = settings->has_hints, .hints = settings->hints,
        .has_pin_limit = settings->has_pin_limit, .pin_limit = settings->pin_limit,
        .has_sources = settings->has_sources, .sources = settings->sources,
    };
}

#define TAKE(into, from, field, when) \
    do { \
        if ((from)->has_##field && (when)) { \
            (into)->has_##field = true; \
            (into)->field = (from)->field; \
        } \
    } while (0)

void vm_settings_merge(VmSettings *into, const VmSettings *from)
{
    TAKE(into, from, fast_size, true);
    TAKE(into, from, fast_min, true);
    TAKE(into, from, weight, true);
    TAKE(into, from, slowdown, true);
    TAKE(into, from, mode, true);
    TAKE(into, from, hints, true);
    TAKE(into, from, pin_limit, true);
    TAKE(into, from, sources, true);
}

void vm_settings_update(VmSettings *into, const VmSettings *from)
{
    TAKE(into, from, fast_size, into->has_fast_size);
    TAKE(into, from, fast_min, into->has_fast_min);
    TAKE(into, from, weight, into->has_weight);
    TAKE(into, from, slowdown, into->has_slowdown);
    TAKE(into, from, mode, into->has_mode);
    TAKE(into, from, hints, into->has_hints);
    TAKE(into, from, pin_limit, into->has_pin_limit);
    TAKE(into, from, sources, into->has_sources);
}

/* A target of 0 is none, which asks for nothing. */
static double target(double slowdown)
{
    return slowdown > 0 ? slowdown : INFINITY;
}

void vm_settings_limit(VmSettings *settings, const VmSettings *said, const VmSettings *limits)
{
    VmSettings now = *said;

    vm_settings_merge(&now, settings);
    TAKE(settings, limits, fast_size, now.fast_size > limits->fast_size);
    TAKE(settings, limits, fast_min, now.fast_min > limits->fast_min);
    TAKE(settings, limits, weight, now.weight > limits->weight);
    TAKE(settings, limits, slowdown, target(now.slowdown) < target(limits->slowdown));
    TAKE(settings, limits, mode, now.mode > limits->mode);
    TAKE(settings, limits, hints, true);
    TAKE(settings, limits, pin_limit, true);
    TAKE(settings, limits, sources, true);
}
