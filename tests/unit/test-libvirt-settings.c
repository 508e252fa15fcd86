/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tier settings: what each may be, what goes together, and how they stand in XML.
 */
#include <glib.h>
#include <libxml/relaxng.h>
#include <string.h>

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/rewrite.h"
#include "libvirt-hooks/settings.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

typedef struct Case {
    SettingId id;
    const char *text;
} Case;

static void set(Settings *settings, SettingId id, const char *text)
{
    g_autoptr(GError) error = NULL;

    settings_set(settings, id, text, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(settings->text[id], ==, text);
}

static void means_what_it_says(void)
{
    g_autoptr(Settings) settings = settings_new();

    g_assert_cmpuint(settings_fast_max(settings, GIB), ==, GIB / 2);
    set(settings, SETTING_FAST_MAX, "25%");
    g_assert_cmpuint(settings_fast_max(settings, GIB), ==, GIB / 4);
    set(settings, SETTING_FAST_MAX, "12.5%");
    g_assert_cmpuint(settings_fast_max(settings, GIB), ==, GIB / 8);
    set(settings, SETTING_FAST_MAX, "300m");
    g_assert_cmpuint(settings_fast_max(settings, GIB), ==, 300 * MIB);
    set(settings, SETTING_FAST_MAX, "1GB");
    g_assert_cmpuint(settings_fast_max(settings, GIB), ==, 1000000000 / 4096 * 4096);
    set(settings, SETTING_FAST_MAX, "4097bytes");
    g_assert_cmpuint(settings_fast_max(settings, GIB), ==, 4096);
    set(settings, SETTING_HUGEPAGES, "hugetlb");
    set(settings, SETTING_FAST_MAX, "5MiB");
    g_assert_cmpuint(settings_fast_max(settings, GIB), ==, 4 * MIB);
    set(settings, SETTING_SLOWDOWN, "5%");
    g_assert_cmpfloat_with_epsilon(settings->slowdown, 0.05, 1e-9);
    set(settings, SETTING_MODE, "observe");
    g_assert_cmpint(settings->mode, ==, TIER_MODE_OBSERVE);
    set(settings, SETTING_REQUIRED, "yes");
    g_assert_true(settings->required);
    set(settings, SETTING_TIERS, "0-1,4;2");
    g_assert_cmpstr(settings->tiers[0], ==, "0-1,4");
    g_assert_cmpstr(settings->tiers[1], ==, "2");
    g_assert_null(settings->tiers[2]);
    set(settings, SETTING_SOURCES, "damon,chmu");
    g_assert_cmpstr(settings->sources[1], ==, "chmu");
    set(settings, SETTING_HINTS, "on");
    g_assert_true(settings->hints);
    settings_clear(settings, SETTING_HINTS);
    g_assert_false(settings->hints);
    g_assert_null(settings->text[SETTING_HINTS]);
}

static void takes_no_value_that_is_not_allowed(void)
{
    static const Case cases[] = {
        {SETTING_REQUIRED, "Yes"},        {SETTING_REQUIRED, ""},           {SETTING_MODE, "on off"},
        {SETTING_MODE, "auto"},           {SETTING_FAST_MIN, "-1MiB"},      {SETTING_FAST_MIN, "-5%"},
        {SETTING_FAST_MAX, "25"},         {SETTING_FAST_MAX, "101%"},       {SETTING_FAST_MAX, "100.001%"},
        {SETTING_FAST_MAX, "%"},          {SETTING_FAST_MAX, "1e2%"},       {SETTING_FAST_MAX, "1.%"},
        {SETTING_FAST_MAX, "nan%"},       {SETTING_FAST_MAX, "inf%"},       {SETTING_FAST_MAX, "0x10MiB"},
        {SETTING_FAST_MAX, "1.5GiB"},     {SETTING_FAST_MAX, "1 GiB"},      {SETTING_FAST_MAX, "1XiB"},
        {SETTING_FAST_MAX, "1GiBs"},      {SETTING_FAST_MAX, "16EiB"},      {SETTING_FAST_MAX, "18446744073709551616b"},
        {SETTING_FAST_MAX, "99999999999999999999999999MiB"},                {SETTING_FAST_MAX, "+1GiB"},
        {SETTING_WEIGHT, "0"},            {SETTING_WEIGHT, "1001"},         {SETTING_WEIGHT, "-1"},
        {SETTING_WEIGHT, "1.5"},          {SETTING_WEIGHT, "4294967297"},   {SETTING_SLOWDOWN, "0.05"},
        {SETTING_SLOWDOWN, "5 %"},        {SETTING_SLOWDOWN, "100.5%"},     {SETTING_PLACEMENT, "fast"},
        {SETTING_GRANULE, "4096"},        {SETTING_GRANULE, "1GiB"},        {SETTING_HUGEPAGES, "always"},
        {SETTING_TIERS, ""},              {SETTING_TIERS, "0;"},            {SETTING_TIERS, "0;0-1"},
        {SETTING_TIERS, "0;1;2;3;4"},     {SETTING_TIERS, "1024"},          {SETTING_TIERS, "1-0"},
        {SETTING_TIERS, "a"},             {SETTING_TIERS, "99999999999"},   {SETTING_TIERS, "0,,1"},
        {SETTING_HINTS, "yes"},           {SETTING_SOURCES, "damon,damon"}, {SETTING_SOURCES, "pebs"},
        {SETTING_SOURCES, ""},            {SETTING_SOURCES, "damon,"},      {SETTING_PIN_LIMIT, "1"},
        {SETTING_EMULATOR, "qemu"},       {SETTING_EMULATOR, "/"},          {SETTING_EMULATOR, "/a\nb"},
        {SETTING_EMULATOR, "/\xff\xfe"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Settings) settings = settings_new(), untouched = settings_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(settings_set(settings, cases[i].id, cases[i].text, &error));
        g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS);
        g_assert_nonnull(strstr(error->message, setting_name(cases[i].id)));
        g_assert_nonnull(strstr(error->message, setting_allowed(cases[i].id)));
        g_assert_null(settings->text[cases[i].id]);
        g_assert_cmpmem(settings, sizeof(*settings), untouched, sizeof(*untouched));
    }
}

