/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl top: a live screen of all VMs. It outlives the daemon: while that is away, the screen says so and
 * tries again.
 */
#include <glib-unix.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

#include "client/fields.h"
#include "tierctl/output.h"
#include "tierctl/screen.h"
#include "tierctl/tierctl.h"
#include "tierctl/vm-view.h"

#define BAR_CELLS 10

static gboolean option_once;
static double option_interval = 2;

static const GOptionEntry options[] = {
    {"once", 0, 0, G_OPTION_ARG_NONE, &option_once, "Print the screen once and end", NULL},
    {"interval", 0, 0, G_OPTION_ARG_DOUBLE, &option_interval,
     "Seconds between two looks, 0.1 to 3600 (default: 2)", "S"},
    G_OPTION_ENTRY_NULL,
};

typedef struct Top {
    const Tierctl *ctl;
    Client *client;             /* NULL while the daemon is not reachable */
    GMainLoop *loop;
    int rc;
} Top;

/* How much of what a VM holds lies in tier 0: "####......". */
static char *bar(JsonObject *vm)
{
    uint64_t fast = vm_resident(vm, 0), slow = vm_resident_below(vm, 0);
    const char *full = output_is_utf8() ? "\xe2\x96\x88" : "#", *empty = output_is_utf8() ? "\xc2\xb7" : ".";
    GString *text = g_string_new(NULL);
    double share;

    if (fast == UINT64_MAX) {
        return g_string_free(g_string_append_c(text, '-'), FALSE);
    }
    share = fast == 0 ? 0 : (double)fast / ((double)fast + (slow == UINT64_MAX ? 0 : (double)slow));
    for (unsigned i = 0; i < BAR_CELLS; i++) {
        g_string_append(text, i + 0.5 < share * BAR_CELLS ? full : empty);
    }
    return g_string_free(text, FALSE);
}

static char *format_vms(JsonArray *vms)
{
    /* What matters most comes first: a narrow terminal cuts the rest. */
    static const char *const headings[] = {
        "NAME",   "STATE",    ">FAST",   "FAST/ALL", ">SLOW",   ">HIT", ">IDEAL", ">BUDGET",
        ">PAGES/S", ">UNDONE", "MODE", "SOURCES", NULL,
    };
    g_autoptr(Table) table = table_new(headings);

    for (guint i = 0; i < elements(vms); i++) {
        JsonObject *vm = element_object(vms, i), *moves = field_object(vm, "moves");

        table_take(table, view_string(vm, "name"));
        table_take(table, vm_state(vm));
        table_take(table, text_size(vm_resident(vm, 0)));
        table_take(table, bar(vm));
        table_take(table, text_size(vm_resident_below(vm, 0)));
        table_take(table, text_share(field_number(vm, "hit_ratio")));
        table_take(table, text_share(field_number(vm, "ideal_hit_ratio")));
        table_take(table, text_size(field_uint(vm, "budget", UINT64_MAX)));
        table_take(table, text_number(field_number(moves, "pages_per_s")));
        table_take(table, text_share(field_number(moves, "undone_share")));
        table_take(table, view_string(vm, "mode"));
        table_take(table, vm_sources(vm));
    }
    return table_format(table);
}

static char *format_head(JsonObject *host, guint n_vms)
{
    JsonArray *tiers = field_array(host, "tiers");
    g_autofree char *version = view_string(host, "version");
    g_autofree char *cpu = text_share(field_number(host, "cpu_share"));
    GString *out = g_string_new(NULL);
    char clock[16];
    time_t now = time(NULL);
    struct tm tm;

    strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
    g_string_append_printf(out, "vhost-tier %s  %s  VMs: %u  CPU: %s", version, clock, n_vms, cpu);
    for (guint i = 0; i < elements(tiers); i++) {
        JsonObject *tier = element_object(tiers, i);
        g_autofree char *total = text_size(field_uint(tier, "total_bytes", UINT64_MAX));
        g_autofree char *available = text_size(field_uint(tier, "free_bytes", UINT64_MAX));
        g_autofree char *nodes = view_string(tier, "nodes");

        g_string_append_printf(out, "\ntier %u (node %s): %s, %s free", i, nodes, total, available);
    }
    for (guint i = 0; i < elements(field_array(host, "interference")); i++) {
        g_autofree char *what = view_string(element_object(field_array(host, "interference"), i), "what");

        g_string_append_printf(out, "\nwarning: %s ('tierctl host' tells the remedy)", what);
    }
    return g_string_free(g_string_append(out, "\n\n"), FALSE);
}

