/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * userfaultfd and PAGEMAP_SCAN.
 */
#include "uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "uffd-abi.h"

#define PAGE_BYTES 4096ul
#define SCAN_REGIONS 256 /* results of one PAGEMAP_SCAN; it is continued where they do not suffice */
#define MEASURE_PAGES 128
#define MEASURE_ROUNDS 5

static const struct {
    const char *name;
    const char *since;
    uint64_t features;
    uint64_t register_mode;
    uint64_t touched; /* the category of PAGEMAP_SCAN that tells it */
    uint64_t scan_flags;
} kinds[] = {
    [UFFD_RWP] =
        {
            .name = "userfaultfd RWP_ASYNC",
            .since = "Linux 7.3 with CONFIG_USERFAULTFD_RWP",
            .features = UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC,
            .register_mode = UFFDIO_REGISTER_MODE_RWP,
            .touched = PAGE_IS_ACCESSED,
        },
    [UFFD_WP] =
        {
            .name = "userfaultfd WP_ASYNC",
            .since = "Linux 6.7",
            .features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED,
            .register_mode = UFFDIO_REGISTER_MODE_WP,
            .touched = PAGE_IS_WRITTEN,
            .scan_flags = PM_SCAN_CHECK_WPASYNC,
        },
};

static int open_own(void)
{
    return syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
}

static int handshake(int uffd, UffdKind kind)
{
    struct uffdio_api api = {.api = UFFD_API, .features = kinds[kind].features};

    return ioctl(uffd, UFFDIO_API, &api) < 0 ? errno : 0;
}

bool uffd_probe(UffdKind kind, GError **errp)
{
    struct pm_scan_arg scan = {.size = sizeof(scan)};
    int uffd = open_own(), pagemap, err;

    if (uffd < 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "no userfaultfd: %s; a kernel with CONFIG_USERFAULTFD is needed", g_strerror(errno));
        return false;
    }
    err = handshake(uffd, kind);
    close(uffd);
    if (err) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "this kernel has no %s (%s); it needs %s",
                    kinds[kind].name, g_strerror(err), kinds[kind].since);
        return false;
    }
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    err = pagemap < 0 || ioctl(pagemap, PAGEMAP_SCAN, &scan) < 0 ? errno : 0;
    if (pagemap >= 0) {
        close(pagemap);
    }
    if (err) {
        g_set_error(
            errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
            "no PAGEMAP_SCAN on /proc/self/pagemap: %s; it needs Linux 6.7 with CONFIG_PROC_PAGE_MONITOR",
            g_strerror(err));
        return false;
    }
    return true;
}

bool uffd_enter(int uffd, UffdKind kind, uint64_t start, uint64_t size, GError **errp)
{
    struct uffdio_register reg = {.range = {.start = start, .len = size}, .mode = kinds[kind].register_mode};
    int err = handshake(uffd, kind);

    /*
     * EINVAL where the kernel has the features (uffd_probe): it was set up before, by a daemon that is gone.
     */
    if (err && err != EINVAL) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(err),
                    "can't set up QEMU's userfaultfd for %s: %s", kinds[kind].name, g_strerror(err));
        return false;
    }
    uffd_leave(uffd, start, size);
    if (ioctl(uffd, UFFDIO_REGISTER, &reg) < 0) {
        err = errno;
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(err),
                    "can't register the region for %s: %s%s", kinds[kind].name, g_strerror(err),
                    err == EBUSY
                        ? "; another userfaultfd has it: postcopy or a background snapshot is going on"
                        : "");
        return false;
    }
    return true;
}

void uffd_leave(int uffd, uint64_t start, uint64_t size)
{
    struct uffdio_range range = {.start = start, .len = size};

    /*
     * It disarms what it unregisters; it fails where nothing is registered or the process is gone, which is
     * as well.
     */
    (void)ioctl(uffd, UFFDIO_UNREGISTER, &range);
}

