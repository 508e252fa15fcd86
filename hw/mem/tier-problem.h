/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What went wrong last with a daemon: kept for QMP, and logged, but not so
 * often that a mad daemon fills the log.
 */
#ifndef HW_MEM_TIER_PROBLEM_H
#define HW_MEM_TIER_PROBLEM_H

/* All zero: no problem */
typedef struct TierProblem {
    char *text;                 /* owned; NULL: none */
    int64_t interval_end_ms;
    unsigned warnings;          /* in this interval */
} TierProblem;

/* Keep @text and, unless there were too many lately, warn: "@who: @text". */
void tier_problem_set(TierProblem *problem, const char *who, const char *text);
/* There is none any more. How often it was warned of still counts. */
void tier_problem_clear(TierProblem *problem);

#endif /* HW_MEM_TIER_PROBLEM_H */
