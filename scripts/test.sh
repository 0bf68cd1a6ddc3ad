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
  cmake --build --preset cuda --target lpl_rate_program gpu_tests gpu_exchange_tests \
    cuda_twin_tests cuda_twin_exchange_tests lpl_rate_twin
  ctest --preset cuda -j "$(nproc)" -R '^(gpu|cuda_twin)' || status=$?
  scripts/print_skipped.sh build/cuda
fi
exit $status
