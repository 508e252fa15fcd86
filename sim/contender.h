/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contenders: what places pages. Ours, the field's (each in a file of its own in contenders/, with its source
 * and its default parameters), and the oracles, which know what nobody can.
 */
#ifndef VHOST_TIER_SIM_CONTENDER_H
#define VHOST_TIER_SIM_CONTENDER_H

#include "machine.h"

typedef struct Contender Contender;
typedef struct ContenderClass ContenderClass;

struct ContenderClass {
    const char *name;               /* "memtis" */
    const char *what;               /* one line: what it is and its source */
    const char *defaults;           /* its parameters, as 'key=value' pairs with units in the keys */
    bool oracle;                    /* knows the truth: no baseline to be beaten */
    /*
     * On a machine whose guests may come and go (machine_generation()). @params override the defaults;
     * unknown keys and bad values are errors.
     */
    Contender *(*create)(const char *params, Machine *machine, GError **errp);
    /* Do what is due at @now_ns; returns when to be called next. */
    uint64_t (*tick)(Contender *contender, uint64_t now_ns);
    /* Bytes of its own data about pages, now. */
    size_t (*metadata_bytes)(const Contender *contender);
    /*
     * What it expects of the machine's only guest if tier 0 had @fast_bytes[i] (scaled), for each of @n: the
     * share of accesses that hit it, and the slowdown; NaN where it can't tell. False: it can tell nothing.
     * NULL: it never can.
     */
    bool (*predict)(Contender *contender, const uint64_t *fast_bytes, size_t n, double *hit_ratios,
                    double *slowdowns);
    void (*destroy)(Contender *contender);
};

struct Contender {                  /* set when create() has returned */
    const ContenderClass *class;
    Machine *machine;
};

extern const ContenderClass *const contender_classes[]; /* NULL-terminated; ours first, the oracles last */
const ContenderClass *contender_find(const char *name, GError **errp);

#endif /* VHOST_TIER_SIM_CONTENDER_H */
