// Everything that the rest of a training depends on, as a checkpoint holds it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rate/history.hpp"
#include "rate/trainer.hpp"

namespace lpl::rate {

struct TrainingState {
  static constexpr std::uint32_t kVersion = 4;
  std::string run;                               // its name in the result file
  std::int64_t step = 0;                         // steps taken
  std::int64_t epochs = 0;                       // that were to be trained
  std::vector<std::vector<float>> value;         // by array of Encoder::state()
  std::vector<std::vector<float>> mean, square;  // by parameter
  std::vector<StaleEstimates> estimates;
  LossRow epoch_sums;  // of the epoch under way
  History history;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& run& step& epochs& value& mean& square& estimates& epoch_sums& history;
  }
};

// What a network and its optimiser hold now.
void take_network(TrainingState& state, Trainer& trainer, Backend& backend);
// And back. Throws IoError where the state is not that of such a training of at most `last` steps.
void restore_network(const TrainingState& state, const HistoryLayout& layout, std::int64_t last, Trainer& trainer,
                     Backend& backend);

}  // namespace lpl::rate
