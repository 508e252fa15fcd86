/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains of many kinds, written after libvirt's documentation, before and after 'enable': tests/libvirt/golden.
 *
 *   NAME.xml           the domain
 *   NAME.settings      what is set, a line each; none: all defaults
 *   NAME.tiered.xml    what becomes of it; or
 *   NAME.problems      why nothing does
 *
 * With VHOST_TIER_UPDATE_GOLDEN in the environment the last two are written instead of compared: read the difference
 * well.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "libvirt-hooks/rewrite.h"

static char *golden_path(const char *name, const char *suffix)
{
    g_autofree char *base = g_strconcat(name, suffix, NULL);

    return g_test_build_filename(G_TEST_DIST, "..", "libvirt", "golden", base, NULL);
}

static char *read_golden(const char *name, const char *suffix)
{
    g_autofree char *path = golden_path(name, suffix);
    char *text = NULL;

    (void)g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static void compare(const char *name, const char *suffix, const char *text)
{
    g_autofree char *path = golden_path(name, suffix), *wanted = read_golden(name, suffix);

    if (g_getenv("VHOST_TIER_UPDATE_GOLDEN")) {
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        return;
    }
    g_assert_cmpstr(text, ==, wanted);
}

static Domain *parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    Domain *domain = domain_parse(xml, strlen(xml), &error);

    g_assert_no_error(error);
    return domain;
}

static Settings *read_settings(const char *name)
{
    g_autofree char *text = read_golden(name, ".settings");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    Settings *settings = settings_new();

    for (char **line = lines; *line && **line; line++) {
        char *value = strchr(*line, '=');
        g_autoptr(GError) error = NULL;

        *value++ = '\0';
        settings_set(settings, setting_by_name(*line), value, &error);
        g_assert_no_error(error);
    }
    return settings;
}

/* What was written is read as it was meant, agrees with itself, and written again stays as it is. */
static void check_tiered(Domain *domain, const Settings *settings, const char *tiered)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Settings) again = NULL;
    g_autofree char *twice = NULL;

    g_assert_true(rewrite_settings(domain, &again, &error));
    g_assert_no_error(error);
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        g_assert_cmpstr(again->text[id], ==, settings->text[id]);
    }
    g_assert_true(rewrite_has_command_line(domain));
    rewrite_agrees(domain, again, &error);
    g_assert_no_error(error);
    rewrite_enable(domain, again, &error);
    g_assert_no_error(error);
    twice = domain_format(domain);
    g_assert_cmpstr(twice, ==, tiered);
}

/* It is undone byte for byte: at once, after having been stripped, and from its text. */
static void check_undone(Domain *domain, const char *before)
{
    g_autofree char *tiered = domain_format(domain), *undone = NULL, *stripped_undone = NULL;
    g_autoptr(Domain) copy = parse(tiered), stripped = parse(tiered);
    g_autoptr(Settings) settings = NULL;

    rewrite_disable(copy);
    undone = domain_format(copy);
    g_assert_cmpstr(undone, ==, before);
    g_assert_false(rewrite_has_command_line(copy));

    rewrite_strip(stripped);
    g_assert_false(rewrite_has_command_line(stripped));
    g_assert_true(rewrite_settings(stripped, &settings, NULL));
    g_assert_nonnull(settings);
    rewrite_disable(stripped);
    stripped_undone = domain_format(stripped);
    g_assert_cmpstr(stripped_undone, ==, before);
}

static void golden(gconstpointer data)
{
    const char *name = data;
    g_autofree char *xml = read_golden(name, ".xml"), *before = NULL, *after = NULL;
    g_autoptr(Settings) settings = read_settings(name);
    g_autoptr(Domain) domain = parse(xml);
    g_autoptr(GError) error = NULL;

    before = domain_format(domain);
    if (!rewrite_enable(domain, settings, &error)) {
        g_autofree char *problems = g_strconcat(error->message, "\n", NULL), *left = domain_format(domain);

        g_assert_true(g_str_has_prefix(name, "refused-"));
        g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_UNFIT);
        g_assert_cmpstr(left, ==, before);
        compare(name, ".problems", problems);
        return;
    }
    after = domain_format(domain);
    compare(name, ".tiered.xml", after);
    check_tiered(domain, settings, after);
    check_undone(domain, before);
}

/* They would keep the domain from starting. */
static void disabling_takes_settings_of_other_versions_away(void)
{
    g_autofree char *xml = read_golden("other-metadata", ".xml"), *before = NULL, *after = NULL;
    g_auto(GStrv) halves = g_strsplit(xml, "\n  </metadata>", 2);
    g_autofree char *newer =
        g_strconcat(halves[0], "\n    <t:memory xmlns:t='urn:vhost-tier:domain:9'/>\n  </metadata>", halves[1], NULL);
    g_autoptr(Domain) ordinary = parse(xml), domain = parse(newer);

    rewrite_disable(domain);
    before = domain_format(ordinary);
    after = domain_format(domain);
    g_assert_cmpstr(after, ==, before);
}

int main(int argc, char **argv)
{
    g_autofree char *folder = NULL;
    g_autoptr(GDir) dir = NULL;
    const char *file;

    g_test_init(&argc, &argv, NULL);
    folder = g_test_build_filename(G_TEST_DIST, "..", "libvirt", "golden", NULL);
    dir = g_dir_open(folder, 0, NULL);
    g_assert_nonnull(dir);
    while ((file = g_dir_read_name(dir))) {
        if (g_str_has_suffix(file, ".xml") && !g_str_has_suffix(file, ".tiered.xml")) {
            char *name = g_strndup(file, strlen(file) - strlen(".xml"));
            g_autofree char *test = g_strconcat("/libvirt/golden/", name, NULL);

            g_test_add_data_func_full(test, name, golden, g_free);
        }
    }
    g_test_add_func("/libvirt/golden/disabling_takes_settings_of_other_versions_away",
                    disabling_takes_settings_of_other_versions_away);
    return g_test_run();
}
