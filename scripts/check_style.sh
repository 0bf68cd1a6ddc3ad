#!/usr/bin/env bash
# Checks the form of the code: clang-format, the arrows between rooms and, with --tidy (slow), clang-tidy (of what a build without
# CUDA compiles); with --analyze (slower), clang's analyzer.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files 'src/*.[ch]pp' 'src/*.cu' 'sim/*.[ch]pp' 'tests/*.[ch]pp')
clang-format --dry-run --Werror "${files[@]}"
python3 scripts/check_includes.py
case "${1:-}" in
  --tidy) checks='' ;; # as .clang-tidy has them
  --analyze) checks='-*,clang-analyzer-*,-clang-analyzer-security.FloatLoopCounter,-clang-analyzer-optin.performance.Padding' ;;
  *) exit 0 ;;
esac
cmake --preset dev >/dev/null
cmake --build --preset dev --target lpl_version >/dev/null
mapfile -t sources < <(git ls-files 'src/*.cpp' 'sim/*.cpp' ':!src/rate/cuda')
run-clang-tidy -p build/dev -quiet -j "$(nproc)" ${checks:+-checks="$checks"} "${sources[@]}" 2>/dev/null |
  { grep -v '^clang-tidy' || true; } # not the command of every file, only what was found
