/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What userfaultfd and PAGEMAP_SCAN have that the C library's kernel headers may be too old to know. From
 * Linux 7.3's include/uapi/linux/userfaultfd.h and fs.h; each is defined only where the headers lack it.
 */
#ifndef VHOST_TIER_SOURCES_UFFD_ABI_H
#define VHOST_TIER_SOURCES_UFFD_ABI_H

#include <linux/fs.h>
#include <linux/types.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#ifndef UFFD_USER_MODE_ONLY /* Linux 5.11 */
#define UFFD_USER_MODE_ONLY 1
#endif

#ifndef UFFD_FEATURE_WP_UNPOPULATED /* Linux 6.4 */
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif

#ifndef UFFD_FEATURE_WP_ASYNC /* Linux 6.7 */
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

#ifndef UFFD_FEATURE_RWP_ASYNC /* Linux 7.3: read and write protection */
#define UFFD_FEATURE_RWP (1 << 17)
#define UFFD_FEATURE_RWP_ASYNC (1 << 18)
#define UFFDIO_REGISTER_MODE_RWP ((__u64)1 << 3)
#define UFFDIO_RWPROTECT_MODE_RWP ((__u64)1 << 0)

struct uffdio_rwprotect {
    struct uffdio_range range;
    __u64 mode;
};

#define UFFDIO_RWPROTECT _IOWR(UFFDIO, 0x09, struct uffdio_rwprotect)
#endif

#ifndef PAGEMAP_SCAN /* Linux 6.7 */
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_HUGE (1 << 6)

struct page_region {
    __u64 start;
    __u64 end;
    __u64 categories;
};

#define PM_SCAN_CHECK_WPASYNC (1 << 1)

struct pm_scan_arg {
    __u64 size;
    __u64 flags;
    __u64 start;
    __u64 end;
    __u64 walk_end;
    __u64 vec;
    __u64 vec_len;
    __u64 max_pages;
    __u64 category_inverted;
    __u64 category_mask;
    __u64 category_anyof_mask;
    __u64 return_mask;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#endif

#ifndef PAGE_IS_ACCESSED /* Linux 7.3 */
#define PAGE_IS_ACCESSED (1 << 9)
#endif

#endif /* VHOST_TIER_SOURCES_UFFD_ABI_H */
