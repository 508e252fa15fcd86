/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl explain: why a page, or those of a range, lie where they do.
 */
#include <math.h>
#include <string.h>

#include "client/fields.h"
#include "tierctl/address.h"
#include "tierctl/output.h"
#include "tierctl/tierctl.h"
#include "tierctl/vm-view.h"

#define DETAIL       16         /* granules that --verbose lists */
#define MAX_DETAIL   1024       /* as the daemon has it */
#define MAX_TIERS    4
#define BAR_CELLS    20
#define PAGE         4096.0

static gboolean option_verbose;
static int option_granules;

static const GOptionEntry options[] = {
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &option_verbose, "Of a range: list its first pages, too", NULL},
    {"granules", 0, 0, G_OPTION_ARG_INT, &option_granules, "So many of them, 1 to 1024 (default: 16)", "N"},
    G_OPTION_ENTRY_NULL,
};

/* What is being explained. */
typedef struct Explained {
    JsonObject *vm, *region;    /* of 'query-vm' */
    uint64_t granule;           /* bytes */
    double threshold; /* accesses per second and 4 KiB that a place in tier 0 takes; NaN: not known */
} Explained;

/* What the reasons of docs/control.md mean, for one granule and for many. */
typedef struct Reason {
    const char *name;
    const char *one;            /* NULL: told by belongs() or planned() */
    const char *many;
} Reason;

static const Reason reasons[] = {
    {"belongs", NULL, "lie where they should"},
    {"planned", NULL, "are to move: the last plan has them"},
    {"unseen",
     "it waits for evidence: no source has told of it yet ('tierctl show VM' tells which ones work)",
     "wait for evidence: no source has told of them yet"},
    {"unsure", "it waits for more evidence: its estimate asks for a move, what is certain of it does not yet",
     "wait for more evidence: estimates ask for a move, what is certain does not yet"},
    {"not-worth", "it stays: moving it would cost more than it is expected to save",
     "stay: moving them would cost more than it is expected to save"},
    {"limited",
     "it waits its turn: a plan holds only so much, or max-bytes-per-s lets no more move at a time",
     "wait their turn: a plan holds only so much, or max-bytes-per-s holds them back"},
    {"refused", "it waits: the kernel refused a move not long ago; it is tried again after some seconds",
     "wait: the kernel refused a move not long ago"},
    {"unmovable",
     "it stays: the kernel refused to move it again and again (pinned, perhaps); it is left alone "
     "for ten minutes or so ('tierctl show VM' counts the kernel's reasons)",
     "stay: the kernel refused to move them again and again"},
    {"absent", "there is no page: the guest has not touched it yet, or gave it back", "have no pages"},
    {"unknown", "it has not been looked yet where it lies", "have not been looked for yet"},
};

/* --- one granule --- */

static char *tier_text(const Explained *about, uint64_t tier)
{
    JsonObject *entry = element_object(field_array(about->vm, "tiers"), (guint)MIN(tier, MAX_TIERS));
    g_autofree char *nodes = entry ? view_string(entry, "nodes") : NULL;

    return nodes ? g_strdup_printf("tier %" G_GUINT64_FORMAT " (node %s)", tier, nodes)
                 : g_strdup("no tier that is known");
}

static char *belongs_text(const Explained *about, bool fast)
{
    g_autofree char *threshold = text_number(about->threshold * (double)about->granule / PAGE);

    if (!(about->threshold > 0)) {
        return g_strdup(fast ? "it stays in tier 0, which has room for all that is used"
                             : "it stays: nothing asks for a move");
    }
    return g_strdup_printf(fast
                               ? "it stays in tier 0: it is hot enough, a place there takes %s accesses/s now"
                               : "it stays: for a place in tier 0 it would take %s accesses/s now",
                           threshold);
}

