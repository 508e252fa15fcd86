/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-NAME [ROUNDS [SEED [FOLDER]]]: a fuzzer with any compiler, for each file of FOLDER and so many inputs of its
 * own.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void run_input(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *exact = g_memdup2(data, size); /* so that a read beyond the end is seen */

    LLVMFuzzerTestOneInput(exact, size);
}

/* Each file of @path; returns how many there are. */
static unsigned run_corpus(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) folder = g_dir_open(path, 0, &error);
    unsigned n = 0;

    g_assert_no_error(error);
    for (const char *name = g_dir_read_name(folder); name; name = g_dir_read_name(folder), n++) {
        g_autofree char *file = g_build_filename(path, name, NULL), *bytes = NULL;
        size_t size;

        g_file_get_contents(file, &bytes, &size, &error);
        g_assert_no_error(error);
        run_input((const uint8_t *)bytes, size);
    }
    return n;
}

int main(int argc, char **argv)
{
    const uint64_t rounds = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 1000;
    const uint64_t seed = argc > 2 ? g_ascii_strtoull(argv[2], NULL, 10) : 1;
    const unsigned n_files = argc > 3 ? run_corpus(argv[3]) : 0;
    Rng rng = {.state = seed ? seed : 1};

    for (uint64_t round = 0; round < rounds; round++) {
        g_autoptr(GByteArray) bytes = fuzz_input(&rng, round);

        run_input(bytes->data, bytes->len);
    }
    printf("%u files, %" G_GUINT64_FORMAT " inputs, seed %" G_GUINT64_FORMAT ": no harm done\n", n_files, rounds,
           seed);
    return EXIT_SUCCESS;
}
