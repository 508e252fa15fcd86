/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tier settings: one table says which there are, of what kind, and what they may be; see settings.h.
 */
#include "libvirt-hooks/settings.h"

#include <math.h>
#include <string.h>

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/units.h"
#include "machine/topology.h"

#define PAGE_BYTES 4096u
#define HUGEPAGE_BYTES (2u << 20)
#define WEIGHT_MAX 1000u
#define MAX_SOURCES 8u

typedef enum Kind {
    KIND_FLAG,          /* bool: one of two words, the first of which means true */
    KIND_CHOICE,        /* an enumeration's number: the word's place among the choices */
    KIND_WORD,          /* one of the choices, of which the text alone is kept */
    KIND_AMOUNT,        /* SettingsAmount */
    KIND_SIZE,          /* uint64_t, bytes: one of the choices */
    KIND_NUMBER,        /* uint32_t, 1 to WEIGHT_MAX */
    KIND_SHARE,         /* double, 0 to 1, written in per cent */
    KIND_TIERS,         /* char **, node lists */
    KIND_NAMES,         /* char **, some of the choices */
    KIND_PATH,          /* an absolute path, of which the text alone is kept */
} Kind;

typedef struct Setting {
    const char *name;
    Kind kind;
    size_t offset;
    const char *choices[5];
    const char *allowed;
    const char *preset;         /* the default, in words */
} Setting;

#define AT(field) offsetof(Settings, field)

#define AMOUNT(like) "a size with its unit, such as " like ", or a share of the memory from 0% to 100%"

static const Setting table[N_SETTINGS] = {
    [SETTING_REQUIRED] = {"required", KIND_FLAG, AT(required), {"yes", "no"}, "yes or no", "no"},
    [SETTING_MODE] = {"mode", KIND_CHOICE, AT(mode), {"off", "observe", "on"}, "on, observe or off", "on"},
    [SETTING_FAST_MIN] = {"fast-min", KIND_AMOUNT, AT(fast_min), {NULL}, AMOUNT("512MiB"), "0%"},
    [SETTING_FAST_MAX] = {"fast-max", KIND_AMOUNT, AT(fast_max), {NULL}, AMOUNT("4GiB"), "50%"},
    [SETTING_WEIGHT] = {"weight", KIND_NUMBER, AT(weight), {NULL}, "1 to 1000", "100"},
    [SETTING_SLOWDOWN] = {"slowdown", KIND_SHARE, AT(slowdown), {NULL},
                          "a share of the time from 0% (no target) to 100%", "0%"},
    [SETTING_PLACEMENT] = {"placement", KIND_WORD, 0, {"interleave", "fast-first", "slow-first"},
                           "interleave, fast-first or slow-first", "interleave"},
    [SETTING_GRANULE] = {"granule", KIND_SIZE, AT(granule), {"4KiB", "2MiB"}, "4KiB or 2MiB", "as hugepages has it"},
    [SETTING_HUGEPAGES] = {"hugepages", KIND_CHOICE, AT(hugepages), {"off", "collapse", "hugetlb"},
                           "off, collapse or hugetlb", "off"},
    [SETTING_TIERS] = {"tiers", KIND_TIERS, AT(tiers), {NULL},
                       "one to four lists of NUMA nodes, the fastest first, that do not overlap, such as 0-1;2",
                       "the host's"},
    [SETTING_HINTS] = {"hints", KIND_FLAG, AT(hints), {"on", "off"}, "on or off", "off"},
    [SETTING_PIN_LIMIT] = {"pin-limit", KIND_AMOUNT, AT(pin_limit), {NULL}, AMOUNT("64MiB"), "0%"},
    [SETTING_SOURCES] = {"sources", KIND_NAMES, AT(sources), {"damon", "rwp", "wp", "chmu"},
                         "names out of damon, rwp, wp and chmu, each once, with commas between",
                         "all that the host has"},
    [SETTING_EMULATOR] = {"emulator", KIND_PATH, 0, {NULL},
                          "the absolute path of a QEMU that has memory-backend-tier", "the domain's"},
};

