/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal as a live screen; see screen.h.
 */
#include "tierctl/screen.h"

#include <glib.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "tierctl/output.h"
#include "tierctl/tierctl.h"

#define ALTERNATE_ON  "\033[?1049h\033[?25l"
#define ALTERNATE_OFF "\033[?25h\033[?1049l"
#define HOME          "\033[H"
#define CLEAR_LINE    "\033[K"
#define CLEAR_BELOW   "\033[J"

static struct termios before;
static bool is_open, keys_changed;

void screen_open(void)
{
    struct termios raw;

    if (!output_is_terminal()) {
        return;
    }
    is_open = true;
    if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VSUSP] = _POSIX_VDISABLE;      /* stopped, the shell would be left on our screen */
        keys_changed = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    print_text(ALTERNATE_ON);
}

void screen_close(void)
{
    if (!is_open) {
        return;
    }
    print_text(ALTERNATE_OFF);
    if (keys_changed) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
    is_open = keys_changed = false;
}

bool screen_show(const char *text)
{
    g_auto(GStrv) lines = NULL;
    g_autoptr(GString) out = NULL;
    struct winsize size = {0};

    if (!is_open) {
        return print_text(text) == EXIT_OK;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
        size.ws_row = 24;
        size.ws_col = 80;
    }
    lines = g_strsplit(text, "\n", -1);
    out = g_string_new(HOME);
    for (unsigned row = 0; lines[row] && row < size.ws_row; row++) {
        g_autofree char *cut =
            g_utf8_substring(lines[row], 0, MIN(g_utf8_strlen(lines[row], -1), size.ws_col));

        g_string_append_printf(out, "%s%s" CLEAR_LINE, row ? "\r\n" : "", cut);
    }
    g_string_append(out, CLEAR_BELOW);
    return print_text(out->str) == EXIT_OK;
}
