// How this process was started.
#pragma once

namespace lpl {

// Whether mpirun, srun or the like has started this process as a rank of an MPI job. Throws CommError, with the way
// out, in a step of SLURM that does not speak PMIx or PMI with the MPI library. Warns where tasks of a SLURM job stay
// idle, since nothing has started ranks on them.
bool is_launched();

}  // namespace lpl
