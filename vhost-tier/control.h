/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: JSON lines in, answers out (docs/control.md). What commands there are, and what
 * they do, it is given.
 */
#ifndef VHOST_TIER_CONTROL_H
#define VHOST_TIER_CONTROL_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CONTROL_MAX_LINE    65536u      /* bytes of a request */
#define CONTROL_MAX_ANSWER  (16u << 20) /* bytes of an answer: as many VMs as there can be, listed */
#define CONTROL_MAX_CLIENTS 64
#define CONTROL_MAX_ARGS    16
#define CONTROL_TIMEOUT_S   5           /* a command that has not answered by then has failed */

/*
 * One command that is being carried out. It must be answered, once, now or later; later answers and
 * those that come too late are dropped.
 */
typedef struct Call Call;

typedef enum ControlType {
    CONTROL_STRING,
    CONTROL_NUMBER,                     /* an integer of 0 or more */
    CONTROL_SHARE,                      /* a number from 0 to 1 */
} ControlType;

typedef struct ControlArg {
    const char *name;                   /* NULL ends the list */
    ControlType type;
    bool required;
} ControlArg;

typedef struct ControlCommand {
    const char *name;                   /* NULL ends the table */
    ControlArg args[CONTROL_MAX_ARGS];
    void (*run)(Call *call, void *opaque);
} ControlCommand;

typedef struct Control Control;

/*
 * Serve @listen_fd (owned from now on) on the main context of the calling thread. @commands is static;
 * @opaque goes to each. Any number of clients up to CONTROL_MAX_CLIENTS; each is served one command at a
 * time, and its next one is not read before it has taken the last answer, so none holds up others or
 * makes answers pile up.
 */
Control *control_new(int listen_fd, const ControlCommand *commands, void *opaque);
void control_free(Control *control);

/*
 * Arguments, checked already: those of the table, of their type. NULL or false where an optional one is
 * absent.
 */
const char *call_string(const Call *call, const char *name);
bool call_number(const Call *call, const char *name, uint64_t *number);
/* All of them; NULL: there are none. They are the call's. */
JsonObject *call_arguments(const Call *call);

/* Answer. @value is owned from now on; NULL returns an empty object. */
void call_return(Call *call, JsonNode *value);
/* @class as docs/control.md has them. */
void call_error(Call *call, const char *class, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* To answer later: a reference, to be dropped after the answer. */
Call *call_ref(Call *call);
void call_unref(Call *call);

#endif /* VHOST_TIER_CONTROL_H */