static void what_contradicts_is_refused_by_name(void)
{
    static const struct {
        Case given[3];
        uint64_t memory;
        const char *says;
    } cases[] = {
        {{{SETTING_FAST_MIN, "2GiB"}, {SETTING_FAST_MAX, "1GiB"}}, 4 * GIB, "fast-min '2GiB' is above fast-max '1GiB'"},
        {{{SETTING_FAST_MIN, "60%"}, {0}}, 4 * GIB, "fast-min '60%' is above fast-max '50%' (its default)"},
        {{{SETTING_FAST_MAX, "5GiB"}, {0}}, 4 * GIB, "fast-max '5GiB' is more than the domain's memory, 4096 MiB"},
        {{{SETTING_FAST_MAX, "15EiB"}, {0}}, 4 * GIB, "fast-max '15EiB' is more than"},
        {{{SETTING_HINTS, "on"}, {SETTING_PIN_LIMIT, "3GiB"}}, 4 * GIB, "pin-limit '3GiB' is above fast-max '50%'"},
        {{{SETTING_PIN_LIMIT, "1MiB"}, {0}}, 4 * GIB, "pin-limit '1MiB' is of use only with hints"},
        {{{SETTING_GRANULE, "2MiB"}, {0}}, 4 * GIB, "granule '2MiB' and hugepages 'off' contradict"},
        {{{SETTING_GRANULE, "4KiB"}, {SETTING_HUGEPAGES, "hugetlb"}},
         4 * GIB,
         "granule '4KiB' and hugepages 'hugetlb'"},
        {{{SETTING_HUGEPAGES, "hugetlb"}, {0}}, 4 * GIB + MIB, "4097 MiB are an odd number"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Settings) settings = settings_new();
        g_autoptr(GError) error = NULL;

        for (const Case *given = cases[i].given; given->text; given++) {
            set(settings, given->id, given->text);
        }
        g_assert_false(settings_check(settings, cases[i].memory, &error));
        g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS);
        g_assert_nonnull(strstr(error->message, cases[i].says));
    }
}

