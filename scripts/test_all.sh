#!/usr/bin/env bash
# Everything that tests this project: CI, and what takes too long for it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/stages.sh

# One program, with its own dependencies only.
alone() {  # spiking|rate
  local other=LPL_RATE
  if [ "$1" = rate ]; then other=LPL_SPIKING; fi
  cmake -S . -B "build/$1" -G Ninja -DLPL_WERROR=ON -D$other=OFF >/dev/null
  cmake --build "build/$1"
  ctest --test-dir "build/$1" --output-on-failure -E '^system_(figures|rate_learning)$'
  scripts/print_skipped.sh "build/$1"
}

many_kills() {
  cmake --preset release >/dev/null
  LPL_KILLS=200 ctest --preset release -R '^system_restart$' --timeout 3600
}

stage "CI" .ci/run
stage "package" scripts/test_package.sh build/release
stage "clang's analyzer" scripts/check_style.sh --analyze
stage "lpl_sim alone" alone spiking
stage "lpl_rate alone" alone rate
stage "sanitizers, all tests" preset asan '.'
stage "clang, all tests" preset clang '.'
stage "many kills" many_kills
end_of_stages
