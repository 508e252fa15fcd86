/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's control channel, as far as the lab needs it: commands, their answers, and waiting for events.
 */
#ifndef LAB_OBSERVER_QMP_H
#define LAB_OBSERVER_QMP_H

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct Qmp Qmp;

/*
 * Speak QMP on the connected stream socket @fd (taken): takes the greeting and leaves the negotiation. NULL
 * with an error.
 */
Qmp *qmp_new(int fd, GError **errp);
void qmp_free(Qmp *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

/*
 * Carry out @command with @arguments (JSON text, or NULL); returns what QEMU returned, freed with
 * json_node_unref().
 */
JsonNode *qmp_call(Qmp *qmp, const char *command, const char *arguments, GError **errp);

/*
 * The next event of that @name, come or to come within @timeout_ms, as the whole message; NULL with an error
 * when none came.
 */
JsonNode *qmp_event(Qmp *qmp, const char *name, unsigned timeout_ms, GError **errp);

#endif /* LAB_OBSERVER_QMP_H */
