/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-hint hot|cold|willneed|free|pin|unpin|query: about a process's memory, or about physical memory.
 *
 * The device takes a program's own addresses, or physical ones. Of another process, /proc/PID/pagemap says where its
 * pages are, to who has CAP_SYS_ADMIN; so only such a caller can speak of others. A page that moves between the look
 * and the call makes a wrong hint, no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"

#define PAGE_BYTES 4096u
#define ENTRIES_AT_ONCE 4096u

/* Fields of an entry of pagemap (Documentation/admin-guide/mm/pagemap.rst of Linux). */
#define ENTRY_PFN ((UINT64_C(1) << 55) - 1)
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_PRESENT (UINT64_C(1) << 63)

/* A number of bytes, decimal or with 0x, and K, M or G after it; false with an error. */
static bool parse_bytes(const char *text, const char *what, uint64_t *bytes, GError **errp)
{
    char *end = NULL;
    unsigned shift = 0;

    errno = 0;
    *bytes = g_ascii_strtoull(text, &end, 0);
    switch (*end) {
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        break;
    }
    if (end == text || *text == '-' || errno || (shift ? end[1] : *end) || *bytes > UINT64_MAX >> shift) {
        g_set_error(errp, USAGE_ERROR, 0, "%s '%s': a number is needed, such as 0x7f0000000000 or 64M", what, text);
        return false;
    }
    *bytes <<= shift;
    return true;
}

static void add_page(GArray *ranges, uint64_t addr)
{
    struct virtio_tier_urange page = {.addr = addr, .len = PAGE_BYTES};
    struct virtio_tier_urange *last =
        ranges->len ? &g_array_index(ranges, struct virtio_tier_urange, ranges->len - 1) : NULL;

    if (last && last->addr + last->len == addr) {
        last->len += PAGE_BYTES;
    } else {
        g_array_append_val(ranges, page);
    }
}

/*
 * The physical ranges of the pages of [@start, @end) in @pagemap whose entries have all of @wanted and none of
 * @unwanted. Returns false with an error when the kernel does not tell.
 */
static bool find_pages(int pagemap, uint64_t start, uint64_t end, uint64_t wanted, uint64_t unwanted, GArray *ranges,
                       GError **errp)
{
    g_autofree uint64_t *entries = g_new(uint64_t, ENTRIES_AT_ONCE);

    for (uint64_t at = start; at < end;) {
        size_t n = MIN((end - at) / PAGE_BYTES, ENTRIES_AT_ONCE);
        ssize_t got = pread(pagemap, entries, n * sizeof(*entries), (off_t)(at / PAGE_BYTES * sizeof(*entries)));

        if (got < (ssize_t)sizeof(*entries)) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                        "there is no address 0x%" PRIx64 " in that process, or it has ended", at);
            return false;
        }
        n = (size_t)got / sizeof(*entries);
        for (size_t i = 0; i < n; i++) {
            if ((entries[i] & wanted) != wanted || entries[i] & unwanted) {
                continue;
            }
            if (!(entries[i] & ENTRY_PFN)) {
                g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_PERM,
                            "the kernel does not show where its pages are: CAP_SYS_ADMIN is needed");
                return false;
            }
            add_page(ranges, (entries[i] & ENTRY_PFN) * PAGE_BYTES);
        }
        at += n * PAGE_BYTES;
    }
    return true;
}

