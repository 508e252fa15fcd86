/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl as its users meet it: the built program against a fake daemon; what it asks, prints and exits with.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>

#include "core/trace.h"
#include "fake-control.h"

#define VM(name, extra) \
    "{\"name\": \"" name "\", \"socket\": \"/run/s\", \"connected\": true, \"pid\": 42, \"state\": [" extra "], " \
    "\"mode\": \"on\", \"fast_size\": 1073741824, \"fast_min\": 0, \"weight\": 100, \"budget\": 536870912, " \
    "\"slowdown\": {\"target\": 0.04, \"target_size\": 268435456, \"now\": 0.031, \"predicted\": 0.035, " \
    "\"error\": 0.002, \"accesses_per_s\": 2e6, \"counted\": true, \"busy\": 0.95}, " \
    "\"tiers\": [{\"nodes\": \"0\", \"resident_bytes\": 268435456}, {\"nodes\": \"1\", \"resident_bytes\": 805306368}], " \
    "\"absent_bytes\": 0, \"hit_ratio\": 0.912, \"ideal_hit_ratio\": null, \"moves\": {\"asked\": 10, \"applied\": 7, " \
    "\"failed\": {\"node full\": 3, \"busy\": 0}, \"promoted_bytes\": 28672, \"demoted_bytes\": 0, \"undone_share\": 0.01, " \
    "\"pages_per_s\": 3.5}, \"sources\": [{\"name\": \"rwp\", \"active\": true, \"reports\": 1, \"overhead_share\": 0.004}, " \
    "{\"name\": \"damon\", \"active\": false, \"problem\": \"no kernel support\"}], " \
    "\"hint_socket\": \"/run/s.hint\", \"hints\": {\"on\": true, \"problem\": null, \"devices\": 1, " \
    "\"pin_limit\": 1048576, \"pinned_bytes\": 65536, \"pinned_dropped_bytes\": 4096, \"followed_bytes\": 8192, " \
    "\"checked\": 40, \"right\": 31, \"trust\": 0.62, \"dropped_rate\": 7, \"refused\": 2, \"ranges\": " \
    "{\"hot\": {\"taken\": 12, \"off\": 1, \"untrusted\": 3, \"over_limit\": 0, \"not_there\": 5, \"bytes\": 8192}}}, " \
    "\"interference\": [{\"what\": \"its cpuset is small\", \"remedy\": \"widen it\"}], " \
    "\"regions\": [{\"id\": 1, \"name\": \"ram\", \"size\": 4096, \"granule\": 4096, \"hva\": 4096}]}"

static const FakeReply replies[] = {
    {"query-vms", .answer = "[" VM("web1", "") ", " VM("db\\u001b[31m2", "\"throttled\", \"thrashing\"") "]"},
    {"query-vm", .answer = VM("web1", "\"blind\"")},
    {"query-host",
     .answer = "{\"version\": \"0.1.0\", \"uptime_s\": 12, \"cpu_share\": 0.013, \"tiers_origin\": \"HMAT\", "
               "\"tiers\": [{\"nodes\": \"0\", \"latency_ns\": 100, \"idle_latency_ns\": 91, "
               "\"loaded_latency_ns\": 387, \"bandwidth_mbps\": 100000, "
               "\"total_bytes\": 1073741824, \"free_bytes\": 536870912}], \"sources\": [], \"costs\": "
               "{\"move_4k_ns\": 5000, \"move_2m_ns\": 250000, \"measured\": true, \"watched\": false, "
               "\"not_watched\": \"node 1 is gone\"}, \"interference\": "
               "[{\"what\": \"numa_balancing is on\", \"remedy\": \"turn it off\"}]}"},
    {"vm-set", .answer = VM("web1", "")},
    {"vm-add", .answer = "{\"socket\": \"/run/vhost-tier/web1.sock\"}"},
    {"vm-del",
     .answer = "{\"class\": \"NotFound\", \"desc\": \"no VM 'x'; 'tierctl list' shows those there are\"}",
     .refuse = TRUE},
    {"trace-start", .answer = "{}"},
    {"trace-stop", .answer = "{\"file\": \"/t/a.trace\", \"bytes\": 2048, \"records\": 31}"},
    {0},
};

