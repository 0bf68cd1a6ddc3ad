#!/usr/bin/env bash
# Downloads public image sets and checks them. Needs a network, and curl or wget.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/fetch_data.sh [--to FOLDER] SET...

Downloads image sets into FOLDER (default: data), checks their MD5 sums and unpacks them:
  cifar10   170 MB  FOLDER/cifar-10-batches-bin/   Krizhevsky 2009
  stl10     2.6 GB  FOLDER/stl10_binary/           Coates, Ng & Lee 2011
  shapes    270 MB  FOLDER/3dshapes.h5             Burgess & Kim 2018 (5.9 GB of images, compressed)
  fashion    55 MB  FOLDER/fashion_train.h5, _test Xiao, Rasul & Vollgraf 2017: no download, but the distribution's package
                                                   dataset-fashion-mnist, which is installed where it is missing

A file that is there already is checked, not fetched again. Sets differ in their licences; read them where they come
from. The project's own tests cannot reach a network: they try the arguments of this script, not the downloads.
TEXT
}

misuse() {
  echo "fetch_data.sh: $1; --help shows what is possible" >&2
  exit 2
}

fetch() {  # URL FILE MD5
  if [ ! -e "$2" ]; then
    echo "fetching $1"
    if command -v curl >/dev/null; then
      curl --fail --location --output "$2.part" "$1"
    elif command -v wget >/dev/null; then
      wget --output-document="$2.part" "$1"
    else
      echo "fetch_data.sh: neither curl nor wget is installed; install one, or fetch $1 to $2 yourself" >&2
      exit 1
    fi
    mv "$2.part" "$2"
  fi
  local found
  found=$(md5sum "$2" | cut -d' ' -f1)
  if [ "$found" != "$3" ]; then
    echo "fetch_data.sh: $2 has the MD5 sum $found, expected $3; remove it and fetch it again" >&2
    exit 1
  fi
}

fashion() {  # FOLDER
  local from=/usr/share/datasets/fashion-mnist here program
  here=$(dirname "$(readlink -f "$0")")
  if [ ! -d "$from" ] && ! "$here/install_dependencies.sh" data; then
    echo "fetch_data.sh: install the package dataset-fashion-mnist of Debian or Ubuntu; its images lie in $from" >&2
    exit 1
  fi
  program=${LPL_RATE:-$here/../build/release/bin/lpl_rate}
  [ -x "$program" ] || program=lpl_rate
  for part in train:train t10k:test; do
    [ -e "$1/fashion_${part#*:}.h5" ] ||
      "$program" import "$from/${part%:*}-images-idx3-ubyte.gz" --out "$1/fashion_${part#*:}.h5"
  done
}

folder=data
sets=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --to) [ $# -ge 2 ] || misuse "--to needs a folder"; folder=$2; shift ;;
    cifar10 | stl10 | shapes | fashion) sets+=("$1") ;;
    -*) misuse "unknown option $1" ;;
    *) misuse "unknown set $1" ;;
  esac
  shift
done
[ ${#sets[@]} -gt 0 ] || misuse "no set is named"

mkdir -p "$folder"
for set in "${sets[@]}"; do
  case "$set" in
    cifar10)
      fetch https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz "$folder/cifar-10-binary.tar.gz" \
        c32a1d4ab5d03f1284b67883e8d87530
      tar -xzf "$folder/cifar-10-binary.tar.gz" -C "$folder"
      ;;
    stl10)
      fetch http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz "$folder/stl10_binary.tar.gz" \
        91f7769df0f17e558f3565bffb0c7dfb
      tar -xzf "$folder/stl10_binary.tar.gz" -C "$folder"
      ;;
    shapes)
      fetch https://storage.googleapis.com/3d-shapes/3dshapes.h5 "$folder/3dshapes.h5" \
        099a2078d58cec4daad0702c55d06868
      ;;
    fashion) fashion "$folder" ;;
  esac
done
