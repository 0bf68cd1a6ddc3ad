#!/usr/bin/env bash
# One command for the tests: installs what is missing, builds, tests, and says what was skipped. Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_dependencies.sh run test
scripts/install_dependencies.sh browser || true
cmake --preset release -DLPL_TESTS=ON >/dev/null
cmake --build --preset release
status=0
ctest --preset release -j "$(nproc)" "$@" || status=$?
scripts/print_skipped.sh build/release

# The CUDA backend, where its compiler is. Without a device, the tests that need one say that they were skipped.
if command -v nvcc >/dev/null; then
  cmake --preset cuda -DLPL_TESTS=ON >/dev/null
  cmake --build --preset cuda --target lpl_rate_program tests/gpu/all
  ctest --test-dir build/cuda/tests/gpu --output-on-failure --no-tests=error -j "$(nproc)" || status=$?
  scripts/print_skipped.sh build/cuda/tests/gpu
fi
exit $status
