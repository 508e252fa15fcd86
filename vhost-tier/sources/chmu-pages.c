/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of pages for each range of physical memory.
 */
#include "chmu-pages.h"

#include <errno.h>
#include <sys/mman.h>

#define NUMBER_BITS 34
#define STAY_BITS 8

typedef struct Range {
    uint64_t start, bytes;
    uint64_t *entries;              /* one a page: owner, stay, number; 0: not set */
} Range;

struct ChmuPages {
    GArray *ranges;                 /* of Range */
};

static size_t table_bytes(uint64_t bytes)
{
    return (size_t)(bytes / CHMU_PAGE * sizeof(uint64_t));
}

ChmuPages *chmu_pages_new(void)
{
    ChmuPages *pages = g_new0(ChmuPages, 1);

    pages->ranges = g_array_new(FALSE, FALSE, sizeof(Range));
    return pages;
}

void chmu_pages_free(ChmuPages *pages)
{
    if (!pages) {
        return;
    }
    for (guint i = 0; i < pages->ranges->len; i++) {
        const Range *range = &g_array_index(pages->ranges, Range, i);

        munmap(range->entries, table_bytes(range->bytes));
    }
    g_array_unref(pages->ranges);
    g_free(pages);
}

bool chmu_pages_cover(ChmuPages *pages, uint64_t start, uint64_t bytes, GError **errp)
{
    Range range = {.start = start, .bytes = bytes};

    for (guint i = 0; i < pages->ranges->len;) {
        const Range *other = &g_array_index(pages->ranges, Range, i);

        if (other->start == start && other->bytes == bytes) {
            return true;
        }
        if (other->start < start + bytes && other->start + other->bytes > start) {
            munmap(other->entries, table_bytes(other->bytes));
            g_array_remove_index(pages->ranges, i);
        } else {
            i++;
        }
    }
    range.entries = mmap(NULL, table_bytes(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                         -1, 0);
    if (range.entries == MAP_FAILED) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "can't make room for a table of the pages of %" G_GINT64_MODIFIER "u MiB of CXL memory: %s",
                    bytes >> 20, g_strerror(errno));
        return false;
    }
    g_array_append_val(pages->ranges, range);
    return true;
}

static uint64_t *entry_of(const ChmuPages *pages, uint64_t physical)
{
    for (guint i = 0; i < pages->ranges->len; i++) {
        const Range *range = &g_array_index(pages->ranges, Range, i);

        if (physical >= range->start && physical - range->start < range->bytes) {
            return &range->entries[(physical - range->start) / CHMU_PAGE];
        }
    }
    return NULL;
}

bool chmu_pages_set(ChmuPages *pages, uint64_t physical, const ChmuPage *page)
{
    uint64_t *entry = entry_of(pages, physical);

    if (!entry || page->owner > CHMU_OWNER_MAX || page->number > CHMU_NUMBER_MAX) {
        return false;
    }
    *entry = ((uint64_t)page->owner << STAY_BITS | page->stay) << NUMBER_BITS | page->number;
    return true;
}

bool chmu_pages_get(const ChmuPages *pages, uint64_t physical, ChmuPage *page)
{
    const uint64_t *entry = entry_of(pages, physical);

    if (!entry || *entry == 0) {
        return false;
    }
    *page = (ChmuPage){
        .owner = (uint32_t)(*entry >> (STAY_BITS + NUMBER_BITS)),
        .stay = (uint8_t)(*entry >> NUMBER_BITS),
        .number = *entry & CHMU_NUMBER_MAX,
    };
    return true;
}
