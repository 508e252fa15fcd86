/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP commands of CXL hotness monitoring units, where no CXL memory device
 * is built.
 */
#include "qemu/osdep.h"

#include "qapi/error.h"
#include "qapi/qapi-commands-cxl-chmu.h"

static void not_built(Error **errp)
{
    error_setg(errp, "CXL Type 3 support is not compiled in");
}

CxlChmuInfoList *qmp_query_cxl_chmu(const char *path, Error **errp)
{
    not_built(errp);
    return NULL;
}

void qmp_cxl_chmu_access(const char *path, uint64_t address, bool has_length,
                         uint64_t length, bool has_count, uint32_t count,
                         bool has_write, bool write, Error **errp)
{
    not_built(errp);
}
