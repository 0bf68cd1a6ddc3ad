// How this process was started.
#pragma once

namespace lpl {

// Before MPI starts. Throws CommError, with the way out, where the MPI library would end: in a step of SLURM that does
// not speak PMIx with it. Warns where tasks of a SLURM job stay idle, since nothing has started ranks on them.
void check_launcher();

}  // namespace lpl