static char *planned_text(const Explained *about, bool fast)
{
    const char *mode = field_string(about->vm, "mode");

    if (g_strcmp0(mode, "on") != 0) {
        return g_strdup_printf("it would be moved %s, but in mode '%s' nothing is",
                               fast ? "out of tier 0" : "to tier 0", mode ? mode : "off");
    }
    return g_strdup_printf("it is about to be moved %s: the last plan has it",
                           fast ? "out of tier 0, to make room" : "to tier 0");
}

static char *reason_text(const Explained *about, JsonObject *granule)
{
    const char *name = field_string(granule, "reason");
    const bool fast = field_uint(granule, "tier", UINT64_MAX) == 0;

    for (size_t i = 0; name && i < G_N_ELEMENTS(reasons); i++) {
        if (g_str_equal(name, reasons[i].name)) {
            return reasons[i].one                   ? g_strdup(reasons[i].one)
                   : g_str_equal(name, "belongs") ? belongs_text(about, fast)
                                                    : planned_text(about, fast);
        }
    }
    return text_clean(name);
}

static char *heat_text(JsonObject *granule)
{
    const double rate = field_number(granule, "rate_per_s"), factor = field_number(granule, "doubt_factor");
    g_autofree char *mid = text_number(rate), *low = text_number(rate / factor),
                    *high = text_number(rate * factor),
                    *time = text_number(field_number(granule, "observed_s"));

    if (isnan(rate)) {
        return g_strdup("not known: nothing was seen of it yet");
    }
    return g_strdup_printf("%s accesses/s, likely %s to %s, from %s s of observation", mid, low, high, time);
}

/* "rwp 0.4 s ago, damon 3.2 s ago". */
static char *sources_text(JsonObject *granule)
{
    JsonObject *sources = field_object(granule, "sources_s_ago");
    g_autoptr(GList) names = sources ? json_object_get_members(sources) : NULL;
    GString *text = g_string_new(NULL);

    for (GList *l = names; l; l = l->next) {
        g_autofree char *name = text_clean(l->data);
        g_autofree char *age = text_age(field_number(sources, l->data));

        g_string_append_printf(text, "%s%s %s", text->len ? ", " : "", name, age);
    }
    return g_string_free(text->len ? text : g_string_append(text, "none"), FALSE);
}

static void append_line(GString *out, const char *key, char *value)
{
    g_string_append_printf(out, "%-10s  %s\n", key, value);
    g_free(value);
}

static void append_place(GString *out, const Explained *about, uint64_t offset, uint64_t length)
{
    g_autofree char *vm = view_string(about->vm, "name"), *region = view_string(about->region, "name"),
                    *size = text_size(length), *granule = text_size(about->granule);

    g_string_append_printf(out,
                           "%s, region %" G_GUINT64_FORMAT " '%s', offset 0x%" G_GINT64_MODIFIER "x: %s%s%s "
                           "at 0x%" G_GINT64_MODIFIER "x of QEMU's\n",
                           vm, field_uint(about->region, "id", 0), region, offset, size,
                           length > about->granule ? " in pages of " : "",
                           length > about->granule ? granule : "",
                           field_uint(about->region, "hva", 0) + offset);
}

static void append_one(GString *out, const Explained *about, JsonObject *granule)
{
    JsonArray *state = field_array(about->vm, "state");
    g_autofree char *hint = NULL;

    append_line(out, "lies in", tier_text(about, field_uint(granule, "tier", UINT64_MAX)));
    append_line(out, "heat", heat_text(granule));
    append_line(out, "evidence", sources_text(granule));
    if (field_string(granule, "hint")) {
        hint = view_string(granule, "hint");
        append_line(out, "the guest", g_strdup_printf("says: %s", hint));
    }
    append_line(out, "last move", text_age(field_number(granule, "moved_s_ago")));
    append_line(out, "why", reason_text(about, granule));
    for (guint i = 0; i < elements(state); i++) {
        if (g_strcmp0(element_string(state, i), "frozen") == 0) {
            append_line(out, "", g_strdup("nothing moves now: QEMU asked for a pause (live migration)"));
        }
    }
}

