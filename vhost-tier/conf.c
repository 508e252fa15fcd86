/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file: one table says which keys there are, of what kind, within which limits, and
 * where they go.
 */
#include "conf.h"

#include <math.h>
#include <string.h>

#include "sources/damon-sysfs.h"

typedef enum KeyKind {
    KEY_SIZE,       /* uint64_t, bytes */
    KEY_NUMBER,     /* uint64_t */
    KEY_REAL,       /* double */
    KEY_AMOUNT,     /* ConfigAmount */
    KEY_TEXT,       /* char * */
    KEY_LIST,       /* char **, non-empty items */
    KEY_FLAG,       /* bool: yes or no */
} KeyKind;

typedef struct Key {
    const char *group;
    const char *name;
    KeyKind kind;
    size_t offset;
    const char *preset;             /* the default as it would be written in the file; NULL: none */
    double min, max;
    const char *allowed;
} Key;

#define AT(field) offsetof(Config, field)

static const Key keys[] = {
    {"host", "tiers", KEY_LIST, AT(tiers), NULL, 0, 0, "node lists, the fastest first: 0-1;2"},
    {"host", "fast-capacity", KEY_SIZE, AT(fast_capacity), "0", 0, 0x1p60, "a size such as 64G"},
    {"host", "reserve", KEY_AMOUNT, AT(reserve), "5%", 0, 0x1p60, "a size such as 2G, or a share such as 5%"},
    {"host", "control-group", KEY_TEXT, AT(control_group), NULL, 0, 0, "the name of a group"},
    {"host", "epoch-ms", KEY_NUMBER, AT(epoch_ms), "1000", 50, 60000, "50 to 60000"},
    {"host", "max-bytes-per-s", KEY_SIZE, AT(max_bytes_per_s), "256M", 0, 0x1p60,
     "a size such as 256M; 0: no limit"},
    {"host", "max-vm-size", KEY_SIZE, AT(max_vm_size), "0", 0, 0x1p60,
     "a size such as 2T; 0: twice the host's memory"},
    {"host", "trace-dir", KEY_TEXT, AT(trace_dir), "/var/lib/vhost-tier", 0, 0, "an absolute path"},
    {"costs", "latency-ns", KEY_LIST, AT(latency_ns), NULL, 0, 0, "one number per tier: 100;250"},
    {"costs", "watch-latency", KEY_FLAG, AT(watch_latency), "yes", 0, 0, "yes or no"},
    {"costs", "move-4k-ns", KEY_NUMBER, AT(move_4k_ns), "0", 0, 1e9, "0 (measure) to 1000000000"},
    {"costs", "move-2m-ns", KEY_NUMBER, AT(move_2m_ns), "0", 0, 4e9, "0 (measure) to 4000000000"},
    {"costs", "huge-walk-ns", KEY_NUMBER, AT(huge_walk_ns), "0", 0, 1e6, "0 to 1000000"},
    {"sources", "enable", KEY_LIST, AT(sources), NULL, 0, 0, "names of sources: damon;rwp;wp;chmu"},
    {"sources", "overhead-share", KEY_REAL, AT(overhead_share), "0.01", 0.0001, 0.5, "0.0001 to 0.5"},
    {"sources", "fault-ns", KEY_NUMBER, AT(fault_ns), "0", 0, 1e8, "0 (measure) to 100000000"},
    {"sources", "damon-sample-ms", KEY_NUMBER, AT(damon_sample_ms), "5", 1, 10000, "1 to 10000"},
    {"sources", "damon-aggr-ms", KEY_NUMBER, AT(damon_aggr_ms), "100", 10, 600000,
     "10 to 600000, and no less than damon-sample-ms"},
    {"sources", "damon-max-regions", KEY_NUMBER, AT(damon_max_regions), "1000", 10, 100000, "10 to 100000"},
    {"sources", "damon-ops", KEY_TEXT, AT(damon_ops), "auto", 0, 0, "auto, fvaddr, vaddr or paddr"},
    {"sources", "chmu-take", KEY_FLAG, AT(chmu_take), "no", 0, 0, "yes or no"},
    {"hints", "enable", KEY_FLAG, AT(hints), "yes", 0, 0, "yes or no"},
    {"hints", "max-ranges-per-s", KEY_NUMBER, AT(max_hint_ranges_per_s), "200000", 0, UINT32_MAX,
     "0 (no limit) to 4294967295"},
    {"hints", "pin-share", KEY_AMOUNT, AT(pin_share), "10%", 0, 0x1p60, "a share such as 10%, or a size such as 1G"},
    {"policy", "touch-accesses", KEY_NUMBER, AT(touch_accesses), "16", 1, 65536, "1 to 65536"},
    {"policy", "heat-half-life-s", KEY_REAL, AT(heat_half_life_s), "30", 0.25, 86400, "0.25 to 86400"},
    {"policy", "heat-life-s", KEY_REAL, AT(heat_life_s), "60", 0.25, 86400, "0.25 to 86400"},
};

