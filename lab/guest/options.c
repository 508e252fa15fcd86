/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workload guest's command line: one table of keys, one of patterns. */
#include <stddef.h>

#include "options.h"
#include "guest-abi.h"

typedef struct Key {
    const char *name;
    uint32_t value;         /* offset in Options */
    uint32_t divisor;       /* the same, where N/M may be given; N alone is a percentage; 0: only a number */
    uint32_t min, max;
    uint32_t preset;
} Key;

#define FIELD(name) offsetof(Options, name)
#define MAX_MB ((uint64_t)GUEST_MAX_PAGES * GUEST_PAGE_BYTES >> 20)

static const Key keys[] = {
    {"mb", FIELD(mb), 0, 1, MAX_MB, 28},
    {"hot", FIELD(hot), FIELD(hot_of), 1, 1000000, 0},
    {"share", FIELD(share), 0, 0, 100, 0},
    {"read", FIELD(read), 0, 0, 100, 0},
    {"burst", FIELD(burst), 0, 1, 512, 16},
    {"period", FIELD(period), 0, 1, 86400, 0},
    {"idle", FIELD(idle), 0, 1, 86400, 120},
    {"zipf", FIELD(zipf), 0, 1, 400, 99},
    {"blocks", FIELD(blocks), 0, 1, 100, 25},
    {"every", FIELD(every), 0, 1, GUEST_MAX_PAGES, 7},
    {"offset", FIELD(offset), 0, 0, GUEST_MAX_PAGES, 0},
    {"end", FIELD(end), 0, 0, GUEST_MAX_PAGES, 0},
    {"passes", FIELD(passes), 0, 0, UINT32_MAX, 0},
    {"seconds", FIELD(seconds), 0, 0, UINT32_MAX, 0},
    {"seed", FIELD(seed), 0, 0, UINT32_MAX, 1},
    {"report", FIELD(report), 0, 0, 1, 0},
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* What each pattern takes for keys that were not given. */
typedef struct PatternPreset {
    const char *name;
    uint32_t hot, hot_of, share, period;
} PatternPreset;

static const PatternPreset patterns[PATTERN__MAX] = {
    [PATTERN_GUPS_HOT] = {"gups-hot", 1, 14, 90, 1},
    [PATTERN_GUPS_MOVE] = {"gups-move", 1, 14, 90, 20},
    [PATTERN_YCSB_ZIPF] = {"ycsb-zipf", 1, 14, 90, 1},
    [PATTERN_SCAN_HOT] = {"scan-hot", 10, 100, 80, 1},
    [PATTERN_PHASES] = {"phases", 1, 14, 90, 60},
    [PATTERN_IDLE_BURST] = {"idle-burst", 1, 14, 90, 30},
    [PATTERN_SUBPAGE_SKEW] = {"subpage-skew", 1, 14, 90, 1},
    [PATTERN_LIST] = {"list", 1, 14, 90, 1},
};

static const char *const hints[HINTS__MAX] = {
    "off", "honest", "all-hot", "swapped", "pin-all", "flood", "probe",
};

static const char *pattern_name(uint32_t i)
{
    return i < PATTERN__MAX ? patterns[i].name : NULL;
}

static const char *hints_name(uint32_t i)
{
    return i < HINTS__MAX ? hints[i] : NULL;
}

/* Keys whose value is a name. */
static const struct {
    const char *name;
    uint32_t value;         /* offset in Options */
    const char *(*at)(uint32_t i);
} choices[] = {
    {"pattern", FIELD(pattern), pattern_name},
    {"hints", FIELD(hints), hints_name},
};
#define N_CHOICES (sizeof(choices) / sizeof(choices[0]))

static bool text_equal(const char *name, const char *text, uint32_t len)
{
    uint32_t i = 0;

    while (i < len && name[i] == text[i] && name[i]) {
        i++;
    }
    return i == len && !name[i];
}

static uint32_t text_length(const char *text)
{
    uint32_t n = 0;

    while (text[n]) {
        n++;
    }
    return n;
}

static uint32_t *field(Options *options, uint32_t offset)
{
    return (uint32_t *)(void *)((char *)options + offset);
}

/* Reads digits from @text to @end; false when there are none, anything else, or too many. */
static bool parse_number(const char *text, const char *end, uint32_t *value)
{
    uint64_t n = 0;

    if (text == end) {
        return false;
    }
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        n = n * 10 + (uint32_t)(*text - '0');
        if (n > UINT32_MAX) {
            return false;
        }
    }
    *value = (uint32_t)n;
    return true;
}

