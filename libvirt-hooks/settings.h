/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a domain's memory is to be tiered: the settings that stand in its <tier:memory> and that virt-tier takes as
 * options, under the same names and in the same words. One table (settings.c) says which there are.
 */
#ifndef LIBVIRT_HOOKS_SETTINGS_H
#define LIBVIRT_HOOKS_SETTINGS_H

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "tier-channel.h"

typedef enum SettingId {
    SETTING_REQUIRED,
    SETTING_MODE,
    SETTING_FAST_MIN,
    SETTING_FAST_MAX,
    SETTING_WEIGHT,
    SETTING_SLOWDOWN,
    SETTING_PLACEMENT,
    SETTING_GRANULE,
    SETTING_HUGEPAGES,
    SETTING_TIERS,
    SETTING_HINTS,
    SETTING_PIN_LIMIT,
    SETTING_SOURCES,
    SETTING_EMULATOR,
    N_SETTINGS,
} SettingId;

/* A size, or a share of the domain's memory. */
typedef struct SettingsAmount {
    uint64_t bytes;
    double percent;         /* 0 to 100; negative: 'bytes' it is */
} SettingsAmount;

/* What was given, and what it means. A field holds its default while its text is NULL. */
typedef struct Settings {
    char *text[N_SETTINGS];         /* as written ("25%", "4GiB", "collapse"); NULL: not given */
    bool required;                  /* whether to refuse the start when the daemon is not there; default: no */
    TierMode mode;                  /* default: on */
    SettingsAmount fast_min;        /* default: 0 */
    SettingsAmount fast_max;        /* default: half of the memory */
    uint32_t weight;                /* 1 to 1000; default: 100 */
    double slowdown;                /* 0 to 1; default: 0, no target */
    uint64_t granule;               /* bytes: 4 KiB, or 2 MiB with TIER_HUGEPAGES_HUGETLB */
    TierHugepages hugepages;        /* default: off */
    char **tiers;                   /* node lists, the fastest first; NULL: the host's tiers */
    bool hints;                     /* whether the guest gets a virtio-tier device; default: no */
    SettingsAmount pin_limit;       /* how much the guest may pin in fast memory; default: 0 */
    char **sources;                 /* those allowed; NULL: all that the host has */
    /* What 'enable' changed besides, so that 'disable' can put it back */
    char *old_emulator;             /* NULL: not changed; "": there was none */
    bool had_empty_metadata;
} Settings;

Settings *settings_new(void);
Settings *settings_copy(const Settings *settings);
void settings_free(Settings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_free)

/* The name of a setting, what it may be, and its default; N_SETTINGS for a name that is none. */
const char *setting_name(SettingId id);
const char *setting_allowed(SettingId id);      /* as it stands in messages */
const char *setting_default(SettingId id);      /* in words */
SettingId setting_by_name(const char *name);

/*
 * Set one from its text, or take it back to its default. False, with DOMAIN_ERROR_SETTINGS that names setting, value
 * and what is allowed, for a text that is not; nothing is changed then.
 */
bool settings_set(Settings *settings, SettingId id, const char *text, GError **errp);
void settings_clear(Settings *settings, SettingId id);

/*
 * Whether they go together, and with a domain that has @memory bytes: floor at most ceiling, ceiling at most the
 * memory, granule and huge pages, pin limit and hints. DOMAIN_ERROR_SETTINGS names both sides and the remedy.
 */
bool settings_check(const Settings *settings, uint64_t memory, GError **errp);

/*
 * Whether the NUMA nodes of 'tiers' exist on this host and have memory, and, in mode 'on', can be told apart; @sysfs
 * is "/sys". DOMAIN_ERROR_SETTINGS.
 */
bool settings_check_host(const Settings *settings, const char *sysfs, GError **errp);

/* Bytes of an amount, of @memory, in whole granules. Meaningful after settings_check(). */
uint64_t settings_bytes(const Settings *settings, const SettingsAmount *amount, uint64_t memory);

/* The ceiling in bytes, its default included. */
uint64_t settings_fast_max(const Settings *settings, uint64_t memory);

/*
 * Read <tier:memory>: every element and attribute is known, in its place and allowed, and the whole fits the schema
 * (tier.rng, which is built in). DOMAIN_ERROR_SETTINGS names element, line and remedy. The caller frees the settings.
 */
Settings *settings_from_xml(xmlNode *memory, GError **errp);

/* Put them into @metadata as <tier:memory>, which declares its namespace itself. */
void settings_to_xml(const Settings *settings, xmlNode *metadata);

/* As <memory> in no namespace, which is what libvirt's calls about metadata take; freed by the caller. */
char *settings_to_text(const Settings *settings);

#endif /* LIBVIRT_HOOKS_SETTINGS_H */
