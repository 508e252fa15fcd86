/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The observer's parts: the true hit ratio from drawn samples; reading and placing this very process's
 * memory; processes that end; QEMU's control channel against a peer of the test's.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/fields.h"
#include "guest.h"
#include "hog.h"
#include "placement.h"
#include "process.h"
#include "qmp.h"
#include "setting.h"
#include "truth.h"

#define PAGES     4                                         /* of the working area in the drawn samples */
#define FIRST     (GUEST_BASE_ADDR / GUEST_PAGE_BYTES)
#define RAM_PAGES (FIRST + PAGES)

/* All RAM below the working area is absent, which lies on these nodes. */
static int8_t *draw(int8_t a, int8_t b, int8_t c, int8_t d)
{
    int8_t *nodes = g_malloc(RAM_PAGES);

    memset(nodes, PLACEMENT_ABSENT, RAM_PAGES);
    nodes[FIRST] = a;
    nodes[FIRST + 1] = b;
    nodes[FIRST + 2] = c;
    nodes[FIRST + 3] = d;
    return nodes;
}

static Truth *begin(const int8_t *nodes)
{
    const uint32_t counts[PAGES] = {0};

    return truth_new(RAM_PAGES, PAGES, 16, counts, nodes);
}

static void counts_a_visit_as_a_hit_where_its_page_is_fast(void)
{
    g_autofree int8_t *nodes = draw(0, 1, 1, 0);
    g_autoptr(Truth) truth = begin(nodes);
    const uint32_t counts[PAGES] = {60, 30, 10, 0};
    const TruthInterval *i = truth_add(truth, 2, counts, nodes);

    g_assert_cmpfloat(truth_hit_ratio(i), ==, 0.6);
    g_assert_cmpfloat(truth_accesses_per_s(truth, i), ==, 100 * 16 / 2.0);
    g_assert_cmpuint(i->node_bytes[0], ==, 2 * GUEST_PAGE_BYTES);
    g_assert_cmpuint(i->node_bytes[1], ==, 2 * GUEST_PAGE_BYTES);
    g_assert_cmpuint(i->moved_bytes, ==, 0);
}

static void counts_a_page_that_moved_in_between_half(void)
{
    g_autofree int8_t *before = draw(1, 1, 1, 1), *after = draw(0, 1, 1, 1);
    g_autoptr(Truth) truth = begin(before);
    const uint32_t counts[PAGES] = {50, 50, 0, 0};
    const TruthInterval *i = truth_add(truth, 1, counts, after);

    g_assert_cmpfloat(truth_hit_ratio(i), ==, 0.25);
    g_assert_cmpuint(i->moved_bytes, ==, GUEST_PAGE_BYTES);
}

static void counts_on_where_a_page_s_count_wraps(void)
{
    g_autofree int8_t *nodes = draw(0, 1, 1, 1);
    const uint32_t before[PAGES] = {UINT32_MAX - 4, 0}, after[PAGES] = {5, 10};
    g_autoptr(Truth) truth = truth_new(RAM_PAGES, PAGES, 1, before, nodes);

    g_assert_cmpfloat(truth_hit_ratio(truth_add(truth, 1, after, nodes)), ==, 0.5);
}

static void knows_no_hit_ratio_without_visits(void)
{
    g_autofree int8_t *nodes = draw(0, 0, 0, 0);
    g_autoptr(Truth) truth = begin(nodes);
    const uint32_t counts[PAGES] = {0};

    g_assert_true(isnan(truth_hit_ratio(truth_add(truth, 1, counts, nodes))));
    g_assert_true(isnan(truth_oracle(truth, GUEST_PAGE_BYTES)));
}

/*
 *  t=0   t=1   t=9    t=30   t=50
 *   1  ->  0  -> 1   -> 0  ->  1
 *        up    undone   up     not undone: 20 s later
 */
static void calls_a_move_undone_when_it_is_reverted_within_10_s(void)
{
    g_autofree int8_t *slow = draw(1, 1, 1, 1), *fast = draw(0, 1, 1, 1);
    g_autoptr(Truth) truth = begin(slow);
    const uint32_t counts[PAGES] = {0};

    g_assert_cmpuint(truth_add(truth, 1, counts, fast)->undone_bytes, ==, 0);
    g_assert_cmpuint(truth_add(truth, 9, counts, slow)->undone_bytes, ==, GUEST_PAGE_BYTES);
    g_assert_cmpuint(truth_add(truth, 30, counts, fast)->undone_bytes, ==, 0);
    g_assert_cmpuint(truth_add(truth, 50, counts, slow)->undone_bytes, ==, 0);
    g_assert_cmpuint(truth_sum(truth, 0, truth_length(truth)).moved_bytes, ==, 4 * GUEST_PAGE_BYTES);
}

