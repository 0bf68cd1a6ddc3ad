#!/usr/bin/env bash
# The README's two commands, shortened, on a machine that has nothing: a minimal Debian 12 in a folder, with the committed tree
# and no git. An argument is a command that runs there after them.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/fresh_root.sh

skip_without_fresh_root "a fresh machine"

make_work fresh
root=$work/root log=$work/log

stage() {  # NAME COMMAND...
  local name=$1 start=$SECONDS
  if ! "${@:2}" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log"
    echo "FAILED on a fresh machine: $name" >&2
    exit 1
  fi
  echo "$name: $((SECONDS - start)) s"
}

copy_tree() {
  mkdir "$root/root/lpl" && git archive HEAD | tar -x -C "$root/root/lpl"
}

stage "a minimal system" make_fresh_root "$root"
stage "the committed tree" copy_tree
stage "scripts/quickstart.sh" in_fresh_root "$root" scripts/quickstart.sh --set 'phase.prime.duration="5 s"' --set 'phase.learn.duration="20 s"'
stage "its revision is unknown there, and said so" in_fresh_root "$root" sh -c 'build/release/bin/lpl_sim --version | grep -F "(unknown)"'
stage "scripts/test.sh" in_fresh_root "$root" scripts/test.sh -R '^(unit|rate_parts|mpi_2|system_ranks|recorded_|(rate_)?reference_)' -E on_3_ranks
if [ $# -gt 0 ]; then stage "$*" in_fresh_root "$root" "$@"; fi
