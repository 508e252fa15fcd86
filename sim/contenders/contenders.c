/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All contenders: ours first, the oracles last.
 */
#include "../contender.h"

extern const ContenderClass vhost_tier_contender, vhost_tier_bits_contender;
extern const ContenderClass interleave_contender, tpp_contender, numa_balancing_contender;
extern const ContenderClass memtis_contender, hemem_contender;
extern const ContenderClass damos_contender, memtierd_contender;
extern const ContenderClass oracle_static_contender, oracle_paying_contender;

const ContenderClass *const contender_classes[] = {
    &vhost_tier_contender,
    &vhost_tier_bits_contender,
    &interleave_contender,
    &tpp_contender,
    &numa_balancing_contender,
    &memtis_contender,
    &hemem_contender,
    &damos_contender,
    &memtierd_contender,
    &oracle_static_contender,
    &oracle_paying_contender,
    NULL,
};

const ContenderClass *contender_find(const char *name, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (size_t i = 0; contender_classes[i]; i++) {
        if (g_str_equal(contender_classes[i]->name, name)) {
            return contender_classes[i];
        }
        g_string_append_printf(names, " %s", contender_classes[i]->name);
    }
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "no contender '%s'; there are:%s", name, names->str);
    return NULL;
}
