/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-hint hot|cold|willneed|free|pin|unpin|query: about a process's memory, or about physical memory.
 *
 * The device takes a program's own addresses, or physical ones. So of other processes only who can see where their
 * pages are can speak (pages.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "pages.h"

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

/* Where the range of process @pid lies. FREE is said only of pages that are nobody else's, and of whole ones. */
static bool find_range(int pid, unsigned type, uint64_t addr, uint64_t bytes, GArray *ranges, GError **errp)
{
    bool narrow = type == VIRTIO_TIER_T_FREE;
    uint64_t out = PAGE_BYTES - 1, start = addr, end = addr + bytes;

    if (end < start || end > UINT64_MAX - PAGE_BYTES) {
        g_set_error(errp, USAGE_ERROR, 0, "the range goes beyond the last address");
        return false;
    }
    start = (narrow ? start + out : start) & ~out;
    end = (narrow ? end : end + out) & ~out;
    return pages_find(pid, start, end, narrow, ranges, errp);
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
    } else if (!find_range((int)MIN(pid, INT_MAX), command->type, addr, bytes, ranges, errp)) {
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
