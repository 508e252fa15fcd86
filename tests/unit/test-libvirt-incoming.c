/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain that comes from another host: when its XML is written anew, what of it stays, and when it is left alone.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "libvirt-hooks/hook/hook.h"
#include "libvirt-hooks/rewrite.h"

/* Answers as an emulator that knows tiered memory, and as one that does not. */
#define KNOWS "/bin/true"
#define KNOWS_NOT "/bin/false"

static unsigned warnings;

void hook_warn(const char *format, ...)
{
    warnings++;
}

/*
 * A tiered domain with hints and a ceiling of 1 GiB, but with @fast_size and @slot in the arguments that it was started
 * with.
 */
static Domain *started_with(const char *emulator, const char *fast_size, const char *slot)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='kvm'><name>a</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>"
        "<memory unit='GiB'>4</memory><os><type machine='q35'>hvm</type></os>"
        "<devices><emulator>%s</emulator></devices></domain>", emulator);
    g_autoptr(Domain) domain = domain_parse(xml, strlen(xml), NULL);
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GString) started = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *tiered = NULL;

    settings_set(settings, SETTING_HINTS, "on", NULL);
    settings_set(settings, SETTING_FAST_MAX, "25%", NULL);
    rewrite_enable(domain, settings, &error);
    g_assert_no_error(error);
    tiered = domain_format(domain);
    g_string_append(started, tiered);
    g_assert_cmpuint(g_string_replace(started, "fast-size=1G", fast_size, 0), ==, 1);
    g_assert_cmpuint(g_string_replace(started, "addr=0x18", slot, 0), ==, 1);
    return domain_parse(started->str, started->len, NULL);
}

/* Fit it, and return its XML; NULL where that is unchanged. */
static char *fit(Domain *domain)
{
    g_autoptr(Settings) settings = NULL;
    g_autoptr(GError) error = NULL;
    bool changed;

    rewrite_settings(domain, &settings, &error);
    g_assert_no_error(error);
    incoming_fit(domain, settings, &changed, &error);
    g_assert_no_error(error);
    return changed ? domain_format(domain) : NULL;
}

static void what_agrees_is_left_alone(void)
{
    g_autoptr(Domain) domain = started_with(KNOWS, "fast-size=1G", "addr=0x18");

    g_assert_null(fit(domain));
}

static void what_was_set_live_gets_its_arguments_and_the_hint_device_stays(void)
{
    g_autoptr(Domain) domain = started_with(KNOWS, "fast-size=2G", "addr=0x12");
    g_autofree char *xml = fit(domain);
    g_autoptr(Settings) settings = NULL;

    g_assert_nonnull(xml);
    g_assert_nonnull(strstr(xml, "fast-size=1G"));
    g_assert_nonnull(strstr(xml, "addr=0x12\""));
    g_assert_null(strstr(xml, "addr=0x18"));
    g_assert_true(rewrite_settings(domain, &settings, NULL));
    g_assert_true(rewrite_agrees(domain, settings, NULL));
}

static void no_hint_device_comes_with_settings_that_say_so(void)
{
    g_autoptr(Domain) domain = started_with(KNOWS, "fast-size=1G", "addr=0x18");
    g_autofree char *xml = NULL;

    rewrite_strip(domain);
    xml = fit(domain);
    g_assert_nonnull(strstr(xml, "memory-backend-tier"));
    g_assert_null(strstr(xml, "vhost-user-tier-pci"));
}

/* Only a "no" strips: a QEMU that is broken, or slow, is none. */
static void an_emulator_without_an_answer_changes_nothing(void)
{
    g_autofree char *folder = g_dir_make_tmp("vhost-tier-XXXXXX", NULL), *dies = g_build_filename(folder, "dies", NULL);
    g_autofree char *lacks = g_build_filename(folder, "lacks", NULL);
    const char *const emulators[] = {"/nonexistent", dies, lacks};

    g_assert_true(g_file_set_contents(dies, "#!/bin/sh\nkill -SEGV $$\n", -1, NULL));
    g_assert_true(g_file_set_contents(lacks, "#!/bin/sh\nexit 127\n", -1, NULL));
    g_chmod(folder, 0755);
    g_chmod(dies, 0755);
    g_chmod(lacks, 0755);
    for (size_t i = 0; i < G_N_ELEMENTS(emulators); i++) {
        g_autoptr(Domain) domain = started_with(emulators[i], "fast-size=2G", "addr=0x18");

        warnings = 0;
        g_assert_null(fit(domain));
        g_assert_cmpuint(warnings, ==, 1);
    }
    g_unlink(dies);
    g_unlink(lacks);
    g_rmdir(folder);
}

static void a_guest_with_a_hint_device_is_not_stripped(void)
{
    g_autoptr(Domain) domain = started_with(KNOWS_NOT, "fast-size=1G", "addr=0x18");
    g_autoptr(Settings) settings = NULL;
    g_autoptr(GError) error = NULL;
    bool changed;

    g_assert_true(rewrite_settings(domain, &settings, NULL));
    g_assert_false(incoming_fit(domain, settings, &changed, &error));
    g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_UNFIT);
    g_assert_nonnull(strstr(error->message, "virtio-tier device"));
}

#define ADD(func) g_test_add_func("/libvirt/incoming/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(what_agrees_is_left_alone);
    ADD(what_was_set_live_gets_its_arguments_and_the_hint_device_stays);
    ADD(no_hint_device_comes_with_settings_that_say_so);
    ADD(an_emulator_without_an_answer_changes_nothing);
    ADD(a_guest_with_a_hint_device_is_not_stripped);
    return g_test_run();
}
