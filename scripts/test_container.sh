#!/usr/bin/env bash
# Builds the image of packaging/Dockerfile from the committed tree and runs both programs in it on two ranks, as its user;
# then does the steps of packaging/lpl.def in containers, as Apptainer would. The base image is made here, of Debian's
# packages: no registry of images is asked.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/fresh_root.sh

skip_without_fresh_root "container images"
if ! scripts/install_dependencies.sh container >&2; then
  echo "skipped: container images (buildah cannot be installed)"
  exit 0
fi

make_work container

# Neither overlay file systems nor namespaces are needed.
images() { BUILDAH_ISOLATION=chroot buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }
# run_in CONTAINER SCRIPT
run_in() { images run "$1" -- sh -euxc "$2"; }
# section NAME N: the lines below the N-th %NAME of the Apptainer definition
section() { awk -v name="%$1" -v wanted="$2" '/^[%A-Z]/ { inside = $1 == name && ++seen == wanted; next } inside' packaging/lpl.def; }

echo "Making the base image ..."
base=docker.io/library/$(sed -n 's/^FROM \(debian:[^ ]*\).*/\1/p' packaging/Dockerfile | head -n 1)
make_fresh_root "$work/root"
empty=$(images from scratch)
images add --quiet "$empty" "$work/root" /
images commit --quiet --rm "$empty" "$base" >/dev/null
rm -r --one-file-system "$work/root"

echo "Building packaging/Dockerfile ..."
mkdir "$work/tree" && git archive HEAD | tar -x -C "$work/tree"
make_image() { images build --quiet --pull-never --layers -f packaging/Dockerfile "$@" "$work/tree" >/dev/null; }
make_image -t made --target build
make_image -t lpl
lpl=$(images from --pull-never lpl)
run_in "$lpl" '
  test "$(id -un)" = lpl
  cd && export OMPI_MCA_rmaps_base_oversubscribe=1
  mpirun -n 2 lpl_sim /usr/share/lpl/examples/minimal.sim --progress none
  mpirun -n 2 lpl_rate /usr/share/lpl/examples/clusters2d.rate --set training.steps=20 --progress none
  lpl info minimal.h5 clusters2d.h5'

echo "Doing the steps of packaging/lpl.def ..."
made=$(images from --pull-never made) final=$(images from --pull-never "$base")
run_in "$made" "$(section post 1)"
images copy --quiet --from "$made" "$final" /lpl.deb /tmp/lpl.deb
run_in "$final" "$(section post 2)"
run_in "$final" "$(section test 1)"
echo "The image runs both programs, and the steps of the Apptainer definition work."
