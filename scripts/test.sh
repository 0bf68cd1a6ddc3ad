#!/usr/bin/env bash
# One command for the tests: installs what is missing, builds, tests. Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_dependencies.sh
cmake --preset release -DLPL_TESTS=ON >/dev/null
cmake --build --preset release
ctest --preset release "$@"
