/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources that are built in.
 */
#include "source.h"

#include "access-bits.h"
#include "chmu.h"
#include "damon.h"

const SourceClass *const source_classes[] = {
    &damon_source_class,
    &rwp_source_class,
    &wp_source_class,
    &chmu_source_class,
    NULL,
};
