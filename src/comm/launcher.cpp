#include "comm/launcher.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>

#include "core/errors.hpp"

namespace lpl {

namespace {

// A number that a launcher has left in the environment, 1 where it has not.
int tasks_in(const char* variable) {
  const char* const text = std::getenv(variable);
  return text ? std::atoi(text) : 1;
}

}  // namespace

bool is_launched() {
  // Of Open MPI's mpirun; of PMIx and PMI, by which SLURM and other launchers start ranks.
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(variable)) return true;
  const char* const job = std::getenv("SLURM_JOB_ID");
  if (!job) return false;
  if (const char* const step = std::getenv("SLURM_STEP_ID"); step && tasks_in("SLURM_STEP_NUM_TASKS") > 1)
    throw CommError(
        fmt::format("step {} of SLURM job {} does not speak PMIx with the MPI library; start the program with srun "
                    "--mpi=pmix (srun --mpi=list shows whether your SLURM has it) or, from the job script or the shell "
                    "of salloc, with mpirun -n RANKS",
                    step, job));
  if (const int tasks = tasks_in("SLURM_NTASKS"); tasks > 1)
    fmt::print(stderr,
               "warning: SLURM has given this job {0} tasks, but {1} was started alone and runs as one rank; srun "
               "--mpi=pmix {1} or mpirun {1} uses all {0}\n",
               tasks, program_invocation_short_name);
  return false;
}

}  // namespace lpl
