/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What came of an experiment: as a table to read, as JSON and CSV for programs, as a picture.
 *
 * Nothing in them depends on this computer unless @timing asks for it.
 */
#ifndef VHOST_TIER_SIM_REPORT_H
#define VHOST_TIER_SIM_REPORT_H

#include "experiment.h"
#include "plot/plot.h"

/* A block for each row and share, a line in it for each contender; to be freed with g_free(). */
char *report_table(const Experiment *experiment, bool timing);

/* All numbers of all runs, with @series their points; to be freed with g_free(). */
char *report_json(const Experiment *experiment, bool series, bool timing);

/* A line for each run. */
char *report_csv(const Experiment *experiment, bool timing);

/* One row: hit ratio over time at one share (of the first seed); slowdown over all shares. To be freed. */
Plot *report_plot_time(const Experiment *experiment, size_t row, size_t share);
Plot *report_plot_shares(const Experiment *experiment, size_t row);
/*
 * A panel for each row (at most PLOT_MAX_PANELS): over the shares where there are several, else over time;
 * written whole or not at all.
 */
bool report_plot(const Experiment *experiment, const char *path, GError **errp);

#endif /* VHOST_TIER_SIM_REPORT_H */
