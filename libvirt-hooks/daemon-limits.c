/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tier settings as the daemon has them; see daemon-limits.h.
 */
#include "libvirt-hooks/daemon-limits.h"

#define ALL_SOURCES "damon,rwp,wp,chmu"

void limits_add(const Settings *settings, uint64_t memory, JsonObject *arguments)
{
    static const char *const modes[] = {
        [TIER_MODE_OFF] = "off",
        [TIER_MODE_OBSERVE] = "observe",
        [TIER_MODE_ON] = "on",
    };

    g_autofree char *sources = settings->sources ? g_strjoinv(",", settings->sources) : NULL;

    json_object_set_int_member(arguments, "fast-size", (gint64)settings_fast_max(settings, memory));
    json_object_set_int_member(arguments, "fast-min", (gint64)settings_bytes(settings, &settings->fast_min, memory));
    json_object_set_int_member(arguments, "weight", settings->weight);
    json_object_set_double_member(arguments, "slowdown", settings->slowdown);
    json_object_set_string_member(arguments, "mode", modes[settings->mode]);
    json_object_set_string_member(arguments, "hints", settings->hints ? "on" : "off");
    json_object_set_int_member(arguments, "pin-limit", (gint64)settings_bytes(settings, &settings->pin_limit, memory));
    json_object_set_string_member(arguments, "sources", sources ? sources : ALL_SOURCES);
}
