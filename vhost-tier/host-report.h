/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What 'query-host' returns (docs/control.md).
 */
#ifndef VHOST_TIER_HOST_REPORT_H
#define VHOST_TIER_HOST_REPORT_H

#include <json-glib/json-glib.h>

#include "host.h"

/* The caller owns the result. */
JsonObject *host_report(Host *host);

#endif /* VHOST_TIER_HOST_REPORT_H */