int uffd_arm(int uffd, UffdKind kind, uint64_t start, uint64_t size, bool armed)
{
    struct uffdio_rwprotect rwp = {
        .range = {.start = start, .len = size},
        .mode = armed ? UFFDIO_RWPROTECT_MODE_RWP : 0,
    };
    struct uffdio_writeprotect wp = {
        .range = {.start = start, .len = size},
        .mode = armed ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
    };
    int rc = kind == UFFD_RWP ? ioctl(uffd, UFFDIO_RWPROTECT, &rwp) : ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);

    return rc < 0 ? errno : 0;
}

static void mark(uint64_t *touched, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        *touched |= 1ull << i;
    }
}

int uffd_look(int pagemap, UffdKind kind, uint64_t start, uint32_t unit, unsigned n, uint64_t *touched)
{
    struct page_region regions[SCAN_REGIONS];
    uint64_t categories = PAGE_IS_PRESENT | kinds[kind].touched;
    uint64_t end = start + (uint64_t)unit * n;
    struct pm_scan_arg scan = {
        .size = sizeof(scan),
        .flags = kinds[kind].scan_flags,
        .start = start,
        .end = end,
        .vec = (uintptr_t)regions,
        .vec_len = SCAN_REGIONS,
        .category_mask = categories,
        .return_mask = categories,
    };

    *touched = 0;
    while (scan.start < end) {
        int found = ioctl(pagemap, PAGEMAP_SCAN, &scan);

        if (found < 0) {
            return errno;
        }
        if (found > SCAN_REGIONS || scan.walk_end > end) {
            return EPROTO; /* whoever sent the descriptor answers for it: it is no pagemap */
        }
        for (int i = 0; i < found; i++) {
            if (regions[i].start < start || regions[i].start >= regions[i].end || regions[i].end > end) {
                return EPROTO;
            }
            mark(touched, (regions[i].start - start) / unit, (regions[i].end - 1 - start) / unit);
        }
        if (scan.walk_end <= scan.start) {
            return EIO; /* no progress: as when the process has no memory any more */
        }
        scan.start = scan.walk_end;
    }
    return 0;
}

/*
 * The quickest of a few rounds of touching MEASURE_PAGES armed pages, per page; 0 when a page could not be
 * armed.
 */
static uint64_t time_touches(int uffd, UffdKind kind, volatile char *memory)
{
    uint64_t best = UINT64_MAX;

    for (int round = 0; round < MEASURE_ROUNDS; round++) {
        uint64_t begin_ns;

        if (uffd_arm(uffd, kind, (uintptr_t)memory, MEASURE_PAGES * PAGE_BYTES, true)) {
            return 0;
        }
        begin_ns = clock_ns();
        for (int i = 0; i < MEASURE_PAGES; i++) {
            memory[i * PAGE_BYTES] = 1;
        }
        best = MIN(best, (clock_ns() - begin_ns) / MEASURE_PAGES);
    }
    return MAX(best, 1);
}

uint64_t uffd_measure_fault_ns(UffdKind kind, GError **errp)
{
    size_t size = MEASURE_PAGES * PAGE_BYTES;
    int memfd = memfd_create("vhost-tier-measure", MFD_CLOEXEC), uffd = open_own();
    void *memory = MAP_FAILED;
    uint64_t fault_ns = 0;

    if (memfd >= 0 && uffd >= 0 && ftruncate(memfd, size) == 0) {
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
    }
    if (memory == MAP_FAILED) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "can't map %zu bytes to measure a fault's cost: %s", size, g_strerror(errno));
    } else if (uffd_enter(uffd, kind, (uintptr_t)memory, size, errp)) {
        fault_ns = time_touches(uffd, kind, memory);
        if (fault_ns == 0) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                        "can't arm pages of our own to measure a fault's cost");
        }
    }
    if (memory != MAP_FAILED) {
        munmap(memory, size);
    }
    if (memfd >= 0) {
        close(memfd);
    }
    if (uffd >= 0) {
        close(uffd);
    }
    return fault_ns;
}
