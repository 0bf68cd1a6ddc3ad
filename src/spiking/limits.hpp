// [[limit]]: ranges that rates and mean weights must stay in; what leaves one ends the run.
//
// Limits are judged on grids of their own, from whole numbers that are added up over ranks, so that a run ends at the
// same step on any number of ranks and wherever epochs end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "spiking/network.hpp"
#include "spiking/spike_history.hpp"

namespace lpl::spiking {

// What a limit knows between two judgements.
struct LimitState {
  std::int64_t count = 0;  // spikes since the last multiple of `every`, on a rank those of its own
  double average = 0;      // [Hz] over time
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& count& average;
  }
};

class Limits {
 public:
  // Collective. All must outlive it.
  Limits(const SimulationDescription& simulation, const Network& network, Communicator& comm);

  // The end of the next step after `now` at which a limit is judged (a large number where there is none).
  Step next_end(Step now) const;
  // Takes this rank's spikes of steps [from, to).
  void observe(Step from, Step to, OwnSpikes spikes);
  // Whether a limit is judged at the end of step now - 1; the same on all ranks.
  bool due(Step now) const;
  // Collective, where due: what has left its limit, in a sentence; "" where nothing has.
  std::string judge(Step now);

  // Collective: by limit, with the spikes of all ranks; and given back to all ranks.
  std::vector<LimitState> gather_states() const;
  void load(const std::vector<LimitState>& states);

 private:
  std::string judge_rate(const LimitDescription& limit, LimitState& state, std::int64_t count, Step now) const;
  std::string judge_weight(const LimitDescription& limit, double synapses, Step now);

  const SimulationDescription& simulation_;
  const Network& network_;
  Communicator& comm_;
  std::vector<LimitState> states_;
  std::vector<double> synapses_;  // by limit, of its connection on all ranks
};

}  // namespace lpl::spiking
