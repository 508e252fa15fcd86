/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What in a domain does not go with tiered memory.
 */
#ifndef LIBVIRT_HOOKS_PROBLEMS_H
#define LIBVIRT_HOOKS_PROBLEMS_H

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/settings.h"

/*
 * All of it: a list of texts, each naming the element, the reason and the remedy; empty when all is well. The caller
 * frees it with g_ptr_array_unref().
 */
GPtrArray *problems_find(const Domain *domain, const Settings *settings);

#endif /* LIBVIRT_HOOKS_PROBLEMS_H */
