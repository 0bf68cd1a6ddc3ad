#!/usr/bin/env bash
# Installs what is missing to build, run and test, from the packages of Debian or Ubuntu. Elsewhere: names it. Arguments
# are further packages.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config git
  libopenmpi-dev openmpi-bin libboost-mpi-dev libboost-serialization-dev libhdf5-openmpi-dev
  libcli11-dev libtomlplusplus-dev libfmt-dev libhwy-dev librandom123-dev
  libeigen3-dev libdnnl-dev nlohmann-json3-dev
  libgtest-dev libgmock-dev munge slurmctld slurmd slurm-client
  python3 python3-numpy python3-scipy python3-h5py python3-sklearn python3-matplotlib
  "$@"
)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is no Debian or Ubuntu. Needed, by their names there: ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Missing packages; ask an administrator for: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