/* --- a range --- */

/* What the answers to all parts of a range add up to. */
typedef struct Sum {
    uint64_t tiers[MAX_TIERS], absent, unknown, seen, length;
    double per_s;
    guint n_tiers, n_classes;
    uint64_t reasons[G_N_ELEMENTS(reasons)];
    GArray *heat;               /* of uint64_t[MAX_TIERS], by class */
    GArray *from;               /* of double, by class */
    GPtrArray *granules;        /* JsonObject, owned */
} Sum;

static void sum_clear(Sum *sum)
{
    g_array_unref(sum->heat);
    g_array_unref(sum->from);
    g_ptr_array_unref(sum->granules);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sum, sum_clear)

static Sum sum_new(void)
{
    return (Sum) {
        .heat = g_array_new(FALSE, TRUE, sizeof(uint64_t[MAX_TIERS])),
        .from = g_array_new(FALSE, TRUE, sizeof(double)),
        .granules = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref),
    };
}

static void sum_tiers(uint64_t *to, JsonArray *bytes)
{
    for (guint t = 0; t < MIN(elements(bytes), (guint)MAX_TIERS); t++) {
        to[t] += element_uint(bytes, t);
    }
}

static void sum_add(Sum *sum, JsonObject *part)
{
    JsonObject *why = field_object(part, "reason_bytes");
    JsonArray *heat = field_array(part, "heat"), *granules = field_array(part, "granules");

    sum->n_tiers = MIN(elements(field_array(part, "tier_bytes")), (guint)MAX_TIERS);
    sum_tiers(sum->tiers, field_array(part, "tier_bytes"));
    sum->absent += field_uint(part, "absent_bytes", 0);
    sum->unknown += field_uint(part, "unknown_bytes", 0);
    sum->seen += field_uint(part, "seen_bytes", 0);
    sum->length += field_uint(part, "length", 0);
    sum->per_s += field_number(part, "per_s");
    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        sum->reasons[i] += field_uint(why, reasons[i].name, 0);
    }
    for (guint i = 0; i < elements(heat); i++) {
        JsonObject *class = element_object(heat, i);

        if (i >= sum->heat->len) {
            g_array_set_size(sum->heat, i + 1);
            g_array_set_size(sum->from, i + 1);
        }
        g_array_index(sum->from, double, i) = field_number(class, "from_per_s");
        sum_tiers(&g_array_index(sum->heat, uint64_t, (gsize)i * MAX_TIERS),
                  field_array(class, "tier_bytes"));
    }
    for (guint i = 0; i < elements(granules); i++) {
        JsonObject *granule = element_object(granules, i);

        if (granule) {
            g_ptr_array_add(sum->granules, json_object_ref(granule));
        }
    }
}

static char *bar_text(uint64_t part, uint64_t whole)
{
    const char *cell = output_is_utf8() ? "\xe2\x96\x88" : "#";
    const unsigned cells = whole ? (unsigned)ceil((double)part / (double)whole * BAR_CELLS) : 0;
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < MIN(cells, (unsigned)BAR_CELLS); i++) {
        g_string_append(text, cell);
    }
    return g_string_free(text, FALSE);
}

static void append_table(GString *out, const Table *table)
{
    g_autofree char *text = table_format(table);

    g_string_append(out, text);
}

