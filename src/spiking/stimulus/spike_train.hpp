// A stimulus whose spikes are listed.
#pragma once

#include "io/import.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

struct TrainStimulus final : SpikingStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_spikes(Step begin, Step end, double dt) const override;
  void warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const override;
  SpikeTrain train;
};

}  // namespace lpl::spiking
