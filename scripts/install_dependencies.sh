#!/usr/bin/env bash
# Installs what is missing, from the packages of Debian or Ubuntu. Elsewhere: names it. Arguments are parts; without any:
#   run        to build and run (the default)
#   test       what the tests use beyond that
#   browser    one test looks at a report in a browser, and is skipped where there is none
#   package    to make the Debian package (scripts/make_package.sh)
#   fresh      to make a minimal system in a folder (scripts/fresh_root.sh)
#   container  to build images of containers (scripts/test_container.sh)
#   data       photographs to train on: Fashion-MNIST (examples/fashion.rate)
#   check      what scripts/check_style.sh and .ci/run use beyond that
set -euo pipefail

run=(
  g++ cmake ninja-build pkg-config
  libopenmpi-dev openmpi-bin libboost-mpi-dev libboost-serialization-dev libhdf5-openmpi-dev
  libcli11-dev libtomlplusplus-dev libfmt-dev libhwy-dev librandom123-dev
  libeigen3-dev libdnnl-dev nlohmann-json3-dev libpng-dev libturbojpeg0-dev zlib1g-dev
  python3 python3-numpy python3-scipy python3-h5py python3-sklearn python3-matplotlib
)
test=(libgtest-dev libgmock-dev munge slurmctld slurmd slurm-client python3-onnx)
browser=(chromium)
package=(dpkg-dev file)
fresh=(mmdebstrap)
container=(buildah)
data=(dataset-fashion-mnist)
check=(git ccache clang clang-format clang-tidy libclang-rt-14-dev libomp-dev valgrind)

packages=()
for part in "${@:-run}"; do
  case $part in
    run | test | browser | package | fresh | container | data | check) declare -n list=$part && packages+=("${list[@]}") ;;
    *) echo "install_dependencies.sh: there is no part $part; there are run, test, browser, package, fresh, container, data and check" >&2; exit 2 ;;
  esac
done

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
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq \
  --no-install-recommends "${missing[@]}" >/dev/null