GQuark config_error_quark(void)
{
    return g_quark_from_static_string("vhost-tier-config");
}

bool config_parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    uint64_t n;
    unsigned shift = 0;

    if (!g_ascii_isdigit(*text)) {
        return false;
    }
    n = g_ascii_strtoull(text, &end, 10);
    if (*end) {
        const char *unit = strchr(units, g_ascii_toupper(*end));

        if (!unit || end[1]) {
            return false;
        }
        shift = 10 * (unsigned)(unit - units + 1);
    }
    /* strtoull saturates, so a number too large for 64 bits is caught here, too. */
    if (n > (UINT64_MAX >> 1) >> shift) {
        return false;
    }
    *bytes = n << shift;
    return true;
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;

    if (!g_ascii_isdigit(*text)) {
        return false;
    }
    *number = g_ascii_strtoull(text, &end, 10);
    return !*end;
}

static bool parse_real(const char *text, double *number)
{
    char *end;

    *number = g_ascii_strtod(text, &end);
    return end != text && !*end && isfinite(*number);
}

static bool parse_amount(const char *text, ConfigAmount *amount)
{
    size_t len = strlen(text);

    if (len > 1 && text[len - 1] == '%') {
        g_autofree char *share = g_strndup(text, len - 1);

        amount->bytes = 0;
        return parse_real(share, &amount->percent) && amount->percent >= 0 && amount->percent <= 90;
    }
    amount->percent = 0;
    return config_parse_size(text, &amount->bytes);
}

/* Items between semicolons, stripped; one empty item at the end is allowed, as key files have it. */
static bool parse_list(const char *text, char ***list)
{
    g_auto(GStrv) items = g_strsplit(text, ";", -1);
    guint n = g_strv_length(items);

    if (n > 1 && !*g_strstrip(items[n - 1])) {
        g_clear_pointer(&items[--n], g_free);
    }
    for (guint i = 0; i < n; i++) {
        if (!*g_strstrip(items[i])) {
            return false;
        }
    }
    if (n == 0) {
        return false;
    }
    g_strfreev(*list);
    *list = g_steal_pointer(&items);
    return true;
}

/* Put @text into the field that @key stands for; false when it is not allowed. */
static bool key_set(Config *config, const Key *key, const char *text)
{
    void *field = (char *)config + key->offset;

    switch (key->kind) {
    case KEY_SIZE:
        return config_parse_size(text, field) && *(uint64_t *)field >= key->min &&
               *(uint64_t *)field <= key->max;
    case KEY_NUMBER:
        return parse_number(text, field) && *(uint64_t *)field >= key->min && *(uint64_t *)field <= key->max;
    case KEY_REAL:
        return parse_real(text, field) && *(double *)field >= key->min && *(double *)field <= key->max;
    case KEY_AMOUNT:
        return parse_amount(text, field);
    case KEY_TEXT:
        if (!*text) {
            return false;
        }
        g_free(*(char **)field);
        *(char **)field = g_strdup(text);
        return true;
    case KEY_LIST:
        return parse_list(text, field);
    case KEY_FLAG:
        *(bool *)field = !strcmp(text, "yes");
        return !strcmp(text, "yes") || !strcmp(text, "no");
    }
    g_assert_not_reached();
}

static bool value_error(const char *path, const char *group, const char *key, const char *value,
                        const char *allowed, GError **errp)
{
    g_set_error(errp, CONFIG_ERROR, CONFIG_ERROR_VALUE, "%s: [%s] %s=%s is not allowed; allowed: %s", path,
                group, key, value, allowed);
    return false;
}

