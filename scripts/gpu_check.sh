#!/usr/bin/env bash
# Checks and times the CUDA backend on a machine that has a GPU with its driver, nvcc's toolkit and the CUDA libraries of
# PyTorch's packages, and nothing else: no MPI, HDF5 or compiler. Programs are built and packed elsewhere.
#
#   gpu_check.sh pack FOLDER [BUILD]   where BUILD (build/cuda) was built with its tests: programs, the libraries they need,
#                                      a Python, tests, recorded cases (also those in $LPL_RECORDED_CASES) and tools go
#                                      to FOLDER; needs patchelf
#   FOLDER/gpu_check.sh PHASE...       on the GPU's machine. Results go to $OUT (FOLDER/results) too. In three calls, each
#                                      of $SECONDS_A_CALL (570) seconds at most:
#       probe tests                    card, driver and libraries; operations, recorded cases and the program, against the CPU
#       bench kernels                  epochs, beside PyTorch; convolutions and kernels by themselves
#       sanitize                       compute-sanitizer
#   FOLDER/gpu_check.sh rehearse       the tests on the stand-in for a device, anywhere
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }

# ---- packing

# The libraries that those files need, but for those of the GPU's machine: glibc, the compiler's and CUDA's.
needed_by() {
  local own='/(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libresolv|libutil|libstdc\+\+|libgcc_s|libcuda|libcudart|libcublas|libcublasLt|libcudnn|libcupti|libnccl)\.so'
  ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | grep -vE "$own"
}

