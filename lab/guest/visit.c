/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A visit to a page: see visit.h. */
#include "visit.h"

#define WORD_BYTES 8u
#define WORD_MASK  (GUEST_PAGE_BYTES / WORD_BYTES - 1)
#define WORD_STEP  157u     /* odd: a burst reaches different words, spread over the page's cache lines */

static uint32_t *const counts = (uint32_t *)GUEST_COUNTS_ADDR;

static uint32_t page_addr(uint32_t page)
{
    return GUEST_BASE_ADDR + page * GUEST_PAGE_BYTES;
}

void visit_populate(uint32_t pages)
{
    for (uint32_t page = 0; page < pages; page++) {
        *(volatile uint32_t *)page_addr(page) = page;
        counts[page] = 0;
    }
}

/* MMX moves eight bytes in one access, which nothing else does in 32-bit code without SSE. */
static void read_word(uint32_t addr)
{
    __asm__ volatile("movq (%0), %%mm0" : : "r"(addr) : "mm0", "memory");
}

static void update_word(uint32_t addr)
{
    __asm__ volatile("movq (%0), %%mm0\n\t"
                     "paddd %%mm0, %%mm0\n\t"
                     "movq %%mm0, (%0)" : : "r"(addr) : "mm0", "memory");
}

void visit_page(uint32_t page, const Options *options, Random *random)
{
    uint32_t draw = random_next(random), word = draw, base = page_addr(page);
    void (*access)(uint32_t addr) =
        (draw >> 9 & 0xffff) * 100 < options->read << 16 ? read_word : update_word;

    for (uint32_t i = 0; i < options->burst; i++) {
        access(base + (word & WORD_MASK) * WORD_BYTES);
        word += WORD_STEP;
    }
    counts[page]++;
}
