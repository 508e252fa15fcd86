/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Occupying a NUMA node; see hog.h.
 */
#include "hog.h"

#include <errno.h>
#include <gio/gio.h>
#include <numaif.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_BYTES (256u << 10)
#define PAGE        4096u
#define MAX_NODES   1024u

struct Hog {
    unsigned node;
    GPtrArray *chunks;      /* of CHUNK_BYTES each */
};

/*
 * The last of the numbers in "protection: (0, 904, 904)": what a zone keeps from those who could have been
 * served by a higher one.
 */
static uint64_t protection(const char *text)
{
    const char *last = strrchr(text, ' ');

    return last ? g_ascii_strtoull(last[1] == '(' ? last + 2 : last + 1, NULL, 10) : 0;
}

/* The number behind @key, where the line begins with that; else false, and *@value stays. */
static bool read_number(const char *line, const char *key, uint64_t *value)
{
    while (*line == ' ') {
        line++;
    }
    if (!g_str_has_prefix(line, key) || line[strlen(key)] != ' ') {
        return false;
    }
    *value = g_ascii_strtoull(line + strlen(key), NULL, 10);
    return true;
}

/*
 * Bytes of @node that a process can have without the kernel making room: in each zone, what is free beyond
 * what the zone protects and the watermark up to which kswapd works in tiering mode ("promo" where the kernel
 * tells it, else "high").
 */
static bool available(unsigned node, uint64_t *bytes, GError **errp)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    uint64_t free_pages = 0, watermark = 0;
    uint64_t in_node = MAX_NODES;

    if (!g_file_get_contents("/proc/zoneinfo", &text, NULL, errp)) {
        return false;
    }
    *bytes = 0;
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        if (read_number(*l, "Node", &in_node) || in_node != node) {
            continue;
        }
        read_number(*l, "pages free", &free_pages);
        read_number(*l, "high", &watermark);
        read_number(*l, "promo", &watermark);
        if (strstr(*l, "protection:")) {        /* comes after those */
            uint64_t kept = watermark + protection(*l);

            *bytes += free_pages > kept ? (free_pages - kept) * PAGE : 0;
        }
    }
    return true;
}

/* A chunk of memory, locked on @node. */
static void *chunk_new(unsigned node, GError **errp)
{
    unsigned long nodes[MAX_NODES / (8 * sizeof(unsigned long))] = {0};
    void *chunk = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    nodes[node / (8 * sizeof(*nodes))] = 1ul << node % (8 * sizeof(*nodes));
    if (chunk == MAP_FAILED || mbind(chunk, CHUNK_BYTES, MPOL_BIND, nodes, MAX_NODES, 0) < 0 ||
        mlock(chunk, CHUNK_BYTES) < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "locking memory on node %u: %s (root, or 'ulimit -l unlimited', "
                    "is needed)",
                    node, g_strerror(errno));
        if (chunk != MAP_FAILED) {
            munmap(chunk, CHUNK_BYTES);
        }
        return NULL;
    }
    return chunk;
}

static void chunk_free(gpointer chunk)
{
    munmap(chunk, CHUNK_BYTES);
}

Hog *hog_new(unsigned node)
{
    Hog *hog = g_new0(Hog, 1);

    hog->node = node;
    hog->chunks = g_ptr_array_new_with_free_func(chunk_free);
    return hog;
}

/* How much more is available than @wanted_bytes; negative: less. */
static bool measure(const Hog *hog, uint64_t wanted_bytes, int64_t *surplus, GError **errp)
{
    uint64_t bytes;

    if (!available(hog->node, &bytes, errp)) {
        return false;
    }
    *surplus = (int64_t)bytes - (int64_t)wanted_bytes;
    return true;
}

static bool take(Hog *hog, int64_t bytes, GError **errp)
{
    for (; bytes >= (int64_t)CHUNK_BYTES; bytes -= CHUNK_BYTES) {
        void *chunk = chunk_new(hog->node, errp);

        if (!chunk) {
            return false;
        }
        g_ptr_array_add(hog->chunks, chunk);
    }
    return true;
}

bool hog_hold(Hog *hog, uint64_t held_bytes, uint64_t budget_bytes, GError **errp)
{
    uint64_t wanted = budget_bytes > held_bytes ? budget_bytes - held_bytes : 0;
    int64_t surplus;

    for (;;) {
        if (!measure(hog, wanted, &surplus, errp)) {
            return false;
        }
        if (surplus < (int64_t)CHUNK_BYTES) {
            break;
        }
        /* Half at a time: taking memory takes some besides, for page tables and the allocator's own lists. */
        if (!take(hog, MAX(surplus / 2, (int64_t)CHUNK_BYTES), errp)) {
            return false;
        }
    }
    if (held_bytes > budget_bytes + CHUNK_BYTES) {
        return take(hog, CHUNK_BYTES, errp);
    }
    for (; surplus <= -(int64_t)CHUNK_BYTES && hog->chunks->len > 0; surplus += CHUNK_BYTES) {
        g_ptr_array_set_size(hog->chunks, (int)hog->chunks->len - 1);
    }
    return true;
}

uint64_t hog_bytes(const Hog *hog)
{
    return (uint64_t)hog->chunks->len * CHUNK_BYTES;
}

void hog_free(Hog *hog)
{
    g_ptr_array_unref(hog->chunks);
    g_free(hog);
}
