#!/usr/bin/env bash
# From a clone to a result: installs what is missing, builds, runs the main job on two ranks (LPL_RANKS), shows what the
# network learnt. Arguments go to lpl_sim.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_dependencies.sh run
echo "Building (a few minutes the first time) ..."
cmake --preset release -DLPL_TESTS=OFF >/dev/null
cmake --build --preset release

LPL_RANKS=${LPL_RANKS:-2}
source scripts/mpi_environment.sh
mkdir -p results
echo "Running: mpirun -n $LPL_RANKS lpl_sim examples/invariance.sim"
mpirun -n "$LPL_RANKS" build/release/bin/lpl_sim examples/invariance.sim --out results/invariance.h5 "$@"
python3 scripts/lpl.py selectivity results/invariance.h5 --picture results/invariance.png
echo "Result file: results/invariance.h5"
