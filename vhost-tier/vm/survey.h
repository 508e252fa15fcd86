/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Surveys: what the policy knows of many granules, gathered for those who want to see it. Done by the
 * VM's own thread, a slice at a time, so that neither its epochs nor its moves wait for a survey of any
 * size.
 */
#ifndef VHOST_TIER_VM_SURVEY_H
#define VHOST_TIER_VM_SURVEY_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "vm.h"

/* The granules that one survey looks at, at most: some 20 ms of CPU time. */
#define SURVEY_MAX_GRANULES (1u << 18)
#define SURVEY_MAX_DETAIL   1024u
#define SURVEY_MAX_BUCKETS  4096u

typedef struct Survey Survey;

/*
 * A survey of @vm, for the VM's thread, to be freed with survey_free(). NULL, with an error that says what
 * there is, when it is of what the VM does not have.
 */
Survey *survey_new(Vm *vm, const VmSurvey *asked, GError **errp);
void survey_free(Survey *survey);

/*
 * Go on for a slice (some 2 ms). False: call it again, later. True: it is over, and the answer (as
 * docs/control.md has it, owned by the caller) is in @answer, or an error in @errp.
 */
bool survey_slice(Survey *survey, Vm *vm, JsonNode **answer, GError **errp);

/* The reason's word in answers. */
const char *survey_reason_name(PolicyReason reason);

#endif /* VHOST_TIER_VM_SURVEY_H */
