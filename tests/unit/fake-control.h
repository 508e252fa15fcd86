/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon's control socket as a test wants it: it greets, notes each request, and answers as it was told.
 */
#ifndef TESTS_UNIT_FAKE_CONTROL_H
#define TESTS_UNIT_FAKE_CONTROL_H

#include <glib.h>

typedef struct FakeReply {
    const char *command;        /* NULL ends the list */
    const char *answer;         /* JSON of "return"; or of "error", where 'refuse' is set */
    gboolean refuse;
    const char *raw;            /* sent in place of that, as it is; then it hangs up. "" hangs up at once */
} FakeReply;

typedef struct FakeControl FakeControl;

/*
 * Serve on a socket in a new folder, greeting with @greeting (NULL: as the daemon does). @replies must live
 * on.
 */
FakeControl *fake_control_new(const char *greeting, const FakeReply *replies);
/* Its socket's path; owned by it. */
const char *fake_control_socket(FakeControl *fake);
/* The requests so far, a line each; freed by the caller. */
char *fake_control_requests(FakeControl *fake);
void fake_control_free(FakeControl *fake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeControl, fake_control_free)

#endif /* TESTS_UNIT_FAKE_CONTROL_H */
