/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tierctl prints; see output.h.
 */
#include "tierctl/output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "client/size.h"
#include "tierctl/tierctl.h"

struct Table {
    GPtrArray *cells;           /* row by row, the headings first */
    guint columns;
    GArray *right;              /* bool by column */
};

Table *table_new(const char *const *headings)
{
    Table *table = g_new0(Table, 1);

    table->cells = g_ptr_array_new_with_free_func(g_free);
    table->right = g_array_new(FALSE, FALSE, sizeof(bool));
    for (; *headings; headings++) {
        bool right = **headings == '>';

        g_array_append_val(table->right, right);
        table_take(table, g_strdup(*headings + right));
        table->columns++;
    }
    return table;
}

void table_free(Table *table)
{
    g_ptr_array_unref(table->cells);
    g_array_unref(table->right);
    g_free(table);
}

void table_take(Table *table, char *text)
{
    g_ptr_array_add(table->cells, text ? text : g_strdup("-"));
}

/* Columns of the terminal that @text takes. */
static guint width(const char *text)
{
    guint n = 0;

    for (; *text; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);

        n += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    }
    return n;
}

static void pad(GString *out, guint spaces)
{
    while (spaces--) {
        g_string_append_c(out, ' ');
    }
}

/* Without spaces at its end, as empty cells leave them. */
static void end_line(GString *out)
{
    while (out->len > 0 && out->str[out->len - 1] == ' ') {
        g_string_truncate(out, out->len - 1);
    }
    g_string_append_c(out, '\n');
}

char *table_format(const Table *table)
{
    g_autofree guint *widths = g_new0(guint, table->columns);
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < table->cells->len; i++) {
        guint *w = &widths[i % table->columns];

        *w = MAX(*w, width(g_ptr_array_index(table->cells, i)));
    }
    for (guint i = 0; i < table->cells->len; i++) {
        const char *text = g_ptr_array_index(table->cells, i);
        guint column = i % table->columns, gap = widths[column] - width(text);
        bool last = column == table->columns - 1;

        if (g_array_index(table->right, bool, column)) {
            pad(out, gap);
            g_string_append(out, text);
        } else {
            g_string_append(out, text);
            pad(out, gap);
        }
        if (last) {
            end_line(out);
        } else {
            g_string_append(out, "  ");
        }
    }
    return g_string_free(out, FALSE);
}

bool output_is_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

bool output_is_utf8(void)
{
    return g_get_charset(NULL);
}

char *text_clean(const char *text)
{
    GString *out = g_string_new(NULL);

    if (!text) {
        return g_string_free(g_string_append_c(out, '-'), FALSE);
    }
    for (; *text; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char_validated(text, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_c(out, '?');
            break;
        }
        g_string_append_unichar(out, g_unichar_isprint(c) && (c < 0x80 || output_is_utf8()) ? c : '?');
    }
    return g_string_free(out, FALSE);
}

char *text_share(double share)
{
    return isnan(share) ? g_strdup("-") : g_strdup_printf("%.1f %%", share * 100);
}

char *text_number(double number)
{
    if (isnan(number)) {
        return g_strdup("-");
    }
    return g_strdup_printf(number == 0 || number >= 99.5 ? "%.0f" : number >= 9.95 ? "%.1f" : "%.2f", number);
}

char *text_size(uint64_t bytes)
{
    return bytes == UINT64_MAX ? g_strdup("-") : size_format(bytes);
}

char *text_time(uint64_t ns)
{
    if (ns == UINT64_MAX) {
        return g_strdup("-");
    }
    if (ns < 1000) {
        return g_strdup_printf("%u ns", (unsigned)ns);
    }
    return ns < 1000000 ? g_strdup_printf("%.1f us", (double)ns / 1e3)
                            : g_strdup_printf("%.1f ms", (double)ns / 1e6);
}

char *text_age(double seconds)
{
    if (isnan(seconds)) {
        return g_strdup("never");
    }
    if (seconds < 120) {
        return g_strdup_printf(seconds < 9.95 ? "%.1f s ago" : "%.0f s ago", seconds);
    }
    return seconds < 7200 ? g_strdup_printf("%.0f min ago", seconds / 60)
                          : g_strdup_printf("%.1f h ago", seconds / 3600);
}

int print_text(const char *text)
{
    if (fputs(text, stdout) < 0 || fflush(stdout) != 0) {
        g_printerr("tierctl: cannot write to standard output: %s\n", g_strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

int print_json(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, output_is_terminal());
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    return print_text(line);
}
