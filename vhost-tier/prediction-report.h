/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM is expected to do at other sizes of its fast memory, as the control socket tells it.
 */
#ifndef VHOST_TIER_PREDICTION_REPORT_H
#define VHOST_TIER_PREDICTION_REPORT_H

#include <json-glib/json-glib.h>

#include "vm/snapshot.h"

/* What 'query-prediction' returns (docs/control.md), as of @now_ns (monotonic). The caller owns it. */
JsonObject *prediction_report(const Snapshot *snapshot, uint64_t now_ns);

#endif /* VHOST_TIER_PREDICTION_REPORT_H */
