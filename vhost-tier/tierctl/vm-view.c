/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM as 'query-vm' tells it, in the words that the tables use; see vm-view.h.
 */
#include "tierctl/vm-view.h"

#include "client/fields.h"
#include "tierctl/output.h"

char *view_string(JsonObject *object, const char *key)
{
    return text_clean(field_string(object, key));
}

static void append(GString *list, const char *item)
{
    g_string_append_printf(list, "%s%s", list->len ? ", " : "", item);
}

char *vm_state(JsonObject *vm)
{
    JsonArray *state = field_array(vm, "state");
    GString *text = g_string_new(NULL);

    if (!field_bool(vm, "connected")) {
        append(text, "waiting for QEMU");
    }
    for (guint i = 0; i < elements(state); i++) {
        g_autofree char *word = text_clean(element_string(state, i));

        append(text, word);
    }
    if (text->len == 0) {
        append(text, "ok");
    }
    return g_string_free(text, FALSE);
}

char *vm_sources(JsonObject *vm)
{
    JsonArray *sources = field_array(vm, "sources");
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < elements(sources); i++) {
        JsonObject *source = element_object(sources, i);
        double overhead = field_number(source, "overhead_share");
        g_autofree char *name = view_string(source, "name");
        g_autofree char *share = text_share(overhead);

        if (!field_bool(source, "active")) {
            continue;
        }
        append(text, name);
        if (overhead >= 0.0005) {
            g_string_append_printf(text, " (%s)", share);
        }
        if (field_string(source, "problem")) {
            g_string_append_c(text, '!');
        }
    }
    if (text->len == 0) {
        append(text, "none");
    }
    return g_string_free(text, FALSE);
}

uint64_t vm_resident(JsonObject *vm, unsigned tier)
{
    return field_uint(element_object(field_array(vm, "tiers"), tier), "resident_bytes", UINT64_MAX);
}

uint64_t vm_resident_below(JsonObject *vm, unsigned tier)
{
    uint64_t sum = UINT64_MAX;

    for (guint i = tier + 1; i < elements(field_array(vm, "tiers")); i++) {
        uint64_t bytes = vm_resident(vm, i);

        if (bytes != UINT64_MAX) {
            sum = (sum == UINT64_MAX ? 0 : sum) + bytes;
        }
    }
    return sum;
}
