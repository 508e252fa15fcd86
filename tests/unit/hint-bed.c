/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hint device in a thread of its own, with a fake front end.
 */
#include "hint-bed.h"

#include <string.h>
#include <sys/socket.h>

#define RAM_BYTES (4u << 20)
#define WAIT_S    5

static void bed_request(void *opaque, HintRequest *request)
{
    HintBed *bed = opaque;

    g_usleep(bed->work_us);
    bed->requests++;
    bed->malformed += request->status != VIRTIO_TIER_S_OK;
    bed->type = request->type;
    bed->n_ranges = request->n_ranges;
    for (uint32_t i = 0; i < request->n_ranges; i++) {
        request->ranges[i].status = bed->status ?: request->ranges[i].status;
        request->ranges[i].tier_bytes[1] = request->ranges[i].len;
        request->ranges[i].accesses_per_s = i;
    }
}

static void bed_config(void *opaque, struct virtio_tier_config *config)
{
    *config = (struct virtio_tier_config) {
        .granule = HINT_BED_GRANULE, .fast_budget = HINT_BED_FAST_BUDGET, .max_ranges = VIRTIO_TIER_MAX_RANGES,
        .n_tiers = 2,
    };
}

static void bed_memory(void *opaque)
{
    ((HintBed *)opaque)->memory_changes++;
}

static void bed_started(void *opaque, bool before)
{
    HintBed *bed = opaque;

    bed->started++;
    bed->started_before += before;
}

static void bed_reset(void *opaque)
{
    ((HintBed *)opaque)->resets++;
}

static GByteArray *bed_save(void *opaque)
{
    return g_byte_array_append(g_byte_array_new(), (const uint8_t *)HINT_BED_STATE, strlen(HINT_BED_STATE));
}

static bool bed_load(void *opaque, const uint8_t *bytes, size_t n, GError **errp)
{
    g_byte_array_append(((HintBed *)opaque)->loaded, bytes, (guint)n);
    if (n == 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "no state");
    }
    return n > 0;
}

static void bed_log(void *opaque, GLogLevelFlags level, const char *text)
{
    g_test_message("%s", text);
}

static void bed_gone(void *opaque)
{
    HintBed *bed = opaque;

    g_clear_pointer(&bed->device, hint_device_free);
    g_atomic_int_set(&bed->gone, 1);
}

static const HintOps bed_ops = {
    bed_request, bed_config, bed_memory, bed_started, bed_reset, bed_save, bed_load, bed_log, bed_gone,
};

static gpointer bed_thread(gpointer data)
{
    HintBed *bed = data;

    g_main_context_push_thread_default(bed->context);
    g_main_loop_run(bed->loop);
    g_main_context_pop_thread_default(bed->context);
    return NULL;
}

typedef struct BedCall {
    HintBed *bed;
    void (*func)(HintBed *bed);
    GMutex lock;
    GCond done;
    bool ran;
} BedCall;

static gboolean bed_call_run(gpointer data)
{
    BedCall *call = data;

    call->func(call->bed);
    g_mutex_lock(&call->lock);
    call->ran = true;
    g_cond_signal(&call->done);
    g_mutex_unlock(&call->lock);
    return G_SOURCE_REMOVE;
}

void hint_bed_call(HintBed *bed, void (*func)(HintBed *bed))
{
    BedCall call = { .bed = bed, .func = func };

    g_mutex_init(&call.lock);
    g_cond_init(&call.done);
    g_main_context_invoke(bed->context, bed_call_run, &call);
    g_mutex_lock(&call.lock);
    while (!call.ran) {
        g_cond_wait(&call.done, &call.lock);
    }
    g_mutex_unlock(&call.lock);
    g_cond_clear(&call.done);
    g_mutex_clear(&call.lock);
}

void hint_bed_connect(HintBed *bed)
{
    int pair[2];

    g_clear_pointer(&bed->frontend, fake_frontend_free);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    bed->frontend = fake_frontend_new(pair[0], &bed->ram);
    g_atomic_int_set(&bed->gone, 0);
    bed->device = hint_device_new(pair[1], bed->context, UINT64_C(1) << 40, &bed_ops, bed);
}

void hint_bed_set_up(HintBed *bed, gconstpointer data)
{
    bed->context = g_main_context_new();
    bed->loop = g_main_loop_new(bed->context, FALSE);
    bed->ram = fake_ram_new(RAM_BYTES);
    bed->loaded = g_byte_array_new();
    hint_bed_connect(bed);
    bed->thread = g_thread_new("device", bed_thread, bed);
}

void hint_bed_set_up_started(HintBed *bed, gconstpointer data)
{
    hint_bed_set_up(bed, data);
    fake_frontend_start(bed->frontend, FAKE_ALL_FEATURES);
}

static void bed_quit(HintBed *bed)
{
    g_main_loop_quit(bed->loop);
}

void hint_bed_tear_down(HintBed *bed, gconstpointer data)
{
    hint_bed_call(bed, bed_quit);
    g_thread_join(bed->thread);
    g_clear_pointer(&bed->device, hint_device_free);
    fake_frontend_free(bed->frontend);
    fake_ram_free(&bed->ram);
    g_byte_array_unref(bed->loaded);
    g_main_loop_unref(bed->loop);
    g_main_context_unref(bed->context);
}

void hint_bed_assert_gone(HintBed *bed)
{
    for (int i = 0; i < WAIT_S * 100 && !g_atomic_int_get(&bed->gone); i++) {
        g_usleep(10000);
    }
    g_assert_true(g_atomic_int_get(&bed->gone));
}

void hint_bed_assert_works(HintBed *bed)
{
    g_assert_cmpuint(fake_frontend_hint(bed->frontend, VIRTIO_TIER_T_HOT, FAKE_OWN_BYTES, 4096), ==, VIRTIO_TIER_S_OK);
}
