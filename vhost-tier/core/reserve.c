/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room for heat that jumps; reserve.h has the theory.
 */
#include "reserve.h"

#include <glib.h>

#define WAIT_SHARE 0.01                 /* of all touches: less that waits is next to nothing; */
#define CALM_S 4.0                      /* after so many seconds of that it is calm; */
#define JUMP_SHARE 0.25                 /* of all touches: so much that is moved in then is a jump */

static bool within(double value, double most)
{
    return value >= 0 && value <= most;         /* no number is not */
}

static bool influx_valid(const Influx *influx)
{
    return within(influx->per_s, 0x1p100) && within(influx->bytes, 0x1p62);
}

bool reserve_valid(const Reserve *reserve)
{
    const double times[] = {reserve->waited_s, reserve->began_s, reserve->calm_s, reserve->jumped_s, reserve->gap_s};

    for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
        if (!within(times[i], 0x1p40)) {
            return false;
        }
    }
    return influx_valid(&reserve->moved) && influx_valid(&reserve->last) && influx_valid(&reserve->before);
}

/* What is moved in by a plan, but for what goes where a larger budget gave room. */
static Influx moved_by(Reserve *reserve, const ReservePlan *plan)
{
    const uint64_t grown = plan->budget_bytes - MIN(plan->budget_bytes, reserve->budget_bytes);
    const uint64_t before = MIN(reserve->given_bytes, plan->room_bytes), bytes = (uint64_t)plan->planned.bytes;
    const uint64_t given = before + MIN(grown, plan->room_bytes - before), used = MIN(given, bytes);
    const double rest = (double)(bytes - used);

    reserve->budget_bytes = plan->budget_bytes;
    reserve->given_bytes = given - used;
    if (rest == 0) {
        return (Influx){0};
    }
    return (Influx){.per_s = plan->planned.per_s * rest / (double)bytes, .bytes = rest};
}

/* What waits now has begun to. */
static void begin(Reserve *reserve, double now_s)
{
    reserve->calm_s = reserve->waited_s > 0 ? now_s - reserve->waited_s : 0;
    reserve->began_s = now_s;
    reserve->moved = (Influx){0};
}

static bool is_jump(const Reserve *reserve, const ReservePlan *plan)
{
    return reserve->calm_s > 0 && reserve->moved.per_s >= JUMP_SHARE * plan->all_per_s &&
           plan->changed_s >= reserve->began_s - CALM_S;
}

void reserve_note(Reserve *reserve, const ReservePlan *plan)
{
    const Influx moved = moved_by(reserve, plan);
    const bool known = reserve->waited_s > 0, waits = plan->waiting_per_s > WAIT_SHARE * plan->all_per_s;
    const bool calm = known && plan->now_s >= reserve->waited_s + CALM_S;

    if (plan->idle) {
        reserve->waited_s = 0;
        return;
    }
    if (calm && !waits) {
        return;
    }
    if (calm || !known) {
        begin(reserve, plan->now_s);
    }
    if (waits || !known) {
        reserve->waited_s = plan->now_s;
    }
    reserve->moved.per_s += moved.per_s;
    reserve->moved.bytes += moved.bytes;
    if (reserve->jumped_s < reserve->began_s && is_jump(reserve, plan)) {
        reserve->gap_s = reserve->jumped_s > 0 ? reserve->began_s - reserve->jumped_s : reserve->calm_s;
        reserve->jumped_s = reserve->began_s;
        reserve->before = reserve->last;
    }
    if (reserve->jumped_s == reserve->began_s) {
        reserve->last = reserve->moved;
    }
}

double reserve_per_s(const Reserve *reserve, double copy_s, double now_s, uint64_t *bytes)
{
    const Influx *last = &reserve->last, *before = reserve->before.bytes > 0 ? &reserve->before : last;

    *bytes = (uint64_t)((last->bytes + before->bytes) / 2);
    if (reserve->jumped_s == 0) {
        return 0;
    }
    return (last->per_s + before->per_s) / 2 * copy_s / MAX(MAX(reserve->gap_s, now_s - reserve->jumped_s), CALM_S);
}
