# Source me in a job script. LPL_HOME is the project's folder, by default the one the job was submitted from, or PREFIX/share/lpl
# where it is installed; LPL_BIN that of the programs.
LPL_HOME=${LPL_HOME:-$SLURM_SUBMIT_DIR}
if [ ! -e "$LPL_HOME/CMakeLists.txt" ]; then LPL_BIN=${LPL_BIN:-$LPL_HOME/../../bin}; fi
LPL_BIN=${LPL_BIN:-$LPL_HOME/build/release/bin}
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

# What starts a program on all ranks of this job, each bound to its own core; nothing for a job of one task. Set
# LPL_LAUNCHER to use something else, such as "mpirun --bind-to core --mca odls_base_sigkill_timeout 100".
if [ -z "${LPL_LAUNCHER+set}" ]; then
  LPL_LAUNCHER=
  if [ "${SLURM_NTASKS:-1}" -gt 1 ]; then LPL_LAUNCHER="srun --mpi=pmix --cpu-bind=cores"; fi
fi
export LPL_LAUNCHER

# supervise COMMAND...: runs it, passes SIGUSR1 and SIGTERM on as SIGUSR1, and requeues the job where the program says
# (exit status 75) that it has written a checkpoint and ended. Any other status becomes the job's.
supervise() {
  "$@" &
  local run=$! code=0
  trap 'kill -USR1 "$run" 2>/dev/null' USR1 TERM
  while true; do
    wait "$run" && code=0 || code=$?
    kill -0 "$run" 2>/dev/null || break # else a signal has ended the wait
  done
  if [ "$code" -eq 75 ]; then
    echo "job $SLURM_JOB_ID: interrupted, queued again"
    scontrol requeue "$SLURM_JOB_ID"
    sleep 60 # the requeue ends this script
  fi
  exit "$code"
}

# run_description FILE OUT [OPTIONS...]: runs a .sim or .rate file on this job's ranks, or goes on with it.
run_description() {
  local description=$1 out=$2 checkpoint=${2%.h5}.checkpoint program=lpl_sim resume=()
  shift 2
  if [ "${description##*.}" = rate ]; then program=lpl_rate; fi
  if [ -e "$checkpoint" ]; then resume=(--resume "$checkpoint" --fall-back); fi
  # shellcheck disable=SC2086  # the launcher is several words
  supervise $LPL_LAUNCHER "$LPL_BIN/$program" "$description" --out "$out" --checkpoint "$checkpoint" \
    --progress lines "$@" "${resume[@]}"
}