static void nodes_that_the_host_lacks_are_refused(void)
{
    g_autofree char *sysfs = g_test_build_filename(G_TEST_DIST, "sysfs", "two-memory-tiers", NULL);
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(settings_check_host(settings, sysfs, NULL));
    set(settings, SETTING_TIERS, "0;1023");
    g_assert_false(settings_check_host(settings, sysfs, &error));
    g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS);
    g_assert_nonnull(strstr(error->message, "1023"));
    g_clear_error(&error);
    set(settings, SETTING_TIERS, "0");
    g_assert_false(settings_check_host(settings, sysfs, &error));
    g_assert_nonnull(strstr(error->message, "observe"));
    set(settings, SETTING_MODE, "observe");
    g_assert_true(settings_check_host(settings, sysfs, NULL));
}

/* The settings of a domain whose <metadata> has @metadata in it. */
static Settings *from_metadata(const char *metadata, GError **errp)
{
    g_autofree char *xml = g_strdup_printf("<domain><name>a</name><metadata>%s</metadata></domain>", metadata);
    g_autoptr(Domain) domain = domain_parse(xml, strlen(xml), errp);
    Settings *settings = NULL;

    if (domain && rewrite_settings(domain, &settings, errp) && !settings) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS, "no settings");
    }
    return settings;
}

#define T(attributes, children) "<t:memory xmlns:t='" TIER_NS "'" attributes ">" children "</t:memory>"

static void reads_what_people_write(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Settings) settings = from_metadata("<other xmlns='urn:x'/>"
        "<memory xmlns='" TIER_NS "' required=' no '>\n <!-- as much as it needs --> <fast-max unit='MiB'> 64 </fast-max>"
        "<mode>\n off</mode><tiers>0 ; 2</tiers></memory>", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(settings->fast_max.bytes, ==, 64 * MIB);
    g_assert_cmpint(settings->mode, ==, TIER_MODE_OFF);
    g_assert_cmpstr(settings->tiers[1], ==, "2");
    g_assert_false(settings->required);
}

static void what_is_wrong_in_xml_is_named(void)
{
    static const struct {
        const char *metadata, *says;
    } cases[] = {
        {T("", "<t:fast-max unit='MiB'>x</t:fast-max>"), "<tier:fast-max>, line 1: 'x' with unit='MiB'"},
        {T("", "<t:fast-max>64</t:fast-max>"), "has no unit"},
        {T("", "<t:fast-max>25%</t:fast-max>"), "has no unit"},
        {T("", "<t:fast-max unit='5%'>2</t:fast-max>"), "unit='5%'"},
        {T("", "<t:fast-max unit='furlong'>2</t:fast-max>"), "fast-max '2furlong'"},
        {T("", "<t:fast-max unit='%'>101</t:fast-max>"), "fast-max '101%'"},
        {T("", "<t:fast-max unit='MiB'>-1</t:fast-max>"), "'-1'"},
        {T("", "<t:fast-max unit='EiB'>16</t:fast-max>"), "fast-max '16EiB'"},
        {T("", "<t:fast-max unit='MiB' x='1'>1</t:fast-max>"), "attribute 'x' is not known"},
        {T("", "<t:fast-max unit='MiB' t:unit='1'>1</t:fast-max>"), "attribute 'unit' is not known"},
        {T("", "<t:mode unit='x'>on</t:mode>"), "attribute 'unit'"},
        {T("", "<t:mode><t:mode>on</t:mode></t:mode>"), "plain text only"},
        {T("", "<t:mode>on</t:mode><t:mode>on</t:mode>"), "twice"},
        {T("", "<t:required>yes</t:required>"), "no such setting"},
        {T("", "<t:colour>red</t:colour>"), "there are mode, fast-min"},
        {T("", "<mode xmlns='urn:other'>on</mode>"), "no such setting"},
        {T("", "on"), "something else"},
        {T("", "<t:before metadata='full'/>"), "metadata='full'"},
        {T("", "<t:before mode='on'/>"), "attribute 'mode' is not known"},
        {T("", "<t:before><t:mode/></t:before>"), "schema"},
        {T(" required='maybe'", ""), "required 'maybe'"},
        {T(" forced='yes'", ""), "attribute 'forced' is not known"},
        {T("", "") T("", ""), "two <tier:memory>"},
        {"<memory xmlns='urn:vhost-tier:domain:2'/>", "urn:vhost-tier:domain:2"},
        {"<settings xmlns='" TIER_NS "'/>", "<settings>"},
        {T("", "<t:mode>on</t:mode><t:granule unit='KiB'>2</t:granule>"), "granule '2KiB'"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Settings) settings = from_metadata(cases[i].metadata, &error);

        g_assert_null(settings);
        g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS);
        if (!strstr(error->message, cases[i].says)) {
            g_test_message("%s: %s", cases[i].metadata, error->message);
            g_test_fail();
        }
    }
}

