/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls to /dev/virtio-tier as a program makes them, whose back end answers honestly.
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tier-hint.h"

#define PAGE 4096u
#define MIB (1u << 20)

static int device;

static char *map(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(memory != MAP_FAILED);
    return memory;
}

static char *map_filled(size_t bytes)
{
    char *memory = map(bytes);

    memset(memory, 1, bytes);
    return memory;
}

static struct virtio_tier_uresult call(unsigned type, const void *addr, size_t bytes)
{
    struct virtio_tier_urange range = {.addr = (uintptr_t)addr, .len = bytes};
    struct virtio_tier_uresult result;

    g_assert_cmpint(tier_hint_ranges(device, type, 0, &range, 1, &result), ==, 0);
    return result;
}

static void assert_told(struct virtio_tier_uresult result, uint64_t bytes)
{
    g_assert_cmpuint(result.status, ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(result.told_bytes, ==, bytes);
    g_assert_cmpuint(result.taken_bytes, ==, bytes);
}

static void every_type_takes_all_of_ones_memory(void)
{
    char *memory = map_filled(8 * MIB);

    for (unsigned type = VIRTIO_TIER_T_HOT; type <= VIRTIO_TIER_T_QUERY; type++) {
        assert_told(call(type, memory, 8 * MIB), 8 * MIB);
    }
    munmap(memory, 8 * MIB);
}

static void pages_without_memory_are_neither_told_nor_made(void)
{
    char *memory = map(4 * MIB);
    unsigned char there[4 * MIB / PAGE];

    memory[MIB] = 1;
    madvise(memory, 4 * MIB, MADV_NOHUGEPAGE);
    memory[2 * MIB] = 1;
    assert_told(call(VIRTIO_TIER_T_WILLNEED, memory + 2 * MIB, 2 * MIB), PAGE);
    g_assert_cmpint(mincore(memory + 2 * MIB, 2 * MIB, there), ==, 0);
    g_assert_false(there[1] & 1);
    munmap(memory, 4 * MIB);
}

static void pages_that_a_range_touches_belong_to_it(void)
{
    char *memory = map_filled(4ul * PAGE);

    assert_told(call(VIRTIO_TIER_T_HOT, memory + PAGE - 1, 2), 2ul * PAGE);
    munmap(memory, 4ul * PAGE);
}

static void free_leaves_out_pages_that_are_only_touched(void)
{
    char *memory = map_filled(4ul * PAGE);

    assert_told(call(VIRTIO_TIER_T_FREE, memory + 1, 3ul * PAGE), 2ul * PAGE);
    assert_told(call(VIRTIO_TIER_T_FREE, memory + 1, PAGE), 0);
    munmap(memory, 4ul * PAGE);
}

static void free_leaves_out_what_one_may_not_write(void)
{
    char *memory = map_filled(2ul * PAGE);

    mprotect(memory, PAGE, PROT_READ);
    assert_told(call(VIRTIO_TIER_T_FREE, memory, 2ul * PAGE), PAGE);
    assert_told(call(VIRTIO_TIER_T_HOT, memory, 2ul * PAGE), 2ul * PAGE);
    munmap(memory, 2ul * PAGE);
}

static void holes_between_mappings_are_passed_over(void)
{
    char *memory = map_filled(64ul * MIB);

    munmap(memory + MIB, 62ul * MIB);
    assert_told(call(VIRTIO_TIER_T_COLD, memory, 64ul * MIB), 2ul * MIB);
    munmap(memory, 64ul * MIB);
}

static void scattered_pages_take_many_requests(void)
{
    const size_t pages = 1500;
    char *memory = map(2 * pages * PAGE);

    madvise(memory, 2 * pages * PAGE, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; i++) {
        memory[2 * i * PAGE] = 1;
    }
    assert_told(call(VIRTIO_TIER_T_HOT, memory, 2 * pages * PAGE), pages * PAGE);
    assert_told(call(VIRTIO_TIER_T_QUERY, memory, 2 * pages * PAGE), pages * PAGE);
    munmap(memory, 2 * pages * PAGE);
}

static void each_of_many_ranges_has_its_result(void)
{
    struct virtio_tier_urange ranges[VIRTIO_TIER_CALL_RANGES];
    struct virtio_tier_uresult results[VIRTIO_TIER_CALL_RANGES];
    char *memory = map_filled((size_t)VIRTIO_TIER_CALL_RANGES * PAGE);

    for (size_t i = 0; i < VIRTIO_TIER_CALL_RANGES; i++) {
        ranges[i].addr = (uintptr_t)memory + i * PAGE;
        ranges[i].len = i % 3 == 2 ? 0 : PAGE;
    }
    g_assert_cmpint(tier_hint_ranges(device, VIRTIO_TIER_T_HOT, 0, ranges, VIRTIO_TIER_CALL_RANGES, results), ==, 0);
    for (size_t i = 0; i < VIRTIO_TIER_CALL_RANGES; i++) {
        g_assert_cmpuint(results[i].status, ==, i % 3 == 2 ? VIRTIO_TIER_S_INVAL : VIRTIO_TIER_S_OK);
        g_assert_cmpuint(results[i].taken_bytes, ==, i % 3 == 2 ? 0 : PAGE);
    }
    munmap(memory, (size_t)VIRTIO_TIER_CALL_RANGES * PAGE);
}

static void a_query_tells_where_memory_is(void)
{
    char *memory = map_filled(2ul * MIB);
    struct virtio_tier_uresult result;

    g_assert_cmpint(tier_hint_query(device, memory, 2ul * MIB, &result), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(result.tier_bytes[0] + result.tier_bytes[1] + result.other_bytes, ==, 2ul * MIB);
    g_assert_cmpuint(result.accesses_per_s, >, 0);
    munmap(memory, 2ul * MIB);
}

static void ranges_that_cannot_be_are_malformed(void)
{
    g_assert_cmpuint(call(VIRTIO_TIER_T_HOT, (void *)UINTPTR_MAX, 2).status, ==, VIRTIO_TIER_S_INVAL);
    g_assert_cmpuint(call(VIRTIO_TIER_T_HOT, (void *)(UINTPTR_MAX << 47), PAGE).status, ==, VIRTIO_TIER_S_INVAL);
    g_assert_cmpuint(call(VIRTIO_TIER_T_HOT, NULL, 0).status, ==, VIRTIO_TIER_S_INVAL);
    assert_told(call(VIRTIO_TIER_T_HOT, NULL, PAGE), 0);
}

/* The call @c fails with this error. */
static void assert_refused(struct virtio_tier_call c, int error)
{
    g_assert_cmpint(ioctl(device, VIRTIO_TIER_IOC_CALL, &c), ==, -1);
    g_assert_cmpint(errno, ==, error);
}

static void calls_that_are_wrong_are_refused(void)
{
    struct virtio_tier_urange range = {.addr = (uintptr_t)&range, .len = 1};
    struct virtio_tier_uresult result;
    const struct virtio_tier_call good = {
        .size = sizeof(good),
        .type = VIRTIO_TIER_T_HOT,
        .count = 1,
        .result_size = sizeof(result),
        .ranges = (uintptr_t)&range,
        .results = (uintptr_t)&result,
    };
    struct virtio_tier_call c;

    c = good, c.size = 4, assert_refused(c, EINVAL);
    c = good, c.size = 1 << 20, assert_refused(c, E2BIG);
    c = good, c.type = 0, assert_refused(c, EINVAL);
    c = good, c.type = 8, assert_refused(c, EINVAL);
    c = good, c.flags = 2, assert_refused(c, EINVAL);
    c = good, c.count = 0, assert_refused(c, EINVAL);
    c = good, c.count = VIRTIO_TIER_CALL_RANGES + 1, assert_refused(c, E2BIG);
    c = good, c.result_size = 8, assert_refused(c, EINVAL);
    c = good, c.result_size = 1 << 20, assert_refused(c, E2BIG);
    c = good, c.ranges = 8, assert_refused(c, EFAULT);
    c = good, c.results = 8, assert_refused(c, EFAULT);
    c = good, c.type = VIRTIO_TIER_T_QUERY, c.results = 0, assert_refused(c, EINVAL);
    range.len = VIRTIO_TIER_CALL_BYTES + 1, assert_refused(good, E2BIG);
    g_assert_cmpint(ioctl(device, _IO(0xBC, 2), &c), ==, -1);
    g_assert_cmpint(errno, ==, ENOTTY);
    c = good, c.results = 0, range.len = 1;
    g_assert_cmpint(ioctl(device, VIRTIO_TIER_IOC_CALL, &c), ==, 0);
}

static void structures_may_grow(void)
{
    struct virtio_tier_urange range = {.addr = (uintptr_t)&range, .len = 1};
    struct {
        struct virtio_tier_uresult known;
        uint64_t later;
    } result = {.later = 1};
    struct {
        struct virtio_tier_call known;
        uint64_t later;
    } larger = {.known = {.size = sizeof(larger),
                          .type = VIRTIO_TIER_T_HOT,
                          .count = 1,
                          .result_size = sizeof(result),
                          .ranges = (uintptr_t)&range,
                          .results = (uintptr_t)&result}};

    g_assert_cmpint(ioctl(device, VIRTIO_TIER_IOC_CALL, &larger), ==, 0);
    g_assert_cmpuint(result.known.taken_bytes, ==, PAGE);
    g_assert_cmpuint(result.later, ==, 0);
    larger.later = 1;
    g_assert_cmpint(ioctl(device, VIRTIO_TIER_IOC_CALL, &larger), ==, -1);
    g_assert_cmpint(errno, ==, E2BIG);
}

static void physical_memory_is_for_the_admin(void)
{
    struct virtio_tier_urange ranges[] = {{.addr = 64ul * MIB, .len = PAGE}, {.addr = 64ul * MIB + 1, .len = PAGE}};
    struct virtio_tier_uresult results[2];
    int status;
    pid_t child;

    g_assert_cmpint(tier_hint_ranges(device, VIRTIO_TIER_T_HOT, VIRTIO_TIER_CALL_PHYSICAL, ranges, 2, results), ==, 0);
    g_assert_cmpuint(results[0].status, ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(results[1].status, ==, VIRTIO_TIER_S_INVAL);
    child = fork();
    if (child == 0) {
        bool refused = setuid(65534) == 0 &&
                       tier_hint_ranges(device, VIRTIO_TIER_T_HOT, VIRTIO_TIER_CALL_PHYSICAL, ranges, 1, results) < 0 &&
                       errno == EPERM && tier_hint(device, VIRTIO_TIER_T_HOT, ranges, 1) == VIRTIO_TIER_S_OK &&
                       tier_hint_open() < 0 && errno == EACCES;

        _exit(refused ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

/* Tells of memory again and again until *stop. */
typedef struct Teller {
    char *memory;
    size_t bytes;
    int *stop;
} Teller;

static void *tell(void *opaque)
{
    const Teller *teller = opaque;

    for (unsigned type = 0; !g_atomic_int_get(teller->stop); type++) {
        call(VIRTIO_TIER_T_HOT + type % 6, teller->memory, teller->bytes);
    }
    return NULL;
}

/* Several threads tell of memory that another one takes away and brings back. */
static void memory_may_go_while_it_is_told(void)
{
    int stop = 0;
    Teller teller = {.memory = map_filled(4ul * MIB), .bytes = 4ul * MIB, .stop = &stop};
    pthread_t threads[4];

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_assert_cmpint(pthread_create(&threads[i], NULL, tell, &teller), ==, 0);
    }
    for (int i = 0; i < 50; i++) {
        madvise(teller.memory, teller.bytes, MADV_DONTNEED);
        memset(teller.memory, 1, MIB);
        g_assert_true(mmap(teller.memory + MIB, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                           -1, 0) != MAP_FAILED);
    }
    g_atomic_int_set(&stop, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    munmap(teller.memory, teller.bytes);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    device = tier_hint_open();
    g_assert_cmpint(device, >=, 0);
#define ADD(name) g_test_add_func("/calls/" #name, name)
    ADD(every_type_takes_all_of_ones_memory);
    ADD(pages_without_memory_are_neither_told_nor_made);
    ADD(pages_that_a_range_touches_belong_to_it);
    ADD(free_leaves_out_pages_that_are_only_touched);
    ADD(free_leaves_out_what_one_may_not_write);
    ADD(holes_between_mappings_are_passed_over);
    ADD(scattered_pages_take_many_requests);
    ADD(each_of_many_ranges_has_its_result);
    ADD(a_query_tells_where_memory_is);
    ADD(ranges_that_cannot_be_are_malformed);
    ADD(calls_that_are_wrong_are_refused);
    ADD(structures_may_grow);
    ADD(physical_memory_is_for_the_admin);
    ADD(memory_may_go_while_it_is_told);
    return g_test_run();
}
