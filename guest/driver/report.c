// SPDX-License-Identifier: GPL-2.0
/*
 * Free page reporting: what the kernel has long had free is told as FREE, in
 * blocks of its choice (2 MiB and more). The kernel has one user of this; where
 * that is the balloon, we do without.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>

#include "vtier.h"

#define VTIER_REPORT_TIMEOUT	(HZ / 2)	/* meanwhile the kernel lacks these pages */

static bool free_page_reporting = true;
module_param(free_page_reporting, bool, 0444);
MODULE_PARM_DESC(free_page_reporting, "Tell the host of free memory (Y)");

#if IS_ENABLED(CONFIG_PAGE_REPORTING)

/* An error has the kernel try these pages again later. */
static int vtier_report(struct page_reporting_dev_info *info, struct scatterlist *sgl,
			unsigned int nents)
{
	struct vtier *vt = container_of(info, struct vtier, reporting);
	struct vtier_request *req;
	struct scatterlist *sg;
	unsigned int i;
	int err = 0;

	req = vtier_request_new(vt, VIRTIO_TIER_T_FREE, GFP_NOWAIT | __GFP_NOWARN);
	if (!req)
		return -ENOMEM;
	for_each_sg(sgl, sg, nents, i) {
		vtier_request_add(req, page_to_phys(sg_page(sg)), sg->length);
		if (vtier_request_room(req) && i + 1 < nents)
			continue;
		err = vtier_call(vt, req, VTIER_REPORT_TIMEOUT);
		if (err)
			break;
		vtier_request_reuse(req);
	}
	vtier_request_put(req);
	return err;
}

/* vtier_report_start - become the kernel's one user of free page reporting, if we can. */
void vtier_report_start(struct vtier *vt)
{
	int err;

	if (!free_page_reporting)
		return;
	vt->reporting.report = vtier_report;
#ifdef PAGE_REPORTING_ORDER_UNSPECIFIED
	vt->reporting.order = PAGE_REPORTING_ORDER_UNSPECIFIED;
#endif
	err = page_reporting_register(&vt->reporting);
	vt->reporting_on = !err;
	if (err)
		dev_info(&vt->vdev->dev, "free memory is not told to the host: %s\n",
			 err == -EBUSY ? "another device has free page reporting" :
			 "free page reporting could not be started");
}

/* vtier_report_stop - the device has been drained, so that nobody waits for it long. */
void vtier_report_stop(struct vtier *vt)
{
	if (vt->reporting_on)
		page_reporting_unregister(&vt->reporting);
	vt->reporting_on = false;
}

#else

void vtier_report_start(struct vtier *vt)
{
}

void vtier_report_stop(struct vtier *vt)
{
}

#endif
