/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a migration takes along of a VM's hints, as bytes.
 */
#include "state.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#include "device.h"

#define MAGIC      0x54485654u      /* "TVHT" */
#define VERSION    1u
#define TRUST_ONE  1000000u
#define TRUST_UNKNOWN UINT32_MAX
#define PAGE_BYTES 4096u

typedef struct Head {
    uint32_t magic, version;
    uint32_t trust_ppm;
    uint32_t n_pins;                /* that follow: address and length, 64 bits each */
} Head;

G_STATIC_ASSERT(sizeof(Head) == 16);
G_STATIC_ASSERT(sizeof(HintPin) == 16);

GByteArray *hint_state_new(double trust)
{
    const Head head = {
        .magic = GUINT32_TO_LE(MAGIC),
        .version = GUINT32_TO_LE(VERSION),
        .trust_ppm = GUINT32_TO_LE(isnan(trust) ? TRUST_UNKNOWN : (uint32_t)(CLAMP(trust, 0, 1) * TRUST_ONE)),
    };
    GByteArray *state = g_byte_array_new();

    g_byte_array_append(state, (const uint8_t *)&head, sizeof(head));
    return state;
}

bool hint_state_add(GByteArray *state, const HintPin *pin)
{
    const uint64_t wire[] = { GUINT64_TO_LE(pin->addr), GUINT64_TO_LE(pin->len) };
    uint32_t n_pins;

    if (state->len + sizeof(wire) > HINT_STATE_MAX) {
        return false;
    }
    g_byte_array_append(state, (const uint8_t *)wire, sizeof(wire));
    n_pins = GUINT32_TO_LE((uint32_t)((state->len - sizeof(Head)) / sizeof(wire)));
    memcpy(state->data + offsetof(Head, n_pins), &n_pins, sizeof(n_pins));
    return true;
}

static bool invalid(GError **errp, const char *what)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the state of the hint device %s", what);
    return false;
}

static int by_address(gconstpointer a, gconstpointer b)
{
    const HintPin *left = a, *right = b;

    return (left->addr > right->addr) - (left->addr < right->addr);
}

/* Make one of those that overlap. */
static void merge(GArray *pins)
{
    guint n = 0;

    g_array_sort(pins, by_address);
    for (guint i = 0; i < pins->len; i++) {
        const HintPin *pin = &g_array_index(pins, HintPin, i);
        HintPin *last = n > 0 ? &g_array_index(pins, HintPin, n - 1) : NULL;

        if (last && pin->addr - last->addr < last->len) {
            last->len = MAX(last->len, pin->addr - last->addr + pin->len);
        } else {
            g_array_index(pins, HintPin, n++) = *pin;
        }
    }
    g_array_set_size(pins, n);
}

bool hint_state_parse(const uint8_t *bytes, size_t n, double *trust, GArray *pins, GError **errp)
{
    uint32_t trust_ppm;
    Head head;

    if (n < sizeof(head) || n > HINT_STATE_MAX) {
        return invalid(errp, "has no such length");
    }
    memcpy(&head, bytes, sizeof(head));
    if (GUINT32_FROM_LE(head.magic) != MAGIC) {
        return invalid(errp, "is not this daemon's");
    }
    if (GUINT32_FROM_LE(head.version) != VERSION) {
        return invalid(errp, "has a version that is not known here; use the same release on both hosts");
    }
    trust_ppm = GUINT32_FROM_LE(head.trust_ppm);
    if ((trust_ppm > TRUST_ONE && trust_ppm != TRUST_UNKNOWN) ||
        n != sizeof(head) + (size_t)GUINT32_FROM_LE(head.n_pins) * sizeof(HintPin)) {
        return invalid(errp, "contradicts itself");
    }
    *trust = trust_ppm == TRUST_UNKNOWN ? NAN : trust_ppm / (double)TRUST_ONE;
    g_array_set_size(pins, 0);
    for (size_t at = sizeof(head); at < n; at += sizeof(HintPin)) {
        HintPin pin;

        memcpy(&pin, bytes + at, sizeof(pin));
        pin = (HintPin) { GUINT64_FROM_LE(pin.addr), GUINT64_FROM_LE(pin.len) };
        if (pin.len == 0 || (pin.addr | pin.len) % PAGE_BYTES || pin.addr > UINT64_MAX - pin.len) {
            return invalid(errp, "pins what can be no memory");
        }
        g_array_append_val(pins, pin);
    }
    merge(pins);
    return true;
}
