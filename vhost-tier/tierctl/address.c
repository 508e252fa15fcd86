/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses in a guest's memory as users write them; see address.h.
 */
#include "tierctl/address.h"

#include <gio/gio.h>
#include <string.h>

#include "client/fields.h"
#include "client/size.h"
#include "tierctl/output.h"

#define HVA "hva:"

static bool number_parse(const char *text, uint64_t *number)
{
    if (g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X")) {
        return g_ascii_string_to_unsigned(text + 2, 16, 0, UINT64_MAX, number, NULL);
    }
    return size_parse(text, number, NULL);
}

bool address_parse(const char *text, Address *address, GError **errp)
{
    const char *from = text, *colon = strrchr(text, ':'), *plus;
    g_autofree char *offset = NULL;
    bool good;

    *address = (Address) { .is_hva = g_str_has_prefix(text, HVA) };
    if (address->is_hva) {
        from += strlen(HVA);
    } else if (colon) {
        address->region = g_strndup(text, (gsize)(colon - text));
        from = colon + 1;
        address->whole = *from == '\0';
    }
    plus = strchr(from, '+');
    offset = plus ? g_strndup(from, (gsize)(plus - from)) : g_strdup(from);
    good = address->whole || number_parse(offset, &address->offset);
    good = good && (!plus || (number_parse(plus + 1, &address->length) && address->length > 0));
    if (!good || (address->region && *address->region == '\0')) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "'%s' is no address: write OFFSET or REGION:OFFSET (into guest RAM: 0x200000, ram:4M), or "
                    "hva:ADDRESS (QEMU's), each also with +LENGTH; REGION: is all of it", text);
        address_clear(address);
        return false;
    }
    return true;
}

void address_clear(Address *address)
{
    g_clear_pointer(&address->region, g_free);
}

static char *region_list(JsonArray *regions)
{
    GString *list = g_string_new(NULL);

    for (guint i = 0; i < elements(regions); i++) {
        JsonObject *region = element_object(regions, i);
        g_autofree char *name = text_clean(field_string(region, "name"));

        g_string_append_printf(list, "%s%" G_GUINT64_FORMAT " '%s' (0x%" G_GINT64_MODIFIER "x bytes)",
                               i ? ", " : "", field_uint(region, "id", 0), name,
                               field_uint(region, "size", 0));
    }
    return g_string_free(list, FALSE);
}

/* By number, or by a name that only one has. */
static bool is_named(JsonObject *region, const char *name)
{
    const char *own = field_string(region, "name");
    guint64 id;

    if (g_ascii_string_to_unsigned(name, 10, 0, G_MAXUINT32, &id, NULL)) {
        return field_uint(region, "id", UINT64_MAX) == id;
    }
    return own && g_str_equal(own, name);
}

static bool holds_hva(JsonObject *region, uint64_t hva)
{
    const uint64_t base = field_uint(region, "hva", UINT64_MAX);

    return hva >= base && hva - base < field_uint(region, "size", 0);
}

JsonObject *address_resolve(Address *address, JsonObject *vm, GError **errp)
{
    JsonArray *regions = field_array(vm, "regions");
    g_autofree char *list = region_list(regions);
    JsonObject *found = NULL;
    unsigned n = 0;
    uint64_t size;

    for (guint i = 0; i < elements(regions); i++) {
        JsonObject *region = element_object(regions, i);

        if (address->is_hva  ? holds_hva(region, address->offset)
            : address->region ? is_named(region, address->region) : true) {
            found = region;
            n++;
        }
    }
    if (elements(regions) == 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "the VM has no memory known to the daemon; is its QEMU running and connected?");
        return NULL;
    }
    if (n != 1) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s; the VM has: %s",
                    address->is_hva  ? "no region of the VM lies at that address of QEMU's"
                    : n == 0         ? "there is no such region"
                    : address->region ? "several regions have that name: use the number"
                                      : "there are several regions: write REGION:OFFSET", list);
        return NULL;
    }
    size = field_uint(found, "size", 0);
    address->offset -= address->is_hva ? field_uint(found, "hva", 0) : 0;
    if (address->whole && address->length == 0) {
        address->length = size;
    }
    address->length = MAX(address->length, 1);
    if (address->offset >= size || address->length > size - address->offset) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "0x%" G_GINT64_MODIFIER "x+0x%" G_GINT64_MODIFIER "x reaches beyond the region's end; the VM "
                    "has: %s", address->offset, address->length, list);
        return NULL;
    }
    return found;
}
