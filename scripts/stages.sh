# Source me: stages that run one after the other. All run, whatever fails; at the end each says how long it took, and those
# that failed say their last lines again.
stages_summary=() stages_failed=()
stages_logs=$(mktemp -d)
trap 'rm -rf "$stages_logs"' EXIT

# stage NAME COMMAND...
stage() {
  local start=$SECONDS status=0
  echo "=== $1"
  set +e
  (set -e; "${@:2}") 2>&1 | tee "$stages_logs/$1"
  status=${PIPESTATUS[0]}
  set -e
  local verdict=passed
  if [ $status -ne 0 ]; then verdict=FAILED stages_failed+=("$1"); fi
  echo "=== $1: $verdict"
  stages_summary+=("$(printf '%-28s %6d s  %s' "$1" $((SECONDS - start)) $verdict)")
}

# preset NAME REGEX: builds a preset with its tests, and runs those tests whose names match.
preset() {
  cmake --preset "$1" -DLPL_TESTS=ON >/dev/null
  cmake --build --preset "$1"
  ctest --preset "$1" -j "$(nproc)" -R "$2"
  scripts/print_skipped.sh "build/$1"
}

end_of_stages() {
  local name
  for name in "${stages_failed[@]}"; do
    echo "=== the end of: $name"
    tail -n 40 "$stages_logs/$name"
  done
  printf '%s\n' "${stages_summary[@]}"
  [ ${#stages_failed[@]} -eq 0 ]
}
