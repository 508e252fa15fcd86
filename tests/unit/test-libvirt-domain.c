/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's XML: what is taken for one, what is refused, and how it is changed without a trace.
 */
#include <glib.h>
#include <string.h>

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/units.h"

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"

static Domain *parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    Domain *domain = domain_parse(xml, strlen(xml), &error);

    g_assert_no_error(error);
    return domain;
}

static void refused(const char *xml, size_t length, const char *says)
{
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();

    g_assert_null(domain_parse(xml, length, &error));
    g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_XML);
    if (!strstr(error->message, says)) {
        g_test_message("%.100s: %s", xml, error->message);
        g_test_fail();
    }
    g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
}

static void no_document_type_is_ever_looked_into(void)
{
    static const char *const documents[] = {
        "<!DOCTYPE domain [<!ENTITY a 'x'>]><domain><name>&a;</name></domain>",
        "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain><name>a</name></domain>",
        "<!DOCTYPE domain PUBLIC '-//a' 'http://127.0.0.1:1/a'><domain><name>a</name></domain>",
        "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>",
        "<!DOCTYPE d [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><domain><name>a</name></domain>",
        "<!DOCTYPE d [<!ATTLIST domain type CDATA 'kvm'>]><domain><name>a</name></domain>",
        "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
        "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
        "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>"
        "<!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'><!ENTITY h '&g;&g;&g;&g;&g;&g;&g;&g;&g;&g;'>]>"
        "<domain type='&h;'><name>&h;</name></domain>",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
        refused(documents[i], strlen(documents[i]), "<!DOCTYPE");
    }
}

