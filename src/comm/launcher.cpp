#include "comm/launcher.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>

#include "core/errors.hpp"

namespace lpl {

void check_launcher() {
  if (!std::getenv("SLURM_JOB_ID") || std::getenv("PMIX_RANK") || std::getenv("OMPI_COMM_WORLD_SIZE")) return;
  if (const char* const step = std::getenv("SLURM_STEP_ID"))
    throw CommError(
        fmt::format("step {} of SLURM job {} does not speak PMIx with the MPI library; start the program with srun "
                    "--mpi=pmix (srun --mpi=list shows whether your SLURM has it) or, from the job script or the shell "
                    "of salloc, with mpirun -n RANKS",
                    step, std::getenv("SLURM_JOB_ID")));
  const char* const tasks = std::getenv("SLURM_NTASKS");
  if (!tasks || std::atoi(tasks) < 2) return;
  fmt::print(stderr,
             "warning: SLURM has given this job {0} tasks, but {1} was started alone and runs as one rank; srun "
             "--mpi=pmix {1} or mpirun {1} uses all {0}\n",
             tasks, program_invocation_short_name);
}

}  // namespace lpl
