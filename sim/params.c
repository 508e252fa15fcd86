/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 'key=value' pairs.
 */
#include "params.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

static const Param *find(const Param *params, const char *key)
{
    for (const Param *p = params; p->key; p++) {
        if (g_str_equal(p->key, key)) {
            return p;
        }
    }
    return NULL;
}

static char *list_keys(const Param *params)
{
    GString *keys = g_string_new(NULL);

    for (const Param *p = params; p->key; p++) {
        g_string_append_printf(keys, "%s%s", keys->len ? ", " : "", p->key);
    }
    return g_string_free(keys, keys->len == 0) ?: g_strdup("none");
}

/* One pair; with @store false it is only checked. */
static bool take_pair(const char *pair, const Param *params, bool store, GError **errp)
{
    const char *equals = strchr(pair, '=');
    g_autofree char *key = equals ? g_strndup(pair, (gsize)(equals - pair)) : g_strdup(pair);
    const Param *param = find(params, key);
    char *end = NULL;
    double value;

    if (!param) {
        g_autofree char *keys = list_keys(params);

        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "there is no parameter '%s'; there are: %s", key, keys);
        return false;
    }
    if (!equals || !equals[1]) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "parameter '%s' has no value; write '%s=VALUE'", key, key);
        return false;
    }
    if (param->text) {
        if (store) {
            g_free(*param->text);
            *param->text = g_strdup(equals + 1);
        }
        return true;
    }
    value = g_ascii_strtod(equals + 1, &end);
    if (*end || !isfinite(value) || value < param->min || value > param->max) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "parameter '%s': '%s' is not a number from %g to %g", key, equals + 1, param->min,
                    param->max);
        return false;
    }
    if (store) {
        *param->value = value;
    }
    return true;
}

bool params_parse(const char *text, const Param *params, GError **errp)
{
    g_auto(GStrv) pairs = g_strsplit_set(text ? text : "", ", \t\r\n", -1);

    for (int store = 0; store <= 1; store++) {
        for (char **pair = pairs; *pair; pair++) {
            if (**pair && !take_pair(*pair, params, store, errp)) {
                return false;
            }
        }
    }
    return true;
}
