/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload guest itself, booted by our QEMU under emulation: what it says, counts and obeys. Skipped
 * where QEMU is not built.
 */
#include <gio/gio.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "guest/guest-abi.h"
#include "observer/guest.h"

#define BOOT_S 20

static char *qemu;          /* path, or NULL */
static char *workload;
static char *dir;           /* for the outputs of one test */

/* A boot that is watched to its end. */
typedef struct Boot {
    GSubprocess *process;
    char *serial, *dump;    /* paths */
} Boot;

static void boot_start(Boot *boot, const char *cmdline)
{
    g_autofree char *serial = NULL, *dump = NULL;
    g_autoptr(GError) error = NULL;

    boot->serial = g_build_filename(dir, "serial", NULL);
    boot->dump = g_build_filename(dir, "dump", NULL);
    serial = g_strdup_printf("file:%s", boot->serial);
    dump = g_strdup_printf("file:%s", boot->dump);
    boot->process = g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, &error, qemu, "-accel", "tcg", "-M",
                                      "q35,hpet=off,smm=off,memory-backend=ram", "-m", "36M", "-object",
                                      "memory-backend-memfd,id=ram,size=36M,share=on", "-nodefaults", "-display",
                                      "none", "-no-reboot", "-serial", serial, "-device", "isa-debug-exit",
                                      "-debugcon", dump, "-kernel", workload, "-append", cmdline, NULL);
    g_assert_no_error(error);
}

/* Waits for QEMU's end, which must be within BOOT_S; returns its exit code. */
static int boot_end(Boot *boot)
{
    int status;

    for (int i = 0; i < BOOT_S * 100 && g_subprocess_get_identifier(boot->process); i++) {
        g_usleep(10000);
        g_main_context_iteration(NULL, false);
    }
    g_assert_null(g_subprocess_get_identifier(boot->process));
    status = g_subprocess_get_exit_status(boot->process);
    g_object_unref(boot->process);
    boot->process = NULL;
    return status;
}

static void boot_clear(Boot *boot)
{
    if (boot->process) {
        g_subprocess_force_exit(boot->process);
        g_subprocess_wait(boot->process, NULL, NULL);
        g_object_unref(boot->process);
    }
    g_free(boot->serial);
    g_free(boot->dump);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Boot, boot_clear)

static char *said(const Boot *boot)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(boot->serial, &text, NULL, NULL));
    return text;
}

static bool skipped(void)
{
    if (!qemu) {
        g_test_skip("our QEMU is not built: scripts/build-qemu");
    }
    return !qemu;
}

static void test_reports_every_visit_that_it_made(void)
{
    g_auto(Boot) boot = {0};
    g_autofree char *text = NULL, *dump = NULL;
    const GuestHeader *header;
    const uint32_t *counts;
    uint64_t sum = 0;
    gsize len;

    if (skipped()) {
        return;
    }
    boot_start(&boot, "pattern=ycsb-zipf mb=16 seconds=2 report=1");
    g_assert_cmpint(boot_end(&boot), ==, 0);
    text = said(&boot);
    g_assert_nonnull(strstr(text, "vhost-tier workload: pattern=ycsb-zipf pages=4096 "));
    g_assert_nonnull(strstr(text, "\nready\n"));
    g_assert_nonnull(strstr(text, "\nt=1 accesses_per_s="));
    g_assert_true(g_str_has_suffix(text, "\ndone\n"));

    g_assert_true(g_file_get_contents(boot.dump, &dump, &len, NULL));
    g_assert_cmpuint(len, ==, sizeof(*header) + 4096 * sizeof(*counts));
    header = (const void *)dump;
    counts = (const void *)(dump + sizeof(*header));
    g_assert_cmphex(header->magic, ==, GUEST_MAGIC);
    g_assert_cmpuint(header->state, ==, GUEST_DONE);
    g_assert_cmpuint(header->pages, ==, 4096);
    g_assert_cmpuint(header->visits, >, 1000);
    for (uint32_t i = 0; i < header->pages; i++) {
        sum += counts[i];
    }
    g_assert_cmpuint(sum, ==, header->visits);
}