static char *program;

typedef struct Run {
    int status;                 /* exit code */
    char *out, *err, *asked;    /* what the fake daemon was asked */
} Run;

static void run_clear(Run *run)
{
    g_free(run->out);
    g_free(run->err);
    g_free(run->asked);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* Run tierctl with @line, words parted by spaces, against the fake daemon. */
static Run tierctl(const char *line)
{
    g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
    g_autofree char *command = g_strdup_printf("%s --socket %s %s", program, fake_control_socket(fake), line);
    g_auto(GStrv) argv = g_strsplit(command, " ", -1);
    g_autoptr(GError) error = NULL;
    Run run;

    g_assert_true(
        g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &run.out, &run.err, &run.status, &error));
    g_assert_no_error(error);
    g_assert_true(WIFEXITED(run.status));
    run.status = WEXITSTATUS(run.status);
    run.asked = fake_control_requests(fake);
    return run;
}

static void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        g_error("'%s' is not in: %s", part, text);
    }
}

static void lists_vms_in_aligned_columns(void)
{
    g_auto(Run) run = tierctl("list");
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpuint(g_strv_length(lines), ==, 4);
    assert_holds(lines[1], "web1");
    assert_holds(lines[1], "256 MiB");
    assert_holds(lines[1], "91.2 %");
    assert_holds(lines[1], "ok");
    assert_holds(lines[2], "throttled, thrashing");
    g_assert_cmpint(strstr(lines[0], "STATE") - lines[0], ==, strstr(lines[1], "ok") - lines[1]);
    g_assert_cmpint(strstr(lines[0], "STATE") - lines[0], ==, strstr(lines[2], "throttled") - lines[2]);
}

static void lets_no_control_character_through(void)
{
    g_auto(Run) list = tierctl("list");
    g_auto(Run) top = tierctl("top --once");

    g_assert_null(strchr(list.out, '\033'));
    g_assert_null(strchr(top.out, '\033'));
    assert_holds(list.out, "db?[31m2");
}

static void shows_why_pages_were_not_moved_and_sources_do_not_work(void)
{
    g_auto(Run) run = tierctl("show web1");

    g_assert_cmpint(run.status, ==, 0);
    assert_holds(run.out, "web1: blind");
    assert_holds(run.out, "3 not moved: node full");
    assert_holds(run.out, "no kernel support");
    g_assert_null(strstr(run.out, "not moved: busy"));
    assert_holds(run.asked, "\"arguments\":{\"name\":\"web1\"}");
}

static void shows_counts_and_ids_as_whole_numbers(void)
{
    g_auto(Run) run = tierctl("show web1");

    g_assert_true(g_regex_match_simple("\n +1  ram ", run.out, 0, 0));
    g_assert_true(g_regex_match_simple("\n +rwp +yes +1 ", run.out, 0, 0));
}

static void shows_what_interferes_with_a_vm(void)
{
    g_auto(Run) run = tierctl("show web1");

    assert_holds(run.out, "warning: its cpuset is small; widen it");
}

static void shows_the_host_and_what_interferes(void)
{
    g_auto(Run) run = tierctl("host");

    g_assert_cmpint(run.status, ==, 0);
    assert_holds(run.out, "5.0 us for 4 KiB, 250.0 us for 2 MiB (measured)");
    assert_holds(run.out, "not watched: node 1 is gone");
    assert_holds(run.out, "91 ns  387 ns  100 ns");
    assert_holds(run.out, "warning: numa_balancing is on; turn it off");
}

