// SPDX-License-Identifier: GPL-2.0
/*
 * Tries virtio_tier_hint() when it is loaded, as the parameter 'what' says; loading
 * fails where the answers are not as they should be.
 */
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>

#include <linux/virtio_tier_hint.h>

#define FIRST	(64UL << (20 - PAGE_SHIFT))	/* page number of 64 MiB: RAM */

static char *what = "valid";
module_param(what, charp, 0444);

static int from_irq_result;
static DECLARE_COMPLETION(irq_done);

/* Every type, from this context. */
static int all_types(void)
{
	unsigned int type;
	int err = 0;

	for (type = VIRTIO_TIER_T_HOT; !err && type <= VIRTIO_TIER_T_UNPIN; type++)
		err = virtio_tier_hint(FIRST, 16, type);
	return err;
}

static void from_irq(struct irq_work *work)
{
	from_irq_result = all_types();
	complete(&irq_done);
}

static int valid(void)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(from_irq);
	int err;

	err = all_types();
	if (err)
		return err;
	local_irq_disable();
	err = all_types();
	local_irq_enable();
	if (err)
		return err;
	irq_work_queue(&work);
	wait_for_completion(&irq_done);
	irq_work_sync(&work);
	return from_irq_result;
}

static int invalid(void)
{
	static const struct {
		unsigned long pfn, n;
		unsigned int type;
	} wrong[] = {
		{ FIRST, 0, VIRTIO_TIER_T_HOT },
		{ FIRST, 1, 0 },
		{ FIRST, 1, VIRTIO_TIER_T_QUERY },
		{ FIRST, 1, 1000 },
		{ ULONG_MAX, 1, VIRTIO_TIER_T_HOT },
		{ FIRST, ULONG_MAX, VIRTIO_TIER_T_HOT },
		{ ULONG_MAX >> PAGE_SHIFT, 2, VIRTIO_TIER_T_HOT },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (virtio_tier_hint(wrong[i].pfn, wrong[i].n, wrong[i].type) != -EINVAL)
			return -EDOM;
	}
	return 0;
}

/* Neighbours are joined: so many single pages fit into a queue that has no such room. */
static int neighbours(void)
{
	unsigned long i;
	int err = 0;

	for (i = 0; !err && i < 50000; i++)
		err = virtio_tier_hint(FIRST + i, 1, VIRTIO_TIER_T_COLD);
	return err;
}

/* With a device that does not answer: at last the queue is full, and says so. */
static int full(void)
{
	unsigned long i;
	int err = 0;

	for (i = 0; !err && i < 50000; i++)
		err = virtio_tier_hint(FIRST + 2 * (i % 10000), 1, VIRTIO_TIER_T_HOT);
	return err == -EAGAIN ? 0 : -EDOM;
}

/* Keep memory pinned: whenever pins are gone, it is pinned again. Stays loaded. */
static int on_event(struct notifier_block *nb, unsigned long type, void *notice)
{
	if (type == VIRTIO_TIER_E_PINS_DROPPED)
		virtio_tier_hint(FIRST, 16, VIRTIO_TIER_T_PIN);
	return NOTIFY_OK;
}

static struct notifier_block keeper = { .notifier_call = on_event };
static bool keeps;

static int keep(void)
{
	int err = virtio_tier_hint(FIRST, 16, VIRTIO_TIER_T_PIN);

	if (!err)
		err = virtio_tier_register_notifier(&keeper);
	keeps = !err;
	return err;
}

static int none(void)
{
	return virtio_tier_hint(FIRST, 1, VIRTIO_TIER_T_HOT) == -ENODEV ? 0 : -EDOM;
}

static int __init tier_hint_test_init(void)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} tests[] = {
		{ "valid", valid },	 { "invalid", invalid }, { "neighbours", neighbours },
		{ "full", full },	 { "none", none },	 { "keep", keep },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!strcmp(what, tests[i].name))
			return tests[i].run();
	}
	return -EINVAL;
}

static void __exit tier_hint_test_exit(void)
{
	if (keeps)
		virtio_tier_unregister_notifier(&keeper);
}

module_init(tier_hint_test_init);
module_exit(tier_hint_test_exit);

MODULE_DESCRIPTION("test of virtio_tier_hint()");
MODULE_LICENSE("GPL");
