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

# What the programs do as they start, run and end, under valgrind; the runs are short.
valgrind_runs() {
  local place checker
  place=$(mktemp -d)
  checker="valgrind --quiet --error-exitcode=9 --suppressions=/usr/share/openmpi/openmpi-valgrind.supp"
  cmake --preset release >/dev/null
  cmake --build --preset release --target lpl_sim lpl_rate_program
  source scripts/mpi_environment.sh
  export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2
  $checker build/release/bin/lpl_sim examples/minimal.sim --out "$place/sim.h5"
  $checker build/release/bin/lpl_rate examples/clusters2d.rate --set training.epochs=1 --set data.steps_per_epoch=10 \
    --out "$place/rate.h5"
  rm -r "$place"
}

stage "CI" .ci/run
stage "package" scripts/test_package.sh build/release
stage "container images" scripts/test_container.sh
stage "clang's analyzer" scripts/check_style.sh --analyze
stage "lpl_sim alone" alone spiking
stage "lpl_rate alone" alone rate
stage "sanitizers, all tests" preset asan '.'
stage "threads" preset tsan '^(rate_parts|rate_engine|rate_data|mpi_[24]|system_(stall|images|rate_cases)|thread_sanitizer)$'
stage "clang, all tests" preset clang '.'
stage "baseline vectors" preset baseline '^(unit|rate_parts|rate_engine|rate_data|mpi_2|(rate_)?reference_.*)$'
stage "many kills" many_kills
stage "valgrind" valgrind_runs
end_of_stages
