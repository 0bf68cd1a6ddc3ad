// A request to end that leaves time to save: SIGTERM, SIGINT and SIGUSR1 (SLURM's --signal=USR1@60) set a flag, which
// the engines look at where all ranks can stop together.
//
// Signals reach ranks at different moments, or only one of them. So a rank never acts on its own flag:
//   if (comm.max(termination_signal()) > 0) ...   // the same answer on all ranks
#pragma once

namespace lpl {

// From now on the three signals set the flag and do nothing else; where `second_ends`, the next one ends the process.
void watch_for_termination(bool second_ends);

// The signal that this process got since, 0 for none.
int termination_signal();

}  // namespace lpl
