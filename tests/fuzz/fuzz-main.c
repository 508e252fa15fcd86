/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-NAME [ROUNDS [SEED]]: a fuzzer with any compiler, for so many inputs of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int main(int argc, char **argv)
{
    const uint64_t rounds = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 1000;
    const uint64_t seed = argc > 2 ? g_ascii_strtoull(argv[2], NULL, 10) : 1;
    Rng rng = {.state = seed ? seed : 1};

    for (uint64_t round = 0; round < rounds; round++) {
        g_autoptr(GByteArray) bytes = fuzz_input(&rng, round);
        g_autofree uint8_t *exact = g_memdup2(bytes->data, bytes->len); /* so that a read beyond the end is seen */

        LLVMFuzzerTestOneInput(exact, bytes->len);
    }
    printf("%" G_GUINT64_FORMAT " inputs, seed %" G_GUINT64_FORMAT ": no harm done\n", rounds, seed);
    return EXIT_SUCCESS;
}