static void G_GNUC_PRINTF(2, 3) say_nothing(void *opaque, const char *format, ...)
{
}

/* Whether <memory> with these settings, as XML, fits the schema file. */
static bool schema_takes(xmlRelaxNG *schema, const char *xml)
{
    xmlRelaxNGValidCtxt *validator = xmlRelaxNGNewValidCtxt(schema);
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, 0);
    bool takes;

    g_assert_nonnull(doc);
    xmlRelaxNGSetValidErrors(validator, say_nothing, say_nothing, NULL);
    takes = xmlRelaxNGValidateDoc(validator, doc) == 0;
    xmlFreeDoc(doc);
    xmlRelaxNGFreeValidCtxt(validator);
    return takes;
}

static void reader_and_schema_agree(void)
{
    static const struct {
        const char *xml;
        bool good;
    } cases[] = {
        {T("", ""), true},
        {T(" required='no'", "<t:weight>1000</t:weight><t:mode>on</t:mode>"), true},
        {T("", "<t:fast-min unit='KB'>0</t:fast-min><t:pin-limit unit='bytes'>1</t:pin-limit>"), true},
        {T("", "<t:fast-max unit='%'>12.5</t:fast-max><t:slowdown unit='%'>0</t:slowdown>"), true},
        {T("", "<t:granule unit='MiB'>2</t:granule><t:sources>damon , rwp</t:sources>"), true},
        {T("", "<t:tiers>0-1,3;2;4;1023</t:tiers><t:emulator>\n /usr/bin/x\n</t:emulator><t:before emulator=''/>"),
         true},
        {T("", "<t:hints>off</t:hints><t:hugepages>collapse</t:hugepages><t:placement>interleave</t:placement>"), true},
        {T("", "<t:weight>0</t:weight>"), false},
        {T("", "<t:fast-max unit='%'>100.1</t:fast-max>"), false},
        {T("", "<t:fast-max unit='%'>-1</t:fast-max>"), false},
        {T("", "<t:fast-max unit='MiB'>1.5</t:fast-max>"), false},
        {T("", "<t:fast-max>1</t:fast-max>"), false},
        {T("", "<t:slowdown unit='MiB'>1</t:slowdown>"), false},
        {T("", "<t:granule unit='KiB'>2</t:granule>"), false},
        {T("", "<t:tiers>0;1;2;3;4</t:tiers>"), false},
        {T("", "<t:sources>pebs</t:sources>"), false},
        {T("", "<t:emulator>qemu</t:emulator>"), false},
        {T("", "<t:mode>on</t:mode><t:mode>on</t:mode>"), false},
        {T(" required='1'", ""), false},
        {T("", "<t:memory/>"), false},
    };
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "..", "libvirt-hooks", "tier.rng", NULL);
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(path);
    xmlRelaxNG *schema = xmlRelaxNGParse(parser);

    g_assert_nonnull(schema);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Settings) settings = from_metadata(cases[i].xml, NULL);

        g_test_message("%s", cases[i].xml);
        g_assert_cmpint(settings != NULL, ==, cases[i].good);
        g_assert_cmpint(schema_takes(schema, cases[i].xml), ==, cases[i].good);
    }
    xmlRelaxNGFree(schema);
    xmlRelaxNGFreeParserCtxt(parser);
}