# A Python with NumPy and h5py, as the distribution has it.
pack_python() {
  local to=$1 version library packages
  version=$(/usr/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  library=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  packages=$(/usr/bin/python3 -c 'import h5py, pathlib; print(pathlib.Path(h5py.__file__).parents[1])')
  mkdir -p "$to/bin" "$to/lib" "$to/packages"
  cp -L /usr/bin/python3 "$to/bin/"
  cp -r "$library" "$to/lib/$version"
  (cd "$to/lib/$version" && rm -rf test idlelib lib2to3 ensurepip pydoc_data tkinter turtledemo config-*)
  cp -r "$packages/numpy" "$packages"/h5py* "$to/packages/"
  rm -rf "$to"/packages/numpy/*/tests "$to"/packages/h5py/tests
  find "$to" -name __pycache__ -prune -exec rm -rf {} +
}

pack() {
  local out=$1 source home program plugin
  source=$(cd "$folder/.." && pwd)
  local bin=${2:-$source/build/cuda}/bin
  command -v patchelf >/dev/null || { echo "gpu_check.sh pack: no patchelf; install it (apt-get install patchelf)" >&2; exit 2; }
  local programs=(lpl_rate gpu_tests gpu_exchange_tests lpl_rate_twin cuda_twin_tests cuda_twin_exchange_tests)
  local tools=(conv_bench graph_time.so kernel_times.so)
  for program in "${programs[@]}" "${tools[@]}"; do
    [ -e "$bin/$program" ] || { echo "gpu_check.sh pack: no $bin/$program; cmake --preset cuda -DLPL_TESTS=ON && cmake --build --preset cuda" >&2; exit 2; }
  done
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  home=$work/lpl_gpu
  mkdir -p "$home"/{bin,lib,openmpi,tree/recorded}
  for program in "${programs[@]}" "${tools[@]}"; do install -s "$bin/$program" "$home/bin/"; done
  # Of Open MPI what one rank needs: nothing for fabrics and schedulers.
  for plugin in "$(ompi_info --parsable --path pkglibdir | cut -d: -f3)"/mca_*.so; do
    ldd "$plugin" | grep -qE 'psm|fabric|uc[pst]|infinipath|munge|ibverbs|rdmacm|pmix' || cp "$plugin" "$home/openmpi/"
  done
  git -C "$source" archive HEAD models scripts tests examples | tar -x -C "$home/tree"
  cp "$source"/tests/reference/data/rate/*.h5 "$home/tree/recorded/"
  if [ -n "${LPL_RECORDED_CASES:-}" ]; then
    cp "$LPL_RECORDED_CASES"/{lpl_default,supervised,end_to_end}.h5 "$home/tree/recorded/"
  fi
  pack_python "$home/python"

  local files
  mapfile -t files < <(find "$home/bin" "$home/openmpi" "$home/python" -type f \( -perm -u+x -o -name '*.so' \) -exec sh -c \
    'head -c4 "$1" | grep -q ELF && echo "$1"' _ {} \;)
  needed_by "${files[@]}" | xargs cp -Lt "$home/lib"
  # They find each other by themselves, so that no other program meets these libraries.
  for program in "${files[@]}" "$home"/lib/*; do
    patchelf --force-rpath --set-rpath "\$ORIGIN/$(realpath --relative-to "$(dirname "$program")" "$home/lib")" "$program"
  done
  mkdir -p "$out"
  tar -C "$work" -c lpl_gpu | xz -6 -T2 > "$out/lpl_gpu.tar.xz"
  cp "$0" "$out/gpu_check.sh"
  du -sh "$home" "$out/lpl_gpu.tar.xz"
}

# ---- on the GPU's machine

unpack() {
  home=$folder/lpl_gpu
  if [ ! -d "$home" ]; then
    (cd "$folder" && { tar -xJf lpl_gpu.tar.xz 2>/dev/null || python3 -c 'import tarfile; tarfile.open("lpl_gpu.tar.xz").extractall()'; })
  fi
  OUT=${OUT:-$folder/results}
  work=$home/work
  mkdir -p "$OUT" "$work"
  OUT=$(cd "$OUT" && pwd)
  tree=$home/tree
  local packages
  packages=$(python3 -c 'import glob, sys; print(":".join(d for p in sys.path for d in glob.glob(p + "/nvidia/*/lib")))' 2>/dev/null || true)
  cuda=${CUDA_HOME:-/usr/local/cuda}
  # PyTorch finds its own.
  ours=(env LD_LIBRARY_PATH="$packages:$cuda/lib64:$cuda/lib:$cuda/extras/CUPTI/lib64")
  python=("${ours[@]}" PYTHONHOME="$home/python" PYTHONPATH="$home/python/packages" "$home/python/bin/python3")
  export PATH=$PATH:$cuda/bin
  export OMPI_MCA_mca_base_component_path=$home/openmpi OMPI_MCA_ess_singleton_isolated=1 OMPI_MCA_plm=isolated
  export OMPI_MCA_btl=self,vader OMPI_MCA_mca_base_component_show_load_errors=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMP_WAIT_POLICY=passive LPL_MODELS=$tree/models LPL_RATE=$home/bin/lpl_rate
  cd "$work"
}

failures=0
# part SECONDS NAME COMMAND...: bounded, also by what is left of the call.
part() {
  local limit=$1 name=$2 start=$SECONDS status=0
  shift 2
  local left=$((${SECONDS_A_CALL:-570} - SECONDS))
  if [ "$left" -lt "$limit" ]; then limit=$left; fi
  echo "--- $name"
  if [ "$limit" -lt 5 ]; then
    status="no time left in this call"
  else
    timeout -k 5 "$limit" "$@" || status=$?
  fi
  if [ "$status" = 0 ]; then
    echo "--- $name: well ($((SECONDS - start)) s)"
  else
    echo "--- $name: FAILED, $status ($((SECONDS - start)) s)"
    failures=$((failures + 1))
  fi
}

probe() {
  part 20 "card and driver" nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem --format=csv
  part 10 "toolkit" nvcc --version
  part 60 "PyTorch" python3 -c 'import torch; print(torch.__version__, "cuDNN", torch.backends.cudnn.version())'
  part 10 "libraries that are missing" "${ours[@]}" bash -c '! ldd "$@" 2>&1 | grep -E "not found|version.*required"' _ "$home"/bin/*
  part 10 "program" "${ours[@]}" "$LPL_RATE" --version
}

# check_against_the_cpu TESTS EXCHANGE: with the tests' programs of those names, and $LPL_RATE.
check_against_the_cpu() {
  local case
  part 100 "operations" "${ours[@]}" "$home/bin/$1" --gtest_brief=1
  part 30 "choice of devices" "${ours[@]}" "$home/bin/$2" --gtest_brief=1
  for case in "$tree"/recorded/*.h5; do
    case $case in *lr_schedule.h5 | *metrics.h5) continue ;; esac
    part 60 "recorded case $(basename "$case" .h5)" "${python[@]}" "$tree/tests/reference/check_rate_case.py" "$case" --device cuda --lpl-rate "$LPL_RATE"
  done
  part 200 "program" "${python[@]}" "$tree/tests/system/test_device.py"
}
tests() { check_against_the_cpu gpu_tests gpu_exchange_tests; }
rehearse() {
  export LPL_RATE=$home/bin/lpl_rate_twin LPL_DEVICES=1
  check_against_the_cpu cuda_twin_tests cuda_twin_exchange_tests
  part 60 "benchmark" "${python[@]}" "$tree/scripts/bench_rate.py" --device cuda --images 8 --batch 4 --repeats 1 --lpl-rate "$LPL_RATE"
}

# write_epochs NAME IMAGES EPOCHS: NAME.rate, VGG-11 in bfloat16 as in the benchmark.
write_epochs() {
  part 60 "data of $1" "${python[@]}" -c "
import pathlib, sys
sys.path.insert(0, '$tree/scripts')
import bench_rate
folder = pathlib.Path('$1')
folder.mkdir(exist_ok=True)
bench_rate.write_cifar(folder, $2)
(folder / 'run.rate').write_text(bench_rate.description(1024, 'bf16', bench_rate.AUGMENTED.replace('\".\"', '\"$work/$1\"'), $3))"
}
run_of() { run=("$LPL_RATE" "$1/run.rate" --out "$1/run.h5" --overwrite --progress none --device cuda); }

bench() {
  part 150 "epochs of 50,000 pairs" "${python[@]}" "$tree/scripts/bench_rate.py" --device cuda --repeats 5 --lpl-rate "$LPL_RATE" --json "$OUT/bench_rate.json"
  part 240 "PyTorch: eager, compiled, graphs" python3 "$tree/tests/gpu/tools/torch_lpl.py"
}
kernels() {
  write_epochs steps 50000 4
  run_of steps
  part 60 "steps by the device's clock" "${ours[@]}" env LD_PRELOAD="$home/bin/graph_time.so" LPL_CUDA_LOG=1 "${run[@]}"
  part 60 "kernels of recorded steps" "${ours[@]}" env CUDA_INJECTION64_PATH="$home/bin/kernel_times.so" "${run[@]}"
  part 120 "convolutions: the engines that cuDNN offers" "${ours[@]}" "$home/bin/conv_bench"
  # Of the first step, which is done call by call.
  write_epochs counted 8192 1
  run_of counted
  part 120 "counters of a step's kernels" "${ours[@]}" ncu --clock-control none --launch-count 330 --print-summary per-kernel \
    --metrics gpu__time_duration.sum,dram__bytes.sum,dram__throughput.avg.pct_of_peak_sustained_elapsed,sm__inst_executed.sum "${run[@]}"
}
sanitize() {
  local check=("${ours[@]}" compute-sanitizer --error-exitcode 9) run=("$home/bin/gpu_tests" --gtest_brief=1)
  part 180 "memory" "${check[@]}" --tool memcheck "${run[@]}"
  part 150 "races in shared memory" "${check[@]}" --tool racecheck "${run[@]}" --gtest_filter='Images.*:CudaBackend.*Loss*'
  part 90 "barriers" "${check[@]}" --tool synccheck "${run[@]}" --gtest_filter='Images.*:CudaBackend.*Loss*'
  part 120 "memory that was never written" "${check[@]}" --tool initcheck "${run[@]}" --gtest_filter='CudaBackend.*'
}

case ${1:-} in
  pack)
    [ $# -ge 2 ] || { usage >&2; exit 2; }
    pack "${@:2}"
    exit
    ;;
  '' | -h | --help)
    usage
    exit
    ;;
esac
for phase in "$@"; do
  case $phase in
    probe | tests | bench | kernels | sanitize | rehearse) ;;
    *) echo "gpu_check.sh: no phase $phase; known: probe, tests, bench, kernels, sanitize, rehearse" >&2; exit 2 ;;
  esac
done
unpack
for phase in "$@"; do
  echo "=== $phase"
  $phase > >(tee "$OUT/$phase.log") 2>&1
  wait $!
done
[ "$failures" -eq 0 ] || { echo "$failures parts FAILED"; exit 1; }