static void does_not_call_a_page_that_appears_moved(void)
{
    g_autofree int8_t *before = draw(PLACEMENT_ABSENT, 1, 1, 1), *after = draw(0, PLACEMENT_ABSENT, 1, 1);
    g_autoptr(Truth) truth = begin(before);
    const uint32_t counts[PAGES] = {0};

    g_assert_cmpuint(truth_add(truth, 1, counts, after)->moved_bytes, ==, 0);
}

static void lets_the_oracle_choose_the_most_visited_since_the_mark(void)
{
    g_autofree int8_t *nodes = draw(1, 1, 1, 1);
    g_autoptr(Truth) truth = begin(nodes);
    const uint32_t first[PAGES] = {1000, 0, 0, 0}, second[PAGES] = {1010, 20, 60, 10};

    truth_add(truth, 1, first, nodes);
    truth_mark(truth);
    truth_add(truth, 2, second, nodes);
    g_assert_cmpfloat(truth_oracle(truth, GUEST_PAGE_BYTES), ==, 0.6);
    g_assert_cmpfloat(truth_oracle(truth, 2 * GUEST_PAGE_BYTES + 1), ==, 0.8);
    g_assert_cmpfloat(truth_oracle(truth, 100 * GUEST_PAGE_BYTES), ==, 1);
}

static void averages_estimates_over_those_that_there_are(void)
{
    g_autofree int8_t *nodes = draw(1, 1, 1, 1);
    g_autoptr(Truth) truth = begin(nodes);
    const uint32_t counts[PAGES] = {0};

    truth_add(truth, 1, counts, nodes);
    g_assert_true(isnan(truth_sum(truth, 0, 1).estimated));
    truth_add(truth, 2, counts, nodes)->estimated = 0.5;
    truth_add(truth, 3, counts, nodes)->estimated = 0.7;
    g_assert_cmpfloat_with_epsilon(truth_sum(truth, 0, 3).estimated, 0.6, 1e-9);
}

/* This process as a guest with 2 pages of RAM, of which the second was never touched. */
static void reads_and_locates_memory_of_a_process(void)
{
    Process self = {.name = (char *)"self", .pid = getpid()};
    char *ram = mmap(NULL, 2 * GUEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Guest guest = {.process = &self, .ram_bytes = 2 * GUEST_PAGE_BYTES, .hva = (uintptr_t)ram};
    g_autoptr(GError) error = NULL;
    char text[6];
    int8_t nodes[2];

    memcpy(ram + 100, "hello", 6);
    g_assert_true(placement_query(self.pid, guest.hva, 2, nodes, &error));
    g_assert_no_error(error);
    g_assert_cmpint(nodes[0], >=, 0);
    g_assert_cmpint(nodes[1], ==, PLACEMENT_ABSENT);
    if (!guest_read(&guest, 100, text, sizeof(text), &error) && strstr(error->message, "not permitted")) {
        g_test_skip("process_vm_readv is forbidden here");
    } else {
        g_assert_no_error(error);
        g_assert_cmpstr(text, ==, "hello");
        g_assert_true(guest_write(&guest, 100, "world", 6, &error));
        g_assert_cmpstr(ram + 100, ==, "world");
    }
    munmap(ram, 2 * GUEST_PAGE_BYTES);
}

static void refuses_addresses_outside_of_the_guests_ram(void)
{
    Process self = {.name = (char *)"self", .pid = getpid()};
    Guest guest = {.process = &self, .ram_bytes = GUEST_PAGE_BYTES, .hva = GUEST_PAGE_BYTES};
    static const struct {
        uint64_t gpa;
        size_t bytes;
    } cases[] = {{GUEST_PAGE_BYTES - 3, 4}, {UINT64_MAX, 4}, {0, SIZE_MAX}, {GUEST_PAGE_BYTES + 1, 0}};
    char byte[4];

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(guest_read(&guest, cases[i].gpa, byte, cases[i].bytes, &error));
        g_assert_nonnull(strstr(error->message, "not in the guest's RAM"));
    }
}

static void tells_how_a_process_ended_and_its_last_words(void)
{
    g_autofree char *folder = g_dir_make_tmp("observer-XXXXXX", NULL),
                    *log = g_build_filename(folder, "log", NULL);
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"echo out of luck >&2; exit 7", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(Process) process = process_start("thing", argv, -1, -1, log, &error);

    g_assert_no_error(error);
    while (process_check(process, &error)) {
        g_usleep(1000);
    }
    g_assert_nonnull(strstr(error->message, "thing ended with exit code 7"));
    g_assert_nonnull(strstr(error->message, "out of luck"));
    g_assert_cmpint(process_stop(process, SIGTERM), ==, 0);
    g_unlink(log);
    g_rmdir(folder);
}

static void stops_a_process_by_the_signal_asked_for(void)
{
    char *argv[] = {(char *)"sleep", (char *)"1000", NULL};
    g_autoptr(Process) process = process_start("sleeper", argv, 0, -1, "/dev/null", NULL);

    g_assert_true(process_check(process, NULL));
    g_assert_cmpint(process_stop(process, SIGINT), ==, 128 + SIGINT);
    g_assert_false(process_check(process, NULL));
}