/* Memory by heat, hottest first, from the hottest class that has any to the coldest. */
static void append_heat(GString *out, const Sum *sum)
{
    static const char *const headings[] = {">ACCESSES/S A PAGE", ">TIER 0", ">OTHERS", "", NULL};
    g_autoptr(Table) table = table_new(headings);
    uint64_t most = 0, in_tiers = 0;

    for (guint t = 0; t < sum->n_tiers; t++) {
        in_tiers += sum->tiers[t];
    }
    most = in_tiers > sum->seen ? in_tiers - sum->seen : 0;
    for (guint i = 0; i < sum->heat->len; i++) {
        const uint64_t *bytes = &g_array_index(sum->heat, uint64_t, (gsize)i * MAX_TIERS);

        most = MAX(most, bytes[0] + bytes[1] + bytes[2] + bytes[3]);
    }
    for (guint i = sum->heat->len; i-- > 0;) {
        const uint64_t *bytes = &g_array_index(sum->heat, uint64_t, (gsize)i * MAX_TIERS);
        const uint64_t others = bytes[1] + bytes[2] + bytes[3];
        const double from = g_array_index(sum->from, double, i);

        if (bytes[0] + others > 0) {
            table_take(table, from > 0 ? g_strdup_printf("%.4g and more", from) : g_strdup("less"));
            table_take(table, text_size(bytes[0]));
            table_take(table, text_size(others));
            table_take(table, bar_text(bytes[0] + others, most));
        }
    }
    if (in_tiers > sum->seen) {
        table_take(table, g_strdup("not seen yet"));
        table_take(table, NULL);
        table_take(table, text_size(in_tiers - sum->seen));
        table_take(table, bar_text(in_tiers - sum->seen, most));
    }
    append_table(out, table);
}

static void append_granules(GString *out, const Explained *about, const Sum *sum)
{
    static const char *const headings[] = {">OFFSET", ">TIER", ">ACCESSES/S", ">WITHIN",
                                           "SEEN",    "MOVED", "WHY",         NULL};
    g_autoptr(Table) table = table_new(headings);

    for (guint i = 0; i < sum->granules->len; i++) {
        JsonObject *granule = g_ptr_array_index(sum->granules, i);
        const uint64_t tier = field_uint(granule, "tier", UINT64_MAX);
        const double factor = field_number(granule, "doubt_factor");

        table_take(table, g_strdup_printf("0x%" G_GINT64_MODIFIER "x", field_uint(granule, "offset", 0)));
        table_take(table, tier == UINT64_MAX ? NULL : g_strdup_printf("%" G_GUINT64_FORMAT, tier));
        table_take(table, text_number(field_number(granule, "rate_per_s")));
        table_take(table, isnan(factor) ? NULL : g_strdup_printf("x%.1f", factor));
        table_take(table, text_age(field_number(granule, "seen_s_ago")));
        table_take(table, text_age(field_number(granule, "moved_s_ago")));
        table_take(table, view_string(granule, "reason"));
    }
    append_table(out, table);
}

static void append_range(GString *out, const Explained *about, const Sum *sum)
{
    for (guint t = 0; t < sum->n_tiers; t++) {
        g_autofree char *where = tier_text(about, t), *bytes = text_size(sum->tiers[t]);

        g_string_append_printf(out, "%10s  in %s\n", bytes, where);
    }
    if (sum->absent + sum->unknown > 0) {
        g_autofree char *bytes = text_size(sum->absent + sum->unknown);

        g_string_append_printf(out, "%10s  nowhere: no pages, or not looked for yet\n", bytes);
    }
    g_string_append(out, "\nwhy\n");
    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        g_autofree char *bytes = text_size(sum->reasons[i]);

        if (sum->reasons[i]) {
            g_string_append_printf(out, "%10s  %s\n", bytes, reasons[i].many);
        }
    }
    g_string_append_c(out, '\n');
    append_heat(out, sum);
    if (option_verbose) {
        g_string_append_c(out, '\n');
        append_granules(out, about, sum);
    }
}

/* --- asking --- */

/*
 * Ask about @address, part by part, and add the answers up (in JSON: print each on a line). False, with
 * an exit code, when that failed.
 */