static void top_prints_once_without_a_terminal(void)
{
    g_auto(Run) run = tierctl("top --once");

    g_assert_cmpint(run.status, ==, 0);
    assert_holds(run.out, "CPU: 1.3 %");
    assert_holds(run.out, "rwp (0.4 %)");
    assert_holds(run.out, "numa_balancing is on");
}

static void prints_the_daemons_object_as_json(void)
{
    g_auto(Run) before = tierctl("--json show web1");
    g_auto(Run) after = tierctl("show web1 --json");

    g_assert_cmpint(after.status, ==, 0);
    g_assert_cmpstr(before.out, ==, after.out);
    assert_holds(after.out, "{\"name\":\"web1\",\"socket\":\"/run/s\"");
    assert_holds(after.out, "\"fast_size\":1073741824");
    g_assert_cmpint(strchr(after.out, '\n') - after.out, ==, (gssize)strlen(after.out) - 1);
}

static void sets_only_what_is_given(void)
{
    g_auto(Run) some = tierctl("set web1 --fast-size 1.5G");
    g_auto(Run) all = tierctl("set web1 --fast-size 1G --fast-min 4096 --weight 7 --mode observe");

    g_assert_cmpint(some.status, ==, 0);
    g_assert_cmpstr(some.asked, ==,
                    "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"web1\",\"fast-size\":1610612736},\"id\":1}\n");
    g_assert_cmpint(all.status, ==, 0);
    assert_holds(all.asked, "\"fast-min\":4096,\"weight\":7,\"mode\":\"observe\"");
}

static void sets_a_target_as_a_share_of_the_time(void)
{
    g_auto(Run) percent = tierctl("set web1 --slowdown 12.5%");
    g_auto(Run) share = tierctl("set web1 --slowdown 0.25");
    g_auto(Run) none = tierctl("set web1 --slowdown none");

    assert_holds(percent.asked, "\"slowdown\":0.125}");
    assert_holds(share.asked, "\"slowdown\":0.25}");
    assert_holds(none.asked, "\"slowdown\":0.0}");
    assert_holds(percent.out, "slowdown target 4.0 %");
}

static void shows_what_a_vm_loses_to_slow_memory(void)
{
    g_auto(Run) run = tierctl("show web1");

    assert_holds(run.out, "3.1 % now, 3.5 % predicted for the budget (predictions are off by 0.2 % on average)");
    assert_holds(run.out, "4.0 %, which takes 256 MiB of fast memory");
    assert_holds(run.out, "2000000 cache misses/s (counted), 95.0 % of a CPU");
}

static void shows_what_became_of_a_guests_hints(void)
{
    g_auto(Run) run = tierctl("show web1");

    assert_holds(run.out, "/run/s.hint");
    assert_holds(run.out, "62.0 %: how much better they foretell than the host can without them");
    assert_holds(run.out, "31 of 40 proved right; 8.0 KiB followed");
    assert_holds(run.out, "64 KiB of at most 1.0 MiB; 4.0 KiB were unpinned by the host");
    assert_holds(run.out, "7 as too many a second, 2 malformed");
    g_assert_true(g_regex_match_simple("\n +hot +12 +8.0 KiB +1 +3 +0 +5\n", run.out, 0, 0));
}

static void sets_whether_hints_are_taken_and_what_may_be_pinned(void)
{
    g_auto(Run) run = tierctl("set web1 --hints off --pin-limit 2M");
    g_auto(Run) wrong = tierctl("set web1 --hints perhaps");

    g_assert_cmpint(run.status, ==, 0);
    assert_holds(run.asked, "\"pin-limit\":2097152");
    assert_holds(run.asked, "\"hints\":\"off\"");
    g_assert_cmpint(wrong.status, ==, 2);
    assert_holds(wrong.err, "'perhaps' is none of on, off");
}

