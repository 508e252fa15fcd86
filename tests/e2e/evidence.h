/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sources of evidence reported, as a trace has it, against what is known to be true: which pages a guest
 * with pattern=list visits, and when it made a whole pass over them. Pages are those of its working area.
 */
#ifndef E2E_EVIDENCE_H
#define E2E_EVIDENCE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/policy.h"
#include "observer/guest.h"

/* What the guest has done, looked up again and again by a thread of its own, with the times of the looks. */
typedef struct PassLog PassLog;

PassLog *pass_log_start(const Guest *guest);
/* From now on nothing is added. */
void pass_log_stop(PassLog *log);
void pass_log_free(PassLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PassLog, pass_log_free)
/* Whether a whole pass, from its first page to its last, lies within that time for sure (monotonic). */
bool pass_log_covers(const PassLog *log, uint64_t from_ns, uint64_t to_ns);

/* Which pages the guest visits: those of 'every', 'offset' and 'end' of pattern=list. */
typedef struct PageList {
    uint32_t every, offset, end;
} PageList;

bool page_listed(const PageList *list, uint32_t page);

/* What access bits came to. Only those whose interval began after @since_ns count. */
typedef struct Exactness {
    uint64_t accessed;    /* reports of listed pages that were accessed */
    uint64_t untouched;   /* of the other pages, that they were not */
    uint64_t stray;       /* of the other pages, that they were: wrong */
    uint64_t missed;      /* of listed pages, that they were not, over a whole pass: wrong */
    uint32_t listed_seen; /* listed pages with at least one report */
} Exactness;

bool evidence_exactness(const char *trace, const GuestHeader *header, const PageList *list,
                        PolicySource source, uint64_t since_ns, const PassLog *log, Exactness *result,
                        GError **errp);

/*
 * Of a hot set of n pages, the share that is among the n pages that @source reported the highest mean
 * rates for, since @since_ns; *@reports: on how many pages there were reports. NaN, with an error, when
 * the trace is malformed.
 */
double evidence_recall(const char *trace, const GuestHeader *header, const PageList *hot, PolicySource source,
                       uint64_t since_ns, uint64_t *reports, GError **errp);

#endif /* E2E_EVIDENCE_H */
