#!/usr/bin/env bash
# One command for the tests: installs what is missing, builds, tests. Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_dependencies.sh
# One test looks at a report in a browser, and is skipped where there is none.
scripts/install_dependencies.sh chromium || true
cmake --preset release -DLPL_TESTS=ON >/dev/null
cmake --build --preset release
ctest --preset release "$@"

# The CUDA backend, where its compiler is. Without a device, the tests that need one say that they were skipped.
if command -v nvcc >/dev/null; then
  cmake --preset cuda -DLPL_TESTS=ON >/dev/null
  cmake --build --preset cuda --target lpl_rate_program gpu_tests gpu_exchange_tests \
    cuda_twin_tests cuda_twin_exchange_tests lpl_rate_twin
  ctest --preset cuda -R '^(gpu|cuda_twin)'
fi