static void what_is_no_domain_is_refused(void)
{
    static const struct {
        const char *xml, *says;
    } cases[] = {
        {"", "no well-formed XML"},
        {"   \n", "no well-formed XML"},
        {"hello", "no well-formed XML"},
        {"<domain><name>a</name>", "line 1"},
        {"<domain><name>&nothing;</name></domain>", "no well-formed XML"},
        {"<domain><name>a\xff</name></domain>", "no well-formed XML"},
        {"<domain/>", "<name>"},
        {"<domain><name></name></domain>", "<name>"},
        {"<network><name>a</name></network>", "<name>"},
        {"<domain xmlns='urn:x'><name>a</name></domain>", "<name>"},
        {"<domain><name>a</name><uuid>../../etc</uuid></domain>", "<uuid> '../../etc'"},
        {"<domain><name>a</name><uuid>" UUID "0</uuid></domain>", "<uuid>"},
        {"<domain><name>a</name><uuid>c7a5</uuid></domain>", "<uuid>"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        refused(cases[i].xml, strlen(cases[i].xml), cases[i].says);
    }
    refused("<domain>\0<name>a</name></domain>", sizeof("<domain>\0<name>a</name></domain>") - 1, "no well-formed XML");
}

static void what_is_too_deep_or_too_long_is_refused(void)
{
    g_autofree char *white = g_strnfill(100u << 20, ' ');
    g_autofree char *large = g_strconcat("<domain>", white, "<name>a</name></domain>", NULL);
    g_autoptr(GString) deep = g_string_new("<domain><name>a</name>");

    refused(large, strlen(large), "more than the 16777216");
    for (size_t i = 0; i < 100000; i++) {
        g_string_append(deep, "<a>");
    }
    refused(deep->str, deep->len, "no well-formed XML");
}

static void names_for_the_daemon_are_those_that_it_takes(void)
{
    static const struct {
        const char *name, *vm;
    } cases[] = {
        {"web1", "web1"},
        {"with a space &amp; \"quotes\"", "with a space & \"quotes\""},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {".hidden", UUID},
        {"a/b", UUID},
        {"a&#10;b", UUID},
        {"a&#x85;b", UUID},
        {"123456789012345678901234567890123456789012345678901234567890123",
         "123456789012345678901234567890123456789012345678901234567890123"},
        {"1234567890123456789012345678901234567890123456789012345678901234", UUID},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf("<domain><name>%s</name><uuid>" UUID "</uuid></domain>", cases[i].name);
        g_autoptr(Domain) domain = parse(xml);
        g_autofree char *vm = domain_vm_name(domain);

        g_assert_cmpstr(vm, ==, cases[i].vm);
    }
}

static void memory_is_in_libvirts_units(void)
{
    static const struct {
        const char *memory;
        uint64_t mib;               /* 0: refused */
    } cases[] = {
        {"<memory>1048576</memory>", 1024},
        {"<memory unit='KiB'>1048577</memory>", 1025},
        {"<memory unit='b'>1</memory>", 1},
        {"<memory unit='GB'>1</memory>", 954},
        {"<memory unit='g' dumpCore='off'> 4 </memory>", 4096},
        {"<memory unit='TiB'>8</memory>", 8u << 20},
        {"", 0},
        {"<memory>0</memory>", 0},
        {"<memory>-1</memory>", 0},
        {"<memory>1.5</memory>", 0},
        {"<memory unit='cubits'>1</memory>", 0},
        {"<memory unit=''>1</memory>", 0},
        {"<memory unit='EiB'>16</memory>", 0},
        {"<memory unit='b'>18446744073709551615</memory>", 0},
        {"<memory unit='b'>18446744073709551616</memory>", 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf("<domain><name>a</name>%s</domain>", cases[i].memory);
        g_autoptr(Domain) domain = parse(xml);
        g_autoptr(GError) error = NULL;
        uint64_t bytes;

        g_test_message("%s", cases[i].memory);
        g_assert_cmpint(domain_memory_bytes(domain, &bytes, &error), ==, cases[i].mib > 0);
        if (cases[i].mib) {
            g_assert_cmpuint(bytes, ==, cases[i].mib << 20);
        } else {
            g_assert_error(error, DOMAIN_ERROR, DOMAIN_ERROR_XML);
        }
    }
}

static void an_identity_is_brought_into_one_form(void)
{
    g_autoptr(Domain) domain = parse("<domain><name>a</name><uuid> C7A5FDBDEDAF9455926AD65C16DB1809 </uuid>"
                                     "<devices><emulator> /usr/bin/kvm\n</emulator></devices></domain>");
    g_autoptr(Domain) bare = parse("<domain><name>a</name></domain>");
    g_autofree char *emulator = domain_emulator(domain), *none = domain_emulator(bare);

    g_assert_cmpstr(domain_uuid(domain), ==, UUID);
    g_assert_cmpstr(emulator, ==, "/usr/bin/kvm");
    g_assert_null(domain_uuid(bare));
    g_assert_null(none);
}

/* In each of these, whose <p> is the parent and <a/>, where there is one, the node to stand behind. */
static void what_is_inserted_is_removed_without_a_trace(void)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"<p>\n    <x/>\n  </p>", "<p>\n    <x/>\n    <new/>\n  </p>"},
        {"<p>\n    <a/>\n    <x/>\n  </p>", "<p>\n    <a/>\n    <new/>\n    <x/>\n  </p>"},
        {"<p><a/><x/></p>", "<p><a/>\n    <new/><x/></p>"},
        {"<p/>", "<p>\n    <new/>\n  </p>"},
        {"<p>text</p>", "<p>text\n    <new/></p>"},
        {"<p>\n    <!-- c -->\n  </p>", "<p>\n    <!-- c -->\n    <new/>\n  </p>"},
        {"<p>\n    <x/>text\n  </p>", "<p>\n    <x/>text\n  \n    <new/></p>"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *before = g_strdup_printf("<domain>\n  <name>a</name>\n  %s\n</domain>\n", cases[i].before);
        g_autofree char *wanted = g_strdup_printf("<domain>\n  <name>a</name>\n  %s\n</domain>\n", cases[i].after);
        g_autoptr(Domain) domain = parse(before);
        xmlNode *node = xmlNewNode(NULL, BAD_CAST "new");
        g_autofree char *after = NULL, *left = NULL;

        node_insert(domain_find_first(domain, "/domain/p"), domain_find_first(domain, "/domain/p/a"), node);
        after = domain_format(domain);
        g_assert_cmpstr(after, ==, wanted);
        node_remove(node);
        left = domain_format(domain);
        g_assert_cmpstr(left, ==, before);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/libvirt/domain/no_document_type_is_ever_looked_into", no_document_type_is_ever_looked_into);
    g_test_add_func("/libvirt/domain/what_is_no_domain_is_refused", what_is_no_domain_is_refused);
    g_test_add_func("/libvirt/domain/what_is_too_deep_or_too_long_is_refused", what_is_too_deep_or_too_long_is_refused);
    g_test_add_func("/libvirt/domain/names_for_the_daemon_are_those_that_it_takes",
                    names_for_the_daemon_are_those_that_it_takes);
    g_test_add_func("/libvirt/domain/memory_is_in_libvirts_units", memory_is_in_libvirts_units);
    g_test_add_func("/libvirt/domain/an_identity_is_brought_into_one_form", an_identity_is_brought_into_one_form);
    g_test_add_func("/libvirt/domain/what_is_inserted_is_removed_without_a_trace",
                    what_is_inserted_is_removed_without_a_trace);
    return g_test_run();
}
