/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the workload guest is to do: its command line, 'key=value' separated by spaces. lab/README.md
 * explains each key.
 */
#ifndef LAB_GUEST_OPTIONS_H
#define LAB_GUEST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum PatternKind {
    PATTERN_GUPS_HOT,
    PATTERN_GUPS_MOVE,
    PATTERN_YCSB_ZIPF,
    PATTERN_SCAN_HOT,
    PATTERN_PHASES,
    PATTERN_IDLE_BURST,
    PATTERN_SUBPAGE_SKEW,
    PATTERN_LIST,
    PATTERN__MAX,
} PatternKind;

typedef enum HintsKind {        /* hints.h; all but the first need a virtio-tier device */
    HINTS_OFF,
    HINTS_HONEST,           /* the new hot set is HOT, the old one COLD, whenever it moves */
    HINTS_ALL_HOT,          /* everything is HOT, every second */
    HINTS_SWAPPED,          /* what is hot is COLD, and the other way round */
    HINTS_PIN_ALL,
    HINTS_FLOOD,            /* what is cold is HOT, as often as can be said */
    HINTS_PROBE,            /* how soon is what was asked for in fast memory? */
    HINTS__MAX,
} HintsKind;

typedef struct Options {
    uint32_t pattern;       /* PatternKind */
    uint32_t hints;         /* HintsKind */
    uint32_t mb;            /* working area, MiB */
    uint32_t hot, hot_of;   /* the hot set is hot / hot_of of the pages */
    uint32_t share;         /* percent of visits that go to the hot set */
    uint32_t read;          /* percent of visits that only read */
    uint32_t burst;         /* accesses in a visit */
    uint32_t period;        /* seconds */
    uint32_t idle;          /* seconds */
    uint32_t zipf;          /* exponent, in hundredths */
    uint32_t blocks;        /* percent of the 2 MiB blocks that have a hot page */
    uint32_t every, offset; /* pattern=list: the pages p with p % every == offset */
    uint32_t end;           /* of these, those below it; 0: all */
    uint32_t passes;        /* pattern=list: then it is done; 0: never */
    uint32_t seconds;       /* then it is done; 0: never */
    uint32_t seed;
    uint32_t report;        /* whether the counts go to the debug console at the end */
} Options;

/* Why a command line is refused: "TOKEN: allowed: ..." */
typedef struct OptionsError {
    char token[48];         /* what was refused, cut to fit */
    const char *keyword;    /* allowed are the names that options_allowed() tells for this; NULL: min..max */
    uint32_t min, max;
} OptionsError;

/*
 * Read a command line; false, with @error set, when there is something in it that is not understood or out
 * of range.
 */
bool options_parse(Options *options, const char *cmdline, OptionsError *error);
/* The @i-th name that may stand where @keyword ("pattern", "hints", "key" or "fraction") does, or NULL. */
const char *options_allowed(const char *keyword, uint32_t i);
/* "gups-hot" and so on. */
const char *options_pattern_name(uint32_t pattern);

#endif /* LAB_GUEST_OPTIONS_H */