/* Ask for both, on one connection; NULL with an error, and no connection, when that fails. */
static JsonNode *ask(Top *top, JsonNode **host, GError **errp)
{
    JsonNode *vms = NULL;

    if (!top->client) {
        top->client = client_connect(top->ctl->socket, errp);
    }
    if (top->client) {
        *host = client_call(top->client, "query-host", NULL, errp);
        vms = *host ? client_call(top->client, "query-vms", NULL, errp) : NULL;
    }
    if (!vms) {
        g_clear_pointer(&top->client, client_free);
    }
    return vms;
}

/*
 * One look. False when nothing can be shown any more, or the daemon was not reached and is not to be waited
 * for.
 */
static bool look(Top *top)
{
    g_autoptr(JsonNode) host = NULL, vms = NULL;
    g_autofree char *head = NULL, *body = NULL, *text = NULL;
    GError *error = NULL;

    vms = ask(top, &host, &error);
    if (!vms && (option_once || top->ctl->json)) {
        top->rc = tierctl_fail(error);
        return false;
    }
    if (top->ctl->json) {
        top->rc = print_json(vms);
        return top->rc == EXIT_OK;
    }
    if (vms) {
        head = format_head(node_object(host), elements(node_array(vms)));
        body = format_vms(node_array(vms));
        text = g_strconcat(head, body, option_once || output_is_terminal() ? NULL : "\n", NULL);
    } else {
        g_autofree char *reason = text_clean(error->message);

        text = g_strdup_printf("%s\n\ntrying again every %g s; q or Ctrl-C ends\n", reason, option_interval);
        g_error_free(error);
    }
    if (option_once) {
        top->rc = print_text(text);
        return false;
    }
    if (!screen_show(text)) {
        top->rc = EXIT_FAILED;
        return false;
    }
    return true;
}

static gboolean on_tick(gpointer opaque)
{
    Top *top = opaque;

    if (!look(top)) {
        g_main_loop_quit(top->loop);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_end(gpointer opaque)
{
    Top *top = opaque;

    g_main_loop_quit(top->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean on_key(gint fd, GIOCondition condition, gpointer opaque)
{
    char key;

    if (read(fd, &key, 1) != 1) {
        return G_SOURCE_REMOVE;
    }
    if (key == 'q' || key == 'Q') {
        on_end(opaque);
    }
    return G_SOURCE_CONTINUE;
}

static int run_top(const Tierctl *ctl, char **args)
{
    Top top = {.ctl = ctl};

    if (!(option_interval >= 0.1 && option_interval <= 3600)) {
        return cli_usage("tierctl", "top", "--interval: %g is not from 0.1 to 3600 seconds", option_interval);
    }
    top.loop = g_main_loop_new(NULL, FALSE);
    if (!option_once && !ctl->json) {
        screen_open();
    }
    if (look(&top)) {
        g_unix_signal_add(SIGINT, on_end, &top);
        g_unix_signal_add(SIGTERM, on_end, &top);
        g_unix_signal_add(SIGHUP, on_end, &top);
        if (output_is_terminal() && isatty(STDIN_FILENO)) {
            g_unix_fd_add(STDIN_FILENO, G_IO_IN, on_key, &top);
        }
        g_timeout_add((guint)lround(option_interval * 1000), on_tick, &top);
        g_main_loop_run(top.loop);
    }
    screen_close();
    g_clear_pointer(&top.client, client_free);
    g_main_loop_unref(top.loop);
    return top.rc;
}

const Command top_commands[] = {
    {{"top", NULL, "Watch all VMs on a live screen; q ends it.",
      "FAST and SLOW: memory in tier 0 and in the others. HIT: estimated share of accesses that hit tier 0; IDEAL: the same if\n"
      "the hottest pages filled the budget. UNDONE: of what was moved lately, the share that was moved back within 10 s.\n"
      "SOURCES: those at work, with the guest time that they cost; '!' marks one with a problem ('tierctl show VM' tells which).",
      options},
     run_top},
    {{0}},
};
