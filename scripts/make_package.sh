#!/usr/bin/env bash
# Makes the Debian package of this tree, lpl_VERSION_ARCHITECTURE.deb in the build's folder; installs what that needs.
#
#   make_package.sh [BUILD]     BUILD: a release build that is there, or is to be made; default build/package
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/package}

scripts/install_dependencies.sh run package
if [ ! -e "$build/CMakeCache.txt" ]; then cmake --preset release -B "$build" -DLPL_TESTS=OFF >/dev/null; fi
cmake --build "$build"
cd "$build"
rm -f lpl_*.deb
cpack -G DEB
