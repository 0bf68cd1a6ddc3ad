#!/usr/bin/env bash
# Lists what the last ctest of a build folder skipped, inside of tests too, and why.
set -euo pipefail
awk '
  /^[0-9]+\/[0-9]+ Test: / { test = $3 }
  /: Skipped$/ { getline reason }                                     # GoogleTest
  /^\[  SKIPPED \] .* ms\)$/ { print "  " test ": " $4 ": " reason; ++skipped }
  /\.\.\. skipped / { name = $1; sub(/.*\.\.\. skipped /, ""); print "  " test ": " name ": " $0; ++skipped }  # unittest
  /^skipped: / { print "  " test ": " $0; ++skipped }
  END { print skipped + 0 " skipped" }' "${1:?which build folder?}/Testing/Temporary/LastTest.log"