static bool parse_value(Options *options, const Key *key, const char *text, const char *end)
{
    uint32_t *value = field(options, key->value);
    const char *slash = text;

    if (!key->divisor) {
        return parse_number(text, end, value) && *value >= key->min && *value <= key->max;
    }
    uint32_t *divisor = field(options, key->divisor);

    while (slash < end && *slash != '/') {
        slash++;
    }
    *divisor = 100;
    if (slash < end && !parse_number(slash + 1, end, divisor)) {
        return false;
    }
    return parse_number(text, slash, value) && *value >= key->min && *divisor <= key->max &&
           *value <= *divisor;
}

static bool parse_choice(uint32_t *value, const char *(*name_at)(uint32_t i), const char *text, const char *end)
{
    const char *name;

    for (uint32_t i = 0; (name = name_at(i)); i++) {
        if (text_equal(name, text, (uint32_t)(end - text))) {
            *value = i;
            return true;
        }
    }
    return false;
}

/* One token, 'key=value'; false when it is refused, with what is allowed in @error. */
static bool parse_token(Options *options, const char *token, const char *end, OptionsError *error)
{
    const char *equals = token;

    while (equals < end && *equals != '=') {
        equals++;
    }
    uint32_t len = (uint32_t)(equals - token);
    const char *text = equals < end ? equals + 1 : end;

    for (uint32_t i = 0; i < N_CHOICES; i++) {
        if (text_equal(choices[i].name, token, len)) {
            error->keyword = choices[i].name;
            return parse_choice(field(options, choices[i].value), choices[i].at, text, end);
        }
    }
    for (uint32_t i = 0; i < N_KEYS; i++) {
        if (text_equal(keys[i].name, token, len)) {
            error->keyword = keys[i].divisor ? "fraction" : NULL;
            error->min = keys[i].min;
            error->max = keys[i].max;
            return parse_value(options, &keys[i], text, end);
        }
    }
    error->keyword = "key";
    return false;
}

static void keep_token(OptionsError *error, const char *token, const char *end)
{
    uint32_t i = 0;

    while (token < end && i < sizeof(error->token) - 1) {
        error->token[i++] = *token++;
    }
    error->token[i] = '\0';
}

static void apply_pattern_preset(Options *options, bool share_given)
{
    const PatternPreset *preset = &patterns[options->pattern];

    if (!options->hot) {
        options->hot = preset->hot;
        options->hot_of = preset->hot_of;
    }
    if (!share_given) {
        options->share = preset->share;
    }
    if (!options->period) {
        options->period = preset->period;
    }
}

bool options_parse(Options *options, const char *cmdline, OptionsError *error)
{
    const uint32_t share_unset = 101;

    options->pattern = PATTERN_GUPS_HOT;
    options->hints = HINTS_OFF;
    options->hot_of = 1;
    for (uint32_t i = 0; i < N_KEYS; i++) {
        *field(options, keys[i].value) = keys[i].preset;
    }
    options->share = share_unset;
    while (*cmdline) {
        const char *end = cmdline;

        while (*end && *end != ' ') {
            end++;
        }
        if (end > cmdline && !parse_token(options, cmdline, end, error)) {
            keep_token(error, cmdline, end);
            return false;
        }
        cmdline = *end ? end + 1 : end;
    }
    apply_pattern_preset(options, options->share != share_unset);
    return true;
}

const char *options_allowed(const char *keyword, uint32_t i)
{
    static const char *const fractions[] = {"a percentage (1..100)", "a fraction N/M up to 1"};

    if (text_equal("fraction", keyword, text_length(keyword))) {
        return i < 2 ? fractions[i] : NULL;
    }
    for (uint32_t j = 0; j < N_CHOICES; j++) {
        if (text_equal(choices[j].name, keyword, text_length(keyword))) {
            return choices[j].at(i);
        }
    }
    if (i < N_KEYS) {
        return keys[i].name;
    }
    return i - N_KEYS < N_CHOICES ? choices[i - N_KEYS].name : NULL;
}

const char *options_pattern_name(uint32_t pattern)
{
    return patterns[pattern].name;
}
