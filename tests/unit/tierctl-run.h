/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running the built tierctl against a fake daemon.
 */
#ifndef TESTS_UNIT_TIERCTL_RUN_H
#define TESTS_UNIT_TIERCTL_RUN_H

#include <glib.h>

#include "fake-control.h"

typedef struct Run {
    int status;                 /* exit code */
    char *out, *err, *asked;    /* what the fake daemon was asked */
} Run;

void run_clear(Run *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* Run tierctl with @line, words parted by spaces, against a daemon that gives @replies. */
Run tierctl_run(const FakeReply *replies, const char *line);
/* The same in a terminal of @columns, in UTF-8; 'out' has all that it showed. */
Run tierctl_run_in_terminal(const FakeReply *replies, const char *line, unsigned short columns);

/* Fail the test unless @text holds @part. */
void assert_holds(const char *text, const char *part);

#endif /* TESTS_UNIT_TIERCTL_RUN_H */