const char *setting_name(SettingId id)
{
    return table[id].name;
}

const char *setting_allowed(SettingId id)
{
    return table[id].allowed;
}

const char *setting_default(SettingId id)
{
    return table[id].preset;
}

SettingId setting_by_name(const char *name)
{
    SettingId id = 0;

    while (id < N_SETTINGS && strcmp(table[id].name, name) != 0) {
        id++;
    }
    return id;
}

/* The place of a word among a setting's choices, or -1. */
static int choice(const Setting *setting, const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(setting->choices) && setting->choices[i]; i++) {
        if (strcmp(setting->choices[i], word) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* "12.5%" as 12.5; false unless it is a plain number from 0 to 100 with a per cent sign. */
static bool parse_percent(const char *text, double *percent)
{
    size_t digits = strspn(text, "0123456789.");
    char *end;

    *percent = g_ascii_strtod(text, &end);
    return g_ascii_isdigit(*text) && end == text + digits && g_ascii_isdigit(end[-1]) && strcmp(end, "%") == 0 &&
           *percent <= 100;
}

static bool parse_size(const char *text, uint64_t *bytes)
{
    size_t digits = strspn(text, "0123456789");
    g_autofree char *number = g_strndup(text, digits);

    return units_parse(number, text + digits, bytes);
}

static bool parse_amount(const char *text, SettingsAmount *amount)
{
    SettingsAmount parsed = {.percent = -1};

    if (!parse_size(text, &parsed.bytes) && !parse_percent(text, &parsed.percent)) {
        return false;
    }
    *amount = parsed;
    return true;
}

/* Whether node lists can be tiers on some host; whether on this one, settings_check_host() says. */
static bool parse_tiers(const char *text, char ***tiers)
{
    g_auto(GStrv) lists = g_strsplit(text, ";", TIER_MAX_TIERS + 1);
    uint64_t all[TIER_NODE_WORDS] = {0};
    guint n = g_strv_length(lists);

    for (guint i = 0; i < n; i++) {
        uint64_t nodes[TIER_NODE_WORDS], any = 0;

        if (!node_list_parse(g_strstrip(lists[i]), nodes, NULL)) {
            return false;
        }
        for (size_t word = 0; word < TIER_NODE_WORDS; word++) {
            if (all[word] & nodes[word]) {
                return false;
            }
            all[word] |= nodes[word];
            any |= nodes[word];
        }
        if (!any) {
            return false;
        }
    }
    if (n < 1 || n > TIER_MAX_TIERS) {
        return false;
    }
    g_strfreev(*tiers);
    *tiers = g_steal_pointer(&lists);
    return true;
}

static bool parse_names(const Setting *setting, const char *text, char ***names)
{
    g_auto(GStrv) words = g_strsplit(text, ",", MAX_SOURCES + 1);

    for (char **word = words; *word; word++) {
        if (choice(setting, g_strstrip(*word)) < 0) {
            return false;
        }
        for (char **other = words; other < word; other++) {
            if (strcmp(*other, *word) == 0) {
                return false;
            }
        }
    }
    if (!*words) {
        return false;
    }
    g_strfreev(*names);
    *names = g_steal_pointer(&words);
    return true;
}

static bool parse_number(const char *text, uint32_t *number)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, 1, WEIGHT_MAX, &value, NULL)) {
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

/* What a path may be made of: it goes into an XML element of libvirt's, and to exec(). */
static bool is_path(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (g_ascii_iscntrl(*p)) {
            return false;
        }
    }
    return *text == '/' && text[1] && g_utf8_validate(text, -1, NULL);
}