static void adds_a_vm_for_an_owner(void)
{
    g_auto(Run) plain = tierctl("add web1");
    g_auto(Run) owned = tierctl("add web1 --owner root:0");

    g_assert_cmpint(plain.status, ==, 0);
    g_assert_cmpstr(plain.out, ==, "/run/vhost-tier/web1.sock\n");
    g_assert_null(strstr(plain.asked, "uid"));
    assert_holds(owned.asked, "\"uid\":0,\"gid\":0");
}

static void passes_on_why_the_daemon_refuses(void)
{
    g_auto(Run) run = tierctl("remove x");

    g_assert_cmpint(run.status, ==, 1);
    g_assert_cmpstr(run.out, ==, "");
    g_assert_cmpstr(run.err, ==, "tierctl: no VM 'x'; 'tierctl list' shows those there are\n");
}

static void records_for_the_time_given(void)
{
    g_auto(Run) run = tierctl("record web1 /t/a.trace --seconds 0.1");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.asked, ==,
                    "{\"execute\":\"trace-start\",\"arguments\":{\"name\":\"web1\",\"file\":\"/t/a.trace\"},\"id\":1}\n"
                    "{\"execute\":\"trace-stop\",\"arguments\":{\"name\":\"web1\"},\"id\":1}\n");
    assert_holds(run.out, "/t/a.trace: 2.0 KiB, 31 records");
}

static bool append(void *bytes, const void *data, size_t len)
{
    g_byte_array_append(bytes, data, (guint)len);
    return true;
}

/*
 * The trace of a policy that promotes one hot granule, in a file that the caller unlinks and frees the name
 * of.
 */
static char *record_trace(size_t leave_out)
{
    static const PolicyConfig config = {
        .budget_bytes = 4 * 4096,
        .heat_half_life_ns = 30000000000,
        .heat_life_ns = 60000000000,
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(Policy) policy = policy_new(&config);
    g_autoptr(TraceWriter) writer = trace_writer_new(append, bytes, 1 << 20);
    const uint8_t tiers[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const PolicyPlan *plan;
    char *path = NULL;
    int fd;

    policy_record(policy, writer);
    g_assert_true(policy_region_add(policy, 1, 16 * 4096, 4096, NULL));
    policy_place(policy, 1, 0, 16, tiers);
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, 1, 3, 1, 100000, 1000000000, 2000000000);
    plan = policy_plan(policy, 3000000000);
    g_assert_cmpuint(plan->n_moves, >, 0);
    policy_record(policy, NULL);
    fd = g_file_open_tmp("trace-XXXXXX", &path, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(
        g_file_set_contents(path, (const char *)bytes->data, (gssize)(bytes->len - leave_out), NULL));
    return path;
}

static void replays_a_trace_to_the_same_plans(void)
{
    g_autofree char *path = record_trace(0);
    g_autofree char *line = g_strdup_printf("replay %s", path),
                    *json_line = g_strdup_printf("replay %s --json", path);
    g_auto(Run) text = tierctl(line);
    g_auto(Run) json = tierctl(json_line);

    g_assert_cmpint(text.status, ==, 0);
    g_assert_cmpstr(text.asked, ==, "");
    assert_holds(text.out, "1 plans");
    assert_holds(text.out, ": as recorded");
    g_assert_cmpint(json.status, ==, 0);
    assert_holds(json.out, "\"identical\":true");
    g_unlink(path);
}

static void refuses_to_replay_what_is_no_whole_trace(void)
{
    g_autofree char *path = record_trace(3);
    g_autofree char *line = g_strdup_printf("replay %s", path);
    g_auto(Run) torn = tierctl(line);
    g_auto(Run) other = tierctl("replay /proc/self/exe");
    g_auto(Run) none = tierctl("replay /nonexistent");

    g_assert_cmpint(torn.status, ==, 1);
    assert_holds(torn.err, path);
    g_assert_cmpint(other.status, ==, 1);
    g_assert_cmpint(none.status, ==, 1);
    assert_holds(none.err, "/nonexistent");
    g_unlink(path);
}

static void tells_usage_errors_by_exit_code_2_and_asks_nothing(void)
{
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"frobnicate", "there is no command"},
        {"show", "VM is missing"},
        {"show a b", "unexpected argument 'b'"},
        {"list --nope", "Unknown option"},
        {"set web1", "nothing to set"},
        {"set web1 --weight 0", "1 to 1000"},
        {"set web1 --weight 1e3", "1 to 1000"},
        {"set web1 --mode maybe", "on, observe, off"},
        {"set web1 --slowdown 101%", "share of the time"},
        {"set web1 --slowdown 0", "share of the time"},
        {"set web1 --slowdown 5%%", "share of the time"},
        {"set web1 --slowdown nan", "share of the time"},
        {"set web1 --fast-size 1Q", "is no size"},
        {"set web1 --fast-min 9E", "is no size"},
        {"set web1 --fast-min 9999999T", "8 EiB"},
        {"add a --owner no-such-user", "no user"},
        {"add a --owner root:no-such-group", "no group"},
        {"top --interval 0", "0.1 to 3600"},
        {"record a b --seconds -1", "--seconds"},
        {"record a", "FILE is missing"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Run) run = tierctl(cases[i].line);

        g_assert_cmpint(run.status, ==, 2);
        g_assert_cmpstr(run.asked, ==, "");
        assert_holds(run.err, cases[i].reason);
        assert_holds(run.err, "--help'");
    }
}

