/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thrash brake: a ring of bytes moved and undone, and the margin that follows from it.
 */
#include "brake.h"

#include <glib.h>

#define BRAKE_ON_SHARE 0.05
#define BRAKE_OFF_SHARE 0.02
#define BRAKE_STEP_EPOCHS 20u           /* between two changes, so that the window shows the last one */
#define BRAKE_MIN_UNDONE_BYTES 65536u   /* fewer prove nothing, */
#define BRAKE_MIN_UNDONE_SHARE 64       /* nor does less than the 64th part of tier 0 */

void brake_init(Brake *brake)
{
    *brake = (Brake){.margin = 1};
}

/* Clear the slots of the epochs that passed without a move. */
static void turn(Brake *brake, uint64_t epoch)
{
    uint64_t passed = epoch > brake->epoch ? epoch - brake->epoch : 0;

    for (uint64_t i = 0; i < MIN(passed, BRAKE_WINDOW_EPOCHS); i++) {
        brake->moved[(epoch - i) % BRAKE_WINDOW_EPOCHS] = 0;
        brake->undone[(epoch - i) % BRAKE_WINDOW_EPOCHS] = 0;
    }
    brake->epoch += passed;
}

void brake_count(Brake *brake, uint64_t epoch, uint64_t bytes, bool undoes)
{
    turn(brake, epoch);
    brake->moved[brake->epoch % BRAKE_WINDOW_EPOCHS] += bytes;
    if (undoes) {
        brake->undone[brake->epoch % BRAKE_WINDOW_EPOCHS] += bytes;
    }
}

static uint64_t sum(const uint64_t *slots)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < BRAKE_WINDOW_EPOCHS; i++) {
        bytes += slots[i];
    }
    return bytes;
}

double brake_undone_share(const Brake *brake)
{
    uint64_t moved = sum(brake->moved);

    return moved ? (double)sum(brake->undone) / moved : 0;
}

void brake_update(Brake *brake, uint64_t epoch, uint64_t budget_bytes)
{
    uint64_t least = MAX(BRAKE_MIN_UNDONE_BYTES, budget_bytes / BRAKE_MIN_UNDONE_SHARE);
    bool enough;
    double share;

    turn(brake, epoch);
    if (brake->epoch - brake->checked < BRAKE_STEP_EPOCHS) {
        return;
    }
    share = brake_undone_share(brake);
    enough = sum(brake->undone) >= least;
    if (share > BRAKE_ON_SHARE && enough && brake->margin < BRAKE_MARGIN_MAX) {
        brake->margin *= 2;
        brake->checked = brake->epoch;
    } else if ((share < BRAKE_OFF_SHARE || !enough) && brake->margin > 1) {
        brake->margin = MAX(brake->margin / 2, 1);
        brake->checked = brake->epoch;
    }
}

bool brake_valid(const Brake *brake)
{
    return brake->margin >= 1 && brake->margin <= BRAKE_MARGIN_MAX && brake->checked <= brake->epoch;
}
