/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of pages as the kernel's LRU lists and HeMem's queues are: a page is on one list at most, and is
 * taken out of its middle at no cost.
 */
#ifndef VHOST_TIER_SIM_PAGE_LIST_H
#define VHOST_TIER_SIM_PAGE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_LIST_END UINT32_MAX

/* One for each page; lists of the same pages share the array. */
typedef struct PageLink {
    uint32_t newer, older;
} PageLink;

typedef struct PageList {
    uint32_t newest, oldest; /* PAGE_LIST_END: empty */
    uint32_t n;
} PageList;

#define PAGE_LIST_EMPTY ((PageList){PAGE_LIST_END, PAGE_LIST_END, 0})

/* Add @page, which is on no list, as the newest. */
static inline void page_list_add(PageList *list, PageLink *links, uint32_t page)
{
    links[page] = (PageLink){.newer = PAGE_LIST_END, .older = list->newest};
    if (list->newest == PAGE_LIST_END) {
        list->oldest = page;
    } else {
        links[list->newest].newer = page;
    }
    list->newest = page;
    list->n++;
}

/* Take @page, which is on @list, out. */
static inline void page_list_remove(PageList *list, PageLink *links, uint32_t page)
{
    PageLink link = links[page];

    if (link.newer == PAGE_LIST_END) {
        list->newest = link.older;
    } else {
        links[link.newer].older = link.older;
    }
    if (link.older == PAGE_LIST_END) {
        list->oldest = link.newer;
    } else {
        links[link.older].newer = link.newer;
    }
    list->n--;
}

#endif /* VHOST_TIER_SIM_PAGE_LIST_H */