static void assert_refuses(const char *cmdline, const char *answer)
{
    g_auto(Boot) boot = {0};
    g_autofree char *text = NULL;

    boot_start(&boot, cmdline);
    g_assert_cmpint(boot_end(&boot), ==, 3);
    text = said(&boot);
    g_assert_true(g_str_has_prefix(text, answer));
}

static void test_says_what_is_allowed_and_fails_when_it_cannot_do_as_told(void)
{
    if (skipped()) {
        return;
    }
    assert_refuses("pattern=gups", "error: pattern=gups: allowed: gups-hot, ");
    assert_refuses("burst=513", "error: burst=513: allowed: 1..512\n");
    assert_refuses("hints=true", "error: hints=true: allowed: off, honest, ");
    assert_refuses("hints=honest", "error: hints: no such device on bus 0\n");
    assert_refuses("mb=40", "error: mb=40 does not fit into this machine's memory: allowed: at most 31; ");
}

/* Waits until the guest has made @passes passes and is ready for more. */
static void wait_for_passes(const Guest *guest, uint32_t passes)
{
    g_autoptr(GError) error = NULL;
    GuestHeader header = {0};

    for (int i = 0; i < BOOT_S * 100 && (header.state != GUEST_WAITING || header.passes != passes); i++) {
        g_usleep(10000);
        g_assert_true(guest_read(guest, GUEST_HEADER_ADDR, &header, sizeof(header), &error));
    }
    g_assert_cmpuint(header.state, ==, GUEST_WAITING);
    g_assert_cmpuint(header.passes, ==, passes);
}

static void test_list_touches_exactly_the_listed_pages_when_rung(void)
{
    const GuestParams params = {
        .qemu = qemu,
        .workload = workload,
        .pattern = "pattern=list mb=1 every=5 offset=3 end=200",
        .accel = "tcg",
        .backend = "memory-backend-memfd",
        .folder = dir,
        .ram_bytes = 8 << 20,
        .cpu = -1,
    };
    const uint32_t wanted = 2;
    g_autoptr(GError) error = NULL;
    g_autoptr(Guest) guest = NULL;
    uint32_t counts[256];

    if (skipped()) {
        return;
    }
    guest = guest_start(&params, &error);
    g_assert_no_error(error);
    wait_for_passes(guest, 0);
    g_usleep(100000);
    g_assert_true(guest_counts(guest, counts, &error));
    for (uint32_t page = 0; page < G_N_ELEMENTS(counts); page++) {
        g_assert_cmpuint(counts[page], ==, 0);
    }
    g_assert_true(guest_write(guest, GUEST_HEADER_ADDR + offsetof(GuestHeader, doorbell), &wanted,
                              sizeof(wanted), &error));
    wait_for_passes(guest, wanted);
    g_assert_true(guest_counts(guest, counts, &error));
    for (uint32_t page = 0; page < G_N_ELEMENTS(counts); page++) {
        g_assert_cmpuint(counts[page], ==, page % 5 == 3 && page < 200 ? wanted : 0);
    }
}

static void remove_dir(void)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    const char *name;

    while (entries && (name = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        g_remove(path);
    }
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    const char *build = g_getenv("VHOST_TIER_BUILD");
    g_autofree char *install = NULL;
    int rc;

    g_test_init(&argc, &argv, NULL);
    if (argc != 3) {
        g_printerr("usage: test-workload WORKLOAD_ELF DEFAULT_BUILD_FOLDER\n");
        return 1;
    }
    workload = argv[1];
    install = g_build_filename(build ? build : argv[2], "qemu", "install", NULL);
    qemu = g_build_filename(install, "bin", "qemu-system-x86_64", NULL);
    if (!g_file_test(qemu, G_FILE_TEST_IS_EXECUTABLE)) {
        g_clear_pointer(&qemu, g_free);
    }
    dir = g_dir_make_tmp("workload-XXXXXX", NULL);
    g_assert_nonnull(dir);
#define TEST(name) g_test_add_func("/workload/" #name, test_##name)
    TEST(reports_every_visit_that_it_made);
    TEST(says_what_is_allowed_and_fails_when_it_cannot_do_as_told);
    TEST(list_touches_exactly_the_listed_pages_when_rung);
    rc = g_test_run();
    remove_dir();
    g_free(dir);
    g_free(qemu);
    return rc;
}
