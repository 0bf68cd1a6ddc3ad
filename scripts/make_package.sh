#!/usr/bin/env bash
# Makes the Debian package of this tree, build/package/lpl_VERSION_ARCHITECTURE.deb; installs what that needs.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_dependencies.sh dpkg-dev file
cmake --preset release -B build/package -DLPL_TESTS=OFF >/dev/null
cmake --build build/package
cd build/package
rm -f lpl_*.deb
cpack -G DEB