/* Put @text into the field that @setting stands for; false, with nothing changed, when it is not allowed. */
static bool parse(Settings *settings, const Setting *setting, const char *text)
{
    void *field = (char *)settings + setting->offset;
    double percent;
    int chosen;

    switch (setting->kind) {
    case KIND_FLAG:
        chosen = choice(setting, text);
        *(bool *)field = chosen < 0 ? *(bool *)field : chosen == 0;
        return chosen >= 0;
    case KIND_CHOICE:
        chosen = choice(setting, text);
        *(unsigned *)field = chosen < 0 ? *(unsigned *)field : (unsigned)chosen;
        return chosen >= 0;
    case KIND_WORD:
        return choice(setting, text) >= 0;
    case KIND_AMOUNT:
        return parse_amount(text, field);
    case KIND_SIZE:
        return choice(setting, text) >= 0 && parse_size(text, field);
    case KIND_NUMBER:
        return parse_number(text, field);
    case KIND_SHARE:
        if (!parse_percent(text, &percent)) {
            return false;
        }
        *(double *)field = percent / 100;
        return true;
    case KIND_TIERS:
        return parse_tiers(text, field);
    case KIND_NAMES:
        return parse_names(setting, text, field);
    case KIND_PATH:
        return is_path(text);
    }
    g_assert_not_reached();
}

Settings *settings_new(void)
{
    Settings *settings = g_new0(Settings, 1);

    for (SettingId id = 0; id < N_SETTINGS; id++) {
        settings_clear(settings, id);
    }
    return settings;
}

Settings *settings_copy(const Settings *settings)
{
    Settings *copy = settings_new();

    for (SettingId id = 0; id < N_SETTINGS; id++) {
        if (settings->text[id]) {
            settings_set(copy, id, settings->text[id], NULL);
        }
    }
    copy->old_emulator = g_strdup(settings->old_emulator);
    copy->had_empty_metadata = settings->had_empty_metadata;
    return copy;
}

void settings_free(Settings *settings)
{
    if (settings) {
        for (SettingId id = 0; id < N_SETTINGS; id++) {
            g_free(settings->text[id]);
        }
        g_strfreev(settings->tiers);
        g_strfreev(settings->sources);
        g_free(settings->old_emulator);
        g_free(settings);
    }
}

bool settings_set(Settings *settings, SettingId id, const char *text, GError **errp)
{
    g_autofree char *stripped = g_strstrip(g_strdup(text));

    if (!parse(settings, &table[id], stripped)) {
        g_autofree char *shown = g_strescape(stripped, NULL);

        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS, "%s '%.80s' is not allowed; allowed: %s", table[id].name,
                    shown, table[id].allowed);
        return false;
    }
    g_free(settings->text[id]);
    settings->text[id] = g_steal_pointer(&stripped);
    return true;
}

void settings_clear(Settings *settings, SettingId id)
{
    static const Settings defaults = {
        .mode = TIER_MODE_ON,
        .fast_max = {.percent = 50},
        .weight = 100,
        .granule = PAGE_BYTES,
    };
    static const size_t sizes[] = {
        [KIND_FLAG] = sizeof(bool),
        [KIND_CHOICE] = sizeof(unsigned),
        [KIND_WORD] = 0,
        [KIND_AMOUNT] = sizeof(SettingsAmount),
        [KIND_SIZE] = sizeof(uint64_t),
        [KIND_NUMBER] = sizeof(uint32_t),
        [KIND_SHARE] = sizeof(double),
        [KIND_TIERS] = sizeof(char **),
        [KIND_NAMES] = sizeof(char **),
        [KIND_PATH] = 0,
    };
    const Setting *setting = &table[id];

    if (setting->kind == KIND_TIERS || setting->kind == KIND_NAMES) {
        g_strfreev(*(char ***)((char *)settings + setting->offset));
    }
    memcpy((char *)settings + setting->offset, (const char *)&defaults + setting->offset, sizes[setting->kind]);
    g_clear_pointer(&settings->text[id], g_free);
}

uint64_t settings_bytes(const Settings *settings, const SettingsAmount *amount, uint64_t memory)
{
    uint64_t granule = settings->hugepages == TIER_HUGEPAGES_HUGETLB ? HUGEPAGE_BYTES : PAGE_BYTES;
    uint64_t bytes =
        amount->percent < 0 ? amount->bytes : (uint64_t)floorl((long double)memory * amount->percent / 100);

    return bytes / granule * granule;
}

uint64_t settings_fast_max(const Settings *settings, uint64_t memory)
{
    return settings_bytes(settings, &settings->fast_max, memory);
}

