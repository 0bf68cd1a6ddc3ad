#include "spiking/stimulus/spike_train.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lpl::spiking {
namespace {

std::size_t position_of(const SpikeTrain& train, Step step) {
  return static_cast<std::size_t>(std::ranges::lower_bound(train.step, step) - train.step.begin());
}

class TrainMaker final : public SpikeMaker {
 public:
  explicit TrainMaker(const SpikeTrain& train) : train_(train) {}

  void fill(SpikeHistory& history, Step until) override {
    const std::size_t first = next_;
    count_.assign(static_cast<std::size_t>(until - history.end()), 0);
    for (; next_ < train_.step.size() && train_.step[next_] < until; ++next_)
      ++count_[static_cast<std::size_t>(train_.step[next_] - history.end())];
    history.append({train_.neuron.data() + first, next_ - first}, count_);
  }
  void seek(Step now) override { next_ = position_of(train_, now); }

 private:
  const SpikeTrain& train_;
  std::size_t next_ = 0;
  std::vector<std::uint32_t> count_;  // by step
};

}  // namespace

std::unique_ptr<SpikeMaker> TrainStimulus::make(double /*dt*/, std::uint64_t /*seed*/) const {
  return std::make_unique<TrainMaker>(train);
}

double TrainStimulus::expected_spikes(Step begin, Step end, double /*dt*/) const {
  return static_cast<double>(position_of(train, end) - position_of(train, begin));
}

void TrainStimulus::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  const std::size_t all = train.step.size(), late = all - position_of(train, end);
  const auto seconds = [&](Step step) { return static_cast<double>(step) * grid.dt; };
  if (all == 0)
    say("has no spike");
  else if (late == all)
    say(
        fmt::format("all {} spikes come after the end of the run at {} s, the first at {} s; are the times in another "
                    "unit?",
                    all, seconds(end), seconds(train.step.front())));
  else if (late > 0)
    say(fmt::format("{} of {} spikes come after the end of the run at {} s", late, all, seconds(end)));
  if (train.rounded > 0)
    say(fmt::format("{} of {} spikes lie between the steps of dt = {} and come at the nearest one", train.rounded, all,
                    grid.stated));
}

}  // namespace lpl::spiking