static bool ask(const Tierctl *ctl, const char *vm, JsonObject *region, const Address *address,
                unsigned detail, Sum *sum, int *rc)
{
    uint64_t offset = address->offset, length = address->length;
    g_autoptr(Client) client = NULL;
    GError *error = NULL;

    client = client_connect(ctl->socket, &error);
    while (client && length > 0) {
        g_autoptr(JsonObject) arguments = tierctl_vm_arguments(vm);
        g_autoptr(JsonNode) answer = NULL;
        uint64_t next;

        json_object_set_int_member(arguments, "region", (gint64)field_uint(region, "id", 0));
        json_object_set_int_member(arguments, "offset", (gint64)offset);
        json_object_set_int_member(arguments, "length", (gint64)length);
        json_object_set_int_member(arguments, "detail", detail - MIN(detail, sum->granules->len));
        answer = client_call(client, "query-heat", arguments, &error);
        if (!answer) {
            break;
        }
        sum_add(sum, node_object(answer));
        *rc = ctl->json ? print_json(answer) : EXIT_OK;
        next = field_uint(node_object(answer), "next", 0);
        length = next > offset ? field_uint(node_object(answer), "left", 0) : 0;
        offset = next;
        if (*rc != EXIT_OK) {
            return false;
        }
    }
    if (error) {
        *rc = tierctl_fail(error);
    }
    return error == NULL;
}

static int run_explain(const Tierctl *ctl, char **args)
{
    g_autoptr(JsonObject) arguments = tierctl_vm_arguments(args[0]);
    g_autoptr(JsonNode) vm = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) usage = NULL;
    g_auto(Address) address = {0};
    g_auto(Sum) sum = sum_new();
    Explained about = {0};
    GError *error = NULL;
    unsigned detail = 1;
    int rc = EXIT_OK;

    if (option_granules < 0 || option_granules > MAX_DETAIL) {
        return cli_usage("tierctl", "explain", "--granules: %d is not from 1 to %d", option_granules, MAX_DETAIL);
    }
    if (!address_parse(args[1], &address, &usage)) {
        return cli_usage("tierctl", "explain", "%s", usage->message);
    }
    option_verbose = option_verbose || option_granules > 0;
    vm = tierctl_call(ctl, "query-vm", arguments, &error);
    if (!vm) {
        return tierctl_fail(error);
    }
    about.vm = node_object(vm);
    about.region = address_resolve(&address, about.vm, &error);
    if (!about.region) {
        return tierctl_fail(error);
    }
    about.granule = field_uint(about.region, "granule", 4096);
    about.threshold = field_number(about.vm, "threshold_per_s");
    if (option_verbose) {
        detail = option_granules > 0 ? (unsigned)option_granules : DETAIL;
    }
    if (!ask(ctl, args[0], about.region, &address, detail, &sum, &rc) || ctl->json) {
        return rc;
    }
    append_place(out, &about, address.offset - address.offset % MAX(about.granule, 1), sum.length);
    if (sum.length > about.granule) {
        append_range(out, &about, &sum);
    } else if (sum.granules->len > 0) {
        append_one(out, &about, g_ptr_array_index(sum.granules, 0));
    }
    return print_text(out->str);
}

const Command explain_commands[] = {
    {{"explain", "VM ADDRESS", "Tell why a page of a VM, or those of a range, lie where they do.",
      "ADDRESS is an offset into guest RAM (0x200000, 4M), of the region that is named where there are several\n"
      "(ram:4M, 1:0x200000), or an address in QEMU's memory (hva:0x7f0000200000). With +LENGTH it is a range, and\n"
      "REGION: alone is all of it. Guest-physical addresses are not known to the daemon: below the hole for devices\n"
      "they are the offset, above it less by the hole's size ('info mtree' in QEMU's monitor).\n"
      "Of a page: its tier, its heat with what it may well be, who told of it and when, its last move, and why it\n"
      "stays or what it waits for. With --json a range of more than 1 GiB is told in several lines.",
      options},
     run_explain},
    {{0}},
};