static void explains_each_command(void)
{
    g_auto(Run) all = tierctl("--help");
    static const char *const names[] = {"list", "show",   "top",  "explain", "heatmap", "predict",
                                        "set",  "add",    "remove", "host",  "record",  "replay"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *line = g_strdup_printf("%s --help", names[i]);
        g_auto(Run) run = tierctl(line);

        g_assert_cmpint(run.status, ==, 0);
        assert_holds(run.out, "--json");
        assert_holds(all.out, names[i]);
    }
}

static void says_how_to_start_the_daemon(void)
{
    g_autofree char *command = g_strdup_printf("%s list --socket /nonexistent.sock", program);
    g_autofree char *err = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(command, NULL, &err, &status, NULL));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    assert_holds(err, "systemctl start vhost-tier");
}

int main(int argc, char **argv)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = g_path_get_dirname(self);

    g_setenv("LC_ALL", "C", TRUE);
    g_test_init(&argc, &argv, NULL);
    program = g_canonicalize_filename("../../vhost-tier/tierctl/tierctl", folder);
#define ADD(test) g_test_add_func("/tierctl/" #test, test)
    ADD(lists_vms_in_aligned_columns);
    ADD(lets_no_control_character_through);
    ADD(shows_why_pages_were_not_moved_and_sources_do_not_work);
    ADD(shows_counts_and_ids_as_whole_numbers);
    ADD(shows_what_interferes_with_a_vm);
    ADD(shows_what_became_of_a_guests_hints);
    ADD(sets_whether_hints_are_taken_and_what_may_be_pinned);
    ADD(shows_the_host_and_what_interferes);
    ADD(top_prints_once_without_a_terminal);
    ADD(prints_the_daemons_object_as_json);
    ADD(sets_only_what_is_given);
    ADD(sets_a_target_as_a_share_of_the_time);
    ADD(shows_what_a_vm_loses_to_slow_memory);
    ADD(adds_a_vm_for_an_owner);
    ADD(passes_on_why_the_daemon_refuses);
    ADD(records_for_the_time_given);
    ADD(replays_a_trace_to_the_same_plans);
    ADD(refuses_to_replay_what_is_no_whole_trace);
    ADD(tells_usage_errors_by_exit_code_2_and_asks_nothing);
    ADD(explains_each_command);
    ADD(says_how_to_start_the_daemon);
    return g_test_run();
}
