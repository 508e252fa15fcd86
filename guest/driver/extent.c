// SPDX-License-Identifier: GPL-2.0
/*
 * A program's memory as physical extents.
 *
 * Pages are looked up as the fast path of get_user_pages() does, which faults
 * nothing in and takes no lock, and let go again at once: where they are may
 * change right after. A hint about a page that has moved is a wrong hint, and
 * does no other harm.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vtier.h"

#define VTIER_PAGES	((int)(PAGE_SIZE / sizeof(struct page *)))	/* looked up at a time */

struct vtier_walk {
	struct page **pages;
	u64 addr, len;			/* the extent so far; len 0: none */
	unsigned long mapped_end;	/* there are no holes in the mappings up to here */
	vtier_extent_fn fn;
	void *opaque;
};

static int vtier_walk_flush(struct vtier_walk *walk)
{
	u64 len = walk->len;

	walk->len = 0;
	return len ? walk->fn(walk->opaque, walk->addr, len) : 0;
}

static int vtier_walk_page(struct vtier_walk *walk, struct page *page)
{
	u64 addr = page_to_phys(page);
	int err;

	if (walk->len && walk->addr + walk->len == addr) {
		walk->len += PAGE_SIZE;
		return 0;
	}
	err = vtier_walk_flush(walk);
	walk->addr = addr;
	walk->len = PAGE_SIZE;
	return err;
}

/* The page at @addr is not there: where to look next. */
static unsigned long vtier_walk_skip(struct vtier_walk *walk, unsigned long addr)
{
	struct vm_area_struct *vma;
	unsigned long next = ULONG_MAX;

	if (addr < walk->mapped_end)
		return addr + PAGE_SIZE;
	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, addr);
	if (vma) {
		next = max(addr + PAGE_SIZE, vma->vm_start);
		walk->mapped_end = vma->vm_end;
	}
	mmap_read_unlock(current->mm);
	return next;
}

/**
 * vtier_walk - call a function for each physical extent of the caller's memory
 * @start: a multiple of the page size
 * @end: likewise
 * @write: leave out pages that the caller may not write to without a fault
 * @fn: gets address and length in bytes; not 0 ends the walk
 * @opaque: handed to @fn
 *
 * Pages that have no memory, and those of devices, are left out.
 *
 * Return: 0, what @fn returned, -ENOMEM, or -EINTR.
 */
int vtier_walk(unsigned long start, unsigned long end, bool write, vtier_extent_fn fn,
	       void *opaque)
{
	struct vtier_walk walk = { .fn = fn, .opaque = opaque };
	unsigned long addr = start;
	int i, n, err = 0;

	walk.pages = kmalloc_array(VTIER_PAGES, sizeof(*walk.pages), GFP_KERNEL);
	if (!walk.pages)
		return -ENOMEM;
	while (!err && addr < end) {
		n = min_t(unsigned long, (end - addr) >> PAGE_SHIFT, VTIER_PAGES);
		n = get_user_pages_fast_only(addr, n, write ? FOLL_WRITE : 0, walk.pages);
		for (i = 0; i < n; i++) {
			if (!err)
				err = vtier_walk_page(&walk, walk.pages[i]);
			put_page(walk.pages[i]);
		}
		if (n > 0)
			addr += (unsigned long)n << PAGE_SHIFT;
		else
			addr = vtier_walk_skip(&walk, addr);
		cond_resched();
		if (!err && signal_pending(current))
			err = -EINTR;
	}
	if (!err)
		err = vtier_walk_flush(&walk);
	kfree(walk.pages);
	return err;
}
