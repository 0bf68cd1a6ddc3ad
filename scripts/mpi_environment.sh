# Source me: Open MPI refuses to run as root, and more ranks than cores, unless told that both are meant.
if [ "$(id -u)" -eq 0 ]; then
  echo "Running as root (a container, presumably): allowing Open MPI to do so." >&2
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
if [ "${LPL_RANKS:-2}" -gt "$(nproc)" ]; then
  echo "More ranks than cores: letting waiting ranks yield." >&2
  export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
fi
