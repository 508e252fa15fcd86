/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what reads and rewrites a libvirt domain's XML. With clang's -fsanitize=fuzzer the entry point is all that
 * is needed; built with FUZZ_MAIN it has inputs of its own for fuzz-main.c: a tiered domain, mutated.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "libvirt-hooks/rewrite.h"

#define MAX_BYTES 65536u

/* What was made tiered is found so, stays so when that is done again, and is ordinary afterwards. */
static void enable_and_disable(Domain *domain, const Settings *settings)
{
    g_autofree char *twice = NULL, *thrice = NULL;
    g_autoptr(Settings) found = NULL;
    g_autoptr(GError) error = NULL;

    if (!rewrite_enable(domain, settings, &error)) {
        g_assert_nonnull(error);
        return;
    }
    rewrite_settings(domain, &found, &error);
    g_assert_no_error(error);
    g_assert_true(rewrite_agrees(domain, found, NULL));
    g_assert_true(rewrite_enable(domain, found, NULL));     /* brings a namespace's prefix into the form of ours */
    twice = domain_format(domain);
    g_assert_true(rewrite_enable(domain, found, NULL));
    thrice = domain_format(domain);
    g_assert_cmpstr(twice, ==, thrice);
    rewrite_strip(domain);
    rewrite_disable(domain);
    g_clear_pointer(&found, settings_free);
    g_assert_true(rewrite_settings(domain, &found, NULL));
    g_assert_null(found);
    g_assert_false(rewrite_has_command_line(domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Domain) domain = size <= MAX_BYTES ? domain_parse((const char *)data, size, &error) : NULL;
    g_autoptr(Settings) settings = NULL;

    if (domain && rewrite_settings(domain, &settings, &error)) {
        g_autoptr(Settings) defaults = settings_new();

        enable_and_disable(domain, settings ? settings : defaults);
    }
    return 0;
}

#ifdef FUZZ_MAIN

/* All settings, arguments of others, and others' metadata. */
static const char seed_domain[] =
    "<domain type='kvm' xmlns:qemu='" QEMU_NS "'>\n <name>a</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n"
    " <metadata> <x xmlns='urn:x'>text<y/></x>\n  <tier:memory xmlns:tier='" TIER_NS "' required='yes'>\n"
    "   <tier:mode>observe</tier:mode><tier:fast-min unit='MiB'>64</tier:fast-min><tier:fast-max unit='%'>50</tier:fast-max>\n"
    "   <tier:weight>7</tier:weight> <tier:slowdown unit='%'>2.5</tier:slowdown> <tier:granule unit='KiB'>4</tier:granule>\n"
    "   <tier:tiers>0-1;2</tier:tiers><tier:hints>on</tier:hints><tier:pin-limit unit='KiB'>4</tier:pin-limit>\n"
    "   <tier:sources>damon,rwp</tier:sources><tier:emulator>/q</tier:emulator><tier:before emulator='/p'/>\n"
    "  </tier:memory></metadata>\n <memory unit='MiB'>1024</memory><os><type machine='q35'>hvm</type></os>\n"
    " <numatune><memory mode='strict' nodeset='0-3,^3'/></numatune>\n"
    " <devices><emulator>/q</emulator><rng><address type='pci' slot='0x18' bus='0'/></rng></devices>\n"
    " <qemu:commandline><qemu:env name='A'/><qemu:arg value='-machine'/><qemu:arg value='memory-backend=vhost-tier-ram'/>\n"
    " </qemu:commandline>\n</domain>\n";

static const char *const words[] = {
    "<", ">", "/>", "'", "\"", "&amp;", "&#0;", "&x;", "<!--", "<![CDATA[", "]]>", "<?a?>", "<!DOCTYPE d [<!ENTITY x 'y'>]>",
    "%", "-1", "18446744073709551616", "unit='EiB'", "xmlns:tier='urn:x'", "tier:", "qemu:", "<tier:mode>on</tier:mode>",
    "<qemu:arg/>", "</metadata>", "</tier:memory>", "\xff", "\n", "^", ";", ",",
};

/* One change: a byte, a word put in, or a piece taken out or repeated. */
static void mutate(GString *text, Rng *rng)
{
    size_t at = rng_next(rng) % text->len, length = 1 + rng_next(rng) % MIN(40, text->len - at);

    switch (rng_next(rng) % 4) {
    case 0:
        text->str[at] = (char)rng_next(rng);
        break;
    case 1:
        g_string_insert(text, (gssize)at, words[rng_next(rng) % G_N_ELEMENTS(words)]);
        break;
    case 2:
        if (text->len > length) {
            g_string_erase(text, (gssize)at, (gssize)length);
        }
        break;
    case 3: {
        g_autofree char *piece = g_strndup(text->str + at, length);

        g_string_insert(text, (gssize)(rng_next(rng) % text->len), piece);
        break;
    }
    }
}

GByteArray *fuzz_input(Rng *rng, uint64_t round)
{
    g_autoptr(GString) text = g_string_new(seed_domain);
    GByteArray *bytes = g_byte_array_new();

    if (round == 0) {
        g_autoptr(Domain) sound = domain_parse(seed_domain, strlen(seed_domain), NULL);
        g_autoptr(Settings) settings = NULL;

        g_assert_true(rewrite_settings(sound, &settings, NULL));
        g_assert_true(rewrite_enable(sound, settings, NULL));
    }
    for (uint64_t changes = rng_next(rng) % 4; changes < 4; changes++) {
        mutate(text, rng);
    }
    return g_byte_array_append(bytes, (const uint8_t *)text->str, (guint)text->len);
}

#endif /* FUZZ_MAIN */
