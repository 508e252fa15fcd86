/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tierctl prints: aligned tables, figures for people, JSON for programs. Whatever comes from the daemon
 * may hold a guest's or a user's text, so control characters never reach the terminal. What is returned is
 * freed by the caller.
 */
#ifndef VHOST_TIER_TIERCTL_OUTPUT_H
#define VHOST_TIER_TIERCTL_OUTPUT_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Table Table;

/*
 * A table with these @headings (NULL-terminated); a heading that begins with '>' is of a right-aligned
 * column.
 */
Table *table_new(const char *const *headings);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
/* Add the next cell, row by row; @text is taken, NULL reads "-". */
void table_take(Table *table, char *text);
/* The table as lines, at least two spaces between columns. */
char *table_format(const Table *table);

/*
 * @text as the terminal may have it: no control characters, and ASCII only unless the locale is UTF-8; "-"
 * for NULL.
 */
char *text_clean(const char *text);
char *text_share(double share);         /* 0.953 -> "95.3 %"; NaN -> "-" */
char *text_number(double number);       /* short: "0.25", "12.3", "4510"; NaN -> "-" */
char *text_size(uint64_t bytes);        /* UINT64_MAX -> "-" */
char *text_time(uint64_t ns);           /* "100 ns", "5.0 us" */
char *text_age(double seconds);         /* "0.4 s ago", "3 min ago"; NaN -> "never" */

/* Whether text goes to a terminal, and whether that takes UTF-8. */
bool output_is_terminal(void);
bool output_is_utf8(void);

/*
 * Print @node: indented on a terminal, else one line. Returns EXIT_OK, or EXIT_FAILED when it could not be
 * written.
 */
int print_json(JsonNode *node);
/* Print @text; the same. */
int print_text(const char *text);

#endif /* VHOST_TIER_TIERCTL_OUTPUT_H */
