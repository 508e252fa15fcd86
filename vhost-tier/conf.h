/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file (vhost-tier.conf(5)): read, checked, with defaults filled in.
 */
#ifndef VHOST_TIER_CONF_H
#define VHOST_TIER_CONF_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/policy.h"

#define CONFIG_DEFAULT_FILE "/etc/vhost-tier/vhost-tier.conf"

/* Bytes, or a share of something: "512M" or "5%". */
typedef struct ConfigAmount {
    uint64_t bytes;
    double percent;                 /* used when bytes is 0 */
} ConfigAmount;

/* One field for each key of the file; conf.c's table ties them together and holds limits and defaults. */
typedef struct Config {
    /* [host] */
    char **tiers;                   /* node lists, the fastest first; NULL: find them */
    uint64_t fast_capacity;         /* bytes of tier 0 to share out; 0: all but 'reserve' */
    ConfigAmount reserve;           /* of tier 0, left to the host */
    char *control_group;            /* owner group of the control socket; NULL: the daemon's own */
    uint64_t epoch_ms;
    uint64_t max_bytes_per_s;       /* moved, by all VMs together; 0: no limit */
    uint64_t max_vm_size;           /* bytes of RAM; 0: twice the host's memory */
    char *trace_dir;                /* traces are made nowhere else */
    /* [costs] */
    char **latency_ns;              /* per tier; NULL: measure */
    bool watch_latency;             /* go on measuring it */
    uint64_t move_4k_ns;            /* 0: measure */
    uint64_t move_2m_ns;            /* 0: measure */
    uint64_t huge_walk_ns;
    /* [sources] */
    char **sources;                 /* names of those that may be used; NULL: all */
    double overhead_share;
    uint64_t fault_ns;              /* 0: measure */
    uint64_t damon_sample_ms;
    uint64_t damon_aggr_ms;
    uint64_t damon_max_regions;
    char *damon_ops;                /* as for damon_ops_parse() */
    bool chmu_take;                 /* hotness units may be taken from others */
    /* [hints] */
    bool hints;                     /* those of guests are taken, where nothing else is said of a VM */
    uint64_t max_hint_ranges_per_s; /* of one VM; 0: no limit */
    ConfigAmount pin_share;         /* of its budget that a guest may pin, where nothing else is said of the VM */
    /* [policy] */
    uint64_t touch_accesses;
    double heat_half_life_s;
    double heat_life_s;

    uint32_t latencies[POLICY_MAX_TIERS];   /* latency_ns as numbers; 0 where not given */
} Config;

#define CONFIG_ERROR config_error_quark()
GQuark config_error_quark(void);
typedef enum ConfigError {
    CONFIG_ERROR_FILE,              /* cannot be read, or is no key file */
    CONFIG_ERROR_UNKNOWN,           /* a group or key that there is not */
    CONFIG_ERROR_VALUE,             /* a value that is not allowed */
} ConfigError;

/*
 * Read @path. With @optional, a file that does not exist gives the defaults. Errors name file, group,
 * key, value and what is allowed. The caller frees the result with config_free().
 */
Config *config_load(const char *path, bool optional, GError **errp);
/* The same, of @text; @path is for error texts only. */
Config *config_parse(const char *text, gsize len, const char *path, GError **errp);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* Bytes of @text, "4096" or with K, M, G, T (powers of 1024); false when it is no such thing or too large. */
bool config_parse_size(const char *text, uint64_t *bytes);

#endif /* VHOST_TIER_CONF_H */
