#!/usr/bin/env bash
# Makes the Debian package, installs it with apt in a fresh minimal Debian, runs it there as a user on two ranks, removes it.
#
#   test_package.sh [BUILD]     as make_package.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/fresh_root.sh
build=${1:-build/package}

skip_without_fresh_root "the package on a fresh machine"

scripts/make_package.sh "$build"
make_work package
root=$work/root
echo "Making a minimal Debian ..."
make_fresh_root "$root"
cp "$build"/lpl_*.deb "$root/tmp/lpl.deb"

cat >"$root/tmp/install.sh" <<'INSTALL'
set -eux
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends /tmp/lpl.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
useradd --create-home user
INSTALL
cat >"$root/tmp/use.sh" <<'USE'
set -euxo pipefail
cd
export OMPI_MCA_rmaps_base_oversubscribe=1
examples=/usr/share/lpl/examples
lpl_sim --version
mpirun -n 2 lpl_sim $examples/minimal.sim --progress none
mpirun -n 2 lpl_rate $examples/clusters2d.rate --set training.steps=20 --progress none
lpl info minimal.h5 clusters2d.h5
lpl report minimal.h5 -o minimal.html
lpl_sweep $examples/minimal.sim --vary seed=1,2
python3 -c 'from lpl_analysis.results import Result; assert Result("minimal.h5").status == "complete"'
source /usr/share/bash-completion/completions/lpl_sim
complete -p lpl_sim
USE
cat >"$root/tmp/remove.sh" <<'REMOVE'
set -eux
apt-get purge -y -qq lpl >/dev/null
for gone in /usr/bin/lpl_sim /usr/bin/lpl /usr/share/lpl /usr/share/doc/lpl; do test ! -e $gone; done
REMOVE
in_fresh_root "$root" sh /tmp/install.sh
in_fresh_root "$root" su user -c 'bash /tmp/use.sh'
in_fresh_root "$root" sh /tmp/remove.sh
echo "The package installs, runs and goes."
