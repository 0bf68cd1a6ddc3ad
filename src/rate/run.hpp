// A training run from description to result file: epochs, schedule, readouts, checkpoints.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/progress.hpp"
#include "io/result_file.hpp"
#include "rate/backend.hpp"
#include "rate/description.hpp"

namespace lpl {

struct TrainingSummary {
  std::int64_t parameters = 0;
  std::int64_t steps = 0;
  std::int64_t epochs = 0;
  std::int64_t samples = 0;
  double wall_seconds = 0;
  double final_total = 0;
};

// Trains and writes the result file. Collective. Throws Error; a loss that is not finite ends the run with layer, step
// and term named.
TrainingSummary run_training(const TrainingDescription& description, Backend& backend, Communicator& comm,
                             const RunFacts& facts, const std::string& out, ProgressStyle progress);

}  // namespace lpl