static void tells_the_cpu_time_that_a_process_used(void)
{
    gint64 until = g_get_monotonic_time() + G_USEC_PER_SEC / 20;

    while (g_get_monotonic_time() < until) {
    }
    g_assert_cmpuint(process_cpu_ns(getpid()), >=, 10000000);
    g_assert_cmpuint(process_cpu_ns(getpid()), <, 60000000000);
    g_assert_cmpuint(process_cpu_ns(G_MAXINT), ==, 0);
}

static void tells_of_a_program_that_there_is_not(void)
{
    char *argv[] = {(char *)"/nonexistent/program", NULL};
    g_autoptr(GError) error = NULL;

    g_assert_null(process_start("thing", argv, -1, -1, "/dev/null", &error));
    g_assert_nonnull(strstr(error->message, "cannot start thing"));
}

/* QEMU's end of the channel: greets, and answers the n-th line with the n-th of these. */
static gpointer qemu_end(gpointer opaque)
{
    static const char *const says[] = {
        "{\"QMP\": {}}\r\n",
        "{\"return\": {}}\r\n",
        "{\"event\": \"STOP\"}\r\n{\"event\": \"RESUME\"}\r\n{\"return\": {\"status\": \"running\"}}\r\n",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}}\r\n",
    };
    int fd = GPOINTER_TO_INT(opaque);
    char c;

    for (size_t i = 0; i < G_N_ELEMENTS(says); i++) {
        g_assert_cmpint(write(fd, says[i], strlen(says[i])), >, 0);
        while (read(fd, &c, 1) == 1 && c != '\n') {
        }
    }
    close(fd);
    return NULL;
}

static void keeps_events_that_come_before_an_answer(void)
{
    g_autoptr(GError) error = NULL, refused = NULL, gone = NULL;
    g_autoptr(JsonNode) status = NULL, event = NULL;
    g_autoptr(Qmp) qmp = NULL;
    GThread *thread;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    thread = g_thread_new("qemu", qemu_end, GINT_TO_POINTER(fds[1]));
    qmp = qmp_new(fds[0], &error);
    g_assert_no_error(error);
    status = qmp_call(qmp, "query-status", NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(field_string(node_object(status), "status"), ==, "running");
    event = qmp_event(qmp, "RESUME", 1000, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(field_string(node_object(event), "event"), ==, "RESUME");
    g_assert_null(qmp_call(qmp, "frobnicate", "{\"x\": 1}", &refused));
    g_assert_nonnull(strstr(refused->message, "no such thing"));
    g_assert_null(qmp_call(qmp, "query-status", NULL, &gone));
    g_thread_join(thread);
}

static void takes_no_memory_where_the_budget_is_larger_than_what_is_free(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Hog) hog = hog_new(0);

    if (!g_file_test("/proc/zoneinfo", G_FILE_TEST_EXISTS)) {
        g_test_skip("this kernel has no /proc/zoneinfo");
        return;
    }
    g_assert_true(hog_hold(hog, 0, 1ull << 60, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(hog_bytes(hog), ==, 0);
}

static void puts_a_setting_back(void)
{
    g_autofree char *folder = g_dir_make_tmp("observer-XXXXXX", NULL),
                    *path = g_build_filename(folder, "knob", NULL);
    g_autofree char *during = NULL, *after = NULL;
    g_autoptr(GError) error = NULL;
    Setting *setting;

    g_assert_true(g_file_set_contents(path, "1\n", -1, NULL));
    setting = setting_new(path, "2", &error);
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(path, &during, NULL, NULL));
    setting_free(setting);
    g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
    g_assert_true(g_str_has_prefix(during, "2"));
    g_assert_true(g_str_has_prefix(after, "1"));
    g_assert_null(setting_new("/nonexistent/knob", "1", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/knob"));
    g_unlink(path);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/observer/" #test, test)
    ADD(counts_a_visit_as_a_hit_where_its_page_is_fast);
    ADD(counts_a_page_that_moved_in_between_half);
    ADD(counts_on_where_a_page_s_count_wraps);
    ADD(knows_no_hit_ratio_without_visits);
    ADD(calls_a_move_undone_when_it_is_reverted_within_10_s);
    ADD(does_not_call_a_page_that_appears_moved);
    ADD(lets_the_oracle_choose_the_most_visited_since_the_mark);
    ADD(averages_estimates_over_those_that_there_are);
    ADD(reads_and_locates_memory_of_a_process);
    ADD(refuses_addresses_outside_of_the_guests_ram);
    ADD(tells_how_a_process_ended_and_its_last_words);
    ADD(stops_a_process_by_the_signal_asked_for);
    ADD(tells_the_cpu_time_that_a_process_used);
    ADD(tells_of_a_program_that_there_is_not);
    ADD(keeps_events_that_come_before_an_answer);
    ADD(takes_no_memory_where_the_budget_is_larger_than_what_is_free);
    ADD(puts_a_setting_back);
    return g_test_run();
}
