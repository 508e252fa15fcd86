/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One item for each guest.
 */
#include "per-guest.h"

void per_guest_init(PerGuest *all, Machine *machine, void *(*create)(void *opaque, Guest *guest),
                    GDestroyNotify destroy, void *opaque)
{
    *all = (PerGuest){
        .machine = machine,
        .create = create,
        .destroy = destroy,
        .opaque = opaque,
        .items = g_ptr_array_new_with_free_func(destroy),
        .ids = g_array_new(false, false, sizeof(unsigned)),
        .generation = machine_generation(machine) - 1,
    };
}

void per_guest_clear(PerGuest *all)
{
    g_ptr_array_unref(all->items);
    g_array_unref(all->ids);
}

/* The item of @guest, taken out of @all; NULL if it has none. */
static void *take(PerGuest *all, const Guest *guest)
{
    for (guint i = 0; i < all->ids->len; i++) {
        if (g_array_index(all->ids, unsigned, i) == guest_id(guest)) {
            g_array_remove_index(all->ids, i);
            return g_ptr_array_steal_index(all->items, i);
        }
    }
    return NULL;
}

bool per_guest_follow(PerGuest *all)
{
    GPtrArray *items;
    GArray *ids;

    if (all->generation == machine_generation(all->machine)) {
        return false;
    }
    items = g_ptr_array_new_with_free_func(all->destroy);
    ids = g_array_new(false, false, sizeof(unsigned));
    for (size_t i = 0; i < machine_guests(all->machine); i++) {
        Guest *guest = machine_guest(all->machine, i);
        unsigned id = guest_id(guest);
        void *item = take(all, guest);

        g_ptr_array_add(items, item ? item : all->create(all->opaque, guest));
        g_array_append_val(ids, id);
    }
    per_guest_clear(all);
    all->items = items;
    all->ids = ids;
    all->generation = machine_generation(all->machine);
    return true;
}