/* What one key alone can't tell. */
static bool check_together(Config *config, const char *path, GError **errp)
{
    DamonOps ops;

    for (guint i = 0; config->latency_ns && config->latency_ns[i]; i++) {
        uint64_t ns;

        if (i >= POLICY_MAX_TIERS || !parse_number(config->latency_ns[i], &ns) || ns < 1 || ns > 1000000) {
            return value_error(path, "costs", "latency-ns", config->latency_ns[i],
                               "up to 4 numbers of 1 to 1000000, one for each tier: 100;250", errp);
        }
        config->latencies[i] = (uint32_t)ns;
    }
    if (config->damon_aggr_ms < config->damon_sample_ms) {
        g_autofree char *value = g_strdup_printf("%" G_GUINT64_FORMAT, config->damon_aggr_ms);

        return value_error(path, "sources", "damon-aggr-ms", value, "no less than damon-sample-ms", errp);
    }
    if (!damon_ops_parse(config->damon_ops, &ops)) {
        return value_error(path, "sources", "damon-ops", config->damon_ops, "auto, fvaddr, vaddr or paddr",
                           errp);
    }
    if (!g_path_is_absolute(config->trace_dir)) {
        return value_error(path, "host", "trace-dir", config->trace_dir, "an absolute path", errp);
    }
    return true;
}

/* Names of groups (@group NULL) or of a group's keys, for error texts. */
static char *known_names(const char *group)
{
    g_autoptr(GString) names = g_string_new(NULL);
    const char *last = "";

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *name = group ? keys[i].name : keys[i].group;

        if ((group && strcmp(group, keys[i].group) != 0) || !strcmp(name, last)) {
            continue;
        }
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
        last = name;
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static bool group_load(Config *config, GKeyFile *file, const char *path, const char *group, GError **errp)
{
    g_auto(GStrv) names = g_key_file_get_keys(file, group, NULL, errp);
    g_autofree char *known = known_names(group);

    if (!names) {
        return false;
    }
    if (!*known) {
        g_autofree char *groups = known_names(NULL);

        g_set_error(errp, CONFIG_ERROR, CONFIG_ERROR_UNKNOWN, "%s: there is no group [%s]; there are: %s",
                    path, group, groups);
        return false;
    }
    for (char **name = names; *name; name++) {
        g_autofree char *value = g_key_file_get_value(file, group, *name, errp);
        const Key *key = NULL;

        if (!value) {
            return false;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(keys) && !key; i++) {
            key = !strcmp(keys[i].group, group) && !strcmp(keys[i].name, *name) ? &keys[i] : NULL;
        }
        if (!key) {
            g_set_error(errp, CONFIG_ERROR, CONFIG_ERROR_UNKNOWN,
                        "%s: group [%s] has no key '%s'; it has: %s", path, group, *name, known);
            return false;
        }
        g_strstrip(value);
        if (!key_set(config, key, value)) {
            return value_error(path, group, *name, value, key->allowed, errp);
        }
    }
    return true;
}

Config *config_parse(const char *text, gsize len, const char *path, GError **errp)
{
    g_autoptr(Config) config = g_new0(Config, 1);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_auto(GStrv) groups = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        bool ok = !keys[i].preset || key_set(config, &keys[i], keys[i].preset);

        g_assert(ok);
    }
    /* GLib refuses a file of no bytes at all; for us that is one that leaves every default. */
    if (len > 0) {
        g_autoptr(GError) err = NULL;

        if (!g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, &err)) {
            g_set_error(errp, CONFIG_ERROR, CONFIG_ERROR_FILE,
                        "%s: %s; lines are '[group]', 'key=value' or '# comment'", path, err->message);
            return NULL;
        }
        groups = g_key_file_get_groups(file, NULL);
        for (char **group = groups; *group; group++) {
            if (!group_load(config, file, path, *group, errp)) {
                return NULL;
            }
        }
    }
    return check_together(config, path, errp) ? g_steal_pointer(&config) : NULL;
}

Config *config_load(const char *path, bool optional, GError **errp)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    gsize len = 0;

    if (!g_file_get_contents(path, &text, &len, &err)) {
        if (!optional || !g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            g_set_error(errp, CONFIG_ERROR, CONFIG_ERROR_FILE, "cannot read the configuration: %s",
                        err->message);
            return NULL;
        }
    }
    return config_parse(text, len, path, errp);
}

void config_free(Config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        void *field = (char *)config + keys[i].offset;

        if (keys[i].kind == KEY_TEXT) {
            g_free(*(char **)field);
        } else if (keys[i].kind == KEY_LIST) {
            g_strfreev(*(char ***)field);
        }
    }
    g_free(config);
}
