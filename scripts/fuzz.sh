#!/usr/bin/env bash
# Fuzzes readers of foreign bytes under AddressSanitizer and UBSan: each harness of tests/fuzz runs over its corpus,
# then for SECONDS (default 20) with new inputs. Fails at the first finding, whose input it leaves in build/asan/fuzz.
# Usage: scripts/fuzz.sh [SECONDS [HARNESS...]]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
shift || true
scripts/install_dependencies.sh run check # clang with its run-time library
cmake --preset asan >/dev/null
if [ $# -eq 0 ]; then
  for source in tests/fuzz/*.cpp; do set -- "$@" "$(basename "$source" .cpp)"; done
fi
cmake --build --preset asan --target "${@/#/fuzz_}"
# A description that is allowed may take 20 s here (10^9 terms of a signal).
# Leaks of the distribution's MPI and HDF5 are none of ours; OpenMP's threads would only wait.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1
for harness; do
  found=build/asan/fuzz/corpus/$harness
  mkdir -p "$found" "tests/fuzz/corpus/$harness"
  echo "== $harness"
  build/asan/bin/fuzz_"$harness" -runs=0 "tests/fuzz/corpus/$harness" 2>&1 | tail -n 1
  if [ "$seconds" -gt 0 ]; then
    build/asan/bin/fuzz_"$harness" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
      -max_len=8192 -artifact_prefix="build/asan/fuzz/$harness-" -print_final_stats=1 -verbosity=1 \
      "$found" "tests/fuzz/corpus/$harness" > "build/asan/fuzz/$harness.log" 2>&1 || { tail -n 60 "build/asan/fuzz/$harness.log"; exit 1; }
    grep -E "number_of_executed_units|peak_rss" "build/asan/fuzz/$harness.log"
  fi
done
