// SPDX-License-Identifier: GPL-2.0
/*
 * What can be looked at in /sys/bus/virtio/devices/virtioN: config/ (what the
 * device says of itself), stats/ (what became of our hints) and trust.
 */
#include <linux/sysfs.h>

#include "vtier.h"

static struct vtier *to_vtier(struct device *dev)
{
	return dev_to_virtio(dev)->priv;
}

#define VTIER_CONFIG_ATTR(_name, _field)						\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{											\
	struct vtier_config config;							\
											\
	vtier_get_config(to_vtier(dev), &config);					\
	return sysfs_emit(buf, "%llu\n", (unsigned long long)config._field);		\
}											\
static DEVICE_ATTR_RO(_name)

VTIER_CONFIG_ATTR(granule_bytes, granule);
VTIER_CONFIG_ATTR(fast_budget_bytes, fast_budget);
VTIER_CONFIG_ATTR(pin_limit_bytes, pin_limit);
VTIER_CONFIG_ATTR(max_ranges, max_ranges);
VTIER_CONFIG_ATTR(max_ranges_per_s, max_ranges_per_s);
VTIER_CONFIG_ATTR(tiers, n_tiers);

static struct attribute *vtier_config_attrs[] = {
	&dev_attr_granule_bytes.attr,
	&dev_attr_fast_budget_bytes.attr,
	&dev_attr_pin_limit_bytes.attr,
	&dev_attr_max_ranges.attr,
	&dev_attr_max_ranges_per_s.attr,
	&dev_attr_tiers.attr,
	NULL
};

static const struct attribute_group vtier_config_group = {
	.name = "config",
	.attrs = vtier_config_attrs,
};

#define VTIER_STATS_ATTR(_name, _field)							\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{											\
	return sysfs_emit(buf, "%lld\n",						\
			  (long long)atomic64_read(&to_vtier(dev)->stats._field));	\
}											\
static DEVICE_ATTR_RO(_name)

VTIER_STATS_ATTR(requests, requests);
VTIER_STATS_ATTR(ranges_ok, ranges[VIRTIO_TIER_S_OK]);
VTIER_STATS_ATTR(ranges_unsupported, ranges[VIRTIO_TIER_S_UNSUPP]);
VTIER_STATS_ATTR(ranges_invalid, ranges[VIRTIO_TIER_S_INVAL]);
VTIER_STATS_ATTR(ranges_not_ram, ranges[VIRTIO_TIER_S_NOT_RAM]);
VTIER_STATS_ATTR(ranges_over_rate, ranges[VIRTIO_TIER_S_RATE]);
VTIER_STATS_ATTR(ranges_over_limit, ranges[VIRTIO_TIER_S_LIMIT]);
VTIER_STATS_ATTR(ranges_untrusted, ranges[VIRTIO_TIER_S_UNTRUSTED]);
VTIER_STATS_ATTR(ranges_off, ranges[VIRTIO_TIER_S_OFF]);
VTIER_STATS_ATTR(ranges_failed, ranges[VIRTIO_TIER_S_IOERR]);
VTIER_STATS_ATTR(timeouts, timeouts);
VTIER_STATS_ATTR(device_errors, device_errors);
VTIER_STATS_ATTR(resets, resets);
VTIER_STATS_ATTR(events, events);
VTIER_STATS_ATTR(queue_full, queue_full);

static struct attribute *vtier_stats_attrs[] = {
	&dev_attr_requests.attr,
	&dev_attr_ranges_ok.attr,
	&dev_attr_ranges_unsupported.attr,
	&dev_attr_ranges_invalid.attr,
	&dev_attr_ranges_not_ram.attr,
	&dev_attr_ranges_over_rate.attr,
	&dev_attr_ranges_over_limit.attr,
	&dev_attr_ranges_untrusted.attr,
	&dev_attr_ranges_off.attr,
	&dev_attr_ranges_failed.attr,
	&dev_attr_timeouts.attr,
	&dev_attr_device_errors.attr,
	&dev_attr_resets.attr,
	&dev_attr_events.attr,
	&dev_attr_queue_full.attr,
	NULL
};

static const struct attribute_group vtier_stats_group = {
	.name = "stats",
	.attrs = vtier_stats_attrs,
};

/* By the last hint's status: the device tells no more of what it thinks of us. */
static ssize_t trust_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const char *trust = "unknown";

	switch (atomic64_read(&to_vtier(dev)->stats.last_status)) {
	case VIRTIO_TIER_S_OK:
	case VIRTIO_TIER_S_LIMIT:
		trust = "trusted";
		break;
	case VIRTIO_TIER_S_UNTRUSTED:
		trust = "untrusted";
		break;
	case VIRTIO_TIER_S_OFF:
		trust = "off";
		break;
	}
	return sysfs_emit(buf, "%s\n", trust);
}
static DEVICE_ATTR_RO(trust);

static ssize_t free_page_reporting_show(struct device *dev, struct device_attribute *attr,
					char *buf)
{
	return sysfs_emit(buf, "%d\n", to_vtier(dev)->reporting_on);
}
static DEVICE_ATTR_RO(free_page_reporting);

static struct attribute *vtier_attrs[] = {
	&dev_attr_trust.attr,
	&dev_attr_free_page_reporting.attr,
	NULL
};

static const struct attribute_group vtier_group = {
	.attrs = vtier_attrs,
};

const struct attribute_group *vtier_groups[] = {
	&vtier_group,
	&vtier_config_group,
	&vtier_stats_group,
	NULL
};