/* Where the range of process @pid lies. FREE is said only of pages that are nobody else's, and of whole ones. */
static bool find_range(const char *pid, unsigned type, uint64_t addr, uint64_t bytes, GArray *ranges, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/pagemap", pid);
    bool narrow = type == VIRTIO_TIER_T_FREE;
    uint64_t out = PAGE_BYTES - 1, start = addr, end = addr + bytes;
    int pagemap;
    bool ok;

    if (end < start || end > UINT64_MAX - PAGE_BYTES) {
        g_set_error(errp, USAGE_ERROR, 0, "the range goes beyond the last address");
        return false;
    }
    start = (narrow ? start + out : start) & ~out;
    end = (narrow ? end : end + out) & ~out;
    pagemap = open(path, O_RDONLY | O_CLOEXEC);
    if (pagemap < 0) {
        int code = errno;

        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(code), "can't see the memory of process %s: %s", pid,
                    code == ENOENT ? "there is no such process" : g_strerror(code));
        return false;
    }
    ok = find_pages(pagemap, start, end, ENTRY_PRESENT | (narrow ? ENTRY_EXCLUSIVE : 0), narrow ? ENTRY_FILE : 0,
                    ranges, errp);
    close(pagemap);
    return ok;
}

static void print_query(const struct virtio_tier_uresult *sum)
{
    for (size_t i = 0; i < VIRTIO_TIER_MAX_TIERS; i++) {
        if (sum->tier_bytes[i] || i == 0) {
            printf("tier %zu: %" PRIu64 " KiB\n", i, (uint64_t)sum->tier_bytes[i] >> 10);
        }
    }
    printf("elsewhere: %" PRIu64 " KiB\naccesses a second: %" PRIu64 "\n", (uint64_t)sum->other_bytes >> 10,
           (uint64_t)sum->accesses_per_s);
}

static int tell(const Command *command, char **args, GError **errp)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(struct virtio_tier_urange));
    struct virtio_tier_urange range = {0};
    struct virtio_tier_uresult sum;
    uint64_t addr, bytes, pid;
    bool ok;
    int fd;

    if (!parse_bytes(args[1], "ADDR", &addr, errp) || !parse_bytes(args[2], "LEN", &bytes, errp)) {
        return 2;
    }
    if (g_str_equal(args[0], "phys")) {
        range.addr = addr;
        range.len = bytes;
        g_array_append_val(ranges, range);
    } else if (!parse_bytes(args[0], "PID", &pid, errp)) {
        return 2;
    } else if (!find_range(args[0], command->type, addr, bytes, ranges, errp)) {
        return 1;
    }
    fd = device_open(errp);
    if (fd < 0) {
        return 1;
    }
    ok = device_tell(fd, command->type, VIRTIO_TIER_CALL_PHYSICAL, (const struct virtio_tier_urange *)ranges->data,
                     ranges->len, &sum, errp);
    close(fd);
    if (!ok) {
        return 1;
    }
    if (sum.status != VIRTIO_TIER_S_OK) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%" PRIu64 " KiB of %" PRIu64 " KiB taken; %s",
                    (uint64_t)sum.taken_bytes >> 10, (uint64_t)sum.told_bytes >> 10, tier_hint_status(sum.status));
        return 1;
    }
    if (command->type == VIRTIO_TIER_T_QUERY) {
        print_query(&sum);
    } else {
        printf("%" PRIu64 " KiB told, %" PRIu64 " KiB taken\n", (uint64_t)sum.told_bytes >> 10,
               (uint64_t)sum.taken_bytes >> 10);
    }
    return 0;
}

/* clang-format off */
#define TELL(word, number, text) {{word, "PID|phys ADDR LEN", text}, 3, 3, tell, number}
/* clang-format on */

const Command tell_commands[] = {
    TELL("hot", VIRTIO_TIER_T_HOT, "used often"),
    TELL("cold", VIRTIO_TIER_T_COLD, "not used for some time to come"),
    TELL("willneed", VIRTIO_TIER_T_WILLNEED, "about to be used: bring it into the fast tier soon"),
    TELL("free", VIRTIO_TIER_T_FREE, "contents not needed"),
    TELL("pin", VIRTIO_TIER_T_PIN, "keep it in the fast tier"),
    TELL("unpin", VIRTIO_TIER_T_UNPIN, "no longer"),
    TELL("query", VIRTIO_TIER_T_QUERY, "which tiers hold it, how hot does the host think it is"),
    {{0}},
};
