/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one instance of a hotness monitoring unit has to do, said a second time
 * and as plainly as can be: the oracle that the device is compared with. It
 * shares the names of the registers with the device, and nothing else.
 *
 * Which units are left out where the hotlist has no room for all of an epoch
 * is the device's choice, as is their order; whatever it chose is checked to be
 * of the right number, and right each.
 */
#ifndef QTEST_CXL_CHMU_MODEL_H
#define QTEST_CXL_CHMU_MODEL_H

#include "cxl-chmu-bed.h"

typedef struct ChmuModel ChmuModel;

/* As @instance of @bed after a reset; what it can do is read from there. */
ChmuModel *model_new(ChmuBed *bed, unsigned instance);
void model_free(ChmuModel *model);

/*
 * What happens to the instance, or to the device, at the bed's time. An
 * operation that a write begins is to be waited for.
 */
void model_write(ChmuModel *model, uint64_t offset, uint64_t value);
void model_write_range(ChmuModel *model, unsigned bit, bool counted);
void model_access(ChmuModel *model, uint64_t dpa, unsigned length,
                  unsigned count, bool is_write);
void model_device_reset(ChmuModel *model);
/* Time has passed. To be called after each step of it. */
void model_run(ChmuModel *model);

/* Registers and hotlist are as they have to be. To be called after that. */
void model_check(ChmuModel *model);

/* Interrupts that have to have been sent since this was asked last. */
unsigned model_take_interrupts(ChmuModel *model);

#endif /* QTEST_CXL_CHMU_MODEL_H */
