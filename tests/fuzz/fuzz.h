/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each fuzzer has: the entry point that clang's -fsanitize=fuzzer calls, and, for fuzz-main.c, inputs of its own.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"

/* Do with @size bytes of @data what is to be fuzzed. It aborts where that is not as it should be; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input of round @round, from 0: a sound one, mostly changed in a few places at random. Freed by the caller. */
GByteArray *fuzz_input(Rng *rng, uint64_t round);

#endif /* FUZZ_H */