static bool refuse(GError **errp, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(GError **errp, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error_literal(errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS, text);
    return false;
}

/* A setting in a message: its text, or its default's. */
static const char *shown(const Settings *settings, SettingId id)
{
    return settings->text[id] ? settings->text[id] : table[id].preset;
}

static bool check_pages(const Settings *settings, uint64_t memory, GError **errp)
{
    bool hugetlb = settings->hugepages == TIER_HUGEPAGES_HUGETLB;

    if (settings->text[SETTING_GRANULE] && (settings->granule == HUGEPAGE_BYTES) != hugetlb) {
        return refuse(
            errp,
            "granule '%s' and hugepages '%s' contradict each other: reserved huge pages (hugetlb) are tracked and moved as "
            "2MiB, all others as 4KiB; leave granule out",
            settings->text[SETTING_GRANULE], shown(settings, SETTING_HUGEPAGES));
    }
    if (hugetlb && memory % HUGEPAGE_BYTES) {
        return refuse(errp, "hugepages 'hugetlb' needs memory in whole huge pages, and the domain's %" G_GUINT64_FORMAT
                            " MiB are an odd number: make <memory> a multiple of 2 MiB, or use 'collapse'",
                      memory >> 20);
    }
    return true;
}

bool settings_check(const Settings *settings, uint64_t memory, GError **errp)
{
    static const struct {
        SettingId id;
        size_t offset;
    } amounts[] = {
        {SETTING_FAST_MIN, AT(fast_min)},
        {SETTING_FAST_MAX, AT(fast_max)},
        {SETTING_PIN_LIMIT, AT(pin_limit)},
    };
    uint64_t most = settings_fast_max(settings, memory);

    for (size_t i = 0; i < G_N_ELEMENTS(amounts); i++) {
        const SettingsAmount *amount = (const void *)((const char *)settings + amounts[i].offset);

        if (settings_bytes(settings, amount, memory) > memory) {
            return refuse(errp,
                          "%s '%s' is more than the domain's memory, %" G_GUINT64_FORMAT " MiB: make it at most that",
                          table[amounts[i].id].name, settings->text[amounts[i].id], memory >> 20);
        }
    }
    if (settings_bytes(settings, &settings->fast_min, memory) > most) {
        return refuse(errp, "fast-min '%s' is above fast-max '%s'%s: lower the one or raise the other",
                      settings->text[SETTING_FAST_MIN], shown(settings, SETTING_FAST_MAX),
                      settings->text[SETTING_FAST_MAX] ? "" : " (its default)");
    }
    if (settings_bytes(settings, &settings->pin_limit, memory) > most) {
        return refuse(
            errp,
            "pin-limit '%s' is above fast-max '%s'%s: what the guest pins must fit into its fast memory; lower the "
            "one or raise the other",
            settings->text[SETTING_PIN_LIMIT], shown(settings, SETTING_FAST_MAX),
            settings->text[SETTING_FAST_MAX] ? "" : " (its default)");
    }
    if (settings->text[SETTING_PIN_LIMIT] && !settings->hints) {
        return refuse(errp, "pin-limit '%s' is of use only with hints: set hints to 'on', or leave pin-limit out",
                      settings->text[SETTING_PIN_LIMIT]);
    }
    return check_pages(settings, memory, errp);
}

bool settings_check_host(const Settings *settings, const char *sysfs, GError **errp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Topology) topology = NULL;

    if (!settings->tiers) {
        return true;
    }
    topology = topology_from_config(sysfs, (const char *const *)settings->tiers, &error);
    if (!topology) {
        return refuse(errp, "tiers '%s' can't be had on this host: %s", settings->text[SETTING_TIERS], error->message);
    }
    if (topology->n_tiers == 1 && settings->mode == TIER_MODE_ON) {
        return refuse(
            errp,
            "mode 'on' needs at least two tiers, and tiers '%s' names one, so that nothing could move: name more, or set "
            "mode to 'observe'",
            settings->text[SETTING_TIERS]);
    }
    return true;
}
