/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 'key=value' pairs, separated by commas or white space, with a table that says which there are.
 */
#ifndef VHOST_TIER_SIM_PARAMS_H
#define VHOST_TIER_SIM_PARAMS_H

#include <glib.h>
#include <stdbool.h>

typedef struct Param {
    const char *key;
    double *value;                  /* holds the default; set when the text has the key */
    double min, max;                /* allowed; a value that is no finite number is refused */
    char **text;                    /* instead of 'value', for a text (a file's name; no comma or white
                                       space): set to a copy, what was there is freed */
} Param;

/*
 * Read @text (may be NULL) by @params, whose last has no key; on false nothing was set, and *@errp names
 * key, value and range.
 */
bool params_parse(const char *text, const Param *params, GError **errp);

#endif /* VHOST_TIER_SIM_PARAMS_H */
