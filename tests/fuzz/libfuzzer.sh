#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# libfuzzer.sh PROGRAM ROUNDS CORPUS: so many rounds of libFuzzer from CORPUS, which stays as it is. Always the same ones.

found=$(mktemp -d) || exit
trap 'rm -rf "$found"' EXIT
"$1" -runs="$2" -seed=1 -artifact_prefix="${TMPDIR:-/tmp}/libfuzzer-" "$found" "$3"