static void a_copy_has_all_and_stands_alone(void)
{
    g_autoptr(Settings) copy = NULL;
    Settings *settings = settings_new();

    set(settings, SETTING_TIERS, "0;1");
    set(settings, SETTING_WEIGHT, "7");
    settings->old_emulator = g_strdup("/usr/bin/kvm");
    settings->had_empty_metadata = true;
    copy = settings_copy(settings);
    settings_free(settings);
    g_assert_cmpuint(copy->weight, ==, 7);
    g_assert_cmpstr(copy->tiers[1], ==, "1");
    g_assert_cmpstr(copy->old_emulator, ==, "/usr/bin/kvm");
    g_assert_true(copy->had_empty_metadata);
}

static void text_for_libvirt_reads_back(void)
{
    g_autoptr(Settings) settings = settings_new(), again = NULL;
    g_autofree char *text = NULL, *in_namespace = NULL;
    g_autoptr(GError) error = NULL;

    set(settings, SETTING_REQUIRED, "yes");
    set(settings, SETTING_FAST_MAX, "12.5%");
    set(settings, SETTING_EMULATOR, "/opt/a&<b>\"c\"");
    text = settings_to_text(settings);
    g_assert_true(g_str_has_prefix(text, "<memory required=\"yes\">"));
    in_namespace = g_strconcat("<memory xmlns='" TIER_NS "'", text + strlen("<memory"), NULL);
    again = from_metadata(in_namespace, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->text[SETTING_EMULATOR], ==, "/opt/a&<b>\"c\"");
    g_assert_cmpstr(again->text[SETTING_FAST_MAX], ==, "12.5%");
    g_assert_true(again->required);
}

static void examples_are_as_they_should_be(void)
{
    static const char *const files[] = {"settings-quarter.xml", "settings-slowdown.xml", "settings-all.xml"};

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path =
            g_test_build_filename(G_TEST_DIST, "..", "..", "libvirt-hooks", "examples", files[i], NULL);
        g_autofree char *text = NULL, *in_namespace = NULL;
        g_autoptr(Settings) settings = NULL;
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) parts = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        parts = g_strsplit(text, "<memory", 2);
        in_namespace = g_strjoinv("<memory xmlns='" TIER_NS "'", parts);
        settings = from_metadata(in_namespace, &error);
        g_assert_no_error(error);
        settings_check(settings, 16 * GIB, &error);
        g_assert_no_error(error);
        for (SettingId id = 0; strcmp(files[i], "settings-all.xml") == 0 && id < N_SETTINGS; id++) {
            g_assert_nonnull(settings->text[id]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/libvirt/settings/means_what_it_says", means_what_it_says);
    g_test_add_func("/libvirt/settings/takes_no_value_that_is_not_allowed", takes_no_value_that_is_not_allowed);
    g_test_add_func("/libvirt/settings/what_contradicts_is_refused_by_name", what_contradicts_is_refused_by_name);
    g_test_add_func("/libvirt/settings/nodes_that_the_host_lacks_are_refused", nodes_that_the_host_lacks_are_refused);
    g_test_add_func("/libvirt/settings/reads_what_people_write", reads_what_people_write);
    g_test_add_func("/libvirt/settings/what_is_wrong_in_xml_is_named", what_is_wrong_in_xml_is_named);
    g_test_add_func("/libvirt/settings/reader_and_schema_agree", reader_and_schema_agree);
    g_test_add_func("/libvirt/settings/a_copy_has_all_and_stands_alone", a_copy_has_all_and_stands_alone);
    g_test_add_func("/libvirt/settings/text_for_libvirt_reads_back", text_for_libvirt_reads_back);
    g_test_add_func("/libvirt/settings/examples_are_as_they_should_be", examples_are_as_they_should_be);
    return g_test_run();
}
