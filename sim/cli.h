/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of tier-sim.
 */
#ifndef VHOST_TIER_SIM_CLI_H
#define VHOST_TIER_SIM_CLI_H

#include "cli/cli.h"

/* Say on stderr what was wrong with the request or went wrong, free @error, and return the exit code. */
int sim_usage(GError *error);
int sim_fail(GError *error);

int cli_run(char **args);
int cli_hints(char **args);
int cli_lab(char **args);
int cli_list(char **args);
int cli_replay(char **args);
int cli_results(char **args);

extern const GOptionEntry cli_run_options[], cli_hints_options[], cli_lab_options[], cli_results_options[];

#endif /* VHOST_TIER_SIM_CLI_H */
